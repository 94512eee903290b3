/*
 * A message as dnstap has it: an octet that says how it came, eight of a time, then the message, whatever it is. What
 * is written must be of the size that was said, be whole for a reader of Protocol Buffers, and hold that message.
 */
#include "serve/dnstap_frame.h"
#include <netinet/in.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct field {
	unsigned number;
	uint64_t value; /* or, of octets, how many */
	const uint8_t *bytes;
};

static uint64_t
read_varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		invariant(*at < end && shift < 64);
		value |= (uint64_t)(**at & 0x7f) << shift;
		if (*(*at)++ < 0x80)
			return value;
	}
}

static struct field
read_field(const uint8_t **at, const uint8_t *end)
{
	uint64_t tag = read_varint(at, end);
	struct field field = {.number = (unsigned)(tag >> 3)};
	size_t size = (tag & 7) == 5 ? 4 : 0; /* fixed32; varint: none */

	invariant((tag & 7) == 0 || (tag & 7) == 2 || (tag & 7) == 5);
	if ((tag & 7) != 5)
		field.value = read_varint(at, end);
	if ((tag & 7) == 2)
		size = field.value;
	invariant(size <= (size_t)(end - *at));
	field.bytes = *at;
	*at += size;
	return field;
}

/* Each field of the schema once at most, and what must be there. */
static void
check_body(const uint8_t *at, const uint8_t *end, const struct dnstap_event *event)
{
	unsigned wanted = event->response_us != 0 ? 14 : 10; /* response_message, query_message */
	uint32_t seen = 0;

	while (at < end) {
		struct field field = read_field(&at, end);
		invariant(field.number >= 1 && field.number <= 14 && !(seen >> field.number & 1));
		seen |= 1u << field.number;
		if (field.number == wanted)
			invariant(field.value == event->size && memcmp(field.bytes, event->message, event->size) == 0);
		if (field.number == 8) /* query_time_sec */
			invariant(field.value == event->query_us / 1000000);
		if (field.number == 11) /* query_zone: a name, and where the message has it */
			invariant(field.value <= 255 && memcmp(field.bytes, event->message + 12, field.value) == 0 &&
				  field.bytes[field.value - 1] == 0);
	}
	uint32_t always = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 8 | 1u << 9 | 1u << wanted;
	invariant((seen & always) == always);
}

static struct sockaddr_storage
address_of(const uint8_t *data, bool six)
{
	struct sockaddr_storage address = {.ss_family = six ? AF_INET6 : AF_INET};

	((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)(data[1] << 8 | data[2]));
	return address;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { HEAD = 9 };
	struct dnstap_frame frame;

	if (size < HEAD)
		return 0;
	uint64_t time_us = 0;
	for (unsigned i = 1; i < HEAD; i++)
		time_us = time_us << 8 | data[i];
	struct peer peer = {.transport = (enum transport)(data[0] % TRANSPORT_COUNT),
			    .remote = address_of(data, data[0] & 16)};
	struct sockaddr_storage local = address_of(data, data[0] & 32);
	size -= HEAD;
	uint8_t *message = malloc(size + 1);
	if (message == NULL)
		return 0;
	memcpy(message, data + HEAD, size);
	struct dnstap_event event = {
		.peer = &peer, .local = &local, .query_us = time_us, .message = message, .size = size};
	if (size > 2 && (message[2] & 0x80) != 0)
		event.response_us = time_us | 1;
	unsigned type = dnstap_frame_type(&event);
	if (type != 0) {
		size_t whole = dnstap_frame_begin(&frame, &event, type);
		uint8_t *out = malloc(whole);
		const uint8_t *at = out;
		if (out != NULL) {
			dnstap_frame_write(&frame, out);
			struct field outer = read_field(&at, out + whole);
			invariant(outer.number == 14 && at == out + whole);
			check_body(outer.bytes, outer.bytes + outer.value, &event);
		}
		free(out);
	}
	free(message);
	return 0;
}
