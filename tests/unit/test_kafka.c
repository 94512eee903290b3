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
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/zg-suite-XXXXXX";
static struct kv *kv;

/* A gateway of its own for each log: to one that has had a zone, an empty log is no new zone. */
static void
begin_kv(unsigned count)
{
	char path[64], reason[STORE_REASON_SIZE] = "";

	if (kv)
		kv_close(kv);
	snprintf(path, sizeof path, "%s/%u", folder, count);
	if (mkdir(path, 0700) != 0 || kv_open(path, &kv, reason) != STATUS_OK) {
		fprintf(stderr, "test_kafka: %s: %s\n", path, reason);
		exit(1);
	}
}

static struct store *
open_kafka(void *context, bool fresh)
{
	static unsigned count;
	char updates[64], snapshots[64], reason[STORE_REASON_SIZE] = "";
	const char *brokers = getenv("KAFKA_BROKERS");
	struct store *store;

	(void)context;
	count += fresh;
	if (fresh)
		begin_kv(count);
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
	char command[64];

	if (!getenv("KAFKA_BROKERS")) {
		fprintf(stderr, "skipped: KAFKA_BROKERS is not set\n");
		return 77;
	}
	if (!mkdtemp(folder))
		return 1;
	int failed = suite_run("kafka", &(struct suite_store){.open = open_kafka, .keeps = true});
	if (kv)
		kv_close(kv);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return failed || system(command) != 0;
}
