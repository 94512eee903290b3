#include "control/catalog.h"
#include "base/rcu.h"
#include "control/catalog_internal.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_SIZE (1u << 20) /* beyond that all zones are compared, which is cheaper then */

struct catalog {
	struct gateway *gateway;
	pthread_t thread;
	pthread_mutex_t mutex;   /* all below */
	pthread_cond_t work;
	struct catalog_names names;
	bool all;                /* compare all zones */
	bool changed;            /* a catalog that is consumed has another version */
	bool clashes;            /* a member is another's zone */
	bool stop;
};

/* What there was to do; moved out of the catalog. */
struct catalog_turn {
	struct catalog_names names;
	bool all, changed;
};

static bool
is_role(const struct zone *zone, enum config_catalog role)
{
	return atomic_load_explicit(&zone->role, memory_order_relaxed) == (int)role;
}

/* The mutex is held. */
static void
add_name(struct catalog *catalog, const struct zone *zone)
{
	struct catalog_names *names = &catalog->names;

	if (names->size + zone->name_size > NAMES_SIZE || catalog->all) {
		catalog->all = true;
		names->size = names->count = 0;
		return;
	}
	if (names->size + zone->name_size > names->room) {
		names->room = names->room ? names->room * 2 : 4096;
		names->bytes = realloc(names->bytes, names->room);
		if (!names->bytes)
			abort();
	}
	memcpy(names->bytes + names->size, zone->name, zone->name_size);
	names->size += zone->name_size;
	names->count++;
}

void
catalog_wake(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->mutex);
	catalog->all = catalog->changed = true;
	pthread_cond_signal(&catalog->work);
	pthread_mutex_unlock(&catalog->mutex);
}

void
catalog_zone(void *context, const struct zone *zone)
{
	struct catalog *catalog = context;

	pthread_mutex_lock(&catalog->mutex);
	if (is_role(zone, CONFIG_CATALOG_PRODUCE))
		catalog->all = true;
	else if (is_role(zone, CONFIG_CATALOG_CONSUME))
		catalog->changed = true;
	else
		add_name(catalog, zone);
	if (catalog->clashes && atomic_load(&zone->state) == ZONE_REMOVED)
		catalog->changed = true;
	pthread_cond_signal(&catalog->work);
	pthread_mutex_unlock(&catalog->mutex);
}

void
catalog_published(void *context, const struct zone *zone)
{
	struct catalog *catalog = context;

	if (!is_role(zone, CONFIG_CATALOG_CONSUME))
		return;
	pthread_mutex_lock(&catalog->mutex);
	catalog->changed = true;
	pthread_cond_signal(&catalog->work);
	pthread_mutex_unlock(&catalog->mutex);
}

/* ---- the thread ---- */

/* True: it may have come to nothing, and is to be tried again. */
static bool
take_turn(struct catalog *catalog, const struct catalog_turn *turn)
{
	struct gateway *gateway = catalog->gateway;
	bool done = true;

	if (turn->changed) {
		size_t clashes = 0;
		pthread_rwlock_wrlock(&gateway->lock);
		done = catalog_consume(gateway, &clashes);
		pthread_mutex_lock(&catalog->mutex);
		catalog->clashes = clashes > 0;
		pthread_mutex_unlock(&catalog->mutex);
		pthread_rwlock_unlock(&gateway->lock);
	}
	if (turn->all || turn->names.count > 0) {
		pthread_rwlock_rdlock(&gateway->lock);
		done = catalog_produce(gateway, &turn->names, turn->all) && done;
		pthread_rwlock_unlock(&gateway->lock);
	}
	return !done;
}

/* The mutex is held. */
static void
wait_for_work(struct catalog *catalog, bool again)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CATALOG_RETRY_S;
	while (!catalog->stop && !catalog->all && !catalog->changed && catalog->names.count == 0) {
		if (!again)
			pthread_cond_wait(&catalog->work, &catalog->mutex);
		else if (pthread_cond_timedwait(&catalog->work, &catalog->mutex, &until) != 0)
			catalog->all = catalog->changed = true;
	}
}

static void *
run(void *context)
{
	struct catalog *catalog = context;
	bool again = false;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&catalog->mutex);
	for (;;) {
		wait_for_work(catalog, again);
		if (catalog->stop)
			break;
		struct catalog_turn turn = {catalog->names, catalog->all, catalog->changed};
		catalog->names = (struct catalog_names){0};
		catalog->all = catalog->changed = false;
		pthread_mutex_unlock(&catalog->mutex);
		again = take_turn(catalog, &turn);
		free(turn.names.bytes);
		pthread_mutex_lock(&catalog->mutex);
	}
	pthread_mutex_unlock(&catalog->mutex);
	rcu_thread_online();
	rcu_unregister_thread();
	return NULL;
}

struct catalog *
catalog_new(struct gateway *gateway)
{
	struct catalog *catalog = calloc(1, sizeof *catalog);

	if (!catalog)
		abort();
	catalog->gateway = gateway;
	pthread_mutex_init(&catalog->mutex, NULL);
	pthread_cond_init(&catalog->work, NULL);
	if (pthread_create(&catalog->thread, NULL, run, catalog) != 0)
		abort();
	return catalog;
}

void
catalog_stop(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->mutex);
	catalog->stop = true;
	pthread_cond_signal(&catalog->work);
	pthread_mutex_unlock(&catalog->mutex);
	pthread_join(catalog->thread, NULL);
}

void
catalog_free(struct catalog *catalog)
{
	pthread_mutex_destroy(&catalog->mutex);
	pthread_cond_destroy(&catalog->work);
	free(catalog->names.bytes);
	free(catalog);
}
