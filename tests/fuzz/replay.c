/*
 * Runs a fuzz target over files, without a fuzzer: the main of tests/fuzz/fuzz_* in `make check`.
 *
 * fuzz_x FILE...   these files
 * fuzz_x           every file in $FUZZ_CORPUS/x, after the empty input; no such folder: 77, "skipped"
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Exactly as large as the input, so that the address sanitizer sees a read past its end. */
static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END) != 0) {
		perror(path);
		exit(1);
	}
	size_t size = (size_t)ftell(file);
	rewind(file);
	uint8_t *bytes = malloc(size ? size : 1);
	if (!bytes || fread(bytes, 1, size, file) != size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
}

static int
replay_folder(const char *folder)
{
	struct dirent **entries;
	char path[4096];
	int count = scandir(folder, &entries, NULL, alphasort);

	if (count < 0) {
		perror(folder);
		return 77;
	}
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
			replay_file(path);
		}
		free(entries[i]);
	}
	free(entries);
	return 0;
}

int
main(int argc, char **argv)
{
	char folder[2048];
	const char *base = strrchr(argv[0], '/');
	const char *corpus = getenv("FUZZ_CORPUS");

	for (int i = 1; i < argc; i++)
		replay_file(argv[i]);
	if (argc > 1)
		return 0;
	base = base ? base + 1 : argv[0];
	if (strncmp(base, "fuzz_", 5) == 0)
		base += 5;
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	snprintf(folder, sizeof folder, "%s/%s", corpus ? corpus : "tests/fuzz/corpus", base);
	return replay_folder(folder);
}
