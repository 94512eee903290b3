#include "zone/replay.h"
#include "zone/check.h"
#include "zone/serial.h"
#include "base/hash.h"
#include "wire/name.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The window. Names: a hash table of single blocks, which also hang in a list in the order of their last change, so
 * that what has left the window is dropped from the list's head. Ids: a ring indexed by version. Most zones of many
 * rest: their names are packed, in a sixth of the memory.
 */
struct replay_name {
	struct replay_name *next;           /* in its bucket */
	struct replay_name *older, *newer;  /* in the order of `version`, nearly: see replay_undo */
	uint64_t version;
	uint64_t hash;
	uint8_t size;
	uint8_t name[];
};

/* What replay_undo puts back. */
struct replay_mark {
	struct replay_name *name;
	uint64_t version; /* before; 0: it was not there */
};

struct replay_id {
	uint8_t bytes[VERSION_ID_SIZE];
};

/* Of a zone that changes. */
struct replay_table {
	struct replay_name **buckets;
	size_t bucket_count, name_count; /* bucket_count: a power of two */
	struct replay_name *oldest, *newest;
	struct replay_mark *marks;
	size_t mark_count, mark_room;
	struct replay_state kept;        /* at the last replay_keep */
};

struct replay {
	struct replay_table *table;      /* NULL: the names are packed */
	uint8_t *packed;                 /* see pack_name */
	uint32_t packed_size, packed_room;
	struct replay_id *ids;
	size_t id_room;                  /* a power of two, or 0 */
	uint64_t id_first;               /* oldest version whose id is known; the newest is state.state_version */
	struct replay_state state;
};

#define REST_NAMES 64 /* more are not packed when the zone rests: the next change would take them apart again */

/* ---- the window ---- */

struct replay *
replay_new(void)
{
	struct replay *replay = calloc(1, sizeof *replay);

	if (!replay)
		return NULL;
	static const uint8_t nothing[VERSION_ID_SIZE];
	if (replay_restore_id(replay, 0, nothing) != STATUS_OK) {
		free(replay);
		return NULL;
	}
	return replay;
}

static void
table_free(struct replay_table *table)
{
	if (!table)
		return;
	for (struct replay_name *name = table->oldest, *newer; name; name = newer) {
		newer = name->newer;
		free(name);
	}
	free(table->buckets);
	free(table->marks);
	free(table);
}

void
replay_free(struct replay *replay)
{
	if (!replay)
		return;
	table_free(replay->table);
	free(replay->packed);
	free(replay->ids);
	free(replay);
}

static struct replay_name **
find_slot(const struct replay_table *table, const uint8_t *name, size_t size, uint64_t hash)
{
	struct replay_name **slot = &table->buckets[hash & (table->bucket_count - 1)];

	while (*slot && ((*slot)->hash != hash || (*slot)->size != size || memcmp((*slot)->name, name, size) != 0))
		slot = &(*slot)->next;
	return slot;
}

static struct replay_name *
find_name(const struct replay_table *table, const uint8_t *name)
{
	size_t size = name_size(name);
	return table->bucket_count ? *find_slot(table, name, size, hash_bytes(name, size)) : NULL;
}

static bool
grow_buckets(struct replay_table *table)
{
	size_t count = table->bucket_count ? table->bucket_count * 2 : 16;
	struct replay_name **buckets = calloc(count, sizeof *buckets);

	if (!buckets)
		return false;
	for (struct replay_name *name = table->oldest; name; name = name->newer) {
		struct replay_name **slot = &buckets[name->hash & (count - 1)];
		name->next = *slot;
		*slot = name;
	}
	free(table->buckets);
	table->buckets = buckets;
	table->bucket_count = count;
	return true;
}

static void
unlink_order(struct replay_table *table, struct replay_name *name)
{
	*(name->older ? &name->older->newer : &table->oldest) = name->newer;
	*(name->newer ? &name->newer->older : &table->newest) = name->older;
}

static void
link_newest(struct replay_table *table, struct replay_name *name)
{
	name->older = table->newest;
	name->newer = NULL;
	*(table->newest ? &table->newest->newer : &table->oldest) = name;
	table->newest = name;
}

static void
forget_name(struct replay_table *table, struct replay_name *name)
{
	*find_slot(table, name->name, name->size, name->hash) = name->next;
	unlink_order(table, name);
	table->name_count--;
	free(name);
}

/* Note the change of a name; NULL without memory. Returns the entry; *before gets its version until now. */
static struct replay_name *
touch_name(struct replay_table *table, const uint8_t *name, uint64_t version, uint64_t *before)
{
	size_t size = name_size(name);
	uint64_t hash = hash_bytes(name, size);

	if (table->name_count >= table->bucket_count && !grow_buckets(table))
		return NULL;
	struct replay_name **slot = find_slot(table, name, size, hash), *entry = *slot;
	if (entry) {
		*before = entry->version;
		unlink_order(table, entry);
	} else {
		entry = malloc(sizeof *entry + size);
		if (!entry)
			return NULL;
		entry->hash = hash;
		entry->size = (uint8_t)size;
		memcpy(entry->name, name, size);
		entry->next = NULL;
		*slot = entry;
		table->name_count++;
		*before = 0;
	}
	entry->version = version;
	link_newest(table, entry);
	return entry;
}

/* Octets that both end in. */
static size_t
common_end(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	size_t common = 0;

	while (common < a_size && common < b_size && a[a_size - common - 1] == b[b_size - common - 1])
		common++;
	return common;
}

/*
 * Packed names, one after the other: version (8 octets), how many octets it has of its own, how many more it shares
 * with the end of the first one, its own octets. The first one, which has all of its own, is at octet 10.
 */
#define PACKED_HEAD (sizeof(uint64_t) + 2)

/* False: no memory. */
static bool
pack_name(struct replay *replay, const uint8_t *name, uint64_t version)
{
	const uint8_t *first = replay->packed ? replay->packed + PACKED_HEAD : NULL;
	size_t size = name_size(name), shared = first ? common_end(name, size, first, first[-2]) : 0,
	       own = size - shared;
	size_t need = replay->packed_size + PACKED_HEAD + own;

	if (need > replay->packed_room) {
		size_t room = need < 256 ? (need + 15) & ~(size_t)15 : need + need / 2;
		uint8_t *packed = room <= UINT32_MAX ? realloc(replay->packed, room) : NULL;
		if (!packed)
			return false;
		replay->packed = packed;
		replay->packed_room = (uint32_t)room;
	}
	uint8_t *at = replay->packed + replay->packed_size;
	memcpy(at, &version, sizeof version);
	at[8] = (uint8_t)own;
	at[9] = (uint8_t)shared;
	memcpy(at + PACKED_HEAD, name, own);
	replay->packed_size = (uint32_t)need;
	return true;
}

/* The packed name at *offset, which moves on; false after the last. */
static bool
next_packed(const struct replay *replay, size_t *offset, uint8_t name[NAME_MAX_SIZE], uint64_t *version)
{
	if (*offset == replay->packed_size)
		return false;
	const uint8_t *at = replay->packed + *offset, *first = replay->packed + PACKED_HEAD;
	size_t own = at[8], shared = at[9];
	memcpy(version, at, sizeof *version);
	memcpy(name, at + PACKED_HEAD, own);
	memcpy(name + own, first + first[-2] - shared, shared);
	*offset += PACKED_HEAD + own;
	return true;
}

static void
drop_packed(struct replay *replay)
{
	free(replay->packed);
	replay->packed = NULL;
	replay->packed_size = replay->packed_room = 0;
}

/* The table, for a change; false: no memory, the names stay packed. */
static bool
unpack(struct replay *replay)
{
	uint8_t name[NAME_MAX_SIZE];
	uint64_t version, before;
	size_t offset = 0;

	if (replay->table)
		return true;
	struct replay_table *table = calloc(1, sizeof *table);
	while (table && next_packed(replay, &offset, name, &version))
		if (!touch_name(table, name, version, &before)) {
			table_free(table);
			table = NULL;
		}
	if (!table)
		return false;
	table->kept = replay->state;
	replay->table = table;
	drop_packed(replay);
	return true;
}

bool
replay_is_small(const struct replay *replay)
{
	return !replay->table || replay->table->name_count <= REST_NAMES;
}

void
replay_rest(struct replay *replay)
{
	struct replay_table *table = replay->table;
	bool packed = true;

	if (!table || !replay_is_small(replay) || table->mark_count > 0)
		return;
	for (const struct replay_name *name = table->oldest; name && packed; name = name->newer)
		packed = pack_name(replay, name->name, name->version);
	if (!packed) {
		drop_packed(replay);
		return;
	}
	table_free(table);
	replay->table = NULL;
}

/* A ring that holds every version from `first` to `last`. */
static bool
grow_ids(struct replay *replay, uint64_t first, uint64_t last)
{
	size_t room = replay->id_room ? replay->id_room : 2;

	while (room <= last - first)
		room *= 2;
	if (room == replay->id_room)
		return true;
	struct replay_id *ids = calloc(room, sizeof *ids);
	if (!ids)
		return false;
	for (uint64_t v = replay->id_first; replay->id_room && v <= replay->state.state_version; v++)
		ids[v & (room - 1)] = replay->ids[v & (replay->id_room - 1)];
	free(replay->ids);
	replay->ids = ids;
	replay->id_room = room;
	return true;
}

bool
replay_id_at(const struct replay *replay, uint64_t version, uint8_t out[VERSION_ID_SIZE])
{
	static const struct replay_id unknown;

	if (!replay->id_room || version < replay->id_first || version > replay->state.state_version)
		return false;
	const struct replay_id *id = &replay->ids[version & (replay->id_room - 1)];
	if (version && memcmp(id, &unknown, sizeof unknown) == 0) /* a gap in what was restored */
		return false;
	memcpy(out, id->bytes, VERSION_ID_SIZE);
	return true;
}

static uint64_t
window_start(uint64_t version)
{
	return version > REPLAY_WINDOW ? version - REPLAY_WINDOW : 0;
}

void
replay_keep(struct replay *replay)
{
	struct replay_table *table = replay->table;
	uint64_t start = window_start(replay->state.state_version);

	if (!table)
		return;
	table->kept = replay->state;
	table->mark_count = 0;
	while (table->oldest && table->oldest->version <= start)
		forget_name(table, table->oldest);
	if (replay->id_first < start)
		replay->id_first = start;
}

/*
 * A name gets its old version back but stays where it is in the order, so it may be dropped later than it could: that
 * costs a little memory and nothing else, for a version before the window is never looked at.
 */
void
replay_undo(struct replay *replay)
{
	struct replay_table *table = replay->table;

	if (!table)
		return;
	while (table->mark_count) {
		struct replay_mark *mark = &table->marks[--table->mark_count];
		mark->name->version = mark->version;
		if (mark->version == 0)
			forget_name(table, mark->name);
	}
	replay->state = table->kept;
}

bool
replay_removed(const struct replay *replay)
{
	return replay->state.removed;
}

uint64_t
replay_frozen_until(const struct replay *replay)
{
	return replay->state.frozen ? replay->state.until_us : 0;
}

bool
replay_thaw(struct replay *replay, uint64_t now_us)
{
	if (!replay->state.frozen || !replay->state.until_us || replay->state.until_us > now_us)
		return false;
	replay->state.frozen = false;
	replay->state.until_us = 0;
	if (replay->table) {
		replay->table->kept.frozen = false;
		replay->table->kept.until_us = 0;
	}
	return true;
}

void
replay_get(const struct replay *replay, struct replay_state *state)
{
	*state = replay->state;
}

void
replay_each_name(const struct replay *replay, void (*each)(void *context, const uint8_t *name, uint64_t version),
		 void *context)
{
	uint64_t start = window_start(replay->state.state_version), version;
	uint8_t packed[NAME_MAX_SIZE];
	size_t offset = 0;

	while (next_packed(replay, &offset, packed, &version))
		if (version > start)
			each(context, packed, version);
	for (const struct replay_name *name = replay->table ? replay->table->oldest : NULL; name; name = name->newer)
		if (name->version > start)
			each(context, name->name, name->version);
}

enum status
replay_restore(struct replay *replay, const struct replay_state *state)
{
	require(!replay->table && replay->packed_size == 0);
	uint64_t start = window_start(state->state_version);
	free(replay->ids);
	replay->ids = NULL;
	replay->id_room = 0;
	replay->id_first = start;
	replay->state = *state;
	return grow_ids(replay, start, state->state_version) ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status
replay_restore_name(struct replay *replay, const uint8_t *name, uint64_t version)
{
	if (version > replay->state.state_version)
		return STATUS_INVALID;
	return pack_name(replay, name, version) ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status
replay_restore_id(struct replay *replay, uint64_t version, const uint8_t id[VERSION_ID_SIZE])
{
	if (version > replay->state.state_version)
		return STATUS_INVALID;
	if (version < replay->id_first)
		return STATUS_OK; /* before the window */
	if (!grow_ids(replay, replay->id_first, replay->state.state_version))
		return STATUS_NO_MEMORY;
	memcpy(replay->ids[version & (replay->id_room - 1)].bytes, id, VERSION_ID_SIZE);
	return STATUS_OK;
}

/* ---- the rule ---- */

/* One call of replay_change. */
struct judge {
	struct replay *replay;
	struct draft *draft;
	const struct change *change;
	char *reason;
	bool soa_set;        /* by an op or by the content of a snapshot */
	uint32_t soa_serial;
	/* What the ops replaced, to put it back: RRsets as they were, oldest first. */
	struct change_op *undo;
	size_t undo_count;
	struct arena arena;
};

static enum replay_fate PRINTF_LIKE(3, 4)
say(struct judge *judge, enum replay_fate fate, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(judge->reason, REPLAY_REASON_SIZE, format, args);
	va_end(args);
	return fate;
}

static bool
changed_since(const struct judge *judge, const uint8_t *owner)
{
	const struct replay_name *name = find_name(judge->replay->table, owner);
	return name && name->version > judge->change->base;
}

/* A lost race on a name: of those that ops touch and those that were read. */
static bool
lost_name(const struct judge *judge, const uint8_t **owner)
{
	const struct change *change = judge->change;

	for (size_t i = 0; i < change->op_count; i++)
		if (changed_since(judge, *owner = change->ops[i].owner))
			return true;
	for (size_t i = 0; i < change->read_count; i++)
		if (changed_since(judge, *owner = change->reads[i]))
			return true;
	return false;
}

/* events.md "The one rule of reading", before anything is touched. */
static enum replay_fate
judge_place(struct judge *judge)
{
	const struct change *change = judge->change;
	const struct replay *replay = judge->replay;
	const struct zone_version *version = judge->draft->version;
	uint8_t id[VERSION_ID_SIZE];
	char text[NAME_TEXT_SIZE];
	const uint8_t *owner;

	if (change->base > version->version)
		return say(judge, REPLAY_DIVERGED, "made on version %llu, and we are at %llu",
		           (unsigned long long)change->base, (unsigned long long)version->version);
	bool in_window = version->version - change->base <= REPLAY_WINDOW;
	if (in_window && replay_id_at(replay, change->base, id) && memcmp(id, change->base_id, VERSION_ID_SIZE) != 0)
		return say(judge, REPLAY_DIVERGED, "made on another version %llu than ours",
			   (unsigned long long)change->base);
	if (!in_window)
		return say(judge, REPLAY_SKIPPED, "made on version %llu, more than %d back",
			   (unsigned long long)change->base, REPLAY_WINDOW);
	if (change->exclusive && change->base != version->version)
		return say(judge, REPLAY_SKIPPED, "exclusive, and the zone has changed since version %llu",
		           (unsigned long long)change->base);
	if (replay->state.all > change->base)
		return say(judge, REPLAY_SKIPPED, "the whole zone has changed since version %llu",
		           (unsigned long long)change->base);
	if (replay->state.removed && !change->exclusive)
		return say(judge, REPLAY_SKIPPED, "the zone was removed");
	if (lost_name(judge, &owner))
		return say(judge, REPLAY_SKIPPED, "%.200s has changed since version %llu", name_to_text(owner, text),
		           (unsigned long long)change->base);
	return REPLAY_APPLIED;
}

static enum replay_fate
op_fails(struct judge *judge, const struct change_op *op, const char *why)
{
	static const char *const names[] = {[CHANGE_ADD] = "ADD", [CHANGE_SET] = "SET", [CHANGE_DEL] = "DEL"};
	char text[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];

	return say(judge, REPLAY_SKIPPED, "%s of %.150s %s: %s", names[op->kind], name_to_text(op->owner, text),
	           rrtype_to_text(op->rrset.type, type), why);
}

/*
 * The serial that a SET or ADD of the SOA brings must be greater, unless it is the zone's first (events.md "Version").
 */
static enum replay_fate
judge_soa(struct judge *judge, const struct change_op *op, bool there)
{
	const struct zone_version *version = judge->draft->version;

	if (!name_equal(op->owner, version->apex))
		return op_fails(judge, op, "a SOA has its place at the apex");
	if (op->kind == CHANGE_DEL)
		return op_fails(judge, op, "a zone keeps its SOA");
	if (op->rrset.count != 1)
		return op_fails(judge, op, "a zone has one SOA");
	struct rdata rdata = rrset_first(&op->rrset);
	uint32_t serial = rdata_soa_serial(rdata.bytes, rdata.size);
	bool greater = version->version == 0 || serial_greater(serial, version->serial);
	if (there && !greater)
		return op_fails(judge, op, "its serial is no longer greater");
	if (greater) {
		judge->soa_set = true;
		judge->soa_serial = serial;
	}
	return REPLAY_APPLIED;
}

/* Does the op apply to the draft as it is? */
static enum replay_fate
judge_op(struct judge *judge, const struct change_op *op)
{
	const struct zone_version *version = judge->draft->version;
	const struct node *node = version_find(version, op->owner, name_size(op->owner));
	struct rrset rrset = {0};
	bool there = node && node_rrset(node, op->rrset.type, &rrset);
	bool single = op->kind != CHANGE_SET && op->rrset.count > 0;
	struct rdata rdata = single ? rrset_first(&op->rrset) : (struct rdata){0};

	if (op->rrset.type == TYPE_SOA) {
		enum replay_fate fate = judge_soa(judge, op, there);
		if (fate != REPLAY_APPLIED)
			return fate;
	}
	if (op->kind == CHANGE_DEL) {
		if (!there || (single && !rrset_has(&rrset, rdata.bytes, rdata.size)))
			return op_fails(judge, op, "it is not there");
		if (op->rrset.type == TYPE_NS && node == version->apex_node && (!single || rrset.count == 1))
			return op_fails(judge, op, "a zone keeps its last NS");
		return REPLAY_APPLIED;
	}
	bool singleton = rrtype_info(op->rrset.type)->singleton;
	if (singleton && (op->rrset.count != 1 || (op->kind == CHANGE_ADD && there)))
		return op_fails(judge, op, "there is one of these at a name");
	if (op->kind == CHANGE_ADD && there && rrset_has(&rrset, rdata.bytes, rdata.size))
		return op_fails(judge, op, "it is there");
	if (op->kind == CHANGE_ADD && there && rrset.count == UINT16_MAX)
		return op_fails(judge, op, "the RRset is full");
	if (!there && !check_may_add(version, node, op->rrset.type))
		return op_fails(judge, op, "not beside what is there");
	return REPLAY_APPLIED;
}

/* Remember an RRset before an op alters it. */
static bool
remember(struct judge *judge, const struct change_op *op)
{
	struct rrset rrset;

	if (version_rrset(judge->draft->version, op->owner, op->rrset.type, &rrset)) {
		rrset.packed = arena_copy(&judge->arena, rrset.packed, rrset.packed_size);
		if (!rrset.packed)
			return false;
	} else {
		rrset = (struct rrset){.type = op->rrset.type}; /* to be deleted */
	}
	judge->undo[judge->undo_count++] = (struct change_op){CHANGE_SET, op->owner, rrset};
	return true;
}

enum status
replay_op(struct draft *draft, const struct change_op *op)
{
	struct rdata rdata;

	if (op->kind == CHANGE_SET)
		return draft_set(draft, op->owner, &op->rrset);
	if (op->rrset.count == 0)
		return draft_delete_rrset(draft, op->owner, op->rrset.type);
	rdata = rrset_first(&op->rrset);
	if (op->kind == CHANGE_DEL)
		return draft_delete(draft, op->owner, op->rrset.type, rdata.bytes, rdata.size);
	return draft_add(draft, op->owner, op->rrset.type, op->rrset.ttl_s, rdata.bytes, rdata.size);
}

/* As it was before the first op; false without memory. */
static bool
put_back(struct judge *judge)
{
	while (judge->undo_count) {
		const struct change_op *op = &judge->undo[--judge->undo_count];
		enum status status = draft_set(judge->draft, op->owner, &op->rrset);
		if (status != STATUS_OK && status != STATUS_NOT_FOUND)
			return false;
	}
	return true;
}

static enum replay_fate
no_memory(struct judge *judge)
{
	return say(judge, REPLAY_FAILED, "no memory");
}

/*
 * Each op is judged on what those before it made; the last one needs no way back. A zone without a SOA is empty: the
 * change that makes it brings one.
 */
static enum replay_fate
apply_ops(struct judge *judge)
{
	const struct change *change = judge->change;
	enum replay_fate fate = REPLAY_APPLIED;
	struct rrset soa;
	bool first = change->op_count && !version_soa(judge->draft->version, &soa);

	judge->undo = arena_alloc(&judge->arena, change->op_count * sizeof *judge->undo);
	if (!judge->undo)
		return no_memory(judge);
	for (size_t i = 0; i < change->op_count && fate == REPLAY_APPLIED; i++) {
		const struct change_op *op = &change->ops[i];
		fate = judge_op(judge, op);
		if (fate != REPLAY_APPLIED)
			break;
		if ((first || i + 1 < change->op_count) && !remember(judge, op))
			return no_memory(judge);
		enum status status = replay_op(judge->draft, op);
		if (status == STATUS_NO_MEMORY)
			return no_memory(judge);
		if (status != STATUS_OK && !(op->kind == CHANGE_SET && status == STATUS_EXISTS))
			fate = op_fails(judge, op, status_text(status));
	}
	if (fate == REPLAY_APPLIED && first && !version_soa(judge->draft->version, &soa))
		fate = say(judge, REPLAY_SKIPPED, "a zone begins with its SOA");
	if (fate == REPLAY_SKIPPED && !put_back(judge))
		return no_memory(judge);
	return fate;
}

/* The draft gets the content of another one. */
static enum replay_fate
apply_content(struct judge *judge, struct draft *content)
{
	struct draft *draft = judge->draft;
	struct rrset soa;

	if (!version_soa(content->version, &soa))
		return say(judge, REPLAY_SKIPPED, "the snapshot has no SOA");
	struct rdata rdata = rrset_first(&soa);
	uint32_t serial = rdata_soa_serial(rdata.bytes, rdata.size);
	judge->soa_set = draft->version->version == 0 || serial_greater(serial, draft->version->serial);
	judge->soa_serial = serial;
	/* The drafts change places: nothing is copied, however large it is. The old content goes with `content`. */
	struct draft old = *draft;
	content->version->apex = old.version->apex;
	content->version->version = old.version->version;
	content->version->serial = old.version->serial;
	memcpy(content->version->id, old.version->id, VERSION_ID_SIZE);
	*draft = *content;
	*content = old;
	return REPLAY_APPLIED;
}

/* ---- what an applied change leaves behind ---- */

static bool
note_name(struct replay_table *table, const uint8_t *owner, uint64_t version)
{
	uint64_t before;

	if (table->mark_count == table->mark_room) {
		size_t room = table->mark_room ? table->mark_room * 2 : 64;
		struct replay_mark *marks = realloc(table->marks, room * sizeof *marks);
		if (!marks)
			return false;
		table->marks = marks;
		table->mark_room = room;
	}
	struct replay_name *name = touch_name(table, owner, version, &before);
	if (!name)
		return false;
	table->marks[table->mark_count++] = (struct replay_mark){name, before};
	return true;
}

/* The window gets the version that the change makes. */
static bool
note_change(struct judge *judge, uint64_t made, const uint8_t id[VERSION_ID_SIZE])
{
	struct replay *replay = judge->replay;
	const struct change *change = judge->change;
	bool again = replay->state.removed; /* made again: exclusive, judge_place has seen to that */

	if (!grow_ids(replay, window_start(replay->table->kept.state_version), made))
		return false;
	memcpy(replay->ids[made & (replay->id_room - 1)].bytes, id, VERSION_ID_SIZE);
	replay->state.state_version = made;
	for (size_t i = 0; i < change->op_count; i++)
		if (!note_name(replay->table, change->ops[i].owner, made))
			return false;
	if (change->frozen >= 0 || change->removed || change->snapshot || again)
		replay->state.all = made;
	if (change->frozen >= 0) {
		replay->state.frozen = change->frozen == 1;
		replay->state.until_us = change->until_us;
	}
	if (change->removed || again) {
		replay->state.removed = change->removed;
		replay->state.frozen = false;
		replay->state.until_us = 0;
	}
	return true;
}

static enum replay_fate
apply(struct judge *judge, struct draft *content)
{
	if (judge->change->removed)
		return draft_clear(judge->draft) == STATUS_OK ? REPLAY_APPLIED : no_memory(judge);
	if (judge->change->snapshot) {
		require(content);
		return apply_content(judge, content);
	}
	return apply_ops(judge);
}

enum replay_fate
replay_judge(struct replay *replay, const struct draft *draft, const struct change *change, char *reason)
{
	struct judge judge = {.replay = replay, .draft = (struct draft *)(uintptr_t)draft,
	                      .change = change, .reason = reason};

	return unpack(judge.replay) ? judge_place(&judge) : no_memory(&judge);
}

enum replay_fate
replay_change(struct replay *replay, struct draft *draft, const struct change *change, const uint8_t *record,
	      size_t size, struct draft *content, char *reason)
{
	struct judge judge = {.replay = replay, .draft = draft, .change = change, .reason = reason};
	uint8_t id[VERSION_ID_SIZE];

	invariant(replay->state.state_version == draft->version->version);
	arena_init(&judge.arena, SIZE_MAX / 2);
	enum replay_fate fate = unpack(replay) ? judge_place(&judge) : no_memory(&judge);
	if (fate == REPLAY_APPLIED)
		fate = apply(&judge, content);
	arena_free(&judge.arena);
	struct zone_version *version = draft->version; /* after apply: a snapshot exchanges it */
	if (fate == REPLAY_APPLIED) {
		change_id(version->id, record, size, id);
		if (!note_change(&judge, version->version + 1, id))
			fate = no_memory(&judge);
	}
	if (content)
		draft_drop(content);
	if (fate != REPLAY_APPLIED)
		return fate;
	version->version++;
	memcpy(version->id, id, VERSION_ID_SIZE);
	version->serial = judge.soa_set ? judge.soa_serial : serial_next(version->serial, change->serial);
	version->time_us = change->time_us;
	version->frozen = replay->state.frozen;
	return REPLAY_APPLIED;
}
