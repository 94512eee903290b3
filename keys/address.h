/*
 * IP addresses and prefixes as policies and lists take them.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Errors:    text is taken strictly (inet_pton); the reason quotes it.
 * Limits:    an IPv4 address mapped into IPv6 is the IPv4 address; scopes of link-local addresses are not compared.
 * Standards: RFC 4291 2.5.5.2; RFC 1035 3.5 and RFC 3596 2.5 (reverse names); RFC 3056 (6to4).
 */
#ifndef ZONEGATE_KEYS_ADDRESS_H
#define ZONEGATE_KEYS_ADDRESS_H

#include "wire/name.h"
#include <sys/socket.h>

#define ADDRESS_REASON_SIZE 120

struct address {
	uint8_t size; /* 4 or 16 */
	uint8_t octets[16];
};

struct address_prefix {
	struct address address;
	uint8_t length; /* bits */
};

/* False: neither IPv4 nor IPv6. */
bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out);
/* "ADDRESS" or "ADDRESS/LEN"; no bit after LEN may be set. False: `reason` (ADDRESS_REASON_SIZE) says why. */
bool address_prefix_from_text(const char *text, struct address_prefix *out, char *reason);
/* An IPv4 address is in no IPv6 prefix, not even ::/0. */
bool address_is_in(const struct address *address, const struct address_prefix *prefix);

/* The name under in-addr.arpa or ip6.arpa; `out` takes NAME_MAX_SIZE. */
void address_reverse_name(const struct address *address, uint8_t *out);
/* That of its 6to4 prefix (IPv4), or of its /48 (IPv6), under ip6.arpa. */
void address_6to4_name(const struct address *address, uint8_t *out);

#endif
