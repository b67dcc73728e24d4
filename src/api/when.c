/* SPDX-License-Identifier: Apache-2.0 */
#include "api/when.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SPAN_MAX_MS (36500 * (int64_t)86400000)

/* "-7d": 0 and the time, or CF_EINVAL. */
static int span(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	size_t n = strlen(text);
	uint64_t count;

	if (n < 3 || cf_text_u64(text + 1, n - 2, &count) < 0)
		return CF_EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text[n - 1] != units[i].unit)
			continue;
		if (count > (uint64_t)(SPAN_MAX_MS / units[i].ms))
			return CF_EINVAL;
		*ret_ms = now_ms - (int64_t)count * units[i].ms;
		return 0;
	}
	return CF_EINVAL;
}

/* The digits at *text as a number below 10^n; -1 when one is missing. */
static int digits(const char **text, int n)
{
	int value = 0;

	for (; n > 0; n--, ++*text) {
		if (**text < '0' || **text > '9')
			return -1;
		value = value * 10 + (**text - '0');
	}
	return value;
}

static bool take(const char **text, char wanted)
{
	if (**text != wanted)
		return false;
	++*text;
	return true;
}

static bool date(const char **text, struct tm *tm)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = digits(text, 4), month, day, last;

	if (year < 1970 || !take(text, '-'))
		return false;
	month = digits(text, 2);
	if (month < 1 || month > 12 || !take(text, '-'))
		return false;
	day = digits(text, 2);
	last = days[month - 1];
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		last = 29;
	*tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	return day >= 1 && day <= last;
}

static bool time_of_day(const char **text, struct tm *tm, int *ms)
{
	int scale = 100;

	tm->tm_hour = digits(text, 2);
	if (!take(text, ':'))
		return false;
	tm->tm_min = digits(text, 2);
	if (!take(text, ':'))
		return false;
	tm->tm_sec = digits(text, 2);
	*ms = 0;
	if (take(text, '.')) {
		if (**text < '0' || **text > '9')
			return false;
		for (; **text >= '0' && **text <= '9'; ++*text, scale /= 10)
			*ms += (**text - '0') * scale;
	}
	return tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 && tm->tm_min < 60 &&
	       tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

/* "Z" or "+02:00" in minutes. */
static bool offset(const char **text, int *minutes)
{
	int sign = **text == '-' ? -1 : 1, hours, rest;

	*minutes = 0;
	if (take(text, 'Z') || take(text, 'z'))
		return true;
	if (!take(text, '+') && !take(text, '-'))
		return false;
	hours = digits(text, 2);
	if (hours < 0 || hours > 23 || !take(text, ':'))
		return false;
	rest = digits(text, 2);
	*minutes = sign * (hours * 60 + rest);
	return rest >= 0 && rest < 60;
}

/* RFC 3339 section 5.6 */
static int absolute(const char *text, int64_t *ret_ms)
{
	int ms = 0, minutes = 0;
	struct tm tm;

	if (!date(&text, &tm))
		return CF_EINVAL;
	if (*text && (!(take(&text, 'T') || take(&text, 't')) || !time_of_day(&text, &tm, &ms) ||
			     !offset(&text, &minutes)))
		return CF_EINVAL;
	if (*text)
		return CF_EINVAL;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms - (int64_t)minutes * 60000;
	return 0;
}

int cf_api_when(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	uint64_t number;

	if (strcmp(text, "now") == 0) {
		*ret_ms = now_ms;
		return 0;
	}
	if (text[0] == '-')
		return span(text, now_ms, ret_ms);
	if (cf_text_u64(text, strlen(text), &number) == 0 && number <= INT64_MAX) {
		*ret_ms = (int64_t)number;
		return 0;
	}
	return absolute(text, ret_ms);
}
