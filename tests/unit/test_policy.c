/* update-policy in BIND's grammar and meaning (BIND 9 ARM, "update-policy"), and lists of addresses and keys. */
#include "tests/unit/cmocka.h"
#include "keys/address.h"
#include "keys/policy.h"
#include "tests/unit/policy_vectors.h"
#include "wire/rrtype.h"
#include <arpa/inet.h>

struct asker {
	uint8_t key[NAME_MAX_SIZE];
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	struct policy_requestor who;
};

static const uint8_t *
name(const char *text, uint8_t out[NAME_MAX_SIZE])
{
	if (name_from_text(text, strlen(text), NULL, out) != STATUS_OK)
		fail_msg("%s", text);
	name_lower(out, out);
	return out;
}

/* key NULL: unsigned; address NULL: 192.0.2.1. */
static const struct policy_requestor *
asker_set(struct asker *asker, const char *key, const char *address, bool tcp)
{
	memset(asker, 0, sizeof *asker);
	if (!address)
		address = "192.0.2.1";
	if (strchr(address, ':')) {
		asker->address.v6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, address, &asker->address.v6.sin6_addr), 1);
	} else {
		asker->address.v4.sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, address, &asker->address.v4.sin_addr), 1);
	}
	asker->who = (struct policy_requestor){
		.key_name = key ? name(key, asker->key) : NULL, .address = &asker->address.any, .tcp = tcp};
	return &asker->who;
}

static struct policy *
policy_of(const char *zone, const char *const *rules)
{
	char reason[POLICY_REASON_SIZE] = "";
	uint8_t wire[NAME_MAX_SIZE];
	struct policy *policy = policy_new(name(zone, wire));

	for (; *rules; rules++)
		if (policy_add_rule(policy, *rules, reason) != STATUS_OK)
			fail_msg("%s: %s", *rules, reason);
	return policy;
}

#define RULES(...) (const char *const[]){__VA_ARGS__, NULL}

static struct policy_verdict
ask(const struct policy *policy, const char *key, const char *owner, uint16_t type)
{
	struct asker asker;
	uint8_t wire[NAME_MAX_SIZE];

	return policy_allows(policy, asker_set(&asker, key, NULL, false), name(owner, wire), type);
}

static bool
allows(const struct policy *policy, const char *key, const char *owner, uint16_t type)
{
	return ask(policy, key, owner, type).allowed;
}

static bool
allows_address(const struct policy *policy, const char *key, const char *address, bool tcp, const char *owner,
	       uint16_t type)
{
	struct asker asker;
	uint8_t wire[NAME_MAX_SIZE];

	return policy_allows(policy, asker_set(&asker, key, address, tcp), name(owner, wire), type).allowed;
}

static void
name_matches_exactly_that_name(void **state)
{
	struct policy *policy =
		policy_of("example.test.", RULES("grant acme. name _acme-challenge.WWW.example.test. TXT"));

	(void)state;
	assert_true(allows(policy, "acme.", "_acme-challenge.www.example.test.", TYPE_TXT));
	assert_true(allows(policy, "ACME.", "_ACME-challenge.www.example.test.", TYPE_TXT));
	assert_false(allows(policy, "acme.", "_acme-challenge.www.example.test.", TYPE_A));
	assert_false(allows(policy, "acme.", "x._acme-challenge.www.example.test.", TYPE_TXT));
	assert_false(allows(policy, "acme.", "www.example.test.", TYPE_TXT));
	assert_false(allows(policy, "other.", "_acme-challenge.www.example.test.", TYPE_TXT));
	assert_false(allows(policy, NULL, "_acme-challenge.www.example.test.", TYPE_TXT));
	policy_free(policy);
}

static void
subdomain_matches_the_name_and_all_below(void **state)
{
	struct policy *policy = policy_of("example.test.", RULES("grant k subdomain dyn.example.test"));
	struct policy *above = policy_of("example.test.", RULES("grant k subdomain test."));

	(void)state;
	assert_true(allows(policy, "k.", "dyn.example.test.", TYPE_A));
	assert_true(allows(policy, "k.", "a.b.dyn.example.test.", TYPE_A));
	assert_true(allows(policy, "k.", "*.dyn.example.test.", TYPE_A));
	assert_false(allows(policy, "k.", "example.test.", TYPE_A));
	assert_false(allows(policy, "k.", "xdyn.example.test.", TYPE_A));
	assert_true(allows(above, "k.", "example.test.", TYPE_A));
	policy_free(policy);
	policy_free(above);
}

static void
zonesub_matches_the_whole_zone_and_takes_no_name(void **state)
{
	struct policy *policy = policy_of("example.test.", RULES("grant dhcp. zonesub A AAAA DHCID PTR"));

	(void)state;
	assert_true(allows(policy, "dhcp.", "example.test.", TYPE_A));
	assert_true(allows(policy, "dhcp.", "a.b.example.test.", TYPE_DHCID));
	assert_false(allows(policy, "dhcp.", "a.example.test.", TYPE_TXT));
	assert_false(allows(policy, "dhcp.", "example.", TYPE_A));
	policy_free(policy);
}

static void
wildcard_matches_below_its_parent_at_any_depth_but_not_at_it(void **state)
{
	struct policy *policy = policy_of("example.test.", RULES("grant k wildcard *.dyn.example.test. A"));

	(void)state;
	assert_true(allows(policy, "k.", "a.dyn.example.test.", TYPE_A));
	assert_true(allows(policy, "k.", "a.b.dyn.example.test.", TYPE_A));
	assert_true(allows(policy, "k.", "*.dyn.example.test.", TYPE_A));
	assert_false(allows(policy, "k.", "dyn.example.test.", TYPE_A));
	assert_false(allows(policy, "k.", "a.example.test.", TYPE_A));
	policy_free(policy);
}

static void
self_selfsub_and_selfwild_match_the_name_of_the_key(void **state)
{
	struct policy *self = policy_of("example.test.", RULES("grant * self * A"));
	struct policy *selfsub = policy_of("example.test.", RULES("grant *.example.test selfsub ."));
	struct policy *selfwild = policy_of("example.test.", RULES("grant h.example.test. selfwild H.example.test. A"));

	(void)state;
	assert_true(allows(self, "h.example.test.", "h.example.test.", TYPE_A));
	assert_false(allows(self, "h.example.test.", "h.example.test.", TYPE_TXT));
	assert_false(allows(self, "h.example.test.", "a.h.example.test.", TYPE_A));
	assert_false(allows(self, "h.example.test.", "i.example.test.", TYPE_A));
	assert_false(allows(self, NULL, "h.example.test.", TYPE_A));

	assert_true(allows(selfsub, "h.example.test.", "h.example.test.", TYPE_TXT));
	assert_true(allows(selfsub, "h.example.test.", "a.b.h.example.test.", TYPE_A));
	assert_false(allows(selfsub, "h.example.test.", "i.example.test.", TYPE_A));
	assert_false(allows(selfsub, "example.test.", "example.test.", TYPE_A)); /* not below the identity's parent */

	assert_true(allows(selfwild, "h.example.test.", "a.h.example.test.", TYPE_A));
	assert_false(allows(selfwild, "h.example.test.", "h.example.test.", TYPE_A));
	assert_false(allows(selfwild, "i.example.test.", "a.i.example.test.", TYPE_A));
	policy_free(self);
	policy_free(selfsub);
	policy_free(selfwild);
}

/* The ARM's own example: grant * tcp-self . PTR(1); in 2.0.192.IN-ADDR.ARPA. */
static void
tcp_self_matches_the_reverse_name_of_the_address_on_tcp_unsigned_too(void **state)
{
	struct policy *policy = policy_of("2.0.192.IN-ADDR.ARPA.", RULES("grant * tcp-self . PTR(1)"));
	struct policy *narrow = policy_of("in-addr.arpa.", RULES("grant *.2.0.192.in-addr.arpa tcp-self ."));
	struct policy *six = policy_of("ip6.arpa.", RULES("grant * tcp-self . PTR"));

	(void)state;
	assert_true(allows_address(policy, NULL, "192.0.2.1", true, "1.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_true(allows_address(policy, "any.", "192.0.2.1", true, "1.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_true(allows_address(policy, NULL, "::ffff:192.0.2.1", true, "1.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_false(allows_address(policy, NULL, "192.0.2.1", false, "1.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_false(allows_address(policy, NULL, "192.0.2.10", true, "1.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_false(allows_address(policy, NULL, "192.0.2.1", true, "1.2.0.192.in-addr.arpa.", TYPE_A));
	assert_true(allows_address(narrow, NULL, "192.0.2.254", true, "254.2.0.192.in-addr.arpa.", TYPE_PTR));
	assert_false(allows_address(narrow, NULL, "192.0.3.254", true, "254.3.0.192.in-addr.arpa.", TYPE_PTR));
	/* RFC 3596 2.5's own example. */
	assert_true(allows_address(six, NULL, "4321:0:1:2:3:4:567:89ab", true,
				   "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.IP6.ARPA.",
				   TYPE_PTR));
	policy_free(policy);
	policy_free(narrow);
	policy_free(six);
}

/* The ARM: from 2001:DB8:ED0C::/48 C.0.D.E.8.B.D.0.1.0.0.2.ip6.arpa; RFC 3056: 192.0.2.1 is 2002:c000:0201::/48. */
static void
n6to4_self_matches_the_prefix_of_the_address(void **state)
{
	struct policy *policy = policy_of("ip6.arpa.", RULES("grant * 6to4-self . NS(10) DNAME"));

	(void)state;
	assert_true(
		allows_address(policy, NULL, "2001:db8:ed0c::7", true, "C.0.D.E.8.B.D.0.1.0.0.2.ip6.arpa.", TYPE_NS));
	assert_true(allows_address(policy, NULL, "192.0.2.1", true, "1.0.2.0.0.0.0.c.2.0.0.2.ip6.arpa.", TYPE_DNAME));
	assert_true(allows_address(policy, NULL, "2002:c000:201:5::1", true, "1.0.2.0.0.0.0.c.2.0.0.2.ip6.arpa.",
				   TYPE_DNAME));
	assert_false(allows_address(policy, NULL, "192.0.2.1", false, "1.0.2.0.0.0.0.c.2.0.0.2.ip6.arpa.", TYPE_DNAME));
	assert_false(allows_address(policy, NULL, "192.0.2.2", true, "1.0.2.0.0.0.0.c.2.0.0.2.ip6.arpa.", TYPE_DNAME));
	assert_false(allows_address(policy, NULL, "192.0.2.1", true, "1.0.2.0.0.0.0.c.2.0.0.2.ip6.arpa.", TYPE_PTR));
	policy_free(policy);
}

static void
the_first_match_decides_and_no_match_refuses(void **state)
{
	struct policy *policy =
		policy_of("example.test.", RULES("grant dhcp. zonesub A AAAA", "grant acme. name w.example.test. TXT",
						 "deny * zonesub NS", "grant dhcp. zonesub ANY"));
	struct policy_verdict verdict;

	(void)state;
	verdict = ask(policy, "dhcp.", "a.example.test.", TYPE_A);
	assert_true(verdict.allowed);
	assert_int_equal(verdict.rule, 1);
	verdict = ask(policy, "dhcp.", "a.example.test.", TYPE_NS);
	assert_false(verdict.allowed);
	assert_int_equal(verdict.rule, 3);
	assert_string_equal(policy_rule_text(policy, verdict.rule), "deny * zonesub NS");
	verdict = ask(policy, "dhcp.", "a.example.test.", TYPE_MX);
	assert_true(verdict.allowed);
	assert_int_equal(verdict.rule, 4);
	verdict = ask(policy, "acme.", "a.example.test.", TYPE_TXT);
	assert_false(verdict.allowed);
	assert_int_equal(verdict.rule, 0);
	assert_string_equal(policy_rule_text(policy, 0), "no rule");
	policy_free(policy);
}

static void
without_types_all_but_five_match_and_any_matches_all_but_three(void **state)
{
	struct policy *none = policy_of("example.test.", RULES("grant k zonesub"));
	struct policy *any = policy_of("example.test.", RULES("grant k zonesub any"));
	static const struct { uint16_t type; bool none, any;
	} types[] = {
		{TYPE_A, true, true},          {TYPE_TXT, true, true},    {65280, true, true},
		{TYPE_DNSKEY, true, true},     {TYPE_DS, true, true},     {TYPE_CNAME, true, true},
		{TYPE_NSEC3PARAM, true, true}, {TYPE_NS, false, true},    {TYPE_SOA, false, true},
		{TYPE_RRSIG, false, false},    {TYPE_NSEC, false, false}, {TYPE_NSEC3, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(allows(none, "k.", "a.example.test.", types[i].type), types[i].none);
		assert_int_equal(allows(any, "k.", "a.example.test.", types[i].type), types[i].any);
	}
	policy_free(none);
	policy_free(any);
}

/* The ARM: "A PTR(1) ANY(2)": any number of A, one PTR, two of any other type. */
static void
a_limit_is_that_of_the_type_else_of_any(void **state)
{
	struct policy *policy = policy_of("example.test.", RULES("grant k zonesub A PTR(1) ANY(2)"));
	struct policy *any_first = policy_of("example.test.", RULES("grant k zonesub ANY(65535) TYPE65280(7)"));

	(void)state;
	assert_int_equal(ask(policy, "k.", "example.test.", TYPE_A).limit, 0);
	assert_int_equal(ask(policy, "k.", "example.test.", TYPE_PTR).limit, 1);
	assert_int_equal(ask(policy, "k.", "example.test.", TYPE_TXT).limit, 2);
	assert_int_equal(ask(any_first, "k.", "example.test.", 65280).limit, 7);
	assert_int_equal(ask(any_first, "k.", "example.test.", TYPE_NS).limit, 65535);
	policy_free(policy);
	policy_free(any_first);
}

static void
a_wildcard_identity_matches_keys_below_it_and_a_star_every_key(void **state)
{
	struct policy *star = policy_of("example.test.", RULES("grant * zonesub"));
	struct policy *wild = policy_of("example.test.", RULES("grant *.keys.test. zonesub"));
	struct policy *root = policy_of("example.test.", RULES("grant . zonesub"));

	(void)state;
	assert_true(allows(star, "k.", "a.example.test.", TYPE_A));
	assert_true(allows(star, "a.b.c.", "a.example.test.", TYPE_A));
	assert_false(allows(star, NULL, "a.example.test.", TYPE_A)); /* no key, no identity */
	assert_true(allows(wild, "a.keys.test.", "a.example.test.", TYPE_A));
	assert_true(allows(wild, "a.b.keys.test.", "a.example.test.", TYPE_A));
	assert_false(allows(wild, "keys.test.", "a.example.test.", TYPE_A));
	assert_false(allows(root, "k.", "a.example.test.", TYPE_A)); /* a name like any other */
	policy_free(star);
	policy_free(wild);
	policy_free(root);
}

static void
from_wants_one_of_its_addresses_and_still_a_key(void **state)
{
	struct policy *policy = policy_of("example.test.", RULES("deny * zonesub TXT from 192.0.2.128/25",
	                                  "grant dhcp. zonesub ANY from 192.0.2.0/24 2001:db8::/32 198.51.100.7"));
	static const struct { const char *key, *address; uint16_t type; bool allowed;
	} asks[] = {
		{"dhcp.", "192.0.2.0", TYPE_A, true},      {"dhcp.", "192.0.2.255", TYPE_A, true},
		{"dhcp.", "192.0.3.0", TYPE_A, false},     {"dhcp.", "2001:db8:ffff::1", TYPE_A, true},
		{"dhcp.", "2001:db9::", TYPE_A, false},    {"dhcp.", "198.51.100.7", TYPE_A, true},
		{"dhcp.", "198.51.100.8", TYPE_A, false},  {"dhcp.", "::ffff:192.0.2.9", TYPE_A, true},
		{"dhcp.", "::192.0.2.9", TYPE_A, false},   {"dhcp.", "192.0.2.127", TYPE_TXT, true},
		{"dhcp.", "192.0.2.128", TYPE_TXT, false}, {NULL, "192.0.2.1", TYPE_A, false},
		{"other.", "192.0.2.1", TYPE_A, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
		assert_int_equal(
			allows_address(policy, asks[i].key, asks[i].address, false, "a.example.test.", asks[i].type),
			asks[i].allowed);
		assert_int_equal(
			allows_address(policy, asks[i].key, asks[i].address, true, "a.example.test.", asks[i].type),
			asks[i].allowed);
	}
	policy_free(policy);
}

static void
spaces_case_quotes_and_a_final_semicolon_are_taken(void **state)
{
	struct policy *policy =
		policy_of("example.test.",
			  RULES("  GRANT \t\"k\"  SubDomain \"example.test\" a AAAA type65280 FROM 192.0.2.1 ; "));

	(void)state;
	assert_true(allows(policy, "k.", "a.example.test.", TYPE_A));
	assert_true(allows(policy, "k.", "a.example.test.", 65280));
	assert_false(allows(policy, "k.", "a.example.test.", TYPE_TXT));
	policy_free(policy);
}

static void
a_mistake_is_told_with_the_word_that_is_wrong(void **state)
{
	static const struct { const char *rule, *reason;
	} bad[] = {
		{"", "a rule begins with grant or deny, not with ''"},
		{"allow k zonesub", "a rule begins with grant or deny, not with 'allow'"},
		{"grant", "the name of a key, or '*', is missing after 'grant'"},
		{"grant a..b zonesub", "'a..b' is not the name of a key"},
		{"grant k", "the type of the rule is missing: name, subdomain, zonesub"},
		{"grant k zonsub", "'zonsub' is not a type of rule that is supported: there are name, subdomain, "
				   "zonesub, wildcard, self, "
				   "selfsub, selfwild, tcp-self and 6to4-self"},
		{"grant EXAMPLE.COM ms-self . A", "'ms-self' needs GSS-TSIG, which is not supported: there are name,"},
		{"grant EXAMPLE.COM krb5-subdomain . A", "'krb5-subdomain' needs GSS-TSIG"},
		{"grant local:/x external *", "'external' is not a type of rule that is supported"},
		{"local", "a rule begins with grant or deny, not with 'local'"},
		{"grant k name", "the name is missing after 'name'"},
		{"grant k self", "the name is missing after 'self'"},
		{"grant k name a..b", "'a..b' is not a name"},
		{"grant k name TXT", "'TXT' is a type: a rule of type name needs a name before it"},
		{"grant k subdomain A AAAA", "'A' is a type: a rule of type subdomain needs a name before it"},
		{"grant k name a.example. A",
		 "'a.example.' is not in the zone example.test.: the rule could never match"},
		{"grant k name test. A", "'test.' is not in the zone example.test.: the rule could never match"},
		{"grant k subdomain other.test. A",
		 "'other.test.' is not in the zone example.test.: the rule could never match"},
		{"grant k wildcard a.example.test. A", "'a.example.test.' is not a wildcard"},
		{"grant k self a.example.test. A",
		 "'a.example.test.': the name of a rule of type self is '.' or that of its key"},
		{"grant * tcp-self * PTR", "'*': the name of a rule of type tcp-self is '.'"},
		{"grant k zonesub AA", "'AA' is not a type"},
		{"grant k zonesub example.test. A", "'example.test.' is not a type"},
		{"grant k zonesub AXFR", "'AXFR' is not a type of data"},
		{"grant k zonesub TSIG", "'TSIG' is not a type of data"},
		{"grant k zonesub PTR(", "'PTR(': a limit is a number in parentheses, as in PTR(1)"},
		{"grant k zonesub PTR()", "'PTR()': a limit is a number"},
		{"grant k zonesub PTR(-1)", "'PTR(-1)': a limit is a number"},
		{"grant k zonesub PTR(1)x", "'PTR(1)x': a limit is a number"},
		{"grant k zonesub PTR(0)", "'PTR(0)': a limit is from 1 to 65535"},
		{"grant k zonesub PTR(65536)", "'PTR(65536)': a limit is from 1 to 65535"},
		{"grant k zonesub PTR(99999999999999999999)",
		 "'PTR(99999999999999999999)': a limit is from 1 to 65535"},
		{"grant k zonesub A from", "an address is missing after 'from'"},
		{"grant k zonesub A from 192.0.2", "'192.0.2' is not an address"},
		{"grant k zonesub A from 192.0.2.0/24 any", "'any' is not an address"},
		{"grant k zonesub A from 192.0.2.1/24", "'192.0.2.1/24' has bits set after the length of its prefix"},
		{"grant k zonesub A from 192.0.2.0/33", "'192.0.2.0/33' needs a length from 0 to 32 after its '/'"},
		{"grant k zonesub A from 2001:db8::/129",
		 "'2001:db8::/129' needs a length from 0 to 128 after its '/'"},
		{"grant k zonesub A from 192.0.2.0/", "'192.0.2.0/' needs a length"},
		{"grant k zonesub A from 192.0.2.0/+8", "'192.0.2.0/+8' needs a length"},
		{"grant k zonesub A from 192.0.2.0/0024", "'192.0.2.0/0024' needs a length"},
	};
	char reason[POLICY_REASON_SIZE];
	uint8_t zone[NAME_MAX_SIZE];
	struct policy *policy = policy_new(name("example.test.", zone));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(policy_add_rule(policy, bad[i].rule, reason), STATUS_MALFORMED);
		if (strncmp(reason, bad[i].reason, strlen(bad[i].reason)) != 0)
			assert_string_equal(reason, bad[i].reason);
	}
	assert_false(allows(policy, "k.", "a.example.test.", TYPE_A));
	policy_free(policy);
}

static void
any_type_asks_whether_some_type_is_allowed_at_the_name(void **state)
{
	struct policy *txt =
		policy_of("example.test.", RULES("deny k name a.example.test. ANY", "grant k zonesub TXT"));
	struct policy *denied = policy_of("example.test.", RULES("deny k zonesub TXT", "grant k zonesub TXT"));
	struct policy *ns = policy_of("example.test.", RULES("deny k zonesub", "grant k zonesub ANY"));

	(void)state;
	assert_true(allows(txt, "k.", "b.example.test.", TYPE_ANY));
	assert_false(allows(txt, "k.", "a.example.test.", TYPE_ANY));
	assert_false(allows(denied, "k.", "a.example.test.", TYPE_ANY));
	assert_true(allows(ns, "k.", "a.example.test.", TYPE_ANY)); /* NS and SOA are left */
	policy_free(txt);
	policy_free(denied);
	policy_free(ns);
}

static bool
could(const char *zone, const char *const *rules, const char *key, const char *address, bool tcp)
{
	struct policy *policy = policy_of(zone, rules);
	struct asker asker;
	bool result = policy_could_allow(policy, asker_set(&asker, key, address, tcp));

	policy_free(policy);
	return result;
}

static void
could_allow_says_whether_a_sender_may_do_anything_at_all(void **state)
{
	(void)state;
	assert_true(could("example.test.", RULES("grant k name a.example.test. A"), "k.", NULL, false));
	assert_false(could("example.test.", RULES("grant k name a.example.test. A"), "l.", NULL, false));
	assert_false(could("example.test.", RULES("grant k name a.example.test. A"), NULL, NULL, false));
	assert_false(could("example.test.", RULES("deny k zonesub ANY"), "k.", NULL, false));
	assert_false(could("example.test.", RULES("deny k zonesub ANY", "grant * zonesub"), "k.", NULL, false));
	assert_true(could("example.test.", RULES("deny k zonesub TXT", "grant * zonesub"), "k.", NULL, false));
	assert_true(could("example.test.", RULES("deny k name example.test. ANY", "grant k subdomain . A"), "k.", NULL,
			  false));
	assert_true(could("example.test.", RULES("grant k wildcard *.example.test. A"), "k.", NULL, false));
	assert_true(could("example.test.", RULES("grant * self ."), "h.example.test.", NULL, false));
	assert_false(could("example.test.", RULES("grant * self ."), "h.example.", NULL, false));
	assert_true(could("example.test.", RULES("grant * selfsub ."), "test.", NULL, false));
	assert_true(could("example.test.", RULES("grant * selfwild ."), "example.test.", NULL, false));
	assert_true(could("example.test.", RULES("grant k zonesub A from 192.0.2.0/24"), "k.", "192.0.2.7", false));
	assert_false(could("example.test.", RULES("grant k zonesub A from 192.0.2.0/24"), "k.", "192.0.3.7", false));
	assert_true(could("2.0.192.in-addr.arpa.", RULES("grant * tcp-self . PTR"), NULL, "192.0.2.7", true));
	assert_false(could("2.0.192.in-addr.arpa.", RULES("grant * tcp-self . PTR"), NULL, "192.0.2.7", false));
	assert_false(could("2.0.192.in-addr.arpa.", RULES("grant * tcp-self . PTR"), NULL, "192.0.3.7", true));
	assert_true(could("2.0.0.2.ip6.arpa.", RULES("grant * 6to4-self . NS"), NULL, "192.0.3.7", true));
}

/* With the names of a certificate, one behind the other. */
static struct policy_verdict
ask_cert(const struct policy *policy, const char *names, size_t size, const char *key, const char *owner)
{
	uint8_t wire[NAME_MAX_SIZE], key_wire[NAME_MAX_SIZE];
	struct policy_requestor who = {
		.key_name = key ? name(key, key_wire) : NULL, .names = (const uint8_t *)names, .names_size = size};

	return policy_allows(policy, &who, name(owner, wire), TYPE_A);
}

static void
cert_wants_a_name_of_the_certificate_and_a_key_is_none(void **state)
{
	static const char one[] = "\1a\4test", both[] = "\1x\0\1a\4test\0\1b\1a\4test";
	struct policy *policy = policy_of("test.", RULES("deny cert:x zonesub ANY", "grant CERT:a.test. name w.test. A",
	                                  "grant cert:*.a.test self . A", "grant k. name k.test. A"));

	(void)state;
	assert_int_equal(ask_cert(policy, one, sizeof one, NULL, "w.test.").rule, 2);
	assert_int_equal(ask_cert(policy, NULL, 0, "a.test.", "w.test.").rule, 0);
	assert_int_equal(ask_cert(policy, one, sizeof one, NULL, "a.test.").rule, 0);
	assert_int_equal(ask_cert(policy, both, sizeof both, NULL, "w.test.").rule, 1);
	/* Any of its names may be the one. */
	assert_int_equal(ask_cert(policy, both + 3, sizeof both - 3, NULL, "b.a.test.").rule, 3);
	assert_int_equal(ask_cert(policy, both + 3, sizeof both - 3, NULL, "w.test.").rule, 2);
	assert_int_equal(ask_cert(policy, one, sizeof one, "k.", "k.test.").rule, 4);
	assert_true(policy_has_cert(policy));
	assert_string_equal((const char *)policy_key(policy, 0), "\1k");
	assert_null(policy_key(policy, 1));
	policy_free(policy);
	policy = policy_of("test.", RULES("grant cert. zonesub A"));
	assert_false(policy_has_cert(policy));
	policy_free(policy);
}

static void
the_keys_that_rules_name_are_listed(void **state)
{
	struct policy *policy =
		policy_of("in-addr.arpa.", RULES("grant A zonesub", "deny * zonesub NS", "grant *.w. zonesub",
						 "grant 1.2.0.192.in-addr.arpa tcp-self .", "grant b.c. self b.c."));
	char text[NAME_TEXT_SIZE];

	(void)state;
	assert_string_equal(name_to_text(policy_key(policy, 0), text), "a.");
	assert_string_equal(name_to_text(policy_key(policy, 1), text), "b.c.");
	assert_null(policy_key(policy, 2));
	policy_free(policy);
}

static void
named_of_bind_decides_alike(void **state)
{
	unsigned allowed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bind_decisions); i++) {
		struct policy *policy = policy_of(bind_decisions[i].zone, bind_decisions[i].rules);
		for (size_t j = 0; j < ARRAY_SIZE(bind_decisions[i].asks) && bind_decisions[i].asks[j].key; j++) {
			const char *key = bind_decisions[i].asks[j].key, *owner = bind_decisions[i].asks[j].name;
			uint16_t type;
			assert_int_equal(rrtype_from_text(bind_decisions[i].asks[j].type, &type), STATUS_OK);
			bool ours = allows_address(policy, strcmp(key, "-") == 0 ? NULL : key, "127.0.0.1",
			                           bind_decisions[i].asks[j].tcp, owner, type);
			if (ours != bind_decisions[i].asks[j].allowed)
				fail_msg("%s: %s %s %s", bind_decisions[i].zone, key, owner,
					 bind_decisions[i].asks[j].type);
			allowed += ours;
		}
		policy_free(policy);
	}
	assert_true(allowed > 50);
}

/* ---- lists ---- */

static struct acl *
acl_of(const char *const *elements)
{
	char reason[POLICY_REASON_SIZE] = "";
	struct acl *acl = acl_new();

	for (; *elements; elements++)
		if (acl_add(acl, *elements, reason) != STATUS_OK)
			fail_msg("%s: %s", *elements, reason);
	return acl;
}

static bool
listed(const char *const *elements, const char *key, const char *address)
{
	struct acl *acl = acl_of(elements);
	struct asker asker;
	bool result = acl_allows(acl, asker_set(&asker, key, address, false));

	acl_free(acl);
	return result;
}

static void
the_first_element_that_matches_decides(void **state)
{
	struct asker asker;

	(void)state;
	assert_true(listed(RULES("key acme.", "127.0.0.0/8"), "acme.", "192.0.2.1"));
	assert_true(listed(RULES("key ACME", "127.0.0.0/8"), "acme.", "192.0.2.1"));
	assert_true(listed(RULES("key  \"acme\" "), "acme.", "192.0.2.1"));
	assert_true(listed(RULES("key acme.", "127.0.0.0/8"), NULL, "127.255.0.1"));
	assert_true(listed(RULES("key acme.", "127.0.0.0/8"), "other.", "127.0.0.1")); /* signed or not */
	assert_false(listed(RULES("key acme.", "127.0.0.0/8"), "other.", "128.0.0.1"));
	assert_false(listed(RULES("key acme."), NULL, "127.0.0.1"));
	assert_true(listed(RULES("any"), NULL, "2001:db8::1"));
	assert_false(listed(RULES("none", "any"), NULL, "127.0.0.1"));
	assert_true(listed(RULES("!none"), NULL, "127.0.0.1"));
	assert_false(listed(RULES("!any", "any"), NULL, "127.0.0.1"));
	assert_false(listed(RULES("!192.0.2.1", "192.0.2.0/24"), NULL, "192.0.2.1"));
	assert_true(listed(RULES("!192.0.2.1", "192.0.2.0/24"), NULL, "192.0.2.2"));
	assert_false(listed(RULES("! key a.", "any"), "a.", "192.0.2.2"));
	assert_true(listed(RULES("! key a.", "any"), "b.", "192.0.2.2"));
	assert_false(acl_allows(NULL, asker_set(&asker, "a.", NULL, false)));
}

static void
mapped_ipv4_is_ipv4_and_ipv4_is_in_no_ipv6_prefix(void **state)
{
	(void)state;
	assert_true(listed(RULES("192.0.2.0/24"), NULL, "::ffff:192.0.2.1"));
	assert_true(listed(RULES("::ffff:192.0.2.0/120"), NULL, "192.0.2.1"));
	assert_true(listed(RULES("::ffff:192.0.2.1"), NULL, "192.0.2.1"));
	assert_true(listed(RULES("::ffff:0:0/96"), NULL, "198.51.100.1"));
	assert_false(listed(RULES("::/0"), NULL, "192.0.2.1"));
	assert_false(listed(RULES("::/0"), NULL, "::ffff:192.0.2.1"));
	assert_false(listed(RULES("0.0.0.0/0"), NULL, "2001:db8::1"));
	assert_true(listed(RULES("0.0.0.0/0"), NULL, "192.0.2.1"));
	assert_true(listed(RULES("2001:db8::/33"), NULL, "2001:db8:7fff::1"));
	assert_false(listed(RULES("2001:db8::/33"), NULL, "2001:db8:8000::1"));
}

static void
a_wrong_element_is_told(void **state)
{
	static const struct { const char *element, *reason;
	} bad[] = {
		{"", "an empty element"},
		{"!", "an empty element"},
		{" ", "an empty element"},
		{"key",
		 "'key' is not an address: an element is 'key NAME', cert:NAME, an address, a prefix, any or none"},
		{"key ", "'key' is not an address"},
		{"key a b", "'a b' is not the name of a key"},
		{"key a..b", "'a..b' is not the name of a key"},
		{"key \"\"", "'' is not the name of a key"},
		{"acme.", "'acme.' is not an address"},
		{"10", "'10' is not an address"},
		{"10/8", "'10/8' is not an address"},
		{"010.0.0.1", "'010.0.0.1' is not an address"},
		{"192.0.2.1@53", "'192.0.2.1@53' is not an address"},
		{"192.0.2.1/8", "'192.0.2.1/8' has bits set after the length of its prefix"},
		{"localhost", "'localhost' is not supported: list the addresses"},
		{"!!any", "'!any' is not an address"},
	};
	char reason[POLICY_REASON_SIZE];
	struct acl *acl = acl_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(acl_add(acl, bad[i].element, reason), STATUS_MALFORMED);
		if (strncmp(reason, bad[i].reason, strlen(bad[i].reason)) != 0)
			assert_string_equal(reason, bad[i].reason);
	}
	acl_free(acl);
}

static void
a_list_takes_names_of_certificates_and_all_below_a_star(void **state)
{
	static const char one[] = "\1a\4test", below[] = "\1b\1a\4test";
	struct acl *acl = acl_of(RULES("!cert:\"bad.test\"", "cert:*.a.test.", "key a.test"));
	struct policy_requestor who = {.names = (const uint8_t *)below, .names_size = sizeof below};

	(void)state;
	assert_true(acl_allows(acl, &who));
	assert_true(acl_has_cert(acl));
	who.names = (const uint8_t *)one;
	who.names_size = sizeof one;
	assert_false(acl_allows(acl, &who));
	who.names = (const uint8_t *)"\3bad\4test\0\1b\1a\4test";
	who.names_size = 10 + sizeof below;
	assert_false(acl_allows(acl, &who));
	acl_free(acl);
}

static void
the_keys_of_a_list_are_listed(void **state)
{
	struct acl *acl = acl_of(RULES("key A", "127.0.0.1", "!key b.c."));
	char text[NAME_TEXT_SIZE];

	(void)state;
	assert_string_equal(name_to_text(acl_key(acl, 0), text), "a.");
	assert_string_equal(name_to_text(acl_key(acl, 1), text), "b.c.");
	assert_null(acl_key(acl, 2));
	acl_free(acl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_matches_exactly_that_name),
		cmocka_unit_test(subdomain_matches_the_name_and_all_below),
		cmocka_unit_test(zonesub_matches_the_whole_zone_and_takes_no_name),
		cmocka_unit_test(wildcard_matches_below_its_parent_at_any_depth_but_not_at_it),
		cmocka_unit_test(self_selfsub_and_selfwild_match_the_name_of_the_key),
		cmocka_unit_test(tcp_self_matches_the_reverse_name_of_the_address_on_tcp_unsigned_too),
		cmocka_unit_test(n6to4_self_matches_the_prefix_of_the_address),
		cmocka_unit_test(the_first_match_decides_and_no_match_refuses),
		cmocka_unit_test(without_types_all_but_five_match_and_any_matches_all_but_three),
		cmocka_unit_test(a_limit_is_that_of_the_type_else_of_any),
		cmocka_unit_test(a_wildcard_identity_matches_keys_below_it_and_a_star_every_key),
		cmocka_unit_test(from_wants_one_of_its_addresses_and_still_a_key),
		cmocka_unit_test(spaces_case_quotes_and_a_final_semicolon_are_taken),
		cmocka_unit_test(a_mistake_is_told_with_the_word_that_is_wrong),
		cmocka_unit_test(any_type_asks_whether_some_type_is_allowed_at_the_name),
		cmocka_unit_test(could_allow_says_whether_a_sender_may_do_anything_at_all),
		cmocka_unit_test(the_keys_that_rules_name_are_listed),
		cmocka_unit_test(cert_wants_a_name_of_the_certificate_and_a_key_is_none),
		cmocka_unit_test(a_list_takes_names_of_certificates_and_all_below_a_star),
		cmocka_unit_test(named_of_bind_decides_alike),
		cmocka_unit_test(the_first_element_that_matches_decides),
		cmocka_unit_test(mapped_ipv4_is_ipv4_and_ipv4_is_in_no_ipv6_prefix),
		cmocka_unit_test(a_wrong_element_is_told),
		cmocka_unit_test(the_keys_of_a_list_are_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
