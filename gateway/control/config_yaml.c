/* YAML to sections and values of the schema. */
#include "control/config.h"
#include "base/must.h"
#include "control/config_schema.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

static const struct config_options default_options = {.no_files = false};

/* ---- libyaml's events to nodes ---- */

/* What an alias may stand for. */
struct anchor {
	struct anchor *next;
	const char *name;
	struct config_node node;
	size_t values;  /* of it, and below */
	unsigned levels;
	bool open;      /* its end is yet to come */
};

/* Not by way of libyaml's documents, which take as much memory again and leave the heap full of holes. */
struct builder {
	yaml_parser_t parser;
	struct config_reader *in;
	struct arena nodes;               /* until the configuration has been read; 10,000 zones are 7 MB */
	struct anchor *anchors;
	size_t values;
};

static bool
build_failed(struct builder *builder)
{
	const yaml_parser_t *parser = &builder->parser;
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_READER_ERROR)
		line = (unsigned)parser->mark.line + 1;
	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return config_read_fail(builder->in, line, "YAML: no memory");
	return config_read_fail(builder->in, line, "YAML: %s%s%s", parser->problem, parser->context ? " " : "",
				parser->context ? parser->context : "");
}

static bool
build_next(struct builder *builder, yaml_event_t *event)
{
	return yaml_parser_parse(&builder->parser, event) || build_failed(builder);
}

/* Aliases are expanded, so levels and count are what stops one that holds itself, or a billion laughs. */
static bool
build_count(struct builder *builder, size_t values, size_t levels, unsigned line)
{
	if (levels > CONFIG_MAX_DEPTH)
		return config_read_fail(builder->in, line, "more than %d levels", CONFIG_MAX_DEPTH);
	builder->values += values;
	if (builder->values > CONFIG_MAX_NODES)
		return config_read_fail(builder->in, line, "more than %d values", CONFIG_MAX_NODES);
	return true;
}

static struct anchor *
build_find_anchor(const struct builder *builder, const yaml_char_t *name)
{
	struct anchor *anchor = builder->anchors;

	while (anchor && strcmp(anchor->name, (const char *)name) != 0)
		anchor = anchor->next;
	return anchor;
}

static bool
build_anchor(struct builder *builder, const yaml_char_t *name, unsigned line, struct anchor **out)
{
	if (build_find_anchor(builder, name))
		return config_read_fail(builder->in, line, "&%s: there is such an anchor already", name);
	struct anchor *anchor = must(arena_alloc(&builder->nodes, sizeof *anchor));
	*anchor = (struct anchor){.next = builder->anchors, .open = true};
	anchor->name = must(arena_text(&builder->nodes, (const char *)name));
	builder->anchors = *out = anchor;
	return true;
}

static bool
build_alias(struct builder *builder, const yaml_char_t *name, unsigned depth, struct config_node *out, unsigned *levels)
{
	const struct anchor *anchor = build_find_anchor(builder, name);
	unsigned line = out->line;

	if (!anchor)
		return config_read_fail(builder->in, line, "*%s: there is no such anchor before it", name);
	*out = anchor->node;
	*levels = anchor->levels;
	return build_count(builder, anchor->values, anchor->open ? SIZE_MAX : depth + anchor->levels, line);
}

static bool
build_scalar(struct builder *builder, const yaml_event_t *event, struct config_node *out)
{
	out->kind = CONFIG_SCALAR;
	out->length = event->data.scalar.length;
	out->text = must(arena_copy(&builder->nodes, event->data.scalar.value, out->length + 1));
	out->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(out->text, '\0', out->length))
		return config_read_fail(builder->in, out->line, "a NUL character in a value");
	return true;
}

static bool build_node(struct builder *builder, const yaml_event_t *event, unsigned depth, struct config_node *out,
		       unsigned *levels);

/* What is in a sequence, or keys and values in turn, until it ends. */
static bool
build_items(struct builder *builder, enum config_kind kind, unsigned depth, struct config_node *out, unsigned *levels)
{
	yaml_event_type_t end = kind == CONFIG_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	struct config_node *items = NULL;
	size_t room = 0;
	yaml_event_t event;
	bool fine, more = true;

	out->kind = kind;
	do {
		unsigned below = 0;
		fine = build_next(builder, &event);
		more = fine && event.type != end;
		if (more && out->count == room) {
			room = room * 2 + 8;
			items = must(realloc(items, room * sizeof *items));
		}
		fine = fine && (!more || build_node(builder, &event, depth + 1, &items[out->count++], &below));
		if (*levels < below + 1)
			*levels = below + 1;
		yaml_event_delete(&event);
	} while (fine && more);
	out->items = must(arena_copy(&builder->nodes, items, out->count * sizeof *items));
	free(items);
	return fine;
}

static bool
build_node(struct builder *builder, const yaml_event_t *event, unsigned depth, struct config_node *out,
	   unsigned *levels)
{
	const yaml_char_t *name = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
				  : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
				  : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
									     : NULL;
	struct anchor *anchor = NULL;
	size_t before = builder->values;
	bool fine;

	*out = (struct config_node){.line = (unsigned)event->start_mark.line + 1};
	if (event->type == YAML_ALIAS_EVENT)
		return build_alias(builder, event->data.alias.anchor, depth, out, levels);
	*levels = 1;
	if (!build_count(builder, 1, depth + 1, out->line) ||
	    (name && !build_anchor(builder, name, out->line, &anchor)))
		return false;
	if (event->type == YAML_SCALAR_EVENT)
		fine = build_scalar(builder, event, out);
	else
		fine = build_items(builder, event->type == YAML_MAPPING_START_EVENT ? CONFIG_MAP : CONFIG_SEQUENCE,
				   depth, out, levels);
	if (anchor) {
		anchor->node = *out;
		anchor->values = builder->values - before;
		anchor->levels = *levels;
		anchor->open = false;
	}
	return fine;
}

/* The next event, of which nothing but its kind matters. */
static bool
build_step(struct builder *builder, yaml_event_type_t *type, unsigned *line)
{
	yaml_event_t event;

	if (!build_next(builder, &event))
		return false;
	*type = event.type;
	*line = (unsigned)event.start_mark.line + 1;
	yaml_event_delete(&event);
	return true;
}

static bool
build_root(struct builder *builder, struct config_node *root)
{
	yaml_event_type_t type;
	yaml_event_t event;
	unsigned line, levels;

	if (!build_step(builder, &type, &line) || !build_step(builder, &type, &line))
		return false;
	if (type == YAML_STREAM_END_EVENT)
		return config_read_fail(builder->in, 1, "the configuration is empty");
	if (!build_next(builder, &event))
		return false;
	bool fine = build_node(builder, &event, 0, root, &levels);
	yaml_event_delete(&event);
	return fine && build_step(builder, &type, &line);
}

/* A second document would be passed over in silence. */
static bool
build_end(struct builder *builder)
{
	yaml_event_type_t type;
	unsigned line;

	if (!build_step(builder, &type, &line))
		return false;
	return type == YAML_STREAM_END_EVENT || config_read_fail(builder->in, line, "a second YAML document");
}

typedef bool root_fn(struct config_reader *in, const struct config_node *root, const struct config *main,
		     struct config *config);

static bool
config_read_text(struct config_reader *in, const char *text, size_t size, root_fn *read, const struct config *main,
		 struct config *config)
{
	struct builder builder = {.in = in};
	struct config_node root;

	if (!yaml_parser_initialize(&builder.parser))
		return config_read_fail(in, 1, "YAML: no memory");
	yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, size);
	arena_init(&builder.nodes, CONFIG_ARENA_CAP);
	bool fine = build_root(&builder, &root) && read(in, &root, main, config) && build_end(&builder);
	arena_free(&builder.nodes);
	yaml_parser_delete(&builder.parser);
	return fine;
}

static bool
config_root_file(struct config_reader *in, const struct config_node *root, const struct config *main,
		 struct config *config)
{
	(void)main;
	config->keys = keyring_new();
	return config_schema_read(in, root, config);
}

/* The value of a key; NULL: none. */
static const struct config_node *
config_find_node(const struct config_node *map, const char *key)
{
	for (size_t i = 0; map && map->kind == CONFIG_MAP && i < map->count; i += 2)
		if (map->items[i].kind == CONFIG_SCALAR && strcmp(map->items[i].text, key) == 0)
			return &map->items[i + 1];
	return NULL;
}

static bool
config_root_socket(struct config_reader *in, const struct config_node *root, const struct config *main,
		   struct config *config)
{
	static const struct config_field field = {.name = "control-socket"};
	const struct config_node absent = {.text = CONFIG_DEFAULT_SOCKET, .length = strlen(CONFIG_DEFAULT_SOCKET)};
	const struct config_node *node = config_find_node(config_find_node(root, "server"), "control-socket");

	(void)main;
	return config_read_path(in, &field, node ? node : &absent, &config->server.control_socket);
}

/* ---- interface ---- */

static enum status
config_make(const char *text, size_t size, const char *path, const struct config_options *options, root_fn *read,
	    const struct config *main, struct config **config_out, char *reason)
{
	struct config *config = calloc(1, sizeof *config);
	const char *slash = strrchr(path, '/');
	struct config_reader in = {.path = path, .options = options, .reason = reason};

	if (!config)
		abort();
	arena_init(&config->arena, CONFIG_ARENA_CAP);
	in.arena = &config->arena;
	in.folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
	config->path = arena_text(&config->arena, path);
	if (!in.folder || !config->path)
		abort();
	bool fine = size > CONFIG_MAX_SIZE ? config_read_fail(&in, 1, "over %u MiB", CONFIG_MAX_SIZE >> 20)
					   : config_read_text(&in, text, size, read, main, config);
	free(in.folder);
	if (!fine) {
		config_free(config);
		return STATUS_MALFORMED;
	}
	*config_out = config;
	return STATUS_OK;
}

enum status
config_parse(const char *text, size_t size, const char *path, const struct config_options *options,
	     struct config **config, char *reason)
{
	return config_make(text, size, path, options ? options : &default_options, config_root_file, NULL, config,
			   reason);
}

enum status
config_parse_zone(const struct config *main, const char *text, size_t size, struct config **fragment, char *reason)
{
	static const char place[] = "zone:1: "; /* nobody sees the text: where in it says nothing */
	enum status status =
		config_make(text, size, "zone", &default_options, config_schema_read_zone, main, fragment, reason);

	if (status != STATUS_OK && strncmp(reason, place, strlen(place)) == 0)
		memmove(reason, reason + strlen(place), strlen(reason) - strlen(place) + 1);
	return status;
}

static enum status
config_read_file(FILE *file, char **text, size_t *size)
{
	struct stat info;

	if (fstat(fileno(file), &info) != 0)
		return STATUS_IO;
	if (S_ISDIR(info.st_mode)) {
		errno = EISDIR;
		return STATUS_IO;
	}
	if (info.st_size > (off_t)CONFIG_MAX_SIZE) {
		errno = EFBIG;
		return STATUS_IO;
	}
	/* A pipe does not say its size. */
	size_t room = (size_t)info.st_size + 65536;
	*text = NULL;
	*size = 0;
	do {
		room = *size < room ? room : 2 * room;
		*text = must(realloc(*text, room));
		*size += fread(*text + *size, 1, room - *size, file);
	} while (*size == room && *size <= CONFIG_MAX_SIZE); /* what is larger is refused by who reads it */
	if (!ferror(file))
		return STATUS_OK;
	free(*text);
	return STATUS_IO;
}

/* *text is given. */
static enum status
config_open_file(const char *path, char **text, size_t *size, char *reason)
{
	FILE *file = fopen(path, "re");
	enum status status = file ? config_read_file(file, text, size) : STATUS_IO;

	if (status != STATUS_OK)
		snprintf(reason, CONFIG_REASON_SIZE, "%s:1: %s", path, strerror(errno));
	if (file)
		fclose(file);
	return status;
}

enum status
config_load(const char *path, const struct config_options *options, struct config **config, char *reason)
{
	char *text;
	size_t size;
	enum status status = config_open_file(path, &text, &size, reason);

	if (status != STATUS_OK)
		return status;
	status = config_parse(text, size, path, options, config, reason);
	free(text);
	return status;
}

enum status
config_socket(const char *file, char **path, char *reason)
{
	struct config *config;
	char *text;
	size_t size;
	enum status status = config_open_file(file, &text, &size, reason);

	if (status != STATUS_OK)
		return status;
	status = config_make(text, size, file, &default_options, config_root_socket, NULL, &config, reason);
	free(text);
	if (status != STATUS_OK)
		return status;
	*path = strdup(config->server.control_socket);
	if (!*path)
		abort();
	config_free(config);
	return STATUS_OK;
}
