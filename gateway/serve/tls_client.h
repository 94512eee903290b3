/*
 * The client's end of TLS, over a non-blocking socket.
 *
 * Threads:   one for each connection.
 * Errors:    reason: TLS_CLIENT_REASON_SIZE characters.
 * Limits:    TLS 1.3 (RFC 9103 8.1); the server is asked for "dot" and may leave it unanswered.
 * Standards: RFC 8446; RFC 8310 8 (authentication by name); RFC 9103.
 */
#ifndef ZONEGATE_SERVE_TLS_CLIENT_H
#define ZONEGATE_SERVE_TLS_CLIENT_H

#include "base/status.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define TLS_CLIENT_REASON_SIZE 500

struct tls_client;

enum tls_client_need { TLS_CLIENT_NOTHING, TLS_CLIENT_READ, TLS_CLIENT_WRITE, TLS_CLIENT_FAILED };

/* As in struct dial_settings; fd stays the caller's. STATUS_INVALID: `ca` has no certificate. */
MUST_USE enum status tls_client_new(int fd, const char *ca, const char *hostname, const struct sockaddr *address,
                                    struct tls_client **client, char *reason);
/* Call again once the socket is ready for what is needed. */
enum tls_client_need tls_client_handshake(struct tls_client *client, char *reason);
/* As recv and send; with errno EAGAIN *need says what to wait for. */
ssize_t tls_client_receive(struct tls_client *client, void *bytes, size_t size, enum tls_client_need *need);
ssize_t tls_client_send(struct tls_client *client, const void *bytes, size_t size, enum tls_client_need *need);
void tls_client_free(struct tls_client *client); /* NULL is fine */

#endif
