/* SPDX-License-Identifier: Apache-2.0 */
/* Our checks: what is in them, when they go out, which answers count. */
#include "harness/harness.h"

#include "harness/ice_peer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ice/ice_priv.h"

#include <stdio.h>

#define T0 (5 * CF_US_PER_S)
#define PEER "10.0.0.2:6000"

static struct peer_out out;
static const struct peer_response good;

static struct cf_ice_agent *begin(bool controlling)
{
	struct cf_ice_agent *agent = peer_agent(controlling, T0);

	memset(&out, 0, sizeof(out));
	peer_drain(agent, &out, T0);
	out.n = 0;
	return agent;
}

static void add(
	struct cf_ice_agent *agent, enum cf_ice_type type, const char *addr, uint64_t now_us)
{
	struct cf_ice_candidate c = peer_candidate(type, addr);

	assert_int_equal(cf_ice_agent_add_remote(agent, &c, now_us), 0);
	peer_drain(agent, &out, now_us);
}

static struct cf_ice_pair_info first(const struct cf_ice_agent *agent)
{
	struct cf_ice_pair_info info;

	assert_true(cf_ice_agent_pair(agent, 0, &info));
	return info;
}

static void what_is_in_a_check(void **state)
{
	struct cf_stun_msg msg;
	uint32_t priority;
	uint64_t breaker;

	(void)state;
	for (int controlling = 0; controlling < 2; controlling++) {
		struct cf_ice_agent *agent = begin(controlling);

		add(agent, CF_ICE_HOST, PEER, T0);
		assert_int_equal(out.n, 1); /* at once */
		peer_parse(&out, 0, &msg);
		assert_int_equal(msg.cls, CF_STUN_REQUEST);
		assert_int_equal(cf_stun_msg_u32(&msg, CF_ICE_PRIORITY, &priority), 0);
		assert_int_equal(priority >> 24, 110);
		assert_int_equal(
			cf_stun_msg_u64(&msg, controlling ? CF_ICE_CONTROLLING : CF_ICE_CONTROLLED,
				&breaker),
			0);
		assert_false(cf_stun_msg_has(&msg, CF_ICE_USE_CANDIDATE));
		assert_false(cf_stun_msg_has(&msg, CF_STUN_SOFTWARE));
		assert_int_equal(cf_stun_msg_check_integrity(&msg, cf_view_str(PEER_PWD)), 0);
		assert_int_equal(msg.attrs[msg.n_attrs - 1].type, CF_STUN_FINGERPRINT);
		cf_ice_agent_free(agent);
	}
}

/* A relayed base says so in PRIORITY, so that the peer can tell what it is about to meet. */
static void check_from_a_relay(void **state)
{
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_RELAY_TCP, .addr = peer_addr("192.0.2.9:50000")};
	struct cf_ice_agent *agent = begin(true);
	struct cf_stun_msg msg;
	uint32_t priority;

	(void)state;
	add(agent, CF_ICE_SRFLX, "203.0.113.2:6000", T0);
	assert_int_equal(out.n_permits, 0);
	out.n = 0;
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 1);
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n_permits, 1);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.packet[0].base, 1);
	peer_parse(&out, 0, &msg);
	assert_int_equal(cf_stun_msg_u32(&msg, CF_ICE_PRIORITY, &priority), 0);
	assert_int_equal(priority >> 24, 1);
	/* The same IP again asks for nothing, another one does. */
	add(agent, CF_ICE_SRFLX, "203.0.113.2:6001", T0);
	assert_int_equal(out.n_permits, 1);
	add(agent, CF_ICE_HOST, "203.0.113.3:6001", T0);
	assert_int_equal(out.n_permits, 2);
	cf_ice_agent_free(agent);
}

/* Nothing is ever sent before the peer's credentials are known. */
static void silent_without_credentials(void **state)
{
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.0.1:5000")};
	struct cf_ice_options options;
	struct cf_ice_agent *agent;
	uint64_t now = T0;

	(void)state;
	memset(&out, 0, sizeof(out));
	cf_ice_options_defaults(&options);
	agent = cf_ice_agent_new(&options, T0);
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 0);
	add(agent, CF_ICE_HOST, PEER, T0);
	peer_run(agent, &out, &now, T0 + 20 * CF_US_PER_S);
	assert_int_equal(out.n, 0);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_NEW);
	assert_int_equal(cf_ice_agent_set_remote(agent, PEER_UFRAG, PEER_PWD, false, now), 0);
	peer_drain(agent, &out, now);
	assert_int_equal(out.n, 1);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_CHECKING);
	cf_ice_agent_free(agent);
}

/* Quick at first, then slower, over in bounded time; every transmission has its own id. */
static void schedule_of_one_pair(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0;
	size_t in_1s = 0;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	peer_run(agent, &out, &now, T0 + 30 * CF_US_PER_S);
	assert_int_equal(out.packet[1].at - out.packet[0].at, 50000);
	for (size_t i = 0; i < out.n; i++) {
		in_1s += out.packet[i].at < T0 + CF_US_PER_S;
		assert_true(i == 0 || out.packet[i].at - out.packet[i - 1].at <= 500000);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(out.packet[i].data + 8, out.packet[k].data + 8, 12);
	}
	assert_in_range(in_1s, 5, 8);
	assert_in_range(out.n, 15, 30);
	assert_int_equal(first(agent).error, CF_ICE_PAIR_NO_ANSWER);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_FAILED);
	assert_true(cf_ice_agent_deadline(agent) == CF_TIME_NEVER);
	cf_ice_agent_free(agent);
}

/* RFC 8445 section 14.2: with many pairs a burst, then one each 5 ms; best first. */
static void pacing(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.3.%d:6000", i + 1);
		add(agent, CF_ICE_HOST, addr, T0);
	}
	assert_int_equal(out.n, 10);
	peer_run(agent, &out, &now, T0 + 2 * CF_US_PER_S);
	assert_true(out.n <= 10 + 2000 / 5 + 1);
	for (size_t i = 20; i < out.n; i++)
		assert_true(out.packet[i].at - out.packet[i - 20].at >= 50000);
	cf_ice_agent_free(agent);
}

static void success(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr src = peer_addr(PEER), other = peer_addr("10.0.0.3:6000");
	struct cf_stun_msg msg;
	struct cf_ice_path path;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	assert_false(cf_ice_agent_accepts(agent, 0, &src));
	assert_false(cf_ice_agent_selected(agent, &path));
	assert_true(peer_answer(agent, &out, 0, NULL, &good, T0 + 4000));
	peer_drain(agent, &out, T0 + 4000);
	assert_true(cf_ice_agent_accepts(agent, 0, &src));
	assert_false(cf_ice_agent_accepts(agent, 0, &other));
	assert_false(cf_ice_agent_accepts(agent, 1, &src));
	assert_true(cf_ice_agent_selected(agent, &path));
	assert_int_equal(path.kind, CF_ICE_PATH_DIRECT);
	assert_int_equal(path.rtt_us, 4000);
	assert_true(path.nominated);
	assert_int_equal(out.state, CF_ICE_CONNECTED);
	assert_int_equal(cf_ice_agent_last_consent_us(agent), T0 + 4000);
	/* Host to host is as good as it gets: nominated at once. */
	assert_int_equal(out.n, 2);
	peer_parse(&out, 1, &msg);
	assert_true(cf_stun_msg_has(&msg, CF_ICE_USE_CANDIDATE));
	assert_false(first(agent).nominated);
	assert_true(peer_answer(agent, &out, 1, NULL, &good, T0 + 8000));
	assert_true(first(agent).nominated);
	/* The same answer again does nothing. */
	assert_int_equal(first(agent).responses, 2);
	assert_true(peer_answer(agent, &out, 1, NULL, &good, T0 + 9000));
	assert_int_equal(first(agent).responses, 2);
	cf_ice_agent_free(agent);
}

/* The nomination is repeated until it is answered. */
static void nomination_is_repeated(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_stun_msg msg;
	uint64_t now = T0 + 4000;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	assert_true(peer_answer(agent, &out, 0, NULL, &good, now));
	peer_run(agent, &out, &now, T0 + 500000);
	assert_true(out.n >= 4);
	for (size_t i = 1; i < out.n; i++) {
		peer_parse(&out, i, &msg);
		assert_true(cf_stun_msg_has(&msg, CF_ICE_USE_CANDIDATE));
	}
	assert_true(peer_answer(agent, &out, out.n - 1, NULL, &good, now));
	out.n = 0;
	peer_run(agent, &out, &now, now + 500000);
	assert_int_equal(out.n, 0);
	cf_ice_agent_free(agent);
}

static void answers_that_do_not_count(void **state)
{
	static const struct {
		struct peer_response response;
		const char *from;
		enum cf_ice_pair_error error;
	} rows[] = {
		{{.pwd = "wrongwrongwrongwrongwrong"}, NULL, CF_ICE_PAIR_BAD_ANSWER},
		{{.pwd = ""}, NULL, CF_ICE_PAIR_BAD_ANSWER},
		{{.error = 401, .pwd = ""}, NULL, CF_ICE_PAIR_REFUSED},
		{{.error = 400}, NULL, CF_ICE_PAIR_REFUSED},
		{{.error = 487, .pwd = ""}, NULL, CF_ICE_PAIR_REFUSED},
		{{0}, "10.0.0.9:6000", CF_ICE_PAIR_ASYMMETRIC},
		{{0}, "10.0.0.2:6001", CF_ICE_PAIR_ASYMMETRIC},
		{{.pwd = ""}, "10.0.0.9:6000", CF_ICE_PAIR_NO_ANSWER},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_ice_agent *agent = begin(true);
		struct cf_addr src = peer_addr(PEER);
		struct cf_ice_path path;

		add(agent, CF_ICE_HOST, PEER, T0);
		assert_true(
			peer_answer(agent, &out, 0, rows[i].from, &rows[i].response, T0 + 1000));
		assert_int_equal(first(agent).error, rows[i].error);
		assert_int_equal(first(agent).responses, 0);
		assert_int_equal(first(agent).code, rows[i].response.error);
		assert_false(cf_ice_agent_accepts(agent, 0, &src));
		assert_false(cf_ice_agent_selected(agent, &path));
		cf_ice_agent_free(agent);
	}
}

/* A stranger's refusal does not stop the peer from coming up at the same address. */
static void refusal_is_soft(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	assert_true(peer_answer(
		agent, &out, 0, NULL, &(struct peer_response){.error = 401, .pwd = ""}, T0));
	peer_run(agent, &out, &now, T0 + 60000);
	assert_int_equal(out.n, 2);
	assert_true(peer_answer(agent, &out, 1, NULL, &good, now));
	assert_int_equal(first(agent).state, CF_ICE_PAIR_SUCCEEDED);
	cf_ice_agent_free(agent);
}

/* An answer that something on the way held up is no measure of the way. */
static void held_up_answer(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0 + 4000;
	size_t n;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	assert_true(peer_answer(agent, &out, 0, NULL, &good, now));
	for (peer_drain(agent, &out, now), n = out.n; out.n == n; now += 10000)
		peer_run(agent, &out, &now, now + 10000);
	assert_true(now < T0 + 10000000);
	assert_true(peer_answer(agent, &out, n, NULL, &good, now + 400000));
	assert_int_equal(first(agent).rtt_us, 4000);
	cf_ice_agent_free(agent);
}

/* A late answer to an early transmission counts, and measures right. */
static void late_answer(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	peer_run(agent, &out, &now, T0 + 300000);
	assert_true(out.n >= 3);
	assert_true(peer_answer(agent, &out, 0, NULL, &good, now));
	assert_int_equal(first(agent).state, CF_ICE_PAIR_SUCCEEDED);
	assert_int_equal(first(agent).rtt_us, 300000);
	cf_ice_agent_free(agent);
}

/* RFC 8445 section 7.2.5.3.1: an address that we did not know we had. */
static void peer_reflexive_local(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr mapped = peer_addr("198.51.100.7:40000");
	struct cf_ice_path path;

	(void)state;
	add(agent, CF_ICE_HOST, "203.0.113.2:6000", T0);
	assert_true(peer_answer(
		agent, &out, 0, NULL, &(struct peer_response){.mapped = &mapped}, T0 + 1000));
	assert_true(cf_ice_agent_selected(agent, &path));
	assert_int_equal(path.kind, CF_ICE_PATH_REFLEXIVE);
	assert_int_equal(path.local.type, CF_ICE_PRFLX);
	assert_true(cf_addr_eq(&path.local.addr, &mapped));
	/* Not signalled: the peer has seen it. */
	out.n_candidates = 0;
	peer_drain(agent, &out, T0 + 1000);
	assert_int_equal(out.n_candidates, 0);
	cf_ice_agent_free(agent);
}

static void trouble(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr src = peer_addr(PEER);
	uint64_t now = T0;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	/* ICMP is only a hint. */
	cf_ice_agent_unreachable(agent, 0, &src, CF_ICE_TROUBLE_ICMP, T0);
	assert_int_equal(first(agent).error, CF_ICE_PAIR_UNREACHABLE);
	peer_run(agent, &out, &now, T0 + 60000);
	assert_int_equal(out.n, 2);
	/* A refused permission is final ... */
	cf_ice_agent_unreachable(agent, 0, &src, CF_ICE_TROUBLE_DENIED, now);
	assert_int_equal(first(agent).error, CF_ICE_PAIR_DENIED);
	assert_int_equal(first(agent).state, CF_ICE_PAIR_FAILED);
	out.n = 0;
	peer_run(agent, &out, &now, now + CF_US_PER_S);
	assert_int_equal(out.n, 0);
	/* ... until the peer's own check comes through. */
	assert_true(peer_request(agent, 0, PEER, &(struct peer_request){0}, now));
	peer_drain(agent, &out, now);
	assert_int_equal(out.n, 2);
	assert_true(peer_answer(
		agent, &out, (size_t)peer_find(&out, PEER, CF_STUN_REQUEST), NULL, &good, now));
	assert_int_equal(first(agent).state, CF_ICE_PAIR_SUCCEEDED);
	/* The connection of a path in use goes: it is no path any more. */
	cf_ice_agent_unreachable(agent, 0, &src, CF_ICE_TROUBLE_CONNECT, now);
	assert_int_equal(first(agent).error, CF_ICE_PAIR_CONNECT);
	assert_false(cf_ice_agent_accepts(agent, 0, &src));
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_DISCONNECTED);
	/* Of bases and addresses we do not know nothing follows. */
	cf_ice_agent_unreachable(agent, 9, &src, CF_ICE_TROUBLE_CONNECT, now);
	cf_ice_agent_free(agent);
}

/* A permission in place: the pairs that it concerns are checked at once. */
static void permission_in_place(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr ip = peer_addr("10.0.0.2:0");
	uint64_t now = T0;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	add(agent, CF_ICE_HOST, "10.0.0.3:6000", T0);
	peer_run(agent, &out, &now, T0 + 1000000);
	out.n = 0;
	cf_ice_agent_permitted(agent, 0, &ip, now);
	peer_drain(agent, &out, now);
	assert_int_equal(out.n, 1);
	assert_true(cf_addr_ip_eq(&out.packet[0].addr, &ip));
	cf_ice_agent_free(agent);
}

/* RFC 8445 section 6.1.2.2, RFC 6544 section 6.2: what is paired with what. */
static void what_is_paired(void **state)
{
	static const struct {
		enum cf_ice_base_kind kind;
		const char *base;
		enum cf_ice_transport transport;
		const char *remote;
		bool paired;
	} rows[] = {
		{CF_ICE_BASE_UDP, "10.0.0.1:1", CF_ICE_UDP, "10.0.0.2:1", true},
		{CF_ICE_BASE_UDP, "10.0.0.1:1", CF_ICE_UDP, "[2001:db8::1]:1", false},
		{CF_ICE_BASE_UDP, "10.0.0.1:1", CF_ICE_TCP_PASSIVE, "10.0.0.2:1", false},
		{CF_ICE_BASE_UDP, "[fe80::1]:1", CF_ICE_UDP, "[fe80::2]:1", true},
		{CF_ICE_BASE_UDP, "[2001:db8::2]:1", CF_ICE_UDP, "[fe80::2]:1", false},
		{CF_ICE_BASE_UDP, "[fe80::2]:1", CF_ICE_UDP, "[2001:db8::2]:1", false},
		{CF_ICE_BASE_TCP_ACTIVE, "10.0.0.1:1", CF_ICE_TCP_PASSIVE, "10.0.0.2:1", true},
		{CF_ICE_BASE_TCP_ACTIVE, "10.0.0.1:1", CF_ICE_TCP_ACTIVE, "10.0.0.2:9", false},
		{CF_ICE_BASE_TCP_PASSIVE, "10.0.0.1:1", CF_ICE_TCP_ACTIVE, "10.0.0.2:9", false},
		{CF_ICE_BASE_RELAY_TLS, "192.0.2.1:1", CF_ICE_UDP, "10.0.0.2:9", true},
		{CF_ICE_BASE_RELAY_TCP, "192.0.2.1:1", CF_ICE_TCP_PASSIVE, "10.0.0.2:9", false},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_ice_base_options base = {
			.kind = rows[i].kind, .addr = peer_addr(rows[i].base)};
		struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, rows[i].remote);
		struct cf_ice_pair_info info;
		struct cf_ice_options options;
		struct cf_ice_agent *agent;

		cf_ice_options_defaults(&options);
		agent = cf_ice_agent_new(&options, T0);
		c.transport = (uint8_t)rows[i].transport;
		assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 0);
		assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
		assert_int_equal(cf_ice_agent_pair(agent, 0, &info), rows[i].paired);
		cf_ice_agent_free(agent);
	}
}

/* Nomination waits for what may still be better, and no longer than it has to. */
static uint64_t nominated_after(enum cf_ice_type valid, enum cf_ice_type better, bool peer_checks)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t now = T0;

	add(agent, better, PEER, T0);
	add(agent, valid, "203.0.113.2:6000", T0);
	if (peer_checks)
		assert_true(
			peer_request(agent, 0, "203.0.113.2:6000", &(struct peer_request){0}, T0));
	peer_drain(agent, &out, T0);
	assert_true(peer_answer(agent, &out,
		(size_t)peer_find(&out, "203.0.113.2:6000", CF_STUN_REQUEST), NULL, &good, T0));
	while (cf_ice_agent_state(agent) == CF_ICE_CHECKING && now < T0 + CF_US_PER_S)
		peer_run(agent, &out, &now, now + 1000);
	cf_ice_agent_free(agent);
	return (now - T0) / 1000;
}

static void patience(void **state)
{
	(void)state;
	/* A host pair waits for nothing. */
	assert_int_equal(nominated_after(CF_ICE_HOST, CF_ICE_HOST, true), 0);
	/* A reflexive one briefly for a host pair, a relayed one longer, */
	assert_in_range(nominated_after(CF_ICE_SRFLX, CF_ICE_HOST, true), 15, 30);
	assert_in_range(nominated_after(CF_ICE_RELAY, CF_ICE_SRFLX, true), 70, 120);
	/* and at most half a second, though nothing is known of the peer. */
	assert_in_range(nominated_after(CF_ICE_RELAY, CF_ICE_SRFLX, false), 450, 510);
}

static void consent_interval(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint64_t us = ice_consent_interval(agent);

		least = us < least ? us : least;
		most = us > most ? us : most;
	}
	/* RFC 7675 section 5.1 */
	assert_in_range(least, 4000000, 4100000);
	assert_in_range(most, 5900000, 6000000);
	cf_ice_agent_free(agent);
}

/* With media coming in, consent checks are all that goes out. */
static void consent_checks(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr src = peer_addr(PEER);
	uint64_t now = T0 + 1000;
	size_t answered = 2;

	(void)state;
	add(agent, CF_ICE_HOST, PEER, T0);
	assert_true(peer_answer(agent, &out, 0, NULL, &good, now));
	peer_drain(agent, &out, now);
	assert_true(peer_answer(agent, &out, 1, NULL, &good, now));
	for (int i = 0; i < 60 * 50; i++) {
		peer_run(agent, &out, &now, now + 20000);
		cf_ice_agent_note_received(agent, 0, &src, now);
		for (; answered < out.n; answered++)
			assert_true(peer_answer(agent, &out, answered, NULL, &good, now));
	}
	assert_in_range(out.n - 2, 10, 15);
	assert_int_equal(cf_ice_agent_last_received_us(agent), now);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_CONNECTED);
	/* Media alone is no consent (RFC 7675 section 5.1): answers stop, and it expires. */
	for (int i = 0; i < 35 * 50; i++) {
		peer_run(agent, &out, &now, now + 20000);
		cf_ice_agent_note_received(agent, 0, &src, now);
	}
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_FAILED);
	assert_false(cf_ice_agent_selected(agent, &(struct cf_ice_path){0}));
	cf_ice_agent_free(agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_a_check),
		cmocka_unit_test(check_from_a_relay),
		cmocka_unit_test(silent_without_credentials),
		cmocka_unit_test(schedule_of_one_pair),
		cmocka_unit_test(pacing),
		cmocka_unit_test(success),
		cmocka_unit_test(nomination_is_repeated),
		cmocka_unit_test(answers_that_do_not_count),
		cmocka_unit_test(refusal_is_soft),
		cmocka_unit_test(held_up_answer),
		cmocka_unit_test(late_answer),
		cmocka_unit_test(peer_reflexive_local),
		cmocka_unit_test(trouble),
		cmocka_unit_test(permission_in_place),
		cmocka_unit_test(what_is_paired),
		cmocka_unit_test(patience),
		cmocka_unit_test(consent_interval),
		cmocka_unit_test(consent_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
