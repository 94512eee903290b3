/*
 * Key names to secrets.
 *
 * Threads:   a keyring is immutable once built but for the use counters; read by any thread inside an RCU section (or
 *            by who owns it); replaced as a whole at reload.
 * Memory:    counted: whoever keeps a key beyond its RCU section holds the keyring (keyring_hold); the last
 *            keyring_free wipes the secrets.
 * Errors:    a file's mistake is STATUS_MALFORMED with "FILE:LINE: reason".
 * Limits:    a file of 1 MiB; a secret of KEYRING_SECRET_MAX octets.
 * Standards: RFC 8945; the syntax of BIND's key statement (tsig-keygen, rndc-confgen, nsupdate -k), and nsupdate's
 *            "[algorithm:]name:secret" in configurations is not taken.
 */
#ifndef ZONEGATE_KEYS_KEYRING_H
#define ZONEGATE_KEYS_KEYRING_H

#include "base/stat.h"
#include "base/status.h"
#include "keys/algorithm.h"
#include "wire/name.h"

#define KEYRING_REASON_SIZE 512
#define KEYRING_SECRET_MAX 1024

struct keyring;

struct key {
	uint8_t name[NAME_MAX_SIZE];   /* wire form, lower case */
	char *text;                    /* the same, presentation format, final dot */
	const struct algorithm *algorithm;
	struct digest_key *digest_key;
	uint8_t *secret; size_t secret_size; /* wiped by keyring_free */
	stat_counter uses;             /* requests verified with it (shared) */
	stat_counter last_use_s;       /* wall clock; 0: never */
	struct keyring *keyring;       /* the one that it is in */
};

struct keyring *keyring_new(void);
/* Give up one's share: the first comes from keyring_new. NULL is fine. */
void keyring_free(struct keyring *keyring);
/* Take a share, inside the RCU section in which a key of it was found; any thread. */
void keyring_hold(struct keyring *keyring);

/*
 * STATUS_EXISTS (same name twice), STATUS_MALFORMED (name, algorithm or base64), STATUS_UNSUPPORTED (libcrypto is
 * without the digest); reason has KEYRING_REASON_SIZE.
 */
MUST_USE enum status keyring_add(struct keyring *keyring, const char *name, const char *algorithm,
				 const char *secret_base64, char *reason);
/*
 * All key statements of a file; comments are //, # and C's. What rndc-confgen and ddns-confgen print beside the key
 * (options, controls, server, update-policy, their line "nsupdate …") is passed over. A file without a key is a
 * mistake. STATUS_IO: cannot be read; STATUS_LIMIT: over 1 MiB; the reason is set for these too.
 */
MUST_USE enum status keyring_load(struct keyring *keyring, const char *path, char *reason);
/* The same from memory; `path` only for messages. */
MUST_USE enum status keyring_parse(struct keyring *keyring, const char *text, size_t size, const char *path,
				   char *reason);

/* Lower-case wire name; NULL: no such key. */
struct key *keyring_find(const struct keyring *keyring, const uint8_t *name);
size_t keyring_count(const struct keyring *keyring);
struct key *keyring_at(const struct keyring *keyring, size_t index);
/* Takes over use counts of keys that stay the same, at reload. */
void keyring_inherit(struct keyring *keyring, const struct keyring *old);

/*
 * A new key in the syntax that keyring_parse reads, as tsig-keygen prints it; `out` takes 2,048 characters.
 * STATUS_INVALID: no such algorithm, or no name.
 */
MUST_USE enum status keyring_generate(const char *name, const char *algorithm, char *out, size_t room);

#endif
