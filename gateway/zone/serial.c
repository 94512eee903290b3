#include "zone/serial.h"
#include <time.h>

uint32_t
serial_candidate(enum serial_rule rule, uint64_t wall_s)
{
	time_t now = (time_t)wall_s;
	struct tm utc;

	switch (rule) {
	case SERIAL_INCREMENT:
		return 0;
	case SERIAL_UNIXTIME:
		return (uint32_t)wall_s;
	case SERIAL_DATE:
		break;
	}
	if (gmtime_r(&now, &utc) == NULL)
		return 0;
	/* The year of four digits is the convention's (RFC 1912 2.2); 4294 is its last. */
	return (uint32_t)(((utc.tm_year + 1900) * 100 + utc.tm_mon + 1) * 100 + utc.tm_mday) * 100u;
}

uint32_t
serial_next(uint32_t serial, uint32_t candidate)
{
	if (candidate != 0 && serial_greater(candidate, serial))
		return candidate;
	return serial + 1 == 0 ? 1 : serial + 1;
}
