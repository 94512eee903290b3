#include "update/form.h"
#include "base/hash.h"
#include "wire/rdata.h"

/* What the reading of one message needs. */
struct reading {
	const struct message *msg;
	const uint8_t *zone;
	struct arena *arena;
	struct ede *ede;
	struct form *form;
	uint32_t *slots; /* open addressing: index of a name + 1; 0: free */
	size_t slot_mask;
};

static unsigned
say(const struct reading *in, unsigned rcode, const struct record *record, const char *why)
{
	char type[RRTYPE_TEXT_SIZE], text[NAME_TEXT_SIZE];
	uint8_t owner[NAME_MAX_SIZE];

	message_owner(in->msg, record, owner);
	ede_set(in->ede, EDE_INVALID_DATA, "%.90s %s: %s", name_to_text(owner, text),
		rrtype_to_text(record->type, type), why);
	return rcode;
}

static unsigned
no_memory(const struct reading *in)
{
	ede_set(in->ede, EDE_OTHER, "the message takes too much memory");
	return RCODE_SERVFAIL;
}

/* The index of an owner name, old or new; false: no memory. */
static bool
intern(struct reading *in, const uint8_t *name, size_t size, uint32_t *index)
{
	uint64_t hash = hash_bytes(name, size);
	struct form *form = in->form;
	size_t slot = hash & in->slot_mask;

	for (; in->slots[slot] != 0; slot = (slot + 1) & in->slot_mask) {
		const struct form_name *have = &form->names[in->slots[slot] - 1];
		if (have->hash == hash && have->size == size && memcmp(have->name, name, size) == 0) {
			*index = in->slots[slot] - 1;
			return true;
		}
	}
	const uint8_t *copy = arena_copy(in->arena, name, size);
	if (copy == NULL)
		return false;
	*index = (uint32_t)form->name_count;
	form->names[form->name_count++] = (struct form_name){.name = copy, .size = size, .hash = hash};
	in->slots[slot] = (uint32_t)form->name_count;
	return true;
}

/* RDATA with its names expanded; its shape is checked again, for class NONE too. NOERROR, FORMERR or SERVFAIL. */
static unsigned
expand(const struct reading *in, const struct record *record, struct form_record *out)
{
	uint8_t plain[RDATA_MAX_SIZE];
	const struct message *msg = in->msg;
	size_t size;

	if (rdata_check(msg->wire, msg->size, record->rdata, record->rdata_size, record->type) != STATUS_OK ||
	    rdata_expand(msg->wire, msg->size, record->rdata, record->rdata_size, record->type, plain, sizeof plain,
			 &size) != STATUS_OK)
		return say(in, RCODE_FORMERR, record, "RDATA does not fit its type");
	out->rdata = arena_copy(in->arena, plain, size);
	out->rdata_size = (uint16_t)size;
	return out->rdata ? RCODE_NOERROR : no_memory(in);
}

/* RFC 2136 2.4 and 3.2.1 to 3.2.3, what needs no zone. */
static unsigned
check_prerequisite(const struct reading *in, const struct record *record, struct form_record *out)
{
	bool is_any = record->type == TYPE_ANY;

	switch (record->class_) {
	case CLASS_ANY:  /* 2.4.1, 2.4.4 */
	case CLASS_NONE: /* 2.4.3, 2.4.5 */
		if (record->rdata_size != 0)
			return say(in, RCODE_FORMERR, record, "a prerequisite of this class has no RDATA");
		if (!is_any && rrtype_is_meta(record->type))
			return say(in, RCODE_FORMERR, record, "a prerequisite is not about a meta type");
		return RCODE_NOERROR;
	case CLASS_IN: /* 2.4.2 */
		if (rrtype_is_meta(record->type))
			return say(in, RCODE_FORMERR, record, "a prerequisite is not about a meta type");
		return expand(in, record, out);
	default:
		return say(in, RCODE_FORMERR, record, "a prerequisite is of the zone's class, ANY or NONE");
	}
}

/* RFC 2136 2.5 and 3.4.1.2. */
static unsigned
check_update(const struct reading *in, const struct record *record, struct form_record *out)
{
	bool is_meta = rrtype_is_meta(record->type);

	switch (record->class_) {
	case CLASS_IN: /* 2.5.1 */
		if (is_meta)
			return say(in, RCODE_FORMERR, record, "a meta type cannot be added");
		out->ttl_s = record->ttl_s > INT32_MAX ? 0 : record->ttl_s; /* RFC 2181 8 */
		return expand(in, record, out);
	case CLASS_ANY: /* 2.5.2, 2.5.3 */
		if (record->ttl_s != 0 || record->rdata_size != 0)
			return say(in, RCODE_FORMERR, record, "a deletion by class ANY has TTL 0 and no RDATA");
		if (is_meta && record->type != TYPE_ANY)
			return say(in, RCODE_FORMERR, record, "a meta type cannot be deleted");
		return RCODE_NOERROR;
	case CLASS_NONE: /* 2.5.4 */
		if (record->ttl_s != 0)
			return say(in, RCODE_FORMERR, record, "a deletion has TTL 0");
		if (is_meta)
			return say(in, RCODE_FORMERR, record, "a meta type cannot be deleted");
		return expand(in, record, out);
	default:
		return say(in, RCODE_FORMERR, record, "an update is of the zone's class, ANY or NONE");
	}
}

static unsigned
read_record(struct reading *in, enum section section, const struct record *record, struct form_record *out)
{
	uint8_t owner[NAME_MAX_SIZE];
	size_t size = message_owner(in->msg, record, owner);

	*out = (struct form_record){.type = record->type, .class_ = record->class_};
	if (section == SECTION_PREREQUISITE && record->ttl_s != 0) /* 3.2.5: before all else */
		return say(in, RCODE_FORMERR, record, "the TTL of a prerequisite is 0");
	if (!name_is_within(owner, in->zone)) /* 3.2.1, 3.4.1.1 */
		return say(in, RCODE_NOTZONE, record, "not within the zone");
	if (!intern(in, owner, size, &out->name))
		return no_memory(in);
	return section == SECTION_PREREQUISITE ? check_prerequisite(in, record, out) : check_update(in, record, out);
}

static unsigned
read_section(struct reading *in, enum section section, struct form_record *out, size_t count)
{
	size_t offset = in->msg->start[section];
	struct record record;

	for (size_t i = 0; i < count; i++) {
		message_record(in->msg, &offset, &record);
		unsigned rcode = read_record(in, section, &record, &out[i]);
		if (rcode != RCODE_NOERROR)
			return rcode;
	}
	return RCODE_NOERROR;
}

/* Room for all records and names at once: how many there are is in the header, and has been checked. */
static bool
make_room(struct reading *in)
{
	size_t prerequisites = in->msg->count[SECTION_PREREQUISITE], updates = in->msg->count[SECTION_UPDATE];
	size_t records = prerequisites + updates, slots = 8;

	while (slots < 2 * records)
		slots *= 2;
	struct form *form = arena_alloc(in->arena, sizeof *form);
	struct form_record *all = arena_alloc(in->arena, records * sizeof *all);
	struct form_name *names = arena_alloc(in->arena, records * sizeof *names);
	in->slots = arena_alloc(in->arena, slots * sizeof *in->slots);
	if (form == NULL || all == NULL || names == NULL || in->slots == NULL)
		return false;
	memset(in->slots, 0, slots * sizeof *in->slots);
	in->slot_mask = slots - 1;
	*form = (struct form){.prerequisites = all, .updates = all + prerequisites, .prerequisite_count = prerequisites,
	                      .update_count = updates, .names = names};
	in->form = form;
	return true;
}

unsigned
form_read(const struct message *msg, const uint8_t *zone, struct arena *arena, struct form **form, struct ede *ede)
{
	struct reading in = {.msg = msg, .zone = zone, .arena = arena, .ede = ede};

	if (msg->count[SECTION_ZONE] != 1 || msg->qtype != TYPE_SOA) { /* 3.1.1 */
		ede_set(ede, EDE_INVALID_DATA, "the zone section is one record of type SOA");
		return RCODE_FORMERR;
	}
	if (msg->qclass != CLASS_IN) { /* 3.1.2 */
		ede_set(ede, EDE_NOT_AUTHORITATIVE, "only zones of class IN are here");
		return RCODE_NOTAUTH;
	}
	if (!make_room(&in))
		return no_memory(&in);
	unsigned rcode = read_section(&in, SECTION_PREREQUISITE, in.form->prerequisites, in.form->prerequisite_count);
	if (rcode == RCODE_NOERROR)
		rcode = read_section(&in, SECTION_UPDATE, in.form->updates, in.form->update_count);
	if (rcode == RCODE_NOERROR)
		*form = in.form;
	return rcode;
}
