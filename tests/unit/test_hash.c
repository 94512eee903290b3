/* base/hash; the value is XXH3's of the empty input, from xxHash's own sanity checks. */
#include "base/hash.h"
#include "tests/unit/cmocka.h"

static void
without_a_seed_it_is_xxh3(void **state)
{
	(void)state;
	hash_seed = 0;
	assert_true(hash_bytes("", 0) == UINT64_C(0x2d06800538d394c2));
}

static void
the_hash_depends_on_the_seed(void **state)
{
	(void)state;
	hash_seed = 0;
	uint64_t unseeded = hash_bytes("example.", 8);
	hash_init();
	uint64_t seed = hash_seed;
	uint64_t seeded = hash_bytes("example.", 8);
	assert_true(seeded == hash_bytes("example.", 8));
	assert_true(seeded != unseeded);
	hash_init();
	assert_true(hash_seed != seed);
	assert_true(hash_bytes("example.", 8) != seeded);
}

static void
every_byte_counts(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'a', sizeof text);
	uint64_t before = hash_bytes(text, sizeof text);
	for (size_t i = 0; i < sizeof text; i++) {
		text[i] = 'b';
		assert_true(hash_bytes(text, sizeof text) != before);
		text[i] = 'a';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_seed_it_is_xxh3),
		cmocka_unit_test(the_hash_depends_on_the_seed),
		cmocka_unit_test(every_byte_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
