/* base/digest: vectors of RFC 2202 (HMAC-MD5, HMAC-SHA-1), RFC 4231 (HMAC-SHA-2) and NIST's examples of SHA-256. */
#include "base/digest.h"
#include "base/bytes.h"
#include "tests/unit/cmocka.h"
#include <pthread.h>

#define JEFE "4a656665"
#define WHAT_DO_YA "7768617420646f2079612077616e7420666f72206e6f7468696e673f"
#define HI_THERE "4869205468657265"
#define LARGER_KEY \
	"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b65792046" \
	"69727374"
#define LARGER_BOTH_2202 \
	"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e64204c61726765722054" \
	"68616e204f6e6520426c6f636b2d53697a652044617461"
#define LARGER_BOTH_4231 \
	"5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920" \
	"616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e656564732074" \
	"6f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f72697468" \
	"6d2e"

/* A key or data is hexadecimal, or one byte repeated. */
struct octets {
	const char *hex;
	uint8_t byte;
	size_t count;
};

static const struct {
	enum digest_algorithm algorithm;
	struct octets key, data;
	const char *mac;
} vectors[] = {
	/* RFC 2202 section 2 */
	{DIGEST_MD5, {NULL, 0x0b, 16}, {HI_THERE, 0, 0}, "9294727a3638bb1c13f48ef8158bfc9d"},
	{DIGEST_MD5, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0}, "750c783e6ab0b503eaa86e310a5db738"},
	{DIGEST_MD5, {NULL, 0xaa, 16}, {NULL, 0xdd, 50}, "56be34521d144c88dbb8c733f0e8b3f6"},
	{DIGEST_MD5, {NULL, 0xaa, 80}, {LARGER_KEY, 0, 0}, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
	{DIGEST_MD5, {NULL, 0xaa, 80}, {LARGER_BOTH_2202, 0, 0}, "6f630fad67cda0ee1fb1f562db3aa53e"},
	/* RFC 2202 section 3 */
	{DIGEST_SHA1, {NULL, 0x0b, 20}, {HI_THERE, 0, 0}, "b617318655057264e28bc0b6fb378c8ef146be00"},
	{DIGEST_SHA1, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0}, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{DIGEST_SHA1, {NULL, 0xaa, 20}, {NULL, 0xdd, 50}, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
	{DIGEST_SHA1, {NULL, 0xaa, 80}, {LARGER_KEY, 0, 0}, "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
	{DIGEST_SHA1, {NULL, 0xaa, 80}, {LARGER_BOTH_2202, 0, 0}, "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
	/* RFC 4231 section 4.2 */
	{DIGEST_SHA224, {NULL, 0x0b, 20}, {HI_THERE, 0, 0}, "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"},
	{DIGEST_SHA256, {NULL, 0x0b, 20}, {HI_THERE, 0, 0},
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{DIGEST_SHA384, {NULL, 0x0b, 20}, {HI_THERE, 0, 0},
		"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
	{DIGEST_SHA512, {NULL, 0x0b, 20}, {HI_THERE, 0, 0},
		"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4"
		"be9d914eeb61f1702e696c203a126854"},
	/* 4.3 */
	{DIGEST_SHA224, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0}, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
	{DIGEST_SHA256, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0},
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{DIGEST_SHA384, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0},
		"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
	{DIGEST_SHA512, {JEFE, 0, 0}, {WHAT_DO_YA, 0, 0},
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
		"caeab1a34d4a6b4b636e070a38bce737"},
	/* 4.4 */
	{DIGEST_SHA256, {NULL, 0xaa, 20}, {NULL, 0xdd, 50},
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	/* 4.7 and 4.8: a key longer than a block */
	{DIGEST_SHA224, {NULL, 0xaa, 131}, {LARGER_KEY, 0, 0},
		"95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e"},
	{DIGEST_SHA256, {NULL, 0xaa, 131}, {LARGER_KEY, 0, 0},
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{DIGEST_SHA384, {NULL, 0xaa, 131}, {LARGER_KEY, 0, 0},
		"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"},
	{DIGEST_SHA512, {NULL, 0xaa, 131}, {LARGER_KEY, 0, 0},
		"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52"
		"95e64f73f63f0aec8b915a985d786598"},
	{DIGEST_SHA256, {NULL, 0xaa, 131}, {LARGER_BOTH_4231, 0, 0},
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	{DIGEST_SHA512, {NULL, 0xaa, 131}, {LARGER_BOTH_4231, 0, 0},
		"e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15"
		"134676fb6de0446065c97440fa8c6a58"},
};

static size_t
octets_fill(const struct octets *octets, uint8_t *out)
{
	if (octets->hex) {
		assert_true(bytes_from_hex(octets->hex, strlen(octets->hex), out));
		return strlen(octets->hex) / 2;
	}
	memset(out, octets->byte, octets->count);
	return octets->count;
}

static void
hmac_agrees_with_rfc_2202_and_rfc_4231(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t secret[160], data[160], mac[DIGEST_MAX_SIZE];
		char text[2 * DIGEST_MAX_SIZE + 1];
		size_t secret_size = octets_fill(&vectors[i].key, secret);
		size_t size = octets_fill(&vectors[i].data, data);
		struct digest_key *key = digest_key_new(vectors[i].algorithm, secret, secret_size);
		assert_non_null(key);
		/* In one part and in three give the same. */
		const struct digest_part parts[] = {{data, 3}, {NULL, 0}, {data + 3, size - 3}};
		for (size_t count = 1; count <= 3; count += 2) {
			const struct digest_part whole = {data, size};
			digest_hmac(key, count == 1 ? &whole : parts, count, mac);
			bytes_to_hex(mac, digest_size(vectors[i].algorithm), text);
			assert_string_equal(text, vectors[i].mac);
		}
		digest_key_free(key);
	}
}

static void
assert_sha256(const void *bytes, size_t size, const char *expected)
{
	uint8_t at_once[DIGEST_SHA256_SIZE], streamed[DIGEST_SHA256_SIZE];
	char text[2 * DIGEST_SHA256_SIZE + 1];
	struct digest *digest = digest_new();

	digest_sha256(bytes, size, at_once);
	bytes_to_hex(at_once, sizeof at_once, text);
	assert_string_equal(text, expected);
	assert_non_null(digest);
	for (size_t i = 0; i < size; i++)
		digest_update(digest, (const uint8_t *)bytes + i, 1);
	digest_finish(digest, streamed);
	assert_memory_equal(streamed, at_once, sizeof at_once);
}

static void
sha256_agrees_with_the_examples_of_nist(void **state)
{
	(void)state;
	assert_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void
a_digest_has_its_full_size(void **state)
{
	(void)state;
	assert_int_equal(digest_size(DIGEST_MD5), 16);
	assert_int_equal(digest_size(DIGEST_SHA1), 20);
	assert_int_equal(digest_size(DIGEST_SHA224), 28);
	assert_int_equal(digest_size(DIGEST_SHA256), 32);
	assert_int_equal(digest_size(DIGEST_SHA384), 48);
	assert_int_equal(digest_size(DIGEST_SHA512), 64);
}

static void
an_empty_key_and_no_parts_are_allowed(void **state)
{
	/* HMAC-SHA-256 of nothing under nothing: `printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:`. */
	struct digest_key *key = digest_key_new(DIGEST_SHA256, NULL, 0);
	uint8_t mac[32];
	char text[65];

	(void)state;
	assert_non_null(key);
	digest_hmac(key, NULL, 0, mac);
	bytes_to_hex(mac, sizeof mac, text);
	assert_string_equal(text, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	digest_key_free(key);
	digest_key_free(NULL);
}

struct shared_key {
	struct digest_key *key;
	uint8_t expected[DIGEST_MAX_SIZE];
};

static void *
sign_often(void *argument)
{
	struct shared_key *shared = argument;
	size_t wrong = 0;

	for (int i = 0; i < 2000; i++) {
		const struct digest_part part = {"the same", 8};
		uint8_t mac[DIGEST_MAX_SIZE];
		digest_hmac(shared->key, &part, 1, mac);
		wrong += !digest_equal(mac, shared->expected, digest_size(DIGEST_SHA512));
	}
	return (void *)wrong;
}

static void
threads_may_share_a_key(void **state)
{
	struct shared_key shared = {.key = digest_key_new(DIGEST_SHA512, (const uint8_t *)"secret", 6)};
	const struct digest_part part = {"the same", 8};
	pthread_t threads[4];

	(void)state;
	digest_hmac(shared.key, &part, 1, shared.expected);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &shared), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	digest_key_free(shared.key);
}

static void
equal_and_wipe_do_what_they_say(void **state)
{
	char secret[] = "secret";

	(void)state;
	assert_true(digest_equal("abc", "abc", 3));
	assert_false(digest_equal("abc", "abd", 3));
	assert_true(digest_equal("abc", "abd", 2));
	assert_true(digest_equal("a", "b", 0));
	digest_wipe(secret, sizeof secret);
	assert_memory_equal(secret, "\0\0\0\0\0\0", sizeof secret);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_agrees_with_rfc_2202_and_rfc_4231),
		cmocka_unit_test(sha256_agrees_with_the_examples_of_nist),
		cmocka_unit_test(a_digest_has_its_full_size),
		cmocka_unit_test(an_empty_key_and_no_parts_are_allowed),
		cmocka_unit_test(threads_may_share_a_key),
		cmocka_unit_test(equal_and_wipe_do_what_they_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
