/*
 * Serial arithmetic (RFC 1982) and the rules for the next SOA serial.
 *
 * Threads:   any; no state.
 */
#ifndef ZONEGATE_ZONE_SERIAL_H
#define ZONEGATE_ZONE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

enum serial_rule { SERIAL_INCREMENT, SERIAL_UNIXTIME, SERIAL_DATE };

/* a > b (RFC 1982 3.2); false where it is undefined. */
static inline bool serial_greater(uint32_t a, uint32_t b) { return a != b && (uint32_t)(a - b) < 0x80000000u; }

/*
 * The candidate that a writer puts into a change's `serial` member: 0 for increment (none), else the time or
 * YYYYMMDD00.
 */
uint32_t serial_candidate(enum serial_rule rule, uint64_t wall_s);
/* The serial after `serial`: the candidate where it is greater, else one more; 0 is skipped. */
uint32_t serial_next(uint32_t serial, uint32_t candidate);

#endif
