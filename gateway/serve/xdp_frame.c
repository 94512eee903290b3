#include "serve/xdp_frame.h"
#include "base/bytes.h"
#include "base/status.h"
#include <arpa/inet.h>
#include <string.h>

#define MAC_SIZE 6
#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define UDP_SIZE 8
#define HOPS 64 /* RFC 1700's default, and that of Linux */

/* From the start of each header. */
enum { ETHERNET_TYPE = 12 };
enum { IPV4_TOTAL = 2, IPV4_FRAGMENT = 6, IPV4_HOPS = 8, IPV4_PROTOCOL, IPV4_SUM, IPV4_SOURCE = 12, IPV4_TARGET = 16 };
enum { IPV6_LENGTH = 4, IPV6_NEXT = 6, IPV6_HOPS, IPV6_SOURCE, IPV6_TARGET = 24 };
enum { UDP_SOURCE, UDP_TARGET = 2, UDP_LENGTH = 4, UDP_SUM = 6 };

#define IPV4_DO_NOT_FRAGMENT 0x4000

/* ---- checksums: in the machine's order, which RFC 1071 2 (B) allows ---- */

uint16_t
xdp_frame_sum(const uint8_t *bytes, size_t size, uint64_t sum)
{
	uint32_t word;

	for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		sum += word;
	}
	word = 0;
	memcpy(&word, bytes, size);
	sum += word;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Addresses, protocol and length (RFC 768, RFC 8200 8.1). Source and target stand together in both headers. */
static uint16_t
pseudo_sum(const struct xdp_frame *frame, size_t length)
{
	const uint8_t *ip = frame->bytes + ETHERNET_SIZE;
	uint64_t rest = (uint64_t)htons(IPPROTO_UDP) + htons((uint16_t)length);

	if (frame->header_size == ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE)
		return xdp_frame_sum(ip + IPV4_SOURCE, 8, rest);
	return xdp_frame_sum(ip + IPV6_SOURCE, 32, rest);
}

/*
 * A sender on this machine, or a guest whose network is virtual, leaves the sum of the pseudo-header there, for a card
 * to complete: such a frame has been on no wire. No checksum is for IPv4 only (RFC 8200 8.1).
 */
static bool
good_sum(const struct xdp_frame *frame, const uint8_t *udp, size_t length)
{
	uint16_t stored, pseudo = pseudo_sum(frame, length);

	memcpy(&stored, udp + UDP_SUM, sizeof stored);
	if (stored == 0)
		return frame->header_size == ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE;
	return stored == pseudo || xdp_frame_sum(udp, length, pseudo) == 0xffff;
}

/* ---- in ---- */

static void
map_address(const uint8_t *ipv4, struct in6_addr *address)
{
	memset(address->s6_addr, 0, 10);
	memset(address->s6_addr + 10, 0xff, 2);
	memcpy(address->s6_addr + 12, ipv4, 4);
}

/* "This" network, loopback, multicast and broadcast are nobody's address. */
static bool
is_source_ipv4(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && (address[0] < 224 || address[0] >= 240) &&
	       memcmp(address, "\xff\xff\xff\xff", 4) != 0;
}

/* The UDP header and what follows: `room` octets, of which the UDP length may leave some out. */
static bool
read_udp(struct xdp_frame *frame, size_t room)
{
	const uint8_t *udp = frame->bytes + frame->header_size - UDP_SIZE;
	size_t length = bytes_get_u16(udp + UDP_LENGTH);

	if (length < UDP_SIZE || length > room || bytes_get_u16(udp + UDP_SOURCE) == 0 || !good_sum(frame, udp, length))
		return false;
	frame->payload_size = length - UDP_SIZE;
	memcpy(&frame->target_port, udp + UDP_TARGET, sizeof frame->target_port);
	return true;
}

static bool
read_ipv4(struct xdp_frame *frame, size_t size)
{
	const uint8_t *ip = frame->bytes + ETHERNET_SIZE;

	if (size < IPV4_SIZE + UDP_SIZE || ip[0] != 0x45 || ip[IPV4_PROTOCOL] != IPPROTO_UDP)
		return false;
	size_t total = bytes_get_u16(ip + IPV4_TOTAL);
	/* A fragment has an offset, or more to come. */
	if (total < IPV4_SIZE + UDP_SIZE || total > size || (bytes_get_u16(ip + IPV4_FRAGMENT) & 0x3fff) != 0 ||
	    xdp_frame_sum(ip, IPV4_SIZE, 0) != 0xffff || !is_source_ipv4(ip + IPV4_SOURCE))
		return false;
	map_address(ip + IPV4_SOURCE, &frame->source);
	map_address(ip + IPV4_TARGET, &frame->target);
	frame->header_size = ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE;
	return read_udp(frame, total - IPV4_SIZE);
}

static bool
read_ipv6(struct xdp_frame *frame, size_t size)
{
	const uint8_t *ip = frame->bytes + ETHERNET_SIZE;

	if (size < IPV6_SIZE + UDP_SIZE || ip[0] >> 4 != 6 || ip[IPV6_NEXT] != IPPROTO_UDP)
		return false;
	size_t length = bytes_get_u16(ip + IPV6_LENGTH);
	memcpy(&frame->source, ip + IPV6_SOURCE, sizeof frame->source);
	memcpy(&frame->target, ip + IPV6_TARGET, sizeof frame->target);
	if (length < UDP_SIZE || length > size - IPV6_SIZE || IN6_IS_ADDR_MULTICAST(&frame->source) ||
	    IN6_IS_ADDR_UNSPECIFIED(&frame->source) || IN6_IS_ADDR_LOOPBACK(&frame->source) ||
	    IN6_IS_ADDR_V4MAPPED(&frame->source) || IN6_IS_ADDR_V4MAPPED(&frame->target))
		return false;
	frame->header_size = ETHERNET_SIZE + IPV6_SIZE + UDP_SIZE;
	return read_udp(frame, length);
}

bool
xdp_frame_read(uint8_t *bytes, size_t size, struct xdp_frame *frame)
{
	/* From a group address nobody sends (IEEE 802.3 3.2.3), and an answer would go to everybody. */
	if (size < ETHERNET_SIZE || (bytes[MAC_SIZE] & 1) != 0)
		return false;
	frame->bytes = bytes;
	switch (bytes_get_u16(bytes + ETHERNET_TYPE)) {
	case 0x0800:
		return read_ipv4(frame, size - ETHERNET_SIZE);
	case 0x86dd:
		return read_ipv6(frame, size - ETHERNET_SIZE);
	default:
		return false;
	}
}

static socklen_t
put_address(const struct in6_addr *from, const uint8_t *port, uint32_t scope, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;

	if (IN6_IS_ADDR_V4MAPPED(from)) {
		struct sockaddr_in *in = (struct sockaddr_in *)address;
		*in = (struct sockaddr_in){.sin_family = AF_INET};
		memcpy(&in->sin_port, port, sizeof in->sin_port);
		memcpy(&in->sin_addr, from->s6_addr + 12, sizeof in->sin_addr);
		return sizeof *in;
	}
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *from};
	memcpy(&in6->sin6_port, port, sizeof in6->sin6_port);
	if (IN6_IS_ADDR_LINKLOCAL(from))
		in6->sin6_scope_id = scope;
	return sizeof *in6;
}

socklen_t
xdp_frame_source(const struct xdp_frame *frame, uint32_t scope, struct sockaddr_storage *address)
{
	return put_address(&frame->source, frame->bytes + frame->header_size - UDP_SIZE + UDP_SOURCE, scope, address);
}

socklen_t
xdp_frame_target(const struct xdp_frame *frame, uint32_t scope, struct sockaddr_storage *address)
{
	return put_address(&frame->target, frame->bytes + frame->header_size - UDP_SIZE + UDP_TARGET, scope, address);
}

/* ---- out ---- */

static void
swap(uint8_t *at, size_t size)
{
	uint8_t first[sizeof(struct in6_addr)];

	memcpy(first, at, size);
	memcpy(at, at + size, size);
	memcpy(at + size, first, size);
}

/* DF, and so no identification: a router that cannot pass it on must not cut it (RFC 9715 3.1, RFC 6864 4.1). */
static void
put_ipv4(uint8_t *ip, size_t length)
{
	static const uint8_t start[] = {0x45, 0, 0, 0, 0, 0, IPV4_DO_NOT_FRAGMENT >> 8, 0, HOPS, IPPROTO_UDP, 0, 0};

	swap(ip + IPV4_SOURCE, 4);
	memcpy(ip, start, sizeof start);
	bytes_put_u16(ip + IPV4_TOTAL, (uint16_t)(IPV4_SIZE + length));
	uint16_t sum = (uint16_t)~xdp_frame_sum(ip, IPV4_SIZE, 0);
	memcpy(ip + IPV4_SUM, &sum, sizeof sum);
}

static void
put_ipv6(uint8_t *ip, size_t length)
{
	static const uint8_t start[] = {0x60, 0, 0, 0, 0, 0, IPPROTO_UDP, HOPS};

	swap(ip + IPV6_SOURCE, 16);
	memcpy(ip, start, sizeof start);
	bytes_put_u16(ip + IPV6_LENGTH, (uint16_t)length);
}

size_t
xdp_frame_answer(struct xdp_frame *frame, size_t size)
{
	uint8_t *ip = frame->bytes + ETHERNET_SIZE, *udp = frame->bytes + frame->header_size - UDP_SIZE;
	size_t length = UDP_SIZE + size;

	require(frame->header_size + size <= XDP_FRAME_MOST);
	swap(frame->bytes, MAC_SIZE);
	if (frame->header_size == ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE)
		put_ipv4(ip, length);
	else
		put_ipv6(ip, length);
	swap(udp + UDP_SOURCE, 2);
	bytes_put_u16(udp + UDP_LENGTH, (uint16_t)length);
	bytes_put_u16(udp + UDP_SUM, 0);
	uint16_t sum = (uint16_t)~xdp_frame_sum(udp, length, pseudo_sum(frame, length));
	if (sum == 0) /* which would mean that there is none (RFC 768) */
		sum = 0xffff;
	memcpy(udp + UDP_SUM, &sum, sizeof sum);
	return frame->header_size + size;
}
