#include "store/etcd_layout.h"
#include "store/etcd_layout_json.h"
#include <stdio.h>

#define say(reason, ...) status_say(reason, ETCD_LAYOUT_REASON_SIZE, __VA_ARGS__)

/* ---- names in keys ---- */

static bool
is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '*';
}

static char *
write_label(const uint8_t *label, char *out)
{
	for (unsigned i = 1; i <= label[0]; i++) {
		if (is_plain(label[i]))
			*out++ = (char)label[i];
		else
			out += snprintf(out, 5, "\\%03u", label[i]);
	}
	return out;
}

void
etcd_layout_path(const uint8_t *name, char *out)
{
	const uint8_t *labels[NAME_MAX_LABELS];
	unsigned count = 0;

	for (const uint8_t *at = name; *at; at += 1 + *at)
		labels[count++] = at;
	while (count) {
		out = write_label(labels[--count], out);
		if (count)
			*out++ = '/';
	}
	*out = '\0';
}

/* One part of a path as a label; false: it is none. */
static bool
read_label(const char *text, size_t size, uint8_t *label)
{
	unsigned length = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned c = (uint8_t)text[i];
		if (c == '\\' && i + 3 < size + 0 && text[i + 1] >= '0' && text[i + 1] <= '9') {
			if (text[i + 2] < '0' || text[i + 2] > '9' || text[i + 3] < '0' || text[i + 3] > '9')
				return false;
			c = (unsigned)((text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 + text[i + 3] - '0');
			i += 3;
		} else if (c == '\\') {
			if (++i == size)
				return false;
			c = (uint8_t)text[i];
		}
		if (c > 255 || length == 63)
			return false;
		label[++length] = (uint8_t)c;
	}
	label[0] = (uint8_t)length;
	return length > 0;
}

enum status
etcd_layout_name(const char *path, size_t size, uint8_t *name, char *reason)
{
	uint8_t reversed[NAME_MAX_SIZE], label[64];
	size_t left = NAME_MAX_SIZE - 1; /* written from the end: the root's octet is last */

	reversed[NAME_MAX_SIZE - 1] = 0;
	for (size_t at = 0; at < size;) {
		const char *slash = memchr(path + at, '/', size - at);
		size_t length = slash ? (size_t)(slash - path) - at : size - at;
		if (!read_label(path + at, length, label))
			return say(reason, STATUS_INVALID, "part of the key is no label of a name");
		if (left < 1u + label[0])
			return say(reason, STATUS_INVALID, "the key is too deep: over 255 octets as a name");
		left -= 1u + label[0];
		memcpy(reversed + left, label, 1u + label[0]);
		at += length + 1;
	}
	if (size && path[size - 1] == '/')
		return say(reason, STATUS_INVALID, "the key ends with a slash");
	name_lower(reversed + left, name);
	return STATUS_OK;
}

void
etcd_layout_zone(const uint8_t *name, char *out)
{
	char text[NAME_TEXT_SIZE];

	for (const char *at = name_to_text(name, text); *at; at++) {
		if (*at == '/') {
			memcpy(out, "\\047", 4);
			out += 4;
		} else {
			*out++ = *at;
		}
	}
	*out = '\0';
}

/* ---- values of layout zonegate ---- */

static enum status
read_names_type(const char *name, const json_t *value, struct etcd_records *records, char *reason)
{
	const json_t *ttl = json_object_get(value, "ttl"), *content = json_object_get(value, "content");
	json_int_t ttl_s = json_integer_value(ttl);
	uint16_t type;
	enum status status = etcd_layout_type(name, &type, reason);

	if (status)
		return status;
	if (!json_is_integer(ttl) || ttl_s < 0 || ttl_s > INT32_MAX)
		return say(reason, STATUS_INVALID, "%.20s: \"ttl\" is missing, no integer or out of range", name);
	if (json_array_size(content) == 0)
		return say(reason, STATUS_INVALID, "%.20s: \"content\" is no list of records", name);
	for (size_t i = 0; i < json_array_size(content) && !status; i++)
		status = etcd_layout_add_string(records, type, (uint32_t)ttl_s, json_array_get(content, i), reason);
	return status;
}

enum status
etcd_layout_read_names(const char *value, size_t size, struct etcd_records *records, char *reason)
{
	json_t *json = etcd_layout_parse(value, size, reason);
	enum status status = STATUS_OK;

	if (!json)
		return STATUS_INVALID;
	if (!json_is_object(json))
		status = say(reason, STATUS_INVALID, "no JSON object");
	for (void *at = json_object_iter(json); at && !status; at = json_object_iter_next(json, at))
		status = read_names_type(json_object_iter_key(at), json_object_iter_value(at), records, reason);
	json_decref(json);
	return status;
}

char *
etcd_layout_write_names(const struct node *node)
{
	const uint8_t *at = NULL;
	char type[RRTYPE_TEXT_SIZE];
	struct rrset rrset;

	if (!node || node->rrset_count == 0)
		return strdup("");
	json_t *object = json_object();
	while (object && node_next(node, &at, &rrset)) {
		json_t *list = etcd_layout_forms(&rrset);
		json_t *one = list ? json_pack("{s:I, s:o}", "ttl", (json_int_t)rrset.ttl_s, "content", list) : NULL;
		if (!one || json_object_set_new(object, rrtype_to_text(rrset.type, type), one) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return etcd_layout_dump(object);
}
