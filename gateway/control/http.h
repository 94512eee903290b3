/*
 * HTTP for machines and people: /metrics (Prometheus text format), /healthz, /readyz (503 until ready), a status
 * page at /.
 *
 * Threads:   libmicrohttpd's own one.
 * Security:  GET and HEAD only; nothing can be changed through it.
 */
#ifndef ZONEGATE_CONTROL_HTTP_H
#define ZONEGATE_CONTROL_HTTP_H

#include "control/gateway.h"

struct http;

/* A socket that listens, made before privileges are dropped. */
MUST_USE enum status http_listen(const struct listener_address *address, int *fd, char *reason);
/* fd is given. */
MUST_USE enum status http_start(struct gateway *gateway, int fd, struct http **http, char *reason);
void http_stop(struct http *http);

#endif
