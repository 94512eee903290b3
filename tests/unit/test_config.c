/* control/config: the example of the interface page, and what is wrong in one line. */
#include "control/config.h"
#include "tests/unit/cmocka.h"
#include <stdio.h>

static const struct config_options no_files = {.no_files = true};

/* As operators write it; the stores of other types too. */
static const char full[] = "server:\n"
			   "  listen: [127.0.0.1@5300, \"::1@5300\"]\n"
			   "  threads: 4\n"
			   "  identity: gw1\n"
			   "  state-dir: state\n"
			   "  control-socket: /run/zonegate.sock\n"
			   "  http: 127.0.0.1@8053\n"
			   "log: {level: debug, format: json, audit: audit.log}\n"
			   "keys:\n"
			   "  - {name: acme., algorithm: hmac-sha512, secret: bWFkZQ==}\n"
			   "  - {name: dhcp., algorithm: hmac-sha256, secret: bWFkZQ==}\n"
			   "stores:\n"
			   "  local: {type: embedded, keep-history: 30d}\n"
			   "  bus:\n"
			   "    type: kafka\n"
			   "    brokers: [127.0.0.1:9092]\n"
			   "    snapshot-every: {changes: 500, interval: 10m}\n"
			   "    create-topics: {partitions: 6, replication: 1}\n"
			   "    properties: {security.protocol: SSL, ssl.ca.location: ca.pem, x.file: pw,\n"
			   "                 ssl.key.location: /k.pem}\n"
			   "  registry:\n"
			   "    type: etcd\n"
			   "    endpoints: [http://127.0.0.1:2379]\n"
			   "    layout: helix\n"
			   "    api: v2\n"
			   "zones:\n"
			   "  - name: Example.TEST.\n"
			   "    store: local\n"
			   "    file: example.test.zone\n"
			   "    serial: date\n"
			   "    update-policy:\n"
			   "      - grant dhcp. zonesub A AAAA DHCID PTR\n"
			   "      - deny * zonesub NS\n"
			   "    allow-transfer: [key acme., 127.0.0.1]\n"
			   "    notify: [127.0.0.1@5301, {address: 127.0.0.1@5302, key: acme.}]\n"
			   "    update-timeout: 500ms\n"
			   "    on-store-failure: {udp: servfail, tcp: drop}\n";

static struct config *
read_good(const char *text)
{
	char reason[CONFIG_REASON_SIZE] = "";
	struct config *config = NULL;
	enum status status = config_parse(text, strlen(text), "conf/zonegate.yaml", NULL, &config, reason);

	assert_string_equal(reason, "");
	assert_int_equal(status, STATUS_OK);
	return config;
}

static void
assert_wrong(const char *text, const char *reason)
{
	char got[CONFIG_REASON_SIZE] = "";
	struct config *config = NULL;

	assert_int_equal(config_parse(text, strlen(text), "z", NULL, &config, got), STATUS_MALFORMED);
	assert_string_equal(got, reason);
}

static void
every_key_is_read(void **state)
{
	struct config *config = read_good(full);
	const struct config_zone *zone = &config->zones[0];

	(void)state;
	assert_int_equal(config->server.listen.count, 2);
	assert_int_equal(config->server.threads, 4);
	assert_string_equal(config->server.identity, "gw1");
	assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(config->log_format, LOG_FORMAT_JSON);
	assert_int_equal(keyring_count(config->keys), 2);
	assert_int_equal(config->store_count, 3);
	assert_true(config->stores[0].keep_history_ms == UINT64_C(30) * 86400 * 1000);
	assert_int_equal(config->stores[1].kafka.snapshot_changes, 500);
	assert_int_equal(config->stores[1].kafka.snapshot_interval_ms, 600000);
	assert_true(config->stores[1].kafka.create_topics);
	assert_string_equal(config->stores[1].kafka.updates_topic, "dns.updates");
	assert_string_equal(config->stores[1].kafka.properties[0].value, "SSL");
	assert_string_equal(config->stores[1].kafka.properties[1].value, "conf/ca.pem");
	assert_string_equal(config->stores[1].kafka.properties[2].value, "conf/pw");
	assert_string_equal(config->stores[1].kafka.properties[3].value, "/k.pem");
	assert_int_equal(config->stores[2].etcd.api, CONFIG_ETCD_V2);
	assert_string_equal(config->stores[2].etcd.prefix, "/helix");
	assert_int_equal(config->stores[2].etcd.ttl_s, 5);
	assert_string_equal(zone->text, "example.test.");
	assert_int_equal(zone->rules->serial, SERIAL_DATE);
	assert_int_equal(zone->rules->update_policy.count, 2);
	assert_int_equal(zone->rules->notify_count, 2);
	assert_int_equal(zone->rules->update_timeout_ms, 500);
	assert_int_equal(zone->rules->on_failure_udp, UPDATE_FAIL_SERVFAIL);
	assert_int_equal(zone->rules->on_failure_tcp, UPDATE_FAIL_DROP);
	config_free(config);
}

static void
relative_paths_are_relative_to_the_file(void **state)
{
	struct config *config = read_good(full);

	(void)state;
	assert_string_equal(config->server.state_dir, "conf/state");
	assert_string_equal(config->server.control_socket, "/run/zonegate.sock");
	assert_string_equal(config->audit, "conf/audit.log");
	assert_string_equal(config->zones[0].file, "conf/example.test.zone");
	config_free(config);
}

static void
what_is_absent_has_its_default(void **state)
{
	struct config *config = read_good("zones: [{name: a.test}]\n");

	(void)state;
	assert_int_equal(config->store_count, 1);
	assert_string_equal(config->stores[0].name, "local");
	assert_string_equal(config->zones[0].rules->store, "local");
	assert_int_equal(config->server.udp_size, 1232);
	assert_int_equal(config->zones[0].rules->update_timeout_ms, 2000);
	assert_int_equal(config->zones[0].rules->on_failure_udp, UPDATE_FAIL_DROP);
	assert_int_equal(config->zones[0].rules->on_failure_tcp, UPDATE_FAIL_SERVFAIL);
	assert_false(config->zones[0].rules->strict);
	config_free(config);
}

static void
an_only_store_need_not_be_named(void **state)
{
	struct config *config = read_good("stores: {here: {type: embedded}}\nzones: [{name: a.test}]\n");

	(void)state;
	assert_string_equal(config->zones[0].rules->store, "here");
	config_free(config);
}

static void
a_mistake_has_its_line(void **state)
{
	(void)state;
	assert_wrong("server:\n  lisen: []\n", "z:2: unknown key \"lisen\" in server");
	assert_wrong("server:\n  threads: 257\n", "z:2: threads: 257 is out of range (0 to 256)");
	assert_wrong("server:\n  threads: -1\n", "z:2: threads: -1 is out of range (0 to 256)");
	assert_wrong("server:\n  threads: '4'\n", "z:2: threads: a number is expected, not \"4\"");
	assert_wrong("server:\n  threads:\n    - 1\n", "z:3: threads: a number is expected, not a list");
	assert_wrong("server:\n  threads: 1\n\n  threads: 2\n", "z:4: threads is given twice in server");
	assert_wrong("server:\n  listen: [127.0.0.1@70000]\n", "z:2: listen: \"127.0.0.1@70000\" is no address@port");
	assert_wrong("log:\n  level: loud\n", "z:2: level: error, warning, info or debug is expected, not \"loud\"");
	assert_wrong("log:\n  audit:\n", "z:2: audit has no value");
	assert_wrong("zones:\n  - name: a.test\n  - name: A.test.\n", "z:3: zone a.test. is given twice");
	assert_wrong("zones:\n  - file: x\n", "z:2: zones: name is missing");
	assert_wrong("zones:\n  - name: a.test\n    store: b\n", "z:3: zone a.test.: store b is not in stores");
	assert_wrong("zones:\n  - name: a.test\n    strict: yes\n",
		     "z:3: strict: true or false is expected, not \"yes\"");
	assert_wrong("zones:\n  - name: a.test\n    update-timeout: 2\n",
		     "z:3: update-timeout: a time like 500ms, 2s, 1h or 90d is expected, not \"2\"");
	assert_wrong("zones:\n  - name: a.test\n    update-timeout: 2h\n",
		     "z:3: update-timeout: 2h is out of range (10ms to 1h)");
	assert_wrong("stores:\n  s: {type: embedded, keep-history: 99999999999999999999d}\n",
		     "z:2: keep-history: 99999999999999999999d is out of range (1s to 36500d)");
	assert_wrong("", "z:1: the configuration is empty");
	assert_wrong("zones: []\n---\nlog: {}\n", "z:2: a second YAML document");
}

static void
a_key_that_a_rule_names_must_be_there(void **state)
{
	(void)state;
	assert_wrong("zones:\n  - name: a.test\n    update-policy:\n      - grant k. zonesub ANY\n",
		     "z:4: key k. is not in keys");
	assert_wrong("zones:\n  - name: a.test\n    allow-update: [key k.]\n", "z:3: key k. is not in keys");
	assert_wrong("zones:\n  - name: a.test\n    allow-transfer:\n      - 127.0.0.1\n      - key k.\n",
		     "z:5: key k. is not in keys");
	assert_wrong("zones:\n  - name: a.test\n    notify:\n      - {address: 127.0.0.1, key: k.}\n",
		     "z:4: key k. is not in keys");
}

static void
policy_and_allow_update_exclude_each_other(void **state)
{
	(void)state;
	assert_wrong("zones:\n  - name: a.test\n    update-policy: []\n    allow-update: []\n",
		     "z:2: zone a.test.: update-policy and allow-update exclude each other");
}

static bool
only_embedded(enum config_store_type type)
{
	return type == CONFIG_STORE_EMBEDDED;
}

static void
a_store_that_is_not_built_in_is_said_so(void **state)
{
	const struct config_options options = {.has_store = only_embedded};
	const char text[] = "stores:\n  a: {type: embedded}\n  b:\n    type: kafka\n    brokers: [h:1]\n";
	char reason[CONFIG_REASON_SIZE];
	struct config *config;

	(void)state;
	assert_int_equal(config_parse(text, sizeof text - 1, "z", &options, &config, reason), STATUS_MALFORMED);
	assert_string_equal(reason, "z:4: store type kafka is not built in");
}

static void
an_alias_stands_for_what_its_anchor_is_at(void **state)
{
	struct config *config = read_good(
		"keys: [{name: k., algorithm: &a hmac-sha256, secret: bWFkZQ==},\n"
		"       {name: l., algorithm: *a, secret: eA==}]\n"
		"zones:\n  - &z {name: &n z.test, ns: [*n, &m a.test], allow-transfer: &t [any, none]}\n"
		"  - {name: y.test, allow-transfer: *t, allow-query: *t, ns: [*m, *n]}\n");
	const struct config_rules *z = config->zones[0].rules, *y = config->zones[1].rules;

	(void)state;
	assert_int_equal(keyring_count(config->keys), 2);
	assert_string_equal(z->allow_transfer.items[1], "none");
	assert_string_equal(y->allow_transfer.items[1], "none");
	assert_string_equal(y->allow_query.items[0], "any");
	assert_true(name_equal(y->ns[0], z->ns[1]));
	assert_true(name_equal(y->ns[1], config->zones[0].name));
	config_free(config);
}

/* YAML aliases can make a small file endless, or billions of values. */
static void
aliases_do_not_blow_up(void **state)
{
	char text[2048] = "zones: &a0 [x,x,x,x,x,x,x,x,x,x]\n";

	(void)state;
	assert_wrong("zones: &a [*a]\n", "z:1: more than 16 levels");
	assert_wrong("zones: [*a]\n", "z:1: *a: there is no such anchor before it");
	assert_wrong("log: &a {level: &a info}\n", "z:1: &a: there is such an anchor already");
	for (int i = 1; i < 12; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof text - used, "k%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
			 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	}
	char reason[CONFIG_REASON_SIZE] = "";
	struct config *config;
	assert_int_equal(config_parse(text, strlen(text), "z", &no_files, &config, reason), STATUS_MALFORMED);
	assert_non_null(strstr(reason, "values"));
}

static void
a_zone_by_itself_is_checked_against_the_configuration(void **state)
{
	struct config *config = read_good(full), *fragment;
	char reason[CONFIG_REASON_SIZE] = "";
	const char good[] =
		"{\"name\":\"b.test.\",\"store\":\"local\",\"update-policy\":[\"grant dhcp. zonesub ANY\"]}";
	const char bad[] = "{\"name\":\"b.test.\",\"store\":\"nowhere\"}";

	(void)state;
	assert_int_equal(config_parse_zone(config, good, sizeof good - 1, &fragment, reason), STATUS_OK);
	assert_string_equal(fragment->zones[0].rules->store, "local");
	config_free(fragment);
	assert_int_equal(config_parse_zone(config, bad, sizeof bad - 1, &fragment, reason), STATUS_MALFORMED);
	assert_string_equal(reason, "zone b.test.: store nowhere is not in stores");
	config_free(config);
}

static void
what_excludes_being_a_catalog_is_said(void **state)
{
	(void)state;
	assert_wrong("zones:\n  - name: a.test\n    catalog: produce\n    allow-update: [127.0.0.1]\n",
		     "z:3: zone a.test.: the gateway alone fills a catalog that it produces: no file, update-policy or "
		     "allow-update");
	assert_wrong("zones:\n  - name: a.test\n    members: {strict: true}\n",
		     "z:3: zone a.test.: members is for catalog: consume");
	assert_wrong("zones:\n  - name: a.test\n    groups: {a: {}}\n",
		     "z:2: zone a.test.: groups is for catalog: consume");
	assert_wrong("zones:\n  - name: a.test\n    catalog: none\n    catalog-group: a\n",
		     "z:2: zone a.test.: catalog-group is for members of a catalog");
	assert_wrong("zones:\n  - name: a.test\n    catalog-group: 'a\"b'\n",
		     "z:3: catalog-group: only printable ASCII without \" and \\");
	assert_wrong("zones:\n  - name: a.test\n    catalog: consume\n    groups: [a]\n",
		     "z:4: groups: a map is expected");
	assert_wrong("zones:\n  - name: a.test\n    catalog: consume\n    groups:\n      a: {strict: maybe}\n",
		     "z:5: strict: true or false is expected, not \"maybe\"");
	assert_wrong("zones:\n  - name: a.test\n    catalog: consume\n    groups:\n      a: {update-policy: [x]}\n",
		     "z:5: update-policy: a rule begins with grant or deny, not with 'x'");
	assert_wrong("zones:\n  - name: a.test\n    catalog: consume\n    members: {file: x}\n",
		     "z:4: unknown key \"file\" in members");
	assert_wrong("keys: [{name: k., algorithm: hmac-sha256, secret: bWFkZQ==}]\n"
		     "zones:\n  - name: a.test\n    catalog: consume\n    members:\n      update-policy:\n"
		     "        - grant k. name www.a.test. A\n",
		     "z:7: update-policy: 'www.a.test.' is not in the zone catalogmember.: the rule could never match");
}

static void
members_of_a_catalog_take_its_store_and_transfer_settings(void **state)
{
	struct config *config = read_good(
		"stores: {x: {type: embedded}, y: {type: embedded}}\n"
		"zones:\n"
		"  - {name: a.test, store: y, catalog: consume, allow-transfer: [any], members: {strict: true},\n"
		"     groups: {g: {zonemd: true}, h: {store: x}}}\n"
		"  - {name: b.test, store: y, catalog: consume, allow-transfer: [any], notify: [127.0.0.1],\n"
		"     members: {store: x, allow-transfer: [none]}}\n");
	const struct config_rules *a = config->zones[0].members->rules;
	const struct config_rules *b = config->zones[1].members->rules;

	(void)state;
	assert_string_equal(a->store, "y");
	assert_string_equal(a->allow_transfer.items[0], "any");
	assert_true(a->strict);
	assert_int_equal(a->update_timeout_ms, 2000);
	const struct config_group *g = config_find_group(&config->zones[0], "g!", 1);
	assert_string_equal(g->members->rules->store, "y");
	assert_string_equal(g->members->rules->allow_transfer.items[0], "any");
	assert_true(g->members->rules->zonemd && !g->members->rules->strict);
	const struct config_group *h = config_find_group(&config->zones[0], "h", 1);
	assert_string_equal(h->members->rules->store, "x");
	assert_null(config_find_group(&config->zones[0], "g!", 2));
	assert_string_equal(b->store, "x");
	assert_string_equal(b->allow_transfer.items[0], "none");
	assert_int_equal(b->notify_count, 1);
	config_free(config);
}

static void
zones_that_say_the_same_share_what_they_say(void **state)
{
	static const char *const kinds[] = {
		"allow-transfer: [any, 10.0.0.0/8]", "allow-transfer: [any]", "strict: true, allow-transfer: [any]",
		"allow-update: [key k.]", "update-policy: [grant k. zonesub A]",
		"update-policy: [grant k. zonesub ANY]",
		"notify: [127.0.0.1@5300]", "notify: [127.0.0.1@5301]",
		"notify: [{address: 127.0.0.1@5300, key: k.}]",
		"soa: {mname: a.test}", "soa: {mname: b.test}", "ns: [a.test, b.test]", "ns: [a.test]",
		"serial: date", "update-timeout: 1s", "allow-query: [10.0.0.0/8]",
	};
	char text[200000];
	int used = sprintf(text, "keys: [{name: k., algorithm: hmac-sha256, secret: bWFkZQ==}]\nzones:\n");

	(void)state;
	for (int i = 0; i < 1000; i++)
		used += sprintf(text + used, "  - {name: z%d.test, file: z%d, %s}\n", i, i,
				kinds[i % (int)ARRAY_SIZE(kinds)]);
	struct config *config = read_good(text);
	for (size_t i = 0; i < 1000; i++)
		for (size_t j = 0; j < ARRAY_SIZE(kinds); j++)
			assert_int_equal(config->zones[i].rules == config->zones[j].rules,
					 i % ARRAY_SIZE(kinds) == j);
	assert_string_equal(config->zones[999].file, "conf/z999");
	assert_string_equal(config->zones[999].text, "z999.test.");
	assert_int_equal(config->zones[999].line, 1002);
	/* More of it than of anything else would be said 1,000 times. */
	assert_true(config->arena.used_bytes < 1000 * 200);
	config_free(config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zones_that_say_the_same_share_what_they_say),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(relative_paths_are_relative_to_the_file),
		cmocka_unit_test(what_is_absent_has_its_default),
		cmocka_unit_test(an_only_store_need_not_be_named),
		cmocka_unit_test(a_mistake_has_its_line),
		cmocka_unit_test(a_key_that_a_rule_names_must_be_there),
		cmocka_unit_test(policy_and_allow_update_exclude_each_other),
		cmocka_unit_test(a_store_that_is_not_built_in_is_said_so),
		cmocka_unit_test(an_alias_stands_for_what_its_anchor_is_at),
		cmocka_unit_test(aliases_do_not_blow_up),
		cmocka_unit_test(a_zone_by_itself_is_checked_against_the_configuration),
		cmocka_unit_test(what_excludes_being_a_catalog_is_said),
		cmocka_unit_test(members_of_a_catalog_take_its_store_and_transfer_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
