/*
 * Layouts helix and skydns: keys that other programs write too. What is put becomes a change as it is read; an UPDATE writes keys, and its
 * change is what that makes of the zone.
 */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include "zone/serial.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_KEYS 2000
#define TXN_MAX 120           /* compares or operations; etcd takes 128 */
#define LEASES_EVERY_MS 1000
#define LOST_PATIENCE_MS 200

static void list_page(struct etcd_zone *at);

static void
zone_prefix(const struct etcd_zone *at, char *out)
{
	char path[ETCD_PATH_SIZE];

	etcd_layout_path(at->name, path);
	snprintf(out, ETCD_FOREIGN_KEY_SIZE, "%.1024s/%s%s", at->etcd->settings.prefix, path, path[0] ? "/" : "");
}

/* ---- leases ---- */

struct lease { struct etcd_zone *at; struct etcd *etcd; uint64_t id; bool listing; };

static void finish_list(struct etcd_zone *at);

static void
note_lease(struct etcd *etcd, uint64_t id, uint64_t expires_ms)
{
	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		struct etcd_mirror *mirror = at->mirror;
		for (size_t i = 0; mirror && i < mirror->entry_size; i++)
			for (struct etcd_entry *entry = mirror->entry_buckets[i]; entry; entry = entry->next) {
				if (entry->lease != id)
					continue;
				bool longer = entry->expires_ms && expires_ms > entry->expires_ms + 1000;
				mirror->fading += entry->expires_ms == 0;
				entry->expires_ms = expires_ms;
				entry->owner->fades = true;
				for (const uint8_t *name = entry->owner->name; *name; name += 1 + *name) {
					struct etcd_owner *owner = etcd_mirror_owner(mirror, name);
					if (!owner)
						break;
					owner->fades = true;
					if (longer)
						etcd_mirror_touch(mirror, owner);
				}
			}
	}
	for (struct etcd_group *group = etcd->groups; group; group = group->next)
		for (size_t i = 0; i < group->count; i++)
			if (group->kvs[i].lease == id)
				group->kvs[i].expires_ms = expires_ms;
}

static void
on_lease(void *context, const struct etcd_answer *answer)
{
	struct lease *lease = context;
	const char *ttl = json_string_value(json_object_get(answer->json, "TTL"));
	long long left_s = answer->outcome == ETCD_DONE ? (ttl ? strtoll(ttl, NULL, 10) : 0) : 1; /* unknown: as short as it can be */

	bool there = !lease->at || etcd_came_back(lease->at);
	note_lease(lease->etcd, lease->id, clock_monotonic_ms() + (left_s > 0 ? (uint64_t)left_s * 1000 : 1));
	if (there && lease->at && --lease->at->leases_asked == 0 && lease->at->state == ETCD_ZONE_LISTING)
		finish_list(lease->at);
	free(lease);
}

static bool
ask_lease(struct etcd *etcd, struct etcd_zone *at, uint64_t id)
{
	struct lease *lease = malloc(sizeof *lease);
	struct etcd_text body = {0};

	if (!lease)
		return false;
	*lease = (struct lease){.at = at, .etcd = etcd, .id = id};
	etcd_text_printf(&body, "{\"ID\":\"%lld\"}", (long long)id);
	bool asked = etcd_client_post(etcd->client, "/v3/lease/timetolive", &body, ETCD_REQUEST_MS, on_lease, lease) == STATUS_OK;
	etcd_text_free(&body);
	if (!asked)
		free(lease);
	else if (at)
		at->calls++, at->leases_asked++;
	return asked;
}

/* Leases of the zone that end soon (0: of all whose end is not known), each once. */
static void
ask_leases(struct etcd_zone *at, uint64_t before_ms)
{
	struct etcd_mirror *mirror = at->mirror;
	uint64_t *asked = malloc((mirror->entry_count + 1) * sizeof *asked);
	size_t count = 0;

	for (size_t i = 0; asked && i < mirror->entry_size; i++)
		for (const struct etcd_entry *entry = mirror->entry_buckets[i]; entry; entry = entry->next) {
			size_t known = 0;
			if (!entry->lease || (before_ms ? entry->expires_ms > before_ms : entry->expires_ms != 0))
				continue;
			while (known < count && asked[known] != entry->lease)
				known++;
			if (known == count && ask_lease(at->etcd, at, entry->lease))
				asked[count++] = entry->lease;
		}
	free(asked);
}

/* ---- the list ---- */

static void
list_free(struct etcd_zone *at)
{
	at->from.size = 0;
}

static void
finish_list(struct etcd_zone *at)
{
	struct etcd *etcd = at->etcd;
	struct draft draft;
	struct replay *replay = replay_new();
	struct replay_state state = {.state_version = at->place.version + 1};
	uint8_t sum[DIGEST_SHA256_SIZE];
	char text[NAME_TEXT_SIZE + 64];
	enum status status = draft_begin(&draft, NULL, at->zone->name);

	if (!status) {
		status = etcd_mirror_fill(at->mirror, &draft);
		if (status)
			draft_drop(&draft);
	}
	int size = snprintf(text, sizeof text, "%s %llu", at->text, (unsigned long long)at->list.revision);
	digest_sha256(text, (size_t)size, sum);
	if (status || !replay || replay_restore(replay, &state) != STATUS_OK || replay_restore_id(replay, state.state_version, sum) != STATUS_OK) {
		replay_free(replay);
		if (!status)
			draft_drop(&draft);
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = status_text(status)});
		return;
	}
	at->place = (struct etcd_place){.version = state.state_version, .serial = etcd_mirror_serial(at->mirror)};
	memcpy(at->place.id, sum, VERSION_ID_SIZE);
	draft.version->version = at->place.version;
	draft.version->serial = at->place.serial;
	memcpy(draft.version->id, sum, VERSION_ID_SIZE);
	draft.version->time_us = clock_wall_us();
	at->revision = at->list.revision;
	at->state = ETCD_ZONE_LIVE;
	etcd_note_place(at, at->list.revision);
	etcd->emitted = true;
	etcd->sink->loaded(etcd->sink->context, at->zone, &draft, replay);
	etcd->sink->ready(etcd->sink->context, at->zone);
	log_info("zone read from etcd", "zone=%s keys=%zu serial=%u revision=%llu", at->zone->text, at->mirror->entry_count, at->place.serial,
	         (unsigned long long)at->revision);
}

void
etcd_foreign_listed(struct etcd_zone *at, uint64_t revision)
{
	at->list.revision = revision;
	at->leases_asked = 0;
	if (!at->etcd->settings.v2)
		ask_leases(at, 0);
	if (at->leases_asked == 0)
		finish_list(at);
}

static void
on_page(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	const json_t *kvs = json_object_get(answer->json, "kvs");
	size_t count = json_array_size(kvs);

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	if (!at->list.revision)
		at->list.revision = answer->revision;
	for (size_t i = 0; i < count; i++) {
		struct etcd_kv kv;
		if (!etcd_client_kv(json_array_get(kvs, i), &kv))
			continue;
		if (i + 1 == count) {
			at->from.size = 0;
			etcd_text_put(&at->from, kv.key, kv.key_size + 1);
		}
		uint8_t name[NAME_MAX_SIZE];
		char unused[ETCD_LAYOUT_REASON_SIZE];
		size_t prefix = strlen(at->etcd->settings.prefix) + 1;
		/* A zone below this one that is served too has its keys to itself. */
		if (etcd_layout_name(kv.key + prefix, kv.key_size - prefix, name, unused) != STATUS_OK || etcd_closest(at->etcd, name) == at)
			etcd_mirror_take(at->mirror, &kv);
		etcd_kv_free(&kv);
	}
	if (json_is_true(json_object_get(answer->json, "more")))
		list_page(at);
	else
		etcd_foreign_listed(at, at->list.revision);
}

static void
list_page(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char key[ETCD_FOREIGN_KEY_SIZE];

	zone_prefix(at, key);
	ETCD_TEXT(&body, "{");
	if (at->from.size) {
		etcd_text_base64(&body, "key", at->from.text, at->from.size);
		key[strlen(key) - 1]++;
		ETCD_TEXT(&body, ",");
		etcd_text_base64(&body, "range_end", key, strlen(key));
	} else {
		etcd_text_range(&body, key);
	}
	etcd_text_printf(&body, ",\"limit\":\"%d\",\"revision\":\"%llu\"}", PAGE_KEYS, (unsigned long long)at->list.revision);
	if (etcd_client_post(at->etcd->client, "/v3/kv/range", &body, ETCD_LONG_MS, on_page, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}

static void
foreign_list(struct etcd_zone *at)
{
	etcd_mirror_free(at->mirror);
	at->mirror = etcd_mirror_new(at);
	invariant(at->mirror);
	etcd_forget_bad(at, NULL);
	at->list.revision = 0;
	at->from.size = 0;
	at->held = false;
	if (at->etcd->settings.v2)
		etcd_v2_list(at);
	else
		list_page(at);
}

/* ---- changes ---- */

/* What was put, as a change: ops from what was served to what is now. */
static void
hand_out_change(struct etcd_zone *at, struct etcd_item *item, uint64_t revision)
{
	struct etcd *etcd = at->etcd;
	struct change change = {.zone = at->zone->name, .time_us = clock_wall_us(), .frozen = -1, .origin = {.store = true}};
	const uint8_t *record;
	size_t size;
	bool soa = false;

	enum status status = etcd_mirror_ops(at->mirror, &etcd->arena, &change.ops, &change.op_count, &soa);
	if (!status && change.op_count == 0)
		status = etcd_mirror_same(at->mirror, &etcd->arena, &change.ops, &change.op_count);
	uint32_t serial = etcd_mirror_serial(at->mirror);
	bool greater = serial_greater(serial, at->place.serial);
	bool written = at->mirror->soa_revision && at->mirror->soa_revision == at->mirror->last;
	if (status || ((soa || written) && !greater)) { /* a SOA that goes back is served as it stands: content, no change */
		if (item)
			etcd_lost(item);
		etcd_relist(at);
		return;
	}
	if (item)
		change.origin = item->append.change->origin;
	change.base = at->place.version;
	memcpy(change.base_id, at->place.id, VERSION_ID_SIZE);
	for (size_t i = 0; i < change.op_count; i++)
		if (change.ops[i].rrset.type == TYPE_SOA)
			rdata_soa_set_serial((uint8_t *)(uintptr_t)change.ops[i].rrset.packed + 2, change.ops[i].rrset.packed_size - 2u, serial);
	if (!soa && greater)
		change.serial = serial;
	at->place.serial = greater ? serial : serial_next(at->place.serial, 0);
	if (change_json_encode(&change, &etcd->arena, &record, &size) != STATUS_OK) {
		if (item)
			etcd_lost(item);
		etcd_relist(at);
		return;
	}
	etcd_hand_out(at, item, &change, record, size, revision);
}

static struct etcd_item *
find_written(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_item *item = at->etcd->items;

	while (item && (item->at != at || item->written != revision))
		item = item->next;
	return item;
}

static void
foreign_event(struct etcd_zone *at, struct etcd_kv *kv)
{
	etcd_mirror_take(at->mirror, kv);
}

void
etcd_foreign_emit(struct etcd_zone *at, uint64_t revision)
{
	if (!at->held)
		hand_out_change(at, find_written(at, revision), revision);
}

static void
foreign_group(struct etcd_zone *at, uint64_t revision)
{
	etcd_foreign_emit(at, revision);
}

/* An event may be an append's whose answer is on its way; and the end of its lease must be known. */
static bool
foreign_wait(struct etcd *etcd, struct etcd_group *group)
{
	bool wait = false;

	for (const struct etcd_item *item = etcd->items; item; item = item->next)
		if (item->kind == ETCD_ITEM_APPEND && item->sent && item->at && item->sequence <= group->sequence)
			return true;
	if (etcd->settings.v2)
		return false;
	for (size_t i = 0; i < group->count; i++) {
		struct etcd_kv *kv = &group->kvs[i];
		if (!kv->lease || kv->expires_ms || kv->deleted)
			continue;
		wait = true;
		if (!kv->directory) /* asked for */
			kv->directory = ask_lease(etcd, NULL, kv->lease);
	}
	if (!wait)
		for (size_t i = 0; i < group->count; i++)
			group->kvs[i].directory = false;
	return wait;
}

/* TTLs that shrink with what is left of a key: the same version, published again. */
static void
republish(struct etcd_zone *at)
{
	struct etcd *etcd = at->etcd;
	struct change_op *ops;
	size_t count;
	bool soa;
	struct draft draft;
	struct replay *replay = replay_new();
	struct replay_state state = {.state_version = at->place.version};

	rcu_thread_online();
	struct zone_version *current = atomic_load_explicit(&at->zone->current, memory_order_acquire);
	bool may = current && current->version == at->place.version && replay && replay_restore(replay, &state) == STATUS_OK &&
	           replay_restore_id(replay, at->place.version, at->place.id) == STATUS_OK &&
	           draft_begin(&draft, current, at->zone->name) == STATUS_OK;
	if (may && etcd_mirror_ops(at->mirror, &etcd->arena, &ops, &count, &soa) == STATUS_OK) {
		for (size_t i = 0; i < count; i++)
			if (ops[i].kind == CHANGE_SET && ops[i].rrset.type != TYPE_SOA && draft_set(&draft, ops[i].owner, &ops[i].rrset) == STATUS_NO_MEMORY)
				log_limited(LOG_LEVEL_ERROR, "TTL not changed", "zone=%s", at->zone->text);
		etcd->emitted = true;
		etcd->sink->loaded(etcd->sink->context, at->zone, &draft, replay);
		etcd->sink->ready(etcd->sink->context, at->zone);
	} else {
		if (may)
			draft_drop(&draft);
		replay_free(replay);
	}
	rcu_thread_offline();
}

static void
foreign_tick(struct etcd_zone *at)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (!at->mirror->fading || at->held)
		return;
	if (!at->etcd->settings.v2 && now_ms - at->leases_ms >= LEASES_EVERY_MS && at->leases_asked == 0) {
		at->leases_ms = now_ms;
		ask_leases(at, now_ms + ((uint64_t)at->etcd->settings.ttl_s + 2) * 1000);
	}
	if (etcd_mirror_fade(at->mirror) || at->mirror->touched)
		republish(at);
}

bool
etcd_foreign_unchanged(struct etcd_item *item)
{
	const struct change *change = item->append.change;
	struct etcd_place base;

	if (!etcd_place_of(item->at, change->base, &base))
		return false;
	if (change->exclusive && change->base != item->at->place.version)
		return false;
	for (size_t i = 0; i < change->op_count + change->read_count; i++) {
		const uint8_t *name = i < change->op_count ? change->ops[i].owner : change->reads[i - change->op_count];
		const struct etcd_owner *owner = etcd_mirror_owner(item->at->mirror, name);
		if (owner && owner->changed > base.revision)
			return false;
	}
	return true;
}

/* ---- commit, v3 ---- */

static size_t
compare_key(struct etcd_text *body, const char *key, uint64_t revision)
{
	ETCD_TEXT(body, "{\"target\":\"MOD\",\"result\":\"EQUAL\",");
	etcd_text_key(body, key);
	etcd_text_printf(body, ",\"mod_revision\":\"%llu\"},", (unsigned long long)revision);
	return 1;
}

/* Nothing below the key is younger than the base. */
static size_t
compare_range(struct etcd_text *body, const char *prefix, uint64_t revision)
{
	ETCD_TEXT(body, "{\"target\":\"MOD\",\"result\":\"LESS\",");
	etcd_text_range(body, prefix);
	etcd_text_printf(body, ",\"mod_revision\":\"%llu\"},", (unsigned long long)revision + 1);
	return 1;
}

static size_t
compare_name(struct etcd_item *item, const uint8_t *name, uint64_t base_revision)
{
	const struct etcd_owner *owner = etcd_mirror_owner(item->at->mirror, name);
	char key[ETCD_FOREIGN_KEY_SIZE];
	size_t count = 0;

	etcd_foreign_key(item->at, name, key);
	strcat(key, "/");
	if (!name_equal(name, item->at->name))
		count += compare_range(&item->body, key, base_revision);
	for (size_t i = 0; owner && i < owner->entry_count && i < TXN_MAX; i++)
		count += compare_key(&item->body, owner->entries[i]->key, owner->entries[i]->revision);
	return count;
}

static enum status
build_compares(struct etcd_item *item, const struct etcd_writes *writes, uint64_t base_revision)
{
	const struct change *change = item->append.change;
	const uint8_t *last = NULL;
	char key[ETCD_FOREIGN_KEY_SIZE];
	size_t count = 0;

	if (change->exclusive) {
		zone_prefix(item->at, key);
		count += compare_range(&item->body, key, base_revision);
	}
	for (size_t i = 0; !change->exclusive && i < change->op_count + change->read_count; i++) {
		const uint8_t *name = i < change->op_count ? change->ops[i].owner : change->reads[i - change->op_count];
		if (!last || !name_equal(last, name))
			count += compare_name(item, name, base_revision);
		last = name;
	}
	for (size_t i = 0; i < writes->count; i++)
		if (!writes->items[i].entry)
			count += compare_key(&item->body, writes->items[i].key, 0);
	if (count)
		item->body.size--;
	return count > TXN_MAX ? STATUS_LIMIT : STATUS_OK;
}

static void
put_writes(struct etcd_text *body, const struct etcd_writes *writes)
{
	for (size_t i = 0; i < writes->count; i++) {
		const struct etcd_write *write = &writes->items[i];
		etcd_text_printf(body, "%s{\"request_%s\":{", i ? "," : "", write->value ? "put" : "delete_range");
		etcd_text_key(body, write->key);
		if (write->value) {
			ETCD_TEXT(body, ",");
			etcd_text_base64(body, "value", write->value, strlen(write->value));
		}
		ETCD_TEXT(body, "}}");
	}
}

/* No answer came: are the keys as they would be? */
static void
put_verify(struct etcd_text *body, const struct etcd_writes *writes)
{
	ETCD_TEXT(body, "{\"compare\":[");
	for (size_t i = 0; i < writes->count; i++) {
		const struct etcd_write *write = &writes->items[i];
		etcd_text_printf(body, "%s{\"result\":\"EQUAL\",\"target\":\"%s\",", i ? "," : "", write->value ? "VALUE" : "VERSION");
		etcd_text_key(body, write->key);
		ETCD_TEXT(body, ",");
		if (write->value)
			etcd_text_base64(body, "value", write->value, strlen(write->value));
		else
			ETCD_TEXT(body, "\"version\":\"0\"");
		ETCD_TEXT(body, "}");
	}
	ETCD_TEXT(body, "]}");
}

/* In, but its events have passed as another's: a change without ops tells its fate. */
static void
hand_out_nothing(struct etcd_item *item)
{
	struct change *change = arena_copy(&item->etcd->arena, item->append.change, sizeof *change);
	const uint8_t *record;
	size_t size;

	if (change) {
		change->serial = 0;
		change->read_count = 0;
		change->exclusive = false;
	}
	if (!change || etcd_mirror_same(item->at->mirror, &item->etcd->arena, &change->ops, &change->op_count) != STATUS_OK || change_json_encode(change, &item->etcd->arena, &record, &size) != STATUS_OK)
		etcd_lost(item);
	else
		etcd_hand_out(item->at, item, change, record, size, item->at->revision);
}

void
etcd_foreign_lost(struct etcd_item *item)
{
	struct etcd_place base;

	bool known = etcd_place_of(item->at, item->append.change->base, &base);
	if (!known || item->at->revision > base.revision) {
		etcd_lost(item);
		return;
	}
	item->wanted = base.revision + 1; /* what it lost to is on its way */
	item->since_ms = clock_monotonic_ms();
	item->retry_ms = item->since_ms + LOST_PATIENCE_MS;
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
	bool succeeded = answer->outcome == ETCD_DONE && json_is_true(json_object_get(answer->json, "succeeded"));
	if (item->verify && answer->outcome == ETCD_DONE) {
		if (succeeded)
			hand_out_nothing(item);
		else
			etcd_lost(item);
	} else if (succeeded) {
		item->written = answer->revision;
	} else if (answer->outcome == ETCD_DONE) {
		etcd_foreign_lost(item);
	} else if (answer->outcome == ETCD_UNSENT && !item->verify) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
	} else if (answer->outcome == ETCD_UNKNOWN || answer->outcome == ETCD_UNSENT) {
		etcd_client_next(item->etcd->client);
		item->verify = true;
		item->retry_ms = clock_monotonic_ms() + ETCD_RETRY_MS;
	} else {
		etcd_fail(item, answer->outcome == ETCD_DENIED ? STATUS_STOP : STATUS_REFUSED, answer->reason);
	}
}

static void
send_body(struct etcd_item *item)
{
	item->sequence = ++item->etcd->sequence;
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/txn", &item->body, ETCD_REQUEST_MS, on_commit, item) == STATUS_OK;
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

static void
commit_v3(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;
	struct etcd_place base;

	etcd_text_free(&item->body);
	if (item->verify) {
		put_verify(&item->body, writes);
		send_body(item);
		return;
	}
	if (!etcd_place_of(item->at, item->append.change->base, &base)) {
		etcd_lost(item);
		return;
	}
	ETCD_TEXT(&item->body, "{\"compare\":[");
	enum status status = build_compares(item, writes, base.revision);
	ETCD_TEXT(&item->body, "],\"success\":[");
	put_writes(&item->body, writes);
	ETCD_TEXT(&item->body, "]}");
	if (status || writes->count > TXN_MAX)
		etcd_fail(item, STATUS_REFUSED, "more keys than one transaction of etcd takes: send smaller updates");
	else
		send_body(item);
}

static void
foreign_commit(struct etcd_item *item)
{
	char reason[STORE_REASON_SIZE] = "";

	if (item->wanted) { /* waited long enough for what it lost to */
		etcd_lost(item);
		return;
	}
	if (item->writes) {
		if (item->etcd->settings.v2)
			etcd_v2_commit(item);
		else
			commit_v3(item);
		return;
	}
	if (item->at->state != ETCD_ZONE_LIVE) {
		etcd_fail(item, STATUS_RETRY, "etcd cannot be reached");
		return;
	}
	if (item->append.change->removed) { /* others' keys stay */
		etcd_hand_out(item->at, item, item->append.change, item->append.record, item->append.size, item->at->revision);
		return;
	}
	if (!etcd_foreign_unchanged(item)) {
		etcd_lost(item);
		return;
	}
	item->writes = calloc(1, sizeof(struct etcd_writes));
	enum status status = item->writes ? etcd_foreign_writes(item, item->writes, reason) : STATUS_NO_MEMORY;
	if (status)
		etcd_fail(item, status, reason[0] ? reason : status_text(status));
	else if (((struct etcd_writes *)item->writes)->count == 0)
		hand_out_nothing(item);
	else
		foreign_commit(item);
}

/* ---- barrier ---- */

static void
on_barrier(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	const json_t *first = json_array_get(json_object_get(answer->json, "kvs"), 0);

	item->sent = false;
	if (item->done)
		return;
	if (!item->at || answer->outcome != ETCD_DONE) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
		return;
	}
	item->wanted = first ? etcd_client_number(first, "mod_revision") : 1;
	if (item->at->revision >= item->wanted)
		etcd_lost(item);
}

/* The youngest key of the zone. */
static void
foreign_barrier(struct etcd_item *item)
{
	struct etcd_text body = {0};
	char key[ETCD_FOREIGN_KEY_SIZE];

	if (item->etcd->settings.v2) {
		etcd_v2_barrier(item);
		return;
	}
	zone_prefix(item->at, key);
	ETCD_TEXT(&body, "{");
	etcd_text_range(&body, key);
	ETCD_TEXT(&body, ",\"limit\":\"1\",\"sort_order\":\"DESCEND\",\"sort_target\":\"MOD\",\"keys_only\":true}");
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/range", &body, ETCD_REQUEST_MS, on_barrier, item) == STATUS_OK;
	etcd_text_free(&body);
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

static void
foreign_free(struct etcd_zone *at)
{
	etcd_mirror_free(at->mirror);
}

static void
free_item(struct etcd_item *item)
{
	if (item->writes)
		etcd_foreign_free_writes(item->writes);
	free(item->writes);
}

const struct etcd_shape etcd_foreign_shape = {
	.list = foreign_list, .list_free = list_free, .event = foreign_event, .group = foreign_group, .commit = foreign_commit,
	.barrier = foreign_barrier, .tick = foreign_tick, .free_zone = foreign_free, .wait = foreign_wait, .free_item = free_item,
};
