/* Types: IANA DNS parameters, RFC 3597 5, RFC 6895 3.1. */
#include "wire/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void
mnemonics_are_those_of_iana(void **state)
{
	static const struct { const char *text; uint16_t type;
	} known[] = {
		{"A", 1},        {"NS", 2},          {"CNAME", 5},       {"SOA", 6},     {"PTR", 12},
		{"HINFO", 13},   {"MX", 15},         {"TXT", 16},        {"RP", 17},     {"AFSDB", 18},
		{"X25", 19},     {"ISDN", 20},       {"RT", 21},         {"NSAP", 22},   {"NSAP-PTR", 23},
		{"SIG", 24},     {"KEY", 25},        {"PX", 26},         {"GPOS", 27},   {"AAAA", 28},
		{"LOC", 29},     {"NXT", 30},        {"SRV", 33},        {"NAPTR", 35},  {"KX", 36},
		{"CERT", 37},    {"DNAME", 39},      {"OPT", 41},        {"APL", 42},    {"DS", 43},
		{"SSHFP", 44},   {"IPSECKEY", 45},   {"RRSIG", 46},      {"NSEC", 47},   {"DNSKEY", 48},
		{"DHCID", 49},   {"NSEC3", 50},      {"NSEC3PARAM", 51}, {"TLSA", 52},   {"SMIMEA", 53},
		{"HIP", 55},     {"NINFO", 56},      {"RKEY", 57},       {"TALINK", 58}, {"CDS", 59},
		{"CDNSKEY", 60}, {"OPENPGPKEY", 61}, {"CSYNC", 62},      {"ZONEMD", 63}, {"SVCB", 64},
		{"HTTPS", 65},   {"SPF", 99},        {"NID", 104},       {"L32", 105},   {"L64", 106},
		{"LP", 107},     {"EUI48", 108},     {"EUI64", 109},     {"TKEY", 249},  {"TSIG", 250},
		{"IXFR", 251},   {"AXFR", 252},      {"MAILB", 253},     {"MAILA", 254}, {"ANY", 255},
		{"URI", 256},    {"CAA", 257},       {"AVC", 258},       {"DOA", 259},   {"AMTRELAY", 260},
		{"TA", 32768},   {"DLV", 32769},
	};
	char text[RRTYPE_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		uint16_t type = 0;
		assert_int_equal(rrtype_from_text(known[i].text, &type), STATUS_OK);
		assert_int_equal(type, known[i].type);
		assert_string_equal(rrtype_to_text(type, text), known[i].text);
	}
}

static void
every_type_round_trips_through_its_text(void **state)
{
	char text[RRTYPE_TEXT_SIZE];

	(void)state;
	for (unsigned type = 0; type <= UINT16_MAX; type++) {
		uint16_t again = 1;
		assert_int_equal(rrtype_from_text(rrtype_to_text((uint16_t)type, text), &again), STATUS_OK);
		assert_int_equal(again, type);
		const struct rrtype_info *info = rrtype_info((uint16_t)type);
		assert_non_null(info);
		assert_true(info->mnemonic == NULL || info->type == type);
		assert_true(!info->meta || rrtype_is_meta((uint16_t)type));
	}
}

static void
rfc_3597_names_of_types(void **state)
{
	static const char *const bad[] = {"",       "TYPE",   "TYPE-1", "TYPE65536",
					  "TYPE1x", "TYPE 1", "AAAAA",  "TYPE99999999999999999999"};
	char text[RRTYPE_TEXT_SIZE];
	uint16_t type;

	(void)state;
	assert_int_equal(rrtype_from_text("TYPE731", &type), STATUS_OK);
	assert_int_equal(type, 731);
	assert_int_equal(rrtype_from_text("type1", &type), STATUS_OK);
	assert_int_equal(type, TYPE_A);
	assert_int_equal(rrtype_from_text("aaaa", &type), STATUS_OK);
	assert_int_equal(type, TYPE_AAAA);
	assert_string_equal(rrtype_to_text(65280, text), "TYPE65280");
	assert_string_equal(rrtype_to_text(0, text), "TYPE0");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rrtype_from_text(bad[i], &type), STATUS_INVALID);
}

static void
meta_types_are_no_data(void **state)
{
	(void)state;
	assert_true(rrtype_is_meta(0));
	assert_true(rrtype_is_meta(TYPE_OPT));
	for (unsigned type = 128; type <= 255; type++)
		assert_true(rrtype_is_meta((uint16_t)type));
	assert_false(rrtype_is_meta(TYPE_A));
	assert_false(rrtype_is_meta(127));
	assert_false(rrtype_is_meta(TYPE_URI));
	assert_false(rrtype_is_meta(65535));
	assert_true(rrtype_info(TYPE_CNAME)->singleton && rrtype_info(TYPE_SOA)->singleton &&
		    rrtype_info(TYPE_DNAME)->singleton);
	assert_false(rrtype_info(TYPE_NS)->singleton);
	assert_true(rrtype_info(TYPE_RRSIG)->dnssec_made && rrtype_info(TYPE_NSEC)->dnssec_made);
	assert_true(rrtype_info(TYPE_NSEC3)->dnssec_made);
	assert_false(rrtype_info(TYPE_DNSKEY)->dnssec_made);
}

static void
rcodes_and_opcodes_have_names(void **state)
{
	(void)state;
	assert_string_equal(rcode_text(0), "NOERROR");
	assert_string_equal(rcode_text(10), "NOTZONE");
	assert_string_equal(rcode_text(16), "BADVERS");
	assert_string_equal(rcode_text(18), "BADTIME");
	assert_string_equal(rcode_text(23), "BADCOOKIE");
	assert_string_equal(rcode_text(14), "RCODE14");
	assert_string_equal(rcode_text(4095), "RCODE4095");
	assert_string_equal(opcode_text(5), "UPDATE");
	assert_string_equal(opcode_text(7), "OPCODE7");
	assert_string_equal(opcode_text(3), "OPCODE3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mnemonics_are_those_of_iana),
		cmocka_unit_test(every_type_round_trips_through_its_text),
		cmocka_unit_test(rfc_3597_names_of_types),
		cmocka_unit_test(meta_types_are_no_data),
		cmocka_unit_test(rcodes_and_opcodes_have_names),
	};

	return cmocka_run_group_tests_name("rrtype", tests, NULL, NULL);
}
