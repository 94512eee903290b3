/*
 * May this requestor do all that the update section says (updates.md step 4)? No half: one refused record refuses the
 * message.
 *
 * Threads:   belongs to one evaluation.
 * Memory:    nothing is kept; record->limit of the form's updates is set.
 * Standards: BIND 9 ARM "update-policy"; updates.md step 4.
 */
#ifndef ZONEGATE_UPDATE_PERMIT_H
#define ZONEGATE_UPDATE_PERMIT_H

#include "keys/policy.h"
#include "update/overlay.h"

/*
 * policy   NULL: `list` decides, for everything alike; both NULL: nobody may
 * overlay  before any edit: "delete all RRsets" is about what the version has
 * NOERROR, or REFUSED with rule, name and type in ede.
 */
unsigned permit_check(struct overlay *overlay, const struct policy *policy, const struct acl *list,
                      const struct policy_requestor *who, struct ede *ede);

#endif
