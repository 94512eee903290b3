/* Names: RFC 1035 3.1 and 4.1.4, RFC 4034 6.1, RFC 4343. */
#include "wire/name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t *
name(const char *text, uint8_t out[NAME_MAX_SIZE])
{
	assert_int_equal(name_from_text(text, strlen(text), NULL, out), STATUS_OK);
	return out;
}

/* The packet of RFC 1035 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92. */
static void
rfc_1035_compression_example_expands(void **state)
{
	uint8_t wire[93] = {0}, out[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];
	size_t size, next;

	(void)state;
	memcpy(wire + 20, "\1F\3ISI\4ARPA", 12);
	memcpy(wire + 40, "\3FOO\300\024", 6);
	memcpy(wire + 64, "\300\032", 2);
	assert_int_equal(name_parse(wire, sizeof wire, 40, out, &size, &next), STATUS_OK);
	assert_string_equal(name_to_text(out, text), "FOO.F.ISI.ARPA.");
	assert_int_equal(size, 16);
	assert_int_equal(next, 46);
	assert_int_equal(name_parse(wire, sizeof wire, 64, out, &size, &next), STATUS_OK);
	assert_string_equal(name_to_text(out, text), "ARPA.");
	assert_int_equal(next, 66);
	assert_int_equal(name_parse(wire, sizeof wire, 92, out, &size, &next), STATUS_OK);
	assert_string_equal(name_to_text(out, text), ".");
	assert_int_equal(name_skip(wire, sizeof wire, 40, &next), STATUS_OK);
	assert_int_equal(next, 46);
}

static void
loops_forward_pointers_and_header_pointers_are_malformed(void **state)
{
	static const struct { const char *bytes; size_t size, offset; } bad[] = {
		{"............\300\014", 14, 12},                 /* to itself */
		{"............\1a\300\014", 16, 12},              /* to its own beginning */
		{"............\300\016\300\014", 16, 14},         /* two in a ring */
		{"............\300\016\0", 15, 12},               /* forward */
		{"\1a\0.........\300\000", 14, 12},               /* into the header */
		{"............\200\014", 14, 12},                 /* label type 10 */
		{"............\100\014", 14, 12},                 /* label type 01 */
		{"............\300", 13, 12},                     /* half a pointer */
		{"............\5abcd", 17, 12},                   /* label past the end */
		{"............\1a", 14, 12},                      /* no root */
		{"............", 12, 12},
	};
	uint8_t out[NAME_MAX_SIZE];
	size_t size, next;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const uint8_t *wire = (const uint8_t *)bad[i].bytes;
		assert_int_equal(name_parse(wire, bad[i].size, bad[i].offset, out, &size, &next), STATUS_MALFORMED);
		assert_int_equal(name_skip(wire, bad[i].size, bad[i].offset, &next), STATUS_MALFORMED);
	}
}

/* 255 octets is the most (RFC 1035 2.3.4): 127 labels of one octet. */
static void
a_name_of_255_octets_is_taken_and_256_are_not(void **state)
{
	uint8_t wire[300], out[NAME_MAX_SIZE];
	size_t size, next;

	(void)state;
	for (size_t at = 0; at < 298; at += 2) {
		wire[at] = 1;
		wire[at + 1] = 'x';
	}
	wire[12 + 254] = 0;
	assert_int_equal(name_parse(wire, sizeof wire, 12, out, &size, &next), STATUS_OK);
	assert_int_equal(size, 255);
	assert_int_equal(name_size(out), 255);
	assert_int_equal(name_labels(out), 127);
	assert_int_equal(name_check(wire + 12, 255, &size), STATUS_OK);
	assert_int_equal(name_check(wire + 12, 254, &size), STATUS_MALFORMED);
	wire[12 + 254] = 1;
	wire[12 + 256] = 0;
	assert_int_equal(name_parse(wire, sizeof wire, 12, out, &size, &next), STATUS_MALFORMED);
	assert_int_equal(name_skip(wire, sizeof wire, 12, &next), STATUS_MALFORMED);
	assert_int_equal(name_check(wire + 12, sizeof wire - 12, &size), STATUS_MALFORMED);
}

/* The list of RFC 4034 6.1, in its order. */
static void
rfc_4034_canonical_order(void **state)
{
	static const char *const sorted[] = {
		"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.",
		"\\001.z.example.", "*.z.example.", "\\200.z.example.",
	};
	uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
			int order = name_compare(name(sorted[i], a), name(sorted[j], b));
			assert_int_equal(order < 0, i < j);
			assert_int_equal(order > 0, i > j);
			assert_int_equal(name_equal(a, b), i == j);
		}
	}
	assert_true(name_compare(name(".", a), name("example.", b)) < 0);
	assert_true(name_compare(name("a.", a), name("aa.", b)) < 0);
}

static void
case_is_folded_in_ascii_only_and_in_every_length(void **state)
{
	uint8_t upper[NAME_MAX_SIZE], lower[NAME_MAX_SIZE], folded[NAME_MAX_SIZE];

	(void)state;
	for (uint8_t size = 1; size < 64; size++) {
		upper[0] = lower[0] = size;
		for (uint8_t i = 1; i <= size; i++) {
			static const char from[] = "AZ@[`{az\300\341M-0", to[] = "az@[`{az\300\341m-0";
			upper[i] = (uint8_t)from[i % 13];
			lower[i] = (uint8_t)to[i % 13];
		}
		upper[size + 1] = lower[size + 1] = 0;
		assert_int_equal(name_lower(upper, folded), size + 2);
		assert_memory_equal(folded, lower, size + 2u);
		assert_true(name_equal(upper, lower));
		assert_true(name_is_within(upper, lower));
		lower[size] ^= 1;
		assert_false(name_equal(upper, lower));
		assert_false(name_is_within(upper, lower));
	}
	name_lower(upper, upper);
	assert_memory_equal(upper, folded, 65);
}

static void
within_goes_by_labels_and_not_by_octets(void **state)
{
	uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];

	(void)state;
	assert_true(name_is_within(name("www.EXAMPLE.com.", a), name("example.COM.", b)));
	assert_true(name_is_within(name("example.com.", a), name("example.com.", b)));
	assert_true(name_is_within(name("example.com.", a), name(".", b)));
	assert_false(name_is_within(name("myexample.com.", a), name("example.com.", b)));
	assert_false(name_is_within(name("com.", a), name("example.com.", b)));
	assert_false(name_is_within(name("a\\007example.com.", a), name("example.com.", b)));
	assert_true(name_equal(name_strip(name("a.b.c.", a), 2), name("c.", b)));
	assert_int_equal(*name_strip(name("a.", a), 5), 0);
	assert_true(name_is_wildcard(name("*.a.", a)));
	assert_false(name_is_wildcard(name("**.a.", a)));
	assert_false(name_is_wildcard(name("a.*.", a)));
}

static void
text_round_trips_and_prints_nothing_special(void **state)
{
	uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];

	(void)state;
	for (unsigned octet = 0; octet < 256; octet++) {
		a[0] = 1;
		a[1] = (uint8_t)octet;
		memcpy(a + 2, "\3com", 5);
		name_to_text(a, text);
		for (const char *at = text; *at != '\0'; at++)
			assert_true(*at > ' ' && *at < 0x7f);
		assert_int_equal(name_from_text(text, strlen(text), NULL, b), STATUS_OK);
		assert_memory_equal(a, b, 7);
	}
	assert_string_equal(name_to_text(name("a\\.b.\\@.\\032x.", a), text), "a\\.b.\\@.\\032x.");
	assert_string_equal(name_to_text(name(".", a), text), ".");
}

static void
the_longest_text_fits(void **state)
{
	uint8_t a[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];

	(void)state;
	memset(a, 0, sizeof a);
	a[0] = a[64] = a[128] = 63;
	a[192] = 61;
	assert_int_equal(name_size(a), 255);
	assert_int_equal(strlen(name_to_text(a, text)), 250 * 4 + 4);
}

static void
relative_text_hangs_from_the_origin(void **state)
{
	uint8_t origin[NAME_MAX_SIZE], a[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];

	(void)state;
	name("example.com.", origin);
	assert_int_equal(name_from_text("www", 3, origin, a), STATUS_OK);
	assert_string_equal(name_to_text(a, text), "www.example.com.");
	assert_string_equal(name_to_text_relative(a, origin, text), "www");
	assert_int_equal(name_from_text("@", 1, origin, a), STATUS_OK);
	assert_string_equal(name_to_text_relative(a, origin, text), "@");
	assert_int_equal(name_from_text("www", 3, NULL, a), STATUS_INVALID);
	assert_int_equal(name_from_text("@", 1, NULL, a), STATUS_INVALID);
	assert_string_equal(name_to_text_relative(name("a.b.", a), origin, text), "a.b.");
	assert_string_equal(name_to_text_relative(name("a.b.", a), (const uint8_t *)"", text), "a.b");
}

static void
bad_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "..", ".a.", "a..b.", "\\", "a\\", "\\25.", "\\256.", "\\2", "\\25",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
	};
	uint8_t a[NAME_MAX_SIZE];
	char text[260];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(name_from_text(bad[i], strlen(bad[i]), (const uint8_t *)"", a), STATUS_INVALID);
	for (size_t at = 0; at < sizeof text; at++)
		text[at] = at % 2 ? '.' : 'x';
	assert_int_equal(name_from_text(text, 254, NULL, a), STATUS_OK);
	assert_int_equal(name_size(a), 255);
	assert_int_equal(name_from_text(text, 256, NULL, a), STATUS_INVALID);
	assert_int_equal(name_from_text(text, 255, (const uint8_t *)"", a), STATUS_INVALID);
	assert_int_equal(name_join((const uint8_t *)"\1y", 2, a, a), STATUS_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_1035_compression_example_expands),
		cmocka_unit_test(loops_forward_pointers_and_header_pointers_are_malformed),
		cmocka_unit_test(a_name_of_255_octets_is_taken_and_256_are_not),
		cmocka_unit_test(rfc_4034_canonical_order),
		cmocka_unit_test(case_is_folded_in_ascii_only_and_in_every_length),
		cmocka_unit_test(within_goes_by_labels_and_not_by_octets),
		cmocka_unit_test(text_round_trips_and_prints_nothing_special),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(relative_text_hangs_from_the_origin),
		cmocka_unit_test(bad_text_is_refused),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
