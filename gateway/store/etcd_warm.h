/*
 * The local copy of the zones of an etcd store (store/warm.h), with a thread of its own for the disk.
 *
 * Threads:   the follower's; etcd_warm_history: any. Only etcd_warm_checkpoint waits for the disk, and only where a
 *            zone has come to rest.
 * Memory:    what is kept of a zone is given to who takes it.
 * Errors:    none matters: a copy that cannot be written begins anew.
 */
#ifndef ZONEGATE_STORE_ETCD_WARM_H
#define ZONEGATE_STORE_ETCD_WARM_H

#include "store/warm.h"

struct etcd_warm;

/* What was kept: content, window, and the revision up to which etcd had been read. */
struct etcd_kept { struct draft draft; struct replay *replay; uint64_t revision; };

/*
 * kv NULL: nothing is ever kept. `woken` is called from another thread when something was loaded, or a copy has begun,
 * which wants a checkpoint.
 */
MUST_USE enum status etcd_warm_open(const char *name, struct kv *kv, void (*woken)(void *context), void *context,
				    struct etcd_warm **warm, char *reason);
void etcd_warm_close(struct etcd_warm *warm);

/* A zone to keep; load: what is kept of it is wanted. */
void etcd_warm_add(struct etcd_warm *warm, struct zone *zone, bool load);
void etcd_warm_drop(struct etcd_warm *warm, struct zone *zone);
/*
 * True: loading is over. *kept: NULL if there is nothing, or it has been taken before; else given: etcd_warm_free_kept.
 */
bool etcd_warm_loaded(struct etcd_warm *warm, struct zone *zone, struct etcd_kept **kept);
void etcd_warm_free_kept(struct etcd_kept *kept);

/* The copy goes on from what was taken: changes are noted again. */
void etcd_warm_continue(struct etcd_warm *warm, struct zone *zone);
/* What was handed out does not follow from the copy: it begins anew with the next checkpoint. */
void etcd_warm_forget(struct etcd_warm *warm, struct zone *zone);
/* An applied change, copied; one whose content is elsewhere begins the copy anew. */
void etcd_warm_note(struct etcd_warm *warm, const struct store_fate *fate, uint64_t revision);
/* store_ops.checkpoint. `revision`: etcd has been read up to it, in this version. */
void etcd_warm_checkpoint(struct etcd_warm *warm, struct zone *zone, const struct zone_version *version,
			  const struct replay *replay, uint64_t revision, bool idle);
/* The store that has the zone's history, on disk up to now; NULL: there is none at the moment. */
struct store *etcd_warm_history(struct etcd_warm *warm, const struct zone *zone);

#endif
