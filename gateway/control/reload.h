/*
 * From the running configuration to the one in the file, without losing a query: all of it or nothing.
 *
 * Threads:   a registered RCU reader that is offline; takes the gateway's lock.
 * Errors:    "FILE:LINE: what is wrong"; nothing has changed then.
 * What only a restart can change (listen, state-dir, threads, user, sockets, where a store is) is said in the log; the
 * rest is applied.
 */
#ifndef ZONEGATE_CONTROL_RELOAD_H
#define ZONEGATE_CONTROL_RELOAD_H

#include "control/gateway.h"

/* STATUS_OK: reason has a line for each value that waits for a restart; else why not. GATEWAY_REASON_SIZE */
MUST_USE enum status reload_run(struct gateway *gateway, char *reason);

#endif
