/* Once a second: which leaders answer, and how far behind are we? */
#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROBE_MS 1000
#define LOOK_NS 100000000 /* is it time, or the end? */

/* What the last look found. */
enum found { FOUND_NONE, FOUND_SOME, FOUND_ALL };

struct probe {
	struct kafka *kafka;
	int32_t count;   /* of partitions of the updates topic; 0: not known yet */
	int32_t *leaders; /* as last told; KAFKA_NONE: none */
	int64_t *ends;   /* of the log; KAFKA_NONE: its leader did not answer */
	enum found found;
};

/* Without an answer they are as they were: the broker that was asked may be the one that is silent. */
static void
learn_leaders(struct probe *probe)
{
	const struct rd_kafka_metadata *metadata = kafka_client_metadata(probe->kafka->asker,
									 probe->kafka->updates_topic);

	if (!metadata)
		return;
	for (int i = 0; metadata->topic_cnt && i < metadata->topics[0].partition_cnt; i++) {
		const rd_kafka_metadata_partition_t *at = &metadata->topics[0].partitions[i];
		if (at->id < probe->count)
			probe->leaders[at->id] = at->leader;
	}
	rd_kafka_metadata_destroy(metadata);
}

static bool
size_probe(struct probe *probe)
{
	pthread_mutex_lock(&probe->kafka->mutex);
	int32_t count = probe->kafka->partition_count;
	pthread_mutex_unlock(&probe->kafka->mutex);
	if (count == probe->count)
		return count > 0;
	free(probe->leaders);
	free(probe->ends);
	probe->leaders = malloc((size_t)count * sizeof *probe->leaders);
	probe->ends = malloc((size_t)count * sizeof *probe->ends);
	probe->count = probe->leaders && probe->ends ? count : 0;
	for (int32_t i = 0; i < probe->count; i++)
		probe->leaders[i] = KAFKA_NONE;
	learn_leaders(probe);
	return probe->count > 0;
}

/* Of the partitions of one leader, or (any) of all; where one leader is silent, nothing is known of any. */
static void
ask_leader(struct probe *probe, int32_t leader, bool any)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(probe->count);

	for (int32_t i = 0; i < probe->count; i++)
		if (any || probe->leaders[i] == leader)
			rd_kafka_topic_partition_list_add(list, probe->kafka->updates_topic, i)->offset =
				RD_KAFKA_OFFSET_END;
	if (!rd_kafka_offsets_for_times(probe->kafka->asker, list, KAFKA_ASK_MS))
		for (int i = 0; i < list->cnt; i++)
			if (!list->elems[i].err)
				probe->ends[list->elems[i].partition] = list->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(list);
}

static int32_t
count_silent(const struct probe *probe)
{
	int32_t silent = 0;

	for (int32_t i = 0; i < probe->count; i++)
		silent += probe->ends[i] < 0;
	return silent;
}

/* Each leader alone: where its partitions begin. */
static void
ask_each_leader(struct probe *probe)
{
	learn_leaders(probe);
	for (int32_t i = 0; i < probe->count && !atomic_load(&probe->kafka->stop); i++) {
		bool first = probe->leaders[i] >= 0;
		for (int32_t j = 0; j < i && first; j++)
			first = probe->leaders[j] != probe->leaders[i];
		if (first)
			ask_leader(probe, probe->leaders[i], false);
	}
}

/* Of the log that is known; the follower's positions are behind it. */
static uint64_t
note_ends(const struct probe *probe)
{
	struct kafka *kafka = probe->kafka;
	uint64_t lag = 0;

	pthread_mutex_lock(&kafka->mutex);
	for (int32_t i = 0; i < probe->count && i < kafka->partition_room; i++) {
		struct kafka_partition *partition = &kafka->partitions[i];
		int64_t position = atomic_load(&partition->position);
		partition->unheard = probe->ends[i] < 0;
		if (partition->unheard)
			continue;
		partition->end = probe->ends[i];
		if (position != KAFKA_NONE && partition->end > position)
			lag += (uint64_t)(partition->end - position);
	}
	pthread_mutex_unlock(&kafka->mutex);
	return lag;
}

static void
tell(const struct probe *probe, enum found found, int32_t silent)
{
	const char *name = probe->kafka->store.name, *brokers = probe->kafka->brokers;

	if (found == FOUND_ALL)
		log_info("store connected", "store=%s brokers=%s", name, brokers);
	else if (found == FOUND_NONE)
		log_error("store not connected", "store=%s brokers=%s", name, brokers);
	else
		log_warning("partitions do not answer", "store=%s silent=%d of=%d brokers=%s", name, (int)silent,
			    (int)probe->count, brokers);
}

static void
look(struct probe *probe)
{
	struct kafka *kafka = probe->kafka;

	for (int32_t i = 0; i < probe->count; i++)
		probe->ends[i] = KAFKA_NONE;
	if (probe->found != FOUND_SOME)
		ask_leader(probe, 0, true);
	if (count_silent(probe) > 0)
		ask_each_leader(probe);
	int32_t silent = count_silent(probe);
	enum found found = silent == 0 ? FOUND_ALL : silent < probe->count ? FOUND_SOME : FOUND_NONE;
	atomic_store(&kafka->store.silent_partitions, (unsigned)silent);
	atomic_store(&kafka->store.connected, found != FOUND_NONE);
	uint64_t lag = note_ends(probe);
	if (found != probe->found)
		tell(probe, found, silent);
	probe->found = found;
	if (found != FOUND_NONE)
		atomic_store(&kafka->store.lag_records, lag);
	if (found == FOUND_ALL)
		(void)!trouble_note(&kafka->store.away, NULL);
}

void *
kafka_probe_run(void *context)
{
	struct probe probe = {.kafka = context};
	uint64_t probed_ms = 0;

	while (!atomic_load(&probe.kafka->stop)) {
		uint64_t now_ms = clock_monotonic_ms();
		if (now_ms - probed_ms >= PROBE_MS) {
			probed_ms = now_ms;
			if (size_probe(&probe))
				look(&probe);
		}
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	free(probe.leaders);
	free(probe.ends);
	return NULL;
}
