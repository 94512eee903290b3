/* The keyring, and key files as BIND's tools print them. */
#include "tests/unit/cmocka.h"
#include "base/bytes.h"
#include "keys/keyring.h"
#include <stdio.h>

/* Printed by tsig-keygen of BIND 9.18.49. */
static const char tsig_keygen[] =
	"key \"dhcp.\" {\n"
	"\talgorithm hmac-sha256;\n"
	"\tsecret \"+aDJY3edxEUVhfE7GQfSzfYCxsvpLqwTSydifTJwfOY=\";\n"
	"};\n";

/* rndc-confgen, shortened only in its last comment. */
static const char rndc_confgen[] =
	"# Start of rndc.conf\n"
	"key \"rndc-key\" {\n"
	"\talgorithm hmac-sha256;\n"
	"\tsecret \"J2nn3FYQvXioNZhV96WWqjzugG7GAWbOZHPhmGNPij4=\";\n"
	"};\n"
	"\n"
	"options {\n"
	"\tdefault-key \"rndc-key\";\n"
	"\tdefault-server 127.0.0.1;\n"
	"\tdefault-port 953;\n"
	"};\n"
	"# End of rndc.conf\n"
	"\n"
	"# Use with the following in named.conf, adjusting the allow list as needed:\n"
	"# key \"rndc-key\" {\n"
	"# \talgorithm hmac-sha256;\n"
	"# };\n";

/* ddns-confgen, whole. */
static const char ddns_confgen[] =
	"# To activate this key, place the following in named.conf, and\n"
	"# in a separate keyfile on the system or systems from which nsupdate\n"
	"# will be run:\n"
	"key \"ddns-key\" {\n"
	"\talgorithm hmac-sha256;\n"
	"\tsecret \"9KMp80SWKmu6m78TjqIWhgMKFElBDl+EskJTmVaEM6M=\";\n"
	"};\n"
	"\n"
	"# Then, in the \"zone\" statement for each zone you wish to dynamically\n"
	"# update, place an \"update-policy\" statement granting update permission\n"
	"# to this key.  For example, the following statement grants this key\n"
	"# permission to update any name within the zone:\n"
	"update-policy {\n"
	"\tgrant ddns-key zonesub ANY;\n"
	"};\n"
	"\n"
	"# After the keyfile has been placed, the following command will\n"
	"# execute nsupdate using this key:\n"
	"nsupdate -k <keyfile>\n";

static const uint8_t *
name(const char *text, uint8_t out[NAME_MAX_SIZE])
{
	assert_int_equal(name_from_text(text, strlen(text), NULL, out), STATUS_OK);
	return out;
}

static struct keyring *
parse(const char *text)
{
	char reason[KEYRING_REASON_SIZE] = "";
	struct keyring *keys = keyring_new();

	if (keyring_parse(keys, text, strlen(text), "a.key", reason) != STATUS_OK)
		fail_msg("%s", reason);
	return keys;
}

static void
the_output_of_tsig_keygen_rndc_confgen_and_ddns_confgen_is_read(void **state)
{
	static const struct { const char *text, *name, *secret; } files[] = {
		{tsig_keygen, "dhcp.", "+aDJY3edxEUVhfE7GQfSzfYCxsvpLqwTSydifTJwfOY="},
		{rndc_confgen, "rndc-key.", "J2nn3FYQvXioNZhV96WWqjzugG7GAWbOZHPhmGNPij4="},
		{ddns_confgen, "ddns-key.", "9KMp80SWKmu6m78TjqIWhgMKFElBDl+EskJTmVaEM6M="},
	};
	char base64[64];
	uint8_t wire[NAME_MAX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct keyring *keys = parse(files[i].text);
		assert_int_equal(keyring_count(keys), 1);
		struct key *key = keyring_find(keys, name(files[i].name, wire));
		assert_non_null(key);
		assert_ptr_equal(key, keyring_at(keys, 0));
		assert_string_equal(key->text, files[i].name);
		assert_string_equal(key->algorithm->text, "hmac-sha256");
		assert_int_equal(key->secret_size, 32);
		bytes_to_base64(key->secret, key->secret_size, base64);
		assert_string_equal(base64, files[i].secret);
		keyring_free(keys);
	}
}

static void
comments_quotes_and_several_keys_are_taken_as_in_bind(void **state)
{
	struct keyring *keys = parse(
		"// one\n/* two\n { lines \" */ key a { secret AAAA; algorithm \"HMAC-MD5\"; };;\n"
		"key \"B.Example\" /* c */ {algorithm hmac-sha512-256.;secret \"AA AA\tAAAA\";};# end\n"
		"server 192.0.2.1 { keys { a; }; };\n"
		"controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { \"a\"; }; };\r\n"
		"KEY c\\.d { Algorithm hmac-sha1; SECRET a/b+; };"
		"key \"e\\\"f\" { algorithm hmac-sha1; secret \"a//+\"; };");
	uint8_t wire[NAME_MAX_SIZE];

	(void)state;
	assert_int_equal(keyring_count(keys), 4);
	assert_string_equal(keyring_find(keys, name("a.", wire))->algorithm->text, "hmac-md5");
	assert_int_equal(keyring_find(keys, name("b.example.", wire))->secret_size, 6);
	assert_string_equal(keyring_at(keys, 1)->text, "b.example.");
	assert_memory_equal(keyring_find(keys, (const uint8_t *)"\003c.d")->secret, "\x6b\xf6\xfe", 3);
	assert_memory_equal(keyring_find(keys, (const uint8_t *)"\003e\"f")->secret, "\x6b\xff\xfe", 3);
	assert_null(keyring_find(keys, name("d.", wire)));
	keyring_free(keys);
}

#define K(inside) "key k {" inside "};"

static void
each_mistake_is_told_with_file_and_line(void **state)
{
	static const struct { const char *text, *reason;
	} bad[] = {
		{"", "a.key:1: there is no key here"},
		{"\n\n# only a comment\n", "a.key:4: there is no key here"},
		{"\nkye \"a\" {", "a.key:2: expected a key statement, found \"kye\""},
		{"\"key\" a {", "a.key:1: expected a key statement, found \"key\""},
		{"key", "a.key:1: expected the name of the key, found the end of the file"},
		{"key a\nalgorithm", "a.key:2: expected \"{\", found \"algorithm\""},
		{"key k {\n algoritm hmac-md5;", "a.key:2: expected algorithm or secret, found \"algoritm\""},
		{"key k {\n algorithm\n;", "a.key:3: expected an algorithm, found \";\""},
		{"key k {\n algorithm hmac-md5\nsecret \"AAAA\";", "a.key:3: expected \";\", found \"secret\""},
		{"key k { algorithm hmac-md5; secret \"AAAA\n\"; };",
		 "a.key:1: expected the secret, found a string or comment that does not end"},
		{"key k { algorithm hmac-md5; secret \"AAAA",
		 "a.key:1: expected the secret, found a string or comment that does not end"},
		{"key k { algorithm hmac-md5; secret \"AAAA\"; }",
		 "a.key:1: expected \";\" after \"}\", found the end of the file"},
		{K("algorithm hmac-md5;"), "a.key:1: the key \"k\" has no secret"},
		{"\n" K("secret AAAA;"), "a.key:2: the key \"k\" has no algorithm"},
		{K("algorithm hmac-md5; algorithm hmac-md5; secret AAAA;"), "a.key:1: algorithm is there twice"},
		{K("secret AAAA; secret AAAA; algorithm hmac-md5;"), "a.key:1: secret is there twice"},
		{K("algorithm hmac-md6; secret AAAA;"),
		 "a.key:1: unknown algorithm \"hmac-md6\"; known: hmac-md5, -sha1"},
		{K("algorithm hmac-md5; secret AAA;"), "a.key:1: the secret is not base64"},
		{K("algorithm hmac-md5; secret \"AA=A\";"), "a.key:1: the secret is not base64"},
		{K("algorithm hmac-md5; secret \"\";"), "a.key:1: the secret is empty"},
		{"key \"\" { algorithm hmac-md5; secret AAAA; };", "a.key:1: \"\" is not a key name"},
		{"key . { algorithm hmac-md5; secret AAAA; };", "a.key:1: the root cannot be a key name"},
		{"key a..b { algorithm hmac-md5; secret AAAA; };", "a.key:1: \"a..b\" is not a key name"},
		{K("algorithm hmac-md5; secret AAAA;") "\n\n"
						       "key K. { algorithm hmac-sha1; secret AAAA; };",
		 "a.key:3: the key \"K.\" is there twice"},
		{"options {\n{ };", "a.key:1: the statement \"options\" does not end"},
		{"options };", "a.key:1: expected a statement, found \"}\""},
		{"include \"b.key\";", "a.key:1: expected a key statement, found \"include\""},
		{"/* no end", "a.key:1: expected a key statement, found a string or comment that does not end"},
		{"Private-key-format: v1.3\nAlgorithm: 157 (HMAC_MD5)\nKey: AAAA\n",
		 "a.key:1: a K*.private file is not read"},
		{"hmac-sha256:dhcp.:AAAA", "a.key:1: expected a key statement, found \"...\""},
		{K("algorithm \"bWFkbWFkbWFkbWFkbWFkbQ==\"; secret hmac-md5;"), "a.key:1: unknown algorithm \"...\""},
		{"key \"a\n\" {", "a.key:1: expected the name of the key, found a string or comment that does not end"},
		{"key \x01 {{", "a.key:1: expected algorithm, secret or \"}\", found \"{\""},
	};
	char reason[KEYRING_REASON_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct keyring *keys = keyring_new();
		assert_int_not_equal(keyring_parse(keys, bad[i].text, strlen(bad[i].text), "a.key", reason), STATUS_OK);
		if (strncmp(reason, bad[i].reason, strlen(bad[i].reason)) != 0)
			assert_string_equal(reason, bad[i].reason);
		/* A secret is never told. */
		assert_null(strstr(reason, "AAAA"));
		assert_null(strstr(reason, "bWFk"));
		keyring_free(keys);
	}
}

static void
statuses_tell_a_double_key_from_a_malformed_one(void **state)
{
	char reason[KEYRING_REASON_SIZE];
	struct keyring *keys = keyring_new();

	(void)state;
	assert_int_equal(keyring_add(keys, "a", "hmac-sha256", "bWFk", reason), STATUS_OK);
	assert_int_equal(keyring_add(keys, "A.", "hmac-sha256", "bWFk", reason), STATUS_EXISTS);
	assert_int_equal(keyring_add(keys, "b", "hmac", "bWFk", reason), STATUS_MALFORMED);
	assert_int_equal(keyring_add(keys, "b", "hmac-sha256", "bWF", reason), STATUS_MALFORMED);
	assert_int_equal(keyring_add(keys, "@", "hmac-sha256", "bWFk", reason), STATUS_MALFORMED);
	assert_int_equal(keyring_count(keys), 1);
	keyring_free(keys);
}

static void
secrets_of_any_size_up_to_1024_octets_are_taken(void **state)
{
	static uint8_t secret[KEYRING_SECRET_MAX + 1];
	static char base64[4 * KEYRING_SECRET_MAX];
	char reason[KEYRING_REASON_SIZE], text[16];
	struct keyring *keys = keyring_new();

	(void)state;
	for (size_t size = 1; size <= KEYRING_SECRET_MAX; size += size < 130 ? 1 : 149) {
		bytes_to_base64(secret, size, base64);
		snprintf(text, sizeof text, "k%zu", size);
		assert_int_equal(keyring_add(keys, text, "hmac-sha512", base64, reason), STATUS_OK);
		assert_int_equal(keyring_at(keys, keyring_count(keys) - 1)->secret_size, size);
	}
	bytes_to_base64(secret, KEYRING_SECRET_MAX, base64);
	assert_int_equal(keyring_add(keys, "max", "hmac-sha512", base64, reason), STATUS_OK);
	bytes_to_base64(secret, KEYRING_SECRET_MAX + 1, base64);
	assert_int_equal(keyring_add(keys, "over", "hmac-sha512", base64, reason), STATUS_MALFORMED);
	assert_string_equal(reason, "the secret is longer than 1024 octets");
	keyring_free(keys);
}

static void
many_keys_are_all_found(void **state)
{
	char reason[KEYRING_REASON_SIZE], text[32];
	uint8_t wire[NAME_MAX_SIZE];
	struct keyring *keys = keyring_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "K%d.example", i);
		assert_int_equal(keyring_add(keys, text, "hmac-sha256", "bWFk", reason), STATUS_OK);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "k%d.example.", i);
		assert_string_equal(keyring_find(keys, name(text, wire))->text, text);
	}
	assert_null(keyring_find(keys, name("k1000.example.", wire)));
	assert_null(keyring_find(keys, name(".", wire)));
	keyring_free(keys);
}

static void
uses_are_inherited_by_keys_that_stay_the_same(void **state)
{
	char reason[KEYRING_REASON_SIZE];
	struct keyring *old = keyring_new(), *new = keyring_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		const char *const names[] = {"same", "secret", "algorithm"};
		assert_int_equal(keyring_add(old, names[i], "hmac-sha256", "bWFk", reason), STATUS_OK);
		stat_add_shared(&keyring_at(old, (size_t)i)->uses, 7);
		atomic_store(&keyring_at(old, (size_t)i)->last_use_s, 1700000000);
	}
	assert_int_equal(keyring_add(new, "new", "hmac-sha256", "bWFk", reason), STATUS_OK);
	assert_int_equal(keyring_add(new, "algorithm", "hmac-sha512", "bWFk", reason), STATUS_OK);
	assert_int_equal(keyring_add(new, "secret", "hmac-sha256", "bWFl", reason), STATUS_OK);
	assert_int_equal(keyring_add(new, "same", "hmac-sha256", "bWFk", reason), STATUS_OK);
	keyring_inherit(new, old);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(stat_read(&keyring_at(new, i)->uses), 0);
	assert_int_equal(stat_read(&keyring_at(new, 3)->uses), 7);
	assert_int_equal(stat_read(&keyring_at(new, 3)->last_use_s), 1700000000);
	keyring_free(old);
	keyring_free(new);
}

static void
a_generated_key_is_read_and_differs_from_the_next(void **state)
{
	/* The sizes of tsig-keygen: as long as the digest (RFC 8945 8 wants no shorter secret). */
	static const struct { const char *algorithm; size_t size; } sizes[] = {
		{"hmac-md5", 16}, {"hmac-sha1", 20}, {"hmac-sha224", 28}, {"hmac-sha256", 32}, {"hmac-sha256-128", 32},
		{"hmac-sha384", 48}, {"hmac-sha384-192", 48}, {"hmac-sha512", 64}, {"hmac-sha512-256", 64},
	};
	char one[2048], two[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(keyring_generate("a.Key", sizes[i].algorithm, one, sizeof one), STATUS_OK);
		assert_int_equal(keyring_generate("a.Key", sizes[i].algorithm, two, sizeof two), STATUS_OK);
		assert_string_not_equal(one, two);
		struct keyring *keys = parse(one);
		assert_string_equal(keyring_at(keys, 0)->text, "a.key.");
		assert_string_equal(keyring_at(keys, 0)->algorithm->text, sizes[i].algorithm);
		assert_int_equal(keyring_at(keys, 0)->secret_size, sizes[i].size);
		keyring_free(keys);
	}
}

static void
generated_keys_look_as_those_of_tsig_keygen(void **state)
{
	char out[2048];

	(void)state;
	assert_int_equal(keyring_generate("dhcp.", "hmac-sha256", out, sizeof out), STATUS_OK);
	/* The same but for the 44 characters of the secret. */
	const char *secret = strstr(tsig_keygen, "+aDJ");
	assert_int_equal(strlen(out), strlen(tsig_keygen));
	assert_memory_equal(out, tsig_keygen, (size_t)(secret - tsig_keygen));
	assert_string_equal(out + (secret - tsig_keygen) + 44, secret + 44);
	assert_int_equal(keyring_generate("dhcp", "hmac-sha256", out, sizeof out), STATUS_OK);
	assert_memory_equal(out, "key \"dhcp\" {", 12);
	assert_int_equal(keyring_generate("a\\\"b", "hmac-sha256", out, sizeof out), STATUS_OK);
	keyring_free(parse(out));
	assert_int_equal(keyring_generate("", "hmac-sha256", out, sizeof out), STATUS_INVALID);
	assert_int_equal(keyring_generate(".", "hmac-sha256", out, sizeof out), STATUS_INVALID);
	assert_int_equal(keyring_generate("a", "hmac-sha3", out, sizeof out), STATUS_INVALID);
	assert_int_equal(keyring_generate("a", "hmac-sha256", out, 20), STATUS_LIMIT);
}

static void
a_file_that_cannot_be_read_says_why(void **state)
{
	char reason[KEYRING_REASON_SIZE];
	struct keyring *keys = keyring_new();

	(void)state;
	assert_int_equal(keyring_load(keys, "/nonexistent/a.key", reason), STATUS_IO);
	assert_string_equal(reason, "/nonexistent/a.key: No such file or directory");
	assert_int_equal(keyring_load(keys, "/", reason), STATUS_IO);
	assert_string_equal(reason, "/: Is a directory");
	assert_int_equal(keyring_load(keys, "/dev/zero", reason), STATUS_LIMIT);
	assert_string_equal(reason, "/dev/zero: a key file of over 1 MiB");
	assert_int_equal(keyring_load(keys, "/dev/null", reason), STATUS_MALFORMED);
	assert_int_equal(keyring_load(keys, "x/Kdhcp.+157+12345.key", reason), STATUS_MALFORMED);
	assert_memory_equal(reason, "x/Kdhcp.+157+12345.key:1: K*.key and K*.private files are not read", 66);
	keyring_free(keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_output_of_tsig_keygen_rndc_confgen_and_ddns_confgen_is_read),
		cmocka_unit_test(comments_quotes_and_several_keys_are_taken_as_in_bind),
		cmocka_unit_test(each_mistake_is_told_with_file_and_line),
		cmocka_unit_test(statuses_tell_a_double_key_from_a_malformed_one),
		cmocka_unit_test(secrets_of_any_size_up_to_1024_octets_are_taken),
		cmocka_unit_test(many_keys_are_all_found),
		cmocka_unit_test(uses_are_inherited_by_keys_that_stay_the_same),
		cmocka_unit_test(a_generated_key_is_read_and_differs_from_the_next),
		cmocka_unit_test(generated_keys_look_as_those_of_tsig_keygen),
		cmocka_unit_test(a_file_that_cannot_be_read_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
