/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "loop/pace.h"

#define TICK_US 1000

/* Turns at even distances for a time; the time afterwards. */
static uint64_t run(struct cf_pace *pace, uint64_t from_us, uint64_t gap_us, uint32_t n_events)
{
	uint64_t now_us = from_us;

	for (; now_us < from_us + 50 * TICK_US; now_us += gap_us)
		cf_pace_turn(pace, n_events, now_us);
	cf_pace_turn(pace, n_events, now_us);
	return now_us;
}

static void without_a_tick_there_is_no_rest(void **state)
{
	struct cf_pace pace = {0};
	uint64_t now_us = run(&pace, 1000000, 10, 1);

	(void)state;
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us), 0);
}

static void few_events_are_handled_at_once(void **state)
{
	struct cf_pace pace = {.tick_us = TICK_US};
	uint64_t now_us = run(&pace, 1000000, TICK_US, CF_PACE_BUSY - 1);

	(void)state;
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us), 0);
}

static void many_events_wait_for_each_other_a_tick_at_most(void **state)
{
	struct cf_pace pace = {.tick_us = TICK_US};
	uint64_t now_us = run(&pace, 1000000, TICK_US / 10, 1);

	(void)state;
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us), now_us + TICK_US);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + 300), now_us + TICK_US);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + TICK_US), 0);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + 5 * TICK_US), 0);
}

static void full_turns_and_empty_ones_need_no_rest(void **state)
{
	struct cf_pace pace = {.tick_us = TICK_US};
	uint64_t now_us = run(&pace, 1000000, TICK_US / 10, 1);

	(void)state;
	cf_pace_turn(&pace, CF_PACE_FULL, now_us + 100);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + 100), 0);
	cf_pace_turn(&pace, CF_PACE_FULL - 1, now_us + 200);
	assert_int_not_equal(cf_pace_rest_until_us(&pace, now_us + 200), 0);
	cf_pace_turn(&pace, 0, now_us + 300);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + 300), 0);
}

static void rests_end_with_the_load(void **state)
{
	struct cf_pace pace = {.tick_us = TICK_US};
	uint64_t now_us = run(&pace, 1000000, TICK_US / 10, 1);

	(void)state;
	/* Just below what begins them they go on, so that they do not come and go. */
	now_us = run(&pace, now_us + TICK_US, TICK_US, CF_PACE_BUSY - 1);
	assert_int_not_equal(cf_pace_rest_until_us(&pace, now_us), 0);
	/* The first packet behind a pause is judged with the pause. */
	cf_pace_turn(&pace, 1, now_us + 20 * TICK_US);
	assert_int_equal(cf_pace_rest_until_us(&pace, now_us + 20 * TICK_US), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_tick_there_is_no_rest),
		cmocka_unit_test(few_events_are_handled_at_once),
		cmocka_unit_test(many_events_wait_for_each_other_a_tick_at_most),
		cmocka_unit_test(full_turns_and_empty_ones_need_no_rest),
		cmocka_unit_test(rests_end_with_the_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
