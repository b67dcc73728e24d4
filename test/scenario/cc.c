/* SPDX-License-Identifier: Apache-2.0 */
/* Congestion control over a simulated bottleneck, in virtual time. */
#include "harness/bottleneck.h"
#include "harness/harness.h"

#include "base/clock.h"

#include <stdlib.h>

static uint32_t target(const struct bottleneck *link)
{
	return cf_cc_target_bps(link->flows[0].cc);
}

static void between(uint32_t value, uint32_t min, uint32_t max)
{
	print_message("# %u in %u..%u\n", value, min, max);
	assert_in_range(value, min, max);
}

#define SEEDS 4

static struct bottleneck *seeded(uint32_t rate_bps, int seed)
{
	struct bottleneck *link = bottleneck_new(rate_bps, NULL);

	link->seed += (uint64_t)seed * 7919;
	return link;
}

/* Reaches the rate within some seconds, uses 80 to 100 % of it, with a queue of so many ms. */
static void settle(struct bottleneck *link, uint32_t rate_bps, uint32_t within_ms, uint32_t wait_ms)
{
	between(bottleneck_until(link, rate_bps / 5 * 4, UINT32_MAX, 60000), 0, within_ms);
	bottleneck_run(link, 10000);
	between(bottleneck_measure(link, 0, 30000), rate_bps / 10 * 8, rate_bps);
	between((uint32_t)(link->wait_us / 1000), 0, wait_ms);
	bottleneck_free(link);
}

static void settles(uint32_t rate_bps, uint32_t jitter_us, uint32_t within_ms, uint32_t wait_ms)
{
	for (int i = 0; i < SEEDS; i++) {
		struct bottleneck *link = seeded(rate_bps, i);

		link->jitter_us = jitter_us;
		settle(link, rate_bps, within_ms, wait_ms);
	}
}

static void test_settles_500k(void **state)
{
	(void)state;
	settles(500000, 0, 5000, 150);
}

static void test_settles_2m(void **state)
{
	(void)state;
	settles(2000000, 0, 5000, 150);
}

/* A frame alone takes 33 ms here; the trend is seen later. */
static void test_settles_slow(void **state)
{
	(void)state;
	settles(150000, 0, 5000, 250);
}

static void test_jitter(void **state)
{
	(void)state;
	settles(1000000, 10000, 8000, 150);
}

static void test_random_loss(void **state)
{
	(void)state;
	for (int i = 0; i < SEEDS; i++) {
		struct bottleneck *link = seeded(500000, i);

		link->loss_permille = 50;
		bottleneck_run(link, 10000);
		between(bottleneck_measure(link, 0, 60000), 350000, 500000);
		between((uint32_t)(link->wait_us / 1000), 0, 150);
		bottleneck_free(link);
	}
}

/* A path that drops at once what is above its rate: delays tell nothing. */
static void test_no_queue(void **state)
{
	struct bottleneck *link = bottleneck_new(1000000, NULL);
	struct cf_cc_state seen;
	uint32_t arrived;

	(void)state;
	link->queue_ms = 25;
	bottleneck_run(link, 15000);
	arrived = bottleneck_measure(link, 0, 30000);
	between(arrived, 700000, 1000000);
	cf_cc_state(link->flows[0].cc, &seen);
	between(seen.loss_permille, 0, 100);
	bottleneck_free(link);
}

static void drop_and_recovery(struct bottleneck *link)
{
	bottleneck_run(link, 20000);
	link->rate_bps = 500000;
	between(bottleneck_until(link, 0, 500000, 5000), 0, 1500);
	bottleneck_run(link, 5000);
	between(bottleneck_measure(link, 0, 20000), 375000, 500000);
	between((uint32_t)(link->wait_us / 1000), 0, 150);
	link->rate_bps = 1500000;
	between(bottleneck_until(link, 1200000, UINT32_MAX, 30000), 0, 10000);
	bottleneck_free(link);
}

static void test_drop_and_recovery(void **state)
{
	(void)state;
	for (int i = 0; i < SEEDS; i++)
		drop_and_recovery(seeded(1500000, i));
}

static void test_two_flows(void **state)
{
	struct bottleneck *link = bottleneck_new(2000000, NULL);
	uint32_t first, second;

	(void)state;
	bottleneck_run(link, 15000);
	link->flows[1].on = true;
	bottleneck_run(link, 30000);
	first = bottleneck_measure(link, 0, 60000);
	second = (uint32_t)(link->flows[1].arrived_bytes * 8000 / 60000);
	between(second, first / 3, first * 3);
	between(first + second, 1500000, 2000000);
	between((uint32_t)(link->wait_us / 1000), 0, 250);
	bottleneck_free(link);
}

static void test_app_limited(void **state)
{
	struct bottleneck *link = bottleneck_new(2000000, NULL);
	struct cf_cc_state seen;
	uint32_t before;

	(void)state;
	bottleneck_run(link, 15000);
	link->flows[0].most_bps = 200000;
	bottleneck_run(link, 2000);
	before = target(link);
	bottleneck_run(link, 60000);
	between(target(link), before / 10 * 9, before);
	cf_cc_state(link->flows[0].cc, &seen);
	assert_int_equal(seen.limit, CF_CC_LIMIT_APP);
	link->flows[0].most_bps = 0;
	between(bottleneck_measure(link, 0, 10000), 1400000, 2000000);
	bottleneck_free(link);
}

/* Little of a good link is wanted: the estimate stays at what the first probes showed. */
static void test_app_limited_from_start(void **state)
{
	struct bottleneck *link = bottleneck_new(5000000, NULL);
	uint32_t before;

	(void)state;
	link->flows[0].most_bps = 100000;
	bottleneck_run(link, 5000);
	before = target(link);
	bottleneck_run(link, 60000);
	between(target(link), before / 10 * 9, before);
	between(target(link), 100000, 5000000);
	bottleneck_free(link);
}

static void test_feedback_lost(void **state)
{
	struct bottleneck *link = bottleneck_new(1000000, NULL);
	struct cf_cc_state seen;
	uint32_t before;

	(void)state;
	bottleneck_run(link, 15000);
	before = target(link);
	link->mute = true;
	bottleneck_run(link, 2000);
	between(target(link), before / 10, before / 10 * 7);
	cf_cc_state(link->flows[0].cc, &seen);
	assert_int_equal(seen.limit, CF_CC_LIMIT_SILENCE);
	link->mute = false;
	between(bottleneck_until(link, 800000, 1000000, 20000), 0, 10000);
	bottleneck_free(link);
}

/* The link is gone for three seconds. */
static void test_outage(void **state)
{
	struct bottleneck *link = bottleneck_new(1000000, NULL);

	(void)state;
	bottleneck_run(link, 15000);
	link->loss_permille = 1000;
	bottleneck_run(link, 3000);
	link->loss_permille = 0;
	between(bottleneck_until(link, 800000, UINT32_MAX, 20000), 0, 10000);
	between(bottleneck_measure(link, 0, 20000), 750000, 1000000);
	bottleneck_free(link);
}

static void test_bounds(void **state)
{
	struct cf_cc_opts opts;
	struct bottleneck *link;

	(void)state;
	cf_cc_opts_defaults(&opts);
	opts.max_bps = 700000;
	opts.min_bps = 100000;
	link = bottleneck_new(5000000, &opts);
	bottleneck_run(link, 10000);
	assert_int_equal(target(link), 700000);
	link->rate_bps = 20000;
	bottleneck_run(link, 10000);
	assert_int_equal(target(link), 100000);
	bottleneck_free(link);
}

/* Long enough for the sequence numbers to wrap around twice. */
static void test_wrap(void **state)
{
	struct bottleneck *link = bottleneck_new(8000000, NULL);

	(void)state;
	bottleneck_run(link, 200000);
	assert_true(link->flows[0].next > 131072);
	between(target(link), 6000000, 8400000);
	bottleneck_free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settles_500k),
		cmocka_unit_test(test_settles_2m),
		cmocka_unit_test(test_settles_slow),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_random_loss),
		cmocka_unit_test(test_no_queue),
		cmocka_unit_test(test_drop_and_recovery),
		cmocka_unit_test(test_two_flows),
		cmocka_unit_test(test_app_limited),
		cmocka_unit_test(test_app_limited_from_start),
		cmocka_unit_test(test_feedback_lost),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
