/* OPT: RFC 6891 6.1, RFC 7873 4 and 5.2, RFC 8914 2, RFC 7830. */
#include "wire/edns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static enum status
parse(const char *options, size_t size, struct edns *edns)
{
	return edns_parse(1232, 0x12018000, (const uint8_t *)options, size, edns);
}

static void
fixed_part_is_read(void **state)
{
	struct edns edns;

	(void)state;
	assert_int_equal(parse("", 0, &edns), STATUS_OK);
	assert_true(edns.present && edns.dnssec_ok);
	assert_int_equal(edns.extended_rcode, 0x12);
	assert_int_equal(edns.version, 1);
	assert_int_equal(edns.udp_size, 1232);
	assert_false(edns.nsid || edns.keepalive || edns.padding || edns.zoneversion || edns.bad_cookie);
	assert_null(edns.cookie);
}

static void
options_are_read_and_unknown_ones_passed_over(void **state)
{
	struct edns edns;

	(void)state;
	assert_int_equal(parse("\0\2\0\4\0\0\1\0\0\3\0\0\0\13\0\0\0\14\0\1\0\0\23\0\0\377\377\0\2ab", 31, &edns),
			 STATUS_OK);
	assert_true(edns.nsid && edns.keepalive && edns.padding && edns.zoneversion);
	assert_int_equal(parse("\0\3\0\1", 4, &edns), STATUS_MALFORMED);
	assert_int_equal(parse("\0\3\0", 3, &edns), STATUS_MALFORMED);
	assert_int_equal(parse("\0\3\0\0\1", 5, &edns), STATUS_MALFORMED);
}

static void
cookies_are_of_8_or_16_to_40_octets(void **state)
{
	struct edns edns;

	(void)state;
	for (uint8_t size = 0; size < 60; size++) {
		uint8_t options[64] = {0, EDNS_OPTION_COOKIE, 0, size};
		assert_int_equal(edns_parse(512, 0, options, 4u + size, &edns), STATUS_OK);
		bool good = size == 8 || (size >= 16 && size <= 40);
		assert_int_equal(edns.bad_cookie, !good);
		assert_int_equal(edns.cookie_size, good ? size : 0);
	}
}

static void
a_reply_has_the_octets_of_rfc_6891(void **state)
{
	static const uint8_t expected[] = "\0\0\51\4\320\1\0\200\0\0\20\0\3\0\2ns\0\17\0\6\0\22deny";
	uint8_t buffer[64];
	struct writer out = writer_over(buffer, sizeof buffer);
	struct ede ede;

	(void)state;
	ede_set(&ede, EDE_PROHIBITED, "%s", "deny");
	struct edns_reply reply = {
		.udp_size = 1232, .rcode = 16, .dnssec_ok = true, .nsid = "ns", .ede = &ede, .keepalive_100ms = -1};
	edns_write(&out, &reply);
	assert_int_equal(writer_size(&out), sizeof expected - 1);
	assert_int_equal(edns_reply_size(&reply), sizeof expected - 1);
	assert_memory_equal(buffer, expected, sizeof expected - 1);
}

static void
an_ede_text_is_cut_where_room_is_short_and_then_left_out(void **state)
{
	uint8_t buffer[64];
	struct ede ede;

	(void)state;
	ede_set(&ede, EDE_OTHER, "caf\303\251");
	struct edns_reply reply = {.udp_size = 1232, .ede = &ede, .keepalive_100ms = -1};
	static const struct {
		size_t room, size;
	} cases[] = {{22, 22}, {21, 20}, {20, 20}, {17, 17}, {16, 11}, {11, 11}, {10, 0}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct writer out = writer_over(buffer, cases[i].room);
		edns_write(&out, &reply);
		assert_int_equal(writer_size(&out), cases[i].size);
		struct edns edns;
		if (cases[i].size > 0)
			assert_int_equal(edns_parse(1232, 0, buffer + 11, cases[i].size - 11, &edns), STATUS_OK);
	}
}

static void
padding_fills_up_to_a_multiple_of_the_block(void **state)
{
	uint8_t buffer[1200];

	(void)state;
	for (size_t before = 0; before < 500; before++) {
		struct writer out = writer_over(buffer, sizeof buffer);
		struct edns_reply reply = {.udp_size = 1232, .keepalive_100ms = 300, .padding_block = 468};
		(void)writer_room(&out, before);
		edns_write(&out, &reply);
		assert_int_equal(writer_size(&out) % 468, 0);
	}
}

static void
long_texts_are_cut(void **state)
{
	struct ede ede;

	(void)state;
	ede_set(&ede, EDE_OTHER, "%0500d", 1);
	assert_int_equal(strlen(ede.text), EDE_TEXT_SIZE - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_part_is_read),
		cmocka_unit_test(options_are_read_and_unknown_ones_passed_over),
		cmocka_unit_test(cookies_are_of_8_or_16_to_40_octets),
		cmocka_unit_test(a_reply_has_the_octets_of_rfc_6891),
		cmocka_unit_test(an_ede_text_is_cut_where_room_is_short_and_then_left_out),
		cmocka_unit_test(padding_fills_up_to_a_multiple_of_the_block),
		cmocka_unit_test(long_texts_are_cut),
	};

	return cmocka_run_group_tests_name("edns", tests, NULL, NULL);
}
