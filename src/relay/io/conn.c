/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "relay/io/io_priv.h"

#define STREAM_READ_MAX (16 * 1024) /* some messages; a whole one is at most 4 KiB */

struct relay_conn *cf_relay_conn_free(struct relay_conn *conn)
{
	struct cf_relay_server *server = conn->server;

	cf_relay_client_closed(server->relay, &conn->tuple, cf_loop_now_us(server->loop));
	cf_relay_moves_forget(server->shared, conn);
	cf_timer_stop(&conn->idle);
	cf_list_remove(&conn->link);
	server->n_conns--;
	cf_stream_free(conn->stream);
	return cf_free(conn);
}

void cf_relay_conn_send(struct relay_conn *conn, const uint8_t *p, size_t n, bool media)
{
	/* A client that does not read loses media; it never holds up the others. */
	if (media && cf_stream_unsent(conn->stream) > RELAY_UNSENT_MEDIA)
		return;
	(void)!cf_stream_write(conn->stream, p, n);
}

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct relay_conn *conn = arg;
	struct cf_relay_server *server = conn->server;
	uint64_t now_us = cf_loop_now_us(server->loop);
	size_t used = 0;
	int len;

	(void)stream;
	conn->heard_us = now_us;
	while ((len = cf_turn_frame_len(p + used, n - used)) > 0 && (size_t)len <= n - used) {
		if (cf_relay_client_input(
			    server->relay, &conn->tuple, p + used, (size_t)len, now_us) < 0)
			len = CF_EBADMSG;
		if (len < 0)
			break;
		used += (size_t)len;
	}
	cf_relay_server_arm(server);
	if (len < 0) {
		cf_relay_conn_free(conn); /* no TURN client: nothing to say to it */
		return 0;
	}
	return used;
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	(void)stream;
	(void)err;
	cf_relay_conn_free(arg);
}

static const struct cf_stream_ops ops = {.on_data = on_data, .on_close = on_close};

static void on_idle(struct cf_timer *timer, void *arg)
{
	struct relay_conn *conn = arg;
	struct cf_relay_server *server = conn->server;
	uint64_t now_us = cf_loop_now_us(server->loop);

	if (now_us - conn->heard_us >= RELAY_IDLE_US &&
		!cf_relay_has_allocation(server->relay, &conn->tuple, now_us))
		cf_relay_conn_free(conn);
	else if (cf_timer_after(timer, server->loop, RELAY_IDLE_US, on_idle, conn) < 0)
		cf_relay_conn_free(conn);
}

static int attach(struct relay_conn *conn)
{
	struct cf_loop *loop = conn->server->loop;
	int err = cf_timer_after(&conn->idle, loop, RELAY_IDLE_US, on_idle, conn);

	if (err < 0)
		return err;
	cf_stream_set_limits(conn->stream, STREAM_READ_MAX, RELAY_UNSENT_MAX);
	if (cf_stream_loop(conn->stream) == loop)
		cf_stream_set_ops(conn->stream, &ops, conn);
	else
		err = cf_stream_attach(conn->stream, loop, &ops, conn);
	if (err < 0)
		cf_timer_stop(&conn->idle);
	return err;
}

int cf_relay_server_adopt(struct cf_relay_server *server, struct cf_stream *stream)
{
	struct relay_conn *conn = NULL;
	int err = CF_ELIMIT;

	if (server->n_conns < server->shared->config.max_clients) {
		conn = cf_alloc(sizeof(*conn));
		err = conn ? 0 : CF_ENOMEM;
	}
	if (err == 0) {
		conn->server = server;
		conn->stream = stream;
		conn->heard_us = cf_loop_now_us(server->loop);
		conn->tuple.transport = cf_stream_is_tls(stream) ? CF_RELAY_TLS : CF_RELAY_TCP;
		conn->tuple.remote = *cf_stream_peer(stream);
		conn->tuple.local = *cf_stream_local(stream);
		conn->tuple.conn = conn;
		err = attach(conn);
	}
	if (err < 0) {
		cf_stream_free(stream);
		cf_free(conn);
		return err;
	}
	cf_list_push(&server->conns, &conn->link);
	server->n_conns++;
	return 0;
}
