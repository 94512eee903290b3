/*
 * Parse, verify, choose by opcode, sign, hand back: the only file that sees all of an exchange.
 *
 * Threads:   a worker's; the caller holds an RCU section (QSBR: between two quiescent states).
 * Memory:    writes into the caller's buffer; allocates only for an UPDATE whose signature and sender have been
 *            accepted.
 */
#ifndef ZONEGATE_SERVE_DISPATCH_H
#define ZONEGATE_SERVE_DISPATCH_H

#include "serve/request.h"
#include "transfer/stream.h"
#include "wire/parse.h"

struct dispatch {
	const struct serve *serve;
	struct serve_counters *counters;
	struct worker *worker;                /* for pending.worker */
	unsigned worker_number;
	struct ratelimit *ratelimit;          /* of the worker; used where the settings have a rate */
	/* Called on any thread when a pending's outcome stands: puts it into the worker's mailbox. */
	void (*give_back)(struct pending *pending);
};

/* Where a copy of each message goes; NULL: nowhere. In one RCU section. */
static inline struct dnstap *
dispatch_dnstap(const struct dispatch *dispatch)
{
	return atomic_load_explicit(&dispatch->serve->settings, memory_order_acquire)->dnstap;
}

/*
 * A message on its way through, in three steps, so that what a large zone keeps far away in memory is on its way for
 * several messages at once: dispatch_prepare for each, dispatch_approach for each, dispatch_answer for each. All in
 * one RCU section.
 */
struct dispatch_request {
	const struct peer *peer;              /* the caller's, as the next: before dispatch_answer */
	const struct origin *origin;
	struct message msg;
	enum parse_verdict verdict;
	bool plain;                           /* an unsigned QUERY for data that `version` has the answer to */
	const struct zone_version *version;
	uint64_t hash;                        /* of the name, for its tree */
	uintptr_t leaf;                       /* where that leads to */
};

/* How many messages to take through the steps together. */
#define DISPATCH_GROUP 16

void dispatch_prepare(const struct dispatch *dispatch, const uint8_t *wire, size_t size,
		      struct dispatch_request *request);

static inline void
dispatch_approach(struct dispatch_request *request)
{
	if (request->plain)
		request->leaf = tree_leaf(&request->version->tree, request->hash);
}

/*
 * One message in, one out.
 * buffer       `room` octets for the answer: 65,535 on TCP; at least 4,096 on UDP
 */
enum dispatch_result dispatch_answer(const struct dispatch *dispatch, const struct dispatch_request *request,
                                     uint8_t *buffer, size_t room, size_t *answer_size, struct stream **stream);

/* All three for one message. */
enum dispatch_result dispatch_message(const struct dispatch *dispatch, const uint8_t *wire, size_t size,
				      const struct peer *peer, const struct origin *origin, uint8_t *buffer,
				      size_t room, size_t *answer_size, struct stream **stream);

/* The answer to an UPDATE whose outcome stands; DISPATCH_ANSWER or DISPATCH_DROP. Frees nothing. */
enum dispatch_result dispatch_pending(const struct dispatch *dispatch, struct pending *pending, uint8_t *buffer,
				      size_t room, size_t *answer_size);
void dispatch_pending_free(struct pending *pending);

#endif
