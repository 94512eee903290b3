#include "keys/address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct address
address_of_in6(const struct in6_addr *in6)
{
	struct address address = {.size = 16};

	memcpy(address.octets, in6, 16);
	if (memcmp(address.octets, mapped, sizeof mapped) != 0)
		return address;
	address.size = 4;
	memmove(address.octets, address.octets + sizeof mapped, 4);
	return address;
}

bool
address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out)
{
	switch (sockaddr->sa_family) {
	case AF_INET:
		out->size = 4;
		memcpy(out->octets, &((const struct sockaddr_in *)(const void *)sockaddr)->sin_addr, 4);
		return true;
	case AF_INET6:
		*out = address_of_in6(&((const struct sockaddr_in6 *)(const void *)sockaddr)->sin6_addr);
		return true;
	default:
		return false;
	}
}

/* Bits after the first `length` are 0? */
static bool
prefix_is_clean(const struct address_prefix *prefix)
{
	for (unsigned bit = prefix->length; bit < prefix->address.size * 8u; bit++)
		if (prefix->address.octets[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

static bool
refuse(char *reason, const char *text, const char *why)
{
	snprintf(reason, ADDRESS_REASON_SIZE, "'%.60s' %s", text, why);
	return false;
}

/* Decimal, no sign, no space; up to `most`. */
static bool
length_from_text(const char *text, unsigned most, unsigned *length)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0')
		return false;
	*length = (unsigned)strtoul(text, NULL, 10);
	return *length <= most;
}

bool
address_prefix_from_text(const char *text, struct address_prefix *out, char *reason)
{
	char host[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	const char *slash = strchrnul(text, '/');
	size_t host_size = (size_t)(slash - text);
	unsigned length, most;

	if (host_size >= sizeof host)
		return refuse(reason, text, "is not an address");
	memcpy(host, text, host_size);
	host[host_size] = '\0';
	if (inet_pton(AF_INET, host, out->address.octets) == 1) {
		out->address.size = 4;
		most = 32;
	} else if (inet_pton(AF_INET6, host, &in6) == 1) {
		out->address.size = 16;
		memcpy(out->address.octets, &in6, 16);
		most = 128;
	} else
		return refuse(reason, text, "is not an address");
	length = most;
	if (*slash && !length_from_text(slash + 1, most, &length))
		return refuse(reason, text, most == 32 ? "needs a length from 0 to 32 after its '/'" :
		                                         "needs a length from 0 to 128 after its '/'");
	out->length = (uint8_t)length;
	if (!prefix_is_clean(out))
		return refuse(reason, text, "has bits set after the length of its prefix");
	/* A prefix within ::ffff:0:0/96 speaks of IPv4. */
	if (most == 128 && length >= 96 && memcmp(out->address.octets, mapped, sizeof mapped) == 0) {
		out->address = address_of_in6(&in6);
		out->length = (uint8_t)(length - 96);
	}
	return true;
}

bool
address_is_in(const struct address *address, const struct address_prefix *prefix)
{
	unsigned whole = prefix->length / 8, rest = prefix->length % 8;

	if (address->size != prefix->address.size || memcmp(address->octets, prefix->address.octets, whole) != 0)
		return false;
	return rest == 0 || (address->octets[whole] ^ prefix->address.octets[whole]) >> (8 - rest) == 0;
}

/* Labels of the nibbles of `count` octets, the last first. Returns the end. */
static uint8_t *
put_nibbles(uint8_t *at, const uint8_t *octets, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	while (count-- > 0) {
		*at++ = 1;
		*at++ = (uint8_t)digits[octets[count] & 15];
		*at++ = 1;
		*at++ = (uint8_t)digits[octets[count] >> 4];
	}
	return at;
}

static const uint8_t ip6_arpa[] = "\003ip6\004arpa", in_addr_arpa[] = "\007in-addr\004arpa";

void
address_reverse_name(const struct address *address, uint8_t *out)
{
	if (address->size == 16) {
		memcpy(put_nibbles(out, address->octets, 16), ip6_arpa, sizeof ip6_arpa);
		return;
	}
	for (size_t i = 4; i-- > 0;) {
		char text[4];
		int digits = snprintf(text, sizeof text, "%u", address->octets[i]);
		*out++ = (uint8_t)digits;
		memcpy(out, text, (size_t)digits);
		out += digits;
	}
	memcpy(out, in_addr_arpa, sizeof in_addr_arpa);
}

void
address_6to4_name(const struct address *address, uint8_t *out)
{
	uint8_t prefix[6] = {0x20, 0x02}; /* RFC 3056 2: 2002:V4ADDR::/48 */

	if (address->size == 16)
		memcpy(prefix, address->octets, 6);
	else
		memcpy(prefix + 2, address->octets, 4);
	memcpy(put_nibbles(out, prefix, sizeof prefix), ip6_arpa, sizeof ip6_arpa);
}
