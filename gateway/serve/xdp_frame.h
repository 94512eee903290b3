/*
 * A UDP message in an Ethernet frame, as AF_XDP gives it: checked, and answered in the same octets.
 *
 * Threads:   any; no state.
 * Memory:    struct xdp_frame points into the caller's octets; nothing is allocated.
 * Errors:    xdp_frame_read is false for every frame that the kernel would not have given to a UDP socket, and for
 *            those that are its own to read: fragments, IP options, extension headers, VLAN tags.
 * Standards: RFC 768, 791, 1071, 8200 (8.1: the checksum); RFC 1122 3.2.1.3 (addresses that are no source).
 */
#ifndef ZONEGATE_SERVE_XDP_FRAME_H
#define ZONEGATE_SERVE_XDP_FRAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define XDP_FRAME_MOST 1514 /* octets of a frame, without VLAN tag and checksum */

struct xdp_frame {
	uint8_t *bytes;              /* from the Ethernet header on */
	size_t header_size;          /* Ethernet, IP and UDP */
	size_t payload_size;
	struct in6_addr source, target; /* IPv4: mapped, ::ffff:192.0.2.1 */
	uint16_t target_port;        /* in network order */
};

bool xdp_frame_read(uint8_t *bytes, size_t size, struct xdp_frame *frame);

static inline uint8_t *
xdp_frame_payload(const struct xdp_frame *frame)
{
	return frame->bytes + frame->header_size;
}

/* Where it came from, and what it was sent to. scope: the interface, for link-local addresses. Returns the size. */
socklen_t xdp_frame_source(const struct xdp_frame *frame, uint32_t scope, struct sockaddr_storage *address);
socklen_t xdp_frame_target(const struct xdp_frame *frame, uint32_t scope, struct sockaddr_storage *address);

/*
 * The payload's first `size` octets are the answer: the frame goes back to where it came from. Returns its size; there
 * must be room for it.
 */
size_t xdp_frame_answer(struct xdp_frame *frame, size_t size);

/* The one's complement sum of octets (RFC 1071), in the machine's order; `sum`: to go on from. For tests too. */
uint16_t xdp_frame_sum(const uint8_t *bytes, size_t size, uint64_t sum);

#endif
