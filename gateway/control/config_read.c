#include "control/config_read.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A value as it is shown in a message. */
#define SHOWN_SIZE 100

bool
config_read_fail(struct config_reader *in, unsigned line, const char *format, ...)
{
	va_list args;

	if (in->failed)
		return false;
	in->failed = true;
	int used = snprintf(in->reason, CONFIG_REASON_SIZE, "%s:%u: ", in->path, line);
	if (used < 0 || used >= CONFIG_REASON_SIZE)
		return false;
	va_start(args, format);
	vsnprintf(in->reason + used, CONFIG_REASON_SIZE - (size_t)used, format, args);
	va_end(args);
	return false;
}

void *
config_read_alloc(struct config_reader *in, size_t count, size_t size)
{
	size_t total = count * size;
	void *bytes = arena_alloc(in->arena, total > 0 ? total : 1);

	if (!bytes)
		abort();
	return memset(bytes, 0, total);
}

static char *
read_copy(struct config_reader *in, const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(config_read_alloc(in, size, 1), text, size);
}

static const char *
read_show(const struct config_node *node, char out[SHOWN_SIZE])
{
	return log_escape(node->text, node->length, out, SHOWN_SIZE);
}

/* ---- maps ---- */

static const char *const kind_texts[] = {"a single value", "a map", "a list"};

static bool
read_expected(struct config_reader *in, const struct config_field *field, const struct config_node *node,
	      const char *what)
{
	char shown[SHOWN_SIZE];

	if (node->kind != CONFIG_SCALAR)
		return config_read_fail(in, node->line, "%s: %s is expected, not %s", field->name, what,
					kind_texts[node->kind]);
	return config_read_fail(in, node->line, "%s: %s is expected, not \"%s\"", field->name, what,
				read_show(node, shown));
}

static const struct config_field *
read_find_field(const struct config_map *map, const struct config_node *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (strlen(map->fields[i].name) == key->length &&
		    memcmp(map->fields[i].name, key->text, key->length) == 0)
			return &map->fields[i];
	return NULL;
}

static bool
read_pair(struct config_reader *in, const struct config_node *pair, const char *where, const struct config_map *map,
	  uint64_t *seen, void *target)
{
	char shown[SHOWN_SIZE];

	if (pair->kind != CONFIG_SCALAR)
		return config_read_fail(in, pair->line, "%s: a key is expected, not %s", where, kind_texts[pair->kind]);
	const struct config_field *field = read_find_field(map, pair);
	if (!field)
		return config_read_fail(in, pair->line, "unknown key \"%s\" in %s", read_show(pair, shown), where);
	uint64_t bit = UINT64_C(1) << (field - map->fields);
	if (*seen & bit)
		return config_read_fail(in, pair->line, "%s is given twice in %s", field->name, where);
	*seen |= bit;
	return field->read(in, field, pair + 1, (char *)target + field->offset);
}

bool
config_read_map(struct config_reader *in, const struct config_node *node, const char *where,
		const struct config_map *map, void *target)
{
	uint64_t seen = 0;

	require(map->count <= 64);
	if (node->kind != CONFIG_MAP)
		return config_read_fail(in, node->line, "%s: a map is expected, not %s", where, kind_texts[node->kind]);
	for (size_t i = 0; i < node->count; i += 2)
		if (!read_pair(in, &node->items[i], where, map, &seen, target))
			return false;
	for (size_t i = 0; i < map->count; i++)
		if (map->fields[i].required && !(seen & UINT64_C(1) << i))
			return config_read_fail(in, node->line, "%s: %s is missing", where, map->fields[i].name);
	return true;
}

bool
config_read_submap(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	return config_read_map(in, node, field->name, field->detail, target);
}

/* ---- single values ---- */

/* YAML's ways to say nothing. */
static bool
read_is_null(const struct config_node *node)
{
	return node->plain &&
	       (node->length == 0 || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0);
}

const char *
config_read_scalar(struct config_reader *in, const struct config_field *field, const struct config_node *node)
{
	if (node->kind != CONFIG_SCALAR) {
		config_read_fail(in, node->line, "%s: a single value is expected, not %s", field->name,
				 kind_texts[node->kind]);
		return NULL;
	}
	if (read_is_null(node)) {
		config_read_fail(in, node->line, "%s has no value", field->name);
		return NULL;
	}
	for (size_t i = 0; i < node->length; i++)
		if ((unsigned char)node->text[i] < 0x20 || node->text[i] == 0x7f) {
			config_read_fail(in, node->line, "%s: a control character in the value", field->name);
			return NULL;
		}
	return node->text;
}

bool
config_read_string(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	const char *text = config_read_scalar(in, field, node);
	size_t max = field->max ? (size_t)field->max : 4096;

	if (!text)
		return false;
	if (node->length == 0)
		return config_read_fail(in, node->line, "%s is empty", field->name);
	if (node->length > max)
		return config_read_fail(in, node->line, "%s is too long: %zu characters, at most %zu", field->name,
					node->length, max);
	*(const char **)target = read_copy(in, text);
	return true;
}

bool
config_read_path(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	const char *path;

	if (!config_read_string(in, field, node, &path))
		return false;
	if (path[0] != '/') {
		size_t size = strlen(in->folder) + strlen(path) + 1;
		char *joined = config_read_alloc(in, size, 1);
		snprintf(joined, size, "%s%s", in->folder, path);
		path = joined;
	}
	*(const char **)target = path;
	return true;
}

bool
config_read_readable(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		     void *target)
{
	if (!config_read_path(in, field, node, target) || in->options->no_files)
		return !in->failed;
	const char *path = *(const char **)target;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return config_read_fail(in, node->line, "%s: %s", path, strerror(errno));
	close(fd);
	return true;
}

/* Decimal digits from the start of the text; false: none, or over UINT64_MAX. */
static bool
read_digits(const char **at, uint64_t *value)
{
	const char *start = *at;

	*value = 0;
	for (; **at >= '0' && **at <= '9'; ++*at)
		if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
		    __builtin_add_overflow(*value, (uint64_t)(**at - '0'), value))
			return false;
	return *at != start;
}

bool
config_read_number(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		   void *target)
{
	uint64_t value;

	if (node->kind != CONFIG_SCALAR || !node->plain || node->length == 0)
		return read_expected(in, field, node, "a number");
	const char *at = node->text + (node->text[0] == '-');
	if (*at == '\0' || at[strspn(at, "0123456789")] != '\0')
		return read_expected(in, field, node, "a number");
	if (at != node->text || !read_digits(&at, &value) || value < field->min || value > field->max)
		return config_read_fail(in, node->line, "%s: %.40s is out of range (%" PRIu64 " to %" PRIu64 ")",
					field->name, node->text, field->min, field->max);
	*(uint64_t *)target = value;
	return true;
}

static const struct {
	const char *unit;
	uint64_t ms;
} units[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000},
};

/* In the largest unit that shows it whole. */
static const char *
read_duration_text(uint64_t ms, char out[32])
{
	size_t unit = ARRAY_SIZE(units) - 2; /* nobody thinks of 90 days as weeks */

	while (unit > 0 && ms % units[unit].ms != 0)
		unit--;
	snprintf(out, 32, "%" PRIu64 "%s", ms / units[unit].ms, units[unit].unit);
	return out;
}

bool
config_read_duration(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		     void *target)
{
	const char *expected = "a time like 500ms, 2s, 1h or 90d";
	char shown[SHOWN_SIZE], least[32], most[32];
	uint64_t value;

	if (node->kind != CONFIG_SCALAR || !node->plain)
		return read_expected(in, field, node, expected);
	const char *at = node->text + strspn(node->text, "0123456789");
	size_t unit = 0;
	while (unit < ARRAY_SIZE(units) && strcmp(at, units[unit].unit) != 0)
		unit++;
	if (at == node->text || unit == ARRAY_SIZE(units))
		return read_expected(in, field, node, expected);
	at = node->text;
	if (!read_digits(&at, &value) || __builtin_mul_overflow(value, units[unit].ms, &value) || value < field->min ||
	    value > field->max)
		return config_read_fail(in, node->line, "%s: %s is out of range (%s to %s)", field->name,
					read_show(node, shown), read_duration_text(field->min, least),
					read_duration_text(field->max, most));
	*(uint64_t *)target = value;
	return true;
}

bool
config_read_bool(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	if (node->kind != CONFIG_SCALAR || !node->plain ||
	    (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
		return read_expected(in, field, node, "true or false");
	*(bool *)target = node->text[0] == 't';
	return true;
}

bool
config_read_word(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	const char *const *words = field->detail;
	char expected[200] = "";

	for (int i = 0; words[i]; i++) {
		if (node->kind == CONFIG_SCALAR && strcmp(node->text, words[i]) == 0) {
			*(int *)target = i;
			return true;
		}
		size_t used = strlen(expected);
		snprintf(expected + used, sizeof expected - used, "%s%s",
			 i == 0         ? ""
			 : words[i + 1] ? ", "
					: " or ",
			 words[i]);
	}
	return read_expected(in, field, node, expected);
}

bool
config_read_name(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 void *target)
{
	static const uint8_t root[] = {0};
	char shown[SHOWN_SIZE];
	uint8_t name[NAME_MAX_SIZE];

	if (!config_read_scalar(in, field, node))
		return false;
	if (node->length == 0 || strcmp(node->text, "@") == 0 ||
	    name_from_text(node->text, node->length, root, name) != STATUS_OK)
		return config_read_fail(in, node->line, "%s: \"%s\" is no domain name", field->name,
					read_show(node, shown));
	size_t size = name_lower(name, name);
	*(const uint8_t **)target = memcpy(config_read_alloc(in, size, 1), name, size);
	return true;
}

/* ---- lists ---- */

bool
config_read_is_sequence(struct config_reader *in, const struct config_field *field, const struct config_node *node)
{
	if (node->kind != CONFIG_SEQUENCE)
		return read_expected(in, field, node, "a list");
	return true;
}

bool
config_read_strings(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		    void *target)
{
	struct config_list *list = target;

	if (!config_read_is_sequence(in, field, node))
		return false;
	list->items = config_read_alloc(in, node->count, sizeof *list->items);
	list->lines = config_read_alloc(in, node->count, sizeof *list->lines);
	for (; list->count < node->count; list->count++) {
		if (!config_read_string(in, field, &node->items[list->count], &list->items[list->count]))
			return false;
		list->lines[list->count] = node->items[list->count].line;
	}
	return true;
}

static bool
read_one_address(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		 struct listener_address *address)
{
	char shown[SHOWN_SIZE];
	const char *text = config_read_scalar(in, field, node);

	if (!text)
		return false;
	if (listener_parse(text, (unsigned)field->min, address) != STATUS_OK)
		return config_read_fail(in, node->line, "%s: \"%s\" is no address@port", field->name,
					read_show(node, shown));
	/* Both families have the port at the same place. */
	if (((const struct sockaddr_in *)&address->address)->sin_port == 0)
		return config_read_fail(in, node->line, "%s: %s: port 0 is out of range (1 to 65535)", field->name,
					read_show(node, shown));
	return true;
}

bool
config_read_address(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		    void *target)
{
	struct config_addresses *addresses = target;

	addresses->items = config_read_alloc(in, 1, sizeof *addresses->items);
	addresses->count = 1;
	addresses->line = node->line;
	return read_one_address(in, field, node, addresses->items);
}

bool
config_read_addresses(struct config_reader *in, const struct config_field *field, const struct config_node *node,
		      void *target)
{
	struct config_addresses *addresses = target;

	if (!config_read_is_sequence(in, field, node))
		return false;
	if (node->count == 0)
		return config_read_fail(in, node->line, "%s is empty", field->name);
	addresses->items = config_read_alloc(in, node->count, sizeof *addresses->items);
	addresses->line = node->line;
	for (; addresses->count < node->count; addresses->count++) {
		struct listener_address *address = &addresses->items[addresses->count];
		const struct config_node *item = &node->items[addresses->count];
		if (!read_one_address(in, field, item, address))
			return false;
		for (size_t i = 0; i < addresses->count; i++)
			if (addresses->items[i].size == address->size &&
			    memcmp(&addresses->items[i].address, &address->address, address->size) == 0)
				return config_read_fail(in, item->line, "%s: %s is given twice", field->name,
							item->text);
	}
	return true;
}
