#include "serve/cookie.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/random.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#define SERVER_VERSION 1        /* RFC 9018 4.1 */
#define HASHED_SIZE 16          /* client cookie, version, reserved, timestamp: in front of the address (4.4) */
#define AGE_MAX_S 3600          /* RFC 9018 4.3: an hour old, and five minutes ahead where clocks differ */
#define AHEAD_MAX_S 300
#define AGE_RENEW_S 1800        /* half an hour old: a new one */

/* ---- SipHash-2-4 (Aumasson and Bernstein); libcrypto's takes longer to set up than this does in all ---- */

static inline uint64_t
rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline uint64_t
get_little(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

static uint64_t
siphash(const uint8_t key[COOKIE_SECRET_SIZE], const uint8_t *in, size_t size)
{
	uint64_t k0 = get_little(key, 8), k1 = get_little(key + 8, 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			 k1 ^ 0x7465646279746573};

	for (size_t at = 0; at <= size; at += 8) {
		uint64_t word = size - at >= 8 ? get_little(in + at, 8)
					       : get_little(in + at, size - at) | (uint64_t)(size & 0xff) << 56;
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the server's half ---- */

/* The hash of the 16 octets at `cookie` and the client's address (RFC 9018 4.4), as octets. */
static void
server_hash(const uint8_t *secret, const struct sockaddr_storage *client, const uint8_t *cookie, uint8_t out[8])
{
	uint8_t in[HASHED_SIZE + 16];
	size_t size = HASHED_SIZE;

	memcpy(in, cookie, HASHED_SIZE);
	if (client->ss_family == AF_INET) {
		memcpy(in + size, &((const struct sockaddr_in *)client)->sin_addr, 4);
		size += 4;
	} else if (client->ss_family == AF_INET6) {
		memcpy(in + size, &((const struct sockaddr_in6 *)client)->sin6_addr, 16);
		size += 16;
	}
	uint64_t hash = siphash(secret, in, size);
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(hash >> 8 * i);
}

/* *fresh: it need not be renewed: young, not by a clock ahead of ours, and made with the first secret. */
static bool
is_ours(const struct cookie_secrets *secrets, const struct sockaddr_storage *client, const uint8_t *cookie, size_t size,
	uint64_t now_s, bool *fresh)
{
	uint8_t hash[8];

	if (size != COOKIE_SIZE || cookie[COOKIE_CLIENT_SIZE] != SERVER_VERSION)
		return false;
	int32_t age_s = (int32_t)((uint32_t)now_s - bytes_get_u32(cookie + 12)); /* serial arithmetic (RFC 9018 4.3) */
	if (age_s > AGE_MAX_S || age_s < -AHEAD_MAX_S)
		return false;
	for (unsigned i = 0; i < secrets->count; i++) {
		server_hash(secrets->bytes[i], client, cookie, hash);
		if (digest_equal(hash, cookie + HASHED_SIZE, sizeof hash)) {
			*fresh = i == 0 && age_s >= 0 && age_s < AGE_RENEW_S;
			return true;
		}
	}
	return false;
}

enum cookie_verdict
cookie_answer(const struct cookie_secrets *secrets, const struct sockaddr_storage *client, const uint8_t *cookie,
	      size_t size, uint64_t now_s, uint8_t out[COOKIE_SIZE])
{
	bool fresh = false, good = is_ours(secrets, client, cookie, size, now_s, &fresh);

	if (fresh) {
		memcpy(out, cookie, COOKIE_SIZE);
		return COOKIE_GOOD;
	}
	require(secrets->count > 0);
	memcpy(out, cookie, COOKIE_CLIENT_SIZE);
	bytes_put_u32(out + COOKIE_CLIENT_SIZE, (uint32_t)SERVER_VERSION << 24);
	bytes_put_u32(out + 12, (uint32_t)now_s);
	server_hash(secrets->bytes[0], client, out, out + HASHED_SIZE);
	return good ? COOKIE_GOOD : size == COOKIE_CLIENT_SIZE ? COOKIE_NEW : COOKIE_BAD;
}

/* ---- secrets ---- */

void
cookie_random(struct cookie_secrets *secrets)
{
	*secrets = (struct cookie_secrets){.count = 1};
	random_bytes(secrets->bytes[0], COOKIE_SECRET_SIZE);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* What is wrong with it; NULL: nothing. */
static const char *
take_line(struct cookie_secrets *secrets, char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return NULL;
	if (secrets->count == COOKIE_SECRETS)
		return "there are four secrets already";
	if (strlen(line) != 2 * COOKIE_SECRET_SIZE)
		return "a secret is 32 hexadecimal digits";
	for (unsigned i = 0; i < COOKIE_SECRET_SIZE; i++) {
		int high = hex_digit(line[2 * i]), low = hex_digit(line[2 * i + 1]);
		if (high < 0 || low < 0)
			return "a secret is 32 hexadecimal digits";
		secrets->bytes[secrets->count][i] = (uint8_t)(high << 4 | low);
	}
	secrets->count++;
	return NULL;
}

enum status
cookie_load(const char *path, struct cookie_secrets *secrets, char *reason)
{
	struct cookie_secrets loaded = {.count = 0};
	char line[200];
	const char *wrong = NULL;
	unsigned number = 0;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		snprintf(reason, COOKIE_REASON_SIZE, "%s: %s", path, strerror(errno));
		return STATUS_IO;
	}
	while (wrong == NULL && fgets(line, sizeof line, file) != NULL) {
		number++;
		wrong = take_line(&loaded, line);
	}
	fclose(file);
	digest_wipe(line, sizeof line);
	if (wrong != NULL)
		snprintf(reason, COOKIE_REASON_SIZE, "%s:%u: %s", path, number, wrong);
	else if (loaded.count == 0)
		snprintf(reason, COOKIE_REASON_SIZE, "%s:1: there is no secret", path);
	else
		*secrets = loaded;
	enum status status = wrong != NULL || loaded.count == 0 ? STATUS_MALFORMED : STATUS_OK;
	digest_wipe(&loaded, sizeof loaded);
	return status;
}
