/* SPDX-License-Identifier: Apache-2.0 */
/* callflow: users, tokens and calls from the command line. The table below is the whole program. */
#include "cli.h"

#include <string.h>

const struct cli_command cli_commands[] = {
	{"call", "TARGET...", "call a user, several at once, or the echo bot 8:echo123",
		cli_call_options, 1, CALLFLOW_TARGETS_MAX, cli_call},
	{"join", "GROUP", "join the group call of this name, a UUID", cli_join_options, 1, 1,
		cli_join},
	{"listen", "", "wait for calls", cli_listen_options, 0, 0, cli_listen},
	{"nat", "", "the kind of network this is, and what it means for calls", NULL, 0, 0,
		cli_nat},
	{"user create", "", "make a user", NULL, 0, 0, cli_user_create},
	{"user delete", "USER", "delete a user and all its tokens", NULL, 1, 1, cli_user_delete},
	{"token issue", "USER", "make an access token for a user", cli_token_options, 1, 1,
		cli_token_issue},
	{"token revoke", "USER", "revoke all tokens of a user", NULL, 1, 1, cli_token_revoke},
	{"trace", "CALL", "the whole story of a call: in words, as JSON, or drawn",
		cli_trace_options, 1, 1, cli_trace},
	{"usage", "", "relay use and call minutes: rows, or sums with --by", cli_usage_options, 0,
		0, cli_usage},
	{"load", "", "many members of group calls at once, for tests of capacity", cli_load_options,
		0, 0, cli_load},
	{"drain", "", "let the service take nothing new on and end after its last call", NULL, 0, 0,
		cli_drain},
	{NULL, NULL, NULL, NULL, 0, 0, NULL},
};

/* Lists the commands that begin with the word; NULL: all. Their number. */
static int print_commands(FILE *out, const char *word)
{
	int n = 0;

	for (const struct cli_command *c = cli_commands; c->name; c++) {
		size_t len = strcspn(c->name, " ");

		if (word &&
			(!c->name[len] || strlen(word) != len || strncmp(c->name, word, len) != 0))
			continue;
		if (out)
			fprintf(out, "  %-13s %-8s %s\n", c->name, c->arguments, c->help);
		n++;
	}
	return n;
}

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: callflow COMMAND [OPTIONS]\n\nCommands:\n");
	print_commands(out, NULL);
	fprintf(out,
		"\n`callflow COMMAND --help` tells a command's options.\n\n"
		"Options of every command:\n"
		"  --connection-string TEXT  endpoint and access key (CALLFLOW_CONNECTION_STRING)\n"
		"  --endpoint URL            the service (CALLFLOW_ENDPOINT)\n"
		"  --ca FILE                 certificates to trust, PEM (CALLFLOW_CA)\n"
		"  --token TOKEN             user access token (CALLFLOW_TOKEN)\n"
		"  --json                    one JSON object per line\n\n"
		"Without any of them, what `callflowd --dev` left in var/client.env is used.\n");
}

/* The command whose words begin argv; ret_words: how many words that were. */
static const struct cli_command *find_command(int argc, char **argv, int *ret_words)
{
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		const char *space = strchr(c->name, ' ');
		size_t first = space ? (size_t)(space - c->name) : strlen(c->name);

		if (strlen(argv[0]) != first || strncmp(argv[0], c->name, first) != 0)
			continue;
		if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*ret_words = space ? 2 : 1;
		return c;
	}
	return NULL;
}

/* No command begins like argv: the exit status, after having said which there are. */
static int not_found(int argc, char **argv)
{
	bool help = argc > 1 && strcmp(argv[1], "--help") == 0;

	if (print_commands(NULL, argv[0]) == 0) {
		fprintf(stderr, "callflow: no command \"%s\"; `callflow --help` lists them\n",
			argv[0]);
		return EXIT_USAGE;
	}
	if (argc > 1 && !help)
		fprintf(stderr, "callflow: no command \"%s %s\"\n", argv[0], argv[1]);
	fprintf(help ? stdout : stderr, "Commands of `callflow %s`:\n", argv[0]);
	print_commands(help ? stdout : stderr, argv[0]);
	return help ? 0 : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;
	int words = 0, n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("callflow %s\n", callflow_version());
		return 0;
	}
	command = find_command(argc - 1, argv + 1, &words);
	if (!command)
		return not_found(argc - 1, argv + 1);
	n = cli_parse(command, argc - 1 - words, argv + 1 + words);
	if (n < 0)
		return n == -2 ? 0 : EXIT_USAGE;
	if (n < command->min_args || n > command->max_args) {
		cli_fail("%s takes %s", command->name,
			command->arguments[0] ? command->arguments : "no arguments");
		cli_print_help(stderr, command);
		return EXIT_USAGE;
	}
	cli_load_settings();
	return command->run(n, argv + 1 + words);
}
