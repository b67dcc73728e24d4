/* SPDX-License-Identifier: Apache-2.0 */
/* Bases, local candidates, STUN servers. */
#include "harness/harness.h"

#include "harness/ice_peer.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define T0 (5 * CF_US_PER_S)
#define SERVER "192.0.2.1:3478"

static struct peer_out out;

static struct cf_ice_agent *begin(enum cf_ice_policy policy)
{
	struct cf_ice_options options;
	struct cf_ice_agent *agent;

	memset(&out, 0, sizeof(out));
	cf_ice_options_defaults(&options);
	options.policy = policy;
	agent = cf_ice_agent_new(&options, T0);
	assert_non_null(agent);
	return agent;
}

static int add_base(struct cf_ice_agent *agent, enum cf_ice_base_kind kind, const char *addr)
{
	struct cf_ice_base_options base = {.kind = kind, .addr = peer_addr(addr)};
	int id = cf_ice_agent_add_base(agent, &base, T0);

	peer_drain(agent, &out, T0);
	return id;
}

static void add_server(struct cf_ice_agent *agent, const char *text)
{
	struct cf_addr server = peer_addr(text);

	assert_int_equal(cf_ice_agent_add_stun_server(agent, &server, T0), 0);
	peer_drain(agent, &out, T0);
}

static void answer(struct cf_ice_agent *agent, size_t i, const char *mapped, uint64_t now_us)
{
	struct cf_addr addr = peer_addr(mapped);
	struct peer_response response = {.mapped = &addr, .pwd = ""};

	assert_true(peer_answer(agent, &out, i, NULL, &response, now_us));
	peer_drain(agent, &out, now_us);
}

static void candidates_of_bases(void **state)
{
	static const struct {
		enum cf_ice_base_kind kind;
		const char *addr;
		enum cf_ice_type type;
		enum cf_ice_transport transport;
		uint32_t preference;
		uint16_t port;
	} rows[] = {
		{CF_ICE_BASE_UDP, "10.0.0.1:5000", CF_ICE_HOST, CF_ICE_UDP, 126, 5000},
		{CF_ICE_BASE_UDP, "[2001:db8::1]:5000", CF_ICE_HOST, CF_ICE_UDP, 126, 5000},
		{CF_ICE_BASE_TCP_ACTIVE, "10.0.0.1:5001", CF_ICE_HOST, CF_ICE_TCP_ACTIVE, 90, 9},
		{CF_ICE_BASE_TCP_PASSIVE, "10.0.0.1:5002", CF_ICE_HOST, CF_ICE_TCP_PASSIVE, 90,
			5002},
		{CF_ICE_BASE_RELAY_UDP, "192.0.2.9:6000", CF_ICE_RELAY, CF_ICE_UDP, 2, 6000},
		{CF_ICE_BASE_RELAY_TCP, "192.0.2.9:6001", CF_ICE_RELAY, CF_ICE_UDP, 1, 6001},
		{CF_ICE_BASE_RELAY_TLS, "192.0.2.9:6002", CF_ICE_RELAY, CF_ICE_UDP, 0, 6002},
	};
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		const struct cf_ice_candidate *c = &out.candidate[i];

		assert_int_equal(add_base(agent, rows[i].kind, rows[i].addr), i);
		assert_int_equal(out.n_candidates, i + 1); /* at once */
		assert_int_equal(c->type, rows[i].type);
		assert_int_equal(c->transport, rows[i].transport);
		assert_int_equal(c->priority >> 24, rows[i].preference);
		assert_int_equal(c->addr.port, rows[i].port);
		assert_string_equal(c->ufrag, cf_ice_agent_ufrag(agent));
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(c->priority, out.candidate[k].priority);
			assert_string_not_equal(c->foundation, out.candidate[k].foundation);
		}
	}
	/* RFC 8421: IPv6 first. */
	assert_true(out.candidate[1].priority > out.candidate[0].priority);
	assert_false(out.gathered);
	cf_ice_agent_bases_done(agent, T0);
	peer_drain(agent, &out, T0);
	assert_true(out.gathered);
	cf_ice_agent_free(agent);
}

static void refused_bases(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	struct cf_ice_base_options base = {.kind = (enum cf_ice_base_kind)77};

	(void)state;
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), CF_EINVAL);
	base.kind = CF_ICE_BASE_UDP;
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), CF_EINVAL);
	for (int i = 0; i < CF_ICE_MAX_BASES; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.0.%d:5000", i + 1);
		assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, addr), i);
		assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, addr), CF_EEXIST);
	}
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.1.1:1"), CF_ELIMIT);
	/* A place becomes free; the number is a new one. */
	cf_ice_agent_remove_base(agent, 3, T0);
	cf_ice_agent_remove_base(agent, 3, T0);
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.1.1:1"), CF_ICE_MAX_BASES);
	cf_ice_agent_free(agent);
	agent = begin(CF_ICE_POLICY_RELAY);
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.1.1:1"), CF_EDENIED);
	assert_int_equal(add_base(agent, CF_ICE_BASE_RELAY_UDP, "192.0.2.1:1"), 0);
	cf_ice_agent_free(agent);
	agent = begin(CF_ICE_POLICY_DIRECT);
	assert_int_equal(add_base(agent, CF_ICE_BASE_RELAY_TLS, "192.0.2.1:1"), CF_EDENIED);
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.1.1:1"), 0);
	cf_ice_agent_free(agent);
}

static void asks_a_server(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	struct cf_stun_msg msg;
	char ip[CF_ADDR_TEXT_MAX];

	(void)state;
	/* Server first or base first, and families apart. */
	add_server(agent, SERVER);
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.0.1:5000"), 0);
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "[2001:db8::1]:5000"), 1);
	assert_int_equal(add_base(agent, CF_ICE_BASE_RELAY_UDP, "192.0.2.9:5000"), 2);
	assert_int_equal(out.n, 1);
	peer_parse(&out, 0, &msg);
	assert_false(cf_stun_msg_has(&msg, CF_STUN_USERNAME));
	assert_false(cf_stun_msg_has(&msg, CF_STUN_SOFTWARE));
	cf_ice_agent_bases_done(agent, T0);
	peer_drain(agent, &out, T0);
	assert_false(out.gathered);
	out.n_candidates = 0;
	answer(agent, 0, "198.51.100.7:40000", T0 + 1000);
	assert_int_equal(out.n_candidates, 1);
	assert_true(out.gathered);
	assert_int_equal(out.candidate[0].type, CF_ICE_SRFLX);
	assert_string_equal(cf_addr_text(&out.candidate[0].addr, ip), "198.51.100.7:40000");
	assert_string_equal(cf_addr_text(&out.candidate[0].related, ip), "10.0.0.1:5000");
	/* The same answer once more: not waited for any longer. */
	answer(agent, 0, "198.51.100.7:40001", T0 + 1000);
	assert_int_equal(out.n_candidates, 1);
	cf_ice_agent_free(agent);
}

/* RFC 8445 section 5.1.3 */
static void redundant_ones_are_left_out(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	struct cf_addr mapped = peer_addr("198.51.100.7:40000");

	(void)state;
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "198.51.100.5:5000"), 0);
	add_server(agent, SERVER);
	add_server(agent, "192.0.2.2:3478");
	add_server(agent, SERVER); /* known */
	assert_int_equal(out.n, 2);
	out.n_candidates = 0;
	answer(agent, 0, "198.51.100.5:5000", T0); /* no NAT */
	assert_int_equal(out.n_candidates, 0);
	answer(agent, 1, "198.51.100.7:40000", T0);
	assert_int_equal(out.n_candidates, 1);
	assert_int_equal(cf_ice_agent_add_mapped(agent, 0, &mapped, NULL, T0), 0);
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n_candidates, 1);
	mapped.port++;
	assert_int_equal(cf_ice_agent_add_mapped(agent, 0, &mapped, NULL, T0), 0);
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n_candidates, 2);
	assert_int_equal(cf_ice_agent_add_mapped(agent, 5, &mapped, NULL, T0), CF_EINVAL);
	cf_ice_agent_free(agent);
}

static void a_silent_server_is_given_up(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	struct cf_addr server = peer_addr(SERVER);
	uint64_t now = T0;

	(void)state;
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.0.1:5000"), 0);
	add_server(agent, SERVER);
	cf_ice_agent_bases_done(agent, T0);
	peer_run(agent, &out, &now, T0 + 2 * CF_US_PER_S);
	assert_int_equal(out.n, 5);
	assert_int_equal(out.packet[1].at - out.packet[0].at, 100000);
	assert_memory_equal(out.packet[0].data, out.packet[4].data, out.packet[0].len);
	assert_false(out.gathered);
	peer_run(agent, &out, &now, T0 + 3 * CF_US_PER_S);
	assert_true(out.gathered);
	/* Asked again later; an answer then is worth a candidate still. */
	out.n = out.n_candidates = 0;
	peer_run(agent, &out, &now, T0 + 14 * CF_US_PER_S);
	assert_in_range(out.n, 1, 3);
	answer(agent, out.n - 1, "198.51.100.7:40000", now);
	assert_int_equal(out.n_candidates, 1);
	cf_ice_agent_free(agent);

	/* ICMP makes it quicker. */
	agent = begin(CF_ICE_POLICY_ALL);
	now = T0;
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.0.1:5000"), 0);
	add_server(agent, SERVER);
	cf_ice_agent_bases_done(agent, T0);
	cf_ice_agent_unreachable(agent, 0, &server, CF_ICE_TROUBLE_ICMP, T0);
	peer_run(agent, &out, &now, T0 + 150000);
	assert_false(out.gathered);
	cf_ice_agent_unreachable(agent, 0, &server, CF_ICE_TROUBLE_ICMP, now);
	peer_drain(agent, &out, now);
	assert_true(out.gathered);
	cf_ice_agent_free(agent);
}

/* The mapping is kept alive, and a new one is told. */
static void keeps_the_mapping(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	uint64_t now = T0;

	(void)state;
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.0.1:5000"), 0);
	add_server(agent, SERVER);
	answer(agent, 0, "198.51.100.7:40000", T0);
	out.n_candidates = 0;
	for (int i = 0; i < 6; i++) {
		out.n = 0;
		peer_run(agent, &out, &now, now + 10 * CF_US_PER_S);
		assert_int_equal(out.n, 1);
		answer(agent, 0, i < 3 ? "198.51.100.7:40000" : "198.51.100.7:41000", now);
		assert_int_equal(out.n_candidates, i >= 3);
	}
	cf_ice_agent_free(agent);
}

static void bad_servers(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);
	struct cf_addr server = {0};
	struct cf_addr mapped = peer_addr("[2001:db8::9]:7");

	(void)state;
	assert_int_equal(cf_ice_agent_add_stun_server(agent, &server, T0), CF_EINVAL);
	server = peer_addr("192.0.2.1:0");
	assert_int_equal(cf_ice_agent_add_stun_server(agent, &server, T0), CF_EINVAL);
	for (uint16_t i = 1; i <= CF_ICE_MAX_SERVERS; i++) {
		server.port = i;
		assert_int_equal(cf_ice_agent_add_stun_server(agent, &server, T0), 0);
	}
	server.port = 99;
	assert_int_equal(cf_ice_agent_add_stun_server(agent, &server, T0), CF_ELIMIT);
	/* Answers that make no sense: an error, the wrong family, the wrong sender. */
	assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, "10.0.0.1:5000"), 0);
	out.n_candidates = 0;
	assert_true(peer_answer(
		agent, &out, 0, NULL, &(struct peer_response){.mapped = &mapped, .pwd = ""}, T0));
	assert_true(peer_answer(
		agent, &out, 1, NULL, &(struct peer_response){.error = 500, .pwd = ""}, T0));
	assert_true(peer_answer(
		agent, &out, 2, "192.0.2.77:3", &(struct peer_response){.pwd = ""}, T0));
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n_candidates, 0);
	cf_ice_agent_free(agent);
}

/* The burst is shared: eight servers and many bases do not flood. */
static void gathering_is_paced(void **state)
{
	struct cf_ice_agent *agent = begin(CF_ICE_POLICY_ALL);

	(void)state;
	for (int i = 0; i < 8; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "192.0.2.%d:3478", i + 1);
		add_server(agent, addr);
	}
	for (int i = 0; i < 8; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.0.%d:5000", i + 1);
		assert_int_equal(add_base(agent, CF_ICE_BASE_UDP, addr), i);
	}
	assert_int_equal(out.n, 10);
	cf_ice_agent_free(agent);
}

/* Met as peer-reflexive before the server's answer: it becomes reflexive, and is told. */
static void peer_was_faster_than_the_server(void **state)
{
	struct cf_ice_agent *agent = peer_agent(true, T0);
	struct cf_addr mapped = peer_addr("198.51.100.7:40000");
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, "203.0.113.2:6000");
	int i;

	(void)state;
	memset(&out, 0, sizeof(out));
	add_server(agent, SERVER);
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	peer_drain(agent, &out, T0);
	i = peer_find(&out, "203.0.113.2:6000", CF_STUN_REQUEST);
	assert_true(peer_answer(
		agent, &out, (size_t)i, NULL, &(struct peer_response){.mapped = &mapped}, T0));
	peer_drain(agent, &out, T0);
	assert_int_equal(out.path.local.type, CF_ICE_PRFLX);
	out.n_candidates = 0;
	i = peer_find(&out, SERVER, CF_STUN_REQUEST);
	answer(agent, (size_t)i, "198.51.100.7:40000", T0);
	assert_int_equal(out.n_candidates, 1);
	assert_int_equal(out.candidate[0].type, CF_ICE_SRFLX);
	cf_ice_agent_free(agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_of_bases),
		cmocka_unit_test(refused_bases),
		cmocka_unit_test(asks_a_server),
		cmocka_unit_test(redundant_ones_are_left_out),
		cmocka_unit_test(a_silent_server_is_given_up),
		cmocka_unit_test(keeps_the_mapping),
		cmocka_unit_test(bad_servers),
		cmocka_unit_test(gathering_is_paced),
		cmocka_unit_test(peer_was_faster_than_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
