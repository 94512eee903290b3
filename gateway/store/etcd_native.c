/*
 * Layout zonegate (events.md "etcd"): a commit is one transaction, its record comes back through the watch.
 *
 *   zones/ZONE/names/REVERSED/OWNER   the RRsets of a name
 *   zones/ZONE/log/UNIQUE             a change, with a lease of the history's length
 *   zones/ZONE/count                  put by each commit: its version in etcd is the zone's version
 *   zones/ZONE/meta serial and version from which serials count, frozen, removed; every commit compares it
 *   zones/ZONE/anchors/VERSION id, serial and revision of a version: where the kept log can be read from
 *   zones/ZONE/journal a change whose record and count are in, while its names are being written chunks/ZONE/SNAPSHOT/N
 *   content that a snapshot change refers to
 */
#include "store/etcd_native.h"
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

#define PART_NAMES 1000       /* of a journal, and the octets after which a part ends: etcd takes 1.5 MiB */
#define PART_BYTES 800000
#define NESTED_NAMES 100      /* etcd takes 128 operations, counted along the way into transactions within */
#define COMMIT_NAMES 110 /* more take the journal; the record, count, meta and journal need their places among 128 */
#define ANCHOR_EVERY 1000
#define LEASE_EVERY_MS 3600000
#define JOURNAL_PATIENCE_MS 500 /* of another gateway's before we complete it */
#define TOMBSTONES 20000

/* ---- commit ---- */

/* Is the name as it was when the change was evaluated, as far as has been read? *revision: to compare with. */
static bool
unchanged(const struct etcd_zone *at, const uint8_t *owner, uint64_t base_revision, uint64_t *revision)
{
	const struct etcd_name *name = etcd_names_find(&at->names, owner);

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
	char key[ETCD_KEY_SIZE];
	uint64_t revision;

	for (size_t i = 0; i < change->op_count + change->read_count; i++) {
		const uint8_t *owner =
			i < change->op_count ? change->ops[i].owner : change->reads[i - change->op_count];
		if (last && name_equal(last, owner))
			continue;
		last = owner;
		if (!unchanged(item->at, owner, base_revision, &revision))
			return false;
		etcd_native_name_key(item->at, owner, key);
		put_compare(&item->body, key, revision);
	}
	return true;
}

/*
 * The change's names as they will be: from the version that is served, whose names of this change are those of its
 * base.
 */
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
	char key[ETCD_KEY_SIZE];

	etcd_native_name_key(at, owner, key);
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
	struct etcd_meta meta = {.version = change->base + 1, .removed = change->removed};

	rcu_thread_online();
	current = atomic_load_explicit(&item->zone->current, memory_order_acquire);
	uint32_t before = item->at->place.version ? item->at->place.serial : 0;
	meta.frozen = change->frozen >= 0 ? change->frozen == 1 : current && current->frozen && !change->removed;
	meta.until_us = change->until_us;
	meta.serial = etcd_native_serial(before, change);
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
	etcd_native_put_meta(&item->body, item->at, &meta);
}

static void
put_journal(struct etcd_text *body, const struct etcd_zone *at, const char *unique, uint64_t next, bool cleared)
{
	char value[128];
	int size = snprintf(value, sizeof value, "{\"log\":\"%s\",\"next\":%llu,\"cleared\":%s}", unique,
			    (unsigned long long)next, cleared ? "true" : "false");

	ETCD_TEXT(body, "{\"request_put\":{");
	etcd_native_put_key(body, at, "journal");
	ETCD_TEXT(body, ",");
	etcd_text_base64(body, "value", value, (size_t)size);
	ETCD_TEXT(body, "}}");
}

static void
put_compares(struct etcd_item *item, bool exclusive)
{
	struct etcd_text *body = &item->body;
	char key[ETCD_KEY_SIZE];

	ETCD_TEXT(body, "{\"target\":\"VERSION\",\"result\":\"EQUAL\",");
	etcd_native_put_unique(body, item->at, item->unique);
	ETCD_TEXT(body, ",\"version\":\"0\"},");
	etcd_native_key(item->at, "meta", key);
	put_compare(body, key, item->at->meta_revision);
	if (exclusive) {
		ETCD_TEXT(body, "{\"target\":\"VERSION\",\"result\":\"EQUAL\",");
		etcd_native_put_key(body, item->at, "count");
		etcd_text_printf(body, ",\"version\":\"%llu\"},", (unsigned long long)item->append.change->base);
	}
	etcd_native_key(item->at, "journal", key);
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
	bool large = change->op_count > COMMIT_NAMES,
	     exclusive = change->exclusive || names > COMMIT_NAMES || sets_serial(change);
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
	etcd_native_put_unique(body, at, item->unique);
	ETCD_TEXT(body, ",");
	etcd_text_base64(body, "value", (const char *)item->append.record, item->append.size);
	etcd_text_printf(body, ",\"lease\":\"%llu\"}},{\"request_put\":{", (unsigned long long)at->etcd->lease);
	etcd_native_put_key(body, at, "count");
	ETCD_TEXT(body, "}}");
	if (state)
		put_meta_after(item);
	if (item->journal) {
		ETCD_TEXT(body, ",");
		put_journal(body, at, item->unique, 0, false);
	} else if (change->removed) {
		char prefix[ETCD_KEY_SIZE];
		etcd_native_key(at, "names/", prefix);
		ETCD_TEXT(body, ",{\"request_delete_range\":{");
		etcd_text_range(body, prefix);
		ETCD_TEXT(body, "}}");
	} else {
		status = put_names(item);
	}
	ETCD_TEXT(body, "],\"failure\":[{\"request_range\":{");
	etcd_native_put_unique(body, at, item->unique);
	ETCD_TEXT(body, ",\"keys_only\":true}},{\"request_range\":{");
	etcd_native_put_key(body, at, "count");
	ETCD_TEXT(body, "}}]}");
	return body->failed ? STATUS_NO_MEMORY : status;
}

/* A compare failed: ours is in (an answer was lost), or another was faster. */
static void
commit_failed(struct etcd_item *item, const json_t *json)
{
	struct etcd_kv kv;

	if (etcd_client_first(etcd_client_range(json, 0), &kv)) {
		etcd_kv_free(&kv);
		return; /* its record comes */
	}
	item->wanted = 1;
	if (etcd_client_first(etcd_client_range(json, 1), &kv)) {
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

	if (!etcd_answered(item, answer))
		return;
	switch (answer->outcome) {
	case ETCD_DONE:
		if (!json_is_true(json_object_get(answer->json, "succeeded")))
			commit_failed(item, answer->json);
		break; /* else its record comes */
	case ETCD_UNKNOWN: /* the same again: its record is compared */
		log_limited(LOG_LEVEL_WARNING, "commit not confirmed, sent again", "store=%s reason=%s",
			    item->etcd->store.name, answer->reason);
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
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/txn", &item->body, ETCD_REQUEST_MS, on_commit,
				      item) == STATUS_OK;
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

/* The count's revision is that of the zone's last commit. */
static void
native_barrier(struct etcd_item *item)
{
	struct etcd_text body = {0};

	ETCD_TEXT(&body, "{\"success\":[{\"request_range\":{");
	etcd_native_put_key(&body, item->at, "count");
	ETCD_TEXT(&body, ",\"keys_only\":true}}]}");
	etcd_send_barrier(item, &body);
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
	    change_json_decode((const uint8_t *)kv->value, kv->value_size, at->name, &at->etcd->arena, decoded,
			       reason) == STATUS_OK)
		change = decoded;
	if (change) {
		at->removed = change->removed || (at->removed && !change->exclusive);
		if (change->snapshot || change->op_count > COMMIT_NAMES) {
			etcd_native_free_journal(&at->journal);
			snprintf(at->journal.unique, sizeof at->journal.unique, "%.32s", unique);
			at->journal.ours = item != NULL;
			etcd_native_owners(&at->journal, change);
		}
	}
	const uint8_t *record = item ? item->append.record : (const uint8_t *)kv->value;
	etcd_hand_out(at, item, change, record, item ? item->append.size : kv->value_size, kv->revision);
}

static void
native_event(struct etcd_zone *at, struct etcd_kv *kv)
{
	const char *rest = etcd_native_rest(at, kv->key), *path = rest + sizeof "names/" - 1;
	uint8_t owner[NAME_MAX_SIZE];
	char reason[ETCD_LAYOUT_REASON_SIZE];

	if (strncmp(rest, "names/", 6) == 0) {
		if (etcd_layout_name(path, kv->key_size - (size_t)(path - kv->key), owner, reason) == STATUS_OK)
			etcd_names_note(&at->names, owner, kv->revision, kv->deleted);
	} else if (strncmp(rest, "log/", 4) == 0 && !kv->deleted) {
		take_record(at, kv, rest + 4);
	} else if (strcmp(rest, "meta") == 0) {
		at->meta_revision = kv->deleted ? 0 : kv->revision;
	} else if (strcmp(rest, "journal") == 0 && kv->deleted) {
		etcd_native_free_journal(&at->journal);
		etcd_extend_place(at, kv->revision); /* the names of its parts are the version's */
	} else if (strcmp(rest, "journal") == 0) {
		etcd_native_read_journal(at, kv);
	}
}

static void
native_group(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_place old;

	(void)revision;
	if (at->names.deleted > TOMBSTONES && at->place.version > ETCD_WINDOW &&
	    etcd_place_of(at, at->place.version - ETCD_WINDOW + 1, &old))
		etcd_names_sweep(&at->names, old.revision);
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

/* What has been put so far goes in as a transaction of its own. */
static void
nest_names(struct etcd_text *body, struct etcd_text *names)
{
	if (names->size) {
		ETCD_TEXT(body, ",{\"request_txn\":{\"success\":[");
		etcd_text_put(body, names->text + 1, names->size - 1); /* without the first comma */
		ETCD_TEXT(body, "]}}");
	}
	body->failed = body->failed || names->failed;
	names->size = 0;
}

/* The next name of a part; false: the part is full. */
static bool
put_part_name(struct etcd_text *body, struct etcd_text *names, unsigned *count, struct etcd_zone *at,
	      const uint8_t *owner, const struct zone_version *version)
{
	put_name(names, at, owner, version);
	if (++*count % NESTED_NAMES == 0)
		nest_names(body, names);
	return *count < PART_NAMES && body->size + names->size < PART_BYTES;
}

static void
put_part_names(struct etcd_text *body, struct etcd_zone *at, const struct zone_version *version, uint64_t *next,
	       uint64_t *total)
{
	struct etcd_journal *journal = &at->journal;
	struct etcd_text names = {0};
	unsigned count = 0;
	bool room = true;

	if (journal->whole) {
		uint8_t owner[NAME_MAX_SIZE];
		if (!journal->nodes) { /* sorted once for all parts */
			journal->nodes = version_sorted(version, &journal->node_count);
			journal->version = version_pin(version);
		}
		*total = journal->nodes ? journal->node_count : 0;
		body->failed = body->failed || !journal->nodes;
		for (; journal->nodes && room && *next < journal->node_count; ++*next) {
			const struct node *node = journal->nodes[*next];
			if (node->rrset_count == 0)
				continue;
			node_owner(node, version->apex, owner);
			room = put_part_name(body, &names, &count, at, owner, version);
		}
	} else {
		const uint8_t *owner = journal->owners;
		*total = journal->owner_count;
		for (uint64_t i = 0; i < journal->owner_count && i < *next; i++)
			owner += name_size(owner);
		for (; room && *next < journal->owner_count; ++*next, owner += name_size(owner))
			room = put_part_name(body, &names, &count, at, owner, version);
	}
	nest_names(body, &names);
	etcd_text_free(&names);
}

/* The next part, from the version that is served, which is the journal's: nobody commits before it is done. */
static void
journal_step(struct etcd_zone *at)
{
	struct etcd_journal *journal = &at->journal;
	struct etcd_text body = {0}, names = {0};
	char key[ETCD_KEY_SIZE];
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
	etcd_native_key(at, "journal", key);
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
		etcd_native_key(at, "names/", key);
		ETCD_TEXT(&body, ",{\"request_delete_range\":{");
		etcd_text_range(&body, key);
		ETCD_TEXT(&body, "}}");
	}
	if (names.size)
		etcd_text_put(&body, names.text, names.size);
	ETCD_TEXT(&body, "]}");
	body.failed = body.failed || names.failed;
	journal->busy =
		etcd_client_post(at->etcd->client, "/v3/kv/txn", &body, ETCD_REQUEST_MS, on_part, at) == STATUS_OK;
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
	etcd_text_printf(&body, "{\"TTL\":\"%llu\"}",
			 (unsigned long long)etcd->settings.keep_history_s + LEASE_EVERY_MS / 1000);
	etcd->leasing =
		etcd_client_post(etcd->client, "/v3/lease/grant", &body, ETCD_REQUEST_MS, on_lease, etcd) == STATUS_OK;
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
		etcd_native_anchor(at);
}

static void
native_free(struct etcd_zone *at)
{
	etcd_native_free_journal(&at->journal);
	etcd_names_free(&at->names);
}

const struct etcd_shape etcd_native_shape = {
	.list = etcd_native_list,
	.list_free = etcd_native_list_free,
	.event = native_event,
	.group = native_group,
	.commit = native_commit,
	.barrier = native_barrier,
	.tick = native_tick,
	.free_zone = native_free,
	.kept = etcd_take_kept,
	.work = etcd_native_work,
};
