/*
 * The suite of all stores over a real broker: KAFKA_BROKERS=host:port names it (tests/store/test_kafka.py starts one and runs this).
 */
#include "tests/store/suite.h"
#include "store/kafka.h"
#include "store/kv.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct kv *kv;

static struct store *
open_kafka(void *context, bool fresh)
{
	static unsigned count;
	char updates[64], snapshots[64], reason[STORE_REASON_SIZE] = "";
	const char *brokers = getenv("KAFKA_BROKERS");
	struct store *store;

	(void)context;
	count += fresh;
	snprintf(updates, sizeof updates, "suite.%d.%u.updates", (int)getpid(), count);
	snprintf(snapshots, sizeof snapshots, "suite.%d.%u.snapshots", (int)getpid(), count);
	struct kafka_settings settings = {
		.brokers = brokers, .updates_topic = updates, .snapshots_topic = snapshots, .snapshot_changes = 10000,
		.snapshot_interval_ms = 3600000, .create_topics = true, .partitions = 2, .replication = 1,
	};
	if (!brokers || kafka_open("bus", &settings, kv, &store, reason) != STATUS_OK) {
		fprintf(stderr, "kafka_suite: %s\n", brokers ? reason : "KAFKA_BROKERS is not set");
		exit(1);
	}
	return store;
}

int
main(void)
{
	char folder[] = "/tmp/zg-suite-XXXXXX", command[64], reason[STORE_REASON_SIZE] = "";

	if (!mkdtemp(folder) || kv_open(folder, &kv, reason) != STATUS_OK) {
		fprintf(stderr, "kafka_suite: %s\n", reason);
		return 1;
	}
	int failed = suite_run("kafka", &(struct suite_store){.open = open_kafka, .keeps = true});
	kv_close(kv);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return failed || system(command) != 0;
}
