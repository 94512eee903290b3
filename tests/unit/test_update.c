/* update/update.c and update/permit.c: who may do what, and the order of the checks (updates.md 0 to 8). */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"

static const char zone[] =
	"@ 300 SOA ns1 hostmaster 7 3600 600 86400 300\n"
	"@ 300 NS ns1\n"
	"@ 300 MX 10 ns1\n"
	"ns1 300 A 192.0.2.53\n"
	"www 300 A 192.0.2.1\n"
	"www 300 TXT \"x\"\n"
	"mixed 300 A 192.0.2.1\n"
	"mixed 300 SSHFP 1 1 123456789abcdef67890123456789abcdef67890\n";

static struct update_settings *
settings_with(const char *const *rules, size_t count)
{
	struct update_settings *settings = calloc(1, sizeof *settings);
	char reason[POLICY_REASON_SIZE];

	settings->policy = policy_new(UPDATE_TEXT_ZONE);
	for (size_t i = 0; i < count; i++)
		if (policy_add_rule(settings->policy, rules[i], reason) != STATUS_OK)
			zone_text_fail("rule", rules[i], reason);
	return settings;
}

static const char *const rules[] = {
	"deny dhcp. name ns1.example.test. ANY",
	"grant dhcp. zonesub A AAAA DHCID TXT(2) MX",
	"grant acme. name _acme-challenge.example.test. TXT",
	"grant limited. zonesub PTR(1)",
	"grant all. zonesub ANY",
};

static const struct row {
	const char *sentence, *key, *message, *outcome, *why;
} rows[] = {
	{"a rule allows", "dhcp.", "U new 300 IN A 192.0.2.7", "NOERROR\nADD new A 300 192.0.2.7\n", ""},
	{"an earlier rule denies", "dhcp.", "U ns1 300 IN A 192.0.2.7", "REFUSED\n", "rule 1"},
	{"no rule is about the type", "dhcp.", "U new 300 IN PTR host.test.", "REFUSED\n",
	 "no rule allows new.example.test. PTR"},
	{"no rule is about the name", "acme.", "U www 300 IN TXT \"x\"", "REFUSED\n", "no rule"},
	{"the name and the type of the rule", "acme.", "U _acme-challenge 300 IN TXT \"x\"",
	 "NOERROR\nADD _acme-challenge TXT 300 \"x\"\n", ""},
	{"no rule is about the key", "other.", "U new 300 IN A 192.0.2.7", "REFUSED\n", "no rule"},
	{"nobody in particular", NULL, "U new 300 IN A 192.0.2.7", "REFUSED\n", "no rule"},
	{"one refused record refuses the message", "dhcp.", "U new 300 IN A 192.0.2.7\nU new 300 IN PTR host.test.",
	 "REFUSED\n", "PTR"},
	{"deletion of an RRset is about its type", "dhcp.", "U new 0 ANY PTR", "REFUSED\n", "PTR"},
	{"deletion of a record too", "dhcp.", "U new 0 NONE PTR host.test.", "REFUSED\n", "PTR"},
	{"deletion of a name is about each type there", "dhcp.", "U www 0 ANY ANY", "NOERROR\nDEL www A\nDEL www TXT\n",
	 ""},
	{"one of them may not be deleted", "dhcp.", "U mixed 0 ANY ANY", "REFUSED\n", "SSHFP"},
	{"none there: whoever may have something there", "dhcp.", "U new 0 ANY ANY", "NOERROR\n", ""},
	{"none there, and nothing allowed there", "acme.", "U new 0 ANY ANY", "REFUSED\n", "no rule"},
	{"at the apex SOA and NS stay, and are not asked for", "dhcp.", "U @ 0 ANY ANY", "NOERROR\nDEL @ MX\n", ""},
	{"policy before prerequisites", "acme.", "P nobody 0 ANY ANY\nU www 300 IN TXT \"x\"", "REFUSED\n", "no rule"},
	{"form before policy", "other.", "U www.example.org. 300 IN A 192.0.2.1", "NOTZONE\n", "within"},
	{"a question of one who is allowed something", "acme.", "P www 0 ANY A", "NOERROR\n", ""},
	{"and its answer", "acme.", "P www 0 NONE A", "YXRRSET\n", "www"},
	{"a question of a stranger", "other.", "P www 0 ANY A", "REFUSED\n", "no rule"},
	{"a question of nobody", NULL, "P www 0 ANY A", "REFUSED\n", "no rule"},
	{"NSEC is never updated", "all.", "U www 300 IN NSEC ns1 A", "REFUSED\n", "NSEC is never updated"},
	{"nor deleted", "all.", "U www 0 ANY NSEC", "REFUSED\n", "NSEC is never updated"},
	{"nor RRSIG", "all.", "U www 0 ANY RRSIG", "REFUSED\n", "RRSIG is never updated"},
	{"nor NSEC3", "all.", "U www 0 ANY NSEC3", "REFUSED\n", "NSEC3 is never updated"},
	{"DNSKEY is data", "all.",
	 "U www 300 IN DNSKEY 256 3 8 AQIDBA==", "NOERROR\nADD www DNSKEY 300 256 3 8 AQIDBA==\n", ""},
	{"TYPE(n): up to n", "limited.", "U p 300 IN PTR a.test.", "NOERROR\nADD p PTR 300 a.test.\n", ""},
	{"TYPE(n): not more", "limited.", "U p 300 IN PTR a.test.\nU p 300 IN PTR b.test.", "REFUSED\n", "PTR(1)"},
	{"TYPE(n): what is there counts", "dhcp.", "U www 300 IN TXT \"y\"\nU www 300 IN TXT \"z\"", "REFUSED\n",
	 "TXT(2)"},
	{"TYPE(n): what goes counts not", "dhcp.", "U www 0 ANY TXT\nU www 300 IN TXT \"y\"\nU www 300 IN TXT \"z\"",
	 "NOERROR\nSET www TXT 300 \"y\" + \"z\"\n", ""},
};

static void
each_rule_has_its_outcome(void **state)
{
	struct update_settings *settings = settings_with(rules, ARRAY_SIZE(rules));
	bool failed = false;
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *outcome = update_text_evaluate(zone, rows[i].message, settings, rows[i].key, &why);
		if (strcmp(outcome, rows[i].outcome) == 0 && strstr(why, rows[i].why))
			continue;
		print_error("%s:\n%s-- is expected, is\n%s(%s)\n", rows[i].sentence, rows[i].outcome, outcome, why);
		failed = true;
	}
	update_settings_free(settings);
	assert_false(failed);
}

static void
without_policy_and_list_nobody_may(void **state)
{
	struct update_settings nothing = {0};
	const struct policy_requestor who = {0};

	(void)state;
	assert_string_equal(update_text_evaluate(zone, "U new 300 IN A 192.0.2.7", &nothing, "all.", NULL),
			    "REFUSED\n");
	assert_string_equal(update_text_evaluate(zone, "U new 300 IN A 192.0.2.7", NULL, "all.", NULL), "REFUSED\n");
	assert_false(update_could_allow(&nothing, &who));
	assert_false(update_could_allow(NULL, &who));
}

static void
an_address_in_allow_update_matches_signed_and_unsigned(void **state)
{
	struct update_settings *settings = calloc(1, sizeof *settings);
	char reason[POLICY_REASON_SIZE];

	(void)state;
	settings->allow_update = acl_new();
	assert_int_equal(acl_add(settings->allow_update, "192.0.2.0/24", reason), STATUS_OK);
	assert_string_equal(update_text_evaluate(zone, "U new 300 IN A 192.0.2.7", settings, NULL, NULL),
			    "NOERROR\nADD new A 300 192.0.2.7\n");
	assert_string_equal(update_text_evaluate(zone, "U new 300 IN A 192.0.2.7", settings, "k.", NULL),
			    "NOERROR\nADD new A 300 192.0.2.7\n");
	update_settings_free(settings);
}

static void
a_frozen_zone_takes_no_updates(void **state)
{
	struct update_settings *settings = update_text_open(false);
	struct zone_version *version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	struct update_request request;
	struct change change;
	uint8_t wire[512];

	(void)state;
	version->frozen = true;
	size_t size = update_text_build(1, "U new 300 IN A 192.0.2.7", wire, sizeof wire);
	assert_int_equal(update_text_request(&request, wire, size, NULL), PARSE_OK);
	assert_int_equal(update_evaluate(&request, version, settings, 0, &change), UPDATE_NOTHING);
	assert_int_equal(request.rcode, RCODE_REFUSED);
	assert_non_null(strstr(request.ede.text, "frozen"));
	arena_free(&request.arena);
	draft_discard(version);
	update_settings_free(settings);
}

static void
a_change_says_what_it_was_evaluated_on_and_for_whom(void **state)
{
	struct update_settings *settings = update_text_open(false);
	struct zone_version *version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	struct update_request request;
	struct change change;
	uint8_t wire[512];

	(void)state;
	settings->serial = SERIAL_UNIXTIME;
	size_t size = update_text_build(4660, "U new 300 IN A 192.0.2.7\nU new 0 ANY TXT", wire, sizeof wire);
	assert_int_equal(update_text_request(&request, wire, size, "dhcp."), PARSE_OK);
	assert_int_equal(update_evaluate(&request, version, settings, 1763766000, &change), UPDATE_CHANGE);
	assert_int_equal(change.base, 1);
	assert_memory_equal(change.base_id, version->id, VERSION_ID_SIZE);
	assert_int_equal(change.serial, 1763766000);
	assert_int_equal(change.frozen, -1);
	assert_false(change.exclusive);
	assert_string_equal(change.origin.client, "192.0.2.9@53211");
	assert_string_equal(change.origin.transport, "udp");
	assert_string_equal(change.origin.key, "dhcp.");
	assert_int_equal(change.origin.id, 4660);
	/* Again, on a later version. */
	assert_int_equal(update_evaluate(&request, version, settings, 1763766000, &change), UPDATE_CHANGE);
	assert_int_equal(change.op_count, 1);
	const uint8_t **names;
	size_t count;
	assert_int_equal(update_names(&request, &names, &count), STATUS_OK);
	assert_int_equal(count, 1);
	assert_true(name_equal(names[0], (const uint8_t *)"\003new\007example\004test"));
	arena_free(&request.arena);
	draft_discard(version);
	update_settings_free(settings);
}

static void
a_serial_of_the_message_is_taken(void **state)
{
	struct update_settings *settings = update_text_open(false);
	struct zone_version *version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	struct update_request request;
	struct change change;
	uint8_t wire[512];

	(void)state;
	settings->serial = SERIAL_UNIXTIME;
	size_t size = update_text_build(1, "U @ 300 IN SOA ns1 hostmaster 100 1 2 3 4", wire, sizeof wire);
	assert_int_equal(update_text_request(&request, wire, size, NULL), PARSE_OK);
	assert_int_equal(update_evaluate(&request, version, settings, 1763766000, &change), UPDATE_CHANGE);
	assert_int_equal(change.serial, 0);
	arena_free(&request.arena);
	draft_discard(version);
	update_settings_free(settings);
}

static void
a_full_arena_is_servfail(void **state)
{
	struct update_settings *settings = update_text_open(false);
	struct zone_version *version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	struct update_request request;
	struct change change;
	uint8_t wire[512];

	(void)state;
	size_t size = update_text_build(1, "P www 0 IN A 192.0.2.1\nU new 300 IN A 192.0.2.7\nU www 300 IN TXT \"b\"",
					wire, sizeof wire);
	for (size_t cap = size; cap < 6000; cap += 16) {
		assert_int_equal(update_text_request(&request, wire, size, NULL), PARSE_OK);
		request.arena.cap_bytes = request.arena.used_bytes + cap - size;
		if (update_evaluate(&request, version, settings, 0, &change) == UPDATE_NOTHING)
			assert_int_equal(request.rcode, RCODE_SERVFAIL);
		else
			assert_int_equal(request.rcode, RCODE_NOERROR);
		arena_free(&request.arena);
	}
	draft_discard(version);
	update_settings_free(settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_has_its_outcome),
		cmocka_unit_test(without_policy_and_list_nobody_may),
		cmocka_unit_test(an_address_in_allow_update_matches_signed_and_unsigned),
		cmocka_unit_test(a_frozen_zone_takes_no_updates),
		cmocka_unit_test(a_change_says_what_it_was_evaluated_on_and_for_whom),
		cmocka_unit_test(a_serial_of_the_message_is_taken),
		cmocka_unit_test(a_full_arena_is_servfail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
