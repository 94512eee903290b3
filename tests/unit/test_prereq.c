/* update/prereq.c: RFC 2136 2.4 and 3.2, row by row. */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"

static const char zone[] =
	"@ 300 SOA ns1 hostmaster 7 3600 600 86400 300\n"
	"@ 300 NS ns1\n"
	"ns1 300 A 192.0.2.53\n"
	"www 300 A 192.0.2.1\n"
	"www 300 A 192.0.2.2\n"
	"www 300 TXT \"Mixed Case\"\n"
	"alias 300 CNAME WWW\n"
	"srv.deep 300 A 192.0.2.3\n"
	"*.wild 300 A 192.0.2.4\n"
	"kea 300 DHCID AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=\n"
	"sub 300 NS ns.elsewhere.test.\n"
	"below.sub 300 A 192.0.2.9\n";

static const struct row {
	const char *sentence, *message, *rcode;
} rows[] = {
	{"2.4.1 an RRset exists, value independent", "P www 0 ANY A", "NOERROR"},
	{"2.4.1 it does not", "P www 0 ANY AAAA", "NXRRSET"},
	{"2.4.1 at a name that is not there", "P nobody 0 ANY A", "NXRRSET"},
	{"2.4.1 a CNAME is not followed", "P alias 0 ANY A", "NXRRSET"},
	{"2.4.2 an RRset exists, value dependent", "P www 0 IN A 192.0.2.1\nP www 0 IN A 192.0.2.2", "NOERROR"},
	{"2.4.2 in any order", "P www 0 IN A 192.0.2.2\nP www 0 IN A 192.0.2.1", "NOERROR"},
	{"3.2.3 a set: twice is once", "P www 0 IN A 192.0.2.2\nP www 0 IN A 192.0.2.1\nP www 0 IN A 192.0.2.2",
	 "NOERROR"},
	{"2.4.2 a subset is not equal", "P www 0 IN A 192.0.2.1", "NXRRSET"},
	{"2.4.2 a superset is not equal", "P www 0 IN A 192.0.2.1\nP www 0 IN A 192.0.2.2\nP www 0 IN A 192.0.2.3",
	 "NXRRSET"},
	{"2.4.2 another value", "P www 0 IN A 192.0.2.1\nP www 0 IN A 192.0.2.9", "NXRRSET"},
	{"2.4.2 no such RRset", "P www 0 IN AAAA 2001:db8::1", "NXRRSET"},
	{"2.4.2 no such name", "P nobody 0 IN A 192.0.2.1", "NXRRSET"},
	{"2.4.2 one record", "P srv.deep 0 IN A 192.0.2.3", "NOERROR"},
	{"2.4.2 one record, another value", "P srv.deep 0 IN A 192.0.2.4", "NXRRSET"},
	{"updates.md 5: TXT byte for byte", "P www 0 IN TXT \"Mixed Case\"", "NOERROR"},
	{"updates.md 5: TXT of another case is another", "P www 0 IN TXT \"mixed case\"", "NXRRSET"},
	{"updates.md 5: names in RDATA ignore case", "P alias 0 IN CNAME www.EXAMPLE.test.", "NOERROR"},
	{"RFC 4703: DHCID", "P kea 0 IN DHCID AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=", "NOERROR"},
	{"RFC 4703: another client's DHCID",
	 "P kea 0 IN DHCID AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY=", "NXRRSET"},
	{"2.4.3 an RRset does not exist", "P www 0 NONE AAAA", "NOERROR"},
	{"2.4.3 nor at a name that is not there", "P nobody 0 NONE A", "NOERROR"},
	{"2.4.3 it does", "P www 0 NONE A", "YXRRSET"},
	{"2.4.4 a name is in use", "P www 0 ANY ANY", "NOERROR"},
	{"2.4.4 owner names ignore case", "P WwW 0 ANY ANY", "NOERROR"},
	{"2.4.4 it is not", "P nobody 0 ANY ANY", "NXDOMAIN"},
	{"2.4.4 an empty non-terminal owns no RR", "P deep 0 ANY ANY", "NXDOMAIN"},
	{"2.4.4 a wildcard does not make names", "P any.wild 0 ANY ANY", "NXDOMAIN"},
	{"2.4.4 its own name is in use", "P *.wild 0 ANY ANY", "NOERROR"},
	{"2.4.4 what a zone cut hides is in use", "P below.sub 0 ANY ANY", "NOERROR"},
	{"2.4.5 a name is not in use", "P nobody 0 NONE ANY", "NOERROR"},
	{"2.4.5 an empty non-terminal is not", "P deep 0 NONE ANY", "NOERROR"},
	{"2.4.5 it is", "P www 0 NONE ANY", "YXDOMAIN"},
	{"3.2.5 the first that fails decides", "P nobody 0 ANY ANY\nP www 0 NONE A", "NXDOMAIN"},
	{"3.2.5 in message order", "P www 0 NONE A\nP nobody 0 ANY ANY", "YXRRSET"},
	{"3.2.5 value-dependent ones come last: Kea's replace of a vanished name",
	 "P nobody 0 IN DHCID AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=\nP nobody 0 ANY ANY", "NXDOMAIN"},
	{"3.2.5 groups by name and type",
	 "P www 0 IN A 192.0.2.1\nP srv.deep 0 IN A 192.0.2.3\nP www 0 IN TXT \"Mixed Case\"\nP www 0 IN A 192.0.2.2",
	 "NOERROR"},
	{"Samba's probe", "P ns1 0 NONE CNAME\nP ns1 0 IN A 192.0.2.53", "NOERROR"},
	{"3.2.1 TTL not 0, class ANY", "P www 1 ANY A", "FORMERR"},
	{"3.2.1 TTL not 0, class NONE", "P www 1 NONE A", "FORMERR"},
	{"3.2.1 TTL not 0, class of the zone", "P www 1 IN A 192.0.2.1", "FORMERR"},
	{"3.2.5 TTL before the zone", "P www.example.org. 1 ANY A", "FORMERR"},
	{"3.2.1 outside the zone", "P www.example.org. 0 ANY A", "NOTZONE"},
	{"3.2.1 above the zone", "P test. 0 ANY A", "NOTZONE"},
	{"3.2.1 class ANY with RDATA", "P www 0 ANY A 192.0.2.1", "FORMERR"},
	{"3.2.1 class NONE with RDATA", "P www 0 NONE A 192.0.2.1", "FORMERR"},
	{"3.2.1 another class", "P www 0 CH A hex:c0000201", "FORMERR"},
	{"2.4 a meta type, class ANY", "P www 0 ANY AXFR", "FORMERR"},
	{"2.4 a meta type, class NONE", "P www 0 NONE MAILA", "FORMERR"},
	{"2.4.2 type ANY with a value", "P www 0 IN ANY hex:00", "FORMERR"},
	{"1. RDATA that does not fit", "P www 0 IN A hex:c00002", "FORMERR"},
	{"form before prerequisites", "P nobody 0 ANY ANY\nP www.example.org. 0 ANY A", "NOTZONE"},
};

static void
each_prerequisite_has_the_rcode_of_its_sentence(void **state)
{
	struct update_settings *settings = update_text_open(false);
	bool failed = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *outcome = update_text_evaluate(zone, rows[i].message, settings, NULL, NULL);
		char expected[40];
		snprintf(expected, sizeof expected, "%s\n", rows[i].rcode);
		if (strcmp(outcome, expected) != 0) {
			print_error("%s: %s is expected, is %s", rows[i].sentence, rows[i].rcode, outcome);
			failed = true;
		}
	}
	update_settings_free(settings);
	assert_false(failed);
}

static void
a_failed_prerequisite_stops_the_update(void **state)
{
	struct update_settings *settings = update_text_open(false);
	const char *why;

	(void)state;
	assert_string_equal(
		update_text_evaluate(zone, "P www 0 NONE ANY\nU www 300 IN A 192.0.2.7", settings, NULL, &why),
		"YXDOMAIN\n");
	assert_non_null(strstr(why, "www.example.test."));
	assert_string_equal(
		update_text_evaluate(zone, "P new 0 NONE ANY\nU new 300 IN A 192.0.2.7", settings, NULL, NULL),
		"NOERROR\nADD new A 300 192.0.2.7\n");
	update_settings_free(settings);
}

static void
prerequisites_do_not_see_the_updates_of_their_message(void **state)
{
	struct update_settings *settings = update_text_open(false);

	(void)state;
	assert_string_equal(
		update_text_evaluate(zone, "P new 0 ANY ANY\nU new 300 IN A 192.0.2.7", settings, NULL, NULL),
		"NXDOMAIN\n");
	update_settings_free(settings);
}

/* 2,000 records in one prerequisite RRset: equal, then one missing. */
static void
a_large_rrset_is_compared_as_a_set(void **state)
{
	struct update_settings *settings = update_text_open(false);
	char *zone_text = malloc(200000), *message = malloc(200000), *at = zone_text + sprintf(zone_text, "%s", zone),
	     *out = message;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		at += sprintf(at, "big 300 A 10.0.%u.%u\n", i / 256, i % 256);
		out += sprintf(out, "P big 0 IN A 10.0.%u.%u\n", (1999 - i) / 256, (1999 - i) % 256);
	}
	assert_string_equal(update_text_evaluate(zone_text, message, settings, NULL, NULL), "NOERROR\n");
	*strchr(message, '\n') = '\0';
	assert_string_equal(update_text_evaluate(zone_text, message + strlen(message) + 1, settings, NULL, NULL),
			    "NXRRSET\n");
	free(zone_text);
	free(message);
	update_settings_free(settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_prerequisite_has_the_rcode_of_its_sentence),
		cmocka_unit_test(a_failed_prerequisite_stops_the_update),
		cmocka_unit_test(prerequisites_do_not_see_the_updates_of_their_message),
		cmocka_unit_test(a_large_rrset_is_compared_as_a_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
