/*
 * Where NOTIFY leaves from: a socket on each address that we listen on, as secondaries take NOTIFY from the address of
 * their primary, and one on any address of each family for who is not reached from those.
 *
 * Threads:   the caller's.
 * Memory:    some octets a socket, from notify_sockets_open to notify_sockets_close.
 * Errors:    an address that cannot be bound: a warning, and NOTIFY leaves from another one.
 */
#ifndef ZONEGATE_TRANSFER_NOTIFY_SOCKETS_H
#define ZONEGATE_TRANSFER_NOTIFY_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct notify_socket {
	int fd;      /* not blocking */
	bool any;    /* from where the system likes */
	struct sockaddr_storage address;
};

struct notify_sockets {
	struct notify_socket *items;
	size_t count;
};

/* addresses: that we listen on. False: no memory, or not one socket (errno). Closed by the caller in any case. */
bool notify_sockets_open(struct notify_sockets *sockets, const struct sockaddr_storage *addresses, size_t count);
void notify_sockets_close(struct notify_sockets *sockets);
/* False: not sent, see errno. */
bool notify_sockets_send(const struct notify_sockets *sockets, const struct sockaddr_storage *to, const void *bytes,
			 size_t size);

#endif
