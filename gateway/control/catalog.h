/*
 * Catalog zones (RFC 9432): those that the gateway produces list its zones, so that secondaries follow additions and
 * removals by themselves; the members of those that it consumes become its zones.
 *
 * Threads:   one of its own, which takes gateway->lock; the functions: any, they do not wait.
 * Memory:    a name for each zone that has come or gone and is not listed yet.
 * Errors:    a catalog that is broken (RFC 9432 5.1) keeps its last good members; the log and `zonegatectl check` say
 *            why. What could not be done is tried again CATALOG_RETRY_MS later.
 * Standards: RFC 9432, sections 4.1, 4.2, 4.3.1 (change of ownership, when consumed), 4.3.2 (groups), 5.1 to 5.4.
 */
#ifndef ZONEGATE_CONTROL_CATALOG_H
#define ZONEGATE_CONTROL_CATALOG_H

#include "zone/table.h"

#define CATALOG_RETRY_MS 5000

struct gateway;
struct catalog;

/* Wire its functions into gateway->hooks. */
struct catalog *catalog_new(struct gateway *gateway);
/* The thread ends; what comes after is ignored. Before gateway_close, catalog_free after it. */
void catalog_stop(struct catalog *catalog);
void catalog_free(struct catalog *catalog);

/* Everything is to be compared: after a start or a reload. */
void catalog_wake(struct catalog *catalog);
/* gateway->hooks.zone; context: the catalog. */
void catalog_zone(void *context, const struct zone *zone);
/* gateway->hooks.published */
void catalog_published(void *context, const struct zone *zone);

#endif
