/*
 * A message digest of a zone (RFC 8976): the simple scheme, over all records in canonical order and form.
 *
 * Threads:   any, with the version pinned.
 * Memory:    a list of all nodes while it is computed.
 * Errors:    STATUS_NO_MEMORY.
 * Limits:    SHA-384 and SHA-512, which are all that there are.
 * Standards: RFC 8976 sections 2.2 and 3.3.
 */
#ifndef ZONEGATE_ZONE_ZONEMD_H
#define ZONEGATE_ZONE_ZONEMD_H

#include "base/digest.h"
#include "zone/version.h"

struct zonemd {
	uint8_t packed[2 + 6 + DIGEST_MAX_SIZE]; /* what rrset.packed points to */
	struct rrset rrset;                      /* of the apex; its TTL is the SOA's */
};

/* The digest that is known of a version, as an RRset of its apex; false: none is. */
static inline bool
zonemd_known(const struct zone_version *version, struct rrset *rrset)
{
	const struct zonemd *zonemd = atomic_load_explicit(&version->zonemd, memory_order_acquire);

	if (zonemd != NULL)
		*rrset = zonemd->rrset;
	return zonemd != NULL;
}

/* algorithm: DIGEST_SHA384 or DIGEST_SHA512. The version has a SOA. A ZONEMD at its apex is not part of the digest. */
MUST_USE enum status zonemd_compute(const struct zone_version *version, enum digest_algorithm algorithm,
				    struct zonemd *zonemd);

#endif
