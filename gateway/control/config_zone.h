/*
 * The part of the configuration that is about zones: their keys and what must hold between them.
 *
 * Threads:   as config.h.
 * Errors:    false, with the mistake in the reader.
 */
#ifndef ZONEGATE_CONTROL_CONFIG_ZONE_H
#define ZONEGATE_CONTROL_CONFIG_ZONE_H

#include "control/config_read.h"

/* The list "zones" into config->zones; stores and keys are those of `main` (which may be `config` itself). */
bool config_zone_read_all(struct config_reader *in, const struct config_node *node, const struct config *main,
                          struct config *config);

#endif
