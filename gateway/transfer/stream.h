/*
 * Many messages of one response: fill, sign each, stop cleanly.
 *
 * Threads:   a stream belongs to the connection that pulls it (a worker thread).
 * Memory:    stream_free unpins the version and frees.
 * Standards: RFC 5936 2.2, 3; RFC 8945 5.3.1 (each message signed where the request was).
 */
#ifndef ZONEGATE_TRANSFER_STREAM_H
#define ZONEGATE_TRANSFER_STREAM_H

#include "keys/tsig.h"
#include "wire/compose.h"
#include "zone/version.h"

/* What one message is filled with. */
struct stream_message {
	uint8_t *base, *at, *end; /* the message; where the next record goes; the end of the room for records */
	uint32_t count;           /* records put into ANSWER */
	uint16_t apex;            /* offset of the zone's name in this message; 0: not yet written */
};

/* The head of every kind's own struct. */
struct stream {
	/*
	 * Put records into the message as long as they fit whole. *ended after the last one. A message that got no
	 * record and is not the end: STATUS_LIMIT.
	 */
	enum status (*fill)(struct stream *stream, struct stream_message *message, bool *ended);
	void (*release)(struct stream *stream); /* frees the kind's own, and the struct */
	struct tsig tsig;                       /* held */
	uint16_t id, flags;
	bool first, ended, apex_in_question;    /* names may point to the question: its case is the zone's */
	uint8_t question[NAME_MAX_SIZE + 4]; uint16_t question_size;
};

/* For who makes one: takes what the answer repeats of the request; holds its key. */
void stream_init(struct stream *stream, const struct message *msg, const struct tsig *tsig);

/*
 * The next message into `buffer` (65,535 octets), signed; *size 0: the stream has ended. Pulled only when the
 * connection has sent most of what it has: a slow reader costs one message of memory.
 */
MUST_USE enum status stream_next(struct stream *stream, uint8_t *buffer, size_t room, size_t *size);
void stream_free(struct stream *stream);

#endif
