/*
 * A hash table of structs that bring their own link: it grows as they come.
 *
 * Threads:   the caller locks.
 * Memory:    entries are the caller's; the table has its buckets only, about one an entry.
 * Errors:    without memory for more buckets the chains grow longer.
 */
#ifndef ZONEGATE_BASE_CHAINS_H
#define ZONEGATE_BASE_CHAINS_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first member of an entry. */
struct chain {
	struct chain *next;
};

/* Zeroed at the beginning. */
struct chains {
	struct chain **buckets;
	size_t bucket_count, count; /* bucket_count: a power of two, or 0 */
};

/* Of an entry, always the same; over base/hash.h, where the network can fill the table. */
typedef uint64_t chains_hash_fn(const struct chain *entry);

/* Where an entry with that hash would be, followed by `next`: the caller compares. NULL: there is none. */
static inline struct chain *
chains_first(const struct chains *chains, uint64_t hash)
{
	return chains->bucket_count ? chains->buckets[hash & (chains->bucket_count - 1)] : NULL;
}

/* One that is not there yet. False: no memory for the first buckets. */
MUST_USE bool chains_add(struct chains *chains, struct chain *entry, chains_hash_fn *hash);
void chains_remove(struct chains *chains, struct chain *entry, chains_hash_fn *hash);

/* A way through all of them, in no order; zeroed at the beginning. */
struct chains_walk {
	size_t bucket;
	struct chain *next;
};

/* The next one, which may be removed and freed before the one after it is asked for; NULL: that was all. */
struct chain *chains_next(const struct chains *chains, struct chains_walk *walk);

/* The entries have been freed. */
void chains_free(struct chains *chains);

#endif
