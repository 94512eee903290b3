/*
 * What the committer takes and tells: settings, jobs, counters. Types only.
 *
 * Threads:   see update/committer.h.
 */
#ifndef ZONEGATE_UPDATE_JOB_H
#define ZONEGATE_UPDATE_JOB_H

#include "store/store.h"
#include "update/update.h"

struct committer;       /* the whole process: retransmissions, audit, limits */
struct committer_zone;  /* zone->committer */

struct committer_settings {
	const char *gateway;     /* identity, for origin.gateway; copied */
	struct audit *audit;     /* NULL: none */
	/* follower_base: the place of a zone in its log where nothing is served, for jobs. NULL: version 0. */
	bool (*base)(struct zone *zone, uint64_t *version, uint8_t id[VERSION_ID_SIZE]);
};

/* Work of our own that becomes a change: import, rollback, freeze, removal, first load. */
struct committer_job {
	struct zone *zone;
	/*
	 * Evaluate on `version` (NULL: the zone has none yet). Fill change (ops or snapshot, exclusive, …; base and ids
	 * are the committer's) in `arena`. OK: commit it. EXISTS: nothing to do, done is called with OK. Any other:
	 * given up, `reason` says why. Called with no lock held that a store could want; perhaps more than once (a lost
	 * race).
	 */
	enum status (*evaluate)(struct committer_job *job, const struct zone_version *version, struct arena *arena,
				struct change *change, char *reason);
	/* Once: durable and served (version), or why not. On any thread. */
	void (*done)(struct committer_job *job, enum status status, uint64_t version, const char *reason);
	void *context;
	/* Set by evaluate for a snapshot change whose content is already built: it is taken out of there (given). */
	struct draft *content;
	unsigned timeout_ms;      /* 0: none */
	const char *command, *client; /* for origin and audit: "import", …; client may be NULL */
	bool when_frozen;         /* goes through although the zone is frozen (thaw, removal, import) */
	/* private to committer.c */
	struct committer_job *next;
	void *state;
};

/* For metrics: arrival to answer; refused because a queue was full. */
struct committer_counters { struct stat_histogram duration; stat_counter overflow, retransmissions; };

#endif
