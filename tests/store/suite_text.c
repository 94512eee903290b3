/* The helpers of tests/store/suite.h that need no store. */
#include "tests/store/suite.h"
#include "wire/name.h"
#include "wire/present.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t suite_apex[] = "\7example\4test";

static void
append_rdata(struct arena *arena, struct rrset *rrset, const char *text, size_t length)
{
	static uint8_t rdata[RDATA_MAX_SIZE];
	char reason[PRESENT_REASON_SIZE] = "";
	size_t size;

	if (present_parse(rrset->type, text, length, suite_apex, rdata, sizeof rdata, &size, reason) != STATUS_OK) {
		fprintf(stderr, "suite: %.*s: %s\n", (int)length, text, reason);
		abort();
	}
	uint8_t *packed = arena_alloc(arena, rrset->packed_size + 2 + size);
	if (rrset->packed_size)
		memcpy(packed, rrset->packed, rrset->packed_size);
	uint16_t short_size = (uint16_t)size;
	memcpy(packed + rrset->packed_size, &short_size, 2);
	memcpy(packed + rrset->packed_size + 2, rdata, size);
	rrset->packed = packed;
	rrset->packed_size += (uint32_t)(2 + size);
	rrset->count++;
}

struct change_op
suite_op(struct arena *arena, const char *text)
{
	char kind[8], owner[256], type[20], ttl[12];
	uint8_t name[NAME_MAX_SIZE];
	struct change_op op = {0};
	int used = 0, more = 0;

	if (sscanf(text, "%7s %255s %19s%n", kind, owner, type, &used) != 3)
		abort();
	op.kind = kind[0] == 'A' ? CHANGE_ADD : kind[0] == 'S' ? CHANGE_SET : CHANGE_DEL;
	if (name_from_text(owner, strlen(owner), suite_apex, name) || rrtype_from_text(type, &op.rrset.type))
		abort();
	op.owner = arena_copy(arena, name, name_size(name));
	if (op.kind != CHANGE_DEL && sscanf(text + used, "%11s%n", ttl, &more) == 1)
		op.rrset.ttl_s = (uint32_t)strtoul(ttl, NULL, 10);
	text += used + more;
	while (*text) {
		text += strspn(text, " |");
		size_t length = op.kind == CHANGE_SET ? strcspn(text, "|") : strlen(text);
		size_t trimmed = length;
		while (trimmed && text[trimmed - 1] == ' ')
			trimmed--;
		if (length)
			append_rdata(arena, &op.rrset, text, trimmed);
		text += length;
	}
	return op;
}

struct change *
suite_change(struct arena *arena, uint64_t base, const uint8_t *base_id, const char *ops)
{
	struct change *change = arena_alloc(arena, sizeof *change);

	*change = (struct change){
		.zone = suite_apex,
		.base = base,
		.time_us = 1763765401123456,
		.frozen = -1,
		.origin = {.gateway = "gw1", .client = "192.0.2.9@53211", .transport = "udp", .key = "dhcp."}};
	if (base_id)
		memcpy(change->base_id, base_id, VERSION_ID_SIZE);
	change->ops = arena_alloc(arena, 64 * sizeof *change->ops);
	while (ops && *ops) {
		char line[1024];
		size_t length = strcspn(ops, "\n");
		snprintf(line, sizeof line, "%.*s", (int)length, ops);
		change->ops[change->op_count++] = suite_op(arena, line);
		ops += length + (ops[length] == '\n');
	}
	return change;
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
suite_sorted(const char *lines)
{
	char *copy = strdup(lines), *rest = copy, *all[4096];
	size_t count = 0;

	for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n"))
		all[count++] = line;
	qsort(all, count, sizeof all[0], compare_lines);
	char *sorted = calloc(1, strlen(lines) + 2);
	for (size_t i = 0; i < count; i++)
		strcat(strcat(sorted, all[i]), "\n");
	free(copy);
	return sorted;
}

struct content {
	const struct zone_version *version;
	char *lines[4096];
	size_t count;
};

static bool
add_lines(void *context, const struct node *node)
{
	struct content *content = context;
	uint8_t owner[NAME_MAX_SIZE + 1];
	const uint8_t *at = NULL;
	struct rrset rrset;
	char name[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
	static char rdata[PRESENT_TEXT_SIZE];
	size_t length;

	while (node_next(node, &at, &rrset)) {
		const uint8_t *record = rrset.packed;
		node_owner(node, content->version->apex, owner);
		for (unsigned i = 0; i < rrset.count && rrset.type != TYPE_SOA; i++) {
			struct rdata one = rrset_next(&record);
			if (present_rdata(rrset.type, one.bytes, one.size, rdata, sizeof rdata, &length))
				abort();
			if (asprintf(&content->lines[content->count++], "%s %s %u %s\n",
			             name_to_text_relative(owner, suite_apex, name), rrtype_to_text(rrset.type, type),
			             rrset.ttl_s, rdata) < 0)
				abort();
		}
	}
	return true;
}

char *
suite_content(const struct zone_version *version)
{
	static struct content content;
	size_t size = 1;

	content.version = version;
	content.count = 0;
	tree_each(&version->tree, add_lines, &content);
	qsort(content.lines, content.count, sizeof content.lines[0], compare_lines);
	for (size_t i = 0; i < content.count; i++)
		size += strlen(content.lines[i]);
	char *all = calloc(1, size);
	for (size_t i = 0; i < content.count; i++) {
		strcat(all, content.lines[i]);
		free(content.lines[i]);
	}
	return all;
}
