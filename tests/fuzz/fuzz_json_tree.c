/* Any bytes as JSON: what is taken, and what is in it, must be what jansson takes and finds. */
#include "base/json_tree.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void compare(const struct json_node *node, const json_t *value);

static void
compare_members(const struct json_node *node, const json_t *object)
{
	must(node->count == json_object_size(object));
	for (const struct json_node *each = node->first; each; each = each->next) {
		must(strlen(each->key) == each->key_size);
		compare(each, json_object_get(object, each->key));
	}
}

static void
compare_elements(const struct json_node *node, const json_t *array)
{
	size_t i = 0;

	must(node->count == json_array_size(array));
	for (const struct json_node *each = node->first; each; each = each->next)
		compare(each, json_array_get(array, i++));
}

static void
compare(const struct json_node *node, const json_t *value)
{
	static const json_type types[] = {
		[JSON_KIND_NULL] = JSON_NULL,     [JSON_KIND_FALSE] = JSON_FALSE,     [JSON_KIND_TRUE] = JSON_TRUE,
		[JSON_KIND_NUMBER] = JSON_REAL,   [JSON_KIND_INTEGER] = JSON_INTEGER, [JSON_KIND_STRING] = JSON_STRING,
		[JSON_KIND_ARRAY] = JSON_ARRAY,   [JSON_KIND_OBJECT] = JSON_OBJECT,
	};

	must(value && types[node->kind] == json_typeof(value));
	if (node->kind == JSON_KIND_INTEGER)
		must(node->integer == json_integer_value(value));
	else if (node->kind == JSON_KIND_STRING)
		must(node->size == json_string_length(value) && strcmp(node->text, json_string_value(value)) == 0);
	else if (node->kind == JSON_KIND_OBJECT)
		compare_members(node, value);
	else if (node->kind == JSON_KIND_ARRAY)
		compare_elements(node, value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_node *root;
	const char *reason = NULL;
	json_error_t error;
	struct arena arena;

	arena_init(&arena, JSON_TREE_ARENA(size));
	char *text = malloc(size + 1); /* no octet beyond the end is looked at: the address sanitizer sees to it */
	must(text != NULL);
	char *exact = size ? realloc(text, size) : text;
	must(exact != NULL);
	if (size)
		memcpy(exact, data, size);
	json_t *value = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	enum status status = json_tree_read(exact, size, &arena, &root, &reason);
	must(status == STATUS_OK || (status == STATUS_MALFORMED && reason));
	bool zero = memchr(data, 0, size); /* jansson 2.14 overlooks one behind a number */
	/* ours has kinds for numbers, not values */
	if (value || json_error_code(&error) != json_error_numeric_overflow)
		must((status == STATUS_OK) == (value != NULL) || (zero && value));
	if (status == STATUS_OK && value)
		compare(root, value);
	json_decref(value);
	free(exact);
	arena_free(&arena);
	return 0;
}
