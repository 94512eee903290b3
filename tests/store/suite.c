/* tests/store/suite.h */
#include "tests/store/suite.h"
#include "tests/unit/cmocka.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "wire/name.h"
#include "zone/change_json.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST "ADD @ SOA 60 ns1 hostmaster 5 3600 600 86400 60\nADD @ NS 60 ns1\nADD ns1 A 60 192.0.2.1"
#define WAIT_MS 60000
#define TAGS 4096

struct fate {
	bool told;
	enum replay_fate fate;
	enum status failed; /* OK: judged */
	uint64_t version;
	unsigned order;
};

static struct suite {
	const struct suite_store *like;
	struct store *store;
	struct table *table;
	struct follower *follower;
	struct zone *zone;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	struct fate fates[TAGS];
	unsigned told, absent, published, order;
	uint64_t tag;
	struct arena arena;
} suite;

/* ---- hooks ---- */

static void
on_fate(uint64_t tag, struct fate fate)
{
	pthread_mutex_lock(&suite.mutex);
	fate.told = true;
	fate.order = ++suite.order;
	if (tag) {
		assert_false(suite.fates[tag % TAGS].told); /* exactly once */
		suite.fates[tag % TAGS] = fate;
	}
	suite.told++;
	pthread_cond_broadcast(&suite.news);
	pthread_mutex_unlock(&suite.mutex);
}

static void
on_judged(void *context, struct zone *zone, const struct change *change, uint64_t tag, enum replay_fate fate,
	  uint64_t version)
{
	(void)context, (void)change;
	const struct zone_version *current = zone_current(zone);
	if (fate == REPLAY_APPLIED && current) /* NOERROR means served here */
		assert_true(current->version >= version);
	on_fate(tag, (struct fate){.fate = fate, .version = version});
}

static void
on_failed(void *context, uint64_t tag, enum status status, const char *reason)
{
	(void)context, (void)reason;
	on_fate(tag, (struct fate){.failed = status});
}

static void
on_barrier(void *context, uint64_t tag, enum status status)
{
	(void)context;
	on_fate(tag, (struct fate){.failed = status});
}

static void
on_absent(void *context, struct zone *zone)
{
	(void)context, (void)zone;
	pthread_mutex_lock(&suite.mutex);
	suite.absent++;
	pthread_cond_broadcast(&suite.news);
	pthread_mutex_unlock(&suite.mutex);
}

static void
on_published(void *context, struct zone *zone, const struct zone_version *before, const struct zone_version *version)
{
	(void)context, (void)zone, (void)before, (void)version;
	pthread_mutex_lock(&suite.mutex);
	suite.published++;
	pthread_mutex_unlock(&suite.mutex);
}

static void
on_state(void *context, struct zone *zone)
{
	(void)context, (void)zone;
	pthread_mutex_lock(&suite.mutex);
	pthread_cond_broadcast(&suite.news);
	pthread_mutex_unlock(&suite.mutex);
}

/* ---- steps ---- */

static bool
wait_for(bool (*holds)(uint64_t argument), uint64_t argument)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;
	bool done = false;

	while (!done && clock_monotonic_ms() < until) {
		pthread_mutex_lock(&suite.mutex);
		done = holds(argument);
		pthread_mutex_unlock(&suite.mutex);
		if (!done)
			usleep(200);
	}
	return done;
}

static bool was_told(uint64_t tag) { return suite.fates[tag % TAGS].told; }
static bool is_absent(uint64_t count) { return suite.absent >= count; }
static bool has_state(uint64_t state) { return (uint64_t)atomic_load(&suite.zone->state) == state; }

static void
add_zone(void)
{
	suite.zone = table_zone_new(suite_apex);
	assert_non_null(suite.zone);
	suite.zone->store = suite.store;
	assert_int_equal(table_add(suite.table, suite.zone), STATUS_OK);
	assert_int_equal(follower_add(suite.follower, suite.zone), STATUS_OK);
}

static void
remove_zone(void)
{
	follower_drop(suite.follower, suite.zone);
	assert_int_equal(table_remove(suite.table, suite.zone), STATUS_OK);
	suite.zone = NULL;
}

static void
open_store(bool new)
{
	const struct follower_hooks hooks = {
		.judged = on_judged, .failed = on_failed, .barrier = on_barrier, .absent = on_absent,
		.published = on_published, .state = on_state,
	};
	suite.table = table_new();
	suite.store = suite.like->open(suite.like->context, new);
	assert_non_null(suite.store);
	suite.absent = 0;
	assert_int_equal(follower_start(suite.store, suite.table, &hooks, &suite.follower), STATUS_OK);
	add_zone();
}

static void
close_store(void)
{
	if (suite.zone)
		remove_zone();
	follower_stop(suite.follower);
	table_free(suite.table);
	if (suite.like->closed)
		suite.like->closed(suite.like->context);
}

static int
setup(void **state)
{
	(void)state;
	memset(suite.fates, 0, sizeof suite.fates);
	suite.told = suite.published = suite.order = 0;
	suite.tag = 0;
	arena_reset(&suite.arena);
	open_store(true);
	assert_true(wait_for(is_absent, 1));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_store();
	return 0;
}

static uint64_t
append_change(struct change *change, struct draft *content)
{
	struct store_append append = {.zone = suite.zone, .change = change, .tag = ++suite.tag, .content = content};

	pthread_mutex_lock(&suite.mutex);
	suite.fates[append.tag % TAGS].told = false;
	pthread_mutex_unlock(&suite.mutex);
	assert_int_equal(change_json_encode(change, &suite.arena, &append.record, &append.size), STATUS_OK);
	assert_int_equal(store_append(suite.store, &append), STATUS_OK);
	return append.tag;
}

static struct fate
fate_of(uint64_t tag)
{
	assert_true(wait_for(was_told, tag));
	return suite.fates[tag % TAGS];
}

/* On the version that the log is at. */
static struct change *
change_here(const char *ops)
{
	uint8_t id[VERSION_ID_SIZE];
	uint64_t version;

	assert_true(follower_base(suite.zone, &version, id));
	return suite_change(&suite.arena, version, id, ops);
}

static struct fate
apply(const char *ops)
{
	struct fate fate = fate_of(append_change(change_here(ops), NULL));
	assert_int_equal(fate.failed, STATUS_OK);
	assert_int_equal(fate.fate, REPLAY_APPLIED);
	return fate;
}

static void
assert_content(const char *wanted)
{
	rcu_thread_online();
	const struct zone_version *version = zone_current(suite.zone);
	assert_non_null(version);
	char *content = suite_content(version);
	rcu_thread_offline();
	char *sorted = suite_sorted(wanted);
	assert_string_equal(content, sorted);
	free(content);
	free(sorted);
}

static uint32_t
current_serial(void)
{
	rcu_thread_online();
	const struct zone_version *version = zone_current(suite.zone);
	assert_non_null(version);
	struct rrset soa;
	assert_true(version_soa(version, &soa));
	struct rdata rdata = rrset_first(&soa);
	uint32_t serial = version->serial;
	assert_int_equal(rdata_soa_serial(rdata.bytes, rdata.size), serial);
	rcu_thread_offline();
	return serial;
}

/* ---- the tests ---- */

#define BASIC "@ NS 60 ns1.example.test.\nns1 A 60 192.0.2.1\n"

static void
a_new_zone_is_absent_until_its_first_change_is_served(void **state)
{
	(void)state;
	assert_int_equal(suite.absent, 1);
	assert_int_equal(atomic_load(&suite.zone->state), ZONE_LOADING);
	assert_int_equal(apply(FIRST).version, 1);
	assert_int_equal(atomic_load(&suite.zone->state), ZONE_READY);
	assert_content(BASIC);
	assert_int_equal(current_serial(), 5);
	assert_int_equal(apply("ADD www A 300 192.0.2.7").version, 2);
	assert_content(BASIC "www A 300 192.0.2.7\n");
	assert_int_equal(current_serial(), 6);
}

static void
different_names_never_race_and_one_name_does(void **state)
{
	(void)state;
	apply(FIRST);
	struct change *a = change_here("ADD a A 1 192.0.2.1"), *b = change_here("ADD b A 1 192.0.2.1");
	struct change *again = change_here("ADD a A 1 192.0.2.2"), *reader = change_here("ADD c A 1 192.0.2.1");
	reader->reads = arena_alloc(&suite.arena, sizeof *reader->reads);
	reader->reads[0] = b->ops[0].owner;
	reader->read_count = 1;
	struct change *whole = change_here("ADD d A 1 192.0.2.1");
	whole->exclusive = true;
	uint64_t first[] = {append_change(a, NULL), append_change(b, NULL)};
	/* In any order: what is on its way together is of different names. */
	assert_int_equal(fate_of(first[0]).version + fate_of(first[1]).version, 2 + 3);
	uint64_t lost[] = {append_change(again, NULL), append_change(reader, NULL), append_change(whole, NULL)};
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		assert_int_equal(fate_of(lost[i]).fate, REPLAY_SKIPPED);
	assert_content(BASIC "a A 1 192.0.2.1\nb A 1 192.0.2.1\n");
}

static void
a_change_that_does_not_apply_at_its_place_leaves_nothing(void **state)
{
	(void)state;
	apply(FIRST);
	static const char *const rows[] = {
		"DEL gone A",
		"DEL ns1 A 192.0.2.2",
		"ADD ns1 A 60 192.0.2.1",
		"ADD ns1 CNAME 60 x",
		"ADD x A 1 192.0.2.9\nADD x CNAME 1 y",
		"ADD y CNAME 1 z\nADD y CNAME 1 w",
		"DEL @ NS",
		"DEL @ NS ns1.example.test.",
		"DEL @ SOA",
		"ADD x SOA 1 a b 1 2 3 4 5",
		"SET @ SOA 60 ns1 hostmaster 5 3600 600 86400 60",
		"SET ns1 A 1 192.0.2.8 | 192.0.2.9\nADD z TXT 1 x\nDEL ns1 A 192.0.2.8\nDEL gone TXT",
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (fate_of(append_change(change_here(rows[i]), NULL)).fate != REPLAY_SKIPPED)
			fail_msg("applied: %s", rows[i]);
	assert_content(BASIC);
	assert_int_equal(current_serial(), 5);
	apply("SET @ SOA 60 ns1 hostmaster 2147483650 3600 600 86400 60");
	assert_int_equal(
		apply("SET @ SOA 60 ns1 hostmaster 4294967295 3600 600 86400 60\nSET ns1 A 2 192.0.2.8 | 192.0.2.9")
			.version,
		3);
	assert_int_equal(current_serial(), 2147483647u + 2147483648u);
	apply("DEL ns1 A 192.0.2.8");
	assert_int_equal(current_serial(), 1); /* events.md: 1 after 4294967295 */
}

static void
a_change_of_another_history_is_not_applied(void **state)
{
	(void)state;
	apply(FIRST);
	struct change *above = change_here("ADD a A 1 192.0.2.1"), *other = change_here("ADD a A 1 192.0.2.1");
	above->base = 7;
	other->base_id[3] ^= 1;
	assert_int_equal(fate_of(append_change(above, NULL)).fate, REPLAY_DIVERGED);
	assert_int_equal(fate_of(append_change(other, NULL)).fate, REPLAY_DIVERGED);
	assert_int_equal(apply("ADD a A 1 192.0.2.1").version, 2);
}

struct history {
	uint8_t id[VERSION_ID_SIZE];
	uint64_t next;
	uint32_t serial;
	unsigned count, stop;
};

static bool
verify_entry(void *context, const struct store_entry *entry)
{
	struct history *history = context;
	uint8_t id[VERSION_ID_SIZE];

	assert_int_equal(entry->version, history->next++);
	assert_int_equal(entry->serial, history->serial++);
	change_id(history->id, entry->record, entry->size, id);
	assert_memory_equal(id, entry->id, VERSION_ID_SIZE);
	memcpy(history->id, id, VERSION_ID_SIZE);
	return ++history->count != history->stop;
}

static void
history_is_a_chain_of_what_was_applied(void **state)
{
	(void)state;
	struct history history = {.next = 1, .serial = 5};

	apply(FIRST);
	for (unsigned i = 0; i < 20; i++) {
		char text[64];
		snprintf(text, sizeof text, "ADD n%u A 1 192.0.2.1", i);
		apply(text);
		assert_int_equal(fate_of(append_change(change_here("DEL gone A"), NULL)).fate, REPLAY_SKIPPED);
	}
	struct store_oldest oldest;
	suite.store->ops->oldest(suite.store, suite.zone, &oldest);
	assert_int_equal(oldest.version, 0);
	assert_int_equal(suite.store->ops->read(suite.store, suite.zone, 0, UINT64_MAX, verify_entry, &history),
			 STATUS_OK);
	assert_int_equal(history.count, 21);
	uint8_t id[VERSION_ID_SIZE];
	uint64_t version;
	assert_true(follower_base(suite.zone, &version, id));
	assert_int_equal(version, 21);
	assert_memory_equal(history.id, id, VERSION_ID_SIZE);
	struct history two = {.next = 1, .serial = 5, .stop = 2};
	assert_int_equal(suite.store->ops->read(suite.store, suite.zone, 0, 20, verify_entry, &two), STATUS_OK);
	assert_int_equal(two.count, 2);
}

static void
assert_content_at(uint64_t version, const char *wanted)
{
	char reason[STORE_REASON_SIZE] = "";
	struct draft draft;

	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	enum status status = suite.store->ops->content_at(suite.store, suite.zone, version, &draft, reason);
	if (status)
		fail_msg("version %u: %s", (unsigned)version, reason);
	char *content = suite_content(draft.version);
	char *sorted = suite_sorted(wanted);
	assert_string_equal(content, sorted);
	free(content);
	free(sorted);
	draft_drop(&draft);
}

static void
every_earlier_version_can_be_had(void **state)
{
	(void)state;
	apply(FIRST);
	apply("ADD a A 1 192.0.2.1");
	apply("SET a A 9 192.0.2.2 | 192.0.2.3");
	apply("DEL a A\nADD a CNAME 1 ns1");
	assert_content_at(1, BASIC);
	assert_content_at(2, BASIC "a A 1 192.0.2.1\n");
	assert_content_at(3, BASIC "a A 9 192.0.2.2\na A 9 192.0.2.3\n");
	assert_content_at(4, BASIC "a CNAME 1 ns1.example.test.\n");
	struct draft draft;
	char reason[STORE_REASON_SIZE];
	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	assert_int_equal(suite.store->ops->content_at(suite.store, suite.zone, 5, &draft, reason), STATUS_NOT_FOUND);
	draft_drop(&draft);
}

/* A snapshot change with content of `count` names; its draft goes along. */
static struct fate
import(unsigned count, uint32_t serial)
{
	static struct draft content;
	char text[128], reason[STORE_REASON_SIZE] = "";
	struct change_snapshot *snapshot = arena_alloc(&suite.arena, sizeof *snapshot);

	assert_int_equal(draft_begin(&content, NULL, suite.zone->name), STATUS_OK);
	snprintf(text, sizeof text, "ADD @ SOA 60 ns1 hostmaster %u 3600 600 86400 60\nADD @ NS 60 ns1", serial);
	struct change *ops = suite_change(&suite.arena, 0, NULL, text);
	for (unsigned i = 0; i < count + 2; i++) {
		snprintf(text, sizeof text, "ADD i%u A 1 192.0.2.1", i);
		struct change_op op = i < 2 ? ops->ops[i] : suite_op(&suite.arena, text);
		struct rdata rdata = rrset_first(&op.rrset);
		assert_int_equal(draft_add(&content, op.owner, op.rrset.type, op.rrset.ttl_s, rdata.bytes, rdata.size),
				 STATUS_OK);
	}
	memset(snapshot, 0, sizeof *snapshot);
	enum status status = suite.store->ops->save_snapshot(suite.store, suite.zone, content.version, &suite.arena,
							     snapshot, reason);
	if (status)
		fail_msg("%s", reason);
	struct change *change = change_here("");
	change->exclusive = true;
	change->snapshot = snapshot;
	return fate_of(append_change(change, &content));
}

static void
an_import_replaces_all_and_what_was_made_before_it_is_skipped(void **state)
{
	(void)state;
	apply(FIRST);
	apply("ADD a A 1 192.0.2.1");
	struct change *late = change_here("DEL a A"), *other = change_here("ADD z A 1 192.0.2.1");
	struct fate fate = import(2, 3);
	assert_int_equal(fate.fate, REPLAY_APPLIED);
	assert_int_equal(fate.version, 3);
	assert_int_equal(current_serial(), 7); /* its own is not greater */
	assert_content("@ NS 60 ns1.example.test.\ni2 A 1 192.0.2.1\ni3 A 1 192.0.2.1\n");
	assert_int_equal(fate_of(append_change(late, NULL)).fate, REPLAY_SKIPPED);
	assert_int_equal(fate_of(append_change(other, NULL)).fate, REPLAY_SKIPPED);
	apply("DEL i2 A");
	assert_content_at(2, BASIC "a A 1 192.0.2.1\n");
	assert_content_at(3, "@ NS 60 ns1.example.test.\ni2 A 1 192.0.2.1\ni3 A 1 192.0.2.1\n");
	assert_content_at(4, "@ NS 60 ns1.example.test.\ni3 A 1 192.0.2.1\n");
	assert_int_equal(import(1, 99).version, 5);
	assert_int_equal(current_serial(), 99);
}

static void
a_large_first_load_is_served(void **state)
{
	(void)state;
	assert_int_equal(import(20000, 5).version, 1);
	assert_int_equal(current_serial(), 5);
	assert_int_equal(apply("DEL i7 A").version, 2);
	rcu_thread_online();
	assert_int_equal(zone_current(suite.zone)->records, 20001);
	rcu_thread_offline();
}

static void
freeze(int frozen, uint64_t until_us)
{
	struct change *change = change_here("");
	change->frozen = frozen;
	change->until_us = until_us;
	assert_int_equal(fate_of(append_change(change, NULL)).fate, REPLAY_APPLIED);
}

static bool
is_frozen(uint64_t wanted)
{
	rcu_thread_online();
	const struct zone_version *version = zone_current(suite.zone);
	bool frozen = version && version->frozen;
	rcu_thread_offline();
	return frozen == (bool)wanted;
}

static void
a_freeze_holds_until_the_thaw_or_its_end(void **state)
{
	(void)state;
	apply(FIRST);
	struct change *before = change_here("ADD a A 1 192.0.2.1"), *second = change_here("");
	second->frozen = 1;
	freeze(1, 0);
	assert_true(is_frozen(true));
	assert_int_equal(fate_of(append_change(before, NULL)).fate, REPLAY_SKIPPED);
	assert_int_equal(fate_of(append_change(second, NULL)).fate, REPLAY_SKIPPED);
	freeze(0, 0);
	assert_true(is_frozen(false));
	uint64_t now_us = clock_wall_us();
	clock_set_wall_us(now_us); /* stands until all have seen the freeze */
	freeze(1, now_us + 300000);
	assert_true(is_frozen(true));
	clock_set_wall_us(now_us + 300000);
	assert_true(wait_for(is_frozen, false));
	clock_set_wall_us(0);
	assert_int_equal(apply("ADD a A 1 192.0.2.1").version, 5);
}

static void
a_removed_zone_is_made_again_with_a_greater_serial(void **state)
{
	(void)state;
	apply(FIRST);
	apply("ADD a A 1 192.0.2.1");
	struct change *change = change_here("");
	change->removed = true;
	assert_int_equal(fate_of(append_change(change, NULL)).version, 3);
	assert_true(wait_for(has_state, ZONE_REMOVED));
	assert_int_equal(fate_of(append_change(change_here("ADD b A 1 192.0.2.1"), NULL)).fate, REPLAY_SKIPPED);
	remove_zone();
	suite.absent = 0;
	add_zone();
	assert_true(wait_for(is_absent, 1));
	struct change *again = change_here(FIRST);
	assert_int_equal(again->base, 3);
	again->exclusive = true;
	assert_int_equal(fate_of(append_change(again, NULL)).version, 4);
	assert_content(BASIC);
	assert_int_equal(current_serial(), 8);
}

static void
a_zone_that_is_added_again_has_its_content(void **state)
{
	(void)state;
	apply(FIRST);
	apply("ADD a A 1 192.0.2.1");
	remove_zone();
	add_zone();
	assert_true(wait_for(has_state, ZONE_READY));
	assert_content(BASIC "a A 1 192.0.2.1\n");
	assert_int_equal(apply("DEL a A").version, 3);
}

/* Which of them comes first is the store's choice: nothing that shares a name is on its way twice. */
static void
many_changes_in_flight_get_one_fate_each(void **state)
{
	(void)state;
	enum { COUNT = 3000 };
	static uint64_t tags[COUNT];
	static unsigned order_of[COUNT + 2]; /* by version, from 2 */

	apply(FIRST);
	memset(order_of, 0, sizeof order_of);
	struct change *changes[COUNT];
	for (unsigned i = 0; i < COUNT; i++) {
		char text[64];
		snprintf(text, sizeof text, "ADD m%u A 1 192.0.2.1", i);
		changes[i] = change_here(text);
	}
	for (unsigned i = 0; i < COUNT; i++)
		tags[i] = append_change(changes[i], NULL);
	assert_int_equal(suite.store->ops->barrier(suite.store, suite.zone, ++suite.tag), STATUS_OK);
	unsigned barrier = (fate_of(suite.tag)).order;
	for (unsigned i = 0; i < COUNT; i++) {
		struct fate fate = fate_of(tags[i]);
		assert_int_equal(fate.fate, REPLAY_APPLIED);
		assert_in_range(fate.version, 2, COUNT + 1);
		assert_int_equal(order_of[fate.version], 0);
		order_of[fate.version] = fate.order;
		assert_true(fate.order < barrier);
	}
	for (unsigned version = 3; version < COUNT + 2; version++)
		assert_true(order_of[version] > order_of[version - 1]);
	assert_in_range(suite.published, 2, COUNT);
}

static void
what_was_committed_is_there_after_it_is_opened_again(void **state)
{
	(void)state;
	uint8_t id[VERSION_ID_SIZE], before[VERSION_ID_SIZE];
	uint64_t version;

	if (!suite.like->keeps)
		skip();
	import(500, 5);
	apply("DEL i3 A\nADD a A 1 192.0.2.1");
	for (unsigned round = 0; round < 3; round++) {
		char text[64];
		snprintf(text, sizeof text, "ADD r%u A 1 192.0.2.1", round);
		struct change *late = change_here("ADD late A 1 192.0.2.1\nADD a A 1 192.0.2.9");
		apply(text);
		freeze(round & 1, 0);
		assert_true(follower_base(suite.zone, &version, before));
		close_store();
		open_store(false);
		assert_true(wait_for(has_state, ZONE_READY));
		assert_true(follower_base(suite.zone, &version, id));
		assert_memory_equal(id, before, VERSION_ID_SIZE);
		assert_int_equal(version, 4 + 2 * round);
		assert_true(is_frozen(round & 1));
		assert_int_equal(fate_of(append_change(late, NULL)).fate, REPLAY_SKIPPED); /* the window is kept too */
		rcu_thread_online();
		assert_int_equal(zone_current(suite.zone)->records, 502 + round + 1);
		rcu_thread_offline();
	}
	assert_int_equal(current_serial(), 12);
	assert_int_equal(suite.absent, 0);
	char *content = suite_content(zone_current(suite.zone));
	assert_content_at(8, content);
	free(content);
}

/* ---- history that is no longer kept ---- */

#define NOW_US (UINT64_C(1800000000) * 1000000)
#define HOUR_US (UINT64_C(3600) * 1000000)

static void
apply_at(struct change *change, uint64_t time_us)
{
	change->time_us = time_us;
	assert_int_equal(fate_of(append_change(change, NULL)).fate, REPLAY_APPLIED);
}

static bool
begins_at(uint64_t version)
{
	struct store_oldest oldest;

	suite.store->ops->oldest(suite.store, suite.zone, &oldest);
	return oldest.version == version;
}

static void
open_again(uint64_t keep_s)
{
	close_store();
	suite.like->keep_history(suite.like->context, keep_s);
	open_store(false);
	assert_true(wait_for(has_state, ZONE_READY));
}

static enum status
status_at(uint64_t version, char *reason)
{
	struct draft draft;

	assert_int_equal(draft_begin(&draft, NULL, suite_apex), STATUS_OK);
	enum status status = suite.store->ops->content_at(suite.store, suite.zone, version, &draft, reason);
	draft_drop(&draft);
	return status;
}

/* Nothing before `from`, and an unbroken chain from there. */
static void
assert_history_from(uint64_t from, uint64_t last)
{
	char reason[STORE_REASON_SIZE] = "";
	struct store_oldest oldest;
	struct history history = {.next = from + 1, .serial = (uint32_t)(from + 5)};

	assert_true(wait_for(begins_at, from));
	suite.store->ops->oldest(suite.store, suite.zone, &oldest);
	memcpy(history.id, oldest.id, VERSION_ID_SIZE);
	assert_int_equal(suite.store->ops->read(suite.store, suite.zone, from, UINT64_MAX, verify_entry, &history),
			 STATUS_OK);
	assert_int_equal(history.count, last - from);
	assert_int_equal(suite.store->ops->read(suite.store, suite.zone, from - 1, UINT64_MAX, verify_entry, &history),
	                 STATUS_NOT_FOUND);
	assert_int_equal(status_at(from - 1, reason), STATUS_NOT_FOUND);
	assert_non_null(strstr(reason, "no longer kept"));
}

static int
setup_trimming(void **state)
{
	clock_set_wall_us(NOW_US);
	if (suite.like->keep_history)
		suite.like->keep_history(suite.like->context, 0);
	return setup(state);
}

static int
teardown_trimming(void **state)
{
	teardown(state);
	clock_set_wall_us(0);
	if (suite.like->keep_history)
		suite.like->keep_history(suite.like->context, 0);
	return 0;
}

static void
history_that_is_old_enough_goes_and_the_rest_holds(void **state)
{
	(void)state;
	if (!suite.like->keep_history)
		skip();
	apply_at(change_here(FIRST), NOW_US - 9 * HOUR_US);
	/* In flight together: the later one's base lies before the base of the history that will be kept. */
	struct change *a = change_here("ADD a A 1 192.0.2.1"), *b = change_here("ADD b A 1 192.0.2.1");
	apply_at(a, NOW_US - 8 * HOUR_US);
	apply_at(b, NOW_US - HOUR_US);
	apply_at(change_here("DEL a A"), NOW_US - HOUR_US);
	open_again(2 * 3600);
	assert_history_from(2, 4);
	assert_content_at(2, BASIC "a A 1 192.0.2.1\n");
	assert_content_at(3, BASIC "a A 1 192.0.2.1\nb A 1 192.0.2.1\n");
	assert_content(BASIC "b A 1 192.0.2.1\n");
	open_again(2 * 3600);
	assert_history_from(2, 4);
	assert_content_at(4, BASIC "b A 1 192.0.2.1\n");
	assert_int_equal(apply("DEL b A").version, 5);
	assert_content(BASIC);
}

static void
history_is_trimmed_again_and_again_but_for_its_last_change(void **state)
{
	(void)state;
	if (!suite.like->keep_history)
		skip();
	apply_at(change_here(FIRST), NOW_US - 9 * HOUR_US);
	assert_int_equal(import(100, 6).version, 2); /* serial 6; its chunks go when the history has left it behind */
	for (unsigned round = 1; round <= 3; round++) {
		char text[64];
		/* A tenth of the zone's records, at least, makes a new beginning worth its work. */
		for (unsigned i = 0; i < 20; i++) {
			snprintf(text, sizeof text, "ADD r%u-%u A 1 192.0.2.1", round, i);
			apply_at(change_here(text), NOW_US + round * HOUR_US);
		}
		clock_set_wall_us(NOW_US + round * HOUR_US + HOUR_US / 2);
		open_again(60);
		assert_history_from(2 + 20 * round - 1, 2 + 20 * round);
		rcu_thread_online();
		assert_int_equal(zone_current(suite.zone)->records, 102 + 20 * round);
		rcu_thread_offline();
	}
	open_again(60);
	assert_history_from(61, 62);
	assert_int_equal(current_serial(), 66);
	assert_int_equal(apply("ADD late A 1 192.0.2.1").version, 63);
}

int
suite_run(const char *name, const struct suite_store *like)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define TRIMMING(test) cmocka_unit_test_setup_teardown(test, setup_trimming, teardown_trimming)
	const struct CMUnitTest tests[] = {
		TEST(a_new_zone_is_absent_until_its_first_change_is_served),
		TEST(different_names_never_race_and_one_name_does),
		TEST(a_change_that_does_not_apply_at_its_place_leaves_nothing),
		TEST(a_change_of_another_history_is_not_applied),
		TEST(history_is_a_chain_of_what_was_applied),
		TEST(every_earlier_version_can_be_had),
		TEST(an_import_replaces_all_and_what_was_made_before_it_is_skipped),
		TEST(a_large_first_load_is_served),
		TEST(a_freeze_holds_until_the_thaw_or_its_end),
		TEST(a_removed_zone_is_made_again_with_a_greater_serial),
		TEST(a_zone_that_is_added_again_has_its_content),
		TEST(many_changes_in_flight_get_one_fate_each),
		TEST(what_was_committed_is_there_after_it_is_opened_again),
		TRIMMING(history_that_is_old_enough_goes_and_the_rest_holds),
		TRIMMING(history_is_trimmed_again_and_again_but_for_its_last_change),
	};
	suite.like = like;
	pthread_mutex_init(&suite.mutex, NULL);
	pthread_cond_init(&suite.news, NULL);
	arena_init(&suite.arena, 512u << 20);
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	rcu_register_thread();
	rcu_thread_offline();
	int failed = _cmocka_run_group_tests(name, tests, ARRAY_SIZE(tests), NULL, NULL);
	rcu_thread_online();
	rcu_unregister_thread();
	arena_free(&suite.arena);
	return failed;
}
