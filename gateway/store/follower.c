#include "store/follower.h"
#include "store/follower_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "wire/name.h"
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 40            /* so that `tick` comes every 50 ms */
#define IDLE_MS 1000          /* unchanged for so long: keep its content in the store now */
#define ROUND_MS 60000        /* every zone gets its checkpoint (history is trimmed) this often */
#define THAW_MS 100
#define EVENTS_KEPT 256       /* room for more, as thousands of zones need at the start, goes after the batch */
#define DRAIN_POLLS 4096      /* more batches than a store's queue can hold */

static struct follower_zone *
zone_of(const struct zone *zone)
{
	return zone->follower;
}

/* ---- drafts ---- */

static void
note_place(struct follower_zone *at, const struct zone_version *version)
{
	struct follower_place place = {
		.version = version->version, .serial = version->serial, .time_us = version->time_us, .known = true};

	memcpy(place.id, version->id, VERSION_ID_SIZE);
	pthread_mutex_lock(&at->follower->mutex);
	at->place = place;
	pthread_mutex_unlock(&at->follower->mutex);
}

static void
restore_place(const struct follower_zone *at, struct zone_version *version)
{
	version->version = at->place.version;
	version->serial = at->place.serial;
	version->time_us = at->place.time_us;
	memcpy(version->id, at->place.id, VERSION_ID_SIZE);
}

static void
forget_draft(struct follower_zone *at)
{
	free(at->draft);
	at->draft = NULL;
}

static void
drop_draft(struct follower_zone *at)
{
	if (at->draft)
		draft_drop(at->draft);
	forget_draft(at);
}

/* It is closed either way. */
static enum status
close_draft(struct follower_zone *at, struct zone_version **version)
{
	enum status status = draft_finish(at->draft, version);

	forget_draft(at);
	return status;
}

static bool
open_draft(struct follower_zone *at)
{
	if (at->draft)
		return true;
	struct zone_version *current = atomic_load_explicit(&at->zone->current, memory_order_relaxed);
	at->draft = malloc(sizeof *at->draft);
	if (!at->draft || draft_begin(at->draft, current, at->zone->name) != STATUS_OK) {
		forget_draft(at);
		return false;
	}
	bool removed = replay_removed(at->replay); /* and perhaps its last version is still in the table */
	if (removed && current && draft_clear(at->draft) != STATUS_OK) {
		drop_draft(at);
		return false;
	}
	if (removed || !current)
		restore_place(at, at->draft->version);
	return true;
}

/* The store has said what it knows of the zone. */
static bool
is_known(const struct follower_zone *at)
{
	return at->replay || at->rests;
}

/* No change is near: the window may be left to the store. */
static void
rest(struct follower_zone *at)
{
	struct store *store = at->follower->store;

	if (at->draft || at->in_batch || !at->replay)
		return;
	at->rests = store->ops->window && replay_is_small(at->replay) && !replay_removed(at->replay) &&
		    !replay_frozen_until(at->replay) &&
		    store->ops->window(store, at->zone, at->place.version, NULL) == STATUS_OK;
	if (!at->rests) {
		replay_rest(at->replay);
		return;
	}
	replay_free(at->replay);
	at->replay = NULL;
}

/* For a change; false: the store cannot give back what it keeps. */
static bool
wake(struct follower_zone *at)
{
	struct store *store = at->follower->store;

	if (!at->rests)
		return true;
	enum status status = store->ops->window(store, at->zone, at->place.version, &at->replay);
	at->rests = status != STATUS_OK;
	if (status)
		log_limited(LOG_LEVEL_ERROR, "window not read", "zone=%s status=%s", at->zone->text,
			    status_text(status));
	return !status;
}

/* As if this poll had brought nothing. */
static void
undo_draft(struct follower_zone *at)
{
	replay_undo(at->replay);
	if (at->finished)
		draft_discard(at->finished);
	at->finished = NULL;
	drop_draft(at);
	at->stopped = at->stopped || at->rebuilding; /* its content is gone: what is served stays */
	at->rebuilding = false;
}

static void
set_state(struct follower_zone *at, enum zone_state state)
{
	if (atomic_load_explicit(&at->zone->state, memory_order_relaxed) == (int)state)
		return;
	table_set_state(at->zone, state);
	at->new_state = true;
}

/* NULL: no memory, and the zone fails. */
static struct zone_version *
finish_draft(struct follower_zone *at)
{
	struct zone_version *version;

	if (close_draft(at, &version) == STATUS_OK)
		return version;
	log_error("zone not loaded", "zone=%s reason=%s", at->zone->text, "no memory");
	at->stopped = true;
	set_state(at, ZONE_FAILED);
	return NULL;
}

static void
note_changed(struct follower *follower, struct follower_zone *at, uint64_t now_ms)
{
	if (!at->changed_ms) {
		at->next_changed = follower->changed;
		follower->changed = at;
	}
	at->changed_ms = now_ms;
	follower->thaws = follower->thaws || replay_frozen_until(at->replay);
}

static void
publish(struct follower *follower, struct follower_zone *at, struct zone_version *version)
{
	note_place(at, version);
	at->before = atomic_load_explicit(&at->zone->current, memory_order_relaxed);
	table_publish(follower->table, at->zone, version);
	if (at->ready)
		set_state(at, ZONE_READY);
}

/* ---- one record ---- */

static void
tell_fate(struct follower *follower, const struct follower_event *event, const char *reason)
{
	const char *zone = event->zone->text;
	unsigned long long position = event->record.position;

	if (event->fate == REPLAY_SKIPPED && !event->change) {
		stat_add(&follower->store->skipped, 1);
		log_limited(LOG_LEVEL_WARNING, "record is no change", "zone=%s position=%llu reason=%s", zone, position,
			    reason);
	} else if (event->fate == REPLAY_SKIPPED) {
		stat_add(&follower->store->skipped, 1);
		log_limited(LOG_LEVEL_INFO, "change skipped", "zone=%s position=%llu reason=%s", zone, position,
			    reason);
	} else if (event->fate == REPLAY_DIVERGED) {
		stat_add_shared(&follower->store->unusable_records, 1);
		log_limited(LOG_LEVEL_ERROR, "change of another history", "zone=%s position=%llu reason=%s", zone,
			    position, reason);
	} else if (event->fate == REPLAY_UNKNOWN) {
		log_limited(LOG_LEVEL_ERROR, "change not understood, the zone stays as it is",
			    "zone=%s position=%llu reason=%s", zone, position, reason);
	}
}

static void
drop_content(const struct follower_event *event)
{
	if (event->record.content)
		draft_drop(event->record.content);
}

static void
judge(struct follower *follower, struct follower_event *event)
{
	struct follower_zone *at = zone_of(event->zone);
	char reason[STORE_REASON_SIZE] = "";

	event->change = event->record.change;
	if (at->held || at->waits) {
		event->kind = EVENT_HELD;
		drop_content(event);
		return;
	}
	if (!is_known(at) || at->stopped || !wake(at) || !open_draft(at)) {
		event->fate = is_known(at) && !at->stopped ? REPLAY_FAILED : REPLAY_UNKNOWN;
		drop_content(event);
		return;
	}
	if (!at->in_batch) {
		*(struct follower_zone **)follower_more(&follower->batch, &follower->batch_count, &follower->batch_room,
					       sizeof at) = at;
		at->in_batch = true;
	}
	event->fate = follower_replay(follower->store, at->replay, at->draft, &event->record, &follower->arena,
				      &event->change, reason);
	if (event->fate == REPLAY_UNKNOWN)
		at->stopped = true;
	if (event->fate == REPLAY_LATER) {
		at->waits = true;
		event->kind = EVENT_HELD;
		return;
	}
	if (event->fate == REPLAY_DIVERGED && follower->store->ops->diverged &&
	    follower->store->ops->diverged(follower->store, &event->record) == REPLAY_DIVERGED) {
		log_limited(LOG_LEVEL_WARNING, "zone compared with the log", "zone=%s position=%llu reason=%s",
			    at->zone->text, (unsigned long long)event->record.position, reason);
		at->held = true;
		event->kind = EVENT_HELD;
		return;
	}
	if (event->fate != REPLAY_APPLIED) {
		tell_fate(follower, event, reason);
		return;
	}
	event->version = at->draft->version->version;
}

static void
note_fate(struct follower *follower, struct follower_event *event)
{
	struct store_fate *fate =
		follower_more(&follower->fates, &follower->fate_count, &follower->fate_room, sizeof *fate);

	fate->record = &event->record;
	fate->fate = event->fate;
	if (event->fate != REPLAY_APPLIED)
		return;
	const struct zone_version *version = zone_of(event->zone)->draft->version;
	fate->version = version->version;
	fate->serial = version->serial;
	memcpy(fate->id, version->id, VERSION_ID_SIZE);
}

/* ---- the batch ---- */

/* The store's content of a zone: served at once, before the records that follow it. */
static void
take_loaded(struct follower *follower, struct follower_event *event)
{
	struct follower_zone *at = zone_of(event->zone);
	bool again = is_known(at);

	if (at->draft)
		draft_drop(at->draft);
	else
		at->draft = malloc(sizeof *at->draft);
	invariant(at->draft); /* some forty octets */
	*at->draft = event->draft;
	replay_free(at->replay);
	at->replay = event->replay;
	at->rests = !at->replay;
	follower->thaws = follower->thaws || (at->replay && replay_frozen_until(at->replay));
	at->stopped = at->held = false;
	/* Others write to it: more may be to come before it is ready, and nothing before that is to be seen. */
	at->rebuilding = again || follower->store->ops->diverged;
	if (again)
		return;
	note_place(at, at->draft->version);
	if (at->rebuilding || draft_is_empty(at->draft))
		return;
	struct zone_version *version = finish_draft(at);
	if (version)
		publish(follower, at, version);
}

static void
take_absent(struct follower_zone *at)
{
	static const struct zone_version nothing;

	if (is_known(at))
		return;
	at->replay = replay_new();
	invariant(at->replay); /* some hundred octets */
	note_place(at, &nothing);
}

/* What was built anew takes the place of what is served. */
static void
take_ready(struct follower *follower, struct follower_event *event)
{
	struct follower_zone *at = zone_of(event->zone);

	event->again = at->ready;
	at->ready = true;
	if (!at->rebuilding)
		return;
	at->rebuilding = false;
	if (draft_is_empty(at->draft)) {
		note_place(at, at->draft->version);
		if (at->replay && replay_removed(at->replay) && event->again)
			set_state(at, ZONE_REMOVED);
		return;
	}
	struct zone_version *version = finish_draft(at);
	if (!version)
		return;
	bool newer = version->version != at->place.version; /* else only TTLs have shrunk, with keys that end */
	publish(follower, at, version);
	if (!newer)
		return;
	note_changed(follower, at, clock_monotonic_ms());
	at->new_version = true;
	if (!event->again)
		return;
	log_info("zone built anew", "zone=%s version=%llu serial=%u", at->zone->text,
		 (unsigned long long)version->version, version->serial);
}

/* First pass: drafts change, nothing that anybody sees but loaded content. */
static bool
judge_all(struct follower *follower)
{
	bool memory = true;

	for (size_t i = 0; i < follower->event_count; i++) {
		struct follower_event *event = &follower->events[i];
		switch (event->kind) {
		case EVENT_LOADED:
			take_loaded(follower, event);
			break;
		case EVENT_ABSENT:
			take_absent(zone_of(event->zone));
			break;
		case EVENT_READY:
			take_ready(follower, event);
			break;
		case EVENT_RECORD:
			if (memory)
				judge(follower, event);
			else
				drop_content(event);
			memory = memory && event->fate != REPLAY_FAILED;
			if (memory && event->kind == EVENT_RECORD)
				note_fate(follower, event);
			break;
		default:
			break;
		}
	}
	return memory;
}

static bool
finish_all(struct follower *follower)
{
	for (size_t i = 0; i < follower->batch_count; i++) {
		struct follower_zone *at = follower->batch[i];
		if (at->rebuilding || !at->draft || draft_is_empty(at->draft))
			continue;
		if (close_draft(at, &at->finished) != STATUS_OK) {
			at->finished = NULL;
			return false;
		}
	}
	return true;
}

static enum status
commit(struct follower *follower, char *reason)
{
	struct store *store = follower->store;
	uint64_t begun = clock_monotonic_ns();

	if (follower->fate_count == 0)
		return STATUS_OK;
	enum status status = store->ops->commit(store, follower->fates, follower->fate_count, reason);
	stat_observe(&store->commit_seconds, clock_monotonic_ns() - begun);
	stat_observe_count(&store->batch_size, follower->fate_count);
	bool say = trouble_note(&store->uncommitted, status ? reason : NULL);
	if (say && status)
		log_error("commit failed", "store=%s changes=%zu status=%s reason=%s", store->name,
			  follower->fate_count, status_text(status), reason);
	else if (say)
		log_info("commit works again", "store=%s", store->name);
	return status;
}

static void
publish_all(struct follower *follower)
{
	uint64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < follower->batch_count; i++) {
		struct follower_zone *at = follower->batch[i];
		uint64_t before = at->place.version;
		if (at->rebuilding) {
			; /* served once it is ready */
		} else if (at->finished && at->finished->version == before) {
			draft_discard(at->finished); /* every record was skipped */
		} else if (at->finished) {
			publish(follower, at, at->finished);
			note_changed(follower, at, now_ms);
			at->new_version = true;
		} else if (at->draft && at->draft->version->version != before) {
			note_place(at, at->draft->version);
			if (replay_removed(at->replay) && at->ready) /* before, it is new to who adds it */
				set_state(at, ZONE_REMOVED);
		}
		at->finished = NULL;
		replay_keep(at->replay);
		if (at->place.version <= 1) /* just loaded: most zones of many never change again */
			replay_rest(at->replay);
	}
}

static void
fail_all(struct follower *follower, enum status status, const char *reason)
{
	for (size_t i = 0; i < follower->batch_count; i++)
		undo_draft(follower->batch[i]);
	for (size_t i = 0; i < follower->event_count; i++) {
		struct follower_event *event = &follower->events[i];
		if (event->kind != EVENT_RECORD)
			continue;
		event->kind = EVENT_FAILED;
		event->status = status;
		event->reason = event->tag ? strdup(reason) : NULL;
	}
}

/* History, where a store keeps a copy, begins with what is served first. */
static void
tell_ready(struct follower *follower, const struct follower_event *event)
{
	const struct follower_hooks *hooks = &follower->hooks;
	struct follower_zone *at = zone_of(event->zone);
	struct zone_version *version = atomic_load_explicit(&event->zone->current, memory_order_relaxed);

	/* Content that was published before the store was ready; a removed zone is new to who adds it again. */
	if (!event->again && at->replay && replay_removed(at->replay) && hooks->absent) {
		hooks->absent(hooks->context, event->zone);
	} else if (version && !at->stopped) {
		set_state(at, ZONE_READY);
		pthread_mutex_lock(&follower->mutex);
		free(at->reason);
		at->reason = NULL;
		pthread_mutex_unlock(&follower->mutex);
		if (at->replay)
			follower->store->ops->checkpoint(follower->store, at->zone, version, at->replay, false);
		rest(at);
	}
}

static void
tell_unusable(struct follower *follower, struct follower_event *event)
{
	struct follower_zone *at = zone_of(event->zone);

	set_state(at, event->state);
	pthread_mutex_lock(&follower->mutex);
	/* A store looks again and again. */
	bool known = at->reason && event->reason && strcmp(at->reason, event->reason) == 0;
	char *old = at->reason;
	at->reason = event->reason;
	event->reason = NULL;
	pthread_mutex_unlock(&follower->mutex);
	if (!known)
		log_error("zone not usable", "zone=%s reason=%s", at->zone->text, at->reason ? at->reason : "");
	free(old);
}

static void
tell_judged(struct follower *follower, const struct follower_event *event)
{
	const struct follower_hooks *hooks = &follower->hooks;

	if (event->fate == REPLAY_APPLIED && event->change) {
		uint64_t now_us = clock_wall_us();
		stat_observe(&follower->store->propagation_seconds,
		             now_us > event->change->time_us ? (now_us - event->change->time_us) * 1000 : 0);
	}
	if (hooks->judged)
		hooks->judged(hooks->context, event->zone, event->change, event->tag, event->fate, event->version);
}

/* Last pass: what is in the table now is told, in the order of the log. */
static void
tell(struct follower *follower, struct follower_event *event)
{
	const struct follower_hooks *hooks = &follower->hooks;

	switch (event->kind) {
	case EVENT_RECORD:
		tell_judged(follower, event);
		break;
	case EVENT_LOST:
		if (hooks->judged)
			hooks->judged(hooks->context, event->zone, NULL, event->tag, REPLAY_SKIPPED, 0);
		break;
	case EVENT_FAILED:
		if (hooks->failed && event->tag)
			hooks->failed(hooks->context, event->tag, event->status, event->reason ? event->reason : "");
		break;
	case EVENT_BARRIER:
		if (hooks->barrier)
			hooks->barrier(hooks->context, event->tag, event->status);
		break;
	case EVENT_ABSENT:
		if (hooks->absent)
			hooks->absent(hooks->context, event->zone);
		break;
	case EVENT_UNUSABLE:
		tell_unusable(follower, event);
		break;
	case EVENT_READY:
		tell_ready(follower, event);
		break;
	case EVENT_LOADED:
	case EVENT_HELD:
		break;
	}
	struct follower_zone *at = event->zone ? zone_of(event->zone) : NULL;
	if (at && at->new_state) {
		at->new_state = false;
		if (hooks->state)
			hooks->state(hooks->context, event->zone);
	}
}

static void
tell_all(struct follower *follower)
{
	const struct follower_hooks *hooks = &follower->hooks;

	for (size_t i = 0; i < follower->event_count; i++) {
		tell(follower, &follower->events[i]);
		free(follower->events[i].reason);
	}
	for (size_t i = 0; i < follower->batch_count; i++) {
		struct follower_zone *at = follower->batch[i];
		struct zone_version *version = atomic_load_explicit(&at->zone->current, memory_order_relaxed);
		if (at->new_version && hooks->published)
			hooks->published(hooks->context, at->zone, at->before, version);
		if (at->new_version)
			follower->store->ops->checkpoint(follower->store, at->zone, version, at->replay, false);
		at->in_batch = at->new_version = at->waits = false;
	}
}

static void
take_batch(struct follower *follower)
{
	char reason[STORE_REASON_SIZE] = "no memory";
	enum status status = STATUS_NO_MEMORY;

	if (judge_all(follower) && finish_all(follower))
		status = commit(follower, reason);
	if (status)
		fail_all(follower, status, reason);
	else
		publish_all(follower);
	tell_all(follower);
	follower->event_count = follower->fate_count = follower->batch_count = 0;
	if (follower->event_room > EVENTS_KEPT) {
		free(follower->events);
		follower->events = NULL;
		follower->event_room = 0;
	}
	arena_reset(&follower->arena);
}

/* ---- between batches ---- */

static void
take_added(struct follower *follower)
{
	pthread_mutex_lock(&follower->mutex);
	while (follower->added) {
		struct follower_zone *at = follower->added;
		follower->added = at->next;
		at->next = follower->zones;
		at->link = &follower->zones;
		if (at->next)
			at->next->link = &at->next;
		follower->zones = at;
	}
	pthread_mutex_unlock(&follower->mutex);
}

static void
checkpoint(struct follower *follower, struct follower_zone *at)
{
	struct zone_version *version = atomic_load_explicit(&at->zone->current, memory_order_relaxed);

	if (version && at->replay && !replay_removed(at->replay))
		follower->store->ops->checkpoint(follower->store, at->zone, version, at->replay, true);
	rest(at);
}

static void
keep_idle_zones(struct follower *follower, bool all)
{
	uint64_t now_ms = clock_monotonic_ms();
	bool regular = now_ms - follower->round_ms >= ROUND_MS;
	bool round = atomic_exchange(&follower->store->round, false) || regular;
	struct follower_zone *changed = follower->changed;

	take_added(follower); /* the store may have handed out a zone in the poll in which it was added */
	if (regular)
		follower->round_ms = now_ms;
	follower->changed = NULL;
	for (struct follower_zone *at = changed, *next; at; at = next) {
		uint64_t since_ms = at->changed_ms;
		next = at->next_changed;
		at->changed_ms = 0;
		if (round || all || now_ms - since_ms >= IDLE_MS)
			checkpoint(follower, at);
		else
			note_changed(follower, at, since_ms);
	}
	for (struct follower_zone *at = follower->zones; round && at; at = at->next)
		checkpoint(follower, at);
}

/* A freeze with an end: the version is published again without it. */
static void
thaw(struct follower *follower, struct follower_zone *at)
{
	struct zone_version *version;

	if (at->rebuilding || !replay_thaw(at->replay, clock_wall_us()) || at->draft || !open_draft(at))
		return;
	at->draft->version->frozen = false;
	if (close_draft(at, &version) == STATUS_OK)
		publish(follower, at, version);
	log_info("thawed", "zone=%s", at->zone->text);
}

static void
thaw_zones(struct follower *follower)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (!follower->thaws || now_ms - follower->thaw_ms < THAW_MS)
		return;
	follower->thaw_ms = now_ms;
	follower->thaws = false;
	for (struct follower_zone *at = follower->zones; at; at = at->next) {
		if (!at->replay || !replay_frozen_until(at->replay))
			continue;
		thaw(follower, at);
		follower->thaws = true;
	}
}

static void
free_zone(struct follower_zone *at)
{
	at->zone->follower = NULL;
	drop_draft(at);
	replay_free(at->replay);
	free(at->reason);
	free(at);
}

static void
drop_zone(struct follower *follower, struct zone *zone)
{
	struct follower_zone *at = zone_of(zone);

	if (!at)
		return;
	*at->link = at->next;
	if (at->next)
		at->next->link = at->link;
	if (at->changed_ms) {
		struct follower_zone **link = &follower->changed;
		while (*link != at)
			link = &(*link)->next_changed;
		*link = at->next_changed;
		checkpoint(follower, at);
	}
	follower->store->ops->drop_zone(follower->store, zone);
	free_zone(at);
}

/* True if the store had something to hand out. */
static bool
poll_once(struct follower *follower, int timeout_ms)
{
	struct store_sink sink = follower_sink;

	sink.context = follower;
	rcu_thread_offline();
	table_throttle(follower->table);
	follower->store->ops->poll(follower->store, &sink, timeout_ms);
	rcu_thread_online();
	if (follower->event_count == 0)
		return false;
	take_batch(follower);
	return true;
}

/* Zones to be dropped, once what was appended for them before has had its fate. */
static void
take_drops(struct follower *follower)
{
	pthread_mutex_lock(&follower->mutex);
	struct follower_drop *drops = follower->drops;
	follower->drops = NULL;
	pthread_mutex_unlock(&follower->mutex);
	for (int i = 0; drops && i < DRAIN_POLLS && poll_once(follower, 0); i++)
		;
	if (drops)
		take_added(follower);
	for (struct follower_drop *drop = drops, *next; drop; drop = next) {
		next = drop->next;
		drop_zone(follower, drop->zone);
		pthread_mutex_lock(&follower->mutex);
		drop->done = true; /* the caller's, gone after this */
		pthread_cond_broadcast(&follower->dropped);
		pthread_mutex_unlock(&follower->mutex);
	}
}

static void *
run(void *context)
{
	struct follower *follower = context;
	bool stop = false, idle = false;

	rcu_register_thread();
	while (!stop || !idle) {
		stop = atomic_load(&follower->stop);
		take_added(follower);
		take_drops(follower);
		idle = !poll_once(follower, stop ? 0 : POLL_MS);
		if (idle || atomic_load_explicit(&follower->store->round, memory_order_relaxed))
			keep_idle_zones(follower, stop);
		thaw_zones(follower);
		if (follower->hooks.tick)
			follower->hooks.tick(follower->hooks.context);
	}
	rcu_unregister_thread();
	return NULL;
}

/* ---- any thread ---- */

enum status
follower_start(struct store *store, struct table *table, const struct follower_hooks *hooks, struct follower **out)
{
	struct follower *follower = calloc(1, sizeof *follower);

	if (!follower)
		return STATUS_NO_MEMORY;
	follower->store = store;
	follower->table = table;
	follower->hooks = *hooks;
	follower->round_ms = clock_monotonic_ms();
	arena_init(&follower->arena, FOLLOWER_ARENA_SIZE);
	pthread_mutex_init(&follower->mutex, NULL);
	pthread_cond_init(&follower->dropped, NULL);
	if (pthread_create(&follower->thread, NULL, run, follower) != 0) {
		arena_free(&follower->arena);
		free(follower);
		return STATUS_IO;
	}
	*out = follower;
	return STATUS_OK;
}

void
follower_stop(struct follower *follower)
{
	atomic_store(&follower->stop, true);
	follower->store->ops->wake(follower->store);
	pthread_join(follower->thread, NULL);
	take_added(follower);
	for (struct follower_zone *at = follower->zones, *next; at; at = next) {
		next = at->next;
		free_zone(at);
	}
	follower->store->ops->close(follower->store);
	arena_free(&follower->arena);
	pthread_mutex_destroy(&follower->mutex);
	pthread_cond_destroy(&follower->dropped);
	free(follower->events);
	free(follower->fates);
	free(follower->batch);
	free(follower);
}
