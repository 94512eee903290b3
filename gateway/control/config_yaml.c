#include "control/config.h"
#include "control/config_schema.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

static const struct config_options default_options = {.no_files = false};

/* ---- libyaml's document to nodes ---- */

struct builder {
	yaml_document_t *document;
	struct config_reader *in;
	struct arena *nodes;
	size_t node_count;
};

static bool build_node(struct builder *builder, int index, unsigned depth, struct config_node *out);

static bool
build_scalar(struct builder *builder, const yaml_node_t *node, struct config_node *out)
{
	out->kind = CONFIG_SCALAR;
	out->text = (const char *)node->data.scalar.value;
	out->length = node->data.scalar.length;
	out->plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(out->text, '\0', out->length))
		return config_read_fail(builder->in, out->line, "a NUL character in a value");
	return true;
}

/* The nodes are needed until the configuration has been read; 10,000 zones are 7 MB of them. */
static struct config_node *
build_items(struct builder *builder, size_t count)
{
	struct config_node *items = arena_alloc(builder->nodes, count * sizeof *items);

	if (!items)
		abort();
	return memset(items, 0, count * sizeof *items);
}

static bool
build_sequence(struct builder *builder, const yaml_node_t *node, unsigned depth, struct config_node *out)
{
	out->kind = CONFIG_SEQUENCE;
	out->count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	out->items = build_items(builder, out->count);
	for (size_t i = 0; i < out->count; i++)
		if (!build_node(builder, node->data.sequence.items.start[i], depth, &out->items[i]))
			return false;
	return true;
}

static bool
build_map(struct builder *builder, const yaml_node_t *node, unsigned depth, struct config_node *out)
{
	size_t pairs = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);

	out->kind = CONFIG_MAP;
	out->count = 2 * pairs;
	out->items = build_items(builder, out->count);
	for (size_t i = 0; i < pairs; i++)
		if (!build_node(builder, node->data.mapping.pairs.start[i].key, depth, &out->items[2 * i]) ||
		    !build_node(builder, node->data.mapping.pairs.start[i].value, depth, &out->items[2 * i + 1]))
			return false;
	return true;
}

/* Aliases are expanded here, so depth and count are what stops one that holds itself, or a billion laughs. */
static bool
build_node(struct builder *builder, int index, unsigned depth, struct config_node *out)
{
	const yaml_node_t *node = yaml_document_get_node(builder->document, index);

	out->line = (unsigned)node->start_mark.line + 1;
	if (depth == CONFIG_MAX_DEPTH)
		return config_read_fail(builder->in, out->line, "more than %d levels", CONFIG_MAX_DEPTH);
	if (++builder->node_count > CONFIG_MAX_NODES)
		return config_read_fail(builder->in, out->line, "more than %d values", CONFIG_MAX_NODES);
	switch (node->type) {
	case YAML_SCALAR_NODE:
		return build_scalar(builder, node, out);
	case YAML_SEQUENCE_NODE:
		return build_sequence(builder, node, depth + 1, out);
	case YAML_MAPPING_NODE:
		return build_map(builder, node, depth + 1, out);
	default:
		return config_read_fail(builder->in, out->line, "not a value");
	}
}

static bool
config_yaml_failed(struct config_reader *in, const yaml_parser_t *parser)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_READER_ERROR)
		line = (unsigned)parser->mark.line + 1;
	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return config_read_fail(in, line, "YAML: no memory");
	return config_read_fail(in, line, "YAML: %s%s%s", parser->problem, parser->context ? " " : "",
				parser->context ? parser->context : "");
}

typedef bool root_fn(struct config_reader *in, const struct config_node *root, const struct config *main,
		     struct config *config);

static bool
config_read_document(struct config_reader *in, yaml_document_t *document, root_fn *read, const struct config *main,
		     struct config *config)
{
	struct arena nodes;
	struct builder builder = {.document = document, .in = in, .nodes = &nodes};
	struct config_node root;

	if (!yaml_document_get_root_node(document))
		return config_read_fail(in, 1, "the configuration is empty");
	arena_init(&nodes, CONFIG_ARENA_CAP);
	bool fine = build_node(&builder, 1, 0, &root) && read(in, &root, main, config);
	arena_free(&nodes);
	return fine;
}

/* A second document would be passed over in silence. */
static bool
config_is_last_document(struct config_reader *in, yaml_parser_t *parser)
{
	yaml_document_t document;

	if (!yaml_parser_load(parser, &document))
		return config_yaml_failed(in, parser);
	bool last = !yaml_document_get_root_node(&document);
	unsigned line = (unsigned)document.start_mark.line + 1;
	yaml_document_delete(&document);
	return last || config_read_fail(in, line, "a second YAML document");
}

static bool
config_read_text(struct config_reader *in, const char *text, size_t size, root_fn *read, const struct config *main,
		 struct config *config)
{
	yaml_parser_t parser;
	yaml_document_t document;

	if (!yaml_parser_initialize(&parser))
		return config_read_fail(in, 1, "YAML: no memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	bool fine = yaml_parser_load(&parser, &document) || config_yaml_failed(in, &parser);
	if (fine) {
		fine = config_read_document(in, &document, read, main, config) && config_is_last_document(in, &parser);
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
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
	size_t room = (size_t)info.st_size + 65536;
	*text = malloc(room);
	if (!*text)
		abort();
	*size = fread(*text, 1, room, file);
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
