/* Barriers, and where the logs end, asked for them. */
#include "store/kafka_internal.h"
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

enum status
kafka_ask(struct kafka *kafka, int32_t partition, const struct zone *zone, uint64_t tag, bool doubt)
{
	size_t length = doubt ? 0 : strlen(zone->text);
	struct kafka_barrier *barrier = calloc(1, sizeof *barrier + length + 1);

	if (!barrier)
		return STATUS_NO_MEMORY;
	if (!doubt)
		memcpy(barrier->text, zone->text, length);
	barrier->tag = tag;
	barrier->doubt = doubt;
	barrier->zone = zone;
	barrier->serial = kafka->flight_serial;
	barrier->partition = partition;
	barrier->target = KAFKA_NONE;
	barrier->next = kafka->asked;
	kafka->asked = barrier;
	pthread_cond_signal(&kafka->asker_news);
	return STATUS_OK;
}

enum status
kafka_barrier(struct store *store, struct zone *zone, uint64_t tag)
{
	struct kafka *kafka = kafka_of(store);

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, zone->text, strlen(zone->text));
	enum status status = !at || at->produce_partition < 0
				     ? STATUS_RETRY
				     : kafka_ask(kafka, at->produce_partition, zone, tag, false);
	pthread_mutex_unlock(&kafka->mutex);
	return status;
}

/* ---- askers ---- */

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
