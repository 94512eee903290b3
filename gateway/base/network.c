#include "base/network.h"
#include "base/status.h"
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

void
network_of(const struct sockaddr *client, unsigned ipv4_bits, unsigned ipv6_bits, uint8_t out[NETWORK_SIZE])
{
	require(ipv4_bits % 8 == 0 && ipv4_bits <= 32 && ipv6_bits % 8 == 0 && ipv6_bits <= 128);
	memset(out, 0, NETWORK_SIZE);
	if (client->sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, (const uint8_t *)client + offsetof(struct sockaddr_in, sin_addr), ipv4_bits / 8);
	} else if (client->sa_family == AF_INET6) {
		memcpy(out, (const uint8_t *)client + offsetof(struct sockaddr_in6, sin6_addr), ipv6_bits / 8);
	}
}
