/*
 * Domain names in wire form (RFC 1035 3.1): length octet and label, …, a zero octet; at most 255 octets, uncompressed.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated. A name is a `const uint8_t *` to at least name_size(name) readable bytes that has
 *            been checked by whoever let it in (name_parse, name_from_text).
 * Standards: RFC 1035 3.1, 4.1.4; RFC 4034 6.1 (canonical order); RFC 4343 (case).
 */
#ifndef ZONEGATE_WIRE_NAME_H
#define ZONEGATE_WIRE_NAME_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_SIZE 255
#define NAME_MAX_LABELS 128
/* Room for any name in presentation format: \DDD for each octet, dots, NUL. */
#define NAME_TEXT_SIZE 1025

/* Octets, the root's zero included. */
size_t name_size(const uint8_t *name);
/* Labels without the root: "www.example." has 2. */
unsigned name_labels(const uint8_t *name);

/*
 * Read a possibly compressed name at `offset` of a message; pointers must go backwards (a loop is malformed).
 * out     NAME_MAX_SIZE bytes; the case is kept; *size gets its octets
 * next    the offset after the name in the message
 */
MUST_USE enum status name_parse(const uint8_t *wire, size_t wire_size, size_t offset, uint8_t *out, size_t *size,
				size_t *next);
/* The same without expanding: only checked; `next` as above. */
MUST_USE enum status name_skip(const uint8_t *wire, size_t wire_size, size_t offset, size_t *next);
/* Check an uncompressed name in `room` bytes; *size gets its octets. */
MUST_USE enum status name_check(const uint8_t *bytes, size_t room, size_t *size);

/* ASCII lower case (RFC 4343); `out` may be `name`. Returns the size. */
size_t name_lower(const uint8_t *name, uint8_t *out);
/* Case is ignored. */
bool name_equal(const uint8_t *a, const uint8_t *b);
/* Canonical order (RFC 4034 6.1): <0, 0, >0. Case is ignored. */
int name_compare(const uint8_t *a, const uint8_t *b);
/* At or below; case is ignored. */
bool name_is_within(const uint8_t *name, const uint8_t *ancestor);
/* The name without its first `labels` labels: a pointer into it. */
const uint8_t *name_strip(const uint8_t *name, unsigned labels);
/* "*" as first label. */
bool name_is_wildcard(const uint8_t *name);
/* `prefix` (labels without the root's octet, `size` octets) put before `origin`; STATUS_LIMIT over 255. */
MUST_USE enum status name_join(const uint8_t *prefix, size_t size, const uint8_t *origin, uint8_t *out);

/*
 * Presentation format (RFC 1035 5.1: \. and \DDD); "@" is the origin, a name without a final dot is relative to it.
 * origin NULL: relative names are STATUS_INVALID. Case is kept. `out` takes NAME_MAX_SIZE.
 */
MUST_USE enum status name_from_text(const char *text, size_t length, const uint8_t *origin, uint8_t *out);
/*
 * Absolute, with the final dot; escapes what is special, so the text is safe to print. `out` takes NAME_TEXT_SIZE.
 * Returns `out`.
 */
const char *name_to_text(const uint8_t *name, char *out);
/* Relative to `origin` where it is within, "@" at it; else absolute. */
const char *name_to_text_relative(const uint8_t *name, const uint8_t *origin, char *out);

#endif
