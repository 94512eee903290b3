#include "answer/chain.h"
#include <string.h>

static bool
was_asked(const struct answer *answer, const uint8_t *target, size_t size)
{
	if (size == answer->msg->qname_size && memcmp(target, answer->msg->qname, size) == 0)
		return true;
	for (unsigned link = 0; link < answer->links; link++)
		if (name_size(answer->target[link]) == size && memcmp(answer->target[link], target, size) == 0)
			return true;
	return false;
}

/* Go on to `target` (any case); false: nothing more to say. */
static bool
follow(struct answer *answer, const uint8_t *target, const struct node *dname)
{
	if (answer->links == ANSWER_LINKS)
		return false;
	uint8_t *slot = answer->target[answer->links];
	size_t size = name_lower(target, slot);
	if (was_asked(answer, slot, size) || !name_is_within(slot, answer->version->apex))
		return false;
	answer->dname[answer->links++] = dname;
	answer->name = slot;
	answer->name_size = size;
	answer->name_labels = name_labels(slot);
	return true;
}

bool
chain_cname(struct answer *answer, const struct node *node)
{
	struct rrset cname;

	if (!node_rrset(node, TYPE_CNAME, &cname) || !answer_add(answer, answer_owner(answer), &cname))
		return false;
	return follow(answer, rrset_first(&cname).bytes, NULL);
}

static bool
dname_was_added(const struct answer *answer, const struct node *node)
{
	for (unsigned link = 0; link < answer->links; link++)
		if (answer->dname[link] == node)
			return true;
	return false;
}

/* RFC 6672 2.2: the owner's labels in front of the DNAME's are put before its target; STATUS_LIMIT over 255 octets. */
static enum status
substitute(const struct answer *answer, const struct node *node, const uint8_t *target, uint8_t *out)
{
	size_t owner_size = node->name_size + answer->version->apex_size;
	/* The case of the question is kept where the name is the question's. */
	const uint8_t *name = answer->links == 0 ? answer->msg->wire + MESSAGE_HEADER_SIZE : answer->name;

	return name_join(name, answer->name_size - owner_size, target, out);
}

bool
chain_dname(struct answer *answer, const struct node *node)
{
	struct rrset dname;
	uint8_t target[NAME_MAX_SIZE];
	const uint8_t *owner = answer->name + answer->name_size - node->name_size - answer->version->apex_size;

	if (!node_rrset(node, TYPE_DNAME, &dname))
		return false;
	if (!dname_was_added(answer, node) && !answer_add(answer, owner, &dname))
		return false;
	if (substitute(answer, node, rrset_first(&dname).bytes, target) != STATUS_OK) {
		answer->compose->rcode = RCODE_YXDOMAIN; /* RFC 6672 2.2 */
		return false;
	}
	/* The CNAME has the TTL of the DNAME (RFC 6672 3.1). */
	const uint8_t *cname_owner = answer->links == 0 ? answer->msg->qname : answer->name;
	if (!compose_record(answer->compose, SECTION_ANSWER, cname_owner, TYPE_CNAME, CLASS_IN, dname.ttl_s, target,
	                    name_size(target))) {
		answer->compose->flags |= FLAG_TC;
		return false;
	}
	/* That CNAME is itself what a query for CNAME or ANY asks for. */
	if (answer->msg->qtype == TYPE_CNAME || answer->msg->qtype == TYPE_ANY)
		return false;
	return follow(answer, target, node);
}
