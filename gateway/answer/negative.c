#include "answer/negative.h"

void
negative_add(struct answer *answer, unsigned rcode)
{
	const struct zone_version *version = answer->version;
	struct compose *compose = answer->compose;
	struct rrset soa;

	compose->rcode = rcode;
	if (!version_soa(version, &soa))
		return;
	/* The TTL is the lesser of the SOA's and its MINIMUM (RFC 2308 3). */
	if (!compose_rrset(compose, SECTION_AUTHORITY, version->apex, TYPE_SOA, version->soa_ttl_s, soa.packed,
			   soa.packed_size, 1))
		compose->flags |= FLAG_TC;
}
