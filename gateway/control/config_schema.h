/*
 * The schema of the configuration: every key, its type, its range, and what must hold between them.
 *
 * Threads:   as config.h.
 * Errors:    false, with the mistake in the reader.
 */
#ifndef ZONEGATE_CONTROL_CONFIG_SCHEMA_H
#define ZONEGATE_CONTROL_CONFIG_SCHEMA_H

#include "control/config_read.h"

/* The whole file; config->keys must be an empty keyring. Defaults are set first. */
bool config_schema_read(struct config_reader *in, const struct config_node *root, struct config *config);
/* One item of "zones"; stores and keys are those of `main`. */
bool config_schema_read_zone(struct config_reader *in, const struct config_node *node,
                             const struct config *main, struct config *fragment);

#endif
