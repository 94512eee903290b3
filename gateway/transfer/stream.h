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

struct stream;

/*
 * The next message into `buffer` (65,535 octets), signed; *size 0: the stream has ended. Pulled only when the connection has
 * sent most of what it has: a slow reader costs one message of memory.
 */
MUST_USE enum status stream_next(struct stream *stream, uint8_t *buffer, size_t room, size_t *size);
void stream_free(struct stream *stream);

#endif
