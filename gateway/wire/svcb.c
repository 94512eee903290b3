#include "wire/svcb.h"
#include "base/bytes.h"
#include "base/status.h"

struct param {
	uint16_t key, size;
	const uint8_t *value;
};

/* The parameter at *at, which moves behind it. False: it does not fit. */
static bool
next_param(const uint8_t *params, size_t size, size_t *at, struct param *param)
{
	if (size - *at < 4)
		return false;
	param->key = bytes_get_u16(params + *at);
	param->size = bytes_get_u16(params + *at + 2);
	param->value = params + *at + 4;
	if (size - *at - 4 < param->size)
		return false;
	*at += 4u + param->size;
	return true;
}

static bool
has_key(const uint8_t *params, size_t size, uint16_t key)
{
	struct param param;

	for (size_t at = 0; at < size && next_param(params, size, &at, &param);)
		if (param.key == key)
			return true;
	return false;
}

/* Keys in strictly increasing order, all of them present, "mandatory" not among them (RFC 9460 8). */
static bool
check_mandatory(const struct param *param, const uint8_t *params, size_t size)
{
	int last = SVCB_MANDATORY;

	if (param->size == 0 || param->size % 2 != 0)
		return false;
	for (size_t at = 0; at < param->size; at += 2) {
		uint16_t key = bytes_get_u16(param->value + at);
		if (key <= last || !has_key(params, size, key))
			return false;
		last = key;
	}
	return true;
}

/* One or more alpn-ids, none of them empty (RFC 9460 7.1.1). */
static bool
check_alpn(const struct param *param)
{
	size_t at = 0;

	while (at < param->size) {
		size_t length = param->value[at];
		if (length == 0 || param->size - at - 1 < length)
			return false;
		at += 1 + length;
	}
	return param->size > 0;
}

static bool
check_utf8(const uint8_t *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		uint8_t first = text[at++];
		if (first < 0x80)
			continue;
		int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
		uint32_t point = first & (0x3fu >> more), least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
		if (first < 0xc2 || first > 0xf4)
			return false;
		for (; more > 0; more--, at++) {
			if (at >= size || (text[at] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (text[at] & 0x3f);
		}
		if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
	}
	return true;
}

/* A relative URI template with the variable "dns" (RFC 9461 5). */
static bool
check_dohpath(const struct param *param)
{
	static const char *const variables[] = {"{?dns}", "{?dns,", "{?dns*", "{&dns}", "{&dns,"};

	if (param->size == 0 || param->value[0] != '/' || !check_utf8(param->value, param->size))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (memmem(param->value, param->size, variables[i], strlen(variables[i])) != NULL)
			return true;
	return false;
}

static bool
check_param(const struct param *param, const uint8_t *params, size_t size)
{
	switch (param->key) {
	case SVCB_MANDATORY:
		return check_mandatory(param, params, size);
	case SVCB_ALPN:
		return check_alpn(param);
	case SVCB_NO_DEFAULT_ALPN: /* says nothing without alpn (RFC 9460 7.1.1) */
		return param->size == 0 && has_key(params, size, SVCB_ALPN);
	case SVCB_PORT:
		return param->size == 2;
	case SVCB_IPV4HINT:
		return param->size > 0 && param->size % 4 == 0;
	case SVCB_ECH:
		return param->size > 0;
	case SVCB_IPV6HINT:
		return param->size > 0 && param->size % 16 == 0;
	case SVCB_DOHPATH:
		return check_dohpath(param);
	case SVCB_OHTTP:
		return param->size == 0;
	default:
		return param->key != 65535; /* reserved (RFC 9460 14.3.2) */
	}
}

bool
svcb_check(const uint8_t *params, size_t size, bool alias)
{
	struct param param;
	int last = -1;

	if (alias && size > 0)
		return false;
	for (size_t at = 0; at < size;) {
		if (!next_param(params, size, &at, &param) || param.key <= last || !check_param(&param, params, size))
			return false;
		last = param.key;
	}
	return true;
}
