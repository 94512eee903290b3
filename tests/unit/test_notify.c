/* NOTIFY as a secondary sees it, on the loopback: at once, coalesced, retried, signed. */
#include "tests/unit/cmocka.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "keys/tsig.h"
#include "tests/unit/zone_text.h"
#include "transfer/notify.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t com[] = "\7example\3com", key_name[] = "\3xfr";

/* However slow the machine is, what comes has come by then. */
#define PATIENCE_MS 60000

/* From anywhere, and not again; nor sent again while the test gets to its answer. */
static const struct notify_settings once = {.retry_ms = PATIENCE_MS};

struct fixture {
	struct keyring *keys;
	struct notify *notify;
	struct zone *zone;
	struct transfer_settings settings;
	struct transfer_target targets[2];
	int fd[2];
};

/* What a secondary got, and from where. */
struct got {
	uint8_t bytes[1024];
	size_t size;
	struct message msg;
	struct sockaddr_storage from;
	socklen_t from_size;
};

static int
listen_udp(struct sockaddr_storage *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	memset(address, 0, sizeof *address);
	memcpy(address, &in, sizeof in);
	return fd;
}

static void
start_with(struct fixture *fixture, size_t targets, bool is_signed, const struct notify_settings *settings)
{
	char reason[KEYRING_REASON_SIZE];

	memset(fixture, 0, sizeof *fixture);
	fixture->keys = keyring_new();
	assert_int_equal(keyring_add(fixture->keys, "xfr.", "hmac-sha256",
				     "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", reason),
			 STATUS_OK);
	fixture->notify = notify_new(fixture->keys, settings);
	fixture->zone = table_zone_new(com);
	assert_true(fixture->notify != NULL && fixture->zone != NULL);
	for (size_t i = 0; i < targets; i++) {
		fixture->fd[i] = listen_udp(&fixture->targets[i].address);
		fixture->targets[i].key_name = is_signed ? (uint8_t *)key_name : NULL;
	}
	fixture->settings.notify = fixture->targets;
	fixture->settings.notify_count = targets;
	atomic_store(&fixture->zone->transfer_settings, &fixture->settings);
}

static void
start(struct fixture *fixture, size_t targets, bool is_signed)
{
	start_with(fixture, targets, is_signed, &once);
}

static void
end(struct fixture *fixture)
{
	notify_forget(fixture->notify, fixture->zone);
	notify_free(fixture->notify);
	table_zone_free(fixture->zone);
	keyring_free(fixture->keys);
	for (size_t i = 0; i < fixture->settings.notify_count; i++)
		close(fixture->fd[i]);
}

static void
publish(struct fixture *fixture, unsigned serial)
{
	char text[200];

	snprintf(text, sizeof text, "@ 60 SOA ns hm %u 3600 900 604800 300\n@ 60 NS ns\n", serial);
	struct zone_version *version = zone_text_load(com, text);
	notify_zone(fixture->notify, fixture->zone, version);
	draft_discard(version);
}

static bool
receive(int fd, int timeout_ms, struct got *got)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};

	if (poll(&poll_fd, 1, timeout_ms) != 1)
		return false;
	got->from_size = sizeof got->from;
	ssize_t size = recvfrom(fd, got->bytes, sizeof got->bytes, 0, (struct sockaddr *)&got->from, &got->from_size);
	assert_true(size > 0);
	got->size = (size_t)size;
	assert_int_equal(parse_message(got->bytes, got->size, &got->msg), PARSE_OK);
	return true;
}

static uint32_t
serial_of(const struct got *got)
{
	size_t offset = got->msg.start[SECTION_ANSWER];
	struct record record;

	assert_int_equal(got->msg.count[SECTION_ANSWER], 1);
	message_record(&got->msg, &offset, &record);
	assert_int_equal(record.type, TYPE_SOA);
	return bytes_get_u32(got->bytes + record.rdata + record.rdata_size - 20);
}

static void
answer(int fd, const struct got *got, unsigned rcode)
{
	uint8_t bytes[200];
	size_t size = got->msg.question_end;

	memcpy(bytes, got->bytes, size);
	bytes_put_u16(bytes + 2, (uint16_t)(FLAG_QR | FLAG_AA | OPCODE_NOTIFY << 11 | rcode));
	bytes_put_u16(bytes + 6, 0);
	bytes_put_u32(bytes + 8, 0);
	assert_int_equal(sendto(fd, bytes, size, 0, (const struct sockaddr *)&got->from, got->from_size), size);
}

static void
wait_for(const stat_counter *counter, uint64_t value)
{
	for (unsigned i = 0; i < PATIENCE_MS && stat_read(counter) != value; i++)
		poll(NULL, 0, 1);
	assert_int_equal(stat_read(counter), value);
}

static void
the_first_goes_out_at_once_with_the_soa(void **state) /* RFC 1996 3.7 */
{
	struct fixture fixture;
	struct got got;

	(void)state;
	start(&fixture, 2, false);
	publish(&fixture, 7);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(receive(fixture.fd[i], PATIENCE_MS, &got));
		assert_int_equal(got.msg.flags, OPCODE_NOTIFY << 11 | FLAG_AA);
		assert_int_equal(got.msg.qtype, TYPE_SOA);
		assert_memory_equal(got.msg.qname, com, sizeof com);
		assert_int_equal(serial_of(&got), 7);
		answer(fixture.fd[i], &got, RCODE_NOERROR);
	}
	wait_for(&notify_counters(fixture.notify)->waiting, 0);
	assert_int_equal(stat_read(&notify_counters(fixture.notify)->acknowledged), 2);
	end(&fixture);
}

static void
changes_while_one_is_on_its_way_leave_as_one(void **state)
{
	struct fixture fixture;
	struct got got;

	(void)state;
	start(&fixture, 1, false);
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	for (unsigned serial = 2; serial < 50; serial++)
		publish(&fixture, serial);
	assert_false(receive(fixture.fd[0], 50, &got));
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	assert_int_equal(serial_of(&got), 49);
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	wait_for(&notify_counters(fixture.notify)->waiting, 0);
	assert_int_equal(stat_read(&notify_counters(fixture.notify)->sent), 2);
	end(&fixture);
}

static void
it_is_sent_again_until_it_is_acknowledged(void **state) /* RFC 1996 3.5, 3.6 */
{
	static const struct notify_settings settings = {.retry_ms = 700};
	struct fixture fixture;
	struct got first, again;
	unsigned came = 2;

	(void)state;
	start_with(&fixture, 1, false, &settings);
	const struct notify_counters *counters = notify_counters(fixture.notify);
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &first));
	publish(&fixture, 2);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &again));
	/* One is enough, but where the machine stood still and an answer came after the next message. */
	for (; serial_of(&again) != 2; came++)
		assert_true(receive(fixture.fd[0], PATIENCE_MS, &again));
	for (; stat_read(&counters->refused) == 0; came++) { /* not yet */
		answer(fixture.fd[0], &again, RCODE_REFUSED);
		assert_true(receive(fixture.fd[0], PATIENCE_MS, &again));
	}
	answer(fixture.fd[0], &first, RCODE_NOERROR); /* of another id */
	assert_int_equal(stat_read(&counters->acknowledged), 0);
	answer(fixture.fd[0], &again, RCODE_NOERROR);
	while (stat_read(&counters->waiting) != 0)
		if (receive(fixture.fd[0], 10, &again)) {
			came++;
			answer(fixture.fd[0], &again, RCODE_NOERROR);
		}
	assert_int_equal(stat_read(&counters->refused), 1);
	assert_int_equal(stat_read(&counters->acknowledged), 1);
	assert_int_equal(stat_read(&counters->retries), came - 1);
	end(&fixture);
}

static void
the_same_serial_is_told_once(void **state)
{
	struct fixture fixture;
	struct got got;

	(void)state;
	start(&fixture, 1, false);
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	wait_for(&notify_counters(fixture.notify)->waiting, 0);
	publish(&fixture, 1);
	assert_false(receive(fixture.fd[0], 50, &got));
	end(&fixture);
}

/* BIND 9.18 acknowledges, and forgets, a NOTIFY that comes while a refresh is under way which then fails. */
static void
who_has_acknowledged_is_told_some_more_times(void **state)
{
	static const struct notify_settings settings = {.again_ms = {400, 1600, 2800}, .retry_ms = 2000};
	struct fixture fixture;
	struct got got;

	(void)state;
	start_with(&fixture, 1, false, &settings);
	publish(&fixture, 1);
	for (unsigned i = 0; i < 1 + NOTIFY_AGAIN; i++) {
		assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
		assert_int_equal(serial_of(&got), 1);
		answer(fixture.fd[0], &got, RCODE_NOERROR);
		wait_for(&notify_counters(fixture.notify)->waiting, 0);
	}
	assert_false(receive(fixture.fd[0], 400, &got));
	/* News are told once: the secondary is known to answer. */
	publish(&fixture, 2);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	assert_false(receive(fixture.fd[0], 400, &got));
	/* Until it did not: it is told again from then on. */
	publish(&fixture, 3);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	for (unsigned i = 0; i < 1 + NOTIFY_AGAIN; i++) {
		assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
		answer(fixture.fd[0], &got, RCODE_NOERROR);
	}
	wait_for(&notify_counters(fixture.notify)->waiting, 0);
	assert_int_equal(stat_read(&notify_counters(fixture.notify)->retries), 1);
	assert_false(receive(fixture.fd[0], 400, &got));
	end(&fixture);
}

static void
news_do_not_wait_for_that(void **state)
{
	static const struct notify_settings settings = {.again_ms = {60000, 120000, 180000}, .retry_ms = PATIENCE_MS};
	struct fixture fixture;
	struct got got;

	(void)state;
	start_with(&fixture, 2, false, &settings);
	for (unsigned serial = 1; serial < 4; serial++) {
		publish(&fixture, serial);
		for (unsigned i = 0; i < 2; i++) {
			assert_true(receive(fixture.fd[i], PATIENCE_MS, &got));
			assert_int_equal(serial_of(&got), serial);
			answer(fixture.fd[i], &got, RCODE_NOERROR);
		}
		wait_for(&notify_counters(fixture.notify)->waiting, 0);
	}
	assert_int_equal(stat_read(&notify_counters(fixture.notify)->sent), 6);
	end(&fixture);
}

static struct sockaddr_storage
loopback(unsigned last)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last)};
	struct sockaddr_storage address = {0};

	memcpy(&address, &in, sizeof in);
	return address;
}

/* The last octet of where NOTIFY comes from if we listen there. */
static unsigned
source_if_we_listen_on(const struct sockaddr_storage *addresses, size_t count)
{
	const struct notify_settings settings = {
		.addresses = addresses, .address_count = count, .retry_ms = PATIENCE_MS};
	struct fixture fixture;
	struct got got;

	start_with(&fixture, 1, false, &settings);
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	wait_for(&notify_counters(fixture.notify)->acknowledged, 1);
	end(&fixture);
	const struct sockaddr_in *from = (const struct sockaddr_in *)(const void *)&got.from;
	assert_int_not_equal(ntohs(from->sin_port), 53);
	return ntohl(from->sin_addr.s_addr) & 255;
}

/* A secondary takes NOTIFY from the address that it has for its primary (RFC 1996 3.10). */
static void
it_leaves_from_an_address_that_we_listen_on(void **state)
{
	struct sockaddr_storage all = {.ss_family = AF_INET}, ipv6 = {.ss_family = AF_INET6};

	(void)state;
	assert_int_equal(source_if_we_listen_on(NULL, 0), 1);
	assert_int_equal(source_if_we_listen_on((struct sockaddr_storage[]){loopback(9)}, 1), 9);
	assert_int_equal(source_if_we_listen_on((struct sockaddr_storage[]){loopback(9), loopback(9)}, 2), 9);
	/* The one that the system would take, the first. */
	assert_int_equal(source_if_we_listen_on((struct sockaddr_storage[]){loopback(9), loopback(1)}, 2), 1);
	assert_int_equal(source_if_we_listen_on((struct sockaddr_storage[]){loopback(9), loopback(8)}, 2), 9);
	assert_int_equal(source_if_we_listen_on((struct sockaddr_storage[]){loopback(9), all}, 2), 1);
	assert_int_equal(source_if_we_listen_on(&ipv6, 1), 1);
}

static void
a_target_with_a_key_gets_and_must_give_a_signature(void **state)
{
	struct fixture fixture;
	struct tsig tsig;
	struct got got;
	uint8_t bytes[600];

	(void)state;
	start(&fixture, 1, true);
	publish(&fixture, 3);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	tsig_verify(&got.msg, fixture.keys, clock_wall_s(), &tsig);
	assert_int_equal(tsig.verdict, TSIG_GOOD);
	answer(fixture.fd[0], &got, RCODE_NOERROR); /* unsigned: anybody's */
	wait_for(&notify_counters(fixture.notify)->refused, 1);
	size_t size = got.msg.question_end;
	memcpy(bytes, got.bytes, size);
	bytes_put_u16(bytes + 2, (uint16_t)(FLAG_QR | FLAG_AA | OPCODE_NOTIFY << 11));
	bytes_put_u16(bytes + 6, 0);
	bytes_put_u32(bytes + 8, 0);
	assert_int_equal(tsig_sign(&tsig, bytes, &size, sizeof bytes, clock_wall_s()), STATUS_OK);
	assert_int_equal(sendto(fixture.fd[0], bytes, size, 0, (struct sockaddr *)&got.from, got.from_size), size);
	wait_for(&notify_counters(fixture.notify)->waiting, 0);
	end(&fixture);
}

/* All that `fd` has, which it keeps, as text. */
static void
read_log(int fd, char *text, size_t room)
{
	ssize_t size = pread(fd, text, room - 1, 0);

	assert_true(size >= 0);
	text[size] = '\0';
}

static void
a_target_whose_key_is_gone_cannot_acknowledge_unsigned(void **state) /* RFC 8945 5.3 */
{
	struct fixture fixture;
	struct got got;
	char text[2000];
	int log_fd = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	start(&fixture, 2, false);
	const struct notify_counters *counters = notify_counters(fixture.notify);
	fixture.targets[1].key_name = (uint8_t *)key_name;
	struct keyring *none = keyring_new();
	notify_set_keys(fixture.notify, none);
	keyring_free(none);
	log_to(log_fd);
	publish(&fixture, 3);
	wait_for(&counters->failed, 1);
	/* The other one, without a key, tells where it comes from. */
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	answer(fixture.fd[0], &got, RCODE_NOERROR);
	wait_for(&counters->acknowledged, 1);
	/* Nothing was sent, so any id may be the one that is waited for; what a full socket drops is sent again. */
	for (unsigned id = 0; stat_read(&counters->refused) == 0; id++) {
		bytes_put_u16(got.bytes, (uint16_t)id);
		answer(fixture.fd[1], &got, RCODE_NOERROR);
		assert_int_equal(stat_read(&counters->acknowledged), 1);
	}
	log_to(2);
	assert_int_equal(stat_read(&counters->acknowledged), 1);
	read_log(log_fd, text, sizeof text);
	assert_non_null(strstr(text, "not sent zone=example.com. secondary=127.0.0.1@"));
	assert_non_null(strstr(text, "reason=\"no such key\" key=xfr."));
	close(log_fd);
	end(&fixture);
}

static void
new_targets_are_told_what_the_old_ones_know(void **state)
{
	struct fixture fixture;
	struct got got;

	(void)state;
	start(&fixture, 2, false);
	fixture.settings.notify_count = 1;
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[0], PATIENCE_MS, &got));
	fixture.settings.notify_count = 2;
	publish(&fixture, 1);
	assert_true(receive(fixture.fd[1], PATIENCE_MS, &got));
	fixture.settings.notify_count = 0;
	publish(&fixture, 2);
	assert_int_equal(stat_read(&notify_counters(fixture.notify)->waiting), 0);
	fixture.settings.notify_count = 2;
	end(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_goes_out_at_once_with_the_soa),
		cmocka_unit_test(changes_while_one_is_on_its_way_leave_as_one),
		cmocka_unit_test(it_is_sent_again_until_it_is_acknowledged),
		cmocka_unit_test(the_same_serial_is_told_once),
		cmocka_unit_test(who_has_acknowledged_is_told_some_more_times),
		cmocka_unit_test(news_do_not_wait_for_that),
		cmocka_unit_test(it_leaves_from_an_address_that_we_listen_on),
		cmocka_unit_test(a_target_with_a_key_gets_and_must_give_a_signature),
		cmocka_unit_test(a_target_whose_key_is_gone_cannot_acknowledge_unsigned),
		cmocka_unit_test(new_targets_are_told_what_the_old_ones_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
