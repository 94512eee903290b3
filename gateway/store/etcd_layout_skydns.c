/* Values of layout skydns: services as CoreDNS reads them. */
#include "store/etcd_layout.h"
#include "store/etcd_layout_json.h"
#include <arpa/inet.h>
#include <stdlib.h>

static const uint8_t root_name[1];

#define say(reason, ...) status_say(reason, ETCD_LAYOUT_REASON_SIZE, __VA_ARGS__)

/* A string member, copied; false: it is there and no string, or no memory. */
static bool
text_member(const json_t *object, const char *name, char **out, size_t *size)
{
	const json_t *value = etcd_layout_member(object, name);

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
	const json_t *mail = etcd_layout_member(json, "mail");

	if (!json_is_object(json))
		return say(reason, STATUS_INVALID, "no JSON object");
	if (!etcd_layout_number(json, "port", -1, 65535, &port) ||
	    !etcd_layout_number(json, "priority", 0, 65535, &priority) ||
	    !etcd_layout_number(json, "weight", 0, 65535, &weight) ||
	    !etcd_layout_number(json, "ttl", 0, INT32_MAX, &ttl_s) ||
	    !etcd_layout_number(json, "targetstrip", 0, NAME_MAX_LABELS, &strip))
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
	json_t *json = etcd_layout_parse(value, size, reason);

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
	*text = etcd_layout_dump(object);
	if (!*text)
		return STATUS_NO_MEMORY;
	if (reads_as(*text, type))
		return STATUS_OK;
	free(*text);
	return say(reason, STATUS_UNSUPPORTED,
		   "skydns cannot tell the name from an address, or the address from one of IPv4");
}
