/* zone/reclaim.c: when what was unlinked is freed, and who waits for it. */
#include "tests/unit/cmocka.h"
#include "base/rcu.h"
#include "zone/reclaim.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define LONG_ENOUGH_US 50000

static atomic_uint ran, returned;

static void
count_run(struct reclaim_item *item)
{
	free(item);
	atomic_fetch_add(&ran, 1);
}

static void
add_items(struct reclaim *reclaim, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct reclaim_item *item = malloc(sizeof *item);
		assert_non_null(item);
		reclaim_later(reclaim, item, count_run);
	}
}

static void *
throttled(void *context)
{
	reclaim_throttle(context);
	atomic_fetch_add(&returned, 1);
	return NULL;
}

static int
setup(void **state)
{
	*state = reclaim_new();
	atomic_store(&ran, 0);
	atomic_store(&returned, 0);
	rcu_register_thread();
	return *state ? 0 : -1;
}

static int
teardown(void **state)
{
	rcu_unregister_thread();
	(void)state;
	return 0;
}

static void
nothing_is_freed_while_a_reader_of_then_reads_on(void **state)
{
	add_items(*state, 3);
	usleep(LONG_ENOUGH_US);
	assert_int_equal(atomic_load(&ran), 0); /* we are the reader */
	rcu_thread_offline();
	reclaim_free(*state);
	assert_int_equal(atomic_load(&ran), 3);
	rcu_thread_online();
}

static void
nobody_waits_while_few_items_do(void **state)
{
	add_items(*state, RECLAIM_BACKLOG_MAX - 1);
	reclaim_throttle(*state); /* a reader itself: it would wait forever */
	rcu_thread_offline();
	reclaim_free(*state);
	rcu_thread_online();
}

static void
who_makes_items_faster_than_they_are_freed_waits_until_they_are(void **state)
{
	pthread_t threads[3];

	add_items(*state, 3 * RECLAIM_BACKLOG_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, throttled, *state), 0);
	usleep(LONG_ENOUGH_US);
	assert_int_equal(atomic_load(&returned), 0);
	rcu_thread_offline();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&ran) > 2 * RECLAIM_BACKLOG_MAX);
	reclaim_free(*state);
	assert_int_equal(atomic_load(&ran), 3 * RECLAIM_BACKLOG_MAX);
	rcu_thread_online();
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_freed_while_a_reader_of_then_reads_on),
		TEST(nobody_waits_while_few_items_do),
		TEST(who_makes_items_faster_than_they_are_freed_waits_until_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
