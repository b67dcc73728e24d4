/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's sockets on loopback, with our own TURN client over UDP, TCP and TLS. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/devca.h"
#include "relay/io/io_priv.h"
#include "stun/msg.h"
#include "turn/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const alpn[] = {"stun.turn", NULL};

#define PATIENCE_US (10 * CF_US_PER_S)

struct world {
	struct cf_loop *loop;
	struct cf_relay_shared *shared;
	struct cf_relay_server *servers[2];
	struct cf_cidr allow;
	struct cf_relay_server_config config;
	struct cf_tls *tls, *client_tls;
	int n_bills, n_ended;
	struct cf_relay_counters last;
	enum cf_relay_transport last_transport;
};

/* A TURN client with its socket or stream. */
struct user {
	struct world *world;
	struct cf_turn_client *turn;
	struct cf_udp *udp;
	struct cf_stream *stream;
	struct cf_addr server;
	struct cf_turn_event events[8];
	size_t n_events;
	char got[2048];
	size_t got_len;
	int n_got;
	struct cf_addr got_from;
	bool closed;
};

static int auth(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret, void *arg)
{
	(void)now_us;
	(void)arg;
	if (!cf_view_is(realm, "callflow") || !cf_view_is(username, "user"))
		return CF_EINVAL;
	memcpy(ret->password, "pass", 5);
	ret->resource = cf_view_str("res");
	ret->user = cf_view_str("user");
	ret->call = cf_view_str("call");
	ret->expires_us = CF_TIME_NEVER;
	return 0;
}

static void usage(const struct cf_relay_usage *bill, void *arg)
{
	struct world *w = arg;

	w->n_bills++;
	w->n_ended += bill->ended;
	w->last = bill->counters;
	w->last_transport = bill->transport;
}

static struct cf_addr addr(const char *text)
{
	struct cf_addr a;

	assert_int_equal(cf_addr_parse(&a, text, 0), 0);
	return a;
}

static char ca_dir[64];
static struct cf_devca ca;

static int make_ca(void **state)
{
	char error[256];

	(void)state;
	snprintf(ca_dir, sizeof(ca_dir), "/tmp/cf-test-XXXXXX");
	return mkdtemp(ca_dir) ? cf_devca_ensure(&ca, ca_dir, NULL, 0, error) : -1;
}

static int drop_ca(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", ca_dir, files[i]);
		unlink(path);
	}
	return rmdir(ca_dir);
}

static void make_tls(struct world *w)
{
	char error[256];

	w->tls = cf_tls_server_new(alpn);
	assert_non_null(w->tls);
	assert_int_equal(cf_tls_server_load(w->tls, ca.cert_file, ca.key_file, error), 0);
	w->client_tls = cf_tls_client_new(ca.ca_file, error);
	assert_non_null(w->client_tls);
}

static void config_world(struct world *w)
{
	*w = (struct world){0};
	w->config = cf_relay_server_config_defaults();
	assert_int_equal(cf_cidr_parse(&w->allow, "127.0.0.0/8"), 0);
	w->config.core.allow_peers = &w->allow;
	w->config.core.n_allow_peers = 1;
	w->config.listen[0] = addr("127.0.0.1:0");
	w->config.n_listen = 1;
	w->config.listen_tls[0] = addr("127.0.0.1:0");
	w->config.n_listen_tls = 1;
	w->config.relay[0].bind = addr("127.0.0.1:0");
	w->config.n_relay = 1;
	w->config.auth = auth;
	w->config.usage = usage;
	w->config.arg = w;
}

static void start_world(struct world *w, int n_servers)
{
	w->loop = cf_loop_new();
	assert_non_null(w->loop);
	make_tls(w);
	w->shared = cf_relay_shared_new(&w->config);
	assert_non_null(w->shared);
	for (int i = 0; i < n_servers; i++)
		assert_int_equal(
			cf_relay_server_new(&w->servers[i], w->loop, w->shared, w->tls), 0);
}

static void stop_world(struct world *w)
{
	for (int i = 0; i < 2; i++)
		w->servers[i] = cf_relay_server_free(w->servers[i]);
	cf_loop_run_once(w->loop, 0);
	cf_relay_shared_free(w->shared);
	cf_tls_unref(w->tls);
	cf_tls_unref(w->client_tls);
	cf_loop_free(w->loop);
}

static void transmit(struct user *u, const void *p, size_t n)
{
	if (u->udp)
		cf_udp_send(u->udp, &u->server, p, n);
	else
		assert_int_equal(cf_stream_write(u->stream, p, n), 0);
}

static void pump(struct user *u)
{
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	struct cf_turn_event event;
	int n;

	while ((n = cf_turn_client_output(u->turn, buf, sizeof(buf), cf_clock_us())) > 0)
		transmit(u, buf, (size_t)n);
	while (cf_turn_client_event(u->turn, &event)) {
		assert_true(u->n_events < CF_ARRAY_LEN(u->events));
		u->events[u->n_events++] = event;
	}
}

static void take(struct user *u, const uint8_t *p, size_t n)
{
	struct cf_turn_data data;

	if (cf_turn_client_input(u->turn, p, n, cf_clock_us(), &data) == CF_TURN_INPUT_DATA) {
		assert_true(data.data.len < sizeof(u->got));
		memcpy(u->got, data.data.p, data.data.len);
		u->got[data.data.len] = 0;
		u->got_len = data.data.len;
		u->got_from = data.peer;
		u->n_got++;
	}
	pump(u);
}

static void on_udp(struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	(void)udp;
	for (size_t i = 0; i < n; i++)
		take(arg, packets[i].p, packets[i].len);
}

static void on_open(struct cf_stream *stream, void *arg)
{
	(void)stream;
	pump(arg);
}

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	size_t used = 0;
	int len;

	(void)stream;
	while ((len = cf_turn_frame_len(p + used, n - used)) > 0 && (size_t)len <= n - used) {
		take(arg, p + used, (size_t)len);
		used += (size_t)len;
	}
	assert_true(len >= 0);
	return used;
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	(void)stream;
	(void)err;
	((struct user *)arg)->closed = true;
}

static const struct cf_stream_ops user_ops = {on_open, on_data, NULL, on_close};

static void start_user(struct user *u, struct world *w, enum cf_relay_transport transport)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct cf_stream_options stream_options;
	struct cf_udp_options udp_options;

	*u = (struct user){.world = w};
	options.username = "user";
	options.password = "pass";
	options.is_stream = transport != CF_RELAY_UDP;
	options.mobile = true;
	assert_int_equal(cf_turn_client_new(&u->turn, &options), 0);
	if (transport == CF_RELAY_TLS)
		assert_true(cf_relay_shared_listen_tls(w->shared, 0, &u->server));
	else
		assert_true(cf_relay_shared_listen(w->shared, 0, &u->server));
	assert_int_equal(cf_turn_client_start(u->turn, cf_clock_us()), 0);
	if (transport == CF_RELAY_UDP) {
		cf_udp_options_defaults(&udp_options);
		udp_options.bind = addr("127.0.0.1:0");
		udp_options.recv = on_udp;
		udp_options.arg = u;
		assert_int_equal(cf_udp_open(&u->udp, w->loop, &udp_options), 0);
		pump(u);
		return;
	}
	cf_stream_options_defaults(&stream_options);
	if (transport == CF_RELAY_TLS) {
		stream_options.tls = w->client_tls;
		stream_options.server_name = "localhost";
		stream_options.alpn = alpn;
	}
	assert_int_equal(
		cf_stream_connect(&u->stream, w->loop, &u->server, &stream_options, &user_ops, u),
		0);
}

static void stop_user(struct user *u)
{
	cf_udp_free(u->udp);
	cf_stream_free(u->stream);
	cf_turn_client_free(u->turn);
}

static bool has_event(const struct user *u, enum cf_turn_event_type type)
{
	for (size_t i = 0; i < u->n_events; i++)
		if (u->events[i].type == type)
			return true;
	return false;
}

#define WAIT_FOR(w, condition)                                   \
	do {                                                     \
		uint64_t wait_end = cf_clock_us() + PATIENCE_US; \
		while (!(condition)) {                           \
			assert_true(cf_clock_us() < wait_end);   \
			cf_loop_run_once((w)->loop, 10);         \
		}                                                \
	} while (0)

static void allocate(struct user *u, struct world *w, enum cf_relay_transport transport)
{
	start_user(u, w, transport);
	WAIT_FOR(w, has_event(u, CF_TURN_EVENT_ALLOCATED));
}

static void say(struct user *u, const struct cf_addr *to, const char *text)
{
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	int n = cf_turn_client_send(
		u->turn, to, text, strlen(text), buf, sizeof(buf), cf_clock_us());

	assert_true(n >= 0);
	pump(u);
	if (n > 0)
		transmit(u, buf, (size_t)n);
}

/* Two clients meet through the relay, each with its own allocation; then over channels. */
static void meet(struct world *w, enum cf_relay_transport ta, enum cf_relay_transport tb)
{
	struct cf_addr ra, rb;
	struct user a, b;

	allocate(&a, w, ta);
	allocate(&b, w, tb);
	ra = cf_turn_client_relayed(a.turn);
	rb = cf_turn_client_relayed(b.turn);
	assert_int_equal(cf_turn_client_permit(b.turn, &ra, cf_clock_us()), 0);
	pump(&b);
	WAIT_FOR(w, has_event(&b, CF_TURN_EVENT_PERMITTED));
	say(&a, &rb, "hello");
	WAIT_FOR(w, b.n_got == 1);
	assert_string_equal(b.got, "hello");
	assert_true(cf_addr_eq(&b.got_from, &ra));
	assert_int_equal(cf_turn_client_bind(a.turn, &rb, cf_clock_us()), 0);
	assert_int_equal(cf_turn_client_bind(b.turn, &ra, cf_clock_us()), 0);
	pump(&a);
	pump(&b);
	WAIT_FOR(w, has_event(&a, CF_TURN_EVENT_CHANNEL_BOUND) &&
			    has_event(&b, CF_TURN_EVENT_CHANNEL_BOUND));
	for (int i = 0; i < 50; i++) { /* every padding; more than a batch */
		char text[64];

		snprintf(text, sizeof(text), "%.*s%d", i,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", i);
		say(&b, &ra, text);
		WAIT_FOR(w, a.n_got == i + 1);
		assert_string_equal(a.got, text);
	}
	assert_true(cf_addr_eq(&a.got_from, &rb));
	cf_turn_client_release(a.turn, cf_clock_us());
	pump(&a);
	WAIT_FOR(w, has_event(&a, CF_TURN_EVENT_RELEASED));
	assert_int_equal(w->last_transport, ta);
	assert_int_equal(w->last.peer_in_packets, 50);
	assert_int_equal(w->last.peer_out_packets, 1);
	stop_user(&a);
	stop_user(&b);
}

static void transports(void **state)
{
	static const enum cf_relay_transport all[] = {CF_RELAY_UDP, CF_RELAY_TCP, CF_RELAY_TLS};
	struct world w;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++)
			meet(&w, all[i], all[j]);
	/* TCP and TLS clients that went without a word are gone, those over UDP time out. */
	WAIT_FOR(&w, cf_relay_server_n_allocations(w.servers[0]) == 3);
	stop_world(&w);
	assert_int_equal(w.n_ended, 18);
}

/* TLS on the plain port as well: the first byte tells. */
static void tls_on_plain_port(void **state)
{
	struct cf_addr plain;
	struct world w;
	struct user u;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	assert_true(cf_relay_shared_listen(w.shared, 0, &plain));
	w.shared->listen_tls[0] = plain; /* where the client will go */
	allocate(&u, &w, CF_RELAY_TLS);
	stop_user(&u);
	stop_world(&w);
}

/* Two workers share port and quota; each answers what reaches it. */
static void two_workers(void **state)
{
	struct user users[12];
	struct world w;

	(void)state;
	config_world(&w);
	w.config.quota_per_user = 10;
	start_world(&w, 2);
	for (int i = 0; i < 10; i++)
		allocate(&users[i], &w, i % 2 ? CF_RELAY_TCP : CF_RELAY_UDP);
	assert_int_equal(cf_relay_server_n_allocations(w.servers[0]) +
				 cf_relay_server_n_allocations(w.servers[1]),
		10);
	start_user(&users[10], &w, CF_RELAY_UDP);
	WAIT_FOR(&w, has_event(&users[10], CF_TURN_EVENT_FAILED));
	assert_int_equal(users[10].events[0].code, 486);
	cf_turn_client_release(users[0].turn, cf_clock_us());
	pump(&users[0]);
	WAIT_FOR(&w, has_event(&users[0], CF_TURN_EVENT_RELEASED));
	allocate(&users[11], &w, CF_RELAY_UDP);
	for (int i = 0; i < 12; i++)
		stop_user(&users[i]);
	stop_world(&w);
}

static bool has_moved(struct user *u)
{
	pump(u);
	return has_event(u, CF_TURN_EVENT_MOVED);
}

/* The client gets another socket. */
static void move_user(struct user *u, struct world *w)
{
	struct cf_udp_options options;

	u->udp = cf_udp_free(u->udp);
	cf_udp_options_defaults(&options);
	options.bind = addr("127.0.0.1:0");
	options.recv = on_udp;
	options.arg = u;
	assert_int_equal(cf_udp_open(&u->udp, w->loop, &options), 0);
	u->n_events = 0;
	assert_int_equal(cf_turn_client_move(u->turn, false, cf_clock_us()), 0);
	WAIT_FOR(w, has_moved(u));
}

/* RFC 8016, over both workers: relayed address and permission go along. */
static void moves_between_workers(void **state)
{
	struct cf_addr ra, rb;
	struct user a, b;
	struct world w;
	int stays = 0, goes = 0;

	(void)state;
	config_world(&w);
	start_world(&w, 2);
	allocate(&a, &w, CF_RELAY_UDP);
	allocate(&b, &w, CF_RELAY_UDP);
	ra = cf_turn_client_relayed(a.turn);
	rb = cf_turn_client_relayed(b.turn);
	say(&a, &rb, "lets you in");
	say(&b, &ra, "lets you in");
	WAIT_FOR(&w, has_event(&a, CF_TURN_EVENT_PERMITTED));
	WAIT_FOR(&w, has_event(&b, CF_TURN_EVENT_PERMITTED));
	for (int i = 0; i < 64 && (stays == 0 || goes == 0); i++) {
		size_t before = cf_relay_server_n_allocations(w.servers[0]);
		int n;

		move_user(&a, &w);
		if (cf_relay_server_n_allocations(w.servers[0]) == before)
			stays++;
		else
			goes++;
		n = a.n_got;
		say(&b, &ra, "found");
		WAIT_FOR(&w, a.n_got > n);
		n = b.n_got;
		say(&a, &rb, "here");
		WAIT_FOR(&w, b.n_got > n);
	}
	assert_true(stays > 0 && goes > 0);
	assert_int_equal(w.n_ended, 0);
	stop_user(&a);
	stop_user(&b);
	stop_world(&w);
	assert_int_equal(w.n_ended, 2);
}

/* The workers end at any moment of a move: one bill, and nothing is left behind. */
static void ends_while_moving(void **state)
{
	(void)state;
	for (int i = 0; i < 24; i++) {
		struct cf_udp_options options;
		struct user a;
		struct world w;

		config_world(&w);
		start_world(&w, 2);
		allocate(&a, &w, CF_RELAY_UDP);
		a.udp = cf_udp_free(a.udp);
		cf_udp_options_defaults(&options);
		options.bind = addr("127.0.0.1:0");
		options.recv = on_udp;
		options.arg = &a;
		assert_int_equal(cf_udp_open(&a.udp, w.loop, &options), 0);
		assert_int_equal(cf_turn_client_move(a.turn, false, cf_clock_us()), 0);
		pump(&a);
		for (int j = 0; j < i % 8; j++)
			cf_loop_run_once(w.loop, 1);
		w.servers[i % 2] = cf_relay_server_free(w.servers[i % 2]);
		for (int j = 0; j < i % 3; j++)
			cf_loop_run_once(w.loop, 0);
		stop_user(&a);
		stop_world(&w);
		assert_int_equal(w.n_ended, 1);
	}
}

static void drain_and_disable(void **state)
{
	const struct cf_relay_live live = {.min_port = 50000, .max_port = 50010};
	struct user a, b, c;
	struct world w;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	allocate(&a, &w, CF_RELAY_UDP);
	cf_relay_server_drain(w.servers[0]);
	start_user(&b, &w, CF_RELAY_TCP);
	WAIT_FOR(&w, has_event(&b, CF_TURN_EVENT_FAILED));
	assert_int_equal(b.events[0].code, 508);
	assert_int_equal(cf_relay_server_reload(w.servers[0], &live), 0);
	start_user(&c, &w, CF_RELAY_UDP);
	WAIT_FOR(&w, has_event(&c, CF_TURN_EVENT_FAILED));
	assert_int_equal(c.events[0].code, 403);
	assert_string_equal(c.events[0].reason, "relay disabled");
	assert_int_equal(cf_relay_server_n_allocations(w.servers[0]), 1);
	assert_int_equal(
		cf_relay_server_end(w.servers[0], cf_view_str("call"), cf_view_str("")), 1);
	stop_user(&a);
	stop_user(&b);
	stop_user(&c);
	stop_world(&w);
}

/* Peers without permission, our own ports, and the default deny. */
static void refused_peers(void **state)
{
	struct cf_addr peer;
	struct world w;
	struct user u;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	allocate(&u, &w, CF_RELAY_UDP);
	peer = addr("10.0.0.1:9");
	assert_int_equal(cf_turn_client_permit(u.turn, &peer, cf_clock_us()), 0);
	pump(&u);
	WAIT_FOR(&w, has_event(&u, CF_TURN_EVENT_PEER_REFUSED));
	assert_true(cf_relay_shared_listen(w.shared, 0, &peer));
	assert_int_equal(cf_turn_client_bind(u.turn, &peer, cf_clock_us()), 0);
	pump(&u);
	WAIT_FOR(&w, has_event(&u, CF_TURN_EVENT_CHANNEL_REFUSED));
	stop_user(&u);
	stop_world(&w);
}

static void even_ports(void **state)
{
	struct cf_relay_open request = {.family = CF_ADDR_IPV4, .even_port = true};
	struct cf_relay_opened one, two, three;
	struct world w;

	(void)state;
	config_world(&w);
	start_world(&w, 2);
	for (int i = 0; i < 8; i++) {
		request.reserve_next = true;
		request.has_token = false;
		assert_int_equal(cf_relay_port_open(&request, &one, w.servers[0]), 0);
		assert_int_equal(one.relayed.port % 2, 0);
		assert_true(one.relayed.port >= 49152);
		request.has_token = true; /* on another worker than the one that reserved it */
		request.token = one.token;
		assert_int_equal(cf_relay_port_open(&request, &two, w.servers[1]), 0);
		assert_int_equal(two.relayed.port, one.relayed.port + 1);
		assert_int_equal(cf_relay_port_open(&request, &three, w.servers[1]), CF_ENOTFOUND);
		cf_relay_port_close(one.socket, NULL);
		cf_relay_port_close(two.socket, NULL);
	}
	request = (struct cf_relay_open){.family = CF_ADDR_IPV6};
	assert_int_equal(cf_relay_port_open(&request, &one, w.servers[0]), CF_ENOTSUP);
	stop_world(&w);
}

/* A range of one port: the second allocation finds none. */
static void ports_run_out(void **state)
{
	struct cf_relay_open request = {.family = CF_ADDR_IPV4};
	struct cf_relay_opened one, two;
	struct world w;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	assert_int_equal(cf_relay_port_open(&request, &one, w.servers[0]), 0);
	w.servers[0]->min_port = w.servers[0]->max_port = one.relayed.port;
	assert_int_equal(cf_relay_port_open(&request, &two, w.servers[0]), CF_EADDRINUSE);
	cf_relay_port_close(one.socket, NULL);
	assert_int_equal(cf_relay_port_open(&request, &one, w.servers[0]), 0);
	cf_relay_port_close(one.socket, NULL);
	stop_world(&w);
}

static void advertised(void **state)
{
	struct world w;
	struct user u;

	(void)state;
	config_world(&w);
	w.config.relay[0].advertised = addr("198.51.100.99:0");
	start_world(&w, 1);
	allocate(&u, &w, CF_RELAY_UDP);
	assert_true(cf_addr_ip_eq(&u.events[0].relayed, &w.config.relay[0].advertised));
	stop_user(&u);
	stop_world(&w);
}

/* A listener on all addresses answers from the one that was asked. */
static void wildcard(void **state)
{
	struct world w;
	struct user u;
	struct cf_addr bound;

	(void)state;
	config_world(&w);
	w.config.listen[0] = addr("0.0.0.0:0");
	start_world(&w, 1);
	assert_true(cf_relay_shared_listen(w.shared, 0, &bound));
	w.shared->listen[0] = addr("127.0.0.77:0");
	w.shared->listen[0].port = bound.port;
	allocate(&u, &w, CF_RELAY_UDP);
	assert_true(cf_addr_ip_eq(cf_udp_local(u.udp), &u.events[0].mapped));
	stop_user(&u);
	stop_world(&w);
}

/* What is no TURN ends at once; above the limit of clients too. */
static void strangers_on_tcp(void **state)
{
	struct world w;
	struct user u, v;

	(void)state;
	config_world(&w);
	w.config.max_clients = 1;
	start_world(&w, 1);
	start_user(&u, &w, CF_RELAY_TCP);
	WAIT_FOR(&w, has_event(&u, CF_TURN_EVENT_ALLOCATED));
	assert_int_equal(w.servers[0]->n_conns, 1);
	start_user(&v, &w, CF_RELAY_TCP);
	WAIT_FOR(&w, v.closed);
	assert_false(has_event(&v, CF_TURN_EVENT_ALLOCATED));
	transmit(&u, "GET / HTTP/1.1\r\n\r\n", 18);
	WAIT_FOR(&w, u.closed);
	assert_int_equal(w.servers[0]->n_conns, 0);
	assert_int_equal(cf_relay_server_n_allocations(w.servers[0]), 0);
	stop_user(&u);
	stop_user(&v);
	stop_world(&w);
}

/* A client that does not read: media is dropped, the server's memory stays bounded. */
static void slow_stream(void **state)
{
	struct cf_addr relayed;
	struct world w;
	struct user slow, fast;
	struct relay_conn *conn;
	char text[1001];
	size_t most = 0;

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = 0;
	config_world(&w);
	start_world(&w, 1);
	allocate(&slow, &w, CF_RELAY_TCP);
	allocate(&fast, &w, CF_RELAY_UDP);
	relayed = cf_turn_client_relayed(fast.turn);
	assert_int_equal(cf_turn_client_permit(slow.turn, &relayed, cf_clock_us()), 0);
	pump(&slow);
	WAIT_FOR(&w, has_event(&slow, CF_TURN_EVENT_PERMITTED));
	relayed = cf_turn_client_relayed(slow.turn);
	conn = CF_CONTAINER_OF(w.servers[0]->conns.next, struct relay_conn, link);
	cf_stream_pause(slow.stream);
	for (int i = 0; i < 20000; i++) {
		say(&fast, &relayed, text);
		if (i % 16 == 15)
			cf_loop_run_once(w.loop, 0);
		if (cf_stream_unsent(conn->stream) > most)
			most = cf_stream_unsent(conn->stream);
	}
	assert_true(most > RELAY_UNSENT_MEDIA); /* it did get full */
	assert_true(most < RELAY_UNSENT_MEDIA + 4096);
	assert_int_equal(w.servers[0]->n_conns, 1);
	stop_user(&slow);
	stop_user(&fast);
	stop_world(&w);
}

static int oom_body(void *arg)
{
	struct world *w = arg;
	struct cf_relay_shared *shared = cf_relay_shared_new(&w->config);
	struct cf_relay_server *server;
	int err;

	if (!shared)
		return CF_ENOMEM;
	err = cf_relay_server_new(&server, w->loop, shared, w->tls);
	if (err == 0)
		cf_relay_server_free(server);
	cf_relay_shared_free(shared);
	return err;
}

static void out_of_memory(void **state)
{
	struct world w;

	(void)state;
	config_world(&w);
	start_world(&w, 1);
	cf_test_oom(oom_body, &w, 1);
	stop_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transports),
		cmocka_unit_test(tls_on_plain_port),
		cmocka_unit_test(two_workers),
		cmocka_unit_test(moves_between_workers),
		cmocka_unit_test(ends_while_moving),
		cmocka_unit_test(drain_and_disable),
		cmocka_unit_test(refused_peers),
		cmocka_unit_test(even_ports),
		cmocka_unit_test(ports_run_out),
		cmocka_unit_test(advertised),
		cmocka_unit_test(wildcard),
		cmocka_unit_test(strangers_on_tcp),
		cmocka_unit_test(slow_stream),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
