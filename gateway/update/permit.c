#include "update/permit.h"

struct permit {
	struct overlay *overlay;
	const struct policy *policy;
	const struct policy_requestor *who;
	struct ede *ede;
};

static unsigned
refuse(const struct permit *permit, unsigned rule, uint32_t name, uint16_t type)
{
	char owner[NAME_TEXT_SIZE], text[RRTYPE_TEXT_SIZE];

	name_to_text(permit->overlay->form->names[name].name, owner);
	if (rule == 0)
		ede_set(permit->ede, EDE_PROHIBITED, "no rule allows %.90s %s", owner, rrtype_to_text(type, text));
	else
		ede_set(permit->ede, EDE_PROHIBITED, "%.80s %s: rule %u: %.50s", owner, rrtype_to_text(type, text),
			rule, policy_rule_text(permit->policy, rule));
	return RCODE_REFUSED;
}

static unsigned
check_type(const struct permit *permit, uint32_t name, uint16_t type, uint16_t *limit)
{
	struct policy_verdict verdict;

	verdict = policy_allows(permit->policy, permit->who, permit->overlay->form->names[name].name, type);
	*limit = verdict.limit > UINT16_MAX ? 0 : (uint16_t)verdict.limit;
	return verdict.allowed ? RCODE_NOERROR : refuse(permit, verdict.rule, name, type);
}

/*
 * Each type that is there, and that would be deleted; where there is none, whoever may have something there may delete
 * it.
 */
static unsigned
check_delete_name(const struct permit *permit, uint32_t name)
{
	const struct node *node = overlay_node(permit->overlay, name);
	const uint8_t *at = NULL;
	struct rrset rrset;
	uint16_t limit;
	bool is_apex = node && node->name_size == 0, any = false;

	while (node && node_next(node, &at, &rrset)) {
		if (rrtype_info(rrset.type)->dnssec_made ||
		    (is_apex && (rrset.type == TYPE_SOA || rrset.type == TYPE_NS)))
			continue;
		any = true;
		if (check_type(permit, name, rrset.type, &limit) != RCODE_NOERROR)
			return RCODE_REFUSED;
	}
	return any ? RCODE_NOERROR : check_type(permit, name, TYPE_ANY, &limit);
}

static unsigned
check_dnssec_made(const struct form *form, const struct form_record *record, struct ede *ede)
{
	char owner[NAME_TEXT_SIZE], text[RRTYPE_TEXT_SIZE];

	if (!rrtype_info(record->type)->dnssec_made)
		return RCODE_NOERROR;
	ede_set(ede, EDE_PROHIBITED, "%.90s: %s is never updated", name_to_text(form->names[record->name].name, owner),
	        rrtype_to_text(record->type, text));
	return RCODE_REFUSED;
}

unsigned
permit_check(struct overlay *overlay, const struct policy *policy, const struct acl *list,
	     const struct policy_requestor *who, struct ede *ede)
{
	struct permit permit = {.overlay = overlay, .policy = policy, .who = who, .ede = ede};
	const struct form *form = overlay->form;
	const struct form_record *before = NULL;

	if (policy == NULL && !acl_allows(list, who)) {
		ede_set(ede, EDE_PROHIBITED, list ? "not in allow-update" : "the zone takes no updates");
		return RCODE_REFUSED;
	}
	for (size_t i = 0; i < form->update_count; i++) {
		struct form_record *record = &form->updates[i];
		unsigned rcode = check_dnssec_made(form, record, ede);
		record->limit = 0;
		if (rcode == RCODE_NOERROR && policy && before && before->name == record->name &&
		    before->type == record->type)
			record->limit = before->limit; /* the same question again */
		else if (rcode == RCODE_NOERROR && policy && record->type == TYPE_ANY)
			rcode = check_delete_name(&permit, record->name);
		else if (rcode == RCODE_NOERROR && policy)
			rcode = check_type(&permit, record->name, record->type, &record->limit);
		if (rcode != RCODE_NOERROR)
			return rcode;
		before = record;
	}
	return RCODE_NOERROR;
}
