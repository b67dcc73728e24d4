/* SPDX-License-Identifier: Apache-2.0 */
/* Who is chosen to be heard, and in which order they speak. */
#include "harness/harness.h"

#include "harness/group.h"

#include <math.h>

static bool is_talker(const struct cf_test_group *g, size_t i)
{
	struct cf_mix_member_stats s;

	cf_mix_member_stats(g->callers[i].member, g->now, &s);
	return s.talker;
}

static void the_loudest_are_heard(void **state)
{
	struct cf_mix_opts opts;
	struct cf_mix_stats s;
	struct cf_test_group g;

	(void)state;
	cf_mix_opts_defaults(&opts);
	opts.talkers_max = 2;
	cf_test_group_init(&g, 6, &opts, 8);
	g.callers[0].amplitude = g.callers[1].amplitude = 4000;
	cf_test_group_run(&g, 1000);
	assert_true(is_talker(&g, 0) && is_talker(&g, 1));
	/* As loud as they are: it waits. */
	g.callers[2].amplitude = 4500;
	for (int i = 0; i < 50; i++) {
		cf_test_group_run(&g, 20);
		assert_true(is_talker(&g, 0) && is_talker(&g, 1));
	}
	/* Far louder: it comes in, and the number stays. */
	g.callers[2].amplitude = 16000;
	cf_test_group_run(&g, 1000);
	assert_true(is_talker(&g, 2));
	cf_mix_stats(g.mix, &s);
	assert_int_equal(s.talkers, 2);
	assert_int_equal(s.tick_decodes, 2);
	assert_true(cf_test_hear_db(&g, 4, 2, 500) > -30);
	/* One of them stops: the one that waited comes in. */
	g.callers[2].amplitude = 0;
	cf_test_group_run(&g, 1500);
	assert_true(is_talker(&g, 0) && is_talker(&g, 1) && !is_talker(&g, 2));
	cf_test_group_done(&g);
}

static void first_sounds_are_whole(void **state)
{
	struct cf_test_group g;
	double sum = 0, ref;

	(void)state;
	cf_test_group_init(&g, 2, NULL, 6);
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 2000);
	ref = cf_test_total_db(&g, 1, 1000);
	g.callers[0].amplitude = 0;
	cf_test_group_run(&g, 2500);
	assert_false(is_talker(&g, 0));
	/* 100 ms of sound, no more, all of which has to arrive. */
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 100);
	g.callers[0].amplitude = 0;
	cf_test_group_run(&g, 300);
	sum = cf_test_total_db(&g, 1, 400) + 10 * log10(4);
	print_message("# a sound of 100 ms: %.1f dB, in the midst of speech %.1f dB\n", sum, ref);
	assert_true(fabs(sum - ref) < 4);
	cf_test_group_done(&g);
}

static void levels_that_are_not_told(void **state)
{
	struct cf_mix_stats s;
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 30, NULL, 5);
	g.no_level = true;
	for (size_t i = 0; i < 30; i++) {
		g.callers[i].deaf = i != 29;
		cf_test_group_leave(&g, i);
		cf_test_group_join(&g, i);
	}
	g.callers[17].amplitude = 8000;
	cf_test_group_run(&g, 2000);
	assert_true(is_talker(&g, 17));
	for (int i = 0; i < 20; i++) {
		cf_test_group_run(&g, 20);
		cf_mix_stats(g.mix, &s);
		assert_in_range(s.tick_decodes, 1, 9);
	}
	assert_true(cf_test_hear_db(&g, 29, 17, 300) > -30);
	cf_test_group_done(&g);
}

static void speakers_in_order(void **state)
{
	struct cf_test_group g;
	void *owners[4];
	unsigned changes = 0;

	(void)state;
	cf_test_group_init(&g, 4, NULL, 20);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 4), 0);
	g.callers[1].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 4), 1);
	assert_ptr_equal(owners[0], &g.callers[1]);
	/* Two who are as loud as each other do not change places with every word. */
	g.callers[2].amplitude = 8500;
	for (int i = 0; i < 250; i++) {
		cf_test_group_run(&g, 20);
		cf_mix_speaking(g.mix, owners, 4);
		changes += owners[0] != &g.callers[1];
	}
	assert_int_equal(changes, 0);
	g.callers[1].amplitude = 1500;
	cf_test_group_run(&g, 3000);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 4), 2);
	assert_ptr_equal(owners[0], &g.callers[2]);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 1), 1);
	cf_mix_set_muted(g.callers[2].member, true);
	cf_test_group_run(&g, 40);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 4), 1);
	assert_ptr_equal(owners[0], &g.callers[1]);
	cf_test_group_leave(&g, 1);
	assert_int_equal(cf_mix_speaking(g.mix, owners, 4), 0);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loudest_are_heard),
		cmocka_unit_test(first_sounds_are_whole),
		cmocka_unit_test(levels_that_are_not_told),
		cmocka_unit_test(speakers_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
