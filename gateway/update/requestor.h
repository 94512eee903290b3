/*
 * Who sent an UPDATE, as text: "192.0.2.9@53211", "2001:db8::1@53".
 *
 * Threads:   any; no state.
 */
#ifndef ZONEGATE_UPDATE_REQUESTOR_H
#define ZONEGATE_UPDATE_REQUESTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define REQUESTOR_TEXT_SIZE 56 /* 45 for any IPv6 address, "@65535", NUL */

/* Returns `out`; "unknown" for another family. A mapped IPv4 address is written as IPv4. */
const char *requestor_text(const struct sockaddr *client, char out[REQUESTOR_TEXT_SIZE]);
/* The address without the port, IPv4 as mapped: what two requests of one host have in common. */
void requestor_host(const struct sockaddr *client, uint8_t out[16]);

#endif
