#include "zone/master_parse.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* RFC 2181 8. */
#define TTL_MAX 0x7fffffffu

/* An entry in the batch: this, the owner, the packed RDATA; unaligned. */
struct entry_head {
	size_t at;
	uint32_t ttl_s, packed_size;
	uint16_t type, count;
	uint8_t owner_size;
};

/* A logical line: comments, parentheses and line ends taken out. */
struct line {
	const char *at, *end;
	bool blank_start; /* the owner is the one before */
};

struct token {
	const char *text;
	size_t length;
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

__attribute__((format(printf, 3, 4))) static bool
fail(struct master_piece *piece, enum status status, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(piece->reason, sizeof piece->reason, format, list);
	va_end(list);
	piece->status = status;
	piece->outcome = MASTER_FAILED;
	return false;
}

/* Characters that need more than to be passed over. */
static const bool special[256] = {['\n'] = true, [';'] = true, ['('] = true, [')'] = true, ['"'] = true, ['\\'] = true};

static size_t
line_end(const struct master_piece *piece, size_t at)
{
	const char *end = memchr(piece->text + at, '\n', piece->size - at);

	return (size_t)(end - piece->text);
}

static bool
line_room(struct master_piece *piece, size_t used)
{
	if (used < piece->line_room)
		return true;
	size_t room = piece->line_room * 2 + 4096;
	char *line = realloc(piece->line, room);
	if (line == NULL)
		return fail(piece, STATUS_NO_MEMORY, "no memory");
	piece->line = line;
	piece->line_room = room;
	return true;
}

/* The slow road of read_line: escapes, quotes, parentheses. */
static bool
assemble_line(struct master_piece *piece, size_t at, struct line *line)
{
	const char *text = piece->text;
	size_t used = 0, opened = 0;
	bool open = false, quoted = false;

	for (;; at++) {
		if (!line_room(piece, used + 1))
			return false;
		char c = text[at];
		if (c == '\\' && text[at + 1] != '\n') {
			piece->line[used++] = c;
			piece->line[used++] = text[++at];
			continue;
		}
		if (quoted && c == '\n') {
			piece->fault = at;
			return fail(piece, STATUS_MALFORMED, "a quoted string does not end");
		}
		if (c == '"')
			quoted = !quoted;
		if (!quoted && c == ';')
			c = text[at = line_end(piece, at)];
		if (!quoted && (c == '(' || c == ')')) {
			if (open == (c == '(')) {
				piece->fault = at;
				return fail(piece, STATUS_MALFORMED, open ? "( inside parentheses" : ") without (");
			}
			open = c == '(';
			opened = at;
			c = ' ';
		}
		if (c == '\n') {
			if (!open)
				break;
			if (at + 1 == piece->size) {
				piece->fault = opened;
				return fail(piece, STATUS_MALFORMED, "( without )");
			}
			c = ' ';
		}
		piece->line[used++] = c;
	}
	line->at = piece->line;
	line->end = piece->line + used;
	piece->stop = at + 1;
	return true;
}

/* The logical line at piece->stop, which moves behind it. */
static bool
read_line(struct master_piece *piece, struct line *line)
{
	const char *text = piece->text + piece->stop, *at = text;

	piece->fault = piece->stop;
	line->blank_start = is_blank(*text);
	while (!special[(uint8_t)*at])
		at++;
	if (*at != '\n' && *at != ';')
		return assemble_line(piece, piece->stop, line);
	line->at = text;
	line->end = at;
	piece->stop = (*at == '\n' ? (size_t)(at - piece->text) : line_end(piece, (size_t)(at - piece->text))) + 1;
	return true;
}

static void
skip_blank(struct line *line)
{
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
	while (line->end > line->at && is_blank(line->end[-1]) && (line->end - 1 == line->at || line->end[-2] != '\\'))
		line->end--;
}

/* Up to the next blank; an escaped one belongs to it. Length 0: the line is at its end. */
static struct token
next_token(struct line *line)
{
	skip_blank(line);
	struct token token = {.text = line->at};
	while (line->at < line->end && !is_blank(*line->at))
		line->at += *line->at == '\\' && line->at + 1 < line->end ? 2 : 1;
	token.length = (size_t)(line->at - token.text);
	skip_blank(line);
	return token;
}

/* 300, 1h30m, 2w (BIND's units). */
static bool
ttl_from_token(struct token token, uint64_t *ttl_s)
{
	uint64_t sum = 0, number = 0;
	bool digits = false, units = false;

	for (size_t i = 0; i < token.length; i++) {
		char c = token.text[i];
		if (c >= '0' && c <= '9') {
			number = number * 10 + (uint64_t)(c - '0');
			digits = true;
			if (number > UINT32_MAX)
				number = UINT32_MAX;
			continue;
		}
		c |= 0x20;
		uint64_t unit = c == 's'   ? 1
				: c == 'm' ? 60
				: c == 'h' ? 3600
				: c == 'd' ? 86400
				: c == 'w' ? 604800
					   : 0;
		if (unit == 0 || !digits)
			return false;
		sum += number * unit;
		number = 0;
		digits = false;
		units = true;
		if (sum > UINT32_MAX)
			sum = UINT32_MAX;
	}
	*ttl_s = sum + number;
	return digits || units;
}

static int
shown(struct token token)
{
	return token.length < 100 ? (int)token.length : 100;
}

/* Nothing from a file is printed unescaped. */
static const char *
escaped(struct token token, char *out)
{
	int used = 0;

	for (int i = 0; i < shown(token); i++) {
		uint8_t c = (uint8_t)token.text[i];
		used += snprintf(out + used, 5, c > 0x20 && c < 0x7f ? "%c" : "\\%03u", c);
	}
	out[used] = 0;
	return out;
}
#define ESCAPED_SIZE 401

/* Lower-case letters, digits and what else is common in host names; 0: the slow road. */
static uint8_t
plain_char(uint8_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '*')
		return c;
	return c >= 'A' && c <= 'Z' ? c | 0x20 : 0;
}

/* An owner of plain characters, relative or absolute, in one pass; false: not so plain, nothing is wrong yet. */
static bool
owner_plain(const struct master_state *state, struct token token, uint8_t *out, size_t *size)
{
	size_t label = 0, used = 1;

	if (token.length == 0 || token.length > NAME_MAX_SIZE - 2)
		return false;
	for (size_t i = 0; i < token.length; i++) {
		uint8_t c = (uint8_t)token.text[i];
		if (c == '.') {
			if (used - label < 2 || used - label > 64)
				return false;
			out[label] = (uint8_t)(used - label - 1);
			label = used++;
			continue;
		}
		c = plain_char(c);
		if (c == 0)
			return false;
		out[used++] = c;
	}
	if (used == label + 1) {
		out[label] = 0;
		*size = used;
		return true;
	}
	if (used - label > 64)
		return false;
	out[label] = (uint8_t)(used - label - 1);
	size_t origin_size = name_size(state->origin);
	if (used + origin_size > NAME_MAX_SIZE)
		return false;
	name_lower(state->origin, out + used);
	*size = used + origin_size;
	return true;
}

static bool
set_owner(struct master_piece *piece, struct token token)
{
	struct master_state *state = &piece->state;
	uint8_t owner[NAME_MAX_SIZE + 1];
	size_t size;
	char text[NAME_TEXT_SIZE];

	if (!owner_plain(state, token, owner, &size)) {
		if (name_from_text(token.text, token.length, state->origin, owner) != STATUS_OK)
			return fail(piece, STATUS_MALFORMED, "%s is no name", escaped(token, text));
		size = name_lower(owner, owner);
	}
	if (size == state->owner_size && memcmp(owner, state->owner, size) == 0)
		return true;
	if (!name_is_within(owner, piece->apex)) {
		name_to_text(owner, text);
		return fail(piece, STATUS_INVALID, "%.400s is not in the zone", text);
	}
	memcpy(state->owner, owner, size);
	state->owner_size = size;
	piece->may_join = false;
	return true;
}

static bool
set_type(struct master_piece *piece, struct token token, uint16_t *type)
{
	char text[RRTYPE_TEXT_SIZE], shown_text[ESCAPED_SIZE];

	if (token.length == 0)
		return fail(piece, STATUS_MALFORMED, "no type");
	if (token.length == 1 && (token.text[0] == 'A' || token.text[0] == 'a')) {
		*type = TYPE_A;
		return true;
	}
	if (token.length < sizeof text) {
		memcpy(text, token.text, token.length);
		text[token.length] = 0;
	}
	if (token.length >= sizeof text || strlen(text) != token.length || rrtype_from_text(text, type) != STATUS_OK)
		return fail(piece, STATUS_MALFORMED, "%s is no type", escaped(token, shown_text));
	if (rrtype_is_meta(*type))
		return fail(piece, STATUS_INVALID, "%s cannot be in a zone", text);
	return true;
}

static bool
is_word(struct token token, const char *word)
{
	return strlen(word) == token.length && strncasecmp(token.text, word, token.length) == 0;
}

/* TTL and class, in either order, each at most once, then the type (RFC 1035 5.1). */
static bool
read_prefix(struct master_piece *piece, struct line *line, uint64_t *ttl_s, bool *has_ttl, uint16_t *type)
{
	bool has_class = false;
	char text[ESCAPED_SIZE];

	*has_ttl = false;
	for (;;) {
		struct token token = next_token(line);
		if (!*has_ttl && token.length > 0 && token.text[0] >= '0' && token.text[0] <= '9') {
			if (!ttl_from_token(token, ttl_s) || *ttl_s > TTL_MAX)
				return fail(piece, STATUS_MALFORMED, "%s is no TTL", escaped(token, text));
			*has_ttl = true;
			continue;
		}
		bool class_in = is_word(token, "IN") || is_word(token, "CLASS1");
		if (!has_class && class_in) {
			has_class = true;
			continue;
		}
		if (is_word(token, "CH") || is_word(token, "HS") || is_word(token, "CS") ||
		    (token.length > 5 && strncasecmp(token.text, "CLASS", 5) == 0))
			return fail(piece, STATUS_INVALID, "class %s: only IN is served", escaped(token, text));
		return set_type(piece, token, type);
	}
}

/*
 * RFC 2308 4: $TTL; without it the last stated TTL (RFC 1035 5.1); before any, MINIMUM of the SOA, as everybody does.
 */
static bool
set_ttl(struct master_piece *piece, uint64_t *ttl_s, bool has_ttl, uint16_t type, const uint8_t *rdata, size_t size)
{
	struct master_state *state = &piece->state;

	if (!has_ttl && state->has_default) {
		*ttl_s = state->default_ttl_s;
		return true;
	}
	if (!has_ttl && state->has_last)
		*ttl_s = state->last_ttl_s;
	else if (!has_ttl && type == TYPE_SOA)
		*ttl_s = rdata_soa_minimum(rdata, size) & TTL_MAX;
	else if (!has_ttl)
		return fail(piece, STATUS_MALFORMED, "no TTL: neither here, nor in a record before, nor by $TTL");
	state->last_ttl_s = (uint32_t)*ttl_s;
	state->has_last = true;
	return true;
}

static bool
batch_room(struct master_piece *piece, size_t more)
{
	if (piece->batch_room - piece->batch_used >= more)
		return true;
	size_t room = piece->batch_room * 2 + more + 65536;
	uint8_t *batch = realloc(piece->batch, room);
	if (batch == NULL)
		return fail(piece, STATUS_NO_MEMORY, "no memory");
	piece->batch = batch;
	piece->batch_room = room;
	return true;
}

/* The RDATA lies behind the room for its head, owner and size: where a new entry would have it. */
static size_t
rdata_place(const struct master_piece *piece)
{
	return piece->batch_used + sizeof(struct entry_head) + piece->state.owner_size + 2;
}

static void
batch_add(struct master_piece *piece, uint16_t type, uint32_t ttl_s, size_t size)
{
	uint8_t *rdata = piece->batch + rdata_place(piece);
	uint16_t size16 = (uint16_t)size;
	struct entry_head head;

	if (piece->may_join) {
		memcpy(&head, piece->batch + piece->last_entry, sizeof head);
		/* A second SOA or CNAME is a fault, with a line of its own. */
		if (head.type == type && head.ttl_s == ttl_s && head.count < UINT16_MAX &&
		    !rrtype_info(type)->singleton) {
			memcpy(piece->batch + piece->batch_used, &size16, 2);
			memmove(piece->batch + piece->batch_used + 2, rdata, size);
			piece->batch_used += size + 2;
			head.count++;
			head.packed_size += (uint32_t)size + 2;
			memcpy(piece->batch + piece->last_entry, &head, sizeof head);
			return;
		}
	}
	memset(&head, 0, sizeof head);
	head.at = piece->fault;
	head.ttl_s = ttl_s;
	head.packed_size = (uint32_t)size + 2;
	head.type = type;
	head.count = 1;
	head.owner_size = (uint8_t)piece->state.owner_size;
	uint8_t *at = piece->batch + piece->batch_used;
	piece->last_entry = piece->batch_used;
	memcpy(at, &head, sizeof head);
	memcpy(at + sizeof head, piece->state.owner, head.owner_size);
	memcpy(rdata - 2, &size16, 2);
	piece->batch_used = (size_t)(rdata - piece->batch) + size;
	piece->may_join = true;
}

static bool
read_record(struct master_piece *piece, struct line *line)
{
	uint16_t type = 0;
	uint64_t ttl_s = 0;
	bool has_ttl;
	size_t size = 0;

	if (!line->blank_start && !set_owner(piece, next_token(line)))
		return false;
	if (piece->state.owner_size == 0)
		return fail(piece, STATUS_MALFORMED, "the first record has no owner");
	if (!read_prefix(piece, line, &ttl_s, &has_ttl, &type))
		return false;
	/* A line of n characters makes at most n octets, but a relative name in it grows by the origin. */
	if (!batch_room(piece, sizeof(struct entry_head) + NAME_MAX_SIZE + 2 + RDATA_MAX_SIZE))
		return false;
	uint8_t *rdata = piece->batch + rdata_place(piece);
	char reason[PRESENT_REASON_SIZE], name[RRTYPE_TEXT_SIZE];
	enum status status = present_parse(type, line->at, (size_t)(line->end - line->at), piece->state.origin,
	                                   rdata, RDATA_MAX_SIZE, &size, reason);
	if (status != STATUS_OK)
		return fail(piece, status, "%s: %s", rrtype_to_text(type, name), reason);
	if (!set_ttl(piece, &ttl_s, has_ttl, type, rdata, size))
		return false;
	batch_add(piece, type, (uint32_t)ttl_s, size);
	return true;
}

static bool
read_name(struct master_piece *piece, struct token token, uint8_t *name)
{
	char text[ESCAPED_SIZE];

	if (token.length == 0)
		return fail(piece, STATUS_MALFORMED, "a name is missing");
	if (name_from_text(token.text, token.length, piece->state.origin, name) != STATUS_OK)
		return fail(piece, STATUS_MALFORMED, "%s is no name", escaped(token, text));
	return true;
}

/* $INCLUDE ends the piece: the caller reads the file, then goes on. */
static bool
read_include(struct master_piece *piece, struct line *line)
{
	struct token file = next_token(line), origin = next_token(line);

	if (file.length >= 2 && file.text[0] == '"' && file.text[file.length - 1] == '"')
		file = (struct token){file.text + 1, file.length - 2};
	if (file.length == 0 || memchr(file.text, 0, file.length))
		return fail(piece, STATUS_MALFORMED, "$INCLUDE without a file");
	memcpy(piece->include_origin, piece->state.origin, NAME_MAX_SIZE);
	if (origin.length > 0 && !read_name(piece, origin, piece->include_origin))
		return false;
	piece->include = strndup(file.text, file.length);
	if (piece->include == NULL)
		return fail(piece, STATUS_NO_MEMORY, "no memory");
	piece->outcome = MASTER_INCLUDE;
	return false;
}

static bool
read_directive(struct master_piece *piece, struct line *line)
{
	struct token word = next_token(line);
	uint8_t origin[NAME_MAX_SIZE];
	uint64_t ttl_s = 0;
	char text[ESCAPED_SIZE];

	if (is_word(word, "$INCLUDE"))
		return read_include(piece, line);
	if (is_word(word, "$ORIGIN")) {
		if (!read_name(piece, next_token(line), origin))
			return false;
		memcpy(piece->state.origin, origin, name_size(origin));
	} else if (is_word(word, "$TTL")) {
		struct token token = next_token(line);
		if (!ttl_from_token(token, &ttl_s) || ttl_s > TTL_MAX)
			return fail(piece, STATUS_MALFORMED, "$TTL: %s is no TTL", escaped(token, text));
		piece->state.default_ttl_s = (uint32_t)ttl_s;
		piece->state.has_default = true;
	} else if (is_word(word, "$GENERATE")) {
		return fail(piece, STATUS_INVALID, "$GENERATE is BIND's own and is not taken: write the records out");
	} else {
		return fail(piece, STATUS_MALFORMED, "%s is no directive", escaped(word, text));
	}
	if (line->at < line->end)
		return fail(piece, STATUS_MALFORMED, "something follows the %.*s directive", (int)word.length,
			    word.text);
	return true;
}

void
master_piece_parse(struct master_piece *piece)
{
	struct line line;
	bool going = true;

	piece->stop = piece->begin;
	piece->outcome = MASTER_DONE;
	piece->status = STATUS_OK;
	piece->batch_used = 0;
	piece->may_join = false;
	while (going && piece->stop < piece->end) {
		if (!read_line(piece, &line))
			return;
		/* A line of blanks, comments and parentheses is no record, nor does it change the owner. */
		const char *start = line.at;
		skip_blank(&line);
		if (line.at == line.end)
			continue;
		if (line.blank_start)
			line.at = start;
		going = *line.at == '$' ? read_directive(piece, &line) : read_record(piece, &line);
	}
}

bool
master_piece_next(const struct master_piece *piece, size_t *at, struct master_entry *entry)
{
	struct entry_head head;

	if (*at >= piece->batch_used)
		return false;
	const uint8_t *from = piece->batch + *at;
	memcpy(&head, from, sizeof head);
	entry->at = head.at;
	entry->owner = from + sizeof head;
	entry->owner_size = head.owner_size;
	entry->rrset = (struct rrset){
		.type = head.type, .count = head.count, .ttl_s = head.ttl_s,
		.packed = from + sizeof head + head.owner_size, .packed_size = head.packed_size,
	};
	*at += sizeof head + head.owner_size + head.packed_size;
	return true;
}

void
master_piece_free(struct master_piece *piece)
{
	free(piece->include);
	free(piece->batch);
	free(piece->line);
	piece->include = NULL;
	piece->batch = NULL;
	piece->line = NULL;
	piece->batch_used = piece->batch_room = piece->line_room = 0;
}
