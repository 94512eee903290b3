#include "serve/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "serve/dispatch.h"
#include "serve/tcp.h"
#include "serve/tls.h"
#include "serve/udp.h"
#include "serve/xdp.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS 128
#define FEW 8 /* answers of some 6 us each, beside a commit of some 300 */
#define TICK_MS 1000
/* An UPDATE has its answer within update-timeout (2 s by default). */
#define STOP_MS 10000
/*
 * Answers that a client has not taken by then are not waited for, nor is the end of a transfer: a secondary comes back.
 */
#define STOP_CUT_MS 1000

struct mailbox {
	struct source source;             /* first */
	struct worker *worker;
	int fd;                           /* eventfd: something is in it */
	_Atomic(struct pending *) newest; /* any thread pushes, the worker takes all */
};

struct worker {
	const struct serve *serve;
	struct dispatch dispatch;
	struct serve_counters counters;
	struct mailbox mailbox;
	struct listener_sockets *sockets; /* given */
	struct udp *udp;
	struct xdp *xdp;                  /* NULL: none */
	struct tcp *tcp;
	unsigned number;
	_Atomic int in_flight;            /* UPDATEs in the committer's hands; briefly less */
	int epoll_fd;
	_Atomic bool stop;
	pthread_t thread;
};

/* ---- mailbox ---- */

static void
wake(struct mailbox *mailbox)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is at its end, so the worker is woken anyway. */
	while (write(mailbox->fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

/*
 * By UDP, and few are on their way: the thread that knows the outcome answers, which spares a client two changes of
 * thread and the worker, which may have queries to answer, a wake-up. Many go by mail: that thread is needed for the
 * next commit.
 */
static bool
answer_here(struct pending *pending)
{
	struct worker *worker = pending->worker;

	return pending->origin.connection == NULL && worker->in_flight <= FEW && rcu_read_ongoing() &&
	       !atomic_load_explicit(&worker->stop, memory_order_relaxed) && udp_answer_here(worker->udp, pending);
}

/* On any thread. One wake-up for all that is put in before the worker looks. */
static void
give_back(struct pending *pending)
{
	if (answer_here(pending))
		return;
	struct mailbox *mailbox = &pending->worker->mailbox;
	struct pending *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

	do
		pending->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, pending, memory_order_release,
						      memory_order_relaxed));
	if (newest == NULL)
		wake(mailbox);
}

/* Everything in it, oldest first. */
static struct pending *
take_mail(struct mailbox *mailbox)
{
	struct pending *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire), *oldest = NULL;

	while (newest != NULL) {
		struct pending *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

static void
mailbox_ready(struct source *source, uint32_t events)
{
	struct mailbox *mailbox = (struct mailbox *)(void *)source;
	struct worker *worker = mailbox->worker;
	struct pending *udp = NULL, **udp_end = &udp;
	uint64_t count;

	(void)events;
	/* First the bell, then the box: who puts something in afterwards rings again. */
	if (read(mailbox->fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
		log_limited(LOG_LEVEL_ERROR, "worker", "eventfd worker=%u", worker->number);
	for (struct pending *pending = take_mail(mailbox), *next; pending != NULL; pending = next) {
		next = pending->next;
		if (pending->origin.connection != NULL) {
			tcp_answer(worker->tcp, pending);
			continue;
		}
		pending->next = NULL;
		*udp_end = pending;
		udp_end = &pending->next;
	}
	udp_answer(worker->udp, udp);
	tcp_flush(worker->tcp);
}

/* ---- the loop ---- */

static void
round_of_events(struct worker *worker, int wait_ms)
{
	struct epoll_event events[EVENTS];

	rcu_thread_offline();
	int count = epoll_wait(worker->epoll_fd, events, EVENTS, wait_ms);
	rcu_thread_online();
	for (int i = 0; i < count; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
	if (worker->xdp != NULL)
		xdp_tick(worker->xdp);
	tcp_tick(worker->tcp, clock_monotonic_ms());
}

/* No new work; what is there is answered. */
static void
drain(struct worker *worker)
{
	uint64_t now_ms = clock_monotonic_ms(), cut_ms = now_ms + STOP_CUT_MS, end_ms = now_ms + STOP_MS;

	for (size_t i = 0; i < worker->sockets->count; i++)
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->sockets->udp[i], NULL);
	if (worker->xdp != NULL)
		xdp_unwatch(worker->xdp, worker->epoll_fd);
	tcp_stop(worker->tcp);
	while ((worker->in_flight > 0 || !tcp_is_idle(worker->tcp)) && now_ms < end_ms) {
		round_of_events(worker, now_ms < cut_ms ? (int)(cut_ms - now_ms) : TICK_MS);
		now_ms = clock_monotonic_ms();
		if (now_ms >= cut_ms)
			tcp_cut(worker->tcp);
	}
}

static void *
worker_run(void *argument)
{
	struct worker *worker = argument;
	char name[16];

	snprintf(name, sizeof name, "worker-%u", worker->number);
	pthread_setname_np(pthread_self(), name);
	rcu_register_thread();
	while (!atomic_load_explicit(&worker->stop, memory_order_acquire))
		round_of_events(worker, TICK_MS);
	drain(worker);
	rcu_unregister_thread();
	return NULL;
}

/* ---- start and stop ---- */

static bool
watch(struct worker *worker, int fd, struct source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum status
open_xdp(struct worker *worker)
{
	if (worker->sockets->xdp == NULL)
		return STATUS_OK;
	worker->xdp = xdp_new(&worker->dispatch, worker->sockets->xdp, worker->udp, &worker->in_flight);
	if (worker->xdp == NULL)
		return STATUS_NO_MEMORY;
	return xdp_watch(worker->xdp, worker->epoll_fd) ? STATUS_OK : STATUS_IO;
}

static enum status
worker_open(struct worker *worker, const struct worker_limits *limits)
{
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->mailbox.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->epoll_fd < 0 || worker->mailbox.fd < 0 ||
	    !watch(worker, worker->mailbox.fd, &worker->mailbox.source))
		return STATUS_IO;
	worker->dispatch.ratelimit = ratelimit_new(limits->workers);
	worker->udp = udp_new(&worker->dispatch, worker->sockets, &worker->in_flight);
	worker->tcp = tcp_new(&worker->dispatch, worker->epoll_fd, limits, &worker->in_flight);
	if (worker->dispatch.ratelimit == NULL || worker->udp == NULL || worker->tcp == NULL)
		return STATUS_NO_MEMORY;
	tcp_tick(worker->tcp, clock_monotonic_ms());
	for (size_t i = 0; i < worker->sockets->count; i++) {
		if (!watch(worker, worker->sockets->udp[i], udp_source(worker->udp, i)))
			return STATUS_IO;
		enum status status = tcp_listen(worker->tcp, worker->sockets->tcp[i], &tcp_plain);
		if (status != STATUS_OK)
			return status;
	}
	for (size_t i = 0; i < worker->sockets->tls_count; i++) {
		enum status status = tcp_listen(worker->tcp, worker->sockets->tls[i], &tcp_tls);
		if (status != STATUS_OK)
			return status;
	}
	return open_xdp(worker);
}

static void
worker_free(struct worker *worker)
{
	xdp_free(worker->xdp);
	udp_free(worker->udp);
	tcp_free(worker->tcp);
	ratelimit_free(worker->dispatch.ratelimit);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->mailbox.fd >= 0)
		close(worker->mailbox.fd);
	free(worker);
}

enum status
worker_start(const struct serve *serve, unsigned number, struct listener_sockets *sockets,
	     const struct worker_limits *limits, struct worker **worker)
{
	struct worker *started = calloc(1, sizeof *started);

	if (started == NULL)
		return STATUS_NO_MEMORY;
	started->serve = serve;
	started->number = number;
	started->sockets = sockets;
	started->epoll_fd = -1;
	started->mailbox = (struct mailbox){.source.ready = mailbox_ready, .worker = started, .fd = -1};
	started->dispatch = (struct dispatch){
		.serve = serve, .counters = &started->counters, .worker = started, .worker_number = number,
		.give_back = give_back,
	};
	enum status status = worker_open(started, limits);
	if (status == STATUS_OK && pthread_create(&started->thread, NULL, worker_run, started) != 0)
		status = STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		worker_free(started);
		return status;
	}
	*worker = started;
	return STATUS_OK;
}

void
worker_stop(struct worker *worker)
{
	if (worker == NULL)
		return;
	atomic_store_explicit(&worker->stop, true, memory_order_release);
	wake(&worker->mailbox);
	pthread_join(worker->thread, NULL);
	/* What the committer still holds would come back to freed memory: better to leave it, the process ends. */
	if (worker->in_flight == 0)
		worker_free(worker);
}

const struct serve_counters *
worker_counters(const struct worker *worker)
{
	return &worker->counters;
}
