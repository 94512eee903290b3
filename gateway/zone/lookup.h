/*
 * Where a name is in a zone version (RFC 1034 4.3.2 step 3, RFC 4592, RFC 6672): facts, no decisions.
 *
 * Threads:   any, inside an RCU section or with the version pinned.
 * Memory:    the result points into the version.
 * Both a DNAME and a cut may be above a name; the one with the shorter owner (name_size) is met first and hides the
 * other.
 */
#ifndef ZONEGATE_ZONE_LOOKUP_H
#define ZONEGATE_ZONE_LOOKUP_H

#include "zone/version.h"

struct lookup {
	const struct node *node; /* at the name itself; NULL: it does not exist (an ENT does, with no RRsets) */
	const struct node *zone_cut;           /* highest cut at or above the name, below the apex; NULL: none */
	const struct node *dname; /* highest node strictly above the name with a DNAME, not below a cut; NULL: none */
	const struct node *closest_encloser;   /* the node itself, if it exists; NULL only in a draft without an apex */
	const struct node *source_of_synthesis; /* "*" below the closest encloser, if node is NULL and it exists */
};

/* name: absolute, lower case, within the zone; `size` octets, `labels` labels without the root. */
void lookup_name(const struct zone_version *version, const uint8_t *name, size_t size, unsigned labels,
		 struct lookup *lookup);
/* The same for who has found the name's own node already (NULL: there is none). */
void lookup_found(const struct zone_version *version, const uint8_t *name, size_t size, unsigned labels,
		  const struct node *node, struct lookup *lookup);

#endif
