/*
 * Within store/follower.c: what a follower has of each zone, and of a batch.
 *
 * Threads:   the follower's own, but where it says otherwise.
 * Memory:    see store/follower.h.
 */
#ifndef ZONEGATE_STORE_FOLLOWER_INTERNAL_H
#define ZONEGATE_STORE_FOLLOWER_INTERNAL_H

#include "store/follower.h"
#include <pthread.h>

/* What the log says a zone's version is, published or not. */
struct follower_place {
	uint64_t version;
	uint8_t id[VERSION_ID_SIZE];
	uint64_t time_us;
	uint32_t serial;
	bool known;
};

struct follower_zone {
	struct follower *follower;
	struct zone *zone;
	struct follower_zone *next, **link; /* of all of the follower's; link: what points here */
	struct replay *replay;      /* NULL until the store has said what it knows, and while the zone rests */
	struct draft *draft;        /* NULL: none is open */
	bool rests;                 /* the store keeps what `replay` knew */
	bool in_batch;              /* this poll brought records for it */
	bool ready;                 /* the store said so */
	bool stopped;               /* an op that we do not know: goes no further */
	bool held;                  /* for the rest of this batch: the store builds it anew */
	bool waits;                 /* for the rest of this batch: the store hands out the rest of it again */
	bool rebuilding;            /* `draft` is built anew; what is served stays until the store says ready */
	bool new_state;             /* tell hooks.state */
	bool new_version;           /* this poll made one: tell hooks.published */
	const struct zone_version *before; /* what it replaced; until the end of the batch, which is one RCU section */
	struct zone_version *finished; /* between draft_finish and publishing */
	struct follower_place place;
	char *reason;               /* why it is not usable; NULL: it is. Under the mutex */
	uint64_t changed_ms;        /* 0: checkpointed since, and not in follower->changed */
	struct follower_zone *next_changed;
};

enum event_kind {
	EVENT_LOADED,
	EVENT_ABSENT,
	EVENT_RECORD,
	EVENT_HELD,
	EVENT_LOST,
	EVENT_FAILED,
	EVENT_READY,
	EVENT_BARRIER,
	EVENT_UNUSABLE
};

/* What a poll handed out, in order. */
struct follower_event {
	enum event_kind kind;
	struct zone *zone;
	uint64_t tag;
	enum status status;         /* FAILED, BARRIER */
	enum zone_state state;      /* UNUSABLE */
	char *reason;               /* FAILED, UNUSABLE */
	struct draft draft;         /* LOADED */
	struct replay *replay;
	struct store_record record; /* RECORD, and how it was judged: */
	const struct change *change;
	enum replay_fate fate;
	uint64_t version;
	bool again;                 /* READY: not for the first time */
};

struct follower_drop {
	struct follower_drop *next;
	struct zone *zone;
	bool done;
};

struct follower {
	struct store *store;
	struct table *table;
	struct follower_hooks hooks;
	pthread_t thread;
	pthread_mutex_t mutex; /* added, drops, ended, and every zone's `place` */
	pthread_cond_t dropped;
	struct follower_zone *added;
	struct follower_drop *drops;
	bool ended;
	_Atomic bool stop;
	/* The thread's own: */
	struct follower_zone *zones;
	struct follower_event *events;
	size_t event_count, event_room;
	struct store_fate *fates;
	size_t fate_count, fate_room;
	struct follower_zone **batch; /* zones with records in this poll */
	size_t batch_count, batch_room;
	struct arena arena;
	struct follower_zone *changed; /* zones whose content the store is to keep once they rest */
	bool thaws;                 /* perhaps a zone is frozen for a time */
	uint64_t round_ms, thaw_ms;
};

/* ---- follower_events.c ---- */
/* One more element, zeroed. There is nobody to tell that memory is out: the log has everything, so we end. */
void *follower_more(void *array, size_t *count, size_t *room, size_t size);
/* Its functions add to follower->events; the context is the follower. */
extern const struct store_sink follower_sink;

#endif
