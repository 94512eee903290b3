/* RDATA by shape: RFC 1035 3.3, RFC 3597 4, RFC 4034 6.2, and the RFCs of the types. */
#include "base/bytes.h"
#include "wire/name.h"
#include "wire/rdata.h"
#include "wire/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct sample {
	uint16_t type;
	const char *hex;
};

static size_t
from_hex(const char *hex, uint8_t *out)
{
	assert_true(bytes_from_hex(hex, strlen(hex), out));
	return strlen(hex) / 2;
}

static const struct sample good[] = {
	{TYPE_A, "c0000201"},
	{TYPE_AAAA, "20010db8000000000000000000000001"},
	{TYPE_TXT, "00"},
	{TYPE_TXT, "0161026263"},
	{TYPE_HINFO, "0000"},
	{TYPE_NULL, ""},
	{TYPE_MX, "000a00"},
	{TYPE_CAA, "000569737375656c"},
	{TYPE_APL, ""},
	{TYPE_APL, "00011503c0a820"},
	{TYPE_CSYNC, "000000420003"},
	{TYPE_NSEC, "000006400000000003"},
	{TYPE_SVCB, "000000"},
	{TYPE_SVCB, "000100000300020035"},
	{TYPE_DS, "ec45050100112233445566778899aabbccddeeff00112233"},
	{TYPE_DS, "0000000000"},
	{TYPE_NSEC3PARAM, "0100000c00"},
	{65280, ""},
	{65280, "00"},
};

static const struct sample bad[] = {
	{TYPE_A, "c00002"},
	{TYPE_A, "c000020100"},
	{TYPE_A, ""},
	{TYPE_AAAA, "20010db80000000000000000000000"},
	{TYPE_TXT, ""},
	{TYPE_TXT, "0261"},
	{TYPE_TXT, "016102"},
	{TYPE_NS, ""},
	{TYPE_NS, "0161"},
	{TYPE_NS, "0000"},
	{TYPE_NS, "c00c"},
	{TYPE_NS, "40"},
	{TYPE_MX, "00"},
	{TYPE_MX, "000a"},
	{TYPE_MX, "000a0000"},
	{TYPE_SOA, "000000000001000000020000000300000004000000"},
	{TYPE_HINFO, "00"},
	{TYPE_HINFO, "000000"},
	{TYPE_SRV, "00000000000000ff"},
	{TYPE_SRV, "000000000000"},
	{TYPE_CAA, "0000"},
	{TYPE_CAA, "000100"},
	{TYPE_CAA, "00012d"},
	{TYPE_CAA, "000561"},
	{TYPE_APL, "00012103c0a820"},
	{TYPE_APL, "00011503c0a800"},
	{TYPE_APL, "00031500"},
	{TYPE_APL, "000115"},
	{TYPE_NSEC, "00"},
	{TYPE_NSEC, "000000"},
	{TYPE_NSEC, "00000100"},
	{TYPE_NSEC, "0000014000014000"},
	{TYPE_NSEC, "0000024000"},
	{TYPE_SVCB, "0001000003000100"},
	{TYPE_SVCB, "00010000030002003500030002"},
	{TYPE_SVCB, "00010000030002003500010002"},
	{TYPE_SVCB, "0000000003000200"},
	{TYPE_SVCB, "000000000300020035"},
	{TYPE_SVCB, "00010000020000"},
	{TYPE_SVCB, "0001000000000200030004000400000000"},
	{TYPE_SVCB, "000100ffff0000"},
	{TYPE_DS, "ec450501"},
	{TYPE_DS, "ec450501aabb"},
	{TYPE_DS, "ec450502aabb"},
	{TYPE_SSHFP, "0101"},
	{TYPE_SSHFP, "0101aabb"},
	{TYPE_TLSA, "030101"},
	{TYPE_DHCID, ""},
	{TYPE_OPENPGPKEY, ""},
	{TYPE_ZONEMD, "00000001010100"},
	{TYPE_LOC, "0012"},
	{TYPE_LOC, "01121613800000008000000000989680"},
	{TYPE_LOC, "001a1613800000008000000000989680"},
	{TYPE_LOC, "00121613ffffffff8000000000989680"},
	{TYPE_DNSKEY, "01000305"},
	{TYPE_URI, "00010001"},
	{108, "00005e0053"},
	{109, "00005e005300ff"},
	{TYPE_IPSECKEY, "0a0402"},
	{TYPE_NSEC3, "01000000000000"},
	{55, "00020001aa"},
	{260, "0a05"},
	{19, "03313233"},
	{19, "043132332d"},
};

static void
well_formed_rdata_is_taken(void **state)
{
	uint8_t rdata[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t size = from_hex(good[i].hex, rdata);
		if (rdata_check_plain(rdata, size, good[i].type) != STATUS_OK)
			fail_msg("type %u: %s", good[i].type, good[i].hex);
	}
}

static void
rdata_that_does_not_fit_its_type_is_malformed(void **state)
{
	uint8_t rdata[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t size = from_hex(bad[i].hex, rdata);
		if (rdata_check_plain(rdata, size, bad[i].type) != STATUS_MALFORMED)
			fail_msg("type %u: %s", bad[i].type, bad[i].hex);
	}
}

/* A message with "example." at 12, then RDATA at 21. */
static size_t
message_with(const char *hex, uint8_t *wire)
{
	memset(wire, 0, 21);
	memcpy(wire + 12, "\7example", 8);
	return 21 + from_hex(hex, wire + 21);
}

static void
names_of_old_types_are_expanded_and_of_new_ones_must_be_plain(void **state)
{
	static const uint16_t liberal[] = {TYPE_NS, TYPE_CNAME, TYPE_PTR, TYPE_MB, TYPE_DNAME};
	static const struct sample prefixed[] = {
		{TYPE_MX, "000a0161c00c"},    {TYPE_SRV, "0000000000000161c00c"},     {TYPE_KX, "000a0161c00c"},
		{TYPE_AFSDB, "000a0161c00c"}, {TYPE_NAPTR, "000000000000000161c00c"}, {TYPE_RP, "000161c00c"},
		{26, "0000000161c00c"},
	};
	static const struct sample strict[] = {
		{TYPE_SVCB, "0001c00c"},   {TYPE_HTTPS, "0001c00c"}, {107, "000ac00c"},
		{TYPE_NSEC, "c00c000140"}, {58, "00c00c"},           {TYPE_IPSECKEY, "0a0302c00c00"},
	};
	uint8_t wire[128], out[128];
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(liberal); i++) {
		size_t wire_size = message_with("0161c00c", wire);
		assert_int_equal(rdata_check(wire, wire_size, 21, 4, liberal[i]), STATUS_OK);
		assert_int_equal(rdata_expand(wire, wire_size, 21, 4, liberal[i], out, sizeof out, &size), STATUS_OK);
		assert_int_equal(size, 11);
		assert_memory_equal(out, "\1a\7example", 11);
		assert_int_equal(rdata_expand(wire, wire_size, 21, 4, liberal[i], out, 10, &size), STATUS_LIMIT);
		/* A name that runs past RDLENGTH. */
		assert_int_equal(rdata_check(wire, wire_size, 21, 3, liberal[i]), STATUS_MALFORMED);
		assert_int_equal(rdata_check(wire, wire_size, 21, 5, liberal[i]), STATUS_MALFORMED);
	}
	for (size_t i = 0; i < ARRAY_SIZE(prefixed); i++) {
		size_t wire_size = message_with(prefixed[i].hex, wire);
		assert_int_equal(
			rdata_expand(wire, wire_size, 21, wire_size - 21, prefixed[i].type, out, sizeof out, &size),
			STATUS_OK);
		assert_int_equal(size, wire_size - 21 + 7);
		assert_int_equal(rdata_check_plain(out, size, prefixed[i].type), STATUS_OK);
	}
	for (size_t i = 0; i < ARRAY_SIZE(strict); i++) {
		size_t wire_size = message_with(strict[i].hex, wire);
		assert_int_equal(rdata_check(wire, wire_size, 21, wire_size - 21, strict[i].type), STATUS_MALFORMED);
	}
}

static int
compare(uint16_t type, const char *a_hex, const char *b_hex)
{
	uint8_t a[128], b[128];
	size_t a_size = from_hex(a_hex, a), b_size = from_hex(b_hex, b);

	int order = rdata_compare(a, a_size, b, b_size, type), back = rdata_compare(b, b_size, a, a_size, type);
	assert_int_equal(order < 0, back > 0);
	assert_int_equal(order == 0, back == 0);
	assert_int_equal(rdata_equal(a, a_size, b, b_size, type), order == 0);
	return order;
}

/* RFC 4034 6.2 and 6.3: names of its list in lower case, the rest as octets. */
static void
comparison_folds_names_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(compare(TYPE_NS, "014100", "016100"), 0);
	assert_int_equal(compare(TYPE_MX, "000a014100", "000a016100"), 0);
	assert_true(compare(TYPE_MX, "4141014100", "4161014100") < 0);
	assert_int_equal(compare(TYPE_SRV, "000000000000014100", "000000000000016100"), 0);
	assert_int_equal(compare(TYPE_NAPTR, "00000000000000014100", "00000000000000016100"), 0);
	assert_true(compare(TYPE_NAPTR, "00000000014100" "00014100", "00000000016100" "00014100") < 0);
	assert_true(compare(TYPE_TXT, "0141", "0161") < 0);
	assert_true(compare(TYPE_DHCID, "41", "61") < 0);
	assert_true(compare(TYPE_HINFO, "014100", "016100") < 0);
	assert_true(compare(65280, "014100", "016100") < 0);
	assert_true(compare(TYPE_A, "01020304", "01020305") < 0);
	assert_true(compare(TYPE_TXT, "0161", "01610162") < 0);
	assert_true(compare(TYPE_NS, "016100", "02616100") < 0);
	assert_int_equal(compare(TYPE_SOA, "014100014200" "0000000100000002000000030000000400000005",
	                         "016100016200" "0000000100000002000000030000000400000005"), 0);
	assert_true(compare(TYPE_SOA, "014100014200" "0000000100000002000000030000000400000005",
	                    "016100016200" "0000000200000002000000030000000400000005") < 0);
}

static void
names_and_soa_numbers_are_found(void **state)
{
	uint8_t rdata[64];

	(void)state;
	size_t size = from_hex("016100016200" "0000000100000002000000030000000400000005", rdata);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_SOA, 0), rdata);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_SOA, 1), rdata + 3);
	assert_null(rdata_name(rdata, size, TYPE_SOA, 2));
	assert_int_equal(rdata_soa_serial(rdata, size), 1);
	assert_int_equal(rdata_soa_minimum(rdata, size), 5);
	rdata_soa_set_serial(rdata, size, 0xfffffffe);
	assert_int_equal(rdata_soa_serial(rdata, size), 0xfffffffe);
	size = from_hex("000100020003016100", rdata);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_SRV, 0), rdata + 6);
	size = from_hex("0001016100", rdata);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_MX, 0), rdata + 2);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_SVCB, 0), rdata + 2);
	assert_null(rdata_name(rdata, size, TYPE_TXT, 0));
	assert_null(rdata_name(rdata, size, 65280, 0));
	size = from_hex("0000000000000000016100", rdata);
	assert_ptr_equal(rdata_name(rdata, size, TYPE_NAPTR, 0), rdata + 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_rdata_is_taken),
		cmocka_unit_test(rdata_that_does_not_fit_its_type_is_malformed),
		cmocka_unit_test(names_of_old_types_are_expanded_and_of_new_ones_must_be_plain),
		cmocka_unit_test(comparison_folds_names_and_nothing_else),
		cmocka_unit_test(names_and_soa_numbers_are_found),
	};

	return cmocka_run_group_tests_name("rdata", tests, NULL, NULL);
}
