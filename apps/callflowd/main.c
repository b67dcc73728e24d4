/* SPDX-License-Identifier: Apache-2.0 */
/* callflowd: command line and configuration, then the daemon. */
#include "check.h"
#include "daemon.h"

#include "base/buf.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SETS_MAX 64
#define ADDRESSES_MAX 8

struct arguments {
	const char *config;
	const char *state;
	const char *sets[SETS_MAX];
	size_t n_sets;
	const char *addresses[ADDRESSES_MAX];
	size_t n_addresses;
	bool dev;
	bool json;
	bool check;
};

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_GO_ON = -1 };

static const char usage[] =
	"Usage: callflowd [OPTIONS]\n\n"
	"  --config FILE         configuration, YAML\n"
	"  --dev                 no file needed: SQLite and a development CA in var/, on loopback\n"
	"  --state DIR           another place than var/ (or state_dir)\n"
	"  --public-address A    address under which clients reach this host; may be repeated;\n"
	"                        PUBLIC/OWN behind 1:1 NAT\n"
	"  --set KEY=VALUE       a configuration key; may be repeated\n"
	"  --json                say that it is ready as one JSON line\n"
	"  --check               look at configuration, certificate and keys, and start nothing\n"
	"  --help-config         all configuration keys\n"
	"  --version, --help\n";

static int print_config_help(void)
{
	struct cf_buf out;

	cf_buf_init(&out, 1024 * 1024);
	if (cf_conf_help(&out) == 0)
		fwrite(out.p, 1, out.len, stdout);
	cf_buf_done(&out);
	return STATUS_OK;
}

static int add(const char **list, size_t *n, size_t max, const char *value, const char *option)
{
	if (*n == max) {
		fprintf(stderr, "callflowd: at most %zu times %s\n", max, option);
		return STATUS_USAGE;
	}
	list[(*n)++] = value;
	return STATUS_GO_ON;
}

static int parse_valued(struct arguments *a, const char *option, const char *value)
{
	if (!value) {
		fprintf(stderr, "callflowd: %s wants a value\n", option);
		return STATUS_USAGE;
	}
	if (strcmp(option, "--config") == 0)
		a->config = value;
	else if (strcmp(option, "--state") == 0)
		a->state = value;
	else if (strcmp(option, "--set") == 0)
		return add(a->sets, &a->n_sets, SETS_MAX, value, option);
	else
		return add(a->addresses, &a->n_addresses, ADDRESSES_MAX, value, option);
	return STATUS_GO_ON;
}

static int parse_one(struct arguments *a, const char *option, const char *value, bool *ret_used)
{
	static const char *const valued[] = {"--config", "--state", "--set", "--public-address"};

	*ret_used = false;
	if (strcmp(option, "--dev") == 0) {
		a->dev = true;
	} else if (strcmp(option, "--json") == 0) {
		a->json = true;
	} else if (strcmp(option, "--check") == 0) {
		a->check = true;
	} else if (strcmp(option, "--help") == 0) {
		fputs(usage, stdout);
		return STATUS_OK;
	} else if (strcmp(option, "--version") == 0) {
		printf("callflowd %s\n", CF_VERSION);
		return STATUS_OK;
	} else if (strcmp(option, "--help-config") == 0) {
		return print_config_help();
	} else {
		for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++)
			if (strcmp(option, valued[i]) == 0) {
				*ret_used = true;
				return parse_valued(a, option, value);
			}
		fprintf(stderr, "callflowd: unknown option \"%s\"; see --help\n", option);
		return STATUS_USAGE;
	}
	return STATUS_GO_ON;
}

static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool used;
		int status = parse_one(a, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);

		if (status != STATUS_GO_ON)
			return status;
		i += used;
	}
	if (!a->dev && !a->config) {
		fputs(usage, stderr);
		fprintf(stderr, "\ncallflowd: give --config FILE, or --dev to try it out\n");
		return STATUS_USAGE;
	}
	return STATUS_GO_ON;
}

/* Configuration: defaults, file, then the command line. */

static int set(
	struct cf_conf *conf, struct cf_conf_error *error, const char *key, const char *value)
{
	char text[1200];

	snprintf(text, sizeof(text), "%s=%s", key, value);
	return cf_conf_set(conf, text, error);
}

static int set_any(struct cf_conf *conf, struct cf_conf_error *error, const char *key,
	unsigned port, bool v4, bool v6)
{
	char list[64];

	if (v4 && v6)
		snprintf(list, sizeof(list), "[\"0.0.0.0:%u\", \"[::]:%u\"]", port, port);
	else if (v6)
		snprintf(list, sizeof(list), "[\"[::]:%u\"]", port);
	else
		snprintf(list, sizeof(list), "[\"0.0.0.0:%u\"]", port);
	return set(conf, error, key, list);
}

/* With public addresses --dev leaves the loopback: it listens on all addresses of their family. */
static int set_addresses(
	struct cf_conf *conf, struct cf_conf_error *error, const struct arguments *a)
{
	static const struct {
		const char *key;
		unsigned port;
	} rows[] = {{"listen.https", 8443}, {"listen.stun", 3478}, {"listen.turn_tls", 5349}};
	char list[1024] = "[";
	bool v4 = false, v6 = false;
	int err;

	for (size_t i = 0; i < a->n_addresses; i++) {
		size_t n = strlen(list);

		snprintf(
			list + n, sizeof(list) - n, "%s\"%.100s\"", i ? ", " : "", a->addresses[i]);
		if (strchr(a->addresses[i], ':'))
			v6 = true;
		else
			v4 = true;
	}
	strncat(list, "]", sizeof(list) - strlen(list) - 1);
	err = set(conf, error, "public_addresses", list);
	for (size_t i = 0; !err && a->dev && i < sizeof(rows) / sizeof(rows[0]); i++)
		err = set_any(conf, error, rows[i].key, rows[i].port, v4, v6);
	return err;
}

static int load(struct cf_conf *conf, const struct arguments *a, struct cf_conf_error *ret_error)
{
	struct cf_conf_error error = {.text = "out of memory"};
	int err = cf_conf_init(conf, a->dev);

	if (!err && a->config)
		err = cf_conf_read(conf, a->config, &error);
	if (!err && a->state)
		err = set(conf, &error, "state_dir", a->state);
	if (!err && a->n_addresses)
		err = set_addresses(conf, &error, a);
	for (size_t i = 0; !err && i < a->n_sets; i++)
		err = cf_conf_set(conf, a->sets[i], &error);
	if (!err)
		err = cf_conf_check(conf, &error);
	if (err)
		*ret_error = error;
	return err;
}

static int load_again(struct cf_conf *ret_conf, void *arg)
{
	struct cf_conf_error error;
	int err = load(ret_conf, arg, &error);

	if (err) {
		cf_log(CF_LOG_ERROR, "daemon", NULL, "%s", error.text);
		cf_conf_done(ret_conf);
	}
	return err;
}

/* Each allocation and each connection takes a file; the usual limit of 1,024 is for programs that
 * use select(2). */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct daemon_options options;
	struct daemon *daemon;
	struct cf_conf_error error;
	struct cf_conf conf;
	int status = parse_arguments(&arguments, argc, argv);

	if (status != STATUS_GO_ON)
		return status;
	if (load(&conf, &arguments, &error) < 0) {
		fprintf(stderr, "callflowd: %s\n", error.text);
		cf_conf_done(&conf);
		return STATUS_USAGE;
	}
	if (arguments.check) {
		status = check_configuration(&conf) < 0 ? STATUS_FAILED : STATUS_OK;
		cf_conf_done(&conf);
		return status;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	umask(077); /* database, keys, secrets: nobody else's; what is public says so */
	cf_log_setup((enum cf_log_level)conf.log.level, conf.log.json);
	options = (struct daemon_options){.conf = &conf,
		.load = load_again,
		.arg = &arguments,
		.dev = arguments.dev,
		.json = arguments.json};
	daemon = daemon_new(&options);
	status = daemon ? daemon_run(daemon) : STATUS_FAILED;
	daemon_free(daemon);
	cf_conf_done(&conf);
	return status;
}
