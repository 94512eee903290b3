/* serve/cookie; the vectors are those of RFC 9018, appendix A. */
#include "serve/cookie.h"
#include "base/bytes.h"
#include "tests/unit/cmocka.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

static size_t
unhex(const char *text, uint8_t *out)
{
	size_t size = strlen(text) / 2;

	for (size_t i = 0; i < size; i++) {
		unsigned byte;
		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return size;
}

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage out = {0};
	bool six = strchr(text, ':') != NULL;
	void *at = six ? (void *)&((struct sockaddr_in6 *)&out)->sin6_addr
		       : (void *)&((struct sockaddr_in *)&out)->sin_addr;

	out.ss_family = six ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(out.ss_family, text, at), 1);
	return out;
}

struct vector {
	const char *secret, *second, *client, *sent;
	uint64_t now_s;
	const char *answer;
	enum cookie_verdict verdict;
};

static enum cookie_verdict
judge(const struct vector *vector, uint8_t answer[COOKIE_SIZE])
{
	struct cookie_secrets secrets = {.count = vector->second != NULL ? 2 : 1};
	struct sockaddr_storage client = address(vector->client);
	uint8_t sent[40];

	unhex(vector->secret, secrets.bytes[0]);
	if (vector->second != NULL)
		unhex(vector->second, secrets.bytes[1]);
	size_t size = unhex(vector->sent, sent);
	return cookie_answer(&secrets, &client, sent, size, vector->now_s, answer);
}

static void
check(const struct vector *vector)
{
	uint8_t answer[COOKIE_SIZE], expected[COOKIE_SIZE];

	unhex(vector->answer, expected);
	assert_int_equal(judge(vector, answer), vector->verdict);
	assert_memory_equal(answer, expected, COOKIE_SIZE);
}

#define SECRET_1 "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define COOKIE_1 "2464c4abcf10c957010000005cf79f111f8130c3eee29480"

static const struct vector vectors[] = {
	/* A.1: a client's first query; A.2: 40 minutes later. */
	{SECRET_1, NULL, "198.51.100.100", "2464c4abcf10c957", 0x5cf79f11, COOKIE_1, COOKIE_NEW},
	{SECRET_1, NULL, "198.51.100.100", COOKIE_1, 0x5cf7a871, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
	 COOKIE_GOOD},
	/* A.3: reserved octets that are not zero are hashed as they are. */
	{SECRET_1, NULL, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 0x5cf79b81 + 0x0e2b,
	 "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", COOKIE_BAD},
	/* A.4: IPv6, and a secret that has been replaced. */
	{"445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715",
	 "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 0x5cf7c609,
	 "22681ab97d52c298010000005cf7c609a6bb79d16625507a", COOKIE_GOOD},
};

static void
cookies_are_those_of_rfc_9018(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		check(&vectors[i]);
}

static void
a_cookie_is_good_for_an_hour_and_renewed_after_half_of_it(void **state)
{
	const struct { int age_s; enum cookie_verdict verdict; bool same;
	} cases[] = {
		{0, COOKIE_GOOD, true},     {1799, COOKIE_GOOD, true}, {1800, COOKIE_GOOD, false},
		{3600, COOKIE_GOOD, false}, {3601, COOKIE_BAD, false}, {-300, COOKIE_GOOD, false},
		{-301, COOKIE_BAD, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vector vector = vectors[0];
		uint8_t answer[COOKIE_SIZE], sent[COOKIE_SIZE];
		vector.sent = COOKIE_1;
		vector.now_s = vector.now_s + (uint64_t)(int64_t)cases[i].age_s;
		unhex(COOKIE_1, sent);
		assert_int_equal(judge(&vector, answer), cases[i].verdict);
		assert_int_equal(memcmp(answer, sent, COOKIE_SIZE) == 0, cases[i].same);
	}
}

static void
a_cookie_is_of_one_client_and_one_address(void **state)
{
	(void)state;
	struct vector vector = vectors[0];
	uint8_t answer[COOKIE_SIZE];

	vector.sent = COOKIE_1;
	vector.client = "198.51.100.101";
	assert_int_equal(judge(&vector, answer), COOKIE_BAD);
	vector = vectors[0];
	for (unsigned i = 0; i < COOKIE_SIZE; i++) {
		char sent[] = COOKIE_1;
		sent[2 * i] = sent[2 * i] == '7' ? '8' : '7';
		vector.sent = sent;
		assert_int_equal(judge(&vector, answer), COOKIE_BAD);
	}
	/* Servers of another make may have longer and shorter ones (RFC 7873 4.2). */
	vector.sent = "2464c4abcf10c9570102030405060708";
	assert_int_equal(judge(&vector, answer), COOKIE_BAD);
	vector.sent = COOKIE_1 "00";
	assert_int_equal(judge(&vector, answer), COOKIE_BAD);
}

static enum status
load(const char *text, struct cookie_secrets *secrets, char *reason)
{
	char path[] = "/tmp/test_cookie.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	enum status status = cookie_load(path, secrets, reason);
	unlink(path);
	return status;
}

static void
secrets_are_read_from_lines(void **state)
{
	struct cookie_secrets secrets = {.count = 9};
	char reason[COOKIE_REASON_SIZE];
	uint8_t expected[COOKIE_SECRET_SIZE];

	(void)state;
	assert_int_equal(load("# first\n\n" SECRET_1 "\r\n00112233445566778899AABBCCDDEEFF", &secrets, reason),
			 STATUS_OK);
	assert_int_equal(secrets.count, 2);
	unhex(SECRET_1, expected);
	assert_memory_equal(secrets.bytes[0], expected, sizeof expected);
	assert_int_equal(secrets.bytes[1][15], 0xff);
	assert_int_equal(load("", &secrets, reason), STATUS_MALFORMED);
	assert_int_equal(load("\n" SECRET_1 "0\n", &secrets, reason), STATUS_MALFORMED);
	assert_non_null(strstr(reason, ":2: "));
	assert_int_equal(load("g5e973e5a6b2a43f48e7dc849e37bfcf\n", &secrets, reason), STATUS_MALFORMED);
	assert_int_equal(load(SECRET_1 "\n" SECRET_1 "\n" SECRET_1 "\n" SECRET_1 "\n" SECRET_1 "\n", &secrets, reason),
			 STATUS_MALFORMED);
	assert_int_equal(cookie_load("/nonexistent", &secrets, reason), STATUS_IO);
	assert_int_equal(secrets.count, 2); /* as before */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_are_those_of_rfc_9018),
		cmocka_unit_test(a_cookie_is_good_for_an_hour_and_renewed_after_half_of_it),
		cmocka_unit_test(a_cookie_is_of_one_client_and_one_address),
		cmocka_unit_test(secrets_are_read_from_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
