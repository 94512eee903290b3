/* UPDATE evaluation of any message on a fixed zone; what comes of it must be a change that replay applies. */
#include "tests/unit/update_text.h"
#include "zone/change_json.h"
#include "zone/replay.h"

static const char zone[] =
	"@ 300 SOA ns1 hostmaster 7 3600 600 86400 300\n@ 300 NS ns1\n@ 300 NS ns2\n@ 300 MX 10 ns1\nns1 300 A "
	"192.0.2.53\n"
	"www 300 A 192.0.2.1\nwww 300 A 192.0.2.2\nwww 300 TXT \"Mixed Case\"\nalias 300 CNAME www\ntree 300 DNAME "
	"elsewhere.test.\n"
	"sub 300 NS ns.elsewhere.test.\nkey 300 KEY 0 3 8 AQIDBA==\n*.w 300 A 192.0.2.1\na.b.c 300 AAAA 2001:db8::1\n";

static struct zone_version *version;
static struct update_settings *settings[2];

static void
set_up(void)
{
	version = zone_text_load(UPDATE_TEXT_ZONE, zone);
	settings[0] = update_text_open(false);
	settings[1] = calloc(1, sizeof *settings[1]);
	settings[1]->policy = policy_new(UPDATE_TEXT_ZONE);
	settings[1]->strict = true;
	static const char *const rules[] = {"deny key. name ns1.example.test. ANY",
					    "grant key. zonesub A(2) AAAA TXT CNAME DNAME MX NS SOA",
					    "grant key. subdomain w.example.test. ANY"};
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		char reason[POLICY_REASON_SIZE];
		if (policy_add_rule(settings[1]->policy, rules[i], reason) != STATUS_OK)
			zone_text_fail("rule", rules[i], reason);
	}
}

/* By the road that every change takes. */
static void
replay(struct change *change)
{
	struct arena arena;
	const uint8_t *record;
	size_t size;
	struct draft draft;
	char reason[REPLAY_REASON_SIZE];
	struct replay *window = replay_new();
	struct replay_state state = {.state_version = version->version};
	struct change decoded;

	arena_init(&arena, 64 << 20);
	change->time_us = 1763766000000000;
	change->origin.gateway = "gw1";
	enum status status = change_json_encode(change, &arena, &record, &size);
	if (status == STATUS_OK) {
		reason[0] = '\0';
		if (change_json_decode(record, size, UPDATE_TEXT_ZONE, &arena, &decoded, reason) != STATUS_OK)
			zone_text_fail("decode", reason, (const char *)record);
		require(replay_restore(window, &state) == STATUS_OK);
		require(replay_restore_id(window, version->version, version->id) == STATUS_OK);
		require(draft_begin(&draft, version, UPDATE_TEXT_ZONE) == STATUS_OK);
		enum replay_fate fate = replay_change(window, &draft, &decoded, record, size, NULL, reason);
		if (fate != REPLAY_APPLIED)
			fprintf(stderr, "%s: %.*s\n", reason, (int)size, (const char *)record);
		require(fate == REPLAY_APPLIED);
		draft_drop(&draft);
	}
	replay_free(window);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (version == NULL)
		set_up();
	for (unsigned i = 0; i < 2; i++) {
		struct update_request request;
		struct change change;
		if (update_text_request(&request, data, size, i ? "key." : NULL) == PARSE_OK &&
		    message_opcode(&request.msg) == OPCODE_UPDATE && name_equal(request.msg.qname, UPDATE_TEXT_ZONE) &&
		    update_evaluate(&request, version, settings[i], 1763766000, &change) == UPDATE_CHANGE)
			replay(&change);
		arena_free(&request.arena);
	}
	return 0;
}
