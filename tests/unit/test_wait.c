/* base/wait: until signalled, or until a time. */
#include "base/clock.h"
#include "base/wait.h"
#include "tests/unit/cmocka.h"

#define LONG_MS 600000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition;
static bool told;

static void *
tell(void *unused)
{
	pthread_mutex_lock(&mutex);
	told = true;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&mutex);
	return unused;
}

static void
a_time_that_has_come_ends_it_at_once(void **state)
{
	(void)state;
	pthread_mutex_lock(&mutex);
	assert_false(wait_until(&condition, &mutex, clock_monotonic_ms()));
	assert_false(wait_until(&condition, &mutex, 0));
	pthread_mutex_unlock(&mutex);
}

static void
without_a_signal_it_lasts_until_the_time(void **state)
{
	(void)state;
	uint64_t until_ms = clock_monotonic_ms() + 20;

	pthread_mutex_lock(&mutex);
	while (wait_until(&condition, &mutex, until_ms))
		;
	pthread_mutex_unlock(&mutex);
	assert_true(clock_monotonic_ms() >= until_ms);
}

static void
a_signal_ends_it(void **state)
{
	(void)state;
	uint64_t until_ms = clock_monotonic_ms() + LONG_MS;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, tell, NULL), 0);
	pthread_mutex_lock(&mutex);
	while (!told)
		assert_true(wait_until(&condition, &mutex, until_ms));
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
}

int
main(void)
{
	wait_init(&condition);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_that_has_come_ends_it_at_once),
		cmocka_unit_test(without_a_signal_it_lasts_until_the_time),
		cmocka_unit_test(a_signal_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
