/* SPDX-License-Identifier: Apache-2.0 */
/* One request: its body, its answer, and its first answer if it is repeated. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <stdarg.h>
#include <stdio.h>

struct cf_api_req *cf_api_req_new(
	struct cf_api *api, struct cf_http_exchange *ex, const struct cf_http_request *http)
{
	struct cf_api_req *req = cf_alloc(sizeof(*req));

	if (!req)
		return NULL;
	req->api = api;
	req->ex = ex;
	req->http = http;
	req->begun_us = cf_clock_us();
	req->route_at = CF_API_ROUTES_MAX - 1;
	cf_list_init(&req->twins);
	return req;
}

void cf_api_req_free(struct cf_api_req *req)
{
	struct cf_list *node;

	cf_api_count_request(req->api, req->route_at, req->answered, req->begun_us);
	cf_list_remove(&req->repeat);
	/* Twins without an answer of their own are told to come again. */
	while ((node = cf_list_pop(&req->twins)))
		cf_api_fail(CF_CONTAINER_OF(node, struct cf_api_req, link), 503, "TryAgain",
			"The same request is under way; try again.");
	cf_json_free(req->body);
	cf_free(req->text);
	cf_wipe(&req->token, sizeof(req->token));
	cf_free(req);
}

/* ---- answering ---- */

static void send_json(struct cf_api_req *req, int status, const char *text)
{
	req->answered = status;
	if (text)
		cf_http_reply_json(req->ex, status, text, strlen(text));
	else
		cf_http_reply(req->ex, status, NULL, 0, cf_view_of(NULL, 0));
}

/* The same answer to everyone who asked the same. */
static void send_twins(struct cf_api_req *req, int status, const char *text)
{
	struct cf_list *node;

	while ((node = cf_list_pop(&req->twins))) {
		struct cf_api_req *twin = CF_CONTAINER_OF(node, struct cf_api_req, link);

		send_json(twin, status, text);
		cf_api_req_free(twin);
	}
}

void cf_api_reply(struct cf_api_req *req, int status, json_t *value)
{
	char *text = value ? cf_json_text(value, NULL) : NULL;

	if ((value && !text) || (!value && status != 202 && status != 204)) {
		cf_json_free(value);
		cf_api_fail(req, 500, "InternalError", "Out of memory.");
		return;
	}
	send_json(req, status, text);
	send_twins(req, status, text);
	cf_free(text);
	cf_json_free(value);
	cf_api_req_free(req);
}

void cf_api_fail(struct cf_api_req *req, int status, const char *code, const char *format, ...)
{
	struct cf_http_header headers[3] = {
		{"content-type", "application/json"}, {"x-ms-error-code", code}};
	char message[512], retry[16], *text;
	size_t n = 2;
	va_list args;
	json_t *error;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	req->api->n_refused++;
	error = json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
	text = error ? cf_json_text(error, NULL) : NULL;
	snprintf(retry, sizeof(retry), "%u", req->retry_after_s ? req->retry_after_s : 1);
	if (status == 429 || status == 503)
		headers[n++] = (struct cf_http_header){"retry-after", retry};
	if (status == 405)
		headers[n++] = (struct cf_http_header){"allow", req->allow};
	if (status == 401)
		headers[n++] = (struct cf_http_header){
			"www-authenticate", req->by_key ? "HMAC-SHA256" : "Bearer"};
	req->answered = status;
	cf_http_reply(req->ex, status, headers, n, cf_view_str(text ? text : "{}"));
	cf_free(text);
	cf_json_free(error);
	cf_api_req_free(req);
}

static const struct {
	int err;
	int status;
	const char *code;
	const char *message;
} FAILURES[] = {
	{CF_ENOTFOUND, 404, "NotFound", "There is no such call, or it has ended."},
	{CF_EDENIED, 403, "Forbidden", "This endpoint has no part in the call."},
	{CF_ESTATE, 409, "Conflict", "Not possible in the present state of the call."},
	{CF_EINVAL, 400, "BadRequest", "A value is not allowed."},
	{CF_EBADMSG, 400, "BadRequest", "The body is malformed."},
	{CF_ELIMIT, 429, "TooManyRequests", "A limit is reached."},
	{CF_ENOSPC, 409, "CallFull", "The call has as many members as it may have."},
	{CF_EAGAIN, 503, "TryAgain", "Try again."},
};

void cf_api_fail_err(struct cf_api_req *req, int err)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(FAILURES); i++)
		if (FAILURES[i].err == err) {
			cf_api_fail(req, FAILURES[i].status, FAILURES[i].code, "%s",
				FAILURES[i].message);
			return;
		}
	cf_api_fail(req, 500, "InternalError", "The service failed: %s.", cf_err_text(err));
}

void cf_api_reader(struct cf_api_req *req, struct cf_json_reader *r)
{
	cf_json_reader_init(r, req->body, &req->json_error);
}

/* ---- answers that wait for the store ---- */

static void keep_answer(struct cf_api_req *req)
{
	const struct cf_store_value v[] = {cf_store_text(req->repeat_key),
		cf_store_int(cf_clock_wall_ms()), cf_store_text(req->fingerprint),
		cf_store_int(req->status), cf_store_text(req->text ? req->text : "")};

	if (req->repeat_key[0])
		(void)cf_api_write(req->api, CF_STORE_REPEAT_PUT, v, CF_ARRAY_LEN(v));
}

void cf_api_reply_committed(struct cf_api_req *req, int status, json_t *value)
{
	struct cf_api_batch *batch;

	req->status = status;
	req->text = value ? cf_json_text(value, NULL) : NULL;
	cf_json_free(value);
	if (!req->text && status != 204 && status != 202) {
		cf_api_fail(req, 500, "InternalError", "Out of memory.");
		return;
	}
	keep_answer(req);
	batch = cf_api_batch_get(req->api);
	if (!batch) {
		cf_api_fail(req, 503, "TryAgain", "Out of memory.");
		return;
	}
	cf_list_push(&batch->waiting, &req->link);
}

void cf_api_req_committed(struct cf_api_req *req, int err)
{
	if (err < 0) {
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
		return;
	}
	send_json(req, req->status, req->text);
	send_twins(req, req->status, req->text);
	cf_api_req_free(req);
}

/* ---- repetition ---- */

/* Who asks what: the same id with another body is not the same request. */
static int fingerprint(struct cf_api_req *req)
{
	const struct cf_http_request *h = req->http;
	uint8_t hash[CF_SHA256_LEN], head[CF_SHA256_LEN];
	struct cf_view parts[] = {cf_view_str(h->method), cf_view_str(" "), h->path, h->body};
	struct cf_view key = cf_view_str("fingerprint");
	int err = cf_crypto_hmac_sha256(hash, key, parts, CF_ARRAY_LEN(parts));

	(void)head;
	if (err == 0)
		cf_base64_encode(req->fingerprint, hash, sizeof(hash));
	return err;
}

static void repeat_found(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;

	if (err < 0) {
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
		return;
	}
	if (rows->n_rows == 0) {
		cf_api_run(req);
		return;
	}
	if (strcmp(cf_store_at(rows, 0, 0)->text, req->fingerprint) != 0) {
		cf_api_fail(req, 409, "RepeatabilityConflict",
			"This repeatability-request-id was used for another request.");
		return;
	}
	req->text = cf_strdup(cf_store_at(rows, 0, 2)->text);
	req->status = (int)cf_store_at(rows, 0, 1)->number;
	if (req->text && !req->text[0])
		req->text = cf_free(req->text);
	cf_api_req_committed(req, 0);
}

/* Joins a request with the same key that is under way; false when there is none. */
static bool join_twin(struct cf_api_req *req)
{
	CF_LIST_FOR(it, &req->api->repeating)
	{
		struct cf_api_req *first = CF_CONTAINER_OF(it, struct cf_api_req, repeat);

		if (strcmp(first->repeat_key, req->repeat_key) != 0)
			continue;
		if (strcmp(first->fingerprint, req->fingerprint) != 0)
			cf_api_fail(req, 409, "RepeatabilityConflict",
				"This repeatability-request-id was used for another request.");
		else
			cf_list_push(&first->twins, &req->link);
		return true;
	}
	return false;
}

static bool repeat_id_valid(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > 64)
		return false;
	return strspn(id, "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

void cf_api_repeat_check(struct cf_api_req *req)
{
	const char *id = cf_http_request_header(req->http, "repeatability-request-id");
	struct cf_store_value v;
	int err;

	if (!req->route->repeatable || !id) {
		cf_api_run(req);
		return;
	}
	if (!repeat_id_valid(id)) {
		cf_api_fail(req, 400, "BadRequest",
			"The repeatability-request-id header must be a UUID.");
		return;
	}
	snprintf(req->repeat_key, sizeof(req->repeat_key), "%s %s",
		req->by_key ? "key" : req->token.user, id);
	err = fingerprint(req);
	if (err < 0) {
		cf_api_fail_err(req, err);
		return;
	}
	if (join_twin(req))
		return;
	cf_list_push(&req->api->repeating, &req->repeat);
	v = cf_store_text(req->repeat_key);
	err = cf_store_read(req->api->options.store, CF_STORE_REPEAT_GET, &v, 1, repeat_found, req);
	if (err < 0)
		cf_api_fail_err(req, err == CF_ELIMIT ? CF_EAGAIN : err);
}
