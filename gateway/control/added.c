#include "control/added.h"
#include "base/log.h"
#include "base/must.h"
#include "control/config_rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * KV_CATALOG: name in wire form to
 *   the JSON text of zonegatectl add, which begins with '{', or
 *   ADDED_MEMBER, the label of the member node, the name of the catalog zone, the name of the group if there is one
 */
#define ADDED_MEMBER 1
#define GROUP_MAX_SIZE 255

struct added *
added_of(const struct config_zone *config)
{
	return config->added ? (struct added *)config : NULL;
}

/* ---- rules ---- */

struct added_rules {
	size_t holders;
	struct config *fragment; /* of one zone, which has them */
};

static struct added_rules *
rules_hold(struct added_rules *rules)
{
	rules->holders++;
	return rules;
}

void
added_rules_free(struct added_rules *rules)
{
	if (!rules || --rules->holders > 0)
		return;
	config_free(rules->fragment);
	free(rules);
}

/* The fragment (given) becomes `recent`, but where that says the same already. Members and groups are a zone's own. */
static struct added_rules *
rules_of(struct config *fragment, struct added_rules **recent)
{
	const struct config_zone *zone = &fragment->zones[0];

	if (*recent && !zone->members && config_rules_same((*recent)->fragment->zones[0].rules, zone->rules)) {
		config_free(fragment);
		return rules_hold(*recent);
	}
	struct added_rules *rules = must(calloc(1, sizeof *rules));
	rules->fragment = fragment;
	added_rules_free(*recent);
	*recent = rules_hold(rules);
	return rules_hold(rules);
}

/* ---- one zone ---- */

void
added_free(struct added *added)
{
	if (!added)
		return;
	added_rules_free(added->rules);
	free(added->group);
	free(added);
}

/* With its name, and room for more behind that. */
static struct added *
added_new(const uint8_t *name, size_t more, char **tail)
{
	char text[NAME_TEXT_SIZE];
	size_t size = name_size(name), length = strlen(name_to_text(name, text)) + 1;
	struct added *added = must(calloc(1, sizeof *added + size + length + more));
	uint8_t *own = (uint8_t *)(added + 1);

	name_lower(name, own);
	added->config.name = own;
	added->config.text = memcpy(own + size, text, length);
	*tail = (char *)own + size + length;
	return added;
}

enum status
added_parse(const struct config *main, const char *text, size_t size, struct added_rules **recent, struct added **out,
	    char *reason)
{
	struct config *fragment;
	char *tail;
	enum status status = config_parse_zone(main, text, size, &fragment, reason);

	if (status != STATUS_OK)
		return status;
	struct config_zone zone = fragment->zones[0];
	size_t length = zone.file ? strlen(zone.file) + 1 : 0;
	struct added *added = added_new(zone.name, size + 1 + length, &tail);
	added->text = memcpy(tail, text, size);
	zone.name = added->config.name;
	zone.text = added->config.text;
	zone.file = zone.file ? memcpy(tail + size + 1, zone.file, length) : NULL;
	added->rules = rules_of(fragment, recent); /* perhaps the end of the fragment */
	zone.rules = added->rules->fragment->zones[0].rules;
	zone.added = true;
	added->config = zone;
	*out = added;
	return STATUS_OK;
}

void
added_set_catalog(struct added *added, const struct config_zone *catalog)
{
	const uint8_t *name = added->config.name;
	const char *text = added->config.text;
	const struct config_group *group =
		added->group ? config_find_group(catalog, added->group, strlen(added->group)) : NULL;

	added->config = group ? *group->members : *catalog->members;
	added->config.name = name;
	added->config.text = text;
	added->config.added = true;
	added->config.members = NULL;
	added->catalog = catalog->name;
}

void
added_set_group(struct added *added, const char *group)
{
	free(added->group);
	added->group = group ? must(strdup(group)) : NULL;
}

struct added *
added_member(const struct config_zone *catalog, const uint8_t *name, const uint8_t *label, const char *group)
{
	char *tail;
	struct added *added = added_new(name, 0, &tail);

	memcpy(added->label, label, label[0] + 1u);
	added_set_group(added, group);
	added_set_catalog(added, catalog);
	return added;
}

/* ---- in the state directory ---- */

static struct kv_bytes
added_key(const struct added *added)
{
	return (struct kv_bytes){added->config.name, name_size(added->config.name)};
}

static enum status
added_put(struct kv_txn *txn, const struct added *added)
{
	uint8_t value[1 + ADDED_LABEL_SIZE + NAME_MAX_SIZE + GROUP_MAX_SIZE] = {ADDED_MEMBER};

	if (!added->catalog)
		return kv_put(txn, KV_CATALOG, added_key(added), (struct kv_bytes){added->text, strlen(added->text)});
	size_t label_size = added->label[0] + 1u, catalog_size = name_size(added->catalog);
	size_t group_size = added->group ? strlen(added->group) : 0;
	memcpy(value + 1, added->label, label_size);
	memcpy(value + 1 + label_size, added->catalog, catalog_size);
	if (group_size > 0)
		memcpy(value + 1 + label_size + catalog_size, added->group, group_size);
	return kv_put(txn, KV_CATALOG, added_key(added),
		      (struct kv_bytes){value, 1 + label_size + catalog_size + group_size});
}

static enum status
added_write(struct kv *kv, struct added *const *added, size_t count, bool keep, char *reason)
{
	struct kv_txn *txn;
	enum status status = kv_begin_write(kv, &txn);

	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		status = keep ? added_put(txn, added[i]) : kv_delete(txn, KV_CATALOG, added_key(added[i]));
		if (status == STATUS_NOT_FOUND)
			status = STATUS_OK;
		if (status != STATUS_OK)
			kv_abort(txn);
	}
	if (status == STATUS_OK)
		status = kv_commit(txn);
	if (status != STATUS_OK)
		snprintf(reason, CONFIG_REASON_SIZE, "state directory: %s", kv_reason(kv));
	return status;
}

enum status
added_keep(struct kv *kv, struct added *const *added, size_t count, char *reason)
{
	return added_write(kv, added, count, true, reason);
}

enum status
added_forget(struct kv *kv, struct added *const *added, size_t count, char *reason)
{
	return added_write(kv, added, count, false, reason);
}

struct added_list {
	struct added **items;
	size_t count, room;
};

static void
added_append(struct added_list *list, struct added *added)
{
	if (list->count == list->room) {
		list->room = list->room ? list->room * 2 : 64;
		list->items = must(realloc(list->items, list->room * sizeof *list->items));
	}
	list->items[list->count++] = added;
}

struct added_reading {
	const struct config *main;
	struct added_rules **recent;
	struct added_list good, stale;
};

/* NULL: the value is none of ours. */
static struct added *
added_decode_member(const struct config *main, const uint8_t *name, const uint8_t *value, size_t size, bool *stale)
{
	static const struct config_zone nothing;
	struct config_zone gone = {.members = (struct config_zone *)&nothing};
	char group[GROUP_MAX_SIZE + 1] = "";
	size_t catalog_size;

	if (size < 3 || value[1] >= ADDED_LABEL_SIZE || size < 3u + value[1] ||
	    name_check(value + 2 + value[1], size - 2u - value[1], &catalog_size) != STATUS_OK)
		return NULL;
	const struct config_zone *catalog = config_find_zone(main, value + 2 + value[1]);
	*stale = !catalog || catalog->catalog != CONFIG_CATALOG_CONSUME;
	size_t used = 2u + value[1] + catalog_size;
	if (size - used > GROUP_MAX_SIZE)
		return NULL;
	memcpy(group, value + used, size - used);
	return added_member(*stale ? &gone : catalog, name, value + 1, size > used ? group : NULL);
}

static bool
added_read_one(void *context, struct kv_bytes key, struct kv_bytes value)
{
	struct added_reading *reading = context;
	char reason[CONFIG_REASON_SIZE] = "not understood", text[NAME_TEXT_SIZE];
	const uint8_t *bytes = value.bytes;
	struct added *added = NULL;
	bool stale = false;

	if (value.size > 0 && bytes[0] == ADDED_MEMBER)
		added = added_decode_member(reading->main, key.bytes, bytes, value.size, &stale);
	else if (added_parse(reading->main, value.bytes, value.size, reading->recent, &added, reason) != STATUS_OK)
		added = NULL;
	if (!added) {
		log_error("added_zone", "a zone that was added at run time cannot be served zone=%s reason=%s",
			  name_to_text(key.bytes, text), reason);
	} else if (stale) {
		added_append(&reading->stale, added);
	} else if (config_find_zone(reading->main, added->config.name)) {
		log_warning("added_zone", "the configuration's zone is taken, not the one added at run time zone=%s",
			    added->config.text);
		added_free(added);
	} else {
		added->restored = true;
		added_append(&reading->good, added);
	}
	return true;
}

enum status
added_read(struct kv *kv, const struct config *main, struct added_rules **recent, struct added ***list, size_t *count,
	   char *reason)
{
	struct added_reading reading = {.main = main, .recent = recent};
	struct kv_txn *txn;
	enum status status = kv_begin_read(kv, &txn);

	if (status == STATUS_OK) {
		status = kv_each(txn, KV_CATALOG, (struct kv_bytes){"", 1}, 0, added_read_one, &reading);
		kv_abort(txn);
	}
	if (status == STATUS_NOT_FOUND)
		status = STATUS_OK;
	if (status != STATUS_OK)
		snprintf(reason, CONFIG_REASON_SIZE, "state directory: %s", kv_reason(kv));
	else if (reading.stale.count > 0)
		status = added_forget(kv, reading.stale.items, reading.stale.count, reason);
	for (size_t i = 0; i < reading.stale.count; i++)
		added_free(reading.stale.items[i]);
	free(reading.stale.items);
	*list = reading.good.items;
	*count = reading.good.count;
	return status;
}
