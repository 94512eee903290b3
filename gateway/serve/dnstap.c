#include "serve/dnstap.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "serve/dnstap_frame.h"
#include <errno.h>
#include <fcntl.h>
#include <fstrm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTENT_TYPE "protobuf:dnstap.Dnstap"
#define TOGETHER 128      /* frames a write: as many as libfstrm hands on in one */
#define PARTS (2 * TOGETHER) /* it puts each frame's length before it */
#define GATHER_MS 10      /* between two looks into the rings */
#define RETRY_MS 1000
#define WAIT_S 1          /* in a call of the system, before `stop` is looked at */
#define STALL_MS 10000    /* a reader that takes nothing for so long is given up */
#define STOP_MS 2000
#define ALIGNMENT 8
#define SKIP UINT32_MAX   /* instead of a size: nothing more before the ring's end */

/* One worker's frames: { uint32 size, frame } at multiples of ALIGNMENT, none across the end. */
struct ring {
	_Alignas(64) _Atomic uint64_t head; /* octets ever written; the worker's, as the next two */
	uint64_t tail_seen;
	stat_counter dropped;
	_Alignas(64) _Atomic uint64_t tail; /* octets ever taken; the thread's */
	_Alignas(64) uint8_t bytes[DNSTAP_RING_SIZE];
};

struct dnstap {
	_Atomic unsigned holders;
	char *socket, *file, *identity, *version;
	unsigned types;
	uint8_t *prefix;
	size_t prefix_size;
	_Atomic(struct ring *) rings[DNSTAP_WORKERS]; /* each made by its worker */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
	bool stop;                                    /* under the mutex */
	_Atomic uint64_t deadline_ms;                 /* of the stop; 0: none */
	stat_counter sent, lost;
	_Atomic bool connected;
	/* the thread's own */
	struct fstrm_writer *writer;                  /* NULL: no reader */
	int fd;
	bool complained;
};

/* ---- the rings ---- */

static size_t
aligned(size_t size)
{
	return (sizeof(uint32_t) + size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Room for a frame, and where the ring's head is behind it; NULL: there is none. */
static uint8_t *
ring_reserve(struct ring *ring, size_t size, uint64_t *head)
{
	uint64_t from = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t at = from % DNSTAP_RING_SIZE, need = aligned(size), rest = DNSTAP_RING_SIZE - at;
	size_t skipped = rest < need ? rest : 0;
	uint32_t mark = SKIP, length = (uint32_t)size;

	*head = from + skipped + need;
	if (*head - ring->tail_seen > DNSTAP_RING_SIZE) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (*head - ring->tail_seen > DNSTAP_RING_SIZE)
			return NULL;
	}
	if (skipped > 0) {
		memcpy(ring->bytes + at, &mark, sizeof mark);
		at = 0;
	}
	memcpy(ring->bytes + at, &length, sizeof length);
	return ring->bytes + at + sizeof length;
}

/* The oldest frames; *tail is where the ring's tail is behind them. */
static unsigned
ring_look(struct ring *ring, struct iovec *frames, unsigned room, uint64_t *tail)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	unsigned count = 0;

	*tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	while (*tail < head && count < room) {
		size_t at = *tail % DNSTAP_RING_SIZE;
		uint32_t size;
		memcpy(&size, ring->bytes + at, sizeof size);
		if (size == SKIP) {
			*tail += DNSTAP_RING_SIZE - at;
			continue;
		}
		frames[count++] = (struct iovec){.iov_base = ring->bytes + at + sizeof size, .iov_len = size};
		*tail += aligned(size);
	}
	return count;
}

static struct ring *
ring_of(struct dnstap *dnstap, unsigned worker)
{
	require(worker < DNSTAP_WORKERS);
	struct ring *ring = atomic_load_explicit(&dnstap->rings[worker], memory_order_relaxed);
	if (ring != NULL)
		return ring;
	ring = aligned_alloc(64, sizeof *ring);
	if (ring == NULL)
		return NULL;
	memset(ring, 0, offsetof(struct ring, bytes));
	atomic_store_explicit(&dnstap->rings[worker], ring, memory_order_release);
	return ring;
}

void
dnstap_add(struct dnstap *dnstap, unsigned worker, const struct dnstap_event *event)
{
	unsigned type = dnstap_frame_type(event);
	struct dnstap_frame frame;
	uint64_t head;

	if ((dnstap->types >> type & 1) == 0)
		return;
	struct ring *ring = ring_of(dnstap, worker);
	if (ring == NULL)
		return;
	size_t size = dnstap->prefix_size + dnstap_frame_begin(&frame, event, type);
	uint8_t *at = ring_reserve(ring, size, &head);
	if (at == NULL) {
		stat_add(&ring->dropped, 1);
		return;
	}
	memcpy(at, dnstap->prefix, dnstap->prefix_size);
	dnstap_frame_write(&frame, at + dnstap->prefix_size);
	atomic_store_explicit(&ring->head, head, memory_order_release);
}

void
dnstap_add_pending(struct dnstap *dnstap, unsigned worker, const struct pending *pending,
		   const struct sockaddr_storage *local, const uint8_t *message, size_t size)
{
	uint64_t now_us = clock_wall_us(), took_us = (clock_monotonic_ns() - pending->update.arrival_ns) / 1000;

	dnstap_add(dnstap, worker,
		   &(struct dnstap_event){.peer = &pending->peer,
					  .local = local,
					  .query_us = now_us - took_us,
					  .response_us = now_us,
					  .message = message,
					  .size = size});
}

/* ---- the socket or file, as libfstrm wants it ---- */

static bool
is_over(const struct dnstap *dnstap, uint64_t since_ms)
{
	uint64_t deadline_ms = atomic_load(&dnstap->deadline_ms), now_ms = clock_monotonic_ms();

	return (deadline_ms != 0 && now_ms > deadline_ms) || now_ms - since_ms > STALL_MS;
}

static int
open_socket(const struct dnstap *dnstap)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = WAIT_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", dnstap->socket);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* What is in the file already has its end: it is kept under another name. */
static int
open_file(const struct dnstap *dnstap)
{
	struct stat info;
	char *kept;

	if (stat(dnstap->file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
		if (asprintf(&kept, "%s.%llu", dnstap->file, (unsigned long long)clock_wall_us()) < 0)
			return -1;
		int failed = rename(dnstap->file, kept);
		free(kept);
		if (failed != 0)
			return -1;
	}
	return open(dnstap->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
}

static fstrm_res
sink_open(void *context)
{
	struct dnstap *dnstap = context;

	dnstap->fd = dnstap->socket != NULL ? open_socket(dnstap) : open_file(dnstap);
	return dnstap->fd >= 0 ? fstrm_res_success : fstrm_res_failure;
}

static fstrm_res
sink_close(void *context)
{
	struct dnstap *dnstap = context;

	close(dnstap->fd);
	dnstap->fd = -1;
	return fstrm_res_success;
}

static fstrm_res
sink_read(void *context, void *bytes, size_t size)
{
	struct dnstap *dnstap = context;
	uint64_t since_ms = clock_monotonic_ms();

	for (size_t have = 0; have < size;) {
		ssize_t n = read(dnstap->fd, (uint8_t *)bytes + have, size - have);
		if (n > 0) {
			have += (size_t)n;
			continue;
		}
		if (n == 0) {
			errno = ECONNRESET;
			return fstrm_res_stop;
		}
		if ((errno != EAGAIN && errno != EINTR) || is_over(dnstap, since_ms))
			return fstrm_res_failure;
	}
	return fstrm_res_success;
}

/* `taken` octets are out; the first part that is not. */
static int
advance(struct iovec *parts, int first, int count, size_t taken)
{
	while (first < count && taken >= parts[first].iov_len)
		taken -= parts[first++].iov_len;
	if (first < count) {
		parts[first].iov_base = (uint8_t *)parts[first].iov_base + taken;
		parts[first].iov_len -= taken;
	}
	return first;
}

static fstrm_res
sink_write(void *context, const struct iovec *from, int count)
{
	struct dnstap *dnstap = context;
	struct iovec parts[PARTS];
	uint64_t since_ms = clock_monotonic_ms();
	int first = 0;

	require(count <= PARTS);
	memcpy(parts, from, (size_t)count * sizeof *parts);
	while (first < count) {
		ssize_t n = writev(dnstap->fd, parts + first, count - first);
		if (n > 0) {
			first = advance(parts, first, count, (size_t)n);
			since_ms = clock_monotonic_ms();
		} else if ((errno != EAGAIN && errno != EINTR) || is_over(dnstap, since_ms)) {
			return fstrm_res_failure;
		}
	}
	return fstrm_res_success;
}

/* ---- the reader comes and goes ---- */

static const char *
sink_text(const struct dnstap *dnstap)
{
	return dnstap->socket != NULL ? dnstap->socket : dnstap->file;
}

static void
end_writer(struct dnstap *dnstap)
{
	/* An open one says STOP, and over a socket waits for FINISH. */
	fstrm_writer_destroy(&dnstap->writer);
	if (dnstap->fd >= 0)
		sink_close(dnstap);
	atomic_store(&dnstap->connected, false);
}

/* Once for each time that it is away. */
static void
complain(struct dnstap *dnstap, const char *what, int error)
{
	if (!dnstap->complained)
		log_warning("dnstap", "%s to=%s reason=%s", what, sink_text(dnstap), strerror(error));
	dnstap->complained = true;
}

static struct fstrm_writer *
new_writer(struct dnstap *dnstap)
{
	struct fstrm_writer_options *options = fstrm_writer_options_init();
	struct fstrm_rdwr *sink = fstrm_rdwr_init(dnstap);

	fstrm_rdwr_set_open(sink, sink_open);
	fstrm_rdwr_set_close(sink, sink_close);
	fstrm_rdwr_set_write(sink, sink_write);
	if (dnstap->socket != NULL)
		fstrm_rdwr_set_read(sink, sink_read);
	fstrm_writer_options_add_content_type(options, CONTENT_TYPE, sizeof CONTENT_TYPE - 1);
	struct fstrm_writer *writer = fstrm_writer_init(options, &sink);
	fstrm_writer_options_destroy(&options);
	return writer;
}

static bool
begin_writer(struct dnstap *dnstap)
{
	dnstap->writer = new_writer(dnstap);
	errno = 0;
	if (fstrm_writer_open(dnstap->writer) != fstrm_res_success) {
		int error = errno != 0 ? errno : EPROTO;
		end_writer(dnstap);
		complain(dnstap, "not connected, tried again each second", error);
		return false;
	}
	log_info("dnstap", "connected to=%s", sink_text(dnstap));
	dnstap->complained = false;
	atomic_store(&dnstap->connected, true);
	return true;
}

/* Before it is found out by a write, which would be lost. */
static bool
is_gone(const struct dnstap *dnstap)
{
	char byte;

	return dnstap->socket != NULL && recv(dnstap->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- the thread ---- */

/* A piece of each ring; false: there was nothing, or the reader is gone. */
static bool
write_some(struct dnstap *dnstap)
{
	struct iovec frames[TOGETHER];
	bool some = false;

	for (unsigned worker = 0; worker < DNSTAP_WORKERS; worker++) {
		struct ring *ring = atomic_load_explicit(&dnstap->rings[worker], memory_order_acquire);
		uint64_t tail;
		unsigned count = ring != NULL ? ring_look(ring, frames, TOGETHER, &tail) : 0;
		if (count == 0)
			continue;
		errno = 0;
		bool written = fstrm_writer_writev(dnstap->writer, frames, (int)count) == fstrm_res_success;
		stat_add(written ? &dnstap->sent : &dnstap->lost, count);
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		if (!written) {
			complain(dnstap, "the reader has gone", errno);
			end_writer(dnstap);
			return false;
		}
		some = true;
	}
	return some;
}

/* False: stop. */
static bool
pause_for(struct dnstap *dnstap, unsigned ms)
{
	uint64_t until_ms = clock_monotonic_ms() + ms;

	pthread_mutex_lock(&dnstap->mutex);
	while (!dnstap->stop && wait_until(&dnstap->stopped, &dnstap->mutex, until_ms))
		;
	bool stop = dnstap->stop;
	pthread_mutex_unlock(&dnstap->mutex);
	return !stop;
}

static void *
run(void *context)
{
	struct dnstap *dnstap = context;
	unsigned wait_ms = 0;

	pthread_setname_np(pthread_self(), "dnstap");
	while (wait_ms == 0 || pause_for(dnstap, wait_ms)) {
		if (dnstap->writer != NULL && is_gone(dnstap)) {
			complain(dnstap, "the reader has gone", ECONNRESET);
			end_writer(dnstap);
		}
		wait_ms = RETRY_MS;
		if (dnstap->writer != NULL || begin_writer(dnstap))
			wait_ms = write_some(dnstap) && atomic_load(&dnstap->deadline_ms) == 0 ? 0 : GATHER_MS;
	}
	while (dnstap->writer != NULL && !is_over(dnstap, clock_monotonic_ms()) && write_some(dnstap))
		;
	if (dnstap->writer != NULL)
		end_writer(dnstap);
	return NULL;
}

/* ---- start and stop ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
copy_text(char **copy, const char *text)
{
	*copy = text != NULL ? strdup(text) : NULL;
	return *copy != NULL || text == NULL;
}

static void
free_all(struct dnstap *dnstap)
{
	for (unsigned i = 0; i < DNSTAP_WORKERS; i++)
		free(atomic_load(&dnstap->rings[i]));
	free(dnstap->socket);
	free(dnstap->file);
	free(dnstap->identity);
	free(dnstap->version);
	free(dnstap->prefix);
	pthread_mutex_destroy(&dnstap->mutex);
	pthread_cond_destroy(&dnstap->stopped);
	free(dnstap);
}

struct dnstap *
dnstap_new(const struct dnstap_settings *settings)
{
	struct dnstap *dnstap = calloc(1, sizeof *dnstap);

	require((settings->socket != NULL) != (settings->file != NULL));
	if (dnstap == NULL)
		return NULL;
	dnstap->fd = -1;
	dnstap->types = settings->types;
	atomic_init(&dnstap->holders, 1);
	pthread_mutex_init(&dnstap->mutex, NULL);
	wait_init(&dnstap->stopped);
	dnstap->prefix = dnstap_frame_prefix(settings->identity, settings->version, &dnstap->prefix_size);
	if (dnstap->prefix != NULL && copy_text(&dnstap->socket, settings->socket) &&
	    copy_text(&dnstap->file, settings->file) && copy_text(&dnstap->identity, settings->identity) &&
	    copy_text(&dnstap->version, settings->version) &&
	    pthread_create(&dnstap->thread, NULL, run, dnstap) == 0)
		return dnstap;
	free_all(dnstap);
	return NULL;
}

struct dnstap *
dnstap_hold(struct dnstap *dnstap)
{
	atomic_fetch_add(&dnstap->holders, 1);
	return dnstap;
}

void
dnstap_free(struct dnstap *dnstap)
{
	if (dnstap == NULL || atomic_fetch_sub(&dnstap->holders, 1) > 1)
		return;
	atomic_store(&dnstap->deadline_ms, clock_monotonic_ms() + STOP_MS);
	pthread_mutex_lock(&dnstap->mutex);
	dnstap->stop = true;
	pthread_cond_broadcast(&dnstap->stopped);
	pthread_mutex_unlock(&dnstap->mutex);
	pthread_join(dnstap->thread, NULL);
	free_all(dnstap);
}

/* Somebody may have moved it away, so that a new one is begun. */
static bool
is_there(const char *file)
{
	return file == NULL || access(file, F_OK) == 0;
}

bool
dnstap_fits(const struct dnstap *dnstap, const struct dnstap_settings *settings)
{
	return same_text(dnstap->socket, settings->socket) && same_text(dnstap->file, settings->file) &&
	       same_text(dnstap->identity, settings->identity) && same_text(dnstap->version, settings->version) &&
	       dnstap->types == settings->types && is_there(settings->file);
}

void
dnstap_count(const struct dnstap *dnstap, struct dnstap_counters *counters)
{
	*counters = (struct dnstap_counters){.sent = stat_read(&dnstap->sent),
					     .dropped = stat_read(&dnstap->lost),
					     .connected = atomic_load(&dnstap->connected)};
	for (unsigned i = 0; i < DNSTAP_WORKERS; i++) {
		const struct ring *ring = atomic_load_explicit(&dnstap->rings[i], memory_order_acquire);
		if (ring != NULL)
			counters->dropped += stat_read(&ring->dropped);
	}
}
