/* The table of RFC 8945 6. */
#include "tests/unit/cmocka.h"
#include "keys/algorithm.h"
#include "wire/name.h"

/* RFC 8945 6, table 3, with the sizes of RFC 1321, FIPS 180-4 and RFC 4868 2.6. */
static const struct { const char *text, *name; size_t digest_octets, mac_octets; } table[] = {
	{"hmac-md5", "HMAC-MD5.SIG-ALG.REG.INT.", 16, 16},
	{"hmac-sha1", "hmac-sha1.", 20, 20},
	{"hmac-sha224", "hmac-sha224.", 28, 28},
	{"hmac-sha256", "hmac-sha256.", 32, 32},
	{"hmac-sha256-128", "hmac-sha256-128.", 32, 16},
	{"hmac-sha384", "hmac-sha384.", 48, 48},
	{"hmac-sha384-192", "hmac-sha384-192.", 48, 24},
	{"hmac-sha512", "hmac-sha512.", 64, 64},
	{"hmac-sha512-256", "hmac-sha512-256.", 64, 32},
};

static void
the_nine_algorithms_have_their_names_and_sizes(void **state)
{
	uint8_t name[NAME_MAX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct algorithm *algorithm = algorithm_from_text(table[i].text);
		assert_non_null(algorithm);
		assert_string_equal(algorithm->text, table[i].text);
		assert_int_equal(digest_size(algorithm->digest), table[i].digest_octets);
		assert_int_equal(algorithm->mac_size, table[i].mac_octets);
		assert_int_equal(name_from_text(table[i].name, strlen(table[i].name), NULL, name), STATUS_OK);
		assert_ptr_equal(algorithm_from_name(name), algorithm);
		assert_true(name_equal(algorithm->name, name));
		assert_int_equal(algorithm->full->mac_size, table[i].digest_octets);
		assert_int_equal(algorithm->full->digest, algorithm->digest);
		assert_ptr_equal(algorithm->full->full, algorithm->full);
	}
}

static void
text_is_taken_in_any_case_and_with_a_final_dot(void **state)
{
	static const struct { const char *text, *same;
	} texts[] = {
		{"HMAC-SHA256", "hmac-sha256"},
		{"hmac-sha256.", "hmac-sha256"},
		{"hmac-sha256-128.", "hmac-sha256-128"},
		{"hmac-md5.sig-alg.reg.int", "hmac-md5"},
		{"HMAC-MD5.SIG-ALG.REG.INT.", "hmac-md5"},
		{"hmac-md5.", "hmac-md5"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_string_equal(algorithm_from_text(texts[i].text)->text, texts[i].same);
}

static void
what_is_none_of_them_is_unknown(void **state)
{
	static const char *const texts[] = {"",
					    ".",
					    "hmac",
					    "hmac-sha2",
					    "hmac-sha256-64",
					    "hmac-sha1-96",
					    "sha256",
					    "hmac-sha256..",
					    "hmac-md5.sig-alg.reg",
					    "hmac-sha1.sig-alg.reg.int",
					    "hmac-md5.sig-alg.reg.intx",
					    "gss-tsig",
					    " hmac-sha256"};
	static const char *const names[] = {".", "hmac-md5.", "gss-tsig.", "gss.microsoft.com.",
					    "hmac-sha256.example."};
	uint8_t name[NAME_MAX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_null(algorithm_from_text(texts[i]));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(name_from_text(names[i], strlen(names[i]), NULL, name), STATUS_OK);
		assert_null(algorithm_from_name(name));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nine_algorithms_have_their_names_and_sizes),
		cmocka_unit_test(text_is_taken_in_any_case_and_with_a_final_dot),
		cmocka_unit_test(what_is_none_of_them_is_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
