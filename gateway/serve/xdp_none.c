/* In place of xdp.c where configure found or was told nothing of AF_XDP. */
#include "serve/xdp.h"

bool
xdp_built(void)
{
	return false;
}

enum status
xdp_open(const struct xdp_interface *interfaces, size_t count, const struct listener_sockets *listeners,
	 unsigned workers, struct xdp_sockets **sockets, char *reason)
{
	(void)interfaces, (void)count, (void)listeners, (void)workers, (void)sockets;
	return status_say(reason, LISTENER_REASON_SIZE, STATUS_UNSUPPORTED, "this build has no AF_XDP");
}

void
xdp_close(struct xdp_sockets *sockets)
{
	(void)sockets;
}

struct xdp *
xdp_new(const struct dispatch *dispatch, struct xdp_sockets *sockets, struct udp *udp, _Atomic int *in_flight)
{
	(void)dispatch, (void)sockets, (void)udp, (void)in_flight;
	return NULL;
}

void
xdp_free(struct xdp *xdp)
{
	(void)xdp;
}

bool
xdp_watch(struct xdp *xdp, int epoll_fd)
{
	(void)xdp, (void)epoll_fd;
	return false;
}

void
xdp_unwatch(struct xdp *xdp, int epoll_fd)
{
	(void)xdp, (void)epoll_fd;
}

void
xdp_tick(struct xdp *xdp)
{
	(void)xdp;
}
