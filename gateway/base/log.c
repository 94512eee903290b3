#include "base/log.h"
#include "base/clock.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One write of at most PIPE_BUF (4,096) bytes is never mixed with another thread's, on a pipe either. */
#define LINE_BYTES 4000
/* Kept free for `"`, `}` and the newline, so that a line that is cut is still a whole one. */
#define CLOSING_BYTES 3
#define FORMAT_BYTES 1024
#define NUMBER_BYTES 24
#define LINES_PER_SECOND 10

/*
 * Fields are told apart in the format, which is ours, never in what was formatted, which may be a stranger's: before a
 * "key=" the space is replaced by one of these, and the line is split there. If a value has brought one, or the line is
 * too long to know, all of it is one message: a value cannot make a second field.
 */
#define MARK_TEXT '\x1f'
#define MARK_NUMBER '\x1e' /* the value is one %d, %i or %u */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static _Atomic int configured_level = LOG_LEVEL_INFO;
static _Atomic int configured_format = LOG_FORMAT_TEXT;
static _Atomic int output_fd = STDERR_FILENO;

struct line {
	char bytes[LINE_BYTES];
	size_t size;
	bool json, cut;
};

void
log_configure(enum log_level level, enum log_format format)
{
	require((size_t)level < ARRAY_SIZE(level_names));
	atomic_store_explicit(&configured_level, (int)level, memory_order_relaxed);
	atomic_store_explicit(&configured_format, (int)format, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&configured_level, memory_order_relaxed);
}

void
log_to(int fd)
{
	atomic_store_explicit(&output_fd, fd, memory_order_relaxed);
}

static size_t
line_room(const struct line *line)
{
	size_t used = line->size + CLOSING_BYTES;
	return used < LINE_BYTES ? LINE_BYTES - used : 0;
}

/* All of it or nothing; once something did not fit, nothing more does. */
static void
line_put(struct line *line, const char *text, size_t size)
{
	line->cut = line->cut || size > line_room(line);
	if (line->cut)
		return;
	memcpy(line->bytes + line->size, text, size);
	line->size += size;
}

static void
line_puts(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

/* From the bytes kept free. */
static void
line_close(struct line *line, char c)
{
	invariant(line->size < LINE_BYTES);
	line->bytes[line->size++] = c;
}

static bool
log_printable(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* What is not printable ASCII as \xNN, in JSON also: the two formats then show a value alike, whatever is in it. */
static void
line_put_value(struct line *line, const char *value, size_t size, bool quoted)
{
	char text[8];

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)value[i];
		int length;
		if (!log_printable(c))
			length = snprintf(text, sizeof text, quoted ? "\\\\x%02x" : "\\x%02x", c);
		else
			length = snprintf(text, sizeof text, quoted && (c == '"' || c == '\\') ? "\\%c" : "%c", c);
		line_put(line, text, (size_t)length);
	}
}

static void
line_put_quoted(struct line *line, const char *value, size_t size)
{
	line_put(line, "\"", 1);
	if (line->cut)
		return;
	line_put_value(line, value, size, true);
	line_close(line, '"');
}

static void
line_put_key(struct line *line, const char *key, size_t size)
{
	/* A key goes in with the start of its value, or all of it if it is a number, or not at all. */
	line->cut = line->cut || size + sizeof ",\"\":" + NUMBER_BYTES > line_room(line);
	line_puts(line, line->json ? ",\"" : " ");
	line_put(line, key, size);
	line_puts(line, line->json ? "\":" : "=");
}

static bool
log_is_number(const char *value, size_t size)
{
	size_t start = size > 0 && value[0] == '-';

	for (size_t i = start; i < size; i++)
		if (!isdigit((unsigned char)value[i]))
			return false;
	return size > start;
}

/* An empty one, or one that a reader of "key=value key=value" would split or mistake for a quoted one. */
static bool
log_needs_quotes(const char *value, size_t size)
{
	return size == 0 || memchr(value, ' ', size) || memchr(value, '"', size);
}

static void
line_put_field(struct line *line, const char *field, size_t size, bool number)
{
	const char *equals = memchr(field, '=', size);
	const char *value = equals + 1;
	size_t value_size = size - (size_t)(value - field);

	line_put_key(line, field, (size_t)(equals - field));
	if (value_size >= 2 && value[0] == '"' && value[value_size - 1] == '"') {
		/* The call site has quoted it. */
		value++;
		value_size -= 2;
	}
	if (line->json ? !(number && log_is_number(value, value_size)) : log_needs_quotes(value, value_size))
		line_put_quoted(line, value, value_size);
	else
		line_put_value(line, value, value_size, false);
}

/* What stands before the first field, or instead of fields. */
static void
line_put_message(struct line *line, const char *message, size_t size)
{
	if (size == 0)
		return;
	if (line->json) {
		line_put_key(line, "message", 7);
		line_put_quoted(line, message, size);
	} else {
		line_put(line, " ", 1);
		line_put_value(line, message, size, false);
	}
}

static void
line_put_fields(struct line *line, const char *formatted)
{
	static const char marks[] = {MARK_TEXT, MARK_NUMBER, '\0'};
	size_t size = strcspn(formatted, marks);

	line_put_message(line, formatted, size);
	for (const char *at = formatted + size; *at; at += size) {
		bool number = *at++ == MARK_NUMBER;
		size = strcspn(at, marks);
		line_put_field(line, at, size, number);
	}
}

static size_t
log_count_marks(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == MARK_TEXT || *text == MARK_NUMBER;
	return count;
}

/* The length of "key=" at `at`, or 0. */
static size_t
log_key_length(const char *at)
{
	size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	return length > 0 && at[length] == '=' ? length + 1 : 0;
}

/* Is the value at `at`, up to the next space or the end, one integer conversion? */
static bool
log_is_integer_conversion(const char *at)
{
	if (*at++ != '%')
		return false;
	at += strspn(at, "hlzjt");
	return (*at == 'd' || *at == 'i' || *at == 'u') && (at[1] == ' ' || at[1] == '\0');
}

/*
 * The format with marks in place of the spaces before its keys. `out` takes one byte more than the format has: the
 * first key has no space before it.
 */
static void
log_mark_fields(const char *format, char *out)
{
	bool at_start = true;

	while (*format) {
		size_t space = at_start ? 0 : *format == ' ';
		size_t key = at_start || space ? log_key_length(format + space) : 0;
		at_start = false;
		if (key == 0) {
			*out++ = *format++;
			continue;
		}
		*out++ = log_is_integer_conversion(format + space + key) ? MARK_NUMBER : MARK_TEXT;
		memcpy(out, format + space, key);
		out += key;
		format += space + key;
	}
	*out = '\0';
}

static void
line_start(struct line *line, enum log_level level, const char *event)
{
	char time[CLOCK_TEXT_SIZE];

	clock_to_text(clock_wall_us(), time);
	line_puts(line, line->json ? "{\"time\":\"" : "");
	line_puts(line, time);
	line_puts(line, line->json ? "\",\"level\":\"" : " ");
	line_puts(line, level_names[level]);
	line_puts(line, line->json ? "\",\"event\":" : " ");
	if (line->json)
		line_put_quoted(line, event, strlen(event));
	else
		line_put_value(line, event, strlen(event), false);
}

void
log_write(enum log_level level, const char *event, const char *format, ...)
{
	int saved_errno = errno;
	char marked[FORMAT_BYTES], formatted[LINE_BYTES];
	struct line line;
	va_list args;

	if (!log_enabled(level))
		return;
	line.size = 0;
	line.cut = false;
	line.json = atomic_load_explicit(&configured_format, memory_order_relaxed) == LOG_FORMAT_JSON;
	require(strlen(format) + 2 <= sizeof marked);
	log_mark_fields(format, marked);
	va_start(args, format);
	int length = vsnprintf(formatted, sizeof formatted, marked, args);
	va_end(args);
	line_start(&line, level, event);
	if (length >= 0 && length < (int)sizeof formatted && log_count_marks(formatted) == log_count_marks(marked))
		line_put_fields(&line, formatted);
	else
		line_put_message(&line, formatted, strnlen(formatted, sizeof formatted));
	if (line.json)
		line_close(&line, '}');
	line_close(&line, '\n');
	/* There is nobody to tell if this fails. */
	ssize_t written = write(atomic_load_explicit(&output_fd, memory_order_relaxed), line.bytes, line.size);
	(void)written;
	errno = saved_errno;
}

bool
log_site_may(struct log_site *site)
{
	uint64_t now_s = clock_wall_s();
	uint64_t second = atomic_load_explicit(&site->second, memory_order_relaxed);

	/* One thread wins the new second; what the others count meanwhile may go to either. */
	if (second != now_s && atomic_compare_exchange_strong(&site->second, &second, now_s)) {
		atomic_store_explicit(&site->lines, 0, memory_order_relaxed);
		uint64_t dropped = atomic_exchange_explicit(&site->dropped, 0, memory_order_relaxed);
		if (dropped > 0)
			log_warning("log_limited", "site=%s:%d dropped=%" PRIu64, site->file, site->line, dropped);
	}
	if (atomic_fetch_add_explicit(&site->lines, 1, memory_order_relaxed) < LINES_PER_SECOND)
		return true;
	atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed);
	return false;
}

const char *
log_escape(const void *bytes, size_t size, char *out, size_t room)
{
	const unsigned char *at = bytes;
	char *to = out;

	require(room > 0);
	for (size_t i = 0; i < size; i++) {
		bool plain = log_printable(at[i]) && at[i] != '"' && at[i] != '\\';
		size_t length = plain ? 1 : 4;
		if (length >= room)
			break;
		if (plain)
			*to = (char)at[i];
		else
			snprintf(to, room, "\\x%02x", at[i]);
		to += length;
		room -= length;
	}
	*to = '\0';
	return out;
}
