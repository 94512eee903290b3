/*
 * What other programs hold in etcd for one zone (layouts helix and skydns): keys, and what is served of them at each
 * name.
 *
 * Threads:   the follower's.
 * Memory:    all of the keys of a zone; a name that lost its last key stays, with the revision of that.
 * Rules:     what cannot be served is noted (etcd_note_bad) and harms no other: events.md "etcd".
 */
#ifndef ZONEGATE_STORE_ETCD_MIRROR_H
#define ZONEGATE_STORE_ETCD_MIRROR_H

#include "store/etcd_internal.h"

struct etcd_owner;

/* A key. */
struct etcd_entry {
	struct chain chain;           /* first */
	struct etcd_owner *owner;     /* of the name that the key is */
	char *key, *value;
	size_t value_size;
	uint64_t revision, lease, expires_ms;
	uint16_t type;                /* helix */
	struct etcd_records records;  /* helix: with the store's TTL */
	struct etcd_service service;  /* skydns */
	bool bad;
};

/* A name, with the keys that make its records: helix its own; skydns those below it, else its own. */
struct etcd_owner {
	struct chain chain;           /* first */
	struct etcd_owner *next_touched;
	struct etcd_entry **entries; size_t entry_count, entry_room;
	struct etcd_records served;   /* the serial of a SOA in it is 0 */
	uint64_t changed;             /* revision */
	bool touched, fades;          /* fades: a key here has an end */
	uint8_t name[];
};

struct etcd_mirror {
	struct etcd_zone *at;
	struct chains entries, owners;
	struct etcd_owner *touched, **touched_end;
	uint64_t last;                /* revision of the last change of the zone's keys */
	uint32_t soa_serial; uint64_t soa_revision;
	uint64_t faded_ms;            /* when TTLs were last looked at */
	size_t fading;                /* keys with an end */
};

/* The next of all keys, of all names; NULL: that was all. */
static inline struct etcd_entry *
etcd_mirror_next_entry(const struct etcd_mirror *mirror, struct chains_walk *walk)
{
	return (struct etcd_entry *)chains_next(&mirror->entries, walk);
}

static inline struct etcd_owner *
etcd_mirror_next_owner(const struct etcd_mirror *mirror, struct chains_walk *walk)
{
	return (struct etcd_owner *)chains_next(&mirror->owners, walk);
}

struct etcd_mirror *etcd_mirror_new(struct etcd_zone *at);
void etcd_mirror_free(struct etcd_mirror *mirror);
/* A put or a deletion. A deleted directory (v2) takes all below it. */
void etcd_mirror_take(struct etcd_mirror *mirror, struct etcd_kv *kv);
struct etcd_owner *etcd_mirror_owner(struct etcd_mirror *mirror, const uint8_t *name);
struct etcd_entry *etcd_mirror_entry(struct etcd_mirror *mirror, const char *key);
/* What is to be served at the name, by the rules. */
MUST_USE enum status etcd_mirror_compose(struct etcd_mirror *mirror, struct etcd_owner *owner,
					 struct etcd_records *out);
/*
 * The ops from what was served to what is, at all names touched since the last time; they lie in the arena. *soa: the
 * SOA is among them. STATUS_LIMIT: too many.
 */
MUST_USE enum status etcd_mirror_ops(struct etcd_mirror *mirror, struct arena *arena, struct change_op **ops,
				     size_t *count, bool *soa);
/*
 * An op that changes nothing (the apex's NS as they are): a put of what is there has its place in the order, and its
 * serial.
 */
MUST_USE enum status etcd_mirror_same(struct etcd_mirror *mirror, struct arena *arena, struct change_op **ops,
				      size_t *count);
/* All names into a draft. */
MUST_USE enum status etcd_mirror_fill(struct etcd_mirror *mirror, struct draft *draft);
/* What `before` served is what this one served: ops lead on from there. */
void etcd_mirror_take_served(struct etcd_mirror *mirror, struct etcd_mirror *before);
/* The same, of a version; for a mirror without keys. */
MUST_USE enum status etcd_mirror_serve(struct etcd_mirror *mirror, const struct zone_version *version);
/* Names whose TTL has to shrink are touched; true if there are any. */
bool etcd_mirror_fade(struct etcd_mirror *mirror);
uint32_t etcd_mirror_serial(const struct etcd_mirror *mirror);
void etcd_mirror_touch(struct etcd_mirror *mirror, struct etcd_owner *owner);

/* etcd_skydns.c */
/* ns.dns of a name, below which are the servers that it is delegated to; false: too long. */
bool etcd_skydns_servers(const uint8_t *name, uint8_t *out);
MUST_USE enum status etcd_skydns_compose(struct etcd_mirror *mirror, const struct etcd_owner *owner,
					 struct etcd_records *out);

/* etcd_v2.c: the same as the v3 gateway's, over /v2/keys */
void etcd_v2_list(struct etcd_zone *at);
void etcd_v2_commit(struct etcd_item *item);
void etcd_v2_barrier(struct etcd_item *item);
void etcd_v2_watch(struct etcd *etcd);
/* Is it a journal's key? Then it has been taken. */
bool etcd_v2_journal(struct etcd *etcd, const struct etcd_kv *kv);

/* etcd_foreign_list.c */
void etcd_foreign_list(struct etcd_zone *at);
void etcd_foreign_list_free(struct etcd_zone *at);
void etcd_foreign_listed(struct etcd_zone *at, uint64_t revision);
void etcd_foreign_kept(struct etcd_zone *at, struct etcd_kept *kept);
/* Of the version that was handed out last; NULL: no memory. */
struct replay *etcd_foreign_replay(const struct etcd_zone *at);
/* Is the end of the lease asked for? at: the zone's list waits for it; NULL: an event does. */
MUST_USE bool etcd_foreign_ask_lease(struct etcd *etcd, struct etcd_zone *at, uint64_t id);
/* Of the zone's leases that end before that time (0: whose end is not known), each once. */
void etcd_foreign_ask_leases(struct etcd_zone *at, uint64_t before_ms);

/* etcd_writes.c: keys; `out` takes ETCD_FOREIGN_KEY_SIZE. */
#define ETCD_FOREIGN_KEY_SIZE (1100 + ETCD_PATH_SIZE + 64)
void etcd_foreign_prefix(const struct etcd_zone *at, char *out); /* of all of the zone's */
/* Of a name; below: "", or what comes behind it. */
void etcd_foreign_key(const struct etcd_zone *at, const uint8_t *owner, const char *below, char *out);
void etcd_foreign_note_key(const struct etcd_zone *at, const char *kind,
			   char *out); /* beside the prefix: "frozen", "deleted", "journal" */
/* What the change writes: each key with its value, NULL: deleted; revision: of the key as it is known, 0: absent. */
struct etcd_write { char *key, *value; uint64_t revision; };
enum etcd_v2_phase { ETCD_V2_OPEN, ETCD_V2_READ, ETCD_V2_WRITE, ETCD_V2_CLOSE, ETCD_V2_ABANDON };
struct etcd_writes {
	struct etcd_write *items; size_t count, room;
	uint32_t *slots; size_t slot_count; /* by key: 1 + place in items */
	/* v2 */
	enum etcd_v2_phase phase;
	char *text;                    /* of the journal */
	uint64_t journal;              /* its index */
	size_t next, under_way, refused;
	bool again;
};
/* The key that says whether the zone is frozen. */
void etcd_foreign_take_freeze(struct etcd_zone *at, const struct etcd_kv *kv);
void etcd_foreign_free_writes(struct etcd_writes *writes);
MUST_USE enum status etcd_foreign_writes(struct etcd_item *item, struct etcd_writes *writes, char *reason);
/* A compare failed: evaluated again once what it lost to has been read. */
void etcd_foreign_lost(struct etcd_item *item);
/* What the list differs in from what was served is a change. */
void etcd_foreign_emit_list(struct etcd_zone *at);
void etcd_foreign_tell_written(struct etcd_zone *at);
/* It is in, but its events have passed, or will, as another's: a change that changes nothing tells its fate. */
void etcd_foreign_tell(struct etcd_item *item);
/* What was taken since the last time is a change of this revision. */
void etcd_foreign_emit(struct etcd_zone *at, uint64_t revision);
/* Names that the change looked at are as they were at its base. */
bool etcd_foreign_unchanged(struct etcd_item *item);

#endif
