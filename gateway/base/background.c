#include "base/background.h"
#include "base/rcu.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

struct background {
	void (*work)(void *context, struct background_task *task);
	void *context;
	int nice;
	pthread_t thread;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t changed;
	struct background_task *queue, **queue_end, *current;
	bool stopped;
};

/* Under the mutex. */
static void
take_out(struct background *background, struct background_task **link)
{
	struct background_task *task = *link;

	*link = task->next;
	if (*link == NULL)
		background->queue_end = link;
	task->queued = false;
}

static void *
run(void *context)
{
	struct background *background = context;

	rcu_register_thread();
	rcu_thread_offline();
	/* Of this thread alone (Linux); where it is forbidden, so be it. */
	if (background->nice != 0)
		(void)!setpriority(PRIO_PROCESS, 0, background->nice);
	pthread_mutex_lock(&background->mutex);
	while (!background->stopped) {
		struct background_task *task = background->queue;
		if (task == NULL) {
			pthread_cond_wait(&background->changed, &background->mutex);
			continue;
		}
		take_out(background, &background->queue);
		background->current = task;
		pthread_mutex_unlock(&background->mutex);
		background->work(background->context, task);
		pthread_mutex_lock(&background->mutex);
		background->current = NULL;
		pthread_cond_broadcast(&background->changed);
	}
	pthread_mutex_unlock(&background->mutex);
	rcu_unregister_thread();
	return NULL;
}

bool
background_add(struct background *background, struct background_task *task)
{
	pthread_mutex_lock(&background->mutex);
	bool taken = !background->stopped && !task->ended;
	if (taken && !task->queued) {
		task->queued = true;
		task->next = NULL;
		*background->queue_end = task;
		background->queue_end = &task->next;
		pthread_cond_broadcast(&background->changed);
	}
	pthread_mutex_unlock(&background->mutex);
	return taken;
}

void
background_end(struct background *background, struct background_task *task)
{
	atomic_store(&task->cancelled, true);
	pthread_mutex_lock(&background->mutex);
	task->ended = true;
	for (struct background_task **link = &background->queue; task->queued; link = &(*link)->next)
		if (*link == task) {
			take_out(background, link);
			break;
		}
	while (background->current == task)
		pthread_cond_wait(&background->changed, &background->mutex);
	pthread_mutex_unlock(&background->mutex);
}

struct background *
background_new(void (*work)(void *context, struct background_task *task), void *context, int nice)
{
	struct background *background = calloc(1, sizeof *background);

	if (background == NULL)
		return NULL;
	background->work = work;
	background->context = context;
	background->nice = nice;
	background->queue_end = &background->queue;
	pthread_mutex_init(&background->mutex, NULL);
	pthread_cond_init(&background->changed, NULL);
	if (pthread_create(&background->thread, NULL, run, background) == 0)
		return background;
	free(background);
	return NULL;
}

void
background_stop(struct background *background)
{
	pthread_mutex_lock(&background->mutex);
	bool first = !background->stopped;
	background->stopped = true;
	if (background->current != NULL)
		atomic_store(&background->current->cancelled, true);
	pthread_cond_broadcast(&background->changed);
	pthread_mutex_unlock(&background->mutex);
	if (first)
		pthread_join(background->thread, NULL);
}

void
background_free(struct background *background)
{
	background_stop(background);
	pthread_mutex_destroy(&background->mutex);
	pthread_cond_destroy(&background->changed);
	free(background);
}
