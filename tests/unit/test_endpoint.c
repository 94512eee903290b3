/* base/endpoint: addresses and ports as text, and compared. */
#include "base/endpoint.h"
#include "tests/unit/cmocka.h"
#include <arpa/inet.h>
#include <string.h>

static struct sockaddr_storage
endpoint(const char *host, uint16_t port)
{
	struct sockaddr_storage out;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&out;

	memset(&out, 0, sizeof out);
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	return out;
}

static void
an_endpoint_is_its_address_and_port_as_text(void **state)
{
	static const struct {
		const char *host, *text;
		uint16_t port;
		socklen_t size;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1@53", 53, sizeof(struct sockaddr_in)},
		{"2001:db8::5", "2001:db8::5@65535", 65535, sizeof(struct sockaddr_in6)},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff@10000",
		 10000, sizeof(struct sockaddr_in6)},
	};
	struct sockaddr other = {.sa_family = AF_UNIX};
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sockaddr_storage at = endpoint(cases[i].host, cases[i].port);
		assert_string_equal(endpoint_text((const struct sockaddr *)&at, text), cases[i].text);
		assert_int_equal(endpoint_size(&at), cases[i].size);
	}
	assert_string_equal(endpoint_text(&other, text), "?@0");
}

static void
hosts_and_ports_are_told_apart(void **state)
{
	struct sockaddr_storage a = endpoint("192.0.2.1", 53), b = endpoint("192.0.2.1", 54),
				c = endpoint("192.0.2.2", 53), d = endpoint("2001:db8::1", 53),
				e = endpoint("2001:db8::1", 53), f = endpoint("::ffff:192.0.2.1", 53);

	(void)state;
	assert_true(endpoint_same_host(&a, &b));
	assert_false(endpoint_same(&a, &b));
	assert_false(endpoint_same_host(&a, &c));
	assert_false(endpoint_same_host(&a, &d));
	assert_true(endpoint_same(&d, &e));
	assert_false(endpoint_same_host(&a, &f)); /* sockets of another family */
}

static void
any_address_and_loopback_are_known(void **state)
{
	static const struct {
		const char *host;
		bool any, loopback;
	} cases[] = {
		{"0.0.0.0", true, false}, {"::", true, false}, {"127.0.0.1", false, true}, {"127.9.9.9", false, true},
		{"::1", false, true}, {"128.0.0.1", false, false}, {"::2", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sockaddr_storage at = endpoint(cases[i].host, 53);
		assert_int_equal(endpoint_is_any(&at), cases[i].any);
		assert_int_equal(endpoint_is_loopback(&at), cases[i].loopback);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_is_its_address_and_port_as_text),
		cmocka_unit_test(hosts_and_ports_are_told_apart),
		cmocka_unit_test(any_address_and_loopback_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
