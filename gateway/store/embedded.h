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
MUST_USE enum status embedded_open(const char *name, struct kv *kv, uint64_t keep_history_s, struct store **store, char *reason);
/* Reload: a new length of history. */
void embedded_keep_history(struct store *store, uint64_t keep_history_s);

#endif
