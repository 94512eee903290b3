/* base/background: one task after another. */
#include "base/background.h"
#include "tests/unit/cmocka.h"
#include <pthread.h>

#define MOST 16

/* What was done, in order; a task may be made to last. */
struct log {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct background_task *done[MOST];
	unsigned begun, count;
	struct background_task *lasts; /* in work until this is another one, or it is cancelled */
};

static struct log log_ = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
work(void *context, struct background_task *task)
{
	struct log *log = context;

	pthread_mutex_lock(&log->mutex);
	log->begun++;
	pthread_cond_broadcast(&log->changed);
	while (log->lasts == task && !atomic_load(&task->cancelled)) {
		struct timespec soon;
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec = (soon.tv_nsec + 1000000) % 1000000000;
		pthread_cond_timedwait(&log->changed, &log->mutex, &soon);
	}
	log->done[log->count++ % MOST] = task;
	pthread_cond_broadcast(&log->changed);
	pthread_mutex_unlock(&log->mutex);
}

static struct background *
begin(void)
{
	log_.begun = log_.count = 0;
	log_.lasts = NULL;
	struct background *background = background_new(work, &log_, 0);
	assert_non_null(background);
	return background;
}

static void
await(const unsigned *number, unsigned value)
{
	pthread_mutex_lock(&log_.mutex);
	while (*number < value)
		pthread_cond_wait(&log_.changed, &log_.mutex);
	pthread_mutex_unlock(&log_.mutex);
}

static void
let_go(struct background_task *next)
{
	pthread_mutex_lock(&log_.mutex);
	log_.lasts = next;
	pthread_cond_broadcast(&log_.changed);
	pthread_mutex_unlock(&log_.mutex);
}

/* It is in work, and stays so until let_go(NULL). */
static void
begin_with(struct background *background, struct background_task *task)
{
	let_go(task);
	assert_true(background_add(background, task));
	await(&log_.begun, 1);
}

static void
tasks_are_done_in_order_and_what_waits_already_once(void **state)
{
	struct background_task tasks[4] = {0};
	struct background *background = begin();

	(void)state;
	begin_with(background, &tasks[0]);
	for (int round = 0; round < 3; round++)
		for (int i = 1; i < 4; i++)
			assert_true(background_add(background, &tasks[i]));
	let_go(NULL);
	await(&log_.count, 4);
	background_free(background);
	assert_int_equal(log_.count, 4);
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(log_.done[i], &tasks[i]);
}

static void
what_comes_while_it_is_in_work_is_done_again(void **state)
{
	struct background_task task = {0};
	struct background *background = begin();

	(void)state;
	begin_with(background, &task);
	assert_true(background_add(background, &task));
	let_go(NULL);
	await(&log_.count, 2);
	background_free(background);
}

static void
an_ended_task_is_out_of_the_queue_and_not_taken_again(void **state)
{
	struct background_task first = {0}, middle = {0}, last = {0}, more = {0};
	struct background *background = begin();

	(void)state;
	begin_with(background, &first);
	assert_true(background_add(background, &middle));
	assert_true(background_add(background, &last));
	background_end(background, &last); /* the end of the queue is another one now */
	assert_true(background_add(background, &more));
	background_end(background, &middle);
	assert_false(background_add(background, &middle));
	background_end(background, &middle); /* once more: nothing */
	let_go(NULL);
	await(&log_.count, 2);
	background_free(background);
	assert_int_equal(log_.count, 2);
	assert_ptr_equal(log_.done[1], &more);
}

static void
who_ends_a_task_in_work_waits_for_it_and_it_is_cancelled(void **state)
{
	struct background_task task = {0};
	struct background *background = begin();

	(void)state;
	begin_with(background, &task);
	background_end(background, &task);
	assert_int_equal(log_.count, 1);
	background_free(background);
}

static void
a_stop_cancels_what_is_in_work_and_leaves_the_rest(void **state)
{
	struct background_task task = {0}, other = {0};
	struct background *background = begin();

	(void)state;
	begin_with(background, &task);
	assert_true(background_add(background, &other));
	background_stop(background);
	assert_int_equal(log_.count, 1);
	assert_false(background_add(background, &other));
	background_end(background, &other);
	background_stop(background);
	background_free(background);
	assert_int_equal(log_.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_are_done_in_order_and_what_waits_already_once),
		cmocka_unit_test(what_comes_while_it_is_in_work_is_done_again),
		cmocka_unit_test(an_ended_task_is_out_of_the_queue_and_not_taken_again),
		cmocka_unit_test(who_ends_a_task_in_work_waits_for_it_and_it_is_cancelled),
		cmocka_unit_test(a_stop_cancels_what_is_in_work_and_leaves_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
