/*
 * What is wrong with a store: said once in the log, and by `zonegatectl status` for as long as it lasts.
 *
 * Threads:   any.
 * Memory:    a struct trouble is part of its owner; all zero is none. Nothing is allocated.
 */
#ifndef ZONEGATE_STORE_TROUBLE_H
#define ZONEGATE_STORE_TROUBLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_SIZE 300
#define TROUBLE_SAID 8 /* words that one trouble may have by turns: one for each endpoint, or for where it was met */

struct trouble {
	_Atomic bool any;              /* nothing is locked to say that all is well */
	char text[TROUBLE_SIZE];       /* empty: none */
	uint64_t heard_ms;
	struct { uint64_t hash, ms; } said[TROUBLE_SAID]; /* a ring */
	unsigned next;
};

/*
 * text     what is wrong; NULL: nothing any more
 * True: it deserves a line in the log: it is new, or was said a minute ago, or is over. Other numbers (a port, a time)
 * do not make it new.
 */
bool trouble_note(struct trouble *trouble, const char *text);

/* Added to what `reason` (TROUBLE_SIZE octets) says already. False: there is none. */
bool trouble_add(const struct trouble *trouble, char *reason);
/* The same, if it was heard of in the last `within_ms`. */
bool trouble_add_recent(const struct trouble *trouble, uint64_t within_ms, char *reason);
/* The same for words that are not kept. */
bool trouble_add_text(const char *text, char *reason);

#endif
