/*
 * The one rule of reading (events.md): apply a change unless a name that it reads or touches has changed since its
 * base.
 *
 * Threads:   a struct replay belongs to the follower of the zone's store.
 * Memory:    grows to at most 8,192 versions' names; nothing for a zone that never changed.
 * A published zone changes nowhere else.
 */
#ifndef ZONEGATE_ZONE_REPLAY_H
#define ZONEGATE_ZONE_REPLAY_H

#include "zone/change.h"
#include "zone/draft.h"

#define REPLAY_WINDOW 8192
#define REPLAY_REASON_SIZE 300

enum replay_fate {
	REPLAY_APPLIED,
	REPLAY_SKIPPED,     /* a lost race, or ops that do not apply here: all readers decide alike */
	REPLAY_DIVERGED,    /* base above our version, or base_id is not our id of that version */
	REPLAY_UNKNOWN,     /* an op that we do not know: the zone stays as it was and goes no further */
	REPLAY_FAILED,      /* no memory: drop the draft */
	REPLAY_LATER,       /* its content is not at hand yet (store/follower.h); never by the functions here */
};

struct replay;

/* A zone at version 0. */
struct replay *replay_new(void);
void replay_free(struct replay *replay);

/*
 * Judge the record and, where it applies, edit the draft: content, version, id, serial, time, frozen.
 * record, size  the bytes as in the log (for the id)
 * change        decoded from them
 * content       for a snapshot change: a draft that holds the chunks' content (given: emptied or dropped); else NULL
 * reason        REPLAY_REASON_SIZE; set unless applied
 * All of it or nothing: a skipped change leaves the draft as it was.
 */
enum replay_fate replay_change(struct replay *replay, struct draft *draft, const struct change *change,
                               const uint8_t *record, size_t size, struct draft *content, char *reason);

/*
 * The first half of that, without the content: APPLIED where the place of the change in the log is no reason against
 * it.
 */
enum replay_fate replay_judge(struct replay *replay, const struct draft *draft, const struct change *change,
			      char *reason);

/*
 * What was applied since the last of these two calls is kept, or taken out of the window again (the draft was dropped).
 */
void replay_keep(struct replay *replay);
void replay_undo(struct replay *replay);

/* One op of a change that was judged already; what draft.h says of draft_add, draft_set and the deletions. */
MUST_USE enum status replay_op(struct draft *draft, const struct change_op *op);

/* After replay_keep: no change is near, less memory will do. Only where it is small: see replay_is_small. */
void replay_rest(struct replay *replay);
/* So few names that the next change has them at hand soon, packed or kept elsewhere. */
bool replay_is_small(const struct replay *replay);

bool replay_removed(const struct replay *replay);
uint64_t replay_frozen_until(const struct replay *replay); /* 0: no end */
/*
 * A freeze whose end has come is over: true, and the caller publishes the version again without `frozen`. Version, id
 * and serial stay.
 */
bool replay_thaw(struct replay *replay, uint64_t now_us);

/*
 * The window, for snapshots and warm copies: state in and out of a flat form (bytes of our own, or JSON by
 * store/kafka_snapshot.c through the walkers below).
 */
struct replay_state { uint64_t all; bool frozen, removed; uint64_t until_us; uint64_t state_version; };
void replay_get(const struct replay *replay, struct replay_state *state);
void replay_each_name(const struct replay *replay, void (*each)(void *context, const uint8_t *name, uint64_t version),
		      void *context);
/* Id of a version in the window; false if it is not there. */
bool replay_id_at(const struct replay *replay, uint64_t version, uint8_t out[VERSION_ID_SIZE]);
/* Restore: version and id are those of the content; then names and ids, in any order; then replay_restored. */
MUST_USE enum status replay_restore(struct replay *replay, const struct replay_state *state);
MUST_USE enum status replay_restore_name(struct replay *replay, const uint8_t *name, uint64_t version);
MUST_USE enum status replay_restore_id(struct replay *replay, uint64_t version, const uint8_t id[VERSION_ID_SIZE]);

#endif
