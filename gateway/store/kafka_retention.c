/* Snapshots must be more frequent than the expiry of the updates topic (events.md). By the worker, and at the start. */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>

enum status
kafka_retention_check(struct kafka *kafka, char *reason)
{
	int64_t retention_ms;
	uint64_t interval_ms = atomic_load(&kafka->snapshot_interval_ms);

	if (!kafka_client_topic_number(kafka, kafka->updates_topic, "retention.ms", &retention_ms))
		return STATUS_OK; /* said when the topic was checked */
	if (retention_ms < 0 || interval_ms + interval_ms / 10 < (uint64_t)retention_ms)
		return STATUS_OK;
	snprintf(reason, STORE_REASON_SIZE,
		 "store %s: topic %s keeps changes for %lld s only (retention.ms), and snapshots are taken every %llu "
		 "s: set snapshot-every: {interval: …} to less, or retention.ms to more",
		 kafka->store.name, kafka->updates_topic, (long long)retention_ms / 1000,
		 (unsigned long long)interval_ms / 1000);
	return STATUS_INVALID;
}

/* How long until the log no longer reaches back to this manifest, by time and by what is left of its length. */
static int64_t
margin_of(const struct kafka_manifest *manifest, int64_t low, int64_t high, int64_t retention_ms, bool by_size)
{
	int64_t age_ms = (int64_t)(clock_wall_us() - manifest->time_us) / 1000;

	if (manifest->place.offset + 1 >= high)
		return retention_ms;
	int64_t margin_ms = retention_ms - age_ms;
	if (by_size && high > low) {
		int64_t part_ms = (int64_t)((double)retention_ms * (double)(manifest->place.offset + 1 - low) /
					    (double)(high - low));
		margin_ms = part_ms < margin_ms ? part_ms : margin_ms;
	}
	return margin_ms > 0 ? margin_ms : 0;
}

static int64_t
margin_of_zones(struct kafka *kafka, int32_t partition, int64_t low, int64_t high, int64_t retention_ms, bool by_size)
{
	int64_t least_ms = retention_ms;
	struct chains_walk walk = {0};

	pthread_mutex_lock(&kafka->mutex);
	for (struct kafka_zone *at; (at = kafka_next(kafka, &walk));) {
		if (at->produce_partition != partition || !at->manifest.id[0])
			continue;
		int64_t margin_ms = margin_of(&at->manifest, low, high, retention_ms, by_size);
		if (margin_ms < retention_ms / 2 && !at->shooting)
			at->shot_asked = true;
		least_ms = margin_ms < least_ms ? margin_ms : least_ms;
	}
	pthread_mutex_unlock(&kafka->mutex);
	return least_ms;
}

void
kafka_retention_look(struct kafka *kafka)
{
	int64_t retention_ms, retention_bytes = -1, low, high;
	char reason[STORE_REASON_SIZE];

	if (!kafka_client_topic_number(kafka, kafka->updates_topic, "retention.ms", &retention_ms))
		return;
	(void)!kafka_client_topic_number(kafka, kafka->updates_topic, "retention.bytes", &retention_bytes);
	if (kafka_retention_check(kafka, reason) == STATUS_INVALID)
		log_error("retention too short", "store=%s reason=%s", kafka->store.name, reason);
	if (retention_ms < 0)
		retention_ms = INT64_C(3650) * 86400000;
	int64_t least_ms = retention_ms;
	for (int32_t i = 0; i < kafka->partition_count; i++) {
		if (kafka_client_bounds(kafka, kafka->updates_topic, i, &low, &high, reason) != STATUS_OK)
			return;
		int64_t margin_ms = margin_of_zones(kafka, i, low, high, retention_ms, retention_bytes >= 0);
		least_ms = margin_ms < least_ms ? margin_ms : least_ms;
	}
	atomic_store(&kafka->margin_ms, least_ms);
	if (least_ms < retention_ms / 4)
		log_error("snapshots too old", "store=%s margin_s=%lld reason=%s", kafka->store.name,
			  (long long)least_ms / 1000, "the updates topic will soon no longer reach back to them");
}
