/* A whole zone as a stream of messages (RFC 5936): every record once, SOA first and last, names as they are. */
#include "tests/unit/cmocka.h"
#include "base/clock.h"
#include "tests/unit/zone_text.h"
#include "transfer/axfr.h"

static const uint8_t com[] = "\7example\3com", root[] = "";
static uint8_t buffer[65535];

static struct stream *
start(const struct zone_version *version, const char *name)
{
	uint8_t query[600];
	struct message msg;
	struct tsig tsig = {.verdict = TSIG_NONE};
	struct stream *stream;
	size_t size = zone_text_query(name, "AXFR", 0, query);

	assert_int_equal(parse_message(query, size, &msg), PARSE_OK);
	assert_int_equal(axfr_start(&msg, &tsig, version, &stream), STATUS_OK);
	return stream;
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All records of the stream as text, sorted but for the first and the last; the caller frees. *messages: how many. */
static char *
transfer(const struct zone_version *version, const char *name, unsigned *messages)
{
	struct stream *stream = start(version, name);
	size_t room = 1 << 22, used = 0, count = 0, size;
	char *text = malloc(room), **lines = malloc(200000 * sizeof *lines), *sorted = malloc(room);

	*messages = 0;
	for (;;) {
		struct message msg;
		struct record record;
		assert_int_equal(stream_next(stream, buffer, sizeof buffer, &size), STATUS_OK);
		if (size == 0)
			break;
		assert_int_equal(parse_response(buffer, size, &msg), PARSE_OK);
		assert_int_equal(msg.flags, FLAG_QR | FLAG_AA);
		assert_int_equal(msg.count[SECTION_QUESTION], ++*messages == 1);
		size_t offset = msg.start[SECTION_ANSWER];
		for (unsigned left = msg.count[SECTION_ANSWER]; left > 0; left--) {
			message_record(&msg, &offset, &record);
			lines[count++] = text + used;
			used += zone_text_record(&msg, &record, 'A', text + used, room - used) + 1;
		}
	}
	stream_free(stream);
	assert_true(count >= 2);
	qsort(lines + 1, count - 2, sizeof *lines, compare_lines);
	used = 0;
	for (size_t i = 0; i < count; i++)
		used += (size_t)sprintf(sorted + used, "%s", lines[i]);
	free(text);
	free(lines);
	return sorted;
}

static void
every_record_is_there_once_and_the_soa_twice(void **state) /* RFC 5936 2.2 */
{
	struct zone_version *version = zone_text_load(com,
		"@ 3600 SOA ns Host.Master 7 3600 900 604800 300\n"
		"@ 3600 NS ns\n"
		"@ 3600 MX 10 mail.sub\n"
		"@ 3600 MX 20 Mail.Example.Com.\n"
		"@ 3600 MX 30 mail.example.net.\n"
		"ns 3600 A 192.0.2.53\n"
		"ns 3600 AAAA 2001:db8::53\n"
		"*.wild 60 TXT \"a\" \"b\"\n"
		"child 60 NS ns.child\n"
		"ns.child 60 A 192.0.2.54\n"
		"alias 60 CNAME example.com.\n"
		"_s._tcp 60 SRV 1 2 3 ns\n");
	unsigned messages;
	char *text = transfer(version, "example.com.", &messages);

	(void)state;
	assert_int_equal(messages, 1);
	assert_string_equal(text,
		"A example.com. 3600 SOA ns.example.com. Host.Master.example.com. 7 3600 900 604800 300\n"
		"A *.wild.example.com. 60 TXT \"a\" \"b\"\n"
		"A _s._tcp.example.com. 60 SRV 1 2 3 ns.example.com.\n"
		"A alias.example.com. 60 CNAME example.com.\n"
		"A child.example.com. 60 NS ns.child.example.com.\n"
		"A example.com. 3600 MX 10 mail.sub.example.com.\n"
		"A example.com. 3600 MX 20 Mail.Example.Com.\n"
		"A example.com. 3600 MX 30 mail.example.net.\n"
		"A example.com. 3600 NS ns.example.com.\n"
		"A ns.child.example.com. 60 A 192.0.2.54\n"
		"A ns.example.com. 3600 A 192.0.2.53\n"
		"A ns.example.com. 3600 AAAA 2001:db8::53\n"
		"A example.com. 3600 SOA ns.example.com. Host.Master.example.com. 7 3600 900 604800 300\n");
	free(text);
	draft_discard(version);
}

static void
the_case_of_the_question_does_not_change_the_zone(void **state) /* RFC 5936 3.4 */
{
	struct zone_version *version =
		zone_text_load(com, "@ 3600 SOA ns hm 7 3600 900 604800 300\n@ 3600 NS ns\nns 60 A 192.0.2.1\n");
	unsigned messages;
	char *plain = transfer(version, "example.com.", &messages),
	     *mixed = transfer(version, "eXAMPLE.Com.", &messages);

	(void)state;
	assert_string_equal(plain, mixed);
	free(plain);
	free(mixed);
	draft_discard(version);
}

static void
the_root_zone_can_be_transferred(void **state)
{
	struct zone_version *version =
		zone_text_load(root, "@ 60 SOA ns. hm. 7 3600 900 604800 300\n@ 60 NS ns.\nns. 60 A 192.0.2.1\n");
	unsigned messages;
	char *text = transfer(version, ".", &messages);

	(void)state;
	assert_string_equal(text, "A . 60 SOA ns. hm. 7 3600 900 604800 300\nA . 60 NS ns.\nA ns. 60 A 192.0.2.1\n"
	                          "A . 60 SOA ns. hm. 7 3600 900 604800 300\n");
	free(text);
	draft_discard(version);
}

static void
large_zones_take_full_messages_and_lose_nothing(void **state)
{
	size_t room = 1 << 22, used;
	char *zone = malloc(room), *expected = malloc(room);
	unsigned messages;

	(void)state;
	used = (size_t)sprintf(zone, "@ 3600 SOA ns hm 7 3600 900 604800 300\n@ 3600 NS ns\n");
	/* Some with many records at a name, so that messages end within RRsets too. */
	for (unsigned i = 0; i < 4000; i++) {
		used += (size_t)sprintf(zone + used, "host%u 60 A 10.0.%u.%u\nhost%u 60 TXT \"%0*u\"\n", i, i >> 8,
					i & 255, i, (int)(i % 200) + 1, i);
		if (i % 100 == 0)
			for (unsigned k = 0; k < 50; k++)
				used += (size_t)sprintf(zone + used, "many%u 60 MX %u mx%u\n", i, k, k);
	}
	struct zone_version *version = zone_text_load(com, zone);
	char *text = transfer(version, "example.com.", &messages);
	size_t lines = 0;
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, version->records + 1);
	for (const char *at = text, *line = NULL; *at != '\0'; line = at, at = strchr(at, '\n') + 1)
		assert_true(line == NULL ||
			    strncmp(line, at, (size_t)(strchr(at, '\n') - at) + 1) != 0); /* sorted: none comes twice */
	assert_true(messages >= 8 && messages <= 20);
	free(text);
	free(zone);
	free(expected);
	draft_discard(version);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_there_once_and_the_soa_twice),
		cmocka_unit_test(the_case_of_the_question_does_not_change_the_zone),
		cmocka_unit_test(the_root_zone_can_be_transferred),
		cmocka_unit_test(large_zones_take_full_messages_and_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
