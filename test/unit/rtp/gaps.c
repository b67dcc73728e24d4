/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "rtp/gaps.h"
#include "rtp/stats.h"

#define MS CF_US_PER_MS

static size_t due(struct cf_rtp_gaps *gaps, uint64_t now_us, uint16_t *ret_first)
{
	uint16_t seqs[CF_RTP_GAPS_MAX];
	size_t n = cf_rtp_gaps_due(gaps, now_us, (uint32_t)(50 * MS), seqs, CF_RTP_GAPS_MAX);

	for (size_t i = 1; i < n; i++)
		assert_true((uint16_t)(seqs[i] - seqs[i - 1]) < 0x8000);
	if (n > 0)
		*ret_first = seqs[0];
	return n;
}

static void holes(void **state)
{
	struct cf_rtp_gaps gaps = {0};
	uint16_t first = 0;

	(void)state;
	assert_true(cf_rtp_gaps_arrived(&gaps, 65533, 0));
	assert_true(cf_rtp_gaps_arrived(&gaps, 2, 0)); /* 65534, 65535, 0, 1 are missing */
	assert_false(cf_rtp_gaps_arrived(&gaps, 2, 0));
	assert_false(cf_rtp_gaps_arrived(&gaps, 65533, 0));
	assert_int_equal(due(&gaps, 5 * MS, &first), 0); /* they may only be late */
	assert_true(cf_rtp_gaps_arrived(&gaps, 65535, 6 * MS));
	assert_false(cf_rtp_gaps_arrived(&gaps, 65535, 6 * MS));
	assert_int_equal(due(&gaps, 10 * MS, &first), 3);
	assert_int_equal(first, 65534);
	assert_int_equal(due(&gaps, 30 * MS, &first), 0);
	assert_int_equal(due(&gaps, 60 * MS, &first), 3);
	assert_true(cf_rtp_gaps_arrived(&gaps, 65534, 70 * MS));
	assert_true(cf_rtp_gaps_arrived(&gaps, 0, 70 * MS));
	assert_true(cf_rtp_gaps_arrived(&gaps, 1, 70 * MS));
	assert_int_equal(due(&gaps, 900 * MS, &first), 0);
	assert_false(cf_rtp_gaps_lost(&gaps));
}

static void given_up(void **state)
{
	struct cf_rtp_gaps gaps = {0};
	uint64_t now_us = 0;
	uint16_t first;
	size_t asked = 0;

	(void)state;
	cf_rtp_gaps_arrived(&gaps, 10, now_us);
	cf_rtp_gaps_arrived(&gaps, 12, now_us);
	for (; now_us < 1000 * MS; now_us += 10 * MS)
		asked += due(&gaps, now_us, &first);
	assert_int_equal(asked, CF_RTP_GAPS_TRIES);
	assert_true(cf_rtp_gaps_lost(&gaps));
	assert_false(cf_rtp_gaps_lost(&gaps));
	assert_false(cf_rtp_gaps_arrived(&gaps, 11, now_us)); /* too late */
}

static void many(void **state)
{
	struct cf_rtp_gaps gaps = {0};
	uint16_t first;

	(void)state;
	cf_rtp_gaps_arrived(&gaps, 0, 0);
	cf_rtp_gaps_arrived(&gaps, CF_RTP_GAPS_MAX + 1, 0);
	assert_false(cf_rtp_gaps_lost(&gaps));
	assert_int_equal(due(&gaps, 20 * MS, &first), CF_RTP_GAPS_MAX);
	cf_rtp_gaps_arrived(&gaps, CF_RTP_GAPS_MAX + 3, 30 * MS);
	assert_true(cf_rtp_gaps_lost(&gaps)); /* the oldest one has gone for it */
	/* A jump is another beginning. */
	assert_true(cf_rtp_gaps_arrived(&gaps, 20000, 40 * MS));
	assert_int_equal(due(&gaps, 100 * MS, &first), 0);
	assert_true(cf_rtp_gaps_lost(&gaps));
	/* And what is just not one counts as missing. */
	assert_true(cf_rtp_gaps_arrived(&gaps, 20000 + CF_RTP_MAX_DROPOUT, 110 * MS));
	assert_int_equal(due(&gaps, 200 * MS, &first), CF_RTP_GAPS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes),
		cmocka_unit_test(given_up),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
