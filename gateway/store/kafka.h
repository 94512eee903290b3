/*
 * The store contract over Kafka (events.md "Kafka: two topics"): changes in the updates topic, full zones in the
 * snapshots topic.
 *
 * kafka.c           zones, commit, snapshots, history, open and close
 * kafka_flight.c    changes on their way to the log
 * kafka_client.c    librdkafka's settings; the topics: checked or created
 * kafka_reader.c    a part of a topic, read once
 * kafka_barrier.c   barriers, and the threads that ask the brokers where the logs end
 * kafka_probe.c     the thread that knows which leaders answer
 * kafka_worker.c    the thread that opens zones and takes snapshots
 * kafka_snapshot.c  manifests and chunks, read
 * kafka_write.c     the same, written
 * kafka_retention.c how long the log reaches back to them
 * kafka_poll.c      what the follower is handed
 * kafka_fetch.c     content of changes in the snapshot form
 * kafka_describe.c  what zonegatectl status shows
 *
 * Threads, errors: store/store.h.
 */
#ifndef ZONEGATE_STORE_KAFKA_H
#define ZONEGATE_STORE_KAFKA_H

#include "store/kv.h"
#include "store/store.h"

struct kafka_property {
	const char *name, *value;
};

struct kafka_settings {
	const char *brokers; /* host:port,host:port */
	const char *updates_topic, *snapshots_topic;
	uint64_t snapshot_changes, snapshot_interval_ms;
	bool create_topics;
	unsigned partitions, replication; /* of topics that are created */
	const struct kafka_property *properties;
	size_t property_count;
};

/*
 * Waits for the brokers a second or two at most: what cannot be reached is tried again, for ever, by threads of the
 * store.
 * settings  borrowed
 * kv        borrowed, must outlive the store; NULL: no local copy, no history
 * STATUS_INVALID with a reason: a property that librdkafka does not take, or that is not for the user to choose;
 * snapshots that are
 * rarer than the expiry of the updates topic.
 */
MUST_USE enum status kafka_open(const char *name, const struct kafka_settings *settings, struct kv *kv,
				struct store **store, char *reason);

/* Can it be among `properties`? If not, reason (STORE_REASON_SIZE) says why. Any thread. */
MUST_USE bool kafka_check_property(const struct kafka_property *property, char *reason);

/* For metrics and status; any thread. A margin that is not known is -1. */
double kafka_snapshot_age_s(struct store *store, const struct zone *zone); /* negative: there is none */
double kafka_retention_margin_s(struct store *store);
/* Reload: what may change while the store is open. */
void kafka_set_snapshots(struct store *store, uint64_t changes, uint64_t interval_ms);

#endif
