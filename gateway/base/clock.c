#include "base/clock.h"
#include <ctype.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static _Atomic uint64_t fixed_wall_us;

static uint64_t
clock_read(clockid_t id, uint64_t units_in_s)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * units_in_s + (uint64_t)now.tv_nsec / (1000000000 / units_in_s);
}

uint64_t
clock_monotonic_ns(void)
{
	return clock_read(CLOCK_MONOTONIC, 1000000000);
}

uint64_t
clock_wall_us(void)
{
	uint64_t fixed = atomic_load_explicit(&fixed_wall_us, memory_order_relaxed);
	return fixed ? fixed : clock_read(CLOCK_REALTIME, 1000000);
}

void
clock_set_wall_us(uint64_t wall_us)
{
	atomic_store_explicit(&fixed_wall_us, wall_us, memory_order_relaxed);
}

void
clock_to_text(uint64_t wall_us, char *out)
{
	/* The last microsecond of the year 9999: RFC 3339 has four digits. */
	static const uint64_t latest_us = UINT64_C(253402300799999999);
	struct tm tm;

	if (wall_us > latest_us)
		wall_us = latest_us;
	time_t seconds = (time_t)(wall_us / 1000000);
	gmtime_r(&seconds, &tm);
	/* The modulos tell the compiler what fits. */
	snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)(wall_us % 1000000));
}

/* `count` digits at *at; moves it. */
static bool
clock_digits(const char **at, int count, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return true;
}

static bool
clock_literal(const char **at, const char *accepted)
{
	if (**at == '\0' || !strchr(accepted, **at))
		return false;
	(*at)++;
	return true;
}

static bool
clock_date_fits(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap);
}

/* RFC 3339 5.6 time-secfrac; digits after the sixth are dropped. */
static bool
clock_fraction(const char **at, uint64_t *fraction_us)
{
	uint64_t unit = 100000;

	*fraction_us = 0;
	if (**at != '.')
		return true;
	(*at)++;
	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++, unit /= 10)
		*fraction_us += (uint64_t)(**at - '0') * unit;
	return true;
}

/* RFC 3339 5.6 time-offset, in seconds east. */
static bool
clock_offset(const char **at, int64_t *offset_s)
{
	int hours, minutes;
	int sign = **at == '-' ? -1 : 1;

	*offset_s = 0;
	if (clock_literal(at, "Zz"))
		return true;
	if (!clock_literal(at, "+-") || !clock_digits(at, 2, &hours) || !clock_literal(at, ":") ||
	    !clock_digits(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

uint64_t
clock_from_text(const char *text)
{
	const char *at = text;
	int year, month, day, hour, minute, second;
	uint64_t fraction_us;
	int64_t offset_s;

	if (!clock_digits(&at, 4, &year) || !clock_literal(&at, "-") || !clock_digits(&at, 2, &month) ||
	    !clock_literal(&at, "-") || !clock_digits(&at, 2, &day) || !clock_literal(&at, "Tt ") ||
	    !clock_digits(&at, 2, &hour) || !clock_literal(&at, ":") || !clock_digits(&at, 2, &minute) ||
	    !clock_literal(&at, ":") || !clock_digits(&at, 2, &second) || !clock_fraction(&at, &fraction_us) ||
	    !clock_offset(&at, &offset_s) || *at != '\0')
		return 0;
	/* 60: a leap second (RFC 3339 5.7) counts as the first second of the next minute, as timegm does. */
	if (!clock_date_fits(year, month, day) || hour > 23 || minute > 59 || second > 60)
		return 0;
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
			.tm_hour = hour, .tm_min = minute, .tm_sec = second};
	int64_t seconds = (int64_t)timegm(&tm) - offset_s;
	return seconds < 0 ? 0 : (uint64_t)seconds * 1000000 + fraction_us;
}
