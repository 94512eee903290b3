/* Content of versions: kept rows, chunks, and the log replayed on them (store/embedded_data.h). */
#include "store/embedded_data.h"
#include "store/follower.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/random.h"
#include "wire/name.h"
#include "zone/change_json.h"
#include <stdio.h>
#include <stdlib.h>

#define CONTENT_KEY_SIZE (8 + NAME_MAX_SIZE)
#define CHUNKS_IN_ONE 4 /* chunks of one transaction, 2 MiB: commits of updates wait for no longer than that takes */
#define DELETE_IN_ONE 64      /* the same for deleting */

#define refuse(reason, ...) status_say(reason, STORE_REASON_SIZE, __VA_ARGS__)

/* ---- kept content ---- */

static size_t
content_key(uint32_t number, uint32_t generation, const uint8_t *relative, size_t size, uint8_t out[CONTENT_KEY_SIZE])
{
	bytes_put_u32(out, number);
	bytes_put_u32(out + 4, generation);
	memcpy(out + 8, relative, size);
	return 8 + size;
}

/*
 * RRsets as the machine has them: { u16 type, u16 count, u32 ttl, u32 size, packed }: the file stays on this machine.
 */
enum status
embedded_content_put(struct kv_txn *txn, const struct embedded_record *record, uint32_t generation,
		     const struct node *node)
{
	uint8_t key[CONTENT_KEY_SIZE], small[1024], *value = small;
	const uint8_t *at = NULL;
	struct rrset rrset;
	size_t size = 0, used = 0;

	while (node_next(node, &at, &rrset))
		size += 12 + rrset.packed_size;
	if (size > sizeof small && !(value = malloc(size)))
		return STATUS_NO_MEMORY;
	at = NULL;
	while (node_next(node, &at, &rrset)) {
		memcpy(value + used, &rrset.type, 2);
		memcpy(value + used + 2, &rrset.count, 2);
		memcpy(value + used + 4, &rrset.ttl_s, 4);
		memcpy(value + used + 8, &rrset.packed_size, 4);
		memcpy(value + used + 12, rrset.packed, rrset.packed_size);
		used += 12 + rrset.packed_size;
	}
	size_t key_size = content_key(record->number, generation, node_name(node), node->name_size, key);
	enum status status =
		kv_put_last(txn, KV_CONTENT, (struct kv_bytes){key, key_size}, (struct kv_bytes){value, size});
	if (value != small)
		free(value);
	return status;
}

enum status
embedded_content_delete(struct kv_txn *txn, const struct embedded_record *record, const uint8_t *relative, size_t size)
{
	uint8_t key[CONTENT_KEY_SIZE];
	size_t key_size = content_key(record->number, record->generation, relative, size, key);
	enum status status = kv_delete(txn, KV_CONTENT, (struct kv_bytes){key, key_size});

	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Rows become nodes in the order of their keys, which is that of the file; the tree is made of them at once. */
struct loading {
	struct tree_item *items;
	size_t count, room;
	struct rrset *rrsets; /* of the row at hand */
	size_t rrset_room;
	size_t apex_size;
	enum status status;
};

/* What embedded_content_put wrote; false: it did not. */
static bool
read_rrset(const uint8_t **at, const uint8_t *end, struct rrset *rrset)
{
	if (end - *at < 12)
		return false;
	memcpy(&rrset->type, *at, 2);
	memcpy(&rrset->count, *at + 2, 2);
	memcpy(&rrset->ttl_s, *at + 4, 4);
	memcpy(&rrset->packed_size, *at + 8, 4);
	rrset->packed = *at + 12;
	if ((size_t)(end - rrset->packed) < rrset->packed_size)
		return false;
	*at = rrset->packed + rrset->packed_size;
	return rrset->count > 0 && rrset_is_sorted(rrset);
}

static enum status
read_row(struct loading *loading, struct kv_bytes key, struct kv_bytes value, struct node **node)
{
	const uint8_t *at = value.bytes, *end = at + value.size;
	size_t count = 0;

	if (key.size < 8 || key.size - 8 + loading->apex_size > NAME_MAX_SIZE)
		return STATUS_STOP;
	while (at < end) {
		if (count == loading->rrset_room) {
			size_t room = loading->rrset_room * 2 + 16;
			struct rrset *rrsets = realloc(loading->rrsets, room * sizeof *rrsets);
			if (!rrsets)
				return STATUS_NO_MEMORY;
			loading->rrsets = rrsets;
			loading->rrset_room = room;
		}
		struct rrset *rrset = &loading->rrsets[count++];
		if (!read_rrset(&at, end, rrset) || (count > 1 && rrset->type <= rrset[-1].type))
			return STATUS_STOP;
	}
	*node = node_of((const uint8_t *)key.bytes + 8, key.size - 8, loading->rrsets, count);
	return *node ? STATUS_OK : STATUS_NO_MEMORY;
}

static bool
load_row(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct loading *loading = context;
	struct tree_item *item;

	if (loading->count == loading->room) {
		size_t room = loading->room * 2 + 64;
		struct tree_item *items = realloc(loading->items, room * sizeof *items);
		if (!items) {
			loading->status = STATUS_NO_MEMORY;
			return false;
		}
		loading->items = items;
		loading->room = room;
	}
	item = &loading->items[loading->count];
	loading->status = read_row(loading, key, value, &item->node);
	if (loading->status)
		return false;
	item->hash = tree_hash(node_name(item->node), item->node->name_size);
	loading->count++;
	return true;
}

static enum status
load_rows(struct kv_txn *txn, const struct embedded_record *record, struct draft *draft)
{
	uint8_t prefix[8];
	struct loading loading = {.apex_size = draft->version->apex_size};

	bytes_put_u32(prefix, record->number);
	bytes_put_u32(prefix + 4, record->generation);
	enum status status = kv_each(txn, KV_CONTENT, (struct kv_bytes){prefix, 8}, 8, load_row, &loading);
	if (!status)
		status = loading.status;
	if (!status)
		status = draft_fill(draft, loading.items, loading.count);
	else
		while (loading.count > 0)
			free(loading.items[--loading.count].node);
	free(loading.items);
	free(loading.rrsets);
	return status;
}

static void
set_place(struct zone_version *version, const struct embedded_place *place)
{
	version->version = place->version;
	version->serial = place->serial;
	version->time_us = place->time_us;
	memcpy(version->id, place->id, VERSION_ID_SIZE);
}

/* The window at record->content. *rests: it may stay where it is, and does so unless it says more than what changed. */
static enum status
load_window(struct kv_txn *txn, const struct embedded_record *record, struct replay *replay, bool *rests)
{
	uint8_t number[4];
	struct kv_bytes window;
	struct replay_state state;

	bytes_put_u32(number, record->number);
	enum status status = kv_get(txn, KV_WARM, (struct kv_bytes){number, 4}, &window);
	if (!status)
		status = embedded_data_state(window.bytes, window.size, &state);
	if (!status && state.state_version != record->content.version)
		status = STATUS_STOP;
	*rests = *rests && !status && !state.frozen && !state.removed;
	return status || *rests ? status : embedded_data_restore(replay, window.bytes, window.size);
}

enum status
embedded_content_window(struct embedded *embedded, const struct embedded_zone *at, uint64_t version,
			struct replay *replay)
{
	struct embedded_record record;
	struct kv_txn *txn;
	enum status status = kv_begin_read(embedded->kv, &txn);

	if (status)
		return status;
	status = embedded_data_get(txn, at->zone->name, &record);
	if (!status && record.content.version != version)
		status = STATUS_NOT_FOUND;
	if (!status)
		status = load_window(txn, &record, replay, &(bool){false});
	kv_abort(txn);
	return status;
}

/* Rows and window at record->content. */
static enum status
load_content(struct kv_txn *txn, const struct embedded_record *record, struct draft *draft, struct replay *replay,
	     bool *rests, char *reason)
{
	enum status status = load_rows(txn, record, draft);

	if (status)
		return refuse(reason, status, "the kept content cannot be read: %s", status_text(status));
	set_place(draft->version, &record->content);
	status = load_window(txn, record, replay, rests);
	if (status)
		return refuse(reason, status, "the kept window cannot be read: %s", status_text(status));
	struct replay_state state;
	replay_get(replay, &state);
	draft->version->frozen = state.frozen;
	return STATUS_OK;
}

/* ---- the log ---- */

struct replaying {
	struct embedded *embedded;
	struct zone *zone;
	uint64_t upto;
	struct draft *draft;
	struct replay *replay;
	struct arena arena;
	char *reason;
	enum status status;
};

static bool
replay_entry(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct replaying *replaying = context;
	const struct change *change;
	struct embedded_entry entry;
	char why[STORE_REASON_SIZE] = "";

	if (!embedded_data_entry(key, value, &entry)) {
		replaying->status = refuse(replaying->reason, STATUS_STOP, "an entry of the log is damaged");
		return false;
	}
	if (entry.version > replaying->upto)
		return false;
	struct store_record record = {
		.zone = replaying->zone, .record = entry.record, .size = entry.size, .position = entry.version};
	enum replay_fate fate = follower_replay(&replaying->embedded->store, replaying->replay, replaying->draft,
						&record, &replaying->arena, &change, why);
	arena_reset(&replaying->arena);
	replay_keep(replaying->replay);
	if (fate == REPLAY_FAILED)
		replaying->status = STATUS_NO_MEMORY;
	else if (fate != REPLAY_APPLIED || replaying->draft->version->version != entry.version)
		replaying->status =
			refuse(replaying->reason, STATUS_STOP, "version %llu of the log does not apply: %.200s",
			       (unsigned long long)entry.version, why);
	else if (memcmp(replaying->draft->version->id, entry.id, VERSION_ID_SIZE) != 0 ||
		 replaying->draft->version->serial != entry.serial)
		replaying->status =
			refuse(replaying->reason, STATUS_STOP, "version %llu of the log is not what was written",
			       (unsigned long long)entry.version);
	return !replaying->status;
}

/* The entries after the draft's version, up to `upto`. */
static enum status
replay_log(struct embedded *embedded, struct kv_txn *txn, struct zone *zone, uint32_t number, uint64_t upto,
	   struct draft *draft, struct replay *replay, char *reason)
{
	struct replaying replaying = {
		.embedded = embedded, .zone = zone, .upto = upto, .draft = draft, .replay = replay, .reason = reason};
	uint8_t key[12];

	embedded_data_log_key(number, draft->version->version + 1, key);
	arena_init(&replaying.arena, FOLLOWER_ARENA_SIZE);
	enum status status = kv_each(txn, KV_LOG, (struct kv_bytes){key, 12}, 4, replay_entry, &replaying);
	arena_free(&replaying.arena);
	if (!status)
		status = replaying.status;
	if (!status && upto != UINT64_MAX && draft->version->version != upto)
		status = refuse(reason, STATUS_NOT_FOUND, "there is no version %llu", (unsigned long long)upto);
	return status;
}

enum status
embedded_content_load(struct embedded *embedded, struct embedded_zone *at, struct draft *draft, struct replay *replay,
		      bool *rests, char *reason)
{
	struct kv_txn *txn;
	struct embedded_record record;
	enum status status = kv_begin_read(embedded->kv, &txn);

	if (status)
		return refuse(reason, status, "%s", kv_reason(embedded->kv));
	status = embedded_data_get(txn, at->zone->name, &record);
	if (!status && record.generation) {
		status = load_content(txn, &record, draft, replay, rests, reason);
		if (!status && !*rests)
			status = replay_log(embedded, txn, at->zone, record.number, UINT64_MAX, draft, replay, reason);
		kv_abort(txn);
		return status;
	}
	kv_abort(txn);
	*rests = false;
	return status ? status : embedded_content_at(embedded, at, UINT64_MAX, draft, replay, reason);
}

/* ---- chunks ---- */

/* One after the other into the draft and the digest. */
static enum status
read_chunks(struct kv_txn *txn, uint32_t number, const char *snapshot, uint32_t chunks, struct digest *digest,
	    struct draft *draft, char *reason)
{
	uint8_t key[4 + EMBEDDED_SNAPSHOT_ID + 4];
	struct kv_bytes value;
	enum status status = STATUS_OK;

	for (uint32_t i = 0; i < chunks && !status; i++) {
		size_t size = embedded_data_chunk_key(number, snapshot, i, key);
		if (kv_get(txn, KV_CHUNKS, (struct kv_bytes){key, size}, &value) != STATUS_OK)
			return refuse(reason, STATUS_STOP, "chunk %u of a snapshot is not there", i);
		digest_update(digest, value.bytes, value.size);
		status = change_json_read_chunk(value.bytes, value.size, draft, reason);
	}
	return status;
}

/* sha256 NULL: not compared. */
static enum status
load_chunks(struct kv_txn *txn, uint32_t number, const char *snapshot, uint32_t chunks, const uint8_t *sha256,
	    struct draft *draft, char *reason)
{
	uint8_t sum[DIGEST_SHA256_SIZE];
	struct digest *digest = digest_new();

	if (!digest)
		return refuse(reason, STATUS_NO_MEMORY, "no memory");
	enum status status = read_chunks(txn, number, snapshot, chunks, digest, draft, reason);
	digest_finish(digest, sum);
	if (!status && sha256 && memcmp(sum, sha256, sizeof sum) != 0)
		status = refuse(reason, STATUS_STOP, "the chunks of a snapshot are not what was written");
	return status;
}

enum status
embedded_content_chunks(struct embedded *embedded, uint32_t number, const char *snapshot, uint32_t chunks,
			const uint8_t *sha256, struct draft *draft, char *reason)
{
	struct kv_txn *txn;
	enum status status = kv_begin_read(embedded->kv, &txn);

	if (status)
		return refuse(reason, status, "%s", kv_reason(embedded->kv));
	status = load_chunks(txn, number, snapshot, chunks, sha256, draft, reason);
	kv_abort(txn);
	return status;
}

/* ---- an earlier version ---- */

struct newest {
	uint64_t upto;
	struct embedded_place place;
	const uint8_t *record;
	size_t size;
};

static bool
find_snapshot(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct newest *newest = context;
	struct embedded_entry entry;

	if (!embedded_data_entry(key, value, &entry) || entry.version > newest->upto)
		return false;
	if (entry.flags & EMBEDDED_ENTRY_SNAPSHOT) {
		newest->place = (struct embedded_place){.version = entry.version, .serial = entry.serial};
		memcpy(newest->place.id, entry.id, VERSION_ID_SIZE);
		newest->record = entry.record;
		newest->size = entry.size;
	}
	return true;
}

/* The newest content at or before `upto` that need not be replayed, into the draft. */
static enum status
start_at(struct embedded *embedded, struct kv_txn *txn, const struct embedded_record *record, uint64_t upto,
         struct draft *draft, struct replay *replay, char *reason)
{
	struct newest newest = {.upto = upto, .place = record->base};
	struct arena arena;
	struct change change;
	uint8_t key[12];

	embedded_data_log_key(record->number, record->base.version + 1, key);
	enum status status = kv_each(txn, KV_LOG, (struct kv_bytes){key, 12}, 4, find_snapshot, &newest);
	if (status)
		return refuse(reason, status, "%s", kv_reason(embedded->kv));
	if (newest.record) {
		arena_init(&arena, FOLLOWER_ARENA_SIZE);
		status = change_json_decode(newest.record, newest.size, draft->version->apex, &arena, &change, reason);
		if (!status && !change.snapshot)
			status = refuse(reason, STATUS_STOP, "the log is damaged");
		if (!status) {
			newest.place.time_us = change.time_us;
			status = load_chunks(txn, record->number, change.snapshot->id, change.snapshot->chunks,
					     change.snapshot->sha256, draft, reason);
		}
		arena_free(&arena);
	} else if (record->base_snapshot[0]) {
		status = load_chunks(txn, record->number, record->base_snapshot, record->base_chunks, NULL, draft,
				     reason);
	}
	if (status)
		return status;
	/*
	 * A base that was trimmed lies anywhere in the log: what follows it may have been made on versions before it,
	 * and was judged when it was committed.
	 */
	bool trimmed = !newest.record && record->base_snapshot[0];
	struct replay_state state = {.all = trimmed ? 0 : newest.place.version,
				     .state_version = newest.place.version,
				     .removed = record->removed};
	set_place(draft->version, &newest.place);
	status = replay_restore(replay, &state);
	return status ? status : replay_restore_id(replay, newest.place.version, newest.place.id);
}

enum status
embedded_content_at(struct embedded *embedded, struct embedded_zone *at, uint64_t version, struct draft *draft,
                    struct replay *replay, char *reason)
{
	struct kv_txn *txn;
	struct embedded_record record;
	enum status status = kv_begin_read(embedded->kv, &txn);

	if (status)
		return refuse(reason, status, "%s", kv_reason(embedded->kv));
	status = embedded_data_get(txn, at->zone->name, &record);
	if (!status && version < record.base.version)
		status = refuse(reason, STATUS_NOT_FOUND, "no longer kept, the history begins at version %llu",
		                (unsigned long long)record.base.version);
	if (!status)
		status = start_at(embedded, txn, &record, version, draft, replay, reason);
	if (!status)
		status = replay_log(embedded, txn, at->zone, record.number, version, draft, replay, reason);
	kv_abort(txn);
	return status;
}

/* ---- saving chunks ---- */

struct saving {
	struct embedded *embedded;
	uint32_t number;
	const char *snapshot;
	struct kv_txn *txn;
};

static enum status
save_chunk(void *context, uint32_t number, const uint8_t *chunk, size_t size)
{
	struct saving *saving = context;
	uint8_t key[4 + EMBEDDED_SNAPSHOT_ID + 4];
	enum status status = STATUS_OK;

	if (!saving->txn)
		status = kv_begin_write(saving->embedded->kv, &saving->txn);
	if (status)
		return status;
	size_t key_size = embedded_data_chunk_key(saving->number, saving->snapshot, number, key);
	status = kv_put(saving->txn, KV_CHUNKS, (struct kv_bytes){key, key_size}, (struct kv_bytes){chunk, size});
	if (status || number % CHUNKS_IN_ONE != CHUNKS_IN_ONE - 1)
		return status;
	status = kv_commit(saving->txn);
	saving->txn = NULL;
	return status;
}

enum status
embedded_content_save(struct embedded *embedded, uint32_t number, const struct zone_version *version, char *snapshot,
                      struct change_snapshot *out, char *reason)
{
	uint8_t id[EMBEDDED_SNAPSHOT_ID / 2];
	struct saving saving = {.embedded = embedded, .number = number, .snapshot = snapshot};

	random_bytes(id, sizeof id);
	bytes_to_hex(id, sizeof id, snapshot);
	enum status status = change_json_chunks(version, save_chunk, &saving, out);
	if (saving.txn && !status)
		status = kv_commit(saving.txn);
	else if (saving.txn)
		kv_abort(saving.txn);
	if (status)
		refuse(reason, status, "the chunks cannot be written: %s", kv_reason(embedded->kv));
	return status;
}

/* ---- orphans ---- */

struct names_snapshot {
	const char *snapshot;
	const uint8_t *apex;
	bool found;
};

static bool
entry_names(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct names_snapshot *names = context;
	struct embedded_entry entry;

	if (!embedded_data_entry(key, value, &entry))
		return true;
	if (entry.flags & EMBEDDED_ENTRY_SNAPSHOT)
		names->found = memmem(entry.record, entry.size, names->snapshot, EMBEDDED_SNAPSHOT_ID) != NULL;
	return !names->found;
}

static bool
take_key(void *context, struct kv_bytes key, struct kv_bytes value)
{
	(void)value;
	memcpy(context, key.bytes, 4 + EMBEDDED_SNAPSHOT_ID);
	return false;
}

static void
delete_snapshot(struct embedded *embedded, const uint8_t prefix[4 + EMBEDDED_SNAPSHOT_ID])
{
	size_t deleted = DELETE_IN_ONE;
	struct kv_txn *txn;

	while (deleted == DELETE_IN_ONE && kv_begin_write(embedded->kv, &txn) == STATUS_OK) {
		enum status status = kv_delete_prefix(
			txn, KV_CHUNKS, (struct kv_bytes){prefix, 4 + EMBEDDED_SNAPSHOT_ID}, DELETE_IN_ONE, &deleted);
		if (status) {
			kv_abort(txn);
			return;
		}
		if (kv_commit(txn) != STATUS_OK)
			return;
	}
}

void
embedded_content_orphans(struct embedded *embedded, struct embedded_zone *at, const struct embedded_record *record)
{
	uint8_t from[4 + EMBEDDED_SNAPSHOT_ID + 4], found[4 + EMBEDDED_SNAPSHOT_ID];
	struct kv_txn *txn;

	embedded_data_chunk_key(record->number, "", 0, from);
	unsigned saves = atomic_load(&at->saves);
	while (!atomic_load(&at->unreferenced) && kv_begin_read(embedded->kv, &txn) == STATUS_OK) {
		char snapshot[EMBEDDED_SNAPSHOT_ID + 1] = "";
		struct names_snapshot names = {.snapshot = snapshot};
		memset(found, 0, sizeof found);
		enum status status = kv_each(txn, KV_CHUNKS, (struct kv_bytes){from, sizeof from}, 4, take_key, found);
		memcpy(snapshot, found + 4, EMBEDDED_SNAPSHOT_ID);
		names.found = strcmp(snapshot, record->base_snapshot) == 0;
		if (!status && found[4] && !names.found)
			status = kv_each(txn, KV_LOG, (struct kv_bytes){found, 4}, 4, entry_names, &names);
		kv_abort(txn);
		/* A snapshot whose saving began meanwhile may be what was found, its change yet to come. */
		if (status || !found[4] || atomic_load(&at->saves) != saves)
			return;
		if (!names.found)
			delete_snapshot(embedded, found);
		memcpy(from, found, sizeof found);
		memset(from + sizeof found, 0xff, 4);
	}
}
