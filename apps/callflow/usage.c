/* SPDX-License-Identifier: Apache-2.0 */
/* usage: what was relayed and who was in a call how long. */
#include "cli.h"

#include <string.h>

static struct callflow_usage_query query;
static bool csv, public_key;
static const char *export_file, *verify_file, *key_file;

const struct cli_option cli_usage_options[] = {
	{"by", "call|user|transport|day|total", "sums instead of rows", .text = &query.by},
	{"from", "TIME", "rows that began then or later: 2026-11-01, RFC 3339, -7d",
		.text = &query.from},
	{"to", "TIME", "rows that began before", .text = &query.to},
	{"call", "CALL", "of this call", .text = &query.call_id},
	{"user", "USER", "of this user", .text = &query.user},
	{"kind", "relay|leg", "relay allocations or parts in calls", .text = &query.kind},
	{"transport", "udp|tcp|tls|dtls", "how the client reached the relay",
		.text = &query.transport},
	{"csv", NULL, "as CSV", .flag = &csv},
	{"export", "FILE", "closed rows that ended in the period, signed: FILE and FILE.sig",
		.text = &export_file},
	{"verify", "FILE", "check an export and FILE.sig", .text = &verify_file},
	{"key", "FILE", "with these keys (of --public-key), not those of the service",
		.text = &key_file},
	{"public-key", NULL, "print the keys that exports are signed with", .flag = &public_key},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

static void print_line(const char *line, size_t len, void *arg)
{
	fwrite(line, 1, len, arg);
}

/* Nothing is left under the name when something went wrong. */
static int close_file(FILE *file, const char *path, int failed)
{
	if (ferror(file))
		failed = 1;
	if (fclose(file) != 0)
		failed = 1;
	if (failed)
		remove(path);
	return failed;
}

static int write_signature(const char *signature)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s.sig", export_file);
	file = fopen(path, "we");
	if (!file)
		return cli_fail("%s cannot be written", path);
	fprintf(file, "%s\n", signature);
	return close_file(file, path, 0) ? cli_fail("%s cannot be written", path) : 0;
}

static int export_rows(struct callflow_service *service)
{
	char signature[CALLFLOW_SIGNATURE_MAX];
	FILE *file = fopen(export_file, "we");
	int n;

	if (!file)
		return cli_fail("%s cannot be written", export_file);
	n = callflow_usage_export(service, query.from, query.to, print_line, file, signature);
	if (close_file(file, export_file, n < 0))
		return n < 0 ? cli_service_fail("usage --export", service)
			     : cli_fail("%s cannot be written", export_file);
	if (write_signature(signature) != 0) {
		remove(export_file);
		return EXIT_CALL_FAILED;
	}
	fprintf(stderr, "%d rows in %s, signature in %s.sig\n", n, export_file, export_file);
	return 0;
}

static int read_small(const char *path, const char *suffix, char *out, size_t cap)
{
	char name[1024];
	FILE *file;
	size_t n;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	file = fopen(name, "re");
	if (!file)
		return cli_fail("%s cannot be read", name);
	n = fread(out, 1, cap - 1, file);
	out[n] = 0;
	fclose(file);
	return 0;
}

static int print_keys(struct callflow_service *service)
{
	char *keys = NULL;

	if (callflow_usage_keys(service, &keys) < 0)
		return cli_service_fail("usage --public-key", service);
	printf("%s\n", keys);
	callflow_text_free(keys);
	return 0;
}

/* The keys of --key, or of the service. */
static int get_keys(char *out, size_t cap)
{
	struct callflow_service *service;
	char *keys = NULL;
	int err;

	if (key_file)
		return read_small(key_file, "", out, cap);
	service = cli_service_or_user();
	if (!service)
		return EXIT_CALL_FAILED;
	err = callflow_usage_keys(service, &keys);
	if (err < 0)
		cli_service_fail("usage --verify", service);
	snprintf(out, cap, "%s", keys ? keys : "");
	callflow_text_free(keys);
	callflow_service_free(service);
	return err < 0 ? EXIT_CALL_FAILED : 0;
}

static int verify(void)
{
	char signature[CALLFLOW_SIGNATURE_MAX], keys[8192], why[CALLFLOW_WHY_MAX];

	if (read_small(verify_file, ".sig", signature, sizeof(signature)) != 0 ||
		get_keys(keys, sizeof(keys)) != 0)
		return EXIT_CALL_FAILED;
	if (callflow_usage_verify(verify_file, signature, keys, why) < 0)
		return cli_fail("%s: %s", verify_file, why);
	printf("%s: good: %s\n", verify_file, why);
	return 0;
}

int cli_usage(int argc, char **argv)
{
	struct callflow_service *service;
	int n;

	(void)argc;
	(void)argv;
	if (csv && cli_settings.json) {
		cli_fail("usage: --json or --csv, not both");
		return EXIT_USAGE;
	}
	if (verify_file)
		return verify();
	service = cli_service_or_user();
	if (!service)
		return EXIT_CALL_FAILED;
	if (export_file || public_key) {
		n = export_file ? export_rows(service) : print_keys(service);
		callflow_service_free(service);
		return n;
	}
	query.format = csv                 ? CALLFLOW_FORMAT_CSV
		       : cli_settings.json ? CALLFLOW_FORMAT_JSON
					   : CALLFLOW_FORMAT_TEXT;
	n = callflow_usage(service, &query, print_line, stdout);
	if (n < 0)
		cli_service_fail("usage", service);
	callflow_service_free(service);
	return n < 0 || fflush(stdout) != 0 ? EXIT_CALL_FAILED : 0;
}
