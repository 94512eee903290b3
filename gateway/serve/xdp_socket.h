/*
 * One AF_XDP socket: a receive queue of an interface, the memory that frames lie in, and the four rings between the
 * kernel and us.
 *
 * Threads:   open and close: main; the rest: the worker that it is dealt to.
 * Memory:    XDP_SOCKET_FRAMES chunks. Each is at every moment in one place: a ring, the list of spare ones, or with
 *            the caller from take until send or give_back. Every ring has room for all of them; but the kernel gives us
 *            frames before it says that it has taken their chunks out of its ring, which so can look full.
 * Errors:    reason (LISTENER_REASON_SIZE).
 */
#ifndef ZONEGATE_SERVE_XDP_SOCKET_H
#define ZONEGATE_SERVE_XDP_SOCKET_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

/* Behind what the system said. */
#define XDP_NO_RIGHTS "; it takes CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF"

#define XDP_SOCKET_FRAMES 4096
#define XDP_SOCKET_CHUNK 2048 /* 256 octets of the kernel's, then the frame */

struct xdp_socket;

struct xdp_chunk { uint8_t *bytes; size_t size; };

MUST_USE enum status xdp_socket_open(const char *interface, unsigned queue, struct xdp_socket **socket, char *reason);
void xdp_socket_close(struct xdp_socket *socket);
int xdp_socket_fd(const struct xdp_socket *socket);
/* Do frames lie where the card wrote them? */
bool xdp_socket_is_zero_copy(const struct xdp_socket *socket);

/* At most `most` frames that have come. */
unsigned xdp_socket_take(struct xdp_socket *socket, struct xdp_chunk *chunks, unsigned most);
/* A frame that was taken, now with other octets: to be sent by the next flush. False: there is no room for it. */
MUST_USE bool xdp_socket_send(struct xdp_socket *socket, struct xdp_chunk chunk);
/* A frame that was taken and is not sent. */
void xdp_socket_give_back(struct xdp_socket *socket, struct xdp_chunk chunk);
/* Tells the kernel of what was put into the rings, and takes back what has been sent. */
void xdp_socket_flush(struct xdp_socket *socket);
/* Is something on its way out? */
bool xdp_socket_is_sending(const struct xdp_socket *socket);

#endif
