/* SPDX-License-Identifier: Apache-2.0 */
/* Two peers on loopback sockets, each signalling to the other by function call: ICE, DTLS, SRTP. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/devca.h"
#include "net/tls.h"
#include "peer/session.h"
#include "relay/io/server.h"
#include "rtp/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CANDIDATES_MAX 16
#define PATIENCE_US (5 * CF_US_PER_S)

struct side {
	struct cf_loop *loop;
	struct side *other;
	struct cf_peer *peer;
	struct cf_session session;
	struct cf_dtls_identity *identity;
	char *candidates[CANDIDATES_MAX];
	size_t n_candidates;
	bool no_udp; /* says nothing of its UDP candidates */
	bool trickling;
	bool gathered;
	enum cf_peer_state state;
	size_t n_rtp;
	size_t n_doubts;
	size_t n_rtcp;
	uint8_t last_payload;
	/* Through a relay. */
	enum cf_ice_policy policy;
	struct cf_peer_server servers[2];
	size_t n_servers;
	struct cf_tls *tls;
};

static void on_candidate(const char *text, void *arg)
{
	struct side *side = arg;

	if (side->no_udp && !strstr(text, " tcp "))
		return;
	if (side->trickling)
		assert_int_equal(
			cf_peer_add_remote_candidate(side->other->peer, text, strlen(text)), 0);
	else if (side->n_candidates < CANDIDATES_MAX)
		side->candidates[side->n_candidates++] = cf_strdup(text);
}

static void on_gathered(void *arg)
{
	((struct side *)arg)->gathered = true;
}

static void on_state(enum cf_peer_state state, void *arg)
{
	((struct side *)arg)->state = state;
}

static void on_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	(void)path;
	(void)cause;
	(void)gap_ms;
	(void)arg;
}

static void on_doubt(void *arg)
{
	((struct side *)arg)->n_doubts++;
}

static void on_rtp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	struct side *side = arg;
	struct cf_rtp_packet rtp;

	(void)now_us;
	assert_int_equal(cf_rtp_packet_parse(&rtp, packet, n), 0);
	assert_int_equal(rtp.payload.len, 3);
	side->last_payload = rtp.payload.p[0];
	side->n_rtp++;
}

static void on_rtcp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	(void)packet;
	(void)n;
	(void)now_us;
	((struct side *)arg)->n_rtcp++;
}

static void open_side(
	struct side *side, struct cf_loop *loop, struct cf_pool *pool, bool controlling)
{
	struct cf_addr host;
	struct cf_peer_options options = {.loop = loop,
		.controlling = controlling,
		.hosts = &host,
		.n_hosts = 1,
		.policy = side->policy,
		.servers = side->servers,
		.n_servers = side->n_servers,
		.pool = pool,
		.tls = side->tls,
		.callbacks = {.candidate = on_candidate,
			.gathered = on_gathered,
			.state = on_state,
			.path = on_path,
			.doubt = on_doubt,
			.rtp = on_rtp,
			.rtcp = on_rtcp},
		.relay_spare_ms = 20,
		.arg = side};

	assert_int_equal(cf_addr_parse(&host, "127.0.0.1", 0), 0);
	side->loop = loop;
	if (!side->identity)
		assert_int_equal(cf_dtls_identity_new(&side->identity), 0);
	options.identity = side->identity;
	cf_session_init(&side->session, side->identity);
	side->peer = cf_peer_new(&options);
	assert_non_null(side->peer);
	cf_peer_servers_done(side->peer);
}

static void close_side(struct side *side)
{
	cf_peer_free(side->peer);
	cf_session_done(&side->session);
	cf_dtls_identity_free(side->identity);
	for (size_t i = 0; i < side->n_candidates; i++)
		cf_free(side->candidates[i]);
}

static char *describe(struct side *side, bool answer)
{
	struct cf_view views[CANDIDATES_MAX];
	char *sdp;

	for (size_t i = 0; i < side->n_candidates; i++)
		views[i] = cf_view_str(side->candidates[i]);
	sdp = cf_session_describe(
		&side->session, side->peer, answer, CF_SDP_SENDRECV, views, side->n_candidates);
	assert_non_null(sdp);
	return sdp;
}

static void run_until(struct cf_loop *loop, const bool *done)
{
	uint64_t end_us = cf_clock_us() + PATIENCE_US;

	while (!*done && cf_clock_us() < end_us)
		assert_int_equal(cf_loop_run_once(loop, 10), 0);
}

static void run_until_states(struct side *a, struct side *b, enum cf_peer_state state)
{
	uint64_t end_us = cf_clock_us() + PATIENCE_US;

	while ((a->state != state || b->state != state) && cf_clock_us() < end_us)
		assert_int_equal(cf_loop_run_once(a->loop, 10), 0);
	assert_int_equal(a->state, state);
	assert_int_equal(b->state, state);
}

static void connect_sides(struct side *a, struct side *b, bool spoil_fingerprint)
{
	char *offer, *answer;

	a->other = b;
	b->other = a;
	run_until(a->loop, &a->gathered);
	run_until(b->loop, &b->gathered);
	offer = describe(a, false);
	assert_int_equal(cf_session_take_remote(&b->session, offer, false), 0);
	answer = describe(b, true);
	if (spoil_fingerprint) {
		char *print = strstr(answer, "sha-256 ") + strlen("sha-256 ");

		print[0] = print[0] == 'A' ? 'B' : 'A';
	}
	assert_int_equal(cf_session_take_remote(&a->session, answer, true), 0);
	a->trickling = b->trickling = true;
	assert_int_equal(cf_session_apply(&a->session, a->peer), 0);
	assert_int_equal(cf_session_apply(&b->session, b->peer), 0);
	cf_free(offer);
	cf_free(answer);
}

/* As cf_peer_send_rtp(): there may be no path just now. */
static int try_send(struct side *side, uint16_t seq, uint8_t byte)
{
	uint8_t payload[3] = {byte, 2, 3}, packet[CF_PEER_PACKET_MAX];
	struct cf_rtp_packet rtp = {.payload_type = 111,
		.seq = seq,
		.ts = seq * 960u,
		.ssrc = side->session.ssrc,
		.payload = {payload, sizeof(payload)}};
	int n = cf_rtp_packet_write(packet, sizeof(packet), &rtp, NULL, 0);

	return cf_peer_send_rtp(side->peer, packet, (size_t)n, sizeof(packet));
}

static void send_one(struct side *side, uint16_t seq, uint8_t byte)
{
	assert_true(try_send(side, seq, byte) > 0);
}

static void media_flows_both_ways(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {.n_rtp = 0}, b = {.n_rtp = 0};
	uint64_t end_us = cf_clock_us() + PATIENCE_US;
	struct cf_ice_path path;
	char why[512];

	(void)state;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, false);
	run_until_states(&a, &b, CF_PEER_CONNECTED);
	assert_true(cf_peer_path(a.peer, &path));
	assert_int_equal(path.kind, CF_ICE_PATH_DIRECT);
	assert_true(strlen(cf_peer_why(a.peer, why, sizeof(why))) > 0);
	for (uint16_t i = 1; i <= 20; i++) {
		send_one(&a, i, 7);
		send_one(&b, i, 9);
	}
	while ((a.n_rtp < 20 || b.n_rtp < 20) && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(a.n_rtp, 20);
	assert_int_equal(b.n_rtp, 20);
	assert_int_equal(a.last_payload, 9);
	assert_int_equal(b.last_payload, 7);
	close_side(&a);
	/* Who leaves says so. */
	while (b.state != CF_PEER_CLOSED && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(b.state, CF_PEER_CLOSED);
	close_side(&b);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

/* Without UDP: over a TCP connection (RFC 6544). */
static void media_flows_over_tcp(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {.no_udp = true}, b = {.no_udp = true};
	uint64_t end_us = cf_clock_us() + PATIENCE_US;
	struct cf_ice_path path;

	(void)state;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, false);
	run_until_states(&a, &b, CF_PEER_CONNECTED);
	assert_true(cf_peer_path(a.peer, &path));
	assert_int_equal(path.relays, 0);
	assert_string_equal(cf_ice_via_name(path.via), "tcp");
	for (uint16_t i = 1; i <= 20; i++) {
		send_one(&a, i, 7);
		send_one(&b, i, 9);
	}
	while ((a.n_rtp < 20 || b.n_rtp < 20) && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(a.n_rtp, 20);
	assert_int_equal(b.n_rtp, 20);
	close_side(&a);
	close_side(&b);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

static void wrong_fingerprint_is_refused(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {.n_rtp = 0}, b = {.n_rtp = 0};
	uint64_t end_us = cf_clock_us() + PATIENCE_US;
	uint8_t packet[CF_PEER_PACKET_MAX] = {0x80};

	(void)state;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, true);
	while (a.state != CF_PEER_FAILED && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(a.state, CF_PEER_FAILED);
	assert_int_equal(cf_peer_send_rtp(a.peer, packet, 12, sizeof(packet)), CF_ESTATE);
	close_side(&a);
	close_side(&b);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

/* A TURN server on the same loop */

static int authenticate(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg)
{
	(void)realm;
	(void)now_us;
	(void)arg;
	if (!cf_view_is(username, "user"))
		return CF_ENOTFOUND;
	snprintf(ret_credential->password, sizeof(ret_credential->password), "secret");
	ret_credential->resource = ret_credential->user = username;
	ret_credential->call = cf_view_str("-");
	ret_credential->expires_us = CF_TIME_NEVER;
	return 0;
}

struct turn {
	struct cf_relay_shared *shared;
	struct cf_relay_server *server;
	struct cf_cidr allow;
	char url[96];
	uint16_t port;
	char dir[64]; /* of the development CA, where there is TLS */
	struct cf_tls *tls, *client_tls;
};

static void make_tls(struct turn *turn)
{
	static const char *const no_alpn[] = {NULL};
	char error[CF_TLS_ERROR_MAX];
	struct cf_devca ca;

	snprintf(turn->dir, sizeof(turn->dir), "/tmp/cf-test-XXXXXX");
	assert_non_null(mkdtemp(turn->dir));
	assert_int_equal(cf_devca_ensure(&ca, turn->dir, NULL, 0, error), 0);
	turn->tls = cf_tls_server_new(no_alpn);
	assert_int_equal(cf_tls_server_load(turn->tls, ca.cert_file, ca.key_file, error), 0);
	turn->client_tls = cf_tls_client_new(ca.ca_file, error);
	assert_non_null(turn->client_tls);
}

static void drop_tls(struct turn *turn)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	for (size_t i = 0; turn->tls && i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", turn->dir, files[i]);
		unlink(path);
	}
	if (turn->tls)
		rmdir(turn->dir);
	cf_tls_unref(turn->tls);
	cf_tls_unref(turn->client_tls);
}

/* On any port, or the one it had before. */
static void open_turn(struct turn *turn, struct cf_loop *loop, const char *transport, uint16_t port)
{
	struct cf_relay_server_config config = cf_relay_server_config_defaults();
	bool dtls = strcmp(transport, "dtls") == 0;
	struct cf_addr listen;
	char text[CF_ADDR_TEXT_MAX];

	*turn = (struct turn){0};
	if (dtls)
		make_tls(turn);
	assert_int_equal(cf_cidr_parse(&turn->allow, "127.0.0.0/8"), 0);
	config.core.allow_peers = &turn->allow;
	config.core.n_allow_peers = 1;
	assert_int_equal(cf_addr_parse(&config.listen[0], "127.0.0.1", port), 0);
	config.n_listen = 1;
	config.relay[0].bind = config.listen[0];
	config.relay[0].bind.port = 0;
	config.n_relay = 1;
	config.auth = authenticate;
	turn->shared = cf_relay_shared_new(&config);
	assert_non_null(turn->shared);
	assert_int_equal(cf_relay_server_new(&turn->server, loop, turn->shared, turn->tls), 0);
	assert_true(cf_relay_shared_listen(turn->shared, 0, &listen));
	turn->port = listen.port;
	snprintf(turn->url, sizeof(turn->url), "%s:%s?transport=%s", dtls ? "turns" : "turn",
		cf_addr_text(&listen, text), dtls ? "udp" : transport);
}

static void close_turn(struct turn *turn)
{
	cf_relay_server_free(turn->server);
	cf_relay_shared_free(turn->shared);
	drop_tls(turn);
}

/* Both hide behind relays: two relays. One does: one. */
static void through_relay(const char *transport, enum cf_ice_policy policy_b, unsigned relays)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {.policy = CF_ICE_POLICY_RELAY}, b = {.policy = policy_b};
	uint64_t end_us = cf_clock_us() + PATIENCE_US;
	struct turn turn;
	struct cf_ice_path path;

	open_turn(&turn, loop, transport, 0);
	a.servers[0] = b.servers[0] = (struct cf_peer_server){
		.url = turn.url, .username = "user", .credential = "secret"};
	a.n_servers = b.n_servers = 1;
	a.tls = b.tls = turn.client_tls;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, false);
	run_until_states(&a, &b, CF_PEER_CONNECTED);
	assert_true(cf_peer_path(a.peer, &path));
	assert_int_equal(path.kind, CF_ICE_PATH_RELAYED);
	assert_int_equal(path.relays, relays);
	assert_string_equal(
		cf_ice_via_name(path.via), strcmp(transport, "dtls") == 0 ? "udp" : transport);
	for (uint16_t i = 1; i <= 20; i++) {
		send_one(&a, i, 7);
		send_one(&b, i, 9);
	}
	while ((a.n_rtp < 20 || b.n_rtp < 20) && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(a.n_rtp, 20);
	assert_int_equal(b.n_rtp, 20);
	close_side(&a);
	close_side(&b);
	/* Given back at once, not when their lifetime is over. */
	while (cf_relay_server_n_allocations(turn.server) > 0 && cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(cf_relay_server_n_allocations(turn.server), 0);
	close_turn(&turn);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

static void through_two_relays_over_udp(void **state)
{
	(void)state;
	through_relay("udp", CF_ICE_POLICY_RELAY, 2);
}

static void through_one_relay_over_udp(void **state)
{
	(void)state;
	through_relay("udp", CF_ICE_POLICY_ALL, 1);
}

static void through_one_relay_over_tcp(void **state)
{
	(void)state;
	through_relay("tcp", CF_ICE_POLICY_ALL, 1);
}

/* Both talk, until each has heard n packets more, or for lack of patience. */
static void talk(struct side *a, struct side *b, size_t n)
{
	static uint16_t seq = 100;
	size_t wanted_a = a->n_rtp + n, wanted_b = b->n_rtp + n;
	uint64_t end_us = cf_clock_us() + 2 * PATIENCE_US, next_us = 0;

	while ((a->n_rtp < wanted_a || b->n_rtp < wanted_b) && cf_clock_us() < end_us) {
		if (cf_clock_us() >= next_us) {
			next_us = cf_clock_us() + 10 * CF_US_PER_MS;
			(void)try_send(a, ++seq, 7);
			(void)try_send(b, seq, 9);
		}
		cf_loop_run_once(a->loop, 5);
	}
	assert_true(a->n_rtp >= wanted_a && b->n_rtp >= wanted_b);
}

/* A relay that the call does not need is given back, and the call goes on. */
static void spare_relay_is_given_back(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {0}, b = {0};
	uint64_t end_us = cf_clock_us() + PATIENCE_US;
	struct turn turn;
	struct cf_ice_path path;

	(void)state;
	open_turn(&turn, loop, "udp", 0);
	a.servers[0] = b.servers[0] = (struct cf_peer_server){
		.url = turn.url, .username = "user", .credential = "secret"};
	a.n_servers = b.n_servers = 1;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, false);
	run_until_states(&a, &b, CF_PEER_CONNECTED);
	while ((!a.gathered || !b.gathered || cf_relay_server_n_allocations(turn.server) > 0) &&
		cf_clock_us() < end_us)
		cf_loop_run_once(loop, 10);
	assert_int_equal(cf_relay_server_n_allocations(turn.server), 0);
	assert_true(cf_peer_path(a.peer, &path));
	assert_int_equal(path.relays, 0);
	talk(&a, &b, 10);
	close_side(&a);
	close_side(&b);
	close_turn(&turn);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

/* The relay dies and comes back on the same port, knowing nothing of us. */
static void relay_restarts(const char *transport)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 8);
	struct side a = {.policy = CF_ICE_POLICY_RELAY}, b = {.policy = CF_ICE_POLICY_RELAY};
	struct turn turn;

	open_turn(&turn, loop, transport, 0);
	a.servers[0] = b.servers[0] = (struct cf_peer_server){
		.url = turn.url, .username = "user", .credential = "secret"};
	a.n_servers = b.n_servers = 1;
	open_side(&a, loop, pool, true);
	open_side(&b, loop, pool, false);
	connect_sides(&a, &b, false);
	run_until_states(&a, &b, CF_PEER_CONNECTED);
	a.trickling = b.trickling = true;
	talk(&a, &b, 20);
	close_turn(&turn);
	open_turn(&turn, loop, transport, turn.port);
	talk(&a, &b, 20);
	assert_true(cf_relay_server_n_allocations(turn.server) > 0);
	assert_int_equal(a.state, CF_PEER_CONNECTED);
	assert_true(a.n_doubts > 0);
	close_side(&a);
	close_side(&b);
	close_turn(&turn);
	cf_pool_free(pool);
	cf_loop_free(loop);
}

static void relay_restarts_over_udp(void **state)
{
	(void)state;
	relay_restarts("udp");
}

static void relay_restarts_over_tcp(void **state)
{
	(void)state;
	relay_restarts("tcp");
}

static void through_one_relay_over_dtls(void **state)
{
	(void)state;
	through_relay("dtls", CF_ICE_POLICY_ALL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_flows_both_ways),
		cmocka_unit_test(media_flows_over_tcp),
		cmocka_unit_test(wrong_fingerprint_is_refused),
		cmocka_unit_test(through_two_relays_over_udp),
		cmocka_unit_test(through_one_relay_over_udp),
		cmocka_unit_test(through_one_relay_over_tcp),
		cmocka_unit_test(spare_relay_is_given_back),
		cmocka_unit_test(relay_restarts_over_udp),
		cmocka_unit_test(relay_restarts_over_tcp),
		cmocka_unit_test(through_one_relay_over_dtls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
