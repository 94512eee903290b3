/* Changes on their way: produced, and remembered until their record comes back (kafka_poll.c) or is given up. */
#include "store/kafka_internal.h"
#include "base/hash.h"
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHTS_MAX 65536
#define QUICK_FLIGHTS 4 /* so few on their way: no batch is worth waiting for */
#define MANY_FLIGHTS 64

struct kafka_flight **
kafka_flight_slot(struct kafka *kafka, uint64_t hash)
{
	return &kafka->flights[hash & (KAFKA_FLIGHT_BUCKETS - 1)];
}

static void
unlink_flight(struct kafka *kafka, struct kafka_flight *flight)
{
	*(flight->older ? &flight->older->newer : &kafka->oldest) = flight->newer;
	*(flight->newer ? &flight->newer->older : &kafka->newest) = flight->older;
	kafka->flight_count--;
}

/* Under the mutex: what is on its way for the zone finds nobody. */
void
kafka_forget_flights(struct kafka *kafka, const struct zone *zone, const struct store_sink *sink)
{
	for (size_t i = 0; i < KAFKA_FLIGHT_BUCKETS; i++)
		for (struct kafka_flight **link = &kafka->flights[i], *flight; (flight = *link);) {
			if (flight->append.zone != zone) {
				link = &flight->next;
				continue;
			}
			*link = flight->next;
			unlink_flight(kafka, flight);
			if (flight->append.content)
				draft_drop(flight->append.content);
			if (sink)
				sink->failed(sink->context, flight->append.tag, STATUS_REFUSED,
					     "the zone is not served any more");
			free(flight);
		}
}

/* Under the mutex. */
void
kafka_remove_flight(struct kafka *kafka, struct kafka_flight *flight)
{
	struct kafka_flight **link = kafka_flight_slot(kafka, flight->hash);

	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
	unlink_flight(kafka, flight);
	free(flight);
}

static enum status
produce(struct kafka *kafka, const struct store_append *append, const struct kafka_zone *at, int32_t partition)
{
	enum kafka_client_kind kind = kafka->flight_count <= QUICK_FLIGHTS  ? KAFKA_QUICK_PRODUCER
				      : kafka->flight_count <= MANY_FLIGHTS ? KAFKA_PRODUCER
									    : KAFKA_MANY_PRODUCER;

	pthread_rwlock_rdlock(&kafka->producer_lock);
	int failed = rd_kafka_produce(kafka->producers[kind].updates, partition, RD_KAFKA_MSG_F_COPY,
				      (void *)(uintptr_t)append->record, append->size, at->text, at->text_length,
				      (void *)(uintptr_t)append->tag);
	rd_kafka_resp_err_t error = failed ? rd_kafka_last_error() : RD_KAFKA_RESP_ERR_NO_ERROR;
	pthread_rwlock_unlock(&kafka->producer_lock);
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return STATUS_OK;
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		return STATUS_FULL;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		return STATUS_REFUSED;
	default:
		return STATUS_RETRY;
	}
}

/* The flight is in the table before the record can come back. */
enum status
kafka_append(struct store *store, const struct store_append *append)
{
	struct kafka *kafka = kafka_of(store);
	struct kafka_flight *flight = calloc(1, sizeof *flight);

	require(append->tag && append->change);
	if (!flight)
		return STATUS_NO_MEMORY;
	flight->append = *append;
	flight->hash = hash_bytes(append->record, append->size);
	pthread_mutex_lock(&kafka->mutex);
	struct kafka_zone *at = kafka_find(kafka, append->zone->text, strlen(append->zone->text));
	enum status status = !at || at->produce_partition < 0     ? STATUS_RETRY
			     : kafka->flight_count >= FLIGHTS_MAX ? STATUS_FULL
								  : STATUS_OK;
	if (!status) {
		struct kafka_flight **slot = kafka_flight_slot(kafka, flight->hash);
		flight->next = *slot;
		*slot = flight;
		flight->serial = ++kafka->flight_serial;
		flight->older = kafka->newest;
		*(kafka->newest ? &kafka->newest->newer : &kafka->oldest) = flight;
		kafka->newest = flight;
		kafka->flight_count++;
		status = produce(kafka, append, at, at->produce_partition);
		if (status)
			kafka_remove_flight(kafka, flight);
	} else {
		free(flight);
	}
	pthread_mutex_unlock(&kafka->mutex);
	return status;
}
