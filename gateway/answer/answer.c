#include "answer/answer.h"
#include "answer/additional.h"
#include "answer/chain.h"
#include "answer/meta.h"
#include "answer/negative.h"
#include "answer/referral.h"
#include "zone/zonemd.h"
#include <string.h>

/* The version's own digest, which is not among its records (RFC 8976), once it is known. */
static bool
is_digest(const struct answer *answer, const struct node *node, struct rrset *rrset)
{
	return answer->msg->qtype == TYPE_ZONEMD && node->name_size == 0 && zonemd_known(answer->version, rrset);
}

/* RFC 1034 4.3.2 step 3a, and 3c with the owner that was asked for: what the node has of the type. */
static void
positive(struct answer *answer, const struct node *node)
{
	struct rrset rrset;

	if (answer->msg->qtype == TYPE_ANY && node->rrset_count > 0)
		meta_any(answer, node);
	else if (!node_rrset(node, answer->msg->qtype, &rrset) && !is_digest(answer, node, &rrset))
		negative_add(answer, RCODE_NOERROR);
	else if (answer_add(answer, answer_owner(answer), &rrset) && additional_is_for(rrset.type))
		additional_add(answer, &rrset); /* step 6 */
}

/* One name, of which `found` are the facts; true: a CNAME or DNAME led to another one. */
static bool
step(struct answer *answer, const struct lookup *found)
{
	uint16_t qtype = answer->msg->qtype;

	if (answer_is_below_dname(found)) /* RFC 6672 3.2 */
		return chain_dname(answer, found->dname);
	/* 3b: out of authoritative data; but DS belongs to the parent's side of a cut (RFC 4035 3.1.4.1). */
	if (found->zone_cut != NULL && !(found->zone_cut == found->node && qtype == TYPE_DS)) {
		referral_add(answer, found->zone_cut);
		return false;
	}
	const struct node *node = found->node != NULL ? found->node : found->source_of_synthesis;
	if (node == NULL) { /* 3c */
		negative_add(answer, RCODE_NXDOMAIN);
		return false;
	}
	if ((node->flags & NODE_CNAME) != 0 && qtype != TYPE_ANY && !rrtype_is_at_cname(qtype))
		return chain_cname(answer, node);
	positive(answer, node);
	return false;
}

/* `node` is the one at the question's name. */
static __attribute__((noinline)) void
answer_by_steps(const struct message *msg, const struct zone_version *version, const struct node *node, bool tcp,
		struct compose *compose)
{
	struct answer answer;
	struct lookup found;

	answer.msg = msg;
	answer.version = version;
	answer.compose = compose;
	answer.tcp = tcp;
	answer.links = 0;
	answer.name = msg->qname;
	answer.name_size = msg->qname_size;
	answer.name_labels = msg->qname_labels;
	lookup_found(version, msg->qname, msg->qname_size, msg->qname_labels, node, &found);
	while (step(&answer, &found))
		lookup_name(version, answer.name, answer.name_size, answer.name_labels, &found);
}

void
answer_query(const struct message *msg, const struct zone_version *version, uintptr_t leaf, bool tcp,
	     struct compose *compose)
{
	const struct node *node = tree_named(leaf, msg->qname, msg->qname_size - version->apex_size);
	uint16_t qtype = msg->qtype;
	struct rrset rrset;

	compose->flags |= FLAG_AA;
	/*
	 * Nearly every answer in half the instructions: nothing above the name but the apex can be a cut, nothing at
	 * all a DNAME, and the name itself has the type.
	 */
	if (node != NULL && (node->flags & (NODE_CUT | NODE_CNAME)) == 0 && version->dnames == 0 &&
	    (version->cuts == 0 || msg->qname_labels <= version->apex_labels + 1u) && !additional_is_for(qtype) &&
	    node_rrset(node, qtype, &rrset)) {
		if (!compose_rrset(compose, SECTION_ANSWER, NULL, qtype, rrset.ttl_s, rrset.packed, rrset.packed_size,
				   rrset.count))
			compose->flags |= FLAG_TC;
		return;
	}
	answer_by_steps(msg, version, node, tcp, compose);
}

/* A name of two labels, lower case. */
static bool
is_named(const struct message *msg, const char *first, const char *second)
{
	size_t first_size = strlen(first), second_size = strlen(second);
	const uint8_t *name = msg->qname;

	return msg->qname_size == first_size + second_size + 3 && name[0] == first_size &&
	       memcmp(name + 1, first, first_size) == 0 && name[first_size + 1] == second_size &&
	       memcmp(name + first_size + 2, second, second_size) == 0;
}

void
answer_chaos(const struct message *msg, const char *identity, const char *version_text, struct compose *compose)
{
	const char *text = NULL;
	uint8_t rdata[256];

	if (is_named(msg, "id", "server") || is_named(msg, "hostname", "bind"))
		text = identity;
	else if (is_named(msg, "version", "bind") || is_named(msg, "version", "server"))
		text = version_text;
	if (text == NULL || *text == '\0') {
		compose->rcode = RCODE_REFUSED;
		return;
	}
	compose->flags |= FLAG_AA;
	if (msg->qtype != TYPE_TXT && msg->qtype != TYPE_ANY)
		return;
	size_t size = strnlen(text, 255);
	rdata[0] = (uint8_t)size;
	memcpy(rdata + 1, text, size);
	if (!compose_record(compose, SECTION_ANSWER, msg->qname, TYPE_TXT, CLASS_CH, 0, rdata, size + 1))
		compose->flags |= FLAG_TC;
}
