#include "transfer/sequence.h"
#include "wire/name.h"
#include <stdlib.h>

struct sequence_buffer {
	uint8_t *bytes;
	size_t size, room;
	uint32_t records;
};

/* What is being compared, and what came of it so far. */
struct sequence_build {
	struct sequence_buffer removed, added;
	size_t limit;
	enum status status;
};

#define RECORD_HEAD 9u /* size of the name, TYPE, TTL, size of the RDATA */

/*
 * `own` octets of labels. The serial of a SOA is patched by the caller: the place of its RDATA is returned; NULL:
 * build->status.
 */
static uint8_t *
put(struct sequence_build *build, struct sequence_buffer *buffer, const uint8_t *name, uint8_t own,
    const struct rrset *rrset, struct rdata rdata)
{
	size_t need = RECORD_HEAD + own + rdata.size;

	if (build->status != STATUS_OK)
		return NULL;
	if (build->removed.size + build->added.size + need > build->limit) {
		build->status = STATUS_LIMIT;
		return NULL;
	}
	if (buffer->room - buffer->size < need) {
		size_t room = (buffer->size + need) * 2;
		uint8_t *bytes = realloc(buffer->bytes, room);
		if (bytes == NULL) {
			build->status = STATUS_NO_MEMORY;
			return NULL;
		}
		buffer->bytes = bytes;
		buffer->room = room;
	}
	uint8_t *at = buffer->bytes + buffer->size;
	*at++ = own;
	if (own > 0)
		memcpy(at, name, own);
	at += own;
	memcpy(at, &rrset->type, 2);
	memcpy(at + 2, &rrset->ttl_s, 4);
	memcpy(at + 6, &rdata.size, 2);
	if (rdata.size > 0)
		memcpy(at + 8, rdata.bytes, rdata.size);
	buffer->size += need;
	buffer->records++;
	return at + 8;
}

static void
put_all(struct sequence_build *build, struct sequence_buffer *buffer, const uint8_t *name, uint8_t own,
	const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;

	for (unsigned i = 0; i < rrset->count; i++)
		put(build, buffer, name, own, rrset, rrset_next(&at));
}

/* Both in canonical order: what only one has, and what has another spelling, is removed or added. */
static void
put_merged(struct sequence_build *build, const uint8_t *name, uint8_t own, const struct rrset *before,
	   const struct rrset *after)
{
	const uint8_t *old_at = before->packed, *new_at = after->packed;
	unsigned old_left = before->count, new_left = after->count;

	while (old_left > 0 || new_left > 0) {
		const uint8_t *old_next = old_at, *new_next = new_at;
		struct rdata old_rdata = old_left > 0 ? rrset_next(&old_next) : (struct rdata){0};
		struct rdata new_rdata = new_left > 0 ? rrset_next(&new_next) : (struct rdata){0};
		int order = old_left == 0 ? 1 : -1;
		if (old_left > 0 && new_left > 0)
			order = rdata_compare(old_rdata.bytes, old_rdata.size, new_rdata.bytes, new_rdata.size,
					      before->type);
		bool same = order == 0 && memcmp(old_rdata.bytes, new_rdata.bytes, old_rdata.size) == 0;
		if (order <= 0) {
			if (!same)
				put(build, &build->removed, name, own, before, old_rdata);
			old_at = old_next;
			old_left--;
		}
		if (order >= 0) {
			if (!same)
				put(build, &build->added, name, own, after, new_rdata);
			new_at = new_next;
			new_left--;
		}
	}
}

/* An RRset before and after; count 0: none. A TTL belongs to each record (RFC 1995 has no other way to change it). */
static void
put_difference(struct sequence_build *build, const uint8_t *name, uint8_t own, const struct rrset *before,
	       const struct rrset *after)
{
	if (before->count > 0 && after->count > 0 && before->ttl_s == after->ttl_s) {
		if (before->packed_size != after->packed_size ||
		    memcmp(before->packed, after->packed, before->packed_size) != 0)
			put_merged(build, name, own, before, after);
		return;
	}
	put_all(build, &build->removed, name, own, before);
	put_all(build, &build->added, name, own, after);
}

/* The old SOA begins what was removed, the new one what was added (RFC 1995 4). */
static void
put_soa(struct sequence_build *build, struct sequence_buffer *buffer, const struct rrset *soa, uint32_t serial)
{
	struct rdata rdata = rrset_first(soa);
	uint8_t *at = put(build, buffer, NULL, 0, soa, rdata);

	if (at != NULL)
		rdata_soa_set_serial(at, rdata.size, serial);
}

/* Both buffers in one block; they are freed. */
static enum status
finish(struct sequence_build *build, struct sequence **out)
{
	size_t size = build->removed.size + build->added.size;
	struct sequence *sequence = NULL;

	if (build->status == STATUS_OK) {
		sequence = malloc(sizeof *sequence + size);
		build->status = sequence != NULL ? STATUS_OK : STATUS_NO_MEMORY;
	}
	if (sequence != NULL) {
		atomic_init(&sequence->holders, 1);
		sequence->records = build->removed.records + build->added.records;
		sequence->soa_offset = (uint32_t)build->removed.size;
		sequence->size = size;
		memcpy(sequence->data, build->removed.bytes, build->removed.size);
		memcpy(sequence->data + build->removed.size, build->added.bytes, build->added.size);
		*out = sequence;
	}
	free(build->removed.bytes);
	free(build->added.bytes);
	return build->status;
}

/* ---- between two versions ---- */

static bool
each_node(void *context, const struct node *old_node, const struct node *new_node)
{
	struct sequence_build *build = context;
	const struct node *node = new_node != NULL ? new_node : old_node;
	const uint8_t *old_at = NULL, *new_at = NULL;
	struct rrset before = {0}, after = {0};
	bool has_old = old_node != NULL && node_next(old_node, &old_at, &before);
	bool has_new = new_node != NULL && node_next(new_node, &new_at, &after);

	while (has_old || has_new) {
		bool take_old = has_old && (!has_new || before.type <= after.type);
		bool take_new = has_new && (!has_old || after.type <= before.type);
		struct rrset none = {0};
		bool soa = (take_old ? before.type : after.type) == TYPE_SOA && node->name_size == 0;
		if (!soa)
			put_difference(build, node_name(node), node->name_size, take_old ? &before : &none,
				       take_new ? &after : &none);
		if (take_old)
			has_old = node_next(old_node, &old_at, &before);
		if (take_new)
			has_new = node_next(new_node, &new_at, &after);
	}
	return build->status == STATUS_OK;
}

enum status
sequence_between(const struct zone_version *from, const struct zone_version *to, size_t limit,
		 struct sequence **sequence)
{
	struct sequence_build build = {.limit = limit};
	struct rrset old_soa, new_soa;

	require(version_soa(from, &old_soa) && version_soa(to, &new_soa));
	put_soa(&build, &build.removed, &old_soa, from->serial);
	put_soa(&build, &build.added, &new_soa, to->serial);
	tree_diff(&from->tree, &to->tree, each_node, &build);
	enum status status = finish(&build, sequence);
	if (status != STATUS_OK)
		return status;
	(*sequence)->from_serial = from->serial;
	(*sequence)->to_serial = to->serial;
	(*sequence)->from_version = from->version;
	(*sequence)->to_version = to->version;
	return STATUS_OK;
}

/* ---- of a change in the log ---- */

/* An RRset that the ops touch, as it was. */
struct touched {
	const uint8_t *owner;
	struct rrset before; /* count 0: none */
};

static int
compare_touched(const void *a, const void *b)
{
	const struct touched *x = a, *y = b;
	int order = name_compare(x->owner, y->owner);

	return order != 0 ? order : (int)x->before.type - (int)y->before.type;
}

/* Each touched RRset once, with a copy of what it holds; NULL: the arena is full. */
static struct touched *
collect_touched(const struct draft *draft, const struct change *change, struct arena *arena, size_t *count)
{
	struct touched *touched = arena_alloc(arena, change->op_count * sizeof *touched + 1);
	size_t used = 0;

	if (touched == NULL)
		return NULL;
	for (size_t i = 0; i < change->op_count; i++)
		touched[i] = (struct touched){.owner = change->ops[i].owner, .before.type = change->ops[i].rrset.type};
	if (change->op_count > 1)
		qsort(touched, change->op_count, sizeof *touched, compare_touched);
	for (size_t i = 0; i < change->op_count; i++) {
		struct touched *at = &touched[used];
		*at = touched[i];
		if (used > 0 && compare_touched(at - 1, at) == 0)
			continue;
		used++;
		struct rrset before;
		if (!version_rrset(draft->version, at->owner, at->before.type, &before))
			continue;
		at->before = before;
		at->before.packed = arena_copy(arena, before.packed, before.packed_size);
		if (at->before.packed == NULL)
			return NULL;
	}
	*count = used;
	return touched;
}

static enum status
edit_all(struct draft *draft, const struct change *change)
{
	for (size_t i = 0; i < change->op_count; i++) {
		enum status status = replay_op(draft, &change->ops[i]);
		if (status == STATUS_NO_MEMORY)
			return status;
		if (status != STATUS_OK && status != STATUS_EXISTS)
			return STATUS_INVALID;
	}
	return STATUS_OK;
}

static void
put_touched(struct sequence_build *build, const struct draft *draft, const struct touched *touched, size_t count)
{
	const struct zone_version *version = draft->version;

	for (size_t i = 0; i < count; i++) {
		const struct touched *at = &touched[i];
		size_t size = name_size(at->owner);
		struct rrset after;
		if (at->before.type == TYPE_SOA && size == version->apex_size)
			continue;
		if (!version_rrset(version, at->owner, at->before.type, &after))
			after = (struct rrset){.type = at->before.type};
		put_difference(build, at->owner, (uint8_t)(size - version->apex_size), &at->before, &after);
	}
}

enum status
sequence_of_change(struct draft *draft, const struct change *change, uint64_t version, uint32_t serial,
		   struct arena *arena, size_t limit, struct sequence **sequence)
{
	struct sequence_build build = {.limit = limit};
	uint64_t from_version = draft->version->version;
	uint32_t from_serial = draft->version->serial;
	struct rrset soa;
	size_t count = 0;

	if (!version_soa(draft->version, &soa))
		return STATUS_INVALID;
	put_soa(&build, &build.removed, &soa, from_serial);
	struct touched *touched = collect_touched(draft, change, arena, &count);
	enum status status = touched != NULL ? edit_all(draft, change) : STATUS_NO_MEMORY;
	if (status == STATUS_OK && !version_soa(draft->version, &soa))
		status = STATUS_INVALID;
	if (status == STATUS_OK) {
		put_soa(&build, &build.added, &soa, serial);
		put_touched(&build, draft, touched, count);
	} else {
		build.status = status;
	}
	status = finish(&build, sequence);
	if (status != STATUS_OK)
		return status;
	draft->version->version = (*sequence)->to_version = version;
	draft->version->serial = (*sequence)->to_serial = serial;
	(*sequence)->from_version = from_version;
	(*sequence)->from_serial = from_serial;
	return STATUS_OK;
}

struct sequence *
sequence_hold(struct sequence *sequence)
{
	atomic_fetch_add_explicit(&sequence->holders, 1, memory_order_relaxed);
	return sequence;
}

void
sequence_release(struct sequence *sequence)
{
	if (atomic_fetch_sub_explicit(&sequence->holders, 1, memory_order_acq_rel) == 1)
		free(sequence);
}
