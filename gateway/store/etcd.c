#include "store/etcd_mirror.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include <stdio.h>
#include <stdlib.h>

#define PROBE_MS 500       /* a member that hangs is left after two of them have had no answer */
#define LAST_WAIT_MS 3000  /* at stop, for what is under way */
#define COPY_PATIENCE_MS 1000 /* at start, for etcd */
#define ARENA_SIZE (256u << 20)

static struct etcd *
etcd_of(struct store *store)
{
	return (struct etcd *)store;
}

/* ---- zones ---- */

static struct etcd_zone **
bucket_of(struct etcd *etcd, const uint8_t *name)
{
	return &etcd->buckets[hash_bytes(name, name_size(name)) % ETCD_BUCKETS];
}

struct etcd_zone *
etcd_find(struct etcd *etcd, const uint8_t *name)
{
	struct etcd_zone *at = *bucket_of(etcd, name);

	while (at && !name_equal(at->name, name))
		at = at->in_bucket;
	return at;
}

struct etcd_zone *
etcd_closest(struct etcd *etcd, const uint8_t *name)
{
	for (;; name += 1 + *name) {
		struct etcd_zone *at = etcd_find(etcd, name);
		if (at || !*name)
			return at;
	}
}

struct etcd_zone *
etcd_find_object(struct etcd *etcd, const struct zone *zone)
{
	struct etcd_zone *at = etcd->zones;

	while (at && at->zone != zone)
		at = at->next;
	return at;
}

static void
free_zone(struct etcd_zone *at)
{
	at->etcd->shape->free_zone(at);
	etcd_free_bad(at);
	etcd_text_free(&at->from);
	free(at->defaults);
	free(at->ring);
	free(at);
}

bool
etcd_came_back(struct etcd_zone *at)
{
	at->calls--;
	if (!at->gone)
		return true;
	if (at->calls == 0)
		free_zone(at);
	return false;
}

static enum status
put_item(struct etcd *etcd, const struct etcd_item *like)
{
	struct etcd_item *item = malloc(sizeof *item);

	if (!item)
		return STATUS_NO_MEMORY;
	*item = *like;
	item->etcd = etcd;
	item->next = NULL;
	pthread_mutex_lock(&etcd->mutex);
	*etcd->inbox_end = item;
	etcd->inbox_end = &item->next;
	pthread_mutex_unlock(&etcd->mutex);
	etcd_client_wake(etcd->client);
	return STATUS_OK;
}

static enum status
add_zone(struct store *store, struct zone *zone)
{
	struct etcd *etcd = etcd_of(store);
	struct etcd_zone *at = calloc(1, sizeof *at);
	struct etcd_defaults defaults = {0};

	if (!at)
		return STATUS_NO_MEMORY;
	at->etcd = etcd;
	at->zone = zone;
	name_lower(zone->name, at->name);
	at->labels = name_labels(at->name);
	etcd_layout_zone(at->name, at->text);
	if (etcd->settings.defaults)
		etcd->settings.defaults(zone, &defaults);
	if (!etcd_set_defaults(at, &defaults)) {
		free(at);
		return STATUS_NO_MEMORY;
	}
	enum status status = put_item(etcd, &(struct etcd_item){.kind = ETCD_ITEM_ZONE, .zone = zone, .at = at});
	if (status) {
		free(at->defaults);
		free(at);
	}
	return status;
}

static void
take_zone(struct etcd_item *item)
{
	struct etcd *etcd = item->etcd;
	struct etcd_zone *at = item->at, **bucket = bucket_of(etcd, at->name);

	pthread_mutex_lock(&etcd->mutex);
	at->next = etcd->zones;
	etcd->zones = at;
	at->in_bucket = *bucket;
	*bucket = at;
	pthread_mutex_unlock(&etcd->mutex);
	at->since_ms = clock_monotonic_ms();
	at->kept_asked = !etcd->shape->goes_on;
	at->copy_added = etcd->shape->goes_on;
	if (at->copy_added)
		etcd_warm_add(etcd->warm, at->zone, true);
	free(item);
}

static void
drop_zone(struct store *store, struct zone *zone)
{
	struct etcd *etcd = etcd_of(store);
	struct etcd_zone *at = etcd_find_object(etcd, zone), **link;

	if (!at)
		return;
	pthread_mutex_lock(&etcd->mutex);
	for (link = &etcd->zones; *link != at; link = &(*link)->next)
		;
	*link = at->next;
	for (link = bucket_of(etcd, at->name); *link != at; link = &(*link)->in_bucket)
		;
	*link = at->in_bucket;
	pthread_mutex_unlock(&etcd->mutex);
	for (struct etcd_item *item = etcd->items; item; item = item->next)
		if (item->at == at)
			item->at = NULL;
	etcd_warm_drop(etcd->warm, zone);
	at->gone = true;
	if (at->calls == 0)
		free_zone(at);
}

static enum status
append(struct store *store, const struct store_append *given)
{
	return put_item(etcd_of(store),
			&(struct etcd_item){
				.kind = ETCD_ITEM_APPEND, .zone = given->zone, .append = *given, .tag = given->tag});
}

static enum status
barrier(struct store *store, struct zone *zone, uint64_t tag)
{
	return put_item(etcd_of(store), &(struct etcd_item){.kind = ETCD_ITEM_BARRIER, .zone = zone, .tag = tag});
}

/* ---- fates ---- */

static void
unlink_item(struct etcd_item *item)
{
	struct etcd_item **link = &item->etcd->items;

	while (*link && *link != item)
		link = &(*link)->next;
	if (*link)
		*link = item->next;
}

void
etcd_told(struct etcd_item *item)
{
	struct etcd *etcd = item->etcd;

	unlink_item(item);
	etcd->emitted = true;
	item->at = NULL;
	item->done = true;
	item->next = etcd->told;
	etcd->told = item;
}

static void
drop_content(struct etcd_item *item)
{
	if (item->append.content)
		draft_drop(item->append.content);
	item->append.content = NULL;
}

void
etcd_fail(struct etcd_item *item, enum status status, const char *reason)
{
	const struct store_sink *sink = item->etcd->sink;

	drop_content(item);
	if (item->kind == ETCD_ITEM_BARRIER)
		sink->barrier(sink->context, item->tag, status);
	else
		sink->failed(sink->context, item->tag, status, reason);
	etcd_told(item);
}

void
etcd_lost(struct etcd_item *item)
{
	const struct store_sink *sink = item->etcd->sink;

	drop_content(item);
	if (item->kind == ETCD_ITEM_BARRIER)
		sink->barrier(sink->context, item->tag, item->status);
	else
		sink->lost(sink->context, item->zone, item->tag);
	etcd_told(item);
}

static void
on_barrier(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	struct etcd_kv kv;

	item->sent = false;
	if (item->done)
		return;
	if (!item->at || answer->outcome != ETCD_DONE) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
		return;
	}
	item->wanted = 1;
	for (size_t i = 0; etcd_client_range(answer->json, i); i++)
		if (etcd_client_first(etcd_client_range(answer->json, i), &kv)) {
			item->wanted = kv.revision > item->wanted ? kv.revision : item->wanted;
			etcd_kv_free(&kv);
		}
}

void
etcd_send_barrier(struct etcd_item *item, struct etcd_text *body)
{
	item->sent = etcd_client_post(item->etcd->client, "/v3/kv/txn", body, ETCD_REQUEST_MS, on_barrier, item) ==
		     STATUS_OK;
	etcd_text_free(body);
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

struct etcd_item *
etcd_find_item(struct etcd *etcd, const char *unique)
{
	struct etcd_item *item = etcd->items;

	while (item && strcmp(item->unique, unique) != 0)
		item = item->next;
	return item;
}

/* Is the zone read up to a revision? Keys of a zone below it are nothing to it, but pass by. */
static bool
is_read(const struct etcd_zone *at, uint64_t revision)
{
	bool follows =
		at->etcd->shape == &etcd_foreign_shape && at->state == ETCD_ZONE_LIVE && !at->relist && !at->held;

	return at->revision >= revision || (follows && at->etcd->taken >= revision);
}

/* Those that waited for the zone to be read up to a revision. */
static void
release_items(struct etcd *etcd)
{
	for (struct etcd_item *item = etcd->items, *next; item; item = next) {
		next = item->next;
		if (item->wanted && item->at && is_read(item->at, item->wanted))
			etcd_lost(item);
	}
}

void
etcd_hand_out(struct etcd_zone *at, struct etcd_item *item, const struct change *change, const uint8_t *record,
	      size_t size, uint64_t revision)
{
	struct etcd *etcd = at->etcd;
	struct change *placed = change ? arena_copy(&etcd->arena, change, sizeof *change) : NULL;
	struct store_record out = {
		.zone = at->zone, .record = record, .size = size, .tag = item ? item->tag : 0, .position = revision};

	/* etcd has decided that nothing that it read has changed since its base: it follows the version before */
	if (placed) {
		placed->base = at->place.version;
		memcpy(placed->base_id, at->place.id, VERSION_ID_SIZE);
		out.change = placed;
		change_id(at->place.id, record, size, at->place.id);
		at->place.version++;
	}
	if (item) {
		out.content = item->append.content;
		item->append.content = NULL;
	}
	etcd_note_place(at, revision);
	etcd->emitted = true;
	etcd->sink->record(etcd->sink->context, &out);
	if (item)
		etcd_told(item);
}

/* ---- the connection ---- */

void
etcd_connected(struct etcd *etcd, const struct etcd_answer *answer)
{
	bool there = answer->outcome == ETCD_DONE || answer->outcome == ETCD_COMPARE;
	bool was = atomic_load(&etcd->store.connected);

	bool say = trouble_note(&etcd->store.away, there ? NULL : answer->reason);
	if (there && !was)
		log_info("store connected", "store=%s endpoint=%s", etcd->store.name,
			 etcd_client_endpoint(etcd->client));
	else if (!there && say)
		log_error("store not connected", "store=%s reason=%s", etcd->store.name, answer->reason);
	atomic_store(&etcd->store.connected, there);
	if (there)
		etcd->probes_failed = 0;
}

static void
on_probe(void *context, const struct etcd_answer *answer)
{
	struct etcd *etcd = context;

	etcd->probing = false;
	if (answer->outcome == ETCD_DONE || (etcd->settings.v2 && answer->outcome == ETCD_ABSENT)) { /* no keys yet */
		if (!etcd->watched)
			etcd->watched = answer->revision;
		etcd_connected(etcd, &(struct etcd_answer){.outcome = ETCD_DONE});
		return;
	}
	if (++etcd->probes_failed >= 2 || answer->outcome == ETCD_DENIED)
		etcd_connected(etcd, answer);
	etcd_client_next(etcd->client);
	etcd_end_watch(etcd); /* it hangs on the member that does not answer */
}

/* A linearizable read: the member lives, and has a leader. */
static void
probe(struct etcd *etcd)
{
	struct etcd_text body = {0};
	uint64_t now_ms = clock_monotonic_ms();

	if (etcd->probing || now_ms < etcd->probe_ms)
		return;
	etcd->probe_ms = now_ms + PROBE_MS;
	if (etcd->settings.v2) {
		char path[1200];
		snprintf(path, sizeof path, "/v2/keys%.1000s?quorum=true", etcd->settings.prefix);
		etcd->probing =
			etcd_client_v2(etcd->client, "GET", path, NULL, ETCD_REQUEST_MS, on_probe, etcd) == STATUS_OK;
		return;
	}
	ETCD_TEXT(&body, "{");
	etcd_text_key(&body, etcd->settings.prefix);
	ETCD_TEXT(&body, "}");
	etcd->probing =
		etcd_client_post(etcd->client, "/v3/kv/range", &body, ETCD_REQUEST_MS, on_probe, etcd) == STATUS_OK;
	etcd_text_free(&body);
}

/* ---- lists ---- */

void
etcd_relist(struct etcd_zone *at)
{
	if (at->state == ETCD_ZONE_NEW)
		return;
	at->relist = true;
}

void
etcd_list_failed(struct etcd_zone *at, const struct etcd_answer *answer)
{
	at->etcd->shape->list_free(at);
	at->state = ETCD_ZONE_NEW;
	at->retry_ms = clock_monotonic_ms() + ETCD_RETRY_MS;
	if (answer->outcome == ETCD_DENIED || answer->outcome == ETCD_REFUSED)
		log_limited(LOG_LEVEL_ERROR, "zone not read from etcd", "zone=%s reason=%s", at->zone->text,
			    answer->reason);
	if (answer->outcome != ETCD_COMPACTED)
		etcd_connected(at->etcd, answer);
}

/* ---- poll ---- */

static void
take_inbox(struct etcd *etcd)
{
	pthread_mutex_lock(&etcd->mutex);
	struct etcd_item *item = etcd->inbox, *next;
	etcd->inbox = NULL;
	etcd->inbox_end = &etcd->inbox;
	pthread_mutex_unlock(&etcd->mutex);
	for (; item; item = next) {
		next = item->next;
		if (item->kind == ETCD_ITEM_ZONE) {
			take_zone(item);
			continue;
		}
		item->at = etcd_find_object(etcd, item->zone);
		item->since_ms = clock_monotonic_ms();
		item->next = etcd->items;
		etcd->items = item;
		if (!item->at)
			etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
		else if (item->kind == ETCD_ITEM_BARRIER)
			etcd->shape->barrier(item);
		else
			etcd->shape->commit(item);
	}
}

void
etcd_take_kept(struct etcd_zone *at, struct etcd_kept *kept)
{
	struct etcd *etcd = at->etcd;
	const struct zone_version *version = kept->draft.version;
	struct replay_state state;

	at->place = (struct etcd_place){.version = version->version, .serial = version->serial};
	memcpy(at->place.id, version->id, VERSION_ID_SIZE);
	etcd_note_place(at, kept->revision);
	replay_get(kept->replay, &state);
	at->removed = state.removed;
	at->frozen = at->was_frozen = state.frozen;
	etcd_warm_continue(etcd->warm, at->zone);
	etcd->emitted = true;
	etcd->sink->loaded(etcd->sink->context, at->zone, &kept->draft, kept->replay);
	free(kept);
}

/* What was kept here is handed out first; it is served where etcd does not come soon. */
static void
look_at_copy(struct etcd_zone *at, uint64_t now_ms)
{
	struct etcd *etcd = at->etcd;
	struct etcd_kept *kept;

	bool away =
		!at->told_ready && !atomic_load(&etcd->store.connected) && now_ms - at->since_ms >= COPY_PATIENCE_MS;
	if (away && !at->copy_added) {
		at->copy_added = true;
		at->kept_asked = false;
		etcd_warm_add(etcd->warm, at->zone, true);
	}
	if (!at->kept_asked && etcd_warm_loaded(etcd->warm, at->zone, &kept)) {
		at->kept_asked = true;
		at->kept_out = kept && at->state != ETCD_ZONE_LIVE;
		if (at->kept_out)
			etcd->shape->kept(at, kept);
		else
			etcd_warm_free_kept(kept);
	}
	if (!at->kept_out || !away)
		return;
	log_warning("served as last known", "zone=%s version=%llu", at->zone->text,
		    (unsigned long long)at->place.version);
	at->told_ready = true;
	etcd->emitted = true;
	etcd->sink->ready(etcd->sink->context, at->zone);
}

static void
maintain(struct etcd *etcd)
{
	uint64_t now_ms = clock_monotonic_ms();

	probe(etcd);
	if (etcd->settings.v2)
		etcd_v2_watch(etcd);
	else
		etcd_keep_watch(etcd);
	etcd->working = false;
	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		look_at_copy(at, now_ms);
		if (at->state == ETCD_ZONE_LISTING && etcd->shape->work && etcd->shape->work(at))
			etcd->working = true;
		if (at->relist && at->calls == 0 && at->state == ETCD_ZONE_LIVE) {
			at->relist = false;
			at->state = ETCD_ZONE_NEW;
			at->retry_ms = 0;
		}
		if (at->state == ETCD_ZONE_NEW && at->kept_asked && etcd->watched && now_ms >= at->retry_ms &&
		    at->calls == 0) {
			at->state = ETCD_ZONE_LISTING;
			at->list.revision = 0;
			etcd->shape->list(at);
		} else if (at->state == ETCD_ZONE_LIVE) {
			etcd->shape->tick(at);
		}
	}
	for (struct etcd_item *item = etcd->items, *next; item; item = next) {
		next = item->next;
		if (!item->at && !item->sent) {
			etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
		} else if (item->at && item->retry_ms && now_ms >= item->retry_ms && !item->sent) {
			item->retry_ms = 0;
			if (item->kind == ETCD_ITEM_APPEND)
				etcd->shape->commit(item);
			else
				etcd->shape->barrier(item);
		}
	}
}

static void
free_told(struct etcd *etcd)
{
	for (struct etcd_item **link = &etcd->told; *link;) {
		struct etcd_item *item = *link;
		if (item->sent) { /* the watch was faster than the answer */
			link = &item->next;
			continue;
		}
		*link = item->next;
		if (etcd->shape->free_item)
			etcd->shape->free_item(item);
		etcd_text_free(&item->body);
		free(item);
	}
	while (etcd->handed) {
		struct etcd_group *group = etcd->handed;
		etcd->handed = group->next;
		etcd_free_group(group);
	}
	arena_reset(&etcd->arena);
}

static void
poll_store(struct store *store, const struct store_sink *sink, int timeout_ms)
{
	struct etcd *etcd = etcd_of(store);
	bool stopping = timeout_ms == 0;
	uint64_t end_ms = clock_monotonic_ms() + (uint64_t)(stopping ? LAST_WAIT_MS : timeout_ms);

	free_told(etcd);
	etcd->sink = sink;
	etcd->emitted = false;
	for (;;) {
		take_inbox(etcd);
		maintain(etcd);
		uint64_t now_ms = clock_monotonic_ms();
		int left_ms = now_ms >= end_ms ? 0 : (int)(end_ms - now_ms);
		if (etcd->emitted || etcd->working || (stopping && !etcd->items))
			left_ms = 0;
		etcd_client_poll(etcd->client, left_ms > 10 ? 10 : left_ms);
		etcd_take_groups(etcd);
		release_items(etcd);
		if (etcd->emitted || left_ms == 0)
			break;
	}
	etcd->sink = NULL;
}

static void
wake(struct store *store)
{
	etcd_client_wake(etcd_of(store)->client);
}

/* A copy was loaded, or has begun: its content and window are to be kept. */
static void
wake_from_copy(void *context)
{
	struct etcd *etcd = context;

	atomic_store(&etcd->store.round, true);
	wake(&etcd->store);
}

/* What replay made of a record that was handed out. */
static void
note_serial(struct etcd_zone *at, uint64_t version, uint32_t serial)
{
	at->place.serial = serial;
	pthread_mutex_lock(&at->etcd->mutex);
	if (at->ring_room && version >= at->ring_first && version < at->ring_end)
		at->ring[version % at->ring_room].serial = serial;
	pthread_mutex_unlock(&at->etcd->mutex);
}

/* What does not apply although etcd took it is damage: the zone is read again. */
static enum status
commit(struct store *store, const struct store_fate *fates, size_t count, char *reason)
{
	struct etcd *etcd = etcd_of(store);

	(void)reason;
	for (size_t i = 0; i < count; i++) {
		struct etcd_zone *at = etcd_find_object(etcd, fates[i].record->zone);
		if (at && fates[i].fate == REPLAY_APPLIED) {
			note_serial(at, fates[i].version, fates[i].serial);
			etcd_warm_note(etcd->warm, &fates[i], fates[i].record->position);
		} else if (at) {
			at->anew = true;
			etcd_relist(at);
		}
	}
	return STATUS_OK;
}

static void
checkpoint(struct store *store, struct zone *zone, const struct zone_version *version, const struct replay *replay,
	   bool idle)
{
	struct etcd *etcd = etcd_of(store);
	struct etcd_zone *at = etcd_find_object(etcd, zone);
	struct etcd_place place;

	/* Only where nothing newer is on its way: the revision belongs to this version. */
	if (at && at->state == ETCD_ZONE_LIVE && at->place.version == version->version &&
	    etcd_place_of(at, version->version, &place))
		etcd_warm_checkpoint(etcd->warm, zone, version, replay, place.revision, idle);
}

static enum status
snapshot_now(struct store *store, struct zone *zone, char *reason)
{
	(void)store, (void)zone;
	snprintf(reason, STORE_REASON_SIZE, "etcd holds the zone itself: there is nothing to take a snapshot of");
	return STATUS_UNSUPPORTED;
}

/* ---- open and close ---- */

static void
close_store(struct store *store)
{
	struct etcd *etcd = etcd_of(store);

	for (struct etcd_zone *at = etcd->zones, *next; at; at = next) {
		next = at->next;
		etcd->shape->list_free(at);
		free_zone(at);
	}
	if (etcd->watch)
		etcd_watch_cancel(etcd->watch);
	if (etcd->warm)
		etcd_warm_close(etcd->warm);
	if (etcd->client)
		etcd_client_free(etcd->client);
	while (etcd->items)
		etcd_told(etcd->items);
	for (struct etcd_item *item = etcd->told; item; item = item->next)
		item->sent = false; /* nothing leads back any more */
	for (struct etcd_item *item = etcd->inbox, *next; item; item = next) {
		next = item->next;
		free(item);
	}
	for (struct etcd_group *group = etcd->groups, *next; group; group = next) {
		next = group->next;
		etcd_free_group(group);
	}
	free_told(etcd);
	arena_free(&etcd->arena);
	etcd_free_settings(&etcd->settings);
	pthread_mutex_destroy(&etcd->mutex);
	free(etcd->store.name);
	free(etcd);
}

static const struct store_ops etcd_ops = {
	.type = "etcd",
	.add_zone = add_zone,
	.drop_zone = drop_zone,
	.append = append,
	.barrier = barrier,
	.poll = poll_store,
	.wake = wake,
	.commit = commit,
	.checkpoint = checkpoint,
	.read = etcd_history_read,
	.oldest = etcd_history_oldest,
	.content_at = etcd_history_content,
	.load_snapshot = etcd_history_load_snapshot,
	.save_snapshot = etcd_history_save_snapshot,
	.snapshot_now = snapshot_now,
	.check = etcd_check,
	.close = close_store,
};

enum status
etcd_open(const char *name, const struct etcd_settings *settings, struct kv *kv, struct store **store, char *reason)
{
	struct etcd *etcd = calloc(1, sizeof *etcd);

	if (!etcd)
		return STATUS_NO_MEMORY;
	etcd->store.ops = &etcd_ops;
	etcd->store.name = strdup(name);
	etcd->shape = settings->layout == ETCD_ZONEGATE ? &etcd_native_shape : &etcd_foreign_shape;
	etcd->inbox_end = &etcd->inbox;
	etcd->groups_end = &etcd->groups;
	arena_init(&etcd->arena, ARENA_SIZE);
	pthread_mutex_init(&etcd->mutex, NULL);
	enum status status =
		etcd_copy_settings(settings, &etcd->settings) && etcd->store.name ? STATUS_OK : STATUS_NO_MEMORY;
	if (!status)
		status = etcd_client_open(&etcd->settings, &etcd->client, reason);
	if (!status)
		status = etcd_warm_open(name, kv, wake_from_copy, etcd, &etcd->warm, reason);
	if (status) {
		close_store(&etcd->store);
		return status;
	}
	*store = &etcd->store;
	return STATUS_OK;
}
