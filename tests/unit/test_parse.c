/* Messages: RFC 1035 4.1, RFC 6891 6.1.1, RFC 8945 5.1, RFC 2136 2. Bytes are written by hand, field by field. */
#include "wire/parse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint8_t wire[MESSAGE_MAX_SIZE + 1];
static struct writer out;

static void
begin(unsigned flags, unsigned questions, unsigned answers, unsigned authorities, unsigned additionals)
{
	out = writer_over(wire, sizeof wire);
	writer_u16(&out, 0x1234);
	writer_u16(&out, (uint16_t)flags);
	writer_u16(&out, (uint16_t)questions);
	writer_u16(&out, (uint16_t)answers);
	writer_u16(&out, (uint16_t)authorities);
	writer_u16(&out, (uint16_t)additionals);
}

static void
question(const char *name, size_t size, unsigned type)
{
	writer_bytes(&out, name, size);
	writer_u16(&out, (uint16_t)type);
	writer_u16(&out, CLASS_IN);
}

/* The string literal's own NUL is the root. */
#define QUESTION(name, type) question(name, sizeof(name), type)

static void
record(unsigned type, unsigned class_, const char *rdata, size_t size)
{
	writer_u8(&out, 0);
	writer_u16(&out, (uint16_t)type);
	writer_u16(&out, (uint16_t)class_);
	writer_u32(&out, 0);
	writer_u16(&out, (uint16_t)size);
	writer_bytes(&out, rdata, size);
}

static enum parse_verdict
parse(struct message *msg)
{
	/* Its own block, so that a read past the end is seen. */
	static uint8_t *copy;
	size_t size = writer_size(&out);

	free(copy);
	copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, wire, size);
	return parse_message(copy, size, msg);
}

static void
a_query_is_read(void **state)
{
	struct message msg;

	(void)state;
	begin(FLAG_RD, 1, 0, 0, 0);
	QUESTION("\3wWw\7EXAMPLE\3com", TYPE_AAAA);
	assert_int_equal(parse(&msg), PARSE_OK);
	assert_int_equal(msg.id, 0x1234);
	assert_int_equal(msg.qname_size, 17);
	assert_int_equal(msg.qname_labels, 3);
	assert_memory_equal(msg.qname, "\3www\7example\3com", 17);
	assert_int_equal(msg.qtype, TYPE_AAAA);
	assert_int_equal(msg.qclass, CLASS_IN);
	assert_int_equal(msg.question_end, 33);
	assert_false(msg.edns.present);
	assert_int_equal(msg.tsig_offset | msg.opt_offset | msg.sig0_offset, 0);
	assert_int_equal(msg.start[SECTION_ANSWER], 33);
	assert_int_equal(msg.start[SECTION_COUNT], 33);
	begin(0, 1, 0, 0, 0);
	question("", 1, TYPE_NS);
	assert_int_equal(parse(&msg), PARSE_OK);
	assert_int_equal(msg.qname_size, 1);
	assert_int_equal(msg.qname_labels, 0);
}

static void
every_shortening_of_a_message_is_refused(void **state)
{
	struct message msg;

	(void)state;
	begin(0, 1, 1, 0, 1);
	QUESTION("\1a\7example", TYPE_A);
	record(TYPE_A, CLASS_IN, "\1\2\3\4", 4);
	record(TYPE_OPT, 1232, "\0\3\0\0", 4);
	size_t whole = writer_size(&out);
	assert_int_equal(parse(&msg), PARSE_OK);
	for (size_t size = 0; size < whole; size++)
		assert_int_equal(parse_message(wire, size, &msg), size < 12 ? PARSE_DROP : PARSE_FORMERR);
	writer_u8(&out, 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(parse_message(wire, 0x10000, &msg), PARSE_DROP);
}

static void
responses_are_dropped_and_unknown_opcodes_not_implemented(void **state)
{
	struct message msg;

	(void)state;
	begin(FLAG_QR, 1, 0, 0, 0);
	QUESTION("\1a", TYPE_A);
	assert_int_equal(parse(&msg), PARSE_DROP);
	assert_int_equal(parse_response(wire, writer_size(&out), &msg), PARSE_OK);
	for (unsigned opcode = 0; opcode < 16; opcode++) {
		begin(opcode << 11, 1, 0, 0, 0);
		QUESTION("\1a", TYPE_SOA);
		bool known = opcode == OPCODE_QUERY || opcode == OPCODE_NOTIFY || opcode == OPCODE_UPDATE;
		assert_int_equal(parse(&msg), known ? PARSE_OK : PARSE_NOTIMP);
		assert_int_equal(message_opcode(&msg), opcode);
	}
}

static void
a_query_has_exactly_one_question(void **state)
{
	struct message msg;

	(void)state;
	begin(0, 0, 0, 0, 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.qname_size, 0);
	begin(0, 2, 0, 0, 0);
	QUESTION("\1a", TYPE_A);
	QUESTION("\1b", TYPE_A);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.qname_size, 3);
	begin(OPCODE_NOTIFY << 11, 0, 0, 0, 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	/* Later messages of a transfer (RFC 5936 2.2.1). */
	begin(FLAG_QR, 0, 0, 0, 0);
	assert_int_equal(parse_response(wire, writer_size(&out), &msg), PARSE_OK);
}

static void
opt_is_one_in_additional_at_the_root(void **state)
{
	struct message msg;

	(void)state;
	begin(0, 1, 0, 0, 1);
	QUESTION("\1a", TYPE_A);
	record(TYPE_OPT, 4096, "\0\12\0\10abcdefgh\0\3\0\0", 16);
	assert_int_equal(parse(&msg), PARSE_OK);
	assert_true(msg.edns.present && msg.edns.nsid);
	assert_int_equal(msg.edns.udp_size, 4096);
	assert_int_equal(msg.edns.cookie_size, 8);
	assert_memory_equal(msg.edns.cookie, "abcdefgh", 8);
	assert_int_equal(msg.opt_offset, msg.question_end);
	begin(0, 1, 0, 0, 2);
	QUESTION("\1a", TYPE_A);
	record(TYPE_OPT, 4096, "", 0);
	record(TYPE_OPT, 4096, "", 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	begin(0, 1, 0, 1, 0);
	QUESTION("\1a", TYPE_A);
	record(TYPE_OPT, 4096, "", 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	begin(0, 1, 0, 0, 1);
	QUESTION("\1a", TYPE_A);
	writer_bytes(&out, "\1a\0\0\51\20\0\0\0\0\0\0\0", 13);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	begin(0, 1, 0, 0, 1);
	QUESTION("\1a", TYPE_A);
	record(TYPE_OPT, 4096, "\0\3\0\1", 4);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_false(msg.edns.present);
}

static void
tsig_is_one_and_last_and_of_class_any(void **state)
{
	struct message msg;

	(void)state;
	begin(0, 1, 0, 0, 2);
	QUESTION("\1a", TYPE_A);
	record(TYPE_OPT, 4096, "", 0);
	size_t at = writer_size(&out);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_OK);
	assert_int_equal(msg.tsig_offset, at);
	begin(0, 1, 0, 0, 2);
	QUESTION("\1a", TYPE_A);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	record(TYPE_OPT, 4096, "", 0);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, 0);
	begin(0, 1, 0, 0, 2);
	QUESTION("\1a", TYPE_A);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, 0);
	begin(0, 1, 1, 0, 0);
	QUESTION("\1a", TYPE_A);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	begin(0, 1, 0, 0, 1);
	QUESTION("\1a", TYPE_A);
	record(TYPE_TSIG, CLASS_IN, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	begin(0, 1, 0, 0, 1);
	QUESTION("\1a", TYPE_A);
	at = writer_size(&out);
	record(TYPE_SIG, CLASS_ANY, "\0\0x", 3);
	assert_int_equal(parse(&msg), PARSE_OK);
	assert_int_equal(msg.sig0_offset, at);
}

static void
a_formerr_keeps_the_tsig_where_records_are_sound(void **state)
{
	struct message msg;

	(void)state;
	begin(OPCODE_UPDATE << 11, 1, 0, 1, 1);
	QUESTION("\7example", TYPE_SOA);
	record(TYPE_A, CLASS_IN, "\1\2\3", 3);
	size_t at = writer_size(&out);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, at);
	assert_int_equal(msg.qname_size, 9);
	begin(OPCODE_UPDATE << 11, 2, 0, 0, 1);
	QUESTION("\7example", TYPE_SOA);
	QUESTION("\7example", TYPE_SOA);
	at = writer_size(&out);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, at);
	begin(OPCODE_UPDATE << 11, 1, 0, 0, 1);
	QUESTION("\7example", TYPE_A);
	at = writer_size(&out);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, at);
	begin(OPCODE_UPDATE << 11, 1, 0, 2, 1); /* a count that lies: the TSIG is taken for data */
	QUESTION("\7example", TYPE_SOA);
	record(TYPE_A, CLASS_IN, "\1\2\3\4", 4);
	record(TYPE_TSIG, CLASS_ANY, "x", 1);
	assert_int_equal(parse(&msg), PARSE_FORMERR);
	assert_int_equal(msg.tsig_offset, 0);
}

static enum parse_verdict
update_with(unsigned section, unsigned type, unsigned class_, const char *rdata, size_t size)
{
	struct message msg;

	begin(OPCODE_UPDATE << 11, 1, section == SECTION_PREREQUISITE, section == SECTION_UPDATE,
	      section == SECTION_ADDITIONAL);
	QUESTION("\7example", TYPE_SOA);
	record(type, class_, rdata, size);
	return parse(&msg);
}

static void
update_sections_take_no_meta_types_as_data(void **state)
{
	(void)state;
	static const uint16_t meta[] = {TYPE_AXFR, TYPE_IXFR, TYPE_MAILA, TYPE_MAILB, 128, 0};
	for (size_t i = 0; i < ARRAY_SIZE(meta); i++) {
		assert_int_equal(update_with(SECTION_UPDATE, meta[i], CLASS_IN, "x", 1), PARSE_FORMERR);
		assert_int_equal(update_with(SECTION_UPDATE, meta[i], CLASS_NONE, "x", 1), PARSE_FORMERR);
		assert_int_equal(update_with(SECTION_PREREQUISITE, meta[i], CLASS_IN, "x", 1), PARSE_FORMERR);
		assert_int_equal(update_with(SECTION_PREREQUISITE, meta[i], CLASS_NONE, "", 0), PARSE_FORMERR);
	}
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_ANY, CLASS_IN, "x", 1), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_ANY, CLASS_NONE, "x", 1), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_OPT, CLASS_IN, "", 0), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_ANY, CLASS_ANY, "", 0), PARSE_OK);       /* 2.5.3 */
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_A, CLASS_ANY, "", 0), PARSE_OK);         /* 2.5.2 */
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_A, CLASS_NONE, "\1\2\3\4", 4), PARSE_OK); /* 2.5.4 */
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_A, CLASS_NONE, "\1\2\3", 3), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_UPDATE, TYPE_A, CLASS_IN, "", 0), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_PREREQUISITE, TYPE_ANY, CLASS_ANY, "", 0), PARSE_OK);  /* 2.4.4 */
	assert_int_equal(update_with(SECTION_PREREQUISITE, TYPE_ANY, CLASS_NONE, "", 0), PARSE_OK); /* 2.4.5 */
	/* left to update/ */
	assert_int_equal(update_with(SECTION_PREREQUISITE, TYPE_A, CLASS_NONE, "x", 1), PARSE_OK);
	assert_int_equal(update_with(SECTION_PREREQUISITE, TYPE_A, CLASS_IN, "\1\2\3", 3), PARSE_FORMERR);
	assert_int_equal(update_with(SECTION_ADDITIONAL, TYPE_A, CLASS_IN, "\1\2\3", 3), PARSE_FORMERR);
}

static void
records_are_walked(void **state)
{
	uint8_t owner[NAME_MAX_SIZE];
	struct record walked;
	struct message msg;

	(void)state;
	begin(0, 1, 0, 1, 0);
	QUESTION("\7EXAMPLE", TYPE_IXFR);
	writer_bytes(&out, "\1A\300\014\0\1\0\1\0\0\1\54\0\4\1\2\3\4", 18);
	assert_int_equal(parse(&msg), PARSE_OK);
	size_t offset = msg.start[SECTION_AUTHORITY];
	message_record(&msg, &offset, &walked);
	assert_int_equal(offset, msg.start[SECTION_ADDITIONAL]);
	assert_int_equal(walked.type, TYPE_A);
	assert_int_equal(walked.ttl_s, 300);
	assert_int_equal(walked.rdata_size, 4);
	assert_int_equal(msg.wire[walked.rdata], 1);
	assert_int_equal(message_owner(&msg, &walked, owner), 11);
	assert_memory_equal(owner, "\1a\7example", 11);
	offset = msg.start[SECTION_QUESTION];
	message_record(&msg, &offset, &walked);
	assert_int_equal(walked.type, TYPE_IXFR);
	assert_int_equal(offset, msg.start[SECTION_ANSWER]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_read),
		cmocka_unit_test(every_shortening_of_a_message_is_refused),
		cmocka_unit_test(responses_are_dropped_and_unknown_opcodes_not_implemented),
		cmocka_unit_test(a_query_has_exactly_one_question),
		cmocka_unit_test(opt_is_one_in_additional_at_the_root),
		cmocka_unit_test(tsig_is_one_and_last_and_of_class_any),
		cmocka_unit_test(a_formerr_keeps_the_tsig_where_records_are_sound),
		cmocka_unit_test(update_sections_take_no_meta_types_as_data),
		cmocka_unit_test(records_are_walked),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
