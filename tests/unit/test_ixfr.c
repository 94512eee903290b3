/* IXFR: the example of RFC 1995, changes of every kind, what is too long, one message or many. */
#include "tests/unit/cmocka.h"
#include "base/rcu.h"
#include "tests/unit/zone_text.h"
#include "transfer/digests.h"
#include "transfer/ixfr.h"
#include "transfer/sequence.h"
#include <unistd.h>

static const uint8_t jain[] = "\4jain\2ad\2jp", com[] = "\7example\3com";
static uint8_t buffer[65535];

struct fixture {
	struct table *table;
	struct ixfr *ixfr;
	struct zone *zone;
};

static struct transfer_settings settings;

static void
on_ready(void *context, struct zone *zone)
{
	(void)context;
	(void)zone;
}

static void
publish(struct fixture *fixture, struct zone_version *version)
{
	const struct zone_version *before = atomic_load(&fixture->zone->current);

	table_publish(fixture->table, fixture->zone, version);
	assert_true(ixfr_published(fixture->ixfr, fixture->zone, before, version));
}

static struct fixture
start(const uint8_t *apex, const char *text)
{
	struct fixture fixture = {.table = table_new(), .ixfr = ixfr_new(on_ready, NULL), .zone = table_zone_new(apex)};

	settings.allow_transfer = acl_new();
	atomic_store(&fixture.zone->transfer_settings, &settings);
	assert_int_equal(table_add(fixture.table, fixture.zone), STATUS_OK);
	publish(&fixture, zone_text_load(fixture.zone->name, text));
	return fixture;
}

static void
end(struct fixture *fixture)
{
	acl_free(settings.allow_transfer);
	ixfr_end_zone(fixture->ixfr, fixture->zone);
	ixfr_free_zone(fixture->zone);
	assert_int_equal(table_remove(fixture->table, fixture->zone), STATUS_OK);
	rcu_thread_offline();
	table_free(fixture->table);
	rcu_thread_online();
	ixfr_free(fixture->ixfr);
}

static const struct zone_version *
current(const struct fixture *fixture)
{
	return atomic_load(&fixture->zone->current);
}

/* A line "-OWNER TYPE RDATA" deletes a record, "OWNER TTL TYPE RDATA" adds one; owners are relative. */
static void
edit(struct draft *draft, const uint8_t *apex, char *line)
{
	char owner[300], type_text[RRTYPE_TEXT_SIZE], reason[PRESENT_REASON_SIZE];
	uint8_t name[NAME_MAX_SIZE], rdata[512];
	uint16_t type;
	size_t size;
	int at = 0;

	if (line[0] != '-') {
		zone_text_add(draft, apex, line);
		return;
	}
	assert_int_equal(sscanf(line + 1, "%299s %15s %n", owner, type_text, &at), 2);
	assert_int_equal(name_from_text(owner, strlen(owner), apex, name), STATUS_OK);
	name_lower(name, name);
	assert_int_equal(rrtype_from_text(type_text, &type), STATUS_OK);
	const char *content = line + 1 + at;
	assert_int_equal(present_parse(type, content, strlen(content), apex, rdata, sizeof rdata, &size, reason),
			 STATUS_OK);
	assert_int_equal(draft_delete(draft, name, type, rdata, size), STATUS_OK);
}

static void
change(struct fixture *fixture, uint32_t serial, const char *text)
{
	struct draft draft;
	struct zone_version *version;
	char *copy = strdup(text), *rest = copy, *line;

	assert_int_equal(draft_begin(&draft, current(fixture), fixture->zone->name), STATUS_OK);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			edit(&draft, fixture->zone->name, line);
	free(copy);
	draft.version->version++;
	draft.version->serial = serial;
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	publish(fixture, version);
}

/* An IXFR query (RFC 1995 3) into `query`, 600 octets. */
static void
ask(const char *name, uint32_t serial, uint8_t *query, struct message *msg)
{
	size_t size = zone_text_query(name, "IXFR", 0, query);
	struct writer out = writer_over(query + size, 600 - size);

	writer_u16(&out, 0xc00c);
	writer_u16(&out, TYPE_SOA);
	writer_u16(&out, CLASS_IN);
	writer_u32(&out, 0);
	writer_u16(&out, 22);
	writer_u16(&out, 0);
	writer_u32(&out, serial);
	for (unsigned i = 0; i < 4; i++)
		writer_u32(&out, 0);
	bytes_put_u16(query + 8, 1);
	assert_int_equal(parse_message(query, size + writer_size(&out), msg), PARSE_OK);
}

static size_t
add_records(const struct message *msg, char *text, size_t used, size_t room)
{
	struct record record;
	size_t offset = msg->start[SECTION_ANSWER];

	for (unsigned left = msg->count[SECTION_ANSWER]; left > 0; left--) {
		message_record(msg, &offset, &record);
		used += zone_text_record(msg, &record, 'A', text + used, room - used);
	}
	return used;
}

/* An answer over TCP; NULL: the serial is not known. */
static struct stream *
begin(struct fixture *fixture, const char *name, const struct zone_version *version, uint32_t serial)
{
	struct tsig tsig = {.verdict = TSIG_NONE};
	struct message msg;
	struct stream *stream;
	uint8_t query[600];

	ask(name, serial, query, &msg);
	enum status status = ixfr_start(&msg, &tsig, fixture->zone, version, serial, &stream);
	if (status == STATUS_NOT_FOUND)
		return NULL;
	assert_int_equal(status, STATUS_OK);
	return stream;
}

/* All of it as text, the caller frees. */
static char *
pull(struct stream *stream, unsigned *messages)
{
	struct message msg;
	size_t room = 1 << 22, used = 0, size;
	char *text = malloc(room);

	for (*messages = 0;; ++*messages) {
		assert_int_equal(stream_next(stream, buffer, sizeof buffer, &size), STATUS_OK);
		if (size == 0)
			break;
		assert_int_equal(parse_response(buffer, size, &msg), PARSE_OK);
		assert_int_equal(msg.flags, FLAG_QR | FLAG_AA);
		used = add_records(&msg, text, used, room);
	}
	stream_free(stream);
	return text;
}

static char *
transfer(struct fixture *fixture, const char *name, uint32_t serial, unsigned *messages)
{
	struct stream *stream = begin(fixture, name, current(fixture), serial);

	return stream != NULL ? pull(stream, messages) : NULL;
}

static void
expect(struct fixture *fixture, const char *name, uint32_t serial, const char *expected)
{
	unsigned messages;
	char *text = transfer(fixture, name, serial, &messages);

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(messages, 1);
	free(text);
}

#define JAIN "@ 604800 SOA ns.jain.ad.jp. mohta.jain.ad.jp. 1 600 600 3600000 604800\n@ 60 NS ns.jain.ad.jp.\n" \
	"ns 60 A 133.69.136.1\nnezu 60 A 133.69.136.5\n"
#define JAIN_SOA(serial) \
	"A jain.ad.jp. 604800 SOA ns.jain.ad.jp. mohta.jain.ad.jp. " #serial " 600 600 3600000 604800\n"

static struct fixture
start_jain(void)
{
	struct fixture fixture = start(jain, JAIN);

	change(&fixture, 2, "-nezu A 133.69.136.5\njain-bb 60 A 133.69.136.4\njain-bb 60 A 192.41.197.2\n");
	change(&fixture, 3, "-jain-bb A 133.69.136.4\njain-bb 60 A 133.69.136.3\n");
	return fixture;
}

#define JAIN_2_TO_3 JAIN_SOA(2) "A jain-bb.jain.ad.jp. 60 A 133.69.136.4\n" \
	JAIN_SOA(3) "A jain-bb.jain.ad.jp. 60 A 133.69.136.3\n"

static void
the_example_of_rfc_1995_comes_out(void **state) /* RFC 1995 7 */
{
	struct fixture fixture = start_jain();

	(void)state;
	expect(&fixture, "jain.ad.jp.", 1,
	       JAIN_SOA(3) JAIN_SOA(1) "A nezu.jain.ad.jp. 60 A 133.69.136.5\n"
	       JAIN_SOA(2) "A jain-bb.jain.ad.jp. 60 A 133.69.136.4\nA jain-bb.jain.ad.jp. 60 A 192.41.197.2\n"
	       JAIN_2_TO_3 JAIN_SOA(3));
	expect(&fixture, "JAIN.ad.jp.", 2, JAIN_SOA(3) JAIN_2_TO_3 JAIN_SOA(3));
	end(&fixture);
}

static void
one_message_holds_it_or_nothing_is_written(void **state) /* RFC 1995 2, 4 */
{
	struct fixture fixture = start_jain();
	struct compose compose;
	struct message msg;
	uint8_t query[600];
	char text[4000];

	(void)state;
	ask("jain.ad.jp.", 2, query, &msg);
	compose_begin(&compose, &msg, buffer, 512, 0);
	assert_true(ixfr_compose(&compose, fixture.zone, current(&fixture), 2));
	size_t size = compose_finish(&compose, NULL);
	assert_int_equal(parse_response(buffer, size, &msg), PARSE_OK);
	text[add_records(&msg, text, 0, sizeof text)] = '\0';
	assert_string_equal(text, JAIN_SOA(3) JAIN_2_TO_3 JAIN_SOA(3));
	ask("jain.ad.jp.", 1, query, &msg);
	compose_begin(&compose, &msg, buffer, 512, 300);
	assert_false(ixfr_compose(&compose, fixture.zone, current(&fixture), 1));
	assert_int_equal(compose.count[SECTION_ANSWER], 0);
	compose_begin(&compose, &msg, buffer, 512, 0);
	assert_false(ixfr_compose(&compose, fixture.zone, current(&fixture), 77));
	end(&fixture);
}

static void
a_serial_that_is_not_known_gets_the_whole_zone(void **state) /* RFC 1995 4 */
{
	struct fixture fixture = start_jain();
	unsigned messages;

	(void)state;
	assert_null(transfer(&fixture, "jain.ad.jp.", 0, &messages));
	assert_null(transfer(&fixture, "jain.ad.jp.", 77, &messages));
	assert_int_equal(stat_read(&ixfr_counters(fixture.ixfr)->whole), 2);
	end(&fixture);
}

static void
who_saw_a_version_gets_it_before_the_follower_says_so(void **state)
{
	struct fixture fixture = start_jain();
	struct draft draft;
	struct zone_version *version;
	unsigned messages;

	(void)state;
	assert_int_equal(draft_begin(&draft, current(&fixture), fixture.zone->name), STATUS_OK);
	draft.version->version++;
	draft.version->serial = 9;
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	table_publish(fixture.table, fixture.zone, version);
	char *text = transfer(&fixture, "jain.ad.jp.", 3, &messages);
	assert_string_equal(text, JAIN_SOA(9) JAIN_SOA(3) JAIN_SOA(9) JAIN_SOA(9));
	free(text);
	assert_true(ixfr_published(fixture.ixfr, fixture.zone, NULL, version));
	expect(&fixture, "jain.ad.jp.", 3, JAIN_SOA(9) JAIN_SOA(3) JAIN_SOA(9) JAIN_SOA(9));
	end(&fixture);
}

#define SOA_TEXT "A example.com. 60 SOA ns.example.com. hm.example.com. %u 3600 900 604800 300\n"

static char *
with_soas(const char *format)
{
	static char text[4000];

	snprintf(text, sizeof text, format, 8, 7, 8, 8);
	return text;
}

static void
a_ttl_changes_with_every_record_of_the_rrset(void **state)
{
	struct fixture fixture =
		start(com, "@ 60 SOA ns hm 7 3600 900 604800 300\n@ 60 NS ns\nw 60 A 10.0.0.1\nw 60 A 10.0.0.2\n");

	(void)state;
	change(&fixture, 8, "w 90 A 10.0.0.3\n");
	expect(&fixture, "example.com.", 7,
	       with_soas(SOA_TEXT SOA_TEXT "A w.example.com. 60 A 10.0.0.1\nA w.example.com. 60 A 10.0.0.2\n"
			 SOA_TEXT "A w.example.com. 90 A 10.0.0.1\nA w.example.com. 90 A 10.0.0.2\n"
			 "A w.example.com. 90 A 10.0.0.3\n" SOA_TEXT));
	end(&fixture);
}

static void
a_cname_takes_the_place_of_data(void **state)
{
	struct fixture fixture =
		start(com, "@ 60 SOA ns hm 7 3600 900 604800 300\n@ 60 NS ns\nw 60 A 10.0.0.1\nw 60 TXT \"a\"\n");

	(void)state;
	change(&fixture, 8, "-w A 10.0.0.1\n-w TXT \"a\"\nw 60 CNAME ns\n");
	expect(&fixture, "example.com.", 7,
	       with_soas(SOA_TEXT SOA_TEXT "A w.example.com. 60 A 10.0.0.1\nA w.example.com. 60 TXT \"a\"\n"
			 SOA_TEXT "A w.example.com. 60 CNAME ns.example.com.\n" SOA_TEXT));
	end(&fixture);
}

static void
the_spelling_of_a_name_in_rdata_is_a_difference(void **state)
{
	struct fixture fixture =
		start(com, "@ 60 SOA ns hm 7 3600 900 604800 300\n@ 60 NS ns\nw 60 MX 1 mail\nw 60 MX 2 mail\n");

	(void)state;
	change(&fixture, 8, "-w MX 1 mail\nw 60 MX 1 Mail\n");
	expect(&fixture, "example.com.", 7,
	       with_soas(SOA_TEXT SOA_TEXT "A w.example.com. 60 MX 1 mail.example.com.\n"
			 SOA_TEXT "A w.example.com. 60 MX 1 Mail.example.com.\n" SOA_TEXT));
	end(&fixture);
}

static void
old_differences_go_when_the_zone_itself_is_shorter(void **state)
{
	struct fixture fixture = start(com, "@ 60 SOA ns hm 1 3600 900 604800 300\n@ 60 NS ns\n");
	unsigned messages;
	char line[400];

	(void)state;
	for (uint32_t serial = 2; serial < 400; serial++) {
		snprintf(line, sizeof line, "%st 60 TXT \"%u%0240u\"\n", "", serial, serial);
		change(&fixture, serial, line);
		snprintf(line, sizeof line, "-t TXT \"%u%0240u\"\n", serial, serial);
		serial++;
		change(&fixture, serial, line);
	}
	assert_null(transfer(&fixture, "example.com.", 1, &messages));
	char *text = transfer(&fixture, "example.com.", 390, &messages);
	assert_non_null(text);
	free(text);
	end(&fixture);
}

static void
a_long_answer_takes_several_messages_and_loses_nothing(void **state)
{
	size_t room = 1 << 21, used = 0, records = 0;
	char *zone = malloc(room), *adds = malloc(room);
	unsigned messages;

	(void)state;
	used += (size_t)sprintf(zone, "@ 60 SOA ns hm 7 3600 900 604800 300\n@ 60 NS ns\n");
	for (unsigned i = 0; i < 9000; i++)
		used += (size_t)sprintf(zone + used, "n%u 60 A 10.0.%u.%u\n", i, i >> 8, i & 255);
	struct fixture fixture = start(com, zone);
	used = 0;
	for (unsigned i = 0; i < 4000; i++)
		used += (size_t)sprintf(adds + used, "m%u 60 TXT \"number %u\"\n", i, i);
	change(&fixture, 8, adds);
	char *text = transfer(&fixture, "example.com.", 7, &messages);
	assert_non_null(text);
	for (const char *at = text; *at != '\0'; at++)
		records += *at == '\n';
	assert_int_equal(records, 4000 + 4);
	assert_true(messages > 1);
	free(text);
	end(&fixture);
	free(zone);
	free(adds);
}

/* ---- from the log ---- */

static int
compare_records(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A sequence's records, sorted within what was removed and what was added. */
static char *
sequence_text(const struct sequence *sequence)
{
	static char text[20000];
	char *lines[400], type[RRTYPE_TEXT_SIZE];
	const uint8_t *at = sequence->data;
	size_t used = 0, half = 0;

	for (uint32_t i = 0; i < sequence->records; i++) {
		char *line = lines[i] = malloc(1200);
		half += (size_t)(at - sequence->data) < sequence->soa_offset;
		struct sequence_record record = sequence_next(&at);
		int size = sprintf(line, "%.*s %u %s ", record.own, (const char *)record.name, record.ttl_s,
				   rrtype_to_text(record.type, type));
		bytes_to_hex(record.rdata.bytes, record.rdata.size, line + size);
	}
	qsort(lines, half, sizeof *lines, compare_records);
	qsort(lines + half, sequence->records - half, sizeof *lines, compare_records);
	for (uint32_t i = 0; i < sequence->records; i++) {
		used += (size_t)sprintf(text + used, "%c%s\n", i < half ? '-' : '+', lines[i]);
		free(lines[i]);
	}
	return text;
}

/* A zone of few names and many kinds, so that random ones differ in every way. */
static void
random_zone(char *text, unsigned serial)
{
	static const char *const kinds[] = {"A 10.0.0.%u", "MX %u mail", "TXT \"%u\"", "AAAA 2001:db8::%u"};
	size_t used = (size_t)sprintf(text, "@ %u SOA ns hm %u 3600 900 604800 300\n@ 60 NS ns\n",
				      60 + (unsigned)rand() % 2, serial);

	for (unsigned name = 0; name < 8; name++) {
		if (rand() % 4 == 0) {
			used += (size_t)sprintf(text + used, "w%u 60 CNAME t%d\n", name, rand() % 3);
			continue;
		}
		for (unsigned kind = 0; kind < 4; kind++) {
			int ttl = 60 + rand() % 2;
			for (unsigned i = 0; i < 3; i++)
				if (rand() % 3 == 0) {
					used += (size_t)sprintf(text + used, "w%u %d ", name, ttl);
					used += (size_t)sprintf(text + used, kinds[kind], i);
					used += (size_t)sprintf(text + used, "\n");
				}
		}
	}
}

static void
the_log_gives_the_same_differences_as_the_versions(void **state)
{
	struct arena ops, arena;

	(void)state;
	srand(1995);
	arena_init(&ops, 1 << 24);
	arena_init(&arena, 1 << 24);
	for (unsigned round = 0; round < 300; round++) {
		char old_text[8000], new_text[8000];
		struct sequence *direct, *replayed;
		struct change made = {.frozen = -1};
		struct draft draft;
		random_zone(old_text, 5);
		random_zone(new_text, 6);
		struct zone_version *from = zone_text_load(com, old_text), *to = zone_text_load(com, new_text);
		to->version = 2;
		assert_int_equal(change_between(from, to, &ops, &made.ops, &made.op_count), STATUS_OK);
		assert_int_equal(sequence_between(from, to, 1 << 20, &direct), STATUS_OK);
		assert_int_equal(draft_begin(&draft, from, com), STATUS_OK);
		assert_int_equal(sequence_of_change(&draft, &made, 2, 6, &arena, 1 << 20, &replayed), STATUS_OK);
		char *expected = strdup(sequence_text(direct));
		assert_string_equal(sequence_text(replayed), expected);
		assert_int_equal(replayed->from_serial, 5);
		assert_int_equal(replayed->to_serial, 6);
		assert_int_equal(replayed->to_version, 2);
		free(expected);
		sequence_release(direct);
		sequence_release(replayed);
		draft_drop(&draft);
		draft_discard(to);
		draft_discard(from);
		arena_reset(&ops);
		arena_reset(&arena);
	}
	arena_free(&ops);
	arena_free(&arena);
}

static void
a_sequence_over_the_limit_is_not_made(void **state)
{
	struct zone_version *from = zone_text_load(com, "@ 60 SOA ns hm 7 3600 900 604800 300\n@ 60 NS ns\n");
	struct zone_version *to =
		zone_text_load(com, "@ 60 SOA ns hm 8 3600 900 604800 300\n@ 60 NS ns\nw 60 TXT \"0123456789\"\n");
	struct sequence *sequence;

	(void)state;
	assert_int_equal(sequence_between(from, to, 100, &sequence), STATUS_LIMIT);
	assert_int_equal(sequence_between(from, to, 1000, &sequence), STATUS_OK);
	sequence_release(sequence);
	draft_discard(to);
	draft_discard(from);
}

/* ---- with digests ---- */

static void
digest_current(struct fixture *fixture, struct digests *digests)
{
	bool there = false;

	assert_false(digests_published(digests, fixture->zone, current(fixture), false));
	for (unsigned tries = 0; !there; tries++) {
		struct zone_version *newest = digests_newest(fixture->zone);
		there = newest == current(fixture);
		if (newest != NULL)
			version_unpin(newest);
		assert_true(tries < 60000);
		usleep(1000);
	}
}

static void
a_digest_is_given_to_the_end_although_its_version_has_gone(void **state)
{
	struct fixture fixture = start(jain, JAIN);
	struct digests *digests = digests_new(on_ready, NULL);
	unsigned messages;

	(void)state;
	settings.zonemd = true;
	table_set_state(fixture.zone, ZONE_READY);
	digest_current(&fixture, digests);
	change(&fixture, 2, "a 60 A 133.69.136.7\n");
	digest_current(&fixture, digests);
	char *expected = transfer(&fixture, "jain.ad.jp.", 1, &messages);
	assert_non_null(strstr(expected, " ZONEMD 2 1 1 "));
	struct zone_version *version = digests_newest(fixture.zone);
	change(&fixture, 3, "b 60 A 133.69.136.8\n"); /* sequences lead further than the digest */
	struct stream *stream = begin(&fixture, "jain.ad.jp.", version, 1);
	version_unpin(version);
	digest_current(&fixture, digests);
	rcu_thread_offline();
	usleep(20000 * RECLAIM_GATHER_MS);
	rcu_thread_online();
	char *text = pull(stream, &messages);
	assert_string_equal(text, expected);
	free(text);
	free(expected);
	digests_end_zone(fixture.zone);
	digests_free_zone(fixture.zone);
	digests_free(digests);
	settings.zonemd = false;
	end(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1995_comes_out),
		cmocka_unit_test(one_message_holds_it_or_nothing_is_written),
		cmocka_unit_test(a_serial_that_is_not_known_gets_the_whole_zone),
		cmocka_unit_test(who_saw_a_version_gets_it_before_the_follower_says_so),
		cmocka_unit_test(a_ttl_changes_with_every_record_of_the_rrset),
		cmocka_unit_test(a_cname_takes_the_place_of_data),
		cmocka_unit_test(the_spelling_of_a_name_in_rdata_is_a_difference),
		cmocka_unit_test(old_differences_go_when_the_zone_itself_is_shorter),
		cmocka_unit_test(a_long_answer_takes_several_messages_and_loses_nothing),
		cmocka_unit_test(the_log_gives_the_same_differences_as_the_versions),
		cmocka_unit_test(a_sequence_over_the_limit_is_not_made),
		cmocka_unit_test(a_digest_is_given_to_the_end_although_its_version_has_gone),
	};

	rcu_register_thread();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return failed;
}
