/*
 * Within control/catalog*.c: what the two directions share.
 *
 * Threads:   the catalog's own, and the committer's job thread while that waits for it.
 * Memory:    see each.
 */
#ifndef ZONEGATE_CONTROL_CATALOG_INTERNAL_H
#define ZONEGATE_CONTROL_CATALOG_INTERNAL_H

#include "control/gateway.h"

/* Names of zones; one after the other in `bytes`. */
struct catalog_names {
	uint8_t *bytes;
	size_t size, room, count;
};

/*
 * List the zones in every catalog that is produced here: all of them, or those of `names`. gateway->lock is held for
 * reading.
 * False: try again.
 */
bool catalog_produce(struct gateway *gateway, const struct catalog_names *names, bool all);
/*
 * Make the members of every catalog that is consumed here zones. gateway->lock is held for writing. False: try again.
 * *clashes: members that are zones already, and may be taken up when those go.
 */
bool catalog_consume(struct gateway *gateway, size_t *clashes);

#endif
