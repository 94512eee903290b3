/*
 * A change as JSON and back, byte for byte as in events.md; and the chunks of snapshots.
 *
 * Threads:   any; no state.
 * Errors:    decode: STATUS_MALFORMED (no change; reason says what), STATUS_UNSUPPORTED (an op that we do not know:
 *            stop on that zone).
 * Standards: events.md. Members in the order of events.md, no insignificant white space.
 */
#ifndef ZONEGATE_ZONE_CHANGE_JSON_H
#define ZONEGATE_ZONE_CHANGE_JSON_H

#include "zone/change.h"
#include "zone/draft.h"

#define CHANGE_JSON_REASON_SIZE 200

/*
 * Into the arena. STATUS_LIMIT: over CHANGE_MAX_SIZE (take the snapshot form), or the arena is full. Does not go
 * through jansson: it is on the path of every UPDATE.
 */
MUST_USE enum status change_json_encode(const struct change *change, struct arena *arena, const uint8_t **record,
					size_t *size);
/* Any bytes. `zone`: whose record it must be. */
MUST_USE enum status change_json_decode(const uint8_t *record, size_t size, const uint8_t *zone, struct arena *arena,
                                        struct change *change, char *reason);

/* The time of a record, microseconds since 1970, without decoding the rest; 0: it has none. */
uint64_t change_json_time(const uint8_t *record, size_t size);

/*
 * The content of a version as chunks (events.md "Kafka": {"records":[…]}), at most 512 KiB each, canonical order not
 * required. `emit` gets each chunk; a status other than OK stops and is returned.
 */
typedef enum status change_json_chunk_fn(void *context, uint32_t number, const uint8_t *chunk, size_t size);
MUST_USE enum status change_json_chunks(const struct zone_version *version, change_json_chunk_fn *emit, void *context,
                                        struct change_snapshot *out);
/* Add the records of one chunk to a draft. */
MUST_USE enum status change_json_read_chunk(const uint8_t *chunk, size_t size, struct draft *draft, char *reason);

#endif
