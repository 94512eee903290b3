/*
 * store/kafka.c: the suite of all stores over a real broker, which KAFKA_BROKERS=host:port names
 * (tests/store/test_kafka.py starts one
 * and runs this). Without it the test is skipped.
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
		.brokers = brokers,
		.updates_topic = updates,
		.snapshots_topic = snapshots,
		.snapshot_changes = 10000,
		.snapshot_interval_ms = 3600000,
		.create_topics = true,
		.partitions = 2,
		.replication = 1,
	};
	if (kafka_open("bus", &settings, kv, &store, reason) != STATUS_OK) {
		fprintf(stderr, "test_kafka: %s\n", reason);
		exit(1);
	}
	return store;
}

int
main(void)
{
	char folder[] = "/tmp/zg-suite-XXXXXX", command[64], reason[STORE_REASON_SIZE] = "";

	if (!getenv("KAFKA_BROKERS")) {
		fprintf(stderr, "skipped: KAFKA_BROKERS is not set\n");
		return 77;
	}
	if (!mkdtemp(folder) || kv_open(folder, &kv, reason) != STATUS_OK) {
		fprintf(stderr, "test_kafka: %s\n", reason);
		return 1;
	}
	int failed = suite_run("kafka", &(struct suite_store){.open = open_kafka, .keeps = true});
	kv_close(kv);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return failed || system(command) != 0;
}
