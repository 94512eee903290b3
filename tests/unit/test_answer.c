/* The examples of the RFCs: 1034 6.2, 2308, 4592 2.2.1, 6672 2.2 and 5.3, 6604, 8482, 9460, 9471. */
#include "tests/unit/cmocka.h"
#include "answer/answer.h"
#include "tests/unit/zone_text.h"

static char text[20000];

static const char *
ask(const struct zone_version *version, const char *name, const char *type, unsigned edns_size, bool tcp)
{
	static uint8_t query[600], buffer[65535];
	struct message msg;
	struct compose compose;
	size_t size = zone_text_query(name, type, edns_size, query);

	assert_int_equal(parse_message(query, size, &msg), PARSE_OK);
	compose_begin(&compose, &msg, buffer, tcp ? sizeof buffer : compose_udp_limit(&msg, 1232),
		      edns_size ? 11 : 0);
	answer_query(&msg, version, tree_leaf(&version->tree, answer_hash(&msg, version)), tcp, &compose);
	size = compose_finish(&compose, NULL);
	return zone_text_response(buffer, size, text, sizeof text);
}

#define expect(version, name, type, expected) assert_string_equal(ask(version, name, type, 1232, false), expected)

/* ---- RFC 4592 2.2.1 ---- */

static const uint8_t example[] = "\7example";
static const char wild_zone[] =
	"@ 3600 SOA ns.example.com. root.example. 1 7200 3600 1209600 900\n"
	"@ 3600 NS ns.example.com.\n"
	"@ 3600 NS ns.example.net.\n"
	"* 3600 TXT \"this is a wildcard\"\n"
	"* 3600 MX 10 host1.example.\n"
	"sub.* 3600 TXT \"this is not a wildcard\"\n"
	"host1 3600 A 192.0.2.1\n"
	"_ssh._tcp.host1 3600 SRV 0 1 22 host1.example.\n"
	"_ssh._tcp.host2 3600 SRV 0 1 22 host2.example.\n"
	"subdel 3600 NS ns.example.com.\n"
	"subdel 3600 NS ns.example.net.\n";
#define WILD_SOA "N example. 900 SOA ns.example.com. root.example. 1 7200 3600 1209600 900\n"

static void
wildcards_answer_as_in_rfc_4592_2_2_1(void **state)
{
	struct zone_version *version = zone_text_load(example, wild_zone);

	(void)state;
	/* "the following responses would be synthesized from one of the wildcards in the zone" */
	expect(version, "host3.example.", "MX",
	       "AA NOERROR\nA host3.example. 3600 MX 10 host1.example.\nD host1.example. 3600 A 192.0.2.1\n");
	expect(version, "host3.example.", "A", "AA NOERROR\n" WILD_SOA);
	expect(version, "foo.bar.example.", "TXT", "AA NOERROR\nA foo.bar.example. 3600 TXT \"this is a wildcard\"\n");
	/* "would not be synthesized from any of the wildcards" */
	expect(version, "host1.example.", "MX", "AA NOERROR\n" WILD_SOA);
	expect(version, "sub.*.example.", "MX", "AA NOERROR\n" WILD_SOA);
	expect(version, "_telnet._tcp.host1.example.", "SRV", "AA NXDOMAIN\n" WILD_SOA);
	expect(version, "host.subdel.example.", "A",
	       "NOERROR\nN subdel.example. 3600 NS ns.example.com.\nN subdel.example. 3600 NS ns.example.net.\n");
	expect(version, "ghost.*.example.", "MX", "AA NXDOMAIN\n" WILD_SOA);
	draft_discard(version);
}

static void
a_wildcard_itself_can_be_asked_for(void **state)
{
	struct zone_version *version = zone_text_load(example, wild_zone);

	(void)state;
	expect(version, "*.example.", "TXT", "AA NOERROR\nA *.example. 3600 TXT \"this is a wildcard\"\n");
	/* An empty non-terminal blocks the wildcard (RFC 4592 2.2.2, 2.2.3). */
	expect(version, "_tcp.host2.example.", "TXT", "AA NOERROR\n" WILD_SOA);
	expect(version, "host2.example.", "TXT", "AA NOERROR\n" WILD_SOA);
	expect(version, "x.host2.example.", "TXT", "AA NXDOMAIN\n" WILD_SOA);
	draft_discard(version);
}

/* ---- RFC 1034 6.2: C.ISI.EDU, the root server with its data for MIL and EDU ---- */

static const uint8_t root[] = "";
static const char root_zone[] =
	"@ 518400 SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 1800 300 604800 86400\n"
	"@ 518400 NS A.ISI.EDU.\n"
	"@ 518400 NS C.ISI.EDU.\n"
	"@ 518400 NS SRI-NIC.ARPA.\n"
	"MIL. 86400 NS SRI-NIC.ARPA.\n"
	"MIL. 86400 NS A.ISI.EDU.\n"
	"EDU. 86400 NS SRI-NIC.ARPA.\n"
	"EDU. 86400 NS C.ISI.EDU.\n"
	"SRI-NIC.ARPA. 86400 A 26.0.0.73\n"
	"SRI-NIC.ARPA. 86400 A 10.0.0.51\n"
	"SRI-NIC.ARPA. 86400 MX 0 SRI-NIC.ARPA.\n"
	"SRI-NIC.ARPA. 86400 HINFO DEC-2060 TOPS20\n"
	"ACC.ARPA. 86400 A 26.6.0.65\n"
	"ACC.ARPA. 86400 HINFO PDP-11/70 UNIX\n"
	"ACC.ARPA. 86400 MX 10 ACC.ARPA.\n"
	"USC-ISIC.ARPA. 86400 CNAME C.ISI.EDU.\n"
	"73.0.0.26.IN-ADDR.ARPA. 86400 PTR SRI-NIC.ARPA.\n"
	"65.0.6.26.IN-ADDR.ARPA. 86400 PTR ACC.ARPA.\n"
	"51.0.0.10.IN-ADDR.ARPA. 86400 PTR SRI-NIC.ARPA.\n"
	"52.0.0.10.IN-ADDR.ARPA. 86400 PTR C.ISI.EDU.\n"
	"103.0.3.26.IN-ADDR.ARPA. 86400 PTR A.ISI.EDU.\n"
	"A.ISI.EDU. 86400 A 26.3.0.103\n"
	"C.ISI.EDU. 86400 A 10.0.0.52\n";
#define ROOT_SOA "N . 86400 SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 1800 300 604800 86400\n"

static void
the_root_answers_as_in_rfc_1034_6_2(void **state)
{
	struct zone_version *version = zone_text_load(root, root_zone);

	(void)state;
	/* 6.2.1: QTYPE=A */
	expect(version, "SRI-NIC.ARPA.", "A",
	       "AA NOERROR\nA SRI-NIC.ARPA. 86400 A 10.0.0.51\nA SRI-NIC.ARPA. 86400 A 26.0.0.73\n");
	/* 6.2.3: QTYPE=MX */
	expect(version, "SRI-NIC.ARPA.", "MX",
	       "AA NOERROR\nA SRI-NIC.ARPA. 86400 MX 0 SRI-NIC.ARPA.\nD SRI-NIC.ARPA. 86400 A 10.0.0.51\nD "
	       "SRI-NIC.ARPA. 86400 A 26.0.0.73\n");
	/* 6.2.4: QTYPE=NS: nothing there; the SOA is RFC 2308's */
	expect(version, "SRI-NIC.ARPA.", "NS", "AA NOERROR\n" ROOT_SOA);
	/* 6.2.5: QNAME=SIR-NIC.ARPA */
	expect(version, "SIR-NIC.ARPA.", "A", "AA NXDOMAIN\n" ROOT_SOA);
	/* 6.2.6: QNAME=BRL.MIL: A.ISI.EDU lies below another cut and is given as sibling glue */
	expect(version, "BRL.MIL.", "A",
	       "NOERROR\nN MIL. 86400 NS A.ISI.EDU.\nN MIL. 86400 NS SRI-NIC.ARPA.\nD A.ISI.EDU. 86400 A 26.3.0.103\n"
	       "D SRI-NIC.ARPA. 86400 A 10.0.0.51\nD SRI-NIC.ARPA. 86400 A 26.0.0.73\n");
	/* 6.2.8: QNAME=USC-ISIC.ARPA, QTYPE=CNAME */
	expect(version, "USC-ISIC.ARPA.", "CNAME", "AA NOERROR\nA USC-ISIC.ARPA. 86400 CNAME C.ISI.EDU.\n");
	draft_discard(version);
}

static void
a_cname_into_a_child_zone_ends_in_a_referral_that_keeps_aa(void **state)
{
	struct zone_version *version = zone_text_load(root, root_zone);

	(void)state;
	/* 6.2.7, where the server is not authoritative for EDU */
	expect(version, "USC-ISIC.ARPA.", "A",
	       "AA NOERROR\nA USC-ISIC.ARPA. 86400 CNAME C.ISI.EDU.\nN EDU. 86400 NS C.ISI.EDU.\nN EDU. 86400 NS "
	       "SRI-NIC.ARPA.\n"
	       "D C.ISI.EDU. 86400 A 10.0.0.52\nD SRI-NIC.ARPA. 86400 A 10.0.0.51\nD SRI-NIC.ARPA. 86400 A "
	       "26.0.0.73\n");
	draft_discard(version);
}

/* ---- RFC 6672 ---- */

static const uint8_t com[] = "\7example\3com";
static const char dname_zone[] = "@ 3600 SOA ns hostmaster 1 3600 900 604800 300\n"
				 "@ 3600 NS ns\n"
				 "ns 3600 A 192.0.2.53\n"
				 "old 600 DNAME new.example.com.\n"
				 "below.old 600 A 192.0.2.66\n"
				 "old 600 TXT \"at the owner\"\n"
				 "www.new 300 A 192.0.2.80\n"
				 "out 600 DNAME example.net.\n"
				 "long 600 DNAME "
				 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff."
				 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff."
				 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff.example.com.\n"
				 "loop 600 DNAME loop.example.com.\n"
				 "alias 600 CNAME www.old\n"
				 "gone 600 CNAME missing.new\n"
				 "self 600 CNAME self\n"
				 "ping 600 CNAME pong\n"
				 "pong 600 CNAME ping\n"
				 "away 600 CNAME host.example.net.\n"
				 "*.star 600 CNAME www.new\n"
				 "keyed 600 CNAME www.new\n"
				 "keyed 600 KEY 512 3 8 AQAB\n";
#define DNAME_SOA "N example.com. 300 SOA ns.example.com. hostmaster.example.com. 1 3600 900 604800 300\n"

static void
a_dname_makes_a_cname_with_its_ttl(void **state)
{
	struct zone_version *version = zone_text_load(com, dname_zone);

	(void)state;
	expect(version, "www.old.example.com.", "A",
	       "AA NOERROR\nA old.example.com. 600 DNAME new.example.com.\nA www.old.example.com. 600 CNAME "
	       "www.new.example.com.\n"
	       "A www.new.example.com. 300 A 192.0.2.80\n");
	expect(version, "WWW.Out.example.com.", "A",
	       "AA NOERROR\nA Out.example.com. 600 DNAME example.net.\nA WWW.Out.example.com. 600 CNAME "
	       "WWW.example.net.\n");
	/* The owner itself is not redirected (2.3). */
	expect(version, "old.example.com.", "TXT", "AA NOERROR\nA old.example.com. 600 TXT \"at the owner\"\n");
	/* What is below the owner is occluded (2.4). */
	expect(version, "below.old.example.com.", "A",
	       "AA NXDOMAIN\nA old.example.com. 600 DNAME new.example.com.\nA below.old.example.com. 600 CNAME "
	       "below.new.example.com.\n" DNAME_SOA);
	/* The synthesized CNAME is an answer to QTYPE CNAME. */
	expect(version, "www.old.example.com.", "CNAME",
	       "AA NOERROR\nA old.example.com. 600 DNAME new.example.com.\nA www.old.example.com. 600 CNAME "
	       "www.new.example.com.\n");
	draft_discard(version);
}

static void
a_name_that_grows_over_255_octets_is_yxdomain(void **state)
{
	struct zone_version *version = zone_text_load(com, dname_zone);

	(void)state;
	assert_non_null(
		strstr(ask(version, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff.long.example.com.",
			   "A", 1232, false),
		       "AA YXDOMAIN\nA long.example.com. 600 DNAME "));
	draft_discard(version);
}

static void
chains_have_an_end(void **state)
{
	struct zone_version *version = zone_text_load(com, dname_zone);

	(void)state;
	expect(version, "alias.example.com.", "A",
	       "AA NOERROR\nA alias.example.com. 600 CNAME www.old.example.com.\nA old.example.com. 600 DNAME "
	       "new.example.com.\n"
	       "A www.old.example.com. 600 CNAME www.new.example.com.\nA www.new.example.com. 300 A 192.0.2.80\n");
	expect(version, "self.example.com.", "A", "AA NOERROR\nA self.example.com. 600 CNAME self.example.com.\n");
	expect(version, "ping.example.com.", "A",
	       "AA NOERROR\nA ping.example.com. 600 CNAME pong.example.com.\nA pong.example.com. 600 CNAME "
	       "ping.example.com.\n");
	expect(version, "away.example.com.", "A", "AA NOERROR\nA away.example.com. 600 CNAME host.example.net.\n");
	expect(version, "x.loop.example.com.", "A",
	       "AA NOERROR\nA loop.example.com. 600 DNAME loop.example.com.\nA x.loop.example.com. 600 CNAME "
	       "x.loop.example.com.\n");
	expect(version, "a.b.star.example.com.", "A",
	       "AA NOERROR\nA a.b.star.example.com. 600 CNAME www.new.example.com.\nA www.new.example.com. 300 A "
	       "192.0.2.80\n");
	draft_discard(version);
}

static void
what_may_stand_beside_a_cname_is_asked_of_its_owner(void **state) /* RFC 2535 2.3.5, RFC 4035 2.5; so does BIND */
{
	struct zone_version *version = zone_text_load(com, dname_zone);

	(void)state;
	expect(version, "keyed.example.com.", "KEY", "AA NOERROR\nA keyed.example.com. 600 KEY 512 3 8 AQAB\n");
	expect(version, "keyed.example.com.", "A",
	       "AA NOERROR\nA keyed.example.com. 600 CNAME www.new.example.com.\nA www.new.example.com. 300 A "
	       "192.0.2.80\n");
	expect(version, "away.example.com.", "KEY", "AA NOERROR\n" DNAME_SOA);
	expect(version, "x.star.example.com.", "NSEC", "AA NOERROR\n" DNAME_SOA);
	expect(version, "away.example.com.", "RRSIG", "AA NOERROR\n" DNAME_SOA);
	draft_discard(version);
}

static void
the_rcode_is_that_of_the_last_name(void **state) /* RFC 6604 3 */
{
	struct zone_version *version = zone_text_load(com, dname_zone);

	(void)state;
	expect(version, "gone.example.com.", "A",
	       "AA NXDOMAIN\nA gone.example.com. 600 CNAME missing.new.example.com.\n" DNAME_SOA);
	expect(version, "alias.example.com.", "MX",
	       "AA NOERROR\nA alias.example.com. 600 CNAME www.old.example.com.\nA old.example.com. 600 DNAME "
	       "new.example.com.\n"
	       "A www.old.example.com. 600 CNAME www.new.example.com.\n" DNAME_SOA);
	draft_discard(version);
}

/* ---- cuts, DS, ANY, additional ---- */

static const char cut_zone[] =
	"@ 3600 SOA ns hostmaster 1 3600 900 604800 300\n"
	"@ 3600 NS ns\n"
	"@ 3600 MX 10 mail\n"
	"@ 3600 TXT \"apex\"\n"
	"ns 3600 A 192.0.2.53\n"
	"ns 3600 AAAA 2001:db8::53\n"
	"mail 3600 A 192.0.2.25\n"
	"child 3600 NS ns1.child\n"
	"child 3600 NS ns.other\n"
	"child 3600 NS ns.example.net.\n"
	"child 3600 DS 1 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	"child 3600 TXT \"occluded\"\n"
	"ns1.child 3600 A 192.0.2.61\n"
	"ns1.child 3600 AAAA 2001:db8::61\n"
	"other 3600 NS ns.other\n"
	"ns.other 3600 A 192.0.2.71\n"
	"_s._tcp 3600 SRV 0 0 1 mail\n"
	"_s._tcp 3600 SRV 0 0 2 mail\n"
	"_s._tcp 3600 SRV 0 0 3 host.example.net.\n"
	"svc 3600 HTTPS 1 . alpn=h2\n"
	"svc 3600 A 192.0.2.99\n"
	"web 3600 HTTPS 0 svc\n";
#define CUT_SOA "N example.com. 300 SOA ns.example.com. hostmaster.example.com. 1 3600 900 604800 300\n"
#define CUT_NS "N child.example.com. 3600 NS ns.other.example.com.\nN child.example.com. 3600 NS ns.example.net.\n" \
	"N child.example.com. 3600 NS ns1.child.example.com.\n"

static void
a_referral_has_its_glue_and_no_aa(void **state)
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	const char *referral =
		"NOERROR\n" CUT_NS
		"D ns1.child.example.com. 3600 A 192.0.2.61\nD ns1.child.example.com. 3600 AAAA 2001:db8::61\n"
		"D ns.other.example.com. 3600 A 192.0.2.71\n";
	expect(version, "www.child.example.com.", "A", referral);
	expect(version, "child.example.com.", "NS", referral);
	expect(version, "child.example.com.", "TXT", referral);
	expect(version, "ns1.child.example.com.", "A", referral);
	draft_discard(version);
}

static void
ds_at_a_cut_is_the_parents(void **state) /* RFC 4035 3.1.4.1 */
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	expect(version, "child.example.com.", "DS",
	       "AA NOERROR\nA child.example.com. 3600 DS 1 8 2 "
	       "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n");
	expect(version, "other.example.com.", "DS", "AA NOERROR\n" CUT_SOA);
	draft_discard(version);
}

static void
glue_that_does_not_fit_sets_tc(void **state) /* RFC 9471 3.1 */
{
	char zone[8000] = "@ 3600 SOA ns hostmaster 1 3600 900 604800 300\n@ 3600 NS ns\nns 3600 A 192.0.2.53\n";
	char *at = zone + strlen(zone);

	(void)state;
	for (int i = 0; i < 12; i++)
		at += sprintf(
			at, "child 3600 NS n%d.child\nn%d.child 3600 A 192.0.2.%d\nn%d.child 3600 AAAA 2001:db8::%d\n",
			i, i, i, i, i);
	struct zone_version *version = zone_text_load(com, zone);
	assert_memory_equal(ask(version, "x.child.example.com.", "A", 0, false), "TC NOERROR\nN child", 18);
	assert_memory_equal(ask(version, "x.child.example.com.", "A", 1232, false), "NOERROR\nN child", 15);
	draft_discard(version);
}

static void
an_rrset_that_does_not_fit_is_left_out_whole(void **state) /* RFC 2181 9 */
{
	char zone[8000] = "@ 3600 SOA ns hostmaster 1 3600 900 604800 300\n@ 3600 NS ns\nns 3600 A 192.0.2.53\n";
	char *at = zone + strlen(zone);

	(void)state;
	for (int i = 0; i < 40; i++)
		at += sprintf(at, "many 3600 A 192.0.2.%d\n", i);
	struct zone_version *version = zone_text_load(com, zone);
	assert_string_equal(ask(version, "many.example.com.", "A", 0, false), "AA TC NOERROR\n");
	assert_memory_equal(ask(version, "many.example.com.", "A", 1232, false), "AA NOERROR\nA many", 16);
	draft_discard(version);
}

static void
any_is_one_rrset_over_udp_and_all_over_tcp(void **state) /* RFC 8482 4.1 */
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	expect(version, "ns.example.com.", "ANY", "AA NOERROR\nA ns.example.com. 3600 A 192.0.2.53\n");
	assert_string_equal(
		ask(version, "ns.example.com.", "ANY", 0, true),
		"AA NOERROR\nA ns.example.com. 3600 A 192.0.2.53\nA ns.example.com. 3600 AAAA 2001:db8::53\n");
	expect(version, "_tcp.example.com.", "ANY", "AA NOERROR\n" CUT_SOA);
	expect(version, "nope.example.com.", "ANY", "AA NXDOMAIN\n" CUT_SOA);
	draft_discard(version);
}

static void
hosts_that_records_name_come_with_their_addresses(void **state)
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	expect(version, "example.com.", "NS",
	       "AA NOERROR\nA example.com. 3600 NS ns.example.com.\nD ns.example.com. 3600 A 192.0.2.53\nD "
	       "ns.example.com. 3600 AAAA 2001:db8::53\n");
	expect(version, "_s._tcp.example.com.", "SRV",
	       "AA NOERROR\nA _s._tcp.example.com. 3600 SRV 0 0 1 mail.example.com.\nA _s._tcp.example.com. 3600 SRV 0 "
	       "0 2 mail.example.com.\n"
	       "A _s._tcp.example.com. 3600 SRV 0 0 3 host.example.net.\nD mail.example.com. 3600 A 192.0.2.25\n");
	/* RFC 9460 4.1: the target "." is the owner; an alias brings the target's own records. */
	expect(version, "svc.example.com.", "HTTPS",
	       "AA NOERROR\nA svc.example.com. 3600 HTTPS 1 . alpn=\"h2\"\nD svc.example.com. 3600 A 192.0.2.99\n");
	expect(version, "web.example.com.", "HTTPS",
	       "AA NOERROR\nA web.example.com. 3600 HTTPS 0 svc.example.com.\nD svc.example.com. 3600 A 192.0.2.99\n"
	       "D svc.example.com. 3600 HTTPS 1 . alpn=\"h2\"\n");
	draft_discard(version);
}

static void
positive_answers_have_no_ns_in_authority(void **state)
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	expect(version, "mail.example.com.", "A", "AA NOERROR\nA mail.example.com. 3600 A 192.0.2.25\n");
	expect(version, "example.com.", "SOA",
	       "AA NOERROR\nA example.com. 3600 SOA ns.example.com. hostmaster.example.com. 1 3600 900 604800 300\n");
	draft_discard(version);
}

static void
the_case_of_the_question_is_kept(void **state)
{
	struct zone_version *version = zone_text_load(com, cut_zone);

	(void)state;
	expect(version, "MaIl.ExAmPlE.cOm.", "A", "AA NOERROR\nA MaIl.ExAmPlE.cOm. 3600 A 192.0.2.25\n");
	draft_discard(version);
}

/* ---- class CH ---- */

static const char *
ask_chaos(const char *name, const char *identity)
{
	static uint8_t query[600], buffer[512];
	struct message msg;
	struct compose compose;
	size_t size = zone_text_query(name, "TXT", 0, query);

	query[size - 1] = CLASS_CH;
	assert_int_equal(parse_message(query, size, &msg), PARSE_OK);
	compose_begin(&compose, &msg, buffer, sizeof buffer, 0);
	answer_chaos(&msg, identity, "zonegate 1", &compose);
	return zone_text_response(buffer, compose_finish(&compose, NULL), text, sizeof text);
}

static void
chaos_names_tell_identity_and_version(void **state)
{
	(void)state;
	assert_string_equal(ask_chaos("id.server.", "gw1"), "AA NOERROR\nA id.server. 0 TXT \"gw1\"\n");
	assert_string_equal(ask_chaos("hostname.bind.", "gw1"), "AA NOERROR\nA hostname.bind. 0 TXT \"gw1\"\n");
	assert_string_equal(ask_chaos("VERSION.BIND.", "gw1"), "AA NOERROR\nA VERSION.BIND. 0 TXT \"zonegate 1\"\n");
	assert_string_equal(ask_chaos("id.server.", NULL), "REFUSED\n");
	assert_string_equal(ask_chaos("authors.bind.", "gw1"), "REFUSED\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wildcards_answer_as_in_rfc_4592_2_2_1),
		cmocka_unit_test(a_wildcard_itself_can_be_asked_for),
		cmocka_unit_test(the_root_answers_as_in_rfc_1034_6_2),
		cmocka_unit_test(a_cname_into_a_child_zone_ends_in_a_referral_that_keeps_aa),
		cmocka_unit_test(a_dname_makes_a_cname_with_its_ttl),
		cmocka_unit_test(a_name_that_grows_over_255_octets_is_yxdomain),
		cmocka_unit_test(chains_have_an_end),
		cmocka_unit_test(what_may_stand_beside_a_cname_is_asked_of_its_owner),
		cmocka_unit_test(the_rcode_is_that_of_the_last_name),
		cmocka_unit_test(a_referral_has_its_glue_and_no_aa),
		cmocka_unit_test(ds_at_a_cut_is_the_parents),
		cmocka_unit_test(glue_that_does_not_fit_sets_tc),
		cmocka_unit_test(an_rrset_that_does_not_fit_is_left_out_whole),
		cmocka_unit_test(any_is_one_rrset_over_udp_and_all_over_tcp),
		cmocka_unit_test(hosts_that_records_name_come_with_their_addresses),
		cmocka_unit_test(positive_answers_have_no_ns_in_authority),
		cmocka_unit_test(the_case_of_the_question_is_kept),
		cmocka_unit_test(chaos_names_tell_identity_and_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
