/* base/bytes: bounded access, hexadecimal, base64 (vectors: RFC 4648 section 10). */
#include "base/bytes.h"
#include "base/status.h"
#include "tests/unit/cmocka.h"

static void
a_reader_gives_big_endian_values_in_order(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
	struct reader in = reader_over(bytes, sizeof bytes);

	(void)state;
	assert_int_equal(reader_u8(&in), 0x01);
	assert_int_equal(reader_u16(&in), 0x0203);
	assert_int_equal(reader_u32(&in), 0x04050607);
	assert_int_equal(reader_u48(&in), 0x08090a0b0c0d);
	assert_true(reader_u64(&in) == UINT64_C(0x0e0f101112131415));
	assert_int_equal(reader_left(&in), 0);
	assert_int_equal(reader_offset(&in), sizeof bytes);
	assert_false(in.failed);
}

static void
a_read_past_the_end_gives_zero_and_fails_for_good(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff};
	struct reader in = reader_over(bytes, sizeof bytes);

	(void)state;
	assert_int_equal(reader_u32(&in), 0);
	assert_true(in.failed);
	assert_null(reader_take(&in, 4));
	assert_int_equal(reader_left(&in), 3);
	assert_int_equal(reader_u8(&in), 0xff);
	assert_true(in.failed);
}

static void
a_reader_over_nothing_can_be_asked_for_nothing(void **state)
{
	static const uint8_t none[1];
	struct reader in = reader_over(none, 0);

	(void)state;
	assert_non_null(reader_take(&in, 0));
	assert_false(in.failed);
	assert_int_equal(reader_u8(&in), 0);
	assert_true(in.failed);
}

static void
a_writer_writes_what_a_reader_reads(void **state)
{
	uint8_t bytes[26];
	struct writer out = writer_over(bytes, sizeof bytes);
	struct reader in = reader_over(bytes, sizeof bytes);

	(void)state;
	writer_u8(&out, 0xa1);
	writer_u16(&out, 0xb1b2);
	writer_u32(&out, 0xc1c2c3c4);
	writer_u48(&out, UINT64_C(0xd1d2d3d4d5d6));
	writer_u64(&out, UINT64_C(0xe1e2e3e4e5e6e7e8));
	writer_bytes(&out, "later", 5);
	assert_int_equal(writer_size(&out), 26);
	assert_int_equal(writer_left(&out), 0);
	assert_false(out.failed);
	assert_int_equal(reader_u8(&in), 0xa1);
	assert_int_equal(reader_u16(&in), 0xb1b2);
	assert_int_equal(reader_u32(&in), 0xc1c2c3c4);
	assert_true(reader_u48(&in) == UINT64_C(0xd1d2d3d4d5d6));
	assert_true(reader_u64(&in) == UINT64_C(0xe1e2e3e4e5e6e7e8));
	assert_memory_equal(reader_take(&in, 5), "later", 5);
}

static void
a_write_past_the_end_writes_nothing_and_fails_for_good(void **state)
{
	uint8_t bytes[3] = {7, 7, 7};
	struct writer out = writer_over(bytes, sizeof bytes);

	(void)state;
	writer_u32(&out, 0);
	assert_true(out.failed);
	writer_u8(&out, 0);
	assert_int_equal(writer_size(&out), 0);
	assert_int_equal(bytes[0] + bytes[1] + bytes[2], 21);
}

static void
hexadecimal_goes_both_ways(void **state)
{
	static const uint8_t expected[] = {0x00, 0x0f, 0xa5, 0xff};
	uint8_t bytes[4];
	char text[9];

	(void)state;
	assert_true(bytes_from_hex("000fA5fF", 8, bytes));
	assert_memory_equal(bytes, expected, 4);
	bytes_to_hex(bytes, 4, text);
	assert_string_equal(text, "000fa5ff");
	bytes_to_hex(bytes, 0, text);
	assert_string_equal(text, "");
}

static void
what_is_not_hexadecimal_is_refused(void **state)
{
	uint8_t bytes[4];

	(void)state;
	assert_false(bytes_from_hex("abc", 3, bytes));
	assert_false(bytes_from_hex("0g", 2, bytes));
	assert_false(bytes_from_hex(" 0", 2, bytes));
	assert_false(bytes_from_hex("0/", 2, bytes));
	assert_false(bytes_from_hex("0:", 2, bytes));
	assert_true(bytes_from_hex("", 0, bytes));
}

static const struct {
	const char *plain, *base64;
} rfc4648_10[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static void
base64_agrees_with_rfc_4648_section_10(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rfc4648_10); i++) {
		const char *plain = rfc4648_10[i].plain, *base64 = rfc4648_10[i].base64;
		char text[16];
		uint8_t bytes[6];
		size_t size = sizeof bytes;
		bytes_to_base64((const uint8_t *)plain, strlen(plain), text);
		assert_string_equal(text, base64);
		assert_true(bytes_from_base64(base64, strlen(base64), bytes, &size));
		assert_int_equal(size, strlen(plain));
		assert_memory_equal(bytes, plain, size);
	}
}

static void
base64_uses_the_whole_alphabet(void **state)
{
	static const uint8_t high[] = {0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff};
	uint8_t bytes[6];
	size_t size = sizeof bytes;
	char text[9];

	(void)state;
	bytes_to_base64(high, sizeof high, text);
	assert_string_equal(text, "++++////");
	assert_true(bytes_from_base64(text, 8, bytes, &size));
	assert_memory_equal(bytes, high, sizeof high);
}

static void
malformed_base64_is_refused(void **state)
{
	static const char *const wrong[] = {
		"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v=", "Zm9vY", "Zm-v", "Zm_v", "Zm v", "Z=9v", "Zm\n9",
		/* Pad bits that are not zero (RFC 4648 3.5). */
		"Zh==", "Zm9=",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint8_t bytes[16];
		size_t size = sizeof bytes;
		assert_false(bytes_from_base64(wrong[i], strlen(wrong[i]), bytes, &size));
		assert_int_equal(size, sizeof bytes);
	}
}

static void
base64_that_does_not_fit_is_refused(void **state)
{
	uint8_t bytes[6];
	size_t size = 5;

	(void)state;
	assert_false(bytes_from_base64("Zm9vYmFy", 8, bytes, &size));
	size = 5;
	assert_true(bytes_from_base64("Zm9vYmE=", 8, bytes, &size));
	assert_int_equal(size, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_gives_big_endian_values_in_order),
		cmocka_unit_test(a_read_past_the_end_gives_zero_and_fails_for_good),
		cmocka_unit_test(a_reader_over_nothing_can_be_asked_for_nothing),
		cmocka_unit_test(a_writer_writes_what_a_reader_reads),
		cmocka_unit_test(a_write_past_the_end_writes_nothing_and_fails_for_good),
		cmocka_unit_test(hexadecimal_goes_both_ways),
		cmocka_unit_test(what_is_not_hexadecimal_is_refused),
		cmocka_unit_test(base64_agrees_with_rfc_4648_section_10),
		cmocka_unit_test(base64_uses_the_whole_alphabet),
		cmocka_unit_test(malformed_base64_is_refused),
		cmocka_unit_test(base64_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
