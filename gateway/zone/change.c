#include "zone/change.h"
#include "base/digest.h"
#include "zone/serial.h"
#include "wire/name.h"
#include <stdlib.h>

/* A name that differs, and how it was and is. */
struct change_pair {
	const uint8_t *owner;
	const struct node *old_node, *new_node;
};

struct change_diff {
	const struct zone_version *from, *to;
	struct arena *arena;
	struct change_pair *pairs;
	size_t pair_count, pair_room;
	struct change_op *ops;
	size_t op_count, op_room;
	enum status status;
};

void
change_id(const uint8_t before[VERSION_ID_SIZE], const uint8_t *record, size_t size, uint8_t out[VERSION_ID_SIZE])
{
	uint8_t sum[DIGEST_SHA256_SIZE], joined[2048];

	if (size <= sizeof joined - VERSION_ID_SIZE) { /* nearly all: no context to make */
		memcpy(joined, before, VERSION_ID_SIZE);
		memcpy(joined + VERSION_ID_SIZE, record, size);
		digest_sha256(joined, VERSION_ID_SIZE + size, sum);
	} else {
		struct digest *digest = digest_new();
		invariant(digest); /* a few hundred octets; without them nothing can be verified or written */
		digest_update(digest, before, VERSION_ID_SIZE);
		digest_update(digest, record, size);
		digest_finish(digest, sum);
	}
	memcpy(out, sum, VERSION_ID_SIZE);
}

/* One more element of an array from malloc; NULL without memory. */
static void *
grow(void **array, size_t count, size_t *room, size_t size)
{
	if (count == *room) {
		size_t more = *room ? *room * 2 : 64;
		void *bigger = realloc(*array, more * size);
		if (!bigger)
			return NULL;
		*array = bigger;
		*room = more;
	}
	return (char *)*array + count * size;
}

static bool
collect_pair(void *context, const struct node *old_node, const struct node *new_node)
{
	struct change_diff *diff = context;
	uint8_t owner[NAME_MAX_SIZE + 1];
	struct change_pair *pair = grow((void **)&diff->pairs, diff->pair_count, &diff->pair_room, sizeof *pair);

	if (!pair) {
		diff->status = STATUS_NO_MEMORY;
		return false;
	}
	size_t size = node_owner(new_node ? new_node : old_node, diff->to->apex, owner);
	*pair = (struct change_pair){arena_copy(diff->arena, owner, size), old_node, new_node};
	if (!pair->owner) {
		diff->status = STATUS_LIMIT;
		return false;
	}
	diff->pair_count++;
	return true;
}

static int
compare_pairs(const void *a, const void *b)
{
	return name_compare(((const struct change_pair *)a)->owner, ((const struct change_pair *)b)->owner);
}

static void
add_op(struct change_diff *diff, enum change_kind kind, const uint8_t *owner, struct rrset rrset)
{
	struct change_op *op;

	if (diff->status)
		return;
	op = grow((void **)&diff->ops, diff->op_count, &diff->op_room, sizeof *op);
	if (!op) {
		diff->status = STATUS_NO_MEMORY;
		return;
	}
	if (rrset.packed_size) {
		rrset.packed = arena_copy(diff->arena, rrset.packed, rrset.packed_size);
		if (!rrset.packed) {
			diff->status = STATUS_LIMIT;
			return;
		}
	}
	*op = (struct change_op){kind, owner, rrset};
	diff->op_count++;
}

static void
add_del_rrset(struct change_diff *diff, const uint8_t *owner, uint16_t type)
{
	add_op(diff, CHANGE_DEL, owner, (struct rrset){.type = type});
}

static unsigned
count_missing(const struct rrset *of, const struct rrset *in)
{
	struct rrset_missing walk = rrset_missing_begin(of, in);
	struct rrset record;
	unsigned missing = 0;

	while (rrset_missing_next(&walk, &record))
		missing++;
	return missing;
}

static void
add_each_missing(struct change_diff *diff, enum change_kind kind, const uint8_t *owner, const struct rrset *of,
                 const struct rrset *in)
{
	struct rrset_missing walk = rrset_missing_begin(of, in);
	struct rrset record;

	while (rrset_missing_next(&walk, &record)) {
		if (kind == CHANGE_DEL)
			record.ttl_s = 0;
		add_op(diff, kind, owner, record);
	}
}

static bool
same_rrset(const struct rrset *a, const struct rrset *b)
{
	return a->ttl_s == b->ttl_s && a->packed_size == b->packed_size &&
	       memcmp(a->packed, b->packed, a->packed_size) == 0;
}

/*
 * Is a SET the right form for an RRset that both versions have? A change of TTL alone must be one, RRsets that may
 * never be empty or have two records in between are one, and so is whatever is shorter that way.
 */
static bool
wants_set(const struct change_diff *diff, const struct change_pair *pair, const struct rrset *old_rrset,
          const struct rrset *new_rrset)
{
	if (old_rrset->ttl_s != new_rrset->ttl_s || rrtype_info(new_rrset->type)->singleton)
		return true;
	if (new_rrset->type == TYPE_NS && pair->new_node == diff->to->apex_node)
		return true;
	return count_missing(old_rrset, new_rrset) + count_missing(new_rrset, old_rrset) > new_rrset->count;
}

static void
delete_what_went(struct change_diff *diff, const struct change_pair *pair)
{
	const uint8_t *at = NULL;
	struct rrset old_rrset, new_rrset;

	while (pair->old_node && node_next(pair->old_node, &at, &old_rrset)) {
		if (old_rrset.type == TYPE_SOA)
			continue;
		if (!pair->new_node || !node_rrset(pair->new_node, old_rrset.type, &new_rrset))
			add_del_rrset(diff, pair->owner, old_rrset.type);
		else if (!same_rrset(&old_rrset, &new_rrset) && !wants_set(diff, pair, &old_rrset, &new_rrset))
			add_each_missing(diff, CHANGE_DEL, pair->owner, &old_rrset, &new_rrset);
	}
}

static void
add_what_came(struct change_diff *diff, const struct change_pair *pair)
{
	const uint8_t *at = NULL;
	struct rrset old_rrset, new_rrset;

	while (pair->new_node && node_next(pair->new_node, &at, &new_rrset)) {
		if (new_rrset.type == TYPE_SOA)
			continue;
		if (!pair->old_node || !node_rrset(pair->old_node, new_rrset.type, &old_rrset))
			add_op(diff, new_rrset.count == 1 ? CHANGE_ADD : CHANGE_SET, pair->owner, new_rrset);
		else if (same_rrset(&old_rrset, &new_rrset))
			continue;
		else if (wants_set(diff, pair, &old_rrset, &new_rrset))
			add_op(diff, CHANGE_SET, pair->owner, new_rrset);
		else
			add_each_missing(diff, CHANGE_ADD, pair->owner, &new_rrset, &old_rrset);
	}
}

/* The SOA, if more than its serial differs. A SET needs a greater serial to be applied (events.md "Version"). */
static void
change_soa(struct change_diff *diff)
{
	struct rrset old_soa, new_soa;
	uint8_t *copy;

	if (!version_soa(diff->to, &new_soa))
		return;
	if (!version_soa(diff->from, &old_soa)) {
		add_op(diff, CHANGE_ADD, diff->to->apex, new_soa);
		return;
	}
	struct rdata before = rrset_first(&old_soa), after = rrset_first(&new_soa);
	uint32_t serial = rdata_soa_serial(before.bytes, before.size);
	copy = arena_copy(diff->arena, new_soa.packed, new_soa.packed_size);
	if (!copy) {
		diff->status = STATUS_LIMIT;
		return;
	}
	rdata_soa_set_serial(copy + 2, after.size, serial);
	if (old_soa.ttl_s == new_soa.ttl_s && before.size == after.size &&
	    memcmp(before.bytes, copy + 2, after.size) == 0)
		return;
	uint32_t wanted = rdata_soa_serial(after.bytes, after.size);
	rdata_soa_set_serial(copy + 2, after.size, serial_greater(wanted, serial) ? wanted : serial_next(serial, 0));
	new_soa.packed = copy;
	add_op(diff, CHANGE_SET, diff->to->apex, new_soa);
}

enum status
change_between(const struct zone_version *from, const struct zone_version *to, struct arena *arena,
	       struct change_op **ops, size_t *count)
{
	struct change_diff diff = {.from = from, .to = to, .arena = arena};

	tree_diff(&from->tree, &to->tree, collect_pair, &diff);
	if (diff.status)
		goto out;
	if (diff.pair_count)
		qsort(diff.pairs, diff.pair_count, sizeof *diff.pairs, compare_pairs);
	/* All deletions first: a CNAME never stands beside what it replaces, nor the other way round. */
	change_soa(&diff);
	for (size_t i = 0; i < diff.pair_count; i++)
		delete_what_went(&diff, &diff.pairs[i]);
	for (size_t i = 0; i < diff.pair_count; i++)
		add_what_came(&diff, &diff.pairs[i]);
	if (diff.status)
		goto out;
	struct change_op *made = arena_alloc(arena, diff.op_count * sizeof *made + 1);
	if (!made) {
		diff.status = STATUS_LIMIT;
		goto out;
	}
	if (diff.op_count)
		memcpy(made, diff.ops, diff.op_count * sizeof *made);
	*ops = made;
	*count = diff.op_count;
out:
	free(diff.pairs);
	free(diff.ops);
	return diff.status;
}
