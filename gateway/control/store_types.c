#include "control/store_types.h"
#include "store/embedded.h"

static enum status
store_types_open_embedded(const struct config_store *config, struct kv *kv, struct store **store, char *reason)
{
	return embedded_open(config->name, kv, config->keep_history_ms / 1000, store, reason);
}

static void
store_types_reconfigure_embedded(struct store *store, const struct config_store *config)
{
	embedded_keep_history(store, config->keep_history_ms / 1000);
}

static const struct store_types_row rows[] = {
	{CONFIG_STORE_EMBEDDED, "embedded", store_types_open_embedded, store_types_reconfigure_embedded},
};

const struct store_types_row *
store_types_find(enum config_store_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

bool
store_types_has(enum config_store_type type)
{
	return store_types_find(type) != NULL;
}
