/*
 * One client of etcd: requests of the v3 JSON gateway and of API v2, log-in, watches; texts for requests.
 *
 * Threads:   a client belongs to one thread; etcd_client_wake: any.
 * Memory:    answers are lent until `done` returns.
 * Errors:    enum etcd_outcome says what to do; `reason` says why in words for the log.
 */
#ifndef ZONEGATE_STORE_ETCD_CLIENT_H
#define ZONEGATE_STORE_ETCD_CLIENT_H

#include "store/etcd.h"
#include "store/http.h"
#include <jansson.h>

#define ETCD_REASON_SIZE 300
/* A third of a DHCP server's patience more than etcd's slowest healthy answer; then another member is asked. */
#define ETCD_REQUEST_MS 1500
#define ETCD_LONG_MS 30000   /* pages of a list */

/* Text that grows; failed: no memory. */
struct etcd_text { char *text; size_t size, room; bool failed; };
void etcd_text_put(struct etcd_text *out, const char *text, size_t size);
void etcd_text_printf(struct etcd_text *out, const char *format, ...) PRINTF_LIKE(2, 3);
/* "name":"base64" */
void etcd_text_base64(struct etcd_text *out, const char *name, const char *bytes, size_t size);
#define ETCD_TEXT(out, literal) etcd_text_put(out, literal, sizeof(literal) - 1)
/* "key":… of one key; "key":…,"range_end":… of all with a prefix. */
void etcd_text_key(struct etcd_text *out, const char *key);
void etcd_text_range(struct etcd_text *out, const char *prefix);
/* Of these those from a key on (empty: all). */
void etcd_text_range_from(struct etcd_text *out, const char *prefix, const struct etcd_text *from);
void etcd_text_free(struct etcd_text *text);

enum etcd_outcome {
	ETCD_DONE,
	ETCD_COMPARE,   /* a compare failed */
	ETCD_UNSENT,    /* nothing was written */
	ETCD_UNKNOWN,   /* it may have been written */
	ETCD_REFUSED,   /* never */
	ETCD_DENIED,    /* until a person changes something */
	ETCD_COMPACTED,
	ETCD_ABSENT,
};

struct etcd_answer {
	enum etcd_outcome outcome;
	const char *reason;
	const json_t *json;      /* NULL unless DONE or COMPARE */
	uint64_t revision;       /* header's; v2: X-Etcd-Index */
};
typedef void etcd_done_fn(void *context, const struct etcd_answer *answer);

/* A key of an answer or of an event; decoded, belongs to who asked: etcd_kv_free. */
struct etcd_kv {
	char *key, *value;       /* NULs behind them that the sizes do not count */
	size_t key_size, value_size;
	uint64_t revision;       /* mod_revision, modifiedIndex */
	uint64_t version, lease;
	uint64_t expires_ms;     /* monotonic; 0: never, or not known yet (lease) */
	bool deleted, directory;
};
void etcd_kv_free(struct etcd_kv *kv);

struct etcd_client;
/* The settings are borrowed for the client's life. */
MUST_USE enum status etcd_client_open(const struct etcd_settings *settings, struct etcd_client **client, char *reason);
void etcd_client_free(struct etcd_client *client);
void etcd_client_poll(struct etcd_client *client, int timeout_ms);
void etcd_client_wake(struct etcd_client *client);
const char *etcd_client_endpoint(const struct etcd_client *client);
/* Go on with another member. */
void etcd_client_next(struct etcd_client *client);

/* POST to a path of v3; the body is borrowed. `done` is called once, never from here. */
MUST_USE enum status etcd_client_post(struct etcd_client *client, const char *path, const struct etcd_text *body,
				      unsigned timeout_ms, etcd_done_fn *done, void *context);
/* Any method to a path of v2; form NULL: no body. */
MUST_USE enum status etcd_client_v2(struct etcd_client *client, const char *method, const char *path, const char *form,
				    unsigned timeout_ms, etcd_done_fn *done, void *context);
/* The same, waiting; for threads with a client of their own. *json is given where DONE. */
enum etcd_outcome etcd_client_wait(struct etcd_client *client, const char *path, const struct etcd_text *body,
				   json_t **json, uint64_t *revision, char *reason);

/* A watch of v3 from a revision: each message of the stream goes to `message`; `ended` once. */
typedef void etcd_message_fn(void *context, const json_t *result);
struct etcd_watch;
struct etcd_watch *etcd_client_watch(struct etcd_client *client, const struct etcd_text *body, etcd_message_fn *message,
                                     etcd_done_fn *ended, void *context);
void etcd_watch_cancel(struct etcd_watch *watch);
/* Is it at the member that requests go to? */
bool etcd_watch_is_current(const struct etcd_watch *watch);

/* Decode members of answers. False: they are not what etcd says, or no memory. */
bool etcd_client_kv(const json_t *json, struct etcd_kv *kv);
/* The first key of a range's answer. False: there is none, too. */
bool etcd_client_first(const json_t *range, struct etcd_kv *kv);
/* The n-th range of a transaction's answer; NULL: there is none. */
const json_t *etcd_client_range(const json_t *txn, size_t n);
uint64_t etcd_client_number(const json_t *object, const char *name); /* 64-bit integers are strings; absent: 0 */

#endif
