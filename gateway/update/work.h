/*
 * What the committer has in hand: a request or a job on its way to its fate, its place in its zone, and how it ends.
 *
 * Threads:   a work that is RUNNING belongs to one thread; else to the zone, under its mutex. Answers are given without
 *            a lock.
 * Memory:    works are kept in a pool, their arenas warm.
 * For update/committer.c only.
 */
#ifndef ZONEGATE_UPDATE_WORK_H
#define ZONEGATE_UPDATE_WORK_H

#include "update/job.h"
#include "update/line.h"
#include "base/quota.h"
#include "update/retransmit.h"
#include "update/tags.h"
#include <pthread.h>

#define WORK_INLINE_CLAIMS 8
#define WORK_FLIGHT_MAX 1024 /* changes of one zone in flight; the others wait */

/*
 * WAITING and STANDBY: for others. RUNNING: a thread is at it, nobody else touches it. FLYING, BARRIER: the store has
 * it, a tag leads back to it. RESTING: until retry_ns.
 */
enum work_state { WORK_WAITING, WORK_STANDBY, WORK_RUNNING, WORK_FLYING, WORK_BARRIER, WORK_RESTING };

/*
 * A request or a job on its way. Without both: its time was out while its change was in flight; it keeps names and
 * memory until its fate.
 */
struct work {
	struct line_member member; /* first */
	struct committer_zone *zone;
	struct update_request *request;
	struct committer_job *job;
	enum work_state state;
	struct work *older, *newer; /* of the zone's */
	struct work *next;          /* in a list of the moment: spare, standby, to do */
	uint64_t tag, deadline_ns, retry_ns;
	uint64_t patience_ns;       /* how long a request may take */
	unsigned attempt;
	bool fresh;                 /* its next evaluation sees all that the log held when it came */
	struct arena arena;         /* of the last evaluation */
	struct change change;
	const uint8_t *record;
	size_t size;
	struct draft content;           /* of a snapshot change, lent to the store with it */
	struct retransmit_entry *entry; /* of an overdue request */
	struct line_claim claims[WORK_INLINE_CLAIMS];
};

struct committer_zone {
	struct committer *committer;
	struct zone *zone;
	struct committer_zone *next, **link;
	pthread_mutex_t mutex;
	pthread_cond_t left;       /* a work has left a closed zone */
	struct line line;
	struct work *oldest, *newest;
	struct work *standby, **standby_end;
	unsigned going;            /* not WAITING, not STANDBY */
	_Atomic unsigned count;
	bool closed;
	/* The follower's: what serial a version has. */
	uint64_t seen_version;
	uint32_t seen_serial;
};

/* Settings of a moment; old ones are kept to the end, there are as many as reloads. */
struct work_config {
	struct work_config *before;
	char *gateway;
	struct audit *audit;
	bool (*base)(struct zone *zone, uint64_t *version, uint8_t id[VERSION_ID_SIZE]);
};

struct committer {
	_Atomic(struct work_config *) settings;
	struct committer_counters counters;
	struct retransmit *retransmit;
	struct quota *quota;
	struct tags *tags;
	pthread_mutex_t zones_mutex;
	struct committer_zone *zones;
	pthread_mutex_t pool_mutex;
	struct work *pool;
	unsigned pool_count;
	/* Jobs that may go, and the thread that they go in. */
	pthread_t thread;
	pthread_mutex_t jobs_mutex;
	pthread_cond_t jobs_wake;
	struct work *jobs, **jobs_end;
	unsigned long_jobs;        /* that wait or run: no request waits behind one */
	bool stop;
};

/*
 * Works that may go, for the thread that let them: in turn, so that one that lets the next one go does not call itself.
 */
struct work_list {
	struct work *first, **end;
	bool elsewhere; /* better not in this thread: others wait for it */
};

/* How a work ends. */
struct work_outcome {
	enum status status;     /* of a job */
	unsigned rcode;         /* of a request */
	const char *verdict;
	const char *reason;     /* NULL: what request->ede says already */
	int ede;                /* code for reason */
	bool store_failure;     /* on-store-failure decides */
	uint64_t version;
	uint32_t serial;
};
#define WORK_LIST(name) struct work_list name = {NULL, NULL, false}; name.end = &name.first

/* The zone is not served any more. */
extern const struct work_outcome work_closed;

/* zone->committer of a zone that is gone: it is closed, so nobody gets in. */
extern struct committer_zone work_zone_ended;
/* NULL: nothing was ever asked of it. */
static inline struct committer_zone *
work_zone_known(const struct zone *zone)
{
	return __atomic_load_n(&zone->committer, __ATOMIC_ACQUIRE);
}
/* Made where there is none; NULL: no memory. In an RCU section. */
struct committer_zone *work_zone(struct committer *committer, struct zone *zone);

/* From the pool; NULL: no memory. */
struct work *work_new(struct committer *committer);
void work_free(struct committer *committer, struct work *work);
/* The names that it will wait for; false: no memory. */
bool work_claim(struct work *work, const struct form *form);
static inline bool work_is_orphan(const struct work *work) { return work->request == NULL && work->job == NULL; }
/* At the end of the list. */
void work_todo(struct work_list *todo, struct work *work);

/* In the zone's line, at its end; into `todo` if it may go. Under the zone's mutex. */
void work_enter(struct committer_zone *zone, struct work *work, struct work_list *todo);
/* Out of it; into `todo` who may go now. Under the zone's mutex. */
void work_leave(struct committer_zone *zone, struct work *work, struct work_list *todo);

/* Of a zone, as configured now; NULL: none. */
static inline const struct update_settings *
work_settings(struct zone *zone)
{
	return atomic_load_explicit(&zone->update_settings, memory_order_acquire);
}

/* The outcome is in the request: count, tell, give back. */
void work_deliver(struct committer *committer, struct update_request *request, const char *verdict);
/* The same for those who asked again; failed: by on-store-failure. */
void work_deliver_waiters(struct committer *committer, struct update_request *waiters, bool failed);
/* Put the outcome into the request; deliver it, and to those who asked again. */
void work_answer(struct committer *committer, struct update_request *request, const struct work_outcome *outcome);
/* Whatever it is, request, job or what is left of one: tell its outcome. No lock is held; it is the caller's. */
void work_tell(struct work *work, const struct work_outcome *outcome);
/* work_tell, work_leave, work_free. */
void work_finish(struct work *work, const struct work_outcome *outcome, struct work_list *todo);

#endif
