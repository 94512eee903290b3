/*
 * UPDATE messages from text, and what comes of them as text, for tests.
 *
 * A message is lines "SECTION OWNER TTL CLASS TYPE [RDATA]": section P (prerequisite) or U (update); owners relative to
 * the zone, with a final dot absolute. What comes of it: the RCODE, then a line for each op, then the names read.
 */
#ifndef ZONEGATE_TESTS_UNIT_UPDATE_TEXT_H
#define ZONEGATE_TESTS_UNIT_UPDATE_TEXT_H

#include "tests/unit/zone_text.h"
#include "update/update.h"
#include <arpa/inet.h>

#define UPDATE_TEXT_ZONE (const uint8_t *)"\007example\004test"

static inline uint16_t
update_text_class(const char *text)
{
	return strcmp(text, "IN") == 0     ? CLASS_IN
	       : strcmp(text, "ANY") == 0  ? CLASS_ANY
	       : strcmp(text, "NONE") == 0 ? CLASS_NONE
	       : strcmp(text, "CH") == 0   ? CLASS_CH
					   : (uint16_t)strtoul(text, NULL, 10);
}

/* RDATA may also be "hex:0a0b…", as it is. */
static inline void
update_text_record(struct writer *out, const char *line)
{
	char owner[300], class_[8], type_text[RRTYPE_TEXT_SIZE], reason[PRESENT_REASON_SIZE] = "";
	uint8_t name[NAME_MAX_SIZE], *rdata = malloc(RDATA_MAX_SIZE);
	unsigned ttl_s;
	uint16_t type;
	size_t size = 0;
	int at = 0;

	if (rdata == NULL || sscanf(line, "%*c %299s %u %7s %15s %n", owner, &ttl_s, class_, type_text, &at) < 4)
		zone_text_fail("message", line, "SECTION OWNER TTL CLASS TYPE RDATA");
	if (name_from_text(owner, strlen(owner), UPDATE_TEXT_ZONE, name) != STATUS_OK ||
	    rrtype_from_text(type_text, &type) != STATUS_OK)
		zone_text_fail("message", line, "owner or type");
	if (strncmp(line + at, "hex:", 4) == 0) {
		size = strlen(line + at + 4) / 2;
		if (!bytes_from_hex(line + at + 4, 2 * size, rdata))
			zone_text_fail("message", line, "hex");
	} else if (line[at] != '\0' && present_parse(type, line + at, strlen(line + at), UPDATE_TEXT_ZONE, rdata,
						     RDATA_MAX_SIZE, &size, reason) != STATUS_OK) {
		zone_text_fail("message", line, reason);
	}
	writer_bytes(out, name, name_size(name));
	writer_u16(out, type);
	writer_u16(out, update_text_class(class_));
	writer_u32(out, ttl_s);
	writer_u16(out, (uint16_t)size);
	writer_bytes(out, rdata, size);
	free(rdata);
}

/* Returns its size. */
static inline size_t
update_text_build(uint16_t id, const char *text, uint8_t *wire, size_t room)
{
	struct writer out = writer_over(wire, room);
	uint16_t prerequisites = 0, updates = 0;
	char line[4000];

	writer_u16(&out, id);
	writer_u16(&out, OPCODE_UPDATE << 11);
	writer_u16(&out, 1);
	writer_u32(&out, 0);
	writer_u16(&out, 0);
	writer_bytes(&out, UPDATE_TEXT_ZONE, name_size(UPDATE_TEXT_ZONE));
	writer_u16(&out, TYPE_SOA);
	writer_u16(&out, CLASS_IN);
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		memcpy(line, text, length);
		line[length] = '\0';
		prerequisites = (uint16_t)(prerequisites + (line[0] == 'P'));
		updates = (uint16_t)(updates + (line[0] == 'U'));
		update_text_record(&out, line);
		text += length + (text[length] == '\n');
	}
	if (out.failed)
		zone_text_fail("message", text, "no room");
	bytes_put_u16(wire + 6, prerequisites);
	bytes_put_u16(wire + 8, updates);
	return writer_size(&out);
}

/* A request that is parsed; wire is copied into its arena. */
static inline enum parse_verdict
update_text_request(struct update_request *request, const uint8_t *wire, size_t size, const char *key)
{
	struct sockaddr_in client = {
		.sin_family = AF_INET, .sin_port = htons(53211), .sin_addr.s_addr = htonl(0xc0000209)};

	memset(request, 0, sizeof *request);
	arena_init(&request->arena, UPDATE_ARENA_CAP_BYTES);
	memcpy(&request->client, &client, sizeof client);
	request->ede.code = EDE_NONE;
	if (key) {
		uint8_t name[NAME_MAX_SIZE];
		if (name_from_text(key, strlen(key), NULL, name) != STATUS_OK)
			zone_text_fail("key", key, "no name");
		request->key_name = arena_copy(&request->arena, name, name_size(name));
		request->key_text = arena_text(&request->arena, key);
	}
	return parse_message(arena_copy(&request->arena, wire, size), size, &request->msg);
}

static inline char *
update_text_rdata(char *out, const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;

	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		size_t length;
		*out++ = ' ';
		if (i > 0) {
			*out++ = '+';
			*out++ = ' ';
		}
		if (present_rdata(rrset->type, rdata.bytes, rdata.size, out, 2000, &length) != STATUS_OK)
			zone_text_fail("op", "rdata", "cannot be written");
		out += length;
	}
	return out;
}

static inline char *
update_text_op(char *out, const struct change_op *op)
{
	static const char *const kinds[] = {[CHANGE_ADD] = "ADD", [CHANGE_SET] = "SET", [CHANGE_DEL] = "DEL"};
	char owner[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];

	out += sprintf(out, "%s %s %s", kinds[op->kind], name_to_text_relative(op->owner, UPDATE_TEXT_ZONE, owner),
	               rrtype_to_text(op->rrset.type, type));
	if (op->kind != CHANGE_DEL)
		out += sprintf(out, " %u", op->rrset.ttl_s);
	out = update_text_rdata(out, &op->rrset);
	*out++ = '\n';
	*out = '\0';
	return out;
}

static inline const char *
update_text_change(unsigned rcode, const struct change *change, char *out)
{
	char *at = out, name[NAME_TEXT_SIZE];

	at += sprintf(at, "%s\n", rcode_text(rcode));
	for (size_t i = 0; change && i < change->op_count; i++)
		at = update_text_op(at, &change->ops[i]);
	if (change && change->read_count > 0) {
		at += sprintf(at, "READS");
		for (size_t i = 0; i < change->read_count; i++)
			at += sprintf(at, " %s", name_to_text_relative(change->reads[i], UPDATE_TEXT_ZONE, name));
		at += sprintf(at, "\n");
	}
	return out;
}

/*
 * Evaluate a message on a zone, both as text. Returns static storage: the outcome; *why (may be NULL) gets the text of
 * the EDE, "" if there is none.
 */
static inline const char *
update_text_evaluate(const char *zone, const char *message, const struct update_settings *settings, const char *key,
		     const char **why)
{
	static char out[200000], reason[EDE_TEXT_SIZE];
	static uint8_t wire[MESSAGE_MAX_SIZE];
	struct update_request request;
	struct change change;

	struct zone_version *version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	size_t size = update_text_build(4660, message, wire, sizeof wire);
	if (update_text_request(&request, wire, size, key) != PARSE_OK) {
		request.rcode = RCODE_FORMERR;
		update_text_change(RCODE_FORMERR, NULL, out);
	} else {
		enum update_effect effect = update_evaluate(&request, version, settings, 1763766000, &change);
		update_text_change(request.rcode, effect == UPDATE_CHANGE ? &change : NULL, out);
	}
	strcpy(reason, request.ede.code == EDE_NONE ? "" : request.ede.text);
	if (why)
		*why = reason;
	arena_free(&request.arena);
	draft_discard(version);
	return out;
}

/* Settings under which anybody may do anything. */
static inline struct update_settings *
update_text_open(bool strict)
{
	struct update_settings *settings = calloc(1, sizeof *settings);
	char reason[POLICY_REASON_SIZE];

	settings->allow_update = acl_new();
	settings->strict = strict;
	settings->timeout_ms = 2000;
	if (acl_add(settings->allow_update, "any", reason) != STATUS_OK)
		zone_text_fail("acl", "any", reason);
	return settings;
}

#endif
