/* SPDX-License-Identifier: Apache-2.0 */
/* A client by the settings of the command line. */
#include "cli.h"

#include <string.h>

/* Without a token of ours, a new user's. */
static int make_token(char token[CALLFLOW_TOKEN_MAX])
{
	char user_id[CALLFLOW_USER_ID_MAX], expires_on[64];
	struct callflow_service *service = cli_service();
	int err;

	if (!service)
		return -1;
	err = callflow_user_create(service, user_id);
	if (err >= 0)
		err = callflow_token_issue(service, user_id, "voip", 0, token, expires_on);
	if (err < 0)
		cli_service_fail("cannot make a user", service);
	callflow_service_free(service);
	return err;
}

/* The endpoint's part of a connection string, in static storage; NULL if it has none. */
static const char *endpoint_of(const char *connection_string)
{
	static char endpoint[512];
	const char *at = connection_string ? strcasestr(connection_string, "endpoint=") : NULL;

	if (!at)
		return NULL;
	at += strlen("endpoint=");
	snprintf(endpoint, sizeof(endpoint), "%.*s", (int)strcspn(at, ";"), at);
	return endpoint;
}

struct callflow_client *cli_client(const char *display_name, callflow_event_fn *on_event, void *arg)
{
	static char token[CALLFLOW_TOKEN_MAX];
	struct callflow_client_options client_options = {.endpoint = cli_settings.endpoint,
		.token = cli_settings.token,
		.ca_file = cli_settings.ca_file,
		.display_name = display_name,
		.on_event = on_event,
		.arg = arg};
	struct callflow_client *client = NULL;
	int err;

	if (!client_options.endpoint)
		client_options.endpoint = endpoint_of(cli_settings.connection_string);
	if (!client_options.token) {
		if (make_token(token) < 0)
			return NULL;
		client_options.token = token;
	}
	if (!client_options.endpoint) {
		cli_fail("needs the service's URL: give --endpoint or set CALLFLOW_ENDPOINT");
		return NULL;
	}
	err = callflow_client_new(&client, &client_options);
	if (err == CALLFLOW_EIO && cli_settings.ca_file)
		cli_fail("cannot take certificates from %s", cli_settings.ca_file);
	else if (err < 0)
		cli_fail("%s", callflow_error_text(err));
	return client;
}
