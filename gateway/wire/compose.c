#include "wire/compose.h"
#include "wire/fold.h"

#define POINTER 0xc000
#define POINTER_LIMIT 0x4000 /* 14 bits of offset (RFC 1035 4.1.4) */
#define RECORD_FIXED_SIZE 10 /* TYPE, CLASS, TTL, RDLENGTH */

/*
 * Costs, by callgrind with gcc 12 -O2, for www.example.com and an apex example.com: see tests/bench of the whole query; here
 * compose_begin takes COST_BEGIN instructions, an RRset of one A at the question's name COST_A, a SOA for a negative answer COST_SOA.
 *
 * How names are matched. Each remembered name is labels of its own and a pointer to what was written before, so the remembered names
 * are a tree. A name walks it in one pass: those that hang where the walk stands are compared, label by label from the right; one
 * that matches moves the walk into it; all that hang from it come later in the list. Hashing every suffix of every name was the other way:
 * it costs more than this for the handful of names that a response has.
 */

/* Short copies are most of what is written here; a call to memcpy would cost more than the copy. */
static inline void
copy(uint8_t *to, const uint8_t *from, size_t size)
{
	if (size > 16) {
		memcpy(to, from, size);
	} else if (size >= 8) {
		uint64_t first, last;
		memcpy(&first, from, 8);
		memcpy(&last, from + size - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + size - 8, &last, 8);
	} else if (size >= 4) {
		uint32_t first, last;
		memcpy(&first, from, 4);
		memcpy(&last, from + size - 4, 4);
		memcpy(to, &first, 4);
		memcpy(to + size - 4, &last, 4);
	} else {
		for (size_t at = 0; at < size; at++)
			to[at] = from[at];
	}
}

void
compose_begin(struct compose *compose, const struct message *msg, uint8_t *buffer, size_t size, size_t limit, size_t reserved)
{
	require(size >= 512);
	if (limit > size)
		limit = size;
	compose->limit = limit;
	compose->reserved = reserved;
	compose->id = msg->id;
	compose->flags = (uint16_t)(FLAG_QR | (msg->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)));
	compose->rcode = RCODE_NOERROR;
	memset(compose->count, 0, sizeof compose->count);
	compose->question_offset = 0;
	compose->names = 0;

	size_t used = MESSAGE_HEADER_SIZE;
	if (msg->qname_size > 0) {
		used += msg->qname_size + 4u;
		memcpy(buffer + MESSAGE_HEADER_SIZE, msg->wire + MESSAGE_HEADER_SIZE, msg->qname_size + 4u);
		compose->count[SECTION_QUESTION] = 1;
		compose->question_offset = MESSAGE_HEADER_SIZE;
		compose->name[0] = (struct compose_name){.offset = MESSAGE_HEADER_SIZE, .own = (uint8_t)(msg->qname_size - 1)};
		compose->names = 1;
	}
	size_t end = limit > reserved && limit - reserved > used ? limit - reserved : used;
	compose->out = (struct writer){.base = buffer, .at = buffer + used, .end = buffer + end};
}

size_t
compose_udp_limit(const struct message *msg, size_t max)
{
	size_t limit = msg->edns.present ? msg->edns.udp_size : 512;

	if (limit > max)
		limit = max;
	return limit < 512 ? 512 : limit;
}

/* The longest run of whole labels that ends both; its octets. */
static inline size_t
common_labels(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	while (a_size > 0 && b_size > 0) {
		if (a_size == b_size && fold_equal(a, b, a_size))
			return a_size;
		size_t a_step = a_size >= b_size ? *a + 1u : 0, b_step = b_size >= a_size ? *b + 1u : 0;
		a += a_step;
		a_size -= a_step;
		b += b_step;
		b_size -= b_step;
	}
	return 0;
}

/*
 * A name at `at`, compressed. *pointer gets what later copies of it can be written as; 0 where there is no such pointer: at the root
 * and beyond the reach of pointers. NULL: no room.
 */
static uint8_t *
put_name(struct compose *compose, uint8_t *at, const uint8_t *end, const uint8_t *name, unsigned *pointer)
{
	uint8_t *base = compose->out.base;
	size_t own = 0;
	unsigned tail = 0;

	while (name[own] != 0)
		own += name[own] + 1u;
	for (unsigned i = 0; i < compose->names && own > 0; i++) {
		const struct compose_name *known = &compose->name[i];
		if (known->tail != tail)
			continue;
		size_t common = common_labels(name, own, base + known->offset, known->own);
		if (common > 0) {
			own -= common;
			tail = (unsigned)(known->offset + known->own - common);
		}
	}
	if ((size_t)(end - at) < own + 2)
		return NULL;
	size_t offset = (size_t)(at - base);
	*pointer = tail != 0 ? POINTER | tail : 0;
	copy(at, name, own);
	at += own;
	if (tail != 0) {
		bytes_put_u16(at, (uint16_t)*pointer);
		at += 2;
	} else {
		*at++ = 0;
	}
	if (own > 0) {
		*pointer = 0;
		if (offset + own < POINTER_LIMIT) {
			*pointer = POINTER | (unsigned)offset;
			if (compose->names < COMPOSE_NAMES)
				compose->name[compose->names++] = (struct compose_name){
					.offset = (uint16_t)offset, .tail = (uint16_t)tail, .own = (uint8_t)own};
		}
	}
	return at;
}

/* What the records of an RRset share. */
struct head {
	const uint8_t *owner;
	unsigned pointer; /* to the owner, 0: write it */
	uint32_t type_class, ttl_s;
	unsigned prefix, names; /* of RDATA that is compressed (RFC 3597 4): octets before the names, and how many */
};

static void
head_init(struct head *head, const struct compose *compose, const uint8_t *owner, uint16_t type, uint16_t class_, uint32_t ttl_s)
{
	const char *shape = rrtype_info(type)->shape;

	head->owner = owner;
	head->pointer = 0;
	head->type_class = (uint32_t)type << 16 | class_;
	head->ttl_s = ttl_s;
	head->prefix = head->names = 0;
	if (shape != NULL && class_ == CLASS_IN) {
		head->prefix = shape[0] == '2' ? 2 : 0;
		if (shape[head->prefix / 2] == 'n')
			head->names = shape[head->prefix / 2 + 1] == 'n' ? 2 : 1;
	}
	if (owner == NULL) {
		require(compose->question_offset != 0);
		/* The root has no label that a pointer would save. */
		if (compose->name[0].own > 0)
			head->pointer = POINTER | MESSAGE_HEADER_SIZE;
		else
			head->owner = compose->out.base + MESSAGE_HEADER_SIZE;
	}
}

/* RDATA with names of RFC 1035 types: compressed. */
static uint8_t *
put_compressed(struct compose *compose, uint8_t *at, const uint8_t *end, const struct head *head, const uint8_t *rdata, size_t size)
{
	const uint8_t *rdata_end = rdata + size;
	unsigned pointer;

	if ((size_t)(end - at) < head->prefix)
		return NULL;
	copy(at, rdata, head->prefix);
	at += head->prefix;
	rdata += head->prefix;
	for (unsigned i = 0; i < head->names; i++) {
		at = put_name(compose, at, end, rdata, &pointer);
		if (at == NULL)
			return NULL;
		rdata += name_size(rdata);
	}
	size_t left = (size_t)(rdata_end - rdata);
	if ((size_t)(end - at) < left)
		return NULL;
	if (left > 0)
		memcpy(at, rdata, left);
	return at + left;
}

static uint8_t *
put_record(struct compose *compose, uint8_t *at, const uint8_t *end, struct head *head, const uint8_t *rdata, size_t size)
{
	if (head->pointer != 0) {
		if (end - at < 2)
			return NULL;
		bytes_put_u16(at, (uint16_t)head->pointer);
		at += 2;
	} else {
		at = put_name(compose, at, end, head->owner, &head->pointer);
		if (at == NULL)
			return NULL;
	}
	if (end - at < RECORD_FIXED_SIZE)
		return NULL;
	bytes_put_u32(at, head->type_class);
	bytes_put_u32(at + 4, head->ttl_s);
	uint8_t *data = at + RECORD_FIXED_SIZE;
	if (head->names > 0 && size > 0) {
		at = put_compressed(compose, data, end, head, rdata, size);
		if (at == NULL)
			return NULL;
		bytes_put_u16(data - 2, (uint16_t)(at - data));
		return at;
	}
	if ((size_t)(end - data) < size)
		return NULL;
	bytes_put_u16(data - 2, (uint16_t)size);
	copy(data, rdata, size);
	return data + size;
}

bool
compose_record(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint16_t class_, uint32_t ttl_s,
               const uint8_t *rdata, size_t size)
{
	uint8_t names = compose->names;
	struct head head;

	head_init(&head, compose, owner, type, class_, ttl_s);
	uint8_t *at = put_record(compose, compose->out.at, compose->out.end, &head, rdata, size);
	if (at == NULL) {
		compose->names = names;
		return false;
	}
	compose->out.at = at;
	compose->count[section]++;
	return true;
}

bool
compose_rrset(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
              const uint8_t *packed, size_t packed_size, uint16_t count)
{
	uint8_t names = compose->names, *at = compose->out.at;
	const uint8_t *item = packed, *end = compose->out.end;
	struct head head;

	head_init(&head, compose, owner, type, CLASS_IN, ttl_s);
	for (unsigned left = count; left > 0; left--) {
		uint16_t size;
		memcpy(&size, item, 2);
		at = put_record(compose, at, end, &head, item + 2, size);
		if (at == NULL) {
			compose->names = names; /* nothing was written: `out` has not moved (RFC 2181 9) */
			return false;
		}
		item += 2u + size;
	}
	invariant(item == packed + packed_size);
	compose->out.at = at;
	compose->count[section] = (uint16_t)(compose->count[section] + count);
	return true;
}

struct compose_mark
compose_mark(const struct compose *compose)
{
	struct compose_mark mark = {.at = compose->out.at, .names = compose->names};

	memcpy(mark.count, compose->count, sizeof mark.count);
	return mark;
}

void
compose_rewind(struct compose *compose, struct compose_mark mark)
{
	require(mark.at <= compose->out.at && mark.names <= compose->names);
	compose->out.at = mark.at;
	compose->names = mark.names;
	memcpy(compose->count, mark.count, sizeof mark.count);
}

/* Into the room that was reserved; what is left of that for a TSIG stays free. */
static void
put_opt(struct compose *compose, const struct edns_reply *opt)
{
	struct edns_reply bare = *opt;
	struct writer *out = &compose->out;

	bare.ede = NULL;
	size_t base = edns_reply_size(&bare), tsig = compose->reserved > base ? compose->reserved - base : 0;
	size_t end = compose->limit > tsig ? compose->limit - tsig : 0;
	if (end < writer_size(out))
		return;
	out->end = out->base + end;
	uint8_t *before = out->at;
	edns_write(out, opt);
	if (out->at != before)
		compose->count[SECTION_ADDITIONAL]++;
}

size_t
compose_finish(struct compose *compose, const struct edns_reply *opt)
{
	uint8_t *header = compose->out.base;

	if (opt != NULL)
		put_opt(compose, opt);
	bytes_put_u16(header, compose->id);
	bytes_put_u16(header + 2, (uint16_t)((compose->flags & 0xfff0u) | (compose->rcode & FLAG_RCODE)));
	for (unsigned section = 0; section < SECTION_COUNT; section++)
		bytes_put_u16(header + 4 + 2 * section, compose->count[section]);
	return writer_size(&compose->out);
}
