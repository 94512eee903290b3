/*
 * What the layouts of store/etcd_layout.h share: JSON that anybody may have written, to records, and back.
 *
 * Threads:   any; no state.
 * Memory:    values that are returned, if not said otherwise, are given.
 * Errors:    STATUS_INVALID with a reason (ETCD_LAYOUT_REASON_SIZE); NULL: no memory.
 */
#ifndef ZONEGATE_STORE_ETCD_LAYOUT_JSON_H
#define ZONEGATE_STORE_ETCD_LAYOUT_JSON_H

#include "store/etcd_layout.h"
#include <jansson.h>

/* NULL: broken, which has its reason. */
json_t *etcd_layout_parse(const char *value, size_t size, char *reason);
/* As Go finds it: case is ignored; borrowed. NULL: absent, or null. */
const json_t *etcd_layout_member(const json_t *object, const char *name);
/* Absent: 0. False: no integer between `least` and `most`. */
bool etcd_layout_number(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out);
MUST_USE enum status etcd_layout_type(const char *text, uint16_t *type, char *reason);
/* A record in presentation form; names are absolute. */
MUST_USE enum status etcd_layout_add_text(struct etcd_records *records, uint16_t type, uint32_t ttl_s,
					  const char *text, size_t length, char *reason);
MUST_USE enum status etcd_layout_add_string(struct etcd_records *records, uint16_t type, uint32_t ttl_s,
					    const json_t *value, char *reason);

/* A list of the presentation forms of an RRset; NULL: no memory. */
json_t *etcd_layout_forms(const struct rrset *rrset);
/* `json` (given; NULL: no memory) as text. */
char *etcd_layout_dump(json_t *json);

#endif
