#include "control/reload.h"
#include "base/rcu.h"
#include "control/added.h"
#include "control/catalog.h"
#include "control/config_rules.h"
#include "control/jobs.h"
#include "control/settings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what may stop it, before anything changes ---- */

/* Files of new zones: whether a store knows them already is found out too late for a refusal. */
static enum status
reload_check_files(struct gateway *gateway, const struct config *config, char *reason)
{
	for (size_t i = 0; i < config->zone_count; i++) {
		const struct config_zone *zone = &config->zones[i];
		if (gateway_find_zone(gateway, zone->name) || !zone->file)
			continue;
		enum status status = jobs_check_file(config, zone, reason);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* A zone stays with its store. */
static enum status
reload_check_stores(struct gateway *gateway, const struct config *config, char *reason)
{
	for (size_t i = 0; i < config->zone_count; i++) {
		const struct config_zone *zone = &config->zones[i];
		struct zone *served = gateway_find_zone(gateway, zone->name);
		if (served && strcmp(((struct store *)served->store)->name, zone->rules->store) != 0) {
			snprintf(reason, GATEWAY_REASON_SIZE, "%s:%u: zone %s: another store needs a restart",
				 config->path, zone->line, zone->text);
			return STATUS_REFUSED;
		}
	}
	for (size_t i = 0; i < config->store_count; i++) {
		const struct gateway_store *open = gateway_find_store(gateway, config->stores[i].name);
		if (open && open->row->type != config->stores[i].type) {
			snprintf(reason, GATEWAY_REASON_SIZE, "%s:%u: store %s: another type needs a restart",
				 config->path, config->stores[i].line, config->stores[i].name);
			return STATUS_REFUSED;
		}
	}
	return STATUS_OK;
}

/* New stores are opened before anything else changes: one that is empty does no harm if a later one fails. */
static enum status
reload_open_stores(struct gateway *gateway, const struct config *config, char *reason)
{
	for (size_t i = 0; i < config->store_count; i++) {
		if (gateway_find_store(gateway, config->stores[i].name))
			continue;
		enum status status = gateway_open_store(gateway, &config->stores[i], reason);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* ---- the new state ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_addresses(const struct config_addresses *a, const struct config_addresses *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].size != b->items[i].size ||
		    memcmp(&a->items[i].address, &b->items[i].address, a->items[i].size) != 0)
			return false;
	return true;
}

static bool
same_xdp(const struct config_xdp *a, const struct config_xdp *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].name, b->items[i].name) != 0 || a->items[i].mode != b->items[i].mode)
			return false;
	return true;
}

/* A value that only a restart can change: in the log, and in `notes` for who asked. */
static void
note_restart(char *notes, const char *store, const char *key)
{
	size_t used = strlen(notes);

	log_warning("reload", "the new value needs a restart key=%s%s%s", store ? store : "", store ? "." : "", key);
	snprintf(notes + used, GATEWAY_REASON_SIZE - used, "%s%s%s: the new value needs a restart\n",
		 store ? store : "", store ? "." : "", key);
}

static void
reload_note_server(const struct config_server *old, const struct config_server *new, char *notes)
{
	const struct {
		const char *key;
		bool same;
	} fixed[] = {
		{"listen", same_addresses(&old->listen, &new->listen)},
		{"listen-tls", same_addresses(&old->listen_tls, &new->listen_tls)},
		{"xdp", same_xdp(&old->xdp, &new->xdp)},
		{"threads", old->threads == new->threads},
		{"state-dir", same_text(old->state_dir, new->state_dir)},
		{"control-socket", same_text(old->control_socket, new->control_socket)},
		{"http", same_addresses(&old->http, &new->http)},
		{"user", same_text(old->user, new->user)},
		{"tcp-clients", old->tcp_clients == new->tcp_clients},
		{"tcp-clients-address", old->tcp_clients_address == new->tcp_clients_address},
		{"tcp-idle", old->tcp_idle_ms == new->tcp_idle_ms},
		{"tcp-transfer", old->tcp_transfer_ms == new->tcp_transfer_ms},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!fixed[i].same)
			note_restart(notes, NULL, fixed[i].key);
}

static bool
same_properties(const struct config_kafka *a, const struct config_kafka *b)
{
	if (a->property_count != b->property_count)
		return false;
	for (size_t i = 0; i < a->property_count; i++)
		if (strcmp(a->properties[i].name, b->properties[i].name) != 0 ||
		    strcmp(a->properties[i].value, b->properties[i].value) != 0)
			return false;
	return true;
}

/* A store keeps its connection. */
static void
reload_note_store(const struct config_store *old, const struct config_store *new, char *notes)
{
	const struct config_kafka *was = &old->kafka, *kafka = &new->kafka;
	const struct config_etcd *from = &old->etcd, *etcd = &new->etcd;
	const struct {
		const char *key;
		bool same;
	} fixed[] = {
		{"brokers", config_rules_same_list(&was->brokers, &kafka->brokers)},
		{"updates-topic", same_text(was->updates_topic, kafka->updates_topic)},
		{"snapshots-topic", same_text(was->snapshots_topic, kafka->snapshots_topic)},
		{"properties", same_properties(was, kafka)},
		{"endpoints", config_rules_same_list(&from->endpoints, &etcd->endpoints)},
		{"api", from->api == etcd->api},
		{"layout", from->layout == etcd->layout},
		{"prefix", same_text(from->prefix, etcd->prefix)},
		{"ttl", from->ttl_s == etcd->ttl_s},
		{"tls", same_text(from->tls.ca, etcd->tls.ca) && same_text(from->tls.key, etcd->tls.key) &&
				same_text(from->tls.certificate, etcd->tls.certificate)},
		{"auth", same_text(from->user, etcd->user) && same_text(from->password_file, etcd->password_file)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!fixed[i].same)
			note_restart(notes, new->name, fixed[i].key);
}

struct leaving {
	struct zone **items;
	size_t count;
	const struct config *config;
};

static bool
reload_collect_leaving(void *context, struct zone *zone)
{
	struct leaving *leaving = context;

	const struct added *added = added_of(gateway_zone_config(zone));

	if (config_find_zone(leaving->config, zone->name))
		return true;
	const struct config_zone *catalog =
		added && added->catalog ? config_find_zone(leaving->config, added->catalog) : NULL;
	if (added && (!added->catalog || (catalog && catalog->catalog == CONFIG_CATALOG_CONSUME)))
		return true;
	leaving->items[leaving->count++] = zone;
	return true;
}

/* Members of a catalog that is no longer one. */
static void
reload_forget_members(struct gateway *gateway, const struct leaving *leaving)
{
	struct added **added = calloc(leaving->count + 1, sizeof *added);
	char reason[CONFIG_REASON_SIZE];
	size_t count = 0;

	if (!added)
		abort();
	for (size_t i = 0; i < leaving->count; i++)
		if ((added[count] = added_of(gateway_zone_config(leaving->items[i]))))
			count++;
	if (count > 0 && added_forget(gateway->kv, added, count, reason) != STATUS_OK)
		log_error("added_zone", "not forgotten reason=%s", reason);
	free(added);
}

static void
reload_drop_zones(struct gateway *gateway, const struct config *config)
{
	struct leaving leaving = {.config = config};

	leaving.items = calloc(table_count(gateway->table) + 1, sizeof(struct zone *));
	if (!leaving.items)
		abort();
	gateway_each_zone(gateway, reload_collect_leaving, &leaving);
	for (size_t i = 0; i < leaving.count; i++)
		log_info("zone_gone", "no longer in the configuration zone=%s", leaving.items[i]->text);
	reload_forget_members(gateway, &leaving);
	gateway_drop_zones(gateway, leaving.items, leaving.count);
	free(leaving.items);
}

static enum status
reload_zones(struct gateway *gateway, const struct config *config, char *reason)
{
	const struct config_zone **new_zones = calloc(config->zone_count + 1, sizeof *new_zones);
	size_t count = 0;

	if (!new_zones)
		abort();
	for (size_t i = 0; i < config->zone_count; i++)
		if (!gateway_find_zone(gateway, config->zones[i].name))
			new_zones[count++] = &config->zones[i];
	gateway_set_zones(gateway, config);
	enum status status = gateway_add_zones(gateway, new_zones, count, reason);
	free(new_zones);
	return status;
}

static void
reload_server(struct gateway *gateway, struct config *config, char *notes)
{
	char name[SETTINGS_NAME_SIZE];
	struct committer_settings committer = {
		.gateway = settings_gateway_name(config, name), .audit = gateway->serve.audit, .base = follower_base};

	log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
	reload_note_server(&gateway->config->server, &config->server, notes);
	if (!same_text(gateway->config->audit, config->audit))
		note_restart(notes, NULL, "audit");
	if (gateway->serve.audit)
		audit_reopen(gateway->serve.audit);
	committer_set(gateway->committer, &committer);
	keyring_inherit(config->keys, gateway->config->keys);
	struct serve_settings *old = atomic_load(&gateway->serve.settings);
	atomic_store(&gateway->serve.settings, settings_serve(config, old));
	notify_set_keys(gateway->notify, config->keys);
	synchronize_rcu();
	settings_serve_free(old);
	for (size_t i = 0; i < config->store_count; i++) {
		struct gateway_store *store = gateway_find_store(gateway, config->stores[i].name);
		if (store && store->row->reconfigure)
			store->row->reconfigure(store->store, &config->stores[i]);
		const struct config_store *known = config_find_store(gateway->config, config->stores[i].name);
		if (known)
			reload_note_store(known, &config->stores[i], notes);
	}
}

static enum status
reload_locked(struct gateway *gateway, struct config *config, char *notes, char *reason)
{
	enum status status = reload_check_stores(gateway, config, reason);

	if (status == STATUS_OK)
		status = reload_check_files(gateway, config, reason);
	if (status == STATUS_OK)
		status = reload_open_stores(gateway, config, reason);
	if (status != STATUS_OK) {
		config_free(config);
		return status;
	}
	/* Before `loads` is taken: a thread that waits for it may have one of these zones in work. */
	reload_drop_zones(gateway, config);
	pthread_rwlock_wrlock(&gateway->loads);
	reload_server(gateway, config, notes);
	struct config *old = gateway->config;
	gateway->config = config;
	status = reload_zones(gateway, config, reason);
	config_free(old);
	pthread_rwlock_unlock(&gateway->loads);
	return status;
}

enum status
reload_run(struct gateway *gateway, char *reason)
{
	struct config_options options = {.has_store = store_types_has, .check_property = store_types_check_property};
	struct config *config;
	char notes[GATEWAY_REASON_SIZE] = "";

	pthread_rwlock_wrlock(&gateway->lock);
	enum status status = config_load(gateway->config->path, &options, &config, reason);
	if (status == STATUS_OK)
		status = reload_locked(gateway, config, notes, reason);
	pthread_rwlock_unlock(&gateway->lock);
	if (status == STATUS_OK)
		catalog_wake(gateway->catalog);
	if (status == STATUS_OK)
		memcpy(reason, notes, sizeof notes);
	if (status == STATUS_OK)
		log_info("reload", "done zones=%zu", table_count(gateway->table));
	else
		log_error("reload", "nothing has changed reason=%s", reason);
	return status;
}
