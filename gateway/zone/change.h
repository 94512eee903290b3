/*
 * A change: what one UPDATE (import, rollback, freeze, removal) altered; the unit of the log (events.md "A change").
 *
 * Threads:   any; belongs to who made it.
 * Memory:    everything a change points to lies in its maker's arena (change_json_decode, update_evaluate).
 */
#ifndef ZONEGATE_ZONE_CHANGE_H
#define ZONEGATE_ZONE_CHANGE_H

#include "base/arena.h"
#include "zone/version.h"

#define CHANGE_MAX_SIZE 900000 /* octets of a record; a larger change takes the snapshot form */
#define CHANGE_MAC_SIZE 8

enum change_kind { CHANGE_ADD, CHANGE_SET, CHANGE_DEL };

struct change_op {
	enum change_kind kind;
	const uint8_t *owner;   /* absolute, lower case, within the zone */
	struct rrset rrset; /* ADD: one RDATA. SET: the list. DEL: one RDATA, or count 0: the RRset. ttl_s 0 for DEL */
};

struct change_origin {
	const char *gateway, *client, *transport, *key; /* NULL: member is absent */
	uint16_t id; bool has_id;
	uint8_t mac[CHANGE_MAC_SIZE]; bool has_mac;
	bool store;             /* another program's edit in etcd */
	const char *command;    /* "import", "rollback", "load", …: our own commands */
};

/* Content by reference to chunks: events.md `snapshot`. */
struct change_snapshot {
	const char *id;
	uint32_t chunks;
	uint64_t records;
	uint8_t sha256[32];     /* of the chunks' values in order */
};

struct change {
	const uint8_t *zone;    /* absolute, lower case */
	uint64_t base;
	uint8_t base_id[VERSION_ID_SIZE];
	uint64_t time_us;
	struct change_origin origin;
	const uint8_t **reads; size_t read_count; /* absolute, lower case */
	struct change_op *ops; size_t op_count;
	uint32_t serial;        /* candidate; 0: none */
	bool exclusive;
	int frozen;             /* -1: not this kind; 0 thaw; 1 freeze */
	uint64_t until_us;      /* 0: none */
	bool removed;
	const struct change_snapshot *snapshot; /* NULL: ops */
};

/*
 * The ops between two versions of the same zone, in an order that holds at each step the rules of the zone (events.md):
 * for import and rollback of small zones, and for zonegatectl diff. SOA: only where more than its serial differs.
 */
MUST_USE enum status change_between(const struct zone_version *from, const struct zone_version *to, struct arena *arena,
                                    struct change_op **ops, size_t *count);
/* Id of the version that a record makes (events.md "Id"). */
void change_id(const uint8_t before[VERSION_ID_SIZE], const uint8_t *record, size_t size, uint8_t out[VERSION_ID_SIZE]);

#endif
