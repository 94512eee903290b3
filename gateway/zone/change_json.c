/* The reading half of zone/change_json.h; change_json_write.c has the other. */
#include "zone/change_json.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json_tree.h"
#include "wire/present.h"
#include "wire/name.h"
#include <stdarg.h>
#include <stdio.h>

struct decoder {
	const uint8_t *zone;
	struct arena *arena; /* NULL for chunks */
	char *reason;
	enum status status;
};

static bool PRINTF_LIKE(3, 4)
fail(struct decoder *in, enum status status, const char *format, ...)
{
	va_list args;

	in->status = status;
	va_start(args, format);
	vsnprintf(in->reason, CHANGE_JSON_REASON_SIZE, format, args);
	va_end(args);
	return false;
}

static bool
no_room(struct decoder *in)
{
	return fail(in, STATUS_LIMIT, "no room for it in memory");
}

/* A member that must be a string. */
static const char *
need_string(struct decoder *in, const struct json_node *object, const char *key)
{
	const char *text = json_tree_text(json_tree_get(object, key));
	if (!text)
		fail(in, STATUS_MALFORMED, "\"%s\" is missing or no string", key);
	return text;
}

static bool
need_integer(struct decoder *in, const struct json_node *object, const char *key, uint64_t least, uint64_t most,
	     uint64_t *out)
{
	const struct json_node *value = json_tree_get(object, key);

	if (!value || value->kind != JSON_KIND_INTEGER || value->integer < 0 || (uint64_t)value->integer < least ||
	    (uint64_t)value->integer > most)
		return fail(in, STATUS_MALFORMED, "\"%s\" is missing, no integer or out of range", key);
	*out = (uint64_t)value->integer;
	return true;
}

static bool
need_hex(struct decoder *in, const struct json_node *object, const char *key, uint8_t *out, size_t size)
{
	const struct json_node *value = json_tree_get(object, key);

	if (!json_tree_text(value) || value->size != 2 * size || !bytes_from_hex(value->text, 2 * size, out))
		return fail(in, STATUS_MALFORMED, "\"%s\" is missing or not %zu hex digits", key, 2 * size);
	return true;
}

static bool
need_time(struct decoder *in, const struct json_node *object, const char *key, uint64_t *out)
{
	const char *text = need_string(in, object, key);

	if (!text)
		return false;
	*out = clock_from_text(text);
	return *out || fail(in, STATUS_MALFORMED, "\"%s\" is no time", key);
}

/* Absent is false. */
static bool
may_be_true(struct decoder *in, const struct json_node *object, const char *key, bool *out)
{
	const struct json_node *value = json_tree_get(object, key);

	if (value && value->kind != JSON_KIND_TRUE && value->kind != JSON_KIND_FALSE)
		return fail(in, STATUS_MALFORMED, "\"%s\" is neither true nor false", key);
	*out = value && value->kind == JSON_KIND_TRUE;
	return true;
}

/* An owner relative to the zone, in lower case, into NAME_MAX_SIZE octets. */
static bool
read_owner(struct decoder *in, const struct json_node *value, uint8_t *owner)
{
	const char *text = json_tree_text(value);

	if (!text || !*text)
		return fail(in, STATUS_MALFORMED, "an owner name is missing or no string");
	if (name_from_text(text, value->size, in->zone, owner) != STATUS_OK)
		return fail(in, STATUS_MALFORMED, "an owner name is no name");
	name_lower(owner, owner);
	if (!name_is_within(owner, in->zone))
		return fail(in, STATUS_MALFORMED, "an owner name is outside the zone");
	return true;
}

static bool
read_type(struct decoder *in, const struct json_node *object, uint16_t *type)
{
	const char *text = need_string(in, object, "type");

	if (!text)
		return false;
	if (rrtype_from_text(text, type) != STATUS_OK)
		return fail(in, STATUS_MALFORMED, "\"type\" is no type");
	if (rrtype_is_meta(*type))
		return fail(in, STATUS_MALFORMED, "a meta type cannot be in a zone");
	return true;
}

static bool
read_rdata(struct decoder *in, const struct json_node *value, uint16_t type, uint8_t *rdata, size_t *size)
{
	char why[PRESENT_REASON_SIZE] = "";
	const char *text = json_tree_text(value);

	if (!text)
		return fail(in, STATUS_MALFORMED, "\"content\" is no string");
	if (present_parse(type, text, value->size, NULL, rdata, RDATA_MAX_SIZE, size, why) != STATUS_OK)
		return fail(in, STATUS_MALFORMED, "\"content\": %.150s", why);
	return true;
}

/* One RDATA packed (zone/rrset.h) into the arena. */
static bool
read_one(struct decoder *in, const struct json_node *value, struct rrset *rrset)
{
	uint8_t packed[2 + RDATA_MAX_SIZE];
	size_t size;

	if (!read_rdata(in, value, rrset->type, packed + 2, &size))
		return false;
	uint16_t short_size = (uint16_t)size;
	memcpy(packed, &short_size, 2);
	rrset->count = 1;
	rrset->packed_size = (uint32_t)size + 2;
	rrset->packed = arena_copy(in->arena, packed, rrset->packed_size);
	return rrset->packed || no_room(in);
}

/* A list of them. */
static bool
read_list(struct decoder *in, const struct json_node *list, struct rrset *rrset)
{
	size_t count = json_tree_count(list), used = 0, room = 0;
	uint8_t *packed = NULL;

	if (count == 0 || count > UINT16_MAX)
		return fail(in, STATUS_MALFORMED, "\"content\" of a SET is no list of records");
	for (const struct json_node *each = json_tree_first(list); each; each = each->next) {
		struct rrset one = {.type = rrset->type};
		if (!read_one(in, each, &one))
			return false;
		if (used + one.packed_size > room) {
			room = 2 * room + one.packed_size + 64;
			uint8_t *bigger = arena_alloc(in->arena, room);
			if (!bigger)
				return no_room(in);
			if (used)
				memcpy(bigger, packed, used);
			packed = bigger;
		}
		memcpy(packed + used, one.packed, one.packed_size);
		used += one.packed_size;
	}
	rrset->count = (uint16_t)count;
	rrset->packed = packed;
	rrset->packed_size = (uint32_t)used;
	return true;
}

static bool
read_op(struct decoder *in, const struct json_node *object, struct change_op *op)
{
	uint8_t owner[NAME_MAX_SIZE];
	uint64_t ttl_s = 0;
	const struct json_node *content = json_tree_get(object, "content");
	const char *kind = need_string(in, object, "op");

	if (!kind)
		return false;
	*op = (struct change_op){0};
	if (strcmp(kind, "ADD") == 0)
		op->kind = CHANGE_ADD;
	else if (strcmp(kind, "SET") == 0)
		op->kind = CHANGE_SET;
	else if (strcmp(kind, "DEL") == 0)
		op->kind = CHANGE_DEL;
	else
		return fail(in, STATUS_UNSUPPORTED, "an \"op\" that this version does not know");
	if (!read_owner(in, json_tree_get(object, "record"), owner) || !read_type(in, object, &op->rrset.type))
		return false;
	op->owner = arena_copy(in->arena, owner, name_size(owner));
	if (!op->owner)
		return no_room(in);
	if (op->kind != CHANGE_DEL && !need_integer(in, object, "ttl", 0, INT32_MAX, &ttl_s)) /* RFC 2181 8 */
		return false;
	op->rrset.ttl_s = (uint32_t)ttl_s;
	if (op->kind == CHANGE_SET)
		return read_list(in, content, &op->rrset);
	if (op->kind == CHANGE_DEL && !content)
		return true;
	return read_one(in, content, &op->rrset);
}

/* An op that we do not know is told of before anything that is wrong: what we do not know we cannot call wrong. */
static bool
knows_ops(struct decoder *in, const struct json_node *list)
{
	for (const struct json_node *op = json_tree_first(list); op; op = op->next) {
		const char *kind = json_tree_text(json_tree_get(op, "op"));
		if (kind && strcmp(kind, "ADD") != 0 && strcmp(kind, "SET") != 0 && strcmp(kind, "DEL") != 0)
			return fail(in, STATUS_UNSUPPORTED, "an \"op\" that this version does not know");
	}
	return true;
}

static bool
read_ops(struct decoder *in, const struct json_node *root, struct change *change)
{
	const struct json_node *list = json_tree_get(root, "ops");

	if (!list)
		return true;
	if (list->kind != JSON_KIND_ARRAY)
		return fail(in, STATUS_MALFORMED, "\"ops\" is no list");
	if (!knows_ops(in, list))
		return false;
	change->op_count = list->count;
	change->ops = arena_alloc(in->arena, change->op_count * sizeof *change->ops + 1);
	if (!change->ops)
		return no_room(in);
	const struct json_node *each = list->first;
	for (size_t i = 0; each; each = each->next)
		if (!read_op(in, each, &change->ops[i++]))
			return false;
	return true;
}

static bool
read_reads(struct decoder *in, const struct json_node *root, struct change *change)
{
	const struct json_node *list = json_tree_get(root, "reads");
	uint8_t owner[NAME_MAX_SIZE];

	if (!list)
		return true;
	if (list->kind != JSON_KIND_ARRAY)
		return fail(in, STATUS_MALFORMED, "\"reads\" is no list");
	change->read_count = list->count;
	change->reads = arena_alloc(in->arena, change->read_count * sizeof *change->reads + 1);
	if (!change->reads)
		return no_room(in);
	const struct json_node *each = list->first;
	for (size_t i = 0; each; each = each->next, i++) {
		if (!read_owner(in, each, owner))
			return false;
		change->reads[i] = arena_copy(in->arena, owner, name_size(owner));
		if (!change->reads[i])
			return no_room(in);
	}
	return true;
}

static bool
read_text(struct decoder *in, const struct json_node *object, const char *key, const char **out)
{
	const struct json_node *value = json_tree_get(object, key);

	if (!value)
		return true;
	if (!json_tree_text(value))
		return fail(in, STATUS_MALFORMED, "\"%s\" is no string", key);
	*out = arena_text(in->arena, value->text);
	return *out || no_room(in);
}

static bool
read_origin(struct decoder *in, const struct json_node *root, struct change_origin *origin)
{
	const struct json_node *object = json_tree_get(root, "origin");
	uint64_t id = 0;

	if (!object || object->kind != JSON_KIND_OBJECT)
		return fail(in, STATUS_MALFORMED, "\"origin\" is missing or no object");
	origin->has_id = json_tree_get(object, "id") != NULL;
	origin->has_mac = json_tree_get(object, "mac") != NULL;
	if (!read_text(in, object, "gateway", &origin->gateway) || !read_text(in, object, "client", &origin->client) ||
	    !read_text(in, object, "transport", &origin->transport) || !read_text(in, object, "key", &origin->key) ||
	    !read_text(in, object, "command", &origin->command) || !may_be_true(in, object, "store", &origin->store))
		return false;
	if (origin->has_id && !need_integer(in, object, "id", 0, UINT16_MAX, &id))
		return false;
	origin->id = (uint16_t)id;
	return !origin->has_mac || need_hex(in, object, "mac", origin->mac, CHANGE_MAC_SIZE);
}

/* The id becomes part of a store's keys. */
static bool
is_snapshot_id(const char *text)
{
	size_t size = strlen(text);
	return size > 0 && size <= 64 &&
	       strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == size;
}

static bool
read_snapshot(struct decoder *in, const struct json_node *root, struct change *change)
{
	const struct json_node *object = json_tree_get(root, "snapshot");
	uint64_t chunks;

	if (!object)
		return true;
	struct change_snapshot *snapshot = arena_alloc(in->arena, sizeof *snapshot);
	if (!snapshot)
		return no_room(in);
	*snapshot = (struct change_snapshot){0};
	if (!read_text(in, object, "id", &snapshot->id))
		return false;
	if (!snapshot->id || !is_snapshot_id(snapshot->id))
		return fail(in, STATUS_MALFORMED, "\"snapshot\" has no \"id\" that can be one");
	if (!need_integer(in, object, "chunks", 0, UINT32_MAX, &chunks) ||
	    !need_integer(in, object, "records", 0, INT64_MAX, &snapshot->records) ||
	    !need_hex(in, object, "sha256", snapshot->sha256, sizeof snapshot->sha256))
		return false;
	snapshot->chunks = (uint32_t)chunks;
	change->snapshot = snapshot;
	return true;
}

static bool
read_optional(struct decoder *in, const struct json_node *root, struct change *change)
{
	uint64_t serial = 0;
	bool frozen = false;

	if (json_tree_get(root, "serial") && !need_integer(in, root, "serial", 1, UINT32_MAX, &serial))
		return false;
	change->serial = (uint32_t)serial;
	if (!may_be_true(in, root, "exclusive", &change->exclusive) ||
	    !may_be_true(in, root, "removed", &change->removed) || !may_be_true(in, root, "frozen", &frozen))
		return false;
	change->frozen = json_tree_get(root, "frozen") ? frozen : -1;
	if (json_tree_get(root, "until") && !need_time(in, root, "until", &change->until_us))
		return false;
	return read_snapshot(in, root, change);
}

static bool
read_head(struct decoder *in, const struct json_node *root, struct change *change)
{
	uint8_t zone[NAME_MAX_SIZE];
	const char *text = need_string(in, root, "zone");

	if (!text)
		return false;
	if (name_from_text(text, strlen(text), NULL, zone) != STATUS_OK || !name_equal(zone, in->zone))
		return fail(in, STATUS_MALFORMED, "\"zone\" is another zone");
	change->zone = in->zone;
	return need_integer(in, root, "base", 0, INT64_MAX, &change->base) &&
	       need_hex(in, root, "base_id", change->base_id, VERSION_ID_SIZE) &&
	       need_time(in, root, "time", &change->time_us) && read_origin(in, root, &change->origin);
}

static bool
read_change(struct decoder *in, const struct json_node *root, struct change *change)
{
	/* Unknown ops come first: whatever else a later version has changed, this one must stop here. */
	if (!knows_ops(in, json_tree_get(root, "ops")))
		return false;
	if (!read_head(in, root, change) || !read_optional(in, root, change) || !read_reads(in, root, change) ||
	    !read_ops(in, root, change))
		return false;
	if ((change->op_count > 0) + (change->snapshot != NULL) + (change->frozen >= 0) + change->removed != 1)
		return fail(in, STATUS_MALFORMED,
			    "neither \"ops\" nor one of \"snapshot\", \"frozen\", \"removed\", or more than one");
	if (change->until_us && change->frozen != 1)
		return fail(in, STATUS_MALFORMED, "\"until\" without a freeze");
	return true;
}

/* A JSON object, in memory of the caller's; NULL: it is none. */
static const struct json_node *
load(struct decoder *in, const uint8_t *bytes, size_t size, struct arena *scratch)
{
	const struct json_node *root = NULL;
	const char *why = "";
	char *text = arena_copy(scratch, bytes, size);
	enum status status = text ? json_tree_read(text, size, scratch, &root, &why) : STATUS_LIMIT;

	if (status == STATUS_LIMIT)
		return no_room(in), NULL;
	if (status)
		return fail(in, STATUS_MALFORMED, "no JSON: %s", why), NULL;
	if (root->kind != JSON_KIND_OBJECT)
		return fail(in, STATUS_MALFORMED, "no JSON object"), NULL;
	return root;
}

/* A quote inside a JSON text is escaped, so the first match is the member. */
uint64_t
change_json_time(const uint8_t *record, size_t size)
{
	static const char member[] = "\"time\":\"";
	const char *at = memmem(record, size, member, sizeof member - 1), *end = (const char *)record + size;
	char text[40] = "";

	if (!at)
		return 0;
	at += sizeof member - 1;
	for (size_t i = 0; i < sizeof text - 1 && at + i < end && at[i] != '"'; i++)
		text[i] = at[i];
	return clock_from_text(text);
}

enum status
change_json_decode(const uint8_t *record, size_t size, const uint8_t *zone, struct arena *arena, struct change *change,
                   char *reason)
{
	struct decoder in = {.zone = zone, .arena = arena, .reason = reason};
	struct change made = {.frozen = -1};
	struct arena scratch;

	if (size > CHANGE_MAX_SIZE) {
		fail(&in, STATUS_MALFORMED, "over %d octets", CHANGE_MAX_SIZE);
		return in.status;
	}
	arena_init(&scratch, JSON_TREE_ARENA(size));
	const struct json_node *root = load(&in, record, size, &scratch);
	if (root && read_change(&in, root, &made))
		*change = made;
	arena_free(&scratch);
	return in.status;
}

/* Into the draft, record by record; a duplicate is no error: it is the same content. */
static bool
read_entry(struct decoder *in, const struct json_node *object, struct draft *draft)
{
	uint8_t owner[NAME_MAX_SIZE], rdata[RDATA_MAX_SIZE];
	const struct json_node *list = json_tree_get(object, "content");
	uint64_t ttl_s;
	uint16_t type;
	size_t size;

	if (!read_owner(in, json_tree_get(object, "record"), owner) || !read_type(in, object, &type) ||
	    !need_integer(in, object, "ttl", 0, INT32_MAX, &ttl_s))
		return false;
	if (!list || list->kind != JSON_KIND_ARRAY)
		return fail(in, STATUS_MALFORMED, "\"content\" is no list");
	for (const struct json_node *each = list->first; each; each = each->next) {
		if (!read_rdata(in, each, type, rdata, &size))
			return false;
		enum status status = draft_add(draft, owner, type, (uint32_t)ttl_s, rdata, size);
		if (status != STATUS_OK && status != STATUS_EXISTS)
			return fail(in, status, "a record was not taken: %s", status_text(status));
	}
	return true;
}

enum status
change_json_read_chunk(const uint8_t *chunk, size_t size, struct draft *draft, char *reason)
{
	struct decoder in = {.zone = draft->version->apex, .reason = reason};
	struct arena scratch;

	arena_init(&scratch, JSON_TREE_ARENA(size));
	const struct json_node *root = load(&in, chunk, size, &scratch);
	const struct json_node *each = json_tree_first(json_tree_get(root, "records"));
	while (each && read_entry(&in, each, draft))
		each = each->next;
	arena_free(&scratch);
	return in.status;
}
