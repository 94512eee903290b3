/*
 * Prerequisites (RFC 2136 2.4 and 3.2): what must hold of the zone before an UPDATE is done.
 *
 * Threads:   belongs to one evaluation.
 * Memory:    scratch in the overlay's arena.
 * Standards: RFC 2136 2.4, 3.2; updates.md step 5.
 */
#ifndef ZONEGATE_UPDATE_PREREQ_H
#define ZONEGATE_UPDATE_PREREQ_H

#include "update/overlay.h"

/*
 * Look at the version, never at edits. The value-independent ones in message order, then the value-dependent ones
 * (3.2.5).
 * NOERROR: all hold. NXDOMAIN, YXDOMAIN, NXRRSET, YXRRSET: the first that does not; SERVFAIL: the arena is full; ede
 *          says which.
 */
unsigned prereq_check(struct overlay *overlay, struct ede *ede);

#endif
