#include "control/jobs.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "zone/change_json.h"
#include "zone/check.h"
#include "zone/master.h"
#include "zone/serial.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define OPS_ARENA_CAP (32u << 20) /* ops that fit into a record of 900 kB take less */
#define OPS_RECORDS 50000         /* more than that in a new zone never fit */
#define TIMEOUT_MS 60000
#define EDIT_MS 5000              /* who waits holds the gateway's lock, and tries again */
#define TOGETHER_RECORDS 100000    /* of zones that are loaded together: what is read and not yet served takes memory */
#define TOGETHER 512              /* fewer than a committer has tags, and more than share a commit */
#define SERIAL_FROM_END 20 /* SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM end the RDATA of a SOA (RFC 1035 3.3.13) */

struct task {
	struct committer_job job;
	/* Makes the content that is wanted; may be called again. */
	enum status (*fill)(struct task *task, struct draft *draft, char *reason);
	struct draft draft;
	bool filled;
	struct arena arena;
	/* what `fill` needs */
	const struct config_zone *config;
	const char *text, *path;
	size_t size;
	uint64_t version;
	bool freeze;
	jobs_fill_fn *edit;
	/* the outcome */
	pthread_mutex_t mutex;
	pthread_cond_t finished;
	bool done, changed;
	enum status status;
	uint64_t result;
	char reason[JOBS_REASON_SIZE];
};

static enum status
say(char *reason, enum status status, const char *text)
{
	snprintf(reason, JOBS_REASON_SIZE, "%s", text);
	return status;
}

/* ---- the content that is wanted ---- */

static enum status
jobs_check(struct draft *draft, const char *path, char *reason)
{
	char why[CHECK_REASON_SIZE];
	enum status status = check_version(draft->version, why);

	if (status != STATUS_OK)
		snprintf(reason, JOBS_REASON_SIZE, "%s:1: %s", path, why);
	return status;
}

/* `prefix` is labels without the root's. Where the name would be too long, the zone's own. */
static void
jobs_name_below(const uint8_t *zone, const char *prefix, uint8_t *out)
{
	if (name_join((const uint8_t *)prefix, strlen(prefix), zone, out) != STATUS_OK)
		name_lower(zone, out);
}

/* RFC 9432 4.1 and 4.2.1: a version, and nobody's NS. */
static enum status
jobs_smallest_catalog(const struct config_zone *config, struct draft *draft)
{
	uint8_t name[NAME_MAX_SIZE];

	jobs_name_below(config->name, "\7version", name);
	return draft_add(draft, name, TYPE_TXT, 0, (const uint8_t *)"\1" "2", 2);
}

/*
 * events.md: "by default MNAME and NS ns.dns.ZONE, RNAME hostmaster.ZONE"; of a catalog "invalid.", as RFC 9432 has it.
 */
static enum status
jobs_smallest_zone(const struct config_zone *config, struct draft *draft)
{
	/* serial, refresh, retry, expire, minimum */
	static const uint32_t times[] = {1, 3600, 600, 604800, 300}, catalog_times[] = {1, 3600, 600, 2147483646, 0};
	static const uint8_t invalid[] = "\7invalid";
	const struct config_rules *rules = config->rules;
	bool catalog = config->catalog == CONFIG_CATALOG_PRODUCE || config->catalog == CONFIG_CATALOG_CONSUME;
	uint8_t rdata[2 * NAME_MAX_SIZE + SERIAL_FROM_END], ns[NAME_MAX_SIZE], rname[NAME_MAX_SIZE];
	struct writer out = writer_over(rdata, sizeof rdata);
	uint32_t ttl_s = catalog ? 0 : 3600;

	jobs_name_below(config->name, "\2ns\3dns", ns);
	jobs_name_below(config->name, "\12hostmaster", rname);
	const uint8_t *mname = rules->soa_mname ? rules->soa_mname : rules->ns_count > 0 ? rules->ns[0]
									: catalog ? invalid : ns;
	const uint8_t *mailbox = rules->soa_rname ? rules->soa_rname : catalog ? invalid : rname;
	writer_bytes(&out, mname, name_size(mname));
	writer_bytes(&out, mailbox, name_size(mailbox));
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		writer_u32(&out, catalog ? catalog_times[i] : times[i]);
	enum status status = draft_add(draft, config->name, TYPE_SOA, ttl_s, rdata, writer_size(&out));
	for (size_t i = 0; status == STATUS_OK && i < (rules->ns_count > 0 ? rules->ns_count : 1); i++) {
		const uint8_t *server = rules->ns_count > 0 ? rules->ns[i] : catalog ? invalid : mname;
		status = draft_add(draft, config->name, TYPE_NS, ttl_s, server, name_size(server));
	}
	if (catalog && (status == STATUS_OK || status == STATUS_EXISTS))
		status = jobs_smallest_catalog(config, draft);
	return status == STATUS_EXISTS ? STATUS_OK : status;
}

enum status
jobs_read_file(const struct config_zone *config, struct draft *draft, char *reason)
{
	if (!config->file) {
		enum status status = jobs_smallest_zone(config, draft);
		return status == STATUS_OK ? STATUS_OK : say(reason, status, status_text(status));
	}
	enum status status = master_load(config->file, draft, reason);
	return status == STATUS_OK ? jobs_check(draft, config->file, reason) : status;
}

enum status
jobs_check_file(const struct config *config, const struct config_zone *zone, char *reason)
{
	struct draft draft;
	char why[JOBS_REASON_SIZE] = "";
	enum status status = draft_begin(&draft, NULL, zone->name);

	if (status != STATUS_OK)
		return say(reason, status, status_text(status));
	status = jobs_read_file(zone, &draft, why);
	draft_drop(&draft);
	/* A file that cannot be read has no line of its own. */
	if (status == STATUS_IO)
		snprintf(reason, JOBS_REASON_SIZE, "%s:%u: %.700s", config->path, zone->file_line, why);
	else if (status != STATUS_OK)
		snprintf(reason, JOBS_REASON_SIZE, "%s", why);
	return status;
}

static enum status
fill_from_file(struct task *task, struct draft *draft, char *reason)
{
	return jobs_read_file(task->config, draft, reason);
}

static enum status
fill_from_text(struct task *task, struct draft *draft, char *reason)
{
	enum status status = master_parse(task->text, task->size, task->path, draft, reason);
	return status == STATUS_OK ? jobs_check(draft, task->path, reason) : status;
}

/* What was there is in the hands of an attempt that lost against another change. */
static enum status
fill_from_nothing(struct task *task, struct draft *draft, char *reason)
{
	(void)task, (void)draft;
	return say(reason, STATUS_RETRY, "the zone was changed meanwhile");
}

static enum status
fill_from_history(struct task *task, struct draft *draft, char *reason)
{
	struct store *store = task->job.zone->store;
	char why[STORE_REASON_SIZE] = "";
	enum status status = store->ops->content_at(store, task->job.zone, task->version, draft, why);

	if (status != STATUS_OK)
		snprintf(reason, JOBS_REASON_SIZE, "version %llu: %s", (unsigned long long)task->version,
			 why[0] ? why : status_text(status));
	return status;
}

static enum status
task_fill(struct task *task, char *reason)
{
	if (task->filled && task->draft.version)
		return STATUS_OK;
	enum status status = draft_begin(&task->draft, NULL, task->job.zone->name);
	if (status != STATUS_OK)
		return say(reason, status, status_text(status));
	status = task->fill(task, &task->draft, reason);
	task->filled = status == STATUS_OK;
	if (!task->filled)
		draft_drop(&task->draft);
	return status;
}

/* ---- from content to a change ---- */

static uint32_t
soa_serial(const struct rrset *soa)
{
	struct rdata rdata = rrset_first(soa);
	return bytes_get_u32(rdata.bytes + rdata.size - SERIAL_FROM_END);
}

/*
 * The serial goes up whatever the wanted SOA says: a SET of the SOA takes its serial only where that is greater.
 * Returns the SOA's op, if any.
 */
static enum status
jobs_raise_serial(struct task *task, const struct zone_version *version, struct change *change)
{
	struct rrset soa;
	struct change_op *op = NULL;
	const struct update_settings *settings = atomic_load(&task->job.zone->update_settings);
	uint32_t candidate = serial_candidate(settings ? settings->serial : SERIAL_INCREMENT, clock_wall_s());

	for (size_t i = 0; i < change->op_count; i++)
		if (change->ops[i].rrset.type == TYPE_SOA && change->ops[i].kind != CHANGE_DEL)
			op = &change->ops[i];
	if (!version_soa(task->draft.version, &soa))
		return STATUS_INVALID;
	bool greater = serial_greater(soa_serial(&soa), version->serial);
	if (!op && greater) {
		/* Nothing of the SOA but its serial differs: the file's counts. */
		struct change_op *ops = arena_alloc(&task->arena, (change->op_count + 1) * sizeof *ops);
		if (!ops)
			return STATUS_LIMIT;
		ops[0] = (struct change_op){.kind = CHANGE_SET, .owner = task->job.zone->name, .rrset = soa};
		memcpy(ops + 1, change->ops, change->op_count * sizeof *ops);
		change->ops = ops;
		change->op_count++;
	} else if (op && !greater) {
		uint8_t *packed = arena_copy(&task->arena, op->rrset.packed, op->rrset.packed_size);
		if (!packed)
			return STATUS_LIMIT;
		bytes_put_u32(packed + op->rrset.packed_size - SERIAL_FROM_END,
			      serial_next(version->serial, candidate));
		op->rrset.packed = packed;
	} else if (!op) {
		change->serial = candidate;
	}
	return STATUS_OK;
}

/* Ops from what is there to what is wanted. STATUS_LIMIT: too many for a record. */
static enum status
jobs_fill_ops(struct task *task, const struct zone_version *version, struct change *change)
{
	struct draft nothing = {0};
	const uint8_t *record;
	size_t size;
	enum status status = STATUS_OK;

	if (!version && task->draft.version->records > OPS_RECORDS)
		return STATUS_LIMIT;
	if (!version)
		status = draft_begin(&nothing, NULL, task->job.zone->name);
	if (status == STATUS_OK)
		status = change_between(version ? version : nothing.version, task->draft.version, &task->arena,
					&change->ops, &change->op_count);
	draft_drop(&nothing);
	if (status == STATUS_OK && version)
		status = jobs_raise_serial(task, version, change);
	if (status == STATUS_OK && change->op_count == 0)
		return STATUS_EXISTS;
	/* The committer adds base and origin: some hundred octets. */
	if (status == STATUS_OK && change_json_encode(change, &task->arena, &record, &size) == STATUS_OK &&
	    size < CHANGE_MAX_SIZE - 4096)
		return STATUS_OK;
	return status == STATUS_OK ? STATUS_LIMIT : status;
}

static enum status
jobs_fill_snapshot(struct task *task, struct arena *arena, struct change *change, char *reason)
{
	struct store *store = task->job.zone->store;
	struct change_snapshot *snapshot = arena_alloc(arena, sizeof *snapshot);
	char why[STORE_REASON_SIZE] = "";

	if (!snapshot)
		return say(reason, STATUS_LIMIT, "no memory");
	enum status status =
		store->ops->save_snapshot(store, task->job.zone, task->draft.version, arena, snapshot, why);
	if (status != STATUS_OK)
		return say(reason, status, why[0] ? why : status_text(status));
	change->ops = NULL;
	change->op_count = 0;
	change->serial = 0;
	change->snapshot = snapshot;
	task->job.content = &task->draft;
	return STATUS_OK;
}

/* A digest that came with the content would stand for another serial: where the gateway makes it, it is left out. */
static enum status
jobs_leave_out_digest(struct task *task, char *reason)
{
	const struct zone *zone = task->job.zone;
	const struct update_settings *settings = atomic_load(&zone->update_settings);
	struct rrset rrset;

	if (!settings || !settings->zonemd || !version_rrset(task->draft.version, zone->name, TYPE_ZONEMD, &rrset))
		return STATUS_OK;
	log_info("zonemd", "left out of what was loaded, the gateway makes it zone=%s", zone->text);
	enum status status = draft_delete_rrset(&task->draft, zone->name, TYPE_ZONEMD);
	return status == STATUS_OK ? STATUS_OK : say(reason, status, status_text(status));
}

/* Import, rollback, load: the zone's content becomes that of task->draft. */
static enum status
evaluate_content(struct committer_job *job, const struct zone_version *version, struct arena *arena,
		 struct change *change, char *reason)
{
	struct task *task = (struct task *)job;
	char why[JOBS_REASON_SIZE] = "";
	enum status status = task_fill(task, why);

	if (status == STATUS_OK)
		status = jobs_leave_out_digest(task, why);
	arena_reset(&task->arena);
	if (status == STATUS_OK) {
		change->exclusive = true;
		status = jobs_fill_ops(task, version, change);
		if (status == STATUS_LIMIT)
			status = jobs_fill_snapshot(task, arena, change, why);
	}
	if (status != STATUS_OK && status != STATUS_EXISTS) {
		snprintf(task->reason, sizeof task->reason, "%s", why[0] ? why : status_text(status));
		snprintf(reason, STORE_REASON_SIZE, "%.*s", STORE_REASON_SIZE - 1, task->reason);
	}
	task->changed = status == STATUS_OK;
	return status;
}

static enum status
evaluate_freeze(struct committer_job *job, const struct zone_version *version, struct arena *arena,
		struct change *change, char *reason)
{
	struct task *task = (struct task *)job;

	(void)arena;
	if (!version) {
		snprintf(reason, STORE_REASON_SIZE, "the zone has no content yet");
		return STATUS_NOT_FOUND;
	}
	task->changed = version->frozen != task->freeze;
	change->frozen = task->freeze;
	return task->changed ? STATUS_OK : STATUS_EXISTS;
}

static enum status
evaluate_remove(struct committer_job *job, const struct zone_version *version, struct arena *arena,
		struct change *change, char *reason)
{
	(void)arena, (void)reason;
	/* Another gateway was quicker: what it left may still be in the table. */
	if (!version || atomic_load(&job->zone->state) == ZONE_REMOVED)
		return STATUS_EXISTS;
	change->removed = true;
	return STATUS_OK;
}

/* ---- to its fate ---- */

static void
task_done(struct committer_job *job, enum status status, uint64_t version, const char *reason)
{
	struct task *task = (struct task *)job;

	pthread_mutex_lock(&task->mutex);
	task->done = true;
	task->status = status;
	task->result = version;
	if (status != STATUS_OK && task->reason[0] == '\0')
		snprintf(task->reason, sizeof task->reason, "%s", reason && reason[0] ? reason : status_text(status));
	pthread_cond_signal(&task->finished);
	pthread_mutex_unlock(&task->mutex);
}

static void
task_start(struct task *task, struct committer *committer, struct zone *zone, const char *command)
{
	task->job.zone = zone;
	task->job.done = task_done;
	task->job.command = command;
	if (task->job.timeout_ms == 0)
		task->job.timeout_ms = TIMEOUT_MS;
	task->job.when_frozen = true;
	arena_init(&task->arena, OPS_ARENA_CAP);
	pthread_mutex_init(&task->mutex, NULL);
	pthread_cond_init(&task->finished, NULL);
	rcu_thread_online();
	committer_run(committer, &task->job);
	rcu_thread_offline();
}

static enum status
task_wait(struct task *task, struct jobs_result *result, char *reason)
{
	pthread_mutex_lock(&task->mutex);
	while (!task->done)
		pthread_cond_wait(&task->finished, &task->mutex);
	pthread_mutex_unlock(&task->mutex);
	pthread_mutex_destroy(&task->mutex);
	pthread_cond_destroy(&task->finished);
	draft_drop(&task->draft);
	arena_free(&task->arena);
	if (task->status != STATUS_OK)
		return say(reason, task->status, task->reason);
	if (result)
		*result = (struct jobs_result){task->result, task->changed};
	return STATUS_OK;
}

static enum status
task_run(struct task *task, struct committer *committer, struct zone *zone, const char *command,
	 struct jobs_result *result, char *reason)
{
	task_start(task, committer, zone, command);
	return task_wait(task, result, reason);
}

/* Their fates; `tasks` are those of `loading`. */
static void
jobs_load_wait(struct task *tasks, struct jobs_loading *loading, size_t count)
{
	char reason[JOBS_REASON_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (loading[i].status != STATUS_OK)
			continue;
		loading[i].status = task_wait(&tasks[i], NULL, reason);
		if (loading[i].status != STATUS_OK)
			loading[i].reason = strdup(reason);
	}
}

void
jobs_load_all(struct committer *committer, struct jobs_loading *loading, size_t count)
{
	struct task *tasks = calloc(count + 1, sizeof *tasks);
	char reason[JOBS_REASON_SIZE];
	size_t waits = 0, records = 0;

	/* Without memory for this no zone can be loaded. */
	require(tasks);
	for (size_t i = 0; i < count; i++) {
		struct task *task = &tasks[i];
		task->job.evaluate = evaluate_content;
		task->job.zone = loading[i].zone;
		task->fill = fill_from_file;
		task->config = loading[i].config;
		/* Read before the committer is asked: what is wrong with a file is nobody else's wait. */
		loading[i].status = task_fill(task, reason);
		if (loading[i].status != STATUS_OK) {
			loading[i].reason = strdup(reason);
			continue;
		}
		records += task->draft.version->records;
		task_start(task, committer, loading[i].zone, "load");
		if (records < TOGETHER_RECORDS && i - waits < TOGETHER)
			continue;
		jobs_load_wait(tasks + waits, loading + waits, i + 1 - waits);
		waits = i + 1;
		records = 0;
	}
	jobs_load_wait(tasks + waits, loading + waits, count - waits);
	free(tasks);
}

enum status
jobs_import(struct committer *committer, struct zone *zone, const char *text, size_t size, const char *path,
	    struct jobs_result *result, char *reason)
{
	struct task task = {.job.evaluate = evaluate_content,
			    .fill = fill_from_text,
			    .text = text,
			    .size = size,
			    .path = path,
			    .job.zone = zone};
	enum status status = task_fill(&task, reason);

	return status == STATUS_OK ? task_run(&task, committer, zone, "import", result, reason) : status;
}

enum status
jobs_import_draft(struct committer *committer, struct zone *zone, struct draft *draft, struct jobs_result *result,
		  char *reason)
{
	struct task task = {.job.evaluate = evaluate_content,
			    .fill = fill_from_nothing,
			    .draft = *draft,
			    .filled = true,
			    .job.zone = zone};
	char why[CHECK_REASON_SIZE];

	task.draft.version->apex = zone->name;
	*draft = (struct draft){0};
	if (check_version(task.draft.version, why) == STATUS_OK)
		return task_run(&task, committer, zone, "import", result, reason);
	draft_drop(&task.draft);
	return say(reason, STATUS_INVALID, why);
}

enum status
jobs_rollback(struct committer *committer, struct zone *zone, uint64_t version, struct jobs_result *result,
	      char *reason)
{
	struct task task = {
		.job.evaluate = evaluate_content, .fill = fill_from_history, .version = version, .job.zone = zone};
	enum status status = task_fill(&task, reason);

	return status == STATUS_OK ? task_run(&task, committer, zone, "rollback", result, reason) : status;
}

enum status
jobs_freeze(struct committer *committer, struct zone *zone, bool freeze, struct jobs_result *result, char *reason)
{
	struct task task = {.job.evaluate = evaluate_freeze, .freeze = freeze};
	return task_run(&task, committer, zone, freeze ? "freeze" : "thaw", result, reason);
}

enum status
jobs_remove(struct committer *committer, struct zone *zone, char *reason)
{
	struct task task = {.job.evaluate = evaluate_remove};
	return task_run(&task, committer, zone, "remove", NULL, reason);
}

enum status
jobs_remove_all(struct committer *committer, struct zone *const *zones, size_t count, char *reason)
{
	struct task *tasks = calloc(count + 1, sizeof *tasks);
	enum status status = STATUS_OK;

	if (!tasks)
		return say(reason, STATUS_NO_MEMORY, "no memory");
	/* Together, so that they share the store's commits; some at a time, so that none is refused. */
	for (size_t begin = 0; begin < count; begin += TOGETHER) {
		size_t end = count - begin > TOGETHER ? begin + TOGETHER : count;
		for (size_t i = begin; i < end; i++) {
			tasks[i].job.evaluate = evaluate_remove;
			task_start(&tasks[i], committer, zones[i], "remove");
		}
		for (size_t i = begin; i < end; i++) {
			enum status one = task_wait(&tasks[i], NULL, reason);
			status = one == STATUS_OK ? status : one;
		}
	}
	free(tasks);
	return status;
}

/* ---- a change of somebody else's making ---- */

static enum status
evaluate_edit(struct committer_job *job, const struct zone_version *version, struct arena *arena, struct change *change,
	      char *reason)
{
	struct task *task = (struct task *)job;

	if (!version) {
		snprintf(reason, STORE_REASON_SIZE, "the zone has no content yet");
		return STATUS_NOT_FOUND;
	}
	const struct update_settings *settings = atomic_load(&job->zone->update_settings);
	change->serial = serial_candidate(settings ? settings->serial : SERIAL_INCREMENT, clock_wall_s());
	return task->edit(job->context, version, arena, change);
}

enum status
jobs_edit(struct committer *committer, struct zone *zone, const char *command, jobs_fill_fn *fill, void *context,
	  char *reason)
{
	struct task task = {
		.job.evaluate = evaluate_edit, .job.context = context, .job.timeout_ms = EDIT_MS, .edit = fill};

	return task_run(&task, committer, zone, command, NULL, reason);
}
