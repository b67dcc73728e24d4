/* SPDX-License-Identifier: Apache-2.0 */
/* TURN over DTLS: the association between a host's socket and a server. */
#include "base/clock.h"
#include "peer/peer_priv.h"

#include <string.h>

static void on_link_send(const uint8_t *p, size_t n, void *arg)
{
	struct peer_server *server = arg;

	cf_udp_send(server->host->udp, &server->addr, p, n);
}

static void on_link_data(const uint8_t *p, size_t n, void *arg)
{
	uint8_t message[CF_UDP_PACKET_MAX];

	if (n > sizeof(message))
		return;
	memcpy(message, p, n); /* to be decrypted in place */
	peer_server_message(arg, message, n);
}

static const struct cf_dtls_link_ops link_ops = {.send = on_link_send, .data = on_link_data};

static void on_link_timer(struct cf_timer *timer, void *arg);

static int arm_link(struct peer_server *server)
{
	uint64_t wait_us = cf_dtls_link_wait_us(server->link);

	if (wait_us == CF_TIME_NEVER) {
		cf_timer_stop(&server->link_timer);
		return 0;
	}
	return cf_timer_after(
		&server->link_timer, server->peer->loop, wait_us, on_link_timer, server);
}

static void on_link_timer(struct cf_timer *timer, void *arg)
{
	struct peer_server *server = arg;
	struct cf_peer *peer = server->peer;

	(void)timer;
	peer_enter(peer);
	if (cf_dtls_link_tick(server->link) < 0 || arm_link(server) < 0)
		peer_server_failed(server);
	peer_leave(peer);
}

int peer_link_start(struct peer_server *server)
{
	struct cf_peer *peer = server->peer;
	int err;

	server->state = RELAY_CONNECTING;
	if (!peer->tls)
		return CF_ENOTSUP;
	err = cf_dtls_link_connect(&server->link, peer->tls, server->url.host, &link_ops, server);
	return err < 0 ? err : arm_link(server);
}

void peer_link_input(struct peer_server *server, const uint8_t *p, size_t n)
{
	int err = cf_dtls_link_input(server->link, p, n);

	if (err == CF_ECANCELED)
		return;
	if (err < 0 || arm_link(server) < 0)
		peer_server_failed(server);
	else if (cf_dtls_link_is_open(server->link) && !server->turn)
		peer_server_connected(server);
}
