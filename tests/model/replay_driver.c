/*
 * Judges records of one zone, a line each, and says what came of it: "FATE VERSION ID SERIAL frozen removed | content".
 * tests/model/replay_model.py compares that with the rule's model.
 */
#include "tests/store/suite.h"
#include "zone/change_json.h"
#include "base/bytes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_state(const char *fate, const struct zone_version *version, const struct replay *replay, bool content)
{
	char id[2 * VERSION_ID_SIZE + 1], *text = content ? suite_content(version) : calloc(1, 1);

	bytes_to_hex(version->id, VERSION_ID_SIZE, id);
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = ';';
	printf("%s %llu %s %u %d %d | %s\n", fate, (unsigned long long)version->version, id, version->serial,
	       version->frozen, replay_removed(replay), text);
	free(text);
}

int
main(int argc, char **argv)
{
	static const char *const fates[] = {[REPLAY_APPLIED] = "applied",
					    [REPLAY_SKIPPED] = "skipped",
					    [REPLAY_DIVERGED] = "diverged",
					    [REPLAY_UNKNOWN] = "unknown",
					    [REPLAY_FAILED] = "failed"};
	char *line = NULL, reason[REPLAY_REASON_SIZE];
	bool content = argc < 2 || strcmp(argv[1], "quiet") != 0;
	size_t room = 0, lines = 0;
	ssize_t length;
	struct arena arena;
	struct draft draft;
	struct replay *replay = replay_new();

	arena_init(&arena, 16u << 20);
	if (!replay || draft_begin(&draft, NULL, suite_apex))
		return 1;
	while ((length = getline(&line, &room, stdin)) > 0) {
		struct change change;
		enum replay_fate fate = REPLAY_SKIPPED;
		if (line[length - 1] == '\n')
			length--;
		if (change_json_decode((uint8_t *)line, (size_t)length, suite_apex, &arena, &change, reason) ==
		    STATUS_OK)
			fate = replay_change(replay, &draft, &change, (uint8_t *)line, (size_t)length, NULL, reason);
		else
			fprintf(stderr, "%s: %s\n", line, reason);
		if (++lines % 3 == 0)
			replay_keep(replay);
		print_state(fates[fate], draft.version, replay, content);
		arena_reset(&arena);
	}
	free(line);
	draft_drop(&draft);
	replay_free(replay);
	arena_free(&arena);
	return 0;
}
