/* What a store hands out in a poll, kept in order until the batch is judged. */
#include "store/follower_internal.h"
#include <stdlib.h>
#include <string.h>

void *
follower_more(void *array, size_t *count, size_t *room, size_t size)
{
	char **elements = array;

	if (*count == *room) {
		*room = *room ? *room * 2 : 256;
		*elements = realloc(*elements, *room * size);
		invariant(*elements);
	}
	return memset(*elements + (*count)++ * size, 0, size);
}

static struct follower_event *
new_event(struct follower *follower, enum event_kind kind, struct zone *zone)
{
	struct follower_event *event =
		follower_more(&follower->events, &follower->event_count, &follower->event_room, sizeof *event);
	event->kind = kind;
	event->zone = zone;
	return event;
}

static void
on_loaded(void *context, struct zone *zone, struct draft *draft, struct replay *replay)
{
	struct follower_event *event = new_event(context, EVENT_LOADED, zone);
	event->draft = *draft;
	event->replay = replay;
}

static void
on_absent(void *context, struct zone *zone)
{
	new_event(context, EVENT_ABSENT, zone);
}

static void
on_record(void *context, const struct store_record *record)
{
	struct follower_event *event = new_event(context, EVENT_RECORD, record->zone);
	event->record = *record;
	event->tag = record->tag;
}

static void
on_lost(void *context, struct zone *zone, uint64_t tag)
{
	new_event(context, EVENT_LOST, zone)->tag = tag;
}

static void
on_failed(void *context, uint64_t tag, enum status status, const char *reason)
{
	struct follower_event *event = new_event(context, EVENT_FAILED, NULL);
	event->tag = tag;
	event->status = status;
	event->reason = strdup(reason);
}

static void
on_ready(void *context, struct zone *zone)
{
	new_event(context, EVENT_READY, zone);
}

static void
on_barrier(void *context, uint64_t tag, enum status status)
{
	struct follower_event *event = new_event(context, EVENT_BARRIER, NULL);
	event->tag = tag;
	event->status = status;
}

static void
on_unusable(void *context, struct zone *zone, enum zone_state state, const char *reason)
{
	struct follower_event *event = new_event(context, EVENT_UNUSABLE, zone);
	event->state = state;
	event->reason = strdup(reason);
}

const struct store_sink follower_sink = {
	.loaded = on_loaded, .absent = on_absent, .record = on_record, .lost = on_lost, .failed = on_failed,
	.ready = on_ready, .barrier = on_barrier, .unusable = on_unusable,
};
