/*
 * A small pool of threads that loads zones which their stores do not know yet.
 *
 * Threads:   loader_add: any, hooks of a follower too: it does not wait. `load` runs on one of the pool's threads,
 *            which are RCU readers and offline when it is called.
 * Limits:    none on the length of its list: each zone is in it once at most.
 */
#ifndef ZONEGATE_CONTROL_LOADER_H
#define ZONEGATE_CONTROL_LOADER_H

#include "zone/table.h"

#define LOADER_TOGETHER 256 /* together they share commits of their store */

struct loader;
/* Some zones, at most LOADER_TOGETHER. */
typedef void loader_fn(void *context, struct zone *const *zones, size_t count);

struct loader *loader_new(unsigned threads, loader_fn *load, void *context);
/* What has not begun is dropped, what has begun is finished. More may be added, and stays where it is. */
void loader_stop(struct loader *loader);
/* After loader_stop, and the followers whose hooks add. */
void loader_free(struct loader *loader);
void loader_add(struct loader *loader, struct zone *zone);
/* Returns once the pool no longer touches the zone. */
void loader_forget(struct loader *loader, struct zone *zone);

#endif
