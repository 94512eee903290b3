#include "serve/tcp.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/quota.h"
#include "serve/dnstap.h"
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LENGTH_SIZE 2              /* in front of each message (RFC 1035 4.2.2) */
#define ACCEPTS 64                 /* new connections a turn */
#define STREAM_TURN 16             /* messages of a transfer before others get their turn: 1 MiB */
#define EVICT_LOOK 8               /* connections looked at to find an idle one */
#define STALLED_PART 4             /* who takes nothing for this part of the idle time makes room for others */
#define ACCEPT_AGAIN_MS 1000       /* where it is not known when there will be a descriptor again */

struct tcp_connection {
	struct source source;      /* first */
	struct tcp *tcp;
	const struct tcp_layer *layer;
	void *layer_state;
	int fd;                    /* -1: closed */
	uint64_t serial; /* changes with each use of this memory: tells a pending if its client is still there */
	struct peer peer;
	struct tcp_connection *older, *newer; /* by progress; `newer` also links the lists of closed and free ones */
	struct tcp_connection *dirty_next;
	uint64_t progress_ms;
	int unsent;                /* octets that the kernel still held when the idle time was last over */
	uint8_t *in, *out;
	size_t in_used, out_at, out_used, out_room;
	unsigned pending;
	uint32_t events;           /* as epoll knows them */
	bool dirty, eof;
	struct stream *stream;
	uint64_t stream_end_ms;    /* a transfer that takes longer is cut off */
};

struct tcp_listener {
	struct source source;      /* first */
	struct tcp *tcp;
	const struct tcp_layer *layer;
	int fd;
	struct tcp_listener *next;
};

struct tcp {
	const struct dispatch *dispatch;
	_Atomic int *in_flight;
	struct worker_limits limits;
	int epoll_fd;
	uint64_t now_ms, serial;
	bool stopping, paused;                  /* paused: no connections are taken for now */
	uint64_t paused_ms;
	unsigned open;
	struct tcp_listener *listeners;
	struct tcp_connection *oldest, *newest; /* open ones */
	struct tcp_connection *closed;          /* in this round: events of theirs may still come */
	struct tcp_connection *free;
	struct tcp_connection *dirty;
	struct quota *clients;                  /* their connections */
	size_t scratch_used;
	uint8_t *in, *scratch;                  /* TCP_IN_SIZE, TCP_OUT_SIZE */
};

/* ---- plain TCP beneath ---- */

static ssize_t
plain_receive(int fd, void *state, void *bytes, size_t room)
{
	(void)state;
	return recv(fd, bytes, room, MSG_DONTWAIT);
}

static ssize_t
plain_send(int fd, void *state, const void *bytes, size_t size)
{
	(void)state;
	return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

const struct tcp_layer tcp_plain = {.transport = TRANSPORT_TCP, .receive = plain_receive, .send = plain_send};

/* ---- the order of progress ---- */

static void
unlink_progress(struct tcp *tcp, struct tcp_connection *connection)
{
	*(connection->older ? &connection->older->newer : &tcp->oldest) = connection->newer;
	*(connection->newer ? &connection->newer->older : &tcp->newest) = connection->older;
}

static void
link_progress(struct tcp *tcp, struct tcp_connection *connection)
{
	connection->progress_ms = tcp->now_ms;
	connection->older = tcp->newest;
	connection->newer = NULL;
	*(tcp->newest ? &tcp->newest->newer : &tcp->oldest) = connection;
	tcp->newest = connection;
}

static void
made_progress(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	connection->progress_ms = tcp->now_ms;
	if (tcp->newest != connection) {
		unlink_progress(tcp, connection);
		link_progress(tcp, connection);
	}
}

/* ---- closing ---- */

static void
end_stream(struct tcp_connection *connection)
{
	if (connection->stream == NULL)
		return;
	stream_free(connection->stream);
	connection->stream = NULL;
	stat_add(&connection->tcp->dispatch->counters->transfers, UINT64_MAX); /* one less */
}

static void
close_connection(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	if (connection->fd < 0)
		return;
	if (connection->layer->close != NULL && connection->layer_state != NULL)
		connection->layer->close(connection->layer_state);
	close(connection->fd);
	connection->fd = -1;
	connection->serial = ++tcp->serial;
	end_stream(connection);
	free(connection->in);
	free(connection->out);
	connection->in = connection->out = NULL;
	connection->in_used = connection->out_at = connection->out_used = connection->out_room = 0;
	quota_leave(tcp->clients, (const struct sockaddr *)&connection->peer.remote);
	unlink_progress(tcp, connection);
	connection->newer = tcp->closed;
	tcp->closed = connection;
	tcp->open--;
	stat_add(&tcp->dispatch->counters->tcp_open, UINT64_MAX); /* one less */
}

static size_t
unsent(const struct tcp_connection *connection)
{
	return connection->out_used - connection->out_at;
}

static bool
is_working(const struct tcp_connection *connection)
{
	return connection->pending > 0 || connection->stream != NULL || unsent(connection) > 0;
}

/* May another request be taken? A transfer is sent to its end first. */
static bool
may_take(const struct tcp_connection *connection)
{
	return connection->fd >= 0 && connection->stream == NULL && unsent(connection) < TCP_OUT_LIMIT &&
	       connection->pending < TCP_PENDING && !connection->tcp->stopping;
}

static bool
holds_more(const struct tcp_connection *connection)
{
	return connection->layer->again != NULL && connection->layer->again(connection->layer_state);
}

/* Tell epoll what we wait for; closes a connection that has nothing more to come or go. */
static void
settle(struct tcp_connection *connection)
{
	uint32_t events = 0;

	if (connection->fd < 0)
		return;
	if (connection->eof && !is_working(connection)) {
		close_connection(connection);
		return;
	}
	if (!connection->eof && may_take(connection))
		events |= EPOLLIN;
	/*
	 * What the layer holds is no event of the socket, but that it can be written is soon one: others get their
	 * turn.
	 */
	if (unsent(connection) > 0 || connection->stream != NULL || ((events & EPOLLIN) != 0 && holds_more(connection)))
		events |= EPOLLOUT;
	if (events == connection->events)
		return;
	struct epoll_event event = {.events = events, .data.ptr = connection};
	if (epoll_ctl(connection->tcp->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) != 0)
		close_connection(connection);
	connection->events = events;
}

/* ---- sending ---- */

/* Keep what the socket did not take. */
static bool
keep_unsent(struct tcp_connection *connection, const uint8_t *bytes, size_t size)
{
	size_t have = unsent(connection);

	if (connection->out_at > 0 && have > 0)
		memmove(connection->out, connection->out + connection->out_at, have);
	connection->out_at = 0;
	connection->out_used = have;
	if (connection->out_room - have < size) {
		size_t room = have + size + (have + size) / 2;
		uint8_t *grown = realloc(connection->out, room);
		if (grown == NULL)
			return false;
		connection->out = grown;
		connection->out_room = room;
	}
	memcpy(connection->out + have, bytes, size);
	connection->out_used += size;
	return true;
}

/* Octets taken; -1: the connection is dead. */
static ssize_t
send_some(struct tcp_connection *connection, const uint8_t *bytes, size_t size)
{
	ssize_t sent = connection->layer->send(connection->fd, connection->layer_state, bytes, size);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (sent > 0) {
		connection->unsent = 0;
		made_progress(connection);
	}
	return sent;
}

/* What is in the scratch buffer goes out, behind what is there already. */
static void
push(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;
	size_t size = tcp->scratch_used;
	ssize_t sent = 0;

	tcp->scratch_used = 0;
	if (size == 0 || connection->fd < 0)
		return;
	if (unsent(connection) == 0)
		sent = send_some(connection, tcp->scratch, size);
	if (sent < 0 || ((size_t)sent < size && !keep_unsent(connection, tcp->scratch + sent, size - (size_t)sent)))
		close_connection(connection);
}

/* What was kept; the buffer goes when it is empty. False: closed. */
static bool
send_kept(struct tcp_connection *connection)
{
	if (unsent(connection) == 0)
		return true;
	ssize_t sent = send_some(connection, connection->out + connection->out_at, unsent(connection));
	if (sent < 0) {
		close_connection(connection);
		return false;
	}
	connection->out_at += (size_t)sent;
	if (unsent(connection) == 0) {
		free(connection->out);
		connection->out = NULL;
		connection->out_at = connection->out_used = connection->out_room = 0;
	}
	return true;
}

/* Where the next message goes in the scratch buffer, LENGTH_SIZE before it; makes room by sending. */
static uint8_t *
scratch_room(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	if (TCP_OUT_SIZE - tcp->scratch_used < LENGTH_SIZE + MESSAGE_MAX_SIZE)
		push(connection);
	return tcp->scratch + tcp->scratch_used + LENGTH_SIZE;
}

static void
scratch_add(struct tcp *tcp, size_t size)
{
	bytes_put_u16(tcp->scratch + tcp->scratch_used, (uint16_t)size);
	tcp->scratch_used += LENGTH_SIZE + size;
}

/* ---- dnstap ---- */

/* The address asked, once for a connection, and only where somebody wants to know it. */
static const struct sockaddr_storage *
local_of(struct tcp_connection *connection)
{
	struct peer *peer = &connection->peer;
	socklen_t size = sizeof peer->local;

	if (peer->local.ss_family == AF_UNSPEC)
		getsockname(connection->fd, (struct sockaddr *)&peer->local, &size);
	return &peer->local;
}

/* response_us 0: a query. */
static __attribute__((noinline)) void
tap(struct tcp_connection *connection, struct dnstap *dnstap, uint64_t query_us, uint64_t response_us,
    const uint8_t *message, size_t size)
{
	struct dnstap_event event = {
		.peer = &connection->peer,
		.local = local_of(connection),
		.query_us = query_us,
		.response_us = response_us,
		.message = message,
		.size = size,
	};

	dnstap_add(dnstap, connection->tcp->dispatch->worker_number, &event);
}

/* ---- requests ---- */

/* dnstap: NULL, or where a copy of the answer goes. */
static void
take_request(struct tcp_connection *connection, struct dispatch_request *request, struct dnstap *dnstap,
	     uint64_t query_us)
{
	struct tcp *tcp = connection->tcp;
	struct origin origin = {.connection = connection, .serial = connection->serial};
	uint8_t *out = scratch_room(connection);
	size_t answer_size;

	if (connection->fd < 0)
		return;
	request->peer = &connection->peer;
	request->origin = &origin;
	switch (dispatch_answer(tcp->dispatch, request, out, MESSAGE_MAX_SIZE, &answer_size, &connection->stream)) {
	case DISPATCH_ANSWER:
		if (dnstap != NULL)
			tap(connection, dnstap, query_us, clock_wall_us(), out, answer_size);
		scratch_add(tcp, answer_size);
		break;
	case DISPATCH_LATER:
		connection->pending++;
		(*tcp->in_flight)++;
		break;
	case DISPATCH_STREAM:
		connection->stream_end_ms = tcp->now_ms + tcp->limits.tcp_transfer_ms;
		stat_add(&tcp->dispatch->counters->transfers, 1);
		break;
	case DISPATCH_DROP:
		break;
	}
}

/* Octets of the whole message at `at`, its length included; 0: there is none yet. */
static size_t
whole_message(const uint8_t *bytes, size_t size)
{
	if (size < LENGTH_SIZE)
		return 0;
	size_t length = LENGTH_SIZE + bytes_get_u16(bytes);
	return length <= size ? length : 0;
}

/* Some of the messages among `bytes`; returns the octets used. */
static size_t
take_group(struct tcp_connection *connection, const uint8_t *bytes, size_t size)
{
	struct dispatch_request requests[DISPATCH_GROUP];
	size_t end[DISPATCH_GROUP], at = 0, length;
	unsigned count = 0, taken = 0;
	struct dnstap *dnstap = dispatch_dnstap(connection->tcp->dispatch);
	uint64_t query_us = dnstap != NULL ? clock_wall_us() : 0;

	while (count < DISPATCH_GROUP && (length = whole_message(bytes + at, size - at)) > 0) {
		dispatch_prepare(connection->tcp->dispatch, bytes + at + LENGTH_SIZE, length - LENGTH_SIZE,
				 &requests[count]);
		end[count++] = at += length;
	}
	for (unsigned i = 0; i < count; i++)
		dispatch_approach(&requests[i]);
	/* One may start a transfer, or be one UPDATE too many: those behind it are prepared again later. */
	while (taken < count && may_take(connection)) {
		const struct message *msg = &requests[taken].msg;
		if (dnstap != NULL)
			tap(connection, dnstap, query_us, 0, msg->wire, msg->size);
		take_request(connection, &requests[taken++], dnstap, query_us);
	}
	return taken > 0 ? end[taken - 1] : 0;
}

/* What cannot be used yet stays with the connection. */
static void
keep_rest(struct tcp_connection *connection, const uint8_t *bytes, size_t size)
{
	connection->in_used = 0;
	if (connection->fd < 0)
		return;
	if (size == 0) {
		free(connection->in);
		connection->in = NULL;
		return;
	}
	uint8_t *kept = realloc(connection->in, size);
	if (kept == NULL) {
		close_connection(connection);
		return;
	}
	memcpy(kept, bytes, size);
	connection->in = kept;
	connection->in_used = size;
}

/* All whole messages among `bytes`, which lie in tcp->in; their answers leave in one send. */
static void
take_all(struct tcp_connection *connection, const uint8_t *bytes, size_t size)
{
	size_t at = 0, used;

	do {
		used = may_take(connection) ? take_group(connection, bytes + at, size - at) : 0;
		at += used;
	} while (used > 0);
	if (at > 0 && connection->fd >= 0)
		made_progress(connection);
	push(connection);
	keep_rest(connection, bytes + at, size - at);
}

/* Requests that had to wait. */
static void
resume(struct tcp_connection *connection)
{
	size_t size = connection->in_used;

	if (size == 0 || !may_take(connection))
		return;
	memcpy(connection->tcp->in, connection->in, size);
	take_all(connection, connection->tcp->in, size);
}

static void
tcp_readable(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;
	size_t have = connection->in_used;

	if (!may_take(connection) || connection->eof)
		return;
	if (have == TCP_IN_SIZE) { /* requests that had to wait for room behind their answers */
		resume(connection);
		return;
	}
	ssize_t size =
		connection->layer->receive(connection->fd, connection->layer_state, tcp->in + have, TCP_IN_SIZE - have);
	if (size < 0) {
		if (errno != EAGAIN && errno != EINTR)
			close_connection(connection);
		return;
	}
	if (size == 0) { /* it may still want its answers (RFC 7766 6.2.4) */
		connection->eof = true;
		return;
	}
	if (connection->layer->identify != NULL)
		connection->layer->identify(connection->layer_state, &connection->peer);
	if (have > 0)
		memcpy(tcp->in, connection->in, have);
	take_all(connection, tcp->in, have + (size_t)size);
}

/* ---- transfers ---- */

/* Its version, and all that was replaced since, stays in memory for it. */
static bool
is_overdue(const struct tcp_connection *connection)
{
	return connection->stream != NULL && connection->tcp->now_ms >= connection->stream_end_ms;
}

/* Messages of the stream, as long as the socket takes them. */
static void
pull_stream(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	if (is_overdue(connection)) {
		close_connection(connection);
		return;
	}

	for (unsigned turn = 0; turn < STREAM_TURN && connection->stream != NULL && unsent(connection) == 0; turn++) {
		uint8_t *out = scratch_room(connection);
		size_t size;
		if (connection->fd < 0 || unsent(connection) > 0)
			break;
		if (stream_next(connection->stream, out, MESSAGE_MAX_SIZE, &size) != STATUS_OK) {
			/* RFC 5936 2.2: a transfer that cannot go on is cut off. */
			tcp->scratch_used = 0;
			close_connection(connection);
			return;
		}
		if (size == 0) {
			end_stream(connection);
			break;
		}
		scratch_add(tcp, size);
	}
	push(connection);
}

static void
tcp_writable(struct tcp_connection *connection)
{
	if (!send_kept(connection) || unsent(connection) > 0)
		return;
	pull_stream(connection);
	resume(connection);
	if (connection->fd >= 0 && holds_more(connection))
		tcp_readable(connection);
}

static void
connection_ready(struct source *source, uint32_t events)
{
	struct tcp_connection *connection = (struct tcp_connection *)(void *)source;

	if (connection->fd < 0)
		return;
	connection->tcp->now_ms = clock_monotonic_ms();
	if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && (events & EPOLLIN) == 0)) {
		close_connection(connection);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		tcp_writable(connection);
	if ((events & EPOLLIN) != 0 && connection->fd >= 0)
		tcp_readable(connection);
	settle(connection);
}

/* ---- new connections ---- */

/* Would nobody miss it? It is idle, or its client has long taken nothing of what is there for it. */
static bool
may_evict(const struct tcp_connection *connection)
{
	const struct tcp *tcp = connection->tcp;

	return !is_working(connection) || (connection->pending == 0 && tcp->now_ms - connection->progress_ms >=
									       tcp->limits.tcp_idle_ms / STALLED_PART);
}

/* The connection that has been idle longest makes room (RFC 7766 6.2.3). False: all are at work. */
static bool
evict(struct tcp *tcp)
{
	struct tcp_connection *connection = tcp->oldest;

	for (unsigned look = 0; look < EVICT_LOOK && connection != NULL; look++, connection = connection->newer) {
		if (may_evict(connection)) {
			close_connection(connection);
			return true;
		}
	}
	return false;
}

static struct tcp_connection *
connection_new(struct tcp *tcp)
{
	struct tcp_connection *connection = tcp->free;

	if (connection != NULL)
		tcp->free = connection->newer;
	else
		connection = malloc(sizeof *connection);
	if (connection != NULL)
		*connection = (struct tcp_connection){.source.ready = connection_ready, .tcp = tcp, .fd = -1};
	return connection;
}

static void
refuse(struct tcp *tcp, int fd)
{
	stat_add(&tcp->dispatch->counters->tcp_refused, 1);
	close(fd);
}

/* What is beneath, and epoll. */
static bool
begin(struct tcp_connection *connection, const struct tcp_layer *layer, int fd)
{
	struct tcp *tcp = connection->tcp;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	connection->layer = layer;
	if (layer->open != NULL && !layer->open(tcp->dispatch, fd, &connection->layer_state))
		return false;
	if (epoll_ctl(tcp->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	if (connection->layer_state != NULL)
		layer->close(connection->layer_state);
	return false;
}

static void
adopt(struct tcp_listener *listener, int fd, const struct sockaddr_storage *remote, socklen_t remote_size)
{
	struct tcp *tcp = listener->tcp;
	int one = 1;

	/* First: who may not have another sends nobody away. */
	bool entered = quota_enter(tcp->clients, (const struct sockaddr *)remote);
	bool room = entered && (tcp->open < tcp->limits.tcp_clients || evict(tcp));
	struct tcp_connection *connection = room ? connection_new(tcp) : NULL;
	if (connection == NULL || !begin(connection, listener->layer, fd)) {
		if (connection != NULL) {
			connection->newer = tcp->free;
			tcp->free = connection;
		}
		if (entered)
			quota_leave(tcp->clients, (const struct sockaddr *)remote);
		refuse(tcp, fd);
		return;
	}
	/* Answers are coalesced here: the kernel need not wait for more. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	connection->fd = fd;
	connection->serial = ++tcp->serial;
	connection->events = EPOLLIN;
	connection->unsent = 0;
	connection->peer.remote = *remote;
	connection->peer.remote_size = remote_size;
	connection->peer.transport = listener->layer->transport;
	link_progress(tcp, connection);
	tcp->open++;
	stat_add(&tcp->dispatch->counters->tcp_accepted, 1);
	stat_add(&tcp->dispatch->counters->tcp_open, 1);
}

/* While no descriptor is left the sockets can be read all the time: they are not looked at. */
static void
pause_accepting(struct tcp *tcp, bool paused)
{
	struct epoll_event event = {.events = paused ? 0 : EPOLLIN};

	tcp->paused = paused;
	tcp->paused_ms = tcp->now_ms;
	for (struct tcp_listener *listener = tcp->listeners; listener != NULL; listener = listener->next) {
		event.data.ptr = listener;
		epoll_ctl(tcp->epoll_fd, EPOLL_CTL_MOD, listener->fd, &event);
	}
}

static void
no_descriptor(struct tcp *tcp, const char *reason)
{
	if (evict(tcp)) {
		log_limited(LOG_LEVEL_WARNING, "tcp", "an idle connection was closed reason=%s connections=%u", reason,
			    tcp->open);
		return;
	}
	log_limited(LOG_LEVEL_WARNING, "tcp", "new connections wait reason=%s connections=%u", reason, tcp->open);
	pause_accepting(tcp, true);
}

static void
tcp_acceptable(struct source *source, uint32_t events)
{
	struct tcp_listener *listener = (struct tcp_listener *)(void *)source;

	(void)events;
	listener->tcp->now_ms = clock_monotonic_ms();
	for (unsigned i = 0; i < ACCEPTS && !listener->tcp->stopping; i++) {
		struct sockaddr_storage remote;
		socklen_t size = sizeof remote;
		int fd = accept4(listener->fd, (struct sockaddr *)&remote, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			adopt(listener, fd, &remote, size);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		/* The first time somebody waits; later accept says so without looking. */
		if (i == 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			no_descriptor(listener->tcp, strerror(errno));
		return;
	}
}

enum status
tcp_listen(struct tcp *tcp, int fd, const struct tcp_layer *layer)
{
	struct tcp_listener *listener = calloc(1, sizeof *listener);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

	if (listener == NULL)
		return STATUS_NO_MEMORY;
	*listener = (struct tcp_listener){
		.source.ready = tcp_acceptable, .tcp = tcp, .layer = layer, .fd = fd, .next = tcp->listeners};
	if (epoll_ctl(tcp->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		free(listener);
		return STATUS_IO;
	}
	tcp->listeners = listener;
	return STATUS_OK;
}

/* ---- UPDATEs that come back ---- */

void
tcp_answer(struct tcp *tcp, struct pending *pending)
{
	struct tcp_connection *connection = pending->origin.connection;
	size_t size;

	(*tcp->in_flight)--;
	if (connection->serial == pending->origin.serial && connection->fd >= 0) {
		connection->pending--;
		if (dispatch_pending(tcp->dispatch, pending, tcp->scratch + LENGTH_SIZE, MESSAGE_MAX_SIZE, &size) ==
		    DISPATCH_ANSWER) {
			struct dnstap *dnstap = dispatch_dnstap(tcp->dispatch);
			if (dnstap != NULL)
				dnstap_add_pending(dnstap, tcp->dispatch->worker_number, pending, local_of(connection),
						   tcp->scratch + LENGTH_SIZE, size);
			bytes_put_u16(tcp->scratch, (uint16_t)size);
			if (!keep_unsent(connection, tcp->scratch, LENGTH_SIZE + size))
				close_connection(connection);
		}
		if (!connection->dirty) {
			connection->dirty = true;
			connection->dirty_next = tcp->dirty;
			tcp->dirty = connection;
		}
	}
	dispatch_pending_free(pending);
}

void
tcp_flush(struct tcp *tcp)
{
	while (tcp->dirty != NULL) {
		struct tcp_connection *connection = tcp->dirty;
		tcp->dirty = connection->dirty_next;
		connection->dirty = false;
		if (connection->fd < 0 || !send_kept(connection))
			continue;
		resume(connection);
		settle(connection);
	}
}

/* ---- the round ---- */

/*
 * A slow reader of a transfer: megabytes lie in the kernel, which asks for more only when a good part of them has gone.
 * It is alive as long as they become fewer.
 */
static bool
is_draining(struct tcp_connection *connection)
{
	int unsent = 0, before = connection->unsent;

	if (ioctl(connection->fd, SIOCOUTQ, &unsent) != 0)
		return false;
	connection->unsent = unsent;
	return unsent > 0 && (before == 0 || unsent < before);
}

void
tcp_tick(struct tcp *tcp, uint64_t now_ms)
{
	tcp->now_ms = now_ms;
	for (struct tcp_connection *connection = tcp->oldest, *newer; connection != NULL; connection = newer) {
		newer = connection->newer;
		if (now_ms - connection->progress_ms < tcp->limits.tcp_idle_ms)
			break;
		if (connection->pending > 0) /* an UPDATE on its way has a time limit of its own */
			continue;
		if (!is_overdue(connection) && is_draining(connection))
			made_progress(connection);
		else
			close_connection(connection);
	}
	if (tcp->paused && (tcp->closed != NULL || now_ms - tcp->paused_ms >= ACCEPT_AGAIN_MS))
		pause_accepting(tcp, false);
	while (tcp->closed != NULL) {
		struct tcp_connection *connection = tcp->closed;
		tcp->closed = connection->newer;
		connection->newer = tcp->free;
		tcp->free = connection;
	}
}

void
tcp_stop(struct tcp *tcp)
{
	tcp->stopping = true;
	for (struct tcp_listener *listener = tcp->listeners; listener != NULL; listener = listener->next)
		epoll_ctl(tcp->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
	for (struct tcp_connection *connection = tcp->oldest, *newer; connection != NULL; connection = newer) {
		newer = connection->newer;
		connection->eof = true;
		settle(connection);
	}
}

void
tcp_cut(struct tcp *tcp)
{
	for (struct tcp_connection *connection = tcp->oldest, *newer; connection != NULL; connection = newer) {
		newer = connection->newer;
		if (connection->pending == 0)
			close_connection(connection);
	}
}

bool
tcp_is_idle(const struct tcp *tcp)
{
	for (const struct tcp_connection *connection = tcp->oldest; connection != NULL; connection = connection->newer)
		if (is_working(connection))
			return false;
	return true;
}

struct tcp *
tcp_new(const struct dispatch *dispatch, int epoll_fd, const struct worker_limits *limits,
	_Atomic int *in_flight)
{
	struct tcp *tcp = calloc(1, sizeof *tcp);

	if (tcp == NULL)
		return NULL;
	tcp->dispatch = dispatch;
	tcp->epoll_fd = epoll_fd;
	tcp->limits = *limits;
	tcp->in_flight = in_flight;
	tcp->clients = quota_new(limits->tcp_clients_address);
	tcp->in = malloc(TCP_IN_SIZE);
	tcp->scratch = malloc(TCP_OUT_SIZE);
	if (tcp->clients == NULL || tcp->in == NULL || tcp->scratch == NULL) {
		tcp_free(tcp);
		return NULL;
	}
	return tcp;
}

void
tcp_free(struct tcp *tcp)
{
	if (tcp == NULL)
		return;
	while (tcp->oldest != NULL)
		close_connection(tcp->oldest);
	tcp_tick(tcp, tcp->now_ms);
	while (tcp->free != NULL) {
		struct tcp_connection *connection = tcp->free;
		tcp->free = connection->newer;
		free(connection);
	}
	while (tcp->listeners != NULL) {
		struct tcp_listener *listener = tcp->listeners;
		tcp->listeners = listener->next;
		free(listener);
	}
	if (tcp->clients != NULL)
		quota_free(tcp->clients);
	free(tcp->in);
	free(tcp->scratch);
	free(tcp);
}
