/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/mem.h"

void cf_http_server_options_defaults(struct cf_http_server_options *options)
{
	*options = (struct cf_http_server_options){
		.max_target = 8 * 1024,
		.max_headers = 64,
		.max_header_bytes = 16 * 1024,
		.max_body = 256 * 1024,
		.max_streams = 64,
		.max_pending = 1024 * 1024,
		.header_timeout_us = 10 * CF_US_PER_S,
		.body_timeout_us = 20 * CF_US_PER_S,
		.idle_timeout_us = 75 * CF_US_PER_S,
	};
}

struct cf_http_server *cf_http_server_new(
	struct cf_loop *loop, const struct cf_http_server_options *options)
{
	struct cf_http_server *server;

	if (!options->handler)
		return NULL;
	server = cf_alloc(sizeof(*server));
	if (!server)
		return NULL;
	server->loop = loop;
	server->o = *options;
	cf_list_init(&server->conns);
	return server;
}

int cf_http_server_serve(struct cf_http_server *server, struct cf_stream *stream)
{
	if (server->draining) {
		cf_stream_free(stream);
		return CF_ECLOSED;
	}
	/* Queued bytes of an answer, and its head. */
	cf_stream_set_limits(stream, server->o.max_target + server->o.max_header_bytes + 8192,
		server->o.max_pending + 64 * 1024);
	if (cf_view_is(cf_stream_alpn(stream), "h2"))
		return cf_http2_serve(server, stream);
	return cf_http1_serve(server, stream);
}

void cf_http_server_drain(struct cf_http_server *server)
{
	server->draining = true;
	CF_LIST_FOR_SAFE(it, &server->conns)
	{
		struct cf_http_conn *conn = CF_CONTAINER_OF(it, struct cf_http_conn, link);

		if (!conn->dying)
			conn->proto->drain(conn);
	}
}

struct cf_http_server *cf_http_server_free(struct cf_http_server *server)
{
	if (!server)
		return NULL;
	while (!cf_list_empty(&server->conns))
		cf_http_conn_free(CF_CONTAINER_OF(server->conns.next, struct cf_http_conn, link));
	return cf_free(server);
}

const struct cf_http_server_stats *cf_http_server_stats(const struct cf_http_server *server)
{
	return &server->stats;
}

/* Connections */

void cf_http_conn_init(struct cf_http_conn *conn, struct cf_http_server *server,
	struct cf_stream *stream, const struct cf_http_proto *proto)
{
	cf_list_init(&conn->exchanges);
	conn->server = server;
	conn->stream = stream;
	conn->proto = proto;
	cf_list_push(&server->conns, &conn->link);
	server->stats.connections++;
	server->stats.open_connections++;
}

void cf_http_conn_free(struct cf_http_conn *conn)
{
	conn->dying = true;
	cf_list_remove(&conn->link);
	cf_timer_stop(&conn->timer);
	cf_defer_cancel(&conn->kill);
	while (!cf_list_empty(&conn->exchanges))
		cf_http_exchange_leave(
			CF_CONTAINER_OF(conn->exchanges.next, struct cf_http_exchange, link), true);
	cf_stream_free(conn->stream);
	conn->server->stats.open_connections--;
	conn->proto->free(conn);
}

static void on_kill(void *arg)
{
	cf_http_conn_free(arg);
}

void cf_http_conn_kill(struct cf_http_conn *conn)
{
	conn->dying = true;
	cf_timer_stop(&conn->timer);
	cf_defer_set(&conn->kill, conn->server->loop, on_kill, conn);
}

void cf_http_server_set_max_body(struct cf_http_server *server, size_t max_body)
{
	server->o.max_body = max_body;
}
