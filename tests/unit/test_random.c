/* base/random. */
#include "base/random.h"
#include "base/status.h"
#include "tests/unit/cmocka.h"
#include <pthread.h>
#include <stdbool.h>

static void
bytes_of_every_size_are_filled(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 600; size++) {
		uint8_t bytes[602] = {0};
		/* Each byte is drawn until it is not zero: 40 draws fail once in 2^320. */
		bool seen_first = false, seen_last = false;
		for (int i = 0; i < 40; i++) {
			random_bytes(bytes + 1, size);
			seen_first |= bytes[1] != 0;
			seen_last |= bytes[size] != 0;
		}
		assert_true(seen_first && seen_last);
		assert_int_equal(bytes[0], 0);
		assert_int_equal(bytes[size + 1], 0);
	}
	random_bytes(NULL, 0);
}

static void
numbers_stay_below_the_bound_and_reach_all_below_it(void **state)
{
	bool seen[7] = {false};

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint32_t drawn = random_below(ARRAY_SIZE(seen));
		assert_true(drawn < ARRAY_SIZE(seen));
		seen[drawn] = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_true(seen[i]);
	for (int i = 0; i < 100; i++)
		assert_int_equal(random_below(1), 0);
	for (int i = 0; i < 100; i++)
		assert_true(random_below(UINT32_C(0x80000001)) <= UINT32_C(0x80000000));
}

static void *
draw(void *out)
{
	random_bytes(out, 16);
	return NULL;
}

static void
threads_do_not_draw_the_same(void **state)
{
	uint8_t ours[16], theirs[16];
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, draw, theirs), 0);
	random_bytes(ours, sizeof ours);
	pthread_join(thread, NULL);
	assert_memory_not_equal(ours, theirs, sizeof ours);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_every_size_are_filled),
		cmocka_unit_test(numbers_stay_below_the_bound_and_reach_all_below_it),
		cmocka_unit_test(threads_do_not_draw_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
