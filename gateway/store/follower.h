/*
 * One thread for each store: log to replay, commit, publish, tell who waits.
 *
 * Threads:   follower_start makes the thread; hooks are called on it; the rest from any.
 * Memory:    drafts, replays and versions are the follower's until published.
 * Order:     poll -> replay into one draft a zone -> store commit -> publish all drafts -> hooks. If commit fails:
 *            drafts dropped, windows undone, hooks say failed.
 * Limits:    a batch is what one poll hands out; a zone that has no SOA yet, or was removed, is not published.
 */
#ifndef ZONEGATE_STORE_FOLLOWER_H
#define ZONEGATE_STORE_FOLLOWER_H

#include "store/store.h"

/* Wired by zonegated.c; any may be NULL. */
struct follower_hooks {
	void *context;
	/*
	 * A record of the log has been judged; where applied, `version` is already published (served). tag 0: not ours.
	 */
	void (*judged)(void *context, struct zone *zone, const struct change *change, uint64_t tag,
		       enum replay_fate fate, uint64_t version);
	void (*failed)(void *context, uint64_t tag, enum status status, const char *reason);
	void (*barrier)(void *context, uint64_t tag, enum status status);
	/* The zone has a new version (once for each publish): NOTIFY. before: the one that it replaced; NULL: none. */
	void (*published)(void *context, struct zone *zone, const struct zone_version *before,
			  const struct zone_version *version);
	/* The store does not know the zone: load its file. */
	void (*absent)(void *context, struct zone *zone);
	/* Ready for the first time, or not usable any more. */
	void (*state)(void *context, struct zone *zone);
	/* At least every 50 ms: time-outs. */
	void (*tick)(void *context);
};

/* Room for one decoded change: 900 kB of JSON are some MB of structs at worst. */
#define FOLLOWER_ARENA_SIZE (64u << 20)

struct follower;

MUST_USE enum status follower_start(struct store *store, struct table *table, const struct follower_hooks *hooks,
				    struct follower **follower);
/* Everything accepted is committed; the thread is joined; the store is closed. */
void follower_stop(struct follower *follower);
/* The zone must be in the table, with zone->store set. */
MUST_USE enum status follower_add(struct follower *follower, struct zone *zone);
/* Returns once the follower no longer touches the zone. Not from a hook. */
void follower_drop(struct follower *follower, struct zone *zone);
/* Those of the zones that are this follower's, together. */
void follower_drop_all(struct follower *follower, struct zone *const *zones, size_t count);
/*
 * The version of a zone as the log has it, also where nothing is served: the base of a first load (0 and a zero id), or
 * of the exclusive change that makes a removed zone again. Any thread, hooks too; the zone must be a follower's. False:
 * not known yet.
 */
bool follower_base(struct zone *zone, uint64_t *version, uint8_t id[VERSION_ID_SIZE]);

/* Why the store cannot have the zone served, into STORE_REASON_SIZE; false: it said nothing. Any thread. */
bool follower_reason(struct zone *zone, char *reason);

/*
 * Judge one record on a draft: decode it where its change is not at hand, fetch the content of a snapshot,
 * replay_change. Followers do this for the zones they serve; stores for earlier versions.
 * arena    for what is decoded; reset by the caller
 * change   out: the change; NULL if the record is none (then the fate is REPLAY_SKIPPED, or REPLAY_UNKNOWN)
 * REPLAY_LATER: the store hands the record out again, once it has its content; until then none of the zone is to be
 * judged
 * reason   STORE_REASON_SIZE
 */
enum replay_fate follower_replay(struct store *store, struct replay *replay, struct draft *draft,
				 const struct store_record *record, struct arena *arena, const struct change **change,
				 char *reason);

#endif
