/*
 * Within transfer/ixfr*.c: the sequences of one zone, and the thread that reads histories.
 *
 * Threads:   a zone's fields are under its mutex, which is held for the making of one sequence at most.
 * Memory:    zone->ixfr until ixfr_free_zone.
 */
#ifndef ZONEGATE_TRANSFER_IXFR_ZONE_H
#define ZONEGATE_TRANSFER_IXFR_ZONE_H

#include "base/background.h"
#include "transfer/ixfr.h"
#include "transfer/sequence.h"
#include <pthread.h>

struct ixfr_zone {
	struct background_task task;      /* first */
	struct ixfr *ixfr;
	struct zone *zone;
	pthread_mutex_t mutex;
	struct zone_version *newest;      /* pinned; NULL: nothing is kept */
	/* [first, first + count): oldest first, each begins where the one before ends */
	struct sequence **items;
	size_t first, count, room, bytes;
	bool ended;                       /* the zone is going */
	bool reading;                     /* its history is to be read, or being read */
};

struct ixfr {
	void (*ready)(void *context, struct zone *zone);
	void *context;
	struct ixfr_counters counters;
	struct background *background;    /* reads histories */
};

size_t ixfr_zone_limit(const struct zone_version *version);
/* The oldest go where there are too many. The mutex is held. */
void ixfr_zone_trim(struct ixfr_zone *at);

/* Work of the background: what comes before the zone's sequences; then `ready`. */
void ixfr_history_read(void *context, struct background_task *task);

#endif
