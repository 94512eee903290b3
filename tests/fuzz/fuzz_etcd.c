/* Keys and values of etcd, of all layouts: the first octet chooses, then the key up to a newline, then the value. */
#include "store/etcd_layout.h"
#include "wire/rdata.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What we write is read as what it was. */
static void
write_again(const struct rrset *rrset)
{
	char reason[ETCD_LAYOUT_REASON_SIZE], *text = etcd_layout_write_helix(rrset);
	struct etcd_records records = {0};
	struct rrset again;
	uint8_t *packed;
	uint16_t at = 0;

	if (!text)
		return;
	if (etcd_layout_helix_value(rrset->type, text, strlen(text), rrset->ttl_s, &records, reason) != STATUS_OK ||
	    etcd_records_rrset(&records, &at, &again, &packed) != STATUS_OK)
		abort();
	if (again.packed_size != rrset->packed_size || memcmp(again.packed, rrset->packed, again.packed_size) != 0)
		abort();
	free(packed);
	free(text);
	etcd_records_free(&records);
}

static void
try_helix(const char *key, size_t key_size, const char *value, size_t value_size)
{
	char reason[ETCD_LAYOUT_REASON_SIZE];
	struct etcd_records records = {0};
	uint8_t owner[NAME_MAX_SIZE];
	struct rrset rrset;
	uint8_t *packed;
	uint16_t type, at = 0;

	if (etcd_layout_helix_key(key, key_size, owner, &type, reason) != STATUS_OK)
		return;
	if (etcd_layout_helix_value(type, value, value_size, 5, &records, reason) == STATUS_OK &&
	    etcd_records_rrset(&records, &at, &rrset, &packed) == STATUS_OK) {
		write_again(&rrset);
		free(packed);
	}
	etcd_records_free(&records);
}

static void
try_names(const char *key, size_t key_size, const char *value, size_t value_size)
{
	char reason[ETCD_LAYOUT_REASON_SIZE], path[ETCD_PATH_SIZE];
	uint8_t name[NAME_MAX_SIZE], again[NAME_MAX_SIZE];
	struct etcd_records records = {0};

	if (etcd_layout_name(key, key_size, name, reason) == STATUS_OK) {
		etcd_layout_path(name, path);
		if (etcd_layout_name(path, strlen(path), again, reason) != STATUS_OK || !name_equal(name, again))
			abort();
	}
	(void)!etcd_layout_read_names(value, value_size, &records, reason);
	etcd_records_free(&records);
}

/* RDATA of any kind as a service; what can be said so is a service. */
static void
try_service(const uint8_t *rdata, size_t size)
{
	static const uint16_t types[] = {TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_PTR, TYPE_MX, TYPE_SRV, TYPE_TXT};
	char reason[ETCD_LAYOUT_REASON_SIZE], *text;
	struct etcd_service service;
	uint16_t type = types[size % ARRAY_SIZE(types)];

	if (size > RDATA_MAX_SIZE || rdata_check_plain(rdata, size, type) != STATUS_OK ||
	    etcd_layout_write_service(type, 300, rdata, size, &text, reason) != STATUS_OK)
		return;
	if (etcd_layout_read_service(text, strlen(text), &service, reason) != STATUS_OK)
		abort();
	if (type == TYPE_A || type == TYPE_AAAA) {
		if (service.kind != (type == TYPE_A ? ETCD_HOST_A : ETCD_HOST_AAAA) ||
		    memcmp(service.address, rdata, size) != 0)
			abort();
	} else if (type != TYPE_TXT &&
		   (service.kind != ETCD_HOST_NAME || !name_equal(service.host, rdata_name(rdata, size, type, 0)))) {
		abort();
	}
	etcd_layout_free_service(&service);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *text = (const char *)bytes + 1, *newline;
	char reason[ETCD_LAYOUT_REASON_SIZE];
	struct etcd_service service;

	if (size < 2)
		return 0;
	newline = memchr(text, '\n', size - 1);
	const char *value = newline ? newline + 1 : text;
	size_t key_size = newline ? (size_t)(newline - text) : 0, value_size = size - 1 - (size_t)(value - text);
	switch (bytes[0] % 4) {
	case 0:
		try_helix(text, key_size, value, value_size);
		break;
	case 1:
		try_names(text, key_size, value, value_size);
		break;
	case 2:
		if (etcd_layout_read_service(value, value_size, &service, reason) == STATUS_OK)
			etcd_layout_free_service(&service);
		break;
	default:
		try_service(bytes + 1, size - 1);
	}
	return 0;
}
