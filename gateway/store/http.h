/*
 * HTTP requests to one of several servers that are the same service: many at once, connections kept, failover,
 * time-outs, TLS.
 *
 * Threads:   a struct http belongs to one thread; http_wake: any.
 * Memory:    a call is made by http_send and freed after its `done`; what it got is lent until `done` returns.
 * Errors:    an answer of any HTTP status is an answer. Without one: code 0 and a reason that says what to do.
 * Limits:    an answer of 1 GiB. A request that has certainly not been sent (nobody listens) goes to each endpoint in
 *            turn; one that may have been sent is given back: only its maker knows whether it may be sent twice.
 */
#ifndef ZONEGATE_STORE_HTTP_H
#define ZONEGATE_STORE_HTTP_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REASON_SIZE 300

struct http;
struct http_call;

struct http_settings {
	const char *const *endpoints; size_t endpoint_count; /* http://host:port, https://host:port; copied */
	const char *ca, *certificate, *key; /* files; NULL: the system's CAs, no client certificate; copied */
};

struct http_result {
	long code;              /* HTTP status; 0: no answer */
	const char *body; size_t size; /* ends with a NUL that size does not count */
	const char *reason;     /* where code is 0 */
	bool unsent;            /* code 0: no server has seen it */
	uint64_t etcd_index;    /* header X-Etcd-Index; 0: none */
	int grpc_status;        /* header or trailer grpc-status; negative: none, so it is no answer of gRPC's */
	const char *grpc_message; /* and its text, percent-encoded */
};

struct http_request {
	const char *method;         /* "POST", "GET", "PUT", "DELETE" */
	const char *path;           /* from the slash; copied */
	const char *body; size_t size; /* copied; NULL: none */
	const char *content_type;   /* NULL: application/json */
	const char *authorization;  /* value of the header; NULL: none */
	bool once;                  /* the connection is closed after it */
	bool grpc;                  /* HTTP/2, at once, with gRPC's headers; `authorization` is its metadata "token" */
	unsigned timeout_ms;        /* 0: none, but for connecting */
	/* Each line of a stream as it comes, or each message of gRPC's with its frame; then `body` stays empty. */
	void (*line)(void *context, const char *line, size_t size);
	void (*done)(void *context, const struct http_result *result);
	void *context;
};

MUST_USE enum status http_open(const struct http_settings *settings, struct http **http, char *reason);
/* Calls under way end without `done`. */
void http_close(struct http *http);
/* NULL: no memory. */
struct http_call *http_send(struct http *http, const struct http_request *request);
/* Is it at the endpoint in use? */
bool http_is_current(const struct http_call *call);
/* `done` will not be called. Not from a callback of the same call. */
void http_cancel(struct http_call *call);
/* Send what is new, else wait up to timeout_ms for news; callbacks are called from here. */
void http_poll(struct http *http, int timeout_ms);
void http_wake(struct http *http);
/* Does a gRPC request cost no connection of its own? */
bool http_keeps_grpc(const struct http *http);
/* The endpoint in use, for logs; http_next leaves it for the next one. */
const char *http_endpoint(const struct http *http);
void http_next(struct http *http);
/* For a path or query: what is not unreserved (RFC 3986 2.3) or a slash as %XX; `out` takes 3 * size + 1. */
void http_escape(const char *text, size_t size, char *out);

#endif
