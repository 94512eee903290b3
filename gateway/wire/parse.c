#include "wire/parse.h"
#include "wire/fold.h"
#include "wire/rdata.h"

/* What a message is judged by while its records go past. */
struct pass {
	struct message *msg;
	bool update;  /* the sections mean what RFC 2136 says */
	bool broken;  /* a rule is broken, but the form of the records is sound: go on to find the TSIG */
	bool tsig_misplaced;
	uint16_t tsig_offset;
};

static inline void
read_header(const uint8_t *wire, size_t size, struct message *msg)
{
	msg->wire = wire;
	msg->size = size;
	msg->id = bytes_get_u16(wire);
	msg->flags = bytes_get_u16(wire + 2);
	message_swap_counts(msg->count, wire + 4);
	msg->edns.present = false;
	msg->edns.dnssec_ok = false;
	msg->opt_offset = 0;
	msg->tsig_offset = 0;
	msg->sig0_offset = 0;
	msg->start[SECTION_QUESTION] = MESSAGE_HEADER_SIZE;
}

/* As if there was nothing behind the header. */
static void
clear_body(struct message *msg)
{
	msg->qname_size = 0;
	msg->qname_labels = 0;
	msg->qtype = 0;
	msg->qclass = 0;
	msg->question_end = MESSAGE_HEADER_SIZE;
	msg->edns.present = false;
	msg->edns.dnssec_ok = false;
	msg->opt_offset = 0;
	for (unsigned section = 0; section <= SECTION_COUNT; section++)
		msg->start[section] = MESSAGE_HEADER_SIZE;
}

/* The first question: right behind the header, so there is nothing that a pointer in it could lead to. */
static inline __attribute__((always_inline)) bool
read_question(struct message *msg, const uint8_t *wire, size_t wire_size)
{
	const uint8_t *name = wire + MESSAGE_HEADER_SIZE;
	size_t room = wire_size - MESSAGE_HEADER_SIZE, at = 0;
	unsigned labels = 0, octet;

	for (;;) {
		if (at >= room)
			return false;
		octet = name[at];
		if (octet - 1 >= 63) /* the root, or what is no length */
			break;
		at += octet + 1;
		labels++;
	}
	size_t size = at + 1;
	if (octet != 0 || size > NAME_MAX_SIZE || room - size < 4)
		return false;
	fold_copy(msg->qname, name, size);
	msg->qname_size = (uint8_t)size;
	msg->qname_labels = (uint8_t)labels;
	msg->qtype = bytes_get_u16(name + size);
	msg->qclass = bytes_get_u16(name + size + 2);
	msg->question_end = (uint16_t)(MESSAGE_HEADER_SIZE + size + 4);
	return true;
}

/* Not inlined a second time, so that parse_message needs few registers. */
static __attribute__((noinline)) bool
read_any_question(struct message *msg)
{
	return read_question(msg, msg->wire, msg->size);
}

static bool
skip_questions(struct message *msg, size_t *offset)
{
	for (unsigned left = msg->count[SECTION_QUESTION]; left > 0; left--) {
		if (name_skip(msg->wire, msg->size, *offset, offset) != STATUS_OK || msg->size - *offset < 4)
			return false;
		*offset += 4;
	}
	return true;
}

static void
check_opt(struct pass *pass, enum section section, const struct record *record)
{
	struct message *msg = pass->msg;

	/* One, in Additional, owned by the root (RFC 6891 6.1.1). */
	if (section != SECTION_ADDITIONAL || msg->opt_offset != 0 || msg->wire[record->owner] != 0 ||
	    edns_parse(record->class_, record->ttl_s, msg->wire + record->rdata, record->rdata_size, &msg->edns) !=
		    STATUS_OK) {
		pass->broken = true;
		msg->edns.present = msg->opt_offset != 0;
		return;
	}
	msg->opt_offset = record->owner;
}

static void
check_tsig(struct pass *pass, enum section section, const struct record *record)
{
	if (section != SECTION_ADDITIONAL || record->class_ != CLASS_ANY || pass->tsig_offset != 0)
		pass->tsig_misplaced = true;
	else
		pass->tsig_offset = record->owner;
}

static bool
rdata_is_good(const struct message *msg, const struct record *record)
{
	return rdata_check(msg->wire, msg->size, record->rdata, record->rdata_size, record->type) == STATUS_OK;
}

/* RFC 2136 2.4 and 2.5. Class ANY, and NONE in a prerequisite, carry no RDATA: update/ has the rules. */
static bool
update_record_is_good(const struct message *msg, enum section section, const struct record *record)
{
	if (section == SECTION_ADDITIONAL)
		return record->class_ != CLASS_IN || rdata_is_good(msg, record);
	if (record->class_ == CLASS_ANY)
		return true;
	if (section == SECTION_PREREQUISITE && record->class_ == CLASS_NONE)
		return !rrtype_is_meta(record->type) || record->type == TYPE_ANY; /* "name is not in use" (2.4.5) */
	if (rrtype_is_meta(record->type))
		return false;
	return (record->class_ != CLASS_IN && record->class_ != CLASS_NONE) || rdata_is_good(msg, record);
}

static void
check_record(struct pass *pass, enum section section, const struct record *record)
{
	struct message *msg = pass->msg;

	if (pass->tsig_offset != 0) /* something behind the TSIG (RFC 8945 5.1) */
		pass->tsig_misplaced = true;
	if (record->type == TYPE_OPT) {
		check_opt(pass, section, record);
		return;
	}
	if (record->type == TYPE_TSIG) {
		check_tsig(pass, section, record);
		return;
	}
	/* SIG(0): a SIG that covers no type (RFC 2931 3). */
	if (record->type == TYPE_SIG && section == SECTION_ADDITIONAL && record->rdata_size >= 2 &&
	    bytes_get_u16(msg->wire + record->rdata) == 0)
		msg->sig0_offset = record->owner;
	if (pass->update)
		pass->broken |= !update_record_is_good(msg, section, record);
	else if (record->class_ == CLASS_IN)
		pass->broken |= !rdata_is_good(msg, record);
}

/* The form of one record; false: it does not fit, and nothing behind it can be found. */
static bool
read_record(const struct message *msg, size_t *offset, struct record *record)
{
	size_t fixed;

	if (name_skip(msg->wire, msg->size, *offset, &fixed) != STATUS_OK || msg->size - fixed < 10)
		return false;
	const uint8_t *at = msg->wire + fixed;
	*record = (struct record){
		.owner = (uint16_t)*offset, .type = bytes_get_u16(at), .class_ = bytes_get_u16(at + 2),
		.ttl_s = bytes_get_u32(at + 4), .rdata = (uint16_t)(fixed + 10), .rdata_size = bytes_get_u16(at + 8),
	};
	if (msg->size - fixed - 10 < record->rdata_size)
		return false;
	*offset = fixed + 10 + record->rdata_size;
	return true;
}

/* Everything behind the first question. */
static enum parse_verdict
walk_sections(struct pass *pass)
{
	struct message *msg = pass->msg;
	size_t offset = MESSAGE_HEADER_SIZE;
	struct record record;

	if (!skip_questions(msg, &offset))
		return PARSE_FORMERR;
	for (enum section section = SECTION_ANSWER; section < SECTION_COUNT; section++) {
		msg->start[section] = (uint16_t)offset;
		for (unsigned left = msg->count[section]; left > 0; left--) {
			if (!read_record(msg, &offset, &record))
				return PARSE_FORMERR;
			check_record(pass, section, &record);
		}
	}
	msg->start[SECTION_COUNT] = (uint16_t)offset;
	if (offset != msg->size) /* trailing octets: no saying what was signed */
		return PARSE_FORMERR;
	if (!pass->tsig_misplaced)
		msg->tsig_offset = pass->tsig_offset;
	return pass->broken || pass->tsig_misplaced ? PARSE_FORMERR : PARSE_OK;
}

/* What each opcode asks of the question section (RFC 9619 4, RFC 1996 3.7, RFC 2136 2.3). */
static bool
questions_are_good(const struct message *msg, bool response)
{
	if (message_opcode(msg) == OPCODE_UPDATE)
		return response ? msg->count[SECTION_ZONE] <= 1
		                : msg->count[SECTION_ZONE] == 1 && msg->qtype == TYPE_SOA;
	/* Later messages of a transfer need not repeat it (RFC 5936 2.2.1). */
	return msg->count[SECTION_QUESTION] == 1 || (response && msg->count[SECTION_QUESTION] == 0);
}

static __attribute__((noinline)) enum parse_verdict
parse_body(struct message *msg, bool response)
{
	unsigned opcode = message_opcode(msg);
	struct pass pass = {.msg = msg, .update = opcode == OPCODE_UPDATE && !response};

	clear_body(msg);
	if (opcode != OPCODE_QUERY && opcode != OPCODE_NOTIFY && opcode != OPCODE_UPDATE)
		return PARSE_NOTIMP;
	if (msg->count[SECTION_QUESTION] > 0 && !read_any_question(msg))
		return PARSE_FORMERR;
	pass.broken = !questions_are_good(msg, response);
	return walk_sections(&pass);
}

/* The question has been read. One OPT behind it, without a name, that fills the rest? */
static bool
read_lone_opt(struct message *msg)
{
	size_t end = msg->question_end;
	const uint8_t *at = msg->wire + end;

	if (msg->size - end < 11 || at[0] != 0 || bytes_get_u16(at + 1) != TYPE_OPT ||
	    bytes_get_u16(at + 9) != msg->size - end - 11)
		return false;
	if (edns_parse(bytes_get_u16(at + 3), bytes_get_u32(at + 5), at + 11, msg->size - end - 11, &msg->edns) !=
	    STATUS_OK)
		return false;
	msg->opt_offset = (uint16_t)end;
	msg->start[SECTION_COUNT] = (uint16_t)msg->size;
	return true;
}

static __attribute__((noinline)) enum parse_verdict
parse_with_opt(struct message *msg)
{
	return read_lone_opt(msg) ? PARSE_OK : parse_body(msg, false);
}

/* The four counts, as in the wire: one question, and no more than one record in Additional. */
#define COUNTS_PLAIN 0x0001000000000000u
#define COUNTS_OPT   0x0001000000000001u

/*
 * Nearly every query is one question, and nothing behind it or one OPT. That takes about 120 instructions for
 * www.example.com (callgrind, gcc 12 -O2), 130 more with an OPT.
 */
enum parse_verdict
parse_message(const uint8_t *wire, size_t size, struct message *msg)
{
	if (size < MESSAGE_HEADER_SIZE || size > MESSAGE_MAX_SIZE || (wire[2] & 0x80) != 0)
		return PARSE_DROP;
	read_header(wire, size, msg);
	uint64_t counts = bytes_get_u64(wire + 4);
	if (message_opcode(msg) != OPCODE_QUERY || (counts != COUNTS_PLAIN && counts != COUNTS_OPT) ||
	    !read_question(msg, wire, size))
		return parse_body(msg, false);
	for (unsigned section = SECTION_ANSWER; section <= SECTION_COUNT; section++)
		msg->start[section] = msg->question_end;
	if (counts == COUNTS_OPT)
		return parse_with_opt(msg);
	return msg->question_end == size ? PARSE_OK : parse_body(msg, false);
}

enum parse_verdict
parse_response(const uint8_t *wire, size_t size, struct message *msg)
{
	if (size < MESSAGE_HEADER_SIZE || size > MESSAGE_MAX_SIZE)
		return PARSE_DROP;
	read_header(wire, size, msg);
	return parse_body(msg, true);
}
