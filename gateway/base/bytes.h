/*
 * Bounded big-endian access to bytes: the only place that moves a wire pointer.
 *
 * Threads:   no state; a reader or writer belongs to one thread.
 * Memory:    borrowed; nothing is allocated.
 * Errors:    sticky: a read past the end returns 0 and sets `failed`; a write past the end writes nothing and sets
 *            `failed`. Check once, at the end.
 */
#ifndef ZONEGATE_BASE_BYTES_H
#define ZONEGATE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *base, *at, *end;
	bool failed;
};

struct writer {
	uint8_t *base, *at, *end;
	bool failed;
};

/* Unchecked access at a pointer that the caller has checked. */
static inline uint16_t bytes_get_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t bytes_get_u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return __builtin_bswap32(v); }
static inline uint64_t bytes_get_u64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return __builtin_bswap64(v); }
static inline void bytes_put_u16(uint8_t *at, uint16_t v) { at[0] = (uint8_t)(v >> 8); at[1] = (uint8_t)v; }
static inline void bytes_put_u32(uint8_t *at, uint32_t v) { v = __builtin_bswap32(v); memcpy(at, &v, 4); }
static inline void bytes_put_u64(uint8_t *at, uint64_t v) { v = __builtin_bswap64(v); memcpy(at, &v, 8); }

/* memcpy for what is mostly short: names and RDATA, of which a call would cost more than the copy. */
static inline void
bytes_copy(uint8_t *to, const uint8_t *from, size_t size)
{
	if (size > 64) {
		memcpy(to, from, size);
	} else if (size >= 16) {
		uint8_t last[16];
		memcpy(last, from + size - 16, 16);
		for (size_t at = 0; at + 16 < size; at += 16)
			memcpy(to + at, from + at, 16);
		memcpy(to + size - 16, last, 16);
	} else if (size >= 8) {
		uint64_t first, last;
		memcpy(&first, from, 8);
		memcpy(&last, from + size - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + size - 8, &last, 8);
	} else if (size >= 4) {
		uint32_t first, last;
		memcpy(&first, from, 4);
		memcpy(&last, from + size - 4, 4);
		memcpy(to, &first, 4);
		memcpy(to + size - 4, &last, 4);
	} else {
		for (size_t at = 0; at < size; at++)
			to[at] = from[at];
	}
}

static inline struct reader
reader_over(const uint8_t *bytes, size_t size)
{
	return (struct reader){.base = bytes, .at = bytes, .end = bytes + size};
}

static inline size_t reader_left(const struct reader *in) { return (size_t)(in->end - in->at); }
static inline size_t reader_offset(const struct reader *in) { return (size_t)(in->at - in->base); }

/* The next `size` bytes, or NULL and `failed`. */
static inline const uint8_t *
reader_take(struct reader *in, size_t size)
{
	if (reader_left(in) < size) {
		in->failed = true;
		return NULL;
	}
	const uint8_t *at = in->at;
	in->at += size;
	return at;
}

static inline uint8_t reader_u8(struct reader *in) { const uint8_t *p = reader_take(in, 1); return p ? p[0] : 0; }
static inline uint16_t
reader_u16(struct reader *in)
{
	const uint8_t *p = reader_take(in, 2);
	return p ? bytes_get_u16(p) : 0;
}
static inline uint32_t
reader_u32(struct reader *in)
{
	const uint8_t *p = reader_take(in, 4);
	return p ? bytes_get_u32(p) : 0;
}
static inline uint64_t reader_u48(struct reader *in) { uint64_t hi = reader_u16(in); return hi << 32 | reader_u32(in); }
static inline uint64_t
reader_u64(struct reader *in)
{
	const uint8_t *p = reader_take(in, 8);
	return p ? bytes_get_u64(p) : 0;
}

static inline struct writer
writer_over(uint8_t *bytes, size_t size)
{
	return (struct writer){.base = bytes, .at = bytes, .end = bytes + size};
}

static inline size_t writer_left(const struct writer *out) { return (size_t)(out->end - out->at); }
static inline size_t writer_size(const struct writer *out) { return (size_t)(out->at - out->base); }

/* Room for `size` bytes, or NULL and `failed`. */
static inline uint8_t *
writer_room(struct writer *out, size_t size)
{
	if (out->failed || writer_left(out) < size) {
		out->failed = true;
		return NULL;
	}
	uint8_t *at = out->at;
	out->at += size;
	return at;
}

static inline void writer_u8(struct writer *out, uint8_t v) { uint8_t *p = writer_room(out, 1); if (p) p[0] = v; }
static inline void
writer_u16(struct writer *out, uint16_t v)
{
	uint8_t *p = writer_room(out, 2);
	if (p)
		bytes_put_u16(p, v);
}
static inline void
writer_u32(struct writer *out, uint32_t v)
{
	uint8_t *p = writer_room(out, 4);
	if (p)
		bytes_put_u32(p, v);
}
static inline void
writer_u48(struct writer *out, uint64_t v)
{
	writer_u16(out, (uint16_t)(v >> 32));
	writer_u32(out, (uint32_t)v);
}
static inline void
writer_u64(struct writer *out, uint64_t v)
{
	uint8_t *p = writer_room(out, 8);
	if (p)
		bytes_put_u64(p, v);
}
static inline void
writer_bytes(struct writer *out, const void *bytes, size_t size)
{
	uint8_t *p = writer_room(out, size);
	if (p && size)
		memcpy(p, bytes, size);
}

/* Lower-case or upper-case hexadecimal to bytes; false on anything else or an odd count. */
bool bytes_from_hex(const char *hex, size_t digits, uint8_t *out);
/* `out` takes 2 * size + 1 characters, lower case. */
void bytes_to_hex(const uint8_t *bytes, size_t size, char *out);
/*
 * RFC 4648 base64, padded; *size is the room in `out` before and the bytes written after; false if malformed or too
 * big.
 */
bool bytes_from_base64(const char *text, size_t length, uint8_t *out, size_t *size);
/* `out` takes 4 * ((size + 2) / 3) + 1 characters. */
void bytes_to_base64(const uint8_t *bytes, size_t size, char *out);
/*
 * Octets of the UTF-8 sequence that begins here, of which one is left at least (RFC 3629 4), if it is one of several;
 * 0: it is none.
 */
size_t bytes_utf8_size(const uint8_t *at, size_t left);

#endif
