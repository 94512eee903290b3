/*
 * Any bytes as a record of the log. What is taken must be the same after it was written and read again, and must be
 * judged on a zone without harm; as a chunk it must not harm a draft.
 */
#include "zone/change_json.h"
#include "zone/replay.h"
#include "wire/name.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t apex[] = "\7example\4test";

static void
try_replay(const struct change *change, const uint8_t *record, size_t size)
{
	static const uint8_t soa[] =
		"\3ns1\7example\4test\0\4host\7example\4test\0\0\0\0\5\0\0\16\20\0\0\2\130\0\1\121\200\0\0\0";
	char reason[REPLAY_REASON_SIZE];
	struct draft draft;
	struct replay *replay = replay_new();

	if (!replay || draft_begin(&draft, NULL, apex))
		abort();
	if (draft_add(&draft, apex, TYPE_SOA, 60, soa, sizeof soa) || draft_add(&draft, apex, TYPE_NS, 60, soa, 18))
		abort();
	uint64_t records = draft.version->records;
	enum replay_fate fate = replay_change(replay, &draft, change, record, size, NULL, reason);
	if (fate == REPLAY_SKIPPED && draft.version->records != records)
		abort();
	struct rrset rrset;
	if (!change->removed && !version_soa(draft.version, &rrset))
		abort();
	draft_drop(&draft);
	replay_free(replay);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[CHANGE_JSON_REASON_SIZE];
	struct arena arena;
	struct change change, again;
	struct draft draft;
	const uint8_t *record, *second;
	size_t record_size, second_size;

	arena_init(&arena, 64u << 20);
	if (change_json_decode(data, size, apex, &arena, &change, reason) == STATUS_OK) {
		if (change_json_encode(&change, &arena, &record, &record_size) == STATUS_OK) {
			if (change_json_decode(record, record_size, apex, &arena, &again, reason) ||
			    change_json_encode(&again, &arena, &second, &second_size))
				abort();
			if (record_size != second_size || memcmp(record, second, record_size) != 0)
				abort();
		}
		if (!change.snapshot)
			try_replay(&change, data, size);
	}
	if (draft_begin(&draft, NULL, apex))
		abort();
	enum status status = change_json_read_chunk(data, size, &draft, reason);
	(void)status;
	draft_drop(&draft);
	arena_free(&arena);
	return 0;
}
