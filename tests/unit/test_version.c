#include "tests/unit/cmocka.h"
#include "base/rcu.h"
#include "wire/name.h"
#include "zone/draft.h"
#include "zone/table.h"
#include <stdio.h>

static const uint8_t apex[] = "\7example";

static void
add_a(struct draft *draft, const uint8_t *owner)
{
	assert_int_equal(draft_add(draft, owner, TYPE_A, 60, (const uint8_t[]){192, 0, 2, 1}, 4), STATUS_OK);
}

static void
sorted_is_the_order_of_rfc_4034_6_1(void **state)
{
	/* The RFC's own list. */
	static const char *const order[] = {
		"\7example",        "\1a\7example",       "\10yljkjljk\1a\7example",
		"\1z\1a\7example",  "\4zabc\1a\7example", "\1z\7example",
		"\1\1\1z\7example", "\1*\1z\7example",    "\1\310\1z\7example",
	};
	struct draft draft;
	size_t count;

	(void)state;
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	for (size_t i = ARRAY_SIZE(order); i-- > 0;)
		add_a(&draft, (const uint8_t *)order[i]);
	const struct node **nodes = version_sorted(draft.version, &count);
	assert_int_equal(count, ARRAY_SIZE(order));
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(nodes[i],
				 version_find(draft.version, (const uint8_t *)order[i], strlen(order[i]) + 1));
	free(nodes);
	draft_drop(&draft);
}

/* Octets 0 and 1, labels that begin alike, more than eight octets alike: what the sort key cannot tell. */
static void
sorted_agrees_with_name_compare_for_awkward_names(void **state)
{
	static const uint8_t octets[] = {0, 1, 2, 'a', 255};
	struct draft draft;
	uint64_t seed = 3;
	size_t count;

	(void)state;
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	for (int i = 0; i < 5000; i++) {
		uint8_t name[NAME_MAX_SIZE];
		size_t size = 0;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t bits = seed >> 20;
		for (unsigned labels = 1 + (unsigned)(bits % 3); labels > 0; labels--) {
			name[size++] = (uint8_t)(1 + (bits /= 3) % 5);
			for (unsigned left = name[size - 1]; left > 0; left--)
				name[size++] = octets[(bits /= 5) % 5];
			bits += seed;
		}
		memcpy(name + size, apex, sizeof apex);
		if (draft_add(&draft, name, TYPE_A, 60, (const uint8_t[]){192, 0, 2, 1}, 4) == STATUS_NO_MEMORY)
			fail();
	}
	const struct node **nodes = version_sorted(draft.version, &count);
	assert_int_equal(count, draft.version->tree.count);
	for (size_t i = 1; i < count; i++)
		assert_true(node_compare(nodes[i - 1], nodes[i]) < 0);
	free(nodes);
	draft_drop(&draft);
}

static void
an_rrset_is_found_by_name_and_type_and_the_soa_at_the_apex(void **state)
{
	struct draft draft;
	struct rrset rrset;

	(void)state;
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	assert_null(version_find(draft.version, apex, sizeof apex));
	assert_false(version_soa(draft.version, &rrset));
	add_a(&draft, (const uint8_t *)"\3www\7example");
	assert_true(version_rrset(draft.version, (const uint8_t *)"\3www\7example", TYPE_A, &rrset));
	assert_false(version_rrset(draft.version, (const uint8_t *)"\3www\7example", TYPE_AAAA, &rrset));
	assert_false(version_rrset(draft.version, (const uint8_t *)"\3wwx\7example", TYPE_A, &rrset));
	assert_non_null(draft.version->apex_node);
	assert_false(version_soa(draft.version, &rrset));
	draft_drop(&draft);
}

static void
a_zone_of_nine_records_takes_less_than_1400_octets(void **state)
{
	struct draft draft;
	struct zone_version *version;

	(void)state;
	struct zone *zone = table_zone_new((const uint8_t *)"\7zone123\7example");
	assert_int_equal(draft_begin(&draft, NULL, zone->name), STATUS_OK);
	for (int i = 0; i < 9; i++) {
		uint8_t owner[NAME_MAX_SIZE];
		char text[20];
		int length = snprintf(text, sizeof text, "host%d", i);
		assert_int_equal(name_from_text(text, (size_t)length, zone->name, owner), STATUS_OK);
		add_a(&draft, owner);
	}
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	/*
	 * The version, the zone with its two names, the tree; malloc adds eight to each of some 14 blocks, and up to
	 * 15.
	 */
	size_t zone_size = sizeof *zone + zone->name_size + strlen(zone->text) + 1;
	assert_true(zone_size + sizeof *version + tree_bytes(&version->tree) < 1400);
	draft_discard(version);
	table_zone_free(zone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_is_the_order_of_rfc_4034_6_1),
		cmocka_unit_test(sorted_agrees_with_name_compare_for_awkward_names),
		cmocka_unit_test(an_rrset_is_found_by_name_and_type_and_the_soa_at_the_apex),
		cmocka_unit_test(a_zone_of_nine_records_takes_less_than_1400_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
