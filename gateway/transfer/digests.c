#include "transfer/digests.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SLOW_MS 1000 /* worth a line in the log */
#define NICE 10      /* who asks goes first */

struct digests_zone {
	struct digests *digests;
	struct zone *zone;
	/* under the mutex of struct digests */
	bool queued, ended;
	struct digests_zone *next;
	/* under its own */
	pthread_mutex_t mutex;
	bool changed;                 /* the next digest is new to who has its serial */
	struct zone_version *newest;  /* pinned; NULL: none */
	struct digests_record *known; /* a ring once it is full */
	size_t count, room, at;       /* at: the oldest, where it is full */
};

struct digests {
	void (*ready)(void *context, struct zone *zone);
	void *context;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct digests_zone *queue, **queue_end, *current;
	bool stopped;
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

/* ---- the thread ---- */

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
digest_zone(struct digests *digests, struct digests_zone *at)
{
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

static void *
run(void *context)
{
	struct digests *digests = context;

	rcu_register_thread();
	rcu_thread_offline();
	/* Of this thread alone (Linux); where it is forbidden, so be it. */
	(void)!setpriority(PRIO_PROCESS, 0, NICE);
	pthread_mutex_lock(&digests->mutex);
	while (!digests->stopped) {
		struct digests_zone *at = digests->queue;
		if (at == NULL) {
			pthread_cond_wait(&digests->changed, &digests->mutex);
			continue;
		}
		digests->queue = at->next;
		if (digests->queue == NULL)
			digests->queue_end = &digests->queue;
		at->queued = false;
		digests->current = at;
		pthread_mutex_unlock(&digests->mutex);
		digest_zone(digests, at);
		pthread_mutex_lock(&digests->mutex);
		digests->current = NULL;
		pthread_cond_broadcast(&digests->changed);
	}
	pthread_mutex_unlock(&digests->mutex);
	rcu_unregister_thread();
	return NULL;
}

static bool
enqueue(struct digests_zone *at)
{
	struct digests *digests = at->digests;

	pthread_mutex_lock(&digests->mutex);
	bool taken = !digests->stopped && !at->ended;
	if (taken && !at->queued) {
		at->queued = true;
		at->next = NULL;
		*digests->queue_end = at;
		digests->queue_end = &at->next;
		pthread_cond_broadcast(&digests->changed);
	}
	pthread_mutex_unlock(&digests->mutex);
	return taken;
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
	return !wanted || known || !enqueue(at);
}

void
digests_end_zone(struct zone *zone)
{
	struct digests_zone *at = digests_zone(zone);

	if (at == NULL)
		return;
	struct digests *digests = at->digests;
	pthread_mutex_lock(&digests->mutex);
	at->ended = true;
	for (struct digests_zone **link = &digests->queue; *link != NULL; link = &(*link)->next)
		if (*link == at) {
			*link = at->next;
			if (*link == NULL)
				digests->queue_end = link;
			break;
		}
	while (digests->current == at)
		pthread_cond_wait(&digests->changed, &digests->mutex);
	pthread_mutex_unlock(&digests->mutex);
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
	digests->queue_end = &digests->queue;
	pthread_mutex_init(&digests->mutex, NULL);
	pthread_cond_init(&digests->changed, NULL);
	if (pthread_create(&digests->thread, NULL, run, digests) == 0)
		return digests;
	free(digests);
	return NULL;
}

void
digests_stop(struct digests *digests)
{
	pthread_mutex_lock(&digests->mutex);
	bool first = !digests->stopped;
	digests->stopped = true;
	pthread_cond_broadcast(&digests->changed);
	pthread_mutex_unlock(&digests->mutex);
	if (first)
		pthread_join(digests->thread, NULL);
}

void
digests_free(struct digests *digests)
{
	digests_stop(digests);
	pthread_mutex_destroy(&digests->mutex);
	pthread_cond_destroy(&digests->changed);
	free(digests);
}
