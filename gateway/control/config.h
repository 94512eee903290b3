/*
 * The configuration: a YAML file, checked whole, then handed out as an immutable struct.
 *
 * Threads:   config_load: any. A struct config is immutable: read by any.
 * Memory:    everything in it lies in its arena and goes with config_free; the keyring is shared (keyring_hold).
 * Errors:    "FILE:LINE: what is wrong", the first mistake found. Nothing is guessed: an unknown key, a key given
 *            twice, a wrong type and a value out of range are mistakes.
 * Limits:    CONFIG_MAX_SIZE octets, CONFIG_MAX_NODES values after aliases are expanded, CONFIG_MAX_DEPTH levels.
 * The keys are described in zonegate.yaml(5); their table is config_schema.c.
 */
#ifndef ZONEGATE_CONTROL_CONFIG_H
#define ZONEGATE_CONTROL_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "keys/keyring.h"
#include "serve/cookie.h"
#include "serve/listener.h"
#include "serve/tls.h"
#include "serve/xdp.h"
#include "update/update.h"

#define CONFIG_REASON_SIZE 1024
#define CONFIG_MAX_SIZE (64u << 20)
#define CONFIG_MAX_NODES 4000000
#define CONFIG_MAX_DEPTH 16
#define CONFIG_DEFAULT_STORE "local"
#define CONFIG_DEFAULT_STATE_DIR "state"
#define CONFIG_DEFAULT_SOCKET "zonegate.sock"

struct config_list { const char **items; unsigned *lines; size_t count; };
struct config_addresses { struct listener_address *items; size_t count; unsigned line; };
struct config_xdp { struct xdp_interface *items; size_t count; unsigned line; };
struct config_property { const char *name, *value; };

struct config_tls {
	const char *ca, *certificate, *key;
	const char *client_ca; bool client_required; /* of server.tls */
};

struct config_rate_limit { uint64_t rate, slip; };

/* socket and file NULL: off. */
struct config_dnstap {
	const char *socket, *file;
	const char *identity, *version;   /* "none": left out; NULL: ours */
	unsigned types;                   /* as in struct dnstap_settings */
};

struct config_kafka {
	struct config_list brokers;
	const char *updates_topic, *snapshots_topic;
	uint64_t snapshot_changes, snapshot_interval_ms;
	bool create_topics;
	uint64_t partitions, replication;
	struct config_property *properties; size_t property_count;
};

enum config_etcd_api { CONFIG_ETCD_V3, CONFIG_ETCD_V2 };
enum config_etcd_layout { CONFIG_LAYOUT_ZONEGATE, CONFIG_LAYOUT_HELIX, CONFIG_LAYOUT_SKYDNS };

struct config_etcd {
	struct config_list endpoints;
	int api, layout;                  /* enum config_etcd_api, config_etcd_layout */
	const char *prefix;
	uint64_t ttl_s;
	struct config_tls tls;
	const char *user, *password_file;
};

enum config_store_type { CONFIG_STORE_EMBEDDED, CONFIG_STORE_KAFKA, CONFIG_STORE_ETCD, CONFIG_STORE_TYPES };

struct config_store {
	const char *name;
	enum config_store_type type;
	unsigned line;
	uint64_t keep_history_ms;         /* embedded */
	struct config_kafka kafka;
	struct config_etcd etcd;
};

struct config_notify { struct listener_address address; const char *key; unsigned line; };

/* RFC 9432: what a zone is to the catalog zones here. */
enum config_catalog { CONFIG_CATALOG_MEMBER, CONFIG_CATALOG_NONE, CONFIG_CATALOG_PRODUCE, CONFIG_CATALOG_CONSUME };

/* What zones can say alike: one for all that follow each other and say the same (config_rules.h). */
struct config_rules {
	const char *store;                /* a name in stores; never NULL once loaded */
	int serial;                       /* enum serial_rule */
	struct config_list update_policy, allow_update, allow_transfer, allow_query;
	bool has_allow_query;             /* an empty list is nobody */
	bool has_policy, has_allow_update;
	struct config_notify *notify; size_t notify_count;
	const uint8_t *soa_mname, *soa_rname; /* NULL: default */
	const uint8_t **ns; size_t ns_count;
	bool strict, zonemd;
	uint64_t update_timeout_ms;
	int on_failure_udp, on_failure_tcp; /* enum update_failure */
	const char *catalog_group;        /* what produced catalogs say of it; NULL: nothing */
};

/* Of a consumed catalog: what members of a group get (RFC 9432 4.3.2). */
struct config_group { const char *name; struct config_zone *members; };

struct config_zone {
	const uint8_t *name;              /* wire, lower case */
	const char *text;
	const char *file;
	unsigned line, file_line;
	const struct config_rules *rules;
	int catalog;                      /* enum config_catalog */
	bool added;                       /* the head of a struct added, control/added.h */
	struct config_zone *members;      /* of a consumed catalog: settings of its members */
	struct config_group *groups;      /* and those of groups, in their place; the last has no name. NULL: none */
};

struct config_server {
	struct config_addresses listen, listen_tls;
	struct config_xdp xdp;
	struct config_tls tls; unsigned tls_line;
	uint64_t threads;                 /* 0: one per CPU */
	const char *identity;             /* NULL: none */
	const char *version;              /* for version.server; "none": refused; NULL: ours */
	const char *state_dir, *control_socket;
	struct config_addresses http;     /* count 0: off */
	const char *user; unsigned user_line;
	uint64_t udp_size, tcp_clients, tcp_clients_address, tcp_idle_ms, tcp_transfer_ms;
	const char *cookie_secret;        /* a file; NULL: random */
	struct config_rate_limit rate_limit;
	struct config_dnstap dnstap; unsigned dnstap_line;
};

struct config {
	struct arena arena;
	const char *path;                 /* as given */
	struct config_server server;
	int log_level, log_format;        /* enum log_level, log_format */
	const char *audit;                /* NULL: none */
	struct keyring *keys;
	struct tls *tls;                  /* server.tls, read; NULL: none */
	struct cookie_secrets cookies;    /* server.cookie-secret, read */
	struct config_store *stores; size_t store_count;
	struct config_zone *zones; size_t zone_count;
	struct config_zone **zones_by_name; /* the same, sorted */
};

struct config_options {
	bool no_files;                    /* do not open the files that it names: fuzzing */
	bool (*has_store)(enum config_store_type type); /* is it built in? NULL: all are */
	/* Does Kafka's library take it? If not, reason (STORE_REASON_SIZE) says why. NULL: everything is taken. */
	bool (*check_property)(const char *name, const char *value, char *reason);
};

/* STATUS_IO, STATUS_MALFORMED; reason has CONFIG_REASON_SIZE. options: NULL for the defaults. */
MUST_USE enum status config_load(const char *path, const struct config_options *options,
                                 struct config **config, char *reason);
/* The same from memory; `path` for messages and relative paths. */
MUST_USE enum status config_parse(const char *text, size_t size, const char *path, const struct config_options *options,
                                  struct config **config, char *reason);
/*
 * One zone by itself (zonegatectl add): `text` is what an item of "zones" would be, JSON is fine. Its store and
 * keys are looked up in `main`.
 * *fragment gets a configuration with that zone and nothing else.
 */
MUST_USE enum status config_parse_zone(const struct config *main, const char *text, size_t size,
                                       struct config **fragment, char *reason);
/*
 * Where the control socket is, for zonegatectl: nothing else of the file is looked at, so that a gateway can be
 * asked while its file has a mistake. *path is given.
 */
MUST_USE enum status config_socket(const char *file, char **path, char *reason);
void config_free(struct config *config);

const struct config_store *config_find_store(const struct config *config, const char *name);
/* Of a consumed catalog; size: octets of the name. NULL: not known. */
const struct config_group *config_find_group(const struct config_zone *catalog, const char *name, size_t size);
/* name: lower-case wire name. */
const struct config_zone *config_find_zone(const struct config *config, const uint8_t *name);

#endif
