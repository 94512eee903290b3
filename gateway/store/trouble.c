#include "store/trouble.h"
#include "base/clock.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AGAIN_MS 60000

/* One for all: it is taken when something goes wrong, and when somebody asks. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

bool
trouble_note(struct trouble *trouble, const char *text)
{
	if (!text && !atomic_load(&trouble->any)) /* after each commit */
		return false;
	uint64_t now_ms = clock_monotonic_ms();
	pthread_mutex_lock(&mutex);
	char *kept = trouble->text;
	bool say = text ? strncmp(kept, text, TROUBLE_SIZE - 1) != 0 || now_ms - trouble->said_ms >= AGAIN_MS : kept[0];
	if (say)
		trouble->said_ms = now_ms;
	trouble->heard_ms = now_ms;
	snprintf(kept, TROUBLE_SIZE, "%s", text ? text : "");
	atomic_store(&trouble->any, text != NULL);
	pthread_mutex_unlock(&mutex);
	return say;
}

bool
trouble_add_text(const char *text, char *reason)
{
	size_t size = strlen(reason);

	snprintf(reason + size, TROUBLE_SIZE - size, "%s%s", size > 0 && text[0] ? "; " : "", text);
	return text[0];
}

bool
trouble_add_recent(const struct trouble *trouble, uint64_t within_ms, char *reason)
{
	pthread_mutex_lock(&mutex);
	bool recent = clock_monotonic_ms() - trouble->heard_ms <= within_ms;
	bool added = recent && trouble_add_text(trouble->text, reason);
	pthread_mutex_unlock(&mutex);
	return added;
}

bool
trouble_add(const struct trouble *trouble, char *reason)
{
	return trouble_add_recent(trouble, UINT64_MAX, reason);
}
