/* base/network: what limits for each client take for one client. */
#include "tests/unit/cmocka.h"
#include "base/network.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static const char *
network_text(const char *address, unsigned ipv4_bits, unsigned ipv6_bits)
{
	static char text[INET6_ADDRSTRLEN];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_flowinfo = 7, .sin6_scope_id = 9};
	uint8_t network[NETWORK_SIZE];

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		network_of((const struct sockaddr *)&in, ipv4_bits, ipv6_bits, network);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		network_of((const struct sockaddr *)&in6, ipv4_bits, ipv6_bits, network);
	}
	return inet_ntop(AF_INET6, network, text, sizeof text);
}

static void
an_address_is_cut_to_its_prefix(void **state)
{
	(void)state;
	assert_string_equal(network_text("192.0.2.77", 32, 64), "::ffff:192.0.2.77");
	assert_string_equal(network_text("192.0.2.77", 24, 64), "::ffff:192.0.2.0");
	assert_string_equal(network_text("2001:db8:1:2:3:4:5:6", 32, 64), "2001:db8:1:2::");
	assert_string_equal(network_text("2001:db8:1:2ff:3:4:5:6", 32, 56), "2001:db8:1:200::");
	assert_string_equal(network_text("2001:db8:1:2:3:4:5:6", 32, 128), "2001:db8:1:2:3:4:5:6");
}

static void
another_family_is_one_client(void **state)
{
	const struct sockaddr other = {.sa_family = AF_UNIX, .sa_data = "abcdefghijkl"};
	const uint8_t none[NETWORK_SIZE] = {0};
	uint8_t network[NETWORK_SIZE];

	(void)state;
	network_of(&other, 32, 64, network);
	assert_memory_equal(network, none, sizeof none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_cut_to_its_prefix),
		cmocka_unit_test(another_family_is_one_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
