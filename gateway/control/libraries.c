#include "control/libraries.h"
#include "base/status.h"
#include <dlfcn.h>
#include <jansson.h>

/*
 * Headers of libraries stay in the one file that uses them, so the running libraries are asked by name. A library
 * that this
 * build does not use is not in the process, and has no line.
 */
static const char *
libraries_text(const char *symbol)
{
	const char *(*text)(void);

	*(void **)&text = dlsym(RTLD_DEFAULT, symbol);
	return text ? text() : NULL;
}

static const char *
libraries_openssl(void)
{
	const char *(*text)(int what);

	*(void **)&text = dlsym(RTLD_DEFAULT, "OpenSSL_version");
	return text ? text(0) : NULL;
}

static const char *
libraries_lmdb(void)
{
	const char *(*text)(int *major, int *minor, int *patch);

	*(void **)&text = dlsym(RTLD_DEFAULT, "mdb_version");
	return text ? text(NULL, NULL, NULL) : NULL;
}

static const struct {
	const char *name, *symbol;
	const char *(*ask)(void);
} libraries[] = {
	{"curl", "curl_version", NULL},
	{"jansson", NULL, jansson_version_str},
	{"ldns", "ldns_version", NULL},
	{"libbpf", "libbpf_version_string", NULL},
	{"libmicrohttpd", "MHD_get_version", NULL},
	{"librdkafka", "rd_kafka_version_str", NULL},
	{"libyaml", "yaml_get_version_string", NULL},
	{"lmdb", NULL, libraries_lmdb},
	{"openssl", NULL, libraries_openssl},
};

static void
libraries_print_xxhash(FILE *out)
{
	unsigned (*number)(void);

	*(void **)&number = dlsym(RTLD_DEFAULT, "XXH_versionNumber");
	if (number)
		fprintf(out, "xxhash %u.%u.%u\n", number() / 10000, number() / 100 % 100, number() % 100);
}

void
libraries_print(FILE *out, const char *program)
{
	fprintf(out, "%s\n", program);
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		const char *text = libraries[i].ask ? libraries[i].ask() : libraries_text(libraries[i].symbol);
		if (text)
			fprintf(out, "%s %s\n", libraries[i].name, text);
	}
	libraries_print_xxhash(out);
}
