/*
 * Keys and values of the three layouts in etcd (events.md "etcd"): text that anybody may have written, to names and
 * RDATA, and back.
 *
 * Threads:   any; no state.
 * Memory:    texts that are returned are given.
 * Errors:    STATUS_INVALID with a reason for what cannot be served; STATUS_UNSUPPORTED for what a layout cannot
 *            express; STATUS_NO_MEMORY.
 * Limits:    ETCD_PATH_SIZE characters of a path; deeper keys are no names.
 */
#ifndef ZONEGATE_STORE_ETCD_LAYOUT_H
#define ZONEGATE_STORE_ETCD_LAYOUT_H

#include "store/etcd_records.h"

#define ETCD_LAYOUT_REASON_SIZE 240
#define ETCD_PATH_SIZE (4 * NAME_MAX_SIZE + 1)

/*
 * Labels in reverse order: "com/example/www". What is no letter, digit, "-", "_" or "*" is escaped as \DDD. `out` takes
 * ETCD_PATH_SIZE.
 */
void etcd_layout_path(const uint8_t *name, char *out);
/* Back to a lower-case name. */
MUST_USE enum status etcd_layout_name(const char *path, size_t size, uint8_t *name, char *reason);
/* A zone's name as one part of a key: presentation form, slashes escaped. `out` takes NAME_TEXT_SIZE. */
void etcd_layout_zone(const uint8_t *name, char *out);

/* zonegate: {"A":{"ttl":300,"content":["192.0.2.7"]},…} */
MUST_USE enum status etcd_layout_read_names(const char *value, size_t size, struct etcd_records *records, char *reason);
/* NULL: no memory. node NULL or without RRsets: an empty text. */
char *etcd_layout_write_names(const struct node *node);

/* helix: …/com/example/foo/A; `path` is what follows the prefix and its slash. */
MUST_USE enum status etcd_layout_helix_key(const char *path, size_t size, uint8_t *owner, uint16_t *type, char *reason);
/* `ttl_s` goes into each record. */
MUST_USE enum status etcd_layout_helix_value(uint16_t type, const char *value, size_t size, uint32_t ttl_s,
					     struct etcd_records *records, char *reason);
char *etcd_layout_write_helix(const struct rrset *rrset);

/* skydns: a service as CoreDNS reads it. */
enum etcd_host { ETCD_HOST_NONE, ETCD_HOST_A, ETCD_HOST_AAAA, ETCD_HOST_NAME };
struct etcd_service {
	enum etcd_host kind;
	uint8_t address[16];
	uint8_t host[NAME_MAX_SIZE];   /* ETCD_HOST_NAME: case kept, targetstrip not yet applied */
	int port, priority, weight;    /* as they stand; priority 0 means 10 */
	unsigned target_strip;
	bool mail;
	uint32_t ttl_s;                /* 0: not given */
	char *text, *group;            /* NULL: not given */
	size_t text_size;
};
MUST_USE enum status etcd_layout_read_service(const char *value, size_t size, struct etcd_service *service,
					      char *reason);
void etcd_layout_free_service(struct etcd_service *service);
/* STATUS_UNSUPPORTED: a type that skydns cannot express, with the reason. *text is given. */
MUST_USE enum status etcd_layout_write_service(uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size,
					       char **text, char *reason);

#endif
