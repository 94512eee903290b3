/* One message in, one out: what is refused, how; signed requests get signed answers. The committer is a fake. */
#include "tests/unit/cmocka.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "serve/dispatch.h"
#include "tests/unit/zone_text.h"
#include "transfer/axfr.h"
#include "update/audit.h"

static unsigned submitted, refused_audited, given_back;
static struct pending *last_given;

/* ---- fakes ---- */

void
committer_submit(struct committer *committer, struct update_request *request)
{
	(void)committer;
	submitted++;
	request->rcode = RCODE_YXRRSET;
	ede_set(&request->ede, EDE_OTHER, "because of the test");
	request->release(request);
}

void
audit_update(struct audit *audit, const struct update_request *request, const char *verdict, uint64_t duration_ns)
{
	(void)audit; (void)request; (void)verdict; (void)duration_ns;
}

void
audit_refused(struct audit *audit, const struct message *msg, const struct sockaddr *client,
	      enum update_transport transport, const char *key, unsigned rcode, const char *verdict, const char *reason)
{
	(void)audit; (void)msg; (void)client; (void)transport; (void)key; (void)rcode; (void)verdict; (void)reason;
	refused_audited++;
}

static void
give_back(struct pending *pending)
{
	given_back++;
	last_given = pending;
}

/* ---- a server of three zones: example.com., child.example.com. below it, empty.test. not loaded ---- */

static struct serve serve;
static struct serve_settings settings;
static struct serve_counters counters;
static struct dispatch dispatch = {.serve = &serve, .counters = &counters, .give_back = give_back};
static struct peer peer;
static uint8_t answer[65535];
static size_t answer_size;
static struct stream *stream;
static char text[20000];

#define ZONE "@ 3600 SOA ns hostmaster 7 3600 900 604800 300\n@ 3600 NS ns\nns 3600 A 192.0.2.53\n"
#define SECRET "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

static struct zone *
add_zone(const char *name, const char *content)
{
	uint8_t wire[NAME_MAX_SIZE];
	char reason[POLICY_REASON_SIZE];

	assert_int_equal(name_from_text(name, strlen(name), NULL, wire), STATUS_OK);
	struct zone *zone = table_zone_new(wire);
	assert_int_equal(table_add(serve.table, zone), STATUS_OK);
	struct transfer_settings *transfer = calloc(1, sizeof *transfer);
	struct update_settings *update = calloc(1, sizeof *update);
	transfer->allow_transfer = acl_new();
	update->allow_update = acl_new();
	assert_int_equal(acl_add(transfer->allow_transfer, "key k.", reason), STATUS_OK);
	assert_int_equal(acl_add(update->allow_update, "key k.", reason), STATUS_OK);
	atomic_store(&zone->transfer_settings, transfer);
	atomic_store(&zone->update_settings, update);
	if (content != NULL) {
		table_publish(serve.table, zone, zone_text_load(zone->name, content));
		table_set_state(zone, ZONE_READY);
	}
	return zone;
}

static struct zone *zones[3];

static int
set_up(void **state)
{
	char reason[KEYRING_REASON_SIZE];

	(void)state;
	rcu_register_thread();
	serve.table = table_new();
	serve.version_text = "zonegate test";
	serve.audit = (struct audit *)&serve; /* only handed on to the fakes */
	settings.keys = keyring_new();
	settings.identity = (char *)(uintptr_t)"gw1";
	settings.udp_size = 1232;
	if (keyring_add(settings.keys, "k.", "hmac-sha256", SECRET, reason) != STATUS_OK)
		return 1;
	atomic_store(&serve.settings, &settings);
	zones[0] = add_zone("example.com.", ZONE "child 3600 NS ns.child\nns.child 3600 A 192.0.2.99\n"
	                    "child 3600 DS 1 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n");
	zones[1] = add_zone("child.example.com.", ZONE);
	zones[2] = add_zone("empty.test.", NULL);
	((struct sockaddr_in *)&peer.remote)->sin_family = AF_INET;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		transfer_settings_free(atomic_load(&zones[i]->transfer_settings));
		update_settings_free(atomic_load(&zones[i]->update_settings));
		if (table_remove(serve.table, zones[i]) != STATUS_OK)
			return 1;
	}
	rcu_thread_offline();
	table_free(serve.table);
	keyring_free(settings.keys);
	rcu_unregister_thread();
	return 0;
}

/* ---- asking ---- */

static enum dispatch_result
send_message(const uint8_t *wire, size_t size, enum transport transport)
{
	peer.transport = transport;
	stream = NULL;
	answer_size = 0;
	return dispatch_message(&dispatch, wire, size, &peer, &(struct origin){0}, answer,
				transport == TRANSPORT_UDP ? 4096 : 65535, &answer_size, &stream);
}

/* The flags and records of the answer, then "EDE n text" if it has one. */
static const char *
read_answer(void)
{
	struct message msg;

	zone_text_response(answer, answer_size, text, sizeof text);
	assert_int_equal(parse_response(answer, answer_size, &msg), PARSE_OK);
	if (msg.opt_offset == 0)
		return text;
	struct reader in = reader_over(msg.wire + msg.opt_offset + 11, msg.size - msg.opt_offset - 11);
	while (reader_left(&in) >= 4) {
		uint16_t code = reader_u16(&in), size = reader_u16(&in);
		const uint8_t *value = reader_take(&in, size);
		if (value == NULL || code != EDNS_OPTION_EDE)
			break;
		size_t used = strlen(text);
		snprintf(text + used, sizeof text - used, "EDE %u %.*s\n", bytes_get_u16(value), size - 2,
			 (const char *)value + 2);
	}
	return text;
}

static const char *
ask(const char *name, const char *type, enum transport transport)
{
	uint8_t query[600];
	size_t size = zone_text_query(name, type, 1232, query);

	assert_int_equal(send_message(query, size, transport), DISPATCH_ANSWER);
	return read_answer();
}

/* An UPDATE that adds one A record, signed by `key` if not NULL. */
static size_t
make_update(const char *zone, struct key *key, struct tsig *tsig, uint8_t *out)
{
	size_t size = zone_text_query(zone, "SOA", 0, out);
	static const uint8_t record[] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};

	bytes_put_u16(out + 2, OPCODE_UPDATE << 11);
	bytes_put_u16(out + 8, 1);
	memcpy(out + size, record, sizeof record);
	size += sizeof record;
	if (key != NULL)
		assert_int_equal(tsig_sign_request(tsig, key, out, &size, 600, clock_wall_s()), STATUS_OK);
	return size;
}

static size_t
make_query(const char *name, const char *type, struct key *key, struct tsig *tsig, uint8_t *out)
{
	size_t size = zone_text_query(name, type, 0, out);

	assert_int_equal(tsig_sign_request(tsig, key, out, &size, 600, clock_wall_s()), STATUS_OK);
	return size;
}

static void
check_signed(struct tsig *tsig)
{
	struct message msg;

	assert_int_equal(parse_response(answer, answer_size, &msg), PARSE_OK);
	assert_true(tsig_check_response(tsig, &msg, clock_wall_s()));
}

#define KEY keyring_at(settings.keys, 0)

/* ---- QUERY ---- */

static void
a_name_of_ours_is_answered_and_others_are_refused(void **state)
{
	(void)state;
	assert_string_equal(ask("ns.example.com.", "A", TRANSPORT_UDP),
			    "AA NOERROR\nA ns.example.com. 3600 A 192.0.2.53\n");
	assert_string_equal(ask("example.net.", "A", TRANSPORT_UDP), "REFUSED\nEDE 20 not in a zone of this server\n");
	assert_string_equal(ask("x.empty.test.", "A", TRANSPORT_UDP), "SERVFAIL\nEDE 14 the zone is not ready\n");
}

static void
the_closest_zone_answers_but_the_parent_has_the_ds(void **state) /* RFC 4035 3.1.4.1 */
{
	(void)state;
	assert_string_equal(ask("ns.child.example.com.", "A", TRANSPORT_UDP),
			    "AA NOERROR\nA ns.child.example.com. 3600 A 192.0.2.53\n");
	assert_string_equal(ask("child.example.com.", "DS", TRANSPORT_UDP),
			    "AA NOERROR\nA child.example.com. 3600 DS 1 8 2 "
			    "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n");
	assert_string_equal(
		ask("example.com.", "DS", TRANSPORT_UDP),
		"AA NOERROR\nN example.com. 300 SOA ns.example.com. hostmaster.example.com. 7 3600 900 604800 300\n");
}

static void
what_cannot_be_asked_has_its_rcode(void **state)
{
	uint8_t query[600];
	size_t size;

	(void)state;
	assert_string_equal(ask("example.com.", "TSIG", TRANSPORT_UDP), "FORMERR\n");
	assert_string_equal(ask("example.com.", "OPT", TRANSPORT_UDP), "FORMERR\n");
	assert_string_equal(ask("example.com.", "MAILB", TRANSPORT_UDP), "NOTIMP\n");
	/* Opcode 3; QDCOUNT 0; a response; a header that is cut. */
	size = zone_text_query("example.com.", "A", 0, query);
	query[2] = 3 << 3;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_int_equal(answer[3] & 15, RCODE_NOTIMP);
	static const uint8_t empty[12] = {0x12, 0x34};
	assert_int_equal(send_message(empty, sizeof empty, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "FORMERR\n");
	query[2] = 0x80;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_DROP);
	assert_int_equal(send_message(query, 11, TRANSPORT_UDP), DISPATCH_DROP);
	/* Class HS. */
	size = zone_text_query("example.com.", "A", 0, query);
	query[size - 1] = CLASS_HS;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "REFUSED\n");
}

static void
an_unknown_edns_version_is_badvers(void **state) /* RFC 6891 6.1.3 */
{
	uint8_t query[600];
	size_t size = zone_text_query("ns.example.com.", "A", 1232, query);
	struct message msg;

	(void)state;
	query[size - 5] = 1;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_int_equal(parse_response(answer, answer_size, &msg), PARSE_OK);
	assert_int_equal(msg.flags & FLAG_RCODE, 0);
	assert_int_equal(msg.edns.extended_rcode, RCODE_BADVERS >> 4);
	assert_int_equal(msg.edns.version, 0);
	assert_int_equal(msg.count[SECTION_ANSWER], 0);
}

static void
rd_is_copied_and_ra_never_set(void **state)
{
	uint8_t query[600];
	size_t size = zone_text_query("ns.example.com.", "A", 0, query);
	struct message msg;

	(void)state;
	query[2] |= FLAG_RD >> 8;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_int_equal(parse_response(answer, answer_size, &msg), PARSE_OK);
	assert_int_equal(msg.flags, FLAG_QR | FLAG_AA | FLAG_RD);
	assert_false(msg.edns.present);
}

static void
a_signed_query_gets_a_signed_answer(void **state) /* RFC 8945 5.3 */
{
	uint8_t query[600];
	struct tsig tsig;
	size_t size = make_query("ns.example.com.", "A", KEY, &tsig, query);

	(void)state;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "AA NOERROR\nA ns.example.com. 3600 A 192.0.2.53\n");
	check_signed(&tsig);
	/* An error too. */
	size = make_query("example.net.", "A", KEY, &tsig, query);
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "REFUSED\n");
	check_signed(&tsig);
}

static void
a_wrong_signature_is_notauth(void **state) /* RFC 8945 5.2.1, 5.2.2 */
{
	uint8_t query[600];
	struct tsig tsig;
	size_t size = make_query("ns.example.com.", "A", KEY, &tsig, query);
	uint64_t before = stat_read(&counters.tsig_failures[TSIG_BADSIG]);

	(void)state;
	query[1] ^= 1; /* the id is not signed, the original id is */
	query[size - 20] ^= 1;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "NOTAUTH\n");
	assert_int_equal(stat_read(&counters.tsig_failures[TSIG_BADSIG]), before + 1);
}

/* ---- transfers ---- */

static void
a_transfer_needs_tcp_a_zone_and_permission(void **state)
{
	(void)state;
	assert_string_equal(ask("example.com.", "AXFR", TRANSPORT_UDP), "REFUSED\nEDE 21 AXFR is for TCP\n");
	assert_string_equal(ask("ns.example.com.", "AXFR", TRANSPORT_TCP),
			    "NOTAUTH\nEDE 20 not a zone of this server\n");
	assert_string_equal(ask("example.com.", "AXFR", TRANSPORT_TCP), "REFUSED\nEDE 18 not in allow-transfer\n");
}

static void
a_permitted_axfr_is_a_stream_of_signed_messages(void **state)
{
	uint8_t query[600];
	struct tsig tsig;
	size_t size = make_query("example.com.", "AXFR", KEY, &tsig, query);

	(void)state;
	assert_int_equal(send_message(query, size, TRANSPORT_TCP), DISPATCH_STREAM);
	assert_int_equal(stream_next(stream, answer, sizeof answer, &answer_size), STATUS_OK);
	check_signed(&tsig);
	zone_text_response(answer, answer_size, text, sizeof text);
	assert_memory_equal(text, "AA NOERROR\nA example.com. 3600 SOA ns.", 38);
	assert_int_equal(stream_next(stream, answer, sizeof answer, &answer_size), STATUS_OK);
	assert_int_equal(answer_size, 0);
	stream_free(stream);
}

/* The SOA with the requestor's serial into the authority section (RFC 1995 3). */
static size_t
make_ixfr(uint32_t serial, struct tsig *tsig, uint8_t *out)
{
	size_t size = zone_text_query("example.com.", "IXFR", 0, out);
	struct writer writer = writer_over(out, 600);

	bytes_put_u16(out + 8, 1);
	writer.at = out + size;
	writer_bytes(&writer, "\xc0\x0c\0\6\0\1\0\0\0\0\0\x16\0\0", 14);
	writer_u32(&writer, serial);
	writer_u64(&writer, 0);
	writer_u64(&writer, 0);
	size = writer_size(&writer);
	assert_int_equal(tsig_sign_request(tsig, KEY, out, &size, 600, clock_wall_s()), STATUS_OK);
	return size;
}

static void
ixfr_over_udp_and_to_who_is_up_to_date_is_one_soa(void **state) /* RFC 1995 2, 4 */
{
	static const char soa[] =
		"AA NOERROR\nA example.com. 3600 SOA ns.example.com. hostmaster.example.com. 7 3600 900 604800 300\n";
	uint8_t query[600];
	struct tsig tsig;

	(void)state;
	assert_int_equal(send_message(query, make_ixfr(1, &tsig, query), TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), soa);
	check_signed(&tsig);
	assert_int_equal(send_message(query, make_ixfr(7, &tsig, query), TRANSPORT_TCP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), soa);
	assert_int_equal(send_message(query, make_ixfr(1, &tsig, query), TRANSPORT_TCP), DISPATCH_STREAM);
	stream_free(stream);
}

static void
notify_is_for_secondaries(void **state)
{
	uint8_t query[600];
	size_t size = zone_text_query("example.com.", "SOA", 0, query);

	(void)state;
	query[2] = OPCODE_NOTIFY << 3;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "REFUSED\n");
	size = zone_text_query("example.net.", "SOA", 0, query);
	query[2] = OPCODE_NOTIFY << 3;
	assert_int_equal(send_message(query, size, TRANSPORT_UDP), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "NOTAUTH\n");
}

/* ---- UPDATE ---- */

static void
an_update_without_permission_ends_at_the_door(void **state)
{
	uint8_t update[600];
	unsigned audited = refused_audited;

	(void)state;
	assert_int_equal(send_message(update, make_update("example.com.", NULL, NULL, update), TRANSPORT_UDP),
			 DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "REFUSED\n");
	assert_int_equal(send_message(update, make_update("example.net.", NULL, NULL, update), TRANSPORT_UDP),
			 DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "NOTAUTH\n");
	assert_int_equal(submitted, 0);
	assert_int_equal(refused_audited, audited + 2);
}

static void
a_permitted_update_comes_back_with_its_outcome(void **state)
{
	uint8_t update[600];
	struct tsig tsig;
	size_t size = make_update("example.com.", KEY, &tsig, update);

	(void)state;
	assert_int_equal(send_message(update, size, TRANSPORT_UDP), DISPATCH_LATER);
	assert_int_equal(submitted, 1);
	assert_int_equal(given_back, 1);
	memset(update, 0xff, sizeof update); /* the pending has its own copy */
	assert_int_equal(dispatch_pending(&dispatch, last_given, answer, 4096, &answer_size), DISPATCH_ANSWER);
	assert_string_equal(read_answer(), "YXRRSET\n");
	check_signed(&tsig);
	assert_true(answer_size <= 512);
	dispatch_pending_free(last_given);
}

/* Its answer may be made by another thread, which the worker's counters are not for. */
static void
the_cookie_of_an_update_is_counted_once(void **state)
{
	static const uint8_t opt[] = {0, 0, TYPE_OPT, 0x04, 0xd0, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8,
				      1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t update[600];
	struct tsig tsig;
	size_t size = make_update("example.com.", NULL, NULL, update);

	(void)state;
	memcpy(update + size, opt, sizeof opt);
	size += sizeof opt;
	bytes_put_u16(update + 10, 1);
	assert_int_equal(tsig_sign_request(&tsig, KEY, update, &size, sizeof update, clock_wall_s()), STATUS_OK);
	cookie_random(&settings.cookies);
	uint64_t before = stat_read(&counters.cookies[COOKIE_NEW]);
	assert_int_equal(send_message(update, size, TRANSPORT_UDP), DISPATCH_LATER);
	assert_int_equal(stat_read(&counters.cookies[COOKIE_NEW]), before + 1);
	assert_int_equal(dispatch_pending(&dispatch, last_given, answer, 4096, &answer_size), DISPATCH_ANSWER);
	assert_int_equal(stat_read(&counters.cookies[COOKIE_NEW]), before + 1);
	dispatch_pending_free(last_given);
	settings.cookies.count = 0;
}

static void
a_dropped_update_is_not_answered(void **state)
{
	uint8_t update[600];
	struct tsig tsig;
	size_t size = make_update("example.com.", KEY, &tsig, update);

	(void)state;
	assert_int_equal(send_message(update, size, TRANSPORT_UDP), DISPATCH_LATER);
	last_given->update.drop = true;
	assert_int_equal(dispatch_pending(&dispatch, last_given, answer, 4096, &answer_size), DISPATCH_DROP);
	dispatch_pending_free(last_given);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_of_ours_is_answered_and_others_are_refused),
		cmocka_unit_test(the_closest_zone_answers_but_the_parent_has_the_ds),
		cmocka_unit_test(what_cannot_be_asked_has_its_rcode),
		cmocka_unit_test(an_unknown_edns_version_is_badvers),
		cmocka_unit_test(rd_is_copied_and_ra_never_set),
		cmocka_unit_test(a_signed_query_gets_a_signed_answer),
		cmocka_unit_test(a_wrong_signature_is_notauth),
		cmocka_unit_test(a_transfer_needs_tcp_a_zone_and_permission),
		cmocka_unit_test(a_permitted_axfr_is_a_stream_of_signed_messages),
		cmocka_unit_test(ixfr_over_udp_and_to_who_is_up_to_date_is_one_soa),
		cmocka_unit_test(notify_is_for_secondaries),
		cmocka_unit_test(an_update_without_permission_ends_at_the_door),
		cmocka_unit_test(a_permitted_update_comes_back_with_its_outcome),
		cmocka_unit_test(the_cookie_of_an_update_is_counted_once),
		cmocka_unit_test(a_dropped_update_is_not_answered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
