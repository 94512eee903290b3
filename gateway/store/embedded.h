/*
 * The store contract over kv: group commit, history (events.md "Embedded").
 *
 * Threads, errors: store/store.h.
 */
#ifndef ZONEGATE_STORE_EMBEDDED_H
#define ZONEGATE_STORE_EMBEDDED_H

#include "store/kv.h"
#include "store/store.h"

/* kv is borrowed and must outlive the store. keep_history_s 0: for ever. */
MUST_USE enum status embedded_open(const char *name, struct kv *kv, uint64_t keep_history_s, struct store **store,
				   char *reason);
/* Reload: a new length of history. */
void embedded_keep_history(struct store *store, uint64_t keep_history_s);

/*
 * For a local copy of what another store holds (store/warm.h). The zone begins anew with this version (NULL: with
 * nothing, at version 0): what was kept of it goes. Commits go on from there. Not beside another call for the zone.
 */
MUST_USE enum status embedded_begin_at(struct store *store, struct zone *zone, const struct zone_version *version,
				       char *reason);
/* Content and window as they are kept, into an empty draft and a new replay. STATUS_NOT_FOUND: not both are. */
MUST_USE enum status embedded_load(struct store *store, struct zone *zone, struct draft *draft, struct replay *replay,
				   char *reason);
/* A chunk that a snapshot change, committed later, refers to. Any thread. */
MUST_USE enum status embedded_put_chunk(struct store *store, struct zone *zone, const char *snapshot, uint32_t number,
					const uint8_t *bytes, size_t size);

#endif
