/*
 * A thread that does one task after another, in the order of their coming.
 *
 * Threads:   any may add, end and stop; the work is done on the one of background_new, which is registered with RCU
 *            and offline.
 * Memory:    a task is a part of the caller's struct, zeroed at first, which stays until background_end has returned
 *            or the thread has been stopped.
 */
#ifndef ZONEGATE_BASE_BACKGROUND_H
#define ZONEGATE_BASE_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>

struct background;

struct background_task {
	_Atomic bool cancelled; /* for who does the work: what it leads to is not wanted any more */
	/* private */
	bool queued, ended;
	struct background_task *next;
};

/*
 * nice  of the thread, 0: as the others
 * NULL: no memory or no thread.
 */
struct background *background_new(void (*work)(void *context, struct background_task *task), void *context, int nice);
/* Also while it is in work: then it is done once more. False: it has ended, or all has stopped. */
bool background_add(struct background *background, struct background_task *task);
/* Not to be done any more, ever. Returns once it is not in work. */
void background_end(struct background *background, struct background_task *task);
/* Nothing is done any more; what is in work is cancelled, and waited for. Once more: nothing. */
void background_stop(struct background *background);
void background_free(struct background *background);

#endif
