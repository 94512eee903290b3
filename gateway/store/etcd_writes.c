/* What a change writes into the keys of helix and skydns. */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hash.h"
#include "base/rcu.h"
#include <stdio.h>
#include <stdlib.h>

void
etcd_foreign_prefix(const struct etcd_zone *at, char *out)
{
	char path[ETCD_PATH_SIZE];

	etcd_layout_path(at->name, path);
	snprintf(out, ETCD_FOREIGN_KEY_SIZE, "%.1024s/%s%s", at->etcd->settings.prefix, path, path[0] ? "/" : "");
}

void
etcd_foreign_note_key(const struct etcd_zone *at, const char *kind, char *out)
{
	snprintf(out, ETCD_FOREIGN_KEY_SIZE, "%.1024s.%s/%s", at->etcd->settings.prefix, kind, at->text);
}

void
etcd_foreign_key(const struct etcd_zone *at, const uint8_t *owner, const char *below, char *out)
{
	char path[ETCD_PATH_SIZE];

	etcd_layout_path(owner, path);
	snprintf(out, ETCD_FOREIGN_KEY_SIZE, "%.1024s/%s%s", at->etcd->settings.prefix, path, below);
}

void
etcd_foreign_free_writes(struct etcd_writes *writes)
{
	for (size_t i = 0; i < writes->count; i++) {
		free(writes->items[i].key);
		free(writes->items[i].value);
	}
	free(writes->items);
	free(writes->slots);
	free(writes->text);
	*writes = (struct etcd_writes){0};
}

/* The slot of a key; it is empty (0) where the key is new. */
static uint32_t *
find_slot(const struct etcd_writes *writes, const char *key)
{
	size_t i = hash_bytes(key, strlen(key)) & (writes->slot_count - 1);

	while (writes->slots[i] && strcmp(writes->items[writes->slots[i] - 1].key, key) != 0)
		i = (i + 1) & (writes->slot_count - 1);
	return &writes->slots[i];
}

static bool
grow_writes(struct etcd_writes *writes)
{
	size_t room = writes->room ? writes->room * 2 : 8;
	struct etcd_write *items = realloc(writes->items, room * sizeof *items);
	uint32_t *slots = calloc(2 * room, sizeof *slots);

	if (items)
		writes->items = items;
	if (!items || !slots) {
		free(slots);
		return false;
	}
	free(writes->slots);
	writes->slots = slots;
	writes->slot_count = 2 * room;
	writes->room = room;
	for (size_t i = 0; i < writes->count; i++)
		*find_slot(writes, writes->items[i].key) = (uint32_t)i + 1;
	return true;
}

/* The last word on a key counts. value NULL: deleted; given. */
static enum status
add_write(struct etcd_item *item, struct etcd_writes *writes, const char *key, char *value)
{
	if (writes->count == writes->room && !grow_writes(writes)) {
		free(value);
		return STATUS_NO_MEMORY;
	}
	uint32_t *slot = find_slot(writes, key);
	if (!*slot) {
		const struct etcd_entry *entry = etcd_mirror_entry(item->at->mirror, key);
		struct etcd_write *write = &writes->items[writes->count];
		*write = (struct etcd_write){.key = strdup(key), .revision = entry ? entry->revision : 0};
		if (!write->key) {
			free(value);
			return STATUS_NO_MEMORY;
		}
		*slot = (uint32_t)++writes->count;
	}
	struct etcd_write *write = &writes->items[*slot - 1];
	free(write->value);
	write->value = value;
	return STATUS_OK;
}

static enum status
write_helix_rrset(struct etcd_item *item, struct etcd_writes *writes, const struct zone_version *version,
		  const uint8_t *owner, uint16_t type)
{
	char key[ETCD_FOREIGN_KEY_SIZE], type_text[RRTYPE_TEXT_SIZE + 1] = "/";
	struct rrset rrset;
	const struct etcd_owner *known = etcd_mirror_owner(item->at->mirror, owner);
	enum status status = STATUS_OK;

	rrtype_to_text(type, type_text + 1);
	etcd_foreign_key(item->at, owner, type_text, key);
	for (size_t i = 0; known && i < known->entry_count && !status; i++)
		if (known->entries[i]->type == type)
			status = add_write(item, writes, known->entries[i]->key, NULL);
	if (status || !version_rrset(version, owner, type, &rrset))
		return status;
	char *value = etcd_layout_write_helix(&rrset);
	return value ? add_write(item, writes, key, value) : STATUS_NO_MEMORY;
}

static enum status
apply_op(struct draft *draft, const struct change_op *op)
{
	struct rdata rdata = op->rrset.count ? rrset_first(&op->rrset) : (struct rdata){0};

	if (op->kind == CHANGE_SET)
		return draft_set(draft, op->owner, &op->rrset);
	if (op->kind == CHANGE_ADD)
		return draft_add(draft, op->owner, op->rrset.type, op->rrset.ttl_s, rdata.bytes, rdata.size);
	if (op->rrset.count)
		return draft_delete(draft, op->owner, op->rrset.type, rdata.bytes, rdata.size);
	return draft_delete_rrset(draft, op->owner, op->rrset.type);
}

static enum status
helix_writes(struct etcd_item *item, struct etcd_writes *writes)
{
	const struct change *change = item->append.change;
	struct draft draft;

	rcu_thread_online();
	enum status status =
		draft_begin(&draft, atomic_load_explicit(&item->zone->current, memory_order_acquire), item->zone->name);
	if (!status) {
		for (size_t i = 0; i < change->op_count && status != STATUS_NO_MEMORY; i++)
			status = apply_op(&draft, &change->ops[i]);
		status = status == STATUS_NO_MEMORY ? status : STATUS_OK;
		for (size_t i = 0; i < change->op_count && !status; i++)
			status = write_helix_rrset(item, writes, draft.version, change->ops[i].owner,
						   change->ops[i].rrset.type);
		draft_drop(&draft);
	}
	rcu_thread_offline();
	return status;
}

/* Does the key make this record at its own name or the one above it? */
static bool
makes(const struct etcd_entry *entry, const uint8_t *owner, uint16_t type, const struct rdata *rdata)
{
	const struct etcd_service *service = &entry->service;
	const uint8_t *name = entry->owner->name;
	uint8_t servers[NAME_MAX_SIZE];

	if (type == TYPE_NS)
		return !entry->bad && etcd_skydns_servers(owner, servers) && name_is_within(name, servers) &&
		       (!rdata || name_equal(rdata->bytes, service->kind == ETCD_HOST_NAME ? service->host : name));

	if (entry->bad || (!name_equal(name, owner) && (!*name || !name_equal(name + 1 + *name, owner))))
		return false;
	switch (type) {
	case TYPE_A:
		return service->kind == ETCD_HOST_A && (!rdata || memcmp(rdata->bytes, service->address, 4) == 0);
	case TYPE_AAAA:
		return service->kind == ETCD_HOST_AAAA && (!rdata || memcmp(rdata->bytes, service->address, 16) == 0);
	case TYPE_CNAME:
	case TYPE_PTR:
		return service->kind == ETCD_HOST_NAME && service->port == 0 && !service->mail &&
		       (!rdata || name_equal(rdata->bytes, service->host));
	case TYPE_MX:
		return service->mail &&
		       (!rdata || service->kind != ETCD_HOST_NAME || name_equal(rdata->bytes + 2, service->host));
	case TYPE_SRV:
		return service->kind == ETCD_HOST_NAME && service->port != 0 &&
		       (!rdata || (bytes_get_u16(rdata->bytes + 4) == service->port &&
				   name_equal(rdata->bytes + 6, service->host)));
	case TYPE_TXT:
		return service->text && service->kind == ETCD_HOST_NONE &&
		       (!rdata || (rdata->size == service->text_size + (service->text_size + 254) / 255 &&
				   memcmp(rdata->bytes + 1, service->text,
					  service->text_size < 255 ? service->text_size : 255) == 0));
	default:
		return false;
	}
}

/* Keys of the records that go; those that only follow from others (a SRV of an address) go with them. */
static enum status
skydns_delete(struct etcd_item *item, struct etcd_writes *writes, const uint8_t *owner, uint16_t type,
	      const struct rdata *rdata, char *reason)
{
	struct etcd_owner *known = etcd_mirror_owner(item->at->mirror, owner);
	char text[NAME_TEXT_SIZE], type_text[RRTYPE_TEXT_SIZE];
	enum status status = STATUS_OK;
	bool any = false;

	for (size_t i = 0; known && i < known->entry_count && !status; i++)
		if (makes(known->entries[i], owner, type, rdata)) {
			any = true;
			status = add_write(item, writes, known->entries[i]->key, NULL);
		}
	if (any || status || type == TYPE_SRV || type == TYPE_TXT)
		return status;
	snprintf(reason, STORE_REASON_SIZE,
		 "%.150s %s comes from keys of names below it, or cannot be deleted in skydns",
		 name_to_text(owner, text), rrtype_to_text(type, type_text));
	return STATUS_REFUSED;
}

/* One that is the name itself is hidden by keys below it: it moves there. */
static enum status
move_own(struct etcd_item *item, struct etcd_writes *writes, const char *key)
{
	struct etcd_entry *own = etcd_mirror_entry(item->at->mirror, key);
	uint8_t sum[DIGEST_SHA256_SIZE];
	char child[ETCD_FOREIGN_KEY_SIZE + 16], id[9];

	if (!own || own->bad)
		return STATUS_OK;
	if (*find_slot(writes, key))
		return STATUS_OK; /* it goes, or is written anew */
	digest_sha256(own->value, own->value_size, sum);
	bytes_to_hex(sum, 4, id);
	snprintf(child, sizeof child, "%s/x%s", key, id);
	char *value = strdup(own->value);
	if (!value)
		return STATUS_NO_MEMORY;
	enum status status = add_write(item, writes, child, value);
	return status ? status : add_write(item, writes, key, NULL);
}

static enum status
skydns_add(struct etcd_item *item, struct etcd_writes *writes, const uint8_t *owner, const struct rrset *rrset,
	   struct rdata rdata, char *reason)
{
	char key[ETCD_FOREIGN_KEY_SIZE], child[ETCD_FOREIGN_KEY_SIZE + 16], id[9], *value;
	uint8_t sum[DIGEST_SHA256_SIZE], both[2 + RDATA_MAX_SIZE], servers[NAME_MAX_SIZE];
	enum status status =
		etcd_layout_write_service(rrset->type, rrset->ttl_s, rdata.bytes, rdata.size, &value, reason);

	if (status)
		return status;
	etcd_foreign_key(item->at, rrset->type == TYPE_NS && etcd_skydns_servers(owner, servers) ? servers : owner,
			 "", key);
	if (rrset->type == TYPE_CNAME || rrset->type == TYPE_PTR) /* looked up by the exact key */
		return add_write(item, writes, key, value);
	memcpy(both, &rrset->type, 2);
	memcpy(both + 2, rdata.bytes, rdata.size);
	digest_sha256(both, 2u + rdata.size, sum);
	bytes_to_hex(sum, 4, id);
	snprintf(child, sizeof child, "%s/x%s", key, id);
	status = add_write(item, writes, child, value);
	return status || rrset->type == TYPE_NS ? status : move_own(item, writes, key);
}

static enum status
skydns_writes(struct etcd_item *item, struct etcd_writes *writes, char *reason)
{
	const struct change *change = item->append.change;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < change->op_count && !status; i++) {
		const struct change_op *op = &change->ops[i];
		const uint8_t *at = op->rrset.packed;
		if (op->rrset.type == TYPE_SOA ||
		    (op->rrset.type == TYPE_NS && name_equal(op->owner, item->at->name))) {
			snprintf(reason, STORE_REASON_SIZE,
				 "skydns takes the zone's SOA and NS from the configuration");
			return STATUS_REFUSED;
		}
		if (op->kind == CHANGE_DEL && op->rrset.count) {
			struct rdata rdata = rrset_first(&op->rrset);
			status = skydns_delete(item, writes, op->owner, op->rrset.type, &rdata, reason);
			continue;
		}
		if (op->kind == CHANGE_DEL)
			status = skydns_delete(item, writes, op->owner, op->rrset.type, NULL, reason);
		else if (op->kind == CHANGE_SET) {
			char unused[STORE_REASON_SIZE];
			(void)!skydns_delete(item, writes, op->owner, op->rrset.type, NULL, unused);
		}
		for (unsigned k = 0; k < op->rrset.count && !status; k++)
			status = skydns_add(item, writes, op->owner, &op->rrset, rrset_next(&at), reason);
	}
	return status == STATUS_UNSUPPORTED ? STATUS_REFUSED : status;
}

static enum status
freeze_write(struct etcd_item *item, struct etcd_writes *writes)
{
	char key[ETCD_FOREIGN_KEY_SIZE], value[100], until[40];
	const struct change *change = item->append.change;

	etcd_foreign_note_key(item->at, "frozen", key);
	clock_to_text(change->until_us, until);
	if (change->frozen && change->until_us)
		snprintf(value, sizeof value, "{\"frozen\":true,\"until\":\"%s\"}", until);
	else
		snprintf(value, sizeof value, "{\"frozen\":%s}", change->frozen ? "true" : "false");
	char *copy = strdup(value);
	enum status status = copy ? add_write(item, writes, key, copy) : STATUS_NO_MEMORY;
	if (!status)
		writes->items[0].revision = item->at->frozen_revision;
	return status;
}

void
etcd_foreign_take_freeze(struct etcd_zone *at, const struct etcd_kv *kv)
{
	json_t *json = kv->deleted ? NULL : json_loadb(kv->value, kv->value_size, 0, NULL);
	const char *until = json_string_value(json_object_get(json, "until"));

	at->frozen = json_is_true(json_object_get(json, "frozen"));
	at->until_us = until && at->frozen ? clock_from_text(until) : 0;
	if (at->until_us && at->until_us <= clock_wall_us())
		at->frozen = false;
	at->frozen_revision = kv->deleted ? 0 : kv->revision;
	json_decref(json);
}

enum status
etcd_foreign_writes(struct etcd_item *item, struct etcd_writes *writes, char *reason)
{
	const struct change *change = item->append.change;

	if (change->snapshot) {
		snprintf(reason, STORE_REASON_SIZE,
			 "more than 900 kB: layouts helix and skydns have one transaction for a change");
		return STATUS_REFUSED;
	}
	if (change->frozen >= 0)
		return freeze_write(item, writes);
	for (size_t i = 0; i < change->op_count; i++) {
		const struct etcd_zone *owner = etcd_closest(item->etcd, change->ops[i].owner);
		if (owner == item->at)
			continue;
		snprintf(reason, STORE_REASON_SIZE, "%.250s is served from the same keys: update that zone",
			 owner ? owner->text : "no zone");
		return STATUS_REFUSED;
	}
	if (item->etcd->settings.layout == ETCD_HELIX)
		return helix_writes(item, writes);
	return skydns_writes(item, writes, reason);
}
