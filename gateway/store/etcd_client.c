#include "store/etcd_grpc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOGIN_AGAIN_MS 1000
#define GRPC_WORTH 8192       /* octets of a request that is worth a connection */
#define CODE_UNAUTHENTICATED 16 /* gRPC's */
#define CODE_PERMISSION 7
#define CODE_INVALID 3
#define CODE_OUT_OF_RANGE 11
#define CODE_NOT_FOUND 5
#define CODE_PRECONDITION 9

struct etcd_request {
	struct etcd_client *client;
	struct etcd_request *next, **link;  /* of all, or of those that wait for a token */
	struct http_call *http;
	const char *method;
	char *path, *body;
	size_t size;
	unsigned timeout_ms;
	bool form, again;
	const struct etcd_grpc_call *grpc;  /* as which it was sent; NULL: as JSON */
	bool not_grpc;                      /* that has had no answer of gRPC's */
	etcd_done_fn *done;
	void *context;
};

struct etcd_watch {
	struct etcd_client *client;
	const struct etcd_grpc_call *grpc;  /* NULL: JSON */
	struct http_call *http;
	etcd_message_fn *message;
	etcd_done_fn *ended;
	void *context;
};

struct etcd_client {
	const struct etcd_settings *settings;
	struct http *http;
	struct etcd_request *requests, *waiting;
	char *authorization;
	bool grpc, no_grpc;       /* it is spoken; it is not */
	bool logging_in;
	uint64_t failed_ms;       /* last failed log-in */
	char why[ETCD_REASON_SIZE];
};

/* ---- texts ---- */

static bool
text_room(struct etcd_text *out, size_t size)
{
	if (out->failed || out->size + size + 1 <= out->room)
		return !out->failed;
	size_t room = out->room * 2 > out->size + size + 1 ? out->room * 2 : out->size + size + 256;
	char *text = realloc(out->text, room);
	if (!text) {
		out->failed = true;
		return false;
	}
	out->text = text;
	out->room = room;
	return true;
}

void
etcd_text_put(struct etcd_text *out, const char *text, size_t size)
{
	if (!text_room(out, size))
		return;
	memcpy(out->text + out->size, text, size);
	out->size += size;
	out->text[out->size] = '\0';
}

void
etcd_text_printf(struct etcd_text *out, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int size = vasprintf(&text, format, args);
	va_end(args);
	if (size < 0) {
		out->failed = true;
		return;
	}
	etcd_text_put(out, text, (size_t)size);
	free(text);
}

void
etcd_text_base64(struct etcd_text *out, const char *name, const char *bytes, size_t size)
{
	size_t coded = 4 * ((size + 2) / 3);

	etcd_text_put(out, "\"", 1);
	etcd_text_put(out, name, strlen(name));
	ETCD_TEXT(out, "\":\"");
	if (text_room(out, coded + 2)) {
		bytes_to_base64((const uint8_t *)bytes, size, out->text + out->size);
		out->size += coded;
	}
	ETCD_TEXT(out, "\"");
}

void
etcd_text_key(struct etcd_text *out, const char *key)
{
	etcd_text_base64(out, "key", key, strlen(key));
}

void
etcd_text_range(struct etcd_text *out, const char *prefix)
{
	etcd_text_range_from(out, prefix, &(struct etcd_text){0});
}

void
etcd_text_range_from(struct etcd_text *out, const char *prefix, const struct etcd_text *from)
{
	size_t size = strlen(prefix);
	char *end = strdup(prefix);

	if (!end) {
		out->failed = true;
		return;
	}
	end[size - 1]++; /* a slash, mostly: the next octet */
	etcd_text_base64(out, "key", from->size ? from->text : prefix, from->size ? from->size : size);
	ETCD_TEXT(out, ",");
	etcd_text_base64(out, "range_end", end, size);
	free(end);
}

void
etcd_text_free(struct etcd_text *text)
{
	free(text->text);
	*text = (struct etcd_text){0};
}

/* ---- answers ---- */

uint64_t
etcd_client_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10) : 0;
}

static bool
decode(const json_t *text, char **bytes, size_t *size)
{
	*size = json_string_length(text) / 4 * 3;
	*bytes = malloc(*size + 1);
	if (!*bytes ||
	    (*size && !bytes_from_base64(json_string_value(text), json_string_length(text), (uint8_t *)*bytes, size))) {
		free(*bytes);
		*bytes = NULL;
		return false;
	}
	(*bytes)[*size] = '\0';
	return true;
}

bool
etcd_client_kv(const json_t *json, struct etcd_kv *kv)
{
	if (json_is_string(json))
		return etcd_grpc_key_value(json_string_value(json), json_string_length(json), kv);
	*kv = (struct etcd_kv){
		.revision = etcd_client_number(json, "mod_revision"), .version = etcd_client_number(json, "version"),
		.lease = etcd_client_number(json, "lease"),
	};
	if (decode(json_object_get(json, "key"), &kv->key, &kv->key_size) &&
	    decode(json_object_get(json, "value"), &kv->value, &kv->value_size))
		return true;
	etcd_kv_free(kv);
	return false;
}

bool
etcd_client_first(const json_t *range, struct etcd_kv *kv)
{
	const json_t *first = json_array_get(json_object_get(range, "kvs"), 0);

	return first && etcd_client_kv(first, kv);
}

const json_t *
etcd_client_range(const json_t *txn, size_t n)
{
	return json_object_get(json_array_get(json_object_get(txn, "responses"), n), "response_range");
}

void
etcd_kv_free(struct etcd_kv *kv)
{
	free(kv->key);
	free(kv->value);
	kv->key = kv->value = NULL;
}

static const char *
error_text(const json_t *json)
{
	const char *text = json_string_value(json_object_get(json, "message"));

	if (!text)
		text = json_string_value(json_object_get(json, "error"));
	return text ? text : "";
}

/* gRPC codes and etcd's own words, to what can be done. */
static enum etcd_outcome
judge_error(long status, const json_t *json)
{
	uint64_t code = etcd_client_number(json, "code");
	const char *text = error_text(json);

	if (code == CODE_OUT_OF_RANGE)
		return ETCD_COMPACTED;
	if (status == 401 || status == 403 || code == CODE_PERMISSION || code == CODE_UNAUTHENTICATED ||
	    strstr(text, "user name is empty"))
		return ETCD_DENIED;
	if (code == CODE_NOT_FOUND || status == 404)
		return ETCD_ABSENT;
	if (strstr(text, "space exceeded"))
		return ETCD_DENIED;
	if (code == CODE_INVALID || code == CODE_PRECONDITION ||
	    (status >= 400 && status < 500 && status != 408 && status != 429))
		return ETCD_REFUSED;
	return ETCD_UNKNOWN;
}

/* v2: errors have numbers of their own. */
static enum etcd_outcome
judge_v2(long status, const json_t *json)
{
	uint64_t code = etcd_client_number(json, "errorCode");

	if (code == 101 || code == 105)
		return ETCD_COMPARE;
	if (code == 100)
		return ETCD_ABSENT;
	if (code == 401)
		return ETCD_COMPACTED;
	if (code == 110 || status == 401 || status == 403)
		return ETCD_DENIED;
	if (code >= 300 || status >= 500)
		return ETCD_UNKNOWN;
	return ETCD_REFUSED;
}

static void
fill_error(struct etcd_answer *answer, long status, const json_t *json, bool v2, char *reason)
{
	const char *text = error_text(json);

	answer->outcome = v2 ? judge_v2(status, json) : judge_error(status, json);
	if (status == 404 && !json)
		snprintf(reason, ETCD_REASON_SIZE, "HTTP 404: this etcd has no API %s%s", v2 ? "v2" : "v3",
		         v2 ? " (etcd 3.4 needs --enable-v2, 3.6 has none)" : "");
	else if (answer->outcome == ETCD_DENIED && strstr(text, "permission denied"))
		snprintf(reason, ETCD_REASON_SIZE, "%.150s: the role of this user needs readwrite on the prefix", text);
	else if (answer->outcome == ETCD_DENIED && strstr(text, "user name is empty"))
		snprintf(reason, ETCD_REASON_SIZE, "%.150s: etcd wants a user: set auth.user and auth.password-file",
			 text);
	else if (strstr(text, "space exceeded"))
		snprintf(reason, ETCD_REASON_SIZE,
			 "%.150s: compact and defragment etcd, raise its quota, then etcdctl alarm disarm", text);
	else if (status != 200)
		snprintf(reason, ETCD_REASON_SIZE, "HTTP %ld %.200s", status, text);
	else
		snprintf(reason, ETCD_REASON_SIZE, "%.200s", text[0] ? text : "an answer that cannot be read");
}

static void
read_answer(struct etcd_answer *answer, const struct http_result *result, json_t *json, bool v2, char *reason)
{
	if (result->code == 0) {
		answer->outcome = result->unsent ? ETCD_UNSENT : ETCD_UNKNOWN;
		snprintf(reason, ETCD_REASON_SIZE, "%.290s", result->reason);
		return;
	}
	answer->revision = v2 ? result->etcd_index : etcd_client_number(json_object_get(json, "header"), "revision");
	if (result->code >= 200 && result->code < 300 && result->grpc_status <= 0 && json) {
		answer->outcome = ETCD_DONE;
		answer->json = json;
		return;
	}
	fill_error(answer, result->code, json, v2, reason);
	if (answer->outcome == ETCD_COMPARE)
		answer->json = json;
}

/* ---- requests ---- */

static void login(struct etcd_client *client);
static bool send_request(struct etcd_request *request);

static void
unlink_request(struct etcd_request *request)
{
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
}

static void
link_request(struct etcd_request **list, struct etcd_request *request)
{
	request->next = *list;
	if (request->next)
		request->next->link = &request->next;
	request->link = list;
	*list = request;
}

static void
free_request(struct etcd_request *request)
{
	unlink_request(request);
	free(request->path);
	free(request->body);
	free(request);
}

static void
finish(struct etcd_request *request, const struct etcd_answer *answer)
{
	request->done(request->context, answer);
	free_request(request);
}

static void
wait_for_token(struct etcd_request *request)
{
	unlink_request(request);
	link_request(&request->client->waiting, request);
	login(request->client);
}

/*
 * Was gRPC not understood? Then the same goes as JSON. Before gRPC has had an answer only reads are sent that way, so
 * nothing is written twice; it is given up for good where JSON then has one (a proxy in between).
 */
static bool
send_as_json(struct etcd_request *request, const struct http_result *result)
{
	struct etcd_client *client = request->client;

	if (!request->grpc) {
		client->no_grpc = client->no_grpc || (request->not_grpc && result->code == 200);
		return false;
	}
	client->grpc = client->grpc || result->grpc_status == 0;
	if (client->grpc || result->grpc_status > 0 || result->unsent)
		return false;
	request->not_grpc = true;
	return send_request(request);
}

static json_t *
read_body(const struct etcd_request *request, const struct http_result *result)
{
	if (!result->code)
		return NULL;
	if (!request->grpc)
		return json_loadb(result->body, result->size, 0, NULL);
	if (result->grpc_status > 0)
		return json_pack("{s:i, s:s}", "code", result->grpc_status, "message", result->grpc_message);
	return etcd_grpc_decode(request->grpc, result->body, result->size);
}

static void
on_done(void *context, const struct http_result *result)
{
	struct etcd_request *request = context;
	char reason[ETCD_REASON_SIZE] = "";
	struct etcd_answer answer = {.reason = reason};

	request->http = NULL;
	if (send_as_json(request, result))
		return;
	json_t *json = read_body(request, result);
	read_answer(&answer, result, json, request->form || strcmp(request->method, "POST") != 0, reason);
	bool stale = answer.outcome == ETCD_DENIED && request->client->settings->user &&
		     !request->client->settings->v2 && !request->again &&
		     (result->code == 401 || result->grpc_status == CODE_UNAUTHENTICATED);
	if (stale) { /* servers.md: log in again */
		request->again = true;
		free(request->client->authorization);
		request->client->authorization = NULL;
		wait_for_token(request);
	} else {
		finish(request, &answer);
	}
	json_decref(json);
}

/* gRPC where it is spoken, or to find out. */
static const struct etcd_grpc_call *
as_grpc(const struct etcd_request *request, struct etcd_text *body)
{
	const struct etcd_client *client = request->client;

	if (client->no_grpc || request->not_grpc || request->form || strcmp(request->method, "POST") != 0)
		return NULL;
	bool long_one =
		request->timeout_ms == ETCD_LONG_MS || request->size > GRPC_WORTH || http_keeps_grpc(client->http);
	if (client->grpc ? !long_one : strcmp(request->path, "/v3/kv/range") != 0)
		return NULL;
	const struct etcd_grpc_call *call = etcd_grpc_find(request->path);
	return call && etcd_grpc_encode(call, request->body, request->size, body) ? call : NULL;
}

/* A connection of HTTP/1.1 that stays would get requests of gRPC's, too. */
static bool
leaves_room(const struct etcd_client *client)
{
	return !client->no_grpc && !client->settings->v2;
}

static bool
send_request(struct etcd_request *request)
{
	struct http_request http = {
		.method = request->method,
		.path = request->path,
		.body = request->body,
		.size = request->size,
		.content_type = request->form ? "application/x-www-form-urlencoded" : NULL,
		.authorization = request->client->authorization,
		.timeout_ms = request->timeout_ms,
		.once = leaves_room(request->client),
		.done = on_done,
		.context = request,
	};
	struct etcd_text body = {0};

	request->grpc = as_grpc(request, &body);
	if (request->grpc) {
		http.grpc = true;
		http.path = etcd_grpc_path(request->grpc);
		http.body = body.text;
		http.size = body.size;
	}
	request->http = http_send(request->client->http, &http);
	etcd_text_free(&body);
	return request->http != NULL;
}

static enum status
start(struct etcd_client *client, const struct etcd_request *like)
{
	struct etcd_request *request = malloc(sizeof *request);

	if (!request)
		return STATUS_NO_MEMORY;
	*request = *like;
	request->client = client;
	link_request(&client->requests, request);
	if (!request->path || (request->size && !request->body)) {
		free_request(request);
		return STATUS_NO_MEMORY;
	}
	if (client->settings->user && !client->authorization) {
		wait_for_token(request);
		return STATUS_OK;
	}
	if (send_request(request))
		return STATUS_OK;
	free_request(request);
	return STATUS_NO_MEMORY;
}

enum status
etcd_client_post(struct etcd_client *client, const char *path, const struct etcd_text *body, unsigned timeout_ms,
		 etcd_done_fn *done, void *context)
{
	if (body->failed)
		return STATUS_NO_MEMORY;
	return start(client, &(struct etcd_request){.method = "POST",
						    .path = strdup(path),
						    .body = strdup(body->text),
						    .size = body->size,
						    .timeout_ms = timeout_ms,
						    .done = done,
						    .context = context});
}

enum status
etcd_client_v2(struct etcd_client *client, const char *method, const char *path, const char *form, unsigned timeout_ms,
	       etcd_done_fn *done, void *context)
{
	return start(client, &(struct etcd_request){.method = method,
						    .path = strdup(path),
						    .body = form ? strdup(form) : NULL,
						    .size = form ? strlen(form) : 0,
						    .form = form != NULL,
						    .timeout_ms = timeout_ms,
						    .done = done,
						    .context = context});
}

/* ---- log-in ---- */

/* The first line of the file; false with the reason. */
static bool
read_password(const char *path, char *out, size_t room, char *reason)
{
	FILE *file = fopen(path, "re");
	const char *why = NULL;

	if (!file)
		why = "cannot be read";
	else if (!fgets(out, (int)room, file))
		why = "it is empty";
	else if (!strchr(out, '\n') && !feof(file))
		why = "its first line is too long";
	if (file)
		fclose(file);
	if (why)
		snprintf(reason, ETCD_REASON_SIZE, "auth.password-file %.200s: %s", path, why);
	else
		out[strcspn(out, "\r\n")] = '\0';
	return !why;
}

static void
release_waiting(struct etcd_client *client, enum etcd_outcome outcome)
{
	struct etcd_request *request;

	while ((request = client->waiting)) {
		unlink_request(request);
		link_request(&client->requests, request);
		if (outcome == ETCD_DONE && send_request(request))
			continue;
		finish(request, &(struct etcd_answer){.outcome = outcome == ETCD_DONE ? ETCD_UNSENT : outcome,
						      .reason = client->why});
	}
}

static void
login_failed(struct etcd_client *client, enum etcd_outcome outcome)
{
	client->failed_ms = clock_monotonic_ms();
	release_waiting(client, outcome == ETCD_DENIED || outcome == ETCD_REFUSED ? ETCD_DENIED : ETCD_UNSENT);
}

static void
on_login(void *context, const struct http_result *result)
{
	struct etcd_client *client = context;
	struct etcd_answer answer = {.reason = client->why};
	json_t *json = result->code ? json_loadb(result->body, result->size, 0, NULL) : NULL;

	client->logging_in = false;
	read_answer(&answer, result, json, false, client->why);
	const char *token = json_string_value(json_object_get(json, "token"));
	if (answer.outcome == ETCD_DONE && token) {
		client->authorization = strdup(token); /* without "Bearer" */
		release_waiting(client, ETCD_DONE);
	} else {
		if (result->code >= 400 && result->code < 500)
			snprintf(client->why, sizeof client->why,
				 "log-in as %.60s: %.120s: check auth.user, auth.password-file and that "
				 "authentication is enabled in etcd",
				 client->settings->user, error_text(json));
		login_failed(client, answer.outcome);
	}
	json_decref(json);
}

/* v2 has no tokens: the password goes with each request. */
static void
set_basic(struct etcd_client *client, const char *password)
{
	char plain[600], coded[900];
	int size = snprintf(plain, sizeof plain, "%s:%s", client->settings->user, password);

	if (size < 0 || (size_t)size >= sizeof plain)
		return;
	bytes_to_base64((const uint8_t *)plain, (size_t)size, coded);
	if (asprintf(&client->authorization, "Basic %s", coded) < 0)
		client->authorization = NULL;
	digest_wipe(plain, sizeof plain);
}

static void
login(struct etcd_client *client)
{
	char password[256] = "";

	if (client->logging_in)
		return;
	if (clock_monotonic_ms() - client->failed_ms < LOGIN_AGAIN_MS)
		return; /* etcd_client_poll looks again */
	if (!read_password(client->settings->password_file, password, sizeof password, client->why)) {
		login_failed(client, ETCD_DENIED);
		return;
	}
	if (client->settings->v2) {
		set_basic(client, password);
		release_waiting(client, client->authorization ? ETCD_DONE : ETCD_UNSENT);
		return;
	}
	json_t *json = json_pack("{s:s, s:s}", "name", client->settings->user, "password", password);
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	digest_wipe(password, sizeof password);
	client->logging_in = body && http_send(client->http, &(struct http_request){.method = "POST",
										    .path = "/v3/auth/authenticate",
										    .body = body,
										    .size = strlen(body),
										    .timeout_ms = ETCD_REQUEST_MS,
										    .once = leaves_room(client),
										    .done = on_login,
										    .context = client});
	if (body)
		digest_wipe(body, strlen(body));
	free(body);
}

/* ---- watches ---- */

static void
on_line(void *context, const char *line, size_t size)
{
	struct etcd_watch *watch = context;
	json_t *json = watch->grpc ? etcd_grpc_decode(watch->grpc, line, size) : json_loadb(line, size, 0, NULL);
	const json_t *result = watch->grpc ? json : json_object_get(json, "result");

	if (result)
		watch->message(watch->context, result);
	json_decref(json);
}

static void
on_watch_end(void *context, const struct http_result *result)
{
	struct etcd_watch *watch = context;
	char reason[ETCD_REASON_SIZE] = "the server ended the watch";
	struct etcd_answer answer = {.outcome = ETCD_UNSENT, .reason = reason};
	json_t *json = result->code && result->code != 200 ? json_loadb(result->body, result->size, 0, NULL) : NULL;

	if (result->code == 200 && result->grpc_status > 0)
		snprintf(reason, sizeof reason, "%s", result->grpc_message);
	else if (result->code != 200)
		read_answer(&answer, result, json, false, reason);
	watch->ended(watch->context, &answer);
	json_decref(json);
	free(watch);
}

struct etcd_watch *
etcd_client_watch(struct etcd_client *client, const struct etcd_text *body, etcd_message_fn *message,
		  etcd_done_fn *ended, void *context)
{
	struct etcd_watch *watch = malloc(sizeof *watch);

	if (!watch || body->failed) {
		free(watch);
		return NULL;
	}
	*watch = (struct etcd_watch){.client = client, .message = message, .ended = ended, .context = context};
	struct http_request http = {
		.method = "POST",
		.path = "/v3/watch",
		.body = body->text,
		.size = body->size,
		.authorization = client->authorization,
		.line = on_line,
		.done = on_watch_end,
		.context = watch,
	};
	struct etcd_text framed = {0};
	const struct etcd_grpc_call *grpc = client->grpc ? etcd_grpc_find("/v3/watch") : NULL;
	if (grpc && etcd_grpc_encode(grpc, body->text, body->size, &framed)) {
		watch->grpc = grpc;
		http.grpc = true;
		http.path = etcd_grpc_path(grpc);
		http.body = framed.text;
		http.size = framed.size;
	}
	watch->http = http_send(client->http, &http);
	etcd_text_free(&framed);
	if (!watch->http) {
		free(watch);
		return NULL;
	}
	return watch;
}

bool
etcd_watch_is_current(const struct etcd_watch *watch)
{
	return http_is_current(watch->http);
}

void
etcd_watch_cancel(struct etcd_watch *watch)
{
	http_cancel(watch->http);
	free(watch);
}

/* ---- the client ---- */

enum status
etcd_client_open(const struct etcd_settings *settings, struct etcd_client **out, char *reason)
{
	struct etcd_client *client = calloc(1, sizeof *client);
	struct http_settings http = {.endpoints = settings->endpoints,
				     .endpoint_count = settings->endpoint_count,
				     .ca = settings->ca,
				     .certificate = settings->certificate,
				     .key = settings->key};

	if (!client)
		return STATUS_NO_MEMORY;
	client->settings = settings;
	enum status status = http_open(&http, &client->http, reason);
	if (status) {
		free(client);
		return status;
	}
	*out = client;
	return STATUS_OK;
}

void
etcd_client_free(struct etcd_client *client)
{
	http_close(client->http);
	while (client->requests)
		free_request(client->requests);
	while (client->waiting)
		free_request(client->waiting);
	free(client->authorization);
	free(client);
}

void
etcd_client_poll(struct etcd_client *client, int timeout_ms)
{
	if (client->waiting && !client->logging_in)
		login(client);
	http_poll(client->http, timeout_ms);
}

void
etcd_client_wake(struct etcd_client *client)
{
	http_wake(client->http);
}

const char *
etcd_client_endpoint(const struct etcd_client *client)
{
	return http_endpoint(client->http);
}

void
etcd_client_next(struct etcd_client *client)
{
	http_next(client->http);
}

/* ---- waiting ---- */

struct wait { bool done; enum etcd_outcome outcome; json_t *json; uint64_t revision; char *reason; };

static void
on_waited(void *context, const struct etcd_answer *answer)
{
	struct wait *wait = context;

	wait->done = true;
	wait->outcome = answer->outcome;
	wait->revision = answer->revision;
	wait->json = json_incref((json_t *)(uintptr_t)answer->json);
	snprintf(wait->reason, ETCD_REASON_SIZE, "%s", answer->reason);
}

enum etcd_outcome
etcd_client_wait(struct etcd_client *client, const char *path, const struct etcd_text *body, json_t **json,
		 uint64_t *revision, char *reason)
{
	struct wait wait = {.outcome = ETCD_UNSENT, .reason = reason};

	if (etcd_client_post(client, path, body, ETCD_LONG_MS, on_waited, &wait) != STATUS_OK) {
		snprintf(reason, ETCD_REASON_SIZE, "no memory");
		return ETCD_UNSENT;
	}
	while (!wait.done)
		etcd_client_poll(client, 1000);
	*json = wait.json;
	*revision = wait.revision;
	return wait.outcome;
}
