/*
 * The commands of zonegatectl as the gateway runs them, as a table.
 *
 * Threads:   the thread of the connection: a registered RCU reader that is offline.
 * Errors:    reason says why, for a person.
 */
#ifndef ZONEGATE_CONTROL_COMMANDS_H
#define ZONEGATE_CONTROL_COMMANDS_H

#include "control/call.h"

struct command {
	const char *name;
	size_t least, most;               /* arguments */
	enum status (*run)(struct call *call);
	/* the gateway's lock is held for reading while it runs; the others take it as they need */
	bool locks;
};

/* NULL: no such command. */
const struct command *commands_find(const char *name);
enum status commands_run(const struct command *command, struct call *call);

#endif
