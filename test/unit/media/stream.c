/* SPDX-License-Identifier: Apache-2.0 */
/* From PCM to PCM: sender, a virtual network, receiver; speech-like sound, loss, jitter, keys,
 * pauses. */
#include "harness/harness.h"

#include "base/mem.h"
#include "media/receiver.h"
#include "media/sender.h"
#include "rtp/packet.h"

#include <math.h>
#include <stdlib.h>

#define START ((uint64_t)90000000)
#define SECONDS 20
#define N (SECONDS * 48000)
#define MAX_FLIGHTS 64

struct flight {
	uint64_t at;
	size_t len;
	uint8_t p[1500];
};

struct call {
	struct cf_media_sender *sender;
	struct cf_media_receiver *receiver;
	struct flight flights[MAX_FLIGHTS];
	size_t n_flights;
	uint32_t rng;
	unsigned loss_percent;
	unsigned jitter_ms;
	uint64_t now;
	unsigned sent;
	unsigned gap, max_gap; /* frames of near silence in a row where there ought to be sound */
};

static uint32_t dice(uint32_t *rng)
{
	*rng = *rng * 1664525u + 1013904223u;
	return *rng >> 8;
}

/* Bands of noise under a syllable-like envelope, a voice-like pitch: Opus takes it for speech. */
static void make_speech(int16_t *pcm, size_t n)
{
	uint32_t rng = 7;
	double low = 0, low2 = 0, phase = 0;

	for (size_t i = 0; i < n; i++) {
		double t = (double)i / 48000, noise = (double)dice(&rng) / (1 << 23) - 1;
		double syllable = 0.35 + 0.65 * fabs(sin(t * 2 * M_PI * 1.9 + 2 * sin(t * 0.7)));
		double pitch = 120 + 30 * sin(t * 2.1);

		phase += pitch / 48000;
		low += 0.15 * (noise - low);
		low2 += 0.15 * (low - low2);
		pcm[i] = (int16_t)(9000 * syllable *
				   (2.5 * low2 + 0.5 * (fmod(phase, 1) - 0.5) + 0.02 * noise));
	}
}

static void call_init(struct call *call)
{
	struct cf_media_sender_opts so;
	struct cf_media_receiver_opts ro;

	*call = (struct call){.rng = 3, .now = START};
	cf_media_sender_opts_defaults(&so);
	so.ssrc = 0x1234;
	so.seq_seed = 0x7ffe;
	so.ts_seed = 0xffffff00;
	so.dtmf_pt = 110;
	so.level_ext_id = 1;
	so.mid_ext_id = 4;
	so.mid = "a0";
	so.opus.loss_percent = 10;
	assert_int_equal(cf_media_sender_new(&call->sender, &so), 0);
	cf_media_receiver_opts_defaults(&ro);
	ro.dtmf_pt = 110;
	ro.level_ext_id = 1;
	assert_int_equal(cf_media_receiver_new(&call->receiver, &ro), 0);
}

static void call_done(struct call *call)
{
	cf_media_sender_free(call->sender);
	cf_media_receiver_free(call->receiver);
}

static void send(struct call *call, const int16_t *pcm)
{
	struct flight *f = &call->flights[call->n_flights];
	int n;

	assert_true(call->n_flights < MAX_FLIGHTS);
	n = cf_media_sender_push(call->sender, pcm, call->now, f->p, sizeof(f->p));
	assert_true(n >= 0);
	if (!n || dice(&call->rng) % 100 < call->loss_percent)
		return;
	call->sent++;
	f->len = (size_t)n;
	f->at = call->now + 30000;
	if (call->jitter_ms)
		f->at += dice(&call->rng) % (call->jitter_ms * 1000);
	call->n_flights++;
}

static void deliver(struct call *call)
{
	for (size_t i = 0; i < call->n_flights;) {
		struct flight *f = &call->flights[i];
		struct cf_rtp_packet packet;

		if (f->at > call->now) {
			i++;
			continue;
		}
		assert_int_equal(cf_rtp_packet_parse(&packet, f->p, f->len), 0);
		cf_media_receiver_put(call->receiver, &packet, call->now);
		*f = call->flights[--call->n_flights];
	}
}

static bool tick(struct call *call, const int16_t *in, int16_t *out)
{
	bool sound;

	send(call, in);
	/* The receiver's loop runs oftener than its player. */
	for (int k = 0; k < 4; k++, call->now += 5000)
		deliver(call);
	sound = cf_media_receiver_pull(call->receiver, out, call->now);
	return sound;
}

/* Envelope in steps of 5 ms over 20 ms: what the ear hears, whatever the delay does. */
static void envelope(const int16_t *pcm, double *env, size_t n_frames)
{
	for (size_t f = 0; f < n_frames; f++) {
		double sum = 0;

		for (size_t i = 0; i < 960; i++)
			sum += (double)pcm[f * 240 + i] * pcm[f * 240 + i];
		env[f] = sqrt(sum / 960);
	}
}

static double correlate(const double *a, const double *b, size_t n)
{
	double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < n; i++)
		ma += a[i] / (double)n, mb += b[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		ab += (a[i] - ma) * (b[i] - mb);
		aa += (a[i] - ma) * (a[i] - ma);
		bb += (b[i] - mb) * (b[i] - mb);
	}
	return aa && bb ? ab / sqrt(aa * bb) : 0;
}

/* Best over delays of up to half a second, from the third second on. */
static double likeness(const int16_t *in, const int16_t *out)
{
	enum { FRAMES = SECONDS * 200 - 4, SKIP = 600 };
	static double a[FRAMES], b[FRAMES];
	double best = 0;

	envelope(in, a, FRAMES);
	envelope(out, b, FRAMES);
	for (size_t d = 0; d < 100; d++) {
		double c = correlate(a + SKIP, b + SKIP + d, FRAMES - SKIP - d);

		if (c > best)
			best = c;
	}
	return best;
}

/* Runs speech through; returns the likeness. */
static double converse(struct call *call)
{
	int16_t *in = calloc(N, sizeof(*in)), *out = calloc(N, sizeof(*out));
	double result;

	assert_true(in && out);
	make_speech(in, N);
	for (size_t i = 0; i < N; i += 960) {
		bool sound = tick(call, in + i, out + i);
		double env;

		envelope(out + i, &env, 1);
		call->gap = sound && env > 100 ? 0 : call->gap + 1;
		if (i > 48000 && call->gap > call->max_gap)
			call->max_gap = call->gap;
	}
	result = likeness(in, out);
	free(in);
	free(out);
	return result;
}

static void clean_line(void **state)
{
	struct cf_media_receiver_stats s;
	struct call call;
	double like;

	(void)state;
	call_init(&call);
	like = converse(&call);
	if (like < 0.97)
		fail_msg("likeness %f", like);
	cf_media_receiver_stats(call.receiver, call.now, &s);
	assert_int_equal(s.concealed + s.bad + s.jitter.lost + s.jitter.late, 0);
	assert_true(s.silent <= 5);
	assert_int_equal(call.max_gap, 0);
	assert_true(s.level < 60);
	assert_true(s.level > 5);
	call_done(&call);
}

static void lossy_jittery_line(void **state)
{
	struct cf_media_receiver_stats s;
	struct call call;
	double like;

	(void)state;
	call_init(&call);
	call.loss_percent = 5;
	call.jitter_ms = 60; /* three packets' time: they overtake each other */
	like = converse(&call);
	cf_media_receiver_stats(call.receiver, call.now, &s);
	if (like < 0.85)
		fail_msg("likeness %f", like);
	assert_true(call.max_gap <= 3);
	assert_true(s.jitter.lost >= 20);
	/* Concealed: what was lost and a few that came late; a good part of them by FEC. */
	assert_true(s.concealed < 1000 * 9 / 100);
	assert_true(s.fec * 2 >= s.concealed);
	assert_in_range(s.jitter.target_ms, 40, 90);
	call_done(&call);
}

static void nothing_is_allocated(void **state)
{
	static int16_t in[48000];
	int16_t out[960];
	struct call call;

	(void)state;
	make_speech(in, 48000);
	call_init(&call);
	call.loss_percent = 5;
	cf_mem_fail_after(0);
	for (size_t i = 0; i < 48000; i += 960)
		tick(&call, in + i, out);
	assert_false(cf_mem_failed());
	cf_mem_fail_after(-1);
	call_done(&call);
}

static void keys_arrive(void **state)
{
	static const char keys[] = "15*#";
	static int16_t in[960 * 200];
	struct cf_media_receiver_stats s;
	struct cf_dtmf_event_info info;
	char got[8] = "";
	size_t starts = 0, ends = 0;
	int16_t out[960];
	struct call call;

	(void)state;
	make_speech(in, 960 * 200);
	call_init(&call);
	assert_int_equal(cf_media_sender_dtmf(call.sender, keys, 100), 0);
	for (size_t f = 0; f < 200; f++) {
		tick(&call, in + 960 * f, out);
		for (int what; (what = cf_media_receiver_dtmf(call.receiver, &info));) {
			if (what == CF_DTMF_START) {
				assert_true(starts < 4);
				got[starts++] = cf_dtmf_key(info.event);
			} else {
				assert_int_equal(info.duration, 4800);
				ends++;
			}
		}
	}
	assert_string_equal(got, keys);
	assert_int_equal(ends, 4);
	/* The audio's number gaps are no loss. */
	cf_media_receiver_stats(call.receiver, call.now, &s);
	assert_int_equal(s.jitter.lost + s.jitter.restarts, 0);
	assert_int_equal(cf_rtp_source_lost(cf_media_receiver_source(call.receiver)), 0);
	call_done(&call);
}

static void key_limits(void **state)
{
	char many[CF_MEDIA_MAX_DIGITS + 2];
	struct cf_media_sender_opts so;
	struct cf_media_sender *plain;
	struct call call;

	(void)state;
	call_init(&call);
	memset(many, '1', sizeof(many));
	many[CF_MEDIA_MAX_DIGITS + 1] = 0;
	assert_int_equal(cf_media_sender_dtmf(call.sender, many, 100), CF_ELIMIT);
	many[CF_MEDIA_MAX_DIGITS] = 0;
	assert_int_equal(cf_media_sender_dtmf(call.sender, many, 100), 0);
	assert_int_equal(cf_media_sender_dtmf(call.sender, "1", 100), CF_ELIMIT);
	assert_int_equal(cf_media_sender_dtmf(call.sender, "1x", 100), CF_EINVAL);
	assert_int_equal(cf_media_sender_dtmf(call.sender, "", 100), CF_EINVAL);
	assert_int_equal(cf_media_sender_dtmf(call.sender, "1", 39), CF_EINVAL);
	assert_int_equal(cf_media_sender_dtmf(call.sender, "1", 6001), CF_EINVAL);
	cf_media_sender_opts_defaults(&so);
	so.mid = "a mid that is too long";
	assert_int_equal(cf_media_sender_new(&plain, &so), CF_EINVAL);
	so.mid = NULL;
	so.opus_pt = 128;
	assert_int_equal(cf_media_sender_new(&plain, &so), CF_EINVAL);
	so.opus_pt = 111;
	assert_int_equal(cf_media_sender_new(&plain, &so), 0);
	assert_int_equal(cf_media_sender_dtmf(plain, "1", 100), CF_ENOTSUP);
	assert_int_equal(cf_media_sender_push(plain, NULL, START, (uint8_t *)many, 5), CF_ENOSPC);
	cf_media_sender_free(plain);
	call_done(&call);
}

static void mute_and_hold(void **state)
{
	static int16_t in[960 * 100];
	int16_t out[960];
	struct call call;
	unsigned sent;

	(void)state;
	make_speech(in, 960 * 100);
	call_init(&call);
	for (size_t f = 0; f < 100; f++)
		tick(&call, in + 960 * f, out);
	for (size_t f = 0; f < 50; f++)
		tick(&call, NULL, out);
	assert_int_equal(cf_media_sender_level(call.sender), 127);
	for (size_t i = 0; i < 960; i++)
		assert_in_range(out[i] + 40, 0, 80);
	/* Held for two seconds, then on again: no loss, sound soon. */
	sent = call.sent;
	for (size_t f = 0; f < 100; f++) {
		cf_media_sender_skip(call.sender);
		call.now += 20000;
		deliver(&call);
		cf_media_receiver_pull(call.receiver, out, call.now);
	}
	assert_int_equal(call.sent, sent);
	for (size_t f = 0; f < 10; f++)
		tick(&call, in + 960 * f, out);
	assert_true(tick(&call, in, out));
	{
		struct cf_media_receiver_stats s;
		double env;

		envelope(out, &env, 1);
		assert_true(env > 100);
		cf_media_receiver_stats(call.receiver, call.now, &s);
		assert_int_equal(s.jitter.lost + s.jitter.restarts, 0);
	}
	call_done(&call);
}

static void reports(void **state)
{
	static int16_t in[960 * 100];
	struct cf_rtcp_sender_info info;
	struct cf_rtcp_block block;
	int16_t out[960];
	struct call call;

	(void)state;
	make_speech(in, 960 * 100);
	call_init(&call);
	assert_false(cf_media_receiver_block(call.receiver, call.now, &block));
	call.loss_percent = 20;
	for (size_t f = 0; f < 100; f++)
		tick(&call, in + 960 * f, out);
	assert_true(cf_rtp_sender_info(cf_media_sender_rtp(call.sender), call.now, &info));
	assert_int_equal(info.packets, 100);
	cf_media_receiver_sr(call.receiver, 0x1234, &info, call.now + 15000);
	cf_media_receiver_sr(call.receiver, 0x9999, &info, call.now + 99000);
	assert_true(cf_media_receiver_block(call.receiver, call.now + 115000, &block));
	assert_int_equal(block.ssrc, 0x1234);
	assert_in_range(block.fraction_lost, 256 * 10 / 100, 256 * 30 / 100);
	assert_true(cf_media_sender_report(call.sender, &block, call.now + 130000));
	assert_in_range(cf_media_sender_rtp(call.sender)->rtt_us, 29900, 30100);
	block.ssrc = 1;
	assert_false(cf_media_sender_report(call.sender, &block, call.now + 130000));
	call_done(&call);
}

static void bad_packets(void **state)
{
	struct cf_media_receiver_stats s;
	struct cf_rtp_packet packet = {
		.payload_type = 96, .ssrc = 5, .payload = {(const uint8_t *)"x", 1}};
	struct call call;

	(void)state;
	call_init(&call);
	assert_int_equal(cf_media_receiver_put(call.receiver, &packet, START), CF_ENOTFOUND);
	packet.payload_type = 111;
	packet.payload = (struct cf_view){NULL, 0};
	assert_int_equal(cf_media_receiver_put(call.receiver, &packet, START), CF_EBADMSG);
	packet.payload = cf_view_str("\xff\xff\xff\xff"); /* code 3, 63 frames of 20 ms */
	assert_int_equal(cf_media_receiver_put(call.receiver, &packet, START), CF_EBADMSG);
	packet.payload_type = 110;
	packet.payload = cf_view_str("\x01");
	assert_int_equal(cf_media_receiver_put(call.receiver, &packet, START), CF_EBADMSG);
	cf_media_receiver_stats(call.receiver, START, &s);
	assert_int_equal(s.bad, 3);
	call_done(&call);
}

static int make_both(void *arg)
{
	struct cf_media_sender *sender = NULL;
	struct cf_media_receiver *receiver = NULL;
	struct cf_media_sender_opts so;
	struct cf_media_receiver_opts ro;
	int err;

	(void)arg;
	cf_media_sender_opts_defaults(&so);
	cf_media_receiver_opts_defaults(&ro);
	err = cf_media_sender_new(&sender, &so);
	if (!err)
		err = cf_media_receiver_new(&receiver, &ro);
	cf_media_sender_free(sender);
	cf_media_receiver_free(receiver);
	return err;
}

static void put_both(struct call *call, struct cf_media_receiver *other, const int16_t *in)
{
	struct cf_rtp_packet packet;
	uint8_t p[1500];
	int n = cf_media_sender_push(call->sender, in, call->now, p, sizeof(p));

	assert_true(n > 0);
	assert_int_equal(cf_rtp_packet_parse(&packet, p, (size_t)n), 0);
	assert_int_equal(cf_media_receiver_put(call->receiver, &packet, call->now), 0);
	assert_int_equal(cf_media_receiver_put(other, &packet, call->now), 0);
	call->now += 20000;
}

/* Two receivers of one stream, one of which passes over a second of it: it costs no decoding, and
 * behind it both play the same. */
static void frames_are_passed_over(void **state)
{
	static int16_t in[960 * 200];
	struct cf_media_receiver_stats s;
	struct cf_media_receiver_opts ro;
	struct cf_media_receiver *other;
	int16_t out[960], ref[960];
	double off = 0, all = 0;
	struct call call;

	(void)state;
	make_speech(in, 960 * 200);
	call_init(&call);
	cf_media_receiver_opts_defaults(&ro);
	assert_int_equal(cf_media_receiver_new(&other, &ro), 0);
	for (size_t f = 0; f < 200; f++) {
		put_both(&call, other, in + 960 * f);
		cf_media_receiver_pull(other, ref, call.now);
		if (f >= 50 && f < 100) {
			cf_media_receiver_skip(call.receiver, call.now);
			continue;
		}
		cf_media_receiver_pull(call.receiver, out, call.now);
		for (size_t i = 0; f >= 103 && i < 960; i++) {
			off += pow(out[i] - ref[i], 2);
			all += pow(ref[i], 2);
		}
	}
	cf_media_receiver_stats(call.receiver, call.now, &s);
	assert_int_equal(s.skipped, 50);
	assert_int_equal(s.frames, 200);
	/* One for the decoder to know what came before. */
	assert_in_range(s.decoded, 148, 151);
	assert_int_equal(s.concealed, 0);
	if (off > all / 1000)
		fail_msg("%f dB apart", 10 * log10(off / all));
	cf_media_receiver_free(other);
	call_done(&call);
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(make_both, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_line),
		cmocka_unit_test(lossy_jittery_line),
		cmocka_unit_test(nothing_is_allocated),
		cmocka_unit_test(keys_arrive),
		cmocka_unit_test(key_limits),
		cmocka_unit_test(mute_and_hold),
		cmocka_unit_test(reports),
		cmocka_unit_test(bad_packets),
		cmocka_unit_test(frames_are_passed_over),
		cmocka_unit_test(survives_oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
