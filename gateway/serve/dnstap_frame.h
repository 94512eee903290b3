/*
 * One message as dnstap has it: a protobuf of the schema at dnstap.info, written by hand, because it is on the path of
 * a query and has fifteen fields.
 *
 * Threads:   any; no state.
 * Memory:    nothing is allocated.
 * Standards: dnstap.proto (messages Dnstap and Message); the wire format of Protocol Buffers.
 */
#ifndef ZONEGATE_SERVE_DNSTAP_FRAME_H
#define ZONEGATE_SERVE_DNSTAP_FRAME_H

#include "serve/dnstap.h"

#define DNSTAP_FRAME_HEAD_SIZE 400

struct dnstap_frame {
	const struct dnstap_event *event;
	unsigned field;                          /* of the message itself */
	size_t head_size, body_size;
	uint8_t head[DNSTAP_FRAME_HEAD_SIZE];    /* of the body: everything but the message */
};

/* enum dnstap_type; 0: it is no message of DNS in that direction. */
unsigned dnstap_frame_type(const struct dnstap_event *event);

/* Who we are, the same in each frame: given; NULL: no memory. identity, version: NULL leaves it out. */
uint8_t *dnstap_frame_prefix(const char *identity, const char *version, size_t *size);
/* Everything but the message; returns the octets that the frame takes behind a prefix. */
size_t dnstap_frame_begin(struct dnstap_frame *frame, const struct dnstap_event *event, unsigned type);
void dnstap_frame_write(const struct dnstap_frame *frame, uint8_t *out);

#endif
