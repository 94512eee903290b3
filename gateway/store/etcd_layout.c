#include "store/etcd_layout.h"
#include "base/bytes.h"
#include "wire/present.h"
#include "wire/rdata.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define RECORD_HEAD 8

static const uint8_t root_name[1];

#define say(reason, ...) status_say(reason, ETCD_LAYOUT_REASON_SIZE, __VA_ARGS__)

/* ---- records ---- */

void
etcd_records_free(struct etcd_records *records)
{
	free(records->bytes);
	*records = (struct etcd_records){0};
}

enum status
etcd_records_add(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size)
{
	size_t needed = records->size + RECORD_HEAD + size;
	uint16_t short_size = (uint16_t)size;

	if (size > RDATA_MAX_SIZE)
		return STATUS_INVALID;
	if (needed > records->room) {
		size_t room = records->size ? needed * 2 : needed; /* most names have one */
		uint8_t *bytes = realloc(records->bytes, room);
		if (!bytes)
			return STATUS_NO_MEMORY;
		records->bytes = bytes;
		records->room = room;
	}
	uint8_t *at = records->bytes + records->size;
	memcpy(at, &type, 2);
	memcpy(at + 2, &ttl_s, 4);
	memcpy(at + 6, &short_size, 2);
	if (size)
		memcpy(at + RECORD_HEAD, rdata, size);
	records->size = needed;
	return STATUS_OK;
}

bool
etcd_records_next(const struct etcd_records *records, size_t *at, struct etcd_record *record)
{
	if (*at >= records->size)
		return false;
	const uint8_t *from = records->bytes + *at;
	memcpy(&record->type, from, 2);
	memcpy(&record->ttl_s, from + 2, 4);
	memcpy(&record->size, from + 6, 2);
	record->rdata = from + RECORD_HEAD;
	*at += RECORD_HEAD + record->size;
	return true;
}

/* The smallest type above *type. */
static bool
next_type(const struct etcd_records *records, uint16_t *type)
{
	struct etcd_record record;
	unsigned least = UINT16_MAX + 1u;

	for (size_t at = 0; etcd_records_next(records, &at, &record);)
		if (record.type > *type && record.type < least)
			least = record.type;
	if (least > UINT16_MAX)
		return false;
	*type = (uint16_t)least;
	return true;
}

enum status
etcd_records_rrset(const struct etcd_records *records, uint16_t *type, struct rrset *rrset, uint8_t **packed)
{
	struct etcd_record record;
	struct rrset plain = {.ttl_s = UINT32_MAX};
	uint8_t *bytes, *out;

	if (!next_type(records, type))
		return STATUS_NOT_FOUND;
	bytes = malloc(records->size);
	if (!bytes)
		return STATUS_NO_MEMORY;
	out = bytes;
	plain.type = *type;
	for (size_t at = 0; etcd_records_next(records, &at, &record);) {
		if (record.type != *type || plain.count == UINT16_MAX)
			continue;
		memcpy(out, &record.size, 2);
		if (record.size)
			memcpy(out + 2, record.rdata, record.size);
		out += 2u + record.size;
		plain.count++;
		plain.ttl_s = record.ttl_s < plain.ttl_s ? record.ttl_s : plain.ttl_s;
	}
	plain.packed = bytes;
	plain.packed_size = (uint32_t)(out - bytes);
	if (plain.count == 1) {
		*rrset = plain;
		*packed = bytes;
		return STATUS_OK;
	}
	enum status status = rrset_merge(&plain, NULL, rrset, packed);
	free(bytes);
	return status;
}

enum status
etcd_records_into(struct draft *draft, const uint8_t *owner, const struct etcd_records *records)
{
	uint16_t type = 0;
	struct rrset rrset;
	uint8_t *packed;
	enum status status;

	while ((status = etcd_records_rrset(records, &type, &rrset, &packed)) == STATUS_OK) {
		status = draft_set(draft, owner, &rrset);
		free(packed);
		if (status && status != STATUS_EXISTS)
			return status;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

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

/* ---- JSON ---- */

/* Members as Go finds them: case is ignored. */
static const json_t *
member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	void *at = value ? NULL : json_object_iter((json_t *)(uintptr_t)object);

	for (; !value && at; at = json_object_iter_next((json_t *)(uintptr_t)object, at))
		if (strcasecmp(json_object_iter_key(at), name) == 0)
			value = json_object_iter_value(at);
	return json_is_null(value) ? NULL : value;
}

static json_t *
parse(const char *value, size_t size, char *reason)
{
	json_error_t error;
	json_t *json = json_loadb(value, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!json)
		say(reason, STATUS_INVALID, "broken JSON: %.150s", error.text);
	return json;
}

/* Absent: 0. */
static bool
number_member(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out)
{
	const json_t *value = member(object, name);

	*out = 0;
	if (!value)
		return true;
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= least && *out <= most;
}

/* ---- one record ---- */

static enum status
add_text(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const char *text, size_t length, char *reason)
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

static enum status
add_string(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const json_t *value, char *reason)
{
	if (!json_is_string(value))
		return say(reason, STATUS_INVALID, "a record is no string");
	return add_text(records, type, ttl_s, json_string_value(value), json_string_length(value), reason);
}

static bool
put_name(struct writer *out, const json_t *value)
{
	uint8_t name[NAME_MAX_SIZE];

	if (!json_is_string(value) ||
	    name_from_text(json_string_value(value), json_string_length(value), root_name, name) != STATUS_OK)
		return false;
	writer_bytes(out, name, name_size(name));
	return true;
}

/* ---- zonegate ---- */

static enum status
read_type(const char *text, uint16_t *type, char *reason)
{
	if (rrtype_from_text(text, type) != STATUS_OK || rrtype_is_meta(*type))
		return say(reason, STATUS_INVALID, "\"%.20s\" is no type of a record", text);
	return STATUS_OK;
}

static enum status
read_names_type(const char *name, const json_t *value, struct etcd_records *records, char *reason)
{
	const json_t *ttl = json_object_get(value, "ttl"), *content = json_object_get(value, "content");
	json_int_t ttl_s = json_integer_value(ttl);
	uint16_t type;
	enum status status = read_type(name, &type, reason);

	if (status)
		return status;
	if (!json_is_integer(ttl) || ttl_s < 0 || ttl_s > INT32_MAX)
		return say(reason, STATUS_INVALID, "%.20s: \"ttl\" is missing, no integer or out of range", name);
	if (json_array_size(content) == 0)
		return say(reason, STATUS_INVALID, "%.20s: \"content\" is no list of records", name);
	for (size_t i = 0; i < json_array_size(content) && !status; i++)
		status = add_string(records, type, (uint32_t)ttl_s, json_array_get(content, i), reason);
	return status;
}

enum status
etcd_layout_read_names(const char *value, size_t size, struct etcd_records *records, char *reason)
{
	json_t *json = parse(value, size, reason);
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

/* Presentation forms of an RRset; NULL: no memory. */
static json_t *
forms(const struct rrset *rrset)
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

static char *
dump(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

	json_decref(json);
	return text;
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
		json_t *list = forms(&rrset);
		json_t *one = list ? json_pack("{s:I, s:o}", "ttl", (json_int_t)rrset.ttl_s, "content", list) : NULL;
		if (!one || json_object_set_new(object, rrtype_to_text(rrset.type, type), one) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return dump(object);
}

/* ---- helix ---- */

enum status
etcd_layout_helix_key(const char *path, size_t size, uint8_t *owner, uint16_t *type, char *reason)
{
	const char *slash = memrchr(path, '/', size);
	const char *last = slash ? slash + 1 : path;
	size_t length = size - (size_t)(last - path);
	char text[RRTYPE_TEXT_SIZE];

	if (length == 0 || length >= sizeof text)
		return say(reason, STATUS_INVALID, "the key does not end with the type of a record");
	memcpy(text, last, length);
	text[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (!(text[i] >= 'A' && text[i] <= 'Z') && !(text[i] >= '0' && text[i] <= '9'))
			return say(reason, STATUS_INVALID, "the key does not end with the type of a record");
	if (read_type(text, type, reason) != STATUS_OK)
		return STATUS_INVALID;
	return etcd_layout_name(path, slash ? (size_t)(slash - path) : 0, owner, reason);
}

static enum status
add_srv(struct etcd_records *records, uint32_t ttl_s, const json_t *value, char *reason)
{
	int64_t priority, weight, port;
	uint8_t rdata[6 + NAME_MAX_SIZE];
	struct writer out = writer_over(rdata, sizeof rdata);

	if (!number_member(value, "Priority", 0, 65535, &priority) ||
	    !number_member(value, "Weight", 0, 65535, &weight) || !number_member(value, "Port", 0, 65535, &port))
		return say(reason, STATUS_INVALID, "Priority, Weight and Port are numbers from 0 to 65535");
	writer_u16(&out, (uint16_t)priority);
	writer_u16(&out, (uint16_t)weight);
	writer_u16(&out, (uint16_t)port);
	if (!put_name(&out, member(value, "Target")))
		return say(reason, STATUS_INVALID, "Target is missing or no name");
	return etcd_records_add(records, TYPE_SRV, ttl_s, rdata, writer_size(&out));
}

static enum status
add_soa(struct etcd_records *records, uint32_t ttl_s, const json_t *value, char *reason)
{
	static const char *const numbers[] = {"Serial", "Refresh", "Retry", "Expire", "Minttl"};
	uint8_t rdata[2 * NAME_MAX_SIZE + 20];
	struct writer out = writer_over(rdata, sizeof rdata);
	int64_t number;

	if (!put_name(&out, member(value, "Ns")))
		return say(reason, STATUS_INVALID, "Ns is missing or no name");
	if (!put_name(&out, member(value, "Mbox")))
		return say(reason, STATUS_INVALID, "Mbox is missing or no name");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (!number_member(value, numbers[i], 0, UINT32_MAX, &number))
			return say(reason, STATUS_INVALID, "%s is no number of 32 bits", numbers[i]);
		writer_u32(&out, (uint32_t)number);
	}
	return etcd_records_add(records, TYPE_SOA, ttl_s, rdata, writer_size(&out));
}

static enum status
add_json(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const json_t *value, char *reason)
{
	if (json_is_object(value) && type == TYPE_SRV)
		return add_srv(records, ttl_s, value, reason);
	if (json_is_object(value) && type == TYPE_SOA)
		return add_soa(records, ttl_s, value, reason);
	return add_string(records, type, ttl_s, value, reason);
}

/* Text as it stands: character-strings of 255 octets. */
static enum status
add_plain_text(struct etcd_records *records, uint32_t ttl_s, const char *text, size_t size, char *reason)
{
	uint8_t rdata[RDATA_MAX_SIZE];
	struct writer out = writer_over(rdata, sizeof rdata);

	do {
		size_t part = size < 255 ? size : 255;
		writer_u8(&out, (uint8_t)part);
		writer_bytes(&out, text, part);
		text += part;
		size -= part;
	} while (size);
	if (out.failed)
		return say(reason, STATUS_INVALID, "the text is too long");
	return etcd_records_add(records, TYPE_TXT, ttl_s, rdata, writer_size(&out));
}

static enum status
add_list(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const json_t *json, char *reason)
{
	enum status status = STATUS_OK;

	if (!json_is_array(json))
		return add_json(records, type, ttl_s, json, reason);
	if (json_array_size(json) == 0)
		return say(reason, STATUS_INVALID, "an empty list");
	for (size_t i = 0; i < json_array_size(json) && !status; i++)
		status = add_json(records, type, ttl_s, json_array_get(json, i), reason);
	return status;
}

enum status
etcd_layout_helix_value(uint16_t type, const char *value, size_t size, uint32_t ttl_s, struct etcd_records *records,
			char *reason)
{
	while (size && strchr(" \t\r\n", value[size - 1]) && value[size - 1])
		size--; /* as curl --data-binary @file leaves them */
	if (size == 0)
		return say(reason, STATUS_INVALID, "an empty value");
	if (value[0] != '[' && value[0] != '{') {
		if (type == TYPE_TXT && value[0] != '"')
			return add_plain_text(records, ttl_s, value, size, reason);
		return add_text(records, type, ttl_s, value, size, reason);
	}
	json_t *json = parse(value, size, reason);
	if (!json)
		return STATUS_INVALID;
	size_t before = records->size;
	enum status status = add_list(records, type, ttl_s, json, reason);
	json_decref(json);
	if (!status && rrtype_info(type)->singleton) {
		struct etcd_record record;
		size_t at = before;
		if (etcd_records_next(records, &at, &record) && at < records->size)
			status = say(reason, STATUS_INVALID, "there is one %s at a name", rrtype_info(type)->mnemonic);
	}
	if (status)
		records->size = before;
	return status;
}

static json_t *
srv_object(struct rdata rdata)
{
	char target[NAME_TEXT_SIZE];
	const uint8_t *at = rdata.bytes;

	return json_pack("{s:i, s:i, s:i, s:s}", "Priority", bytes_get_u16(at), "Weight", bytes_get_u16(at + 2), "Port",
			 bytes_get_u16(at + 4), "Target", name_to_text(at + 6, target));
}

static json_t *
soa_object(struct rdata rdata)
{
	char ns[NAME_TEXT_SIZE], mbox[NAME_TEXT_SIZE];
	const uint8_t *mname = rdata.bytes, *rname = mname + name_size(mname), *at = rname + name_size(rname);

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "Ns", name_to_text(mname, ns), "Mbox",
			 name_to_text(rname, mbox), "Serial", (json_int_t)bytes_get_u32(at), "Refresh",
			 (json_int_t)bytes_get_u32(at + 4), "Retry", (json_int_t)bytes_get_u32(at + 8), "Expire",
			 (json_int_t)bytes_get_u32(at + 12), "Minttl", (json_int_t)bytes_get_u32(at + 16));
}

char *
etcd_layout_write_helix(const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;
	bool bare = rrset->type == TYPE_A || rrset->type == TYPE_AAAA || rrset->type == TYPE_CNAME ||
		    rrset->type == TYPE_PTR;

	if (rrset->type == TYPE_SOA)
		return dump(soa_object(rrset_first(rrset)));
	if (rrset->type == TYPE_SRV) {
		json_t *list = json_array();
		for (unsigned i = 0; list && i < rrset->count; i++)
			if (json_array_append_new(list, srv_object(rrset_next(&at))) != 0) {
				json_decref(list);
				list = NULL;
			}
		return dump(list);
	}
	json_t *list = forms(rrset);
	if (!list || !bare || rrset->count != 1)
		return dump(list);
	char *text = strdup(json_string_value(json_array_get(list, 0)));
	json_decref(list);
	return text;
}

/* ---- skydns ---- */

/* A string member, copied; false: it is there and no string, or no memory. */
static bool
text_member(const json_t *object, const char *name, char **out, size_t *size)
{
	const json_t *value = member(object, name);

	*out = NULL;
	if (!value)
		return true;
	if (!json_is_string(value))
		return false;
	*size = json_string_length(value);
	if (*size == 0)
		return true;
	*out = strdup(json_string_value(value));
	return *out != NULL;
}

/* Go's ParseIP: a mapped address is an IPv4 one. */
static enum etcd_host
read_address(const char *text, uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET, text, address) == 1)
		return ETCD_HOST_A;
	if (inet_pton(AF_INET6, text, address) != 1)
		return ETCD_HOST_NAME;
	if (memcmp(address, mapped, sizeof mapped) != 0)
		return ETCD_HOST_AAAA;
	memmove(address, address + 12, 4);
	return ETCD_HOST_A;
}

/* Digits and dots only, or a colon: meant to be an address. */
static bool
looks_like_address(const char *text)
{
	return strchr(text, ':') || strspn(text, "0123456789.") == strlen(text);
}

static enum status
read_host(const json_t *json, struct etcd_service *service, char *reason)
{
	char *host;
	size_t size = 0;
	enum status status = STATUS_OK;

	if (!text_member(json, "host", &host, &size))
		return say(reason, STATUS_INVALID, "host is no string");
	if (!host)
		return STATUS_OK;
	service->kind = read_address(host, service->address);
	if (service->kind == ETCD_HOST_NAME && looks_like_address(host))
		status = say(reason, STATUS_INVALID, "host \"%.60s\" is no address", host);
	else if (service->kind == ETCD_HOST_NAME && name_from_text(host, size, root_name, service->host) != STATUS_OK)
		status = say(reason, STATUS_INVALID, "host is neither an address nor a name");
	free(host);
	return status;
}

static enum status
read_service(const json_t *json, struct etcd_service *service, char *reason)
{
	int64_t port, priority, weight, ttl_s, strip;
	size_t group_size;
	const json_t *mail = member(json, "mail");

	if (!json_is_object(json))
		return say(reason, STATUS_INVALID, "no JSON object");
	if (!number_member(json, "port", -1, 65535, &port) || !number_member(json, "priority", 0, 65535, &priority) ||
	    !number_member(json, "weight", 0, 65535, &weight) || !number_member(json, "ttl", 0, INT32_MAX, &ttl_s) ||
	    !number_member(json, "targetstrip", 0, NAME_MAX_LABELS, &strip))
		return say(reason, STATUS_INVALID,
			   "port, priority, weight, ttl or targetstrip is no number or out of range");
	if (mail && !json_is_boolean(mail))
		return say(reason, STATUS_INVALID, "mail is neither true nor false");
	service->port = (int)port;
	service->priority = (int)priority;
	service->weight = (int)weight;
	service->ttl_s = (uint32_t)ttl_s;
	service->target_strip = (unsigned)strip;
	service->mail = json_is_true(mail);
	if (!text_member(json, "text", &service->text, &service->text_size) ||
	    !text_member(json, "group", &service->group, &group_size))
		return say(reason, STATUS_INVALID, "text or group is no string");
	enum status status = read_host(json, service, reason);
	if (!status && service->kind == ETCD_HOST_NONE && !service->text)
		status = say(reason, STATUS_INVALID, "neither host nor text");
	return status;
}

enum status
etcd_layout_read_service(const char *value, size_t size, struct etcd_service *service, char *reason)
{
	json_t *json = parse(value, size, reason);

	*service = (struct etcd_service){0};
	if (!json)
		return STATUS_INVALID;
	enum status status = read_service(json, service, reason);
	json_decref(json);
	if (status)
		etcd_layout_free_service(service);
	return status;
}

void
etcd_layout_free_service(struct etcd_service *service)
{
	free(service->text);
	free(service->group);
	service->text = service->group = NULL;
}

/* Character-strings as one text, as CoreDNS splits it again; false where that would not give the same. */
static bool
join_text(const uint8_t *rdata, size_t size, char *out)
{
	size_t used = 0;

	for (size_t at = 0; at < size; at += 1u + rdata[at]) {
		if (rdata[at] != 255 && at + 1u + rdata[at] != size)
			return false;
		memcpy(out + used, rdata + at + 1, rdata[at]);
		used += rdata[at];
	}
	out[used] = '\0';
	return used > 0 && !memchr(out, '\0', used);
}

static json_t *
text_object(const uint8_t *rdata, size_t size, char *reason)
{
	char *text = malloc(size + 1);
	json_t *object = NULL;

	if (text && join_text(rdata, size, text))
		object = json_pack("{s:s}", "text", text); /* NULL: no UTF-8 */
	if (!object)
		say(reason, STATUS_UNSUPPORTED, "skydns holds one text of UTF-8, split at 255 octets");
	free(text);
	return object;
}

/* A host member as CoreDNS reads it: no final dot. */
static json_t *
host_object(const uint8_t *name)
{
	char text[NAME_TEXT_SIZE];
	size_t length = strlen(name_to_text(name, text));

	if (length > 1)
		text[length - 1] = '\0';
	return json_pack("{s:s}", "host", text);
}

static json_t *
srv_service(const uint8_t *rdata)
{
	json_t *object = host_object(rdata + 6);

	if (object && (json_object_set_new(object, "priority", json_integer(bytes_get_u16(rdata))) ||
	               json_object_set_new(object, "weight", json_integer(bytes_get_u16(rdata + 2))) ||
	               json_object_set_new(object, "port", json_integer(bytes_get_u16(rdata + 4))))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *
mx_service(const uint8_t *rdata)
{
	json_t *object = host_object(rdata + 2);

	if (object && (json_object_set_new(object, "mail", json_true()) ||
	               json_object_set_new(object, "priority", json_integer(bytes_get_u16(rdata))))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* A name of digits, a mapped address: the kind of a host is what it looks like. */
static bool
reads_as(const char *text, uint16_t type)
{
	char unused[ETCD_LAYOUT_REASON_SIZE];
	struct etcd_service service;
	enum etcd_host wanted = type == TYPE_A      ? ETCD_HOST_A
				: type == TYPE_AAAA ? ETCD_HOST_AAAA
				: type == TYPE_TXT  ? ETCD_HOST_NONE
						    : ETCD_HOST_NAME;

	if (etcd_layout_read_service(text, strlen(text), &service, unused) != STATUS_OK)
		return false;
	bool same = service.kind == wanted;
	etcd_layout_free_service(&service);
	return same;
}

enum status
etcd_layout_write_service(uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size, char **text, char *reason)
{
	char address[INET6_ADDRSTRLEN], name[RRTYPE_TEXT_SIZE];
	json_t *object = NULL;

	say(reason, STATUS_NO_MEMORY, "no memory");
	switch (type) {
	case TYPE_A:
	case TYPE_AAAA:
		inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, rdata, address, sizeof address);
		object = json_pack("{s:s}", "host", address);
		break;
	case TYPE_CNAME:
	case TYPE_NS:
	case TYPE_PTR:
		object = host_object(rdata);
		break;
	case TYPE_SRV:
		if (bytes_get_u16(rdata + 4) == 0 || bytes_get_u16(rdata) == 0)
			return say(reason, STATUS_UNSUPPORTED, "skydns has no SRV of port or priority 0");
		object = srv_service(rdata);
		break;
	case TYPE_MX:
		if (bytes_get_u16(rdata) == 0)
			return say(reason, STATUS_UNSUPPORTED, "skydns has no MX of preference 0");
		object = mx_service(rdata);
		break;
	case TYPE_TXT:
		object = text_object(rdata, size, reason);
		if (!object)
			return STATUS_UNSUPPORTED;
		break;
	default:
		return say(reason, STATUS_UNSUPPORTED, "skydns cannot express a record of type %s",
			   rrtype_to_text(type, name));
	}
	if (object && json_object_set_new(object, "ttl", json_integer(ttl_s)) != 0) {
		json_decref(object);
		object = NULL;
	}
	*text = dump(object);
	if (!*text)
		return STATUS_NO_MEMORY;
	if (reads_as(*text, type))
		return STATUS_OK;
	free(*text);
	return say(reason, STATUS_UNSUPPORTED,
		   "skydns cannot tell the name from an address, or the address from one of IPv4");
}
