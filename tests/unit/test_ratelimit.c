/* serve/ratelimit: time is an argument, so nothing is waited for. */
#include "serve/ratelimit.h"
#include "base/bytes.h"
#include "tests/unit/cmocka.h"
#include <arpa/inet.h>

static struct sockaddr_storage
client4(uint32_t number)
{
	struct sockaddr_storage out = {0};

	out.ss_family = AF_INET;
	((struct sockaddr_in *)&out)->sin_addr.s_addr = htonl(number);
	return out;
}

static struct sockaddr_storage
client6(const char *text)
{
	struct sockaddr_storage out = {0};

	out.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&out)->sin6_addr), 1);
	return out;
}

/* Queries at even distances over `ms`; how many had each verdict. */
static void
ask(struct ratelimit *limit, const struct ratelimit_settings *settings, const struct sockaddr_storage *client,
    enum ratelimit_kind kind, uint64_t start_ms, unsigned ms, unsigned count, unsigned verdicts[RATELIMIT_VERDICTS])
{
	memset(verdicts, 0, RATELIMIT_VERDICTS * sizeof *verdicts);
	for (unsigned i = 0; i < count; i++)
		verdicts[ratelimit_take(limit, settings, client, kind, start_ms + (uint64_t)i * ms / count)]++;
}

static void
a_flood_gets_the_rate_and_one_second_more(void **state)
{
	const struct ratelimit_settings settings = {.rate_milli = 50000, .slip = 2};
	const struct sockaddr_storage client = client4(0xc0000201);
	struct ratelimit *limit = ratelimit_new(1);
	unsigned seen[RATELIMIT_VERDICTS];

	(void)state;
	ask(limit, &settings, &client, RATELIMIT_ANSWER, 1000, 10000, 100000, seen);
	assert_in_range(seen[RATELIMIT_SEND], 545, 550);
	assert_in_range(seen[RATELIMIT_SLIP], (100000 - 550) / 2 - 1, (100000 - 545) / 2 + 1);
	/* Under the rate nothing is lost. */
	ask(limit, &settings, &client, RATELIMIT_ANSWER, 20000, 10000, 490, seen);
	assert_int_equal(seen[RATELIMIT_SEND], 490);
	ratelimit_free(limit);
}

static void
slip_says_how_many_are_sent_cut(void **state)
{
	const struct sockaddr_storage client = client4(0xc0000201);
	const struct { unsigned slip, expected; } cases[] = {{0, 0}, {1, 999}, {2, 499}, {10, 99}};
	unsigned seen[RATELIMIT_VERDICTS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ratelimit_settings settings = {.rate_milli = 1000, .slip = cases[i].slip};
		struct ratelimit *limit = ratelimit_new(1);
		ask(limit, &settings, &client, RATELIMIT_ERROR, 0, 1, 1000, seen);
		assert_int_equal(seen[RATELIMIT_SEND], 1);
		assert_int_equal(seen[RATELIMIT_SLIP], cases[i].expected);
		ratelimit_free(limit);
	}
}

static void
networks_and_kinds_have_buckets_of_their_own(void **state)
{
	const struct ratelimit_settings settings = {.rate_milli = 1000, .slip = 0};
	struct ratelimit *limit = ratelimit_new(1);
	const struct {
		struct sockaddr_storage client;
		enum ratelimit_kind kind;
		enum ratelimit_verdict verdict;
	} cases[] = {
		{client4(0xc0000201), RATELIMIT_ANSWER, RATELIMIT_SEND},
		{client4(0xc00002fe), RATELIMIT_ANSWER, RATELIMIT_DROP},
		{client4(0xc0000301), RATELIMIT_ANSWER, RATELIMIT_SEND},
		{client4(0xc0000201), RATELIMIT_NXDOMAIN, RATELIMIT_SEND},
		{client4(0xc0000207), RATELIMIT_NXDOMAIN, RATELIMIT_DROP},
		{client4(0xc0000201), RATELIMIT_EMPTY, RATELIMIT_SEND},
		{client6("2001:db8:0:1200::1"), RATELIMIT_ANSWER, RATELIMIT_SEND},
		{client6("2001:db8:0:12ff:ffff::"), RATELIMIT_ANSWER, RATELIMIT_DROP},
		{client6("2001:db8:0:1300::1"), RATELIMIT_ANSWER, RATELIMIT_SEND},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(ratelimit_take(limit, &settings, &cases[i].client, cases[i].kind, 5000),
				 cases[i].verdict);
	ratelimit_free(limit);
}

static void
workers_share_the_rate(void **state)
{
	const struct ratelimit_settings settings = {.rate_milli = 20000, .slip = 0};
	const struct sockaddr_storage client = client4(0xc0000201);
	unsigned seen[RATELIMIT_VERDICTS];

	(void)state;
	struct ratelimit *limit = ratelimit_new(64); /* less than one a second for each */
	ask(limit, &settings, &client, RATELIMIT_ANSWER, 0, 60000, 60000, seen);
	assert_in_range(seen[RATELIMIT_SEND], 18, 20);
	ratelimit_free(limit);
}

static void
a_flood_from_everywhere_does_not_free_who_is_limited(void **state)
{
	const struct ratelimit_settings settings = {.rate_milli = 10000, .slip = 0};
	const struct sockaddr_storage victim = client4(0xcb007101);
	struct ratelimit *limit = ratelimit_new(1);
	unsigned sent = 0;

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		struct sockaddr_storage other = client4(0x0a000000 + (i << 8));
		ratelimit_take(limit, &settings, &other, RATELIMIT_ANSWER, i / 100);
		if (i % 10 == 0)
			sent += ratelimit_take(limit, &settings, &victim, RATELIMIT_ANSWER, i / 100) == RATELIMIT_SEND;
	}
	assert_in_range(sent, 10, 115); /* 10 s at 10 a second, and the first second's */
	ratelimit_free(limit);
}

static void
a_clock_that_has_gone_round_does_no_harm(void **state)
{
	const struct ratelimit_settings settings = {.rate_milli = 1000, .slip = 0};
	const struct sockaddr_storage client = client4(0xc0000201);
	struct ratelimit *limit = ratelimit_new(1);

	(void)state;
	for (uint64_t ms = UINT32_MAX - 5000ull; ms < UINT32_MAX + 5000ull; ms += 1000) {
		assert_int_equal(ratelimit_take(limit, &settings, &client, RATELIMIT_ANSWER, ms), RATELIMIT_SEND);
		assert_int_equal(ratelimit_take(limit, &settings, &client, RATELIMIT_ANSWER, ms + 1), RATELIMIT_DROP);
	}
	ratelimit_free(limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_gets_the_rate_and_one_second_more),
		cmocka_unit_test(slip_says_how_many_are_sent_cut),
		cmocka_unit_test(networks_and_kinds_have_buckets_of_their_own),
		cmocka_unit_test(workers_share_the_rate),
		cmocka_unit_test(a_flood_from_everywhere_does_not_free_who_is_limited),
		cmocka_unit_test(a_clock_that_has_gone_round_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
