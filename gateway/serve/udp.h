/*
 * Queries and answers by UDP, in batches: recvmmsg, dispatch, sendmmsg.
 *
 * Threads:   the worker's, but for udp_answer_here.
 * Memory:    all buffers are made at start: some 1 MiB, of which small messages touch a part.
 * Limits:    a request of UDP_IN_SIZE octets: more is cut, and so FORMERR.
 * Why:       what lies below these two calls was tried in an echo server, loopback, two busy cores, CPU us a message,
 *            medians of six, 32 and 8 messages a socket under way: recvmmsg and sendmmsg 4.57 and 4.97; io_uring with
 *            multishot receive into provided buffers and a send each 4.24 and 5.37; SO_BUSY_POLL 4.69 and 5.26;
 *            UDP_GRO 4.77 and 5.20. None pays for its lines. UDP_SEGMENT would need answers of one size in a row to
 *            one port, which resolvers do not ask for. Nine tenths of a query's time are the kernel's.
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
struct udp *udp_new(const struct dispatch *dispatch, const struct listener_sockets *sockets, _Atomic int *in_flight);
void udp_free(struct udp *udp);
/* For epoll: the source of the socket of that index. */
struct source *udp_source(struct udp *udp, size_t index);
/* A batch from one socket; source->ready. */
void udp_receive(struct source *source, uint32_t events);
/* Answers whose outcome stands (a list by `next`), all with connection NULL; frees them. */
void udp_answer(struct udp *udp, struct pending *list);
/*
 * The same for one, at once, on any thread that is in an RCU section. False: not now, the worker has to. The udp may be
 * gone when this returns.
 */
bool udp_answer_here(struct udp *udp, struct pending *pending);
/* One answer, out of the socket of that index; any thread. */
void udp_send(struct udp *udp, uint64_t index, const struct peer *peer, const uint8_t *bytes, size_t size);

#endif
