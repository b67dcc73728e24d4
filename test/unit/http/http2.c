/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2: by our own client (libcurl) through listener and TLS, and by a raw nghttp2 session over a
 * socket pair for everything that a decent client would not do.
 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/http_priv.h"
#include "net/devca.h"
#include "net/listener.h"

#include <nghttp2/nghttp2.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 1000

static char dir[64];
static struct cf_devca devca;

static int make_ca(void **state)
{
	char error[256] = "";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cf-test-XXXXXX");
	return mkdtemp(dir) && cf_devca_ensure(&devca, dir, NULL, 0, error) == 0 ? 0 : -1;
}

static int drop_ca(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

/* The server's side */

struct site {
	struct cf_loop *loop;
	struct cf_http_server *server;
	struct cf_http_server_options o;
	int requests, gone;
	int version;
	char body[128];
	struct cf_http_exchange *held[256];
	size_t n_held;
};

static void on_gone(struct cf_http_exchange *ex, void *arg)
{
	(void)ex;
	((struct site *)arg)->gone++;
}

static void on_request(struct cf_http_exchange *ex, const struct cf_http_request *r, void *arg)
{
	static const struct cf_http_header type = {"Content-Type", "text/event-stream"};
	static const char large[300000];
	struct site *site = arg;

	site->requests++;
	site->version = r->version;
	snprintf(site->body, sizeof(site->body), "%.*s", (int)r->body.len, (const char *)r->body.p);
	if (strncmp(r->target, "/hold", 5) == 0 && site->n_held < CF_ARRAY_LEN(site->held)) {
		site->held[site->n_held++] = ex;
		cf_http_exchange_on_gone(ex, on_gone, site);
	} else if (strcmp(r->target, "/events") == 0) {
		site->held[site->n_held++] = ex;
		cf_http_exchange_on_gone(ex, on_gone, site);
		assert_int_equal(cf_http_stream_begin(ex, 200, &type, 1), 0);
		assert_int_equal(cf_http_stream_write(ex, "id: 1\ndata: one\n\n", 17), 0);
	} else if (strcmp(r->target, "/large") == 0) {
		cf_http_reply(ex, 200, NULL, 0, cf_view_of(large, sizeof(large)));
	} else if (strcmp(r->target, "/none") == 0) {
		cf_http_reply(ex, 204, NULL, 0, cf_view_of(NULL, 0));
	} else if (strcmp(r->target, "/abort") == 0) {
		cf_http_exchange_abort(ex);
	} else {
		cf_http_reply_json(ex, 201, "{}", 2);
	}
}

static void site_init(struct site *site)
{
	memset(site, 0, sizeof(*site));
	site->loop = cf_loop_new();
	cf_http_server_options_defaults(&site->o);
	site->o.handler = on_request;
	site->o.arg = site;
}

static void site_done(struct site *site)
{
	cf_http_server_free(site->server);
	for (size_t i = 0; i < site->n_held; i++)
		cf_http_stream_end(site->held[i]);
	cf_loop_free(site->loop);
}

/* Through TLS, with our client */

struct web {
	struct site site;
	struct cf_listener *listener;
	struct cf_tls *tls;
	struct cf_http_client *client;
	int n_answers;
	int err, status;
	size_t body_len;
	char events[256];
	int opened, ended;
};

static void on_conn(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct web *web = arg;

	(void)listener;
	assert_int_equal(cls, CF_LISTEN_HTTP_TLS);
	assert_int_equal(cf_http_server_serve(web->site.server, stream), 0);
}

static void web_start(struct web *web, const char *const *alpn)
{
	struct cf_listener_options lo;
	struct cf_http_client_options co;
	char error[CF_TLS_ERROR_MAX], url[64];

	web->site.server = cf_http_server_new(web->site.loop, &web->site.o);
	web->tls = cf_tls_server_new(alpn);
	assert_int_equal(cf_tls_server_load(web->tls, devca.cert_file, devca.key_file, error), 0);
	cf_listener_options_defaults(&lo);
	assert_int_equal(cf_addr_parse(&lo.bind, "127.0.0.1", 0), 0);
	lo.accept = CF_LISTEN_HTTP_TLS;
	lo.tls = web->tls;
	lo.fn = on_conn;
	lo.arg = web;
	assert_int_equal(cf_listener_open(&web->listener, web->site.loop, &lo), 0);
	cf_http_client_options_defaults(&co);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", cf_listener_local(web->listener)->port);
	co.base_url = url;
	co.ca_file = devca.ca_file;
	web->client = cf_http_client_new(web->site.loop, &co);
	assert_non_null(web->client);
}

static void web_done(struct web *web)
{
	cf_http_client_free(web->client);
	cf_listener_free(web->listener);
	cf_tls_unref(web->tls);
	site_done(&web->site);
}

static void on_answer(const struct cf_http_response *response, void *arg)
{
	struct web *web = arg;

	web->n_answers++;
	web->err = response->err;
	web->status = response->status;
	web->body_len = response->body.len;
	if (response->err)
		print_message("# %s\n", response->text);
}

static void on_open(const struct cf_http_response *response, void *arg)
{
	assert_int_equal(response->status, 200);
	((struct web *)arg)->opened++;
}

static void on_end(const struct cf_http_response *response, void *arg)
{
	struct web *web = arg;

	web->ended++;
	web->err = response->err;
}

static void on_event(const struct cf_sse_event *event, void *arg)
{
	struct web *web = arg;
	size_t n = strlen(web->events);

	snprintf(web->events + n, sizeof(web->events) - n, "%s=%s;", event->id, event->data);
}

static void ask(struct web *web, const char *method, const char *path, const char *body)
{
	struct cf_http_call_options o = {.method = method, .path = path, .body = cf_view_str(body)};

	assert_int_equal(cf_http_client_request(web->client, &o, on_answer, web, NULL), 0);
}

#define RUN_UNTIL(site_, condition)                                               \
	do {                                                                      \
		for (int turn_ = 0; turn_ < TURNS && !(condition); turn_++)       \
			assert_int_equal(cf_loop_run_once((site_)->loop, 10), 0); \
		assert_true(condition);                                           \
	} while (0)

static void both_versions_through_tls(void **state)
{
	static const char *const both[] = {"h2", "http/1.1", NULL}, *const old[] = {
									    "http/1.1", NULL};

	(void)state;
	for (int version = 11; version <= 20; version += 9) {
		struct web web = {.n_answers = 0};

		site_init(&web.site);
		web_start(&web, version == 20 ? both : old);
		ask(&web, "POST", "/x", "{\"a\":1}");
		RUN_UNTIL(&web.site, web.n_answers == 1);
		assert_int_equal(web.err, 0);
		assert_int_equal(web.status, 201);
		assert_int_equal(web.body_len, 2);
		assert_int_equal(web.site.version, version);
		assert_string_equal(web.site.body, "{\"a\":1}");
		/* Many at once. */
		for (int i = 0; i < 20; i++)
			ask(&web, "GET", "/y", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 21);
		assert_int_equal(web.site.requests, 21);
		ask(&web, "GET", "/large", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 22);
		assert_int_equal(web.body_len, 300000);
		ask(&web, "GET", "/none", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 23);
		assert_int_equal(web.status, 204);
		ask(&web, "HEAD", "/x", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 24);
		assert_int_equal(web.status, 201);
		assert_int_equal(web.body_len, 0);
		ask(&web, "GET", "/abort", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 25);
		assert_true(web.err < 0);
		web_done(&web);
	}
}

static void events_through_tls(void **state)
{
	static const char *const both[] = {"h2", "http/1.1", NULL}, *const old[] = {
									    "http/1.1", NULL};

	(void)state;
	for (int version = 11; version <= 20; version += 9) {
		struct web web = {.n_answers = 0};
		struct cf_http_events_options o = {.path = "/events",
			.open = on_open,
			.event = on_event,
			.done = on_end,
			.arg = &web};
		struct cf_http_call *call = NULL;

		site_init(&web.site);
		web_start(&web, version == 20 ? both : old);
		assert_int_equal(cf_http_client_events(web.client, &o, &call), 0);
		RUN_UNTIL(&web.site, *web.events);
		assert_int_equal(web.opened, 1);
		assert_int_equal(
			cf_http_stream_write(web.site.held[0], ": x\n\nid: 2\ndata: two\n\n", 22),
			0);
		ask(&web, "GET", "/y", NULL);
		RUN_UNTIL(&web.site, web.n_answers == 1 && strlen(web.events) > 6);
		assert_string_equal(web.events, "1=one;2=two;");
		cf_http_stream_end(web.site.held[0]);
		web.site.n_held = 0;
		RUN_UNTIL(&web.site, web.ended);
		assert_int_equal(web.err, 0);
		/* A client that goes away is noticed. */
		assert_int_equal(cf_http_client_events(web.client, &o, &call), 0);
		RUN_UNTIL(&web.site, web.opened == 2);
		cf_http_call_cancel(call);
		/* libcurl tells it over HTTP/2 with the next request only. */
		ask(&web, "GET", "/y", NULL);
		RUN_UNTIL(&web.site, web.site.gone == 1);
		assert_int_equal(cf_http_stream_write(web.site.held[0], "x", 1), CF_ECLOSED);
		/* A silent server too. */
		o.silence_us = 50 * CF_US_PER_MS;
		assert_int_equal(cf_http_client_events(web.client, &o, &call), 0);
		RUN_UNTIL(&web.site, web.ended == 2);
		assert_int_equal(web.err, CF_ETIMEOUT);
		web_done(&web);
	}
}

static void draining_ends_streams_in_order(void **state)
{
	static const char *const both[] = {"h2", "http/1.1", NULL};
	struct web web = {.n_answers = 0};
	struct cf_http_events_options o = {
		.path = "/events", .open = on_open, .event = on_event, .done = on_end, .arg = &web};

	(void)state;
	site_init(&web.site);
	web_start(&web, both);
	assert_int_equal(cf_http_client_events(web.client, &o, NULL), 0);
	RUN_UNTIL(&web.site, *web.events);
	ask(&web, "GET", "/hold", NULL);
	RUN_UNTIL(&web.site, web.site.n_held == 2);
	cf_http_server_drain(web.site.server);
	assert_int_equal(web.site.gone, 1);
	assert_false(cf_http_exchange_alive(web.site.held[0]));
	RUN_UNTIL(&web.site, web.ended);
	assert_int_equal(web.err, 0);
	cf_http_reply_json(web.site.held[1], 200, "{}", 2);
	RUN_UNTIL(&web.site, web.n_answers == 1);
	assert_int_equal(web.status, 200);
	web.site.n_held = 1;
	RUN_UNTIL(&web.site, cf_http_server_stats(web.site.server)->open_connections == 0);
	web_done(&web);
}

/* By raw frames */

struct peer {
	struct site site;
	int fd;
	nghttp2_session *session;
	int status; /* of the last answer */
	uint32_t reset, goaway;
	int n_closed, n_answers;
	bool eof, away;
	size_t body_left;
};

static int peer_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct peer *peer = arg;

	(void)session;
	(void)frame;
	(void)value_len;
	(void)flags;
	if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
		peer->status = (int)strtol((const char *)value, NULL, 10);
		peer->n_answers++;
	}
	return 0;
}

static int peer_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct peer *peer = arg;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		peer->goaway = frame->goaway.error_code;
		peer->away = true;
	}
	return 0;
}

static int peer_closed(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
	struct peer *peer = arg;

	(void)session;
	(void)stream_id;
	peer->reset = code;
	peer->n_closed++;
	return 0;
}

static ssize_t peer_body(nghttp2_session *session, int32_t stream_id, uint8_t *p, size_t n,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct peer *peer = arg;

	(void)session;
	(void)stream_id;
	(void)source;
	if (peer->body_left == SIZE_MAX)
		return NGHTTP2_ERR_DEFERRED; /* never ends */
	if (n > peer->body_left)
		n = peer->body_left;
	memset(p, 'x', n);
	peer->body_left -= n;
	if (peer->body_left == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static void peer_start(struct peer *peer)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct cf_stream_options so;
	struct cf_stream *stream = NULL;
	int fds[2];

	peer->site.server = cf_http_server_new(peer->site.loop, &peer->site.o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	cf_stream_options_defaults(&so);
	assert_int_equal(cf_stream_accept(&stream, peer->site.loop, fds[0], &so, NULL, NULL), 0);
	cf_stream_set_limits(stream, 65536, 1 << 20);
	assert_int_equal(cf_http2_serve(peer->site.server, stream), 0);
	peer->fd = fds[1];
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_closed);
	nghttp2_option_new(&option);
	nghttp2_option_set_no_http_messaging(option, 1);
	nghttp2_option_set_peer_max_concurrent_streams(option, 100000);
	nghttp2_session_client_new2(&peer->session, callbacks, peer, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(peer->session, 0, NULL, 0);
}

static void peer_done(struct peer *peer)
{
	nghttp2_session_del(peer->session);
	site_done(&peer->site);
	close(peer->fd);
}

static void peer_send(struct peer *peer)
{
	const uint8_t *out;
	uint8_t in[1];
	ssize_t n;

	while ((n = nghttp2_session_mem_send(peer->session, &out)) > 0) {
		while (n > 0) {
			ssize_t sent = send(peer->fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);

			if (sent < 0 && peer->eof)
				return;
			if (sent > 0) {
				out += sent;
				n -= sent;
			} else {
				cf_loop_run_once(peer->site.loop, 0);
			}
			/* The other way must not fill up. */
			if (sent < 0 && recv(peer->fd, in, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
				peer->eof = true;
		}
	}
}

static void peer_turn(struct peer *peer)
{
	uint8_t in[16384];
	ssize_t n;

	peer_send(peer);
	cf_loop_run_once(peer->site.loop, 5);
	while ((n = recv(peer->fd, in, sizeof(in), MSG_DONTWAIT)) > 0)
		if (nghttp2_session_mem_recv(peer->session, in, (size_t)n) < 0)
			return;
	if (n == 0)
		peer->eof = true;
}

#define PEER_UNTIL(peer_, condition)                                        \
	do {                                                                \
		for (int turn_ = 0; turn_ < TURNS && !(condition); turn_++) \
			peer_turn(peer_);                                   \
		assert_true(condition);                                     \
	} while (0)

struct pair {
	const char *name, *value;
};

static size_t to_nv(nghttp2_nv *nv, const struct pair *pairs, size_t cap)
{
	size_t n = 0;

	for (; n < cap && pairs[n].name; n++)
		nv[n] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[n].name,
			(uint8_t *)(uintptr_t)pairs[n].value, strlen(pairs[n].name),
			strlen(pairs[n].value), 0};
	return n;
}

static int32_t peer_get(struct peer *peer, const char *path, bool body)
{
	const struct pair pairs[] = {{":method", body ? "POST" : "GET"}, {":scheme", "https"},
		{":authority", "h:1"}, {":path", path}, {NULL, NULL}};
	nghttp2_nv nv[4];
	nghttp2_data_provider provider = {.read_callback = peer_body};

	to_nv(nv, pairs, 4);
	return nghttp2_submit_request(peer->session, NULL, nv, 4, body ? &provider : NULL, NULL);
}

static void malformed_requests_are_refused(void **state)
{
	static const struct {
		struct pair pairs[6];
		int status; /* 0: reset */
	} rows[] = {
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"}},
			201},
		{{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "h"}}, 201},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"host", "H"}},
			201},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"host", "other"}},
			400},
		{{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}, 0},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "a@b"}, {":path", "/"}},
			400},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "x"}},
			0},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/#"}},
			400},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}}, 0},
		{{{":method", "CONNECT"}, {":authority", "h"}}, 400},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"connection", "close"}},
			0},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"transfer-encoding", "chunked"}},
			0},
		{{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"Upper", "x"}},
			-1},
		{{{":method", "GET"}, {":method", "POST"}, {":scheme", "https"},
			 {":authority", "h"}, {":path", "/"}},
			0},
		{{{":method", "GET"}, {":scheme", "https"}, {"x", "y"}, {":authority", "h"},
			 {":path", "/"}},
			0},
		{{{":method", "POST"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"},
			 {"content-length", "5"}},
			0},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct peer peer = {.fd = -1};
		nghttp2_nv nv[6];
		size_t n = to_nv(nv, rows[i].pairs, 6);
		bool done;

		site_init(&peer.site);
		peer_start(&peer);
		nghttp2_submit_request(peer.session, NULL, nv, n, NULL, NULL);
		for (int t = 0; t < TURNS && !peer.n_closed && !peer.eof; t++)
			peer_turn(&peer);
		done = rows[i].status > 0 ? peer.status == rows[i].status
					  : peer.site.requests == (rows[i].status < 0);
		if (!done)
			fail_msg("row %zu: status %d, %d requests", i, peer.status,
				peer.site.requests);
		if (rows[i].status > 201)
			assert_int_equal(peer.site.requests, 0);
		peer_done(&peer);
	}
}

static void limits_of_head_and_body(void **state)
{
	char value[3000];
	struct pair pairs[40] = {
		{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"}};
	nghttp2_nv nv[40];
	nghttp2_data_provider provider = {.read_callback = peer_body};
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer.site.o.max_header_bytes = 2000;
	peer.site.o.max_headers = 20;
	peer.site.o.max_target = 1000;
	peer.site.o.max_body = 1000;
	peer_start(&peer);
	memset(value, 'a', sizeof(value));
	value[2999] = 0;
	pairs[4] = (struct pair){"x", value};
	to_nv(nv, pairs, 40);
	nghttp2_submit_request(peer.session, NULL, nv, 5, NULL, NULL);
	PEER_UNTIL(&peer, peer.n_closed == 1);
	assert_int_equal(peer.status, 431);
	for (int i = 4; i < 25; i++)
		pairs[i] = (struct pair){"x", "y"};
	to_nv(nv, pairs, 40);
	nghttp2_submit_request(peer.session, NULL, nv, 25, NULL, NULL);
	PEER_UNTIL(&peer, peer.n_closed == 2);
	assert_int_equal(peer.status, 431);
	value[0] = '/';
	value[1001] = 0;
	peer_get(&peer, value, false);
	PEER_UNTIL(&peer, peer.n_closed == 3);
	assert_int_equal(peer.status, 414);
	peer.body_left = 1000;
	peer_get(&peer, "/", true);
	PEER_UNTIL(&peer, peer.n_closed == 4);
	assert_int_equal(peer.status, 201);
	peer.body_left = 100000;
	peer_get(&peer, "/", true);
	PEER_UNTIL(&peer, peer.n_closed == 5);
	assert_int_equal(peer.status, 413);
	assert_int_equal(peer.reset, NGHTTP2_NO_ERROR);
	assert_int_equal(peer.site.requests, 1);
	assert_false(peer.away);
	/* Announced: it need not come. */
	pairs[4] = (struct pair){"content-length", "1001"};
	peer.body_left = SIZE_MAX;
	nghttp2_submit_request(peer.session, NULL, nv, to_nv(nv, pairs, 5), &provider, NULL);
	PEER_UNTIL(&peer, peer.n_answers == 6);
	assert_int_equal(peer.status, 413);
	peer_done(&peer);
}

static void slow_bodies_and_idle_connections_are_cut(void **state)
{
	struct peer peer = {.fd = -1, .body_left = SIZE_MAX};

	(void)state;
	site_init(&peer.site);
	peer.site.o.body_timeout_us = peer.site.o.idle_timeout_us = 40 * CF_US_PER_MS;
	peer_start(&peer);
	peer_get(&peer, "/", true);
	PEER_UNTIL(&peer, peer.n_closed == 1);
	assert_int_equal(peer.status, 408);
	PEER_UNTIL(&peer, peer.eof);
	assert_int_equal(peer.goaway, NGHTTP2_NO_ERROR);
	assert_int_equal(peer.site.requests, 0);
	peer_done(&peer);
}

static void half_a_head_is_cut(void **state)
{
	/* Preface, SETTINGS, HEADERS without END_HEADERS. */
	static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				    "\0\0\0\4\0\0\0\0\0"
				    "\0\0\1\1\1\0\0\0\1\x82";
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer.site.o.header_timeout_us = 40 * CF_US_PER_MS;
	peer_start(&peer);
	assert_int_equal(send(peer.fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL), sizeof(bytes) - 1);
	nghttp2_session_del(peer.session);
	peer.session = NULL;
	for (int i = 0; i < TURNS && !peer.eof; i++) {
		char in[4096];
		ssize_t n;

		cf_loop_run_once(peer.site.loop, 5);
		n = recv(peer.fd, in, sizeof(in), MSG_DONTWAIT);
		peer.eof = n == 0;
	}
	assert_true(peer.eof);
	peer_done(&peer);
}

static void streams_at_once_are_limited(void **state)
{
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer.site.o.max_streams = 5;
	peer_start(&peer);
	for (int i = 0; i < 20; i++)
		peer_get(&peer, "/hold", false);
	for (int i = 0; i < 20; i++)
		peer_turn(&peer);
	assert_int_equal(peer.site.n_held, 5);
	assert_int_equal(cf_http_server_stats(peer.site.server)->open_streams, 5);
	peer_done(&peer);
	assert_int_equal(peer.site.gone, 5);
}

/* CVE-2023-44487 */
static void rapid_reset_ends_the_connection(void **state)
{
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer_start(&peer);
	for (int i = 0; i < 2000 && !peer.eof && !peer.away; i++) {
		int32_t id = peer_get(&peer, "/hold", false);

		/* Both in one piece, the request first: together nghttp2 would send neither. */
		peer_send(&peer);
		nghttp2_submit_rst_stream(peer.session, 0, id, NGHTTP2_CANCEL);
		if (i % 5 == 0)
			peer_turn(&peer);
		if (peer.site.n_held > 200) {
			for (size_t k = 0; k < peer.site.n_held; k++)
				cf_http_stream_end(peer.site.held[k]);
			peer.site.n_held = 0;
		}
	}
	assert_true(peer.away || peer.eof);
	assert_true(peer.site.requests >= 90 && peer.site.requests < 200);
	PEER_UNTIL(&peer, peer.eof);
	assert_int_equal(peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
	peer_done(&peer);
}

static void floods_end_the_connection(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct peer peer = {.fd = -1};

		site_init(&peer.site);
		peer_start(&peer);
		for (int i = 0; i < 3000 && !peer.away && !peer.eof; i++) {
			nghttp2_settings_entry entry = {
				NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 + (uint32_t)i};

			if (kind == 0)
				nghttp2_submit_ping(peer.session, 0, NULL);
			else if (kind == 1)
				nghttp2_submit_window_update(peer.session, 0, 0, 1);
			else
				nghttp2_submit_settings(peer.session, 0, &entry, 1);
			if (i % 20 == 0)
				peer_turn(&peer);
		}
		PEER_UNTIL(&peer, peer.away || peer.eof);
		if (peer.away)
			assert_int_equal(peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
		PEER_UNTIL(&peer, peer.eof);
		peer_done(&peer);
	}
}

/* nghttp2 throws them away without a word, at whatever rate. */
static void unknown_frames_end_the_connection(void **state)
{
	static const uint8_t unknown[9] = {[3] = 0xee};
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer_start(&peer);
	peer_turn(&peer);
	for (int i = 0; i < 1000 && !peer.away && !peer.eof; i++) {
		(void)!send(peer.fd, unknown, sizeof(unknown), MSG_NOSIGNAL);
		if (i % 20 == 0)
			peer_turn(&peer);
	}
	PEER_UNTIL(&peer, peer.eof);
	assert_int_equal(peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
	peer_done(&peer);
}

static void garbage_ends_the_connection(void **state)
{
	struct peer peer = {.fd = -1};

	(void)state;
	site_init(&peer.site);
	peer_start(&peer);
	assert_int_equal(send(peer.fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, MSG_NOSIGNAL), 27);
	nghttp2_session_del(peer.session);
	peer.session = NULL;
	for (int i = 0; i < TURNS && !peer.eof; i++) {
		char in[4096];

		cf_loop_run_once(peer.site.loop, 5);
		peer.eof = recv(peer.fd, in, sizeof(in), MSG_DONTWAIT) == 0;
	}
	assert_true(peer.eof);
	assert_int_equal(cf_http_server_stats(peer.site.server)->open_connections, 0);
	peer_done(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_versions_through_tls),
		cmocka_unit_test(events_through_tls),
		cmocka_unit_test(draining_ends_streams_in_order),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(limits_of_head_and_body),
		cmocka_unit_test(slow_bodies_and_idle_connections_are_cut),
		cmocka_unit_test(half_a_head_is_cut),
		cmocka_unit_test(streams_at_once_are_limited),
		cmocka_unit_test(rapid_reset_ends_the_connection),
		cmocka_unit_test(floods_end_the_connection),
		cmocka_unit_test(unknown_frames_end_the_connection),
		cmocka_unit_test(garbage_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
