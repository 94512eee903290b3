/* zone/change.c: the ops between two versions, judged by the rule that all readers apply. */
#include "tests/unit/cmocka.h"
#include "tests/store/suite.h"
#include "base/bytes.h"
#include "zone/replay.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

#define FIRST "ADD @ SOA 60 ns1 hostmaster 5 3600 600 86400 60\nADD @ NS 60 ns1\n"

static void
judge(struct replay *replay, struct draft *draft, struct change *change)
{
	char reason[REPLAY_REASON_SIZE] = "";

	memcpy(change->base_id, draft->version->id, VERSION_ID_SIZE);
	change->base = draft->version->version;
	if (replay_change(replay, draft, change, (const uint8_t *)"x", 1, NULL, reason) != REPLAY_APPLIED)
		fail_msg("%s", reason);
	replay_keep(replay);
}

/* From one content to another by the ops between them. */
static struct change *
assert_leads(const char *from, const char *to)
{
	struct draft a, b;
	struct replay *replay = replay_new(), *other = replay_new();
	struct change *change = suite_change(&arena, 0, NULL, "");

	assert_int_equal(draft_begin(&a, NULL, suite_apex), STATUS_OK);
	assert_int_equal(draft_begin(&b, NULL, suite_apex), STATUS_OK);
	judge(replay, &a, suite_change(&arena, 0, NULL, from));
	judge(other, &b, suite_change(&arena, 0, NULL, to));
	assert_int_equal(change_between(a.version, b.version, &arena, &change->ops, &change->op_count), STATUS_OK);
	if (change->op_count)
		judge(replay, &a, change);
	char *is = suite_content(a.version), *wanted = suite_content(b.version);
	assert_string_equal(is, wanted);
	free(is);
	free(wanted);
	draft_drop(&a);
	draft_drop(&b);
	replay_free(replay);
	replay_free(other);
	return change;
}

static void
the_ops_between_two_versions_lead_from_one_to_the_other(void **state)
{
	(void)state;
	static const char *const contents[] = {
		FIRST,
		FIRST "ADD a A 1 192.0.2.1",
		FIRST "SET a A 1 192.0.2.1 | 192.0.2.2 | 192.0.2.3",
		FIRST "ADD a CNAME 1 b",
		FIRST "ADD a CNAME 2 c\nADD b TXT 1 \"x\"",
		FIRST "SET a A 9 192.0.2.1 | 192.0.2.9\nADD a MX 1 5 mail",
		FIRST "SET @ NS 60 ns2 | ns3\nADD a.b.c TXT 1 \"y\"",
		FIRST "SET @ NS 60 ns4",
		FIRST "ADD a CNAME 2 C",
	};
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
		for (size_t j = 0; j < ARRAY_SIZE(contents); j++) {
			struct change *change = assert_leads(contents[i], contents[j]);
			assert_int_equal(change->op_count == 0, i == j);
			arena_reset(&arena);
		}
}

static void
the_soa_is_among_them_where_more_than_its_serial_differs(void **state)
{
	(void)state;
	static const char other_serial[] = "ADD @ SOA 60 ns1 hostmaster 9 3600 600 86400 60\nADD @ NS 60 ns1";
	static const char lower[] = "ADD @ SOA 60 ns1 hostmaster 3 3600 600 86400 99\nADD @ NS 60 ns1";

	assert_int_equal(assert_leads(FIRST, other_serial)->op_count, 0);
	struct change *change = assert_leads(FIRST, lower);
	assert_int_equal(change->op_count, 1);
	struct rdata soa = rrset_first(&change->ops[0].rrset);
	assert_int_equal(rdata_soa_serial(soa.bytes, soa.size), 6); /* a SET must be greater to be applied */
	assert_int_equal(rdata_soa_minimum(soa.bytes, soa.size), 99);
}

static struct draft
draft_of_many(struct rrset *many)
{
	struct draft draft;
	struct replay *replay = replay_new();

	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	judge(replay, &draft, suite_change(&arena, 0, NULL, FIRST));
	assert_int_equal(draft_set(&draft, suite_op(&arena, "DEL many A").owner, many), STATUS_OK);
	replay_free(replay);
	return draft;
}

/* 60,000 by 60,000 comparisons would take minutes. */
static void
of_huge_rrsets_only_what_differs_is_said(void **state)
{
	(void)state;
	enum { MANY = 60000 };
	uint8_t *packed = malloc(6 * (MANY + 2));
	struct rrset a = {TYPE_A, MANY, 60, packed, 6 * MANY}, b = {TYPE_A, MANY, 60, packed + 12, 6 * MANY};
	struct change_op *ops;
	size_t count;

	for (uint32_t i = 0; i < MANY + 2; i++) {
		memcpy(packed + 6 * i, (uint16_t[]){4}, 2);
		bytes_put_u32(packed + 6 * i + 2, 0x0a000000 + i);
	}
	struct draft from = draft_of_many(&a), to = draft_of_many(&b);
	assert_int_equal(change_between(from.version, to.version, &arena, &ops, &count), STATUS_OK);
	assert_int_equal(count, 4); /* the first two went, two came at the end */
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ops[i].kind, i < 2 ? CHANGE_DEL : CHANGE_ADD);
		uint32_t address = bytes_get_u32(rrset_first(&ops[i].rrset).bytes);
		assert_int_equal(address, 0x0a000000 + (i < 2 ? i : MANY + i - 2));
	}
	draft_drop(&from);
	draft_drop(&to);
	free(packed);
}

/* printf '\0…(16)abc' | sha256sum, and the same with 5000 times "x" behind the id. */
static void
an_id_is_the_beginning_of_the_digest_of_the_one_before_and_the_record(void **state)
{
	(void)state;
	static const uint8_t zero[VERSION_ID_SIZE];
	static uint8_t large[5000];
	uint8_t id[VERSION_ID_SIZE];
	char text[2 * VERSION_ID_SIZE + 1];

	change_id(zero, (const uint8_t *)"abc", 3, id);
	bytes_to_hex(id, sizeof id, text);
	assert_string_equal(text, "277e7ff6d232b9763f4a66e8d05d210d");
	memset(large, 'x', sizeof large);
	change_id(zero, large, sizeof large, id);
	bytes_to_hex(id, sizeof id, text);
	assert_string_equal(text, "129934deba9ecf504fbdce6f7db1d51c");
}

int
main(void)
{
	arena_init(&arena, 16u << 20);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ops_between_two_versions_lead_from_one_to_the_other),
		cmocka_unit_test(the_soa_is_among_them_where_more_than_its_serial_differs),
		cmocka_unit_test(of_huge_rrsets_only_what_differs_is_said),
		cmocka_unit_test(an_id_is_the_beginning_of_the_digest_of_the_one_before_and_the_record),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
