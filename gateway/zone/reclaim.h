/*
 * The reclaimer: one thread that waits for grace periods, so that nobody who publishes has to.
 *
 * Threads:   reclaim_later: any. It never reads RCU-protected pointers and is no registered reader, so readers never
 *            wait for it and it never waits for itself.
 * Memory:    items are parts of the objects that they free; nothing is allocated.
 * Limits:    a batch is gathered for RECLAIM_GATHER_MS, so a thousand publications a second cost some hundred grace
 *            periods. Who makes items faster than they can be freed calls reclaim_throttle, and waits while
 *            RECLAIM_BACKLOG_MAX wait.
 */
#ifndef ZONEGATE_ZONE_RECLAIM_H
#define ZONEGATE_ZONE_RECLAIM_H

#include "base/status.h"

#define RECLAIM_GATHER_MS 2
#define RECLAIM_BACKLOG_MAX 4096 /* old versions, some kB each */

struct reclaim;

struct reclaim_item {
	struct reclaim_item *next;
	void (*run)(struct reclaim_item *item); /* in the reclaimer's thread; may free the item */
};

/* NULL: no memory or no thread. */
struct reclaim *reclaim_new(void);
/* Runs everything that waits, and what these runs add, then joins. */
void reclaim_free(struct reclaim *reclaim);
/* Call `run` once every RCU section of now is over. The item is in no list. */
void reclaim_later(struct reclaim *reclaim, struct reclaim_item *item, void (*run)(struct reclaim_item *item));
/*
 * Wait until fewer than RECLAIM_BACKLOG_MAX items wait. The caller is in no RCU section: the reclaimer waits for those.
 */
void reclaim_throttle(struct reclaim *reclaim);
/* One more, or one fewer, object that reclaim_free has to wait for (a pinned version that will come back). */
void reclaim_expect(struct reclaim *reclaim, int more);

#endif
