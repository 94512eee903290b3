/* A zone version as a master file. */
#include "wire/name.h"
#include "wire/present.h"
#include "zone/master.h"
#include <stdlib.h>

struct output {
	FILE *out;
	const uint8_t *apex;
	char *text; /* PRESENT_TEXT_SIZE */
	const struct rrset *zonemd; /* instead of the apex's own; NULL: none */
};

static enum status
write_rrset(const struct output *output, const char *owner, const struct rrset *rrset)
{
	const uint8_t *at = rrset->packed;
	char type[RRTYPE_TEXT_SIZE];

	rrtype_to_text(rrset->type, type);
	for (unsigned i = 0; i < rrset->count; i++) {
		struct rdata rdata = rrset_next(&at);
		size_t length;
		enum status status =
			present_rdata(rrset->type, rdata.bytes, rdata.size, output->text, PRESENT_TEXT_SIZE, &length);
		if (status != STATUS_OK)
			return status;
		if (fprintf(output->out, "%s %u IN %s %s\n", owner, rrset->ttl_s, type, output->text) < 0)
			return STATUS_IO;
	}
	return STATUS_OK;
}

/* At the apex the SOA has been written already, and so has a ZONEMD in place of its own. */
static bool
is_written(const struct output *output, const struct node *node, uint16_t type)
{
	return node->name_size == 0 && (type == TYPE_SOA || (type == TYPE_ZONEMD && output->zonemd != NULL));
}

static enum status
write_node(const struct output *output, const struct node *node)
{
	uint8_t name[NAME_MAX_SIZE];
	char owner[NAME_TEXT_SIZE];
	const uint8_t *at = NULL;
	struct rrset rrset;
	enum status status = STATUS_OK;

	if (node->rrset_count == 0)
		return STATUS_OK;
	node_owner(node, output->apex, name);
	name_to_text(name, owner);
	while (status == STATUS_OK && node_next(node, &at, &rrset))
		if (!is_written(output, node, rrset.type))
			status = write_rrset(output, owner, &rrset);
	return status;
}

enum status
master_write(const struct zone_version *version, FILE *out)
{
	return master_write_digested(version, NULL, out);
}

enum status
master_write_digested(const struct zone_version *version, const struct rrset *zonemd, FILE *out)
{
	size_t count = 0;
	const struct node **nodes = version_sorted(version, &count);
	struct output output = {out, version->apex, malloc(PRESENT_TEXT_SIZE), zonemd};
	enum status status = STATUS_NO_MEMORY;
	char owner[NAME_TEXT_SIZE];
	struct rrset soa;

	if (nodes == NULL || output.text == NULL)
		goto done;
	status = STATUS_OK;
	if (version_soa(version, &soa))
		status = write_rrset(&output, name_to_text(version->apex, owner), &soa);
	if (status == STATUS_OK && zonemd != NULL)
		status = write_rrset(&output, owner, zonemd);
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		/* They lie all over the heap. */
		if (i + 8 < count)
			__builtin_prefetch(nodes[i + 8]);
		status = write_node(&output, nodes[i]);
	}
done:
	free(output.text);
	free(nodes);
	return status;
}

enum status
master_record(const uint8_t *owner, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size, char *out,
	      size_t room)
{
	char name[NAME_TEXT_SIZE], type_text[RRTYPE_TEXT_SIZE];
	size_t length;
	int used =
		snprintf(out, room, "%s %u IN %s ", name_to_text(owner, name), ttl_s, rrtype_to_text(type, type_text));

	if (used < 0 || (size_t)used >= room || room - (size_t)used < 64)
		return STATUS_LIMIT;
	return present_rdata(type, rdata, size, out + used, room - (size_t)used, &length);
}
