#include "control/catalog.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "base/wait.h"
#include "control/added.h"
#include "control/catalog_internal.h"
#include <stdlib.h>
#include <string.h>

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

/* ---- names ---- */

static const uint8_t zones[] = "\5zones";
const uint8_t catalog_group[] = "\5group", catalog_coo[] = "\3coo";

bool
catalog_node(const uint8_t *catalog, const uint8_t *label, uint8_t *out)
{
	uint8_t begin[ADDED_LABEL_SIZE + sizeof zones];
	size_t size = label[0] + 1u;

	memcpy(begin, label, size);
	memcpy(begin + size, zones, sizeof zones - 1);
	return name_join(begin, size + sizeof zones - 1, catalog, out) == STATUS_OK;
}

bool
catalog_property(const uint8_t *node, const uint8_t *property, uint8_t *out)
{
	return name_join(property, property[0] + 1u, node, out) == STATUS_OK;
}

bool
catalog_is_member(const uint8_t *name, size_t size)
{
	size_t label = size > 0 ? name[0] + 1u : 0;

	return label > 0 && size == label + sizeof zones - 1 && memcmp(name + label, zones, sizeof zones - 1) == 0;
}

/* ---- the thread ---- */

/* False: something came to nothing, and is to be tried again. */
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
	return done;
}

/* The mutex is held. retry_ms: all is to be done again then; 0: nothing has failed. */
static void
wait_for_work(struct catalog *catalog, uint64_t retry_ms)
{
	while (!catalog->stop && !catalog->all && !catalog->changed && catalog->names.count == 0) {
		if (retry_ms == 0)
			pthread_cond_wait(&catalog->work, &catalog->mutex);
		else if (!wait_until(&catalog->work, &catalog->mutex, retry_ms))
			break;
	}
	if (retry_ms > 0 && clock_monotonic_ms() >= retry_ms)
		catalog->all = catalog->changed = true;
}

static void *
run(void *context)
{
	struct catalog *catalog = context;
	uint64_t retry_ms = 0;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&catalog->mutex);
	for (;;) {
		wait_for_work(catalog, retry_ms);
		if (catalog->stop)
			break;
		struct catalog_turn turn = {catalog->names, catalog->all, catalog->changed};
		catalog->names = (struct catalog_names){0};
		catalog->all = catalog->changed = false;
		pthread_mutex_unlock(&catalog->mutex);
		bool done = take_turn(catalog, &turn);
		/* What failed is done by a turn for everything, not by one for something else that came meanwhile. */
		if (!done && (retry_ms == 0 || (turn.all && turn.changed)))
			retry_ms = clock_monotonic_ms() + CATALOG_RETRY_MS;
		else if (turn.all && turn.changed)
			retry_ms = 0;
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
	wait_init(&catalog->work);
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
