/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/io/server.h"

#include "base/mem.h"
#include "base/rand.h"
#include "relay/io/io_priv.h"

#define CHOSEN_PORT_TRIES 16
/* Under load packets wait up to 1 ms for each other, the kernel's timer slack of 50 us included. */
#define TICK_US 940
#define LISTEN_BUFFER (4 * 1024 * 1024) /* bytes asked for; all clients share this socket */

/* The io behind the core */

static bool is_wildcard(const struct cf_addr *addr)
{
	return cf_addr_classify(addr) == CF_ADDR_UNSPECIFIED;
}

static bool is_at(const struct cf_udp *udp, const struct cf_addr *local)
{
	const struct cf_addr *bound = udp ? cf_udp_local(udp) : NULL;

	return bound && bound->port == local->port && bound->family == local->family &&
	       (is_wildcard(bound) || cf_addr_ip_eq(bound, local));
}

/* The socket that can send from this address and port of ours, or NULL. */
static struct cf_udp *socket_at(const struct cf_relay_server *server, const struct cf_addr *local)
{
	for (size_t i = 0; i < CF_RELAY_MAX_LISTEN; i++) {
		if (is_at(server->udp[i], local))
			return server->udp[i];
		if (is_at(server->alternate[i], local))
			return server->alternate[i];
	}
	return NULL;
}

static void send_client(
	const struct cf_relay_tuple *to, const uint8_t *p, size_t n, bool in_place, void *arg)
{
	struct cf_udp *udp = to->conn;

	if (to->transport == CF_RELAY_UDP && !udp)
		udp = socket_at(arg, &to->local);
	if (to->transport == CF_RELAY_UDP && udp)
		cf_udp_send_from(udp, &to->remote, &to->local, p, n);
	else if (to->transport == CF_RELAY_UDP)
		return;
	else if (to->transport == CF_RELAY_DTLS)
		cf_relay_dtls_send(to->conn, p, n);
	else
		cf_relay_conn_send(to->conn, p, n, in_place);
}

static int auth(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg)
{
	const struct cf_relay_server_config *config =
		&((struct cf_relay_server *)arg)->shared->config;

	return config->auth(username, realm, now_us, ret_credential, config->arg);
}

static int auth_hash(const uint8_t hash[static 32], struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg)
{
	const struct cf_relay_server_config *config =
		&((struct cf_relay_server *)arg)->shared->config;

	return config->auth_hash
		       ? config->auth_hash(hash, realm, now_us, ret_credential, config->arg)
		       : CF_ENOTFOUND;
}

static int admit(struct cf_view resource, struct cf_view user, void *arg)
{
	return cf_relay_shared_admit(((struct cf_relay_server *)arg)->shared, resource, user);
}

static void retire(struct cf_view resource, struct cf_view user, void *arg)
{
	cf_relay_shared_retire(((struct cf_relay_server *)arg)->shared, resource, user);
}

static uint64_t lease(const struct cf_relay_party *party, uint64_t held, uint64_t spent,
	bool wanted, struct cf_relay_low *ret_low, void *arg)
{
	return cf_relay_shared_lease(
		((struct cf_relay_server *)arg)->shared, party, held, spent, wanted, ret_low);
}

static void settle(void *arg)
{
	struct cf_relay_server *server = arg;

	cf_relay_settle(server->relay, cf_loop_now_us(server->loop));
}

static void hungry(void *arg)
{
	struct cf_relay_server *server = arg;

	cf_defer_set(&server->settle, server->loop, settle, server);
}

static void usage(const struct cf_relay_usage *bill, void *arg)
{
	const struct cf_relay_server_config *config =
		&((struct cf_relay_server *)arg)->shared->config;

	if (config->usage)
		config->usage(bill, config->arg);
}

const struct cf_relay_io cf_relay_server_io = {
	.send_client = send_client,
	.send_peer = cf_relay_port_send,
	.open = cf_relay_port_open,
	.close = cf_relay_port_close,
	.auth = auth,
	.auth_hash = auth_hash,
	.admit = admit,
	.retire = retire,
	.lease = lease,
	.hungry = hungry,
	.fetch = cf_relay_move_start,
	.usage = usage,
};

/* Time */

static void on_timer(struct cf_timer *timer, void *arg)
{
	struct cf_relay_server *server = arg;

	(void)timer;
	cf_relay_tick(server->relay, cf_loop_now_us(server->loop));
	cf_relay_server_arm(server);
}

/* New allocations are due later than those there are, so a timer that runs is right. */
void cf_relay_server_arm(struct cf_relay_server *server)
{
	uint64_t due_us;

	if (cf_timer_is_set(&server->timer))
		return;
	due_us = cf_relay_deadline(server->relay);
	if (due_us != CF_TIME_NEVER) /* without memory: the next packet arms it */
		(void)!cf_timer_set(&server->timer, server->loop, due_us, on_timer, server);
}

/* Listening */

static void on_stun(struct cf_relay_server *server, struct cf_udp *udp,
	const struct cf_udp_packet *packet, uint64_t now_us)
{
	struct cf_relay_tuple from = {
		.local = packet->local,
		.remote = packet->src,
		.conn = udp,
		.transport = CF_RELAY_UDP,
	};

	(void)cf_relay_client_input(server->relay, &from, packet->p, packet->len, now_us);
}

/* STUN, ChannelData and DTLS on one port, told apart by the first byte (RFC 7983). */
static void on_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct cf_relay_server *server = arg;
	uint64_t now_us = cf_loop_now_us(server->loop);

	for (size_t i = 0; i < n; i++) {
		if (!cf_dtls_is_record(packets[i].p, packets[i].len))
			on_stun(server, udp, &packets[i], now_us);
		else if (server->tls)
			cf_relay_dtls_input(server, udp, &packets[i]);
	}
	cf_relay_server_arm(server);
}

/* The port of TURN over TLS takes nothing in the clear. */
static void on_secure_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct cf_relay_server *server = arg;

	for (size_t i = 0; i < n; i++)
		if (cf_dtls_is_record(packets[i].p, packets[i].len))
			cf_relay_dtls_input(server, udp, &packets[i]);
	cf_relay_server_arm(server);
}

static void on_stream(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	(void)listener;
	(void)cls;
	(void)cf_relay_server_adopt(arg, stream);
}

/* The lock is held. The first worker claims the ports, the others join. */
static bool is_first(const struct cf_relay_server *server)
{
	return !server->shared->workers[0].server;
}

static int open_udp(struct cf_relay_server *server, struct cf_udp **ret_udp,
	const struct cf_addr *addr, bool plain)
{
	struct cf_udp_options options;

	cf_udp_options_defaults(&options);
	options.bind = *addr;
	options.reuse_port = true;
	options.claim_port = is_first(server);
	options.pktinfo = is_wildcard(addr); /* the answer leaves from where it was asked */
	options.recv_buffer = options.send_buffer = LISTEN_BUFFER;
	options.recv = plain ? on_datagrams : on_secure_datagrams;
	options.arg = server;
	return cf_udp_open(ret_udp, server->loop, &options);
}

static int open_stream(struct cf_relay_server *server, struct cf_listener **ret_listener,
	const struct cf_addr *addr, bool plain)
{
	struct cf_listener_options options;

	cf_listener_options_defaults(&options);
	options.bind = *addr;
	options.reuse_port = true;
	options.claim_port = is_first(server);
	options.accept = plain ? CF_LISTEN_TURN_TCP : 0;
	if (server->tls)
		options.accept |= CF_LISTEN_TURN_TLS;
	options.tls = server->tls;
	options.max_conns = server->shared->config.max_clients;
	options.fn = on_stream;
	options.arg = server;
	return cf_listener_open(ret_listener, server->loop, &options);
}

/* UDP and TCP on one port, also when the kernel chooses it. */
static int open_pair(struct cf_relay_server *server, struct cf_udp **ret_udp,
	struct cf_listener **ret_listener, struct cf_addr *addr, bool plain)
{
	int err = CF_EADDRINUSE;

	for (int tries = 0; tries < (addr->port ? 1 : CHOSEN_PORT_TRIES); tries++) {
		struct cf_addr chosen;

		err = open_udp(server, ret_udp, addr, plain);
		if (err < 0)
			return err;
		chosen = *cf_udp_local(*ret_udp);
		err = open_stream(server, ret_listener, &chosen, plain);
		if (err == 0) {
			*addr = chosen;
			return 0;
		}
		*ret_udp = cf_udp_free(*ret_udp);
	}
	return err;
}

static int open_all(struct cf_relay_server *server)
{
	struct cf_relay_shared *shared = server->shared;
	int err = 0;

	for (size_t i = 0; i < shared->config.n_listen && err == 0; i++)
		err = open_pair(server, &server->udp[i], &server->tcp[i], &shared->listen[i], true);
	for (size_t i = 0; i < shared->config.n_listen_tls && server->tls && err == 0; i++)
		err = open_pair(server, &server->udp_tls[i], &server->tls_listeners[i],
			&shared->listen_tls[i], false);
	return err;
}

/* NAT behaviour discovery: the next higher port beside each, where it is free. */
static void open_alternates(struct cf_relay_server *server)
{
	for (size_t i = 0; i < server->shared->config.n_listen; i++) {
		struct cf_addr addr = server->shared->listen[i];

		if (addr.port == UINT16_MAX ||
			(!is_first(server) && !server->shared->workers[0].server->alternate[i]))
			continue;
		addr.port++;
		(void)!open_udp(server, &server->alternate[i], &addr, true);
	}
}

/* Whether packets that come to this address and port come to a socket of ours. */
static bool reaches_us(
	const struct cf_relay_server *server, const struct cf_addr *ip, uint16_t port)
{
	struct cf_addr addr = *ip;

	addr.port = port;
	return socket_at(server, &addr) != NULL;
}

static void fill_discovery(struct cf_relay_server *server, uint8_t family, uint16_t port)
{
	const struct cf_relay_server_config *config = &server->shared->config;
	struct cf_relay_discovery *d = &server->core.discovery[family == CF_ADDR_IPV6];

	d->ports[0] = port;
	d->ports[1] = (uint16_t)(port + 1);
	for (size_t i = 0; i < config->n_relay && d->n < 2; i++) {
		const struct cf_relay_addr *at = &config->relay[i];

		if (at->bind.family != family || !reaches_us(server, &at->bind, d->ports[0]) ||
			!reaches_us(server, &at->bind, d->ports[1]))
			continue;
		d->local[d->n] = at->bind;
		d->advertised[d->n++] = at->advertised.family ? at->advertised : at->bind;
	}
}

static void collect_discovery(struct cf_relay_server *server)
{
	memset(server->core.discovery, 0, sizeof(server->core.discovery));
	for (size_t i = 0; i < server->shared->config.n_listen; i++) {
		const struct cf_addr *addr = &server->shared->listen[i];

		if (server->core.discovery[addr->family == CF_ADDR_IPV6].n == 0)
			fill_discovery(server, addr->family, addr->port);
	}
}

static void add_own(struct cf_relay_server *server, const struct cf_addr *ip, uint16_t port)
{
	struct cf_relay_config *core = &server->core;

	if (core->n_own == RELAY_OWN_MAX || ip->family == CF_ADDR_NONE)
		return;
	server->own[core->n_own] = *ip;
	server->own[core->n_own++].port = port;
}

/* Our ports on each address by which they may be reached. */
static void collect_own(struct cf_relay_server *server)
{
	const struct cf_relay_server_config *config = &server->shared->config;
	size_t n = config->n_listen + config->n_listen_tls;

	server->core = config->core;
	server->core.own = server->own;
	server->core.n_own = 0;
	for (size_t i = 0; i < config->core.n_own; i++)
		add_own(server, &config->core.own[i], config->core.own[i].port);
	for (size_t i = 0; i < n; i++) {
		const struct cf_addr *addr =
			i < config->n_listen ? &server->shared->listen[i]
					     : &server->shared->listen_tls[i - config->n_listen];

		add_own(server, addr, addr->port);
		if (i < config->n_listen && server->alternate[i])
			add_own(server, addr, cf_udp_local(server->alternate[i])->port);
		for (size_t j = 0; j < config->n_relay; j++) {
			add_own(server, &config->relay[j].bind, addr->port);
			add_own(server, &config->relay[j].advertised, addr->port);
		}
	}
}

/* The lock is held. */
static int enlist(struct cf_relay_server *server)
{
	struct cf_relay_shared *shared = server->shared;
	size_t i = 0;

	while (i < RELAY_WORKERS_MAX && shared->workers[i].server)
		i++;
	if (i == RELAY_WORKERS_MAX)
		return CF_ELIMIT;
	server->core.worker = (uint8_t)i;
	shared->workers[i] = (struct relay_worker){server, server->loop};
	return 0;
}

int cf_relay_server_new(struct cf_relay_server **ret_server, struct cf_loop *loop,
	struct cf_relay_shared *shared, struct cf_tls *tls)
{
	struct cf_relay_server *server = cf_alloc(sizeof(*server));
	int err;

	if (!server)
		return CF_ENOMEM;
	server->loop = loop;
	server->shared = shared;
	server->tls = tls ? cf_tls_ref(tls) : NULL;
	server->min_port = server->inner_min = shared->config.min_port;
	server->max_port = server->inner_max = shared->config.max_port;
	for (size_t i = 0; i < shared->config.n_relay; i++)
		server->behind_nat |= shared->config.relay[i].advertised.family != CF_ADDR_NONE &&
				      !cf_addr_ip_eq(&shared->config.relay[i].advertised,
					      &shared->config.relay[i].bind);
	cf_list_init(&server->conns);
	cf_map_init(&server->dtls.sessions);
	server->dtls.seed = (uint32_t)cf_rand_u64();
	cf_rand_bytes(server->dtls.cookie_key, sizeof(server->dtls.cookie_key));
	/* Ports that the first worker chooses are those of all: one after the other. */
	pthread_mutex_lock(&shared->lock);
	err = open_all(server);
	if (err == 0) {
		open_alternates(server);
		collect_own(server);
		collect_discovery(server);
		err = enlist(server);
	}
	pthread_mutex_unlock(&shared->lock);
	if (err == 0) {
		server->relay = cf_relay_new(&server->core, &cf_relay_server_io, server);
		err = server->relay ? 0 : CF_ENOMEM;
	}
	if (err < 0) {
		cf_relay_server_free(server);
		return err;
	}
	cf_loop_set_tick(loop, TICK_US);
	*ret_server = server;
	return 0;
}

struct cf_relay_server *cf_relay_server_free(struct cf_relay_server *server)
{
	if (!server)
		return NULL;
	cf_relay_dtls_end_all(server);
	while (!cf_list_empty(&server->conns))
		cf_relay_conn_free(CF_CONTAINER_OF(server->conns.next, struct relay_conn, link));
	if (server->relay)
		cf_relay_moves_end(server);
	server->relay = cf_relay_free(server->relay, cf_loop_now_us(server->loop));
	cf_timer_stop(&server->timer);
	cf_defer_cancel(&server->settle);
	for (size_t i = 0; i < CF_RELAY_MAX_LISTEN; i++) {
		cf_udp_free(server->udp[i]);
		cf_udp_free(server->alternate[i]);
		cf_udp_free(server->udp_tls[i]);
		cf_listener_free(server->tcp[i]);
		cf_listener_free(server->tls_listeners[i]);
	}
	cf_tls_unref(server->tls);
	cf_free(server->allow);
	return cf_free(server);
}

void cf_relay_server_drain(struct cf_relay_server *server)
{
	cf_relay_set_draining(server->relay, true);
}

int cf_relay_server_reload(struct cf_relay_server *server, const struct cf_relay_live *live)
{
	size_t n = live->n_allow_peers;
	struct cf_cidr *allow = cf_memdup(live->allow_peers, n * sizeof(*allow));

	if (!allow)
		return CF_ENOMEM;
	server->core.enabled = live->enabled;
	server->core.max_bps = live->max_bps;
	server->core.unauth_per_s = live->unauth_per_s;
	server->core.anonymity = live->anonymity;
	server->core.allow_peers = allow;
	server->core.n_allow_peers = n;
	cf_relay_configure(server->relay, &server->core);
	cf_free(server->allow);
	server->allow = allow;
	server->min_port = live->min_port;
	if (live->min_port < server->inner_min)
		server->inner_min = live->min_port;
	if (live->max_port > server->inner_max)
		server->inner_max = live->max_port;
	server->max_port = live->max_port;
	cf_relay_shared_set_quotas(server->shared, live->quota_per_user, live->quota_per_resource);
	cf_relay_server_relet(server, cf_view_str(""));
	return 0;
}

void cf_relay_server_relet(struct cf_relay_server *server, struct cf_view user)
{
	cf_relay_relet(server->relay, user, cf_loop_now_us(server->loop));
}

size_t cf_relay_server_n_allocations(const struct cf_relay_server *server)
{
	return cf_relay_n_allocations(server->relay);
}

void cf_relay_server_stats(const struct cf_relay_server *server, struct cf_relay_stats *ret_stats)
{
	cf_relay_stats(server->relay, ret_stats);
}

size_t cf_relay_server_end(struct cf_relay_server *server, struct cf_view call, struct cf_view user)
{
	return cf_relay_end(server->relay, call, user, cf_loop_now_us(server->loop));
}
