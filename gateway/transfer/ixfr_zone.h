/*
 * Within transfer/ixfr*.c: the sequences of one zone, and the thread that reads histories.
 *
 * Threads:   a zone's fields are under its mutex, which is held for the making of one sequence at most; `next` is under
 *            that of struct ixfr.
 * Memory:    zone->ixfr until ixfr_free_zone.
 */
#ifndef ZONEGATE_TRANSFER_IXFR_ZONE_H
#define ZONEGATE_TRANSFER_IXFR_ZONE_H

#include "transfer/ixfr.h"
#include "transfer/sequence.h"
#include <pthread.h>

struct ixfr_zone {
	struct ixfr *ixfr;
	struct zone *zone;
	pthread_mutex_t mutex;
	struct zone_version *newest;      /* pinned; NULL: nothing is kept */
	/* [first, first + count): oldest first, each begins where the one before ends */
	struct sequence **items;
	size_t first, count, room, bytes;
	bool ended;                       /* the zone is going */
	bool reading;                     /* its history is to be read, or being read */
	_Atomic bool cancelled;
	struct ixfr_zone *next;           /* in the queue */
};

struct ixfr {
	void (*ready)(void *context, struct zone *zone);
	void *context;
	struct ixfr_counters counters;
	pthread_t thread;
	pthread_mutex_t mutex;            /* queue, current, stopped */
	pthread_cond_t changed;
	struct ixfr_zone *queue, **queue_end, *current;
	bool stopped;
};

size_t ixfr_zone_limit(const struct zone_version *version);
/* The oldest go where there are too many. The mutex is held. */
void ixfr_zone_trim(struct ixfr_zone *at);

/* True: `ready` will be called. */
bool ixfr_history_add(struct ixfr_zone *at);
/* Returns once nobody reads it. */
void ixfr_history_forget(struct ixfr_zone *at);

#endif
