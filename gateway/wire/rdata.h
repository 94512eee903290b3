/*
 * RDATA by its shape: check, expand, compare canonically.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Terms:     "plain" RDATA has its names uncompressed and its case kept: this is what zones hold.
 * Standards: RFC 1035 3.3; RFC 3597 4, 7; RFC 4034 6.2.
 */
#ifndef ZONEGATE_WIRE_RDATA_H
#define ZONEGATE_WIRE_RDATA_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RDATA_MAX_SIZE 65535

/*
 * Check RDATA inside a message against the type's shape (an A is 4 octets, names lie inside RDLENGTH …).
 * STATUS_MALFORMED
 */
MUST_USE enum status rdata_check(const uint8_t *wire, size_t wire_size, size_t offset, size_t size, uint16_t type);
/*
 * Expand RDATA of a message to plain; `out` has `room` bytes, *out_size gets the bytes written.
 * STATUS_MALFORMED, STATUS_LIMIT (does not fit)
 */
MUST_USE enum status rdata_expand(const uint8_t *wire, size_t wire_size, size_t offset, size_t size, uint16_t type,
                                  uint8_t *out, size_t room, size_t *out_size);
/* Check plain RDATA. */
MUST_USE enum status rdata_check_plain(const uint8_t *rdata, size_t size, uint16_t type);

/*
 * Canonical order of plain RDATA of one type: octets, but names inside the types of RFC 4034 6.2 without regard to
 * case. TXT, DHCID and all others byte for byte.
 */
int rdata_compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint16_t type);
bool rdata_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint16_t type);

/*
 * The canonical form (RFC 4034 6.2) of checked plain RDATA: names inside those types in lower case. `out` takes `size`
 * octets.
 */
void rdata_lower(const uint8_t *rdata, size_t size, uint16_t type, uint8_t *out);

/*
 * The n-th (from 0) name in plain RDATA, NULL where there are fewer: the target of NS, CNAME, DNAME, PTR, MX, SRV,
 * SVCB.
 */
const uint8_t *rdata_name(const uint8_t *rdata, size_t size, uint16_t type, unsigned n);

/* The serial of plain SOA RDATA and its MINIMUM; rdata must have been checked. */
uint32_t rdata_soa_serial(const uint8_t *rdata, size_t size);
uint32_t rdata_soa_minimum(const uint8_t *rdata, size_t size);
void rdata_soa_set_serial(uint8_t *rdata, size_t size, uint32_t serial);

#endif
