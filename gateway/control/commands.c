#include "control/commands.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "control/history.h"
#include "control/import.h"
#include "control/jobs.h"
#include "control/reload.h"
#include "zone/lookup.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- status, zones ---- */

struct zone_counts {
	size_t ready, not_ready;
};

static bool
count_zone(void *context, struct zone *zone)
{
	struct zone_counts *counts = context;
	if (atomic_load(&zone->state) == ZONE_READY)
		counts->ready++;
	else
		counts->not_ready++;
	return true;
}

static void
json_broker(void *context, int32_t id, const char *address)
{
	json_array_append_new(json_object_get(context, "brokers"),
			      json_pack("{s:i, s:s}", "id", (int)id, "address", address));
}

static json_t *
known(int64_t number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static void
json_partition(void *context, const struct store_partition *at)
{
	json_array_append_new(json_object_get(context, "partitions"),
			      json_pack("{s:i, s:o, s:o, s:o, s:I, s:b}", "partition", (int)at->number, "leader",
					known(at->leader), "position", known(at->position), "end", known(at->end),
					"zones", (json_int_t)at->zones, "silent", at->silent));
}

static json_t *
status_stores(struct gateway *gateway)
{
	json_t *stores = json_array();

	for (size_t i = 0; i < gateway->store_count; i++) {
		struct store *store = gateway->stores[i].store;
		json_t *object = json_pack("{s:s, s:s, s:b, s:I, s:I}", "name", store->name, "type", store->ops->type,
					   "connected", atomic_load(&store->connected) != 0, "position",
					   (json_int_t)atomic_load(&store->position), "lag",
					   (json_int_t)atomic_load(&store->lag_records));
		struct store_view view = {object, json_broker, json_partition};
		char trouble[STORE_REASON_SIZE];
		json_array_append_new(stores, object);
		json_object_set_new(object, "trouble",
				    store_trouble(store, trouble) ? json_string(trouble) : json_null());
		if (!store->ops->describe)
			continue;
		json_object_set_new(object, "brokers", json_array());
		json_object_set_new(object, "partitions", json_array());
		store->ops->describe(store, &view);
	}
	return stores;
}

static void
print_broker(void *context, int32_t id, const char *address)
{
	fprintf(context, "  broker %d: %s\n", (int)id, address);
}

static const char *
number_text(int64_t number, char text[24])
{
	if (number < 0)
		return "-";
	snprintf(text, 24, "%" PRId64, number);
	return text;
}

static void
print_partition(void *context, const struct store_partition *at)
{
	char leader[24], position[24], end[24];

	fprintf(context, "  partition %d: leader %s, position %s, end %s, zones %" PRIu64 "%s\n", (int)at->number,
		number_text(at->leader, leader), number_text(at->position, position), number_text(at->end, end),
		at->zones, at->silent ? ", silent" : "");
}

static enum status
run_status(struct call *call)
{
	struct gateway *gateway = call->gateway;
	struct zone_counts counts = {0};
	uint64_t uptime_s = (clock_monotonic_ms() - gateway->started_ms) / 1000;
	bool ready = atomic_load(&gateway->ready);

	gateway_each_zone(gateway, count_zone, &counts);
	if (call->json) {
		call_print_json(call, json_pack("{s:s, s:I, s:i, s:b, s:o, s:{s:I, s:I}}", "version", PACKAGE_VERSION,
						"uptime", (json_int_t)uptime_s, "threads", (int)gateway->worker_count,
						"ready", ready, "stores", status_stores(gateway), "zones", "ready",
						(json_int_t)counts.ready, "not_ready", (json_int_t)counts.not_ready));
		return STATUS_OK;
	}
	fprintf(call->out, "version %s\nuptime %" PRIu64 " s\nthreads %u\n", PACKAGE_VERSION, uptime_s,
		gateway->worker_count);
	for (size_t i = 0; i < gateway->store_count; i++) {
		struct store *store = gateway->stores[i].store;
		fprintf(call->out, "store %s: %s, %s, position %" PRIu64 ", lag %" PRIu64 "\n", store->name,
			store->ops->type, atomic_load(&store->connected) ? "connected" : "not connected",
			atomic_load(&store->position), atomic_load(&store->lag_records));
		struct store_view view = {call->out, print_broker, print_partition};
		char trouble[STORE_REASON_SIZE];
		if (store_trouble(store, trouble))
			fprintf(call->out, "  %s\n", trouble);
		if (store->ops->describe)
			store->ops->describe(store, &view);
	}
	fprintf(call->out, "zones: %zu ready, %zu not ready\n", counts.ready, counts.not_ready);
	return STATUS_OK;
}

static bool
print_zone(void *context, struct zone *zone)
{
	struct call *call = context;
	const struct zone_version *version = atomic_load(&zone->current);
	const char *store = ((struct store *)zone->store)->name;
	const char *state = zone_state_text((enum zone_state)atomic_load(&zone->state));
	bool frozen = version && version->frozen;

	if (call->json)
		call_print_json(call, json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:b}", "name", zone->text, "serial",
						(json_int_t)(version ? version->serial : 0), "version",
						(json_int_t)(version ? version->version : 0), "records",
						(json_int_t)(version ? version->records : 0), "store", store, "state",
						state, "frozen", frozen));
	else
		fprintf(call->out, "%s serial %" PRIu32 " version %" PRIu64 " records %" PRIu64 " store %s %s%s\n",
			zone->text, version ? version->serial : 0, version ? version->version : 0,
			version ? version->records : 0, store, state, frozen ? " frozen" : "");
	return true;
}

static enum status
run_zones(struct call *call)
{
	char *text = NULL;
	size_t size;
	FILE *out = call->out;

	/* Into memory first: a client that does not read must not keep an RCU section open. */
	call->out = open_memstream(&text, &size);
	if (!call->out)
		abort();
	gateway_each_zone(call->gateway, print_zone, call);
	fclose(call->out);
	call->out = out;
	fwrite(text, 1, size, out);
	free(text);
	return STATUS_OK;
}

/* ---- changes of our own ---- */

static enum status
run_rollback(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	struct jobs_result result;
	uint64_t target;

	if (!zone || !history_parse_version(call, call->arguments[1], &target))
		return STATUS_NOT_FOUND;
	struct zone_version *version = call_pin(call, zone);
	if (!version)
		return STATUS_NOT_FOUND;
	uint64_t newest = version->version;
	version_unpin(version);
	if (target == 0 || target > newest)
		return call_fail(call, STATUS_NOT_FOUND, "there is no version %" PRIu64 " of %s, which is at %" PRIu64,
				 target, zone->text, newest);
	enum status status = jobs_rollback(call->gateway->committer, zone, target, &result, call->reason);
	if (status == STATUS_OK)
		call_print_result(call, zone, &result);
	return status;
}

static enum status
run_freeze(struct call *call, bool freeze)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	struct jobs_result result;

	if (!zone)
		return STATUS_NOT_FOUND;
	enum status status = jobs_freeze(call->gateway->committer, zone, freeze, &result, call->reason);
	if (status == STATUS_OK)
		call_print_result(call, zone, &result);
	return status;
}

static enum status
run_freeze_zone(struct call *call)
{
	return run_freeze(call, true);
}

static enum status
run_thaw_zone(struct call *call)
{
	return run_freeze(call, false);
}

static enum status
run_snapshot(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	char why[STORE_REASON_SIZE] = "";

	if (!zone)
		return STATUS_NOT_FOUND;
	struct store *store = zone->store;
	if (!store->ops->snapshot_now)
		return call_fail(call, STATUS_UNSUPPORTED, "store %s has no snapshots: type %s", store->name,
				 store->ops->type);
	enum status status = store->ops->snapshot_now(store, zone, why);
	return status == STATUS_OK ? STATUS_OK : call_fail(call, status, "%s", why[0] ? why : status_text(status));
}

/* ---- check ---- */

struct check {
	struct call *call;
	const struct zone_version *version;
	size_t hidden;
};

/*
 * Names below a cut or a DNAME are kept and not served, but for addresses, which may be glue (RFC 2136 7.18, RFC
 * 9499 "occluded").
 */
static bool
check_hidden(void *context, const struct node *node)
{
	struct check *check = context;
	const struct zone_version *version = check->version;
	uint8_t owner[NAME_MAX_SIZE], above[NAME_MAX_SIZE];
	char owner_text[NAME_TEXT_SIZE], above_text[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
	struct lookup lookup;
	const uint8_t *at = NULL;
	struct rrset rrset;

	if (node->rrset_count == 0)
		return true;
	size_t size = node_owner(node, version->apex, owner);
	lookup_name(version, owner, size, name_labels(owner), &lookup);
	const struct node *hider = lookup.dname ? lookup.dname : lookup.zone_cut;
	if (!hider)
		return true;
	node_owner(hider, version->apex, above);
	name_to_text(owner, owner_text);
	name_to_text(above, above_text);
	while (node_next(node, &at, &rrset)) {
		bool address = rrset.type == TYPE_A || rrset.type == TYPE_AAAA;
		bool of_cut = hider == node && (rrset.type == TYPE_NS || rrset.type == TYPE_DS);
		if (!lookup.dname && (address || of_cut))
			continue;
		check->hidden++;
		const char *why = lookup.dname    ? "below the DNAME at"
				  : hider == node ? "at the zone cut"
						  : "below the zone cut at";
		if (check->call->json)
			call_print_json(check->call, json_pack("{s:s, s:s, s:s, s:s}", "name", owner_text, "type",
							       rrtype_to_text(rrset.type, type), "reason", why, "above",
							       above_text));
		else
			fprintf(check->call->out, "%s %s is not served: %s %s\n", owner_text,
				rrtype_to_text(rrset.type, type), why, above_text);
	}
	return true;
}

/* What the store itself could make nothing of. */
static bool
check_store(void *context, const char *key, const char *reason)
{
	struct check *check = context;
	char printable[1024];

	check->hidden++;
	log_escape(key, strlen(key), printable, sizeof printable);
	if (check->call->json)
		call_print_json(check->call, json_pack("{s:s, s:s}", "key", printable, "reason", reason));
	else
		fprintf(check->call->out, "%s is not served: %s\n", printable, reason);
	return true;
}

/* Of a zone that is not ready: why, as the store says it. */
static bool
store_reason(struct zone *zone, char *reason)
{
	struct store *store = zone->store;
	return follower_reason(zone, reason) || store_trouble(store, reason);
}

static enum status
run_check(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	char reason[GATEWAY_REASON_SIZE];

	if (!zone)
		return STATUS_NOT_FOUND;
	if (atomic_load(&zone->state) != ZONE_READY) {
		const char *state = zone_state_text((enum zone_state)atomic_load(&zone->state));
		if (gateway_reason(call->gateway, zone, reason) || store_reason(zone, reason))
			return call_fail(call, STATUS_INVALID, "%s: %s", state, reason);
		return call_fail(call, STATUS_INVALID, "zone %s is not served: %s; the gateway's log says why",
				 zone->text, state);
	}
	if (gateway_reason(call->gateway, zone, reason))
		return call_fail(call, STATUS_INVALID, "%s", reason);
	struct check check = {.call = call, .version = call_pin(call, zone)};
	if (!check.version)
		return STATUS_NOT_FOUND;
	if (check.version->cuts > 0 || check.version->dnames > 0)
		tree_each(&check.version->tree, check_hidden, &check);
	const struct store *store = zone->store;
	if (store->ops->check)
		store->ops->check((struct store *)zone->store, zone, check_store, &check);
	if (check.hidden == 0 && !call->json)
		fprintf(call->out, "%s: everything in the store is served\n", zone->text);
	version_unpin((struct zone_version *)check.version);
	return STATUS_OK;
}

/* ---- zones at run time ---- */

/* What an item of "zones" in the configuration would say. */
static json_t *
add_settings(struct call *call, const char *name)
{
	json_t *settings = json_pack("{s:s}", "name", name), *policy = json_object_get(call->options, "policy");

	if (call_option(call, "store"))
		json_object_set_new(settings, "store", json_string(call_option(call, "store")));
	if (call_option(call, "file"))
		json_object_set_new(settings, "file", json_string(call_option(call, "file")));
	if (json_is_array(policy))
		json_object_set(settings, "update-policy", policy);
	else if (json_is_string(policy))
		json_object_set_new(settings, "update-policy", json_pack("[O]", policy));
	return settings;
}

static enum status
run_add(struct call *call)
{
	uint8_t name[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE];

	if (!call_name(call, call->arguments[0], name))
		return STATUS_INVALID;
	if (!call_option(call, "store"))
		return call_fail(call, STATUS_INVALID, "--store is missing");
	if (call_option(call, "from") && call_option(call, "file"))
		return call_fail(call, STATUS_INVALID, "--file and --from exclude each other");
	json_t *settings = add_settings(call, name_to_text(name, text));
	char *encoded = json_dumps(settings, JSON_COMPACT);
	json_decref(settings);
	if (!encoded)
		return call_fail(call, STATUS_INVALID, "the arguments are not UTF-8");
	enum status status = gateway_add(call->gateway, encoded, call->reason);
	free(encoded);
	if (status != STATUS_OK || !call_option(call, "from"))
		return status;
	/* A zone that was to come from elsewhere, and did not, is not wanted. */
	status = import_run(call);
	char unused[GATEWAY_REASON_SIZE];
	if (status != STATUS_OK && gateway_remove(call->gateway, name, unused) != STATUS_OK)
		log_error("added_zone", "zone=%s reason=%s", text, unused);
	return status;
}

static enum status
run_remove(struct call *call)
{
	uint8_t name[NAME_MAX_SIZE];

	if (!call_name(call, call->arguments[0], name))
		return STATUS_INVALID;
	return gateway_remove(call->gateway, name, call->reason);
}

/* ---- the gateway itself ---- */

static enum status
run_reload(struct call *call)
{
	enum status status = reload_run(call->gateway, call->reason);

	if (status == STATUS_OK && !call->json)
		fputs(call->reason, call->out);
	return status;
}

static enum status
run_keys(struct call *call)
{
	const struct keyring *keys = call->gateway->config->keys;
	char when[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < keyring_count(keys); i++) {
		const struct key *key = keyring_at(keys, i);
		uint64_t last_s = stat_read(&key->last_use_s), uses = stat_read(&key->uses);
		clock_to_text(last_s * 1000000, when);
		if (call->json)
			call_print_json(call, json_pack("{s:s, s:s, s:I, s:s?}", "name", key->text, "algorithm",
							key->algorithm->text, "uses", (json_int_t)uses, "last_use",
							last_s ? when : NULL));
		else
			fprintf(call->out, "%s %s uses %" PRIu64 " last use %s\n", key->text, key->algorithm->text,
				uses, last_s ? when : "never");
	}
	return STATUS_OK;
}

static enum status
run_stop(struct call *call)
{
	call->stop = true;
	return STATUS_OK;
}

/* ---- the table ---- */

static const struct command commands[] = {
	{"add", 1, 1, run_add, false},           {"check", 1, 1, run_check, true},
	{"diff", 3, 3, history_diff, true},      {"dump", 1, 1, history_dump, true},
	{"freeze", 1, 1, run_freeze_zone, true}, {"import", 1, 2, import_run, false},
	{"keys", 0, 0, run_keys, true},          {"log", 1, 1, history_log, true},
	{"reload", 0, 0, run_reload, false},     {"remove", 1, 1, run_remove, false},
	{"rollback", 2, 2, run_rollback, true},  {"snapshot", 1, 1, run_snapshot, true},
	{"status", 0, 0, run_status, true},      {"stop", 0, 0, run_stop, false},
	{"thaw", 1, 1, run_thaw_zone, true},     {"zones", 0, 0, run_zones, true},
};

const struct command *
commands_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

enum status
commands_run(const struct command *command, struct call *call)
{
	if (!command->locks)
		return command->run(call);
	/* Zones stay while a command looks at them. */
	pthread_rwlock_rdlock(&call->gateway->lock);
	enum status status = command->run(call);
	pthread_rwlock_unlock(&call->gateway->lock);
	return status;
}
