#include "store/memory.h"
#include "store/follower.h"
#include "store/intake.h"
#include "base/bytes.h"
#include "base/random.h"
#include "zone/change_json.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct memory_record {
	uint8_t *bytes;
	size_t size;
	bool applied; /* else it was skipped, or nobody has judged it yet */
	struct store_entry entry;
};

struct memory_chunk {
	uint8_t *bytes;
	size_t size;
};

struct memory_snapshot {
	struct memory_snapshot *next;
	char id[33];
	struct memory_chunk *chunks;
	size_t count;
};

/* A zone's log, in the order that the store gave it. */
struct memory_zone {
	struct memory_zone *next;
	uint8_t name[NAME_MAX_SIZE];
	struct zone *zone;      /* who follows it; NULL: nobody */
	struct memory_record *records;
	size_t count, room;
	uint64_t handed;        /* position of the next record to hand out: beyond `count` for those being judged */
	struct memory_snapshot *snapshots;
};

struct memory {
	struct store store; /* first */
	struct intake *intake;
	pthread_mutex_t mutex; /* everything below */
	struct memory_zone *zones;
	enum status fail_status;
	unsigned fail_count;
	/* Handed out by the last poll, lent until its commit or the next poll; the follower's. */
	struct intake_item *items[INTAKE_BATCH_ITEMS];
	size_t item_count;
};

static struct memory *
memory_of(struct store *store)
{
	return (struct memory *)store;
}

/* Under the mutex. */
static struct memory_zone *
find_zone(struct memory *memory, const struct zone *zone)
{
	for (struct memory_zone *at = memory->zones; at; at = at->next)
		if (name_equal(at->name, zone->name))
			return at;
	return NULL;
}

/* The same by the object, which may be gone: only its address is looked at. */
static struct memory_zone *
followed_zone(struct memory *memory, const struct zone *zone)
{
	struct memory_zone *at = memory->zones;

	while (at && at->zone != zone)
		at = at->next;
	return at;
}

static enum status
memory_add_zone(struct store *store, struct zone *zone)
{
	struct memory *memory = memory_of(store);
	enum status status = STATUS_OK;

	pthread_mutex_lock(&memory->mutex);
	struct memory_zone *at = find_zone(memory, zone);
	if (at && at->zone) {
		status = STATUS_EXISTS;
	} else if (!at) {
		at = calloc(1, sizeof *at);
		if (at) {
			name_lower(zone->name, at->name);
			at->next = memory->zones;
			memory->zones = at;
		} else {
			status = STATUS_NO_MEMORY;
		}
	}
	if (!status)
		at->zone = zone;
	pthread_mutex_unlock(&memory->mutex);
	return status ? status : intake_zone(memory->intake, zone);
}

static void
memory_drop_zone(struct store *store, struct zone *zone)
{
	struct memory *memory = memory_of(store);

	pthread_mutex_lock(&memory->mutex);
	struct memory_zone *at = find_zone(memory, zone);
	if (at && at->zone == zone)
		at->zone = NULL;
	pthread_mutex_unlock(&memory->mutex);
}

static enum status
memory_append(struct store *store, const struct store_append *append)
{
	return intake_append(memory_of(store)->intake, append);
}

static enum status
memory_barrier(struct store *store, struct zone *zone, uint64_t tag)
{
	return intake_barrier(memory_of(store)->intake, zone, tag);
}

void
memory_inject(struct store *store, struct zone *zone, const uint8_t *record, size_t size)
{
	enum status status = intake_copy(memory_of(store)->intake, zone, record, size);
	require(status == STATUS_OK);
}

void
memory_fail(struct store *store, enum status status, unsigned count)
{
	struct memory *memory = memory_of(store);

	pthread_mutex_lock(&memory->mutex);
	memory->fail_status = status;
	memory->fail_count = count;
	pthread_mutex_unlock(&memory->mutex);
}

/* ---- poll and commit ---- */

/* A zone that has been added: new, or with all of its log. */
static void
hand_out_zone(struct memory_zone *at, struct zone *zone, const struct store_sink *sink)
{
	at->handed = at->count;
	if (at->count == 0) {
		sink->absent(sink->context, zone);
	} else {
		struct draft draft;
		struct replay *replay = replay_new();
		if (!replay || draft_begin(&draft, NULL, zone->name) != STATUS_OK) {
			replay_free(replay);
			sink->unusable(sink->context, zone, ZONE_FAILED, "no memory");
			return;
		}
		sink->loaded(sink->context, zone, &draft, replay);
		for (size_t i = 0; i < at->count; i++)
			sink->record(sink->context, &(struct store_record){.zone = zone,
									   .record = at->records[i].bytes,
									   .size = at->records[i].size,
									   .position = i});
	}
	sink->ready(sink->context, zone);
}

static void
hand_out(struct memory *memory, const struct intake_item *item, const struct store_sink *sink)
{
	struct memory_zone *at = followed_zone(memory, item->append.zone);

	if (intake_settle(item, at != NULL, sink))
		return;
	if (item->kind == INTAKE_ZONE)
		hand_out_zone(at, item->append.zone, sink);
	else
		intake_record(item, at->handed++, sink);
}

static void
memory_poll(struct store *store, const struct store_sink *sink, int timeout_ms)
{
	struct memory *memory = memory_of(store);

	intake_done(memory->intake, memory->items, memory->item_count);
	memory->item_count = intake_take(memory->intake, memory->items, timeout_ms);
	pthread_mutex_lock(&memory->mutex);
	for (size_t i = 0; i < memory->item_count; i++)
		hand_out(memory, memory->items[i], sink);
	pthread_mutex_unlock(&memory->mutex);
}

static void
memory_wake(struct store *store)
{
	intake_wake(memory_of(store)->intake);
}

static bool
keep_record(struct memory_zone *at, const struct store_fate *fate)
{
	if (at->count == at->room) {
		size_t room = at->room ? at->room * 2 : 64;
		struct memory_record *records = realloc(at->records, room * sizeof *records);
		if (!records)
			return false;
		at->records = records;
		at->room = room;
	}
	uint8_t *bytes = malloc(fate->record->size + 1);
	if (!bytes)
		return false;
	memcpy(bytes, fate->record->record, fate->record->size);
	struct memory_record *record = &at->records[at->count++];
	*record = (struct memory_record){
		.bytes = bytes, .size = fate->record->size, .applied = fate->fate == REPLAY_APPLIED};
	record->entry = (struct store_entry){
		.version = fate->version, .serial = fate->serial, .record = bytes, .size = record->size};
	memcpy(record->entry.id, fate->id, VERSION_ID_SIZE);
	return true;
}

static enum status
memory_commit(struct store *store, const struct store_fate *fates, size_t count, char *reason)
{
	struct memory *memory = memory_of(store);
	enum status status = STATUS_OK;

	pthread_mutex_lock(&memory->mutex);
	if (memory->fail_count) {
		memory->fail_count--;
		status = memory->fail_status;
		snprintf(reason, STORE_REASON_SIZE, "it was told to fail");
	}
	for (size_t i = 0; i < count; i++) {
		struct memory_zone *at = find_zone(memory, fates[i].record->zone);
		if (status)
			at->handed = at->count;
		else if (fates[i].record->position >= at->count && !keep_record(at, &fates[i]))
			abort(); /* a store for tests */
	}
	pthread_mutex_unlock(&memory->mutex);
	return status;
}

static void
memory_checkpoint(struct store *store, struct zone *zone, const struct zone_version *version,
		  const struct replay *replay, bool idle)
{
	(void)store, (void)zone, (void)version, (void)replay, (void)idle;
}

/* ---- history ---- */

static enum status
memory_read(struct store *store, struct zone *zone, uint64_t from, uint64_t to, store_entry_fn *each, void *context)
{
	struct memory *memory = memory_of(store);
	enum status status = STATUS_NOT_FOUND;

	pthread_mutex_lock(&memory->mutex);
	struct memory_zone *at = find_zone(memory, zone);
	if (at) {
		status = STATUS_OK;
		for (size_t i = 0; i < at->count; i++) {
			const struct store_entry *entry = &at->records[i].entry;
			if (at->records[i].applied && entry->version > from && entry->version <= to &&
			    !each(context, entry))
				break;
		}
	}
	pthread_mutex_unlock(&memory->mutex);
	return status;
}

static void
memory_oldest(struct store *store, struct zone *zone, struct store_oldest *oldest)
{
	(void)store, (void)zone;
	*oldest = (struct store_oldest){0};
}

static struct memory_snapshot *
find_snapshot(const struct memory_zone *at, const char *id)
{
	struct memory_snapshot *snapshot = at ? at->snapshots : NULL;

	while (snapshot && strcmp(snapshot->id, id) != 0)
		snapshot = snapshot->next;
	return snapshot;
}

static enum status
memory_load_snapshot(struct store *store, struct zone *zone, const struct change_snapshot *wanted, struct draft *draft,
                     char *reason)
{
	struct memory *memory = memory_of(store);
	char why[CHANGE_JSON_REASON_SIZE] = "";
	enum status status = STATUS_NOT_FOUND;

	pthread_mutex_lock(&memory->mutex);
	struct memory_snapshot *snapshot = find_snapshot(find_zone(memory, zone), wanted->id);
	pthread_mutex_unlock(&memory->mutex); /* a snapshot does not change once it is there */
	if (!snapshot || snapshot->count != wanted->chunks) {
		snprintf(reason, STORE_REASON_SIZE, "the snapshot's chunks are not there");
		return status;
	}
	status = STATUS_OK;
	for (size_t i = 0; i < snapshot->count && !status; i++)
		status = change_json_read_chunk(snapshot->chunks[i].bytes, snapshot->chunks[i].size, draft, why);
	if (status)
		snprintf(reason, STORE_REASON_SIZE, "%s", why);
	return status;
}

static enum status
keep_chunk(void *context, uint32_t number, const uint8_t *chunk, size_t size)
{
	struct memory_snapshot *snapshot = context;
	struct memory_chunk *chunks = realloc(snapshot->chunks, (number + 1) * sizeof *chunks);
	uint8_t *bytes = malloc(size);

	if (chunks)
		snapshot->chunks = chunks;
	if (!chunks || !bytes) {
		free(bytes);
		return STATUS_NO_MEMORY;
	}
	memcpy(bytes, chunk, size);
	chunks[number] = (struct memory_chunk){bytes, size};
	snapshot->count = number + 1;
	return STATUS_OK;
}

static void
free_snapshot(struct memory_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		free(snapshot->chunks[i].bytes);
	free(snapshot->chunks);
	free(snapshot);
}

static enum status
memory_save_snapshot(struct store *store, struct zone *zone, const struct zone_version *version, struct arena *arena,
                     struct change_snapshot *out, char *reason)
{
	struct memory *memory = memory_of(store);
	struct memory_snapshot *snapshot = calloc(1, sizeof *snapshot);
	uint8_t id[16];

	if (!snapshot)
		return STATUS_NO_MEMORY;
	random_bytes(id, sizeof id);
	bytes_to_hex(id, sizeof id, snapshot->id);
	enum status status = change_json_chunks(version, keep_chunk, snapshot, out);
	out->id = arena_text(arena, snapshot->id);
	if (!status && !out->id)
		status = STATUS_LIMIT;
	pthread_mutex_lock(&memory->mutex);
	struct memory_zone *at = find_zone(memory, zone);
	if (!status && at) {
		snapshot->next = at->snapshots;
		at->snapshots = snapshot;
	}
	pthread_mutex_unlock(&memory->mutex);
	if (!status && !at)
		status = STATUS_NOT_FOUND;
	if (status) {
		free_snapshot(snapshot);
		snprintf(reason, STORE_REASON_SIZE, "%s", status_text(status));
	}
	return status;
}

/* Every record of the log up to the version, by the rule. */
static enum status
memory_content_at(struct store *store, struct zone *zone, uint64_t version, struct draft *draft, char *reason)
{
	struct memory *memory = memory_of(store);
	struct replay *replay = replay_new();
	struct memory_record record;
	const struct change *change;
	struct arena arena;
	enum status status = STATUS_OK;

	if (!replay)
		return STATUS_NO_MEMORY;
	arena_init(&arena, FOLLOWER_ARENA_SIZE);
	for (size_t i = 0; !status && draft->version->version < version; i++) {
		pthread_mutex_lock(&memory->mutex);
		struct memory_zone *at = find_zone(memory, zone);
		bool there = at && i < at->count;
		if (there)
			record = at->records[i];
		pthread_mutex_unlock(&memory->mutex);
		if (!there) {
			snprintf(reason, STORE_REASON_SIZE, "no such version");
			status = STATUS_NOT_FOUND;
			break;
		}
		struct store_record out = {.zone = zone, .record = record.bytes, .size = record.size, .position = i};
		enum replay_fate fate = follower_replay(store, replay, draft, &out, &arena, &change, reason);
		if (fate == REPLAY_FAILED)
			status = STATUS_NO_MEMORY;
		replay_keep(replay);
		arena_reset(&arena);
	}
	arena_free(&arena);
	replay_free(replay);
	return status;
}

static enum status
memory_snapshot_now(struct store *store, struct zone *zone, char *reason)
{
	(void)store, (void)zone;
	snprintf(reason, STORE_REASON_SIZE, "this store has no snapshots");
	return STATUS_UNSUPPORTED;
}

/* ---- open and close ---- */

static void
memory_close(struct store *store)
{
	struct memory *memory = memory_of(store);

	intake_done(memory->intake, memory->items, memory->item_count);
	intake_free(memory->intake);
	for (struct memory_zone *at = memory->zones, *next; at; at = next) {
		next = at->next;
		for (size_t i = 0; i < at->count; i++)
			free(at->records[i].bytes);
		free(at->records);
		for (struct memory_snapshot *snapshot = at->snapshots, *after; snapshot; snapshot = after) {
			after = snapshot->next;
			free_snapshot(snapshot);
		}
		free(at);
	}
	pthread_mutex_destroy(&memory->mutex);
	free(store->name);
	free(memory);
}

static const struct store_ops memory_ops = {
	.type = "memory",
	.add_zone = memory_add_zone,
	.drop_zone = memory_drop_zone,
	.append = memory_append,
	.barrier = memory_barrier,
	.poll = memory_poll,
	.wake = memory_wake,
	.commit = memory_commit,
	.checkpoint = memory_checkpoint,
	.read = memory_read,
	.oldest = memory_oldest,
	.content_at = memory_content_at,
	.load_snapshot = memory_load_snapshot,
	.save_snapshot = memory_save_snapshot,
	.snapshot_now = memory_snapshot_now,
	.close = memory_close,
};

struct store *
memory_open(const char *name)
{
	struct memory *memory = calloc(1, sizeof *memory);

	if (!memory)
		return NULL;
	memory->intake = intake_new();
	memory->store.name = strdup(name);
	if (!memory->intake || !memory->store.name) {
		intake_free(memory->intake);
		free(memory->store.name);
		free(memory);
		return NULL;
	}
	pthread_mutex_init(&memory->mutex, NULL);
	memory->store.ops = &memory_ops;
	atomic_store(&memory->store.connected, 1);
	return &memory->store;
}
