#include "control/call.h"
#include "base/rcu.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

enum status
call_fail(struct call *call, enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->reason, CALL_REASON_SIZE, format, args);
	va_end(args);
	return status;
}

const char *
call_option(const struct call *call, const char *name)
{
	return json_string_value(json_object_get(call->options, name));
}

bool
call_flag(const struct call *call, const char *name)
{
	return json_is_true(json_object_get(call->options, name));
}

void
call_print_json(struct call *call, json_t *object)
{
	require(object);
	json_dumpf(object, call->out, JSON_COMPACT);
	fputc('\n', call->out);
	json_decref(object);
}

bool
call_name(struct call *call, const char *text, uint8_t *name)
{
	static const uint8_t root[] = {0};

	if (name_from_text(text, strlen(text), root, name) == STATUS_OK) {
		name_lower(name, name);
		return true;
	}
	call_fail(call, STATUS_INVALID, "%.200s is no domain name", text);
	return false;
}

struct zone *
call_zone(struct call *call, const char *text)
{
	uint8_t name[NAME_MAX_SIZE];

	if (!call_name(call, text, name))
		return NULL;
	struct zone *zone = gateway_find_zone(call->gateway, name);
	if (!zone)
		call_fail(call, STATUS_NOT_FOUND, "no zone %.200s here", text);
	return zone;
}

struct zone_version *
call_pin(struct call *call, struct zone *zone)
{
	rcu_thread_online();
	const struct zone_version *current = zone_current(zone);
	struct zone_version *version = current ? version_pin(current) : NULL;
	rcu_thread_offline();
	if (!version)
		call_fail(call, STATUS_NOT_FOUND, "zone %s is not served: %s", zone->text,
			  zone_state_text((enum zone_state)atomic_load(&zone->state)));
	return version;
}

void
call_print_result(struct call *call, const struct zone *zone, const struct jobs_result *result)
{
	if (call->json)
		call_print_json(call, json_pack("{s:s, s:I, s:b}", "name", zone->text, "version",
						(json_int_t)result->version, "changed", result->changed));
	else if (result->changed)
		fprintf(call->out, "%s is at version %" PRIu64 "\n", zone->text, result->version);
	else
		fprintf(call->out, "%s: nothing to change\n", zone->text);
}
