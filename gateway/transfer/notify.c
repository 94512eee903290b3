#include "transfer/notify.h"
#include "base/clock.h"
#include "base/endpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "keys/tsig.h"
#include "transfer/notify_sockets.h"
#include "wire/parse.h"
#include "zone/serial.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define IDS 256             /* lists of who waits for an answer */
#define SEND_TURN 256       /* then answers are read: a start with many zones must not fill anybody's socket */
#define MESSAGE_SIZE 2048
#define PLAIN_UDP_SIZE 512
#define LATE_TRIES 4        /* then the log says that nobody answers */

/* RESTING: it has acknowledged, and is told once more at its deadline. */
enum target_state { TARGET_IDLE, TARGET_QUEUED, TARGET_WAITING, TARGET_RESTING };

struct target {
	struct notify_zone *zone;
	struct sockaddr_storage address;
	uint8_t *key_name;      /* NULL: unsigned */
	struct tsig *tsig;      /* of what was sent last; NULL without a key */
	enum target_state state;
	bool again;             /* the zone has changed since */
	bool signed_now;        /* `tsig` holds a key */
	bool keyless;           /* what was to be sent last: its key is gone */
	unsigned tries;
	uint16_t id;
	uint64_t deadline_ms;
	uint64_t since_ms;      /* it answers at once; 0: it has never answered */
	size_t heap_at;
	struct target *next;    /* in the queue, or in a list of ids */
};

struct notify_zone {
	struct zone *zone;
	uint8_t *soa;           /* RDATA of the newest */
	size_t soa_size;
	uint32_t soa_ttl_s, serial;
	struct target *targets;
	size_t count;
};

struct notify {
	struct notify_counters counters;
	pthread_t thread;
	pthread_mutex_t mutex;  /* all below */
	struct keyring *keys;
	struct target *queue, **queue_end;
	struct target *ids[IDS];
	struct target **heap;   /* those that wait or rest, the earliest deadline first */
	size_t heap_count, heap_room, target_count;
	bool stop;
	/* From here on as made. */
	uint32_t again_ms[NOTIFY_AGAIN], retry_ms;
	int event;
	struct notify_sockets sockets;
	struct pollfd *fds;     /* the event, then each socket's */
};

/* ---- deadlines: a binary heap ---- */

static void
heap_set(struct notify *notify, size_t at, struct target *target)
{
	notify->heap[at] = target;
	target->heap_at = at;
}

static void
heap_up(struct notify *notify, size_t at)
{
	struct target *target = notify->heap[at];

	for (; at > 0 && notify->heap[(at - 1) / 2]->deadline_ms > target->deadline_ms; at = (at - 1) / 2)
		heap_set(notify, at, notify->heap[(at - 1) / 2]);
	heap_set(notify, at, target);
}

static void
heap_down(struct notify *notify, size_t at)
{
	struct target *target = notify->heap[at];

	for (size_t child; (child = 2 * at + 1) < notify->heap_count; at = child) {
		if (child + 1 < notify->heap_count &&
		    notify->heap[child + 1]->deadline_ms < notify->heap[child]->deadline_ms)
			child++;
		if (notify->heap[child]->deadline_ms >= target->deadline_ms)
			break;
		heap_set(notify, at, notify->heap[child]);
	}
	heap_set(notify, at, target);
}

/* Room was made when the target was. */
static void
heap_add(struct notify *notify, struct target *target)
{
	require(notify->heap_count < notify->heap_room);
	notify->heap[notify->heap_count++] = target;
	heap_up(notify, notify->heap_count - 1);
}

static void
heap_remove(struct notify *notify, struct target *target)
{
	size_t at = target->heap_at;
	struct target *last = notify->heap[--notify->heap_count];

	if (last == target)
		return;
	heap_set(notify, at, last);
	heap_up(notify, at);
	heap_down(notify, last->heap_at);
}

/* ---- states ---- */

static void
enqueue(struct notify *notify, struct target *target)
{
	target->state = TARGET_QUEUED;
	target->next = NULL;
	*notify->queue_end = target;
	notify->queue_end = &target->next;
}

static void
unlink_from(struct target **list, struct target *target)
{
	while (*list != target)
		list = &(*list)->next;
	*list = target->next;
}

static void
leave_queue(struct notify *notify, struct target *target)
{
	unlink_from(&notify->queue, target);
	notify->queue_end = &notify->queue;
	while (*notify->queue_end != NULL)
		notify->queue_end = &(*notify->queue_end)->next;
}

static void
drop_signature(struct target *target)
{
	if (target->signed_now)
		tsig_release(target->tsig);
	target->signed_now = false;
}

static void
stop_waiting(struct notify *notify, struct target *target)
{
	unlink_from(&notify->ids[target->id % IDS], target);
	heap_remove(notify, target);
	drop_signature(target);
	target->state = TARGET_IDLE;
}

static void
count_waiting(struct notify *notify, bool more)
{
	stat_add_shared(&notify->counters.waiting, more ? 1 : (uint64_t)-1);
}

static void
leave(struct notify *notify, struct target *target)
{
	if (target->state == TARGET_QUEUED || target->state == TARGET_WAITING)
		count_waiting(notify, false);
	if (target->state == TARGET_QUEUED)
		leave_queue(notify, target);
	else if (target->state == TARGET_WAITING)
		stop_waiting(notify, target);
	else if (target->state == TARGET_RESTING)
		heap_remove(notify, target);
	target->state = TARGET_IDLE;
}

/* It was idle or resting. */
static void
tell_target(struct notify *notify, struct target *target)
{
	if (target->state == TARGET_RESTING)
		heap_remove(notify, target);
	target->tries = 0;
	count_waiting(notify, true);
	enqueue(notify, target);
}

/* It has acknowledged: to be told once more, or done with. */
static void
rest(struct notify *notify, struct target *target)
{
	uint64_t now_ms = clock_monotonic_ms();

	count_waiting(notify, false);
	if (target->since_ms == 0 || target->tries > 1)
		target->since_ms = now_ms;
	for (unsigned i = 0; i < NOTIFY_AGAIN; i++) {
		target->deadline_ms = target->since_ms + notify->again_ms[i];
		if (target->deadline_ms <= now_ms)
			continue;
		target->state = TARGET_RESTING;
		heap_add(notify, target);
		return;
	}
}

/* ---- a message ---- */

/* RFC 1996 3.7: the SOA in the answer section is a hint. */
static size_t
write_message(const struct notify_zone *at, uint16_t id, size_t signature, uint8_t *out)
{
	const struct zone *zone = at->zone;
	struct writer writer = writer_over(out, MESSAGE_SIZE);
	size_t size = MESSAGE_HEADER_SIZE + zone->name_size + 4 + 12 + at->soa_size + signature;
	bool hint = size <= PLAIN_UDP_SIZE;

	writer_u16(&writer, id);
	writer_u16(&writer, (uint16_t)(OPCODE_NOTIFY << 11 | FLAG_AA)); /* 3.7: AA=1 */
	writer_u16(&writer, 1);
	writer_u16(&writer, hint);
	writer_u32(&writer, 0);
	writer_bytes(&writer, zone->name, zone->name_size);
	writer_u16(&writer, TYPE_SOA);
	writer_u16(&writer, CLASS_IN);
	if (hint) {
		writer_u16(&writer, 0xc000 | MESSAGE_HEADER_SIZE);
		writer_u16(&writer, TYPE_SOA);
		writer_u16(&writer, CLASS_IN);
		writer_u32(&writer, at->soa_ttl_s);
		writer_u16(&writer, (uint16_t)at->soa_size);
		writer_bytes(&writer, at->soa, at->soa_size);
	}
	invariant(!writer.failed);
	return writer_size(&writer);
}

#define SIGNATURE_ROOM 180 /* of an usual TSIG: only decides about the hint */

/* False: no such key any more. */
static bool
make_message(struct notify *notify, struct target *target, uint8_t *out, size_t *size)
{
	*size = write_message(target->zone, target->id, target->key_name != NULL ? SIGNATURE_ROOM : 0, out);
	if (target->key_name == NULL)
		return true;
	struct key *key = keyring_find(notify->keys, target->key_name);
	if (key == NULL || tsig_sign_request(target->tsig, key, out, size, MESSAGE_SIZE, clock_wall_s()) != STATUS_OK)
		return false;
	tsig_hold(target->tsig);
	target->signed_now = true;
	target->keyless = false;
	return true;
}

/* ---- sending ---- */

static uint64_t
retry_ms(const struct notify *notify, unsigned tries)
{
	uint64_t wait_ms = (uint64_t)notify->retry_ms << (tries < 16 ? tries : 16);

	return wait_ms < NOTIFY_RETRY_MOST_MS ? wait_ms : NOTIFY_RETRY_MOST_MS;
}

/* One line until the key is there again. */
static void
say_keyless(struct target *target, const char *zone, const char *secondary)
{
	char key[NAME_TEXT_SIZE];

	if (!target->keyless)
		log_limited(LOG_LEVEL_WARNING, "notify", "not sent zone=%s secondary=%s reason=no such key key=%s",
			    zone, secondary, name_to_text(target->key_name, key));
	target->keyless = true;
}

static void
send_message(struct notify *notify, struct target *target)
{
	const char *zone = target->zone->zone->text;
	char text[ENDPOINT_TEXT_SIZE];
	uint8_t message[MESSAGE_SIZE];
	size_t size;

	bool made = make_message(notify, target, message, &size);
	bool sent = made && notify_sockets_send(&notify->sockets, &target->address, message, size);
	const char *reason = strerror(errno);
	endpoint_text((const struct sockaddr *)&target->address, text);
	stat_add(sent ? &notify->counters.sent : &notify->counters.failed, 1);
	if (!made)
		say_keyless(target, zone, text);
	else if (sent)
		log_debug("notify", "zone=%s secondary=%s serial=%u tries=%u", zone, text, target->zone->serial,
			  target->tries);
	else
		log_limited(LOG_LEVEL_WARNING, "notify", "not sent zone=%s secondary=%s reason=%s", zone, text, reason);
	if (target->tries == LATE_TRIES)
		log_limited(LOG_LEVEL_WARNING, "notify", "no answer yet zone=%s secondary=%s tries=%u serial=%u", zone,
			    text, target->tries, target->zone->serial);
}

/* Whatever becomes of it, it is tried again unless an answer comes. */
static void
send_target(struct notify *notify, struct target *target)
{
	random_bytes(&target->id, sizeof target->id);
	target->again = false;
	send_message(notify, target);
	if (target->tries > 0)
		stat_add(&notify->counters.retries, 1);
	target->deadline_ms = clock_monotonic_ms() + retry_ms(notify, target->tries++);
	target->state = TARGET_WAITING;
	target->next = notify->ids[target->id % IDS];
	notify->ids[target->id % IDS] = target;
	heap_add(notify, target);
}

/* ---- the thread ---- */

static void
send_queued(struct notify *notify)
{
	for (unsigned turn = 0; turn < SEND_TURN && notify->queue != NULL; turn++) {
		struct target *target = notify->queue;
		notify->queue = target->next;
		if (notify->queue == NULL)
			notify->queue_end = &notify->queue;
		send_target(notify, target);
	}
}

static void
expire(struct notify *notify)
{
	uint64_t now_ms = clock_monotonic_ms();

	while (notify->heap_count > 0 && notify->heap[0]->deadline_ms <= now_ms) {
		struct target *target = notify->heap[0];
		if (target->state == TARGET_RESTING) {
			tell_target(notify, target);
			continue;
		}
		stop_waiting(notify, target);
		enqueue(notify, target);
	}
}

/* By the zone too: of thousands that one secondary is told of at once, some have the same id. */
static bool
is_answer_to(const struct target *target, const struct message *msg, const struct sockaddr_storage *from)
{
	const struct zone *zone = target->zone->zone;

	return target->id == msg->id && msg->qname_size == zone->name_size &&
	       memcmp(msg->qname, zone->name, zone->name_size) == 0 && endpoint_same(&target->address, from);
}

static struct target *
find_waiting(const struct notify *notify, const struct message *msg, const struct sockaddr_storage *from)
{
	struct target *target = notify->ids[msg->id % IDS];

	while (target != NULL && !is_answer_to(target, msg, from))
		target = target->next;
	return target;
}

/* RFC 8945 5.3: unsigned it is anybody's, also where our key has gone, so that we could not sign either. */
static bool
is_good(const struct target *target, const struct message *msg)
{
	if (target->key_name != NULL &&
	    !(target->signed_now && tsig_check_response(target->tsig, msg, clock_wall_s())))
		return false;
	return (msg->flags & FLAG_RCODE) == RCODE_NOERROR;
}

static void
take_answer(struct notify *notify, const uint8_t *bytes, size_t size, const struct sockaddr_storage *from)
{
	struct message msg;

	if (parse_response(bytes, size, &msg) != PARSE_OK || !(msg.flags & FLAG_QR) ||
	    message_opcode(&msg) != OPCODE_NOTIFY)
		return;
	struct target *target = find_waiting(notify, &msg, from);
	if (target == NULL)
		return; /* the answer to an earlier one; or anybody's */
	if (!is_good(target, &msg)) {
		char text[ENDPOINT_TEXT_SIZE];
		stat_add(&notify->counters.refused, 1);
		log_limited(LOG_LEVEL_WARNING, "notify", "not accepted zone=%s secondary=%s rcode=%s signed=%s",
			    target->zone->zone->text,
			    endpoint_text((const struct sockaddr *)from, text), rcode_text(msg.flags & FLAG_RCODE),
			    target->key_name != NULL ? "required" : "no");
		return;
	}
	stat_add(&notify->counters.acknowledged, 1);
	stop_waiting(notify, target);
	if (target->again)
		enqueue(notify, target);
	else
		rest(notify, target);
	target->tries = 0;
}

static void
read_answers(struct notify *notify, int fd)
{
	struct sockaddr_storage from;
	uint8_t message[4096];

	for (unsigned turn = 0; turn < SEND_TURN; turn++) {
		socklen_t from_size = sizeof from;
		ssize_t size = recvfrom(fd, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from,
					&from_size);
		if (size < 0 && errno != ECONNREFUSED && errno != EINTR)
			return;
		if (size > 0)
			take_answer(notify, message, (size_t)size, &from);
	}
}

static int
time_left(const struct notify *notify)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (notify->queue != NULL)
		return 0;
	if (notify->heap_count == 0)
		return -1;
	return notify->heap[0]->deadline_ms > now_ms ? (int)(notify->heap[0]->deadline_ms - now_ms) : 0;
}

static void *
run(void *context)
{
	struct notify *notify = context;
	struct pollfd *fds = notify->fds;

	pthread_mutex_lock(&notify->mutex);
	while (!notify->stop) {
		send_queued(notify);
		int timeout_ms = time_left(notify);
		pthread_mutex_unlock(&notify->mutex);
		poll(fds, 1 + notify->sockets.count, timeout_ms);
		pthread_mutex_lock(&notify->mutex);
		uint64_t count;
		if (fds[0].revents != 0 && read(notify->event, &count, sizeof count) < 0 && errno != EAGAIN)
			break;
		for (size_t i = 1; i <= notify->sockets.count; i++)
			if (fds[i].revents != 0)
				read_answers(notify, fds[i].fd);
		expire(notify);
	}
	pthread_mutex_unlock(&notify->mutex);
	return NULL;
}

static void
wake(struct notify *notify)
{
	uint64_t one = 1;

	while (write(notify->event, &one, sizeof one) < 0 && errno == EINTR)
		;
}

/* ---- zones ---- */

static void
free_targets(struct notify *notify, struct notify_zone *at)
{
	for (size_t i = 0; i < at->count; i++) {
		leave(notify, &at->targets[i]);
		free(at->targets[i].key_name);
		free(at->targets[i].tsig);
	}
	free(at->targets);
	at->targets = NULL;
	notify->target_count -= at->count;
	at->count = 0;
}

static bool
same_targets(const struct notify_zone *at, const struct transfer_settings *settings)
{
	if (at->count != settings->notify_count)
		return false;
	for (size_t i = 0; i < at->count; i++) {
		const uint8_t *a = at->targets[i].key_name, *b = settings->notify[i].key_name;
		if (!endpoint_same(&at->targets[i].address, &settings->notify[i].address) ||
		    (a == NULL) != (b == NULL) ||
		    (a != NULL && !name_equal(a, b)))
			return false;
	}
	return true;
}

static bool
init_target(struct target *target, struct notify_zone *at, const struct transfer_target *settings)
{
	target->zone = at;
	target->address = settings->address;
	if (settings->key_name == NULL)
		return true;
	size_t size = name_size(settings->key_name);
	target->key_name = malloc(size);
	target->tsig = calloc(1, sizeof *target->tsig);
	if (target->key_name == NULL || target->tsig == NULL)
		return false;
	memcpy(target->key_name, settings->key_name, size);
	return true;
}

/* The targets that the settings say, none of them told anything yet. */
static bool
make_targets(struct notify *notify, struct notify_zone *at, const struct transfer_settings *settings)
{
	free_targets(notify, at);
	at->targets = calloc(settings->notify_count, sizeof *at->targets);
	if (at->targets == NULL)
		return false;
	/* Room for all that can wait, so that sending needs no memory. */
	size_t need = notify->target_count + settings->notify_count;
	if (need > notify->heap_room) {
		struct target **heap = realloc(notify->heap, 2 * need * sizeof(struct target *));
		if (heap == NULL)
			return false;
		notify->heap = heap;
		notify->heap_room = 2 * need;
	}
	notify->target_count = need;
	at->count = settings->notify_count;
	for (size_t i = 0; i < at->count; i++)
		if (!init_target(&at->targets[i], at, &settings->notify[i]))
			return false;
	return true;
}

static void
forget(struct notify *notify, struct zone *zone)
{
	struct notify_zone *at = zone->notify;

	if (at == NULL)
		return;
	free_targets(notify, at);
	free(at->soa);
	free(at);
	zone->notify = NULL;
}

/* *fresh: its targets have not been told anything yet. NULL: no memory. */
static struct notify_zone *
zone_of(struct notify *notify, struct zone *zone, const struct transfer_settings *settings, bool *fresh)
{
	struct notify_zone *at = zone->notify;

	if (at == NULL) {
		at = calloc(1, sizeof *at);
		if (at == NULL)
			return NULL;
		at->zone = zone;
		zone->notify = at;
	}
	*fresh = !same_targets(at, settings);
	if (!*fresh || make_targets(notify, at, settings))
		return at;
	forget(notify, zone);
	return NULL;
}

static bool
set_soa(struct notify_zone *at, const struct zone_version *version)
{
	struct rrset soa;

	if (!version_soa(version, &soa))
		return false;
	struct rdata rdata = rrset_first(&soa);
	if (rdata.size != at->soa_size) {
		uint8_t *bytes = realloc(at->soa, rdata.size);
		if (bytes == NULL)
			return false;
		at->soa = bytes;
		at->soa_size = rdata.size;
	}
	memcpy(at->soa, rdata.bytes, rdata.size);
	at->soa_ttl_s = soa.ttl_s;
	at->serial = version->serial;
	return true;
}

/* True: somebody is to be told at once. */
static bool
tell(struct notify *notify, struct notify_zone *at)
{
	bool sends = false;

	for (size_t i = 0; i < at->count; i++) {
		struct target *target = &at->targets[i];
		target->again = true;
		if (target->state != TARGET_IDLE && target->state != TARGET_RESTING)
			continue;
		tell_target(notify, target);
		sends = true;
	}
	return sends;
}

void
notify_zone(struct notify *notify, struct zone *zone, const struct zone_version *version)
{
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);
	bool sends = false;

	pthread_mutex_lock(&notify->mutex);
	if (settings == NULL || settings->notify_count == 0) {
		forget(notify, zone);
	} else {
		bool fresh;
		struct notify_zone *at = zone_of(notify, zone, settings, &fresh);
		/* Two threads may come with versions in the wrong order. */
		bool news = at != NULL && (fresh || serial_greater(version->serial, at->serial));
		sends = news && set_soa(at, version) && tell(notify, at);
	}
	pthread_mutex_unlock(&notify->mutex);
	if (sends)
		wake(notify);
}

void
notify_forget(struct notify *notify, struct zone *zone)
{
	pthread_mutex_lock(&notify->mutex);
	forget(notify, zone);
	pthread_mutex_unlock(&notify->mutex);
}

void
notify_set_keys(struct notify *notify, struct keyring *keys)
{
	keyring_hold(keys);
	pthread_mutex_lock(&notify->mutex);
	struct keyring *old = notify->keys;
	notify->keys = keys;
	pthread_mutex_unlock(&notify->mutex);
	keyring_free(old);
}

const struct notify_counters *
notify_counters(const struct notify *notify)
{
	return &notify->counters;
}

/* ---- start and stop ---- */

static void
close_all(struct notify *notify)
{
	if (notify->event >= 0)
		close(notify->event);
	notify_sockets_close(&notify->sockets);
	free(notify->fds);
	keyring_free(notify->keys);
	free(notify->heap);
	free(notify);
}

static bool
open_all(struct notify *notify, const struct notify_settings *settings)
{
	const struct notify_sockets *sockets = &notify->sockets;

	notify->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (notify->event < 0 ||
	    !notify_sockets_open(&notify->sockets, settings->addresses, settings->address_count))
		return false;
	notify->fds = calloc(1 + sockets->count, sizeof *notify->fds);
	if (notify->fds == NULL)
		return false;
	notify->fds[0] = (struct pollfd){notify->event, POLLIN, 0};
	for (size_t i = 0; i < sockets->count; i++)
		notify->fds[1 + i] = (struct pollfd){sockets->items[i].fd, POLLIN, 0};
	return true;
}

struct notify *
notify_new(struct keyring *keys, const struct notify_settings *settings)
{
	struct notify *notify = calloc(1, sizeof *notify);

	if (notify == NULL)
		return NULL;
	memcpy(notify->again_ms, settings->again_ms, sizeof notify->again_ms);
	notify->retry_ms = settings->retry_ms;
	notify->queue_end = &notify->queue;
	notify->keys = keys;
	keyring_hold(keys);
	pthread_mutex_init(&notify->mutex, NULL);
	if (open_all(notify, settings) && pthread_create(&notify->thread, NULL, run, notify) == 0)
		return notify;
	close_all(notify);
	return NULL;
}

void
notify_free(struct notify *notify)
{
	pthread_mutex_lock(&notify->mutex);
	notify->stop = true;
	pthread_mutex_unlock(&notify->mutex);
	wake(notify);
	pthread_join(notify->thread, NULL);
	pthread_mutex_destroy(&notify->mutex);
	close_all(notify);
}
