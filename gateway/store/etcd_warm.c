#include "store/etcd_warm.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include <pthread.h>
#include <stdlib.h>

#define FLUSH_MS 1000
#define KEEP_EVERY 4000 /* changes: what a warm start replays at most */

struct copy {
	struct copy *next;
	struct zone *zone;
	bool known;                 /* the disk has a place for it */
	bool add, load, loaded, busy; /* add, load: wanted; busy: the worker is at it */
	struct etcd_kept *kept;
	bool noted;                 /* changes go into the copy */
	bool beginning;             /* once `first` has been written */
	struct zone_version *first; /* pinned */
	struct warm_place place;    /* of it */
	uint64_t changes;
};

struct etcd_warm {
	struct warm *warm;
	void (*woken)(void *context);
	void *context;
	pthread_t thread;
	pthread_mutex_t mutex; /* all below; never held at the disk */
	pthread_cond_t work, done;
	struct copy *copies;
	uint64_t flush_ms;     /* 0: nothing waits */
	bool stop;
};

static struct copy *
find_copy(const struct etcd_warm *warm, const struct zone *zone)
{
	struct copy *copy = warm->copies;

	while (copy && copy->zone != zone)
		copy = copy->next;
	return copy;
}

void
etcd_warm_free_kept(struct etcd_kept *kept)
{
	if (!kept)
		return;
	draft_drop(&kept->draft);
	replay_free(kept->replay);
	free(kept);
}

/* ---- the worker ---- */

static void
load_copy(struct etcd_warm *warm, struct copy *copy)
{
	struct etcd_kept *kept = calloc(1, sizeof *kept);
	struct warm_place place;

	bool known = warm_history(warm->warm) && warm_add(warm->warm, copy->zone) == STATUS_OK;
	if (kept && known && copy->load &&
	    warm_load(warm->warm, copy->zone, &kept->draft, &kept->replay, &place) == STATUS_OK) {
		kept->revision = (uint64_t)place.offset;
	} else {
		free(kept);
		kept = NULL;
	}
	pthread_mutex_lock(&warm->mutex);
	copy->known = known;
	copy->kept = kept;
	copy->add = copy->load = false;
	copy->loaded = true;
	pthread_mutex_unlock(&warm->mutex);
	warm->woken(warm->context);
}

static void
flush(struct etcd_warm *warm)
{
	if (warm_flush(warm->warm) == STATUS_OK)
		return;
	pthread_mutex_lock(&warm->mutex); /* nothing is noted meanwhile */
	for (struct copy *copy = warm->copies; copy; copy = copy->next)
		copy->noted = copy->beginning && copy->noted;
	warm_reset(warm->warm);
	pthread_mutex_unlock(&warm->mutex);
}

static void
begin_copy(struct etcd_warm *warm, struct copy *copy)
{
	char reason[STORE_REASON_SIZE] = "";

	pthread_mutex_lock(&warm->mutex);
	struct zone_version *first = copy->first;
	struct warm_place place = copy->place;
	copy->first = NULL;
	pthread_mutex_unlock(&warm->mutex);
	flush(warm); /* what waits is older */
	enum status status = warm_begin(warm->warm, copy->zone, first, &place, reason);
	if (status)
		log_limited(LOG_LEVEL_WARNING, "local copy not begun", "zone=%s reason=%s", copy->zone->text, reason);
	version_unpin(first);
	pthread_mutex_lock(&warm->mutex);
	if (!copy->first) { /* else there is another to begin with */
		copy->beginning = false;
		copy->noted = copy->noted && !status;
		warm_unpark(warm->warm, copy->zone);
	}
	pthread_mutex_unlock(&warm->mutex);
	warm->woken(warm->context);
}

/* Under the mutex. */
static struct copy *
next_work(struct etcd_warm *warm)
{
	struct copy *copy = warm->copies;

	while (copy && !copy->add && !copy->first)
		copy = copy->next;
	return copy;
}

/* Under the mutex: until there is something to do. */
static void
wait_for_work(struct etcd_warm *warm)
{
	if (warm->flush_ms)
		wait_until(&warm->work, &warm->mutex, warm->flush_ms);
	else
		pthread_cond_wait(&warm->work, &warm->mutex);
}

static void *
run(void *context)
{
	struct etcd_warm *warm = context;

	pthread_mutex_lock(&warm->mutex);
	while (!warm->stop) {
		struct copy *copy = next_work(warm);
		bool due = warm->flush_ms && clock_monotonic_ms() >= warm->flush_ms;
		if (!copy && !due) {
			wait_for_work(warm);
			continue;
		}
		if (due)
			warm->flush_ms = 0;
		if (copy)
			copy->busy = true;
		pthread_mutex_unlock(&warm->mutex);
		if (due)
			flush(warm);
		if (copy && copy->add)
			load_copy(warm, copy);
		else if (copy)
			begin_copy(warm, copy);
		pthread_mutex_lock(&warm->mutex);
		if (copy)
			copy->busy = false;
		pthread_cond_broadcast(&warm->done);
	}
	pthread_mutex_unlock(&warm->mutex);
	return NULL;
}

/* ---- zones ---- */

void
etcd_warm_add(struct etcd_warm *warm, struct zone *zone, bool load)
{
	struct copy *copy = calloc(1, sizeof *copy);

	if (!copy)
		return; /* it is not kept, and that is all */
	copy->zone = zone;
	copy->add = true;
	copy->load = load;
	pthread_mutex_lock(&warm->mutex);
	copy->next = warm->copies;
	warm->copies = copy;
	pthread_cond_signal(&warm->work);
	pthread_mutex_unlock(&warm->mutex);
}

static void
free_copy(struct copy *copy)
{
	etcd_warm_free_kept(copy->kept);
	if (copy->first)
		version_unpin(copy->first);
	free(copy);
}

void
etcd_warm_drop(struct etcd_warm *warm, struct zone *zone)
{
	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, zone), **link = &warm->copies;
	while (copy && copy->busy)
		pthread_cond_wait(&warm->done, &warm->mutex);
	while (copy && *link != copy)
		link = &(*link)->next;
	if (copy)
		*link = copy->next;
	pthread_mutex_unlock(&warm->mutex);
	if (!copy)
		return;
	if (copy->known)
		warm_drop(warm->warm, zone);
	free_copy(copy);
}

bool
etcd_warm_loaded(struct etcd_warm *warm, struct zone *zone, struct etcd_kept **kept)
{
	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, zone);
	bool loaded = !copy || copy->loaded;
	*kept = copy ? copy->kept : NULL;
	if (copy)
		copy->kept = NULL;
	pthread_mutex_unlock(&warm->mutex);
	return loaded;
}

/* ---- changes ---- */

void
etcd_warm_continue(struct etcd_warm *warm, struct zone *zone)
{
	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, zone);
	if (copy)
		copy->noted = copy->known;
	pthread_mutex_unlock(&warm->mutex);
}

void
etcd_warm_forget(struct etcd_warm *warm, struct zone *zone)
{
	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, zone);
	if (copy)
		copy->noted = false;
	pthread_mutex_unlock(&warm->mutex);
}

/* A zone made again has no history from before. */
static void
forget_removed(struct etcd_warm *warm, struct zone *zone)
{
	char reason[STORE_REASON_SIZE];

	etcd_warm_forget(warm, zone);
	if (warm_begin(warm->warm, zone, NULL, NULL, reason) != STATUS_OK)
		log_limited(LOG_LEVEL_WARNING, "local copy not removed", "zone=%s", zone->text);
}

void
etcd_warm_note(struct etcd_warm *warm, const struct store_fate *fate, uint64_t revision)
{
	struct warm_place place = {.offset = (int64_t)revision, .version = fate->version};
	const struct change *change = fate->record->change;
	bool removed = change && change->removed;

	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, fate->record->zone);
	if (copy && copy->noted && !removed) {
		copy->noted =
			!(change && change->snapshot) && warm_note(warm->warm, fate, &place, false, copy->beginning);
		copy->changes++;
		if (!warm->flush_ms) {
			warm->flush_ms = clock_monotonic_ms() + FLUSH_MS;
			pthread_cond_signal(&warm->work);
		}
	}
	bool known = copy && copy->known;
	pthread_mutex_unlock(&warm->mutex);
	if (known && removed)
		forget_removed(warm, fate->record->zone);
}

void
etcd_warm_checkpoint(struct etcd_warm *warm, struct zone *zone, const struct zone_version *version,
		     const struct replay *replay, uint64_t revision, bool idle)
{
	struct warm_place place = {.offset = (int64_t)revision, .version = version->version};
	bool keep = false;

	pthread_mutex_lock(&warm->mutex);
	struct copy *copy = find_copy(warm, zone);
	if (copy && copy->known && !copy->noted) {
		if (copy->first)
			version_unpin(copy->first);
		copy->first = version_pin(version);
		copy->place = place;
		copy->noted = copy->beginning = true;
		pthread_cond_signal(&warm->work);
	} else if (copy && copy->known && !copy->beginning) {
		keep = idle || copy->changes >= KEEP_EVERY;
		copy->changes = keep ? 0 : copy->changes;
	}
	pthread_mutex_unlock(&warm->mutex);
	if (!keep)
		return;
	warm_note_place(warm->warm, zone, &place);
	warm_checkpoint(warm->warm, zone, version, replay, idle);
}

/* ---- history ---- */

struct store *
etcd_warm_history(struct etcd_warm *warm, const struct zone *zone)
{
	pthread_mutex_lock(&warm->mutex);
	const struct copy *copy = find_copy(warm, zone);
	bool kept = copy && copy->noted && !copy->beginning;
	pthread_mutex_unlock(&warm->mutex);
	if (!kept)
		return NULL;
	flush(warm);
	return warm_history(warm->warm);
}

/* ---- open and close ---- */

static void
free_warm(struct etcd_warm *warm)
{
	for (struct copy *copy = warm->copies, *next; copy; copy = next) {
		next = copy->next;
		free_copy(copy);
	}
	pthread_mutex_destroy(&warm->mutex);
	pthread_cond_destroy(&warm->work);
	pthread_cond_destroy(&warm->done);
	free(warm);
}

void
etcd_warm_close(struct etcd_warm *warm)
{
	pthread_mutex_lock(&warm->mutex);
	warm->stop = true;
	pthread_cond_signal(&warm->work);
	pthread_mutex_unlock(&warm->mutex);
	pthread_join(warm->thread, NULL);
	warm_close(warm->warm);
	free_warm(warm);
}

enum status
etcd_warm_open(const char *name, struct kv *kv, void (*woken)(void *context), void *context, struct etcd_warm **out,
	       char *reason)
{
	struct etcd_warm *warm = calloc(1, sizeof *warm);

	if (!warm)
		return STATUS_NO_MEMORY;
	warm->woken = woken;
	warm->context = context;
	pthread_mutex_init(&warm->mutex, NULL);
	wait_init(&warm->work);
	pthread_cond_init(&warm->done, NULL);
	enum status status = warm_open(name, kv, &warm->warm, reason);
	if (!status && pthread_create(&warm->thread, NULL, run, warm) != 0) {
		warm_close(warm->warm);
		status = STATUS_NO_MEMORY;
	}
	if (status) {
		free_warm(warm);
		return status;
	}
	*out = warm;
	return STATUS_OK;
}
