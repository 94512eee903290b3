#include "keys/algorithm.h"
#include "wire/name.h"
#include <string.h>
#include <strings.h>

enum { MD5, SHA1, SHA224, SHA256, SHA256_128, SHA384, SHA384_192, SHA512, SHA512_256, ALGORITHMS };

/* RFC 8945 6, table 3. The literals end in the zero octet of the root label. */
static const struct algorithm algorithms[ALGORITHMS] = {
	[MD5] = {"hmac-md5", (const uint8_t *)"\010hmac-md5\007sig-alg\003reg\003int", DIGEST_MD5, 16,
		 &algorithms[MD5]},
	[SHA1] = {"hmac-sha1", (const uint8_t *)"\011hmac-sha1", DIGEST_SHA1, 20, &algorithms[SHA1]},
	[SHA224] = {"hmac-sha224", (const uint8_t *)"\013hmac-sha224", DIGEST_SHA224, 28, &algorithms[SHA224]},
	[SHA256] = {"hmac-sha256", (const uint8_t *)"\013hmac-sha256", DIGEST_SHA256, 32, &algorithms[SHA256]},
	[SHA256_128] = {"hmac-sha256-128", (const uint8_t *)"\017hmac-sha256-128", DIGEST_SHA256, 16,
			&algorithms[SHA256]},
	[SHA384] = {"hmac-sha384", (const uint8_t *)"\013hmac-sha384", DIGEST_SHA384, 48, &algorithms[SHA384]},
	[SHA384_192] = {"hmac-sha384-192", (const uint8_t *)"\017hmac-sha384-192", DIGEST_SHA384, 24,
			&algorithms[SHA384]},
	[SHA512] = {"hmac-sha512", (const uint8_t *)"\013hmac-sha512", DIGEST_SHA512, 64, &algorithms[SHA512]},
	[SHA512_256] = {"hmac-sha512-256", (const uint8_t *)"\017hmac-sha512-256", DIGEST_SHA512, 32,
			&algorithms[SHA512]},
};

const struct algorithm *
algorithm_from_text(const char *text)
{
	static const char md5_suffix[] = ".sig-alg.reg.int";
	size_t length = strlen(text);

	if (length > 0 && text[length - 1] == '.')
		length--;
	for (size_t i = 0; i < ALGORITHMS; i++) {
		size_t size = strlen(algorithms[i].text);
		if (length < size || strncasecmp(text, algorithms[i].text, size) != 0)
			continue;
		if (length == size)
			return &algorithms[i];
		if (i == MD5 && length == size + sizeof md5_suffix - 1 &&
		    strncasecmp(text + size, md5_suffix, sizeof md5_suffix - 1) == 0)
			return &algorithms[i];
	}
	return NULL;
}

const struct algorithm *
algorithm_from_name(const uint8_t *name)
{
	for (size_t i = 0; i < ALGORITHMS; i++)
		if (name_equal(name, algorithms[i].name))
			return &algorithms[i];
	return NULL;
}
