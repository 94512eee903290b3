#include "update/requestor.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static char *
put_number(char *out, unsigned value)
{
	char digits[10];
	size_t count = 0;

	do
		digits[count++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (count > 0)
		*out++ = digits[--count];
	return out;
}

/* inet_ntop goes through snprintf; this is on the path of every UPDATE. */
static char *
put_ipv4(char *out, const uint8_t octets[4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*out++ = '.';
		out = put_number(out, octets[i]);
	}
	return out;
}

void
requestor_host(const struct sockaddr *client, uint8_t out[16])
{
	memset(out, 0, 16);
	if (client->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, client, sizeof in);
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &in.sin_addr, 4);
	} else if (client->sa_family == AF_INET6) {
		struct sockaddr_in6 in;
		memcpy(&in, client, sizeof in);
		memcpy(out, &in.sin6_addr, 16);
	}
}

static unsigned
port_of(const struct sockaddr *client)
{
	struct sockaddr_in in; /* the port is at the same place in both */

	memcpy(&in, client, sizeof in);
	return ntohs(in.sin_port);
}

const char *
requestor_text(const struct sockaddr *client, char out[REQUESTOR_TEXT_SIZE])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t host[16];
	char *at = out;

	if (client->sa_family != AF_INET && client->sa_family != AF_INET6) {
		memcpy(out, "unknown", 8);
		return out;
	}
	requestor_host(client, host);
	if (memcmp(host, mapped, sizeof mapped) == 0) {
		at = put_ipv4(at, host + 12);
	} else {
		inet_ntop(AF_INET6, host, out, REQUESTOR_TEXT_SIZE);
		at += strlen(out);
	}
	*at++ = '@';
	*put_number(at, port_of(client)) = '\0';
	return out;
}
