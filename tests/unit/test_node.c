#include "tests/unit/cmocka.h"
#include "zone/node.h"

static const uint8_t name[] = {3, 'w', 'w', 'w'};

static struct node *
with(struct node *old, uint16_t type, uint16_t count, const char *packed, size_t size)
{
	struct rrset rrset = {.type = type,
			      .count = count,
			      .ttl_s = type,
			      .packed = (const uint8_t *)packed,
			      .packed_size = (uint32_t)size};
	struct node *node = node_with(old, name, sizeof name, &rrset);

	assert_non_null(node);
	free(old);
	return node;
}

static void
rrsets_are_set_replaced_and_taken_away_in_order_of_type(void **state)
{
	struct node *node = node_new(name, sizeof name);
	struct rrset rrset = {0};
	const uint8_t *at = NULL;

	(void)state;
	assert_false(node_next(node, &at, &rrset));
	assert_int_equal(node_size(node), 8 + 4 + 2);
	node->children = 7;
	node->flags = NODE_WILDCARD_CHILD;
	node = with(node, TYPE_TXT, 1, "\2\0\1x", 4);
	node = with(node, TYPE_A, 2, "\4\0\1\2\3\4\4\0\1\2\3\5", 12);
	node = with(node, TYPE_NS, 1, "\3\0\1n\0", 5);
	node = with(node, TYPE_DNAME, 1, "\1\0\0", 3);
	node = with(node, TYPE_CNAME, 0, NULL, 0);
	assert_int_equal(node->rrset_count, 4);
	assert_int_equal(node_records(node), 5);
	assert_int_equal(node->children, 7);
	assert_int_equal(node->flags, NODE_WILDCARD_CHILD | NODE_CUT | NODE_DNAME);
	static const uint16_t order[] = {TYPE_A, TYPE_NS, TYPE_TXT, TYPE_DNAME};
	at = NULL;
	for (size_t i = 0; i < 4; i++) {
		assert_true(node_next(node, &at, &rrset));
		assert_int_equal(rrset.type, order[i]);
		assert_int_equal(rrset.ttl_s, order[i]);
	}
	assert_false(node_next(node, &at, &rrset));
	node = with(node, TYPE_A, 1, "\4\0\4\3\2\1", 6);
	node = with(node, TYPE_NS, 0, NULL, 0);
	node = with(node, TYPE_DNAME, 0, NULL, 0);
	assert_int_equal(node->flags, NODE_WILDCARD_CHILD);
	assert_true(node_rrset(node, TYPE_A, &rrset));
	assert_int_equal(rrset.packed_size, 6);
	assert_memory_equal(rrset_first(&rrset).bytes, "\4\3\2\1", 4);
	assert_false(node_rrset(node, TYPE_NS, &rrset));
	struct node *copy = node_copy(node);
	assert_int_equal(node_size(copy), node_size(node));
	assert_memory_equal(copy, node, node_size(node));
	free(copy);
	free(node);
}

static void
ns_at_the_apex_is_no_cut(void **state)
{
	struct rrset rrset = {.type = TYPE_NS, .count = 1, .packed = (const uint8_t *)"\1\0\0", .packed_size = 3};
	struct node *node = node_with(NULL, name, 0, &rrset);
	uint8_t owner[255];

	(void)state;
	assert_int_equal(node->flags, 0);
	assert_int_equal(node_owner(node, (const uint8_t *)"\2ab", owner), 4);
	assert_memory_equal(owner, "\2ab", 4);
	free(node);
}

/* 1,000,000 of them are to cost 48 octets each with malloc's own eight: a block of up to 40. */
static void
an_a_record_at_a_name_of_up_to_fourteen_letters_takes_40_octets_at_most(void **state)
{
	static const uint8_t long_name[] = "\16abcdefghijklmn";
	struct rrset rrset = {.type = TYPE_A, .count = 1, .packed = (const uint8_t *)"\4\0\1\2\3\4", .packed_size = 6};
	struct node *node = node_with(NULL, long_name, 15, &rrset);

	(void)state;
	assert_true(node_size(node) <= 40);
	free(node);
}

static void
owners_compare_in_the_order_of_rfc_4034_6_1(void **state)
{
	/* The RFC's own list, below example. */
	static const char *const order[] = {
		"", "\1a", "\10yljkjljk\1a", "\1Z\1a", "\4zABC\1a", "\1z", "\1\1\1z", "\1*\1z", "\1\310\1z",
	};
	struct node *before = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct node *node = node_new((const uint8_t *)order[i], strlen(order[i]));
		if (before)
			assert_true(node_compare(before, node) < 0);
		free(before);
		before = node;
	}
	free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rrsets_are_set_replaced_and_taken_away_in_order_of_type),
		cmocka_unit_test(ns_at_the_apex_is_no_cut),
		cmocka_unit_test(an_a_record_at_a_name_of_up_to_fourteen_letters_takes_40_octets_at_most),
		cmocka_unit_test(owners_compare_in_the_order_of_rfc_4034_6_1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
