/* Master files: no text crashes, and what is taken comes back the same from its own dump. */
#include "base/log.h"
#include "base/status.h"
#include "zone/master.h"
#include <stdlib.h>

static const uint8_t apex[] = "\7example";

/* NULL: refused. */
static char *
dump_of(const char *text, size_t text_size, size_t *size)
{
	struct draft draft;
	struct zone_version *version;
	char reason[MASTER_REASON_SIZE], *dump = NULL;

	reason[0] = 0;
	if (draft_begin(&draft, NULL, apex) != STATUS_OK)
		abort();
	if (master_parse(text, text_size, "fuzz", &draft, reason) != STATUS_OK) {
		require(reason[0] != 0);
		draft_drop(&draft);
		return NULL;
	}
	if (draft_finish(&draft, &version) != STATUS_OK)
		abort();
	FILE *file = open_memstream(&dump, size);
	require(master_write(version, file) == STATUS_OK);
	fclose(file);
	draft_discard(version);
	return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_size)
{
	size_t size, again_size;

	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	char *dump = dump_of((const char *)bytes, bytes_size, &size);
	if (dump == NULL)
		return 0;
	char *again = dump_of(dump, size, &again_size);
	require(again != NULL && again_size == size && memcmp(dump, again, size) == 0);
	free(again);
	free(dump);
	return 0;
}
