/*
 * What the files of the etcd store share; for store/etcd*.c only.
 *
 * Threads:   the follower's, unless it says otherwise: callbacks of the client run inside poll.
 */
#ifndef ZONEGATE_STORE_ETCD_INTERNAL_H
#define ZONEGATE_STORE_ETCD_INTERNAL_H

#include "base/chains.h"
#include "store/etcd_client.h"
#include "store/etcd_layout.h"
#include "store/etcd_warm.h"
#include "store/follower.h"
#include <pthread.h>

#define ETCD_BUCKETS 1024
#define ETCD_WINDOW REPLAY_WINDOW
#define ETCD_RETRY_MS 200

struct etcd;
struct etcd_zone;

enum etcd_item_kind { ETCD_ITEM_APPEND, ETCD_ITEM_ZONE, ETCD_ITEM_BARRIER };

/* Something asked of the store, until its fate has been told. */
struct etcd_item {
	struct etcd_item *next;
	enum etcd_item_kind kind;
	struct etcd *etcd;
	struct zone *zone;
	struct etcd_zone *at;          /* NULL: the zone is not followed any more */
	struct store_append append;
	uint64_t tag;
	char unique[33];               /* name of the log record */
	struct etcd_text body;         /* the transaction, to send it again */
	bool sent;                     /* a request is under way */
	bool done;                     /* its fate has been told: freed once no request leads back to it */
	bool journal;
	uint64_t retry_ms;             /* not sent: when it may go again */
	uint64_t wanted; /* revision up to which the zone must be read before it is told; 0: not known yet */
	uint64_t since_ms;
	uint64_t sequence;             /* helix, skydns: of its sending, */
	uint64_t written;              /* and the revision that it made */
	bool verify;                   /* no answer came: is it in? */
	void *writes;                  /* helix, skydns: struct etcd_writes */
	enum status status;            /* of a barrier */
};

/* Where a version is in etcd. */
struct etcd_place { uint64_t version, revision; uint8_t id[VERSION_ID_SIZE]; uint32_t serial; };

/* A name that etcd holds, or held until not long ago. */
struct etcd_name { struct chain chain; uint64_t revision; bool deleted; uint8_t size; uint8_t name[]; };
struct etcd_names { struct chains table; size_t deleted; };

struct etcd_journal {
	uint64_t revision;             /* of its key; 0: there is none */
	char unique[33];
	uint64_t next;                 /* owners that are done */
	bool cleared;
	uint64_t seen_ms;
	bool busy, ours;
	uint8_t *owners; size_t owner_count, owners_size; /* of the change's ops, in order, each once */
	bool whole;                    /* a snapshot: all names of the version */
	const struct node **nodes; size_t node_count; /* of `version`, pinned */
	struct zone_version *version;
};

enum etcd_zone_state { ETCD_ZONE_NEW, ETCD_ZONE_LISTING, ETCD_ZONE_LIVE };

struct etcd_bad { struct etcd_bad *next; char *key, *reason; bool doubted; };

struct etcd_mirror;

struct etcd_zone {
	struct etcd *etcd;
	struct etcd_zone *next, *in_bucket;
	struct zone *zone;
	uint8_t name[NAME_MAX_SIZE];
	unsigned labels;
	char text[NAME_TEXT_SIZE];     /* as part of a key */
	enum etcd_zone_state state;
	bool gone;                     /* dropped while a request was under way: freed when the last comes back */
	bool relist;                   /* once what is under way is over */
	unsigned calls;                /* requests under way that lead back here */
	uint64_t retry_ms, since_ms;
	/* The local copy. */
	bool copy_added;
	bool kept_asked;               /* what was kept has been taken, or is not wanted */
	bool kept_out, told_ready;     /* it has been handed out; the zone is served */
	/* As handed out: */
	struct etcd_place place;
	uint64_t revision;             /* read up to */
	bool removed;
	/* The list under way. */
	struct draft draft;
	struct etcd_place list;
	struct replay_state list_state;
	struct etcd_text from;         /* next page starts here */
	unsigned phase;
	json_t *page;                  /* zonegate: what has not been taken yet */
	size_t page_next;
	bool page_last;
	/* zonegate */
	struct etcd_names names;
	uint64_t meta_revision;
	struct etcd_journal journal;
	uint64_t anchor_version, anchor_ms;
	bool anchoring;
	/* helix, skydns */
	struct etcd_mirror *mirror, *before; /* before: as it was handed out last, while it is listed anew */
	bool anew;                     /* what the list has does not follow from that: content, no change */
	size_t leases_asked;           /* while listing */
	uint64_t leases_ms;            /* when those that end soon were last asked for */
	uint64_t held_ms, blocked_ms;  /* v2: blocked: a journal is in the way of the list, since */
	bool frozen, freeze_news;      /* news: to be handed out */
	uint64_t until_us, frozen_revision;
	bool was_frozen; uint64_t was_until_us; /* as handed out */
	bool held;                     /* v2: a journal is open, its changes appear together */
	uint8_t *defaults; size_t defaults_size; /* MNAME, RNAME, then NS names */
	/* Any thread, under etcd->mutex: */
	struct etcd_place *ring; size_t ring_room; uint64_t ring_first, ring_end;
	struct etcd_bad *bad; size_t bad_count;
};

/* Events of one revision. */
struct etcd_group { struct etcd_group *next; uint64_t revision, sequence; struct etcd_kv *kvs; size_t count; };

/* What a layout does. */
struct etcd_shape {
	void (*list)(struct etcd_zone *at);                     /* state NEW: begin */
	void (*list_free)(struct etcd_zone *at);
	void (*event)(struct etcd_zone *at, struct etcd_kv *kv);  /* may keep the key and value: sets them NULL */
	void (*group)(struct etcd_zone *at, uint64_t revision); /* after the events of a revision */
	bool (*work)(struct etcd_zone *at); /* NULL: none. A piece of the list; true: there is more at hand */
	void (*commit)(struct etcd_item *item);
	void (*barrier)(struct etcd_item *item);
	void (*tick)(struct etcd_zone *at);
	void (*free_zone)(struct etcd_zone *at);
	bool (*wait)(struct etcd *etcd,
		     struct etcd_group *group);                 /* NULL: never. True: the group cannot be taken yet */
	void (*free_item)(struct etcd_item *item);              /* NULL: nothing of its own */
	void (*kept)(struct etcd_zone *at, struct etcd_kept *kept); /* given: the local copy, before the first list */
	bool goes_on; /* from the copy; else it is wanted only where etcd is away */
};

struct etcd {
	struct store store; /* first */
	struct etcd_settings settings;
	struct etcd_client *client;
	struct etcd_warm *warm;
	const struct etcd_shape *shape;
	const struct store_sink *sink; /* during a poll */
	bool emitted;                  /* this poll handed something out */
	bool working;                  /* there is work that needs no news */
	uint64_t sequence;             /* of appends sent */
	pthread_mutex_t mutex;         /* inbox, zones' rings and bad keys, the list of zones for other threads */
	struct etcd_item *inbox, **inbox_end;
	struct etcd_item *items;       /* under way */
	struct etcd_zone *zones, *buckets[ETCD_BUCKETS];
	/* The watch. */
	struct etcd_watch *watch;
	uint64_t watched;              /* read up to this revision; 0: not begun */
	uint64_t taken;                /* and handed to the zones up to this one */
	uint64_t watch_retry_ms;
	bool watch_over;               /* canceled by the server, which may leave the stream open */
	struct etcd_group *groups, **groups_end, *handed; /* handed: lent until the next poll */
	struct etcd_item *told;        /* freed at the next poll: their records are lent until then */
	struct arena arena;            /* of what is handed out */
	bool polling;                  /* v2: a long poll is under way */
	/* Is somebody there? */
	uint64_t probe_ms;
	bool probing;
	unsigned probes_failed;
	/* The lease of log records. */
	uint64_t lease, lease_ms;
	bool leasing;
};

/* etcd_watch.c */
void etcd_add_group(struct etcd *etcd, uint64_t revision, struct etcd_kv *kvs, size_t count); /* given */
void etcd_free_group(struct etcd_group *group);
void etcd_keep_watch(struct etcd *etcd); /* begin it, where there is none */
void etcd_end_watch(struct etcd *etcd);
/* All that can be taken now goes to the zones. */
void etcd_take_groups(struct etcd *etcd);

/* etcd.c */
struct etcd_zone *etcd_find(struct etcd *etcd, const uint8_t *name);
/* The zone that a name belongs to: the closest at or above it. */
struct etcd_zone *etcd_closest(struct etcd *etcd, const uint8_t *name);
void etcd_fail(struct etcd_item *item, enum status status, const char *reason);
/* The append lost a race: evaluated again. */
void etcd_lost(struct etcd_item *item);
void etcd_told(struct etcd_item *item);
/*
 * A transaction of ranges (given): the zone must be read up to the youngest of their first keys, whose revisions a
 * linearizable read tells.
 */
void etcd_send_barrier(struct etcd_item *item, struct etcd_text *body);
struct etcd_item *etcd_find_item(struct etcd *etcd, const char *unique);
bool etcd_is_bad(struct etcd_zone *at, const char *key, const char *reason);
/* Logged and counted where it is not known already. */
void etcd_note_bad(struct etcd_zone *at, const char *key, const char *reason);
void etcd_free_bad(struct etcd_zone *at); /* under the mutex, or the last to have it */
struct etcd_zone *etcd_find_object(struct etcd *etcd, const struct zone *zone);
void etcd_forget_bad(struct etcd_zone *at, const char *key, const char *reason); /* reason NULL: all of the key's */
/* Before and after a list: what is not noted again in between is forgotten. */
void etcd_doubt_bad(struct etcd_zone *at);
void etcd_sweep_bad(struct etcd_zone *at);
/* Remember where the version is that was just handed out. */
void etcd_note_place(struct etcd_zone *at, uint64_t revision);
/* The newest version lasts until this revision at least: what was written since belongs to it. */
void etcd_extend_place(struct etcd_zone *at, uint64_t revision);
bool etcd_place_of(struct etcd_zone *at, uint64_t version, struct etcd_place *place);
/*
 * Hand out a record whose place etcd has decided: its base becomes the version before. record's bytes and change are
 * lent.
 */
void etcd_hand_out(struct etcd_zone *at, struct etcd_item *item, const struct change *change, const uint8_t *record,
		   size_t size, uint64_t revision);
/* The zone's list ended badly: again later. */
void etcd_list_failed(struct etcd_zone *at, const struct etcd_answer *answer);
/* A request that leads back to a zone has come back. False: the zone is gone. */
bool etcd_came_back(struct etcd_zone *at);
void etcd_relist(struct etcd_zone *at);
/* The local copy (given) is handed out; it goes on from there. */
void etcd_take_kept(struct etcd_zone *at, struct etcd_kept *kept);
void etcd_connected(struct etcd *etcd, const struct etcd_answer *answer);
/* An append has its answer. False: its fate has been told. */
static inline bool
etcd_answered(struct etcd_item *item, const struct etcd_answer *answer)
{
	item->sent = false;
	if (item->done)
		return false;
	etcd_connected(item->etcd, answer);
	if (!item->at)
		etcd_fail(item, STATUS_REFUSED, "the zone is not served any more");
	return item->at != NULL;
}

/* etcd_settings.c. False: no memory. */
bool etcd_copy_settings(const struct etcd_settings *from, struct etcd_settings *to);
void etcd_free_settings(struct etcd_settings *settings);
bool etcd_set_defaults(struct etcd_zone *at, const struct etcd_defaults *given);

extern const struct etcd_shape etcd_native_shape, etcd_foreign_shape;

/* etcd_history.c: any thread */
MUST_USE enum status etcd_history_read(struct store *store, struct zone *zone, uint64_t from, uint64_t to,
				       store_entry_fn *each, void *context);
void etcd_history_oldest(struct store *store, struct zone *zone, struct store_oldest *oldest);
MUST_USE enum status etcd_history_content(struct store *store, struct zone *zone, uint64_t version, struct draft *draft,
					  char *reason);
MUST_USE enum status etcd_history_load_snapshot(struct store *store, struct zone *zone,
						const struct change_snapshot *snapshot, struct draft *draft,
						char *reason);
MUST_USE enum status etcd_history_save_snapshot(struct store *store, struct zone *zone,
						const struct zone_version *version, struct arena *arena,
						struct change_snapshot *out, char *reason);

#endif
