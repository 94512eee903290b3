#include "update/overlay.h"
#include "base/hash.h"
#include "wire/fold.h"

/* From this many items on, a set is searched by hash. */
#define INDEX_FROM 32
/* From this many additions and deletions on, an RRset may be written as a whole. */
#define SET_FROM 16

enum status
overlay_begin(struct overlay *overlay, const struct zone_version *version, const struct form *form, struct arena *arena)
{
	size_t size = form->name_count * sizeof *overlay->names;

	*overlay =
		(struct overlay){.version = version, .form = form, .arena = arena, .names = arena_alloc(arena, size)};
	if (overlay->names == NULL)
		return STATUS_LIMIT;
	memset(overlay->names, 0, size);
	return STATUS_OK;
}

static void *
overlay_alloc(struct overlay *overlay, size_t size)
{
	void *bytes = overlay->failed ? NULL : arena_alloc(overlay->arena, size);

	if (bytes == NULL)
		overlay->failed = true;
	return bytes;
}

const struct node *
overlay_node(struct overlay *overlay, uint32_t name)
{
	struct overlay_name *at = &overlay->names[name];

	require(name < overlay->form->name_count);
	if (!at->found) {
		at->node = version_find(overlay->version, overlay->form->names[name].name,
					overlay->form->names[name].size);
		at->found = true;
	}
	return at->node;
}

static struct overlay_set *
new_set(struct overlay *overlay, struct overlay_name *at, uint16_t type, const struct rrset *old)
{
	struct overlay_set *set = overlay_alloc(overlay, sizeof *set);

	if (set == NULL)
		return NULL;
	*set = (struct overlay_set){.next = at->sets, .type = type};
	if (old) {
		set->old = *old;
		set->ttl_s = old->ttl_s;
		set->live = old->count;
	}
	at->sets = set;
	return set;
}

struct overlay_set *
overlay_sets(struct overlay *overlay, uint32_t name)
{
	const struct node *node = overlay_node(overlay, name);
	struct overlay_name *at = &overlay->names[name];
	const uint8_t *walk = NULL;
	struct rrset rrset;

	if (!at->loaded && node)
		while (node_next(node, &walk, &rrset))
			new_set(overlay, at, rrset.type, &rrset);
	at->loaded = true;
	return at->sets;
}

struct overlay_set *
overlay_set(struct overlay *overlay, uint32_t name, uint16_t type)
{
	struct overlay_set *set = overlay_sets(overlay, name);

	while (set && set->type != type)
		set = set->next;
	return set;
}

/* ---- items of one set ---- */

/* Whatever rdata_equal calls equal is equal in lower case. */
static uint32_t
item_hash(const uint8_t *rdata, size_t size)
{
	uint8_t lower[512];

	if (size > sizeof lower)
		size = sizeof lower;
	fold_copy(lower, rdata, size);
	return (uint32_t)hash_bytes(lower, size);
}

static void
index_put(struct overlay_set *set, uint32_t item)
{
	uint32_t slot = item_hash(set->items[item].rdata.bytes, set->items[item].rdata.size) & set->slot_mask;

	while (set->slots[slot] != 0)
		slot = (slot + 1) & set->slot_mask;
	set->slots[slot] = item + 1;
}

/* Made for the room that the items have, and made anew with it. */
static void
index_build(struct overlay *overlay, struct overlay_set *set)
{
	uint32_t slots = 4 * INDEX_FROM;

	while (slots < 2 * set->room)
		slots *= 2;
	set->slots = overlay_alloc(overlay, slots * sizeof *set->slots);
	if (set->slots == NULL)
		return;
	memset(set->slots, 0, slots * sizeof *set->slots);
	set->slot_mask = slots - 1;
	for (uint32_t i = 0; i < set->count; i++)
		index_put(set, i);
}

/* Room for one more item. */
static bool
grow(struct overlay *overlay, struct overlay_set *set)
{
	if (set->count < set->room)
		return true;
	uint32_t room = set->room ? set->room * 2 : 4;
	struct overlay_item *items = overlay_alloc(overlay, room * sizeof *items);
	if (items == NULL)
		return false;
	if (set->count > 0)
		memcpy(items, set->items, set->count * sizeof *items);
	set->items = items;
	set->room = room;
	if (set->count >= INDEX_FROM)
		index_build(overlay, set);
	return !overlay->failed;
}

/* Copy the version's records, to be edited. */
static bool
open_set(struct overlay *overlay, struct overlay_set *set)
{
	const uint8_t *at = set->old.packed;

	if (set->items)
		return true;
	set->room = set->old.count + 4u;
	set->items = overlay_alloc(overlay, set->room * sizeof *set->items);
	if (set->items == NULL) {
		set->room = 0;
		return false;
	}
	for (unsigned i = 0; i < set->old.count; i++)
		set->items[set->count++] = (struct overlay_item){.rdata = rrset_next(&at), .old = true};
	if (set->count >= INDEX_FROM)
		index_build(overlay, set);
	return !overlay->failed;
}

/* The item with this RDATA, dead or not. */
static struct overlay_item *
find(struct overlay_set *set, const uint8_t *rdata, size_t size)
{
	if (set->slots) {
		uint32_t slot = item_hash(rdata, size) & set->slot_mask;
		for (; set->slots[slot] != 0; slot = (slot + 1) & set->slot_mask) {
			struct overlay_item *item = &set->items[set->slots[slot] - 1];
			if (rdata_equal(item->rdata.bytes, item->rdata.size, rdata, size, set->type))
				return item;
		}
		return NULL;
	}
	for (uint32_t i = 0; i < set->count; i++)
		if (rdata_equal(set->items[i].rdata.bytes, set->items[i].rdata.size, rdata, size, set->type))
			return &set->items[i];
	return NULL;
}

bool
overlay_contains(struct overlay *overlay, struct overlay_set *set, const uint8_t *rdata, size_t size)
{
	if (!open_set(overlay, set))
		return false;
	struct overlay_item *item = find(set, rdata, size);
	return item && !item->dead;
}

struct rdata
overlay_first(const struct overlay_set *set)
{
	require(set->live > 0);
	if (set->items == NULL)
		return rrset_first(&set->old);
	for (uint32_t i = 0;; i++)
		if (!set->items[i].dead)
			return set->items[i].rdata;
}

static void
revive(struct overlay_set *set, struct overlay_item *item)
{
	item->dead = false;
	set->live++;
	if (item->old)
		set->removed--;
	else
		set->added++;
}

static void
kill(struct overlay_set *set, struct overlay_item *item)
{
	item->dead = true;
	set->live--;
	if (item->old)
		set->removed++;
	else
		set->added--;
}

void
overlay_add(struct overlay *overlay, uint32_t name, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size)
{
	struct overlay_set *set = overlay_set(overlay, name, type);

	if (set == NULL)
		set = new_set(overlay, &overlay->names[name], type, NULL);
	if (set == NULL || !open_set(overlay, set))
		return;
	struct overlay_item *item = find(set, rdata, size);
	if (item == NULL) {
		if (!grow(overlay, set))
			return;
		item = &set->items[set->count++];
		*item = (struct overlay_item){.rdata = {rdata, (uint16_t)size}, .dead = true};
		if (set->slots)
			index_put(set, set->count - 1);
		else if (set->count >= INDEX_FROM)
			index_build(overlay, set);
	}
	if (item->dead)
		revive(set, item);
	set->ttl_s = ttl_s;
}

void
overlay_delete(struct overlay *overlay, struct overlay_set *set, const uint8_t *rdata, size_t size)
{
	if (!open_set(overlay, set))
		return;
	struct overlay_item *item = find(set, rdata, size);
	if (item && !item->dead)
		kill(set, item);
}

void
overlay_clear(struct overlay *overlay, struct overlay_set *set)
{
	if (set->live == 0 || !open_set(overlay, set))
		return;
	for (uint32_t i = 0; i < set->count; i++)
		if (!set->items[i].dead)
			kill(set, &set->items[i]);
}

/* ---- the net effect ---- */

/* Which items an op is about. */
enum pick { PICK_LIVE, PICK_ADDED, PICK_REMOVED };

static bool
is_picked(const struct overlay_item *item, enum pick pick)
{
	switch (pick) {
	case PICK_LIVE: return !item->dead;
	case PICK_ADDED: return !item->dead && !item->old;
	default: return item->dead && item->old;
	}
}

/* How a set is told. */
enum tell { TELL_NOTHING, TELL_GONE, TELL_SET, TELL_RECORDS };

static enum tell
tell_of(const struct overlay_set *set)
{
	uint32_t edits = set->added + set->removed;

	if (set->items == NULL || (set->live == 0 && set->old.count == 0))
		return TELL_NOTHING;
	if (set->live == 0)
		return TELL_GONE;
	if (set->old.count > 0 && set->ttl_s != set->old.ttl_s)
		return TELL_SET;
	if (edits == 0)
		return TELL_NOTHING;
	/* Nothing stays: the name is at no step without the set (apex NS, and CNAME, SOA, DNAME that are replaced). */
	if (set->old.count > 0 && set->removed == set->old.count)
		return TELL_SET;
	/* Record by record, a large RRset would be copied as often. */
	return edits >= SET_FROM && set->live <= 2 * edits ? TELL_SET : TELL_RECORDS;
}

static size_t
ops_of(const struct overlay_set *set)
{
	switch (tell_of(set)) {
	case TELL_NOTHING: return 0;
	case TELL_RECORDS: return (size_t)set->added + set->removed;
	default: return 1;
	}
}

static uint8_t *
pack(uint8_t *out, const struct rdata *rdata)
{
	memcpy(out, &rdata->size, 2);
	if (rdata->size > 0)
		memcpy(out + 2, rdata->bytes, rdata->size);
	return out + 2 + rdata->size;
}

static bool
op_one(struct overlay *overlay, struct change_op *op, enum change_kind kind, const uint8_t *owner,
       const struct overlay_set *set, const struct rdata *rdata)
{
	uint8_t *packed = overlay_alloc(overlay, 2u + rdata->size);

	if (packed == NULL)
		return false;
	pack(packed, rdata);
	*op = (struct change_op){.kind = kind, .owner = owner, .rrset = {
		.type = set->type, .count = 1, .ttl_s = kind == CHANGE_DEL ? 0 : set->ttl_s, .packed = packed,
		.packed_size = 2u + rdata->size}};
	return true;
}

/* One op for each picked item. */
static struct change_op *
op_each(struct overlay *overlay, struct change_op *op, enum change_kind kind, const uint8_t *owner,
	const struct overlay_set *set, enum pick pick)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (is_picked(&set->items[i], pick) && op_one(overlay, op, kind, owner, set, &set->items[i].rdata))
			op++;
	return op;
}

static struct change_op *
op_whole(struct overlay *overlay, struct change_op *op, const uint8_t *owner, const struct overlay_set *set)
{
	size_t size = 0;

	for (uint32_t i = 0; i < set->count; i++)
		size += is_picked(&set->items[i], PICK_LIVE) ? 2u + set->items[i].rdata.size : 0;
	uint8_t *packed = overlay_alloc(overlay, size), *at = packed;
	if (packed == NULL)
		return op;
	for (uint32_t i = 0; i < set->count; i++)
		if (is_picked(&set->items[i], PICK_LIVE))
			at = pack(at, &set->items[i].rdata);
	*op = (struct change_op){.kind = CHANGE_SET,
				 .owner = owner,
				 .rrset = {.type = set->type,
					   .count = (uint16_t)set->live,
					   .ttl_s = set->ttl_s,
					   .packed = packed,
					   .packed_size = (uint32_t)size}};
	return op + 1;
}

/* What goes, then what comes: a CNAME finds its name empty, and leaves it so. */
static struct change_op *
ops_at(struct overlay *overlay, struct change_op *op, const uint8_t *owner, const struct overlay_set *sets)
{
	for (const struct overlay_set *set = sets; set; set = set->next) {
		enum tell tell = tell_of(set);
		if (tell == TELL_GONE)
			*op++ = (struct change_op){.kind = CHANGE_DEL, .owner = owner, .rrset = {.type = set->type}};
		else if (tell == TELL_RECORDS)
			op = op_each(overlay, op, CHANGE_DEL, owner, set, PICK_REMOVED);
	}
	for (const struct overlay_set *set = sets; set; set = set->next) {
		enum tell tell = tell_of(set);
		if (tell == TELL_SET)
			op = op_whole(overlay, op, owner, set);
		else if (tell == TELL_RECORDS)
			op = op_each(overlay, op, CHANGE_ADD, owner, set, PICK_ADDED);
	}
	return op;
}

/* New sets come at the head of the list: back into the order of the message. */
static struct overlay_set *
reverse(struct overlay_set *sets)
{
	struct overlay_set *done = NULL;

	while (sets) {
		struct overlay_set *next = sets->next;
		sets->next = done;
		done = sets;
		sets = next;
	}
	return done;
}

enum status
overlay_ops(struct overlay *overlay, struct change_op **ops, size_t *count)
{
	size_t room = 0;

	for (size_t i = 0; i < overlay->form->name_count; i++) {
		overlay->names[i].sets = reverse(overlay->names[i].sets);
		size_t before = room;
		for (const struct overlay_set *set = overlay->names[i].sets; set; set = set->next) {
			overlay->failed |= set->live > UINT16_MAX;
			room += ops_of(set);
		}
		overlay->names[i].touched = room > before;
	}
	struct change_op *all = overlay_alloc(overlay, room * sizeof *all), *op = all;
	for (size_t i = 0; i < overlay->form->name_count && !overlay->failed; i++) {
		const struct form_name *name = &overlay->form->names[i];
		if (!overlay->names[i].touched)
			continue;
		const uint8_t *owner = arena_copy(overlay->arena, name->name, name->size);
		if (owner == NULL)
			return STATUS_LIMIT;
		op = ops_at(overlay, op, owner, overlay->names[i].sets);
	}
	if (overlay->failed)
		return STATUS_LIMIT;
	invariant((size_t)(op - all) == room);
	*ops = all;
	*count = room;
	return STATUS_OK;
}

enum status
overlay_reads(struct overlay *overlay, const uint8_t ***reads, size_t *count)
{
	const struct form *form = overlay->form;
	const uint8_t **all = overlay_alloc(overlay, form->name_count * sizeof *all);
	size_t found = 0;

	if (all == NULL)
		return STATUS_LIMIT;
	for (size_t i = 0; i < form->name_count; i++) {
		if (overlay->names[i].touched)
			continue;
		all[found] = arena_copy(overlay->arena, form->names[i].name, form->names[i].size);
		if (all[found++] == NULL)
			return STATUS_LIMIT;
	}
	*reads = all;
	*count = found;
	return STATUS_OK;
}
