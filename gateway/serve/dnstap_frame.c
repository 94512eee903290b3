#include "serve/dnstap_frame.h"
#include <netinet/in.h>
#include <stdlib.h>

/* Wire types of Protocol Buffers, and a field's tag. */
enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
#define TAG(field, wire) ((uint8_t)((field) << 3 | (wire)))

/* Fields of Dnstap and of Message. */
enum { OUTER_IDENTITY = 1, OUTER_VERSION = 2, OUTER_MESSAGE = 14, OUTER_TYPE = 15, OUTER_TYPE_MESSAGE = 1 };
enum {
	FIELD_TYPE = 1,
	FIELD_FAMILY = 2,
	FIELD_PROTOCOL = 3,
	FIELD_QUERY_ADDRESS = 4,
	FIELD_RESPONSE_ADDRESS = 5,
	FIELD_QUERY_PORT = 6,
	FIELD_RESPONSE_PORT = 7,
	FIELD_QUERY_SECONDS = 8,
	FIELD_QUERY_NANOSECONDS = 9,
	FIELD_QUERY_MESSAGE = 10,
	FIELD_QUERY_ZONE = 11,
	FIELD_RESPONSE_SECONDS = 12,
	FIELD_RESPONSE_NANOSECONDS = 13,
	FIELD_RESPONSE_MESSAGE = 14,
};
enum { FAMILY_INET = 1, FAMILY_INET6 = 2 };

static uint8_t *
put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

static size_t
varint_size(uint64_t value)
{
	size_t size = 1;

	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}

static uint8_t *
put_number(uint8_t *at, unsigned field, uint64_t value)
{
	*at++ = TAG(field, WIRE_VARINT);
	return put_varint(at, value);
}

static uint8_t *
put_bytes(uint8_t *at, unsigned field, const void *bytes, size_t size)
{
	*at++ = TAG(field, WIRE_BYTES);
	at = put_varint(at, size);
	memcpy(at, bytes, size);
	return at + size;
}

static uint8_t *
put_time(uint8_t *at, unsigned seconds_field, unsigned nanoseconds_field, uint64_t time_us)
{
	uint32_t nanoseconds = (uint32_t)(time_us % 1000000) * 1000;

	at = put_number(at, seconds_field, time_us / 1000000);
	*at++ = TAG(nanoseconds_field, WIRE_FIXED32);
	for (unsigned i = 0; i < 4; i++) /* the lowest octet first */
		*at++ = (uint8_t)(nanoseconds >> (8 * i));
	return at;
}

static uint8_t *
put_address(uint8_t *at, unsigned field, const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return put_bytes(at, field, &((const struct sockaddr_in *)address)->sin_addr, 4);
	if (address->ss_family == AF_INET6)
		return put_bytes(at, field, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	return at;
}

/* Both families have the port at the same place. */
static uint64_t
port_of(const struct sockaddr_storage *address)
{
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

/* The first question's name, which is an UPDATE's zone; 0: there is none that is whole and plain. */
static size_t
zone_size(const uint8_t *message, size_t size)
{
	size_t at = MESSAGE_HEADER_SIZE;

	if (bytes_get_u16(message + 4) == 0)
		return 0;
	while (at < size && message[at] != 0 && message[at] <= 63)
		at += message[at] + 1u;
	if (at >= size || message[at] != 0 || at + 1 - MESSAGE_HEADER_SIZE > NAME_MAX_SIZE)
		return 0;
	return at + 1 - MESSAGE_HEADER_SIZE;
}

unsigned
dnstap_frame_type(const struct dnstap_event *event)
{
	bool response = event->response_us != 0;

	if (event->size < MESSAGE_HEADER_SIZE || ((event->message[2] & 0x80) != 0) != response)
		return 0;
	if ((event->message[2] >> 3 & 15) == OPCODE_UPDATE)
		return response ? DNSTAP_UPDATE_RESPONSE : DNSTAP_UPDATE_QUERY;
	return response ? DNSTAP_AUTH_RESPONSE : DNSTAP_AUTH_QUERY;
}

uint8_t *
dnstap_frame_prefix(const char *identity, const char *version, size_t *size)
{
	size_t room = 2 + (identity ? strlen(identity) + 11 : 0) + (version ? strlen(version) + 11 : 0);
	uint8_t *prefix = malloc(room), *at = prefix;

	if (prefix == NULL)
		return NULL;
	if (identity != NULL)
		at = put_bytes(at, OUTER_IDENTITY, identity, strlen(identity));
	if (version != NULL)
		at = put_bytes(at, OUTER_VERSION, version, strlen(version));
	at = put_number(at, OUTER_TYPE, OUTER_TYPE_MESSAGE);
	*size = (size_t)(at - prefix);
	return prefix;
}

size_t
dnstap_frame_begin(struct dnstap_frame *frame, const struct dnstap_event *event, unsigned type)
{
	/* SocketProtocol: UDP, TCP, DOT */
	static const uint8_t protocols[TRANSPORT_COUNT] = {
		[TRANSPORT_UDP] = 1, [TRANSPORT_TCP] = 2, [TRANSPORT_TLS] = 3};
	const struct peer *peer = event->peer;
	const struct sockaddr_storage *local = peer->local.ss_family != AF_UNSPEC ? &peer->local : event->local;
	uint8_t *at = frame->head;

	frame->event = event;
	at = put_number(at, FIELD_TYPE, type);
	at = put_number(at, FIELD_FAMILY, peer->remote.ss_family == AF_INET6 ? FAMILY_INET6 : FAMILY_INET);
	at = put_number(at, FIELD_PROTOCOL, protocols[peer->transport]);
	at = put_address(at, FIELD_QUERY_ADDRESS, &peer->remote);
	at = put_address(at, FIELD_RESPONSE_ADDRESS, local);
	at = put_number(at, FIELD_QUERY_PORT, port_of(&peer->remote));
	at = put_number(at, FIELD_RESPONSE_PORT, port_of(event->local));
	at = put_time(at, FIELD_QUERY_SECONDS, FIELD_QUERY_NANOSECONDS, event->query_us);
	frame->field = FIELD_QUERY_MESSAGE;
	if (event->response_us != 0) {
		at = put_time(at, FIELD_RESPONSE_SECONDS, FIELD_RESPONSE_NANOSECONDS, event->response_us);
		frame->field = FIELD_RESPONSE_MESSAGE;
	}
	size_t zone = type == DNSTAP_UPDATE_QUERY || type == DNSTAP_UPDATE_RESPONSE
			      ? zone_size(event->message, event->size)
			      : 0;
	if (zone > 0)
		at = put_bytes(at, FIELD_QUERY_ZONE, event->message + MESSAGE_HEADER_SIZE, zone);
	frame->head_size = (size_t)(at - frame->head);
	invariant(frame->head_size <= sizeof frame->head);
	frame->body_size = frame->head_size + 1 + varint_size(event->size) + event->size;
	return 1 + varint_size(frame->body_size) + frame->body_size;
}

void
dnstap_frame_write(const struct dnstap_frame *frame, uint8_t *out)
{
	*out++ = TAG(OUTER_MESSAGE, WIRE_BYTES);
	out = put_varint(out, frame->body_size);
	memcpy(out, frame->head, frame->head_size);
	put_bytes(out + frame->head_size, frame->field, frame->event->message, frame->event->size);
}
