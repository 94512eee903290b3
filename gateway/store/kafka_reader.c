/* A part of a topic, read once. */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include "zone/change_json.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_MS 5000 /* nothing comes for so long: the brokers are away */

/* Of the ranges, the one that a message is in. */
static struct kafka_range *
range_of(struct kafka_range *ranges, size_t count, int32_t partition)
{
	for (size_t i = 0; i < count; i++)
		if (ranges[i].partition == partition)
			return &ranges[i];
	return NULL;
}

static size_t
unread(const struct kafka_range *ranges, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += ranges[i].from < ranges[i].to;
	return left;
}

static bool
assign(rd_kafka_t *client, const char *topic, const struct kafka_range *ranges, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		if (ranges[i].from < ranges[i].to)
			rd_kafka_topic_partition_list_add(list, topic, ranges[i].partition)->offset = ranges[i].from;
	rd_kafka_resp_err_t error = rd_kafka_assign(client, list);
	rd_kafka_topic_partition_list_destroy(list);
	return !error;
}

static enum status
take(struct kafka_range *ranges, size_t count, const rd_kafka_message_t *message, kafka_reader_fn *each, void *context,
     char *reason)
{
	struct kafka_range *range = range_of(ranges, count, message->partition);
	enum status status = STATUS_OK;

	switch (message->err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		if (range && message->offset >= range->from && message->offset < range->to)
			status = each(context, message);
		if (range && message->offset >= range->from)
			range->from = message->offset + 1;
		return status;
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		if (range && message->offset > range->from)
			range->from = message->offset;
		if (range && range->from < range->to &&
		    message->offset < range->to) { /* the log is shorter than it was */
			snprintf(reason, STORE_REASON_SIZE, "partition %d ends at offset %lld", (int)message->partition,
				 (long long)message->offset);
			return STATUS_RETRY;
		}
		return STATUS_OK;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		snprintf(reason, STORE_REASON_SIZE, "partition %d: offset %lld is not in the log",
			 (int)message->partition, range ? (long long)range->from : -1LL);
		return STATUS_NOT_FOUND;
	default:
		return STATUS_OK; /* librdkafka goes on by itself; silence is noticed */
	}
}

enum status
kafka_reader_read(struct kafka *kafka, const char *topic, const struct kafka_range *ranges, size_t count,
		  kafka_reader_fn *each, void *context, char *reason)
{
	rd_kafka_t *client;
	struct kafka_range *left = calloc(count + 1, sizeof *left);
	enum status status = left ? STATUS_OK : STATUS_NO_MEMORY;

	if (status)
		return status;
	memcpy(left, ranges, count * sizeof *left);
	if (unread(left, count) == 0) {
		free(left);
		return STATUS_OK;
	}
	status = kafka_client_new(kafka, KAFKA_READER, &client, reason);
	if (status) {
		free(left);
		return status;
	}
	if (!assign(client, topic, left, count))
		status = STATUS_RETRY;
	uint64_t heard_ms = clock_monotonic_ms();
	while (!status && unread(left, count)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
		uint64_t now_ms = clock_monotonic_ms();
		if (message) {
			bool good = !message->err;
			status = take(left, count, message, each, context, reason);
			rd_kafka_message_destroy(message);
			if (good || status)
				heard_ms = now_ms;
		}
		if (!status && (now_ms - heard_ms > SILENCE_MS || atomic_load(&kafka->stop))) {
			snprintf(reason, STORE_REASON_SIZE, "topic %s: nothing comes from the brokers", topic);
			status = STATUS_RETRY;
		}
	}
	rd_kafka_consumer_close(client);
	rd_kafka_destroy(client);
	free(left);
	return status;
}

/* ---- one record ---- */

struct one {
	int64_t offset;
	bool found;
	uint8_t *out;
};

static enum status
take_one(void *context, const rd_kafka_message_t *message)
{
	struct one *one = context;

	if (message->offset == one->offset) {
		digest_sha256(message->payload, message->len, one->out);
		one->found = true;
	}
	return STATUS_OK;
}

enum status
kafka_reader_digest(struct kafka *kafka, int32_t partition, int64_t offset, uint8_t out[DIGEST_SHA256_SIZE],
		    char *reason)
{
	struct kafka_range range = {partition, offset, offset + 1};
	struct one one = {offset, false, out};
	int64_t low, high;

	enum status status = kafka_client_bounds(kafka, kafka->updates_topic, partition, &low, &high, reason);
	if (status)
		return status;
	if (offset < low || offset >= high) {
		snprintf(reason, STORE_REASON_SIZE, "partition %d has offsets %lld to %lld, not %lld", (int)partition,
			 (long long)low, (long long)high - 1, (long long)offset);
		return STATUS_NOT_FOUND;
	}
	status = kafka_reader_read(kafka, kafka->updates_topic, &range, 1, take_one, &one, reason);
	if (!status && !one.found) {
		snprintf(reason, STORE_REASON_SIZE, "partition %d has nothing at offset %lld", (int)partition,
			 (long long)offset);
		status = STATUS_NOT_FOUND;
	}
	return status;
}

/* ---- the first record of a zone ---- */

#define FIRST_RECORDS 100000 /* of all zones: enough to say what is missing, and not for ever */

struct first {
	const struct zone *zone;
	struct arena arena;
	uint64_t base;
};

static enum status
take_first(void *context, const rd_kafka_message_t *message)
{
	struct first *first = context;
	struct change change;
	char reason[CHANGE_JSON_REASON_SIZE];
	size_t length = strlen(first->zone->text);

	if (message->key_len != length || memcmp(message->key, first->zone->text, length) != 0 || !message->payload)
		return STATUS_OK;
	arena_reset(&first->arena);
	if (change_json_decode(message->payload, message->len, first->zone->name, &first->arena, &change, reason) !=
	    STATUS_OK)
		return STATUS_OK;
	first->base = change.base;
	return STATUS_EXISTS; /* enough */
}

bool
kafka_reader_first_base(struct kafka *kafka, int32_t partition, int64_t low, int64_t high, const struct zone *zone,
			uint64_t *base)
{
	struct kafka_range range = {partition, low, high - low > FIRST_RECORDS ? low + FIRST_RECORDS : high};
	struct first first = {.zone = zone};
	char reason[STORE_REASON_SIZE];

	arena_init(&first.arena, 16u << 20);
	enum status status =
		kafka_reader_read(kafka, kafka->updates_topic, &range, 1, take_first, &first, reason);
	arena_free(&first.arena);
	if (status != STATUS_EXISTS)
		return false;
	*base = first.base;
	return true;
}
