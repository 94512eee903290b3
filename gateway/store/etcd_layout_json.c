#include "store/etcd_layout_json.h"
#include "wire/present.h"
#include "wire/rdata.h"
#include <stdlib.h>
#include <strings.h>

static const uint8_t root_name[1];

#define say(reason, ...) status_say(reason, ETCD_LAYOUT_REASON_SIZE, __VA_ARGS__)

/* Members as Go finds them: case is ignored. */
const json_t *
etcd_layout_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	void *at = value ? NULL : json_object_iter((json_t *)(uintptr_t)object);

	for (; !value && at; at = json_object_iter_next((json_t *)(uintptr_t)object, at))
		if (strcasecmp(json_object_iter_key(at), name) == 0)
			value = json_object_iter_value(at);
	return json_is_null(value) ? NULL : value;
}

json_t *
etcd_layout_parse(const char *value, size_t size, char *reason)
{
	json_error_t error;
	json_t *json = json_loadb(value, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!json)
		say(reason, STATUS_INVALID, "broken JSON: %.150s", error.text);
	return json;
}

/* Absent: 0. */
bool
etcd_layout_number(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out)
{
	const json_t *value = etcd_layout_member(object, name);

	*out = 0;
	if (!value)
		return true;
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= least && *out <= most;
}

char *
etcd_layout_dump(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

	json_decref(json);
	return text;
}

enum status
etcd_layout_type(const char *text, uint16_t *type, char *reason)
{
	if (rrtype_from_text(text, type) != STATUS_OK || rrtype_is_meta(*type))
		return say(reason, STATUS_INVALID, "\"%.20s\" is no type of a record", text);
	return STATUS_OK;
}

enum status
etcd_layout_add_text(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const char *text, size_t length,
		     char *reason)
{
	uint8_t rdata[RDATA_MAX_SIZE];
	char why[PRESENT_REASON_SIZE] = "";
	size_t size;

	if (memchr(text, '\0', length))
		return say(reason, STATUS_INVALID, "a NUL in the value");
	if (present_parse(type, text, length, root_name, rdata, sizeof rdata, &size, why) != STATUS_OK)
		return say(reason, STATUS_INVALID, "%.200s", why);
	return etcd_records_add(records, type, ttl_s, rdata, size);
}

enum status
etcd_layout_add_string(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const json_t *value, char *reason)
{
	if (!json_is_string(value))
		return say(reason, STATUS_INVALID, "a record is no string");
	return etcd_layout_add_text(records, type, ttl_s, json_string_value(value), json_string_length(value), reason);
}

/* Presentation forms of an RRset; NULL: no memory. */
json_t *
etcd_layout_forms(const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;
	json_t *list = json_array();
	char *text = malloc(PRESENT_TEXT_SIZE);
	size_t length;

	for (unsigned i = 0; list && text && i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		if (present_rdata(rrset->type, rdata.bytes, rdata.size, text, PRESENT_TEXT_SIZE, &length) !=
			    STATUS_OK ||
		    json_array_append_new(list, json_stringn(text, length)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	if (!text) {
		json_decref(list);
		list = NULL;
	}
	free(text);
	return list;
}
