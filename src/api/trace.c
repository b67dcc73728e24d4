/* SPDX-License-Identifier: Apache-2.0 */
/* The story of a call: as JSON, in words, drawn. */
#include "trace/trace.h"
#include "api/accept.h"
#include "api/api_priv.h"
#include "base/mem.h"

static json_t *entry_json(const struct cf_store_rows *rows, size_t i)
{
	const char *detail = cf_store_at(rows, i, 5)->text;
	json_t *entry = json_pack("{s:I,s:o,s:s,s:s,s:s?}", "seq",
		(json_int_t)cf_store_at(rows, i, 0)->number, "time",
		cf_api_time(cf_store_at(rows, i, 1)->number), "room", cf_store_at(rows, i, 2)->text,
		"kind", cf_store_at(rows, i, 3)->text, "endpointId", cf_store_at(rows, i, 4)->text);
	json_t *value;

	if (entry && detail && cf_json_parse(&value, detail, strlen(detail), NULL) == 0)
		json_object_set_new(entry, "detail", value);
	return entry;
}

/* The device that this entry brings into a group, where it is another user's; or NULL. */
static const char *stranger_of(const json_t *entry, const char *user)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const char *who =
		json_string_value(json_object_get(json_object_get(entry, "detail"), "user"));

	if (!kind || strcmp(kind, "joined") != 0 || !who || strcmp(who, user) == 0)
		return NULL;
	return json_string_value(json_object_get(entry, "endpointId"));
}

/* Members of a group see each other come and go: what addresses the others have is not theirs to
 * know (between two people each has the other's anyway). */
static void hide_strangers(json_t *list, const char *user)
{
	CF_JSON_AUTOFREE json_t *strangers = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = json_array_get(list, i);
		const char *endpoint = json_string_value(json_object_get(entry, "endpointId"));
		const char *stranger = stranger_of(entry, user);

		if (stranger) {
			json_object_set_new(strangers, stranger, json_true());
			json_object_del(json_object_get(entry, "detail"), "candidates");
		} else if (endpoint && json_object_get(strangers, endpoint)) {
			json_array_remove(list, i--);
		}
	}
}

static json_t *trace_json(const struct cf_api_req *req, const struct cf_store_rows *rows)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->n_rows; i++)
		json_array_append_new(list, entry_json(rows, i));
	if (!req->by_key)
		hide_strangers(list, req->token.user);
	return json_pack("{s:s,s:o}", "callId", req->params.value[0], "entries", list);
}

/* The picture that the query names; both when it names none; -1 when there is no such. */
static int picture_asked(const struct cf_api_req *req)
{
	static const char *const names[] = {"network", "ladder", "both"};
	char name[16];
	int len = cf_query_get(req->http->query, "picture", name, sizeof(name));

	if (len == CF_ENOTFOUND)
		return CF_TRACE_BOTH;
	for (size_t i = 0; len >= 0 && i < CF_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return CF_TRACE_NETWORK + (int)i;
	return -1;
}

/* The form asked for; false when the request was answered with what is wrong. */
static bool take_form(struct cf_api_req *req, bool *ret_json, enum cf_trace_form *ret_form)
{
	static const char *const types[] = {"application/json", "text/plain", "image/svg+xml"};
	int type = cf_api_accept(
		cf_http_request_header(req->http, "accept"), types, CF_ARRAY_LEN(types));
	int picture = picture_asked(req);

	if (type < 0)
		cf_api_fail(req, 406, "NotAcceptable",
			"A trace comes as application/json, text/plain or image/svg+xml.");
	else if (picture < 0)
		cf_api_fail(req, 400, "BadRequest", "picture: must be network, ladder or both");
	*ret_json = type == 0;
	*ret_form = type == 1 ? CF_TRACE_WORDS : (enum cf_trace_form)picture;
	return type >= 0 && picture >= 0;
}

/* Drawings run nothing and load nothing, wherever they are opened. */
static void reply_told(struct cf_api_req *req, enum cf_trace_form form, struct cf_view text)
{
	const struct cf_http_header headers[] = {
		{"content-type",
			form == CF_TRACE_WORDS ? "text/plain; charset=utf-8" : "image/svg+xml"},
		{"content-security-policy",
			"default-src 'none'; style-src 'unsafe-inline'; sandbox"},
		{"vary", "accept"},
	};

	cf_http_reply(req->ex, 200, headers, CF_ARRAY_LEN(headers), text);
	cf_api_req_free(req);
}

static void tell(struct cf_api_req *req, const json_t *trace, enum cf_trace_form form)
{
	size_t len;
	char *text;
	int err = cf_trace_tell(trace, form, &text, &len);

	if (err < 0) {
		cf_api_fail_err(req, err);
		return;
	}
	reply_told(req, form, (struct cf_view){(uint8_t *)text, len});
	cf_free(text);
}

static void trace_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	CF_JSON_AUTOFREE json_t *trace = NULL;
	enum cf_trace_form form;
	bool as_json;

	if (err < 0) {
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
		return;
	}
	if (!take_form(req, &as_json, &form))
		return;
	trace = trace_json(req, rows);
	if (!trace)
		cf_api_fail_err(req, CF_ENOMEM);
	else if (as_json)
		cf_api_reply(req, 200, json_incref(trace));
	else
		tell(req, trace, form);
}

static void trace_allowed(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	struct cf_store_value v = cf_store_text(req->params.value[0]);
	CF_JSON_AUTOFREE json_t *call = err == 0 ? cf_api_call_of_rows(req, rows) : NULL;

	if (err == 0 && !call) {
		cf_api_fail(req, 404, "CallNotFound", "There is no such call.");
		return;
	}
	if (err == 0)
		err = cf_store_read(
			req->api->options.store, CF_STORE_TRACE_GET, &v, 1, trace_read, req);
	if (err < 0)
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
}

void cf_api_call_trace(struct cf_api_req *req)
{
	struct cf_store_value v = cf_store_text(req->params.value[0]);
	int err;

	/* What was traced in this turn has to be in the store before it is read. */
	cf_api_flush(req->api);
	err = cf_store_read(req->api->options.store, CF_STORE_CALL_GET, &v, 1, trace_allowed, req);
	if (err < 0)
		cf_api_fail_err(req, CF_EAGAIN);
}
