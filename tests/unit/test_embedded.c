/* store/embedded.c: the suite of all stores, over a directory of its own. */
#include "tests/store/suite.h"
#include "store/embedded.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/zonegate-embedded-XXXXXX";
static struct kv *kv;
static uint64_t keep_history_s;

static void
clear(void)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
	char path[100];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", directory, files[i]);
		unlink(path);
	}
}

static struct store *
open_embedded(void *context, bool fresh)
{
	char reason[STORE_REASON_SIZE];
	struct store *store;

	(void)context;
	if (fresh)
		clear();
	if (kv_open(directory, &kv, reason) || embedded_open("local", kv, keep_history_s, &store, reason)) {
		fprintf(stderr, "%s\n", reason);
		return NULL;
	}
	return store;
}

static void
closed_embedded(void *context)
{
	(void)context;
	kv_close(kv);
}

static void
keep_history(void *context, uint64_t seconds)
{
	(void)context;
	keep_history_s = seconds;
}

int
main(void)
{
	if (!mkdtemp(directory))
		return 1;
	int failed = suite_run("embedded", &(struct suite_store){
		.open = open_embedded, .closed = closed_embedded, .keeps = true, .keep_history = keep_history});
	clear();
	rmdir(directory);
	return failed;
}
