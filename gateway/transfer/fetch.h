/*
 * A zone from another server: the query for an AXFR, and its answer, message by message, into a draft.
 *
 * Threads:   one; no sockets here (serve/dial.h has them).
 * Memory:    fetch_end frees what fetch_begin took; the draft is the caller's.
 * Errors:    a reason (FETCH_REASON_SIZE) for a person. What is in the draft is good for nothing until the answer was
 *            FETCH_DONE: only then was all of it verified.
 * Limits:    at most 99 messages without a TSIG between two that have one (RFC 8945 5.3.1).
 * Standards: RFC 5936 2 and 3; RFC 8945 5.3.1; RFC 2181 8 (TTL).
 */
#ifndef ZONEGATE_TRANSFER_FETCH_H
#define ZONEGATE_TRANSFER_FETCH_H

#include "keys/tsig.h"
#include "zone/draft.h"

#define FETCH_REASON_SIZE 700
#define FETCH_QUERY_SIZE 1024
#define FETCH_UNSIGNED_MAX 99

enum fetch_verdict { FETCH_MORE, FETCH_DONE, FETCH_FAILED };

struct fetch {
	struct draft *draft;       /* lent */
	const uint8_t *zone;       /* lent; lower case */
	uint64_t records;          /* so far, the SOA once */
	unsigned messages;
	/* private */
	struct tsig tsig;          /* of the query; a key only where it was signed */
	uint16_t id;
	bool begun, ended;         /* the first SOA was seen, the last one */
	uint32_t serial;
	uint8_t *rdata;            /* one RDATA, expanded */
	uint8_t *run;              /* records of one RRset that came one behind the other */
	struct rrset set;          /* a view of `run`; count 0: none */
	uint8_t owner[NAME_MAX_SIZE];
	uint8_t *before; size_t before_size, before_room; unsigned unsigned_count; /* since the last TSIG */
};

/*
 * Write the query into `wire` (FETCH_QUERY_SIZE). key: lent until fetch_end; NULL: unsigned. draft: empty, begun.
 * STATUS_NO_MEMORY
 */
MUST_USE enum status fetch_begin(struct fetch *fetch, const uint8_t *zone, struct key *key, struct draft *draft,
                                 uint64_t now_s, uint8_t *wire, size_t *size);
/* The next message of the answer. After FETCH_DONE and FETCH_FAILED none is taken. */
enum fetch_verdict fetch_message(struct fetch *fetch, const uint8_t *wire, size_t size, uint64_t now_s, char *reason);
void fetch_end(struct fetch *fetch);

#endif
