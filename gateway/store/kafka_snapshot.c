/* Manifests and chunks in the snapshots topic, read. */
#include "store/kafka_internal.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "zone/change_json.h"
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHELF_BUCKETS 1024
#define DAY_MS 86400000
#define READ_ON 30 /* rounds for a snapshot that was replaced while it was read */

/* ---- what the snapshots topic holds ---- */

struct shelf_chunk {
	uint8_t *bytes; /* NULL unless the zone is being opened */
	size_t size;
	bool there;
};

struct shelf_snapshot {
	struct shelf_snapshot *next;
	char id[KAFKA_ID_TEXT + 32];
	struct shelf_chunk *chunks;
	uint32_t room, count; /* count: of those that are there */
	int64_t newest_ms; /* of the youngest chunk */
	int32_t partition;
	bool replaced; /* a manifest named it, and a newer one does not */
};

struct shelf_zone {
	struct shelf_zone *next;
	char *text;
	bool wanted;
	struct kafka_manifest newest;
	uint8_t *manifest;
	size_t manifest_size; /* its bytes, if wanted */
	struct shelf_snapshot *snapshots;
};

struct kafka_shelf {
	struct shelf_zone *buckets[SHELF_BUCKETS];
	int64_t *next; /* by partition: the first offset that was not read */
	int32_t partitions;
	bool again; /* what was read is read again: not all of it was kept */
};

static struct kafka_shelf *
shelf_of(struct kafka *kafka)
{
	if (!kafka->shelf)
		kafka->shelf = calloc(1, sizeof *kafka->shelf);
	return kafka->shelf;
}

static struct shelf_zone *
shelf_zone(struct kafka_shelf *shelf, const char *text, size_t length, bool make)
{
	struct shelf_zone **slot = &shelf->buckets[hash_bytes(text, length) % SHELF_BUCKETS], *zone;

	while (*slot && (strlen((*slot)->text) != length || memcmp((*slot)->text, text, length) != 0))
		slot = &(*slot)->next;
	if (*slot || !make)
		return *slot;
	zone = calloc(1, sizeof *zone);
	if (!zone || !(zone->text = strndup(text, length))) {
		free(zone);
		return NULL;
	}
	return *slot = zone;
}

static struct shelf_snapshot *
shelf_snapshot(struct shelf_zone *zone, const char *id, size_t length, bool make)
{
	struct shelf_snapshot *snapshot = zone->snapshots;

	while (snapshot && (strlen(snapshot->id) != length || memcmp(snapshot->id, id, length) != 0))
		snapshot = snapshot->next;
	if (snapshot || !make || length >= sizeof snapshot->id)
		return snapshot;
	snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return NULL;
	memcpy(snapshot->id, id, length);
	snapshot->next = zone->snapshots;
	return zone->snapshots = snapshot;
}

static void
drop_values(struct shelf_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->room; i++) {
		free(snapshot->chunks[i].bytes);
		snapshot->chunks[i].bytes = NULL;
	}
}

static void
free_snapshot(struct shelf_snapshot *snapshot)
{
	drop_values(snapshot);
	free(snapshot->chunks);
	free(snapshot);
}

static void
forget_snapshot(struct shelf_zone *zone, struct shelf_snapshot *snapshot)
{
	struct shelf_snapshot **link = &zone->snapshots;

	while (*link != snapshot)
		link = &(*link)->next;
	*link = snapshot->next;
	free_snapshot(snapshot);
}

/* All that was read of the topic, but for which zones are wanted. */
static void
empty_shelf(struct kafka_shelf *shelf)
{
	for (size_t i = 0; i < SHELF_BUCKETS; i++)
		for (struct shelf_zone *zone = shelf->buckets[i]; zone; zone = zone->next) {
			while (zone->snapshots)
				forget_snapshot(zone, zone->snapshots);
			free(zone->manifest);
			zone->manifest = NULL;
			memset(&zone->newest, 0, sizeof zone->newest);
		}
}

void
kafka_snapshot_free(struct kafka *kafka)
{
	struct kafka_shelf *shelf = kafka->shelf;

	if (!shelf)
		return;
	empty_shelf(shelf);
	for (size_t i = 0; i < SHELF_BUCKETS; i++)
		for (struct shelf_zone *zone = shelf->buckets[i], *next; zone; zone = next) {
			next = zone->next;
			free(zone->text);
			free(zone);
		}
	free(shelf->next);
	free(shelf);
}

/* ---- manifests, read ---- */

static bool
get_number(const json_t *object, const char *key, int64_t *number)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*number = json_integer_value(value);
	return true;
}

static bool
get_hex(const json_t *object, const char *key, uint8_t *out, size_t size)
{
	const json_t *value = json_object_get(object, key);
	return json_is_string(value) && json_string_length(value) == 2 * size &&
	       bytes_from_hex(json_string_value(value), 2 * size, out);
}

/* What stands at the head of a manifest. */
static bool
read_head(const json_t *root, struct kafka_manifest *manifest)
{
	int64_t version, partition, offset, chunks, records = 0;
	const json_t *id = json_object_get(root, "snapshot"), *time = json_object_get(root, "time");

	if (!json_is_string(id) || json_string_length(id) == 0 || json_string_length(id) >= sizeof manifest->id ||
	    !get_number(root, "version", &version) || version < 0 || !get_number(root, "partition", &partition) ||
	    partition < 0 || partition > INT32_MAX || !get_number(root, "offset", &offset) || offset < KAFKA_NONE ||
	    !get_number(root, "chunks", &chunks) || chunks < 0 || chunks > 1000000)
		return false;
	*manifest = (struct kafka_manifest){.version = (uint64_t)version,
					    .chunks = (uint32_t)chunks,
					    .place = {.partition = (int32_t)partition, .offset = offset}};
	if (offset != KAFKA_NONE && !get_hex(root, "last", manifest->place.last, sizeof manifest->place.last))
		return false;
	memcpy(manifest->id, json_string_value(id), json_string_length(id));
	if (!get_number(root, "records", &records))
		records = (int64_t)json_array_size(json_object_get(root, "records"));
	manifest->records = (uint64_t)records;
	manifest->time_us = json_is_string(time) ? clock_from_text(json_string_value(time)) : 0;
	return true;
}

static json_t *
load_json(const uint8_t *bytes, size_t size)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)bytes, size, 0, &error);

	if (root && !json_is_object(root)) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

static enum status
take_manifest(struct kafka *kafka, struct shelf_zone *zone, const rd_kafka_message_t *message)
{
	struct kafka_manifest manifest;

	if (!message->payload) {
		memset(&zone->newest, 0, sizeof zone->newest);
		return STATUS_OK;
	}
	json_t *root = load_json(message->payload, message->len);
	bool good = root && read_head(root, &manifest);
	json_decref(root);
	if (!good) {
		log_limited(LOG_LEVEL_WARNING, "no manifest", "store=%s zone=%s topic=%s partition=%d offset=%lld",
			    kafka->store.name, zone->text, kafka->snapshots_topic, (int)message->partition,
			    (long long)message->offset);
		return STATUS_OK;
	}
	struct shelf_snapshot *old =
		zone->newest.id[0] ? shelf_snapshot(zone, zone->newest.id, strlen(zone->newest.id), false) : NULL;
	if (old && strcmp(old->id, manifest.id) != 0) {
		old->replaced = true;
		drop_values(old);
	}
	manifest.topic_partition = message->partition;
	zone->newest = manifest;
	free(zone->manifest);
	zone->manifest = NULL;
	if (!zone->wanted)
		return STATUS_OK;
	zone->manifest = malloc(message->len);
	if (!zone->manifest)
		return STATUS_NO_MEMORY;
	memcpy(zone->manifest, message->payload, message->len);
	zone->manifest_size = message->len;
	return STATUS_OK;
}

/* ---- chunks, read ---- */

static enum status
put_chunk(struct shelf_snapshot *snapshot, uint32_t number, const uint8_t *bytes, size_t size, bool keep)
{
	if (number >= snapshot->room) {
		uint32_t room = number * 2 + 16;
		struct shelf_chunk *chunks = realloc(snapshot->chunks, room * sizeof *chunks);
		if (!chunks)
			return STATUS_NO_MEMORY;
		memset(chunks + snapshot->room, 0, (room - snapshot->room) * sizeof *chunks);
		snapshot->chunks = chunks;
		snapshot->room = room;
	}
	struct shelf_chunk *chunk = &snapshot->chunks[number];
	snapshot->count -= chunk->there;
	snapshot->count += bytes != NULL;
	free(chunk->bytes);
	*chunk = (struct shelf_chunk){.there = bytes != NULL};
	if (!bytes || !keep)
		return STATUS_OK;
	chunk->bytes = malloc(size + 1);
	if (!chunk->bytes)
		return STATUS_NO_MEMORY;
	memcpy(chunk->bytes, bytes, size);
	chunk->size = size;
	return STATUS_OK;
}

/* ZONE/SNAPSHOT/N, read from the end: a zone's name may have slashes. False: it is no chunk. */
static bool
split_key(const char *key, size_t size, size_t *zone_length, const char **id, size_t *id_length, uint32_t *number)
{
	size_t at = size;
	uint64_t n = 0;

	while (at > 0 && key[at - 1] >= '0' && key[at - 1] <= '9')
		at--;
	if (at == size || size - at > 7 || at < 2 || key[at - 1] != '/')
		return false;
	for (size_t i = at; i < size; i++)
		n = n * 10 + (uint64_t)(key[i] - '0');
	size_t end = at - 1;
	for (at = end; at > 0 && key[at - 1] != '/'; at--)
		;
	if (at < 2 || at == end || key[at - 2] != '.')
		return false;
	*zone_length = at - 1;
	*id = key + at;
	*id_length = end - at;
	*number = (uint32_t)n;
	return n < 1000000;
}

static enum status
take_chunk(struct shelf_zone *zone, const rd_kafka_message_t *message, const char *id, size_t id_length,
	   uint32_t number)
{
	rd_kafka_timestamp_type_t type;
	struct shelf_snapshot *snapshot = shelf_snapshot(zone, id, id_length, message->payload != NULL);
	int64_t time_ms = rd_kafka_message_timestamp(message, &type);

	if (!snapshot)
		return message->payload ? STATUS_NO_MEMORY : STATUS_OK;
	snapshot->partition = message->partition;
	if (message->payload && time_ms > snapshot->newest_ms)
		snapshot->newest_ms = time_ms;
	enum status status = put_chunk(snapshot, number, message->payload, message->len, zone->wanted);
	if (snapshot->count == 0) /* its last tombstone: there is one snapshot more with every hour */
		forget_snapshot(zone, snapshot);
	return status;
}

static enum status
take_record(void *context, const rd_kafka_message_t *message)
{
	struct kafka *kafka = context;
	const char *key = message->key, *id;
	size_t zone_length = message->key_len, id_length;
	uint32_t number;
	enum status status = STATUS_OK;

	if (!key || message->key_len == 0 || message->key_len > 2048)
		return STATUS_OK;
	bool chunk = split_key(key, message->key_len, &zone_length, &id, &id_length, &number);
	if (chunk ? id_length > KAFKA_ID_TEXT + 30 : key[message->key_len - 1] != '.')
		return STATUS_OK;
	struct shelf_zone *zone = shelf_zone(kafka->shelf, key, zone_length, true);
	if (!zone)
		return STATUS_NO_MEMORY;
	status = chunk ? take_chunk(zone, message, id, id_length, number) : take_manifest(kafka, zone, message);
	kafka->shelf->next[message->partition] = message->offset + 1;
	return status;
}

static bool
is_whole(struct shelf_zone *zone, const struct kafka_manifest *manifest)
{
	if (manifest->chunks == 0)
		return true;
	const struct shelf_snapshot *snapshot = shelf_snapshot(zone, manifest->id, strlen(manifest->id), false);
	if (!snapshot || snapshot->room < manifest->chunks)
		return false;
	for (uint32_t i = 0; i < manifest->chunks; i++)
		if (!snapshot->chunks[i].there || (zone->wanted && !snapshot->chunks[i].bytes))
			return false;
	return true;
}

/* What is to be read; a topic that ends before the place that we are at was made anew. */
static void
begin_reading(struct kafka_shelf *shelf, struct kafka_range *ranges, int32_t count)
{
	bool anew = false;

	for (int32_t i = 0; i < count; i++)
		anew = anew || ranges[i].to < shelf->next[i];
	if (anew)
		empty_shelf(shelf);
	if (anew || shelf->again)
		memset(shelf->next, 0, (size_t)shelf->partitions * sizeof *shelf->next);
	shelf->again = false;
	for (int32_t i = 0; i < count; i++)
		if (shelf->next[i] > ranges[i].from)
			ranges[i].from = shelf->next[i];
}

static enum status
read_to_end(struct kafka *kafka, char *reason)
{
	struct kafka_shelf *shelf = kafka->shelf;
	int32_t count = kafka->snapshot_partition_count;
	struct kafka_range *ranges = calloc((size_t)count + 1, sizeof *ranges);
	enum status status = ranges ? STATUS_OK : STATUS_NO_MEMORY;

	for (int32_t i = 0; !status && i < count; i++) {
		ranges[i].partition = i;
		status = kafka_client_bounds(kafka, kafka->snapshots_topic, i, &ranges[i].from, &ranges[i].to, reason);
	}
	if (!status)
		begin_reading(shelf, ranges, count);
	if (!status)
		status = kafka_reader_read(kafka, kafka->snapshots_topic, ranges, (size_t)count, take_record, kafka,
					   reason);
	for (int32_t i = 0; !status && i < count; i++)
		shelf->next[i] = ranges[i].to > shelf->next[i] ? ranges[i].to : shelf->next[i];
	free(ranges);
	return status;
}

static bool
all_whole(struct kafka_shelf *shelf)
{
	for (size_t i = 0; i < SHELF_BUCKETS; i++)
		for (struct shelf_zone *zone = shelf->buckets[i]; zone; zone = zone->next)
			if (zone->wanted && zone->newest.id[0] && !is_whole(zone, &zone->newest))
				return false;
	return true;
}

enum status
kafka_snapshot_read(struct kafka *kafka, char *reason)
{
	struct kafka_shelf *shelf = shelf_of(kafka);
	int32_t count = kafka->snapshot_partition_count;

	if (!shelf)
		return STATUS_NO_MEMORY;
	if (count > shelf->partitions) {
		int64_t *next = realloc(shelf->next, (size_t)count * sizeof *next);
		if (!next)
			return STATUS_NO_MEMORY;
		memset(next + shelf->partitions, 0, (size_t)(count - shelf->partitions) * sizeof *next);
		shelf->next = next;
		shelf->partitions = count;
	}
	enum status status = read_to_end(kafka, reason);
	for (int round = 0; !status && round < READ_ON && !all_whole(shelf); round++) {
		struct timespec pause = {0, 100000000};
		nanosleep(&pause, NULL);
		status = read_to_end(kafka, reason);
	}
	return status;
}

bool
kafka_snapshot_newest(struct kafka *kafka, const char *text, struct kafka_manifest *manifest)
{
	struct shelf_zone *zone = kafka->shelf ? shelf_zone(kafka->shelf, text, strlen(text), false) : NULL;

	if (!zone || !zone->newest.id[0] || !is_whole(zone, &zone->newest))
		return false;
	*manifest = zone->newest;
	return true;
}

enum status
kafka_snapshot_want(struct kafka *kafka, const char *text, bool wanted)
{
	struct kafka_shelf *shelf = shelf_of(kafka);
	struct shelf_zone *zone = shelf ? shelf_zone(shelf, text, strlen(text), wanted) : NULL;

	if (!zone)
		return wanted ? STATUS_NO_MEMORY : STATUS_OK;
	shelf->again = shelf->again || (wanted && !zone->wanted);
	zone->wanted = wanted;
	if (wanted)
		return STATUS_OK;
	for (struct shelf_snapshot *snapshot = zone->snapshots; snapshot; snapshot = snapshot->next)
		drop_values(snapshot);
	free(zone->manifest);
	zone->manifest = NULL;
	return STATUS_OK;
}

enum status
kafka_snapshot_each_old(struct kafka *kafka, const char *text, const char *id, kafka_snapshot_old_fn *each,
			void *context)
{
	struct shelf_zone *zone = shelf_zone(kafka->shelf, text, strlen(text), false);
	int64_t now_ms = (int64_t)(clock_wall_us() / 1000);
	char key[NAME_TEXT_SIZE + KAFKA_ID_TEXT + 64];
	enum status status = STATUS_OK;

	for (struct shelf_snapshot *snapshot = zone ? zone->snapshots : NULL; snapshot; snapshot = snapshot->next) {
		bool replaced = snapshot->replaced || strcmp(snapshot->id, zone->newest.id) == 0;
		if (strcmp(snapshot->id, id) == 0 || (!replaced && now_ms - snapshot->newest_ms < DAY_MS))
			continue;
		for (uint32_t i = 0; !status && i < snapshot->room; i++) {
			if (!snapshot->chunks[i].there)
				continue;
			snprintf(key, sizeof key, "%s/%s/%u", text, snapshot->id, i);
			status = each(context, snapshot->partition, key);
		}
	}
	return status;
}

/* ---- content and window, read ---- */

struct window_reader {
	struct draft *draft;
	struct replay *replay;
	uint8_t (*ids)[VERSION_ID_SIZE];
	size_t id_count, id_room;
	char *reason;
};

static enum status
bad(struct window_reader *in, const char *what)
{
	snprintf(in->reason, STORE_REASON_SIZE, "its snapshot is damaged: %s", what);
	return STATUS_INVALID;
}

static enum status
read_names(struct window_reader *in, const json_t *names)
{
	const char *text;
	json_t *version;
	uint8_t owner[NAME_MAX_SIZE];

	json_object_foreach((json_t *)(uintptr_t)names, text, version)
	{
		if (name_from_text(text, strlen(text), in->draft->version->apex, owner) != STATUS_OK ||
		    !json_is_integer(version))
			return bad(in, "names");
		name_lower(owner, owner);
		enum status status = replay_restore_name(in->replay, owner, (uint64_t)json_integer_value(version));
		if (status)
			return status == STATUS_NO_MEMORY ? status : bad(in, "names");
	}
	return STATUS_OK;
}

static enum status
read_ids(struct window_reader *in, const json_t *ids)
{
	size_t count = json_array_size(ids);

	if (in->id_count + count > in->id_room) {
		size_t room = in->id_count + count;
		void *grown = realloc(in->ids, room * VERSION_ID_SIZE);
		if (!grown)
			return STATUS_NO_MEMORY;
		in->ids = grown;
		in->id_room = room;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *id = json_array_get(ids, i);
		if (!json_is_string(id) || json_string_length(id) != 2 * VERSION_ID_SIZE ||
		    !bytes_from_hex(json_string_value(id), 2 * VERSION_ID_SIZE, in->ids[in->id_count]))
			return bad(in, "ids");
		in->id_count++;
	}
	return STATUS_OK;
}

/* A chunk, or a small zone's manifest: records, and of the window what is in it. */
static enum status
read_part(struct window_reader *in, const uint8_t *bytes, size_t size)
{
	char why[CHANGE_JSON_REASON_SIZE] = "";
	enum status status = STATUS_OK;

	if (memmem(bytes, size, "\"records\":[", 11)) {
		status = change_json_read_chunk(bytes, size, in->draft, why);
		if (status)
			return status == STATUS_NO_MEMORY ? status : bad(in, why);
	}
	if (!memmem(bytes, size, "\"names\"", 7) && !memmem(bytes, size, "\"ids\"", 5))
		return STATUS_OK;
	json_t *root = load_json(bytes, size);
	if (!root)
		return bad(in, "no JSON");
	status = read_names(in, json_object_get(root, "names"));
	if (!status)
		status = read_ids(in, json_object_get(root, "ids"));
	json_decref(root);
	return status;
}

static enum status
restore_ids(struct window_reader *in, uint64_t version)
{
	for (size_t i = 0; i < in->id_count; i++) {
		uint64_t back = in->id_count - 1 - i;
		enum status status =
			back > version ? STATUS_OK : replay_restore_id(in->replay, version - back, in->ids[i]);
		if (status)
			return status;
	}
	return STATUS_OK;
}

static enum status
restore_head(struct window_reader *in, const json_t *root, const struct kafka_manifest *manifest)
{
	struct zone_version *version = in->draft->version;
	const json_t *until = json_object_get(root, "until");
	struct replay_state state = {.frozen = json_is_true(json_object_get(root, "frozen")),
				     .state_version = manifest->version,
				     .removed = json_is_true(json_object_get(root, "removed"))};
	int64_t all = 0, serial = 0;

	if (!get_number(root, "serial", &serial) || serial < 0 || serial > UINT32_MAX ||
	    !get_hex(root, "id", version->id, VERSION_ID_SIZE))
		return bad(in, "its manifest");
	(void)get_number(root, "all", &all);
	state.all = (uint64_t)all;
	if (json_is_string(until))
		state.until_us = clock_from_text(json_string_value(until));
	version->version = manifest->version;
	version->serial = (uint32_t)serial;
	version->time_us = manifest->time_us;
	version->frozen = state.frozen;
	enum status status = replay_restore(in->replay, &state);
	return status ? status : replay_restore_id(in->replay, manifest->version, version->id);
}

static enum status
check_digest(struct window_reader *in, const struct shelf_snapshot *snapshot, uint32_t count, const json_t *root)
{
	uint8_t wanted[DIGEST_SHA256_SIZE], sum[DIGEST_SHA256_SIZE];
	struct digest *digest = digest_new();

	if (!digest)
		return STATUS_NO_MEMORY;
	for (uint32_t i = 0; i < count; i++)
		digest_update(digest, snapshot->chunks[i].bytes, snapshot->chunks[i].size);
	digest_finish(digest, sum);
	return get_hex(root, "sha256", wanted, sizeof wanted) && memcmp(wanted, sum, sizeof sum) == 0
		       ? STATUS_OK
		       : bad(in, "sha256 of its chunks");
}

static enum status
read_parts(struct window_reader *in, struct shelf_zone *zone, const struct kafka_manifest *manifest, const json_t *root)
{
	if (manifest->chunks == 0)
		return read_part(in, zone->manifest, zone->manifest_size);
	struct shelf_snapshot *snapshot = shelf_snapshot(zone, manifest->id, strlen(manifest->id), false);
	enum status status = check_digest(in, snapshot, manifest->chunks, root);
	for (uint32_t i = 0; !status && i < manifest->chunks; i++) {
		status = read_part(in, snapshot->chunks[i].bytes, snapshot->chunks[i].size);
		free(snapshot->chunks[i].bytes); /* a large zone is not kept twice */
		snapshot->chunks[i].bytes = NULL;
	}
	return status;
}

enum status
kafka_snapshot_content(struct kafka *kafka, const char *text, const struct kafka_manifest *manifest,
		       struct draft *draft, struct replay *replay, char *reason)
{
	struct shelf_zone *zone = shelf_zone(kafka->shelf, text, strlen(text), false);
	struct window_reader in = {.draft = draft, .replay = replay, .reason = reason};

	if (!zone || !zone->manifest)
		return bad(&in, "its manifest is gone");
	json_t *root = load_json(zone->manifest, zone->manifest_size);
	enum status status = root ? restore_head(&in, root, manifest) : bad(&in, "its manifest");
	if (!status)
		status = read_parts(&in, zone, manifest, root);
	if (!status)
		status = restore_ids(&in, manifest->version);
	json_decref(root);
	free(in.ids);
	return status;
}

/* ---- snapshot changes ---- */

struct fetch {
	struct shelf_zone zone;
	const char *text;
	const struct change_snapshot *wanted;
};

static enum status
fetch_record(void *context, const rd_kafka_message_t *message)
{
	struct fetch *fetch = context;
	size_t zone_length, id_length;
	const char *id;
	uint32_t number;

	if (!message->key || !message->payload ||
	    !split_key(message->key, message->key_len, &zone_length, &id, &id_length, &number) ||
	    zone_length != strlen(fetch->text) || memcmp(message->key, fetch->text, zone_length) != 0 ||
	    id_length != strlen(fetch->wanted->id) || memcmp(id, fetch->wanted->id, id_length) != 0 ||
	    number >= fetch->wanted->chunks)
		return STATUS_OK;
	return take_chunk(&fetch->zone, message, id, id_length, number);
}

static enum status
read_fetched(struct fetch *fetch, struct draft *draft, char *reason)
{
	struct shelf_snapshot *snapshot = fetch->zone.snapshots;
	struct window_reader in = {.draft = draft, .reason = reason};
	uint8_t sum[DIGEST_SHA256_SIZE];
	char why[CHANGE_JSON_REASON_SIZE] = "";
	struct digest *digest = digest_new();
	enum status status = STATUS_OK;

	if (!digest)
		return STATUS_NO_MEMORY;
	for (uint32_t i = 0; i < fetch->wanted->chunks; i++)
		digest_update(digest, snapshot->chunks[i].bytes, snapshot->chunks[i].size);
	digest_finish(digest, sum);
	if (memcmp(sum, fetch->wanted->sha256, sizeof sum) != 0)
		return bad(&in, "sha256 of its chunks");
	for (uint32_t i = 0; !status && i < fetch->wanted->chunks; i++)
		status = change_json_read_chunk(snapshot->chunks[i].bytes, snapshot->chunks[i].size, draft, why);
	if (status)
		snprintf(reason, STORE_REASON_SIZE, "%s", why);
	return status;
}

/* The chunks are somewhere in the partitions of the snapshots topic: all are read, and only these kept. */
enum status
kafka_snapshot_load(struct kafka *kafka, struct zone *zone, const struct change_snapshot *wanted, struct draft *draft,
		    char *reason)
{
	struct fetch fetch = {.zone = {.wanted = true}, .text = zone->text, .wanted = wanted};
	struct kafka_manifest like = {.chunks = wanted->chunks};
	int32_t count = kafka->snapshot_partition_count;
	struct kafka_range *ranges = calloc((size_t)count + 1, sizeof *ranges);
	enum status status = ranges ? STATUS_OK : STATUS_NO_MEMORY;

	for (int32_t i = 0; !status && i < count; i++) {
		ranges[i].partition = i;
		status = kafka_client_bounds(kafka, kafka->snapshots_topic, i, &ranges[i].from, &ranges[i].to, reason);
	}
	if (!status)
		status = kafka_reader_read(kafka, kafka->snapshots_topic, ranges, (size_t)count, fetch_record, &fetch,
					   reason);
	snprintf(like.id, sizeof like.id, "%s", wanted->id);
	if (!status && !is_whole(&fetch.zone, &like)) {
		snprintf(reason, STORE_REASON_SIZE, "the chunks of snapshot %.64s are not in topic %s", wanted->id,
			 kafka->snapshots_topic);
		status = STATUS_NOT_FOUND;
	}
	if (!status && wanted->chunks)
		status = read_fetched(&fetch, draft, reason);
	for (uint32_t i = 0; !status && i < wanted->chunks; i++)
		warm_put_chunk(kafka->warm, zone, wanted->id, i, fetch.zone.snapshots->chunks[i].bytes,
			       fetch.zone.snapshots->chunks[i].size);
	for (struct shelf_snapshot *snapshot = fetch.zone.snapshots, *next; snapshot; snapshot = next) {
		next = snapshot->next;
		free_snapshot(snapshot);
	}
	free(ranges);
	return status;
}
