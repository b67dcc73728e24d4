/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the estimator, one by one. */
#include "cc/aimd.h"
#include "cc/loss.h"
#include "cc/meter.h"
#include "cc/probe.h"
#include "cc/trend.h"
#include "harness/harness.h"

static void test_meter(void **state)
{
	struct cf_cc_meter meter = {0};
	uint64_t now_us = 1000000;

	(void)state;
	assert_true(cf_cc_meter_bps(&meter, now_us) <= 0);
	for (int i = 0; i < 200; i++)
		cf_cc_meter_add(&meter, now_us += 10000, 1000);
	assert_in_range(cf_cc_meter_bps(&meter, now_us), 780000, 900000);
	assert_true(cf_cc_meter_bps(&meter, now_us + 1000000) <= 0);
	cf_cc_meter_add(&meter, 1000, 1000); /* another clock */
	assert_true(cf_cc_meter_bps(&meter, 2000) <= 0);
	assert_in_range(cf_cc_meter_bps(&meter, 401000), 19000, 21000);
}

/* Packets every 10 ms whose delay changes by so many microseconds each. */
static enum cf_cc_usage drift(struct cf_cc_trend *trend, int64_t step_us, int n, bool *ret_over)
{
	int64_t sent_us = 1000000, delay_us = 50000000;

	*ret_over = false;
	for (int i = 0; i < n; i++) {
		sent_us += 10000;
		delay_us += step_us;
		cf_cc_trend_add(trend, sent_us, sent_us + delay_us);
		*ret_over |= trend->usage == CF_CC_OVERUSE;
	}
	return trend->usage;
}

static void test_trend(void **state)
{
	struct cf_cc_trend trend;
	bool over;

	(void)state;
	cf_cc_trend_init(&trend);
	assert_int_equal(drift(&trend, 0, 300, &over), CF_CC_NORMAL);
	assert_false(over);
	cf_cc_trend_init(&trend);
	drift(&trend, 2000, 60, &over);
	assert_true(over);
	cf_cc_trend_init(&trend);
	assert_int_equal(drift(&trend, -2000, 60, &over), CF_CC_UNDERUSE);
	assert_false(over);
	/* Clocks that differ by 100 ppm are no queue. */
	cf_cc_trend_init(&trend);
	assert_int_equal(drift(&trend, 1, 3000, &over), CF_CC_NORMAL);
	assert_false(over);
}

static void test_aimd(void **state)
{
	struct cf_cc_aimd aimd = {.rate_bps = 1000000};
	struct cf_cc_aimd_input input = {CF_CC_NORMAL, 1000000, 50000, true};

	(void)state;
	assert_false(cf_cc_aimd_update(&aimd, &input, 1000000));
	assert_false(cf_cc_aimd_update(&aimd, &input, 2000000));
	assert_in_range(aimd.rate_bps, 1079000, 1081000);
	input.may_increase = false;
	cf_cc_aimd_update(&aimd, &input, 3000000);
	assert_in_range(aimd.rate_bps, 1079000, 1081000);
	input.usage = CF_CC_OVERUSE;
	input.acked_bps = 800000;
	assert_true(cf_cc_aimd_update(&aimd, &input, 4000000));
	assert_in_range(aimd.rate_bps, 679000, 681000);
	assert_false(cf_cc_aimd_update(&aimd, &input, 4010000)); /* not twice in a round-trip */
	/* Near the link's rate it goes up in small steps. */
	input = (struct cf_cc_aimd_input){CF_CC_NORMAL, 700000, 50000, true};
	cf_cc_aimd_update(&aimd, &input, 5000000);
	assert_in_range(aimd.rate_bps, 690000, 715000);
	/* Never far above what arrives. */
	input.acked_bps = 100000;
	cf_cc_aimd_update(&aimd, &input, 6000000);
	assert_in_range(aimd.rate_bps, 690000, 715000);
}

/* Observations at a rate, of which so many in a thousand are lost, spread evenly. */
static void observe(struct cf_cc_loss *loss, uint64_t *at_us, double bps, int permille, int n)
{
	uint32_t count = loss->count, due = 0;

	while (loss->count < count + (uint32_t)n) {
		bool lost = (due += (uint32_t)permille) >= 1000;

		due -= lost ? 1000 : 0;
		*at_us += (uint64_t)(8e9 / bps);
		cf_cc_loss_add(loss, *at_us, 1000, lost);
	}
}

static void test_loss_chance(void **state)
{
	struct cf_cc_loss loss = {0};
	uint64_t at_us = 1;

	(void)state;
	assert_true(cf_cc_loss_limit(&loss) <= 0);
	for (int i = 0; i < 10; i++) {
		observe(&loss, &at_us, 400000 + 20000 * i, 50, 1);
		assert_true(cf_cc_loss_limit(&loss) <= 0);
	}
	assert_in_range(1000 * cf_cc_loss_share(&loss), 30, 70);
}

static void test_loss_limit(void **state)
{
	struct cf_cc_loss loss = {0};
	uint64_t at_us = 1;

	(void)state;
	observe(&loss, &at_us, 900000, 0, 10);
	assert_true(cf_cc_loss_limit(&loss) <= 0);
	observe(&loss, &at_us, 1250000, 200, 2);
	assert_in_range(cf_cc_loss_limit(&loss), 900000, 1100000);
}

static void test_loss_heavy(void **state)
{
	struct cf_cc_loss loss = {0};
	uint64_t at_us = 1;

	(void)state;
	observe(&loss, &at_us, 1000000, 0, 20);
	observe(&loss, &at_us, 1000000, 600, 2);
	assert_in_range(cf_cc_loss_limit(&loss), 300000, 500000);
}

static void test_cluster(void **state)
{
	struct cf_cc_cluster cluster;
	double sent_bps = 0, arrived_bps = 0;

	(void)state;
	cf_cc_cluster_begin(&cluster, 1, 2000000, 1000);
	assert_int_equal(cluster.bytes, 6250);
	for (uint64_t i = 0; i < 7; i++)
		cf_cc_cluster_sent(&cluster, 1000, 1000 + i * 4000);
	assert_true(cluster.complete);
	assert_false(cf_cc_cluster_over(&cluster));
	for (int64_t i = 0; i < 6; i++)
		cf_cc_cluster_arrived(&cluster, 1000, 500 + i * 8000);
	cf_cc_cluster_lost(&cluster);
	assert_true(cf_cc_cluster_over(&cluster));
	assert_true(cf_cc_cluster_result(&cluster, &sent_bps, &arrived_bps));
	assert_in_range(sent_bps, 1999000, 2001000);
	assert_in_range(arrived_bps, 999000, 1001000);
	cluster.arrived_packets = 3;
	assert_false(cf_cc_cluster_result(&cluster, &sent_bps, &arrived_bps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_trend),
		cmocka_unit_test(test_aimd),
		cmocka_unit_test(test_loss_chance),
		cmocka_unit_test(test_loss_limit),
		cmocka_unit_test(test_loss_heavy),
		cmocka_unit_test(test_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
