/* SPDX-License-Identifier: Apache-2.0 */
/* Who hears whom, how loud, at what cost. */
#include "harness/harness.h"

#include "harness/group.h"

#include "base/mem.h"

static void everyone_hears_the_others(void **state)
{
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 4, NULL, 6);
	for (size_t i = 0; i < 3; i++)
		g.callers[i].amplitude = 8000;
	cf_test_group_run(&g, 5000);
	for (size_t who = 0; who < 4; who++)
		for (size_t whose = 0; whose < 3; whose++) {
			double db = cf_test_hear_db(&g, who, whose, 2000);

			print_message("# %zu hears %zu at %.1f dB\n", who, whose, db);
			if (who == whose ? db > -62 : db < -25)
				fail_msg("%zu hears %zu at %f dB", who, whose, db);
		}
	cf_test_group_done(&g);
}

static void only_talkers_cost(void **state)
{
	struct cf_mix_stats s;
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 100, NULL, 1);
	for (size_t i = 0; i < 100; i++)
		g.callers[i].deaf = true;
	for (size_t i = 0; i < 3; i++)
		g.callers[i].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	for (int i = 0; i < 20; i++) {
		cf_test_group_run(&g, 20);
		cf_mix_stats(g.mix, &s);
		assert_int_equal(s.tick_decodes, 3);
		assert_int_equal(s.tick_encodes, 4);
		assert_int_equal(s.tick_packets, 100);
	}
	assert_int_equal(s.talkers, 3);
	assert_int_equal(s.streams, 3);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everyone_hears_the_others),
		cmocka_unit_test(only_talkers_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
