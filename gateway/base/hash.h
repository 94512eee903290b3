/*
 * The keyed hash for every table that the network can fill.
 *
 * Threads:   any after hash_init, which the main thread calls once before all others (tests may leave it out: key 0).
 */
#ifndef ZONEGATE_BASE_HASH_H
#define ZONEGATE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

extern uint64_t hash_seed; /* unpredictable after hash_init */

void hash_init(void);
/* XXH3 with the process's seed. */
uint64_t hash_bytes(const void *bytes, size_t size);

#endif
