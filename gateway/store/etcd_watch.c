/* The watch of API v3: what it says, in groups of one revision, and each group to the zones that its keys are of. */
#include "store/etcd_mirror.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdlib.h>

#define WATCH_RETRY_MS 100

/* ---- events ---- */

void
etcd_add_group(struct etcd *etcd, uint64_t revision, struct etcd_kv *kvs, size_t count)
{
	struct etcd_group *group = calloc(1, sizeof *group);

	invariant(group);
	*group = (struct etcd_group){.revision = revision, .sequence = etcd->sequence, .kvs = kvs, .count = count};
	*etcd->groups_end = group;
	etcd->groups_end = &group->next;
}

void
etcd_free_group(struct etcd_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		etcd_kv_free(&group->kvs[i]);
	free(group->kvs);
	free(group);
}

/* Events of a message, in groups of one revision. */
static void
take_events(struct etcd *etcd, const json_t *events)
{
	size_t count = json_array_size(events), first = 0;
	struct etcd_kv *kvs = calloc(count + 1, sizeof *kvs), *some;

	invariant(kvs);
	for (size_t i = 0; i < count; i++) {
		const json_t *event = json_array_get(events, i);
		if (!etcd_client_kv(json_object_get(event, "kv"), &kvs[i]))
			log_limited(LOG_LEVEL_ERROR, "event not understood", "store=%s", etcd->store.name);
		kvs[i].deleted = json_object_get(event, "type") &&
				 strcmp(json_string_value(json_object_get(event, "type")), "DELETE") == 0;
	}
	while (first < count) {
		size_t end = first;
		while (end < count && kvs[end].revision == kvs[first].revision)
			end++;
		some = calloc(end - first, sizeof *some);
		invariant(some);
		memcpy(some, kvs + first, (end - first) * sizeof *some);
		etcd_add_group(etcd, kvs[first].revision, some, end - first);
		etcd->watched = kvs[first].revision > etcd->watched ? kvs[first].revision : etcd->watched;
		first = end;
	}
	free(kvs);
}

/* ---- the stream ---- */

static void
on_watch(void *context, const json_t *result)
{
	struct etcd *etcd = context;

	if (json_is_true(json_object_get(result, "canceled"))) {
		etcd->watch_over = true;
		uint64_t compacted = etcd_client_number(result, "compact_revision");
		log_warning("watch canceled", "store=%s compacted=%llu reason=%s", etcd->store.name,
			    (unsigned long long)compacted,
			    json_string_value(json_object_get(result, "cancel_reason"))
				    ? json_string_value(json_object_get(result, "cancel_reason"))
				    : "");
		if (compacted) { /* what was missed is in the lists */
			etcd->watched = etcd_client_number(json_object_get(result, "header"), "revision");
			if (etcd->watched < compacted)
				etcd->watched = compacted - 1;
			for (struct etcd_zone *at = etcd->zones; at; at = at->next)
				etcd_relist(at);
		}
		return;
	}
	const json_t *events = json_object_get(result, "events");
	if (events)
		take_events(etcd, events);
}

static void
on_watch_ended(void *context, const struct etcd_answer *answer)
{
	struct etcd *etcd = context;

	log_limited(LOG_LEVEL_INFO, "watch ended", "store=%s reason=%s", etcd->store.name, answer->reason);
	etcd->watch = NULL;
	etcd->watch_over = false;
	etcd->watch_retry_ms = clock_monotonic_ms() + WATCH_RETRY_MS;
}

void
etcd_end_watch(struct etcd *etcd)
{
	if (etcd->watch)
		etcd_watch_cancel(etcd->watch);
	etcd->watch = NULL;
	etcd->watch_over = false;
	etcd->watch_retry_ms = clock_monotonic_ms() + WATCH_RETRY_MS;
}

void
etcd_keep_watch(struct etcd *etcd)
{
	struct etcd_text body = {0};
	char prefix[1100];

	if (etcd->watch_over || (etcd->watch && !etcd_watch_is_current(etcd->watch)))
		etcd_end_watch(etcd); /* requests go on its connection */
	if (etcd->watch || !etcd->watched || clock_monotonic_ms() < etcd->watch_retry_ms)
		return;
	ETCD_TEXT(&body, "{\"create_request\":{");
	if (etcd->settings.layout == ETCD_ZONEGATE) {
		snprintf(prefix, sizeof prefix, "%.1024s/zones/", etcd->settings.prefix);
		etcd_text_range(&body, prefix);
	} else { /* PREFIX/… and, beside it, PREFIX.frozen/… */
		snprintf(prefix, sizeof prefix, "%.1024s.", etcd->settings.prefix);
		etcd_text_base64(&body, "key", prefix, strlen(prefix));
		prefix[strlen(prefix) - 1] = '/' + 1;
		ETCD_TEXT(&body, ",");
		etcd_text_base64(&body, "range_end", prefix, strlen(prefix));
	}
	etcd_text_printf(&body, ",\"start_revision\":\"%llu\"}}", (unsigned long long)etcd->watched + 1);
	etcd->watch = etcd_client_watch(etcd->client, &body, on_watch, on_watch_ended, etcd);
	etcd_text_free(&body);
}

/* ---- to the zones ---- */

/* The zone that a key is of; NULL: none of ours. */
static struct etcd_zone *
zone_of_key(struct etcd *etcd, const struct etcd_kv *kv)
{
	size_t prefix = strlen(etcd->settings.prefix) + 1;
	uint8_t name[NAME_MAX_SIZE], absolute[NAME_MAX_SIZE];
	char unused[ETCD_LAYOUT_REASON_SIZE];

	if (!kv->key || kv->key_size <= prefix || strncmp(kv->key, etcd->settings.prefix, prefix - 1) != 0)
		return NULL;
	if (etcd->settings.layout != ETCD_ZONEGATE && strncmp(kv->key + prefix - 1, ".frozen/", 8) == 0)
		return name_from_text(kv->key + prefix + 7, kv->key_size - prefix - 7, NULL, name) == STATUS_OK
			       ? etcd_find(etcd, name)
			       : NULL;
	if (kv->key[prefix - 1] != '/')
		return NULL;
	const char *path = kv->key + prefix, *end = kv->key + kv->key_size, *slash;
	if (etcd->settings.layout == ETCD_ZONEGATE) {
		path += sizeof "zones/" - 1;
		slash = path < end ? memchr(path, '/', (size_t)(end - path)) : NULL;
		if (!slash || name_from_text(path, (size_t)(slash - path), NULL, name) != STATUS_OK)
			return NULL;
		return etcd_find(etcd, name);
	}
	if (end[-1] == '/')
		end--;
	/* A key whose end is no label (a type, or rubbish) still belongs to the zone above it. */
	while (etcd_layout_name(path, (size_t)(end - path), absolute, unused) != STATUS_OK) {
		slash = memrchr(path, '/', (size_t)(end - path));
		if (!slash)
			return NULL;
		end = slash;
	}
	if (etcd->settings.layout == ETCD_HELIX && *absolute && memrchr(path, '/', (size_t)(end - path)) &&
	    end == kv->key + kv->key_size)
		return etcd_closest(etcd, absolute + 1 + *absolute); /* without the type */
	return etcd_closest(etcd, absolute);
}

static void
take_group(struct etcd *etcd, struct etcd_group *group)
{
	struct etcd_zone *touched[16];
	size_t count = 0;

	if (etcd->settings.v2 && etcd_v2_journal(etcd, &group->kvs[0]))
		return;
	for (size_t i = 0; i < group->count; i++) {
		struct etcd_zone *at = zone_of_key(etcd, &group->kvs[i]);
		size_t known = 0;
		if (!at || at->state != ETCD_ZONE_LIVE || at->relist || group->revision <= at->revision)
			continue;
		while (known < count && touched[known] != at)
			known++;
		/* no gateway writes so; each is whole in itself */
		if (known == count && count == ARRAY_SIZE(touched)) {
			etcd->shape->group(touched[0], group->revision);
			memmove(touched, touched + 1, --count * sizeof *touched);
			known = count;
		}
		if (known == count)
			touched[count++] = at;
		etcd->shape->event(at, &group->kvs[i]);
	}
	for (size_t i = 0; i < count; i++) {
		etcd->shape->group(touched[i], group->revision);
		touched[i]->revision = group->revision;
	}
}

/* A zone that is being listed takes the events that come meanwhile afterwards. */
static bool
must_wait(struct etcd *etcd, const struct etcd_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct etcd_zone *at = zone_of_key(etcd, &group->kvs[i]);
		if (at && at->state == ETCD_ZONE_LISTING && (!at->list.revision || group->revision > at->list.revision))
			return true;
	}
	return false;
}

void
etcd_take_groups(struct etcd *etcd)
{
	while (etcd->groups && !must_wait(etcd, etcd->groups) &&
	       !(etcd->shape->wait && etcd->shape->wait(etcd, etcd->groups))) {
		struct etcd_group *group = etcd->groups;
		etcd->groups = group->next;
		if (!etcd->groups)
			etcd->groups_end = &etcd->groups;
		take_group(etcd, group);
		etcd->taken = group->revision > etcd->taken ? group->revision : etcd->taken;
		group->next = etcd->handed;
		etcd->handed = group;
	}
}
