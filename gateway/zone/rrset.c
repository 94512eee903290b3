#include "zone/rrset.h"
#include <stdlib.h>

bool
rrset_has(const struct rrset *rrset, const uint8_t *rdata, size_t size)
{
	const uint8_t *at = rrset->packed;

	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata have = rrset_next(&at);
		if (rdata_equal(have.bytes, have.size, rdata, size, rrset->type))
			return true;
	}
	return false;
}

bool
rrset_equal(const struct rrset *a, const struct rrset *b)
{
	const uint8_t *at_a = a->packed, *at_b = b->packed;

	if (a->type != b->type || a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		struct rdata in_a = rrset_next(&at_a), in_b = rrset_next(&at_b);
		if (!rdata_equal(in_a.bytes, in_a.size, in_b.bytes, in_b.size, a->type))
			return false;
	}
	return true;
}

/* What is less than the record is passed for good. */
static bool
has_next(struct rrset_missing *walk, struct rdata wanted)
{
	while (walk->in_left > 0) {
		const uint8_t *next = walk->in_at;
		struct rdata have = rrset_next(&next);
		int order = rdata_compare(have.bytes, have.size, wanted.bytes, wanted.size, walk->of->type);
		if (order > 0)
			return false;
		walk->in_at = next;
		walk->in_left--;
		if (order == 0)
			return have.size == wanted.size && memcmp(have.bytes, wanted.bytes, wanted.size) == 0;
	}
	return false;
}

bool
rrset_missing_next(struct rrset_missing *walk, struct rrset *record)
{
	while (walk->of_left > 0) {
		const uint8_t *at = walk->of_at;
		struct rdata rdata = rrset_next(&walk->of_at);
		walk->of_left--;
		if (!has_next(walk, rdata)) {
			*record = (struct rrset){walk->of->type, 1, walk->of->ttl_s, at, (uint32_t)(walk->of_at - at)};
			return true;
		}
	}
	return false;
}

bool
rrset_is_sorted(const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;
	struct rdata before = {0};

	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		if (i > 0 && rdata_compare(before.bytes, before.size, rdata.bytes, rdata.size, rrset->type) >= 0)
			return false;
		before = rdata;
	}
	return true;
}

struct merge_item {
	struct rdata rdata;
	uint16_t type;
	uint32_t rank; /* place before sorting: of equal ones the first is kept */
};

static int
merge_compare(const void *a, const void *b)
{
	const struct merge_item *x = a, *y = b;
	int order = rdata_compare(x->rdata.bytes, x->rdata.size, y->rdata.bytes, y->rdata.size, x->type);

	return order != 0 ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static size_t
merge_list(struct merge_item *items, size_t count, const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;

	for (unsigned i = 0; i < rrset->count; i++, count++)
		items[count] = (struct merge_item){rrset_next(&at), rrset->type, (uint32_t)count};
	return count;
}

/* Sorted items to packed form; returns how many are left without duplicates. */
static size_t
merge_pack(const struct merge_item *items, size_t count, uint8_t *out, uint32_t *size)
{
	size_t kept = 0, used = 0;
	const struct merge_item *last = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct rdata *rdata = &items[i].rdata;
		if (last && rdata_equal(last->rdata.bytes, last->rdata.size, rdata->bytes, rdata->size, last->type))
			continue;
		memcpy(out + used, &rdata->size, 2);
		if (rdata->size > 0)
			memcpy(out + used + 2, rdata->bytes, rdata->size);
		used += 2u + rdata->size;
		kept++;
		last = &items[i];
	}
	*size = (uint32_t)used;
	return kept;
}

enum status
rrset_merge(const struct rrset *a, const struct rrset *b, struct rrset *merged, uint8_t **block)
{
	size_t count = a->count + (b ? b->count : 0u);
	size_t size = a->packed_size + (b ? b->packed_size : 0u);
	struct merge_item *items = malloc(count * sizeof *items + 1);
	uint8_t *packed = malloc(size + 1);
	enum status status = STATUS_NO_MEMORY;

	if (items == NULL || packed == NULL)
		goto out;
	count = merge_list(items, 0, a);
	if (b)
		count = merge_list(items, count, b);
	qsort(items, count, sizeof *items, merge_compare);
	*merged = (struct rrset){.type = a->type, .ttl_s = a->ttl_s, .packed = packed};
	count = merge_pack(items, count, packed, &merged->packed_size);
	status = STATUS_LIMIT;
	if (count > UINT16_MAX)
		goto out;
	merged->count = (uint16_t)count;
	*block = packed;
	packed = NULL;
	status = STATUS_OK;
out:
	free(items);
	free(packed);
	return status;
}
