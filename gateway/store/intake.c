#include "store/intake.h"
#include "base/queue.h"
#include <stdlib.h>

struct intake {
	struct queue *queue;
	_Atomic size_t bytes; /* of records that wait */
	/* Taken from the queue but left for the next batch; the follower's. */
	struct intake_item *held[INTAKE_BATCH_ITEMS];
	size_t held_count, held_first;
};

struct intake *
intake_new(void)
{
	struct intake *intake = calloc(1, sizeof *intake);

	if (!intake)
		return NULL;
	intake->queue = queue_new(INTAKE_ITEMS);
	if (!intake->queue) {
		free(intake);
		return NULL;
	}
	return intake;
}

static void
item_free(struct intake_item *item)
{
	free(item->copy);
	free(item);
}

void
intake_free(struct intake *intake)
{
	struct intake_item *items[64];
	size_t count;

	if (!intake)
		return;
	while (intake->held_count)
		item_free(intake->held[intake->held_first + --intake->held_count]);
	while ((count = queue_take(intake->queue, (void **)items, ARRAY_SIZE(items))) > 0)
		while (count)
			item_free(items[--count]);
	queue_free(intake->queue);
	free(intake);
}

static enum status
push(struct intake *intake, const struct intake_item *like)
{
	size_t size = like->append.size;

	if (atomic_fetch_add_explicit(&intake->bytes, size, memory_order_relaxed) > INTAKE_BYTES) {
		atomic_fetch_sub_explicit(&intake->bytes, size, memory_order_relaxed);
		return STATUS_FULL;
	}
	struct intake_item *item = malloc(sizeof *item);
	enum status status = STATUS_NO_MEMORY;
	if (item) {
		*item = *like;
		status = queue_push(intake->queue, item);
	}
	if (status) {
		atomic_fetch_sub_explicit(&intake->bytes, size, memory_order_relaxed);
		free(item);
	}
	return status;
}

enum status
intake_append(struct intake *intake, const struct store_append *append)
{
	require(append->tag && append->change);
	return push(intake, &(struct intake_item){.kind = INTAKE_APPEND, .append = *append});
}

enum status
intake_copy(struct intake *intake, struct zone *zone, const uint8_t *record, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		return STATUS_NO_MEMORY;
	memcpy(copy, record, size);
	enum status status = push(intake, &(struct intake_item){
		.kind = INTAKE_APPEND, .append = {.zone = zone, .record = copy, .size = size}, .copy = copy});
	if (status)
		free(copy);
	return status;
}

enum status
intake_zone(struct intake *intake, struct zone *zone)
{
	return push(intake, &(struct intake_item){.kind = INTAKE_ZONE, .append.zone = zone});
}

enum status
intake_barrier(struct intake *intake, struct zone *zone, uint64_t tag)
{
	return push(intake, &(struct intake_item){.kind = INTAKE_BARRIER, .append = {.zone = zone, .tag = tag}});
}

size_t
intake_take(struct intake *intake, struct intake_item **items, int timeout_ms)
{
	size_t count = 0, bytes = 0;

	if (intake->held_count == 0) {
		intake->held_first = 0;
		intake->held_count = queue_wait(intake->queue, (void **)intake->held, INTAKE_BATCH_ITEMS, timeout_ms);
	}
	while (count < intake->held_count && bytes < INTAKE_BATCH_BYTES) {
		items[count] = intake->held[intake->held_first + count];
		bytes += items[count++]->append.size;
	}
	intake->held_first += count;
	intake->held_count -= count;
	return count;
}

void
intake_done(struct intake *intake, struct intake_item **items, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		bytes += items[i]->append.size;
		item_free(items[i]);
	}
	atomic_fetch_sub_explicit(&intake->bytes, bytes, memory_order_relaxed);
}

void
intake_wake(struct intake *intake)
{
	queue_wake(intake->queue);
}

/* ---- handing out ---- */

bool
intake_settle(const struct intake_item *item, bool followed, const struct store_sink *sink)
{
	const struct store_append *append = &item->append;

	if (item->kind == INTAKE_BARRIER) {
		sink->barrier(sink->context, append->tag, STATUS_OK);
		return true;
	}
	if (followed)
		return false;
	if (append->content)
		draft_drop(append->content);
	if (append->tag)
		sink->failed(sink->context, append->tag, STATUS_REFUSED, "the zone is not served any more");
	return true;
}

void
intake_record(const struct intake_item *item, uint64_t position, const struct store_sink *sink)
{
	const struct store_append *append = &item->append;

	sink->record(sink->context, &(struct store_record){
		.zone = append->zone, .record = append->record, .size = append->size, .change = append->change,
		.tag = append->tag, .position = position, .content = append->content});
}

/* ---- the map ---- */

/* The row of the zone, or where it would be. */
static size_t
find_row(const struct intake_map *map, const struct zone *zone)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if ((uintptr_t)map->rows[middle].zone < (uintptr_t)zone)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *
intake_map_get(const struct intake_map *map, const struct zone *zone)
{
	size_t row = find_row(map, zone);
	return row < map->count && map->rows[row].zone == zone ? map->rows[row].value : NULL;
}

enum status
intake_map_put(struct intake_map *map, const struct zone *zone, void *value)
{
	size_t row = find_row(map, zone);

	if (row < map->count && map->rows[row].zone == zone)
		return STATUS_EXISTS;
	if (map->count == map->room) {
		size_t room = map->room ? map->room * 2 : 16;
		void *rows = realloc(map->rows, room * sizeof *map->rows);
		if (!rows)
			return STATUS_NO_MEMORY;
		map->rows = rows;
		map->room = room;
	}
	memmove(map->rows + row + 1, map->rows + row, (map->count - row) * sizeof *map->rows);
	map->rows[row].zone = zone;
	map->rows[row].value = value;
	map->count++;
	return STATUS_OK;
}

void *
intake_map_remove(struct intake_map *map, const struct zone *zone)
{
	size_t row = find_row(map, zone);

	if (row == map->count || map->rows[row].zone != zone)
		return NULL;
	void *value = map->rows[row].value;
	memmove(map->rows + row, map->rows + row + 1, (map->count - row - 1) * sizeof *map->rows);
	map->count--;
	return value;
}
