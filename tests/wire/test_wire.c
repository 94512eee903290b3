/*
 * Golden messages: every *.hex file here. A line is hex octets and, behind a '#', what they are; lines that begin with
 * '=' say what parse_message must make of them:
 *   = verdict ok|drop|formerr|notimp    = tsig yes|no    = opt yes|no    = question NAME TYPE
 */
#include "base/bytes.h"
#include "base/status.h"
#include "wire/compose.h"
#include "wire/parse.h"
#include "wire/rdata.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct golden {
	uint8_t wire[4096];
	size_t size;
	char verdict[16], tsig[8], opt[8], name[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
};

static void
read_line(struct golden *golden, char *line)
{
	char digits[512];
	size_t count = 0;

	if (line[0] == '=') {
		sscanf(line, "= verdict %15s", golden->verdict);
		sscanf(line, "= tsig %7s", golden->tsig);
		sscanf(line, "= opt %7s", golden->opt);
		sscanf(line, "= question %1024s %15s", golden->name, golden->type);
		return;
	}
	line[strcspn(line, "#\n")] = '\0';
	for (const char *at = line; *at != '\0'; at++)
		if (*at != ' ' && *at != '\t')
			digits[count++] = *at;
	assert_true(golden->size + count / 2 <= sizeof golden->wire);
	assert_true(bytes_from_hex(digits, count, golden->wire + golden->size));
	golden->size += count / 2;
}

static void
check(const char *file, const struct golden *golden)
{
	static const char *const verdicts[] = {"ok", "drop", "formerr", "notimp"};
	char text[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
	struct message msg;

	enum parse_verdict verdict = parse_message(golden->wire, golden->size, &msg);
	if (strcmp(verdicts[verdict], golden->verdict) != 0)
		fail_msg("%s: %s, not %s", file, verdicts[verdict], golden->verdict);
	if (verdict == PARSE_DROP)
		return;
	if (golden->tsig[0] != '\0' && (msg.tsig_offset != 0) != (golden->tsig[0] == 'y'))
		fail_msg("%s: TSIG at %u", file, msg.tsig_offset);
	if (golden->opt[0] != '\0' && msg.edns.present != (golden->opt[0] == 'y'))
		fail_msg("%s: OPT at %u", file, msg.opt_offset);
	if (golden->name[0] != '\0') {
		assert_true(msg.qname_size > 0);
		assert_string_equal(name_to_text(msg.qname, text), golden->name);
		assert_string_equal(rrtype_to_text(msg.qtype, type), golden->type);
	}
}

static void
every_golden_message_gets_its_verdict(void **state)
{
	const char *root = getenv("STYLE_ROOT");
	char folder[3000], path[4000], line[512];
	unsigned count = 0;
	struct dirent *entry;

	(void)state;
	snprintf(folder, sizeof folder, "%s/tests/wire", root != NULL ? root : ".");
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');
		if (dot == NULL || strcmp(dot, ".hex") != 0)
			continue;
		static struct golden golden;
		memset(&golden, 0, sizeof golden);
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		FILE *file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof line, file) != NULL)
			read_line(&golden, line);
		fclose(file);
		check(entry->d_name, &golden);
		count++;
	}
	closedir(dir);
	assert_true(count >= 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_golden_message_gets_its_verdict)};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
