/* TSIG against what dnspython and BIND make of the same keys, and the order of checks of RFC 8945 5.2. */
#include "tests/unit/cmocka.h"
#include "keys/tsig.h"
#include "tests/unit/tsig_vectors.h"
#include "wire/parse.h"

#define NOW_S 1700000000u
#define WIRE_SIZE 1024

struct packet {
	uint8_t wire[WIRE_SIZE];
	size_t size;
	struct message msg;
};

static void
packet_from_hex(struct packet *packet, const char *hex)
{
	packet->size = strlen(hex) / 2;
	assert_true(packet->size < WIRE_SIZE);
	assert_true(bytes_from_hex(hex, strlen(hex), packet->wire));
}

static void
packet_parse(struct packet *packet)
{
	enum parse_verdict verdict = packet->wire[2] & 0x80 ? parse_response(packet->wire, packet->size, &packet->msg)
	                                                    : parse_message(packet->wire, packet->size, &packet->msg);
	assert_int_equal(verdict, PARSE_OK);
}

static struct keyring *
keyring_of(const char *name, const char *algorithm, const char *secret)
{
	char reason[KEYRING_REASON_SIZE] = "";
	struct keyring *keys = keyring_new();

	if (keyring_add(keys, name, algorithm, secret, reason) != STATUS_OK)
		fail_msg("%s", reason);
	return keys;
}

static enum tsig_verdict
verify(struct packet *packet, const struct keyring *keys, uint64_t now_s, struct tsig *tsig)
{
	memset(tsig, 0xa5, sizeof *tsig);
	packet_parse(packet);
	tsig_verify(&packet->msg, keys, now_s, tsig);
	return tsig->verdict;
}

static enum tsig_verdict
verify_hex(const char *hex, const struct keyring *keys, uint64_t now_s, struct tsig *tsig)
{
	struct packet packet;

	packet_from_hex(&packet, hex);
	return verify(&packet, keys, now_s, tsig);
}

/* Octets of the TSIG's fixed parts, by their place from the end of a TSIG without Other Data. */
enum { FROM_END_OTHER_SIZE = 2, FROM_END_ERROR = 4, FROM_END_ORIGINAL_ID = 6 };

static size_t
mac_at(const struct packet *packet, size_t mac_size)
{
	return packet->size - FROM_END_ORIGINAL_ID - mac_size;
}

/* Make the MAC `size` octets long: cut, or filled up with its own octets. */
static void
set_mac_size(struct packet *packet, size_t old_size, size_t size)
{
	size_t at = mac_at(packet, old_size), tail = FROM_END_ORIGINAL_ID;
	uint8_t end[FROM_END_ORIGINAL_ID];

	packet_parse(packet);
	size_t name_end, rdlength_at;
	assert_int_equal(name_skip(packet->wire, packet->size, packet->msg.tsig_offset, &name_end), STATUS_OK);
	rdlength_at = name_end + 8;
	memcpy(end, packet->wire + packet->size - tail, tail);
	for (size_t i = old_size; i < size; i++)
		packet->wire[at + i] = packet->wire[at + i - old_size];
	memcpy(packet->wire + at + size, end, tail);
	packet->size = packet->size - old_size + size;
	bytes_put_u16(packet->wire + at - 2, (uint16_t)size);
	bytes_put_u16(packet->wire + rdlength_at,
		      (uint16_t)(bytes_get_u16(packet->wire + rdlength_at) - old_size + size));
}

static void
requests_signed_by_dnspython_verify(void **state)
{
	struct tsig tsig;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct keyring *keys = keyring_of("dhcp-key", vectors[i].algorithm, vectors[i].secret);
		assert_int_equal(verify_hex(vectors[i].request, keys, NOW_S, &tsig), TSIG_GOOD);
		assert_ptr_equal(tsig.key, keyring_at(keys, 0));
		assert_int_equal(tsig_rcode(&tsig), RCODE_NOERROR);
		assert_int_equal(stat_read(&tsig.key->uses), 1);
		assert_int_equal(stat_read(&tsig.key->last_use_s), NOW_S);
		keyring_free(keys);
	}
}

static void
responses_have_the_octets_that_dnspython_makes(void **state)
{
	struct tsig tsig;
	struct packet packet, expected;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct keyring *keys = keyring_of("DHCP-KEY.", vectors[i].algorithm, vectors[i].secret);
		assert_int_equal(verify_hex(vectors[i].request, keys, NOW_S, &tsig), TSIG_GOOD);
		packet_from_hex(&packet, vectors[i].plain);
		packet_from_hex(&expected, vectors[i].response);
		assert_int_equal(tsig_room(&tsig), expected.size - packet.size);
		assert_int_equal(tsig_sign(&tsig, packet.wire, &packet.size, expected.size, NOW_S), STATUS_OK);
		assert_int_equal(packet.size, expected.size);
		assert_memory_equal(packet.wire, expected.wire, expected.size);
		keyring_free(keys);
	}
}

static void
requests_signed_by_bind_verify_in_its_shortened_form_too(void **state)
{
	struct tsig tsig;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bind_vectors); i++) {
		struct packet packet;
		bool is_foreign = strcmp(bind_vectors[i].algorithm, "hmac-sha1-80") == 0; /* none of the nine */
		struct keyring *keys =
			keyring_of("dhcp", is_foreign ? "hmac-sha1" : bind_vectors[i].algorithm, BIND_SECRET);
		packet_from_hex(&packet, bind_vectors[i].request);
		verify(&packet, keys, NOW_S, &tsig);
		assert_int_equal(tsig.verdict, TSIG_BADTIME);
		verify(&packet, keys, tsig.time_signed_s, &tsig);
		assert_int_equal(tsig.verdict, is_foreign ? TSIG_BADTRUNC : TSIG_GOOD);
		if (!is_foreign) {
			assert_int_equal(tsig.mac_size, keyring_at(keys, 0)->algorithm->mac_size);
			assert_ptr_equal(tsig.algorithm, keyring_at(keys, 0)->algorithm->full);
			assert_int_equal(tsig_room(&tsig), packet.size - packet.msg.tsig_offset);
		}
		keyring_free(keys);
	}
}

static void
a_shortened_key_takes_a_longer_mac_under_the_full_name(void **state)
{
	struct tsig tsig;
	struct packet packet;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256-128", vectors[3].secret);

	(void)state;
	packet_from_hex(&packet, vectors[3].request); /* hmac-sha256, 32 octets */
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_GOOD);
	assert_int_equal(tsig.mac_size, 32);
	set_mac_size(&packet, 32, 20);
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_GOOD);
	assert_int_equal(tsig.mac_size, 20);
	keyring_free(keys);
}

static void
a_shortened_mac_for_a_key_of_full_length_is_badtrunc_answered_signed_in_full(void **state)
{
	struct tsig tsig;
	struct packet packet, answer;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);

	(void)state;
	packet_from_hex(&packet, vectors[3].request);
	set_mac_size(&packet, 32, 16);
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_BADTRUNC);
	assert_int_equal(tsig_rcode(&tsig), RCODE_NOTAUTH);
	packet_from_hex(&answer, vectors[3].plain);
	assert_int_equal(tsig_sign(&tsig, answer.wire, &answer.size, WIRE_SIZE, NOW_S), STATUS_OK);
	assert_int_equal(bytes_get_u16(answer.wire + mac_at(&answer, 32) - 2), 32);
	assert_int_equal(bytes_get_u16(answer.wire + answer.size - FROM_END_ERROR), RCODE_BADTRUNC);
	/* The MAC comes first: a wrong prefix is BADSIG. */
	packet.wire[mac_at(&packet, 16)] ^= 1;
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_BADSIG);
	/* Then the time. */
	packet.wire[mac_at(&packet, 16)] ^= 1;
	assert_int_equal(verify(&packet, keys, NOW_S + 301, &tsig), TSIG_BADTIME);
	keyring_free(keys);
}

static void
mac_sizes_that_cannot_be_are_formerr(void **state)
{
	static const struct { size_t vector, size; } sizes[] = {
		{0, 9}, {0, 0}, {0, 17}, /* MD5: 10 to 16 */
		{1, 9}, {1, 21},         /* SHA-1: 10 to 20 */
		{2, 13}, {2, 29},        /* SHA-224: 14 to 28 */
		{3, 15}, {3, 33}, {3, 65}, /* SHA-256: 16 to 32 */
		{4, 15}, {4, 17}, {4, 32}, /* SHA-256-128: 16 */
		{5, 23}, {5, 49},        /* SHA-384: 24 to 48 */
		{6, 23}, {6, 25},        /* SHA-384-192: 24 */
		{7, 31}, {7, 65}, {7, 128}, /* SHA-512: 32 to 64 */
		{8, 31}, {8, 33},        /* SHA-512-256: 32 */
	};
	struct tsig tsig;
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t at = sizes[i].vector;
		struct keyring *keys = keyring_of("dhcp-key", vectors[at].algorithm, vectors[at].secret);
		packet_from_hex(&packet, vectors[at].request);
		set_mac_size(&packet, keyring_at(keys, 0)->algorithm->mac_size, sizes[i].size);
		assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_FORMERR);
		assert_null(tsig.key);
		assert_int_equal(tsig_rcode(&tsig), RCODE_FORMERR);
		assert_int_equal(tsig_room(&tsig), 0);
		keyring_free(keys);
	}
}

static void
a_mac_of_just_the_least_size_is_checked(void **state)
{
	static const struct { size_t vector, size; } sizes[] = {{0, 10}, {1, 10}, {2, 14}, {3, 16}, {5, 24}, {7, 32}};
	struct tsig tsig;
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t at = sizes[i].vector;
		struct keyring *keys = keyring_of("dhcp-key", vectors[at].algorithm, vectors[at].secret);
		packet_from_hex(&packet, vectors[at].request);
		set_mac_size(&packet, keyring_at(keys, 0)->algorithm->mac_size, sizes[i].size);
		assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_BADTRUNC);
		keyring_free(keys);
	}
}

static void
an_unknown_key_or_algorithm_is_badkey_answered_unsigned(void **state)
{
	struct tsig tsig;
	struct packet answer;
	struct keyring *other = keyring_of("other", "hmac-sha256", vectors[3].secret);
	struct keyring *sha512 = keyring_of("dhcp-key", "hmac-sha512", vectors[3].secret);
	struct keyring *full = keyring_of("dhcp-key", "hmac-sha256", vectors[4].secret);

	(void)state;
	assert_int_equal(verify_hex(vectors[3].request, sha512, NOW_S, &tsig), TSIG_BADKEY);
	/* RFC 8945 6: a shortened name is another algorithm. */
	assert_int_equal(verify_hex(vectors[4].request, full, NOW_S, &tsig), TSIG_BADKEY);
	assert_int_equal(verify_hex(vectors[3].request, other, NOW_S + 9999, &tsig), TSIG_BADKEY);
	assert_null(tsig.key);
	assert_int_equal(tsig_rcode(&tsig), RCODE_NOTAUTH);
	packet_from_hex(&answer, vectors[3].plain);
	size_t before = answer.size, room = tsig_room(&tsig);
	assert_int_equal(tsig_sign(&tsig, answer.wire, &answer.size, before + room, NOW_S), STATUS_OK);
	assert_int_equal(answer.size, before + room);
	assert_int_equal(bytes_get_u16(answer.wire + mac_at(&answer, 0) - 2), 0); /* MAC Size */
	assert_int_equal(bytes_get_u16(answer.wire + answer.size - FROM_END_ERROR), RCODE_BADKEY);
	assert_int_equal(bytes_get_u16(answer.wire + answer.size - FROM_END_ORIGINAL_ID), 0x1234);
	assert_memory_equal(answer.wire + before, "\010DHCP-key", 10); /* as sent */
	keyring_free(other);
	keyring_free(sha512);
	keyring_free(full);
}

/* Every octet that is signed is looked at: a change of any is BADSIG, or not a TSIG, or another key. The header's id is
 * not signed: Original ID is. */
static void
a_change_of_any_octet_but_the_id_is_seen(void **state)
{
	struct tsig tsig;
	struct packet packet;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);
	unsigned seen[TSIG_VERDICTS] = {0};

	(void)state;
	packet_from_hex(&packet, vectors[3].request);
	packet_parse(&packet);
	for (size_t i = 0; i < packet.size; i++) {
		bool is_letter = (packet.wire[i] | 0x20) >= 'a' && (packet.wire[i] | 0x20) <= 'z';
		packet.wire[i] ^= is_letter ? 0x01 : 0x40;
		if (parse_message(packet.wire, packet.size, &packet.msg) == PARSE_OK) {
			tsig_verify(&packet.msg, keys, NOW_S, &tsig);
			if (i >= 2)
				assert_int_not_equal(tsig.verdict, TSIG_GOOD);
			else
				assert_int_equal(tsig.verdict, TSIG_GOOD);
			seen[tsig.verdict]++;
		}
		packet.wire[i] ^= is_letter ? 0x01 : 0x40;
	}
	assert_true(seen[TSIG_BADSIG] > 60);
	assert_true(seen[TSIG_BADKEY] > 10);
	assert_true(seen[TSIG_FORMERR] > 3);
	keyring_free(keys);
}

static void
names_are_compared_and_signed_without_regard_to_case(void **state)
{
	struct tsig tsig;
	struct packet packet;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);

	(void)state;
	packet_from_hex(&packet, vectors[3].request);
	packet_parse(&packet);
	packet.wire[packet.msg.tsig_offset + 1] = 'd';
	packet.wire[packet.msg.tsig_offset + 8] = 'Y';
	packet.wire[packet.msg.tsig_offset + 10 + 10 + 1] = 'H'; /* of hmac-sha256 */
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_GOOD);
	assert_memory_equal(tsig.key_name, "\010dHCP-keY", 10);
	keyring_free(keys);
}

static void
another_secret_is_badsig_answered_unsigned(void **state)
{
	struct tsig tsig;
	struct packet answer;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[4].secret);

	(void)state;
	/* The MAC stands before the time: this one is old, too. */
	assert_int_equal(verify_hex(vectors[3].request, keys, NOW_S + 9999, &tsig), TSIG_BADSIG);
	assert_int_equal(tsig_rcode(&tsig), RCODE_NOTAUTH);
	assert_int_equal(stat_read(&keyring_at(keys, 0)->uses), 0);
	packet_from_hex(&answer, vectors[3].plain);
	assert_int_equal(tsig_sign(&tsig, answer.wire, &answer.size, WIRE_SIZE, NOW_S), STATUS_OK);
	assert_int_equal(bytes_get_u16(answer.wire + mac_at(&answer, 0) - 2), 0);
	assert_int_equal(bytes_get_u16(answer.wire + answer.size - FROM_END_ERROR), RCODE_BADSIG);
	assert_int_equal(bytes_get_u16(answer.wire + 10), 1); /* ARCOUNT */
	keyring_free(keys);
}

static void
a_time_beyond_the_fudge_is_badtime_answered_signed_with_our_time(void **state)
{
	struct tsig tsig;
	struct packet answer;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);
	static const uint64_t now_s[] = {NOW_S + 301, NOW_S - 301, NOW_S + (1ull << 33)};

	(void)state;
	assert_int_equal(verify_hex(vectors[3].request, keys, NOW_S + 300, &tsig), TSIG_GOOD);
	assert_int_equal(verify_hex(vectors[3].request, keys, NOW_S - 300, &tsig), TSIG_GOOD);
	for (size_t i = 0; i < ARRAY_SIZE(now_s); i++) {
		assert_int_equal(verify_hex(vectors[3].request, keys, now_s[i], &tsig), TSIG_BADTIME);
		assert_int_equal(tsig_rcode(&tsig), RCODE_NOTAUTH);
		packet_from_hex(&answer, vectors[3].plain);
		size_t size = answer.size + tsig_room(&tsig);
		assert_int_equal(tsig_sign(&tsig, answer.wire, &answer.size, size, now_s[i]), STATUS_OK);
		assert_int_equal(answer.size, size);
		/* Error, Other Len 6, Other Data: our time; the Time Signed is the requestor's. */
		const uint8_t *end = answer.wire + answer.size;
		assert_int_equal(bytes_get_u16(end - 10), RCODE_BADTIME);
		assert_int_equal(bytes_get_u16(end - 8), 6);
		assert_int_equal((uint64_t)bytes_get_u16(end - 6) << 32 | bytes_get_u32(end - 4), now_s[i]);
		assert_int_equal(bytes_get_u32(end - 12 - 32 - 2 - 2 - 4), NOW_S);
	}
	keyring_free(keys);
}

static void
each_message_of_a_stream_is_signed_as_dnspython_does(void **state)
{
	struct tsig tsig;
	struct packet packet, expected;
	struct keyring *keys = keyring_of("xfr.", "hmac-sha256", vectors[3].secret);

	(void)state;
	assert_int_equal(verify_hex(stream_query, keys, NOW_S, &tsig), TSIG_GOOD);
	for (size_t i = 0; i < ARRAY_SIZE(stream); i++) {
		packet_from_hex(&packet, stream[i].plain);
		packet_from_hex(&expected, stream[i].response);
		assert_int_equal(tsig_sign_next(&tsig, packet.wire, &packet.size, WIRE_SIZE, NOW_S + i, i == 0),
				 STATUS_OK);
		assert_int_equal(packet.size, expected.size);
		assert_memory_equal(packet.wire, expected.wire, expected.size);
	}
	keyring_free(keys);
}

static void
without_room_nothing_is_written(void **state)
{
	struct tsig tsig;
	struct packet packet, plain;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);

	(void)state;
	assert_int_equal(verify_hex(vectors[3].request, keys, NOW_S, &tsig), TSIG_GOOD);
	packet_from_hex(&packet, vectors[3].plain);
	plain = packet;
	assert_int_equal(tsig_sign(&tsig, packet.wire, &packet.size, packet.size + tsig_room(&tsig) - 1, NOW_S),
			 STATUS_LIMIT);
	assert_int_equal(packet.size, plain.size);
	assert_memory_equal(packet.wire, plain.wire, plain.size);
	keyring_free(keys);
}

static void
a_message_without_a_tsig_is_answered_without_one(void **state)
{
	struct tsig tsig;
	struct packet packet;
	struct keyring *keys = keyring_new();

	(void)state;
	packet_from_hex(&packet, vectors[3].plain);
	packet_parse(&packet);
	size_t size = packet.size;
	tsig_verify(&packet.msg, keys, NOW_S, &tsig);
	assert_int_equal(tsig.verdict, TSIG_NONE);
	assert_int_equal(tsig_room(&tsig), 0);
	assert_int_equal(tsig_sign(&tsig, packet.wire, &packet.size, WIRE_SIZE, NOW_S), STATUS_OK);
	assert_int_equal(packet.size, size);
	assert_string_equal(tsig_verdict_text(tsig.verdict), "none");
	keyring_free(keys);
}

/* A forwarder may change the id; the digest and the answer have the Original ID. A key name may come compressed. */
static void
a_compressed_key_name_and_another_id_verify(void **state)
{
	struct tsig tsig, mine;
	struct packet packet;
	struct keyring *keys = keyring_of("k.example.test.", "hmac-sha256", vectors[3].secret);

	(void)state;
	packet_from_hex(&packet, "1234280000010000000000000765786d706c6504746573740000060001");
	memcpy(packet.wire + 12, "\007example\004test", 14);
	packet.size = 12 + 14 + 4;
	bytes_put_u16(packet.wire + 26, TYPE_SOA);
	bytes_put_u16(packet.wire + 28, CLASS_IN);
	size_t before = packet.size;
	assert_int_equal(tsig_sign_request(&mine, keyring_at(keys, 0), packet.wire, &packet.size, WIRE_SIZE, NOW_S),
			 STATUS_OK);
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_GOOD);
	/* \001k\007example\004test\0 becomes \001k and a pointer to 12. */
	memmove(packet.wire + before + 4, packet.wire + before + 16, packet.size - before - 16);
	packet.size -= 12;
	bytes_put_u16(packet.wire + before + 2, 0xc00c);
	bytes_put_u16(packet.wire, 0x9999);
	assert_int_equal(verify(&packet, keys, NOW_S, &tsig), TSIG_GOOD);
	assert_int_equal(tsig.original_id, 0x1234);
	keyring_free(keys);
}

static void
a_request_of_ours_is_answered_and_the_answer_checked(void **state)
{
	struct tsig mine, theirs;
	struct packet request, answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct keyring *keys = keyring_of("dhcp-key", vectors[i].algorithm, vectors[i].secret);
		packet_from_hex(&request, vectors[i].plain);
		request.wire[2] &= 0x7f;
		assert_int_equal(
			tsig_sign_request(&mine, keyring_at(keys, 0), request.wire, &request.size, WIRE_SIZE, NOW_S),
			STATUS_OK);
		assert_int_equal(verify(&request, keys, NOW_S + 5, &theirs), TSIG_GOOD);
		packet_from_hex(&answer, vectors[i].plain);
		packet_parse(&answer);
		assert_false(tsig_check_response(&mine, &answer.msg, NOW_S)); /* none */
		assert_int_equal(tsig_sign(&theirs, answer.wire, &answer.size, WIRE_SIZE, NOW_S + 5), STATUS_OK);
		packet_parse(&answer);
		assert_true(tsig_check_response(&mine, &answer.msg, NOW_S + 6));
		assert_false(tsig_check_response(&mine, &answer.msg, NOW_S + 306));
		answer.wire[3] ^= 1; /* RCODE */
		assert_false(tsig_check_response(&mine, &answer.msg, NOW_S + 6));
		keyring_free(keys);
	}
}

static void
an_answer_of_dnspython_is_checked(void **state)
{
	struct tsig mine;
	struct packet request, answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct keyring *keys = keyring_of("dhcp-key", vectors[i].algorithm, vectors[i].secret);
		packet_from_hex(&request, vectors[i].request);
		packet_parse(&request);
		/* Take the TSIG off and sign again: the same octets but for the case of the key's name. */
		request.size = request.msg.tsig_offset;
		bytes_put_u16(request.wire + 10, 0);
		assert_int_equal(
			tsig_sign_request(&mine, keyring_at(keys, 0), request.wire, &request.size, WIRE_SIZE, NOW_S),
			STATUS_OK);
		packet_from_hex(&answer, vectors[i].response);
		packet_parse(&answer);
		assert_true(tsig_check_response(&mine, &answer.msg, NOW_S));
		keyring_free(keys);
	}
}

static void
an_error_answer_is_no_success(void **state)
{
	struct tsig mine, theirs;
	struct packet request, answer;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);

	(void)state;
	packet_from_hex(&request, vectors[3].plain);
	request.wire[2] &= 0x7f;
	assert_int_equal(tsig_sign_request(&mine, keyring_at(keys, 0), request.wire, &request.size, WIRE_SIZE, NOW_S),
			 STATUS_OK);
	assert_int_equal(verify(&request, keys, NOW_S + 400, &theirs), TSIG_BADTIME);
	packet_from_hex(&answer, vectors[3].plain);
	assert_int_equal(tsig_sign(&theirs, answer.wire, &answer.size, WIRE_SIZE, NOW_S + 400), STATUS_OK);
	packet_parse(&answer);
	assert_false(tsig_check_response(&mine, &answer.msg, NOW_S));
	keyring_free(keys);
}

static void
a_held_key_outlives_its_keyring(void **state)
{
	struct tsig tsig;
	struct packet packet, expected;
	struct keyring *keys = keyring_of("dhcp-key", "hmac-sha256", vectors[3].secret);

	(void)state;
	assert_int_equal(verify_hex(vectors[3].request, keys, NOW_S, &tsig), TSIG_GOOD);
	tsig_hold(&tsig);
	keyring_free(keys); /* a reload */
	packet_from_hex(&packet, vectors[3].plain);
	packet_from_hex(&expected, vectors[3].response);
	assert_int_equal(tsig_sign(&tsig, packet.wire, &packet.size, WIRE_SIZE, NOW_S), STATUS_OK);
	assert_memory_equal(packet.wire, expected.wire, expected.size);
	tsig_release(&tsig);
	assert_null(tsig.key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_signed_by_dnspython_verify),
		cmocka_unit_test(responses_have_the_octets_that_dnspython_makes),
		cmocka_unit_test(requests_signed_by_bind_verify_in_its_shortened_form_too),
		cmocka_unit_test(a_shortened_key_takes_a_longer_mac_under_the_full_name),
		cmocka_unit_test(a_shortened_mac_for_a_key_of_full_length_is_badtrunc_answered_signed_in_full),
		cmocka_unit_test(mac_sizes_that_cannot_be_are_formerr),
		cmocka_unit_test(a_mac_of_just_the_least_size_is_checked),
		cmocka_unit_test(an_unknown_key_or_algorithm_is_badkey_answered_unsigned),
		cmocka_unit_test(a_change_of_any_octet_but_the_id_is_seen),
		cmocka_unit_test(names_are_compared_and_signed_without_regard_to_case),
		cmocka_unit_test(another_secret_is_badsig_answered_unsigned),
		cmocka_unit_test(a_time_beyond_the_fudge_is_badtime_answered_signed_with_our_time),
		cmocka_unit_test(each_message_of_a_stream_is_signed_as_dnspython_does),
		cmocka_unit_test(without_room_nothing_is_written),
		cmocka_unit_test(a_message_without_a_tsig_is_answered_without_one),
		cmocka_unit_test(a_compressed_key_name_and_another_id_verify),
		cmocka_unit_test(a_request_of_ours_is_answered_and_the_answer_checked),
		cmocka_unit_test(an_answer_of_dnspython_is_checked),
		cmocka_unit_test(an_error_answer_is_no_success),
		cmocka_unit_test(a_held_key_outlives_its_keyring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
