#include "wire/name.h"
#include "wire/fold.h"

#define LABEL_MAX_SIZE 63
#define POINTER_BITS 0xc0
#define HEADER_SIZE 12 /* no name of a message begins in its header */

size_t
name_size(const uint8_t *name)
{
	size_t at = 0;

	while (name[at] != 0)
		at += name[at] + 1u;
	return at + 1;
}

unsigned
name_labels(const uint8_t *name)
{
	unsigned labels = 0;

	for (; *name != 0; name += *name + 1)
		labels++;
	return labels;
}

/* `copy` is a constant to each caller: neither pays for the other. */
static inline __attribute__((always_inline)) enum status
walk(const uint8_t *wire, size_t wire_size, size_t offset, bool copy, uint8_t *out, size_t *size, size_t *next)
{
	size_t used = 0, at = offset, after = 0, bound = offset;

	for (;;) {
		if (at >= wire_size)
			return STATUS_MALFORMED;
		uint8_t octet = wire[at];
		if (octet > LABEL_MAX_SIZE) {
			if ((octet & POINTER_BITS) != POINTER_BITS || wire_size - at < 2)
				return STATUS_MALFORMED;
			if (after == 0)
				after = at + 2;
			at = (octet & 0x3fu) << 8 | wire[at + 1];
			/*
			 * Each target lies before the part that was begun last, so there is no loop (RFC 1035 4.1.4).
			 */
			if (at >= bound || at < HEADER_SIZE)
				return STATUS_MALFORMED;
			bound = at;
			continue;
		}
		if (wire_size - at < octet + 1u || used + octet + 1u > NAME_MAX_SIZE)
			return STATUS_MALFORMED;
		if (copy)
			memcpy(out + used, wire + at, octet + 1u);
		used += octet + 1u;
		at += octet + 1u;
		if (octet == 0)
			break;
	}
	*size = used;
	*next = after != 0 ? after : at;
	return STATUS_OK;
}

enum status
name_parse(const uint8_t *wire, size_t wire_size, size_t offset, uint8_t *out, size_t *size, size_t *next)
{
	return walk(wire, wire_size, offset, true, out, size, next);
}

enum status
name_skip(const uint8_t *wire, size_t wire_size, size_t offset, size_t *next)
{
	size_t size;

	return walk(wire, wire_size, offset, false, NULL, &size, next);
}

enum status
name_check(const uint8_t *bytes, size_t room, size_t *size)
{
	size_t at = 0;

	for (;;) {
		if (at >= room || bytes[at] > LABEL_MAX_SIZE)
			return STATUS_MALFORMED;
		uint8_t octet = bytes[at];
		at += octet + 1u;
		if (at > room || at > NAME_MAX_SIZE)
			return STATUS_MALFORMED;
		if (octet == 0)
			break;
	}
	*size = at;
	return STATUS_OK;
}

size_t
name_lower(const uint8_t *name, uint8_t *out)
{
	size_t size = name_size(name);

	fold_copy(out, name, size);
	return size;
}

bool
name_equal(const uint8_t *a, const uint8_t *b)
{
	size_t size = name_size(a);

	/* Length octets are below 'A' and compare as themselves; `b` is read only as far as it has been like `a`. */
	for (size_t at = 0; at < size; at++)
		if (fold_octet(a[at]) != fold_octet(b[at]))
			return false;
	return true;
}

/* Where each label begins; the root is not one. */
static unsigned
label_offsets(const uint8_t *name, uint8_t offsets[NAME_MAX_LABELS])
{
	unsigned labels = 0;

	for (unsigned at = 0; name[at] != 0; at += name[at] + 1u)
		offsets[labels++] = (uint8_t)at;
	return labels;
}

static int
label_compare(const uint8_t *a, const uint8_t *b)
{
	unsigned shorter = *a < *b ? *a : *b;

	for (unsigned at = 1; at <= shorter; at++) {
		int difference = fold_octet(a[at]) - fold_octet(b[at]);
		if (difference != 0)
			return difference;
	}
	return *a - *b; /* "the absence of an octet sorts before a zero octet" (RFC 4034 6.1) */
}

int
name_compare(const uint8_t *a, const uint8_t *b)
{
	uint8_t a_offsets[NAME_MAX_LABELS], b_offsets[NAME_MAX_LABELS];
	unsigned a_labels = label_offsets(a, a_offsets), b_labels = label_offsets(b, b_offsets);

	while (a_labels > 0 && b_labels > 0) {
		int difference = label_compare(a + a_offsets[--a_labels], b + b_offsets[--b_labels]);
		if (difference != 0)
			return difference;
	}
	return (a_labels > 0) - (b_labels > 0);
}

bool
name_is_within(const uint8_t *name, const uint8_t *ancestor)
{
	size_t size = name_size(name), ancestor_size = name_size(ancestor);

	while (size > ancestor_size) {
		size -= *name + 1u;
		name += *name + 1;
	}
	return size == ancestor_size && fold_equal(name, ancestor, size);
}

const uint8_t *
name_strip(const uint8_t *name, unsigned labels)
{
	while (labels-- > 0 && *name != 0)
		name += *name + 1;
	return name;
}

bool
name_is_wildcard(const uint8_t *name)
{
	return name[0] == 1 && name[1] == '*';
}

enum status
name_join(const uint8_t *prefix, size_t size, const uint8_t *origin, uint8_t *out)
{
	size_t origin_size = name_size(origin);

	if (size + origin_size > NAME_MAX_SIZE)
		return STATUS_LIMIT;
	memmove(out + size, origin, origin_size);
	memmove(out, prefix, size);
	return STATUS_OK;
}

static bool
is_digit(char character)
{
	return character >= '0' && character <= '9';
}

/* One octet of a label: a character, \X or \DDD (RFC 1035 5.1). False: a broken escape. */
static bool
octet_from_text(const char *text, size_t length, size_t *at, uint8_t *octet)
{
	if (text[*at] != '\\') {
		*octet = (uint8_t)text[(*at)++];
		return true;
	}
	if (length - *at < 2)
		return false;
	const char *escape = text + *at + 1;
	if (!is_digit(escape[0])) {
		*octet = (uint8_t)escape[0];
		*at += 2;
		return true;
	}
	if (length - *at < 4 || !is_digit(escape[1]) || !is_digit(escape[2]))
		return false;
	int value = (escape[0] - '0') * 100 + (escape[1] - '0') * 10 + (escape[2] - '0');
	*octet = (uint8_t)value;
	*at += 4;
	return value <= 255;
}

/* The labels of the text without the root; *absolute where it ends in a dot. */
static enum status
labels_from_text(const char *text, size_t length, uint8_t *out, size_t *size, bool *absolute)
{
	size_t at = 0, label = 0, used = 1;

	*absolute = false;
	while (at < length) {
		uint8_t octet;
		if (text[at] == '.') {
			if (used - label == 1)
				return STATUS_INVALID; /* an empty label */
			out[label] = (uint8_t)(used - label - 1);
			label = used++;
			*absolute = ++at == length;
			if (used > NAME_MAX_SIZE)
				return STATUS_INVALID;
			continue;
		}
		if (!octet_from_text(text, length, &at, &octet))
			return STATUS_INVALID;
		if (used - label > LABEL_MAX_SIZE || used >= NAME_MAX_SIZE)
			return STATUS_INVALID;
		out[used++] = octet;
	}
	if (!*absolute) {
		out[label] = (uint8_t)(used - label - 1);
		label = used;
	}
	*size = label;
	return STATUS_OK;
}

enum status
name_from_text(const char *text, size_t length, const uint8_t *origin, uint8_t *out)
{
	uint8_t labels[NAME_MAX_SIZE + 1];
	size_t size;
	bool absolute;

	if (length == 0)
		return STATUS_INVALID;
	if (length == 1 && text[0] == '.') {
		out[0] = 0;
		return STATUS_OK;
	}
	if (length == 1 && text[0] == '@') {
		if (origin == NULL)
			return STATUS_INVALID;
		memmove(out, origin, name_size(origin));
		return STATUS_OK;
	}
	enum status status = labels_from_text(text, length, labels, &size, &absolute);
	if (status != STATUS_OK)
		return status;
	if (!absolute && origin == NULL)
		return STATUS_INVALID;
	if (name_join(labels, size, absolute ? (const uint8_t *)"" : origin, out) != STATUS_OK)
		return STATUS_INVALID;
	return STATUS_OK;
}

/* What stands for itself in a master file, a shell-free log line and JSON alike. */
static bool
is_plain(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') || (octet >= '0' && octet <= '9') ||
	       octet == '-' || octet == '_' || octet == '*' || octet == '/' || octet == '+' || octet == ':' ||
	       octet == '=' || octet == '#' || octet == '!' || octet == '%' || octet == '&' || octet == '\'' ||
	       octet == ',' || octet == '<' || octet == '>' || octet == '?' || octet == '[' || octet == ']' ||
	       octet == '^' || octet == '`' || octet == '{' || octet == '|' || octet == '}' || octet == '~';
}

/* The labels in front of `end`, dots between them; returns the place behind. */
static char *
labels_to_text(const uint8_t *name, const uint8_t *end, char *out)
{
	for (const uint8_t *label = name; label < end; label += *label + 1) {
		if (label != name)
			*out++ = '.';
		for (unsigned at = 1; at <= *label; at++) {
			uint8_t octet = label[at];
			if (is_plain(octet)) {
				*out++ = (char)octet;
				continue;
			}
			*out++ = '\\';
			if (octet > ' ' && octet < 0x7f) {
				*out++ = (char)octet;
				continue;
			}
			*out++ = (char)('0' + octet / 100);
			*out++ = (char)('0' + octet / 10 % 10);
			*out++ = (char)('0' + octet % 10);
		}
	}
	return out;
}

const char *
name_to_text(const uint8_t *name, char *out)
{
	char *at = labels_to_text(name, name + name_size(name) - 1, out);

	*at++ = '.';
	*at = '\0';
	return out;
}

const char *
name_to_text_relative(const uint8_t *name, const uint8_t *origin, char *out)
{
	if (!name_is_within(name, origin))
		return name_to_text(name, out);
	size_t prefix = name_size(name) - name_size(origin);
	if (prefix == 0) {
		memcpy(out, "@", 2);
		return out;
	}
	*labels_to_text(name, name + prefix, out) = '\0';
	return out;
}
