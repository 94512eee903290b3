/*
 * Master files in and out (RFC 1035 5), sorted canonically.
 *
 * Threads:   any; the draft belongs to the caller. A large file is parsed by several threads.
 * Errors:    "FILE:LINE: reason", the first one found.
 * Standards: RFC 1035 5 ($ORIGIN, $INCLUDE, parentheses, ;), RFC 2308 4 ($TTL); $GENERATE is BIND's and is not taken
 *            (the error says so).
 */
#ifndef ZONEGATE_ZONE_MASTER_H
#define ZONEGATE_ZONE_MASTER_H

#include "zone/draft.h"
#include <stdio.h>

#define MASTER_REASON_SIZE 600

/* Into an empty draft; then check_version. STATUS_MALFORMED, STATUS_INVALID, STATUS_IO. */
MUST_USE enum status master_load(const char *path, struct draft *draft, char *reason);
/* The same from memory; `path` for messages. */
MUST_USE enum status master_parse(const char *text, size_t size, const char *path, struct draft *draft, char *reason);
struct rrset;
/* master_write with this ZONEMD (zone/zonemd.h) at the apex instead of those that are there. */
MUST_USE enum status master_write_digested(const struct zone_version *version, const struct rrset *zonemd, FILE *out);
/*
 * The zone in canonical order, SOA first, one absolute owner a line: "owner ttl IN type rdata".
 * STATUS_IO: fprintf failed.
 */
MUST_USE enum status master_write(const struct zone_version *version, FILE *out);
/* One record as a line without newline (for diff and log); `out` has `room`. STATUS_LIMIT */
MUST_USE enum status master_record(const uint8_t *owner, uint16_t type, uint32_t ttl_s, const uint8_t *rdata,
				   size_t size, char *out, size_t room);

#endif
