/*
 * One thread, one loop, one set of counters: UDP sockets of its own (SO_REUSEPORT), TCP connections that it accepted,
 * its mailbox.
 *
 * Threads:   worker_start makes the thread; worker_counters may be read by any.
 */
#ifndef ZONEGATE_SERVE_WORKER_H
#define ZONEGATE_SERVE_WORKER_H

#include "serve/listener.h"
#include "serve/request.h"

struct worker;

/* `sockets` are given to the worker (see listener.h). */
MUST_USE enum status worker_start(const struct serve *serve, unsigned number, struct listener_sockets *sockets,
				  const struct worker_limits *limits, struct worker **worker);
/* Stops taking new work, answers what is there, joins. The committer may still give back until then. */
void worker_stop(struct worker *worker);
const struct serve_counters *worker_counters(const struct worker *worker);

#endif
