#include "keys/keyring.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/random.h"
#include "keys/keyfile.h"
#include <stdio.h>
#include <stdlib.h>

/* Open addressing, a power of two, at most half full. */
#define SLOTS_MIN 16

struct keyring {
	struct key **keys; /* in the order of their adding */
	size_t count, room;
	struct key **slots;
	size_t slot_count;
	atomic_uint shares;
};

#define say(reason, ...) status_say(reason, KEYRING_REASON_SIZE, __VA_ARGS__)

struct keyring *
keyring_new(void)
{
	struct keyring *keyring = must(calloc(1, sizeof *keyring));

	keyring->slot_count = SLOTS_MIN;
	keyring->slots = must(calloc(keyring->slot_count, sizeof *keyring->slots));
	atomic_init(&keyring->shares, 1);
	return keyring;
}

void
keyring_hold(struct keyring *keyring)
{
	atomic_fetch_add_explicit(&keyring->shares, 1, memory_order_relaxed);
}

static void
key_free(struct key *key)
{
	digest_key_free(key->digest_key);
	digest_wipe(key->secret, key->secret_size);
	free(key->secret);
	free(key->text);
	free(key);
}

void
keyring_free(struct keyring *keyring)
{
	if (!keyring || atomic_fetch_sub_explicit(&keyring->shares, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < keyring->count; i++)
		key_free(keyring->keys[i]);
	free(keyring->keys);
	free(keyring->slots);
	free(keyring);
}

/* The slot of a name: its key's, or the empty one where it would be. */
static struct key **
keyring_slot(const struct keyring *keyring, const uint8_t *name)
{
	size_t size = name_size(name), mask = keyring->slot_count - 1;
	size_t at = (size_t)hash_bytes(name, size) & mask;

	while (keyring->slots[at] && memcmp(keyring->slots[at]->name, name, size) != 0)
		at = (at + 1) & mask;
	return &keyring->slots[at];
}

struct key *
keyring_find(const struct keyring *keyring, const uint8_t *name)
{
	return *keyring_slot(keyring, name);
}

size_t
keyring_count(const struct keyring *keyring)
{
	return keyring->count;
}

struct key *
keyring_at(const struct keyring *keyring, size_t index)
{
	require(index < keyring->count);
	return keyring->keys[index];
}

static void
keyring_grow(struct keyring *keyring)
{
	if (keyring->count == keyring->room) {
		keyring->room = keyring->room ? 2 * keyring->room : SLOTS_MIN;
		keyring->keys = must(reallocarray(keyring->keys, keyring->room, sizeof *keyring->keys));
	}
	if (2 * (keyring->count + 1) <= keyring->slot_count)
		return;
	free(keyring->slots);
	keyring->slot_count *= 2;
	keyring->slots = must(calloc(keyring->slot_count, sizeof *keyring->slots));
	for (size_t i = 0; i < keyring->count; i++)
		*keyring_slot(keyring, keyring->keys[i]->name) = keyring->keys[i];
}

/* base64, white space allowed as in BIND. *secret is the caller's to wipe and free. */
static enum status
secret_decode(const char *text, uint8_t **secret, size_t *size, char *reason)
{
	static const size_t room = 4 * ((KEYRING_SECRET_MAX + 2) / 3);
	char *packed = must(malloc(room));
	size_t length = 0;
	enum status status = STATUS_OK;

	for (; *text && length < room; text++)
		if (!strchr(" \t\r\n", *text))
			packed[length++] = *text;
	*secret = must(malloc(KEYRING_SECRET_MAX));
	*size = KEYRING_SECRET_MAX;
	if (*text || !bytes_from_base64(packed, length, *secret, size))
		status = say(reason, STATUS_MALFORMED, *text || length == room ? "the secret is longer than %d octets" :
		             "the secret is not base64", KEYRING_SECRET_MAX);
	else if (*size == 0)
		status = say(reason, STATUS_MALFORMED, "the secret is empty");
	digest_wipe(packed, room);
	free(packed);
	if (status != STATUS_OK) {
		digest_wipe(*secret, KEYRING_SECRET_MAX);
		free(*secret);
	}
	return status;
}

/* A key name; as in BIND one without a final dot is absolute too. */
static enum status
key_name_from_text(const char *text, uint8_t *out, char *reason)
{
	static const uint8_t root[1] = {0};

	if (*text == '\0' || strcmp(text, "@") == 0 || name_from_text(text, strlen(text), root, out) != STATUS_OK)
		return say(reason, STATUS_MALFORMED, "\"%.255s\" is not a key name", text);
	if (name_lower(out, out) == 1)
		return say(reason, STATUS_MALFORMED, "the root cannot be a key name");
	return STATUS_OK;
}

enum status
keyring_add(struct keyring *keyring, const char *name, const char *algorithm, const char *secret_base64, char *reason)
{
	uint8_t wire[NAME_MAX_SIZE], *secret;
	char text[NAME_TEXT_SIZE];
	size_t secret_size;
	enum status status = key_name_from_text(name, wire, reason);

	if (status != STATUS_OK)
		return status;
	const struct algorithm *found = algorithm_from_text(algorithm);
	if (!found)
		return say(reason, STATUS_MALFORMED,
		           "unknown algorithm \"%s\"; known: hmac-md5, -sha1, -sha224, -sha256, -sha256-128, -sha384, "
		           "-sha384-192, -sha512, -sha512-256", keyfile_word(algorithm));
	if (*keyring_slot(keyring, wire))
		return say(reason, STATUS_EXISTS, "the key \"%.255s\" is there twice", name);
	status = secret_decode(secret_base64, &secret, &secret_size, reason);
	if (status != STATUS_OK)
		return status;

	struct digest_key *digest_key = digest_key_new(found->digest, secret, secret_size);
	if (!digest_key) { /* libcrypto may be built or configured without: MD5 in FIPS mode */
		digest_wipe(secret, secret_size);
		free(secret);
		return say(reason, STATUS_UNSUPPORTED, "libcrypto does not offer %s on this system", found->text);
	}
	struct key *key = must(calloc(1, sizeof *key));
	memcpy(key->name, wire, name_size(wire));
	key->text = must(strdup(name_to_text(wire, text)));
	key->algorithm = found;
	key->digest_key = digest_key;
	key->secret = secret;
	key->secret_size = secret_size;
	key->keyring = keyring;
	keyring_grow(keyring);
	*keyring_slot(keyring, wire) = key;
	keyring->keys[keyring->count++] = key;
	return STATUS_OK;
}

static bool
key_is_same(const struct key *a, const struct key *b)
{
	return a->algorithm == b->algorithm && a->secret_size == b->secret_size &&
	       digest_equal(a->secret, b->secret, a->secret_size);
}

void
keyring_inherit(struct keyring *keyring, const struct keyring *old)
{
	for (size_t i = 0; i < keyring->count; i++) {
		struct key *key = keyring->keys[i];
		const struct key *before = keyring_find(old, key->name);
		if (!before || !key_is_same(key, before))
			continue;
		atomic_store_explicit(&key->uses, stat_read(&before->uses), memory_order_relaxed);
		atomic_store_explicit(&key->last_use_s, stat_read(&before->last_use_s), memory_order_relaxed);
	}
}

_Static_assert(KEYRING_REASON_SIZE == KEYFILE_REASON_SIZE, "one buffer serves both");

/* A keyfile_add. */
static enum status
add_from_file(void *context, const char *name, const char *algorithm, const char *secret_base64, char *reason)
{
	return keyring_add(context, name, algorithm, secret_base64, reason);
}

enum status
keyring_parse(struct keyring *keyring, const char *text, size_t size, const char *path, char *reason)
{
	return keyfile_parse(text, size, path, add_from_file, keyring, reason);
}

enum status
keyring_load(struct keyring *keyring, const char *path, char *reason)
{
	return keyfile_load(path, add_from_file, keyring, reason);
}

enum status
keyring_generate(const char *name, const char *algorithm, char *out, size_t room)
{
	uint8_t wire[NAME_MAX_SIZE], secret[DIGEST_MAX_SIZE];
	char reason[KEYRING_REASON_SIZE], text[NAME_TEXT_SIZE], base64[4 * ((DIGEST_MAX_SIZE + 2) / 3) + 1];
	const struct algorithm *found = algorithm_from_text(algorithm);

	if (!found || key_name_from_text(name, wire, reason) != STATUS_OK)
		return STATUS_INVALID;
	name_to_text(wire, text);
	/* As tsig-keygen: with a final dot only where it was asked for. */
	if (name[strlen(name) - 1] != '.')
		text[strlen(text) - 1] = '\0';
	/* RFC 8945 8: a secret as long as the digest. */
	size_t size = digest_size(found->digest);
	random_bytes(secret, size);
	bytes_to_base64(secret, size, base64);
	int length =
		snprintf(out, room, "key \"%s\" {\n\talgorithm %s;\n\tsecret \"%s\";\n};\n", text, found->text, base64);
	digest_wipe(secret, sizeof secret);
	digest_wipe(base64, sizeof base64);
	return length >= 0 && (size_t)length < room ? STATUS_OK : STATUS_LIMIT;
}
