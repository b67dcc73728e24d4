/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody hears it when encoders, talkers or members change. */
#include "harness/harness.h"

#include "harness/group.h"

#define MAX_DIFFERENCE_DB (-11) /* of one frame: what Opus itself makes of it */

static bool has_own(const struct cf_test_group *g, size_t i)
{
	struct cf_mix_member_stats s;

	cf_mix_member_stats(g->callers[i].member, g->now, &s);
	return s.own_stream;
}

/* Two groups, in one of which a member begins to talk: it itself hears the same in both. */
static void an_encoder_of_ones_own(void **state)
{
	struct cf_test_group talks, listens;
	double db;

	(void)state;
	cf_test_group_init(&talks, 3, NULL, 8);
	cf_test_group_init(&listens, 3, NULL, 8);
	talks.callers[0].amplitude = listens.callers[0].amplitude = 8000;
	cf_test_group_run(&talks, 3000);
	cf_test_group_run(&listens, 3000);
	assert_false(has_own(&talks, 1));
	talks.callers[1].amplitude = 8000;
	cf_test_group_run(&talks, 500);
	cf_test_group_run(&listens, 500);
	assert_true(has_own(&talks, 1));
	db = cf_test_difference_db(&talks, 1, &listens, 1, 500);
	print_message("# to one's own: %.1f dB\n", db);
	assert_true(db < MAX_DIFFERENCE_DB);
	cf_test_group_done(&talks);
	cf_test_group_done(&listens);
}

/* Who has stopped talking hears what the others hear, across the switch. */
static void and_back(void **state)
{
	struct cf_test_group g;
	unsigned ms = 0;
	double db;

	(void)state;
	cf_test_group_init(&g, 4, NULL, 12);
	g.callers[0].amplitude = g.callers[1].amplitude = 8000;
	cf_test_group_run(&g, 3000);
	assert_true(has_own(&g, 1));
	g.callers[1].amplitude = 0;
	for (; has_own(&g, 1); ms += 20) {
		cf_test_group_run(&g, 20);
		assert_true(ms < 3000);
	}
	/* Its voice has long gone by now; both are played out 20 ms or more after this. */
	cf_test_group_run(&g, 200);
	db = cf_test_difference_db(&g, 1, &g, 2, 400);
	print_message("# back after %u ms: %.1f dB\n", ms, db);
	assert_true(db < MAX_DIFFERENCE_DB);
	assert_true(cf_test_click(&g, 1, 400) < 1.3 * cf_test_click(&g, 2, 400));
	/* From now on it is the same stream, and soon the same sound. */
	cf_test_group_run(&g, 1000);
	assert_true(cf_test_difference_db(&g, 1, &g, 2, 500) < -30);
	cf_test_group_done(&g);
}

/* A low and nearly pure sound, in which a click stands out. */
static double steady(struct cf_test_group *g)
{
	cf_test_group_init(g, 3, NULL, 8);
	g->callers[0].hz = 300;
	g->callers[0].noise = 0.005;
	g->callers[0].amplitude = 8000;
	cf_test_group_run(g, 4000);
	return cf_test_click(g, 2, 2000);
}

static void no_clicks(struct cf_test_group *g, double before, const char *what)
{
	double click;

	cf_test_group_run(g, 300);
	click = cf_test_click(g, 2, 300);
	print_message("# %s: %.4f, steady %.4f\n", what, click, before);
	if (click > 1.5 * before)
		fail_msg("%s: a click of %f, steady %f", what, click, before);
}

static void mute(void **state)
{
	struct cf_test_group g;
	double before = steady(&g);

	(void)state;
	cf_mix_set_muted(g.callers[0].member, true);
	no_clicks(&g, before, "mute");
	cf_test_group_run(&g, 1000);
	assert_true(cf_test_total_db(&g, 2, 500) < -65);
	cf_mix_set_muted(g.callers[0].member, false);
	no_clicks(&g, before, "unmute");
	cf_test_group_run(&g, 600);
	assert_true(cf_test_hear_db(&g, 2, 0, 400) > -30);
	cf_test_group_done(&g);
}

static void leave_and_join(void **state)
{
	struct cf_test_group g;
	double before = steady(&g);

	(void)state;
	cf_test_group_leave(&g, 0);
	no_clicks(&g, before, "leave");
	cf_test_group_run(&g, 1000);
	assert_true(cf_test_total_db(&g, 2, 500) < -65);
	cf_test_group_join(&g, 0);
	no_clicks(&g, before, "join");
	cf_test_group_run(&g, 600);
	assert_true(cf_test_hear_db(&g, 2, 0, 400) > -30);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_encoder_of_ones_own),
		cmocka_unit_test(and_back),
		cmocka_unit_test(mute),
		cmocka_unit_test(leave_and_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
