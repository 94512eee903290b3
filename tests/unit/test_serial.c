#include "tests/unit/cmocka.h"
#include "zone/serial.h"

static void
greater_is_as_rfc_1982_section_3_2_says(void **state)
{
	(void)state;
	assert_true(serial_greater(1, 0));
	assert_true(serial_greater(44, 0));
	assert_true(serial_greater(100, 0));
	assert_true(serial_greater(100, 44));
	assert_true(serial_greater(0x7fffffff, 0));
	assert_true(serial_greater(0, 0xffffffff));
	assert_true(serial_greater(44, 0xffffff00));
	assert_false(serial_greater(0, 1));
	assert_false(serial_greater(7, 7));
	/* Undefined there: neither is greater here. */
	assert_false(serial_greater(0x80000000, 0));
	assert_false(serial_greater(0, 0x80000000));
}

static void
the_next_serial_is_one_more_and_never_0(void **state)
{
	(void)state;
	assert_int_equal(serial_next(1, 0), 2);
	assert_int_equal(serial_next(0xffffffff, 0), 1);
	assert_int_equal(serial_next(0, 0), 1);
}

static void
a_candidate_is_taken_where_it_is_greater(void **state)
{
	(void)state;
	assert_int_equal(serial_next(2026112101, 2026112200), 2026112200);
	assert_int_equal(serial_next(2026112200, 2026112200), 2026112201);
	assert_int_equal(serial_next(2026112399, 2026112200), 2026112400);
	/* Across the wrap (RFC 1982 3.2). */
	assert_int_equal(serial_next(0xfffffff0, 5), 5);
}

static void
candidates_are_the_time_or_the_date_in_utc(void **state)
{
	(void)state;
	assert_int_equal(serial_candidate(SERIAL_INCREMENT, 1795312000), 0);
	assert_int_equal(serial_candidate(SERIAL_UNIXTIME, 1795312000), 1795312000);
	/* As date -u -d @0, @951782399 and one second later say. */
	assert_int_equal(serial_candidate(SERIAL_DATE, 0), 1970010100);
	assert_int_equal(serial_candidate(SERIAL_DATE, 951782399), 2000022800);
	assert_int_equal(serial_candidate(SERIAL_DATE, 951782400), 2000022900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greater_is_as_rfc_1982_section_3_2_says),
		cmocka_unit_test(the_next_serial_is_one_more_and_never_0),
		cmocka_unit_test(a_candidate_is_taken_where_it_is_greater),
		cmocka_unit_test(candidates_are_the_time_or_the_date_in_utc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
