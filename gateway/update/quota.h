/*
 * How many requests each client address has in the gateway: over the bound it gets no more in.
 *
 * Threads:   any; one mutex.
 * Limits:    `most` for an address, port and transport not looked at. Memory for addresses with requests in work only.
 */
#ifndef ZONEGATE_UPDATE_QUOTA_H
#define ZONEGATE_UPDATE_QUOTA_H

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
