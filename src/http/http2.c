/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 connections over nghttp2. What is sent is collected and goes out at the end of the turn,
 * as long as the stream's queue is short. A client that makes work without asking for anything
 * (resets, pings, settings) runs out of patience and is sent away.
 */
#include "http/http2_mem.h"
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <nghttp2/nghttp2.h>

#include <stdio.h>
#include <string.h>

/* Bytes given to the stream ahead of the socket. */
#define QUEUE_AHEAD (64 * 1024)
/* Patience: so much at first, and so much comes back in a second. */
#define PATIENCE_MAX 400
#define PATIENCE_PER_S 100
#define COST_RESET 4
#define COST_CONTROL 2
#define COST_UPDATE 1
/* WINDOW_UPDATE frames that are owed for what was sent: one of the stream, one of the connection
 * for each DATA frame. Others cost. */
#define UPDATES_PER_FRAME 2
#define UPDATES_MAX 1000
/* Bodies in memory for one connection, in multiples of the greatest body. */
#define BODIES_MAX 4
/* Bytes that a connection may waste on requests that have been refused. */
#define IGNORED_MAX (8 * 1024 * 1024)

struct http2 {
	struct cf_http_conn base;
	nghttp2_session *session; /* owned */
	struct cf_defer pump;
	size_t body_bytes; /* of requests not complete yet */
	size_t ignored;    /* of requests answered before they were complete */
	uint64_t patience_us;
	unsigned patience;
	unsigned updates; /* WINDOW_UPDATE frames that may come for nothing */
	bool closing;
};

static void pump(void *arg);

static void pump_later(struct http2 *c)
{
	if (!c->base.dying)
		cf_defer_set(&c->pump, c->base.server->loop, pump, c);
}

static void on_timer(struct cf_timer *timer, void *arg);

static void set_deadline(struct http2 *c, uint64_t after_us)
{
	if (cf_timer_after(&c->base.timer, c->base.server->loop, after_us, on_timer, c) < 0)
		cf_http_conn_kill(&c->base);
}

static void terminate(struct http2 *c, uint32_t code)
{
	c->closing = true;
	if (nghttp2_session_terminate_session(c->session, code) != 0)
		cf_http_conn_kill(&c->base);
	pump_later(c);
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	(void)timer;
	terminate(arg, NGHTTP2_NO_ERROR);
}

/* The idle limit counts while no exchange is open. */
static void watch_idle(struct http2 *c)
{
	if (cf_list_empty(&c->base.exchanges))
		set_deadline(c, c->base.server->o.idle_timeout_us);
	else
		cf_timer_stop(&c->base.timer);
}

/* Sending */

static void pump(void *arg)
{
	struct http2 *c = arg;

	while (!c->base.dying && cf_stream_unsent(c->base.stream) < QUEUE_AHEAD) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(c->session, &p);

		if (n == 0)
			break;
		if (n < 0 || cf_stream_write(c->base.stream, p, (size_t)n) < 0)
			cf_http_conn_kill(&c->base);
	}
	if (!c->base.dying && !nghttp2_session_want_read(c->session) &&
		!nghttp2_session_want_write(c->session)) {
		c->closing = true;
		cf_timer_stop(&c->base.timer);
		cf_stream_shutdown(c->base.stream, CF_HTTP_LINGER_US);
	}
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *p, size_t n,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct cf_http_exchange *ex = source->ptr;
	size_t left = ex->out.len - ex->out_sent;

	(void)session;
	(void)stream_id;
	(void)arg;
	if (n > left)
		n = left;
	if (n == 0 && !ex->out_ended)
		return NGHTTP2_ERR_DEFERRED;
	if (n > 0)
		memcpy(p, ex->out.p + ex->out_sent, n);
	ex->out_sent += n;
	if (ex->out_sent == ex->out.len) {
		cf_buf_done(&ex->out);
		ex->out_sent = 0;
		if (ex->out_ended)
			*flags |= NGHTTP2_DATA_FLAG_EOF;
	}
	return (ssize_t)n;
}

/* Names in lower case (RFC 9113 section 8.2), in place of the originals. */
static int to_nv(nghttp2_nv *nv, const struct cf_http_header *h, char *name, size_t cap)
{
	size_t n = strlen(h->name);

	if (n >= cap)
		return CF_ELIMIT;
	for (size_t i = 0; i <= n; i++)
		name[i] = (char)(h->name[i] >= 'A' && h->name[i] <= 'Z' ? h->name[i] | 0x20
									: h->name[i]);
	*nv = (nghttp2_nv){(uint8_t *)name, (uint8_t *)(uintptr_t)h->value, n, strlen(h->value),
		NGHTTP2_NV_FLAG_NONE};
	return 0;
}

struct answer_head {
	nghttp2_nv nv[CF_HTTP_ANSWER_HEADERS + 2];
	char names[CF_HTTP_ANSWER_HEADERS + 2][72];
	char status[16], length[24];
	size_t n;
};

static int fill_head(struct answer_head *head, struct cf_http_server *server, int status,
	const struct cf_http_header *headers, size_t n_headers, const struct cf_view *body)
{
	struct cf_http_header merged[CF_HTTP_ANSWER_HEADERS + 2] = {{":status", head->status}};
	int n = cf_http_merge_headers(server, headers, n_headers, merged + 1), err = 0;

	if (n++ < 0)
		return CF_EINVAL;
	snprintf(head->status, sizeof(head->status), "%d", status);
	if (body && !cf_http_status_is_bare(status)) {
		snprintf(head->length, sizeof(head->length), "%zu", body->len);
		merged[n++] = (struct cf_http_header){"content-length", head->length};
	}
	for (head->n = 0; !err && head->n < (size_t)n; head->n++)
		err = to_nv(&head->nv[head->n], &merged[head->n], head->names[head->n],
			sizeof(head->names[0]));
	return err;
}

static int http2_begin(struct cf_http_exchange *ex, int status,
	const struct cf_http_header *headers, size_t n_headers, const struct cf_view *body)
{
	struct http2 *c = (struct http2 *)ex->conn;
	nghttp2_data_provider provider = {.source.ptr = ex, .read_callback = read_body};
	bool bare = ex->head || cf_http_status_is_bare(status) || (body && body->len == 0);
	struct answer_head head;
	int err;

	if (c->base.dying)
		return CF_ECLOSED;
	err = fill_head(&head, c->base.server, status, headers, n_headers, body);
	if (err)
		return err;
	if (body && !bare && (err = cf_buf_append(&ex->out, body->p, body->len)))
		return err;
	if (nghttp2_submit_response(
		    c->session, ex->stream_id, head.nv, head.n, bare ? NULL : &provider) != 0)
		return CF_ENOMEM;
	pump_later(c);
	return 0;
}

static int http2_write(struct cf_http_exchange *ex, const void *p, size_t n)
{
	struct http2 *c = (struct http2 *)ex->conn;
	int err;

	if (c->base.dying)
		return CF_ECLOSED;
	if (ex->out_sent > 0 && ex->out.len + n > ex->out.max) {
		cf_buf_consume(&ex->out, ex->out_sent);
		ex->out_sent = 0;
	}
	err = cf_buf_append(&ex->out, p, n);
	if (err)
		return err;
	(void)!nghttp2_session_resume_data(c->session, ex->stream_id);
	pump_later(c);
	return 0;
}

/* The exchange stays until all is sent: on_stream_close() lets it go. */
static void http2_end(struct cf_http_exchange *ex)
{
	struct http2 *c = (struct http2 *)ex->conn;

	ex->state = CF_HTTP_DONE;
	ex->out_ended = true;
	if (c->base.dying)
		return;
	(void)!nghttp2_session_resume_data(c->session, ex->stream_id);
	pump_later(c);
}

static void http2_abort(struct cf_http_exchange *ex)
{
	struct http2 *c = (struct http2 *)ex->conn;

	ex->state = CF_HTTP_DONE;
	if (c->base.dying)
		return;
	if (nghttp2_submit_rst_stream(
		    c->session, NGHTTP2_FLAG_NONE, ex->stream_id, NGHTTP2_INTERNAL_ERROR) != 0)
		cf_http_conn_kill(&c->base);
	pump_later(c);
}

static size_t http2_pending(const struct cf_http_exchange *ex)
{
	return ex->out.len - ex->out_sent;
}

static void http2_drain(struct cf_http_conn *conn)
{
	struct http2 *c = (struct http2 *)conn;

	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR, NULL, 0);
	CF_LIST_FOR_SAFE(it, &conn->exchanges)
	{
		struct cf_http_exchange *ex = CF_CONTAINER_OF(it, struct cf_http_exchange, link);

		if (ex->state != CF_HTTP_STREAMING)
			continue;
		http2_end(ex);
		if (ex->gone.fn)
			ex->gone.fn(ex, ex->gone.arg);
	}
	pump_later(c);
}

static void http2_free(struct cf_http_conn *conn)
{
	struct http2 *c = (struct http2 *)conn;

	cf_defer_cancel(&c->pump);
	nghttp2_session_del(c->session);
	cf_free(c);
}

static const struct cf_http_proto proto = {
	.begin = http2_begin,
	.write = http2_write,
	.end = http2_end,
	.abort = http2_abort,
	.pending = http2_pending,
	.drain = http2_drain,
	.free = http2_free,
};

/* Receiving */

/* CVE-2023-44487 (rapid reset), CVE-2019-9512 and -9515 (ping and settings floods). */
static void spend_patience(struct http2 *c, unsigned cost)
{
	uint64_t now_us = cf_loop_now_us(c->base.server->loop);
	uint64_t back = (now_us - c->patience_us) * PATIENCE_PER_S / CF_US_PER_S;

	if (back > 0) {
		c->patience = back + c->patience > PATIENCE_MAX ? PATIENCE_MAX
								: c->patience + (unsigned)back;
		c->patience_us = now_us;
	}
	if (c->patience < cost) {
		c->base.server->stats.refused++;
		terminate(c, NGHTTP2_ENHANCE_YOUR_CALM);
	} else {
		c->patience -= cost;
	}
}

static struct cf_http_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
	return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *c = arg;
	struct cf_http_exchange *ex;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	ex = cf_http_exchange_new(&c->base);
	if (!ex)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	ex->stream_id = frame->hd.stream_id;
	if (nghttp2_session_set_stream_user_data(session, ex->stream_id, ex) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	set_deadline(c, c->base.server->o.header_timeout_us);
	return 0;
}

static int take_pseudo(
	struct cf_http_exchange *ex, struct cf_view name, const char *value, size_t n)
{
	if (cf_view_is(name, ":method"))
		return cf_http_draft_method(ex, value, n);
	if (cf_view_is(name, ":path"))
		return cf_http_draft_target(ex, value, n);
	if (cf_view_is(name, ":authority"))
		return cf_http_draft_host(ex, value, n);
	return 0; /* :scheme: what the connection is, is known better */
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct cf_http_exchange *ex = exchange_of(session, frame->hd.stream_id);
	const char *v = (const char *)value;
	int err = 0;

	(void)flags;
	(void)arg;
	if (!ex || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0; /* trailers carry nothing for us */
	if (memchr(value, 0, value_len))
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (name_len > 0 && name[0] == ':')
		err = take_pseudo(ex, cf_view_of(name, name_len), v, value_len);
	else
		err = cf_http_draft_field(ex, (const char *)name, name_len, v, value_len);
	return err ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static void message_done(struct http2 *c, struct cf_http_exchange *ex)
{
	c->body_bytes -= ex->body.len;
	cf_http_dispatch(ex);
}

static void on_body_timer(struct cf_timer *timer, void *arg)
{
	struct cf_http_exchange *ex = arg;

	(void)timer;
	ex->refuse = 408;
	message_done((struct http2 *)ex->conn, ex);
}

/* RFC 9113 section 8.3.1: without :authority, Host says it; two that differ are refused. */
static int settle_host(struct cf_http_exchange *ex)
{
	for (size_t i = 0; i < ex->n_fields; i++) {
		const char *name = (const char *)ex->text.p + ex->fields[i].name - 1;
		const char *value = (const char *)ex->text.p + ex->fields[i].value - 1;
		CF_AUTOFREE char *copy = NULL;

		if (strcmp(name, "host") != 0)
			continue;
		if (ex->host_at) {
			if (strcasecmp((const char *)ex->text.p + ex->host_at - 1, value) != 0)
				ex->refuse = 400;
			continue;
		}
		copy = cf_strdup(value);
		if (!copy || cf_http_draft_host(ex, copy, strlen(copy)) < 0)
			return CF_ENOMEM;
	}
	return 0;
}

/* A body that announces that it is too large need not come. */
static void check_length(struct http2 *c, struct cf_http_exchange *ex)
{
	const char *text = cf_http_request_header(&ex->request, "content-length");
	uint64_t length;

	if (text && !ex->refuse && cf_text_u64(text, strlen(text), &length) == 0 &&
		length > c->base.server->o.max_body)
		ex->refuse = 413;
}

static void head_done(struct http2 *c, struct cf_http_exchange *ex, bool end)
{
	int err = settle_host(ex);

	if (!err)
		err = cf_http_draft_head_done(ex, 20);
	if (!err)
		check_length(c, ex);
	watch_idle(c);
	if (err)
		cf_http_refuse(ex, 500);
	else if (end || ex->refuse)
		cf_http_dispatch(ex);
	else if (cf_timer_after(&ex->timer, c->base.server->loop, c->base.server->o.body_timeout_us,
			 on_body_timer, ex) < 0)
		cf_http_refuse(ex, 500);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *c = arg;
	struct cf_http_exchange *ex = exchange_of(session, frame->hd.stream_id);
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (ex && ex->state == CF_HTTP_READING) {
			if (frame->hd.type == NGHTTP2_HEADERS &&
				frame->headers.cat == NGHTTP2_HCAT_REQUEST)
				head_done(c, ex, end);
			else if (end)
				message_done(c, ex);
		}
		if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !end)
			spend_patience(c, COST_CONTROL); /* CVE-2019-9518 */
		break;
	case NGHTTP2_RST_STREAM:
		spend_patience(c, COST_RESET);
		break;
	case NGHTTP2_PING:
	case NGHTTP2_SETTINGS:
	case NGHTTP2_PRIORITY:
		if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
			spend_patience(c, COST_CONTROL);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		if (c->updates > 0)
			c->updates--;
		else
			spend_patience(c, COST_UPDATE);
		break;
	default:
		break;
	}
	return 0;
}

/* Frames of a kind nobody knows mean nothing (RFC 9113 section 4.1), but reading them is work. */
static int on_unknown(
	nghttp2_session *session, void **payload, const nghttp2_frame_hd *head, void *arg)
{
	(void)session;
	(void)payload;
	(void)head;
	spend_patience(arg, COST_UPDATE);
	return NGHTTP2_ERR_CANCEL;
}

static int reset_quietly(struct http2 *c, int32_t stream_id)
{
	pump_later(c);
	return nghttp2_submit_rst_stream(
		       c->session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR) == 0
		       ? 0
		       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p,
	size_t n, void *arg)
{
	struct http2 *c = arg;
	struct cf_http_exchange *ex = exchange_of(session, stream_id);
	size_t before;

	(void)flags;
	if (!ex || ex->state != CF_HTTP_READING) {
		c->ignored += n;
		return c->ignored > IGNORED_MAX ? reset_quietly(c, stream_id) : 0;
	}
	before = ex->body.len;
	if (cf_http_draft_body(ex, p, n) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	c->body_bytes = c->body_bytes - before + ex->body.len;
	if (c->body_bytes > BODIES_MAX * c->base.server->o.max_body)
		ex->refuse = 503;
	if (ex->refuse)
		message_done(c, ex);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
	struct http2 *c = arg;
	struct cf_http_exchange *ex = exchange_of(session, stream_id);

	(void)code;
	if (!ex)
		return 0;
	if (ex->state == CF_HTTP_READING)
		c->body_bytes -= ex->body.len;
	nghttp2_session_set_stream_user_data(session, stream_id, NULL);
	cf_http_exchange_leave(ex, true);
	if (!c->base.dying && !c->closing)
		watch_idle(c);
	return 0;
}

static void on_linger_end(struct cf_timer *timer, void *arg)
{
	struct cf_http_exchange *ex = arg;

	(void)timer;
	if (reset_quietly((struct http2 *)ex->conn, ex->stream_id) != 0)
		cf_http_conn_kill(ex->conn);
}

/* An answer that is out before the request is complete: the rest is not wanted (section 8.1).
 * Clients that only listen when they have said everything get a moment to do so. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	bool answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
	struct http2 *c = arg;
	struct cf_http_exchange *ex = exchange_of(session, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_DATA && c->updates < UPDATES_MAX)
		c->updates += UPDATES_PER_FRAME;
	if (!answer || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
		nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) != 0)
		return 0;
	if (ex && ex->refuse != 408 &&
		cf_timer_after(&ex->timer, c->base.server->loop, CF_HTTP_LINGER_US, on_linger_end,
			ex) == 0)
		return 0;
	return reset_quietly(c, frame->hd.stream_id);
}

static int on_bad_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *arg)
{
	(void)session;
	(void)frame;
	(void)code;
	spend_patience(arg, COST_RESET);
	return 0;
}

/* The connection */

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct http2 *c = arg;
	ssize_t used;

	(void)stream;
	if (c->base.dying)
		return n;
	used = nghttp2_session_mem_recv(c->session, p, n);
	if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC || used == NGHTTP2_ERR_FLOODED ||
		used == NGHTTP2_ERR_NOMEM || used == NGHTTP2_ERR_CALLBACK_FAILURE) {
		cf_http_conn_kill(&c->base);
	} else if (used < 0) {
		terminate(c, NGHTTP2_PROTOCOL_ERROR);
	}
	pump_later(c);
	return n;
}

static void on_drain(struct cf_stream *stream, void *arg)
{
	(void)stream;
	pump_later(arg);
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	(void)stream;
	(void)err;
	cf_http_conn_free(arg);
}

static const struct cf_stream_ops ops = {
	.on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static int new_session(struct http2 *c)
{
	nghttp2_mem mem = cf_http2_mem;
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int failed = nghttp2_session_callbacks_new(&callbacks);

	if (!failed)
		failed = nghttp2_option_new(&option);
	if (!failed) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(
			callbacks, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
		nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
			callbacks, on_bad_frame);
		nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
		nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown);
		for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
			nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
		nghttp2_option_set_max_outbound_ack(option, 100);
		nghttp2_option_set_no_closed_streams(option, 1);
		nghttp2_option_set_max_deflate_dynamic_table_size(option, 1024);
		failed = nghttp2_session_server_new3(&c->session, callbacks, c, option, &mem);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return failed ? CF_ENOMEM : 0;
}

static int send_settings(struct http2 *c)
{
	const struct cf_http_server_options *o = &c->base.server->o;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)o->max_streams},
		/* RFC 9113 section 6.5.2: 32 octets for each field. */
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
			(uint32_t)(o->max_header_bytes + o->max_target + 32 * o->max_headers)},
	};

	return nghttp2_submit_settings(
		       c->session, NGHTTP2_FLAG_NONE, settings, CF_ARRAY_LEN(settings))
		       ? CF_ENOMEM
		       : 0;
}

int cf_http2_serve(struct cf_http_server *server, struct cf_stream *stream)
{
	struct http2 *c = cf_alloc(sizeof(*c));
	int err;

	if (!c) {
		cf_stream_free(stream);
		return CF_ENOMEM;
	}
	cf_http_conn_init(&c->base, server, stream, &proto);
	c->patience = PATIENCE_MAX;
	c->patience_us = cf_loop_now_us(server->loop);
	err = new_session(c);
	if (!err)
		err = send_settings(c);
	if (!err)
		err = cf_timer_after(
			&c->base.timer, server->loop, server->o.header_timeout_us, on_timer, c);
	if (err) {
		cf_http_conn_free(&c->base);
		return err;
	}
	cf_stream_set_ops(stream, &ops, c);
	pump_later(c);
	return 0;
}
