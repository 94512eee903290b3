#include "base/endpoint.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const struct in_addr *
ipv4(const struct sockaddr_storage *endpoint)
{
	return &((const struct sockaddr_in *)(const void *)endpoint)->sin_addr;
}

static const struct in6_addr *
ipv6(const struct sockaddr_storage *endpoint)
{
	return &((const struct sockaddr_in6 *)(const void *)endpoint)->sin6_addr;
}

const char *
endpoint_text(const struct sockaddr *endpoint, char *out)
{
	const struct sockaddr_storage *storage = (const struct sockaddr_storage *)(const void *)endpoint;
	char host[INET6_ADDRSTRLEN] = "?";
	in_port_t port = 0;

	if (endpoint->sa_family == AF_INET) {
		inet_ntop(AF_INET, ipv4(storage), host, sizeof host);
		port = ((const struct sockaddr_in *)(const void *)endpoint)->sin_port;
	} else if (endpoint->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, ipv6(storage), host, sizeof host);
		port = ((const struct sockaddr_in6 *)(const void *)endpoint)->sin6_port;
	}
	snprintf(out, ENDPOINT_TEXT_SIZE, "%s@%u", host, ntohs(port));
	return out;
}

socklen_t
endpoint_size(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

bool
endpoint_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ipv4(a)->s_addr == ipv4(b)->s_addr;
	return memcmp(ipv6(a), ipv6(b), sizeof(struct in6_addr)) == 0;
}

bool
endpoint_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	/* the port is at the same place in both */
	return endpoint_same_host(a, b) && ((const struct sockaddr_in *)(const void *)a)->sin_port ==
						   ((const struct sockaddr_in *)(const void *)b)->sin_port;
}

bool
endpoint_is_any(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET ? ipv4(endpoint)->s_addr == htonl(INADDR_ANY)
					      : IN6_IS_ADDR_UNSPECIFIED(ipv6(endpoint));
}

bool
endpoint_is_loopback(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET ? ntohl(ipv4(endpoint)->s_addr) >> 24 == IN_LOOPBACKNET
					      : IN6_IS_ADDR_LOOPBACK(ipv6(endpoint));
}
