#include "serve/listener.h"
#include "base/endpoint.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024 /* the system cuts it to net.core.somaxconn */
/* Room for a burst while the thread is busy: 4 MiB are some 5,000 queries; the system cuts it to net.core.rmem_max. */
#define BUFFER_SIZE (4 << 20)

/* ---- addresses ---- */

static bool
parse_port(const char *text, unsigned *port)
{
	unsigned value = 0;

	if (*text == '\0' || strlen(text) > 5)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*port = value;
	return value > 0 && value <= 65535;
}

static bool
parse_ipv4(const char *host, unsigned port, struct listener_address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->address;

	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return false;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	address->size = sizeof *in;
	return true;
}

static bool
parse_ipv6(char *host, unsigned port, struct listener_address *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->address;
	char *scope = strchr(host, '%');

	if (scope != NULL) { /* fe80::1%eth0 */
		*scope++ = '\0';
		in6->sin6_scope_id = if_nametoindex(scope);
		if (in6->sin6_scope_id == 0)
			return false;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	address->size = sizeof *in6;
	return true;
}

enum status
listener_parse(const char *text, unsigned default_port, struct listener_address *address)
{
	struct listener_address parsed = {.size = 0};
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	const char *at = strchr(text, '@');
	size_t length = at != NULL ? (size_t)(at - text) : strlen(text);
	unsigned port = default_port;

	if (length == 0 || length >= sizeof host || (at != NULL && !parse_port(at + 1, &port)))
		return STATUS_INVALID;
	memcpy(host, text, length);
	host[length] = '\0';
	if (!parse_ipv4(host, port, &parsed) && !parse_ipv6(host, port, &parsed))
		return STATUS_INVALID;
	*address = parsed;
	return STATUS_OK;
}

/* ---- sockets ---- */

static bool
set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/*
 * Has nobody else the port? Sockets with SO_REUSEPORT are let in beside those of another gateway of the same user, and
 * both would then get a part of the clients: one that has it not is asked to be, and closed.
 */
static bool
is_free(const struct listener_address *address, int type)
{
	int family = address->address.ss_family, fd = socket(family, type | SOCK_CLOEXEC, 0);
	bool free = fd >= 0 && (family != AF_INET6 || set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
		    (type != SOCK_STREAM || set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) &&
		    bind(fd, (const struct sockaddr *)&address->address, address->size) == 0;
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return free;
}

/* Before the first of ours is bound: these may share a port with each other, as 0.0.0.0 and 127.0.0.1 do. */
static enum status
check_free(const struct listener_address *addresses, size_t count, bool udp, char *reason)
{
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		if ((udp && !is_free(&addresses[i], SOCK_DGRAM)) || !is_free(&addresses[i], SOCK_STREAM)) {
			snprintf(reason, LISTENER_REASON_SIZE, "%s: %s",
				 endpoint_text((const struct sockaddr *)&addresses[i].address, text), strerror(errno));
			return STATUS_IO;
		}
	return STATUS_OK;
}

static bool
bind_address(int fd, struct listener_address *address)
{
	if (address->address.ss_family == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		return false;
	/* All workers' sockets share the port; the kernel spreads clients over them. */
	if (!set(fd, SOL_SOCKET, SO_REUSEPORT, 1) ||
	    bind(fd, (const struct sockaddr *)&address->address, address->size) != 0)
		return false;
	/* Port 0 (tests): the others take the port that this one got. */
	return getsockname(fd, (struct sockaddr *)&address->address, &address->size) == 0;
}

static bool
set_udp(int fd, int family, bool wildcard)
{
	/* Best effort: the system may have a lower limit. */
	set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_SIZE);
	set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_SIZE);
	if (family == AF_INET) {
		/* No path MTU from forged ICMP: our answers are small enough not to be cut (RFC 9715 R1, R2). */
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
		return !wildcard || set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
	return !wildcard || set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static int
open_udp(struct listener_address *address, bool wildcard)
{
	int family = address->address.ss_family, fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (!set_udp(fd, family, wildcard) || !bind_address(fd, address))) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
open_tcp(struct listener_address *address)
{
	int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* SO_REUSEADDR: a restart does not wait for old connections to be forgotten. */
	if (fd >= 0 &&
	    (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !bind_address(fd, address) || listen(fd, BACKLOG) != 0)) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void
close_one(struct listener_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++) {
		if (sockets->udp != NULL && sockets->udp[i] >= 0)
			close(sockets->udp[i]);
		if (sockets->tcp != NULL && sockets->tcp[i] >= 0)
			close(sockets->tcp[i]);
	}
	for (size_t i = 0; i < sockets->tls_count; i++)
		close(sockets->tls[i]);
	free(sockets->udp);
	free(sockets->tcp);
	free(sockets->tls);
	free(sockets->wildcard);
	free(sockets->addresses);
}

void
listener_close(struct listener_sockets *sockets, unsigned workers)
{
	if (sockets == NULL)
		return;
	for (unsigned worker = 0; worker < workers; worker++)
		close_one(&sockets[worker]);
	free(sockets);
}

/* One worker's; `addresses` get their ports if these were 0. */
static enum status
open_one(struct listener_address *addresses, size_t count, struct listener_sockets *sockets, char *reason)
{
	char text[ENDPOINT_TEXT_SIZE];

	sockets->udp = malloc((count + 1) * sizeof(int));
	sockets->tcp = malloc((count + 1) * sizeof(int));
	sockets->wildcard = calloc(count + 1, sizeof(bool));
	sockets->addresses = calloc(count + 1, sizeof(struct listener_address));
	if (sockets->udp == NULL || sockets->tcp == NULL || sockets->wildcard == NULL || sockets->addresses == NULL) {
		snprintf(reason, LISTENER_REASON_SIZE, "out of memory");
		return STATUS_NO_MEMORY;
	}
	memset(sockets->udp, 0xff, count * sizeof(int)); /* -1 */
	memset(sockets->tcp, 0xff, count * sizeof(int));
	sockets->count = count;
	for (size_t i = 0; i < count; i++) {
		sockets->wildcard[i] = endpoint_is_any(&addresses[i].address);
		sockets->udp[i] = open_udp(&addresses[i], sockets->wildcard[i]);
		if (sockets->udp[i] >= 0)
			sockets->tcp[i] = open_tcp(&addresses[i]);
		if (sockets->tcp[i] < 0) {
			snprintf(reason, LISTENER_REASON_SIZE, "%s: %s",
			         endpoint_text((const struct sockaddr *)&addresses[i].address, text), strerror(errno));
			return STATUS_IO;
		}
		sockets->addresses[i] = addresses[i];
	}
	return STATUS_OK;
}

enum status
listener_open(const struct listener_address *addresses, size_t count, unsigned workers,
	      struct listener_sockets **sockets, char *reason)
{
	struct listener_sockets *opened = calloc(workers, sizeof *opened);
	struct listener_address *copies = calloc(count + 1, sizeof *copies);
	enum status status = STATUS_OK;

	if (opened == NULL || copies == NULL) {
		snprintf(reason, LISTENER_REASON_SIZE, "out of memory");
		status = STATUS_NO_MEMORY;
	} else if (count > 0) {
		memcpy(copies, addresses, count * sizeof *copies);
	}
	if (status == STATUS_OK)
		status = check_free(copies, count, true, reason);
	for (unsigned worker = 0; worker < workers && status == STATUS_OK; worker++)
		status = open_one(copies, count, &opened[worker], reason);
	free(copies);
	if (status == STATUS_OK)
		*sockets = opened;
	else
		listener_close(opened, opened != NULL ? workers : 0);
	return status;
}

enum status
listener_open_tls(const struct listener_address *addresses, size_t count, unsigned workers,
		  struct listener_sockets *sockets, char *reason)
{
	char text[ENDPOINT_TEXT_SIZE];
	enum status status = check_free(addresses, count, false, reason);

	if (status != STATUS_OK)
		return status;
	for (unsigned worker = 0; worker < workers; worker++) {
		struct listener_sockets *own = &sockets[worker];
		own->tls = calloc(count + 1, sizeof(int));
		if (own->tls == NULL) {
			snprintf(reason, LISTENER_REASON_SIZE, "out of memory");
			return STATUS_NO_MEMORY;
		}
		for (; own->tls_count < count; own->tls_count++) {
			struct listener_address address = addresses[own->tls_count];
			own->tls[own->tls_count] = open_tcp(&address);
			if (own->tls[own->tls_count] < 0) {
				snprintf(reason, LISTENER_REASON_SIZE, "%s: %s",
					 endpoint_text((const struct sockaddr *)&address.address, text),
					 strerror(errno));
				return STATUS_IO;
			}
		}
	}
	return STATUS_OK;
}
