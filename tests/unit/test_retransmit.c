/* update/retransmit.c (updates.md 2). */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"
#include "update/retransmit.h"

/* key NULL: unsigned. `last` is the last octet of the client's address. */
static struct update_request *
make(const char *text, uint16_t id, const char *key, uint8_t mac, uint8_t last)
{
	struct update_request *request = malloc(sizeof *request);
	uint8_t wire[512];
	size_t size = update_text_build(id, text, wire, sizeof wire);

	assert_int_equal(update_text_request(request, wire, size, key), PARSE_OK);
	struct sockaddr_in client = {
		.sin_family = AF_INET, .sin_port = htons(1000 + mac), .sin_addr.s_addr = htonl(0xc0000200u + last)};
	memcpy(&request->client, &client, sizeof client);
	request->has_mac = key != NULL;
	request->mac[7] = mac;
	request->arrival_ns = mac;
	return request;
}

static void
drop(struct update_request *request)
{
	arena_free(&request->arena);
	free(request);
}

static enum retransmit_verdict
check(struct retransmit *retransmit, struct update_request *request, uint64_t now_ms)
{
	return retransmit_check(retransmit, request, now_ms);
}

static void
a_known_message_gets_the_first_answer_for_thirty_seconds(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	struct update_request *first = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9),
			      *again = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 77);

	(void)state;
	assert_int_equal(check(retransmit, first, 1000), RETRANSMIT_NEW);
	first->rcode = RCODE_YXDOMAIN;
	ede_set(&first->ede, EDE_OTHER, "why");
	assert_null(retransmit_answered(retransmit, first, 2000));
	drop(first);
	assert_int_equal(check(retransmit, again, 31999), RETRANSMIT_KNOWN);
	assert_int_equal(again->rcode, RCODE_YXDOMAIN);
	assert_string_equal(again->ede.text, "why");
	assert_int_equal(check(retransmit, again, 32000), RETRANSMIT_NEW);
	again->rcode = RCODE_NOERROR;
	assert_null(retransmit_answered(retransmit, again, 32000));
	drop(again);
	retransmit_free(retransmit);
}

static void
key_id_and_mac_make_a_signed_message(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	struct update_request *all[] = {
		make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9), make("U a 300 IN A 192.0.2.7", 7, "k.", 2, 9),
		make("U a 300 IN A 192.0.2.7", 8, "k.", 1, 9), make("U a 300 IN A 192.0.2.7", 7, "l.", 1, 9),
		make("U a 300 IN A 192.0.2.7", 7, NULL, 1, 9), make("U a 300 IN A 192.0.2.7", 7, NULL, 1, 10),
		make("U a 300 IN A 192.0.2.8", 7, NULL, 1, 9),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(check(retransmit, all[i], 1000), RETRANSMIT_NEW);
	struct update_request *other_port = make("U a 300 IN A 192.0.2.7", 7, NULL, 5, 9);
	assert_int_equal(check(retransmit, other_port, 1000), RETRANSMIT_WAITING);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct update_request *waiters = retransmit_answered(retransmit, all[i], 1000);
		assert_ptr_equal(waiters, i == 4 ? other_port : NULL);
		drop(all[i]);
	}
	drop(other_port);
	retransmit_free(retransmit);
}

static void
those_who_wait_get_the_answer_in_order(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	struct update_request *first = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9),
			      *two = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9),
			      *three = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9);

	(void)state;
	assert_int_equal(check(retransmit, first, 1000), RETRANSMIT_NEW);
	assert_int_equal(check(retransmit, two, 1001), RETRANSMIT_WAITING);
	assert_int_equal(check(retransmit, three, 1002), RETRANSMIT_WAITING);
	first->rcode = RCODE_NOERROR;
	first->version = 12;
	first->serial = 34;
	struct update_request *waiters = retransmit_answered(retransmit, first, 1100);
	assert_ptr_equal(waiters, two);
	assert_ptr_equal(two->next, three);
	assert_null(three->next);
	assert_int_equal(three->version, 12);
	assert_int_equal(three->serial, 34);
	drop(first);
	drop(two);
	drop(three);
	retransmit_free(retransmit);
}

static void
what_was_dropped_or_servfail_is_forgotten(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	struct update_request *request = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9);

	(void)state;
	assert_int_equal(check(retransmit, request, 1000), RETRANSMIT_NEW);
	request->rcode = RCODE_SERVFAIL;
	assert_null(retransmit_answered(retransmit, request, 1000));
	assert_int_equal(check(retransmit, request, 1000), RETRANSMIT_NEW);
	request->rcode = RCODE_NOERROR;
	request->drop = true;
	assert_null(retransmit_answered(retransmit, request, 1000));
	assert_int_equal(check(retransmit, request, 1000), RETRANSMIT_NEW);
	request->drop = false;
	assert_null(retransmit_answered(retransmit, request, 1000));
	assert_int_equal(check(retransmit, request, 1000), RETRANSMIT_KNOWN);
	drop(request);
	retransmit_free(retransmit);
}

static void
an_entry_outlives_its_request(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	struct update_request *first = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9),
			      *two = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9),
			      *three = make("U a 300 IN A 192.0.2.7", 7, "k.", 1, 9);

	(void)state;
	assert_int_equal(check(retransmit, first, 1000), RETRANSMIT_NEW);
	struct retransmit_entry *entry = first->retransmit;
	drop(first);
	two->arrival_ns = 5;
	three->arrival_ns = 50;
	assert_int_equal(check(retransmit, two, 1000), RETRANSMIT_WAITING);
	assert_int_equal(check(retransmit, three, 1000), RETRANSMIT_WAITING);
	assert_ptr_equal(retransmit_overdue(retransmit, entry, 10), two);
	assert_null(two->next);
	assert_null(retransmit_overdue(retransmit, entry, 10));
	struct retransmit_outcome outcome = {.rcode = RCODE_NOERROR, .version = 3};
	assert_ptr_equal(retransmit_settle(retransmit, entry, &outcome, 1000), three);
	assert_int_equal(three->version, 3);
	assert_int_equal(check(retransmit, two, 1000), RETRANSMIT_KNOWN);
	drop(two);
	drop(three);
	retransmit_free(retransmit);
}

static void
macs_in_the_log_are_known_for_a_while_by_zone(void **state)
{
	struct retransmit *retransmit = retransmit_new();
	const struct zone *a = (const struct zone *)(uintptr_t)16, *b = (const struct zone *)(uintptr_t)32;
	const uint8_t mac[8] = {1, 2, 3}, other[8] = {1, 2, 4};

	(void)state;
	retransmit_applied(retransmit, a, mac, 1000);
	assert_true(retransmit_was_applied(retransmit, a, mac, 30999));
	assert_false(retransmit_was_applied(retransmit, a, mac, 31000));
	assert_false(retransmit_was_applied(retransmit, b, mac, 1000));
	assert_false(retransmit_was_applied(retransmit, a, other, 1000));
	retransmit_applied(retransmit, b, other, 40000);
	assert_true(retransmit_was_applied(retransmit, b, other, 40000));
	retransmit_free(retransmit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_message_gets_the_first_answer_for_thirty_seconds),
		cmocka_unit_test(key_id_and_mac_make_a_signed_message),
		cmocka_unit_test(those_who_wait_get_the_answer_in_order),
		cmocka_unit_test(what_was_dropped_or_servfail_is_forgotten),
		cmocka_unit_test(an_entry_outlives_its_request),
		cmocka_unit_test(macs_in_the_log_are_known_for_a_while_by_zone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
