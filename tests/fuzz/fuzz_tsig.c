/*
 * TSIG of any message: verified against a key of each algorithm, answered, and the room that was promised compared;
 * then the same message signed by us must verify, and must not with an octet changed.
 */
#include "keys/tsig.h"
#include "wire/parse.h"

#define NOW_S 1700000000u
#define ROOM (MESSAGE_MAX_SIZE + 1024)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct keyring *
keyring_of_all(void)
{
	static const char *const algorithms[] = {"hmac-md5",        "hmac-sha1",       "hmac-sha224",
						 "hmac-sha256",     "hmac-sha256-128", "hmac-sha384",
						 "hmac-sha384-192", "hmac-sha512",     "hmac-sha512-256"};
	char reason[KEYRING_REASON_SIZE];
	struct keyring *keys = keyring_new();

	/* Each has its algorithm for a name, and "dhcp-key", which the corpus is signed with. */
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		require(keyring_add(keys, algorithms[i], algorithms[i], "bWFk", reason) == STATUS_OK);
	require(keyring_add(keys, "dhcp-key", "hmac-sha256", "MDc+RUxTWmFob3Z9hIuSmaCnrrW8w8rR2N/m7fT7Agk=", reason) ==
		STATUS_OK);
	return keys;
}

static void
answer(struct tsig *tsig, const uint8_t *bytes, size_t size, uint8_t *wire)
{
	for (int i = 0; i < 3; i++) {
		size_t signed_size = size, room = tsig_room(tsig);
		memcpy(wire, bytes, size);
		require(tsig_sign_next(tsig, wire, &signed_size, ROOM, NOW_S, i == 0) == STATUS_OK);
		require(signed_size == size + room);
		require(room == 0 || tsig_sign_next(tsig, wire, &size, size + room - 1, NOW_S, i == 0) == STATUS_LIMIT);
	}
}

static void
sign_and_verify(const struct keyring *keys, const uint8_t *bytes, size_t size, uint8_t *wire)
{
	struct message msg;
	struct tsig mine, theirs;
	struct key *key = keyring_at(keys, bytes[0] % keyring_count(keys));
	size_t signed_size = size;

	memcpy(wire, bytes, size);
	if (parse_message(wire, size, &msg) != PARSE_OK || msg.tsig_offset != 0 || msg.sig0_offset != 0)
		return;
	require(tsig_sign_request(&mine, key, wire, &signed_size, ROOM, NOW_S) == STATUS_OK);
	if (signed_size > MESSAGE_MAX_SIZE || parse_message(wire, signed_size, &msg) != PARSE_OK)
		return;
	tsig_verify(&msg, keys, NOW_S, &theirs);
	require(theirs.verdict == TSIG_GOOD && theirs.key == key);
	wire[2] ^= 1; /* RD */
	if (parse_message(wire, signed_size, &msg) != PARSE_OK)
		return;
	tsig_verify(&msg, keys, NOW_S, &theirs);
	require(theirs.verdict == TSIG_BADSIG);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct keyring *keys;
	static uint8_t wire[ROOM];
	struct message msg;
	struct tsig tsig, mine = {.verdict = TSIG_GOOD};
	size_t request_size = 12;

	if (!keys)
		keys = keyring_of_all();
	if (size < 12 || size > MESSAGE_MAX_SIZE)
		return 0;
	if (parse_message(bytes, size, &msg) != PARSE_DROP) {
		tsig_verify(&msg, keys, NOW_S, &tsig);
		require(tsig_verdict_text(tsig.verdict) && tsig_rcode(&tsig) <= RCODE_NOTAUTH);
		answer(&tsig, bytes, size, wire);
		sign_and_verify(keys, bytes, size, wire);
	}
	if (parse_response(bytes, size, &msg) == PARSE_OK) {
		memset(wire, 0, request_size);
		require(tsig_sign_request(&mine, keyring_at(keys, 9), wire, &request_size, ROOM, NOW_S) == STATUS_OK);
		require(!tsig_check_response(&mine, &msg, NOW_S));
	}
	return 0;
}
