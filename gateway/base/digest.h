/*
 * SHA-256, HMAC and constant-time compare, over OpenSSL's libcrypto.
 *
 * Threads:   any; a context belongs to one thread at a time.
 * Memory:    contexts are heap objects; digest_key_free wipes the key.
 * Errors:    the functions that make something return NULL without memory, and digest_key_new where the libcrypto of
 *            this system does not have the algorithm (MD5 under FIPS).
 */
#ifndef ZONEGATE_BASE_DIGEST_H
#define ZONEGATE_BASE_DIGEST_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA256_SIZE 32
#define DIGEST_MAX_SIZE 64

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA224, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

/* Bytes of a full digest: 16, 20, 28, 32, 48, 64. */
size_t digest_size(enum digest_algorithm algorithm);

void digest_sha256(const void *bytes, size_t size, uint8_t out[DIGEST_SHA256_SIZE]);

/* Streaming SHA-256. */
struct digest;
struct digest *digest_new(void);
/*
 * Of another algorithm: digest_finish writes digest_size() octets then. NULL: no memory, or this libcrypto does not
 * have it.
 */
struct digest *digest_begin(enum digest_algorithm algorithm);
void digest_update(struct digest *digest, const void *bytes, size_t size);
/* Writes the result and frees. */
void digest_finish(struct digest *digest, uint8_t *out);

/* A key, prepared once (inner and outer state), used by many threads at once. */
struct digest_key;
struct digest_key *digest_key_new(enum digest_algorithm algorithm, const uint8_t *secret, size_t size);
void digest_key_free(struct digest_key *key); /* wipes */

struct digest_part { const void *bytes; size_t size; };
/* HMAC over the parts in order; `out` takes digest_size(algorithm of key) bytes. */
void digest_hmac(const struct digest_key *key, const struct digest_part *parts, size_t count, uint8_t *out);

/* Time does not depend on the content. */
bool digest_equal(const void *a, const void *b, size_t size);
void digest_wipe(void *secret, size_t size);

#endif
