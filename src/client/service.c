/* SPDX-License-Identifier: Apache-2.0 */
/* What an application does with the access key: a blocking client of the server API. */
#include "auth/acs_hmac.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <string.h>

#define IDENTITY_VERSION "?api-version=2023-10-01"
#define MINUTES_DEFAULT 1440

struct callflow_service {
	struct cf_loop *loop;
	struct cf_http_client *http;
	struct cf_access_key key;
	char *endpoint;   /* "https://host[:port]" */
	const char *host; /* part of it */
	char error[512];
	/* The answer of the request that runs. */
	bool answered;
	int status;
	char *body; /* owned */
};

int callflow_service_new(
	struct callflow_service **ret_service, const struct callflow_service_options *options)
{
	struct callflow_service *service;
	struct cf_http_client_options http;
	struct cf_view endpoint;

	if (!options || !options->connection_string)
		return CF_EINVAL;
	service = cf_alloc(sizeof(*service));
	if (!service)
		return CF_ENOMEM;
	if (cf_connection_string_parse(
		    &endpoint, &service->key, cf_view_str(options->connection_string)) < 0) {
		callflow_service_free(service);
		return CF_EINVAL;
	}
	if (endpoint.len && endpoint.p[endpoint.len - 1] == '/')
		endpoint.len--;
	service->endpoint = cf_strndup((const char *)endpoint.p, endpoint.len);
	service->loop = cf_loop_new();
	cf_http_client_options_defaults(&http);
	http.base_url = service->endpoint;
	http.ca_file = options->ca_file;
	if (service->endpoint && service->loop)
		service->http = cf_http_client_new(service->loop, &http);
	if (!service->http || !service->endpoint) {
		callflow_service_free(service);
		return CF_EIO;
	}
	service->host = strstr(service->endpoint, "://") + 3;
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

/* Sends a signed request and waits: the HTTP status below 300, or an error. */
static int request(
	struct callflow_service *service, const char *method, const char *path, const char *body)
{
	struct cf_acs_hmac_headers sign;
	struct cf_acs_hmac_request signed_request = {.method = cf_view_str(method),
		.target = cf_view_str(path),
		.host = cf_view_str(service->host),
		.body = cf_view_str(body)};
	char id[CF_UUID_TEXT_MAX];
	struct cf_http_header headers[] = {{"x-ms-date", sign.date},
		{"x-ms-content-sha256", sign.content_sha256}, {"authorization", sign.authorization},
		{"repeatability-request-id", cf_rand_uuid(id)}};
	struct cf_http_call_options options = {.method = method,
		.path = path,
		.headers = headers,
		.n_headers = CF_ARRAY_LEN(headers),
		.body = cf_view_str(body)};
	int err = cf_acs_hmac_sign(&sign, &signed_request, &service->key, cf_clock_wall_ms());

	service->answered = false;
	snprintf(service->error, sizeof(service->error), "no answer");
	if (!err)
		err = cf_http_client_request(service->http, &options, on_answer, service, NULL);
	while (!err && !service->answered)
		err = cf_loop_run_once(service->loop, -1);
	return err ? err : code_of(service->status);
}

/* A raw id as a path segment: what is not unreserved is escaped (RFC 3986 section 2.1). */
static void escape(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text && n + 4 < cap; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
			c == '_' || c == '.')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, cap - n, "%%%02X", c);
	}
	out[n] = 0;
}

static int request_user(struct callflow_service *service, const char *method, const char *user_id,
	const char *verb, const char *body)
{
	char id[3 * CALLFLOW_USER_ID_MAX], path[3 * CALLFLOW_USER_ID_MAX + 128];

	if (strlen(user_id) >= CALLFLOW_USER_ID_MAX)
		return CF_EINVAL;
	escape(id, sizeof(id), user_id);
	snprintf(path, sizeof(path), "/identities/%s%s" IDENTITY_VERSION, id, verb);
	return request(service, method, path, body);
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

static json_t *answer_of(const struct callflow_service *service)
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
	int err = request(service, "POST", "/identities" IDENTITY_VERSION, "{}");

	if (err < 0)
		return err;
	answer = answer_of(service);
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
	answer = answer_of(service);
	err = take_text(answer, "token", ret_token, CALLFLOW_TOKEN_MAX);
	return err ? err : take_text(answer, "expiresOn", ret_expires_on, 64);
}

int callflow_token_revoke(struct callflow_service *service, const char *user_id)
{
	int err = request_user(service, "POST", user_id, "/:revokeAccessTokens", "");

	return err < 0 ? err : 0;
}

int callflow_service_get(struct callflow_service *service, const char *path, char **ret_json)
{
	int err = request(service, "GET", path, "");

	if (err < 0)
		return err;
	*ret_json = service->body;
	service->body = NULL;
	return 0;
}

void callflow_text_free(char *text)
{
	cf_free(text);
}
