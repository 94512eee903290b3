#include "control/config_zone.h"
#include "keys/policy.h"
#include "zone/serial.h"
#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53

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
	struct config_zone *zone = (struct config_zone *)((char *)target - field->offset);

	if (!config_read_is_sequence(in, field, node))
		return false;
	zone->notify = config_read_alloc(in, node->count, sizeof *zone->notify);
	for (; zone->notify_count < node->count; zone->notify_count++) {
		struct config_notify *notify = &zone->notify[zone->notify_count];
		const struct config_node *item = &node->items[zone->notify_count];
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
	struct config_zone *zone = (struct config_zone *)((char *)target - field->offset);

	if (!config_read_is_sequence(in, field, node))
		return false;
	zone->ns = config_read_alloc(in, node->count, sizeof *zone->ns);
	for (; zone->ns_count < node->count; zone->ns_count++)
		if (!config_read_name(in, field, &node->items[zone->ns_count], &zone->ns[zone->ns_count]))
			return false;
	return true;
}

static bool
zone_read_policy(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	((struct config_zone *)((char *)target - field->offset))->has_policy = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_allow_update(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		       void *target)
{
	((struct config_zone *)((char *)target - field->offset))->has_allow_update = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_allow_query(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		      void *target)
{
	((struct config_zone *)((char *)target - field->offset))->has_allow_query = true;
	return config_read_strings(in, field, node, target);
}

static bool
zone_read_store(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		void *target)
{
	((struct config_zone *)((char *)target - field->offset))->store_line = node->line;
	return config_read_string(in, field, node, target);
}

static bool
zone_read_file(struct config_reader *in, const struct config_field *field, const struct config_node *node, void *target)
{
	((struct config_zone *)((char *)target - field->offset))->file_line = node->line;
	return config_read_path(in, field, node, target);
}

static const struct config_field soa_fields[] = {
	FIELD(config_zone, soa_mname, "mname", config_read_name),
	FIELD(config_zone, soa_rname, "rname", config_read_name),
};
MAP(soa_map, soa_fields);

static const struct config_field failure_fields[] = {
	FIELD(config_zone, on_failure_udp, "udp", config_read_word, .detail = failure_words),
	FIELD(config_zone, on_failure_tcp, "tcp", config_read_word, .detail = failure_words),
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
	FIELD(config_zone, serial, "serial", config_read_word, .detail = serial_words), \
	FIELD(config_zone, update_policy, "update-policy", zone_read_policy), \
	FIELD(config_zone, allow_update, "allow-update", zone_read_allow_update), \
	FIELD(config_zone, allow_transfer, "allow-transfer", config_read_strings), \
	FIELD(config_zone, allow_query, "allow-query", zone_read_allow_query), \
	FIELD(config_zone, notify, "notify", zone_read_notify), \
	FIELD(config_zone, soa_mname, "soa", zone_read_here, .detail = &soa_map), \
	FIELD(config_zone, ns, "ns", zone_read_names), \
	FIELD(config_zone, strict, "strict", config_read_bool), \
	FIELD(config_zone, zonemd, "zonemd", config_read_bool), \
	FIELD(config_zone, update_timeout_ms, "update-timeout", config_read_duration, .min = 10, .max = 3600000), \
	FIELD(config_zone, on_failure_udp, "on-store-failure", zone_read_here, .detail = &failure_map)

static const struct config_field member_fields[] = {
	FIELD(config_zone, store, "store", zone_read_store), SHARED_FIELDS,
};
MAP(member_map, member_fields);

static void
zone_defaults(struct config_zone *zone, unsigned line)
{
	zone->line = line;
	zone->update_timeout_ms = 2000;
	zone->on_failure_udp = UPDATE_FAIL_DROP;
	zone->on_failure_tcp = UPDATE_FAIL_SERVFAIL;
}

static bool
zone_read_members(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		  void *target)
{
	struct config_zone *zone = (struct config_zone *)((char *)target - field->offset);

	zone->members = config_read_alloc(in, 1, sizeof *zone->members);
	zone_defaults(zone->members, node->line);
	return config_read_map(in, node, field->name, &member_map, zone->members);
}

static bool
zone_read_catalog(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		  void *target)
{
	((struct config_zone *)((char *)target - field->offset))->catalog_line = node->line;
	return config_read_word(in, field, node, target);
}

static const struct config_field zone_fields[] = {
	FIELD(config_zone, name, "name", config_read_name, .required = true),
	FIELD(config_zone, store, "store", zone_read_store),
	FIELD(config_zone, file, "file", zone_read_file),
	FIELD(config_zone, catalog, "catalog", zone_read_catalog, .detail = catalog_words),
	FIELD(config_zone, members, "members", zone_read_members),
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
zone_check_policy(struct config_reader *in, const struct config *main, const struct config_zone *zone)
{
	struct policy *policy = policy_new(zone->name);
	char reason[POLICY_REASON_SIZE] = "";
	size_t checked = 0;
	const uint8_t *key;

	for (size_t i = 0; i < zone->update_policy.count && !in->failed; i++) {
		unsigned line = zone->update_policy.lines[i];
		if (policy_add_rule(policy, zone->update_policy.items[i], reason) != STATUS_OK)
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
zone_check_notify(struct config_reader *in, const struct config *main, const struct config_zone *zone)
{
	static const uint8_t root[] = {0};
	uint8_t key[NAME_MAX_SIZE];

	for (size_t i = 0; i < zone->notify_count; i++) {
		const struct config_notify *notify = &zone->notify[i];
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
zone_check_store(struct config_reader *in, const struct config *main, struct config_zone *zone)
{
	if (!zone->store) {
		if (main->store_count != 1)
			return config_read_fail(in, zone->line, "zone %s: store is missing, and there are %zu",
						zone->text, main->store_count);
		zone->store = arena_text(in->arena, main->stores[0].name);
		invariant(zone->store);
		return true;
	}
	if (!config_find_store(main, zone->store))
		return config_read_fail(in, zone->store_line, "zone %s: store %s is not in stores", zone->text,
					zone->store);
	return true;
}

/* A member takes the catalog's store, and where it says nothing of transfer, the catalog's targets. */
static void
zone_fill_members(const struct config_zone *zone)
{
	struct config_zone *members = zone->members;

	if (!members->store)
		members->store = zone->store;
	if (members->allow_transfer.count == 0)
		members->allow_transfer = zone->allow_transfer;
	if (members->notify_count == 0) {
		members->notify = zone->notify;
		members->notify_count = zone->notify_count;
	}
}

static bool zone_check(struct config_reader *in, const struct config *main, struct config_zone *zone);

static bool
zone_check_catalog(struct config_reader *in, const struct config *main, struct config_zone *zone)
{
	/* For rules of update-policy: one that names a place is of no use to every member. */
	static const uint8_t member[] = "\15catalogmember";

	if (zone->catalog == CONFIG_CATALOG_PRODUCE && (zone->has_policy || zone->has_allow_update || zone->file))
		return config_read_fail(in, zone->catalog_line,
					"zone %s: the gateway alone fills a catalog that it produces: no file, "
					"update-policy or allow-update", zone->text);
	if (zone->members && zone->catalog != CONFIG_CATALOG_CONSUME)
		return config_read_fail(in, zone->members->line, "zone %s: members is for catalog: consume",
					zone->text);
	if (zone->catalog != CONFIG_CATALOG_CONSUME)
		return true;
	if (!zone->members) {
		zone->members = config_read_alloc(in, 1, sizeof *zone->members);
		zone_defaults(zone->members, zone->line);
	}
	zone_fill_members(zone);
	zone->members->name = member;
	zone->members->text = zone->text;
	return zone_check(in, main, zone->members);
}

static bool
zone_check(struct config_reader *in, const struct config *main, struct config_zone *zone)
{
	if (zone->has_policy && zone->has_allow_update)
		return config_read_fail(in, zone->line, "zone %s: update-policy and allow-update exclude each other",
					zone->text);
	return zone_check_store(in, main, zone) && zone_check_policy(in, main, zone) &&
	       zone_check_acl(in, main, "allow-update", &zone->allow_update) &&
	       zone_check_acl(in, main, "allow-transfer", &zone->allow_transfer) &&
	       zone_check_acl(in, main, "allow-query", &zone->allow_query) &&
	       zone_check_notify(in, main, zone) && zone_check_catalog(in, main, zone);
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

bool
config_zone_read_all(struct config_reader *in, const struct config_node *node, const struct config *main,
		     struct config *config)
{
	char text[NAME_TEXT_SIZE];

	config->zones = config_read_alloc(in, node->count, sizeof *config->zones);
	for (size_t i = 0; i < node->count; i++) {
		struct config_zone *zone = &config->zones[i];
		zone_defaults(zone, node->items[i].line);
		if (!config_read_map(in, &node->items[i], "zones", &zone_map, zone))
			return false;
		zone->text = arena_text(in->arena, name_to_text(zone->name, text));
		invariant(zone->text);
		config->zone_count = i + 1;
		if (!zone_check(in, main, zone))
			return false;
	}
	return zone_sort(in, config);
}
