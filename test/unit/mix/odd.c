/* SPDX-License-Identifier: Apache-2.0 */
/* Senders of other kinds: stereo, narrow band, long packets; same SSRC; false levels; noise; keys;
 * reports. */
#include "harness/harness.h"

#include "harness/group.h"
#include "rtp/packet.h"

#include <math.h>
#include <opus/opus.h>

#define HZ 440

/* Caller 0 of two, but its packets are made here. */
struct odd {
	struct cf_test_group g;
	OpusEncoder *encoder;
	int rate, channels, frame_ms;
	int level; /* that is told */
	double amplitude;
	bool noise;
	uint64_t samples;
	uint16_t seq;
	uint32_t rng;
};

static void odd_init(struct odd *o, int rate, int channels, int frame_ms)
{
	int err;

	*o = (struct odd){.rate = rate,
		.channels = channels,
		.frame_ms = frame_ms,
		.level = 20,
		.amplitude = 8000,
		.seq = 0xffd0,
		.rng = 1};
	cf_test_group_init(&o->g, 2, NULL, 20);
	o->g.callers[0].hz = HZ;
	o->g.callers[0].deaf = true;
	o->g.callers[0].dumb = true;
	o->encoder = opus_encoder_create(rate, channels, OPUS_APPLICATION_VOIP, &err);
	assert_non_null(o->encoder);
}

static void odd_done(struct odd *o)
{
	opus_encoder_destroy(o->encoder);
	cf_test_group_done(&o->g);
}

static void make(struct odd *o, int16_t *pcm, int n)
{
	for (int i = 0; i < n; i++, o->samples++) {
		double x = sin(2 * M_PI * HZ * (double)o->samples / o->rate);

		o->rng = o->rng * 1664525u + 1013904223u;
		if (o->noise)
			x = (double)(o->rng >> 8) / (1 << 23) - 1;
		for (int c = 0; c < o->channels; c++)
			pcm[i * o->channels + c] = (int16_t)(o->amplitude * x);
	}
}

/* One packet, and the time that it holds. */
static void odd_step(struct odd *o)
{
	uint8_t payload[1275], ext[4] = {CF_TEST_LEVEL_ID << 4, (uint8_t)o->level, 0, 0};
	int n = o->rate / 1000 * o->frame_ms, len;
	int16_t pcm[2 * 48 * 60];
	struct cf_rtp_packet packet = {.payload_type = 111,
		.seq = o->seq++,
		.ts = (uint32_t)(0xfffff000 + o->samples * 48000 / (unsigned)o->rate),
		.ssrc = 0x77,
		.ext_profile = 0xBEDE,
		.ext = {ext, sizeof(ext)}};

	make(o, pcm, n);
	len = opus_encode(o->encoder, pcm, n, payload, sizeof(payload));
	assert_true(len > 0);
	packet.payload = (struct cf_view){payload, (size_t)len};
	assert_int_equal(cf_mix_put(o->g.callers[0].member, &packet, o->g.now), 0);
}

static void odd_run(struct odd *o, unsigned ms)
{
	for (unsigned t = 0; t < ms; t += 20) {
		if (t % (unsigned)o->frame_ms == 0)
			odd_step(o);
		cf_test_group_run(&o->g, 20);
	}
}

static double heard_well(int rate, int channels, int frame_ms)
{
	struct odd o;
	double db, all;

	odd_init(&o, rate, channels, frame_ms);
	odd_run(&o, 3000);
	db = cf_test_hear_db(&o.g, 1, 0, 1000);
	all = cf_test_total_db(&o.g, 1, 1000);
	print_message("# %d Hz, %d channels, %d ms: %.1f dB of %.1f dB\n", rate, channels, frame_ms,
		db, all);
	/* A sine of that peak has 3 dB less; hardly anything else is there. */
	assert_true(fabs(db - 3 - all) < 1);
	odd_done(&o);
	return db;
}

static void formats(void **state)
{
	double usual = heard_well(48000, 1, 20);

	(void)state;
	assert_true(fabs(heard_well(48000, 2, 20) - usual) < 1.5);
	assert_true(fabs(heard_well(8000, 1, 20) - usual) < 1.5);
	assert_true(fabs(heard_well(16000, 1, 60) - usual) < 1.5);
	assert_true(fabs(heard_well(48000, 1, 40) - usual) < 1.5);
}

static void noise_is_not_lifted(void **state)
{
	struct cf_mix_member_stats s;
	struct odd o;
	double db;

	(void)state;
	odd_init(&o, 48000, 1, 20);
	o.noise = true;
	o.amplitude = 250; /* about -47 dBov */
	o.level = 47;
	odd_run(&o, 15000);
	db = cf_test_total_db(&o.g, 1, 12000);
	cf_mix_member_stats(o.g.callers[0].member, o.g.now, &s);
	print_message("# noise of -47 dB: %.1f dB, gain %.1f dB\n", db, (double)s.gain_db);
	assert_true(db < -44);
	assert_true(s.gain_db < 4);
	odd_done(&o);
}

static void false_levels_are_found_out(void **state)
{
	struct cf_mix_member_stats s;
	struct odd o;

	(void)state;
	odd_init(&o, 48000, 1, 20);
	o.amplitude = 0;
	o.level = 0;
	odd_run(&o, 400);
	cf_mix_member_stats(o.g.callers[0].member, o.g.now, &s);
	assert_true(s.talker);
	odd_run(&o, 3000);
	cf_mix_member_stats(o.g.callers[0].member, o.g.now, &s);
	assert_false(s.talker);
	/* It is still heard when it says something. */
	o.amplitude = 8000;
	odd_run(&o, 1000);
	assert_true(cf_test_hear_db(&o.g, 1, 0, 500) > -30);
	odd_done(&o);
}

static void same_ssrc(void **state)
{
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 3, NULL, 4);
	for (size_t i = 0; i < 2; i++) {
		struct cf_media_sender_opts so;

		cf_media_sender_free(g.callers[i].sender);
		cf_media_sender_opts_defaults(&so);
		so.ssrc = 0xabc;
		so.level_ext_id = CF_TEST_LEVEL_ID;
		assert_int_equal(cf_media_sender_new(&g.callers[i].sender, &so), 0);
		g.callers[i].amplitude = 8000;
	}
	cf_test_group_run(&g, 3000);
	for (size_t i = 0; i < 2; i++) {
		assert_true(cf_test_hear_db(&g, 2, i, 1000) > -30);
		assert_true(cf_test_hear_db(&g, 1 - i, i, 1000) > -30);
		assert_true(cf_test_hear_db(&g, i, i, 1000) < -62);
	}
	cf_test_group_done(&g);
}

static void keys(void **state)
{
	struct cf_dtmf_event_info info;
	struct cf_mix_member_opts mo;
	struct cf_test_group g;
	char got[4] = "";
	size_t n = 0;

	(void)state;
	cf_test_group_init(&g, 2, NULL, 4);
	cf_test_group_leave(&g, 0);
	cf_mix_member_opts_defaults(&mo);
	mo.recv_dtmf_pt = 110;
	mo.recv_level_ext_id = CF_TEST_LEVEL_ID;
	mo.level_ext_id = 3;
	assert_int_equal(cf_mix_add(g.mix, &mo, &g.callers[0], &g.callers[0].member), 0);
	assert_int_equal(cf_media_sender_dtmf(g.callers[0].sender, "4#", 100), 0);
	for (int i = 0; i < 50; i++) {
		cf_test_group_run(&g, 20);
		while (n < 3 && cf_mix_dtmf(g.callers[0].member, &info) == CF_DTMF_START)
			got[n++] = cf_dtmf_key(info.event);
	}
	assert_string_equal(got, "4#");
	cf_test_group_done(&g);
}

static void reports(void **state)
{
	struct cf_rtcp_block block = {.ssrc = 0x5001, .fraction_lost = 64};
	struct cf_mix_member_stats s;
	struct cf_test_group g;

	(void)state;
	cf_test_group_init(&g, 2, NULL, 4);
	assert_false(cf_mix_block(g.callers[0].member, g.now, &block));
	g.callers[0].amplitude = 8000;
	cf_test_group_run(&g, 1000);
	assert_true(cf_mix_block(g.callers[0].member, g.now, &block));
	assert_int_equal(block.ssrc, 0x1000);
	assert_int_equal(block.lost, 0);
	assert_false(cf_mix_report(g.callers[1].member, &block, g.now));
	block = (struct cf_rtcp_block){.ssrc = 0x5001, .fraction_lost = 64};
	assert_true(cf_mix_report(g.callers[1].member, &block, g.now));
	cf_mix_member_stats(g.callers[1].member, g.now, &s);
	assert_int_equal(s.peer_fraction_lost, 64);
	assert_int_equal(cf_mix_member_rtp(g.callers[1].member)->packets, g.callers[1].packets);
	cf_test_group_run(&g, 2000);
	assert_true(cf_test_hear_db(&g, 1, 0, 500) > -30);
	cf_test_group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(noise_is_not_lifted),
		cmocka_unit_test(false_levels_are_found_out),
		cmocka_unit_test(same_ssrc),
		cmocka_unit_test(keys),
		cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
