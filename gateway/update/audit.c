#include "update/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "update/requestor.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_SIZE 6144 /* a zone and a key of 255 octets, each escaped, and the rest */

struct audit {
	char *path;            /* NULL: the process log only */
	pthread_mutex_t mutex; /* fd, against audit_reopen */
	int fd;
	uint64_t lost;         /* lines that could not be written */
};

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

enum status
audit_open(const char *path, struct audit **out)
{
	struct audit *audit = calloc(1, sizeof *audit);

	if (audit == NULL)
		return STATUS_NO_MEMORY;
	audit->fd = path ? open_file(path) : -1;
	audit->path = path ? strdup(path) : NULL;
	if (path && (audit->fd < 0 || audit->path == NULL)) {
		int why = errno;
		if (audit->fd >= 0)
			close(audit->fd);
		free(audit->path);
		free(audit);
		errno = why;
		return STATUS_IO;
	}
	pthread_mutex_init(&audit->mutex, NULL);
	*out = audit;
	return STATUS_OK;
}

void
audit_reopen(struct audit *audit)
{
	if (audit == NULL || audit->path == NULL)
		return;
	int fd = open_file(audit->path);
	if (fd < 0) {
		log_error("audit file not opened again", "path=%s reason=%s", audit->path, strerror(errno));
		return;
	}
	pthread_mutex_lock(&audit->mutex);
	int old = audit->fd;
	audit->fd = fd;
	pthread_mutex_unlock(&audit->mutex);
	close(old);
}

void
audit_close(struct audit *audit)
{
	if (audit == NULL)
		return;
	if (audit->fd >= 0)
		close(audit->fd);
	free(audit->path);
	pthread_mutex_destroy(&audit->mutex);
	free(audit);
}

/* ---- a JSON line, member by member; what does not fit is left out at the end ---- */

struct json {
	char *at, *end;
};

static void
put_char(struct json *json, char c)
{
	if (json->at < json->end)
		*json->at++ = c;
}

static void
put_text(struct json *json, const char *text)
{
	while (*text)
		put_char(json, *text++);
}

static void
put_string(struct json *json, const char *text)
{
	static const char digits[] = "0123456789abcdef";

	put_char(json, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\') {
			put_char(json, '\\');
			put_char(json, (char)c);
		} else if (c < ' ' || c >= 0x7f) { /* never UTF-8 of ours */
			put_text(json, "\\u00");
			put_char(json, digits[c >> 4]);
			put_char(json, digits[c & 15]);
		} else {
			put_char(json, (char)c);
		}
	}
	put_char(json, '"');
}

static void
put_name(struct json *json, const char *name)
{
	put_text(json, json->at[-1] == '{' ? "\"" : ",\"");
	put_text(json, name);
	put_text(json, "\":");
}

/* NULL is null. */
static void
member_text(struct json *json, const char *name, const char *value)
{
	put_name(json, name);
	if (value)
		put_string(json, value);
	else
		put_text(json, "null");
}

static void
member_number(struct json *json, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	put_name(json, name);
	put_text(json, text);
}

/* ---- one UPDATE ---- */

struct entry {
	const struct message *msg;
	const char *zone, *client, *key, *verdict, *reason;
	enum update_transport transport;
	unsigned rcode;
	bool answered;
	uint64_t version, duration_ns;
	uint32_t serial;
};

static const char *const transport_texts[] = {[UPDATE_UDP] = "udp", [UPDATE_TCP] = "tcp", [UPDATE_TLS] = "tls"};

static void
write_line(struct audit *audit, const char *line, size_t size)
{
	pthread_mutex_lock(&audit->mutex);
	bool written = write(audit->fd, line, size) == (ssize_t)size;
	audit->lost += !written;
	uint64_t lost = audit->lost;
	pthread_mutex_unlock(&audit->mutex);
	if (!written)
		log_limited(LOG_LEVEL_ERROR, "audit line not written", "path=%s lost=%llu", audit->path,
			    (unsigned long long)lost);
}

static void
write_json(struct audit *audit, const struct entry *entry)
{
	char line[LINE_SIZE], time[CLOCK_TEXT_SIZE];
	struct json json = {line, line + sizeof line - 2};

	clock_to_text(clock_wall_us(), time);
	put_char(&json, '{');
	member_text(&json, "time", time);
	member_text(&json, "zone", entry->zone);
	member_text(&json, "client", entry->client);
	member_text(&json, "transport", transport_texts[entry->transport]);
	member_text(&json, "key", entry->key);
	member_number(&json, "id", entry->msg->id);
	member_text(&json, "verdict", entry->verdict);
	member_text(&json, "rcode", entry->answered ? rcode_text(entry->rcode) : NULL);
	member_number(&json, "version", entry->version);
	member_number(&json, "serial", entry->serial);
	member_number(&json, "prerequisites", entry->msg->count[SECTION_PREREQUISITE]);
	member_number(&json, "updates", entry->msg->count[SECTION_UPDATE]);
	member_number(&json, "duration_us", entry->duration_ns / 1000);
	member_text(&json, "reason", entry->reason);
	invariant(json.at < json.end); /* names, key and reason have bounds that fit */
	*json.at++ = '}';
	*json.at++ = '\n';
	write_line(audit, line, (size_t)(json.at - line));
}

void
audit_update(struct audit *audit, const struct update_request *request, const char *verdict, uint64_t duration_ns)
{
	char client[REQUESTOR_TEXT_SIZE], zone[NAME_TEXT_SIZE];
	bool to_file = audit && audit->fd >= 0, to_log = log_enabled(LOG_LEVEL_INFO);

	if (!to_file && !to_log)
		return;
	struct entry entry = {
		.msg = &request->msg,
		.key = request->key_text,
		.verdict = verdict,
		.transport = request->transport,
		.zone = request->zone ? request->zone->text : name_to_text(request->msg.qname, zone),
		.client = requestor_text((const struct sockaddr *)&request->client, client),
		.reason = request->ede.code != EDE_NONE ? request->ede.text : NULL,
		.rcode = request->rcode,
		.answered = !request->drop,
		.version = request->version,
		.serial = request->serial,
		.duration_ns = duration_ns,
	};
	if (to_file)
		write_json(audit, &entry);
	if (to_log && entry.reason)
		log_write(LOG_LEVEL_INFO, "update",
			  "zone=%s requestor=%s key=%s verdict=%s rcode=%s serial=%u reason=%s", entry.zone,
			  entry.client, entry.key ? entry.key : "none", verdict,
			  entry.answered ? rcode_text(entry.rcode) : "none", entry.serial, entry.reason);
	else if (to_log)
		log_write(LOG_LEVEL_INFO, "update", "zone=%s requestor=%s key=%s verdict=%s rcode=%s serial=%u",
			  entry.zone, entry.client, entry.key ? entry.key : "none", verdict,
			  entry.answered ? rcode_text(entry.rcode) : "none", entry.serial);
}

void
audit_refused(struct audit *audit, const struct message *msg, const struct sockaddr *client,
	      enum update_transport transport, const char *key, unsigned rcode, const char *verdict, const char *reason)
{
	char zone[NAME_TEXT_SIZE], text[REQUESTOR_TEXT_SIZE];
	struct entry entry = {
		.msg = msg,
		.key = key,
		.verdict = verdict,
		.transport = transport,
		.client = requestor_text(client, text),
		.zone = msg->qname_size > 0 ? name_to_text(msg->qname, zone) : NULL,
		.reason = reason,
		.rcode = rcode,
		.answered = true,
	};

	if (audit && audit->fd >= 0)
		write_json(audit, &entry);
	log_limited(LOG_LEVEL_INFO, "update", "zone=%s requestor=%s key=%s verdict=%s rcode=%s reason=%s",
	            entry.zone ? entry.zone : "none", entry.client, key ? key : "none", verdict, rcode_text(rcode),
	            reason ? reason : "");
}
