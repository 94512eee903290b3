/*
 * One suite that every store must pass: through the follower, as the gateway uses it.
 *
 * A store's own test (tests/unit/test_memory.c, …) says how to open it and runs suite_run.
 */
#ifndef ZONEGATE_TESTS_STORE_SUITE_H
#define ZONEGATE_TESTS_STORE_SUITE_H

#include "store/follower.h"
#include "base/arena.h"

struct suite_store {
	/* Opens the store; `fresh`: with nothing in it, else what the last one left. */
	struct store *(*open)(void *context, bool fresh);
	/* After the follower has closed the store. */
	void (*closed)(void *context);
	void *context;
	bool keeps; /* what was committed is there after it is opened again */
	/* The history that the next `open` keeps, by the wall clock; 0: all. NULL: the store does not trim. */
	void (*keep_history)(void *context, uint64_t seconds);
};

/* Number of failed tests. */
int suite_run(const char *name, const struct suite_store *like);

/* ---- for other tests of store/ and zone/ too ---- */

/* The apex of all zones here. */
extern const uint8_t suite_apex[];
/* Text to op: "ADD www A 300 192.0.2.1", "SET x TXT 60 "a" | "b"", "DEL x A 192.0.2.1", "DEL x A". */
struct change_op suite_op(struct arena *arena, const char *text);
/* A change with these ops (separated by newlines), made on a version. */
struct change *suite_change(struct arena *arena, uint64_t base, const uint8_t *base_id, const char *ops);
/* The content as sorted lines "name TYPE ttl rdata\n", without the SOA; free() it. */
char *suite_content(const struct zone_version *version);
/* Lines in the same order; free() it. */
char *suite_sorted(const char *lines);

#endif
