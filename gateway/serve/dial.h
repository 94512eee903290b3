/*
 * A TCP connection to another server, plain or TLS, for what we ask of it.
 *
 * Threads:   one for each connection; calls wait, but never for longer than the silence that is allowed, and ask `gone`
 *            meanwhile whether anybody still wants the result.
 * Errors:    a reason (DIAL_REASON_SIZE) for a person.
 * Standards: RFC 7766; RFC 9103 7 (ALPN "dot", TLS 1.3).
 */
#ifndef ZONEGATE_SERVE_DIAL_H
#define ZONEGATE_SERVE_DIAL_H

#include "base/status.h"
#include "serve/listener.h"

#define DIAL_REASON_SIZE 500

struct dial;

struct dial_settings {
	struct listener_address address;
	bool tls;
	const char *ca;              /* PEM; the server's certificate must be of these; NULL: it is not looked at */
	const char *hostname;        /* and for this name, or for the address; NULL: the address */
	unsigned connect_ms, silence_ms;
	bool (*gone)(void *context); /* nobody wants it any more */
	void *context;
};

/* settings: lent until dial_close. STATUS_IO; STATUS_INVALID: the certificate, or `ca`. */
MUST_USE enum status dial_open(const struct dial_settings *settings, struct dial **dial, char *reason);
/* All of it. */
MUST_USE enum status dial_send(struct dial *dial, const void *bytes, size_t size, char *reason);
/* Exactly `size` octets. STATUS_NOT_FOUND: the other end has closed before the first of them. */
MUST_USE enum status dial_receive(struct dial *dial, void *bytes, size_t size, char *reason);
void dial_close(struct dial *dial); /* NULL is fine */

#endif
