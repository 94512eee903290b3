/*
 * What one exchange owns, and what a worker owns: shapes shared by the transports and dispatch.
 *
 * Threads:   a worker and all that hangs on it belong to its thread; give_back may be called from any.
 * Memory:    a pending is one heap object, made by dispatch for an UPDATE and freed by dispatch_pending_free.
 */
#ifndef ZONEGATE_SERVE_REQUEST_H
#define ZONEGATE_SERVE_REQUEST_H

#include "base/stat.h"
#include "keys/tsig.h"
#include "serve/cookie.h"
#include "serve/ratelimit.h"
#include "update/committer.h"
#include "zone/table.h"

struct dnstap;
struct tls;

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_COUNT };

/* What the configuration says of serving; immutable, replaced at reload, read in an RCU section. */
struct serve_settings {
	struct keyring *keys;          /* given */
	char *identity;                /* NSID and id.server; NULL: none */
	char *version_text;            /* version.server; "": refused; NULL: that of struct serve */
	uint16_t udp_size;             /* largest UDP response */
	struct acl *control;           /* not used by serve/ */
	struct cookie_secrets cookies;
	struct ratelimit_settings ratelimit;
	uint16_t keepalive_100ms;      /* idle time of a TCP connection (RFC 7828) */
	struct tls *tls;               /* shared; NULL: none */
	struct dnstap *dnstap;         /* shared; NULL: off */
};

/* What all workers share; lives as long as the process. */
struct serve {
	struct table *table;
	struct committer *committer;
	struct audit *audit;
	_Atomic(struct serve_settings *) settings;
	const char *version_text;
};

/* Counters of one worker; written by its thread only, but for `dropped`; summed by control/http.c. */
struct serve_counters {
	stat_counter queries[TRANSPORT_COUNT][24]; /* by RCODE; 23: all others */
	stat_counter dropped, tsig_failures[TSIG_VERDICTS];
	stat_counter tcp_accepted, tcp_open, tcp_refused;
	stat_counter transfers; /* under way */
	stat_counter tls_full, tls_resumed, tls_failed; /* handshakes */
	stat_counter cookies[COOKIE_VERDICTS], limited[RATELIMIT_VERDICTS];
	stat_counter xdp_messages, xdp_malformed; /* taken from the wire; frames that are no message to us */
};

/* What one worker takes on. */
struct worker_limits {
	unsigned tcp_clients;          /* connections a worker */
	unsigned tcp_clients_address;  /* connections a client (an IPv4 address, an IPv6 /64), a worker */
	unsigned tcp_idle_ms;
	unsigned tcp_transfer_ms;      /* a transfer */
	unsigned workers;              /* that share the rate limit */
};

/* Where an answer goes. */
struct peer {
	struct sockaddr_storage remote, local; /* local: address asked, where it is known (RFC 2181 4) */
	socklen_t remote_size;
	enum transport transport;
	/* TLS: of a verified client certificate, as in struct policy_requestor; lent by the connection. */
	const uint8_t *names;
	size_t names_size;
};

/* Who takes the outcome of an UPDATE, which may come after the connection has gone. */
struct origin {
	void *connection;              /* TCP: may be gone meanwhile; UDP: NULL */
	uint64_t serial;               /* of the connection; for UDP the socket's index */
	bool others_wait;              /* more messages have come with it */
};

enum dispatch_result {
	DISPATCH_ANSWER,   /* *size octets in the buffer are to be sent */
	DISPATCH_DROP,     /* nothing is sent */
	DISPATCH_LATER,    /* an UPDATE is in the committer's hands: it comes back through `give_back` */
	DISPATCH_STREAM,   /* *stream is to be pulled (TCP only) */
};

/*
 * Handed to the transport when an UPDATE's outcome stands: composed, signed and sent (worker.c says on which thread).
 */
struct pending {
	struct update_request update;  /* first: update.release's argument is this */
	struct tsig tsig;
	struct peer peer;
	struct worker *worker;
	struct origin origin;
	void (*give_back)(struct pending *pending);   /* dispatch's */
	struct pending *next;
};

#endif
