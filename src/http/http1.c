/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 connections. One request at a time: what a client sends ahead waits in the stream until
 * the answer is out. A head is read only when it is whole, first by our own strict eye, then by
 * http-parser.
 */
#include "http/http_priv.h"

#include "base/mem.h"
#include "base/text.h"

#include <http_parser.h>

#include <string.h>

#define ANSWER_HEAD_MAX (16 * 1024)
/* Request line without the target, separators. */
#define HEAD_EXTRA 256

enum phase {
	PHASE_IDLE, /* nothing of the next request has come */
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_BUSY, /* with the handler */
	PHASE_CLOSING,
};

struct http1 {
	struct cf_http_conn base;
	struct cf_http_exchange *ex; /* in BODY and BUSY */
	uint8_t phase;               /* enum phase */
	bool keep_alive;
	bool chunked_in, chunked_out;
	size_t scanned; /* bytes of the incomplete head looked at */
	uint64_t body_left;
	struct cf_http1_chunks chunks;
};

static void on_timer(struct cf_timer *timer, void *arg);

static void set_deadline(struct http1 *c, uint64_t after_us)
{
	if (cf_timer_after(&c->base.timer, c->base.server->loop, after_us, on_timer, c) < 0)
		cf_http_conn_kill(&c->base);
}

static void close_gently(struct http1 *c)
{
	c->phase = PHASE_CLOSING;
	cf_timer_stop(&c->base.timer);
	cf_stream_shutdown(c->base.stream, CF_HTTP_LINGER_US);
}

/* Answering */

static int put_header(struct cf_buf *buf, const struct cf_http_header *h)
{
	return cf_buf_printf(buf, "%s: %s\r\n", h->name, h->value);
}

/* RFC 9112 section 6: what tells the client where the body ends. */
static int put_framing(struct http1 *c, struct cf_buf *buf, int status, const struct cf_view *body)
{
	int err = 0;

	if (!cf_http_status_is_bare(status)) {
		if (body)
			err = cf_buf_printf(buf, "Content-Length: %zu\r\n", body->len);
		else if (c->chunked_out)
			err = cf_buf_append_str(buf, "Transfer-Encoding: chunked\r\n");
	}
	if (!err && !c->keep_alive)
		err = cf_buf_append_str(buf, "Connection: close\r\n");
	return err ? err : cf_buf_append_str(buf, "\r\n");
}

static int put_head(struct http1 *c, struct cf_buf *buf, int status,
	const struct cf_http_header *headers, size_t n_headers, const struct cf_view *body)
{
	struct cf_http_header merged[CF_HTTP_ANSWER_HEADERS];
	int n = cf_http_merge_headers(c->base.server, headers, n_headers, merged), err;

	if (n < 0)
		return n;
	err = cf_buf_printf(buf, "HTTP/1.1 %d %s\r\n", status, cf_http_status_text(status));
	for (int i = 0; i < n && !err; i++)
		err = put_header(buf, &merged[i]);
	return err ? err : put_framing(c, buf, status, body);
}

static int http1_begin(struct cf_http_exchange *ex, int status,
	const struct cf_http_header *headers, size_t n_headers, const struct cf_view *body)
{
	struct http1 *c = (struct http1 *)ex->conn;
	struct cf_buf buf;
	int err;

	if (c->base.dying)
		return CF_ECLOSED;
	if (c->base.server->draining)
		c->keep_alive = false;
	c->chunked_out = !body && ex->request.version >= 11;
	if (!body && !c->chunked_out)
		c->keep_alive = false; /* HTTP/1.0: the end of the connection ends the body */
	cf_buf_init(&buf, ANSWER_HEAD_MAX + (body ? body->len : 0));
	err = put_head(c, &buf, status, headers, n_headers, body);
	if (!err && body && body->len > 0 && !ex->head && !cf_http_status_is_bare(status))
		err = cf_buf_append(&buf, body->p, body->len);
	if (!err)
		err = cf_stream_write(c->base.stream, buf.p, buf.len);
	cf_buf_done(&buf);
	return err;
}

static int http1_write(struct cf_http_exchange *ex, const void *p, size_t n)
{
	struct http1 *c = (struct http1 *)ex->conn;
	struct cf_buf buf;
	int err;

	if (c->base.dying)
		return CF_ECLOSED;
	if (cf_stream_unsent(c->base.stream) + n > c->base.server->o.max_pending)
		return CF_ELIMIT;
	if (!c->chunked_out)
		return cf_stream_write(c->base.stream, p, n);
	cf_buf_init(&buf, n + 32);
	err = cf_buf_printf(&buf, "%zx\r\n", n);
	if (!err)
		err = cf_buf_append(&buf, p, n);
	if (!err)
		err = cf_buf_append_str(&buf, "\r\n");
	if (!err)
		err = cf_stream_write(c->base.stream, buf.p, buf.len);
	cf_buf_done(&buf);
	return err;
}

static void next_request(struct http1 *c)
{
	c->ex = NULL;
	c->scanned = 0;
	if (!c->keep_alive) {
		close_gently(c);
		return;
	}
	c->phase = PHASE_IDLE;
	set_deadline(c, c->base.server->o.idle_timeout_us);
	cf_stream_resume(c->base.stream);
}

static void finish_answer(struct cf_http_exchange *ex, bool gone)
{
	struct http1 *c = (struct http1 *)ex->conn;
	bool terminate = ex->state == CF_HTTP_STREAMING && c->chunked_out && !ex->head;

	c->ex = NULL;
	cf_http_exchange_leave(ex, gone);
	if (c->base.dying)
		return;
	if (terminate && cf_stream_write(c->base.stream, "0\r\n\r\n", 5) < 0)
		cf_http_conn_kill(&c->base);
	else
		next_request(c);
}

static void http1_end(struct cf_http_exchange *ex)
{
	finish_answer(ex, false);
}

static void http1_abort(struct cf_http_exchange *ex)
{
	struct http1 *c = (struct http1 *)ex->conn;

	c->ex = NULL;
	cf_http_exchange_leave(ex, false);
	cf_http_conn_kill(&c->base);
}

static size_t http1_pending(const struct cf_http_exchange *ex)
{
	return cf_stream_unsent(ex->conn->stream);
}

static void http1_drain(struct cf_http_conn *conn)
{
	struct http1 *c = (struct http1 *)conn;

	c->keep_alive = false;
	if (c->phase == PHASE_IDLE)
		close_gently(c);
	else if (c->ex && c->ex->state == CF_HTTP_STREAMING)
		finish_answer(c->ex, true);
}

static void http1_free(struct cf_http_conn *conn)
{
	cf_free(conn);
}

static const struct cf_http_proto proto = {
	.begin = http1_begin,
	.write = http1_write,
	.end = http1_end,
	.abort = http1_abort,
	.pending = http1_pending,
	.drain = http1_drain,
	.free = http1_free,
};

/* Answers a request that is not understood well enough to have an exchange, and closes. */
static void fail(struct http1 *c, int status)
{
	static const struct cf_http_header json = {"Content-Type", "application/json"};
	struct cf_http_exchange *ex = c->ex;
	char text[160];
	struct cf_view body = {(uint8_t *)text, cf_http_refusal_body(status, text)};
	struct cf_buf buf;
	int err;

	c->base.server->stats.refused++;
	c->keep_alive = false;
	c->ex = NULL;
	if (ex)
		cf_http_exchange_leave(ex, false);
	cf_buf_init(&buf, ANSWER_HEAD_MAX);
	err = put_head(c, &buf, status, &json, 1, &body);
	if (!err)
		err = cf_buf_append(&buf, body.p, body.len);
	if (!err)
		err = cf_stream_write(c->base.stream, buf.p, buf.len);
	cf_buf_done(&buf);
	if (err)
		cf_http_conn_kill(&c->base);
	else
		close_gently(c);
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	struct http1 *c = arg;

	(void)timer;
	if (c->phase == PHASE_IDLE)
		close_gently(c);
	else
		fail(c, 408);
}

/* Reading heads */

/* What a head says about the message around it. */
struct head {
	struct http1 *c;
	struct cf_view name, value; /* of the field being read */
	struct cf_view length, coding, expect, host;
	struct cf_view authority; /* of a target in absolute form */
	unsigned n_host, n_length, n_coding, n_expect;
	bool close;
	bool complete;
	int err;
};

static void extend(struct cf_view *view, const char *p, size_t n)
{
	if (view->len == 0)
		view->p = (const uint8_t *)p;
	view->len += n;
}

static struct cf_view trim(struct cf_view v)
{
	while (v.len > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
		v.p++;
		v.len--;
	}
	while (v.len > 0 && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return v;
}

/* Whether a comma-separated list has the member. */
static bool list_has(struct cf_view list, const char *member)
{
	while (list.len > 0) {
		const uint8_t *comma = memchr(list.p, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.p) : list.len;

		if (cf_view_is_nocase(trim(cf_view_of(list.p, n)), member))
			return true;
		list.p += n + (comma != NULL);
		list.len -= n + (comma != NULL);
	}
	return false;
}

static void note_field(struct head *h, struct cf_view name, struct cf_view value)
{
	const struct {
		const char *name;
		struct cf_view *value;
		unsigned *count;
	} rows[] = {
		{"host", &h->host, &h->n_host},
		{"content-length", &h->length, &h->n_length},
		{"transfer-encoding", &h->coding, &h->n_coding},
		{"expect", &h->expect, &h->n_expect},
	};

	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		if (cf_view_is_nocase(name, rows[i].name)) {
			*rows[i].value = value;
			++*rows[i].count;
		}
	}
	if (cf_view_is_nocase(name, "connection") && list_has(value, "close"))
		h->close = true;
}

static int field_done(struct head *h)
{
	struct cf_view name = h->name, value = trim(h->value);

	h->name = h->value = (struct cf_view){NULL, 0};
	if (name.len == 0)
		return 0;
	note_field(h, name, value);
	h->err = cf_http_draft_field(
		h->c->ex, (const char *)name.p, name.len, (const char *)value.p, value.len);
	return h->err;
}

static int on_field(http_parser *parser, const char *p, size_t n)
{
	struct head *h = parser->data;

	if (h->value.p && field_done(h) < 0)
		return 1;
	extend(&h->name, p, n);
	return 0;
}

static int on_value(http_parser *parser, const char *p, size_t n)
{
	struct head *h = parser->data;

	if (!h->value.p)
		h->value.p = (const uint8_t *)p;
	extend(&h->value, p, n);
	return 0;
}

static int on_head_complete(http_parser *parser)
{
	struct head *h = parser->data;

	h->complete = field_done(h) == 0;
	return 1; /* the body is ours */
}

/* RFC 9112 section 3.2.2: of an absolute form the authority replaces Host. */
static int take_target(struct head *h, const char *p, size_t n)
{
	struct cf_http_exchange *ex = h->c->ex;
	size_t scheme = n > 8 && strncasecmp(p, "https://", 8) == 0  ? 8
			: n > 7 && strncasecmp(p, "http://", 7) == 0 ? 7
								     : 0;
	const char *path;

	if (!scheme)
		return cf_http_draft_target(ex, p, n);
	p += scheme;
	n -= scheme;
	path = memchr(p, '/', n);
	h->authority = cf_view_of(p, path ? (size_t)(path - p) : n);
	return path ? cf_http_draft_target(ex, path, n - (size_t)(path - p))
		    : cf_http_draft_target(ex, "/", 1);
}

/* Method, target and version from the request line, which is known to be well formed. The version,
 * or an error. */
static int take_request_line(struct head *h, const uint8_t *p, size_t n)
{
	const char *line = (const char *)p, *target, *end;
	int err;

	if (line[0] == '\r') {
		line += 2;
		n -= 2;
	}
	target = (const char *)memchr(line, ' ', n) + 1;
	end = memchr(target, ' ', n - (size_t)(target - line));
	err = cf_http_draft_method(h->c->ex, line, (size_t)(target - 1 - line));
	if (!err)
		err = take_target(h, target, (size_t)(end - target));
	if (err)
		return err;
	return (end[6] - '0') * 10 + (end[8] > '0');
}

/* RFC 9112 section 6.3, as strict as can be. 0 or the status to refuse with. */
static int take_framing(struct head *h, int version)
{
	struct http1 *c = h->c;

	c->chunked_in = false;
	c->body_left = 0;
	if (h->n_host > 1 || (h->n_host == 0 && version > 10))
		return 400; /* section 3.2 */
	if (h->n_length > 1 || h->n_coding > 1 || (h->n_length && h->n_coding))
		return 400;
	if (h->n_coding) {
		if (version < 11)
			return 400;
		if (!cf_view_is_nocase(h->coding, "chunked"))
			return 501; /* section 6.1 */
		c->chunked_in = true;
		c->chunks = (struct cf_http1_chunks){0};
	}
	if (h->n_length && (h->length.len > 15 || cf_text_u64((const char *)h->length.p,
							  h->length.len, &c->body_left) < 0))
		return 400;
	if (c->body_left > c->base.server->o.max_body)
		return 413;
	/* RFC 9110 section 10.1.1 */
	if (h->n_expect && !cf_view_is_nocase(h->expect, "100-continue"))
		return 417;
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head_complete,
};

/* Reads a complete head into c->ex. 0, the status to refuse with, or CF_ENOMEM. */
static int read_head(struct head *h, const uint8_t *p, size_t n)
{
	http_parser parser;
	int version, status, err;

	if (cf_http1_head_check(p, n) < 0)
		return 400;
	version = take_request_line(h, p, n);
	if (version < 0)
		return version;
	if (version / 10 != 1)
		return 505;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = h;
	http_parser_execute(&parser, &settings, (const char *)p, n);
	if (h->err)
		return h->err;
	if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD)
		return 501;
	if (!h->complete)
		return 400;
	status = take_framing(h, version);
	if (status)
		return status;
	h->c->keep_alive = version >= 11 && !h->close;
	if (h->authority.p)
		h->host = h->authority;
	err = cf_http_draft_host(h->c->ex, (const char *)h->host.p, h->host.len);
	if (!err)
		err = cf_http_draft_head_done(h->c->ex, version);
	return err ? err : h->c->ex->refuse;
}

static void begin_body(struct http1 *c, bool wants_continue)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	c->phase = PHASE_BODY;
	set_deadline(c, c->base.server->o.body_timeout_us);
	if (wants_continue && cf_stream_write(c->base.stream, go_on, sizeof(go_on) - 1) < 0)
		cf_http_conn_kill(&c->base);
}

static void request_done(struct http1 *c)
{
	c->phase = PHASE_BUSY;
	cf_timer_stop(&c->base.timer);
	cf_http_dispatch(c->ex);
}

/* Bytes used; 0: more is needed, or the connection ends. */
static size_t feed_head(struct http1 *c, const uint8_t *p, size_t n)
{
	const struct cf_http_server_options *o = &c->base.server->o;
	size_t limit = o->max_target + o->max_header_bytes + 4 * o->max_headers + HEAD_EXTRA;
	struct head h = {.c = c};
	int len = cf_http1_head_len(p, n, c->scanned), status;

	if (len < 0) {
		fail(c, 400);
		return 0;
	}
	if (c->phase == PHASE_IDLE) {
		c->phase = PHASE_HEAD;
		set_deadline(c, o->header_timeout_us);
	}
	if (len == 0 && n <= limit) {
		c->scanned = n;
		return 0;
	}
	if (len == 0 || (size_t)len > limit) {
		fail(c, memchr(p, '\n', n < limit ? n : limit) ? 431 : 414);
		return 0;
	}
	c->ex = cf_http_exchange_new(&c->base);
	status = c->ex ? read_head(&h, p, (size_t)len) : CF_ENOMEM;
	if (status) {
		fail(c, status < 0 ? 500 : status);
		return 0;
	}
	if (c->chunked_in || c->body_left > 0)
		begin_body(c, h.n_expect && c->ex->request.version >= 11);
	else
		request_done(c);
	return (size_t)len;
}

/* Reading bodies. Bytes used, or 0 when the connection ends. */
static size_t feed_body(struct http1 *c, const uint8_t *p, size_t n)
{
	struct cf_view data;
	bool done;
	int used;

	if (c->chunked_in) {
		used = cf_http1_chunks_feed(&c->chunks, p, n, &data, &done);
	} else {
		data = cf_view_of(p, n < c->body_left ? n : (size_t)c->body_left);
		c->body_left -= data.len;
		done = c->body_left == 0;
		used = (int)data.len;
	}
	if (used < 0) {
		fail(c, 400);
		return 0;
	}
	if (data.len > 0 && cf_http_draft_body(c->ex, data.p, data.len) < 0) {
		fail(c, 500);
		return 0;
	}
	if (c->ex->refuse) {
		fail(c, c->ex->refuse);
		return 0;
	}
	if (done)
		request_done(c);
	return (size_t)used;
}

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct http1 *c = arg;
	size_t used = 0;

	while (used < n && !c->base.dying && c->phase < PHASE_BUSY) {
		size_t got = c->phase == PHASE_BODY ? feed_body(c, p + used, n - used)
						    : feed_head(c, p + used, n - used);

		if (got == 0)
			break;
		used += got;
	}
	if (c->base.dying || c->phase == PHASE_CLOSING)
		return n;
	/* Sent ahead: it waits, and so does TCP. */
	if (c->phase == PHASE_BUSY && used < n)
		cf_stream_pause(stream);
	return used;
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	(void)stream;
	(void)err;
	cf_http_conn_free(arg);
}

static const struct cf_stream_ops ops = {.on_data = on_data, .on_close = on_close};

int cf_http1_serve(struct cf_http_server *server, struct cf_stream *stream)
{
	struct http1 *c = cf_alloc(sizeof(*c));

	if (!c) {
		cf_stream_free(stream);
		return CF_ENOMEM;
	}
	cf_http_conn_init(&c->base, server, stream, &proto);
	if (cf_timer_after(&c->base.timer, server->loop, server->o.header_timeout_us, on_timer, c) <
		0) {
		cf_http_conn_free(&c->base);
		return CF_ENOMEM;
	}
	cf_stream_set_ops(stream, &ops, c);
	return 0;
}
