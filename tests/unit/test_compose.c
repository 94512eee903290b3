/* Responses: RFC 1035 4.1.4, RFC 2181 5.1 and 9, RFC 3597 4. The expected bytes are written by hand from RFC 1035. */
#include "wire/compose.h"
#include "wire/parse.h"
#include "wire/rdata.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t query[] = "\22\64\1\20\0\1\0\0\0\0\0\0\3wWw\7Example\3com\0\0\1\0\1";
static struct message msg;
static struct compose compose;
static uint8_t buffer[MESSAGE_MAX_SIZE];

#define AFTER_QUESTION 33

static void
begin(size_t limit, size_t reserved)
{
	assert_int_equal(parse_message(query, sizeof query - 1, &msg), PARSE_OK);
	compose_begin(&compose, &msg, buffer, limit, reserved);
}

static bool
add(enum section section, const char *owner, uint16_t type, const char *rdata, size_t size)
{
	return compose_record(&compose, section, (const uint8_t *)owner, type, CLASS_IN, 300, (const uint8_t *)rdata,
			      size);
}

static void
header_and_question_are_copied_with_their_case(void **state)
{
	(void)state;
	begin(512, 0);
	compose.flags |= FLAG_AA;
	compose.rcode = RCODE_NXDOMAIN;
	assert_int_equal(compose_finish(&compose, NULL), sizeof query - 1);
	assert_memory_equal(buffer, "\22\64\205\23\0\1\0\0\0\0\0\0\3wWw\7Example\3com\0\0\1\0\1", sizeof query - 1);
}

static void
an_rrset_at_the_question_points_to_it(void **state)
{
	static const uint16_t four = 4;
	uint8_t packed[12];

	(void)state;
	begin(512, 0);
	memcpy(packed, &four, 2);
	memcpy(packed + 2, "\1\2\3\4", 4);
	memcpy(packed + 6, &four, 2);
	memcpy(packed + 8, "\5\6\7\10", 4);
	assert_true(compose_rrset(&compose, SECTION_ANSWER, NULL, TYPE_A, 300, packed, sizeof packed, 2));
	assert_int_equal(compose_finish(&compose, NULL), AFTER_QUESTION + 32);
	assert_memory_equal(buffer + AFTER_QUESTION,
			    "\300\14\0\1\0\1\0\0\1\54\0\4\1\2\3\4\300\14\0\1\0\1\0\0\1\54\0\4\5\6\7\10", 32);
	assert_memory_equal(buffer + 4, "\0\1\0\2\0\0\0\0", 8);
}

/* The SOA of a negative answer: www at 12, example at 16. */
static void
names_of_an_soa_are_compressed(void **state)
{
	static const char soa[] =
		"\3ns1\7example\3com\0\12hostmaster\7EXAMPLE\3com\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
	static const char expected[] = "\300\20\0\6\0\1\0\0\1\54\0\47\3ns1\300\20\12hostmaster\300\20"
	                               "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";

	(void)state;
	begin(512, 0);
	assert_true(add(SECTION_AUTHORITY, "\7example\3com", TYPE_SOA, soa, sizeof soa - 1));
	assert_int_equal(compose_finish(&compose, NULL), AFTER_QUESTION + sizeof expected - 1);
	assert_memory_equal(buffer + AFTER_QUESTION, expected, sizeof expected - 1);
}

static void
names_of_newer_types_are_written_in_full(void **state)
{
	static const struct { uint16_t type; const char *rdata; size_t size;
	} full[] = {
		{TYPE_SRV, "\0\0\0\0\0\0\3www\7example\3com", 23},
		{TYPE_DNAME, "\3www\7example\3com", 17},
		{TYPE_SVCB, "\0\0\3www\7example\3com", 19},
		{TYPE_RP, "\3com\0\3com", 10},
		{65280, "\3www\7example\3com", 17},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(full); i++) {
		begin(512, 0);
		assert_true(add(SECTION_ANSWER, NULL, full[i].type, full[i].rdata, full[i].size));
		assert_int_equal(compose_finish(&compose, NULL), AFTER_QUESTION + 12 + full[i].size);
		assert_memory_equal(buffer + AFTER_QUESTION + 12, full[i].rdata, full[i].size);
	}
}

static void
later_names_point_into_earlier_ones(void **state)
{
	(void)state;
	begin(512, 0);
	assert_true(add(SECTION_AUTHORITY, "\7example\3com", TYPE_NS, "\2n1\3net", 8));
	assert_int_equal(writer_size(&compose.out), AFTER_QUESTION + 12 + 8);
	assert_true(add(SECTION_AUTHORITY, "\7example\3com", TYPE_NS, "\2n2\3NET", 8));
	assert_memory_equal(compose.out.at - 5, "\2n2\300\60", 5);
	assert_true(add(SECTION_ADDITIONAL, "\2N2\3net", TYPE_A, "\1\2\3\4", 4));
	assert_memory_equal(compose.out.at - 16, "\300\101", 2);
	/* "xn2" only ends in the same octets. */
	assert_true(add(SECTION_ADDITIONAL, "\3\2n2\3net", TYPE_A, "\1\2\3\4", 4));
	assert_memory_equal(compose.out.at - 20, "\3\2n2\300\60", 6);
	assert_true(add(SECTION_ADDITIONAL, "", TYPE_A, "\1\2\3\4", 4));
	assert_int_equal(*(compose.out.at - 15), 0);
}

static void
an_rrset_is_written_whole_or_not_at_all(void **state)
{
	static const char ns[] = "\7another\3net";
	uint16_t size = sizeof ns;
	uint8_t packed[2 * (2 + sizeof ns)];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(packed + i * (2 + sizeof ns), &size, 2);
		memcpy(packed + i * (2 + sizeof ns) + 2, ns, sizeof ns);
	}
	begin(65535, 0);
	assert_true(compose_rrset(&compose, SECTION_ANSWER, NULL, TYPE_NS, 300, packed, sizeof packed, 2));
	size_t whole = writer_size(&compose.out);
	for (size_t limit = AFTER_QUESTION; limit <= whole; limit++) {
		begin(512, 512 - limit);
		bool fits = compose_rrset(&compose, SECTION_ANSWER, NULL, TYPE_NS, 300, packed, sizeof packed, 2);
		assert_int_equal(fits, limit == whole);
		assert_int_equal(compose_finish(&compose, NULL), fits ? whole : AFTER_QUESTION);
		assert_int_equal(compose.count[SECTION_ANSWER], fits ? 2 : 0);
		assert_int_equal(compose.names, fits ? 2 : 1);
	}
}

static void
rewind_takes_out_all_since_the_mark(void **state)
{
	(void)state;
	begin(512, 0);
	assert_true(add(SECTION_ANSWER, NULL, TYPE_A, "\1\2\3\4", 4));
	struct compose_mark mark = compose_mark(&compose);
	assert_true(add(SECTION_ADDITIONAL, "\1x\3net", TYPE_A, "\1\2\3\4", 4));
	compose_rewind(&compose, mark);
	assert_true(add(SECTION_ADDITIONAL, "\1x\3net", TYPE_A, "\1\2\3\4", 4));
	assert_memory_equal(compose.out.at - 21, "\1x\3net\0", 7);
	assert_int_equal(compose.count[SECTION_ADDITIONAL], 1);
}

static void
opt_and_tsig_keep_their_room(void **state)
{
	struct edns_reply opt = {.udp_size = 1232, .keepalive_100ms = -1};
	struct ede ede;

	(void)state;
	begin(512, edns_reply_size(&opt) + 100);
	while (add(SECTION_ANSWER, NULL, TYPE_A, "\1\2\3\4", 4))
		;
	size_t used = writer_size(&compose.out);
	assert_true(used <= 512 - 111 && used > 512 - 111 - 16);
	ede_set(&ede, EDE_OTHER, "%0150d", 0);
	opt.ede = &ede;
	size_t size = compose_finish(&compose, &opt);
	assert_true(size >= used + 11 && size <= 512 - 100);
	assert_int_equal(parse_response(buffer, size, &msg), PARSE_OK);
	assert_true(msg.edns.present);
	assert_int_equal(msg.count[SECTION_ADDITIONAL], 1);
}

/* 14 bits of offset: names beyond are neither pointed to nor lost. */
static void
nothing_points_beyond_16383(void **state)
{
	static uint8_t text[256], name[] = "\5label\1x\3net";

	(void)state;
	text[0] = 255;
	begin(65535, 0);
	for (unsigned i = 0; i < 200; i++) {
		name[1] = (uint8_t)('a' + i / 26);
		name[2] = (uint8_t)('a' + i % 26);
		assert_true(compose_record(&compose, SECTION_ANSWER, name, TYPE_TXT, CLASS_IN, 0, text, sizeof text));
		assert_true(compose_record(&compose, SECTION_ANSWER, name, TYPE_NS, CLASS_IN, 0, name, sizeof name));
	}
	size_t size = compose_finish(&compose, NULL);
	assert_true(size > 0x4000);
	assert_int_equal(parse_response(buffer, size, &msg), PARSE_OK);
	size_t offset = msg.start[SECTION_ANSWER];
	for (unsigned i = 0; i < 400; i++) {
		uint8_t owner[NAME_MAX_SIZE];
		struct record record;
		message_record(&msg, &offset, &record);
		name[1] = (uint8_t)('a' + i / 2 / 26);
		name[2] = (uint8_t)('a' + i / 2 % 26);
		assert_int_equal(message_owner(&msg, &record, owner), sizeof name);
		assert_memory_equal(owner, name, sizeof name);
	}
}

static void
udp_limits_are_between_512_and_ours(void **state)
{
	(void)state;
	begin(512, 0);
	msg.edns.present = false;
	assert_int_equal(compose_udp_limit(&msg, 1232), 512);
	msg.edns.present = true;
	static const struct { uint16_t sent; size_t limit; } cases[] = {{0, 512}, {511, 512}, {600, 600}, {4096, 1232}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msg.edns.udp_size = cases[i].sent;
		assert_int_equal(compose_udp_limit(&msg, 1232), cases[i].limit);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_and_question_are_copied_with_their_case),
		cmocka_unit_test(an_rrset_at_the_question_points_to_it),
		cmocka_unit_test(names_of_an_soa_are_compressed),
		cmocka_unit_test(names_of_newer_types_are_written_in_full),
		cmocka_unit_test(later_names_point_into_earlier_ones),
		cmocka_unit_test(an_rrset_is_written_whole_or_not_at_all),
		cmocka_unit_test(rewind_takes_out_all_since_the_mark),
		cmocka_unit_test(opt_and_tsig_keep_their_room),
		cmocka_unit_test(nothing_points_beyond_16383),
		cmocka_unit_test(udp_limits_are_between_512_and_ours),
	};

	return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
