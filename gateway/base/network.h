/*
 * The network of a client, as limits for each client count it: one who has a prefix has all of its addresses.
 *
 * Threads:   any.
 */
#ifndef ZONEGATE_BASE_NETWORK_H
#define ZONEGATE_BASE_NETWORK_H

#include <stdint.h>
#include <sys/socket.h>

#define NETWORK_SIZE 16
/* Who holds connections or has requests in work: an IPv4 address, and what an IPv6 host can choose its own from. */
#define NETWORK_HOST_IPV4 32
#define NETWORK_HOST_IPV6 64

/* The first bits of the address, whole octets of them, as IPv6 (IPv4 mapped); all 0: of another family. */
void network_of(const struct sockaddr *client, unsigned ipv4_bits, unsigned ipv6_bits, uint8_t out[NETWORK_SIZE]);

#endif
