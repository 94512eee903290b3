#include "store/kafka_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS 1000
#define LOOK_NS 100000000 /* is it time, or the end? */

/* ---- questions for barriers ---- */

/* One question at a time about a partition; those that are silent leave half of the askers to the others. */
static bool
may_ask(const struct kafka *kafka, int32_t number)
{
	const struct kafka_partition *partition = &kafka->partitions[number];
	return !partition->asking && (!partition->silent || kafka->silent_asking < KAFKA_ASKERS / 2);
}

/* Under the mutex: all that wait for one partition share a question, which begins after they came. */
static struct kafka_barrier *
take_asked(struct kafka *kafka)
{
	struct kafka_barrier *taken = NULL;

	for (struct kafka_barrier **link = &kafka->asked, *barrier; (barrier = *link);) {
		if (taken ? barrier->partition != taken->partition : !may_ask(kafka, barrier->partition)) {
			link = &barrier->next;
			continue;
		}
		*link = barrier->next;
		barrier->next = taken;
		taken = barrier;
	}
	if (taken) {
		struct kafka_partition *partition = &kafka->partitions[taken->partition];
		partition->asking = true;
		kafka->silent_asking += partition->silent;
	}
	return taken;
}

/* Under the mutex. */
static void
answer(struct kafka *kafka, struct kafka_barrier *asked, enum status status, int64_t end)
{
	struct kafka_partition *partition = &kafka->partitions[asked->partition];

	partition->asking = false;
	kafka->silent_asking -= partition->silent;
	partition->silent = status != STATUS_OK;
	for (struct kafka_barrier *barrier = asked, *next; barrier; barrier = next) {
		next = barrier->next;
		barrier->status = status;
		barrier->target = end;
		barrier->next = kafka->waiting;
		kafka->waiting = barrier;
	}
	atomic_store_explicit(&kafka->waiting_any, true, memory_order_release);
	kafka_wake_poll(kafka);
}

/* An asker: a leader that is silent keeps it for KAFKA_ASK_MS. */
void *
kafka_barrier_run(void *context)
{
	struct kafka *kafka = context;
	char ignored[STORE_REASON_SIZE];
	int64_t end;

	pthread_mutex_lock(&kafka->mutex);
	while (!atomic_load(&kafka->stop)) {
		struct kafka_barrier *asked = take_asked(kafka);
		if (!asked) {
			pthread_cond_wait(&kafka->asker_news, &kafka->mutex);
			continue;
		}
		pthread_mutex_unlock(&kafka->mutex);
		enum status status = kafka_client_offset(kafka, kafka->updates_topic, asked->partition,
							 RD_KAFKA_OFFSET_END, &end, ignored);
		pthread_mutex_lock(&kafka->mutex);
		answer(kafka, asked, status, end);
	}
	pthread_mutex_unlock(&kafka->mutex);
	return NULL;
}

/* ---- the state of the brokers ---- */

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
		rd_kafka_topic_partition_list_add(list, kafka->updates_topic, i)->offset = RD_KAFKA_OFFSET_END;
	/* of all their leaders at once */
	enum status status = rd_kafka_offsets_for_times(kafka->asker, list, KAFKA_ASK_MS) ? STATUS_RETRY : STATUS_OK;
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
	if (status)
		return;
	atomic_store(&kafka->store.lag_records, lag);
	(void)!kafka_describe_note(kafka, &kafka->brokers_failed, NULL);
}

void *
kafka_barrier_probe(void *context)
{
	struct kafka *kafka = context;
	uint64_t probed_ms = 0;

	while (!atomic_load(&kafka->stop)) {
		uint64_t now_ms = clock_monotonic_ms();
		if (now_ms - probed_ms >= PROBE_MS) {
			probed_ms = now_ms;
			probe(kafka);
		}
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	return NULL;
}
