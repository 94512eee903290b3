/*
 * Reading a whole zone of layout zonegate: head, names in pages, the log behind the anchor, what a journal has not
 * written yet.
 */
#include "store/etcd_native.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "zone/change_json.h"
#include "zone/serial.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_KEYS 30000 /* etcd counts the rest of the range for each */
#define SLICE_KEYS 500  /* then other zones have their turn */
#define LOST_RETRY_MS 5000

enum { PHASE_HEAD, PHASE_NAMES, PHASE_LOG, PHASE_JOURNAL };

static void list_page(struct etcd_zone *at);

/* ---- the list ---- */

void
etcd_native_list_free(struct etcd_zone *at)
{
	if (at->draft.version)
		draft_drop(&at->draft);
	at->draft = (struct draft){0};
	at->from.size = 0;
	json_decref(at->page);
	at->page = NULL;
}

static void
list_refused(struct etcd_zone *at, const char *reason)
{
	etcd_native_list_free(at);
	at->state = ETCD_ZONE_NEW;
	at->retry_ms = clock_monotonic_ms() + 10000;
	at->etcd->emitted = true;
	at->etcd->sink->unusable(at->etcd->sink->context, at->zone, ZONE_FAILED, reason);
}

void
etcd_native_free_journal(struct etcd_journal *journal)
{
	free(journal->owners);
	free(journal->nodes);
	if (journal->version)
		version_unpin(journal->version);
	*journal = (struct etcd_journal){0};
}

void
etcd_native_read_journal(struct etcd_zone *at, const struct etcd_kv *kv)
{
	struct etcd_journal *journal = &at->journal;
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const char *unique = json_string_value(json_object_get(json, "log"));

	if (unique && strcmp(unique, journal->unique) != 0) {
		etcd_native_free_journal(journal);
		snprintf(journal->unique, sizeof journal->unique, "%.32s", unique);
	}
	journal->revision = kv->revision;
	journal->next = etcd_client_number(json, "next");
	journal->cleared = json_is_true(json_object_get(json, "cleared"));
	journal->seen_ms = clock_monotonic_ms();
	journal->busy = false;
	json_decref(json);
}

/* The local copy begins anew with what was read. */
static void
renew_copy(struct etcd_zone *at)
{
	if (!at->copy_added)
		etcd_warm_add(at->etcd->warm, at->zone, false);
	at->copy_added = true;
	etcd_warm_forget(at->etcd->warm, at->zone);
	atomic_store(&at->etcd->store.round, true); /* a checkpoint */
}

/* Never write over what was lost: a person decides. */
static void
head_lost(struct etcd_zone *at)
{
	log_limited(LOG_LEVEL_ERROR, "zone is not in etcd any more",
		    "zone=%s reason=it is served as it was last known, without updates: restore etcd, or check prefix "
		    "and endpoints; "
		    "to begin anew, stop the gateways and remove their state-dir",
		    at->zone->text);
	at->state = ETCD_ZONE_NEW;
	at->retry_ms = clock_monotonic_ms() + LOST_RETRY_MS;
}

static void
head_absent(struct etcd_zone *at, uint64_t revision)
{
	if (at->place.version && !at->removed) {
		head_lost(at);
		return;
	}
	renew_copy(at);
	at->told_ready = true;
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
	struct etcd_meta meta = {0};
	uint64_t before = at->place.version;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	etcd_connected(at->etcd, answer); /* before the local copy begins anew, which until now has had the history */
	at->list = (struct etcd_place){.revision = answer->revision};
	at->list_state = (struct replay_state){0};
	at->meta_revision = 0;
	etcd_native_free_journal(&at->journal);
	etcd_names_free(&at->names);
	if (etcd_client_first(etcd_client_range(answer->json, 0), &kv)) {
		at->list.version = kv.version;
		etcd_kv_free(&kv);
	}
	if (!at->list.version) {
		head_absent(at, answer->revision);
		return;
	}
	if (etcd_client_first(etcd_client_range(answer->json, 1), &kv)) {
		at->meta_revision = kv.revision;
		if (!etcd_native_read_meta(&kv, &meta))
			log_error("meta key in etcd not understood", "zone=%s key=%s", at->zone->text, kv.key);
		etcd_kv_free(&kv);
	}
	if (etcd_client_first(etcd_client_range(answer->json, 2), &kv)) {
		etcd_native_read_journal(at, &kv);
		etcd_kv_free(&kv);
	}
	at->list_state = (struct replay_state){.all = at->list.version,
					       .frozen = meta.frozen,
					       .removed = meta.removed,
					       .until_us = meta.until_us,
					       .state_version = at->list.version};
	at->removed = meta.removed;
	/* Where no anchor is left, nor the log behind it: the same for all who read. */
	at->list.serial = meta.serial + (uint32_t)(at->list.version - meta.version);
	at->place = (struct etcd_place){0};
	at->anchor_version = 0;
	if (at->list.version < before)
		log_error("etcd has gone back",
			  "zone=%s version=%llu before=%llu reason=was it restored from a backup? secondaries may need "
			  "a retransfer",
			  at->zone->text, (unsigned long long)at->list.version, (unsigned long long)before);
	if (etcd_client_first(etcd_client_range(answer->json, 3), &kv)) {
		if (!etcd_native_read_anchor(&kv, &at->place))
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

void
etcd_native_list(struct etcd_zone *at)
{
	static const char *const keys[] = {"count", "meta", "journal"};
	struct etcd_text body = {0};
	char prefix[ETCD_KEY_SIZE];

	at->phase = PHASE_HEAD;
	ETCD_TEXT(&body, "{\"success\":[");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		ETCD_TEXT(&body, "{\"request_range\":{");
		etcd_native_put_key(&body, at, keys[i]);
		ETCD_TEXT(&body, "}},");
	}
	etcd_native_key(at, "anchors/", prefix);
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
	const char *rest = etcd_native_rest(at, kv->key) + sizeof "names/" - 1;
	uint8_t owner[NAME_MAX_SIZE];
	char reason[ETCD_LAYOUT_REASON_SIZE] = "";
	struct etcd_records records = {0};
	enum status status = etcd_layout_name(rest, kv->key_size - (size_t)(rest - kv->key), owner, reason);

	if (!status && !name_is_within(owner, at->name)) {
		status = STATUS_INVALID;
		snprintf(reason, sizeof reason, "the name is not in the zone");
	}
	if (!status) {
		etcd_names_note(&at->names, owner, kv->revision, false);
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
uint32_t
etcd_native_serial(uint32_t serial, const struct change *change)
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
	if (change_json_decode((const uint8_t *)kv->value, kv->value_size, at->name, &at->etcd->arena, &change,
			       reason) == STATUS_OK)
		place->serial = change.snapshot ? 0 : etcd_native_serial(place->serial, &change);
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
	at->state = ETCD_ZONE_LIVE;
	etcd_note_place(at,
			at->list.revision); /* not the count's: a journal has written the version's names after that */
	struct draft draft = at->draft;
	at->draft = (struct draft){0};
	renew_copy(at);
	at->told_ready = true;
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

/*
 * The owners of a change's ops, each once, in the order of the ops: those of one owner follow one another in nearly all
 * changes.
 */
void
etcd_native_owners(struct etcd_journal *journal, const struct change *change)
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
		if ((last && name_equal(last, owner)) || etcd_names_find(&seen, owner))
			continue;
		etcd_names_note(&seen, owner, 1, false);
		memcpy(journal->owners + journal->owners_size, owner, size);
		journal->owners_size += size;
		journal->owner_count++;
		last = owner;
	}
	etcd_names_free(&seen);
}

/* A list in the middle of a journal: what is not in the names yet is in the record. */
static void
on_journal_record(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	struct change change;
	struct etcd_kv kv = {0};
	char reason[STORE_REASON_SIZE] = "the record that the journal names is not there";
	enum status status = STATUS_INVALID;
	size_t index;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	if (etcd_client_first(answer->json, &kv))
		status = change_json_decode((const uint8_t *)kv.value, kv.value_size, at->name, &at->etcd->arena,
					    &change, reason);
	if (!status) {
		etcd_native_owners(&at->journal, &change);
		if (change.snapshot) {
			draft_drop(&at->draft);
			status = draft_begin(&at->draft, NULL, at->zone->name);
			if (!status)
				status = etcd_history_load_snapshot(&at->etcd->store, at->zone, change.snapshot,
								    &at->draft, reason);
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
			status = draft_add(&at->draft, op->owner, op->rrset.type, op->rrset.ttl_s, rdata.bytes,
					   rdata.size);
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
	etcd_native_put_unique(&body, at, at->journal.unique);
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

/* Some of the page's keys. */
static void
take_page(struct etcd_zone *at, size_t at_most)
{
	size_t count = json_array_size(at->page);
	enum status status = STATUS_OK;

	for (; at_most > 0 && at->page_next < count && !status; at_most--, at->page_next++) {
		struct etcd_kv kv;
		if (!etcd_client_kv(json_array_get(at->page, at->page_next), &kv)) {
			status = STATUS_MALFORMED;
			break;
		}
		if (at->phase == PHASE_NAMES)
			status = take_name(at, &kv);
		else
			take_log(at, &kv);
		etcd_kv_free(&kv);
	}
	if (status) {
		list_refused(at, status_text(status));
	} else if (at->page_next == count) {
		json_decref(at->page);
		at->page = NULL;
		if (at->page_last)
			next_phase(at);
	}
}

bool
etcd_native_work(struct etcd_zone *at)
{
	if (at->page)
		take_page(at, SLICE_KEYS);
	return at->page != NULL;
}

/* The next page is asked for before this one is taken. */
static void
on_page(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	json_t *kvs = json_object_get(answer->json, "kvs"); /* kept beyond this call */
	size_t count = json_array_size(kvs);
	struct etcd_kv last;

	if (!etcd_came_back(at) || at->state != ETCD_ZONE_LISTING)
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	if (at->page)
		take_page(at, SIZE_MAX);
	if (at->state != ETCD_ZONE_LISTING)
		return;
	at->page = count ? json_incref(kvs) : json_array();
	at->page_next = 0;
	at->page_last = !json_is_true(json_object_get(answer->json, "more"));
	if (!at->page || (!at->page_last && !etcd_client_kv(json_array_get(kvs, count - 1), &last))) {
		list_refused(at, "no memory, or an answer that cannot be read");
		return;
	}
	if (at->page_last)
		return;
	at->from.size = 0;
	etcd_text_put(&at->from, last.key, last.key_size + 1); /* with its NUL: the next key */
	etcd_kv_free(&last);
	list_page(at);
}

static void
list_page(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char key[ETCD_KEY_SIZE];

	etcd_native_key(at, at->phase == PHASE_NAMES ? "names/" : "log/", key);
	ETCD_TEXT(&body, "{");
	etcd_text_range_from(&body, key, at->phase == PHASE_NAMES ? &at->from : &(struct etcd_text){0});
	etcd_text_printf(&body, ",\"limit\":\"%d\",\"revision\":\"%llu\"", PAGE_KEYS,
			 (unsigned long long)at->list.revision);
	if (at->phase == PHASE_LOG)
		etcd_text_printf(&body,
				 ",\"sort_order\":\"ASCEND\",\"sort_target\":\"MOD\",\"min_mod_revision\":\"%llu\"",
				 (unsigned long long)at->place.revision + 1);
	ETCD_TEXT(&body, "}");
	if (etcd_client_post(at->etcd->client, "/v3/kv/range", &body, ETCD_LONG_MS, on_page, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}
