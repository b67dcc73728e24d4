/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of the CLI share: settings, options, output. Built on the public header only.
 */
#ifndef CALLFLOW_CLI_H
#define CALLFLOW_CLI_H

#include <callflow/callflow.h>

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_CALL_FAILED = 1, EXIT_USAGE = 2 };

/* Where the service is and who we are: flags win over the environment, the environment over the
 * file that `callflowd --dev` leaves in var/client.env. */
struct cli_settings {
	const char *connection_string;
	const char *endpoint;
	const char *ca_file;
	const char *token;
	bool json;
};

extern struct cli_settings cli_settings;

/* One option of a command; exactly one of the targets is set. */
struct cli_option {
	const char *name;     /* "audio-in" */
	const char *argument; /* "FILE"; NULL for a switch */
	const char *help;
	const char **text;
	double *number;
	bool *flag;
	const char *fallback; /* the argument may be left out and is then this */
};

struct cli_command {
	const char *name;
	const char *arguments;
	const char *help;
	const struct cli_option *options; /* ends with a row whose name is NULL; may be NULL */
	int min_args, max_args;
	int (*run)(int argc, char **argv);
};

extern const struct cli_command cli_commands[]; /* ends with a row whose name is NULL */

/** Reads options into their targets and moves the other arguments to the front: their number, or
 * -1 after having said what is wrong, or -2 after --help. */
int cli_parse(const struct cli_command *command, int argc, char **argv);

void cli_print_help(FILE *out, const struct cli_command *command);

/** Environment and var/client.env into cli_settings where no flag has set them. */
void cli_load_settings(void);

/** "callflow: ..." on standard error. Returns EXIT_CALL_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** What the service's last request failed of, and a cure where there is one. Returns
 * EXIT_CALL_FAILED. */
int cli_service_fail(const char *what, const struct callflow_service *service);

/** A service by the connection string; NULL after having said what is missing. */
struct callflow_service *cli_service(void);

/** The same; without connection string by endpoint and token, as the user. */
struct callflow_service *cli_service_or_user(void);

/** A client that signs in, with a new user's token where none is given; NULL after having said what
 * is wrong. */
struct callflow_client *cli_client(
	const char *display_name, callflow_event_fn *on_event, void *arg);

/** One JSON object on a line: begin, members, end. */
void cli_json_begin(const char *event);
void cli_json_text(const char *name, const char *value); /* NULL value: left out */
void cli_json_number(const char *name, double value);
void cli_json_bool(const char *name, bool value);
void cli_json_open(const char *name);
void cli_json_close(void);
void cli_json_end(void);

int cli_user_create(int argc, char **argv);
int cli_user_delete(int argc, char **argv);
int cli_token_issue(int argc, char **argv);
int cli_token_revoke(int argc, char **argv);
int cli_call(int argc, char **argv);
int cli_join(int argc, char **argv);
int cli_listen(int argc, char **argv);
int cli_nat(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_usage(int argc, char **argv);
int cli_drain(int argc, char **argv);
int cli_load(int argc, char **argv);

extern const struct cli_option cli_call_options[];
extern const struct cli_option cli_join_options[];
extern const struct cli_option cli_listen_options[];
extern const struct cli_option cli_token_options[];
extern const struct cli_option cli_trace_options[];
extern const struct cli_option cli_usage_options[];
extern const struct cli_option cli_load_options[];

#endif
