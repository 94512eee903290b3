/* update/committer.c on store/memory.c and its follower. */
#include "tests/unit/cmocka.h"
#include "tests/unit/update_text.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "store/follower.h"
#include "store/memory.h"
#include "update/committer.h"
#include "zone/change_json.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static const char content[] =
	"@ 300 SOA ns1 hostmaster 7 3600 600 86400 300\n"
	"@ 300 NS ns1\n"
	"ns1 300 A 192.0.2.53\n";

static struct house {
	struct store *store;
	struct table *table;
	struct zone *zone;
	struct follower *follower;
	struct committer *committer;
	pthread_mutex_t mutex;
	pthread_cond_t news;
} house;

/* ---- requests ---- */

struct sent {
	struct update_request request; /* first */
	unsigned released;
};

static void
on_release(struct update_request *request)
{
	struct sent *sent = (struct sent *)request;

	pthread_mutex_lock(&house.mutex);
	sent->released++;
	pthread_cond_broadcast(&house.news);
	pthread_mutex_unlock(&house.mutex);
}

/* mac 0: unsigned. */
static struct sent *
send_as(const char *message, uint16_t id, uint64_t mac, enum update_transport transport)
{
	static _Thread_local uint8_t wire[MESSAGE_MAX_SIZE];
	struct sent *sent = calloc(1, sizeof *sent);
	size_t size = update_text_build(id, message, wire, sizeof wire);

	assert_int_equal(update_text_request(&sent->request, wire, size, mac ? "key." : NULL), PARSE_OK);
	sent->request.has_mac = mac != 0;
	bytes_put_u64(sent->request.mac, mac);
	sent->request.transport = transport;
	sent->request.arrival_ns = clock_monotonic_ns();
	sent->request.zone = house.zone;
	sent->request.release = on_release;
	sent->request.others_wait = mac % 2; /* half of all in the committer's thread */
	assert_int_equal(update_check_form(&sent->request), RCODE_NOERROR);
	committer_submit(house.committer, &sent->request);
	rcu_quiescent_state();
	return sent;
}

static uint64_t next_mac = 1;

static struct sent *
send_update(const char *message)
{
	return send_as(message, 4660, __atomic_fetch_add(&next_mac, 1, __ATOMIC_RELAXED), UPDATE_TCP);
}

static void
await(struct sent *sent)
{
	rcu_thread_offline();
	pthread_mutex_lock(&house.mutex);
	while (sent->released == 0)
		pthread_cond_wait(&house.news, &house.mutex);
	pthread_mutex_unlock(&house.mutex);
	rcu_thread_online();
}

static void
forget(struct sent *sent)
{
	assert_int_equal(sent->released, 1);
	arena_free(&sent->request.arena);
	free(sent);
}

/* "NOERROR 5", "drop": rcode, and version if there is one. Static storage. */
static const char *
outcome(struct sent *sent)
{
	static _Thread_local char out[64];

	await(sent);
	if (sent->request.drop)
		strcpy(out, "drop");
	else if (sent->request.version)
		snprintf(out, sizeof out, "%s %u", rcode_text(sent->request.rcode), (unsigned)sent->request.version);
	else
		snprintf(out, sizeof out, "%s", rcode_text(sent->request.rcode));
	forget(sent);
	return out;
}

static bool
served(const char *owner, uint16_t type)
{
	uint8_t name[NAME_MAX_SIZE];
	struct rrset rrset;
	const struct zone_version *version = zone_current(house.zone);

	assert_int_equal(name_from_text(owner, strlen(owner), UPDATE_TEXT_ZONE, name), STATUS_OK);
	bool has = version && version_rrset(version, name, type, &rrset);
	rcu_quiescent_state();
	return has;
}

static uint64_t
version_now(void)
{
	const struct zone_version *version = zone_current(house.zone);
	uint64_t number = version ? version->version : 0;
	rcu_quiescent_state();
	return number;
}

/* ---- jobs ---- */

struct told {
	struct committer_job job; /* first */
	struct zone_version *content;
	bool done;
	enum status status;
	uint64_t version;
	char reason[300];
};

static void
on_done(struct committer_job *job, enum status status, uint64_t version, const char *reason)
{
	struct told *told = (struct told *)job;

	pthread_mutex_lock(&house.mutex);
	told->done = true;
	told->status = status;
	told->version = version;
	snprintf(told->reason, sizeof told->reason, "%s", reason);
	pthread_cond_broadcast(&house.news);
	pthread_mutex_unlock(&house.mutex);
}

static enum status
run_job(struct told *told)
{
	told->job.zone = house.zone;
	told->job.done = on_done;
	committer_run(house.committer, &told->job);
	rcu_thread_offline();
	pthread_mutex_lock(&house.mutex);
	while (!told->done)
		pthread_cond_wait(&house.news, &house.mutex);
	pthread_mutex_unlock(&house.mutex);
	rcu_thread_online();
	return told->status;
}

static enum status
evaluate_load(struct committer_job *job, const struct zone_version *version, struct arena *arena, struct change *change,
	      char *reason)
{
	struct told *told = (struct told *)job;
	const uint8_t *at = NULL;
	struct rrset rrset;
	size_t room = 16;

	(void)reason;
	if (version)
		return STATUS_EXISTS;
	change->exclusive = true;
	change->ops = arena_alloc(arena, room * sizeof *change->ops);
	struct tree_walk walk = {0};
	const struct node *node;
	while ((node = tree_next(&told->content->tree, &walk)) != NULL) {
		uint8_t owner[NAME_MAX_SIZE];
		size_t size = node_owner(node, UPDATE_TEXT_ZONE, owner);
		for (at = NULL; node_next(node, &at, &rrset);)
			change->ops[change->op_count++] = (struct change_op){
				.kind = CHANGE_SET, .owner = arena_copy(arena, owner, size), .rrset = rrset};
	}
	return STATUS_OK;
}

static enum status
evaluate_freeze(struct committer_job *job, const struct zone_version *version, struct arena *arena,
		struct change *change, char *reason)
{
	(void)version, (void)arena, (void)reason;
	change->frozen = *(int *)job->context;
	return STATUS_OK;
}

static enum status
evaluate_refuse(struct committer_job *job, const struct zone_version *version, struct arena *arena,
		struct change *change, char *reason)
{
	(void)job, (void)version, (void)arena, (void)change;
	strcpy(reason, "line 7: no such type");
	return STATUS_MALFORMED;
}

/* ---- the house ---- */

/* A store that does not hear how far its log goes. */
static enum status
deaf_barrier(struct store *store, struct zone *zone, uint64_t tag)
{
	(void)store, (void)zone;
	if (tag % 2) /* at once, or later */
		return STATUS_RETRY;
	committer_barrier(house.committer, tag, STATUS_RETRY);
	return STATUS_OK;
}

static void
make_deaf(struct store *store)
{
	static struct store_ops ops;

	ops = *store->ops;
	ops.barrier = deaf_barrier;
	store->ops = &ops;
}

/* A store that takes a change and hears nothing of it while `holds` says so. */
static struct store_append held;
static const struct store_ops *held_ops;
static _Atomic bool holds;

static enum status
append_later(struct store *store, const struct store_append *append)
{
	if (!holds)
		return held_ops->append(store, append);
	pthread_mutex_lock(&house.mutex);
	held = *append;
	pthread_mutex_unlock(&house.mutex);
	return STATUS_OK;
}

static void
make_holding(struct store *store)
{
	static struct store_ops slow;

	held_ops = store->ops;
	slow = *held_ops;
	slow.append = append_later;
	store->ops = &slow;
}

#define PATIENT_MS 60000 /* however slow the machine is, nobody's time runs out */
#define HASTY_MS 150     /* it runs out, and soon */

static void
build_with(unsigned timeout_ms, void (*alter)(struct store *store))
{
	struct follower_hooks hooks = {.judged = committer_judged,
				       .failed = committer_failed,
				       .barrier = committer_barrier,
				       .tick = committer_tick};
	struct update_settings *settings = update_text_open(false);

	settings->timeout_ms = timeout_ms;
	settings->on_failure_udp = UPDATE_FAIL_DROP;
	settings->on_failure_tcp = UPDATE_FAIL_SERVFAIL;
	house.committer = committer_new(&(struct committer_settings){.gateway = "gw1", .base = follower_base});
	house.store = memory_open("memory");
	if (alter)
		alter(house.store);
	house.table = table_new();
	hooks.context = house.committer;
	house.zone = table_zone_new(UPDATE_TEXT_ZONE);
	house.zone->store = house.store;
	atomic_store(&house.zone->update_settings, settings);
	assert_int_equal(table_add(house.table, house.zone), STATUS_OK);
	assert_int_equal(follower_start(house.store, house.table, &hooks, &house.follower), STATUS_OK);
	assert_int_equal(follower_add(house.follower, house.zone), STATUS_OK);
	struct told load = {.job = {.evaluate = evaluate_load, .command = "load"}};
	load.content = zone_text_load(UPDATE_TEXT_ZONE, content);
	uint64_t version;
	uint8_t id[VERSION_ID_SIZE];
	while (!follower_base(house.zone, &version, id))
		usleep(1000);
	assert_int_equal(run_job(&load), STATUS_OK);
	assert_int_equal(load.version, 1);
	draft_discard(load.content);
	while (zone_current(house.zone) == NULL)
		usleep(1000);
}

static int
build(void **state)
{
	(void)state;
	build_with(PATIENT_MS, NULL);
	return 0;
}

static int
build_hasty(void **state)
{
	(void)state;
	build_with(HASTY_MS, NULL);
	return 0;
}

static int
build_holding(void **state)
{
	(void)state;
	build_with(PATIENT_MS, make_holding);
	return 0;
}

/* From the next request on. */
static void
be_patient(void)
{
	struct update_settings *settings = atomic_load(&house.zone->update_settings);

	settings->timeout_ms = PATIENT_MS;
}

static int
build_deaf(void **state)
{
	(void)state;
	build_with(HASTY_MS, make_deaf);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	struct update_settings *settings = atomic_load(&house.zone->update_settings);
	rcu_thread_offline();
	follower_drop(house.follower, house.zone);
	committer_forget(house.committer, house.zone);
	follower_stop(house.follower);
	rcu_thread_online();
	assert_int_equal(table_remove(house.table, house.zone), STATUS_OK);
	rcu_thread_offline();
	table_free(house.table);
	committer_free(house.committer);
	rcu_thread_online();
	update_settings_free(settings);
	return 0;
}

/* ---- tests ---- */

struct whole {
	struct told told; /* first */
	struct draft draft;
};

static enum status
evaluate_whole(struct committer_job *job, const struct zone_version *version, struct arena *arena,
	       struct change *change, char *reason)
{
	struct whole *whole = (struct whole *)job;
	struct change_snapshot *snapshot = arena_alloc(arena, sizeof *snapshot);

	(void)version;
	*snapshot = (struct change_snapshot){0};
	assert_int_equal(
		held_ops->save_snapshot(house.store, house.zone, whole->draft.version, arena, snapshot, reason),
		STATUS_OK);
	change->exclusive = true;
	change->snapshot = snapshot;
	job->content = &whole->draft;
	return STATUS_OK;
}

static void
content_outlives_a_job_whose_time_is_out(void **state)
{
	static const uint8_t address[] = {192, 0, 2, 7};
	struct whole *whole = calloc(1, sizeof *whole);
	struct rrset soa;

	(void)state;
	whole->told.job = (struct committer_job){.evaluate = evaluate_whole, .command = "import", .timeout_ms = 1000};
	assert_int_equal(draft_begin(&whole->draft, NULL, UPDATE_TEXT_ZONE), STATUS_OK);
	assert_true(version_soa(zone_current(house.zone), &soa));
	struct rdata rdata = rrset_first(&soa);
	assert_int_equal(draft_add(&whole->draft, UPDATE_TEXT_ZONE, TYPE_SOA, 60, rdata.bytes, rdata.size), STATUS_OK);
	assert_int_equal(draft_add(&whole->draft, UPDATE_TEXT_ZONE, TYPE_A, 60, address, sizeof address), STATUS_OK);
	rcu_quiescent_state();
	holds = true;
	assert_int_equal(run_job(&whole->told), STATUS_TIMEOUT);
	holds = false;
	draft_drop(&whole->draft); /* as who waited for the job does */
	memset(whole, 0xee, sizeof *whole);
	free(whole);
	assert_int_equal(held_ops->append(house.store, &held), STATUS_OK);
	while (version_now() < 2)
		usleep(1000);
	assert_true(served("@", TYPE_A));
	assert_false(served("ns1", TYPE_A));
}

static void
an_update_is_answered_when_it_is_served(void **state)
{
	(void)state;
	struct sent *sent = send_update("U www 300 IN A 192.0.2.7");
	await(sent);
	assert_int_equal(sent->request.rcode, RCODE_NOERROR);
	assert_int_equal(sent->request.version, 2);
	assert_int_equal(sent->request.serial, 8);
	assert_true(served("www", TYPE_A));
	forget(sent);
}

static void
what_changes_nothing_writes_nothing(void **state)
{
	(void)state;
	assert_string_equal(outcome(send_update("U ns1 300 IN A 192.0.2.53")), "NOERROR");
	assert_string_equal(outcome(send_update("P ns1 0 ANY ANY")), "NOERROR");
	assert_string_equal(outcome(send_update("P ns1 0 NONE ANY\nU ns1 0 ANY ANY")), "YXDOMAIN");
	assert_int_equal(version_now(), 1);
}

static void
without_the_end_of_the_log_nothing_is_denied(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_string_equal(outcome(send_update("P ns1 0 NONE ANY\nU ns1 0 ANY ANY")), "SERVFAIL");
		assert_string_equal(outcome(send_update("P ns1 0 ANY ANY")), "SERVFAIL");
	}
	be_patient();
	assert_string_equal(outcome(send_update("U www 300 IN A 192.0.2.7")), "NOERROR 2");
}

static void
updates_of_one_name_run_in_order(void **state)
{
	struct sent *sent[50];
	unsigned first = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		sent[i] = send_update("P once 0 NONE ANY\nU once 300 IN A 192.0.2.7");
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		await(sent[i]);
		first += sent[i]->request.rcode == RCODE_NOERROR;
		assert_int_equal(sent[i]->request.rcode, i == 0 ? RCODE_NOERROR : RCODE_YXDOMAIN);
		forget(sent[i]);
	}
	assert_int_equal(first, 1);
}

static void
a_message_that_comes_again_gets_the_first_ones_answer(void **state)
{
	const char *message = "P dhcp 0 NONE ANY\nU dhcp 300 IN A 192.0.2.7";

	(void)state;
	struct sent *first = send_as(message, 7, 0xabcdef, UPDATE_UDP),
		    *copy = send_as(message, 7, 0xabcdef, UPDATE_TCP);
	assert_string_equal(outcome(first), "NOERROR 2");
	assert_string_equal(outcome(copy), "NOERROR 2");
	assert_string_equal(outcome(send_as(message, 7, 0xabcdef, UPDATE_UDP)), "NOERROR 2");
	assert_int_equal(version_now(), 2);
	assert_string_equal(outcome(send_as(message, 8, 0xabcdef, UPDATE_UDP)), "NOERROR"); /* its MAC is in the log */
	assert_string_equal(outcome(send_as(message, 7, 0xabcde0, UPDATE_UDP)), "YXDOMAIN");
	assert_int_equal(committer_counters(house.committer)->retransmissions, 2);
}

static void
unsigned_copies_are_known_by_their_octets(void **state)
{
	const char *message = "P dhcp 0 NONE ANY\nU dhcp 300 IN A 192.0.2.7",
		   *other = "P dhcp 0 NONE ANY\nU dhcp 300 IN A 192.0.2.8";

	(void)state;
	assert_string_equal(outcome(send_as(message, 7, 0, UPDATE_UDP)), "NOERROR 2");
	assert_string_equal(outcome(send_as(message, 7, 0, UPDATE_UDP)), "NOERROR 2");
	assert_string_equal(outcome(send_as(other, 7, 0, UPDATE_UDP)), "YXDOMAIN");
	assert_string_equal(outcome(send_as(message, 8, 0, UPDATE_UDP)), "YXDOMAIN");
}

static void
trouble_that_passes_is_not_seen(void **state)
{
	(void)state;
	memory_fail(house.store, STATUS_RETRY, 3);
	assert_string_equal(outcome(send_update("U www 300 IN A 192.0.2.7")), "NOERROR 2");
}

static void
trouble_that_stays_is_told_by_transport(void **state)
{
	(void)state;
	memory_fail(house.store, STATUS_RETRY, 1000000);
	struct sent *udp = send_as("U a 300 IN A 192.0.2.7", 1, 1001, UPDATE_UDP);
	struct sent *tcp = send_as("U b 300 IN A 192.0.2.7", 1, 1002, UPDATE_TCP);
	struct sent *behind = send_as("U b 300 IN A 192.0.2.8", 1, 1003, UPDATE_TLS);
	assert_string_equal(outcome(udp), "drop");
	assert_string_equal(outcome(tcp), "SERVFAIL");
	assert_string_equal(outcome(behind), "SERVFAIL");
	memory_fail(house.store, STATUS_OK, 0);
	be_patient();
	/* Trouble is not remembered: the same message again succeeds. */
	assert_string_equal(outcome(send_as("U b 300 IN A 192.0.2.7", 1, 1002, UPDATE_TCP)), "NOERROR 2");
}

static void
a_store_that_needs_a_person_fails_at_once(void **state)
{
	(void)state;
	memory_fail(house.store, STATUS_STOP, 1);
	uint64_t begun = clock_monotonic_ms();
	assert_string_equal(outcome(send_update("U www 300 IN A 192.0.2.7")), "SERVFAIL");
	assert_true(clock_monotonic_ms() - begun < PATIENT_MS / 2);
}

static void
a_change_that_the_store_refuses_is_refused(void **state)
{
	(void)state;
	memory_fail(house.store, STATUS_REFUSED, 1);
	struct sent *sent = send_update("U www 300 IN A 192.0.2.7");
	await(sent);
	assert_int_equal(sent->request.rcode, RCODE_REFUSED);
	assert_int_not_equal(sent->request.ede.code, EDE_NONE);
	forget(sent);
	assert_string_equal(outcome(send_update("U www 300 IN A 192.0.2.7")), "NOERROR 2");
}

static void
one_bad_update_does_not_fail_its_neighbours(void **state)
{
	struct sent *sent[3];

	(void)state;
	sent[0] = send_update("U a 300 IN A 192.0.2.1");
	sent[1] = send_update("U b 300 IN NSEC c.example.test. A");
	sent[2] = send_update("U c 300 IN A 192.0.2.3");
	assert_non_null(strstr(outcome(sent[0]), "NOERROR"));
	assert_string_equal(outcome(sent[1]), "REFUSED");
	assert_non_null(strstr(outcome(sent[2]), "NOERROR"));
}

static void
jobs_wait_for_all_and_all_wait_for_jobs(void **state)
{
	struct sent *before[20];
	int freeze = 1, thaw = 0;
	struct told frozen = {
		.job = {.evaluate = evaluate_freeze, .context = &freeze, .command = "freeze", .when_frozen = true}};
	struct told thawed = {
		.job = {.evaluate = evaluate_freeze, .context = &thaw, .command = "thaw", .when_frozen = true}};
	struct told other = {.job = {.evaluate = evaluate_refuse, .command = "import"}};
	char message[60];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++) {
		snprintf(message, sizeof message, "U h%u 300 IN A 192.0.2.7", i);
		before[i] = send_update(message);
	}
	assert_int_equal(run_job(&frozen), STATUS_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		assert_non_null(strstr(outcome(before[i]), "NOERROR"));
	assert_int_equal(frozen.version, 22);
	assert_string_equal(outcome(send_update("U www 300 IN A 192.0.2.7")), "REFUSED");
	assert_int_equal(run_job(&other), STATUS_REFUSED);
	assert_int_equal(run_job(&thawed), STATUS_OK);
	assert_non_null(strstr(outcome(send_update("U www 300 IN A 192.0.2.7")), "NOERROR"));
	other = (struct told){.job = {.evaluate = evaluate_refuse, .command = "import"}};
	assert_int_equal(run_job(&other), STATUS_MALFORMED);
	assert_string_equal(other.reason, "line 7: no such type");
}

/* Another gateway's change, made on what is served now: an A at that name. */
static void
another_commits(const char *owner, uint8_t last_octet, struct change_origin origin)
{
	uint8_t name[NAME_MAX_SIZE], packed[6] = {4, 0, 192, 0, 2, last_octet};
	const struct zone_version *version = zone_current(house.zone);
	struct change_op op = {.kind = CHANGE_ADD, .owner = name, .rrset = {
		.type = TYPE_A, .count = 1, .ttl_s = 300, .packed = packed, .packed_size = 6}};
	struct change change = {.zone = UPDATE_TEXT_ZONE,
				.base = version->version,
				.time_us = 1,
				.ops = &op,
				.op_count = 1,
				.frozen = -1,
				.origin = origin};
	struct arena arena;
	const uint8_t *record;
	size_t size;

	arena_init(&arena, 1 << 20);
	assert_int_equal(name_from_text(owner, strlen(owner), UPDATE_TEXT_ZONE, name), STATUS_OK);
	memcpy(change.base_id, version->id, VERSION_ID_SIZE);
	assert_int_equal(change_json_encode(&change, &arena, &record, &size), STATUS_OK);
	memory_inject(house.store, house.zone, record, size);
	arena_free(&arena);
}

/* Another gateway's change of the same name, appended in the same moment. */
static void
a_lost_race_is_run_again(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char owner[30], message[120];
		snprintf(owner, sizeof owner, "r%u", i);
		another_commits(owner, 99, (struct change_origin){.gateway = "gw2"});
		snprintf(message, sizeof message, "P %s 0 NONE ANY\nU %s 300 IN A 192.0.2.7", owner, owner);
		const char *what = outcome(send_update(message));
		assert_true(strcmp(what, "YXDOMAIN") == 0); /* the log had the other's first */
		refused++;
	}
	assert_int_equal(refused, 100);
}

static void
what_another_gateway_has_committed_is_not_run_again(void **state)
{
	(void)state;
	another_commits("twin", 7, (struct change_origin){
		.gateway = "gw2", .has_mac = true, .mac = {1, 2, 3, 4, 5, 6, 7, 8}});
	/* At once: the first evaluation may not see the other's change, but the answer does. */
	assert_string_equal(
		outcome(send_as("P twin 0 NONE ANY\nU twin 300 IN A 192.0.2.7", 9, 0x0102030405060708, UPDATE_UDP)),
		"NOERROR");
	assert_int_equal(version_now(), 2);
}

/* ---- many at once ---- */

#define THREADS 6
#define EACH 300

static void *
storm(void *context)
{
	unsigned thread = *(unsigned *)context;
	struct sent *sent[EACH];
	unsigned good = 0;

	rcu_register_thread();
	for (unsigned i = 0; i < EACH; i++) {
		char message[120];
		if (i % 3 == 0) /* a name that all threads want: one gets it */
			snprintf(message, sizeof message, "P s%u 0 NONE ANY\nU s%u 300 IN A 192.0.2.7", i, i);
		else
			snprintf(message, sizeof message, "U t%u-%u 300 IN A 192.0.2.7\nU s%u 300 IN TXT \"%u\"",
				 thread, i, i, thread);
		sent[i] = send_update(message);
	}
	for (unsigned i = 0; i < EACH; i++) {
		await(sent[i]);
		good += sent[i]->request.rcode == RCODE_NOERROR;
		assert_true(sent[i]->request.rcode == RCODE_NOERROR || sent[i]->request.rcode == RCODE_YXDOMAIN);
		forget(sent[i]);
	}
	rcu_unregister_thread();
	return (void *)(uintptr_t)good;
}

static void
many_threads_share_a_zone(void **state)
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];
	uintptr_t good = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, storm, &numbers[i]), 0);
	}
	rcu_thread_offline();
	for (unsigned i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		good += (uintptr_t)result;
	}
	rcu_thread_online();
	assert_int_equal(good, THREADS * EACH * 2 / 3 + EACH / 3);
	assert_int_equal(version_now(), 1 + good);
}

static void
who_waits_when_the_zone_goes_is_told(void **state)
{
	struct sent *sent[30];
	char message[60];

	(void)state;
	memory_fail(house.store, STATUS_RETRY, 1000000);
	for (unsigned i = 0; i < ARRAY_SIZE(sent); i++) {
		snprintf(message, sizeof message, "U z%u 300 IN A 192.0.2.7", i / 3);
		sent[i] = send_update(message);
	}
	/* so that nobody begins anything: in the order of control/gateway.c */
	table_set_state(house.zone, ZONE_REMOVED);
	rcu_thread_offline();
	synchronize_rcu();
	follower_drop(house.follower, house.zone);
	rcu_thread_online();
	committer_forget(house.committer, house.zone);
	for (unsigned i = 0; i < ARRAY_SIZE(sent); i++)
		assert_string_equal(outcome(sent[i]), "SERVFAIL");
	assert_string_equal(outcome(send_update("U late 300 IN A 192.0.2.7")), "SERVFAIL");
	memory_fail(house.store, STATUS_OK, 0);
	house.zone->committer = NULL;
	assert_int_equal(follower_add(house.follower, house.zone), STATUS_OK);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, build, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_update_is_answered_when_it_is_served),
		cmocka_unit_test_setup_teardown(content_outlives_a_job_whose_time_is_out, build_holding, tear_down),
		TEST(what_changes_nothing_writes_nothing),
		TEST(updates_of_one_name_run_in_order),
		TEST(a_message_that_comes_again_gets_the_first_ones_answer),
		TEST(unsigned_copies_are_known_by_their_octets),
		TEST(trouble_that_passes_is_not_seen),
		cmocka_unit_test_setup_teardown(without_the_end_of_the_log_nothing_is_denied, build_deaf, tear_down),
		cmocka_unit_test_setup_teardown(trouble_that_stays_is_told_by_transport, build_hasty, tear_down),
		TEST(a_store_that_needs_a_person_fails_at_once),
		TEST(a_change_that_the_store_refuses_is_refused),
		TEST(one_bad_update_does_not_fail_its_neighbours),
		TEST(jobs_wait_for_all_and_all_wait_for_jobs),
		TEST(a_lost_race_is_run_again),
		TEST(what_another_gateway_has_committed_is_not_run_again),
		cmocka_unit_test_setup_teardown(many_threads_share_a_zone, build, tear_down),
		TEST(who_waits_when_the_zone_goes_is_told),
	};
	pthread_mutex_init(&house.mutex, NULL);
	pthread_cond_init(&house.news, NULL);
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	log_to(open("/dev/null", 1));
	rcu_register_thread();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return failed;
}
