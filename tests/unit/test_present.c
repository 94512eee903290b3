/* Presentation format: BIND's reading of some hundred records; RFC 3597 5; RFC 9460 appendix D. */
#include "base/bytes.h"
#include "wire/present.h"
#include "wire/rdata.h"
#include "wire/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/present_vectors.h"

static uint8_t rdata[RDATA_MAX_SIZE], expected[RDATA_MAX_SIZE];
static char text[PRESENT_TEXT_SIZE], reason[PRESENT_REASON_SIZE];

static enum status
parse(const char *type_text, const char *source, const uint8_t *origin, size_t *size)
{
	uint16_t type;

	assert_int_equal(rrtype_from_text(type_text, &type), STATUS_OK);
	reason[0] = '\0';
	return present_parse(type, source, strlen(source), origin, rdata, sizeof rdata, size, reason);
}

static void
assert_hex(const char *type, const char *source, const char *hex)
{
	size_t size;

	if (parse(type, source, NULL, &size) != STATUS_OK)
		fail_msg("%s %s: %s", type, source, reason);
	assert_true(bytes_from_hex(hex, strlen(hex), expected));
	assert_int_equal(size, strlen(hex) / 2);
	if (size > 0 && memcmp(rdata, expected, size) != 0)
		fail_msg("%s %s is not %s", type, source, hex);
}

static void
records_are_read_and_written_as_bind_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t length;
		uint16_t type;
		assert_hex(vectors[i].type, vectors[i].text, vectors[i].hex);
		assert_int_equal(rrtype_from_text(vectors[i].type, &type), STATUS_OK);
		assert_int_equal(present_rdata(type, rdata, strlen(vectors[i].hex) / 2, text, sizeof text, &length),
				 STATUS_OK);
		assert_string_equal(text, vectors[i].printed);
		assert_int_equal(strlen(text), length);
		assert_hex(vectors[i].type, text, vectors[i].hex);
		/* RFC 3597 5: the generic form is good for known types too. */
		snprintf(text, sizeof text, "\\# %zu %s", strlen(vectors[i].hex) / 2, vectors[i].hex);
		assert_hex(vectors[i].type, text, vectors[i].hex);
	}
}

#define FOO "03666f6f076578616d706c6503636f6d00"    /* foo.example.com. */
#define FOO_ORG "03666f6f076578616d706c65036f726700"

/* RFC 9460 appendix D.1 and D.2. */
static void
rfc_9460_appendix_d_vectors(void **state)
{
	(void)state;
	assert_hex("HTTPS", "0 foo.example.com.", "0000" FOO);
	assert_hex("SVCB", "1 .", "000100");
	assert_hex("SVCB", "16 foo.example.com. port=53", "0010" FOO "000300020035");
	assert_hex("SVCB", "1 foo.example.com. key667=hello", "0001" FOO "029b000568656c6c6f");
	assert_hex("SVCB", "1 foo.example.com. key667=\"hello\\210qoo\"", "0001" FOO "029b000968656c6c6fd2716f6f");
	assert_hex("SVCB", "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
	           "0001" FOO "0006002020010db800000000000000000000000120010db8000000000000000000530001");
	assert_hex("SVCB", "1 example.com. ipv6hint=\"2001:db8:122:344::192.0.2.33\"",
	           "0001076578616d706c6503636f6d000006001020010db8012203440000" "0000c0000221");
	assert_hex("SVCB", "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
	           "0010" FOO_ORG "0000000400010004" "000100090268320568332d3139" "00040004c0000201");
	assert_hex("SVCB", "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
		   "0010" FOO_ORG "0001000c08665c6f6f2c626172026832");
	assert_hex("SVCB", "16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
		   "0010" FOO_ORG "0001000c08665c6f6f2c626172026832");
}

/* RFC 9460 appendix D.3, and what else must be refused. */
static void
bad_text_is_refused_with_a_reason(void **state)
{
	static const struct { const char *type, *text;
	} bad[] = {
		{"SVCB", "1 foo.example.com. ( key123=abc key123=def )"},
		{"SVCB", "1 foo.example.com. key123=abc key123=def"},
		{"SVCB", "1 foo.example.com. mandatory"},
		{"SVCB", "1 foo.example.com. alpn"},
		{"SVCB", "1 foo.example.com. port"},
		{"SVCB", "1 foo.example.com. ipv4hint"},
		{"SVCB", "1 foo.example.com. ipv6hint"},
		{"SVCB", "1 foo.example.com. no-default-alpn=abc"},
		{"SVCB", "1 foo.example.com. mandatory=key123"},
		{"SVCB", "1 foo.example.com. mandatory=mandatory"},
		{"SVCB", "1 foo.example.com. mandatory=key123,key123 key123=abc"},
		{"SVCB", "1 foo.example.com. port=65536"},
		{"SVCB", "1 foo.example.com. alpn=h2,"},
		{"SVCB", "0 foo.example.com. port=1"},
		{"SVCB", "1 foo.example.com. key65535=x"},
		{"SVCB", "1 foo.example.com. ipv4hint=192.0.2"},
		{"A", "192.0.2"},
		{"A", "192.0.2.1.5"},
		{"A", "192.0.2.256"},
		{"A", "192.0.2.01x"},
		{"A", "192.0.2.1 x"},
		{"A", ""},
		{"A", "0300.0.2.1"},
		{"A", "3221225985"},
		{"A", "\\# 3 010203"},
		{"A", "\\# 4 010203"},
		{"A", "\\# 4 0102030"},
		{"AAAA", "2001:db8::g"},
		{"AAAA", "192.0.2.1"},
		{"AAAA", "2001:db8::1%eth0"},
		{"NS", "relative"},
		{"NS", "a..b."},
		{"MX", "mail.example."},
		{"MX", "65536 a."},
		{"MX", "-1 a."},
		{"MX", "1 a. b."},
		{"TXT", ""},
		{"TXT", "\"open"},
		{"TXT", "a;b"},
		{"TXT", "\\300"},
		{"TXT", "\\1"},
		{"CAA", "0 \"\" \"x\""},
		{"CAA", "0 a-b \"x\""},
		{"CAA", "256 a \"x\""},
		{"DS", "1 5 1 aabb"},
		{"DS", "1 5 1 2BB183AF5F22588179A53B0A98631FAD1A29211"},
		{"TLSA", "3 1 1"},
		{"TLSA", "3 1 1 xx"},
		{"SSHFP", "1 1 aabb"},
		{"DHCID", "!!!!"},
		{"DHCID", ""},
		{"LOC", "91 N 0 E 0m"},
		{"LOC", "x"},
		{"EUI48", "00-00-5e-00-53"},
		{"EUI48", "00:00:5e:00:53:2a"},
		{"NSEC", "a."},
		{"APL", "3:aa/3"},
		{"APL", "1:10.0.0.0/33"},
		{"TYPE65280", "abc"},
		{"TYPE65280", "\\# 2 00"},
		{"TYPE65280", "\\#"},
		{"SOA", "a. b. 1 2 3 4"},
		{"SOA", "a. b. 4294967296 2 3 4 5"},
		{"NAPTR", "1 2 a b c"},
		{"URI", "1 2"},
		{"CERT", "NOSUCH 0 0 AA=="},
		{"KEY", "256 3"},
		{"X25", "12a4"},
	};
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].type, bad[i].text, NULL, &size) != STATUS_MALFORMED)
			fail_msg("%s %s was taken", bad[i].type, bad[i].text);
		assert_true(reason[0] != '\0');
	}
}

static void
relative_names_hang_from_the_origin(void **state)
{
	static const uint8_t origin[] = "\7example\3com";
	size_t size;

	(void)state;
	assert_int_equal(parse("MX", "10 mail", origin, &size), STATUS_OK);
	assert_memory_equal(rdata, "\0\12\4mail\7example\3com", 20);
	assert_int_equal(parse("SVCB", "1 @ port=1", origin, &size), STATUS_OK);
	assert_memory_equal(rdata, "\0\1\7example\3com\0\0\3\0\2\0\1", 21);
	assert_int_equal(parse("NS", "@", NULL, &size), STATUS_MALFORMED);
}

static void
strings_end_at_255_octets(void **state)
{
	size_t size, length;

	(void)state;
	memset(text, 'x', 256);
	text[255] = '\0';
	assert_int_equal(parse("TXT", text, NULL, &size), STATUS_OK);
	assert_int_equal(size, 256);
	text[255] = 'x';
	text[256] = '\0';
	assert_int_equal(parse("TXT", text, NULL, &size), STATUS_MALFORMED);
	for (unsigned octet = 0; octet < 256; octet++) {
		uint8_t one[] = {1, (uint8_t)octet};
		assert_int_equal(present_rdata(TYPE_TXT, one, 2, text, sizeof text, &length), STATUS_OK);
		assert_int_equal(parse("TXT", text, NULL, &size), STATUS_OK);
		assert_int_equal(size, 2);
		assert_memory_equal(rdata, one, 2);
	}
}

static void
too_little_room_is_a_limit(void **state)
{
	static uint8_t blob[1000];
	size_t size, length;

	(void)state;
	assert_int_equal(present_rdata(65280, blob, sizeof blob, text, 64, &length), STATUS_LIMIT);
	assert_int_equal(present_rdata(TYPE_DHCID, blob, sizeof blob, text, 1000, &length), STATUS_LIMIT);
	assert_int_equal(present_rdata(TYPE_DHCID, blob, sizeof blob, text, 1400, &length), STATUS_OK);
	assert_int_equal(present_parse(TYPE_DHCID, text, length, NULL, rdata, 999, &size, reason), STATUS_MALFORMED);
	assert_int_equal(present_parse(TYPE_A, "192.0.2.1", 9, NULL, rdata, 3, &size, reason), STATUS_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_and_written_as_bind_does),
		cmocka_unit_test(rfc_9460_appendix_d_vectors),
		cmocka_unit_test(bad_text_is_refused_with_a_reason),
		cmocka_unit_test(relative_names_hang_from_the_origin),
		cmocka_unit_test(strings_end_at_255_octets),
		cmocka_unit_test(too_little_room_is_a_limit),
	};

	return cmocka_run_group_tests_name("present", tests, NULL, NULL);
}
