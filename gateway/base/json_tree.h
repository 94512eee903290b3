/*
 * JSON text as a tree, in one pass and in place: for what is read by the hundred thousand, where every value of its own
 * would be an allocation.
 *
 * Threads:   any; no state.
 * Memory:    nodes are the arena's; strings stay where they are, in the text, which is written over.
 * Errors:    STATUS_MALFORMED with a reason that lives for ever; STATUS_LIMIT: the arena is full.
 * Limits:    JSON_TREE_DEPTH levels; no character 0 in a string; no two members of one name in an object.
 * Standards: RFC 8259; RFC 3629 for the octets of strings.
 */
#ifndef ZONEGATE_BASE_JSON_TREE_H
#define ZONEGATE_BASE_JSON_TREE_H

#include "base/arena.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

#define JSON_TREE_DEPTH 2048
/* An arena of this size takes any text of `size` octets. */
#define JSON_TREE_ARENA(size) (32 * (size_t)(size) + (1u << 20))

enum json_kind { JSON_KIND_NULL, JSON_KIND_FALSE, JSON_KIND_TRUE, JSON_KIND_NUMBER, JSON_KIND_INTEGER, JSON_KIND_STRING,
                 JSON_KIND_ARRAY, JSON_KIND_OBJECT };

struct json_node {
	struct json_node *next;  /* in its array or object */
	const char *key;         /* in an object */
	uint32_t key_size;
	enum json_kind kind;     /* NUMBER: not an integer, or one beyond 64 bits; its value is not kept */
	union {
		int64_t integer;
		struct { const char *text; size_t size; };         /* ends with a 0 that does not count */
		struct { struct json_node *first; size_t count; };
	};
};

/*
 * text    written over; must live as long as the tree
 * root    out: of any kind
 * reason  out, if STATUS_MALFORMED
 */
MUST_USE enum status json_tree_read(char *text, size_t size, struct arena *arena, const struct json_node **root,
                                    const char **reason);

/* A member; NULL: there is none, or `object` is NULL or none. */
const struct json_node *json_tree_get(const struct json_node *object, const char *key);

/*
 * What a node holds, NULL and NULLs of other kinds included: NULL where it is no string, no element where it is no
 * array.
 */
static inline const char *
json_tree_text(const struct json_node *node)
{
	return node && node->kind == JSON_KIND_STRING ? node->text : NULL;
}

static inline size_t
json_tree_count(const struct json_node *node)
{
	return node && node->kind == JSON_KIND_ARRAY ? node->count : 0;
}

static inline const struct json_node *
json_tree_first(const struct json_node *node)
{
	return node && node->kind == JSON_KIND_ARRAY ? node->first : NULL;
}

#endif
