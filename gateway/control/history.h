/*
 * The commands that look at a zone's content and history: dump, log, diff.
 *
 * Threads:   as call.h.
 */
#ifndef ZONEGATE_CONTROL_HISTORY_H
#define ZONEGATE_CONTROL_HISTORY_H

#include "control/call.h"

enum status history_dump(struct call *call);
enum status history_log(struct call *call);
enum status history_diff(struct call *call);
/* "VERSION" as a number; false with the reason. */
bool history_parse_version(struct call *call, const char *text, uint64_t *version);

#endif
