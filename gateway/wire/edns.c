#include "wire/edns.h"
#include "wire/rrtype.h"
#include <stdarg.h>
#include <stdio.h>

#define FLAG_DO 0x8000
#define OPT_FIXED_SIZE 11 /* root, TYPE, CLASS, TTL, RDLENGTH */
#define OPTION_FIXED_SIZE 4
#define ZONEVERSION_SIZE 6       /* LABELCOUNT, TYPE, a serial (RFC 9660 2) */
#define ZONEVERSION_SOA_SERIAL 0

static void
take_option(struct edns *edns, unsigned code, const uint8_t *value, size_t size)
{
	switch (code) {
	case EDNS_OPTION_NSID:
		edns->nsid = true;
		break;
	case EDNS_OPTION_COOKIE:
		/* The client's eight octets alone, or with 8 to 32 of the server's (RFC 7873 4). */
		if (size != 8 && (size < 16 || size > 40)) {
			edns->bad_cookie = true;
		} else if (edns->cookie == NULL) { /* the first one counts (RFC 7873 5.2) */
			edns->cookie = value;
			edns->cookie_size = (uint8_t)size;
		}
		break;
	case EDNS_OPTION_TCP_KEEPALIVE:
		edns->keepalive = true;
		break;
	case EDNS_OPTION_PADDING:
		edns->padding = true;
		break;
	case EDNS_OPTION_ZONEVERSION:
		edns->zoneversion = true;
		break;
	default: /* RFC 6891 6.1.2: an unknown option is ignored */
		break;
	}
}

enum status
edns_parse(uint16_t class_, uint32_t ttl, const uint8_t *rdata, size_t size, struct edns *edns)
{
	edns->present = true;
	edns->extended_rcode = (uint8_t)(ttl >> 24);
	edns->version = (uint8_t)(ttl >> 16);
	edns->udp_size = class_;
	edns->dnssec_ok = (ttl & FLAG_DO) != 0;
	edns->nsid = edns->keepalive = edns->padding = edns->zoneversion = edns->bad_cookie = false;
	edns->cookie = NULL;
	edns->cookie_size = 0;
	for (size_t at = 0; at < size;) {
		if (size - at < OPTION_FIXED_SIZE || size - at - OPTION_FIXED_SIZE < bytes_get_u16(rdata + at + 2))
			return STATUS_MALFORMED;
		size_t length = bytes_get_u16(rdata + at + 2);
		take_option(edns, bytes_get_u16(rdata + at), rdata + at + OPTION_FIXED_SIZE, length);
		at += OPTION_FIXED_SIZE + length;
	}
	return STATUS_OK;
}

static bool
has_ede(const struct edns_reply *reply)
{
	return reply->ede != NULL && reply->ede->code != EDE_NONE;
}

size_t
edns_reply_size(const struct edns_reply *reply)
{
	size_t size = OPT_FIXED_SIZE;

	if (reply->cookie_size > 0)
		size += OPTION_FIXED_SIZE + reply->cookie_size;
	if (reply->keepalive_100ms >= 0)
		size += OPTION_FIXED_SIZE + 2;
	if (reply->nsid != NULL)
		size += OPTION_FIXED_SIZE + strlen(reply->nsid);
	if (reply->zoneversion)
		size += OPTION_FIXED_SIZE + ZONEVERSION_SIZE;
	if (has_ede(reply))
		size += OPTION_FIXED_SIZE + 2 + strlen(reply->ede->text);
	return size;
}

static void
write_option(struct writer *out, unsigned code, const void *value, size_t size)
{
	if (writer_left(out) < OPTION_FIXED_SIZE + size)
		return;
	writer_u16(out, (uint16_t)code);
	writer_u16(out, (uint16_t)size);
	writer_bytes(out, value, size);
}

/* Not in the middle of a UTF-8 character, which EXTRA-TEXT consists of (RFC 8914 2). */
static size_t
cut_text(const char *text, size_t size)
{
	while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
		size--;
	return size;
}

static void
write_ede(struct writer *out, const struct ede *ede)
{
	uint8_t value[2 + EDE_TEXT_SIZE];
	size_t length = strnlen(ede->text, EDE_TEXT_SIZE), room = writer_left(out);

	if (room < OPTION_FIXED_SIZE + 2)
		return;
	if (length > room - OPTION_FIXED_SIZE - 2)
		length = cut_text(ede->text, room - OPTION_FIXED_SIZE - 2);
	bytes_put_u16(value, (uint16_t)ede->code);
	memcpy(value + 2, ede->text, length);
	write_option(out, EDNS_OPTION_EDE, value, 2 + length);
}

/* RFC 7830, by the block policy of RFC 8467 4.1: always an option, of no octets where the message is already even. */
static void
write_padding(struct writer *out, unsigned block)
{
	if (writer_left(out) < OPTION_FIXED_SIZE)
		return;
	size_t past = (writer_size(out) + OPTION_FIXED_SIZE) % block, size = past == 0 ? 0 : block - past;
	if (size > writer_left(out) - OPTION_FIXED_SIZE)
		size = writer_left(out) - OPTION_FIXED_SIZE;
	writer_u16(out, EDNS_OPTION_PADDING);
	writer_u16(out, (uint16_t)size);
	uint8_t *zeros = writer_room(out, size);
	if (zeros != NULL && size > 0)
		memset(zeros, 0, size);
}

void
edns_write(struct writer *out, const struct edns_reply *reply)
{
	uint8_t *opt = writer_room(out, OPT_FIXED_SIZE);

	if (opt == NULL)
		return;
	opt[0] = 0;
	bytes_put_u16(opt + 1, TYPE_OPT);
	bytes_put_u16(opt + 3, reply->udp_size);
	bytes_put_u32(opt + 5, (uint32_t)(reply->rcode >> 4 & 0xff) << 24 | (reply->dnssec_ok ? FLAG_DO : 0));
	bytes_put_u16(opt + 9, 0);
	if (reply->cookie_size > 0)
		write_option(out, EDNS_OPTION_COOKIE, reply->cookie, reply->cookie_size);
	if (reply->keepalive_100ms >= 0) {
		uint8_t value[2];
		bytes_put_u16(value, (uint16_t)reply->keepalive_100ms);
		write_option(out, EDNS_OPTION_TCP_KEEPALIVE, value, 2); /* RFC 7828 3.1 */
	}
	if (reply->nsid != NULL)
		write_option(out, EDNS_OPTION_NSID, reply->nsid, strlen(reply->nsid));
	if (reply->zoneversion) {
		uint8_t value[ZONEVERSION_SIZE] = {reply->zone_labels, ZONEVERSION_SOA_SERIAL};
		bytes_put_u32(value + 2, reply->zone_serial);
		write_option(out, EDNS_OPTION_ZONEVERSION, value, sizeof value);
	}
	if (has_ede(reply))
		write_ede(out, reply->ede);
	if (reply->padding_block > 0)
		write_padding(out, reply->padding_block);
	bytes_put_u16(opt + 9, (uint16_t)(out->at - opt - OPT_FIXED_SIZE));
}

void
ede_set(struct ede *ede, int code, const char *format, ...)
{
	va_list args;

	ede->code = code;
	va_start(args, format);
	int length = vsnprintf(ede->text, sizeof ede->text, format, args);
	va_end(args);
	if (length < 0)
		ede->text[0] = '\0';
	else if ((size_t)length >= sizeof ede->text)
		ede->text[cut_text(ede->text, sizeof ede->text - 1)] = '\0';
}
