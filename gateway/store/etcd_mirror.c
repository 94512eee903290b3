#include "store/etcd_mirror.h"
#include "base/clock.h"
#include "base/hash.h"
#include <stdio.h>
#include <stdlib.h>

#define UNION_MAX 500 /* keys below a name of skydns whose records it shows; more would fit into no answer */

struct etcd_mirror *
etcd_mirror_new(struct etcd_zone *at)
{
	struct etcd_mirror *mirror = calloc(1, sizeof *mirror);

	if (!mirror)
		return NULL;
	mirror->at = at;
	mirror->touched_end = &mirror->touched;
	return mirror;
}

static void
free_entry(struct etcd_entry *entry)
{
	etcd_records_free(&entry->records);
	etcd_layout_free_service(&entry->service);
	free(entry->key);
	free(entry->value);
	free(entry);
}

void
etcd_mirror_free(struct etcd_mirror *mirror)
{
	if (!mirror)
		return;
	struct chains_walk entries = {0}, owners = {0};
	for (struct etcd_entry *entry; (entry = etcd_mirror_next_entry(mirror, &entries));)
		free_entry(entry);
	for (struct etcd_owner *owner; (owner = etcd_mirror_next_owner(mirror, &owners));) {
		etcd_records_free(&owner->served);
		free(owner->entries);
		free(owner);
	}
	chains_free(&mirror->entries);
	chains_free(&mirror->owners);
	free(mirror);
}

/* ---- tables ---- */

static uint64_t
entry_hash(const struct chain *entry)
{
	const char *key = ((const struct etcd_entry *)entry)->key;

	return hash_bytes(key, strlen(key));
}

static uint64_t
owner_hash(const struct chain *entry)
{
	const uint8_t *name = ((const struct etcd_owner *)entry)->name;

	return hash_bytes(name, name_size(name));
}

struct etcd_entry *
etcd_mirror_entry(struct etcd_mirror *mirror, const char *key)
{
	struct chain *at = chains_first(&mirror->entries, hash_bytes(key, strlen(key)));

	while (at && strcmp(((struct etcd_entry *)at)->key, key) != 0)
		at = at->next;
	return (struct etcd_entry *)at;
}

struct etcd_owner *
etcd_mirror_owner(struct etcd_mirror *mirror, const uint8_t *name)
{
	struct chain *at = chains_first(&mirror->owners, hash_bytes(name, name_size(name)));

	while (at && !name_equal(((struct etcd_owner *)at)->name, name))
		at = at->next;
	return (struct etcd_owner *)at;
}

static struct etcd_owner *
make_owner(struct etcd_mirror *mirror, const uint8_t *name)
{
	struct etcd_owner *owner = etcd_mirror_owner(mirror, name);
	size_t size = name_size(name);

	if (owner)
		return owner;
	owner = calloc(1, sizeof *owner + size);
	invariant(owner);
	memcpy(owner->name, name, size);
	bool added = chains_add(&mirror->owners, &owner->chain, owner_hash);
	invariant(added);
	return owner;
}

void
etcd_mirror_touch(struct etcd_mirror *mirror, struct etcd_owner *owner)
{
	if (owner->touched)
		return;
	owner->touched = true;
	owner->next_touched = NULL;
	*mirror->touched_end = owner;
	mirror->touched_end = &owner->next_touched;
}

/* ---- keys ---- */

static void
owner_add(struct etcd_owner *owner, struct etcd_entry *entry)
{
	if (owner->entry_count == owner->entry_room) {
		owner->entry_room = owner->entry_room ? owner->entry_room * 2 : 1;
		owner->entries = realloc(owner->entries, owner->entry_room * sizeof(struct etcd_entry *));
		invariant(owner->entries);
	}
	owner->entries[owner->entry_count++] = entry;
}

static void
owner_remove(struct etcd_owner *owner, struct etcd_entry *entry)
{
	for (size_t i = 0; i < owner->entry_count; i++)
		if (owner->entries[i] == entry) {
			owner->entries[i] = owner->entries[--owner->entry_count];
			return;
		}
}

/* Each name that shows the key: its own, and for skydns those above it up to the apex. */
static void
each_owner(struct etcd_mirror *mirror, struct etcd_entry *entry, uint64_t revision,
	   void (*act)(struct etcd_owner *owner, struct etcd_entry *entry))
{
	const uint8_t *name = entry->owner->name;
	bool up = mirror->at->etcd->settings.layout == ETCD_SKYDNS;

	for (;; name += 1 + *name) {
		struct etcd_owner *owner = make_owner(mirror, name);
		if (act)
			act(owner, entry);
		owner->changed = revision > owner->changed ? revision : owner->changed;
		owner->fades = owner->fades || entry->expires_ms;
		etcd_mirror_touch(mirror, owner);
		if (!up || !*name || name_equal(name, mirror->at->name))
			return;
	}
}

static void
read_value(struct etcd_mirror *mirror, struct etcd_entry *entry)
{
	const struct etcd_settings *settings = &mirror->at->etcd->settings;
	char reason[ETCD_LAYOUT_REASON_SIZE] = "";
	enum status status;

	etcd_records_free(&entry->records);
	etcd_layout_free_service(&entry->service);
	entry->service = (struct etcd_service){0};
	if (settings->layout == ETCD_HELIX)
		status = etcd_layout_helix_value(entry->type, entry->value, entry->value_size, settings->ttl_s,
						 &entry->records, reason);
	else
		status = etcd_layout_read_service(entry->value, entry->value_size, &entry->service, reason);
	if (!status && entry->type == TYPE_SOA && !name_equal(entry->owner->name, mirror->at->name)) {
		status = STATUS_INVALID;
		snprintf(reason, sizeof reason, "a SOA has its place at the apex");
	}
	bool was = entry->bad;
	entry->bad = status != STATUS_OK;
	if (entry->bad && !reason[0])
		snprintf(reason, sizeof reason, "%s", status_text(status));
	if (was && !(entry->bad && etcd_is_bad(mirror->at, entry->key, reason)))
		etcd_forget_bad(mirror->at, entry->key, NULL);
	if (entry->bad)
		etcd_note_bad(mirror->at, entry->key, reason);
}

static void
note_soa(struct etcd_mirror *mirror, const struct etcd_entry *entry, bool deleted)
{
	struct etcd_record record;
	size_t at = 0;

	if (entry->type != TYPE_SOA || !name_equal(entry->owner->name, mirror->at->name))
		return;
	mirror->soa_serial = 0;
	mirror->soa_revision = 0;
	if (deleted || entry->bad || !etcd_records_next(&entry->records, &at, &record))
		return;
	mirror->soa_serial = rdata_soa_serial(record.rdata, record.size);
	mirror->soa_revision = entry->revision;
}

static void
remove_entry(struct etcd_mirror *mirror, struct etcd_entry *entry, uint64_t revision)
{
	chains_remove(&mirror->entries, &entry->chain, entry_hash);
	mirror->fading -= entry->expires_ms != 0;
	note_soa(mirror, entry, true);
	each_owner(mirror, entry, revision, owner_remove);
	etcd_forget_bad(mirror->at, entry->key, NULL);
	free_entry(entry);
}

/* A directory of v2 that went, or got an end. */
static void
take_directory(struct etcd_mirror *mirror, const struct etcd_kv *kv)
{
	struct chains_walk walk = {0};

	for (struct etcd_entry *entry; (entry = etcd_mirror_next_entry(mirror, &walk));) {
		if (strncmp(entry->key, kv->key, kv->key_size) != 0 || entry->key[kv->key_size] != '/')
			continue;
		if (kv->deleted) {
			remove_entry(mirror, entry, kv->revision);
		} else if (kv->expires_ms && (!entry->expires_ms || entry->expires_ms > kv->expires_ms)) {
			mirror->fading += entry->expires_ms == 0;
			entry->expires_ms = kv->expires_ms;
			each_owner(mirror, entry, kv->revision, NULL);
		}
	}
}

/* The name (and type) of a new key; NULL: it is none, which has been noted. */
static struct etcd_entry *
make_entry(struct etcd_mirror *mirror, const struct etcd_kv *kv)
{
	const struct etcd_settings *settings = &mirror->at->etcd->settings;
	size_t prefix = strlen(settings->prefix) + 1;
	char reason[ETCD_LAYOUT_REASON_SIZE] = "";
	uint8_t name[NAME_MAX_SIZE];
	uint16_t type = 0;
	enum status status;

	if (strlen(kv->key) != kv->key_size)
		return NULL; /* a NUL inside */
	if (settings->layout == ETCD_HELIX)
		status = etcd_layout_helix_key(kv->key + prefix, kv->key_size - prefix, name, &type, reason);
	else
		status = etcd_layout_name(kv->key + prefix, kv->key_size - prefix, name, reason);
	if (!status && !name_is_within(name, mirror->at->name)) {
		status = STATUS_INVALID;
		snprintf(reason, sizeof reason, "the name is not in the zone");
	}
	if (status) {
		etcd_note_bad(mirror->at, kv->key, reason);
		return NULL;
	}
	struct etcd_entry *entry = calloc(1, sizeof *entry);
	invariant(entry);
	entry->key = strdup(kv->key);
	invariant(entry->key);
	entry->type = type;
	entry->owner = make_owner(mirror, name);
	bool added = chains_add(&mirror->entries, &entry->chain, entry_hash);
	invariant(added);
	each_owner(mirror, entry, kv->revision, owner_add);
	return entry;
}

void
etcd_mirror_take(struct etcd_mirror *mirror, struct etcd_kv *kv)
{
	struct etcd_entry *entry = etcd_mirror_entry(mirror, kv->key);

	mirror->last = kv->revision > mirror->last ? kv->revision : mirror->last;
	if (kv->directory || (kv->deleted && !entry)) {
		if (kv->deleted)
			etcd_forget_bad(mirror->at, kv->key, NULL);
		take_directory(mirror, kv);
		return;
	}
	if (kv->deleted) {
		remove_entry(mirror, entry, kv->revision);
		return;
	}
	if (!entry)
		entry = make_entry(mirror, kv);
	if (!entry)
		return;
	free(entry->value);
	entry->value = kv->value;
	entry->value_size = kv->value_size;
	kv->value = NULL;
	entry->revision = kv->revision;
	entry->lease = kv->lease;
	mirror->fading += (kv->expires_ms != 0) - (size_t)(entry->expires_ms != 0);
	entry->expires_ms = kv->expires_ms;
	read_value(mirror, entry);
	note_soa(mirror, entry, false);
	each_owner(mirror, entry, kv->revision, NULL);
}

/* ---- what is served ---- */

/* Never more than what is left, never 0. */
static uint32_t
ttl_left(uint32_t ttl_s, uint64_t expires_ms, uint64_t now_ms)
{
	uint64_t left_s = expires_ms > now_ms ? (expires_ms - now_ms) / 1000 : 0;

	if (!expires_ms || left_s >= ttl_s)
		return ttl_s ? ttl_s : 1;
	return left_s ? (uint32_t)left_s : 1;
}

static enum status
add_defaults(const struct etcd_mirror *mirror, bool soa, bool ns, struct etcd_records *out)
{
	static const uint32_t times[] = {0, 3600, 600, 604800, 300};
	const uint8_t *mname = mirror->at->defaults, *rname = mname + name_size(mname),
		      *server = rname + name_size(rname);
	uint8_t rdata[2 * NAME_MAX_SIZE + 20];
	enum status status = STATUS_OK;
	size_t size = (size_t)(server - mname);

	memcpy(rdata, mname, size);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++, size += 4) {
		uint32_t big = __builtin_bswap32(times[i]);
		memcpy(rdata + size, &big, 4);
	}
	if (soa)
		status = etcd_records_add(out, TYPE_SOA, 3600, rdata, size);
	for (; ns && !status && server < mirror->at->defaults + mirror->at->defaults_size; server += name_size(server))
		status = etcd_records_add(out, TYPE_NS, 3600, server, name_size(server));
	return status;
}

static bool
has_type(const struct etcd_records *records, uint16_t type)
{
	struct etcd_record record;

	for (size_t at = 0; etcd_records_next(records, &at, &record);)
		if (record.type == type)
			return true;
	return false;
}

static enum status
compose_helix(struct etcd_mirror *mirror, const struct etcd_owner *owner, struct etcd_records *out)
{
	uint64_t now_ms = clock_monotonic_ms();
	bool others = name_equal(owner->name, mirror->at->name); /* SOA and NS */
	enum status status = STATUS_OK;

	for (size_t i = 0; i < owner->entry_count; i++)
		others = others || (!owner->entries[i]->bad && owner->entries[i]->type != TYPE_CNAME);
	for (size_t i = 0; i < owner->entry_count && !status; i++) {
		struct etcd_entry *entry = owner->entries[i];
		struct etcd_record record;
		if (entry->bad)
			continue;
		bool twice = rrtype_info(entry->type)->singleton && has_type(out, entry->type);
		if ((entry->type == TYPE_CNAME && others) || twice) {
			etcd_note_bad(mirror->at, entry->key,
				      twice ? "another key is this record already" : "a CNAME beside other records");
			continue;
		}
		if (rrtype_info(entry->type)->singleton)
			etcd_forget_bad(mirror->at, entry->key, NULL);
		for (size_t at = 0; !status && etcd_records_next(&entry->records, &at, &record);) {
			size_t before = out->size;
			status = etcd_records_add(out, record.type, ttl_left(record.ttl_s, entry->expires_ms, now_ms),
						  record.rdata, record.size);
			if (!status && record.type == TYPE_SOA)
				rdata_soa_set_serial(out->bytes + before + 8, record.size, 0);
		}
	}
	return status;
}

enum status
etcd_mirror_compose(struct etcd_mirror *mirror, struct etcd_owner *owner, struct etcd_records *out)
{
	bool apex = name_equal(owner->name, mirror->at->name);
	enum status status = STATUS_OK;

	if (mirror->at->etcd->settings.layout == ETCD_HELIX)
		status = compose_helix(mirror, owner, out);
	else if (owner->entry_count <= UNION_MAX)
		status = etcd_skydns_compose(mirror, owner, out);
	if (!status && apex)
		status = add_defaults(mirror, !has_type(out, TYPE_SOA), !has_type(out, TYPE_NS), out);
	return status;
}

uint32_t
etcd_mirror_serial(const struct etcd_mirror *mirror)
{
	return mirror->soa_serial + (uint32_t)(mirror->last - mirror->soa_revision);
}

/* ---- ops ---- */

struct ops { struct arena *arena; struct change_op *items; size_t count, room; bool soa; };

static enum status
add_op(struct ops *ops, enum change_kind kind, const struct etcd_owner *owner, const struct rrset *rrset)
{
	if (ops->count == ops->room) {
		size_t room = ops->room ? ops->room * 2 : 8;
		struct change_op *items = arena_alloc(ops->arena, room * sizeof *items);
		if (!items)
			return STATUS_LIMIT;
		if (ops->count)
			memcpy(items, ops->items, ops->count * sizeof *items);
		ops->items = items;
		ops->room = room;
	}
	struct change_op *op = &ops->items[ops->count++];
	*op = (struct change_op){.kind = kind, .owner = owner->name, .rrset = *rrset};
	if (kind == CHANGE_DEL) {
		op->rrset = (struct rrset){.type = rrset->type};
		return STATUS_OK;
	}
	op->rrset.packed = arena_copy(ops->arena, rrset->packed, rrset->packed_size);
	ops->soa = ops->soa || rrset->type == TYPE_SOA;
	return op->rrset.packed ? STATUS_OK : STATUS_LIMIT;
}

static bool
same_rrset(const struct rrset *a, const struct rrset *b)
{
	return a->ttl_s == b->ttl_s && a->packed_size == b->packed_size &&
	       memcmp(a->packed, b->packed, a->packed_size) == 0;
}

/* What one set has and the other has not (deletions), or has otherwise (sets). */
static enum status
compare_sets(struct ops *ops, enum change_kind kind, const struct etcd_owner *owner, const struct etcd_records *walked,
             const struct etcd_records *other)
{
	struct rrset mine, theirs;
	uint8_t *packed, *their_packed;
	uint16_t type = 0;
	enum status status;

	while ((status = etcd_records_rrset(walked, &type, &mine, &packed)) == STATUS_OK) {
		uint16_t before = (uint16_t)(type - 1);
		bool there = false, same = false;
		if (has_type(other, type)) {
			status = etcd_records_rrset(other, &before, &theirs, &their_packed);
			if (status) {
				free(packed);
				return status;
			}
			there = true;
			same = same_rrset(&mine, &theirs);
			free(their_packed);
		}
		if (kind == CHANGE_DEL ? !there : !same)
			status = add_op(ops, kind, owner, &mine);
		free(packed);
		if (status)
			return status;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status
etcd_mirror_ops(struct etcd_mirror *mirror, struct arena *arena, struct change_op **items, size_t *count, bool *soa)
{
	struct ops ops = {.arena = arena};
	struct etcd_owner *first = mirror->touched;
	enum status status = STATUS_OK;
	struct composed { struct etcd_records records; } *composed;
	size_t owners = 0, i = 0;

	for (struct etcd_owner *owner = first; owner; owner = owner->next_touched)
		owners++;
	composed = calloc(owners + 1, sizeof *composed);
	if (!composed)
		return STATUS_NO_MEMORY;
	for (struct etcd_owner *owner = first; owner && !status; owner = owner->next_touched, i++) {
		status = etcd_mirror_compose(mirror, owner, &composed[i].records);
		if (!status)
			status = compare_sets(&ops, CHANGE_DEL, owner, &owner->served, &composed[i].records);
	}
	i = 0;
	for (struct etcd_owner *owner = first; owner && !status; owner = owner->next_touched, i++)
		status = compare_sets(&ops, CHANGE_SET, owner, &composed[i].records, &owner->served);
	i = 0;
	for (struct etcd_owner *owner = first; owner; owner = owner->next_touched, i++) {
		etcd_records_free(&owner->served);
		owner->served = composed[i].records;
		owner->touched = false;
	}
	free(composed);
	mirror->touched = NULL;
	mirror->touched_end = &mirror->touched;
	*items = ops.items;
	*count = ops.count;
	*soa = ops.soa;
	return status;
}

enum status
etcd_mirror_fill(struct etcd_mirror *mirror, struct draft *draft)
{
	enum status status = STATUS_OK;

	etcd_mirror_touch(mirror, make_owner(mirror, mirror->at->name)); /* SOA and NS, also of a zone without keys */
	for (struct etcd_owner *owner = mirror->touched, *next; owner; owner = next) {
		next = owner->next_touched;
		owner->touched = false;
		etcd_records_free(&owner->served);
		if (!status)
			status = etcd_mirror_compose(mirror, owner, &owner->served);
	}
	mirror->touched = NULL;
	mirror->touched_end = &mirror->touched;
	struct chains_walk walk = {0};
	for (struct etcd_owner *owner; !status && (owner = etcd_mirror_next_owner(mirror, &walk));)
		status = etcd_records_into(draft, owner->name, &owner->served);
	return status;
}

enum status
etcd_mirror_same(struct etcd_mirror *mirror, struct arena *arena, struct change_op **items, size_t *count)
{
	struct ops ops = {.arena = arena};
	const struct etcd_owner *apex = etcd_mirror_owner(mirror, mirror->at->name);
	uint16_t type = TYPE_NS - 1;
	struct rrset ns;
	uint8_t *packed;

	if (!apex)
		return STATUS_NOT_FOUND;
	enum status status = etcd_records_rrset(&apex->served, &type, &ns, &packed);
	if (status)
		return status;
	status = add_op(&ops, CHANGE_SET, apex, &ns);
	free(packed);
	*items = ops.items;
	*count = ops.count;
	return status;
}

void
etcd_mirror_take_served(struct etcd_mirror *mirror, struct etcd_mirror *before)
{
	struct chains_walk walk = {0};

	for (struct etcd_owner *owner; (owner = etcd_mirror_next_owner(before, &walk));) {
		if (!owner->served.size)
			continue;
		struct etcd_owner *now = make_owner(mirror, owner->name);
		now->served = owner->served;
		owner->served = (struct etcd_records){0};
		etcd_mirror_touch(mirror, now);
	}
	etcd_mirror_touch(mirror, make_owner(mirror, mirror->at->name));
}

enum status
etcd_mirror_serve(struct etcd_mirror *mirror, const struct zone_version *version)
{
	size_t count;
	const struct node **nodes = version_sorted(version, &count);
	enum status status = nodes ? STATUS_OK : STATUS_NO_MEMORY;

	for (size_t i = 0; i < count && !status; i++) {
		uint8_t name[NAME_MAX_SIZE];
		const uint8_t *at = NULL;
		struct rrset rrset;
		node_owner(nodes[i], version->apex, name);
		while (!status && node_next(nodes[i], &at, &rrset)) {
			struct etcd_owner *owner = make_owner(mirror, name);
			const uint8_t *packed = rrset.packed;
			for (unsigned k = 0; k < rrset.count && !status; k++) {
				struct rdata rdata = rrset_next(&packed);
				size_t before = owner->served.size;
				status = etcd_records_add(&owner->served, rrset.type, rrset.ttl_s, rdata.bytes,
							  rdata.size);
				if (!status && rrset.type == TYPE_SOA)
					rdata_soa_set_serial(owner->served.bytes + before + 8, rdata.size, 0);
			}
		}
	}
	free(nodes);
	return status;
}

/* Does a key end before a TTL that is served? */
static bool
has_faded(const struct etcd_owner *owner, uint64_t now_ms)
{
	struct etcd_record record;

	for (size_t at = 0; etcd_records_next(&owner->served, &at, &record);)
		for (size_t i = 0; i < owner->entry_count; i++)
			if (ttl_left(record.ttl_s, owner->entries[i]->expires_ms, now_ms) < record.ttl_s)
				return true;
	return false;
}

bool
etcd_mirror_fade(struct etcd_mirror *mirror)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct chains_walk walk = {0};
	bool any = false;

	if (!mirror->fading || now_ms - mirror->faded_ms < 500)
		return false;
	mirror->faded_ms = now_ms;
	for (struct etcd_owner *owner; (owner = etcd_mirror_next_owner(mirror, &walk));) {
		if (!owner->fades || owner->touched || !has_faded(owner, now_ms))
			continue;
		etcd_mirror_touch(mirror, owner);
		any = true;
	}
	return any;
}
