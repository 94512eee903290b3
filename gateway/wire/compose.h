/*
 * The response writer: header, question, sections with name compression, truncation, room kept for OPT and TSIG.
 *
 * Threads:   a struct compose belongs to one thread.
 * Memory:    writes into the caller's buffer; nothing is allocated. About 1 KiB, meant for the stack or a worker.
 * Errors:    compose_rrset says false when the whole RRset does not fit: never a part of an RRset (RFC 2181 5.1, 9).
 * Limits:    COMPOSE_NAMES names are remembered for compression; the others are written in full.
 * Standards: RFC 1035 4.1.4; RFC 3597 4 (which RDATA is compressed); RFC 6891; RFC 2181 9.
 */
#ifndef ZONEGATE_WIRE_COMPOSE_H
#define ZONEGATE_WIRE_COMPOSE_H

#include "base/bytes.h"
#include "wire/edns.h"
#include "wire/message.h"

#define COMPOSE_NAMES 64

/*
 * Labels in the message that names after them may point to: `own` octets of labels at `offset`, then a pointer to
 * `tail`, or the root where `tail` is 0. The question's name is the first.
 */
struct compose_name {
	uint16_t offset, tail;
	uint8_t own;
};

struct compose {
	struct writer out;             /* its end is where OPT and TSIG must find room */
	size_t limit;                  /* largest message, OPT and TSIG included */
	size_t reserved;               /* kept for OPT and TSIG at the end */
	uint16_t id;
	uint16_t flags;                /* QR, opcode, RD and CD are set; AA and TC are the caller's to add */
	unsigned rcode;                /* 12 bits */
	uint16_t count[SECTION_COUNT];
	uint16_t question_offset;      /* of the first question's name; 0: none */
	uint8_t names;                 /* used slots below */
	struct compose_name name[COMPOSE_NAMES];
};

/*
 * Start a response to `msg`: id, opcode, RD and CD copied, QR set, the first question copied octet for octet (its case
 * kept).
 * msg      may be a PARSE_FORMERR or PARSE_NOTIMP one; without a usable question none is written
 * buffer   `limit` octets at least
 * limit    octets of the whole response, at least 512: see compose_udp_limit; 65535 on TCP
 * reserved octets kept for OPT and TSIG
 */
void compose_begin(struct compose *compose, const struct message *msg, uint8_t *buffer, size_t limit,
                   size_t reserved);

/* 512 without EDNS, else the requestor's size, at most `max` and at least 512. */
static inline size_t
compose_udp_limit(const struct message *msg, size_t max)
{
	size_t limit = msg->edns.present ? msg->edns.udp_size : 512;

	if (limit > max)
		limit = max;
	return limit < 512 ? 512 : limit;
}

/*
 * Add one record. owner: wire name, any case, compressed against all before; rdata: plain. False: no room, nothing was
 * written.
 */
bool compose_record(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint16_t class_,
		    uint32_t ttl_s, const uint8_t *rdata, size_t size);
/*
 * Add a whole RRset or nothing. `packed`: `count` times { uint16 size (host order), octets }, as struct rrset keeps it
 * (zone/rrset.h); `packed_size` is its octets. owner NULL: the question's name.
 */
static inline bool compose_rrset(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type,
				 uint32_t ttl_s, const uint8_t *packed, size_t packed_size, uint16_t count)
	__attribute__((always_inline));

/*
 * The SOA of a negative answer. Its zone knows once and for all how its names can be compressed, which makes it 100
 * instructions where compose_rrset takes 840.
 */
struct compose_soa {
	const uint8_t *rdata;  /* plain; lent */
	uint8_t apex_size;     /* octets of the apex, which the question's name ends in */
	uint8_t name_size[2];  /* octets of MNAME and RNAME, */
	uint8_t own_size[2];   /* and those in front of the apex; the same where the name does not end in it */
};

void compose_soa_init(struct compose_soa *soa, const uint8_t *apex, const uint8_t *rdata);
/* Into the authority section of a response to a question in the zone; false: no room. */
bool compose_soa(struct compose *compose, const struct compose_soa *soa, uint32_t ttl_s);

/* Remember where we are, and go back: takes everything since out again (counts and remembered names too). */
struct compose_mark {
	uint8_t *at;
	uint16_t count[SECTION_COUNT];
	uint8_t names;
};

struct compose_mark compose_mark(const struct compose *compose);
void compose_rewind(struct compose *compose, struct compose_mark mark);

/*
 * Write the OPT (opt NULL: none), then the header. Returns the size. A TSIG is added after this by tsig_sign, which
 * counts itself in ARCOUNT. What was reserved beyond the OPT (its EDE not counted) is left free for it: an EDE takes
 * only what is over.
 */
static inline size_t compose_finish(struct compose *compose, const struct edns_reply *opt);

/* ---- inline, for nearly every response takes this way ---- */

#define COMPOSE_POINTER 0xc000 /* RFC 1035 4.1.4 */

/* compose_rrset and compose_finish for what is below. */
bool compose_any_rrset(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type,
		       uint32_t ttl_s, const uint8_t *packed, size_t packed_size, uint16_t count);
void compose_opt(struct compose *compose, const struct edns_reply *opt);

/* Addresses at the question's name, which most responses are: one check of the room, and no names. */
static inline __attribute__((always_inline)) bool
compose_addresses(struct compose *compose, enum section section, uint16_t type, uint32_t ttl_s, const uint8_t *packed,
		  uint16_t size, uint16_t count)
{
	uint8_t *at = compose->out.at;

	if ((size_t)(compose->out.end - at) < count * (size + 12u))
		return false;
	for (unsigned left = count; left > 0; left--) {
		bytes_put_u16(at, COMPOSE_POINTER | MESSAGE_HEADER_SIZE);
		bytes_put_u32(at + 2, (uint32_t)type << 16 | CLASS_IN);
		bytes_put_u32(at + 6, ttl_s);
		bytes_put_u16(at + 10, size);
		memcpy(at + 12, packed + 2, size);
		at += 12u + size;
		packed += 2u + size;
	}
	compose->out.at = at;
	compose->count[section] = (uint16_t)(compose->count[section] + count);
	return true;
}

static inline bool
compose_rrset(struct compose *compose, enum section section, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
              const uint8_t *packed, size_t packed_size, uint16_t count)
{
	bool at_question = owner == NULL && compose->name[0].own > 0;

	if (at_question && type == TYPE_A && packed_size == count * 6u)
		return compose_addresses(compose, section, TYPE_A, ttl_s, packed, 4, count);
	if (at_question && type == TYPE_AAAA && packed_size == count * 18u)
		return compose_addresses(compose, section, TYPE_AAAA, ttl_s, packed, 16, count);
	return compose_any_rrset(compose, section, owner, type, ttl_s, packed, packed_size, count);
}

static inline size_t
compose_finish(struct compose *compose, const struct edns_reply *opt)
{
	uint8_t *header = compose->out.base;

	if (opt != NULL)
		compose_opt(compose, opt);
	bytes_put_u32(header, (uint32_t)compose->id << 16 | (compose->flags & 0xfff0u) | (compose->rcode & FLAG_RCODE));
	message_swap_counts(header + 4, compose->count);
	return writer_size(&compose->out);
}

#endif
