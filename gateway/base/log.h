/*
 * The process log: events with fields, to stderr.
 *
 * Threads:   any; each line is one write(2).
 * Limits:    a line over 4,000 bytes is cut. log_limited drops lines over 10 a second at a call site and says how many.
 * Trap:      nothing from the network is printed unescaped: pass it through log_escape, or as a %s of a text that a
 *            module made (name_to_text, peer_text escape already).
 *
 * A line is "event field=value …": log_info("update", "zone=%s requestor=%s verdict=%s", …).
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
#define log_info(event, ...) do { if (log_enabled(LOG_LEVEL_INFO)) log_write(LOG_LEVEL_INFO, event, __VA_ARGS__); } while (0)
#define log_debug(event, ...) do { if (log_enabled(LOG_LEVEL_DEBUG)) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__); } while (0)

struct log_site {
	_Atomic uint64_t second, lines, dropped;
};
bool log_site_may(struct log_site *site);
/* For a line that a stranger can cause. */
#define log_limited(level, event, ...) do { \
		static struct log_site log_site_; \
		if (log_enabled(level) && log_site_may(&log_site_)) log_write(level, event, __VA_ARGS__); \
	} while (0)

/* Printable text of foreign bytes (\xNN for the rest), cut to fit; returns `out`. */
const char *log_escape(const void *bytes, size_t size, char *out, size_t room);

#endif
