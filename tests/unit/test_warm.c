/* store/warm.c */
#include "tests/unit/cmocka.h"
#include "tests/store/suite.h"
#include "store/warm.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/zonegate-warm-XXXXXX";

static struct zone_version *
make_version(uint64_t number)
{
	static const uint8_t address[] = {192, 0, 2, 1};
	struct zone_version *version;
	struct draft draft;

	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	assert_int_equal(draft_add(&draft, suite_apex, TYPE_A, 60, address, sizeof address), STATUS_OK);
	draft.version->version = number;
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	return version;
}

static void
delete_content(struct kv *kv)
{
	static const enum kv_table tables[] = {KV_CONTENT, KV_CHUNKS};
	static const uint8_t number[] = {0, 0, 0, 1}; /* of the first zone */
	struct kv_txn *txn;
	size_t deleted = 0, count = 0;

	assert_int_equal(kv_begin_write(kv, &txn), STATUS_OK);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++, count += deleted)
		assert_int_equal(
			kv_delete_prefix(txn, tables[i], (struct kv_bytes){number, sizeof number}, 1000, &deleted),
			STATUS_OK);
	assert_int_equal(kv_commit(txn), STATUS_OK);
	assert_true(count > 0);
}

static void
a_copy_that_lost_its_content_is_begun_anew_and_nobody_waits_for_ever(void **state)
{
	char reason[STORE_REASON_SIZE] = "";
	struct warm_place place = {.offset = 7, .version = 5};
	struct kv *kv;
	struct warm *warm;
	struct draft draft;
	struct replay *replay;

	(void)state;
	struct zone *zone = table_zone_new(suite_apex);
	struct zone_version *version = make_version(5);
	assert_int_equal(kv_open(directory, &kv, reason), STATUS_OK);
	assert_int_equal(warm_open("remote", kv, &warm, reason), STATUS_OK);
	assert_int_equal(warm_add(warm, zone), STATUS_OK);
	assert_int_equal(warm_begin(warm, zone, version, &place, reason), STATUS_OK);
	warm_close(warm);
	delete_content(kv); /* as a kill in the middle of another beginning does */

	alarm(600); /* for ever; a slow disk takes its time */
	assert_int_equal(warm_open("remote", kv, &warm, reason), STATUS_OK);
	assert_int_equal(warm_add(warm, zone), STATUS_OK);
	assert_int_equal(warm_load(warm, zone, &draft, &replay, &place), STATUS_NOT_FOUND);
	assert_int_equal(warm_begin(warm, zone, version, &place, reason), STATUS_OK);
	alarm(0);
	warm_drop(warm, zone);
	warm_close(warm);
	kv_close(kv);
	draft_discard(version);
	table_zone_free(zone);
}

int
main(void)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_that_lost_its_content_is_begun_anew_and_nobody_waits_for_ever)};
	char path[100];

	if (!mkdtemp(directory))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", directory, files[i]);
		unlink(path);
	}
	rmdir(directory);
	return failed;
}
