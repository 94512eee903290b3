#include "store/etcd_grpc.h"
#include "base/bytes.h"
#include "base/json_tree.h"
#include <stdlib.h>

#define FRAME_SIZE 5
#define MESSAGE_MAX (1u << 30)

/* ---- the messages, from etcd's rpc.proto and kv.proto ---- */

enum kind { BYTES, TEXT, NUMBER, FLAG, WORD, MESSAGE, KEY_VALUE };

struct shape;

struct field {
	const char *name;
	uint8_t number;
	enum kind kind;
	bool many;
	const struct shape *shape;         /* MESSAGE */
	const char *const *words;          /* WORD: by their number, then NULL */
};

struct shape { const struct field *fields; size_t count; };

#define FIELD(name, number, kind) {name, number, kind, false, NULL, NULL}
#define WORDS(name, number, words) {name, number, WORD, false, NULL, words}
#define ONE(name, number, shape) {name, number, MESSAGE, false, shape, NULL}
#define MANY(name, number, shape) {name, number, MESSAGE, true, shape, NULL}
#define KEY_VALUES(name, number, many) {name, number, KEY_VALUE, many, NULL, NULL}
#define SHAPE(name, ...) \
	static const struct field name##_fields[] = {__VA_ARGS__}; \
	static const struct shape name = {name##_fields, ARRAY_SIZE(name##_fields)}

static const char *const results[] = {"EQUAL", "GREATER", "LESS", "NOT_EQUAL", NULL};
static const char *const targets[] = {"VERSION", "CREATE", "MOD", "VALUE", "LEASE", NULL};
static const char *const orders[] = {"NONE", "ASCEND", "DESCEND", NULL};
static const char *const sorts[] = {"KEY", "VERSION", "CREATE", "MOD", "VALUE", NULL};

SHAPE(compare, WORDS("result", 1, results), WORDS("target", 2, targets), FIELD("key", 3, BYTES),
      FIELD("version", 4, NUMBER), FIELD("create_revision", 5, NUMBER), FIELD("mod_revision", 6, NUMBER),
      FIELD("value", 7, BYTES), FIELD("lease", 8, NUMBER), FIELD("range_end", 64, BYTES));
SHAPE(range, FIELD("key", 1, BYTES), FIELD("range_end", 2, BYTES), FIELD("limit", 3, NUMBER),
      FIELD("revision", 4, NUMBER), WORDS("sort_order", 5, orders), WORDS("sort_target", 6, sorts),
      FIELD("keys_only", 8, FLAG), FIELD("count_only", 9, FLAG), FIELD("min_mod_revision", 10, NUMBER));
SHAPE(put_request, FIELD("key", 1, BYTES), FIELD("value", 2, BYTES), FIELD("lease", 3, NUMBER));
SHAPE(delete_range, FIELD("key", 1, BYTES), FIELD("range_end", 2, BYTES));
static const struct shape txn;
SHAPE(request, ONE("request_range", 1, &range), ONE("request_put", 2, &put_request),
      ONE("request_delete_range", 3, &delete_range), ONE("request_txn", 4, &txn));
static const struct field txn_fields[] = {MANY("compare", 1, &compare), MANY("success", 2, &request),
                                          MANY("failure", 3, &request)};
static const struct shape txn = {txn_fields, ARRAY_SIZE(txn_fields)};
SHAPE(grant, FIELD("TTL", 1, NUMBER), FIELD("ID", 2, NUMBER));
SHAPE(lease_id, FIELD("ID", 1, NUMBER));

SHAPE(header, FIELD("revision", 3, NUMBER));
SHAPE(range_answer, ONE("header", 1, &header), KEY_VALUES("kvs", 2, true), FIELD("more", 3, FLAG),
      FIELD("count", 4, NUMBER));
SHAPE(written, ONE("header", 1, &header));
SHAPE(deleted, ONE("header", 1, &header), FIELD("deleted", 2, NUMBER));
static const struct shape txn_answer;
SHAPE(answer, ONE("response_range", 1, &range_answer), ONE("response_put", 2, &written),
      ONE("response_delete_range", 3, &deleted), ONE("response_txn", 4, &txn_answer));
static const struct field txn_answer_fields[] = {ONE("header", 1, &header), FIELD("succeeded", 2, FLAG),
                                                 MANY("responses", 3, &answer)};
static const struct shape txn_answer = {txn_answer_fields, ARRAY_SIZE(txn_answer_fields)};
SHAPE(granted, ONE("header", 1, &header), FIELD("ID", 2, NUMBER), FIELD("TTL", 3, NUMBER));
SHAPE(time_to_live, ONE("header", 1, &header), FIELD("ID", 2, NUMBER), FIELD("TTL", 3, NUMBER),
      FIELD("grantedTTL", 4, NUMBER));

enum { KV_KEY = 1, KV_MOD_REVISION = 3, KV_VERSION = 4, KV_VALUE = 5, KV_LEASE = 6 };

static const char *const event_types[] = {"PUT", "DELETE", NULL};
SHAPE(create_watch, FIELD("key", 1, BYTES), FIELD("range_end", 2, BYTES), FIELD("start_revision", 3, NUMBER));
SHAPE(watch, ONE("create_request", 1, &create_watch));
SHAPE(event, WORDS("type", 1, event_types), KEY_VALUES("kv", 2, false));
SHAPE(watched, ONE("header", 1, &header), FIELD("created", 3, FLAG), FIELD("canceled", 4, FLAG),
      FIELD("compact_revision", 5, NUMBER), FIELD("cancel_reason", 6, TEXT), MANY("events", 11, &event));

struct etcd_grpc_call { const char *json, *grpc; const struct shape *request, *answer; };

static const struct etcd_grpc_call calls[] = {
	{"/v3/kv/range", "/etcdserverpb.KV/Range", &range, &range_answer},
	{"/v3/kv/put", "/etcdserverpb.KV/Put", &put_request, &written},
	{"/v3/kv/deleterange", "/etcdserverpb.KV/DeleteRange", &delete_range, &deleted},
	{"/v3/kv/txn", "/etcdserverpb.KV/Txn", &txn, &txn_answer},
	{"/v3/lease/grant", "/etcdserverpb.Lease/LeaseGrant", &grant, &granted},
	{"/v3/lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive", &lease_id, &time_to_live},
	{"/v3/watch", "/etcdserverpb.Watch/Watch", &watch, &watched},
};

const struct etcd_grpc_call *
etcd_grpc_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (strcmp(calls[i].json, path) == 0)
			return &calls[i];
	return NULL;
}

const char *
etcd_grpc_path(const struct etcd_grpc_call *call)
{
	return call->grpc;
}

/* ---- requests ---- */

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };

static void
put_varint(struct etcd_text *out, uint64_t value)
{
	char octets[10];
	size_t size = 0;

	do {
		octets[size++] = (char)((value & 127) | (value > 127 ? 128 : 0));
		value >>= 7;
	} while (value);
	etcd_text_put(out, octets, size);
}

static void
put_bytes(struct etcd_text *out, const struct field *field, const char *bytes, size_t size)
{
	put_varint(out, (uint64_t)field->number << 3 | WIRE_BYTES);
	put_varint(out, size);
	if (size)
		etcd_text_put(out, bytes, size);
}

/* Decoded where it stands: the text is written over. */
static bool
put_base64(struct etcd_text *out, const struct field *field, const struct json_node *value)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)value->text;
	size_t size = value->size / 4 * 3;

	if (value->size && !bytes_from_base64(value->text, value->size, bytes, &size))
		return false;
	put_bytes(out, field, value->text, size);
	return true;
}

static bool
number_of(const struct field *field, const struct json_node *value, uint64_t *number)
{
	const char *text = json_tree_text(value);

	if (field->kind == FLAG)
		*number = value->kind == JSON_KIND_TRUE;
	else if (field->kind == NUMBER && value->kind == JSON_KIND_INTEGER)
		*number = (uint64_t)value->integer;
	else if (field->kind == NUMBER && text)
		*number = strtoull(text, NULL, 10);
	else if (field->kind == WORD && text)
		for (*number = 0; field->words[*number] && strcmp(field->words[*number], text) != 0; ++*number)
			;
	else
		return false;
	return field->kind != WORD || field->words[*number];
}

static bool put_message(struct etcd_text *out, const struct shape *shape, const struct json_node *object);

static bool
put_value(struct etcd_text *out, const struct field *field, const struct json_node *value)
{
	struct etcd_text inner = {0};
	uint64_t number;

	switch (field->kind) {
	case BYTES:
		return value->kind == JSON_KIND_STRING && put_base64(out, field, value);
	case MESSAGE:;
		bool made = value->kind == JSON_KIND_OBJECT && put_message(&inner, field->shape, value);
		if (made)
			put_bytes(out, field, inner.text, inner.size);
		etcd_text_free(&inner);
		return made;
	default:
		if (!number_of(field, value, &number))
			return false;
		put_varint(out, (uint64_t)field->number << 3 | WIRE_VARINT);
		put_varint(out, number); /* 0 too: compares tell it from nothing */
		return true;
	}
}

static bool
put_message(struct etcd_text *out, const struct shape *shape, const struct json_node *object)
{
	size_t known = 0;

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *field = &shape->fields[i];
		const struct json_node *value = json_tree_get(object, field->name);
		if (!value)
			continue;
		known++;
		if (!field->many) {
			if (!put_value(out, field, value))
				return false;
			continue;
		}
		for (value = json_tree_first(value); value; value = value->next)
			if (!put_value(out, field, value))
				return false;
	}
	return known == object->count && !out->failed;
}

bool
etcd_grpc_encode(const struct etcd_grpc_call *call, const char *body, size_t size, struct etcd_text *out)
{
	static const char frame[FRAME_SIZE]; /* not compressed, length */
	const struct json_node *root;
	struct etcd_text copy = {0};
	const char *reason;
	struct arena arena;

	arena_init(&arena, JSON_TREE_ARENA(size));
	etcd_text_put(&copy, body, size);
	out->size = 0;
	etcd_text_put(out, frame, FRAME_SIZE);
	bool made = !copy.failed && json_tree_read(copy.text, size, &arena, &root, &reason) == STATUS_OK &&
		    root->kind == JSON_KIND_OBJECT && put_message(out, call->request, root) && !out->failed;
	etcd_text_free(&copy);
	arena_free(&arena);
	if (made)
		bytes_put_u32((uint8_t *)out->text + 1, (uint32_t)(out->size - FRAME_SIZE));
	return made;
}

/* ---- answers ---- */

struct input { const uint8_t *at, *end; };

static bool
take_varint(struct input *in, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t octet = *in->at++;
		*value |= (uint64_t)(octet & 127) << shift;
		if (octet < 128)
			return true;
	}
	return false;
}

/* A field's number; a varint's value, or the octets. Fixed ones are passed over as octets. */
static bool
take_field(struct input *in, uint64_t *number, enum wire *wire, uint64_t *value, struct input *bytes)
{
	uint64_t tag, size;

	if (!take_varint(in, &tag))
		return false;
	*number = tag >> 3;
	*wire = (enum wire)(tag & 7);
	if (*wire == WIRE_VARINT)
		return take_varint(in, value);
	if (*wire == WIRE_FIXED64 || *wire == WIRE_FIXED32)
		size = *wire == WIRE_FIXED64 ? 8 : 4;
	else if (*wire != WIRE_BYTES || !take_varint(in, &size))
		return false;
	if (size > (uint64_t)(in->end - in->at))
		return false;
	*bytes = (struct input){in->at, in->at + size};
	in->at += size;
	return true;
}

static const struct field *
find_field(const struct shape *shape, uint64_t number, enum wire wire)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *field = &shape->fields[i];
		bool octets = field->kind != NUMBER && field->kind != FLAG && field->kind != WORD;
		if (field->number == number)
			return (octets ? wire == WIRE_BYTES : wire == WIRE_VARINT) ? field : NULL;
	}
	return NULL;
}

static json_t *take_message(struct input in, const struct shape *shape, unsigned depth);

static bool
store_value(json_t *object, const struct field *field, json_t *value)
{
	if (!field->many)
		return json_object_set_new_nocheck(object, field->name, value) == 0;
	json_t *list = json_object_get(object, field->name);
	if (!list && json_object_set_new_nocheck(object, field->name, list = json_array()) != 0)
		return false;
	return json_array_append_new(list, value) == 0;
}

static json_t *
word_of(const struct field *field, uint64_t value)
{
	for (uint64_t i = 0; field->words[i]; i++)
		if (i == value)
			return json_string(field->words[i]);
	return json_integer((json_int_t)value);
}

/* One field into the object; those that are not known are passed over. */
static bool
take_value(struct input *in, json_t *object, const struct shape *shape, unsigned depth)
{
	struct input bytes = {NULL, NULL};
	uint64_t number, value = 0;
	enum wire wire;
	json_t *made;

	if (!take_field(in, &number, &wire, &value, &bytes))
		return false;
	const struct field *field = find_field(shape, number, wire);
	if (!field)
		return true;
	if (field->kind == MESSAGE)
		made = take_message(bytes, field->shape, depth + 1);
	else if (wire == WIRE_BYTES)
		made = json_stringn_nocheck((const char *)bytes.at, (size_t)(bytes.end - bytes.at));
	else if (field->kind == WORD)
		made = word_of(field, value);
	else
		made = field->kind == FLAG ? json_boolean(value) : json_integer((json_int_t)value);
	return made && store_value(object, field, made);
}

static json_t *
take_message(struct input in, const struct shape *shape, unsigned depth)
{
	json_t *object = depth < ETCD_GRPC_DEPTH ? json_object() : NULL;

	while (object && in.at < in.end)
		if (!take_value(&in, object, shape, depth)) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* With a NUL behind them. */
static char *
copy_octets(const uint8_t *octets, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy) {
		memcpy(copy, octets, size);
		copy[size] = '\0';
	}
	return copy;
}

bool
etcd_grpc_key_value(const char *bytes, size_t size, struct etcd_kv *kv)
{
	struct input in = {(const uint8_t *)bytes, (const uint8_t *)bytes + size}, key = in, value = in;
	uint64_t *const numbers[] = {
		[KV_MOD_REVISION] = &kv->revision, [KV_VERSION] = &kv->version, [KV_LEASE] = &kv->lease};

	key.end = value.end = in.at;
	*kv = (struct etcd_kv){0};
	while (in.at < in.end) {
		struct input octets = {NULL, NULL};
		uint64_t field, number = 0;
		enum wire wire;
		if (!take_field(&in, &field, &wire, &number, &octets))
			return false;
		if (wire == WIRE_BYTES && field == KV_KEY)
			key = octets;
		else if (wire == WIRE_BYTES && field == KV_VALUE)
			value = octets;
		else if (wire == WIRE_VARINT && field < ARRAY_SIZE(numbers) && numbers[field])
			*numbers[field] = number;
	}
	kv->key_size = (size_t)(key.end - key.at);
	kv->value_size = (size_t)(value.end - value.at);
	kv->key = copy_octets(key.at, kv->key_size);
	kv->value = copy_octets(value.at, kv->value_size);
	if (kv->key && kv->value)
		return true;
	etcd_kv_free(kv);
	return false;
}

json_t *
etcd_grpc_decode(const struct etcd_grpc_call *call, const char *bytes, size_t size)
{
	const uint8_t *at = (const uint8_t *)bytes;

	if (size < FRAME_SIZE || at[0] != 0 || bytes_get_u32(at + 1) != size - FRAME_SIZE || size > MESSAGE_MAX)
		return NULL;
	return take_message((struct input){at + FRAME_SIZE, at + size}, call->answer, 0);
}
