/*
 * Digests of what is transferred (ZONEMD, RFC 8976), for zones with `zonemd: true`.
 *
 * A thread computes the digest of a zone's current version, after each publication, or after several that came
 * meanwhile. Until it is known, transfers give the newest version whose digest is: a secondary gets a zone and its own
 * digest, or nothing. The digest stays with its version (zone_version.zonemd), where queries find it, and for a while
 * the zone knows what it gave for which serial, so that differences can take the old one away.
 *
 * Threads:   digests_published: the follower of the zone, or whoever has changed its settings. digests_newest,
 *            digests_find: a worker in an RCU section. digests_end_zone: before the follower drops the zone.
 * Memory:    DIGESTS_KNOWN digests a zone at most; the version that is given is pinned.
 * Errors:    no memory for a digest: a line in the log, and it is tried again with the next version.
 * Standards: RFC 8976: SIMPLE, SHA-384.
 */
#ifndef ZONEGATE_TRANSFER_DIGESTS_H
#define ZONEGATE_TRANSFER_DIGESTS_H

#include "transfer/axfr.h"
#include "zone/zonemd.h"

#define DIGESTS_KNOWN 1024
#define DIGESTS_RDATA_SIZE 54 /* serial, scheme, algorithm, 48 octets */

struct digests;

/* What was given as the ZONEMD of a serial. */
struct digests_record {
	uint32_t serial, ttl_s;
	uint8_t rdata[DIGESTS_RDATA_SIZE];
};

/*
 * ready   transfers of the zone give another version now: the time to tell its secondaries. On the thread that
 *         computes, in an RCU section
 * NULL: no memory or no thread.
 */
struct digests *digests_new(void (*ready)(void *context, struct zone *zone), void *context);
/* Nothing is computed any more. */
void digests_stop(struct digests *digests);
/* All zones have been freed. */
void digests_free(struct digests *digests);

/*
 * The zone has this version, or other settings. False: `ready` will come. True: nothing is to be waited for.
 * changed  it was served without a digest until now: who has this version does not have its ZONEMD
 */
bool digests_published(struct digests *digests, struct zone *zone, const struct zone_version *version, bool changed);
void digests_end_zone(struct zone *zone);
/* No thread can reach the zone. */
void digests_free_zone(struct zone *zone);

/* Does the configuration want it? */
bool digests_are_for(const struct zone *zone);
/* The newest version whose digest is known, pinned; NULL: there is none yet. */
struct zone_version *digests_newest(struct zone *zone);
/* What was given with that serial; false: nothing, or it is not known any more. */
bool digests_find(struct zone *zone, uint32_t serial, struct digests_record *record);

#endif
