/*
 * What the steps of one answer share.
 *
 * Threads:   lives on the stack of answer_query.
 * Memory:    some 4 KiB, of which a query without a CNAME touches the first line.
 */
#ifndef ZONEGATE_ANSWER_STATE_H
#define ZONEGATE_ANSWER_STATE_H

#include "wire/compose.h"
#include "zone/lookup.h"

/*
 * CNAMEs and DNAMEs followed in one answer: as many as BIND does (max-query-restarts); the resolver goes on from
 * there. Names that a DNAME makes longer and longer are each compressed with a pointer to the one before, and
 * dnspython follows 16 pointers at most.
 */
#define ANSWER_LINKS 11

struct answer {
	const struct message *msg;
	const struct zone_version *version;
	struct compose *compose;
	bool tcp;
	unsigned links;              /* CNAMEs and DNAMEs followed so far */
	/* What is looked for at the moment: the question's name, then each target. Lower case. */
	const uint8_t *name;
	size_t name_size;
	unsigned name_labels;
	/* Targets so far, the newest at links - 1: a name that comes again is a loop. */
	uint8_t target[ANSWER_LINKS][NAME_MAX_SIZE];
	const struct node *dname[ANSWER_LINKS]; /* DNAMEs already in the answer; NULL for a CNAME */
};

/* The name lies below a DNAME that is in our data: not one that a zone cut at or above it hides. */
static inline bool
answer_is_below_dname(const struct lookup *found)
{
	return found->dname != NULL &&
	       (found->zone_cut == NULL || found->dname->name_size < found->zone_cut->name_size);
}

/* The owner for compose: NULL is the question's name, whose case is kept. */
static inline const uint8_t *
answer_owner(const struct answer *answer)
{
	return answer->links == 0 ? NULL : answer->name;
}

/* An RRset into the answer section; false: it does not fit, TC is set (RFC 2181 9). */
static inline bool
answer_add(struct answer *answer, const uint8_t *owner, const struct rrset *rrset)
{
	if (compose_rrset(answer->compose, SECTION_ANSWER, owner, rrset->type, rrset->ttl_s, rrset->packed,
	                  rrset->packed_size, rrset->count))
		return true;
	answer->compose->flags |= FLAG_TC;
	return false;
}

#endif
