/*
 * Key files in BIND's syntax, for keyring.c only: others call keyring_parse and keyring_load, which say more.
 *
 * Threads:   the one that builds the keyring.
 * Memory:    what was read is wiped.
 * Errors:    "FILE:LINE: reason" in `reason`, KEYRING_REASON_SIZE.
 * Limits:    a file of 1 MiB.
 * Standards: BIND 9 ARM, the key statement.
 */
#ifndef ZONEGATE_KEYS_KEYFILE_H
#define ZONEGATE_KEYS_KEYFILE_H

#include "keys/keyring.h"

MUST_USE enum status keyfile_parse(struct keyring *keyring, const char *text, size_t size, const char *path, char *reason);
MUST_USE enum status keyfile_load(struct keyring *keyring, const char *path, char *reason);
/* `text` for a message, or "..." where it might be a secret: over 30 characters, or with those of base64. */
const char *keyfile_word(const char *text);

#endif
