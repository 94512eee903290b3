/* A zone from another server: the answer, framed as on TCP, of a server that may say anything. */
#include "transfer/fetch.h"
#include "base/bytes.h"

#define NOW_S 1700000000u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
take(const uint8_t *bytes, size_t size, struct key *key)
{
	static const uint8_t zone[] = "\4move\4test";
	uint8_t query[FETCH_QUERY_SIZE];
	char reason[FETCH_REASON_SIZE] = "";
	size_t query_size;
	struct draft draft;
	struct fetch fetch;
	enum fetch_verdict verdict = FETCH_MORE;

	require(draft_begin(&draft, NULL, zone) == STATUS_OK);
	require(fetch_begin(&fetch, zone, key, &draft, NOW_S, query, &query_size) == STATUS_OK);
	fetch.id = 0x1234;
	struct reader in = reader_over(bytes, size);
	while (verdict == FETCH_MORE && reader_left(&in) > 2) {
		size_t length = reader_u16(&in);
		length = length < reader_left(&in) ? length : reader_left(&in);
		verdict = fetch_message(&fetch, reader_take(&in, length), length, NOW_S, reason);
	}
	require((verdict == FETCH_FAILED) == (reason[0] != '\0'));
	require(verdict != FETCH_DONE || (draft.version->apex_node && fetch.records > 0));
	require(verdict != FETCH_DONE || !key || fetch.unsigned_count == 0);
	fetch_end(&fetch);
	draft_drop(&draft);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct keyring *keys;
	char reason[KEYRING_REASON_SIZE];

	if (!keys) {
		keys = keyring_new();
		require(keyring_add(keys, "dhcp.", "hmac-sha256", "bWFk", reason) == STATUS_OK);
	}
	take(bytes, size, NULL);
	take(bytes, size, keyring_at(keys, 0));
	return 0;
}
