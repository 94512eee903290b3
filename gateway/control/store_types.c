#include "control/store_types.h"
#include "store/embedded.h"
#include "store/etcd.h"
#include "store/kafka.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status
store_types_open_embedded(const struct config_store *config, struct kv *kv, struct store **store, char *reason)
{
	return embedded_open(config->name, kv, config->keep_history_ms / 1000, store, reason);
}

static void
store_types_reconfigure_embedded(struct store *store, const struct config_store *config)
{
	embedded_keep_history(store, config->keep_history_ms / 1000);
}

/* "host:port,host:port"; NULL without memory. */
static char *
store_types_join(const struct config_list *list)
{
	size_t size = 1, used = 0;

	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i]) + 1;
	char *text = calloc(1, size);
	for (size_t i = 0; text && i < list->count; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", list->items[i]);
	return text;
}

static enum status
store_types_open_kafka(const struct config_store *config, struct kv *kv, struct store **store, char *reason)
{
	const struct config_kafka *kafka = &config->kafka;
	char *brokers = store_types_join(&kafka->brokers);
	struct kafka_property *properties = calloc(kafka->property_count + 1, sizeof *properties);
	struct kafka_settings settings = {
		.brokers = brokers,
		.updates_topic = kafka->updates_topic,
		.snapshots_topic = kafka->snapshots_topic,
		.snapshot_changes = kafka->snapshot_changes,
		.snapshot_interval_ms = kafka->snapshot_interval_ms,
		.create_topics = kafka->create_topics,
		.partitions = (unsigned)kafka->partitions,
		.replication = (unsigned)kafka->replication,
		.properties = properties,
		.property_count = kafka->property_count,
	};
	enum status status = STATUS_NO_MEMORY;

	for (size_t i = 0; properties && i < kafka->property_count; i++)
		properties[i] = (struct kafka_property){kafka->properties[i].name, kafka->properties[i].value};
	if (brokers && properties)
		status = kafka_open(config->name, &settings, kv, store, reason);
	free(brokers);
	free(properties);
	return status;
}

static void
store_types_reconfigure_kafka(struct store *store, const struct config_store *config)
{
	kafka_set_snapshots(store, config->kafka.snapshot_changes, config->kafka.snapshot_interval_ms);
}

/* SOA and NS of zones of helix and skydns. Called with zone->control at rest (follower_add). */
static void
store_types_etcd_defaults(const struct zone *zone, struct etcd_defaults *out)
{
	const struct config_rules *rules = ((const struct config_zone *)zone->control)->rules;

	*out = (struct etcd_defaults){
		.mname = rules->soa_mname, .rname = rules->soa_rname, .ns = rules->ns, .ns_count = rules->ns_count};
}

static enum status
store_types_open_etcd(const struct config_store *config, struct kv *kv, struct store **store, char *reason)
{
	static const enum etcd_layout layouts[] = {
		[CONFIG_LAYOUT_ZONEGATE] = ETCD_ZONEGATE,
		[CONFIG_LAYOUT_HELIX] = ETCD_HELIX,
		[CONFIG_LAYOUT_SKYDNS] = ETCD_SKYDNS,
	};
	const struct config_etcd *etcd = &config->etcd;
	struct etcd_settings settings = {
		.endpoints = etcd->endpoints.items,
		.endpoint_count = etcd->endpoints.count,
		.v2 = etcd->api == CONFIG_ETCD_V2,
		.layout = layouts[etcd->layout],
		.prefix = etcd->prefix,
		.ttl_s = (uint32_t)etcd->ttl_s,
		.ca = etcd->tls.ca,
		.certificate = etcd->tls.certificate,
		.key = etcd->tls.key,
		.user = etcd->user,
		.password_file = etcd->password_file,
		.keep_history_s = config->keep_history_ms / 1000,
		.defaults = store_types_etcd_defaults,
	};
	return etcd_open(config->name, &settings, kv, store, reason);
}

/* What a running store takes; endpoints, TLS and layout are of the connection. */
static void
store_types_reconfigure_etcd(struct store *store, const struct config_store *config)
{
	(void)store, (void)config;
}

bool
store_types_check_property(const char *name, const char *value, char *reason)
{
	return kafka_check_property(&(struct kafka_property){name, value}, reason);
}

static const struct store_types_row rows[] = {
	{CONFIG_STORE_EMBEDDED, "embedded", store_types_open_embedded, store_types_reconfigure_embedded},
	{CONFIG_STORE_KAFKA, "kafka", store_types_open_kafka, store_types_reconfigure_kafka},
	{CONFIG_STORE_ETCD, "etcd", store_types_open_etcd, store_types_reconfigure_etcd},
};

const struct store_types_row *
store_types_find(enum config_store_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

bool
store_types_has(enum config_store_type type)
{
	return store_types_find(type) != NULL;
}
