/*
 * Tags of store appends and barriers (store/store.h) to what waits for them. A tag is good once: a fate that comes
 * twice, or for something that nobody waits for any more, finds nothing.
 *
 * Threads:   any; one mutex.
 * Limits:    TAGS_MAX at a time.
 */
#ifndef ZONEGATE_UPDATE_TAGS_H
#define ZONEGATE_UPDATE_TAGS_H

#include <stdint.h>

#define TAGS_MAX (1u << 20)

struct tags;

struct tags *tags_new(void);
void tags_free(struct tags *tags);
/* A tag for `item`, not 0; 0: there are TAGS_MAX, or no memory. */
uint64_t tags_give(struct tags *tags, void *item);
/* The item, once; NULL: no longer, or never. */
void *tags_take(struct tags *tags, uint64_t tag);

#endif
