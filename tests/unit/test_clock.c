/* base/clock: examples of RFC 3339 section 5.8; seconds since 1970 from `date -u +%s -d`. */
#include "base/clock.h"
#include "base/status.h"
#include "tests/unit/cmocka.h"

static void
assert_time(const char *text, uint64_t expected_us)
{
	uint64_t parsed_us = clock_from_text(text);
	if (parsed_us != expected_us)
		fail_msg("%s: %llu, not %llu", text, (unsigned long long)parsed_us, (unsigned long long)expected_us);
}

static void
the_examples_of_rfc_3339_are_understood(void **state)
{
	(void)state;
	assert_time("1985-04-12T23:20:50.52Z", UINT64_C(482196050520000));
	assert_time("1996-12-19T16:39:57-08:00", UINT64_C(851042397000000));
	assert_time("1990-12-31T23:59:60Z", UINT64_C(662688000000000));
	assert_time("1990-12-31T15:59:60-08:00", UINT64_C(662688000000000));
	/* Section 5.6: lower case, and a space for readability. */
	assert_time("1985-04-12t23:20:50.52z", UINT64_C(482196050520000));
	assert_time("1985-04-12 23:20:50.52Z", UINT64_C(482196050520000));
}

static void
fractions_keep_six_digits(void **state)
{
	(void)state;
	assert_time("1970-01-01T00:00:01.000001Z", 1000001);
	assert_time("1970-01-01T00:00:01.9999999Z", 1999999);
	assert_time("1970-01-01T00:00:01.1Z", 1100000);
}

static void
leap_days_are_where_they_belong(void **state)
{
	(void)state;
	assert_time("2024-02-29T00:00:00Z", UINT64_C(1709164800000000));
	assert_time("2000-02-29T00:00:00Z", UINT64_C(951782400000000));
	assert_time("2023-02-29T00:00:00Z", 0);
	assert_time("2100-02-29T00:00:00Z", 0);
}

static void
what_is_no_time_is_zero(void **state)
{
	static const char *const wrong[] = {
		"", "5", "now", "2026-11-22", "2026-11-22T01:02:03", "2026-11-22T01:02Z", "2026-11-22T01:02:03.Z",
		"2026-11-22T01:02:03Z ", "2026-13-22T01:02:03Z", "2026-00-22T01:02:03Z", "2026-11-31T01:02:03Z",
		"2026-11-00T01:02:03Z", "2026-11-22T24:02:03Z", "2026-11-22T01:60:03Z", "2026-11-22T01:02:61Z",
		"2026-11-22T01:02:03+0100", "2026-11-22T01:02:03+24:00", "2026-11-22T01:02:03+01:60",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "26-11-22T01:02:03Z", "2026/11/22T01:02:03Z",
		"+026-11-22T01:02:03Z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_time(wrong[i], 0);
}

static void
a_time_prints_as_it_was_read(void **state)
{
	static const char *const texts[] = {
		"2026-11-21T22:50:01.123456Z", "1985-04-12T23:20:50.520000Z", "2038-01-19T03:14:08.000000Z",
		"9999-12-31T23:59:59.999999Z",
	};
	char text[CLOCK_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		clock_to_text(clock_from_text(texts[i]), text);
		assert_string_equal(text, texts[i]);
	}
	clock_to_text(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	clock_to_text(UINT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

static void
the_wall_clock_can_be_held(void **state)
{
	(void)state;
	clock_set_wall_us(UINT64_C(1234567890123456));
	assert_true(clock_wall_us() == UINT64_C(1234567890123456));
	assert_true(clock_wall_s() == UINT64_C(1234567890));
	clock_set_wall_us(0);
	assert_true(clock_wall_s() > UINT64_C(1700000000));
}

static void
the_monotonic_clock_does_not_go_back(void **state)
{
	uint64_t before_ns = clock_monotonic_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now_ns = clock_monotonic_ns();
		assert_true(now_ns >= before_ns);
		before_ns = now_ns;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_rfc_3339_are_understood),
		cmocka_unit_test(fractions_keep_six_digits),
		cmocka_unit_test(leap_days_are_where_they_belong),
		cmocka_unit_test(what_is_no_time_is_zero),
		cmocka_unit_test(a_time_prints_as_it_was_read),
		cmocka_unit_test(the_wall_clock_can_be_held),
		cmocka_unit_test(the_monotonic_clock_does_not_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
