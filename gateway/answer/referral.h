/*
 * Zone cuts: NS and glue.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Standards: RFC 1034 4.3.2 step 3b; RFC 9471 (in-domain glue that does not fit: TC).
 */
#ifndef ZONEGATE_ANSWER_REFERRAL_H
#define ZONEGATE_ANSWER_REFERRAL_H

#include "answer/state.h"

/* cut: the node of the zone cut at or above answer->name. */
void referral_add(struct answer *answer, const struct node *cut);

#endif
