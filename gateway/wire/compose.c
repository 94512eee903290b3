#include "wire/compose.h"
#include "wire/fold.h"

#define POINTER COMPOSE_POINTER
#define POINTER_LIMIT 0x4000 /* 14 bits of offset (RFC 1035 4.1.4) */
#define RECORD_FIXED_SIZE 10 /* TYPE, CLASS, TTL, RDLENGTH */

/*
 * Costs in instructions, by callgrind with gcc 12 -O2, for www.example.com: compose_begin 65, one A at the question's
 * name 30, compose_finish 20, compose_soa 100; 840 for an SOA whose three names are matched with the question's.
 *
 * How names are matched. Each remembered name is labels of its own and a pointer to what was written before, so the
 * remembered names are a tree. A name walks it in one pass: those that hang where the walk stands are compared, label
 * by label from the right; one that matches moves the walk into it; all that hang from it come later in the list.
 * Hashing every suffix of every name was the other way: it costs more than this for the handful of names that a
 * response has.
 */

/*
 * `size` octets behind the header, in blocks. The last one ends with the question; where that is short it begins in the
 * header, which compose_finish writes.
 */
static inline void
copy_question(uint8_t *to, const uint8_t *from, size_t size)
{
	size_t end = MESSAGE_HEADER_SIZE + size;

	for (size_t at = MESSAGE_HEADER_SIZE; at + 16 < end; at += 16)
		memcpy(to + at, from + at, 16);
	memcpy(to + end - 16, from + end - 16, 16);
}

void
compose_begin(struct compose *compose, const struct message *msg, uint8_t *buffer, size_t limit,
	      size_t reserved)
{
	size_t used = MESSAGE_HEADER_SIZE, qname_size = msg->qname_size;

	require(limit >= 512);
	compose->limit = limit;
	compose->reserved = reserved;
	compose->id = msg->id;
	compose->flags = (uint16_t)(FLAG_QR | (msg->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)));
	compose->rcode = RCODE_NOERROR;
	memset(compose->count, 0, sizeof compose->count);
	compose->question_offset = 0;
	compose->names = 0;
	if (qname_size > 0) {
		compose->count[SECTION_QUESTION] = 1;
		compose->question_offset = MESSAGE_HEADER_SIZE;
		compose->names = 1;
		compose->name[0].offset = MESSAGE_HEADER_SIZE;
		compose->name[0].own = (uint8_t)(qname_size - 1);
		copy_question(buffer, msg->wire, qname_size + 4);
		used += qname_size + 4;
	}
	size_t end = limit > reserved && limit - reserved > used ? limit - reserved : used;
	compose->out.base = buffer;
	compose->out.at = buffer + used;
	compose->out.end = buffer + end;
	compose->out.failed = false;
}

/* The longest run of whole labels that ends both; its octets. */
static inline size_t
common_labels(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	for (;;) {
		while (a_size > b_size) {
			a_size -= *a + 1u;
			a += *a + 1u;
		}
		if (a_size == b_size) {
			if (a_size == 0 || fold_equal(a, b, a_size))
				return a_size;
			a_size -= *a + 1u;
			a += *a + 1u;
		}
		while (b_size > a_size) {
			b_size -= *b + 1u;
			b += *b + 1u;
		}
	}
}

static void
remember(struct compose *compose, size_t offset, unsigned tail, size_t own)
{
	if (compose->names < COMPOSE_NAMES && offset + own < POINTER_LIMIT)
		compose->name[compose->names++] = (struct compose_name){
			.offset = (uint16_t)offset, .tail = (uint16_t)tail, .own = (uint8_t)own};
}

/*
 * A name at `at`, compressed; `keep`: names after it may point to it. *pointer gets what later copies of it can be
 * written as; 0 where there is no such pointer: at the root and beyond the reach of pointers. *size: of the name
 * itself. NULL: no room.
 */
static inline uint8_t *
put_name(struct compose *compose, uint8_t *at, const uint8_t *end, const uint8_t *name, bool keep, unsigned *pointer,
	 size_t *size)
{
	uint8_t *base = compose->out.base;
	size_t own = 0, offset = (size_t)(at - base);
	unsigned tail = 0;

	while (name[own] != 0)
		own += name[own] + 1u;
	*size = own + 1;
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
	bytes_copy(at, name, own);
	at += own;
	if (tail != 0) {
		bytes_put_u16(at, (uint16_t)(POINTER | tail));
		at += 2;
	} else {
		*at++ = 0;
	}
	if (own == 0) {
		*pointer = tail != 0 ? POINTER | tail : 0;
		return at;
	}
	*pointer = offset < POINTER_LIMIT ? POINTER | (unsigned)offset : 0;
	if (keep)
		remember(compose, offset, tail, own);
	return at;
}

/* What the records of an RRset share. */
struct head {
	const uint8_t *owner;
	unsigned pointer; /* to the owner, 0: write it */
	uint16_t type, class_;
	uint32_t ttl_s;
};

static uint8_t *
put_owner(struct compose *compose, uint8_t *at, const uint8_t *end, struct head *head)
{
	size_t size;

	/* The root has no label that a pointer would save. */
	if (head->owner == NULL) {
		require(compose->question_offset != 0);
		if (compose->name[0].own > 0)
			head->pointer = POINTER | MESSAGE_HEADER_SIZE;
		else
			head->owner = compose->out.base + MESSAGE_HEADER_SIZE;
	}
	if (head->pointer == 0)
		return put_name(compose, at, end, head->owner, true, &head->pointer, &size);
	if (end - at < 2)
		return NULL;
	bytes_put_u16(at, (uint16_t)head->pointer);
	return at + 2;
}

/* Types whose RDATA has names that are compressed (RFC 3597 4): how many, and the octets before them. */
static inline unsigned
compressed_names(uint16_t type, unsigned *prefix)
{
	if (type == TYPE_A || type == TYPE_AAAA || type == TYPE_TXT)
		return 0;
	const char *shape = rrtype_info(type)->shape;
	if (shape == NULL)
		return 0;
	*prefix = 0;
	if (*shape == '2') {
		*prefix = 2;
		shape++;
	}
	return *shape != 'n' ? 0 : shape[1] == 'n' ? 2 : 1;
}

/* RDATA with names of RFC 1035 types: compressed. */
static uint8_t *
put_compressed(struct compose *compose, uint8_t *at, const uint8_t *end, unsigned names, unsigned prefix,
               const uint8_t *rdata, size_t size, bool keep)
{
	const uint8_t *rdata_end = rdata + size;
	unsigned pointer;
	size_t step;

	if ((size_t)(end - at) < prefix)
		return NULL;
	if (prefix == 2)
		memcpy(at, rdata, 2);
	at += prefix;
	rdata += prefix;
	for (; names > 0; names--) {
		at = put_name(compose, at, end, rdata, keep, &pointer, &step);
		if (at == NULL)
			return NULL;
		rdata += step;
	}
	step = (size_t)(rdata_end - rdata);
	if ((size_t)(end - at) < step)
		return NULL;
	if (step == 20) /* the numbers of an SOA */
		memcpy(at, rdata, 20);
	else if (step > 0)
		memcpy(at, rdata, step);
	return at + step;
}

static uint8_t *
put_record(struct compose *compose, uint8_t *at, const uint8_t *end, struct head *head, const uint8_t *rdata,
	   size_t size)
{
	unsigned prefix, names = head->class_ == CLASS_IN && size > 0 ? compressed_names(head->type, &prefix) : 0;

	at = put_owner(compose, at, end, head);
	if (at == NULL || end - at < RECORD_FIXED_SIZE)
		return NULL;
	bytes_put_u32(at, (uint32_t)head->type << 16 | head->class_);
	bytes_put_u32(at + 4, head->ttl_s);
	uint8_t *data = at + RECORD_FIXED_SIZE;
	if (names > 0) {
		/*
		 * Names of an SOA are hardly ever met again, and the apex that they end in is the question's own
		 * suffix.
		 */
		at = put_compressed(compose, data, end, names, prefix, rdata, size, head->type != TYPE_SOA);
		if (at == NULL)
			return NULL;
		bytes_put_u16(data - 2, (uint16_t)(at - data));
		return at;
	}
	if ((size_t)(end - data) < size)
		return NULL;
	bytes_put_u16(data - 2, (uint16_t)size);
	bytes_copy(data, rdata, size);
	return data + size;
}

bool
compose_record(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint16_t class_,
	       uint32_t ttl_s, const uint8_t *rdata, size_t size)
{
	struct head head = {.owner = owner, .type = type, .class_ = class_, .ttl_s = ttl_s};
	uint8_t names = compose->names;

	uint8_t *at = put_record(compose, compose->out.at, compose->out.end, &head, rdata, size);
	if (at == NULL) {
		compose->names = names;
		return false;
	}
	compose->out.at = at;
	compose->count[section]++;
	return true;
}

static bool
put_rrset(struct compose *compose, struct head *head, const uint8_t *item, const uint8_t *packed_end, unsigned count)
{
	uint8_t names = compose->names, *at = compose->out.at;
	const uint8_t *end = compose->out.end;

	for (; count > 0; count--) {
		uint16_t size;
		memcpy(&size, item, 2);
		at = put_record(compose, at, end, head, item + 2, size);
		if (at == NULL) {
			compose->names = names; /* nothing was written: `out` has not moved (RFC 2181 9) */
			return false;
		}
		item += 2u + size;
	}
	invariant(item == packed_end);
	compose->out.at = at;
	return true;
}

bool
compose_any_rrset(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
		  const uint8_t *packed, size_t packed_size, uint16_t count)
{
	struct head head = {.owner = owner, .type = type, .class_ = CLASS_IN, .ttl_s = ttl_s};

	if (!put_rrset(compose, &head, packed, packed + packed_size, count))
		return false;
	compose->count[section] = (uint16_t)(compose->count[section] + count);
	return true;
}

void
compose_soa_init(struct compose_soa *soa, const uint8_t *apex, const uint8_t *rdata)
{
	size_t apex_size = name_size(apex);

	soa->rdata = rdata;
	soa->apex_size = (uint8_t)apex_size;
	for (unsigned i = 0; i < 2; i++) {
		size_t size = name_size(rdata);
		/* A pointer to the root would be longer than the root. */
		bool within = apex_size > 1 && name_is_within(rdata, apex);
		soa->name_size[i] = (uint8_t)size;
		soa->own_size[i] = (uint8_t)(within ? size - apex_size : size);
		rdata += size;
	}
}

bool
compose_soa(struct compose *compose, const struct compose_soa *soa, uint32_t ttl_s)
{
	const uint8_t *rdata = soa->rdata;
	uint8_t *at = compose->out.at;
	uint16_t apex = (uint16_t)(POINTER | (MESSAGE_HEADER_SIZE + compose->name[0].own + 1u - soa->apex_size));

	require(compose->names > 0 && compose->name[0].own + 1u >= soa->apex_size);
	/* Owner and names with a pointer each, and five numbers. */
	if ((size_t)(compose->out.end - at) <
	    2u + RECORD_FIXED_SIZE + soa->own_size[0] + 2u + soa->own_size[1] + 2u + 20u)
		return false;
	if (soa->apex_size > 1) {
		bytes_put_u16(at, apex);
		at += 2;
	} else {
		*at++ = 0;
	}
	bytes_put_u32(at, (uint32_t)TYPE_SOA << 16 | CLASS_IN);
	bytes_put_u32(at + 4, ttl_s);
	uint8_t *data = at += RECORD_FIXED_SIZE;
	for (unsigned i = 0; i < 2; i++) {
		bytes_copy(at, rdata, soa->own_size[i]);
		at += soa->own_size[i];
		if (soa->own_size[i] < soa->name_size[i]) {
			bytes_put_u16(at, apex);
			at += 2;
		}
		rdata += soa->name_size[i];
	}
	memcpy(at, rdata, 20);
	at += 20;
	bytes_put_u16(data - 2, (uint16_t)(at - data));
	compose->out.at = at;
	compose->count[SECTION_AUTHORITY]++;
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

void
compose_opt(struct compose *compose, const struct edns_reply *opt)
{
	struct edns_reply bare = *opt;
	struct writer *out = &compose->out;

	/* Into the room that was reserved; what is left of that for a TSIG stays free. */
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
