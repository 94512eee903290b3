#include "tests/unit/cmocka.h"
#include "base/log.h"
#include "wire/name.h"
#include "zone/master.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static uint8_t apex[NAME_MAX_SIZE];
static char reason[MASTER_REASON_SIZE];

#define HEAD "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n" /* three lines */

/* NULL: refused, reason says why. Else the zone as master_write puts it; free it. */
static char *
load_size(const char *text, size_t size)
{
	struct draft draft;
	struct zone_version *version;
	char *out = NULL;
	size_t out_size;

	reason[0] = 0;
	assert_int_equal(name_from_text("example.", 8, NULL, apex), STATUS_OK);
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	if (master_parse(text, size, "zone", &draft, reason) != STATUS_OK) {
		assert_string_not_equal(reason, "");
		draft_drop(&draft);
		return NULL;
	}
	assert_string_equal(reason, "");
	assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
	FILE *file = open_memstream(&out, &out_size);
	assert_int_equal(master_write(version, file), STATUS_OK);
	fclose(file);
	draft_discard(version);
	return out;
}

static void
gives(const char *text, const char *want)
{
	char *have = load_size(text, strlen(text));

	if (have == NULL)
		assert_string_equal(reason, "");
	assert_string_equal(have, want);
	free(have);
}

static void
refused(const char *text, const char *why)
{
	assert_null(load_size(text, strlen(text)));
	assert_string_equal(reason, why);
}

#define SOA_60 "example. 60 IN SOA ns.example. h.example. 1 2 3 4 5\n"
#define NS_60 "example. 60 IN NS ns.example.\n"

static void
the_example_of_rfc_1035_5_3_is_read(void **state)
{
	(void)state;
	gives("@   IN  SOA     VENERA      Action\\.domains (\n"
	      "                                 20     ; SERIAL\n"
	      "                                 7200   ; REFRESH\n"
	      "                                 600    ; RETRY\n"
	      "                                 3600000; EXPIRE\n"
	      "                                 60)    ; MINIMUM\n"
	      "\n"
	      "        NS      A.ISI.EDU.\n"
	      "        NS      VENERA\n"
	      "        MX      10      VENERA\n"
	      "\n"
	      "A       A       26.3.0.103\n"
	      "VENERA  A       10.1.0.52\n"
	      "        A       128.9.0.32\n",
	      "example. 60 IN SOA VENERA.example. Action\\.domains.example. 20 7200 600 3600000 60\n"
	      "example. 60 IN NS A.ISI.EDU.\n"
	      "example. 60 IN NS VENERA.example.\n"
	      "example. 60 IN MX 10 VENERA.example.\n"
	      "a.example. 60 IN A 26.3.0.103\n"
	      "venera.example. 60 IN A 10.1.0.52\n"
	      "venera.example. 60 IN A 128.9.0.32\n");
}

static void
ttl_and_class_come_in_either_order_with_units(void **state)
{
	(void)state;
	gives(HEAD "a 300 IN A 192.0.2.1\nb IN 1h30m A 192.0.2.2\nc 2w A 192.0.2.3\nd in a 192.0.2.4\ne CLASS1 TYPE1 "
		   "192.0.2.5\n",
	      SOA_60 NS_60
	      "a.example. 300 IN A 192.0.2.1\nb.example. 5400 IN A 192.0.2.2\nc.example. 1209600 IN A 192.0.2.3\n"
	      "d.example. 60 IN A 192.0.2.4\ne.example. 60 IN A 192.0.2.5\n");
}

/* RFC 2308 4, RFC 1035 5.1; MINIMUM where nothing was said, as BIND does. */
static void
a_missing_ttl_is_the_default_or_the_last_or_the_soa_minimum(void **state)
{
	(void)state;
	gives("@ SOA ns h 1 2 3 4 5\n@ NS ns\na 9 A 192.0.2.1\nb A 192.0.2.2\n$TTL 8\nc A 192.0.2.3\n",
	      "example. 5 IN SOA ns.example. h.example. 1 2 3 4 5\nexample. 5 IN NS ns.example.\n"
	      "a.example. 9 IN A 192.0.2.1\nb.example. 9 IN A 192.0.2.2\nc.example. 8 IN A 192.0.2.3\n");
	refused("@ NS ns\n@ SOA ns h 1 2 3 4 5\n", "zone:1: no TTL: neither here, nor in a record before, nor by $TTL");
}

static void
origin_moves_relative_names(void **state)
{
	(void)state;
	gives(HEAD
	      "$ORIGIN sub\nx CNAME y\n@ TXT \"at ; (\"\n$ORIGIN example.\nz A 192.0.2.1\n\t( A\n ) 192.0.2.2 ; two\n",
	      SOA_60 NS_60 "sub.example. 60 IN TXT \"at ; (\"\nx.sub.example. 60 IN CNAME y.sub.example.\n"
			   "z.example. 60 IN A 192.0.2.1\nz.example. 60 IN A 192.0.2.2\n");
}

static void
escapes_and_wildcards_in_owners_are_kept(void **state)
{
	(void)state;
	gives(HEAD "a\\.b A 192.0.2.1\n*.w A 192.0.2.2\nsp\\ ace A 192.0.2.3\n\\065 A 192.0.2.4\nend\\\\ A 192.0.2.5\n",
	      SOA_60 NS_60
	      "a.example. 60 IN A 192.0.2.4\na\\.b.example. 60 IN A 192.0.2.1\nend\\\\.example. 60 IN A 192.0.2.5\n"
	      "sp\\032ace.example. 60 IN A 192.0.2.3\n*.w.example. 60 IN A 192.0.2.2\n");
}

static void
duplicates_are_one_and_the_first_ttl_of_an_rrset_is_taken(void **state)
{
	int null = open("/dev/null", O_WRONLY);

	(void)state;
	log_to(null);
	gives(HEAD "a 7 A 192.0.2.2\na 8 A 192.0.2.1\na A 192.0.2.2\n",
	      SOA_60 NS_60 "a.example. 7 IN A 192.0.2.1\na.example. 7 IN A 192.0.2.2\n");
	log_to(2);
	close(null);
}

static void
an_error_names_its_line(void **state)
{
	(void)state;
	refused(HEAD "\n; comment\n\nx A 1.2.3\n", "zone:7: A: not an IPv4 address: \"1.2.3\"");
	refused(HEAD "x BOGUS 1\n", "zone:4: BOGUS is no type");
	refused(HEAD "x\n", "zone:4: no type");
	refused(HEAD "x OPT 1\n", "zone:4: OPT cannot be in a zone");
	refused(HEAD "x..y A 192.0.2.1\n", "zone:4: x..y is no name");
	refused(HEAD "x.org. A 192.0.2.1\n", "zone:4: x.org. is not in the zone");
	refused(HEAD "x CH A 192.0.2.1\n", "zone:4: class CH: only IN is served");
	refused(HEAD "x 2147483648 A 192.0.2.1\n", "zone:4: 2147483648 is no TTL");
	refused(HEAD "$TTL x\n", "zone:4: $TTL: x is no TTL");
	refused(HEAD "x TXT \"ab\n", "zone:4: a quoted string does not end");
	refused(HEAD "x (\nTXT\nabc\n", "zone:4: ( without )");
	refused(HEAD "x (\nTXT (\nabc\n", "zone:5: ( inside parentheses");
	refused(HEAD "x TXT abc )\n", "zone:4: ) without (");
	refused(HEAD "$GENERATE 1-9 a$ A 192.0.2.$\n",
		"zone:4: $GENERATE is BIND's own and is not taken: write the records out");
	refused(HEAD "$BOGUS\n", "zone:4: $BOGUS is no directive");
	refused(HEAD "$INCLUDE /etc/passwd\n", "zone:4: $INCLUDE is taken from files only");
	refused(HEAD "a A 192.0.2.1\na CNAME b\n", "zone:5: CNAME and other data at a.example.");
	refused(HEAD "a CNAME b\na A 192.0.2.1\n", "zone:5: CNAME and other data at a.example.");
	refused(HEAD "a CNAME b\na CNAME c\n", "zone:5: another record of a type that has only one at a.example.");
	refused(HEAD "a SOA ns h 1 2 3 4 5\n", "zone:4: SOA that is not at the apex at a.example.");
	refused("$TTL 60\n@ SOA ns h 1 2 3 4 5\n", "zone: no NS at example.");
	refused("", "zone: no SOA at example.");
	refused(" A 192.0.2.1\n", "zone:1: the first record has no owner");
}

/* $INCLUDE is relative to the file that has it; origin and owner come back after it (RFC 1035 5.1). */
static void
included_files_are_read_beside_the_one_that_names_them(void **state)
{
	char folder[] = "/tmp/zonegate-test-XXXXXX", path[64];
	static const char *const files[][2] = {
		{"main", HEAD "a A 192.0.2.1\n$INCLUDE inner sub\n  A 192.0.2.2\nb A 192.0.2.3\n"},
		{"inner", "x A 192.0.2.4\n$ORIGIN deeper\n$INCLUDE \"broken\"\n"},
		{"broken", "y A 192.0.2.5\n\ny A oops\n"},
	};
	struct draft draft;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fputs(files[i][1], file);
		fclose(file);
	}
	for (int good = 0; good < 2; good++) {
		assert_int_equal(draft_begin(&draft, NULL, (const uint8_t *)"\7example"), STATUS_OK);
		snprintf(path, sizeof path, "%s/main", folder);
		enum status status = master_load(path, &draft, reason);
		if (good) {
			assert_int_equal(status, STATUS_OK);
			assert_int_equal(draft.version->records, 7);
			const uint8_t y[] = "\1y\6deeper\3sub\7example";
			struct rrset rrset;
			assert_true(version_rrset(draft.version, y, TYPE_A, &rrset));
			assert_true(version_rrset(draft.version, (const uint8_t *)"\1a\7example", TYPE_A, &rrset));
			assert_int_equal(rrset.count, 2);
		} else {
			assert_int_equal(status, STATUS_MALFORMED);
			assert_non_null(strstr(reason, "/broken:3: A: not an IPv4 address: \"oops\""));
		}
		draft_drop(&draft);
		snprintf(path, sizeof path, "%s/broken", folder);
		FILE *file = fopen(path, "w");
		fputs("y A 192.0.2.5\n", file);
		fclose(file);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
		unlink(path);
	}
	rmdir(folder);
}

/*
 * Some megabytes of what is awkward at the borders of pieces: the result is to be that of one small piece after the
 * other.
 */
static char *
large_text(bool directives, size_t *size)
{
	static char *text; /* static: gcc 12 takes what open_memstream keeps for a dangling pointer */
	FILE *file = open_memstream(&text, size);

	fputs(HEAD, file);
	for (int i = 0; i < 120000; i++) {
		if (directives && i % 20000 == 9999)
			fprintf(file, "$ORIGIN o%d.example.\n$TTL %d\n", i, i);
		if (i % 3 == 0)
			fprintf(file, "n%d A 10.0.%d.%d\n  A 10.1.0.1\n", i, i >> 8 & 255, i & 255);
		else if (i % 3 == 1)
			fprintf(file, "n%d TXT ( \"a ; ( b\"\n\tsecond ; comment )\n third )\n", i);
		else
			fprintf(file, "n%d %d IN AAAA 2001:db8::%x\n\n", i, i % 100, i & 0xffff);
	}
	fclose(file);
	return text;
}

static void
a_large_file_gives_the_same_however_it_is_divided(void **state)
{
	(void)state;
	for (int directives = 0; directives < 2; directives++) {
		size_t size;
		char *text = large_text(directives, &size);
		assert_true(size > 4000000);
		char *dump = load_size(text, size);
		assert_non_null(dump);
		/* Its own dump, which is sorted and has no directives, gives itself. */
		char *again = load_size(dump, strlen(dump));
		assert_non_null(again);
		assert_string_equal(dump, again);
		size_t lines = 0;
		for (const char *at = dump; *at; at++)
			lines += *at == '\n';
		assert_int_equal(lines, 2 + 80000 + 40000 + 40000);
		assert_non_null(strstr(dump, directives ? "\nn119999.o109999.example. 99 IN AAAA 2001:db8::d4bf\n"
		                                        : "\nn119999.example. 99 IN AAAA 2001:db8::d4bf\n"));
		assert_non_null(strstr(
			dump, directives ? "\nn119998.o109999.example. 109999 IN TXT \"a ; ( b\" \"second\" \"third\"\n"
					 : "\nn119998.example. 60 IN TXT \"a ; ( b\" \"second\" \"third\"\n"));
		free(again);
		free(dump);
		/* An error near the end is found with its line. */
		char *fault = strstr(text + size - 200, "\nn11999") + 1;
		size_t line = 1;
		for (const char *at = text; at < fault; at++)
			line += *at == '\n';
		memcpy(fault, "n 5 X", 5);
		char want[64];
		snprintf(want, sizeof want, "zone:%zu: X", line);
		assert_null(load_size(text, size));
		assert_memory_equal(reason, want, strlen(want));
		free(text);
	}
}

static void
one_record_is_a_line(void **state)
{
	char out[200];

	(void)state;
	assert_int_equal(
		master_record((const uint8_t *)"\1a\1b", TYPE_A, 5, (const uint8_t *)"\300\0\2\1", 4, out, sizeof out),
		STATUS_OK);
	assert_string_equal(out, "a.b. 5 IN A 192.0.2.1");
	assert_int_equal(master_record((const uint8_t *)"\1a\1b", TYPE_A, 5, (const uint8_t *)"\300\0\2\1", 4, out, 20),
			 STATUS_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1035_5_3_is_read),
		cmocka_unit_test(ttl_and_class_come_in_either_order_with_units),
		cmocka_unit_test(a_missing_ttl_is_the_default_or_the_last_or_the_soa_minimum),
		cmocka_unit_test(origin_moves_relative_names),
		cmocka_unit_test(escapes_and_wildcards_in_owners_are_kept),
		cmocka_unit_test(duplicates_are_one_and_the_first_ttl_of_an_rrset_is_taken),
		cmocka_unit_test(an_error_names_its_line),
		cmocka_unit_test(included_files_are_read_beside_the_one_that_names_them),
		cmocka_unit_test(a_large_file_gives_the_same_however_it_is_divided),
		cmocka_unit_test(one_record_is_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
