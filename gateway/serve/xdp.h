/*
 * UDP past the kernel's network stack, by AF_XDP: of the interfaces that server.xdp names, queries to the addresses of
 * server.listen come from the wire into memory that is ours too, and answers go back the same way. All else goes on to
 * the kernel: TCP, other ports and addresses, fragments, IP options and extension headers, VLAN tags, ICMP, ARP, frames
 * over 1,514 octets. What is sent to a wildcard of `listen` is taken where the interface has that address at the start.
 *
 * An answer goes to the MAC address that the query came from. One that does not fit into a frame, and the outcome of an
 * UPDATE, which may come from another thread, goes out of the socket of udp.h of the same address: the kernel cuts it
 * and looks for the way. So udp.h's sockets are always there, and take what XDP does not.
 *
 * Threads:   xdp_open and xdp_close: main. A struct xdp belongs to its worker.
 * Memory:    8 MiB for each receive queue of an interface, pinned; all made at the start.
 * Errors:    reason: "INTERFACE: what the system said". A build without AF_XDP has xdp_none.c, which says so.
 * Limits:    the kernel's firewall, rp_filter and tcpdump do not see what is taken. Addresses that can be no source,
 *            and our own, are dropped here.
 * Ends:      the program on the interface belongs to a file descriptor of this process (a bpf_link): it goes with the
 *            process, kill -9 included.
 * Why:       tests/bench/xdp, a veth pair, 100,000 records, CPU us a query, medians of nine: 3.6 of this thread, 5.3
 *            with recvmmsg and sendmmsg, and 4.6 for an echo server with these, without any DNS; Knot 5.0 and 7.7.
 */
#ifndef ZONEGATE_SERVE_XDP_H
#define ZONEGATE_SERVE_XDP_H

#include "serve/listener.h"

struct dispatch;
struct udp;
struct xdp;
struct xdp_sockets;

/* AUTO: NATIVE, the driver's own, where it has one; else GENERIC, the kernel's for every interface. */
enum xdp_mode { XDP_MODE_AUTO, XDP_MODE_NATIVE, XDP_MODE_GENERIC };

struct xdp_interface { const char *name; int mode; };

/* Is it in this build? */
bool xdp_built(void);

/*
 * For `workers` workers, whose sockets have the addresses of `listeners`; queues are dealt to them in turn. From now on
 * frames wait for the workers.
 */
MUST_USE enum status xdp_open(const struct xdp_interface *interfaces, size_t count,
			      const struct listener_sockets *listeners, unsigned workers, struct xdp_sockets **sockets,
			      char *reason);
/* After the workers. NULL is fine. */
void xdp_close(struct xdp_sockets *sockets);

/* The share of worker `dispatch->worker_number`. udp: for what does not go by XDP. NULL: no memory. */
struct xdp *xdp_new(const struct dispatch *dispatch, struct xdp_sockets *sockets, struct udp *udp,
		    _Atomic int *in_flight);
void xdp_free(struct xdp *xdp);
/* Adds its sockets to an epoll, or takes them out. */
MUST_USE bool xdp_watch(struct xdp *xdp, int epoll_fd);
void xdp_unwatch(struct xdp *xdp, int epoll_fd);
/* Every round: takes back what has been sent by now. */
void xdp_tick(struct xdp *xdp);

#endif
