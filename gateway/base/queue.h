/*
 * A bounded queue between threads; "full" is an answer, not a wait.
 *
 * Threads:   any number of producers; one consumer. Takes its own mutex, briefly.
 * Limits:    `capacity`, set when made.
 * An eventfd is readable while the queue is not empty, so that a consumer can sit in epoll.
 */
#ifndef ZONEGATE_BASE_QUEUE_H
#define ZONEGATE_BASE_QUEUE_H

#include "base/status.h"
#include <stddef.h>

struct queue;

struct queue *queue_new(size_t capacity);
void queue_free(struct queue *queue); /* must be empty */
/* STATUS_FULL; wakes the consumer only if the queue was empty. */
MUST_USE enum status queue_push(struct queue *queue, void *item);
/* Takes up to `room` items in order, without waiting; clears the eventfd when it becomes empty. */
size_t queue_take(struct queue *queue, void **items, size_t room);
/* As queue_take, but waits up to timeout_ms (-1: for ever) for the first. */
size_t queue_wait(struct queue *queue, void **items, size_t room, int timeout_ms);
/* Ends a queue_wait that is under way or the next one. */
void queue_wake(struct queue *queue);
int queue_fd(const struct queue *queue);
size_t queue_count(struct queue *queue);

#endif
