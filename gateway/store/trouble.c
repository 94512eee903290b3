#include "store/trouble.h"
#include "base/clock.h"
#include "base/hash.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AGAIN_MS 60000

/* One for all: it is taken when something goes wrong, and when somebody asks. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static uint64_t
hash_words(const char *text)
{
	char words[TROUBLE_SIZE];
	size_t size = 0;

	for (; *text && size < sizeof words; text++)
		if (*text < '0' || *text > '9')
			words[size++] = *text;
	return hash_bytes(words, size);
}

/* Was it said in the last minute? If not, it is now. */
static bool
was_said(struct trouble *trouble, const char *text, uint64_t now_ms)
{
	uint64_t hash = hash_words(text);
	unsigned at = 0;

	while (at < TROUBLE_SAID && (trouble->said[at].hash != hash || !trouble->said[at].ms))
		at++;
	if (at < TROUBLE_SAID && now_ms - trouble->said[at].ms < AGAIN_MS)
		return true;
	if (at == TROUBLE_SAID)
		at = trouble->next++ % TROUBLE_SAID;
	trouble->said[at].hash = hash;
	trouble->said[at].ms = now_ms;
	return false;
}

bool
trouble_note(struct trouble *trouble, const char *text)
{
	if (!text && !atomic_load(&trouble->any)) /* after each commit */
		return false;
	uint64_t now_ms = clock_monotonic_ms();
	pthread_mutex_lock(&mutex);
	char *kept = trouble->text;
	bool say = text ? !was_said(trouble, text, now_ms) : kept[0];
	if (!text)
		memset(trouble->said, 0, sizeof trouble->said);
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
