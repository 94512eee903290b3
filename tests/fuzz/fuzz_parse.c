/*
 * The message parser; then every record is walked, its RDATA expanded, and the message composed again and parsed again.
 */
#include "wire/compose.h"
#include "wire/parse.h"
#include "wire/rdata.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False: no room. */
static bool
compose_again(struct compose *compose, const struct message *msg, enum section section, const struct record *record)
{
	static uint8_t rdata[RDATA_MAX_SIZE];
	uint8_t owner[NAME_MAX_SIZE];
	size_t size;

	message_owner(msg, record, owner);
	enum status status = rdata_expand(msg->wire, msg->size, record->rdata, record->rdata_size, record->type,
	                                  rdata, sizeof rdata, &size);
	if (status != STATUS_OK || section == SECTION_QUESTION)
		return true;
	invariant(rdata_check_plain(rdata, size, record->type) == STATUS_OK);
	invariant(rdata_check(msg->wire, msg->size, record->rdata, record->rdata_size, record->type) == STATUS_OK);
	invariant(rdata_equal(rdata, size, rdata, size, record->type));
	for (unsigned n = 0; rdata_name(rdata, size, record->type, n) != NULL; n++)
		invariant(name_size(rdata_name(rdata, size, record->type, n)) <= NAME_MAX_SIZE);
	if (record->type == TYPE_OPT || record->type == TYPE_TSIG)
		return true;
	return compose_record(compose, section, owner, record->type, record->class_, record->ttl_s, rdata, size);
}

/* What we have composed must be read back as the same records. */
static void
check_composed(const uint8_t *wire, size_t size, const struct compose *compose)
{
	static uint8_t rdata[RDATA_MAX_SIZE];
	struct message msg;

	if (parse_response(wire, size, &msg) != PARSE_OK)
		/* QUERY with the rules of another opcode's records: the form is checked by the walk of the first */
		return;
	for (enum section section = 0; section < SECTION_COUNT; section++) {
		size_t offset = msg.start[section], out_size;
		invariant(msg.count[section] == compose->count[section]);
		for (unsigned left = msg.count[section]; left > 0; left--) {
			struct record record;
			message_record(&msg, &offset, &record);
			enum status status = rdata_expand(wire, size, record.rdata, record.rdata_size, record.type,
			                                  rdata, sizeof rdata, &out_size);
			invariant(status == STATUS_OK || section == SECTION_QUESTION || record.class_ != CLASS_IN);
		}
		invariant(offset == msg.start[section + 1]);
	}
}

static void
walk(const struct message *msg, size_t limit)
{
	static uint8_t buffer[MESSAGE_MAX_SIZE];
	struct compose compose;

	compose_begin(&compose, msg, buffer, limit, 64);
	for (enum section section = 0; section < SECTION_COUNT; section++) {
		size_t offset = msg->start[section];
		for (unsigned left = msg->count[section]; left > 0; left--) {
			struct record record;
			message_record(msg, &offset, &record);
			if (!compose_again(&compose, msg, section, &record))
				compose.flags |= FLAG_TC;
		}
		invariant(offset == msg->start[section + 1]);
	}
	struct ede ede;
	ede_set(&ede, EDE_OTHER, "composed again");
	struct edns_reply opt = {.udp_size = EDNS_UDP_SIZE, .nsid = "fuzz", .ede = &ede, .keepalive_100ms = -1,
	                         .cookie = msg->edns.present ? msg->edns.cookie : NULL,
	                         .cookie_size = msg->edns.present ? msg->edns.cookie_size : 0};
	size_t size = compose_finish(&compose, msg->edns.present ? &opt : NULL);
	invariant(size <= limit);
	check_composed(buffer, size, &compose);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message msg;
	uint8_t *wire = malloc(size > 0 ? size : 1); /* its own block: a read behind the end is seen */

	if (wire == NULL)
		return 0;
	if (size > 0)
		memcpy(wire, data, size);
	enum parse_verdict verdict = parse_message(wire, size, &msg);
	if (verdict == PARSE_OK) {
		walk(&msg, 65535);
		walk(&msg, 512);
	} else if (verdict != PARSE_DROP) {
		uint8_t buffer[512];
		struct compose compose;
		compose_begin(&compose, &msg, buffer, sizeof buffer, 0);
		compose.rcode = RCODE_FORMERR;
		invariant(compose_finish(&compose, NULL) <= sizeof buffer);
		invariant(msg.tsig_offset < size);
	}
	if (parse_response(wire, size, &msg) == PARSE_OK)
		walk(&msg, 65535);
	free(wire);
	return 0;
}
