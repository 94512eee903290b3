/*
 * What both ends of the control socket need: its address, and sending all of something.
 *
 * Threads:   any; no state.
 * Errors:    errno.
 */
#ifndef ZONEGATE_CONTROL_SOCKET_H
#define ZONEGATE_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/*
 * A path of any length: sun_path has 108 octets, so the folder of a longer one is opened and the socket is named
 * through it; the name itself may have some 80.
 * folder   out: to be closed once the address has been used; -1: none was needed
 */
bool socket_address(const char *path, struct sockaddr_un *address, int *folder);
bool socket_send(int fd, const char *bytes, size_t size);

#endif
