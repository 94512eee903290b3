/*
 * NXDOMAIN and NODATA with the SOA.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Standards: RFC 2308 2, 3; RFC 6604 3.
 */
#ifndef ZONEGATE_ANSWER_NEGATIVE_H
#define ZONEGATE_ANSWER_NEGATIVE_H

#include "answer/state.h"

/* rcode: RCODE_NXDOMAIN, or RCODE_NOERROR for NODATA. */
void negative_add(struct answer *answer, unsigned rcode);

#endif
