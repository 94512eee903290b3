#include "zone/reclaim.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "base/wait.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct reclaim {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t work, freed;
	struct reclaim_item *first, **last;
	size_t backlog; /* items that have not run */
	unsigned throttled;
	long expected;
	bool asleep, stop;
};

static bool
is_urgent(const struct reclaim *reclaim)
{
	return reclaim->stop || reclaim->throttled > 0;
}

static void
take(struct reclaim *reclaim, struct reclaim_item **items)
{
	reclaim->asleep = true;
	while (reclaim->first == NULL && !(reclaim->stop && reclaim->expected == 0))
		pthread_cond_wait(&reclaim->work, &reclaim->mutex);
	reclaim->asleep = false;
	/* Nobody signals while this sleeps, so publishing stays cheap under load. */
	uint64_t until_ms = clock_monotonic_ms() + RECLAIM_GATHER_MS;
	while (!is_urgent(reclaim) && wait_until(&reclaim->work, &reclaim->mutex, until_ms))
		;
	*items = reclaim->first;
	reclaim->first = NULL;
	reclaim->last = &reclaim->first;
}

static void
count_done(struct reclaim *reclaim, size_t done)
{
	pthread_mutex_lock(&reclaim->mutex);
	reclaim->backlog -= done;
	if (reclaim->throttled > 0)
		pthread_cond_broadcast(&reclaim->freed);
	pthread_mutex_unlock(&reclaim->mutex);
}

static void *
reclaim_main(void *context)
{
	struct reclaim *reclaim = context;
	struct reclaim_item *item, *next;

	for (;;) {
		pthread_mutex_lock(&reclaim->mutex);
		take(reclaim, &item);
		pthread_mutex_unlock(&reclaim->mutex);
		if (item == NULL)
			return NULL;
		synchronize_rcu();
		size_t done = 0;
		for (; item != NULL; item = next, done++) {
			next = item->next;
			item->run(item);
		}
		count_done(reclaim, done);
	}
}

struct reclaim *
reclaim_new(void)
{
	struct reclaim *reclaim = calloc(1, sizeof *reclaim);

	if (reclaim == NULL)
		return NULL;
	reclaim->last = &reclaim->first;
	pthread_mutex_init(&reclaim->mutex, NULL);
	wait_init(&reclaim->work);
	pthread_cond_init(&reclaim->freed, NULL);
	if (pthread_create(&reclaim->thread, NULL, reclaim_main, reclaim) == 0)
		return reclaim;
	pthread_cond_destroy(&reclaim->work);
	pthread_cond_destroy(&reclaim->freed);
	pthread_mutex_destroy(&reclaim->mutex);
	free(reclaim);
	return NULL;
}

void
reclaim_free(struct reclaim *reclaim)
{
	if (reclaim == NULL)
		return;
	pthread_mutex_lock(&reclaim->mutex);
	reclaim->stop = true;
	pthread_cond_signal(&reclaim->work);
	pthread_mutex_unlock(&reclaim->mutex);
	pthread_join(reclaim->thread, NULL);
	pthread_cond_destroy(&reclaim->work);
	pthread_cond_destroy(&reclaim->freed);
	pthread_mutex_destroy(&reclaim->mutex);
	free(reclaim);
}

void
reclaim_later(struct reclaim *reclaim, struct reclaim_item *item, void (*run)(struct reclaim_item *item))
{
	item->next = NULL;
	item->run = run;
	pthread_mutex_lock(&reclaim->mutex);
	*reclaim->last = item;
	reclaim->last = &item->next;
	reclaim->backlog++;
	if (reclaim->asleep)
		pthread_cond_signal(&reclaim->work);
	pthread_mutex_unlock(&reclaim->mutex);
}

void
reclaim_throttle(struct reclaim *reclaim)
{
	pthread_mutex_lock(&reclaim->mutex);
	reclaim->throttled++;
	while (reclaim->backlog >= RECLAIM_BACKLOG_MAX) {
		pthread_cond_signal(&reclaim->work); /* it gathers no longer */
		pthread_cond_wait(&reclaim->freed, &reclaim->mutex);
	}
	reclaim->throttled--;
	pthread_mutex_unlock(&reclaim->mutex);
}

void
reclaim_expect(struct reclaim *reclaim, int more)
{
	pthread_mutex_lock(&reclaim->mutex);
	reclaim->expected += more;
	pthread_mutex_unlock(&reclaim->mutex);
}
