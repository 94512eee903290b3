#include "base/queue.h"
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * The eventfd is written while the mutex is held, so that its state and the queue's never contradict each other: it is
 * readable if and only if count > 0 or somebody called queue_wake. That costs a system call only when the queue goes
 * from empty to not empty or back; under load it does neither.
 */
struct queue {
	pthread_mutex_t mutex;
	size_t capacity, first, count;
	int fd;
	bool woken;    /* queue_wake was called and no consumer has seen it yet */
	bool signaled; /* the eventfd is readable */
	void *items[];
};

struct queue *
queue_new(size_t capacity)
{
	require(capacity > 0);
	struct queue *queue = calloc(1, sizeof *queue + capacity * sizeof queue->items[0]);
	if (!queue)
		return NULL;
	queue->capacity = capacity;
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->fd < 0) {
		free(queue);
		return NULL;
	}
	pthread_mutex_init(&queue->mutex, NULL);
	return queue;
}

void
queue_free(struct queue *queue)
{
	if (!queue)
		return;
	require(queue->count == 0);
	pthread_mutex_destroy(&queue->mutex);
	close(queue->fd);
	free(queue);
}

/* Under the mutex: make the eventfd say what the queue says. */
static void
queue_signal(struct queue *queue)
{
	bool wanted = queue->count > 0 || queue->woken;
	uint64_t one = 1;

	if (wanted == queue->signaled)
		return;
	/* Neither blocks nor fails: the value is 0 before the write and 1 before the read. */
	ssize_t done = wanted ? write(queue->fd, &one, sizeof one) : read(queue->fd, &one, sizeof one);
	invariant(done == sizeof one);
	queue->signaled = wanted;
}

enum status
queue_push(struct queue *queue, void *item)
{
	enum status status = STATUS_FULL;

	pthread_mutex_lock(&queue->mutex);
	if (queue->count < queue->capacity) {
		queue->items[(queue->first + queue->count) % queue->capacity] = item;
		queue->count++;
		queue_signal(queue);
		status = STATUS_OK;
	}
	pthread_mutex_unlock(&queue->mutex);
	return status;
}

/* Takes what is there; *woken tells of a queue_wake, which is over with that. */
static size_t
queue_take_and_wake(struct queue *queue, void **items, size_t room, bool *woken)
{
	size_t taken = 0;

	pthread_mutex_lock(&queue->mutex);
	for (; taken < room && queue->count > 0; taken++, queue->count--) {
		items[taken] = queue->items[queue->first];
		queue->first = (queue->first + 1) % queue->capacity;
	}
	*woken = queue->woken;
	queue->woken = false;
	queue_signal(queue);
	pthread_mutex_unlock(&queue->mutex);
	return taken;
}

size_t
queue_take(struct queue *queue, void **items, size_t room)
{
	bool woken;
	return queue_take_and_wake(queue, items, room, &woken);
}

size_t
queue_wait(struct queue *queue, void **items, size_t room, int timeout_ms)
{
	struct pollfd pollfd = {.fd = queue->fd, .events = POLLIN};
	bool woken;

	require(room > 0);
	size_t taken = queue_take_and_wake(queue, items, room, &woken);
	if (taken > 0 || woken)
		return taken;
	/* A signal ends the wait early: the caller looks at what it waits for again anyway. */
	if (poll(&pollfd, 1, timeout_ms) <= 0)
		return 0;
	return queue_take_and_wake(queue, items, room, &woken);
}

void
queue_wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->woken = true;
	queue_signal(queue);
	pthread_mutex_unlock(&queue->mutex);
}

int
queue_fd(const struct queue *queue)
{
	return queue->fd;
}

size_t
queue_count(struct queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	size_t count = queue->count;
	pthread_mutex_unlock(&queue->mutex);
	return count;
}
