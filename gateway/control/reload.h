/*
 * From the running configuration to the one in the file, without losing a query: all of it or nothing.
 *
 * Threads:   a registered RCU reader that is offline; takes the gateway's lock.
 * Errors:    "FILE:LINE: what is wrong"; nothing has changed then.
 * What only a restart can change (listen, state-dir, threads, user, sockets) is said in the log; the rest is applied.
 */
#ifndef ZONEGATE_CONTROL_RELOAD_H
#define ZONEGATE_CONTROL_RELOAD_H

#include "control/gateway.h"

MUST_USE enum status reload_run(struct gateway *gateway, char *reason);

#endif
