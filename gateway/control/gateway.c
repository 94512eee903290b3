#include "control/gateway.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/rcu.h"
#include "base/wait.h"
#include "control/added.h"
#include "control/jobs.h"
#include "control/settings.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOADER_THREADS 2
#define LOOK_MS 20 /* a state may change without word */
#define STORE_PATIENCE_MS 5000 /* for a store that is being started, too; what starts us waits longer */

#define say(reason, ...) status_say(reason, GATEWAY_REASON_SIZE, __VA_ARGS__)

/* ---- what is known of zones that are not served ---- */

void
gateway_note(struct gateway *gateway, const struct zone *zone, const char *reason)
{
	pthread_mutex_lock(&gateway->mutex);
	struct gateway_note **at = &gateway->notes;
	while (*at && strcmp((*at)->zone, zone->text) != 0)
		at = &(*at)->next;
	struct gateway_note *note = *at;
	if (note && !reason) {
		*at = note->next;
		free(note->zone);
		free(note->reason);
		free(note);
	} else if (note) {
		free(note->reason);
		note->reason = must(strdup(reason));
	} else if (reason) {
		*at = must(calloc(1, sizeof **at));
		(*at)->zone = must(strdup(zone->text));
		(*at)->reason = must(strdup(reason));
	}
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->mutex);
}

bool
gateway_reason(struct gateway *gateway, const struct zone *zone, char *out)
{
	bool found = false;

	pthread_mutex_lock(&gateway->mutex);
	for (struct gateway_note *note = gateway->notes; note && !found; note = note->next)
		if (strcmp(note->zone, zone->text) == 0) {
			snprintf(out, GATEWAY_REASON_SIZE, "%s", note->reason);
			found = true;
		}
	pthread_mutex_unlock(&gateway->mutex);
	return found;
}

/* ---- first load ---- */

static void
gateway_loaded(struct gateway *gateway, const struct jobs_loading *loading, double seconds)
{
	const struct config_zone *config = loading->zone->control;

	if (loading->status == STATUS_OK) {
		log_info("zone_loaded", "zone=%s file=%s seconds=%.3f", loading->zone->text,
			 config->file ? config->file : "none", seconds);
		gateway_note(gateway, loading->zone, NULL);
		return;
	}
	log_error("zone_not_loaded", "zone=%s reason=%s", loading->zone->text, loading->reason);
	table_set_state(loading->zone, ZONE_FAILED);
	gateway_note(gateway, loading->zone, loading->reason);
}

static void
gateway_load_zones(void *context, struct zone *const *zones, size_t count)
{
	struct gateway *gateway = context;
	struct jobs_loading *loading = must(calloc(count, sizeof *loading));
	uint64_t start_ns = clock_monotonic_ns();

	pthread_rwlock_rdlock(&gateway->loads);
	for (size_t i = 0; i < count; i++)
		loading[i] = (struct jobs_loading){.zone = zones[i], .config = zones[i]->control};
	jobs_load_all(gateway->committer, loading, count);
	for (size_t i = 0; i < count; i++) {
		gateway_loaded(gateway, &loading[i], (double)(clock_monotonic_ns() - start_ns) / 1e9);
		free(loading[i].reason);
	}
	pthread_rwlock_unlock(&gateway->loads);
	free(loading);
	/* What the parser and the change needed is a large part of what a large zone takes. */
	malloc_trim(0);
}

/* ---- hooks of the followers ---- */

static void
hook_judged(void *context, struct zone *zone, const struct change *change, uint64_t tag, enum replay_fate fate,
	    uint64_t version)
{
	committer_judged(((struct gateway *)context)->committer, zone, change, tag, fate, version);
}

static void
hook_failed(void *context, uint64_t tag, enum status status, const char *reason)
{
	committer_failed(((struct gateway *)context)->committer, tag, status, reason);
}

static void
hook_barrier(void *context, uint64_t tag, enum status status)
{
	committer_barrier(((struct gateway *)context)->committer, tag, status);
}

/* An absent zone that has versions was removed. */
static bool
was_removed(struct zone *zone)
{
	uint8_t id[VERSION_ID_SIZE];
	uint64_t version;

	return follower_base(zone, &version, id) && version > 0;
}

static void
hook_absent(void *context, struct zone *zone)
{
	const struct added *added = added_of(gateway_zone_config(zone));

	if (!added || !added->restored || added->catalog || !was_removed(zone)) {
		loader_add(((struct gateway *)context)->loader, zone);
		return;
	}
	log_warning("zone_removed", "by another gateway zone=%s", zone->text);
	table_set_state(zone, ZONE_REMOVED);
	gateway_note(context, zone, "another gateway has removed the zone: remove it here too, or add it again");
}

/* Secondaries are told now, or by hook_transferable. */
static void
tell_secondaries(struct gateway *gateway, struct zone *zone, const struct zone_version *version, bool history_read)
{
	if (digests_published(gateway->digests, zone, version, false) && history_read)
		notify_zone(gateway->notify, zone, version);
}

static void
hook_published(void *context, struct zone *zone, const struct zone_version *before,
	       const struct zone_version *version)
{
	struct gateway *gateway = context;

	tell_secondaries(gateway, zone, version, ixfr_published(gateway->ixfr, zone, before, version));
	gateway->hooks.published(gateway->hooks.context, zone);
}

/*
 * A secondary that was told before its serial is known again would take the whole zone, and one that was told before
 * the digest is known would find nothing new.
 */
static void
hook_transferable(void *context, struct zone *zone)
{
	struct gateway *gateway = context;
	const struct zone_version *version = zone_current(zone);

	if (!digests_are_for(zone)) {
		if (version)
			notify_zone(gateway->notify, zone, version);
		return;
	}
	struct zone_version *digested = digests_newest(zone);
	if (digested) {
		notify_zone(gateway->notify, zone, digested);
		version_unpin(digested);
	}
}

static void
hook_state(void *context, struct zone *zone)
{
	struct gateway *gateway = context;
	const struct zone_version *version = zone_current(zone);

	if (version) {
		tell_secondaries(gateway, zone, version, !ixfr_ready(gateway->ixfr, zone, version));
		gateway->hooks.zone(gateway->hooks.context, zone);
	}
	pthread_mutex_lock(&gateway->mutex);
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->mutex);
}

static void
hook_tick(void *context)
{
	committer_tick(((struct gateway *)context)->committer);
}

/* ---- stores ---- */

enum status
gateway_open_store(struct gateway *gateway, const struct config_store *config, char *reason)
{
	const struct store_types_row *row = store_types_find(config->type);
	struct gateway_store opened = {.row = row};
	char why[STORE_REASON_SIZE] = "";
	struct follower_hooks hooks = {
		.context = gateway,
		.judged = hook_judged,
		.failed = hook_failed,
		.barrier = hook_barrier,
		.absent = hook_absent,
		.state = hook_state,
		.tick = hook_tick, .published = hook_published,
	};

	require(row);
	enum status status = row->open(config, gateway->kv, &opened.store, why);
	if (status != STATUS_OK)
		return say(reason, status, "store %s: %s", config->name, why);
	status = follower_start(opened.store, gateway->table, &hooks, &opened.follower);
	if (status != STATUS_OK)
		return say(reason, status, "store %s: %s", config->name, status_text(status));
	gateway->stores = must(realloc(gateway->stores, (gateway->store_count + 1) * sizeof opened));
	gateway->stores[gateway->store_count++] = opened;
	return STATUS_OK;
}

struct gateway_store *
gateway_find_store(struct gateway *gateway, const char *name)
{
	for (size_t i = 0; i < gateway->store_count; i++)
		if (strcmp(gateway->stores[i].store->name, name) == 0)
			return &gateway->stores[i];
	return NULL;
}

/* ---- zones ---- */

struct zone *
gateway_find_zone(struct gateway *gateway, const uint8_t *name)
{
	rcu_thread_online();
	struct zone *zone = table_exact(gateway->table, name, name_size(name));
	rcu_thread_offline();
	return zone;
}

const struct config_zone *
gateway_zone_config(const struct zone *zone)
{
	return zone->control;
}

void
gateway_each_zone(struct gateway *gateway, bool (*each)(void *context, struct zone *zone), void *context)
{
	rcu_thread_online();
	table_each(gateway->table, each, context);
	rcu_thread_offline();
}

/*
 * Where a zone says nothing of transfer, the first catalog that lists it does: who follows the catalog must get its
 * members.
 */
static struct transfer_settings *
gateway_transfer(const struct config *main, const struct config_zone *config, struct settings_before *before)
{
	if (config->catalog == CONFIG_CATALOG_MEMBER && config->rules->allow_transfer.count == 0 &&
	    config->rules->notify_count == 0)
		for (size_t i = 0; i < main->zone_count; i++)
			if (main->zones[i].catalog == CONFIG_CATALOG_PRODUCE)
				return settings_transfer(main->zones[i].rules, config->rules, before);
	return settings_transfer(config->rules, config->rules, before);
}

/* Returns what it had before. */
static struct transfer_settings *
gateway_set_transfer(struct zone *zone, struct transfer_settings *settings)
{
	bool restricted = settings->allow_query != NULL;
	struct transfer_settings *before = atomic_exchange(&zone->transfer_settings, settings);

	atomic_store(&zone->restricted, restricted);
	return before;
}

void
gateway_walk_zones(struct gateway *gateway, bool (*each)(void *context, struct zone *zone), void *context)
{
	rcu_thread_online();
	table_walk(gateway->table, each, context);
	rcu_thread_offline();
}

static struct zone *
gateway_make_zone(struct gateway *gateway, const struct config_zone *config, struct settings_before *before)
{
	struct zone *zone = must(table_zone_new(config->name));
	struct gateway_store *at = gateway_find_store(gateway, config->rules->store);

	invariant(at);
	zone->control = (void *)config;
	atomic_store(&zone->role, config->catalog);
	zone->store = at->store;
	atomic_store(&zone->update_settings, settings_update(config, before));
	gateway_set_transfer(zone, gateway_transfer(gateway->config, config, before));
	return zone;
}

/* Of a zone that no thread can find any more, or could ever. */
static void
gateway_free_settings(struct update_settings *update, struct transfer_settings *transfer)
{
	update_settings_free(update);
	transfer_settings_free(transfer);
}

enum status
gateway_add_zones(struct gateway *gateway, const struct config_zone *const *configs, size_t count, char *reason)
{
	struct zone **zones = must(calloc(count + 1, sizeof(struct zone *)));
	struct settings_before before = {0};
	enum status status;

	for (size_t i = 0; i < count; i++)
		zones[i] = gateway_make_zone(gateway, configs[i], &before);
	status = table_add_all(gateway->table, zones, count);
	/* Names were checked before: only memory is left to fail. */
	invariant(status == STATUS_OK);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		status = follower_add(gateway_find_store(gateway, configs[i]->rules->store)->follower, zones[i]);
		if (status != STATUS_OK)
			say(reason, status, "zone %s: %s", zones[i]->text, status_text(status));
	}
	free(zones);
	return status;
}

/* What was a zone's, once no thread can find the zone. */
struct remains {
	struct update_settings *update;
	struct transfer_settings *transfer;
	struct added *added;
};

static void
gateway_free_remains(const struct remains *remains)
{
	gateway_free_settings(remains->update, remains->transfer);
	added_free(remains->added);
}

struct resetting {
	const struct config *config;
	struct remains *old;
	size_t count;
	struct settings_before before;
};

/* The zone's settings in the new configuration; it has none there, and it was added: its own, or its catalog's. */
static bool
gateway_reset_zone(void *context, struct zone *zone)
{
	struct resetting *resetting = context;
	const struct config_zone *config = config_find_zone(resetting->config, zone->name);
	struct added *added = added_of(gateway_zone_config(zone));
	struct remains *old = &resetting->old[resetting->count];

	*old = (struct remains){.added = config ? added : NULL};
	if (!config && added && added->catalog)
		added_set_catalog(added, config_find_zone(resetting->config, added->catalog));
	if (!config)
		config = &added->config;
	old->update = atomic_exchange(&zone->update_settings, settings_update(config, &resetting->before));
	old->transfer = gateway_set_transfer(zone, gateway_transfer(resetting->config, config, &resetting->before));
	zone->control = (void *)config;
	atomic_store(&zone->role, config->catalog);
	resetting->count++;
	return true;
}

/* By the new settings; what was served until now without a digest gets one. */
static bool
gateway_reset_digest(void *context, struct zone *zone)
{
	struct gateway *gateway = context;

	digests_published(gateway->digests, zone, zone_current(zone), true);
	return true;
}

void
gateway_set_zones(struct gateway *gateway, const struct config *config)
{
	struct resetting resetting = {.config = config};

	resetting.old = must(calloc(table_count(gateway->table) + 1, sizeof *resetting.old));
	gateway_walk_zones(gateway, gateway_reset_zone, &resetting);
	/* One grace period for all of them. */
	synchronize_rcu();
	gateway_walk_zones(gateway, gateway_reset_digest, gateway);
	for (size_t i = 0; i < resetting.count; i++)
		gateway_free_remains(&resetting.old[i]);
	free(resetting.old);
}

/* Out of everything but its follower, and the table. */
static void
gateway_end_zone(struct gateway *gateway, struct zone *zone)
{
	loader_forget(gateway->loader, zone);
	ixfr_end_zone(gateway->ixfr, zone);
	digests_end_zone(zone);
}

/* No follower has it any more. */
static void
gateway_forget_zone(struct gateway *gateway, struct zone *zone)
{
	ixfr_free_zone(zone);
	digests_free_zone(zone);
	notify_forget(gateway->notify, zone);
	committer_forget(gateway->committer, zone);
	gateway_note(gateway, zone, NULL);
}

static struct remains
gateway_remains(const struct zone *zone)
{
	return (struct remains){atomic_load(&zone->update_settings), atomic_load(&zone->transfer_settings),
				added_of(gateway_zone_config(zone))};
}

void
gateway_drop_zones(struct gateway *gateway, struct zone *const *zones, size_t count)
{
	struct remains *remains = must(calloc(count + 1, sizeof *remains));

	/* First nobody begins anything, then what was begun ends, then it goes. */
	for (size_t i = 0; i < count; i++)
		table_set_state(zones[i], ZONE_REMOVED);
	synchronize_rcu();
	for (size_t i = 0; i < count; i++)
		gateway->hooks.zone(gateway->hooks.context, zones[i]);
	for (size_t i = 0; i < count; i++)
		gateway_end_zone(gateway, zones[i]);
	for (size_t i = 0; i < gateway->store_count; i++)
		follower_drop_all(gateway->stores[i].follower, zones, count);
	for (size_t i = 0; i < count; i++) {
		remains[i] = gateway_remains(zones[i]);
		gateway_forget_zone(gateway, zones[i]);
		enum status status = table_remove(gateway->table, zones[i]);
		invariant(status == STATUS_OK);
	}
	synchronize_rcu();
	for (size_t i = 0; i < count; i++)
		gateway_free_remains(&remains[i]);
	free(remains);
}

struct settling { uint64_t since_ms; bool settled; };

/* Loaded or not, or not to be loaded for now: its store is away. */
static bool
is_settled(void *context, struct zone *zone)
{
	struct settling *settling = context;
	const struct store *store = zone->store;
	bool away = !atomic_load(&store->connected) || atomic_load(&store->silent_partitions) > 0;
	bool patient = clock_monotonic_ms() - settling->since_ms < STORE_PATIENCE_MS;

	settling->settled = atomic_load(&zone->state) != ZONE_LOADING || (away && !patient);
	return settling->settled;
}

bool
gateway_zones_settled(struct gateway *gateway)
{
	struct settling settling = {gateway->started_ms, true};

	gateway_walk_zones(gateway, is_settled, &settling);
	return settling.settled;
}

static bool
is_loaded(void *context, struct zone *zone)
{
	bool *loaded = context;

	*loaded = atomic_load(&zone->state) != ZONE_LOADING;
	return *loaded;
}

bool
gateway_zones_loaded(struct gateway *gateway)
{
	bool loaded = true;

	gateway_walk_zones(gateway, is_loaded, &loaded);
	return loaded;
}

/* ---- zones that come and go at run time ---- */

static bool
gateway_is_settled(struct gateway *gateway, const uint8_t *name, struct settling *settling)
{
	pthread_rwlock_rdlock(&gateway->lock);
	struct zone *zone = gateway_find_zone(gateway, name);
	bool settled = !zone || is_settled(settling, zone);
	pthread_rwlock_unlock(&gateway->lock);
	return settled;
}

/* Without the lock: it may take long, and others have commands too. */
static void
gateway_wait_settled(struct gateway *gateway, const uint8_t *name)
{
	struct settling settling = {.since_ms = clock_monotonic_ms()};

	while (!gateway_is_settled(gateway, name, &settling)) {
		pthread_mutex_lock(&gateway->mutex);
		wait_until(&gateway->changed, &gateway->mutex, clock_monotonic_ms() + LOOK_MS);
		pthread_mutex_unlock(&gateway->mutex);
	}
}

/* The lock is held for writing. */
static enum status
gateway_remove_locked(struct gateway *gateway, const uint8_t *name, char *reason)
{
	struct zone *zone = gateway_find_zone(gateway, name);
	char text[NAME_TEXT_SIZE], why[JOBS_REASON_SIZE] = "";

	if (!zone)
		return say(reason, STATUS_NOT_FOUND, "no zone %s here", name_to_text(name, text));
	struct added *added = added_of(gateway_zone_config(zone));
	if (!added)
		return say(reason, STATUS_REFUSED, "zone %s is in %s: take it out there and reload", zone->text,
			   gateway->config->path);
	if (added->catalog)
		return say(reason, STATUS_REFUSED, "zone %s is in the catalog zone %s: take it out there", zone->text,
			   name_to_text(added->catalog, text));
	enum status status = jobs_remove(gateway->committer, zone, why);
	if (status != STATUS_OK)
		return say(reason, status, "%s", why);
	status = added_forget(gateway->kv, &added, 1, reason);
	if (status == STATUS_OK)
		gateway_drop_zones(gateway, &zone, 1);
	return status;
}

/* It is not to be served after all. */
static void
gateway_take_back(struct gateway *gateway, struct zone *zone, struct added *added)
{
	char reason[GATEWAY_REASON_SIZE];

	if (added_forget(gateway->kv, &added, 1, reason) != STATUS_OK)
		log_error("added_zone", "zone=%s reason=%s", zone->text, reason);
	gateway_drop_zones(gateway, &zone, 1);
}

/* The lock is held for writing. `added` is given. */
static enum status
gateway_add_locked(struct gateway *gateway, struct added *added, char *reason)
{
	const struct config_zone *config = &added->config;
	struct zone *old = gateway_find_zone(gateway, config->name);
	enum status status = STATUS_OK;

	if (old && atomic_load(&old->state) == ZONE_REMOVED) /* by another gateway: it begins anew */
		status = gateway_remove_locked(gateway, config->name, reason);
	if (status == STATUS_OK && gateway_find_zone(gateway, config->name))
		status = say(reason, STATUS_EXISTS, "zone %s is served already", config->text);
	if (status == STATUS_OK)
		status = added_keep(gateway->kv, &added, 1, reason);
	if (status != STATUS_OK) {
		added_free(added);
		return status;
	}
	status = gateway_add_zones(gateway, &config, 1, reason);
	if (status != STATUS_OK)
		gateway_take_back(gateway, gateway_find_zone(gateway, config->name), added);
	return status;
}

/* The lock is held for writing. One that is not served goes again, unless a reload has made it the configuration's. */
static enum status
gateway_judge_added(struct gateway *gateway, const uint8_t *name, char *reason)
{
	struct zone *zone = gateway_find_zone(gateway, name);
	char text[NAME_TEXT_SIZE];

	if (!zone)
		return say(reason, STATUS_NOT_FOUND, "zone %s was removed meanwhile", name_to_text(name, text));
	enum zone_state state = (enum zone_state)atomic_load(&zone->state);
	if (state == ZONE_READY)
		return STATUS_OK;
	if (state == ZONE_LOADING)
		say(reason, STATUS_INVALID, "store %s cannot be reached: zone %s is not added",
		    ((struct store *)zone->store)->name, zone->text);
	else if (!gateway_reason(gateway, zone, reason))
		say(reason, STATUS_INVALID, "zone %s: %s", zone->text, zone_state_text(state));
	struct added *added = added_of(gateway_zone_config(zone));
	if (added && !added->catalog)
		gateway_take_back(gateway, zone, added);
	return STATUS_INVALID;
}

enum status
gateway_add(struct gateway *gateway, const char *text, char *reason)
{
	uint8_t name[NAME_MAX_SIZE];
	struct added *added;

	pthread_rwlock_wrlock(&gateway->lock);
	enum status status = added_parse(gateway->config, text, strlen(text), &gateway->added_rules, &added, reason);
	if (status == STATUS_OK) {
		memcpy(name, added->config.name, name_size(added->config.name));
		status = gateway_add_locked(gateway, added, reason);
	}
	pthread_rwlock_unlock(&gateway->lock);
	if (status != STATUS_OK)
		return status;
	gateway_wait_settled(gateway, name);
	pthread_rwlock_wrlock(&gateway->lock);
	status = gateway_judge_added(gateway, name, reason);
	pthread_rwlock_unlock(&gateway->lock);
	return status;
}

enum status
gateway_remove(struct gateway *gateway, const uint8_t *name, char *reason)
{
	pthread_rwlock_wrlock(&gateway->lock);
	enum status status = gateway_remove_locked(gateway, name, reason);
	pthread_rwlock_unlock(&gateway->lock);
	return status;
}

/* ---- start and stop ---- */

static enum status
gateway_open_audit(struct gateway *gateway, char *reason)
{
	enum status status = audit_open(gateway->config->audit, &gateway->serve.audit);

	return status == STATUS_OK ? STATUS_OK : say(reason, status, "%s: %m", gateway->config->audit);
}

static struct notify *
gateway_notify(const struct config *config)
{
	const struct config_addresses *lists[] = {&config->server.listen, &config->server.listen_tls};
	struct notify_settings settings = {.again_ms = NOTIFY_AGAIN_MS, .retry_ms = NOTIFY_RETRY_MS};
	struct sockaddr_storage *addresses =
		must(calloc(lists[0]->count + lists[1]->count + 1, sizeof *addresses));

	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		for (size_t i = 0; i < lists[list]->count; i++)
			addresses[settings.address_count++] = lists[list]->items[i].address;
	settings.addresses = addresses;
	struct notify *notify = must(notify_new(config->keys, &settings));
	free(addresses);
	return notify;
}

enum status
gateway_open(struct gateway *gateway, struct config *config, char *reason)
{
	char name[SETTINGS_NAME_SIZE];
	struct committer_settings settings = {.gateway = settings_gateway_name(config, name), .base = follower_base};

	*gateway =
		(struct gateway){.config = config, .started_us = clock_wall_us(), .started_ms = clock_monotonic_ms()};
	pthread_rwlock_init(&gateway->lock, NULL);
	pthread_rwlock_init(&gateway->loads, NULL);
	pthread_mutex_init(&gateway->mutex, NULL);
	wait_init(&gateway->changed);
	char why[STORE_REASON_SIZE] = "";
	enum status status = kv_open(config->server.state_dir, &gateway->kv, why);
	if (status != STATUS_OK)
		return say(reason, status, "state-dir %s: %s", config->server.state_dir, why);
	status = gateway_open_audit(gateway, reason);
	if (status != STATUS_OK)
		return status;
	settings.audit = gateway->serve.audit;
	gateway->table = must(table_new());
	gateway->committer = must(committer_new(&settings));
	gateway->serve.table = gateway->table;
	gateway->serve.committer = gateway->committer;
	gateway->serve.version_text = "zonegate " PACKAGE_VERSION;
	atomic_store(&gateway->serve.settings, settings_serve(config, NULL));
	gateway->ixfr = must(ixfr_new(hook_transferable, gateway));
	gateway->digests = must(digests_new(hook_transferable, gateway));
	gateway->notify = gateway_notify(config);
	gateway->loader = loader_new(LOADER_THREADS, gateway_load_zones, gateway);
	for (size_t i = 0; i < config->store_count && status == STATUS_OK; i++)
		status = gateway_open_store(gateway, &config->stores[i], reason);
	return status;
}

enum status
gateway_start_zones(struct gateway *gateway, char *reason)
{
	struct config *config = gateway->config;
	struct added **added;
	size_t count;
	enum status status = added_read(gateway->kv, config, &gateway->added_rules, &added, &count, reason);

	if (status != STATUS_OK)
		return status;
	const struct config_zone **zones = must(calloc(config->zone_count + count + 1, sizeof *zones));
	for (size_t i = 0; i < config->zone_count; i++)
		zones[i] = &config->zones[i];
	for (size_t i = 0; i < count; i++)
		zones[config->zone_count + i] = &added[i]->config;
	status = gateway_add_zones(gateway, zones, config->zone_count + count, reason);
	free(zones);
	free(added);
	return status;
}

enum status
gateway_start_workers(struct gateway *gateway, struct listener_sockets *sockets, unsigned count, char *reason)
{
	const struct config_server *server = &gateway->config->server;
	/* Limits are those of the whole gateway; the kernel spreads connections over the workers. */
	struct worker_limits limits = {
		.tcp_clients = ((unsigned)server->tcp_clients + count - 1) / count,
		.tcp_clients_address = (unsigned)server->tcp_clients_address,
		.tcp_idle_ms = (unsigned)server->tcp_idle_ms,
		.tcp_transfer_ms = (unsigned)server->tcp_transfer_ms,
		.workers = count,
	};

	gateway->workers = must(calloc(count, sizeof(struct worker *)));
	for (; gateway->worker_count < count; gateway->worker_count++) {
		enum status status =
			worker_start(&gateway->serve, gateway->worker_count, &sockets[gateway->worker_count], &limits,
				     &gateway->workers[gateway->worker_count]);
		if (status != STATUS_OK)
			return say(reason, status, "a thread cannot be started: %s", status_text(status));
	}
	return STATUS_OK;
}

struct zone_list {
	struct zone **items;
	size_t count;
};

static bool
collect_zone(void *context, struct zone *zone)
{
	struct zone_list *list = context;
	list->items[list->count++] = zone;
	return true;
}

/* The followers have ended. */
static void
gateway_free_zones(struct gateway *gateway)
{
	struct zone_list list = {.items = must(calloc(table_count(gateway->table) + 1, sizeof(struct zone *)))};

	gateway_walk_zones(gateway, collect_zone, &list);
	for (size_t i = 0; i < list.count; i++) {
		struct zone *zone = list.items[i];
		struct remains remains = gateway_remains(zone);
		gateway_forget_zone(gateway, zone);
		gateway_free_remains(&remains);
		enum status status = table_remove(gateway->table, zone);
		invariant(status == STATUS_OK);
	}
	free(list.items);
}

void
gateway_close(struct gateway *gateway)
{
	for (unsigned i = 0; i < gateway->worker_count; i++)
		worker_stop(gateway->workers[i]);
	if (gateway->loader)
		loader_stop(gateway->loader);
	if (gateway->ixfr)
		ixfr_stop(gateway->ixfr);
	if (gateway->digests)
		digests_stop(gateway->digests);
	for (size_t i = 0; i < gateway->store_count; i++)
		follower_stop(gateway->stores[i].follower);
	if (gateway->loader)
		loader_free(gateway->loader);
	if (gateway->table) {
		gateway_free_zones(gateway);
		committer_free(gateway->committer);
		table_free(gateway->table);
		ixfr_free(gateway->ixfr);
		digests_free(gateway->digests);
		notify_free(gateway->notify);
		settings_serve_free(atomic_load(&gateway->serve.settings));
	}
	if (gateway->kv)
		kv_close(gateway->kv);
	if (gateway->serve.audit)
		audit_close(gateway->serve.audit);
	for (struct gateway_note *note = gateway->notes, *next; note; note = next) {
		next = note->next;
		free(note->zone);
		free(note->reason);
		free(note);
	}
	free(gateway->stores);
	free(gateway->workers);
	added_rules_free(gateway->added_rules);
	config_free(gateway->config);
}
