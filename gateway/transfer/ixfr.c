#include "transfer/ixfr.h"
#include "transfer/digests.h"
#include "transfer/ixfr_zone.h"
#include "transfer/record.h"
#include "zone/serial.h"
#include <stdlib.h>

#define UDP_SEQUENCES_SIZE 16384 /* sequences over this do not fit into any datagram, however well they compress */

/* ---- a zone's sequences ---- */

size_t
ixfr_zone_limit(const struct zone_version *version)
{
	uint64_t size = version->records * IXFR_RECORD_SIZE;

	return size < IXFR_LIMIT_MIN ? IXFR_LIMIT_MIN : size > IXFR_LIMIT_MAX ? IXFR_LIMIT_MAX : (size_t)size;
}

/*
 * Made by the follower at its first need; the only one who writes the pointer. NULL: no memory, transfers are whole
 * then.
 */
static struct ixfr_zone *
zone_of(struct ixfr *ixfr, struct zone *zone)
{
	struct ixfr_zone *at = atomic_load_explicit(&zone->ixfr, memory_order_acquire);

	if (at != NULL)
		return at;
	at = calloc(1, sizeof *at);
	if (at == NULL)
		return NULL;
	at->ixfr = ixfr;
	at->zone = zone;
	pthread_mutex_init(&at->mutex, NULL);
	void *none = NULL;
	if (atomic_compare_exchange_strong(&zone->ixfr, &none, at))
		return at;
	pthread_mutex_destroy(&at->mutex);
	free(at);
	return none;
}

static void
drop_first(struct ixfr_zone *at)
{
	struct sequence *sequence = at->items[at->first++];

	at->bytes -= sequence->size;
	at->count--;
	sequence_release(sequence);
}

void
ixfr_zone_trim(struct ixfr_zone *at)
{
	size_t limit = ixfr_zone_limit(at->newest);

	while (at->count > 0 && at->bytes > limit)
		drop_first(at);
}

/* Nothing is known any more of what came before. */
static void
clear(struct ixfr_zone *at)
{
	while (at->count > 0)
		drop_first(at);
	at->first = 0;
	if (at->newest != NULL)
		version_unpin(at->newest);
	at->newest = NULL;
}

static bool
make_room(struct ixfr_zone *at)
{
	if (at->first + at->count < at->room)
		return true;
	if (at->first > at->room / 2) {
		memmove(at->items, at->items + at->first, at->count * sizeof *at->items);
		at->first = 0;
		return true;
	}
	size_t room = at->room != 0 ? at->room * 2 : 16;
	struct sequence **items = realloc(at->items, room * sizeof *items);
	if (items == NULL)
		return false;
	at->items = items;
	at->room = room;
	return true;
}

static void
push(struct ixfr_zone *at, struct sequence *sequence)
{
	at->items[at->first + at->count++] = sequence;
	at->bytes += sequence->size;
}

/* `version` is now the newest; the mutex is held. */
static void
advance(struct ixfr_zone *at, const struct zone_version *version)
{
	struct sequence *sequence;

	if (at->newest == version)
		return;
	bool known = at->newest != NULL;
	bool same = known && at->newest->version == version->version &&
		memcmp(at->newest->id, version->id, VERSION_ID_SIZE) == 0;
	if (known && !same) {
		known = serial_greater(version->serial, at->newest->serial) &&
			version->version > at->newest->version && make_room(at) &&
		        sequence_between(at->newest, version, ixfr_zone_limit(version), &sequence) == STATUS_OK;
		if (known)
			push(at, sequence);
	}
	if (!known)
		clear(at);
	struct zone_version *before = at->newest;
	at->newest = version_pin(version);
	if (before != NULL)
		version_unpin(before);
	ixfr_zone_trim(at);
}

static bool
may_be_transferred(const struct zone *zone)
{
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);

	return settings != NULL && settings->allow_transfer != NULL;
}

/* `version` is now the newest. True: the zone's history is still being read. */
static bool
advance_locked(struct ixfr_zone *at, const struct zone_version *version)
{
	pthread_mutex_lock(&at->mutex);
	if (at->ended || !may_be_transferred(at->zone))
		clear(at);
	else
		advance(at, version);
	bool reading = at->reading;
	pthread_mutex_unlock(&at->mutex);
	return reading;
}

bool
ixfr_published(struct ixfr *ixfr, struct zone *zone, const struct zone_version *before,
	       const struct zone_version *version)
{
	struct ixfr_zone *at = atomic_load_explicit(&zone->ixfr, memory_order_acquire);

	/* Most zones of many are loaded and never change: nothing is kept of them. */
	if (at == NULL && before != NULL && may_be_transferred(zone)) {
		at = zone_of(ixfr, zone);
		if (at != NULL)
			advance_locked(at, before);
	}
	if (at == NULL)
		return true;
	return !advance_locked(at, version);
}

/* True: `ready` will be called. */
static bool
read_history(struct ixfr_zone *at)
{
	pthread_mutex_lock(&at->mutex);
	if (!at->reading)
		at->reading = background_add(at->ixfr->background, &at->task);
	bool reading = at->reading;
	pthread_mutex_unlock(&at->mutex);
	return reading;
}

bool
ixfr_ready(struct ixfr *ixfr, struct zone *zone, const struct zone_version *version)
{
	struct ixfr_zone *at = may_be_transferred(zone) && version->version > 1 /* the first one is its loading */
				       ? zone_of(ixfr, zone)
				       : atomic_load_explicit(&zone->ixfr, memory_order_acquire);

	if (at == NULL)
		return false;
	advance_locked(at, version);
	return version->version > 1 && read_history(at);
}

void
ixfr_end_zone(struct ixfr *ixfr, struct zone *zone)
{
	struct ixfr_zone *at = zone_of(ixfr, zone);

	if (at == NULL)
		return;
	background_end(at->ixfr->background, &at->task);
	pthread_mutex_lock(&at->mutex);
	at->ended = true;
	clear(at);
	pthread_mutex_unlock(&at->mutex);
}

void
ixfr_free_zone(struct zone *zone)
{
	struct ixfr_zone *at = atomic_exchange(&zone->ixfr, NULL);

	if (at == NULL)
		return;
	clear(at);
	free(at->items);
	pthread_mutex_destroy(&at->mutex);
	free(at);
}

/* ---- from a serial to the newest ---- */

struct span {
	struct sequence **items; /* held; free() the array */
	size_t count, bytes;
	struct zone_version *version; /* pinned: it has the apex, and `digest` lies in it */
	/*
	 * ZONEMD is no record of the zone: the client's goes with the first sequence, the newest comes with the last.
	 */
	bool digest_goes, digest_comes;
	struct digests_record old_digest;
	struct rrset digest;
};

/* The newest that begins with the serial: it may have come around. */
static bool
find(const struct ixfr_zone *at, uint32_t serial, size_t *index)
{
	for (size_t i = at->first + at->count; i-- > at->first;)
		if (at->items[i]->from_serial == serial) {
			*index = i;
			return true;
		}
	return false;
}

static void
span_end(struct span *span)
{
	for (size_t i = 0; i < span->count; i++)
		sequence_release(span->items[i]);
	free(span->items);
	if (span->version != NULL)
		version_unpin(span->version);
}

/*
 * Behind the sequence that leads to the version. One with a digest is given as it is, even where there are newer ones;
 * else the newest is as good.
 */
static size_t
end_of_span(const struct ixfr_zone *at, const struct zone_version *version, bool exactly)
{
	size_t end = at->first + at->count;

	while (exactly && end > at->first && at->items[end - 1]->to_version != version->version)
		end--;
	return end;
}

/* False: the client's digest is not known, and has to go. */
static bool
take_digests(struct zone *zone, const struct zone_version *version, uint32_t serial, struct span *span)
{
	span->digest_comes = zonemd_known(version, &span->digest);
	span->digest_goes = digests_find(zone, serial, &span->old_digest);
	return span->digest_goes || !span->digest_comes;
}

static enum status
take_span(struct ixfr_zone *at, const struct zone_version *version, uint32_t serial, struct span *span)
{
	size_t index, end = end_of_span(at, version, span->digest_comes);

	if (!find(at, serial, &index) || index >= end)
		return STATUS_NOT_FOUND;
	span->count = end - index;
	span->items = malloc(span->count * sizeof *span->items);
	if (span->items == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < span->count; i++) {
		span->items[i] = sequence_hold(at->items[index + i]);
		span->bytes += span->items[i]->size;
	}
	span->version = version_pin(version);
	return STATUS_OK;
}

/* STATUS_NOT_FOUND: the serial is not known; STATUS_RETRY: not yet. */
static enum status
span_from(struct zone *zone, const struct zone_version *version, uint32_t serial, struct span *span)
{
	struct ixfr_zone *at = atomic_load_explicit(&zone->ixfr, memory_order_acquire);

	*span = (struct span){0};
	if (at == NULL || !take_digests(zone, version, serial, span))
		return STATUS_NOT_FOUND;
	pthread_mutex_lock(&at->mutex);
	/* It is served already, its follower just has not come here yet: who has seen it may rely on it. */
	if (at->newest != NULL && version->version > at->newest->version)
		advance(at, version);
	enum status status = take_span(at, version, serial, span);
	if (status == STATUS_NOT_FOUND && at->reading)
		status = STATUS_RETRY;
	pthread_mutex_unlock(&at->mutex);
	return status;
}

/* ---- the records of a span, in order ---- */

enum walk_step { WALK_SOA_FIRST, WALK_SEQUENCES, WALK_SOA_LAST, WALK_ENDED };

/* Zeroed at the beginning. A copy of it is a place to come back to. */
struct walk {
	enum walk_step step;
	size_t index;          /* of the sequence */
	const uint8_t *at;     /* in it; NULL: it has not begun */
	uint32_t left;         /* records of it */
	enum { DIGEST_NONE, DIGEST_GOES, DIGEST_COMES } digest; /* the next one, before what is at `at` */
};

/* RFC 1995 4: the newest SOA is the first record and the last. */
static struct sequence_record
newest_soa(const struct span *span)
{
	const struct sequence *last = span->items[span->count - 1];
	const uint8_t *at = last->data + last->soa_offset;

	return sequence_next(&at);
}

static struct sequence_record
digest_record(const struct span *span, bool comes)
{
	struct sequence_record record = {.name = (const uint8_t *)"", .type = TYPE_ZONEMD};

	record.ttl_s = comes ? span->digest.ttl_s : span->old_digest.ttl_s;
	record.rdata = comes ? rrset_first(&span->digest)
			     : (struct rdata){span->old_digest.rdata, sizeof span->old_digest.rdata};
	return record;
}

/* What the sequences say of ZONEMD at the apex, where ours stands for it. */
static bool
is_hidden(const struct span *span, const struct sequence_record *record)
{
	return record->type == TYPE_ZONEMD && record->own == 0 && (span->digest_comes || span->digest_goes);
}

/* A record of the sequences; false: there is no more. */
static bool
walk_sequences(const struct span *span, struct walk *walk, struct sequence_record *record)
{
	while (walk->index < span->count) {
		const struct sequence *sequence = span->items[walk->index];
		if (walk->at == NULL) {
			walk->at = sequence->data;
			walk->left = sequence->records;
		}
		if (walk->digest != DIGEST_NONE) {
			*record = digest_record(span, walk->digest == DIGEST_COMES);
			walk->digest = DIGEST_NONE;
			return true;
		}
		if (walk->left == 0) {
			walk->at = NULL;
			walk->index++;
			continue;
		}
		/* Behind the old SOA what goes, behind the new one what comes. */
		if (walk->index == 0 && walk->at == sequence->data && span->digest_goes)
			walk->digest = DIGEST_GOES;
		else if (walk->index == span->count - 1 && walk->at == sequence->data + sequence->soa_offset &&
			 span->digest_comes)
			walk->digest = DIGEST_COMES;
		*record = sequence_next(&walk->at);
		walk->left--;
		if (!is_hidden(span, record))
			return true;
	}
	return false;
}

static bool
walk_next(const struct span *span, struct walk *walk, struct sequence_record *record)
{
	if (walk->step == WALK_SEQUENCES && walk_sequences(span, walk, record))
		return true;
	if (walk->step == WALK_SEQUENCES)
		walk->step = WALK_SOA_LAST;
	if (walk->step == WALK_ENDED)
		return false;
	*record = newest_soa(span);
	walk->step = walk->step == WALK_SOA_FIRST ? WALK_SEQUENCES : WALK_ENDED;
	return true;
}

/* ---- the stream ---- */

struct ixfr_stream {
	struct stream stream; /* first: stream.release's argument is this */
	struct span span;
	struct walk walk;
	/* The owner that was written last in this message, and where. */
	const uint8_t *name;
	uint8_t own;
	uint16_t owner;
};

static bool
put(struct ixfr_stream *ixfr, struct stream_message *message, const struct sequence_record *record)
{
	if (message->count == UINT16_MAX)
		return false;
	if (ixfr->name == NULL || ixfr->own != record->own || memcmp(ixfr->name, record->name, record->own) != 0)
		ixfr->owner = 0;
	ixfr->name = record->name;
	ixfr->own = record->own;
	return record_put(message, &ixfr->owner, record->name, record->own, record->type, record->ttl_s,
			  record->rdata, ixfr->span.version);
}

static enum status
ixfr_fill(struct stream *stream, struct stream_message *message, bool *ended)
{
	struct ixfr_stream *ixfr = (struct ixfr_stream *)(void *)stream;
	struct walk before = ixfr->walk;
	struct sequence_record record;

	ixfr->name = NULL;
	while (walk_next(&ixfr->span, &ixfr->walk, &record)) {
		if (!put(ixfr, message, &record)) { /* full: it comes first in the next one */
			ixfr->walk = before;
			break;
		}
		before = ixfr->walk;
	}
	*ended = ixfr->walk.step == WALK_ENDED;
	return message->count > 0 ? STATUS_OK : STATUS_LIMIT;
}

static void
ixfr_release(struct stream *stream)
{
	struct ixfr_stream *ixfr = (struct ixfr_stream *)(void *)stream;

	span_end(&ixfr->span);
	free(ixfr);
}

/* A connection that ends without an answer is tried again (after the NOTIFY), an error would be followed by an AXFR. */
static enum status
fill_nothing(struct stream *stream, struct stream_message *message, bool *ended)
{
	(void)stream;
	(void)message;
	(void)ended;
	return STATUS_RETRY;
}

static bool
has_targets(const struct zone *zone)
{
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);

	return settings != NULL && settings->notify_count > 0;
}

static void
count_start(struct ixfr_zone *at, enum status status)
{
	struct ixfr_counters *counters = &at->ixfr->counters;

	if (status == STATUS_OK)
		stat_add_shared(&counters->incremental, 1);
	else
		stat_add_shared(status == STATUS_RETRY ? &counters->deferred : &counters->whole, 1);
}

enum status
ixfr_start(const struct message *msg, const struct tsig *tsig, struct zone *zone, const struct zone_version *version,
	   uint32_t serial, struct stream **stream)
{
	struct ixfr_zone *at = atomic_load_explicit(&zone->ixfr, memory_order_acquire);
	struct span span;
	enum status status = span_from(zone, version, serial, &span);

	if (status == STATUS_RETRY && !has_targets(zone))
		status = STATUS_NOT_FOUND;
	if (at != NULL)
		count_start(at, status);
	if (status != STATUS_OK && status != STATUS_RETRY)
		return status;
	struct ixfr_stream *ixfr = calloc(1, sizeof *ixfr);
	if (ixfr == NULL) {
		span_end(&span);
		return STATUS_NO_MEMORY;
	}
	stream_init(&ixfr->stream, msg, tsig);
	ixfr->stream.fill = status == STATUS_OK ? ixfr_fill : fill_nothing;
	ixfr->stream.release = ixfr_release;
	ixfr->span = span;
	*stream = &ixfr->stream;
	return STATUS_OK;
}

/* ---- one message ---- */

static bool
compose_one(struct compose *compose, const struct zone_version *version, const struct sequence_record *record)
{
	uint8_t owner[NAME_MAX_SIZE];

	memcpy(owner, record->name, record->own);
	memcpy(owner + record->own, version->apex, version->apex_size);
	return compose_record(compose, SECTION_ANSWER, owner, record->type, CLASS_IN, record->ttl_s,
			      record->rdata.bytes, record->rdata.size);
}

static bool
compose_all(struct compose *compose, const struct span *span)
{
	struct sequence_record record;
	struct walk walk = {0};

	while (walk_next(span, &walk, &record))
		if (!compose_one(compose, span->version, &record))
			return false;
	return true;
}

bool
ixfr_compose(struct compose *compose, struct zone *zone, const struct zone_version *version, uint32_t serial)
{
	struct compose_mark mark = compose_mark(compose);
	struct span span;
	enum status status = span_from(zone, version, serial, &span);
	/* Looked at behind that: its follower may have made it meanwhile. */
	struct ixfr_zone *at = atomic_load_explicit(&zone->ixfr, memory_order_acquire);

	if (status != STATUS_OK) {
		if (at != NULL)
			stat_add_shared(&at->ixfr->counters.single, 1);
		return false;
	}
	bool fits = span.bytes <= UDP_SEQUENCES_SIZE && compose_all(compose, &span);
	if (!fits)
		compose_rewind(compose, mark);
	stat_add_shared(fits ? &at->ixfr->counters.incremental : &at->ixfr->counters.single, 1);
	span_end(&span);
	return fits;
}

/* ---- start and stop ---- */

struct ixfr *
ixfr_new(void (*ready)(void *context, struct zone *zone), void *context)
{
	struct ixfr *ixfr = calloc(1, sizeof *ixfr);

	if (ixfr == NULL)
		return NULL;
	ixfr->ready = ready;
	ixfr->context = context;
	ixfr->background = background_new(ixfr_history_read, ixfr, 0);
	if (ixfr->background != NULL)
		return ixfr;
	free(ixfr);
	return NULL;
}

void
ixfr_stop(struct ixfr *ixfr)
{
	background_stop(ixfr->background);
}

void
ixfr_free(struct ixfr *ixfr)
{
	background_free(ixfr->background);
	free(ixfr);
}

const struct ixfr_counters *
ixfr_counters(const struct ixfr *ixfr)
{
	return &ixfr->counters;
}
