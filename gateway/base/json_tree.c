#include "base/json_tree.h"
#include "base/bytes.h"
#include <stdlib.h>
#include <string.h>

#define FEW 24 /* members that are compared one by one */

struct parser {
	char *at, *end;
	struct arena *arena;
	unsigned depth;
	enum status status;
	const char *reason;
};

static bool
fail(struct parser *in, const char *reason)
{
	in->status = STATUS_MALFORMED;
	in->reason = reason;
	return false;
}

static bool
no_room(struct parser *in)
{
	in->status = STATUS_LIMIT;
	in->reason = "no room for it in memory";
	return false;
}

static void
skip_space(struct parser *in)
{
	while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
		in->at++;
}

/* The next octet that is no white space; 0 at the end, which no JSON has there. */
static char
look(struct parser *in)
{
	skip_space(in);
	return in->at < in->end ? *in->at : '\0';
}

/* ---- strings (RFC 8259 7) ---- */

static char *
put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	*out++ = (char)((more == 1 ? 0xc0u : more == 2 ? 0xe0u : 0xf0u) | code >> (6 * more));
	while (more--)
		*out++ = (char)(0x80u | (code >> (6 * more) & 0x3fu));
	return out;
}

static bool
hex4(struct parser *in, uint32_t *code)
{
	*code = 0;
	if (in->end - in->at < 4)
		return fail(in, "a string without an end");
	for (unsigned i = 0; i < 4; i++) {
		char c = *in->at++;
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
				 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
				 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
							: 16;
		if (digit == 16)
			return fail(in, "an escape that is none");
		*code = *code << 4 | digit;
	}
	return true;
}

/* Behind "\u": a character, perhaps of two halves. */
static bool
read_code(struct parser *in, uint32_t *code)
{
	uint32_t low;

	if (!hex4(in, code))
		return false;
	if (*code == 0)
		return fail(in, "the character 0 in a string");
	if (*code < 0xd800 || *code >= 0xe000)
		return true;
	if (*code >= 0xdc00 || in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u')
		return fail(in, "half a character");
	in->at += 2;
	if (!hex4(in, &low))
		return false;
	if (low < 0xdc00 || low >= 0xe000)
		return fail(in, "half a character");
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* Behind the backslash; what it stands for is never longer. */
static bool
read_escape(struct parser *in, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint32_t code;

	if (in->at == in->end)
		return fail(in, "a string without an end");
	char c = *in->at++;
	if (c == 'u') {
		if (!read_code(in, &code))
			return false;
		*out = put_utf8(*out, code);
		return true;
	}
	const char *found = c ? strchr(from, c) : NULL;
	if (!found)
		return fail(in, "an escape that is none");
	*(*out)++ = to[found - from];
	return true;
}

/* What needs no second look: printable, and neither quote nor backslash. */
static const bool plain[256] = {
	[' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... 0x7f] = true,
};

/* Behind the quote. The text moves towards its beginning, where there are escapes, and a 0 is put behind it. */
static bool
read_string(struct parser *in, const char **text, size_t *size)
{
	char *begin = in->at;

	while (in->at < in->end && plain[(unsigned char)*in->at])
		in->at++;
	char *out = in->at;
	while (in->at < in->end && *in->at != '"') {
		unsigned char c = (unsigned char)*in->at;
		if (c < 0x20)
			return fail(in, "a control character in a string");
		if (c == '\\') {
			in->at++;
			if (!read_escape(in, &out))
				return false;
			continue;
		}
		size_t octets = c < 0x80 ? 1 : bytes_utf8_size((const uint8_t *)in->at, (size_t)(in->end - in->at));
		if (!octets)
			return fail(in, "a string that is not UTF-8");
		memmove(out, in->at, octets);
		out += octets;
		in->at += octets;
	}
	if (in->at == in->end)
		return fail(in, "a string without an end");
	in->at++;
	*out = '\0';
	*text = begin;
	*size = (size_t)(out - begin);
	return true;
}

/* ---- numbers and words (RFC 8259 3 and 6) ---- */

static bool
skip_digits(struct parser *in)
{
	const char *begin = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > begin || fail(in, "a number that is none");
}

static bool
next_is(const struct parser *in, const char *octets)
{
	return in->at < in->end && *in->at && strchr(octets, *in->at);
}

static bool
read_number(struct parser *in, struct json_node *node)
{
	bool negative = *in->at == '-', overflow = false;
	int64_t value = 0;

	in->at += negative;
	const char *begin = in->at;
	if (!skip_digits(in))
		return false;
	if (*begin == '0' && in->at > begin + 1)
		return fail(in, "a number that begins with 0");
	for (const char *at = begin; at < in->at; at++) /* below 0, where there is room for one more */
		overflow = __builtin_mul_overflow(value, 10, &value) ||
			   __builtin_sub_overflow(value, *at - '0', &value) || overflow;
	overflow = overflow || (!negative && value == INT64_MIN);
	node->integer = negative || overflow ? value : -value;
	node->kind = overflow ? JSON_KIND_NUMBER : JSON_KIND_INTEGER;
	if (next_is(in, ".")) {
		in->at++;
		node->kind = JSON_KIND_NUMBER;
		if (!skip_digits(in))
			return false;
	}
	if (next_is(in, "eE")) {
		in->at++;
		in->at += next_is(in, "+-");
		node->kind = JSON_KIND_NUMBER;
		return skip_digits(in);
	}
	return true;
}

static bool
read_word(struct parser *in, struct json_node *node)
{
	static const struct {
		const char *text;
		size_t size;
		enum json_kind kind;
	} words[] = {{"true", 4, JSON_KIND_TRUE}, {"false", 5, JSON_KIND_FALSE}, {"null", 4, JSON_KIND_NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if ((size_t)(in->end - in->at) >= words[i].size && memcmp(in->at, words[i].text, words[i].size) == 0) {
			in->at += words[i].size;
			node->kind = words[i].kind;
			return true;
		}
	return fail(in, in->at == in->end ? "it has no end" : "something that is no value");
}

/* ---- arrays and objects (RFC 8259 4 and 5) ---- */

static bool
same_key(const struct json_node *a, const struct json_node *b)
{
	return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct json_node *one = *(const struct json_node *const *)a, *two = *(const struct json_node *const *)b;

	if (one->key_size != two->key_size)
		return one->key_size < two->key_size ? -1 : 1;
	return memcmp(one->key, two->key, one->key_size);
}

static bool
twice(struct parser *in)
{
	return fail(in, "two members of one name");
}

/* Few members are compared with each other as they come; many are sorted, once all are there. */
static bool
check_keys(struct parser *in, const struct json_node *object)
{
	const struct json_node **sorted = malloc(object->count * sizeof *sorted);
	size_t count = 0;
	bool good = true;

	if (!sorted)
		return no_room(in);
	for (const struct json_node *node = object->first; node; node = node->next)
		sorted[count++] = node;
	qsort(sorted, count, sizeof *sorted, compare_keys);
	for (size_t i = 1; i < count && good; i++)
		good = !same_key(sorted[i - 1], sorted[i]);
	free(sorted);
	return good || twice(in);
}

static bool
read_key(struct parser *in, const struct json_node *object, struct json_node *node)
{
	size_t size;

	if (look(in) != '"')
		return fail(in, "a member without a name");
	in->at++;
	if (!read_string(in, &node->key, &size))
		return false;
	if (size > UINT32_MAX)
		return no_room(in);
	node->key_size = (uint32_t)size;
	if (object->count < FEW)
		for (const struct json_node *other = object->first; other; other = other->next)
			if (same_key(other, node))
				return twice(in);
	if (look(in) != ':')
		return fail(in, "a member without a colon");
	in->at++;
	return true;
}

static bool read_value(struct parser *in, struct json_node *node);

/* Behind the bracket. */
static bool
read_list(struct parser *in, struct json_node *list, char close)
{
	struct json_node **link = &list->first;

	list->first = NULL;
	list->count = 0;
	if (++in->depth > JSON_TREE_DEPTH)
		return fail(in, "too deep");
	if (look(in) == close) {
		in->at++;
		in->depth--;
		return true;
	}
	for (;;) {
		struct json_node *node = arena_alloc(in->arena, sizeof *node);
		if (!node)
			return no_room(in);
		*node = (struct json_node){0};
		if ((close == '}' && !read_key(in, list, node)) || !read_value(in, node))
			return false;
		*link = node;
		link = &node->next;
		list->count++;
		char c = look(in);
		if (c != ',' && c != close)
			return fail(in, in->at == in->end ? "it has no end" : "neither a comma nor the end of a list");
		in->at++;
		if (c == close)
			break;
	}
	in->depth--;
	return close == ']' || list->count <= FEW || check_keys(in, list);
}

static bool
read_value(struct parser *in, struct json_node *node)
{
	char c = look(in);

	switch (c) {
	case '"':
		in->at++;
		node->kind = JSON_KIND_STRING;
		return read_string(in, &node->text, &node->size);
	case '{':
	case '[':
		in->at++;
		node->kind = c == '{' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
		return read_list(in, node, c == '{' ? '}' : ']');
	case '-':
	case '0' ... '9':
		return read_number(in, node);
	default:
		return read_word(in, node);
	}
}

enum status
json_tree_read(char *text, size_t size, struct arena *arena, const struct json_node **root, const char **reason)
{
	struct parser in = {.at = text, .end = text + size, .arena = arena, .status = STATUS_OK};
	struct json_node *node = arena_alloc(arena, sizeof *node);

	if (!node)
		return STATUS_LIMIT;
	*node = (struct json_node){0};
	if (read_value(&in, node) && (skip_space(&in), in.at != in.end))
		fail(&in, "something behind its end");
	if (in.status == STATUS_OK)
		*root = node;
	else
		*reason = in.reason;
	return in.status;
}

const struct json_node *
json_tree_get(const struct json_node *object, const char *key)
{
	size_t size = strlen(key);

	if (!object || object->kind != JSON_KIND_OBJECT)
		return NULL;
	for (const struct json_node *node = object->first; node; node = node->next)
		if (node->key_size == size && memcmp(node->key, key, size) == 0)
			return node;
	return NULL;
}
