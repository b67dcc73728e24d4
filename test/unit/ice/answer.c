/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent answers to whom: authentication, errors, limits, roles, nomination by the peer. */
#include "harness/harness.h"

#include "harness/ice_peer.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define T0 (5 * CF_US_PER_S)
#define PEER "10.0.0.2:6000"

static struct peer_out out;

static struct cf_ice_agent *begin(bool controlling)
{
	struct cf_ice_agent *agent = peer_agent(controlling, T0);

	memset(&out, 0, sizeof(out));
	peer_drain(agent, &out, T0);
	out.n = 0;
	return agent;
}

/* The error code of the only packet put out; 0 for a success, -1 for silence. */
static int answer_to(struct cf_ice_agent *agent, const struct peer_request *request)
{
	struct cf_stun_msg msg;
	uint16_t code;
	int i;

	out.n = 0;
	assert_true(peer_request(agent, 0, PEER, request, T0));
	peer_drain(agent, &out, T0);
	i = peer_find(&out, PEER, CF_STUN_SUCCESS);
	if (i >= 0)
		return 0;
	i = peer_find(&out, PEER, CF_STUN_ERROR);
	if (i < 0)
		return -1;
	peer_parse(&out, (size_t)i, &msg);
	assert_int_equal(cf_stun_msg_error(&msg, &code, NULL), 0);
	return code;
}

static void who_is_answered(void **state)
{
	static const struct {
		struct peer_request request;
		int code;
	} rows[] = {
		{{.user = "", .pwd = ""}, 400},
		{{.pwd = ""}, 400},
		{{.user = ""}, 400},
		{{.user = "stranger:peerufrg"}, 401},
		{{.user = "nocolon"}, 401},
		{{.user = ":"}, 401},
		{{.pwd = "wrongwrongwrongwrongwrong"}, 401},
		{{.extra = 0x0077}, 420},
		{{.extra = 0x8077}, 0},
		{{.no_priority = true}, 0},
		{{.controlled = 5}, 0},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_ice_agent *agent = begin(true);

		if (answer_to(agent, &rows[i].request) != rows[i].code)
			fail_msg("row %zu: %d", i, answer_to(agent, &rows[i].request));
		/* Whom we do not know leaves no trace. */
		if (rows[i].code != 0) {
			struct cf_ice_pair_info info;
			struct cf_addr src = peer_addr(PEER);

			assert_false(cf_ice_agent_pair(agent, 0, &info));
			assert_false(cf_ice_agent_accepts(agent, 0, &src));
		}
		cf_ice_agent_free(agent);
	}
}

static void the_answer(void **state)
{
	struct cf_ice_agent *agent;
	struct cf_stun_msg msg;
	struct cf_addr mapped, src = peer_addr(PEER);

	(void)state;
	for (int sha256 = 0; sha256 < 2; sha256++) {
		struct peer_request request = {.sha256 = sha256};
		struct cf_view pwd;

		agent = begin(true);
		pwd = cf_view_str(cf_ice_agent_pwd(agent));
		assert_int_equal(answer_to(agent, &request), 0);
		peer_parse(&out, (size_t)peer_find(&out, PEER, CF_STUN_SUCCESS), &msg);
		assert_int_equal(
			cf_stun_msg_xor_addr(&msg, CF_STUN_XOR_MAPPED_ADDRESS, &mapped), 0);
		assert_true(cf_addr_eq(&mapped, &src));
		/* In kind. */
		assert_int_equal(cf_stun_msg_check_integrity(&msg, pwd), sha256 ? CF_ENOTFOUND : 0);
		assert_int_equal(
			cf_stun_msg_check_integrity_sha256(&msg, pwd), sha256 ? 0 : CF_ENOTFOUND);
		assert_true(cf_stun_msg_has(&msg, CF_STUN_FINGERPRINT));
		/* And the triggered check goes back to where it came from. */
		assert_true(peer_find(&out, PEER, CF_STUN_REQUEST) >= 0);
		assert_int_equal(out.n, 2);
		cf_ice_agent_free(agent);
	}
}

static void strangers_get_few_answers(void **state)
{
	static const struct peer_request request = {.pwd = ""};
	struct cf_ice_agent *agent = begin(true);
	size_t sent = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		out.n = 0;
		assert_true(peer_request(agent, 0, PEER, &request, T0 + (uint64_t)i * 1000));
		peer_drain(agent, &out, T0);
		for (size_t k = 0; k < out.n; k++)
			assert_true(out.packet[k].len <= 64);
		sent += out.n;
	}
	assert_int_equal(sent, 10);
	cf_ice_agent_free(agent);
}

static void not_ours(void **state)
{
	static const uint8_t rtp[] = {
		0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	static const struct peer_request request = {0};
	struct cf_ice_agent *agent = begin(true);
	struct cf_addr src = peer_addr(PEER);
	struct cf_stun_writer w;
	uint8_t msg[64], tid[CF_STUN_TID_LEN] = {1};
	int len;

	(void)state;
	assert_false(cf_ice_agent_input(agent, 0, &src, rtp, sizeof(rtp), T0));
	assert_false(cf_ice_agent_input(agent, 0, &src, rtp, 0, T0));
	/* TURN's answers are the TURN client's. */
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_SUCCESS, CF_TURN_ALLOCATE, tid);
	len = cf_stun_write_end(&w);
	assert_false(cf_ice_agent_input(agent, 0, &src, msg, (size_t)len, T0));
	/* No such base. */
	assert_false(peer_request(agent, 7, PEER, &request, T0));
	/* An answer to nothing, an indication: ours, and without effect. */
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_SUCCESS, CF_STUN_BINDING, tid);
	len = cf_stun_write_end(&w);
	assert_true(cf_ice_agent_input(agent, 0, &src, msg, (size_t)len, T0));
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_INDICATION, CF_STUN_BINDING, tid);
	len = cf_stun_write_end(&w);
	assert_true(cf_ice_agent_input(agent, 0, &src, msg, (size_t)len, T0));
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n, 0);
	cf_ice_agent_free(agent);
}

static void peer_reflexive_limit(void **state)
{
	static const struct peer_request request = {0};
	struct cf_ice_agent *agent = begin(true);
	struct cf_ice_candidate c;
	struct cf_ice_pair_info info;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char src[32];

		snprintf(src, sizeof(src), "10.0.1.%d:6000", i + 1);
		out.n = 0;
		assert_true(peer_request(agent, 0, src, &request, T0 + (uint64_t)i * 100000));
		peer_drain(agent, &out, T0);
		assert_true(peer_find(&out, src, CF_STUN_SUCCESS) >= 0);
	}
	while (cf_ice_agent_remote(agent, n, &c)) {
		assert_int_equal(c.type, CF_ICE_PRFLX);
		n++;
	}
	assert_int_equal(n, 16);
	assert_true(cf_ice_agent_pair(agent, 15, &info));
	assert_false(cf_ice_agent_pair(agent, 16, &info));
	cf_ice_agent_free(agent);
}

/* RFC 8445 section 7.3.1.4: checks that come before the answer are answered and remembered. */
static void early_checks(void **state)
{
	static const struct peer_request request = {.controlling = 9, .use_candidate = true};
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.0.1:5000")};
	struct cf_ice_options options;
	struct cf_ice_agent *agent;
	struct cf_ice_candidate c;
	struct cf_stun_msg msg;
	struct cf_view user;
	char wanted[64];
	int i;

	(void)state;
	memset(&out, 0, sizeof(out));
	cf_ice_options_defaults(&options);
	agent = cf_ice_agent_new(&options, T0);
	assert_non_null(agent);
	assert_int_equal(cf_ice_agent_add_base(agent, &base, T0), 0);
	for (int k = 0; k < 40; k++) {
		char src[32];

		snprintf(src, sizeof(src), "10.0.2.%d:6000", k + 1);
		assert_true(peer_request(agent, 0, src, &request, T0));
		assert_true(peer_request(agent, 0, src, &request, T0));
	}
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n, 80); /* answers, and no checks of ours yet */
	assert_false(cf_ice_agent_remote(agent, 0, &c));
	out.n = 0;
	assert_int_equal(cf_ice_agent_set_remote(agent, PEER_UFRAG, PEER_PWD, false, T0), 0);
	peer_drain(agent, &out, T0);
	assert_int_equal(out.n, 10); /* the burst */
	i = peer_find(&out, "10.0.2.1:6000", CF_STUN_REQUEST);
	assert_int_equal(i, 0);
	peer_parse(&out, 0, &msg);
	assert_true(cf_stun_msg_attr(&msg, CF_STUN_USERNAME, &user));
	snprintf(wanted, sizeof(wanted), "%s:%s", PEER_UFRAG, cf_ice_agent_ufrag(agent));
	assert_true(cf_view_is(user, wanted));
	assert_int_equal(cf_stun_msg_check_integrity(&msg, cf_view_str(PEER_PWD)), 0);
	assert_true(cf_ice_agent_remote(agent, 15, &c));
	assert_false(cf_ice_agent_remote(agent, 16, &c)); /* the limit of what is remembered */
	/* USE-CANDIDATE counted: the first success selects. */
	assert_true(peer_answer(agent, &out, 0, NULL, &(struct peer_response){0}, T0 + 500));
	peer_drain(agent, &out, T0 + 500);
	assert_int_equal(out.state, CF_ICE_CONNECTED);
	cf_ice_agent_free(agent);
}

static uint64_t tie_breaker_of(struct cf_ice_agent *agent)
{
	struct cf_stun_msg msg;
	uint64_t value = 0;
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, "10.0.0.77:1");

	out.n = 0;
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	peer_drain(agent, &out, T0);
	peer_parse(&out, 0, &msg);
	assert_int_equal(
		cf_stun_msg_u64(&msg,
			cf_ice_agent_controlling(agent) ? CF_ICE_CONTROLLING : CF_ICE_CONTROLLED,
			&value),
		0);
	return value;
}

/* RFC 8445 section 7.3.1.1, all four cases and equality. */
static void role_conflicts(void **state)
{
	(void)state;
	for (int controlling = 0; controlling < 2; controlling++)
		for (int delta = -1; delta <= 1; delta++) {
			struct cf_ice_agent *agent = begin(controlling);
			uint64_t ours = tie_breaker_of(agent);
			uint64_t theirs = ours + (uint64_t)(int64_t)delta;
			struct peer_request request = {.controlling = controlling ? theirs : 0,
				.controlled = controlling ? 0 : theirs};
			bool refuse = controlling ? delta <= 0 : delta > 0;

			assert_int_equal(answer_to(agent, &request), refuse ? 487 : 0);
			assert_int_equal(cf_ice_agent_controlling(agent),
				refuse ? controlling : !controlling);
			cf_ice_agent_free(agent);
		}
}

/* 487 to our check: the role changes once, with a new tie-breaker, and the check is repeated. */
static void told_of_a_conflict(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_ice_candidate c = peer_candidate(CF_ICE_HOST, PEER);
	struct peer_response conflict = {.error = 487};
	struct cf_stun_msg msg;
	uint64_t now = T0;

	(void)state;
	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	peer_run(agent, &out, &now, T0 + 60000);
	assert_int_equal(out.n, 2);
	/* One that is not authentic changes nothing. */
	assert_true(peer_answer(
		agent, &out, 0, NULL, &(struct peer_response){.error = 487, .pwd = ""}, now));
	assert_true(cf_ice_agent_controlling(agent));
	assert_true(peer_answer(agent, &out, 0, NULL, &conflict, now));
	assert_false(cf_ice_agent_controlling(agent));
	/* The answer to the other check of the old role. */
	assert_true(peer_answer(agent, &out, 1, NULL, &conflict, now));
	assert_false(cf_ice_agent_controlling(agent));
	peer_drain(agent, &out, now);
	peer_parse(&out, 2, &msg);
	assert_true(cf_stun_msg_has(&msg, CF_ICE_CONTROLLED));
	assert_false(cf_stun_msg_has(&msg, CF_ICE_CONTROLLING));
	cf_ice_agent_free(agent);
}

static void validate(struct cf_ice_agent *agent, const char *addr)
{
	int i = peer_find(&out, addr, CF_STUN_REQUEST);

	assert_true(i >= 0);
	assert_true(
		peer_answer(agent, &out, (size_t)i, NULL, &(struct peer_response){0}, T0 + 100));
	peer_drain(agent, &out, T0 + 100);
}

static void add(struct cf_ice_agent *agent, enum cf_ice_type type, const char *addr)
{
	struct cf_ice_candidate c = peer_candidate(type, addr);

	assert_int_equal(cf_ice_agent_add_remote(agent, &c, T0), 0);
	peer_drain(agent, &out, T0);
}

static bool uses(const struct cf_ice_agent *agent, const char *addr)
{
	struct cf_addr wanted = peer_addr(addr);
	struct cf_ice_path path;

	return cf_ice_agent_selected(agent, &path) && cf_addr_eq(&path.to, &wanted);
}

/* Aggressive nomination as in RFC 5245: every check carries USE-CANDIDATE; the best one counts. */
static void aggressive_peer(void **state)
{
	static const struct peer_request nominate = {.controlling = 3, .use_candidate = true};
	struct cf_ice_agent *agent = begin(false);

	(void)state;
	add(agent, CF_ICE_RELAY, "192.0.2.9:7000");
	add(agent, CF_ICE_SRFLX, "203.0.113.9:7001");
	add(agent, CF_ICE_HOST, PEER);
	/* Data can go at once over the first valid pair, nominated or not. */
	validate(agent, "192.0.2.9:7000");
	assert_true(uses(agent, "192.0.2.9:7000"));
	assert_int_equal(out.state, CF_ICE_CHECKING);
	assert_true(peer_request(agent, 0, "192.0.2.9:7000", &nominate, T0 + 200));
	peer_drain(agent, &out, T0 + 200);
	assert_int_equal(out.state, CF_ICE_CONNECTED);
	assert_true(peer_request(agent, 0, PEER, &nominate, T0 + 200));
	assert_true(uses(agent, "192.0.2.9:7000")); /* not valid yet */
	validate(agent, PEER);
	assert_true(uses(agent, PEER));
	/* A worse one nominated later does not win. */
	validate(agent, "203.0.113.9:7001");
	assert_true(peer_request(agent, 0, "203.0.113.9:7001", &nominate, T0 + 300));
	assert_true(uses(agent, PEER));
	cf_ice_agent_free(agent);
}

/* Renomination: the higher counter wins, whatever the priorities. */
static void renominating_peer(void **state)
{
	struct peer_request nominate = {.controlling = 3, .use_candidate = true, .nomination = 1};
	struct cf_ice_agent *agent = begin(false);

	(void)state;
	add(agent, CF_ICE_SRFLX, "203.0.113.9:7001");
	add(agent, CF_ICE_HOST, PEER);
	validate(agent, PEER);
	validate(agent, "203.0.113.9:7001");
	assert_true(peer_request(agent, 0, PEER, &nominate, T0 + 300));
	assert_true(uses(agent, PEER));
	nominate.nomination = 2;
	assert_true(peer_request(agent, 0, "203.0.113.9:7001", &nominate, T0 + 400));
	assert_true(uses(agent, "203.0.113.9:7001"));
	nominate.nomination = 3;
	assert_true(peer_request(agent, 0, PEER, &nominate, T0 + 500));
	assert_true(uses(agent, PEER));
	cf_ice_agent_free(agent);
}

/* A controlling agent does not let the peer nominate. */
static void nomination_is_the_controllers(void **state)
{
	static const struct peer_request nominate = {.controlled = 3, .use_candidate = true};
	struct cf_ice_agent *agent = begin(true);

	(void)state;
	add(agent, CF_ICE_RELAY, "192.0.2.9:7000");
	add(agent, CF_ICE_HOST, PEER);
	assert_true(peer_request(agent, 0, "192.0.2.9:7000", &nominate, T0 + 10));
	peer_drain(agent, &out, T0 + 10);
	validate(agent, "192.0.2.9:7000");
	assert_int_equal(out.state, CF_ICE_CHECKING);
	cf_ice_agent_free(agent);
}

/* The peer's relayed candidate is met before it is signalled: a relay all the same. */
static void relayed_peer_reflexive(void **state)
{
	struct peer_request request = {
		.controlling = 3, .use_candidate = true, .priority = cf_ice_priority(2, 65535)};
	struct cf_ice_agent *agent = begin(false);
	struct cf_ice_path path;

	(void)state;
	assert_true(peer_request(agent, 0, "192.0.2.9:7000", &request, T0));
	peer_drain(agent, &out, T0);
	validate(agent, "192.0.2.9:7000");
	assert_true(cf_ice_agent_selected(agent, &path));
	assert_int_equal(path.kind, CF_ICE_PATH_RELAYED);
	assert_int_equal(path.relays, 1);
	assert_int_equal(path.remote.type, CF_ICE_PRFLX);
	/* Signalled: described anew. */
	out.n_selected = 0;
	add(agent, CF_ICE_RELAY, "192.0.2.9:7000");
	assert_int_equal(out.n_selected, 1);
	assert_int_equal(out.path.remote.type, CF_ICE_RELAY);
	assert_true(cf_ice_agent_remote(agent, 0, &(struct cf_ice_candidate){0}));
	assert_false(cf_ice_agent_remote(agent, 1, &(struct cf_ice_candidate){0}));
	cf_ice_agent_free(agent);
}

static void peeks_at_the_ufrag(void **state)
{
	struct cf_ice_agent *agent = begin(true);
	struct cf_view ufrag;

	(void)state;
	add(agent, CF_ICE_HOST, PEER);
	assert_int_equal(cf_ice_peek_ufrag(out.packet[0].data, out.packet[0].len, &ufrag), 0);
	assert_true(cf_view_is(ufrag, PEER_UFRAG));
	assert_int_equal(cf_ice_peek_ufrag("abc", 3, &ufrag), CF_EBADMSG);
	assert_int_equal(
		cf_ice_peek_ufrag(out.packet[0].data, out.packet[0].len - 4, &ufrag), CF_EBADMSG);
	assert_true(peer_request(agent, 0, PEER, &(struct peer_request){0}, T0));
	out.n = 0;
	peer_drain(agent, &out, T0);
	assert_int_equal(
		cf_ice_peek_ufrag(out.packet[0].data, out.packet[0].len, &ufrag), CF_ENOTFOUND);
	cf_ice_agent_free(agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_answered),
		cmocka_unit_test(the_answer),
		cmocka_unit_test(strangers_get_few_answers),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(peer_reflexive_limit),
		cmocka_unit_test(early_checks),
		cmocka_unit_test(role_conflicts),
		cmocka_unit_test(told_of_a_conflict),
		cmocka_unit_test(aggressive_peer),
		cmocka_unit_test(renominating_peer),
		cmocka_unit_test(nomination_is_the_controllers),
		cmocka_unit_test(relayed_peer_reflexive),
		cmocka_unit_test(peeks_at_the_ufrag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
