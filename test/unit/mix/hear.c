/* SPDX-License-Identifier: Apache-2.0 */
/* Who hears whom, how loud, at what cost. */
#include "harness/harness.h"

#include "harness/group.h"

#include <stdlib.h>

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

/* Only one talks: nothing of it comes back, and it costs one decode and one encode. */
static void a_lone_talker_hears_silence(void **state)
{
	struct cf_mix_stats before, after;
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 6);
	g.callers[0].amplitude = 12000;
	cf_test_group_run(&g, 3000);
	cf_mix_stats(g.mix, &before);
	cf_test_group_run(&g, 2000);
	cf_mix_stats(g.mix, &after);
	assert_true(cf_test_hear_db(&g, 1, 0, 2000) > -30);
	assert_true(cf_test_total_db(&g, 0, 2000) < -65);
	assert_int_equal(after.decodes - before.decodes, 100);
	assert_in_range(after.encodes - before.encodes, 100, 110);
	cf_test_group_done(&g);
}

static bool names(const struct cf_test_caller *c, size_t whose)
{
	for (size_t i = 0; i < c->n_sources; i++)
		if (c->sources[i] == CF_TEST_SOURCE(whose))
			return true;
	return false;
}

/* RFC 3550 section 7.1: a packet names those who are in it, and never whom it goes to. */
static void packets_name_who_talks(void **state)
{
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 4, NULL, 4);
	g.callers[0].amplitude = 8000;
	g.callers[1].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	assert_int_equal(g.callers[2].n_sources, 2);
	assert_true(names(&g.callers[2], 0) && names(&g.callers[2], 1));
	assert_int_equal(g.callers[0].n_sources, 1);
	assert_true(names(&g.callers[0], 1));
	assert_true(names(&g.callers[1], 0));
	g.callers[0].amplitude = 0;
	cf_test_group_run(&g, 2000);
	assert_int_equal(g.callers[2].n_sources, 1);
	assert_true(names(&g.callers[2], 1));
	cf_test_group_leave(&g, 1);
	cf_test_group_run(&g, 500);
	assert_int_equal(g.callers[2].n_sources, 0);
	cf_test_group_done(&g);
}

static void quiet_and_loud_come_near(void **state)
{
	struct cf_test_group g;
	double loud, quiet, noise;

	(void)state;
	cf_test_group_init(&g, 4, NULL, 12);
	g.callers[0].amplitude = 20000;
	g.callers[1].amplitude = 2500; /* 18 dB less */
	cf_test_group_run(&g, 10000);
	loud = cf_test_hear_db(&g, 2, 0, 2000);
	quiet = cf_test_hear_db(&g, 2, 1, 2000);
	print_message("# loud %.1f dB, quiet %.1f dB\n", loud, quiet);
	assert_true(loud - quiet < 4 && quiet - loud < 4);
	/* Pauses: what noise there is does not come up. */
	g.callers[0].amplitude = g.callers[1].amplitude = 0;
	cf_test_group_run(&g, 1600);
	noise = cf_test_total_db(&g, 2, 400);
	assert_true(noise < -60);
	cf_test_group_done(&g);
}

static void eight_loud_ones_do_not_clip(void **state)
{
	struct cf_test_group g;
	size_t clipped = 0;
	int16_t peak = 0;

	(void)state;
	cf_test_group_init(&g, 9, NULL, 5);
	for (size_t i = 0; i < 8; i++) {
		g.callers[i].amplitude = 32000;
		g.callers[i].deaf = true;
	}
	cf_test_group_run(&g, 4000);
	for (size_t i = 0; i < g.callers[8].n_out; i++) {
		int16_t x = (int16_t)abs(g.callers[8].out[i]);

		peak = x > peak ? x : peak;
		clipped += x >= 32767;
	}
	print_message(
		"# peak %d, clipped %zu, %.1f dB\n", peak, clipped, cf_test_total_db(&g, 8, 1000));
	/* The codec may overshoot by itself now and then. */
	assert_true(clipped < 20);
	assert_true(cf_test_total_db(&g, 8, 1000) > -18);
	for (size_t i = 0; i < 8; i++)
		assert_true(cf_test_hear_db(&g, 8, i, 2000) > -40);
	cf_test_group_done(&g);
}

static void losses_are_concealed(void **state)
{
	struct cf_mix_member_stats s;
	struct cf_test_group g;
	size_t gaps = 0;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 8);
	g.loss_percent = 10;
	g.jitter_ms = 30;
	g.callers[0].steady = true;
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 2000);
	for (unsigned t = 0; t < 5000; t += 20) {
		cf_test_group_run(&g, 20);
		gaps += cf_test_total_db(&g, 1, 20) < -50;
	}
	cf_mix_member_stats(g.callers[0].member, g.now, &s);
	print_message("# gaps %zu, concealed %u, by FEC %u\n", gaps, (unsigned)s.receive.concealed,
		(unsigned)s.receive.fec);
	assert_true(s.receive.concealed > 15);
	assert_true(s.receive.fec > 0);
	assert_true(gaps <= 5);
	assert_true(cf_test_hear_db(&g, 1, 0, 4000) > -30);
	cf_test_group_done(&g);
}

static void nobody_talks(void **state)
{
	struct cf_mix_stats before, after;
	struct cf_test_group g;
	unsigned packets;
	double noise;
	uint32_t ts;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 12);
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	g.callers[0].amplitude = 0;
	cf_test_group_run(&g, 3000);
	cf_mix_stats(g.mix, &before);
	packets = g.callers[1].packets;
	ts = g.callers[1].ts;
	cf_test_group_run(&g, 4000);
	cf_mix_stats(g.mix, &after);
	assert_int_equal(after.decodes, before.decodes);
	assert_true(after.encodes - before.encodes <= 25);
	assert_true(g.callers[1].packets - packets <= 10);
	/* Not dead, hardly heard. */
	noise = cf_test_total_db(&g, 1, 1000);
	print_message("# comfort noise %.1f dB\n", noise);
	assert_true(noise > -85 && noise < -65);
	/* The pause is over: a marker, and the timestamp has gone on (the harness checks each). */
	g.callers[1].markers = 0;
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	assert_in_range(g.callers[1].markers, 1, 2);
	assert_true(g.callers[1].ts - ts >= 250 * 960);
	assert_true(cf_test_hear_db(&g, 1, 0, 500) > -30);
	cf_test_group_done(&g);
}

/* From the arrival of a packet to the packet with its sound that goes out, less a packet's length.
 */
static void delay_is_small(void **state)
{
	struct cf_test_group g;
	unsigned ms = 0;

	(void)state;
	cf_test_group_init(&g, 2, NULL, 8);
	assert_int_equal(cf_opus_decoder_new(&g.callers[1].direct), 0);
	g.callers[0].steady = true;
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 2000);
	g.callers[0].amplitude = 0;
	cf_test_group_run(&g, 3000);
	g.callers[0].amplitude = 8000;
	/* The packet of the first turn arrives at its start, and is sent on at its end at best. */
	do {
		cf_test_group_run(&g, 20);
		ms += 20;
		assert_true(ms < 200);
		print_message("# %u: %.1f\n", ms, cf_test_total_db(&g, 1, 20));
	} while (cf_test_total_db(&g, 1, 20) < -40);
	print_message("# delay %u ms\n", ms);
	assert_true(ms <= 60);
	cf_test_group_done(&g);
}

static void holds(void **state)
{
	struct cf_test_group g;
	unsigned packets;
	uint32_t ts;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 4);
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	packets = g.callers[1].packets;
	ts = g.callers[1].ts;
	cf_mix_set_listening(g.callers[1].member, false);
	cf_test_group_run(&g, 1000);
	assert_int_equal(g.callers[1].packets, packets);
	cf_mix_set_listening(g.callers[1].member, true);
	cf_test_group_run(&g, 1000);
	assert_int_equal(g.callers[1].packets, packets + 50);
	assert_int_equal(g.callers[1].ts - ts, 100 * 960);
	assert_true(cf_test_hear_db(&g, 1, 0, 500) > -30);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everyone_hears_the_others),
		cmocka_unit_test(only_talkers_cost),
		cmocka_unit_test(a_lone_talker_hears_silence),
		cmocka_unit_test(packets_name_who_talks),
		cmocka_unit_test(quiet_and_loud_come_near),
		cmocka_unit_test(eight_loud_ones_do_not_clip),
		cmocka_unit_test(losses_are_concealed),
		cmocka_unit_test(nobody_talks),
		cmocka_unit_test(delay_is_small),
		cmocka_unit_test(holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
