/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: frames behind a valid preface into the server over a socket pair. */
#include "http/http_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cf_loop *loop;
static struct cf_http_server *server;

static void on_request(struct cf_http_exchange *ex, const struct cf_http_request *r, void *arg)
{
	(void)arg;
	if ((r->target[0] != '/' && strcmp(r->target, "*") != 0) || r->body.len > 1000 ||
		r->n_headers > 10 || !*r->host || r->version != 20)
		abort();
	if (strcmp(r->target, "/s") == 0 && cf_http_stream_begin(ex, 200, NULL, 0) == 0) {
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
	o.handler = on_request;
	server = cf_http_server_new(loop, &o);
	if (!loop || !server)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct cf_stream_options so;
	struct cf_stream *stream;
	char got[65536];
	int fds[2];

	if (!loop)
		start();
	if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return 0;
	cf_stream_options_defaults(&so);
	if (cf_stream_accept(&stream, loop, fds[0], &so, NULL, NULL) < 0 ||
		cf_http2_serve(server, stream) < 0)
		abort();
	if (send(fds[1], preface, sizeof(preface) - 1, MSG_NOSIGNAL) > 0 && size > 0)
		(void)!send(fds[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (int i = 0; i < 4; i++) {
		cf_loop_run_once(loop, 0);
		(void)!recv(fds[1], got, sizeof(got), MSG_DONTWAIT);
	}
	close(fds[1]);
	for (int i = 0; i < 10 && cf_http_server_stats(server)->open_connections > 0; i++)
		cf_loop_run_once(loop, 0);
	if (cf_http_server_stats(server)->open_connections > 0 ||
		cf_http_server_stats(server)->open_streams > 0)
		abort();
	return 0;
}
