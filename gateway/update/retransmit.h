/*
 * The same message again gets the first one's answer (updates.md 2): signed: same key, id and MAC, from anywhere;
 * unsigned: the same IP address, id and bytes. And the MACs of changes that other gateways have committed.
 *
 * Threads:   any; one mutex.
 * Limits:    30 s, and at most RETRANSMIT_MAX remembered: the oldest go first.
 */
#ifndef ZONEGATE_UPDATE_RETRANSMIT_H
#define ZONEGATE_UPDATE_RETRANSMIT_H

#include "update/update.h"

#define RETRANSMIT_KEEP_MS 30000
#define RETRANSMIT_MAX 262144

struct retransmit;

struct retransmit *retransmit_new(void);
void retransmit_free(struct retransmit *retransmit);

enum retransmit_verdict {
	RETRANSMIT_NEW,     /* seen now: run it, then retransmit_answered */
	/* its first is in work: the request was queued behind it (given), released with its answer */
	RETRANSMIT_WAITING,
	RETRANSMIT_KNOWN,   /* rcode and ede are set: answer */
};
enum retransmit_verdict retransmit_check(struct retransmit *retransmit, struct update_request *request,
					 uint64_t now_ms);
/*
 * The first has its answer; returns the requests that waited for it (a list by `next`), their outcome set. A dropped
 * answer and SERVFAIL are forgotten: the trouble will pass.
 */
struct update_request *retransmit_answered(struct retransmit *retransmit, struct update_request *request,
					   uint64_t now_ms);

/* The same where the first request is gone already (its time was out), and its change was still on its way. */
struct retransmit_outcome {
	unsigned rcode;
	uint64_t version;
	uint32_t serial;
	const struct ede *ede; /* NULL: none */
	bool passing;          /* not to be remembered */
};
/*
 * entry: request->retransmit of the first, kept by the caller, which has set it to NULL there; NULL is fine. It is over
 * after this.
 */
struct update_request *retransmit_settle(struct retransmit *retransmit, struct retransmit_entry *entry,
                                         const struct retransmit_outcome *outcome, uint64_t now_ms);
/* Take out the waiting ones that arrived before a time (monotonic), oldest first: they wait no more. */
struct update_request *retransmit_overdue(struct retransmit *retransmit, struct retransmit_entry *entry,
					  uint64_t before_ns);

/* A change that was applied, ours or another gateway's, carried this MAC in this zone. */
void retransmit_applied(struct retransmit *retransmit, const struct zone *zone, const uint8_t mac[8], uint64_t now_ms);
bool retransmit_was_applied(struct retransmit *retransmit, const struct zone *zone, const uint8_t mac[8],
			    uint64_t now_ms);

#endif
