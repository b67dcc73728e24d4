/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/group.h"

#include "harness/harness.h"

#include "base/wire.h"
#include "rtp/packet.h"

#include <math.h>
#include <stdlib.h>

#define FULL_SCALE 32767.0

static uint32_t dice(uint32_t *rng)
{
	*rng = *rng * 1664525u + 1013904223u;
	return *rng >> 8;
}

static void join(struct cf_test_group *g, struct cf_test_caller *c, size_t i)
{
	struct cf_mix_member_opts mo;

	cf_mix_member_opts_defaults(&mo);
	mo.recv_level_ext_id = g->no_level ? 0 : CF_TEST_LEVEL_ID;
	mo.source = CF_TEST_SOURCE(i);
	mo.ssrc = 0x5000 + (uint32_t)i;
	mo.seq_seed = (uint16_t)(0x7ff0 + i);
	mo.ts_seed = 0xffff0000u + (uint32_t)i;
	mo.level_ext_id = 3;
	mo.mid_ext_id = 4;
	mo.mid = "a";
	assert_int_equal(cf_mix_add(g->mix, &mo, c, &c->member), 0);
}

void cf_test_group_join(struct cf_test_group *group, size_t i)
{
	group->callers[i].packets = 0;
	join(group, &group->callers[i], i);
}

void cf_test_group_leave(struct cf_test_group *group, size_t i)
{
	group->callers[i].member = cf_mix_remove(group->callers[i].member);
}

static void caller_init(struct cf_test_caller *c, size_t i, unsigned max_s)
{
	struct cf_media_sender_opts so;
	struct cf_media_receiver_opts ro;

	cf_media_sender_opts_defaults(&so);
	so.ssrc = 0x1000 + (uint32_t)i;
	so.seq_seed = (uint16_t)(0xfff0 + i * 77);
	so.ts_seed = 0xffffff00u - (uint32_t)i;
	so.level_ext_id = CF_TEST_LEVEL_ID;
	so.dtmf_pt = 110;
	so.opus.complexity = 0;
	assert_int_equal(cf_media_sender_new(&c->sender, &so), 0);
	cf_media_receiver_opts_defaults(&ro);
	ro.level_ext_id = 3;
	assert_int_equal(cf_media_receiver_new(&c->receiver, &ro), 0);
	c->noise = 0.05;
	c->hz = 290 * pow(1.173, (double)(i % 12)) + 5.3 * (double)(i / 12);
	c->out = calloc((size_t)max_s * CF_OPUS_RATE, sizeof(*c->out));
	assert_non_null(c->out);
}

void cf_test_group_init(
	struct cf_test_group *group, size_t n, const struct cf_mix_opts *opts, unsigned max_s)
{
	*group = (struct cf_test_group){.n = n, .now = CF_TEST_START, .rng = 5};
	assert_int_equal(cf_mix_new(&group->mix, opts), 0);
	group->callers = calloc(n, sizeof(*group->callers));
	assert_non_null(group->callers);
	for (size_t i = 0; i < n; i++) {
		caller_init(&group->callers[i], i, max_s);
		cf_test_group_join(group, i);
	}
}

void cf_test_group_done(struct cf_test_group *group)
{
	cf_mix_free(group->mix);
	for (size_t i = 0; i < group->n; i++) {
		cf_media_sender_free(group->callers[i].sender);
		cf_media_receiver_free(group->callers[i].receiver);
		cf_opus_decoder_free(group->callers[i].direct);
		free(group->callers[i].out);
	}
	free(group->callers);
}

/* A tone with a harmonic between syllables, some noise: Opus takes it for speech. */
static void speak(struct cf_test_group *g, struct cf_test_caller *c, int16_t pcm[CF_OPUS_FRAME])
{
	for (size_t i = 0; i < CF_OPUS_FRAME; i++) {
		double t = (double)(g->samples + i) / CF_OPUS_RATE;
		double syllable =
			c->steady ? 0.7 : fmax(0.02, 0.5 + 0.55 * sin(t * 2 * M_PI * 3.1 + c->hz));
		double noise = (double)dice(&g->rng) / (1 << 23) - 1;

		c->phase += 2 * M_PI * c->hz / CF_OPUS_RATE;
		pcm[i] = (int16_t)(c->amplitude * syllable *
				   (0.6 * sin(c->phase) + 0.3 * sin(2 * c->phase) +
					   c->noise * noise));
	}
	c->phase = fmod(c->phase, 2 * M_PI);
}

static void launch(struct cf_test_group *g, struct cf_test_caller *c)
{
	struct cf_test_flight *f = &c->flights[c->n_flights];
	int16_t pcm[CF_OPUS_FRAME];
	int n;

	if (c->dumb)
		return;
	speak(g, c, pcm);
	n = cf_media_sender_push(
		c->sender, c->amplitude > 0 ? pcm : NULL, g->now, f->p, sizeof(f->p));
	assert_true(n >= 0);
	if (!n || dice(&g->rng) % 100 < g->loss_percent)
		return;
	f->len = (size_t)n;
	f->at = g->now + (g->jitter_ms ? dice(&g->rng) % (g->jitter_ms * 1000) : 0);
	assert_true(++c->n_flights < CF_TEST_FLIGHTS);
}

static void land(struct cf_test_group *g, struct cf_test_caller *c)
{
	struct cf_rtp_packet packet;

	for (size_t i = 0; i < c->n_flights;) {
		struct cf_test_flight *f = &c->flights[i];

		if (f->at > g->now) {
			i++;
			continue;
		}
		assert_int_equal(cf_rtp_packet_parse(&packet, f->p, f->len), 0);
		if (c->member)
			cf_mix_put(c->member, &packet, g->now);
		*f = c->flights[--c->n_flights];
	}
}

static void take(void *owner, const uint8_t *p, size_t len, void *arg)
{
	struct cf_test_group *g = arg;
	struct cf_test_caller *c = owner;
	struct cf_rtp_packet packet;
	bool voice;

	assert_int_equal(cf_rtp_packet_parse(&packet, p, len), 0);
	assert_true(cf_rtp_packet_level(&packet, 3, &c->level, &voice));
	if (c->packets) {
		assert_int_equal((uint16_t)(packet.seq - c->seq), 1);
		assert_int_equal(packet.ts - c->ts, (uint32_t)(g->samples - c->at));
	}
	c->at = g->samples;
	c->packets++;
	c->markers += packet.marker;
	c->seq = packet.seq;
	c->ts = packet.ts;
	c->len = len;
	c->n_sources = packet.csrcs.len / 4;
	for (size_t i = 0; i < c->n_sources; i++)
		c->sources[i] = cf_wire_get_u32(packet.csrcs.p + 4 * i);
	if (c->direct)
		cf_opus_decode(c->direct, packet.payload, c->out + c->n_out, CF_OPUS_FRAME);
	else if (!c->deaf)
		assert_int_equal(cf_media_receiver_put(c->receiver, &packet, g->now), 0);
}

void cf_test_group_run(struct cf_test_group *group, unsigned ms)
{
	struct cf_test_group *g = group;

	for (unsigned t = 0; t < ms; t += 20) {
		for (size_t i = 0; i < g->n; i++)
			launch(g, &g->callers[i]);
		for (int k = 0; k < 4; k++, g->now += 5000)
			for (size_t i = 0; i < g->n; i++)
				land(g, &g->callers[i]);
		cf_mix_run(g->mix, g->now, take, g);
		for (size_t i = 0; i < g->n; i++) {
			struct cf_test_caller *c = &g->callers[i];

			if (c->deaf)
				continue;
			if (!c->direct)
				cf_media_receiver_pull(c->receiver, c->out + c->n_out, g->now);
			c->n_out += CF_OPUS_FRAME;
		}
		g->samples += CF_OPUS_FRAME;
	}
}

static const int16_t *heard(const struct cf_test_group *g, size_t who, unsigned ms, size_t *ret_n)
{
	const struct cf_test_caller *c = &g->callers[who];

	*ret_n = (size_t)ms * CF_OPUS_RATE / 1000;
	assert_true(*ret_n <= c->n_out);
	return c->out + c->n_out - *ret_n;
}

double cf_test_hear_db(const struct cf_test_group *group, size_t who, size_t whose, unsigned ms)
{
	double step = 2 * M_PI * group->callers[whose].hz / CF_OPUS_RATE, re = 0, im = 0;
	size_t n;
	const int16_t *pcm = heard(group, who, ms, &n);

	for (size_t i = 0; i < n; i++) {
		double window = 1 - cos(2 * M_PI * (double)i / (double)n);

		re += window * pcm[i] * cos(step * (double)i);
		im += window * pcm[i] * sin(step * (double)i);
	}
	return 20 * log10(2 * hypot(re, im) / (double)n / FULL_SCALE + 1e-9);
}

double cf_test_total_db(const struct cf_test_group *group, size_t who, unsigned ms)
{
	double sum = 0;
	size_t n;
	const int16_t *pcm = heard(group, who, ms, &n);

	for (size_t i = 0; i < n; i++)
		sum += (double)pcm[i] * pcm[i];
	return 10 * log10(sum / (double)n / FULL_SCALE / FULL_SCALE + 1e-12);
}

double cf_test_click(const struct cf_test_group *group, size_t who, unsigned ms)
{
	double most = 0;
	size_t n;
	const int16_t *pcm = heard(group, who, ms, &n);

	for (size_t i = 2; i < n; i++)
		most = fmax(most, fabs((double)pcm[i] - 2.0 * pcm[i - 1] + pcm[i - 2]));
	return most / FULL_SCALE;
}

double cf_test_difference_db(const struct cf_test_group *ga, size_t a,
	const struct cf_test_group *gb, size_t b, unsigned ms)
{
	double worst = -120;
	size_t n;
	const int16_t *pa = heard(ga, a, ms, &n), *pb = heard(gb, b, ms, &n);

	for (size_t f = 0; f + CF_OPUS_FRAME <= n; f += CF_OPUS_FRAME) {
		double off = 1, all = 1;

		for (size_t i = f; i < f + CF_OPUS_FRAME; i++) {
			off += pow(pa[i] - pb[i], 2);
			all += pow(pb[i], 2);
		}
		if (all / CF_OPUS_FRAME > pow(FULL_SCALE * 0.003, 2))
			worst = fmax(worst, 10 * log10(off / all));
	}
	return worst;
}
