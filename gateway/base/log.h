/*
 * The process log: events with fields, to stderr.
 *
 * Threads:   any; each line is one write(2).
 * Limits:    a line over 4,000 bytes is cut. log_limited drops lines over 10 a second at a call site and says how many.
 * Trap:      nothing from the network is printed unescaped: pass it through log_escape, or as a %s of a text that a
 *            module made (name_to_text, peer_text escape already).
 *
 * A line is "event field=value …": log_info("update", "zone=%s requestor=%s verdict=%s", …). Fields are found in the
 * format, so a value may have spaces (it is then printed in double quotes) and cannot forge another field. What stands
 * before the first "key=" is free text, as is a whole line that has to be cut. The JSON format makes each field a
 * member, a number if its conversion is %d or %u; the names time, level, event and message are taken.
 *
 *     2026-11-22T01:02:03.123456Z info ready zones=3
 *     {"time":"2026-11-22T01:02:03.123456Z","level":"info","event":"ready","zones":3}
 */
#ifndef ZONEGATE_BASE_LOG_H
#define ZONEGATE_BASE_LOG_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* At start and at reload; readers see the new values at once. */
void log_configure(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
/* Where lines go (default 2); for tests. */
void log_to(int fd);

void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_write(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...) \
	do { \
		if (log_enabled(LOG_LEVEL_INFO)) \
			log_write(LOG_LEVEL_INFO, event, __VA_ARGS__); \
	} while (0)
#define log_debug(event, ...) \
	do { \
		if (log_enabled(LOG_LEVEL_DEBUG)) \
			log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__); \
	} while (0)

struct log_site {
	const char *file;
	int line;
	_Atomic uint64_t second, lines, dropped;
};
/* False if the site has had its lines of this second; tells of those dropped before, with the first of a new second. */
bool log_site_may(struct log_site *site);
/* For a line that a stranger can cause. */
#define log_limited(level, event, ...) do { \
		static struct log_site log_site_ = {.file = __FILE__, .line = __LINE__}; \
		if (log_enabled(level) && log_site_may(&log_site_)) log_write(level, event, __VA_ARGS__); \
	} while (0)

/* Printable text of foreign bytes (\xNN for the rest), cut to fit; returns `out`. */
const char *log_escape(const void *bytes, size_t size, char *out, size_t room);

#endif
