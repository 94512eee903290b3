#include "update/committer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/rcu.h"
#include "update/audit.h"
#include "update/work.h"
#include "zone/change_json.h"
#include <stdlib.h>

/* After a lost race: at once; then after a random time of up to 2, 4, … ms, at most this. Ticks round it up. */
#define BACKOFF_MAX_MS 128
#define RETRY_MS 20 /* the store wrote nothing: not sooner than that */

static const struct work_outcome out_of_time = {
	.status = STATUS_TIMEOUT, .store_failure = true, .verdict = "timeout", .ede = EDE_NETWORK_ERROR,
	.reason = "not committed in time"};

static void run(struct work *work, struct work_list *todo);

/* Jobs all go there; a request only where no job is before it. */
static bool
hand_to_job_thread(struct committer *committer, struct work *work)
{
	pthread_mutex_lock(&committer->jobs_mutex);
	bool may = work->job || committer->long_jobs == 0, idle = committer->jobs == NULL;
	if (may) {
		committer->long_jobs += work->job != NULL;
		work->next = NULL;
		*committer->jobs_end = work;
		committer->jobs_end = &work->next;
	}
	pthread_mutex_unlock(&committer->jobs_mutex);
	if (may && idle) /* not with the mutex held, which it would wait for at once */
		pthread_cond_signal(&committer->jobs_wake);
	return may;
}

static void
run_all(struct work_list *todo)
{
	while (todo->first) {
		struct work *work = todo->first;
		todo->first = work->next;
		if (todo->first == NULL)
			todo->end = &todo->first;
		if (!((work->job || todo->elsewhere) && hand_to_job_thread(work->zone->committer, work)))
			run(work, todo);
	}
}

/* ---- evaluate, append ---- */

/* Rest until a time, or give up: the work is this thread's. */
static void
rest(struct work *work, uint64_t wait_ms, const struct work_outcome *otherwise, struct work_list *todo)
{
	struct committer_zone *zone = work->zone;
	uint64_t now_ns = clock_monotonic_ns();

	pthread_mutex_lock(&zone->mutex);
	bool stays = !work_is_orphan(work) && !zone->closed && now_ns < work->deadline_ns;
	if (stays) {
		work->retry_ns = now_ns + wait_ms * 1000000;
		work->state = WORK_RESTING;
	}
	pthread_mutex_unlock(&zone->mutex);
	if (!stays)
		work_finish(work, otherwise, todo);
}

/* What the store said no to. */
static void
fail(struct work *work, enum status status, const char *reason, struct work_list *todo)
{
	struct work_outcome outcome = {
		.status = status, .verdict = "store", .reason = reason && *reason ? reason : status_text(status)};

	switch (status) {
	case STATUS_RETRY:
	case STATUS_FULL:
	case STATUS_NO_MEMORY:
	case STATUS_TIMEOUT:
		outcome.store_failure = true;
		outcome.ede = EDE_NETWORK_ERROR;
		rest(work, RETRY_MS, &outcome, todo);
		return;
	case STATUS_REFUSED:
	case STATUS_UNSUPPORTED:
	case STATUS_INVALID:
	case STATUS_LIMIT:
		outcome.rcode = RCODE_REFUSED;
		outcome.ede = EDE_NOT_SUPPORTED;
		break;
	default: /* STOP and the like: a person must act */
		outcome.store_failure = true;
		outcome.ede = EDE_NETWORK_ERROR;
	}
	work_finish(work, &outcome, todo);
}

/* A tag that leads back here, and the state that waits for it. False: closed, or there are no tags. */
static bool
take_off(struct work *work, enum work_state state)
{
	struct committer_zone *zone = work->zone;

	work->tag = tags_give(zone->committer->tags, work);
	pthread_mutex_lock(&zone->mutex);
	bool may = work->tag != 0 && !zone->closed;
	if (may)
		work->state = state;
	pthread_mutex_unlock(&zone->mutex);
	if (!may && work->tag != 0)
		tags_take(zone->committer->tags, work->tag);
	return may;
}

/* The store did not take it: the work is ours again, unless its zone was closed meanwhile. */
static bool
land(struct work *work, uint64_t tag)
{
	struct committer_zone *zone = work->zone;

	if (tags_take(zone->committer->tags, tag) == NULL)
		return false;
	pthread_mutex_lock(&zone->mutex);
	work->state = WORK_RUNNING;
	pthread_mutex_unlock(&zone->mutex);
	return true;
}

static void
append(struct work *work, struct draft *content, struct work_list *todo)
{
	struct store *store = work->zone->zone->store;

	if (!take_off(work, WORK_FLYING)) {
		if (content)
			draft_drop(content);
		fail(work, STATUS_FULL, "too many changes are in flight", todo);
		return;
	}
	uint64_t tag = work->tag;
	struct store_append record = {.zone = work->zone->zone,
				      .record = work->record,
				      .size = work->size,
				      .change = &work->change,
				      .tag = tag,
				      .content = content};
	enum status status = store_append(store, &record); /* OK: from here on the work is the follower's */
	if (status == STATUS_OK)
		return;
	if (content)
		draft_drop(content);
	if (land(work, tag))
		fail(work, status, NULL, todo);
}

/* Encode what was evaluated, and hand it to the store. */
static void
commit(struct work *work, struct draft *content, struct work_list *todo)
{
	struct work_config *settings = atomic_load_explicit(&work->zone->committer->settings, memory_order_acquire);

	work->change.time_us = clock_wall_us();
	work->change.origin.gateway = settings->gateway;
	enum status status = change_json_encode(&work->change, &work->arena, &work->record, &work->size);
	if (status == STATUS_OK) {
		append(work, content, todo);
		return;
	}
	if (content)
		draft_drop(content);
	fail(work, status, "the change is too large", todo);
}

/*
 * An answer that writes nothing has to know all that the log held when the request came (updates.md 8). True: it will
 * come back.
 */
static bool
ask_barrier(struct work *work, struct work_list *todo)
{
	struct store *store = work->zone->zone->store;

	if (work->fresh || store->ops->barrier == NULL)
		return false;
	if (!take_off(work, WORK_BARRIER)) {
		fail(work, STATUS_FULL, NULL, todo);
		return true;
	}
	uint64_t tag = work->tag;
	enum status status = store->ops->barrier(store, work->zone->zone, tag);
	if (status != STATUS_OK && land(work, tag))
		fail(work, status, NULL, todo);
	return true;
}

static const char *
verdict_of(const struct update_request *request, const struct zone_version *version)
{
	switch (request->rcode) {
	case RCODE_NOERROR: return request->form->update_count > 0 ? "nothing" : "question";
	case RCODE_NXDOMAIN: case RCODE_YXDOMAIN: case RCODE_NXRRSET: case RCODE_YXRRSET: return "prerequisite";
	case RCODE_REFUSED: return version->frozen ? "frozen" : "policy";
	case RCODE_FORMERR: return "formerr";
	case RCODE_NOTZONE: return "notzone";
	default: return "limit";
	}
}

/* The outcome of an evaluation that depends on what is in the zone. */
static bool
depends_on_content(unsigned rcode)
{
	return rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN || rcode == RCODE_YXDOMAIN || rcode == RCODE_NXRRSET ||
	       rcode == RCODE_YXRRSET;
}

static void
run_request(struct work *work, struct work_list *todo)
{
	struct update_request *request = work->request;
	struct zone *zone = work->zone->zone;
	struct committer *committer = work->zone->committer;
	const struct zone_version *version = zone_current(zone);
	struct work_outcome outcome = {.rcode = RCODE_NOERROR};

	if (version == NULL) { /* updates.md 3 */
		outcome = (struct work_outcome){.rcode = RCODE_SERVFAIL, .verdict = "not_ready", .ede = EDE_NOT_READY,
		                           .reason = "the zone is not ready"};
		work_finish(work, &outcome, todo);
		return;
	}
	if (request->has_mac &&
	    retransmit_was_applied(committer->retransmit, zone, request->mac, clock_monotonic_ms())) {
		outcome.verdict = "applied_before";
		outcome.serial = version->serial;
		work_finish(work, &outcome, todo);
		return;
	}
	/* What this evaluation makes goes with its change, not with the request: that one may be answered earlier. */
	struct arena own = request->arena;
	request->arena = work->arena;
	arena_reset(&request->arena);
	enum update_effect effect =
		update_evaluate(request, version, work_settings(zone), clock_wall_s(), &work->change);
	work->arena = request->arena;
	request->arena = own;
	if (effect == UPDATE_CHANGE) {
		commit(work, NULL, todo);
		return;
	}
	if (depends_on_content(request->rcode) && ask_barrier(work, todo))
		return;
	outcome.rcode = request->rcode;
	outcome.verdict = verdict_of(request, version);
	work_finish(work, &outcome, todo);
}

/* Where the zone's log is, for a job: nothing may be served yet, or no more. */
static void
fill_base(struct work *work, const struct zone_version *version)
{
	struct work_config *settings = atomic_load_explicit(&work->zone->committer->settings, memory_order_acquire);
	struct zone *zone = work->zone->zone;
	struct change *change = &work->change;

	if (version && atomic_load_explicit(&zone->state, memory_order_acquire) == ZONE_READY) {
		change->base = version->version;
		memcpy(change->base_id, version->id, VERSION_ID_SIZE);
	} else if (settings->base == NULL || !settings->base(zone, &change->base, change->base_id)) {
		change->base = version ? version->version : 0;
		if (version)
			memcpy(change->base_id, version->id, VERSION_ID_SIZE);
	}
}

static void
run_job(struct work *work, struct work_list *todo)
{
	struct committer_job *job = work->job;
	struct zone *zone = work->zone->zone;
	const struct zone_version *version = atomic_load_explicit(&zone->current, memory_order_acquire);
	char reason[STORE_REASON_SIZE] = "";
	struct work_outcome outcome = {.status = STATUS_REFUSED, .reason = "the zone is frozen"};

	if (version && version->frozen && !job->when_frozen) {
		work_finish(work, &outcome, todo);
		return;
	}
	arena_reset(&work->arena);
	work->change = (struct change){.zone = zone->name, .frozen = -1};
	work->change.origin.command = job->command;
	work->change.origin.client = job->client;
	fill_base(work, version);
	enum status status = job->evaluate(job, version, &work->arena, &work->change, reason);
	if (status == STATUS_OK) {
		struct draft *content = NULL;
		if (job->content) { /* the work's from now on: it outlives a job that is told that its time is out */
			work->content = *job->content;
			*job->content = (struct draft){0};
			job->content = NULL;
			content = &work->content;
		}
		commit(work, content, todo);
		return;
	}
	outcome.status = status == STATUS_EXISTS ? STATUS_OK : status;
	outcome.reason = reason;
	outcome.version = status == STATUS_EXISTS && version ? version->version : 0;
	work_finish(work, &outcome, todo);
}

static void
run(struct work *work, struct work_list *todo)
{
	if (work->request)
		run_request(work, todo);
	else
		run_job(work, todo);
}

static void *
job_thread(void *context)
{
	struct committer *committer = context;

	rcu_register_thread();
	pthread_mutex_lock(&committer->jobs_mutex);
	while (!committer->stop) {
		struct work *work = committer->jobs;
		if (work == NULL) {
			rcu_thread_offline();
			pthread_cond_wait(&committer->jobs_wake, &committer->jobs_mutex);
			rcu_thread_online();
			continue;
		}
		committer->jobs = work->next;
		if (committer->jobs == NULL)
			committer->jobs_end = &committer->jobs;
		pthread_mutex_unlock(&committer->jobs_mutex);
		WORK_LIST(todo);
		bool is_job = work->job != NULL;
		run(work, &todo);
		run_all(&todo);
		rcu_quiescent_state();
		pthread_mutex_lock(&committer->jobs_mutex);
		committer->long_jobs -= is_job;
	}
	pthread_mutex_unlock(&committer->jobs_mutex);
	rcu_unregister_thread();
	return NULL;
}

/* ---- in ---- */

/* One that is not let in at all. */
static void
turn_away(struct committer *committer, struct update_request *request, const char *why)
{
	stat_add_shared(&committer->counters.overflow, 1);
	zone_count_update(request->zone, RCODE_REFUSED);
	request->rcode = RCODE_REFUSED;
	request->drop = request->transport == UPDATE_UDP;
	ede_set(&request->ede, EDE_PROHIBITED, "%s", why);
	struct work_config *settings = atomic_load_explicit(&committer->settings, memory_order_acquire);
	audit_update(settings->audit, request, "overflow", clock_monotonic_ns() - request->arrival_ns);
	request->release(request);
}

static uint64_t
patience_of(struct zone *zone)
{
	const struct update_settings *settings = work_settings(zone);

	return (settings && settings->timeout_ms ? settings->timeout_ms : 2000) * 1000000ull;
}

/* False: the zone is closed. */
static bool
enter_zone(struct committer_zone *zone, struct work *work, struct work_list *todo)
{
	pthread_mutex_lock(&zone->mutex);
	bool open = !zone->closed;
	if (open)
		work_enter(zone, work, todo);
	pthread_mutex_unlock(&zone->mutex);
	return open;
}

/* The first of its kind, let in. */
static void
enter(struct committer *committer, struct update_request *request)
{
	struct committer_zone *zone = work_zone(committer, request->zone);
	struct work *work = zone ? work_new(committer) : NULL;
	struct work_outcome no_memory = {
		.rcode = RCODE_SERVFAIL, .verdict = "limit", .ede = EDE_OTHER, .reason = "no memory"};
	WORK_LIST(todo);

	todo.elsewhere = request->others_wait;

	if (work == NULL || !work_claim(work, request->form)) {
		if (work)
			work_free(committer, work);
		work_answer(committer, request, &no_memory);
		return;
	}
	work->zone = zone;
	work->request = request;
	work->patience_ns = patience_of(request->zone);
	work->deadline_ns = request->arrival_ns + work->patience_ns;
	if (!enter_zone(zone, work, &todo)) {
		work_free(committer, work);
		work_answer(committer, request, &work_closed);
	}
	run_all(&todo);
}

void
committer_submit(struct committer *committer, struct update_request *request)
{
	struct committer_zone *zone = work_zone_known(request->zone);

	require(request->form != NULL && request->release != NULL);
	if (zone && atomic_load_explicit(&zone->count, memory_order_relaxed) >= COMMITTER_QUEUE_ZONE) {
		turn_away(committer, request, "too many updates of this zone are waiting");
		return;
	}
	if (!quota_enter(committer->quota, (const struct sockaddr *)&request->client)) {
		turn_away(committer, request, "too many updates of this client are waiting");
		return;
	}
	request->drop = false;
	switch (retransmit_check(committer->retransmit, request, clock_monotonic_ms())) {
	case RETRANSMIT_NEW:
		enter(committer, request);
		return;
	case RETRANSMIT_KNOWN:
		stat_add_shared(&committer->counters.retransmissions, 1);
		work_deliver(committer, request, "repeated");
		return;
	case RETRANSMIT_WAITING:
		stat_add_shared(&committer->counters.retransmissions, 1);
		return;
	}
}

void
committer_run(struct committer *committer, struct committer_job *job)
{
	struct committer_zone *zone = work_zone(committer, job->zone);
	struct work *work = zone ? work_new(committer) : NULL;
	WORK_LIST(todo);

	if (work == NULL) {
		job->done(job, STATUS_NO_MEMORY, 0, "no memory");
		return;
	}
	work->zone = zone;
	work->job = job;
	work->member.claims = work->claims;
	work->member.all = true;
	work->deadline_ns = job->timeout_ms ? clock_monotonic_ns() + job->timeout_ms * 1000000ull : UINT64_MAX;
	if (!enter_zone(zone, work, &todo)) {
		work_free(committer, work);
		job->done(job, STATUS_NOT_FOUND, 0, work_closed.reason);
	}
	run_all(&todo);
}

/* ---- the follower's hooks ---- */

/* A work that the store gave back: this thread's now. Its tag is used up. */
static struct work *
come_back(struct committer *committer, uint64_t tag)
{
	struct work *work = tag ? tags_take(committer->tags, tag) : NULL;

	if (work == NULL)
		return NULL;
	pthread_mutex_lock(&work->zone->mutex);
	work->state = WORK_RUNNING;
	pthread_mutex_unlock(&work->zone->mutex);
	return work;
}

/* The serial of an applied change: known of the version before, or read from the one that is served. */
static uint32_t
serial_of(struct committer_zone *zone, const struct change *change, uint64_t version)
{
	const struct zone_version *current = atomic_load_explicit(&zone->zone->current, memory_order_acquire);
	uint32_t serial = current ? current->serial : 0;

	if (current && current->version != version && change && zone->seen_version + 1 == version &&
	    !change->snapshot) {
		serial = change->frozen < 0 && !change->removed ? serial_next(zone->seen_serial, change->serial)
								: zone->seen_serial;
		for (size_t i = 0; i < change->op_count; i++) {
			struct rdata soa;
			if (change->ops[i].rrset.type != TYPE_SOA || change->ops[i].rrset.count == 0)
				continue;
			soa = rrset_first(&change->ops[i].rrset);
			serial = rdata_soa_serial(soa.bytes, soa.size);
		}
	}
	zone->seen_version = version;
	zone->seen_serial = serial;
	return serial;
}

static void
skipped(struct work *work, struct work_list *todo)
{
	static const struct work_outcome lost = {.status = STATUS_TIMEOUT, .store_failure = true, .verdict = "conflict",
	                                    .ede = EDE_NETWORK_ERROR, .reason = "others were faster, again and again"};
	uint64_t most_ms = work->attempt < 7 ? 1ull << work->attempt : BACKOFF_MAX_MS;

	zone_count_conflict(work->zone->zone);
	work->fresh = true; /* the log has been read up to our own record */
	if (work->attempt++ == 0 && !work_is_orphan(work) && clock_monotonic_ns() < work->deadline_ns) {
		work_todo(todo, work);
		return;
	}
	rest(work, random_below((uint32_t)most_ms) + 1, &lost, todo);
}

void
committer_judged(void *context, struct zone *zone, const struct change *change, uint64_t tag, enum replay_fate fate,
		 uint64_t version)
{
	struct committer *committer = context;
	struct committer_zone *own = work_zone_known(zone);
	struct work_outcome outcome = {
		.status = STATUS_OK, .rcode = RCODE_NOERROR, .verdict = "applied", .version = version};
	WORK_LIST(todo);

	if (fate == REPLAY_APPLIED && own && own != &work_zone_ended)
		outcome.serial = serial_of(own, change, version);
	if (fate == REPLAY_APPLIED && change && change->origin.has_mac)
		retransmit_applied(committer->retransmit, zone, change->origin.mac, clock_monotonic_ms());
	struct work *work = come_back(committer, tag);
	if (work == NULL)
		return;
	switch (fate) {
	case REPLAY_APPLIED:
		work_finish(work, &outcome, &todo);
		break;
	case REPLAY_SKIPPED:
	case REPLAY_DIVERGED: /* the zone is rebuilt meanwhile */
		skipped(work, &todo);
		break;
	case REPLAY_FAILED:
	case REPLAY_LATER: /* never for a record that has come */
		fail(work, STATUS_RETRY, "no memory", &todo);
		break;
	case REPLAY_UNKNOWN:
		fail(work, STATUS_STOP, "the zone goes no further", &todo);
		break;
	}
	run_all(&todo);
}

void
committer_failed(void *context, uint64_t tag, enum status status, const char *reason)
{
	struct work *work = come_back(context, tag);
	WORK_LIST(todo);

	if (work)
		fail(work, status, reason, &todo);
	run_all(&todo);
}

void
committer_barrier(void *context, uint64_t tag, enum status status)
{
	struct work *work = come_back(context, tag);
	WORK_LIST(todo);

	if (work && status == STATUS_OK) {
		work->fresh = true;
		work_todo(&todo, work);
	} else if (work) {
		fail(work, status, NULL, &todo);
	}
	run_all(&todo);
}

/* ---- time ---- */

/* What a tick found in a zone. */
struct overdue {
	struct work *dead;              /* out of the line, to be answered */
	struct update_request *late;    /* answered while their changes are in flight */
	struct committer_job *late_jobs;
};

static void
look_at(struct committer_zone *zone, struct work *work, uint64_t now_ns, struct overdue *overdue,
	struct work_list *todo)
{
	bool expired = now_ns >= work->deadline_ns && !work_is_orphan(work);

	if (work->state == WORK_RUNNING)
		return;
	if (expired && work->state == WORK_FLYING) {
		/* It may still be applied: its names stay blocked, and who asks again waits for its fate. */
		if (work->request) {
			work->entry = work->request->retransmit;
			work->request->retransmit = NULL;
			work->request->next = overdue->late;
			overdue->late = work->request;
			work->request = NULL;
		} else {
			work->job->next = overdue->late_jobs;
			overdue->late_jobs = work->job;
			work->job = NULL;
		}
		return;
	}
	if (expired) {
		if (work->state == WORK_BARRIER && tags_take(zone->committer->tags, work->tag) == NULL)
			return; /* it comes back this moment */
		work_leave(zone, work, todo);
		work->next = overdue->dead;
		overdue->dead = work;
		return;
	}
	if (work->state == WORK_RESTING && now_ns >= work->retry_ns) {
		work->state = WORK_RUNNING;
		work_todo(todo, work);
	}
}

static void
settle_overdue(struct committer_zone *zone, struct overdue *overdue)
{
	struct committer *committer = zone->committer;
	static const struct work_outcome maybe = {
		.status = STATUS_TIMEOUT, .store_failure = true, .verdict = "timeout", .ede = EDE_NETWORK_ERROR,
		.reason = "not confirmed in time, may still be applied"};

	while (overdue->dead) {
		struct work *work = overdue->dead;
		overdue->dead = work->next;
		work_tell(work, &out_of_time);
		work_free(committer, work);
	}
	while (overdue->late) {
		struct update_request *request = overdue->late;
		overdue->late = request->next;
		work_answer(committer, request, &maybe);
	}
	while (overdue->late_jobs) {
		struct committer_job *job = overdue->late_jobs;
		overdue->late_jobs = job->next;
		job->done(job, maybe.status, 0, maybe.reason);
	}
}

/* Copies that came after the first request was answered late: each has its own time. */
static struct update_request *
overdue_copies(struct committer_zone *zone, uint64_t now_ns)
{
	struct update_request *all = NULL;

	for (struct work *work = zone->oldest; work; work = work->newer) {
		if (work->state == WORK_RUNNING || work->entry == NULL || now_ns < work->patience_ns)
			continue;
		struct update_request *some =
			retransmit_overdue(zone->committer->retransmit, work->entry, now_ns - work->patience_ns);
		while (some) {
			struct update_request *next = some->next;
			some->next = all;
			all = some;
			some = next;
		}
	}
	return all;
}

static void
tick_zone(struct committer_zone *zone)
{
	struct overdue overdue = {NULL};
	uint64_t now_ns = clock_monotonic_ns();
	WORK_LIST(todo);

	pthread_mutex_lock(&zone->mutex);
	for (struct work *work = zone->oldest, *newer; work; work = newer) {
		newer = work->newer;
		look_at(zone, work, now_ns, &overdue, &todo);
	}
	struct update_request *copies = overdue_copies(zone, now_ns);
	pthread_mutex_unlock(&zone->mutex);
	settle_overdue(zone, &overdue);
	work_deliver_waiters(zone->committer, copies, true);
	run_all(&todo);
}

void
committer_tick(void *context)
{
	struct committer *committer = context;

	if (pthread_mutex_trylock(&committer->zones_mutex) != 0)
		return; /* another follower's tick is at it */
	for (struct committer_zone *zone = committer->zones; zone; zone = zone->next)
		if (atomic_load_explicit(&zone->count, memory_order_relaxed) > 0)
			tick_zone(zone);
	pthread_mutex_unlock(&committer->zones_mutex);
}

/* ---- made and unmade ---- */

/*
 * One that waits, or that the store will not give back any more; NULL: threads are at the rest. Under the zone's mutex.
 */
static struct work *
pick_stranded(struct committer_zone *zone)
{
	for (struct work *work = zone->newest; work; work = work->older) {
		if (work->state == WORK_RUNNING)
			continue;
		if (work->state == WORK_FLYING || work->state == WORK_BARRIER)
			tags_take(zone->committer->tags, work->tag);
		return work;
	}
	return NULL;
}

/* Whoever is let go by one that leaves runs, finds the zone closed, and is answered too. */
static void
empty(struct committer_zone *zone)
{
	WORK_LIST(todo);

	pthread_mutex_lock(&zone->mutex);
	while (zone->oldest) {
		struct work *work = pick_stranded(zone);
		if (work == NULL) {
			pthread_cond_wait(&zone->left, &zone->mutex);
			continue;
		}
		work_leave(zone, work, &todo);
		pthread_mutex_unlock(&zone->mutex);
		work_tell(work, &work_closed);
		work_free(zone->committer, work);
		run_all(&todo);
		pthread_mutex_lock(&zone->mutex);
	}
	pthread_mutex_unlock(&zone->mutex);
}

void
committer_forget(struct committer *committer, struct zone *of)
{
	pthread_mutex_lock(&committer->zones_mutex);
	struct committer_zone *zone = __atomic_exchange_n(&of->committer, &work_zone_ended, __ATOMIC_ACQ_REL);
	if (zone && zone != &work_zone_ended) {
		*zone->link = zone->next;
		if (zone->next)
			zone->next->link = zone->link;
	}
	pthread_mutex_unlock(&committer->zones_mutex);
	if (zone == NULL || zone == &work_zone_ended)
		return;
	pthread_mutex_lock(&zone->mutex);
	zone->closed = true;
	pthread_mutex_unlock(&zone->mutex);
	synchronize_rcu(); /* a worker may have found it, or be in an append, just before */
	empty(zone);
	synchronize_rcu();
	line_free(&zone->line);
	pthread_mutex_destroy(&zone->mutex);
	pthread_cond_destroy(&zone->left);
	free(zone);
}

static struct work_config *
settings_new(const struct committer_settings *from, struct work_config *before)
{
	struct work_config *settings = malloc(sizeof *settings);
	char *gateway = strdup(from->gateway ? from->gateway : "zonegate");

	invariant(settings && gateway); /* at start and at reload only */
	*settings =
		(struct work_config){.before = before, .gateway = gateway, .audit = from->audit, .base = from->base};
	return settings;
}

void
committer_set(struct committer *committer, const struct committer_settings *settings)
{
	struct work_config *before = atomic_load_explicit(&committer->settings, memory_order_acquire);

	atomic_store_explicit(&committer->settings, settings_new(settings, before), memory_order_release);
}

static void
free_parts(struct committer *committer)
{
	while (committer->pool) {
		struct work *work = committer->pool;
		committer->pool = work->next;
		arena_free(&work->arena);
		free(work);
	}
	for (struct work_config *at = atomic_load(&committer->settings), *before; at; at = before) {
		before = at->before;
		free(at->gateway);
		free(at);
	}
	if (committer->retransmit)
		retransmit_free(committer->retransmit);
	if (committer->quota)
		quota_free(committer->quota);
	if (committer->tags)
		tags_free(committer->tags);
	free(committer);
}

struct committer *
committer_new(const struct committer_settings *settings)
{
	struct committer *committer = calloc(1, sizeof *committer);

	if (committer == NULL)
		return NULL;
	atomic_init(&committer->settings, settings_new(settings, NULL));
	committer->retransmit = retransmit_new();
	committer->quota = quota_new(COMMITTER_QUEUE_CLIENT);
	committer->tags = tags_new();
	committer->jobs_end = &committer->jobs;
	pthread_mutex_init(&committer->zones_mutex, NULL);
	pthread_mutex_init(&committer->pool_mutex, NULL);
	pthread_mutex_init(&committer->jobs_mutex, NULL);
	pthread_cond_init(&committer->jobs_wake, NULL);
	if (committer->retransmit && committer->quota && committer->tags &&
	    pthread_create(&committer->thread, NULL, job_thread, committer) == 0)
		return committer;
	free_parts(committer);
	return NULL;
}

void
committer_free(struct committer *committer)
{
	if (committer == NULL)
		return;
	require(committer->zones == NULL);
	pthread_mutex_lock(&committer->jobs_mutex);
	committer->stop = true;
	pthread_cond_signal(&committer->jobs_wake);
	pthread_mutex_unlock(&committer->jobs_mutex);
	pthread_join(committer->thread, NULL);
	free_parts(committer);
}

const struct committer_counters *
committer_counters(const struct committer *committer)
{
	return &committer->counters;
}
