#include "update/update.h"
#include "update/apply.h"
#include "update/overlay.h"
#include "update/permit.h"
#include "update/prereq.h"
#include "update/requestor.h"
#include <stdlib.h>

void
update_settings_free(struct update_settings *settings)
{
	if (settings == NULL || atomic_fetch_sub(&settings->others, 1) > 0)
		return;
	policy_free(settings->policy);
	acl_free(settings->allow_update);
	free(settings);
}

static struct policy_requestor
requestor_of(const struct update_request *request)
{
	return (struct policy_requestor){.key_name = request->key_name,
					 .address = (const struct sockaddr *)&request->client,
					 .tcp = request->transport != UPDATE_UDP,
					 .names = request->names,
					 .names_size = request->names_size};
}

unsigned
update_check_form(struct update_request *request)
{
	struct ede ede = {.code = EDE_NONE};
	unsigned rcode = form_read(&request->msg, request->msg.qname, &request->arena, &request->form, &ede);

	request->rcode = rcode;
	request->ede = ede;
	return rcode;
}

bool
update_could_allow(const struct update_settings *settings, const struct policy_requestor *who)
{
	if (settings == NULL)
		return false;
	return settings->policy ? policy_could_allow(settings->policy, who) : acl_allows(settings->allow_update, who);
}

enum status
update_names(struct update_request *request, const uint8_t ***names, size_t *count)
{
	require(request->form != NULL);
	const struct form *form = request->form;
	const uint8_t **all = arena_alloc(&request->arena, form->name_count * sizeof *all);

	if (all == NULL)
		return STATUS_LIMIT;
	for (size_t i = 0; i < form->name_count; i++)
		all[i] = form->names[i].name;
	*names = all;
	*count = form->name_count;
	return STATUS_OK;
}

static enum update_effect
answer(struct update_request *request, unsigned rcode)
{
	if (rcode == RCODE_SERVFAIL && request->ede.code == EDE_NONE)
		ede_set(&request->ede, EDE_OTHER, "the message takes too much memory");
	request->rcode = rcode;
	return UPDATE_NOTHING;
}

/* False: it adds a ZONEMD at the apex, which is the gateway's to make. */
static bool
check_digest(const struct update_request *request, const struct zone_version *version, struct ede *ede)
{
	const struct form *form = request->form;

	for (size_t i = 0; i < form->update_count; i++) {
		const struct form_record *record = &form->updates[i];
		if (record->type != TYPE_ZONEMD || record->class_ != CLASS_IN ||
		    form->names[record->name].size != version->apex_size)
			continue;
		ede_set(ede, EDE_PROHIBITED, "ZONEMD of the zone is made by the gateway");
		return false;
	}
	return true;
}

/* updates.md 3 to 5: may it be, and does all hold that the message wants to hold? */
static unsigned
check_before(struct update_request *request, const struct update_settings *settings, struct overlay *overlay)
{
	struct policy_requestor who = requestor_of(request);

	if (overlay->version->frozen) {
		ede_set(&request->ede, EDE_PROHIBITED, "the zone is frozen");
		return RCODE_REFUSED;
	}
	if (settings && settings->zonemd && !check_digest(request, overlay->version, &request->ede))
		return RCODE_REFUSED;
	if (request->form->update_count == 0 && !update_could_allow(settings, &who)) {
		ede_set(&request->ede, EDE_PROHIBITED, "no rule allows this sender anything");
		return RCODE_REFUSED;
	}
	unsigned rcode = permit_check(overlay, settings ? settings->policy : NULL,
				      settings ? settings->allow_update : NULL, &who, &request->ede);
	return rcode == RCODE_NOERROR ? prereq_check(overlay, &request->ede) : rcode;
}

static const char *
transport_text(enum update_transport transport)
{
	return transport == UPDATE_UDP ? "udp" : transport == UPDATE_TCP ? "tcp" : "tls";
}

/* False: no memory. */
static bool
fill_origin(struct update_request *request, struct change_origin *origin)
{
	char client[REQUESTOR_TEXT_SIZE];

	requestor_text((const struct sockaddr *)&request->client, client);
	origin->client = arena_text(&request->arena, client);
	origin->transport = transport_text(request->transport);
	origin->key = request->key_text ? arena_text(&request->arena, request->key_text) : NULL;
	origin->id = request->msg.id;
	origin->has_id = true;
	origin->has_mac = request->has_mac;
	memcpy(origin->mac, request->mac, sizeof origin->mac);
	return origin->client && (origin->key || !request->key_text);
}

static bool
sets_soa(const struct change *change)
{
	for (size_t i = 0; i < change->op_count; i++)
		if (change->ops[i].rrset.type == TYPE_SOA)
			return true;
	return false;
}

/* The net effect (updates.md 8) and the serial (7). */
static enum update_effect
conclude(struct update_request *request, struct overlay *overlay, const struct update_settings *settings,
	 uint64_t wall_s, struct change *change)
{
	const struct zone_version *version = overlay->version;

	*change = (struct change){.base = version->version, .frozen = -1};
	if (overlay_ops(overlay, &change->ops, &change->op_count) != STATUS_OK)
		return answer(request, RCODE_SERVFAIL);
	if (change->op_count == 0)
		return answer(request, RCODE_NOERROR);
	memcpy(change->base_id, version->id, sizeof change->base_id);
	change->zone = arena_copy(&request->arena, version->apex, version->apex_size);
	if (change->zone == NULL || overlay_reads(overlay, &change->reads, &change->read_count) != STATUS_OK ||
	    !fill_origin(request, &change->origin))
		return answer(request, RCODE_SERVFAIL);
	change->serial = sets_soa(change) ? 0 : serial_candidate(settings->serial, wall_s);
	request->rcode = RCODE_NOERROR;
	return UPDATE_CHANGE;
}

enum update_effect
update_evaluate(struct update_request *request, const struct zone_version *version,
		const struct update_settings *settings, uint64_t wall_s, struct change *change)
{
	struct overlay overlay;
	unsigned rcode = request->form ? RCODE_NOERROR : update_check_form(request);

	if (rcode != RCODE_NOERROR)
		return answer(request, rcode);
	request->ede.code = EDE_NONE;
	request->version = 0;
	request->serial = version->serial;
	if (overlay_begin(&overlay, version, request->form, &request->arena) != STATUS_OK)
		return answer(request, RCODE_SERVFAIL);
	rcode = check_before(request, settings, &overlay);
	if (rcode == RCODE_NOERROR && request->form->update_count > 0)
		rcode = apply_updates(&overlay, settings->strict, &request->ede);
	if (rcode != RCODE_NOERROR || request->form->update_count == 0)
		return answer(request, rcode);
	return conclude(request, &overlay, settings, wall_s, change);
}
