/* Manifests and chunks, written. */
#include "store/kafka_internal.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "zone/change_json.h"
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_CHUNK 400000 /* names and ids are cut into chunks of this size */

/* Text that grows. */
struct text {
	char *base;
	size_t size, room;
	bool failed;
};

static void
put(struct text *out, const void *bytes, size_t size)
{
	if (out->failed || out->size + size > out->room) {
		size_t room = (out->size + size) * 2 + 1024;
		char *base = out->failed ? NULL : realloc(out->base, room);
		if (!base) {
			out->failed = true;
			return;
		}
		out->base = base;
		out->room = room;
	}
	memcpy(out->base + out->size, bytes, size);
	out->size += size;
}

static void PRINTF_LIKE(2, 3) putf(struct text *out, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	invariant(length >= 0 && (size_t)length < sizeof line);
	put(out, line, (size_t)length);
}

static void
put_string(struct text *out, const char *text)
{
	put(out, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(out, "\\", 1);
		put(out, text, 1);
	}
	put(out, "\"", 1);
}

static void
put_hex(struct text *out, const uint8_t *bytes, size_t size)
{
	char hex[2 * DIGEST_SHA256_SIZE + 1];

	bytes_to_hex(bytes, size, hex);
	putf(out, "\"%s\"", hex);
}

/* One snapshot on its way. */
struct writing {
	struct kafka *kafka;
	const char *zone;
	char id[KAFKA_ID_TEXT];
	int32_t partition;
	rd_kafka_t *client;
	rd_kafka_topic_t *topic;
	struct kafka_bulk bulk;
	struct digest *digest;
	uint32_t chunks;
	struct text first; /* the first chunk, held back: a small zone is in its manifest */
	bool first_sent;
	struct zone *local; /* its local copy gets the chunks too */
	char *reason;
};

static enum status
begin_writing(struct writing *out, struct kafka *kafka, const char *zone, char *reason)
{
	uint8_t id[16];

	*out = (struct writing){.kafka = kafka, .zone = zone, .reason = reason};
	random_bytes(id, sizeof id);
	bytes_to_hex(id, sizeof id, out->id);
	enum status status = kafka_client_new(kafka, KAFKA_BULK_PRODUCER, &out->client, reason);
	if (status)
		return status;
	out->topic = rd_kafka_topic_new(out->client, kafka->snapshots_topic, NULL);
	out->digest = digest_new();
	return out->topic && out->digest ? STATUS_OK : STATUS_NO_MEMORY;
}

static void
end_writing(struct writing *out)
{
	uint8_t sum[DIGEST_SHA256_SIZE];

	if (out->digest)
		digest_finish(out->digest, sum);
	if (out->topic)
		rd_kafka_topic_destroy(out->topic);
	if (out->client)
		rd_kafka_destroy(out->client);
	free(out->first.base);
}

/* bytes NULL: a tombstone. */
static enum status
send_record(struct writing *out, int32_t partition, const char *key, const void *bytes, size_t size)
{
	for (int attempt = 0; attempt < 600 && !out->bulk.failed && !atomic_load(&out->kafka->stop); attempt++) {
		if (rd_kafka_produce(out->topic, partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)bytes, size, key,
				     strlen(key), &out->bulk) == 0) {
			out->bulk.pending++;
			rd_kafka_poll(out->client, 0);
			return STATUS_OK;
		}
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(out->client, 100);
	}
	snprintf(out->reason, STORE_REASON_SIZE, "topic %s: %s", out->kafka->snapshots_topic,
		 out->bulk.failed ? out->bulk.reason : rd_kafka_err2str(rd_kafka_last_error()));
	return STATUS_RETRY;
}

/* Until everything is acknowledged. */
static enum status
settle(struct writing *out)
{
	while (out->bulk.pending && !atomic_load(&out->kafka->stop))
		rd_kafka_poll(out->client, 100);
	if (!out->bulk.pending && !out->bulk.failed)
		return STATUS_OK;
	snprintf(out->reason, STORE_REASON_SIZE, "topic %s: %s", out->kafka->snapshots_topic,
		 out->bulk.failed ? out->bulk.reason : "stopped");
	return STATUS_RETRY;
}

static enum status
send_chunk(struct writing *out, const void *bytes, size_t size)
{
	char key[NAME_TEXT_SIZE + KAFKA_ID_TEXT + 16];

	if (out->local)
		warm_put_chunk(out->kafka->warm, out->local, out->id, out->chunks, bytes, size);
	snprintf(key, sizeof key, "%s/%s/%u", out->zone, out->id, out->chunks++);
	digest_update(out->digest, bytes, size);
	return send_record(out, out->partition, key, bytes, size);
}

static enum status
send_first(struct writing *out)
{
	if (out->first_sent || out->first.size == 0)
		return STATUS_OK;
	out->first_sent = true;
	return send_chunk(out, out->first.base, out->first.size);
}

static enum status
on_chunk(void *context, uint32_t number, const uint8_t *chunk, size_t size)
{
	struct writing *out = context;

	if (number == 0) {
		put(&out->first, chunk, size);
		return out->first.failed ? STATUS_NO_MEMORY : STATUS_OK;
	}
	enum status status = send_first(out);
	return status ? status : send_chunk(out, chunk, size);
}

/* A walk over names and ids, in pieces. */
struct window_walk {
	const struct kafka_window *window;
	size_t name_at, id_at;
	const uint8_t *apex;
};

static bool
put_window(struct text *out, struct window_walk *walk, size_t limit)
{
	const struct kafka_window *window = walk->window;
	uint8_t owner[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];
	uint64_t version;
	bool first = true;

	put(out, "\"names\":{", 9);
	while (walk->name_at < window->names_size && out->size < limit) {
		const uint8_t *at = window->names + walk->name_at;
		memcpy(&version, at, 8);
		memcpy(owner, at + 9, at[8]);
		walk->name_at += 9u + at[8];
		if (!first)
			put(out, ",", 1);
		first = false;
		put_string(out, name_to_text_relative(owner, walk->apex, text));
		putf(out, ":%llu", (unsigned long long)version);
	}
	put(out, "},\"ids\":[", 9);
	for (first = true; walk->id_at < window->id_count && out->size < limit; first = false) {
		if (!first)
			put(out, ",", 1);
		put_hex(out, window->ids[walk->id_at++], VERSION_ID_SIZE);
	}
	put(out, "]", 1);
	return walk->name_at < window->names_size || walk->id_at < window->id_count;
}

static void
put_manifest_head(struct text *out, const struct writing *writing, const struct kafka_shot *shot, uint64_t time_us)
{
	const struct replay_state *state = &shot->window.state;
	char time[CLOCK_TEXT_SIZE];

	put(out, "{\"zone\":", 8);
	put_string(out, writing->zone);
	putf(out, ",\"snapshot\":\"%s\",\"version\":%llu,\"serial\":%u,\"id\":", writing->id,
	     (unsigned long long)shot->number, shot->serial);
	put_hex(out, shot->id, VERSION_ID_SIZE);
	putf(out, ",\"all\":%llu,\"frozen\":%s", (unsigned long long)state->all, state->frozen ? "true" : "false");
	if (state->frozen && state->until_us) {
		clock_to_text(state->until_us, time);
		putf(out, ",\"until\":\"%s\"", time);
	}
	if (state->removed)
		put(out, ",\"removed\":true", 15);
	putf(out, ",\"partition\":%d,\"offset\":%lld,\"last\":", (int)shot->place.partition,
	     (long long)shot->place.offset);
	put_hex(out, shot->place.last, sizeof shot->place.last);
	clock_to_text(time_us, time);
	putf(out, ",\"chunks\":%u,\"time\":\"%s\"", writing->chunks, time);
}

/* Everything in the manifest; false where it would be too large. */
static bool
put_inline(struct text *out, const struct writing *writing, const struct kafka_shot *shot, uint64_t time_us)
{
	struct window_walk walk = {.window = &shot->window, .apex = shot->version ? shot->version->apex : NULL};

	put_manifest_head(out, writing, shot, time_us);
	put(out, ",", 1);
	if (writing->first.size) /* {"records":[…]} without its braces */
		put(out, writing->first.base + 1, writing->first.size - 2);
	else
		put(out, "\"records\":[]", 12);
	put(out, ",", 1);
	bool more = put_window(out, &walk, KAFKA_INLINE_SIZE);
	put(out, "}", 1);
	return !more && out->size <= KAFKA_INLINE_SIZE && !out->failed;
}

static enum status
send_window(struct writing *out, const struct kafka_shot *shot)
{
	struct window_walk walk = {.window = &shot->window, .apex = shot->version->apex};
	enum status status = STATUS_OK;

	for (bool more = true; more && !status;) {
		struct text chunk = {0};
		put(&chunk, "{", 1);
		more = put_window(&chunk, &walk, WINDOW_CHUNK);
		put(&chunk, "}", 1);
		status = chunk.failed ? STATUS_NO_MEMORY : send_chunk(out, chunk.base, chunk.size);
		free(chunk.base);
	}
	return status;
}

static enum status
put_large(struct text *manifest, struct writing *out, const struct kafka_shot *shot, uint64_t time_us, uint64_t records)
{
	uint8_t sum[DIGEST_SHA256_SIZE];
	enum status status = send_first(out);

	if (!status)
		status = send_window(out, shot);
	if (!status)
		status = settle(out);
	if (status)
		return status;
	digest_finish(out->digest, sum);
	out->digest = NULL;
	manifest->size = 0;
	put_manifest_head(manifest, out, shot, time_us);
	putf(manifest, ",\"records\":%llu,\"sha256\":", (unsigned long long)records);
	put_hex(manifest, sum, sizeof sum);
	put(manifest, "}", 1);
	return manifest->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status
send_tombstone(void *context, int32_t partition, const char *key)
{
	return send_record(context, partition, key, NULL, 0);
}

static int32_t
topic_partition(struct kafka *kafka, const char *zone)
{
	struct kafka_manifest manifest;

	if (kafka_snapshot_newest(kafka, zone, &manifest))
		return manifest.topic_partition;
	return kafka_client_partition(zone, strlen(zone), kafka->snapshot_partition_count);
}

enum status
kafka_write_snapshot(struct kafka *kafka, const char *zone, const struct kafka_shot *shot,
		     struct kafka_manifest *manifest, char *reason)
{
	struct change_snapshot sum = {0};
	struct text text = {0};
	struct writing out;
	uint64_t time_us = clock_wall_us();
	enum status status = begin_writing(&out, kafka, zone, reason);

	out.partition = topic_partition(kafka, zone);
	if (!status && shot->version)
		status = change_json_chunks(shot->version, on_chunk, &out, &sum);
	if (!status && (out.chunks || !put_inline(&text, &out, shot, time_us)))
		status = put_large(&text, &out, shot, time_us, sum.records);
	if (!status)
		status = send_record(&out, out.partition, zone, text.base, text.size);
	if (!status)
		status = settle(&out);
	if (!status) {
		*manifest = (struct kafka_manifest){.topic_partition = out.partition,
						    .place = shot->place,
						    .version = shot->number,
						    .time_us = time_us,
						    .records = sum.records,
						    .chunks = out.chunks};
		memcpy(manifest->id, out.id, sizeof out.id);
		if (kafka_snapshot_each_old(kafka, zone, out.id, send_tombstone, &out) != STATUS_OK ||
		    settle(&out) != STATUS_OK)
			log_warning("old snapshot not removed", "zone=%s reason=%s", zone, reason);
	} else if (!reason[0]) {
		snprintf(reason, STORE_REASON_SIZE, "%s", status_text(status));
	}
	free(text.base);
	end_writing(&out);
	return status;
}

enum status
kafka_write_chunks(struct kafka *kafka, struct zone *zone, const struct zone_version *version, char id[KAFKA_ID_TEXT],
		   struct change_snapshot *out, char *reason)
{
	struct writing writing;

	reason[0] = '\0';
	if (kafka->snapshot_partition_count == 0) {
		snprintf(reason, STORE_REASON_SIZE, "the brokers cannot be reached");
		return STATUS_RETRY;
	}
	enum status status = begin_writing(&writing, kafka, zone->text, reason);
	writing.partition = kafka_client_partition(zone->text, strlen(zone->text), kafka->snapshot_partition_count);
	writing.local = zone;
	if (!status)
		status = change_json_chunks(version, on_chunk, &writing, out);
	if (!status)
		status = send_first(&writing);
	if (!status)
		status = settle(&writing);
	memcpy(id, writing.id, KAFKA_ID_TEXT);
	if (status && !reason[0])
		snprintf(reason, STORE_REASON_SIZE, "%s", status_text(status));
	end_writing(&writing);
	return status;
}
