#include "transfer/stream.h"
#include "base/clock.h"

void
stream_init(struct stream *stream, const struct message *msg, const struct tsig *tsig)
{
	stream->id = msg->id;
	/* RFC 5936 2.2.1: AA is set, RD is copied. */
	stream->flags = (uint16_t)(FLAG_QR | FLAG_AA | (msg->flags & FLAG_RD));
	stream->first = true;
	stream->ended = false;
	stream->question_size = (uint16_t)(msg->question_end - MESSAGE_HEADER_SIZE);
	memcpy(stream->question, msg->wire + MESSAGE_HEADER_SIZE, stream->question_size);
	/* RFC 5936 3.4: compression must not change the case of the zone's names. */
	stream->apex_in_question = memcmp(stream->question, msg->qname, msg->qname_size) == 0;
	if (tsig->verdict == TSIG_NONE) {
		stream->tsig.verdict = TSIG_NONE;
		stream->tsig.key = NULL;
		return;
	}
	stream->tsig = *tsig;
	tsig_hold(&stream->tsig);
}

enum status
stream_next(struct stream *stream, uint8_t *buffer, size_t room, size_t *size)
{
	size_t reserved = tsig_room(&stream->tsig);
	struct stream_message message = {
		.base = buffer, .at = buffer + MESSAGE_HEADER_SIZE, .end = buffer + room - reserved};

	require(room >= MESSAGE_MAX_SIZE);
	*size = 0;
	if (stream->ended)
		return STATUS_OK;
	/* The question is in the first message only (RFC 5936 2.2.1). */
	if (stream->first) {
		memcpy(message.at, stream->question, stream->question_size);
		message.at += stream->question_size;
		message.apex = stream->apex_in_question ? MESSAGE_HEADER_SIZE : 0;
	}
	enum status status = stream->fill(stream, &message, &stream->ended);
	if (status != STATUS_OK)
		return status;
	bytes_put_u16(buffer, stream->id);
	bytes_put_u16(buffer + 2, stream->flags);
	bytes_put_u16(buffer + 4, stream->first);
	bytes_put_u16(buffer + 6, (uint16_t)message.count);
	bytes_put_u32(buffer + 8, 0);
	*size = (size_t)(message.at - buffer);
	status = tsig_sign_next(&stream->tsig, buffer, size, room, clock_wall_s(), stream->first);
	stream->first = false;
	return status;
}

void
stream_free(struct stream *stream)
{
	tsig_release(&stream->tsig);
	stream->release(stream);
}
