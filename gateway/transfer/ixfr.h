/*
 * Incremental transfer out (RFC 1995): what changed since the client's serial, as difference sequences.
 *
 * A zone that may be transferred keeps its last sequences in memory, one for each publication, made by comparing the
 * version before with the new one, which share all that did not change. After a start they are made again from the
 * zone's log, one for each change, by a thread of its own: the log alone does not say what a deletion removed, so the
 * content at the first of these versions is rebuilt and the changes are applied to it.
 *
 * Threads:   ixfr_ready, ixfr_published: the follower of the zone. ixfr_start, ixfr_compose: a worker in an RCU
 *            section.
 * Memory:    a zone's sequences never take more than the zone itself would as an AXFR (IXFR_LIMIT_MIN at least,
 *            IXFR_LIMIT_MAX at most): beyond that the whole zone is the shorter answer. Its newest version is pinned.
 * Errors:    a serial that is not among them: STATUS_NOT_FOUND, and the answer is the whole zone (RFC 1995 4).
 * Standards: RFC 1995.
 */
#ifndef ZONEGATE_TRANSFER_IXFR_H
#define ZONEGATE_TRANSFER_IXFR_H

#include "transfer/axfr.h"
#include "wire/compose.h"

#define IXFR_LIMIT_MIN 65536u      /* one message: never too long an answer */
#define IXFR_LIMIT_MAX (64u << 20)
#define IXFR_RECORD_SIZE 32        /* of an AXFR, a record on average */

struct ixfr;

struct ixfr_counters {
	stat_counter incremental;      /* answered with sequences */
	stat_counter whole;            /* answered in AXFR style: the serial is unknown or too long ago */
	stat_counter single;           /* over UDP, no room: the SOA alone */
	stat_counter deferred;         /* cut off: the history is still being read, and NOTIFY comes after that */
};

/*
 * ready   a zone's history has been read: the time to tell its secondaries. On the thread that reads, in an RCU
 *         section
 * NULL: no memory or no thread.
 */
struct ixfr *ixfr_new(void (*ready)(void *context, struct zone *zone), void *context);
/* History is not read any more; the stores may be closed after this. The rest goes on. */
void ixfr_stop(struct ixfr *ixfr);
/* All zones have been freed. */
void ixfr_free(struct ixfr *ixfr);
const struct ixfr_counters *ixfr_counters(const struct ixfr *ixfr);

/*
 * The zone is served: `ready` comes once its history has been read. False: there is none to read, `ready` does not
 * come.
 */
bool ixfr_ready(struct ixfr *ixfr, struct zone *zone, const struct zone_version *version);
/*
 * Hook of the follower; before: the version that this one replaced, NULL: none. False: its history is still being read,
 * `ready` will come.
 */
bool ixfr_published(struct ixfr *ixfr, struct zone *zone, const struct zone_version *before,
		    const struct zone_version *version);
/* The zone is going: its log is not read any more after this. Before the follower drops it. */
void ixfr_end_zone(struct ixfr *ixfr, struct zone *zone);
/* No thread can reach the zone. */
void ixfr_free_zone(struct zone *zone);

/*
 * From `serial`, which is older than version->serial, to the newest version: a stream of messages.
 * version  the zone's current one, or for zones with digests the newest that has one: it is given with its ZONEMD, and
 *          the client's is taken away
 * While the zone's history is still being read, and secondaries will be told when it is, the stream ends the
 * connection: they come back, and need not take the whole zone.
 * STATUS_NOT_FOUND: answer with axfr_start. STATUS_NO_MEMORY
 */
MUST_USE enum status ixfr_start(const struct message *msg, const struct tsig *tsig, struct zone *zone,
				const struct zone_version *version, uint32_t serial, struct stream **stream);
/*
 * The same into one message (RFC 1995 2: UDP). False: no room or not known, nothing was written: answer with the SOA
 * alone.
 */
bool ixfr_compose(struct compose *compose, struct zone *zone, const struct zone_version *version, uint32_t serial);

#endif
