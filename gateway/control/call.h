/*
 * One command of zonegatectl as the gateway runs it: its arguments, where its output goes, and what all commands need.
 *
 * Threads:   the thread of the connection: a registered RCU reader that is offline.
 * Errors:    reason says why, for a person.
 */
#ifndef ZONEGATE_CONTROL_CALL_H
#define ZONEGATE_CONTROL_CALL_H

#include "control/gateway.h"
#include "control/jobs.h"
#include <stdio.h>

#define CALL_REASON_SIZE GATEWAY_REASON_SIZE

struct json_t;

struct call {
	struct gateway *gateway;
	const char *const *arguments; size_t argument_count;
	struct json_t *options;                  /* an object: name to true, a string, or a list of strings */
	bool json;                        /* --json */
	const char *content; size_t content_size;
	FILE *out;
	char *reason;                     /* CALL_REASON_SIZE */
	bool (*gone)(struct call *call, int timeout_ms); /* wait; true: nobody listens any more, or we stop */
	void *connection;
	bool stop;                        /* out: end the process after the answer */
};

/* The text of an option; NULL: not given. */
const char *call_option(const struct call *call, const char *name);
bool call_flag(const struct call *call, const char *name);
enum status call_fail(struct call *call, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);
/* A domain name as an argument, lower case, into NAME_MAX_SIZE octets; false with the reason. */
bool call_name(struct call *call, const char *text, uint8_t *name);
/* The zone that an argument names; NULL with the reason. The gateway's lock is held for reading. */
struct zone *call_zone(struct call *call, const char *text);
/* Its current version, pinned; NULL with the reason. */
struct zone_version *call_pin(struct call *call, struct zone *zone);
/* What a job did, in a line. */
void call_print_result(struct call *call, const struct zone *zone, const struct jobs_result *result);
/* One object as a line; takes the reference. */
void call_print_json(struct call *call, struct json_t *object);

#endif
