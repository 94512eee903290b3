/*
 * Queries and answers by UDP, in batches: recvmmsg, dispatch, sendmmsg.
 *
 * Threads:   the worker's.
 * Memory:    all buffers are made at start: some 1 MiB, of which small messages touch a part.
 * Limits:    a request of UDP_IN_SIZE octets: more is cut, and so FORMERR.
 */
#ifndef ZONEGATE_SERVE_UDP_H
#define ZONEGATE_SERVE_UDP_H

#include "serve/dispatch.h"
#include "serve/listener.h"
#include "serve/source.h"

#define UDP_IN_SIZE 8192
#define UDP_OUT_SIZE 4096

struct udp;

/* The sockets stay the caller's. in_flight counts requests that are DISPATCH_LATER. NULL: no memory. */
struct udp *udp_new(const struct dispatch *dispatch, const struct listener_sockets *sockets, unsigned *in_flight);
void udp_free(struct udp *udp);
/* For epoll: the source of the socket of that index. */
struct source *udp_source(struct udp *udp, size_t index);
/* A batch from one socket; source->ready. */
void udp_receive(struct source *source, uint32_t events);
/* Answers whose outcome stands (a list by `next`), all with connection NULL; frees them. */
void udp_answer(struct udp *udp, struct pending *list);

#endif
