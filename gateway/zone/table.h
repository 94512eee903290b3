/*
 * The zone table: the zones served, the closest zone above a name, the current version of each.
 *
 * Threads:   table_find and zone_current: any thread in an RCU section, no lock. table_add, table_remove: one at a time
 *            (own mutex). table_publish: the follower of the zone's store.
 * Memory:    zones are freed a grace period after table_remove, and not before their last pinned version. Versions: see
 *            version.h; one reclaimer thread, started by table_new, waits for grace periods so that nobody else does.
 */
#ifndef ZONEGATE_ZONE_TABLE_H
#define ZONEGATE_ZONE_TABLE_H

#include "base/stat.h"
#include "wire/name.h"
#include "zone/version.h"

enum zone_state {
	ZONE_LOADING,   /* nothing to serve yet: SERVFAIL */
	ZONE_READY,
	ZONE_DIVERGED,  /* events.md: not served, SERVFAIL */
	ZONE_FAILED,    /* its file or its content in the store cannot be used: SERVFAIL, reason in the log */
	ZONE_REMOVED,
};

/* Shared: any thread adds. */
struct zone_counters {
	stat_counter updates[24]; /* by RCODE; 23: all others */
	stat_counter conflicts;
};

struct zone {
	size_t name_size;
	char *text;                       /* presentation format, final dot */
	_Atomic(struct zone_version *) current; /* NULL: nothing was published yet */
	unsigned labels;
	_Atomic int state;                /* enum zone_state */
	_Atomic int role;                 /* enum config_catalog, control/config.h */
	atomic_bool restricted;           /* not everybody may query: transfer_settings says who */
	/* What upper layers keep with a zone; opaque here, replaced at reload, read inside an RCU section. */
	_Atomic(void *) update_settings;   /* struct update_settings, update/update.h */
	_Atomic(void *) transfer_settings; /* struct transfer_settings, transfer/axfr.h */
	_Atomic(void *) ixfr;              /* struct ixfr_zone, transfer/ixfr_zone.h */
	_Atomic(void *) digests;           /* struct digests_zone, transfer/digests.c */
	void *notify;                      /* struct notify_zone, transfer/notify.c */
	void *committer;                   /* struct committer_zone, update/committer.h */
	void *store;                       /* struct store, store/store.h */
	void *follower;                    /* struct follower_zone, store/follower.h */
	void *control;                     /* struct config_zone, control/config.h; changed with gateway->loads held */
	_Atomic(struct zone_counters *) counters; /* NULL: all are 0, as in most zones of many */
	/* for table.c */
	struct table *table;               /* NULL: in none */
	struct version_chain chain;
	uint8_t name[];                    /* absolute, lower case; then `text` */
};

/* An UPDATE answered; a change that lost a race. Any thread. */
void zone_count_update(struct zone *zone, unsigned rcode);
void zone_count_conflict(struct zone *zone);

struct table;

/* NULL: no memory or no thread. */
struct table *table_new(void);
/*
 * Zones that are left are removed. Waits for pinned versions, then joins the reclaimer; the caller is no RCU reader
 * that is online.
 */
void table_free(struct table *table);

/* A zone object in no table yet. name: absolute wire name. NULL: no memory. */
struct zone *table_zone_new(const uint8_t *name);
/* One that no table has taken. */
void table_zone_free(struct zone *zone);
MUST_USE enum status table_add(struct table *table, struct zone *zone); /* STATUS_EXISTS */
/* Many at once: one copy of the index. */
MUST_USE enum status table_add_all(struct table *table, struct zone **zones, size_t count);
/*
 * The zone is freed later; its current version too. Its state becomes ZONE_REMOVED. STATUS_NOT_FOUND: it is not in this
 * table.
 */
MUST_USE enum status table_remove(struct table *table, struct zone *zone);

/* The closest zone at or above a lower-case name (`labels` labels without the root); NULL: none of ours. */
struct zone *table_find(const struct table *table, const uint8_t *name, size_t size, unsigned labels);
/* Exactly this zone. */
struct zone *table_exact(const struct table *table, const uint8_t *name, size_t size);
size_t table_count(const struct table *table);
/* All zones, in canonical order of their names; `each` returns false to stop. In an RCU section. */
void table_each(const struct table *table, bool (*each)(void *context, struct zone *zone), void *context);
/* The same in no order: nothing is sorted. */
void table_walk(const struct table *table, bool (*each)(void *context, struct zone *zone), void *context);

/* The current version; NULL if nothing is served (state says why). In an RCU section. */
static inline const struct zone_version *
zone_current(const struct zone *zone)
{
	return atomic_load_explicit(&zone->state, memory_order_acquire) == ZONE_READY
		? atomic_load_explicit(&zone->current, memory_order_acquire) : NULL;
}

/*
 * Make `version` (given) the current one; the one before is retired. It was made from the current one or from nothing.
 * A zone that has been removed takes nothing more: the version is discarded.
 */
void table_publish(struct table *table, struct zone *zone, struct zone_version *version);
/* Wait while too many old versions wait to be freed (zone/reclaim.h): before more are made. In no RCU section. */
void table_throttle(struct table *table);
void table_set_state(struct zone *zone, enum zone_state state);
/* "loading", "ready", … */
const char *zone_state_text(enum zone_state state);

#endif
