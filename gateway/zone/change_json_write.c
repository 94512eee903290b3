/* The writing half of zone/change_json.h. */
#include "zone/change_json.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "wire/present.h"
#include "wire/name.h"
#include <stdlib.h>

#define CHUNK_SIZE (512 * 1024)

/* Text being written: grows in an arena up to CHANGE_MAX_SIZE, or stays in the fixed block of a chunk (arena NULL). */
struct text {
	struct arena *arena;
	char *base, *at, *end;
	bool failed; /* sticky: there was no room */
};

static bool
text_grow(struct text *out, size_t wanted)
{
	size_t used = (size_t)(out->at - out->base), size = (size_t)(out->end - out->base);

	if (out->failed || !out->arena || used + wanted > CHANGE_MAX_SIZE + PRESENT_TEXT_SIZE) {
		out->failed = true;
		return false;
	}
	size = size * 2 > used + wanted ? size * 2 : used + wanted;
	char *bigger = arena_alloc(out->arena, size);
	if (!bigger) {
		out->failed = true;
		return false;
	}
	if (used)
		memcpy(bigger, out->base, used);
	*out = (struct text){out->arena, bigger, bigger + used, bigger + size, false};
	return true;
}

static inline bool
text_room(struct text *out, size_t wanted)
{
	return (!out->failed && (size_t)(out->end - out->at) >= wanted) || text_grow(out, wanted);
}

static inline void
put(struct text *out, const char *text, size_t size)
{
	if (!text_room(out, size))
		return;
	memcpy(out->at, text, size);
	out->at += size;
}
#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static void
put_number(struct text *out, uint64_t number)
{
	char digits[20], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	put(out, at, (size_t)(digits + sizeof digits - at));
}

static void
put_hex(struct text *out, const uint8_t *bytes, size_t size)
{
	if (!text_room(out, 2 * size + 1))
		return;
	bytes_to_hex(bytes, size, out->at);
	out->at += 2 * size;
}

/*
 * What a JSON string needs. Presentation forms have no octets above 0x7e; names of gateways may: UTF-8 stays as it is,
 * any other octet becomes the character of its number.
 */
static void
put_escaped(struct text *out, const char *text, size_t size)
{
	if (!text_room(out, 6 * size))
		return;
	char *at = out->at;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t sequence = c >= 0x80 ? bytes_utf8_size((const uint8_t *)text + i, size - i) : 0;
		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (sequence) {
			memcpy(at, text + i, sequence);
			at += sequence;
			i += sequence - 1;
		} else if (c < 0x20 || c >= 0x7f) {
			memcpy(at, "\\u00", 4);
			at[4] = "0123456789abcdef"[c >> 4];
			at[5] = "0123456789abcdef"[c & 15];
			at += 6;
		} else {
			*at++ = (char)c;
		}
	}
	out->at = at;
}

static void
put_string(struct text *out, const char *text)
{
	PUT(out, "\"");
	put_escaped(out, text, strlen(text));
	PUT(out, "\"");
}

static const bool plain_octet[256] = {
	['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true, ['_'] = true, ['*'] = true,
};

/* `size` octets of labels without the root's, as text; "@" for none. `name` has the origin behind the labels. */
static void
put_owner(struct text *out, const uint8_t *name, size_t size, const uint8_t *origin)
{
	if (size == 0) {
		PUT(out, "\"@\"");
		return;
	}
	if (!text_room(out, size + 2))
		return;
	char *at = out->at;
	*at++ = '"';
	for (size_t i = 0; i < size; i += 1u + name[i]) {
		if (i)
			*at++ = '.';
		for (unsigned n = 1; n <= name[i]; n++) {
			if (!plain_octet[name[i + n]])
				goto special;
			*at++ = (char)name[i + n];
		}
	}
	*at++ = '"';
	out->at = at;
	return;
special:;
	char text[NAME_TEXT_SIZE];
	put_string(out, name_to_text_relative(name, origin, text));
}

/* The presentation form of one RDATA as a JSON string. */
static void
put_content(struct text *out, uint16_t type, struct rdata rdata)
{
	size_t length, special = 0;

	PUT(out, "\"");
	for (size_t room = 64 + 2u * rdata.size;; room *= 4) {
		if (!text_room(out, room))
			return;
		enum status status =
			present_rdata(type, rdata.bytes, rdata.size, out->at, (size_t)(out->end - out->at), &length);
		if (status == STATUS_OK)
			break;
		if (status != STATUS_LIMIT || !out->arena || room > PRESENT_TEXT_SIZE) {
			out->failed = true;
			return;
		}
	}
	for (size_t i = 0; i < length; i++)
		special += out->at[i] == '"' || out->at[i] == '\\';
	if (special) { /* spread from the end, so that it can be done in place */
		if (!text_room(out, length + special + 1))
			return;
		char *from = out->at + length, *to = from + special;
		if (from > out->end)
			return;
		while (to > from) {
			*--to = *--from;
			if (*to == '"' || *to == '\\')
				*--to = '\\';
		}
	}
	out->at += length + special;
	PUT(out, "\"");
}

static void
put_type_and_ttl(struct text *out, uint16_t type, uint32_t ttl_s, bool ttl)
{
	char text[RRTYPE_TEXT_SIZE];

	PUT(out, ",\"type\":\"");
	rrtype_to_text(type, text);
	put(out, text, strlen(text));
	PUT(out, "\"");
	if (!ttl)
		return;
	PUT(out, ",\"ttl\":");
	put_number(out, ttl_s);
}

static void
put_list(struct text *out, const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;

	PUT(out, "[");
	for (unsigned i = 0; i < rrset->count; i++) {
		if (i)
			PUT(out, ",");
		put_content(out, rrset->type, rrset_next(&at));
	}
	PUT(out, "]");
}

static void
put_op(struct text *out, const struct change_op *op, const uint8_t *zone, size_t zone_size)
{
	static const char *const names[] = {[CHANGE_ADD] = "ADD", [CHANGE_SET] = "SET", [CHANGE_DEL] = "DEL"};

	PUT(out, "{\"op\":\"");
	put(out, names[op->kind], 3);
	PUT(out, "\",\"record\":");
	put_owner(out, op->owner, name_size(op->owner) - zone_size, zone);
	put_type_and_ttl(out, op->rrset.type, op->rrset.ttl_s, op->kind != CHANGE_DEL);
	if (op->rrset.count) {
		PUT(out, ",\"content\":");
		if (op->kind == CHANGE_SET)
			put_list(out, &op->rrset);
		else
			put_content(out, op->rrset.type, rrset_first(&op->rrset));
	}
	PUT(out, "}");
}

/* One member of the origin, with the comma before it unless it is the first. */
static void
put_key(struct text *out, bool *first, const char *key)
{
	if (!*first)
		PUT(out, ",");
	*first = false;
	PUT(out, "\"");
	put(out, key, strlen(key));
	PUT(out, "\":");
}

static void
put_member(struct text *out, bool *first, const char *key, const char *value)
{
	if (!value)
		return;
	put_key(out, first, key);
	put_string(out, value);
}

static void
put_origin(struct text *out, const struct change_origin *origin)
{
	bool first = true;

	PUT(out, ",\"origin\":{");
	put_member(out, &first, "gateway", origin->gateway);
	put_member(out, &first, "client", origin->client);
	put_member(out, &first, "transport", origin->transport);
	put_member(out, &first, "key", origin->key);
	if (origin->has_id) {
		put_key(out, &first, "id");
		put_number(out, origin->id);
	}
	if (origin->has_mac) {
		put_key(out, &first, "mac");
		PUT(out, "\"");
		put_hex(out, origin->mac, CHANGE_MAC_SIZE);
		PUT(out, "\"");
	}
	if (origin->store) {
		put_key(out, &first, "store");
		PUT(out, "true");
	}
	put_member(out, &first, "command", origin->command);
	PUT(out, "}");
}

static void
put_reads(struct text *out, const struct change *change, size_t zone_size)
{
	PUT(out, ",\"reads\":[");
	for (size_t i = 0; i < change->read_count; i++) {
		if (i)
			PUT(out, ",");
		put_owner(out, change->reads[i], name_size(change->reads[i]) - zone_size, change->zone);
	}
	PUT(out, "]");
}

static void
put_ops(struct text *out, const struct change *change, size_t zone_size)
{
	PUT(out, ",\"ops\":[");
	for (size_t i = 0; i < change->op_count; i++) {
		if (i)
			PUT(out, ",");
		put_op(out, &change->ops[i], change->zone, zone_size);
	}
	PUT(out, "]");
}

/* The text of a second is made once a second: changes come in bursts. */
static void
put_time(struct text *out, uint64_t time_us)
{
	static _Thread_local uint64_t second = UINT64_MAX;
	static _Thread_local char text[CLOCK_TEXT_SIZE];
	uint32_t rest = (uint32_t)(time_us % 1000000);

	if (second != time_us / 1000000) {
		clock_to_text(time_us, text);
		second = time_us / 1000000;
	}
	char *digit = text + sizeof "2026-11-21T22:50:01.123456" - 2;
	for (int i = 0; i < 6; i++, rest /= 10)
		*digit-- = (char)('0' + rest % 10);
	PUT(out, "\"");
	put(out, text, sizeof "2026-11-21T22:50:01.123456Z" - 1);
	PUT(out, "\"");
}

static void
put_optional(struct text *out, const struct change *change)
{
	if (change->serial) {
		PUT(out, ",\"serial\":");
		put_number(out, change->serial);
	}
	if (change->exclusive)
		PUT(out, ",\"exclusive\":true");
	if (change->frozen >= 0)
		put(out, change->frozen ? ",\"frozen\":true" : ",\"frozen\":false", change->frozen ? 14 : 15);
	if (change->until_us) {
		PUT(out, ",\"until\":");
		put_time(out, change->until_us);
	}
	if (change->removed)
		PUT(out, ",\"removed\":true");
	if (change->snapshot) {
		PUT(out, ",\"snapshot\":{\"id\":");
		put_string(out, change->snapshot->id);
		PUT(out, ",\"chunks\":");
		put_number(out, change->snapshot->chunks);
		PUT(out, ",\"records\":");
		put_number(out, change->snapshot->records);
		PUT(out, ",\"sha256\":\"");
		put_hex(out, change->snapshot->sha256, sizeof change->snapshot->sha256);
		PUT(out, "\"}");
	}
}

/* So that most changes never grow: names and RDATA as they are, and what stands around them. */
static size_t
guess_size(const struct change *change)
{
	size_t size = 640 + 2 * name_size(change->zone);

	for (size_t i = 0; i < change->op_count; i++)
		size += 160 + name_size(change->ops[i].owner) + 3 * change->ops[i].rrset.packed_size;
	for (size_t i = 0; i < change->read_count; i++)
		size += 16 + name_size(change->reads[i]);
	return size < CHANGE_MAX_SIZE ? size : CHANGE_MAX_SIZE;
}

enum status
change_json_encode(const struct change *change, struct arena *arena, const uint8_t **record, size_t *size)
{
	struct text out = {.arena = arena};
	size_t zone_size = name_size(change->zone);
	int kinds = (change->op_count > 0) + (change->snapshot != NULL) + (change->frozen >= 0) + change->removed;
	char zone[NAME_TEXT_SIZE];

	require(kinds == 1);
	if (!text_room(&out, guess_size(change)))
		return STATUS_LIMIT;
	PUT(&out, "{\"zone\":");
	put_string(&out, name_to_text(change->zone, zone));
	PUT(&out, ",\"base\":");
	put_number(&out, change->base);
	PUT(&out, ",\"base_id\":\"");
	put_hex(&out, change->base_id, VERSION_ID_SIZE);
	PUT(&out, "\",\"time\":");
	put_time(&out, change->time_us);
	put_origin(&out, &change->origin);
	put_reads(&out, change, zone_size);
	if (!change->snapshot) /* which stands in their place */
		put_ops(&out, change, zone_size);
	put_optional(&out, change);
	PUT(&out, "}");
	if (out.failed || out.at - out.base > CHANGE_MAX_SIZE)
		return STATUS_LIMIT;
	*record = (const uint8_t *)out.base;
	*size = (size_t)(out.at - out.base);
	return STATUS_OK;
}

/* ---- chunks ---- */

struct chunker {
	struct text out;
	change_json_chunk_fn *emit;
	void *context;
	struct digest *digest;
	uint32_t number;
	uint64_t records;
	const struct zone_version *version;
	enum status status;
};

#define CHUNK_HEAD "{\"records\":["
#define CHUNK_TAIL "]}"

static void
chunk_open(struct chunker *chunker)
{
	chunker->out.at = chunker->out.base;
	chunker->out.failed = false;
	PUT(&chunker->out, CHUNK_HEAD);
}

static bool
chunk_flush(struct chunker *chunker)
{
	struct text *out = &chunker->out;

	if (out->at == out->base + sizeof CHUNK_HEAD - 1)
		return true;
	out->end += sizeof CHUNK_TAIL; /* kept free for this */
	PUT(out, CHUNK_TAIL);
	out->end -= sizeof CHUNK_TAIL;
	size_t size = (size_t)(out->at - out->base);
	digest_update(chunker->digest, out->base, size);
	chunker->status = chunker->emit(chunker->context, chunker->number++, (const uint8_t *)out->base, size);
	chunk_open(chunker);
	return chunker->status == STATUS_OK;
}

static void
chunk_rrset_open(struct chunker *chunker, const uint8_t *owner, size_t relative_size, const struct rrset *rrset)
{
	struct text *out = &chunker->out;

	if (out->at[-1] == '}')
		PUT(out, ",");
	PUT(out, "{\"record\":");
	put_owner(out, owner, relative_size, chunker->version->apex);
	put_type_and_ttl(out, rrset->type, rrset->ttl_s, true);
	PUT(out, ",\"content\":[");
}

/* An RRset; where the chunk is full it goes on in the next one as another entry of the same owner and type. */
static bool
chunk_rrset(struct chunker *chunker, const uint8_t *owner, size_t relative_size, const struct rrset *rrset)
{
	struct text *out = &chunker->out;
	const uint8_t *at = rrset->packed;
	bool open = false;

	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		for (int attempt = 0;; attempt++) {
			char *mark = out->at;
			if (!open)
				chunk_rrset_open(chunker, owner, relative_size, rrset);
			else
				PUT(out, ",");
			put_content(out, rrset->type, rdata);
			if (text_room(out, 2))
				break;
			invariant(attempt == 0); /* 64 KiB of RDATA fit into an empty chunk */
			out->failed = false;
			out->at = mark;
			if (open)
				memcpy(out->at, "]}", 2), out->at += 2;
			open = false;
			if (!chunk_flush(chunker))
				return false;
		}
		open = true;
	}
	if (open)
		PUT(out, "]}");
	chunker->records += rrset->count;
	return true;
}

static bool
chunk_node(void *context, const struct node *node)
{
	struct chunker *chunker = context;
	uint8_t owner[NAME_MAX_SIZE + 1];
	const uint8_t *at = NULL;
	struct rrset rrset;

	if (node->rrset_count == 0)
		return true;
	size_t size = node_owner(node, chunker->version->apex, owner);
	while (node_next(node, &at, &rrset))
		if (!chunk_rrset(chunker, owner, size - chunker->version->apex_size, &rrset))
			return false;
	return true;
}

enum status
change_json_chunks(const struct zone_version *version, change_json_chunk_fn *emit, void *context,
		   struct change_snapshot *out)
{
	struct chunker chunker = {.emit = emit, .context = context, .version = version, .digest = digest_new()};
	/* Room beyond the end: the brackets that close an entry and the chunk. */
	char *block = malloc(CHUNK_SIZE);
	uint8_t sum[DIGEST_SHA256_SIZE];

	if (!block || !chunker.digest) {
		free(block);
		if (chunker.digest)
			digest_finish(chunker.digest, sum);
		return STATUS_NO_MEMORY;
	}
	chunker.out = (struct text){NULL, block, block, block + CHUNK_SIZE - 2 * sizeof CHUNK_TAIL, false};
	chunk_open(&chunker);
	if (tree_each(&version->tree, chunk_node, &chunker))
		chunk_flush(&chunker);
	digest_finish(chunker.digest, sum);
	free(block);
	if (chunker.status)
		return chunker.status;
	out->chunks = chunker.number;
	out->records = chunker.records;
	memcpy(out->sha256, sum, sizeof out->sha256);
	return STATUS_OK;
}

