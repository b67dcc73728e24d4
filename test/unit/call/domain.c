/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/call/world.h"

#include <stdlib.h>

static struct world w;
static char id[CF_CALL_ID_MAX];

static int setup(void **state)
{
	(void)state;
	return world_open(&w, NULL);
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static enum cf_call_state state_of(const char *call_id)
{
	struct cf_call_view view;

	assert_int_equal(cf_call_look(w.domain, call_id, &view), 0);
	return view.state;
}

/* ---- budgets ---- */

static void budget_low(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	struct cf_call_budget_low low = {"user", BOB, 80, 100};

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	cf_call_relay_budget_low(w.domain, id, &low, w.now); /* rings only: no part in it yet */
	world_quiet(&w);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	cf_call_relay_budget_low(w.domain, id, &low, w.now);
	world_expect(&w, bob, CF_CALL_EV_BUDGET_LOW);
	world_quiet(&w);
	low.budget = "call";
	cf_call_relay_budget_low(w.domain, id, &low, w.now);
	world_expect(&w, alice, CF_CALL_EV_BUDGET_LOW);
	world_expect(&w, bob, CF_CALL_EV_BUDGET_LOW);
	low = (struct cf_call_budget_low){"resource", ALICE, 80, 100};
	cf_call_relay_budget_low(w.domain, id, &low, w.now);
	world_expect(&w, alice, CF_CALL_EV_BUDGET_LOW);
	world_quiet(&w);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	cf_call_relay_budget_low(w.domain, id, &low, w.now);
	cf_call_relay_budget_low(w.domain, "nothing", &low, w.now);
	world_quiet(&w);
}

/* ---- answering ---- */

static void accepted(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	const struct seen *s;
	struct cf_call_view view;
	struct people people;

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_true(w.n_wakes > 0);
	s = world_expect(&w, bob, CF_CALL_EV_INCOMING);
	assert_string_equal(s->call, id);
	assert_string_equal(s->from, ALICE);
	assert_string_equal(s->name, "Alice");
	assert_string_equal(s->sdp, "offer");
	assert_string_equal(s->context, "ctx");
	world_quiet(&w);
	assert_int_equal(state_of(id), CF_CALL_RINGING);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	s = world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	assert_string_equal(s->sdp, "answer");
	assert_string_equal(s->from, BOB);
	assert_string_equal(s->name, "Bob");
	world_quiet(&w);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_CONNECTED);
	world_look(&w, id, &people);
	assert_string_equal(people.list[1].endpoint_id, cf_call_endpoint_id(bob));
	assert_string_equal(people.list[1].display_name, "Bob");
	assert_true(cf_call_has_user(w.domain, id, ALICE));
	assert_false(cf_call_has_user(w.domain, id, "8:acs:res_eve"));
	assert_int_equal(w.n_legs, 2);
	world_pass(&w, 10 * CF_US_PER_S);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	world_quiet(&w);
	assert_int_equal(w.n_legs_ended, 2);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), CF_ESTATE);
	assert_string_equal(w.last_trace, "ended");
}

static void first_device_wins(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *b1 = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *b2 = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *b3 = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	world_expect(&w, b2, CF_CALL_EV_INCOMING);
	world_expect(&w, b3, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_reject(w.domain, id, b3, false, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 603, 0);
	assert_int_equal(cf_call_accept(w.domain, id, b2, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_ended(&w, b1, CF_CALL_EV_CANCELLED, 487, 10003);
	world_quiet(&w);
	assert_int_equal(cf_call_accept(w.domain, id, b1, "late", w.now), CF_ESTATE);
	assert_int_equal(cf_call_accept(w.domain, id, b2, "twice", w.now), CF_ESTATE);
	assert_int_equal(cf_call_accept(w.domain, id, alice, "own", w.now), CF_ESTATE);
	assert_int_equal(state_of(id), CF_CALL_CONNECTED);
}

static void own_devices(void **state)
{
	struct cf_call_endpoint *a1 = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *a2 = world_device(&w, ALICE, NULL);

	(void)state;
	assert_int_equal(world_call(&w, a1, ALICE, id), 0);
	world_expect(&w, a2, CF_CALL_EV_INCOMING);
	world_quiet(&w);
	assert_int_equal(cf_call_accept(w.domain, id, a2, "answer", w.now), 0);
	world_expect(&w, a1, CF_CALL_EV_ACCEPTED);
	world_quiet(&w);
}

static void late_device_rings(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *b1 = world_device(&w, BOB, NULL), *b2;
	struct cf_call_candidate c = {"candidate:1", "0", 0};

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, &c, 1, true, w.now), 0);
	world_expect(&w, b1, CF_CALL_EV_CANDIDATES);
	b2 = world_device(&w, BOB, NULL);
	world_expect(&w, b2, CF_CALL_EV_INCOMING);
	assert_string_equal(world_expect(&w, b2, CF_CALL_EV_CANDIDATES)->candidate, "candidate:1");
	assert_int_equal(cf_call_accept(w.domain, id, b2, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_ended(&w, b1, CF_CALL_EV_CANCELLED, 487, 10003);
	world_device(&w, BOB, NULL);
	world_quiet(&w); /* answered: it rings no more */
}

/* ---- not answering ---- */

static void no_device(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 480, 10037);
	assert_int_equal(state_of(id), CF_CALL_ENDED);
	assert_int_equal(w.n_legs, 0); /* nobody pays for it */
}

static void declined(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_reject(w.domain, id, bob, false, w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 603, 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 603, 0);
	world_quiet(&w);
	assert_int_equal(cf_call_reject(w.domain, id, bob, false, w.now), CF_ESTATE);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_reject(w.domain, id, bob, true, w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 486, 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 486, 0);
}

static void all_declined(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *b1 = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *b2 = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	world_expect(&w, b2, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_reject(w.domain, id, b1, true, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 486, 0);
	world_quiet(&w);
	assert_int_equal(cf_call_reject(w.domain, id, b2, false, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 603, 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 487, 10024);
}

static void cancelled(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 487, 0);
	world_ended(&w, bob, CF_CALL_EV_CANCELLED, 487, 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "late", w.now), CF_ESTATE);
}

static void hangup_while_ringing_declines(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_REJECTED, 603, 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 603, 0);
}

static void setup_timeout(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_pass(&w, 84 * CF_US_PER_S);
	world_quiet(&w);
	world_pass(&w, 1200 * CF_US_PER_MS);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 487, 10004);
	world_ended(&w, bob, CF_CALL_EV_CANCELLED, 487, 10004);
	world_quiet(&w);
}

static void reasons_of_clients(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	struct cf_call_end end = {410, 301004, "no path"}, bad = {700, 0, NULL};

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, true, &bad, w.now), CF_EINVAL);
	bad = (struct cf_call_end){0, -1, NULL};
	assert_int_equal(cf_call_hangup(w.domain, id, bob, true, &bad, w.now), CF_EINVAL);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, true, &end, w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 410, 301004);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 410, 301004);
	assert_int_equal(w.last_code, 410);
	assert_int_equal(w.last_subcode, 301004);
}

/* ---- devices that go away ---- */

static void device_signs_out(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *b1 = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *b2 = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	world_expect(&w, b2, CF_CALL_EV_INCOMING);
	cf_call_endpoint_remove(w.domain, b1, w.now);
	world_quiet(&w); /* the other one still rings */
	cf_call_endpoint_remove(w.domain, b2, w.now);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 480, 10037);
	assert_int_equal(w.n_gone, 2);
	b1 = world_device(&w, BOB, NULL);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	cf_call_endpoint_remove(w.domain, alice, w.now);
	world_ended(&w, b1, CF_CALL_EV_CANCELLED, 408, 10057);
	world_quiet(&w);
}

static void connected_device_signs_out(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	cf_call_user_remove(w.domain, BOB, w.now);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 410, 3101);
	world_quiet(&w);
	assert_int_equal(cf_call_domain_n_endpoints(w.domain), 1);
	assert_int_equal(w.n_legs_ended, 2);
}

static void idle_device_expires(void **state)
{
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	char bob_id[CF_CALL_ID_MAX];

	(void)state;
	memcpy(bob_id, cf_call_endpoint_id(bob), sizeof(bob_id));
	world_pass(&w, 600 * CF_US_PER_S);
	assert_non_null(cf_call_endpoint_find(w.domain, bob_id)); /* its stream is open */
	cf_call_endpoint_online(w.domain, bob, false, w.now);
	world_pass(&w, 59 * CF_US_PER_S);
	cf_call_endpoint_online(w.domain, bob, true, w.now);
	world_pass(&w, 120 * CF_US_PER_S);
	assert_non_null(cf_call_endpoint_find(w.domain, bob_id));
	cf_call_endpoint_online(w.domain, bob, false, w.now);
	world_pass(&w, 61 * CF_US_PER_S);
	assert_null(cf_call_endpoint_find(w.domain, bob_id));
	assert_int_equal(w.n_gone, 1);
}

static void never_connected_device_expires(void **state)
{
	struct cf_call_endpoint_info info = {.raw_id = BOB, .sink = world_sink, .sink_arg = &w};
	struct cf_call_endpoint *bob;

	(void)state;
	assert_int_equal(cf_call_endpoint_register(w.domain, &info, w.now, &bob), 0);
	world_pass(&w, 61 * CF_US_PER_S);
	assert_int_equal(cf_call_domain_n_endpoints(w.domain), 0);
}

/* A device in a call has longer: its media goes on without us. */
static void busy_device_has_longer(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	cf_call_endpoint_online(w.domain, bob, false, w.now);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	world_pass(&w, 119 * CF_US_PER_S);
	assert_int_equal(state_of(id), CF_CALL_CONNECTED);
	world_pass(&w, 2 * CF_US_PER_S);
	assert_int_equal(state_of(id), CF_CALL_ENDED);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 410, 3101);
}

/* ---- candidates ---- */

static void candidates_wait_for_the_answer(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *b1 = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *b2 = world_device(&w, BOB, NULL);
	struct cf_call_candidate c1 = {"candidate:b1", NULL, -1}, c2 = {"candidate:b2", "a", 3};
	struct cf_call_candidate c3 = {"candidate:b2b", "a", 3}, ca = {"candidate:a", "0", 0};
	const struct seen *s;

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, b1, CF_CALL_EV_INCOMING);
	world_expect(&w, b2, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_candidates(w.domain, id, b1, &c1, 1, false, w.now), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, b2, &c2, 1, false, w.now), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, b2, &c3, 1, true, w.now), 0);
	world_quiet(&w);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, &ca, 1, false, w.now), 0);
	world_expect(&w, b1, CF_CALL_EV_CANDIDATES);
	world_expect(&w, b2, CF_CALL_EV_CANDIDATES);
	assert_int_equal(cf_call_accept(w.domain, id, b2, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	s = world_expect(&w, alice, CF_CALL_EV_CANDIDATES);
	assert_int_equal(s->n_candidates, 2);
	assert_string_equal(s->candidate, "candidate:b2");
	assert_true(s->end_of_candidates);
	world_expect(&w, b1, CF_CALL_EV_CANCELLED);
	assert_int_equal(cf_call_candidates(w.domain, id, b1, &c1, 1, false, w.now), CF_ESTATE);
	assert_int_equal(cf_call_candidates(w.domain, id, b2, &c2, 1, false, w.now), 0);
	s = world_expect(&w, alice, CF_CALL_EV_CANDIDATES);
	assert_string_equal(s->candidate, "candidate:b2");
	assert_int_equal(cf_call_candidates(w.domain, id, alice, &ca, 1, true, w.now), 0);
	assert_true(world_expect(&w, b2, CF_CALL_EV_CANDIDATES)->end_of_candidates);
	world_quiet(&w);
}

static void candidate_limits(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	struct cf_call_candidate many[CF_CALL_CANDIDATES_MAX + 1];
	char big[CF_CALL_CANDIDATE_MAX + 2];

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	for (size_t i = 0; i <= CF_CALL_CANDIDATES_MAX; i++)
		many[i] = (struct cf_call_candidate){"candidate:x", NULL, 0};
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, many, CF_CALL_CANDIDATES_MAX + 1,
				 false, w.now),
		CF_ELIMIT);
	for (size_t i = 0; i < CF_CALL_LEG_CANDIDATES_MAX / CF_CALL_CANDIDATES_MAX; i++)
		assert_int_equal(cf_call_candidates(w.domain, id, alice, many,
					 CF_CALL_CANDIDATES_MAX, false, w.now),
			0);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, many, 1, false, w.now), CF_ELIMIT);
	many[0].candidate = big;
	assert_int_equal(cf_call_candidates(w.domain, id, bob, many, 1, false, w.now), CF_EINVAL);
	/* A new offer begins a new count. */
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "o2", false, w.now), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, many + 1, 1, false, w.now), 0);
}

/* ---- notifications ---- */

static void notifications(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	struct cf_call_notification n = {"state", "{}"};
	static char big[CF_CALL_NOTIFICATION_MAX + 2];

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	/* Nobody is told anything before the call is answered. */
	assert_int_equal(cf_call_notify(w.domain, id, alice, &n), CF_ESTATE);
	assert_int_equal(cf_call_notify(w.domain, id, bob, &n), CF_ESTATE);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	assert_int_equal(cf_call_notify(w.domain, id, alice, &n), 0);
	assert_string_equal(world_expect(&w, bob, CF_CALL_EV_NOTIFICATION)->from, ALICE);
	assert_int_equal(cf_call_notify(w.domain, "nothing", alice, &n), CF_ENOTFOUND);
	n.kind = "";
	assert_int_equal(cf_call_notify(w.domain, id, bob, &n), CF_EINVAL);
	n.kind = "a-kind-that-is-longer-than-allowed";
	assert_int_equal(cf_call_notify(w.domain, id, bob, &n), CF_EINVAL);
	memset(big, 'x', sizeof(big) - 1);
	n = (struct cf_call_notification){"state", big};
	assert_int_equal(cf_call_notify(w.domain, id, bob, &n), CF_ELIMIT);
	world_quiet(&w);
}

/* ---- renegotiation ---- */

static void renegotiation(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	const struct seen *s;

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "o", false, w.now), CF_ESTATE);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "a", true, w.now), CF_ESTATE);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "o2", false, w.now), 0);
	s = world_expect(&w, bob, CF_CALL_EV_RENEGOTIATE);
	assert_string_equal(s->sdp, "o2");
	assert_string_equal(s->sdp_type, "offer");
	/* glare: the second offer loses, and nobody answers oneself */
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "o3", false, w.now), CF_ESTATE);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "a", true, w.now), CF_ESTATE);
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "a2", true, w.now), 0);
	assert_string_equal(world_expect(&w, alice, CF_CALL_EV_RENEGOTIATE)->sdp_type, "answer");
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "o4", false, w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_RENEGOTIATE);
	/* an offer that is never answered does not block for ever */
	world_pass(&w, 11 * CF_US_PER_S);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "o5", false, w.now), 0);
	world_expect(&w, bob, CF_CALL_EV_RENEGOTIATE);
	assert_int_equal(cf_call_renegotiate(w.domain, id, alice, "", false, w.now), CF_EINVAL);
}

/* ---- strangers and limits ---- */

static void strangers(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *eve = world_device(&w, "8:acs:res_eve", NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	struct cf_call_candidate c = {"candidate:x", NULL, 0};

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, eve, "x", w.now), CF_EDENIED);
	assert_int_equal(cf_call_reject(w.domain, id, eve, false, w.now), CF_EDENIED);
	assert_int_equal(cf_call_hangup(w.domain, id, eve, true, NULL, w.now), CF_EDENIED);
	assert_int_equal(cf_call_candidates(w.domain, id, eve, &c, 1, false, w.now), CF_EDENIED);
	assert_int_equal(cf_call_renegotiate(w.domain, id, eve, "x", false, w.now), CF_EDENIED);
	assert_int_equal(cf_call_report(w.domain, id, eve, "{}", w.now), CF_EDENIED);
	assert_int_equal(cf_call_accept(w.domain, "nosuch", bob, "x", w.now), CF_ENOTFOUND);
	assert_int_equal(cf_call_report(w.domain, "nosuch", bob, "{}", w.now), CF_ENOTFOUND);
	assert_int_equal(cf_call_report(w.domain, id, bob, "{", w.now), CF_EINVAL);
	assert_int_equal(cf_call_report(w.domain, id, bob, "{\"a\":1}", w.now), 0);
	assert_string_equal(w.last_trace, "report");
	assert_int_equal(cf_call_reject(w.domain, id, alice, false, w.now), CF_ESTATE);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "", w.now), CF_EINVAL);
}

static void limits(void **state)
{
	struct cf_call_options options = cf_call_options_defaults();
	struct cf_call_endpoint *alice, *bob, *extra;
	struct cf_call_start start = {.target_raw_id = BOB, .sdp = ""};
	char *big = calloc(1, CF_CALL_SDP_MAX + 2);

	(void)state;
	world_close(&w);
	options.max_endpoints = 3;
	options.max_endpoints_per_user = 2;
	options.max_calls = 2;
	options.max_calls_per_endpoint = 1;
	assert_int_equal(world_open(&w, &options), 0);
	alice = world_device(&w, ALICE, NULL);
	bob = world_device(&w, BOB, NULL);
	memset(big, 'n', CF_CALL_NAME_MAX + 1);
	assert_int_equal(world_register(&w, ALICE, big, &extra), CF_EINVAL);
	world_device(&w, BOB, NULL);
	assert_int_equal(world_register(&w, BOB, NULL, &extra), CF_ELIMIT);
	assert_int_equal(world_register(&w, "8:acs:res_c", NULL, &extra), CF_ELIMIT);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(world_call(&w, alice, BOB, id), CF_ELIMIT);
	assert_int_equal(cf_call_start(w.domain, bob, &start, w.now, id), CF_EINVAL);
	memset(big, 'v', CF_CALL_SDP_MAX + 1);
	start.sdp = big;
	assert_int_equal(cf_call_start(w.domain, bob, &start, w.now, id), CF_EINVAL);
	assert_int_equal(world_call(&w, bob, BOB, id), 0);
	assert_int_equal(world_call(&w, bob, ALICE, id), CF_ELIMIT);
	free(big);
}

static void trace_limit(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	int err = 0, n = 0;

	(void)state;
	world_device(&w, BOB, NULL);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	for (; err == 0 && n < 2 * CF_CALL_TRACE_MAX; n++)
		err = cf_call_trace_add(w.domain, id, "ice", "check", NULL, w.now);
	assert_int_equal(err, CF_ELIMIT);
	assert_int_equal(w.n_traces, CF_CALL_TRACE_MAX);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	assert_string_equal(w.last_trace, "ended"); /* the end is always told */
	assert_int_equal(
		cf_call_trace_add(w.domain, "nosuch", "ice", "check", NULL, w.now), CF_ENOTFOUND);
}

/* Devices write much of a trace: so many bytes and no more, and the end is told all the same. */
static void trace_bytes_limit(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	char *report = malloc(40001);
	int n = 0;

	(void)state;
	world_device(&w, BOB, NULL);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	memset(report, ' ', 40000);
	report[40000] = 0;
	memcpy(report, "{\"a\":\"", 6);
	memset(report + 6, 'x', 39992);
	memcpy(report + 39998, "\"}", 2);
	for (; n < 20; n++) {
		assert_int_equal(cf_call_report(w.domain, id, alice, report, w.now), 0);
		assert_string_equal(w.last_trace, "report");
		if (strstr(w.last_detail, "omitted"))
			break;
	}
	assert_true(n >= 8 && n <= 10);
	assert_true(w.trace_bytes <= CF_CALL_TRACE_BYTES_MAX + 200);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	assert_non_null(strstr(w.last_detail, "\"code\":487"));
	free(report);
}

/* What a description offers is told: its candidates, and nothing else of it. */
static void trace_of_descriptions(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_string_equal(w.last_trace, "ringing");
	assert_non_null(strstr(w.last_detail, "\"name\":\"Bob\""));
	assert_int_equal(cf_call_accept(w.domain, id, bob,
				 "v=0\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ "
				 "host\r\na=candidate:2\n",
				 w.now),
		0);
	assert_string_equal(w.last_detail,
		"{\"name\":\"Bob\",\"candidates\":[\"candidate:1 1 udp 1 192.0.2.1 9 typ host\","
		"\"candidate:2\"]}");
}

static void metering(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	assert_int_equal(w.n_legs, 2);
	world_pass(&w, 60 * CF_US_PER_S); /* a crash loses at most a minute */
	assert_int_equal(w.n_legs, 4);
	world_pass(&w, 3600 * CF_US_PER_S);
	assert_true(w.n_legs >= 4 + 2 * 60 && w.n_legs <= 4 + 2 * 73);
	assert_int_equal(w.n_legs_ended, 0);
}

static void ended_calls_are_forgotten(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_view view;

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_pass(&w, 59 * CF_US_PER_S);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.end.code, 480);
	world_pass(&w, 2 * CF_US_PER_S);
	assert_int_equal(cf_call_look(w.domain, id, &view), CF_ENOTFOUND);
	assert_true(cf_call_domain_deadline(w.domain) == CF_TIME_NEVER);
}

/* ---- restart ---- */

static json_t *snapshot_of(const char *call_id)
{
	json_t *snapshot = cf_call_snapshot(w.domain, call_id);

	assert_non_null(snapshot);
	return snapshot;
}

static struct cf_call_endpoint *back(const char *raw_id, const char *endpoint_id)
{
	struct cf_call_endpoint_info info = {.raw_id = raw_id, .sink = world_sink, .sink_arg = &w};
	struct cf_call_endpoint *endpoint;

	assert_int_equal(
		cf_call_endpoint_restore(w.domain, &info, endpoint_id, w.now, &endpoint), 0);
	return endpoint;
}

static void reopen(void)
{
	world_close(&w);
	assert_int_equal(world_open(&w, NULL), 0);
}

static void restart_in_call(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	char a[CF_CALL_ID_MAX], b[CF_CALL_ID_MAX];
	struct cf_call_view view;
	struct people people;
	json_t *snapshot;

	(void)state;
	memcpy(a, cf_call_endpoint_id(alice), sizeof(a));
	memcpy(b, cf_call_endpoint_id(bob), sizeof(b));
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	snapshot = snapshot_of(id);
	reopen();
	alice = back(ALICE, a);
	bob = back(BOB, b);
	assert_int_equal(cf_call_restore(w.domain, snapshot, w.now), 0);
	assert_int_equal(cf_call_restore(w.domain, snapshot, w.now), CF_EEXIST);
	json_decref(snapshot);
	world_quiet(&w);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_CONNECTED);
	world_look(&w, id, &people);
	assert_string_equal(people.list[0].display_name, "Alice");
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "o2", false, w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_RENEGOTIATE);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	assert_null(cf_call_snapshot(w.domain, id));
}

static void restart_while_ringing(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL), *late;
	struct cf_call_candidate c = {"candidate:b", "0", 0}, ca = {"candidate:a", "0", 0};
	char a[CF_CALL_ID_MAX], b[CF_CALL_ID_MAX];
	const struct seen *s;
	json_t *snapshot;

	(void)state;
	memcpy(a, cf_call_endpoint_id(alice), sizeof(a));
	memcpy(b, cf_call_endpoint_id(bob), sizeof(b));
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, bob, &c, 1, true, w.now), 0);
	assert_int_equal(cf_call_candidates(w.domain, id, alice, &ca, 1, false, w.now), 0);
	snapshot = snapshot_of(id);
	reopen();
	alice = back(ALICE, a);
	bob = back(BOB, b);
	assert_int_equal(cf_call_restore(w.domain, snapshot, w.now), 0);
	json_decref(snapshot);
	late = world_device(&w, BOB, NULL);
	world_expect(&w, late, CF_CALL_EV_INCOMING);
	s = world_expect(&w, late, CF_CALL_EV_CANDIDATES);
	assert_string_equal(s->candidate, "candidate:a");
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	s = world_expect(&w, alice, CF_CALL_EV_CANDIDATES);
	assert_string_equal(s->candidate, "candidate:b");
	world_ended(&w, late, CF_CALL_EV_CANCELLED, 487, 10003);
}

static void restart_without_device(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	char a[CF_CALL_ID_MAX];
	json_t *snapshot;

	(void)state;
	memcpy(a, cf_call_endpoint_id(alice), sizeof(a));
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	snapshot = snapshot_of(id);
	reopen();
	alice = back(ALICE, a);
	assert_int_equal(cf_call_restore(w.domain, snapshot, w.now), 0);
	json_decref(snapshot);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 410, 3101);
	assert_int_equal(w.n_legs_ended, 2);
}

static void bad_snapshots(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	static const char *const keys[] = {"id", "state", "participants", "sdp", "created"};
	json_t *good, *bad;

	(void)state;
	world_device(&w, BOB, NULL);
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	good = snapshot_of(id);
	reopen();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		bad = json_deep_copy(good);
		json_object_del(bad, keys[i]);
		assert_int_equal(cf_call_restore(w.domain, bad, w.now), CF_EBADMSG);
		json_decref(bad);
	}
	assert_int_equal(cf_call_restore(w.domain, NULL, w.now), CF_EBADMSG);
	json_decref(good);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
}

/* ---- memory ---- */

static int story(struct world *v)
{
	struct cf_call_endpoint *alice, *bob, *bob2;
	struct cf_call_candidate c = {"candidate:x", "0", 0};
	char call[CF_CALL_ID_MAX];
	int err;

	if ((err = world_register(v, ALICE, "Alice", &alice)) < 0 ||
		(err = world_register(v, BOB, "Bob", &bob)) < 0 ||
		(err = world_register(v, BOB, NULL, &bob2)) < 0 ||
		(err = world_call(v, alice, BOB, call)) < 0 ||
		(err = cf_call_candidates(v->domain, call, bob, &c, 1, false, v->now)) < 0 ||
		(err = cf_call_candidates(v->domain, call, alice, &c, 1, true, v->now)) < 0 ||
		(err = cf_call_accept(v->domain, call, bob, "answer", v->now)) < 0 ||
		(err = cf_call_renegotiate(v->domain, call, bob, "o2", false, v->now)) < 0 ||
		(err = cf_call_report(v->domain, call, bob, "{}", v->now)) < 0)
		return err;
	cf_call_domain_deliver(v->domain);
	return cf_call_hangup(v->domain, call, alice, false, NULL, v->now);
}

static int oom_body(void *arg)
{
	static struct world v;
	int err = world_open(&v, NULL);

	(void)arg;
	if (err == 0)
		err = story(&v);
	world_close(&v);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(budget_low),
		TEST(accepted),
		TEST(first_device_wins),
		TEST(own_devices),
		TEST(late_device_rings),
		TEST(no_device),
		TEST(declined),
		TEST(all_declined),
		TEST(cancelled),
		TEST(hangup_while_ringing_declines),
		TEST(setup_timeout),
		TEST(reasons_of_clients),
		TEST(device_signs_out),
		TEST(connected_device_signs_out),
		TEST(idle_device_expires),
		TEST(never_connected_device_expires),
		TEST(busy_device_has_longer),
		TEST(candidates_wait_for_the_answer),
		TEST(candidate_limits),
		TEST(renegotiation),
		TEST(notifications),
		TEST(strangers),
		TEST(limits),
		TEST(trace_limit),
		TEST(trace_bytes_limit),
		TEST(trace_of_descriptions),
		TEST(metering),
		TEST(ended_calls_are_forgotten),
		TEST(restart_in_call),
		TEST(restart_while_ringing),
		TEST(restart_without_device),
		TEST(bad_snapshots),
		TEST(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
