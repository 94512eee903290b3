#include "control/config_schema.h"
#include "control/config_zone.h"
#include "serve/dnstap.h"
#include "store/store.h"
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DAY_MS UINT64_C(86400000)
#define DEFAULT_HISTORY_MS (90 * DAY_MS)
#define MAX_HISTORY_MS (36500 * DAY_MS)
#define DNS_PORT 53
#define DNS_TLS_PORT 853
#define HTTP_PORT 8053
#define UDP_SIZE 1232 /* fits every path of IPv6 with its headers (DNS flag day 2020) */

#define FIELD(type, member, text, reader, ...) \
	{ \
		.name = text, .read = reader, .offset = offsetof(struct type, member), __VA_ARGS__ \
	}
#define MAP(name, list) static const struct config_map name = {list, ARRAY_SIZE(list)}

/* ---- server, log ---- */

static const struct config_field server_tls_fields[] = {
	FIELD(config_tls, certificate, "certificate", config_read_readable, .required = true),
	FIELD(config_tls, key, "key", config_read_readable, .required = true),
	FIELD(config_tls, client_ca, "client-ca", config_read_readable),
	FIELD(config_tls, client_required, "client-required", config_read_bool),
};
MAP(server_tls_map, server_tls_fields);

static const struct config_field rate_limit_fields[] = {
	FIELD(config_rate_limit, rate, "rate", config_read_number, .min = 1, .max = 1000000, .required = true),
	FIELD(config_rate_limit, slip, "slip", config_read_number, .max = 100),
};
MAP(rate_limit_map, rate_limit_fields);

/* BIND's words for what is copied. */
static bool
schema_read_messages(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		     void *target)
{
	static const struct {
		const char *words;
		unsigned types;
	} rows[] = {
		{"all", DNSTAP_ALL},
		{"auth", 1u << DNSTAP_AUTH_QUERY | 1u << DNSTAP_AUTH_RESPONSE},
		{"auth query", 1u << DNSTAP_AUTH_QUERY},
		{"auth response", 1u << DNSTAP_AUTH_RESPONSE},
		{"update", 1u << DNSTAP_UPDATE_QUERY | 1u << DNSTAP_UPDATE_RESPONSE},
		{"update query", 1u << DNSTAP_UPDATE_QUERY},
		{"update response", 1u << DNSTAP_UPDATE_RESPONSE},
	};
	struct config_list list = {0};

	if (!config_read_strings(in, field, node, &list))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		size_t row = 0;
		while (row < ARRAY_SIZE(rows) && strcmp(list.items[i], rows[row].words) != 0)
			row++;
		if (row == ARRAY_SIZE(rows))
			return config_read_fail(in, list.lines[i],
						"%s: \"%.100s\" is not all, auth, auth query, auth response, update, "
						"update query or update response",
						field->name, list.items[i]);
		*(unsigned *)target |= rows[row].types;
	}
	return list.count > 0 || config_read_fail(in, node->line, "%s is empty", field->name);
}

static const struct config_field dnstap_fields[] = {
	FIELD(config_dnstap, socket, "socket", config_read_path),
	FIELD(config_dnstap, file, "file", config_read_path),
	FIELD(config_dnstap, identity, "identity", config_read_string, .min = 1, .max = 255),
	FIELD(config_dnstap, version, "version", config_read_string, .min = 1, .max = 255),
	FIELD(config_dnstap, types, "messages", schema_read_messages),
};
MAP(dnstap_map, dnstap_fields);

/* As enum xdp_mode. */
static const char *const xdp_modes[] = {"auto", "native", "generic", NULL};

static const struct config_field xdp_fields[] = {
	FIELD(xdp_interface, name, "interface", config_read_string, .max = IF_NAMESIZE - 1, .required = true),
	FIELD(xdp_interface, mode, "mode", config_read_word, .detail = xdp_modes),
};
MAP(xdp_map, xdp_fields);

/* A list; an item is the name of an interface, or a map. */
static bool
schema_read_xdp(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		void *target)
{
	static const struct config_field name = {.name = "xdp", .max = IF_NAMESIZE - 1};
	struct config_xdp *xdp = target;

	if (!config_read_is_sequence(in, field, node))
		return false;
	xdp->items = config_read_alloc(in, node->count, sizeof *xdp->items);
	xdp->line = node->line;
	for (; xdp->count < node->count; xdp->count++) {
		const struct config_node *item = &node->items[xdp->count];
		struct xdp_interface *interface = &xdp->items[xdp->count];
		if (item->kind == CONFIG_MAP ? !config_read_map(in, item, "xdp", &xdp_map, interface)
					     : !config_read_string(in, &name, item, &interface->name))
			return false;
		if (strpbrk(interface->name, "@/: ") != NULL)
			return config_read_fail(in, item->line,
						"xdp: \"%s\" is no interface; addresses and ports are those of listen",
						interface->name);
		for (size_t i = 0; i < xdp->count; i++)
			if (strcmp(xdp->items[i].name, interface->name) == 0)
				return config_read_fail(in, item->line, "xdp: %s is given twice", interface->name);
	}
	return true;
}

static const struct config_field server_fields[] = {
	FIELD(config_server, listen, "listen", config_read_addresses, .min = DNS_PORT),
	FIELD(config_server, listen_tls, "listen-tls", config_read_addresses, .min = DNS_TLS_PORT),
	FIELD(config_server, xdp, "xdp", schema_read_xdp),
	FIELD(config_server, tls, "tls", config_read_submap, .detail = &server_tls_map),
	FIELD(config_server, threads, "threads", config_read_number, .max = 256),
	FIELD(config_server, identity, "identity", config_read_string, .max = 255),
	FIELD(config_server, version, "version", config_read_string, .max = 255),
	FIELD(config_server, state_dir, "state-dir", config_read_path),
	FIELD(config_server, control_socket, "control-socket", config_read_path),
	FIELD(config_server, http, "http", config_read_address, .min = HTTP_PORT),
	FIELD(config_server, user, "user", config_read_string, .max = 32),
	FIELD(config_server, udp_size, "udp-size", config_read_number, .min = 512, .max = 4096),
	FIELD(config_server, tcp_clients, "tcp-clients", config_read_number, .min = 1, .max = 1000000),
	FIELD(config_server, tcp_clients_address, "tcp-clients-address", config_read_number, .min = 1, .max = 1000000),
	FIELD(config_server, tcp_idle_ms, "tcp-idle", config_read_duration, .min = 100, .max = 3600000),
	FIELD(config_server, tcp_transfer_ms, "tcp-transfer", config_read_duration, .min = 1000, .max = 86400000),
	FIELD(config_server, cookie_secret, "cookie-secret", config_read_readable),
	FIELD(config_server, rate_limit, "rate-limit", config_read_submap, .detail = &rate_limit_map),
	FIELD(config_server, dnstap, "dnstap", config_read_submap, .detail = &dnstap_map),
};
MAP(server_map, server_fields);

static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

static const struct config_field log_fields[] = {
	FIELD(config, log_level, "level", config_read_word, .detail = levels),
	FIELD(config, log_format, "format", config_read_word, .detail = formats),
	FIELD(config, audit, "audit", config_read_path),
};
MAP(log_map, log_fields);

/* ---- keys ---- */

struct key_entry {
	const char *file, *name, *algorithm, *secret;
};

/* Where a key of a map is, for a mistake that is found later. */
static unsigned
schema_line_of(const struct config_node *map, const char *key)
{
	for (size_t i = 0; i < map->count; i += 2)
		if (strcmp(map->items[i].text, key) == 0)
			return map->items[i].line;
	return map->line;
}

static const struct config_field key_fields[] = {
	FIELD(key_entry, file, "file", config_read_path),
	FIELD(key_entry, name, "name", config_read_string),
	FIELD(key_entry, algorithm, "algorithm", config_read_string),
	FIELD(key_entry, secret, "secret", config_read_string),
};
MAP(key_map, key_fields);

static bool
schema_add_key(struct config_reader *in, const struct config_node *node, const struct key_entry *entry,
	       struct keyring *keys)
{
	char reason[KEYRING_REASON_SIZE] = "";

	if (entry->file ? entry->name || entry->algorithm || entry->secret
			: !entry->name || !entry->algorithm || !entry->secret)
		return config_read_fail(in, node->line, "keys: a key is {file} or {name, algorithm, secret}");
	if (entry->name) {
		enum status status = keyring_add(keys, entry->name, entry->algorithm, entry->secret, reason);
		const char *wrong = status == STATUS_EXISTS                  ? "name"
				    : !algorithm_from_text(entry->algorithm) ? "algorithm"
									     : "secret";
		return status == STATUS_OK || config_read_fail(in, schema_line_of(node, wrong), "%s", reason);
	}
	if (in->options->no_files)
		return true;
	enum status status = keyring_load(keys, entry->file, reason);
	if (status == STATUS_OK)
		return true;
	if (status == STATUS_IO || status == STATUS_LIMIT || strncmp(reason, entry->file, strlen(entry->file)) != 0)
		return config_read_fail(in, node->line, "%s", reason);
	/* The mistake is in the key file: its own file and line are what helps. */
	in->failed = true;
	snprintf(in->reason, CONFIG_REASON_SIZE, "%s", reason);
	return false;
}

static bool
schema_read_keys(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	struct keyring *keys = *(struct keyring **)target;

	if (!config_read_is_sequence(in, field, node))
		return false;
	for (size_t i = 0; i < node->count; i++) {
		struct key_entry entry = {0};
		if (!config_read_map(in, &node->items[i], "keys", &key_map, &entry) ||
		    !schema_add_key(in, &node->items[i], &entry, keys))
			return false;
	}
	return true;
}

/* ---- stores ---- */

static const struct config_field every_fields[] = {
	FIELD(config_kafka, snapshot_changes, "changes", config_read_number, .min = 1, .max = 1000000000),
	FIELD(config_kafka, snapshot_interval_ms, "interval", config_read_duration, .min = 1000, .max = 365 * DAY_MS),
};
MAP(every_map, every_fields);

static const struct config_field create_fields[] = {
	FIELD(config_kafka, partitions, "partitions", config_read_number, .min = 1, .max = 100000),
	FIELD(config_kafka, replication, "replication", config_read_number, .min = 1, .max = 100),
};
MAP(create_map, create_fields);

/* A map that fills the same struct as the one around it. */
static bool
schema_read_here(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	return config_read_map(in, node, field->name, field->detail, (char *)target - field->offset);
}

static bool
schema_read_create(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	*(bool *)target = true;
	return schema_read_here(in, field, node, target);
}

static bool
schema_ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Relative to the configuration file, as all paths: ours, and librdkafka's. ssl.ca.location may be a word. */
static bool
schema_read_property_value(struct config_reader *in, const struct config_field *field, const struct config_node *node,
			   struct config_property *property)
{
	bool path = schema_ends_with(property->name, ".file") || schema_ends_with(property->name, ".location");

	if (!config_read_string(in, field, node, &property->value))
		return false;
	if (!path || property->value[0] == '\0' || strcmp(property->value, "probe") == 0)
		return true;
	return config_read_path(in, field, node, &property->value);
}

static bool
schema_read_properties(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		       void *target)
{
	static const struct config_field text = {.name = "properties"};
	struct config_kafka *kafka = (struct config_kafka *)((char *)target - field->offset);
	char reason[STORE_REASON_SIZE];

	if (node->kind != CONFIG_MAP)
		return config_read_fail(in, node->line, "properties: a map is expected");
	kafka->properties = config_read_alloc(in, node->count / 2, sizeof *kafka->properties);
	for (size_t i = 0; i < node->count; i += 2) {
		struct config_property *property = &kafka->properties[kafka->property_count];
		if (!config_read_string(in, &text, &node->items[i], &property->name))
			return false;
		for (size_t k = 0; k < kafka->property_count; k++)
			if (strcmp(kafka->properties[k].name, property->name) == 0)
				return config_read_fail(in, node->items[i].line, "%s is given twice in properties",
							property->name);
		if (!schema_read_property_value(in, &text, &node->items[i + 1], property))
			return false;
		if (in->options->check_property &&
		    !in->options->check_property(property->name, property->value, reason))
			return config_read_fail(in, node->items[i].line, "%s", reason);
		kafka->property_count++;
	}
	return true;
}

/* HOST:PORT or [IPv6]:PORT; the port may be absent. */
static bool
schema_is_host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	char *end;

	if (text[0] == '[') {
		const char *close = strchr(text, ']');
		if (!close || close == text + 1 || (close[1] != '\0' && close[1] != ':'))
			return false;
		colon = close[1] ? close + 1 : NULL;
	} else if (colon && strchr(text, ':') != colon) {
		return false;
	}
	if (colon == text || text[0] == '\0' || strpbrk(text, " /,@?#"))
		return false;
	if (!colon)
		return true;
	if (colon[1] < '0' || colon[1] > '9')
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	return *end == '\0' && port >= 1 && port <= 65535;
}

static bool
schema_read_brokers(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		    void *target)
{
	struct config_list *list = target;

	if (!config_read_strings(in, field, node, list))
		return false;
	if (list->count == 0)
		return config_read_fail(in, node->line, "%s is empty", field->name);
	for (size_t i = 0; i < list->count; i++)
		if (!schema_is_host_port(list->items[i]))
			return config_read_fail(in, list->lines[i], "brokers: \"%s\" is no host:port", list->items[i]);
	return true;
}

static bool
schema_read_endpoints(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		      void *target)
{
	struct config_list *list = target;

	if (!config_read_strings(in, field, node, list))
		return false;
	if (list->count == 0)
		return config_read_fail(in, node->line, "%s is empty", field->name);
	for (size_t i = 0; i < list->count; i++) {
		const char *at = list->items[i];
		at += strncmp(at, "http://", 7) == 0 ? 7 : strncmp(at, "https://", 8) == 0 ? 8 : strlen(at);
		if (!schema_is_host_port(at))
			return config_read_fail(in, list->lines[i],
						"endpoints: \"%s\" is no http://host:port or https://host:port",
						list->items[i]);
	}
	return true;
}

static bool
schema_read_topic(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		  void *target)
{
	if (!config_read_string(in, field, node, target))
		return false;
	/* Kafka's own rule for topic names. */
	const char *topic = *(const char **)target;
	if (strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(topic))
		return config_read_fail(in, node->line,
					"%s: a topic's name has only letters, digits, \".\", \"_\" and \"-\"",
					field->name);
	return true;
}

static bool
schema_read_prefix(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	if (!config_read_string(in, field, node, target))
		return false;
	const char *prefix = *(const char **)target;
	if (prefix[0] != '/' || prefix[1] == '\0' || prefix[strlen(prefix) - 1] == '/' || strstr(prefix, "//"))
		return config_read_fail(in, node->line, "prefix: a path like /zonegate is expected");
	return true;
}

static const char *const apis[] = {"v3", "v2", NULL};
static const char *const layouts[] = {"zonegate", "helix", "skydns", NULL};
static const struct {
	const char *prefix;
	uint64_t ttl_s;
} layout_defaults[] = {{"/zonegate", 300}, {"/helix", 5}, {"/skydns", 300}};

static const struct config_field etcd_tls_fields[] = {
	FIELD(config_tls, ca, "ca", config_read_readable),
	FIELD(config_tls, certificate, "certificate", config_read_readable),
	FIELD(config_tls, key, "key", config_read_readable),
};
MAP(etcd_tls_map, etcd_tls_fields);

static const struct config_field auth_fields[] = {
	FIELD(config_etcd, user, "user", config_read_string, .required = true),
	FIELD(config_etcd, password_file, "password-file", config_read_readable, .required = true),
};
MAP(auth_map, auth_fields);

/* What every store has; the type's own table follows. */
static const char *const type_words[] = {"embedded", "kafka", "etcd", NULL};

static bool
schema_read_nothing(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		    void *target)
{
	(void)in, (void)field, (void)node, (void)target;
	return true;
}

#define TYPE_FIELD \
	{ \
		.name = "type", .read = schema_read_nothing \
	}

static const struct config_field embedded_fields[] = {
	TYPE_FIELD,
	FIELD(config_store, keep_history_ms, "keep-history", config_read_duration, .min = 1000, .max = MAX_HISTORY_MS),
};

static const struct config_field kafka_fields[] = {
	TYPE_FIELD,
	FIELD(config_kafka, brokers, "brokers", schema_read_brokers, .required = true),
	FIELD(config_kafka, updates_topic, "updates-topic", schema_read_topic, .max = 249),
	FIELD(config_kafka, snapshots_topic, "snapshots-topic", schema_read_topic, .max = 249),
	FIELD(config_kafka, snapshot_changes, "snapshot-every", schema_read_here, .detail = &every_map),
	FIELD(config_kafka, create_topics, "create-topics", schema_read_create, .detail = &create_map),
	FIELD(config_kafka, properties, "properties", schema_read_properties, .min = 0),
};

static const struct config_field etcd_fields[] = {
	TYPE_FIELD,
	FIELD(config_etcd, endpoints, "endpoints", schema_read_endpoints, .required = true),
	FIELD(config_etcd, api, "api", config_read_word, .detail = apis),
	FIELD(config_etcd, layout, "layout", config_read_word, .detail = layouts),
	FIELD(config_etcd, prefix, "prefix", schema_read_prefix, .max = 1024),
	FIELD(config_etcd, ttl_s, "ttl", config_read_number, .min = 1, .max = 2147483647),
	FIELD(config_etcd, tls, "tls", config_read_submap, .detail = &etcd_tls_map),
	FIELD(config_etcd, user, "auth", schema_read_here, .detail = &auth_map),
};

static const struct {
	struct config_map map;
	size_t offset;
} type_maps[] = {
	[CONFIG_STORE_EMBEDDED] = {{embedded_fields, ARRAY_SIZE(embedded_fields)}, 0},
	[CONFIG_STORE_KAFKA] = {{kafka_fields, ARRAY_SIZE(kafka_fields)}, offsetof(struct config_store, kafka)},
	[CONFIG_STORE_ETCD] = {{etcd_fields, ARRAY_SIZE(etcd_fields)}, offsetof(struct config_store, etcd)},
};

/* A store without a type: perhaps "type" is misspelt. True: every key is known to some type. */
static bool
schema_find_unknown(struct config_reader *in, const struct config_node *node, const struct config_store *store)
{
	for (size_t i = 0; i < node->count; i += 2) {
		bool known = false;
		for (size_t type = 0; type < ARRAY_SIZE(type_maps) && node->items[i].kind == CONFIG_SCALAR; type++)
			for (size_t k = 0; k < type_maps[type].map.count; k++)
				known = known || strcmp(type_maps[type].map.fields[k].name, node->items[i].text) == 0;
		if (!known && node->items[i].kind == CONFIG_SCALAR)
			return config_read_fail(in, node->items[i].line, "unknown key \"%.100s\" in store %s",
						node->items[i].text, store->name);
	}
	return true;
}

static bool
schema_read_type(struct config_reader *in, const struct config_node *node, struct config_store *store)
{
	static const struct config_field field = {.name = "type", .detail = type_words};
	int type;

	if (node->kind != CONFIG_MAP)
		return config_read_fail(in, node->line, "store %s: a map is expected", store->name);
	for (size_t i = 0; i < node->count; i += 2)
		if (node->items[i].kind == CONFIG_SCALAR && strcmp(node->items[i].text, "type") == 0) {
			if (!config_read_word(in, &field, &node->items[i + 1], &type))
				return false;
			store->type = (enum config_store_type)type;
			store->line = node->items[i].line;
			return true;
		}
	return schema_find_unknown(in, node, store) &&
	       config_read_fail(in, node->line, "store %s: type is missing", store->name);
}

static bool
schema_check_etcd(struct config_reader *in, struct config_store *store)
{
	struct config_etcd *etcd = &store->etcd;

	if (etcd->api == CONFIG_ETCD_V2 && etcd->layout != CONFIG_LAYOUT_HELIX)
		return config_read_fail(in, store->line, "store %s: layout %s needs api v3", store->name,
					layouts[etcd->layout]);
	if (!etcd->tls.certificate != !etcd->tls.key)
		return config_read_fail(in, store->line, "store %s: tls: certificate and key go together", store->name);
	if (!etcd->prefix)
		etcd->prefix = layout_defaults[etcd->layout].prefix;
	if (etcd->ttl_s == 0)
		etcd->ttl_s = layout_defaults[etcd->layout].ttl_s;
	return true;
}

static bool
schema_check_kafka(struct config_reader *in, struct config_store *store)
{
	struct config_kafka *kafka = &store->kafka;

	if (strcmp(kafka->updates_topic, kafka->snapshots_topic) == 0)
		return config_read_fail(in, store->line, "store %s: updates-topic and snapshots-topic are the same",
					store->name);
	return true;
}

static bool
schema_read_store(struct config_reader *in, const struct config_node *pair, struct config_store *store)
{
	static const struct config_field field = {.name = "stores", .max = 63};
	char where[100];

	store->keep_history_ms = DEFAULT_HISTORY_MS;
	store->kafka = (struct config_kafka){.updates_topic = "dns.updates",
					     .snapshots_topic = "dns.snapshots",
					     .snapshot_changes = 10000,
					     .snapshot_interval_ms = 3600000,
					     .partitions = 12,
					     .replication = 3};
	if (!config_read_string(in, &field, pair, &store->name) || !schema_read_type(in, pair + 1, store))
		return false;
	snprintf(where, sizeof where, "store %s", store->name);
	if (!config_read_map(in, pair + 1, where, &type_maps[store->type].map,
			     (char *)store + type_maps[store->type].offset))
		return false;
	if (store->type == CONFIG_STORE_ETCD ? !schema_check_etcd(in, store)
					     : store->type == CONFIG_STORE_KAFKA && !schema_check_kafka(in, store))
		return false;
	if (in->options->has_store && !in->options->has_store(store->type))
		return config_read_fail(in, store->line, "store type %s is not built in", type_words[store->type]);
	return true;
}

static bool
schema_read_stores(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	struct config *config = target;

	if (node->kind != CONFIG_MAP)
		return config_read_fail(in, node->line, "%s: a map is expected", field->name);
	config->stores = config_read_alloc(in, node->count / 2 + 1, sizeof *config->stores);
	for (size_t i = 0; i < node->count; i += 2) {
		struct config_store *store = &config->stores[config->store_count];
		if (!schema_read_store(in, &node->items[i], store))
			return false;
		if (config_find_store(config, store->name))
			return config_read_fail(in, node->items[i].line, "store %s is given twice", store->name);
		config->store_count++;
	}
	return true;
}

/* ---- the file ---- */

/* Zones come last, when stores and keys are known: only remembered here. */
struct root {
	struct config *config;
	const struct config_node *zones;
};

static bool
schema_read_server(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	struct config *config = ((struct root *)target)->config;

	if (!config_read_map(in, node, field->name, &server_map, &config->server))
		return false;
	for (size_t i = 0; node->kind == CONFIG_MAP && i < node->count; i += 2)
		if (strcmp(node->items[i].text, "user") == 0)
			config->server.user_line = node->items[i].line;
		else if (strcmp(node->items[i].text, "tls") == 0)
			config->server.tls_line = node->items[i].line;
		else if (strcmp(node->items[i].text, "dnstap") == 0)
			config->server.dnstap_line = node->items[i].line;
	return true;
}

static bool
schema_read_log(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		void *target)
{
	return config_read_map(in, node, field->name, &log_map, ((struct root *)target)->config);
}

static bool
schema_read_root_keys(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		      void *target)
{
	return schema_read_keys(in, field, node, &((struct root *)target)->config->keys);
}

static bool
schema_read_root_stores(struct config_reader *in, const struct config_field *field, const struct config_node *node,
			void *target)
{
	return schema_read_stores(in, field, node, ((struct root *)target)->config);
}

static bool
schema_read_root_zones(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		       void *target)
{
	((struct root *)target)->zones = node;
	return config_read_is_sequence(in, field, node);
}

static const struct config_field root_fields[] = {
	{.name = "server", .read = schema_read_server},    {.name = "log", .read = schema_read_log},
	{.name = "keys", .read = schema_read_root_keys},   {.name = "stores", .read = schema_read_root_stores},
	{.name = "zones", .read = schema_read_root_zones},
};
MAP(root_map, root_fields);

static void
schema_set_defaults(struct config_reader *in, struct config *config)
{
	static const struct config_field state = {.name = "state-dir"}, socket = {.name = "control-socket"};
	static const struct config_node state_node = {.text = CONFIG_DEFAULT_STATE_DIR,
						      .length = sizeof CONFIG_DEFAULT_STATE_DIR - 1},
					socket_node = {.text = CONFIG_DEFAULT_SOCKET,
						       .length = sizeof CONFIG_DEFAULT_SOCKET - 1};

	config->log_level = LOG_LEVEL_INFO;
	config->server.udp_size = UDP_SIZE;
	config->server.tcp_clients = 1000;
	config->server.tcp_clients_address = 100;
	config->server.tcp_idle_ms = 10000;
	config->server.tcp_transfer_ms = 7200000; /* BIND's max-transfer-time-out */
	config->server.rate_limit.slip = 2;
	bool fine = config_read_path(in, &state, &state_node, &config->server.state_dir) &&
		    config_read_path(in, &socket, &socket_node, &config->server.control_socket);
	invariant(fine);
}

static bool
schema_check_dnstap(struct config_reader *in, struct config_server *server)
{
	struct config_dnstap *dnstap = &server->dnstap;
	const size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

	if (server->dnstap_line == 0)
		return true;
	if (!dnstap->socket == !dnstap->file)
		return config_read_fail(in, server->dnstap_line, "dnstap: either socket or file is needed");
	if (dnstap->socket && strlen(dnstap->socket) > most)
		return config_read_fail(in, server->dnstap_line,
					"dnstap: the path of the socket is over %zu octets: %s", most, dnstap->socket);
	if (dnstap->types == 0)
		dnstap->types = DNSTAP_ALL;
	return true;
}

/* What holds between keys of the server. */
static bool
schema_check_server(struct config_reader *in, struct config *config)
{
	struct config_server *server = &config->server;
	static const char *const everywhere[] = {"0.0.0.0@53", "::@53"};

	if (server->listen_tls.count > 0 && !server->tls.certificate)
		return config_read_fail(in, server->listen_tls.line, "listen-tls: tls: {certificate, key} is missing");
	if (server->tls.client_required && !server->tls.client_ca)
		return config_read_fail(in, server->tls_line, "tls: client-required needs client-ca");
	if (server->xdp.count > 0 && !xdp_built())
		return config_read_fail(in, server->xdp.line,
					"xdp: this build has no AF_XDP (configure --enable-xdp; libxdp and libbpf)");
	if (!schema_check_dnstap(in, server))
		return false;
	if (server->listen.count == 0) {
		server->listen.items = config_read_alloc(in, ARRAY_SIZE(everywhere), sizeof *server->listen.items);
		for (; server->listen.count < ARRAY_SIZE(everywhere); server->listen.count++) {
			enum status status = listener_parse(everywhere[server->listen.count], DNS_PORT,
							    &server->listen.items[server->listen.count]);
			invariant(status == STATUS_OK);
		}
	}
	return true;
}

static bool
schema_read_files(struct config_reader *in, struct config *config)
{
	const struct config_server *server = &config->server;
	char reason[TLS_REASON_SIZE] = "";

	if (in->options->no_files)
		return true;
	const struct tls_files files = {.certificate = server->tls.certificate,
					.key = server->tls.key,
					.client_ca = server->tls.client_ca,
					.client_required = server->tls.client_required};
	if (server->tls.certificate && tls_new(&files, &config->tls, reason) != STATUS_OK)
		return config_read_fail(in, server->tls_line, "tls: %s", reason);
	if (!server->cookie_secret || cookie_load(server->cookie_secret, &config->cookies, reason) == STATUS_OK)
		return true;
	in->failed = true; /* the mistake is in that file, whose line is what helps */
	snprintf(in->reason, CONFIG_REASON_SIZE, "%s", reason);
	return false;
}

static void
schema_add_default_store(struct config_reader *in, struct config *config)
{
	if (config->store_count > 0)
		return;
	config->stores = config_read_alloc(in, 1, sizeof *config->stores);
	config->stores[0] = (struct config_store){.name = CONFIG_DEFAULT_STORE, .keep_history_ms = DEFAULT_HISTORY_MS};
	config->store_count = 1;
}

bool
config_schema_read(struct config_reader *in, const struct config_node *root_node, struct config *config)
{
	struct root root = {.config = config};

	schema_set_defaults(in, config);
	if (!config_read_map(in, root_node, "the configuration", &root_map, &root) ||
	    !schema_check_server(in, config) || !schema_read_files(in, config))
		return false;
	schema_add_default_store(in, config);
	return !root.zones || config_zone_read_all(in, root.zones, config, config);
}

bool
config_schema_read_zone(struct config_reader *in, const struct config_node *node, const struct config *main,
			struct config *fragment)
{
	struct config_node list = {
		.kind = CONFIG_SEQUENCE, .line = node->line, .items = (struct config_node *)node, .count = 1};
	return config_zone_read_all(in, &list, main, fragment);
}
