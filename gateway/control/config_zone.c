#include "control/config_zone.h"
#include "base/must.h"
#include "control/config_rules.h"
#include "keys/policy.h"
#include "zone/serial.h"
#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53

/* A zone while it is read; what stays of it is made by zone_keep. */
struct zone_reading {
	struct config_zone zone;
	struct config_rules rules;
	unsigned store_line, catalog_line;
	struct zone_reading *members, *groups; /* groups have names */
	size_t group_count;
	const char *group;
};

static const char *const serial_words[] = {
	[SERIAL_INCREMENT] = "increment",
	[SERIAL_UNIXTIME] = "unixtime",
	[SERIAL_DATE] = "date",
	NULL,
};
static const char *const catalog_words[] = {
	[CONFIG_CATALOG_MEMBER] = "member",
	[CONFIG_CATALOG_NONE] = "none",
	[CONFIG_CATALOG_PRODUCE] = "produce",
	[CONFIG_CATALOG_CONSUME] = "consume",
	NULL,
};
static const char *const failure_words[] = {[UPDATE_FAIL_DROP] = "drop", [UPDATE_FAIL_SERVFAIL] = "servfail", NULL};

#define FIELD(type, member, text, reader, ...) \
	{ \
		.name = text, .read = reader, .offset = offsetof(struct type, member), __VA_ARGS__ \
	}
#define MAP(name, list) static const struct config_map name = {list, ARRAY_SIZE(list)}

static struct zone_reading *
zone_reading_of(const struct config_field *field, void *target)
{
	return (struct zone_reading *)((char *)target - field->offset);
}

/* An item of "notify": ADDRESS@PORT, or a map with a key. */
static bool
zone_read_notify_address(struct config_reader *in, const struct config_field *field, const struct config_node *node,
			 void *target)
{
	struct config_field one = {.name = "notify", .min = DNS_PORT};
	struct config_addresses addresses = {0};

	(void)field;
	if (!config_read_address(in, &one, node, &addresses))
		return false;
	*(struct listener_address *)target = addresses.items[0];
	return true;
}

static const struct config_field notify_fields[] = {
	FIELD(config_notify, address, "address", zone_read_notify_address, .required = true),
	FIELD(config_notify, key, "key", config_read_string, .max = 1024),
};
MAP(notify_map, notify_fields);

static bool
zone_read_notify(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	struct config_rules *rules = &zone_reading_of(field, target)->rules;

	if (!config_read_is_sequence(in, field, node))
		return false;
	rules->notify = config_read_alloc(in, node->count, sizeof *rules->notify);
	for (; rules->notify_count < node->count; rules->notify_count++) {
		struct config_notify *notify = &rules->notify[rules->notify_count];
		const struct config_node *item = &node->items[rules->notify_count];
		notify->line = item->line;
		if (item->kind == CONFIG_MAP ? !config_read_map(in, item, "notify", &notify_map, notify)
					     : !zone_read_notify_address(in, field, item, &notify->address))
			return false;
	}
	return true;
}

static bool
zone_read_names(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		void *target)
{
	struct config_rules *rules = &zone_reading_of(field, target)->rules;

	if (!config_read_is_sequence(in, field, node))
		return false;
	rules->ns = config_read_alloc(in, node->count, sizeof *rules->ns);
	for (; rules->ns_count < node->count; rules->ns_count++)
		if (!config_read_name(in, field, &node->items[rules->ns_count], &rules->ns[rules->ns_count]))
			return false;
	return true;
}

static bool
zone_read_policy(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	zone_reading_of(field, target)->rules.has_policy = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_allow_update(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		       void *target)
{
	zone_reading_of(field, target)->rules.has_allow_update = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_allow_query(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		      void *target)
{
	zone_reading_of(field, target)->rules.has_allow_query = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_store(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		void *target)
{
	zone_reading_of(field, target)->store_line = node->line;
	return config_read_string(in, field, node, target);
}

static bool
zone_read_file(struct config_reader *in, const struct config_field *field, const struct config_node *node, void *target)
{
	zone_reading_of(field, target)->zone.file_line = node->line;
	return config_read_path(in, field, node, target);
}

static const struct config_field soa_fields[] = {
	FIELD(zone_reading, rules.soa_mname, "mname", config_read_name),
	FIELD(zone_reading, rules.soa_rname, "rname", config_read_name),
};
MAP(soa_map, soa_fields);

static const struct config_field failure_fields[] = {
	FIELD(zone_reading, rules.on_failure_udp, "udp", config_read_word, .detail = failure_words),
	FIELD(zone_reading, rules.on_failure_tcp, "tcp", config_read_word, .detail = failure_words),
};
MAP(failure_map, failure_fields);

/* A map that fills the zone itself. */
static bool
zone_read_here(struct config_reader *in, const struct config_field *field, const struct config_node *node, void *target)
{
	return config_read_map(in, node, field->name, field->detail, (char *)target - field->offset);
}

/* What members of a catalog zone can be given too. */
#define SHARED_FIELDS \
	FIELD(zone_reading, rules.serial, "serial", config_read_word, .detail = serial_words), \
	FIELD(zone_reading, rules.update_policy, "update-policy", zone_read_policy), \
	FIELD(zone_reading, rules.allow_update, "allow-update", zone_read_allow_update), \
	FIELD(zone_reading, rules.allow_transfer, "allow-transfer", config_read_strings), \
	FIELD(zone_reading, rules.allow_query, "allow-query", zone_read_allow_query), \
	FIELD(zone_reading, rules.notify, "notify", zone_read_notify), \
	FIELD(zone_reading, rules.soa_mname, "soa", zone_read_here, .detail = &soa_map), \
	FIELD(zone_reading, rules.ns, "ns", zone_read_names), \
	FIELD(zone_reading, rules.strict, "strict", config_read_bool), \
	FIELD(zone_reading, rules.zonemd, "zonemd", config_read_bool), \
	FIELD(zone_reading, rules.update_timeout_ms, "update-timeout", config_read_duration, .min = 10, \
	      .max = 3600000), \
	FIELD(zone_reading, rules.on_failure_udp, "on-store-failure", zone_read_here, .detail = &failure_map)

static const struct config_field member_fields[] = {
	FIELD(zone_reading, rules.store, "store", zone_read_store), SHARED_FIELDS,
};
MAP(member_map, member_fields);

static void
zone_defaults(struct zone_reading *reading, unsigned line)
{
	reading->zone.line = line;
	reading->rules.update_timeout_ms = 2000;
	reading->rules.on_failure_udp = UPDATE_FAIL_DROP;
	reading->rules.on_failure_tcp = UPDATE_FAIL_SERVFAIL;
}

static bool
zone_read_members(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		  void *target)
{
	struct zone_reading *reading = zone_reading_of(field, target);

	reading->members = config_read_alloc(in, 1, sizeof *reading->members);
	zone_defaults(reading->members, node->line);
	return config_read_map(in, node, field->name, &member_map, reading->members);
}

/* A group's name is one character-string of a TXT record; plain, so that many fit into one change. */
static bool
zone_read_group_name(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		     void *target)
{
	if (!config_read_string(in, field, node, target))
		return false;
	for (const char *at = *(const char **)target; *at; at++)
		if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
			return config_read_fail(in, node->line, "%s: only printable ASCII without \" and \\",
						field->name);
	return true;
}

static bool
zone_read_groups(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	static const struct config_field name = {.name = "the name of a group", .max = 255};
	struct zone_reading *reading = zone_reading_of(field, target);

	if (node->kind != CONFIG_MAP)
		return config_read_fail(in, node->line, "groups: a map is expected");
	reading->groups = config_read_alloc(in, node->count / 2, sizeof *reading->groups);
	for (size_t i = 0; i < node->count; i += 2) {
		struct zone_reading *group = &reading->groups[reading->group_count];
		if (!zone_read_group_name(in, &name, &node->items[i], &group->group))
			return false;
		for (size_t k = 0; k < reading->group_count; k++)
			if (strcmp(reading->groups[k].group, group->group) == 0)
				return config_read_fail(in, node->items[i].line, "%s is given twice in groups",
							group->group);
		zone_defaults(group, node->items[i].line);
		if (!config_read_map(in, &node->items[i + 1], "groups", &member_map, group))
			return false;
		reading->group_count++;
	}
	return true;
}

static bool
zone_read_catalog(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		  void *target)
{
	zone_reading_of(field, target)->catalog_line = node->line;
	return config_read_word(in, field, node, target);
}

static const struct config_field zone_fields[] = {
	FIELD(zone_reading, zone.name, "name", config_read_name, .required = true),
	FIELD(zone_reading, rules.store, "store", zone_read_store),
	FIELD(zone_reading, zone.file, "file", zone_read_file),
	FIELD(zone_reading, zone.catalog, "catalog", zone_read_catalog, .detail = catalog_words),
	FIELD(zone_reading, rules.catalog_group, "catalog-group", zone_read_group_name, .max = 255),
	FIELD(zone_reading, members, "members", zone_read_members),
	FIELD(zone_reading, groups, "groups", zone_read_groups),
	SHARED_FIELDS,
};
MAP(zone_map, zone_fields);

/* ---- what must hold between keys ---- */

static bool
zone_check_key(struct config_reader *in, const struct config *main, unsigned line, const uint8_t *key)
{
	char text[NAME_TEXT_SIZE];

	if (main->keys && keyring_find(main->keys, key))
		return true;
	/* Files were not read: nobody knows. */
	if (in->options->no_files)
		return true;
	return config_read_fail(in, line, "key %s is not in keys", name_to_text(key, text));
}

static void
zone_check_cert(struct config_reader *in, const struct config *main, unsigned line, bool has_cert)
{
	if (has_cert && !in->failed && !main->server.tls.client_ca)
		config_read_fail(in, line, "cert: needs client-ca in server.tls");
}

static bool
zone_check_policy(struct config_reader *in, const struct config *main, const struct zone_reading *reading)
{
	const struct config_list *rules = &reading->rules.update_policy;
	struct policy *policy = policy_new(reading->zone.name);
	char reason[POLICY_REASON_SIZE] = "";
	size_t checked = 0;
	const uint8_t *key;

	for (size_t i = 0; i < rules->count && !in->failed; i++) {
		unsigned line = rules->lines[i];
		if (policy_add_rule(policy, rules->items[i], reason) != STATUS_OK)
			config_read_fail(in, line, "update-policy: %s", reason);
		for (; !in->failed && (key = policy_key(policy, checked)); checked++)
			zone_check_key(in, main, line, key);
		zone_check_cert(in, main, line, policy_has_cert(policy));
	}
	policy_free(policy);
	return !in->failed;
}

static bool
zone_check_acl(struct config_reader *in, const struct config *main, const char *what, const struct config_list *list)
{
	struct acl *acl = acl_new();
	char reason[POLICY_REASON_SIZE] = "";
	size_t checked = 0;
	const uint8_t *key;

	for (size_t i = 0; i < list->count && !in->failed; i++) {
		if (acl_add(acl, list->items[i], reason) != STATUS_OK)
			config_read_fail(in, list->lines[i], "%s: %s", what, reason);
		for (; !in->failed && (key = acl_key(acl, checked)); checked++)
			zone_check_key(in, main, list->lines[i], key);
		zone_check_cert(in, main, list->lines[i], acl_has_cert(acl));
	}
	acl_free(acl);
	return !in->failed;
}

static bool
zone_check_notify(struct config_reader *in, const struct config *main, const struct zone_reading *reading)
{
	static const uint8_t root[] = {0};
	uint8_t key[NAME_MAX_SIZE];

	for (size_t i = 0; i < reading->rules.notify_count; i++) {
		const struct config_notify *notify = &reading->rules.notify[i];
		if (!notify->key)
			continue;
		if (name_from_text(notify->key, strlen(notify->key), root, key) != STATUS_OK)
			return config_read_fail(in, notify->line, "notify: key is no name");
		name_lower(key, key);
		if (!zone_check_key(in, main, notify->line, key))
			return false;
	}
	return true;
}

static bool
zone_check_store(struct config_reader *in, const struct config *main, struct zone_reading *reading)
{
	const struct config_zone *zone = &reading->zone;
	const char **store = &reading->rules.store;

	if (!*store) {
		if (main->store_count != 1)
			return config_read_fail(in, zone->line, "zone %s: store is missing, and there are %zu",
						zone->text, main->store_count);
		*store = main->stores[0].name;
		return true;
	}
	if (!config_find_store(main, *store))
		return config_read_fail(in, reading->store_line, "zone %s: store %s is not in stores", zone->text,
					*store);
	return true;
}

/* A member takes the catalog's store, and where it says nothing of transfer, the catalog's targets. */
static void
zone_fill_members(const struct zone_reading *catalog, struct zone_reading *reading)
{
	/* For rules of update-policy: one that names a place is of no use to every member. */
	static const uint8_t member[] = "\15catalogmember";
	const struct config_rules *rules = &catalog->rules;
	struct config_rules *members = &reading->rules;

	reading->zone.name = member;
	reading->zone.text = catalog->zone.text;
	if (!members->store)
		members->store = rules->store;
	if (members->allow_transfer.count == 0)
		members->allow_transfer = rules->allow_transfer;
	if (members->notify_count == 0) {
		members->notify = rules->notify;
		members->notify_count = rules->notify_count;
	}
}

static bool zone_check(struct config_reader *in, const struct config *main, struct zone_reading *reading);

static bool
zone_check_catalog(struct config_reader *in, const struct config *main, struct zone_reading *reading)
{
	const struct config_zone *zone = &reading->zone;
	const struct config_rules *rules = &reading->rules;

	if (zone->catalog == CONFIG_CATALOG_PRODUCE && (rules->has_policy || rules->has_allow_update || zone->file))
		return config_read_fail(in, reading->catalog_line,
					"zone %s: the gateway alone fills a catalog that it produces: no file, "
					"update-policy or allow-update", zone->text);
	if (reading->members && zone->catalog != CONFIG_CATALOG_CONSUME)
		return config_read_fail(in, reading->members->zone.line, "zone %s: members is for catalog: consume",
					zone->text);
	if (reading->groups && zone->catalog != CONFIG_CATALOG_CONSUME)
		return config_read_fail(in, zone->line, "zone %s: groups is for catalog: consume", zone->text);
	if (rules->catalog_group && zone->catalog != CONFIG_CATALOG_MEMBER)
		return config_read_fail(in, zone->line, "zone %s: catalog-group is for members of a catalog",
					zone->text);
	if (zone->catalog != CONFIG_CATALOG_CONSUME)
		return true;
	if (!reading->members) {
		reading->members = config_read_alloc(in, 1, sizeof *reading->members);
		zone_defaults(reading->members, zone->line);
	}
	zone_fill_members(reading, reading->members);
	for (size_t i = 0; i < reading->group_count; i++) {
		zone_fill_members(reading, &reading->groups[i]);
		if (!zone_check(in, main, &reading->groups[i]))
			return false;
	}
	return zone_check(in, main, reading->members);
}

static bool
zone_check(struct config_reader *in, const struct config *main, struct zone_reading *reading)
{
	const struct config_rules *rules = &reading->rules;

	if (rules->has_policy && rules->has_allow_update)
		return config_read_fail(in, reading->zone.line,
					"zone %s: update-policy and allow-update exclude each other",
					reading->zone.text);
	return zone_check_store(in, main, reading) && zone_check_policy(in, main, reading) &&
	       zone_check_acl(in, main, "allow-update", &rules->allow_update) &&
	       zone_check_acl(in, main, "allow-transfer", &rules->allow_transfer) &&
	       zone_check_acl(in, main, "allow-query", &rules->allow_query) &&
	       zone_check_notify(in, main, reading) && zone_check_catalog(in, main, reading);
}

static int
zone_compare(const void *a, const void *b)
{
	const struct config_zone *left = *(const struct config_zone *const *)a,
				 *right = *(const struct config_zone *const *)b;
	int order = name_compare(left->name, right->name);
	return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* For config_find_zone, and so duplicates are neighbours: there may be 100,000 zones. */
static bool
zone_sort(struct config_reader *in, struct config *config)
{
	struct config_zone **order = config_read_alloc(in, config->zone_count, sizeof *order);

	for (size_t i = 0; i < config->zone_count; i++)
		order[i] = &config->zones[i];
	qsort(order, config->zone_count, sizeof *order, zone_compare);
	for (size_t i = 1; i < config->zone_count; i++)
		if (name_equal(order[i - 1]->name, order[i]->name))
			return config_read_fail(in, order[i]->line, "zone %s is given twice", order[i]->text);
	config->zones_by_name = order;
	return true;
}

/* What was read into an arena that goes, into the configuration's. */
static void
zone_keep(const struct zone_reading *reading, struct config_rules_recent *recent, struct arena *arena,
	  struct config_zone *zone)
{
	*zone = reading->zone;
	zone->name = must(arena_copy(arena, zone->name, name_size(zone->name)));
	zone->text = must(arena_text(arena, zone->text));
	zone->file = zone->file ? must(arena_text(arena, zone->file)) : NULL;
	zone->rules = config_rules_keep(recent, &reading->rules, arena);
	if (!reading->members)
		return;
	zone->members = must(arena_alloc(arena, sizeof *zone->members));
	zone_keep(reading->members, recent, arena, zone->members);
	if (reading->group_count == 0)
		return;
	zone->groups = must(arena_alloc(arena, (reading->group_count + 1) * sizeof *zone->groups));
	for (size_t i = 0; i < reading->group_count; i++) {
		struct config_zone *members = must(arena_alloc(arena, sizeof *members));
		zone_keep(&reading->groups[i], recent, arena, members);
		zone->groups[i] = (struct config_group){must(arena_text(arena, reading->groups[i].group)), members};
	}
	zone->groups[reading->group_count] = (struct config_group){0};
}

static bool
zone_read(struct config_reader *in, const struct config_node *node, const struct config *main,
	  struct zone_reading *reading)
{
	char text[NAME_TEXT_SIZE];

	zone_defaults(reading, node->line);
	if (!config_read_map(in, node, "zones", &zone_map, reading))
		return false;
	reading->zone.text = must(arena_text(in->arena, name_to_text(reading->zone.name, text)));
	return zone_check(in, main, reading);
}

bool
config_zone_read_all(struct config_reader *in, const struct config_node *node, const struct config *main,
		     struct config *config)
{
	struct config_rules_recent recent = {0};
	struct arena *kept = in->arena, read;
	bool fine = true;

	config->zones = config_read_alloc(in, node->count, sizeof *config->zones);
	arena_init(&read, CONFIG_ARENA_CAP);
	in->arena = &read;
	for (; config->zone_count < node->count && fine; arena_reset(&read)) {
		struct zone_reading reading = {0};
		fine = zone_read(in, &node->items[config->zone_count], main, &reading);
		if (fine)
			zone_keep(&reading, &recent, kept, &config->zones[config->zone_count++]);
	}
	arena_free(&read);
	in->arena = kept;
	return fine && zone_sort(in, config);
}
