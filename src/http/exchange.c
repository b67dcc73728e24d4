/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Method and the terminators: beside target and headers. */
#define TEXT_EXTRA 1024
#define METHOD_MAX 32
#define HOST_MAX 300

struct status_text {
	int status;
	const char *text;
	const char *code; /* for bodies of refusals */
};

static const struct status_text statuses[] = {
	{200, "OK", ""},
	{201, "Created", ""},
	{202, "Accepted", ""},
	{204, "No Content", ""},
	{304, "Not Modified", ""},
	{400, "Bad Request", "BadRequest"},
	{401, "Unauthorized", "Unauthorized"},
	{403, "Forbidden", "Forbidden"},
	{404, "Not Found", "NotFound"},
	{405, "Method Not Allowed", "MethodNotAllowed"},
	{408, "Request Timeout", "RequestTimeout"},
	{409, "Conflict", "Conflict"},
	{410, "Gone", "Gone"},
	{411, "Length Required", "LengthRequired"},
	{412, "Precondition Failed", "PreconditionFailed"},
	{413, "Content Too Large", "ContentTooLarge"},
	{414, "URI Too Long", "UriTooLong"},
	{415, "Unsupported Media Type", "UnsupportedMediaType"},
	{417, "Expectation Failed", "ExpectationFailed"},
	{421, "Misdirected Request", "MisdirectedRequest"},
	{422, "Unprocessable Content", "UnprocessableContent"},
	{425, "Too Early", "TooEarly"},
	{429, "Too Many Requests", "TooManyRequests"},
	{431, "Request Header Fields Too Large", "RequestHeaderFieldsTooLarge"},
	{500, "Internal Server Error", "InternalServerError"},
	{501, "Not Implemented", "NotImplemented"},
	{502, "Bad Gateway", "BadGateway"},
	{503, "Service Unavailable", "ServiceUnavailable"},
	{505, "HTTP Version Not Supported", "HttpVersionNotSupported"},
	{507, "Insufficient Storage", "InsufficientStorage"},
};

static const struct status_text *find_status(int status)
{
	static const struct status_text unknown = {0, "Unknown", "Unknown"};

	for (size_t i = 0; i < CF_ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return &statuses[i];
	return &unknown;
}

const char *cf_http_status_text(int status)
{
	return find_status(status)->text;
}

bool cf_http_status_is_bare(int status)
{
	return status < 200 || status == 204 || status == 304;
}

size_t cf_http_refusal_body(int status, char text[static 160])
{
	const struct status_text *row = find_status(status);

	return (size_t)snprintf(text, 160, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
		row->code, row->text);
}

/* Lookups */

static const char *find_header(
	const struct cf_http_request *request, const char *name, size_t *ret_count)
{
	const char *value = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < request->n_headers; i++) {
		if (strcmp(request->headers[i].name, name) != 0)
			continue;
		value = request->headers[i].value;
		++*ret_count;
	}
	return value;
}

const char *cf_http_request_header(const struct cf_http_request *request, const char *name)
{
	size_t count;
	const char *value = find_header(request, name, &count);

	return count == 1 ? value : NULL;
}

size_t cf_http_request_header_count(const struct cf_http_request *request, const char *name)
{
	size_t count;

	find_header(request, name, &count);
	return count;
}

bool cf_http_request_is_type(const struct cf_http_request *request, const char *type)
{
	const char *value = cf_http_request_header(request, "content-type");
	size_t n = value ? strcspn(value, "; \t") : 0;

	return value && cf_view_is_nocase(cf_view_of(value, n), type);
}

/* Life */

struct cf_http_exchange *cf_http_exchange_new(struct cf_http_conn *conn)
{
	const struct cf_http_server_options *o = &conn->server->o;
	struct cf_http_exchange *ex = cf_alloc(sizeof(*ex));

	if (!ex)
		return NULL;
	ex->refs = 1;
	ex->conn = conn;
	cf_buf_init(
		&ex->text, o->max_target + o->max_header_bytes + 2 * o->max_headers + TEXT_EXTRA);
	cf_buf_init(&ex->body, o->max_body);
	cf_buf_init(&ex->out, o->max_pending);
	cf_list_push(&conn->exchanges, &ex->link);
	conn->server->stats.open_streams++;
	return ex;
}

static void unref(struct cf_http_exchange *ex)
{
	if (--ex->refs > 0)
		return;
	cf_buf_done(&ex->text);
	cf_buf_done(&ex->body);
	cf_buf_done(&ex->out);
	cf_free(ex->fields);
	cf_free(ex->headers);
	cf_free(ex);
}

void cf_http_exchange_leave(struct cf_http_exchange *ex, bool gone)
{
	struct cf_http_conn *conn = ex->conn;
	bool held = ex->state == CF_HTTP_HANDLING || ex->state == CF_HTTP_STREAMING;

	if (!conn)
		return;
	conn->server->stats.open_streams--;
	ex->conn = NULL;
	ex->state = CF_HTTP_DONE;
	cf_list_remove(&ex->link);
	cf_timer_stop(&ex->timer);
	cf_buf_done(&ex->out);
	if (gone && held && ex->gone.fn)
		ex->gone.fn(ex, ex->gone.arg);
	unref(ex);
}

/* Putting a request together */

static int keep(struct cf_http_exchange *ex, const char *p, size_t n, uint32_t *ret_at)
{
	size_t at = ex->text.len;
	int err;

	err = cf_buf_reserve(&ex->text, n + 1);
	if (!err && n > 0)
		err = cf_buf_append(&ex->text, p, n);
	if (!err)
		err = cf_buf_append(&ex->text, "", 1);
	if (!err)
		*ret_at = (uint32_t)at + 1;
	return err;
}

static const char *kept(const struct cf_http_exchange *ex, uint32_t at)
{
	return at > 0 ? (const char *)ex->text.p + at - 1 : "";
}

/* The first reason counts. */
static void refuse_with(struct cf_http_exchange *ex, int status)
{
	if (!ex->refuse)
		ex->refuse = status;
}

int cf_http_draft_method(struct cf_http_exchange *ex, const char *p, size_t n)
{
	if (n > METHOD_MAX) {
		refuse_with(ex, 501);
		return 0;
	}
	ex->head = n == 4 && memcmp(p, "HEAD", 4) == 0;
	return keep(ex, p, n, &ex->method_at);
}

int cf_http_draft_target(struct cf_http_exchange *ex, const char *p, size_t n)
{
	if (n > ex->conn->server->o.max_target) {
		refuse_with(ex, 414);
		return 0;
	}
	return keep(ex, p, n, &ex->target_at);
}

int cf_http_draft_host(struct cf_http_exchange *ex, const char *p, size_t n)
{
	if (n > HOST_MAX) {
		refuse_with(ex, 400);
		return 0;
	}
	return keep(ex, p, n, &ex->host_at);
}

static int grow_fields(struct cf_http_exchange *ex)
{
	size_t cap = ex->cap_fields ? ex->cap_fields * 2 : 16;
	void *fields;

	if (ex->n_fields < ex->cap_fields)
		return 0;
	fields = cf_realloc(ex->fields, cap * sizeof(*ex->fields));
	if (!fields)
		return CF_ENOMEM;
	ex->fields = fields;
	ex->cap_fields = cap;
	return 0;
}

int cf_http_draft_field(struct cf_http_exchange *ex, const char *name, size_t name_len,
	const char *value, size_t value_len)
{
	const struct cf_http_server_options *o = &ex->conn->server->o;
	uint32_t name_at = 0, value_at = 0;
	int err;

	if (ex->n_fields >= o->max_headers ||
		ex->field_bytes + name_len + value_len > o->max_header_bytes) {
		refuse_with(ex, 431);
		return 0;
	}
	err = grow_fields(ex);
	if (!err)
		err = keep(ex, name, name_len, &name_at);
	if (!err)
		err = keep(ex, value, value_len, &value_at);
	if (err)
		return err;
	for (size_t i = 0; i < name_len; i++) {
		uint8_t *c = ex->text.p + name_at - 1 + i;

		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	}
	ex->field_bytes += name_len + value_len;
	ex->fields[ex->n_fields].name = name_at;
	ex->fields[ex->n_fields++].value = value_at;
	return 0;
}

int cf_http_draft_body(struct cf_http_exchange *ex, const void *p, size_t n)
{
	if (ex->refuse)
		return 0;
	if (ex->body.len + n > ex->body.max) {
		refuse_with(ex, 413);
		cf_buf_done(&ex->body);
		return 0;
	}
	return cf_buf_append(&ex->body, p, n);
}

/* Letters, digits, and what names, IPv6 literals and ports need (RFC 3986 section 3.2.2); no "@".
 */
static bool is_host(const char *host)
{
	return *host && host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789.-_:[]%~")] == 0;
}

/* RFC 9112 section 3.2: origin form; "*" for OPTIONS only. */
static bool is_target(const char *method, const char *target)
{
	if (strcmp(target, "*") == 0)
		return strcmp(method, "OPTIONS") == 0;
	if (*target != '/')
		return false;
	for (const char *c = target; *c; c++)
		if (*c <= ' ' || *c == 0x7f || *c == '#')
			return false;
	return true;
}

static int fill_headers(struct cf_http_exchange *ex)
{
	ex->headers = cf_calloc(ex->n_fields + 1, sizeof(*ex->headers));
	if (!ex->headers)
		return CF_ENOMEM;
	for (size_t i = 0; i < ex->n_fields; i++) {
		ex->headers[i].name = kept(ex, ex->fields[i].name);
		ex->headers[i].value = kept(ex, ex->fields[i].value);
	}
	ex->fields = cf_free(ex->fields);
	return 0;
}

int cf_http_draft_head_done(struct cf_http_exchange *ex, int version)
{
	struct cf_http_request *r = &ex->request;
	const char *query;

	if (fill_headers(ex) < 0)
		return CF_ENOMEM;
	r->method = kept(ex, ex->method_at);
	r->target = kept(ex, ex->target_at);
	r->host = kept(ex, ex->host_at);
	r->version = version;
	r->tls = cf_stream_is_tls(ex->conn->stream);
	r->peer = *cf_stream_peer(ex->conn->stream);
	r->local = *cf_stream_local(ex->conn->stream);
	r->headers = ex->headers;
	r->n_headers = ex->n_fields;
	query = strchr(r->target, '?');
	r->path = cf_view_of(r->target, query ? (size_t)(query - r->target) : strlen(r->target));
	r->query = cf_view_str(query ? query + 1 : "");
	if (!is_target(r->method, r->target) || (!is_host(r->host) && (version > 10 || *r->host)))
		refuse_with(ex, 400);
	return 0;
}

void cf_http_dispatch(struct cf_http_exchange *ex)
{
	struct cf_http_server *server = ex->conn->server;

	cf_timer_stop(&ex->timer);
	if (ex->refuse) {
		cf_http_refuse(ex, ex->refuse);
		return;
	}
	ex->request.body = cf_buf_view(&ex->body);
	ex->state = CF_HTTP_HANDLING;
	ex->refs++; /* the handler's */
	server->stats.requests++;
	server->o.handler(ex, &ex->request, server->o.arg);
}

void cf_http_refuse(struct cf_http_exchange *ex, int status)
{
	char text[160];
	size_t n = cf_http_refusal_body(status, text);

	ex->conn->server->stats.refused++;
	cf_timer_stop(&ex->timer);
	ex->state = CF_HTTP_HANDLING;
	ex->gone.fn = NULL;
	ex->refs++;
	cf_http_reply_json(ex, status, text, n);
}

/* Headers of answers */

static bool can_be_sent(const struct cf_http_header *h)
{
	if (!*h->name || strlen(h->name) > 64)
		return false;
	for (const char *c = h->name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == ':')
			return false;
	for (const char *c = h->value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static bool has_header(const struct cf_http_header *headers, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return true;
	return false;
}

/* RFC 9110 section 5.6.7: IMF-fixdate. */
static const char *date(struct cf_http_server *server)
{
	time_t now_s = (time_t)(cf_clock_wall_ms() / 1000);
	struct tm tm;

	if (now_s != server->date_s) {
		server->date_s = now_s;
		gmtime_r(&now_s, &tm);
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return server->date;
}

int cf_http_merge_headers(struct cf_http_server *server, const struct cf_http_header *headers,
	size_t n_headers, struct cf_http_header merged[static CF_HTTP_ANSWER_HEADERS])
{
	const struct cf_http_server_options *o = &server->o;
	size_t n = 0;

	if (n_headers + o->n_headers + 1 > CF_HTTP_ANSWER_HEADERS)
		return CF_ELIMIT;
	for (size_t i = 0; i < n_headers; i++) {
		if (!can_be_sent(&headers[i]))
			return CF_EINVAL;
		merged[n++] = headers[i];
	}
	for (size_t i = 0; i < o->n_headers; i++)
		if (!has_header(headers, n_headers, o->headers[i].name))
			merged[n++] = o->headers[i];
	merged[n++] = (struct cf_http_header){"Date", date(server)};
	return (int)n;
}

/* The handler's side */

const struct cf_http_request *cf_http_exchange_request(const struct cf_http_exchange *ex)
{
	return &ex->request;
}

void cf_http_exchange_on_gone(struct cf_http_exchange *ex, cf_http_gone_fn *fn, void *arg)
{
	ex->gone.fn = fn;
	ex->gone.arg = arg;
}

bool cf_http_exchange_alive(const struct cf_http_exchange *ex)
{
	return ex->conn && ex->state != CF_HTTP_DONE;
}

void cf_http_reply(struct cf_http_exchange *ex, int status, const struct cf_http_header *headers,
	size_t n_headers, struct cf_view body)
{
	struct cf_http_conn *conn = ex->conn;

	if (conn && ex->state == CF_HTTP_HANDLING) {
		if (conn->proto->begin(ex, status, headers, n_headers, &body) < 0)
			conn->proto->abort(ex);
		else
			conn->proto->end(ex);
	}
	unref(ex);
}

void cf_http_reply_json(struct cf_http_exchange *ex, int status, const char *text, size_t len)
{
	static const struct cf_http_header json = {"Content-Type", "application/json"};

	cf_http_reply(ex, status, &json, 1, cf_view_of(text, len));
}

int cf_http_stream_begin(struct cf_http_exchange *ex, int status,
	const struct cf_http_header *headers, size_t n_headers)
{
	int err;

	if (!cf_http_exchange_alive(ex))
		return CF_ECLOSED;
	if (ex->state != CF_HTTP_HANDLING)
		return CF_ESTATE;
	err = ex->conn->proto->begin(ex, status, headers, n_headers, NULL);
	if (!err)
		ex->state = CF_HTTP_STREAMING;
	return err;
}

int cf_http_stream_write(struct cf_http_exchange *ex, const void *p, size_t n)
{
	if (!cf_http_exchange_alive(ex))
		return CF_ECLOSED;
	if (ex->state != CF_HTTP_STREAMING)
		return CF_ESTATE;
	return n == 0 || ex->head ? 0 : ex->conn->proto->write(ex, p, n);
}

size_t cf_http_stream_pending(const struct cf_http_exchange *ex)
{
	return ex->conn ? ex->conn->proto->pending(ex) : 0;
}

void cf_http_stream_end(struct cf_http_exchange *ex)
{
	if (ex->conn && ex->state == CF_HTTP_STREAMING)
		ex->conn->proto->end(ex);
	else if (cf_http_exchange_alive(ex))
		ex->conn->proto->abort(ex);
	unref(ex);
}

void cf_http_exchange_abort(struct cf_http_exchange *ex)
{
	if (cf_http_exchange_alive(ex))
		ex->conn->proto->abort(ex);
	unref(ex);
}
