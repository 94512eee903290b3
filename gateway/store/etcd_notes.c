/* What is known of a zone in etcd besides its content: keys that are not served, places of its versions. */
#include "store/etcd_internal.h"
#include "base/log.h"
#include <stdlib.h>

#define BAD_KEYS 1000 /* remembered for zonegatectl check */

void
etcd_free_bad(struct etcd_zone *at)
{
	for (struct etcd_bad *bad = at->bad, *next; bad; bad = next) {
		next = bad->next;
		free(bad->key);
		free(bad->reason);
		free(bad);
	}
	at->bad = NULL;
	at->bad_count = 0;
}

/* ---- keys that are not served ---- */

static void
free_one(struct etcd_zone *at, struct etcd_bad **link)
{
	struct etcd_bad *bad = *link;

	*link = bad->next;
	free(bad->key);
	free(bad->reason);
	free(bad);
	at->bad_count--;
}

void
etcd_forget_bad(struct etcd_zone *at, const char *key, const char *reason)
{
	pthread_mutex_lock(&at->etcd->mutex);
	for (struct etcd_bad **link = &at->bad; *link;)
		if (strcmp((*link)->key, key) == 0 && (!reason || strcmp((*link)->reason, reason) == 0))
			free_one(at, link);
		else
			link = &(*link)->next;
	pthread_mutex_unlock(&at->etcd->mutex);
}

void
etcd_doubt_bad(struct etcd_zone *at)
{
	pthread_mutex_lock(&at->etcd->mutex);
	for (struct etcd_bad *bad = at->bad; bad; bad = bad->next)
		bad->doubted = true;
	pthread_mutex_unlock(&at->etcd->mutex);
}

void
etcd_sweep_bad(struct etcd_zone *at)
{
	pthread_mutex_lock(&at->etcd->mutex);
	for (struct etcd_bad **link = &at->bad; *link;)
		if ((*link)->doubted)
			free_one(at, link);
		else
			link = &(*link)->next;
	pthread_mutex_unlock(&at->etcd->mutex);
}

/* Under the mutex. */
static struct etcd_bad *
find_bad(const struct etcd_zone *at, const char *key, const char *reason)
{
	struct etcd_bad *bad = at->bad;

	while (bad && (strcmp(bad->key, key) != 0 || strcmp(bad->reason, reason) != 0))
		bad = bad->next;
	return bad;
}

bool
etcd_is_bad(struct etcd_zone *at, const char *key, const char *reason)
{
	pthread_mutex_lock(&at->etcd->mutex);
	bool known = find_bad(at, key, reason) != NULL;
	pthread_mutex_unlock(&at->etcd->mutex);
	return known;
}

/* Under the mutex. False: too many are remembered, or no memory. */
static bool
remember(struct etcd_zone *at, const char *key, const char *reason)
{
	struct etcd_bad *bad = at->bad_count < BAD_KEYS ? calloc(1, sizeof *bad) : NULL;

	if (!bad)
		return false;
	bad->key = strdup(key);
	bad->reason = strdup(reason);
	if (!bad->key || !bad->reason) {
		free(bad->key);
		free(bad->reason);
		free(bad);
		return false;
	}
	bad->next = at->bad;
	at->bad = bad;
	at->bad_count++;
	return true;
}

void
etcd_note_bad(struct etcd_zone *at, const char *key, const char *reason)
{
	char printable[400];

	pthread_mutex_lock(&at->etcd->mutex);
	struct etcd_bad *bad = find_bad(at, key, reason);
	bool known = bad != NULL;
	if (known)
		bad->doubted = false;
	bool remembered = known || remember(at, key, reason);
	pthread_mutex_unlock(&at->etcd->mutex);
	if (known)
		return;
	stat_add_shared(&at->etcd->store.unusable_records, 1);
	log_escape(key, strlen(key), printable, sizeof printable);
	if (remembered) /* so it is said once */
		log_warning("record in etcd is not served", "zone=%s key=%s reason=%s", at->zone->text, printable,
			    reason);
	else
		log_limited(LOG_LEVEL_WARNING, "record in etcd is not served", "zone=%s key=%s reason=%s",
			    at->zone->text, printable, reason);
}

void
etcd_check(struct store *store, struct zone *zone, bool (*each)(void *context, const char *key, const char *reason),
	   void *context)
{
	struct etcd *etcd = (struct etcd *)store;

	pthread_mutex_lock(&etcd->mutex);
	struct etcd_zone *at = etcd_find_object(etcd, zone);
	for (struct etcd_bad *bad = at ? at->bad : NULL; bad; bad = bad->next)
		if (!each(context, bad->key, bad->reason))
			break;
	pthread_mutex_unlock(&etcd->mutex);
}

/* ---- places ---- */

void
etcd_note_place(struct etcd_zone *at, uint64_t revision)
{
	struct etcd_place place = at->place;

	place.revision = at->place.revision = revision;
	atomic_store(&at->etcd->store.position, revision);
	pthread_mutex_lock(&at->etcd->mutex);
	if (at->ring_end != place.version) {
		at->ring_first = place.version;
		at->ring_end = place.version;
	}
	size_t used = (size_t)(at->ring_end - at->ring_first);
	if (used == at->ring_room && at->ring_room < ETCD_WINDOW) {
		size_t room = at->ring_room ? at->ring_room * 2 : 16;
		struct etcd_place *ring = malloc(room * sizeof *ring);
		for (uint64_t v = at->ring_first; ring && v < at->ring_end; v++)
			ring[v % room] = at->ring[v % at->ring_room];
		if (ring) {
			free(at->ring);
			at->ring = ring;
			at->ring_room = room;
		}
	}
	if (at->ring_room && used == at->ring_room)
		at->ring_first++;
	if (at->ring_room)
		at->ring[at->ring_end++ % at->ring_room] = place;
	pthread_mutex_unlock(&at->etcd->mutex);
}

void
etcd_extend_place(struct etcd_zone *at, uint64_t revision)
{
	at->place.revision = revision;
	pthread_mutex_lock(&at->etcd->mutex);
	if (at->ring_room && at->ring_end > at->ring_first)
		at->ring[(at->ring_end - 1) % at->ring_room].revision = revision;
	pthread_mutex_unlock(&at->etcd->mutex);
}

bool
etcd_place_of(struct etcd_zone *at, uint64_t version, struct etcd_place *place)
{
	pthread_mutex_lock(&at->etcd->mutex);
	bool known = at->ring_room && version >= at->ring_first && version < at->ring_end;
	if (known)
		*place = at->ring[version % at->ring_room];
	pthread_mutex_unlock(&at->etcd->mutex);
	return known;
}
