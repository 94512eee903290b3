/*
 * Key files in BIND's syntax, for keyring.c: others call keyring_parse and keyring_load.
 *
 * Threads:   any; no state.
 * Memory:    what was read is wiped; what `add` gets is borrowed.
 * Errors:    "FILE:LINE: reason" in `reason`, KEYFILE_REASON_SIZE. No reason tells a secret.
 * Limits:    a file of 1 MiB.
 * Standards: BIND 9 ARM, the key statement.
 */
#ifndef ZONEGATE_KEYS_KEYFILE_H
#define ZONEGATE_KEYS_KEYFILE_H

#include "base/status.h"
#include <stddef.h>

#define KEYFILE_REASON_SIZE 512

/*
 * Called for each key statement, in order; a status that is not good ends the reading, with the `reason` that it gave.
 */
typedef enum status keyfile_add(void *context, const char *name, const char *algorithm, const char *secret_base64,
				char *reason);

MUST_USE enum status keyfile_parse(const char *text, size_t size, const char *path, keyfile_add *add, void *context,
				   char *reason);
/* STATUS_IO: cannot be read; STATUS_LIMIT: over 1 MiB. */
MUST_USE enum status keyfile_load(const char *path, keyfile_add *add, void *context, char *reason);
/* `text` for a message, or "..." where it might be a secret: over 30 characters, or with those of base64. */
const char *keyfile_word(const char *text);

#endif
