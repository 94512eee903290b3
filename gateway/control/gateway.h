/*
 * The running gateway: what start, the control socket, reload and HTTP act on.
 *
 * Threads:   one writer at a time (start, reload, add, remove) holds `lock` for writing; who reads config, stores
 *            or the zones that were added holds it for reading. Struct zones: found in an RCU section, or with
 *            `lock` held, which keeps them from being removed.
 * Memory:    one for each process, made by zonegated.c.
 */
#ifndef ZONEGATE_CONTROL_GATEWAY_H
#define ZONEGATE_CONTROL_GATEWAY_H

#include "control/config.h"
#include "control/loader.h"
#include "control/store_types.h"
#include "serve/worker.h"
#include "store/follower.h"
#include "transfer/digests.h"
#include "transfer/ixfr.h"
#include "transfer/notify.h"
#include "update/audit.h"
#include <pthread.h>

#define GATEWAY_REASON_SIZE CONFIG_REASON_SIZE

struct catalog;

/* Calls against the arrows: set by zonegated.c before there are zones. They do not wait. */
struct gateway_hooks {
	void *context;
	void (*zone)(void *context, const struct zone *zone);      /* it is ready now, or is going */
	void (*published)(void *context, const struct zone *zone); /* it has another version */
};

struct gateway_store {
	const struct store_types_row *row;
	struct store *store;
	struct follower *follower;
};

/* Why a zone is not served. */
struct gateway_note { struct gateway_note *next; char *zone, *reason; };

struct gateway {
	pthread_rwlock_t lock;
	/* for reading while a zone is loaded; for writing while zone->control changes */
	pthread_rwlock_t loads;
	struct config *config;
	struct added_rules *added_rules;  /* control/added.h */
	struct gateway_store *stores; size_t store_count;
	struct kv *kv;
	struct table *table;
	struct committer *committer;
	struct serve serve;
	struct loader *loader;
	struct catalog *catalog;          /* control/catalog.h */
	struct gateway_hooks hooks;
	struct ixfr *ixfr;
	struct digests *digests;
	struct notify *notify;
	struct worker **workers; unsigned worker_count;
	uint64_t started_us, started_ms;  /* wall clock, monotonic */
	atomic_bool ready;                /* every zone that can be served is, and all sockets listen */
	atomic_bool waiting;              /* then, there were zones whose store could not be reached */
	pthread_mutex_t mutex;            /* notes, changed */
	pthread_cond_t changed;           /* a zone has another state */
	struct gateway_note *notes;
	void (*stop)(void);               /* zonegatectl stop */
};

/*
 * Opens the state directory, the stores, the audit log; makes the table. reason: GATEWAY_REASON_SIZE. config is
 * given.
 */
MUST_USE enum status gateway_open(struct gateway *gateway, struct config *config, char *reason);
/* Zones of the configuration and those added at run time. */
MUST_USE enum status gateway_start_zones(struct gateway *gateway, char *reason);
/* Threads that serve; `sockets` are given. */
MUST_USE enum status gateway_start_workers(struct gateway *gateway, struct listener_sockets *sockets,
                                           unsigned count, char *reason);
/* Answers what was asked, commits what was accepted, frees everything. */
void gateway_close(struct gateway *gateway);

/* True once no zone is loading but those whose store has been away for some seconds. */
bool gateway_zones_settled(struct gateway *gateway);
/* True while no zone is loading. */
bool gateway_zones_loaded(struct gateway *gateway);

/* ---- zones; `lock` is held for writing ---- */

MUST_USE enum status gateway_add_zones(struct gateway *gateway, const struct config_zone *const *zones,
                                       size_t count, char *reason);
/* Stops serving them; their data stays in the store. What added them (control/added.h) is freed. */
void gateway_drop_zones(struct gateway *gateway, struct zone *const *zones, size_t count);
/* Settings by the new configuration, of all zones. `loads` is held for writing. */
void gateway_set_zones(struct gateway *gateway, const struct config *config);
/* Opens a store and follows it. */
MUST_USE enum status gateway_open_store(struct gateway *gateway, const struct config_store *config, char *reason);
/*
 * zonegatectl add: `text` is its configuration as JSON. Waits until it is served. Takes and gives back the lock
 * itself, and waits without it.
 */
MUST_USE enum status gateway_add(struct gateway *gateway, const char *text, char *reason);
/* zonegatectl remove. Takes and gives back the lock itself. */
MUST_USE enum status gateway_remove(struct gateway *gateway, const uint8_t *name, char *reason);

/* ---- `lock` is held for reading ---- */

struct gateway_store *gateway_find_store(struct gateway *gateway, const char *name);
/* NULL: not ours. */
struct zone *gateway_find_zone(struct gateway *gateway, const uint8_t *name);
/* `loads` is held for reading will do too. */
const struct config_zone *gateway_zone_config(const struct zone *zone);
/* NULL: nothing is to be said of it any more. */
void gateway_note(struct gateway *gateway, const struct zone *zone, const char *reason);
/* Why it is not served, or what else is wrong with it, into GATEWAY_REASON_SIZE characters; false: nothing is known. */
bool gateway_reason(struct gateway *gateway, const struct zone *zone, char *out);
/* Each zone, in canonical order; `each` returns false to stop. */
void gateway_each_zone(struct gateway *gateway, bool (*each)(void *context, struct zone *zone), void *context);
/* The same in no order, for many. */
void gateway_walk_zones(struct gateway *gateway, bool (*each)(void *context, struct zone *zone), void *context);

#endif
