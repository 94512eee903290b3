#include "store/kafka_internal.h"
#include "store/follower.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/wait.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERIFIED_MS 30000 /* so that brokers which fail all the time do not make a zone begin anew all the time */
#define SNAPSHOT_MS 120000 /* zonegatectl snapshot waits for it */
#define MIRROR_EVERY 4000 /* changes: what a warm start replays at most */

/* ---- zones ---- */

static uint64_t
zone_hash(const struct chain *entry)
{
	const struct kafka_zone *at = (const struct kafka_zone *)entry;

	return hash_bytes(at->text, at->text_length);
}

struct kafka_zone *
kafka_find(struct kafka *kafka, const char *text, size_t length)
{
	for (struct chain *entry = chains_first(&kafka->zones, hash_bytes(text, length)); entry; entry = entry->next) {
		struct kafka_zone *at = (struct kafka_zone *)entry;
		if (at->text_length == length && memcmp(at->text, text, length) == 0)
			return at;
	}
	return NULL;
}

/* Under the mutex. */
void
kafka_want_open(struct kafka *kafka, struct kafka_zone *at)
{
	if (!at->opening) {
		at->opening = true;
		at->next_opening = NULL;
		*kafka->opening_end = at;
		kafka->opening_end = &at->next_opening;
	}
	kafka->worker_wanted = true;
	pthread_cond_signal(&kafka->worker_news);
}

static enum status
add_zone(struct kafka *kafka, struct kafka_zone *at)
{
	if (!at->text)
		return STATUS_NO_MEMORY;
	if (kafka_find(kafka, at->text, at->text_length))
		return STATUS_EXISTS;
	if (!chains_add(&kafka->zones, &at->chain, zone_hash))
		return STATUS_NO_MEMORY;
	kafka_want_open(kafka, at);
	return STATUS_OK;
}

static enum status
kafka_add_zone(struct store *store, struct zone *zone)
{
	struct kafka *kafka = kafka_of(store);
	struct kafka_zone *at = calloc(1, sizeof *at);

	if (!at)
		return STATUS_NO_MEMORY;
	at->zone = zone;
	at->text = strdup(zone->text);
	at->text_length = strlen(zone->text);
	at->partition = at->produce_partition = KAFKA_NONE;
	pthread_mutex_lock(&kafka->mutex);
	enum status status = add_zone(kafka, at);
	pthread_mutex_unlock(&kafka->mutex);
	if (status) {
		free(at->text);
		free(at);
	}
	return status;
}

static void
free_zone(struct kafka_zone *at)
{
	kafka_worker_free_opened(at->opened);
	kafka_worker_free_opened(at->kept);
	kafka_fetch_drop(at);
	kafka_worker_free_shot(at->shot);
	kafka_worker_free_shot(at->mirror_shot);
	free(at->text);
	free(at);
}

static void
kafka_drop_zone(struct store *store, struct zone *zone)
{
	struct kafka *kafka = kafka_of(store);

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	while (at && (at->opening || at->shooting || at->mirroring || at->fetching)) {
		/* the worker looks at `dropped` between two steps */
		at->dropped = kafka->dropping = true;
		pthread_cond_signal(&kafka->worker_news);
		pthread_cond_wait(&kafka->drop_news, &kafka->mutex);
	}
	if (at) {
		chains_remove(&kafka->zones, &at->chain, zone_hash);
		kafka_forget_flights(kafka, zone, NULL);
		pthread_cond_broadcast(&kafka->drop_news);
	}
	pthread_mutex_unlock(&kafka->mutex);
	if (!at)
		return;
	for (size_t i = 0; i < kafka->handed_count; i++)
		if (kafka->handed[i].at == at)
			kafka->handed[i] = (struct kafka_handed){0};
	if (at->known_here)
		warm_drop(kafka->warm, zone);
	free_zone(at);
}

/* ---- any thread ---- */

static void
kafka_wake(struct store *store)
{
	kafka_wake_poll(kafka_of(store));
}

/* ---- commit: positions are noted, nothing is written ---- */

/* The local copy takes all but a removal, after which it begins anew. */
static void
mirror(struct kafka *kafka, struct kafka_zone *at, int64_t offset, const struct store_fate *fate)
{
	const struct store_record *record = fate->record;
	struct warm_place place = {.partition = at->partition, .offset = offset, .version = fate->version};

	if (!at->mirrored)
		return;
	digest_sha256(record->record, record->size, place.last);
	bool ops = memmem(record->record, record->size, "\"ops\":[", 7),
	     removed = memmem(record->record, record->size, "\"removed\":true", 14);
	bool snapshot = !ops && memmem(record->record, record->size, "\"snapshot\":{", 12);
	at->mirrored = (ops || !removed) && warm_note(kafka->warm, fate, &place, snapshot, at->mirroring);
	at->mirror_changes++;
}

/* Its manifest stays, so that what it was is not taken for what it is. */
static void
take_removal(struct kafka *kafka, struct kafka_zone *at, int64_t offset, const struct store_fate *fate)
{
	struct kafka_place place = {.partition = at->partition, .offset = offset};

	digest_sha256(fate->record->record, fate->record->size, place.last);
	if (at->shot)
		kafka_worker_free_shot(at->shot);
	else if (at->shooting)
		return; /* at work on an older one: the log still has the removal */
	at->shot = kafka_worker_removal(fate, &place);
	at->shooting = at->shot != NULL;
	kafka->worker_wanted = true;
	pthread_cond_signal(&kafka->worker_news);
}

static void
note_fate(struct kafka *kafka, struct kafka_handed *handed, const struct store_fate *fate)
{
	struct kafka_zone *at = handed->at;

	if (handed->flight) {
		if (fate->fate == REPLAY_APPLIED && fate->version == 1)
			at->own_first = true;
		kafka_remove_flight(kafka, handed->flight);
		handed->flight = NULL;
	}
	if (fate->fate == REPLAY_UNKNOWN)
		at->stopped = true;
	if (!at->stopped)
		at->next_offset = handed->offset + 1;
	if (fate->fate != REPLAY_APPLIED)
		return;
	at->version = fate->version;
	at->kept_changes++;
	if (memmem(fate->record->record, fate->record->size, "\"removed\":true}", 15))
		take_removal(kafka, at, handed->offset, fate);
	mirror(kafka, at, handed->offset, fate);
}

static enum status
kafka_commit(struct store *store, const struct store_fate *fates, size_t count, char *reason)
{
	struct kafka *kafka = kafka_of(store);
	size_t kept = 0;

	(void)reason;
	pthread_mutex_lock(&kafka->mutex);
	for (size_t i = 0, next = 0; i < count; i++) {
		struct kafka_handed *handed = &kafka->handed[next];
		while (next < kafka->handed_count && (!handed->at || handed->at->zone != fates[i].record->zone ||
						      (uint64_t)handed->offset != fates[i].record->position))
			handed = &kafka->handed[++next];
		invariant(next < kafka->handed_count);
		note_fate(kafka, handed, &fates[i]);
		handed->at = NULL; /* judged */
		next++;
		kept++;
	}
	pthread_mutex_unlock(&kafka->mutex);
	atomic_store(&store->position, atomic_load(&store->position) + kept);
	return STATUS_OK;
}

/*
 * A record of another history: skipped where ours was compared with the log, else compared first (events.md "A
 * change whose base").
 */
static enum replay_fate
kafka_diverged(struct store *store, const struct store_record *record)
{
	struct kafka *kafka = kafka_of(store);

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, record->zone->text, strlen(record->zone->text));
	bool verified = !at || (at->verified_ms && (at->verified_doubts == atomic_load(&kafka->doubts) ||
						    clock_monotonic_ms() - at->verified_ms < VERIFIED_MS));
	if (!verified && at->phase == KAFKA_LIVE) {
		at->phase = KAFKA_HELD;
		at->distrust = true;
		kafka_want_open(kafka, at);
	}
	pthread_mutex_unlock(&kafka->mutex);
	return verified ? REPLAY_SKIPPED : REPLAY_DIVERGED;
}

/* ---- snapshots ---- */

/* When the next one is due, for a zone that has changed since the last: 0 where it is not. */
static uint64_t
snapshot_due(struct kafka *kafka, const struct kafka_zone *at, const struct kafka_manifest *manifest)
{
	uint64_t now_ms = clock_monotonic_ms(), interval_ms = atomic_load(&kafka->snapshot_interval_ms);
	uint64_t age_ms = (clock_wall_us() - manifest->time_us) / 1000;
	uint32_t tenth_ms = (uint32_t)(interval_ms / 10 < 600000 ? interval_ms / 10 : 600000) + 1;

	if (!manifest->id[0] || manifest->version == 0) /* none, or one that says that the zone is new */
		return at->own_first ? now_ms : now_ms + 500 + random_below(tenth_ms < 5000 ? tenth_ms : 5000);
	if (at->kept_changes >= atomic_load(&kafka->snapshot_changes) || (at->kept_changes && age_ms >= interval_ms))
		return now_ms + random_below(tenth_ms);
	return 0;
}

/* The state is that of a place in the log; false: not at the moment. Under the mutex. */
static bool
current_place(struct kafka *kafka, const struct kafka_zone *at, const struct zone_version *version,
	      struct kafka_place *place)
{
	if (!at || at->phase != KAFKA_LIVE || !at->ready || at->stopped || version->version != at->version ||
	    at->opening)
		return false;
	const struct kafka_partition *partition = &kafka->partitions[at->partition];
	if (partition->last_offset == KAFKA_NONE || partition->position <= partition->last_offset ||
	    partition->position < at->next_offset)
		return false;
	*place = (struct kafka_place){.partition = at->partition, .offset = partition->last_offset};
	memcpy(place->last, partition->last, sizeof place->last);
	return true;
}

static void
take_shot(struct kafka *kafka, struct kafka_zone *at, const struct zone_version *version, const struct replay *replay,
	  const struct kafka_place *place)
{
	if (at->shooting)
		return;
	if (!at->due_ms)
		at->due_ms = snapshot_due(kafka, at, &at->manifest);
	if (at->shots_wanted == at->shots_done && !at->shot_asked && (!at->due_ms || at->due_ms > clock_monotonic_ms()))
		return;
	at->shot = kafka_worker_shot(version, replay, place);
	if (!at->shot)
		return;
	at->shot->asked = at->shots_wanted;
	at->shot->changes = at->kept_changes;
	at->shooting = true;
	at->shot_asked = false;
	at->due_ms = 0;
	at->kept_changes = 0;
	kafka->worker_wanted = true;
	pthread_cond_signal(&kafka->worker_news);
}

/* A local copy that is to begin; true: there is one, and its content may be kept. */
static bool
take_mirror(struct kafka *kafka, struct kafka_zone *at, const struct zone_version *version,
	    const struct kafka_place *place, bool idle)
{
	struct warm_place mark = {.partition = place->partition, .offset = place->offset, .version = version->version};

	if (!at->known_here || at->mirroring || !warm_history(kafka->warm))
		return false;
	if (!at->mirrored) {
		at->mirror_shot = kafka_worker_shot(version, NULL, place);
		at->mirrored = at->mirroring = at->mirror_shot != NULL;
		kafka->worker_wanted = true;
		pthread_cond_signal(&kafka->worker_news);
		return false;
	}
	if (!idle && at->mirror_changes < MIRROR_EVERY)
		return false;
	memcpy(mark.last, place->last, sizeof mark.last);
	warm_note_place(kafka->warm, at->zone, &mark);
	at->mirror_changes = 0;
	return true;
}

static void
kafka_checkpoint(struct store *store, struct zone *zone, const struct zone_version *version,
		 const struct replay *replay, bool idle)
{
	struct kafka *kafka = kafka_of(store);
	struct kafka_place place;
	bool keep = false;

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	if (current_place(kafka, at, version, &place)) {
		take_shot(kafka, at, version, replay, &place);
		keep = take_mirror(kafka, at, version, &place, idle);
	}
	pthread_mutex_unlock(&kafka->mutex);
	if (keep)
		warm_checkpoint(kafka->warm, zone, version, replay, idle);
}

static enum status
kafka_snapshot_now(struct store *store, struct zone *zone, char *reason)
{
	struct kafka *kafka = kafka_of(store);
	uint64_t until_ms = clock_monotonic_ms() + SNAPSHOT_MS;

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	unsigned wanted = at ? ++at->shots_wanted : 0;
	atomic_store(&store->round, true);
	kafka_wake_poll(kafka);
	bool late = false;
	while (at && (int)(at->shots_done - wanted) < 0 && !late) {
		late = !wait_until(&kafka->drop_news, &kafka->mutex, until_ms);
		at = kafka_find(kafka, zone->text, strlen(zone->text));
	}
	enum status status = !at ? STATUS_NOT_FOUND : late ? STATUS_TIMEOUT : at->shot_status;
	snprintf(reason, STORE_REASON_SIZE, "%s",
		 !at    ? "the zone is not served"
		 : late ? "the brokers do not take it"
			: at->shot_reason);
	pthread_mutex_unlock(&kafka->mutex);
	return status;
}

static enum status
kafka_save_snapshot(struct store *store, struct zone *zone, const struct zone_version *version, struct arena *arena,
		    struct change_snapshot *out, char *reason)
{
	char id[KAFKA_ID_TEXT];
	enum status status = kafka_write_chunks(kafka_of(store), zone, version, id, out, reason);

	if (!status && !(out->id = arena_text(arena, id)))
		status = STATUS_LIMIT;
	return status;
}

static enum status
kafka_load_snapshot(struct store *store, struct zone *zone, const struct change_snapshot *wanted, struct draft *draft,
		    char *reason)
{
	return kafka_fetch_content(kafka_of(store), zone, wanted, draft, reason);
}

/* ---- history: of what was applied here ---- */

/* The store that has it; NULL: not yet, it begins with what is served by then. */
static struct store *
history_of(struct kafka *kafka, const struct zone *zone)
{
	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	bool kept = at && at->mirrored && !at->mirroring;
	pthread_mutex_unlock(&kafka->mutex);
	if (!kept)
		return NULL;
	kafka_worker_flush(kafka);
	return warm_history(kafka->warm);
}

static enum status
kafka_read(struct store *store, struct zone *zone, uint64_t from, uint64_t to, store_entry_fn *each, void *context)
{
	struct store *history = history_of(kafka_of(store), zone);
	struct store_oldest now;

	if (history)
		return history->ops->read(history, zone, from, to, each, context);
	return follower_base(zone, &now.version, now.id) && from >= now.version ? STATUS_OK : STATUS_NOT_FOUND;
}

static void
kafka_oldest(struct store *store, struct zone *zone, struct store_oldest *oldest)
{
	struct store *history = history_of(kafka_of(store), zone);

	*oldest = (struct store_oldest){.version = UINT64_MAX};
	if (history)
		history->ops->oldest(history, zone, oldest);
	else if (!follower_base(zone, &oldest->version, oldest->id))
		oldest->version = UINT64_MAX;
}

static enum status
kafka_content_at(struct store *store, struct zone *zone, uint64_t version, struct draft *draft, char *reason)
{
	struct store *history = history_of(kafka_of(store), zone);
	enum status status = STATUS_NOT_FOUND;
	struct store_oldest oldest;

	kafka_oldest(store, zone, &oldest);
	if (history)
		status = history->ops->content_at(history, zone, version, draft, reason);
	else
		snprintf(reason, STORE_REASON_SIZE, "not kept, the history begins at version %llu",
			 (unsigned long long)oldest.version);
	size_t size = status ? strlen(reason) : 0;
	if (status == STATUS_NOT_FOUND && version < oldest.version)
		snprintf(reason + size, STORE_REASON_SIZE - size,
			 " (where this gateway's copy of the zone began; one that has run longer may have it)");
	return status;
}

/* ---- open and close ---- */

static void
free_kafka(struct kafka *kafka)
{
	for (int kind = 0; kind < KAFKA_PRODUCERS; kind++) /* before the consumer: their last reports wake its queue */
		kafka_client_end_producer(&kafka->producers[kind]);
	if (kafka->asker)
		rd_kafka_destroy(kafka->asker);
	if (kafka->consumer_queue)
		rd_kafka_queue_destroy(kafka->consumer_queue);
	if (kafka->consumer) {
		rd_kafka_consumer_close(kafka->consumer);
		rd_kafka_destroy(kafka->consumer);
	}
	struct chains_walk walk = {0};
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		kafka_forget_flights(kafka, at->zone, NULL);
		free_zone(at);
	}
	for (struct kafka_barrier *list[] = {kafka->asked, kafka->waiting}, **each = list; each < list + 2; each++)
		for (struct kafka_barrier *barrier = *each, *next; barrier; barrier = next) {
			next = barrier->next;
			free(barrier);
		}
	for (size_t i = 0; i < kafka->property_count; i++) {
		free((char *)(uintptr_t)kafka->properties[i].name);
		free((char *)(uintptr_t)kafka->properties[i].value);
	}
	kafka_snapshot_free(kafka);
	warm_close(kafka->warm);
	free(kafka->properties);
	free(kafka->partitions);
	chains_free(&kafka->zones);
	free(kafka->brokers);
	free(kafka->updates_topic);
	free(kafka->snapshots_topic);
	free(kafka->store.name);
	pthread_mutex_destroy(&kafka->mutex);
	pthread_rwlock_destroy(&kafka->producer_lock);
	pthread_cond_destroy(&kafka->worker_news);
	pthread_cond_destroy(&kafka->asker_news);
	pthread_cond_destroy(&kafka->drop_news);
	free(kafka);
}

static void
end_threads(struct kafka *kafka)
{
	atomic_store(&kafka->stop, true);
	pthread_mutex_lock(&kafka->mutex);
	pthread_cond_broadcast(&kafka->worker_news);
	pthread_cond_broadcast(&kafka->asker_news);
	pthread_mutex_unlock(&kafka->mutex);
	pthread_join(kafka->worker, NULL);
	pthread_join(kafka->prober, NULL);
	for (unsigned i = 0; i < kafka->asker_count; i++)
		pthread_join(kafka->askers[i], NULL);
}

static void
kafka_close(struct store *store)
{
	struct kafka *kafka = kafka_of(store);

	for (int kind = 0; kind < KAFKA_PRODUCERS; kind++)
		rd_kafka_flush(kafka->producers[kind].client, 1000);
	end_threads(kafka);
	kafka_poll_finish(kafka);
	free_kafka(kafka);
}

static const struct store_ops kafka_ops = {
	.type = "kafka",
	.add_zone = kafka_add_zone,
	.drop_zone = kafka_drop_zone,
	.append = kafka_append,
	.barrier = kafka_barrier,
	.poll = kafka_poll,
	.wake = kafka_wake,
	.commit = kafka_commit,
	.diverged = kafka_diverged,
	.checkpoint = kafka_checkpoint,
	.read = kafka_read,
	.oldest = kafka_oldest,
	.content_at = kafka_content_at,
	.load_snapshot = kafka_load_snapshot,
	.save_snapshot = kafka_save_snapshot,
	.snapshot_now = kafka_snapshot_now,
	.describe = kafka_describe,
	.trouble = kafka_describe_trouble,
	.close = kafka_close,
};

static bool
copy_settings(struct kafka *kafka, const char *name, const struct kafka_settings *settings)
{
	kafka->store.name = strdup(name);
	kafka->brokers = strdup(settings->brokers);
	kafka->updates_topic = strdup(settings->updates_topic);
	kafka->snapshots_topic = strdup(settings->snapshots_topic);
	atomic_store(&kafka->snapshot_changes, settings->snapshot_changes);
	atomic_store(&kafka->snapshot_interval_ms, settings->snapshot_interval_ms);
	kafka->create_topics = settings->create_topics;
	kafka->partitions_wanted = settings->partitions;
	kafka->replication_wanted = settings->replication;
	kafka->properties = calloc(settings->property_count + 1, sizeof *kafka->properties);
	if (!kafka->store.name || !kafka->brokers || !kafka->updates_topic || !kafka->snapshots_topic ||
	    !kafka->properties)
		return false;
	for (size_t i = 0; i < settings->property_count; i++) {
		kafka->properties[i] = (struct kafka_property){strdup(settings->properties[i].name),
							       strdup(settings->properties[i].value)};
		kafka->property_count++;
		if (!kafka->properties[i].name || !kafka->properties[i].value)
			return false;
	}
	return true;
}

static enum status
open_clients(struct kafka *kafka, char *reason)
{
	enum status status = kafka_client_new(kafka, KAFKA_ASKER, &kafka->asker, reason);

	if (!status)
		status = kafka_client_new(kafka, KAFKA_CONSUMER, &kafka->consumer, reason);
	if (status)
		return status;
	kafka->consumer_queue = rd_kafka_queue_get_consumer(kafka->consumer);
	for (int kind = 0; kind < KAFKA_PRODUCERS && !status; kind++)
		status = kafka_client_producer(kafka, (enum kafka_client_kind)kind, &kafka->producers[kind], reason);
	return status;
}

static enum status
start_threads(struct kafka *kafka)
{
	if (pthread_create(&kafka->worker, NULL, kafka_worker_run, kafka) != 0)
		return STATUS_IO;
	if (pthread_create(&kafka->prober, NULL, kafka_probe_run, kafka) != 0) {
		atomic_store(&kafka->stop, true);
		pthread_join(kafka->worker, NULL);
		return STATUS_IO;
	}
	while (kafka->asker_count < KAFKA_ASKERS &&
	       pthread_create(&kafka->askers[kafka->asker_count], NULL, kafka_barrier_run, kafka) == 0)
		kafka->asker_count++;
	if (kafka->asker_count == KAFKA_ASKERS)
		return STATUS_OK;
	end_threads(kafka);
	return STATUS_IO;
}

/* What would lose changes sooner or later is refused at once, where the brokers can be asked. */
static enum status
refuse_retention(struct kafka *kafka, char *reason)
{
	char ignored[STORE_REASON_SIZE];

	if (kafka_client_topics(kafka, ignored) != STATUS_OK)
		return STATUS_OK; /* the worker says what is wrong */
	return kafka_retention_check(kafka, reason);
}

enum status
kafka_open(const char *name, const struct kafka_settings *settings, struct kv *kv, struct store **store, char *reason)
{
	struct kafka *kafka = calloc(1, sizeof *kafka);

	if (!kafka)
		return STATUS_NO_MEMORY;
	pthread_mutex_init(&kafka->mutex, NULL);
	pthread_rwlock_init(&kafka->producer_lock, NULL);
	wait_init(&kafka->worker_news);
	pthread_cond_init(&kafka->asker_news, NULL);
	wait_init(&kafka->drop_news);
	kafka->store.ops = &kafka_ops;
	kafka->opening_end = &kafka->opening_first;
	atomic_store(&kafka->margin_ms, -1);
	snprintf(reason, STORE_REASON_SIZE, "no memory");
	enum status status =
		copy_settings(kafka, name, settings) ? warm_open(name, kv, &kafka->warm, reason) : STATUS_NO_MEMORY;
	if (!status)
		status = open_clients(kafka, reason);
	if (!status)
		status = refuse_retention(kafka, reason);
	if (!status)
		status = start_threads(kafka);
	if (status)
		free_kafka(kafka);
	else
		*store = &kafka->store;
	return status;
}

void
kafka_set_snapshots(struct store *store, uint64_t changes, uint64_t interval_ms)
{
	atomic_store(&kafka_of(store)->snapshot_changes, changes);
	atomic_store(&kafka_of(store)->snapshot_interval_ms, interval_ms);
}

double
kafka_snapshot_age_s(struct store *store, const struct zone *zone)
{
	struct kafka *kafka = kafka_of(store);
	double age_s = -1;

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	if (at && at->manifest.id[0])
		age_s = (double)(clock_wall_us() - at->manifest.time_us) / 1e6;
	pthread_mutex_unlock(&kafka->mutex);
	return age_s;
}

double
kafka_retention_margin_s(struct store *store)
{
	int64_t margin_ms = atomic_load(&kafka_of(store)->margin_ms);
	return margin_ms < 0 ? -1 : (double)margin_ms / 1000;
}
