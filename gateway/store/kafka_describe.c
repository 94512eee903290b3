/* What zonegatectl status says of the brokers and partitions. */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
describe_brokers(const struct rd_kafka_metadata *metadata, const struct store_view *view)
{
	char address[300];

	for (int i = 0; i < metadata->broker_cnt; i++) {
		snprintf(address, sizeof address, "%s:%d", metadata->brokers[i].host, metadata->brokers[i].port);
		view->broker(view->context, metadata->brokers[i].id, address);
	}
}

static int32_t
leader_of(const struct rd_kafka_metadata *metadata, int32_t partition)
{
	const rd_kafka_metadata_topic_t *topic = metadata && metadata->topic_cnt ? &metadata->topics[0] : NULL;

	for (int i = 0; topic && i < topic->partition_cnt; i++)
		if (topic->partitions[i].id == partition)
			return topic->partitions[i].leader;
	return -1;
}

/* Under the mutex. */
static uint64_t
zones_of(const struct kafka *kafka, int32_t partition)
{
	uint64_t zones = 0;

	struct chains_walk walk = {0};
	for (const struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		zones += at->produce_partition == partition;
	return zones;
}

static struct store_partition
look_at(const struct kafka *kafka, const struct rd_kafka_metadata *metadata, int32_t number)
{
	struct store_partition out = {.number = number,
				      .leader = leader_of(metadata, number),
				      .position = -1,
				      .end = -1,
				      .zones = zones_of(kafka, number)};

	if (number < kafka->partition_room) {
		out.position = kafka->partitions[number].position;
		out.end = kafka->partitions[number].end;
		out.silent = kafka->partitions[number].unheard;
	}
	if (out.position >= 0 && out.end < out.position) /* it was asked for up to a second ago */
		out.end = out.position;
	return out;
}

void
kafka_describe(struct store *store, const struct store_view *view)
{
	struct kafka *kafka = kafka_of(store);
	const struct rd_kafka_metadata *metadata = kafka_client_metadata(kafka->asker, kafka->updates_topic);

	if (metadata)
		describe_brokers(metadata, view);
	pthread_mutex_lock(&kafka->mutex);
	int32_t count = kafka->partition_count;
	struct store_partition *partitions = calloc((size_t)count + 1, sizeof *partitions);
	for (int32_t i = 0; partitions && i < count; i++)
		partitions[i] = look_at(kafka, metadata, i);
	pthread_mutex_unlock(&kafka->mutex);
	for (int32_t i = 0; partitions && i < count; i++)
		view->partition(view->context, &partitions[i]);
	free(partitions);
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
}

/* ---- what is wrong ---- */

#define SILENT_TEXT_SIZE 60
#define FAILED_MS 10000 /* a producer that has failed for good is not heard of more often */

/* "1 of 12 partitions do not answer"; empty: all do, or (as is said elsewhere) none. Under the mutex. */
static void
silent_text(const struct kafka *kafka, char text[SILENT_TEXT_SIZE])
{
	unsigned silent = atomic_load(&kafka->store.silent_partitions);

	text[0] = '\0';
	if (silent > 0 && atomic_load(&kafka->store.connected))
		snprintf(text, SILENT_TEXT_SIZE, "%u of %d partitions do not answer", silent,
			 (int)kafka->partition_count);
}

void
kafka_describe_trouble(struct store *store, char *reason)
{
	struct kafka *kafka = kafka_of(store);
	char silent[SILENT_TEXT_SIZE];

	pthread_mutex_lock(&kafka->mutex);
	silent_text(kafka, silent);
	pthread_mutex_unlock(&kafka->mutex);
	trouble_add_text(silent, reason);
	trouble_add(&kafka->opening, reason);
	trouble_add_recent(&kafka->producer_failed, FAILED_MS, reason);
}
