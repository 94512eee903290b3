/*
 * DNS over TLS and zone transfer over TLS: what lies beneath a connection of tcp.h that has a certificate.
 *
 * Threads:   a struct tls is immutable but for its count: shared by all workers. A connection is its worker's.
 * Memory:    shared (tls_hold, tls_free). A connection keeps no buffers while it is idle.
 * Errors:    reason: "FILE: what is wrong"; never a pass phrase prompt.
 * Limits:    TLS 1.3 only; no early data, whose requests could be replayed. Sessions are resumed by tickets, so nothing
 *            is kept for a client that has gone. The handshake is part of tcp-idle's time.
 *            A client certificate is asked for where there is a client-ca; one that is not good ends the handshake. Its
 *            names are those of its subjectAltName, else its CN, that are plain host names; at most TLS_NAMES_SIZE
 *            octets. Revocation lists are not looked at.
 * Standards: RFC 7858; RFC 9103 7 (ALPN "dot"); RFC 8446; RFC 7301 3.2; RFC 9103 9.3.3 (mutual TLS); RFC 6125 6.4
 *            (names).
 */
#ifndef ZONEGATE_SERVE_TLS_H
#define ZONEGATE_SERVE_TLS_H

#include "serve/tcp.h"

#define TLS_REASON_SIZE 800
#define TLS_NAMES_SIZE 1024

struct tls_files {
	const char *certificate, *key;
	const char *client_ca;  /* NULL: clients are not asked */
	bool client_required;   /* no connection without a client certificate */
};

/*
 * Read a certificate chain and its key, and the CAs of clients (PEM).
 * STATUS_IO: a file cannot be read; STATUS_INVALID: what it says cannot be used.
 */
MUST_USE enum status tls_new(const struct tls_files *files, struct tls **tls, char *reason);
struct tls *tls_hold(struct tls *tls);
void tls_free(struct tls *tls); /* NULL is fine */
/* Sessions that began under `old` can be resumed under `tls`, if both trust the same clients. Before `tls` is used. */
void tls_inherit(struct tls *tls, const struct tls *old);

/* Connections take the certificate of serve_settings.tls when they begin, and keep it. */
extern const struct tcp_layer tcp_tls;

#endif
