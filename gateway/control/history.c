#include "control/history.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "wire/present.h"
#include "zone/change.h"
#include "zone/change_json.h"
#include "zone/master.h"
#include "zone/zonemd.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FOLLOW_MS 100

/* ---- content at a version ---- */

/* Either the current version, pinned, or one that was rebuilt. */
struct content {
	const struct zone_version *version;
	struct zone_version *pinned;
	struct draft draft;
};

static void
content_close(struct content *content)
{
	if (content->pinned)
		version_unpin(content->pinned);
	draft_drop(&content->draft);
}

static enum status
content_open(struct call *call, struct zone *zone, uint64_t version, struct content *content)
{
	struct store *store = zone->store;
	char why[STORE_REASON_SIZE] = "";

	*content = (struct content){.pinned = call_pin(call, zone)};
	if (!content->pinned)
		return STATUS_NOT_FOUND;
	content->version = content->pinned;
	if (content->pinned->version == version)
		return STATUS_OK;
	if (version > content->pinned->version || version == 0)
		return call_fail(call, STATUS_NOT_FOUND, "there is no version %" PRIu64 " of %s, which is at %" PRIu64,
				 version, zone->text, content->pinned->version);
	enum status status = draft_begin(&content->draft, NULL, zone->name);
	if (status == STATUS_OK)
		status = store->ops->content_at(store, zone, version, &content->draft, why);
	if (status != STATUS_OK)
		return call_fail(call, status, "version %" PRIu64 ": %s", version, why[0] ? why : status_text(status));
	content->version = content->draft.version;
	return STATUS_OK;
}

/* ---- places in history ---- */

static bool
is_number(const char *text)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0';
}

bool
history_parse_version(struct call *call, const char *text, uint64_t *version)
{
	if (is_number(text) && strlen(text) < 20) {
		*version = strtoull(text, NULL, 10);
		return true;
	}
	call_fail(call, STATUS_INVALID, "%.100s is no version", text);
	return false;
}

struct time_search {
	uint64_t time_us, at, first;
};

static bool
find_last_before(void *context, const struct store_entry *entry)
{
	struct time_search *search = context;
	if (change_json_time(entry->record, entry->size) <= search->time_us)
		search->at = entry->version;
	return true;
}

static bool
find_first_after(void *context, const struct store_entry *entry)
{
	struct time_search *search = context;
	if (change_json_time(entry->record, entry->size) < search->time_us) {
		search->at = entry->version;
		return true;
	}
	return false;
}

/* What is kept of the history after `from`; *oldest: where that begins. */
static enum status
read_kept(struct zone *zone, uint64_t from, struct store_oldest *oldest, store_entry_fn *each, void *context)
{
	struct store *store = zone->store;
	enum status status = STATUS_NOT_FOUND;

	/* Trimming may go on meanwhile: look again. */
	for (int i = 0; i < 3 && status == STATUS_NOT_FOUND; i++) {
		store->ops->oldest(store, zone, oldest);
		status = store->ops->read(store, zone, from > oldest->version ? from : oldest->version, UINT64_MAX,
					  each, context);
	}
	return status;
}

static enum status
history_fail(struct call *call, const struct zone *zone, enum status status)
{
	const struct store *store = zone->store;

	if (status == STATUS_RETRY || status == STATUS_STOP)
		return call_fail(call, status,
				 "the history of %s cannot be read now: store %s %s; the gateway's log says why",
				 zone->text, store->name,
				 atomic_load(&store->connected) ? "did not answer" : "is not connected");
	return call_fail(call, status, "the history of %s: %s", zone->text, status_text(status));
}

/* VERSION, or TIME: the last version at or before it. */
static enum status
find_version(struct call *call, struct zone *zone, const char *text, uint64_t *version)
{
	if (is_number(text))
		return history_parse_version(call, text, version) ? STATUS_OK : STATUS_INVALID;
	struct time_search search = {.time_us = clock_from_text(text)};
	if (search.time_us == 0)
		return call_fail(call, STATUS_INVALID, "%.100s is neither a version nor an RFC 3339 time", text);
	struct store_oldest oldest;
	enum status status = read_kept(zone, 0, &oldest, find_last_before, &search);
	if (status != STATUS_OK)
		return history_fail(call, zone, status);
	if (search.at == 0 && oldest.time_us > 0 && oldest.time_us <= search.time_us)
		search.at = oldest.version;
	if (search.at == 0)
		return call_fail(call, STATUS_NOT_FOUND, "no version of %s that is kept was there at %.40s", zone->text,
				 text);
	*version = search.at;
	return STATUS_OK;
}

/* ---- dump ---- */

static enum status
dump_record_json(struct call *call, const char *owner, const struct rrset *rrset, struct rdata rdata, char *text)
{
	char type[RRTYPE_TEXT_SIZE];
	size_t length;
	enum status status = present_rdata(rrset->type, rdata.bytes, rdata.size, text, PRESENT_TEXT_SIZE, &length);

	if (status == STATUS_OK)
		call_print_json(call, json_pack("{s:s, s:I, s:s, s:s}", "name", owner, "ttl", (json_int_t)rrset->ttl_s,
						"type", rrtype_to_text(rrset->type, type), "content", text));
	return status;
}

static enum status
dump_json(struct call *call, const struct zone_version *version)
{
	size_t count;
	const struct node **nodes = version_sorted(version, &count);
	char *text = malloc(PRESENT_TEXT_SIZE), owner_text[NAME_TEXT_SIZE];
	enum status status = nodes && text ? STATUS_OK : STATUS_NO_MEMORY;

	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		uint8_t owner[NAME_MAX_SIZE];
		const uint8_t *at = NULL;
		struct rrset rrset;
		node_owner(nodes[i], version->apex, owner);
		name_to_text(owner, owner_text);
		while (status == STATUS_OK && node_next(nodes[i], &at, &rrset)) {
			const uint8_t *packed = rrset.packed;
			for (unsigned k = 0; status == STATUS_OK && k < rrset.count; k++)
				status = dump_record_json(call, owner_text, &rrset, rrset_next(&packed), text);
		}
	}
	free(nodes);
	free(text);
	return status;
}

static enum status
dump_version(struct call *call, const struct zone_version *version)
{
	const char *hash = call_option(call, "zonemd-hash");
	struct zonemd zonemd;

	if (call->json)
		return dump_json(call, version);
	if (!hash && !call_flag(call, "zonemd"))
		return master_write(version, call->out);
	enum status status =
		zonemd_compute(version, hash && strcmp(hash, "sha512") == 0 ? DIGEST_SHA512 : DIGEST_SHA384, &zonemd);
	return status == STATUS_OK ? master_write_digested(version, &zonemd.rrset, call->out) : status;
}

/* RFC 8976: what was asked for is what there is. */
static bool
dump_options_good(struct call *call)
{
	const char *hash = call_option(call, "zonemd-hash");

	if (hash && strcmp(hash, "sha384") != 0 && strcmp(hash, "sha512") != 0)
		return call_fail(call, STATUS_INVALID, "--zonemd-hash is sha384 or sha512"), false;
	if (call->json && (hash || call_flag(call, "zonemd")))
		return call_fail(call, STATUS_INVALID, "--zonemd is for master files, not for --json"), false;
	return true;
}

enum status
history_dump(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	const char *at = call_option(call, "at");
	struct content content = {0};
	uint64_t version = 0;

	if (!zone)
		return STATUS_NOT_FOUND;
	if (!dump_options_good(call))
		return STATUS_INVALID;
	if (at) {
		enum status status = find_version(call, zone, at, &version);
		if (status == STATUS_OK)
			status = content_open(call, zone, version, &content);
		if (status != STATUS_OK) {
			content_close(&content);
			return status;
		}
	} else {
		content.pinned = call_pin(call, zone);
		if (!content.pinned)
			return STATUS_NOT_FOUND;
		content.version = content.pinned;
	}
	enum status status = dump_version(call, content.version);
	content_close(&content);
	return status == STATUS_OK ? STATUS_OK : call_fail(call, status, "%s: %s", zone->text, status_text(status));
}

/* ---- log ---- */

struct log_walk {
	struct call *call;
	struct zone *zone;
	struct store_oldest oldest;
	uint64_t last; /* version that was handled last */
	bool any;      /* was there one? */
	bool raw, verify;
	/* verify */
	bool broken;
	uint8_t id[VERSION_ID_SIZE];
	uint64_t count;
};

static void
id_to_text(const uint8_t id[VERSION_ID_SIZE], char *out)
{
	for (size_t i = 0; i < VERSION_ID_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
}

static const char *
member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "-";
}

static void
print_op(FILE *out, const json_t *op)
{
	const json_t *content = json_object_get(op, "content"), *ttl = json_object_get(op, "ttl");
	size_t i;
	const json_t *item;

	fprintf(out, " %s %s", member_text(op, "op"), member_text(op, "record"));
	if (ttl)
		fprintf(out, " %" JSON_INTEGER_FORMAT, json_integer_value(ttl));
	fprintf(out, " %s", member_text(op, "type"));
	if (json_is_string(content))
		fprintf(out, " %s", json_string_value(content));
	json_array_foreach(content, i, item)
		fprintf(out, "%s %s", i ? "," : "", json_string_value(item) ? json_string_value(item) : "");
	fputc(';', out);
}

/* One line: version serial time key client, then what it did. */
static void
print_change(FILE *out, const struct store_entry *entry)
{
	json_t *change = json_loadb((const char *)entry->record, entry->size, 0, NULL);
	const json_t *origin = json_object_get(change, "origin"), *op, *snapshot = json_object_get(change, "snapshot");
	const char *command = json_string_value(json_object_get(origin, "command"));
	size_t i;

	fprintf(out, "%" PRIu64 " %" PRIu32 " %s %s %s", entry->version, entry->serial, member_text(change, "time"),
		member_text(origin, "key"), member_text(origin, "client"));
	if (!change)
		fputs(" (not a change)", out);
	if (command)
		fprintf(out, " %s:", command);
	if (json_object_get(change, "frozen"))
		fputs(json_is_true(json_object_get(change, "frozen")) ? " frozen" : " thawed", out);
	if (json_object_get(change, "removed"))
		fputs(" removed", out);
	if (snapshot)
		fprintf(out, " all content replaced: %" JSON_INTEGER_FORMAT " records",
			json_integer_value(json_object_get(snapshot, "records")));
	json_array_foreach(json_object_get(change, "ops"), i, op) print_op(out, op);
	fputc('\n', out);
	json_decref(change);
}

static bool
log_print(void *context, const struct store_entry *entry)
{
	struct log_walk *walk = context;
	FILE *out = walk->call->out;
	char id[2 * VERSION_ID_SIZE + 1];

	walk->last = entry->version;
	walk->any = true;
	if (walk->raw) {
		fprintf(out, "%.*s\n", (int)entry->size, (const char *)entry->record);
	} else if (walk->call->json) {
		id_to_text(entry->id, id);
		fprintf(out, "{\"version\":%" PRIu64 ",\"serial\":%" PRIu32 ",\"id\":\"%s\",\"change\":%.*s}\n",
			entry->version, entry->serial, id, (int)entry->size, (const char *)entry->record);
	} else {
		print_change(out, entry);
	}
	return !ferror(out);
}

static bool
log_verify(void *context, const struct store_entry *entry)
{
	struct log_walk *walk = context;
	uint8_t id[VERSION_ID_SIZE];

	/* The chain begins with the id of the oldest version that is kept. */
	if (walk->count == 0) {
		memcpy(walk->id, walk->oldest.id, VERSION_ID_SIZE);
		walk->last = walk->oldest.version;
	}
	change_id(walk->id, entry->record, entry->size, id);
	if (memcmp(id, entry->id, VERSION_ID_SIZE) != 0 || entry->version != walk->last + 1) {
		walk->broken = true;
		walk->last = entry->version;
		return false;
	}
	memcpy(walk->id, id, VERSION_ID_SIZE);
	walk->last = entry->version;
	walk->count++;
	return true;
}

/*
 * Where a zone is served, its history must end in what is served. A zone that failed is looked at too: its history
 * may be why.
 */
static enum status
log_verify_end(struct log_walk *walk, const struct zone_version *served)
{
	if (!served || walk->count == 0)
		return STATUS_OK;
	bool same = walk->last != served->version || memcmp(walk->id, served->id, VERSION_ID_SIZE) == 0;
	if (walk->last >= served->version && same)
		return STATUS_OK;
	return call_fail(walk->call, STATUS_INVALID,
			 "the history of %s ends at version %" PRIu64 ", which is not what is served: version %" PRIu64,
			 walk->zone->text, walk->last, served->version);
}

static enum status
log_verify_zone(struct log_walk *walk)
{
	struct call *call = walk->call;
	/* Before the walk: what comes meanwhile is not looked at. */
	struct zone_version *version = call_pin(call, walk->zone);
	char id[2 * VERSION_ID_SIZE + 1];

	enum status status = read_kept(walk->zone, 0, &walk->oldest, log_verify, walk);
	if (walk->count == 0 && walk->oldest.version < UINT64_MAX) { /* nothing has come since */
		memcpy(walk->id, walk->oldest.id, VERSION_ID_SIZE);
		walk->last = walk->oldest.version;
	}
	if (status != STATUS_OK)
		history_fail(call, walk->zone, status);
	else if (walk->broken)
		status = call_fail(call, STATUS_INVALID, "the history of %s breaks at version %" PRIu64,
				   walk->zone->text, walk->last);
	else
		status = log_verify_end(walk, version);
	if (version)
		version_unpin(version);
	if (status != STATUS_OK)
		return status;
	id_to_text(walk->id, id);
	if (call->json)
		call_print_json(call, json_pack("{s:s, s:I, s:I, s:s}", "name", walk->zone->text, "changes",
						(json_int_t)walk->count, "version", (json_int_t)walk->last, "id", id));
	else
		fprintf(call->out, "%s %" PRIu64 " changes verified, version %" PRIu64 ", id %s\n", walk->zone->text,
			walk->count, walk->last, id);
	return STATUS_OK;
}

/* Who asks for what has come since then must not take a part of it for all. */
static enum status
log_since_trimmed(struct call *call, const struct zone *zone, const char *since, const struct store_oldest *oldest)
{
	char time[CLOCK_TEXT_SIZE] = "an unknown time";

	if (oldest->time_us > 0)
		clock_to_text(oldest->time_us, time);
	return call_fail(call, STATUS_NOT_FOUND,
			 "not all changes of %s since %.40s are kept: the first is version %" PRIu64
			 ", and what is before %s is gone",
			 zone->text, since, oldest->version + 1, time);
}

/* --since: VERSION, or the version before the first one at or after TIME. */
static enum status
log_find_since(struct call *call, struct zone *zone, uint64_t *from)
{
	const char *since = call_option(call, "since");
	struct store *store = zone->store;
	struct store_oldest oldest;

	if (!since)
		return STATUS_OK;
	if (is_number(since)) {
		if (!history_parse_version(call, since, from))
			return STATUS_INVALID;
		store->ops->oldest(store, zone, &oldest);
		bool trimmed = *from < oldest.version && oldest.version < UINT64_MAX;
		return trimmed ? log_since_trimmed(call, zone, since, &oldest) : STATUS_OK;
	}
	struct time_search search = {.time_us = clock_from_text(since)};
	if (search.time_us == 0)
		return call_fail(call, STATUS_INVALID, "%.100s is neither a version nor an RFC 3339 time", since);
	enum status status = read_kept(zone, 0, &oldest, find_first_after, &search);
	if (status != STATUS_OK)
		return history_fail(call, zone, status);
	if (search.time_us <= oldest.time_us)
		return log_since_trimmed(call, zone, since, &oldest);
	*from = search.at;
	return STATUS_OK;
}

/*
 * New changes as they come. The lock is given back between two looks, so that the zone may go, or all.
 */
static enum status
log_follow(struct log_walk *walk)
{
	struct call *call = walk->call;
	enum status status = STATUS_OK;

	while (status == STATUS_OK) {
		fflush(call->out);
		pthread_rwlock_unlock(&call->gateway->lock);
		bool gone = call->gone(call, FOLLOW_MS);
		pthread_rwlock_rdlock(&call->gateway->lock);
		if (gone)
			return STATUS_OK;
		walk->zone = call_zone(call, call->arguments[0]);
		if (!walk->zone)
			return STATUS_NOT_FOUND;
		status = read_kept(walk->zone, walk->last, &walk->oldest, log_print, walk);
	}
	return history_fail(call, walk->zone, status);
}

enum status
history_log(struct call *call)
{
	struct log_walk walk = {.call = call, .zone = call_zone(call, call->arguments[0])};

	if (!walk.zone)
		return STATUS_NOT_FOUND;
	walk.raw = call_flag(call, "raw");
	if (call_flag(call, "verify"))
		return log_verify_zone(&walk);
	uint64_t from = 0;
	enum status status = log_find_since(call, walk.zone, &from);
	if (status != STATUS_OK)
		return status;
	walk.last = from;
	status = read_kept(walk.zone, from, &walk.oldest, log_print, &walk);
	if (status != STATUS_OK)
		return history_fail(call, walk.zone, status);
	if (!walk.any && from == 0 && !walk.raw && !call->json && walk.oldest.version > 0 &&
	    walk.oldest.version < UINT64_MAX)
		fprintf(call->out, "the history of %s begins at version %" PRIu64 ", nothing has changed since\n",
			walk.zone->text, walk.oldest.version);
	return call_flag(call, "follow") ? log_follow(&walk) : STATUS_OK;
}

/* ---- diff ---- */

struct diff_pair {
	const struct node *old_node, *new_node;
	uint8_t *owner;
};

struct diff {
	struct call *call;
	const uint8_t *apex;
	struct diff_pair *pairs;
	size_t count, room;
	enum status status;
	char *line; /* PRESENT_TEXT_SIZE + NAME_TEXT_SIZE */
};

static int
diff_compare(const void *a, const void *b)
{
	return name_compare(((const struct diff_pair *)a)->owner, ((const struct diff_pair *)b)->owner);
}

/* The records of an RRset that a node does not have; one with another TTL is another record. */
static struct rrset_missing
node_missing(const struct rrset *rrset, const struct node *other)
{
	struct rrset have, nothing = {.type = rrset->type};
	bool same = other && node_rrset(other, rrset->type, &have) && have.ttl_s == rrset->ttl_s;

	return rrset_missing_begin(rrset, same ? &have : &nothing);
}

/* Does `node` have a record that `other` lacks? */
static bool
node_has_more(const struct node *node, const struct node *other)
{
	const uint8_t *at = NULL;
	struct rrset rrset, record;

	while (node && node_next(node, &at, &rrset)) {
		struct rrset_missing walk = node_missing(&rrset, other);
		if (rrset_missing_next(&walk, &record))
			return true;
	}
	return false;
}

static bool
diff_collect(void *context, const struct node *old_node, const struct node *new_node)
{
	struct diff *diff = context;
	uint8_t owner[NAME_MAX_SIZE];

	if (!node_has_more(old_node, new_node) && !node_has_more(new_node, old_node))
		return true;
	if (diff->count == diff->room) {
		diff->room = diff->room ? 2 * diff->room : 256;
		struct diff_pair *pairs = realloc(diff->pairs, diff->room * sizeof *pairs);
		if (!pairs) {
			diff->status = STATUS_NO_MEMORY;
			return false;
		}
		diff->pairs = pairs;
	}
	size_t size = node_owner(new_node ? new_node : old_node, diff->apex, owner);
	uint8_t *copy = malloc(size);
	if (!copy) {
		diff->status = STATUS_NO_MEMORY;
		return false;
	}
	diff->pairs[diff->count++] = (struct diff_pair){old_node, new_node, memcpy(copy, owner, size)};
	return true;
}

static void
diff_print_record(struct diff *diff, const struct diff_pair *pair, const struct rrset *rrset, struct rdata rdata,
		  char sign)
{
	enum status status = master_record(pair->owner, rrset->type, rrset->ttl_s, rdata.bytes, rdata.size, diff->line,
					   PRESENT_TEXT_SIZE + NAME_TEXT_SIZE);

	if (status != STATUS_OK)
		diff->status = status;
	else if (diff->call->json)
		call_print_json(diff->call, json_pack("{s:s#, s:s}", "op", &sign, 1, "record", diff->line));
	else
		fprintf(diff->call->out, "%c%s\n", sign, diff->line);
}

/* Records of `of` that `other` does not have. */
static void
diff_print_node(struct diff *diff, const struct diff_pair *pair, const struct node *of, const struct node *other,
		char sign)
{
	const uint8_t *at = NULL;
	struct rrset rrset, record;

	while (of && diff->status == STATUS_OK && node_next(of, &at, &rrset)) {
		struct rrset_missing walk = node_missing(&rrset, other);
		while (diff->status == STATUS_OK && rrset_missing_next(&walk, &record))
			diff_print_record(diff, pair, &record, rrset_first(&record), sign);
	}
}

static enum status
diff_print(struct call *call, const struct zone_version *from, const struct zone_version *to)
{
	struct diff diff = {.call = call, .apex = to->apex, .line = malloc(PRESENT_TEXT_SIZE + NAME_TEXT_SIZE)};

	if (!diff.line)
		return STATUS_NO_MEMORY;
	tree_diff(&from->tree, &to->tree, diff_collect, &diff);
	qsort(diff.pairs, diff.count, sizeof *diff.pairs, diff_compare);
	for (size_t i = 0; i < diff.count; i++) {
		const struct diff_pair *pair = &diff.pairs[i];
		diff_print_node(&diff, pair, pair->old_node, pair->new_node, '-');
		diff_print_node(&diff, pair, pair->new_node, pair->old_node, '+');
		free(pair->owner);
	}
	free(diff.pairs);
	free(diff.line);
	return diff.status;
}

enum status
history_diff(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	struct content from = {0}, to = {0};
	uint64_t from_version, to_version;

	if (!zone)
		return STATUS_NOT_FOUND;
	enum status status = find_version(call, zone, call->arguments[1], &from_version);
	if (status == STATUS_OK)
		status = find_version(call, zone, call->arguments[2], &to_version);
	if (status == STATUS_OK)
		status = content_open(call, zone, from_version, &from);
	if (status == STATUS_OK)
		status = content_open(call, zone, to_version, &to);
	if (status == STATUS_OK) {
		status = diff_print(call, from.version, to.version);
		if (status != STATUS_OK)
			call_fail(call, status, "%s", status_text(status));
	}
	content_close(&from);
	content_close(&to);
	return status;
}
