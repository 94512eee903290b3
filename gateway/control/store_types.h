/*
 * The kinds of stores that are built in, one table row each: how to open one from its configuration.
 *
 * Threads:   main thread, or the control thread at reload.
 */
#ifndef ZONEGATE_CONTROL_STORE_TYPES_H
#define ZONEGATE_CONTROL_STORE_TYPES_H

#include "control/config.h"
#include "store/kv.h"
#include "store/store.h"

struct store_types_row {
	enum config_store_type type;
	const char *text;
	MUST_USE enum status (*open)(const struct config_store *config, struct kv *kv, struct store **store,
	        char *reason);
	/*
	 * A reload's new settings for a store that stays open; what it cannot take without a restart is said in the
	 * log.
	 */
	void (*reconfigure)(struct store *store, const struct config_store *config);
};

/* For config_options. */
bool store_types_has(enum config_store_type type);
bool store_types_check_property(const char *name, const char *value, char *reason);
/* NULL: not built in. */
const struct store_types_row *store_types_find(enum config_store_type type);

#endif
