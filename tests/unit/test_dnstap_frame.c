#include "serve/dnstap_frame.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

/* Octets by the field numbers of dnstap.proto and the encoding of Protocol Buffers. */

static struct peer
peer_of(int family, const char *address, uint16_t port, enum transport transport)
{
	struct peer peer = {.transport = transport, .remote.ss_family = (sa_family_t)family};
	struct sockaddr_in *in = (struct sockaddr_in *)&peer.remote;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer.remote;

	in->sin_port = htons(port); /* of both families */
	assert_int_equal(inet_pton(family, address, family == AF_INET ? (void *)&in->sin_addr : &in6->sin6_addr), 1);
	return peer;
}

static void
check(const struct dnstap_event *event, unsigned type, const uint8_t *expected, size_t size)
{
	struct dnstap_frame frame;
	uint8_t *out = malloc(size);

	assert_int_equal(dnstap_frame_type(event), type);
	assert_int_equal(dnstap_frame_begin(&frame, event, type), size);
	dnstap_frame_write(&frame, out);
	assert_memory_equal(out, expected, size);
	free(out);
}

static void
a_query_is_written_field_by_field(void **state)
{
	static const uint8_t query[] = "\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1";
	static const uint8_t expected[] = {
		0x72, 52,                     /* message = 14 */
		0x08, 1, 0x10, 1, 0x18, 1,    /* AUTH_QUERY, INET, UDP */
		0x22, 4, 192, 0, 2, 1,        /* query_address */
		0x2a, 4, 198, 51, 100, 7,     /* response_address */
		0x30, 0xd0, 0x0f, 0x38, 53,   /* ports 2000 and 53 */
		0x40, 0xac, 2,                /* query_time_sec 300 */
		0x4d, 0xe8, 0x03, 0, 0,       /* query_time_nsec 1000 */
		0x52, 19, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1, /* query_message */
	};
	struct peer peer = peer_of(AF_INET, "192.0.2.1", 2000, TRANSPORT_UDP);
	struct peer local = peer_of(AF_INET, "198.51.100.7", 53, TRANSPORT_UDP);
	struct dnstap_event event = {.peer = &peer, .local = &local.remote, .query_us = 300000001, .message = query,
				     .size = sizeof query - 1};

	(void)state;
	check(&event, DNSTAP_AUTH_QUERY, expected, sizeof expected);
}

static void
a_response_to_an_update_has_both_times_and_the_zone(void **state)
{
	static const uint8_t response[] = "\0\1\250\0\0\1\0\0\0\0\0\0\1a\0\0\6\0\1";
	static const uint8_t expected[] = {
		0x72, 87, 0x08, 14, 0x10, 2, 0x18, 3, /* UPDATE_RESPONSE, INET6, DOT */
		0x22, 16, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x2a, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x30, 1, 0x38, 0xd5, 0x06,    /* ports 1 and 853 */
		0x40, 1, 0x4d, 0, 0, 0, 0,    /* 1 s */
		0x60, 2, 0x6d, 0x00, 0x65, 0xcd, 0x1d, /* 2 s and 500,000,000 ns */
		0x5a, 3, 1, 'a', 0,           /* query_zone */
		0x72, 19, 0, 1, 0xa8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 6, 0, 1,
	};
	struct peer peer = peer_of(AF_INET6, "2001:db8::1", 1, TRANSPORT_TLS);
	struct peer local = peer_of(AF_INET6, "::1", 853, TRANSPORT_TLS);
	struct dnstap_event event = {.peer = &peer, .local = &local.remote, .query_us = 1000000,
				     .response_us = 2500000, .message = response, .size = sizeof response - 1};

	(void)state;
	assert_int_equal(expected[1], sizeof expected - 2);
	check(&event, DNSTAP_UPDATE_RESPONSE, expected, sizeof expected);
}

static void
what_is_no_message_in_that_direction_has_no_type(void **state)
{
	static const uint8_t query[12] = {0}, response[12] = {0, 0, 0x80};
	struct dnstap_event event = {.message = query, .size = 11};

	(void)state;
	assert_int_equal(dnstap_frame_type(&event), 0);
	event.size = 12;
	assert_int_equal(dnstap_frame_type(&event), DNSTAP_AUTH_QUERY);
	event.response_us = 1;
	assert_int_equal(dnstap_frame_type(&event), 0);
	event.message = response;
	assert_int_equal(dnstap_frame_type(&event), DNSTAP_AUTH_RESPONSE);
	event.response_us = 0;
	assert_int_equal(dnstap_frame_type(&event), 0);
}

/* An UPDATE that ends anywhere: exactly its octets are read (AddressSanitizer), and only a whole name is a zone. */
static void
a_message_may_end_anywhere(void **state)
{
	static const uint8_t update[] = "\0\1\50\0\0\1\0\0\0\0\0\0\7example\4test\0\0\6\0\1";
	struct peer peer = peer_of(AF_INET, "192.0.2.1", 2000, TRANSPORT_TCP);
	struct dnstap_frame frame;

	(void)state;
	for (size_t size = 12; size < sizeof update; size++) {
		uint8_t *octets = malloc(size), *out;
		memcpy(octets, update, size);
		struct dnstap_event event = {.peer = &peer, .local = &peer.remote, .message = octets, .size = size};
		size_t whole = dnstap_frame_begin(&frame, &event, DNSTAP_UPDATE_QUERY);
		out = malloc(whole);
		dnstap_frame_write(&frame, out);
		bool zone = memmem(out, whole, "\x5a\16\7example\4test", 16) != NULL;
		assert_int_equal(zone, size >= 26);
		free(octets);
		free(out);
	}
}

static void
names_that_are_none_are_no_zone(void **state)
{
	struct peer peer = peer_of(AF_INET, "192.0.2.1", 2000, TRANSPORT_TCP);
	struct dnstap_frame frame;
	uint8_t octets[600] = "\0\1\50\0\0\1\0\0\0\0\0\0\300\14";
	struct dnstap_event event = {.peer = &peer, .local = &peer.remote, .message = octets, .size = 14};

	(void)state;
	dnstap_frame_begin(&frame, &event, DNSTAP_UPDATE_QUERY);
	assert_null(memmem(frame.head, frame.head_size, "\x5a", 1));
	/* 300 octets of labels */
	for (size_t i = 12; i < 312; i += 2)
		memcpy(octets + i, "\1a", 2);
	octets[312] = 0;
	event.size = sizeof octets;
	dnstap_frame_begin(&frame, &event, DNSTAP_UPDATE_QUERY);
	assert_null(memmem(frame.head, frame.head_size, "\x5a", 1));
}

static void
who_we_are_stands_in_front(void **state)
{
	size_t size;
	uint8_t *prefix = dnstap_frame_prefix("gw", "v1", &size);

	(void)state;
	assert_int_equal(size, 10);
	assert_memory_equal(prefix, "\x0a\2gw\x12\2v1\x78\1", size);
	free(prefix);
	prefix = dnstap_frame_prefix(NULL, NULL, &size);
	assert_int_equal(size, 2);
	assert_memory_equal(prefix, "\x78\1", size);
	free(prefix);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_written_field_by_field),
		cmocka_unit_test(a_response_to_an_update_has_both_times_and_the_zone),
		cmocka_unit_test(what_is_no_message_in_that_direction_has_no_type),
		cmocka_unit_test(a_message_may_end_anywhere),
		cmocka_unit_test(names_that_are_none_are_no_zone),
		cmocka_unit_test(who_we_are_stands_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
