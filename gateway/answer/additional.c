#include "answer/additional.h"
#include <string.h>

static bool
add_type(struct compose *compose, const struct node *node, const uint8_t *owner, uint16_t type)
{
	struct rrset rrset;

	if (!node_rrset(node, type, &rrset))
		return true;
	return compose_rrset(compose, SECTION_ADDITIONAL, owner, type, rrset.ttl_s, rrset.packed, rrset.packed_size,
			     rrset.count);
}

/* The node that answers for a name of ours, glue included; NULL: nothing to add. */
static const struct node *
node_of_target(const struct zone_version *version, const uint8_t *name, size_t size)
{
	struct lookup found;

	if (!name_is_within(name, version->apex))
		return NULL;
	lookup_name(version, name, size, name_labels(name), &found);
	if (answer_is_below_dname(&found))
		return NULL;
	const struct node *node = found.node;
	if (node == NULL && found.zone_cut == NULL)
		node = found.source_of_synthesis;
	return node != NULL && (node->flags & NODE_CNAME) == 0 ? node : NULL;
}

bool
additional_glue(struct answer *answer, const uint8_t *name, size_t size)
{
	const struct node *node = node_of_target(answer->version, name, size);

	if (node == NULL)
		return true;
	bool fits = add_type(answer->compose, node, name, TYPE_A);
	return add_type(answer->compose, node, name, TYPE_AAAA) && fits;
}

/* The host that a record names; NULL: none. */
static const uint8_t *
target_of(const struct answer *answer, uint16_t type, struct rdata rdata)
{
	const uint8_t *name;

	switch (type) {
	case TYPE_NS:
		return rdata.bytes;
	case TYPE_MX:
		return rdata.bytes + 2;
	case TYPE_SRV:
		return rdata.bytes + 6;
	case TYPE_SVCB: case TYPE_HTTPS:
		name = rdata.bytes + 2;
		/* "." in ServiceMode is the owner itself (RFC 9460 2.5.2). */
		return *name == 0 && (rdata.bytes[0] | rdata.bytes[1]) != 0 ? answer->name : name;
	default:
		return NULL;
	}
}

/* RFC 9460 4.1: A, AAAA and SVCB of the target. */
static void
add_target(struct answer *answer, const uint8_t *name, size_t size, uint16_t type)
{
	additional_glue(answer, name, size);
	if (type != TYPE_SVCB && type != TYPE_HTTPS)
		return;
	const struct node *node = node_of_target(answer->version, name, size);
	if (node != NULL && !(size == answer->name_size && memcmp(name, answer->name, size) == 0))
		add_type(answer->compose, node, name, type);
}

void
additional_add(struct answer *answer, const struct rrset *rrset)
{
	uint8_t name[ADDITIONAL_TARGETS][NAME_MAX_SIZE];
	size_t size[ADDITIONAL_TARGETS];
	unsigned targets = 0;
	const uint8_t *at = rrset->packed;

	for (unsigned left = rrset->count; left > 0 && targets < ADDITIONAL_TARGETS; left--) {
		const uint8_t *target = target_of(answer, rrset->type, rrset_next(&at));
		unsigned same = 0;
		size[targets] = name_lower(target, name[targets]);
		while (size[same] != size[targets] || memcmp(name[same], name[targets], size[same]) != 0)
			same++;
		if (same < targets) /* several services of one host */
			continue;
		add_target(answer, name[targets], size[targets], rrset->type);
		targets++;
	}
}
