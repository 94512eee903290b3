#include "control/import.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/dial.h"
#include "transfer/fetch.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000
#define SILENCE_MS 30000
#define ATTEMPTS 3 /* where other changes come between */

/* One command: where from, and what has come. */
struct import {
	struct call *call;
	const char *from;
	uint8_t zone[NAME_MAX_SIZE];
	struct dial_settings settings;
	struct keyring *keys; /* a share; NULL: unsigned */
	struct key *key;
	struct draft draft;
	struct fetch fetch;
	uint8_t *message; /* MESSAGE_MAX_SIZE octets */
};

/* ---- from a file ---- */

static enum status
import_text(struct call *call)
{
	struct zone *zone = call_zone(call, call->arguments[0]);
	struct jobs_result result;

	if (!zone)
		return STATUS_NOT_FOUND;
	if (call->argument_count < 2)
		return call_fail(call, STATUS_INVALID, "import: a file or --from is missing");
	enum status status = jobs_import(call->gateway->committer, zone, call->content, call->content_size,
					 call->arguments[1], &result, call->reason);
	if (status == STATUS_OK)
		call_print_result(call, zone, &result);
	return status;
}

/* ---- options ---- */

static bool
import_gone(void *context)
{
	struct call *call = context;

	return call->gone(call, 0);
}

static enum status
read_source(struct import *import)
{
	struct call *call = import->call;
	struct dial_settings *settings = &import->settings;
	const char *ca = call_option(call, "tls-ca-text"), *hostname = call_option(call, "tls-hostname");

	*settings = (struct dial_settings){.tls = call_flag(call, "tls") || ca,
					   .ca = ca,
					   .hostname = hostname,
					   .connect_ms = CONNECT_MS,
					   .silence_ms = SILENCE_MS,
					   .gone = import_gone,
					   .context = call};
	if (hostname && !ca)
		return call_fail(call, STATUS_INVALID, "--tls-hostname says nothing without --tls-ca");
	if (listener_parse(import->from, settings->tls ? 853 : 53, &settings->address) != STATUS_OK)
		return call_fail(call, STATUS_INVALID, "%.200s is no ADDRESS[@PORT]", import->from);
	return STATUS_OK;
}

/* --key: of the configuration. The gateway's lock is held for reading. */
static enum status
find_key(struct import *import, const char *name)
{
	struct call *call = import->call;
	uint8_t wire[NAME_MAX_SIZE];

	if (!call_name(call, name, wire))
		return STATUS_INVALID;
	import->key = keyring_find(call->gateway->config->keys, wire);
	if (!import->key)
		return call_fail(call, STATUS_NOT_FOUND,
				 "no key %.200s in the configuration; one in a file is --key-file FILE", name);
	import->keys = import->key->keyring;
	keyring_hold(import->keys);
	return STATUS_OK;
}

/* --key-file: as nsupdate -k has it. */
static enum status
read_key(struct import *import, const char *text)
{
	const char *path = call_option(import->call, "key-file");
	char reason[KEYRING_REASON_SIZE] = "";

	import->keys = keyring_new();
	if (!import->keys)
		return call_fail(import->call, STATUS_NO_MEMORY, "no memory");
	enum status status = keyring_parse(import->keys, text, strlen(text), path ? path : "key file", reason);
	if (status != STATUS_OK)
		return call_fail(import->call, status, "%s", reason);
	if (keyring_count(import->keys) != 1)
		return call_fail(import->call, STATUS_INVALID, "%s: it has more than one key",
				 path ? path : "key file");
	import->key = keyring_at(import->keys, 0);
	return STATUS_OK;
}

static enum status
read_options(struct import *import)
{
	struct call *call = import->call;
	const char *name = call_option(call, "key"), *text = call_option(call, "key-text");
	enum status status = STATUS_NOT_FOUND;

	pthread_rwlock_rdlock(&call->gateway->lock);
	struct zone *zone = call_zone(call, call->arguments[0]);
	if (zone) {
		memcpy(import->zone, zone->name, name_size(zone->name));
		status = read_source(import);
		if (status == STATUS_OK && name)
			status = find_key(import, name);
		else if (status == STATUS_OK && text)
			status = read_key(import, text);
	}
	pthread_rwlock_unlock(&call->gateway->lock);
	return status;
}

/* ---- the transfer ---- */

static enum status
fail_from(const struct import *import, enum status status, const char *why)
{
	return call_fail(import->call, status, "%s: %s", import->from, why);
}

static enum status
receive_message(struct import *import, struct dial *dial, size_t *size)
{
	char why[DIAL_REASON_SIZE] = "";
	uint8_t length[2];
	enum status status = dial_receive(dial, length, sizeof length, why);

	*size = bytes_get_u16(length);
	if (status == STATUS_OK)
		status = dial_receive(dial, import->message, *size, why);
	if (status == STATUS_OK)
		return STATUS_OK;
	if (import->fetch.messages == 0)
		return fail_from(import, STATUS_IO, why);
	return call_fail(import->call, STATUS_IO,
			 "%s: %s after %" PRIu64 " records, before the zone's end: nothing is imported", import->from,
			 why, import->fetch.records);
}

static enum status
receive_zone(struct import *import, struct dial *dial)
{
	char why[FETCH_REASON_SIZE] = "";
	enum fetch_verdict verdict = FETCH_MORE;
	size_t size;

	while (verdict == FETCH_MORE) {
		enum status status = receive_message(import, dial, &size);
		if (status != STATUS_OK)
			return status;
		verdict = fetch_message(&import->fetch, import->message, size, clock_wall_s(), why);
	}
	return verdict == FETCH_DONE ? STATUS_OK : fail_from(import, STATUS_REFUSED, why);
}

/* Query out, zone in; import->draft is filled. */
static enum status
ask(struct import *import, struct dial *dial)
{
	uint8_t query[2 + FETCH_QUERY_SIZE];
	char why[DIAL_REASON_SIZE] = "";
	size_t size = 0;
	enum status status = fetch_begin(&import->fetch, import->zone, import->key, &import->draft, clock_wall_s(),
					 query + 2, &size);

	if (status == STATUS_OK) {
		bytes_put_u16(query, (uint16_t)size);
		status = dial_send(dial, query, size + 2, why);
	}
	status = status == STATUS_OK ? receive_zone(import, dial)
				     : fail_from(import, status, why[0] ? why : status_text(status));
	fetch_end(&import->fetch);
	return status;
}

static enum status
fetch_zone(struct import *import)
{
	char why[DIAL_REASON_SIZE] = "";
	struct dial *dial;
	enum status status = dial_open(&import->settings, &dial, why);

	if (status != STATUS_OK)
		return fail_from(import, status, why);
	status = draft_begin(&import->draft, NULL, import->zone);
	if (status == STATUS_OK)
		status = ask(import, dial);
	else
		fail_from(import, status, status_text(status));
	if (status != STATUS_OK)
		draft_drop(&import->draft);
	dial_close(dial);
	return status;
}

/* ---- into the zone ---- */

static enum status
take_zone(struct import *import)
{
	struct call *call = import->call;
	char why[JOBS_REASON_SIZE] = "";
	struct jobs_result result;
	uint32_t serial = import->fetch.serial;

	pthread_rwlock_rdlock(&call->gateway->lock);
	struct zone *zone = call_zone(call, call->arguments[0]);
	enum status status = STATUS_NOT_FOUND;
	if (zone) {
		status = jobs_import_draft(call->gateway->committer, zone, &import->draft, &result, why);
		if (status == STATUS_OK) {
			log_info("zone_imported",
				 "zone=%s from=%s records=%" PRIu64 " serial=%" PRIu32 " version=%" PRIu64, zone->text,
				 import->from, import->fetch.records, serial, result.version);
			call_print_result(call, zone, &result);
		} else {
			fail_from(import, status, why);
		}
	} else {
		draft_drop(&import->draft);
	}
	pthread_rwlock_unlock(&call->gateway->lock);
	return status;
}

static enum status
import_server(struct call *call)
{
	struct import import = {.call = call, .from = call_option(call, "from"), .message = malloc(MESSAGE_MAX_SIZE)};
	enum status status = import.message ? read_options(&import) : call_fail(call, STATUS_NO_MEMORY, "no memory");

	for (int attempt = 1; status == STATUS_OK; attempt++) {
		status = fetch_zone(&import);
		if (status != STATUS_OK)
			break;
		status = take_zone(&import);
		if (status != STATUS_RETRY || attempt == ATTEMPTS)
			break;
		status = STATUS_OK;
	}
	if (import.keys)
		keyring_free(import.keys);
	free(import.message);
	return status;
}

enum status
import_run(struct call *call)
{
	if (call_option(call, "from"))
		return import_server(call);
	pthread_rwlock_rdlock(&call->gateway->lock);
	enum status status = import_text(call);
	pthread_rwlock_unlock(&call->gateway->lock);
	return status;
}
