#include "base/quota.h"
#include "base/hash.h"
#include "base/network.h"
#include "base/status.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

struct quota_host {
	struct quota_host *chain;
	uint8_t host[NETWORK_SIZE];
	uint32_t count;
};

struct quota {
	pthread_mutex_t mutex;
	uint32_t most;
	struct quota_host *spare; /* for the next new address */
	struct quota_host *buckets[BUCKETS];
};

struct quota *
quota_new(uint32_t most)
{
	struct quota *quota = calloc(1, sizeof *quota);

	if (quota == NULL)
		return NULL;
	quota->most = most;
	pthread_mutex_init(&quota->mutex, NULL);
	return quota;
}

void
quota_free(struct quota *quota)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (quota->buckets[i]) {
			struct quota_host *host = quota->buckets[i];
			quota->buckets[i] = host->chain;
			free(host);
		}
	}
	free(quota->spare);
	pthread_mutex_destroy(&quota->mutex);
	free(quota);
}

static struct quota_host **
find(struct quota *quota, const uint8_t host[NETWORK_SIZE])
{
	struct quota_host **link = &quota->buckets[hash_bytes(host, NETWORK_SIZE) % BUCKETS];

	while (*link && memcmp((*link)->host, host, NETWORK_SIZE) != 0)
		link = &(*link)->chain;
	return link;
}

bool
quota_enter(struct quota *quota, const struct sockaddr *client)
{
	uint8_t host[NETWORK_SIZE];
	bool entered = false;

	network_of(client, NETWORK_HOST_IPV4, NETWORK_HOST_IPV6, host);
	pthread_mutex_lock(&quota->mutex);
	struct quota_host **link = find(quota, host);
	if (*link == NULL) {
		*link = quota->spare ? quota->spare : malloc(sizeof **link);
		quota->spare = NULL;
		if (*link) {
			**link = (struct quota_host){.count = 0};
			memcpy((*link)->host, host, NETWORK_SIZE);
		}
	}
	if (*link && (*link)->count < quota->most) {
		(*link)->count++;
		entered = true;
	}
	pthread_mutex_unlock(&quota->mutex);
	return entered;
}

void
quota_leave(struct quota *quota, const struct sockaddr *client)
{
	uint8_t host[NETWORK_SIZE];

	network_of(client, NETWORK_HOST_IPV4, NETWORK_HOST_IPV6, host);
	pthread_mutex_lock(&quota->mutex);
	struct quota_host **link = find(quota, host), *at = *link;
	invariant(at && at->count > 0);
	if (--at->count == 0) {
		*link = at->chain;
		free(quota->spare);
		quota->spare = at;
	}
	pthread_mutex_unlock(&quota->mutex);
}
