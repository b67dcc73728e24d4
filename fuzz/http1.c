/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1: bytes into the server over a socket pair, in two pieces; the first byte says where they
 * are cut. What reaches the handler has been checked, and each request is answered once. */
#include "base/clock.h"
#include "http/server.h"
#include "net/stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cf_loop *loop;
static struct cf_http_server *server;

static void on_request(struct cf_http_exchange *ex, const struct cf_http_request *r, void *arg)
{
	static const struct cf_http_header type = {"Content-Type", "text/event-stream"};
	(void)arg;

	if ((r->target[0] != '/' && strcmp(r->target, "*") != 0) || r->body.len > 1000 ||
		r->n_headers > 10 || (r->version > 10 && !*r->host))
		abort();
	for (size_t i = 0; i < r->n_headers; i++)
		if (!*r->headers[i].name || strpbrk(r->headers[i].value, "\r\n"))
			abort();
	if (cf_http_request_header_count(r, "content-length") > 1 ||
		(cf_http_request_header_count(r, "content-length") &&
			cf_http_request_header_count(r, "transfer-encoding")))
		abort();
	if (strcmp(r->target, "/s") == 0 && cf_http_stream_begin(ex, 200, &type, 1) == 0) {
		(void)!cf_http_stream_write(ex, "data: 1\n\n", 9);
		cf_http_stream_end(ex);
	} else {
		cf_http_reply_json(ex, 200, "{}", 2);
	}
}

static void start(void)
{
	struct cf_http_server_options o;

	loop = cf_loop_new();
	cf_http_server_options_defaults(&o);
	o.max_body = 1000;
	o.max_headers = 10;
	o.max_header_bytes = 2000;
	o.max_target = 500;
	o.handler = on_request;
	server = cf_http_server_new(loop, &o);
	if (!loop || !server)
		abort();
}

static void feed(int fd, const uint8_t *p, size_t n)
{
	char got[65536];

	if (n > 0 && send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
	for (int i = 0; i < 3; i++) {
		cf_loop_run_once(loop, 0);
		if (recv(fd, got, sizeof(got), MSG_DONTWAIT) >= 12 &&
			memcmp(got, "HTTP/1.1 ", 9) != 0 && n == 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_stream_options so;
	struct cf_stream *stream;
	size_t cut;
	int fds[2];

	if (!loop)
		start();
	if (size < 1 || size > 60000 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return 0;
	cut = data[0] < size ? data[0] : size - 1;
	cf_stream_options_defaults(&so);
	if (cf_stream_accept(&stream, loop, fds[0], &so, NULL, NULL) < 0 ||
		cf_http_server_serve(server, stream) < 0)
		abort();
	feed(fds[1], data + 1, cut);
	feed(fds[1], data + 1 + cut, size - 1 - cut);
	close(fds[1]);
	for (int i = 0; i < 10 && cf_http_server_stats(server)->open_connections > 0; i++)
		cf_loop_run_once(loop, 0);
	if (cf_http_server_stats(server)->open_connections > 0)
		abort();
	return 0;
}
