/*
 * A parsed message: a checked view of its bytes; nothing is copied but the question's name.
 *
 * Threads:   belongs to whoever owns the bytes.
 * Memory:    borrowed: points into the bytes given to parse_message.
 */
#ifndef ZONEGATE_WIRE_MESSAGE_H
#define ZONEGATE_WIRE_MESSAGE_H

#include "base/bytes.h"
#include "wire/edns.h"
#include "wire/name.h"
#include "wire/rrtype.h"

#define MESSAGE_HEADER_SIZE 12
#define MESSAGE_MAX_SIZE 65535

#define FLAG_QR 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_AD 0x0020
#define FLAG_CD 0x0010
#define FLAG_RCODE 0x000f

/* Sections in wire order; UPDATE's own names for the same four (RFC 2136 2). */
enum section { SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_COUNT,
	SECTION_ZONE = 0, SECTION_PREREQUISITE = 1, SECTION_UPDATE = 2 };

struct message {
	const uint8_t *wire;
	size_t size;
	uint16_t id, flags;
	uint16_t count[SECTION_COUNT];    /* as in the header: OPT and TSIG included */
	uint16_t start[SECTION_COUNT + 1]; /* offset of each section's first record; [SECTION_COUNT]: the end */
	/* The first question (zone section of an UPDATE); qname_size 0 if there is none. */
	uint8_t qname[NAME_MAX_SIZE];     /* lower case */
	uint8_t qname_size, qname_labels;
	uint16_t qtype, qclass;
	uint16_t question_end;            /* offset after the first question */
	struct edns edns;
	uint16_t opt_offset;              /* 0: none */
	uint16_t tsig_offset;             /* 0: none; else of the TSIG record's owner, last in the message */
	uint16_t sig0_offset;             /* 0: none; SIG(0), RFC 2931 */
};

/* The four counts of a header to and from host order, at once. */
static inline void
message_swap_counts(void *to, const void *from)
{
	typedef uint8_t octets __attribute__((vector_size(8)));
	octets counts;

	memcpy(&counts, from, 8);
	counts = __builtin_shufflevector(counts, counts, 1, 0, 3, 2, 5, 4, 7, 6);
	memcpy(to, &counts, 8);
}

static inline unsigned message_opcode(const struct message *msg) { return (msg->flags & FLAG_OPCODE) >> 11; }

/* One record: offsets into the message. */
struct record {
	uint16_t owner; /* offset */
	uint16_t type, class_;
	uint32_t ttl_s;
	uint16_t rdata, rdata_size;
};

/*
 * Walk: `offset` starts as msg->start[section] and moves to the next record. Only for offsets that parse_message has
 * checked; does not fail. Call it exactly msg->count[section] times.
 */
void message_record(const struct message *msg, size_t *offset, struct record *record);
/* The owner of a record, lower case, into NAME_MAX_SIZE bytes. Returns its size. */
size_t message_owner(const struct message *msg, const struct record *record, uint8_t *out);

#endif
