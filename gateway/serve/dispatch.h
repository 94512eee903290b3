/*
 * Parse, verify, choose by opcode, sign, hand back: the only file that sees all of an exchange.
 *
 * Threads:   a worker's; the caller holds an RCU section (QSBR: between two quiescent states).
 * Memory:    writes into the caller's buffer; allocates only for an UPDATE whose signature and sender have been accepted.
 */
#ifndef ZONEGATE_SERVE_DISPATCH_H
#define ZONEGATE_SERVE_DISPATCH_H

#include "serve/request.h"
#include "transfer/stream.h"

struct dispatch {
	const struct serve *serve;
	struct serve_counters *counters;
	struct worker *worker;                /* for pending.worker */
	/* Called on any thread when a pending's outcome stands: puts it into the worker's mailbox. */
	void (*give_back)(struct pending *pending);
};

/*
 * One message in, one out.
 * buffer       `room` octets for the answer: 65,535 on TCP; at least 4,096 on UDP
 * connection   kept in pending, for TCP
 */
enum dispatch_result dispatch_message(const struct dispatch *dispatch, const uint8_t *wire, size_t size, const struct peer *peer,
                                      void *connection, uint64_t connection_serial,
                                      uint8_t *buffer, size_t room, size_t *answer_size, struct stream **stream);

/* The answer to an UPDATE whose outcome stands; DISPATCH_ANSWER or DISPATCH_DROP. Frees nothing. */
enum dispatch_result dispatch_pending(const struct dispatch *dispatch, struct pending *pending, uint8_t *buffer, size_t room, size_t *answer_size);
void dispatch_pending_free(struct pending *pending);

#endif
