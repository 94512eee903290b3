#include "store/warm.h"
#include "store/embedded.h"
#include "base/bytes.h"
#include "base/log.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_HISTORY_S (90 * 86400)
#define KEY_SIZE 511

/* A change that waits to be written. */
struct entry {
	struct entry *next;
	struct zone *zone;
	struct warm_place place;
	uint64_t version;
	uint32_t serial;
	uint8_t id[VERSION_ID_SIZE];
	bool snapshot, parked;
	size_t size;
	uint8_t record[];
};

/* A place that waits to be written, behind the changes. */
struct mark {
	struct mark *next;
	struct zone *zone;
	struct warm_place place;
};

struct warm {
	struct store *store; /* NULL: nothing is kept */
	struct kv *kv;
	char *name;
	pthread_mutex_t disk;  /* one at a time writes; taken before `mutex` */
	pthread_mutex_t mutex; /* what waits */
	struct entry *first, **last;
	size_t count;
	struct mark *marks;
	bool failed; /* until warm_reset */
};

enum status
warm_open(const char *name, struct kv *kv, struct warm **out, char *reason)
{
	struct warm *warm = calloc(1, sizeof *warm);
	enum status status = STATUS_OK;

	if (!warm)
		return STATUS_NO_MEMORY;
	warm->kv = kv;
	warm->last = &warm->first;
	warm->name = strdup(name);
	if (!warm->name)
		status = STATUS_NO_MEMORY;
	else if (kv)
		status = embedded_open(name, kv, KEEP_HISTORY_S, &warm->store, reason);
	if (status) {
		free(warm->name);
		free(warm);
		return status;
	}
	pthread_mutex_init(&warm->disk, NULL);
	pthread_mutex_init(&warm->mutex, NULL);
	*out = warm;
	return STATUS_OK;
}

/* ---- rows of places ---- */

static bool
place_key(const struct warm *warm, const struct zone *zone, char *key, struct kv_bytes *bytes)
{
	int size = snprintf(key, KEY_SIZE, "place/%.60s/", warm->name);

	if ((size_t)size + zone->name_size >= KEY_SIZE)
		return false;
	memcpy(key + size, zone->name, zone->name_size);
	*bytes = (struct kv_bytes){key, (size_t)size + zone->name_size};
	return true;
}

#define PLACE_SIZE (4 + 8 + 8 + DIGEST_SHA256_SIZE)

/* place NULL: there is none any more. */
static enum status
put_place(const struct warm *warm, struct kv_txn *txn, const struct zone *zone, const struct warm_place *place)
{
	uint8_t value[PLACE_SIZE];
	char key[KEY_SIZE];
	struct kv_bytes bytes;

	if (!place_key(warm, zone, key, &bytes))
		return STATUS_LIMIT;
	if (!place) {
		enum status status = kv_delete(txn, KV_META, bytes);
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	}
	bytes_put_u32(value, (uint32_t)place->partition);
	bytes_put_u64(value + 4, (uint64_t)place->offset);
	bytes_put_u64(value + 12, place->version);
	memcpy(value + 20, place->last, DIGEST_SHA256_SIZE);
	return kv_put(txn, KV_META, bytes, (struct kv_bytes){value, sizeof value});
}

static enum status
write_place(const struct warm *warm, const struct zone *zone, const struct warm_place *place)
{
	struct kv_txn *txn;
	enum status status = kv_begin_write(warm->kv, &txn);

	if (status)
		return status;
	status = put_place(warm, txn, zone, place);
	if (!status)
		return kv_commit(txn);
	kv_abort(txn);
	return status;
}

static enum status
read_place(const struct warm *warm, const struct zone *zone, struct warm_place *place)
{
	char key[KEY_SIZE];
	struct kv_bytes bytes, value;
	struct kv_txn *txn;

	if (!place_key(warm, zone, key, &bytes))
		return STATUS_NOT_FOUND;
	enum status status = kv_begin_read(warm->kv, &txn);
	if (status)
		return status;
	status = kv_get(txn, KV_META, bytes, &value);
	if (!status && value.size != PLACE_SIZE)
		status = STATUS_NOT_FOUND;
	if (!status) {
		const uint8_t *at = value.bytes;
		*place = (struct warm_place){.partition = (int32_t)bytes_get_u32(at),
					     .offset = (int64_t)bytes_get_u64(at + 4),
					     .version = bytes_get_u64(at + 12)};
		memcpy(place->last, at + 20, DIGEST_SHA256_SIZE);
	}
	kv_abort(txn);
	return status;
}

/* ---- zones ---- */

/* The embedded store wants somebody to tell what it has; it is asked again by embedded_load. */
static void
drop_loaded(void *context, struct zone *zone, struct draft *draft, struct replay *replay)
{
	(void)context, (void)zone;
	draft_drop(draft);
	replay_free(replay);
}

static void
ignore_zone(void *context, struct zone *zone)
{
	(void)context, (void)zone;
}

static void
ignore_unusable(void *context, struct zone *zone, enum zone_state state, const char *reason)
{
	(void)context, (void)zone, (void)state, (void)reason;
}

enum status
warm_add(struct warm *warm, struct zone *zone)
{
	static const struct store_sink sink = {
		.loaded = drop_loaded,
		.absent = ignore_zone,
		.ready = ignore_zone,
		.unusable = ignore_unusable,
	};

	if (!warm->store)
		return STATUS_OK;
	pthread_mutex_lock(&warm->disk);
	enum status status = warm->store->ops->add_zone(warm->store, zone);
	if (!status)
		warm->store->ops->poll(warm->store, &sink, 0);
	pthread_mutex_unlock(&warm->disk);
	return status;
}

/* Under the mutex. */
static void
forget_zone(struct warm *warm, const struct zone *zone)
{
	for (struct entry **link = &warm->first, *entry; (entry = *link);) {
		if (zone && entry->zone != zone) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		warm->count--;
		free(entry);
	}
	for (warm->last = &warm->first; *warm->last; warm->last = &(*warm->last)->next)
		;
	for (struct mark **link = &warm->marks, *mark; (mark = *link);) {
		if (zone && mark->zone != zone) {
			link = &mark->next;
			continue;
		}
		*link = mark->next;
		free(mark);
	}
}

void
warm_drop(struct warm *warm, struct zone *zone)
{
	if (!warm->store)
		return;
	if (warm_flush(warm) != STATUS_OK)
		log_warning("local copy not written", "zone=%s", zone->text);
	pthread_mutex_lock(&warm->disk);
	pthread_mutex_lock(&warm->mutex);
	forget_zone(warm, zone);
	pthread_mutex_unlock(&warm->mutex);
	warm->store->ops->drop_zone(warm->store, zone);
	pthread_mutex_unlock(&warm->disk);
}

enum status
warm_load(struct warm *warm, struct zone *zone, struct draft *draft, struct replay **replay, struct warm_place *place)
{
	char reason[STORE_REASON_SIZE] = "";

	if (!warm->store)
		return STATUS_NOT_FOUND;
	*replay = replay_new();
	if (!*replay || draft_begin(draft, NULL, zone->name) != STATUS_OK) {
		replay_free(*replay);
		return STATUS_NO_MEMORY;
	}
	pthread_mutex_lock(&warm->disk);
	enum status status = read_place(warm, zone, place);
	if (!status)
		status = embedded_load(warm->store, zone, draft, *replay, reason);
	pthread_mutex_unlock(&warm->disk);
	if (!status && draft->version->version < place->version)
		status = STATUS_NOT_FOUND;
	if (!status)
		return STATUS_OK;
	if (status != STATUS_NOT_FOUND)
		log_warning("local copy not used", "zone=%s reason=%s", zone->text,
			    reason[0] ? reason : status_text(status));
	draft_drop(draft);
	replay_free(*replay);
	return STATUS_NOT_FOUND;
}

enum status
warm_begin(struct warm *warm, struct zone *zone, const struct zone_version *version, const struct warm_place *place,
	   char *reason)
{
	if (!warm->store)
		return STATUS_NOT_FOUND;
	pthread_mutex_lock(&warm->disk);
	enum status status = write_place(warm, zone, NULL);
	if (!status)
		status = embedded_begin_at(warm->store, zone, version, reason);
	if (!status && place)
		status = write_place(warm, zone, place);
	pthread_mutex_unlock(&warm->disk);
	return status;
}

void
warm_put_chunk(struct warm *warm, struct zone *zone, const char *snapshot, uint32_t number, const uint8_t *bytes,
	       size_t size)
{
	if (warm->store && embedded_put_chunk(warm->store, zone, snapshot, number, bytes, size) != STATUS_OK)
		log_limited(LOG_LEVEL_WARNING, "local copy of an import not written", "zone=%s", zone->text);
}

/* ---- changes ---- */

bool
warm_note(struct warm *warm, const struct store_fate *fate, const struct warm_place *place, bool snapshot, bool parked)
{
	if (!warm->store)
		return true;
	struct entry *entry = malloc(sizeof *entry + fate->record->size);
	if (!entry)
		return false;
	*entry = (struct entry){.zone = fate->record->zone,
				.place = *place,
				.version = fate->version,
				.serial = fate->serial,
				.snapshot = snapshot,
				.parked = parked,
				.size = fate->record->size};
	memcpy(entry->id, fate->id, VERSION_ID_SIZE);
	memcpy(entry->record, fate->record->record, entry->size);
	pthread_mutex_lock(&warm->mutex);
	bool room = warm->count < WARM_PENDING;
	if (room) {
		*warm->last = entry;
		warm->last = &entry->next;
		warm->count++;
	} else {
		forget_zone(warm, entry->zone);
	}
	pthread_mutex_unlock(&warm->mutex);
	if (!room)
		free(entry);
	return room;
}

void
warm_unpark(struct warm *warm, const struct zone *zone)
{
	pthread_mutex_lock(&warm->mutex);
	for (struct entry *entry = warm->first; entry; entry = entry->next)
		if (entry->zone == zone)
			entry->parked = false;
	pthread_mutex_unlock(&warm->mutex);
}

void
warm_reset(struct warm *warm)
{
	pthread_mutex_lock(&warm->mutex);
	forget_zone(warm, NULL);
	warm->failed = false;
	pthread_mutex_unlock(&warm->mutex);
}

void
warm_note_place(struct warm *warm, struct zone *zone, const struct warm_place *place)
{
	if (!warm->store)
		return;
	pthread_mutex_lock(&warm->mutex);
	struct mark *mark = warm->marks;
	while (mark && mark->zone != zone)
		mark = mark->next;
	if (!mark && (mark = calloc(1, sizeof *mark))) {
		mark->zone = zone;
		mark->next = warm->marks;
		warm->marks = mark;
	}
	if (mark)
		mark->place = *place;
	pthread_mutex_unlock(&warm->mutex);
}

/* Into the embedded store's log, a batch at a time. */
static enum status
commit_entries(struct warm *warm, const struct entry *first, size_t at_most, const struct entry **rest)
{
	static const struct change_snapshot chunks; /* all that the embedded store looks at: is there one? */
	static const struct change plain = {.frozen = -1}, import = {.frozen = -1, .snapshot = &chunks};
	struct store_fate *fates = calloc(at_most, sizeof *fates);
	struct store_record *records = calloc(at_most, sizeof *records);
	char reason[STORE_REASON_SIZE] = "";
	enum status status = fates && records ? STATUS_OK : STATUS_NO_MEMORY;
	size_t count = 0;

	for (; first && count < at_most && !status; first = first->next, count++) {
		records[count] = (struct store_record){.zone = first->zone,
						       .record = first->record,
						       .size = first->size,
						       .change = first->snapshot ? &import : &plain};
		fates[count] = (struct store_fate){.record = &records[count],
						   .fate = REPLAY_APPLIED,
						   .version = first->version,
						   .serial = first->serial};
		memcpy(fates[count].id, first->id, VERSION_ID_SIZE);
	}
	if (!status && count)
		status = warm->store->ops->commit(warm->store, fates, count, reason);
	if (status)
		log_limited(LOG_LEVEL_WARNING, "local copy not written", "store=%s reason=%s", warm->name, reason);
	free(fates);
	free(records);
	*rest = first;
	return status;
}

/* Places last: one that is older than the content does no harm. */
static enum status
write_places(struct warm *warm, const struct entry *first, const struct mark *marks)
{
	struct kv_txn *txn;
	enum status status = kv_begin_write(warm->kv, &txn);

	if (status)
		return status;
	for (const struct entry *entry = first; entry && !status; entry = entry->next)
		if (!entry->next || entry->next->zone != entry->zone)
			status = put_place(warm, txn, entry->zone, &entry->place);
	for (; marks && !status; marks = marks->next)
		status = put_place(warm, txn, marks->zone, &marks->place);
	if (!status)
		return kv_commit(txn);
	kv_abort(txn);
	return status;
}

/* Under the mutex: what is not parked, in order. */
static struct entry *
take_entries(struct warm *warm)
{
	struct entry *first = NULL, **last = &first;

	for (struct entry **link = &warm->first, *entry; (entry = *link);) {
		if (entry->parked) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		entry->next = NULL;
		*last = entry;
		last = &entry->next;
		warm->count--;
	}
	for (warm->last = &warm->first; *warm->last; warm->last = &(*warm->last)->next)
		;
	return first;
}

/* The disk is ours. */
static enum status
flush(struct warm *warm)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&warm->mutex);
	struct entry *first = take_entries(warm);
	struct mark *marks = warm->marks;
	warm->marks = NULL;
	if (warm->failed)
		status = STATUS_IO;
	pthread_mutex_unlock(&warm->mutex);
	for (const struct entry *rest = first; rest && !status;)
		status = commit_entries(warm, rest, 2000, &rest);
	if (!status && (first || marks))
		status = write_places(warm, first, marks);
	if (status) {
		pthread_mutex_lock(&warm->mutex);
		warm->failed = true;
		pthread_mutex_unlock(&warm->mutex);
	}
	for (struct entry *next; first; first = next) {
		next = first->next;
		free(first);
	}
	for (struct mark *next; marks; marks = next) {
		next = marks->next;
		free(marks);
	}
	return status;
}

enum status
warm_flush(struct warm *warm)
{
	enum status status = STATUS_OK;

	if (!warm->store)
		return status;
	pthread_mutex_lock(&warm->disk);
	status = flush(warm);
	pthread_mutex_unlock(&warm->disk);
	return status;
}

/* Content must not be ahead of the log, so that is written first. */
void
warm_checkpoint(struct warm *warm, struct zone *zone, const struct zone_version *version, const struct replay *replay,
		bool idle)
{
	if (!warm->store || pthread_mutex_trylock(&warm->disk) != 0)
		return;
	if (flush(warm) == STATUS_OK)
		warm->store->ops->checkpoint(warm->store, zone, version, replay, idle);
	pthread_mutex_unlock(&warm->disk);
}

struct store *
warm_history(struct warm *warm)
{
	return warm->store;
}

void
warm_close(struct warm *warm)
{
	if (!warm)
		return;
	if (warm_flush(warm) != STATUS_OK)
		log_warning("local copy not written", "store=%s", warm->name);
	if (warm->store)
		warm->store->ops->close(warm->store);
	pthread_mutex_destroy(&warm->disk);
	pthread_mutex_destroy(&warm->mutex);
	free(warm->name);
	free(warm);
}
