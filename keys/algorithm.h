/*
 * The MAC algorithms of RFC 8945 section 6 and their truncations, as a table.
 *
 * Threads:   any; constant.
 * Memory:    static.
 * Errors:    NULL: unknown.
 * Limits:    the nine that are HMACs; GSS-TSIG is none of them.
 * Standards: RFC 8945 6.
 */
#ifndef ZONEGATE_KEYS_ALGORITHM_H
#define ZONEGATE_KEYS_ALGORITHM_H

#include "base/digest.h"
#include <stdint.h>

struct algorithm {
	const char *text;            /* "hmac-sha256", "hmac-sha256-128", … as in configuration and key files */
	const uint8_t *name;         /* wire form as on the wire: \013hmac-sha256\0; hmac-md5.sig-alg.reg.int */
	enum digest_algorithm digest;
	uint16_t mac_size;           /* octets sent: the truncated size for the shortened ones */
	const struct algorithm *full; /* the untruncated algorithm; itself where it is that */
};

/* Case is ignored, final dot optional; "hmac-md5" and "hmac-md5.sig-alg.reg.int". NULL if unknown. */
const struct algorithm *algorithm_from_text(const char *text);
/* By wire name, case ignored; NULL if unknown. */
const struct algorithm *algorithm_from_name(const uint8_t *name);

#endif
