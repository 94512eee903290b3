/* Expected results are those of RFC 4592 2.2.1 and 2.2.2, RFC 1034 4.3.2 and RFC 6672 2.3. */
#include "tests/unit/cmocka.h"
#include "wire/name.h"
#include "zone/lookup.h"
#include "zone/master.h"

/* The zone of RFC 4592 2.2.1. */
static const char rfc4592[] =
	"$TTL 3600\n"
	"@ SOA ns.example.com. h 1 3600 600 86400 60\n"
	"@ NS ns.example.com.\n"
	"@ NS ns.example.net.\n"
	"* TXT \"this is a wildcard\"\n"
	"* MX 10 host1\n"
	"sub.* TXT \"this is not a wildcard\"\n"
	"host1 A 192.0.2.1\n"
	"_ssh._tcp.host1 SRV 0 0 22 host1\n"
	"_ssh._tcp.host2 SRV 0 0 22 host2\n"
	"subdel NS ns.example.com.\n"
	"subdel NS ns.example.net.\n";

static uint8_t apex[NAME_MAX_SIZE];
static struct zone_version *version;

static void
load(const char *text)
{
	struct draft draft;
	char reason[MASTER_REASON_SIZE] = "";

	assert_int_equal(name_from_text("example.", 8, NULL, apex), STATUS_OK);
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	enum status status = master_parse(text, strlen(text), "text", &draft, reason);
	assert_string_equal(reason, "");
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
}

static struct lookup
look(const char *text)
{
	uint8_t name[NAME_MAX_SIZE];
	struct lookup lookup;

	assert_int_equal(name_from_text(text, strlen(text), apex, name), STATUS_OK);
	lookup_name(version, name, name_size(name), name_labels(name), &lookup);
	return lookup;
}

static void
assert_at(const struct node *node, const char *text)
{
	uint8_t owner[NAME_MAX_SIZE];
	char have[NAME_TEXT_SIZE];

	if (text == NULL) {
		assert_null(node);
		return;
	}
	assert_non_null(node);
	node_owner(node, apex, owner);
	assert_string_equal(name_to_text(owner, have), text);
}

/* Once with the zone's cut, which makes the walk go down, once without. */
static void
names_are_found_as_rfc_4592_lists_them(void **state)
{
	char without[sizeof rfc4592];

	(void)state;
	strcpy(without, rfc4592);
	*strstr(without, "subdel") = 0;
	for (int i = 0; i < 2; i++) {
		load(i ? without : rfc4592);
		/* Synthesized from the wildcard. */
		assert_at(look("host3").source_of_synthesis, "*.example.");
		assert_at(look("host3").closest_encloser, "example.");
		assert_at(look("foo.bar").source_of_synthesis, "*.example.");
		/* Not: the name or an empty non-terminal exists, or the closest encloser is another. */
		assert_at(look("host1").node, "host1.example.");
		assert_at(look("host1").source_of_synthesis, NULL);
		assert_at(look("sub.*").node, "sub.*.example.");
		assert_at(look("_telnet._tcp.host1").node, NULL);
		assert_at(look("_telnet._tcp.host1").closest_encloser, "_tcp.host1.example.");
		assert_at(look("_telnet._tcp.host1").source_of_synthesis, NULL);
		assert_at(look("_tcp.host2").node, "_tcp.host2.example.");
		assert_int_equal(look("_tcp.host2").node->rrset_count, 0);
		assert_at(look("host2").node, "host2.example.");
		assert_at(look("x.host2").source_of_synthesis, NULL);
		/* 2.2.1: the wildcard queried by its own name, and names below it. */
		assert_at(look("*").node, "*.example.");
		assert_at(look("ghost.*").closest_encloser, "*.example.");
		assert_at(look("ghost.*").source_of_synthesis, NULL);
		assert_at(look("@").node, "example.");
		if (i == 0) {
			assert_at(look("host.subdel").zone_cut, "subdel.example.");
			assert_at(look("subdel").zone_cut, "subdel.example.");
			assert_at(look("subdel").node, "subdel.example.");
		}
		assert_at(look("host1").zone_cut, NULL);
		assert_at(look("@").zone_cut, NULL);
		draft_discard(version);
	}
}

static void
the_highest_cut_and_the_highest_dname_win(void **state)
{
	(void)state;
	load("$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns.test.\n"
	     "cut NS ns.test.\n" "ns.cut A 192.0.2.1\n" "lower.cut NS ns.test.\n" "d.cut DNAME x.test.\n"
	     "dn DNAME x.test.\n" "below.dn A 192.0.2.1\n" "cut.dn NS ns.test.\n" "dn.dn DNAME y.test.\n");
	struct lookup glue = look("ns.cut");
	assert_at(glue.zone_cut, "cut.example.");
	assert_at(glue.node, "ns.cut.example.");
	assert_at(look("x.lower.cut").zone_cut, "cut.example.");
	assert_at(look("x.d.cut").dname, NULL);
	assert_at(look("x.d.cut").zone_cut, "cut.example.");
	/* RFC 6672 2.3: the owner of a DNAME is not redirected, what is below is, though it may exist. */
	assert_at(look("dn").dname, NULL);
	assert_at(look("below.dn").dname, "dn.example.");
	assert_at(look("below.dn").node, "below.dn.example.");
	assert_at(look("a.b.c.dn").dname, "dn.example.");
	assert_at(look("x.dn.dn").dname, "dn.example.");
	struct lookup both = look("x.cut.dn");
	assert_at(both.dname, "dn.example.");
	assert_at(both.zone_cut, "cut.dn.example.");
	assert_true(both.dname->name_size < both.zone_cut->name_size);
	draft_discard(version);
}

static void
a_dname_at_the_apex_is_above_every_other_name(void **state)
{
	(void)state;
	load("$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns.test.\n@ DNAME x.test.\nwww A 192.0.2.1\n");
	assert_at(look("www").dname, "example.");
	assert_at(look("nothing.here").dname, "example.");
	assert_at(look("@").dname, NULL);
	draft_discard(version);
}

static void
a_wildcard_that_is_an_empty_nonterminal_is_a_source_of_synthesis(void **state)
{
	(void)state;
	load("$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns.test.\nx.*.w A 192.0.2.1\n");
	assert_at(look("a.w").source_of_synthesis, "*.w.example.");
	assert_int_equal(look("a.w").source_of_synthesis->rrset_count, 0);
	assert_at(look("a.b.c.d.e.f.g.w").closest_encloser, "w.example.");
	assert_at(look("a").source_of_synthesis, NULL);
	draft_discard(version);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found_as_rfc_4592_lists_them),
		cmocka_unit_test(the_highest_cut_and_the_highest_dname_win),
		cmocka_unit_test(a_dname_at_the_apex_is_above_every_other_name),
		cmocka_unit_test(a_wildcard_that_is_an_empty_nonterminal_is_a_source_of_synthesis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
