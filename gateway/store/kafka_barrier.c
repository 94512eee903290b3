#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS 1000

/* Where the logs of these partitions end, asked of all their leaders at once. */
static enum status
ask_ends(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	pthread_rwlock_rdlock(&kafka->producer_lock);
	rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(kafka->producer, list, KAFKA_ASK_MS);
	pthread_rwlock_unlock(&kafka->producer_lock);
	return error ? STATUS_RETRY : STATUS_OK;
}

static void
add_partition(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition)
{
	if (!rd_kafka_topic_partition_list_find(list, topic, partition))
		rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_END;
}

/* All that were asked for until now share one question, which begins after they came. */
static void
answer_barriers(struct kafka *kafka, struct kafka_barrier *asked)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	struct kafka_barrier *last = asked;

	for (struct kafka_barrier *barrier = asked; barrier; barrier = barrier->next)
		add_partition(list, kafka->updates_topic, barrier->partition);
	enum status status = ask_ends(kafka, list);
	for (struct kafka_barrier *barrier = asked; barrier; barrier = barrier->next) {
		const rd_kafka_topic_partition_t *end =
			rd_kafka_topic_partition_list_find(list, kafka->updates_topic, barrier->partition);
		barrier->status = status || end->err || end->offset < 0 ? STATUS_RETRY : STATUS_OK;
		barrier->target = end->offset;
		last = barrier;
	}
	rd_kafka_topic_partition_list_destroy(list);
	pthread_mutex_lock(&kafka->mutex);
	last->next = kafka->waiting;
	kafka->waiting = asked;
	atomic_store_explicit(&kafka->waiting_any, true, memory_order_release);
	pthread_mutex_unlock(&kafka->mutex);
	kafka_wake_poll(kafka);
}

/* Once a second: are the brokers there, and how far behind are we? */
static void
probe(struct kafka *kafka)
{
	pthread_mutex_lock(&kafka->mutex);
	int32_t count = kafka->partition_count;
	pthread_mutex_unlock(&kafka->mutex);
	if (count == 0)
		return;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	for (int32_t i = 0; i < count; i++)
		add_partition(list, kafka->updates_topic, i);
	enum status status = ask_ends(kafka, list);
	uint64_t lag = 0;
	pthread_mutex_lock(&kafka->mutex);
	for (int i = 0; !status && i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *end = &list->elems[i];
		int64_t position = end->partition < kafka->partition_room ? kafka->partitions[end->partition].position
									  : KAFKA_NONE;
		if (!end->err && end->partition < kafka->partition_room)
			kafka->partitions[end->partition].end = end->offset;
		if (end->err)
			status = STATUS_RETRY;
		else if (position != KAFKA_NONE && end->offset > position)
			lag += (uint64_t)(end->offset - position);
	}
	pthread_mutex_unlock(&kafka->mutex);
	rd_kafka_topic_partition_list_destroy(list);
	if (atomic_exchange(&kafka->store.connected, !status) != !status)
		log_write(status ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, status ? "store not connected" : "store connected",
			  "store=%s brokers=%s", kafka->store.name, kafka->brokers);
	if (!status)
		atomic_store(&kafka->store.lag_records, lag);
}

void *
kafka_barrier_run(void *context)
{
	struct kafka *kafka = context;
	uint64_t probed_ms = 0;
	struct timespec until;

	while (!atomic_load(&kafka->stop)) {
		pthread_mutex_lock(&kafka->mutex);
		if (!kafka->asked && !atomic_load(&kafka->stop)) {
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 200000000;
			until.tv_sec += until.tv_nsec / 1000000000;
			until.tv_nsec %= 1000000000;
			pthread_cond_timedwait(&kafka->asker_news, &kafka->mutex, &until);
		}
		struct kafka_barrier *asked = kafka->asked;
		kafka->asked = NULL;
		pthread_mutex_unlock(&kafka->mutex);
		if (asked)
			answer_barriers(kafka, asked);
		uint64_t now_ms = clock_monotonic_ms();
		if (now_ms - probed_ms >= PROBE_MS) {
			probed_ms = now_ms;
			probe(kafka);
		}
	}
	return NULL;
}
