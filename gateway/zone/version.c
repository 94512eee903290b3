#include "zone/version.h"
#include "wire/name.h"
#include <stdlib.h>

/* In pins: the reclaimer has seen the version pinned; the last to unpin tells it. */
#define PIN_WATCHED 0x80000000u

struct zone_version *
version_pin(const struct zone_version *version)
{
	struct zone_version *mutable = (struct zone_version *)version;

	atomic_fetch_add_explicit(&mutable->pins, 1, memory_order_relaxed);
	return mutable;
}

const struct node *
version_find(const struct zone_version *version, const uint8_t *name, size_t size)
{
	require(size >= version->apex_size);
	return tree_find_name(&version->tree, name, size - version->apex_size);
}

bool
version_rrset(const struct zone_version *version, const uint8_t *name, uint16_t type, struct rrset *rrset)
{
	const struct node *node = version_find(version, name, name_size(name));

	return node && node_rrset(node, type, rrset);
}

bool
version_soa(const struct zone_version *version, struct rrset *rrset)
{
	return version->apex_node && node_rrset(version->apex_node, TYPE_SOA, rrset);
}

/* The rightmost labels, as eight octets that compare as RFC 4034 6.1 orders names; equal keys decide nothing. */
static uint64_t
sort_key(const struct node *node)
{
	uint8_t start[NAME_MAX_SIZE / 2 + 1];
	unsigned labels = 0, room = 8;
	uint64_t key = 0;

	for (size_t at = 0; at < node->name_size; at += node->data[at] + 1u)
		start[labels++] = (uint8_t)at;
	while (labels-- > 0 && room > 0) {
		const uint8_t *label = node->data + start[labels];
		for (unsigned i = 1; i <= label[0] && room > 0; i++, room--) {
			/* 0 and 1 would look like the end of a label: leave the decision to the whole names. */
			if (label[i] < 2)
				return (room == 8 ? 0 : key << (8 * room)) | UINT64_C(1) << (8 * (room - 1));
			key = key << 8 | label[i];
		}
		if (room > 0) {
			key <<= 8;
			room--;
		}
	}
	return room == 8 ? 0 : key << (8 * room);
}

struct sort_item {
	uint64_t key;
	const struct node *node;
};

static int
sort_compare(const void *a, const void *b)
{
	const struct sort_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return node_compare(x->node, y->node);
}

const struct node **
version_sorted(const struct zone_version *version, size_t *count)
{
	struct sort_item *items = malloc((version->tree.count + 1) * sizeof *items);
	struct tree_walk walk = {0};
	size_t found = 0;
	const struct node *node;

	if (items == NULL)
		return NULL;
	while ((node = tree_next(&version->tree, &walk)) != NULL)
		items[found++] = (struct sort_item){sort_key(node), node};
	invariant(found == version->tree.count);
	qsort(items, found, sizeof *items, sort_compare);
	/* Each pointer lands in front of the items that are still to be read. */
	const struct node **nodes = (const struct node **)items;
	for (size_t i = 0; i < found; i++) {
		node = items[i].node;
		memcpy(&nodes[i], &node, sizeof node);
	}
	*count = found;
	return nodes;
}

/* What `version` keeps from the heap besides what `newer` shares with it. */
static void
version_free(struct zone_version *version, struct zone_version *newer)
{
	if (newer == NULL || newer->replaces_all) {
		tree_free(&version->tree);
	} else {
		for (size_t i = 0; i < newer->garbage_count; i++)
			free(newer->garbage[i]);
		free(newer->garbage);
		newer->garbage = NULL;
		newer->garbage_count = 0;
	}
	free(version->garbage);
	free(atomic_load_explicit(&version->zonemd, memory_order_acquire));
	free(version);
}

/* In the reclaimer's thread: free what is at the old end. */
static void
chain_advance(struct version_chain *chain)
{
	struct zone_version *version;

	while ((version = chain->oldest) != NULL && version->dead && !version->waiting) {
		if ((atomic_fetch_or_explicit(&version->pins, PIN_WATCHED, memory_order_acq_rel) & ~PIN_WATCHED) != 0) {
			/* The last to unpin brings it back; until then nobody looks at the pins again. */
			version->waiting = true;
			return;
		}
		chain->oldest = version->newer;
		version_free(version, version->newer);
		reclaim_expect(chain->reclaim, -1);
	}
	if (chain->ended && chain->oldest == NULL)
		chain->free_owner(chain);
}

#define FROM_ITEM(type, pointer) ((type *)(void *)((char *)(pointer) - offsetof(type, item)))

static void
run_dead(struct reclaim_item *item)
{
	struct zone_version *version = FROM_ITEM(struct zone_version, item);

	version->dead = true;
	chain_advance(version->chain);
}

static void
run_unpinned(struct reclaim_item *item)
{
	struct zone_version *version = FROM_ITEM(struct zone_version, item);

	version->waiting = false;
	chain_advance(version->chain);
}

static void
run_ended(struct reclaim_item *item)
{
	struct version_chain *chain = FROM_ITEM(struct version_chain, item);

	chain->ended = true;
	chain_advance(chain);
}

void
version_unpin(struct zone_version *version)
{
	uint32_t before = atomic_fetch_sub_explicit(&version->pins, 1, memory_order_acq_rel);

	invariant((before & ~PIN_WATCHED) != 0);
	if (before == (PIN_WATCHED | 1))
		reclaim_later(version->chain->reclaim, &version->item, run_unpinned);
}

void
version_link(struct version_chain *chain, struct zone_version *older, struct zone_version *version)
{
	struct zone_version *base = version->base;

	require(version->chain == NULL && version->newer == NULL);
	/* Built from nothing, or on what is current: any other base would leave garbage that nobody frees. */
	require(base == NULL || base == older);
	version->base = NULL;
	version->chain = chain;
	reclaim_expect(chain->reclaim, 1);
	if (base == NULL)
		version->replaces_all = true;
	if (older)
		older->newer = version;
	else
		chain->oldest = version;
	if (base)
		version_unpin(base);
}

void
version_retire(struct zone_version *version)
{
	reclaim_later(version->chain->reclaim, &version->item, run_dead);
}

void
version_chain_end(struct version_chain *chain)
{
	reclaim_later(chain->reclaim, &chain->item, run_ended);
}
