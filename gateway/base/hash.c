#include "base/hash.h"
#include "base/random.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_seed;

void
hash_init(void)
{
	random_bytes(&hash_seed, sizeof hash_seed);
}

uint64_t
hash_bytes(const void *bytes, size_t size)
{
	return XXH3_64bits_withSeed(bytes, size, hash_seed);
}
