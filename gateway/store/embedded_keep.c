/* The keeper: one thread that writes content behind the log, and trims history (store/embedded_data.h). */
#include "store/embedded_data.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "base/wait.h"
#include "wire/name.h"
#include "zone/change_json.h"
#include <stdlib.h>

#define NAMES_IN_PLACE 50000  /* more names than that become a new generation */
#define NODES_IN_ONE 4096     /* of one transaction: commits of updates wait for it, some milliseconds */
#define ROWS_IN_ONE 10000     /* to delete */
#define TRIM_MS 60000
#define LOOK_MS 1000          /* is it time for that? */
#define SMALL_NODES 64        /* a zone that is kept together with others */
#define SMALL_TOGETHER 512    /* zones in one transaction, for which commits of updates wait some milliseconds */

/* What is being kept now. */
struct keeping {
	struct embedded *embedded;
	struct embedded_zone *at;
	struct embedded_record record;
	struct zone_version *version;
	uint8_t *window;
	size_t window_size;
	struct kv_txn *txn;
};

static enum status
put_window_and_record(struct keeping *keeping)
{
	const struct zone_version *version = keeping->version;
	struct embedded_record *record = &keeping->record;
	uint8_t number[4];

	record->content = (struct embedded_place){
		.version = version->version, .serial = version->serial, .time_us = version->time_us};
	memcpy(record->content.id, version->id, VERSION_ID_SIZE);
	bytes_put_u32(number, record->number);
	enum status status = kv_put(keeping->txn, KV_WARM, (struct kv_bytes){number, 4},
	                            (struct kv_bytes){keeping->window, keeping->window_size});
	return status ? status : embedded_data_put(keeping->txn, keeping->at->zone->name, record);
}

/* ---- a small difference ---- */

static enum status
keep_name(void *context, const uint8_t *name)
{
	struct keeping *keeping = context;
	size_t size = name_size(name);
	const struct node *node = version_find(keeping->version, name, size);

	if (node && node->rrset_count)
		return embedded_content_put(keeping->txn, &keeping->record, keeping->record.generation, node);
	return embedded_content_delete(keeping->txn, &keeping->record, name, size - keeping->version->apex_size);
}

/* False: it is not small. */
static bool
keep_difference(struct keeping *keeping, enum status *status)
{
	if (keeping->record.generation == 0)
		return false;
	*status = kv_begin_write(keeping->embedded->kv, &keeping->txn);
	if (*status)
		return true;
	bool small = embedded_data_changed(keeping->window, keeping->window_size, keeping->record.content.version,
					   NAMES_IN_PLACE, keep_name, keeping, status);
	if (small && !*status)
		*status = put_window_and_record(keeping);
	if (small && !*status)
		*status = kv_commit(keeping->txn);
	else
		kv_abort(keeping->txn);
	return small;
}

/* ---- a new generation ---- */

static int
compare_keys(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
	size_t common = x->name_size < y->name_size ? x->name_size : y->name_size;
	int order = memcmp(node_name(x), node_name(y), common);

	return order ? order : (int)x->name_size - (int)y->name_size;
}

struct gathering {
	const struct node **nodes;
	size_t count;
};

static bool
gather(void *context, const struct node *node)
{
	struct gathering *gathering = context;

	if (node->rrset_count)
		gathering->nodes[gathering->count++] = node;
	return true;
}

/* Rows of a table that begin with a prefix, a transaction at a time. */
enum status
embedded_keep_delete(struct embedded *embedded, enum kv_table table, struct kv_bytes prefix)
{
	size_t deleted = ROWS_IN_ONE;
	enum status status = STATUS_OK;
	struct kv_txn *txn;

	while (!status && deleted == ROWS_IN_ONE) {
		status = kv_begin_write(embedded->kv, &txn);
		if (status)
			break;
		status = kv_delete_prefix(txn, table, prefix, ROWS_IN_ONE, &deleted);
		if (status || deleted == 0)
			kv_abort(txn);
		else
			status = kv_commit(txn);
	}
	return status;
}

static enum status
delete_generation(struct embedded *embedded, uint32_t number, uint32_t generation)
{
	uint8_t prefix[8];

	bytes_put_u32(prefix, number);
	bytes_put_u32(prefix + 4, generation);
	return embedded_keep_delete(embedded, KV_CONTENT, (struct kv_bytes){prefix, 8});
}

static enum status
put_nodes(struct keeping *keeping, const struct gathering *all, uint32_t generation)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < all->count && !status;) {
		size_t end = all->count - i > NODES_IN_ONE ? i + NODES_IN_ONE : all->count;
		status = kv_begin_write(keeping->embedded->kv, &keeping->txn);
		if (status)
			return status;
		for (; i < end && !status; i++)
			status = embedded_content_put(keeping->txn, &keeping->record, generation, all->nodes[i]);
		if (!status)
			status = kv_commit(keeping->txn);
		else
			kv_abort(keeping->txn);
	}
	return status;
}

/* Beside the old one, which holds until the last transaction of the new. */
static enum status
keep_generation(struct keeping *keeping)
{
	struct embedded *embedded = keeping->embedded;
	uint32_t number = keeping->record.number, old = keeping->record.generation, new = old + 1 ? old + 1 : 1;
	struct gathering all = {.nodes = malloc((keeping->version->tree.count + 1) * sizeof *all.nodes)};

	if (!all.nodes)
		return STATUS_NO_MEMORY;
	tree_each(&keeping->version->tree, gather, &all);
	qsort(all.nodes, all.count, sizeof *all.nodes, compare_keys);
	enum status status = delete_generation(embedded, number, new); /* of a time that was cut short */
	if (!status)
		status = put_nodes(keeping, &all, new);
	free(all.nodes);
	if (!status)
		status = kv_begin_write(embedded->kv, &keeping->txn);
	if (status)
		return status;
	keeping->record.generation = new;
	status = put_window_and_record(keeping);
	if (!status)
		status = kv_commit(keeping->txn);
	else
		kv_abort(keeping->txn);
	if (!status && old)
		status = delete_generation(embedded, number, old);
	return status;
}

/* ---- history ---- */

struct trimming {
	uint64_t before_us; /* entries not younger than this may go */
	const uint8_t *apex;
	struct arena arena;
	uint64_t last;      /* newest version that may go, so the new base */
	struct embedded_place base;
	uint64_t count;
};

static bool
may_go(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct trimming *trimming = context;
	struct embedded_entry entry;

	if (!embedded_data_entry(key, value, &entry) || entry.version > trimming->last)
		return false;
	uint64_t time_us = change_json_time(entry.record, entry.size);
	if (time_us > trimming->before_us)
		return false;
	trimming->base = (struct embedded_place){.version = entry.version, .serial = entry.serial, .time_us = time_us};
	memcpy(trimming->base.id, entry.id, VERSION_ID_SIZE);
	trimming->count++;
	return true;
}

/* Log entries up to the base, oldest first. */
static enum status
delete_entries(struct embedded *embedded, const struct embedded_record *record)
{
	uint8_t key[12];
	enum status status = STATUS_OK;
	bool more = true;

	while (more && !status) {
		struct kv_txn *txn;
		struct kv_bytes found = {0}, value;
		status = kv_begin_write(embedded->kv, &txn);
		if (status)
			break;
		for (size_t i = 0; i < ROWS_IN_ONE && !status && more; i++) {
			embedded_data_log_key(record->number, 0, key);
			more = kv_first(txn, KV_LOG, (struct kv_bytes){key, 4}, &found, &value) == STATUS_OK &&
			       found.size == 12 &&
			       bytes_get_u64((const uint8_t *)found.bytes + 4) <= record->base.version;
			if (more) {
				memcpy(key, found.bytes, 12);
				status = kv_delete(txn, KV_LOG, (struct kv_bytes){key, 12});
			}
		}
		if (!status)
			status = kv_commit(txn);
		else
			kv_abort(txn);
	}
	return status;
}

static enum status
put_record(struct embedded *embedded, struct embedded_zone *at, const struct embedded_record *record)
{
	struct kv_txn *txn;
	enum status status = kv_begin_write(embedded->kv, &txn);

	if (status)
		return status;
	status = embedded_data_put(txn, at->zone->name, record);
	if (!status)
		return kv_commit(txn);
	kv_abort(txn);
	return status;
}

/* The content of the new base as chunks, then the record, then what is before it may go. */
static enum status
move_base(struct embedded *embedded, struct embedded_zone *at, struct embedded_record *record,
	  const struct embedded_place *base)
{
	char reason[STORE_REASON_SIZE] = "", snapshot[EMBEDDED_SNAPSHOT_ID + 1];
	struct change_snapshot out;
	struct draft draft;
	struct replay *replay = replay_new();

	if (!replay || draft_begin(&draft, NULL, at->zone->name) != STATUS_OK) {
		replay_free(replay);
		return STATUS_NO_MEMORY;
	}
	enum status status = embedded_content_at(embedded, at, base->version, &draft, replay, reason);
	if (!status)
		status = embedded_content_save(embedded, record->number, draft.version, snapshot, &out, reason);
	draft_drop(&draft);
	replay_free(replay);
	if (status) {
		log_warning("history not trimmed", "zone=%s reason=%s", at->zone->text, reason);
		return status;
	}
	record->base = *base;
	memcpy(record->base_snapshot, snapshot, sizeof snapshot);
	record->base_chunks = out.chunks;
	return put_record(embedded, at, record);
}

/* The last entry says where the zone is, and content must not be older than the base. */
static uint64_t
last_to_trim(uint64_t content_version, uint64_t head)
{
	return content_version < head || head == 0 ? content_version : head - 1;
}

bool
embedded_keep_can_trim(const struct embedded_zone *at)
{
	return at->base_version + 1 + at->records / 10 <= last_to_trim(at->content_version, at->head);
}

/*
 * History that is older than it has to be. The new base costs as much as the zone is large, so it is made when what can
 * go is worth it: a tenth of the zone's records.
 */
static enum status
trim(struct embedded *embedded, struct embedded_zone *at, struct embedded_record *record, uint64_t head,
     uint64_t records)
{
	uint64_t keep_s = atomic_load(&embedded->keep_history_s), now_us = clock_wall_us();
	struct trimming trimming = {.before_us = now_us - keep_s * 1000000};
	struct kv_txn *txn;
	uint8_t key[12];

	if (keep_s == 0 || keep_s * 1000000 > now_us || record->removed || !record->generation)
		return STATUS_OK;
	trimming.last = last_to_trim(record->content.version, head);
	embedded_data_log_key(record->number, record->base.version + 1, key);
	enum status status = kv_begin_read(embedded->kv, &txn);
	if (status)
		return status;
	status = kv_each(txn, KV_LOG, (struct kv_bytes){key, 12}, 4, may_go, &trimming);
	kv_abort(txn);
	if (status || trimming.count < 1 + records / 10)
		return status;
	status = move_base(embedded, at, record, &trimming.base);
	if (!status)
		status = delete_entries(embedded, record);
	if (!status)
		embedded_content_orphans(embedded, at, record);
	return status;
}

/* A zone that was removed: everything but its record and its last entry. */
static enum status
tidy(struct embedded *embedded, struct embedded_zone *at, const struct embedded_record *record)
{
	uint8_t number[4];

	bytes_put_u32(number, record->number);
	enum status status = STATUS_OK;
	if (record->removed)
		status = embedded_keep_delete(embedded, KV_CONTENT, (struct kv_bytes){number, 4});
	if (!status)
		status = delete_entries(embedded, record);
	if (!status)
		embedded_content_orphans(embedded, at, record);
	return status;
}

/* ---- what waits ---- */

static bool
has_work(const struct embedded_zone *at)
{
	return at->version || at->tidy || at->trim;
}

void
embedded_keep_queue(struct embedded *embedded, struct embedded_zone *at)
{
	/* Who ends being busy comes here again. */
	if (at->queued || at->busy || !has_work(at))
		return;
	if (!embedded->queue)
		pthread_cond_broadcast(&embedded->work);
	at->queued = true;
	at->next_queued = NULL;
	*embedded->queue_end = at;
	embedded->queue_end = &at->next_queued;
}

/* The first of the queue, which is not empty; perhaps it has become busy. The mutex is held. */
static struct embedded_zone *
take_first(struct embedded *embedded)
{
	struct embedded_zone *at = embedded->queue;

	embedded->queue = at->next_queued;
	if (!embedded->queue)
		embedded->queue_end = &embedded->queue;
	at->queued = false;
	return at;
}

void
embedded_keep_unqueue(struct embedded *embedded, struct embedded_zone *at)
{
	if (!at->queued)
		return;
	struct embedded_zone **link = &embedded->queue;
	while (*link != at)
		link = &(*link)->next_queued;
	*link = at->next_queued;
	if (!*link)
		embedded->queue_end = link;
	at->queued = false;
}

/* ---- many small zones at once ---- */

/* All of it in the transaction of the group. */
static enum status
keep_small(struct keeping *keeping)
{
	struct embedded_record *record = &keeping->record;
	struct gathering all = {.nodes = (const struct node *[SMALL_NODES]){0}};
	enum status status = STATUS_OK;
	uint8_t prefix[8];
	size_t deleted;

	if (record->generation && embedded_data_changed(keeping->window, keeping->window_size, record->content.version,
	                                                SMALL_NODES, keep_name, keeping, &status))
		return status ? status : put_window_and_record(keeping);
	bytes_put_u32(prefix, record->number);
	for (unsigned i = 0; i < 2 && !status; i++) {
		/* The new generation's rows are of a time that was cut short, if there are any. */
		bytes_put_u32(prefix + 4, record->generation);
		status = kv_delete_prefix(keeping->txn, KV_CONTENT, (struct kv_bytes){prefix, 8}, SIZE_MAX, &deleted);
		if (i == 0)
			record->generation = record->generation + 1 ? record->generation + 1 : 1;
	}
	tree_each(&keeping->version->tree, gather, &all);
	qsort(all.nodes, all.count, sizeof *all.nodes, compare_keys);
	for (size_t i = 0; i < all.count && !status; i++)
		status = embedded_content_put(keeping->txn, record, record->generation, all.nodes[i]);
	return status ? status : put_window_and_record(keeping);
}

static bool
is_small(const struct embedded_zone *at)
{
	return at->version && !at->tidy && !at->removed && at->version->tree.count <= SMALL_NODES;
}

/* What waits of a zone, taken out of it; it is busy from now on. The mutex is held. */
static struct keeping
take_over(struct embedded *embedded, struct embedded_zone *at)
{
	struct keeping keeping = {.embedded = embedded, .at = at, .version = at->version, .window = at->window,
				  .window_size = at->window_size};

	at->version = NULL;
	at->window = NULL;
	at->busy = true;
	return keeping;
}

/* The mutex is held. */
static void
give_back(struct embedded *embedded, struct keeping *keeping, enum status status)
{
	struct embedded_zone *at = keeping->at;

	if (!status)
		embedded_data_note(at, &keeping->record);
	else
		at->handed = 0; /* the next checkpoint brings it again */
	at->busy = false;
	embedded_keep_queue(embedded, at);
	pthread_cond_broadcast(&embedded->done);
}

/* A commit is some milliseconds of disk, whatever it holds. The mutex is held. */
static void
keep_group(struct embedded *embedded, struct embedded_zone *first)
{
	struct keeping *group = embedded->group;
	size_t count = 0;
	struct kv_txn *txn;

	group[count++] = take_over(embedded, first);
	while (count < SMALL_TOGETHER && embedded->queue && (embedded->queue->busy || is_small(embedded->queue))) {
		struct embedded_zone *at = take_first(embedded);
		if (!at->busy)
			group[count++] = take_over(embedded, at);
	}
	pthread_mutex_unlock(&embedded->mutex);
	enum status status = kv_begin_write(embedded->kv, &txn);
	bool begun = !status;
	for (size_t i = 0; i < count && !status; i++) {
		group[i].txn = txn;
		status = embedded_data_get(txn, group[i].at->zone->name, &group[i].record);
		if (!status)
			status = keep_small(&group[i]);
	}
	if (!status)
		status = kv_commit(txn);
	else if (begun)
		kv_abort(txn);
	if (status)
		log_limited(LOG_LEVEL_WARNING, "content not kept", "zones=%zu reason=%s", count,
			    kv_reason(embedded->kv));
	for (size_t i = 0; i < count; i++) {
		version_unpin(group[i].version);
		free(group[i].window);
	}
	kv_forget_pages(embedded->kv);
	pthread_mutex_lock(&embedded->mutex);
	for (size_t i = 0; i < count; i++)
		give_back(embedded, &group[i], status);
}

/* ---- the thread ---- */

static enum status
read_record(struct keeping *keeping)
{
	struct kv_txn *txn;
	enum status status = kv_begin_read(keeping->embedded->kv, &txn);

	if (status)
		return status;
	status = embedded_data_get(txn, keeping->at->zone->name, &keeping->record);
	kv_abort(txn);
	return status;
}

static void
keep(struct embedded *embedded, struct embedded_zone *at)
{
	uint64_t head = at->head, records = at->records;
	bool to_tidy = at->tidy, to_trim = at->trim && !embedded->stop;
	struct keeping keeping = take_over(embedded, at);

	at->tidy = at->trim = false;
	pthread_mutex_unlock(&embedded->mutex);
	enum status status = read_record(&keeping);
	if (to_tidy && !status)
		status = tidy(embedded, at, &keeping.record);
	if (keeping.version && !status && !keeping.record.removed && !keep_difference(&keeping, &status))
		status = keep_generation(&keeping);
	if (to_trim && !status)
		status = trim(embedded, at, &keeping.record, head, records);
	if (status)
		log_limited(LOG_LEVEL_WARNING, "content not kept", "zone=%s reason=%s", at->zone->text,
			    kv_reason(embedded->kv));
	if (keeping.version) {
		version_unpin(keeping.version);
		kv_forget_pages(embedded->kv);
	}
	free(keeping.window);
	pthread_mutex_lock(&embedded->mutex);
	give_back(embedded, &keeping, status);
}

/* Once a minute every zone is looked at. The mutex is held. */
static void
look_for_history(struct embedded *embedded)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (embedded->stop || now_ms - embedded->trimmed_ms < TRIM_MS)
		return;
	embedded->trimmed_ms = now_ms;
	for (struct embedded_zone *at = embedded->list; at; at = at->next) {
		at->trim = at->trim || (!at->busy && embedded_keep_can_trim(at));
		embedded_keep_queue(embedded, at);
	}
}

static void *
run(void *context)
{
	struct embedded *embedded = context;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&embedded->mutex);
	embedded->trimmed_ms = clock_monotonic_ms();
	for (;;) {
		look_for_history(embedded);
		struct embedded_zone *at = embedded->queue ? take_first(embedded) : NULL;
		if (at && !at->busy && is_small(at)) {
			keep_group(embedded, at);
		} else if (at && !at->busy) {
			keep(embedded, at);
		} else if (!at && embedded->stop) {
			break;
		} else if (!at) {
			wait_until(&embedded->work, &embedded->mutex, clock_monotonic_ms() + LOOK_MS);
		}
	}
	pthread_mutex_unlock(&embedded->mutex);
	rcu_thread_online();
	rcu_unregister_thread();
	return NULL;
}

enum status
embedded_keep_start(struct embedded *embedded)
{
	embedded->queue_end = &embedded->queue;
	embedded->group = calloc(SMALL_TOGETHER, sizeof *embedded->group);
	if (!embedded->group)
		return STATUS_NO_MEMORY;
	if (pthread_create(&embedded->keeper, NULL, run, embedded) == 0)
		return STATUS_OK;
	free(embedded->group);
	return STATUS_IO;
}

void
embedded_keep_stop(struct embedded *embedded)
{
	pthread_mutex_lock(&embedded->mutex);
	embedded->stop = true;
	pthread_cond_broadcast(&embedded->work);
	pthread_mutex_unlock(&embedded->mutex);
	pthread_join(embedded->keeper, NULL);
	free(embedded->group);
}

void
embedded_keep_wait(struct embedded *embedded, struct embedded_zone *at)
{
	while (at->version || at->tidy || at->busy) {
		pthread_cond_signal(&embedded->work);
		pthread_cond_wait(&embedded->done, &embedded->mutex);
	}
}
