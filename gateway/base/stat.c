#include "base/stat.h"

#define FIRST_BOUND_NS UINT64_C(50000)

uint64_t
stat_bucket_bound_ns(size_t bucket)
{
	return bucket < STAT_BUCKETS ? FIRST_BOUND_NS << bucket : UINT64_MAX;
}

/* The lowest bucket whose bound is not under ns. */
static size_t
stat_bucket_of(uint64_t ns)
{
	if (ns <= FIRST_BOUND_NS)
		return 0;
	uint64_t doublings = (ns - 1) / FIRST_BOUND_NS;
	size_t bucket = 64 - (size_t)__builtin_clzll(doublings);
	return bucket < STAT_BUCKETS ? bucket : STAT_BUCKETS;
}

void
stat_observe(struct stat_histogram *histogram, uint64_t ns)
{
	stat_add_shared(&histogram->bucket[stat_bucket_of(ns)], 1);
	stat_add_shared(&histogram->sum_ns, ns);
	stat_add_shared(&histogram->count, 1);
}
