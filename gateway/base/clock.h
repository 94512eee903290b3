/*
 * Time, replaceable in tests.
 *
 * Threads:   any.
 */
#ifndef ZONEGATE_BASE_CLOCK_H
#define ZONEGATE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic, nanoseconds. */
uint64_t clock_monotonic_ns(void);
static inline uint64_t clock_monotonic_ms(void) { return clock_monotonic_ns() / 1000000; }
/* Wall clock, microseconds since 1970. */
uint64_t clock_wall_us(void);
static inline uint64_t clock_wall_s(void) { return clock_wall_us() / 1000000; }

/* Tests: a fixed wall clock (0: the real one again). */
void clock_set_wall_us(uint64_t wall_us);

#define CLOCK_TEXT_SIZE 28
/* RFC 3339, UTC, microseconds: 2026-11-21T22:50:01.123456Z. `out` takes CLOCK_TEXT_SIZE. */
void clock_to_text(uint64_t wall_us, char *out);
/* RFC 3339 with Z or an offset, fraction optional; 0 if it is none. */
uint64_t clock_from_text(const char *text);

#endif
