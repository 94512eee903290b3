/*
 * API v2, layout helix: a list is a recursive GET, a watch is a long poll for each event, a commit is a PUT or DELETE with prevIndex.
 *
 * v2 has no transactions: a change of several keys is put whole under a journal key beside the prefix (PREFIX.journal/ZONE), applied key by
 * key, and then the journal goes. Readers show what came in between as one change. Whoever finds a journal left behind completes it.
 */
#include "store/etcd_mirror.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

#define LONG_POLL_MS 20000
#define JOURNAL_PATIENCE_MS 2000
#define PATH_SIZE (3 * (1100 + ETCD_PATH_SIZE) + 200)

static void
key_path(const char *key, const char *query, char *out)
{
	char escaped[3 * (1100 + ETCD_PATH_SIZE) + 1];

	http_escape(key, strlen(key), escaped);
	snprintf(out, PATH_SIZE, "/v2/keys%s%s", escaped, query);
}

static void
zone_directory(const struct etcd_zone *at, char *out)
{
	char path[ETCD_PATH_SIZE];

	etcd_layout_path(at->name, path);
	snprintf(out, 1100 + ETCD_PATH_SIZE, "%.1024s%s%s", at->etcd->settings.prefix, path[0] ? "/" : "", path);
}

static void
journal_key(const struct etcd_zone *at, char *out)
{
	snprintf(out, 1100 + ETCD_PATH_SIZE, "%.1024s.journal/%s", at->etcd->settings.prefix, at->text);
}

/* A node as a key; its end is in seconds, from its TTL. */
static bool
read_node(const json_t *node, struct etcd_kv *kv)
{
	const char *key = json_string_value(json_object_get(node, "key")), *value = json_string_value(json_object_get(node, "value"));
	json_int_t ttl_s = json_integer_value(json_object_get(node, "ttl"));

	*kv = (struct etcd_kv){.key = key ? strdup(key) : NULL, .value = strdup(value ? value : ""),
	                       .revision = etcd_client_number(node, "modifiedIndex"), .directory = json_is_true(json_object_get(node, "dir"))};
	if (!kv->key || !kv->value) {
		etcd_kv_free(kv);
		return false;
	}
	kv->key_size = strlen(kv->key);
	kv->value_size = strlen(kv->value);
	if (ttl_s > 0)
		kv->expires_ms = clock_monotonic_ms() + (uint64_t)ttl_s * 1000;
	return true;
}

/* ---- the list ---- */

static bool
is_ours(const struct etcd_zone *at, const struct etcd_kv *kv)
{
	size_t prefix = strlen(at->etcd->settings.prefix) + 1;
	const char *slash = strrchr(kv->key, '/');
	uint8_t name[NAME_MAX_SIZE];
	char unused[ETCD_LAYOUT_REASON_SIZE];

	return !slash || (size_t)(slash - kv->key) < prefix ||
	       etcd_layout_name(kv->key + prefix, (size_t)(slash - kv->key) - prefix, name, unused) != STATUS_OK ||
	       etcd_closest(at->etcd, name) == at;
}

/* All keys at and below a node; the end of a directory is the end of what is in it. */
static void
take_nodes(struct etcd_zone *at, const json_t *node, uint64_t expires_ms, unsigned levels)
{
	const json_t *nodes = json_object_get(node, "nodes");
	struct etcd_kv kv;

	if (!levels || !read_node(node, &kv))
		return;
	if (expires_ms && (!kv.expires_ms || expires_ms < kv.expires_ms))
		kv.expires_ms = expires_ms;
	uint64_t end_ms = kv.expires_ms;
	if (!kv.directory && is_ours(at, &kv))
		etcd_mirror_take(at->mirror, &kv);
	etcd_kv_free(&kv);
	for (size_t i = 0; i < json_array_size(nodes); i++)
		take_nodes(at, json_array_get(nodes, i), end_ms, levels - 1);
}

static void
ask_note(struct etcd_zone *at, const char *kind, etcd_done_fn *done)
{
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE];

	etcd_foreign_note_key(at, kind, key);
	key_path(key, "?quorum=true", path);
	if (etcd_client_v2(at->etcd->client, "GET", path, NULL, ETCD_REQUEST_MS, done, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
}

static void
on_frozen(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	struct etcd_kv kv;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE && answer->outcome != ETCD_ABSENT) {
		etcd_list_failed(at, answer);
		return;
	}
	if (answer->outcome == ETCD_DONE && read_node(json_object_get(answer->json, "node"), &kv)) {
		if (kv.revision <= at->list.revision) { /* else its event is to come */
			etcd_foreign_take_freeze(at, &kv);
			at->mirror->last = kv.revision > at->mirror->last ? kv.revision : at->mirror->last;
		}
		etcd_kv_free(&kv);
	}
	etcd_foreign_listed(at, at->list.revision);
}

static void
on_list(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome != ETCD_DONE && answer->outcome != ETCD_ABSENT) {
		etcd_list_failed(at, answer);
		return;
	}
	if (answer->outcome == ETCD_DONE)
		take_nodes(at, json_object_get(answer->json, "node"), 0, NAME_MAX_LABELS + 2);
	at->list.revision = answer->revision;
	ask_note(at, "frozen", on_frozen);
}

void
etcd_v2_list(struct etcd_zone *at)
{
	char path[PATH_SIZE], key[1100 + ETCD_PATH_SIZE];

	zone_directory(at, key);
	key_path(key, "?recursive=true&quorum=true", path);
	if (etcd_client_v2(at->etcd->client, "GET", path, NULL, ETCD_LONG_MS, on_list, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
}

/* ---- the journal of another gateway ---- */

struct repair { struct etcd_zone *at; json_t *writes; size_t next; };

static void repair_next(struct repair *repair);

static void
repair_end(struct repair *repair)
{
	json_decref(repair->writes);
	free(repair);
}

static void
on_repaired(void *context, const struct etcd_answer *answer)
{
	struct repair *repair = context;

	if (!etcd_came_back(repair->at) || answer->outcome == ETCD_UNKNOWN || answer->outcome == ETCD_UNSENT)
		repair_end(repair); /* again later */
	else
		repair_next(repair);
}

static void
write_path(const char *key, const json_t *value, uint64_t index, char *path, char **form)
{
	char query[64] = "";

	*form = NULL;
	if (index)
		snprintf(query, sizeof query, "?prevIndex=%llu", (unsigned long long)index);
	else if (value)
		snprintf(query, sizeof query, "?prevExist=false");
	key_path(key, query, path);
	if (value) {
		size_t size = json_string_length(value);
		*form = malloc(3 * size + 8);
		if (*form) {
			strcpy(*form, "value=");
			http_escape(json_string_value(value), size, *form + 6);
		}
	}
}

/* Each write again: one that is in already, or that another has overwritten since, fails its compare and stays. */
static void
repair_next(struct repair *repair)
{
	struct etcd_zone *at = repair->at;
	char path[PATH_SIZE], key[1100 + ETCD_PATH_SIZE], *form = NULL;
	const json_t *write = json_array_get(repair->writes, repair->next);
	const char *method = "DELETE";

	if (repair->next > json_array_size(repair->writes)) {
		repair_end(repair);
		return;
	}
	if (write) {
		const json_t *value = json_object_get(write, "value");
		const char *name = json_string_value(json_object_get(write, "key"));
		write_path(name ? name : "/", json_is_string(value) ? value : NULL, etcd_client_number(write, "prevIndex"), path, &form);
		method = json_is_string(value) ? "PUT" : "DELETE";
	} else {
		journal_key(at, key);
		key_path(key, "", path);
	}
	repair->next++;
	if (etcd_client_v2(at->etcd->client, method, path, form, ETCD_REQUEST_MS, on_repaired, repair) == STATUS_OK)
		at->calls++;
	else
		repair_end(repair);
	free(form);
}

static void
on_journal(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;
	const char *value = json_string_value(json_object_get(json_object_get(answer->json, "node"), "value"));

	if (!etcd_came_back(at) || answer->outcome == ETCD_UNKNOWN || answer->outcome == ETCD_UNSENT)
		return;
	if (answer->outcome != ETCD_DONE || !value) { /* it has gone */
		at->held = false;
		etcd_foreign_emit(at, answer->revision ? at->mirror->last : at->revision);
		return;
	}
	struct repair *repair = calloc(1, sizeof *repair);
	if (!repair)
		return;
	repair->at = at;
	repair->writes = json_loads(value, 0, NULL);
	log_warning("journal left behind is completed", "zone=%s", at->zone->text);
	repair_next(repair);
}

static void
look_at_journal(struct etcd_zone *at)
{
	char path[PATH_SIZE], key[1100 + ETCD_PATH_SIZE];

	if (!at->held || at->calls || clock_monotonic_ms() - at->held_ms < JOURNAL_PATIENCE_MS)
		return;
	for (const struct etcd_item *item = at->etcd->items; item; item = item->next)
		if (item->at == at && item->step)
			return; /* our own */
	at->held_ms = clock_monotonic_ms();
	journal_key(at, key);
	key_path(key, "?quorum=true", path);
	if (etcd_client_v2(at->etcd->client, "GET", path, NULL, ETCD_REQUEST_MS, on_journal, at) == STATUS_OK)
		at->calls++;
}

/* ---- the watch ---- */

/* A journal's key: what comes until it goes is one change. */
static bool
take_journal(struct etcd *etcd, const struct etcd_kv *kv, bool deleted)
{
	size_t prefix = strlen(etcd->settings.prefix);

	if (strncmp(kv->key, etcd->settings.prefix, prefix) != 0 || strncmp(kv->key + prefix, ".journal/", 9) != 0)
		return false;
	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		if (strcmp(at->text, kv->key + prefix + 9) != 0 || at->state != ETCD_ZONE_LIVE || kv->revision <= at->revision)
			continue;
		at->held = !deleted;
		at->held_ms = clock_monotonic_ms();
		at->revision = kv->revision;
		if (deleted)
			etcd_foreign_emit(at, kv->revision);
	}
	return true;
}

/* A directory at or above zones. */
static bool
take_directory(struct etcd *etcd, const struct etcd_kv *kv)
{
	char key[1100 + ETCD_PATH_SIZE];
	bool any = false;

	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		zone_directory(at, key);
		if (strncmp(key, kv->key, kv->key_size) == 0 && (key[kv->key_size] == '\0' || key[kv->key_size] == '/')) {
			etcd_relist(at);
			any = true;
		}
	}
	return any;
}

static void
take_event(struct etcd *etcd, const json_t *json)
{
	static const char *const gone[] = {"delete", "expire", "compareAndDelete"};
	const char *action = json_string_value(json_object_get(json, "action"));
	struct etcd_kv kv, *one;

	if (!action || !read_node(json_object_get(json, "node"), &kv))
		return;
	etcd->watched = kv.revision > etcd->watched ? kv.revision : etcd->watched;
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		kv.deleted = kv.deleted || strcmp(action, gone[i]) == 0;
	if (kv.directory && take_directory(etcd, &kv)) {
		etcd_kv_free(&kv);
		return;
	}
	one = malloc(sizeof *one);
	invariant(one);
	*one = kv;
	etcd_add_group(etcd, kv.revision, one, 1);
}

static void
on_event(void *context, const struct etcd_answer *answer)
{
	struct etcd *etcd = context;

	etcd->polling = false;
	if (answer->outcome == ETCD_DONE) {
		take_event(etcd, answer->json);
	} else if (answer->outcome == ETCD_COMPACTED) { /* more than 1,000 events ago */
		etcd->watched = answer->revision;
		for (struct etcd_zone *at = etcd->zones; at; at = at->next)
			etcd_relist(at);
	} else {
		etcd->watch_retry_ms = clock_monotonic_ms() + 50;
		if (answer->outcome == ETCD_REFUSED)
			log_limited(LOG_LEVEL_ERROR, "watch refused", "store=%s reason=%s", etcd->store.name, answer->reason);
	}
	etcd_v2_watch(etcd);
}

void
etcd_v2_watch(struct etcd *etcd)
{
	char path[PATH_SIZE], query[100], parent[1100];

	for (struct etcd_zone *at = etcd->zones; at; at = at->next)
		look_at_journal(at);
	if (etcd->polling || !etcd->watched || clock_monotonic_ms() < etcd->watch_retry_ms)
		return;
	snprintf(parent, sizeof parent, "%.1024s", etcd->settings.prefix);
	strrchr(parent, '/')[1] = '\0'; /* the journal lies beside the prefix */
	snprintf(query, sizeof query, "?wait=true&recursive=true&waitIndex=%llu", (unsigned long long)etcd->watched + 1);
	key_path(parent, query, path);
	etcd->polling = etcd_client_v2(etcd->client, "GET", path, NULL, LONG_POLL_MS, on_event, etcd) == STATUS_OK;
}

bool
etcd_v2_journal(struct etcd *etcd, const struct etcd_kv *kv)
{
	return take_journal(etcd, kv, kv->deleted);
}

/* ---- commit ---- */

static void send_step(struct etcd_item *item);

static char *
journal_text(const struct etcd_writes *writes)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < writes->count; i++) {
		const struct etcd_write *write = &writes->items[i];
		json_array_append_new(list, json_pack("{s:s, s:s?, s:I}", "key", write->key, "value", write->value, "prevIndex",
		                                      (json_int_t)write->revision));
	}
	char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	json_decref(list);
	return text;
}

static void
on_step(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	struct etcd_writes *writes = item->writes;
	bool many = writes->count > 1, last = !many || item->step == writes->count + 1;

	item->sent = false;
	if (item->done)
		return;
	if (!item->at) {
		etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
		return;
	}
	if (answer->outcome == ETCD_UNKNOWN || (answer->outcome == ETCD_UNSENT && item->step)) {
		item->verify = true;
		item->retry_ms = clock_monotonic_ms() + ETCD_RETRY_MS;
	} else if (answer->outcome == ETCD_UNSENT) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
	} else if (answer->outcome == ETCD_DENIED) {
		etcd_fail(item, STATUS_STOP, answer->reason);
	} else if ((answer->outcome == ETCD_COMPARE || answer->outcome == ETCD_ABSENT) && item->step == 0) {
		etcd_foreign_lost(item);
	} else if (answer->outcome == ETCD_REFUSED && item->step == 0) {
		etcd_fail(item, STATUS_REFUSED, answer->reason);
	} else if (last) {
		item->written = etcd_client_number(json_object_get(answer->json, "node"), "modifiedIndex");
		if (!item->written)
			etcd_foreign_lost(item);
	} else { /* a key that another wrote meanwhile stays as that wrote it: it came later */
		item->step++;
		send_step(item);
	}
}

/* Step 0 of many: the journal. Then each write, then the journal goes. */
static void
send_step(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;
	bool many = writes->count > 1;
	size_t n = many ? item->step - 1 : 0;
	char path[PATH_SIZE], key[1100 + ETCD_PATH_SIZE], *form = NULL, *text = NULL;
	const char *method = "PUT";
	json_t *value = NULL;

	if (many && item->step == 0) {
		text = journal_text(writes);
		value = text ? json_string(text) : NULL;
		journal_key(item->at, key);
		write_path(key, value, 0, path, &form);
	} else if (many && item->step == writes->count + 1) {
		method = "DELETE";
		journal_key(item->at, key);
		key_path(key, "", path);
	} else {
		const struct etcd_write *write = &writes->items[n];
		value = write->value ? json_string(write->value) : NULL;
		method = write->value ? "PUT" : "DELETE";
		write_path(write->key, value, write->revision, path, &form);
	}
	json_decref(value);
	free(text);
	item->sequence = ++item->etcd->sequence;
	item->sent = etcd_client_v2(item->etcd->client, method, path, form, ETCD_REQUEST_MS, on_step, item) == STATUS_OK;
	free(form);
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}

void
etcd_v2_commit(struct etcd_item *item)
{
	if (item->at->held && item->step == 0) { /* another's journal is open */
		item->retry_ms = clock_monotonic_ms() + 5;
		return;
	}
	if (item->verify && ((struct etcd_writes *)item->writes)->count == 1) { /* no answer came; what is there now decides */
		item->retry_ms = 0;
		etcd_lost(item);
		return;
	}
	send_step(item);
}

/* ---- barrier ---- */

static uint64_t
youngest(const json_t *node, unsigned levels)
{
	const json_t *nodes = json_object_get(node, "nodes");
	bool directory = json_is_true(json_object_get(node, "dir"));
	uint64_t most = directory ? 0 : etcd_client_number(node, "modifiedIndex");

	for (size_t i = 0; levels && i < json_array_size(nodes); i++) {
		uint64_t one = youngest(json_array_get(nodes, i), levels - 1);
		most = one > most ? one : most;
	}
	return most;
}

static void
on_barrier(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;

	item->sent = false;
	if (item->done)
		return;
	if (!item->at || (answer->outcome != ETCD_DONE && answer->outcome != ETCD_ABSENT)) {
		etcd_fail(item, STATUS_RETRY, answer->reason);
		return;
	}
	item->wanted = answer->json ? youngest(json_object_get(answer->json, "node"), NAME_MAX_LABELS + 2) : 0;
	if (!item->wanted)
		item->wanted = 1;
	if (item->at->revision >= item->wanted || item->at->mirror->last >= item->wanted)
		etcd_lost(item);
}

void
etcd_v2_barrier(struct etcd_item *item)
{
	char path[PATH_SIZE], key[1100 + ETCD_PATH_SIZE];

	zone_directory(item->at, key);
	key_path(key, "?recursive=true&quorum=true", path);
	item->sent = etcd_client_v2(item->etcd->client, "GET", path, NULL, ETCD_LONG_MS, on_barrier, item) == STATUS_OK;
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}
