#include "wire/message.h"
#include "wire/fold.h"

/* Behind a name that parse_message has checked. */
static size_t
behind_name(const uint8_t *wire, size_t offset)
{
	while (wire[offset] != 0) {
		if (wire[offset] >= 0xc0)
			return offset + 2;
		offset += wire[offset] + 1u;
	}
	return offset + 1;
}

void
message_record(const struct message *msg, size_t *offset, struct record *record)
{
	size_t fixed = behind_name(msg->wire, *offset);
	const uint8_t *at = msg->wire + fixed;

	record->owner = (uint16_t)*offset;
	record->type = bytes_get_u16(at);
	record->class_ = bytes_get_u16(at + 2);
	if (*offset < msg->start[SECTION_ANSWER]) { /* a question ends here (RFC 1035 4.1.2) */
		record->ttl_s = 0;
		record->rdata = (uint16_t)(fixed + 4);
		record->rdata_size = 0;
		*offset = fixed + 4;
		return;
	}
	record->ttl_s = bytes_get_u32(at + 4);
	record->rdata_size = bytes_get_u16(at + 8);
	record->rdata = (uint16_t)(fixed + 10);
	*offset = fixed + 10 + record->rdata_size;
}

size_t
message_owner(const struct message *msg, const struct record *record, uint8_t *out)
{
	size_t size, next;
	enum status status = name_parse(msg->wire, msg->size, record->owner, out, &size, &next);

	invariant(status == STATUS_OK);
	fold_copy(out, out, size);
	return size;
}
