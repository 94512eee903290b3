/*
 * TSIG: transaction signatures (RFC 8945).
 *
 * Threads:   no state; any thread. The keyring is read inside an RCU section held by the caller; struct tsig holds a
 *            pointer to its key and, where it outlives the section, must be held with tsig_hold.
 * Memory:    nothing is allocated.
 * Errors:    a bad signature is not an error: see enum tsig_verdict.
 * Limits:    one TSIG, last in the additional section. Fudge of our responses: 300 s.
 * Standards: RFC 8945 4, 5.2, 5.3, 5.4 and 6; updates.md step 2.
 */
#ifndef ZONEGATE_KEYS_TSIG_H
#define ZONEGATE_KEYS_TSIG_H

#include "keys/keyring.h"
#include "wire/message.h"

#define TSIG_FUDGE_S 300

enum tsig_verdict {
	TSIG_NONE,      /* the message has no TSIG */
	TSIG_GOOD,
	TSIG_BADKEY,    /* unknown key or algorithm: NOTAUTH, unsigned TSIG with the error (5.2.1) */
	TSIG_BADSIG,    /* NOTAUTH, unsigned (5.2.2) */
	TSIG_BADTIME,   /* NOTAUTH, signed, with our time in Other Data (5.2.3) */
	TSIG_BADTRUNC,  /* NOTAUTH, signed (5.2.4) */
	TSIG_FORMERR,   /* not a TSIG, or a MAC size that cannot be (5.2.2.1): FORMERR, unsigned */
	TSIG_VERDICTS
};

/* What is known of a request's TSIG; enough to answer it. */
struct tsig {
	enum tsig_verdict verdict;
	struct key *key;                        /* NULL for TSIG_NONE, BADKEY, FORMERR; lent by the keyring */
	uint8_t key_name[NAME_MAX_SIZE];        /* as sent, for the answer; valid unless NONE or FORMERR */
	uint8_t algorithm_name[NAME_MAX_SIZE];  /* as sent */
	const struct algorithm *algorithm;      /* of the request, as named on the wire */
	uint16_t mac_size;                      /* of the request: the response is truncated alike */
	uint8_t mac[DIGEST_MAX_SIZE];           /* request MAC; then, in a stream, the MAC of the last signed message */
	uint64_t time_signed_s;
	uint16_t fudge_s, original_id, error;
};

/*
 * Verify the TSIG of a request (RFC 8945 5.2), in the order of the RFC: key, MAC, time, truncation.
 * msg    parsed; TSIG_NONE where msg->tsig_offset == 0
 * now_s  wall clock
 * Counts a good use on the key.
 */
void tsig_verify(const struct message *msg, const struct keyring *keys, uint64_t now_s, struct tsig *tsig);

/*
 * Keep the key alive beyond the RCU section (an UPDATE that waits for its commit): share the keyring. Nothing without a
 * key.
 */
void tsig_hold(struct tsig *tsig);
/* The end of it; the key is forgotten. Once for each tsig_hold. */
void tsig_release(struct tsig *tsig);

/* Octets that tsig_sign will add. 0 for TSIG_NONE and TSIG_FORMERR. */
size_t tsig_room(const struct tsig *tsig);

/*
 * Sign a response (5.3), or add the unsigned or signed error TSIG that the verdict asks for.
 * wire   finished message of *size octets in a buffer of `room`; ARCOUNT is raised, *size grows
 * STATUS_LIMIT: no room
 */
MUST_USE enum status tsig_sign(struct tsig *tsig, uint8_t *wire, size_t *size, size_t room, uint64_t now_s);
/*
 * Sign the next message of a stream (5.3.1): the first as tsig_sign; the others over the previous MAC, the message and
 * the timers.
 * first  true for the first message
 */
MUST_USE enum status tsig_sign_next(struct tsig *tsig, uint8_t *wire, size_t *size, size_t room, uint64_t now_s,
				    bool first);

/*
 * Sign a request of our own (NOTIFY, transfer in); fills `tsig`, with which tsig_check_response verifies the answer
 * (5.3.2, 5.4).
 */
MUST_USE enum status tsig_sign_request(struct tsig *tsig, struct key *key, uint8_t *wire, size_t *size, size_t room,
				       uint64_t now_s);
/* Verify a response to tsig_sign_request, or the first message of one; false: wrong or missing. */
bool tsig_check_response(struct tsig *tsig, const struct message *msg, uint64_t now_s);
/*
 * Verify a later message of a response (5.3.1). before: the messages since the last one that was signed, header and
 * all, one behind the other.
 */
bool tsig_check_next(struct tsig *tsig, const struct message *msg, const uint8_t *before, size_t before_size,
                     uint64_t now_s);
/* What the TSIG of a response says is wrong with ours (an enum rcode), not verified; NOERROR: nothing, or no TSIG. */
unsigned tsig_error(const struct message *msg);

/* RCODE of the response: NOERROR (go on), NOTAUTH or FORMERR. */
unsigned tsig_rcode(const struct tsig *tsig);
/* "none", "good", "badkey", … as in logs and the metric's reason. */
const char *tsig_verdict_text(enum tsig_verdict verdict);
/* What it means, for a person; "" for none and good. */
const char *tsig_reason(enum tsig_verdict verdict);

#endif
