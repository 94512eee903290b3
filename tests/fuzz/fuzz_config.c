/* control/config: any bytes as a configuration. No file that they name is opened. */
#include "control/config.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct config_options options = {.no_files = true};
	char reason[CONFIG_REASON_SIZE] = "";
	struct config *config, *fragment;

	if (size > 65536)
		return 0;
	enum status status = config_parse((const char *)bytes, size, "fuzz/zonegate.yaml", &options, &config, reason);
	if (status != STATUS_OK) {
		if (reason[0] == '\0')
			abort();
		return 0;
	}
	/* What was let in keeps its promises. */
	for (size_t i = 0; i < config->zone_count; i++)
		if (!config_find_zone(config, config->zones[i].name) ||
		    !config_find_store(config, config->zones[i].rules->store))
			abort();
	if (config_parse_zone(config, (const char *)bytes, size, &fragment, reason) == STATUS_OK)
		config_free(fragment);
	config_free(config);
	return 0;
}
