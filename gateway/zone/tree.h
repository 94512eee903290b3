/*
 * Owner names to nodes: a persistent hash trie. A change copies only the path; every older version stays whole.
 *
 * Each branch has a 64-bit map and one slot for each bit that is set; six bits of the keyed hash (XXH3) of the relative
 * owner name choose the bit at each level. A slot is a tagged pointer to a node or to a branch.
 *
 * Threads:   readers: any, without a lock, inside an RCU section or with the version pinned. Edits: one thread, which
 *            owns the draft.
 * Memory:    what an edit replaces is freed at once if the same edit made it, else it goes to edit->garbage and is
 *            freed when no reader can see the version before. Who made what is in the tags: a branch or node is the
 *            edit's own if every slot on the way to it, tree->root first, is tagged so. tree_share begins an edit by
 *            clearing the first of them.
 * Limits:    64 names of equal 64-bit hash (STATUS_LIMIT).
 * Why:       see tree.c. Order is needed for dumps only, which sort.
 */
#ifndef ZONEGATE_ZONE_TREE_H
#define ZONEGATE_ZONE_TREE_H

#include "base/status.h"
#include "zone/node.h"

#define TREE_LIST 4u /* tag of a slot: a branch whose nodes have all the same hash; map has the lowest bits set */

struct tree_branch;

struct tree {
	uintptr_t root; /* a slot; 0: empty */
	uint64_t count; /* nodes, empty non-terminals too */
};

/* Zero it before the first use. */
struct tree_edit {
	void **garbage;
	size_t garbage_count, garbage_room;
};

/* The hash that tree_find wants; name: relative, lower case. */
uint64_t tree_hash(const uint8_t *name, size_t size);
const struct node *tree_find(const struct tree *tree, const uint8_t *name, size_t size, uint64_t hash);
/* tree_hash and tree_find. */
const struct node *tree_find_name(const struct tree *tree, const uint8_t *name, size_t size);

/*
 * tree_find in three steps, so that what lies far away in memory is on its way for several names at once: tree_prefetch
 * asks for the lower branches, tree_leaf for the node, tree_named looks at it.
 */
void tree_prefetch(const struct tree *tree, uint64_t hash);
/* Where names of this hash are. */
uintptr_t tree_leaf(const struct tree *tree, uint64_t hash);
const struct node *tree_named_of_list(uintptr_t leaf, const uint8_t *name, size_t size);

static inline const struct node *
tree_named(uintptr_t leaf, const uint8_t *name, size_t size)
{
	const struct node *node = (const struct node *)leaf;

	if (__builtin_expect((leaf & TREE_LIST) != 0, 0))
		return tree_named_of_list(leaf, name, size);
	return node != NULL && node->name_size == size && node_same_bytes(node->data, name, size) ? node : NULL;
}

/* The same content as the beginning of an edit: nothing in it is the edit's own. */
static inline struct tree
tree_share(const struct tree *tree)
{
	return (struct tree){tree->root & ~(uintptr_t)2, tree->count};
}

/*
 * `node` is given; replaces the one of the same name (returned to garbage or freed). hash: of its name.
 * STATUS_NO_MEMORY, STATUS_LIMIT: nothing changed, node freed.
 */
MUST_USE enum status tree_put(struct tree_edit *edit, struct tree *tree, struct node *node, uint64_t hash);
/*
 * An empty tree gets all these nodes (given), each of another name, as by tree_put of each; `items` are put in another
 * order.
 */
struct tree_item { uint64_t hash; struct node *node; };
MUST_USE enum status tree_build(struct tree *tree, struct tree_item *items, size_t count);
/* STATUS_NOT_FOUND */
MUST_USE enum status tree_remove(struct tree_edit *edit, struct tree *tree, const uint8_t *name, size_t size,
				 uint64_t hash);
/* The node, which exists, made the edit's own so that its header may be changed in place; NULL: no memory. */
struct node *tree_modify(struct tree_edit *edit, struct tree *tree, const uint8_t *name, size_t size, uint64_t hash);

/* Each node once, in no order; `each` returns false to stop. Returns false if it was stopped. */
typedef bool tree_each_fn(void *context, const struct node *node);
bool tree_each(const struct tree *tree, tree_each_fn *each, void *context);
/* A walk that can pause: see struct; zero it before the first call. NULL after the last. */
struct tree_walk {
	const struct tree_branch *branch[16];
	uint8_t slot[16];
	int depth;
	bool started;
};
const struct node *tree_next(const struct tree *tree, struct tree_walk *walk);
/*
 * Names whose node differs, subtrees that both share are skipped; old or new NULL where it is missing. Returns false if
 * stopped.
 */
typedef bool tree_diff_fn(void *context, const struct node *old_node, const struct node *new_node);
bool tree_diff(const struct tree *old_tree, const struct tree *new_tree, tree_diff_fn *each, void *context);
/* Frees everything reachable: only for a tree that shares nothing with another. */
void tree_free(struct tree *tree);
/* Frees what the edit made and is still in the tree: undoes it. Takes time for the edit's own part only. */
void tree_free_new(struct tree *tree);
/* Octets asked of malloc, for memory figures; walks the whole tree. */
uint64_t tree_bytes(const struct tree *tree);

#endif
