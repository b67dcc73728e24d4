/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's life: credentials, limits, restart, explanations, and life without memory. */
#include "harness/harness.h"

#include "harness/ice_peer.h"

#include "base/clock.h"
#include "base/mem.h"

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

static int add(struct cf_ice_agent *agent, const char *addr)
{
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, addr);
	int err = cf_ice_agent_add_remote(agent, &c, T0);

	peer_drain(agent, &out, T0);
	return err;
}

static void credentials(void **state)
{
	struct cf_ice_options options;
	struct cf_ice_agent *a, *b;

	(void)state;
	cf_ice_options_defaults(&options);
	a = cf_ice_agent_new(&options, T0);
	b = cf_ice_agent_new(&options, T0);
	assert_string_not_equal(cf_ice_agent_ufrag(a), cf_ice_agent_ufrag(b));
	assert_string_not_equal(cf_ice_agent_pwd(a), cf_ice_agent_pwd(b));
	/* RFC 8445 section 5.3 */
	assert_true(cf_ice_chars_valid(cf_ice_agent_ufrag(a), strlen(cf_ice_agent_ufrag(a)),
		CF_ICE_UFRAG_MIN, CF_ICE_UFRAG_MAX));
	assert_true(cf_ice_chars_valid(
		cf_ice_agent_pwd(a), strlen(cf_ice_agent_pwd(a)), CF_ICE_PWD_MIN, CF_ICE_PWD_MAX));
	assert_int_equal(cf_ice_agent_set_remote(a, "abc", PEER_PWD, false, T0), CF_EINVAL);
	assert_int_equal(cf_ice_agent_set_remote(a, PEER_UFRAG, "short", false, T0), CF_EINVAL);
	assert_int_equal(cf_ice_agent_set_remote(a, "pee:ufrag", PEER_PWD, false, T0), CF_EINVAL);
	assert_int_equal(cf_ice_agent_state(a), CF_ICE_NEW);
	assert_int_equal(cf_ice_agent_set_remote(a, PEER_UFRAG, PEER_PWD, false, T0), 0);
	assert_int_equal(cf_ice_agent_set_remote(a, PEER_UFRAG, PEER_PWD, false, T0), 0);
	assert_int_equal(cf_ice_agent_set_remote(a, "otherone", PEER_PWD, false, T0), CF_ESTATE);
	assert_int_equal(cf_ice_agent_state(a), CF_ICE_CHECKING);
	assert_null(cf_ice_agent_free(a));
	assert_null(cf_ice_agent_free(b));
	assert_null(cf_ice_agent_free(NULL));
	/* Given ones. */
	options.ufrag = "given";
	options.pwd = "0123456789012345678901";
	a = cf_ice_agent_new(&options, T0);
	assert_string_equal(cf_ice_agent_ufrag(a), "given");
	cf_ice_agent_free(a);
	options.pwd = "tooshort";
	assert_null(cf_ice_agent_new(&options, T0));
	options.pwd = NULL;
	options.ufrag = "no spaces";
	assert_null(cf_ice_agent_new(&options, T0));
}

static void refused_candidates(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, PEER);

	(void)state;
	assert_int_equal(add(agent, "10.0.0.2:0"), CF_EINVAL);
	assert_int_equal(add(agent, "0.0.0.0:5"), CF_EINVAL);
	assert_int_equal(add(agent, "224.0.0.1:5"), CF_EINVAL);
	assert_int_equal(add(agent, "[ff02::1]:5"), CF_EINVAL);
	c.component = 2;
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), CF_EINVAL);
	c.component = 1;
	c.type = 77;
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), CF_EINVAL);
	c.type = CF_ICE_HOST;
	snprintf(c.ufrag, sizeof(c.ufrag), "another");
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), CF_EEXPIRED);
	snprintf(c.ufrag, sizeof(c.ufrag), PEER_UFRAG);
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0); /* a duplicate */
	assert_true(cf_ice_agent_remote(agent, 0, &c));
	assert_false(cf_ice_agent_remote(agent, 1, &c));
	cf_ice_agent_free(agent);
}

static void limit_of_candidates(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	char addr[32];

	(void)state;
	for (int i = 0; i < CF_ICE_MAX_REMOTES; i++) {
		snprintf(addr, sizeof(addr), "10.0.4.%d:6000", i + 1);
		assert_int_equal(add(agent, addr), 0);
	}
	assert_int_equal(add(agent, "10.0.5.1:6000"), CF_ELIMIT);
	assert_int_equal(add(agent, addr), 0); /* one that is known */
	cf_ice_agent_free(agent);
}

/* The table of pairs is full: the best stay in it. */
static void limit_of_pairs(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_ice_pair_info info, last = {0};
	size_t n = 0;

	(void)state;
	for (int i = 1; i < 16; i++) {
		struct cf_ice_base_options base = {.kind = CF_ICE_BASE_RELAY_UDP};
		char addr[32];

		snprintf(addr, sizeof(addr), "192.0.2.%d:6000", i);
		base.addr = peer_addr(addr);
		if (i > 7)
			base.kind = CF_ICE_BASE_UDP;
		assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), i);
		out.n_candidates = 0;
		peer_drain(agent, &out, T0);
	}
	for (int i = 0; i < 40; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.4.%d:6000", i + 1);
		assert_int_equal(add(agent, addr), 0);
		out.n = 0;
	}
	for (; cf_ice_agent_pair(agent, n, &info); n++) {
		if (n > 0)
			assert_true(info.relays > last.relays || info.priority <= last.priority);
		assert_int_equal(info.relays, 0); /* 9 UDP bases by 40 leave no room for relays */
		last = info;
	}
	assert_int_equal(n, CF_ICE_MAX_PAIRS);
	cf_ice_agent_free(agent);
}

/* Candidates before credentials wait; those of another generation are dropped then. */
static void candidates_first(void **state)
{
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.0.1:5000")};
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, PEER);
	struct cf_ice_options options;
	struct cf_ice_agent *agent;

	(void)state;
	memset(&out, 0, sizeof(out));
	cf_ice_options_defaults(&options);
	agent = cf_ice_agent_new(&options, T0);
	assert_int_equal(add(agent, PEER), 0);
	snprintf(c.ufrag, sizeof(c.ufrag), "stale");
	c.addr = peer_addr("10.0.0.3:6000");
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 0);
	assert_int_equal(cf_ice_agent_set_remote(agent, PEER_UFRAG, PEER_PWD, false, T0), 0);
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n, 1);
	assert_true(cf_ice_agent_remote(agent, 0, &c));
	assert_false(cf_ice_agent_remote(agent, 1, &c));
	cf_ice_agent_free(agent);
}

static void restart(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr src = peer_addr(PEER);
	struct cf_stun_msg msg;
	struct cf_ice_candidate c;
	struct cf_ice_path path;
	char ufrag[32];

	(void)state;
	assert_int_equal(add(agent, PEER), 0);
	assert_int_equal(add(agent, "10.0.0.3:6000"), 0);
	assert_true(peer_answer(agent, &out, 0, NULL, &good, T0 + 1000));
	peer_drain(agent, &out, T0 + 1000);
	snprintf(ufrag, sizeof(ufrag), "%s", cf_ice_agent_ufrag(agent));
	out.n = out.n_candidates = 0;
	cf_ice_agent_restart(agent, T0 + 2000);
	peer_drain(agent, &out, T0 + 2000);
	/* New credentials, own candidates told anew, remote ones forgotten, the path kept. */
	assert_string_not_equal(ufrag, cf_ice_agent_ufrag(agent));
	assert_int_equal(out.n_candidates, 1);
	assert_string_equal(out.candidate[0].ufrag, cf_ice_agent_ufrag(agent));
	assert_false(cf_ice_agent_remote(agent, 0, &c));
	assert_true(cf_ice_agent_selected(agent, &path));
	assert_true(cf_ice_agent_accepts(agent, 0, &src));
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_CONNECTED);
	/* The new generation selects, on the same addresses. */
	assert_int_equal(cf_ice_agent_set_remote(
				 agent, "newufrag", "newpasswordnewpassword", false, T0 + 3000),
		0);
	out.n = 0;
	assert_int_equal(add(agent, PEER), 0);
	peer_parse(&out, 0, &msg);
	assert_int_equal(
		cf_stun_msg_check_integrity(&msg, cf_view_str("newpasswordnewpassword")), 0);
	out.n_selected = 0;
	assert_true(peer_answer(agent, &out, 0, NULL,
		&(struct peer_response){.pwd = "newpasswordnewpassword"}, T0 + 4000));
	peer_drain(agent, &out, T0 + 4000);
	assert_int_equal(out.n_selected, 1);
	assert_true(cf_ice_agent_accepts(agent, 0, &src));
	cf_ice_agent_free(agent);

	/* Without a path it begins from the start. */
	agent = begin(true);
	cf_ice_agent_restart(agent, T0);
	cf_ice_agent_restart(agent, T0);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_NEW);
	cf_ice_agent_free(agent);
}

static void removing_a_base(void **state)
{
	struct cf_ice_base_options more = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.9.1:5000")};
	struct cf_ice_agent *agent = begin(true);
	struct cf_ice_path path;
	int i;

	(void)state;
	assert_int_equal(cf_ice_agent_add_base(agent, &more, T0), 1);
	assert_int_equal(add(agent, PEER), 0);
	assert_int_equal(out.n, 2);
	for (i = 0; i < 2; i++)
		assert_true(peer_answer(agent, &out, (size_t)i, NULL, &good, T0 + 1000));
	peer_drain(agent, &out, T0 + 1000);
	assert_true(cf_ice_agent_selected(agent, &path));
	out.n_selected = 0;
	cf_ice_agent_remove_base(agent, path.base, T0 + 2000);
	peer_drain(agent, &out, T0 + 2000);
	assert_int_equal(out.n_selected, 1);
	assert_int_not_equal(out.path.base, path.base);
	assert_int_equal(cf_ice_agent_state(agent), CF_ICE_CONNECTED);
	cf_ice_agent_remove_base(agent, out.path.base, T0 + 2000);
	peer_drain(agent, &out, T0 + 2000);
	assert_int_equal(out.state, CF_ICE_DISCONNECTED);
	assert_false(cf_ice_agent_selected(agent, &path));
	assert_int_equal(cf_ice_agent_last_received_us(agent), 0);
	cf_ice_agent_free(agent);
}

static void why_texts(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	char why[CF_ICE_WHY_MAX], tiny[24];
	uint64_t now = T0;
	struct cf_addr src = peer_addr(PEER);

	(void)state;
	assert_non_null(strstr(cf_ice_agent_why(agent, why, sizeof(why)), "no remote candidate"));
	assert_int_equal(add(agent, PEER), 0);
	assert_non_null(strstr(cf_ice_agent_why(agent, why, sizeof(why)), "no answer to 1 check"));
	cf_ice_agent_unreachable(agent, 0, &src, CF_ICE_TROUBLE_ICMP, T0);
	assert_non_null(strstr(cf_ice_agent_why(agent, why, sizeof(why)), "ICMP"));
	peer_run(agent, &out, &now, T0 + 100000);
	{
		struct cf_ice_candidate c = peer_candidate(CF_ICE_SRFLX, "203.0.113.9:7000");

		out.n = 0;
		assert_int_equal(cf_ice_agent_add_remote(agent, &c, now), 0);
		peer_drain(agent, &out, now);
		assert_true(peer_answer(agent, &out,
			(size_t)peer_find(&out, "203.0.113.9:7000", CF_STUN_REQUEST), NULL, &good,
			now));
	}
	cf_ice_agent_why(agent, why, sizeof(why));
	assert_non_null(strstr(why, "direct through NAT over udp (host 10.0.0.1:5000 to srflx"));
	assert_non_null(
		strstr(why, "host 10.0.0.1:5000 to host 10.0.0.2:6000: destination unreach"));
	/* Cut off, never overrun. */
	for (size_t cap = 0; cap <= sizeof(tiny); cap++) {
		memset(tiny, '#', sizeof(tiny));
		cf_ice_agent_why(agent, tiny, cap);
		if (cap > 0)
			assert_true(memchr(tiny, 0, cap) != NULL);
		for (size_t k = cap; k < sizeof(tiny); k++)
			assert_int_equal(tiny[k], '#');
	}
	assert_string_equal(tiny + 20, "...");
	cf_ice_agent_free(agent);
	assert_string_equal(cf_ice_state_name(CF_ICE_COMPLETED), "completed");
	assert_string_equal(
		cf_ice_pair_error_text(CF_ICE_PAIR_LOST), "worked and then went silent");
}

static void lite_answers_only(void **state)
{
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.0.1:5000")};
	struct peer_request request = {.controlling = 5};
	struct cf_ice_options options;
	struct cf_ice_agent *agent;
	struct cf_addr src = peer_addr(PEER);
	uint64_t now = T0;

	(void)state;
	memset(&out, 0, sizeof(out));
	cf_ice_options_defaults(&options);
	options.lite = options.controlling = true;
	agent = cf_ice_agent_new(&options, T0);
	assert_false(cf_ice_agent_controlling(agent));
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 0);
	assert_int_equal(cf_ice_agent_set_remote(agent, PEER_UFRAG, PEER_PWD, false, T0), 0);
	assert_int_equal(add(agent, PEER), 0);
	peer_run(agent, &out, &now, T0 + CF_US_PER_S);
	assert_int_equal(out.n, 0);
	assert_true(peer_request(agent, 0, PEER, &request, now));
	peer_drain(agent, &out, now);
	assert_int_equal(out.n, 1);
	assert_true(cf_ice_agent_accepts(agent, 0, &src));
	assert_int_equal(out.state, CF_ICE_CHECKING);
	request.use_candidate = true;
	assert_true(peer_request(agent, 0, PEER, &request, now));
	peer_drain(agent, &out, now);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.state, CF_ICE_CONNECTED);
	peer_run(agent, &out, &now, now + 40 * CF_US_PER_S);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.state, CF_ICE_FAILED);
	cf_ice_agent_free(agent);
}

/* Packets that nobody takes do not pile up. */
static void limit_of_packets(void **state)
{
	struct cf_ice_agent *agent = begin(true);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(peer_request(agent, 0, PEER, &(struct peer_request){0}, T0));
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n, 128);
	cf_ice_agent_free(agent);
}

/* Two agents on a wire, from nothing to connected, a restart in between. */
struct wire {
	struct cf_ice_agent *agent[2];
	uint64_t now;
};

static const char *const hosts[2] = {"10.0.0.1:5000", "10.0.0.2:6000"};

static int carry(struct wire *wire, int from)
{
	struct cf_ice_agent *to = wire->agent[!from];
	struct cf_addr src;
	struct cf_ice_output o;
	int err = cf_addr_parse(&src, hosts[from], 0);

	while (err == 0 && cf_ice_agent_output(wire->agent[from], &o)) {
		if (o.kind == CF_ICE_OUT_SEND && o.addr.port == (from ? 5000 : 6000))
			(void)cf_ice_agent_input(to, 0, &src, o.data.p, o.data.len, wire->now);
		else if (o.kind == CF_ICE_OUT_LOCAL_CANDIDATE)
			err = cf_ice_agent_add_remote(to, &o.candidate, wire->now);
		if (err == CF_EEXPIRED)
			err = 0;
	}
	return err;
}

static int exchange(struct wire *wire)
{
	int err = 0;

	for (int i = 0; i < 2 && err == 0; i++) {
		struct cf_ice_agent *peer = wire->agent[!i];

		err = cf_ice_agent_set_remote(wire->agent[i], cf_ice_agent_ufrag(peer),
			cf_ice_agent_pwd(peer), false, wire->now);
	}
	for (int k = 0; k < 300 && err == 0; k++) {
		wire->now += 5000;
		for (int i = 0; i < 2 && err == 0; i++) {
			cf_ice_agent_tick(wire->agent[i], wire->now);
			err = carry(wire, i);
		}
	}
	return err;
}

static int set_up(struct wire *wire)
{
	struct cf_ice_base_options relay = {.kind = CF_ICE_BASE_RELAY_UDP};
	struct cf_addr stun;
	int err = cf_addr_parse(&stun, "192.0.2.1", 3478);

	for (int i = 0; i < 2 && err >= 0; i++) {
		struct cf_ice_base_options base = {.kind = CF_ICE_BASE_UDP};
		struct cf_ice_options options;

		cf_ice_options_defaults(&options);
		options.controlling = i == 0;
		wire->agent[i] = cf_ice_agent_new(&options, wire->now);
		if (!wire->agent[i])
			return CF_ENOMEM;
		err = cf_addr_parse(&base.addr, hosts[i], 0);
		if (err >= 0)
			err = cf_ice_agent_add_base(wire->agent[i], &base, wire->now);
		if (err >= 0)
			err = cf_addr_parse(&relay.addr, "192.0.2.9", (uint16_t)(7000 + i));
		if (err >= 0)
			err = cf_ice_agent_add_base(wire->agent[i], &relay, wire->now);
		if (err >= 0)
			err = cf_ice_agent_add_stun_server(wire->agent[i], &stun, wire->now);
	}
	return err < 0 ? err : 0;
}

static int whole_life(void *arg)
{
	struct wire wire = {.now = T0};
	int err = set_up(&wire);

	(void)arg;
	if (err == 0)
		err = exchange(&wire);
	for (int i = 0; i < 2 && err == 0; i++)
		if (cf_ice_agent_state(wire.agent[i]) != CF_ICE_CONNECTED)
			err = CF_ENOMEM; /* for want of packets */
	for (int i = 0; i < 2 && err == 0; i++)
		cf_ice_agent_restart(wire.agent[i], wire.now);
	if (err == 0)
		err = exchange(&wire);
	cf_ice_agent_free(wire.agent[0]);
	cf_ice_agent_free(wire.agent[1]);
	return err;
}

/* Every allocation of all that may fail from there on, about 500 of them. */
static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(whole_life, NULL, 0);
}

/* Without memory a candidate or base is refused whole: nothing of it stays. */
static void failures_are_told(void **state)
{
	struct cf_ice_base_options more = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.9.1:5000")};
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, PEER), seen;
	struct cf_ice_pair_info info;
	struct cf_ice_agent *agent = begin(true);
	int err = CF_ENOMEM;
	long n;

	(void)state;
	/* The remote candidate, its pair, and the table's first slots. */
	for (n = 0; n < 3; n++) {
		cf_mem_fail_after(n);
		err = cf_ice_agent_add_remote(agent, &c, T0);
		cf_mem_fail_after(-1);
		assert_int_equal(err, CF_ENOMEM);
		assert_false(cf_ice_agent_remote(agent, 0, &seen));
		assert_false(cf_ice_agent_pair(agent, 0, &info));
	}
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	/* The local candidate and its pair. */
	for (n = 0; n < 2; n++) {
		cf_mem_fail_after(n);
		err = cf_ice_agent_add_base(agent, &more, T0);
		cf_mem_fail_after(-1);
		assert_int_equal(err, CF_ENOMEM);
		assert_false(cf_ice_agent_local(agent, 1, &seen));
		assert_false(cf_ice_agent_pair(agent, 1, &info));
	}
	assert_true(cf_ice_agent_add_base(agent, &more, T0) > 0);
	assert_true(cf_ice_agent_pair(agent, 1, &info));
	cf_ice_agent_free(agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credentials),
		cmocka_unit_test(refused_candidates),
		cmocka_unit_test(limit_of_candidates),
		cmocka_unit_test(limit_of_pairs),
		cmocka_unit_test(candidates_first),
		cmocka_unit_test(restart),
		cmocka_unit_test(removing_a_base),
		cmocka_unit_test(why_texts),
		cmocka_unit_test(lite_answers_only),
		cmocka_unit_test(limit_of_packets),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
