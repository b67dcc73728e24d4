/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, options, memory, what no packet should be. */
#include "harness/harness.h"

#include "harness/group.h"

#include "base/mem.h"

static void options_are_checked(void **state)
{
	struct cf_mix_member_opts mo;
	struct cf_mix_opts opts;
	struct cf_mix_member *m;
	struct cf_mix *mix;

	(void)state;
	cf_mix_opts_defaults(&opts);
	assert_int_equal(opts.talkers_max, 8);
	assert_int_equal(opts.members_max, 350);
	opts.talkers_max = 0;
	assert_int_equal(cf_mix_new(&mix, &opts), CF_EINVAL);
	opts.talkers_max = CF_MIX_MAX_TALKERS + 1;
	assert_int_equal(cf_mix_new(&mix, &opts), CF_EINVAL);
	opts.talkers_max = 1;
	opts.members_max = CF_MIX_MAX_MEMBERS + 1;
	assert_int_equal(cf_mix_new(&mix, &opts), CF_EINVAL);
	opts.members_max = 2;
	assert_int_equal(cf_mix_new(&mix, &opts), 0);
	cf_mix_member_opts_defaults(&mo);
	mo.mid = "more than sixteen bytes";
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m), CF_EINVAL);
	mo.mid = NULL;
	mo.opus_pt = 128;
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m), CF_EINVAL);
	cf_mix_free(mix);
	assert_null(cf_mix_free(NULL));
	assert_null(cf_mix_remove(NULL));
}

static void members_are_limited(void **state)
{
	struct cf_mix_opts opts;
	struct cf_mix_member_opts mo;
	struct cf_mix_member *m[3];
	struct cf_mix *mix;

	(void)state;
	cf_mix_opts_defaults(&opts);
	opts.members_max = 2;
	assert_int_equal(cf_mix_new(&mix, &opts), 0);
	cf_mix_member_opts_defaults(&mo);
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m[0]), 0);
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m[1]), 0);
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m[2]), CF_ELIMIT);
	cf_mix_remove(m[0]);
	assert_int_equal(cf_mix_add(mix, &mo, NULL, &m[2]), 0);
	cf_mix_free(mix);
}

static int add_two(void *arg)
{
	struct cf_mix_member_opts mo;
	struct cf_mix_member *m;
	struct cf_mix *mix;
	int err = cf_mix_new(&mix, NULL);

	(void)arg;
	if (err)
		return err;
	cf_mix_member_opts_defaults(&mo);
	err = cf_mix_add(mix, &mo, NULL, &m);
	if (!err)
		err = cf_mix_add(mix, &mo, NULL, &m);
	cf_mix_free(mix);
	return err;
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(add_two, NULL, 1);
}

static void nothing_is_allocated(void **state)
{
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 2);
	g.callers[0].amplitude = 8000;
	cf_mem_fail_after(0);
	cf_test_group_run(&g, 500);
	g.callers[1].amplitude = 8000;
	cf_test_group_run(&g, 500);
	assert_false(cf_mem_failed());
	cf_mem_fail_after(-1);
	cf_test_group_done(&g);
}

static uint32_t dice(uint32_t *rng)
{
	*rng = *rng * 1664525u + 1013904223u;
	return *rng >> 16;
}

/* Everybody talks, stops, comes, leaves, is muted and held at random over a bad network: what a
 * tick costs stays within its bounds. */
static void turbulence(void **state)
{
	enum { N = 12, T = 3, PROBED = 8 };
	struct cf_mix_opts opts;
	struct cf_mix_stats s;
	struct cf_test_group g;
	uint32_t rng = 11;

	(void)state;
	cf_mix_opts_defaults(&opts);
	opts.talkers_max = T;
	opts.opus.complexity = 0;
	cf_test_group_init(&g, N, &opts, 1);
	g.loss_percent = 10;
	g.jitter_ms = 60;
	for (size_t i = 0; i < N; i++)
		g.callers[i].deaf = true;
	for (int t = 0; t < 400; t++) {
		size_t i = dice(&rng) % N;
		struct cf_mix_member *m = g.callers[i].member;

		g.callers[i].amplitude = dice(&rng) % 2 * (dice(&rng) % 20000);
		g.no_level = dice(&rng) % 4 == 0;
		if (dice(&rng) % 10 == 0)
			m ? cf_test_group_leave(&g, i) : cf_test_group_join(&g, i);
		else if (m && dice(&rng) % 8 == 0)
			cf_mix_set_muted(m, dice(&rng) % 2);
		else if (m && dice(&rng) % 8 == 0)
			cf_mix_set_listening(m, dice(&rng) % 3);
		cf_test_group_run(&g, 20);
		cf_mix_stats(g.mix, &s);
		assert_in_range(s.talkers, 0, T);
		assert_in_range(s.tick_decodes, 0, 2 * T + PROBED);
		assert_in_range(s.tick_encodes, 0, 2 * T + 1);
		assert_in_range(s.streams, 0, 2 * T);
		assert_in_range(s.tick_packets, 0, s.members);
	}
	cf_test_group_done(&g);
}

static void garbage_is_refused(void **state)
{
	static const uint8_t bad[] = {0xff, 0xff, 0xff, 0x00};
	struct cf_rtp_packet packet = {
		.payload_type = 111, .ssrc = 9, .payload = {bad, sizeof(bad)}};
	struct cf_mix_member_stats s;
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 2, NULL, 1);
	assert_int_equal(cf_mix_put(g.callers[0].member, &packet, g.now), CF_EBADMSG);
	packet.payload.len = 0;
	assert_int_equal(cf_mix_put(g.callers[0].member, &packet, g.now), CF_EBADMSG);
	packet.payload_type = 8;
	assert_int_equal(cf_mix_put(g.callers[0].member, &packet, g.now), CF_ENOTFOUND);
	cf_mix_member_stats(g.callers[0].member, g.now, &s);
	assert_int_equal(s.receive.bad, 3);
	assert_false(s.speaking);
	cf_test_group_run(&g, 200);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(members_are_limited),
		cmocka_unit_test(survives_oom),
		cmocka_unit_test(nothing_is_allocated),
		cmocka_unit_test(turbulence),
		cmocka_unit_test(garbage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
