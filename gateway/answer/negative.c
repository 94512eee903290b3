#include "answer/negative.h"

void
negative_add(struct answer *answer, unsigned rcode)
{
	const struct zone_version *version = answer->version;
	struct compose *compose = answer->compose;

	compose->rcode = rcode;
	/* The TTL is the lesser of the SOA's and its MINIMUM (RFC 2308 3). */
	if (version->soa.rdata != NULL && !compose_soa(compose, &version->soa, version->soa_ttl_s))
		compose->flags |= FLAG_TC;
}
