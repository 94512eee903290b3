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

/* ---- names in a catalog; labels with their length octet; false: the name would be too long ---- */

/* LABEL.zones.CATALOG, the node of a member (RFC 9432 4.1). */
bool catalog_node(const uint8_t *catalog, const uint8_t *label, uint8_t *out);
/* PROPERTY.LABEL.zones.CATALOG, where a member has "group" or "coo" (RFC 9432 4.3). */
bool catalog_property(const uint8_t *node, const uint8_t *property, uint8_t *out);
/* Is that relative name (labels without the root's octet) LABEL.zones? */
bool catalog_is_member(const uint8_t *name, size_t size);

extern const uint8_t catalog_group[], catalog_coo[];

#endif
