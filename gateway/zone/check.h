/*
 * What holds in every version of a zone: one SOA at the apex and nowhere else, NS at the apex, a CNAME alone at its
 * name, one DNAME, DNAME not beside CNAME.
 *
 * Threads:   any; reads only.
 */
#ifndef ZONEGATE_ZONE_CHECK_H
#define ZONEGATE_ZONE_CHECK_H

#include "zone/version.h"

#define CHECK_REASON_SIZE 400

/* One name; node NULL is fine. STATUS_INVALID with the reason. */
MUST_USE enum status check_node(const struct zone_version *version, const struct node *node, char *reason);
/* The whole zone: for master files and imports. */
MUST_USE enum status check_version(const struct zone_version *version, char *reason);
/* May an RRset of this type be added at a node as it is (CNAME exclusivity, SOA place)? */
bool check_may_add(const struct zone_version *version, const struct node *node, uint16_t type);

#endif
