/*
 * Typed keys and transactions over LMDB: one environment in the state directory, shared by all stores of the process.
 *
 * Threads:   one writer at a time (LMDB's own lock; kv_begin_write waits); readers any, a read transaction belongs to
 *            one thread.
 * Errors:    STATUS_NOT_FOUND; STATUS_RETRY with errno for a full disk (ENOSPC) or map; STATUS_IO, STATUS_STOP for
 *            damage. kv_reason says it in words.
 * Limits:    keys of 511 octets; the map grows by itself up to the address space given.
 */
#ifndef ZONEGATE_STORE_KV_H
#define ZONEGATE_STORE_KV_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kv;
struct kv_txn;
struct kv_bytes { const void *bytes; size_t size; };

/* Tables of the environment. */
enum kv_table { KV_META, KV_ZONES, KV_LOG, KV_CONTENT, KV_CHUNKS, KV_WARM, KV_CATALOG, KV_TABLES };

/* Opens or makes it; holds a lock file so that no second gateway uses the same state-dir (STATUS_EXISTS). */
MUST_USE enum status kv_open(const char *directory, struct kv **kv, char *reason); /* reason: 300 octets */
void kv_close(struct kv *kv);

MUST_USE enum status kv_begin_write(struct kv *kv, struct kv_txn **txn);
MUST_USE enum status kv_begin_read(struct kv *kv, struct kv_txn **txn);
/* Durable when OK is returned; the transaction is over in any case. */
MUST_USE enum status kv_commit(struct kv_txn *txn);
void kv_abort(struct kv_txn *txn);

/* Values are lent until the transaction ends or writes. */
MUST_USE enum status kv_get(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes *value);
MUST_USE enum status kv_put(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes value);
/* The key is greater than all before: an append. */
MUST_USE enum status kv_put_last(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes value);
MUST_USE enum status kv_delete(struct kv_txn *txn, enum kv_table table, struct kv_bytes key);
/* Walk keys from the first >= `from` that begin with `prefix_size` octets of it. `each` returns false to stop. */
typedef bool kv_each_fn(void *context, struct kv_bytes key, struct kv_bytes value);
MUST_USE enum status kv_each(struct kv_txn *txn, enum kv_table table, struct kv_bytes from, size_t prefix_size,
			     kv_each_fn *each, void *context);
/* The first and the last key with that prefix. */
MUST_USE enum status kv_first(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, struct kv_bytes *key,
			      struct kv_bytes *value);
MUST_USE enum status kv_last(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, struct kv_bytes *key,
			     struct kv_bytes *value);
MUST_USE enum status kv_delete_prefix(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, size_t at_most,
				      size_t *deleted);
/* The calling thread's last error in words. */
const char *kv_reason(const struct kv *kv);
/* Give mapped pages back to the system: they count in the process's memory although the file has them. */
void kv_forget_pages(struct kv *kv);

#endif
