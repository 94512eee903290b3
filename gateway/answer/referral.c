#include "answer/referral.h"
#include "answer/additional.h"

/* One pass over the name servers: those at or below the cut, or the others. */
static void
add_glue(struct answer *answer, const struct rrset *ns, const uint8_t *cut, bool in_domain)
{
	const uint8_t *at = ns->packed;
	uint8_t name[NAME_MAX_SIZE];

	for (unsigned left = ns->count; left > 0; left--) {
		size_t size = name_lower(rrset_next(&at).bytes, name);
		if (name_is_within(name, cut) != in_domain)
			continue;
		if (!additional_glue(answer, name, size) && in_domain)
			answer->compose->flags |= FLAG_TC; /* RFC 9471 3.1 */
	}
}

void
referral_add(struct answer *answer, const struct node *cut)
{
	struct compose *compose = answer->compose;
	struct rrset ns;
	const uint8_t *owner = answer->name + answer->name_size - cut->name_size - answer->version->apex_size;

	if (compose->count[SECTION_ANSWER] == 0)
		compose->flags &= (uint16_t)~FLAG_AA;
	if (!node_rrset(cut, TYPE_NS, &ns))
		return;
	if (!compose_rrset(compose, SECTION_AUTHORITY, owner, TYPE_NS, ns.ttl_s, ns.packed, ns.packed_size, ns.count)) {
		compose->flags |= FLAG_TC;
		return;
	}
	add_glue(answer, &ns, owner, true);
	if ((compose->flags & FLAG_TC) == 0)
		add_glue(answer, &ns, owner, false); /* sibling glue: where there is room (RFC 9471 3.2) */
}
