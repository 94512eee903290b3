#include "store/embedded.h"
#include "store/embedded_data.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/wait.h"
#include "wire/name.h"
#include <stdio.h>
#include <stdlib.h>

#define ADDED_AT_ONCE 1024
#define KEEP_EVERY 4000 /* changes: what a restart replays at most; some 10 us each */

/* ---- zones come and go ---- */

static enum status
embedded_add_zone(struct store *store, struct zone *zone)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = calloc(1, sizeof *at);

	if (!at)
		return STATUS_NO_MEMORY;
	at->zone = zone;
	pthread_mutex_lock(&embedded->mutex);
	enum status status = intake_map_put(&embedded->zones, zone, at);
	if (!status) {
		at->busy = true; /* until it is loaded */
		at->next = embedded->list;
		at->link = &embedded->list;
		if (at->next)
			at->next->link = &at->next;
		embedded->list = at;
		*embedded->added_end = at;
		embedded->added_end = &at->next_queued;
	}
	pthread_mutex_unlock(&embedded->mutex);
	if (status)
		free(at);
	else
		intake_wake(embedded->intake);
	return status;
}

/* Up to so many that were added; with a next_queued of their own. */
static struct embedded_zone *
take_added(struct embedded *embedded, size_t at_most)
{
	struct embedded_zone *first, **end = &first;

	pthread_mutex_lock(&embedded->mutex);
	first = embedded->added;
	for (; *end && at_most > 0; at_most--)
		end = &(*end)->next_queued;
	embedded->added = *end;
	if (!embedded->added)
		embedded->added_end = &embedded->added;
	*end = NULL;
	pthread_mutex_unlock(&embedded->mutex);
	return first;
}

/* It is going before it was handed out. The mutex is held. */
static void
forget_added(struct embedded *embedded, const struct embedded_zone *at)
{
	struct embedded_zone **link = &embedded->added;

	while (*link && *link != at)
		link = &(*link)->next_queued;
	if (!*link)
		return;
	*link = at->next_queued;
	if (!*link)
		embedded->added_end = link;
}

static struct embedded_zone *
zone_of(struct embedded *embedded, const struct zone *zone)
{
	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	pthread_mutex_unlock(&embedded->mutex);
	return at;
}

static void
free_zone(struct embedded_zone *at)
{
	if (at->version)
		version_unpin(at->version);
	free(at->window);
	free(at);
}

static void
embedded_drop_zone(struct store *store, struct zone *zone)
{
	struct embedded *embedded = embedded_of(store);

	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	if (at && at->number)
		embedded_keep_wait(embedded, at);
	if (at) {
		*at->link = at->next;
		if (at->next)
			at->next->link = at->link;
		embedded_keep_unqueue(embedded, at);
		forget_added(embedded, at);
		intake_map_remove(&embedded->zones, zone);
	}
	pthread_mutex_unlock(&embedded->mutex);
	if (at)
		free_zone(at);
}

/* ---- what poll hands out ---- */

/* The record of a zone that has none. */
static enum status
new_record(struct kv_txn *txn, struct embedded_zone *at)
{
	static const char next_key[] = "next zone";
	struct kv_bytes key = {next_key, sizeof next_key - 1}, value;
	struct embedded_record record = {.number = 1};
	uint8_t number[4];
	enum status status = kv_get(txn, KV_META, key, &value);

	if (status == STATUS_OK && value.size == 4)
		record.number = bytes_get_u32(value.bytes);
	else if (status != STATUS_NOT_FOUND)
		return status ? status : STATUS_STOP;
	bytes_put_u32(number, record.number + 1);
	status = kv_put(txn, KV_META, key, (struct kv_bytes){number, 4});
	if (!status)
		status = embedded_data_put(txn, at->zone->name, &record);
	if (!status)
		embedded_data_note(at, &record);
	return status;
}

/* What is in memory of the records there are. */
static enum status
note_records(struct embedded *embedded, struct embedded_zone *added, size_t *missing)
{
	struct embedded_record record;
	struct kv_txn *txn;
	enum status status = kv_begin_read(embedded->kv, &txn);

	if (status)
		return status;
	for (struct embedded_zone *at = added; at && !status; at = at->next_queued) {
		status = embedded_data_get(txn, at->zone->name, &record);
		if (!status)
			embedded_data_note(at, &record);
		if (status != STATUS_NOT_FOUND)
			continue;
		++*missing;
		status = STATUS_OK;
	}
	kv_abort(txn);
	return status;
}

static enum status
make_records(struct embedded *embedded, struct embedded_zone *added)
{
	struct kv_txn *txn;
	enum status status = kv_begin_write(embedded->kv, &txn);

	if (status)
		return status;
	for (struct embedded_zone *at = added; at && !status; at = at->next_queued)
		if (!at->number)
			status = new_record(txn, at);
	if (!status)
		return kv_commit(txn);
	kv_abort(txn);
	return status;
}

/* Records of the zones that this poll adds; where they cannot be had, the zones' number is 0. */
static void
prepare_zones(struct embedded *embedded, struct embedded_zone *added)
{
	size_t missing = 0;
	enum status status = note_records(embedded, added, &missing);

	if (!status && missing > 0)
		status = make_records(embedded, added);
	for (struct embedded_zone *at = added; status && at; at = at->next_queued)
		at->number = 0;
}

/* Its record, and where the zone is: its last log entry, or the base where there is none. */
static enum status
find_head(struct embedded *embedded, const struct embedded_zone *at, struct embedded_record *record,
	  struct embedded_place *head)
{
	uint8_t number[4];
	struct kv_bytes key, value;
	struct embedded_entry entry;
	struct kv_txn *txn;
	enum status status = at->number ? kv_begin_read(embedded->kv, &txn) : STATUS_IO;

	if (status)
		return status;
	status = embedded_data_get(txn, at->zone->name, record);
	if (status) {
		kv_abort(txn);
		return status;
	}
	bytes_put_u32(number, record->number);
	*head = record->base;
	status = kv_last(txn, KV_LOG, (struct kv_bytes){number, 4}, &key, &value);
	if (status == STATUS_NOT_FOUND) {
		status = STATUS_OK;
	} else if (!status && !embedded_data_entry(key, value, &entry)) {
		status = STATUS_STOP;
	} else if (!status && entry.version > head->version) {
		*head = (struct embedded_place){.version = entry.version, .serial = entry.serial};
		memcpy(head->id, entry.id, VERSION_ID_SIZE);
	}
	kv_abort(txn);
	return status;
}

static enum status
load_removed(const struct embedded_place *head, struct draft *draft, struct replay *replay)
{
	struct replay_state state = {.all = head->version, .removed = true, .state_version = head->version};
	struct zone_version *version = draft->version;

	version->version = head->version;
	version->serial = head->serial;
	memcpy(version->id, head->id, VERSION_ID_SIZE);
	enum status status = replay_restore(replay, &state);
	return status ? status : replay_restore_id(replay, head->version, head->id);
}

static enum status
load_zone(struct embedded *embedded, struct embedded_zone *at, const struct embedded_place *head,
	  const struct store_sink *sink, char *reason)
{
	struct replay *replay = replay_new();
	struct draft draft;
	bool rests = !at->removed && at->content_version == head->version;

	if (!replay || draft_begin(&draft, NULL, at->zone->name) != STATUS_OK) {
		replay_free(replay);
		snprintf(reason, STORE_REASON_SIZE, "no memory");
		return STATUS_NO_MEMORY;
	}
	enum status status = at->removed ? load_removed(head, &draft, replay)
	                                 : embedded_content_load(embedded, at, &draft, replay, &rests, reason);
	if (!status && draft.version->version != head->version) {
		snprintf(reason, STORE_REASON_SIZE, "the log has gaps");
		status = STATUS_STOP;
	}
	if (!status) {
		at->records = draft.version->records; /* busy: the keeper does not look */
		if (rests) {
			replay_free(replay);
			replay = NULL;
		}
		sink->loaded(sink->context, at->zone, &draft, replay);
		return STATUS_OK;
	}
	draft_drop(&draft);
	replay_free(replay);
	return status;
}

static void
hand_out_zone(struct embedded *embedded, struct embedded_zone *at, const struct store_sink *sink)
{
	char reason[STORE_REASON_SIZE] = "";
	struct embedded_record record;
	struct embedded_place head;
	enum status status = find_head(embedded, at, &record, &head);

	if (status)
		snprintf(reason, sizeof reason, "%s", kv_reason(embedded->kv));
	if (!status)
		embedded_content_orphans(embedded, at, &record);
	if (!status && head.version)
		status = load_zone(embedded, at, &head, sink, reason);
	else if (!status)
		sink->absent(sink->context, at->zone);
	pthread_mutex_lock(&embedded->mutex);
	at->busy = false; /* a zone that cannot be used can be dropped, or begun anew (embedded_begin_at) */
	if (!status) {
		at->head = head.version;
		at->trim = embedded_keep_can_trim(at);
		embedded_keep_queue(embedded, at);
	}
	pthread_cond_broadcast(&embedded->done);
	pthread_mutex_unlock(&embedded->mutex);
	if (status) {
		sink->unusable(sink->context, at->zone, ZONE_FAILED, reason[0] ? reason : status_text(status));
		return;
	}
	sink->ready(sink->context, at->zone);
}

static void
hand_out(struct embedded *embedded, const struct intake_item *item, const struct store_sink *sink)
{
	struct embedded_zone *at = zone_of(embedded, item->append.zone);

	if (!intake_settle(item, at != NULL, sink))
		intake_record(item, at->head, sink);
}

static void
hand_out_added(struct embedded *embedded, struct embedded_zone *added, const struct store_sink *sink)
{
	if (!added)
		return;
	prepare_zones(embedded, added);
	for (struct embedded_zone *at = added, *next; at; at = next) {
		next = at->next_queued;
		hand_out_zone(embedded, at, sink);
	}
	kv_forget_pages(embedded->kv);
}

static void
embedded_poll(struct store *store, const struct store_sink *sink, int timeout_ms)
{
	struct embedded *embedded = embedded_of(store);

	intake_done(embedded->intake, embedded->items, embedded->item_count);
	pthread_mutex_lock(&embedded->mutex);
	bool waits = embedded->added != NULL;
	pthread_mutex_unlock(&embedded->mutex);
	embedded->item_count = intake_take(embedded->intake, embedded->items, waits ? 0 : timeout_ms);
	/* Whatever was taken came after its zone was added, and goes out after it. */
	hand_out_added(embedded, take_added(embedded, embedded->item_count > 0 ? SIZE_MAX : ADDED_AT_ONCE), sink);
	for (size_t i = 0; i < embedded->item_count; i++)
		hand_out(embedded, embedded->items[i], sink);
}

/* ---- commit ---- */

/* A zone that is removed, or made again: its record says so from the same transaction on. */
static enum status
change_life(struct kv_txn *txn, struct embedded_zone *at, struct embedded_record *record, const struct store_fate *fate)
{
	if (!fate->record->change->removed && !record->removed)
		return STATUS_OK;
	record->removed = fate->record->change->removed;
	if (record->removed) {
		record->generation = 0;
		record->content = (struct embedded_place){0};
		record->base = (struct embedded_place){.version = fate->version, .serial = fate->serial};
		memcpy(record->base.id, fate->id, VERSION_ID_SIZE);
		memset(record->base_snapshot, 0, sizeof record->base_snapshot);
		record->base_chunks = 0;
	}
	return embedded_data_put(txn, at->zone->name, record);
}

static uint32_t
zone_number(struct embedded *embedded, const struct embedded_zone *at)
{
	pthread_mutex_lock(&embedded->mutex);
	uint32_t number = at->number;
	pthread_mutex_unlock(&embedded->mutex);
	return number;
}

static enum status
put_entry(struct kv_txn *txn, uint32_t number, const struct store_fate *fate)
{
	size_t size = EMBEDDED_ENTRY_HEAD + fate->record->size;
	uint8_t key[12], small[4096], *value = size <= sizeof small ? small : malloc(size);

	if (!value)
		return STATUS_NO_MEMORY;
	embedded_data_log_key(number, fate->version, key);
	value[0] = fate->record->change->snapshot ? EMBEDDED_ENTRY_SNAPSHOT : 0;
	bytes_put_u32(value + 1, fate->serial);
	memcpy(value + 5, fate->id, VERSION_ID_SIZE);
	memcpy(value + EMBEDDED_ENTRY_HEAD, fate->record->record, fate->record->size);
	enum status status = kv_put_last(txn, KV_LOG, (struct kv_bytes){key, 12}, (struct kv_bytes){value, size});
	if (value != small)
		free(value);
	return status;
}

/* Zones whose record changes with this commit are ours alone until it is done. */
static void
take_lives(struct embedded *embedded, const struct store_fate *fates, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct embedded_zone *at = zone_of(embedded, fates[i].record->zone);
		if (fates[i].fate != REPLAY_APPLIED)
			continue;
		pthread_mutex_lock(&embedded->mutex);
		if (fates[i].record->change->removed || at->removed) {
			while (at->busy && !at->altered)
				pthread_cond_wait(&embedded->done, &embedded->mutex);
			at->busy = at->altered = true;
		}
		pthread_mutex_unlock(&embedded->mutex);
	}
}

/* Its record, which the commit changes: read for the first time, kept for the next. */
static enum status
alter(struct kv_txn *txn, struct embedded_zone *at, const struct store_fate *fate)
{
	if (!at->altered_record) {
		struct embedded_record *record = malloc(sizeof *record);
		enum status status = record ? embedded_data_get(txn, at->zone->name, record) : STATUS_NO_MEMORY;
		if (status) {
			free(record);
			return status;
		}
		at->altered_record = record;
	}
	return change_life(txn, at, at->altered_record, fate);
}

static enum status
put_all(struct embedded *embedded, struct kv_txn *txn, const struct store_fate *fates, size_t count)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < count && !status; i++) {
		if (fates[i].fate != REPLAY_APPLIED)
			continue;
		struct embedded_zone *at = zone_of(embedded, fates[i].record->zone);
		status = put_entry(txn, zone_number(embedded, at), &fates[i]);
		if (!status && at->altered)
			status = alter(txn, at, &fates[i]);
	}
	return status;
}

static void
after_commit(struct embedded *embedded, const struct store_fate *fates, size_t count, bool done)
{
	pthread_mutex_lock(&embedded->mutex);
	for (size_t i = 0; i < count; i++) {
		struct embedded_zone *at = intake_map_get(&embedded->zones, fates[i].record->zone);
		if (fates[i].fate != REPLAY_APPLIED)
			continue;
		if (done)
			at->head = fates[i].version;
		if (done && fates[i].record->change->snapshot)
			atomic_store(&at->unreferenced, 0);
		if (!at->altered)
			continue;
		if (done && at->altered_record) {
			embedded_data_note(at, at->altered_record);
			at->tidy = at->tidy || at->removed;
			at->handed = 0;
		}
		free(at->altered_record);
		at->altered_record = NULL;
		at->busy = at->altered = false;
		embedded_keep_queue(embedded, at);
		pthread_cond_broadcast(&embedded->done);
	}
	pthread_mutex_unlock(&embedded->mutex);
}

static enum status
embedded_commit(struct store *store, const struct store_fate *fates, size_t count, char *reason)
{
	struct embedded *embedded = embedded_of(store);
	struct kv_txn *txn;
	size_t applied = 0;

	for (size_t i = 0; i < count; i++)
		applied += fates[i].fate == REPLAY_APPLIED;
	if (!applied)
		return STATUS_OK;
	take_lives(embedded, fates, count);
	enum status status = kv_begin_write(embedded->kv, &txn);
	if (!status) {
		status = put_all(embedded, txn, fates, count);
		if (!status)
			status = kv_commit(txn);
		else
			kv_abort(txn);
	}
	if (status)
		snprintf(reason, STORE_REASON_SIZE, "%s", kv_reason(embedded->kv));
	after_commit(embedded, fates, count, !status);
	atomic_store(&store->connected, !status);
	if (!status)
		atomic_fetch_add(&store->position, applied);
	return status;
}

/* Only what the follower alone has is taken here: the window, and a pin. */
static void
embedded_checkpoint(struct store *store, struct zone *zone, const struct zone_version *version,
		    const struct replay *replay, bool idle)
{
	struct embedded *embedded = embedded_of(store);
	struct zone_version *replaced = NULL;
	uint8_t *window = NULL;
	size_t size = 0;

	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	uint64_t since = at ? (at->handed > at->content_version ? at->handed : at->content_version) : 0;
	bool wanted = at && !at->removed && version->version > since &&
		      (idle || version->version - since >= KEEP_EVERY);
	if (at)
		at->records = version->records;
	pthread_mutex_unlock(&embedded->mutex);
	if (!wanted || !(window = embedded_data_window(replay, &size)))
		return;
	struct zone_version *pinned = version_pin(version);
	pthread_mutex_lock(&embedded->mutex);
	replaced = at->version;
	free(at->window);
	at->version = pinned;
	at->window = window;
	at->window_size = size;
	at->handed = version->version;
	embedded_keep_queue(embedded, at);
	pthread_mutex_unlock(&embedded->mutex);
	if (replaced)
		version_unpin(replaced);
}

static enum status
embedded_window(struct store *store, struct zone *zone, uint64_t version, struct replay **replay)
{
	struct embedded *embedded = embedded_of(store);

	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	bool kept = at && at->content_version == version;
	pthread_mutex_unlock(&embedded->mutex);
	if (!kept || !replay)
		return kept ? STATUS_OK : STATUS_NOT_FOUND;
	struct replay *made = replay_new();
	enum status status = made ? embedded_content_window(embedded, at, version, made) : STATUS_NO_MEMORY;
	if (!status)
		*replay = made;
	else
		replay_free(made);
	return status;
}

/* ---- any thread ---- */

static enum status
embedded_append(struct store *store, const struct store_append *append)
{
	return intake_append(embedded_of(store)->intake, append);
}

static enum status
embedded_barrier(struct store *store, struct zone *zone, uint64_t tag)
{
	return intake_barrier(embedded_of(store)->intake, zone, tag);
}

static void
embedded_wake(struct store *store)
{
	intake_wake(embedded_of(store)->intake);
}

struct reading {
	uint64_t to;
	store_entry_fn *each;
	void *context;
	bool damaged;
};

static bool
read_entry(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct reading *reading = context;
	struct embedded_entry entry;

	if (!embedded_data_entry(key, value, &entry)) {
		reading->damaged = true;
		return false;
	}
	if (entry.version > reading->to)
		return false;
	struct store_entry out = {
		.version = entry.version, .serial = entry.serial, .record = entry.record, .size = entry.size};
	memcpy(out.id, entry.id, VERSION_ID_SIZE);
	return reading->each(reading->context, &out);
}

static enum status
embedded_read(struct store *store, struct zone *zone, uint64_t from, uint64_t to, store_entry_fn *each, void *context)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = zone_of(embedded, zone);
	struct reading reading = {.to = to, .each = each, .context = context};
	struct embedded_record record;
	struct kv_txn *txn;
	uint8_t key[12];

	if (!at)
		return STATUS_NOT_FOUND;
	enum status status = kv_begin_read(embedded->kv, &txn);
	if (status)
		return status;
	status = embedded_data_get(txn, at->zone->name, &record);
	if (!status && from < record.base.version)
		status = STATUS_NOT_FOUND;
	if (!status && from < to) {
		embedded_data_log_key(record.number, from + 1, key);
		status = kv_each(txn, KV_LOG, (struct kv_bytes){key, 12}, 4, read_entry, &reading);
	}
	kv_abort(txn);
	return status ? status : reading.damaged ? STATUS_STOP : STATUS_OK;
}

static void
embedded_oldest(struct store *store, struct zone *zone, struct store_oldest *oldest)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = zone_of(embedded, zone);
	struct embedded_record record = {0};
	struct kv_txn *txn;

	/* As embedded_read sees it: the keeper's copy comes later. */
	if (at && kv_begin_read(embedded->kv, &txn) == STATUS_OK) {
		if (embedded_data_get(txn, at->zone->name, &record) != STATUS_OK)
			record = (struct embedded_record){0};
		kv_abort(txn);
	}
	*oldest = (struct store_oldest){.version = record.base.version, .time_us = record.base.time_us};
	memcpy(oldest->id, record.base.id, VERSION_ID_SIZE);
}

static enum status
embedded_content_at_version(struct store *store, struct zone *zone, uint64_t version, struct draft *draft, char *reason)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = zone_of(embedded, zone);
	struct replay *replay = replay_new();
	enum status status = at ? STATUS_NO_MEMORY : STATUS_NOT_FOUND;

	snprintf(reason, STORE_REASON_SIZE, "%s", status_text(status));
	if (at && replay)
		status = embedded_content_at(embedded, at, version, draft, replay, reason);
	replay_free(replay);
	return status;
}

static enum status
embedded_load_snapshot(struct store *store, struct zone *zone, const struct change_snapshot *snapshot,
		       struct draft *draft, char *reason)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = zone_of(embedded, zone);

	if (!at) {
		snprintf(reason, STORE_REASON_SIZE, "the zone is not served any more");
		return STATUS_NOT_FOUND;
	}
	return embedded_content_chunks(embedded, zone_number(embedded, at), snapshot->id, snapshot->chunks,
				       snapshot->sha256, draft, reason);
}

static enum status
embedded_save_snapshot(struct store *store, struct zone *zone, const struct zone_version *version, struct arena *arena,
                       struct change_snapshot *out, char *reason)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = zone_of(embedded, zone);
	char snapshot[EMBEDDED_SNAPSHOT_ID + 1];

	uint32_t number = at ? zone_number(embedded, at) : 0;
	if (number == 0) {
		snprintf(reason, STORE_REASON_SIZE, "the zone is not served");
		return STATUS_NOT_FOUND;
	}
	atomic_fetch_add(&at->saves, 1);
	atomic_fetch_add(&at->unreferenced, 1);
	enum status status = embedded_content_save(embedded, number, version, snapshot, out, reason);
	if (status)
		return status;
	out->id = arena_text(arena, snapshot);
	return out->id ? STATUS_OK : STATUS_LIMIT;
}

static enum status
embedded_snapshot_now(struct store *store, struct zone *zone, char *reason)
{
	(void)store, (void)zone;
	snprintf(reason, STORE_REASON_SIZE, "the embedded store has no snapshots: its content is kept all the time");
	return STATUS_UNSUPPORTED;
}

/* ---- open and close ---- */

static void
embedded_close(struct store *store)
{
	struct embedded *embedded = embedded_of(store);

	embedded_keep_stop(embedded);
	intake_done(embedded->intake, embedded->items, embedded->item_count);
	intake_free(embedded->intake);
	for (struct embedded_zone *at = embedded->list, *next; at; at = next) {
		next = at->next;
		free_zone(at);
	}
	free(embedded->zones.rows);
	pthread_mutex_destroy(&embedded->mutex);
	pthread_cond_destroy(&embedded->work);
	pthread_cond_destroy(&embedded->done);
	free(store->name);
	free(embedded);
}

static const struct store_ops embedded_ops = {
	.type = "embedded",
	.add_zone = embedded_add_zone,
	.drop_zone = embedded_drop_zone,
	.append = embedded_append,
	.barrier = embedded_barrier,
	.poll = embedded_poll,
	.wake = embedded_wake,
	.commit = embedded_commit,
	.checkpoint = embedded_checkpoint,
	.window = embedded_window,
	.read = embedded_read,
	.oldest = embedded_oldest,
	.content_at = embedded_content_at_version,
	.load_snapshot = embedded_load_snapshot,
	.save_snapshot = embedded_save_snapshot,
	.snapshot_now = embedded_snapshot_now,
	.close = embedded_close,
};

void
embedded_keep_history(struct store *store, uint64_t keep_history_s)
{
	atomic_store(&embedded_of(store)->keep_history_s, keep_history_s);
}

enum status
embedded_open(const char *name, struct kv *kv, uint64_t keep_history_s, struct store **store, char *reason)
{
	struct embedded *embedded = calloc(1, sizeof *embedded);

	snprintf(reason, STORE_REASON_SIZE, "no memory");
	if (!embedded)
		return STATUS_NO_MEMORY;
	embedded->store.ops = &embedded_ops;
	embedded->added_end = &embedded->added;
	embedded->store.name = strdup(name);
	embedded->kv = kv;
	embedded->intake = intake_new();
	atomic_store(&embedded->keep_history_s, keep_history_s);
	atomic_store(&embedded->store.connected, 1);
	pthread_mutex_init(&embedded->mutex, NULL);
	wait_init(&embedded->work);
	pthread_cond_init(&embedded->done, NULL);
	if (!embedded->store.name || !embedded->intake || embedded_keep_start(embedded) != STATUS_OK) {
		intake_free(embedded->intake);
		free(embedded->store.name);
		free(embedded);
		return STATUS_NO_MEMORY;
	}
	*store = &embedded->store;
	return STATUS_OK;
}
