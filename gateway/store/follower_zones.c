/* Zones that come and go, and what is asked about one: any thread. */
#include "store/follower_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ADD_AGAIN_NS 1000000

static enum status
add_to_store(struct follower *follower, struct follower_zone *at)
{
	pthread_mutex_lock(&follower->mutex);
	enum status status = follower->store->ops->add_zone(follower->store, at->zone);
	if (!status) {
		at->next = follower->added;
		follower->added = at;
	}
	pthread_mutex_unlock(&follower->mutex);
	return status;
}

enum status
follower_add(struct follower *follower, struct zone *zone)
{
	struct follower_zone *at = calloc(1, sizeof *at);

	if (!at)
		return STATUS_NO_MEMORY;
	require(!zone->follower);
	at->follower = follower;
	at->zone = zone;
	zone->follower = at;
	enum status status = add_to_store(follower, at);
	/* More zones at once than its queue holds: it takes them meanwhile. */
	for (; status == STATUS_FULL && !atomic_load(&follower->stop); status = add_to_store(follower, at))
		nanosleep(&(struct timespec){.tv_nsec = ADD_AGAIN_NS}, NULL);
	if (status) {
		zone->follower = NULL;
		free(at);
	}
	return status;
}

void
follower_drop(struct follower *follower, struct zone *zone)
{
	follower_drop_all(follower, &zone, 1);
}

void
follower_drop_all(struct follower *follower, struct zone *const *zones, size_t count)
{
	struct follower_drop *drops = calloc(count + 1, sizeof *drops);
	size_t dropped = 0;

	/* A few octets for each zone that goes, at an operator's request. */
	require(drops);
	pthread_mutex_lock(&follower->mutex);
	for (size_t i = 0; i < count; i++) {
		const struct follower_zone *at = zones[i]->follower;
		if (!at || at->follower != follower)
			continue;
		drops[dropped].zone = zones[i];
		drops[dropped].next = follower->drops;
		follower->drops = &drops[dropped++];
	}
	pthread_mutex_unlock(&follower->mutex);
	if (dropped > 0)
		follower->store->ops->wake(follower->store);
	pthread_mutex_lock(&follower->mutex);
	/* In the order of the list, or not: all of them. */
	for (size_t i = 0; i < dropped; i++)
		while (!drops[i].done)
			pthread_cond_wait(&follower->dropped, &follower->mutex);
	pthread_mutex_unlock(&follower->mutex);
	free(drops);
}

bool
follower_base(struct zone *zone, uint64_t *version, uint8_t id[VERSION_ID_SIZE])
{
	struct follower_zone *at = zone->follower;

	if (!at)
		return false;
	pthread_mutex_lock(&at->follower->mutex);
	struct follower_place place = at->place;
	pthread_mutex_unlock(&at->follower->mutex);
	if (!place.known)
		return false;
	*version = place.version;
	memcpy(id, place.id, VERSION_ID_SIZE);
	return true;
}

bool
follower_reason(struct zone *zone, char *reason)
{
	struct follower_zone *at = zone->follower;

	if (!at)
		return false;
	pthread_mutex_lock(&at->follower->mutex);
	bool known = at->reason != NULL;
	snprintf(reason, STORE_REASON_SIZE, "%s", known ? at->reason : "");
	pthread_mutex_unlock(&at->follower->mutex);
	return known;
}
