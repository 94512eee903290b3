/*
 * Zones from text and responses to text, for tests.
 *
 * A zone is lines "OWNER TTL TYPE RDATA", owners relative to the apex. A response is "FLAGS RCODE", then a line for
 * each record: the section's letter (A answer, N authority, D additional), owner, TTL, TYPE, RDATA.
 */
#ifndef ZONEGATE_TESTS_UNIT_ZONE_TEXT_H
#define ZONEGATE_TESTS_UNIT_ZONE_TEXT_H

#include "wire/parse.h"
#include "wire/present.h"
#include "wire/rdata.h"
#include "zone/draft.h"
#include <stdio.h>
#include <stdlib.h>

_Noreturn static inline void
zone_text_fail(const char *what, const char *line, const char *reason)
{
	fprintf(stderr, "%s: %s: %s\n", what, line, reason);
	abort();
}

static inline void
zone_text_add(struct draft *draft, const uint8_t *apex, const char *line)
{
	char owner[300], type_text[RRTYPE_TEXT_SIZE], reason[PRESENT_REASON_SIZE] = "";
	uint8_t name[NAME_MAX_SIZE], *rdata = malloc(RDATA_MAX_SIZE);
	unsigned ttl_s;
	uint16_t type;
	size_t size;
	int at = 0;

	if (rdata == NULL || sscanf(line, "%299s %u %15s %n", owner, &ttl_s, type_text, &at) < 3 || at == 0)
		zone_text_fail("zone", line, "OWNER TTL TYPE RDATA");
	if (name_from_text(owner, strlen(owner), apex, name) != STATUS_OK ||
	    rrtype_from_text(type_text, &type) != STATUS_OK)
		zone_text_fail("zone", line, "owner or type");
	name_lower(name, name);
	if (present_parse(type, line + at, strlen(line + at), apex, rdata, RDATA_MAX_SIZE, &size, reason) != STATUS_OK)
		zone_text_fail("zone", line, reason);
	if (draft_add(draft, name, type, ttl_s, rdata, size) != STATUS_OK)
		zone_text_fail("zone", line, "not added");
	free(rdata);
}

/* apex: wire, lower case; must outlive the version. Ended by draft_discard. */
static inline struct zone_version *
zone_text_load(const uint8_t *apex, const char *text)
{
	struct zone_version *version = NULL;
	struct draft draft;
	char line[4000];

	if (draft_begin(&draft, NULL, apex) != STATUS_OK)
		zone_text_fail("zone", "", "draft_begin");
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		if (length >= sizeof line)
			zone_text_fail("zone", text, "too long");
		memcpy(line, text, length);
		line[length] = '\0';
		if (line[strspn(line, " \t")] != '\0')
			zone_text_add(&draft, apex, line);
		text += length + (text[length] == '\n');
	}
	draft.version->version = 1;
	struct rrset soa;
	if (version_soa(draft.version, &soa)) {
		struct rdata rdata = rrset_first(&soa);
		draft.version->serial = rdata_soa_serial(rdata.bytes, rdata.size);
	}
	if (draft_finish(&draft, &version) != STATUS_OK)
		zone_text_fail("zone", "", "draft_finish");
	return version;
}

/* A query in `out` (600 octets); edns_size 0: no OPT. Returns its size. */
static inline size_t
zone_text_query(const char *name, const char *type_text, unsigned edns_size, uint8_t *out)
{
	struct writer writer = writer_over(out, 600);
	uint8_t wire[NAME_MAX_SIZE];
	uint16_t type;

	if (name_from_text(name, strlen(name), (const uint8_t *)"", wire) != STATUS_OK ||
	    rrtype_from_text(type_text, &type) != STATUS_OK)
		zone_text_fail("query", name, type_text);
	writer_u16(&writer, 0x1234);
	writer_u16(&writer, 0);
	writer_u16(&writer, 1);
	writer_u32(&writer, 0);
	writer_u16(&writer, edns_size > 0);
	writer_bytes(&writer, wire, name_size(wire));
	writer_u16(&writer, type);
	writer_u16(&writer, CLASS_IN);
	if (edns_size > 0) {
		writer_u8(&writer, 0);
		writer_u16(&writer, TYPE_OPT);
		writer_u16(&writer, (uint16_t)edns_size);
		writer_u32(&writer, 0);
		writer_u16(&writer, 0);
	}
	return writer_size(&writer);
}

static inline size_t
zone_text_record(const struct message *msg, const struct record *record, char letter, char *out, size_t room)
{
	char owner[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE], *text = malloc(PRESENT_TEXT_SIZE);
	uint8_t name[NAME_MAX_SIZE], *rdata = malloc(RDATA_MAX_SIZE);
	size_t size, next;

	if (text == NULL || rdata == NULL ||
	    name_parse(msg->wire, msg->size, record->owner, name, &size, &next) != STATUS_OK ||
	    rdata_expand(msg->wire, msg->size, record->rdata, record->rdata_size, record->type, rdata, RDATA_MAX_SIZE,
			 &size) != STATUS_OK ||
	    present_rdata(record->type, rdata, size, text, PRESENT_TEXT_SIZE, &size) != STATUS_OK)
		zone_text_fail("response", "record", "cannot be read");
	int length = snprintf(out, room, "%c %s %u %s %s\n", letter, name_to_text(name, owner), record->ttl_s,
	                      rrtype_to_text(record->type, type), text);
	free(text);
	free(rdata);
	if (length < 0 || (size_t)length >= room)
		zone_text_fail("response", "record", "too long");
	return (size_t)length;
}

/* OPT and TSIG are left out. */
static inline const char *
zone_text_response(const uint8_t *wire, size_t size, char *out, size_t room)
{
	static const char letters[] = "QAND";
	struct message msg;
	struct record record;

	if (parse_response(wire, size, &msg) != PARSE_OK)
		zone_text_fail("response", "parse_response", "not well formed");
	size_t used = (size_t)snprintf(out, room, "%s%s%s\n", msg.flags & FLAG_AA ? "AA " : "",
				       msg.flags & FLAG_TC ? "TC " : "", rcode_text(msg.flags & FLAG_RCODE));
	for (enum section section = SECTION_ANSWER; section < SECTION_COUNT; section++) {
		size_t offset = msg.start[section];
		for (unsigned left = msg.count[section]; left > 0; left--) {
			message_record(&msg, &offset, &record);
			if (record.type != TYPE_OPT && record.type != TYPE_TSIG)
				used += zone_text_record(&msg, &record, letters[section], out + used, room - used);
		}
	}
	return out;
}

#endif
