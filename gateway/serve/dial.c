#include "serve/dial.h"
#include "base/clock.h"
#include "serve/tls_client.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 100 /* how often `gone` is asked */

_Static_assert(DIAL_REASON_SIZE >= TLS_CLIENT_REASON_SIZE, "a reason of TLS fits");

struct dial {
	const struct dial_settings *settings;
	int fd;
	struct tls_client *tls; /* NULL: plain */
};

static enum status
fail(char *reason, enum status status, const char *text)
{
	snprintf(reason, DIAL_REASON_SIZE, "%s", text);
	return status;
}

/* Until the socket is ready, but not beyond `silence_ms`. */
static enum status
wait_for(const struct dial *dial, short events, unsigned silence_ms, char *reason)
{
	uint64_t end_ms = clock_monotonic_ms() + silence_ms;
	struct pollfd fd = {dial->fd, events, 0};

	for (;;) {
		if (poll(&fd, 1, LOOK_MS) > 0)
			return STATUS_OK;
		if (dial->settings->gone(dial->settings->context))
			return fail(reason, STATUS_TIMEOUT, "given up");
		if (clock_monotonic_ms() >= end_ms)
			return fail(reason, STATUS_TIMEOUT, "no answer");
	}
}

static enum status
connect_socket(struct dial *dial, char *reason)
{
	const struct listener_address *to = &dial->settings->address;
	int error = 0;
	socklen_t size = sizeof error;

	dial->fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dial->fd < 0)
		return fail(reason, STATUS_IO, strerror(errno));
	if (connect(dial->fd, (const struct sockaddr *)&to->address, to->size) == 0)
		return STATUS_OK;
	if (errno != EINPROGRESS)
		return fail(reason, STATUS_IO, strerror(errno));
	enum status status = wait_for(dial, POLLOUT, dial->settings->connect_ms, reason);
	if (status != STATUS_OK)
		return status;
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	return error == 0 ? STATUS_OK : fail(reason, STATUS_IO, strerror(error));
}

static enum status
begin_tls(struct dial *dial, char *reason)
{
	const struct dial_settings *settings = dial->settings;
	enum status status = tls_client_new(dial->fd, settings->ca, settings->hostname,
	                                    (const struct sockaddr *)&settings->address.address, &dial->tls, reason);

	while (status == STATUS_OK) {
		enum tls_client_need need = tls_client_handshake(dial->tls, reason);
		if (need == TLS_CLIENT_NOTHING)
			return STATUS_OK;
		if (need == TLS_CLIENT_FAILED)
			return STATUS_INVALID;
		status = wait_for(dial, need == TLS_CLIENT_READ ? POLLIN : POLLOUT, settings->connect_ms, reason);
	}
	return status;
}

enum status
dial_open(const struct dial_settings *settings, struct dial **out, char *reason)
{
	struct dial *dial = calloc(1, sizeof *dial);

	if (!dial)
		return fail(reason, STATUS_NO_MEMORY, "no memory");
	dial->settings = settings;
	enum status status = connect_socket(dial, reason);
	if (status == STATUS_OK && settings->tls)
		status = begin_tls(dial, reason);
	if (status == STATUS_OK)
		*out = dial;
	else
		dial_close(dial);
	return status;
}

/* What one call of the socket or of TLS said: octets, or what to wait for. */
static ssize_t
step(struct dial *dial, uint8_t *bytes, size_t size, bool sending, short *events)
{
	enum tls_client_need need = TLS_CLIENT_NOTHING;
	ssize_t done;

	*events = sending ? POLLOUT : POLLIN;
	if (dial->tls) {
		done = sending ? tls_client_send(dial->tls, bytes, size, &need)
		               : tls_client_receive(dial->tls, bytes, size, &need);
		if (need == TLS_CLIENT_READ || need == TLS_CLIENT_WRITE)
			*events = need == TLS_CLIENT_READ ? POLLIN : POLLOUT;
		return done;
	}
	return sending ? send(dial->fd, bytes, size, MSG_NOSIGNAL) : recv(dial->fd, bytes, size, 0);
}

static enum status
transfer(struct dial *dial, uint8_t *bytes, size_t size, bool sending, char *reason)
{
	size_t done = 0;
	short events;

	/* Here too: who sends all the time is never waited for. */
	if (dial->settings->gone(dial->settings->context))
		return fail(reason, STATUS_TIMEOUT, "given up");
	while (done < size) {
		ssize_t moved = step(dial, bytes + done, size - done, sending, &events);
		if (moved > 0) {
			done += (size_t)moved;
			continue;
		}
		if (moved == 0)
			return fail(reason, done == 0 && !sending ? STATUS_NOT_FOUND : STATUS_IO,
				    "the connection was closed");
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail(reason, STATUS_IO, strerror(errno));
		enum status status = wait_for(dial, events, dial->settings->silence_ms, reason);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

enum status
dial_send(struct dial *dial, const void *bytes, size_t size, char *reason)
{
	return transfer(dial, (uint8_t *)bytes, size, true, reason);
}

enum status
dial_receive(struct dial *dial, void *bytes, size_t size, char *reason)
{
	return transfer(dial, bytes, size, false, reason);
}

void
dial_close(struct dial *dial)
{
	if (!dial)
		return;
	tls_client_free(dial->tls);
	if (dial->fd >= 0)
		close(dial->fd);
	free(dial);
}
