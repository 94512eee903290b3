#include "wire/rdata.h"
#include "base/bytes.h"
#include "wire/fold.h"
#include "wire/name.h"
#include "wire/rrtype.h"
#include "wire/svcb.h"

/*
 * One walk serves both: with `out` it expands, without it only checks. `wire` is the message, or the RDATA itself where
 * it is plain.
 */
struct walk {
	const uint8_t *wire;
	size_t wire_size, start, at, end;
	bool plain;
	uint8_t *out;
	size_t room, used;
};

static enum status
put(struct walk *walk, const uint8_t *bytes, size_t size)
{
	if (walk->out == NULL)
		return STATUS_OK;
	if (walk->room - walk->used < size)
		return STATUS_LIMIT;
	memcpy(walk->out + walk->used, bytes, size);
	walk->used += size;
	return STATUS_OK;
}

static size_t
left(const struct walk *walk)
{
	return walk->end - walk->at;
}

static enum status
octets(struct walk *walk, size_t size)
{
	if (left(walk) < size)
		return STATUS_MALFORMED;
	const uint8_t *bytes = walk->wire + walk->at;
	walk->at += size;
	return put(walk, bytes, size);
}

static enum status
rest(struct walk *walk, size_t least)
{
	return left(walk) < least ? STATUS_MALFORMED : octets(walk, left(walk));
}

static enum status
plain_name(struct walk *walk)
{
	size_t size;

	if (name_check(walk->wire + walk->at, left(walk), &size) != STATUS_OK)
		return STATUS_MALFORMED;
	return octets(walk, size);
}

static enum status
compressed_name(struct walk *walk)
{
	uint8_t name[NAME_MAX_SIZE];
	size_t size, next;

	if (walk->plain)
		return plain_name(walk);
	/* Pointers lead backwards, so a name that begins inside is over before `end` unless it has run past it. */
	if (name_parse(walk->wire, walk->wire_size, walk->at, name, &size, &next) != STATUS_OK || next > walk->end)
		return STATUS_MALFORMED;
	walk->at = next;
	return put(walk, name, size);
}

static enum status
string(struct walk *walk)
{
	return left(walk) < 1 ? STATUS_MALFORMED : octets(walk, walk->wire[walk->at] + 1u);
}

static enum status
strings(struct walk *walk)
{
	enum status status;

	do
		status = string(walk);
	while (status == STATUS_OK && left(walk) > 0);
	return status;
}

/* A tag of CAA (RFC 8659 4.1) and an X.121 address (RFC 1183 3.1). */
static enum status
ascii_string(struct walk *walk, bool letters, unsigned least)
{
	const uint8_t *text = walk->wire + walk->at;

	if (left(walk) < 1 || *text < least || left(walk) < *text + 1u)
		return STATUS_MALFORMED;
	for (unsigned at = 1; at <= *text; at++) {
		bool digit = text[at] >= '0' && text[at] <= '9';
		if (!digit && !(letters && (uint8_t)(fold_octet(text[at]) - 'a') < 26))
			return STATUS_MALFORMED;
	}
	return string(walk);
}

/* Windows in increasing order, of 1 to 32 octets, the last of them not zero (RFC 4034 4.1.2). */
static enum status
bitmap(struct walk *walk, bool empty)
{
	const uint8_t *map = walk->wire + walk->at;
	size_t size = left(walk), at = 0;
	int last = -1;

	if (size == 0 && !empty)
		return STATUS_MALFORMED;
	while (at < size) {
		if (size - at < 3 || map[at] <= last || map[at + 1] == 0 || map[at + 1] > 32)
			return STATUS_MALFORMED;
		last = map[at];
		at += 2u + map[at + 1];
		if (at > size || map[at - 1] == 0)
			return STATUS_MALFORMED;
	}
	return rest(walk, 0);
}

/* An algorithm octet and what it makes; sizes[algorithm] 0 where nothing is known of it. */
static enum status
digest(struct walk *walk, const uint8_t *sizes, size_t count, size_t least)
{
	if (left(walk) < 1 + least)
		return STATUS_MALFORMED;
	uint8_t algorithm = walk->wire[walk->at];
	if (algorithm < count && sizes[algorithm] != 0 && left(walk) != 1u + sizes[algorithm])
		return STATUS_MALFORMED;
	return rest(walk, 0);
}

/* Mantissa and exponent, one digit each (RFC 1876 2). */
static bool
loc_size_is_good(uint8_t size)
{
	return size == 0 || (size >> 4 != 0 && size >> 4 <= 9 && (size & 15) <= 9);
}

static enum status
loc(struct walk *walk)
{
	const uint8_t *at = walk->wire + walk->at;
	const int64_t equator = 1u << 31, degree = 3600000;

	if (left(walk) != 16 || at[0] != 0)
		return STATUS_MALFORMED;
	int64_t latitude = bytes_get_u32(at + 4) - equator, longitude = bytes_get_u32(at + 8) - equator;
	if (!loc_size_is_good(at[1]) || !loc_size_is_good(at[2]) || !loc_size_is_good(at[3]) ||
	    latitude > 90 * degree || latitude < -90 * degree || longitude > 180 * degree || longitude < -180 * degree)
		return STATUS_MALFORMED;
	return rest(walk, 16);
}

/* Address family, prefix, length; the address part has no trailing zero octets (RFC 3123 4). */
static enum status
apl(struct walk *walk)
{
	const uint8_t *items = walk->wire + walk->at;
	size_t size = left(walk), at = 0;

	while (at < size) {
		if (size - at < 4)
			return STATUS_MALFORMED;
		unsigned family = bytes_get_u16(items + at), length = items[at + 3] & 0x7f;
		if ((family != 1 && family != 2) || items[at + 2] > (family == 1 ? 32 : 128) ||
		    length > (family == 1 ? 4 : 16) || size - at - 4 < length ||
		    (length > 0 && items[at + 3 + length] == 0))
			return STATUS_MALFORMED;
		at += 4 + length;
	}
	return rest(walk, 0);
}

/* Nothing, IPv4, IPv6 or a name (RFC 4025 2.3, RFC 8777 4.2.3). */
static enum status
relay(struct walk *walk, unsigned kind)
{
	switch (kind) {
	case 0:
		return STATUS_OK;
	case 1:
		return octets(walk, 4);
	case 2:
		return octets(walk, 16);
	case 3:
		return plain_name(walk);
	default:
		return STATUS_MALFORMED;
	}
}

static enum status
ipseckey(struct walk *walk)
{
	const uint8_t *at = walk->wire + walk->at;
	enum status status = octets(walk, 3);

	if (status == STATUS_OK)
		status = relay(walk, at[1]);
	/* Algorithm 0: no key (RFC 4025 2.4). */
	return status == STATUS_OK ? rest(walk, at[2] == 0 ? 0 : 1) : status;
}

static enum status
amtrelay(struct walk *walk)
{
	const uint8_t *at = walk->wire + walk->at;
	enum status status = octets(walk, 2);

	return status == STATUS_OK ? relay(walk, at[1] & 0x7f) : status;
}

/* RFC 8005 5. */
static enum status
hip(struct walk *walk)
{
	const uint8_t *at = walk->wire + walk->at;

	if (left(walk) < 4 || at[0] == 0 || bytes_get_u16(at + 2) == 0)
		return STATUS_MALFORMED;
	enum status status = octets(walk, 4u + at[0] + bytes_get_u16(at + 2));
	while (status == STATUS_OK && left(walk) > 0)
		status = plain_name(walk);
	return status;
}

/* RFC 2874 3.1. */
static enum status
a6(struct walk *walk)
{
	const uint8_t *at = walk->wire + walk->at;

	if (left(walk) < 1 || at[0] > 128)
		return STATUS_MALFORMED;
	unsigned suffix = 16u - at[0] / 8u;
	if (left(walk) < 1 + suffix || (suffix > 0 && (at[1] & ~(0xff >> at[0] % 8)) != 0))
		return STATUS_MALFORMED;
	enum status status = octets(walk, 1 + suffix);
	return status == STATUS_OK && at[0] != 0 ? plain_name(walk) : status;
}

static enum status
svcb(struct walk *walk)
{
	bool alias = bytes_get_u16(walk->wire + walk->start) == 0;

	return svcb_check(walk->wire + walk->at, left(walk), alias) ? rest(walk, 0) : STATUS_MALFORMED;
}

static enum status
field(struct walk *walk, char kind)
{
	static const uint8_t ds_sizes[] = {0, 20, 32, 32, 48}, sshfp_sizes[] = {0, 20, 32},
			     zonemd_sizes[] = {0, 48, 64};

	switch (kind) {
	case '1': case '2': case '4': case '6': case '8':
		return octets(walk, (size_t)(kind - '0'));
	case 'a': return octets(walk, 4);
	case 'A': return octets(walk, 16);
	case 'n': case 'N': return compressed_name(walk);
	case 'U': case 'u': return plain_name(walk);
	case 'c': return string(walk);
	case 'C': return strings(walk);
	case 'o': return left(walk) > 0 ? string(walk) : STATUS_OK;
	case 't': return ascii_string(walk, true, 1);
	case 'x': return ascii_string(walk, false, 4);
	case 'H': return left(walk) > 0 && walk->wire[walk->at] > 0 ? string(walk) : STATUS_MALFORMED;
	case '*': return rest(walk, 1);
	case '?': return rest(walk, 0);
	case 's': return svcb(walk);
	case 'b': return bitmap(walk, true);
	case 'B': return bitmap(walk, false);
	case 'd': return digest(walk, ds_sizes, sizeof ds_sizes, 1);
	case 'f': return digest(walk, sshfp_sizes, sizeof sshfp_sizes, 1);
	case 'z': return digest(walk, zonemd_sizes, sizeof zonemd_sizes, 12); /* RFC 8976 2.2.4 */
	case 'l': return loc(walk);
	case 'p': return apl(walk);
	case 'g': return ipseckey(walk);
	case 'm': return amtrelay(walk);
	case 'h': return hip(walk);
	case 'q': return a6(walk);
	default: break;
	}
	invariant(!"a letter of the type table");
	return STATUS_INVALID;
}

static enum status
walk_shape(struct walk *walk, uint16_t type)
{
	const char *shape = rrtype_info(type)->shape;
	enum status status = STATUS_OK;

	if (shape == NULL)
		return rest(walk, 0);
	for (; *shape != '\0' && status == STATUS_OK; shape++)
		status = field(walk, *shape);
	return status == STATUS_OK && left(walk) > 0 ? STATUS_MALFORMED : status;
}

enum status
rdata_check(const uint8_t *wire, size_t wire_size, size_t offset, size_t size, uint16_t type)
{
	if (offset > wire_size || wire_size - offset < size)
		return STATUS_MALFORMED;
	struct walk walk = {.wire = wire, .wire_size = wire_size, .start = offset, .at = offset, .end = offset + size};
	return walk_shape(&walk, type);
}

enum status
rdata_expand(const uint8_t *wire, size_t wire_size, size_t offset, size_t size, uint16_t type,
             uint8_t *out, size_t room, size_t *out_size)
{
	if (offset > wire_size || wire_size - offset < size)
		return STATUS_MALFORMED;
	struct walk walk = {.wire = wire, .wire_size = wire_size, .start = offset, .at = offset, .end = offset + size,
	                    .out = out, .room = room < RDATA_MAX_SIZE ? room : RDATA_MAX_SIZE};
	enum status status = walk_shape(&walk, type);
	if (status == STATUS_OK)
		*out_size = walk.used;
	return status;
}

enum status
rdata_check_plain(const uint8_t *rdata, size_t size, uint16_t type)
{
	if (size > RDATA_MAX_SIZE)
		return STATUS_MALFORMED;
	struct walk walk = {.wire = rdata, .wire_size = size, .end = size, .plain = true};
	return walk_shape(&walk, type);
}

static bool
is_name(char kind)
{
	return kind == 'n' || kind == 'N' || kind == 'U' || kind == 'u';
}

/* Octets of a field at the start of checked plain RDATA; 0 where the field, or what it is, only ends with the RDATA. */
static size_t
field_size(const uint8_t *at, char kind)
{
	switch (kind) {
	case '1': case '2': case '4': case '6': case '8':
		return (size_t)(kind - '0');
	case 'a': return 4;
	case 'A': return 16;
	case 'n': case 'N': case 'U': case 'u': return name_size(at);
	case 'c': case 't': case 'x': case 'H': return *at + 1u;
	default: return 0;
	}
}

/* Both from the same place, `size` octets at most; the shorter comes first where one ends. */
static int
compare_octets(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	size_t shorter = a_size < b_size ? a_size : b_size;
	int difference = shorter > 0 ? memcmp(a, b, shorter) : 0;

	return difference != 0 ? difference : (a_size > b_size) - (a_size < b_size);
}

static int
compare_folded(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	for (size_t at = 0; at < a_size && at < b_size; at++) {
		int difference = fold_octet(a[at]) - fold_octet(b[at]);
		if (difference != 0)
			return difference;
	}
	return (a_size > b_size) - (a_size < b_size);
}

/*
 * Field by field along `a`: as long as the fields before were equal, those of `b` begin at the same places, and at the
 * first difference the order is known.
 */
int
rdata_compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint16_t type)
{
	const char *shape = rrtype_info(type)->shape;
	size_t at = 0;

	if (shape == NULL || strpbrk(shape, "nNUq") == NULL)
		return compare_octets(a, a_size, b, b_size);
	if (*shape == 'q' && a_size > 0) {
		at = 17u - a[0] / 8u;
		int difference = compare_octets(a, at < a_size ? at : a_size, b, at < b_size ? at : b_size);
		return difference != 0 ? difference : compare_folded(a + at, a_size - at, b + at, b_size - at);
	}
	for (; *shape != '\0' && at < a_size && at < b_size; shape++) {
		size_t size = field_size(a + at, *shape), b_left = b_size - at < size ? b_size - at : size;
		if (size == 0)
			break;
		int difference = is_name(*shape) && *shape != 'u' ? compare_folded(a + at, size, b + at, b_left)
		                                                  : compare_octets(a + at, size, b + at, b_left);
		if (difference != 0)
			return difference;
		at += size;
	}
	return compare_octets(a + at, a_size - at, b + at, b_size - at);
}

bool
rdata_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint16_t type)
{
	return a_size == b_size &&
	       (a_size == 0 || memcmp(a, b, a_size) == 0 || rdata_compare(a, a_size, b, b_size, type) == 0);
}

const uint8_t *
rdata_name(const uint8_t *rdata, size_t size, uint16_t type, unsigned n)
{
	const char *shape = rrtype_info(type)->shape;
	size_t at = 0;

	for (; shape != NULL && *shape != '\0' && at < size; shape++) {
		if (is_name(*shape) && n-- == 0)
			return rdata + at;
		size_t step = field_size(rdata + at, *shape);
		if (step == 0)
			return NULL;
		at += step;
	}
	return NULL;
}

void
rdata_lower(const uint8_t *rdata, size_t size, uint16_t type, uint8_t *out)
{
	const char *shape = rrtype_info(type)->shape;
	size_t at = 0;

	memcpy(out, rdata, size);
	if (shape != NULL && *shape == 'q' && size > 0) /* A6: what is after the address, if anything */
		for (at = 17u - rdata[0] / 8u; at < size; at++)
			out[at] = (uint8_t)fold_octet(rdata[at]);
	for (; shape != NULL && *shape != '\0' && at < size; shape++) {
		size_t step = field_size(rdata + at, *shape);
		if (step == 0)
			return;
		if (is_name(*shape) && *shape != 'u')
			name_lower(rdata + at, out + at);
		at += step;
	}
}

/* The five numbers of an SOA are its last 20 octets (RFC 1035 3.3.13). */
#define SOA_NUMBERS 20

uint32_t
rdata_soa_serial(const uint8_t *rdata, size_t size)
{
	require(size >= SOA_NUMBERS);
	return bytes_get_u32(rdata + size - SOA_NUMBERS);
}

uint32_t
rdata_soa_minimum(const uint8_t *rdata, size_t size)
{
	require(size >= SOA_NUMBERS);
	return bytes_get_u32(rdata + size - 4);
}

void
rdata_soa_set_serial(uint8_t *rdata, size_t size, uint32_t serial)
{
	require(size >= SOA_NUMBERS);
	bytes_put_u32(rdata + size - SOA_NUMBERS, serial);
}
