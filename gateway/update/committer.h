/*
 * From a verified UPDATE to its fate: evaluate, append, wait, evaluate again, release. One change in flight for a name; others are pipelined.
 *
 * Threads:   committer_submit and committer_run: any (a worker, the control thread); takes the zone's own mutex. committer_judged,
 *            _failed, _barrier, _tick: the follower's hooks.
 *            A thread of its own runs the jobs. Whoever calls is a registered RCU reader.
 * Memory:    what is lent to a store is kept here until its fate is known, also when the request has been answered meanwhile.
 * Limits:    `queue_zone` requests a zone, `queue_client` a client address: over it REFUSED with EDE on TCP, silence on UDP, counted.
 * updates.md 5 to 9.
 */
#ifndef ZONEGATE_UPDATE_COMMITTER_H
#define ZONEGATE_UPDATE_COMMITTER_H

#include "store/store.h"
#include "update/update.h"

#define COMMITTER_QUEUE_ZONE 16384
#define COMMITTER_QUEUE_CLIENT 4096
#define COMMITTER_FLIGHT_MAX 1024 /* changes of one zone in flight; the others wait */

struct committer;       /* the whole process: retransmissions, audit, limits */
struct committer_zone;  /* zone->committer */

struct committer_settings {
	const char *gateway;     /* identity, for origin.gateway; copied */
	struct audit *audit;     /* NULL: none */
	/* follower_base: the place of a zone in its log where nothing is served, for jobs. NULL: version 0. */
	bool (*base)(struct zone *zone, uint64_t *version, uint8_t id[VERSION_ID_SIZE]);
};

/* NULL: no memory or no thread. */
struct committer *committer_new(const struct committer_settings *settings);
/* All zones have been freed. */
void committer_free(struct committer *committer);
void committer_set(struct committer *committer, const struct committer_settings *settings);

/*
 * At the zone's creation (the caller sets zone->committer), and when it has been dropped by its follower and taken out of the table: requests
 * still waiting are answered SERVFAIL; zone->committer is NULL then.
 */
struct committer_zone *committer_zone_new(struct committer *committer, struct zone *zone);
void committer_zone_free(struct committer_zone *zone);

/*
 * Take an UPDATE: verified, form checked (update_check_form said NOERROR), for request->zone. request->release is called exactly
 * once, perhaps before this returns. Recognises retransmissions (update/retransmit.h) itself.
 */
void committer_submit(struct committer *committer, struct update_request *request);

/* Work of our own that becomes a change: import, rollback, freeze, removal, first load. */
struct committer_job {
	struct zone *zone;
	/*
	 * Evaluate on `version` (NULL: the zone has none yet). Fill change (ops or snapshot, exclusive, …; base and ids are the committer's)
	 * in `arena`. OK: commit it. EXISTS: nothing to do, done is called with OK. Any other: given up, `reason` says why.
	 * Called with no lock held that a store could want; perhaps more than once (a lost race).
	 */
	enum status (*evaluate)(struct committer_job *job, const struct zone_version *version, struct arena *arena, struct change *change, char *reason);
	/* Once: durable and served (version), or why not. On any thread. */
	void (*done)(struct committer_job *job, enum status status, uint64_t version, const char *reason);
	void *context;
	struct draft *content;    /* set by evaluate for a snapshot change whose content is already built (given) */
	unsigned timeout_ms;      /* 0: none */
	const char *command, *client; /* for origin and audit: "import", …; client may be NULL */
	bool when_frozen;         /* goes through although the zone is frozen (thaw, removal, import) */
	/* private to committer.c */
	struct committer_job *next;
	void *state;
};
void committer_run(struct committer *committer, struct committer_job *job);

/* Follower hooks (store/follower.h). */
void committer_judged(void *committer, struct zone *zone, const struct change *change, uint64_t tag, enum replay_fate fate, uint64_t version);
void committer_failed(void *committer, uint64_t tag, enum status status, const char *reason);
void committer_barrier(void *committer, uint64_t tag, enum status status);
void committer_tick(void *committer);

/* For metrics: arrival to answer; refused because a queue was full. */
struct committer_counters { struct stat_histogram duration; stat_counter overflow, retransmissions; };
const struct committer_counters *committer_counters(const struct committer *committer);

#endif
