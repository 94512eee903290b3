/*
 * API v2, layout helix: a list is a recursive GET, a watch is a long poll for each event, a commit is a PUT or DELETE
 * with prevIndex.
 *
 * v2 has no transactions. A change is put whole under a journal key beside the prefix (PREFIX.journal/ZONE), which only
 * one gateway can have at a time. Then its writer reads up to the journal: has nothing that the change looked at
 * changed until then, it is applied key by key, and then the journal goes. Readers show what came in between as one
 * change. Whoever finds a journal left behind completes it.
 */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include <stdio.h>
#include <stdlib.h>

#define LONG_POLL_MS 20000
#define JOURNAL_PATIENCE_MS 2000
#define OPEN_AGAIN_MS 5
#define BARRIER_PATIENCE_MS 50
#define WRITES_AT_ONCE 8
#define PATH_SIZE (3 * ETCD_FOREIGN_KEY_SIZE + 200)

static void
key_path(const char *key, const char *query, char *out)
{
	char escaped[3 * ETCD_FOREIGN_KEY_SIZE + 1];

	http_escape(key, strlen(key), escaped);
	snprintf(out, PATH_SIZE, "/v2/keys%s%s", escaped, query);
}

static void
zone_directory(const struct etcd_zone *at, char *out)
{
	char path[ETCD_PATH_SIZE];

	etcd_layout_path(at->name, path);
	snprintf(out, ETCD_FOREIGN_KEY_SIZE, "%.1024s%s%s", at->etcd->settings.prefix, path[0] ? "/" : "", path);
}

/* A node as a key; its end is in seconds, from its TTL. */
static bool
read_node(const json_t *node, struct etcd_kv *kv)
{
	const char *key = json_string_value(json_object_get(node, "key")),
		   *value = json_string_value(json_object_get(node, "value"));
	json_int_t ttl_s = json_integer_value(json_object_get(node, "ttl"));

	*kv = (struct etcd_kv){.key = key ? strdup(key) : NULL,
			       .value = strdup(value ? value : ""),
			       .revision = etcd_client_number(node, "modifiedIndex"),
			       .directory = json_is_true(json_object_get(node, "dir"))};
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

static char *
form_of(const char *value, size_t size)
{
	static const char name[] = "value=";
	char *form = malloc(sizeof name + 3 * size);

	if (form) {
		memcpy(form, name, sizeof name);
		http_escape(value, size, form + sizeof name - 1);
	}
	return form;
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
	if (value)
		*form = form_of(json_string_value(value), json_string_length(value));
}

/* Nobody's journal leads elsewhere. */
static bool
is_in_prefix(const struct etcd_zone *at, const char *key)
{
	size_t size = strlen(at->etcd->settings.prefix);

	return key && strncmp(key, at->etcd->settings.prefix, size) == 0 &&
	       (key[size] == '/' || strncmp(key + size, ".frozen/", 8) == 0);
}

/* Each write again: one that is in already, or that another has overwritten since, fails its compare and stays. */
static void
repair_next(struct repair *repair)
{
	struct etcd_zone *at = repair->at;
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE], *form = NULL;
	const json_t *write = json_array_get(repair->writes, repair->next);
	const char *method = "DELETE";

	if (repair->next > json_array_size(repair->writes)) {
		repair_end(repair);
		return;
	}
	etcd_foreign_note_key(at, "journal", key);
	if (write) {
		const json_t *value = json_object_get(write, "value");
		const char *name = json_string_value(json_object_get(write, "key"));
		write_path(is_in_prefix(at, name) ? name : key, json_is_string(value) ? value : NULL,
			   etcd_client_number(write, "prevIndex"), path, &form);
		method = json_is_string(value) ? "PUT" : "DELETE";
	} else {
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
complete_journal(struct etcd_zone *at, const json_t *answer)
{
	const char *value = json_string_value(json_object_get(json_object_get(answer, "node"), "value"));
	struct repair *repair = calloc(1, sizeof *repair);

	if (!repair)
		return;
	json_t *json = value ? json_loads(value, 0, NULL) : NULL;
	repair->at = at;
	repair->writes = json_incref(json_object_get(json, "writes"));
	json_decref(json);
	log_warning("journal left behind is completed", "zone=%s", at->zone->text);
	repair_next(repair);
}

static void
on_journal(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	if (!etcd_came_back(at) || answer->outcome == ETCD_UNKNOWN || answer->outcome == ETCD_UNSENT)
		return;
	if (answer->outcome != ETCD_DONE) { /* it has gone */
		at->held = false;
		etcd_foreign_emit(at, answer->revision ? at->mirror->last : at->revision);
		return;
	}
	complete_journal(at, answer->json);
}

static void
look_at_journal(struct etcd_zone *at)
{
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE];

	if (!at->held || at->calls || clock_monotonic_ms() - at->held_ms < JOURNAL_PATIENCE_MS)
		return;
	for (const struct etcd_item *item = at->etcd->items; item; item = item->next)
		if (item->at == at && item->writes && ((const struct etcd_writes *)item->writes)->phase != ETCD_V2_OPEN)
			return; /* our own */
	at->held_ms = clock_monotonic_ms();
	etcd_foreign_note_key(at, "journal", key);
	key_path(key, "?quorum=true", path);
	if (etcd_client_v2(at->etcd->client, "GET", path, NULL, ETCD_REQUEST_MS, on_journal, at) == STATUS_OK)
		at->calls++;
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

/* A list in the middle of a change is none: again, once the journal has gone. */
static void
on_list_journal(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	if (!etcd_came_back(at))
		return;
	if (answer->outcome == ETCD_ABSENT) {
		at->blocked_ms = 0;
		etcd_foreign_listed(at, at->list.revision);
		return;
	}
	if (answer->outcome != ETCD_DONE) {
		etcd_list_failed(at, answer);
		return;
	}
	at->state = ETCD_ZONE_NEW;
	at->retry_ms = clock_monotonic_ms() + ETCD_RETRY_MS;
	if (!at->blocked_ms)
		at->blocked_ms = clock_monotonic_ms();
	else if (clock_monotonic_ms() - at->blocked_ms > JOURNAL_PATIENCE_MS)
		complete_journal(at, answer->json);
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
	ask_note(at, "journal", on_list_journal);
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
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE];

	zone_directory(at, key);
	key_path(key, "?recursive=true&quorum=true", path);
	if (etcd_client_v2(at->etcd->client, "GET", path, NULL, ETCD_LONG_MS, on_list, at) == STATUS_OK)
		at->calls++;
	else
		etcd_list_failed(at, &(struct etcd_answer){.outcome = ETCD_UNSENT, .reason = "no memory"});
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
		if (strcmp(at->text, kv->key + prefix + 9) != 0)
			continue;
		if (deleted && at->state == ETCD_ZONE_LISTING)
			etcd_relist(at); /* perhaps it was listed in the middle of the change */
		if (at->state != ETCD_ZONE_LIVE || at->relist || kv->revision <= at->revision)
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
	char key[ETCD_FOREIGN_KEY_SIZE];
	bool any = false;

	for (struct etcd_zone *at = etcd->zones; at; at = at->next) {
		zone_directory(at, key);
		if (strncmp(key, kv->key, kv->key_size) == 0 &&
		    (key[kv->key_size] == '\0' || key[kv->key_size] == '/')) {
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
			log_limited(LOG_LEVEL_ERROR, "watch refused", "store=%s reason=%s", etcd->store.name,
				    answer->reason);
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
	snprintf(query, sizeof query, "?wait=true&recursive=true&waitIndex=%llu",
		 (unsigned long long)etcd->watched + 1);
	key_path(parent, query, path);
	etcd->polling = etcd_client_v2(etcd->client, "GET", path, NULL, LONG_POLL_MS, on_event, etcd) == STATUS_OK;
}

bool
etcd_v2_journal(struct etcd *etcd, const struct etcd_kv *kv)
{
	return take_journal(etcd, kv, kv->deleted);
}

/* ---- commit ---- */

static void send_writes(struct etcd_item *item);

static char *
journal_text(const struct etcd_writes *writes)
{
	json_t *list = json_array();
	uint8_t unique[16];
	char unique_text[33];

	random_bytes(unique, sizeof unique);
	bytes_to_hex(unique, sizeof unique, unique_text);
	for (size_t i = 0; list && i < writes->count; i++) {
		const struct etcd_write *write = &writes->items[i];
		json_array_append_new(list, json_pack("{s:s, s:s?, s:I}", "key", write->key, "value", write->value,
						      "prevIndex", (json_int_t)write->revision));
	}
	json_t *journal = list ? json_pack("{s:s, s:o}", "unique", unique_text, "writes", list) : NULL;
	char *text = journal ? json_dumps(journal, JSON_COMPACT) : NULL;
	json_decref(journal);
	return text;
}

static void
again_in(struct etcd_item *item, unsigned ms)
{
	item->retry_ms = clock_monotonic_ms() + ms;
}

/* A request about the journal. Only the one that removes it makes events wait for its answer. */
static void
send_journal(struct etcd_item *item, const char *method, const char *query, const char *value, etcd_done_fn *done)
{
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE], *form = NULL;

	etcd_foreign_note_key(item->at, "journal", key);
	key_path(key, query, path);
	if (value)
		form = form_of(value, strlen(value));
	item->sequence = strcmp(method, "DELETE") == 0 ? ++item->etcd->sequence : UINT64_MAX;
	item->sent = (form || !value) &&
	             etcd_client_v2(item->etcd->client, method, path, form, ETCD_REQUEST_MS, done, item) == STATUS_OK;
	free(form);
	if (!item->sent)
		again_in(item, ETCD_RETRY_MS);
}

/* Nothing leads back to an item that is done, or whose zone has gone. */
static bool
goes_on(struct etcd_item *item)
{
	if (!item->done && !item->at)
		etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
	return !item->done;
}

static void
on_closed(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	struct etcd_writes *writes = item->writes;

	item->sent = false;
	if (!goes_on(item))
		return;
	if (answer->outcome != ETCD_DONE && answer->outcome != ETCD_ABSENT && answer->outcome != ETCD_COMPARE) {
		again_in(item, ETCD_RETRY_MS);
		return;
	}
	if (writes->phase == ETCD_V2_ABANDON) {
		etcd_lost(item);
	} else if (writes->refused == writes->count) {
		etcd_fail(item, STATUS_REFUSED,
			  "etcd takes none of its keys: is there a directory, or a key, in their way?");
	} else {
		item->written = etcd_client_number(json_object_get(answer->json, "node"), "modifiedIndex");
		if (answer->outcome != ETCD_DONE || item->written <= item->at->revision)
			etcd_foreign_tell(item); /* another has completed it */
	}
}

static void
close_journal(struct etcd_item *item)
{
	char query[40];

	snprintf(query, sizeof query, "?prevIndex=%llu",
		 (unsigned long long)((struct etcd_writes *)item->writes)->journal);
	send_journal(item, "DELETE", query, NULL, on_closed);
}

static void
on_written(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	struct etcd_writes *writes = item->writes;

	item->sent = --writes->under_way > 0;
	if (!goes_on(item))
		return;
	if (answer->outcome == ETCD_REFUSED || answer->outcome == ETCD_DENIED) {
		log_error("key not written", "zone=%s reason=%s", item->at->zone->text, answer->reason);
		writes->refused++;
	} else if (answer->outcome == ETCD_UNKNOWN || answer->outcome == ETCD_UNSENT) {
		writes->again = true; /* all of them: what is in already fails its compare */
	}
	send_writes(item); /* a key that another wrote meanwhile stays as that wrote it: it came later */
}

static bool
send_write(struct etcd_item *item, const struct etcd_write *write)
{
	char path[PATH_SIZE], *form = NULL;
	json_t *value = write->value ? json_string(write->value) : NULL;

	write_path(write->key, value, write->revision, path, &form);
	json_decref(value);
	bool sent = etcd_client_v2(item->etcd->client, write->value ? "PUT" : "DELETE", path, form, ETCD_REQUEST_MS,
				   on_written, item) == STATUS_OK;
	free(form);
	return sent;
}

static void
send_writes(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;

	while (writes->next < writes->count && writes->under_way < WRITES_AT_ONCE &&
	       send_write(item, &writes->items[writes->next])) {
		writes->next++;
		writes->under_way++;
		item->sent = true;
		item->sequence = UINT64_MAX;
	}
	if (writes->under_way)
		return;
	if (writes->again || writes->next < writes->count) {
		writes->again = false;
		writes->next = writes->refused = 0;
		again_in(item, ETCD_RETRY_MS);
		return;
	}
	writes->phase = ETCD_V2_CLOSE;
	close_journal(item);
}

/* Everything until the journal has been read: do the compares hold? */
static void
check_reads(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;
	struct etcd_zone *at = item->at;

	bool live = at->state == ETCD_ZONE_LIVE && !at->relist;
	if (live && at->revision < writes->journal && at->etcd->taken < writes->journal &&
	    clock_monotonic_ms() - item->since_ms < JOURNAL_PATIENCE_MS) {
		again_in(item, 1);
		return;
	}
	if (live && (at->revision >= writes->journal || at->etcd->taken >= writes->journal) &&
	    etcd_foreign_unchanged(item)) {
		writes->phase = ETCD_V2_WRITE;
		send_writes(item);
		return;
	}
	writes->phase = ETCD_V2_ABANDON;
	close_journal(item);
}

static void
opened(struct etcd_item *item, const json_t *json)
{
	struct etcd_writes *writes = item->writes;

	writes->journal = etcd_client_number(json_object_get(json, "node"), "modifiedIndex");
	writes->phase = ETCD_V2_READ;
	item->since_ms = clock_monotonic_ms();
	check_reads(item);
}

/* No answer came when it was put, and now there is one: is it ours? */
static void
on_looked(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;
	const char *value = json_string_value(json_object_get(json_object_get(answer->json, "node"), "value"));

	item->sent = false;
	if (!goes_on(item))
		return;
	if (answer->outcome == ETCD_DONE && value && strcmp(value, ((struct etcd_writes *)item->writes)->text) == 0)
		opened(item, answer->json);
	else
		again_in(item, OPEN_AGAIN_MS);
}

static void
on_opened(void *context, const struct etcd_answer *answer)
{
	struct etcd_item *item = context;

	item->sent = false;
	if (!goes_on(item))
		return;
	switch (answer->outcome) {
	case ETCD_DONE:
		opened(item, answer->json);
		break;
	case ETCD_COMPARE: /* one is open */
		if (item->verify)
			send_journal(item, "GET", "?quorum=true", NULL, on_looked);
		else
			again_in(item, OPEN_AGAIN_MS);
		break;
	case ETCD_UNKNOWN:
		item->verify = true;
		again_in(item, ETCD_RETRY_MS);
		break;
	case ETCD_UNSENT:
		if (item->verify)
			again_in(item, ETCD_RETRY_MS);
		else
			etcd_fail(item, STATUS_RETRY, answer->reason);
		break;
	default:
		etcd_fail(item, answer->outcome == ETCD_DENIED ? STATUS_STOP : STATUS_REFUSED, answer->reason);
	}
}

static void
open_journal(struct etcd_item *item)
{
	struct etcd_writes *writes = item->writes;

	if (!item->verify && (item->at->state != ETCD_ZONE_LIVE || !etcd_foreign_unchanged(item))) {
		etcd_lost(item);
		return;
	}
	if (!item->verify && clock_monotonic_ms() - item->since_ms > JOURNAL_PATIENCE_MS) {
		etcd_fail(item, STATUS_RETRY, "other changes of the zone are under way");
		return;
	}
	if (!writes->text)
		writes->text = journal_text(writes);
	if (!writes->text)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
	else if (item->at->held && !item->verify) /* another's is open */
		again_in(item, OPEN_AGAIN_MS);
	else
		send_journal(item, "PUT", "?prevExist=false", writes->text, on_opened);
}

/* The next step: at first, and whenever a wait is over. */
void
etcd_v2_commit(struct etcd_item *item)
{
	switch (((struct etcd_writes *)item->writes)->phase) {
	case ETCD_V2_OPEN: open_journal(item); break;
	case ETCD_V2_READ: check_reads(item); break;
	case ETCD_V2_WRITE: send_writes(item); break;
	case ETCD_V2_CLOSE:
	case ETCD_V2_ABANDON: close_journal(item); break;
	}
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
	/* All up to now; where the watch does not see what came last, up to the youngest key. */
	uint64_t most = answer->json ? youngest(json_object_get(answer->json, "node"), NAME_MAX_LABELS + 2) : 0;
	item->wanted = answer->revision > most ? answer->revision : most;
	item->wanted = item->wanted ? item->wanted : 1;
	item->verify = item->at->revision >= most || item->etcd->taken >= most;
	again_in(item, BARRIER_PATIENCE_MS);
}

void
etcd_v2_barrier(struct etcd_item *item)
{
	char path[PATH_SIZE], key[ETCD_FOREIGN_KEY_SIZE];

	if (item->verify) {
		etcd_lost(item);
		return;
	}
	zone_directory(item->at, key);
	key_path(key, "?recursive=true&quorum=true", path);
	item->sent = etcd_client_v2(item->etcd->client, "GET", path, NULL, ETCD_LONG_MS, on_barrier, item) == STATUS_OK;
	if (!item->sent)
		etcd_fail(item, STATUS_NO_MEMORY, "no memory");
}
