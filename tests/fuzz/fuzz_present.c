/*
 * RDATA from text and back: two octets of TYPE, then text. What is taken must be valid, print, and be read as the same
 * again. The same octets are tried as plain RDATA too.
 */
#include "wire/name.h"
#include "wire/present.h"
#include "wire/rdata.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char text[PRESENT_TEXT_SIZE], reason[PRESENT_REASON_SIZE];
static uint8_t again[RDATA_MAX_SIZE];

static void
check_round_trip(uint16_t type, const uint8_t *rdata, size_t size)
{
	size_t length, again_size;

	invariant(present_rdata(type, rdata, size, text, sizeof text, &length) == STATUS_OK);
	invariant(strlen(text) == length);
	for (size_t at = 0; at < length; at++)
		invariant(text[at] >= ' ' && text[at] <= '~');
	invariant(present_parse(type, text, length, NULL, again, sizeof again, &again_size, reason) == STATUS_OK);
	invariant(again_size == size && (size == 0 || memcmp(again, rdata, size) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t rdata[RDATA_MAX_SIZE];
	size_t rdata_size;

	if (size < 2)
		return 0;
	uint16_t type = (uint16_t)(data[0] << 8 | data[1]);
	size -= 2;
	char *copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 2, size);
	if (present_parse(type, copy, size, (const uint8_t *)"\7example", rdata, sizeof rdata, &rdata_size, reason) ==
	    STATUS_OK) {
		invariant(rdata_check_plain(rdata, rdata_size, type) == STATUS_OK);
		check_round_trip(type, rdata, rdata_size);
	}
	if (rdata_check_plain((const uint8_t *)copy, size, type) == STATUS_OK) {
		size_t length;
		check_round_trip(type, (const uint8_t *)copy, size);
		invariant(present_rdata(type, (const uint8_t *)copy, size, text, 64, &length) != STATUS_OK ||
			  length < 64);
	}
	uint8_t name[NAME_MAX_SIZE];
	if (name_from_text(copy, size, (const uint8_t *)"\7example", name) == STATUS_OK) {
		uint8_t second[NAME_MAX_SIZE];
		name_to_text(name, text);
		invariant(name_from_text(text, strlen(text), NULL, second) == STATUS_OK);
		invariant(name_equal(name, second));
	}
	free(copy);
	return 0;
}
