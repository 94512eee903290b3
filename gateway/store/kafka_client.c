/* librdkafka's settings and errors; the topics: checked or created; where a partition begins and ends. */
#include "store/kafka_internal.h"
#include "base/log.h"
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

struct setting {
	const char *name, *value;
};

/* What may be chosen otherwise by `properties`; measured, see the reasons. */
static const struct setting defaults[] = {
	{"client.id", "zonegate"},
	{"socket.nagle.disable", "true"}, /* 47 ms become 1.4 ms with TLS */
	{"socket.keepalive.enable", "true"},
	{"reconnect.backoff.ms", "50"},
	{"reconnect.backoff.max.ms", "1000"},
	{"topic.metadata.refresh.interval.ms", "10000"},
	{"topic.metadata.refresh.fast.interval.ms", "100"},
};
static const struct setting producer_defaults[] = {
	{"socket.timeout.ms", "2000"}, /* a frozen broker */
	{"request.timeout.ms", "1500"},
	{"message.timeout.ms", "5000"}, /* requestors have given up long before */
	{"queue.buffering.max.messages", "200000"},
	{"retry.backoff.ms", "20"},
	{"delivery.report.only.error", "true"}, /* the log says what was written */
};
/*
 * librdkafka 2.0.2 spins once a sixth request waits for the five that may be on their way: the more changes, the longer
 * it has to collect them.
 */
static const char *const lingers_ms[KAFKA_PRODUCERS] = {
	[KAFKA_QUICK_PRODUCER] = "0", [KAFKA_PRODUCER] = "0.1", [KAFKA_MANY_PRODUCER] = "4"};
static const struct setting asker_defaults[] = {{"socket.timeout.ms", "2000"}};
static const struct setting bulk_defaults[] = {
	{"linger.ms", "5"},
	{"message.timeout.ms", "60000"},
	{"queue.buffering.max.messages", "1000"},
	{"compression.type", "lz4"},
};
static const struct setting consumer_defaults[] = {
	{"fetch.error.backoff.ms", "20"},
	{"fetch.wait.max.ms", "500"},
	{"socket.timeout.ms", "3000"}, /* more than fetch.wait.max.ms */
	{"queued.max.messages.kbytes", "16384"},
};
/* What the guarantees rest on. */
static const struct setting producer_fixed[] = {
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"partitioner", "murmur2"},
};
static const struct setting consumer_fixed[] = {
	{"enable.auto.commit", "false"},  {"enable.auto.offset.store", "false"},
	{"auto.offset.reset", "error"}, /* "latest" skips in silence */
	{"enable.partition.eof", "true"}, {"allow.auto.create.topics", "false"},
};

static const struct client_kind {
	rd_kafka_type_t type;
	const struct setting *defaults, *fixed;
	size_t default_count, fixed_count;
} kinds[] = {
	[KAFKA_QUICK_PRODUCER] = {RD_KAFKA_PRODUCER, producer_defaults, producer_fixed, ARRAY_SIZE(producer_defaults),
				  ARRAY_SIZE(producer_fixed)},
	[KAFKA_PRODUCER] = {RD_KAFKA_PRODUCER, producer_defaults, producer_fixed, ARRAY_SIZE(producer_defaults),
			    ARRAY_SIZE(producer_fixed)},
	[KAFKA_MANY_PRODUCER] = {RD_KAFKA_PRODUCER, producer_defaults, producer_fixed, ARRAY_SIZE(producer_defaults),
				 ARRAY_SIZE(producer_fixed)},
	[KAFKA_BULK_PRODUCER] = {RD_KAFKA_PRODUCER, bulk_defaults, producer_fixed, ARRAY_SIZE(bulk_defaults),
				 ARRAY_SIZE(producer_fixed)},
	[KAFKA_ASKER] = {RD_KAFKA_PRODUCER, asker_defaults, NULL, ARRAY_SIZE(asker_defaults), 0},
	[KAFKA_CONSUMER] = {RD_KAFKA_CONSUMER, consumer_defaults, consumer_fixed, ARRAY_SIZE(consumer_defaults),
			    ARRAY_SIZE(consumer_fixed)},
	[KAFKA_READER] = {RD_KAFKA_CONSUMER, consumer_defaults, consumer_fixed, ARRAY_SIZE(consumer_defaults),
			  ARRAY_SIZE(consumer_fixed)},
};

/* librdkafka's own words; what matters for a person is said by the store, so these are for debugging. */
static void
on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
	(void)client, (void)level;
	log_debug("kafka client", "facility=%s text=%s", facility, text);
}

/* All clients of ours say the same, again and again: each kind of error is said once a minute, or where it is new. */
static void
on_error(rd_kafka_t *client, int code, const char *text, void *opaque)
{
	struct kafka *kafka = opaque;
	const char *hint = "", *end = strstr(text, " (after "); /* … so long in state …, so many suppressed */
	char said[STORE_REASON_SIZE];

	(void)client;
	atomic_fetch_add(&kafka->doubts, 1);
	if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && strstr(text, "SCRAM") && rd_kafka_version() < 0x020601ff)
		hint = " (SCRAM of this librdkafka does not work with Kafka 4: use mutual TLS, PLAIN over TLS, or "
		       "librdkafka 2.6.1)";
	if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
		hint = " (the ACLs of contrib/kafka/README.md are wanted)";
	snprintf(said, sizeof said, "%.*s%s", end ? (int)(end - text) : (int)strlen(text), text, hint);
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) /* the others say why */
		(void)!trouble_note(&kafka->store.away, said);
	if (!trouble_note(&kafka->errors[(unsigned)code % KAFKA_ERRORS], said))
		return;
	log_limited(code == RD_KAFKA_RESP_ERR__AUTHENTICATION ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "broker",
		    "store=%s error=%s reason=%s", kafka->store.name, rd_kafka_err2name((rd_kafka_resp_err_t)code),
		    said);
}

static bool
set(rd_kafka_conf_t *conf, const char *name, const char *value, char *reason)
{
	char text[200];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
		return true;
	snprintf(reason, STORE_REASON_SIZE, "properties: %.80s: %s", name, text);
	return false;
}

static bool
set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count, char *reason)
{
	for (size_t i = 0; i < count; i++)
		if (!set(conf, settings[i].name, settings[i].value, reason))
			return false;
	return true;
}

/* NAME.file: the value is the first line of a file, so that secrets need not stand in the configuration. */
static bool
set_from_file(rd_kafka_conf_t *conf, const char *name, const char *path, char *reason)
{
	char base[100], line[1024] = "";

	errno = 0;
	FILE *file = fopen(path, "re");
	bool good = file && fgets(line, sizeof line, file);
	const char *why = errno != 0 ? strerror(errno) : "it is empty";
	if (good && !strchr(line, '\n') && !feof(file)) {
		why = "its first line is too long";
		good = false;
	}
	if (file)
		fclose(file);
	snprintf(base, sizeof base, "%.*s", (int)(strlen(name) - strlen(".file")), name);
	line[strcspn(line, "\r\n")] = '\0';
	if (!good)
		snprintf(reason, STORE_REASON_SIZE, "properties: %s: cannot read %.150s: %s", name, path, why);
	else
		good = set(conf, base, line, reason);
	digest_wipe(line, sizeof line);
	return good;
}

static bool
is_fixed(const char *name)
{
	static const char *const ours[] = {"bootstrap.servers", "metadata.broker.list", "group.id",
					   "request.required.acks", "transactional.id"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(producer_fixed); i++)
		if (strcmp(name, producer_fixed[i].name) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(consumer_fixed); i++)
		if (strcmp(name, consumer_fixed[i].name) == 0)
			return true;
	return false;
}

static bool
set_property(rd_kafka_conf_t *conf, const struct kafka_property *property, char *reason)
{
	size_t length = strlen(property->name);
	bool file = length > 5 && strcmp(property->name + length - 5, ".file") == 0;

	if (!is_fixed(property->name))
		return (file ? set_from_file : set)(conf, property->name, property->value, reason);
	snprintf(reason, STORE_REASON_SIZE, "properties: %.80s is not for the user to choose", property->name);
	return false;
}

static bool
set_properties(rd_kafka_conf_t *conf, const struct kafka *kafka, char *reason)
{
	for (size_t i = 0; i < kafka->property_count; i++)
		if (!set_property(conf, &kafka->properties[i], reason))
			return false;
	return true;
}

bool
kafka_check_property(const struct kafka_property *property, char *reason)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	bool good = set_property(conf, property, reason);

	rd_kafka_conf_destroy(conf);
	return good;
}

static void on_background(rd_kafka_t *client, rd_kafka_event_t *event, void *opaque);

/* Of a bulk producer, on the thread that polls it. */
static void
on_bulk_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka_bulk *bulk = message->_private;

	(void)client, (void)opaque;
	bulk->pending--;
	if (!message->err)
		return;
	bulk->failed = true;
	snprintf(bulk->reason, sizeof bulk->reason, "%s", rd_kafka_err2str(message->err));
}

static bool
is_of_changes(enum kafka_client_kind kind)
{
	return kind < KAFKA_PRODUCERS;
}

static void
set_callbacks(rd_kafka_conf_t *conf, struct kafka *kafka, enum kafka_client_kind kind)
{
	rd_kafka_conf_set_opaque(conf, kafka);
	rd_kafka_conf_set_log_cb(conf, on_log);
	if (is_of_changes(kind)) {
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
		rd_kafka_conf_set_background_event_cb(conf, on_background);
	} else if (kind != KAFKA_ASKER) { /* nobody polls that one; the others say the same */
		rd_kafka_conf_set_error_cb(conf, on_error);
	}
	if (kind == KAFKA_BULK_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, on_bulk_delivery);
}

static void
serve_in_background(rd_kafka_t *client)
{
	rd_kafka_queue_t *main = rd_kafka_queue_get_main(client), *background = rd_kafka_queue_get_background(client);

	rd_kafka_queue_forward(main, background);
	rd_kafka_queue_destroy(main);
	rd_kafka_queue_destroy(background);
}

enum status
kafka_client_new(struct kafka *kafka, enum kafka_client_kind kind, struct rd_kafka_s **client, char *reason)
{
	const struct client_kind *how = &kinds[kind];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[200];

	bool good = set_all(conf, defaults, ARRAY_SIZE(defaults), reason) &&
		    set_all(conf, how->defaults, how->default_count, reason) &&
		    (!is_of_changes(kind) || set(conf, "linger.ms", lingers_ms[kind], reason)) &&
		    set_properties(conf, kafka, reason) &&
		    set_all(conf, how->fixed, how->fixed_count, reason) &&
		    set(conf, "bootstrap.servers", kafka->brokers, reason) &&
		    (how->type == RD_KAFKA_PRODUCER ||
		     set(conf, "group.id", "zonegate", reason)); /* wanted even where no group is used */
	if (!good) {
		rd_kafka_conf_destroy(conf);
		return STATUS_INVALID;
	}
	set_callbacks(conf, kafka, kind);
	*client = rd_kafka_new(how->type, conf, text, sizeof text);
	if (!*client) {
		rd_kafka_conf_destroy(conf);
		snprintf(reason, STORE_REASON_SIZE, "%s", text);
		return STATUS_INVALID;
	}
	if (how->type == RD_KAFKA_CONSUMER)
		rd_kafka_poll_set_consumer(*client);
	if (is_of_changes(kind))
		serve_in_background(*client);
	return STATUS_OK;
}

enum status
kafka_client_producer(struct kafka *kafka, enum kafka_client_kind kind, struct kafka_producer *producer, char *reason)
{
	struct kafka_producer made;
	enum status status = kafka_client_new(kafka, kind, &made.client, reason);

	if (status)
		return status;
	made.updates = rd_kafka_topic_new(made.client, kafka->updates_topic, NULL);
	if (!made.updates) {
		rd_kafka_destroy(made.client);
		return STATUS_NO_MEMORY;
	}
	*producer = made;
	return STATUS_OK;
}

void
kafka_client_end_producer(struct kafka_producer *producer)
{
	if (!producer->client)
		return;
	rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(producer->client, 1000);
	rd_kafka_topic_destroy(producer->updates);
	rd_kafka_destroy(producer->client);
}

int32_t
kafka_client_partition(const char *key, size_t length, int32_t partitions)
{
	return rd_kafka_msg_partitioner_murmur2(NULL, key, length, partitions, NULL, NULL);
}

/* ---- what the producer's background thread hears ---- */

/* Under the mutex. */
static struct kafka_flight *
find_flight(struct kafka *kafka, uint64_t tag)
{
	for (size_t i = 0; i < KAFKA_FLIGHT_BUCKETS; i++)
		for (struct kafka_flight *flight = kafka->flights[i]; flight; flight = flight->next)
			if (flight->append.tag == tag)
				return flight;
	return NULL;
}

/*
 * A record that was not acknowledged. Where it was certainly not written, that is its fate; else it may still be in
 * the log, or come
 * into it: it is looked for up to the end of the log as of now.
 */
static void
delivery_failed(struct kafka *kafka, const rd_kafka_message_t *message)
{
	uint64_t tag = (uint64_t)(uintptr_t)message->_private;
	bool never = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;

	pthread_mutex_lock(&kafka->mutex);
	struct kafka_flight *flight = find_flight(kafka, tag);
	if (flight && flight->state == KAFKA_FLYING) {
		snprintf(flight->reason, sizeof flight->reason, "%s", rd_kafka_err2str(message->err));
		if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
			log_limited(LOG_LEVEL_WARNING, "change not written", "zone=%s reason=%s",
				    flight->append.zone->text, flight->reason);
		if (never || kafka_ask(kafka, message->partition, flight->append.zone, tag, true) != STATUS_OK) {
			flight->state = KAFKA_LOST;
			atomic_store(&kafka->lost_any, true);
		} else {
			flight->state = KAFKA_DOUBTFUL;
		}
	}
	pthread_mutex_unlock(&kafka->mutex);
	kafka_wake_poll(kafka);
}

static void
on_background(rd_kafka_t *client, rd_kafka_event_t *event, void *opaque)
{
	struct kafka *kafka = opaque;
	const rd_kafka_message_t *message;
	char text[200];

	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_DR:
		while ((message = rd_kafka_event_message_next(event)))
			if (message->err)
				delivery_failed(kafka, message);
		break;
	case RD_KAFKA_EVENT_ERROR:
		if (rd_kafka_event_error_is_fatal(event)) {
			rd_kafka_fatal_error(client, text, sizeof text);
			if (trouble_note(&kafka->producer_failed, text))
				log_error("producer failed, another one takes its place", "store=%s reason=%s",
					  kafka->store.name, text);
			atomic_store(&kafka->producer_broken, true);
		}
		on_error(client, rd_kafka_event_error(event), rd_kafka_event_error_string(event), kafka);
		break;
	default:
		break;
	}
	rd_kafka_event_destroy(event);
}

/* ---- topics ---- */

static rd_kafka_event_t *
wait_event(rd_kafka_queue_t *queue)
{
	return rd_kafka_queue_poll(queue, 5000);
}

static enum status
create_topic(struct kafka *kafka, const char *topic, bool compact, char *reason)
{
	char text[200];
	rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, (int)kafka->partitions_wanted,
							    (int)kafka->replication_wanted, text, sizeof text);

	if (!wanted) {
		snprintf(reason, STORE_REASON_SIZE, "create-topics: %s: %s", topic, text);
		return STATUS_STOP;
	}
	rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", compact ? "compact" : "delete");
	if (kafka->replication_wanted >= 3)
		rd_kafka_NewTopic_set_config(wanted, "min.insync.replicas", "2");
	if (!compact)
		rd_kafka_NewTopic_set_config(wanted, "retention.ms", "604800000");
	rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->asker);
	rd_kafka_CreateTopics(kafka->asker, &wanted, 1, NULL, queue);
	rd_kafka_event_t *event = wait_event(queue);
	enum status status = STATUS_RETRY;
	if (!event || rd_kafka_event_error(event)) {
		snprintf(reason, STORE_REASON_SIZE, "topic %s cannot be created: %s", topic,
			 event ? rd_kafka_event_error_string(event) : "no answer");
	} else {
		size_t count;
		const rd_kafka_topic_result_t **results =
			rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
		rd_kafka_resp_err_t error = count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
		if (!error || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			status = STATUS_OK; /* another gateway may have been quicker */
		else
			snprintf(reason, STORE_REASON_SIZE, "topic %s cannot be created: %s", topic,
				 count && rd_kafka_topic_result_error_string(results[0])
					 ? rd_kafka_topic_result_error_string(results[0])
					 : rd_kafka_err2str(error));
		if (!error)
			log_info("topic created", "store=%s topic=%s partitions=%u replication=%u", kafka->store.name,
				 topic, kafka->partitions_wanted, kafka->replication_wanted);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(wanted);
	return status;
}

static rd_kafka_resp_err_t
ask_metadata(rd_kafka_t *client, const char *topic, const struct rd_kafka_metadata **metadata)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);

	if (!handle)
		return rd_kafka_last_error();
	rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, metadata, KAFKA_ASK_MS);
	rd_kafka_topic_destroy(handle);
	return error;
}

const struct rd_kafka_metadata *
kafka_client_metadata(rd_kafka_t *client, const char *topic)
{
	const struct rd_kafka_metadata *metadata;

	return ask_metadata(client, topic, &metadata) ? NULL : metadata;
}

/* *partitions: 0 where the topic does not exist. */
static enum status
count_partitions(struct kafka *kafka, const char *topic, int32_t *partitions, char *reason)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error = ask_metadata(kafka->asker, topic, &metadata);
	enum status status = STATUS_OK;

	if (error) {
		snprintf(reason, STORE_REASON_SIZE, "no answer from %.150s: %s", kafka->brokers,
			 rd_kafka_err2str(error));
		status = STATUS_RETRY;
	} else {
		const rd_kafka_metadata_topic_t *found = metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
		*partitions = 0;
		if (found && !found->err) {
			*partitions = found->partition_cnt;
		} else if (found && found->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
			snprintf(reason, STORE_REASON_SIZE, "topic %s: %s%s", topic, rd_kafka_err2str(found->err),
				 found->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
					 ? " (the ACLs of contrib/kafka/README.md are wanted)"
					 : "");
			status = STATUS_RETRY;
		}
		rd_kafka_metadata_destroy(metadata);
	}
	return status;
}

static enum status
find_topic(struct kafka *kafka, const char *topic, bool compact, int32_t *partitions, char *reason)
{
	for (int attempt = 0; attempt < 50; attempt++) {
		enum status status = count_partitions(kafka, topic, partitions, reason);
		if (status || *partitions)
			return status;
		if (!kafka->create_topics) {
			snprintf(reason, STORE_REASON_SIZE,
				 "topic %s does not exist; run: kafka-topics.sh --bootstrap-server %.60s --create "
				 "--topic %s "
				 "--partitions 12 --replication-factor 3 --config min.insync.replicas=2 --config "
				 "cleanup.policy=%s (or set create-topics)",
				 topic, kafka->brokers, topic, compact ? "compact" : "delete");
			return STATUS_STOP;
		}
		if (attempt == 0) {
			status = create_topic(kafka, topic, compact, reason);
			if (status)
				return status;
		}
		struct timespec pause = {0, 100000000};
		nanosleep(&pause, NULL); /* it takes a moment until all brokers know it */
	}
	snprintf(reason, STORE_REASON_SIZE, "topic %s was created and is not there yet", topic);
	return STATUS_RETRY;
}

/* A setting as text into `value`; false: not known, for example not allowed to ask. */
static bool
topic_setting(struct kafka *kafka, const char *topic, const char *setting, char *value, size_t room)
{
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->asker);
	bool found = false;

	rd_kafka_DescribeConfigs(kafka->asker, &resource, 1, NULL, queue);
	rd_kafka_event_t *event = wait_event(queue);
	if (event && !rd_kafka_event_error(event)) {
		size_t count, entry_count;
		const rd_kafka_ConfigResource_t **resources =
			rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
		const rd_kafka_ConfigEntry_t **entries =
			count ? rd_kafka_ConfigResource_configs(resources[0], &entry_count) : NULL;
		for (size_t i = 0; entries && i < entry_count; i++)
			if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), setting) == 0 &&
			    rd_kafka_ConfigEntry_value(entries[i])) {
				snprintf(value, room, "%s", rd_kafka_ConfigEntry_value(entries[i]));
				found = true;
			}
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy(resource);
	return found;
}

bool
kafka_client_topic_number(struct kafka *kafka, const char *topic, const char *setting, int64_t *value)
{
	char text[64];

	if (!topic_setting(kafka, topic, setting, text, sizeof text))
		return false;
	*value = strtoll(text, NULL, 10);
	return true;
}

static enum status
check_policy(struct kafka *kafka, const char *topic, const char *wanted, char *reason)
{
	char value[64];

	if (!topic_setting(kafka, topic, "cleanup.policy", value, sizeof value)) {
		log_warning("topic not checked", "store=%s topic=%s reason=%s", kafka->store.name, topic,
			    "its settings cannot be read");
		return STATUS_OK;
	}
	if (strcmp(value, wanted) == 0)
		return STATUS_OK;
	snprintf(reason, STORE_REASON_SIZE,
		 "topic %s has cleanup.policy=%s, %s is needed; run: kafka-configs.sh --bootstrap-server %.60s --alter "
		 "--entity-type topics --entity-name %s --add-config cleanup.policy=%s",
		 topic, value, wanted, kafka->brokers, topic, wanted);
	return STATUS_STOP;
}

/* A client knows the topic's leaders before it begins: else its first record takes almost a second more. */
static void
introduce(struct kafka *kafka, rd_kafka_t *client)
{
	const struct rd_kafka_metadata *metadata = kafka_client_metadata(client, kafka->updates_topic);

	if (metadata)
		rd_kafka_metadata_destroy(metadata);
}

enum status
kafka_client_topics(struct kafka *kafka, char *reason)
{
	int32_t updates, snapshots;
	enum status status = find_topic(kafka, kafka->updates_topic, false, &updates, reason);

	if (!status)
		status = find_topic(kafka, kafka->snapshots_topic, true, &snapshots, reason);
	if (!status && !kafka->topics_checked) {
		status = check_policy(kafka, kafka->updates_topic, "delete", reason);
		if (!status)
			status = check_policy(kafka, kafka->snapshots_topic, "compact", reason);
	}
	if (status)
		return status;
	if (!kafka->topics_checked) {
		introduce(kafka, kafka->consumer);
		for (int kind = 0; kind < KAFKA_PRODUCERS; kind++)
			introduce(kafka, kafka->producers[kind].client);
	}
	pthread_mutex_lock(&kafka->mutex);
	kafka->topics_checked = true;
	kafka->partition_count = updates;
	kafka->snapshot_partition_count = snapshots;
	pthread_mutex_unlock(&kafka->mutex);
	return STATUS_OK;
}

/* Not rd_kafka_query_watermark_offsets: without brokers that one does not keep to its time-out. */
enum status
kafka_client_offset(struct kafka *kafka, const char *topic, int32_t partition, int64_t what, int64_t *offset,
		    char *reason)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, partition);

	asked->offset = what;
	rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(kafka->asker, list, KAFKA_ASK_MS);
	if (!error)
		error = asked->err;
	if (!error && asked->offset < 0)
		error = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
	*offset = asked->offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (!error)
		return STATUS_OK;
	snprintf(reason, STORE_REASON_SIZE, "topic %s, partition %d: %s", topic, (int)partition,
		 rd_kafka_err2str(error));
	return STATUS_RETRY;
}

enum status
kafka_client_bounds(struct kafka *kafka, const char *topic, int32_t partition, int64_t *low, int64_t *high,
		    char *reason)
{
	enum status status = kafka_client_offset(kafka, topic, partition, RD_KAFKA_OFFSET_BEGINNING, low, reason);
	return status ? status : kafka_client_offset(kafka, topic, partition, RD_KAFKA_OFFSET_END, high, reason);
}
