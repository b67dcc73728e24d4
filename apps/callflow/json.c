/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

/* Whether the next member needs a comma. */
static bool comma;

static void put_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void put_name(const char *name)
{
	if (comma)
		putchar(',');
	comma = true;
	put_text(name);
	putchar(':');
}

void cli_json_begin(const char *event)
{
	flockfile(stdout);
	putchar('{');
	comma = false;
	if (event)
		cli_json_text("event", event);
}

void cli_json_text(const char *name, const char *value)
{
	if (!value)
		return;
	put_name(name);
	put_text(value);
}

void cli_json_number(const char *name, double value)
{
	put_name(name);
	printf("%.10g", value);
}

void cli_json_bool(const char *name, bool value)
{
	put_name(name);
	printf("%s", value ? "true" : "false");
}

void cli_json_open(const char *name)
{
	put_name(name);
	putchar('{');
	comma = false;
}

void cli_json_close(void)
{
	putchar('}');
	comma = true;
}

void cli_json_end(void)
{
	printf("}\n");
	fflush(stdout);
	funlockfile(stdout);
}
