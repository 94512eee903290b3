#include "control/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

bool
socket_address(const char *path, struct sockaddr_un *address, int *folder)
{
	const char *slash = strrchr(path, '/');

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*folder = -1;
	if (strlen(path) < sizeof address->sun_path) {
		memcpy(address->sun_path, path, strlen(path) + 1);
		return true;
	}
	errno = ENAMETOOLONG;
	char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
	*folder = name ? open(name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	free(name);
	if (*folder < 0)
		return false;
	int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *folder, slash + 1);
	if (length < (int)sizeof address->sun_path)
		return true;
	close(*folder);
	*folder = -1;
	errno = ENAMETOOLONG;
	return false;
}

bool
socket_send(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
	}
	return true;
}
