/*
 * What waits to go into the log of a store that orders by itself (memory, embedded): appends, new zones and barriers,
 * in one bounded line.
 *
 * Threads:   intake_append, intake_zone, intake_barrier, intake_wake: any. intake_take: the follower.
 * Memory:    an item belongs to the follower from intake_take to intake_done; what an append points to is lent by who
 *            appended.
 * Errors:    STATUS_FULL over INTAKE_ITEMS items or INTAKE_BYTES octets of records: later, or tell the requestor.
 * Limits:    a batch has at most INTAKE_BATCH_ITEMS items and about INTAKE_BATCH_BYTES octets: some milliseconds of one
 *            transaction.
 */
#ifndef ZONEGATE_STORE_INTAKE_H
#define ZONEGATE_STORE_INTAKE_H

#include "store/store.h"

#define INTAKE_ITEMS 65536
#define INTAKE_BYTES (64u << 20)
#define INTAKE_BATCH_ITEMS 1024
#define INTAKE_BATCH_BYTES (4u << 20)

enum intake_kind { INTAKE_APPEND, INTAKE_ZONE, INTAKE_BARRIER };

struct intake_item {
	enum intake_kind kind;
	struct store_append append; /* the zone and the tag are here for all kinds */
	uint8_t *copy;              /* freed with the item; NULL: the record is lent */
};

struct intake;

struct intake *intake_new(void);
/* What is still in it is freed; its appends get no fate. */
void intake_free(struct intake *intake);

MUST_USE enum status intake_append(struct intake *intake, const struct store_append *append);
/* A record whose bytes are copied, with tag 0. */
MUST_USE enum status intake_copy(struct intake *intake, struct zone *zone, const uint8_t *record, size_t size);
MUST_USE enum status intake_zone(struct intake *intake, struct zone *zone);
MUST_USE enum status intake_barrier(struct intake *intake, struct zone *zone, uint64_t tag);

/* A batch, in order; waits up to timeout_ms for the first. `items` has room for INTAKE_BATCH_ITEMS. */
size_t intake_take(struct intake *intake, struct intake_item **items, int timeout_ms);
void intake_done(struct intake *intake, struct intake_item **items, size_t count);
void intake_wake(struct intake *intake);

/*
 * Hand out what does not depend on what the store keeps: a barrier, and the refusal of what came for a zone that is not
 * `followed` any more. False: it is the store's to hand out.
 */
bool intake_settle(const struct intake_item *item, bool followed, const struct store_sink *sink);
/* An append as the record that it becomes. */
void intake_record(const struct intake_item *item, uint64_t position, const struct store_sink *sink);

/* Zones of a store and what it keeps for each: a small map. The store locks. */
struct intake_map {
	struct { const struct zone *zone; void *value; } *rows; /* sorted by address */
	size_t count, room;
};
void *intake_map_get(const struct intake_map *map, const struct zone *zone);
MUST_USE enum status intake_map_put(struct intake_map *map, const struct zone *zone,
				    void *value); /* STATUS_EXISTS, STATUS_NO_MEMORY */
void *intake_map_remove(struct intake_map *map, const struct zone *zone);

#endif
