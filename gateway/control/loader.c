#include "control/loader.h"
#include "base/rcu.h"
#include <pthread.h>
#include <stdlib.h>

#define LOADER_MAX_THREADS 8

struct loader_item {
	struct loader_item *next;
	struct zone *zone;
};

struct loader_busy {
	struct zone **zones;
	size_t count;
};

struct loader {
	loader_fn *load;
	void *context;
	pthread_mutex_t mutex;
	pthread_cond_t more, less;
	struct loader_item *first, **last;
	size_t waiting;
	struct loader_busy busy[LOADER_MAX_THREADS]; /* what each thread has in work */
	pthread_t threads[LOADER_MAX_THREADS];
	unsigned thread_count, started;
	bool stop;
};

/* The next zones, this thread's share of those that wait at most; 0: stop. The mutex is held. */
static size_t
loader_take(struct loader *loader, struct zone **zones)
{
	while (!loader->first && !loader->stop)
		pthread_cond_wait(&loader->more, &loader->mutex);
	if (loader->stop)
		return 0;
	size_t share = loader->waiting / loader->thread_count + 1, count = 0;
	while (loader->first && count < share && count < LOADER_TOGETHER) {
		struct loader_item *item = loader->first;
		zones[count++] = item->zone;
		loader->first = item->next;
		free(item);
	}
	if (!loader->first)
		loader->last = &loader->first;
	loader->waiting -= count;
	return count;
}

static void *
loader_run(void *context)
{
	struct loader *loader = context;
	struct zone *zones[LOADER_TOGETHER];
	size_t count;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&loader->mutex);
	struct loader_busy *busy = &loader->busy[loader->started++];
	while ((count = loader_take(loader, zones)) > 0) {
		*busy = (struct loader_busy){zones, count};
		pthread_mutex_unlock(&loader->mutex);
		loader->load(loader->context, zones, count);
		pthread_mutex_lock(&loader->mutex);
		*busy = (struct loader_busy){0};
		pthread_cond_broadcast(&loader->less);
	}
	pthread_mutex_unlock(&loader->mutex);
	rcu_unregister_thread();
	return NULL;
}

struct loader *
loader_new(unsigned threads, loader_fn *load, void *context)
{
	struct loader *loader = calloc(1, sizeof *loader);

	require(threads > 0 && threads <= LOADER_MAX_THREADS);
	if (!loader)
		abort();
	loader->load = load;
	loader->context = context;
	loader->last = &loader->first;
	pthread_mutex_init(&loader->mutex, NULL);
	pthread_cond_init(&loader->more, NULL);
	pthread_cond_init(&loader->less, NULL);
	pthread_mutex_lock(&loader->mutex);
	for (; loader->thread_count < threads; loader->thread_count++)
		if (pthread_create(&loader->threads[loader->thread_count], NULL, loader_run, loader) != 0)
			abort();
	pthread_mutex_unlock(&loader->mutex);
	return loader;
}

void
loader_stop(struct loader *loader)
{
	pthread_mutex_lock(&loader->mutex);
	loader->stop = true;
	pthread_cond_broadcast(&loader->more);
	pthread_mutex_unlock(&loader->mutex);
	for (unsigned i = 0; i < loader->thread_count; i++)
		pthread_join(loader->threads[i], NULL);
}

void
loader_free(struct loader *loader)
{
	for (struct loader_item *item = loader->first, *next; item; item = next) {
		next = item->next;
		free(item);
	}
	pthread_mutex_destroy(&loader->mutex);
	pthread_cond_destroy(&loader->more);
	pthread_cond_destroy(&loader->less);
	free(loader);
}

void
loader_add(struct loader *loader, struct zone *zone)
{
	struct loader_item *item = malloc(sizeof *item);

	if (!item)
		abort();
	*item = (struct loader_item){.zone = zone};
	pthread_mutex_lock(&loader->mutex);
	*loader->last = item;
	loader->last = &item->next;
	loader->waiting++;
	pthread_cond_signal(&loader->more);
	pthread_mutex_unlock(&loader->mutex);
}

static bool
loader_is_busy(const struct loader *loader, const struct zone *zone)
{
	for (unsigned i = 0; i < loader->thread_count; i++)
		for (size_t k = 0; k < loader->busy[i].count; k++)
			if (loader->busy[i].zones[k] == zone)
				return true;
	return false;
}

void
loader_forget(struct loader *loader, struct zone *zone)
{
	pthread_mutex_lock(&loader->mutex);
	for (struct loader_item **at = &loader->first; *at;) {
		struct loader_item *item = *at;
		if (item->zone != zone) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		loader->waiting--;
		free(item);
	}
	for (loader->last = &loader->first; *loader->last; loader->last = &(*loader->last)->next)
		;
	while (loader_is_busy(loader, zone))
		pthread_cond_wait(&loader->less, &loader->mutex);
	pthread_mutex_unlock(&loader->mutex);
}
