/* Keys and values of etcd, of all layouts: the first octet chooses, then the key up to a newline, then the value. */
#include "store/etcd_layout.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

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
		free(etcd_layout_write_helix(&rrset));
		free(packed);
	}
	etcd_records_free(&records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *text = (const char *)bytes + 1, *newline;
	char reason[ETCD_LAYOUT_REASON_SIZE];
	uint8_t name[NAME_MAX_SIZE];
	struct etcd_records records = {0};
	struct etcd_service service;

	if (size < 2)
		return 0;
	newline = memchr(text, '\n', size - 1);
	const char *value = newline ? newline + 1 : text;
	size_t key_size = newline ? (size_t)(newline - text) : 0, value_size = size - 1 - (size_t)(value - text);
	if (bytes[0] % 3 == 0) {
		try_helix(text, key_size, value, value_size);
	} else if (bytes[0] % 3 == 1) {
		if (etcd_layout_name(text, key_size, name, reason) == STATUS_OK) {
			char path[ETCD_PATH_SIZE];
			etcd_layout_path(name, path);
		}
		(void)!etcd_layout_read_names(value, value_size, &records, reason);
		etcd_records_free(&records);
	} else if (etcd_layout_read_service(value, value_size, &service, reason) == STATUS_OK) {
		etcd_layout_free_service(&service);
	}
	return 0;
}
