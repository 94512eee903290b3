/*
 * Layouts helix and skydns: keys that other programs write too. What is put becomes a change as it is read; an UPDATE
 * writes keys, and its change is what that makes of the zone.
 */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include "zone/serial.h"
#include <stdio.h>
#include <stdlib.h>

#define TXN_MAX 120 /* compares or operations; etcd takes 128, counted along the way into transactions within */
#define LEASES_EVERY_MS 1000
#define LOST_PATIENCE_MS 200

/* ---- changes ---- */

/* Rules that were kept for the zone's own changes do not hold: it begins anew, with what is there. */
static void
begin_anew(struct etcd_zone *at, struct etcd_item *item)
{
	if (item)
		etcd_lost(item);
	at->anew = true;
	etcd_relist(at);
}

static void
hand_out_change(struct etcd_zone *at, struct etcd_item *item, struct change *change, uint64_t revision)
{
	uint32_t serial = etcd_mirror_serial(at->mirror);
	bool greater = serial_greater(serial, at->place.serial), soa = false;
	const uint8_t *record;
	size_t size;

	change->zone = at->zone->name;
	change->time_us = clock_wall_us();
	change->origin = item ? item->append.change->origin : (struct change_origin){.store = true};
	change->base = at->place.version;
	memcpy(change->base_id, at->place.id, VERSION_ID_SIZE);
	for (size_t i = 0; i < change->op_count; i++)
		if (change->ops[i].rrset.type == TYPE_SOA) {
			rdata_soa_set_serial((uint8_t *)(uintptr_t)change->ops[i].rrset.packed + 2,
					     change->ops[i].rrset.packed_size - 2u, serial);
			soa = true;
		}
	if (!soa && greater)
		change->serial = serial;
	if (change_json_encode(change, &at->etcd->arena, &record, &size) != STATUS_OK) {
		begin_anew(at, item);
		return;
	}
	at->place.serial = greater ? serial : serial_next(at->place.serial, 0);
	etcd_hand_out(at, item, change, record, size, revision);
}

/* What was put, as a change: ops from what was served to what is now. */
static void
hand_out_ops(struct etcd_zone *at, struct etcd_item *item, uint64_t revision, bool listed)
{
	struct change change = {.frozen = -1};
	bool soa = false;

	enum status status = etcd_mirror_ops(at->mirror, &at->etcd->arena, &change.ops, &change.op_count, &soa);
	uint32_t serial = etcd_mirror_serial(at->mirror);
	bool greater = serial_greater(serial, at->place.serial);
	bool written =
		at->mirror->soa_revision && at->mirror->soa_revision == at->mirror->last && serial != at->place.serial;
	if (!status && change.op_count == 0) {
		if (listed && !greater && !written)
			return;
		status = etcd_mirror_same(at->mirror, &at->etcd->arena, &change.ops, &change.op_count);
	}
	if (status ||
	    ((soa || written) && !greater)) /* a SOA that goes back is served as it stands: content, no change */
		begin_anew(at, item);
	else
		hand_out_change(at, item, &change, revision);
}

static void
hand_out_freeze(struct etcd_zone *at, struct etcd_item *item, uint64_t revision)
{
	struct change change = {.frozen = at->frozen, .until_us = at->until_us};

	at->freeze_news = false;
	at->was_frozen = at->frozen;
	at->was_until_us = at->until_us;
	hand_out_change(at, item, &change, revision);
}

static struct etcd_item *
find_written(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_item *item = at->etcd->items;

	while (item && (item->at != at || item->written != revision))
		item = item->next;
	return item;
}

void
etcd_foreign_tell(struct etcd_item *item)
{
	struct change *change = arena_copy(&item->etcd->arena, item->append.change, sizeof *change);
	const uint8_t *record;
	size_t size;

	if (change) {
		change->serial = 0;
		change->read_count = 0;
		change->exclusive = false;
		change->frozen = -1;
		change->until_us = 0;
	}
	if (!change ||
	    etcd_mirror_same(item->at->mirror, &item->etcd->arena, &change->ops, &change->op_count) != STATUS_OK ||
	    change_json_encode(change, &item->etcd->arena, &record, &size) != STATUS_OK)
		etcd_lost(item);
	else
		etcd_hand_out(item->at, item, change, record, size, item->at->revision);
}

static bool
is_freeze(const struct etcd_zone *at, const struct etcd_kv *kv)
{
	char key[ETCD_FOREIGN_KEY_SIZE];

	etcd_foreign_note_key(at, "frozen", key);
	return strcmp(kv->key, key) == 0;
}

static void
foreign_event(struct etcd_zone *at, struct etcd_kv *kv)
{
	if (is_freeze(at, kv)) {
		etcd_foreign_take_freeze(at, kv);
		at->mirror->last = kv->revision > at->mirror->last ? kv->revision : at->mirror->last;
		at->freeze_news = true;
	} else {
		etcd_mirror_take(at->mirror, kv);
	}
	if (at->held)
		at->held_ms = clock_monotonic_ms(); /* whoever is at it lives */
}

void
etcd_foreign_emit(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_item *item = find_written(at, revision);
	bool freeze = item && item->append.change->frozen >= 0;

	if (at->held)
		return;
	if (at->mirror->touched || !at->freeze_news)
		hand_out_ops(at, freeze ? NULL : item, revision, false);
	if (at->freeze_news && !at->relist)
		hand_out_freeze(at, freeze ? item : NULL, revision);
}

void
etcd_foreign_emit_list(struct etcd_zone *at)
{
	bool was = at->was_frozen && (!at->was_until_us || at->was_until_us > clock_wall_us());

	hand_out_ops(at, NULL, at->revision, true);
	if (at->frozen != was && !at->relist)
		hand_out_freeze(at, NULL, at->revision);
}

/* What gateways wrote before the list is in it: no event comes any more. */
void
etcd_foreign_tell_written(struct etcd_zone *at)
{
	for (struct etcd_item *item = at->etcd->items, *next; item; item = next) {
		next = item->next;
		if (item->at == at && item->written && item->written <= at->revision)
			etcd_foreign_tell(item);
	}
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
			kv->directory = etcd_foreign_ask_lease(etcd, NULL, kv->lease);
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
	struct replay *replay = etcd_foreign_replay(at);

	rcu_thread_online();
	struct zone_version *current = atomic_load_explicit(&at->zone->current, memory_order_acquire);
	bool may = current && current->version == at->place.version && replay &&
	           draft_begin(&draft, current, at->zone->name) == STATUS_OK;
	if (may && etcd_mirror_ops(at->mirror, &etcd->arena, &ops, &count, &soa) == STATUS_OK) {
		for (size_t i = 0; i < count; i++)
			if (ops[i].kind == CHANGE_SET && ops[i].rrset.type != TYPE_SOA &&
			    draft_set(&draft, ops[i].owner, &ops[i].rrset) == STATUS_NO_MEMORY)
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
		etcd_foreign_ask_leases(at, now_ms + ((uint64_t)at->etcd->settings.ttl_s + 2) * 1000);
	}
	if (etcd_mirror_fade(at->mirror) || at->mirror->touched)
		republish(at);
}

bool
etcd_foreign_unchanged(struct etcd_item *item)
{
	const struct change *change = item->append.change;
	struct etcd_place base;

	if (item->at->relist || !etcd_place_of(item->at, change->base, &base) ||
	    item->at->frozen_revision > base.revision)
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

/* Nothing with the prefix is younger than what has been read. */
static size_t
compare_range(struct etcd_text *body, const char *prefix, uint64_t read)
{
	ETCD_TEXT(body, "{\"target\":\"MOD\",\"result\":\"LESS\",");
	etcd_text_range(body, prefix);
	etcd_text_printf(body, ",\"mod_revision\":\"%llu\"},", (unsigned long long)read + 1);
	return 1;
}

static size_t
compare_entries(struct etcd_item *item, const uint8_t *name, size_t at_most)
{
	const struct etcd_owner *owner = etcd_mirror_owner(item->at->mirror, name);
	size_t count = 0;

	for (; owner && count < owner->entry_count && count < at_most; count++)
		compare_key(&item->body, owner->entries[count]->key, owner->entries[count]->revision);
	return count;
}

static const uint8_t *
looked_at(const struct change *change, size_t i)
{
	return i < change->op_count ? change->ops[i].owner : change->reads[i - change->op_count];
}

/* Each name: its keys are as they were, and there are no others. More than at_most: they are not all there. */
static size_t
compare_names(struct etcd_item *item, const struct etcd_writes *writes, uint64_t read, size_t at_most)
{
	const struct change *change = item->append.change;
	const uint8_t *last = NULL;
	char key[ETCD_FOREIGN_KEY_SIZE];
	size_t count = 0;

	for (size_t i = 0; i < change->op_count + change->read_count && count <= at_most; i++) {
		const uint8_t *name = looked_at(change, i);
		if (last && name_equal(last, name))
			continue;
		last = name;
		etcd_foreign_key(item->at, name, "/", key);
		if (!name_equal(name, item->at->name))
			count += compare_range(&item->body, key, read);
		count += compare_entries(item, name, at_most + 1);
	}
	for (size_t i = 0; i < writes->count && count <= at_most; i++)
		if (!writes->items[i].revision)
			count += compare_key(&item->body, writes->items[i].key, 0);
	return count;
}

/*
 * The zone as a whole: nothing was put, and no gateway deleted anything. What another program deletes is seen where
 * there is room for compares of single keys.
 */
static void
compare_zone(struct etcd_item *item, uint64_t read, size_t at_most)
{
	const struct change *change = item->append.change;
	char key[ETCD_FOREIGN_KEY_SIZE];
	size_t count = 2;

	etcd_foreign_prefix(item->at, key);
	compare_range(&item->body, key, read);
	etcd_foreign_note_key(item->at, "deleted", key);
	compare_range(&item->body, key, read);
	for (size_t i = 0; i < change->op_count + change->read_count && count < at_most; i++)
		count += compare_entries(item, looked_at(change, i), at_most - count);
}

static void
put_write(struct etcd_text *body, const struct etcd_write *write)
{
	etcd_text_printf(body, "{\"request_%s\":{", write->value ? "put" : "delete_range");
	etcd_text_key(body, write->key);
	if (write->value) {
		ETCD_TEXT(body, ",");
		etcd_text_base64(body, "value", write->value, strlen(write->value));
	}
	ETCD_TEXT(body, "}},");
}

/* Writes, or transactions of them within the one: etcd applies all of it as one revision. */
static void
put_tree(struct etcd_text *body, const struct etcd_write *writes, size_t count, unsigned levels, size_t wide)
{
	size_t each = 1;

	for (unsigned i = 1; i < levels; i++)
		each *= wide;
	for (size_t i = 0; i < count; i += each) {
		if (levels == 1) {
			put_write(body, &writes[i]);
			continue;
		}
		ETCD_TEXT(body, "{\"request_txn\":{\"success\":[");
		put_tree(body, writes + i, count - i < each ? count - i : each, levels - 1, wide);
		body->size--;
		ETCD_TEXT(body, "]}},");
	}
}

/* That something is deleted leaves no trace in the range that other commits compare; this does. */
static void
put_deleted(struct etcd_item *item, const struct etcd_writes *writes)
{
	char key[ETCD_FOREIGN_KEY_SIZE], none[] = "";
	bool any = false;

	for (size_t i = 0; i < writes->count && !any; i++)
		any = !writes->items[i].value;
	etcd_foreign_note_key(item->at, "deleted", key);
	if (any)
		put_write(&item->body, &(struct etcd_write){.key = key, .value = none});
}

static enum status
build_commit(struct etcd_item *item, const struct etcd_writes *writes)
{
	static const struct {
		unsigned levels;
		size_t wide, most;
	} shapes[] = {{1, TXN_MAX, TXN_MAX}, {2, 60, 3600}, {3, 40, 64000}};
	uint64_t taken = item->etcd->taken, read = taken > item->at->revision ? taken : item->at->revision;
	struct etcd_text *body = &item->body;
	char key[ETCD_FOREIGN_KEY_SIZE];
	size_t shape = 0;

	while (shape < ARRAY_SIZE(shapes) && writes->count > shapes[shape].most)
		shape++;
	if (shape == ARRAY_SIZE(shapes))
		return STATUS_LIMIT;
	ETCD_TEXT(body, "{\"compare\":[");
	etcd_foreign_note_key(item->at, "frozen", key);
	compare_key(body, key, item->at->frozen_revision);
	size_t before = body->size;
	if (item->append.change->exclusive ||
	    compare_names(item, writes, read, shapes[shape].wide) > shapes[shape].wide) {
		body->size = before;
		compare_zone(item, read, shapes[shape].wide);
	}
	body->size--;
	ETCD_TEXT(body, "],\"success\":[");
	put_tree(body, writes->items, writes->count, shapes[shape].levels, shapes[shape].wide);
	put_deleted(item, writes);
	body->size--;
	ETCD_TEXT(body, "]}");
	return body->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* No answer came: are the keys as they would be? All or none are, so that the first ones tell. */
static void
put_verify(struct etcd_text *body, const struct etcd_writes *writes)
{
	ETCD_TEXT(body, "{\"compare\":[");
	for (size_t i = 0; i < writes->count && i < TXN_MAX; i++) {
		const struct etcd_write *write = &writes->items[i];
		etcd_text_printf(body, "%s{\"result\":\"EQUAL\",\"target\":\"%s\",", i ? "," : "",
				 write->value ? "VALUE" : "VERSION");
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

	if (!etcd_answered(item, answer))
		return;
	bool succeeded = answer->outcome == ETCD_DONE && json_is_true(json_object_get(answer->json, "succeeded"));
	if (item->verify && answer->outcome == ETCD_DONE) {
		if (succeeded)
			etcd_foreign_tell(item);
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
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/txn", &item->body, ETCD_REQUEST_MS, on_commit,
				      item) == STATUS_OK;
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

static void
commit_v3(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;

	etcd_text_free(&item->body);
	if (item->verify)
		put_verify(&item->body, writes);
	else if (build_commit(item, writes) != STATUS_OK) {
		etcd_fail(item, STATUS_REFUSED, "more keys than one transaction of etcd takes: send smaller updates");
		return;
	}
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
		etcd_hand_out(item->at, item, item->append.change, item->append.record, item->append.size,
			      item->at->revision);
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
		etcd_foreign_tell(item);
	else
		foreign_commit(item);
}

/* ---- barrier ---- */

/* The youngest of the zone's keys and notes. */
static void
foreign_barrier(struct etcd_item *item)
{
	static const char *const notes[] = {"frozen", "deleted"};
	struct etcd_text body = {0};
	char key[ETCD_FOREIGN_KEY_SIZE];

	if (item->etcd->settings.v2) {
		etcd_v2_barrier(item);
		return;
	}
	etcd_foreign_prefix(item->at, key);
	ETCD_TEXT(&body, "{\"success\":[{\"request_range\":{");
	etcd_text_range(&body, key);
	ETCD_TEXT(&body, ",\"limit\":\"1\",\"sort_order\":\"DESCEND\",\"sort_target\":\"MOD\",\"keys_only\":true}}");
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		etcd_foreign_note_key(item->at, notes[i], key);
		ETCD_TEXT(&body, ",{\"request_range\":{");
		etcd_text_key(&body, key);
		ETCD_TEXT(&body, ",\"keys_only\":true}}");
	}
	ETCD_TEXT(&body, "]}");
	etcd_send_barrier(item, &body);
}

static void
foreign_free(struct etcd_zone *at)
{
	etcd_mirror_free(at->mirror);
	etcd_mirror_free(at->before);
}

static void
free_item(struct etcd_item *item)
{
	if (item->writes)
		etcd_foreign_free_writes(item->writes);
	free(item->writes);
}

const struct etcd_shape etcd_foreign_shape = {
	.list = etcd_foreign_list,
	.list_free = etcd_foreign_list_free,
	.event = foreign_event,
	.group = foreign_group,
	.commit = foreign_commit,
	.barrier = foreign_barrier,
	.tick = foreign_tick,
	.free_zone = foreign_free,
	.wait = foreign_wait,
	.free_item = free_item,
	.kept = etcd_foreign_kept,
	.goes_on = true,
};
