/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 by raw bytes over a socket pair: what is answered, refused, cut, and in which order. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 400

/* A server with one client at the other end of a socket pair. */
struct rig {
	struct cf_loop *loop;
	struct cf_http_server *server;
	struct cf_http_server_options o;
	int fd; /* the client's end */
	char got[128 * 1024];
	size_t n;
	bool eof;
	/* The handler */
	int requests;
	char seen[2048];
	struct cf_http_exchange *held[8];
	size_t n_held;
	int gone;
};

static void on_gone(struct cf_http_exchange *ex, void *arg)
{
	struct rig *rig = arg;

	assert_false(cf_http_exchange_alive(ex));
	rig->gone++;
}

static void note(struct rig *rig, const struct cf_http_request *r)
{
	size_t n = strlen(rig->seen);

	snprintf(rig->seen + n, sizeof(rig->seen) - n, "%s %.*s?%.*s %s %d [%.*s];", r->method,
		(int)r->path.len, (const char *)r->path.p, (int)r->query.len,
		(const char *)r->query.p, r->host, r->version, (int)r->body.len,
		(const char *)r->body.p);
}

static void on_request(struct cf_http_exchange *ex, const struct cf_http_request *r, void *arg)
{
	static const struct cf_http_header bad = {"X-Bad", "a\r\nSet-Cookie: b"};
	struct rig *rig = arg;

	rig->requests++;
	note(rig, r);
	if (strncmp(r->target, "/hold", 5) == 0) {
		rig->held[rig->n_held++] = ex;
		cf_http_exchange_on_gone(ex, on_gone, rig);
	} else if (strcmp(r->target, "/split") == 0) {
		cf_http_reply(ex, 200, &bad, 1, cf_view_str("x"));
	} else if (strcmp(r->target, "/none") == 0) {
		cf_http_reply(ex, 204, NULL, 0, cf_view_str("not sent"));
	} else if (strcmp(r->target, "/abort") == 0) {
		cf_http_exchange_abort(ex);
	} else {
		cf_http_reply(ex, 200, NULL, 0, cf_view_str("hello"));
	}
}

static void connect_client(struct rig *rig)
{
	struct cf_stream_options so;
	struct cf_stream *stream = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	cf_stream_options_defaults(&so);
	assert_int_equal(cf_stream_accept(&stream, rig->loop, fds[0], &so, NULL, NULL), 0);
	assert_int_equal(cf_http_server_serve(rig->server, stream), 0);
	rig->fd = fds[1];
	rig->n = 0;
	rig->got[0] = 0;
	rig->eof = false;
}

static void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->loop = cf_loop_new();
	cf_http_server_options_defaults(&rig->o);
	rig->o.handler = on_request;
	rig->o.arg = rig;
}

static void rig_start(struct rig *rig)
{
	rig->server = cf_http_server_new(rig->loop, &rig->o);
	assert_non_null(rig->server);
	connect_client(rig);
}

static void rig_done(struct rig *rig)
{
	cf_http_server_free(rig->server);
	close(rig->fd);
	for (size_t i = 0; i < rig->n_held; i++)
		cf_http_reply(rig->held[i], 200, NULL, 0, cf_view_str("too late"));
	cf_loop_free(rig->loop);
}

static void turn(struct rig *rig, int wait_ms)
{
	ssize_t got;

	cf_loop_run_once(rig->loop, wait_ms);
	got = recv(rig->fd, rig->got + rig->n, sizeof(rig->got) - 1 - rig->n, MSG_DONTWAIT);
	if (got > 0)
		rig->n += (size_t)got;
	if (got == 0)
		rig->eof = true;
	rig->got[rig->n] = 0;
}

static void put(struct rig *rig, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(rig->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (rig->eof) {
			return;
		}
		turn(rig, 0);
	}
}

static void say(struct rig *rig, const char *text)
{
	put(rig, text, strlen(text));
}

/* Until text is in what was received. */
static void expect(struct rig *rig, const char *text)
{
	for (int i = 0; i < TURNS && !strstr(rig->got, text) && !rig->eof; i++)
		turn(rig, 10);
	if (!strstr(rig->got, text))
		fail_msg("no '%s' in '%s'", text, rig->got);
}

static void expect_eof(struct rig *rig)
{
	for (int i = 0; i < TURNS && !rig->eof; i++)
		turn(rig, 10);
	assert_true(rig->eof);
}

static size_t occurrences(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static void a_request_is_answered(void **state)
{
	static const struct cf_http_header secure = {"X-Content-Type-Options", "nosniff"};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.o.headers = &secure;
	rig.o.n_headers = 1;
	rig_start(&rig);
	say(&rig, "GET /a%20b?c=d HTTP/1.1\r\nHost: h:1\r\n\r\n");
	expect(&rig, "\r\n\r\nhello");
	assert_memory_equal(rig.got, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(rig.got, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(rig.got, "Content-Length: 5\r\n"));
	assert_non_null(strstr(rig.got, "\r\nDate: "));
	assert_string_equal(rig.seen, "GET /a%20b?c=d h:1 11 [];");
	rig_done(&rig);
}

struct good {
	const char *bytes, *seen;
	bool closes;
};

static void well_formed_messages_are_read(void **state)
{
	static const struct good rows[] = {
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
			"POST /? h 11 [abc];", false},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n002;x=\"y\"\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
			"POST /? h 11 [abcde];", false},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
			"POST /? h 11 [];", false},
		{"\r\nGET / HTTP/1.1\r\nhOsT: \t h \t\r\nX: \r\nY:z\r\n\r\n", "GET /? h 11 [];",
			false},
		{"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n", "GET /? h 11 [];",
			true},
		{"GET / HTTP/1.0\r\n\r\n", "GET /?  10 [];", true},
		{"GET https://a:1/x HTTP/1.1\r\nHost: b\r\n\r\n", "GET /x? a:1 11 [];", false},
		{"GET http://a HTTP/1.1\r\nHost: b\r\n\r\n", "GET /? a 11 [];", false},
		{"OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS *? b 11 [];", false},
		{"GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "GET /? [::1]:8443 11 [];", false},
		{"DELETE /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
			"DELETE /x? h 11 [];", false},
		{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
			"GET /? h 11 [];", false},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		/* Whole, and byte by byte. */
		for (int split = 0; split < 2; split++) {
			struct rig rig;

			rig_init(&rig);
			rig_start(&rig);
			for (const char *c = rows[i].bytes; split && *c; c++)
				put(&rig, c, 1);
			if (!split)
				say(&rig, rows[i].bytes);
			expect(&rig, "hello");
			assert_string_equal(rig.seen, rows[i].seen);
			if (rows[i].closes) {
				assert_non_null(strstr(rig.got, "Connection: close\r\n"));
				expect_eof(&rig);
			} else {
				say(&rig, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
				for (int t = 0; t < TURNS && rig.requests < 2; t++)
					turn(&rig, 10);
				assert_int_equal(rig.requests, 2);
			}
			rig_done(&rig);
		}
	}
}

struct bad {
	const char *bytes;
	size_t n; /* 0: strlen */
	int status;
};

/* Everything that two readers might understand in two ways (RFC 9112 section 11.2), and plain
 * nonsense. None reaches the handler, and what follows in the same bytes is never taken for a
 * request. */
static void ambiguous_messages_are_refused(void **state)
{
#define H "Host: h\r\n"
#define POST "POST / HTTP/1.1\r\n" H
	static const struct bad rows[] = {
		{POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 0, 400},
		{POST "Content-Length: 3, 3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: +3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: -1\r\n\r\nabc", 0, 400},
		{POST "Content-Length: 0x3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: 3 3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: \r\n\r\nabc", 0, 400},
		{POST "Content-Length: 99999999999999999999\r\n\r\nabc", 0, 400},
		{POST "Content-Length : 3\r\n\r\nabc", 0, 400},
		{POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			0, 400},
		{POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, 501},
		{POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0, 501},
		{POST "Transfer-Encoding: identity\r\n\r\n", 0, 501},
		{POST "Transfer-Encoding:\x0b"
		      "chunked\r\n\r\n0\r\n\r\n",
			0, 400},
		{POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 0, 400},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n123456789\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n0\r\n X: y\r\n\r\n", 0, 400},
		{POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\n", 0, 400},
		{"GET / HTTP/1.1\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: \r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\nHost: a\n\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n X: a\r\n" H "\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n" H "X\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n" H "X y: z\r\n\r\n", 0, 400},
		{"GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", 36, 400},
		{"GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", 0, 400},
		{"GET  / HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET / HTTP/1.1 \r\n" H "\r\n", 0, 400},
		{" GET / HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET\t/ HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET /\x80 HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET /#f HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET a HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET * HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET http:///x HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"GET /\r\n\r\n", 0, 400},
		{"GET / HTTP/1\r\n" H "\r\n", 0, 400},
		{"GET / http/1.1\r\n" H "\r\n", 0, 400},
		{"GET / HTTP/2.0\r\n" H "\r\n", 0, 505},
		{"GET / HTTP/0.9\r\n" H "\r\n", 0, 505},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 505},
		{"BREW /pot HTTP/1.1\r\n" H "\r\n", 0, 501},
		{"CONNECT h:443 HTTP/1.1\r\n" H "\r\n", 0, 400},
		{"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, 400},
		{POST "Content-Length: 3\r\nExpect: magic\r\n\r\nabc", 0, 417},
		{"\x16\x03\x01", 0, 400},
	};
	static const char next[] = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		char status[32];
		struct rig rig;

		rig_init(&rig);
		rig_start(&rig);
		put(&rig, rows[i].bytes, rows[i].n ? rows[i].n : strlen(rows[i].bytes));
		put(&rig, next, sizeof(next) - 1);
		for (int t = 0; t < TURNS && !rig.eof; t++)
			turn(&rig, 10);
		if (!rig.eof)
			fail_msg("row %zu (%s) does not end: '%s'", i, rows[i].bytes, rig.got);
		snprintf(status, sizeof(status), "HTTP/1.1 %d ", rows[i].status);
		if (strncmp(rig.got, status, strlen(status)) != 0 || rig.requests > 0)
			fail_msg("row %zu (%s): '%s', %d requests", i, rows[i].bytes, rig.got,
				rig.requests);
		assert_int_equal(occurrences(rig.got, "HTTP/1.1 "), 1);
		assert_non_null(strstr(rig.got, "Connection: close\r\n"));
		assert_non_null(strstr(rig.got, "{\"error\":{\"code\":\""));
		assert_int_equal(cf_http_server_stats(rig.server)->refused, 1);
		rig_done(&rig);
	}
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	say(&rig, "GET /hold1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
		  "GET /hold3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 5; i++)
		turn(&rig, 5);
	assert_int_equal(rig.requests, 1);
	cf_http_reply(rig.held[0], 200, NULL, 0, cf_view_str("one"));
	for (int i = 0; i < TURNS && rig.requests < 3; i++)
		turn(&rig, 5);
	cf_http_reply(rig.held[1], 200, NULL, 0, cf_view_str("three"));
	rig.n_held = 0;
	for (int i = 0; i < TURNS && occurrences(rig.got, "hello") < 2; i++)
		turn(&rig, 5);
	assert_int_equal(rig.requests, 4);
	assert_true(strstr(rig.got, "one") < strstr(rig.got, "hello"));
	assert_true(strstr(rig.got, "hello") < strstr(rig.got, "three"));
	rig_done(&rig);
}

static void limits_have_their_status(void **state)
{
	char *big = calloc(1, 70000);
	struct rig rig;

	(void)state;
	assert_non_null(big);
	for (int i = 0; i < 7; i++) {
		static const int status[] = {414, 431, 431, 413, 413, 414, 431};
		char text[16];

		rig_init(&rig);
		rig.o.max_target = 1000;
		rig.o.max_header_bytes = 2000;
		rig.o.max_headers = 10;
		rig.o.max_body = 100;
		rig_start(&rig);
		memset(big, 'a', 69999);
		if (i == 0) {
			snprintf(big, 70000, "GET /%01000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
		} else if (i == 1) {
			snprintf(big, 70000, "GET / HTTP/1.1\r\nHost: h\r\nX: %02000d\r\n\r\n", 0);
		} else if (i == 2) {
			snprintf(big, 70000, "GET / HTTP/1.1\r\nHost: h\r\n%s%s%s\r\n",
				"a: 1\r\na: 2\r\na: 3\r\n", "b: 1\r\nb: 2\r\nb: 3\r\nb: 4\r\n",
				"c: 1\r\nc: 2\r\nc: 3\r\n");
		} else if (i == 3) {
			snprintf(big, 70000,
				"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
		} else if (i == 4) {
			snprintf(big, 70000,
				"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
				"40\r\n%064d\r\n25\r\n%037d\r\n",
				0, 0);
		} else if (i == 6) {
			memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
		}
		say(&rig, big);
		expect_eof(&rig);
		snprintf(text, sizeof(text), "HTTP/1.1 %d ", status[i]);
		if (strncmp(rig.got, text, strlen(text)) != 0)
			fail_msg("case %d: %s", i, rig.got);
		assert_int_equal(rig.requests, 0);
		rig_done(&rig);
	}
	/* At the limit all is well. */
	rig_init(&rig);
	rig.o.max_body = 100;
	rig.o.max_target = 1001;
	rig_start(&rig);
	snprintf(big, 70000,
		"POST /%01000d HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n%0100d", 0, 0);
	say(&rig, big);
	expect(&rig, "hello");
	rig_done(&rig);
	free(big);
}

static void the_slow_are_cut(void **state)
{
	static const struct {
		const char *bytes, *answer;
	} rows[] = {
		{"", ""},
		{"GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408 "},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 408 "},
		{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 "},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct rig rig;

		rig_init(&rig);
		rig.o.header_timeout_us = rig.o.body_timeout_us = rig.o.idle_timeout_us =
			30 * CF_US_PER_MS;
		rig_start(&rig);
		say(&rig, rows[i].bytes);
		expect_eof(&rig);
		assert_int_equal(strncmp(rig.got, rows[i].answer, strlen(rows[i].answer)), 0);
		assert_int_equal(occurrences(rig.got, "HTTP/1.1 "), *rows[i].answer ? 1 : 0);
		close(rig.fd);
		for (int t = 0; t < TURNS; t++) {
			if (cf_http_server_stats(rig.server)->open_connections == 0)
				break;
			cf_loop_run_once(rig.loop, 10);
		}
		assert_int_equal(cf_http_server_stats(rig.server)->open_connections, 0);
		rig.fd = dup(0);
		rig_done(&rig);
	}
}

static void bodies_follow_the_rules_of_method_and_status(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	say(&rig, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&rig, "\r\n\r\n");
	assert_non_null(strstr(rig.got, "Content-Length: 5\r\n"));
	assert_null(strstr(rig.got, "hello"));
	rig.n = 0;
	say(&rig, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&rig, "204 No Content");
	assert_null(strstr(rig.got, "Content-Length"));
	assert_null(strstr(rig.got, "not sent"));
	rig.n = 0;
	say(&rig,
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	expect(&rig, "HTTP/1.1 100 Continue\r\n\r\n");
	say(&rig, "abc");
	expect(&rig, "hello");
	rig.n = 0;
	/* A handler cannot be made to write headers of a stranger's choice. */
	say(&rig, "GET /split HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_eof(&rig);
	assert_null(strstr(rig.got, "Set-Cookie"));
	rig_done(&rig);
}

static void exchanges_outlive_their_connection(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	say(&rig, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < TURNS && rig.n_held == 0; i++)
		turn(&rig, 5);
	close(rig.fd);
	for (int i = 0; i < TURNS && rig.gone == 0; i++)
		cf_loop_run_once(rig.loop, 5);
	assert_int_equal(rig.gone, 1);
	assert_false(cf_http_exchange_alive(rig.held[0]));
	assert_string_equal(cf_http_exchange_request(rig.held[0])->target, "/hold");
	assert_int_equal(cf_http_stream_begin(rig.held[0], 200, NULL, 0), CF_ECLOSED);
	assert_int_equal(cf_http_stream_write(rig.held[0], "x", 1), CF_ECLOSED);
	assert_int_equal(cf_http_server_stats(rig.server)->open_connections, 0);
	cf_http_stream_end(rig.held[0]);
	rig.n_held = 0;
	/* And the server: rig_done() replies when it is gone. */
	connect_client(&rig);
	say(&rig, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < TURNS && rig.n_held == 0; i++)
		turn(&rig, 5);
	rig_done(&rig);
	assert_int_equal(rig.gone, 2);
}

static void event_streams_flow(void **state)
{
	static const struct cf_http_header type = {"Content-Type", "text/event-stream"};
	char block[4096] = {0};
	struct rig rig;
	int err = 0;

	(void)state;
	rig_init(&rig);
	rig.o.max_pending = 64 * 1024;
	rig_start(&rig);
	say(&rig, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < TURNS && rig.n_held == 0; i++)
		turn(&rig, 5);
	assert_int_equal(cf_http_stream_write(rig.held[0], "x", 1), CF_ESTATE);
	assert_int_equal(cf_http_stream_begin(rig.held[0], 200, &type, 1), 0);
	assert_int_equal(cf_http_stream_begin(rig.held[0], 200, &type, 1), CF_ESTATE);
	assert_int_equal(cf_http_stream_write(rig.held[0], "data: 1\n\n", 9), 0);
	expect(&rig, "Transfer-Encoding: chunked\r\n");
	expect(&rig, "\r\n\r\n9\r\ndata: 1\n\n\r\n");
	/* A client that does not read is found out. */
	for (int i = 0; i < 1000 && !err; i++) {
		err = cf_http_stream_write(rig.held[0], block, sizeof(block));
		cf_loop_run_once(rig.loop, 0);
	}
	assert_int_equal(err, CF_ELIMIT);
	assert_true(cf_http_stream_pending(rig.held[0]) > 0);
	for (int i = 0; i < TURNS && cf_http_stream_pending(rig.held[0]) > 0; i++) {
		rig.n = 0;
		turn(&rig, 5);
	}
	assert_int_equal(cf_http_stream_pending(rig.held[0]), 0);
	cf_http_stream_end(rig.held[0]);
	rig.n_held = 0;
	rig.n = 0;
	expect(&rig, "0\r\n\r\nHTTP/1.1 200 OK");
	expect(&rig, "hello");
	rig_done(&rig);
}

static void old_clients_get_streams_until_the_end(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	say(&rig, "GET /hold HTTP/1.0\r\n\r\n");
	for (int i = 0; i < TURNS && rig.n_held == 0; i++)
		turn(&rig, 5);
	assert_int_equal(cf_http_stream_begin(rig.held[0], 200, NULL, 0), 0);
	assert_int_equal(cf_http_stream_write(rig.held[0], "abc", 3), 0);
	cf_http_stream_end(rig.held[0]);
	rig.n_held = 0;
	expect_eof(&rig);
	assert_null(strstr(rig.got, "chunked"));
	assert_string_equal(strstr(rig.got, "\r\n\r\n"), "\r\n\r\nabc");
	rig_done(&rig);
}

static void draining_ends_what_is_idle_and_finishes_the_rest(void **state)
{
	struct rig rig;
	int idle;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	idle = rig.fd;
	connect_client(&rig);
	say(&rig, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < TURNS && rig.n_held == 0; i++)
		turn(&rig, 5);
	cf_http_server_drain(rig.server);
	cf_http_reply(rig.held[0], 200, NULL, 0, cf_view_str("last"));
	rig.n_held = 0;
	expect(&rig, "last");
	assert_non_null(strstr(rig.got, "Connection: close"));
	expect_eof(&rig);
	close(rig.fd);
	rig.fd = idle;
	rig.eof = false;
	expect_eof(&rig);
	rig_done(&rig);
}

static void aborted_answers_close(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	say(&rig, "GET /abort HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_eof(&rig);
	assert_int_equal(rig.n, 0);
	rig_done(&rig);
}

static void headers_can_be_looked_up(void **state)
{
	static const struct cf_http_header headers[] = {{"a", "1"}, {"b", "2"}, {"a", "3"},
		{"content-type", "Application/JSON; charset=utf-8"}};
	struct cf_http_request r = {.headers = headers, .n_headers = 4};

	(void)state;
	assert_null(cf_http_request_header(&r, "a"));
	assert_int_equal(cf_http_request_header_count(&r, "a"), 2);
	assert_string_equal(cf_http_request_header(&r, "b"), "2");
	assert_null(cf_http_request_header(&r, "c"));
	assert_true(cf_http_request_is_type(&r, "application/json"));
	assert_false(cf_http_request_is_type(&r, "application/jso"));
	r.n_headers = 3;
	assert_false(cf_http_request_is_type(&r, "application/json"));
	assert_string_equal(cf_http_status_text(404), "Not Found");
	assert_string_equal(cf_http_status_text(299), "Unknown");
}

static int one_request(void *arg)
{
	static const char text[] = "POST /?a=b HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 3\r\n"
				   "\r\nabc";
	struct rig *rig = arg;
	struct cf_stream_options so;
	struct cf_stream *stream = NULL;
	char got[512];
	ssize_t n = -1;
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return CF_EIO;
	rig->server = cf_http_server_new(rig->loop, &rig->o);
	cf_stream_options_defaults(&so);
	err = cf_stream_accept(&stream, rig->loop, fds[0], &so, NULL, NULL);
	if (!err && !rig->server) {
		cf_stream_free(stream);
		err = CF_ENOMEM;
	}
	if (!err)
		err = cf_http_server_serve(rig->server, stream);
	if (send(fds[1], text, sizeof(text) - 1, MSG_NOSIGNAL) < 0 && !err)
		err = CF_EIO;
	for (int i = 0; i < 20 && !err && n < 0; i++) {
		cf_loop_run_once(rig->loop, 1);
		n = recv(fds[1], got, sizeof(got), MSG_DONTWAIT);
	}
	if (!err && (n < 12 || memcmp(got, "HTTP/1.1 200", 12) != 0))
		err = CF_EIO;
	rig->server = cf_http_server_free(rig->server);
	close(fds[1]);
	rig->seen[0] = 0;
	return err;
}

static void no_memory_is_survived(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	cf_test_oom(one_request, &rig, 0);
	cf_loop_free(rig.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered),
		cmocka_unit_test(well_formed_messages_are_read),
		cmocka_unit_test(ambiguous_messages_are_refused),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(limits_have_their_status),
		cmocka_unit_test(the_slow_are_cut),
		cmocka_unit_test(bodies_follow_the_rules_of_method_and_status),
		cmocka_unit_test(exchanges_outlive_their_connection),
		cmocka_unit_test(event_streams_flow),
		cmocka_unit_test(old_clients_get_streams_until_the_end),
		cmocka_unit_test(draining_ends_what_is_idle_and_finishes_the_rest),
		cmocka_unit_test(aborted_answers_close),
		cmocka_unit_test(headers_can_be_looked_up),
		cmocka_unit_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
