#include "tests/unit/cmocka.h"
#include "base/rcu.h"
#include "wire/name.h"
#include "zone/draft.h"
#include "zone/lookup.h"
#include "zone/table.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static struct zone *
make_zone(struct table *table, const char *text)
{
	uint8_t name[NAME_MAX_SIZE];

	assert_int_equal(name_from_text(text, strlen(text), NULL, name), STATUS_OK);
	struct zone *zone = table_zone_new(name);
	assert_non_null(zone);
	if (table)
		assert_int_equal(table_add(table, zone), STATUS_OK);
	return zone;
}

static struct zone *
find(struct table *table, const char *text)
{
	uint8_t name[NAME_MAX_SIZE];

	assert_int_equal(name_from_text(text, strlen(text), NULL, name), STATUS_OK);
	return table_find(table, name, name_size(name), name_labels(name));
}

static void
the_closest_zone_above_a_name_is_found(void **state)
{
	struct table *table = table_new();

	(void)state;
	assert_null(find(table, "a."));
	struct zone *com = make_zone(table, "com."), *deep = make_zone(table, "A.b.Example.com.");
	struct zone *example = make_zone(table, "example.com.");
	assert_string_equal(deep->text, "a.b.example.com.");
	assert_ptr_equal(find(table, "www.example.com."), example);
	assert_ptr_equal(find(table, "example.com."), example);
	assert_ptr_equal(find(table, "b.example.com."), example);
	assert_ptr_equal(find(table, "a.b.example.com."), deep);
	assert_ptr_equal(find(table, "x.y.z.a.b.example.com."), deep);
	assert_ptr_equal(find(table, "example2.com."), com);
	assert_ptr_equal(find(table, "com."), com);
	assert_null(find(table, "org."));
	assert_null(find(table, "."));
	struct zone *root = make_zone(table, ".");
	assert_ptr_equal(find(table, "org."), root);
	assert_ptr_equal(find(table, "."), root);
	assert_int_equal(table_count(table), 4);
	assert_int_equal(table_remove(table, example), STATUS_OK);
	assert_ptr_equal(find(table, "www.example.com."), com);
	assert_null(table_exact(table, (const uint8_t *)"\7example\3com", 13));
	assert_ptr_equal(table_exact(table, (const uint8_t *)"\3com", 5), com);
	table_free(table);
}

static void
zones_of_more_labels_than_the_mask_has_bits_are_found(void **state)
{
	struct table *table = table_new();
	char text[NAME_TEXT_SIZE] = "";
	struct zone *zones[128] = {0};

	(void)state;
	for (int labels = 1; labels <= 127; labels++) {
		char longer[NAME_TEXT_SIZE];
		snprintf(longer, sizeof longer, "a.%.1000s", text);
		memcpy(text, longer, sizeof text);
		if (labels % 5 == 0 || labels >= 120)
			zones[labels] = make_zone(table, text);
	}
	text[0] = 0;
	struct zone *closest = NULL;
	for (int labels = 1; labels <= 127; labels++) {
		char longer[NAME_TEXT_SIZE];
		snprintf(longer, sizeof longer, "a.%.1000s", text);
		memcpy(text, longer, sizeof text);
		if (zones[labels])
			closest = zones[labels];
		assert_ptr_equal(find(table, text), closest);
	}
	table_free(table);
}

static bool
each_in_order(void *context, struct zone *zone)
{
	struct zone **before = context;

	if (*before)
		assert_true(name_compare((*before)->name, zone->name) < 0);
	*before = zone;
	return true;
}

static void
many_zones_are_added_found_listed_and_removed(void **state)
{
	enum { MANY = 5000 };
	static struct zone *zones[MANY];
	struct table *table = table_new();
	struct zone *before = NULL;
	char text[64];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "z%d.%s", i, i % 3 ? "test." : "example.test.");
		zones[i] = make_zone(i < 100 ? table : NULL, text);
	}
	assert_int_equal(table_add_all(table, zones + 100, MANY - 100), STATUS_OK);
	struct zone *twice = make_zone(NULL, "z7.test.");
	assert_int_equal(table_add(table, twice), STATUS_EXISTS);
	table_zone_free(twice);
	table_each(table, each_in_order, &before);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			snprintf(text, sizeof text, "www.z%d.%s", i, i % 3 ? "test." : "example.test.");
			bool gone = round == 1 && i % 2;
			assert_ptr_equal(find(table, text), gone ? NULL : zones[i]);
			if (round == 0 && i % 2)
				assert_int_equal(table_remove(table, zones[i]), STATUS_OK);
		}
	assert_int_equal(table_count(table), MANY / 2);
	/* Names come and go: the index does not grow for ever, and what is there stays there. */
	for (int i = 0; i < 20000; i++) {
		struct zone *zone = make_zone(table, "come-and-go.test.");
		assert_int_equal(table_remove(table, zone), STATUS_OK);
	}
	assert_ptr_equal(find(table, "z4998.example.test."), zones[4998]);
	table_free(table);
}

/* A version that says its number in three ways that a reader can compare. */
static void
publish_number(struct table *table, struct zone *zone, uint32_t number, bool anew)
{
	struct draft draft;
	struct zone_version *version, *current = atomic_load(&zone->current);
	uint8_t rdata[4], name[NAME_MAX_SIZE];

	assert_int_equal(draft_begin(&draft, anew ? NULL : current, zone->name), STATUS_OK);
	if (number % 97 == 0)
		assert_int_equal(draft_clear(&draft), STATUS_OK);
	memcpy(rdata, &number, 4);
	for (uint32_t i = 0; i < 4; i++) {
		char text[40];
		struct rrset rrset = {.type = TYPE_A, .count = 1, .ttl_s = number, .packed_size = 6};
		uint8_t packed[6] = {4, 0};
		memcpy(packed + 2, rdata, 4);
		rrset.packed = packed;
		/* Two stay, two move about and take empty non-terminals with them. */
		snprintf(text, sizeof text, i < 2 ? "stays%u" : "moves%u.a.b", i < 2 ? i : number % 50 + i);
		assert_int_equal(name_from_text(text, strlen(text), zone->name, name), STATUS_OK);
		assert_int_equal(draft_set(&draft, name, &rrset), STATUS_OK);
		snprintf(text, sizeof text, "moves%u.a.b", (number - 1) % 50 + i);
		assert_int_equal(name_from_text(text, strlen(text), zone->name, name), STATUS_OK);
		if (i == 2 && (number - 1) % 50 + i < number % 50 + 2 &&
		    draft_delete_name(&draft, name) == STATUS_NO_MEMORY)
			fail();
	}
	draft.version->version = number;
	draft.version->serial = number;
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	table_publish(table, zone, version);
	table_set_state(zone, ZONE_READY);
}

static void
check_number(const struct zone_version *version)
{
	uint8_t name[NAME_MAX_SIZE];

	for (int i = 0; i < 2; i++) {
		struct rrset rrset;
		struct lookup lookup;
		assert_int_equal(name_from_text(i ? "stays1" : "stays0", 6, version->apex, name), STATUS_OK);
		lookup_name(version, name, name_size(name), name_labels(name), &lookup);
		assert_non_null(lookup.node);
		assert_true(node_rrset(lookup.node, TYPE_A, &rrset));
		assert_int_equal(rrset.ttl_s, version->version);
		assert_memory_equal(rrset_first(&rrset).bytes, &rrset.ttl_s, 4);
	}
}

static void
a_pinned_version_outlives_its_zone(void **state)
{
	struct table *table = table_new();
	struct zone *zone = make_zone(table, "example.test.");
	struct zone_version *pinned[10];

	(void)state;
	assert_null(zone_current(zone));
	for (uint32_t i = 1; i <= 10; i++) {
		publish_number(table, zone, i, i == 5);
		pinned[i - 1] = version_pin(zone_current(zone));
	}
	assert_int_equal(table_remove(table, zone), STATUS_OK);
	assert_int_equal(table_remove(table, zone), STATUS_NOT_FOUND);
	struct timespec grace = {.tv_nsec = 20000000};
	nanosleep(&grace, NULL);
	for (int i = 0; i < 10; i++)
		check_number(pinned[i]);
	/* Not in the order of their age. */
	for (int i = 0; i < 10; i++)
		version_unpin(pinned[(i * 7 + 3) % 10]);
	table_free(table);
}

static void
a_removed_zone_takes_no_version_more(void **state)
{
	struct table *table = table_new();
	struct zone *zone = make_zone(table, "example.test.");

	(void)state;
	publish_number(table, zone, 1, false);
	struct zone_version *pinned = version_pin(zone_current(zone));
	assert_int_equal(table_remove(table, zone), STATUS_OK);
	assert_null(zone_current(zone));
	publish_number(table, zone, 2, false);
	version_unpin(pinned);
	table_free(table);
}

#define READERS 2
#define PUBLISHED 4000

struct shared {
	struct table *table;
	struct zone *zone;
	_Atomic bool stop;
	atomic_uint reading; /* threads that have begun */
};

static void *
read_main(void *context)
{
	struct shared *shared = context;
	struct zone_version *pinned = NULL;
	uint64_t reads = 0, last = 0;
	struct zone *zone = shared->zone;

	rcu_register_thread();
	while (!atomic_load(&shared->stop)) {
		assert_ptr_equal(find(shared->table, "www.example.test."), zone);
		const struct zone_version *version = zone_current(zone);
		check_number(version);
		assert_true(version->version >= last);
		last = version->version;
		if (reads++ % 64 == 0) {
			if (pinned) {
				check_number(pinned);
				version_unpin(pinned);
			}
			pinned = version_pin(version);
		}
		if (reads == 1)
			atomic_fetch_add(&shared->reading, 1);
		rcu_quiescent_state();
		if (reads % 1000 == 0) {
			rcu_thread_offline();
			rcu_thread_online();
		}
	}
	rcu_thread_offline();
	check_number(pinned);
	version_unpin(pinned);
	rcu_unregister_thread();
	return NULL;
}

static void
readers_see_whole_versions_while_thousands_are_published(void **state)
{
	struct shared shared = {.table = table_new()};
	pthread_t readers[READERS];

	(void)state;
	shared.zone = make_zone(shared.table, "example.test.");
	publish_number(shared.table, shared.zone, 1, false);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_main, &shared), 0);
	while (atomic_load(&shared.reading) < READERS)
		sched_yield();
	for (uint32_t i = 2; i < PUBLISHED; i++) {
		publish_number(shared.table, shared.zone, i, i % 1000 == 0);
		/* The index is replaced under the readers too. */
		if (i % 50 == 0)
			assert_int_equal(table_remove(shared.table, make_zone(shared.table, "other.test.")), STATUS_OK);
	}
	atomic_store(&shared.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	table_free(shared.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_zone_above_a_name_is_found),
		cmocka_unit_test(zones_of_more_labels_than_the_mask_has_bits_are_found),
		cmocka_unit_test(many_zones_are_added_found_listed_and_removed),
		cmocka_unit_test(a_pinned_version_outlives_its_zone),
		cmocka_unit_test(a_removed_zone_takes_no_version_more),
		cmocka_unit_test(readers_see_whole_versions_while_thousands_are_published),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
