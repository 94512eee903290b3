/*
 * Rules of zones that say the same are kept once: 10,000 zones of a provider have a handful.
 *
 * Threads:   as config.h.
 * Memory:    copied into the arena that is given; config_list.lines is NULL there.
 */
#ifndef ZONEGATE_CONTROL_CONFIG_RULES_H
#define ZONEGATE_CONTROL_CONFIG_RULES_H

#include "control/config.h"

/* The last that were kept, in a ring: zones of a few kinds in any order share them. Zero it before the first. */
#define CONFIG_RULES_RECENT 16
struct config_rules_recent {
	const struct config_rules *rules[CONFIG_RULES_RECENT];
	size_t count;
};

/* One of `recent` that says the same, or else a copy. Ends the program where there is no memory. */
const struct config_rules *config_rules_keep(struct config_rules_recent *recent, const struct config_rules *rules,
                                             struct arena *arena);

bool config_rules_same(const struct config_rules *a, const struct config_rules *b);
/* Of lists, lines are not compared. */
bool config_rules_same_list(const struct config_list *a, const struct config_list *b);
bool config_rules_same_notify(const struct config_rules *a, const struct config_rules *b);
/* Where both have no policy, which is the zone's own: its rules speak of it. */
bool config_rules_same_update(const struct config_rules *a, const struct config_rules *b);

#endif
