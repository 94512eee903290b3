#include "wire/present_field.h"
#include "wire/name.h"
#include "wire/present.h"
#include "wire/rrtype.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define TOKEN_TEXT_SIZE 512 /* a hash of 255 octets in base32 */

bool
present_fail(struct scan *scan, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(scan->reason, PRESENT_REASON_SIZE, format, args);
	va_end(args);
	for (char *at = scan->reason; *at != '\0'; at++) /* it quotes what a user has written: safe to print */
		if (*at < ' ' || *at > '~')
			*at = '?';
	return false;
}

static bool
is_space(char character)
{
	return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

bool
present_at_end(struct scan *scan)
{
	while (scan->at < scan->end && is_space(*scan->at))
		scan->at++;
	return scan->at == scan->end;
}

/* Behind the quote that closes, NULL where none does. */
static const char *
behind_quote(const char *at, const char *end)
{
	while (at < end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return at < end ? at + 1 : NULL;
}

bool
present_token(struct scan *scan, const char *what, struct token *token)
{
	if (present_at_end(scan))
		return present_fail(scan, "%s is missing", what);
	const char *start = scan->at, *at = start;
	token->quoted = *at == '"';
	if (token->quoted) {
		at = behind_quote(at + 1, scan->end);
		if (at == NULL)
			return present_fail(scan, "a quote is not closed");
		*token = (struct token){.text = start + 1, .length = (size_t)(at - start - 2), .quoted = true};
		scan->at = at;
		return true;
	}
	while (at < scan->end && !is_space(*at)) {
		if (*at == '(' || *at == ')' || *at == ';')
			return present_fail(scan, "'%c' must be quoted or escaped", *at);
		if (*at == '"') { /* key="value" of a SvcParam */
			at = behind_quote(at + 1, scan->end);
			if (at == NULL)
				return present_fail(scan, "a quote is not closed");
			continue;
		}
		at += *at == '\\' && scan->end - at > 1 ? 2 : 1;
	}
	token->text = start;
	token->length = (size_t)(at - start);
	scan->at = at;
	return true;
}

bool
present_unescape(struct scan *scan, const struct token *token, uint8_t *out, size_t room, size_t *size)
{
	size_t used = 0;

	for (size_t at = 0; at < token->length; at++) {
		unsigned octet = (uint8_t)token->text[at];
		if (octet == '\\') {
			const char *digits = token->text + at + 1;
			size_t left = token->length - at - 1;
			if (left == 0)
				return present_fail(scan, "a backslash at the end");
			octet = (uint8_t)digits[0];
			at++;
			if (octet >= '0' && octet <= '9') {
				if (left < 3 || digits[1] < '0' || digits[1] > '9' || digits[2] < '0' ||
				    digits[2] > '9')
					return present_fail(scan, "a \\DDD with fewer than three digits");
				octet = (octet - '0') * 100 + (unsigned)(digits[1] - '0') * 10 +
					(unsigned)(digits[2] - '0');
				at += 2;
				if (octet > 255)
					return present_fail(scan, "a \\DDD over 255");
			}
		}
		if (used == room)
			return present_fail(scan, "a string is longer than %zu octets", room);
		out[used++] = (uint8_t)octet;
	}
	*size = used;
	return true;
}

bool
present_number(struct scan *scan, const struct token *token, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < token->length; at++) {
		if (token->text[at] < '0' || token->text[at] > '9')
			return present_fail(scan, "not a number: \"%.*s\"",
					    (int)(token->length < 40 ? token->length : 40), token->text);
		sum = sum * 10 + (uint64_t)(token->text[at] - '0');
		if (sum > max)
			return present_fail(scan, "a number is over %llu", (unsigned long long)max);
	}
	if (token->length == 0)
		return present_fail(scan, "a number is empty");
	*value = sum;
	return true;
}

/* A token as a C string; false where it is too long for any of the small fields. */
static bool
scan_text(struct scan *scan, const char *what, char text[TOKEN_TEXT_SIZE])
{
	struct token token;

	if (!present_token(scan, what, &token))
		return false;
	if (token.length >= TOKEN_TEXT_SIZE || memchr(token.text, '\0', token.length) != NULL)
		return present_fail(scan, "bad %s", what);
	memcpy(text, token.text, token.length);
	text[token.length] = '\0';
	return true;
}

static bool
parse_number(struct scan *scan, unsigned octets)
{
	struct token token;
	uint64_t value;

	if (!present_token(scan, "a number", &token) || !present_number(scan, &token, (1ull << octets * 8) - 1, &value))
		return false;
	for (unsigned left = octets; left > 0; left--)
		writer_u8(&scan->out, (uint8_t)(value >> (left - 1) * 8));
	return true;
}

static bool
parse_name(struct scan *scan)
{
	uint8_t name[NAME_MAX_SIZE];
	struct token token;

	if (!present_token(scan, "a name", &token))
		return false;
	if (name_from_text(token.text, token.length, scan->origin, name) != STATUS_OK) {
		bool relative = scan->origin == NULL && token.length > 0 && token.text[token.length - 1] != '.';
		return present_fail(scan, "%s: \"%.*s\"", relative ? "not an absolute name (no final dot)" : "bad name",
		                 (int)(token.length < 80 ? token.length : 80), token.text);
	}
	writer_bytes(&scan->out, name, name_size(name));
	return true;
}

static bool
parse_address(struct scan *scan, int family)
{
	char text[TOKEN_TEXT_SIZE];
	uint8_t address[16];

	if (!scan_text(scan, "address", text))
		return false;
	if (inet_pton(family, text, address) != 1)
		return present_fail(scan, "not an IPv%c address: \"%s\"", family == AF_INET ? '4' : '6', text);
	writer_bytes(&scan->out, address, family == AF_INET ? 4 : 16);
	return true;
}

static bool
parse_string(struct scan *scan)
{
	uint8_t octets[255];
	struct token token;
	size_t size;

	if (!present_token(scan, "a string", &token) || !present_unescape(scan, &token, octets, sizeof octets, &size))
		return false;
	writer_u8(&scan->out, (uint8_t)size);
	writer_bytes(&scan->out, octets, size);
	return true;
}

static bool
parse_strings(struct scan *scan)
{
	do {
		if (!parse_string(scan))
			return false;
	} while (!present_at_end(scan));
	return true;
}

/* Octets to the end of the RDATA, one token. */
static bool
parse_octets(struct scan *scan)
{
	struct token token;
	size_t size;

	if (!present_token(scan, "a string", &token) ||
	    !present_unescape(scan, &token, scan->out.at, writer_left(&scan->out), &size))
		return false;
	scan->out.at += size;
	return true;
}

/* Hex or base64, with spaces anywhere between. */
static bool
parse_blob(struct scan *scan, bool hex)
{
	size_t length = 0, size = writer_left(&scan->out);
	struct token token;

	if (present_at_end(scan))
		return present_fail(scan, "%s is missing", hex ? "hex" : "base64");
	char *digits = malloc((size_t)(scan->end - scan->at) + 1);
	if (digits == NULL)
		return present_fail(scan, "out of memory");
	bool good = true;
	while (good && !present_at_end(scan)) {
		good = present_token(scan, "data", &token);
		if (good) {
			memcpy(digits + length, token.text, token.length);
			length += token.length;
		}
	}
	if (good && hex && length / 2 <= size) {
		good = bytes_from_hex(digits, length, scan->out.at) ||
		       present_fail(scan, "not hex, or an odd count of digits");
		size = length / 2;
	} else if (good && !hex) {
		good = bytes_from_base64(digits, length, scan->out.at, &size) || present_fail(scan, "not base64");
	} else if (good) {
		good = present_fail(scan, "the data is too long");
	}
	if (good)
		scan->out.at += size;
	free(digits);
	return good;
}

/* Seconds, or the units of BIND: 1h30m. */
static bool
parse_period(struct scan *scan)
{
	static const char units[] = "smhdw";
	static const uint32_t seconds[] = {1, 60, 3600, 86400, 604800};
	uint64_t sum = 0, number = 0;
	char text[TOKEN_TEXT_SIZE];
	bool digits = false;

	if (!scan_text(scan, "time in seconds", text))
		return false;
	for (const char *at = text; *at != '\0'; at++) {
		const char *unit = strchr(units, *at | 0x20);
		if (*at >= '0' && *at <= '9') {
			number = number * 10 + (uint64_t)(*at - '0');
			digits = true;
		} else if (digits && unit != NULL && *unit != '\0') {
			sum += number * seconds[unit - units];
			number = 0;
			digits = false;
		} else {
			return present_fail(scan, "bad time in seconds: \"%s\"", text);
		}
		if (number > UINT32_MAX || sum > UINT32_MAX)
			return present_fail(scan, "time in seconds is too long");
	}
	if (text[0] == '\0' || sum + number > UINT32_MAX)
		return present_fail(scan, "bad time in seconds");
	writer_u32(&scan->out, (uint32_t)(sum + number));
	return true;
}

/*
 * A number, or the mnemonic that ldns has in its table. Not through the readers of ldns: they take rubbish behind a
 * number, and lose memory where they take nothing.
 */
static bool
parse_mnemonic(struct scan *scan, const char *what, bool certificate)
{
	char text[TOKEN_TEXT_SIZE];

	if (present_at_end(scan))
		return present_fail(scan, "%s is missing", what);
	if (*scan->at >= '0' && *scan->at <= '9')
		return parse_number(scan, certificate ? 2 : 1);
	if (!scan_text(scan, what, text))
		return false;
	int number = present_mnemonic(text, certificate);
	if (number < 0)
		return present_fail(scan, "unknown %s \"%.40s\"", what, text);
	if (certificate)
		writer_u8(&scan->out, (uint8_t)(number >> 8));
	writer_u8(&scan->out, (uint8_t)number);
	return true;
}

/* YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 3.2). */
static bool
parse_time(struct scan *scan)
{
	static const int lowest[] = {1970, 1, 1, 0, 0, 0}, highest[] = {2106, 12, 31, 23, 59, 60};
	struct token token;
	uint64_t value;
	int part[6];

	if (!present_token(scan, "a time", &token) || !present_number(scan, &token, 99999999999999u, &value))
		return false;
	if (token.length != 14) {
		writer_u32(&scan->out, (uint32_t)value);
		return value <= UINT32_MAX || present_fail(scan, "bad time");
	}
	for (unsigned i = 6; i-- > 0;) {
		uint64_t base = i == 0 ? 10000 : 100;
		part[i] = (int)(value % base);
		value /= base;
		if (part[i] < lowest[i] || part[i] > highest[i])
			return present_fail(scan, "bad time");
	}
	struct tm tm = {.tm_year = part[0] - 1900, .tm_mon = part[1] - 1, .tm_mday = part[2],
	                .tm_hour = part[3], .tm_min = part[4], .tm_sec = part[5]};
	int64_t seconds = timegm(&tm);
	writer_u32(&scan->out, (uint32_t)seconds);
	return seconds <= UINT32_MAX || present_fail(scan, "bad time");
}

/* base32hex without padding, behind its length (RFC 5155 3.3). */
static bool
parse_hash(struct scan *scan)
{
	char text[TOKEN_TEXT_SIZE];
	uint8_t hash[TOKEN_TEXT_SIZE];

	if (!scan_text(scan, "hashed owner", text))
		return false;
	int size = present_base32hex(text, hash, sizeof hash);
	if (size <= 0 || size > 255)
		return present_fail(scan, "bad hashed owner");
	writer_u8(&scan->out, (uint8_t)size);
	writer_bytes(&scan->out, hash, (size_t)size);
	return true;
}

static bool
parse_loc(struct scan *scan)
{
	char text[TOKEN_TEXT_SIZE];

	if (present_at_end(scan))
		return present_fail(scan, "a location is missing");
	size_t length = (size_t)(scan->end - scan->at);
	if (length >= sizeof text || memchr(scan->at, '\0', length) != NULL)
		return present_fail(scan, "bad location");
	memcpy(text, scan->at, length);
	text[length] = '\0';
	scan->at = scan->end;
	return present_location(text, &scan->out) || present_fail(scan, "bad location: \"%.100s\"", text);
}

/* [!]family:address/prefix (RFC 3123 5); addresses by inet_pton. */
static bool
parse_apl_item(struct scan *scan)
{
	char text[TOKEN_TEXT_SIZE];
	uint8_t address[16] = {0};
	uint64_t prefix;

	if (!scan_text(scan, "prefix list", text))
		return false;
	char *at = text + (text[0] == '!'), *slash = strchr(text, '/');
	bool ipv4 = at[0] == '1';
	if ((at[0] != '1' && at[0] != '2') || at[1] != ':' || slash == NULL)
		return present_fail(scan, "bad prefix: \"%s\"", text);
	*slash = '\0';
	struct token digits = {.text = slash + 1, .length = strlen(slash + 1)};
	if (inet_pton(ipv4 ? AF_INET : AF_INET6, at + 2, address) != 1)
		return present_fail(scan, "bad address in a prefix: \"%s\"", at + 2);
	if (!present_number(scan, &digits, ipv4 ? 32 : 128, &prefix))
		return false;
	uint8_t length = ipv4 ? 4 : 16;
	while (length > 0 && address[length - 1] == 0)
		length--;
	writer_u16(&scan->out, ipv4 ? 1 : 2);
	writer_u8(&scan->out, (uint8_t)prefix);
	writer_u8(&scan->out, (uint8_t)(length | (text[0] == '!' ? 0x80 : 0)));
	writer_bytes(&scan->out, address, length);
	return true;
}

static bool
parse_apl(struct scan *scan)
{
	while (!present_at_end(scan))
		if (!parse_apl_item(scan))
			return false;
	return true;
}

static bool
parse_type(struct scan *scan, uint16_t *type)
{
	char text[TOKEN_TEXT_SIZE];

	if (!scan_text(scan, "type", text))
		return false;
	return rrtype_from_text(text, type) == STATUS_OK || present_fail(scan, "unknown type \"%s\"", text);
}

/* Types in any order to windows (RFC 4034 4.1.2). */
static bool
parse_bitmap(struct scan *scan)
{
	uint8_t bits[65536 / 8] = {0};
	uint16_t type;

	while (!present_at_end(scan)) {
		if (!parse_type(scan, &type))
			return false;
		bits[type / 8] |= (uint8_t)(0x80 >> type % 8);
	}
	for (unsigned window = 0; window < 256; window++) {
		uint8_t *block = bits + window * 32, size = 32;
		while (size > 0 && block[size - 1] == 0)
			size--;
		if (size == 0)
			continue;
		writer_u8(&scan->out, (uint8_t)window);
		writer_u8(&scan->out, size);
		writer_bytes(&scan->out, block, size);
	}
	return true;
}

/* "-" for none (RFC 5155 3.3). */
static bool
parse_salt(struct scan *scan)
{
	char text[2 * 255 + 2];
	uint8_t salt[255];
	struct token token;

	if (!present_token(scan, "a salt", &token))
		return false;
	if (token.length == 1 && token.text[0] == '-') {
		writer_u8(&scan->out, 0);
		return true;
	}
	if (token.length >= sizeof text || token.length == 0 || !bytes_from_hex(token.text, token.length, salt))
		return present_fail(scan, "bad salt");
	writer_u8(&scan->out, (uint8_t)(token.length / 2));
	writer_bytes(&scan->out, salt, token.length / 2);
	return true;
}

/* Groups of hex digits with `separator` between: EUI-48, EUI-64, locators. */
static bool
parse_groups(struct scan *scan, const char *what, unsigned groups, unsigned digits, char separator)
{
	char text[TOKEN_TEXT_SIZE];
	char *at = text;

	if (!scan_text(scan, what, text))
		return false;
	for (unsigned group = 0; group < groups; group++) {
		unsigned long value = 0;
		unsigned count = 0;
		for (; count < digits && strchr("0123456789abcdefABCDEF", *at) != NULL && *at != '\0'; count++, at++)
			value = value * 16 + (unsigned long)(*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
		/* A locator may leave leading zeros out (RFC 6742 2.1.2), a MAC address may not. */
		bool closed = group + 1 < groups ? *at == separator : *at == '\0';
		if (count == 0 || (digits == 2 && count != 2) || !closed)
			return present_fail(scan, "bad %s: \"%s\"", what, text);
		at++;
		if (digits == 4)
			writer_u8(&scan->out, (uint8_t)(value >> 8));
		writer_u8(&scan->out, (uint8_t)value);
	}
	return true;
}

/* 0x and hex digits, dots anywhere between (RFC 1706 7). */
static bool
parse_nsap(struct scan *scan)
{
	char text[TOKEN_TEXT_SIZE];
	uint8_t octets[TOKEN_TEXT_SIZE / 2];
	size_t digits = 0;

	if (!scan_text(scan, "NSAP address", text))
		return false;
	if (text[0] != '0' || (text[1] | 0x20) != 'x')
		return present_fail(scan, "an NSAP address begins with 0x");
	for (const char *at = text + 2; *at != '\0'; at++)
		if (*at != '.')
			text[digits++] = *at;
	if (!bytes_from_hex(text, digits, octets))
		return present_fail(scan, "bad NSAP address");
	writer_bytes(&scan->out, octets, digits / 2);
	return true;
}

/* "." for none, an address or a name. */
static bool
parse_relay(struct scan *scan, unsigned kind)
{
	char text[TOKEN_TEXT_SIZE];

	switch (kind) {
	case 0:
		if (!scan_text(scan, "gateway", text))
			return false;
		return strcmp(text, ".") == 0 || present_fail(scan, "a gateway of type 0 is \".\"");
	case 1:
		return parse_address(scan, AF_INET);
	case 2:
		return parse_address(scan, AF_INET6);
	case 3:
		return parse_name(scan);
	default:
		return present_fail(scan, "a gateway type is 0 to 3");
	}
}

static bool
parse_ipseckey(struct scan *scan)
{
	const uint8_t *start = scan->out.at;

	if (!parse_number(scan, 1) || !parse_number(scan, 1) || !parse_number(scan, 1) || scan->out.failed ||
	    !parse_relay(scan, start[1]))
		return false;
	return present_at_end(scan) || parse_blob(scan, false);
}

/* precedence, discovery bit, type, relay (RFC 8777 4.3.1). */
static bool
parse_amtrelay(struct scan *scan)
{
	struct token token;
	uint64_t discovery, kind;

	if (!parse_number(scan, 1) || !present_token(scan, "the discovery bit", &token) ||
	    !present_number(scan, &token, 1, &discovery) || !present_token(scan, "a relay type", &token) ||
	    !present_number(scan, &token, 3, &kind))
		return false;
	writer_u8(&scan->out, (uint8_t)(discovery << 7 | kind));
	return parse_relay(scan, (unsigned)kind);
}

/* algorithm, HIT in hex, key in base64, servers (RFC 8005 6). */
static bool
parse_hip(struct scan *scan)
{
	uint8_t *head = writer_room(&scan->out, 4), hit[255];
	struct token token;
	uint64_t algorithm;

	if (!present_token(scan, "an algorithm", &token) || !present_number(scan, &token, 255, &algorithm) ||
	    !present_token(scan, "a HIT", &token))
		return false;
	if (head == NULL || token.length > 2 * sizeof hit || !bytes_from_hex(token.text, token.length, hit))
		return present_fail(scan, "bad HIT");
	head[0] = (uint8_t)(token.length / 2);
	head[1] = (uint8_t)algorithm;
	writer_bytes(&scan->out, hit, token.length / 2);
	if (!present_token(scan, "a public key", &token))
		return false;
	size_t size = writer_left(&scan->out);
	if (!bytes_from_base64(token.text, token.length, scan->out.at, &size) || size > UINT16_MAX)
		return present_fail(scan, "bad public key");
	bytes_put_u16(head + 2, (uint16_t)size);
	scan->out.at += size;
	while (!present_at_end(scan))
		if (!parse_name(scan))
			return false;
	return true;
}

bool
present_field_parse(struct scan *scan, char kind)
{
	uint16_t type;

	switch (kind) {
	case 'n': return parse_name(scan);
	case 'a': return parse_address(scan, AF_INET);
	case 'A': return parse_address(scan, AF_INET6);
	case '1': case '2': case '4': return parse_number(scan, (unsigned)(kind - '0'));
	case '8': return parse_groups(scan, "locator", 4, 4, ':');
	case 'e': return parse_groups(scan, "EUI-48", 6, 2, '-');
	case 'E': return parse_groups(scan, "EUI-64", 8, 2, '-');
	case 's': case 'k': return parse_string(scan);
	case 'S': return parse_strings(scan);
	case 'o': return present_at_end(scan) || parse_string(scan);
	case 'q': return parse_octets(scan);
	case 'x': return parse_blob(scan, true);
	case 'b': return parse_blob(scan, false);
	case 'B': return present_at_end(scan) || parse_blob(scan, false);
	case 'h': return parse_salt(scan);
	case 'H': return parse_hash(scan);
	case 'T': return parse_bitmap(scan);
	case 't':
		if (!parse_type(scan, &type))
			return false;
		writer_u16(&scan->out, type);
		return true;
	case 'g': return parse_mnemonic(scan, "algorithm", false);
	case 'c': return parse_mnemonic(scan, "certificate type", true);
	case 'i': return parse_time(scan);
	case 'p': return parse_period(scan);
	case 'L': return parse_loc(scan);
	case 'P': return parse_apl(scan);
	case 'v': return present_svcb_parse(scan);
	case 'I': return parse_ipseckey(scan);
	case 'M': return parse_amtrelay(scan);
	case 'U': return parse_hip(scan);
	case 'N': return parse_nsap(scan);
	default: break;
	}
	invariant(!"a letter of the layout table");
	return false;
}
