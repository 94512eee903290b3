#include "control/control.h"
#include "base/rcu.h"
#include "control/commands.h"
#include "control/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define OUTPUT_BUFFER 65536
#define SOCKET_TIMEOUT_S 60
#define ACCEPT_AGAIN_MS 100
#define MAX_ARGUMENTS 8

struct connection {
	struct connection *next;
	struct control *control;
	int fd;
	char output[OUTPUT_BUFFER];
};

struct control {
	struct gateway *gateway;
	int fd;
	char *path;
	pthread_t acceptor;
	pthread_mutex_t mutex;
	pthread_cond_t empty;
	struct connection *connections;
	size_t count;
	int wake[2]; /* readable once we stop */
};

/* ---- the socket ---- */

static bool
is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

/* What a gateway left behind that was killed gives way; a file that is no socket is somebody's. */
static bool
is_in_the_way(const char *path)
{
	struct stat file;

	return lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode);
}

static enum status
bind_to(const struct sockaddr_un *address, const char *path, int *fd, char *reason)
{
	int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (is_alive(address)) {
		snprintf(reason, GATEWAY_REASON_SIZE, "%s: another gateway listens on it", path);
		close(made);
		return STATUS_EXISTS;
	}
	if (is_in_the_way(path)) {
		snprintf(reason, GATEWAY_REASON_SIZE, "control-socket %s: there is a file which is no socket", path);
		close(made);
		return STATUS_EXISTS;
	}
	unlink(path);
	mode_t mask = umask(0117);
	bool bound = made >= 0 && bind(made, (const struct sockaddr *)address, sizeof *address) == 0 &&
		     listen(made, BACKLOG) == 0;
	umask(mask);
	if (!bound) {
		snprintf(reason, GATEWAY_REASON_SIZE, "%s: %s", path, strerror(errno));
		if (made >= 0)
			close(made);
		return STATUS_IO;
	}
	*fd = made;
	return STATUS_OK;
}

enum status
control_listen(const char *path, uid_t uid, gid_t gid, int *fd, char *reason)
{
	struct sockaddr_un address;
	int folder;

	if (!socket_address(path, &address, &folder)) {
		snprintf(reason, GATEWAY_REASON_SIZE, "%s: %s", path, strerror(errno));
		return STATUS_IO;
	}
	enum status status = bind_to(&address, path, fd, reason);
	if (folder >= 0)
		close(folder);
	if (status == STATUS_OK && uid != (uid_t)-1 && chown(path, uid, gid) != 0) {
		snprintf(reason, GATEWAY_REASON_SIZE, "%s: %s", path, strerror(errno));
		close(*fd);
		return STATUS_IO;
	}
	return status;
}

/* ---- frames ---- */

static ssize_t
write_frame(void *cookie, const char *bytes, size_t size)
{
	struct connection *connection = cookie;
	char head[32];

	int length = snprintf(head, sizeof head, "D %zu\n", size);
	if (socket_send(connection->fd, head, (size_t)length) && socket_send(connection->fd, bytes, size))
		return (ssize_t)size;
	shutdown(connection->fd, SHUT_RDWR); /* half a frame went out: what follows is not to be waited for, nor sent */
	return 0;
}

static void
send_end(struct connection *connection, enum status status, const char *reason)
{
	char head[48];
	size_t size = status == STATUS_OK ? 0 : strlen(reason);
	int length = snprintf(head, sizeof head, "E %d %zu\n", (int)status, size);

	if (socket_send(connection->fd, head, (size_t)length) && size > 0)
		socket_send(connection->fd, reason, size);
}

/* ---- one request ---- */

/* The line, and what came with it of the content. */
struct intake {
	char *bytes;
	size_t size, line;
};

static bool
receive_line(int fd, struct intake *in)
{
	size_t room = 0;

	for (;;) {
		if (in->size == room) {
			room = room ? 2 * room : 4096;
			char *bytes = room > CONTROL_MAX_REQUEST ? NULL : realloc(in->bytes, room);
			if (!bytes)
				return false;
			in->bytes = bytes;
		}
		ssize_t got = recv(fd, in->bytes + in->size, room - in->size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		char *end = memchr(in->bytes + in->size, '\n', (size_t)got);
		in->size += (size_t)got;
		if (end) {
			in->line = (size_t)(end - in->bytes) + 1;
			return true;
		}
	}
}

static char *
receive_content(int fd, const struct intake *in, size_t size)
{
	char *content = malloc(size + 1);
	size_t have = in->size - in->line < size ? in->size - in->line : size;

	if (!content)
		return NULL;
	memcpy(content, in->bytes + in->line, have);
	while (have < size) {
		ssize_t got = recv(fd, content + have, size - have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(content);
			return NULL;
		}
		have += (size_t)got;
	}
	content[size] = '\0';
	return content;
}

static bool
connection_gone(struct call *call, int timeout_ms)
{
	struct connection *connection = call->connection;
	struct pollfd fds[] = {{connection->control->wake[0], POLLIN, 0}, {connection->fd, POLLRDHUP, 0}};

	return poll(fds, ARRAY_SIZE(fds), timeout_ms) > 0;
}

static enum status
run_command(struct connection *connection, struct call *call, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command")), *arguments[MAX_ARGUMENTS];
	const json_t *list = json_object_get(request, "arguments"), *item;
	const struct command *command = name ? commands_find(name) : NULL;
	size_t i;

	if (!command)
		return call_fail(call, STATUS_UNSUPPORTED, "this gateway has no command %.100s", name ? name : "");
	json_array_foreach(list, i, item)
	{
		if (i == MAX_ARGUMENTS || !json_is_string(item))
			return call_fail(call, STATUS_INVALID, "%s: wrong arguments", name);
		arguments[i] = json_string_value(item);
	}
	call->arguments = arguments;
	call->argument_count = json_array_size(list);
	if (call->argument_count < command->least || call->argument_count > command->most)
		return call_fail(call, STATUS_INVALID, "%s: wrong number of arguments", name);
	call->out = fopencookie(connection, "w", (cookie_io_functions_t){.write = write_frame});
	if (!call->out)
		return call_fail(call, STATUS_NO_MEMORY, "no memory");
	setvbuf(call->out, connection->output, _IOFBF, sizeof connection->output);
	enum status status = commands_run(command, call);
	fclose(call->out);
	return status;
}

/* True: the process is to stop, and the client waits for its end: the connection stays open until then. */
static bool
serve_request(struct connection *connection, const struct intake *in)
{
	char reason[CALL_REASON_SIZE] = "";
	json_t *request = json_loadb(in->bytes, in->line, 0, NULL);
	size_t size = (size_t)json_integer_value(json_object_get(request, "size"));
	bool fits = request && size <= CONTROL_MAX_CONTENT;
	char *content = fits ? receive_content(connection->fd, in, size) : NULL;
	struct call call = {
		.gateway = connection->control->gateway,
		.options = json_object_get(request, "options"),
		.json = json_is_true(json_object_get(request, "json")),
		.content = content,
		.content_size = size,
		.reason = reason,
		.gone = connection_gone,
		.connection = connection,
	};

	if (content) {
		enum status status = run_command(connection, &call, request);
		send_end(connection, status, reason[0] ? reason : status_text(status));
	} else if (!request) {
		send_end(connection, STATUS_MALFORMED, "the request is no line of JSON");
	} else if (!fits) {
		send_end(connection, STATUS_LIMIT, "more than 4 GiB");
	}
	json_decref(request);
	free(content);
	return call.stop;
}

/* ---- threads ---- */

static void
connection_end(struct connection *connection, bool keep_open)
{
	struct control *control = connection->control;

	pthread_mutex_lock(&control->mutex);
	struct connection **at = &control->connections;
	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	if (!keep_open)
		close(connection->fd);
	free(connection);
	if (--control->count == 0)
		pthread_cond_broadcast(&control->empty);
	pthread_mutex_unlock(&control->mutex);
}

static void *
connection_run(void *context)
{
	struct connection *connection = context;
	struct gateway *gateway = connection->control->gateway;
	struct intake in = {0};
	bool stop = false;

	rcu_register_thread();
	rcu_thread_offline();
	if (receive_line(connection->fd, &in))
		stop = serve_request(connection, &in);
	else if (in.size >= CONTROL_MAX_REQUEST)
		send_end(connection, STATUS_LIMIT, "the arguments and options are longer than 1 MiB");
	free(in.bytes);
	rcu_unregister_thread();
	connection_end(connection, stop);
	if (stop)
		gateway->stop();
	return NULL;
}

static void
control_accept(struct control *control)
{
	struct timeval timeout = {.tv_sec = SOCKET_TIMEOUT_S};
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof *connection);
	pthread_attr_t attributes;
	pthread_t thread;

	if (!connection) {
		if (fd >= 0)
			close(fd);
		else /* perhaps no descriptor is left: not at once again */
			poll(&(struct pollfd){control->wake[0], POLLIN, 0}, 1, ACCEPT_AGAIN_MS);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	connection->control = control;
	connection->fd = fd;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&control->mutex);
	bool room = control->count < CONTROL_MAX_CONNECTIONS;
	connection->next = control->connections;
	control->connections = connection;
	control->count++;
	pthread_mutex_unlock(&control->mutex);
	if (!room)
		send_end(connection, STATUS_FULL, "too many control connections");
	if (!room || pthread_create(&thread, &attributes, connection_run, connection) != 0)
		connection_end(connection, false);
	pthread_attr_destroy(&attributes);
}

static void *
control_run(void *context)
{
	struct control *control = context;
	struct pollfd fds[] = {{control->wake[0], POLLIN, 0}, {control->fd, POLLIN, 0}};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		control_accept(control);
	}
}

enum status
control_start(struct gateway *gateway, int fd, const char *path, struct control **out, char *reason)
{
	struct control *control = calloc(1, sizeof *control);

	if (!control)
		abort();
	control->gateway = gateway;
	control->fd = fd;
	control->path = strdup(path);
	pthread_mutex_init(&control->mutex, NULL);
	pthread_cond_init(&control->empty, NULL);
	if (!control->path || pipe2(control->wake, O_CLOEXEC) != 0 ||
	    pthread_create(&control->acceptor, NULL, control_run, control) != 0) {
		snprintf(reason, GATEWAY_REASON_SIZE, "control socket: %s", strerror(errno));
		free(control->path);
		free(control);
		return STATUS_IO;
	}
	*out = control;
	return STATUS_OK;
}

void
control_stop(struct control *control)
{
	close(control->wake[1]); /* the other end is at its end of file: readable */
	pthread_join(control->acceptor, NULL);
	unlink(control->path);
	close(control->fd);
	pthread_mutex_lock(&control->mutex);
	for (struct connection *connection = control->connections; connection; connection = connection->next)
		shutdown(connection->fd, SHUT_RD);
	while (control->count > 0)
		pthread_cond_wait(&control->empty, &control->mutex);
	pthread_mutex_unlock(&control->mutex);
	close(control->wake[0]);
	pthread_mutex_destroy(&control->mutex);
	pthread_cond_destroy(&control->empty);
	free(control->path);
	free(control);
}
