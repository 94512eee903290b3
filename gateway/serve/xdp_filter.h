/*
 * The program that the kernel asks of each frame: to an AF_XDP socket with it, or on to the network stack? Written here
 * in the machine's words, so that the build needs no second compiler.
 *
 * Threads:   main.
 * Errors:    reason (LISTENER_REASON_SIZE): what the system said.
 * Limits:    needs CAP_NET_ADMIN and CAP_BPF (or CAP_SYS_ADMIN) to open; Linux 5.9.
 */
#ifndef ZONEGATE_SERVE_XDP_FILTER_H
#define ZONEGATE_SERVE_XDP_FILTER_H

#include "serve/xdp.h"
#include <netinet/in.h>

/* What is taken: as the program compares it. */
struct xdp_filter_key {
	struct in6_addr address; /* IPv4: mapped */
	uint32_t port;           /* the two octets of the header, read as uint16_t */
};

struct xdp_filter_settings {
	unsigned interface;
	enum xdp_mode mode;
	unsigned queues;
	uint8_t mac[6];          /* frames to others are not ours */
	const struct xdp_filter_key *keys; size_t key_count;
};

struct xdp_filter;

/* Attached when it returns; frames go on to the kernel until there are sockets. native: which of the two it became. */
MUST_USE enum status xdp_filter_open(const struct xdp_filter_settings *settings, struct xdp_filter **filter,
				     bool *native, char *reason);
/* Detached when it returns. NULL is fine. */
void xdp_filter_close(struct xdp_filter *filter);
/* Frames of that queue go to that AF_XDP socket. */
MUST_USE bool xdp_filter_take(struct xdp_filter *filter, unsigned queue, int fd);

#endif
