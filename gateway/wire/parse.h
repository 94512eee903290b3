/*
 * Bytes to struct message: one pass, every length is checked here, before anything else looks at it.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated; `msg` borrows `wire`.
 * Limits:    65,535 octets.
 * Standards: RFC 1035 4.1; RFC 6891 6.1.1 (one OPT); RFC 8945 5.1 (one TSIG, last); RFC 2136 2 and 3.1.1 (UPDATE);
 *            updates.md step 1.
 */
#ifndef ZONEGATE_WIRE_PARSE_H
#define ZONEGATE_WIRE_PARSE_H

#include "wire/message.h"

enum parse_verdict {
	PARSE_OK,
	PARSE_DROP,    /* no answer can or should be sent: under 12 octets, or QR=1 */
	PARSE_FORMERR, /* header (and perhaps question: qname_size > 0) are usable for a FORMERR */
	/* an opcode that we do not know: QUERY, NOTIFY and UPDATE are known. The body was not looked at */
	PARSE_NOTIMP,
};

/*
 * FORMERR is: a count that lies, a compression loop or forward pointer, a name over 255 octets, trailing octets, RDATA
 * that does not fit its type, two OPTs, an OPT not owned by the root, a TSIG that is not last or not in Additional or
 * not class ANY, a QUERY or NOTIFY without exactly one question, an UPDATE without exactly one zone record of type SOA,
 * a meta type as data in UPDATE sections. In an UPDATE, RDATA of class ANY (and NONE in the prerequisite section) is
 * not checked here beyond its bounds: its rules are in update/. A FORMERR message keeps msg->tsig_offset if the TSIG
 * could be found at the end of well-formed records, so that its error answer can be signed (updates.md 2): where the
 * *form* of records is sound but their RDATA or sections break rules, parsing goes on to the end.
 */
enum parse_verdict parse_message(const uint8_t *wire, size_t size, struct message *msg);

/* A response from another server (QR=1), for NOTIFY and transfers in: the same checks, QR not required to be 0. */
enum parse_verdict parse_response(const uint8_t *wire, size_t size, struct message *msg);

#endif
