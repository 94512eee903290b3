/*
 * Who may go, and who waits for whom: the requests of one zone in order of arrival. Two that share a name go one after
 * the other; one that concerns the whole zone goes alone, after all before it and before all behind it; the others
 * pass.
 *
 * Threads:   the caller locks.
 * Memory:    members and their claims are the caller's and stay until line_leave; a line allocates its buckets only.
 * Names are told apart by their 64-bit hash: two with the same one wait for each other without need, and do no harm.
 */
#ifndef ZONEGATE_UPDATE_LINE_H
#define ZONEGATE_UPDATE_LINE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_member;

/* A member's place in the line for one name. */
struct line_claim {
	uint64_t hash;
	struct line_member *member;
	struct line_claim *next;  /* behind it, for the same name */
	struct line_claim *last;  /* of the first only: the last for this name */
	struct line_claim *chain; /* of the first only: the first one of another name in the bucket */
};

struct line_member {
	struct line_claim *claims; /* hash set by the caller, each once */
	size_t claim_count;
	bool all;                  /* concerns the whole zone; no claims */
	/* private */
	size_t blockers;           /* names for which another is before it */
	bool gated;                /* behind one that concerns the whole zone */
	struct line_member *next;  /* in the gate, or in the list that line_leave returns */
};

struct line {
	struct line_claim **buckets;
	size_t mask, firsts;       /* buckets - 1; names in the table */
	size_t admitted;           /* members that are not in the gate */
	bool alone;                /* one with `all` is among the admitted, alone */
	struct line_member *gate, **gate_end;
};

MUST_USE enum status line_init(struct line *line);
void line_free(struct line *line);

/* True: it may go at once. Else line_leave of another returns it. */
bool line_join(struct line *line, struct line_member *member);
/* One that has gone, or that waits no more. Returns those that may go now, in order, by `next`. */
struct line_member *line_leave(struct line *line, struct line_member *member);

#endif
