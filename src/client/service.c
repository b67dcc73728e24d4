/* SPDX-License-Identifier: Apache-2.0 */
/* What an application does with the access key: a blocking client of the server API. */
#include "auth/acs_hmac.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/service_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IDENTITY_VERSION "?api-version=2023-10-01"
#define MINUTES_DEFAULT 1440

struct callflow_service {
	struct cf_loop *loop;
	struct cf_http_client *http;
	struct cf_access_key key;
	char *bearer;     /* "Bearer TOKEN"; NULL: the key signs */
	char *endpoint;   /* "https://host[:port]" */
	const char *host; /* part of it */
	char error[512];
	const char *accept; /* of the request that runs; NULL: JSON */
	/* The answer of the request that runs. */
	bool answered;
	int status;
	char *body; /* owned */
};

/* Endpoint and key of the connection string, or endpoint and token. */
static int take_identity(
	struct callflow_service *service, const struct callflow_service_options *options)
{
	struct cf_view endpoint = cf_view_str(options->endpoint);
	size_t n = options->token ? strlen(options->token) + sizeof("Bearer ") : 0;

	if (options->token && options->endpoint) {
		service->bearer = cf_alloc(n);
		if (!service->bearer)
			return CF_ENOMEM;
		snprintf(service->bearer, n, "Bearer %s", options->token);
	} else if (!options->connection_string ||
		   cf_connection_string_parse(
			   &endpoint, &service->key, cf_view_str(options->connection_string)) < 0) {
		return CF_EINVAL;
	}
	if (endpoint.len && endpoint.p[endpoint.len - 1] == '/')
		endpoint.len--;
	service->endpoint = cf_strndup((const char *)endpoint.p, endpoint.len);
	if (!service->endpoint)
		return CF_ENOMEM;
	service->host = strstr(service->endpoint, "://");
	service->host = service->host ? service->host + 3 : service->endpoint;
	return 0;
}

int callflow_service_new(
	struct callflow_service **ret_service, const struct callflow_service_options *options)
{
	struct callflow_service *service;
	struct cf_http_client_options http;
	int err;

	if (!options)
		return CF_EINVAL;
	service = cf_alloc(sizeof(*service));
	if (!service)
		return CF_ENOMEM;
	err = take_identity(service, options);
	if (err < 0) {
		callflow_service_free(service);
		return err;
	}
	service->loop = cf_loop_new();
	cf_http_client_options_defaults(&http);
	http.base_url = service->endpoint;
	http.ca_file = options->ca_file;
	if (service->loop)
		service->http = cf_http_client_new(service->loop, &http);
	if (!service->http) {
		callflow_service_free(service);
		return CF_EIO;
	}
	*ret_service = service;
	return 0;
}

struct callflow_service *callflow_service_free(struct callflow_service *service)
{
	if (!service)
		return NULL;
	cf_http_client_free(service->http);
	cf_loop_free(service->loop);
	cf_wipe(&service->key, sizeof(service->key));
	if (service->bearer)
		cf_wipe(service->bearer, strlen(service->bearer));
	cf_free(service->bearer);
	cf_free(service->endpoint);
	cf_free(service->body);
	return cf_free(service);
}

const char *callflow_service_error(const struct callflow_service *service)
{
	return service->error;
}

const char *callflow_service_endpoint(const struct callflow_service *service)
{
	return service->endpoint;
}

/* Requests */

static void on_answer(const struct cf_http_response *response, void *arg)
{
	struct callflow_service *service = arg;

	service->answered = true;
	service->status = response->err ? response->err : response->status;
	cf_free(service->body);
	service->body = cf_strndup((const char *)response->body.p, response->body.len);
	if (response->err || response->status >= 300)
		client_response_text(response, service->error, sizeof(service->error));
}

static int code_of(int status)
{
	if (status < 0)
		return status;
	if (status < 300)
		return status;
	return status == 401   ? CF_EAUTH
	       : status == 403 ? CF_EDENIED
	       : status == 404 ? CF_ENOTFOUND
	       : status == 429 ? CF_ELIMIT
			       : CF_EINVAL;
}

/* The headers that say who asks; their number. */
static int identify(struct callflow_service *service, const struct cf_acs_hmac_request *request,
	struct cf_acs_hmac_headers *sign, struct cf_http_header headers[static 3])
{
	int err;

	if (service->bearer) {
		headers[0] = (struct cf_http_header){"authorization", service->bearer};
		return 1;
	}
	err = cf_acs_hmac_sign(sign, request, &service->key, cf_clock_wall_ms());
	headers[0] = (struct cf_http_header){"authorization", sign->authorization};
	headers[1] = (struct cf_http_header){"x-ms-date", sign->date};
	headers[2] = (struct cf_http_header){"x-ms-content-sha256", sign->content_sha256};
	return err < 0 ? err : 3;
}

int client_service_request(
	struct callflow_service *service, const char *method, const char *path, const char *body)
{
	struct cf_acs_hmac_headers sign;
	struct cf_acs_hmac_request asked = {.method = cf_view_str(method),
		.target = cf_view_str(path),
		.host = cf_view_str(service->host),
		.body = cf_view_str(body)};
	char id[CF_UUID_TEXT_MAX];
	struct cf_http_header headers[5];
	struct cf_http_call_options options = {
		.method = method, .path = path, .headers = headers, .body = cf_view_str(body)};
	int n = identify(service, &asked, &sign, headers), err = n < 0 ? n : 0;

	service->answered = false;
	snprintf(service->error, sizeof(service->error), "no answer");
	if (!err) {
		headers[n++] =
			(struct cf_http_header){"repeatability-request-id", cf_rand_uuid(id)};
		if (service->accept)
			headers[n++] = (struct cf_http_header){"accept", service->accept};
		options.n_headers = (size_t)n;
		err = cf_http_client_request(service->http, &options, on_answer, service, NULL);
	}
	while (!err && !service->answered)
		err = cf_loop_run_once(service->loop, -1);
	return err ? err : code_of(service->status);
}

int client_service_fail(struct callflow_service *service, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(service->error, sizeof(service->error), format, args);
	va_end(args);
	return err;
}

int client_escape(struct cf_buf *out, const char *text)
{
	int err = 0;

	for (; *text && err == 0; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
			c == '_' || c == '.')
			err = cf_buf_append(out, text, 1);
		else
			err = cf_buf_printf(out, "%%%02X", c);
	}
	return err;
}

static int request_user(struct callflow_service *service, const char *method, const char *user_id,
	const char *verb, const char *body)
{
	struct cf_buf path;
	int err;

	cf_buf_init(&path, 3 * CALLFLOW_USER_ID_MAX + 128);
	err = strlen(user_id) < CALLFLOW_USER_ID_MAX ? cf_buf_append_str(&path, "/identities/")
						     : CF_EINVAL;
	if (err == 0)
		err = client_escape(&path, user_id);
	if (err == 0)
		err = cf_buf_printf(&path, "%s" IDENTITY_VERSION "%c", verb, 0);
	if (err == 0)
		err = client_service_request(service, method, (const char *)path.p, body);
	cf_buf_done(&path);
	return err;
}

/* Copies a string of the answer; CF_EBADMSG when it is not there or too long. */
static int take_text(const json_t *value, const char *key, char *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(value, key));

	if (!text || strlen(text) >= cap)
		return CF_EBADMSG;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

json_t *client_service_answer(const struct callflow_service *service)
{
	json_t *value = NULL;

	if (!service->body || cf_json_parse(&value, service->body, strlen(service->body), NULL) < 0)
		return NULL;
	return value;
}

/* Users and tokens */

int callflow_user_create(struct callflow_service *service, char ret_user_id[CALLFLOW_USER_ID_MAX])
{
	CF_JSON_AUTOFREE json_t *answer = NULL;
	int err = client_service_request(service, "POST", "/identities" IDENTITY_VERSION, "{}");

	if (err < 0)
		return err;
	answer = client_service_answer(service);
	return take_text(
		json_object_get(answer, "identity"), "id", ret_user_id, CALLFLOW_USER_ID_MAX);
}

int callflow_user_delete(struct callflow_service *service, const char *user_id)
{
	int err = request_user(service, "DELETE", user_id, "", "");

	return err < 0 ? err : 0;
}

static json_t *scope_list(const char *scopes)
{
	json_t *list = json_array();

	while (list && *scopes) {
		size_t n = strcspn(scopes, " ,");

		if (n)
			json_array_append_new(list, json_stringn(scopes, n));
		scopes += n + (scopes[n] != 0);
	}
	return list;
}

int callflow_token_issue(struct callflow_service *service, const char *user_id, const char *scopes,
	int ttl_minutes, char ret_token[CALLFLOW_TOKEN_MAX], char ret_expires_on[64])
{
	CF_JSON_AUTOFREE json_t *answer = NULL;
	CF_JSON_AUTOFREE json_t *ask =
		json_pack("{s:o, s:i}", "scopes", scope_list(scopes ? scopes : "voip"),
			"expiresInMinutes", ttl_minutes ? ttl_minutes : MINUTES_DEFAULT);
	CF_AUTOFREE char *body = ask ? cf_json_text(ask, NULL) : NULL;
	int err;

	if (!body)
		return CF_ENOMEM;
	err = request_user(service, "POST", user_id, "/:issueAccessToken", body);
	if (err < 0)
		return err;
	answer = client_service_answer(service);
	err = take_text(answer, "token", ret_token, CALLFLOW_TOKEN_MAX);
	return err ? err : take_text(answer, "expiresOn", ret_expires_on, 64);
}

int callflow_token_revoke(struct callflow_service *service, const char *user_id)
{
	int err = request_user(service, "POST", user_id, "/:revokeAccessTokens", "");

	return err < 0 ? err : 0;
}

static int get_as(
	struct callflow_service *service, const char *path, const char *accept, char **ret_text)
{
	int err;

	service->accept = accept;
	err = client_service_request(service, "GET", path, "");
	service->accept = NULL;
	if (err < 0)
		return err;
	*ret_text = service->body;
	service->body = NULL;
	return 0;
}

int callflow_service_get(struct callflow_service *service, const char *path, char **ret_json)
{
	return get_as(service, path, NULL, ret_json);
}

int callflow_trace(struct callflow_service *service, const char *call_id,
	enum callflow_trace_form form, char **ret_text)
{
	static const struct {
		const char *accept, *query;
	} forms[] = {[CALLFLOW_TRACE_JSON] = {"application/json", ""},
		[CALLFLOW_TRACE_WORDS] = {"text/plain", ""},
		[CALLFLOW_TRACE_NETWORK] = {"image/svg+xml", "?picture=network"},
		[CALLFLOW_TRACE_LADDER] = {"image/svg+xml", "?picture=ladder"},
		[CALLFLOW_TRACE_BOTH] = {"image/svg+xml", "?picture=both"}};
	struct cf_buf path;
	int err;

	if ((unsigned)form >= CF_ARRAY_LEN(forms) || strlen(call_id) >= CALLFLOW_CALL_ID_MAX)
		return client_service_fail(service, CF_EINVAL, "no call has such an id");
	cf_buf_init(&path, 512);
	err = cf_buf_append_str(&path, CF_CLIENT_API "/calls/");
	if (err == 0)
		err = client_escape(&path, call_id);
	if (err == 0)
		err = cf_buf_printf(&path, "/trace%s%c", forms[form].query, 0);
	if (err == 0)
		err = get_as(service, (const char *)path.p, forms[form].accept, ret_text);
	cf_buf_done(&path);
	return err;
}

int callflow_service_drain(struct callflow_service *service, int *ret_calls)
{
	CF_JSON_AUTOFREE json_t *answer = NULL;
	int err = client_service_request(service, "POST", "/node/:drain", "");

	if (err < 0)
		return err;
	answer = client_service_answer(service);
	*ret_calls = (int)json_integer_value(json_object_get(answer, "calls"));
	return 0;
}

void callflow_text_free(char *text)
{
	cf_free(text);
}
