/* Keys and values of layout helix. */
#include "store/etcd_layout.h"
#include "store/etcd_layout_json.h"
#include "wire/rdata.h"

static const uint8_t root_name[1];

#define say(reason, ...) status_say(reason, ETCD_LAYOUT_REASON_SIZE, __VA_ARGS__)

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
	if (etcd_layout_type(text, type, reason) != STATUS_OK)
		return STATUS_INVALID;
	return etcd_layout_name(path, slash ? (size_t)(slash - path) : 0, owner, reason);
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

static enum status
add_srv(struct etcd_records *records, uint32_t ttl_s, const json_t *value, char *reason)
{
	int64_t priority, weight, port;
	uint8_t rdata[6 + NAME_MAX_SIZE];
	struct writer out = writer_over(rdata, sizeof rdata);

	if (!etcd_layout_number(value, "Priority", 0, 65535, &priority) ||
	    !etcd_layout_number(value, "Weight", 0, 65535, &weight) ||
	    !etcd_layout_number(value, "Port", 0, 65535, &port))
		return say(reason, STATUS_INVALID, "Priority, Weight and Port are numbers from 0 to 65535");
	writer_u16(&out, (uint16_t)priority);
	writer_u16(&out, (uint16_t)weight);
	writer_u16(&out, (uint16_t)port);
	if (!put_name(&out, etcd_layout_member(value, "Target")))
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

	if (!put_name(&out, etcd_layout_member(value, "Ns")))
		return say(reason, STATUS_INVALID, "Ns is missing or no name");
	if (!put_name(&out, etcd_layout_member(value, "Mbox")))
		return say(reason, STATUS_INVALID, "Mbox is missing or no name");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (!etcd_layout_number(value, numbers[i], 0, UINT32_MAX, &number))
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
	return etcd_layout_add_string(records, type, ttl_s, value, reason);
}

static enum status
add_plain_text(struct etcd_records *records, uint32_t ttl_s, const char *text, size_t size, char *reason)
{
	enum status status = etcd_records_add_text(records, ttl_s, text, size);

	return status == STATUS_INVALID ? say(reason, status, "the text is too long") : status;
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
		return etcd_layout_add_text(records, type, ttl_s, value, size, reason);
	}
	json_t *json = etcd_layout_parse(value, size, reason);
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
		return etcd_layout_dump(soa_object(rrset_first(rrset)));
	if (rrset->type == TYPE_SRV) {
		json_t *list = json_array();
		for (unsigned i = 0; list && i < rrset->count; i++)
			if (json_array_append_new(list, srv_object(rrset_next(&at))) != 0) {
				json_decref(list);
				list = NULL;
			}
		return etcd_layout_dump(list);
	}
	json_t *list = etcd_layout_forms(rrset);
	if (!list || !bare || rrset->count != 1)
		return etcd_layout_dump(list);
	char *text = strdup(json_string_value(json_array_get(list, 0)));
	json_decref(list);
	return text;
}
