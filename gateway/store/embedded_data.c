#include "store/embedded_data.h"
#include "base/bytes.h"
#include "wire/name.h"
#include <stdlib.h>

#define RECORD_FORMAT 1
#define WINDOW_FORMAT 1
#define RECORD_SIZE 256

size_t
embedded_data_log_key(uint32_t number, uint64_t version, uint8_t out[12])
{
	bytes_put_u32(out, number);
	bytes_put_u64(out + 4, version);
	return 12;
}

bool
embedded_data_entry(struct kv_bytes key, struct kv_bytes value, struct embedded_entry *entry)
{
	struct reader in = reader_over(value.bytes, value.size);

	if (key.size != 12)
		return false;
	entry->version = bytes_get_u64((const uint8_t *)key.bytes + 4);
	entry->flags = reader_u8(&in);
	entry->serial = reader_u32(&in);
	entry->id = reader_take(&in, VERSION_ID_SIZE);
	entry->size = reader_left(&in);
	entry->record = in.at;
	return !in.failed;
}

size_t
embedded_data_chunk_key(uint32_t number, const char *snapshot, uint32_t chunk,
			uint8_t out[4 + EMBEDDED_SNAPSHOT_ID + 4])
{
	bytes_put_u32(out, number);
	memset(out + 4, 0, EMBEDDED_SNAPSHOT_ID);
	memcpy(out + 4, snapshot, strnlen(snapshot, EMBEDDED_SNAPSHOT_ID));
	bytes_put_u32(out + 4 + EMBEDDED_SNAPSHOT_ID, chunk);
	return 4 + EMBEDDED_SNAPSHOT_ID + 4;
}

/* ---- the record of a zone ---- */

static void
put_place(struct writer *out, const struct embedded_place *place)
{
	writer_u64(out, place->version);
	writer_u32(out, place->serial);
	writer_bytes(out, place->id, VERSION_ID_SIZE);
	writer_u64(out, place->time_us);
}

static void
get_place(struct reader *in, struct embedded_place *place)
{
	place->version = reader_u64(in);
	place->serial = reader_u32(in);
	const uint8_t *id = reader_take(in, VERSION_ID_SIZE);
	if (id)
		memcpy(place->id, id, VERSION_ID_SIZE);
	place->time_us = reader_u64(in);
}

enum status
embedded_data_put(struct kv_txn *txn, const uint8_t *name, const struct embedded_record *record)
{
	uint8_t bytes[RECORD_SIZE];
	struct writer out = writer_over(bytes, sizeof bytes);

	writer_u8(&out, RECORD_FORMAT);
	writer_u8(&out, record->removed);
	writer_u32(&out, record->number);
	writer_u32(&out, record->generation);
	put_place(&out, &record->content);
	put_place(&out, &record->base);
	writer_bytes(&out, record->base_snapshot, EMBEDDED_SNAPSHOT_ID);
	writer_u32(&out, record->base_chunks);
	invariant(!out.failed);
	return kv_put(txn, KV_ZONES, (struct kv_bytes){name, name_size(name)},
		      (struct kv_bytes){bytes, writer_size(&out)});
}

enum status
embedded_data_get(struct kv_txn *txn, const uint8_t *name, struct embedded_record *record)
{
	struct kv_bytes value;
	enum status status = kv_get(txn, KV_ZONES, (struct kv_bytes){name, name_size(name)}, &value);

	if (status)
		return status;
	struct reader in = reader_over(value.bytes, value.size);
	*record = (struct embedded_record){0};
	if (reader_u8(&in) != RECORD_FORMAT)
		return STATUS_UNSUPPORTED;
	record->removed = reader_u8(&in) & 1;
	record->number = reader_u32(&in);
	record->generation = reader_u32(&in);
	get_place(&in, &record->content);
	get_place(&in, &record->base);
	const uint8_t *snapshot = reader_take(&in, EMBEDDED_SNAPSHOT_ID);
	if (snapshot)
		memcpy(record->base_snapshot, snapshot, EMBEDDED_SNAPSHOT_ID);
	record->base_chunks = reader_u32(&in);
	return in.failed ? STATUS_STOP : STATUS_OK;
}

void
embedded_data_note(struct embedded_zone *at, const struct embedded_record *record)
{
	at->number = record->number;
	at->generation = record->generation;
	at->content_version = record->content.version;
	at->base_version = record->base.version;
	at->removed = record->removed;
}

/* ---- the window ---- */

struct window {
	uint8_t *bytes;
	size_t size, room;
	bool failed;
};

static uint8_t *
window_room(struct window *window, size_t size)
{
	if (window->size + size > window->room) {
		size_t room = 2 * window->room + size + 4096;
		uint8_t *bigger = realloc(window->bytes, room);
		if (!bigger) {
			window->failed = true;
			return NULL;
		}
		window->bytes = bigger;
		window->room = room;
	}
	uint8_t *at = window->bytes + window->size;
	window->size += size;
	return at;
}

static void
put_u64(struct window *window, uint64_t value)
{
	uint8_t *at = window_room(window, 8);
	if (at)
		bytes_put_u64(at, value);
}

static void
put_name(void *context, const uint8_t *name, uint64_t version)
{
	struct window *window = context;
	size_t size = name_size(name);
	uint8_t *at;

	put_u64(window, version);
	at = window_room(window, size);
	if (at)
		memcpy(at, name, size);
}

/* format, flags, until, all, version; ids: first, then 16 octets each up to version; then names with their versions. */
uint8_t *
embedded_data_window(const struct replay *replay, size_t *size)
{
	struct window window = {0};
	struct replay_state state;
	uint8_t *at;

	replay_get(replay, &state);
	at = window_room(&window, 2);
	if (at) {
		at[0] = WINDOW_FORMAT;
		at[1] = (uint8_t)(state.frozen | state.removed << 1);
	}
	put_u64(&window, state.until_us);
	put_u64(&window, state.all);
	put_u64(&window, state.state_version);
	uint64_t first = state.state_version;
	uint8_t id[VERSION_ID_SIZE];
	while (first > 0 && state.state_version - first < REPLAY_WINDOW && replay_id_at(replay, first - 1, id))
		first--;
	put_u64(&window, first);
	for (uint64_t version = first; version <= state.state_version; version++) {
		at = window_room(&window, VERSION_ID_SIZE);
		if (!at || !replay_id_at(replay, version, at))
			window.failed = true;
	}
	replay_each_name(replay, put_name, &window);
	if (window.failed) {
		free(window.bytes);
		return NULL;
	}
	*size = window.size;
	return window.bytes;
}

static bool
get_head(struct reader *in, struct replay_state *state, uint64_t *first)
{
	if (reader_u8(in) != WINDOW_FORMAT)
		return false;
	uint8_t flags = reader_u8(in);
	state->frozen = flags & 1;
	state->removed = flags >> 1 & 1;
	state->until_us = reader_u64(in);
	state->all = reader_u64(in);
	state->state_version = reader_u64(in);
	*first = reader_u64(in);
	return !in->failed && *first <= state->state_version;
}

static const uint8_t *
get_name(struct reader *in, uint64_t *version)
{
	size_t size;

	*version = reader_u64(in);
	const uint8_t *name = in->at;
	if (in->failed || name_check(name, reader_left(in), &size) != STATUS_OK)
		return NULL;
	in->at += size;
	return name;
}

enum status
embedded_data_state(const uint8_t *window, size_t size, struct replay_state *state)
{
	struct reader in = reader_over(window, size);
	uint64_t first;

	return get_head(&in, state, &first) ? STATUS_OK : STATUS_STOP;
}

enum status
embedded_data_restore(struct replay *replay, const uint8_t *window, size_t size)
{
	struct reader in = reader_over(window, size);
	struct replay_state state;
	uint64_t first, version;

	if (!get_head(&in, &state, &first))
		return STATUS_STOP;
	enum status status = replay_restore(replay, &state);
	for (version = first; version <= state.state_version && !status; version++) {
		const uint8_t *id = reader_take(&in, VERSION_ID_SIZE);
		status = id ? replay_restore_id(replay, version, id) : STATUS_STOP;
	}
	while (!status && reader_left(&in)) {
		const uint8_t *name = get_name(&in, &version);
		status = name ? replay_restore_name(replay, name, version) : STATUS_STOP;
	}
	return status;
}

bool
embedded_data_changed(const uint8_t *window, size_t size, uint64_t after, size_t at_most,
                      enum status (*each)(void *context, const uint8_t *name), void *context, enum status *status)
{
	struct reader in = reader_over(window, size);
	struct replay_state state;
	uint64_t first, version;

	*status = STATUS_OK;
	if (!get_head(&in, &state, &first) || state.all > after || state.state_version > after + REPLAY_WINDOW)
		return false;
	reader_take(&in, (state.state_version - first + 1) * VERSION_ID_SIZE);
	struct reader names = in;
	while (reader_left(&in)) {
		if (!get_name(&in, &version))
			return false;
		if (version > after && at_most-- == 0)
			return false;
	}
	while (reader_left(&names) && !*status) {
		const uint8_t *name = get_name(&names, &version);
		if (version > after)
			*status = each(context, name);
	}
	return true;
}
