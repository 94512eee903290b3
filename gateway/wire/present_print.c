/* RDATA to text, by its shape: what zonegatectl and the log of changes print most. */
#include "wire/name.h"
#include "wire/present_field.h"
#include "wire/rrtype.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NSAP_MAX_SIZE 20 /* RFC 1706 5; longer ones have the RFC 3597 form */

void
present_put_char(struct print *print, char character)
{
	if (print->text < print->text_end)
		*print->text++ = character;
	else
		print->failed = true;
}

void
present_put_text(struct print *print, const char *text)
{
	size_t size = strlen(text);

	if ((size_t)(print->text_end - print->text) < size) {
		print->failed = true;
		return;
	}
	memcpy(print->text, text, size);
	print->text += size;
}

void
present_put_number(struct print *print, uint64_t value)
{
	char digits[21];

	snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
	present_put_text(print, digits);
}

static void
print_escaped(struct print *print, const uint8_t *octets, size_t size)
{
	for (size_t at = 0; at < size; at++) {
		uint8_t octet = octets[at];
		if (octet < ' ' || octet > '~') {
			present_put_char(print, '\\');
			present_put_char(print, (char)('0' + octet / 100));
			present_put_char(print, (char)('0' + octet / 10 % 10));
			present_put_char(print, (char)('0' + octet % 10));
			continue;
		}
		if (octet == '"' || octet == '\\')
			present_put_char(print, '\\');
		present_put_char(print, (char)octet);
	}
}

void
present_put_quoted(struct print *print, const uint8_t *octets, size_t size)
{
	present_put_char(print, '"');
	print_escaped(print, octets, size);
	present_put_char(print, '"');
}

/* The next `size` octets of RDATA that has been checked. */
static const uint8_t *
take(struct print *print, size_t size)
{
	const uint8_t *at = print->at;

	invariant((size_t)(print->end - at) >= size);
	print->at += size;
	return at;
}

static size_t
left(const struct print *print)
{
	return (size_t)(print->end - print->at);
}

static void
print_name(struct print *print)
{
	char text[NAME_TEXT_SIZE];

	present_put_text(print, name_to_text(take(print, name_size(print->at)), text));
}

static void
print_address(struct print *print, int family)
{
	char text[INET6_ADDRSTRLEN];

	present_put_text(print, inet_ntop(family, take(print, family == AF_INET ? 4 : 16), text, sizeof text));
}

static void
print_strings(struct print *print, bool all)
{
	do {
		const uint8_t *string = take(print, *print->at + 1u);
		present_put_quoted(print, string + 1, *string);
		if (all && left(print) > 0)
			present_put_char(print, ' ');
	} while (all && left(print) > 0);
}

static void
print_tag(struct print *print)
{
	const uint8_t *tag = take(print, *print->at + 1u);

	print_escaped(print, tag + 1, *tag);
}

static void
print_hex(struct print *print, const uint8_t *octets, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t at = 0; at < size; at++) {
		present_put_char(print, digits[octets[at] >> 4]);
		present_put_char(print, digits[octets[at] & 15]);
	}
}

/* In place, without a copy of what may be 64 KiB. */
static void
print_base64(struct print *print, const uint8_t *octets, size_t size)
{
	if ((size_t)(print->text_end - print->text) < 4 * ((size + 2) / 3) + 1) {
		print->failed = true;
		return;
	}
	bytes_to_base64(octets, size, print->text);
	print->text += 4 * ((size + 2) / 3);
}

static void
print_groups(struct print *print, unsigned groups, unsigned octets, char separator)
{
	for (unsigned group = 0; group < groups; group++) {
		if (group > 0)
			present_put_char(print, separator);
		for (unsigned i = 0; i < octets; i++) {
			char digits[3];
			snprintf(digits, sizeof digits, "%02x", *take(print, 1));
			present_put_text(print, digits);
		}
	}
}

static void
print_salt(struct print *print)
{
	const uint8_t *salt = take(print, *print->at + 1u);

	if (*salt == 0)
		present_put_char(print, '-');
	print_hex(print, salt + 1, *salt);
}

static bool
print_ldns(struct print *print, char kind, size_t size)
{
	char *text = present_through_ldns(kind, take(print, size), size);

	if (text != NULL)
		present_put_text(print, text);
	bool good = text != NULL;
	free(text);
	return good;
}

static void
print_bitmap(struct print *print)
{
	char mnemonic[RRTYPE_TEXT_SIZE];

	while (left(print) > 0) {
		unsigned window = *take(print, 1), size = *take(print, 1);
		const uint8_t *block = take(print, size);
		for (unsigned bit = 0; bit < size * 8; bit++) {
			if ((block[bit / 8] & 0x80 >> bit % 8) == 0)
				continue;
			present_put_char(print, ' ');
			present_put_text(print, rrtype_to_text((uint16_t)(window * 256 + bit), mnemonic));
		}
	}
}

/* YYYYMMDDHHmmSS (RFC 4034 3.2). */
static void
print_time(struct print *print)
{
	time_t seconds = bytes_get_u32(take(print, 4));
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y%m%d%H%M%S", &tm);
	present_put_text(print, text);
}

static void
print_apl(struct print *print, bool first)
{
	while (left(print) > 0) {
		const uint8_t *head = take(print, 4);
		uint8_t address[16] = {0}, length = head[3] & 0x7f;
		char text[INET6_ADDRSTRLEN];
		memcpy(address, take(print, length), length);
		if (!first)
			present_put_char(print, ' ');
		first = false;
		if ((head[3] & 0x80) != 0)
			present_put_char(print, '!');
		present_put_number(print, head[1]);
		present_put_char(print, ':');
		present_put_text(print, inet_ntop(head[1] == 1 ? AF_INET : AF_INET6, address, text, sizeof text));
		present_put_char(print, '/');
		present_put_number(print, head[2]);
	}
}

static void
print_relay(struct print *print, unsigned kind)
{
	if (kind == 1)
		print_address(print, AF_INET);
	else if (kind == 2)
		print_address(print, AF_INET6);
	else if (kind == 3)
		print_name(print);
	else
		present_put_char(print, '.');
}

static void
print_ipseckey(struct print *print)
{
	const uint8_t *head = take(print, 3);

	for (unsigned i = 0; i < 3; i++) {
		present_put_number(print, head[i]);
		present_put_char(print, ' ');
	}
	print_relay(print, head[1]);
	if (left(print) > 0) {
		present_put_char(print, ' ');
		print_base64(print, print->at, left(print));
		print->at = print->end;
	}
}

static void
print_amtrelay(struct print *print)
{
	const uint8_t *head = take(print, 2);

	present_put_number(print, head[0]);
	present_put_text(print, (head[1] & 0x80) != 0 ? " 1 " : " 0 ");
	present_put_number(print, head[1] & 0x7f);
	present_put_char(print, ' ');
	print_relay(print, head[1] & 0x7f);
}

static void
print_hip(struct print *print)
{
	const uint8_t *head = take(print, 4);
	size_t key_size = bytes_get_u16(head + 2);

	present_put_number(print, head[1]);
	present_put_char(print, ' ');
	print_hex(print, take(print, head[0]), head[0]);
	present_put_char(print, ' ');
	print_base64(print, take(print, key_size), key_size);
	while (left(print) > 0) {
		present_put_char(print, ' ');
		print_name(print);
	}
}

/* The field itself, behind its space. */
static bool
print_value(struct print *print, char kind)
{
	char mnemonic[RRTYPE_TEXT_SIZE];
	size_t size = left(print);

	switch (kind) {
	case 'n': print_name(print); break;
	case 'a': print_address(print, AF_INET); break;
	case 'A': print_address(print, AF_INET6); break;
	case '1': case 'g': present_put_number(print, *take(print, 1)); break;
	case '2': case 'c': present_put_number(print, bytes_get_u16(take(print, 2))); break;
	case '4': case 'p': present_put_number(print, bytes_get_u32(take(print, 4))); break;
	case '8': print_groups(print, 4, 2, ':'); break;
	case 'e': print_groups(print, 6, 1, '-'); break;
	case 'E': print_groups(print, 8, 1, '-'); break;
	case 's': case 'o': print_strings(print, false); break;
	case 'S': print_strings(print, true); break;
	case 'q': present_put_quoted(print, take(print, size), size); break;
	case 'k': print_tag(print); break;
	case 'x': print_hex(print, take(print, size), size); break;
	case 'N':
		if (size > NSAP_MAX_SIZE)
			return false;
		present_put_text(print, "0x");
		print_hex(print, take(print, size), size);
		break;
	case 'b': case 'B': print_base64(print, take(print, size), size); break;
	case 'h': print_salt(print); break;
	case 'H': return print_ldns(print, 'H', *print->at + 1u);
	case 't': present_put_text(print, rrtype_to_text(bytes_get_u16(take(print, 2)), mnemonic)); break;
	case 'i': print_time(print); break;
	case 'L': return print_ldns(print, 'L', 16);
	case 'I': print_ipseckey(print); break;
	case 'M': print_amtrelay(print); break;
	case 'U': print_hip(print); break;
	default: invariant(!"a letter of the layout table");
	}
	return true;
}

bool
present_field_print(struct print *print, char kind, bool first)
{
	/* These may be of no items at all, and bring their own spaces. */
	if (kind == 'T') {
		print_bitmap(print);
	} else if (kind == 'v') {
		present_svcb_print(print);
	} else if (kind == 'P') {
		print_apl(print, first);
	} else {
		if ((kind == 'o' || kind == 'B') && left(print) == 0)
			return true;
		if (!first)
			present_put_char(print, ' ');
		return print_value(print, kind);
	}
	return true;
}
