#include "transfer/notify_sockets.h"
#include "base/endpoint.h"
#include "base/log.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the way to a secondary ---- */

/* The address that the system would choose on the way there. */
static bool
usual_source(const struct sockaddr_storage *to, struct sockaddr_storage *source)
{
	int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof *source;

	if (fd < 0)
		return false;
	bool known = connect(fd, (const struct sockaddr *)to, endpoint_size(to)) == 0 &&
		     getsockname(fd, (struct sockaddr *)source, &size) == 0;
	close(fd);
	return known;
}

static bool
leads_to(const struct notify_socket *from, const struct sockaddr_storage *to)
{
	return from->address.ss_family == to->ss_family &&
	       (from->any || endpoint_is_loopback(to) || !endpoint_is_loopback(&from->address));
}

/* Of our addresses that lead there the usual one, else the first; where none does, it leaves from anywhere. */
static int
socket_for(const struct notify_sockets *sockets, const struct sockaddr_storage *to)
{
	const struct notify_socket *first = NULL, *any = NULL;
	struct sockaddr_storage usual;
	unsigned count = 0;

	for (size_t i = 0; i < sockets->count; i++) {
		const struct notify_socket *from = &sockets->items[i];
		if (!leads_to(from, to))
			continue;
		if (from->any)
			any = from;
		else if (count++ == 0)
			first = from;
	}
	if (count > 1 && usual_source(to, &usual))
		for (size_t i = 0; i < sockets->count; i++)
			if (!sockets->items[i].any && endpoint_same_host(&sockets->items[i].address, &usual))
				return sockets->items[i].fd;
	return first != NULL ? first->fd : any != NULL ? any->fd : -1;
}

bool
notify_sockets_send(const struct notify_sockets *sockets, const struct sockaddr_storage *to, const void *bytes,
		    size_t size)
{
	int fd = socket_for(sockets, to);

	if (fd < 0) { /* a host without IPv6, or without IPv4 */
		errno = EAFNOSUPPORT;
		return false;
	}
	return sendto(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to,
		      endpoint_size(to)) == (ssize_t)size;
}

/* ---- open and close ---- */

static void
open_one(struct notify_sockets *sockets, const struct sockaddr_storage *address, bool any)
{
	struct sockaddr_storage from = *address;
	int fd = socket(from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	((struct sockaddr_in *)(void *)&from)->sin_port = 0; /* at the same place in both */
	if (fd < 0)
		return;
	if (!any && bind(fd, (const struct sockaddr *)&from, endpoint_size(&from)) != 0) {
		char text[ENDPOINT_TEXT_SIZE];
		log_warning("notify", "no socket from=%s reason=%s",
			    endpoint_text((const struct sockaddr *)address, text), strerror(errno));
		close(fd);
		return;
	}
	sockets->items[sockets->count++] = (struct notify_socket){fd, any, from};
}

/*
 * Where we listen on every address of a family, or on this one with another port, there is no need of another socket.
 */
static bool
is_needed(const struct sockaddr_storage *addresses, size_t count, size_t at)
{
	const struct sockaddr_storage *address = &addresses[at];

	for (size_t i = 0; i < count; i++) {
		const struct sockaddr_storage *other = &addresses[i];
		if ((other->ss_family == address->ss_family && endpoint_is_any(other)) ||
		    (i < at && endpoint_same_host(other, address)))
			return false;
	}
	return true;
}

bool
notify_sockets_open(struct notify_sockets *sockets, const struct sockaddr_storage *addresses, size_t count)
{
	struct sockaddr_storage any4 = {.ss_family = AF_INET}, any6 = {.ss_family = AF_INET6};

	*sockets = (struct notify_sockets){.items = calloc(count + 2, sizeof *sockets->items)};
	if (sockets->items == NULL)
		return false;
	open_one(sockets, &any4, true);
	open_one(sockets, &any6, true); /* none on a host without IPv6 */
	for (size_t i = 0; i < count; i++)
		if (is_needed(addresses, count, i))
			open_one(sockets, &addresses[i], false);
	return sockets->count > 0;
}

void
notify_sockets_close(struct notify_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		close(sockets->items[i].fd);
	free(sockets->items);
}
