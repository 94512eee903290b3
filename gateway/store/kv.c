#include "store/kv.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/*
 * Address space, not disk: the file is as large as what is in it. Tried from above until the system gives it
 * (sanitizers, ulimit -v).
 */
#define MAP_MOST (64ull << 30)
#define MAP_LEAST (64ull << 20)
#define MODE 0600
#define FULL_BYTES 65536 /* less is left on a full disk */

struct kv {
	MDB_env *env;
	MDB_dbi tables[KV_TABLES];
	int lock_fd;
	void *map; /* where the system has put the file; NULL: not known */
};

struct kv_txn {
	struct kv *kv;
	MDB_txn *txn;
};

static const char *const table_names[KV_TABLES] = {
	[KV_META] = "meta", [KV_ZONES] = "zones", [KV_LOG] = "log", [KV_CONTENT] = "content", [KV_CHUNKS] = "chunks",
	[KV_WARM] = "warm", [KV_CATALOG] = "catalog",
};

static _Thread_local char last_reason[300];

const char *
kv_reason(const struct kv *kv)
{
	(void)kv;
	return last_reason;
}

/* What LMDB says, as what to do. */
static enum status
result(int code, const char *what)
{
	if (code == 0)
		return STATUS_OK;
	if (code == MDB_NOTFOUND)
		return STATUS_NOT_FOUND;
	snprintf(last_reason, sizeof last_reason, "%s: %s%s", what, mdb_strerror(code),
		 code == MDB_PANIC ? "; see what is wrong with the disk, then restart zonegated" : "");
	switch (code) {
	case MDB_KEYEXIST:
		return STATUS_EXISTS;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		errno = ENOSPC;
		return STATUS_RETRY;
	case MDB_TXN_FULL:
	case MDB_BAD_VALSIZE:
		return STATUS_LIMIT;
	case ENOMEM:
		return STATUS_NO_MEMORY;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return STATUS_STOP;
	default:
		errno = code > 0 ? code : EIO;
		return STATUS_IO;
	}
}

/* ---- open and close ---- */

static enum status PRINTF_LIKE(3, 4)
refuse(char *reason, enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof last_reason, format, args);
	va_end(args);
	return status;
}

/* One gateway for one directory: LMDB would let two of them in. */
static enum status
take_lock(struct kv *kv, const char *directory, char *reason)
{
	char path[4096];

	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		return refuse(reason, STATUS_IO, "%s: %s", directory, strerror(errno));
	if ((size_t)snprintf(path, sizeof path, "%s/lock", directory) >= sizeof path)
		return refuse(reason, STATUS_INVALID, "%s: the path is too long", directory);
	kv->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
	if (kv->lock_fd < 0)
		return refuse(reason, STATUS_IO, "%s: %s", path, strerror(errno));
	if (flock(kv->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return refuse(reason, STATUS_EXISTS, "%s is in use by another gateway", directory);
	return STATUS_OK;
}

/* With as large a map as there is room for. */
static int
open_env(struct kv *kv, const char *directory)
{
	int code = ENOMEM;

	for (unsigned long long size = MAP_MOST; size >= MAP_LEAST && code; size /= 2) {
		code = mdb_env_create(&kv->env);
		if (code)
			return code;
		code = mdb_env_set_mapsize(kv->env, size);
		if (!code)
			code = mdb_env_set_maxdbs(kv->env, KV_TABLES);
		/*
		 * NOTLS: a read transaction belongs to what we do, not to a thread. NORDAHEAD: lookups are single
		 * pages.
		 */
		if (!code)
			code = mdb_env_open(kv->env, directory, MDB_NOTLS | MDB_NORDAHEAD, MODE);
		if (!code)
			return 0;
		mdb_env_close(kv->env);
		kv->env = NULL;
		if (code != ENOMEM && code != EINVAL && code != EFBIG)
			return code;
	}
	return code;
}

/* LMDB does not say where its map is, the system does. */
static void *
find_map(struct kv *kv)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long inode, wanted;
	char line[4400];
	struct stat file;
	void *start, *found = NULL;
	int fd;

	if (!maps)
		return NULL;
	if (mdb_env_get_fd(kv->env, &fd) == 0 && fstat(fd, &file) == 0) {
		wanted = file.st_ino;
		while (!found && fgets(line, sizeof line, maps))
			if (sscanf(line, "%p-%*s %*s %*s %*s %llu", &start, &inode) == 2 && inode == wanted)
				found = start;
	}
	fclose(maps);
	return found;
}

static int
open_tables(struct kv *kv)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(kv->env, NULL, 0, &txn);

	if (code)
		return code;
	for (int i = 0; i < KV_TABLES && !code; i++)
		code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &kv->tables[i]);
	if (code) {
		mdb_txn_abort(txn);
		return code;
	}
	return mdb_txn_commit(txn);
}

enum status
kv_open(const char *directory, struct kv **out, char *reason)
{
	struct kv *kv = calloc(1, sizeof *kv);

	if (!kv)
		return refuse(reason, STATUS_NO_MEMORY, "no memory");
	kv->lock_fd = -1;
	enum status status = take_lock(kv, directory, reason);
	if (status == STATUS_OK) {
		int code = open_env(kv, directory), dead;
		if (!code)
			code = mdb_reader_check(kv->env, &dead); /* of a gateway that was killed */
		if (!code)
			code = open_tables(kv);
		status = result(code, directory);
		if (status)
			refuse(reason, status, "%s", last_reason);
	}
	if (status) {
		kv_close(kv);
		return status;
	}
	kv->map = find_map(kv);
	*out = kv;
	return STATUS_OK;
}

void
kv_close(struct kv *kv)
{
	if (!kv)
		return;
	if (kv->env)
		mdb_env_close(kv->env);
	if (kv->lock_fd >= 0)
		close(kv->lock_fd);
	free(kv);
}

void
kv_forget_pages(struct kv *kv)
{
	MDB_envinfo info;
	MDB_stat stat;

	if (kv->map && mdb_env_info(kv->env, &info) == 0 && mdb_env_stat(kv->env, &stat) == 0)
		madvise(kv->map, (info.me_last_pgno + 1) * stat.ms_psize, MADV_DONTNEED);
}

/* ---- transactions ---- */

static enum status
begin(struct kv *kv, unsigned flags, struct kv_txn **out)
{
	struct kv_txn *txn = malloc(sizeof *txn);

	if (!txn)
		return STATUS_NO_MEMORY;
	txn->kv = kv;
	enum status status = result(mdb_txn_begin(kv->env, NULL, flags, &txn->txn), "a transaction cannot begin");
	if (status) {
		free(txn);
		return status;
	}
	*out = txn;
	return STATUS_OK;
}

enum status
kv_begin_write(struct kv *kv, struct kv_txn **txn)
{
	return begin(kv, 0, txn);
}

enum status
kv_begin_read(struct kv *kv, struct kv_txn **txn)
{
	return begin(kv, MDB_RDONLY, txn);
}

/* A write that was cut short on a full disk is EIO to LMDB. */
static int
full_or(const struct kv *kv, int code)
{
	struct statvfs disk;
	int fd;

	if (code != EIO || mdb_env_get_fd(kv->env, &fd) != 0 || fstatvfs(fd, &disk) != 0)
		return code;
	return disk.f_bavail * disk.f_frsize < FULL_BYTES ? ENOSPC : code;
}

enum status
kv_commit(struct kv_txn *txn)
{
	int code = mdb_txn_commit(txn->txn);
	enum status status = result(full_or(txn->kv, code), "commit");

	free(txn);
	/*
	 * Nothing was committed where it failed, and the pages that may have been lost are written again by the next
	 * one, so trying again is right; LMDB itself stops (MDB_PANIC) where it is not.
	 */
	return status == STATUS_IO ? STATUS_RETRY : status;
}

void
kv_abort(struct kv_txn *txn)
{
	mdb_txn_abort(txn->txn);
	free(txn);
}

/* ---- keys and values ---- */

static MDB_val
val(struct kv_bytes bytes)
{
	return (MDB_val){bytes.size, (void *)(uintptr_t)bytes.bytes};
}

static struct kv_bytes
bytes(MDB_val value)
{
	return (struct kv_bytes){value.mv_data, value.mv_size};
}

enum status
kv_get(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes *value)
{
	MDB_val k = val(key), v;
	enum status status = result(mdb_get(txn->txn, txn->kv->tables[table], &k, &v), "read");

	if (status == STATUS_OK)
		*value = bytes(v);
	return status;
}

static enum status
put(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes value, unsigned flags)
{
	MDB_val k = val(key), v = val(value);
	return result(mdb_put(txn->txn, txn->kv->tables[table], &k, &v, flags), "write");
}

enum status
kv_put(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes value)
{
	return put(txn, table, key, value, 0);
}

/* LMDB's append is for the last key of the table; the last one of its zone may not be that. */
enum status
kv_put_last(struct kv_txn *txn, enum kv_table table, struct kv_bytes key, struct kv_bytes value)
{
	enum status status = put(txn, table, key, value, MDB_APPEND);
	return status == STATUS_EXISTS ? put(txn, table, key, value, 0) : status;
}

enum status
kv_delete(struct kv_txn *txn, enum kv_table table, struct kv_bytes key)
{
	MDB_val k = val(key);
	return result(mdb_del(txn->txn, txn->kv->tables[table], &k, NULL), "delete");
}

static bool
has_prefix(MDB_val key, struct kv_bytes prefix)
{
	return key.mv_size >= prefix.size && memcmp(key.mv_data, prefix.bytes, prefix.size) == 0;
}

enum status
kv_each(struct kv_txn *txn, enum kv_table table, struct kv_bytes from, size_t prefix_size, kv_each_fn *each,
	void *context)
{
	MDB_cursor *cursor;
	MDB_val k = val(from), v;
	enum status status = result(mdb_cursor_open(txn->txn, txn->kv->tables[table], &cursor), "read");

	if (status)
		return status;
	int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	while (!code && has_prefix(k, (struct kv_bytes){from.bytes, prefix_size}) && each(context, bytes(k), bytes(v)))
		code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? STATUS_OK : result(code, "read");
}

/* What a cursor came to, if it begins with the prefix. */
static enum status
found(int code, struct kv_bytes prefix, MDB_val k, MDB_val v, struct kv_bytes *key, struct kv_bytes *value)
{
	if (!code && !has_prefix(k, prefix))
		code = MDB_NOTFOUND;
	enum status status = result(code, "read");
	if (status == STATUS_OK) {
		*key = bytes(k);
		*value = bytes(v);
	}
	return status;
}

/* The key after all that begin with the prefix; false if there can be none. */
static bool
after_prefix(struct kv_bytes prefix, uint8_t *out)
{
	memcpy(out, prefix.bytes, prefix.size);
	for (size_t i = prefix.size; i-- > 0;)
		if (++out[i] != 0)
			return true;
	return false;
}

enum status
kv_last(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, struct kv_bytes *key, struct kv_bytes *value)
{
	uint8_t after[512];
	MDB_cursor *cursor;
	MDB_val k = {prefix.size, after}, v;
	enum status status = result(mdb_cursor_open(txn->txn, txn->kv->tables[table], &cursor), "read");

	if (status)
		return status;
	int code = after_prefix(prefix, after) ? mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) : MDB_NOTFOUND;
	code = mdb_cursor_get(cursor, &k, &v, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	mdb_cursor_close(cursor);
	return found(code, prefix, k, v, key, value);
}

enum status
kv_first(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, struct kv_bytes *key, struct kv_bytes *value)
{
	MDB_cursor *cursor;
	MDB_val k = val(prefix), v;
	enum status status = result(mdb_cursor_open(txn->txn, txn->kv->tables[table], &cursor), "read");

	if (status)
		return status;
	int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	mdb_cursor_close(cursor);
	return found(code, prefix, k, v, key, value);
}

enum status
kv_delete_prefix(struct kv_txn *txn, enum kv_table table, struct kv_bytes prefix, size_t at_most, size_t *deleted)
{
	MDB_cursor *cursor;
	MDB_val k = val(prefix), v;
	enum status status = result(mdb_cursor_open(txn->txn, txn->kv->tables[table], &cursor), "delete");

	*deleted = 0;
	if (status)
		return status;
	int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	while (!code && *deleted < at_most && has_prefix(k, prefix)) {
		code = mdb_cursor_del(cursor, 0);
		++*deleted;
		if (!code)
			code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT); /* the one after what was deleted */
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? STATUS_OK : result(code, "delete");
}
