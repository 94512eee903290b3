#include "control/config_rules.h"
#include "base/must.h"
#include "wire/name.h"
#include <string.h>

/* ---- comparing ---- */

static bool
rules_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
rules_same_name(const uint8_t *a, const uint8_t *b)
{
	return a == b || (a && b && name_equal(a, b));
}

bool
config_rules_same_list(const struct config_list *a, const struct config_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count && a->items != b->items; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool
config_rules_same_notify(const struct config_rules *a, const struct config_rules *b)
{
	if (a->notify_count != b->notify_count)
		return false;
	for (size_t i = 0; i < a->notify_count && a->notify != b->notify; i++) {
		const struct config_notify *x = &a->notify[i], *y = &b->notify[i];
		if (x->address.size != y->address.size ||
		    memcmp(&x->address.address, &y->address.address, x->address.size) != 0 ||
		    !rules_same_text(x->key, y->key))
			return false;
	}
	return true;
}

bool
config_rules_same_update(const struct config_rules *a, const struct config_rules *b)
{
	return a->has_policy == b->has_policy && a->has_allow_update == b->has_allow_update &&
	       config_rules_same_list(&a->allow_update, &b->allow_update) && a->serial == b->serial &&
	       a->strict == b->strict && a->zonemd == b->zonemd && a->update_timeout_ms == b->update_timeout_ms &&
	       a->on_failure_udp == b->on_failure_udp && a->on_failure_tcp == b->on_failure_tcp;
}

static bool
rules_same_ns(const struct config_rules *a, const struct config_rules *b)
{
	if (a->ns_count != b->ns_count)
		return false;
	for (size_t i = 0; i < a->ns_count; i++)
		if (!name_equal(a->ns[i], b->ns[i]))
			return false;
	return true;
}

bool
config_rules_same(const struct config_rules *a, const struct config_rules *b)
{
	return rules_same_text(a->store, b->store) && config_rules_same_update(a, b) &&
	       config_rules_same_list(&a->update_policy, &b->update_policy) &&
	       config_rules_same_list(&a->allow_transfer, &b->allow_transfer) &&
	       a->has_allow_query == b->has_allow_query && config_rules_same_list(&a->allow_query, &b->allow_query) &&
	       config_rules_same_notify(a, b) && rules_same_name(a->soa_mname, b->soa_mname) &&
	       rules_same_name(a->soa_rname, b->soa_rname) && rules_same_ns(a, b) &&
	       rules_same_text(a->catalog_group, b->catalog_group);
}

/* ---- copying ---- */

static void
rules_copy_list(struct config_list *list, struct arena *arena)
{
	list->lines = NULL;
	list->items = must(arena_copy(arena, list->items, list->count * sizeof *list->items));
	for (size_t i = 0; i < list->count; i++)
		list->items[i] = must(arena_text(arena, list->items[i]));
}

static const uint8_t *
rules_copy_name(const uint8_t *name, struct arena *arena)
{
	return name ? must(arena_copy(arena, name, name_size(name))) : NULL;
}

static struct config_rules *
rules_copy(const struct config_rules *rules, struct arena *arena)
{
	struct config_rules *copy = must(arena_copy(arena, rules, sizeof *rules));

	copy->store = must(arena_text(arena, rules->store));
	rules_copy_list(&copy->update_policy, arena);
	rules_copy_list(&copy->allow_update, arena);
	rules_copy_list(&copy->allow_transfer, arena);
	rules_copy_list(&copy->allow_query, arena);
	copy->notify = must(arena_copy(arena, rules->notify, rules->notify_count * sizeof *rules->notify));
	for (size_t i = 0; i < rules->notify_count; i++)
		if (rules->notify[i].key)
			copy->notify[i].key = must(arena_text(arena, rules->notify[i].key));
	copy->soa_mname = rules_copy_name(rules->soa_mname, arena);
	copy->soa_rname = rules_copy_name(rules->soa_rname, arena);
	copy->ns = must(arena_copy(arena, rules->ns, rules->ns_count * sizeof *rules->ns));
	for (size_t i = 0; i < rules->ns_count; i++)
		copy->ns[i] = rules_copy_name(rules->ns[i], arena);
	if (rules->catalog_group)
		copy->catalog_group = must(arena_text(arena, rules->catalog_group));
	return copy;
}

const struct config_rules *
config_rules_keep(struct config_rules_recent *recent, const struct config_rules *rules, struct arena *arena)
{
	for (size_t i = 0; i < recent->count && i < CONFIG_RULES_RECENT; i++)
		if (config_rules_same(recent->rules[i], rules))
			return recent->rules[i];
	const struct config_rules *kept = rules_copy(rules, arena);
	recent->rules[recent->count++ % CONFIG_RULES_RECENT] = kept;
	return kept;
}
