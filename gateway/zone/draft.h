/*
 * A version being made: started from a published one or from nothing, edited by one thread, then finished or dropped.
 *
 * Threads:   one thread; published versions that it shares nodes with are not disturbed.
 * Memory:    draft_finish gives the new version to the caller (zone/table.h publishes it); draft_drop frees what the
 *            draft made. The base stays pinned until the new version is published or discarded. A finished version may
 *            be the base of the next draft before it is published; such a row is published in its order or discarded
 *            newest first.
 * Errors:    STATUS_NO_MEMORY: the draft is to be dropped. STATUS_NOT_FOUND / STATUS_EXISTS: the edit has no effect,
 *            see each.
 * Limits:    none on the size of a zone; 65,535 records in an RRset (STATUS_LIMIT).
 * The rules of RFC 2136 are not here (update/apply.c), nor those of the log (zone/replay.c): a draft does what it is
 * told, and keeps ENTs, marks and counts right. The apex node exists as long as any name does.
 */
#ifndef ZONEGATE_ZONE_DRAFT_H
#define ZONEGATE_ZONE_DRAFT_H

#include "zone/version.h"

struct draft {
	struct zone_version *version; /* under construction: readable with all functions for versions, by this thread */
	const struct zone_version *base; /* pinned; NULL: from nothing */
	struct tree_edit edit;
};

/* Without a SOA it holds nothing (replay.c sees to that), and is not published: it stays open, and only counts. */
static inline bool
draft_is_empty(const struct draft *draft)
{
	struct rrset soa;

	return !version_soa(draft->version, &soa);
}

/*
 * base: the version to start from (in an RCU section or pinned), NULL: an empty zone named apex (lent: must outlive the
 * version).
 */
MUST_USE enum status draft_begin(struct draft *draft, const struct zone_version *base, const uint8_t *apex);

/* All names: absolute, lower case, within the zone. RDATA: plain, checked. They may lie in the draft itself. */
/* An empty draft gets all these nodes: see tree_build. */
MUST_USE enum status draft_fill(struct draft *draft, struct tree_item *items, size_t count);
/* One record; the RRset takes ttl_s. STATUS_EXISTS: it is there with that TTL already. */
MUST_USE enum status draft_add(struct draft *draft, const uint8_t *name, uint16_t type, uint32_t ttl_s,
			       const uint8_t *rdata, size_t size);
/* The whole RRset, sorted here; duplicates are dropped. count 0 deletes it. */
MUST_USE enum status draft_set(struct draft *draft, const uint8_t *name, const struct rrset *rrset);
/* All of these too; the RRset keeps the TTL that it has. *ttl_differs (may be NULL): another than the given one. */
MUST_USE enum status draft_merge(struct draft *draft, const uint8_t *name, const struct rrset *rrset,
				 bool *ttl_differs);
/* STATUS_NOT_FOUND. */
MUST_USE enum status draft_delete(struct draft *draft, const uint8_t *name, uint16_t type, const uint8_t *rdata,
				  size_t size);
MUST_USE enum status draft_delete_rrset(struct draft *draft, const uint8_t *name, uint16_t type);
/* All RRsets at the name. */
MUST_USE enum status draft_delete_name(struct draft *draft, const uint8_t *name);
/* Everything: the zone is empty afterwards. */
MUST_USE enum status draft_clear(struct draft *draft);

/*
 * Bring serial into the SOA and the derived fields up to date; *version gets the new, unpublished version (given).
 * The draft is over, also if it fails. The caller has set version->version, id, serial, time_us, frozen (replay.c
 * does).
 */
MUST_USE enum status draft_finish(struct draft *draft, struct zone_version **version);
void draft_drop(struct draft *draft);
/* A finished version that will not be published; nobody has it pinned. */
void draft_discard(struct zone_version *version);

#endif
