/* update/apply.c and update/overlay.c: RFC 2136 2.5 and 3.4, and what becomes of them as ops (events.md). */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"

static const char zone[] =
	"@ 300 SOA ns1 hostmaster 7 3600 600 86400 300\n"
	"@ 300 NS ns1\n"
	"@ 300 NS ns2\n"
	"@ 300 MX 10 ns1\n"
	"ns1 300 A 192.0.2.53\n"
	"www 300 A 192.0.2.1\n"
	"www 300 A 192.0.2.2\n"
	"www 300 TXT \"Mixed Case\"\n"
	"one 300 A 192.0.2.1\n"
	"alias 300 CNAME www\n"
	"tree 300 DNAME elsewhere.test.\n"
	"sub 300 NS ns.elsewhere.test.\n"
	"key 300 KEY 0 3 8 AQIDBA==\n"
	"lot 300 A 192.0.2.1\n"
	"lot 300 AAAA 2001:db8::1\n"
	"lot 300 TXT \"x\"\n";

struct row {
	const char *sentence, *message, *outcome;
};

static const struct row rows[] = {
	/* 3.4.2.2, 2.5.1 */
	{"add to a new name", "U new 60 IN A 192.0.2.7", "NOERROR\nADD new A 60 192.0.2.7\n"},
	{"add to an RRset", "U www 300 IN A 192.0.2.3", "NOERROR\nADD www A 300 192.0.2.3\n"},
	{"add a type to a name", "U www 60 IN AAAA 2001:db8::1", "NOERROR\nADD www AAAA 60 2001:db8::1\n"},
	{"owner names become lower case", "U NeW 60 IN PTR Host.Example.", "NOERROR\nADD new PTR 60 Host.Example.\n"},
	{"add what is there", "U www 300 IN A 192.0.2.1", "NOERROR\n"},
	{"a duplicate takes the TTL, for all of the RRset", "U one 60 IN A 192.0.2.1",
	 "NOERROR\nSET one A 60 192.0.2.1\n"},
	{"one TTL in an RRset", "U www 60 IN A 192.0.2.3", "NOERROR\nSET www A 60 192.0.2.1 + 192.0.2.2 + 192.0.2.3\n"},
	{"RFC 2181 8: a TTL with the highest bit is 0", "U new 2147483648 IN A 192.0.2.7",
	 "NOERROR\nADD new A 0 192.0.2.7\n"},
	{"TXT of another case is another record", "U www 300 IN TXT \"mixed case\"",
	 "NOERROR\nADD www TXT 300 \"mixed case\"\n"},
	{"names in RDATA ignore case", "U alias 300 IN CNAME WWW", "NOERROR\n"},
	{"order matters", "U www 0 ANY A\nU www 300 IN A 192.0.2.9", "NOERROR\nSET www A 300 192.0.2.9\n"},
	{"order matters, the other way round", "U www 300 IN A 192.0.2.9\nU www 0 ANY A", "NOERROR\nDEL www A\n"},
	{"back and forth is nothing",
	 "U www 0 ANY ANY\nU www 300 IN A 192.0.2.1\nU www 300 IN A 192.0.2.2\nU www 300 IN TXT \"Mixed Case\"",
	 "NOERROR\n"},
	{"added and deleted is nothing", "U new 300 IN A 192.0.2.7\nU new 0 NONE A 192.0.2.7", "NOERROR\n"},
	/* CNAME */
	{"3.4.2.2 a CNAME beside other data is ignored", "U www 300 IN CNAME one", "NOERROR\n"},
	{"3.4.2.2 other data beside a CNAME are ignored", "U alias 300 IN A 192.0.2.7", "NOERROR\n"},
	{"3.4.2.2 a CNAME replaces a CNAME", "U alias 60 IN CNAME one",
	 "NOERROR\nSET alias CNAME 60 one.example.test.\n"},
	{"its TTL alone", "U alias 60 IN CNAME www", "NOERROR\nSET alias CNAME 60 www.example.test.\n"},
	{"a CNAME in the place of deleted data", "U one 0 ANY ANY\nU one 300 IN CNAME www",
	 "NOERROR\nDEL one A\nADD one CNAME 300 www.example.test.\n"},
	{"data in the place of a deleted CNAME", "U alias 0 ANY CNAME\nU alias 300 IN A 192.0.2.7",
	 "NOERROR\nDEL alias CNAME\nADD alias A 300 192.0.2.7\n"},
	{"the last of two CNAMEs stays", "U new 300 IN CNAME a\nU new 300 IN CNAME b",
	 "NOERROR\nADD new CNAME 300 b.example.test.\n"},
	{"of two kinds the first stays", "U new 300 IN A 192.0.2.7\nU new 300 IN CNAME b",
	 "NOERROR\nADD new A 300 192.0.2.7\n"},
	{"and the other way round", "U new 300 IN CNAME b\nU new 300 IN A 192.0.2.7",
	 "NOERROR\nADD new CNAME 300 b.example.test.\n"},
	{"RFC 2181 10.1: KEY may stand beside a CNAME", "U key 300 IN CNAME www",
	 "NOERROR\nADD key CNAME 300 www.example.test.\n"},
	{"a CNAME at the apex", "U @ 300 IN CNAME www", "NOERROR\n"},
	/* DNAME, cuts */
	{"RFC 6672 2.4: a DNAME replaces a DNAME", "U tree 300 IN DNAME other.test.",
	 "NOERROR\nSET tree DNAME 300 other.test.\n"},
	{"RFC 6672 2.3: no DNAME beside a CNAME", "U alias 300 IN DNAME other.test.", "NOERROR\n"},
	{"a DNAME beside other data", "U www 300 IN DNAME other.test.", "NOERROR\nADD www DNAME 300 other.test.\n"},
	{"below a DNAME", "U x.tree 300 IN A 192.0.2.7", "NOERROR\nADD x.tree A 300 192.0.2.7\n"},
	{"below a zone cut", "U x.sub 300 IN A 192.0.2.7", "NOERROR\nADD x.sub A 300 192.0.2.7\n"},
	{"a wildcard is a name", "U *.w 300 IN A 192.0.2.7", "NOERROR\nADD *.w A 300 192.0.2.7\n"},
	{"no synthesis: a name under a wildcard is its own", "U *.w 300 IN A 192.0.2.7\nU a.w 0 ANY A",
	 "NOERROR\nADD *.w A 300 192.0.2.7\nREADS a.w\n"},
	/* SOA */
	{"3.4.2.2 an SOA of a greater serial", "U @ 300 IN SOA ns1 hostmaster 8 1 2 3 4",
	 "NOERROR\nSET @ SOA 300 ns1.example.test. hostmaster.example.test. 8 1 2 3 4\n"},
	{"3.4.2.2 of the same serial is ignored", "U @ 300 IN SOA ns1 hostmaster 7 1 2 3 4", "NOERROR\n"},
	{"3.4.2.2 of a smaller one", "U @ 300 IN SOA ns1 hostmaster 6 1 2 3 4", "NOERROR\n"},
	{"RFC 1982: smaller by wrapping around", "U @ 300 IN SOA ns1 hostmaster 2147483656 1 2 3 4", "NOERROR\n"},
	{"RFC 1982: greater as far as it goes", "U @ 300 IN SOA ns1 hostmaster 2147483654 1 2 3 4",
	 "NOERROR\nSET @ SOA 300 ns1.example.test. hostmaster.example.test. 2147483654 1 2 3 4\n"},
	{"3.4.2.2 an SOA where there is none", "U www 300 IN SOA ns1 hostmaster 8 1 2 3 4", "NOERROR\n"},
	{"two SOAs: the second must be greater than the first",
	 "U @ 300 IN SOA ns1 hostmaster 9 1 2 3 4\nU @ 300 IN SOA ns1 hostmaster 8 1 2 3 4",
	 "NOERROR\nSET @ SOA 300 ns1.example.test. hostmaster.example.test. 9 1 2 3 4\n"},
	{"3.4.2.4 the SOA is not deleted", "U @ 0 NONE SOA ns1 hostmaster 7 3600 600 86400 300", "NOERROR\n"},
	{"3.4.2.3 nor as an RRset", "U @ 0 ANY SOA", "NOERROR\n"},
	/* NS of the apex */
	{"one NS of two", "U @ 0 NONE NS ns1", "NOERROR\nDEL @ NS ns1.example.test.\n"},
	{"3.4.2.4 the last NS stays", "U @ 0 NONE NS ns1\nU @ 0 NONE NS ns2", "NOERROR\nDEL @ NS ns1.example.test.\n"},
	{"3.4.2.3 the NS RRset of the apex stays", "U @ 0 ANY NS", "NOERROR\n"},
	{"3.4.2.3 all RRsets of the apex but SOA and NS", "U @ 0 ANY ANY", "NOERROR\nDEL @ MX\n"},
	{"the last NS of another name may go", "U sub 0 NONE NS ns.elsewhere.test.", "NOERROR\nDEL sub NS\n"},
	{"DNSControl's dummy NS: the set is never empty",
	 "U @ 300 IN NS dnscontrol.invalid.\nU @ 0 NONE NS ns1\nU @ 0 NONE NS ns2\nU @ 300 IN NS ns3\nU @ 0 NONE NS "
	 "dnscontrol.invalid.",
	 "NOERROR\nSET @ NS 300 ns3.example.test.\n"},
	{"Ansible: all NS deleted, then added: the last one stays",
	 "U @ 0 NONE NS ns1\nU @ 0 NONE NS ns2\nU @ 300 IN NS ns3",
	 "NOERROR\nDEL @ NS ns1.example.test.\nADD @ NS 300 ns3.example.test.\n"},
	/* deletions */
	{"2.5.2 an RRset", "U www 0 ANY A", "NOERROR\nDEL www A\n"},
	{"2.5.2 an RRset that is not there", "U www 0 ANY AAAA", "NOERROR\n"},
	{"2.5.3 a name", "U lot 0 ANY ANY", "NOERROR\nDEL lot A\nDEL lot TXT\nDEL lot AAAA\n"},
	{"2.5.3 a name that is not there", "U nobody 0 ANY ANY", "NOERROR\n"},
	{"2.5.4 a record", "U www 0 NONE A 192.0.2.1", "NOERROR\nDEL www A 192.0.2.1\n"},
	{"2.5.4 the last record is the RRset", "U one 0 NONE A 192.0.2.1", "NOERROR\nDEL one A\n"},
	{"2.5.4 a record that is not there", "U www 0 NONE A 192.0.2.9", "NOERROR\n"},
	{"2.5.4 TXT byte for byte", "U www 0 NONE TXT \"mixed case\"", "NOERROR\n"},
	{"2.5.4 names in RDATA ignore case", "U @ 0 NONE MX 10 NS1", "NOERROR\nDEL @ MX\n"},
	{"one goes, one comes", "U www 0 NONE A 192.0.2.1\nU www 300 IN A 192.0.2.3",
	 "NOERROR\nDEL www A 192.0.2.1\nADD www A 300 192.0.2.3\n"},
	/* reads */
	{"what no op touches is read", "P guard 0 NONE ANY\nP one 0 ANY A\nU new 60 IN A 192.0.2.7\nU nobody 0 ANY ANY",
	 "NOERROR\nADD new A 60 192.0.2.7\nREADS guard one nobody\n"},
	/* clients.md */
	{"lego: TXT RRset deleted, then added", "U _acme-challenge 0 ANY TXT\nU _acme-challenge 120 IN TXT \"token\"",
	 "NOERROR\nADD _acme-challenge TXT 120 \"token\"\n"},
	{"Kea adds",
	 "P host 0 NONE ANY\nU host 600 IN A 192.0.2.9\nU host 600 IN DHCID "
	 "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=",
	 "NOERROR\nADD host A 600 192.0.2.9\nADD host DHCID 600 AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=\n"},
	{"nsupdate replaces", "U one 0 ANY A\nU one 300 IN A 192.0.2.8", "NOERROR\nSET one A 300 192.0.2.8\n"},
	{"Samba registers", "P one 0 NONE CNAME\nU one 0 ANY ANY\nU one 300 IN A 192.0.2.8\nU one 300 IN A 192.0.2.1",
	 "NOERROR\nADD one A 300 192.0.2.8\n"},
	{"DNSControl around a CNAME", "U alias 0 ANY ANY\nU alias 300 IN A 192.0.2.8",
	 "NOERROR\nDEL alias CNAME\nADD alias A 300 192.0.2.8\n"},
	/* 2.5, 3.4.1: form */
	{"3.4.1.3 outside the zone", "U good 300 IN A 192.0.2.7\nU www.example.org. 300 IN A 192.0.2.7", "NOTZONE\n"},
	{"3.4.1.2 a meta type is added", "U www 300 IN ANY hex:00", "FORMERR\n"},
	{"3.4.1.2 class ANY, TTL not 0", "U www 1 ANY A", "FORMERR\n"},
	{"3.4.1.2 class ANY with RDATA", "U www 0 ANY A 192.0.2.1", "FORMERR\n"},
	{"3.4.1.2 class ANY, AXFR", "U www 0 ANY AXFR", "FORMERR\n"},
	{"3.4.1.2 class ANY, MAILA", "U www 0 ANY MAILA", "FORMERR\n"},
	{"3.4.1.2 class ANY, MAILB", "U www 0 ANY MAILB", "FORMERR\n"},
	{"3.4.1.2 class NONE, TTL not 0", "U www 1 NONE A 192.0.2.1", "FORMERR\n"},
	{"3.4.1.2 class NONE, ANY", "U www 0 NONE ANY", "FORMERR\n"},
	{"3.4.1.2 class NONE, AXFR", "U www 0 NONE AXFR", "FORMERR\n"},
	{"3.4.1.2 another class", "U www 0 CH A hex:c0000201", "FORMERR\n"},
	{"an unknown type is data", "U new 300 IN TYPE65280 \\# 3 010203",
	 "NOERROR\nADD new TYPE65280 300 \\# 3 010203\n"},
};

static void
each_update_has_the_outcome_of_its_sentence(void **state)
{
	struct update_settings *settings = update_text_open(false);
	bool failed = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *outcome = update_text_evaluate(zone, rows[i].message, settings, NULL, NULL);
		if (strcmp(outcome, rows[i].outcome) != 0) {
			print_error("%s:\n%s-- is expected, is\n%s", rows[i].sentence, rows[i].outcome, outcome);
			failed = true;
		}
	}
	update_settings_free(settings);
	assert_false(failed);
}

static const struct row strict_rows[] = {
	{"CNAME beside other data", "U www 300 IN CNAME one", "CNAME beside other data"},
	{"other data beside CNAME", "U alias 300 IN A 192.0.2.7", "other data beside CNAME"},
	{"DNAME beside CNAME", "U alias 300 IN DNAME other.test.", "DNAME beside CNAME"},
	{"SOA", "U @ 300 IN SOA ns1 hostmaster 7 1 2 3 4", "serial"},
	{"SOA elsewhere", "U www 300 IN SOA ns1 hostmaster 8 1 2 3 4", "not the apex"},
	{"deletion of the SOA", "U @ 0 ANY SOA", "deletion of the SOA"},
	{"the last NS", "U @ 0 NONE NS ns1\nU @ 0 NONE NS ns2", "last NS"},
	{"the NS RRset", "U @ 0 ANY NS", "NS RRset"},
};

static void
strict_refuses_what_else_is_ignored_and_both_say_so(void **state)
{
	struct update_settings *lax = update_text_open(false), *strict = update_text_open(true);
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strict_rows); i++) {
		assert_string_equal(update_text_evaluate(zone, strict_rows[i].message, strict, NULL, &why),
				    "REFUSED\n");
		assert_non_null(strstr(why, strict_rows[i].outcome));
		assert_non_null(
			strstr(update_text_evaluate(zone, strict_rows[i].message, lax, NULL, &why), "NOERROR\n"));
		assert_non_null(strstr(why, strict_rows[i].outcome));
		assert_non_null(strstr(why, "ignored"));
	}
	assert_string_equal(update_text_evaluate(zone, "U @ 0 ANY ANY", strict, NULL, NULL), "NOERROR\nDEL @ MX\n");
	assert_string_equal(update_text_evaluate(zone, "U nobody 0 ANY ANY", strict, NULL, NULL), "NOERROR\n");
	update_settings_free(lax);
	update_settings_free(strict);
}

/* Sets large enough for the index by hash: half of it added twice, a third deleted, some of it added again. */
static void
a_large_rrset_is_a_set(void **state)
{
	struct update_settings *settings = update_text_open(false);
	char *message = malloc(400000), *at = message;

	(void)state;
	for (unsigned i = 0; i < 900; i++)
		at += sprintf(at, "U big 300 IN A 10.0.%u.%u\n", i / 256, i % 256);
	for (unsigned i = 0; i < 450; i++)
		at += sprintf(at, "U big 300 IN A 10.0.%u.%u\n", i / 256, i % 256);
	for (unsigned i = 0; i < 900; i += 3)
		at += sprintf(at, "U big 0 NONE A 10.0.%u.%u\n", i / 256, i % 256);
	for (unsigned i = 0; i < 900; i += 9)
		at += sprintf(at, "U big 300 IN A 10.0.%u.%u\n", i / 256, i % 256);
	const char *outcome = update_text_evaluate(zone, message, settings, NULL, NULL);
	unsigned count = 1;
	for (const char *c = outcome; (c = strstr(c, " + ")) != NULL; c += 3)
		count++;
	unsigned adds = 0;
	for (const char *c = outcome; (c = strstr(c, "ADD big A 300 ")) != NULL; c++)
		adds++;
	assert_int_equal(adds > 0 ? adds : count, 900 - 300 + 100);
	free(message);
	update_settings_free(settings);
}

static void
many_names_in_one_message(void **state)
{
	struct update_settings *settings = update_text_open(false);
	char *message = malloc(400000), *at = message;

	(void)state;
	for (unsigned i = 0; i < 1500; i++)
		at += sprintf(at, "U n%u 300 IN A 10.0.%u.%u\n", i, i / 256, i % 256);
	const char *outcome = update_text_evaluate(zone, message, settings, NULL, NULL);
	unsigned adds = 0;
	for (const char *c = outcome; (c = strstr(c, "\nADD n")) != NULL; c++)
		adds++;
	assert_int_equal(adds, 1500);
	free(message);
	update_settings_free(settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_update_has_the_outcome_of_its_sentence),
		cmocka_unit_test(strict_refuses_what_else_is_ignored_and_both_say_so),
		cmocka_unit_test(a_large_rrset_is_a_set),
		cmocka_unit_test(many_names_in_one_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
