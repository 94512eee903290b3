/*
 * What the files of layout zonegate share: keys, meta, anchors, the journal, the list.
 *
 * Threads:   the follower's.
 */
#ifndef ZONEGATE_STORE_ETCD_NATIVE_H
#define ZONEGATE_STORE_ETCD_NATIVE_H

#include "store/etcd_internal.h"

#define ETCD_KEY_SIZE (1100 + NAME_TEXT_SIZE + ETCD_PATH_SIZE + 64)

/* zones/ZONE/meta */
struct etcd_meta { uint32_t serial; uint64_t version, until_us; bool frozen, removed; };

/* etcd_names.c */
void etcd_names_sweep(struct etcd_names *names, uint64_t before);
void etcd_names_note(struct etcd_names *names, const uint8_t *owner, uint64_t revision, bool deleted);
void etcd_names_free(struct etcd_names *names);
const struct etcd_name *etcd_names_find(const struct etcd_names *names, const uint8_t *owner);

/* etcd_native_keys.c */
void etcd_native_key(const struct etcd_zone *at, const char *rest, char *out);
void etcd_native_name_key(const struct etcd_zone *at, const uint8_t *owner, char *out);
void etcd_native_put_key(struct etcd_text *out, const struct etcd_zone *at, const char *rest);
void etcd_native_put_unique(struct etcd_text *out, const struct etcd_zone *at, const char *unique);
const char *etcd_native_rest(const struct etcd_zone *at, const char *key);
bool etcd_native_read_meta(const struct etcd_kv *kv, struct etcd_meta *meta);
void etcd_native_put_meta(struct etcd_text *out, const struct etcd_zone *at, const struct etcd_meta *meta);
bool etcd_native_read_anchor(const struct etcd_kv *kv, struct etcd_place *place);
void etcd_native_anchor(struct etcd_zone *at);

/* etcd_native_list.c */
void etcd_native_free_journal(struct etcd_journal *journal);
void etcd_native_read_journal(struct etcd_zone *at, const struct etcd_kv *kv);
void etcd_native_owners(struct etcd_journal *journal, const struct change *change);
uint32_t etcd_native_serial(uint32_t serial, const struct change *change);
void etcd_native_list_free(struct etcd_zone *at);
void etcd_native_list(struct etcd_zone *at);
/* Some of what a list has brought; true: there is more. */
bool etcd_native_work(struct etcd_zone *at);

#endif
