/* What the follower is handed: zones as they are opened, records, fates, barriers. */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES (8u << 20)

/* Under the mutex: built anew by the worker. */
static void
hold_zone(struct kafka *kafka, struct kafka_zone *at)
{
	at->phase = KAFKA_HELD;
	at->distrust = true;
	kafka_want_open(kafka, at);
}

/* ---- poll: what the last one left behind ---- */

/* Under the mutex: others read the array too. */
static void
grow_partitions(struct kafka *kafka, int32_t number)
{
	if (number < kafka->partition_room)
		return;
	int32_t room = number + 16;
	struct kafka_partition *partitions = realloc(kafka->partitions, (size_t)room * sizeof *partitions);
	invariant(partitions); /* some hundred octets */
	for (int32_t i = kafka->partition_room; i < room; i++)
		partitions[i] = (struct kafka_partition){
			.position = KAFKA_NONE, .last_offset = KAFKA_NONE, .end = KAFKA_NONE};
	kafka->partitions = partitions;
	kafka->partition_room = room;
}

/* The partition is read again from there. */
static void
rewind_to(struct kafka *kafka, int32_t number, int64_t offset)
{
	struct kafka_partition *partition = &kafka->partitions[number];

	if (partition->position != KAFKA_NONE && partition->position <= offset)
		return;
	partition->position = offset;
	kafka->reassign = true;
}

/*
 * Records that were handed out and not judged come again: where the follower had no memory for the batch (and has
 * told so: their
 * flights are over), and where it keeps the zone as it is.
 */
void
kafka_poll_finish(struct kafka *kafka)
{
	pthread_mutex_lock(&kafka->mutex);
	for (size_t i = 0; i < kafka->handed_count; i++) {
		struct kafka_zone *at = kafka->handed[i].at;
		struct kafka_flight *flight = kafka->handed[i].flight;
		if (!at)
			continue;
		if (at->phase == KAFKA_LIVE && at->next_offset <= kafka->handed[i].offset)
			rewind_to(kafka, at->partition, at->next_offset);
		if (flight && at->phase == KAFKA_LIVE)
			kafka_remove_flight(kafka, flight);
		else if (flight)
			flight->handed = false;
	}
	pthread_mutex_unlock(&kafka->mutex);
	for (size_t i = 0; i < kafka->message_count; i++)
		rd_kafka_message_destroy(kafka->messages[i]);
	kafka->message_count = kafka->handed_count = 0;
}

/* ---- poll: zones that the worker has opened ---- */

static void
begin_zone(struct kafka *kafka, struct kafka_zone *at, const struct kafka_opened *opened)
{
	at->had = at->version > at->had ? at->version : at->had;
	at->had = opened->had > at->had ? opened->had : at->had;
	at->partition = opened->partition;
	at->next_offset = opened->next_offset;
	at->target = opened->target;
	at->version = opened->draft.version->version;
	at->kept_changes = at->version > opened->manifest.version ? at->version - opened->manifest.version : 0;
	at->stopped = at->distrust = false;
	at->mirrored = opened->mirrored;
	at->verified_ms = opened->from_warm ? 0 : clock_monotonic_ms();
	at->verified_doubts = opened->doubts;
	at->ready = false;
	kafka_fetch_drop(at);
	grow_partitions(kafka, at->partition);
	if (opened->from_warm) {
		at->phase = KAFKA_HELD; /* the worker goes on trying */
		return;
	}
	at->phase = KAFKA_LIVE;
	struct kafka_partition *partition = &kafka->partitions[at->partition];
	if (partition->last_offset == KAFKA_NONE) { /* else a snapshot would wait for the next record */
		partition->last_offset = opened->begin.offset;
		memcpy(partition->last, opened->begin.last, sizeof partition->last);
	}
	rewind_to(kafka, at->partition, at->next_offset);
	kafka->unready_any = true;
}

static void
take_opened_one(struct kafka *kafka, struct kafka_zone *at, struct kafka_opened *opened, const struct store_sink *sink)
{
	if (opened->status) {
		at->phase = KAFKA_UNUSABLE;
		kafka_forget_flights(kafka, at->zone, sink);
		sink->unusable(sink->context, at->zone,
			       opened->status == STATUS_NOT_FOUND ? ZONE_DIVERGED : ZONE_FAILED, opened->reason);
	} else {
		begin_zone(kafka, at, opened);
		sink->loaded(sink->context, at->zone, &opened->draft, opened->replay);
		opened->replay = NULL; /* given, with the draft */
		if (opened->from_warm) {
			at->ready = true;
			sink->ready(sink->context, at->zone);
		}
	}
	kafka_worker_free_opened(opened);
}

static void
take_opened(struct kafka *kafka, const struct store_sink *sink)
{
	if (!atomic_exchange(&kafka->opened_any, false))
		return;
	pthread_mutex_lock(&kafka->mutex);
	struct chains_walk walk = {0};
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		struct kafka_opened *opened = at->opened;
		at->opened = NULL;
		if (!opened)
			continue;
		if (!opened->status) {
			at->manifest = opened->manifest;
			at->produce_partition = opened->partition;
		}
		take_opened_one(kafka, at, opened, sink);
	}
	pthread_mutex_unlock(&kafka->mutex);
}

/*
 * Read up to where the log ended when it was opened; what came of it has been judged: this is before the next
 * records.
 */
static void
be_ready(struct kafka *kafka, struct kafka_zone *at, const struct store_sink *sink)
{
	char reason[STORE_REASON_SIZE];

	at->ready = true;
	if (at->version == 0 && at->manifest.version > 0) {
		at->phase = KAFKA_UNUSABLE;
		snprintf(reason, sizeof reason,
			 "topic %s has a snapshot of it, of version %llu, and topic %s has none of its changes: made "
			 "anew?",
			 kafka->snapshots_topic, (unsigned long long)at->manifest.version, kafka->updates_topic);
		sink->unusable(sink->context, at->zone, ZONE_DIVERGED, reason);
		return;
	}
	if (at->version == 0 && at->had && !at->manifest.id[0]) {
		at->phase = KAFKA_UNUSABLE;
		snprintf(reason, sizeof reason,
			 "topics %s and %s hold nothing of it, and this gateway has had version %llu: topics made "
			 "anew, or brokers of another cluster? contrib/kafka/README.md says how to go on",
			 kafka->updates_topic, kafka->snapshots_topic, (unsigned long long)at->had);
		sink->unusable(sink->context, at->zone, ZONE_DIVERGED, reason);
		return;
	}
	at->had = 0;
	if (at->version == 0)
		sink->absent(sink->context, at->zone);
	sink->ready(sink->context, at->zone);
}

static void
take_ready(struct kafka *kafka, const struct store_sink *sink)
{
	if (!kafka->unready_any)
		return;
	kafka->unready_any = false;
	pthread_mutex_lock(&kafka->mutex);
	struct chains_walk walk = {0};
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		if (at->ready || at->phase != KAFKA_LIVE)
			continue;
		if (kafka->partitions[at->partition].position >= at->target)
			be_ready(kafka, at, sink);
		else
			kafka->unready_any = true;
	}
	pthread_mutex_unlock(&kafka->mutex);
}

/* ---- poll: content that zones wait for ---- */

static void
take_fetched(struct kafka *kafka)
{
	if (!atomic_exchange(&kafka->fetched_any, false))
		return;
	pthread_mutex_lock(&kafka->mutex);
	struct chains_walk walk = {0};
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		if (at->phase != KAFKA_FETCHING || !at->fetch->done)
			continue;
		if (at->fetch->replaced) {
			hold_zone(kafka, at);
			continue;
		}
		at->phase = KAFKA_LIVE;
		rewind_to(kafka, at->partition, at->next_offset);
		kafka->unready_any = true;
	}
	pthread_mutex_unlock(&kafka->mutex);
}

/* ---- poll: appends and barriers ---- */

/* Is something of the zone on its way that was appended before the barrier, and has not come? */
static bool
has_older(const struct kafka *kafka, const struct kafka_barrier *barrier)
{
	for (const struct kafka_flight *flight = kafka->oldest; flight && flight->serial <= barrier->serial;
	     flight = flight->newer)
		if (flight->append.zone == barrier->zone && !flight->handed)
			return true;
	return false;
}

/*
 * May it be answered? Not before what is served holds all that was read: a zone that is built anew is older than the
 * place in the log.
 */
static bool
is_reached(struct kafka *kafka, struct kafka_barrier *barrier)
{
	if (barrier->status)
		return true;
	if (barrier->partition >= kafka->partition_room ||
	    kafka->partitions[barrier->partition].position < barrier->target)
		return false;
	const struct kafka_zone *at = kafka_find(kafka, barrier->text, strlen(barrier->text));
	if (barrier->doubt) /* the record of a zone that is held may be there, and not judged */
		return !at || (at->phase != KAFKA_HELD && at->phase != KAFKA_FETCHING);
	if (!at || at->zone != barrier->zone || at->stopped) {
		barrier->status = at && at->stopped ? STATUS_STOP : STATUS_RETRY;
		return true;
	}
	return at->phase == KAFKA_LIVE && at->ready && !has_older(kafka, barrier);
}

/* Under the mutex: the barriers whose place has been reached, in a list of their own. */
static struct kafka_barrier *
reached(struct kafka *kafka)
{
	struct kafka_barrier *list = NULL;

	for (struct kafka_barrier **link = &kafka->waiting, *barrier; (barrier = *link);) {
		if (!is_reached(kafka, barrier)) {
			link = &barrier->next;
			continue;
		}
		*link = barrier->next;
		barrier->next = list;
		list = barrier;
	}
	return list;
}

/* Under the mutex: its record did not come, though the log was read to its end after the brokers had given up. */
static void
settle_doubt(struct kafka *kafka, const struct kafka_barrier *barrier)
{
	for (size_t i = 0; i < KAFKA_FLIGHT_BUCKETS; i++)
		for (struct kafka_flight *flight = kafka->flights[i]; flight; flight = flight->next)
			if (flight->append.tag == barrier->tag && flight->state == KAFKA_DOUBTFUL) {
				if (barrier->status && kafka_ask(kafka, barrier->partition, barrier->zone, barrier->tag,
								 true) == STATUS_OK)
					return; /* asked again until the brokers answer */
				flight->state = KAFKA_LOST;
				atomic_store(&kafka->lost_any, true);
				return;
			}
}

/* Before the next records are handed out: those before the barrier have been judged by now. True if there were any. */
static bool
take_barriers(struct kafka *kafka, const struct store_sink *sink)
{
	if (!atomic_load_explicit(&kafka->waiting_any, memory_order_acquire))
		return false;
	pthread_mutex_lock(&kafka->mutex);
	struct kafka_barrier *list = reached(kafka);
	bool any = list != NULL;
	for (struct kafka_barrier *barrier = list; barrier; barrier = barrier->next)
		if (barrier->doubt)
			settle_doubt(kafka, barrier);
	atomic_store(&kafka->waiting_any, kafka->waiting != NULL);
	pthread_mutex_unlock(&kafka->mutex);
	for (struct kafka_barrier *next; list; list = next) {
		next = list->next;
		if (!list->doubt)
			sink->barrier(sink->context, list->tag, list->status);
		free(list);
	}
	return any;
}

static void
take_lost(struct kafka *kafka, const struct store_sink *sink)
{
	if (!atomic_exchange(&kafka->lost_any, false))
		return;
	pthread_mutex_lock(&kafka->mutex);
	for (size_t i = 0; i < KAFKA_FLIGHT_BUCKETS; i++)
		for (struct kafka_flight *flight = kafka->flights[i], *next; flight; flight = next) {
			next = flight->next;
			if (flight->state != KAFKA_LOST || flight->handed)
				continue;
			if (flight->append.content)
				draft_drop(flight->append.content);
			sink->failed(sink->context, flight->append.tag, STATUS_RETRY, flight->reason);
			kafka_remove_flight(kafka, flight);
		}
	pthread_mutex_unlock(&kafka->mutex);
}

/* ---- poll: records ---- */

static void
assign(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(kafka->partition_room);

	kafka->reassign = false;
	for (int32_t i = 0; i < kafka->partition_room; i++)
		if (kafka->partitions[i].position != KAFKA_NONE)
			rd_kafka_topic_partition_list_add(list, kafka->updates_topic, i)->offset =
				kafka->partitions[i].position;
	rd_kafka_resp_err_t error = rd_kafka_assign(kafka->consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (error) {
		kafka->reassign = true;
		log_limited(LOG_LEVEL_ERROR, "partitions not assigned", "store=%s reason=%s", kafka->store.name,
			    rd_kafka_err2str(error));
	}
}

/* Zones of a partition whose log is not what it was. partition KAFKA_NONE: all. */
static void
hold_zones(struct kafka *kafka, int32_t partition)
{
	struct chains_walk walk = {0};

	pthread_mutex_lock(&kafka->mutex);
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		if ((at->phase == KAFKA_LIVE || at->phase == KAFKA_FETCHING) &&
		    (partition == KAFKA_NONE || at->partition == partition))
			hold_zone(kafka, at);
	pthread_mutex_unlock(&kafka->mutex);
}

static void
take_error(struct kafka *kafka, const rd_kafka_message_t *message)
{
	struct kafka_partition *partition;

	switch (message->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		partition = &kafka->partitions[message->partition];
		if (message->offset > partition->position && partition->position != KAFKA_NONE)
			partition->position = message->offset;
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		log_limited(LOG_LEVEL_ERROR, "place in the log is gone", "store=%s topic=%s partition=%d reason=%s",
			    kafka->store.name, kafka->updates_topic, (int)message->partition,
			    rd_kafka_message_errstr(message));
		hold_zones(kafka, message->partition);
		kafka->partitions[message->partition].position = KAFKA_NONE;
		kafka->reassign = true;
		break;
	default:
		atomic_fetch_add(&kafka->doubts, 1);
		log_limited(LOG_LEVEL_WARNING, "broker", "store=%s reason=%s", kafka->store.name,
			    rd_kafka_message_errstr(message));
		break;
	}
}

/*
 * Our own record is known by its bytes, never by its offset: the first of its kind that is on its way and has not
 * come yet.
 */
static struct kafka_flight *
match_flight(struct kafka *kafka, const rd_kafka_message_t *message, const struct zone *zone)
{
	uint64_t hash = hash_bytes(message->payload, message->len);

	for (struct kafka_flight *flight = *kafka_flight_slot(kafka, hash); flight; flight = flight->next)
		if (flight->hash == hash && flight->append.zone == zone && flight->append.size == message->len &&
		    !flight->handed && memcmp(flight->append.record, message->payload, message->len) == 0)
			return flight;
	return NULL;
}

/* Under the mutex. */
static void
hand_out(struct kafka *kafka, const rd_kafka_message_t *message, struct kafka_zone *at, const struct store_sink *sink)
{
	struct store_record record = {.zone = at->zone,
				      .record = message->payload,
				      .size = message->len,
				      .position = (uint64_t)message->offset};

	if (!record.record) /* a tombstone has no place here: it is no change */
		record.record = (const uint8_t *)"";
	struct kafka_flight *flight = kafka->flight_count ? match_flight(kafka, message, at->zone) : NULL;
	if (flight) {
		record.change = flight->append.change;
		record.tag = flight->append.tag;
		record.content = flight->append.content;
		flight->handed = true;
		flight->append.content = NULL; /* given; should the record come again, its chunks are loaded */
	}
	kafka->handed[kafka->handed_count++] = (struct kafka_handed){at, message->offset, flight};
	sink->record(sink->context, &record);
}

/* True if the message was handed out: it is kept until the next poll. */
static bool
take_message(struct kafka *kafka, const rd_kafka_message_t *message, const struct store_sink *sink)
{
	if (message->err) {
		take_error(kafka, message);
		return false;
	}
	struct kafka_partition *partition = &kafka->partitions[message->partition];
	if (partition->position == KAFKA_NONE || message->offset < partition->position)
		return false;
	pthread_mutex_lock(&kafka->mutex);
	partition->position = message->offset + 1;
	partition->last_offset = message->offset;
	digest_sha256(message->payload, message->len, partition->last);
	struct kafka_zone *at = message->key ? kafka_find(kafka, message->key, message->key_len) : NULL;
	bool wanted = at && at->phase == KAFKA_LIVE && at->partition == message->partition &&
		      message->offset >= at->next_offset;
	if (wanted)
		hand_out(kafka, message, at, sink);
	pthread_mutex_unlock(&kafka->mutex);
	return wanted;
}

static void
consume(struct kafka *kafka, const struct store_sink *sink, int timeout_ms)
{
	size_t bytes = 0;

	for (unsigned taken = 0; taken < KAFKA_BATCH && bytes < BATCH_BYTES; taken++) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka->consumer, taken ? 0 : timeout_ms);
		if (!message)
			break;
		if (take_message(kafka, message, sink)) {
			kafka->messages[kafka->message_count++] = message;
			bytes += message->len;
		} else {
			rd_kafka_message_destroy(message);
		}
		if (kafka->reassign)
			break;
	}
}

void
kafka_poll(struct store *store, const struct store_sink *sink, int timeout_ms)
{
	struct kafka *kafka = kafka_of(store);

	kafka_poll_finish(kafka);
	if (atomic_exchange(&kafka->mistrust, false))
		hold_zones(kafka, KAFKA_NONE);
	take_opened(kafka, sink);
	take_fetched(kafka);
	take_ready(kafka, sink);
	take_lost(kafka, sink);
	if (take_barriers(kafka, sink))
		timeout_ms = 0;
	if (kafka->reassign)
		assign(kafka);
	consume(kafka, sink, kafka->unready_any && timeout_ms > 10 ? 10 : timeout_ms);
}

void
kafka_wake_poll(struct kafka *kafka)
{
	rd_kafka_queue_yield(kafka->consumer_queue);
}
