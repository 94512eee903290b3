/*
 * The store contract: a durable log of changes for each zone, the one place where their order is decided.
 *
 * A store has one follower thread (store/follower.c), which alone calls poll, commit, checkpoint. Records come back
 * through poll, our own and other gateways' alike; the follower replays them into drafts, calls commit, then publishes.
 * So NOERROR means durable, ordered, served here.
 *
 *   embedded:  poll hands out what was appended meanwhile (one batch), commit makes the batch durable in one
 *              transaction.
 *   kafka:     append produces; poll consumes; commit only notes positions.
 *   etcd:      append is a compare-and-swap transaction; poll is the watch.
 *
 * Threads:   append, barrier, read, content_at, status: any thread. The others: the follower.
 * Errors:    RETRY (nothing was written, the same again may work), REFUSED (this one never will), STOP (a person must
 *            act).
 */
#ifndef ZONEGATE_STORE_STORE_H
#define ZONEGATE_STORE_STORE_H

#include "store/trouble.h"
#include "wire/name.h"
#include "zone/change.h"
#include "zone/replay.h"
#include "zone/table.h"

#define STORE_REASON_SIZE TROUBLE_SIZE

struct store;

/* One record on its way into the log. */
struct store_append {
	struct zone *zone;
	const uint8_t *record; size_t size; /* lent until applied, skipped or failed is reported for the tag */
	const struct change *change;        /* the same, decoded; lent likewise */
	uint64_t tag;                       /* not 0: comes back with the record's fate */
	struct draft *content;              /* snapshot change: the content, already built (given); else NULL */
};

/* One record out of the log. */
struct store_record {
	struct zone *zone;
	const uint8_t *record; size_t size;
	const struct change *change;        /* NULL: decode it */
	uint64_t tag;                       /* our own append; 0: another's, or from before our start */
	uint64_t position;                  /* the store's own; for logs */
	struct draft *content;              /* as in store_append (given), or NULL: load the chunks */
};

/* What the follower decided about a record of this poll; version fields only where applied. */
struct store_fate {
	const struct store_record *record;
	enum replay_fate fate;
	uint64_t version;
	uint32_t serial;
	uint8_t id[VERSION_ID_SIZE];
};

/* Called by poll, on the follower's thread. */
struct store_sink {
	void *context;
	/*
	 * The zone's content at some version, at start: draft and replay are given. replay NULL: `window` has it. Where
	 * the zone had content, it is built anew: what is served stays until `ready`.
	 */
	void (*loaded)(void *context, struct zone *zone, struct draft *draft, struct replay *replay);
	/*
	 * The store does not know the zone and its log reaches back to the beginning: it is new. Perhaps after `loaded`
	 * with nothing in it.
	 */
	void (*absent)(void *context, struct zone *zone);
	void (*record)(void *context, const struct store_record *record);
	/* An append that has lost its race before it came into the log: as a record that is skipped. */
	void (*lost)(void *context, struct zone *zone, uint64_t tag);
	/* An append that will not come back. */
	void (*failed)(void *context, uint64_t tag, enum status status, const char *reason);
	/*
	 * Everything that the log held when the zone was added, or when the barrier was asked for, has been handed out.
	 */
	void (*ready)(void *context, struct zone *zone);
	void (*barrier)(void *context, uint64_t tag, enum status status);
	/* The zone cannot be served: state and why. */
	void (*unusable)(void *context, struct zone *zone, enum zone_state state, const char *reason);
};

/* One entry of a zone's history. */
struct store_entry {
	uint64_t version;
	uint32_t serial;
	uint8_t id[VERSION_ID_SIZE];
	const uint8_t *record; size_t size;  /* as stored; lent until the callback returns */
};
typedef bool store_entry_fn(void *context, const struct store_entry *entry); /* false: stop */

/* Where a zone's kept history begins: its content can be rebuilt at this version and every later one. */
struct store_oldest {
	uint64_t version;
	uint8_t id[VERSION_ID_SIZE];
	uint64_t time_us; /* of the change that made it; 0: not known */
};

/* What status shows of a log that has parts. Numbers that are not known are -1. */
struct store_partition {
	int32_t number, leader;
	int64_t position, end; /* the next record to be read, and where the log ended a second ago */
	uint64_t zones;
	bool silent;           /* it did not answer a second ago */
};
struct store_view {
	void *context;
	void (*broker)(void *context, int32_t id, const char *address); /* one that is there */
	void (*partition)(void *context, const struct store_partition *partition);
};

struct store_ops {
	const char *type;       /* "embedded", "kafka", "etcd", "memory" */
	/* A zone to follow; its loaded/absent and ready come from a later poll. Any thread; STATUS_EXISTS. */
	enum status (*add_zone)(struct store *store, struct zone *zone);
	/* The follower has taken the zone out; forget it. Its data in the log stays. Follower's thread. */
	void (*drop_zone)(struct store *store, struct zone *zone);
	/* STATUS_FULL, or the reasons above; OK: the fate comes later, exactly once. */
	enum status (*append)(struct store *store, const struct store_append *append);
	/* Call sink->barrier(tag) once everything appended by anybody before now has been handed out. */
	enum status (*barrier)(struct store *store, struct zone *zone, uint64_t tag);
	/* Wait up to timeout_ms for something, hand out a batch through the sink. */
	void (*poll)(struct store *store, const struct store_sink *sink, int timeout_ms);
	/* Ends a poll that waits. Any thread. */
	void (*wake)(struct store *store);
	/* The fates of the records of the last poll, in order. Not OK: none of them is durable, nothing was kept. */
	enum status (*commit)(struct store *store, const struct store_fate *fates, size_t count, char *reason);
	/*
	 * A record of another history (REPLAY_DIVERGED). SKIPPED: ours is right, go on without it. DIVERGED: the zone
	 * stays as it is for the rest of this batch, whose records for it are not judged; the store hands out content
	 * (loaded) and records anew, and ready when they are all out. NULL: as SKIPPED. Follower's thread.
	 */
	enum replay_fate (*diverged)(struct store *store, const struct store_record *record);
	/*
	 * After publishing: keep the content lazily, trim history, take snapshots that are due. `replay` is the zone's.
	 * `idle`: nothing to do at the moment.
	 */
	void (*checkpoint)(struct store *store, struct zone *zone, const struct zone_version *version,
			   const struct replay *replay, bool idle);
	/*
	 * The window (zone/replay.h) of a version, where it is kept with that version's content: a zone that rests need
	 * not have it in memory. replay NULL: is it kept? STATUS_NOT_FOUND: it is not, or not yet. Follower's thread;
	 * NULL: this store has nothing of the kind.
	 */
	enum status (*window)(struct store *store, struct zone *zone, uint64_t version, struct replay **replay);
	/*
	 * History: entries with from < version <= to, oldest first. STATUS_NOT_FOUND: `from` is older than what is
	 * kept.
	 */
	enum status (*read)(struct store *store, struct zone *zone, uint64_t from, uint64_t to, store_entry_fn *each,
			    void *context);
	/* UINT64_MAX, a version that there will never be: nothing is kept. Any thread. */
	void (*oldest)(struct store *store, struct zone *zone, struct store_oldest *oldest);
	/* Content at an earlier version into an empty draft (draft_begin from nothing). STATUS_NOT_FOUND */
	enum status (*content_at)(struct store *store, struct zone *zone, uint64_t version, struct draft *draft,
				  char *reason);
	/*
	 * The content that a snapshot change refers to, into an empty draft. Follower's thread. STATUS_RETRY: it is on
	 * its way; the zone's records are handed out again from this one on once it is there, and none of this batch
	 * behind it is to be judged.
	 */
	enum status (*load_snapshot)(struct store *store, struct zone *zone, const struct change_snapshot *snapshot,
				     struct draft *draft, char *reason);
	/*
	 * Put chunks of `version` where a snapshot change can refer to them; fills *out (strings in arena). Any thread.
	 */
	enum status (*save_snapshot)(struct store *store, struct zone *zone, const struct zone_version *version,
				     struct arena *arena, struct change_snapshot *out, char *reason);
	/* zonegatectl snapshot. STATUS_UNSUPPORTED with a reason where the store has none. */
	enum status (*snapshot_now)(struct store *store, struct zone *zone, char *reason);
	/*
	 * zonegatectl check: what is in the store and cannot be served; `each` returns false to stop. Any thread. NULL:
	 * nothing ever.
	 */
	void (*check)(struct store *store, struct zone *zone,
		      bool (*each)(void *context, const char *key, const char *reason), void *context);
	/*
	 * zonegatectl status. Any thread; may ask its servers and wait a second or two. NULL: there is no more to say.
	 */
	void (*describe)(struct store *store, const struct store_view *view);
	/* Adds what is wrong besides `away` and `uncommitted` below. Any thread. NULL: nothing ever. */
	void (*trouble)(struct store *store, char *reason);
	/* Wait until all is durable, then free. The follower has ended. */
	void (*close)(struct store *store);
};

/* The head of every store's own struct. */
struct store {
	const struct store_ops *ops;
	char *name;                       /* as in the configuration */
	_Atomic int connected;            /* metric store_connected: at least a part of it answers */
	_Atomic unsigned silent_partitions; /* of a log that has parts: those that do not answer */
	_Atomic uint64_t lag_records;     /* metric store_lag_records */
	_Atomic uint64_t position;        /* for status */
	_Atomic bool round;               /* set by the store: checkpoint every zone soon */
	struct stat_histogram commit_seconds;
	struct stat_histogram batch_size; /* of counts */
	struct stat_histogram propagation_seconds;
	stat_counter skipped, unusable_records;
	struct trouble away;              /* why it is not connected */
	struct trouble uncommitted;       /* the follower's: why its last commit failed */
};

/* What is wrong with it, for people; false: nothing. Any thread. */
static inline bool
store_trouble(struct store *store, char reason[STORE_REASON_SIZE])
{
	reason[0] = '\0';
	if (store->ops->trouble)
		store->ops->trouble(store, reason);
	trouble_add(&store->away, reason);
	trouble_add(&store->uncommitted, reason);
	return reason[0];
}

static inline enum status MUST_USE
store_append(struct store *store, const struct store_append *append)
{
	return store->ops->append(store, append);
}

#endif
