/*
 * The store contract with nothing behind it: the reference in tests; fails on request.
 *
 * Threads, errors: store/store.h. A zone's log outlives drop_zone: a zone that is added again gets all of it, as from a
 * shared log.
 */
#ifndef ZONEGATE_STORE_MEMORY_H
#define ZONEGATE_STORE_MEMORY_H

#include "store/store.h"

/* NULL without memory. */
struct store *memory_open(const char *name);
/* The next `count` commits fail with this status. Any thread. */
void memory_fail(struct store *store, enum status status, unsigned count);
/* Put a foreign record into the log, as another gateway would. Any thread. */
void memory_inject(struct store *store, struct zone *zone, const uint8_t *record, size_t size);

#endif
