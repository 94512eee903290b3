/* SvcParams of SVCB and HTTPS to text, and back (RFC 9460 2.1, appendix A). */
#include "wire/present_field.h"
#include "wire/rrtype.h"
#include "wire/svcb.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PARAMS_MAX 64

static const char *const key_names[] = {
	"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp",
};

struct param {
	uint16_t key;
	bool has_value;
	struct token value;
};

/* "port" or "key3" (RFC 9460 2.1: no leading zeros, lower case). */
static bool
key_from_text(struct scan *scan, const char *text, size_t length, uint16_t *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(key_names); i++) {
		if (strlen(key_names[i]) == length && memcmp(key_names[i], text, length) == 0) {
			*key = (uint16_t)i;
			return true;
		}
	}
	struct token digits = {.text = text + 3, .length = length - 3};
	uint64_t value;
	if (length < 4 || memcmp(text, "key", 3) != 0 || (text[3] == '0' && length > 4) ||
	    !present_number(scan, &digits, 65534, &value))
		return present_fail(scan, "unknown SvcParamKey \"%.*s\"", (int)(length < 40 ? length : 40), text);
	*key = (uint16_t)value;
	return true;
}

/* An item of a comma-separated list; "\," and "\\" inside it are its own level of escaping (RFC 9460 A.1). */
static bool
next_item(const uint8_t *list, size_t size, size_t *at, uint8_t *item, size_t *item_size)
{
	size_t used = 0;

	while (*at < size && list[*at] != ',') {
		if (list[*at] == '\\' && ++*at == size)
			return false;
		item[used++] = list[(*at)++];
	}
	*item_size = used;
	if (*at == size)
		return used > 0;
	++*at; /* the comma: another item must follow */
	return used > 0 && *at < size;
}

static int
compare_keys(const void *a, const void *b)
{
	return bytes_get_u16(a) - bytes_get_u16(b);
}

/* An item of the list to the octets that it is on the wire. */
static bool
put_item(struct scan *scan, uint16_t key, const uint8_t *item, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	uint16_t number;

	if (key == SVCB_ALPN) {
		if (size > 255)
			return present_fail(scan, "an alpn-id is longer than 255 octets");
		writer_u8(&scan->out, (uint8_t)size);
		writer_bytes(&scan->out, item, size);
		return true;
	}
	if (key == SVCB_MANDATORY) {
		if (!key_from_text(scan, (const char *)item, size, &number))
			return false;
		writer_u16(&scan->out, number);
		return true;
	}
	if (size >= sizeof text)
		return present_fail(scan, "bad address in %s", key_names[key]);
	memcpy(text, item, size);
	text[size] = '\0';
	if (strlen(text) != size || inet_pton(key == SVCB_IPV4HINT ? AF_INET : AF_INET6, text, address) != 1)
		return present_fail(scan, "bad address in %s", key_names[key]);
	writer_bytes(&scan->out, address, key == SVCB_IPV4HINT ? 4 : 16);
	return true;
}

static bool
put_list(struct scan *scan, uint16_t key, const uint8_t *list, size_t size)
{
	uint8_t *start = scan->out.at;
	size_t at = 0, item_size;
	uint8_t *item = malloc(size + 1);
	bool good = item != NULL;

	do {
		good = good && next_item(list, size, &at, item, &item_size);
		if (!good)
			present_fail(scan, "bad list in %s", key_names[key]);
		else
			good = put_item(scan, key, item, item_size);
	} while (good && at < size);
	free(item);
	/* The wire wants the keys in order, the text does not (RFC 9460 8). */
	if (good && key == SVCB_MANDATORY && !scan->out.failed)
		qsort(start, (size_t)(scan->out.at - start) / 2, 2, compare_keys);
	return good;
}

static bool
put_number_or_base64(struct scan *scan, uint16_t key, const uint8_t *value, size_t size)
{
	struct token token = {.text = (const char *)value, .length = size};
	size_t room = writer_left(&scan->out);
	uint64_t number;

	if (key == SVCB_PORT) {
		if (!present_number(scan, &token, UINT16_MAX, &number))
			return false;
		writer_u16(&scan->out, (uint16_t)number);
		return true;
	}
	if (!bytes_from_base64((const char *)value, size, scan->out.at, &room))
		return present_fail(scan, "ech is not base64");
	scan->out.at += room;
	return true;
}

static bool
put_value(struct scan *scan, const struct param *param, const uint8_t *value, size_t size)
{
	switch (param->key) {
	case SVCB_MANDATORY: case SVCB_ALPN: case SVCB_IPV4HINT: case SVCB_IPV6HINT:
		return put_list(scan, param->key, value, size);
	case SVCB_PORT: case SVCB_ECH:
		return put_number_or_base64(scan, param->key, value, size);
	default:
		writer_bytes(&scan->out, value, size);
		return true;
	}
}

static bool
put_param(struct scan *scan, const struct param *param)
{
	uint8_t *start = scan->out.at;
	size_t room = param->has_value ? param->value.length + 1 : 1, size = 0;
	uint8_t *value = malloc(room);

	writer_u16(&scan->out, param->key);
	writer_u16(&scan->out, 0);
	bool good = value != NULL && !scan->out.failed;
	if (good && param->has_value)
		good = present_unescape(scan, &param->value, value, room, &size);
	if (good && (param->has_value || (param->key < ARRAY_SIZE(key_names) && param->key != SVCB_NO_DEFAULT_ALPN &&
	                                  param->key != SVCB_OHTTP)))
		good = put_value(scan, param, value, size);
	free(value);
	if (!good || scan->out.failed)
		return false;
	bytes_put_u16(start + 2, (uint16_t)(scan->out.at - start - 4));
	return true;
}

static bool
read_param(struct scan *scan, struct param *param)
{
	struct token token;

	if (!present_token(scan, "a SvcParam", &token))
		return false;
	const char *equals = memchr(token.text, '=', token.length);
	size_t key_length = equals == NULL ? token.length : (size_t)(equals - token.text);
	if (!key_from_text(scan, token.text, key_length, &param->key))
		return false;
	param->has_value = equals != NULL;
	if (equals != NULL) {
		param->value = (struct token){.text = equals + 1, .length = token.length - key_length - 1};
		if (param->value.length >= 2 && param->value.text[0] == '"') {
			param->value.text++;
			param->value.length -= 2;
			param->value.quoted = true;
		}
	}
	return true;
}

bool
present_svcb_parse(struct scan *scan)
{
	struct param params[PARAMS_MAX];
	size_t count = 0;

	while (!present_at_end(scan)) {
		struct param param;
		if (count == PARAMS_MAX)
			return present_fail(scan, "more than %d SvcParams", PARAMS_MAX);
		if (!read_param(scan, &param))
			return false;
		/* In order of keys on the wire, whatever their order in the text (RFC 9460 2.2). */
		size_t slot = count++;
		for (; slot > 0 && params[slot - 1].key >= param.key; slot--) {
			if (params[slot - 1].key == param.key)
				return present_fail(scan, "a SvcParamKey is there twice");
			params[slot] = params[slot - 1];
		}
		params[slot] = param;
	}
	for (size_t i = 0; i < count; i++)
		if (!put_param(scan, &params[i]))
			return false;
	return true;
}

static void
print_key(struct print *print, uint16_t key)
{
	if (key < SVCB_OHTTP) { /* "ohttp" is read, but BIND before 9.20 does not know it */
		present_put_text(print, key_names[key]);
		return;
	}
	present_put_text(print, "key");
	present_put_number(print, key);
}

/* Both levels of escaping: the list's for "," and "\", then the character-string's. */
static void
print_alpn(struct print *print, const uint8_t *value, size_t size)
{
	present_put_char(print, '"');
	for (size_t at = 0; at < size; at += 1u + value[at]) {
		if (at > 0)
			present_put_char(print, ',');
		for (size_t i = at + 1; i <= at + value[at]; i++) {
			char escaped[5];
			if (value[i] == ',')
				present_put_text(print, "\\\\,");
			else if (value[i] == '\\')
				present_put_text(print, "\\\\\\\\");
			else if (value[i] == '"')
				present_put_text(print, "\\\"");
			else if (value[i] >= ' ' && value[i] < 0x7f)
				present_put_char(print, (char)value[i]);
			else if (snprintf(escaped, sizeof escaped, "\\%03u", value[i]) > 0)
				present_put_text(print, escaped);
		}
	}
	present_put_char(print, '"');
}

static void
print_hints(struct print *print, const uint8_t *value, size_t size, int family)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t at = 0; at < size; at += family == AF_INET ? 4 : 16) {
		if (at > 0)
			present_put_char(print, ',');
		present_put_text(print, inet_ntop(family, value + at, text, sizeof text));
	}
}

static void
print_base64(struct print *print, const uint8_t *value, size_t size)
{
	char *text = malloc(4 * ((size + 2) / 3) + 1);

	if (text == NULL) {
		print->failed = true;
		return;
	}
	bytes_to_base64(value, size, text);
	present_put_text(print, text);
	free(text);
}

static void
print_value(struct print *print, uint16_t key, const uint8_t *value, size_t size)
{
	switch (key) {
	case SVCB_MANDATORY:
		for (size_t at = 0; at < size; at += 2) {
			if (at > 0)
				present_put_char(print, ',');
			print_key(print, bytes_get_u16(value + at));
		}
		break;
	case SVCB_ALPN:
		print_alpn(print, value, size);
		break;
	case SVCB_PORT:
		present_put_number(print, bytes_get_u16(value));
		break;
	case SVCB_IPV4HINT:
		print_hints(print, value, size, AF_INET);
		break;
	case SVCB_IPV6HINT:
		print_hints(print, value, size, AF_INET6);
		break;
	case SVCB_ECH:
		print_base64(print, value, size);
		break;
	default:
		present_put_quoted(print, value, size);
		break;
	}
}

void
present_svcb_print(struct print *print)
{
	while (print->at < print->end) {
		uint16_t key = bytes_get_u16(print->at), size = bytes_get_u16(print->at + 2);
		present_put_char(print, ' ');
		print_key(print, key);
		if (size > 0) {
			present_put_char(print, '=');
			print_value(print, key, print->at + 4, size);
		}
		print->at += 4u + size;
	}
}
