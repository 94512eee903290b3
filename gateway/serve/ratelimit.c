#include "serve/ratelimit.h"
#include "base/hash.h"
#include "base/network.h"
#include <stdlib.h>
#include <string.h>

#define BUCKETS 65536
#define WAYS 4                  /* buckets of a set: a cache line */
#define RESPONSE_MICRO \
	1000000 /* one response, in what a bucket is filled with: rate_milli each millisecond, over the workers */
#define IPV4_BITS 24
#define IPV6_BITS 56

struct bucket {
	uint32_t tag;           /* 0: empty */
	uint32_t time_ms;       /* when `level` was right */
	uint32_t level;         /* what may be sent, in millionths of a response */
	uint32_t limited;       /* responses that were over the limit */
};

struct ratelimit {
	unsigned workers;
	struct bucket *buckets;
};

struct ratelimit *
ratelimit_new(unsigned workers)
{
	struct ratelimit *limit = calloc(1, sizeof *limit);

	require(workers > 0);
	if (limit == NULL)
		return NULL;
	limit->workers = workers;
	/* calloc: the system gives pages as they are touched. */
	limit->buckets = calloc(BUCKETS + WAYS, sizeof *limit->buckets);
	if (limit->buckets != NULL)
		return limit;
	free(limit);
	return NULL;
}

void
ratelimit_free(struct ratelimit *limit)
{
	if (limit == NULL)
		return;
	free(limit->buckets);
	free(limit);
}

/* Of network and kind; the seed keeps strangers from choosing whose bucket they share. */
static uint64_t
hash_client(const struct sockaddr_storage *client, enum ratelimit_kind kind)
{
	uint8_t key[NETWORK_SIZE + 1];

	network_of((const struct sockaddr *)client, IPV4_BITS, IPV6_BITS, key);
	key[NETWORK_SIZE] = (uint8_t)kind;
	return hash_bytes(key, sizeof key);
}

/* Most a bucket holds: what comes in a second, and never less than one response. */
static uint32_t
depth_of(const struct ratelimit *limit, const struct ratelimit_settings *settings)
{
	uint64_t second = (uint64_t)settings->rate_milli * 1000 / limit->workers;

	return second < RESPONSE_MICRO ? RESPONSE_MICRO : second > UINT32_MAX ? UINT32_MAX : (uint32_t)second;
}

static uint32_t
level_now(const struct ratelimit *limit, const struct ratelimit_settings *settings, const struct bucket *bucket,
	  uint32_t now_ms)
{
	uint64_t gain = (uint64_t)settings->rate_milli * (uint32_t)(now_ms - bucket->time_ms) / limit->workers;
	uint64_t level = bucket->level + gain;
	uint32_t depth = depth_of(limit, settings);

	return level > depth ? depth : (uint32_t)level;
}

/* The bucket of that tag; where there is none, a new one in the place of the fullest. */
static struct bucket *
find_bucket(struct ratelimit *limit, const struct ratelimit_settings *settings, uint64_t hash, uint32_t now_ms)
{
	struct bucket *set = &limit->buckets[hash % (BUCKETS / WAYS) * WAYS], *fullest = set;
	uint32_t tag = (uint32_t)(hash >> 32) | 1, most = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		uint32_t level = set[i].tag == 0 ? UINT32_MAX : level_now(limit, settings, &set[i], now_ms);
		if (level > most) {
			most = level;
			fullest = &set[i];
		}
	}
	*fullest = (struct bucket){.tag = tag, .time_ms = now_ms, .level = depth_of(limit, settings)};
	return fullest;
}

enum ratelimit_verdict
ratelimit_take(struct ratelimit *limit, const struct ratelimit_settings *settings,
	       const struct sockaddr_storage *client, enum ratelimit_kind kind, uint64_t now_ms)
{
	struct bucket *bucket = find_bucket(limit, settings, hash_client(client, kind), (uint32_t)now_ms);

	require(settings->rate_milli > 0);
	bucket->level = level_now(limit, settings, bucket, (uint32_t)now_ms);
	bucket->time_ms = (uint32_t)now_ms;
	if (bucket->level >= RESPONSE_MICRO) {
		bucket->level -= RESPONSE_MICRO;
		return RATELIMIT_SEND;
	}
	bucket->limited++;
	return settings->slip > 0 && bucket->limited % settings->slip == 0 ? RATELIMIT_SLIP : RATELIMIT_DROP;
}
