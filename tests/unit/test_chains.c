/* base/chains: what was put in is found, and nothing else, however many there are. */
#include "base/chains.h"
#include "tests/unit/cmocka.h"
#include <stdlib.h>

#define MANY 1000

struct number {
	struct chain chain; /* first */
	unsigned value;
	bool seen;
};

static uint64_t modulus; /* few hashes: long chains */

static uint64_t
hash_of(const struct chain *entry)
{
	return ((const struct number *)(const void *)entry)->value % modulus;
}

static struct number *
find(const struct chains *chains, unsigned value)
{
	for (struct chain *at = chains_first(chains, value % modulus); at; at = at->next)
		if (((struct number *)(void *)at)->value == value)
			return (struct number *)(void *)at;
	return NULL;
}

static void
fill_and_empty(uint64_t hashes)
{
	static struct number numbers[MANY];
	struct chains chains = {0};

	modulus = hashes;
	assert_null(find(&chains, 1));
	for (unsigned i = 0; i < MANY; i++) {
		numbers[i] = (struct number){.value = 3 * i};
		assert_true(chains_add(&chains, &numbers[i].chain, hash_of));
		assert_int_equal(chains.count, i + 1);
	}
	for (unsigned value = 0; value < 3 * MANY; value++)
		assert_ptr_equal(find(&chains, value), value % 3 == 0 ? &numbers[value / 3] : NULL);
	for (unsigned i = 0; i < MANY; i += 2)
		chains_remove(&chains, &numbers[i].chain, hash_of);
	assert_int_equal(chains.count, MANY / 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(find(&chains, 3 * i), i % 2 ? &numbers[i] : NULL);
	chains_free(&chains);
	assert_null(find(&chains, 3));
}

static void
what_is_in_is_found_and_what_was_taken_out_is_not(void **state)
{
	(void)state;
	fill_and_empty(UINT64_MAX);
	fill_and_empty(7);
	fill_and_empty(1);
}

static void
a_walk_meets_each_once_also_where_they_are_taken_out_on_the_way(void **state)
{
	static struct number numbers[MANY];
	struct chains chains = {0};
	struct chains_walk walk = {0};
	struct chain *at;
	unsigned met = 0;

	(void)state;
	modulus = 100;
	assert_null(chains_next(&chains, &walk));
	for (unsigned i = 0; i < MANY; i++) {
		numbers[i] = (struct number){.value = i};
		assert_true(chains_add(&chains, &numbers[i].chain, hash_of));
	}
	for (walk = (struct chains_walk){0}; (at = chains_next(&chains, &walk)); met++) {
		struct number *number = (struct number *)(void *)at;
		assert_false(number->seen);
		number->seen = true;
		if (number->value % 3 == 0) {
			chains_remove(&chains, at, hash_of);
			at->next = NULL;
		}
	}
	assert_int_equal(met, MANY);
	assert_int_equal(chains.count, MANY - (MANY + 2) / 3);
	chains_free(&chains);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_is_found_and_what_was_taken_out_is_not),
		cmocka_unit_test(a_walk_meets_each_once_also_where_they_are_taken_out_on_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
