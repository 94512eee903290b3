/* store/kv.c */
#include "tests/unit/cmocka.h"
#include "store/kv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>

static char directory[] = "/tmp/zonegate-kv-XXXXXX";
static char path[64];
static struct kv *kv;
static char reason[300];

#define BYTES(literal) ((struct kv_bytes){literal, sizeof(literal) - 1})

static int
open_fresh(void **state)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
	char file[100];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof file, "%s/%s", path, files[i]);
		unlink(file);
	}
	rmdir(path);
	return kv_open(path, &kv, reason);
}

static int
close_kv(void **state)
{
	(void)state;
	kv_close(kv);
	kv = NULL;
	return 0;
}

static void
put_text(const char *key, const char *value)
{
	struct kv_txn *txn;
	assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
	assert_int_equal(
		kv_put(txn, KV_LOG, (struct kv_bytes){key, strlen(key)}, (struct kv_bytes){value, strlen(value)}),
		STATUS_OK);
	assert_int_equal(kv_commit(txn), STATUS_OK);
}

static void
what_is_committed_is_there_and_what_is_aborted_is_not(void **state)
{
	(void)state;
	struct kv_txn *txn;
	struct kv_bytes value;

	put_text("a", "1");
	assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
	assert_int_equal(kv_put(txn, KV_LOG, BYTES("b"), BYTES("2")), STATUS_OK);
	kv_abort(txn);
	close_kv(NULL);
	assert_int_equal(kv_open(path, &kv, reason), STATUS_OK);
	assert_int_equal(kv_begin_read(kv, &txn), STATUS_OK);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("a"), &value), STATUS_OK);
	assert_memory_equal(value.bytes, "1", 1);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("b"), &value), STATUS_NOT_FOUND);
	assert_int_equal(kv_get(txn, KV_META, BYTES("a"), &value), STATUS_NOT_FOUND);
	kv_abort(txn);
}

static void
the_directory_and_its_files_are_nobody_elses(void **state)
{
	(void)state;
	struct stat info;
	char file[100];

	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	snprintf(file, sizeof file, "%s/data.mdb", path);
	assert_int_equal(stat(file, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

static void
a_second_gateway_is_refused_with_a_reason(void **state)
{
	(void)state;
	struct kv *second;

	assert_int_equal(kv_open(path, &second, reason), STATUS_EXISTS);
	assert_non_null(strstr(reason, "in use"));
	assert_non_null(strstr(reason, path));
	assert_int_equal(kv_open("/proc/nothing", &second, reason), STATUS_IO);
	assert_non_null(strstr(reason, "/proc/nothing"));
}

static bool
collect(void *context, struct kv_bytes key, struct kv_bytes value)
{
	char *out = context;
	(void)value;
	strncat(out, key.bytes, key.size);
	strcat(out, " ");
	return strlen(out) < 12;
}

static void
walks_keep_to_the_prefix(void **state)
{
	(void)state;
	static const char *const keys[] = {"a", "b1", "b2", "b3", "b\377", "c"};
	char out[64] = "";
	struct kv_txn *txn;
	struct kv_bytes key, value;

	for (size_t i = 0; i < 6; i++)
		put_text(keys[i], "x");
	assert_int_equal(kv_begin_read(kv, &txn), STATUS_OK);
	assert_int_equal(kv_each(txn, KV_LOG, BYTES("b2"), 1, collect, out), STATUS_OK);
	assert_string_equal(out, "b2 b3 b\377 ");
	out[0] = 0;
	assert_int_equal(kv_each(txn, KV_LOG, BYTES("a"), 0, collect, out), STATUS_OK);
	assert_string_equal(out, "a b1 b2 b3 b\377 ");
	assert_int_equal(kv_first(txn, KV_LOG, BYTES("b"), &key, &value), STATUS_OK);
	assert_memory_equal(key.bytes, "b1", 2);
	assert_int_equal(kv_last(txn, KV_LOG, BYTES("b"), &key, &value), STATUS_OK);
	assert_memory_equal(key.bytes, "b\377", 2);
	assert_int_equal(kv_last(txn, KV_LOG, BYTES("c"), &key, &value), STATUS_OK);
	assert_memory_equal(key.bytes, "c", 1);
	assert_int_equal(kv_last(txn, KV_LOG, BYTES("bb"), &key, &value), STATUS_NOT_FOUND);
	assert_int_equal(kv_first(txn, KV_LOG, BYTES("d"), &key, &value), STATUS_NOT_FOUND);
	kv_abort(txn);
}

static void
rows_are_deleted_by_prefix_in_steps(void **state)
{
	(void)state;
	struct kv_txn *txn;
	struct kv_bytes value;
	size_t deleted;
	char key[16];

	assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(key, sizeof key, "k%05u", i);
		assert_int_equal(
			kv_put_last(txn, KV_CONTENT, (struct kv_bytes){key, 6}, BYTES("some value of some octets")),
			STATUS_OK);
	}
	/* not the last: still right */
	assert_int_equal(kv_put_last(txn, KV_CONTENT, BYTES("a"), BYTES("1")), STATUS_OK);
	assert_int_equal(kv_put_last(txn, KV_CONTENT, BYTES("z"), BYTES("1")), STATUS_OK);
	assert_int_equal(kv_delete_prefix(txn, KV_CONTENT, BYTES("k"), 1000, &deleted), STATUS_OK);
	assert_int_equal(deleted, 1000);
	assert_int_equal(kv_delete_prefix(txn, KV_CONTENT, BYTES("k"), 5000, &deleted), STATUS_OK);
	assert_int_equal(deleted, 2000);
	assert_int_equal(kv_delete_prefix(txn, KV_CONTENT, BYTES("k"), 5000, &deleted), STATUS_OK);
	assert_int_equal(deleted, 0);
	assert_int_equal(kv_get(txn, KV_CONTENT, BYTES("a"), &value), STATUS_OK);
	assert_int_equal(kv_get(txn, KV_CONTENT, BYTES("z"), &value), STATUS_OK);
	assert_int_equal(kv_commit(txn), STATUS_OK);
}

/* RLIMIT_FSIZE is the nearest to a full disk that needs no rights. */
static void
a_full_disk_loses_nothing_and_is_over_when_there_is_room(void **state)
{
	(void)state;
	struct rlimit before, small;
	static char large[200000];
	struct kv_txn *txn;
	struct kv_bytes value;

	put_text("a", "1");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 150000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
		assert_int_equal(kv_put(txn, KV_LOG, BYTES("b"), (struct kv_bytes){large, sizeof large}), STATUS_OK);
		assert_int_equal(kv_commit(txn), STATUS_RETRY);
		assert_true(kv_reason(kv)[0]);
	}
	put_text("c", "3"); /* a small one still goes */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("a"), &value), STATUS_OK);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("b"), &value), STATUS_NOT_FOUND);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("c"), &value), STATUS_OK);
	assert_int_equal(kv_put(txn, KV_LOG, BYTES("b"), (struct kv_bytes){large, sizeof large}), STATUS_OK);
	assert_int_equal(kv_commit(txn), STATUS_OK);
	kv_forget_pages(kv);
	assert_int_equal(kv_begin_read(kv, &txn), STATUS_OK);
	assert_int_equal(kv_get(txn, KV_LOG, BYTES("b"), &value), STATUS_OK);
	assert_int_equal(value.size, sizeof large);
	kv_abort(txn);
}

int
main(void)
{
	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof path, "%s/state", directory);
#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fresh, close_kv)
	const struct CMUnitTest tests[] = {
		TEST(what_is_committed_is_there_and_what_is_aborted_is_not),
		TEST(the_directory_and_its_files_are_nobody_elses),
		TEST(a_second_gateway_is_refused_with_a_reason),
		TEST(walks_keep_to_the_prefix),
		TEST(rows_are_deleted_by_prefix_in_steps),
		TEST(a_full_disk_loses_nothing_and_is_over_when_there_is_room),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (open_fresh(NULL) == 0)
		close_kv(NULL);
	char command[100];
	snprintf(command, sizeof command, "rm -r %s", directory);
	return system(command) ? 1 : failed;
}
