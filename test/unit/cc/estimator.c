/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/estimator.h"

#include "base/clock.h"
#include "harness/harness.h"

static struct cf_cc *make(void)
{
	struct cf_cc *cc = NULL;

	assert_int_equal(cf_cc_new(&cc, NULL), 0);
	return cc;
}

static int new_oom(void *arg)
{
	struct cf_cc *cc = NULL;
	int err = cf_cc_new(&cc, NULL);

	(void)arg;
	cf_cc_free(cc);
	return err;
}

static void test_options(void **state)
{
	struct cf_cc *cc = NULL;
	struct cf_cc_opts opts;

	(void)state;
	cf_test_oom(new_oom, NULL, 1);
	cf_cc_opts_defaults(&opts);
	opts.min_bps = 0;
	assert_int_equal(cf_cc_new(&cc, &opts), CF_EINVAL);
	cf_cc_opts_defaults(&opts);
	opts.start_bps = opts.max_bps + 1;
	assert_int_equal(cf_cc_new(&cc, &opts), CF_EINVAL);
	cf_cc_opts_defaults(&opts);
	opts.max_bps = CF_CC_RATE_MAX + 1;
	assert_int_equal(cf_cc_new(&cc, &opts), CF_EINVAL);
	cf_cc_opts_defaults(&opts);
	opts.slots = 1000;
	assert_int_equal(cf_cc_new(&cc, &opts), CF_EINVAL);
	opts.slots = 2 * CF_CC_SLOTS_MAX;
	assert_int_equal(cf_cc_new(&cc, &opts), CF_EINVAL);
	assert_null(cc);
	assert_null(cf_cc_free(NULL));
}

static void test_bounds(void **state)
{
	struct cf_cc *cc = make();

	(void)state;
	assert_int_equal(cf_cc_target_bps(cc), 300000);
	assert_int_equal(cf_cc_bounds(cc, 200000, 100000), CF_EINVAL);
	assert_int_equal(cf_cc_bounds(cc, 50000, 100000), 0);
	assert_int_equal(cf_cc_target_bps(cc), 100000);
	assert_int_equal(cf_cc_bounds(cc, 150000, 400000), 0);
	assert_int_equal(cf_cc_target_bps(cc), 150000);
	cf_cc_restart(cc, 1000000, 5);
	assert_int_equal(cf_cc_target_bps(cc), 400000);
	cf_cc_free(cc);
}

/* What was not sent, told before, or forgotten teaches nothing. */
static void test_strays(void **state)
{
	struct cf_cc_arrival told[2] = {
		{.seq = 10, .arrival_us = 5000}, {.seq = 10, .arrival_us = 9000}};
	struct cf_cc_arrival future = {.seq = 11, .arrival_us = 6000};
	struct cf_cc_arrival other = {.seq = 10 + 2048, .arrival_us = 6000};
	struct cf_cc *cc = make();
	struct cf_cc_state seen;

	(void)state;
	cf_cc_sent(cc, 10, 1200, 1000);
	cf_cc_feedback(cc, told, 2, 50000, 60000);
	cf_cc_state(cc, &seen);
	assert_int_equal(seen.strays, 1);
	told[0].lost = true; /* arrived is arrived */
	cf_cc_feedback(cc, told, 1, 50000, 61000);
	cf_cc_feedback(cc, &future, 1, 50000, 61000);
	cf_cc_feedback(cc, &other, 1, 50000, 61000);
	cf_cc_feedback(cc, NULL, 0, 50000, 61000);
	cf_cc_state(cc, &seen);
	assert_int_equal(seen.strays, 4);
	assert_int_equal(seen.loss_permille, 0);
	assert_int_equal(seen.target_bps, 300000);
	cf_cc_free(cc);
}

/* A packet that a later one with the same slot pushed out is forgotten, across the wrap too. */
static void test_wrap(void **state)
{
	struct cf_cc *cc = make();
	struct cf_cc_state seen;
	uint64_t now_us = 1000;

	(void)state;
	for (uint32_t i = 65000; i < 65000 + 3000; i++)
		cf_cc_sent(cc, (uint16_t)i, 100, now_us += 100);
	for (uint32_t i = 65000; i < 65000 + 3000; i++) {
		struct cf_cc_arrival told = {.seq = (uint16_t)i, .arrival_us = i * 100};

		cf_cc_feedback(cc, &told, 1, 0, now_us += 100);
	}
	cf_cc_state(cc, &seen);
	assert_int_equal(seen.strays, 3000 - 2048);
	cf_cc_free(cc);
}

static uint32_t play(struct cf_cc *cc, uint16_t *seq, uint64_t *now_us, int64_t shift_us, int n)
{
	for (int i = 0; i < n; i++) {
		struct cf_cc_arrival told = {
			.seq = ++*seq, .arrival_us = (int64_t)*now_us + shift_us};

		cf_cc_sent(cc, *seq, 1000, *now_us);
		cf_cc_feedback(cc, &told, 1, 40000, *now_us + 10);
		*now_us += 25000;
	}
	return cf_cc_target_bps(cc);
}

/* The receiver's clock jumps, ours goes back: the rate stays where it was. */
static void test_clocks(void **state)
{
	struct cf_cc *cc = make();
	uint64_t now_us = 5000000;
	uint16_t seq = 65500;
	uint32_t rate = play(cc, &seq, &now_us, 0, 200);

	(void)state;
	assert_true(rate >= 300000);
	assert_true(play(cc, &seq, &now_us, -(int64_t)60000000, 100) >= rate);
	assert_true(play(cc, &seq, &now_us, (int64_t)1 << 40, 100) >= rate);
	now_us = 100; /* counts as the newest time */
	assert_true(play(cc, &seq, &now_us, 0, 50) >= 30000);
	assert_true(cf_cc_target_bps(cc) <= 10000000);
	cf_cc_free(cc);
}

static void test_impossible_arrival(void **state)
{
	struct cf_cc_arrival told = {.seq = 1, .arrival_us = INT64_MAX};
	struct cf_cc *cc = make();
	struct cf_cc_state seen;

	(void)state;
	cf_cc_sent(cc, 1, UINT32_MAX, UINT64_MAX);
	cf_cc_feedback(cc, &told, 1, UINT32_MAX, UINT64_MAX);
	told.arrival_us = INT64_MIN;
	cf_cc_feedback(cc, &told, 1, UINT32_MAX, 0);
	cf_cc_state(cc, &seen);
	assert_int_equal(seen.strays, 2);
	cf_cc_free(cc);
}

static void test_silence(void **state)
{
	struct cf_cc *cc = make();
	struct cf_cc_state seen;

	(void)state;
	assert_true(cf_cc_deadline_us(cc) == CF_TIME_NEVER);
	cf_cc_tick(cc, 1000);
	cf_cc_sent(cc, 1, 1000, 2000);
	assert_true(cf_cc_deadline_us(cc) == 1002000);
	cf_cc_tick(cc, 1001999);
	assert_int_equal(cf_cc_target_bps(cc), 300000);
	cf_cc_tick(cc, 1002000);
	assert_int_equal(cf_cc_target_bps(cc), 225000);
	assert_true(cf_cc_deadline_us(cc) == 1502000);
	cf_cc_state(cc, &seen);
	assert_int_equal(seen.limit, CF_CC_LIMIT_SILENCE);
	cf_cc_tick(cc, 1000000000);
	assert_int_equal(cf_cc_target_bps(cc), 30000);
	assert_true(cf_cc_deadline_us(cc) == CF_TIME_NEVER);
	cf_cc_free(cc);
}

/* The first probe begins at once, and is told once; one that is never sent is given up. */
static void test_probe(void **state)
{
	struct cf_cc *cc = make();
	struct cf_cc_probe probe = {0};

	(void)state;
	assert_true(cf_cc_probe(cc, 1000, &probe));
	assert_int_equal(probe.rate_bps, 900000);
	assert_in_range(probe.bytes, 2000, 7000);
	assert_false(cf_cc_probe(cc, 1001, &probe));
	assert_false(cf_cc_probe(cc, 2100000, &probe));
	assert_true(cf_cc_probe(cc, 9100000, &probe));
	assert_int_equal(probe.rate_bps, 600000);
	cf_cc_free(cc);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(cf_cc_limit_name(CF_CC_LIMIT_NONE), "none");
	assert_string_equal(cf_cc_limit_name(CF_CC_LIMIT_MAX), "max");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_impossible_arrival),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
