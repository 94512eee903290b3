#include "serve/xdp_socket.h"
#include "serve/listener.h"
#include "serve/xdp_frame.h"
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#define MEMORY_SIZE ((size_t)XDP_SOCKET_FRAMES * XDP_SOCKET_CHUNK)
#define SEND_CALL 32                 /* frames that the kernel copies a call (TX_BATCH_SIZE of net/xdp/xsk.c) */
#define SEND_BUFFER (4 << 20)

struct xdp_socket {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, send;
	struct xsk_ring_cons receive, sent;
	uint64_t *spare;             /* addresses of chunks for `fill` */
	unsigned spare_count;
	unsigned queued;             /* put into `send`, not told yet */
	unsigned sending;            /* told, not back yet */
	uint8_t *memory;
};

/* ---- chunks between the rings ---- */

static uint64_t
chunk_address(const struct xdp_socket *socket, const uint8_t *bytes)
{
	return (uint64_t)(bytes - socket->memory);
}

static void
put_spare(struct xdp_socket *socket, uint64_t address)
{
	invariant(socket->spare_count < XDP_SOCKET_FRAMES);
	socket->spare[socket->spare_count++] = address & ~(uint64_t)(XDP_SOCKET_CHUNK - 1);
}

/* As many of the spare chunks as there is room for. */
static void
fill_spare(struct xdp_socket *socket)
{
	uint32_t at = 0, count = xsk_prod_nb_free(&socket->fill, socket->spare_count);

	if (count > socket->spare_count)
		count = socket->spare_count;
	if (count == 0 || xsk_ring_prod__reserve(&socket->fill, count, &at) != count)
		return;
	for (uint32_t i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&socket->fill, at + i) = socket->spare[--socket->spare_count];
	xsk_ring_prod__submit(&socket->fill, count);
}

unsigned
xdp_socket_take(struct xdp_socket *socket, struct xdp_chunk *chunks, unsigned most)
{
	uint32_t at = 0;
	unsigned count = xsk_ring_cons__peek(&socket->receive, most, &at);

	for (unsigned i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&socket->receive, at + i);
		/* What the filter lets through fits, and so does the longest answer. */
		invariant(desc->addr + desc->len <= MEMORY_SIZE && desc->len <= XDP_FRAME_MOST &&
			  desc->addr % XDP_SOCKET_CHUNK + XDP_FRAME_MOST <= XDP_SOCKET_CHUNK);
		chunks[i] = (struct xdp_chunk){socket->memory + desc->addr, desc->len};
	}
	if (count > 0)
		xsk_ring_cons__release(&socket->receive, count);
	return count;
}

bool
xdp_socket_send(struct xdp_socket *socket, struct xdp_chunk chunk)
{
	uint32_t at = 0;

	if (xsk_ring_prod__reserve(&socket->send, 1, &at) != 1)
		return false;
	*xsk_ring_prod__tx_desc(&socket->send, at) = (struct xdp_desc){
		.addr = chunk_address(socket, chunk.bytes), .len = (uint32_t)chunk.size};
	socket->queued++;
	return true;
}

void
xdp_socket_give_back(struct xdp_socket *socket, struct xdp_chunk chunk)
{
	put_spare(socket, chunk_address(socket, chunk.bytes));
}

bool
xdp_socket_is_sending(const struct xdp_socket *socket)
{
	return socket->sending > 0;
}

static void
take_back_sent(struct xdp_socket *socket)
{
	uint32_t at = 0;
	unsigned count = xsk_ring_cons__peek(&socket->sent, XDP_SOCKET_FRAMES, &at);

	for (unsigned i = 0; i < count; i++)
		put_spare(socket, *xsk_ring_cons__comp_addr(&socket->sent, at + i));
	if (count > 0)
		xsk_ring_cons__release(&socket->sent, count);
	socket->sending -= count;
}

/* What the kernel cannot send now (its buffer, the card's queue) stays in the ring until the next flush. */
static void
call_sender(const struct xdp_socket *socket)
{
	for (unsigned done = 0; done < socket->sending && xsk_ring_prod__needs_wakeup(&socket->send); done += SEND_CALL)
		if (sendto(xsk_socket__fd(socket->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			return; /* all, or none now: ENOBUFS, EBUSY, ENETDOWN */
}

void
xdp_socket_flush(struct xdp_socket *socket)
{
	if (socket->queued > 0)
		xsk_ring_prod__submit(&socket->send, socket->queued);
	socket->sending += socket->queued;
	socket->queued = 0;
	call_sender(socket);
	if (socket->sending > 0)
		take_back_sent(socket);
	fill_spare(socket);
	/* A driver that waits for chunks. An error is one of the interface: it is seen again. */
	if (xsk_ring_prod__needs_wakeup(&socket->fill))
		recvfrom(xsk_socket__fd(socket->xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* ---- open and close ---- */

static enum status
open_rings(struct xdp_socket *socket, const char *interface, unsigned queue, char *reason)
{
	static const struct xsk_umem_config memory = {
		.fill_size = XDP_SOCKET_FRAMES, .comp_size = XDP_SOCKET_FRAMES, .frame_size = XDP_SOCKET_CHUNK};
	static const struct xsk_socket_config rings = {
		.rx_size = XDP_SOCKET_FRAMES, .tx_size = XDP_SOCKET_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD, .bind_flags = XDP_USE_NEED_WAKEUP};
	const char *hint = "";

	int error =
		-xsk_umem__create(&socket->umem, socket->memory, MEMORY_SIZE, &socket->fill, &socket->sent, &memory);
	if (error == 0)
		error = -xsk_socket__create(&socket->xsk, interface, queue, socket->umem, &socket->receive,
					    &socket->send, &rings);
	if (error == 0)
		return STATUS_OK;
	if (error == EPERM)
		hint = XDP_NO_RIGHTS;
	else if (error == ENOBUFS || error == ENOMEM)
		hint = "; the limit of locked memory (LimitMEMLOCK, ulimit -l) is 8 MiB a queue at least";
	else if (error == EAFNOSUPPORT)
		hint = "; this kernel has no AF_XDP";
	else if (error == EBUSY)
		hint = "; another program has this queue";
	return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "AF_XDP socket of queue %u: %s%s", queue,
			  strerror(error), hint);
}

static bool
get_memory(struct xdp_socket *socket)
{
	void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	socket->memory = memory != MAP_FAILED ? memory : NULL;
	socket->spare = calloc(XDP_SOCKET_FRAMES, sizeof *socket->spare);
	return socket->memory != NULL && socket->spare != NULL;
}

enum status
xdp_socket_open(const char *interface, unsigned queue, struct xdp_socket **socket, char *reason)
{
	struct xdp_socket *opened = calloc(1, sizeof *opened);
	enum status status = STATUS_NO_MEMORY;
	int size = SEND_BUFFER;

	libxdp_set_print(NULL); /* reason says it */
	if (opened != NULL && get_memory(opened))
		status = open_rings(opened, interface, queue, reason);
	else
		status_say(reason, LISTENER_REASON_SIZE, status, "out of memory");
	if (status != STATUS_OK) {
		xdp_socket_close(opened);
		return status;
	}
	/* Best effort, as listener.c does it. */
	setsockopt(xsk_socket__fd(opened->xsk), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	for (uint64_t i = 0; i < XDP_SOCKET_FRAMES; i++)
		put_spare(opened, i * XDP_SOCKET_CHUNK);
	xdp_socket_flush(opened);
	*socket = opened;
	return STATUS_OK;
}

void
xdp_socket_close(struct xdp_socket *socket)
{
	if (socket == NULL)
		return;
	if (socket->xsk != NULL)
		xsk_socket__delete(socket->xsk);
	if (socket->umem != NULL)
		xsk_umem__delete(socket->umem);
	if (socket->memory != NULL)
		munmap(socket->memory, MEMORY_SIZE);
	free(socket->spare);
	free(socket);
}

int
xdp_socket_fd(const struct xdp_socket *socket)
{
	return xsk_socket__fd(socket->xsk);
}

bool
xdp_socket_is_zero_copy(const struct xdp_socket *socket)
{
	struct xdp_options options = {0};
	socklen_t size = sizeof options;

	return getsockopt(xdp_socket_fd(socket), SOL_XDP, XDP_OPTIONS, &options, &size) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}
