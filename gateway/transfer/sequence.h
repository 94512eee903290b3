/*
 * Difference sequences (RFC 1995 4): what a step from one version of a zone to a later one removed and added.
 *
 * Threads:   made by one, then immutable and shared by count.
 * Memory:    one block each; sequence_release by the last who holds it frees it.
 * Limits:    a sequence over `limit` octets is not made (STATUS_LIMIT): the whole zone is smaller then.
 * Standards: RFC 1995 4: the old SOA, what was removed, the new SOA, what was added.
 */
#ifndef ZONEGATE_TRANSFER_SEQUENCE_H
#define ZONEGATE_TRANSFER_SEQUENCE_H

#include "zone/replay.h"

struct sequence {
	_Atomic uint32_t holders;
	uint32_t from_serial, to_serial;
	uint64_t from_version, to_version;
	uint32_t records;
	uint32_t soa_offset;   /* of the new SOA */
	size_t size;
	uint8_t data[];        /* records, see sequence_next */
};

/* One record of a sequence: points into it. */
struct sequence_record {
	const uint8_t *name;   /* the owner without the zone's name: `own` octets of labels */
	uint8_t own;
	uint16_t type;
	uint32_t ttl_s;
	struct rdata rdata;
};

/* Walk: *at starts as sequence->data; call it exactly sequence->records times. */
static inline struct sequence_record
sequence_next(const uint8_t **at)
{
	const uint8_t *in = *at;
	struct sequence_record record = {.own = in[0], .name = in + 1};

	in += 1u + record.own;
	memcpy(&record.type, in, 2);
	memcpy(&record.ttl_s, in + 2, 4);
	memcpy(&record.rdata.size, in + 6, 2);
	record.rdata.bytes = in + 8;
	*at = record.rdata.bytes + record.rdata.size;
	return record;
}

/*
 * From one version to a later one of the same zone, both with a SOA. Quick where they share most of their trees.
 * STATUS_LIMIT, STATUS_NO_MEMORY
 */
MUST_USE enum status sequence_between(const struct zone_version *from, const struct zone_version *to, size_t limit,
				      struct sequence **sequence);
/*
 * Apply the ops of a change to the draft, whose version and serial become those given, and say what that did. The
 * change is known to apply there: it comes from the log. The SOA in the draft keeps an old serial: that of
 * draft->version counts.
 * arena     for working; reset by the caller
 * STATUS_INVALID: it does not apply, or the draft has no SOA. Unless OK the draft is to be dropped.
 */
MUST_USE enum status sequence_of_change(struct draft *draft, const struct change *change, uint64_t version,
					uint32_t serial, struct arena *arena, size_t limit,
					struct sequence **sequence);

struct sequence *sequence_hold(struct sequence *sequence);
void sequence_release(struct sequence *sequence);

#endif
