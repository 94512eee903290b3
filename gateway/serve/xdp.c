#include "serve/xdp.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "serve/dispatch.h"
#include "serve/dnstap.h"
#include "serve/source.h"
#include "serve/udp.h"
#include "serve/xdp_frame.h"
#include "serve/xdp_interface.h"
#include "serve/xdp_socket.h"
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define BATCH 64
#define TURNS 16 /* batches before TCP and the mailbox get their turn */

/* One receive queue. */
struct queue {
	struct source source; /* first */
	struct xdp *xdp;      /* the worker's that has it */
	struct xdp_socket *socket;
	const struct wire *wire;
};

/* An interface. */
struct wire {
	const char *name;
	struct xdp_facts facts;
	struct xdp_filter *filter;
	size_t room;          /* octets of a frame that may go out */
	struct queue *queues;
};

struct xdp_sockets {
	const struct listener_sockets *listeners;
	unsigned workers;
	size_t wire_count;
	struct wire *wires;
};

struct xdp {
	const struct dispatch *dispatch;
	const struct listener_sockets *listeners;
	struct udp *udp;
	_Atomic int *in_flight;
	struct queue **queues; size_t queue_count;
	/* A batch. */
	struct xdp_chunk chunks[BATCH];
	struct xdp_frame frames[BATCH];
	struct peer peers[BATCH];
	struct origin origins[BATCH];
	uint8_t out[UDP_OUT_SIZE];
};

/* ---- receiving ---- */

/*
 * To one of our addresses, and not from one: the kernel drops what comes from a wire with an address of its own as the
 * source, and address lists rely on that. NULL: not ours.
 */
static const struct xdp_own *
find_own(const struct wire *wire, const struct xdp_frame *frame)
{
	const struct xdp_own *found = NULL;

	for (size_t i = 0; i < wire->facts.own_count; i++) {
		const struct xdp_own *own = &wire->facts.own[i];
		if (memcmp(&own->key.address, &frame->source, sizeof frame->source) == 0)
			return NULL;
		if (own->key.port == frame->target_port &&
		    memcmp(&own->key.address, &frame->target, sizeof frame->target) == 0)
			found = own;
	}
	return found;
}

static void
fill_peer(const struct wire *wire, const struct xdp_own *own, const struct xdp_frame *frame, struct peer *peer)
{
	peer->remote_size = xdp_frame_source(frame, wire->facts.index, &peer->remote);
	peer->local.ss_family = AF_UNSPEC;
	if (own->wildcard)
		xdp_frame_target(frame, wire->facts.index, &peer->local);
}

/* Up to BATCH frames that have come; *count get the messages among them. Returns how many frames there were. */
static unsigned
take_batch(struct xdp *xdp, struct queue *queue, unsigned *count)
{
	unsigned taken = xdp_socket_take(queue->socket, xdp->chunks, BATCH), kept = 0;

	for (unsigned i = 0; i < taken; i++) {
		struct xdp_frame *frame = &xdp->frames[kept];
		const struct xdp_own *own = NULL;
		if (xdp_frame_read(xdp->chunks[i].bytes, xdp->chunks[i].size, frame))
			own = find_own(queue->wire, frame);
		if (own == NULL) {
			xdp_socket_give_back(queue->socket, xdp->chunks[i]);
			continue;
		}
		fill_peer(queue->wire, own, frame, &xdp->peers[kept]);
		xdp->origins[kept].serial = own->socket;
		xdp->chunks[kept++] = xdp->chunks[i];
	}
	stat_add(&xdp->dispatch->counters->xdp_messages, kept);
	stat_add(&xdp->dispatch->counters->xdp_malformed, taken - kept);
	*count = kept;
	return taken;
}

/* ---- answering ---- */

static void
tap(struct xdp *xdp, struct dnstap *dnstap, unsigned i, uint64_t query_us, const uint8_t *answer, size_t size)
{
	struct dnstap_event event = {
		.local = &xdp->listeners->addresses[xdp->origins[i].serial].address,
		.query_us = query_us,
		.response_us = answer != NULL ? clock_wall_us() : 0,
		.peer = &xdp->peers[i],
		.message = answer != NULL ? answer : xdp_frame_payload(&xdp->frames[i]),
		.size = answer != NULL ? size : xdp->frames[i].payload_size,
	};

	dnstap_add(dnstap, xdp->dispatch->worker_number, &event);
}

/* The answer in `out` leaves in the frame that the query came in, or by the kernel where it does not fit. */
static void
send_answer(struct xdp *xdp, struct queue *queue, unsigned i, size_t size)
{
	struct xdp_frame *frame = &xdp->frames[i];

	if (frame->header_size + size > queue->wire->room) {
		udp_send(xdp->udp, xdp->origins[i].serial, &xdp->peers[i], xdp->out, size);
		xdp_socket_give_back(queue->socket, xdp->chunks[i]);
		return;
	}
	memcpy(xdp_frame_payload(frame), xdp->out, size);
	if (xdp_socket_send(queue->socket, (struct xdp_chunk){frame->bytes, xdp_frame_answer(frame, size)}))
		return;
	/* Lost, as on the way: the client asks again. */
	stat_add_shared(&xdp->dispatch->counters->dropped, 1);
	xdp_socket_give_back(queue->socket, xdp->chunks[i]);
}

static void
answer_one(struct xdp *xdp, struct queue *queue, unsigned i, struct dispatch_request *request, struct dnstap *dnstap,
	   uint64_t query_us)
{
	struct stream *stream;
	size_t size;
	enum dispatch_result result =
		dispatch_answer(xdp->dispatch, request, xdp->out, sizeof xdp->out, &size, &stream);

	if (result == DISPATCH_ANSWER) {
		if (dnstap != NULL)
			tap(xdp, dnstap, i, query_us, xdp->out, size);
		send_answer(xdp, queue, i, size);
		return;
	}
	/* The outcome of an UPDATE goes out of the socket of the same address: it needs nothing of the frame. */
	if (result == DISPATCH_LATER)
		(*xdp->in_flight)++;
	else
		invariant(result == DISPATCH_DROP);
	xdp_socket_give_back(queue->socket, xdp->chunks[i]);
}

static void
answer_group(struct xdp *xdp, struct queue *queue, unsigned first, unsigned end, struct dnstap *dnstap,
	     uint64_t query_us)
{
	struct dispatch_request requests[DISPATCH_GROUP];

	for (unsigned i = first; i < end; i++)
		dispatch_prepare(xdp->dispatch, xdp_frame_payload(&xdp->frames[i]), xdp->frames[i].payload_size,
				 &requests[i - first]);
	for (unsigned i = first; i < end; i++)
		dispatch_approach(&requests[i - first]);
	for (unsigned i = first; i < end; i++) {
		struct dispatch_request *request = &requests[i - first];
		request->peer = &xdp->peers[i];
		request->origin = &xdp->origins[i];
		answer_one(xdp, queue, i, request, dnstap, query_us);
	}
}

static void
answer_batch(struct xdp *xdp, struct queue *queue, unsigned count)
{
	struct dnstap *dnstap = dispatch_dnstap(xdp->dispatch);
	uint64_t query_us = dnstap != NULL ? clock_wall_us() : 0;

	for (unsigned i = 0; i < count; i++)
		xdp->origins[i].others_wait = count > 1;
	for (unsigned i = 0; i < count && dnstap != NULL; i++)
		tap(xdp, dnstap, i, query_us, NULL, 0);
	for (unsigned first = 0, end; first < count; first = end) {
		end = count - first > DISPATCH_GROUP ? first + DISPATCH_GROUP : count;
		answer_group(xdp, queue, first, end, dnstap, query_us);
	}
}

static void
receive(struct source *source, uint32_t events)
{
	struct queue *queue = (struct queue *)(void *)source;
	struct xdp *xdp = queue->xdp;

	(void)events;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		unsigned count, taken = take_batch(xdp, queue, &count);
		answer_batch(xdp, queue, count);
		xdp_socket_flush(queue->socket);
		rcu_quiescent_state();
		if (taken < BATCH)
			return;
	}
}

/* ---- a worker's share ---- */

struct xdp *
xdp_new(const struct dispatch *dispatch, struct xdp_sockets *sockets, struct udp *udp, _Atomic int *in_flight)
{
	struct xdp *xdp = calloc(1, sizeof *xdp);
	size_t all = 0;

	for (size_t i = 0; i < sockets->wire_count; i++)
		all += sockets->wires[i].facts.queues;
	if (xdp == NULL || (xdp->queues = calloc(all + 1, sizeof(struct queue *))) == NULL) {
		free(xdp);
		return NULL;
	}
	xdp->dispatch = dispatch;
	xdp->listeners = &sockets->listeners[dispatch->worker_number];
	xdp->udp = udp;
	xdp->in_flight = in_flight;
	for (size_t i = 0; i < BATCH; i++)
		xdp->peers[i].transport = TRANSPORT_UDP;
	unsigned turn = 0;
	for (size_t i = 0; i < sockets->wire_count; i++)
		for (unsigned q = 0; q < sockets->wires[i].facts.queues; q++, turn++)
			if (turn % sockets->workers == dispatch->worker_number) {
				struct queue *queue = &sockets->wires[i].queues[q];
				queue->xdp = xdp;
				xdp->queues[xdp->queue_count++] = queue;
			}
	return xdp;
}

void
xdp_free(struct xdp *xdp)
{
	if (xdp == NULL)
		return;
	free(xdp->queues);
	free(xdp);
}

bool
xdp_watch(struct xdp *xdp, int epoll_fd)
{
	for (size_t i = 0; i < xdp->queue_count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &xdp->queues[i]->source};
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, xdp_socket_fd(xdp->queues[i]->socket), &event) != 0)
			return false;
	}
	return true;
}

void
xdp_unwatch(struct xdp *xdp, int epoll_fd)
{
	for (size_t i = 0; i < xdp->queue_count; i++)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, xdp_socket_fd(xdp->queues[i]->socket), NULL);
}

void
xdp_tick(struct xdp *xdp)
{
	for (size_t i = 0; i < xdp->queue_count; i++)
		if (xdp_socket_is_sending(xdp->queues[i]->socket))
			xdp_socket_flush(xdp->queues[i]->socket);
}

/* ---- open and close ---- */

bool
xdp_built(void)
{
	return true;
}

static enum status
open_filter(struct wire *wire, const struct xdp_interface *interface, bool *native, char *reason)
{
	struct xdp_filter_settings settings = {.interface = wire->facts.index,
					       .mode = (enum xdp_mode)interface->mode,
					       .queues = wire->facts.queues,
					       .key_count = wire->facts.own_count};
	struct xdp_filter_key *keys = calloc(wire->facts.own_count + 1, sizeof *keys);

	if (keys == NULL)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < wire->facts.own_count; i++)
		keys[i] = wire->facts.own[i].key;
	settings.keys = keys;
	memcpy(settings.mac, wire->facts.mac, sizeof settings.mac);
	enum status status = xdp_filter_open(&settings, &wire->filter, native, reason);
	free(keys);
	return status;
}

static enum status
open_queue(struct wire *wire, unsigned number, char *reason)
{
	struct queue *queue = &wire->queues[number];

	queue->source.ready = receive;
	queue->wire = wire;
	enum status status = xdp_socket_open(wire->name, number, &queue->socket, reason);
	if (status == STATUS_OK && !xdp_filter_take(wire->filter, number, xdp_socket_fd(queue->socket)))
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "BPF map: %m");
	return status;
}

static enum status
open_wire(struct wire *wire, const struct xdp_interface *interface, const struct listener_sockets *listeners,
	  char *reason)
{
	bool native;

	wire->name = interface->name;
	enum status status = xdp_interface_read(wire->name, listeners, &wire->facts, reason);
	if (status != STATUS_OK)
		return status;
	wire->room = 14 + wire->facts.mtu < XDP_FRAME_MOST ? 14 + wire->facts.mtu : XDP_FRAME_MOST;
	wire->queues = calloc(wire->facts.queues, sizeof *wire->queues);
	if (wire->queues == NULL)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_NO_MEMORY, "out of memory");
	status = open_filter(wire, interface, &native, reason);
	for (unsigned i = 0; i < wire->facts.queues && status == STATUS_OK; i++)
		status = open_queue(wire, i, reason);
	if (status != STATUS_OK)
		return status;
	log_info("xdp", "interface=%s mode=%s zero_copy=%s queues=%u addresses=%zu", wire->name,
		 native ? "native" : "generic", xdp_socket_is_zero_copy(wire->queues[0].socket) ? "yes" : "no",
		 wire->facts.queues, wire->facts.own_count);
	if (wire->facts.own_count == 0)
		log_warning("xdp", "nothing is taken interface=%s reason=no address of listen is there", wire->name);
	return STATUS_OK;
}

enum status
xdp_open(const struct xdp_interface *interfaces, size_t count, const struct listener_sockets *listeners,
	 unsigned workers, struct xdp_sockets **sockets, char *reason)
{
	struct xdp_sockets *opened = calloc(1, sizeof *opened);
	char why[LISTENER_REASON_SIZE] = "out of memory";
	enum status status = STATUS_NO_MEMORY;
	size_t at = 0;

	if (opened != NULL && (opened->wires = calloc(count + 1, sizeof *opened->wires)) != NULL) {
		opened->listeners = listeners;
		opened->workers = workers;
		opened->wire_count = count;
		status = STATUS_OK;
	}
	for (; at < count && status == STATUS_OK; at++)
		status = open_wire(&opened->wires[at], &interfaces[at], listeners, why);
	if (status == STATUS_OK) {
		*sockets = opened;
		return STATUS_OK;
	}
	xdp_close(opened);
	return status_say(reason, LISTENER_REASON_SIZE, status, "%s: %s", interfaces[at > 0 ? at - 1 : 0].name, why);
}

static void
close_wire(struct wire *wire)
{
	/* First nothing more is taken: what comes from now on is the kernel's. */
	xdp_filter_close(wire->filter);
	for (unsigned i = 0; wire->queues != NULL && i < wire->facts.queues; i++)
		xdp_socket_close(wire->queues[i].socket);
	free(wire->queues);
	xdp_interface_free(&wire->facts);
}

void
xdp_close(struct xdp_sockets *sockets)
{
	if (sockets == NULL)
		return;
	for (size_t i = 0; i < sockets->wire_count; i++)
		close_wire(&sockets->wires[i]);
	free(sockets->wires);
	free(sockets);
}
