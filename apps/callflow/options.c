/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cli_settings cli_settings;

static const struct cli_option common_options[] = {
	{"connection-string", "TEXT", NULL, .text = &cli_settings.connection_string},
	{"endpoint", "URL", NULL, .text = &cli_settings.endpoint},
	{"ca", "FILE", NULL, .text = &cli_settings.ca_file},
	{"token", "TOKEN", NULL, .text = &cli_settings.token},
	{"json", NULL, NULL, .flag = &cli_settings.json},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

int cli_fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "callflow: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_CALL_FAILED;
}

int cli_service_fail(const char *what, const struct callflow_service *service)
{
	const char *why = callflow_service_error(service);

	cli_fail("%s: %s", what, why);
	if (strstr(why, "certificate") && !cli_settings.ca_file)
		fprintf(stderr, "callflow: a service with a certificate authority of its own is "
				"trusted by --ca FILE or CALLFLOW_CA\n");
	return EXIT_CALL_FAILED;
}

void cli_print_help(FILE *out, const struct cli_command *command)
{
	fprintf(out, "Usage: callflow %s [OPTIONS]%s%s\n%s.\n", command->name,
		command->arguments[0] ? " " : "", command->arguments, command->help);
	for (const struct cli_option *o = command->options; o && o->name; o++)
		fprintf(out, "  --%s%s%-*s  %s\n", o->name, o->argument ? " " : "",
			(int)(30 - strlen(o->name) - (o->argument ? 1 : 0)),
			o->argument ? o->argument : "", o->help);
	fprintf(out, "`callflow --help` tells the options that every command has.\n");
}

static const struct cli_option *find_option(
	const struct cli_option *options, const char *name, size_t len)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == len && strncmp(options->name, name, len) == 0)
			return options;
	return NULL;
}

static int set_option(const struct cli_option *option, const char *value)
{
	char *end;

	if (option->flag) {
		*option->flag = true;
	} else if (option->text) {
		*option->text = value;
	} else {
		*option->number = strtod(value, &end);
		if (end == value || *end || *option->number < 0) {
			cli_fail("--%s wants a number, not \"%s\"", option->name, value);
			return -1;
		}
	}
	return 0;
}

/* Whether the next word belongs to an option that may go without one: not if it is another option
 * or a target, which is a user's id ("8:...") or a call's (a UUID). */
static bool is_value(const char *next)
{
	return next && next[0] != '-' && !strchr(next, ':') &&
	       !(strlen(next) == strlen("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") &&
		       strspn(next, "0123456789abcdefABCDEF-") == strlen(next));
}

/* An option's value; one that has a default may go without. */
static const char *next_value(const struct cli_option *option, int argc, char **argv, int *i)
{
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (option->fallback && !is_value(next))
		return option->fallback;
	if (next)
		++*i;
	return next;
}

int cli_parse(const struct cli_command *command, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		/* The one short option, for those whose fingers know it. */
		const char *given = strcmp(argv[i], "-o") == 0 ? "--out" : argv[i];
		const char *name = given + 2, *value = NULL;
		const struct cli_option *option;
		size_t len = strncmp(given, "--", 2) == 0 ? strcspn(name, "=") : 0;

		if (len == 0) {
			argv[n++] = argv[i];
			continue;
		}
		if (strcmp(name, "help") == 0) {
			cli_print_help(stdout, command);
			return -2;
		}
		option = find_option(command->options, name, len);
		if (!option)
			option = find_option(common_options, name, len);
		if (!option) {
			cli_fail("%s: unknown option \"%s\"; see --help", command->name, argv[i]);
			return -1;
		}
		if (option->argument) {
			value = name[len] == '=' ? name + len + 1
						 : next_value(option, argc, argv, &i);
			if (!value) {
				cli_fail("--%s wants %s", option->name, option->argument);
				return -1;
			}
		}
		if (set_option(option, value) < 0)
			return -1;
	}
	return n;
}

/* Settings */

static const struct setting {
	const char *variable;
	const char **target;
} settings[] = {
	{"CALLFLOW_CONNECTION_STRING", &cli_settings.connection_string},
	{"CALLFLOW_ENDPOINT", &cli_settings.endpoint},
	{"CALLFLOW_CA", &cli_settings.ca_file},
	{"CALLFLOW_TOKEN", &cli_settings.token},
};

/* A line NAME='value' as a shell reads it. */
static void apply_line(char *line)
{
	char *equals = strchr(line, '=');
	char *value;

	if (!equals)
		return;
	*equals = 0;
	value = equals + 1;
	value[strcspn(value, "\r\n")] = 0;
	if (*value == '\'') {
		value++;
		value[strcspn(value, "'")] = 0;
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(line, settings[i].variable) == 0 && !*settings[i].target)
			*settings[i].target = strdup(value);
}

void cli_load_settings(void)
{
	char line[4096];
	FILE *file;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const char *value = getenv(settings[i].variable);

		if (!*settings[i].target && value && *value)
			*settings[i].target = value;
	}
	if (cli_settings.connection_string || cli_settings.endpoint)
		return;
	file = fopen("var/client.env", "r");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		apply_line(line);
	fclose(file);
}

static struct callflow_service *open_service(const struct callflow_service_options *options)
{
	struct callflow_service *service = NULL;
	int err = callflow_service_new(&service, options);

	if (err == CALLFLOW_EINVAL && !options->token)
		cli_fail("the connection string has to read "
			 "\"endpoint=https://HOST/;accesskey=KEY\"");
	else if (err < 0)
		cli_fail("%s: %s", options->token ? "endpoint" : "connection string",
			callflow_error_text(err));
	return service;
}

struct callflow_service *cli_service(void)
{
	struct callflow_service_options options = {
		.connection_string = cli_settings.connection_string,
		.ca_file = cli_settings.ca_file};

	if (!options.connection_string) {
		cli_fail("needs a connection string: give --connection-string, set "
			 "CALLFLOW_CONNECTION_STRING, or start `callflowd --dev` in this folder");
		return NULL;
	}
	return open_service(&options);
}

struct callflow_service *cli_service_or_user(void)
{
	struct callflow_service_options options = {.endpoint = cli_settings.endpoint,
		.token = cli_settings.token,
		.ca_file = cli_settings.ca_file};

	return options.endpoint && options.token && !cli_settings.connection_string
		       ? open_service(&options)
		       : cli_service();
}
