#include "zone/table.h"
#include "base/rcu.h"
#include "wire/name.h"
#include "zone/draft.h"
#include <pthread.h>
#include <stdlib.h>

#define FIRST_ROOM 16
/* Bit 63 of the mask stands for 63 labels and more; zones that deep are not worth a second word. */
#define DEEP 63

struct table_slot {
	_Atomic uint64_t hash;
	_Atomic(struct zone *) zone; /* NULL: free, the probe ends; GONE: removed, the probe goes on */
};

/*
 * Open addressing, at most half full. Slots go from free to a zone to GONE and never back, so a reader needs no lock;
 * when too many are taken a new index is made and the old one freed after a grace period.
 */
struct table_index {
	struct reclaim_item item;
	size_t room, taken;      /* room: a power of two; taken: zones and GONE */
	_Atomic uint64_t labels; /* label counts that zones have */
	_Atomic(struct zone *)
		only; /* set while there was never another: found without a hash, 60 instructions for 105 */
	struct table_slot slot[];
};

struct table {
	_Atomic(struct table_index *) index;
	_Atomic size_t count;
	pthread_mutex_t mutex; /* adding, removing, publishing */
	struct reclaim *reclaim;
	uint32_t with_labels[DEEP + 1];
};

static struct zone gone_zone;
#define GONE (&gone_zone)

/*
 * Which zones there are is the operator's choice, not the network's, so this hash has no key: it mixes the size and the
 * octets by eights, the last eight overlapping those before. For bench.test it takes 18 instructions, XXH3 in a
 * function of its own 45.
 */
static inline uint64_t
name_hash(const uint8_t *name, size_t size)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio: Knuth's multiplicative hashing */
	uint64_t hash = size * odd, octets = 0;

	if (size >= 8) {
		for (size_t at = 0; at + 8 < size; at += 8) {
			memcpy(&octets, name + at, 8);
			hash = (hash ^ octets) * odd;
			hash ^= hash >> 32;
		}
		memcpy(&octets, name + size - 8, 8);
	} else {
		for (size_t at = 0; at < size; at++)
			octets = octets << 8 | name[at];
	}
	hash = (hash ^ octets) * odd;
	return hash ^ hash >> 32;
}

static unsigned
label_bit(unsigned labels)
{
	return labels < DEEP ? labels : DEEP;
}

static struct table_index *
index_new(size_t room)
{
	struct table_index *index = calloc(1, sizeof *index + room * sizeof index->slot[0]);

	if (index)
		index->room = room;
	return index;
}

static void
index_run_free(struct reclaim_item *item)
{
	free((char *)item - offsetof(struct table_index, item));
}

/* There is room. */
static void
index_put(struct table_index *index, struct zone *zone)
{
	uint64_t hash = name_hash(zone->name, zone->name_size);
	size_t at = hash & (index->room - 1);

	while (atomic_load_explicit(&index->slot[at].zone, memory_order_relaxed) != NULL)
		at = (at + 1) & (index->room - 1);
	atomic_store_explicit(&index->slot[at].hash, hash, memory_order_relaxed);
	atomic_store_explicit(&index->slot[at].zone, zone, memory_order_release);
	atomic_fetch_or_explicit(&index->labels, UINT64_C(1) << label_bit(zone->labels), memory_order_release);
	index->taken++;
}

static inline struct table_slot *
index_probe(struct table_index *index, const uint8_t *name, size_t size, uint64_t hash, struct zone **found)
{
	for (size_t at = hash & (index->room - 1);; at = (at + 1) & (index->room - 1)) {
		struct table_slot *slot = &index->slot[at];
		struct zone *zone = atomic_load_explicit(&slot->zone, memory_order_acquire);
		if (zone == NULL)
			return NULL;
		if (atomic_load_explicit(&slot->hash, memory_order_relaxed) == hash && zone != GONE &&
		    zone->name_size == size && node_same_bytes(zone->name, name, size)) {
			*found = zone;
			return slot;
		}
	}
}

static inline struct zone *
index_find(struct table_index *index, const uint8_t *name, size_t size)
{
	struct zone *zone;

	return index_probe(index, name, size, name_hash(name, size), &zone) != NULL ? zone : NULL;
}

/* Room for `more` zones: the index itself or a larger copy, which becomes the table's. The mutex is held. */
static struct table_index *
index_reserve(struct table *table, size_t more)
{
	struct table_index *old = atomic_load_explicit(&table->index, memory_order_relaxed);
	size_t live = atomic_load_explicit(&table->count, memory_order_relaxed), room = FIRST_ROOM;

	if ((old->taken + more) * 2 <= old->room)
		return old;
	while ((live + more) * 2 > room)
		room *= 2;
	/* Twice as much again where it is nearly full at once, so that single additions copy seldom. */
	if ((live + more) * 4 > room * 3 / 2)
		room *= 2;
	struct table_index *index = index_new(room);
	if (index == NULL)
		return NULL;
	for (size_t i = 0; i < old->room; i++) {
		struct zone *zone = atomic_load_explicit(&old->slot[i].zone, memory_order_relaxed);
		if (zone != NULL && zone != GONE)
			index_put(index, zone);
	}
	atomic_store_explicit(&table->index, index, memory_order_release);
	reclaim_later(table->reclaim, &old->item, index_run_free);
	return index;
}

struct table *
table_new(void)
{
	struct table *table = calloc(1, sizeof *table);

	if (table == NULL)
		return NULL;
	pthread_mutex_init(&table->mutex, NULL);
	table->reclaim = reclaim_new();
	atomic_init(&table->index, index_new(FIRST_ROOM));
	if (table->reclaim && atomic_load(&table->index))
		return table;
	table_free(table);
	return NULL;
}

void
table_free(struct table *table)
{
	struct table_index *index = atomic_load(&table->index);

	for (size_t i = 0; index && table->reclaim && i < index->room; i++) {
		struct zone *zone = atomic_load(&index->slot[i].zone);
		if (zone != NULL && zone != GONE)
			invariant(table_remove(table, zone) == STATUS_OK);
	}
	reclaim_free(table->reclaim);
	free(index);
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

struct zone *
table_zone_new(const uint8_t *name)
{
	char text[NAME_TEXT_SIZE];
	size_t size = name_size(name), length = strlen(name_to_text(name, text)) + 1;
	/* One block: 10,000 zones are meant to fit in 25 MiB with all that is theirs. */
	struct zone *zone = calloc(1, sizeof *zone + size + length);

	if (zone == NULL)
		return NULL;
	zone->name_size = name_lower(name, zone->name);
	zone->labels = name_labels(zone->name);
	zone->text = memcpy(zone->name + size, name_to_text(zone->name, text), length);
	return zone;
}

void
table_zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	require(zone->table == NULL);
	free(atomic_load(&zone->counters));
	free(zone);
}

/* The reclaimer's last act for a zone. */
static void
zone_free(struct version_chain *chain)
{
	struct zone *zone = (struct zone *)(void *)((char *)chain - offsetof(struct zone, chain));

	free(atomic_load(&zone->counters));
	free(zone);
}

/* NULL: no memory, and nothing is counted. */
static struct zone_counters *
zone_counters(struct zone *zone)
{
	struct zone_counters *have = atomic_load_explicit(&zone->counters, memory_order_acquire), *made;

	if (have != NULL || (made = calloc(1, sizeof *made)) == NULL)
		return have;
	if (atomic_compare_exchange_strong(&zone->counters, &have, made))
		return made;
	free(made);
	return have;
}

void
zone_count_update(struct zone *zone, unsigned rcode)
{
	struct zone_counters *counters = zone_counters(zone);
	unsigned last = ARRAY_SIZE(counters->updates) - 1;

	if (counters != NULL)
		stat_add_shared(&counters->updates[rcode < last ? rcode : last], 1);
}

void
zone_count_conflict(struct zone *zone)
{
	struct zone_counters *counters = zone_counters(zone);

	if (counters != NULL)
		stat_add_shared(&counters->conflicts, 1);
}

enum status
table_add_all(struct table *table, struct zone **zones, size_t count)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&table->mutex);
	struct table_index *index = index_reserve(table, count);
	if (index == NULL)
		status = STATUS_NO_MEMORY;
	/* All or none. */
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		require(zones[i]->table == NULL);
		if (index_find(index, zones[i]->name, zones[i]->name_size))
			status = STATUS_EXISTS;
	}
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct zone *zone = zones[i];
		zone->table = table;
		zone->chain = (struct version_chain){.reclaim = table->reclaim, .free_owner = zone_free};
		table->with_labels[label_bit(zone->labels)]++;
		atomic_store_explicit(&index->only, index->taken == 0 ? zone : NULL, memory_order_release);
		index_put(index, zone);
		atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&table->mutex);
	return status;
}

enum status
table_add(struct table *table, struct zone *zone)
{
	return table_add_all(table, &zone, 1);
}

enum status
table_remove(struct table *table, struct zone *zone)
{
	enum status status = STATUS_NOT_FOUND;

	pthread_mutex_lock(&table->mutex);
	struct table_index *index = atomic_load_explicit(&table->index, memory_order_relaxed);
	struct zone *found;
	uint64_t hash = name_hash(zone->name, zone->name_size);
	struct table_slot *slot =
		zone->table == table ? index_probe(index, zone->name, zone->name_size, hash, &found) : NULL;
	if (slot != NULL) {
		unsigned bit = label_bit(zone->labels);
		atomic_store_explicit(&index->only, NULL, memory_order_release);
		atomic_store_explicit(&slot->zone, GONE, memory_order_release);
		if (--table->with_labels[bit] == 0)
			atomic_fetch_and_explicit(&index->labels, ~(UINT64_C(1) << bit), memory_order_relaxed);
		atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
		zone->table = NULL;
		atomic_store_explicit(&zone->state, ZONE_REMOVED, memory_order_release);
		struct zone_version *version = atomic_load_explicit(&zone->current, memory_order_relaxed);
		if (version)
			version_retire(version);
		version_chain_end(&zone->chain);
		status = STATUS_OK;
	}
	pthread_mutex_unlock(&table->mutex);
	return status;
}

static inline bool
is_within(const uint8_t *name, size_t size, unsigned labels, const struct zone *zone)
{
	for (; labels > zone->labels; labels--) {
		size -= name[0] + 1u;
		name += name[0] + 1u;
	}
	return size == zone->name_size && node_same_bytes(name, zone->name, size);
}

/* Zones with 63 labels or more: rare enough to try each count. */
static __attribute__((noinline)) struct zone *
find_deep(struct table_index *index, const uint8_t *name, size_t size, unsigned labels)
{
	for (;;) {
		struct zone *zone = index_find(index, name, size);
		if (zone != NULL || labels == 0)
			return zone;
		size -= name[0] + 1u;
		name += name[0] + 1u;
		labels--;
	}
}

/* Out of line, so that a single zone costs nothing of it: its registers saved are 12 instructions. */
static __attribute__((noinline)) struct zone *
find_among(struct table_index *index, const uint8_t *name, size_t size, unsigned labels)
{
	uint64_t left = atomic_load_explicit(&index->labels, memory_order_acquire);
	if (__builtin_expect(labels >= DEEP, 0))
		return find_deep(index, name, size, labels);
	/* Only as many labels as some zone has. */
	left &= (UINT64_C(2) << labels) - 1;
	while (left != 0) {
		unsigned next = 63 - (unsigned)__builtin_clzll(left);
		for (; labels > next; labels--) {
			size -= name[0] + 1u;
			name += name[0] + 1u;
		}
		struct zone *zone = index_find(index, name, size);
		if (__builtin_expect(zone != NULL, 1))
			return zone;
		left ^= UINT64_C(1) << next;
	}
	return NULL;
}

struct zone *
table_find(const struct table *table, const uint8_t *name, size_t size, unsigned labels)
{
	struct table_index *index = atomic_load_explicit(&table->index, memory_order_acquire);
	struct zone *only = atomic_load_explicit(&index->only, memory_order_acquire);

	if (only == NULL)
		return find_among(index, name, size, labels);
	return is_within(name, size, labels, only) ? only : NULL;
}

struct zone *
table_exact(const struct table *table, const uint8_t *name, size_t size)
{
	return index_find(atomic_load_explicit(&table->index, memory_order_acquire), name, size);
}

size_t
table_count(const struct table *table)
{
	return atomic_load_explicit(&table->count, memory_order_relaxed);
}

static int
zone_compare(const void *a, const void *b)
{
	const struct zone *const *x = a, *const *y = b;

	return name_compare((*x)->name, (*y)->name);
}

void
table_each(const struct table *table, bool (*each)(void *context, struct zone *zone), void *context)
{
	struct table_index *index = atomic_load_explicit(&table->index, memory_order_acquire);
	struct zone **zones = malloc(index->room * sizeof *zones);
	size_t count = 0;

	/* At start, reload or an operator's request: without memory for a list of zones nothing goes on. */
	require(zones != NULL);
	for (size_t i = 0; i < index->room; i++) {
		struct zone *zone = atomic_load_explicit(&index->slot[i].zone, memory_order_acquire);
		if (zone != NULL && zone != GONE)
			zones[count++] = zone;
	}
	qsort(zones, count, sizeof(struct zone *), zone_compare);
	for (size_t i = 0; i < count && each(context, zones[i]); i++)
		;
	free(zones);
}

void
table_walk(const struct table *table, bool (*each)(void *context, struct zone *zone), void *context)
{
	struct table_index *index = atomic_load_explicit(&table->index, memory_order_acquire);

	for (size_t i = 0; i < index->room; i++) {
		struct zone *zone = atomic_load_explicit(&index->slot[i].zone, memory_order_acquire);
		if (zone != NULL && zone != GONE && !each(context, zone))
			return;
	}
}

void
table_publish(struct table *table, struct zone *zone, struct zone_version *version)
{
	pthread_mutex_lock(&table->mutex);
	if (zone->table != table) {
		pthread_mutex_unlock(&table->mutex);
		draft_discard(version);
		return;
	}
	struct zone_version *older = atomic_load_explicit(&zone->current, memory_order_relaxed);
	version_link(&zone->chain, older, version);
	atomic_store_explicit(&zone->current, version, memory_order_release);
	pthread_mutex_unlock(&table->mutex);
	if (older)
		version_retire(older);
}

void
table_throttle(struct table *table)
{
	reclaim_throttle(table->reclaim);
}

void
table_set_state(struct zone *zone, enum zone_state state)
{
	atomic_store_explicit(&zone->state, (int)state, memory_order_release);
}

const char *
zone_state_text(enum zone_state state)
{
	static const char *const text[] = {
		[ZONE_LOADING] = "loading", [ZONE_READY] = "ready", [ZONE_DIVERGED] = "diverged",
		[ZONE_FAILED] = "failed", [ZONE_REMOVED] = "removed",
	};
	return text[state];
}
