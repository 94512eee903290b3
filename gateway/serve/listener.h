/*
 * Addresses to sockets.
 *
 * Threads:   main thread, before privileges are dropped.
 * Errors:    reason: "ADDRESS@PORT: what the system said".
 */
#ifndef ZONEGATE_SERVE_LISTENER_H
#define ZONEGATE_SERVE_LISTENER_H

#include "base/status.h"
#include <stddef.h>
#include <stdbool.h>
#include <sys/socket.h>

#define LISTENER_REASON_SIZE 200

struct xdp_sockets;

struct listener_address { struct sockaddr_storage address; socklen_t size; };

/*
 * One worker's sockets: for each address a UDP and a TCP socket, non-blocking, SO_REUSEPORT; wildcard addresses with
 * IP_PKTINFO.
 */
struct listener_sockets {
	size_t count;
	int *udp, *tcp;
	bool *wildcard;
	struct listener_address *addresses; /* copies */
	size_t tls_count;
	int *tls;                           /* TCP sockets for DNS over TLS */
	struct xdp_sockets *xdp;            /* of all workers (serve/xdp.h); NULL: none */
};

/* Sockets for `workers` workers: an array of that many; all or nothing. */
MUST_USE enum status listener_open(const struct listener_address *addresses, size_t count, unsigned workers,
				   struct listener_sockets **sockets, char *reason);
/* TCP sockets for TLS beside those of listener_open, for the same workers. What fails is the caller's to close. */
MUST_USE enum status listener_open_tls(const struct listener_address *addresses, size_t count, unsigned workers,
				       struct listener_sockets *sockets, char *reason);
void listener_close(struct listener_sockets *sockets, unsigned workers);
/* "address@port" with the port optional (default 53): strict. */
MUST_USE enum status listener_parse(const char *text, unsigned default_port, struct listener_address *address);

#endif
