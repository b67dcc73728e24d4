/* SPDX-License-Identifier: Apache-2.0 */
/* What a person says during a call, a line each. */
#include "call_commands.h"

#include "cli.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_LEN 300

/* A line as far as it has come. */
static struct {
	char text[LINE_MAX_LEN];
	size_t n;
	bool too_long;
	bool over; /* standard input has ended */
} in;

/* The next whole line, without its end; NULL: none yet. */
static char *next_line(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;

	while (!in.over && poll(&fd, 1, 0) > 0) {
		if (read(STDIN_FILENO, &c, 1) != 1) {
			in.over = true;
			break;
		}
		if (c != '\n') {
			in.too_long |= in.n == sizeof(in.text) - 1;
			if (!in.too_long)
				in.text[in.n++] = c;
			continue;
		}
		in.text[in.n] = 0;
		in.n = 0;
		if (!in.too_long)
			return in.text;
		in.too_long = false;
		cli_fail("that line is too long");
	}
	return NULL;
}

static int add(struct callflow_client *client, const char *who)
{
	return callflow_add(client, NULL, who);
}

static int take_out(struct callflow_client *client, const char *who)
{
	return callflow_remove(client, NULL, who);
}

static int mute(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_mute(client, NULL, 1);
}

static int unmute(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_mute(client, NULL, 0);
}

static int mute_others(struct callflow_client *client, const char *who)
{
	return callflow_mute_others(client, NULL, *who ? who : NULL);
}

static int hold(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_hold(client, NULL, 1);
}

static int resume(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_hold(client, NULL, 0);
}

static int keys(struct callflow_client *client, const char *text)
{
	return callflow_dtmf(client, NULL, text);
}

static int hang_up(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_hangup(client, NULL);
}

static int end_for_all(struct callflow_client *client, const char *nothing)
{
	(void)nothing;
	return callflow_hangup_all(client, NULL);
}

static int help(struct callflow_client *client, const char *nothing);

static const struct command {
	const char *name;
	const char *argument; /* NULL: none; in brackets: may be left out */
	const char *help;
	int (*run)(struct callflow_client *client, const char *argument);
} commands[] = {
	{"add", "USER", "call somebody into the call", add},
	{"remove", "USER", "take somebody out of it", take_out},
	{"mute", NULL, "send silence", mute},
	{"unmute", NULL, "speak again", unmute},
	{"mute-others", "[USER]", "mute all others, or one", mute_others},
	{"hold", NULL, "neither speak nor hear", hold},
	{"resume", NULL, "take the call back", resume},
	{"keys", "KEYS", "press keys: 0-9 * # A-D", keys},
	{"hangup", NULL, "leave the call", hang_up},
	{"end", NULL, "end the call for all", end_for_all},
	{"help", NULL, "this list", help},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int help(struct callflow_client *client, const char *nothing)
{
	(void)client;
	(void)nothing;
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stderr, "  %-11s %-7s %s\n", commands[i].name,
			commands[i].argument ? commands[i].argument : "", commands[i].help);
	return 0;
}

static void run(struct callflow_client *client, const struct command *command, const char *argument)
{
	bool wanted = command->argument && command->argument[0] != '[';
	int err;

	if (wanted && !*argument)
		cli_fail("%s %s: %s", command->name, command->argument, command->help);
	else if ((err = command->run(client, argument)) < 0)
		cli_fail("%s: %s", command->name, callflow_error_text(err));
}

void call_commands_poll(struct callflow_client *client)
{
	char *line = next_line(), *argument;

	if (!line || !*line)
		return;
	argument = line + strcspn(line, " ");
	if (*argument)
		*argument++ = 0;
	argument += strspn(argument, " ");
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(line, commands[i].name) == 0) {
			run(client, &commands[i], argument);
			return;
		}
	cli_fail("\"%s\" is not understood; try help", line);
}

bool call_commands_enter(void)
{
	return next_line() != NULL;
}
