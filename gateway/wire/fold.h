/*
 * ASCII case folding (RFC 4343) of whole names at once: length octets are below 'A' and fold to themselves.
 *
 * Threads:   any; no state.
 * Memory:    nothing is read or written outside the `size` octets given.
 */
#ifndef ZONEGATE_WIRE_FOLD_H
#define ZONEGATE_WIRE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t fold_block __attribute__((vector_size(16)));

static inline uint8_t
fold_octet(uint8_t octet)
{
	return (uint8_t)((uint8_t)(octet - 'A') < 26 ? octet | 0x20 : octet);
}

static inline fold_block
fold_lower(fold_block block)
{
	/*
	 * Moved so that A to Z are the 26 lowest of the signed range: SSE2 compares signed octets in one instruction.
	 */
	typedef int8_t signed_block __attribute__((vector_size(16)));
	signed_block moved = (signed_block)(block + (uint8_t)(0x80 - 'A'));
	fold_block upper = (fold_block)(moved < (int8_t)(-128 + 26));
	return block | (upper & 0x20);
}

static inline fold_block
fold_load(const uint8_t *at)
{
	fold_block block;

	memcpy(&block, at, 16);
	return fold_lower(block);
}

static inline uint64_t
fold_word(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = word & ones * 0x7f;
	uint64_t upper = ((low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z'))) & ~word & ones * 0x80;

	return word | upper >> 2;
}

/* Lower case; `out` may be `in`. Short tails are covered by a last block that overlaps the one before. */
static inline __attribute__((always_inline)) void
fold_copy(uint8_t *out, const uint8_t *in, size_t size)
{
	if (size >= 16) {
		fold_block last = fold_load(in + size - 16);
		for (size_t at = 0; at + 16 < size; at += 16) {
			fold_block block = fold_load(in + at);
			memcpy(out + at, &block, 16);
		}
		memcpy(out + size - 16, &last, 16);
	} else if (size >= 8) {
		typedef uint64_t fold_words __attribute__((vector_size(16)));
		uint64_t first, last;
		memcpy(&first, in, 8);
		memcpy(&last, in + size - 8, 8);
		fold_words words = (fold_words)fold_lower((fold_block)(fold_words){first, last});
		first = words[0];
		last = words[1];
		memcpy(out, &first, 8);
		memcpy(out + size - 8, &last, 8);
	} else {
		for (size_t at = 0; at < size; at++)
			out[at] = fold_octet(in[at]);
	}
}

static inline bool
fold_equal_word(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	if (((x ^ y) & ~0x2020202020202020u) != 0)
		return false;
	return x == y || fold_word(x) == fold_word(y);
}

/* `size` octets of both, case ignored. Nearly always they are equal to the octet, so that is asked first. */
static inline bool
fold_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	if (size < 8) {
		for (size_t at = 0; at < size; at++)
			if (a[at] != b[at] && fold_octet(a[at]) != fold_octet(b[at]))
				return false;
		return true;
	}
	for (size_t at = 0; at + 8 < size; at += 8)
		if (!fold_equal_word(a + at, b + at))
			return false;
	return fold_equal_word(a + size - 8, b + size - 8);
}

#endif
