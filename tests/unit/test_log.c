/* base/log. */
#include "base/log.h"
#include "base/clock.h"
#include "tests/unit/cmocka.h"
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

#define AT "2026-11-22T01:02:03.123456Z"

static int pipe_fds[2];
static char line[8192];

static int
start(void **state)
{
	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
	log_to(pipe_fds[1]);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	clock_set_wall_us(clock_from_text(AT));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	log_to(2);
	clock_set_wall_us(0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* What was logged since the last call. */
static const char *
logged(void)
{
	ssize_t size = read(pipe_fds[0], line, sizeof line - 1);
	line[size < 0 ? 0 : size] = '\0';
	return line;
}

static void
a_text_line_has_time_level_event_and_fields(void **state)
{
	(void)state;
	log_info("ready", "zones=%d", 3);
	assert_string_equal(logged(), AT " info ready zones=3\n");
	log_error("store", "name=%s error=%s", "local", "timed out");
	assert_string_equal(logged(), AT " error store name=local error=\"timed out\"\n");
	log_warning("stop", "%s", "");
	assert_string_equal(logged(), AT " warning stop\n");
}

static void
a_json_line_is_one_object(void **state)
{
	(void)state;
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("ready", "zones=%d", 3);
	assert_string_equal(logged(), "{\"time\":\"" AT "\",\"level\":\"info\",\"event\":\"ready\",\"zones\":3}\n");
	log_info("update", "zone=%s serial=%u count=%zu delta=%d key=%s", "example.", 7u, (size_t)2, -1, "42");
	assert_string_equal(logged(), "{\"time\":\"" AT "\",\"level\":\"info\",\"event\":\"update\","
		"\"zone\":\"example.\","
		"\"serial\":7,\"count\":2,\"delta\":-1,\"key\":\"42\"}\n");
}

static void
a_value_with_spaces_or_quotes_is_quoted(void **state)
{
	(void)state;
	log_info("e", "a=%s b=%s c=%s d=%s", "two words", "say \"hi\"", "", "a\\032b");
	assert_string_equal(logged(), AT " info e a=\"two words\" b=\"say \\\"hi\\\"\" c=\"\" d=a\\032b\n");
	log_info("e", "a=\"%s\" b=%s:%d", "quoted here", "::1", 53);
	assert_string_equal(logged(), AT " info e a=\"quoted here\" b=::1:53\n");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("e", "a=\"%s\" b=%s d=%s", "quoted here", "say \"hi\"", "a\\032b");
	assert_non_null(strstr(logged(), ",\"a\":\"quoted here\",\"b\":\"say \\\"hi\\\"\",\"d\":\"a\\\\032b\"}\n"));
}

static void
a_value_cannot_forge_a_field_or_a_line(void **state)
{
	const char *evil = "x verdict=ok\n2026 info forged\x1f" "serial=1\xff";

	(void)state;
	log_info("update", "name=%s verdict=%s", "x verdict=ok", "refused");
	assert_string_equal(logged(), AT " info update name=\"x verdict=ok\" verdict=refused\n");
	log_info("update", "name=%s verdict=%s", "x\x1f" "verdict=ok", "refused");
	assert_string_equal(logged(), AT " info update \\x1fname=x\\x1fverdict=ok\\x1fverdict=refused\n");
	log_info("update", "%s", evil);
	assert_null(strchr(logged(), '\x1f'));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("update", "name=%s verdict=%s", "x\",\"verdict\":\"ok", "refused");
	assert_non_null(strstr(logged(), ",\"name\":\"x\\\",\\\"verdict\\\":\\\"ok\",\"verdict\":\"refused\"}\n"));
}

static void
a_text_without_fields_is_a_message(void **state)
{
	(void)state;
	log_info("note", "nothing to do here");
	assert_string_equal(logged(), AT " info note nothing to do here\n");
	log_info("note", "first this file=%s", "a.b");
	assert_string_equal(logged(), AT " info note first this file=a.b\n");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("note", "first this file=%s", "a.b");
	assert_non_null(strstr(logged(), ",\"message\":\"first this\",\"file\":\"a.b\"}\n"));
}

static void
levels_above_the_configured_one_are_silent(void **state)
{
	(void)state;
	log_debug("e", "a=%d", 1);
	assert_string_equal(logged(), "");
	log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_debug("e", "a=%d", 1);
	assert_string_equal(logged(), AT " debug e a=1\n");
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	log_info("e", "a=%d", 1);
	log_warning("e", "a=%d", 1);
	assert_string_equal(logged(), "");
	log_error("e", "a=%d", 1);
	assert_string_equal(logged(), AT " error e a=1\n");
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	assert_false(log_enabled(LOG_LEVEL_WARNING));
}

/* Every length around the limit, so that the cut falls on each part of a line. */
static void
a_long_line_is_cut_but_whole(void **state)
{
	static char value[5000];

	(void)state;
	memset(value, '"', sizeof value - 1);
	for (size_t length = 1900; length < 2050; length++) {
		value[length] = '\0';
		for (int json = 0; json < 2; json++) {
			log_configure(LOG_LEVEL_INFO, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
			log_info("e", "a=%s long_key_name=%d c=%s", value, 1234567, value);
			size_t size = strlen(logged());
			assert_true(size > 1900 && size <= 4000);
			assert_int_equal(line[size - 1], '\n');
			assert_true(!json || line[size - 2] == '}');
			assert_true(!json || line[size - 3] == '"' || line[size - 3] == '7');
		}
		value[length] = '"';
	}
	value[sizeof value - 1] = '\0';
	log_info("e", "a=%s", value);
	assert_true(strlen(logged()) <= 4000);
}

static void
errno_is_what_it_was(void **state)
{
	(void)state;
	log_to(-1);
	errno = ENOSPC;
	log_error("disk", "error=%m");
	assert_int_equal(errno, ENOSPC);
	log_to(pipe_fds[1]);
	log_error("disk", "error=%m");
	assert_string_equal(logged(), AT " error disk error=\"No space left on device\"\n");
}

static void
log_from_a_stranger(int number)
{
	log_limited(LOG_LEVEL_INFO, "stranger", "number=%d", number);
}

static void
a_strangers_lines_are_limited_and_the_dropped_are_told(void **state)
{
	char expected[200];
	int lines = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		log_from_a_stranger(i);
	for (const char *at = logged(); (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 10);
	clock_set_wall_us(clock_wall_us() + 1000000);
	log_from_a_stranger(1000);
	logged();
	assert_non_null(strstr(line, " warning log_limited site="));
	snprintf(expected, sizeof expected, " dropped=990\n2026-11-22T01:02:04.123456Z info stranger number=1000\n");
	assert_non_null(strstr(line, expected));
	clock_set_wall_us(clock_wall_us() + 1000000);
	log_from_a_stranger(1001);
	assert_string_equal(logged(), "2026-11-22T01:02:05.123456Z info stranger number=1001\n");
}

static void
escape_makes_foreign_bytes_printable_and_fits(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(log_escape("plain", 5, out, sizeof out), "plain");
	assert_string_equal(log_escape("a\nb\0\"\\", 6, out, sizeof out), "a\\x0ab\\x00\\x22");
	assert_string_equal(log_escape("\xff\x7f", 2, out, sizeof out), "\\xff\\x7f");
	assert_string_equal(log_escape("0123456789abcdefgh", 18, out, sizeof out), "0123456789abcde");
	assert_string_equal(log_escape("0123456789ab\n", 13, out, sizeof out), "0123456789ab");
	assert_string_equal(log_escape("x", 1, out, 1), "");
	assert_string_equal(log_escape(NULL, 0, out, 1), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_text_line_has_time_level_event_and_fields, start, stop),
		cmocka_unit_test_setup_teardown(a_json_line_is_one_object, start, stop),
		cmocka_unit_test_setup_teardown(a_value_with_spaces_or_quotes_is_quoted, start, stop),
		cmocka_unit_test_setup_teardown(a_value_cannot_forge_a_field_or_a_line, start, stop),
		cmocka_unit_test_setup_teardown(a_text_without_fields_is_a_message, start, stop),
		cmocka_unit_test_setup_teardown(levels_above_the_configured_one_are_silent, start, stop),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut_but_whole, start, stop),
		cmocka_unit_test_setup_teardown(errno_is_what_it_was, start, stop),
		cmocka_unit_test_setup_teardown(a_strangers_lines_are_limited_and_the_dropped_are_told, start, stop),
		cmocka_unit_test_setup_teardown(escape_makes_foreign_bytes_printable_and_fits, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
