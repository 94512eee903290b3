#include "tests/unit/cmocka.h"
#include "zone/rrset.h"

static uint8_t bytes[1000];

/* Counted strings, one RDATA each, NULL at the end. */
static struct rrset
make(uint16_t type, uint8_t *at, const char *const *list)
{
	struct rrset rrset = {.type = type, .ttl_s = 60, .packed = at};

	for (; *list; list++) {
		uint16_t size = (uint16_t)((uint8_t)(*list)[0]);
		memcpy(at, &size, 2);
		memcpy(at + 2, *list + 1, size);
		at += 2 + size;
		rrset.packed_size += 2u + size;
		rrset.count++;
	}
	return rrset;
}
#define MAKE(type, at, ...) make(type, at, (const char *const[]){__VA_ARGS__, NULL})

static void
merging_sorts_as_rfc_4034_6_3_and_keeps_each_record_once(void **state)
{
	struct rrset a = MAKE(TYPE_A, bytes, "\4\300\0\2\2", "\4\12\0\0\1", "\4\300\0\2\2");
	struct rrset b = MAKE(TYPE_A, bytes + 100, "\4\12\0\0\2", "\4\12\0\0\1");
	struct rrset want = MAKE(TYPE_A, bytes + 200, "\4\12\0\0\1", "\4\12\0\0\2", "\4\300\0\2\2"), merged;
	uint8_t *block;

	(void)state;
	assert_false(rrset_is_sorted(&a));
	assert_int_equal(rrset_merge(&a, &b, &merged, &block), STATUS_OK);
	assert_int_equal(merged.packed_size, want.packed_size);
	assert_memory_equal(merged.packed, want.packed, want.packed_size);
	assert_int_equal(merged.ttl_s, 60);
	assert_true(rrset_is_sorted(&merged));
	assert_true(rrset_equal(&merged, &want));
	free(block);
}

static void
names_in_rdata_are_compared_without_case_and_the_first_spelling_stays(void **state)
{
	struct rrset a = MAKE(TYPE_NS, bytes, "\4\2nS\0"), b = MAKE(TYPE_NS, bytes + 100, "\4\2NS\0"), merged;
	uint8_t *block;

	(void)state;
	assert_true(rrset_equal(&a, &b));
	assert_true(rrset_has(&a, (const uint8_t *)"\2Ns", 4));
	assert_int_equal(rrset_merge(&a, &b, &merged, &block), STATUS_OK);
	assert_int_equal(merged.count, 1);
	assert_memory_equal(rrset_first(&merged).bytes, "\2nS", 4);
	free(block);
}

static void
text_is_compared_octet_for_octet(void **state)
{
	struct rrset a = MAKE(TYPE_TXT, bytes, "\3\2nS"), b = MAKE(TYPE_TXT, bytes + 100, "\3\2NS");

	(void)state;
	assert_false(rrset_equal(&a, &b));
	assert_false(rrset_has(&a, (const uint8_t *)"\2NS", 3));
}

static void
over_65535_records_is_refused(void **state)
{
	uint8_t *packed = malloc(2 * 60000 * 6);
	struct rrset a = {.type = TYPE_A, .count = 60000, .packed = packed, .packed_size = 60000 * 6};
	struct rrset b = {.type = TYPE_A, .count = 60000, .packed = packed + 60000 * 6, .packed_size = 60000 * 6},
		     merged;
	uint8_t *block;

	(void)state;
	for (uint32_t i = 0; i < 120000; i++)
		memcpy(packed + i * 6, (uint8_t[]){4, 0, 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 6);
	assert_int_equal(rrset_merge(&a, &b, &merged, &block), STATUS_LIMIT);
	assert_int_equal(rrset_merge(&a, &a, &merged, &block), STATUS_OK);
	assert_true(rrset_equal(&a, &merged));
	free(block);
	free(packed);
}

static void
what_is_missing_is_found_in_one_walk_and_case_counts(void **state)
{
	struct rrset some = MAKE(TYPE_NS, bytes, "\3\1a\0", "\3\1B\0", "\3\1c\0", "\3\1e\0");
	struct rrset other = MAKE(TYPE_NS, bytes + 100, "\3\1b\0", "\3\1c\0", "\3\1d\0"), nothing = {.type = TYPE_NS},
		     record;
	static const char *const of_some[] = {"\1a", "\1B", "\1e"}, *const of_other[] = {"\1b", "\1d"};

	(void)state;
	struct rrset_missing walk = rrset_missing_begin(&some, &other);
	for (size_t i = 0; i < ARRAY_SIZE(of_some); i++) {
		assert_true(rrset_missing_next(&walk, &record));
		assert_int_equal(record.count, 1);
		assert_int_equal(record.ttl_s, 60);
		assert_memory_equal(rrset_first(&record).bytes, of_some[i], 3);
	}
	assert_false(rrset_missing_next(&walk, &record));
	walk = rrset_missing_begin(&other, &some);
	for (size_t i = 0; i < ARRAY_SIZE(of_other); i++) {
		assert_true(rrset_missing_next(&walk, &record));
		assert_memory_equal(rrset_first(&record).bytes, of_other[i], 3);
	}
	assert_false(rrset_missing_next(&walk, &record));
	unsigned count = 0;
	for (walk = rrset_missing_begin(&some, &nothing); rrset_missing_next(&walk, &record);)
		count++;
	assert_int_equal(count, some.count);
	walk = rrset_missing_begin(&nothing, &some);
	assert_false(rrset_missing_next(&walk, &record));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging_sorts_as_rfc_4034_6_3_and_keeps_each_record_once),
		cmocka_unit_test(names_in_rdata_are_compared_without_case_and_the_first_spelling_stays),
		cmocka_unit_test(text_is_compared_octet_for_octet),
		cmocka_unit_test(what_is_missing_is_found_in_one_walk_and_case_counts),
		cmocka_unit_test(over_65535_records_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
