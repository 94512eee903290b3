/*
 * Zones that came at run time, by zonegatectl add or as members of a catalog zone: their configuration, kept in the
 * state directory so that a restart serves them again.
 *
 * Threads:   as gateway.h: `lock` is held for writing.
 * Memory:    one block for each; its `config` is the zone's zone->control until the zone is dropped.
 * Why:       a member is what its catalog's `members` say: 100,000 of them must not be 100,000 texts to parse.
 */
#ifndef ZONEGATE_CONTROL_ADDED_H
#define ZONEGATE_CONTROL_ADDED_H

#include "control/config.h"
#include "store/kv.h"

#define ADDED_LABEL_SIZE 64 /* a label with its length octet */

/* Rules of zones that came by zonegatectl add one after the other and say the same. */
struct added_rules;

struct added {
	struct config_zone config;       /* first; config.added is true */
	struct added_rules *rules;       /* of zonegatectl add: holds config.rules. NULL: a member */
	const char *text;                /* of zonegatectl add: as given */
	const uint8_t *catalog;          /* of a member: the catalog zone's name; else NULL */
	char *group;                     /* of a member: the group whose settings it has; NULL: of none */
	uint8_t label[ADDED_LABEL_SIZE]; /* of a member: its node's (RFC 9432 4.1) */
	bool restored;                   /* of an earlier run: where the zone has ended since, it is not made again */
};

/*
 * text    what an item of "zones" would be
 * recent  the rules of the last that was parsed, held; NULL before the first. To be let go by added_rules_free
 * STATUS_MALFORMED with reason (CONFIG_REASON_SIZE)
 */
MUST_USE enum status added_parse(const struct config *main, const char *text, size_t size, struct added_rules **recent,
				 struct added **added, char *reason);
void added_rules_free(struct added_rules *rules); /* NULL is fine */
/* catalog: a zone with catalog: consume. group: a name in its groups, or NULL. */
struct added *added_member(const struct config_zone *catalog, const uint8_t *name, const uint8_t *label,
			   const char *group);
void added_set_group(struct added *added, const char *group);
/* After a reload, or another group; one that is not known any more has the settings of members. */
void added_set_catalog(struct added *added, const struct config_zone *catalog);
void added_free(struct added *added);
/* NULL: it is of the configuration file. */
struct added *added_of(const struct config_zone *config);

/* One transaction. reason: CONFIG_REASON_SIZE */
MUST_USE enum status added_keep(struct kv *kv, struct added *const *added, size_t count, char *reason);
MUST_USE enum status added_forget(struct kv *kv, struct added *const *added, size_t count, char *reason);
/*
 * All that are kept and can be served with this configuration, given, *list too; of the others the log says why not.
 * Members whose catalog is none any more are forgotten. recent: as in added_parse.
 */
MUST_USE enum status added_read(struct kv *kv, const struct config *main, struct added_rules **recent,
				struct added ***list, size_t *count, char *reason);

#endif
