#include "zone/node.h"
#include "wire/name.h"
#include <stdlib.h>

#define HEADER_SIZE NODE_HEADER_SIZE
#define HEADER_MANY_SIZE NODE_HEADER_MANY_SIZE
#define END_SIZE 2 /* type 0, which no RRset has */

static size_t
rrset_room(const struct rrset *rrset)
{
	return (rrset->count == 1 ? HEADER_SIZE : HEADER_MANY_SIZE) + rrset->packed_size;
}

static uint8_t *
rrset_write(uint8_t *at, const struct rrset *rrset)
{
	memcpy(at, &rrset->type, 2);
	memcpy(at + 2, &rrset->count, 2);
	memcpy(at + 4, &rrset->ttl_s, 4);
	at += HEADER_SIZE;
	if (rrset->count != 1) {
		memcpy(at, &rrset->packed_size, 4);
		at += 4;
	}
	memcpy(at, rrset->packed, rrset->packed_size);
	return at + rrset->packed_size;
}

size_t
node_owner(const struct node *node, const uint8_t *apex, uint8_t *out)
{
	size_t size = name_size(apex);

	require(node->name_size + size <= NAME_MAX_SIZE);
	memcpy(out, node->data, node->name_size);
	memcpy(out + node->name_size, apex, size);
	return node->name_size + size;
}

size_t
node_size(const struct node *node)
{
	const uint8_t *at = node->data + node->name_size;
	struct rrset rrset;

	for (unsigned i = node->rrset_count; i > 0; i--)
		at = node_read_rrset(at, &rrset);
	return (size_t)(at - (const uint8_t *)node) + END_SIZE;
}

uint64_t
node_records(const struct node *node)
{
	const uint8_t *at = NULL;
	struct rrset rrset;
	uint64_t records = 0;

	while (node_next(node, &at, &rrset))
		records += rrset.count;
	return records;
}

int
node_compare(const struct node *a, const struct node *b)
{
	uint8_t name_a[NAME_MAX_SIZE + 1], name_b[NAME_MAX_SIZE + 1];

	memcpy(name_a, a->data, a->name_size);
	memcpy(name_b, b->data, b->name_size);
	name_a[a->name_size] = name_b[b->name_size] = 0;
	return name_compare(name_a, name_b);
}

struct node *
node_new(const uint8_t *name, size_t size)
{
	struct node *node = malloc(sizeof *node + size + END_SIZE);

	require(size < NAME_MAX_SIZE);
	if (node == NULL)
		return NULL;
	*node = (struct node){.name_size = (uint8_t)size};
	if (size > 0)
		memcpy(node->data, name, size);
	memset(node->data + size, 0, END_SIZE);
	return node;
}

static uint8_t
flags_of(uint16_t type, size_t name_size)
{
	if (type == TYPE_NS)
		return name_size > 0 ? NODE_CUT : 0;
	return type == TYPE_DNAME ? NODE_DNAME : type == TYPE_CNAME ? NODE_CNAME : 0;
}

/* Append to a node under construction. */
static uint8_t *
node_append(struct node *node, uint8_t *at, const struct rrset *rrset)
{
	node->rrset_count++;
	node->flags |= flags_of(rrset->type, node->name_size);
	return rrset_write(at, rrset);
}

struct node *
node_of(const uint8_t *name, size_t size, const struct rrset *rrsets, size_t count)
{
	size_t room = sizeof(struct node) + size + END_SIZE;

	require(size < NAME_MAX_SIZE);
	for (size_t i = 0; i < count; i++)
		room += rrset_room(&rrsets[i]);
	struct node *node = malloc(room);
	if (node == NULL)
		return NULL;
	*node = (struct node){.name_size = (uint8_t)size};
	if (size > 0)
		memcpy(node->data, name, size);
	uint8_t *at = node->data + size;
	for (size_t i = 0; i < count; i++)
		at = node_append(node, at, &rrsets[i]);
	memset(at, 0, END_SIZE);
	return node;
}

struct node *
node_with(const struct node *old, const uint8_t *name, size_t size, const struct rrset *rrset)
{
	require(size < NAME_MAX_SIZE && rrset->type != 0);
	size_t room = (old ? node_size(old) : sizeof *old + size + END_SIZE) + (rrset->count ? rrset_room(rrset) : 0);
	struct rrset have;
	if (old && node_rrset(old, rrset->type, &have))
		room -= rrset_room(&have);
	struct node *node = malloc(room);
	if (node == NULL)
		return NULL;
	*node = (struct node){
		.children = old ? old->children : 0,
		.flags = old ? old->flags & NODE_WILDCARD_CHILD : 0,
		.name_size = (uint8_t)size,
	};
	if (size > 0)
		memcpy(node->data, name, size);
	uint8_t *at = node->data + size;
	const uint8_t *from = NULL;
	bool written = rrset->count == 0;
	while (old && node_next(old, &from, &have)) {
		if (!written && have.type >= rrset->type) {
			at = node_append(node, at, rrset);
			written = true;
		}
		if (have.type != rrset->type)
			at = node_append(node, at, &have);
	}
	if (!written)
		at = node_append(node, at, rrset);
	memset(at, 0, END_SIZE);
	invariant((size_t)(at - (uint8_t *)node) + END_SIZE == room);
	return node;
}

struct node *
node_copy(const struct node *node)
{
	size_t size = node_size(node);
	struct node *copy = malloc(size);

	return copy ? memcpy(copy, node, size) : NULL;
}

uint8_t *
node_rdata_mutable(struct node *node, uint16_t type, size_t *size)
{
	struct rrset rrset;

	if (!node_rrset(node, type, &rrset))
		return NULL;
	struct rdata rdata = rrset_first(&rrset);
	*size = rdata.size;
	return (uint8_t *)node + (rdata.bytes - (const uint8_t *)node);
}
