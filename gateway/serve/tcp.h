/*
 * DNS over TCP: pipelining, answers out of order, one send for many answers, limits for each client.
 *
 * Threads:   the worker's.
 * Memory:    an idle connection has no buffers. Bytes come and go through two buffers of the worker; what cannot be
 *            used or sent at once is kept with the connection: at most TCP_IN_SIZE in and TCP_OUT_LIMIT +
 *            TCP_OUT_SIZE out.
 * Limits:    struct worker_limits; TCP_PENDING UPDATEs on their way a connection; a connection that has not sent a
 *            whole message, nor taken what is there for it, for tcp_idle_ms is closed. Where no more connections may
 *            be, the one that has been idle longest makes room, or that has taken nothing for a quarter of tcp_idle_ms.
 *            A transfer that is not taken in tcp_transfer_ms is cut off. Without a file descriptor, and nobody to make
 *            room, new connections wait in the kernel.
 * Standards: RFC 7766; RFC 9210. What is beneath a connection is a struct tcp_layer, so that TLS can be.
 */
#ifndef ZONEGATE_SERVE_TCP_H
#define ZONEGATE_SERVE_TCP_H

#include "serve/dispatch.h"
#include "serve/source.h"
#include <sys/types.h>

#define TCP_IN_SIZE (128u << 10)             /* a message of 65,535 octets fits with what follows it */
#define TCP_OUT_SIZE (4u * (2 + MESSAGE_MAX_SIZE))
#define TCP_OUT_LIMIT (64u << 10)            /* unsent octets at which no further request is taken */
#define TCP_PENDING 1024

struct tcp;

/* What carries the bytes. Results as of recv(2) and send(2), without SIGPIPE; errno EAGAIN: later. */
struct tcp_layer {
	enum transport transport;
	/* Makes the layer's own state; NULL where it has none. False: the connection cannot be had. */
	bool (*open)(const struct dispatch *dispatch, int fd, void **state);
	ssize_t (*receive)(int fd, void *state, void *bytes, size_t room);
	ssize_t (*send)(int fd, void *state, const void *bytes, size_t size);
	void (*identify)(void *state, struct peer *peer); /* fills names; after octets have come; NULL: never */
	bool (*again)(void *state);              /* there is more to receive that epoll does not see; NULL: never */
	void (*close)(void *state);              /* before close(fd) */
};
extern const struct tcp_layer tcp_plain;

/* NULL: no memory. in_flight: as in udp.h. */
struct tcp *tcp_new(const struct dispatch *dispatch, int epoll_fd, const struct worker_limits *limits,
		    _Atomic int *in_flight);
/* Closes all connections. */
void tcp_free(struct tcp *tcp);
/* Accept from a listening socket, which stays the caller's. */
MUST_USE enum status tcp_listen(struct tcp *tcp, int fd, const struct tcp_layer *layer);
/* An UPDATE's outcome stands; frees it. Then tcp_flush, once for many. */
void tcp_answer(struct tcp *tcp, struct pending *pending);
void tcp_flush(struct tcp *tcp);
/* After each round of events: the time, idle connections, and those closed in this round. */
void tcp_tick(struct tcp *tcp, uint64_t now_ms);
/* Stop: no new connections and no new requests. */
void tcp_stop(struct tcp *tcp);
/* After that: close what no UPDATE is on its way for. */
void tcp_cut(struct tcp *tcp);
/* True when nothing is on its way to a client. */
bool tcp_is_idle(const struct tcp *tcp);

#endif
