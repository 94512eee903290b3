/*
 * SvcParams of SVCB and HTTPS RDATA (RFC 9460 2.2, 7; RFC 9461): the check of their wire form.
 *
 * Threads:   any; no state.
 * Memory:    borrowed.
 */
#ifndef ZONEGATE_WIRE_SVCB_H
#define ZONEGATE_WIRE_SVCB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum svcb_key {
	SVCB_MANDATORY = 0, SVCB_ALPN = 1, SVCB_NO_DEFAULT_ALPN = 2, SVCB_PORT = 3, SVCB_IPV4HINT = 4, SVCB_ECH = 5,
	SVCB_IPV6HINT = 6, SVCB_DOHPATH = 7, SVCB_OHTTP = 8
};

/* The SvcParams after the target; `alias`: priority 0, which takes none (RFC 9460 2.4.2). */
bool svcb_check(const uint8_t *params, size_t size, bool alias);

#endif
