/*
 * An RRset as zones hold it: owner given by its node; TYPE, TTL, RDATA packed in canonical order.
 *
 * Threads:   immutable; any.
 * Memory:    struct rrset is a view into a node (zone/node.h) or into an arena; it owns nothing.
 * Shape:     packed = `count` times { uint16 size (host order, unaligned), that many octets of plain RDATA }.
 */
#ifndef ZONEGATE_ZONE_RRSET_H
#define ZONEGATE_ZONE_RRSET_H

#include "wire/rdata.h"
#include "wire/rrtype.h"
#include <string.h>

struct rrset {
	uint16_t type, count;
	uint32_t ttl_s;
	const uint8_t *packed;
	uint32_t packed_size;
};

struct rdata {
	const uint8_t *bytes;
	uint16_t size;
};

/* Walk: start with *at = rrset->packed; call it exactly rrset->count times. */
static inline struct rdata
rrset_next(const uint8_t **at)
{
	struct rdata rdata;
	memcpy(&rdata.size, *at, 2);
	rdata.bytes = *at + 2;
	*at += 2u + rdata.size;
	return rdata;
}

/* The first RDATA; count must not be 0. */
static inline struct rdata
rrset_first(const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;
	return rrset_next(&at);
}
/* Is this RDATA among them (rdata_equal)? */
bool rrset_has(const struct rrset *rrset, const uint8_t *rdata, size_t size);
/* The same set of RDATA (TTL is not looked at)? Both in canonical order, without duplicates. */
bool rrset_equal(const struct rrset *a, const struct rrset *b);
/*
 * One walk over two RRsets in canonical order, for the records of `of` that `in` does not have octet for octet: the
 * case of names in RDATA counts here.
 */
struct rrset_missing {
	const struct rrset *of;
	const uint8_t *of_at, *in_at;
	unsigned of_left, in_left;
};
static inline struct rrset_missing
rrset_missing_begin(const struct rrset *of, const struct rrset *in)
{
	return (struct rrset_missing){of, of->packed, in->packed, of->count, in->count};
}
/* The next of them, as an RRset of one record; false: no more. */
bool rrset_missing_next(struct rrset_missing *walk, struct rrset *record);
/* In canonical order, without duplicates, as a zone holds it? */
bool rrset_is_sorted(const struct rrset *rrset);
/*
 * What both hold, in canonical order, each RDATA once (a's spelling first), with a's type and TTL.
 * b         NULL: only a is sorted
 * merged    out: a view of *block
 * block     out: given, to be freed
 * STATUS_LIMIT over 65,535 records; STATUS_NO_MEMORY
 */
MUST_USE enum status rrset_merge(const struct rrset *a, const struct rrset *b, struct rrset *merged, uint8_t **block);

#endif
