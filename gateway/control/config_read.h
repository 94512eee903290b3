/*
 * A configuration value, with its line, into a field: one reader for each kind of value.
 *
 * Threads:   a reader belongs to one thread.
 * Memory:    strings and lists are copied into the reader's arena.
 * Errors:    false, and the first mistake is in reader->reason.
 */
#ifndef ZONEGATE_CONTROL_CONFIG_READ_H
#define ZONEGATE_CONTROL_CONFIG_READ_H

#include "control/config.h"

#define CONFIG_ARENA_CAP (UINT64_C(4) << 30) /* the sizes that config.h allows do not come near it */

enum config_kind { CONFIG_SCALAR, CONFIG_MAP, CONFIG_SEQUENCE };

struct config_node {
	enum config_kind kind;
	unsigned line;
	bool plain;                       /* a scalar without quotes */
	const char *text; size_t length;  /* scalar */
	struct config_node *items; size_t count; /* sequence: items; map: key and value in turn */
};

struct config_reader {
	const char *path;
	char *folder;                     /* of the file, with a final slash, or "" */
	struct arena *arena;
	const struct config_options *options;
	char *reason;
	bool failed;
};

struct config_field;
typedef bool config_read_fn(struct config_reader *in, const struct config_field *field,
                            const struct config_node *node, void *target);

struct config_field {
	const char *name;
	config_read_fn *read;
	size_t offset;                    /* of the target in the struct that the map fills */
	uint64_t min, max;
	const void *detail;               /* enum: its words; map: its fields */
	bool required;
};

/* For a map that is the value of a field. */
struct config_map { const struct config_field *fields; size_t count; };

/* Always false. */
bool config_read_fail(struct config_reader *in, unsigned line, const char *format, ...) PRINTF_LIKE(3, 4);
/* Zeroed; ends the program where there is no memory (start and reload only). */
void *config_read_alloc(struct config_reader *in, size_t count, size_t size);

/* Every key known, once, of its type; those required are there. `where` is said in messages. */
bool config_read_map(struct config_reader *in, const struct config_node *node, const char *where,
                     const struct config_map *map, void *target);
/* A sequence, of at least one item. */
bool config_read_is_sequence(struct config_reader *in, const struct config_field *field,
                             const struct config_node *node);
/* The text of a scalar that is not null; NULL and a mistake otherwise. */
const char *config_read_scalar(struct config_reader *in, const struct config_field *field,
                               const struct config_node *node);

config_read_fn config_read_string;    /* const char *; min and max: its length */
config_read_fn config_read_path;      /* const char *, made absolute or relative to the working directory */
config_read_fn config_read_readable;  /* the same, of a file that can be read */
config_read_fn config_read_number;    /* uint64_t */
config_read_fn config_read_duration;  /* uint64_t, milliseconds; min and max too */
config_read_fn config_read_bool;      /* bool */
config_read_fn config_read_word;      /* int; detail: words, NULL after the last */
config_read_fn config_read_submap;    /* a struct; detail: struct config_map */
config_read_fn config_read_strings;   /* struct config_list */
config_read_fn config_read_address;   /* struct config_addresses with one; min: default port */
config_read_fn config_read_addresses; /* struct config_addresses; min: default port */
config_read_fn config_read_name;      /* const uint8_t *, lower-case wire name */

#endif
