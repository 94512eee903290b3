/*
 * What the configuration says, in the shapes that the lower layers read: made at start and at each reload.
 *
 * Threads:   any.
 * Memory:    given to the caller, shared by count; nothing in them points into the configuration. Without memory the
 *            program ends.
 * Errors:    none: the configuration has been checked.
 */
#ifndef ZONEGATE_CONTROL_SETTINGS_H
#define ZONEGATE_CONTROL_SETTINGS_H

#include "control/config.h"
#include "serve/request.h"
#include "transfer/axfr.h"
#include "update/update.h"

/*
 * Of the zone before: where many zones say the same, they share it. Zero it before the first; nothing in it is owned.
 */
struct settings_before {
	const struct config_rules *update_rules, *transfer_rules, *queries_rules;
	struct update_settings *update;
	struct transfer_settings *transfer;
};
struct update_settings *settings_update(const struct config_zone *zone, struct settings_before *before);
/* queries: those of the zone whose allow-query it is. */
struct transfer_settings *settings_transfer(const struct config_rules *rules, const struct config_rules *queries,
					    struct settings_before *before);
/* old: those of before a reload, or NULL. */
struct serve_settings *settings_serve(const struct config *config, const struct serve_settings *old);
void settings_serve_free(struct serve_settings *settings);
/* The gateway's name in the event log: identity, else the host's name. `out` takes SETTINGS_NAME_SIZE. */
#define SETTINGS_NAME_SIZE 256
const char *settings_gateway_name(const struct config *config, char *out);

#endif
