/*
 * The names that one UPDATE touches, as they would be: a working copy over an immutable version, made where it is
 * touched; at the end, what is different becomes ops.
 *
 * Threads:   belongs to one evaluation; the version is pinned or in an RCU section.
 * Memory:    in the arena given; looks into the version and the message until overlay_ops, whose result is in the arena
 *            alone.
 * Errors:    out of arena is sticky: overlay->failed; edits then do nothing.
 * The rules of RFC 2136 are not here (update/apply.c): an overlay does what it is told.
 */
#ifndef ZONEGATE_UPDATE_OVERLAY_H
#define ZONEGATE_UPDATE_OVERLAY_H

#include "update/form.h"
#include "zone/change.h"
#include "zone/version.h"

/* One RDATA of a set. */
struct overlay_item {
	struct rdata rdata;
	bool old;  /* the version has it */
	bool dead; /* deleted here */
};

/* One RRset. Until `items` is made it is as in the version. */
struct overlay_set {
	struct overlay_set *next;
	struct rrset old;          /* count 0: the version has none */
	uint16_t type;
	uint32_t ttl_s;
	uint32_t live, added, removed; /* records now; of these not in the version; of the version's no more */
	struct overlay_item *items;    /* NULL: not touched */
	uint32_t count, room;          /* dead ones too */
	uint32_t *slots, slot_mask;    /* index of a large set by hash: item + 1 */
};

struct overlay_name {
	const struct node *node;   /* of the version; NULL: not there */
	struct overlay_set *sets;
	bool found, loaded;        /* node, sets are set */
	bool touched;              /* an op is about it; set by overlay_ops */
};

struct overlay {
	const struct zone_version *version;
	const struct form *form;
	struct arena *arena;
	struct overlay_name *names; /* one for each of form->names */
	bool failed;
};

MUST_USE enum status overlay_begin(struct overlay *overlay, const struct zone_version *version, const struct form *form,
				   struct arena *arena);

/* The version's node at a name of the form. */
const struct node *overlay_node(struct overlay *overlay, uint32_t name);
/* All sets at the name, empty ones too. */
struct overlay_set *overlay_sets(struct overlay *overlay, uint32_t name);
/* The set of a type, NULL: there never was one. It may be empty (live 0). */
struct overlay_set *overlay_set(struct overlay *overlay, uint32_t name, uint16_t type);
static inline bool
overlay_has(struct overlay *overlay, uint32_t name, uint16_t type)
{
	struct overlay_set *set = overlay_set(overlay, name, type);
	return set && set->live > 0;
}
/* The first live RDATA of a set that is not empty. */
struct rdata overlay_first(const struct overlay_set *set);
bool overlay_contains(struct overlay *overlay, struct overlay_set *set, const uint8_t *rdata, size_t size);

/*
 * One record; the set takes the TTL. A record that is there already is no second one. rdata: borrowed until
 * overlay_ops.
 */
void overlay_add(struct overlay *overlay, uint32_t name, uint16_t type, uint32_t ttl_s, const uint8_t *rdata,
		 size_t size);
/* What is not there is not deleted. */
void overlay_delete(struct overlay *overlay, struct overlay_set *set, const uint8_t *rdata, size_t size);
void overlay_clear(struct overlay *overlay, struct overlay_set *set);

/*
 * What is different from the version, in an order that holds the rules of the zone at each step (events.md): at each
 * name what goes before what comes; where nothing of an RRset stays, or its TTL changes, SET.
 * STATUS_LIMIT: the arena is full, or an RRset has over 65,535 records.
 */
MUST_USE enum status overlay_ops(struct overlay *overlay, struct change_op **ops, size_t *count);
/* The names of the form that no op touches; after overlay_ops. */
MUST_USE enum status overlay_reads(struct overlay *overlay, const uint8_t ***reads, size_t *count);

#endif
