/*
 * CNAME and DNAME within the zone, with a bound.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Standards: RFC 1034 3.6.2, 4.3.2 step 3a; RFC 6672 2.2, 3.1, 3.2; RFC 6604 3 (RCODE of the last name).
 */
#ifndef ZONEGATE_ANSWER_CHAIN_H
#define ZONEGATE_ANSWER_CHAIN_H

#include "answer/state.h"

/*
 * Put the CNAME of `node` into the answer and go on to its target. True: look up answer->name, which is the target
 * now. False: the answer ends here (target outside of the zone, a loop, the bound, no room).
 */
bool chain_cname(struct answer *answer, const struct node *node);
/* The same for a DNAME above the name: the DNAME, then the CNAME that it makes. False also for YXDOMAIN. */
bool chain_dname(struct answer *answer, const struct node *node);

#endif
