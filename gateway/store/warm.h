/*
 * The local copy of the zones of a remote store: content, window, history, and the place in the remote log, in LMDB.
 * It is written
 * lazily, by the schema of the embedded store, and is never what a gateway relies on: what cannot be read is fetched
 * again.
 *
 * Threads:   any; one mutex. warm_flush and warm_begin wait for the disk, warm_note never does.
 * Errors:    none matters but in words: a copy that fails is begun anew.
 * Limits:    WARM_PENDING changes wait to be written.
 */
#ifndef ZONEGATE_STORE_WARM_H
#define ZONEGATE_STORE_WARM_H

#include "base/digest.h"
#include "store/kv.h"
#include "store/store.h"

#define WARM_PENDING 100000

struct warm;

/* A place in the remote log. */
struct warm_place {
	int32_t partition;
	int64_t offset;
	uint8_t last[DIGEST_SHA256_SIZE]; /* of the record there */
	uint64_t version;                 /* of the zone, at that place */
};

/* kv NULL: nothing is kept, everything else says NOT_FOUND. */
MUST_USE enum status warm_open(const char *name, struct kv *kv, struct warm **warm, char *reason);
void warm_close(struct warm *warm);
MUST_USE enum status warm_add(struct warm *warm, struct zone *zone);
void warm_drop(struct warm *warm, struct zone *zone);

/* What was kept: draft and replay are given. `place` may be older than the content, never newer. STATUS_NOT_FOUND */
MUST_USE enum status warm_load(struct warm *warm, struct zone *zone, struct draft *draft, struct replay **replay,
			       struct warm_place *place);
/* The copy begins with this version, at this place; both NULL: with nothing. */
MUST_USE enum status warm_begin(struct warm *warm, struct zone *zone, const struct zone_version *version,
				const struct warm_place *place, char *reason);
/*
 * An applied change, copied; false: too many wait, the copy has to begin anew. `parked`: until
 * warm_unpark, for a copy that is being begun. `snapshot`: its content is in chunks.
 */
bool warm_note(struct warm *warm, const struct store_fate *fate, const struct warm_place *place, bool snapshot,
	       bool parked);
void warm_unpark(struct warm *warm, const struct zone *zone);
/* Everything up to `place` is in the copy, once what waits is written. */
void warm_note_place(struct warm *warm, struct zone *zone, const struct warm_place *place);
/* Write what waits. Not OK: it is lost, and so is what comes until warm_reset: all copies have to begin anew. */
MUST_USE enum status warm_flush(struct warm *warm);
void warm_reset(struct warm *warm);
/* Follower's thread, after publishing; may do nothing where somebody else is at the disk. */
void warm_checkpoint(struct warm *warm, struct zone *zone, const struct zone_version *version,
		     const struct replay *replay, bool idle);
/* A chunk of a snapshot change that will be noted. */
void warm_put_chunk(struct warm *warm, struct zone *zone, const char *snapshot, uint32_t number, const uint8_t *bytes,
		    size_t size);
/* History: the embedded store's; NULL: none. Flush first. */
struct store *warm_history(struct warm *warm);

#endif
