/* The catalog zones that list the gateway's zones. */
#include "base/bytes.h"
#include "base/digest.h"
#include "base/rcu.h"
#include "control/catalog_internal.h"
#include "control/jobs.h"
#include <stdlib.h>
#include <string.h>

#define LABEL_OCTETS 16    /* of the hash; in hex a label of 32 */
#define OPS_IN_ONE 4000    /* of a change: a record of 900 kB takes that many of the longest names */

/* One change of one catalog in the making. */
struct producing {
	struct gateway *gateway;
	const struct catalog_names *names; /* NULL: all zones */
	const struct zone_version *version;
	struct arena *arena;
	struct change_op *ops;
	size_t count;
	bool failed, more;
};

/*
 * The node of a zone (RFC 9432 4.1: any label that no other member has). Made from the name, so that gateways which
 * share a store write the same.
 */
static bool
member_node(const uint8_t *catalog, const uint8_t *zone, uint8_t *out)
{
	uint8_t sum[DIGEST_SHA256_SIZE], label[1 + 2 * LABEL_OCTETS + 1] = {2 * LABEL_OCTETS};

	digest_sha256(zone, name_size(zone), sum);
	bytes_to_hex(sum, LABEL_OCTETS, (char *)label + 1);
	return catalog_node(catalog, label, out);
}

/* Room for a member and its group, which come and go together? */
static bool
has_room(struct producing *producing)
{
	producing->more = producing->more || producing->count + 2 > OPS_IN_ONE;
	return !producing->more;
}

/* CHANGE_DEL: size is 0. */
static void
add_op(struct producing *producing, enum change_kind kind, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
       size_t size)
{
	struct rrset rrset = {.type = type};

	if (size > 0) {
		uint8_t packed[2 + 1 + 255];
		uint16_t length = (uint16_t)size;
		memcpy(packed, &length, 2);
		memcpy(packed + 2, rdata, size);
		rrset.count = 1;
		rrset.packed_size = (uint32_t)(2 + size);
		rrset.packed = arena_copy(producing->arena, packed, 2 + size);
	}
	uint8_t *name = arena_copy(producing->arena, owner, name_size(owner));
	if (!name || (size > 0 && !rrset.packed)) {
		producing->failed = true;
		return;
	}
	producing->ops[producing->count++] = (struct change_op){.kind = kind, .owner = name, .rrset = rrset};
}

/* NULL: the zone has none, or there is no zone. */
static void
compare_group(struct producing *producing, const uint8_t *node, const char *group)
{
	uint8_t owner[NAME_MAX_SIZE], wanted[1 + 255];
	size_t size = group ? strlen(group) : 0;
	struct rrset rrset;

	if (!catalog_property(node, catalog_group, owner))
		return;
	wanted[0] = (uint8_t)size;
	memcpy(wanted + 1, group ? group : "", size);
	bool there = version_rrset(producing->version, owner, TYPE_TXT, &rrset);
	if (there && !group)
		add_op(producing, CHANGE_DEL, owner, TYPE_TXT, NULL, 0);
	else if (group && (!there || rrset.count != 1 || rrset_first(&rrset).size != 1 + size ||
			   memcmp(rrset_first(&rrset).bytes, wanted, 1 + size) != 0))
		add_op(producing, there ? CHANGE_SET : CHANGE_ADD, owner, TYPE_TXT, wanted, 1 + size);
}

/* Listed once it is served, until it is gone: what fails in between stays with its secondaries. */
static void
compare_name(struct producing *producing, const uint8_t *name, const struct zone *zone)
{
	uint8_t node[NAME_MAX_SIZE];
	struct rrset rrset;

	if (!has_room(producing) || !member_node(producing->version->apex, name, node))
		return;
	bool listed = version_rrset(producing->version, node, TYPE_PTR, &rrset);
	if (!zone && listed)
		add_op(producing, CHANGE_DEL, node, TYPE_PTR, NULL, 0);
	else if (zone && !listed && atomic_load(&zone->state) == ZONE_READY)
		add_op(producing, CHANGE_ADD, node, TYPE_PTR, name, name_size(name));
	else if (!listed)
		return;
	compare_group(producing, node, zone ? gateway_zone_config(zone)->rules->catalog_group : NULL);
}

static bool
is_member(const struct zone *zone)
{
	return zone && atomic_load(&zone->role) == CONFIG_CATALOG_MEMBER && atomic_load(&zone->state) != ZONE_REMOVED;
}

static bool
compare_zone(void *context, struct zone *zone)
{
	struct producing *producing = context;

	if (is_member(zone))
		compare_name(producing, zone->name, zone);
	return !producing->failed && !producing->more;
}

/* What is listed and is no zone of ours any more. */
static bool
compare_node(void *context, const struct node *node)
{
	struct producing *producing = context;
	uint8_t owner[NAME_MAX_SIZE], target[NAME_MAX_SIZE];
	struct rrset rrset;

	if (!catalog_is_member(node_name(node), node->name_size) || !node_rrset(node, TYPE_PTR, &rrset))
		return true;
	size_t size = name_lower(rrset_first(&rrset).bytes, target);
	if (!is_member(table_exact(producing->gateway->table, target, size)) && has_room(producing)) {
		node_owner(node, producing->version->apex, owner);
		add_op(producing, CHANGE_DEL, owner, TYPE_PTR, NULL, 0);
		compare_group(producing, owner, NULL);
	}
	return !producing->failed && !producing->more;
}

static enum status
fill_ops(void *context, const struct zone_version *version, struct arena *arena, struct change *change)
{
	struct producing *producing = context;
	struct table *table = producing->gateway->table;

	producing->version = version;
	producing->arena = arena;
	producing->count = 0;
	producing->failed = producing->more = false;
	producing->ops = arena_alloc(arena, OPS_IN_ONE * sizeof *producing->ops);
	if (!producing->ops)
		return STATUS_LIMIT;
	const uint8_t *name = producing->names ? producing->names->bytes : NULL;
	for (size_t i = 0; producing->names && i < producing->names->count && !producing->more; i++) {
		const struct zone *zone = table_exact(table, name, name_size(name));
		if (!zone || atomic_load(&zone->role) == CONFIG_CATALOG_MEMBER)
			compare_name(producing, name, is_member(zone) ? zone : NULL);
		name += name_size(name);
	}
	if (!producing->names) {
		tree_each(&version->tree, compare_node, producing);
		table_walk(table, compare_zone, producing);
	}
	change->ops = producing->ops;
	change->op_count = producing->count;
	return producing->failed ? STATUS_LIMIT : producing->count == 0 ? STATUS_EXISTS : STATUS_OK;
}

static bool
produce_one(struct producing *producing, struct zone *zone)
{
	char reason[JOBS_REASON_SIZE] = "";

	do {
		enum status status =
			jobs_edit(producing->gateway->committer, zone, "catalog", fill_ops, producing, reason);
		if (status != STATUS_OK) {
			log_warning("catalog", "not brought up to date zone=%s reason=%s", zone->text, reason);
			return false;
		}
	} while (producing->more);
	return true;
}

bool
catalog_produce(struct gateway *gateway, const struct catalog_names *names, bool all)
{
	struct producing producing = {.gateway = gateway, .names = all ? NULL : names};
	bool done = true;

	for (size_t i = 0; i < gateway->config->zone_count; i++) {
		const struct config_zone *config = &gateway->config->zones[i];
		struct zone *zone =
			config->catalog == CONFIG_CATALOG_PRODUCE ? gateway_find_zone(gateway, config->name) : NULL;
		/* One that is not ready yet will say so. */
		if (zone && atomic_load(&zone->state) == ZONE_READY)
			done = produce_one(&producing, zone) && done;
	}
	return done;
}
