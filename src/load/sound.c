/* SPDX-License-Identifier: Apache-2.0 */
#include "load/sound.h"

#include "base/mem.h"
#include "load/load.h"
#include "media/level.h"

#include <math.h>
#include <string.h>

#define FRAMES 200 /* 4 s */
#define PACKET_MAX 160
/* The grid of tones: in a block of 100 ms a tone is gone 20 Hz beside itself. */
#define FIRST_HZ 400.0
#define STEP_HZ 40.0
#define SECOND_HZ 3000.0
#define LEVEL 5000.0
#define NOISE 150.0
#define BLOCK (5 * CF_OPUS_FRAME)
/* A tone counts where it is so much above what lies beside it. */
#define CLEAR 8.0
#define BLOCKS_MIN 3

struct voice {
	struct {
		uint8_t len, level;
		uint8_t p[PACKET_MAX];
	} frames[FRAMES];
};

static double low_hz(unsigned number)
{
	return FIRST_HZ + STEP_HZ * number;
}

static double high_hz(unsigned number)
{
	return SECOND_HZ + STEP_HZ * ((number * 7) % CF_LOAD_TALKERS_MAX);
}

/* Louder and softer, as syllables are: nobody is taken for a hum. */
static void speak(unsigned number, size_t frame, uint32_t *noise, int16_t pcm[CF_OPUS_FRAME])
{
	for (size_t i = 0; i < CF_OPUS_FRAME; i++) {
		double t = (double)(frame * CF_OPUS_FRAME + i) / CF_OPUS_RATE;
		double loud = 0.75 + 0.25 * sin(2 * M_PI * 2.5 * t);
		double v = LEVEL * loud *
			   (sin(2 * M_PI * low_hz(number) * t) +
				   0.7 * sin(2 * M_PI * high_hz(number) * t));

		*noise = *noise * 1664525u + 1013904223u;
		v += NOISE * ((double)(*noise >> 8) / (1 << 23) - 1);
		pcm[i] = (int16_t)lrint(v);
	}
}

struct voice *voice_new(unsigned number)
{
	struct voice *voice = cf_alloc(sizeof(*voice));
	struct cf_opus_encoder *encoder = NULL;
	bool silent = number >= CF_LOAD_TALKERS_MAX;
	int16_t pcm[CF_OPUS_FRAME] = {0};
	struct cf_opus_opts opts;
	uint32_t noise = number;

	cf_opus_opts_defaults(&opts);
	opts.dtx = silent;
	if (!voice || cf_opus_encoder_new(&encoder, &opts) < 0)
		return cf_free(voice);
	for (size_t i = 0; i < FRAMES; i++) {
		int n;

		if (!silent)
			speak(number, i, &noise, pcm);
		n = cf_opus_encode(encoder, pcm, voice->frames[i].p, PACKET_MAX);
		voice->frames[i].len = n > 0 ? (uint8_t)n : 0;
		voice->frames[i].level = cf_level_dbov(pcm, CF_OPUS_FRAME);
	}
	cf_opus_encoder_free(encoder);
	return voice;
}

struct voice *voice_free(struct voice *voice)
{
	return cf_free(voice);
}

struct cf_view voice_frame(const struct voice *voice, uint64_t i, uint8_t *ret_level)
{
	size_t k = i % FRAMES;

	*ret_level = voice->frames[k].level;
	return cf_view_of(voice->frames[k].p, voice->frames[k].len);
}

/* ---- listening ---- */

struct listener {
	unsigned n_voices;
	size_t fill;
	uint32_t blocks[CF_LOAD_TALKERS_MAX]; /* in which it was found */
	float pcm[BLOCK];
};

struct listener *listener_new(unsigned n_voices)
{
	struct listener *listener = cf_alloc(sizeof(*listener));

	if (listener)
		listener->n_voices =
			n_voices < CF_LOAD_TALKERS_MAX ? n_voices : CF_LOAD_TALKERS_MAX;
	return listener;
}

struct listener *listener_free(struct listener *listener)
{
	return cf_free(listener);
}

/* Goertzel: the power at one frequency. */
static double power(const float *pcm, double hz)
{
	double c = 2 * cos(2 * M_PI * hz / CF_OPUS_RATE), a = 0, b = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		double x = pcm[i] + c * a - b;

		b = a;
		a = x;
	}
	return a * a + b * b - c * a * b;
}

/* Beside the tone no other talker has one. */
static bool is_clear(const float *pcm, double hz)
{
	double beside = power(pcm, hz - STEP_HZ / 2) + power(pcm, hz + STEP_HZ / 2);

	return power(pcm, hz) > CLEAR * (beside / 2 + 1e6);
}

static void look(struct listener *listener)
{
	/* A Hann window, so that loud tones stay where they are. */
	for (size_t i = 0; i < BLOCK; i++)
		listener->pcm[i] *= (float)(0.5 - 0.5 * cos(2 * M_PI * (double)i / BLOCK));
	for (unsigned k = 0; k < listener->n_voices; k++)
		if (listener->blocks[k] < BLOCKS_MIN && is_clear(listener->pcm, low_hz(k)) &&
			is_clear(listener->pcm, high_hz(k)))
			listener->blocks[k]++;
}

void listener_put(struct listener *listener, const int16_t pcm[static CF_OPUS_FRAME])
{
	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		listener->pcm[listener->fill++] = pcm[i];
	if (listener->fill < BLOCK)
		return;
	look(listener);
	listener->fill = 0;
}

bool listener_knows(const struct listener *listener, unsigned number)
{
	return number < listener->n_voices && listener->blocks[number] >= BLOCKS_MIN;
}
