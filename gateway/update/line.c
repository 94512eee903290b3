#include "update/line.h"
#include <stdlib.h>

#define BUCKETS_MIN 4 /* most zones of many have no update waiting; it grows */

enum status
line_init(struct line *line)
{
	*line = (struct line){.buckets = calloc(BUCKETS_MIN, sizeof(struct line_claim *)), .mask = BUCKETS_MIN - 1};
	line->gate_end = &line->gate;
	return line->buckets ? STATUS_OK : STATUS_NO_MEMORY;
}

void
line_free(struct line *line)
{
	require(line->admitted == 0 && line->gate == NULL);
	free(line->buckets);
}

/* Twice as many buckets; without memory the chains grow longer. */
static void
grow(struct line *line)
{
	size_t mask = line->mask * 2 + 1;
	struct line_claim **buckets = calloc(mask + 1, sizeof(struct line_claim *));

	if (buckets == NULL)
		return;
	for (size_t i = 0; i <= line->mask; i++) {
		for (struct line_claim *claim = line->buckets[i], *chain; claim; claim = chain) {
			chain = claim->chain;
			claim->chain = buckets[claim->hash & mask];
			buckets[claim->hash & mask] = claim;
		}
	}
	free(line->buckets);
	line->buckets = buckets;
	line->mask = mask;
}

/* Where the first one of a name hangs, or would. */
static struct line_claim **
find(struct line *line, uint64_t hash)
{
	struct line_claim **link = &line->buckets[hash & line->mask];

	while (*link && (*link)->hash != hash)
		link = &(*link)->chain;
	return link;
}

static void
claim_take(struct line *line, struct line_claim *claim, struct line_member *member)
{
	struct line_claim **link = find(line, claim->hash), *first = *link;

	claim->member = member;
	claim->next = claim->chain = NULL;
	claim->last = claim;
	if (first == NULL) {
		*link = claim;
		line->firsts++;
		return;
	}
	invariant(first->last->member != member);
	first->last->next = claim;
	first->last = claim;
	member->blockers++;
}

/* `ready` grows by the one behind it, where that was all it waited for. */
static void
claim_drop(struct line *line, struct line_claim *claim, struct line_member ***ready)
{
	struct line_claim **link = find(line, claim->hash), *first = *link, *next = claim->next;

	if (first != claim) { /* waited, and waits no more */
		struct line_claim *before = first;
		while (before->next != claim)
			before = before->next;
		before->next = next;
		if (next == NULL)
			first->last = before;
		return;
	}
	if (next == NULL) {
		*link = claim->chain;
		line->firsts--;
		return;
	}
	next->last = claim->last;
	next->chain = claim->chain;
	*link = next;
	if (--next->member->blockers > 0)
		return;
	next->member->next = NULL;
	**ready = next->member;
	*ready = &next->member->next;
}

static void
admit(struct line *line, struct line_member *member)
{
	member->gated = false;
	member->blockers = 0;
	line->admitted++;
	line->alone = member->all;
	for (size_t i = 0; i < member->claim_count; i++)
		claim_take(line, &member->claims[i], member);
	if (line->firsts > 2 * line->mask)
		grow(line);
}

bool
line_join(struct line *line, struct line_member *member)
{
	require(!member->all || member->claim_count == 0);
	if (line->alone || line->gate || (member->all && line->admitted > 0)) {
		member->gated = true;
		member->next = NULL;
		*line->gate_end = member;
		line->gate_end = &member->next;
		return false;
	}
	admit(line, member);
	return member->blockers == 0;
}

static void
leave_gate(struct line *line, struct line_member *member)
{
	struct line_member **link = &line->gate;

	while (*link != member)
		link = &(*link)->next;
	*link = member->next;
	if (line->gate_end == &member->next)
		line->gate_end = link;
}

/* Let in from the gate whoever may pass. */
static void
open_gate(struct line *line, struct line_member **ready)
{
	while (line->gate && !line->alone && (!line->gate->all || line->admitted == 0)) {
		struct line_member *member = line->gate;
		line->gate = member->next;
		if (line->gate == NULL)
			line->gate_end = &line->gate;
		admit(line, member);
		if (member->blockers > 0)
			continue;
		member->next = NULL;
		*ready = member;
		ready = &member->next;
	}
}

struct line_member *
line_leave(struct line *line, struct line_member *member)
{
	struct line_member *first = NULL, **ready = &first;

	if (member->gated) {
		leave_gate(line, member);
	} else {
		for (size_t i = 0; i < member->claim_count; i++)
			claim_drop(line, &member->claims[i], &ready);
		line->admitted--;
		line->alone = false;
	}
	open_gate(line, ready);
	return first;
}
