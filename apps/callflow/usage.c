/* SPDX-License-Identifier: Apache-2.0 */
/* usage: what was relayed and who was in a call how long. */
#include "cli.h"

#include <string.h>

static struct callflow_usage_query query;
static bool csv;

const struct cli_option cli_usage_options[] = {
	{"by", "call|user|transport|day|total", "sums instead of rows", .text = &query.by},
	{"from", "TIME", "rows that began then or later: 2026-11-01, RFC 3339, -7d",
		.text = &query.from},
	{"to", "TIME", "rows that began before", .text = &query.to},
	{"call", "CALL", "of this call", .text = &query.call_id},
	{"user", "USER", "of this user", .text = &query.user},
	{"kind", "relay|leg", "relay allocations or parts in calls", .text = &query.kind},
	{"transport", "udp|tcp|tls", "how the client reached the relay", .text = &query.transport},
	{"csv", NULL, "as CSV", .flag = &csv},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

static void print_line(const char *line, size_t len, void *arg)
{
	fwrite(line, 1, len, arg);
}

int cli_usage(int argc, char **argv)
{
	struct callflow_service *service = cli_service_or_user();
	int n;

	(void)argc;
	(void)argv;
	if (!service)
		return EXIT_CALL_FAILED;
	query.format = csv                 ? CALLFLOW_FORMAT_CSV
		       : cli_settings.json ? CALLFLOW_FORMAT_JSON
					   : CALLFLOW_FORMAT_TEXT;
	n = callflow_usage(service, &query, print_line, stdout);
	if (n < 0)
		cli_fail("usage: %s", callflow_service_error(service));
	callflow_service_free(service);
	return n < 0 || fflush(stdout) != 0 ? EXIT_CALL_FAILED : 0;
}
