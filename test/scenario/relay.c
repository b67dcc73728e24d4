/* SPDX-License-Identifier: Apache-2.0 */
/* TURN clients against the relay core over a network in memory, with loss and delay, in virtual
 * time: an hour passes in a moment. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "relay/relay.h"
#include "turn/client.h"

#include <stdio.h>

#define MAX_CLIENTS 4
#define MAX_PORTS 64
#define MAX_FLIGHT 512
#define PACKET_MAX 1500

enum dest { TO_RELAY, TO_CLIENT, TO_PORT };

struct packet {
	uint64_t due_us; /* 0: free */
	uint64_t order;
	enum dest dest;
	int index; /* of the client (for TO_RELAY: its sender) or the port */
	struct cf_addr src;
	size_t n;
	uint8_t p[PACKET_MAX];
};

struct port {
	struct cf_relay_alloc *owner;
	struct cf_addr addr;
	bool open;
};

struct client {
	struct cf_turn_client *turn; /* NULL: gone */
	struct cf_addr addr;
	struct cf_turn_event last[8]; /* by type */
	int seen[8];
	int n_echoes;
	uint64_t echo_us;
};

struct net {
	uint64_t now;
	uint64_t delay_us;
	unsigned loss; /* per cent */
	uint32_t random;
	uint64_t order;
	struct cf_relay_config config;
	struct cf_relay *relay;
	struct client clients[MAX_CLIENTS];
	struct port ports[MAX_PORTS];
	int n_open;
	unsigned quota, admitted;
	struct cf_addr peer; /* an echo; answers what comes from a relayed address */
	struct packet flight[MAX_FLIGHT];
	int n_bills;
	uint64_t billed_bytes;
	uint64_t relay_looks;
};

static struct cf_addr addr(const char *text)
{
	struct cf_addr a;

	assert_int_equal(cf_addr_parse(&a, text, 0), 0);
	return a;
}

/* The same losses in every run. */
static bool lost(struct net *net)
{
	net->random = net->random * 1664525 + 1013904223;
	return (net->random >> 8) % 100 < net->loss;
}

static void put(struct net *net, enum dest dest, int index, const struct cf_addr *src,
	const uint8_t *p, size_t n)
{
	assert_true(n <= PACKET_MAX);
	if (lost(net))
		return;
	for (size_t i = 0; i < MAX_FLIGHT; i++) {
		struct packet *k = &net->flight[i];

		if (k->due_us)
			continue;
		k->due_us = net->now + net->delay_us;
		k->order = ++net->order;
		k->dest = dest;
		k->index = index;
		k->src = *src;
		k->n = n;
		memcpy(k->p, p, n);
		return;
	}
	fail_msg("too many packets in flight");
}

static void send_client(
	const struct cf_relay_tuple *to, const uint8_t *p, size_t n, bool in_place, void *arg)
{
	struct net *net = arg;

	(void)in_place;
	for (int i = 0; i < MAX_CLIENTS; i++)
		if (cf_addr_eq(&net->clients[i].addr, &to->remote))
			put(net, TO_CLIENT, i, &to->local, p, n);
}

static void send_peer(void *socket, const struct cf_addr *peer, const uint8_t *p, size_t n,
	bool dont_fragment, void *arg)
{
	struct port *from = socket;
	struct net *net = arg;

	(void)dont_fragment;
	assert_true(from->open);
	if (cf_addr_eq(peer, &net->peer)) { /* there and back at once */
		put(net, TO_PORT, (int)(from - net->ports), peer, p, n);
		return;
	}
	for (int i = 0; i < MAX_PORTS; i++)
		if (net->ports[i].open && cf_addr_eq(&net->ports[i].addr, peer))
			put(net, TO_PORT, i, &from->addr, p, n);
}

static int open_port(const struct cf_relay_open *request, struct cf_relay_opened *ret, void *arg)
{
	struct net *net = arg;

	for (int i = 0; i < MAX_PORTS; i++) {
		struct port *port = &net->ports[i];

		if (port->open)
			continue;
		port->open = true;
		port->owner = request->owner;
		port->addr = addr("9.9.9.1:0");
		port->addr.port = (uint16_t)(50000 + i);
		ret->socket = port;
		ret->relayed = port->addr;
		net->n_open++;
		return 0;
	}
	return CF_EADDRINUSE;
}

static void close_port(void *socket, void *arg)
{
	((struct port *)socket)->open = false;
	((struct net *)arg)->n_open--;
}

static int auth(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret, void *arg)
{
	(void)username;
	(void)realm;
	(void)now_us;
	(void)arg;
	memcpy(ret->password, "pass", 5);
	ret->user = cf_view_str("user");
	ret->expires_us = CF_TIME_NEVER;
	return 0;
}

static int admit(struct cf_view resource, struct cf_view user, void *arg)
{
	struct net *net = arg;

	(void)resource;
	(void)user;
	if (net->quota && net->admitted >= net->quota)
		return CF_ELIMIT;
	net->admitted++;
	return 0;
}

static void retire(struct cf_view resource, struct cf_view user, void *arg)
{
	(void)resource;
	(void)user;
	((struct net *)arg)->admitted--;
}

static void usage(const struct cf_relay_usage *bill, void *arg)
{
	struct net *net = arg;

	net->n_bills++;
	net->billed_bytes = bill->counters.peer_out_bytes;
}

static struct net *net_new(void)
{
	static const struct cf_relay_io io = {
		.send_client = send_client,
		.send_peer = send_peer,
		.open = open_port,
		.close = close_port,
		.auth = auth,
		.admit = admit,
		.retire = retire,
		.usage = usage,
	};
	struct net *net = cf_alloc(sizeof(*net));

	assert_non_null(net);
	net->now = 1000000;
	net->delay_us = 20000;
	net->random = 7;
	net->peer = addr("8.8.8.8:4444");
	net->config = cf_relay_config_defaults();
	net->relay = cf_relay_new(&net->config, &io, net);
	assert_non_null(net->relay);
	return net;
}

static void net_free(struct net *net)
{
	for (int i = 0; i < MAX_CLIENTS; i++)
		cf_turn_client_free(net->clients[i].turn);
	cf_relay_free(net->relay, net->now);
	assert_int_equal(net->n_open, 0);
	assert_int_equal(net->admitted, 0);
	cf_free(net);
}

static void pump(struct net *net, int i)
{
	struct client *c = &net->clients[i];
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	struct cf_turn_event event;
	int n;

	while (c->turn && (n = cf_turn_client_output(c->turn, buf, sizeof(buf), net->now)) > 0)
		put(net, TO_RELAY, i, &c->addr, buf, (size_t)n);
	while (c->turn && cf_turn_client_event(c->turn, &event)) {
		c->last[event.type] = event;
		c->seen[event.type]++;
	}
}

static void start(struct net *net, int i, const struct cf_addr *early_peer)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct client *c = &net->clients[i];

	*c = (struct client){.addr = addr("7.7.7.1:1000")};
	c->addr.port = (uint16_t)(1000 + i);
	options.username = "user";
	options.password = "pass";
	assert_int_equal(cf_turn_client_new(&c->turn, &options), 0);
	if (early_peer)
		assert_int_equal(cf_turn_client_permit(c->turn, early_peer, net->now), 0);
	assert_int_equal(cf_turn_client_start(c->turn, net->now), 0);
	pump(net, i);
}

static void to_relay(struct net *net, const struct packet *k)
{
	struct cf_relay_tuple from = {
		.local = addr("9.9.9.1:3478"), .remote = k->src, .transport = CF_RELAY_UDP};

	cf_relay_client_input(net->relay, &from, k->p, k->n, net->now);
}

static void to_client(struct net *net, const struct packet *k)
{
	struct client *c = &net->clients[k->index];
	struct cf_turn_data data;

	if (!c->turn)
		return;
	if (cf_turn_client_input(c->turn, k->p, k->n, net->now, &data) == CF_TURN_INPUT_DATA) {
		c->n_echoes++;
		c->echo_us = net->now;
	}
	pump(net, k->index);
}

static void to_port(struct net *net, const struct packet *k)
{
	uint8_t room[CF_TURN_HEADROOM + PACKET_MAX + CF_TURN_TAILROOM];
	struct port *port = &net->ports[k->index];

	if (!port->open)
		return;
	memcpy(room + CF_TURN_HEADROOM, k->p, k->n);
	cf_relay_peer_input(
		net->relay, port->owner, &k->src, room + CF_TURN_HEADROOM, k->n, net->now);
}

static struct packet *next_packet(struct net *net)
{
	struct packet *best = NULL;

	for (size_t i = 0; i < MAX_FLIGHT; i++) {
		struct packet *k = &net->flight[i];

		if (k->due_us && (!best || k->due_us < best->due_us ||
					 (k->due_us == best->due_us && k->order < best->order)))
			best = k;
	}
	return best;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One step of the world, not beyond end_us; false when that is reached. */
static bool step(struct net *net, uint64_t end_us)
{
	struct packet *k = next_packet(net);
	uint64_t due = earlier(k ? k->due_us : CF_TIME_NEVER, cf_relay_deadline(net->relay));

	for (int i = 0; i < MAX_CLIENTS; i++)
		if (net->clients[i].turn)
			due = earlier(due, cf_turn_client_deadline(net->clients[i].turn));
	if (due > end_us) {
		net->now = end_us;
		return false;
	}
	if (due > net->now)
		net->now = due;
	if (k && k->due_us <= net->now) {
		struct packet copy = *k;

		k->due_us = 0;
		if (copy.dest == TO_RELAY)
			to_relay(net, &copy);
		else if (copy.dest == TO_CLIENT)
			to_client(net, &copy);
		else
			to_port(net, &copy);
	}
	if (cf_relay_deadline(net->relay) <= net->now) {
		net->relay_looks++;
		cf_relay_tick(net->relay, net->now);
	}
	for (int i = 0; i < MAX_CLIENTS; i++)
		pump(net, i);
	return true;
}

static void run_for(struct net *net, uint64_t us)
{
	uint64_t end_us = net->now + us;

	for (long i = 0; step(net, end_us); i++)
		assert_true(i < 1000000);
}

static void say(struct net *net, int i, const struct cf_addr *to)
{
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	int n = cf_turn_client_send(
		net->clients[i].turn, to, "0123456789", 10, buf, sizeof(buf), net->now);

	assert_true(n >= 0 || n == CF_EAGAIN);
	pump(net, i);
	if (n > 0)
		put(net, TO_RELAY, i, &net->clients[i].addr, buf, (size_t)n);
}

/* The path of a first packet: challenge, allocation, then permission and data together. */
static void setup_time(void **state)
{
	struct net *net = net_new();
	struct client *c = &net->clients[0];
	uint64_t start_us = net->now;

	(void)state;
	start(net, 0, NULL);
	while (!c->seen[CF_TURN_EVENT_ALLOCATED])
		assert_true(step(net, start_us + CF_US_PER_S));
	assert_int_equal(net->now - start_us, 80000); /* two round trips of 40 ms */
	say(net, 0, &net->peer);
	run_for(net, CF_US_PER_S);
	assert_int_equal(c->n_echoes, 1);
	assert_int_equal(
		c->echo_us - start_us, 80000 + 60000); /* no round trip for the permission */
	net_free(net);
}

/* A peer that is known early may speak as soon as the allocation stands. */
static void early_peer(void **state)
{
	struct net *net = net_new();
	uint64_t start_us = net->now;

	(void)state;
	start(net, 0, &net->peer);
	while (!net->clients[0].seen[CF_TURN_EVENT_PERMITTED])
		assert_true(step(net, start_us + CF_US_PER_S));
	assert_int_equal(net->now - start_us, 80000);
	net_free(net);
}

/* An hour and more with 10 % loss each way and nonces of ten minutes: nothing ends. */
static void an_hour_of_loss(void **state)
{
	struct net *net = net_new();
	struct client *c = &net->clients[0];
	struct cf_relay_stats stats;
	int said = 0;

	(void)state;
	net->config.nonce_lifetime_us = 600 * CF_US_PER_S;
	cf_relay_configure(net->relay, &net->config);
	net->loss = 10;
	start(net, 0, NULL);
	run_for(net, 5 * CF_US_PER_S);
	assert_int_equal(c->seen[CF_TURN_EVENT_ALLOCATED], 1);
	assert_int_equal(cf_turn_client_bind(c->turn, &net->peer, net->now), 0);
	pump(net, 0);
	run_for(net, 5 * CF_US_PER_S);
	assert_int_equal(c->seen[CF_TURN_EVENT_CHANNEL_BOUND], 1);
	for (; said < 4000; said++) {
		say(net, 0, &net->peer);
		run_for(net, CF_US_PER_S);
		assert_int_equal(cf_turn_client_state(c->turn), CF_TURN_ALLOCATED);
	}
	/* three crossings of a lossy line: 0.9^3 is 73 % */
	assert_in_range(c->n_echoes, said * 68 / 100, said * 78 / 100);
	assert_int_equal(c->seen[CF_TURN_EVENT_EXPIRED], 0);
	assert_int_equal(c->seen[CF_TURN_EVENT_PEER_REFUSED], 0);
	cf_relay_stats(net->relay, &stats);
	assert_true(stats.challenges > 6); /* nonces did grow stale on the way */
	assert_in_range(net->n_bills, 4000 / 60, 4000 / 45);
	assert_int_equal(net->billed_bytes % 10, 0);
	net_free(net);
}

/* Loss of 20 % delays an allocation, it does not prevent it. */
static void heavy_loss(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		struct net *net = net_new();

		net->loss = 20;
		net->random = seed;
		start(net, 0, NULL);
		run_for(net, 12 * CF_US_PER_S);
		assert_int_equal(net->clients[0].seen[CF_TURN_EVENT_ALLOCATED], 1);
		assert_int_equal(net->n_open, 1); /* retransmissions made no second one */
		net_free(net);
	}
}

/* A client that vanishes without a word: all is gone after its lifetime, looked at rarely. */
static void vanished_client(void **state)
{
	struct net *net = net_new();

	(void)state;
	start(net, 0, &net->peer);
	run_for(net, CF_US_PER_S);
	assert_int_equal(net->n_open, 1);
	net->clients[0].turn = cf_turn_client_free(net->clients[0].turn);
	run_for(net, 602 * CF_US_PER_S);
	assert_int_equal(net->n_open, 0);
	assert_int_equal(cf_relay_n_allocations(net->relay), 0);
	assert_true(net->relay_looks < 20);
	net_free(net);
}

/* A permission that is no longer wanted dies after 300 s; a wanted one lives on. */
static void permission_expiry(void **state)
{
	struct net *net = net_new();
	struct client *c = &net->clients[0];
	int port = 0;

	(void)state;
	start(net, 0, &net->peer);
	run_for(net, 1000 * CF_US_PER_S);
	put(net, TO_PORT, port, &net->peer, (const uint8_t *)"x", 1);
	run_for(net, CF_US_PER_S);
	assert_int_equal(c->n_echoes, 1);
	cf_turn_client_forget(c->turn, &net->peer);
	run_for(net, 301 * CF_US_PER_S);
	put(net, TO_PORT, port, &net->peer, (const uint8_t *)"x", 1);
	run_for(net, CF_US_PER_S);
	assert_int_equal(c->n_echoes, 1);
	assert_int_equal(cf_turn_client_state(c->turn), CF_TURN_ALLOCATED);
	net_free(net);
}

/* The server starts anew and knows nothing: the client learns it at its next request. */
static void restarted_server(void **state)
{
	struct net *net = net_new();
	struct client *c = &net->clients[0];
	struct cf_relay_tuple tuple = {.local = addr("9.9.9.1:3478"), .transport = CF_RELAY_UDP};

	(void)state;
	start(net, 0, NULL);
	run_for(net, CF_US_PER_S);
	tuple.remote = c->addr;
	cf_relay_client_closed(net->relay, &tuple, net->now);
	assert_int_equal(net->n_open, 0);
	say(net, 0, &net->peer);
	run_for(net, CF_US_PER_S);
	assert_int_equal(c->seen[CF_TURN_EVENT_EXPIRED], 1);
	assert_int_equal(c->last[CF_TURN_EVENT_EXPIRED].code, 437);
	net_free(net);
}

static void quota(void **state)
{
	struct net *net = net_new();

	(void)state;
	net->quota = 2;
	for (int i = 0; i < 3; i++) {
		start(net, i, NULL);
		run_for(net, CF_US_PER_S);
	}
	assert_int_equal(net->n_open, 2);
	assert_int_equal(net->clients[2].last[CF_TURN_EVENT_FAILED].code, 486);
	cf_turn_client_release(net->clients[0].turn, net->now);
	run_for(net, CF_US_PER_S);
	assert_int_equal(net->clients[0].seen[CF_TURN_EVENT_RELEASED], 1);
	start(net, 3, NULL);
	run_for(net, CF_US_PER_S);
	assert_int_equal(net->clients[3].seen[CF_TURN_EVENT_ALLOCATED], 1);
	net_free(net);
}

/* Two relayed clients of the same server meet. */
static void two_relayed(void **state)
{
	struct net *net = net_new();
	struct cf_addr ra, rb;

	(void)state;
	start(net, 0, NULL);
	start(net, 1, NULL);
	run_for(net, CF_US_PER_S);
	ra = cf_turn_client_relayed(net->clients[0].turn);
	rb = cf_turn_client_relayed(net->clients[1].turn);
	assert_int_equal(cf_turn_client_permit(net->clients[1].turn, &ra, net->now), 0);
	pump(net, 1);
	run_for(net, CF_US_PER_S);
	say(net, 0, &rb);
	run_for(net, CF_US_PER_S);
	assert_int_equal(net->clients[1].n_echoes, 1);
	say(net, 1, &ra);
	run_for(net, CF_US_PER_S);
	assert_int_equal(net->clients[0].n_echoes, 1);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_time),
		cmocka_unit_test(early_peer),
		cmocka_unit_test(an_hour_of_loss),
		cmocka_unit_test(heavy_loss),
		cmocka_unit_test(vanished_client),
		cmocka_unit_test(permission_expiry),
		cmocka_unit_test(restarted_server),
		cmocka_unit_test(quota),
		cmocka_unit_test(two_relayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
