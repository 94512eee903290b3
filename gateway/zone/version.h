/*
 * A zone version: the immutable content of a zone after a given change.
 *
 * Threads:   read by any. The current one is reached through zone/table.h inside an RCU section; who needs it longer
 *            pins it by count.
 * Memory:    freed by the reclaimer (version_retire) once it and all older ones are neither current, nor pinned, nor in an RCU section.
 */
#ifndef ZONEGATE_ZONE_VERSION_H
#define ZONEGATE_ZONE_VERSION_H

#include "wire/name.h"
#include "zone/tree.h"
#include <stdatomic.h>

#define VERSION_ID_SIZE 16

struct zone_version {
	const uint8_t *apex;           /* absolute, lower case; lent by the zone */
	size_t apex_size;
	struct tree tree;
	const struct node *apex_node;  /* NULL only in an empty draft */
	uint64_t version;              /* applied changes */
	uint8_t id[VERSION_ID_SIZE];   /* events.md "Id" */
	uint32_t serial;               /* also in the SOA of apex_node */
	uint32_t soa_ttl_s;            /* TTL of negative answers: min(SOA TTL, MINIMUM), RFC 2308 3 */
	uint64_t time_us;              /* of the last change */
	uint64_t records, names;       /* names: with RRsets */
	uint32_t cuts, dnames;         /* nodes so marked: 0 saves the walk from the apex */
	uint8_t deepest;               /* most labels of any relative name that was ever here (an upper bound) */
	bool frozen;
	/* for version.c and draft.c */
	_Atomic uint32_t pins;
	void **garbage; size_t garbage_count;
	struct zone_version *newer;
};

/* In an RCU section: keep it beyond the section. */
struct zone_version *version_pin(const struct zone_version *version);
void version_unpin(struct zone_version *version);

/* The node at an absolute lower-case name that lies within the zone; NULL if it does not exist. */
const struct node *version_find(const struct zone_version *version, const uint8_t *name, size_t size);
/* An RRset at a node or name; false if there is none. */
bool version_rrset(const struct zone_version *version, const uint8_t *name, uint16_t type, struct rrset *rrset);
/* The apex SOA; false only in a draft without one. */
bool version_soa(const struct zone_version *version, struct rrset *rrset);

#endif
