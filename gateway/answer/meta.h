/*
 * What is no ordinary data: QTYPE ANY. (Class CH is answer_chaos, in answer.h.)
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Standards: RFC 8482 4.1.
 */
#ifndef ZONEGATE_ANSWER_META_H
#define ZONEGATE_ANSWER_META_H

#include "answer/state.h"

/* ANY at a node with RRsets: over UDP one of them, over TCP all. */
void meta_any(struct answer *answer, const struct node *node);

#endif
