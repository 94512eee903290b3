#include "transfer/fetch.h"
#include "base/random.h"
#include "wire/parse.h"
#include "wire/rdata.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_SIZE ((size_t)256 << 10)

static enum fetch_verdict fail(char *reason, const char *format, ...) PRINTF_LIKE(2, 3);

static enum fetch_verdict
fail(char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, FETCH_REASON_SIZE, format, args);
	va_end(args);
	return FETCH_FAILED;
}

enum status
fetch_begin(struct fetch *fetch, const uint8_t *zone, struct key *key, struct draft *draft, uint64_t now_s,
	    uint8_t *wire, size_t *size)
{
	uint8_t *question = wire + MESSAGE_HEADER_SIZE;
	size_t zone_size = name_size(zone);

	*fetch = (struct fetch){.draft = draft, .zone = zone, .rdata = malloc(RDATA_MAX_SIZE), .run = malloc(RUN_SIZE)};
	if (!fetch->rdata || !fetch->run) {
		fetch_end(fetch);
		return STATUS_NO_MEMORY;
	}
	random_bytes(&fetch->id, sizeof fetch->id);
	memset(wire, 0, MESSAGE_HEADER_SIZE);
	bytes_put_u16(wire, fetch->id);
	bytes_put_u16(wire + 4, 1); /* QDCOUNT */
	memcpy(question, zone, zone_size);
	bytes_put_u16(question + zone_size, TYPE_AXFR);
	bytes_put_u16(question + zone_size + 2, CLASS_IN);
	*size = MESSAGE_HEADER_SIZE + zone_size + 4;
	return key ? tsig_sign_request(&fetch->tsig, key, wire, size, FETCH_QUERY_SIZE, now_s) : STATUS_OK;
}

void
fetch_end(struct fetch *fetch)
{
	free(fetch->rdata);
	free(fetch->run);
	free(fetch->before);
	fetch->rdata = fetch->run = fetch->before = NULL;
}

/* ---- what the server says of itself ---- */

static enum fetch_verdict
fail_tsig(const struct fetch *fetch, unsigned error, char *reason)
{
	const char *key = fetch->tsig.key ? fetch->tsig.key->text : "?";

	if (error == RCODE_BADKEY)
		return fail(reason, "the server does not know the key %s, or not with this algorithm (BADKEY)", key);
	if (error == RCODE_BADSIG)
		return fail(reason, "the server has another secret for the key %s (BADSIG)", key);
	if (error == RCODE_BADTIME)
		return fail(reason, "the server's clock and ours are too far apart (BADTIME)");
	return fail(reason, "the server does not take our signature by the key %s (TSIG error %u)", key, error);
}

static enum fetch_verdict
check_rcode(const struct fetch *fetch, const struct message *msg, char *reason)
{
	char zone[NAME_TEXT_SIZE];
	unsigned rcode = msg->flags & FLAG_RCODE;

	if (tsig_error(msg) != RCODE_NOERROR)
		return fail_tsig(fetch, tsig_error(msg), reason);
	name_to_text(fetch->zone, zone);
	if (rcode == RCODE_NOERROR)
		return FETCH_MORE;
	if (rcode == RCODE_REFUSED)
		return fail(reason, "the server refuses to transfer %s to us (REFUSED)%s", zone,
		            fetch->tsig.key ? "" : ": allow it there for this address, or name a key");
	if (rcode == RCODE_NOTAUTH || rcode == RCODE_NXDOMAIN)
		return fail(reason, "the server has no zone %s, or not for us (%s)", zone, rcode_text(rcode));
	return fail(reason, "the server does not transfer %s: %s", zone, rcode_text(rcode));
}

/* RFC 5936 2.2.1: the id, one of our questions or none. */
static enum fetch_verdict
check_head(const struct fetch *fetch, const struct message *msg, char *reason)
{
	if ((msg->flags & FLAG_QR) == 0 || msg->id != fetch->id || message_opcode(msg) != OPCODE_QUERY)
		return fail(reason, "message %u is not an answer to our question", fetch->messages);
	if (msg->count[SECTION_QUESTION] > 0 &&
	    (msg->qtype != TYPE_AXFR || msg->qclass != CLASS_IN || !name_equal(msg->qname, fetch->zone)))
		return fail(reason, "message %u is the answer to another question", fetch->messages);
	if (msg->flags & FLAG_TC)
		return fail(reason, "message %u is cut (TC=1)", fetch->messages);
	return FETCH_MORE;
}

/* ---- signatures ---- */

/* RFC 8945 5.3.1: kept as it came, for the MAC of the next that has one. */
static enum fetch_verdict
keep_unsigned(struct fetch *fetch, const struct message *msg, char *reason)
{
	if (fetch->messages == 1)
		return fail(reason,
			    "the answer is not signed: the server does not do TSIG, or takes the key for nothing");
	if (++fetch->unsigned_count > FETCH_UNSIGNED_MAX)
		return fail(reason, "%u messages without a signature, behind one that has it", fetch->unsigned_count);
	if (fetch->before_room - fetch->before_size < msg->size) {
		size_t room = 2 * fetch->before_room + msg->size;
		uint8_t *more = realloc(fetch->before, room);
		if (!more)
			return fail(reason, "no memory");
		fetch->before = more;
		fetch->before_room = room;
	}
	memcpy(fetch->before + fetch->before_size, msg->wire, msg->size);
	fetch->before_size += msg->size;
	return FETCH_MORE;
}

static enum fetch_verdict
check_signature(struct fetch *fetch, const struct message *msg, uint64_t now_s, char *reason)
{
	if (!fetch->tsig.key)
		return FETCH_MORE;
	if (msg->tsig_offset == 0)
		return keep_unsigned(fetch, msg, reason);
	bool good = fetch->messages == 1 ? tsig_check_response(&fetch->tsig, msg, now_s)
	                                 : tsig_check_next(&fetch->tsig, msg, fetch->before, fetch->before_size, now_s);
	if (!good)
		return fail(
			reason,
			"the signature of message %u is wrong: another secret for the key %s, a clock that is off, or "
			"the message was changed on its way",
			fetch->messages, fetch->tsig.key->text);
	fetch->before_size = 0;
	fetch->unsigned_count = 0;
	return FETCH_MORE;
}

/* ---- records ---- */

static enum status
flush_run(struct fetch *fetch)
{
	enum status status = STATUS_OK;

	if (fetch->set.count > 0)
		status = draft_merge(fetch->draft, fetch->owner, &fetch->set, NULL);
	fetch->set = (struct rrset){.packed = fetch->run};
	return status == STATUS_EXISTS ? STATUS_OK : status;
}

static enum status
add_to_run(struct fetch *fetch, const uint8_t *owner, const struct record *record, const uint8_t *rdata, size_t size)
{
	struct rrset *set = &fetch->set;
	uint16_t size16 = (uint16_t)size;

	if (set->count == 0 || set->type != record->type || !name_equal(fetch->owner, owner) ||
	    set->count == UINT16_MAX || RUN_SIZE - set->packed_size < sizeof size16 + size) {
		enum status status = flush_run(fetch);
		if (status != STATUS_OK)
			return status;
		memcpy(fetch->owner, owner, name_size(owner));
		set->type = record->type;
		/* RFC 2181 8: with the most significant bit, zero is meant. */
		set->ttl_s = record->ttl_s > INT32_MAX ? 0 : record->ttl_s;
	}
	memcpy(fetch->run + set->packed_size, &size16, sizeof size16);
	memcpy(fetch->run + set->packed_size + sizeof size16, rdata, size);
	set->packed_size += (uint32_t)(sizeof size16 + size);
	set->count++;
	return STATUS_OK;
}

/* RFC 5936 2.2: the SOA is the first record and the last. */
static enum fetch_verdict
take_soa(struct fetch *fetch, const uint8_t *owner, size_t size, char *reason)
{
	char text[NAME_TEXT_SIZE];

	if (!name_equal(owner, fetch->zone))
		return fail(reason, "a SOA at %s, which is not the zone's apex", name_to_text(owner, text));
	uint32_t serial = rdata_soa_serial(fetch->rdata, size);
	if (fetch->begun && serial != fetch->serial)
		return fail(reason, "the zone changed meanwhile: it began with serial %u and ends with %u; try again",
			    fetch->serial, serial);
	fetch->ended = fetch->begun;
	fetch->begun = true;
	fetch->serial = serial;
	return FETCH_MORE;
}

static enum fetch_verdict
take_record(struct fetch *fetch, const struct message *msg, const struct record *record, char *reason)
{
	uint8_t owner[NAME_MAX_SIZE];
	char text[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE], zone[NAME_TEXT_SIZE];
	size_t size;

	message_owner(msg, record, owner);
	name_to_text(owner, text);
	rrtype_to_text(record->type, type);
	if (fetch->ended)
		return fail(reason, "%s %s comes behind the zone's end", text, type);
	if (!fetch->begun && record->type != TYPE_SOA)
		return fail(reason, "no zone: it begins with %s %s instead of a SOA", text, type);
	if (record->class_ != CLASS_IN || rrtype_is_meta(record->type))
		return fail(reason, "%s %s cannot be in a zone", text, type);
	if (!name_is_within(owner, fetch->zone))
		return fail(reason, "%s %s is not in the zone %s", text, type, name_to_text(fetch->zone, zone));
	if (rdata_expand(msg->wire, msg->size, record->rdata, record->rdata_size, record->type, fetch->rdata,
			 RDATA_MAX_SIZE, &size) != STATUS_OK)
		return fail(reason, "%s %s: the data is malformed", text, type);
	if (record->type == TYPE_SOA) {
		enum fetch_verdict verdict = take_soa(fetch, owner, size, reason);
		if (verdict == FETCH_FAILED || fetch->ended)
			return verdict;
	}
	fetch->records++;
	enum status status = add_to_run(fetch, owner, record, fetch->rdata, size);
	return status == STATUS_OK ? FETCH_MORE : fail(reason, "%s %s: %s", text, type, status_text(status));
}

static enum fetch_verdict
take_records(struct fetch *fetch, const struct message *msg, char *reason)
{
	size_t offset = msg->start[SECTION_ANSWER];
	struct record record;
	enum fetch_verdict verdict = FETCH_MORE;

	for (unsigned left = msg->count[SECTION_ANSWER]; left > 0 && verdict == FETCH_MORE; left--) {
		message_record(msg, &offset, &record);
		verdict = take_record(fetch, msg, &record, reason);
	}
	if (verdict == FETCH_MORE && !fetch->begun)
		return fail(reason, "the answer has no records: the server does not transfer this zone");
	return verdict;
}

/* The last message must be signed (RFC 8945 5.3.1): what came before it is verified with it. */
static enum fetch_verdict
finish(struct fetch *fetch, char *reason)
{
	if (fetch->unsigned_count > 0)
		return fail(reason, "the last message is not signed");
	enum status status = flush_run(fetch);
	return status == STATUS_OK ? FETCH_DONE : fail(reason, "%s", status_text(status));
}

enum fetch_verdict
fetch_message(struct fetch *fetch, const uint8_t *wire, size_t size, uint64_t now_s, char *reason)
{
	struct message msg;

	require(!fetch->ended);
	fetch->messages++;
	enum parse_verdict parsed = parse_response(wire, size, &msg);
	/* What a server says in an error need not be as tidy as a zone. */
	if (parsed == PARSE_DROP || (parsed != PARSE_OK && (msg.flags & FLAG_RCODE) == RCODE_NOERROR))
		return fail(reason, "message %u is malformed", fetch->messages);
	enum fetch_verdict verdict = check_head(fetch, &msg, reason);
	if (verdict == FETCH_MORE)
		verdict = check_rcode(fetch, &msg, reason);
	if (verdict == FETCH_MORE)
		verdict = check_signature(fetch, &msg, now_s, reason);
	if (verdict == FETCH_MORE)
		verdict = take_records(fetch, &msg, reason);
	return verdict == FETCH_MORE && fetch->ended ? finish(fetch, reason) : verdict;
}
