/* SPDX-License-Identifier: Apache-2.0 */
/* Calling people into a call: a call between two becomes a group, people ring, are removed. */
#include "unit/call/world.h"

#define CAROL "8:acs:res_carol"
#define DAVE "8:acs:res_dave"

static struct world w;
static struct cf_call_endpoint *alice, *bob, *carol;
static char id[CF_CALL_ID_MAX];
static char legs[8][CF_CALL_ID_MAX]; /* as they came to the media processor */
static size_t n_legs;

static int setup(void **state)
{
	struct cf_call_options options = cf_call_options_defaults();

	(void)state;
	n_legs = 0;
	options.direct_when_two = false; /* that is in demote.c */
	if (world_open(&w, &options) < 0)
		return -1;
	alice = world_device(&w, ALICE, "Alice");
	bob = world_device(&w, BOB, "Bob");
	carol = world_device(&w, CAROL, "Carol");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static const struct asked *last_asked(void)
{
	assert_true(w.n_asked > 0);
	return &w.asked[w.n_asked - 1];
}

/* Alice and Bob talk. */
static void two_talk(void)
{
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_accept(w.domain, id, bob, "answer", w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ACCEPTED);
	world_quiet(&w);
}

/* What both hear when Carol is called in. */
static void told_to_move(void)
{
	const struct seen *s;

	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? bob : alice, CF_CALL_EV_PROMOTE);
		assert_string_equal(s->call, id);
		assert_string_equal(s->group, id);
		s = world_expect(&w, i ? bob : alice, CF_CALL_EV_PARTICIPANTS);
		assert_int_equal(s->n_people, 2);
		assert_int_not_equal(s->source, 0);
	}
	s = world_expect(&w, carol, CF_CALL_EV_INCOMING);
	assert_string_equal(s->from, ALICE);
	assert_string_equal(s->group, id);
	assert_string_equal(s->sdp, "");
	assert_string_equal(s->context, "ctx");
	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? bob : alice, CF_CALL_EV_PARTICIPANTS);
		assert_int_equal(s->n_people, 1);
		assert_string_equal(s->person, CAROL);
		assert_string_equal(s->state, "ringing");
	}
	world_quiet(&w);
}

/* A device's offer reaches the media processor and is answered. */
static void offers(struct cf_call_endpoint *endpoint)
{
	const struct seen *s;

	assert_int_equal(cf_call_promote(w.domain, id, endpoint, "to the group", w.now), 0);
	assert_string_equal(last_asked()->what, "join");
	assert_string_equal(last_asked()->sdp, "to the group");
	snprintf(legs[n_legs++], CF_CALL_ID_MAX, "%s", last_asked()->leg);
	assert_int_equal(cf_call_promote(w.domain, id, endpoint, "again", w.now), CF_ESTATE);
	cf_call_media_answered(w.domain, id, last_asked()->leg, "answer", w.now);
	s = world_expect(&w, endpoint, CF_CALL_EV_ACCEPTED);
	assert_string_equal(s->from, CF_CALL_MEDIA_RAWID);
	world_quiet(&w);
}

static void both_move(void)
{
	offers(alice);
	offers(bob);
	cf_call_media_connected(w.domain, id, legs[0], w.now);
	world_quiet(&w);
	cf_call_media_connected(w.domain, id, legs[1], w.now);
	world_expect(&w, alice, CF_CALL_EV_PROMOTED);
	world_expect(&w, bob, CF_CALL_EV_PROMOTED);
	world_quiet(&w);
}

/* Carol accepts with an offer of hers, and is in. */
static void carol_comes(void)
{
	const struct seen *s;

	assert_int_equal(cf_call_accept(w.domain, id, carol, "offer", w.now), 0);
	assert_string_equal(last_asked()->sdp, "offer");
	snprintf(legs[n_legs++], CF_CALL_ID_MAX, "%s", last_asked()->leg);
	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? bob : alice, CF_CALL_EV_PARTICIPANTS);
		assert_string_equal(s->person, CAROL);
		assert_string_equal(s->state, "connected");
		assert_int_equal(s->source, w.source);
	}
	assert_int_equal(world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS)->n_people, 3);
	cf_call_media_answered(w.domain, id, last_asked()->leg, "answer", w.now);
	world_expect(&w, carol, CF_CALL_EV_ACCEPTED);
	cf_call_media_connected(w.domain, id, last_asked()->leg, w.now);
	world_quiet(&w);
}

static void three_talk(void)
{
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
	both_move();
	carol_comes();
}

static void two_become_three(void **state)
{
	struct cf_call_view view;
	struct people people;
	char call_id[CF_CALL_ID_MAX];
	size_t metered;

	(void)state;
	two_talk();
	memcpy(call_id, id, sizeof(id));
	metered = w.n_legs;
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
	both_move();
	assert_int_equal(w.n_legs, metered); /* who moves is metered as before */
	carol_comes();
	assert_int_equal(w.n_legs, metered + 1);
	assert_int_equal(cf_call_look(w.domain, call_id, &view), 0);
	assert_string_equal(view.group_id, call_id);
	world_look(&w, id, &people);
	assert_int_equal(people.n, 3);
	assert_string_equal(people.list[2].state, "connected");
	/* Who is in it already is not called again. */
	assert_int_equal(cf_call_invite(w.domain, id, bob, CAROL, w.now), 0);
	world_quiet(&w);
	/* One goes, two remain; one more, and it is over. */
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS);
	world_ended(&w, carol, CF_CALL_EV_ENDED, 0, 0);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
}

/* The third is faster than the two. */
static void comes_before_they_have_moved(void **state)
{
	(void)state;
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, bob, CAROL, w.now), 0);
	for (int i = 0; i < 2; i++) {
		world_expect(&w, NULL, CF_CALL_EV_PROMOTE);
		world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS);
	}
	world_expect(&w, carol, CF_CALL_EV_INCOMING);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	carol_comes();
	offers(alice);
	offers(bob);
	cf_call_media_connected(w.domain, id, legs[1], w.now);
	/* Bob cannot: he is the one who leaves, since Carol is there by now. */
	cf_call_media_lost(w.domain, id, legs[2], cf_call_end_of(CF_CALL_END_MEDIA_NEVER), w.now);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 410, 301004);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, carol, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, alice, CF_CALL_EV_PROMOTED);
	world_quiet(&w);
}

static void stays_between_two(void **state)
{
	const struct seen *s;
	struct cf_call_view view;
	struct people people;

	(void)state;
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
	offers(alice);
	cf_call_media_connected(w.domain, id, legs[0], w.now);
	offers(bob);
	/* Bob's firewall is in the way. */
	cf_call_media_lost(w.domain, id, legs[1], cf_call_end_of(CF_CALL_END_MEDIA_NEVER), w.now);
	world_ended(&w, carol, CF_CALL_EV_CANCELLED, 410, 301004);
	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? bob : alice, CF_CALL_EV_PARTICIPANTS);
		assert_string_equal(s->person, CAROL);
		assert_string_equal(s->state, "disconnected");
		assert_int_equal(s->person_code, 410);
	}
	world_ended(&w, alice, CF_CALL_EV_NOT_PROMOTED, 410, 301004);
	world_ended(&w, bob, CF_CALL_EV_NOT_PROMOTED, 410, 301004);
	world_quiet(&w);
	assert_string_equal(last_asked()->what, "leave");
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_CONNECTED);
	assert_null(view.group_id);
	world_look(&w, id, &people);
	assert_int_equal(people.n, 2);
	/* As before: between the two. */
	assert_int_equal(cf_call_renegotiate(w.domain, id, bob, "offer 2", false, w.now), 0);
	assert_string_equal(world_expect(&w, alice, CF_CALL_EV_RENEGOTIATE)->sdp, "offer 2");
	/* And once more. */
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
}

static void nobody_moves_in_time(void **state)
{
	(void)state;
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
	world_pass(&w, 9900 * CF_US_PER_MS);
	world_quiet(&w);
	world_pass(&w, 300 * CF_US_PER_MS);
	world_ended(&w, carol, CF_CALL_EV_CANCELLED, 410, 301009);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, alice, CF_CALL_EV_NOT_PROMOTED);
	world_expect(&w, bob, CF_CALL_EV_NOT_PROMOTED);
	world_quiet(&w);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 0, 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	world_quiet(&w);
}

static void one_leaves_while_they_move(void **state)
{
	(void)state;
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	told_to_move();
	offers(alice);
	cf_call_media_connected(w.domain, id, legs[0], w.now);
	assert_int_equal(cf_call_hangup(w.domain, id, bob, false, NULL, w.now), 0);
	world_ended(&w, bob, CF_CALL_EV_ENDED, 0, 0);
	assert_string_equal(world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->person, BOB);
	/* Carol still rings: Alice has moved, and waits for her. */
	world_expect(&w, alice, CF_CALL_EV_PROMOTED);
	world_quiet(&w);
	assert_int_equal(cf_call_reject(w.domain, id, carol, true, w.now), 0);
	assert_int_equal(world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->person_code, 486);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 486, 0);
	world_quiet(&w);
}

static void who_is_called_does_not_come(void **state)
{
	struct cf_call_endpoint *tablet;
	const struct seen *s;

	(void)state;
	three_talk();
	/* Nobody there. */
	assert_int_equal(cf_call_invite(w.domain, id, alice, DAVE, w.now), 0);
	for (int i = 0; i < 3; i++)
		assert_string_equal(
			world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS)->state, "ringing");
	for (int i = 0; i < 3; i++) {
		s = world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS);
		assert_string_equal(s->state, "disconnected");
		assert_int_equal(s->person_code, 480);
	}
	world_quiet(&w);
	/* Two devices, one that comes late; nobody answers. */
	world_device(&w, DAVE, "Dave");
	assert_int_equal(cf_call_invite(w.domain, id, bob, DAVE, w.now), 0);
	assert_string_equal(world_expect(&w, NULL, CF_CALL_EV_INCOMING)->from, BOB);
	for (int i = 0; i < 3; i++)
		world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS);
	tablet = world_device(&w, DAVE, "Dave's tablet");
	assert_string_equal(world_expect(&w, tablet, CF_CALL_EV_INCOMING)->group, id);
	world_quiet(&w);
	world_pass(&w, 86 * CF_US_PER_S);
	world_ended(&w, NULL, CF_CALL_EV_CANCELLED, 487, 10004);
	world_ended(&w, NULL, CF_CALL_EV_CANCELLED, 487, 10004);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS)->person_code, 487);
	world_quiet(&w);
	/* One of two answers. */
	assert_int_equal(cf_call_invite(w.domain, id, bob, DAVE, w.now), 0);
	for (int i = 0; i < 5; i++)
		world_expect(&w, NULL, i < 2 ? CF_CALL_EV_INCOMING : CF_CALL_EV_PARTICIPANTS);
	assert_int_equal(cf_call_accept(w.domain, id, tablet, "offer", w.now), 0);
	for (int i = 0; i < 4; i++)
		world_expect(&w, NULL, CF_CALL_EV_PARTICIPANTS);
	world_ended(&w, NULL, CF_CALL_EV_CANCELLED, 487, 10003);
	world_quiet(&w);
}

static void removed_and_muted(void **state)
{
	const struct seen *s;

	(void)state;
	three_talk();
	assert_int_equal(cf_call_mute_others(w.domain, id, alice, NULL), 0);
	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? carol : bob, CF_CALL_EV_NOTIFICATION);
		assert_string_equal(s->kind, "mute");
		assert_string_equal(s->from, ALICE);
	}
	assert_int_equal(cf_call_mute_others(w.domain, id, bob, CAROL), 0);
	world_expect(&w, carol, CF_CALL_EV_NOTIFICATION);
	world_quiet(&w);
	assert_int_equal(cf_call_mute_others(w.domain, id, bob, DAVE), CF_ENOTFOUND);
	assert_int_equal(cf_call_remove(w.domain, id, alice, DAVE, w.now), CF_ENOTFOUND);
	assert_int_equal(cf_call_remove(w.domain, id, alice, CAROL, w.now), 0);
	assert_string_equal(last_asked()->leg, legs[2]);
	world_ended(&w, carol, CF_CALL_EV_ENDED, 0, 5300);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	/* And called back; removed while it rings. */
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	world_expect(&w, carol, CF_CALL_EV_INCOMING);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	assert_int_equal(cf_call_remove(w.domain, id, bob, CAROL, w.now), 0);
	world_ended(&w, carol, CF_CALL_EV_CANCELLED, 487, 0);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, bob, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	assert_int_equal(cf_call_remove(w.domain, id, carol, BOB, w.now), CF_ESTATE);
}

static void called_all_together(void **state)
{
	static const char *const targets[] = {BOB, CAROL, DAVE};
	struct cf_call_start start = {
		.targets = targets, .n_targets = 3, .sdp = "offer", .custom_context = "ctx"};
	const struct seen *s;

	(void)state;
	assert_int_equal(cf_call_start(w.domain, alice, &start, w.now, id), 0);
	assert_string_equal(last_asked()->what, "join");
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	for (int i = 0; i < 2; i++) {
		s = world_expect(&w, i ? carol : bob, CF_CALL_EV_INCOMING);
		assert_string_equal(s->context, "ctx");
		assert_string_equal(s->group, id);
		world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	}
	assert_string_equal(world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->state, "ringing");
	assert_int_equal(world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS)->person_code, 480);
	world_quiet(&w);
	/* The last one who says no ends it. */
	assert_int_equal(cf_call_reject(w.domain, id, bob, false, w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	cf_call_endpoint_remove(w.domain, carol, w.now);
	world_expect(&w, alice, CF_CALL_EV_PARTICIPANTS);
	world_ended(&w, alice, CF_CALL_EV_ENDED, 480, 10037);
	world_quiet(&w);
}

static void not_allowed(void **state)
{
	struct cf_call_options options = cf_call_options_defaults();
	struct cf_call_endpoint_info service = {.raw_id = "8:echo123", .internal = true};
	struct cf_call_endpoint *bot;

	(void)state;
	assert_int_equal(world_call(&w, alice, BOB, id), 0);
	world_expect(&w, bob, CF_CALL_EV_INCOMING);
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), CF_ESTATE);
	assert_int_equal(cf_call_invite(w.domain, id, carol, CAROL, w.now), CF_EDENIED);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, false, NULL, w.now), 0);
	world_expect(&w, alice, CF_CALL_EV_ENDED);
	world_expect(&w, bob, CF_CALL_EV_CANCELLED);
	two_talk();
	assert_int_equal(cf_call_invite(w.domain, id, alice, "", w.now), CF_EINVAL);
	assert_int_equal(cf_call_promote(w.domain, id, alice, "offer", w.now), CF_ESTATE);
	assert_int_equal(cf_call_remove(w.domain, id, alice, BOB, w.now), CF_ESTATE);
	assert_int_equal(cf_call_mute_others(w.domain, id, alice, NULL), CF_ESTATE);
	options.max_group_members = 2;
	cf_call_domain_configure(w.domain, &options, w.now);
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), CF_ENOSPC);
	options.max_group_members = 3;
	cf_call_domain_configure(w.domain, &options, w.now);
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), 0);
	assert_int_equal(cf_call_invite(w.domain, id, alice, DAVE, w.now), CF_ENOSPC);
	assert_int_equal(cf_call_hangup(w.domain, id, alice, true, NULL, w.now), 0);
	cf_call_domain_deliver(w.domain);
	w.n_taken = w.n_seen;
	/* What lives in the service cannot move. */
	assert_int_equal(cf_call_endpoint_register(w.domain, &service, w.now, &bot), 0);
	assert_int_equal(world_call(&w, alice, "8:echo123", id), 0);
	assert_int_equal(cf_call_accept(w.domain, id, bot, "answer", w.now), 0);
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), CF_ESTATE);
	cf_call_domain_set_media(w.domain, NULL);
	assert_int_equal(cf_call_invite(w.domain, id, alice, CAROL, w.now), CF_ENOTSUP);
}

/* Whatever fails, the call is either as before or whole. */
static int oom_body(void *arg)
{
	struct cf_call_view view;
	int err = world_open(&w, NULL);

	(void)arg;
	if (err < 0)
		return err;
	err = world_register(&w, ALICE, "Alice", &alice);
	if (err == 0)
		err = world_register(&w, BOB, "Bob", &bob);
	if (err == 0)
		err = world_register(&w, CAROL, "Carol", &carol);
	if (err == 0)
		err = world_call(&w, alice, BOB, id);
	if (err == 0)
		err = cf_call_accept(w.domain, id, bob, "answer", w.now);
	if (err == 0) {
		err = cf_call_invite(w.domain, id, alice, CAROL, w.now);
		assert_int_equal(cf_call_look(w.domain, id, &view), 0);
		assert_int_equal(view.group_id != NULL, err == 0);
	}
	if (err == 0)
		err = cf_call_promote(w.domain, id, alice, "offer", w.now);
	if (err == 0)
		err = cf_call_accept(w.domain, id, carol, "offer", w.now);
	if (err == 0)
		err = cf_call_mute_others(w.domain, id, alice, NULL);
	if (err == 0)
		err = cf_call_remove(w.domain, id, alice, CAROL, w.now);
	cf_call_domain_deliver(w.domain);
	world_close(&w);
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
		cmocka_unit_test_setup_teardown(two_become_three, setup, teardown),
		cmocka_unit_test_setup_teardown(comes_before_they_have_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(stays_between_two, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_moves_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(one_leaves_while_they_move, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_called_does_not_come, setup, teardown),
		cmocka_unit_test_setup_teardown(removed_and_muted, setup, teardown),
		cmocka_unit_test_setup_teardown(called_all_together, setup, teardown),
		cmocka_unit_test_setup_teardown(not_allowed, setup, teardown),
		cmocka_unit_test(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
