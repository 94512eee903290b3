#include "control/config.h"
#include <stdlib.h>
#include <string.h>

void
config_free(struct config *config)
{
	if (!config)
		return;
	keyring_free(config->keys);
	tls_free(config->tls);
	arena_free(&config->arena);
	free(config);
}

const struct config_store *
config_find_store(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->store_count; i++)
		if (strcmp(config->stores[i].name, name) == 0)
			return &config->stores[i];
	return NULL;
}

static int
config_compare(const void *name, const void *zone)
{
	return name_compare(name, (*(const struct config_zone *const *)zone)->name);
}

const struct config_zone *
config_find_zone(const struct config *config, const uint8_t *name)
{
	struct config_zone **found = config->zone_count == 0 ? NULL
							     : bsearch(name, config->zones_by_name, config->zone_count,
								       sizeof *config->zones_by_name, config_compare);
	return found ? *found : NULL;
}

const struct config_group *
config_find_group(const struct config_zone *catalog, const char *name, size_t size)
{
	for (const struct config_group *group = catalog->groups; group && group->name; group++)
		if (strlen(group->name) == size && memcmp(group->name, name, size) == 0)
			return group;
	return NULL;
}
