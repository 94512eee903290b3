/*
 * From a verified UPDATE to its fate: evaluate, append, wait, evaluate again, release. One change in flight for a name;
 * others are pipelined.
 *
 * Threads:   committer_submit and committer_run: any (a worker, the control thread); takes the zone's own mutex.
 *            committer_judged, _failed, _barrier, _tick: the follower's hooks. A thread of its own runs the jobs.
 *            Whoever calls is a registered RCU reader.
 * Memory:    what is lent to a store is kept here until its fate is known, also when the request has been answered
 *            meanwhile.
 * Limits:    `queue_zone` requests a zone, `queue_client` a client address: over it REFUSED with EDE on TCP, silence on
 *            UDP, counted.
 * updates.md 5 to 9.
 */
#ifndef ZONEGATE_UPDATE_COMMITTER_H
#define ZONEGATE_UPDATE_COMMITTER_H

#include "update/job.h"

#define COMMITTER_QUEUE_ZONE 16384
#define COMMITTER_QUEUE_CLIENT 4096

/* NULL: no memory or no thread. */
struct committer *committer_new(const struct committer_settings *settings);
/* All zones have been freed. */
void committer_free(struct committer *committer);
void committer_set(struct committer *committer, const struct committer_settings *settings);

/*
 * A zone that has been dropped by its follower: requests still waiting are answered SERVFAIL, and so are those that
 * come. Its first request made zone->committer; most zones of many never have one.
 */
void committer_forget(struct committer *committer, struct zone *zone);

/*
 * Take an UPDATE: verified, form checked (update_check_form said NOERROR), for request->zone. request->release is
 * called exactly once, perhaps before this returns. Recognises retransmissions (update/retransmit.h) itself.
 */
void committer_submit(struct committer *committer, struct update_request *request);

/* Work of our own that becomes a change: update/job.h. */
void committer_run(struct committer *committer, struct committer_job *job);

/* Follower hooks (store/follower.h). */
void committer_judged(void *committer, struct zone *zone, const struct change *change, uint64_t tag,
		      enum replay_fate fate, uint64_t version);
void committer_failed(void *committer, uint64_t tag, enum status status, const char *reason);
void committer_barrier(void *committer, uint64_t tag, enum status status);
void committer_tick(void *committer);

const struct committer_counters *committer_counters(const struct committer *committer);

#endif
