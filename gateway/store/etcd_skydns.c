/* Services of SkyDNS at a name, as CoreDNS's etcd plugin answers them. */
#include "store/etcd_mirror.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

#define PRIORITY_DEFAULT 10
#define WEIGHT_DEFAULT 100
#define SERVICES_MAX 512

struct services { const struct etcd_entry *items[SERVICES_MAX]; size_t count; };

static unsigned
depth(const struct etcd_entry *entry)
{
	return name_labels(entry->owner->name);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct etcd_entry *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

bool
etcd_skydns_servers(const uint8_t *name, uint8_t *out)
{
	return name_join((const uint8_t *)"\2ns\3dns", 7, name, out) == STATUS_OK;
}

/* In the order of their keys, as etcd lists them. Keys below the name hide the one that is the name itself. */
static void
collect(const struct etcd_owner *owner, struct services *services, bool apex)
{
	uint8_t servers[NAME_MAX_SIZE];
	bool below = false, cut = !apex && etcd_skydns_servers(owner->name, servers);

	for (size_t i = 0; i < owner->entry_count; i++)
		below = below || owner->entries[i]->owner != owner;
	for (size_t i = 0; i < owner->entry_count && services->count < SERVICES_MAX; i++)
		if (!owner->entries[i]->bad && (!below || owner->entries[i]->owner != owner) &&
		    !(cut && name_is_within(owner->entries[i]->owner->name, servers)))
			services->items[services->count++] = owner->entries[i];
	qsort(services->items, services->count, sizeof services->items[0], compare_keys);
}

/* Texts are no services to who asks for anything but a text. */
static void
drop_texts(struct services *services)
{
	size_t kept = 0;

	for (size_t i = 0; i < services->count; i++)
		if (services->items[i]->service.kind != ETCD_HOST_NONE)
			services->items[kept++] = services->items[i];
	services->count = kept;
}

/*
 * The group of the first key counts, or of shorter ones after it, as long as these have one; unless others at that
 * level disagree. This is what CoreDNS makes of "the shortest key with a group".
 */
static void
apply_group(struct services *services)
{
	const char *group = services->count ? services->items[0]->service.group : NULL;
	unsigned level = services->count ? depth(services->items[0]) : 0;
	size_t kept = 0;

	for (size_t i = 1; i < services->count; i++) {
		if (depth(services->items[i]) >= level)
			continue;
		if (!services->items[i]->service.group)
			break;
		level = depth(services->items[i]);
		group = services->items[i]->service.group;
	}
	if (!group)
		return;
	for (size_t i = 0; i < services->count; i++) {
		const char *other = services->items[i]->service.group;
		if (other && depth(services->items[i]) == level && strcmp(other, group) != 0)
			return;
	}
	for (size_t i = 0; i < services->count; i++) {
		const char *other = services->items[i]->service.group;
		if (!other || strcmp(other, group) == 0)
			services->items[kept++] = services->items[i];
	}
	services->count = kept;
}

static uint32_t
ttl_of(const struct etcd_mirror *mirror, const struct etcd_entry *entry, uint64_t now_ms)
{
	uint32_t ttl_s = entry->service.ttl_s ? entry->service.ttl_s : mirror->at->etcd->settings.ttl_s;
	uint64_t left_s = entry->expires_ms > now_ms ? (entry->expires_ms - now_ms) / 1000 : 0;

	if (!entry->expires_ms || left_s >= ttl_s)
		return ttl_s;
	return left_s ? (uint32_t)left_s : 1;
}

static int
priority_of(const struct etcd_service *service)
{
	return service->priority ? service->priority : PRIORITY_DEFAULT;
}

/* The host, or the key's own name for an address, without the labels that targetstrip names. */
static const uint8_t *
target_of(const struct etcd_entry *entry)
{
	const uint8_t *name = entry->service.kind == ETCD_HOST_NAME ? entry->service.host : entry->owner->name;

	return entry->service.target_strip < name_labels(name) ? name_strip(name, entry->service.target_strip) : name;
}

static uint16_t
weight_of(const struct services *services, const struct etcd_service *service)
{
	int sum = 0;

	for (size_t i = 0; i < services->count; i++) {
		const struct etcd_service *other = &services->items[i]->service;
		if (other->kind != ETCD_HOST_NONE && priority_of(other) == priority_of(service))
			sum += other->weight ? other->weight : WEIGHT_DEFAULT;
	}
	double share = 100.0 / (double)sum * (double)(service->weight ? service->weight : WEIGHT_DEFAULT);
	return share < 1 ? 1 : (uint16_t)share;
}

static enum status
add_srv(const struct services *services, const struct etcd_entry *entry, uint32_t ttl_s, struct etcd_records *out)
{
	const struct etcd_service *service = &entry->service;
	uint8_t rdata[6 + NAME_MAX_SIZE];
	const uint8_t *target = target_of(entry);

	if (service->port < 0)
		return STATUS_OK;
	bytes_put_u16(rdata, (uint16_t)priority_of(service));
	bytes_put_u16(rdata + 2, weight_of(services, service));
	bytes_put_u16(rdata + 4, (uint16_t)service->port);
	memcpy(rdata + 6, target, name_size(target));
	return etcd_records_add(out, TYPE_SRV, ttl_s, rdata, 6 + name_size(target));
}

static enum status
add_mx(const struct etcd_entry *entry, uint32_t ttl_s, struct etcd_records *out)
{
	uint8_t rdata[2 + NAME_MAX_SIZE];
	const uint8_t *target = target_of(entry);

	bytes_put_u16(rdata, (uint16_t)priority_of(&entry->service));
	memcpy(rdata + 2, target, name_size(target));
	return etcd_records_add(out, TYPE_MX, ttl_s, rdata, 2 + name_size(target));
}

/* One that is too long is left out. */
static enum status
add_txt(const struct etcd_entry *entry, uint32_t ttl_s, struct etcd_records *out)
{
	enum status status = etcd_records_add_text(out, ttl_s, entry->service.text, entry->service.text_size);

	return status == STATUS_INVALID ? STATUS_OK : status;
}

static bool
is_reverse(const uint8_t *name)
{
	return name_is_within(name, (const uint8_t *)"\7in-addr\4arpa") ||
	       name_is_within(name, (const uint8_t *)"\3ip6\4arpa");
}

/* A name and nothing else: a CNAME (in reverse zones a PTR). */
static bool
is_alias(const struct etcd_service *service)
{
	return service->kind == ETCD_HOST_NAME && !service->text && !service->mail && service->port == 0;
}

/* The one service of the name, if it is an alias; *clash: there are aliases beside others. */
static const struct etcd_entry *
find_alias(const struct services *services, const uint8_t *name, bool *clash)
{
	const struct etcd_entry *alias = NULL;
	bool others = false;

	for (size_t i = 0; i < services->count; i++) {
		const struct etcd_entry *entry = services->items[i];
		if (!is_alias(&entry->service) || name_equal(entry->service.host, name))
			others = others || entry->service.kind == ETCD_HOST_A ||
				 entry->service.kind == ETCD_HOST_AAAA || entry->service.mail;
		else if (!alias)
			alias = entry;
		else if (!name_equal(alias->service.host, entry->service.host))
			others = true;
	}
	*clash = alias && others;
	return others ? NULL : alias;
}

static enum status
add_service(const struct services *services, const struct etcd_entry *entry, const uint8_t *name, uint32_t ttl_s,
	    struct etcd_records *out)
{
	const struct etcd_service *service = &entry->service;
	enum status status = STATUS_OK;

	if (service->kind == ETCD_HOST_A)
		status = etcd_records_add(out, TYPE_A, ttl_s, service->address, 4);
	else if (service->kind == ETCD_HOST_AAAA)
		status = etcd_records_add(out, TYPE_AAAA, ttl_s, service->address, 16);
	else if (is_reverse(name) && name_equal(entry->owner->name, name))
		status = etcd_records_add(out, TYPE_PTR, ttl_s, service->host, name_size(service->host));
	if (service->kind == ETCD_HOST_NAME && service->text)
		return status; /* CoreDNS: a name with a text is a text */
	if (!status)
		status = add_srv(services, entry, ttl_s, out);
	if (!status && service->mail)
		status = add_mx(entry, ttl_s, out);
	return status;
}

/* As CoreDNS: an address with a text is no text. */
static bool
is_text(const struct etcd_service *service)
{
	return service->text && service->kind != ETCD_HOST_A && service->kind != ETCD_HOST_AAAA;
}

/* What CoreDNS takes for the name. At the apex it looks below apex.dns first. */
static void
find_services(struct etcd_mirror *mirror, const struct etcd_owner *owner, struct services *services)
{
	uint8_t special[NAME_MAX_SIZE];

	bool apex = name_equal(owner->name, mirror->at->name);

	if (apex && name_join((const uint8_t *)"\4apex\3dns", 9, owner->name, special) == STATUS_OK) {
		const struct etcd_owner *below = etcd_mirror_owner(mirror, special);
		if (below && below->entry_count)
			collect(below, services, apex);
	}
	if (services->count == 0)
		collect(owner, services, apex);
}

/* The one alias that the name is; else NULL, and aliases among others are said to be not served. */
static const struct etcd_entry *
take_alias(struct etcd_mirror *mirror, const struct etcd_owner *owner, const struct services *services)
{
	char text[NAME_TEXT_SIZE], reason[NAME_TEXT_SIZE + 64];
	bool apex = name_equal(owner->name, mirror->at->name), clash = false;
	const struct etcd_entry *alias =
		apex || is_reverse(owner->name) ? NULL : find_alias(services, owner->name, &clash);

	snprintf(reason, sizeof reason, "a CNAME beside other records at %s", name_to_text(owner->name, text));
	for (size_t i = 0; i < services->count; i++) {
		const struct etcd_entry *entry = services->items[i];
		if (is_alias(&entry->service) && clash)
			etcd_note_bad(mirror->at, entry->key, reason);
		else if (is_alias(&entry->service))
			etcd_forget_bad(mirror->at, entry->key, reason);
	}
	return alias;
}

/*
 * On top of CoreDNS, which knows ns.dns of a zone's apex: what is below ns.dns of a name are the servers that it is
 * delegated to.
 */
static enum status
add_servers(struct etcd_mirror *mirror, const struct etcd_owner *owner, struct etcd_records *out)
{
	uint8_t servers[NAME_MAX_SIZE];
	uint64_t now_ms = clock_monotonic_ms();
	enum status status = STATUS_OK;

	if (name_equal(owner->name, mirror->at->name) || !etcd_skydns_servers(owner->name, servers))
		return STATUS_OK;
	const struct etcd_owner *below = etcd_mirror_owner(mirror, servers);
	for (size_t i = 0; below && i < below->entry_count && !status; i++) {
		const struct etcd_entry *entry = below->entries[i];
		const uint8_t *target =
			entry->service.kind == ETCD_HOST_NAME ? entry->service.host : entry->owner->name;
		if (!entry->bad && entry->service.kind != ETCD_HOST_NONE)
			status = etcd_records_add(out, TYPE_NS, ttl_of(mirror, entry, now_ms), target,
						  name_size(target));
	}
	return status;
}

enum status
etcd_skydns_compose(struct etcd_mirror *mirror, const struct etcd_owner *owner, struct etcd_records *out)
{
	struct services hosts = {.count = 0}, texts = {.count = 0};
	uint64_t now_ms = clock_monotonic_ms();
	enum status status;

	find_services(mirror, owner, &hosts);
	texts = hosts;
	drop_texts(&hosts);
	apply_group(&hosts);
	apply_group(&texts);
	status = add_servers(mirror, owner, out);
	const struct etcd_entry *alias = take_alias(mirror, owner, &hosts);
	if (alias && !out->size)
		return etcd_records_add(out, TYPE_CNAME, ttl_of(mirror, alias, now_ms), alias->service.host,
					name_size(alias->service.host));
	for (size_t i = 0; i < hosts.count && !status; i++)
		status = add_service(&hosts, hosts.items[i], owner->name, ttl_of(mirror, hosts.items[i], now_ms), out);
	for (size_t i = 0; i < texts.count && !status; i++)
		if (is_text(&texts.items[i]->service))
			status = add_txt(texts.items[i], ttl_of(mirror, texts.items[i], now_ms), out);
	return status;
}
