#include "base/arena.h"
#include "base/status.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16
/* Most requests need less than this, so most arenas have one block for life. */
#define BLOCK_BYTES ((size_t)4096)

/* The newest first; the last in the list is the one that a reset keeps. */
struct arena_block {
	struct arena_block *next;
	size_t room;
	_Alignas(ALIGNMENT) char bytes[];
};

void
arena_init(struct arena *arena, size_t cap_bytes)
{
	*arena = (struct arena){.cap_bytes = cap_bytes};
}

static void
arena_use(struct arena *arena, struct arena_block *block)
{
	arena->at = block->bytes;
	arena->end = block->bytes + block->room;
}

/* `size` is rounded already and within the cap. */
static bool
arena_grow(struct arena *arena, size_t size)
{
	/* Doubling keeps the number of blocks small; the cap is about what is used, not about what is reserved. */
	size_t room = arena->blocks ? arena->blocks->room * 2 : BLOCK_BYTES - sizeof(struct arena_block);
	size_t most = arena->cap_bytes > BLOCK_BYTES ? arena->cap_bytes : BLOCK_BYTES;
	if (room > most)
		room = most;
	if (room < size)
		room = size;
	struct arena_block *block = malloc(sizeof *block + room);
	if (!block)
		return false;
	block->room = room;
	block->next = arena->blocks;
	arena->blocks = block;
	arena_use(arena, block);
	return true;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	if (size > arena->cap_bytes)
		return NULL;
	/* Zero bytes get an address of their own too. */
	size_t rounded = size ? (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
	if (rounded > arena->cap_bytes - arena->used_bytes)
		return NULL;
	if ((size_t)(arena->end - arena->at) < rounded && !arena_grow(arena, rounded))
		return NULL;
	void *bytes = arena->at;
	arena->at += rounded;
	arena->used_bytes += rounded;
	return bytes;
}

void *
arena_copy(struct arena *arena, const void *bytes, size_t size)
{
	void *copy = arena_alloc(arena, size);
	if (copy && size)
		memcpy(copy, bytes, size);
	return copy;
}

char *
arena_text(struct arena *arena, const char *text)
{
	return arena_copy(arena, text, strlen(text) + 1);
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return NULL;
	char *text = arena_alloc(arena, (size_t)length + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void
arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	arena->used_bytes = 0;
	if (!block)
		return;
	while (block->next) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
	arena->blocks = block;
	arena_use(arena, block);
}

void
arena_free(struct arena *arena)
{
	arena_reset(arena);
	free(arena->blocks);
	arena_init(arena, arena->cap_bytes);
}
