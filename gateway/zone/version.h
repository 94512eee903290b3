/*
 * A zone version: the immutable content of a zone after a given change.
 *
 * Threads:   read by any. The current one is reached through zone/table.h inside an RCU section; who needs it longer
 *            pins it by count.
 * Memory:    freed by the reclaimer (zone/reclaim.h) once it and all older ones are neither current, nor pinned, nor in
 *            an RCU section. An unpublished version belongs to who made it: draft_discard, newest first.
 */
#ifndef ZONEGATE_ZONE_VERSION_H
#define ZONEGATE_ZONE_VERSION_H

#include "wire/compose.h"
#include "zone/reclaim.h"
#include "zone/tree.h"
#include <stdatomic.h>

#define VERSION_ID_SIZE 16

struct zonemd;

struct zone_version {
	const uint8_t *apex;           /* absolute, lower case; lent by the zone */
	size_t apex_size;
	struct tree tree;
	const struct node *apex_node;  /* NULL only in an empty draft */
	uint64_t version;              /* applied changes */
	uint8_t id[VERSION_ID_SIZE];   /* events.md "Id" */
	uint32_t serial;               /* also in the SOA of apex_node */
	uint32_t soa_ttl_s;            /* TTL of negative answers: min(SOA TTL, MINIMUM), RFC 2308 3 */
	struct compose_soa soa;        /* of negative answers; rdata NULL only in a draft without one */
	uint64_t time_us;              /* of the last change */
	uint64_t records, names;       /* names: with RRsets */
	uint32_t cuts, dnames;         /* nodes so marked: 0 saves the walk from the apex */
	uint8_t apex_labels;           /* labels of the apex without the root */
	uint8_t deepest;               /* most labels of any relative name that was ever here (an upper bound) */
	bool frozen;
	_Atomic(struct zonemd *) zonemd; /* its digest (zone/zonemd.h), once that is known; freed with the version */
	/* for version.c, draft.c and reclaim.c */
	bool replaces_all;             /* shares nothing with the version before, which is freed whole */
	bool dead, waiting;            /* reclaimer's: no RCU section sees it; a pin holds it */
	_Atomic uint32_t pins;
	void **garbage;                /* what this version replaced; freed with the version before */
	size_t garbage_count;
	struct zone_version *base;     /* pinned until this one is published or discarded */
	struct zone_version *newer;
	struct version_chain *chain;   /* set when it is published */
	struct reclaim_item item;
};

/*
 * In an RCU section, or where a pin is held already: keep it beyond the section. Any number of times, from any thread.
 */
struct zone_version *version_pin(const struct zone_version *version);
void version_unpin(struct zone_version *version);

/* The node at an absolute lower-case name that lies within the zone; NULL if it does not exist. */
const struct node *version_find(const struct zone_version *version, const uint8_t *name, size_t size);
/* An RRset at a node or name; false if there is none. */
bool version_rrset(const struct zone_version *version, const uint8_t *name, uint16_t type, struct rrset *rrset);
/* The apex SOA; false only in a draft without one. */
bool version_soa(const struct zone_version *version, struct rrset *rrset);
/*
 * All nodes in canonical order of their owners, the apex first; *count gets their number, version->tree.count. For
 * dumps. Given, free() it; NULL: no memory.
 */
const struct node **version_sorted(const struct zone_version *version, size_t *count);

/* The versions of one zone, oldest first; part of struct zone. */
struct version_chain {
	struct reclaim *reclaim;
	struct zone_version *oldest;
	bool ended;                       /* reclaimer's: the zone is gone */
	void (*free_owner)(struct version_chain *chain); /* when the last version is freed after the end */
	struct reclaim_item item;
};

/* `version` follows `older` (NULL: the first); the caller makes it current after that, then retires the older one. */
void version_link(struct version_chain *chain, struct zone_version *older, struct zone_version *version);
/* No new reader can reach it: freed later. */
void version_retire(struct zone_version *version);
/* The zone has left its table: what is retired goes, then the owner. */
void version_chain_end(struct version_chain *chain);

#endif
