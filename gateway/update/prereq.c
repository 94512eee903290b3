#include "update/prereq.h"
#include <stdlib.h>

static unsigned
say(const struct overlay *overlay, const struct form_record *record, unsigned rcode, struct ede *ede)
{
	char name[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
	const char *what = rcode == RCODE_NXDOMAIN ? "is not in use" : rcode == RCODE_YXDOMAIN ? "is in use"
		: rcode == RCODE_YXRRSET ? "exists" : "is not there, or not like this";

	ede_set(ede, EDE_OTHER, "prerequisite: %.100s%s%s %s",
		name_to_text(overlay->form->names[record->name].name, name), record->type == TYPE_ANY ? "" : " ",
		record->type == TYPE_ANY ? "" : rrtype_to_text(record->type, type), what);
	return rcode;
}

/* 2.4.4, 2.4.5: a name is in use where it owns at least one RR; an empty non-terminal does not. */
static bool
name_in_use(struct overlay *overlay, const struct form_record *record)
{
	const struct node *node = overlay_node(overlay, record->name);

	return node && node->rrset_count > 0;
}

static bool
rrset_exists(struct overlay *overlay, const struct form_record *record)
{
	const struct node *node = overlay_node(overlay, record->name);
	struct rrset rrset;

	return node && node_rrset(node, record->type, &rrset);
}

/* 2.4.1 and 2.4.4 (class ANY), 2.4.3 and 2.4.5 (class NONE). */
static unsigned
check_independent(struct overlay *overlay, const struct form_record *record)
{
	bool is_any = record->class_ == CLASS_ANY;

	if (record->type == TYPE_ANY) {
		if (name_in_use(overlay, record) == is_any)
			return RCODE_NOERROR;
		return is_any ? RCODE_NXDOMAIN : RCODE_YXDOMAIN;
	}
	if (rrset_exists(overlay, record) == is_any)
		return RCODE_NOERROR;
	return is_any ? RCODE_NXRRSET : RCODE_YXRRSET;
}

static int
compare(const void *a, const void *b)
{
	const struct form_record *x = *(const struct form_record *const *)a, *y = *(const struct form_record *const *)b;

	return rdata_compare(x->rdata, x->rdata_size, y->rdata, y->rdata_size, x->type);
}

/* 2.4.2: the RRset is exactly these; both in canonical order. A record that is named twice counts once. */
static bool
rrset_is(const struct rrset *rrset, const struct form_record **wanted, size_t count)
{
	const uint8_t *at = rrset->packed;
	size_t used = 0;

	qsort(wanted, count, sizeof *wanted, compare);
	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata have = rrset_next(&at);
		if (used == count ||
		    !rdata_equal(have.bytes, have.size, wanted[used]->rdata, wanted[used]->rdata_size, rrset->type))
			return false;
		for (used++; used < count && compare(&wanted[used - 1], &wanted[used]) == 0;)
			used++;
	}
	return used == count;
}

/* 2.4.2, 3.2.3: all value-dependent records of one name and type, gathered into an RRset from `first` on. */
static unsigned
check_dependent(struct overlay *overlay, size_t first, const struct form_record **wanted, bool *done)
{
	const struct form *form = overlay->form;
	const struct form_record *lead = &form->prerequisites[first];
	const struct node *node = overlay_node(overlay, lead->name);
	struct rrset rrset;
	size_t count = 0;

	for (size_t i = first; i < form->prerequisite_count; i++) {
		const struct form_record *record = &form->prerequisites[i];
		if (record->class_ != CLASS_IN || record->name != lead->name || record->type != lead->type)
			continue;
		wanted[count++] = record;
		done[i] = true;
	}
	if (node == NULL || !node_rrset(node, lead->type, &rrset))
		return RCODE_NXRRSET;
	if (count == 1 && rrset.count == 1) {
		struct rdata have = rrset_first(&rrset);
		return rdata_equal(have.bytes, have.size, lead->rdata, lead->rdata_size, lead->type) ? RCODE_NOERROR
												     : RCODE_NXRRSET;
	}
	return rrset_is(&rrset, wanted, count) ? RCODE_NOERROR : RCODE_NXRRSET;
}

unsigned
prereq_check(struct overlay *overlay, struct ede *ede)
{
	const struct form *form = overlay->form;
	size_t count = form->prerequisite_count, dependent = 0;
	unsigned rcode;

	for (size_t i = 0; i < count; i++) {
		if (form->prerequisites[i].class_ == CLASS_IN) {
			dependent++;
			continue;
		}
		rcode = check_independent(overlay, &form->prerequisites[i]);
		if (rcode != RCODE_NOERROR)
			return say(overlay, &form->prerequisites[i], rcode, ede);
	}
	if (dependent == 0)
		return RCODE_NOERROR;
	const struct form_record **wanted = arena_alloc(overlay->arena, dependent * sizeof(struct form_record *));
	bool *done = arena_alloc(overlay->arena, count * sizeof *done);
	if (wanted == NULL || done == NULL)
		return RCODE_SERVFAIL;
	memset(done, 0, count * sizeof *done);
	for (size_t i = 0; i < count; i++) {
		if (form->prerequisites[i].class_ != CLASS_IN || done[i])
			continue;
		rcode = check_dependent(overlay, i, wanted, done);
		if (rcode != RCODE_NOERROR)
			return say(overlay, &form->prerequisites[i], rcode, ede);
	}
	return RCODE_NOERROR;
}
