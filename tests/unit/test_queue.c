/* base/queue. */
#include "base/queue.h"
#include "base/clock.h"
#include "tests/unit/cmocka.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>

static bool
readable(const struct queue *queue)
{
	struct pollfd pollfd = {.fd = queue_fd(queue), .events = POLLIN};
	return poll(&pollfd, 1, 0) == 1;
}

static void
push_number(struct queue *queue, uintptr_t number)
{
	assert_int_equal(queue_push(queue, (void *)number), STATUS_OK);
}

static void
items_come_out_in_order_also_around_the_end(void **state)
{
	struct queue *queue = queue_new(5);
	uintptr_t pushed = 0, taken = 0;

	(void)state;
	while (taken < 100) {
		void *items[3];
		while (queue_count(queue) < 5)
			push_number(queue, ++pushed);
		size_t count = queue_take(queue, items, 3);
		assert_int_equal(count, 3);
		for (size_t i = 0; i < count; i++)
			assert_int_equal((uintptr_t)items[i], ++taken);
	}
	void *rest[10];
	assert_int_equal(queue_take(queue, rest, 10), 2);
	assert_int_equal(queue_take(queue, rest, 10), 0);
	queue_free(queue);
	queue_free(NULL);
}

static void
a_full_queue_says_so_and_keeps_what_it_has(void **state)
{
	struct queue *queue = queue_new(2);
	void *items[4];

	(void)state;
	push_number(queue, 1);
	push_number(queue, 2);
	assert_int_equal(queue_push(queue, (void *)3), STATUS_FULL);
	assert_int_equal(queue_count(queue), 2);
	assert_int_equal(queue_take(queue, items, 4), 2);
	assert_int_equal((uintptr_t)items[1], 2);
	push_number(queue, 4);
	assert_int_equal(queue_take(queue, items, 4), 1);
	queue_free(queue);
}

static void
the_eventfd_is_readable_while_the_queue_is_not_empty(void **state)
{
	struct queue *queue = queue_new(4);
	void *items[4];

	(void)state;
	assert_false(readable(queue));
	push_number(queue, 1);
	push_number(queue, 2);
	assert_true(readable(queue));
	assert_int_equal(queue_take(queue, items, 1), 1);
	assert_true(readable(queue));
	assert_int_equal(queue_take(queue, items, 4), 1);
	assert_false(readable(queue));
	queue_free(queue);
}

static void
a_wake_ends_one_wait_without_items(void **state)
{
	struct queue *queue = queue_new(4);
	void *items[4];

	(void)state;
	queue_wake(queue);
	queue_wake(queue);
	assert_true(readable(queue));
	assert_int_equal(queue_wait(queue, items, 4, -1), 0);
	assert_false(readable(queue));
	/* The next one waits again, for as long as it was told. */
	uint64_t before_ns = clock_monotonic_ns();
	assert_int_equal(queue_wait(queue, items, 4, 5), 0);
	assert_true(clock_monotonic_ns() - before_ns >= 4000000);
	queue_free(queue);
}

#define PRODUCERS 3
#define ITEMS_EACH 5000

static void *
produce(void *argument)
{
	struct queue *queue = argument;

	for (uintptr_t i = 1; i <= ITEMS_EACH; i++)
		while (queue_push(queue, (void *)i) == STATUS_FULL)
			sched_yield();
	return NULL;
}

static void
a_waiting_consumer_gets_everything_from_all_producers(void **state)
{
	struct queue *queue = queue_new(16);
	pthread_t threads[PRODUCERS];
	uintptr_t sum = 0, count = 0;
	void *items[7];

	(void)state;
	for (size_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, produce, queue), 0);
	while (count < PRODUCERS * ITEMS_EACH) {
		size_t taken = queue_wait(queue, items, 7, -1);
		for (size_t i = 0; i < taken; i++)
			sum += (uintptr_t)items[i];
		count += taken;
	}
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, (uintptr_t)PRODUCERS * ITEMS_EACH * (ITEMS_EACH + 1) / 2);
	assert_int_equal(queue_count(queue), 0);
	queue_free(queue);
}

static void *
wake_later(void *argument)
{
	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	queue_wake(argument);
	return NULL;
}

static void
a_wake_ends_a_wait_that_is_under_way(void **state)
{
	struct queue *queue = queue_new(4);
	pthread_t thread;
	void *items[4];

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, wake_later, queue), 0);
	assert_int_equal(queue_wait(queue, items, 4, -1), 0);
	pthread_join(thread, NULL);
	queue_free(queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_order_also_around_the_end),
		cmocka_unit_test(a_full_queue_says_so_and_keeps_what_it_has),
		cmocka_unit_test(the_eventfd_is_readable_while_the_queue_is_not_empty),
		cmocka_unit_test(a_wake_ends_one_wait_without_items),
		cmocka_unit_test(a_waiting_consumer_gets_everything_from_all_producers),
		cmocka_unit_test(a_wake_ends_a_wait_that_is_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
