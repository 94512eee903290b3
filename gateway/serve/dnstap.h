/*
 * dnstap: a copy of what is asked and answered, with addresses and times, for a reader beside the gateway.
 *
 * A worker writes frames into a ring of its own; one thread takes them from all rings and gives them to a socket or a
 * file, some hundred times a second. Where there is no reader it tries again each second.
 *
 * Threads:   dnstap_add: the worker of that number, inside an RCU section. The others: whoever changes settings.
 * Memory:    DNSTAP_RING_SIZE octets for each worker that has had a message. Shared (dnstap_hold, dnstap_free).
 * Errors:    a worker never waits: a frame that finds its ring full is dropped and counted. Without a reader the rings
 *            keep the oldest frames. What was on its way when a reader went is lost, and counted so.
 * Limits:    the messages of a zone transfer are not copied, its query is.
 * Standards: dnstap.proto; Frame Streams, two-way over a socket, one-way in a file.
 */
#ifndef ZONEGATE_SERVE_DNSTAP_H
#define ZONEGATE_SERVE_DNSTAP_H

#include "serve/request.h"

#define DNSTAP_RING_SIZE (1u << 20)
#define DNSTAP_WORKERS 256

/* Message.Type of dnstap.proto; those of an authoritative server. */
enum dnstap_type {
	DNSTAP_AUTH_QUERY = 1,
	DNSTAP_AUTH_RESPONSE = 2,
	DNSTAP_UPDATE_QUERY = 13,
	DNSTAP_UPDATE_RESPONSE = 14,
};

#define DNSTAP_ALL \
	(1u << DNSTAP_AUTH_QUERY | 1u << DNSTAP_AUTH_RESPONSE | 1u << DNSTAP_UPDATE_QUERY | \
	 1u << DNSTAP_UPDATE_RESPONSE)

struct dnstap_settings {
	const char *socket, *file;     /* one of them */
	const char *identity, *version; /* NULL: left out */
	unsigned types;                /* bits: 1 << enum dnstap_type */
};

struct dnstap_event {
	const struct peer *peer;
	const struct sockaddr_storage *local; /* of the socket: the port, and the address where peer->local has none */
	uint64_t query_us, response_us;       /* wall clock; response_us 0: this is the query */
	const uint8_t *message;
	size_t size;
};

struct dnstap_counters {
	uint64_t sent, dropped; /* frames; dropped: no room, or lost with a reader */
	bool connected;
};

/* Starts its thread; the strings are copied. NULL: no memory or no thread. */
struct dnstap *dnstap_new(const struct dnstap_settings *settings);
struct dnstap *dnstap_hold(struct dnstap *dnstap);
/* The last who holds it waits until what is in the rings is written, two seconds at most. NULL is fine. */
void dnstap_free(struct dnstap *dnstap);
/* Would dnstap_new make the same again, with the same file? */
bool dnstap_fits(const struct dnstap *dnstap, const struct dnstap_settings *settings);

void dnstap_add(struct dnstap *dnstap, unsigned worker, const struct dnstap_event *event);
/* The answer to an UPDATE that waited: its query was added when it came. */
void dnstap_add_pending(struct dnstap *dnstap, unsigned worker, const struct pending *pending,
			const struct sockaddr_storage *local, const uint8_t *message, size_t size);
void dnstap_count(const struct dnstap *dnstap, struct dnstap_counters *counters);

#endif
