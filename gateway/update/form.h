/*
 * The form of an UPDATE (RFC 2136 2.3 to 2.5, 3.2.1, 3.4.1): its prerequisite and update sections, checked and read
 * once, for all evaluations of the same message.
 *
 * Threads:   any; no state.
 * Memory:    everything lies in the arena given.
 * Limits:    RDATA of up to 65,535 octets with its names expanded.
 * Standards: RFC 2136 2.3, 2.4, 2.5, 3.1, 3.2.1, 3.4.1; RFC 2181 8 (TTL).
 */
#ifndef ZONEGATE_UPDATE_FORM_H
#define ZONEGATE_UPDATE_FORM_H

#include "base/arena.h"
#include "wire/message.h"

/* An owner name of the message, once each. */
struct form_name {
	const uint8_t *name; /* absolute, lower case, within the zone */
	size_t size;
	uint64_t hash;       /* hash_bytes of it */
};

struct form_record {
	uint32_t name;         /* index into names */
	uint16_t type, class_;
	uint32_t ttl_s;
	const uint8_t *rdata;  /* plain; NULL where there is none by class */
	uint16_t rdata_size;
	uint16_t limit;        /* TYPE(n) of the rule that allowed it; 0: none. Set by update/permit.c */
};

struct form {
	struct form_record *prerequisites, *updates;
	size_t prerequisite_count, update_count;
	struct form_name *names;
	size_t name_count;
};

/*
 * Check and read. Returns the RCODE: NOERROR (and *form), FORMERR, NOTZONE, NOTAUTH (a zone of another class), SERVFAIL
 * (the arena is full); ede says why.
 * zone  the name of the zone section, lower case
 */
unsigned form_read(const struct message *msg, const uint8_t *zone, struct arena *arena, struct form **form,
		   struct ede *ede);

#endif
