/*
 * History and snapshots of layout zonegate, read from etcd by whoever asks, with a connection of its own. For helix and
 * skydns, where what others put has no record in etcd, and while etcd is away, the local copy has the history: of what
 * this gateway has seen.
 */
#include "store/etcd_native.h"
#include "base/bytes.h"
#include "base/random.h"
#include "zone/change_json.h"
#include "zone/serial.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_RECORDS 500
#define KEY_SIZE (1100 + NAME_TEXT_SIZE + 128)

/* One question: its own client. */
struct asker {
	struct etcd *etcd;
	struct etcd_client *client;
	struct etcd_text body;
	json_t *json;
	uint64_t revision;
	char text[NAME_TEXT_SIZE];
	char reason[ETCD_REASON_SIZE];
};

static enum status
ask_begin(struct asker *asker, struct store *store, const struct zone *zone)
{
	*asker = (struct asker){.etcd = (struct etcd *)store};
	etcd_layout_zone(zone->name, asker->text);
	return etcd_client_open(&asker->etcd->settings, &asker->client, asker->reason);
}

/*
 * Is the history to be had from the local copy? helix, skydns: always; else while etcd is away, of what was kept.
 * *history NULL: none yet.
 */
static bool
is_local(struct store *store, const struct zone *zone, struct store **history)
{
	struct etcd *etcd = (struct etcd *)store;
	bool only = etcd->settings.layout != ETCD_ZONEGATE;

	*history = only || !atomic_load(&store->connected) ? etcd_warm_history(etcd->warm, zone) : NULL;
	return only || *history;
}

static void
ask_end(struct asker *asker)
{
	if (asker->client)
		etcd_client_free(asker->client);
	json_decref(asker->json);
	etcd_text_free(&asker->body);
}

static void
make_key(const struct asker *asker, const char *kind, const char *rest, char *out)
{
	snprintf(out, KEY_SIZE, "%.1024s/%s/%s/%s", asker->etcd->settings.prefix, kind, asker->text, rest);
}

/* The body goes out; the answer is in asker->json. */
static enum status
ask(struct asker *asker, const char *path)
{
	json_decref(asker->json);
	asker->json = NULL;
	enum etcd_outcome outcome =
		etcd_client_wait(asker->client, path, &asker->body, &asker->json, &asker->revision, asker->reason);
	etcd_text_free(&asker->body);
	switch (outcome) {
	case ETCD_DONE: return STATUS_OK;
	case ETCD_COMPACTED: return STATUS_NOT_FOUND;
	case ETCD_REFUSED: return STATUS_REFUSED;
	case ETCD_DENIED: return STATUS_STOP;
	default: return STATUS_RETRY;
	}
}

/* ---- anchors ---- */

static bool
read_anchor(const json_t *range, struct etcd_place *place)
{
	struct etcd_kv kv;

	if (!etcd_client_first(range, &kv))
		return false;
	bool read = etcd_native_read_anchor(&kv, place);
	etcd_kv_free(&kv);
	return read;
}

/* How many records does the log hold, and at which version is it? */
static enum status
ask_log(struct asker *asker, uint64_t *count, uint64_t *version)
{
	char key[KEY_SIZE];
	struct etcd_text *body = &asker->body;
	struct etcd_kv kv;

	make_key(asker, "zones", "log/", key);
	ETCD_TEXT(body, "{\"success\":[{\"request_range\":{");
	etcd_text_range(body, key);
	make_key(asker, "zones", "count", key);
	ETCD_TEXT(body, ",\"count_only\":true}},{\"request_range\":{");
	etcd_text_key(body, key);
	ETCD_TEXT(body, "}}]}");
	enum status status = ask(asker, "/v3/kv/txn");
	if (status)
		return status;
	*count = etcd_client_number(etcd_client_range(asker->json, 0), "count");
	*version = 0;
	if (etcd_client_first(etcd_client_range(asker->json, 1), &kv)) {
		*version = kv.version;
		etcd_kv_free(&kv);
	}
	return STATUS_OK;
}

/* The last anchor at or before a version, or the first of all (wanted UINT64_MAX: no). */
static enum status
ask_anchor(struct asker *asker, uint64_t wanted, bool first, struct etcd_place *place)
{
	char key[KEY_SIZE], end[KEY_SIZE], rest[64];
	uint64_t count, version;

	enum status status = ask_log(asker, &count, &version);
	if (status)
		return status;
	*place = (struct etcd_place){0};
	if (count >= version)
		return STATUS_OK; /* the whole log is there: from nothing */
	make_key(asker, "zones", "anchors/", key);
	snprintf(rest, sizeof rest, "anchors/%020llu", first ? UINT64_MAX : (unsigned long long)wanted + 1);
	make_key(asker, "zones", rest, end);
	ETCD_TEXT(&asker->body, "{");
	etcd_text_key(&asker->body, key);
	ETCD_TEXT(&asker->body, ",");
	etcd_text_base64(&asker->body, "range_end", end, strlen(end));
	etcd_text_printf(&asker->body, ",\"limit\":\"1\",\"sort_order\":\"%s\",\"sort_target\":\"KEY\"}",
			 first ? "ASCEND" : "DESCEND");
	status = ask(asker, "/v3/kv/range");
	if (!status && !read_anchor(asker->json, place))
		status = STATUS_NOT_FOUND;
	return status;
}

void
etcd_history_oldest(struct store *store, struct zone *zone, struct store_oldest *oldest)
{
	struct store *history;
	struct asker asker;
	struct etcd_place place = {0};

	if (is_local(store, zone, &history)) {
		*oldest = (struct store_oldest){.version = UINT64_MAX};
		if (history)
			history->ops->oldest(history, zone, oldest);
		return;
	}
	if (ask_begin(&asker, store, zone) != STATUS_OK || ask_anchor(&asker, 0, true, &place) != STATUS_OK)
		place = (struct etcd_place){0};
	ask_end(&asker);
	*oldest = (struct store_oldest){.version = place.version};
	memcpy(oldest->id, place.id, VERSION_ID_SIZE);
}

/* ---- records ---- */

/* A page of the log after place->revision. */
static enum status
ask_records(struct asker *asker, const struct etcd_place *place)
{
	char key[KEY_SIZE];

	make_key(asker, "zones", "log/", key);
	ETCD_TEXT(&asker->body, "{");
	etcd_text_range(&asker->body, key);
	etcd_text_printf(
		&asker->body,
		",\"limit\":\"%d\",\"sort_order\":\"ASCEND\",\"sort_target\":\"MOD\",\"min_mod_revision\":\"%llu\"}",
		PAGE_RECORDS, (unsigned long long)place->revision + 1);
	return ask(asker, "/v3/kv/range");
}

/* The version that a record makes of the one before. */
static void
step(struct asker *asker, struct zone *zone, const struct etcd_kv *kv, struct arena *arena, struct etcd_place *place)
{
	struct change change;
	char reason[CHANGE_JSON_REASON_SIZE];

	(void)asker;
	change_id(place->id, (const uint8_t *)kv->value, kv->value_size, place->id);
	place->version++;
	place->revision = kv->revision;
	if (change_json_decode((const uint8_t *)kv->value, kv->value_size, zone->name, arena, &change, reason) ==
	    STATUS_OK) {
		place->serial = serial_next(place->serial, change.serial);
		for (size_t i = 0; i < change.op_count; i++)
			if (change.ops[i].rrset.type == TYPE_SOA && change.ops[i].rrset.count) {
				struct rdata soa = rrset_first(&change.ops[i].rrset);
				place->serial = rdata_soa_serial(soa.bytes, soa.size);
			}
	}
	arena_reset(arena);
}

static enum status
read_records(struct asker *asker, struct zone *zone, struct etcd_place *place, uint64_t from, uint64_t to,
	     store_entry_fn *each, void *context)
{
	enum status status = STATUS_OK;
	bool more = true;
	struct arena arena;

	arena_init(&arena, FOLLOWER_ARENA_SIZE);
	while (more && !status && place->version < to) {
		status = ask_records(asker, place);
		const json_t *kvs = json_object_get(asker->json, "kvs");
		more = json_array_size(kvs) > 0;
		for (size_t i = 0; i < json_array_size(kvs) && !status && place->version < to; i++) {
			struct etcd_kv kv;
			struct etcd_place known;
			if (!etcd_client_kv(json_array_get(kvs, i), &kv)) {
				status = STATUS_MALFORMED;
				break;
			}
			step(asker, zone, &kv, &arena, place);
			pthread_mutex_lock(&asker->etcd->mutex);
			struct etcd_zone *at = etcd_find(asker->etcd, zone->name);
			pthread_mutex_unlock(&asker->etcd->mutex);
			if (at && etcd_place_of(at, place->version, &known) && known.serial)
				place->serial = known.serial; /* snapshots have theirs in the content */
			struct store_entry entry = {.version = place->version,
						    .serial = place->serial,
						    .record = (uint8_t *)kv.value,
						    .size = kv.value_size};
			memcpy(entry.id, place->id, VERSION_ID_SIZE);
			if (place->version > from && !each(context, &entry))
				more = false, to = place->version;
			etcd_kv_free(&kv);
		}
	}
	arena_free(&arena);
	return status;
}

/* Where the reading starts: a place that is known here, else an anchor. */
static enum status
start_at(struct asker *asker, struct zone *zone, uint64_t version, struct etcd_place *place)
{
	pthread_mutex_lock(&asker->etcd->mutex);
	struct etcd_zone *at = etcd_find(asker->etcd, zone->name);
	pthread_mutex_unlock(&asker->etcd->mutex);
	if (at && etcd_place_of(at, version, place))
		return STATUS_OK;
	return ask_anchor(asker, version, false, place);
}

enum status
etcd_history_read(struct store *store, struct zone *zone, uint64_t from, uint64_t to, store_entry_fn *each,
		  void *context)
{
	struct store *history;
	struct asker asker;
	struct etcd_place place;

	if (is_local(store, zone, &history)) {
		return history ? history->ops->read(history, zone, from, to, each, context) : STATUS_NOT_FOUND;
	}
	enum status status = ask_begin(&asker, store, zone);
	if (!status)
		status = start_at(&asker, zone, from, &place);
	if (!status)
		status = read_records(&asker, zone, &place, from, to, each, context);
	ask_end(&asker);
	return status;
}

/* ---- content ---- */

struct wanted { uint64_t version; uint64_t time_us; bool found; };

static bool
find_version(void *context, const struct store_entry *entry)
{
	struct wanted *wanted = context;
	wanted->found = entry->version == wanted->version;
	return !wanted->found;
}

static enum status
read_names(struct asker *asker, uint64_t revision, struct draft *draft)
{
	char key[KEY_SIZE], reason[ETCD_LAYOUT_REASON_SIZE];
	struct etcd_text from = {0};
	enum status status;

	make_key(asker, "zones", "names/", key);
	do {
		ETCD_TEXT(&asker->body, "{");
		etcd_text_range_from(&asker->body, key, &from);
		etcd_text_printf(&asker->body, ",\"limit\":\"2000\",\"revision\":\"%llu\"}",
				 (unsigned long long)revision);
		status = ask(asker, "/v3/kv/range");
		const json_t *kvs = json_object_get(asker->json, "kvs");
		for (size_t i = 0; !status && i < json_array_size(kvs); i++) {
			struct etcd_kv kv;
			struct etcd_records records = {0};
			uint8_t owner[NAME_MAX_SIZE];
			if (!etcd_client_kv(json_array_get(kvs, i), &kv)) {
				status = STATUS_MALFORMED;
				break;
			}
			if (etcd_layout_name(kv.key + strlen(key), kv.key_size - strlen(key), owner, reason) ==
				    STATUS_OK &&
			    name_is_within(owner, draft->version->apex) &&
			    etcd_layout_read_names(kv.value, kv.value_size, &records, reason) == STATUS_OK)
				status = etcd_records_into(draft, owner, &records);
			etcd_records_free(&records);
			from.size = 0;
			etcd_text_put(&from, kv.key, kv.key_size + 1);
			etcd_kv_free(&kv);
		}
	} while (!status && json_is_true(json_object_get(asker->json, "more")));
	etcd_text_free(&from);
	return status;
}

/* etcd keeps old revisions until it compacts: the names as they were just before the next commit. */
enum status
etcd_history_content(struct store *store, struct zone *zone, uint64_t version, struct draft *draft, char *reason)
{
	struct store *history;
	struct asker asker;
	struct etcd_place place;
	struct wanted wanted = {.version = version};

	if (is_local(store, zone, &history)) {
		snprintf(reason, STORE_REASON_SIZE, "the local copy is not there yet");
		return history ? history->ops->content_at(history, zone, version, draft, reason) : STATUS_NOT_FOUND;
	}
	enum status status = ask_begin(&asker, store, zone);
	if (!status)
		status = start_at(&asker, zone, version, &place);
	if (!status && place.version < version)
		status = read_records(&asker, zone, &place, place.version, version, find_version, &wanted);
	if (!status && place.version != version)
		status = STATUS_NOT_FOUND;
	uint64_t revision = 0;
	if (!status) {
		status = ask_records(&asker, &place);
		struct etcd_kv next;
		revision = asker.revision;
		if (etcd_client_first(asker.json, &next)) {
			revision = next.revision - 1;
			etcd_kv_free(&next);
		}
	}
	if (!status)
		status = read_names(&asker, revision, draft);
	if (!status) {
		draft->version->version = version;
		draft->version->serial = place.serial;
		memcpy(draft->version->id, place.id, VERSION_ID_SIZE);
	} else {
		snprintf(reason, STORE_REASON_SIZE, "%.280s",
			 asker.reason[0] ? asker.reason : "etcd does not hold it any more");
	}
	ask_end(&asker);
	return status;
}

/* ---- snapshots ---- */

static void
chunk_key(const struct asker *asker, const char *id, uint32_t number, char *out)
{
	char rest[64];

	snprintf(rest, sizeof rest, "%.32s/%08u", id, number);
	make_key(asker, "chunks", rest, out);
}

enum status
etcd_history_load_snapshot(struct store *store, struct zone *zone, const struct change_snapshot *snapshot,
			   struct draft *draft, char *reason)
{
	struct asker asker;
	char key[KEY_SIZE], why[CHANGE_JSON_REASON_SIZE] = "the snapshot's chunks are not there";
	enum status status = ask_begin(&asker, store, zone);

	for (uint32_t i = 0; !status && i < snapshot->chunks; i++) {
		struct etcd_kv kv;
		chunk_key(&asker, snapshot->id, i, key);
		ETCD_TEXT(&asker.body, "{");
		etcd_text_key(&asker.body, key);
		ETCD_TEXT(&asker.body, "}");
		status = ask(&asker, "/v3/kv/range");
		if (!status && !etcd_client_first(asker.json, &kv))
			status = STATUS_NOT_FOUND;
		if (!status) {
			status = change_json_read_chunk((const uint8_t *)kv.value, kv.value_size, draft, why);
			etcd_kv_free(&kv);
		}
	}
	if (status)
		snprintf(reason, STORE_REASON_SIZE, "%.280s", asker.reason[0] ? asker.reason : why);
	ask_end(&asker);
	return status;
}

struct saver { struct asker *asker; const char *id; uint64_t lease; };

static enum status
save_chunk(void *context, uint32_t number, const uint8_t *chunk, size_t size)
{
	struct saver *saver = context;
	struct etcd_text *body = &saver->asker->body;
	char key[KEY_SIZE];

	chunk_key(saver->asker, saver->id, number, key);
	ETCD_TEXT(body, "{");
	etcd_text_key(body, key);
	ETCD_TEXT(body, ",");
	etcd_text_base64(body, "value", (const char *)chunk, size);
	etcd_text_printf(body, ",\"lease\":\"%llu\"}", (unsigned long long)saver->lease);
	return ask(saver->asker, "/v3/kv/put");
}

enum status
etcd_history_save_snapshot(struct store *store, struct zone *zone, const struct zone_version *version,
			   struct arena *arena, struct change_snapshot *out, char *reason)
{
	struct asker asker;
	uint8_t id[16];
	char text[33];
	struct saver saver = {&asker, text, 0};

	if (((struct etcd *)store)->settings.layout != ETCD_ZONEGATE) {
		snprintf(reason, STORE_REASON_SIZE,
			 "more than 900 kB: layouts helix and skydns have one transaction of etcd for a change, which "
			 "takes no "
			 "more; do it in parts (nsupdate), or use layout zonegate");
		return STATUS_UNSUPPORTED;
	}
	enum status status = ask_begin(&asker, store, zone);

	random_bytes(id, sizeof id);
	bytes_to_hex(id, sizeof id, text);
	if (!status) {
		etcd_text_printf(&asker.body, "{\"TTL\":\"%llu\"}",
				 (unsigned long long)asker.etcd->settings.keep_history_s);
		status = ask(&asker, "/v3/lease/grant");
		saver.lease = etcd_client_number(asker.json, "ID");
	}
	if (!status)
		status = change_json_chunks(version, save_chunk, &saver, out);
	if (!status) {
		out->id = arena_text(arena, text);
		status = out->id ? STATUS_OK : STATUS_LIMIT;
	}
	if (status)
		snprintf(reason, STORE_REASON_SIZE, "%.280s", asker.reason[0] ? asker.reason : status_text(status));
	ask_end(&asker);
	return status;
}
