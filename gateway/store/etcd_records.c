#include "store/etcd_records.h"
#include "wire/rdata.h"
#include <stdlib.h>

#define RECORD_HEAD 8

void
etcd_records_free(struct etcd_records *records)
{
	free(records->bytes);
	*records = (struct etcd_records){0};
}

enum status
etcd_records_add(struct etcd_records *records, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t size)
{
	size_t needed = records->size + RECORD_HEAD + size;
	uint16_t short_size = (uint16_t)size;

	if (size > RDATA_MAX_SIZE)
		return STATUS_INVALID;
	if (needed > records->room) {
		size_t room = records->size ? needed * 2 : needed; /* most names have one */
		uint8_t *bytes = realloc(records->bytes, room);
		if (!bytes)
			return STATUS_NO_MEMORY;
		records->bytes = bytes;
		records->room = room;
	}
	uint8_t *at = records->bytes + records->size;
	memcpy(at, &type, 2);
	memcpy(at + 2, &ttl_s, 4);
	memcpy(at + 6, &short_size, 2);
	if (size)
		memcpy(at + RECORD_HEAD, rdata, size);
	records->size = needed;
	return STATUS_OK;
}

enum status
etcd_records_add_text(struct etcd_records *records, uint32_t ttl_s, const char *text, size_t size)
{
	uint8_t rdata[RDATA_MAX_SIZE];
	struct writer out = writer_over(rdata, sizeof rdata);

	do {
		size_t part = size < 255 ? size : 255;
		writer_u8(&out, (uint8_t)part);
		writer_bytes(&out, text, part);
		text += part;
		size -= part;
	} while (size);
	return out.failed ? STATUS_INVALID : etcd_records_add(records, TYPE_TXT, ttl_s, rdata, writer_size(&out));
}

bool
etcd_records_next(const struct etcd_records *records, size_t *at, struct etcd_record *record)
{
	if (*at >= records->size)
		return false;
	const uint8_t *from = records->bytes + *at;
	memcpy(&record->type, from, 2);
	memcpy(&record->ttl_s, from + 2, 4);
	memcpy(&record->size, from + 6, 2);
	record->rdata = from + RECORD_HEAD;
	*at += RECORD_HEAD + record->size;
	return true;
}

/* The smallest type above *type. */
static bool
next_type(const struct etcd_records *records, uint16_t *type)
{
	struct etcd_record record;
	unsigned least = UINT16_MAX + 1u;

	for (size_t at = 0; etcd_records_next(records, &at, &record);)
		if (record.type > *type && record.type < least)
			least = record.type;
	if (least > UINT16_MAX)
		return false;
	*type = (uint16_t)least;
	return true;
}

enum status
etcd_records_rrset(const struct etcd_records *records, uint16_t *type, struct rrset *rrset, uint8_t **packed)
{
	struct etcd_record record;
	struct rrset plain = {.ttl_s = UINT32_MAX};
	uint8_t *bytes, *out;

	if (!next_type(records, type))
		return STATUS_NOT_FOUND;
	bytes = malloc(records->size);
	if (!bytes)
		return STATUS_NO_MEMORY;
	out = bytes;
	plain.type = *type;
	for (size_t at = 0; etcd_records_next(records, &at, &record);) {
		if (record.type != *type || plain.count == UINT16_MAX)
			continue;
		memcpy(out, &record.size, 2);
		if (record.size)
			memcpy(out + 2, record.rdata, record.size);
		out += 2u + record.size;
		plain.count++;
		plain.ttl_s = record.ttl_s < plain.ttl_s ? record.ttl_s : plain.ttl_s;
	}
	plain.packed = bytes;
	plain.packed_size = (uint32_t)(out - bytes);
	if (plain.count == 1) {
		*rrset = plain;
		*packed = bytes;
		return STATUS_OK;
	}
	enum status status = rrset_merge(&plain, NULL, rrset, packed);
	free(bytes);
	return status;
}

enum status
etcd_records_into(struct draft *draft, const uint8_t *owner, const struct etcd_records *records)
{
	uint16_t type = 0;
	struct rrset rrset;
	uint8_t *packed;
	enum status status;

	while ((status = etcd_records_rrset(records, &type, &rrset, &packed)) == STATUS_OK) {
		status = draft_set(draft, owner, &rrset);
		free(packed);
		if (status && status != STATUS_EXISTS)
			return status;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
