#include "control/http.h"
#include "base/clock.h"
#include "base/endpoint.h"
#include "base/rcu.h"
#include "control/metrics.h"
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 64
#define CONNECTIONS 64
#define IDLE_S 10

struct http {
	struct gateway *gateway;
	struct MHD_Daemon *daemon;
};

/* ---- pages ---- */

static unsigned
page_metrics(struct gateway *gateway, FILE *out)
{
	metrics_write(gateway, out);
	return MHD_HTTP_OK;
}

static unsigned
page_health(struct gateway *gateway, FILE *out)
{
	(void)gateway;
	fputs("ok\n", out);
	return MHD_HTTP_OK;
}

static unsigned
page_ready(struct gateway *gateway, FILE *out)
{
	bool ready = atomic_load(&gateway->ready);

	/* With zones that still wait for a store this is no place to send queries. */
	if (ready && atomic_load(&gateway->waiting))
		atomic_store(&gateway->waiting, !gateway_zones_loaded(gateway));
	ready = ready && !atomic_load(&gateway->waiting);
	fputs(ready ? "ready\n" : "not ready\n", out);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* Zone names are escaped as presentation format, which leaves these. */
static void
write_html(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
}

static bool
write_zone_row(void *context, struct zone *zone)
{
	FILE *out = context;
	const struct zone_version *version = atomic_load(&zone->current);
	char when[CLOCK_TEXT_SIZE] = "";

	if (version && version->time_us)
		clock_to_text(version->time_us, when);
	fputs("<tr><td>", out);
	write_html(out, zone->text);
	fprintf(out, "<td>%s%s<td>%" PRIu32 "<td>%" PRIu64 "<td>%" PRIu64 "<td>",
		zone_state_text((enum zone_state)atomic_load(&zone->state)),
		version && version->frozen ? ", frozen" : "", version ? version->serial : 0,
		version ? version->version : 0, version ? version->records : 0);
	write_html(out, ((struct store *)zone->store)->name);
	fprintf(out, "<td>%s</tr>\n", when);
	return true;
}

static unsigned
page_status(struct gateway *gateway, FILE *out)
{
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>zonegate</title>\n"
		"<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid "
		"#999;padding:.2em .6em;text-align:left}</style>\n"
		"</head><body>\n<h1>zonegate %s</h1>\n<p>%s, up %" PRIu64
		" s, %u threads. <a href=\"/metrics\">metrics</a></p>\n",
		PACKAGE_VERSION, atomic_load(&gateway->ready) ? "ready" : "not ready",
		(clock_monotonic_ms() - gateway->started_ms) / 1000, gateway->worker_count);
	fputs("<h2>Stores</h2>\n<table><tr><th>name<th>type<th>connected<th>position<th>lag</tr>\n", out);
	pthread_rwlock_rdlock(&gateway->lock);
	for (size_t i = 0; i < gateway->store_count; i++) {
		struct store *store = gateway->stores[i].store;
		fputs("<tr><td>", out);
		write_html(out, store->name);
		fprintf(out, "<td>%s<td>%s<td>%" PRIu64 "<td>%" PRIu64 "</tr>\n", store->ops->type,
			atomic_load(&store->connected) ? "yes" : "no", atomic_load(&store->position),
			atomic_load(&store->lag_records));
	}
	fputs("</table>\n<h2>Zones</h2>\n<table><tr><th>name<th>state<th>serial<th>version<th>records<th>store<th>last "
	      "change</tr>\n",
	      out);
	gateway_each_zone(gateway, write_zone_row, out);
	pthread_rwlock_unlock(&gateway->lock);
	fputs("</table>\n</body></html>\n", out);
	return MHD_HTTP_OK;
}

static const struct {
	const char *path, *type;
	unsigned (*write)(struct gateway *gateway, FILE *out);
} pages[] = {
	{"/", "text/html; charset=utf-8", page_status},
	{"/healthz", "text/plain; charset=utf-8", page_health},
	{"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
	{"/readyz", "text/plain; charset=utf-8", page_ready},
};

/* ---- libmicrohttpd ---- */

static enum MHD_Result
http_send(struct MHD_Connection *connection, unsigned code, const char *type, char *text, size_t size,
	  enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, mode);

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
http_send_error(struct MHD_Connection *connection, unsigned code, const char *text)
{
	return http_send(connection, code, "text/plain; charset=utf-8", (char *)text, strlen(text),
			 MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result
http_page(struct http *http, struct MHD_Connection *connection, size_t page)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return MHD_NO;
	/* This thread is the library's: it is a reader for as long as it writes the page. */
	rcu_register_thread();
	rcu_thread_offline();
	unsigned code = pages[page].write(http->gateway, out);
	rcu_unregister_thread();
	if (fclose(out) != 0) {
		free(text);
		return MHD_NO;
	}
	return http_send(connection, code, pages[page].type, text, size, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result
http_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
	     const char *upload, size_t *upload_size, void **state)
{
	static int seen;

	(void)version, (void)upload;
	if (*state == NULL) {
		*state = &seen; /* headers only; the library calls again */
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return http_send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (strcmp(url, pages[i].path) == 0)
			return http_page(context, connection, i);
	return http_send_error(connection, MHD_HTTP_NOT_FOUND, "no such page\n");
}

enum status
http_listen(const struct listener_address *address, int *fd, char *reason)
{
	const struct sockaddr *socket_address = (const struct sockaddr *)&address->address;
	int made = socket(socket_address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	char text[ENDPOINT_TEXT_SIZE];

	if (made >= 0)
		setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (made >= 0 && bind(made, socket_address, address->size) == 0 && listen(made, BACKLOG) == 0) {
		*fd = made;
		return STATUS_OK;
	}
	snprintf(reason, GATEWAY_REASON_SIZE, "http %s: %s", endpoint_text(socket_address, text), strerror(errno));
	if (made >= 0)
		close(made);
	return STATUS_IO;
}

enum status
http_start(struct gateway *gateway, int fd, struct http **out, char *reason)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http)
		abort();
	http->gateway = gateway;
	http->daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, http_request, http,
				 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
				 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
	if (!http->daemon) {
		snprintf(reason, GATEWAY_REASON_SIZE, "http: the server cannot be started");
		free(http);
		return STATUS_IO;
	}
	*out = http;
	return STATUS_OK;
}

void
http_stop(struct http *http)
{
	MHD_stop_daemon(http->daemon);
	free(http);
}
