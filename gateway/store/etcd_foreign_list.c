/*
 * Layouts helix and skydns: what is in etcd, listed. Where the zone was served before, by this process or an earlier
 * one, the list becomes one change from that; else, or where it does not follow from that, content.
 */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "zone/change_json.h"
#include <stdio.h>
#include <stdlib.h>

#define NOTES 2
#define PAGE_KEYS 10000 /* etcd counts the rest of the range for each */

static void list_page(struct etcd_zone *at);

/* ---- leases ---- */

struct lease { struct etcd_zone *at; struct etcd *etcd; uint64_t id; bool listing; };

static void finish_list(struct etcd_zone *at);

/* The end of a key: known now, or later than it was. */
static void
note_end(struct etcd_mirror *mirror, struct etcd_entry *entry, uint64_t expires_ms)
{
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

static void
note_lease(struct etcd *etcd, uint64_t id, uint64_t expires_ms)
{
	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		struct chains_walk walk = {0};
		for (struct etcd_entry *entry; at->mirror && (entry = etcd_mirror_next_entry(at->mirror, &walk));)
			if (entry->lease == id)
				note_end(at->mirror, entry, expires_ms);
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
	int64_t ttl_s = (int64_t)etcd_client_number(answer->json, "TTL");
	long long left_s = answer->outcome == ETCD_DONE ? ttl_s : 1; /* unknown: as short as it can be */

	bool there = !lease->at || etcd_came_back(lease->at);
	note_lease(lease->etcd, lease->id, clock_monotonic_ms() + (left_s > 0 ? (uint64_t)left_s * 1000 : 1));
	if (there && lease->at && --lease->at->leases_asked == 0 && lease->at->state == ETCD_ZONE_LISTING)
		finish_list(lease->at);
	free(lease);
}

bool
etcd_foreign_ask_lease(struct etcd *etcd, struct etcd_zone *at, uint64_t id)
{
	struct lease *lease = malloc(sizeof *lease);
	struct etcd_text body = {0};

	if (!lease)
		return false;
	*lease = (struct lease){.at = at, .etcd = etcd, .id = id};
	etcd_text_printf(&body, "{\"ID\":\"%lld\"}", (long long)id);
	bool asked = etcd_client_post(etcd->client, "/v3/lease/timetolive", &body, ETCD_REQUEST_MS, on_lease, lease) ==
		     STATUS_OK;
	etcd_text_free(&body);
	if (!asked)
		free(lease);
	else if (at)
		at->calls++, at->leases_asked++;
	return asked;
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

void
etcd_foreign_ask_leases(struct etcd_zone *at, uint64_t before_ms)
{
	struct etcd_mirror *mirror = at->mirror;
	uint64_t *ids = malloc((mirror->entries.count + 1) * sizeof *ids);
	struct chains_walk walk = {0};
	size_t count = 0;

	for (const struct etcd_entry *entry; ids && (entry = etcd_mirror_next_entry(mirror, &walk));)
		if (entry->lease && (before_ms ? entry->expires_ms <= before_ms : entry->expires_ms == 0))
			ids[count++] = entry->lease;
	if (count)
		qsort(ids, count, sizeof *ids, compare_ids);
	for (size_t i = 0; i < count; i++)
		if ((i == 0 || ids[i] != ids[i - 1]) && !etcd_foreign_ask_lease(at->etcd, at, ids[i]))
			break; /* no memory; those that are asked for are enough to come here again */
	free(ids);
}

/* ---- the list ---- */

void
etcd_foreign_list_free(struct etcd_zone *at)
{
	at->from.size = 0;
}

static void
list_done(struct etcd_zone *at)
{
	struct etcd *etcd = at->etcd;

	etcd_mirror_free(at->before);
	at->before = NULL;
	at->anew = false;
	at->kept_out = false;
	etcd_sweep_bad(at);
	at->revision = at->list.revision;
	at->state = ETCD_ZONE_LIVE;
	log_info("zone read from etcd", "zone=%s keys=%zu serial=%u revision=%llu", at->zone->text,
		 at->mirror->entries.count, at->place.serial, (unsigned long long)at->revision);
	if (at->mirror->entries.count == 0)
		log_warning("zone has no keys in etcd",
			    "zone=%s prefix=%s reason=check layout and prefix, unless it is to be filled yet",
			    at->zone->text, etcd->settings.prefix);
	if (at->told_ready)
		return;
	at->told_ready = true;
	etcd->emitted = true;
	etcd->sink->ready(etcd->sink->context, at->zone);
}

static bool
restore_replay(const struct etcd_zone *at, struct replay *replay)
{
	struct replay_state state = {
		.state_version = at->place.version, .frozen = at->frozen, .until_us = at->until_us};

	return replay && replay_restore(replay, &state) == STATUS_OK &&
	       replay_restore_id(replay, at->place.version, at->place.id) == STATUS_OK;
}

struct replay *
etcd_foreign_replay(const struct etcd_zone *at)
{
	struct replay *replay = replay_new();

	if (restore_replay(at, replay))
		return replay;
	replay_free(replay);
	return NULL;
}

/* A version that follows from none. */
static void
hand_out_content(struct etcd_zone *at)
{
	struct etcd *etcd = at->etcd;
	struct draft draft;
	uint8_t sum[DIGEST_SHA256_SIZE];
	char text[NAME_TEXT_SIZE + 64];
	enum status status = draft_begin(&draft, NULL, at->zone->name);
	struct etcd_place place = {.version = at->place.version + 1, .serial = etcd_mirror_serial(at->mirror)};

	if (!status) {
		status = etcd_mirror_fill(at->mirror, &draft);
		if (status)
			draft_drop(&draft);
	}
	int size = snprintf(text, sizeof text, "%s %llu", at->text, (unsigned long long)at->list.revision);
	digest_sha256(text, (size_t)size, sum);
	memcpy(place.id, sum, VERSION_ID_SIZE);
	struct etcd_place before = at->place;
	at->place = place;
	struct replay *replay = status ? NULL : etcd_foreign_replay(at);
	if (!replay) {
		at->place = before;
		if (!status)
			draft_drop(&draft);
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = status_text(status)});
		return;
	}
	draft.version->version = place.version;
	draft.version->serial = place.serial;
	memcpy(draft.version->id, sum, VERSION_ID_SIZE);
	draft.version->time_us = clock_wall_us();
	draft.version->frozen = at->frozen;
	at->was_frozen = at->frozen;
	at->was_until_us = at->until_us;
	etcd_note_place(at, at->list.revision);
	etcd->emitted = true;
	etcd_warm_forget(etcd->warm, at->zone);
	atomic_store(&etcd->store.round, true); /* the local copy begins with it */
	etcd->sink->loaded(etcd->sink->context, at->zone, &draft, replay);
	at->freeze_news = false;
	if (at->told_ready)
		etcd->sink->ready(etcd->sink->context, at->zone);
	list_done(at);
}

static void
finish_list(struct etcd_zone *at)
{
	if (at->anew || !at->before) {
		hand_out_content(at);
	} else {
		etcd_mirror_take_served(at->mirror, at->before);
		etcd_note_place(at, at->list.revision);
		list_done(at);
		etcd_foreign_emit_list(at);
	}
	if (at->state == ETCD_ZONE_LIVE && !at->relist)
		etcd_foreign_tell_written(at);
}

void
etcd_foreign_listed(struct etcd_zone *at, uint64_t revision)
{
	at->list.revision = revision;
	at->leases_asked = 0;
	if (!at->etcd->settings.v2)
		etcd_foreign_ask_leases(at, 0);
	if (at->leases_asked == 0)
		finish_list(at);
}

/* ---- pages ---- */

/* What gateways note beside the prefix: is the zone frozen, when was something last deleted. */
static void
on_notes(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	struct etcd_kv kv;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	for (size_t i = 0; i < NOTES; i++) {
		if (!etcd_client_first(etcd_client_range(answer->json, i), &kv))
			continue;
		if (i == 0)
			etcd_foreign_take_freeze(at, &kv);
		at->mirror->last = kv.revision > at->mirror->last ? kv.revision : at->mirror->last;
		etcd_kv_free(&kv);
	}
	etcd_foreign_listed(at, at->list.revision);
}

static void
list_notes(struct etcd_zone *at)
{
	static const char *const notes[NOTES] = {"frozen", "deleted"};
	struct etcd_text body = {0};
	char key[ETCD_FOREIGN_KEY_SIZE];

	ETCD_TEXT(&body, "{\"success\":[");
	for (size_t i = 0; i < NOTES; i++) {
		etcd_foreign_note_key(at, notes[i], key);
		etcd_text_printf(&body, "%s{\"request_range\":{", i ? "," : "");
		etcd_text_key(&body, key);
		etcd_text_printf(&body, ",\"revision\":\"%llu\"}}", (unsigned long long)at->list.revision);
	}
	ETCD_TEXT(&body, "]}");
	if (etcd_client_post(at->etcd->client, "/v3/kv/txn", &body, ETCD_REQUEST_MS, on_notes, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
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
		if (!etcd_client_kv(json_array_get(kvs, i), &kv)) {
			etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT,
								   .reason = "an answer that cannot be read"});
			return;
		}
		if (i + 1 == count) {
			at->from.size = 0;
			etcd_text_put(&at->from, kv.key, kv.key_size + 1);
		}
		uint8_t name[NAME_MAX_SIZE];
		char unused[ETCD_LAYOUT_REASON_SIZE];
		size_t prefix = strlen(at->etcd->settings.prefix) + 1;
		/* A zone below this one that is served too has its keys to itself. */
		if (etcd_layout_name(kv.key + prefix, kv.key_size - prefix, name, unused) != STATUS_OK ||
		    etcd_closest(at->etcd, name) == at)
			etcd_mirror_take(at->mirror, &kv);
		etcd_kv_free(&kv);
	}
	if (json_is_true(json_object_get(answer->json, "more")))
		list_page(at);
	else
		list_notes(at);
}

static void
list_page(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char key[ETCD_FOREIGN_KEY_SIZE];

	etcd_foreign_prefix(at, key);
	ETCD_TEXT(&body, "{");
	etcd_text_range_from(&body, key, &at->from);
	etcd_text_printf(&body, ",\"limit\":\"%d\",\"revision\":\"%llu\"}", PAGE_KEYS,
			 (unsigned long long)at->list.revision);
	if (etcd_client_post(at->etcd->client, "/v3/kv/range", &body, ETCD_LONG_MS, on_page, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
	etcd_text_free(&body);
}

void
etcd_foreign_list(struct etcd_zone *at)
{
	if (at->before) /* the last list came to nothing */
		etcd_mirror_free(at->mirror);
	else
		at->before = at->mirror;
	at->mirror = etcd_mirror_new(at);
	invariant(at->mirror);
	etcd_doubt_bad(at);
	at->frozen = false;
	at->frozen_revision = at->until_us = 0;
	at->list.revision = 0;
	at->from.size = 0;
	at->held = false;
	if (at->etcd->settings.v2)
		etcd_v2_list(at);
	else
		list_page(at);
}

/* ---- the local copy ---- */

/* It is what the first list is compared with. */
void
etcd_foreign_kept(struct etcd_zone *at, struct etcd_kept *kept)
{
	at->mirror = etcd_mirror_new(at);
	if (!at->mirror || etcd_mirror_serve(at->mirror, kept->draft.version) != STATUS_OK)
		at->anew = true;
	etcd_take_kept(at, kept);
}
