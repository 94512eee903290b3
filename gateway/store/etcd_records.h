/*
 * Records of one name, packed: what the keys of a name say.
 *
 * Threads:   any; no state.
 * Memory:    struct etcd_records owns its bytes: etcd_records_free.
 * Errors:    STATUS_NO_MEMORY; STATUS_INVALID: RDATA that is too long.
 */
#ifndef ZONEGATE_STORE_ETCD_RECORDS_H
#define ZONEGATE_STORE_ETCD_RECORDS_H

#include "wire/name.h"
#include "zone/draft.h"

/* { u16 type, u32 ttl, u16 size, RDATA } one after the other, unaligned. */
struct etcd_records { uint8_t *bytes; size_t size, room; };
struct etcd_record { uint16_t type, size; uint32_t ttl_s; const uint8_t *rdata; };

void etcd_records_free(struct etcd_records *records);
MUST_USE enum status etcd_records_add(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const uint8_t *rdata,
				      size_t size);
/* A TXT record of text as it stands: character-strings of 255 octets (RFC 1035 3.3.14). */
MUST_USE enum status etcd_records_add_text(struct etcd_records *records, uint32_t ttl_s, const char *text, size_t size);
/* Start with *at = 0; false after the last. */
bool etcd_records_next(const struct etcd_records *records, size_t *at, struct etcd_record *record);

/* Each RRset into a draft: the smallest TTL counts. */
MUST_USE enum status etcd_records_into(struct draft *draft, const uint8_t *owner, const struct etcd_records *records);
/*
 * The next RRset by ascending type after *type (0: the first), in canonical order; *packed is given. STATUS_NOT_FOUND:
 * no more.
 */
MUST_USE enum status etcd_records_rrset(const struct etcd_records *records, uint16_t *type, struct rrset *rrset,
					uint8_t **packed);

#endif
