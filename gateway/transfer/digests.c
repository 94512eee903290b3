#include "transfer/digests.h"
#include "base/background.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include <pthread.h>
#include <stdlib.h>

#define SLOW_MS 1000 /* worth a line in the log */
#define NICE 10      /* who asks goes first */

struct digests_zone {
	struct background_task task;  /* first */
	struct digests *digests;
	struct zone *zone;
	pthread_mutex_t mutex;        /* all below */
	bool changed;                 /* the next digest is new to who has its serial */
	struct zone_version *newest;  /* pinned; NULL: none */
	struct digests_record *known; /* a ring once it is full */
	size_t count, room, at;       /* at: the oldest, where it is full */
};

struct digests {
	void (*ready)(void *context, struct zone *zone);
	void *context;
	struct background *background;
};

/* ---- a zone ---- */

bool
digests_are_for(const struct zone *zone)
{
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);

	return settings != NULL && settings->zonemd;
}

static struct digests_zone *
digests_zone(const struct zone *zone)
{
	return atomic_load_explicit(&zone->digests, memory_order_acquire);
}

/* NULL: no memory. */
static struct digests_zone *
make_zone(struct digests *digests, struct zone *zone)
{
	struct digests_zone *at = digests_zone(zone);
	void *none = NULL;

	if (at != NULL)
		return at;
	at = calloc(1, sizeof *at);
	if (at == NULL)
		return NULL;
	at->digests = digests;
	at->zone = zone;
	pthread_mutex_init(&at->mutex, NULL);
	if (atomic_compare_exchange_strong(&zone->digests, &none, at))
		return at;
	pthread_mutex_destroy(&at->mutex);
	free(at);
	return none;
}

static void
set_newest(struct digests_zone *at, struct zone_version *version)
{
	if (at->newest != NULL)
		version_unpin(at->newest);
	at->newest = version;
}

static void
remember(struct digests_zone *at, const struct digests_record *record)
{
	if (at->count == at->room && at->room < DIGESTS_KNOWN) {
		size_t room = at->room != 0 ? at->room * 2 : 4;
		struct digests_record *known = realloc(at->known, room * sizeof *known);
		if (known == NULL)
			return;
		at->known = known;
		at->room = room;
	}
	if (at->count < at->room) {
		at->known[at->count++] = *record;
		return;
	}
	at->known[at->at] = *record;
	at->at = (at->at + 1) % at->room;
}

struct zone_version *
digests_newest(struct zone *zone)
{
	struct digests_zone *at = digests_zone(zone);
	struct zone_version *version = NULL;

	if (at == NULL)
		return NULL;
	pthread_mutex_lock(&at->mutex);
	if (at->newest != NULL)
		version = version_pin(at->newest);
	pthread_mutex_unlock(&at->mutex);
	return version;
}

bool
digests_find(struct zone *zone, uint32_t serial, struct digests_record *record)
{
	struct digests_zone *at = digests_zone(zone);
	bool found = false;

	if (at == NULL)
		return false;
	pthread_mutex_lock(&at->mutex);
	/* The newest first: a serial may have come around. */
	for (size_t i = at->count; i-- > 0 && !found;) {
		const struct digests_record *one = &at->known[(at->at + i) % at->room];
		found = one->serial == serial;
		if (found)
			*record = *one;
	}
	pthread_mutex_unlock(&at->mutex);
	return found;
}

/* ---- the digest of a version ---- */

/* The version's digest is made once, and stays with it. False: no memory. */
static bool
compute(struct zone_version *version)
{
	struct zonemd *zonemd = atomic_load_explicit(&version->zonemd, memory_order_acquire);

	if (zonemd != NULL)
		return true;
	zonemd = malloc(sizeof *zonemd);
	if (zonemd == NULL || zonemd_compute(version, DIGEST_SHA384, zonemd) != STATUS_OK) {
		free(zonemd);
		return false;
	}
	atomic_store_explicit(&version->zonemd, zonemd, memory_order_release);
	return true;
}

/* From now on transfers give this version (given). */
static void
give(struct digests_zone *at, struct zone_version *version)
{
	const struct zonemd *zonemd = atomic_load_explicit(&version->zonemd, memory_order_acquire);
	struct digests_record record = {.serial = version->serial, .ttl_s = zonemd->rrset.ttl_s};

	memcpy(record.rdata, rrset_first(&zonemd->rrset).bytes, sizeof record.rdata);
	pthread_mutex_lock(&at->mutex);
	/* Where secondaries have the serial without its digest, there is nothing for differences to take away. */
	if (!at->changed)
		remember(at, &record);
	at->changed = false;
	set_newest(at, version);
	pthread_mutex_unlock(&at->mutex);
}

static void
digest_zone(void *context, struct background_task *task)
{
	struct digests *digests = context;
	struct digests_zone *at = (struct digests_zone *)task;
	uint64_t start_ms = clock_monotonic_ms();

	rcu_thread_online();
	const struct zone_version *current = zone_current(at->zone);
	struct zone_version *version = current != NULL && digests_are_for(at->zone) ? version_pin(current) : NULL;
	rcu_thread_offline();
	if (version == NULL)
		return;
	if (!compute(version)) {
		log_error("zonemd", "no memory for a digest zone=%s", at->zone->text);
		version_unpin(version);
		return;
	}
	uint64_t took_ms = clock_monotonic_ms() - start_ms;
	if (took_ms >= SLOW_MS)
		log_debug("zonemd", "zone=%s records=%llu milliseconds=%llu", at->zone->text,
			  (unsigned long long)version->records, (unsigned long long)took_ms);
	give(at, version);
	rcu_thread_online();
	digests->ready(digests->context, at->zone);
	rcu_thread_offline();
}

bool
digests_published(struct digests *digests, struct zone *zone, const struct zone_version *version, bool changed)
{
	struct digests_zone *at = digests_are_for(zone) ? make_zone(digests, zone) : digests_zone(zone);

	if (at == NULL)
		return true;
	pthread_mutex_lock(&at->mutex);
	bool wanted = digests_are_for(zone) && version != NULL, known = at->newest == version;
	if (!wanted)
		set_newest(at, NULL);
	else if (at->newest == NULL && changed)
		at->changed = true;
	pthread_mutex_unlock(&at->mutex);
	return !wanted || known || !background_add(digests->background, &at->task);
}

void
digests_end_zone(struct zone *zone)
{
	struct digests_zone *at = digests_zone(zone);

	if (at == NULL)
		return;
	background_end(at->digests->background, &at->task);
	pthread_mutex_lock(&at->mutex);
	set_newest(at, NULL);
	pthread_mutex_unlock(&at->mutex);
}

void
digests_free_zone(struct zone *zone)
{
	struct digests_zone *at = atomic_exchange(&zone->digests, NULL);

	if (at == NULL)
		return;
	set_newest(at, NULL);
	free(at->known);
	pthread_mutex_destroy(&at->mutex);
	free(at);
}

/* ---- start and stop ---- */

struct digests *
digests_new(void (*ready)(void *context, struct zone *zone), void *context)
{
	struct digests *digests = calloc(1, sizeof *digests);

	if (digests == NULL)
		return NULL;
	digests->ready = ready;
	digests->context = context;
	digests->background = background_new(digest_zone, digests, NICE);
	if (digests->background != NULL)
		return digests;
	free(digests);
	return NULL;
}

void
digests_stop(struct digests *digests)
{
	background_stop(digests->background);
}

void
digests_free(struct digests *digests)
{
	background_free(digests->background);
	free(digests);
}
