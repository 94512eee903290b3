#include "zone/check.h"
#include "wire/name.h"
#include <stdio.h>

static enum status
refuse(const struct zone_version *version, const struct node *node, const char *what, char *reason)
{
	uint8_t owner[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];

	if (node)
		node_owner(node, version->apex, owner);
	/* A long name is cut, the end of the reason with it: what is wrong comes first. */
	snprintf(reason, CHECK_REASON_SIZE, "%s at %s", what, name_to_text(node ? owner : version->apex, text));
	return STATUS_INVALID;
}

static const char *
rrset_fault(const struct node *node, const struct rrset *rrset, bool apex)
{
	bool cname = (node->flags & NODE_CNAME) != 0;

	if (cname && rrset->type == TYPE_DNAME)
		return "DNAME beside CNAME";
	if (cname && !rrtype_is_at_cname(rrset->type))
		return "CNAME and other data";
	if (rrset->type == TYPE_SOA && !apex)
		return "SOA that is not at the apex";
	if (rrset->count > 1 && rrtype_info(rrset->type)->singleton)
		return rrset->type == TYPE_SOA ? "more than one SOA" :
		       rrset->type == TYPE_CNAME ? "more than one CNAME" : "more than one DNAME";
	return NULL;
}

enum status
check_node(const struct zone_version *version, const struct node *node, char *reason)
{
	const uint8_t *at = NULL;
	struct rrset rrset;
	bool soa = false, ns = false;

	if (node == NULL)
		return STATUS_OK;
	bool apex = node->name_size == 0;
	while (node_next(node, &at, &rrset)) {
		const char *fault = rrset_fault(node, &rrset, apex);
		if (fault)
			return refuse(version, node, fault, reason);
		soa |= rrset.type == TYPE_SOA;
		ns |= rrset.type == TYPE_NS;
	}
	if (apex && !soa)
		return refuse(version, node, "no SOA", reason);
	if (apex && !ns)
		return refuse(version, node, "no NS", reason);
	return STATUS_OK;
}

enum status
check_version(const struct zone_version *version, char *reason)
{
	struct tree_walk walk = {0};
	const struct node *node;
	enum status status = STATUS_OK;

	if (version->apex_node == NULL)
		return refuse(version, NULL, "no SOA", reason);
	while (status == STATUS_OK && (node = tree_next(&version->tree, &walk)) != NULL)
		status = check_node(version, node, reason);
	return status;
}

bool
check_may_add(const struct zone_version *version, const struct node *node, uint16_t type)
{
	/* A node that does not exist is not the apex of a zone that has one. */
	if (type == TYPE_SOA)
		return node ? node->name_size == 0 && !(node->flags & NODE_CNAME) : version->apex_node == NULL;
	if (node == NULL)
		return true;
	if (node->flags & NODE_CNAME)
		return rrtype_is_at_cname(type);
	if (type != TYPE_CNAME)
		return true;
	const uint8_t *at = NULL;
	struct rrset rrset;
	while (node_next(node, &at, &rrset))
		if (!rrtype_is_at_cname(rrset.type))
			return false;
	return true;
}
