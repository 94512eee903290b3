/*
 * The update section (RFC 2136 2.5 and 3.4.2), in message order, on a working copy.
 *
 * Threads:   belongs to one evaluation.
 * Memory:    the overlay's.
 * Standards: RFC 2136 2.5, 3.4.2; RFC 1034 3.6.2, RFC 2181 5.2, 10.1; RFC 6672 2.4; RFC 1982; updates.md step 6.
 */
#ifndef ZONEGATE_UPDATE_APPLY_H
#define ZONEGATE_UPDATE_APPLY_H

#include "update/overlay.h"

/*
 * strict  what RFC 2136 says to ignore is REFUSED
 * NOERROR (ede says what was ignored, if anything was) or REFUSED with ede; SERVFAIL: the arena is full.
 */
unsigned apply_updates(struct overlay *overlay, bool strict, struct ede *ede);

#endif
