/*
 * Counters and histograms: one writing thread each, summed by the reader.
 *
 * Threads:   a counter is written by one thread (relaxed store of load + n: no locked instruction), or by any with
 *            stat_add_shared, never by both: what came between load and store would be lost. Read by any.
 */
#ifndef ZONEGATE_BASE_STAT_H
#define ZONEGATE_BASE_STAT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t stat_counter;

static inline void
stat_add(stat_counter *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void
stat_add_shared(stat_counter *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t
stat_read(const stat_counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Bounds in the "le" sense of Prometheus; the last bucket is +Inf. */
#define STAT_BUCKETS 24
struct stat_histogram {
	stat_counter bucket[STAT_BUCKETS + 1];
	stat_counter sum, count;
};

/* Of times. Upper bound of a bucket in nanoseconds: 50 us, 100 us, … doubling. */
uint64_t stat_bucket_bound_ns(size_t bucket);
/* Any thread. */
void stat_observe(struct stat_histogram *histogram, uint64_t ns);

/* Of numbers of things: 1, 2, 4, … */
uint64_t stat_bucket_bound_count(size_t bucket);
void stat_observe_count(struct stat_histogram *histogram, uint64_t number);

#endif
