/*
 * Why a hash trie. A query needs one exact name, at times its ancestors, never the next name in order; so order is not
 * paid for. A change must leave older versions whole; so no hash table. Of a trie over the hash only the branches on
 * one path are copied, four of them among 1,000,000 names, and no name is compared but the one that is found.
 *
 * Measured on two cores of a shared virtual Xeon, with other work on it, 1,000,000 names h0 to h999999 with an A record
 * each: 64 octets of resident memory a name, nodes, branches and malloc's own included (45 asked for: 32 of them the
 * node); 154 instructions for lookup_name of a name that exists (35 of them XXH3), 42 for table_find in a table of one
 * zone, 105 in one of several; 0.65 s of CPU for draft_set of all; 5 us for a change of one random name from
 * draft_begin to table_publish, 3 us where it is dropped. Other trees were weighed on paper only: a qp-trie has about
 * 20 levels for these names where this has four or five, a B-tree in canonical order compares about 20 names on the way
 * and copies pages of some hundred octets at each of its levels.
 */
#include "zone/tree.h"
#include "base/hash.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Tests choose one that collides. */
#ifndef TREE_HASH
#define TREE_HASH(name, size) XXH3_64bits_withSeed(name, size, hash_seed)
#endif

/* Tags of a slot; malloc aligns to 16, so four low bits are free. */
#define TAG_BRANCH 1u /* six more bits of the hash decide */
#define TAG_NEW 2u    /* made by the edit that made the branch which holds the slot */
#define TAG_LIST TREE_LIST
#define TAGS ((uintptr_t)7)
#define LEVEL_BITS 6
/* Levels that see a bit of the hash; below them are lists. */
#define LEVELS 11

struct tree_branch {
	uint64_t map;
	uintptr_t slot[]; /* room_for(popcount of map) of them */
};

_Static_assert(LEVELS < ARRAY_SIZE(((struct tree_walk *)0)->branch), "a walk holds any path");

static inline bool is_inner(uintptr_t slot) { return (slot & (TAG_BRANCH | TAG_LIST)) != 0; }
static inline void *at_of(uintptr_t slot) { return (void *)(slot & ~TAGS); }
static inline unsigned
count_of(const struct tree_branch *branch)
{
	return (unsigned)__builtin_popcountll(branch->map);
}
/* Counted from the top: see find. */
static inline uint64_t bit_of(uint64_t hash) { return UINT64_C(1) << (~hash & 63); }

static inline unsigned
index_of(const struct tree_branch *branch, uint64_t bit)
{
	return (unsigned)__builtin_popcountll(branch->map & (bit - 1));
}

static inline bool
is_named(const struct node *node, const uint8_t *name, size_t size)
{
	return node->name_size == size && node_same_bytes(node->data, name, size);
}

/* Even counts fill malloc's 16-octet steps exactly; larger branches grow by eight so that bulk loads move little. */
static inline unsigned
room_for(unsigned count)
{
	return count <= 8 ? (count + 1u) & ~1u : (count + 7u) & ~7u;
}

static inline size_t
branch_size(unsigned room)
{
	return sizeof(struct tree_branch) + room * sizeof(uintptr_t);
}

uint64_t
tree_hash(const uint8_t *name, size_t size)
{
	return TREE_HASH(name, size);
}

const struct node *
tree_named_of_list(uintptr_t leaf, const uint8_t *name, size_t size)
{
	const struct tree_branch *branch = at_of(leaf);

	for (unsigned i = 0; i < count_of(branch); i++) {
		const struct node *node = at_of(branch->slot[i]);
		if (is_named(node, name, size))
			return node;
	}
	return NULL;
}

static inline uintptr_t
leaf_of(const struct tree *tree, uint64_t hash)
{
	uintptr_t slot = tree->root;

	/*
	 * As bit_of and index_of, in fewer instructions: shifted so that the bit asked for is the sign, the map says
	 * whether it is set, and the count of what is left is one more than the index.
	 */
	while (slot & TAG_BRANCH) {
		const struct tree_branch *branch = at_of(slot);
		uint64_t upto = branch->map << (hash & 63);
		if ((int64_t)upto >= 0)
			return 0;
		slot = branch->slot[(size_t)__builtin_popcountll(upto) - 1];
		hash >>= LEVEL_BITS;
	}
	return slot & ~(uintptr_t)TAG_NEW;
}

const struct node *
tree_find(const struct tree *tree, const uint8_t *name, size_t size, uint64_t hash)
{
	return tree_named(leaf_of(tree, hash), name, size);
}

const struct node *
tree_find_name(const struct tree *tree, const uint8_t *name, size_t size)
{
	return tree_named(leaf_of(tree, TREE_HASH(name, size)), name, size);
}

void
tree_prefetch(const struct tree *tree, uint64_t hash)
{
	uintptr_t slot = tree->root;

	/* The first two levels of a zone that is large enough to need this stay in the cache. */
	for (unsigned level = 0; level < 2 && (slot & TAG_BRANCH); level++, hash >>= LEVEL_BITS) {
		const struct tree_branch *branch = at_of(slot);
		uint64_t bit = bit_of(hash);
		if (!(branch->map & bit))
			return;
		slot = branch->slot[index_of(branch, bit)];
	}
	__builtin_prefetch(at_of(slot));
}

uintptr_t
tree_leaf(const struct tree *tree, uint64_t hash)
{
	uintptr_t leaf = leaf_of(tree, hash);

	/* A node of one or two RRsets lies in two lines. */
	__builtin_prefetch(at_of(leaf));
	__builtin_prefetch((const void *)((uintptr_t)at_of(leaf) + 64)); /* which may be none */
	return leaf;
}

/* Room for `count` more, so that what follows cannot fail half-way. */
static bool
garbage_reserve(struct tree_edit *edit, size_t count)
{
	if (edit->garbage_room - edit->garbage_count >= count)
		return true;
	size_t room = edit->garbage_room * 2 + count;
	void **garbage = realloc(edit->garbage, room * sizeof *garbage);
	if (garbage == NULL)
		return false;
	edit->garbage = garbage;
	edit->garbage_room = room;
	return true;
}

/* What `slot` points to is no longer in the tree. */
static void
release(struct tree_edit *edit, uintptr_t slot)
{
	if (slot & TAG_NEW) {
		free(at_of(slot));
		return;
	}
	invariant(edit->garbage_count < edit->garbage_room);
	edit->garbage[edit->garbage_count++] = at_of(slot);
}

/* Make the branch at *at the edit's own, with room for `more` slots. */
static struct tree_branch *
own(struct tree_edit *edit, uintptr_t *at, unsigned more)
{
	struct tree_branch *branch = at_of(*at);
	unsigned count = count_of(branch), room = room_for(count + more);

	if (*at & TAG_NEW) {
		if (room == room_for(count))
			return branch;
		branch = realloc(branch, branch_size(room));
		if (branch == NULL)
			return NULL;
		*at = (uintptr_t)branch | (*at & TAGS);
		return branch;
	}
	struct tree_branch *copy = malloc(branch_size(room));
	if (copy == NULL)
		return NULL;
	copy->map = branch->map;
	for (unsigned i = 0; i < count; i++)
		copy->slot[i] = branch->slot[i] & ~(uintptr_t)TAG_NEW;
	release(edit, *at);
	*at = (uintptr_t)copy | (*at & TAGS) | TAG_NEW;
	return copy;
}

/* Into a branch that has room. */
static void
branch_insert(struct tree_branch *branch, uint64_t bit, uintptr_t slot)
{
	unsigned index = index_of(branch, bit), count = count_of(branch);

	memmove(branch->slot + index + 1, branch->slot + index, (count - index) * sizeof slot);
	branch->slot[index] = slot;
	branch->map |= bit;
}

static struct tree_branch *
branch_new(uint64_t map, uintptr_t first, uintptr_t second)
{
	struct tree_branch *branch = malloc(branch_size(2));

	if (branch == NULL)
		return NULL;
	branch->map = map;
	branch->slot[0] = first;
	branch->slot[1] = second;
	return branch;
}

/* *at is a node of another name, `level` levels down, `rest` what is left there of the new node's hash. */
static enum status
split(uintptr_t *at, unsigned level, uint64_t rest, struct node *node)
{
	const struct node *other = at_of(*at);
	uintptr_t slot = (uintptr_t)node | TAG_NEW;
	uint64_t other_rest = level < LEVELS ? tree_hash(other->data, other->name_size) >> (level * LEVEL_BITS) : 0;
	struct tree_branch *branch;

	for (; level < LEVELS && bit_of(rest) == bit_of(other_rest); level++) {
		branch = branch_new(bit_of(rest), *at, 0);
		if (branch == NULL)
			return STATUS_NO_MEMORY;
		*at = (uintptr_t)branch | TAG_BRANCH | TAG_NEW;
		at = &branch->slot[0];
		rest >>= LEVEL_BITS;
		other_rest >>= LEVEL_BITS;
	}
	bool list = level == LEVELS;
	bool first = list || bit_of(other_rest) < bit_of(rest);
	branch = branch_new(list ? 3 : bit_of(rest) | bit_of(other_rest), first ? *at : slot, first ? slot : *at);
	if (branch == NULL)
		return STATUS_NO_MEMORY;
	*at = (uintptr_t)branch | (list ? TAG_LIST : TAG_BRANCH) | TAG_NEW;
	return STATUS_OK;
}

/* *at is a list. */
static enum status
list_put(struct tree_edit *edit, uintptr_t *at, struct node *node, bool *replaced)
{
	uintptr_t slot = (uintptr_t)node | TAG_NEW;
	unsigned count = count_of(at_of(*at)), i;

	*replaced = tree_named_of_list(*at, node->data, node->name_size) != NULL;
	if (!*replaced && count == 64)
		return STATUS_LIMIT;
	struct tree_branch *branch = own(edit, at, *replaced ? 0 : 1);
	if (branch == NULL)
		return STATUS_NO_MEMORY;
	if (!*replaced) {
		branch_insert(branch, UINT64_C(1) << count, slot);
		return STATUS_OK;
	}
	for (i = 0; !is_named(at_of(branch->slot[i]), node->data, node->name_size); i++)
		;
	release(edit, branch->slot[i]);
	branch->slot[i] = slot;
	return STATUS_OK;
}

/* *at is the place for the node: empty, a node, or a list. */
static enum status
leaf_put(struct tree_edit *edit, uintptr_t *at, unsigned level, uint64_t rest, struct node *node, bool *replaced)
{
	*replaced = false;
	if (*at & TAG_LIST)
		return list_put(edit, at, node, replaced);
	if (*at != 0 && !is_named(at_of(*at), node->data, node->name_size))
		return split(at, level, rest, node);
	if (*at != 0) {
		release(edit, *at);
		*replaced = true;
	}
	*at = (uintptr_t)node | TAG_NEW;
	return STATUS_OK;
}

enum status
tree_put(struct tree_edit *edit, struct tree *tree, struct node *node, uint64_t hash)
{
	uintptr_t *at = &tree->root;
	uint64_t rest = hash;
	unsigned level = 0;
	bool replaced = false;
	enum status status = STATUS_NO_MEMORY;

	if (!garbage_reserve(edit, LEVELS + 2))
		goto out;
	for (; *at & TAG_BRANCH; level++, rest >>= LEVEL_BITS) {
		uint64_t bit = bit_of(rest);
		bool missing = !(((struct tree_branch *)at_of(*at))->map & bit);
		struct tree_branch *branch = own(edit, at, missing);
		if (branch == NULL)
			goto out;
		if (missing) {
			branch_insert(branch, bit, (uintptr_t)node | TAG_NEW);
			tree->count++;
			return STATUS_OK;
		}
		at = &branch->slot[index_of(branch, bit)];
	}
	status = leaf_put(edit, at, level, rest, node, &replaced);
	if (status == STATUS_OK && !replaced)
		tree->count++;
out:
	if (status != STATUS_OK)
		free(node);
	return status;
}

/* ---- many at once ---- */

#define FEW 32 /* sorted without counting the groups */

static inline unsigned
group_of(const struct tree_item *item, unsigned level)
{
	return ~(unsigned)(item->hash >> (level * LEVEL_BITS)) & 63;
}

static void
sort_few(struct tree_item *items, size_t count, unsigned level)
{
	for (size_t i = 1; i < count; i++) {
		struct tree_item item = items[i];
		size_t at = i;
		for (; at > 0 && group_of(&items[at - 1], level) > group_of(&item, level); at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

/* In place: each item is swapped to where its group goes on. */
static void
sort_many(struct tree_item *items, size_t count, unsigned level)
{
	size_t next[64] = {0}, end[64], start = 0;

	for (size_t i = 0; i < count; i++)
		next[group_of(&items[i], level)]++;
	for (unsigned group = 0; group < 64; group++) {
		size_t size = next[group];
		next[group] = start;
		start += size;
		end[group] = start;
	}
	for (unsigned group = 0; group < 64; group++)
		while (next[group] < end[group]) {
			struct tree_item *here = &items[next[group]], item = *here;
			struct tree_item *there = &items[next[group_of(&item, level)]++];
			*here = *there;
			*there = item;
		}
}

static uintptr_t
build_refuse(const struct tree_item *items, size_t count, enum status why, enum status *status)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].node);
	*status = why;
	return 0;
}

/* Nodes of one hash. */
static uintptr_t
build_list(const struct tree_item *items, size_t count, enum status *status)
{
	struct tree_branch *branch;

	if (count > 64)
		return build_refuse(items, count, STATUS_LIMIT, status);
	if ((branch = malloc(branch_size(room_for((unsigned)count)))) == NULL)
		return build_refuse(items, count, STATUS_NO_MEMORY, status);
	branch->map = UINT64_MAX >> (64 - count);
	for (size_t i = 0; i < count; i++)
		branch->slot[i] = (uintptr_t)items[i].node | TAG_NEW;
	return (uintptr_t)branch | TAG_LIST | TAG_NEW;
}

/* The slot for these nodes; 0, which tree_free passes over: they are freed, *status says why. */
static uintptr_t
build_below(struct tree_item *items, size_t count, unsigned level, enum status *status)
{
	uint64_t map = 0;
	struct tree_branch *branch;

	if (count == 1)
		return (uintptr_t)items->node | TAG_NEW;
	if (level == LEVELS)
		return build_list(items, count, status);
	(count <= FEW ? sort_few : sort_many)(items, count, level);
	for (size_t i = 0; i < count; i++)
		map |= UINT64_C(1) << group_of(&items[i], level);
	if ((branch = malloc(branch_size(room_for((unsigned)__builtin_popcountll(map))))) == NULL)
		return build_refuse(items, count, STATUS_NO_MEMORY, status);
	branch->map = map;
	for (uintptr_t *slot = branch->slot; count > 0; slot++) {
		size_t same = 1;
		while (same < count && group_of(&items[same], level) == group_of(&items[0], level))
			same++;
		*slot = build_below(items, same, level + 1, status);
		items += same;
		count -= same;
	}
	return (uintptr_t)branch | TAG_BRANCH | TAG_NEW;
}

enum status
tree_build(struct tree *tree, struct tree_item *items, size_t count)
{
	enum status status = STATUS_OK;

	require(tree->root == 0);
	if (count == 0)
		return STATUS_OK;
	tree->root = build_below(items, count, 0, &status);
	tree->count = count;
	if (status != STATUS_OK)
		tree_free(tree);
	return status;
}

/* ---- one ---- */

/* The slots from the root to the node's, all made the edit's own; the node exists. */
struct path {
	uintptr_t *at[LEVELS + 2];
	unsigned depth; /* at[depth] is the node's */
};

static enum status
path_own(struct tree_edit *edit, struct tree *tree, const uint8_t *name, size_t size, uint64_t hash, struct path *path)
{
	uintptr_t *at = &tree->root;

	path->depth = 0;
	if (!garbage_reserve(edit, LEVELS + 2))
		return STATUS_NO_MEMORY;
	while (is_inner(*at)) {
		bool list = *at & TAG_LIST;
		struct tree_branch *branch = own(edit, at, 0);
		if (branch == NULL)
			return STATUS_NO_MEMORY;
		path->at[path->depth++] = at;
		unsigned i = 0;
		if (!list)
			i = index_of(branch, bit_of(hash));
		else
			while (!is_named(at_of(branch->slot[i]), name, size))
				i++;
		at = &branch->slot[i];
		hash >>= LEVEL_BITS;
	}
	path->at[path->depth] = at;
	return STATUS_OK;
}

struct node *
tree_modify(struct tree_edit *edit, struct tree *tree, const uint8_t *name, size_t size, uint64_t hash)
{
	struct path path;

	require(tree_find(tree, name, size, hash) != NULL);
	if (path_own(edit, tree, name, size, hash, &path) != STATUS_OK)
		return NULL;
	uintptr_t *at = path.at[path.depth];
	if (*at & TAG_NEW)
		return at_of(*at);
	struct node *copy = node_copy(at_of(*at));
	if (copy == NULL)
		return NULL;
	release(edit, *at);
	*at = (uintptr_t)copy | TAG_NEW;
	return copy;
}

/* Take one slot out of a branch that is the edit's own. */
static void
branch_take(uintptr_t *at, uintptr_t *slot)
{
	struct tree_branch *branch = at_of(*at);
	unsigned count = count_of(branch), index = (unsigned)(slot - branch->slot);
	uint64_t map = branch->map;

	memmove(slot, slot + 1, (count - index - 1) * sizeof *slot);
	for (unsigned i = 0; i < index; i++)
		map &= map - 1;
	branch->map = *at & TAG_LIST ? branch->map >> 1 : branch->map & ~(map & -map);
	if (room_for(count - 1) == room_for(count) || count == 1)
		return;
	/*
	 * Smaller: where that fails the larger block does as well, but room_for must be true for the next one who grows
	 * it.
	 */
	struct tree_branch *smaller = realloc(branch, branch_size(room_for(count - 1)));
	if (smaller)
		*at = (uintptr_t)smaller | (*at & TAGS);
}

enum status
tree_remove(struct tree_edit *edit, struct tree *tree, const uint8_t *name, size_t size, uint64_t hash)
{
	struct path path;

	if (tree_find(tree, name, size, hash) == NULL)
		return STATUS_NOT_FOUND;
	enum status status = path_own(edit, tree, name, size, hash, &path);
	if (status != STATUS_OK)
		return status;
	unsigned depth = path.depth;
	release(edit, *path.at[depth]);
	tree->count--;
	if (depth == 0) {
		tree->root = 0;
		return STATUS_OK;
	}
	branch_take(path.at[depth - 1], path.at[depth]);
	/* One shape for one content: a branch with one node only is replaced by the node. */
	while (depth-- > 0) {
		uintptr_t *at = path.at[depth];
		struct tree_branch *branch = at_of(*at);
		if (count_of(branch) != 1 || is_inner(branch->slot[0]))
			break;
		*at = branch->slot[0];
		free(branch);
	}
	return STATUS_OK;
}

static bool
each_below(uintptr_t slot, tree_each_fn *each, void *context)
{
	if (!is_inner(slot))
		return each(context, at_of(slot));
	const struct tree_branch *branch = at_of(slot);
	for (unsigned i = 0; i < count_of(branch); i++)
		if (!each_below(branch->slot[i], each, context))
			return false;
	return true;
}

bool
tree_each(const struct tree *tree, tree_each_fn *each, void *context)
{
	return tree->root == 0 || each_below(tree->root, each, context);
}

static void
walk_push(struct tree_walk *walk, uintptr_t slot)
{
	const struct tree_branch *branch = at_of(slot);

	walk->branch[walk->depth] = branch;
	walk->slot[walk->depth++] = 0;
	/* What comes next is scattered over the heap: ask for all of it at once. */
	for (unsigned i = 0; i < count_of(branch); i++)
		__builtin_prefetch(at_of(branch->slot[i]));
}

const struct node *
tree_next(const struct tree *tree, struct tree_walk *walk)
{
	if (!walk->started) {
		walk->started = true;
		if (tree->root != 0 && !is_inner(tree->root))
			return at_of(tree->root);
		if (tree->root != 0)
			walk_push(walk, tree->root);
	}
	while (walk->depth > 0) {
		const struct tree_branch *branch = walk->branch[walk->depth - 1];
		unsigned index = walk->slot[walk->depth - 1];
		if (index == count_of(branch)) {
			walk->depth--;
			continue;
		}
		walk->slot[walk->depth - 1]++;
		if (!is_inner(branch->slot[index]))
			return at_of(branch->slot[index]);
		walk_push(walk, branch->slot[index]);
	}
	return NULL;
}

struct diff {
	tree_diff_fn *each;
	void *context;
	const struct node *alone; /* the other side is this one node, or nothing (NULL) */
	bool alone_is_old, met;
};

/* One name of a subtree whose other side is one node or nothing. */
static bool
diff_one(void *context, const struct node *node)
{
	struct diff *diff = context;
	const struct node *alone = diff->alone;

	if (alone == node || (alone && is_named(alone, node->data, node->name_size))) {
		diff->met = true;
		if (alone == node)
			return true;
	} else {
		alone = NULL;
	}
	return diff->alone_is_old ? diff->each(diff->context, alone, node) : diff->each(diff->context, node, alone);
}

/* `many`: a slot or 0; `alone`: a node's slot or 0. */
static bool
diff_alone(struct diff *diff, uintptr_t alone, uintptr_t many, bool alone_is_old)
{
	diff->alone = at_of(alone);
	diff->alone_is_old = alone_is_old;
	diff->met = false;
	if (many != 0 && !each_below(many, diff_one, diff))
		return false;
	if (diff->alone == NULL || diff->met)
		return true;
	return alone_is_old ? diff->each(diff->context, diff->alone, NULL)
			    : diff->each(diff->context, NULL, diff->alone);
}

static bool
diff_lists(struct diff *diff, uintptr_t a, uintptr_t b)
{
	const struct tree_branch *old_list = at_of(a), *new_list = at_of(b);

	for (unsigned i = 0; i < count_of(old_list); i++) {
		const struct node *node = at_of(old_list->slot[i]);
		const struct node *other = tree_named_of_list(b, node->data, node->name_size);
		if (node != other && !diff->each(diff->context, node, other))
			return false;
	}
	for (unsigned i = 0; i < count_of(new_list); i++) {
		const struct node *node = at_of(new_list->slot[i]);
		if (!tree_named_of_list(a, node->data, node->name_size) && !diff->each(diff->context, NULL, node))
			return false;
	}
	return true;
}

static bool
diff_slots(struct diff *diff, uintptr_t a, uintptr_t b)
{
	if (at_of(a) == at_of(b))
		return true;
	if (!is_inner(a))
		return diff_alone(diff, a, b, true);
	if (!is_inner(b))
		return diff_alone(diff, b, a, false);
	/* A list stands at one level only, so both sides are lists or none is. */
	if (a & TAG_LIST)
		return diff_lists(diff, a, b);
	const struct tree_branch *in_a = at_of(a), *in_b = at_of(b);
	for (uint64_t left = in_a->map | in_b->map; left != 0; left &= left - 1) {
		uint64_t bit = left & -left;
		uintptr_t old_slot = in_a->map & bit ? in_a->slot[index_of(in_a, bit)] : 0;
		uintptr_t new_slot = in_b->map & bit ? in_b->slot[index_of(in_b, bit)] : 0;
		if (!diff_slots(diff, old_slot, new_slot))
			return false;
	}
	return true;
}

bool
tree_diff(const struct tree *old_tree, const struct tree *new_tree, tree_diff_fn *each, void *context)
{
	struct diff diff = {.each = each, .context = context};

	return diff_slots(&diff, old_tree->root, new_tree->root);
}

static void
free_below(uintptr_t slot, bool new_only)
{
	if (slot == 0 || (new_only && !(slot & TAG_NEW)))
		return;
	if (is_inner(slot)) {
		const struct tree_branch *branch = at_of(slot);
		for (unsigned i = 0; i < count_of(branch); i++)
			free_below(branch->slot[i], new_only);
	}
	free(at_of(slot));
}

void
tree_free(struct tree *tree)
{
	free_below(tree->root, false);
	*tree = (struct tree){0};
}

void
tree_free_new(struct tree *tree)
{
	free_below(tree->root, true);
	*tree = (struct tree){0};
}

static uint64_t
bytes_below(uintptr_t slot)
{
	if (!is_inner(slot))
		return slot ? node_size(at_of(slot)) : 0;
	const struct tree_branch *branch = at_of(slot);
	uint64_t bytes = branch_size(room_for(count_of(branch)));
	for (unsigned i = 0; i < count_of(branch); i++)
		bytes += bytes_below(branch->slot[i]);
	return bytes;
}

uint64_t
tree_bytes(const struct tree *tree)
{
	return bytes_below(tree->root);
}
