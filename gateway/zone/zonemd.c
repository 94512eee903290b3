#include "zone/zonemd.h"
#include "base/bytes.h"
#include <stdlib.h>

#define SCHEME_SIMPLE 1 /* RFC 8976 5.2 */
#define HASH_SHA384 1   /* 5.3 */
#define HASH_SHA512 2

/*
 * At the apex the ZONEMD and its signatures (RFC 8976 3.3.1), whose first field is the type covered (RFC 4034 3.1.1).
 */
static bool
is_excluded(uint16_t type, struct rdata rdata)
{
	return type == TYPE_ZONEMD ||
	       (type == TYPE_RRSIG && rdata.size >= 2 && bytes_get_u16(rdata.bytes) == TYPE_ZONEMD);
}

/* owner | type | class | TTL | RDATA length | RDATA (RFC 8976 3.3.2, RFC 4034 3.1.8.1) */
static void
digest_rrset(struct digest *digest, const uint8_t *owner, size_t owner_size, bool apex, const struct rrset *rrset,
             uint8_t *rdata_room)
{
	const uint8_t *at = rrset->packed;
	uint8_t head[10];

	bytes_put_u16(head, rrset->type);
	bytes_put_u16(head + 2, CLASS_IN);
	bytes_put_u32(head + 4, rrset->ttl_s);
	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		if (apex && is_excluded(rrset->type, rdata))
			continue;
		bytes_put_u16(head + 8, rdata.size);
		rdata_lower(rdata.bytes, rdata.size, rrset->type, rdata_room);
		digest_update(digest, owner, owner_size);
		digest_update(digest, head, sizeof head);
		digest_update(digest, rdata_room, rdata.size);
	}
}

static void
digest_node(struct digest *digest, const struct zone_version *version, const struct node *node, uint8_t *rdata_room)
{
	uint8_t owner[NAME_MAX_SIZE];
	const uint8_t *at = NULL;
	struct rrset rrset;
	size_t size = node_owner(node, version->apex, owner);

	while (node_next(node, &at, &rrset))
		digest_rrset(digest, owner, size, node->name_size == 0, &rrset, rdata_room);
}

enum status
zonemd_compute(const struct zone_version *version, enum digest_algorithm algorithm, struct zonemd *zonemd)
{
	size_t count = 0;
	const struct node **nodes = version_sorted(version, &count);
	uint8_t *rdata_room = malloc(RDATA_MAX_SIZE);
	struct digest *digest = digest_begin(algorithm);
	uint16_t size = (uint16_t)(6 + digest_size(algorithm));
	struct rrset soa;
	enum status status = STATUS_NO_MEMORY;

	require(algorithm == DIGEST_SHA384 || algorithm == DIGEST_SHA512);
	require(version_soa(version, &soa));
	if (!nodes || !rdata_room || !digest)
		goto out;
	for (size_t i = 0; i < count; i++)
		digest_node(digest, version, nodes[i], rdata_room);
	struct rdata soa_rdata = rrset_first(&soa);
	memcpy(zonemd->packed, &size, 2);
	bytes_put_u32(zonemd->packed + 2, rdata_soa_serial(soa_rdata.bytes, soa_rdata.size));
	zonemd->packed[6] = SCHEME_SIMPLE;
	zonemd->packed[7] = algorithm == DIGEST_SHA384 ? HASH_SHA384 : HASH_SHA512;
	zonemd->rrset = (struct rrset){.type = TYPE_ZONEMD, .count = 1, .ttl_s = soa.ttl_s, .packed = zonemd->packed,
	                               .packed_size = 2u + size};
	status = STATUS_OK;
out:
	if (digest)
		digest_finish(digest, zonemd->packed + 8);
	free(rdata_room);
	free(nodes);
	return status;
}
