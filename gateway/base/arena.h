/*
 * A bump allocator with a hard cap: one for each request, freed at once.
 *
 * Threads:   an arena belongs to one thread at a time.
 * Memory:    blocks from malloc, kept at reset up to the first block. Everything is 16-byte aligned
 *            and counts for the cap with its padding.
 * Errors:    NULL at the cap or when the system has no memory: STATUS_LIMIT for the caller.
 */
#ifndef ZONEGATE_BASE_ARENA_H
#define ZONEGATE_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	char *at, *end;
	size_t used_bytes, cap_bytes;
};

/* Allocates nothing yet. */
void arena_init(struct arena *arena, size_t cap_bytes);
void *arena_alloc(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *bytes, size_t size);
char *arena_text(struct arena *arena, const char *text);
/* printf into the arena; NULL at the cap. */
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format, ...);
/* Forget everything; the first block is kept for the next use. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
