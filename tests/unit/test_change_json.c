/* zone/change_json.c: a change as in events.md and back. */
#include "tests/unit/cmocka.h"
#include "tests/store/suite.h"
#include "zone/change_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* events.md "A change", on one line, with the digits that it leaves out. */
static const char example[] =
	"{\"zone\":\"example.test.\",\"base\":41,\"base_id\":\"5b1c0000000000000000000000000001\","
	"\"time\":\"2026-11-21T22:50:01.123456Z\","
	"\"origin\":{\"gateway\":\"gw1\",\"client\":\"192.0.2.9@53211\",\"transport\":\"udp\",\"key\":\"dhcp.\",\"id\":"
	"4660,"
	"\"mac\":\"8a41000000000001\"},"
	"\"reads\":[\"ns1\"],"
	"\"ops\":["
	"{\"op\":\"ADD\",\"record\":\"www\",\"type\":\"A\",\"ttl\":300,\"content\":\"192.0.2.7\"},"
	"{\"op\":\"SET\",\"record\":\"api\",\"type\":\"CNAME\",\"ttl\":60,\"content\":[\"www.example.test.\"]},"
	"{\"op\":\"DEL\",\"record\":\"old\",\"type\":\"A\",\"content\":\"192.0.2.1\"},"
	"{\"op\":\"DEL\",\"record\":\"gone\",\"type\":\"TXT\"}]}";

static struct arena arena;
static char reason[CHANGE_JSON_REASON_SIZE];

static int
fresh(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static enum status
decode(const char *text, struct change *change)
{
	reason[0] = 0;
	return change_json_decode((const uint8_t *)text, strlen(text), suite_apex, &arena, change, reason);
}

static void
assert_encodes(const struct change *change, const char *wanted)
{
	const uint8_t *record;
	size_t size;

	assert_int_equal(change_json_encode(change, &arena, &record, &size), STATUS_OK);
	char *text = strndup((const char *)record, size);
	assert_string_equal(text, wanted);
	free(text);
}

static void
the_example_of_the_event_log_is_read_and_written_byte_for_byte(void **state)
{
	(void)state;
	struct change change;

	assert_int_equal(decode(example, &change), STATUS_OK);
	assert_int_equal(change.base, 41);
	assert_int_equal(change.base_id[0], 0x5b);
	assert_int_equal(change.time_us, 1795301401123456); /* date -d 2026-11-21T22:50:01Z +%s */
	assert_int_equal(change.op_count, 4);
	assert_int_equal(change.ops[0].kind, CHANGE_ADD);
	assert_memory_equal(change.ops[0].owner, "\3www\7example\4test", 18);
	assert_memory_equal(change.ops[0].rrset.packed + 2, "\300\0\2\7", 4);
	assert_int_equal(change.ops[1].rrset.ttl_s, 60);
	assert_int_equal(change.ops[2].rrset.count, 1);
	assert_int_equal(change.ops[3].rrset.count, 0);
	assert_int_equal(change.frozen, -1);
	assert_false(change.exclusive || change.removed);
	assert_encodes(&change, example);
}

static void
each_optional_member_survives_the_way_there_and_back(void **state)
{
	(void)state;
	static const char head[] =
		"{\"zone\":\"example.test.\",\"base\":0,\"base_id\":\"00000000000000000000000000000000\","
		"\"time\":\"2026-11-21T22:50:01.123456Z\",\"origin\":{%s}%s}";
	static const struct { const char *origin, *rest;
	} rows[] = {
		{"", ",\"reads\":[],\"ops\":[],\"frozen\":true"},
		{"", ",\"reads\":[],\"ops\":[],\"frozen\":false"},
		{"", ",\"reads\":[],\"ops\":[],\"frozen\":true,\"until\":\"2026-11-21T22:50:02.000000Z\""},
		{"\"command\":\"remove\"", ",\"reads\":[],\"ops\":[],\"removed\":true"},
		{"\"store\":true", ",\"reads\":[],\"ops\":[{\"op\":\"DEL\",\"record\":\"@\",\"type\":\"MX\"}],"
				   "\"serial\":4294967295,\"exclusive\":true"},
		{"\"gateway\":\"gw\",\"command\":\"import\"",
		 ",\"reads\":[],\"exclusive\":true,\"snapshot\":{\"id\":\"a1b2\",\"chunks\":17,\"records\":1000000,"
		 "\"sha256\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}"},
		{"\"gateway\":\"\303\251 \360\237\220\247\",\"key\":\"a\\\"b\\\\c\\u0001\\u007f\"",
		 ",\"reads\":[],\"ops\":[],\"removed\":true"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[1024];
		struct change change;
		snprintf(text, sizeof text, head, rows[i].origin, rows[i].rest);
		assert_int_equal(decode(text, &change), STATUS_OK);
		assert_encodes(&change, text);
	}
	/* Both may be left out by another writer. */
	char text[1024];
	struct change change;
	snprintf(text, sizeof text, head, "", ",\"frozen\":true");
	assert_int_equal(decode(text, &change), STATUS_OK);
	assert_int_equal(change.frozen, 1);
}

static void
owners_are_escaped_lowered_and_relative(void **state)
{
	(void)state;
	struct change *change = suite_change(
		&arena, 0, NULL, "ADD a\\.b A 1 192.0.2.1\nADD \\@ TXT 1 \"a\\\"b\\\\c\\001\\233\"\nDEL @ MX");
	const uint8_t *record;
	size_t size;
	struct change back;

	assert_int_equal(change_json_encode(change, &arena, &record, &size), STATUS_OK);
	char *text = strndup((const char *)record, size);
	assert_non_null(strstr(text, "\"record\":\"a\\\\.b\""));
	assert_non_null(strstr(text, "\"record\":\"@\",\"type\":\"MX\""));
	assert_non_null(strstr(text, "\\\\\\\"b"));
	free(text);
	assert_int_equal(change_json_decode(record, size, suite_apex, &arena, &back, reason), STATUS_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(back.ops[i].owner, change->ops[i].owner, name_size(change->ops[i].owner));
		assert_int_equal(back.ops[i].rrset.packed_size, change->ops[i].rrset.packed_size);
		if (back.ops[i].rrset.count)
			assert_memory_equal(back.ops[i].rrset.packed, change->ops[i].rrset.packed,
					    back.ops[i].rrset.packed_size);
	}
	assert_int_equal(
		decode("{\"zone\":\"EXAMPLE.test.\",\"base\":0,\"base_id\":\"00000000000000000000000000000000\","
		       "\"time\":\"2026-11-21T22:50:01Z\",\"origin\":{},\"ops\":[{\"op\":\"DEL\",\"record\":\"WwW\","
		       "\"type\":\"a\"}]}",
		       &back),
		STATUS_OK);
	assert_memory_equal(back.ops[0].owner, "\3www\7example\4test", 18);
}

/* `example` with one piece exchanged for another. */
static enum status
decode_with(const char *piece, const char *other)
{
	static char text[4096];
	struct change change;
	const char *at = strstr(example, piece);

	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - example), example, other, at + strlen(piece));
	return decode(text, &change);
}

static void
every_field_is_checked(void **state)
{
	(void)state;
	static const struct { const char *piece, *other;
	} rows[] = {
		{"\"zone\":\"example.test.\",", ""},
		{"example.test.", "other.test."},
		{"\"base\":41", "\"base\":-1"},
		{"41", "\"41\""},
		{"5b1c", "5b1"},
		{"5b1c", "5b1x"},
		{"2026-11-21T", "2026-13-21T"},
		{"\"udp\"", "7"},
		{"4660", "65536"},
		{"8a41", "8a4"},
		{"[\"ns1\"]", "[7]"},
		{"[\"ns1\"]", "\"ns1\""},
		{"\"ns1\"", "\"ns1.other.\""},
		{"\"ns1\"", "\"\""},
		{"\"ns1\"", "\"a..b\""},
		{"\"A\",\"ttl\"", "\"ANY\",\"ttl\""},
		{"\"A\",\"ttl\"", "\"TYPE0\",\"ttl\""},
		{"\"A\",\"ttl\"", "\"AXFR\",\"ttl\""},
		{"\"A\",\"ttl\"", "\"A B\",\"ttl\""},
		{"300", "-1"},
		{"300", "2147483648"},
		{"300", "3e2"},
		{"192.0.2.7", "192.0.2"},
		{"192.0.2.7", "192.0.2.07"},
		{"192.0.2.7", "::1"},
		{"[\"www.example.test.\"]", "[]"},
		{"[\"www.example.test.\"]", "\"www.example.test.\""},
		{"www.example.test.", "www"},
		{"\"record\":\"www\",", ""},
		{"\"type\":\"TXT\"", "\"type\":16"},
		{"{\"op\":\"DEL\",\"record\":\"gone\",\"type\":\"TXT\"}", "7"},
		{"\"reads\":[\"ns1\"]", "\"exclusive\":1"},
		{"\"reads\"", "\"base\":41,\"reads\""},
		{"\"reads\":[\"ns1\"]", "\"removed\":true"},
		{"\"reads\":[\"ns1\"]", "\"serial\":0"},
		{"\"reads\":[\"ns1\"]", "\"until\":\"2026-11-21T22:50:01Z\""},
		{"\"op\":\"ADD\",", ""},
		{"{\"zone\"", "[{\"zone\""},
		{"\"op\":\"DEL\",\"record\":\"gone\"", "\"op\":\"DEL\",\"record\":\"x\\u0000y\""},
		{"\"reads\":[\"ns1\"]", "\"snapshot\":{\"id\":\"../x\",\"chunks\":1,\"records\":1,\"sha256\":\"\"}"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (decode_with(rows[i].piece, rows[i].other) != STATUS_MALFORMED)
			fail_msg("taken: %s for %s", rows[i].other, rows[i].piece);
		assert_true(reason[0]);
	}
	struct change change;
	static const char *const texts[] = {"", "{}", "[]", "7", "{\"zone\":", "\377"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(decode(texts[i], &change), STATUS_MALFORMED);
}

static void
unknown_members_are_ignored_and_an_unknown_op_stops(void **state)
{
	(void)state;
	assert_int_equal(decode_with("\"reads\"", "\"news\":{\"a\":[1,2]},\"reads\""), STATUS_OK);
	assert_int_equal(decode_with("\"key\":\"dhcp.\"", "\"key\":\"dhcp.\",\"colour\":7"), STATUS_OK);
	assert_int_equal(decode_with("\"op\":\"ADD\"", "\"op\":\"MOVE\""), STATUS_UNSUPPORTED);
	assert_int_equal(decode_with("{\"op\":\"DEL\",\"record\":\"gone\",\"type\":\"TXT\"}", "{\"op\":\"del\"}"),
			 STATUS_UNSUPPORTED);
}

static void
a_change_over_the_limit_is_told_so(void **state)
{
	(void)state;
	struct change *change = suite_change(&arena, 0, NULL, "ADD www TXT 1 x");
	uint8_t *packed = arena_alloc(&arena, 60002);
	const uint8_t *record;
	size_t size;

	uint16_t rdata_size = 60000;
	memcpy(packed, &rdata_size, 2);
	for (size_t i = 0; i < 60000; i += 250) {
		memset(packed + 2 + i, 'x', 250);
		packed[2 + i] = 249;
	}
	struct change_op *ops = arena_alloc(&arena, 16 * sizeof *ops);
	for (size_t i = 0; i < 16; i++) {
		ops[i] = change->ops[0];
		ops[i].rrset.packed = packed;
		ops[i].rrset.packed_size = 60002;
	}
	change->ops = ops;
	change->op_count = 14;
	assert_int_equal(change_json_encode(change, &arena, &record, &size), STATUS_OK);
	assert_in_range(size, 14 * 60000, CHANGE_MAX_SIZE);
	change->op_count = 15;
	assert_int_equal(change_json_encode(change, &arena, &record, &size), STATUS_LIMIT);
}

/* ---- chunks ---- */

struct chunks {
	struct draft draft;
	size_t count, largest;
};

static enum status
read_back(void *context, uint32_t number, const uint8_t *chunk, size_t size)
{
	struct chunks *chunks = context;

	assert_int_equal(number, chunks->count++);
	if (size > chunks->largest)
		chunks->largest = size;
	return change_json_read_chunk(chunk, size, &chunks->draft, reason);
}

static void
the_content_of_a_zone_survives_in_chunks(void **state)
{
	(void)state;
	struct draft draft;
	struct chunks chunks = {0};
	struct change_snapshot snapshot;

	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	for (unsigned i = 0; i < 20000; i++) {
		char text[64];
		snprintf(text, sizeof text, "ADD n%u A 60 10.%u.%u.%u", i % 15000, i >> 16, i >> 8 & 255, i & 255);
		struct change_op op = suite_op(&arena, text);
		struct rdata rdata = rrset_first(&op.rrset);
		assert_int_equal(draft_add(&draft, op.owner, TYPE_A, 60, rdata.bytes, rdata.size), STATUS_OK);
	}
	/* One RRset that is larger than a chunk. */
	struct change_op op = suite_op(&arena, "ADD big TXT 60 x");
	for (unsigned i = 0; i < 4000; i++) {
		uint8_t rdata[201] = {200};
		memset(rdata + 1, i & 1 ? '"' : 'x', 200);
		memcpy(rdata + 1, &i, 4);
		assert_int_equal(draft_add(&draft, op.owner, TYPE_TXT, 60, rdata, sizeof rdata), STATUS_OK);
	}
	assert_int_equal(draft_begin(&chunks.draft, NULL, suite_apex), STATUS_OK);
	assert_int_equal(change_json_chunks(draft.version, read_back, &chunks, &snapshot), STATUS_OK);
	assert_int_equal(snapshot.records, 24000);
	assert_int_equal(snapshot.chunks, chunks.count);
	assert_true(chunks.count > 3 && chunks.largest <= 512 * 1024);
	assert_int_equal(chunks.draft.version->records, draft.version->records);
	struct change_op *ops;
	size_t count;
	assert_int_equal(change_between(draft.version, chunks.draft.version, &arena, &ops, &count), STATUS_OK);
	assert_int_equal(count, 0);
	draft_drop(&draft);
	draft_drop(&chunks.draft);
}

int
main(void)
{
	arena_init(&arena, 256u << 20);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_example_of_the_event_log_is_read_and_written_byte_for_byte, fresh),
		cmocka_unit_test_setup(each_optional_member_survives_the_way_there_and_back, fresh),
		cmocka_unit_test_setup(owners_are_escaped_lowered_and_relative, fresh),
		cmocka_unit_test_setup(every_field_is_checked, fresh),
		cmocka_unit_test_setup(unknown_members_are_ignored_and_an_unknown_op_stops, fresh),
		cmocka_unit_test_setup(a_change_over_the_limit_is_told_so, fresh),
		cmocka_unit_test_setup(the_content_of_a_zone_survives_in_chunks, fresh),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
