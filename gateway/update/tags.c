#include "update/tags.h"
#include <pthread.h>
#include <stdlib.h>

/*
 * A tag is the number of its slot and, above it, how often the slot has been used: never 0, and never the same again.
 */
#define SLOT_BITS 20

struct tags_slot {
	void *item;          /* NULL: free */
	uint64_t use;
	uint32_t next_free;  /* slot + 1; 0: none */
};

struct tags {
	pthread_mutex_t mutex;
	struct tags_slot *slots;
	uint32_t count, room, free; /* free: slot + 1 */
};

struct tags *
tags_new(void)
{
	struct tags *tags = calloc(1, sizeof *tags);

	if (tags)
		pthread_mutex_init(&tags->mutex, NULL);
	return tags;
}

void
tags_free(struct tags *tags)
{
	pthread_mutex_destroy(&tags->mutex);
	free(tags->slots);
	free(tags);
}

/* One more free slot; false: there are enough, or no memory. */
static int
grow(struct tags *tags)
{
	uint32_t room = tags->room ? tags->room * 2 : 1024;

	if (tags->count == TAGS_MAX)
		return 0;
	if (tags->count == tags->room) {
		struct tags_slot *slots = realloc(tags->slots, room * sizeof *slots);
		if (slots == NULL)
			return 0;
		tags->slots = slots;
		tags->room = room;
	}
	tags->slots[tags->count] = (struct tags_slot){.use = 0};
	tags->free = ++tags->count;
	return 1;
}

uint64_t
tags_give(struct tags *tags, void *item)
{
	uint64_t tag = 0;

	pthread_mutex_lock(&tags->mutex);
	if (tags->free != 0 || grow(tags)) {
		uint32_t index = tags->free - 1;
		struct tags_slot *slot = &tags->slots[index];
		tags->free = slot->next_free;
		slot->item = item;
		tag = ++slot->use << SLOT_BITS | index;
	}
	pthread_mutex_unlock(&tags->mutex);
	return tag;
}

void *
tags_take(struct tags *tags, uint64_t tag)
{
	uint32_t index = tag & (TAGS_MAX - 1);
	void *item = NULL;

	pthread_mutex_lock(&tags->mutex);
	if (index < tags->count && tags->slots[index].use == tag >> SLOT_BITS) {
		item = tags->slots[index].item;
		if (item) {
			tags->slots[index].item = NULL;
			tags->slots[index].next_free = tags->free;
			tags->free = index + 1;
		}
	}
	pthread_mutex_unlock(&tags->mutex);
	return item;
}
