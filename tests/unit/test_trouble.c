#include "tests/unit/cmocka.h"
#include "store/trouble.h"

static void
the_same_is_said_once_whatever_numbers_it_has(void **state)
{
	struct trouble trouble = {0};

	(void)state;
	assert_false(trouble_note(&trouble, NULL));
	assert_true(trouble_note(&trouble, "127.0.0.1:2379: refused after 0 ms"));
	assert_false(trouble_note(&trouble, "127.0.0.1:2379: refused after 0 ms"));
	assert_false(trouble_note(&trouble, "127.0.0.1:22379: refused after 11 ms"));
}

static void
words_that_come_by_turns_are_said_once_each(void **state)
{
	struct trouble trouble = {0};
	static const char *const words[] = {"a: refused", "b: refused", "c: no answer"};

	(void)state;
	for (size_t round = 0; round < 3; round++)
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(trouble_note(&trouble, words[i]), round == 0);
}

static void
what_is_said_is_what_was_heard_last(void **state)
{
	struct trouble trouble = {0};
	char reason[TROUBLE_SIZE] = "first";

	(void)state;
	trouble_note(&trouble, "port 1");
	trouble_note(&trouble, "port 2");
	assert_true(trouble_add(&trouble, reason));
	assert_string_equal(reason, "first; port 2");
}

static void
its_end_is_said_once_and_then_it_is_new_again(void **state)
{
	struct trouble trouble = {0};

	(void)state;
	trouble_note(&trouble, "refused");
	assert_true(trouble_note(&trouble, NULL));
	assert_false(trouble_note(&trouble, NULL));
	assert_true(trouble_note(&trouble, "refused"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_said_once_whatever_numbers_it_has),
		cmocka_unit_test(words_that_come_by_turns_are_said_once_each),
		cmocka_unit_test(what_is_said_is_what_was_heard_last),
		cmocka_unit_test(its_end_is_said_once_and_then_it_is_new_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
