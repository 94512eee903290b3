#include "base/bytes.h"

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool
bytes_from_hex(const char *hex, size_t digits, uint8_t *out)
{
	if (digits % 2 != 0)
		return false;
	for (size_t i = 0; i < digits; i += 2) {
		int high = hex_value(hex[i]), low = hex_value(hex[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void
bytes_to_hex(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* RFC 4648 section 4, table 1. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four characters, `count` of them data (2 to 4); 1 to 3 bytes. */
static bool
base64_group(const char *text, size_t count, uint8_t bytes[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < count; i++) {
		int value = base64_value(text[i]);
		if (value < 0)
			return false;
		bits |= (uint32_t)value << (18 - 6 * i);
	}
	bytes[0] = (uint8_t)(bits >> 16);
	bytes[1] = (uint8_t)(bits >> 8);
	bytes[2] = (uint8_t)bits;
	/* RFC 4648 3.5: pad bits are zero, so that a secret has one spelling. */
	return (count == 4) || (count == 3 && bytes[2] == 0) || (count == 2 && bytes[1] == 0 && bytes[2] == 0);
}

bool
bytes_from_base64(const char *text, size_t length, uint8_t *out, size_t *size)
{
	size_t written = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		uint8_t bytes[3];
		size_t count = 4;
		if (i + 4 == length && text[i + 3] == '=')
			count = text[i + 2] == '=' ? 2 : 3;
		if (!base64_group(text + i, count, bytes) || *size - written < count - 1)
			return false;
		memcpy(out + written, bytes, count - 1);
		written += count - 1;
	}
	*size = written;
	return true;
}

void
bytes_to_base64(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)bytes[i] << 16;
		bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= left > 2 ? bytes[i + 2] : 0;
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
}

size_t
bytes_utf8_size(const uint8_t *at, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	uint32_t code = at[0] & (0xffu >> (size + 1));

	if (at[0] < 0xc2 || at[0] > 0xf4 || left < size)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}
