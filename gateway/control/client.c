#include "control/client.h"
#include "control/config.h"
#include "control/socket.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- options ---- */

bool
client_add_option(struct client_request *request, const char *name, const char *value, bool repeat)
{
	if (!request->options)
		request->options = json_object();
	json_t *old = json_object_get(request->options, name), *item = value ? json_string(value) : json_true();
	if (!item)
		return false;
	if (!repeat)
		return old ? json_decref(item), false : json_object_set_new(request->options, name, item) == 0;
	if (!old) {
		old = json_array();
		json_object_set_new(request->options, name, old);
	}
	return json_array_append_new(old, item) == 0;
}

bool
client_set_option(struct client_request *request, const char *name, const char *value)
{
	return json_object_set_new(request->options, name, json_string(value)) == 0;
}

const char *
client_option(const struct client_request *request, const char *name)
{
	return json_string_value(json_object_get(request->options, name));
}

void
client_free(struct client_request *request)
{
	json_decref(request->options);
	request->options = NULL;
}

/* ---- the connection ---- */

static enum status
client_says(char *reason, enum status status, const char *what, const char *why)
{
	snprintf(reason, CLIENT_REASON_SIZE, "%s: %s", what, why);
	return status;
}

static enum status
client_connect(const char *path, int *fd, char *reason)
{
	struct sockaddr_un address;
	int folder;

	if (!socket_address(path, &address, &folder))
		return client_says(reason, STATUS_IO, path, strerror(errno));
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected = *fd >= 0 && connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0;
	int error = errno;
	if (folder >= 0)
		close(folder);
	if (connected)
		return STATUS_OK;
	if (*fd >= 0)
		close(*fd);
	return client_says(reason, STATUS_IO, path,
			   error == ENOENT || error == ECONNREFUSED ? "no gateway runs there" : strerror(error));
}

static bool
client_send_request(int fd, const struct client_request *request)
{
	json_t *arguments = json_array();

	for (size_t i = 0; i < request->argument_count; i++)
		if (json_array_append_new(arguments, json_string(request->arguments[i])) != 0) {
			json_decref(arguments);
			errno = EILSEQ; /* not UTF-8 */
			return false;
		}
	json_t *object =
		json_pack("{s:s, s:o, s:O*, s:b, s:I}", "command", request->command, "arguments", arguments, "options",
			  request->options, "json", request->json, "size", (json_int_t)request->content_size);
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	bool sent = line && socket_send(fd, line, strlen(line)) && socket_send(fd, "\n", 1) &&
		    socket_send(fd, request->content, request->content_size);
	free(line);
	return sent;
}

static bool
client_copy(FILE *in, FILE *out, size_t size)
{
	char buffer[65536];

	while (size > 0) {
		size_t part = fread(buffer, 1, size < sizeof buffer ? size : sizeof buffer, in);
		if (part == 0 || fwrite(buffer, 1, part, out) != part)
			return false;
		size -= part;
	}
	/* Somebody may be watching: log --follow. */
	return fflush(out) == 0;
}

/* Frames until the last one. */
static enum status
client_receive(FILE *in, FILE *out, char *reason)
{
	char head[64], kind;
	size_t size, status;

	while (fgets(head, sizeof head, in)) {
		if (sscanf(head, "D %zu", &size) == 1) {
			if (!client_copy(in, out, size))
				return client_says(reason, STATUS_IO, "output",
						   ferror(out) ? strerror(errno) : "the gateway has gone away");
		} else if (sscanf(head, "%c %zu %zu", &kind, &status, &size) == 3 && kind == 'E' &&
			   status < STATUS_COUNT && size < CLIENT_REASON_SIZE) {
			reason[fread(reason, 1, size, in)] = '\0';
			return (enum status)status;
		} else {
			return client_says(reason, STATUS_MALFORMED, "control socket", "that is no gateway");
		}
	}
	return client_says(reason, STATUS_IO, "control socket", "the gateway has gone away");
}

enum status
client_run(const struct client_request *request, const char *config, const char *socket_path, FILE *out, char *reason)
{
	char *named = NULL;
	int fd;
	enum status status = STATUS_OK;

	if (!socket_path)
		status = config_socket(config ? config : CLIENT_DEFAULT_CONFIG, &named, reason);
	if (status == STATUS_OK)
		status = client_connect(socket_path ? socket_path : named, &fd, reason);
	free(named);
	if (status != STATUS_OK)
		return status;
	FILE *in = fdopen(fd, "r");
	bool sent = in && client_send_request(fd, request);
	/* A gateway that does not take all of it has perhaps said why. */
	if (sent || (in && (errno == EPIPE || errno == ECONNRESET)))
		status = client_receive(in, out, reason);
	else
		status = client_says(reason, STATUS_IO, "control socket", strerror(errno));
	if (status == STATUS_OK && request->until_closed)
		while (fgetc(in) != EOF)
			;
	if (in)
		fclose(in);
	return status;
}
