/* update/audit.c: the line of one UPDATE. */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"
#include "base/clock.h"
#include "base/log.h"
#include "update/audit.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char path[] = "/tmp/zonegate-audit-XXXXXX";

static const char *
content(const char *file)
{
	static char text[20000];
	int fd = open(file, O_RDONLY);
	ssize_t size = read(fd, text, sizeof text - 1);

	assert_true(size >= 0);
	text[size] = '\0';
	close(fd);
	return text;
}

static void
fill(struct update_request *request)
{
	uint8_t wire[512];
	size_t size = update_text_build(4660, "P a 0 NONE ANY\nU a 300 IN A 192.0.2.7\nU b 300 IN A 192.0.2.7", wire,
					sizeof wire);

	assert_int_equal(update_text_request(request, wire, size, "dhcp."), PARSE_OK);
	request->version = 42;
	request->serial = 7;
}

static void
an_update_is_one_json_line(void **state)
{
	struct update_request request;
	struct audit *audit;

	(void)state;
	clock_set_wall_us(1763765401123456);
	fill(&request);
	assert_int_equal(audit_open(path, &audit), STATUS_OK);
	audit_update(audit, &request, "applied", 1234567);
	assert_string_equal(content(path), "{\"time\":\"2025-11-21T22:50:01.123456Z\",\"zone\":\"example.test.\","
					   "\"client\":\"192.0.2.9@53211\",\"transport\":\"udp\","
					   "\"key\":\"dhcp.\",\"id\":4660,\"verdict\":\"applied\",\"rcode\":"
					   "\"NOERROR\",\"version\":42,\"serial\":7,"
					   "\"prerequisites\":1,\"updates\":2,\"duration_us\":1234,\"reason\":null}\n");
	audit_close(audit);
	arena_free(&request.arena);
}

static void
foreign_text_cannot_forge_a_member(void **state)
{
	struct update_request request;
	struct audit *audit;

	(void)state;
	assert_int_equal(truncate(path, 0), 0);
	fill(&request);
	request.rcode = RCODE_REFUSED;
	request.key_text = "a\\\"b\n.";
	ede_set(&request.ede, EDE_PROHIBITED, "x\",\"rcode\":\"NOERROR");
	assert_int_equal(audit_open(path, &audit), STATUS_OK);
	audit_update(audit, &request, "policy", 0);
	const char *line = content(path);
	assert_non_null(strstr(line, "\"key\":\"a\\\\\\\"b\\u000a.\""));
	assert_non_null(strstr(line, "\"reason\":\"x\\\",\\\"rcode\\\":\\\"NOERROR\"}\n"));
	assert_non_null(strstr(line, "\"rcode\":\"REFUSED\""));
	audit_close(audit);
	arena_free(&request.arena);
}

static void
a_rotated_file_is_opened_again(void **state)
{
	struct update_request request;
	struct audit *audit;
	char moved[sizeof path + 2];

	(void)state;
	fill(&request);
	assert_int_equal(audit_open(path, &audit), STATUS_OK);
	snprintf(moved, sizeof moved, "%s.1", path);
	assert_int_equal(rename(path, moved), 0);
	audit_reopen(audit);
	audit_refused(audit, &request.msg, (const struct sockaddr *)&request.client, UPDATE_TCP, NULL, RCODE_NOTAUTH,
		      "badsig", "key k.");
	assert_non_null(
		strstr(content(path),
		       "\"transport\":\"tcp\",\"key\":null,\"id\":4660,\"verdict\":\"badsig\",\"rcode\":\"NOTAUTH\""));
	audit_close(audit);
	arena_free(&request.arena);
	unlink(moved);
}

static void
the_process_log_has_it_too(void **state)
{
	struct update_request request;
	int pipes[2];
	char line[2000];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	fill(&request);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_to(pipes[1]);
	audit_update(NULL, &request, "applied", 0);
	log_to(2);
	ssize_t size = read(pipes[0], line, sizeof line - 1);
	assert_true(size > 0);
	line[size] = '\0';
	assert_non_null(strstr(line, "update zone=example.test. requestor=192.0.2.9@53211 key=dhcp. verdict=applied "
				     "rcode=NOERROR serial=7"));
	close(pipes[0]);
	close(pipes[1]);
	arena_free(&request.arena);
}

static void
a_path_that_cannot_be_opened_says_why(void **state)
{
	struct audit *audit;

	(void)state;
	assert_int_equal(audit_open("/nonexistent/audit.log", &audit), STATUS_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(audit_open(NULL, &audit), STATUS_OK);
	audit_close(audit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_is_one_json_line),
		cmocka_unit_test(foreign_text_cannot_forge_a_member),
		cmocka_unit_test(a_rotated_file_is_opened_again),
		cmocka_unit_test(the_process_log_has_it_too),
		cmocka_unit_test(a_path_that_cannot_be_opened_says_why),
	};
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
