/*
 * What the embedded store keeps in its tables, for its own files only.
 *
 *   KV_META     "next zone"                             number of the next zone
 *   KV_ZONES    zone name, wire form, lower case        struct embedded_record
 *   KV_LOG      zone number, version                    flags, serial, id, then the record as appended
 *   KV_CONTENT  zone number, generation, owner          RRsets of the name: content at record.content_version
 *   KV_WARM     zone number                             the window (zone/replay.h) at the same version
 *   KV_CHUNKS   zone number, snapshot id, chunk number  chunks that snapshot changes or the record's base refer to
 *
 * Numbers in keys are big-endian, so that a zone's rows follow one another. The log's last entry is where the zone is;
 * nothing else is written by a commit. Content is written behind it by one thread (embedded_keep.c): small differences
 * in place, large ones as a new generation that takes over when it is whole.
 *
 * Threads:   struct embedded_zone: `mutex` of the store, unless it says otherwise.
 */
#ifndef ZONEGATE_STORE_EMBEDDED_DATA_H
#define ZONEGATE_STORE_EMBEDDED_DATA_H

#include "store/embedded.h"
#include "store/intake.h"
#include <pthread.h>

#define EMBEDDED_SNAPSHOT_ID 32 /* hex digits */
#define EMBEDDED_ENTRY_HEAD (1 + 4 + VERSION_ID_SIZE)
#define EMBEDDED_ENTRY_SNAPSHOT 1 /* flag of a log entry: its change is a snapshot */

/* A version's place in the chain. */
struct embedded_place {
	uint64_t version;
	uint32_t serial;
	uint8_t id[VERSION_ID_SIZE];
	uint64_t time_us;
};

struct embedded_record {
	uint32_t number;
	bool removed;
	uint32_t generation;           /* of the content; 0: none is kept */
	struct embedded_place content; /* the version that it is */
	struct embedded_place base;    /* the oldest version that can be had; its content: */
	char base_snapshot[EMBEDDED_SNAPSHOT_ID + 1]; /* chunks; "": empty */
	uint32_t base_chunks;
};

struct embedded_zone {
	struct embedded_zone *next, **link; /* of all; link: what points here */
	struct zone *zone;
	/* Of its record in KV_ZONES; the keeper changes it, and the follower where a zone is removed or made again: */
	uint32_t number;               /* 0: there is none, or it cannot be read */
	uint32_t generation;
	uint64_t content_version, base_version;
	uint64_t head;                 /* version of the last log entry */
	uint64_t handed;               /* version last handed to the keeper */
	uint64_t records;
	_Atomic unsigned saves;        /* snapshots whose saving has begun, ever */
	_Atomic unsigned
		unreferenced; /* of these, those that no change refers to yet: no chunk is an orphan meanwhile */
	/* To be kept by the keeper; a newer one takes the place of one that waits. */
	struct zone_version *version;  /* pinned */
	uint8_t *window;
	size_t window_size;
	bool removed;                  /* the record's */
	bool busy;                     /* the keeper is at it, or the follower: its record is theirs */
	bool tidy;                     /* rows of an older life are to be deleted */
	bool altered;                  /* the commit under way changes its record, to *altered_record; the follower's */
	bool trim;                     /* history may have become too old */
	bool queued;                   /* in embedded->queue */
	struct embedded_record *altered_record; /* NULL: not changed yet */
	struct embedded_zone *next_queued; /* in embedded->queue; until it is handed out, in embedded->added */
};

struct keeping;                        /* embedded_keep.c */

struct embedded {
	struct store store; /* first */
	struct kv *kv;
	struct intake *intake;
	_Atomic uint64_t keep_history_s;
	pthread_mutex_t mutex;
	pthread_cond_t work, done;
	struct intake_map zones;
	struct embedded_zone *list;
	struct embedded_zone *added, **added_end; /* to be handed out, in this order */
	struct embedded_zone *queue, **queue_end; /* zones that the keeper has something to do for */
	uint64_t trimmed_ms;           /* the keeper's: when it looked for history to trim */
	struct keeping *group;         /* the keeper's: room for the zones of one transaction */
	pthread_t keeper;
	bool stop;
	/* Of the last poll; the follower's. */
	struct intake_item *items[INTAKE_BATCH_ITEMS];
	size_t item_count;
};

/* One log entry, as stored. */
struct embedded_entry {
	uint64_t version;
	uint32_t serial;
	uint8_t flags;
	const uint8_t *id, *record;
	size_t size;
};

static inline struct embedded *
embedded_of(struct store *store)
{
	return (struct embedded *)store;
}

/* embedded_data.c: rows */
size_t embedded_data_log_key(uint32_t number, uint64_t version, uint8_t out[12]);
bool embedded_data_entry(struct kv_bytes key, struct kv_bytes value, struct embedded_entry *entry);
size_t embedded_data_chunk_key(uint32_t number, const char *snapshot, uint32_t chunk,
			       uint8_t out[4 + EMBEDDED_SNAPSHOT_ID + 4]);
MUST_USE enum status embedded_data_get(struct kv_txn *txn, const uint8_t *name, struct embedded_record *record);
MUST_USE enum status embedded_data_put(struct kv_txn *txn, const uint8_t *name, const struct embedded_record *record);
/* The record of a zone is this one now: what is in memory of it. */
void embedded_data_note(struct embedded_zone *at, const struct embedded_record *record);
/* The window of a replay as bytes; given. NULL without memory. */
uint8_t *embedded_data_window(const struct replay *replay, size_t *size);
MUST_USE enum status embedded_data_restore(struct replay *replay, const uint8_t *window, size_t size);
/* Its head alone. */
MUST_USE enum status embedded_data_state(const uint8_t *window, size_t size, struct replay_state *state);
/* Names changed after a version; false: too many, or all. `each` may be called twice for a name. */
bool embedded_data_changed(const uint8_t *window, size_t size, uint64_t after, size_t at_most,
                           enum status (*each)(void *context, const uint8_t *name), void *context, enum status *status);

/*
 * embedded_content.c: content of versions. *rests: nothing came after the content that is kept, so its window may stay
 * where it is; it does so if that is still true afterwards, and `replay` is as it was.
 */
MUST_USE enum status embedded_content_load(struct embedded *embedded, struct embedded_zone *at, struct draft *draft,
					   struct replay *replay, bool *rests, char *reason);
MUST_USE enum status embedded_content_at(struct embedded *embedded, struct embedded_zone *at, uint64_t version,
					 struct draft *draft, struct replay *replay, char *reason);
/* STATUS_NOT_FOUND: the content that is kept is another version's. */
MUST_USE enum status embedded_content_window(struct embedded *embedded, const struct embedded_zone *at,
					     uint64_t version, struct replay *replay);
MUST_USE enum status embedded_content_put(struct kv_txn *txn, const struct embedded_record *record, uint32_t generation,
                                          const struct node *node);
MUST_USE enum status embedded_content_delete(struct kv_txn *txn, const struct embedded_record *record,
					     const uint8_t *relative, size_t size);
/* sha256 NULL: not compared. */
MUST_USE enum status embedded_content_chunks(struct embedded *embedded, uint32_t number, const char *snapshot,
					     uint32_t chunks, const uint8_t *sha256, struct draft *draft, char *reason);
MUST_USE enum status embedded_content_save(struct embedded *embedded, uint32_t number,
					   const struct zone_version *version, char *snapshot,
					   struct change_snapshot *out, char *reason);
/* Delete chunks that nothing refers to: of an import that was cut short, of history that was trimmed. */
void embedded_content_orphans(struct embedded *embedded, struct embedded_zone *at,
			      const struct embedded_record *record);

/* embedded_keep.c: the keeper */
MUST_USE enum status embedded_keep_start(struct embedded *embedded);
/* Keeps what is waiting, then ends. */
void embedded_keep_stop(struct embedded *embedded);
/* The zone has something to be kept, tidied or trimmed. The mutex is held. */
void embedded_keep_queue(struct embedded *embedded, struct embedded_zone *at);
/* All rows whose key begins so, a piece a transaction. */
MUST_USE enum status embedded_keep_delete(struct embedded *embedded, enum kv_table table, struct kv_bytes prefix);
/* Is there so much history that could go that a new base is worth it? It is not busy, or ours; the mutex is held. */
bool embedded_keep_can_trim(const struct embedded_zone *at);
/* It is going: out of the queue. The mutex is held. */
void embedded_keep_unqueue(struct embedded *embedded, struct embedded_zone *at);
/* Wait until nothing of the zone waits. The mutex is held. */
void embedded_keep_wait(struct embedded *embedded, struct embedded_zone *at);

#endif
