#include "base/stat.h"

#define FIRST_BOUND_NS UINT64_C(50000)
#define FIRST_BOUND_COUNT UINT64_C(1)

static uint64_t
bound(uint64_t first, size_t bucket)
{
	return bucket < STAT_BUCKETS ? first << bucket : UINT64_MAX;
}

/* The lowest bucket whose bound is not under the value. */
static size_t
bucket_of(uint64_t first, uint64_t value)
{
	if (value <= first)
		return 0;
	uint64_t doublings = (value - 1) / first;
	size_t bucket = 64 - (size_t)__builtin_clzll(doublings);
	return bucket < STAT_BUCKETS ? bucket : STAT_BUCKETS;
}

static void
observe(struct stat_histogram *histogram, size_t bucket, uint64_t value)
{
	stat_add_shared(&histogram->bucket[bucket], 1);
	stat_add_shared(&histogram->sum, value);
	stat_add_shared(&histogram->count, 1);
}

uint64_t
stat_bucket_bound_ns(size_t bucket)
{
	return bound(FIRST_BOUND_NS, bucket);
}

void
stat_observe(struct stat_histogram *histogram, uint64_t ns)
{
	observe(histogram, bucket_of(FIRST_BOUND_NS, ns), ns);
}

uint64_t
stat_bucket_bound_count(size_t bucket)
{
	return bound(FIRST_BOUND_COUNT, bucket);
}

void
stat_observe_count(struct stat_histogram *histogram, uint64_t number)
{
	observe(histogram, bucket_of(FIRST_BOUND_COUNT, number), number);
}
