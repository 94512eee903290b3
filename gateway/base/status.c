#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const texts[STATUS_COUNT] = {
	[STATUS_OK] = "ok",
	[STATUS_MALFORMED] = "malformed",
	[STATUS_INVALID] = "not allowed",
	[STATUS_LIMIT] = "limit reached",
	[STATUS_NO_MEMORY] = "out of memory",
	[STATUS_NOT_FOUND] = "not found",
	[STATUS_EXISTS] = "exists already",
	[STATUS_FULL] = "queue full",
	[STATUS_RETRY] = "temporary failure",
	[STATUS_REFUSED] = "refused",
	[STATUS_STOP] = "stopped until someone acts",
	[STATUS_UNSUPPORTED] = "not supported",
	[STATUS_IO] = "input/output error",
	[STATUS_TIMEOUT] = "timed out",
};

const char *
status_text(enum status status)
{
	if ((unsigned)status >= STATUS_COUNT)
		return "unknown status";
	return texts[status];
}

enum status
status_say(char *reason, size_t size, enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, size, format, args);
	va_end(args);
	for (char *c = reason; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return status;
}

void
status_broken(const char *kind, const char *condition, const char *file, int line)
{
	/* Not through base/log, which has contracts of its own. */
	fprintf(stderr, "%s:%d: %s broken: %s\n", file, line, kind, condition);
	abort();
}
