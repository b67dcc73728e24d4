/* SPDX-License-Identifier: Apache-2.0 */
/* user create, user delete, token issue, token revoke: what the access key may do. */
#include "cli.h"

#include <string.h>

static const char *scopes;
static const char *ttl;

const struct cli_option cli_token_options[] = {
	{"scope", "SCOPES", "space-separated: voip (default), voip.join, chat", .text = &scopes},
	{"ttl", "TIME", "60m to 24h (default)", .text = &ttl},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

static int finish(struct callflow_service *service, int err, const char *what)
{
	if (err < 0)
		cli_service_fail(what, service);
	callflow_service_free(service);
	return err < 0 ? EXIT_CALL_FAILED : 0;
}

int cli_user_create(int argc, char **argv)
{
	struct callflow_service *service = cli_service();
	char user_id[CALLFLOW_USER_ID_MAX];
	int err;

	(void)argc;
	(void)argv;
	if (!service)
		return EXIT_CALL_FAILED;
	err = callflow_user_create(service, user_id);
	if (err >= 0 && cli_settings.json) {
		cli_json_begin(NULL);
		cli_json_text("id", user_id);
		cli_json_end();
	} else if (err >= 0) {
		printf("%s\n", user_id);
	}
	return finish(service, err, "user create");
}

int cli_user_delete(int argc, char **argv)
{
	struct callflow_service *service = cli_service();

	(void)argc;
	if (!service)
		return EXIT_CALL_FAILED;
	return finish(service, callflow_user_delete(service, argv[0]), "user delete");
}

/* "90m", "2h", "24h" or plain minutes; -1 for anything else. */
static int parse_minutes(const char *text)
{
	char unit = 'm', rest = 0;
	int value = 0;
	int n = sscanf(text, "%d%c%c", &value, &unit, &rest);

	if (n < 1 || n > 2 || value <= 0 || value > 1440 || (unit != 'm' && unit != 'h'))
		return -1;
	return unit == 'h' ? value * 60 : value;
}

int cli_token_issue(int argc, char **argv)
{
	char token[CALLFLOW_TOKEN_MAX], expires_on[64];
	struct callflow_service *service;
	int minutes = ttl ? parse_minutes(ttl) : 0;
	int err;

	(void)argc;
	if (minutes < 0) {
		cli_fail("--ttl wants minutes (\"90m\") or hours (\"2h\"), 60m to 24h, not \"%s\"",
			ttl);
		return EXIT_USAGE;
	}
	service = cli_service();
	if (!service)
		return EXIT_CALL_FAILED;
	err = callflow_token_issue(service, argv[0], scopes, minutes, token, expires_on);
	if (err >= 0 && cli_settings.json) {
		cli_json_begin(NULL);
		cli_json_text("token", token);
		cli_json_text("expiresOn", expires_on);
		cli_json_end();
	} else if (err >= 0) {
		printf("%s\n", token);
	}
	return finish(service, err, "token issue");
}

int cli_token_revoke(int argc, char **argv)
{
	struct callflow_service *service = cli_service();

	(void)argc;
	if (!service)
		return EXIT_CALL_FAILED;
	return finish(service, callflow_token_revoke(service, argv[0]), "token revoke");
}

int cli_drain(int argc, char **argv)
{
	struct callflow_service *service = cli_service();
	int calls = 0, err;

	(void)argc;
	(void)argv;
	if (!service)
		return EXIT_CALL_FAILED;
	err = callflow_service_drain(service, &calls);
	if (err >= 0 && cli_settings.json) {
		cli_json_begin("draining");
		cli_json_number("calls", calls);
		cli_json_end();
	} else if (err >= 0) {
		printf("The service is draining; calls in progress: %d\n", calls);
	}
	return finish(service, err, "drain");
}
