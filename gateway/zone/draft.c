#include "zone/draft.h"
#include "wire/name.h"
#include <stdlib.h>

/* The relative name of the apex. */
static const uint8_t apex_name[1];

/* An owner in the zone: relative name, its hash, what is there. */
struct place {
	const uint8_t *name;
	size_t size;
	uint64_t hash;
	const struct node *node; /* NULL: nothing */
};

static struct place
place_at(const struct draft *draft, const uint8_t *name)
{
	size_t size = name_size(name);

	require(size >= draft->version->apex_size);
	struct place place = {.name = name, .size = size - draft->version->apex_size};
	place.hash = tree_hash(place.name, place.size);
	place.node = tree_find(&draft->version->tree, place.name, place.size, place.hash);
	return place;
}

enum status
draft_begin(struct draft *draft, const struct zone_version *base, const uint8_t *apex)
{
	struct zone_version *version = calloc(1, sizeof *version);

	if (version == NULL)
		return STATUS_NO_MEMORY;
	*draft = (struct draft){.version = version, .base = base};
	if (base == NULL) {
		version->apex = apex;
		version->apex_size = name_size(apex);
		version->apex_labels = (uint8_t)name_labels(apex);
		return STATUS_OK;
	}
	version->apex = base->apex;
	version->apex_size = base->apex_size;
	version->apex_labels = base->apex_labels;
	version->tree = tree_share(&base->tree);
	version->apex_node = base->apex_node;
	version->version = base->version;
	memcpy(version->id, base->id, sizeof version->id);
	version->serial = base->serial;
	version->time_us = base->time_us;
	version->records = base->records;
	version->names = base->names;
	version->cuts = base->cuts;
	version->dnames = base->dnames;
	version->deepest = base->deepest;
	version->frozen = base->frozen;
	version->base = version_pin(base);
	return STATUS_OK;
}

static void
count_node(struct zone_version *version, const struct node *node)
{
	version->records += node_records(node);
	version->names += node->rrset_count > 0;
	version->cuts += (node->flags & NODE_CUT) != 0;
	version->dnames += (node->flags & NODE_DNAME) != 0;
}

static void
discount_node(struct zone_version *version, const struct node *node)
{
	version->records -= node_records(node);
	version->names -= node->rrset_count > 0;
	version->cuts -= (node->flags & NODE_CUT) != 0;
	version->dnames -= (node->flags & NODE_DNAME) != 0;
}

/* `node` is given. */
static enum status
put(struct draft *draft, struct node *node, uint64_t hash)
{
	enum status status = tree_put(&draft->edit, &draft->version->tree, node, hash);

	if (status == STATUS_OK && node->name_size == 0)
		draft->version->apex_node = node;
	return status;
}

static struct node *
modify(struct draft *draft, const uint8_t *name, size_t size, uint64_t hash)
{
	struct node *node = tree_modify(&draft->edit, &draft->version->tree, name, size, hash);

	if (node && size == 0)
		draft->version->apex_node = node;
	return node;
}

static bool
is_star(const uint8_t *name)
{
	return name[0] == 1 && name[1] == '*';
}

/* The apex exists as long as any name does: lookups and marks need it. */
static enum status
apex_ensure(struct draft *draft)
{
	if (draft->version->apex_node)
		return STATUS_OK;
	struct node *node = node_new(apex_name, 0);
	return node ? put(draft, node, tree_hash(apex_name, 0)) : STATUS_NO_MEMORY;
}

static enum status
apex_mark_wildcard(struct draft *draft, bool exists)
{
	struct node *apex = modify(draft, apex_name, 0, tree_hash(apex_name, 0));

	if (apex == NULL)
		return STATUS_NO_MEMORY;
	apex->flags = exists ? apex->flags | NODE_WILDCARD_CHILD : apex->flags & (uint8_t)~NODE_WILDCARD_CHILD;
	return STATUS_OK;
}

/* A name has come to be: its parent counts it, and comes to be itself if it was not there (RFC 4592 2.2.2). */
static enum status
link_parent(struct draft *draft, const uint8_t *name, size_t size)
{
	unsigned labels = 0;
	enum status status = apex_ensure(draft);

	for (size_t at = 0; at < size; at += name[at] + 1u)
		labels++;
	if (labels > draft->version->deepest)
		draft->version->deepest = (uint8_t)labels;
	while (status == STATUS_OK && size > 0) {
		bool star = is_star(name);
		size -= name[0] + 1u;
		name += name[0] + 1u;
		if (size == 0)
			return star ? apex_mark_wildcard(draft, true) : STATUS_OK;
		uint64_t hash = tree_hash(name, size);
		bool exists = tree_find(&draft->version->tree, name, size, hash) != NULL;
		struct node *parent = exists ? modify(draft, name, size, hash) : node_new(name, size);
		if (parent == NULL)
			return STATUS_NO_MEMORY;
		parent->children++;
		if (star)
			parent->flags |= NODE_WILDCARD_CHILD;
		if (exists)
			return STATUS_OK;
		status = put(draft, parent, hash);
	}
	return status;
}

/* A name is gone: so are the empty non-terminals above it that have no other child. */
static enum status
unlink_parent(struct draft *draft, const uint8_t *name, size_t size)
{
	struct zone_version *version = draft->version;
	enum status status = STATUS_OK;

	while (status == STATUS_OK && size > 0) {
		bool star = is_star(name);
		size -= name[0] + 1u;
		name += name[0] + 1u;
		if (size == 0) {
			if (star)
				status = apex_mark_wildcard(draft, false);
			break;
		}
		uint64_t hash = tree_hash(name, size);
		const struct node *have = tree_find(&version->tree, name, size, hash);
		invariant(have && have->children > 0);
		if (have->children == 1 && have->rrset_count == 0) {
			status = tree_remove(&draft->edit, &version->tree, name, size, hash);
			continue;
		}
		struct node *parent = modify(draft, name, size, hash);
		if (parent == NULL)
			return STATUS_NO_MEMORY;
		parent->children--;
		if (star)
			parent->flags &= (uint8_t)~NODE_WILDCARD_CHILD;
		break;
	}
	if (status == STATUS_OK && version->tree.count == 1 && version->apex_node &&
	    version->apex_node->rrset_count == 0) {
		version->apex_node = NULL;
		status = tree_remove(&draft->edit, &version->tree, apex_name, 0, tree_hash(apex_name, 0));
	}
	return status;
}

/* Does its parent know of it? The apex does not count names right below it, but for its wildcard. */
static bool
is_linked(const struct node *node)
{
	const uint8_t *name = node->data;

	return node->name_size > 0 && (name[0] + 1u < node->name_size || is_star(name));
}

/* The node at the place, `node` (given) instead of what is there; an empty one goes unless names below need it. */
static enum status
replace(struct draft *draft, const struct place *place, struct node *node)
{
	struct zone_version *version = draft->version;
	bool is_new = place->node == NULL;
	enum status status;

	if (place->node)
		discount_node(version, place->node);
	if (node->rrset_count == 0 && node->children == 0 && place->size > 0) {
		free(node);
		status = tree_remove(&draft->edit, &version->tree, place->name, place->size, place->hash);
		return status == STATUS_OK ? unlink_parent(draft, place->name, place->size) : status;
	}
	count_node(version, node);
	bool empty_apex = place->size == 0 && node->rrset_count == 0;
	status = put(draft, node, place->hash);
	if (status == STATUS_OK && is_new)
		status = link_parent(draft, place->name, place->size);
	if (status == STATUS_OK && empty_apex)
		status = unlink_parent(draft, place->name, 0);
	return status;
}

enum status
draft_fill(struct draft *draft, struct tree_item *items, size_t count)
{
	struct zone_version *version = draft->version;
	bool linked = false;

	for (size_t i = 0; i < count; i++) {
		struct node *node = items[i].node;
		count_node(version, node);
		linked = linked || is_linked(node);
		if (node->name_size == 0)
			version->apex_node = node;
		else if (version->deepest == 0)
			version->deepest = 1;
	}
	enum status status = tree_build(&version->tree, items, count);
	if (status != STATUS_OK)
		version->apex_node = NULL;
	else
		status = apex_ensure(draft);
	for (size_t i = 0; i < count && linked && status == STATUS_OK; i++)
		if (is_linked(items[i].node))
			status = link_parent(draft, items[i].node->data, items[i].node->name_size);
	return status;
}

/* rrset: sorted; count 0 takes the RRset away. */
static enum status
set_sorted(struct draft *draft, const struct place *place, const struct rrset *rrset)
{
	struct node *node = node_with(place->node, place->name, place->size, rrset);

	return node ? replace(draft, place, node) : STATUS_NO_MEMORY;
}

static bool
is_same(const struct rrset *a, const struct rrset *b)
{
	return a->count == b->count && a->ttl_s == b->ttl_s && a->packed_size == b->packed_size &&
	       memcmp(a->packed, b->packed, a->packed_size) == 0;
}

enum status
draft_set(struct draft *draft, const uint8_t *name, const struct rrset *rrset)
{
	struct place place = place_at(draft, name);
	struct rrset have, sorted = *rrset;
	uint8_t *block = NULL;
	bool exists = place.node && node_rrset(place.node, rrset->type, &have);

	if (rrset->count == 0)
		return exists ? set_sorted(draft, &place, rrset) : STATUS_OK;
	if (!rrset_is_sorted(rrset)) {
		enum status status = rrset_merge(rrset, NULL, &sorted, &block);
		if (status != STATUS_OK)
			return status;
	}
	/* What stays as it is keeps its node, so that a comparison of versions does not show it. */
	enum status status = exists && is_same(&have, &sorted) ? STATUS_OK : set_sorted(draft, &place, &sorted);
	free(block);
	return status;
}

enum status
draft_merge(struct draft *draft, const uint8_t *name, const struct rrset *rrset, bool *ttl_differs)
{
	struct place place = place_at(draft, name);
	struct rrset have, merged = *rrset;
	uint8_t *block = NULL;
	enum status status = STATUS_OK;
	bool exists = place.node && node_rrset(place.node, rrset->type, &have);

	require(rrset->count > 0);
	if (ttl_differs)
		*ttl_differs = exists && have.ttl_s != rrset->ttl_s;
	if (exists)
		status = rrset_merge(&have, rrset, &merged, &block);
	else if (!rrset_is_sorted(rrset))
		status = rrset_merge(rrset, NULL, &merged, &block);
	if (status == STATUS_OK && !(exists && is_same(&have, &merged)))
		status = set_sorted(draft, &place, &merged);
	free(block);
	return status;
}

/* One RDATA in packed form. */
static void
pack_one(uint8_t *out, const uint8_t *rdata, size_t size)
{
	uint16_t size16 = (uint16_t)size;

	require(size <= RDATA_MAX_SIZE);
	memcpy(out, &size16, 2);
	if (size > 0)
		memcpy(out + 2, rdata, size);
}

/* Where a record belongs in an RRset: the offset; *found if it is there. */
static uint32_t
rdata_offset(const struct rrset *rrset, const uint8_t *rdata, size_t size, bool *found)
{
	const uint8_t *at = rrset->packed, *before = at;

	*found = false;
	for (unsigned i = 0; i < rrset->count; i++) {
		before = at;
		struct rdata have = rrset_next(&at);
		int order = rdata_compare(have.bytes, have.size, rdata, size, rrset->type);
		if (order >= 0) {
			*found = order == 0;
			return (uint32_t)(before - rrset->packed);
		}
	}
	return rrset->packed_size;
}

/* `out` gets `have` with `insert` octets' room at `offset`, `remove` octets there left out. */
static uint8_t *
packed_copy(const struct rrset *have, uint32_t offset, size_t insert, size_t remove)
{
	uint8_t *packed = malloc(have->packed_size + insert - remove + 1);

	if (packed == NULL)
		return NULL;
	memcpy(packed, have->packed, offset);
	memcpy(packed + offset + insert, have->packed + offset + remove, have->packed_size - offset - remove);
	return packed;
}

enum status
draft_add(struct draft *draft, const uint8_t *name, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size)
{
	struct place place = place_at(draft, name);
	struct rrset have = {.type = type, .packed = (const uint8_t *)""};
	bool found;

	if (place.node && !node_rrset(place.node, type, &have))
		have = (struct rrset){.type = type, .packed = (const uint8_t *)""};
	uint32_t offset = rdata_offset(&have, rdata, size, &found);
	if (found && have.ttl_s == ttl_s)
		return STATUS_EXISTS;
	have.ttl_s = ttl_s;
	if (found)
		return set_sorted(draft, &place, &have);
	if (have.count == UINT16_MAX)
		return STATUS_LIMIT;
	uint8_t *packed = packed_copy(&have, offset, size + 2, 0);
	if (packed == NULL)
		return STATUS_NO_MEMORY;
	pack_one(packed + offset, rdata, size);
	have.packed = packed;
	have.packed_size += (uint32_t)size + 2;
	have.count++;
	enum status status = set_sorted(draft, &place, &have);
	free(packed);
	return status;
}

enum status
draft_delete(struct draft *draft, const uint8_t *name, uint16_t type, const uint8_t *rdata, size_t size)
{
	struct place place = place_at(draft, name);
	struct rrset have;
	bool found;

	if (!place.node || !node_rrset(place.node, type, &have))
		return STATUS_NOT_FOUND;
	uint32_t offset = rdata_offset(&have, rdata, size, &found);
	if (!found)
		return STATUS_NOT_FOUND;
	/* Equal RDATA may differ in the case of its names, not in its size. */
	uint8_t *packed = packed_copy(&have, offset, 0, size + 2);
	if (packed == NULL)
		return STATUS_NO_MEMORY;
	have.packed = packed;
	have.packed_size -= (uint32_t)size + 2;
	have.count--;
	enum status status = set_sorted(draft, &place, &have);
	free(packed);
	return status;
}

enum status
draft_delete_rrset(struct draft *draft, const uint8_t *name, uint16_t type)
{
	struct place place = place_at(draft, name);
	struct rrset have;

	if (!place.node || !node_rrset(place.node, type, &have))
		return STATUS_NOT_FOUND;
	return set_sorted(draft, &place, &(struct rrset){.type = type});
}

enum status
draft_delete_name(struct draft *draft, const uint8_t *name)
{
	struct place place = place_at(draft, name);

	if (!place.node || place.node->rrset_count == 0)
		return STATUS_NOT_FOUND;
	struct node *node = node_new(place.name, place.size);
	if (node == NULL)
		return STATUS_NO_MEMORY;
	node->children = place.node->children;
	node->flags = place.node->flags & NODE_WILDCARD_CHILD;
	return replace(draft, &place, node);
}

enum status
draft_clear(struct draft *draft)
{
	struct zone_version *version = draft->version;

	tree_free_new(&version->tree);
	/* The base is freed whole when its time comes, so what was replaced until now need not be known. */
	draft->edit.garbage_count = 0;
	version->replaces_all = true;
	version->apex_node = NULL;
	version->records = version->names = 0;
	version->cuts = version->dnames = 0;
	version->deepest = 0;
	return STATUS_OK;
}

/* The SOA has the serial that the version has been given. */
static enum status
finish_serial(struct draft *draft)
{
	struct zone_version *version = draft->version;
	struct rrset soa;

	if (!version_soa(version, &soa))
		return STATUS_OK;
	struct rdata rdata = rrset_first(&soa);
	if (rdata_soa_serial(rdata.bytes, rdata.size) == version->serial)
		return STATUS_OK;
	struct node *apex = modify(draft, apex_name, 0, tree_hash(apex_name, 0));
	if (apex == NULL)
		return STATUS_NO_MEMORY;
	size_t size = 0;
	uint8_t *bytes = node_rdata_mutable(apex, TYPE_SOA, &size);
	invariant(bytes != NULL);
	rdata_soa_set_serial(bytes, size, version->serial);
	return STATUS_OK;
}

/* What negative answers need, made ready: it lies in the apex node, which no longer changes. */
static void
finish_negative(struct zone_version *version)
{
	struct rrset soa;

	version->soa = (struct compose_soa){0};
	version->soa_ttl_s = 0;
	if (!version_soa(version, &soa))
		return;
	struct rdata rdata = rrset_first(&soa);
	uint32_t minimum = rdata_soa_minimum(rdata.bytes, rdata.size);
	version->soa_ttl_s = minimum < soa.ttl_s ? minimum : soa.ttl_s; /* RFC 2308 3 */
	compose_soa_init(&version->soa, version->apex, rdata.bytes);
}

enum status
draft_finish(struct draft *draft, struct zone_version **version)
{
	enum status status = finish_serial(draft);

	if (status != STATUS_OK) {
		draft_drop(draft);
		return status;
	}
	finish_negative(draft->version);
	*version = draft->version;
	if (draft->edit.garbage_count == 0) { /* room that a new zone did not need */
		free(draft->edit.garbage);
		draft->edit.garbage = NULL;
	}
	draft->version->garbage = draft->edit.garbage;
	draft->version->garbage_count = draft->edit.garbage_count;
	*draft = (struct draft){0};
	return STATUS_OK;
}

void
draft_drop(struct draft *draft)
{
	if (draft->version == NULL)
		return;
	draft->version->garbage = draft->edit.garbage;
	draft_discard(draft->version);
	*draft = (struct draft){0};
}

void
draft_discard(struct zone_version *version)
{
	require(version->chain == NULL && atomic_load(&version->pins) == 0);
	struct zone_version *base = version->base;
	tree_free_new(&version->tree);
	free(version->garbage);
	free(version);
	if (base)
		version_unpin(base);
}
