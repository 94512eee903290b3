#include "update/retransmit.h"
#include "base/digest.h"
#include "base/hash.h"
#include "update/requestor.h"
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 65536

/*
 * What makes two messages the same. Signed: the key's name and the MAC's first octets, which nobody without the key can
 * choose. Unsigned: the address and SHA-256 of all octets. The names, addresses and messages themselves are not kept.
 */
struct same {
	uint8_t octets[24];
	uint64_t key;  /* hash of the key's name */
	uint16_t id, is_signed;
	uint32_t zero;
};

struct retransmit_entry {
	struct retransmit_entry *chain;
	struct retransmit_entry *later;  /* answered after it */
	struct same same;
	bool in_work;
	uint8_t rcode;
	uint32_t serial;
	uint64_t version, expires_ms;
	struct ede *ede;                 /* NULL: none */
	struct update_request *waiters, **waiters_end;
};

/* A MAC that is in the log. */
struct applied {
	struct applied *chain, *later;
	const struct zone *zone;
	uint8_t mac[8];
	uint64_t expires_ms;
};

struct retransmit {
	pthread_mutex_t mutex;
	struct retransmit_entry *buckets[BUCKETS], *oldest, **newest_end;
	struct applied *applied_buckets[BUCKETS], *applied_oldest, **applied_newest_end;
	size_t count, applied_count; /* of those that expire */
};

struct retransmit *
retransmit_new(void)
{
	struct retransmit *retransmit = calloc(1, sizeof *retransmit);

	if (retransmit == NULL)
		return NULL;
	pthread_mutex_init(&retransmit->mutex, NULL);
	retransmit->newest_end = &retransmit->oldest;
	retransmit->applied_newest_end = &retransmit->applied_oldest;
	return retransmit;
}

/* ---- messages ---- */

static struct retransmit_entry **
bucket_of(struct retransmit *retransmit, const struct same *same)
{
	return &retransmit->buckets[hash_bytes(same, sizeof *same) % BUCKETS];
}

static struct retransmit_entry *
find(struct retransmit *retransmit, const struct same *same)
{
	struct retransmit_entry *entry = *bucket_of(retransmit, same);

	while (entry && memcmp(&entry->same, same, sizeof *same) != 0)
		entry = entry->chain;
	return entry;
}

static void
entry_free(struct retransmit *retransmit, struct retransmit_entry *entry)
{
	struct retransmit_entry **link = bucket_of(retransmit, &entry->same);

	while (*link != entry)
		link = &(*link)->chain;
	*link = entry->chain;
	free(entry->ede);
	free(entry);
}

static void
forget_old(struct retransmit *retransmit, uint64_t now_ms)
{
	struct retransmit_entry *entry;

	while ((entry = retransmit->oldest) && (entry->expires_ms <= now_ms || retransmit->count > RETRANSMIT_MAX)) {
		retransmit->oldest = entry->later;
		if (entry->later == NULL)
			retransmit->newest_end = &retransmit->oldest;
		retransmit->count--;
		entry_free(retransmit, entry);
	}
}

static void
applied_free(struct retransmit *retransmit, struct applied *applied)
{
	struct applied **link = &retransmit->applied_buckets[hash_bytes(applied->mac, sizeof applied->mac) % BUCKETS];

	while (*link != applied)
		link = &(*link)->chain;
	*link = applied->chain;
	free(applied);
}

static void
forget_old_applied(struct retransmit *retransmit, uint64_t now_ms)
{
	struct applied *applied;

	while ((applied = retransmit->applied_oldest) &&
	       (applied->expires_ms <= now_ms || retransmit->applied_count > RETRANSMIT_MAX)) {
		retransmit->applied_oldest = applied->later;
		if (applied->later == NULL)
			retransmit->applied_newest_end = &retransmit->applied_oldest;
		retransmit->applied_count--;
		applied_free(retransmit, applied);
	}
}

void
retransmit_free(struct retransmit *retransmit)
{
	forget_old(retransmit, UINT64_MAX);
	forget_old_applied(retransmit, UINT64_MAX);
	for (size_t i = 0; i < BUCKETS; i++)
		require(retransmit->buckets[i] == NULL); /* nothing is in work */
	pthread_mutex_destroy(&retransmit->mutex);
	free(retransmit);
}

static struct same
same_of(const struct update_request *request)
{
	struct same same = {.id = request->msg.id};
	uint8_t digest[DIGEST_SHA256_SIZE];

	if (request->has_mac && request->key_name) {
		same.is_signed = 1;
		same.key = hash_bytes(request->key_name, name_size(request->key_name));
		memcpy(same.octets, request->mac, sizeof request->mac);
		return same;
	}
	requestor_host((const struct sockaddr *)&request->client, same.octets);
	digest_sha256(request->msg.wire, request->msg.size, digest);
	memcpy(same.octets + 16, digest, 8);
	memcpy(&same.key, digest + 8, 8);
	if (request->names_size > 0) /* the same octets of somebody else's are another request */
		same.key ^= hash_bytes(request->names, request->names_size);
	return same;
}

static void
tell(struct update_request *request, const struct retransmit_entry *entry)
{
	request->rcode = entry->rcode;
	request->version = entry->version;
	request->serial = entry->serial;
	request->drop = false;
	request->ede.code = EDE_NONE;
	if (entry->ede)
		request->ede = *entry->ede;
}

/* First of its kind. Without memory it is run all the same, and not remembered. */
static void
begin(struct retransmit *retransmit, struct update_request *request, const struct same *same)
{
	struct retransmit_entry *entry = calloc(1, sizeof *entry), **bucket = bucket_of(retransmit, same);

	request->retransmit = entry;
	if (entry == NULL)
		return;
	entry->same = *same;
	entry->in_work = true;
	entry->waiters_end = &entry->waiters;
	entry->chain = *bucket;
	*bucket = entry;
}

enum retransmit_verdict
retransmit_check(struct retransmit *retransmit, struct update_request *request, uint64_t now_ms)
{
	struct same same = same_of(request);
	enum retransmit_verdict verdict = RETRANSMIT_KNOWN;

	pthread_mutex_lock(&retransmit->mutex);
	forget_old(retransmit, now_ms);
	struct retransmit_entry *entry = find(retransmit, &same);
	request->retransmit = NULL;
	if (entry == NULL) {
		begin(retransmit, request, &same);
		verdict = RETRANSMIT_NEW;
	} else if (entry->in_work) {
		request->next = NULL;
		*entry->waiters_end = request;
		entry->waiters_end = &request->next;
		verdict = RETRANSMIT_WAITING;
	} else {
		tell(request, entry);
	}
	pthread_mutex_unlock(&retransmit->mutex);
	return verdict;
}

static void
remember(struct retransmit *retransmit, struct retransmit_entry *entry, uint64_t now_ms)
{
	entry->in_work = false;
	entry->expires_ms = now_ms + RETRANSMIT_KEEP_MS;
	entry->waiters = NULL;
	entry->later = NULL;
	*retransmit->newest_end = entry;
	retransmit->newest_end = &entry->later;
	retransmit->count++;
}

struct update_request *
retransmit_settle(struct retransmit *retransmit, struct retransmit_entry *entry,
		  const struct retransmit_outcome *outcome, uint64_t now_ms)
{
	struct ede *ede = NULL;

	if (entry == NULL)
		return NULL;
	if (outcome->ede && outcome->ede->code != EDE_NONE && (ede = malloc(sizeof *ede)) != NULL)
		*ede = *outcome->ede;
	pthread_mutex_lock(&retransmit->mutex);
	require(entry->in_work);
	struct update_request *waiters = entry->waiters;
	entry->rcode = (uint8_t)outcome->rcode;
	entry->version = outcome->version;
	entry->serial = outcome->serial;
	entry->ede = ede;
	for (struct update_request *waiter = waiters; waiter; waiter = waiter->next)
		tell(waiter, entry);
	if (outcome->passing)
		entry_free(retransmit, entry);
	else
		remember(retransmit, entry, now_ms);
	pthread_mutex_unlock(&retransmit->mutex);
	return waiters;
}

struct update_request *
retransmit_answered(struct retransmit *retransmit, struct update_request *request, uint64_t now_ms)
{
	struct retransmit_outcome outcome = {
		.rcode = request->rcode, .version = request->version, .serial = request->serial, .ede = &request->ede,
		.passing = request->drop || request->rcode == RCODE_SERVFAIL,
	};
	struct retransmit_entry *entry = request->retransmit;

	request->retransmit = NULL;
	return retransmit_settle(retransmit, entry, &outcome, now_ms);
}

struct update_request *
retransmit_overdue(struct retransmit *retransmit, struct retransmit_entry *entry, uint64_t before_ns)
{
	struct update_request *overdue = NULL, **end = &overdue;

	if (entry == NULL)
		return NULL;
	pthread_mutex_lock(&retransmit->mutex);
	while (entry->waiters && entry->waiters->arrival_ns < before_ns) {
		struct update_request *request = entry->waiters;
		entry->waiters = request->next;
		request->next = NULL;
		*end = request;
		end = &request->next;
	}
	if (entry->waiters == NULL)
		entry->waiters_end = &entry->waiters;
	pthread_mutex_unlock(&retransmit->mutex);
	return overdue;
}

/* ---- changes in the log ---- */

static struct applied *
find_applied(struct retransmit *retransmit, const struct zone *zone, const uint8_t mac[8])
{
	struct applied *applied = retransmit->applied_buckets[hash_bytes(mac, 8) % BUCKETS];

	while (applied && (applied->zone != zone || memcmp(applied->mac, mac, 8) != 0))
		applied = applied->chain;
	return applied;
}

void
retransmit_applied(struct retransmit *retransmit, const struct zone *zone, const uint8_t mac[8], uint64_t now_ms)
{
	struct applied *applied = malloc(sizeof *applied);

	if (applied == NULL)
		return;
	*applied = (struct applied){.zone = zone, .expires_ms = now_ms + RETRANSMIT_KEEP_MS};
	memcpy(applied->mac, mac, sizeof applied->mac);
	pthread_mutex_lock(&retransmit->mutex);
	forget_old_applied(retransmit, now_ms);
	struct applied **bucket = &retransmit->applied_buckets[hash_bytes(mac, 8) % BUCKETS];
	applied->chain = *bucket;
	*bucket = applied;
	*retransmit->applied_newest_end = applied;
	retransmit->applied_newest_end = &applied->later;
	retransmit->applied_count++;
	pthread_mutex_unlock(&retransmit->mutex);
}

bool
retransmit_was_applied(struct retransmit *retransmit, const struct zone *zone, const uint8_t mac[8], uint64_t now_ms)
{
	pthread_mutex_lock(&retransmit->mutex);
	const struct applied *applied = find_applied(retransmit, zone, mac);
	bool was = applied && applied->expires_ms > now_ms;
	pthread_mutex_unlock(&retransmit->mutex);
	return was;
}
