/* The thread that opens zones, takes snapshots and begins local copies. */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 500 /* and after what may work the next time */
#define FLUSH_MS 400 /* less than the follower's idle second */
#define RETENTION_MS 60000
#define DOUBT_MS 5000
#define RENEW_MS 3000 /* where the new ones fail at once too, as without permission */

/* ---- a zone's beginning ---- */

void
kafka_worker_free_opened(struct kafka_opened *opened)
{
	if (!opened)
		return;
	if (opened->replay) {
		replay_free(opened->replay);
		draft_drop(&opened->draft);
	}
	free(opened);
}

static enum status PRINTF_LIKE(3, 4)
	cannot_serve(struct kafka_opened *opened, enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(opened->reason, sizeof opened->reason, format, args);
	va_end(args);
	opened->status = status;
	return STATUS_OK;
}

/* The log begins after the place: which versions are missing is told by what is left of it. */
static void
say_missing(struct kafka *kafka, const struct zone *zone, const struct kafka_place *place, int64_t low, int64_t high,
	    uint64_t version, char *reason)
{
	uint64_t base;
	char missing[80];

	if (kafka_reader_first_base(kafka, place->partition, low, high, zone, &base) && base > version)
		snprintf(missing, sizeof missing, "changes of versions %llu to %llu, if not more,",
			 (unsigned long long)version + 1, (unsigned long long)base);
	else
		snprintf(missing, sizeof missing, "changes after version %llu", (unsigned long long)version);
	snprintf(reason, STORE_REASON_SIZE,
		 "%s are missing: its snapshot ends at offset %lld of partition %d, and the log begins at %lld: "
		 "snapshots must be more frequent than the expiry of topic %s",
		 missing, (long long)place->offset, (int)place->partition, (long long)low, kafka->updates_topic);
}

/*
 * Does the log still have everything after the manifest, and is it the log that the manifest was made from?
 * NOT_FOUND: no.
 */
static enum status
check_place(struct kafka *kafka, const struct zone *zone, const struct kafka_place *place, int64_t low, int64_t high,
	    uint64_t version, char *reason)
{
	uint8_t last[DIGEST_SHA256_SIZE];

	if (place->offset + 1 < low) {
		say_missing(kafka, zone, place, low, high, version, reason);
		return STATUS_NOT_FOUND;
	}
	if (place->offset >= high) {
		snprintf(reason, STORE_REASON_SIZE,
			 "changes up to version %llu are missing: its snapshot ends at offset %lld of partition %d of "
			 "topic %s, and the log ends at %lld",
			 (unsigned long long)version, (long long)place->offset, (int)place->partition,
			 kafka->updates_topic, (long long)high - 1);
		return STATUS_NOT_FOUND;
	}
	if (place->offset < low) /* the last record that it covers has just expired: nothing is missing */
		return STATUS_OK;
	enum status status = kafka_reader_digest(kafka, place->partition, place->offset, last, reason);
	if (!status && memcmp(last, place->last, sizeof last) != 0) {
		snprintf(reason, STORE_REASON_SIZE,
			 "its snapshot of version %llu was made from another log: offset %lld of partition %d is not "
			 "the same record",
			 (unsigned long long)version, (long long)place->offset, (int)place->partition);
		status = STATUS_NOT_FOUND;
	}
	return status;
}

static enum status
begin_empty(struct kafka_opened *opened, const struct zone *zone)
{
	opened->replay = replay_new();
	if (!opened->replay || draft_begin(&opened->draft, NULL, zone->name) != STATUS_OK) {
		replay_free(opened->replay);
		opened->replay = NULL;
		return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

/* Without a snapshot that fits: the whole log, if it is whole. */
static enum status
open_from_log(struct kafka *kafka, struct kafka_opened *opened, const struct kafka_zone *at, int64_t low,
	      const char *why)
{
	struct zone *zone = at->zone;

	if (low > 0 && why[0])
		return cannot_serve(opened, STATUS_NOT_FOUND, "%s", why);
	if (low > 0)
		return cannot_serve(opened, STATUS_NOT_FOUND,
				    "there is no snapshot of it, and partition %d of topic %s begins at offset %lld: "
				    "it cannot be told "
				    "whether it is new (contrib/kafka/new-zone says so)",
				    (int)opened->partition, kafka->updates_topic, (long long)low);
	opened->next_offset = 0;
	if (at->version || at->had || at->kept_version) /* the copy is perhaps all that is left of the zone */
		return begin_empty(opened, zone);
	char reason[STORE_REASON_SIZE];
	opened->mirrored = warm_begin(kafka->warm, zone, NULL, NULL, reason) == STATUS_OK;
	return begin_empty(opened, zone);
}

static enum status
open_from_snapshot(struct kafka *kafka, struct kafka_opened *opened, const struct kafka_zone *at)
{
	enum status status = begin_empty(opened, at->zone);

	if (status)
		return status;
	opened->next_offset = opened->manifest.place.offset + 1;
	opened->begin = opened->manifest.place;
	status = kafka_snapshot_content(kafka, at->text, &opened->manifest, &opened->draft, opened->replay,
					opened->reason);
	if (status == STATUS_OK || status == STATUS_NO_MEMORY)
		return status;
	replay_free(opened->replay);
	opened->replay = NULL;
	draft_drop(&opened->draft);
	opened->status = STATUS_INVALID;
	return STATUS_OK;
}

/* ---- from the local copy ---- */

/* What is kept here, once for each time that a zone is opened. */
static void
load_kept(struct kafka *kafka, struct kafka_zone *at)
{
	if (!at->known_here)
		at->known_here = warm_add(kafka->warm, at->zone) == STATUS_OK;
	if (at->kept || at->distrust || !at->known_here)
		return;
	struct kafka_opened *kept = calloc(1, sizeof *kept);
	if (kept && warm_load(kafka->warm, at->zone, &kept->draft, &kept->replay, &kept->place) == STATUS_OK) {
		at->kept = kept;
		at->kept_version = kept->draft.version->version;
		return;
	}
	free(kept);
	at->distrust = true; /* there is none */
}

/* True: it is decided by that, *status is the answer. */
static bool
open_from_kept(struct kafka *kafka, struct kafka_zone *at, struct kafka_opened *opened, bool known, int64_t low,
	       int64_t high, enum status *status, char *why)
{
	struct kafka_opened *kept = at->kept;
	struct kafka_place place = {.partition = kept->place.partition, .offset = kept->place.offset};

	memcpy(place.last, kept->place.last, sizeof place.last);
	*status = STATUS_NOT_FOUND;
	if (place.partition == opened->partition)
		*status = check_place(kafka, at->zone, &place, low, high, kept->place.version, why);
	if (*status == STATUS_RETRY)
		return true;
	at->kept = NULL;
	if (*status) { /* with chunks, the next time */
		log_warning("local copy does not fit", "zone=%s reason=%s", at->text, why);
		at->distrust = true;
		kafka_worker_free_opened(kept);
		*status = STATUS_RETRY;
		return true;
	}
	if (!known)
		opened->manifest = (struct kafka_manifest){.topic_partition = KAFKA_NONE};
	opened->draft = kept->draft;
	opened->replay = kept->replay;
	opened->next_offset = place.offset + 1;
	opened->begin = place;
	opened->mirrored = true;
	free(kept);
	return true;
}

/* The brokers are away: what was last known is served. */
static void
serve_kept(struct kafka *kafka)
{
	struct chains_walk walk = {0};

	pthread_mutex_lock(&kafka->mutex);
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		if (!at->opening || !at->kept || at->told_kept || at->opened || at->ready)
			continue;
		at->opened = at->kept;
		at->kept = NULL;
		at->told_kept = at->opened->from_warm = true;
		at->opened->partition = at->opened->place.partition;
		atomic_store(&kafka->opened_any, true);
		log_warning("served as last known", "zone=%s version=%llu", at->text,
			    (unsigned long long)at->opened->draft.version->version);
	}
	pthread_mutex_unlock(&kafka->mutex);
	kafka_wake_poll(kafka);
}

/* OK: `opened` says how the zone begins, or why it cannot be served. Else the same again may work. */
static enum status
open_zone(struct kafka *kafka, struct kafka_zone *at, struct kafka_opened *opened, char *reason)
{
	char why[STORE_REASON_SIZE] = "";
	int64_t low, high;
	bool known = kafka_snapshot_newest(kafka, at->text, &opened->manifest);

	opened->partition = known ? opened->manifest.place.partition
				  : kafka_client_partition(at->text, at->text_length, kafka->partition_count);
	if (opened->partition < 0 || opened->partition >= kafka->partition_count)
		return cannot_serve(opened, STATUS_NOT_FOUND,
				    "its snapshot names partition %d, which topic %s does not have",
				    (int)opened->partition, kafka->updates_topic);
	enum status status = kafka_client_bounds(kafka, kafka->updates_topic, opened->partition, &low, &high, reason);
	if (status)
		return status;
	opened->target = high;
	if (at->kept && open_from_kept(kafka, at, opened, known, low, high, &status, why)) {
		memcpy(reason, why, sizeof why);
		return status;
	}
	if (!known)
		return open_from_log(kafka, opened, at, low, why);
	status = opened->manifest.place.offset == KAFKA_NONE
			 ? STATUS_OK
			 : check_place(kafka, at->zone, &opened->manifest.place, low, high,
				       opened->manifest.version, why);
	if (status == STATUS_NOT_FOUND)
		return open_from_log(kafka, opened, at, low, why);
	if (status) {
		memcpy(reason, why, sizeof why);
		return status;
	}
	return open_from_snapshot(kafka, opened, at);
}

/* ---- all that wait to be opened ---- */

/* Under the mutex: out of the list, and no more the worker's. */
static void
take_out(struct kafka *kafka, struct kafka_zone **link)
{
	struct kafka_zone *at = *link;

	*link = at->next_opening;
	if (!*link)
		kafka->opening_end = link;
	at->opening = at->prepared = false;
	pthread_cond_broadcast(&kafka->drop_news);
}

/* Those that the follower wants to drop are let go. */
static void
let_go(struct kafka *kafka)
{
	pthread_mutex_lock(&kafka->mutex);
	for (struct kafka_zone **link = &kafka->opening_first; kafka->dropping && *link;)
		if ((*link)->dropped)
			take_out(kafka, link);
		else
			link = &(*link)->next_opening;
	kafka->dropping = false;
	pthread_mutex_unlock(&kafka->mutex);
}

/* The first that waits to be opened, or the one behind `before`; others may come behind them all the time. */
static struct kafka_zone *
next_opening(struct kafka *kafka, const struct kafka_zone *before)
{
	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = before ? before->next_opening : kafka->opening_first;
	pthread_mutex_unlock(&kafka->mutex);
	return at;
}

static void
load_all_kept(struct kafka *kafka)
{
	for (struct kafka_zone *at = NULL; (at = next_opening(kafka, at));) {
		load_kept(kafka, at);
		at->prepared = true;
	}
}

static enum status
want_chunks(struct kafka *kafka)
{
	enum status status = STATUS_OK;

	for (struct kafka_zone *at = NULL; !status && (at = next_opening(kafka, at)) && at->prepared;)
		if (!at->kept)
			status = kafka_snapshot_want(kafka, at->text, true);
	return status;
}

/* The first of those that wait. */
static enum status
open_one(struct kafka *kafka, struct kafka_zone *at, char *reason)
{
	struct kafka_opened *opened = calloc(1, sizeof *opened);

	if (!opened)
		return STATUS_NO_MEMORY;
	opened->doubts = atomic_load(&kafka->doubts);
	opened->begin.offset = KAFKA_NONE;
	opened->had = at->kept_version;
	enum status status = open_zone(kafka, at, opened, reason);
	pthread_mutex_lock(&kafka->mutex);
	if (status || at->dropped) {
		kafka_worker_free_opened(opened);
	} else {
		kafka_worker_free_opened(at->opened);
		at->opened = opened;
		take_out(kafka, &kafka->opening_first);
		atomic_store(&kafka->opened_any, true);
		enum status dropped = kafka_snapshot_want(kafka, at->text, false);
		(void)dropped; /* nothing is allocated for that */
	}
	pthread_mutex_unlock(&kafka->mutex);
	kafka_wake_poll(kafka);
	return status;
}

static bool
open_zones(struct kafka *kafka)
{
	char reason[STORE_REASON_SIZE] = "no memory";
	struct kafka_zone *at;

	let_go(kafka);
	if (!next_opening(kafka, NULL))
		return true;
	load_all_kept(kafka);
	enum status status = kafka_client_topics(kafka, reason);
	if (status)
		serve_kept(kafka);
	if (!status)
		status = kafka_retention_check(kafka, reason);
	if (!status)
		status = want_chunks(kafka);
	if (!status)
		status = kafka_snapshot_read(kafka, reason);
	/* One that has come since has nothing of its snapshot here: it wakes us again. */
	while (!status && !atomic_load(&kafka->stop) && (at = next_opening(kafka, NULL)) && at->prepared) {
		status = open_one(kafka, at, reason);
		let_go(kafka);
	}
	if (trouble_note(&kafka->opening, status ? reason : NULL) && status && !atomic_load(&kafka->stop))
		log_write(status == STATUS_RETRY ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "zones not opened",
			  "store=%s reason=%s", kafka->store.name, reason);
	return !status;
}

/* ---- snapshots ---- */

static void
add_name(void *context, const uint8_t *name, uint64_t version)
{
	struct kafka_window *window = context;
	size_t size = name_size(name);

	if (window->failed || window->names_size + 9 + size > window->names_room) {
		size_t room = window->names_room * 2 + 4096;
		uint8_t *names = window->failed ? NULL : realloc(window->names, room);
		if (!names) {
			window->failed = true;
			return;
		}
		window->names = names;
		window->names_room = room;
	}
	uint8_t *at = window->names + window->names_size;
	memcpy(at, &version, 8);
	at[8] = (uint8_t)size;
	memcpy(at + 9, name, size);
	window->names_size += 9 + size;
}

struct kafka_shot *
kafka_worker_shot(const struct zone_version *version, const struct replay *replay, const struct kafka_place *place)
{
	struct kafka_shot *shot = calloc(1, sizeof *shot);

	if (!shot)
		return NULL;
	struct kafka_window *window = &shot->window;
	shot->place = *place;
	shot->number = version->version;
	shot->serial = version->serial;
	memcpy(shot->id, version->id, VERSION_ID_SIZE);
	if (!replay) {
		shot->version = version_pin(version);
		return shot;
	}
	replay_get(replay, &window->state);
	window->first = version->version > REPLAY_WINDOW ? version->version - REPLAY_WINDOW : 0;
	while (window->first < version->version &&
	       !replay_id_at(replay, window->first, shot->place.last)) /* used as a place to write to */
		window->first++;
	memcpy(shot->place.last, place->last, sizeof place->last);
	window->id_count = (size_t)(version->version - window->first + 1);
	window->ids = calloc(window->id_count, VERSION_ID_SIZE);
	replay_each_name(replay, add_name, window);
	bool good = window->ids && !window->failed;
	for (size_t i = 0; good && i < window->id_count; i++)
		good = replay_id_at(replay, window->first + i, window->ids[i]);
	if (good) {
		shot->version = version_pin(version);
		return shot;
	}
	kafka_worker_free_shot(shot);
	return NULL;
}

struct kafka_shot *
kafka_worker_removal(const struct store_fate *fate, const struct kafka_place *place)
{
	struct kafka_shot *shot = calloc(1, sizeof *shot);
	struct kafka_window *window = shot ? &shot->window : NULL;

	if (!shot || !(window->ids = calloc(1, VERSION_ID_SIZE))) {
		free(shot);
		return NULL;
	}
	shot->place = *place;
	shot->number = fate->version;
	shot->serial = fate->serial;
	memcpy(shot->id, fate->id, VERSION_ID_SIZE);
	memcpy(window->ids[0], fate->id, VERSION_ID_SIZE);
	window->id_count = 1;
	window->state = (struct replay_state){.all = fate->version, .removed = true, .state_version = fate->version};
	return shot;
}

void
kafka_worker_free_shot(struct kafka_shot *shot)
{
	if (!shot)
		return;
	if (shot->version)
		version_unpin(shot->version);
	free(shot->window.ids);
	free(shot->window.names);
	free(shot);
}

/* Another gateway may have been quicker: then its snapshot is ours, unless a person asked. */
static enum status
shoot_one(struct kafka *kafka, struct kafka_zone *at, const struct kafka_shot *shot, struct kafka_manifest *manifest,
	  char *reason)
{
	enum status status = kafka_client_topics(kafka, reason);

	if (!status)
		status = kafka_snapshot_read(kafka, reason);
	if (status)
		return status;
	bool asked = !shot->version || shot->asked != at->shots_done,
	     newer = kafka_snapshot_newest(kafka, at->text, manifest);
	if (newer && !asked && strcmp(manifest->id, at->manifest.id) != 0 &&
	    manifest->place.partition == shot->place.partition)
		return STATUS_EXISTS;
	return kafka_write_snapshot(kafka, at->text, shot, manifest, reason);
}

static void
end_shot(struct kafka *kafka, struct kafka_zone *at, struct kafka_shot *shot, enum status status,
	 const struct kafka_manifest *manifest, const char *reason)
{
	pthread_mutex_lock(&kafka->mutex);
	if (status == STATUS_OK || status == STATUS_EXISTS) {
		at->manifest = *manifest;
		if (status == STATUS_EXISTS)
			at->kept_changes += shot->number > manifest->version ? shot->number - manifest->version : 0;
	} else {
		at->kept_changes += shot->changes;
		at->due_ms = clock_monotonic_ms() + 5000;
	}
	at->shot_status = status == STATUS_EXISTS ? STATUS_OK : status;
	snprintf(at->shot_reason, sizeof at->shot_reason, "%s", reason);
	at->shots_done = shot->asked;
	at->shooting = false;
	pthread_cond_broadcast(&kafka->drop_news);
	pthread_mutex_unlock(&kafka->mutex);
	kafka_worker_free_shot(shot);
}

/* Under the mutex: the next zone of which a copy is to be written (mirror: to begin the local copy with); takes it. */
static struct kafka_zone *
next_shot(struct kafka *kafka, bool mirror, struct kafka_shot **shot)
{
	struct chains_walk walk = {0};

	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		struct kafka_shot **place = mirror ? &at->mirror_shot : &at->shot;
		if (!*place)
			continue;
		*shot = *place;
		*place = NULL;
		return at;
	}
	return NULL;
}

static void
shoot_zones(struct kafka *kafka)
{
	struct kafka_manifest manifest;
	char reason[STORE_REASON_SIZE];

	while (!atomic_load(&kafka->stop)) {
		struct kafka_shot *shot;
		pthread_mutex_lock(&kafka->mutex);
		struct kafka_zone *at = next_shot(kafka, false, &shot);
		pthread_mutex_unlock(&kafka->mutex);
		if (!at)
			return;
		uint64_t begun_ms = clock_monotonic_ms();
		reason[0] = '\0';
		enum status status = shoot_one(kafka, at, shot, &manifest, reason);
		if (status == STATUS_OK)
			log_info("snapshot", "zone=%s version=%llu records=%llu chunks=%u ms=%llu", at->text,
				 (unsigned long long)manifest.version, (unsigned long long)manifest.records,
				 manifest.chunks, (unsigned long long)(clock_monotonic_ms() - begun_ms));
		else if (status != STATUS_EXISTS)
			log_limited(LOG_LEVEL_ERROR, "snapshot failed", "zone=%s reason=%s", at->text, reason);
		end_shot(kafka, at, shot, status, &manifest, reason);
	}
}

/* ---- the log that was read, again ---- */

/* After a broker error or a change of leader: is the partition's last record still what it was? NOT_FOUND: no. */
static enum status
same_record(struct kafka *kafka, int32_t number)
{
	uint8_t kept[DIGEST_SHA256_SIZE], now[DIGEST_SHA256_SIZE];
	char reason[STORE_REASON_SIZE];
	int64_t low, high;

	pthread_mutex_lock(&kafka->mutex);
	int64_t offset = number < kafka->partition_room ? kafka->partitions[number].last_offset : KAFKA_NONE;
	if (offset != KAFKA_NONE)
		memcpy(kept, kafka->partitions[number].last, sizeof kept);
	pthread_mutex_unlock(&kafka->mutex);
	if (offset == KAFKA_NONE)
		return STATUS_OK;
	enum status status = kafka_client_bounds(kafka, kafka->updates_topic, number, &low, &high, reason);
	if (status || offset < low) /* expired: there is nothing to compare */
		return status;
	status = kafka_reader_digest(kafka, number, offset, now, reason);
	if (!status && memcmp(kept, now, sizeof now) != 0) {
		snprintf(reason, sizeof reason, "another record is there");
		status = STATUS_NOT_FOUND;
	}
	if (status == STATUS_NOT_FOUND)
		log_error("another log", "store=%s topic=%s partition=%d offset=%lld reason=%s", kafka->store.name,
			  kafka->updates_topic, (int)number, (long long)offset, reason);
	return status;
}

static void
check_log(struct kafka *kafka)
{
	uint64_t doubts = atomic_load(&kafka->doubts), now_ms = clock_monotonic_ms();
	enum status status = STATUS_OK;

	if (doubts == kafka->doubts_checked || now_ms - kafka->doubts_checked_ms < DOUBT_MS ||
	    !atomic_load(&kafka->store.connected) || atomic_load(&kafka->store.silent_partitions) > 0)
		return;
	kafka->doubts_checked_ms = now_ms;
	for (int32_t i = 0; i < kafka->partition_count && !status && !atomic_load(&kafka->stop); i++)
		status = same_record(kafka, i);
	if (!status || status == STATUS_NOT_FOUND) /* else it is asked again */
		kafka->doubts_checked = doubts;
	if (status != STATUS_NOT_FOUND)
		return;
	atomic_store(&kafka->mistrust, true);
	kafka_wake_poll(kafka);
}

/* Others take the place of producers of which one has failed for good; what they had is in doubt. */
static void
renew_producers(struct kafka *kafka)
{
	char reason[STORE_REASON_SIZE];

	atomic_store(&kafka->producer_broken, false);
	for (int kind = 0; kind < KAFKA_PRODUCERS; kind++) {
		struct kafka_producer fresh, old = kafka->producers[kind];
		if (kafka_client_producer(kafka, (enum kafka_client_kind)kind, &fresh, reason) != STATUS_OK)
			continue;
		pthread_rwlock_wrlock(&kafka->producer_lock);
		kafka->producers[kind] = fresh;
		pthread_rwlock_unlock(&kafka->producer_lock);
		kafka_client_end_producer(&old);
	}
}

/* ---- local copies ---- */

void
kafka_worker_flush(struct kafka *kafka)
{
	atomic_store(&kafka->flushed_ms, clock_monotonic_ms());
	if (warm_flush(kafka->warm) == STATUS_OK)
		return;
	pthread_mutex_lock(&kafka->mutex); /* nothing is noted meanwhile */
	struct chains_walk walk = {0};
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		at->mirrored = at->mirroring && at->mirrored;
	warm_reset(kafka->warm);
	pthread_mutex_unlock(&kafka->mutex);
}

static void
begin_mirrors(struct kafka *kafka)
{
	char reason[STORE_REASON_SIZE];
	struct kafka_shot *shot;

	while (!atomic_load(&kafka->stop)) {
		pthread_mutex_lock(&kafka->mutex);
		struct kafka_zone *at = next_shot(kafka, true, &shot);
		pthread_mutex_unlock(&kafka->mutex);
		if (!at)
			return;
		struct warm_place place = {.partition = shot->place.partition,
					   .offset = shot->place.offset,
					   .version = shot->version->version};
		memcpy(place.last, shot->place.last, sizeof place.last);
		enum status status = warm_begin(kafka->warm, at->zone, shot->version, &place, reason);
		if (status)
			log_limited(LOG_LEVEL_WARNING, "local copy not begun", "zone=%s reason=%s", at->text, reason);
		pthread_mutex_lock(&kafka->mutex);
		at->mirrored = at->mirrored && !status;
		at->mirroring = false;
		warm_unpark(kafka->warm, at->zone);
		pthread_cond_broadcast(&kafka->drop_news);
		pthread_mutex_unlock(&kafka->mutex);
		kafka_worker_free_shot(shot);
		atomic_store(&kafka->store.round, true); /* its content and window are to be kept */
	}
}

/* ---- the thread ---- */

/* A zone that cannot be served may have got a snapshot that fits. */
static void
try_unusable(struct kafka *kafka)
{
	struct chains_walk walk = {0};

	pthread_mutex_lock(&kafka->mutex);
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		if (at->phase == KAFKA_UNUSABLE && !at->opening && !at->opened && !at->dropped) {
			at->distrust = true;
			kafka_want_open(kafka, at);
		}
	pthread_mutex_unlock(&kafka->mutex);
}

/* A snapshot that is due is taken by the follower's next round. */
static bool
look_at_due(struct kafka *kafka)
{
	uint64_t now_ms = clock_monotonic_ms();
	bool due = false;
	struct chains_walk walk = {0};

	pthread_mutex_lock(&kafka->mutex);
	for (const struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		due = due || (!at->shooting && (at->shot_asked || (at->due_ms && at->due_ms <= now_ms)));
	pthread_mutex_unlock(&kafka->mutex);
	return due;
}

void *
kafka_worker_run(void *context)
{
	struct kafka *kafka = context;
	bool again = false;

	while (!atomic_load(&kafka->stop)) {
		pthread_mutex_lock(&kafka->mutex);
		if (!kafka->worker_wanted && !atomic_load(&kafka->stop))
			wait_until(&kafka->worker_news, &kafka->mutex, clock_monotonic_ms() + TICK_MS);
		bool wanted = kafka->worker_wanted || again;
		kafka->worker_wanted = false;
		pthread_mutex_unlock(&kafka->mutex);
		if (wanted) {
			again = !open_zones(kafka);
			again = !kafka_fetch_all(kafka) || again;
			if (!again)
				shoot_zones(kafka);
			begin_mirrors(kafka);
		}
		if (clock_monotonic_ms() - atomic_load(&kafka->flushed_ms) >= FLUSH_MS)
			kafka_worker_flush(kafka);
		uint64_t now_ms = clock_monotonic_ms();
		if (kafka->topics_checked && !again && now_ms - kafka->retention_checked_ms >= RETENTION_MS) {
			kafka->retention_checked_ms = now_ms;
			kafka_retention_look(kafka);
			try_unusable(kafka);
		}
		if (!again)
			check_log(kafka);
		if (atomic_load(&kafka->producer_broken) && now_ms - kafka->renewed_ms >= RENEW_MS) {
			kafka->renewed_ms = now_ms;
			renew_producers(kafka);
		}
		if (look_at_due(kafka)) {
			atomic_store(&kafka->store.round, true);
			kafka_wake_poll(kafka);
		}
	}
	return NULL;
}
