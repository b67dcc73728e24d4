/* SPDX-License-Identifier: Apache-2.0 */
/* Group calls: joining, leaving, who is told what, and what the media processor is asked. */
#include "unit/call/world.h"

#define CAROL "8:acs:res_carol"
#define GROUP "29228d3e-040e-4656-a70e-890ab4e173e5"

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

static int join_as(struct cf_call_endpoint *endpoint, const char *group, const char *sdp)
{
	struct cf_call_start start = {.group_id = group, .sdp = sdp};

	return cf_call_start(w.domain, endpoint, &start, w.now, id);
}

static const struct asked *last_asked(void)
{
	assert_true(w.n_asked > 0);
	return &w.asked[w.n_asked - 1];
}

/* Joins, and the media processor answers. The name of the leg. */
static const char *enter(struct cf_call_endpoint *endpoint, size_t n_before)
{
	const struct seen *s;

	assert_int_equal(join_as(endpoint, GROUP, "offer"), 0);
	assert_string_equal(last_asked()->what, "join");
	assert_string_equal(last_asked()->sdp, "offer");
	for (size_t i = 0; i < n_before; i++) {
		s = world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS);
		assert_int_equal(s->n_people, 1);
		assert_string_equal(s->person, cf_call_endpoint_raw_id(endpoint));
		assert_string_equal(s->state, "connected");
		assert_int_equal(s->source, w.source);
	}
	s = world_expect(&w, endpoint, CF_CALL_EV_PARTICIPANTS);
	assert_int_equal(s->n_people, n_before + 1);
	assert_int_not_equal(w.source, 0);
	assert_int_equal(s->roster, w.seen[w.n_taken - (n_before ? 2 : 1)].roster);
	cf_call_media_answered(w.domain, id, last_asked()->leg, "answer", w.now);
	s = world_expect(&w, endpoint, CF_CALL_EV_ACCEPTED);
	assert_string_equal(s->sdp, "answer");
	assert_string_equal(s->from, CF_CALL_MEDIA_RAWID);
	world_quiet(&w);
	return last_asked()->leg;
}

static void three_join_and_leave(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	struct cf_call_endpoint *carol = world_device(&w, CAROL, NULL);
	struct cf_call_view view;
	struct people people;
	char first[CF_CALL_ID_MAX], leg[CF_CALL_ID_MAX];

	(void)state;
	enter(alice, 0);
	memcpy(first, id, sizeof(first));
	memcpy(leg, enter(bob, 1), sizeof(leg));
	assert_string_equal(id, first);
	enter(carol, 2);
	assert_string_equal(id, first);
	assert_int_equal(w.n_legs, 3);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_CONNECTED);
	assert_string_equal(view.group_id, GROUP);
	world_look(&w, id, &people);
	assert_int_equal(people.n, 3);
	assert_string_equal(people.list[2].raw_id, CAROL);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 1);

	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	assert_string_equal(last_asked()->what, "leave");
	assert_string_equal(last_asked()->leg, leg);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	assert_string_equal(
		world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->state, "disconnected");
	assert_string_equal(world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS)->person, BOB);
	world_quiet(&w);
	world_look(&w, id, &people);
	assert_string_equal(people.list[1].state, "disconnected");
	assert_null(people.list[1].endpoint_id);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), CF_ESTATE);
	enter(bob, 2); /* and is back */
	assert_string_equal(id, first);
	world_look(&w, id, &people);
	assert_int_equal(people.n, 3);
}

static void last_one_ends_it(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_view view;
	char first[CF_CALL_ID_MAX];

	(void)state;
	enter(alice, 0);
	memcpy(first, id, sizeof(first));
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_quiet(&w);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_ENDED);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
	assert_int_equal(w.n_legs_ended, 1);
	enter(alice, 0); /* another call under the same name */
	assert_string_not_equal(id, first);
	world_pass(&w, 200 * CF_US_PER_S);
	assert_int_equal(cf_call_look(w.domain, first, &view), CF_ENOTFOUND);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
}

static void one_ends_it_for_all(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	size_t asked;

	(void)state;
	enter(alice, 0);
	enter(bob, 1);
	asked = w.n_asked;
	assert_int_equal(cf_call_hangup(w.domain, id, alice, true, NULL, w.now), 0);
	assert_int_equal(w.n_asked, asked + 2);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	world_quiet(&w);
	assert_int_equal(w.n_legs_ended, 2);
	assert_int_equal(join_as(bob, GROUP, "offer"), 0); /* a new one begins */
}

static void a_device_comes_again(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	struct cf_call_endpoint *tablet = world_device(&w, BOB, "Bob's tablet");
	char leg[CF_CALL_ID_MAX];
	struct people people;

	(void)state;
	enter(alice, 0);
	memcpy(leg, enter(bob, 1), sizeof(leg));
	assert_int_equal(join_as(bob, GROUP, "again"), 0);
	assert_string_equal(w.asked[w.n_asked - 2].what, "leave");
	assert_string_equal(w.asked[w.n_asked - 2].leg, leg);
	assert_string_equal(last_asked()->sdp, "again");
	assert_string_equal(
		world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->state, "disconnected");
	assert_string_equal(world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->state, "connected");
	assert_int_equal(world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS)->n_people, 2);
	world_quiet(&w);
	enter(tablet, 2);
	world_look(&w, id, &people);
	assert_int_equal(people.n, 2);
	/* One device of two goes: the user is still there. */
	cf_call_endpoint_remove(w.domain, tablet, w.now);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	world_look(&w, id, &people);
	assert_string_equal(people.list[1].state, "connected");
	assert_string_equal(people.list[1].endpoint_id, cf_call_endpoint_id(bob));
}

static void what_members_say(void **state)
{
	static const struct cf_call_notification muted = {"state", "{\"muted\":true}"};
	struct cf_call_candidate candidate = {"candidate:1 1 udp 1 192.0.2.1 1 typ host", "0", 0};
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	struct cf_call_endpoint *carol = world_device(&w, CAROL, NULL);
	const struct seen *s;
	char leg[CF_CALL_ID_MAX];

	(void)state;
	enter(alice, 0);
	memcpy(leg, enter(bob, 1), sizeof(leg));
	assert_int_equal(cf_call_notify(w.domain, id, bob, &muted), 0);
	s = world_expect(&w, alice, CF_CALL_EV_NOTIFICATION);
	assert_string_equal(s->from, BOB);
	assert_string_equal(s->kind, "state");
	world_quiet(&w);
	assert_int_equal(join_as(carol, GROUP, "offer"), 0);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	s = world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS);
	assert_int_equal(s->n_people, 3);
	assert_false(s->muted);

	assert_int_equal(cf_call_candidates(w.domain, id, bob, &candidate, 1, true, w.now), 0);
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "more", false, w.now), 0);
	assert_string_equal(last_asked()->what, "offer");
	assert_string_equal(last_asked()->leg, leg);
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "answer", true, w.now), CF_ESTATE);
	assert_int_equal(cf_call_view(w.domain, id, bob, NULL, 0, 90), 0);
	assert_int_equal(
		cf_call_view(w.domain, id, bob, NULL, CF_CALL_WISHES_MAX + 1, 90), CF_ELIMIT);
	assert_int_equal(cf_call_view(w.domain, "none", bob, NULL, 0, 90), CF_ENOTFOUND);
	cf_call_media_answered(w.domain, id, leg, "answer 2", w.now);
	s = world_expect(&w, bob, CF_CALL_EV_RENEGOTIATE);
	assert_string_equal(s->sdp, "answer 2");
	assert_string_equal(s->sdp_type, "answer");
	world_quiet(&w);
}

static void media_that_fails(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	struct cf_call_endpoint *bob = world_device(&w, BOB, "Bob");
	struct cf_call_view view;
	char leg[CF_CALL_ID_MAX];

	(void)state;
	enter(alice, 0);
	assert_int_equal(join_as(bob, GROUP, "nonsense"), 0);
	memcpy(leg, last_asked()->leg, sizeof(leg));
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	cf_call_media_answered(w.domain, id, leg, NULL, w.now);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 488, 301007);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	cf_call_media_answered(w.domain, id, leg, "late", w.now);
	cf_call_media_lost(w.domain, id, leg, cf_call_end_of(CF_CALL_END_MEDIA_LOST), w.now);
	cf_call_media_lost(w.domain, "none", leg, cf_call_end_of(CF_CALL_END_MEDIA_LOST), w.now);
	world_quiet(&w);
	memcpy(leg, enter(bob, 1), sizeof(leg));
	cf_call_media_lost(w.domain, id, leg, cf_call_end_of(CF_CALL_END_MEDIA_LOST), w.now);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 410, 301005);
	assert_int_equal(w.last_subcode, 301005);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	/* Overloaded: nobody is in a call that nobody could join. */
	w.media_err = CF_EAGAIN;
	assert_int_equal(join_as(bob, GROUP, "offer"), CF_EAGAIN);
	world_quiet(&w);
	assert_int_equal(join_as(bob, "00000000-0000-4000-8000-000000000000", "offer"), CF_EAGAIN);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 1);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	world_quiet(&w);
}

/* Of a user whose relay budget is used up those devices leave that need the relay. */
static void relay_budgets(void **state)
{
	static const char relayed[] = "{\"path\":{\"kind\":\"media-processor\",\"relays\":1}}";
	static const char straight[] =
		"{\"report\":{\"path\":{\"kind\":\"media-processor\",\"relays\":0}}}";
	struct cf_call_endpoint *alice = world_device(&w, ALICE, NULL);
	struct cf_call_endpoint *bob = world_device(&w, BOB, NULL);
	struct cf_call_endpoint *tablet = world_device(&w, BOB, NULL);

	(void)state;
	enter(alice, 0);
	enter(bob, 1);
	enter(tablet, 2);
	assert_int_equal(cf_call_report(w.domain, id, alice, relayed, w.now), 0);
	assert_int_equal(cf_call_report(w.domain, id, bob, relayed, w.now), 0);
	assert_int_equal(cf_call_report(w.domain, id, tablet, straight, w.now), 0);
	cf_call_relay_budget_used_up(w.domain, id, CAROL, w.now);
	world_quiet(&w);
	cf_call_relay_budget_used_up(w.domain, id, BOB, w.now);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 403, 301006);
	assert_string_equal(
		world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->state, "disconnected");
	world_expect(&w, tablet, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	assert_int_equal(w.n_legs_ended, 1);
	/* A path that was found since needs it no more. */
	assert_int_equal(cf_call_report(w.domain, id, alice, straight, w.now), 0);
	cf_call_relay_budget_used_up(w.domain, id, ALICE, w.now);
	world_quiet(&w);
	/* The last one ends the call. */
	assert_int_equal(cf_call_hangup(w.domain, id, tablet, false, NULL, w.now), 0);
	assert_int_equal(cf_call_report(w.domain, id, alice, relayed, w.now), 0);
	cf_call_relay_budget_used_up(w.domain, id, ALICE, w.now);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
}

static void limits(void **state)
{
	struct cf_call_options options = cf_call_options_defaults();
	struct cf_call_endpoint *alice, *bob, *carol;

	(void)state;
	world_close(&w);
	options.max_group_members = 2;
	options.max_calls_per_endpoint = 1;
	assert_int_equal(world_open(&w, &options), 0);
	alice = world_device(&w, ALICE, "Alice");
	bob = world_device(&w, BOB, "Bob");
	carol = world_device(&w, CAROL, NULL);
	assert_int_equal(join_as(alice, "group", "offer"), CF_EINVAL);
	assert_int_equal(join_as(alice, GROUP, ""), CF_EINVAL);
	enter(alice, 0);
	enter(bob, 1);
	assert_int_equal(join_as(carol, GROUP, "offer"), CF_ENOSPC);
	assert_int_equal(join_as(bob, "00000000-0000-4000-8000-000000000000", "offer"), CF_ELIMIT);
	world_quiet(&w);
	assert_int_equal(join_as(bob, GROUP, "offer"), 0); /* in its own place */
}

static void after_a_restart(void **state)
{
	struct cf_call_endpoint *alice = world_device(&w, ALICE, "Alice");
	char endpoint[CF_CALL_ID_MAX];
	struct cf_call_endpoint_info info = {
		.raw_id = ALICE, .display_name = "Alice", .sink = world_sink, .sink_arg = &w};
	struct cf_call_view view;
	json_t *snapshot;

	(void)state;
	enter(alice, 0);
	snapshot = cf_call_snapshot(w.domain, id);
	assert_non_null(snapshot);
	memcpy(endpoint, cf_call_endpoint_id(alice), sizeof(endpoint));
	world_close(&w);
	assert_int_equal(world_open(&w, NULL), 0);
	assert_int_equal(cf_call_endpoint_restore(w.domain, &info, endpoint, w.now, &alice), 0);
	/* The media processor has forgotten it: its members hear of it, and come again. */
	assert_int_equal(cf_call_restore(w.domain, snapshot, w.now), 0);
	json_decref(snapshot);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 503, 301008);
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_ENDED);
	assert_int_equal(w.n_legs_ended, 1);
	enter(alice, 0);
}

/* A whole group in a world of its own: whatever fails leaves nothing behind, and nobody half in. */
static int oom_body(void *arg)
{
	struct cf_call_endpoint *alice, *bob;
	struct people people;
	int err;

	(void)arg;
	world_close(&w);
	err = world_open(&w, NULL);
	if (err == 0)
		err = world_register(&w, ALICE, "Alice", &alice);
	if (err == 0)
		err = world_register(&w, BOB, "Bob", &bob);
	if (err == 0)
		err = join_as(alice, GROUP, "offer");
	if (err < 0)
		return err;
	err = join_as(bob, GROUP, "offer");
	world_look(&w, id, &people);
	if (err == 0) {
		assert_int_equal(people.n, 2);
		cf_call_media_answered(w.domain, id, last_asked()->leg, "answer", w.now);
		err = cf_call_hangup(w.domain, id, alice, false, NULL, w.now);
	}
	cf_call_domain_deliver(w.domain);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(three_join_and_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(last_one_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(one_ends_it_for_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_device_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_members_say, setup, teardown),
		cmocka_unit_test_setup_teardown(media_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(relay_budgets, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(oom, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
