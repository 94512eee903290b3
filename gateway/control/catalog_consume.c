/* What a catalog zone lists, served. */
#include "base/rcu.h"
#include "control/added.h"
#include "control/catalog_internal.h"
#include "control/jobs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CAP (1ull << 30)

struct member {
	const uint8_t *name;  /* lower case */
	const uint8_t *label; /* of its node */
};

/* What a version of a catalog lists. */
struct listing {
	struct arena arena;
	struct member *members;
	size_t count, room;
	bool version;         /* is there, and is the one we know */
	char *reason;         /* CONFIG_REASON_SIZE; not "": it is broken */
};

static void listing_break(struct listing *listing, const char *format, ...) PRINTF_LIKE(2, 3);

static void
listing_break(struct listing *listing, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(listing->reason, CONFIG_REASON_SIZE, format, args);
	va_end(args);
}

/* RFC 9432 4.2.1: one TXT record that says 2. */
static void
listing_take_version(struct listing *listing, const struct node *node)
{
	struct rrset rrset;

	if (!node_rrset(node, TYPE_TXT, &rrset))
		return;
	struct rdata rdata = rrset_first(&rrset);
	listing->version = rrset.count == 1 && rdata.size == 2 && memcmp(rdata.bytes, "\1" "2", 2) == 0;
	if (!listing->version)
		listing_break(listing, "the TXT record at version is not \"2\"");
}

/* RFC 9432 4.1: one PTR record at a node below "zones". */
static void
listing_take_member(struct listing *listing, const struct node *node)
{
	uint8_t name[NAME_MAX_SIZE];
	struct rrset rrset;

	if (!node_rrset(node, TYPE_PTR, &rrset))
		return;
	if (rrset.count != 1) {
		listing_break(listing, "a member node has %u PTR records", rrset.count);
		return;
	}
	if (listing->count == listing->room) {
		listing->room = listing->room ? listing->room * 2 : 256;
		listing->members = realloc(listing->members, listing->room * sizeof *listing->members);
		if (!listing->members)
			abort();
	}
	size_t size = name_lower(rrset_first(&rrset).bytes, name);
	struct member *member = &listing->members[listing->count++];
	member->name = arena_copy(&listing->arena, name, size);
	member->label = arena_copy(&listing->arena, node_name(node), node_name(node)[0] + 1u);
	if (!member->name || !member->label)
		listing_break(listing, "no memory");
}

/* RFC 9432 4.3.1: coo.LABEL.zones; it is read when the new owner asks for the zone. */
static bool
is_coo(const struct node *node)
{
	const uint8_t *name = node_name(node);
	size_t coo = catalog_coo[0] + 1u;

	return node->name_size > coo && memcmp(name, catalog_coo, coo) == 0 &&
	       catalog_is_member(name + coo, node->name_size - coo);
}

static bool
listing_take_node(void *context, const struct node *node)
{
	static const uint8_t version[] = "\7version";
	struct listing *listing = context;
	struct rrset rrset;

	if (node->name_size == sizeof version - 1 && memcmp(node_name(node), version, sizeof version - 1) == 0)
		listing_take_version(listing, node);
	else if (catalog_is_member(node_name(node), node->name_size))
		listing_take_member(listing, node);
	else if (is_coo(node) && node_rrset(node, TYPE_PTR, &rrset) && rrset.count != 1)
		listing_break(listing, "a change of ownership names %u catalogs", rrset.count);
	return listing->reason[0] == '\0';
}

static int
compare_members(const void *a, const void *b)
{
	return name_compare(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* reason "": it is good. RFC 9432 5.1 says what is broken. */
static void
listing_open(struct listing *listing, const struct zone_version *version, char *reason)
{
	char text[NAME_TEXT_SIZE];

	*listing = (struct listing){.reason = reason};
	reason[0] = '\0';
	arena_init(&listing->arena, ARENA_CAP);
	tree_each(&version->tree, listing_take_node, listing);
	if (reason[0] == '\0' && !listing->version)
		listing_break(listing, "there is no TXT record at version");
	if (reason[0] != '\0' || listing->count == 0)
		return;
	qsort(listing->members, listing->count, sizeof *listing->members, compare_members);
	for (size_t i = 1; i < listing->count && reason[0] == '\0'; i++)
		if (name_equal(listing->members[i - 1].name, listing->members[i].name))
			listing_break(listing, "zone %s is listed twice", name_to_text(listing->members[i].name, text));
}

static void
listing_close(struct listing *listing)
{
	arena_free(&listing->arena);
	free(listing->members);
}

/* ---- from what is listed to what is served ---- */

/* The zones that are members of one catalog now, in canonical order, and what is to become of them. */
struct following {
	struct gateway *gateway;
	const struct config_zone *catalog;
	const struct zone_version *version;
	struct zone **current, **leaving;
	struct added **coming, **moving; /* moving: another catalog's until now, which gives them away as they are */
	struct added **regrouped;        /* of another group from now on */
	const struct config_zone **configs;
	size_t current_count, leaving_count, coming_count, moving_count, regrouped_count, clashes;
};

static bool
collect_member(void *context, struct zone *zone)
{
	struct following *following = context;
	const struct added *added = added_of(gateway_zone_config(zone));

	if (added && added->catalog && name_equal(added->catalog, following->catalog->name))
		following->current[following->current_count++] = zone;
	return true;
}

static void *
allocate(size_t count, size_t size)
{
	void *items = calloc(count + 1, size);

	if (!items)
		abort();
	return items;
}

static void
leave(struct following *following, struct zone *zone)
{
	following->leaving[following->leaving_count++] = zone;
}

/* The property of a member; false: it has none. */
static bool
property_of(const struct zone_version *version, const uint8_t *label, const uint8_t *property, uint16_t type,
	    struct rrset *rrset)
{
	uint8_t node[NAME_MAX_SIZE], owner[NAME_MAX_SIZE];

	return catalog_node(version->apex, label, node) && catalog_property(node, property, owner) &&
	       version_rrset(version, owner, type, rrset);
}

/* The group of a member: the first that is in `groups`; others are not for us (RFC 9432 4.3.2). NULL: none. */
static const char *
group_of(const struct following *following, const struct member *member)
{
	struct rrset rrset;

	if (!following->catalog->groups ||
	    !property_of(following->version, member->label, catalog_group, TYPE_TXT, &rrset))
		return NULL;
	const uint8_t *at = rrset.packed;
	for (unsigned i = 0; i < rrset.count; i++) {
		const struct config_group *group = NULL;
		struct rdata rdata = rrset_next(&at);
		if (rdata.size == rdata.bytes[0] + 1u)
			group = config_find_group(following->catalog, (const char *)rdata.bytes + 1, rdata.bytes[0]);
		if (group)
			return group->name;
	}
	return NULL;
}

static const char *
store_of(const struct following *following, const char *group)
{
	const struct config_zone *catalog = following->catalog;

	return (group ? config_find_group(catalog, group, strlen(group))->members : catalog->members)->rules->store;
}

/* Does this version of a catalog give the member with that node to that other catalog (RFC 9432 4.3.1)? */
static bool
gives_away(const struct zone_version *version, const uint8_t *label, const uint8_t *catalog)
{
	uint8_t target[NAME_MAX_SIZE];
	struct rrset rrset;

	if (!property_of(version, label, catalog_coo, TYPE_PTR, &rrset) || rrset.count != 1)
		return false;
	name_lower(rrset_first(&rrset).bytes, target);
	return name_equal(target, catalog);
}

/* Does the catalog that a zone is a member of, as it is now, give it to this one? */
static bool
owner_gives_away(const struct following *following, const struct added *added)
{
	struct zone *owner = gateway_find_zone(following->gateway, added->catalog);

	rcu_thread_online();
	const struct zone_version *version = owner ? zone_current(owner) : NULL;
	bool gives = version && gives_away(version, added->label, following->catalog->name);
	rcu_thread_offline();
	return gives;
}

/* A zone that another catalog lists, or listed; false: it stays what it is. */
static bool
take_over(struct following *following, struct zone *zone, struct added *added, const struct member *member)
{
	const char *group = group_of(following, member);

	if (!owner_gives_away(following, added))
		return false;
	/* RFC 9432 4.3.1: its content comes with it where its node has the same name. */
	if (memcmp(added->label, member->label, member->label[0] + 1u) != 0) {
		leave(following, zone);
		following->coming[following->coming_count++] =
			added_member(following->catalog, member->name, member->label, group);
		return true;
	}
	if (strcmp(added->config.rules->store, store_of(following, group)) != 0)
		return false;
	added_set_group(added, group);
	following->moving[following->moving_count++] = added;
	return true;
}

static void
come(struct following *following, const struct member *member, bool known)
{
	char text[NAME_TEXT_SIZE];
	struct zone *zone = known ? NULL : gateway_find_zone(following->gateway, member->name);
	struct added *added = zone ? added_of(gateway_zone_config(zone)) : NULL;

	if (added && added->catalog &&
	    (gives_away(following->version, member->label, added->catalog) || /* it has gone there */
	     take_over(following, zone, added, member)))
		return;
	/* RFC 9432 5.2: a zone that is here already is not the catalog's to change. */
	if (zone) {
		following->clashes++;
		log_limited(LOG_LEVEL_WARNING, "catalog",
			    "a member is served already, and not as its member zone=%s member=%s",
			    following->catalog->text, name_to_text(member->name, text));
		return;
	}
	following->coming[following->coming_count++] =
		added_member(following->catalog, member->name, member->label, group_of(following, member));
}

/* A member that stays: of the same group? Its content stays where it is, so one with another store changes nothing. */
static void
regroup(struct following *following, struct added *added, const struct member *member)
{
	const char *group = group_of(following, member);

	if (!group == !added->group && (!group || strcmp(group, added->group) == 0))
		return;
	if (strcmp(added->config.rules->store, store_of(following, group)) != 0) {
		log_limited(LOG_LEVEL_WARNING, "catalog", "a member's new group has another store zone=%s member=%s",
			    following->catalog->text, added->config.text);
		return;
	}
	added_set_group(added, group);
	following->regrouped[following->regrouped_count++] = added;
}

/* Both in canonical order. A member with another node is to begin anew (RFC 9432 5.4). */
static void
compare(struct following *following, const struct listing *listing)
{
	size_t i = 0, k = 0;

	while (i < following->current_count || k < listing->count) {
		struct zone *zone = i < following->current_count ? following->current[i] : NULL;
		const struct member *member = k < listing->count ? &listing->members[k] : NULL;
		int order = !zone ? 1 : !member ? -1 : name_compare(zone->name, member->name);
		struct added *added = zone ? added_of(gateway_zone_config(zone)) : NULL;
		if (order == 0 && memcmp(added->label, member->label, member->label[0] + 1u) != 0) {
			leave(following, zone);
			come(following, member, true);
		} else if (order == 0) {
			regroup(following, added, member);
		} else if (order < 0) {
			leave(following, zone);
		} else if (order > 0) {
			come(following, member, false);
		}
		i += order <= 0;
		k += order >= 0;
	}
}

/* Out of the log first, as zonegatectl remove does: a later zone of the name begins anew. */
static enum status
remove_members(struct following *following, char *reason)
{
	struct gateway *gateway = following->gateway;
	struct added **added = allocate(following->leaving_count, sizeof *added);
	enum status status = jobs_remove_all(gateway->committer, following->leaving, following->leaving_count, reason);

	for (size_t i = 0; i < following->leaving_count; i++)
		added[i] = added_of(gateway_zone_config(following->leaving[i]));
	if (status == STATUS_OK && following->leaving_count > 0)
		status = added_forget(gateway->kv, added, following->leaving_count, reason);
	if (status == STATUS_OK && following->leaving_count > 0)
		gateway_drop_zones(gateway, following->leaving, following->leaving_count);
	free(added);
	return status;
}

static enum status
add_members(struct following *following, char *reason)
{
	struct gateway *gateway = following->gateway;

	if (following->coming_count == 0)
		return STATUS_OK;
	for (size_t i = 0; i < following->coming_count; i++)
		following->configs[i] = &following->coming[i]->config;
	enum status status = added_keep(gateway->kv, following->coming, following->coming_count, reason);
	if (status != STATUS_OK)
		return status;
	status = gateway_add_zones(gateway, following->configs, following->coming_count, reason);
	following->coming_count = 0; /* the gateway's now */
	return status;
}

/* They are this catalog's, and of their group, from now on, with its settings. */
static enum status
move_members(struct following *following, char *reason)
{
	struct gateway *gateway = following->gateway;

	if (following->moving_count + following->regrouped_count == 0)
		return STATUS_OK;
	for (size_t i = 0; i < following->moving_count; i++)
		following->moving[i]->catalog = following->catalog->name;
	enum status status = added_keep(gateway->kv, following->moving, following->moving_count, reason);
	if (status == STATUS_OK)
		status = added_keep(gateway->kv, following->regrouped, following->regrouped_count, reason);
	pthread_rwlock_wrlock(&gateway->loads);
	gateway_set_zones(gateway, gateway->config);
	pthread_rwlock_unlock(&gateway->loads);
	return status;
}

static bool
follow(struct following *following, struct zone *zone, const struct listing *listing)
{
	char reason[CONFIG_REASON_SIZE] = "";
	size_t most = table_count(following->gateway->table);

	following->current = allocate(most, sizeof *following->current);
	following->leaving = allocate(most, sizeof *following->leaving);
	following->coming = allocate(listing->count, sizeof *following->coming);
	following->moving = allocate(listing->count, sizeof *following->moving);
	following->regrouped = allocate(most, sizeof *following->regrouped);
	following->configs = allocate(listing->count, sizeof *following->configs);
	gateway_each_zone(following->gateway, collect_member, following);
	compare(following, listing);
	size_t added = following->coming_count, removed = following->leaving_count;
	enum status status = move_members(following, reason);
	if (status == STATUS_OK)
		status = remove_members(following, reason);
	if (status == STATUS_OK)
		status = add_members(following, reason);
	for (size_t i = 0; i < following->coming_count; i++)
		added_free(following->coming[i]);
	if (status != STATUS_OK)
		log_error("catalog", "not followed zone=%s reason=%s", zone->text, reason);
	else if (added > 0 || removed > 0 || following->moving_count > 0 || following->regrouped_count > 0)
		log_info("catalog",
			 "zone=%s members=%zu added=%zu removed=%zu taken_over=%zu regrouped=%zu clashes=%zu",
			 zone->text, listing->count, added, removed, following->moving_count,
			 following->regrouped_count, following->clashes);
	free(following->current);
	free(following->leaving);
	free(following->coming);
	free(following->moving);
	free(following->regrouped);
	free(following->configs);
	return status == STATUS_OK;
}

static bool
consume_one(struct gateway *gateway, const struct config_zone *config, struct zone *zone, size_t *clashes)
{
	struct following following = {.gateway = gateway, .catalog = config};
	char reason[CONFIG_REASON_SIZE] = "";
	struct listing listing;
	bool done = true;

	rcu_thread_online();
	const struct zone_version *current = zone_current(zone);
	struct zone_version *version = current ? version_pin(current) : NULL;
	rcu_thread_offline();
	if (!version)
		return true; /* it will say when it is ready */
	listing_open(&listing, version, reason);
	if (reason[0] == '\0') {
		gateway_note(gateway, zone, NULL);
		following.version = version;
		done = follow(&following, zone, &listing);
		*clashes += following.clashes;
	} else {
		log_error("catalog", "broken, its last members are kept zone=%s version=%llu reason=%s", zone->text,
			  (unsigned long long)version->version, reason);
		char note[GATEWAY_REASON_SIZE];
		snprintf(note, sizeof note, "the catalog is broken, its last members are kept: %.900s", reason);
		gateway_note(gateway, zone, note);
	}
	listing_close(&listing);
	version_unpin(version);
	return done;
}

bool
catalog_consume(struct gateway *gateway, size_t *clashes)
{
	bool done = true;

	for (size_t i = 0; i < gateway->config->zone_count; i++) {
		const struct config_zone *config = &gateway->config->zones[i];
		struct zone *zone =
			config->catalog == CONFIG_CATALOG_CONSUME ? gateway_find_zone(gateway, config->name) : NULL;
		if (zone)
			done = consume_one(gateway, config, zone, clashes) && done;
	}
	return done;
}
