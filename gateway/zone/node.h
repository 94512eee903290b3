/*
 * Everything at one owner name, in one allocation: flags, relative owner name, RRsets one after the other.
 *
 * Threads:   immutable once in a published version; any.
 * Memory:    one malloc block a node; freed by tree.c (in a draft) or when the version that replaced it is old enough.
 * Why:       1,000,000 names with an A record at 48 octets a node, malloc's own included; an answer touches one block.
 */
#ifndef ZONEGATE_ZONE_NODE_H
#define ZONEGATE_ZONE_NODE_H

#include "zone/rrset.h"

enum node_flag {
	NODE_CUT = 1,        /* NS here and not the apex: a zone cut */
	NODE_DNAME = 2,
	NODE_CNAME = 4,
	NODE_WILDCARD_CHILD = 8, /* "*" exists just below */
};

struct node {
	uint32_t children;    /* names directly below that exist (the apex does not count its own) */
	uint16_t rrset_count; /* 0: an empty non-terminal */
	uint8_t flags;
	uint8_t name_size;    /* octets of the relative name: labels without the root's; 0: the apex */
	/*
	 * Name, then RRsets by ascending TYPE: { u16 type, u16 count, u32 ttl, u32 packed_size unless count is 1,
	 * packed }, then u16 0; all unaligned. Read them with node_rrset and node_next.
	 */
	uint8_t data[];
};

/* memcmp(a, b, size) == 0, inline: names are short, and a query makes this comparison twice. */
static inline bool
node_same_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint64_t x, y;
	uint32_t v, w;

	if (__builtin_expect(size < 4, 0)) {
		for (size_t i = 0; i < size; i++)
			if (a[i] != b[i])
				return false;
		return true;
	}
	if (size < 8) {
		memcpy(&v, a, 4);
		memcpy(&w, b, 4);
		if (v != w)
			return false;
		memcpy(&v, a + size - 4, 4);
		memcpy(&w, b + size - 4, 4);
		return v == w;
	}
	for (size_t i = 0; i < size - 8; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	memcpy(&x, a + size - 8, 8);
	memcpy(&y, b + size - 8, 8);
	return x == y;
}

#define NODE_HEADER_SIZE 8       /* type, count, TTL */
#define NODE_HEADER_MANY_SIZE 12 /* and packed_size */

/* The RRset at `at`, which is not the end; returns where the next one begins. */
static inline const uint8_t *
node_read_rrset(const uint8_t *at, struct rrset *rrset)
{
	memcpy(&rrset->type, at, 2);
	memcpy(&rrset->count, at + 2, 2);
	memcpy(&rrset->ttl_s, at + 4, 4);
	if (__builtin_expect(rrset->count == 1, 1)) {
		uint16_t size;
		memcpy(&size, at + NODE_HEADER_SIZE, 2);
		rrset->packed = at + NODE_HEADER_SIZE;
		rrset->packed_size = size + 2u;
	} else {
		memcpy(&rrset->packed_size, at + NODE_HEADER_SIZE, 4);
		rrset->packed = at + NODE_HEADER_MANY_SIZE;
	}
	return rrset->packed + rrset->packed_size;
}

/* False if there is none of that type. */
static inline bool
node_rrset(const struct node *node, uint16_t type, struct rrset *rrset)
{
	const uint8_t *at = node->data + node->name_size;

	for (unsigned i = node->rrset_count; i > 0; i--) {
		at = node_read_rrset(at, rrset);
		if (rrset->type == type)
			return true;
	}
	return false;
}

/* Walk all, by ascending type: start with *at = NULL; false after the last. */
static inline bool
node_next(const struct node *node, const uint8_t **at, struct rrset *rrset)
{
	const uint8_t *next = *at ? *at : node->data + node->name_size;

	if ((next[0] | next[1]) == 0) /* type 0 */
		return false;
	*at = node_read_rrset(next, rrset);
	return true;
}

static inline const uint8_t *node_name(const struct node *node) { return node->data; }
/* Absolute owner, lower case, into NAME_MAX_SIZE octets; returns its size. */
size_t node_owner(const struct node *node, const uint8_t *apex, uint8_t *out);

/* Octets of the block that were asked of malloc. */
size_t node_size(const struct node *node);
/* Records at the node. */
uint64_t node_records(const struct node *node);
/* Canonical order of the owners (RFC 4034 6.1): <0, 0, >0. */
int node_compare(const struct node *a, const struct node *b);

/* For draft.c. Blocks are given; NULL: no memory. */
/* An empty non-terminal without children. */
struct node *node_new(const uint8_t *name, size_t size);
/* As `old` (NULL: node_new) with this RRset instead of the one of its type; count 0: without it. Flags are set anew. */
struct node *node_with(const struct node *old, const uint8_t *name, size_t size, const struct rrset *rrset);
/* A node with these RRsets, by ascending TYPE, each of them sorted. */
struct node *node_of(const uint8_t *name, size_t size, const struct rrset *rrsets, size_t count);
struct node *node_copy(const struct node *node);
/* In a node of the draft's own: the first RDATA of a type, to be changed in place; NULL: none. */
uint8_t *node_rdata_mutable(struct node *node, uint16_t type, size_t *size);

#endif
