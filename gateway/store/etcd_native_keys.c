/* Keys, meta and anchors of layout zonegate. */
#include "store/etcd_native.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <stdio.h>

/* ---- keys ---- */


void
etcd_native_key(const struct etcd_zone *at, const char *rest, char *out)
{
	snprintf(out, ETCD_KEY_SIZE, "%.1024s/zones/%s/%s", at->etcd->settings.prefix, at->text, rest);
}

void
etcd_native_name_key(const struct etcd_zone *at, const uint8_t *owner, char *out)
{
	char path[ETCD_PATH_SIZE + 8] = "names/";

	etcd_layout_path(owner, path + 6);
	etcd_native_key(at, path, out);
}

void
etcd_native_put_key(struct etcd_text *out, const struct etcd_zone *at, const char *rest)
{
	char key[ETCD_KEY_SIZE];

	etcd_native_key(at, rest, key);
	etcd_text_key(out, key);
}

void
etcd_native_put_unique(struct etcd_text *out, const struct etcd_zone *at, const char *unique)
{
	char rest[64];

	snprintf(rest, sizeof rest, "log/%.40s", unique);
	etcd_native_put_key(out, at, rest);
}

/* What follows "zones/ZONE/" in a key. */
const char *
etcd_native_rest(const struct etcd_zone *at, const char *key)
{
	return key + strlen(at->etcd->settings.prefix) + sizeof "/zones/" - 1 + strlen(at->text) + 1;
}

/* ---- meta and anchors ---- */

bool
etcd_native_read_meta(const struct etcd_kv *kv, struct etcd_meta *meta)
{
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const char *until = json_string_value(json_object_get(json, "until"));

	*meta = (struct etcd_meta){
		.serial = (uint32_t)etcd_client_number(json, "serial"),
		.version = etcd_client_number(json, "version"),
		.frozen = json_is_true(json_object_get(json, "frozen")),
		.removed = json_is_true(json_object_get(json, "removed")),
		.until_us = until ? clock_from_text(until) : 0,
	};
	bool read = json != NULL;
	json_decref(json);
	return read;
}

void
etcd_native_put_meta(struct etcd_text *out, const struct etcd_zone *at, const struct etcd_meta *meta)
{
	char value[200], until[CLOCK_TEXT_SIZE] = "", member[64] = "";

	if (meta->until_us) {
		clock_to_text(meta->until_us, until);
		snprintf(member, sizeof member, ",\"until\":\"%s\"", until);
	}
	int size = snprintf(value, sizeof value, "{\"serial\":%u,\"version\":%llu,\"frozen\":%s%s%s}", meta->serial,
			    (unsigned long long)meta->version, meta->frozen ? "true" : "false", member,
			    meta->removed ? ",\"removed\":true" : "");
	ETCD_TEXT(out, "{\"request_put\":{");
	etcd_native_put_key(out, at, "meta");
	ETCD_TEXT(out, ",");
	etcd_text_base64(out, "value", value, (size_t)size);
	ETCD_TEXT(out, "}}");
}

bool
etcd_native_read_anchor(const struct etcd_kv *kv, struct etcd_place *place)
{
	json_t *json = json_loadb(kv->value, kv->value_size, 0, NULL);
	const json_t *id = json_object_get(json, "id");

	place->version = etcd_client_number(json, "version");
	place->serial = (uint32_t)etcd_client_number(json, "serial");
	place->revision = etcd_client_number(json, "revision");
	bool read = json_string_length(id) == 2 * VERSION_ID_SIZE &&
		    bytes_from_hex(json_string_value(id), 2 * VERSION_ID_SIZE, place->id);
	json_decref(json);
	return read;
}

static void
on_anchor(void *context, const struct etcd_answer *answer)
{
	struct etcd_zone *at = context;

	(void)answer;
	if (etcd_came_back(at))
		at->anchoring = false;
}

/* All gateways write the same under the same key, so it does not matter who does. */
void
etcd_native_anchor(struct etcd_zone *at)
{
	struct etcd_text body = {0};
	char rest[64], value[200], id[2 * VERSION_ID_SIZE + 1];
	const struct etcd_place *place = &at->place;

	bytes_to_hex(place->id, VERSION_ID_SIZE, id);
	snprintf(rest, sizeof rest, "anchors/%020llu", (unsigned long long)place->version);
	int size = snprintf(value, sizeof value, "{\"version\":%llu,\"serial\":%u,\"id\":\"%s\",\"revision\":%llu}",
	                    (unsigned long long)place->version, place->serial, id, (unsigned long long)place->revision);
	ETCD_TEXT(&body, "{");
	etcd_native_put_key(&body, at, rest);
	ETCD_TEXT(&body, ",");
	etcd_text_base64(&body, "value", value, (size_t)size);
	etcd_text_printf(&body, ",\"lease\":\"%llu\"}", (unsigned long long)at->etcd->lease);
	if (etcd_client_post(at->etcd->client, "/v3/kv/put", &body, ETCD_REQUEST_MS, on_anchor, at) == STATUS_OK) {
		at->calls++;
		at->anchoring = true;
		at->anchor_version = place->version;
		at->anchor_ms = clock_monotonic_ms();
	}
	etcd_text_free(&body);
}
