/* The embedded store as the local copy of a remote zone (store/warm.c): content that comes from elsewhere. */
#include "store/embedded_data.h"
#include "base/bytes.h"
#include <stdio.h>
#include <string.h>


static struct embedded_zone *
take_zone(struct embedded *embedded, const struct zone *zone)
{
	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	if (at && at->number) {
		embedded_keep_wait(embedded, at);
		at->busy = true;
	} else {
		at = NULL;
	}
	pthread_mutex_unlock(&embedded->mutex);
	return at;
}

static void
give_back(struct embedded *embedded, struct embedded_zone *at)
{
	pthread_mutex_lock(&embedded->mutex);
	at->busy = false;
	embedded_keep_queue(embedded, at);
	pthread_cond_broadcast(&embedded->done);
	pthread_mutex_unlock(&embedded->mutex);
}

/* The record of a zone that begins with this version, and nothing else of it. */
static enum status
put_base(struct embedded *embedded, struct embedded_zone *at, const struct zone_version *version, char *reason)
{
	struct embedded_record record = {.number = at->number};
	struct change_snapshot chunks = {0};
	struct kv_txn *txn;

	enum status status = STATUS_OK;
	if (version) {
		record.base = (struct embedded_place){
			.version = version->version, .serial = version->serial, .time_us = version->time_us};
		memcpy(record.base.id, version->id, VERSION_ID_SIZE);
		status = embedded_content_save(embedded, record.number, version, record.base_snapshot, &chunks, reason);
	}
	if (status)
		return status;
	record.base_chunks = chunks.chunks;
	status = kv_begin_write(embedded->kv, &txn);
	if (status)
		return status;
	status = embedded_data_put(txn, at->zone->name, &record);
	if (!status)
		status = kv_commit(txn);
	else
		kv_abort(txn);
	if (status)
		return status;
	pthread_mutex_lock(&embedded->mutex);
	embedded_data_note(at, &record);
	at->head = record.base.version;
	at->handed = 0;
	pthread_mutex_unlock(&embedded->mutex);
	return STATUS_OK;
}

enum status
embedded_begin_at(struct store *store, struct zone *zone, const struct zone_version *version, char *reason)
{
	static const enum kv_table tables[] = {KV_LOG, KV_CONTENT, KV_CHUNKS};
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = take_zone(embedded, zone);
	enum status status = at ? STATUS_OK : STATUS_NOT_FOUND;
	uint8_t number[4];

	reason[0] = '\0';
	bytes_put_u32(number, at ? at->number : 0);
	for (size_t i = 0; i < ARRAY_SIZE(tables) && !status; i++)
		status = embedded_keep_delete(embedded, tables[i], (struct kv_bytes){number, sizeof number});
	if (!status)
		status = put_base(embedded, at, version, reason);
	if (status && !reason[0])
		snprintf(reason, STORE_REASON_SIZE, "%s", at ? kv_reason(embedded->kv) : "the zone is not kept here");
	if (at)
		give_back(embedded, at);
	return status;
}

enum status
embedded_load(struct store *store, struct zone *zone, struct draft *draft, struct replay *replay, char *reason)
{
	struct embedded *embedded = embedded_of(store);
	struct embedded_zone *at = take_zone(embedded, zone);
	enum status status = STATUS_NOT_FOUND;

	if (!at)
		return status;
	/*
	 * The window is kept beside the content; without it, it follows from the log where that reaches back to
	 * nothing.
	 */
	if ((at->generation || at->base_version == 0) && at->head && !at->removed)
		status = embedded_content_load(embedded, at, draft, replay, &(bool){false}, reason);
	if (!status && draft->version->version != at->head)
		status = STATUS_STOP;
	give_back(embedded, at);
	return status;
}

enum status
embedded_put_chunk(struct store *store, struct zone *zone, const char *snapshot, uint32_t number, const uint8_t *bytes,
		   size_t size)
{
	struct embedded *embedded = embedded_of(store);
	uint8_t key[4 + EMBEDDED_SNAPSHOT_ID + 4];
	struct kv_txn *txn;

	pthread_mutex_lock(&embedded->mutex);
	struct embedded_zone *at = intake_map_get(&embedded->zones, zone);
	uint32_t zone_number = at ? at->number : 0;
	if (at && number == 0) {
		atomic_fetch_add(&at->saves, 1);
		atomic_fetch_add(&at->unreferenced, 1);
	}
	pthread_mutex_unlock(&embedded->mutex);
	if (!zone_number || strlen(snapshot) > EMBEDDED_SNAPSHOT_ID)
		return STATUS_NOT_FOUND;
	enum status status = kv_begin_write(embedded->kv, &txn);
	if (status)
		return status;
	size_t key_size = embedded_data_chunk_key(zone_number, snapshot, number, key);
	status = kv_put(txn, KV_CHUNKS, (struct kv_bytes){key, key_size}, (struct kv_bytes){bytes, size});
	if (!status)
		return kv_commit(txn);
	kv_abort(txn);
	return status;
}
