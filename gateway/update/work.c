#include "update/work.h"
#include "base/clock.h"
#include "base/log.h"
#include "update/audit.h"
#include <stdlib.h>

/* One evaluation with its record: a change under CHANGE_MAX_SIZE and the working copy of the RRsets that it touches. */
#define WORK_ARENA_CAP_BYTES ((size_t)64 << 20)
#define POOL_MAX 2048

const struct work_outcome work_closed = {
	.status = STATUS_NOT_FOUND, .rcode = RCODE_SERVFAIL, .verdict = "zone_removed", .ede = EDE_NOT_READY,
	.reason = "the zone is not served any more"};

/* ---- zones ---- */

struct committer_zone work_zone_ended = {.mutex = PTHREAD_MUTEX_INITIALIZER, .closed = true};

/* The committer's mutex is held. NULL: no memory. */
static struct committer_zone *
zone_new(struct committer *committer, struct zone *zone)
{
	const struct zone_version *current = atomic_load_explicit(&zone->current, memory_order_acquire);
	struct committer_zone *own = calloc(1, sizeof *own);

	if (own == NULL || line_init(&own->line) != STATUS_OK) {
		free(own);
		return NULL;
	}
	own->committer = committer;
	own->zone = zone;
	own->standby_end = &own->standby;
	own->seen_version = current ? current->version : 0;
	own->seen_serial = current ? current->serial : 0;
	pthread_mutex_init(&own->mutex, NULL);
	pthread_cond_init(&own->left, NULL);
	own->next = committer->zones;
	if (own->next)
		own->next->link = &own->next;
	own->link = &committer->zones;
	committer->zones = own;
	__atomic_store_n(&zone->committer, own, __ATOMIC_RELEASE);
	return own;
}

struct committer_zone *
work_zone(struct committer *committer, struct zone *zone)
{
	struct committer_zone *own = work_zone_known(zone);

	if (own)
		return own;
	pthread_mutex_lock(&committer->zones_mutex);
	own = work_zone_known(zone);
	if (own == NULL)
		own = zone_new(committer, zone);
	pthread_mutex_unlock(&committer->zones_mutex);
	return own;
}

/* ---- works ---- */

struct work *
work_new(struct committer *committer)
{
	pthread_mutex_lock(&committer->pool_mutex);
	struct work *work = committer->pool;
	if (work) {
		committer->pool = work->next;
		committer->pool_count--;
	}
	pthread_mutex_unlock(&committer->pool_mutex);
	if (work == NULL) {
		work = calloc(1, sizeof *work);
		if (work)
			arena_init(&work->arena, WORK_ARENA_CAP_BYTES);
		return work;
	}
	struct arena arena = work->arena;
	memset(work, 0, offsetof(struct work, claims));
	work->arena = arena;
	return work;
}

void
work_free(struct committer *committer, struct work *work)
{
	if (work->member.claims != work->claims)
		free(work->member.claims);
	arena_reset(&work->arena); /* its first block stays, warm */
	pthread_mutex_lock(&committer->pool_mutex);
	bool keep = committer->pool_count < POOL_MAX;
	if (keep) {
		work->next = committer->pool;
		committer->pool = work;
		committer->pool_count++;
	}
	pthread_mutex_unlock(&committer->pool_mutex);
	if (keep)
		return;
	arena_free(&work->arena);
	free(work);
}

bool
work_claim(struct work *work, const struct form *form)
{
	struct line_claim *claims = work->claims;

	work->member.claims = claims;
	if (form->name_count > WORK_INLINE_CLAIMS)
		claims = malloc(form->name_count * sizeof *claims);
	if (claims == NULL)
		return false;
	work->member.claims = claims;
	work->member.claim_count = form->name_count;
	for (size_t i = 0; i < form->name_count; i++)
		claims[i].hash = form->names[i].hash;
	return true;
}

void
work_todo(struct work_list *todo, struct work *work)
{
	work->next = NULL;
	*todo->end = work;
	todo->end = &work->next;
}

/* ---- the line of a zone; under its mutex ---- */

static void
start(struct committer_zone *zone, struct work *work, struct work_list *todo)
{
	if (zone->going >= WORK_FLIGHT_MAX) {
		work->state = WORK_STANDBY;
		work->next = NULL;
		*zone->standby_end = work;
		zone->standby_end = &work->next;
		return;
	}
	zone->going++;
	work->state = WORK_RUNNING;
	work_todo(todo, work);
}

void
work_enter(struct committer_zone *zone, struct work *work, struct work_list *todo)
{
	work->state = WORK_WAITING;
	work->older = zone->newest;
	work->newer = NULL;
	if (zone->newest)
		zone->newest->newer = work;
	else
		zone->oldest = work;
	zone->newest = work;
	atomic_fetch_add_explicit(&zone->count, 1, memory_order_relaxed);
	if (line_join(&zone->line, &work->member))
		start(zone, work, todo);
}

static void
leave_standby(struct committer_zone *zone, struct work *work)
{
	struct work **link = &zone->standby;

	while (*link != work)
		link = &(*link)->next;
	*link = work->next;
	if (zone->standby_end == &work->next)
		zone->standby_end = link;
}

void
work_leave(struct committer_zone *zone, struct work *work, struct work_list *todo)
{
	if (work->state == WORK_STANDBY)
		leave_standby(zone, work);
	else if (work->state != WORK_WAITING)
		zone->going--;
	*(work->older ? &work->older->newer : &zone->oldest) = work->newer;
	*(work->newer ? &work->newer->older : &zone->newest) = work->older;
	while (zone->standby && zone->going < WORK_FLIGHT_MAX) {
		struct work *next = zone->standby;
		leave_standby(zone, next);
		start(zone, next, todo);
	}
	for (struct line_member *member = line_leave(&zone->line, &work->member), *next; member; member = next) {
		next = member->next;
		start(zone, (struct work *)member, todo);
	}
	atomic_fetch_sub_explicit(&zone->count, 1, memory_order_relaxed);
	if (zone->closed)
		pthread_cond_broadcast(&zone->left);
}

/* ---- answers ---- */

/* updates.md 9: a client that hears nothing tries the next server; one that hears SERVFAIL gives up. */
static void
fail_by_transport(struct update_request *request)
{
	const struct update_settings *settings = work_settings(request->zone);
	enum update_failure failure = request->transport == UPDATE_UDP ? UPDATE_FAIL_DROP : UPDATE_FAIL_SERVFAIL;

	if (settings)
		failure = request->transport == UPDATE_UDP ? settings->on_failure_udp : settings->on_failure_tcp;
	request->rcode = RCODE_SERVFAIL;
	request->drop = failure == UPDATE_FAIL_DROP;
}

/* The outcome stands: count, tell, give back. */
void
work_deliver(struct committer *committer, struct update_request *request, const char *verdict)
{
	uint64_t duration_ns = clock_monotonic_ns() - request->arrival_ns;
	struct work_config *settings = atomic_load_explicit(&committer->settings, memory_order_acquire);

	zone_count_update(request->zone, request->rcode);
	stat_observe(&committer->counters.duration, duration_ns);
	audit_update(settings->audit, request, verdict, duration_ns);
	quota_leave(committer->quota, (const struct sockaddr *)&request->client);
	request->release(request);
}

void
work_deliver_waiters(struct committer *committer, struct update_request *waiters, bool failed)
{
	while (waiters) {
		struct update_request *request = waiters;
		waiters = request->next;
		if (failed)
			fail_by_transport(request);
		work_deliver(committer, request, "repeated");
	}
}

void
work_answer(struct committer *committer, struct update_request *request, const struct work_outcome *outcome)
{
	request->rcode = outcome->rcode;
	request->drop = false;
	request->version = outcome->version;
	request->serial = outcome->serial ? outcome->serial : request->serial;
	if (outcome->store_failure)
		fail_by_transport(request);
	if (outcome->reason)
		ede_set(&request->ede, outcome->ede, "%s", outcome->reason);
	bool failed = request->rcode == RCODE_SERVFAIL;
	struct update_request *waiters = retransmit_answered(committer->retransmit, request, clock_monotonic_ms());
	work_deliver(committer, request, outcome->verdict);
	work_deliver_waiters(committer, waiters, failed);
}

/* The request went without its change's fate; those who asked again since are still here. */
static void
answer_orphan(struct committer *committer, struct retransmit_entry *entry, const struct work_outcome *outcome)
{
	bool failed = outcome->store_failure || outcome->rcode != RCODE_NOERROR;
	struct retransmit_outcome late = {.rcode = failed ? RCODE_SERVFAIL : RCODE_NOERROR, .version = outcome->version,
	                                  .serial = outcome->serial, .passing = failed};

	work_deliver_waiters(committer, retransmit_settle(committer->retransmit, entry, &late, clock_monotonic_ms()),
			     failed);
}

static void
finish_job(const struct work *work, struct committer_job *job, const struct work_outcome *outcome)
{
	const char *reason = outcome->reason ? outcome->reason : "";

	log_info("command", "zone=%s command=%s client=%s status=%s version=%llu reason=%s", work->zone->zone->text,
	         job->command ? job->command : "none", job->client ? job->client : "none", status_text(outcome->status),
	         (unsigned long long)outcome->version, reason);
	job->done(job, outcome->status, outcome->version, reason);
}

void
work_tell(struct work *work, const struct work_outcome *outcome)
{
	struct committer_zone *zone = work->zone;

	pthread_mutex_lock(&zone->mutex); /* a tick may just have taken the request away */
	struct update_request *request = work->request;
	struct committer_job *job = work->job;
	pthread_mutex_unlock(&zone->mutex);
	if (request)
		work_answer(zone->committer, request, outcome);
	else if (job)
		finish_job(work, job, outcome);
	else
		answer_orphan(zone->committer, work->entry, outcome);
}

/* Answered before it leaves: the zone object stays while a work is in its line. */
void
work_finish(struct work *work, const struct work_outcome *outcome, struct work_list *todo)
{
	struct committer_zone *zone = work->zone;
	struct committer *committer = zone->committer;

	work_tell(work, outcome);
	pthread_mutex_lock(&zone->mutex);
	work_leave(zone, work, todo);
	pthread_mutex_unlock(&zone->mutex);
	work_free(committer, work);
}
