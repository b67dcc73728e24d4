/* SPDX-License-Identifier: Apache-2.0 */
#include "mix/gain.h"

#include <math.h>
#include <stdbool.h>

#define FULL_SCALE 32767.0f
#define MAX_GAIN_DB 15.0f
#define MIN_GAIN_DB (-12.0f)
#define LOUDEST_NOISE_DB (-44.0f) /* gain does not bring background noise above this */
#define QUIETEST_VOICE_DB (-60.0f)
#define ABOVE_FLOOR_DB 8.0f
#define BELOW_VOICE_DB 14.0f /* frames so far below the voice are pauses */
#define UP_DB 0.1f           /* a frame: 5 dB a second */
#define DOWN_DB 0.4f
#define EARLY_FRAMES 50 /* of voice; then the level is known */
#define EARLY_UP_DB 0.6f
#define AVERAGE 0.02f /* share of a frame: a second of voice */
#define FADE 240      /* samples: 5 ms */

#define LIMIT 29000.0f /* -1 dBov */
#define BLOCK 120      /* 2.5 ms */
#define BLOCKS (CF_OPUS_FRAME / BLOCK)
#define RELEASE 0.02f /* of the way back to 1, a block: half in 90 ms */
#define NOISE 9.0f    /* peak; about -76 dBov */

void cf_mix_gain_init(struct cf_mix_gain *gain)
{
	*gain = (struct cf_mix_gain){.factor = 1};
}

static float db_of(float power)
{
	return power > 1e-12f ? 10 * log10f(power) : -120;
}

static float power_of(const int16_t *pcm)
{
	float sum = 0;

	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		sum += (float)pcm[i] * (float)pcm[i];
	return sum / (CF_OPUS_FRAME * FULL_SCALE * FULL_SCALE);
}

static float clamp(float x, float min, float max)
{
	return fminf(fmaxf(x, min), max);
}

/* Pauses and noise leave the gain alone: nothing pumps. */
static bool is_voice(const struct cf_mix_gain *g, float db, float floor_db)
{
	return db > QUIETEST_VOICE_DB && db > floor_db + ABOVE_FLOOR_DB &&
	       (!g->n || db > db_of(g->power) - BELOW_VOICE_DB);
}

static void follow(struct cf_mix_gain *g, const int16_t *pcm, float floor_db)
{
	float power = power_of(pcm), want, up;

	if (!is_voice(g, db_of(power), floor_db))
		return;
	g->n++;
	g->power += (power - g->power) * fmaxf(1 / (float)g->n, AVERAGE);
	want = clamp(CF_MIX_TARGET_DB - db_of(g->power), MIN_GAIN_DB,
		clamp(LOUDEST_NOISE_DB - floor_db, 0, MAX_GAIN_DB));
	up = g->n <= EARLY_FRAMES ? EARLY_UP_DB : UP_DB;
	g->gain_db += clamp(want - g->gain_db, -DOWN_DB, up);
	if (g->n > 1000000)
		g->n = 1000000;
}

void cf_mix_gain_apply(struct cf_mix_gain *gain, const int16_t pcm[static CF_OPUS_FRAME],
	float floor_db, float fade_in, float fade_out, float ret[static CF_OPUS_FRAME])
{
	float at = gain->factor, to, step;
	/* A voice comes in quickly, so that its first sound is whole, and goes slowly. */
	size_t fade = fade_in < fade_out ? FADE : CF_OPUS_FRAME;

	follow(gain, pcm, floor_db);
	to = powf(10, gain->gain_db / 20);
	step = (to - at) / CF_OPUS_FRAME;
	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		ret[i] = (float)pcm[i] * (at + step * (float)i);
	gain->factor = to;
	if (fade_in == 1 && fade_out == 1)
		return;
	step = (fade_out - fade_in) / (float)fade;
	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		ret[i] *= i < fade ? fade_in + step * (float)i : fade_out;
}

/* Above the limit a curve that never reaches the end of the range. */
static float bend(float x)
{
	float room = FULL_SCALE - LIMIT, over = fabsf(x) - LIMIT;

	return over <= 0 ? x : copysignf(LIMIT + room * over / (over + room), x);
}

static float needed(const float *block)
{
	float peak = LIMIT;

	for (size_t i = 0; i < BLOCK; i++)
		peak = fmaxf(peak, fabsf(block[i]));
	return LIMIT / peak;
}

void cf_mix_limit(struct cf_mix_limiter *limiter, const float sum[static CF_OPUS_FRAME],
	int16_t ret_pcm[static CF_OPUS_FRAME])
{
	float need[BLOCKS + 1], at = limiter->factor, to, step;

	for (size_t b = 0; b < BLOCKS; b++)
		need[b] = needed(sum + b * BLOCK);
	need[BLOCKS] = 1;
	for (size_t b = 0; b < BLOCKS; b++) {
		/* At the end of a block the factor suits both neighbours. */
		to = fminf(fminf(need[b], need[b + 1]), at + (1 - at) * RELEASE);
		step = (to - at) / BLOCK;
		for (size_t i = 0; i < BLOCK; i++)
			ret_pcm[b * BLOCK + i] =
				(int16_t)lrintf(bend(sum[b * BLOCK + i] * (at + step * (float)i)));
		at = to;
	}
	limiter->factor = at;
}

void cf_mix_noise(uint32_t *rng, float sum[static CF_OPUS_FRAME])
{
	for (size_t i = 0; i < CF_OPUS_FRAME; i++) {
		*rng = *rng * 1664525u + 1013904223u;
		sum[i] += ((float)(*rng >> 8) / (1 << 23) - 1) * NOISE;
	}
}
