/* The names of a zone that etcd holds, with the revision of each; those deleted not long ago too. */
#include "store/etcd_native.h"
#include "base/hash.h"
#include <stdlib.h>

static uint64_t
hash_of(const struct chain *entry)
{
	const struct etcd_name *name = (const struct etcd_name *)entry;

	return hash_bytes(name->name, name->size);
}

static struct etcd_name *
find(const struct etcd_names *names, const uint8_t *owner, size_t size)
{
	struct chain *at = chains_first(&names->table, hash_bytes(owner, size));

	for (; at; at = at->next) {
		struct etcd_name *name = (struct etcd_name *)at;
		if (name->size == size && memcmp(name->name, owner, size) == 0)
			return name;
	}
	return NULL;
}

/* The commit of a change that is evaluated on an older version must still see what was deleted meanwhile. */
void
etcd_names_sweep(struct etcd_names *names, uint64_t before)
{
	struct chains_walk walk = {0};

	for (struct chain *at; (at = chains_next(&names->table, &walk));) {
		struct etcd_name *name = (struct etcd_name *)at;
		if (!name->deleted || name->revision >= before)
			continue;
		chains_remove(&names->table, at, hash_of);
		free(name);
		names->deleted--;
	}
}

void
etcd_names_note(struct etcd_names *names, const uint8_t *owner, uint64_t revision, bool deleted)
{
	size_t size = name_size(owner);
	struct etcd_name *name = find(names, owner, size);

	if (!name) {
		name = malloc(sizeof *name + size);
		invariant(name);
		*name = (struct etcd_name){.size = (uint8_t)size};
		memcpy(name->name, owner, size);
		bool added = chains_add(&names->table, &name->chain, hash_of);
		invariant(added);
	}
	names->deleted += (size_t)deleted - (size_t)name->deleted;
	name->revision = revision;
	name->deleted = deleted;
}

void
etcd_names_free(struct etcd_names *names)
{
	struct chains_walk walk = {0};

	for (struct chain *at; (at = chains_next(&names->table, &walk));)
		free(at); /* the first member */
	chains_free(&names->table);
	names->deleted = 0;
}

const struct etcd_name *
etcd_names_find(const struct etcd_names *names, const uint8_t *owner)
{
	return find(names, owner, name_size(owner));
}
