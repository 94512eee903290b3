/*
 * What has to be known of a network interface before AF_XDP serves on it.
 *
 * Threads:   main.
 * Memory:    xdp_interface_free frees what a facts points to.
 * Errors:    reason (LISTENER_REASON_SIZE).
 */
#ifndef ZONEGATE_SERVE_XDP_INTERFACE_H
#define ZONEGATE_SERVE_XDP_INTERFACE_H

#include "serve/listener.h"
#include "serve/xdp_filter.h"

/* An address of listen, or one of the interface under a wildcard of listen. */
struct xdp_own {
	struct xdp_filter_key key;
	unsigned socket;             /* its index in struct listener_sockets */
	bool wildcard;
};

struct xdp_facts {
	unsigned index;
	uint8_t mac[6];
	unsigned mtu;
	unsigned queues;             /* that frames are received in */
	struct xdp_own *own; size_t own_count;
};

MUST_USE enum status xdp_interface_read(const char *name, const struct listener_sockets *listeners,
					struct xdp_facts *facts, char *reason);
void xdp_interface_free(struct xdp_facts *facts);

#endif
