/* SPDX-License-Identifier: Apache-2.0 */
/* Two are left in a call among people: it becomes one between two again. */
#include "unit/call/world.h"

#define CAROL "8:acs:res_carol"

static struct world w;
static struct cf_call_endpoint *people[3]; /* Alice, Bob, Carol */
static char id[CF_CALL_ID_MAX];
static char legs[3][CF_CALL_ID_MAX];

static void drop_events(void)
{
	cf_call_domain_deliver(w.domain);
	w.n_taken = w.n_seen;
}

/* The media processor takes who came last. */
static void media(size_t who)
{
	snprintf(legs[who], sizeof(legs[who]), "%s", w.asked[w.n_asked - 1].leg);
	cf_call_media_answered(w.domain, id, legs[who], "answer", w.now);
	cf_call_media_connected(w.domain, id, legs[who], w.now);
}

/* Alice calls Bob and Carol together; both come. */
static void three_talk(const struct cf_call_options *options)
{
	static const char *const raw_ids[] = {ALICE, BOB, CAROL};
	static const char *const targets[] = {BOB, CAROL};
	struct cf_call_start start = {.targets = targets, .n_targets = 2, .sdp = "offer"};

	assert_int_equal(world_open(&w, options), 0);
	for (size_t i = 0; i < 3; i++)
		people[i] = world_device(&w, raw_ids[i], NULL);
	assert_int_equal(cf_call_start(w.domain, people[0], &start, w.now, id), 0);
	media(0);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(cf_call_accept(w.domain, id, people[i], "offer", w.now), 0);
		media(i);
	}
	drop_events();
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* Bob leaves: Alice is asked to offer to Carol. */
static void bob_leaves(void)
{
	const struct seen *s;

	assert_int_equal(cf_call_hangup(w.domain, id, people[1], false, NULL, w.now), 0);
	world_ended(&w, people[1], CF_CALL_EV_ENDED, 0, 0);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[2], CF_CALL_EV_PARTICIPANTS);
	s = world_expect(&w, people[0], CF_CALL_EV_DEMOTE);
	assert_string_equal(s->from, CAROL);
	assert_string_equal(s->sdp, "");
	world_quiet(&w);
}

static void they_describe(void)
{
	const struct seen *s;

	assert_int_equal(cf_call_demote(w.domain, id, people[2], "early", w.now), CF_ESTATE);
	assert_int_equal(cf_call_demote(w.domain, id, people[0], "", w.now), CF_EINVAL);
	assert_int_equal(cf_call_direct(w.domain, id, people[0], w.now), CF_ESTATE);
	assert_int_equal(cf_call_demote(w.domain, id, people[0], "to Carol", w.now), 0);
	assert_int_equal(cf_call_demote(w.domain, id, people[0], "again", w.now), CF_ESTATE);
	s = world_expect(&w, people[2], CF_CALL_EV_DEMOTE);
	assert_string_equal(s->from, ALICE);
	assert_string_equal(s->sdp, "to Carol");
	assert_int_equal(cf_call_demote(w.domain, id, people[2], "to Alice", w.now), 0);
	s = world_expect(&w, people[0], CF_CALL_EV_ACCEPTED);
	assert_string_equal(s->from, CAROL);
	assert_string_equal(s->sdp, "to Alice");
	world_quiet(&w);
}

static void two_are_left(void **state)
{
	struct cf_call_view view;
	struct people seen;
	size_t metered, asked;

	(void)state;
	three_talk(NULL);
	metered = w.n_legs;
	bob_leaves();
	asked = w.n_asked;
	they_describe();
	assert_int_equal(cf_call_direct(w.domain, id, people[2], w.now), 0);
	world_quiet(&w);
	assert_int_equal(cf_call_direct(w.domain, id, people[0], w.now), 0);
	assert_string_equal(world_expect(&w, people[0], CF_CALL_EV_DEMOTED)->from, CAROL);
	assert_string_equal(world_expect(&w, people[2], CF_CALL_EV_DEMOTED)->from, ALICE);
	world_quiet(&w);
	/* The media processor lets both go; they are metered as before. */
	assert_int_equal(w.n_asked, asked + 2);
	assert_string_equal(w.asked[asked].what, "leave");
	assert_int_equal(w.n_legs, metered + 1); /* Bob's last */
	assert_int_equal(cf_call_look(w.domain, id, &view), 0);
	assert_int_equal(view.state, CF_CALL_CONNECTED);
	assert_null(view.group_id);
	world_look(&w, id, &seen);
	assert_int_equal(seen.n, 2);
	/* From now on between the two. */
	assert_int_equal(cf_call_renegotiate(w.domain, id, people[2], "more", false, w.now), 0);
	world_expect(&w, people[0], CF_CALL_EV_RENEGOTIATE);
	assert_int_equal(cf_call_direct(w.domain, id, people[0], w.now), CF_ESTATE);
	/* And a group again. */
	assert_int_equal(cf_call_invite(w.domain, id, people[0], BOB, w.now), 0);
	world_expect(&w, people[0], CF_CALL_EV_PROMOTE);
	drop_events();
	assert_int_equal(cf_call_hangup(w.domain, id, people[0], true, NULL, w.now), 0);
	assert_int_equal(cf_call_domain_n_calls(w.domain), 0);
}

/* Somebody is called in while they make their way: they stay. */
static void somebody_comes(void **state)
{
	(void)state;
	three_talk(NULL);
	bob_leaves();
	they_describe();
	assert_int_equal(cf_call_invite(w.domain, id, people[2], BOB, w.now), 0);
	assert_string_equal(world_expect(&w, people[0], CF_CALL_EV_NOT_DEMOTED)->from, CAROL);
	world_expect(&w, people[2], CF_CALL_EV_NOT_DEMOTED);
	world_expect(&w, people[1], CF_CALL_EV_INCOMING);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[2], CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
	assert_int_equal(cf_call_direct(w.domain, id, people[0], w.now), CF_ESTATE);
	/* Who does not come after all: once more. */
	assert_int_equal(cf_call_reject(w.domain, id, people[1], false, w.now), 0);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[2], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[0], CF_CALL_EV_DEMOTE);
	world_quiet(&w);
	they_describe();
}

/* One goes while they make their way: the other one is alone. */
static void one_leaves(void **state)
{
	(void)state;
	three_talk(NULL);
	bob_leaves();
	they_describe();
	assert_int_equal(cf_call_hangup(w.domain, id, people[2], false, NULL, w.now), 0);
	world_expect(&w, people[0], CF_CALL_EV_NOT_DEMOTED);
	world_expect(&w, people[2], CF_CALL_EV_NOT_DEMOTED);
	world_ended(&w, people[2], CF_CALL_EV_ENDED, 0, 0);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_ended(&w, people[0], CF_CALL_EV_ENDED, 0, 0);
	world_quiet(&w);
}

/* No way is found: they stay, and are not asked again until somebody has come. */
static void no_way(void **state)
{
	(void)state;
	three_talk(NULL);
	bob_leaves();
	they_describe();
	assert_int_equal(cf_call_direct(w.domain, id, people[0], w.now), 0);
	world_pass(&w, 9900 * CF_US_PER_MS);
	world_quiet(&w);
	world_pass(&w, 300 * CF_US_PER_MS);
	world_expect(&w, people[0], CF_CALL_EV_NOT_DEMOTED);
	world_expect(&w, people[2], CF_CALL_EV_NOT_DEMOTED);
	world_pass(&w, 30 * CF_US_PER_S);
	world_quiet(&w);
	assert_int_equal(cf_call_invite(w.domain, id, people[2], BOB, w.now), 0);
	drop_events();
	assert_int_equal(cf_call_reject(w.domain, id, people[1], false, w.now), 0);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[2], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[0], CF_CALL_EV_DEMOTE);
}

static void only_where_it_is_wanted(void **state)
{
	struct cf_call_options options = cf_call_options_defaults();

	(void)state;
	options.direct_when_two = false;
	three_talk(&options);
	assert_int_equal(cf_call_demote(w.domain, id, people[0], "offer", w.now), CF_ESTATE);
	assert_int_equal(cf_call_hangup(w.domain, id, people[1], false, NULL, w.now), 0);
	world_ended(&w, people[1], CF_CALL_EV_ENDED, 0, 0);
	world_expect(&w, people[0], CF_CALL_EV_PARTICIPANTS);
	world_expect(&w, people[2], CF_CALL_EV_PARTICIPANTS);
	world_quiet(&w);
}

static int oom_body(void *arg)
{
	int err;

	(void)arg;
	err = cf_call_hangup(w.domain, id, people[1], false, NULL, w.now);
	if (err == 0)
		err = cf_call_demote(w.domain, id, people[0], "to Carol", w.now);
	if (err == 0)
		err = cf_call_demote(w.domain, id, people[2], "to Alice", w.now);
	if (err == 0)
		err = cf_call_direct(w.domain, id, people[0], w.now);
	if (err == 0)
		err = cf_call_direct(w.domain, id, people[2], w.now);
	/* What could not be told to begin is as if it had never begun. */
	return err == CF_ESTATE ? CF_ENOMEM : err;
}

static void oom(void **state)
{
	int left = 0, err;

	(void)state;
	do {
		three_talk(NULL);
		cf_mem_fail_after(left++);
		err = oom_body(NULL);
		cf_mem_fail_after(-1);
		cf_call_domain_deliver(w.domain);
		world_close(&w);
	} while (err == CF_ENOMEM && left < 1000);
	assert_int_equal(err, 0);
	assert_int_equal(world_open(&w, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(two_are_left, teardown),
		cmocka_unit_test_teardown(somebody_comes, teardown),
		cmocka_unit_test_teardown(one_leaves, teardown),
		cmocka_unit_test_teardown(no_way, teardown),
		cmocka_unit_test_teardown(only_where_it_is_wanted, teardown),
		cmocka_unit_test_teardown(oom, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
