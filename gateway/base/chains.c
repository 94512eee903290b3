#include "base/chains.h"
#include <stdlib.h>

#define BUCKETS_MIN 64

static struct chain **
bucket_of(struct chain **buckets, size_t count, uint64_t hash)
{
	return &buckets[hash & (count - 1)];
}

static void
grow(struct chains *chains, chains_hash_fn *hash)
{
	size_t count = chains->bucket_count ? chains->bucket_count * 2 : BUCKETS_MIN;
	struct chain **buckets = calloc(count, sizeof *buckets), *entry;
	struct chains_walk walk = {0};

	if (!buckets)
		return;
	while ((entry = chains_next(chains, &walk))) {
		struct chain **bucket = bucket_of(buckets, count, hash(entry));
		entry->next = *bucket;
		*bucket = entry;
	}
	free(chains->buckets);
	chains->buckets = buckets;
	chains->bucket_count = count;
}

bool
chains_add(struct chains *chains, struct chain *entry, chains_hash_fn *hash)
{
	if (chains->count >= chains->bucket_count)
		grow(chains, hash);
	if (!chains->bucket_count)
		return false;
	struct chain **bucket = bucket_of(chains->buckets, chains->bucket_count, hash(entry));
	entry->next = *bucket;
	*bucket = entry;
	chains->count++;
	return true;
}

void
chains_remove(struct chains *chains, struct chain *entry, chains_hash_fn *hash)
{
	struct chain **link = bucket_of(chains->buckets, chains->bucket_count, hash(entry));

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	chains->count--;
}

struct chain *
chains_next(const struct chains *chains, struct chains_walk *walk)
{
	while (!walk->next && walk->bucket < chains->bucket_count)
		walk->next = chains->buckets[walk->bucket++];
	struct chain *entry = walk->next;
	if (entry)
		walk->next = entry->next;
	return entry;
}

void
chains_free(struct chains *chains)
{
	free(chains->buckets);
	chains->buckets = NULL;
	chains->bucket_count = chains->count = 0;
}
