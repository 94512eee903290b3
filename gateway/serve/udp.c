#include "serve/udp.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "serve/dnstap.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Messages a system call. */
#define BATCH 64
/* Batches before TCP and the mailbox get their turn. */
#define TURNS 16
/* Strides that are no power of two: buffers at like offsets do not fall into one set of the cache. */
#define IN_STRIDE (UDP_IN_SIZE + 192)
#define OUT_STRIDE (UDP_OUT_SIZE + 192)

union control {
	struct cmsghdr header; /* for its alignment */
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_socket {
	struct source source; /* first */
	struct udp *udp;
	int fd;
	unsigned index;
	bool wildcard;
	struct sockaddr_storage local;
};

struct udp {
	const struct dispatch *dispatch;
	_Atomic int *in_flight;
	size_t socket_count;
	struct udp_socket *sockets;
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	struct peer peers[BATCH];
	union control in_control[BATCH], out_control[BATCH];
	uint8_t *in_bytes, *out_bytes;
};

struct udp *
udp_new(const struct dispatch *dispatch, const struct listener_sockets *sockets, _Atomic int *in_flight)
{
	struct udp *udp = calloc(1, sizeof *udp);

	if (udp == NULL)
		return NULL;
	udp->dispatch = dispatch;
	udp->in_flight = in_flight;
	udp->sockets = calloc(sockets->count + 1, sizeof *udp->sockets);
	udp->in_bytes = malloc(BATCH * IN_STRIDE);
	udp->out_bytes = malloc(BATCH * OUT_STRIDE);
	if (udp->sockets == NULL || udp->in_bytes == NULL || udp->out_bytes == NULL) {
		udp_free(udp);
		return NULL;
	}
	udp->socket_count = sockets->count;
	for (size_t i = 0; i < sockets->count; i++)
		udp->sockets[i] = (struct udp_socket){
			.source.ready = udp_receive, .udp = udp, .fd = sockets->udp[i], .index = (unsigned)i,
			.wildcard = sockets->wildcard[i], .local = sockets->addresses[i].address,
		};
	for (size_t i = 0; i < BATCH; i++) {
		udp->in_iov[i] = (struct iovec){.iov_base = udp->in_bytes + i * IN_STRIDE, .iov_len = UDP_IN_SIZE};
		udp->in[i].msg_hdr = (struct msghdr){
			.msg_name = &udp->peers[i].remote, .msg_namelen = sizeof udp->peers[i].remote,
			.msg_iov = &udp->in_iov[i], .msg_iovlen = 1,
		};
		udp->out_iov[i].iov_base = udp->out_bytes + i * OUT_STRIDE;
		udp->out[i].msg_hdr = (struct msghdr){.msg_iov = &udp->out_iov[i], .msg_iovlen = 1};
		udp->peers[i].transport = TRANSPORT_UDP;
	}
	return udp;
}

void
udp_free(struct udp *udp)
{
	if (udp == NULL)
		return;
	free(udp->sockets);
	free(udp->in_bytes);
	free(udp->out_bytes);
	free(udp);
}

struct source *
udp_source(struct udp *udp, size_t index)
{
	require(index < udp->socket_count);
	return &udp->sockets[index].source;
}

/* ---- the address asked, at wildcard sockets (RFC 2181 4.1) ---- */

static void
read_local(struct msghdr *header, struct peer *peer)
{
	peer->local.ss_family = AF_UNSPEC;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
			struct sockaddr_in *local = (struct sockaddr_in *)&peer->local;
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(control), sizeof info);
			local->sin_family = AF_INET;
			local->sin_addr = info.ipi_addr;
		} else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
			struct sockaddr_in6 *local = (struct sockaddr_in6 *)&peer->local;
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(control), sizeof info);
			local->sin6_family = AF_INET6;
			local->sin6_addr = info.ipi6_addr;
			local->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? (uint32_t)info.ipi6_ifindex : 0;
		}
	}
}

static void
put_control(struct msghdr *header, union control *control, int level, int type, const void *info, size_t size)
{
	memset(control, 0, sizeof *control);
	control->header.cmsg_level = level;
	control->header.cmsg_type = type;
	control->header.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control->header), info, size);
	header->msg_control = control;
	header->msg_controllen = CMSG_SPACE(size);
}

static __attribute__((noinline)) void
write_local(struct msghdr *header, union control *control, const struct peer *peer)
{
	header->msg_control = NULL;
	header->msg_controllen = 0;
	if (peer->local.ss_family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = ((const struct sockaddr_in *)&peer->local)->sin_addr};
		put_control(header, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	} else if (peer->local.ss_family == AF_INET6) {
		const struct sockaddr_in6 *local = (const struct sockaddr_in6 *)&peer->local;
		struct in6_pktinfo info = {.ipi6_addr = local->sin6_addr, .ipi6_ifindex = local->sin6_scope_id};
		put_control(header, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	}
}

/* ---- sending ---- */

static inline void
put_header(struct msghdr *header, union control *control, const struct peer *peer)
{
	header->msg_name = (void *)(uintptr_t)&peer->remote;
	header->msg_namelen = peer->remote_size;
	if (peer->local.ss_family == AF_UNSPEC) {
		header->msg_control = NULL;
		header->msg_controllen = 0;
	} else {
		write_local(header, control, peer);
	}
}

/* `out` entry number `slot` becomes the answer for `peer`. */
static void
put_answer(struct udp *udp, unsigned slot, const struct peer *peer, size_t size)
{
	udp->out_iov[slot].iov_len = size;
	put_header(&udp->out[slot].msg_hdr, &udp->out_control[slot], peer);
}

/* An answer that the system does not take is lost, as on the way: the client asks again. Nobody waits for it here. */
static void
send_all(struct udp *udp, int fd, unsigned count)
{
	unsigned sent = 0;

	while (sent < count) {
		int n = sendmmsg(fd, udp->out + sent, count - sent, MSG_DONTWAIT);
		if (n > 0) {
			sent += (unsigned)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		stat_add_shared(&udp->dispatch->counters->dropped, 1);
		sent++;
	}
}

/* ---- receiving ---- */

static int
receive_batch(struct udp *udp, const struct udp_socket *socket)
{
	/* What the last batch changed was put back by reset; only wildcard sockets have control messages. */
	for (unsigned i = 0; i < BATCH && socket->wildcard; i++) {
		udp->in[i].msg_hdr.msg_control = &udp->in_control[i];
		udp->in[i].msg_hdr.msg_controllen = sizeof udp->in_control[i];
	}
	return recvmmsg(socket->fd, udp->in, BATCH, MSG_DONTWAIT, NULL);
}

/* Message i of the batch: who sent it, and the header as the next recvmmsg wants it. */
static inline void
take_header(struct udp *udp, const struct udp_socket *socket, unsigned i)
{
	struct msghdr *header = &udp->in[i].msg_hdr;
	struct peer *peer = &udp->peers[i];

	peer->remote_size = header->msg_namelen;
	header->msg_namelen = sizeof peer->remote;
	peer->local.ss_family = AF_UNSPEC;
	if (!socket->wildcard)
		return;
	read_local(header, peer);
	header->msg_control = NULL;
	header->msg_controllen = 0;
}

/* Messages `first` to `end` of the batch; returns the answers that there are now. */
static unsigned
answer_group(struct udp *udp, const struct udp_socket *socket, unsigned first, unsigned end, bool others,
	     unsigned answers)
{
	struct origin origin = {.serial = socket->index, .others_wait = others};
	struct dispatch_request requests[DISPATCH_GROUP];
	struct stream *stream;

	for (unsigned i = first; i < end; i++)
		dispatch_prepare(udp->dispatch, udp->in_iov[i].iov_base, udp->in[i].msg_len, &requests[i - first]);
	for (unsigned i = first; i < end; i++)
		dispatch_approach(&requests[i - first]);
	for (unsigned i = first; i < end; i++) {
		struct dispatch_request *request = &requests[i - first];
		size_t size;
		take_header(udp, socket, i);
		request->peer = &udp->peers[i];
		request->origin = &origin;
		enum dispatch_result result = dispatch_answer(udp->dispatch, request, udp->out_iov[answers].iov_base,
							      UDP_OUT_SIZE, &size, &stream);
		if (result == DISPATCH_ANSWER)
			put_answer(udp, answers++, &udp->peers[i], size);
		else if (result == DISPATCH_LATER)
			(*udp->in_flight)++;
		else
			invariant(result == DISPATCH_DROP);
	}
	return answers;
}

/* A copy of what came, then of what goes: after send_all the buffers are the next batch's. */
static __attribute__((noinline)) void
tap_batch(struct udp *udp, const struct udp_socket *socket, struct dnstap *dnstap, uint64_t query_us, unsigned count,
	  unsigned answers)
{
	struct dnstap_event event = {.local = &socket->local, .query_us = query_us};

	for (unsigned i = 0; i < count; i++) {
		event.peer = &udp->peers[i];
		event.message = udp->in_iov[i].iov_base;
		event.size = udp->in[i].msg_len;
		dnstap_add(dnstap, udp->dispatch->worker_number, &event);
	}
	event.response_us = clock_wall_us();
	for (unsigned i = 0; i < answers; i++) {
		/* The address is the peer's first member. */
		event.peer = (const struct peer *)udp->out[i].msg_hdr.msg_name;
		event.message = udp->out_iov[i].iov_base;
		event.size = udp->out_iov[i].iov_len;
		dnstap_add(dnstap, udp->dispatch->worker_number, &event);
	}
}

static void
answer_batch(struct udp *udp, const struct udp_socket *socket, unsigned count)
{
	struct dnstap *dnstap = dispatch_dnstap(udp->dispatch);
	uint64_t query_us = dnstap != NULL ? clock_wall_us() : 0;
	unsigned answers = 0;

	for (unsigned first = 0, end; first < count; first = end) {
		end = count - first > DISPATCH_GROUP ? first + DISPATCH_GROUP : count;
		answers = answer_group(udp, socket, first, end, count > 1, answers);
	}
	if (dnstap != NULL)
		tap_batch(udp, socket, dnstap, query_us, count, answers);
	send_all(udp, socket->fd, answers);
}

void
udp_receive(struct source *source, uint32_t events)
{
	struct udp_socket *socket = (struct udp_socket *)(void *)source;

	(void)events;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		int count = receive_batch(socket->udp, socket);
		if (count <= 0) /* nothing, or an ICMP error of an earlier answer: the next call gives messages */
			return;
		answer_batch(socket->udp, socket, (unsigned)count);
		rcu_quiescent_state();
		if (count < BATCH)
			return;
	}
}

/* ---- answers that waited ---- */

static void
tap_pending(const struct udp *udp, const struct pending *pending, const struct iovec *answer)
{
	struct dnstap *dnstap = dispatch_dnstap(udp->dispatch);

	if (dnstap != NULL)
		dnstap_add_pending(dnstap, udp->dispatch->worker_number, pending,
				   &udp->sockets[pending->origin.serial].local, answer->iov_base, answer->iov_len);
}

void
udp_answer(struct udp *udp, struct pending *list)
{
	while (list != NULL) {
		struct pending *batch[BATCH];
		uint64_t index = list->origin.serial;
		unsigned taken = 0, answers = 0;
		invariant(index < udp->socket_count);
		/* As many as go to one socket. */
		while (list != NULL && taken < BATCH && list->origin.serial == index) {
			struct pending *pending = list;
			size_t size;
			list = list->next;
			batch[taken++] = pending;
			if (dispatch_pending(udp->dispatch, pending, udp->out_iov[answers].iov_base, UDP_OUT_SIZE,
					     &size) != DISPATCH_ANSWER)
				continue;
			put_answer(udp, answers, &pending->peer, size);
			tap_pending(udp, pending, &udp->out_iov[answers++]);
		}
		send_all(udp, udp->sockets[index].fd, answers);
		for (unsigned i = 0; i < taken; i++)
			dispatch_pending_free(batch[i]);
		*udp->in_flight -= taken;
	}
}

void
udp_send(struct udp *udp, uint64_t index, const struct peer *peer, const uint8_t *bytes, size_t size)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control;

	invariant(index < udp->socket_count);
	put_header(&header, &control, peer);
	if (sendmsg(udp->sockets[index].fd, &header, MSG_DONTWAIT) < 0)
		stat_add_shared(&udp->dispatch->counters->dropped, 1);
}

/* Its ring of dnstap is the worker's. */
bool
udp_answer_here(struct udp *udp, struct pending *pending)
{
	_Atomic int *in_flight = udp->in_flight;
	uint8_t bytes[UDP_OUT_SIZE];
	size_t size;

	if (dispatch_dnstap(udp->dispatch) != NULL)
		return false;
	if (dispatch_pending(udp->dispatch, pending, bytes, sizeof bytes, &size) == DISPATCH_ANSWER)
		udp_send(udp, pending->origin.serial, &pending->peer, bytes, size);
	dispatch_pending_free(pending);
	(*in_flight)--;
	return true;
}
