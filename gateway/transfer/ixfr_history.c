/* A zone's log, read again after a start, as sequences. */
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "store/store.h"
#include "transfer/ixfr_zone.h"
#include "zone/change_json.h"
#include <stdlib.h>

#define CHANGE_SIZE_MIN 160u /* of a sequence: two SOAs and a record */
#define HISTORY_ARENA_SIZE (64u << 20)
/* Changes between the store's oldest content and the first sequence: some ten seconds of work. */
#define REPLAY_MOST 2000000

/* A zone's log on its way to becoming sequences. */
struct reading {
	struct ixfr_zone *at;
	uint64_t end_version;      /* the oldest version that the zone has already */
	uint32_t end_serial;
	size_t limit;
	struct draft draft;
	struct arena arena;
	struct sequence **items;   /* oldest first */
	size_t count, room, bytes;
	uint64_t begin_again;      /* at this version: the one before is of no use */
	enum status status;
};

static void
reading_drop(struct reading *reading)
{
	for (size_t i = 0; i < reading->count; i++)
		sequence_release(reading->items[i]);
	reading->count = reading->bytes = 0;
}

static bool
reading_push(struct reading *reading, struct sequence *sequence)
{
	if (reading->count == reading->room) {
		size_t room = reading->room != 0 ? reading->room * 2 : 256;
		struct sequence **items = realloc(reading->items, room * sizeof *items);
		if (items == NULL)
			return false;
		reading->items = items;
		reading->room = room;
	}
	reading->items[reading->count++] = sequence;
	reading->bytes += sequence->size;
	return true;
}

static bool
stop_with(struct reading *reading, enum status status)
{
	reading->status = status;
	return false;
}

static bool
read_entry(void *context, const struct store_entry *entry)
{
	struct reading *reading = context;
	struct ixfr_zone *at = reading->at;
	char reason[CHANGE_JSON_REASON_SIZE];
	struct sequence *sequence;
	struct change change;

	if (atomic_load(&at->task.cancelled))
		return stop_with(reading, STATUS_TIMEOUT);
	if (entry->version != reading->draft.version->version + 1)
		return stop_with(reading, STATUS_INVALID);
	arena_reset(&reading->arena);
	enum status status = change_json_decode(entry->record, entry->size, at->zone->name, &reading->arena, &change,
						reason);
	if (status != STATUS_OK)
		return stop_with(reading, status);
	if (change.snapshot != NULL || change.removed) {
		reading->begin_again = entry->version;
		return false;
	}
	status = sequence_of_change(&reading->draft, &change, entry->version, entry->serial, &reading->arena,
				    reading->limit, &sequence);
	if (status != STATUS_OK)
		return stop_with(reading, status);
	if (!reading_push(reading, sequence)) {
		sequence_release(sequence);
		return stop_with(reading, STATUS_NO_MEMORY);
	}
	return true;
}

/* The content at `from`, then every change up to the end. */
static enum status
read_from(struct reading *reading, uint64_t from)
{
	struct zone *zone = reading->at->zone;
	struct store *store = zone->store;
	char reason[STORE_REASON_SIZE] = "";

	reading->status = STATUS_OK;
	reading->begin_again = 0;
	if (draft_begin(&reading->draft, NULL, zone->name) != STATUS_OK)
		return STATUS_NO_MEMORY;
	enum status status = store->ops->content_at(store, zone, from, &reading->draft, reason);
	if (status == STATUS_OK)
		status = store->ops->read(store, zone, from, reading->end_version, read_entry, reading);
	draft_drop(&reading->draft);
	if (status == STATUS_OK)
		status = reading->status;
	if (status != STATUS_OK || reading->begin_again != 0)
		reading_drop(reading);
	return status;
}

/* They go before what the zone has, if that still begins where they end. */
static bool
put_before(struct ixfr_zone *at, struct reading *reading)
{
	const struct sequence *last = reading->items[reading->count - 1];
	uint64_t version = at->newest != NULL ? at->newest->version : 0;

	if (at->count > 0)
		version = at->items[at->first]->from_version;
	if (at->ended || version != reading->end_version || last->to_version != reading->end_version ||
	    last->to_serial != reading->end_serial)
		return false;
	struct sequence **items = malloc((reading->count + at->count + 16) * sizeof *items);
	if (items == NULL)
		return false;
	memcpy(items, reading->items, reading->count * sizeof *items);
	if (at->count > 0)
		memcpy(items + reading->count, at->items + at->first, at->count * sizeof *items);
	free(at->items);
	at->items = items;
	at->room = reading->count + at->count + 16;
	at->first = 0;
	at->count += reading->count;
	at->bytes += reading->bytes;
	reading->count = reading->bytes = 0;
	ixfr_zone_trim(at);
	return true;
}

/* Where the zone's sequences begin now; false: it keeps none. */
static bool
begin(struct reading *reading)
{
	struct ixfr_zone *at = reading->at;

	pthread_mutex_lock(&at->mutex);
	bool keeps = at->newest != NULL && !at->ended;
	if (keeps) {
		reading->end_version = at->count > 0 ? at->items[at->first]->from_version : at->newest->version;
		reading->end_serial = at->count > 0 ? at->items[at->first]->from_serial : at->newest->serial;
		reading->limit = ixfr_zone_limit(at->newest);
	}
	pthread_mutex_unlock(&at->mutex);
	return keeps;
}

static void
read_history(struct ixfr_zone *at)
{
	struct reading reading = {.at = at};
	struct store *store = at->zone->store;
	uint64_t start_ns = clock_monotonic_ns();

	if (!begin(&reading))
		return;
	uint64_t most = reading.limit / CHANGE_SIZE_MIN;
	struct store_oldest oldest;
	store->ops->oldest(store, at->zone, &oldest);
	uint64_t from = reading.end_version > most ? reading.end_version - most : 0;
	if (from < oldest.version)
		from = oldest.version;
	if (from == 0) /* version 0 has no content: nothing leads from there */
		from = 1;
	if (from >= reading.end_version || reading.end_version - oldest.version > REPLAY_MOST)
		return;
	arena_init(&reading.arena, HISTORY_ARENA_SIZE);
	enum status status = read_from(&reading, from);
	while (status == STATUS_OK && reading.begin_again != 0 && reading.begin_again < reading.end_version)
		status = read_from(&reading, reading.begin_again);
	size_t count = reading.count;
	pthread_mutex_lock(&at->mutex);
	bool used = count > 0 && put_before(at, &reading);
	pthread_mutex_unlock(&at->mutex);
	if (used)
		log_debug("history", "zone=%s changes=%zu seconds=%.3f", at->zone->text, count,
			  (double)(clock_monotonic_ns() - start_ns) / 1e9);
	else if (status != STATUS_OK && !atomic_load(&at->task.cancelled))
		log_warning("history", "earlier serials get whole zones zone=%s reason=%s", at->zone->text,
			    status_text(status));
	reading_drop(&reading);
	free(reading.items);
	arena_free(&reading.arena);
}

void
ixfr_history_read(void *context, struct background_task *task)
{
	struct ixfr *ixfr = context;
	struct ixfr_zone *at = (struct ixfr_zone *)task;

	read_history(at);
	pthread_mutex_lock(&at->mutex);
	at->reading = false;
	pthread_mutex_unlock(&at->mutex);
	if (atomic_load(&task->cancelled))
		return;
	rcu_thread_online();
	ixfr->ready(ixfr->context, at->zone);
	rcu_thread_offline();
}
