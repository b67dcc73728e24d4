/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "cc/queue.h"

#define MS ((int64_t)CF_US_PER_MS)

/* Packets every 10 ms that are under way so long; whether a queue stands at the end. */
static bool play(struct cf_cc_queue *queue, int64_t delay_us, uint64_t *now_us, int ms)
{
	bool stands = false;

	for (; ms > 0; ms -= 10) {
		*now_us += 10 * MS;
		cf_cc_queue_add(queue, delay_us, *now_us);
		stands = cf_cc_queue_stands(queue, *now_us);
	}
	return stands;
}

static void test_stands(void **state)
{
	struct cf_cc_queue queue = {0};
	uint64_t now_us = CF_US_PER_S;

	(void)state;
	assert_false(cf_cc_queue_stands(&queue, now_us));
	/* The clocks of both ends have nothing to do with each other. */
	assert_false(play(&queue, -12345678, &now_us, 1000));
	assert_int_equal(cf_cc_queue_us(&queue), 0);
	assert_false(play(&queue, -12345678 + 200 * MS, &now_us, 100)); /* not for long yet */
	assert_true(play(&queue, -12345678 + 200 * MS, &now_us, 400));
	assert_int_equal(cf_cc_queue_us(&queue), 200 * MS);
	assert_false(play(&queue, -12345678, &now_us, 10)); /* one that did not wait tells all */
}

static void test_in_vain(void **state)
{
	struct cf_cc_queue queue = {0};
	uint64_t now_us = CF_US_PER_S;

	(void)state;
	play(&queue, 10 * MS, &now_us, 1000);
	assert_true(play(&queue, 110 * MS, &now_us, 4000));
	/* Sending less has not helped: the path is longer now, or others fill it. */
	assert_false(play(&queue, 110 * MS, &now_us, 2000));
	assert_false(play(&queue, 110 * MS, &now_us, 2000));
	assert_true(play(&queue, 210 * MS, &now_us, 1000));
}

static void test_other_clock(void **state)
{
	struct cf_cc_queue queue = {0};
	uint64_t now_us = CF_US_PER_S;

	(void)state;
	play(&queue, 10 * MS, &now_us, 1000);
	assert_false(play(&queue, (int64_t)1 << 40, &now_us, 1000));
	assert_true(play(&queue, ((int64_t)1 << 40) + 100 * MS, &now_us, 1000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stands),
		cmocka_unit_test(test_in_vain),
		cmocka_unit_test(test_other_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
