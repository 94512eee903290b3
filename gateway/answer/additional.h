/*
 * Addresses for what NS, MX, SRV, SVCB and HTTPS name, where they are in this zone.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Limits:    ADDITIONAL_TARGETS names of an RRset.
 * Standards: RFC 1034 4.3.2 step 6; RFC 2782; RFC 9460 4.1. What does not fit is left out, without TC (RFC 2181 9).
 */
#ifndef ZONEGATE_ANSWER_ADDITIONAL_H
#define ZONEGATE_ANSWER_ADDITIONAL_H

#include "answer/state.h"

#define ADDITIONAL_TARGETS 16

/* Does the type name hosts? */
static inline bool
additional_is_for(uint16_t type)
{
	return type == TYPE_NS || type == TYPE_MX || type == TYPE_SRV || type == TYPE_SVCB || type == TYPE_HTTPS;
}

/* For an RRset of the answer, of such a type. */
void additional_add(struct answer *answer, const struct rrset *rrset);
/* A and AAAA at a lower-case name, hidden by a zone cut or not, but not by a DNAME; false: they do not all fit. */
bool additional_glue(struct answer *answer, const uint8_t *name, size_t size);

#endif
