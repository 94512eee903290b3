/*
 * Layout zonegate (events.md "etcd"): a commit is one transaction, its record comes back through the watch.
 *
 *   zones/ZONE/names/REVERSED/OWNER   the RRsets of a name
 *   zones/ZONE/log/UNIQUE             a change, with a lease of the history's length
 *   zones/ZONE/count                  put by each commit: its version in etcd is the zone's version
 *   zones/ZONE/meta                   serial and version from which serials count, frozen, removed; every commit compares it
 *   zones/ZONE/anchors/VERSION        id, serial and revision of a version: where the kept log can be read from
 *   zones/ZONE/journal                a change whose record and count are in, while its names are being written
 *   chunks/ZONE/SNAPSHOT/N            content that a snapshot change refers to
 */
#include "store/etcd_internal.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include "zone/serial.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_KEYS 2000
#define PART_NAMES 100        /* of a journal: below etcd's 128 operations */
#define COMMIT_NAMES 110      /* more take the journal; the record, count, meta and journal need their places among 128 */
#define ANCHOR_EVERY 1000
#define LEASE_EVERY_MS 3600000
#define JOURNAL_PATIENCE_MS 500 /* of another gateway's before we complete it */
#define TOMBSTONES 20000

enum { PHASE_HEAD, PHASE_NAMES, PHASE_LOG, PHASE_JOURNAL };

static void list_page(struct etcd_zone *at);
static void journal_step(struct etcd_zone *at);

/* ---- names: what etcd holds ---- */

static struct etcd_name **
find_slot(const struct etcd_names *names, const uint8_t *name, size_t size)
{
	struct etcd_name **slot = &names->buckets[hash_bytes(name, size) & (names->bucket_count - 1)];

	while (*slot && ((*slot)->size != size || memcmp((*slot)->name, name, size) != 0))
		slot = &(*slot)->next;
	return slot;
}

static void
grow_names(struct etcd_names *names)
{
	size_t count = names->bucket_count ? names->bucket_count * 2 : 64;
	struct etcd_name **buckets = calloc(count, sizeof *buckets);

	invariant(buckets);
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			struct etcd_name **slot = &buckets[hash_bytes(name->name, name->size) & (count - 1)];
			name->next = *slot;
			*slot = name;
		}
	free(names->buckets);
	names->buckets = buckets;
	names->bucket_count = count;
}

/* The commit of a change that is evaluated on an older version must still see what was deleted meanwhile. */
static void
sweep_names(struct etcd_names *names, uint64_t before)
{
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name **slot = &names->buckets[i]; *slot;) {
			struct etcd_name *name = *slot;
			if (!name->deleted || name->revision >= before) {
				slot = &name->next;
				continue;
			}
			*slot = name->next;
			free(name);
			names->count--;
			names->deleted--;
		}
}

static void
note_name(struct etcd_names *names, const uint8_t *owner, uint64_t revision, bool deleted)
{
	size_t size = name_size(owner);

	if (names->count >= names->bucket_count)
		grow_names(names);
	struct etcd_name **slot = find_slot(names, owner, size), *name = *slot;
	if (!name) {
		name = malloc(sizeof *name + size);
		invariant(name);
		*name = (struct etcd_name){.size = (uint8_t)size};
		memcpy(name->name, owner, size);
		*slot = name;
		names->count++;
	}
	names->deleted += (size_t)deleted - (size_t)name->deleted;
	name->revision = revision;
	name->deleted = deleted;
}

static void
free_names(struct etcd_names *names)
{
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			free(name);
		}
	free(names->buckets);
	*names = (struct etcd_names){0};
}

static const struct etcd_name *
find_name(const struct etcd_names *names, const uint8_t *owner)
{
	return names->bucket_count ? *find_slot(names, owner, name_size(owner)) : NULL;
}

/* ---- keys ---- */

#define KEY_SIZE (1100 + NAME_TEXT_SIZE + ETCD_PATH_SIZE + 64)

static void
make_key(const struct etcd_zone *at, const char *rest, char *out)
{
	snprintf(out, KEY_SIZE, "%.1024s/zones/%s/%s", at->etcd->settings.prefix, at->text, rest);
}

static void
make_name_key(const struct etcd_zone *at, const uint8_t *owner, char *out)
{
	char path[ETCD_PATH_SIZE + 8] = "names/";

	etcd_layout_path(owner, path + 6);
	make_key(at, path, out);
}

static void
put_key(struct etcd_text *out, const struct etcd_zone *at, const char *rest)
{
	char key[KEY_SIZE];

	make_key(at, rest, key);
	etcd_text_key(out, key);
}

static void
put_unique(struct etcd_text *out, const struct etcd_zone *at, const char *unique)
{
	char rest[64];

	snprintf(rest, sizeof rest, "log/%.40s", unique);
	put_key(out, at, rest);
}

/* What follows "zones/ZONE/" in a key. */
static const char *
rest_of_key(const struct etcd_zone *at, const char *key)
{
	return key + strlen(at->etcd->settings.prefix) + sizeof "/zones/" - 1 + strlen(at->text) + 1;
}

/* ---- meta and anchors ---- */

struct meta { uint32_t serial; uint64_t version, until_us; bool frozen, removed; };

static bool
read_meta(const struct etcd_kv *kv, struct meta *meta)
{
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const char *until = json_string_value(json_object_get(json, "until"));

	*meta = (struct meta){
		.serial = (uint32_t)etcd_client_number(json, "serial"), .version = etcd_client_number(json, "version"),
		.frozen = json_is_true(json_object_get(json, "frozen")), .removed = json_is_true(json_object_get(json, "removed")),
		.until_us = until ? clock_from_text(until) : 0,
	};
	bool read = json != NULL;
	json_decref(json);
	return read;
}

static void
put_meta(struct etcd_text *out, const struct etcd_zone *at, const struct meta *meta)
{
	char value[200], until[CLOCK_TEXT_SIZE] = "", member[64] = "";

	if (meta->until_us) {
		clock_to_text(meta->until_us, until);
		snprintf(member, sizeof member, ",\"until\":\"%s\"", until);
	}
	int size = snprintf(value, sizeof value, "{\"serial\":%u,\"version\":%llu,\"frozen\":%s%s%s}", meta->serial,
	                    (unsigned long long)meta->version, meta->frozen ? "true" : "false", member, meta->removed ? ",\"removed\":true" : "");
	ETCD_TEXT(out, "{\"request_put\":{");
	put_key(out, at, "meta");
	ETCD_TEXT(out, ",");
	etcd_text_base64(out, "value", value, (size_t)size);
	ETCD_TEXT(out, "}}");
}

static bool
read_anchor(const struct etcd_kv *kv, struct etcd_place *place)
{
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const json_t *id = json_object_get(json, "id");

	place->version = etcd_client_number(json, "version");
	place->serial = (uint32_t)etcd_client_number(json, "serial");
	place->revision = etcd_client_number(json, "revision");
	bool read = json_string_length(id) == 2 * VERSION_ID_SIZE && bytes_from_hex(json_string_value(id), 2 * VERSION_ID_SIZE, place->id);
	json_decref(json);
	return read;
}

static void
on_anchor(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	(void)answer;
	if (etcd_came_back(at))
		at->anchoring = false;
}

/* All gateways write the same under the same key, so it does not matter who does. */
static void
write_anchor(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char rest[64], value[200], id[2 * VERSION_ID_SIZE + 1];
	const struct etcd_place *place = &at->place;

	bytes_to_hex(place->id, VERSION_ID_SIZE, id);
	snprintf(rest, sizeof rest, "anchors/%020llu", (unsigned long long)place->version);
	int size = snprintf(value, sizeof value, "{\"version\":%llu,\"serial\":%u,\"id\":\"%s\",\"revision\":%llu}",
	                    (unsigned long long)place->version, place->serial, id, (unsigned long long)place->revision);
	ETCD_TEXT(&body, "{");
	put_key(&body, at, rest);
	ETCD_TEXT(&body, ",");
	etcd_text_base64(&body, "value", value, (size_t)size);
	etcd_text_printf(&body, ",\"lease\":\"%llu\"}", (unsigned long long)at->etcd->lease);
	if (etcd_client_post(at->etcd->client, "/v3/kv/put", &body, ETCD_REQUEST_MS, on_anchor, at) == STATUS_OK) {
		at->calls++;
		at->anchoring = true;
		at->anchor_version = place->version;
		at->anchor_ms = clock_monotonic_ms();
	}
	etcd_text_free(&body);
}

/* ---- the list ---- */

static void
list_free(struct etcd_zone *at)
{
	if (at->draft.version)
		draft_drop(&at->draft);
	at->draft = (struct draft){0};
	at->from.size = 0;
}

static void
list_refused(struct etcd_zone *at, const char *reason)
{
	list_free(at);
	at->state = ETCD_ZONE_NEW;
	at->retry_ms = clock_monotonic_ms() + 10000;
	at->etcd->emitted = true;
	at->etcd->sink->unusable(at->etcd->sink->context, at->zone, ZONE_FAILED, reason);
}

/* The n-th answer of a transaction; its first key. False: nothing there. */
static bool
answer_kv(const json_t *txn, size_t n, struct etcd_kv *kv)
{
	const json_t *range = json_object_get(json_array_get(json_object_get(txn, "responses"), n), "response_range");
	const json_t *first = json_array_get(json_object_get(range, "kvs"), 0);

	return first && etcd_client_kv(first, kv);
}

static void
free_journal(struct etcd_journal *journal)
{
	free(journal->owners);
	free(journal->nodes);
	if (journal->version)
		version_unpin(journal->version);
	*journal = (struct etcd_journal){0};
}

static void
read_journal(struct etcd_zone *at, const struct etcd_kv *kv)
{
	struct etcd_journal *journal = &at->journal;
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const char *unique = json_string_value(json_object_get(json, "log"));

	if (unique && strcmp(unique, journal->unique) != 0) {
		free_journal(journal);
		snprintf(journal->unique, sizeof journal->unique, "%.32s", unique);
	}
	journal->revision = kv->revision;
	journal->next = etcd_client_number(json, "next");
	journal->cleared = json_is_true(json_object_get(json, "cleared"));
	journal->seen_ms = clock_monotonic_ms();
	journal->busy = false;
	json_decref(json);
}

static void
head_absent(struct etcd_zone *at, uint64_t revision)
{
	at->state = ETCD_ZONE_LIVE;
	at->revision = revision;
	at->place = (struct etcd_place){0};
	at->removed = false;
	etcd_note_place(at, revision);
	at->etcd->emitted = true;
	at->etcd->sink->absent(at->etcd->sink->context, at->zone);
	at->etcd->sink->ready(at->etcd->sink->context, at->zone);
}

static void
on_head(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	struct etcd_kv kv;
	struct meta meta = {0};

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	at->list = (struct etcd_place){.revision = answer->revision};
	at->list_state = (struct replay_state){0};
	at->count_revision = at->meta_revision = 0;
	free_journal(&at->journal);
	free_names(&at->names);
	if (answer_kv(answer->json, 0, &kv)) {
		at->list.version = kv.version;
		at->count_revision = kv.revision;
		etcd_kv_free(&kv);
	}
	if (!at->list.version) {
		head_absent(at, answer->revision);
		return;
	}
	if (answer_kv(answer->json, 1, &kv)) {
		at->meta_revision = kv.revision;
		if (!read_meta(&kv, &meta))
			log_error("meta key in etcd not understood", "zone=%s key=%s", at->zone->text, kv.key);
		etcd_kv_free(&kv);
	}
	if (answer_kv(answer->json, 2, &kv)) {
		read_journal(at, &kv);
		etcd_kv_free(&kv);
	}
	at->list_state = (struct replay_state){.all = at->list.version, .frozen = meta.frozen, .removed = meta.removed, .until_us = meta.until_us,
	                                       .state_version = at->list.version};
	at->removed = meta.removed;
	/* Where no anchor is left, nor the log behind it: the same for all who read. */
	at->list.serial = meta.serial + (uint32_t)(at->list.version - meta.version);
	at->place = (struct etcd_place){0};
	at->anchor_version = 0;
	if (answer_kv(answer->json, 3, &kv)) {
		if (!read_anchor(&kv, &at->place))
			at->place = (struct etcd_place){0};
		at->anchor_version = at->place.version;
		etcd_kv_free(&kv);
	}
	if (draft_begin(&at->draft, NULL, at->zone->name) != STATUS_OK) {
		list_refused(at, "no memory");
		return;
	}
	at->phase = PHASE_NAMES;
	at->from.size = 0;
	list_page(at);
}

static void
list_head(struct etcd_zone *at)
{
	static const char *const keys[] = {"count", "meta", "journal"};
	struct etcd_text body = {0};
	char prefix[KEY_SIZE];

	at->phase = PHASE_HEAD;
	ETCD_TEXT(&body, "{\"success\":[");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		ETCD_TEXT(&body, "{\"request_range\":{");
		put_key(&body, at, keys[i]);
		ETCD_TEXT(&body, "}},");
	}
	make_key(at, "anchors/", prefix);
	ETCD_TEXT(&body, "{\"request_range\":{");
	etcd_text_range(&body, prefix);
	ETCD_TEXT(&body, ",\"limit\":\"1\",\"sort_order\":\"DESCEND\",\"sort_target\":\"KEY\"}}]}");
	if (etcd_client_post(at->etcd->client, "/v3/kv/txn", &body, ETCD_LONG_MS, on_head, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}

static enum status
take_name(struct etcd_zone *at, struct etcd_kv *kv)
{
	const char *rest = rest_of_key(at, kv->key) + sizeof "names/" - 1;
	uint8_t owner[NAME_MAX_SIZE];
	char reason[ETCD_LAYOUT_REASON_SIZE] = "";
	struct etcd_records records = {0};
	enum status status = etcd_layout_name(rest, kv->key_size - (size_t)(rest - kv->key), owner, reason);

	if (!status && !name_is_within(owner, at->name)) {
		status = STATUS_INVALID;
		snprintf(reason, sizeof reason, "the name is not in the zone");
	}
	if (!status) {
		note_name(&at->names, owner, kv->revision, false);
		status = etcd_layout_read_names(kv->value, kv->value_size, &records, reason);
	}
	if (!status)
		status = etcd_records_into(&at->draft, owner, &records);
	etcd_records_free(&records);
	if (status == STATUS_NO_MEMORY)
		return status;
	if (status)
		etcd_note_bad(at, kv->key, reason);
	return STATUS_OK;
}

/* The serial that a change makes of the one before. */
static uint32_t
serial_after(uint32_t serial, const struct change *change)
{
	for (size_t i = 0; i < change->op_count; i++)
		if (change->ops[i].rrset.type == TYPE_SOA && change->ops[i].rrset.count) {
			struct rdata soa = rrset_first(&change->ops[i].rrset);
			return rdata_soa_serial(soa.bytes, soa.size);
		}
	return serial_next(serial, change->serial);
}

/* A record behind the anchor, for id and serial. */
static void
take_log(struct etcd_zone *at, const struct etcd_kv *kv)
{
	struct change change;
	char reason[CHANGE_JSON_REASON_SIZE];
	struct etcd_place *place = &at->place;

	if (kv->revision <= place->revision)
		return;
	change_id(place->id, (const uint8_t *)kv->value, kv->value_size, place->id);
	place->version++;
	place->revision = kv->revision;
	if (change_json_decode((const uint8_t *)kv->value, kv->value_size, at->name, &at->etcd->arena, &change, reason) == STATUS_OK)
		place->serial = change.snapshot ? 0 : serial_after(place->serial, &change);
}

static void
list_done(struct etcd_zone *at)
{
	struct etcd *etcd = at->etcd;
	struct zone_version *version = at->draft.version;
	struct replay *replay = replay_new();
	uint8_t sum[DIGEST_SHA256_SIZE];

	if (at->place.version == at->list.version) { /* no gap between anchor and head */
		memcpy(at->list.id, at->place.id, VERSION_ID_SIZE);
		at->list.serial = at->place.serial ? at->place.serial : at->list.serial;
	} else {
		char text[NAME_TEXT_SIZE + 32];
		int size = snprintf(text, sizeof text, "%s %llu", at->text, (unsigned long long)at->list.version);
		digest_sha256(text, (size_t)size, sum);
		memcpy(at->list.id, sum, VERSION_ID_SIZE);
	}
	at->place = at->list;
	version->version = at->place.version;
	version->serial = at->place.serial;
	memcpy(version->id, at->place.id, VERSION_ID_SIZE);
	version->time_us = clock_wall_us();
	version->frozen = at->list_state.frozen;
	if (!replay || replay_restore(replay, &at->list_state) != STATUS_OK ||
	    replay_restore_id(replay, at->place.version, at->place.id) != STATUS_OK) {
		replay_free(replay);
		list_refused(at, "no memory");
		return;
	}
	at->revision = at->list.revision;
	at->place.revision = at->count_revision;
	at->state = ETCD_ZONE_LIVE;
	etcd_note_place(at, at->count_revision);
	struct draft draft = at->draft;
	at->draft = (struct draft){0};
	etcd->emitted = true;
	etcd->sink->loaded(etcd->sink->context, at->zone, &draft, replay);
	etcd->sink->ready(etcd->sink->context, at->zone);
	log_info("zone read from etcd", "zone=%s version=%llu serial=%u revision=%llu", at->zone->text,
	         (unsigned long long)at->place.version, at->place.serial, (unsigned long long)at->revision);
}

static bool
has_owner(const struct etcd_journal *journal, const uint8_t *owner, size_t *index)
{
	const uint8_t *name = journal->owners;

	for (*index = 0; *index < journal->owner_count; ++*index, name += name_size(name))
		if (name_equal(name, owner))
			return true;
	return false;
}

/* The owners of a change's ops, each once, in the order of the ops: those of one owner follow one another in nearly all changes. */
static void
journal_owners(struct etcd_journal *journal, const struct change *change)
{
	size_t room = 0;
	const uint8_t *last = NULL;

	free(journal->owners);
	journal->owners = NULL;
	journal->owner_count = journal->owners_size = 0;
	journal->whole = change->snapshot != NULL;
	for (size_t i = 0; i < change->op_count; i++)
		room += name_size(change->ops[i].owner);
	journal->owners = malloc(room + 1);
	invariant(journal->owners);
	struct etcd_names seen = {0};
	for (size_t i = 0; i < change->op_count; i++) {
		const uint8_t *owner = change->ops[i].owner;
		size_t size = name_size(owner);
		if ((last && name_equal(last, owner)) || find_name(&seen, owner))
			continue;
		note_name(&seen, owner, 1, false);
		memcpy(journal->owners + journal->owners_size, owner, size);
		journal->owners_size += size;
		journal->owner_count++;
		last = owner;
	}
	free_names(&seen);
}

/* A list in the middle of a journal: what is not in the names yet is in the record. */
static void
on_journal_record(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	struct change change;
	struct etcd_kv kv = {0};
	char reason[STORE_REASON_SIZE] = "the record that the journal names is not there";
	const json_t *first = json_array_get(json_object_get(answer->json, "kvs"), 0);
	enum status status = STATUS_INVALID;
	size_t index;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	if (first && etcd_client_kv(first, &kv))
		status = change_json_decode((const uint8_t *)kv.value, kv.value_size, at->name, &at->etcd->arena, &change, reason);
	if (!status) {
		journal_owners(&at->journal, &change);
		if (change.snapshot) {
			draft_drop(&at->draft);
			status = draft_begin(&at->draft, NULL, at->zone->name);
			if (!status)
				status = etcd_history_load_snapshot(&at->etcd->store, at->zone, change.snapshot, &at->draft, reason);
		}
	}
	for (size_t i = 0; !status && i < change.op_count; i++) {
		const struct change_op *op = &change.ops[i];
		if (!has_owner(&at->journal, op->owner, &index) || index < at->journal.next)
			continue;
		const uint8_t *packed = op->rrset.packed;
		struct rdata rdata = op->rrset.count ? rrset_next(&packed) : (struct rdata){0};
		if (op->kind == CHANGE_SET)
			status = draft_set(&at->draft, op->owner, &op->rrset);
		else if (op->kind == CHANGE_ADD)
			status = draft_add(&at->draft, op->owner, op->rrset.type, op->rrset.ttl_s, rdata.bytes, rdata.size);
		else if (op->rrset.count)
			status = draft_delete(&at->draft, op->owner, op->rrset.type, rdata.bytes, rdata.size);
		else
			status = draft_delete_rrset(&at->draft, op->owner, op->rrset.type);
		if (status == STATUS_EXISTS || status == STATUS_NOT_FOUND)
			status = STATUS_OK;
	}
	etcd_kv_free(&kv);
	if (status)
		list_refused(at, reason);
	else
		list_done(at);
}

static void
list_journal(struct etcd_zone *at)
{
	struct etcd_text body = {0};

	ETCD_TEXT(&body, "{");
	put_unique(&body, at, at->journal.unique);
	etcd_text_printf(&body, ",\"revision\":\"%llu\"}", (unsigned long long)at->list.revision);
	if (etcd_client_post(at->etcd->client, "/v3/kv/range", &body, ETCD_LONG_MS, on_journal_record, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}

static void
next_phase(struct etcd_zone *at)
{
	at->from.size = 0;
	if (at->phase == PHASE_NAMES) {
		at->phase = PHASE_LOG;
		list_page(at);
	} else if (at->journal.revision) {
		list_journal(at);
	} else {
		list_done(at);
	}
}

static void
on_page(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	const json_t *kvs = json_object_get(answer->json, "kvs");
	size_t count = json_array_size(kvs);
	enum status status = STATUS_OK;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	for (size_t i = 0; i < count && !status; i++) {
		struct etcd_kv kv;
		if (!etcd_client_kv(json_array_get(kvs, i), &kv))
			continue;
		if (at->phase == PHASE_NAMES)
			status = take_name(at, &kv);
		else
			take_log(at, &kv);
		if (i + 1 == count) {
			at->from.size = 0;
			etcd_text_put(&at->from, kv.key, kv.key_size + 1); /* with its NUL: the next key */
		}
		etcd_kv_free(&kv);
	}
	if (status)
		list_refused(at, "no memory");
	else if (json_is_true(json_object_get(answer->json, "more")))
		list_page(at);
	else
		next_phase(at);
}

static void
list_page(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char key[KEY_SIZE];

	make_key(at, at->phase == PHASE_NAMES ? "names/" : "log/", key);
	ETCD_TEXT(&body, "{");
	if (at->phase == PHASE_NAMES && at->from.size) {
		etcd_text_base64(&body, "key", at->from.text, at->from.size);
		key[strlen(key) - 1]++;
		ETCD_TEXT(&body, ",");
		etcd_text_base64(&body, "range_end", key, strlen(key));
	} else {
		etcd_text_range(&body, key);
	}
	etcd_text_printf(&body, ",\"limit\":\"%d\",\"revision\":\"%llu\"", PAGE_KEYS, (unsigned long long)at->list.revision);
	if (at->phase == PHASE_LOG)
		etcd_text_printf(&body, ",\"sort_order\":\"ASCEND\",\"sort_target\":\"MOD\",\"min_mod_revision\":\"%llu\"",
		                 (unsigned long long)at->place.revision + 1);
	ETCD_TEXT(&body, "}");
	if (etcd_client_post(at->etcd->client, "/v3/kv/range", &body, ETCD_LONG_MS, on_page, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}

/* ---- commit ---- */

/* Is the name as it was when the change was evaluated, as far as has been read? *revision: to compare with. */
static bool
unchanged(const struct etcd_zone *at, const uint8_t *owner, uint64_t base_revision, uint64_t *revision)
{
	const struct etcd_name *name = find_name(&at->names, owner);

	*revision = name && !name->deleted ? name->revision : 0;
	return !name || name->revision <= base_revision;
}

static void
put_compare(struct etcd_text *body, const char *key, uint64_t revision)
{
	ETCD_TEXT(body, "{\"target\":\"MOD\",\"result\":\"EQUAL\",");
	etcd_text_key(body, key);
	etcd_text_printf(body, ",\"mod_revision\":\"%llu\"},", (unsigned long long)revision);
}

static bool
compare_names(struct etcd_item *item, uint64_t base_revision)
{
	const struct change *change = item->append.change;
	const uint8_t *last = NULL;
	char key[KEY_SIZE];
	uint64_t revision;

	for (size_t i = 0; i < change->op_count + change->read_count; i++) {
		const uint8_t *owner = i < change->op_count ? change->ops[i].owner : change->reads[i - change->op_count];
		if (last && name_equal(last, owner))
			continue;
		last = owner;
		if (!unchanged(item->at, owner, base_revision, &revision))
			return false;
		make_name_key(item->at, owner, key);
		put_compare(&item->body, key, revision);
	}
	return true;
}

/* The change's names as they will be: from the version that is served, whose names of this change are those of its base. */
static enum status
begin_draft(const struct etcd_zone *at, struct draft *draft)
{
	struct zone_version *current = atomic_load_explicit(&at->zone->current, memory_order_acquire);

	return draft_begin(draft, at->place.version == 0 || at->removed ? NULL : current, at->zone->name);
}

static enum status
apply_ops(struct draft *draft, const struct change *change)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < change->op_count; i++) {
		const struct change_op *op = &change->ops[i];
		struct rdata rdata = op->rrset.count ? rrset_first(&op->rrset) : (struct rdata){0};
		if (op->kind == CHANGE_SET)
			status = draft_set(draft, op->owner, &op->rrset);
		else if (op->kind == CHANGE_ADD)
			status = draft_add(draft, op->owner, op->rrset.type, op->rrset.ttl_s, rdata.bytes, rdata.size);
		else if (op->rrset.count)
			status = draft_delete(draft, op->owner, op->rrset.type, rdata.bytes, rdata.size);
		else
			status = draft_delete_rrset(draft, op->owner, op->rrset.type);
		if (status == STATUS_NO_MEMORY)
			return status;
	}
	return STATUS_OK;
}

/* One name: a put, or a deletion. */
static void
put_name(struct etcd_text *body, const struct etcd_zone *at, const uint8_t *owner, const struct zone_version *version)
{
	const struct node *node = version_find(version, owner, name_size(owner));
	char key[KEY_SIZE];

	make_name_key(at, owner, key);
	if (!node || node->rrset_count == 0) {
		ETCD_TEXT(body, ",{\"request_delete_range\":{");
		etcd_text_key(body, key);
	} else {
		char *value = etcd_layout_write_names(node);
		body->failed = body->failed || !value;
		ETCD_TEXT(body, ",{\"request_put\":{");
		etcd_text_key(body, key);
		ETCD_TEXT(body, ",");
		etcd_text_base64(body, "value", value ? value : "", value ? strlen(value) : 0);
		free(value);
	}
	ETCD_TEXT(body, "}}");
}

static enum status
put_names(struct etcd_item *item)
{
	const struct change *change = item->append.change;
	const uint8_t *owners[COMMIT_NAMES];
	size_t count = 0, k;
	struct draft draft;

	rcu_thread_online();
	enum status status = begin_draft(item->at, &draft);
	if (!status) {
		status = apply_ops(&draft, change);
		for (size_t i = 0; !status && i < change->op_count; i++) {
			for (k = 0; k < count && !name_equal(owners[k], change->ops[i].owner); k++)
				;
			if (k < count)
				continue;
			owners[count++] = change->ops[i].owner;
			put_name(&item->body, item->at, change->ops[i].owner, draft.version);
		}
		draft_drop(&draft);
	}
	rcu_thread_offline();
	return status;
}

static bool
sets_serial(const struct change *change)
{
	for (size_t i = 0; i < change->op_count; i++)
		if (change->ops[i].rrset.type == TYPE_SOA)
			return true;
	return change->serial != 0;
}

static void
put_meta_after(struct etcd_item *item)
{
	const struct change *change = item->append.change;
	struct zone_version *current;
	struct meta meta = {.version = change->base + 1, .removed = change->removed};

	rcu_thread_online();
	current = atomic_load_explicit(&item->zone->current, memory_order_acquire);
	uint32_t before = item->at->place.version ? item->at->place.serial : 0;
	meta.frozen = change->frozen >= 0 ? change->frozen == 1 : current && current->frozen && !change->removed;
	meta.until_us = change->until_us;
	meta.serial = serial_after(before, change);
	rcu_thread_offline();
	if (change->snapshot && item->append.content) {
		struct rrset soa;
		if (version_soa(item->append.content->version, &soa)) {
			struct rdata rdata = rrset_first(&soa);
			uint32_t serial = rdata_soa_serial(rdata.bytes, rdata.size);
			if (!before || serial_greater(serial, before))
				meta.serial = serial;
		}
	}
	ETCD_TEXT(&item->body, ",");
	put_meta(&item->body, item->at, &meta);
}

static void
put_journal(struct etcd_text *body, const struct etcd_zone *at, const char *unique, uint64_t next, bool cleared)
{
	char value[128];
	int size = snprintf(value, sizeof value, "{\"log\":\"%s\",\"next\":%llu,\"cleared\":%s}", unique, (unsigned long long)next,
	                    cleared ? "true" : "false");

	ETCD_TEXT(body, "{\"request_put\":{");
	put_key(body, at, "journal");
	ETCD_TEXT(body, ",");
	etcd_text_base64(body, "value", value, (size_t)size);
	ETCD_TEXT(body, "}}");
}

static void
put_compares(struct etcd_item *item, bool exclusive)
{
	struct etcd_text *body = &item->body;
	char key[KEY_SIZE];

	ETCD_TEXT(body, "{\"target\":\"VERSION\",\"result\":\"EQUAL\",");
	put_unique(body, item->at, item->unique);
	ETCD_TEXT(body, ",\"version\":\"0\"},");
	make_key(item->at, "meta", key);
	put_compare(body, key, item->at->meta_revision);
	if (exclusive) {
		ETCD_TEXT(body, "{\"target\":\"VERSION\",\"result\":\"EQUAL\",");
		put_key(body, item->at, "count");
		etcd_text_printf(body, ",\"version\":\"%llu\"},", (unsigned long long)item->append.change->base);
	}
	make_key(item->at, "journal", key);
	put_compare(body, key, 0);
	body->size--; /* the last comma */
}

/* The transaction of a change. STATUS_EXISTS: it has lost its race already. */
static enum status
build_commit(struct etcd_item *item)
{
	const struct change *change = item->append.change;
	struct etcd_zone *at = item->at;
	struct etcd_text *body = &item->body;
	size_t names = change->op_count + change->read_count;
	bool large = change->op_count > COMMIT_NAMES, exclusive = change->exclusive || names > COMMIT_NAMES || sets_serial(change);
	bool state = change->frozen >= 0 || change->removed || change->snapshot || exclusive;
	struct etcd_place base;
	enum status status = STATUS_OK;

	item->journal = change->snapshot || large;
	if (!etcd_place_of(at, change->base, &base) || at->meta_revision > base.revision)
		return STATUS_EXISTS;
	if (exclusive && change->base != at->place.version)
		return STATUS_EXISTS;
	ETCD_TEXT(body, "{\"compare\":[");
	if (!exclusive && !compare_names(item, base.revision))
		return STATUS_EXISTS;
	put_compares(item, exclusive);
	ETCD_TEXT(body, "],\"success\":[{\"request_put\":{");
	put_unique(body, at, item->unique);
	ETCD_TEXT(body, ",");
	etcd_text_base64(body, "value", (const char *)item->append.record, item->append.size);
	etcd_text_printf(body, ",\"lease\":\"%llu\"}},{\"request_put\":{", (unsigned long long)at->etcd->lease);
	put_key(body, at, "count");
	ETCD_TEXT(body, "}}");
	if (state)
		put_meta_after(item);
	if (item->journal) {
		ETCD_TEXT(body, ",");
		put_journal(body, at, item->unique, 0, false);
	} else if (change->removed) {
		char prefix[KEY_SIZE];
		make_key(at, "names/", prefix);
		ETCD_TEXT(body, ",{\"request_delete_range\":{");
		etcd_text_range(body, prefix);
		ETCD_TEXT(body, "}}");
	} else {
		status = put_names(item);
	}
	ETCD_TEXT(body, "],\"failure\":[{\"request_range\":{");
	put_unique(body, at, item->unique);
	ETCD_TEXT(body, ",\"keys_only\":true}},{\"request_range\":{");
	put_key(body, at, "count");
	ETCD_TEXT(body, "}}]}");
	return body->failed ? STATUS_NO_MEMORY : status;
}

/* A compare failed: ours is in (an answer was lost), or another was faster. */
static void
commit_failed(struct etcd_item *item, const json_t *json)
{
	struct etcd_kv kv;

	if (answer_kv(json, 0, &kv)) {
		etcd_kv_free(&kv);
		return; /* its record comes */
	}
	item->wanted = 1;
	if (answer_kv(json, 1, &kv)) {
		item->wanted = kv.revision;
		etcd_kv_free(&kv);
	}
	if (item->at->revision >= item->wanted)
		etcd_lost(item);
}

static void
on_commit(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;

	item->sent = false;
	if (item->done)
		return;
	etcd_connected(item->etcd, answer);
	if (!item->at) {
		etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
		return;
	}
	switch (answer->outcome) {
	case ETCD_DONE:
		if (!json_is_true(json_object_get(answer->json, "succeeded")))
			commit_failed(item, answer->json);
		break; /* else its record comes */
	case ETCD_UNKNOWN: /* the same again: its record is compared */
		log_limited(LOG_LEVEL_WARNING, "commit not confirmed, sent again", "store=%s reason=%s", item->etcd->store.name, answer->reason);
		etcd_client_next(item->etcd->client);
		item->retry_ms = clock_monotonic_ms() + ETCD_RETRY_MS;
		break;
	case ETCD_UNSENT:
		etcd_fail(item, STATUS_RETRY, answer->reason);
		break;
	case ETCD_DENIED:
		etcd_fail(item, STATUS_STOP, answer->reason);
		break;
	case ETCD_ABSENT: /* the lease */
		item->etcd->lease = 0;
		etcd_fail(item, STATUS_RETRY, answer->reason);
		break;
	default:
		etcd_fail(item, STATUS_REFUSED, answer->reason);
	}
}

static void
send_commit(struct etcd_item *item)
{
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/txn", &item->body, ETCD_REQUEST_MS, on_commit, item) == STATUS_OK;
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

static void
native_commit(struct etcd_item *item)
{
	uint8_t unique[16];

	if (item->body.size) {
		send_commit(item);
		return;
	}
	if (item->at->state != ETCD_ZONE_LIVE || !item->etcd->lease) {
		etcd_fail(item, STATUS_RETRY, "etcd cannot be reached");
		return;
	}
	random_bytes(unique, sizeof unique);
	bytes_to_hex(unique, sizeof unique, item->unique);
	enum status status = build_commit(item);
	if (status == STATUS_EXISTS)
		etcd_lost(item);
	else if (status)
		etcd_fail(item, status, status_text(status));
	else
		send_commit(item);
}

/* ---- barrier ---- */

static void
on_barrier(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	struct etcd_kv kv;
	const json_t *first = json_array_get(json_object_get(answer->json, "kvs"), 0);

	item->sent = false;
	if (item->done)
		return;
	if (!item->at || answer->outcome != ETCD_DONE) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
		return;
	}
	item->wanted = 1;
	if (first && etcd_client_kv(first, &kv)) {
		item->wanted = kv.revision;
		etcd_kv_free(&kv);
	}
	if (item->at->revision >= item->wanted)
		etcd_lost(item);
}

/* A linearizable read of the count: its revision is the zone's last commit. */
static void
native_barrier(struct etcd_item *item)
{
	struct etcd_text body = {0};

	ETCD_TEXT(&body, "{");
	put_key(&body, item->at, "count");
	ETCD_TEXT(&body, "}");
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/range", &body, ETCD_REQUEST_MS, on_barrier, item) == STATUS_OK;
	etcd_text_free(&body);
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

/* ---- events ---- */

static void
take_record(struct etcd_zone *at, const struct etcd_kv *kv, const char *unique)
{
	struct etcd_item *item = etcd_find_item(at->etcd, unique);
	struct change *decoded = arena_alloc(&at->etcd->arena, sizeof *decoded);
	const struct change *change = item ? item->append.change : NULL;
	char reason[CHANGE_JSON_REASON_SIZE] = "";

	if (!item && decoded &&
	    change_json_decode((const uint8_t *)kv->value, kv->value_size, at->name, &at->etcd->arena, decoded, reason) == STATUS_OK)
		change = decoded;
	if (change) {
		at->removed = change->removed || (at->removed && !change->exclusive);
		if (change->snapshot || change->op_count > COMMIT_NAMES) {
			free_journal(&at->journal);
			snprintf(at->journal.unique, sizeof at->journal.unique, "%.32s", unique);
			at->journal.ours = item != NULL;
			journal_owners(&at->journal, change);
		}
	}
	const uint8_t *record = item ? item->append.record : (const uint8_t *)kv->value;
	etcd_hand_out(at, item, change, record, item ? item->append.size : kv->value_size, kv->revision);
}

static void
native_event(struct etcd_zone *at, struct etcd_kv *kv)
{
	const char *rest = rest_of_key(at, kv->key), *path = rest + sizeof "names/" - 1;
	uint8_t owner[NAME_MAX_SIZE];
	char reason[ETCD_LAYOUT_REASON_SIZE];

	if (strncmp(rest, "names/", 6) == 0) {
		if (etcd_layout_name(path, kv->key_size - (size_t)(path - kv->key), owner, reason) == STATUS_OK)
			note_name(&at->names, owner, kv->revision, kv->deleted);
	} else if (strncmp(rest, "log/", 4) == 0 && !kv->deleted) {
		take_record(at, kv, rest + 4);
	} else if (strcmp(rest, "count") == 0) {
		at->count_revision = kv->revision;
	} else if (strcmp(rest, "meta") == 0) {
		at->meta_revision = kv->deleted ? 0 : kv->revision;
	} else if (strcmp(rest, "journal") == 0 && kv->deleted) {
		free_journal(&at->journal);
	} else if (strcmp(rest, "journal") == 0) {
		read_journal(at, kv);
	}
}

static void
native_group(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_place old;

	(void)revision;
	if (at->names.deleted > TOMBSTONES && at->place.version > ETCD_WINDOW &&
	    etcd_place_of(at, at->place.version - ETCD_WINDOW + 1, &old))
		sweep_names(&at->names, old.revision);
}

/* ---- the journal ---- */

static void
on_part(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE)
		at->journal.busy = false; /* again; a compare decides whether it was in */
	else if (!json_is_true(json_object_get(answer->json, "succeeded")))
		at->journal.seen_ms = clock_monotonic_ms(); /* another gateway is at it */
}

static void
put_part_names(struct etcd_text *body, struct etcd_zone *at, const struct zone_version *version, uint64_t *next, uint64_t *total)
{
	struct etcd_journal *journal = &at->journal;

	if (journal->whole) {
		uint8_t owner[NAME_MAX_SIZE];
		if (!journal->nodes) { /* sorted once for all parts */
			journal->nodes = version_sorted(version, &journal->node_count);
			journal->version = version_pin(version);
		}
		*total = journal->nodes ? journal->node_count : 0;
		body->failed = body->failed || !journal->nodes;
		for (unsigned i = 0; journal->nodes && i < PART_NAMES && *next < journal->node_count; i++, ++*next) {
			const struct node *node = journal->nodes[*next];
			if (node->rrset_count == 0)
				continue;
			node_owner(node, version->apex, owner);
			put_name(body, at, owner, version);
		}
		return;
	}
	const uint8_t *owner = journal->owners;
	*total = journal->owner_count;
	for (uint64_t i = 0; i < journal->owner_count && i < *next; i++)
		owner += name_size(owner);
	for (unsigned i = 0; i < PART_NAMES && *next < journal->owner_count; i++, ++*next, owner += name_size(owner))
		put_name(body, at, owner, version);
}

/* The next part, from the version that is served, which is the journal's: nobody commits before it is done. */
static void
journal_step(struct etcd_zone *at)
{
	struct etcd_journal *journal = &at->journal;
	struct etcd_text body = {0}, names = {0};
	char key[KEY_SIZE];
	uint64_t next = journal->next, total = 0;

	rcu_thread_online();
	const struct zone_version *version = atomic_load_explicit(&at->zone->current, memory_order_acquire);
	bool may = version && version->version == at->place.version && journal->owners;
	bool clear = may && journal->whole && !journal->cleared;
	if (may && !clear)
		put_part_names(&names, at, version, &next, &total);
	rcu_thread_offline();
	if (!may)
		return;
	make_key(at, "journal", key);
	ETCD_TEXT(&body, "{\"compare\":[");
	put_compare(&body, key, journal->revision);
	body.size--;
	ETCD_TEXT(&body, "],\"success\":[");
	if (clear || next < total) {
		put_journal(&body, at, journal->unique, next, journal->whole);
	} else {
		ETCD_TEXT(&body, "{\"request_delete_range\":{");
		etcd_text_key(&body, key);
		ETCD_TEXT(&body, "}}");
	}
	if (clear) {
		make_key(at, "names/", key);
		ETCD_TEXT(&body, ",{\"request_delete_range\":{");
		etcd_text_range(&body, key);
		ETCD_TEXT(&body, "}}");
	}
	if (names.size)
		etcd_text_put(&body, names.text, names.size);
	ETCD_TEXT(&body, "]}");
	body.failed = body.failed || names.failed;
	journal->busy = etcd_client_post(at->etcd->client, "/v3/kv/txn", &body, ETCD_REQUEST_MS, on_part, at) == STATUS_OK;
	at->calls += journal->busy;
	etcd_text_free(&body);
	etcd_text_free(&names);
}

/* ---- now and then ---- */

static void
on_lease(void *context, const struct etcd_answer *answer)
{
	struct etcd *etcd = context;

	etcd->leasing = false;
	if (answer->outcome != ETCD_DONE)
		return;
	etcd->lease = etcd_client_number(answer->json, "ID");
	etcd->lease_ms = clock_monotonic_ms();
}

/* Records of an hour share a lease. */
static void
keep_lease(struct etcd *etcd)
{
	struct etcd_text body = {0};

	if (etcd->leasing || (etcd->lease && clock_monotonic_ms() - etcd->lease_ms < LEASE_EVERY_MS))
		return;
	etcd_text_printf(&body, "{\"TTL\":\"%llu\"}", (unsigned long long)etcd->settings.keep_history_s + LEASE_EVERY_MS / 1000);
	etcd->leasing = etcd_client_post(etcd->client, "/v3/lease/grant", &body, ETCD_REQUEST_MS, on_lease, etcd) == STATUS_OK;
	etcd_text_free(&body);
}

static void
native_tick(struct etcd_zone *at)
{
	const struct etcd_journal *journal = &at->journal;
	uint64_t now_ms = clock_monotonic_ms();

	keep_lease(at->etcd);
	if (journal->revision && !journal->busy && (journal->ours || now_ms - journal->seen_ms > JOURNAL_PATIENCE_MS))
		journal_step(at);
	bool old = at->anchor_ms && (now_ms - at->anchor_ms) / 1000 > at->etcd->settings.keep_history_s / 2;
	if (at->place.version && at->etcd->lease && !at->anchoring && at->place.serial && !at->relist &&
	    (!at->anchor_version || at->place.version - at->anchor_version >= ANCHOR_EVERY || old))
		write_anchor(at);
}

static void
native_free(struct etcd_zone *at)
{
	free_journal(&at->journal);
	free_names(&at->names);
}

const struct etcd_shape etcd_native_shape = {
	.list = list_head, .list_free = list_free, .event = native_event, .group = native_group, .commit = native_commit,
	.barrier = native_barrier, .tick = native_tick, .free_zone = native_free,
};
