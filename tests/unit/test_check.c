#include "tests/unit/cmocka.h"
#include "wire/name.h"
#include "zone/check.h"
#include "zone/draft.h"

static const uint8_t apex[] = "\7example";
static const uint8_t www[] = "\3www\7example";
static const uint8_t soa[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
static const uint8_t soa2[] = {0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
static const uint8_t ns[] = {2, 'n', 's', 0}, other[] = {2, 'n', 't', 0};
static const uint8_t a[] = {192, 0, 2, 1};
static struct draft draft;
static char reason[CHECK_REASON_SIZE];

static void
add(const uint8_t *name, uint16_t type, const uint8_t *rdata, size_t size)
{
	assert_int_equal(draft_add(&draft, name, type, 60, rdata, size), STATUS_OK);
}
#define ADD(name, type, rdata) add(name, type, rdata, sizeof(rdata))

static int
begin(void **state)
{
	(void)state;
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	ADD(apex, TYPE_SOA, soa);
	ADD(apex, TYPE_NS, ns);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	draft_drop(&draft);
	return 0;
}

static bool
is_good(void)
{
	reason[0] = 0;
	bool good = check_version(draft.version, reason) == STATUS_OK;
	assert_int_equal(good, reason[0] == 0);
	return good;
}

static bool
may_add(const uint8_t *name, uint16_t type)
{
	return check_may_add(draft.version, version_find(draft.version, name, name_size(name)), type);
}

static void
soa_and_ns_at_the_apex_are_enough_and_needed(void **state)
{
	(void)state;
	assert_true(is_good());
	assert_int_equal(draft_delete_rrset(&draft, apex, TYPE_NS), STATUS_OK);
	assert_false(is_good());
	assert_string_equal(reason, "no NS at example.");
	ADD(apex, TYPE_NS, ns);
	assert_int_equal(draft_delete_rrset(&draft, apex, TYPE_SOA), STATUS_OK);
	assert_false(is_good());
	assert_string_equal(reason, "no SOA at example.");
	assert_int_equal(draft_clear(&draft), STATUS_OK);
	assert_false(is_good());
	assert_true(may_add(apex, TYPE_SOA));
}

static void
one_soa_and_at_the_apex_only(void **state)
{
	(void)state;
	assert_false(may_add(www, TYPE_SOA));
	assert_true(may_add(apex, TYPE_SOA));
	ADD(apex, TYPE_SOA, soa2);
	assert_false(is_good());
	assert_string_equal(reason, "more than one SOA at example.");
	assert_int_equal(draft_delete(&draft, apex, TYPE_SOA, soa2, sizeof soa2), STATUS_OK);
	ADD(www, TYPE_SOA, soa);
	assert_false(is_good());
}

/* RFC 2181 10.1; RFC 4035 2.5 for what DNSSEC puts beside. */
static void
a_cname_is_alone_at_its_name(void **state)
{
	(void)state;
	assert_true(may_add(www, TYPE_CNAME));
	ADD(www, TYPE_CNAME, ns);
	assert_true(is_good());
	assert_false(may_add(www, TYPE_A));
	assert_false(may_add(www, TYPE_DNAME));
	assert_true(may_add(www, TYPE_CNAME));
	assert_true(may_add(www, TYPE_RRSIG));
	assert_true(may_add(www, TYPE_NSEC));
	ADD(www, TYPE_NSEC, ns);
	assert_true(is_good());
	ADD(www, TYPE_A, a);
	assert_false(is_good());
	assert_string_equal(reason, "CNAME and other data at www.example.");
	assert_false(may_add(apex, TYPE_CNAME));
}

static void
one_cname_one_dname_and_not_both(void **state)
{
	(void)state;
	ADD(www, TYPE_CNAME, ns);
	ADD(www, TYPE_CNAME, other);
	assert_false(is_good());
	assert_string_equal(reason, "more than one CNAME at www.example.");
	assert_int_equal(draft_delete_name(&draft, www), STATUS_OK);
	ADD(www, TYPE_DNAME, ns);
	assert_true(is_good());
	assert_false(may_add(www, TYPE_CNAME));
	ADD(www, TYPE_DNAME, other);
	assert_false(is_good());
	assert_int_equal(draft_delete(&draft, www, TYPE_DNAME, other, sizeof other), STATUS_OK);
	ADD(www, TYPE_CNAME, ns);
	assert_false(is_good());
}

static void
a_name_that_does_not_exist_is_in_order(void **state)
{
	(void)state;
	assert_int_equal(check_node(draft.version, NULL, reason), STATUS_OK);
	assert_true(may_add(www, TYPE_A));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(soa_and_ns_at_the_apex_are_enough_and_needed, begin, end),
		cmocka_unit_test_setup_teardown(one_soa_and_at_the_apex_only, begin, end),
		cmocka_unit_test_setup_teardown(a_cname_is_alone_at_its_name, begin, end),
		cmocka_unit_test_setup_teardown(one_cname_one_dname_and_not_both, begin, end),
		cmocka_unit_test_setup_teardown(a_name_that_does_not_exist_is_in_order, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
