/*
 * A change of the snapshot form that another gateway wrote: the worker fetches its chunks, and its zone waits; the
 * others go on.
 */
#include "store/kafka_internal.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
kafka_fetch_drop(struct kafka_zone *at)
{
	require(!at->fetching);
	if (!at->fetch)
		return;
	if (at->fetch->done && !at->fetch->status)
		draft_drop(&at->fetch->content);
	free(at->fetch);
	at->fetch = NULL;
}

/* Under the mutex: from the record on, the zone is handed out again once its content is here. */
static enum status
ask(struct kafka *kafka, struct kafka_zone *at, const struct change_snapshot *wanted)
{
	struct kafka_fetch *fetch = calloc(1, sizeof *fetch);

	if (!fetch)
		return STATUS_NO_MEMORY;
	fetch->wanted = *wanted;
	snprintf(fetch->id, sizeof fetch->id, "%s", wanted->id);
	fetch->wanted.id = fetch->id;
	at->fetch = fetch;
	at->phase = KAFKA_FETCHING;
	kafka->worker_wanted = true;
	pthread_cond_signal(&kafka->worker_news);
	return STATUS_RETRY;
}

enum status
kafka_fetch_content(struct kafka *kafka, struct zone *zone, const struct change_snapshot *wanted, struct draft *draft,
		    char *reason)
{
	enum status status = STATUS_NOT_FOUND;

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	struct kafka_fetch *fetch = at ? at->fetch : NULL;
	if (fetch && fetch->done && strcmp(fetch->id, wanted->id) == 0) {
		status = fetch->status;
		snprintf(reason, STORE_REASON_SIZE, "%s", fetch->reason);
		if (!status) {
			draft_drop(draft);
			*draft = fetch->content;
			fetch->status = STATUS_EXISTS; /* given */
		}
		kafka_fetch_drop(at);
	} else if (at) {
		kafka_fetch_drop(at);
		status = ask(kafka, at, wanted);
	}
	pthread_mutex_unlock(&kafka->mutex);
	return status;
}

/* ---- the worker's half ---- */

/* Chunks that are gone: a newer manifest may have what they had (events.md: a reader that comes too late). */
static bool
is_replaced(struct kafka *kafka, const struct kafka_zone *at, int64_t next_offset)
{
	char reason[STORE_REASON_SIZE];
	struct kafka_manifest manifest;

	return kafka_snapshot_read(kafka, reason) == STATUS_OK && kafka_snapshot_newest(kafka, at->text, &manifest) &&
	       manifest.place.partition == at->partition && manifest.place.offset >= next_offset;
}

static enum status
fetch_one(struct kafka *kafka, struct kafka_zone *at, struct kafka_fetch *fetch, int64_t next_offset)
{
	enum status status = draft_begin(&fetch->content, NULL, at->zone->name);

	if (status)
		return status;
	status = kafka_snapshot_load(kafka, at->zone, &fetch->wanted, &fetch->content, fetch->reason);
	if (status)
		draft_drop(&fetch->content);
	if (status == STATUS_NOT_FOUND)
		fetch->replaced = is_replaced(kafka, at, next_offset);
	return status;
}

static struct kafka_zone *
next_fetch(struct kafka *kafka)
{
	struct chains_walk walk = {0};

	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));)
		if (at->fetch && !at->fetch->done && !at->dropped)
			return at;
	return NULL;
}

bool
kafka_fetch_all(struct kafka *kafka)
{
	while (!atomic_load(&kafka->stop)) {
		pthread_mutex_lock(&kafka->mutex);
		struct kafka_zone *at = next_fetch(kafka);
		if (at)
			at->fetching = true;
		int64_t next_offset = at ? at->next_offset : 0;
		pthread_mutex_unlock(&kafka->mutex);
		if (!at)
			return true;
		enum status status = fetch_one(kafka, at, at->fetch, next_offset);
		if (status == STATUS_RETRY)
			log_limited(LOG_LEVEL_WARNING, "chunks not fetched", "zone=%s reason=%s", at->text,
				    at->fetch->reason);
		pthread_mutex_lock(&kafka->mutex);
		at->fetch->status = status;
		at->fetch->done = status != STATUS_RETRY;
		at->fetching = false;
		atomic_store(&kafka->fetched_any, true);
		pthread_cond_broadcast(&kafka->drop_news);
		pthread_mutex_unlock(&kafka->mutex);
		kafka_wake_poll(kafka);
		if (status == STATUS_RETRY)
			return false;
	}
	return true;
}
