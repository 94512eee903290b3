/* store/etcd_layout.c: values from HelixDNS's README, CoreDNS's documentation and events.md. */
#include "store/etcd_layout.h"
#include "wire/present.h"
#include <stdlib.h>
#include "tests/unit/cmocka.h"

static const char *
one_text(const struct etcd_records *records, uint16_t type, char *text)
{
	struct etcd_record record;
	size_t length;

	for (size_t at = 0; etcd_records_next(records, &at, &record);)
		if (record.type == type) {
			assert_int_equal(
				present_rdata(type, record.rdata, record.size, text, PRESENT_TEXT_SIZE, &length),
				STATUS_OK);
			return text;
		}
	return "";
}

static void
a_helix_key_is_a_reversed_name_and_a_type(void **state)
{
	uint8_t owner[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE], reason[ETCD_LAYOUT_REASON_SIZE];
	uint16_t type;

	(void)state;
	assert_int_equal(etcd_layout_helix_key("com/example/Foo/A", 17, owner, &type, reason), STATUS_OK);
	assert_string_equal(name_to_text(owner, text), "foo.example.com.");
	assert_int_equal(type, TYPE_A);
	assert_int_equal(etcd_layout_helix_key("arpa/in-addr/12/34/56/78/PTR", 28, owner, &type, reason), STATUS_OK);
	assert_string_equal(name_to_text(owner, text), "78.56.34.12.in-addr.arpa.");
	assert_int_equal(etcd_layout_helix_key("com/example/foo", 15, owner, &type, reason), STATUS_INVALID);
	assert_int_equal(etcd_layout_helix_key("com//foo/A", 10, owner, &type, reason), STATUS_INVALID);
	assert_int_equal(etcd_layout_helix_key("com/foo/ANY", 11, owner, &type, reason), STATUS_INVALID);
}

static void
a_path_leads_back_to_its_name(void **state)
{
	static const uint8_t name[] = "\3a.b\3c/d\1*\4_tcp\7example\3com";
	uint8_t back[NAME_MAX_SIZE];
	char path[ETCD_PATH_SIZE], reason[ETCD_LAYOUT_REASON_SIZE];

	(void)state;
	etcd_layout_path(name, path);
	assert_string_equal(path, "com/example/_tcp/*/c\\047d/a\\046b");
	assert_int_equal(etcd_layout_name(path, strlen(path), back, reason), STATUS_OK);
	assert_true(name_equal(name, back));
}

static void
helix_values_are_checked(void **state)
{
	static const struct { uint16_t type; const char *value, *text;
	} cases[] = {
		{TYPE_A, "123.123.123.123", "123.123.123.123"},
		{TYPE_A, "[\"1.2.3.4\",\"1.2.3.5\"]", "1.2.3.4"},
		{TYPE_A, "999.1.2.3", NULL},
		{TYPE_A, "", NULL},
		{TYPE_A, "[]", NULL},
		{TYPE_CNAME, "www.example.com.", "www.example.com."},
		{TYPE_CNAME, "[\"a.example.\",\"b.example.\"]", NULL},
		{TYPE_SRV, "[{\"Priority\":10,\"Weight\":60,\"Port\":5060,\"Target\":\"foo.example.com.\"}]",
		 "10 60 5060 foo.example.com."},
		{TYPE_SRV, "[{\"Priority\":65536,\"Weight\":60,\"Port\":5060,\"Target\":\"foo.example.com.\"}]", NULL},
		{TYPE_SRV, "[{", NULL},
		{TYPE_SOA,
		 "{\"Ns\":\"ns.\",\"Mbox\":\"m.\",\"Serial\":4294967295,\"Refresh\":2,\"Retry\":3,\"Expire\":4,"
		 "\"Minttl\":5}",
		 "ns. m. 4294967295 2 3 4 5"},
		{TYPE_MX, "[\"10 mail.example.com.\"]", "10 mail.example.com."},
		{TYPE_TXT, "plain text", "\"plain text\""},
	};
	char *text = malloc(PRESENT_TEXT_SIZE), reason[ETCD_LAYOUT_REASON_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct etcd_records records = {0};
		enum status status = etcd_layout_helix_value(cases[i].type, cases[i].value, strlen(cases[i].value), 5,
							     &records, reason);
		assert_int_equal(status, cases[i].text ? STATUS_OK : STATUS_INVALID);
		if (cases[i].text)
			assert_string_equal(one_text(&records, cases[i].type, text), cases[i].text);
		else
			assert_int_equal(records.size, 0);
		etcd_records_free(&records);
	}
	free(text);
}

static void
names_hold_all_rrsets_of_a_name(void **state)
{
	static const char value[] = "{\"A\":{\"ttl\":300,\"content\":[\"192.0.2.7\",\"192.0.2.8\"]},\"TXT\":{\"ttl\":"
				    "60,\"content\":[\"\\\"x\\\"\"]}}";
	static const char *const wrong[] = {"",
					    "[]",
					    "{\"A\":{}}",
					    "{\"A\":{\"ttl\":300,\"content\":[]}}",
					    "{\"ANY\":{\"ttl\":1,\"content\":[\"x\"]}}",
					    "{\"A\":{\"ttl\":-1,\"content\":[\"192.0.2.7\"]}}",
					    "{\"A\":{\"ttl\":1,\"content\":[7]}}"};
	struct etcd_records records = {0};
	char reason[ETCD_LAYOUT_REASON_SIZE];
	struct rrset rrset;
	uint8_t *packed;
	uint16_t type = 0;

	(void)state;
	assert_int_equal(etcd_layout_read_names(value, sizeof value - 1, &records, reason), STATUS_OK);
	assert_int_equal(etcd_records_rrset(&records, &type, &rrset, &packed), STATUS_OK);
	assert_int_equal(rrset.type, TYPE_A);
	assert_int_equal(rrset.count, 2);
	assert_int_equal(rrset.ttl_s, 300);
	free(packed);
	assert_int_equal(etcd_records_rrset(&records, &type, &rrset, &packed), STATUS_OK);
	assert_int_equal(rrset.type, TYPE_TXT);
	free(packed);
	assert_int_equal(etcd_records_rrset(&records, &type, &rrset, &packed), STATUS_NOT_FOUND);
	etcd_records_free(&records);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(etcd_layout_read_names(wrong[i], strlen(wrong[i]), &records, reason), STATUS_INVALID);
		etcd_records_free(&records);
	}
}

static void
a_service_is_read_as_coredns_reads_it(void **state)
{
	static const char value[] = "{\"host\":\"::ffff:10.0.0.1\",\"Port\":8080,\"weight\":10,\"ttl\":60,\"text\":"
				    "\"x\",\"group\":\"g\",\"targetstrip\":1}";
	static const char *const wrong[] = {"",
					    "{}",
					    "{\"host\":",
					    "{\"host\":\"300.1.1.1\"}",
					    "{\"host\":\"a.example\",\"port\":\"80\"}",
					    "{\"host\":7}",
					    "{\"host\":\"a..b\"}",
					    "[]",
					    "{\"host\":\"1.2.3.4\",\"port\":70000}"};
	char reason[ETCD_LAYOUT_REASON_SIZE];
	struct etcd_service service;

	(void)state;
	assert_int_equal(etcd_layout_read_service(value, sizeof value - 1, &service, reason), STATUS_OK);
	assert_int_equal(service.kind, ETCD_HOST_A);
	assert_memory_equal(service.address, "\12\0\0\1", 4);
	assert_int_equal(service.port, 8080);
	assert_int_equal(service.target_strip, 1);
	assert_string_equal(service.group, "g");
	etcd_layout_free_service(&service);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(etcd_layout_read_service(wrong[i], strlen(wrong[i]), &service, reason),
				 STATUS_INVALID);
}

static void
skydns_takes_what_it_has_a_place_for(void **state)
{
	char *text, reason[ETCD_LAYOUT_REASON_SIZE];

	(void)state;
	assert_int_equal(etcd_layout_write_service(TYPE_A, 300, (const uint8_t *)"\12\0\0\1", 4, &text, reason),
			 STATUS_OK);
	assert_string_equal(text, "{\"host\":\"10.0.0.1\",\"ttl\":300}");
	free(text);
	assert_int_equal(etcd_layout_write_service(TYPE_MX, 60, (const uint8_t *)"\0\12\1a\0", 5, &text, reason),
			 STATUS_OK);
	assert_string_equal(text, "{\"host\":\"a\",\"mail\":true,\"priority\":10,\"ttl\":60}");
	free(text);
	assert_int_equal(etcd_layout_write_service(TYPE_CAA, 60, (const uint8_t *)"\0\1xy", 4, &text, reason),
			 STATUS_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_helix_key_is_a_reversed_name_and_a_type),
		cmocka_unit_test(a_path_leads_back_to_its_name),
		cmocka_unit_test(helix_values_are_checked),
		cmocka_unit_test(names_hold_all_rrsets_of_a_name),
		cmocka_unit_test(a_service_is_read_as_coredns_reads_it),
		cmocka_unit_test(skydns_takes_what_it_has_a_place_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
