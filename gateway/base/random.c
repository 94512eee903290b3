#include "base/random.h"
#include "base/status.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* One system call serves some sixty DNS message IDs or notify jitters. */
#define POOL_BYTES 256

static _Thread_local struct {
	uint8_t bytes[POOL_BYTES];
	size_t left;
} pool;

/* From the kernel, whole. */
static void
random_fill(uint8_t *out, size_t size)
{
	while (size > 0) {
		ssize_t got = getrandom(out, size, 0);
		/* No entropy interface at all: nothing that we do would be safe. */
		invariant(got > 0 || errno == EINTR);
		if (got > 0) {
			out += got;
			size -= (size_t)got;
		}
	}
}

void
random_bytes(void *out, size_t size)
{
	if (size == 0)
		return;
	if (size > POOL_BYTES / 4) {
		random_fill(out, size);
		return;
	}
	if (pool.left < size) {
		random_fill(pool.bytes, POOL_BYTES);
		pool.left = POOL_BYTES;
	}
	pool.left -= size;
	memcpy(out, pool.bytes + pool.left, size);
	/* What was handed out may be a secret: it does not stay here. */
	explicit_bzero(pool.bytes + pool.left, size);
}

uint32_t
random_below(uint32_t bound)
{
	require(bound > 0);
	/* The lowest 2^32 mod bound numbers would make small results likelier: draw again. */
	uint32_t lowest = -bound % bound;
	uint32_t drawn;

	do {
		random_bytes(&drawn, sizeof drawn);
	} while (drawn < lowest);
	return drawn % bound;
}
