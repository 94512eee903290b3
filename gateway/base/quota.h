/*
 * How many of something (connections, requests in work) each client has, an IPv4 address or an IPv6 /64: over the bound
 * it gets no more.
 *
 * Threads:   any; one mutex.
 * Limits:    `most` for a client, port and transport not looked at. Memory for clients that have something only.
 */
#ifndef ZONEGATE_BASE_QUOTA_H
#define ZONEGATE_BASE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct quota;

struct quota *quota_new(uint32_t most);
void quota_free(struct quota *quota);
/* False: the address has its fill (or there is no memory). True: quota_leave must follow. */
bool quota_enter(struct quota *quota, const struct sockaddr *client);
void quota_leave(struct quota *quota, const struct sockaddr *client);

#endif
