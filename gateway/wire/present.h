/*
 * RDATA to and from presentation format, over ldns; RFC 3597 form for types without one.
 *
 * Threads:   any; no state.
 * Errors:    STATUS_MALFORMED with a reason that a user can read.
 * Standards: RFC 1035 5.1; RFC 3597 5; addresses parse strictly (inet_pton).
 */
#ifndef ZONEGATE_WIRE_PRESENT_H
#define ZONEGATE_WIRE_PRESENT_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define PRESENT_REASON_SIZE 200
/* Room for any RDATA as text: \DDD for each octet and the punctuation. */
#define PRESENT_TEXT_SIZE (4 * 65536 + 64)

/*
 * text     RDATA of one record, `length` characters, on one logical line (parentheses already resolved)
 * origin   for relative names; NULL: names must be absolute
 * rdata    `room` octets, gets plain RDATA; *size the octets
 * reason   PRESENT_REASON_SIZE characters; what is wrong, set only on failure
 */
MUST_USE enum status present_parse(uint16_t type, const char *text, size_t length, const uint8_t *origin,
                                   uint8_t *rdata, size_t room, size_t *size, char *reason);
/*
 * Plain RDATA that has been checked, to text; names absolute, one line. A, AAAA and types that are one name do not go
 * through ldns (they are nearly all records of a large zone).
 * `room` at least 64; STATUS_LIMIT where it does not fit. *length gets the characters without the NUL.
 */
MUST_USE enum status present_rdata(uint16_t type, const uint8_t *rdata, size_t size, char *text, size_t room,
				   size_t *length);

#endif
