/* base/stat. */
#include "base/stat.h"
#include "base/status.h"
#include "tests/unit/cmocka.h"
#include <pthread.h>

static void
bounds_double_from_50_microseconds_to_infinity(void **state)
{
	(void)state;
	assert_true(stat_bucket_bound_ns(0) == 50000);
	for (size_t i = 1; i < STAT_BUCKETS; i++)
		assert_true(stat_bucket_bound_ns(i) == 2 * stat_bucket_bound_ns(i - 1));
	assert_true(stat_bucket_bound_ns(STAT_BUCKETS) == UINT64_MAX);
}

/* Prometheus: "le", less or equal. */
static void
an_observation_is_in_the_lowest_bucket_that_holds_it(void **state)
{
	(void)state;
	for (size_t i = 0; i <= STAT_BUCKETS; i++) {
		struct stat_histogram histogram = {0};
		uint64_t bound_ns = stat_bucket_bound_ns(i);
		stat_observe(&histogram, bound_ns);
		assert_int_equal(stat_read(&histogram.bucket[i]), 1);
		if (i < STAT_BUCKETS) {
			stat_observe(&histogram, bound_ns + 1);
			assert_int_equal(stat_read(&histogram.bucket[i]), 1);
			assert_int_equal(stat_read(&histogram.bucket[i + 1]), 1);
		}
	}
}

static void
the_sum_and_the_count_are_kept(void **state)
{
	struct stat_histogram histogram = {0};

	(void)state;
	stat_observe(&histogram, 0);
	stat_observe(&histogram, 70000);
	stat_observe(&histogram, 30000);
	assert_int_equal(stat_read(&histogram.sum), 100000);
	assert_int_equal(stat_read(&histogram.count), 3);
	assert_int_equal(stat_read(&histogram.bucket[0]), 2);
	assert_int_equal(stat_read(&histogram.bucket[1]), 1);
}

static void
numbers_have_bounds_that_double_from_1(void **state)
{
	struct stat_histogram histogram = {0};

	(void)state;
	for (uint64_t number = 1; number <= 5; number++)
		stat_observe_count(&histogram, number);
	static const uint64_t wanted[] = {1, 1, 2, 1, 0}; /* to 1, to 2, to 4, to 8, to 16 */
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		assert_int_equal(stat_bucket_bound_count(i), 1 << i);
		assert_int_equal(stat_read(&histogram.bucket[i]), wanted[i]);
	}
	assert_int_equal(stat_read(&histogram.sum), 15);
}

static struct stat_histogram shared_histogram;
static stat_counter shared_counter;

static void *
count_often(void *argument)
{
	stat_counter *own = argument;

	for (uint64_t i = 0; i < 10000; i++) {
		stat_add(own, 2);
		stat_add_shared(&shared_counter, 1);
		stat_observe(&shared_histogram, i * 1000);
	}
	return NULL;
}

static void
nothing_is_lost_between_threads(void **state)
{
	stat_counter own[3] = {0};
	pthread_t threads[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_often, &own[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		assert_int_equal(stat_read(&own[i]), 20000);
	assert_int_equal(stat_read(&shared_counter), 30000);
	assert_int_equal(stat_read(&shared_histogram.count), 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_double_from_50_microseconds_to_infinity),
		cmocka_unit_test(an_observation_is_in_the_lowest_bucket_that_holds_it),
		cmocka_unit_test(the_sum_and_the_count_are_kept),
		cmocka_unit_test(numbers_have_bounds_that_double_from_1),
		cmocka_unit_test(nothing_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
