/* Key files: any text is read or refused with "FILE:LINE: reason"; what was read is found. */
#include "keys/keyring.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char reason[KEYRING_REASON_SIZE] = "";
	struct keyring *keys = keyring_new(), *again = keyring_new();

	if (keyring_parse(keys, (const char *)bytes, size, "a.key", reason) == STATUS_OK)
		require(keyring_count(keys) > 0 && reason[0] == '\0');
	else
		require(strncmp(reason, "a.key:", 6) == 0 && strtoul(reason + 6, NULL, 10) > 0);
	for (size_t i = 0; i < keyring_count(keys); i++) {
		struct key *key = keyring_at(keys, i);
		require(keyring_find(keys, key->name) == key && key->secret_size > 0);
		require(keyring_add(again, key->text, key->algorithm->text, "bWFk", reason) == STATUS_OK);
		require(keyring_find(again, key->name) != NULL);
	}
	keyring_inherit(again, keys);
	keyring_free(keys);
	keyring_free(again);
	return 0;
}
