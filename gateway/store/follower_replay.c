/* One record of the log judged on a draft: for followers, and for stores that rebuild earlier versions. */
#include "store/follower.h"
#include "zone/change_json.h"

static enum replay_fate
decode(const struct store_record *record, struct arena *arena, const struct change **change, char *reason)
{
	struct change *made = arena_alloc(arena, sizeof *made);

	*change = NULL;
	if (!made)
		return REPLAY_FAILED;
	switch (change_json_decode(record->record, record->size, record->zone->name, arena, made, reason)) {
	case STATUS_OK:
		*change = made;
		return REPLAY_APPLIED;
	case STATUS_UNSUPPORTED:
		return REPLAY_UNKNOWN;
	case STATUS_MALFORMED:
		return REPLAY_SKIPPED;
	default:
		return REPLAY_FAILED;
	}
}

/* The content of a snapshot change, from the store. */
static enum replay_fate
fetch_content(struct store *store, const struct store_record *record, const struct change *change,
	      struct draft *content, char *reason)
{
	if (draft_begin(content, NULL, record->zone->name) != STATUS_OK)
		return REPLAY_FAILED;
	enum status status = store->ops->load_snapshot(store, record->zone, change->snapshot, content, reason);
	if (status == STATUS_OK)
		return REPLAY_APPLIED;
	draft_drop(content);
	return status == STATUS_NO_MEMORY ? REPLAY_FAILED
	       : status == STATUS_RETRY   ? REPLAY_LATER
	                                  : REPLAY_UNKNOWN; /* we cannot go on without it */
}

enum replay_fate
follower_replay(struct store *store, struct replay *replay, struct draft *draft, const struct store_record *record,
                struct arena *arena, const struct change **change, char *reason)
{
	struct draft fetched, *content = record->content;
	enum replay_fate fate = REPLAY_APPLIED;

	*change = record->change;
	if (!*change)
		fate = decode(record, arena, change, reason);
	if (fate == REPLAY_APPLIED && (*change)->snapshot && !content) {
		fate = replay_judge(replay, draft, *change, reason);
		if (fate == REPLAY_APPLIED)
			fate = fetch_content(store, record, *change, &fetched, reason);
		content = &fetched;
	} else if (content && (fate != REPLAY_APPLIED || !(*change)->snapshot)) {
		draft_drop(content);
		content = NULL;
	}
	if (fate != REPLAY_APPLIED)
		return fate;
	return replay_change(replay, draft, *change, record->record, record->size, content, reason);
}
