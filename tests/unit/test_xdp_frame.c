#include "serve/xdp_frame.h"
#include "tests/unit/cmocka.h"
#include <arpa/inet.h>

/*
 * Frames of Linux 6.18 between two ends of a veth pair, checksum offload off: a query each, and what a UDP socket sent
 * back, with IP_PMTUDISC_DO and without a flow label.
 */
static const uint8_t query4[] =
	"\x1a\xea\xd8\x94\xae\xea\xb6\xd9\xd6\x88\x8c\xb4\x08\x00\x45\x00\x00\x3e\x36\xd9\x40\x00\x40\x11\xef\x39"
	"\x0a\x4d\x00\x02\x0a\x4d\x00\x01\x9c\x40\x15\x17\x00\x2a\x74\xfc\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00"
	"\x00\x00\x03\x77\x77\x77\x07\x65\x78\x61\x6d\x70\x6c\x65\x04\x74\x65\x73\x74\x00\x00\x01\x00\x01";
static const uint8_t answer4[] =
	"\xb6\xd9\xd6\x88\x8c\xb4\x1a\xea\xd8\x94\xae\xea\x08\x00\x45\x00\x00\x4e\x00\x00\x40\x00\x40\x11\x26\x03"
	"\x0a\x4d\x00\x01\x0a\x4d\x00\x02\x15\x17\x9c\x40\x00\x3a\x6d\x99\x12\x34\x84\x00\x00\x01\x00\x01\x00\x00"
	"\x00\x00\x03\x77\x77\x77\x07\x65\x78\x61\x6d\x70\x6c\x65\x04\x74\x65\x73\x74\x00\x00\x01\x00\x01\xc0\x0c"
	"\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x02";
static const uint8_t query6[] =
	"\x1a\xea\xd8\x94\xae\xea\xb6\xd9\xd6\x88\x8c\xb4\x86\xdd\x60\x0f\x14\x4f\x00\x29\x11\x40\xfd\x77\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xfd\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x01\x9c\x40\x15\x17\x00\x29\x3b\x84\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02\x61\x62\x07"
	"\x65\x78\x61\x6d\x70\x6c\x65\x04\x74\x65\x73\x74\x00\x00\x1c\x00\x01";
static const uint8_t answer6[] =
	"\xb6\xd9\xd6\x88\x8c\xb4\x1a\xea\xd8\x94\xae\xea\x86\xdd\x60\x00\x00\x00\x00\x39\x11\x40\xfd\x77\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xfd\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x02\x15\x17\x9c\x40\x00\x39\xb1\x3b\x12\x34\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x02\x61\x62\x07"
	"\x65\x78\x61\x6d\x70\x6c\x65\x04\x74\x65\x73\x74\x00\x00\x10\x00\x01\xc0\x0c\x00\x10\x00\x01\x00\x00\x01"
	"\x2c\x00\x04\x03\x61\x62\x63";

#define SIZE(text) (sizeof(text) - 1)
#define HEADER4 42
#define HEADER6 62

static uint8_t bytes[2048];

static bool
reads(const uint8_t *frame, size_t size, struct xdp_frame *out)
{
	memcpy(bytes, frame, size);
	return xdp_frame_read(bytes, size, out);
}

/* One octet of the query is another one. */
static bool
reads_with(const uint8_t *frame, size_t size, size_t at, uint8_t value)
{
	struct xdp_frame out;

	memcpy(bytes, frame, size);
	bytes[at] = value;
	return xdp_frame_read(bytes, size, &out);
}

/* The IPv4 header's own sum made right, and no UDP checksum. */
static bool
reads_repaired(const uint8_t *frame, size_t size)
{
	struct xdp_frame out;

	memmove(bytes, frame, size);
	memset(bytes + 24, 0, 2);
	uint16_t sum = (uint16_t)~xdp_frame_sum(bytes + 14, 20, 0);
	memcpy(bytes + 24, &sum, sizeof sum);
	memset(bytes + 40, 0, 2);
	return xdp_frame_read(bytes, size, &out);
}

static bool
reads_repaired_with(size_t at, uint8_t value)
{
	uint8_t copy[SIZE(query4)];

	memcpy(copy, query4, sizeof copy);
	copy[at] = value;
	return reads_repaired(copy, sizeof copy);
}

static void
the_sum_is_that_of_the_rfc(void **state)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* RFC 1071 3: ddf2 */
	uint8_t most[1500];

	(void)state;
	assert_int_equal(ntohs(xdp_frame_sum(example, sizeof example, 0)), 0xddf2);
	assert_int_equal(ntohs(xdp_frame_sum(example, 3, 0)), 0xf201);
	assert_int_equal(xdp_frame_sum(example, 0, 0), 0);
	memset(most, 0xff, sizeof most);
	assert_int_equal(xdp_frame_sum(most, sizeof most, 0xffffffff), 0xffff);
}

static void
a_query_by_ipv4_is_read_and_answered_as_the_kernel_does(void **state)
{
	struct xdp_frame frame;
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;

	(void)state;
	assert_true(reads(query4, SIZE(query4), &frame));
	assert_int_equal(frame.payload_size, SIZE(query4) - HEADER4);
	assert_ptr_equal(xdp_frame_payload(&frame), bytes + HEADER4);
	assert_int_equal(ntohs(frame.target_port), 5399);
	assert_int_equal(xdp_frame_source(&frame, 7, &address), sizeof *in);
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(in->sin_addr.s_addr, inet_addr("10.77.0.2"));
	assert_int_equal(ntohs(in->sin_port), 40000);
	assert_int_equal(xdp_frame_target(&frame, 7, &address), sizeof *in);
	assert_int_equal(in->sin_addr.s_addr, inet_addr("10.77.0.1"));
	assert_int_equal(ntohs(in->sin_port), 5399);
	memcpy(xdp_frame_payload(&frame), answer4 + HEADER4, SIZE(answer4) - HEADER4);
	assert_int_equal(xdp_frame_answer(&frame, SIZE(answer4) - HEADER4), SIZE(answer4));
	assert_memory_equal(bytes, answer4, SIZE(answer4));
}

static void
a_query_by_ipv6_is_read_and_answered_as_the_kernel_does(void **state)
{
	struct xdp_frame frame;
	struct sockaddr_storage address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
	struct in6_addr client;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd77::2", &client), 1);
	assert_true(reads(query6, SIZE(query6), &frame));
	assert_int_equal(frame.payload_size, SIZE(query6) - HEADER6);
	assert_int_equal(xdp_frame_source(&frame, 7, &address), sizeof *in6);
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_memory_equal(&in6->sin6_addr, &client, sizeof client);
	assert_int_equal(ntohs(in6->sin6_port), 40000);
	assert_int_equal(in6->sin6_scope_id, 0);
	memcpy(xdp_frame_payload(&frame), answer6 + HEADER6, SIZE(answer6) - HEADER6);
	assert_int_equal(xdp_frame_answer(&frame, SIZE(answer6) - HEADER6), SIZE(answer6));
	assert_memory_equal(bytes, answer6, SIZE(answer6));
}

static void
a_wrong_bit_anywhere_behind_the_macs_is_found(void **state)
{
	unsigned passed = 0;

	(void)state;
	for (size_t at = 12; at < SIZE(query4); at++)
		for (unsigned bit = 0; bit < 8; bit++)
			passed += reads_with(query4, SIZE(query4), at, (uint8_t)(query4[at] ^ 1u << bit));
	assert_int_equal(passed, 0);
	for (size_t at = 12; at < SIZE(query6); at++)
		for (unsigned bit = 0; bit < 8; bit++)
			passed += reads_with(query6, SIZE(query6), at, (uint8_t)(query6[at] ^ 1u << bit));
	/* IPv6 has no checksum of its header: class and flow label (28 bits) and the hop limit (8) may be any. */
	assert_int_equal(passed, 28 + 8);
}

static void
a_cut_frame_is_not_read(void **state)
{
	struct xdp_frame frame;

	(void)state;
	for (size_t size = 0; size < SIZE(query4); size++)
		assert_false(reads(query4, size, &frame));
	for (size_t size = 0; size < SIZE(query6); size++)
		assert_false(reads(query6, size, &frame));
}

/* Ethernet fills short frames up to 60 octets. */
static void
what_follows_the_message_is_not_of_it(void **state)
{
	uint8_t longer[200] = {0};
	struct xdp_frame frame;

	(void)state;
	memcpy(longer, query4, SIZE(query4));
	assert_true(reads(longer, sizeof longer, &frame));
	assert_int_equal(frame.payload_size, SIZE(query4) - HEADER4);
	memcpy(longer, query6, SIZE(query6));
	assert_true(reads(longer, sizeof longer, &frame));
	assert_int_equal(frame.payload_size, SIZE(query6) - HEADER6);
}

static void
a_message_without_checksum_is_for_ipv4_only(void **state)
{
	uint8_t copy[SIZE(query6)];
	struct xdp_frame frame;

	(void)state;
	assert_true(reads_repaired(query4, SIZE(query4)));
	memcpy(copy, query6, sizeof copy);
	memset(copy + 60, 0, 2);
	assert_false(reads(copy, sizeof copy, &frame)); /* RFC 8200 8.1 */
}

/* The sum of the pseudo-header, as Linux leaves it in frames that stay on the machine (CHECKSUM_PARTIAL). */
static void
a_checksum_that_a_card_was_to_complete_is_taken(void **state)
{
	uint8_t copy[SIZE(query4)];
	struct xdp_frame frame;

	(void)state;
	memcpy(copy, query4, sizeof copy);
	/* 0a4d + 0002 + 0a4d + 0001 + 0011 + 002a = 14d8 */
	copy[40] = 0x14;
	copy[41] = 0xd8;
	assert_true(reads(copy, sizeof copy, &frame));
	copy[41] = 0xd9;
	assert_false(reads(copy, sizeof copy, &frame));
}

static void
fragments_options_and_other_protocols_are_the_kernels(void **state)
{
	(void)state;
	assert_true(reads_repaired_with(20, 0x40));  /* DF */
	assert_false(reads_repaired_with(20, 0x20)); /* MF */
	assert_false(reads_repaired_with(21, 0x01)); /* an offset */
	assert_false(reads_repaired_with(14, 0x46));
	assert_false(reads_repaired_with(14, 0x65));
	assert_false(reads_repaired_with(23, 6));
}

static void
lengths_that_contradict_each_other_are_not_read(void **state)
{
	(void)state;
	assert_false(reads_repaired_with(17, 0x3f)); /* IP says more than there is */
	assert_false(reads_repaired_with(17, 0x1b)); /* less than the headers */
	assert_false(reads_repaired_with(39, 0x2b)); /* UDP says more than IP */
	assert_false(reads_repaired_with(39, 7));
	assert_true(reads_repaired_with(39, 8));     /* an empty message: dispatch drops it */
	assert_true(reads_repaired_with(39, 0x20));  /* UDP may leave octets out */
}

static void
addresses_that_nobody_sends_from_are_dropped(void **state)
{
	static const uint8_t bad[] = {0, 127, 224, 239};
	uint8_t copy[SIZE(query4)];

	(void)state;
	for (size_t i = 0; i < sizeof bad; i++)
		assert_false(reads_repaired_with(26, bad[i]));
	memcpy(copy, query4, sizeof copy);
	memset(copy + 26, 0xff, 4);
	assert_false(reads_repaired(copy, sizeof copy));
	memcpy(copy, query4, sizeof copy);
	memset(copy + 34, 0, 2); /* from port 0: there is no way back */
	assert_false(reads_repaired(copy, sizeof copy));
	assert_false(reads_repaired_with(6, 0x01)); /* a group's MAC */
}

static void
no_source_by_ipv6_is_multicast_loopback_unspecified_or_mapped(void **state)
{
	static const char *const bad[] = {"ff02::1", "::1", "::", "::ffff:192.0.2.1"};
	uint8_t copy[SIZE(query6)];
	struct xdp_frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(copy, query6, sizeof copy);
		assert_int_equal(inet_pton(AF_INET6, bad[i], copy + 22), 1);
		/* The checksum as a card would get it: only the address is wrong. */
		uint16_t length = htons(0x29), sum = xdp_frame_sum(copy + 22, 32, (uint64_t)htons(17) + length);
		memcpy(copy + 60, &sum, sizeof sum);
		assert_false(reads(copy, sizeof copy, &frame));
	}
}

/* RFC 768: "If the computed checksum is zero, it is transmitted as all ones". */
static void
a_checksum_of_zero_goes_out_as_all_ones(void **state)
{
	struct xdp_frame frame;
	unsigned found = 0;

	(void)state;
	for (unsigned value = 0; value < 0x10000 && found == 0; value++) {
		assert_true(reads(query4, SIZE(query4), &frame));
		bytes[HEADER4] = (uint8_t)(value >> 8);
		bytes[HEADER4 + 1] = (uint8_t)value;
		xdp_frame_answer(&frame, SIZE(query4) - HEADER4);
		assert_false(bytes[40] == 0 && bytes[41] == 0);
		found += bytes[40] == 0xff && bytes[41] == 0xff;
	}
	assert_int_equal(found, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_that_of_the_rfc),
		cmocka_unit_test(a_query_by_ipv4_is_read_and_answered_as_the_kernel_does),
		cmocka_unit_test(a_query_by_ipv6_is_read_and_answered_as_the_kernel_does),
		cmocka_unit_test(a_wrong_bit_anywhere_behind_the_macs_is_found),
		cmocka_unit_test(a_cut_frame_is_not_read),
		cmocka_unit_test(what_follows_the_message_is_not_of_it),
		cmocka_unit_test(a_message_without_checksum_is_for_ipv4_only),
		cmocka_unit_test(a_checksum_that_a_card_was_to_complete_is_taken),
		cmocka_unit_test(fragments_options_and_other_protocols_are_the_kernels),
		cmocka_unit_test(lengths_that_contradict_each_other_are_not_read),
		cmocka_unit_test(addresses_that_nobody_sends_from_are_dropped),
		cmocka_unit_test(no_source_by_ipv6_is_multicast_loopback_unspecified_or_mapped),
		cmocka_unit_test(a_checksum_of_zero_goes_out_as_all_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
