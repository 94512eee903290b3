/*
 * The store contract over etcd: commits are compare-and-swap transactions, what others put is checked and served
 * (events.md "etcd").
 *
 * Threads, errors: store/store.h. All that talks to etcd for appends and watches happens in poll; read, content_at and
 * save_snapshot make connections of their own.
 */
#ifndef ZONEGATE_STORE_ETCD_H
#define ZONEGATE_STORE_ETCD_H

#include "store/kv.h"
#include "store/store.h"

enum etcd_layout { ETCD_ZONEGATE, ETCD_HELIX, ETCD_SKYDNS };

/* For helix and skydns, where the store has no SOA or NS; NULL and 0: ns.dns.ZONE, hostmaster.ZONE. */
struct etcd_defaults {
	const uint8_t *mname, *rname;
	const uint8_t *const *ns; size_t ns_count;
};

struct etcd_settings {
	const char *const *endpoints; size_t endpoint_count;
	bool v2;
	enum etcd_layout layout;
	const char *prefix;             /* "/zonegate" */
	uint32_t ttl_s;
	const char *ca, *certificate, *key; /* NULL: none */
	const char *user, *password_file;
	uint64_t keep_history_s;
	/* What the configuration of a zone says; called by add_zone; copied. */
	void (*defaults)(const struct zone *zone, struct etcd_defaults *out);
};

/* Settings are copied. The kv is borrowed. Needs no etcd yet. */
MUST_USE enum status etcd_open(const char *name, const struct etcd_settings *settings, struct kv *kv,
			       struct store **store, char *reason);
/* zonegatectl check: what is in etcd and is not served, and why; `each` returns false to stop. Any thread. */
void etcd_check(struct store *store, struct zone *zone,
		bool (*each)(void *context, const char *key, const char *reason), void *context);

#endif
