#include "zone/lookup.h"
#include "wire/name.h"

/* RFC 4592 3.3.1: "*" below the closest encloser, whatever it is there; an empty non-terminal gives NODATA. */
static void
find_wildcard(const struct zone_version *version, struct lookup *lookup)
{
	const struct node *encloser = lookup->closest_encloser;
	uint8_t star[NAME_MAX_SIZE + 2];

	if (encloser == NULL || !(encloser->flags & NODE_WILDCARD_CHILD))
		return;
	star[0] = 1;
	star[1] = '*';
	memcpy(star + 2, encloser->data, encloser->name_size);
	lookup->source_of_synthesis = tree_find_name(&version->tree, star, encloser->name_size + 2u);
}

/* Cuts and DNAMEs: each ancestor, from the apex down; the first that is missing ends it, as nothing is below. */
static __attribute__((noinline)) void
walk_down(const struct zone_version *version, const uint8_t *name, size_t size, struct lookup *lookup)
{
	uint8_t start[NAME_MAX_LABELS];
	unsigned labels = 0;
	const struct node *node = version->apex_node;

	for (size_t at = 0; at < size; at += name[at] + 1u)
		start[labels++] = (uint8_t)at;
	for (;;) {
		if (node == NULL) {
			find_wildcard(version, lookup);
			return;
		}
		lookup->closest_encloser = node;
		if ((node->flags & NODE_CUT) && !lookup->zone_cut)
			lookup->zone_cut = node;
		if (labels == 0)
			break;
		if ((node->flags & NODE_DNAME) && !lookup->dname && (!lookup->zone_cut || lookup->zone_cut == node))
			lookup->dname = node;
		labels--;
		node = tree_find_name(&version->tree, name + start[labels], size - start[labels]);
	}
	lookup->node = node;
}

/* The name does not exist: the nearest ancestor that does, probed upwards from the deepest that can. */
static __attribute__((noinline)) void
probe_up(const struct zone_version *version, const uint8_t *name, size_t size, unsigned labels, struct lookup *lookup)
{
	const struct node *node = NULL;

	while (node == NULL && labels > 1) {
		size -= name[0] + 1u;
		name += name[0] + 1u;
		labels--;
		if (labels <= version->deepest)
			node = tree_find_name(&version->tree, name, size);
	}
	lookup->closest_encloser = node ? node : version->apex_node;
	find_wildcard(version, lookup);
}

void
lookup_found(const struct zone_version *version, const uint8_t *name, size_t size, unsigned labels,
	     const struct node *node, struct lookup *lookup)
{
	require(size >= version->apex_size && labels >= version->apex_labels);
	size -= version->apex_size;
	labels -= version->apex_labels;
	*lookup = (struct lookup){0};
	/* Only the apex is above a name of one label, and a zone may have cuts: most names of most zones. */
	if (labels > 1 && (version->cuts | version->dnames) != 0) {
		walk_down(version, name, size, lookup);
		return;
	}
	lookup->node = node;
	lookup->closest_encloser = node;
	if (version->dnames != 0 && labels > 0 && version->apex_node != NULL &&
	    (version->apex_node->flags & NODE_DNAME))
		lookup->dname = version->apex_node;
	if (node == NULL)
		probe_up(version, name, size, labels, lookup);
	else if (node->flags & NODE_CUT)
		lookup->zone_cut = node;
}

void
lookup_name(const struct zone_version *version, const uint8_t *name, size_t size, unsigned labels,
	    struct lookup *lookup)
{
	lookup_found(version, name, size, labels, version_find(version, name, size), lookup);
}
