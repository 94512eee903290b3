/* store/follower.c: what the suite of stores does not see; the store is memory, which fails on request. */
#include "tests/unit/cmocka.h"
#include "tests/store/suite.h"
#include "store/memory.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static struct store *store;
static struct table *table;
static struct follower *follower;
static struct zone *zone;
static struct arena arena;
static _Atomic unsigned judged, failed, published, ticks, absent;
static _Atomic int last_fate, last_status;

#define FIRST "ADD @ SOA 60 ns1 hostmaster 5 3600 600 86400 60\nADD @ NS 60 ns1"

static void
on_judged(void *context, struct zone *of, const struct change *change, uint64_t tag, enum replay_fate fate,
	  uint64_t version)
{
	(void)context, (void)of, (void)change, (void)tag, (void)version;
	last_fate = (int)fate;
	judged++;
}

static void
on_failed(void *context, uint64_t tag, enum status status, const char *reason)
{
	(void)context, (void)tag, (void)reason;
	last_status = (int)status;
	failed++;
}

static void
on_published(void *context, struct zone *of, const struct zone_version *before, const struct zone_version *version)
{
	(void)context, (void)of, (void)before, (void)version;
	published++;
}

static void on_absent(void *context, struct zone *of) { (void)context, (void)of; absent++; }
static void on_tick(void *context) { (void)context; ticks++; }

static bool
reaches(_Atomic unsigned *counter, unsigned wanted)
{
	for (int i = 0; i < 300000 && atomic_load(counter) < wanted; i++) /* a minute */
		usleep(200);
	return atomic_load(counter) >= wanted;
}

static int
setup(void **state)
{
	const struct follower_hooks hooks = {.judged = on_judged,
					     .failed = on_failed,
					     .published = on_published,
					     .absent = on_absent,
					     .tick = on_tick};

	(void)state;
	judged = failed = published = ticks = absent = 0;
	arena_reset(&arena);
	store = memory_open("memory");
	table = table_new();
	zone = table_zone_new(suite_apex);
	zone->store = store;
	assert_int_equal(table_add(table, zone), STATUS_OK);
	assert_int_equal(follower_start(store, table, &hooks, &follower), STATUS_OK);
	assert_int_equal(follower_add(follower, zone), STATUS_OK);
	assert_true(reaches(&absent, 1));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	follower_drop(follower, zone);
	assert_int_equal(table_remove(table, zone), STATUS_OK);
	follower_stop(follower);
	table_free(table);
	return 0;
}

static void
append(const char *ops)
{
	static uint64_t tag;
	uint8_t id[VERSION_ID_SIZE];
	uint64_t version;

	assert_true(follower_base(zone, &version, id));
	struct change *change = suite_change(&arena, version, id, ops);
	struct store_append out = {.zone = zone, .change = change, .tag = ++tag};
	assert_int_equal(change_json_encode(change, &arena, &out.record, &out.size), STATUS_OK);
	assert_int_equal(store_append(store, &out), STATUS_OK);
}

static void
a_commit_that_fails_leaves_no_trace_and_the_same_again_works(void **state)
{
	(void)state;
	memory_fail(store, STATUS_RETRY, 1);
	append(FIRST);
	assert_true(reaches(&failed, 1));
	assert_int_equal(last_status, STATUS_RETRY);
	assert_int_equal(atomic_load(&zone->state), ZONE_LOADING);
	append(FIRST);
	assert_true(reaches(&judged, 1));
	assert_int_equal(last_fate, REPLAY_APPLIED);
	memory_fail(store, STATUS_RETRY, 1);
	append("ADD a A 1 192.0.2.1");
	assert_true(reaches(&failed, 2));
	assert_int_equal(published, 1);
	append("ADD a A 1 192.0.2.1"); /* not skipped: the window has forgotten it too */
	assert_true(reaches(&judged, 2));
	assert_int_equal(last_fate, REPLAY_APPLIED);
	uint8_t id[VERSION_ID_SIZE];
	uint64_t version;
	assert_true(follower_base(zone, &version, id));
	assert_int_equal(version, 2);
}

static void
inject(const char *record)
{
	memory_inject(store, zone, (const uint8_t *)record, strlen(record));
}

static void
a_record_that_is_none_is_skipped_and_one_of_a_later_time_stops_the_zone(void **state)
{
	(void)state;
	append(FIRST);
	inject("{\"zone\":");
	assert_true(reaches(&judged, 2));
	assert_int_equal(last_fate, REPLAY_SKIPPED);
	append("ADD a A 1 192.0.2.1");
	assert_true(reaches(&judged, 3));
	assert_int_equal(last_fate, REPLAY_APPLIED);
	inject("{\"ops\":[{\"op\":\"MOVE\"}]}");
	assert_true(reaches(&judged, 4));
	assert_int_equal(last_fate, REPLAY_UNKNOWN);
	append("ADD b A 1 192.0.2.1");
	assert_true(reaches(&judged, 5));
	assert_int_equal(last_fate, REPLAY_UNKNOWN);
	assert_int_equal(atomic_load(&zone->state), ZONE_READY); /* served as it was */
}

static void
ticks_come_while_nothing_happens(void **state)
{
	(void)state;
	unsigned before = ticks;
	uint64_t begun = clock_monotonic_ms();
	assert_true(reaches(&ticks, before + 10));
	assert_in_range(clock_monotonic_ms() - begun, 0, 30000);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_commit_that_fails_leaves_no_trace_and_the_same_again_works),
		TEST(a_record_that_is_none_is_skipped_and_one_of_a_later_time_stops_the_zone),
		TEST(ticks_come_while_nothing_happens),
	};
	arena_init(&arena, 64u << 20);
	log_to(-1);
	rcu_register_thread();
	rcu_thread_offline();
	int result = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_thread_online();
	rcu_unregister_thread();
	arena_free(&arena);
	return result;
}
