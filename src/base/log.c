/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static enum cf_log_level threshold = CF_LOG_INFO; /* RO after cf_log_setup() */
static int as_json;                               /* RO */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void cf_log_setup(enum cf_log_level level, int json)
{
	threshold = level;
	as_json = json;
}

int cf_log_on(enum cf_log_level level)
{
	return level >= threshold;
}

/* Control characters, quotes and backslashes would break a line or its JSON. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			*text = ' ';
		else if (as_json && (c == '"' || c == '\\'))
			*text = '\'';
	}
}

static int format_line(
	char *line, const char *level, const char *room, const char *call_id, const char *message)
{
	char when[CF_CLOCK_TEXT_MAX];

	cf_clock_text(cf_clock_wall_ms(), when);
	if (as_json)
		return snprintf(line, LINE_MAX_BYTES,
			"{\"time\":\"%s\",\"level\":\"%s\",\"room\":\"%s\"%s%s%s,\"message\":\"%"
			"s\"}\n",
			when, level, room, call_id ? ",\"callId\":\"" : "", call_id ? call_id : "",
			call_id ? "\"" : "", message);
	return snprintf(line, LINE_MAX_BYTES, "%s %-5s %s%s%s: %s\n", when, level, room,
		call_id ? " call " : "", call_id ? call_id : "", message);
}

void cf_log(enum cf_log_level level, const char *room, const char *call_id, const char *format, ...)
{
	char message[LINE_MAX_BYTES - 256];
	char line[LINE_MAX_BYTES];
	va_list args;
	int n;

	if (!cf_log_on(level) || level >= CF_LOG_OFF)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	make_plain(message);
	n = format_line(line, level_names[level], room, call_id, message);
	if (n >= LINE_MAX_BYTES) {
		n = LINE_MAX_BYTES - 1;
		line[n - 1] = '\n';
	}
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say so */
}
