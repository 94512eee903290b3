/* base/arena. */
#include "base/arena.h"
#include "tests/unit/cmocka.h"

static void
allocations_are_aligned_and_apart(void **state)
{
	struct arena arena;
	char *before = NULL;

	(void)state;
	arena_init(&arena, 100000);
	for (size_t size = 0; size < 100; size++) {
		char *bytes = arena_alloc(&arena, size);
		assert_non_null(bytes);
		assert_int_equal((uintptr_t)bytes % 16, 0);
		assert_ptr_not_equal(bytes, before);
		memset(bytes, (int)size, size);
		before = bytes;
	}
	arena_free(&arena);
}

static void
the_cap_is_hard_and_leaves_the_arena_usable(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1024);
	assert_non_null(arena_alloc(&arena, 1000));
	assert_null(arena_alloc(&arena, 17));
	assert_non_null(arena_alloc(&arena, 16));
	assert_null(arena_alloc(&arena, 0));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_int_equal(arena.used_bytes, 1024);
	arena_free(&arena);
}

static void
one_allocation_may_be_larger_than_a_block(void **state)
{
	struct arena arena;
	size_t size = 1000000;

	(void)state;
	arena_init(&arena, size);
	char *bytes = arena_alloc(&arena, size);
	assert_non_null(bytes);
	memset(bytes, 1, size);
	assert_null(arena_alloc(&arena, 1));
	arena_free(&arena);
}

static void
old_allocations_stay_when_the_arena_grows(void **state)
{
	struct arena arena;
	unsigned char *bytes[200];

	(void)state;
	arena_init(&arena, 1000000);
	for (size_t i = 0; i < 200; i++) {
		bytes[i] = arena_alloc(&arena, 1000);
		assert_non_null(bytes[i]);
		memset(bytes[i], (int)i, 1000);
	}
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(bytes[i][0], i);
		assert_int_equal(bytes[i][999], i);
	}
	arena_free(&arena);
}

static void
a_reset_keeps_the_first_block_and_gives_the_cap_back(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 50000);
	void *first = arena_alloc(&arena, 100);
	for (int i = 0; i < 40; i++)
		assert_non_null(arena_alloc(&arena, 1000));
	arena_reset(&arena);
	assert_int_equal(arena.used_bytes, 0);
	assert_ptr_equal(arena_alloc(&arena, 100), first);
	for (int i = 0; i < 40; i++)
		assert_non_null(arena_alloc(&arena, 1000));
	arena_free(&arena);
}

static void
an_arena_that_was_freed_or_never_used_works(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1008);
	arena_reset(&arena);
	arena_free(&arena);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_free(&arena);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_free(&arena);
}

static void
copies_and_texts_are_whole(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 10000);
	assert_memory_equal(arena_copy(&arena, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_copy(&arena, NULL, 0));
	assert_string_equal(arena_text(&arena, "example."), "example.");
	assert_string_equal(arena_text(&arena, ""), "");
	assert_string_equal(arena_printf(&arena, "%s/%d", "zone", 7), "zone/7");
	arena_free(&arena);
	arena_init(&arena, 16);
	assert_null(arena_printf(&arena, "%s", "more than sixteen"));
	assert_string_equal(arena_printf(&arena, "%s", "fifteen letters"), "fifteen letters");
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(the_cap_is_hard_and_leaves_the_arena_usable),
		cmocka_unit_test(one_allocation_may_be_larger_than_a_block),
		cmocka_unit_test(old_allocations_stay_when_the_arena_grows),
		cmocka_unit_test(a_reset_keeps_the_first_block_and_gives_the_cap_back),
		cmocka_unit_test(an_arena_that_was_freed_or_never_used_works),
		cmocka_unit_test(copies_and_texts_are_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
