#include "update/apply.h"

/* One pass over the update section. */
struct apply {
	struct overlay *overlay;
	uint32_t apex;        /* index of the zone's name among those of the form; UINT32_MAX: it is not mentioned */
	const char *ignored;  /* why the record at hand is ignored; NULL: it was done */
};

static bool
is_apex(const struct apply *apply, const struct form_record *record)
{
	return record->name == apply->apex;
}

static bool
has_other_than_cname(struct apply *apply, uint32_t name)
{
	for (const struct overlay_set *set = overlay_sets(apply->overlay, name); set; set = set->next)
		if (set->live > 0 && !rrtype_is_at_cname(set->type))
			return true;
	return false;
}

/* 3.4.2.2: an SOA takes the place of the zone's, if its serial is greater (RFC 1982). */
static const char *
soa_obstacle(struct apply *apply, const struct form_record *record)
{
	struct overlay_set *set = is_apex(apply, record) ? overlay_set(apply->overlay, record->name, TYPE_SOA) : NULL;

	if (set == NULL || set->live == 0)
		return "SOA at a name that is not the apex";
	struct rdata old = overlay_first(set);
	uint32_t serial = rdata_soa_serial(record->rdata, record->rdata_size);
	int32_t ahead = (int32_t)(serial - rdata_soa_serial(old.bytes, old.size));
	return ahead > 0 ? NULL : "serial of the SOA is not greater";
}

/* 3.4.2.2 "Add To An RRset": why the record cannot be added; NULL: it can. */
static const char *
add_obstacle(struct apply *apply, const struct form_record *record)
{
	if (record->type == TYPE_SOA)
		return soa_obstacle(apply, record);
	if (record->type == TYPE_CNAME)
		return has_other_than_cname(apply, record->name) ? "CNAME beside other data" : NULL;
	if (!overlay_has(apply->overlay, record->name, TYPE_CNAME) || rrtype_is_at_cname(record->type))
		return NULL;
	return record->type == TYPE_DNAME ? "DNAME beside CNAME" : "other data beside CNAME";
}

/* 2.5.1 */
static void
add_record(struct apply *apply, const struct form_record *record)
{
	struct overlay *overlay = apply->overlay;

	apply->ignored = add_obstacle(apply, record);
	if (apply->ignored)
		return;
	if (rrtype_info(record->type)->singleton) { /* CNAME, SOA, DNAME replace */
		struct overlay_set *set = overlay_set(overlay, record->name, record->type);
		if (set && !overlay_contains(overlay, set, record->rdata, record->rdata_size))
			overlay_clear(overlay, set);
	}
	overlay_add(overlay, record->name, record->type, record->ttl_s, record->rdata, record->rdata_size);
}

/* 2.5.2, 3.4.2.3 */
static void
delete_rrset(struct apply *apply, const struct form_record *record)
{
	struct overlay_set *set = overlay_set(apply->overlay, record->name, record->type);

	if (set == NULL || set->live == 0)
		return;
	if (is_apex(apply, record) && (record->type == TYPE_SOA || record->type == TYPE_NS))
		apply->ignored =
			record->type == TYPE_SOA ? "deletion of the SOA" : "deletion of the NS RRset of the apex";
	else
		overlay_clear(apply->overlay, set);
}

/* 2.5.3, 3.4.2.3: at the apex SOA and NS stay. What is DNSSEC's own is never deleted by an UPDATE (updates.md 4). */
static void
delete_name(struct apply *apply, const struct form_record *record)
{
	for (struct overlay_set *set = overlay_sets(apply->overlay, record->name); set; set = set->next) {
		if (is_apex(apply, record) && (set->type == TYPE_SOA || set->type == TYPE_NS))
			continue;
		if (!rrtype_info(set->type)->dnssec_made)
			overlay_clear(apply->overlay, set);
	}
}

/* 2.5.4, 3.4.2.4 */
static void
delete_record(struct apply *apply, const struct form_record *record)
{
	struct overlay_set *set = overlay_set(apply->overlay, record->name, record->type);

	if (set == NULL || !overlay_contains(apply->overlay, set, record->rdata, record->rdata_size))
		return;
	if (is_apex(apply, record) && record->type == TYPE_SOA)
		apply->ignored = "deletion of the SOA";
	else if (is_apex(apply, record) && record->type == TYPE_NS && set->live == 1)
		apply->ignored = "deletion of the last NS of the apex";
	else
		overlay_delete(apply->overlay, set, record->rdata, record->rdata_size);
}

static void
apply_record(struct apply *apply, const struct form_record *record)
{
	apply->ignored = NULL;
	if (record->class_ == CLASS_IN)
		add_record(apply, record);
	else if (record->class_ == CLASS_NONE)
		delete_record(apply, record);
	else if (record->type == TYPE_ANY)
		delete_name(apply, record);
	else
		delete_rrset(apply, record);
}

/* TYPE(n): not more than n records where the message has added some (updates.md 4). */
static unsigned
check_limits(struct overlay *overlay, struct ede *ede)
{
	const struct form *form = overlay->form;

	for (size_t i = 0; i < form->update_count; i++) {
		const struct form_record *record = &form->updates[i];
		char name[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
		if (record->class_ != CLASS_IN || record->limit == 0)
			continue;
		const struct overlay_set *set = overlay_set(overlay, record->name, record->type);
		if (set == NULL || set->added == 0 || set->live <= record->limit)
			continue;
		ede_set(ede, EDE_PROHIBITED, "more than %s(%u) at %.100s", rrtype_to_text(record->type, type),
			record->limit, name_to_text(form->names[record->name].name, name));
		return RCODE_REFUSED;
	}
	return RCODE_NOERROR;
}

static uint32_t
find_apex(const struct overlay *overlay)
{
	const struct form *form = overlay->form;

	for (size_t i = 0; i < form->name_count; i++)
		if (form->names[i].size == overlay->version->apex_size) /* all are within the zone */
			return (uint32_t)i;
	return UINT32_MAX;
}

unsigned
apply_updates(struct overlay *overlay, bool strict, struct ede *ede)
{
	struct apply apply = {.overlay = overlay, .apex = find_apex(overlay)};
	const struct form *form = overlay->form;

	for (size_t i = 0; i < form->update_count; i++) {
		const struct form_record *record = &form->updates[i];
		char name[NAME_TEXT_SIZE], type[RRTYPE_TEXT_SIZE];
		apply_record(&apply, record);
		if (overlay->failed)
			return RCODE_SERVFAIL;
		if (apply.ignored == NULL || (!strict && ede->code != EDE_NONE))
			continue;
		ede_set(ede, strict ? EDE_PROHIBITED : EDE_OTHER, "%s%.70s %s: %s",
			strict ? "" : "ignored: ", name_to_text(form->names[record->name].name, name),
			rrtype_to_text(record->type, type), apply.ignored);
		if (strict)
			return RCODE_REFUSED;
	}
	return check_limits(overlay, ede);
}
