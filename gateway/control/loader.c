#include "control/loader.h"
#include "base/rcu.h"
#include <pthread.h>
#include <stdlib.h>

#define LOADER_MAX_THREADS 8

struct loader_item {
	struct loader_item *next;
	struct zone *zone;
};

struct loader {
	loader_fn *load;
	void *context;
	pthread_mutex_t mutex;
	pthread_cond_t more, less;
	struct loader_item *first, **last;
	struct zone *busy[LOADER_MAX_THREADS]; /* what each thread has in work */
	pthread_t threads[LOADER_MAX_THREADS];
	unsigned thread_count, started;
	bool stop;
};

/* The next zone, or NULL: stop. The mutex is held. */
static struct zone *
loader_take(struct loader *loader)
{
	while (!loader->first && !loader->stop)
		pthread_cond_wait(&loader->more, &loader->mutex);
	if (loader->stop)
		return NULL;
	struct loader_item *item = loader->first;
	struct zone *zone = item->zone;
	loader->first = item->next;
	if (!loader->first)
		loader->last = &loader->first;
	free(item);
	return zone;
}

static void *
loader_run(void *context)
{
	struct loader *loader = context;
	struct zone *zone;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&loader->mutex);
	unsigned number = loader->started++;
	while ((zone = loader_take(loader))) {
		loader->busy[number] = zone;
		pthread_mutex_unlock(&loader->mutex);
		loader->load(loader->context, zone);
		pthread_mutex_lock(&loader->mutex);
		loader->busy[number] = NULL;
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
	for (; loader->thread_count < threads; loader->thread_count++)
		if (pthread_create(&loader->threads[loader->thread_count], NULL, loader_run, loader) != 0)
			abort();
	return loader;
}

void
loader_free(struct loader *loader)
{
	pthread_mutex_lock(&loader->mutex);
	loader->stop = true;
	pthread_cond_broadcast(&loader->more);
	pthread_mutex_unlock(&loader->mutex);
	for (unsigned i = 0; i < loader->thread_count; i++)
		pthread_join(loader->threads[i], NULL);
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
	pthread_cond_signal(&loader->more);
	pthread_mutex_unlock(&loader->mutex);
}

static bool
loader_is_busy(const struct loader *loader, const struct zone *zone)
{
	for (unsigned i = 0; i < loader->thread_count; i++)
		if (loader->busy[i] == zone)
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
		free(item);
	}
	for (loader->last = &loader->first; *loader->last; loader->last = &(*loader->last)->next)
		;
	while (loader_is_busy(loader, zone))
		pthread_cond_wait(&loader->less, &loader->mutex);
	pthread_mutex_unlock(&loader->mutex);
}
