/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP candidates of a peer (RFC 6544): a listener per host address for the passive ones, connecting
 * when the agent sends from an active one, packets framed by their length (RFC 4571). What a slow
 * connection cannot take is dropped, as UDP would.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/wire.h"
#include "net/listener.h"
#include "peer/peer_priv.h"

#include <string.h>

/* Those that come in have half of the places: strangers cannot take ours. */
#define CONNS_MAX 16
#define PASSIVE_MAX 8
#define UNSENT_MAX (64 * 1024)
/* To connect, and for a stranger to bring a good check. */
#define PROVE_US (10 * CF_US_PER_S)
#define PORT_TRIES 64

/* A host address. */
struct tcp_host {
	struct cf_peer *peer;
	struct cf_listener *listener; /* owned */
	struct cf_addr addr;
	int active, passive; /* bases of the agent, NO_BASE without */
};

struct tcp_conn {
	struct peer_tcp *tcp; /* NULL: a free place */
	struct cf_stream *stream;
	struct cf_timer timer; /* until the other side has proved itself */
	struct cf_addr remote;
	int base;
};

struct peer_tcp {
	struct cf_peer *peer;
	struct tcp_host hosts[CF_PEER_HOSTS_MAX]; /* peer NULL: a free place */
	struct tcp_conn conns[CONNS_MAX];
};

/* Framing */

int peer_frame_len(const uint8_t *p, size_t n)
{
	struct cf_wire_reader r;
	uint16_t len;

	if (n < PEER_FRAME_HEAD)
		return 0;
	cf_wire_reader_init(&r, p, n);
	len = cf_wire_read_u16(&r);
	return len > PEER_FRAME_MAX ? CF_EBADMSG : PEER_FRAME_HEAD + len;
}

/* Connections */

static void conn_free(struct tcp_conn *conn)
{
	cf_timer_stop(&conn->timer);
	cf_stream_free(conn->stream);
	*conn = (struct tcp_conn){.tcp = NULL};
}

/* The agent is told that the way is closed. */
static void conn_lost(struct tcp_conn *conn)
{
	struct cf_peer *peer = conn->tcp->peer;
	struct cf_addr remote = conn->remote;
	unsigned base = (unsigned)conn->base;

	conn_free(conn);
	cf_ice_agent_unreachable(
		peer->ice, base, &remote, CF_ICE_TROUBLE_CONNECT, cf_loop_now_us(peer->loop));
}

static struct tcp_conn *conn_find(struct peer_tcp *tcp, unsigned base, const struct cf_addr *to)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (tcp->conns[i].tcp && tcp->conns[i].base == (int)base &&
			cf_addr_eq(&tcp->conns[i].remote, to))
			return &tcp->conns[i];
	return NULL;
}

static struct tcp_conn *conn_new(
	struct tcp_host *host, enum cf_ice_base_kind kind, const struct cf_addr *remote)
{
	bool passive = kind == CF_ICE_BASE_TCP_PASSIVE;
	struct peer_tcp *tcp = host->peer->tcp;

	for (size_t i = passive ? 0 : PASSIVE_MAX; i < (passive ? PASSIVE_MAX : CONNS_MAX); i++)
		if (!tcp->conns[i].tcp) {
			tcp->conns[i] = (struct tcp_conn){.tcp = tcp,
				.base = passive ? host->passive : host->active,
				.remote = *remote};
			return &tcp->conns[i];
		}
	return NULL;
}

static void on_open(struct cf_stream *stream, void *arg)
{
	(void)stream;
	(void)arg;
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	struct tcp_conn *conn = arg;
	struct cf_peer *peer = conn->tcp->peer;

	(void)stream;
	(void)err;
	peer_enter(peer);
	conn_lost(conn);
	peer_leave(peer);
}

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct tcp_conn *conn = arg;
	struct cf_peer *peer = conn->tcp->peer;
	uint8_t packet[PEER_FRAME_MAX]; /* to be decrypted in place */
	size_t done = 0;
	int len = 0;

	(void)stream;
	peer_enter(peer);
	while (!peer->freed && (len = peer_frame_len(p + done, n - done)) > 0 &&
		(size_t)len <= n - done) {
		size_t body = (size_t)len - PEER_FRAME_HEAD;

		memcpy(packet, p + done + PEER_FRAME_HEAD, body);
		peer_packet(peer, conn->base, &conn->remote, packet, body);
		done += (size_t)len;
	}
	if (len < 0)
		conn_lost(conn);
	peer_leave(peer);
	return done;
}

static const struct cf_stream_ops stream_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
};

static void on_unproved(struct cf_timer *timer, void *arg)
{
	struct tcp_conn *conn = arg;
	struct cf_peer *peer = conn->tcp->peer;

	(void)timer;
	if (cf_ice_agent_accepts(peer->ice, (unsigned)conn->base, &conn->remote))
		return;
	peer_enter(peer);
	conn_lost(conn);
	peer_leave(peer);
}

static void on_accepted(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct tcp_host *host = arg;
	struct cf_peer *peer = host->peer;
	struct tcp_conn *conn = conn_new(host, CF_ICE_BASE_TCP_PASSIVE, cf_stream_peer(stream));

	(void)listener;
	(void)cls;
	if (!conn) {
		cf_stream_free(stream);
		return;
	}
	conn->stream = stream;
	cf_stream_set_limits(stream, UNSENT_MAX, UNSENT_MAX);
	cf_stream_set_ops(stream, &stream_ops, conn);
	if (cf_timer_after(&conn->timer, peer->loop, PROVE_US, on_unproved, conn) < 0)
		conn_free(conn);
}

/* RFC 6544 section 7.1: a check on an active candidate connects first. */
static struct tcp_conn *connect_to(struct tcp_host *host, const struct cf_addr *to)
{
	struct cf_peer *peer = host->peer;
	struct tcp_conn *conn = conn_new(host, CF_ICE_BASE_TCP_ACTIVE, to);
	struct cf_stream_options options;

	if (!conn)
		return NULL;
	cf_stream_options_defaults(&options);
	options.bind = host->addr;
	options.bind.port = 0;
	options.open_timeout_us = PROVE_US;
	options.write_max = UNSENT_MAX;
	if (cf_stream_connect(&conn->stream, peer->loop, to, &options, &stream_ops, conn) < 0) {
		conn_free(conn);
		return NULL;
	}
	return conn;
}

static struct tcp_host *host_of(struct peer_tcp *tcp, unsigned base)
{
	for (size_t i = 0; i < CF_PEER_HOSTS_MAX; i++)
		if (tcp->hosts[i].peer &&
			(tcp->hosts[i].active == (int)base || tcp->hosts[i].passive == (int)base))
			return &tcp->hosts[i];
	return NULL;
}

bool peer_tcp_send(
	struct cf_peer *peer, unsigned base, const struct cf_addr *to, const void *p, size_t n)
{
	struct tcp_host *host = peer->tcp ? host_of(peer->tcp, base) : NULL;
	struct tcp_conn *conn;
	uint8_t frame[PEER_FRAME_HEAD + PEER_FRAME_MAX];

	if (!host)
		return false;
	if (n > PEER_FRAME_MAX)
		return true;
	conn = conn_find(peer->tcp, base, to);
	if (!conn && host->active == (int)base)
		conn = connect_to(host, to);
	if (!conn) {
		cf_ice_agent_unreachable(
			peer->ice, base, to, CF_ICE_TROUBLE_CONNECT, cf_loop_now_us(peer->loop));
		return true;
	}
	frame[0] = (uint8_t)(n >> 8);
	frame[1] = (uint8_t)n;
	memcpy(frame + PEER_FRAME_HEAD, p, n);
	(void)!cf_stream_write(conn->stream, frame, PEER_FRAME_HEAD + n);
	return true;
}

/* Opening */

static int listen_on(struct tcp_host *host)
{
	struct cf_listener_options options;
	int err = CF_EADDRINUSE;

	cf_listener_options_defaults(&options);
	options.bind = host->addr;
	/* The first frame is a check of less than 1024 bytes: like STUN it begins with 0 to 3. */
	options.accept = CF_LISTEN_TURN_TCP;
	options.max_conns = options.max_conns_per_ip = PASSIVE_MAX;
	options.open_timeout_us = PROVE_US;
	options.backlog = PASSIVE_MAX;
	options.fn = on_accepted;
	options.arg = host;
	for (int i = 0; i < PORT_TRIES && err == CF_EADDRINUSE; i++) {
		uint32_t range = (uint32_t)host->peer->port_max - host->peer->port_min + 1;

		options.bind.port =
			host->peer->port_min
				? (uint16_t)(host->peer->port_min + cf_rand_below(range))
				: (uint16_t)0;
		err = cf_listener_open(&host->listener, host->peer->loop, &options);
	}
	return err;
}

static int add_base(struct cf_peer *peer, enum cf_ice_base_kind kind, const struct cf_addr *addr)
{
	struct cf_ice_base_options base = {.kind = kind, .addr = *addr};
	int id = cf_ice_agent_add_base(peer->ice, &base, cf_loop_now_us(peer->loop));

	return id < 0 ? NO_BASE : id;
}

int peer_tcp_open(struct cf_peer *peer, const struct cf_peer_options *options)
{
	if (options->no_tcp || options->policy == CF_ICE_POLICY_RELAY)
		return 0;
	peer->tcp = cf_alloc(sizeof(*peer->tcp));
	if (!peer->tcp)
		return CF_ENOMEM;
	peer->tcp->peer = peer;
	for (size_t i = 0; i < peer->n_hosts; i++)
		peer_tcp_add_host(peer, &peer->hosts[i]->addr);
	return 0;
}

static void host_close(struct tcp_host *host)
{
	struct cf_peer *peer = host->peer;
	const int bases[] = {host->active, host->passive};

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < CONNS_MAX; k++)
			if (peer->tcp->conns[k].tcp && peer->tcp->conns[k].base == bases[i])
				conn_free(&peer->tcp->conns[k]);
		if (bases[i] != NO_BASE)
			cf_ice_agent_remove_base(
				peer->ice, (unsigned)bases[i], cf_loop_now_us(peer->loop));
	}
	cf_listener_free(host->listener);
	*host = (struct tcp_host){.peer = NULL};
}

void peer_tcp_remove_host(struct cf_peer *peer, const struct cf_addr *addr)
{
	for (size_t i = 0; peer->tcp && i < CF_PEER_HOSTS_MAX; i++)
		if (peer->tcp->hosts[i].peer && cf_addr_ip_eq(&peer->tcp->hosts[i].addr, addr))
			host_close(&peer->tcp->hosts[i]);
}

void peer_tcp_add_host(struct cf_peer *peer, const struct cf_addr *addr)
{
	struct tcp_host *host = NULL;

	/* A place keeps its address: the listener refers to it. */
	for (size_t i = 0; peer->tcp && i < CF_PEER_HOSTS_MAX && !host; i++)
		if (!peer->tcp->hosts[i].peer)
			host = &peer->tcp->hosts[i];
	if (!host)
		return;
	*host = (struct tcp_host){.peer = peer, .addr = *addr, .passive = NO_BASE};
	host->active = add_base(peer, CF_ICE_BASE_TCP_ACTIVE, addr);
	if (listen_on(host) == 0)
		host->passive =
			add_base(peer, CF_ICE_BASE_TCP_PASSIVE, cf_listener_local(host->listener));
}

void peer_tcp_free(struct peer_tcp *tcp)
{
	if (!tcp)
		return;
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (tcp->conns[i].tcp)
			conn_free(&tcp->conns[i]);
	for (size_t i = 0; i < CF_PEER_HOSTS_MAX; i++)
		cf_listener_free(tcp->hosts[i].listener);
	cf_free(tcp);
}
