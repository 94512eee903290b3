#include "store/http.h"
#include "base/bytes.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 1000
#define SPARE_HANDLES 64
#define CONNECTIONS_KEPT 256
#define ANSWER_MAX (1u << 30)

struct http_buffer { char *bytes; size_t size, room; };

struct http_call {
	struct http *http;
	struct http_call *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	struct http_request request;
	char *path, *body;
	size_t endpoint, tried;
	bool shares, alone;           /* gRPC without TLS: on the connection of a stream, or never */
	bool carries;                 /* is such a stream */
	bool plain;                   /* goes as HTTP/1.1 */
	struct http_buffer buffer;
	uint64_t etcd_index;
	int grpc_status;
	char grpc_message[HTTP_REASON_SIZE / 2];
	char error[CURL_ERROR_SIZE];
};

/* streams: of gRPC's that are open, whose connection others may share. plain: HTTP/1.1 under way. */
struct endpoint { char *url; unsigned streams, plain; };

struct http {
	CURLM *multi;
	struct endpoint *endpoints;
	size_t endpoint_count, current;
	char *ca, *certificate, *key;
	struct http_call *calls;
	bool launched;                /* since the last look at them */
	CURL *spare[SPARE_HANDLES];
	size_t spare_count;
};

static void
start_library(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *
copy_or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

enum status
http_open(const struct http_settings *settings, struct http **out, char *reason)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *http = calloc(1, sizeof *http);

	pthread_once(&once, start_library);
	if (!http)
		return STATUS_NO_MEMORY;
	http->multi = curl_multi_init();
	http->endpoints = calloc(settings->endpoint_count + 1, sizeof *http->endpoints);
	bool made = http->multi && http->endpoints;
	for (size_t i = 0; made && i < settings->endpoint_count; i++) {
		http->endpoints[http->endpoint_count].url = strdup(settings->endpoints[i]);
		made = http->endpoints[http->endpoint_count++].url != NULL;
	}
	http->ca = copy_or_null(settings->ca);
	http->certificate = copy_or_null(settings->certificate);
	http->key = copy_or_null(settings->key);
	if (!made) {
		snprintf(reason, HTTP_REASON_SIZE, "no memory");
		http_close(http);
		return STATUS_NO_MEMORY;
	}
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	/* as many as the server takes */
	curl_multi_setopt(http->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)INT32_MAX);
	*out = http;
	return STATUS_OK;
}

static void
leave_endpoint(struct http_call *call)
{
	call->http->endpoints[call->endpoint].streams -= call->carries;
	call->http->endpoints[call->endpoint].plain -= call->plain;
	call->carries = call->plain = false;
}

static void
free_call(struct http_call *call)
{
	struct http *http = call->http;

	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	leave_endpoint(call);
	if (call->easy) {
		curl_multi_remove_handle(http->multi, call->easy);
		if (http->spare_count < SPARE_HANDLES)
			http->spare[http->spare_count++] = call->easy;
		else
			curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->headers);
	free(call->path);
	free(call->body);
	free(call->buffer.bytes);
	free(call);
}

void
http_close(struct http *http)
{
	while (http->calls)
		free_call(http->calls);
	while (http->spare_count)
		curl_easy_cleanup(http->spare[--http->spare_count]);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	for (size_t i = 0; i < http->endpoint_count; i++)
		free(http->endpoints[i].url);
	free(http->endpoints);
	free(http->ca);
	free(http->certificate);
	free(http->key);
	free(http);
}

/* ---- what comes in ---- */

static bool
buffer_add(struct http_buffer *buffer, const char *bytes, size_t size)
{
	if (buffer->size + size + 1 > buffer->room) {
		size_t room =
			buffer->room * 2 > buffer->size + size + 1 ? buffer->room * 2 : buffer->size + size + 1024;
		char *bigger = room <= ANSWER_MAX ? realloc(buffer->bytes, room) : NULL;
		if (!bigger)
			return false;
		buffer->bytes = bigger;
		buffer->room = room;
	}
	memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
	buffer->bytes[buffer->size] = '\0';
	return true;
}

/* Whole lines go to the request; the rest stays. */
static void
hand_out_lines(struct http_call *call)
{
	struct http_buffer *buffer = &call->buffer;
	char *at = buffer->bytes, *end = at + buffer->size, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		*newline = '\0';
		if (newline > at)
			call->request.line(call->request.context, at, (size_t)(newline - at));
		at = newline + 1;
	}
	buffer->size = (size_t)(end - at);
	memmove(buffer->bytes, at, buffer->size);
}

/* Whole messages: an octet, four of the length, and so many. */
static void
hand_out_messages(struct http_call *call)
{
	struct http_buffer *buffer = &call->buffer;
	size_t at = 0;

	while (buffer->size - at >= 5) {
		size_t size = 5 + (size_t)bytes_get_u32((const uint8_t *)buffer->bytes + at + 1);
		if (buffer->size - at < size)
			break;
		call->request.line(call->request.context, buffer->bytes + at, size);
		at += size;
	}
	buffer->size -= at;
	memmove(buffer->bytes, buffer->bytes + at, buffer->size);
}

static size_t
on_bytes(char *bytes, size_t one, size_t count, void *context)
{
	struct http_call *call = context;
	size_t size = one * count;

	if (!buffer_add(&call->buffer, bytes, size))
		return 0;
	long code = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
	if (!call->request.line || code != 200)
		return size;
	if (call->request.grpc)
		hand_out_messages(call);
	else if (memchr(bytes, '\n', size))
		hand_out_lines(call);
	return size;
}

/* The value of a header, if it is that one, without its line's end; cut to `room`. */
static bool
header_value(const char *bytes, size_t size, const char *name, char *out, size_t room)
{
	size_t skip = strlen(name);

	if (size < skip || strncasecmp(bytes, name, skip) != 0)
		return false;
	while (skip < size && bytes[skip] == ' ')
		skip++;
	while (size > skip && (bytes[size - 1] == '\r' || bytes[size - 1] == '\n'))
		size--;
	snprintf(out, room, "%.*s", (int)(size - skip), bytes + skip);
	return true;
}

/* The stream of a call without end: others may go beside it. */
static void
carry(struct http_call *call)
{
	if (!call->request.grpc || !call->request.line || call->carries)
		return;
	call->carries = true;
	call->http->endpoints[call->endpoint].streams++;
}

/* Trailers too. */
static size_t
on_header(char *bytes, size_t one, size_t count, void *context)
{
	struct http_call *call = context;
	size_t size = one * count;
	char text[32];

	if (header_value(bytes, size, "HTTP/2 200", text, sizeof text))
		carry(call);
	else if (header_value(bytes, size, "X-Etcd-Index:", text, sizeof text))
		call->etcd_index = strtoull(text, NULL, 10);
	else if (header_value(bytes, size, "grpc-status:", text, sizeof text))
		call->grpc_status = (int)strtol(text, NULL, 10);
	else
		header_value(bytes, size, "grpc-message:", call->grpc_message, sizeof call->grpc_message);
	return size;
}

/* ---- calls ---- */

static bool
add_header(struct http_call *call, const char *name, const char *value)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return false;
	struct curl_slist *list = curl_slist_append(call->headers, line);
	free(line);
	if (list)
		call->headers = list;
	return list != NULL;
}

static bool
set_headers(struct http_call *call)
{
	const struct http_request *request = &call->request;
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	call->headers = list;
	if (request->grpc)
		return list && add_header(call, "Content-Type", "application/grpc") &&
		       add_header(call, "TE", "trailers") &&
		       (!request->authorization || add_header(call, "token", request->authorization));
	return list &&
	       (!call->body ||
		add_header(call, "Content-Type", request->content_type ? request->content_type : "application/json")) &&
	       (!request->authorization || add_header(call, "Authorization", request->authorization));
}

static void
set_tls(const struct http *http, CURL *easy)
{
	if (http->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca);
	if (http->certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http->certificate);
	if (http->key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static bool
is_https(const struct http *http, size_t endpoint)
{
	return strncmp(http->endpoints[endpoint].url, "https:", 6) == 0;
}

bool
http_keeps_grpc(const struct http *http)
{
	return is_https(http, http->current) || http->endpoints[http->current].streams > 0;
}

/* A request that shares a connection makes none: were the stream's gone, it would go as HTTP/1.1. */
static curl_socket_t
make_no_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)context, (void)purpose, (void)address;
	return CURL_SOCKET_BAD;
}

/*
 * gRPC without TLS: libcurl before 8.0 fails where a request that knows beforehand that the server speaks HTTP/2 comes
 * second on a connection, but lets one that would rather upgrade go there. So streams make connections, and all else
 * goes beside them. Where one connection to a server takes many requests at a time, libcurl believes it of all: beside
 * HTTP/1.1 under way, gRPC makes a connection.
 */
static void
set_version(struct http_call *call)
{
	CURL *easy = call->easy;
	struct endpoint *endpoint = &call->http->endpoints[call->endpoint];
	bool https = is_https(call->http, call->endpoint), grpc = call->request.grpc;

	call->shares = grpc && !https && !call->request.line && !call->alone && endpoint->streams && !endpoint->plain;
	call->plain = !grpc;
	endpoint->plain += call->plain;
	bool alone = grpc && !https && !call->shares;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 alone          ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
			 : call->shares ? (long)CURL_HTTP_VERSION_2_0
			 : grpc         ? (long)CURL_HTTP_VERSION_2TLS
					: (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, call->shares ? make_no_socket : NULL);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)(grpc && https)); /* on the connection that is being made */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)(alone || (grpc && endpoint->plain)));
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, (long)(alone || call->request.once));
}

static bool
launch(struct http_call *call)
{
	struct http *http = call->http;
	CURL *easy = call->easy;
	char *url = NULL;

	leave_endpoint(call);
	call->endpoint = http->current;
	if (asprintf(&url, "%s%s", http->endpoints[call->endpoint].url, call->path) < 0)
		return false;
	curl_easy_setopt(easy, CURLOPT_URL, url);
	free(url);
	set_version(call);
	http->launched = true;
	return curl_multi_add_handle(http->multi, easy) == CURLM_OK;
}

static void
set_options(struct http_call *call)
{
	CURL *easy = call->easy;
	const struct http_request *request = &call->request;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* a store is no web site: no proxy from the environment */
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (call->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
	}
	set_tls(call->http, easy);
}

struct http_call *
http_send(struct http *http, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->http = http;
	call->grpc_status = -1;
	call->request = *request;
	call->next = http->calls;
	if (call->next)
		call->next->link = &call->next;
	call->link = &http->calls;
	http->calls = call;
	call->path = strdup(request->path);
	call->body = request->body ? malloc(request->size + 1) : NULL;
	if (call->body) {
		memcpy(call->body, request->body, request->size);
		call->body[request->size] = '\0';
	}
	call->easy = http->spare_count ? http->spare[--http->spare_count] : curl_easy_init();
	if (call->easy)
		curl_easy_reset(call->easy);
	if (!call->path || (request->body && !call->body) || !call->easy || !set_headers(call)) {
		free_call(call);
		return NULL;
	}
	set_options(call);
	if (!launch(call)) {
		free_call(call);
		return NULL;
	}
	return call;
}

void
http_cancel(struct http_call *call)
{
	free_call(call);
}

/* ---- how a call ends ---- */

/* No server has seen the request. */
static bool
is_unsent(CURLcode code)
{
	static const CURLcode codes[] = {
		CURLE_COULDNT_CONNECT,          CURLE_COULDNT_RESOLVE_HOST, CURLE_SSL_CONNECT_ERROR,
		CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,      CURLE_SSL_CIPHER,
		CURLE_SSL_CACERT_BADFILE,       CURLE_SSL_ISSUER_ERROR,
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* What a person can do about it. */
static const char *
advice(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return " (the server's certificate is not trusted: check tls.ca, and that the endpoint's name is in "
		       "the certificate)";
	case CURLE_SSL_CACERT_BADFILE: return " (tls.ca cannot be read, or holds no certificate)";
	case CURLE_SSL_CERTPROBLEM:
		return " (tls.certificate or tls.key cannot be used: check that they are PEM files and belong "
		       "together)";
	case CURLE_SSL_CONNECT_ERROR:
		return " (TLS failed: check http or https in endpoints, and tls.certificate, if the server wants one)";
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return " (where the server wants a client certificate: check tls.certificate, and who signed it)";
	case CURLE_GOT_NOTHING: case CURLE_WEIRD_SERVER_REPLY: return " (is it https?)";
	default: return "";
	}
}

static void
tell(struct http_call *call, CURLcode code)
{
	char reason[HTTP_REASON_SIZE] = "";
	struct http_result result = {.etcd_index = call->etcd_index, .reason = reason, .unsent = is_unsent(code),
	                             .grpc_status = call->grpc_status, .grpc_message = call->grpc_message};

	if (code == CURLE_OK)
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &result.code);
	else
		snprintf(reason, sizeof reason, "%s: %.120s%s", call->http->endpoints[call->endpoint].url,
		         call->error[0] ? call->error : curl_easy_strerror(code), advice(code));
	result.body = call->buffer.bytes ? call->buffer.bytes : "";
	result.size = call->buffer.size;
	call->request.done(call->request.context, &result);
}

/* The stream had just ended, or its connection takes no more. */
static bool
missed_stream(struct http_call *call, CURLcode code)
{
	if (!call->shares || code != CURLE_COULDNT_CONNECT)
		return false;
	call->alone = true;
	return true;
}

static void
end(struct http_call *call, CURLcode code)
{
	struct http *http = call->http;

	curl_multi_remove_handle(http->multi, call->easy);
	if (missed_stream(call, code) && launch(call))
		return;
	if (code != CURLE_OK && call->endpoint == http->current)
		http_next(http);
	if (is_unsent(code) && ++call->tried < http->endpoint_count && launch(call))
		return;
	tell(call, code);
	free_call(call);
}

static void
take_ended(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_call *call;
		CURLcode code = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		end(call, code);
	}
}

void
http_poll(struct http *http, int timeout_ms)
{
	int running;

	if (!http->launched && timeout_ms > 0)
		curl_multi_poll(http->multi, NULL, 0, timeout_ms, NULL);
	http->launched = false;
	curl_multi_perform(http->multi, &running); /* it looks at all calls under way: once for each time is enough */
	take_ended(http);
}

void
http_wake(struct http *http)
{
	curl_multi_wakeup(http->multi);
}

bool
http_is_current(const struct http_call *call)
{
	return call->endpoint == call->http->current;
}

const char *
http_endpoint(const struct http *http)
{
	return http->endpoints[http->current].url;
}

void
http_next(struct http *http)
{
	http->current = (http->current + 1) % http->endpoint_count;
}

void
http_escape(const char *text, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-._~/", c ? c : ' '))
			*out++ = (char)c;
		else
			out += snprintf(out, 4, "%%%02X", c);
	}
	*out = '\0';
}
