/* The names of a zone that etcd holds, with the revision of each; those deleted not long ago too. */
#include "store/etcd_native.h"
#include "base/hash.h"
#include <stdlib.h>

static struct etcd_name **
find_slot(const struct etcd_names *names, const uint8_t *name, size_t size)
{
	struct etcd_name **slot = &names->buckets[hash_bytes(name, size) & (names->bucket_count - 1)];

	while (*slot && ((*slot)->size != size || memcmp((*slot)->name, name, size) != 0))
		slot = &(*slot)->next;
	return slot;
}

static void
grow_names(struct etcd_names *names)
{
	size_t count = names->bucket_count ? names->bucket_count * 2 : 64;
	struct etcd_name **buckets = calloc(count, sizeof *buckets);

	invariant(buckets);
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			struct etcd_name **slot = &buckets[hash_bytes(name->name, name->size) & (count - 1)];
			name->next = *slot;
			*slot = name;
		}
	free(names->buckets);
	names->buckets = buckets;
	names->bucket_count = count;
}

/* The commit of a change that is evaluated on an older version must still see what was deleted meanwhile. */
void
etcd_names_sweep(struct etcd_names *names, uint64_t before)
{
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name **slot = &names->buckets[i]; *slot;) {
			struct etcd_name *name = *slot;
			if (!name->deleted || name->revision >= before) {
				slot = &name->next;
				continue;
			}
			*slot = name->next;
			free(name);
			names->count--;
			names->deleted--;
		}
}

void
etcd_names_note(struct etcd_names *names, const uint8_t *owner, uint64_t revision, bool deleted)
{
	size_t size = name_size(owner);

	if (names->count >= names->bucket_count)
		grow_names(names);
	struct etcd_name **slot = find_slot(names, owner, size), *name = *slot;
	if (!name) {
		name = malloc(sizeof *name + size);
		invariant(name);
		*name = (struct etcd_name){.size = (uint8_t)size};
		memcpy(name->name, owner, size);
		*slot = name;
		names->count++;
	}
	names->deleted += (size_t)deleted - (size_t)name->deleted;
	name->revision = revision;
	name->deleted = deleted;
}

void
etcd_names_free(struct etcd_names *names)
{
	for (size_t i = 0; i < names->bucket_count; i++)
		for (struct etcd_name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			free(name);
		}
	free(names->buckets);
	*names = (struct etcd_names){0};
}

const struct etcd_name *
etcd_names_find(const struct etcd_names *names, const uint8_t *owner)
{
	return names->bucket_count ? *find_slot(names, owner, name_size(owner)) : NULL;
}
