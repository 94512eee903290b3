/*
 * An address and its port, IPv4 or IPv6, as sockets take them.
 *
 * Threads:   any; no state.
 */
#ifndef ZONEGATE_BASE_ENDPOINT_H
#define ZONEGATE_BASE_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT_SIZE 64

/* "ADDRESS@PORT", "?@0" of another family; returns `out` (ENDPOINT_TEXT_SIZE). */
const char *endpoint_text(const struct sockaddr *endpoint, char *out);
socklen_t endpoint_size(const struct sockaddr_storage *endpoint);
/* The same but for the port. */
bool endpoint_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool endpoint_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* All addresses of the family. */
bool endpoint_is_any(const struct sockaddr_storage *endpoint);
bool endpoint_is_loopback(const struct sockaddr_storage *endpoint);

#endif
