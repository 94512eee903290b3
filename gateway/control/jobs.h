/*
 * Work of our own that becomes a change, from start to fate: first load, import, rollback, freeze, removal.
 *
 * Threads:   registered RCU readers that are offline; each call waits until the change is durable and served. Not
 *            from a follower's hook.
 * Errors:    reason (JOBS_REASON_SIZE) says why, for a person; nothing has changed then.
 * Limits:    a change that does not fit into one record takes the snapshot form (events.md).
 */
#ifndef ZONEGATE_CONTROL_JOBS_H
#define ZONEGATE_CONTROL_JOBS_H

#include "control/config.h"
#include "update/committer.h"

#define JOBS_REASON_SIZE 1024

struct jobs_result { uint64_t version; bool changed; };

/*
 * Zones' contents from their files, or where they have none, the SOA and NS of their configuration. Many share the
 * store's commits.
 */
struct jobs_loading {
	struct zone *zone;
	const struct config_zone *config;
	enum status status;     /* out */
	char *reason;           /* out; given, where it is not OK */
};
void jobs_load_all(struct committer *committer, struct jobs_loading *loading, size_t count);
/* `text` is a master file; `path` is its name in messages. */
MUST_USE enum status jobs_import(struct committer *committer, struct zone *zone, const char *text, size_t size,
                                 const char *path, struct jobs_result *result, char *reason);
/*
 * The content of another server's zone (transfer/fetch.h), given; its apex becomes the zone's. STATUS_RETRY: other
 * changes came between, and the content has gone: it is to be fetched again.
 */
MUST_USE enum status jobs_import_draft(struct committer *committer, struct zone *zone, struct draft *draft,
                                       struct jobs_result *result, char *reason);
MUST_USE enum status jobs_rollback(struct committer *committer, struct zone *zone, uint64_t version,
                                   struct jobs_result *result, char *reason);
MUST_USE enum status jobs_freeze(struct committer *committer, struct zone *zone, bool freeze,
                                 struct jobs_result *result, char *reason);
MUST_USE enum status jobs_remove(struct committer *committer, struct zone *zone, char *reason);
/* All at once; not OK: at least one was not removed. */
MUST_USE enum status jobs_remove_all(struct committer *committer, struct zone *const *zones, size_t count,
				     char *reason);
/*
 * A change whose ops `fill` makes in the arena, on a version that is not NULL: STATUS_EXISTS where there is nothing to
 * do. It runs on the committer's thread, in an RCU section, perhaps again after a lost race.
 */
typedef enum status jobs_fill_fn(void *context, const struct zone_version *version, struct arena *arena,
				 struct change *change);
MUST_USE enum status jobs_edit(struct committer *committer, struct zone *zone, const char *command, jobs_fill_fn *fill,
                               void *context, char *reason);

/* The content of a master file, or the smallest zone that serves; into an empty draft, checked. */
MUST_USE enum status jobs_read_file(const struct config_zone *config, struct draft *draft, char *reason);
/* Can the zone's file be loaded? Nothing is kept. For -t and reload; the reason begins with FILE:LINE. */
MUST_USE enum status jobs_check_file(const struct config *config, const struct config_zone *zone, char *reason);

#endif
