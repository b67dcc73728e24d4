/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mixer's arithmetic: automatic gain that brings talkers near each other, a limiter for sums,
 * comfort noise. Frames of CF_OPUS_FRAME samples; floats in the range of int16_t. Plain values;
 * pure.
 */
#ifndef CF_MIX_GAIN_H
#define CF_MIX_GAIN_H

#include "media/codec/opus.h"

#include <stdint.h>

#define CF_MIX_TARGET_DB (-23.0f) /* of talkers, dBov RMS while they talk */

struct cf_mix_gain {
	float power;   /* of frames with voice, averaged; full scale is 1 */
	unsigned n;    /* frames averaged */
	float gain_db; /* reached */
	float factor;  /* at the end of the last frame */
};

void cf_mix_gain_init(struct cf_mix_gain *gain);

/** One frame of a talker: follows its level (floor_db: of its background noise, dBov), and gives
 * the frame with gain, fading from fade_in to fade_out (0..1). */
void cf_mix_gain_apply(struct cf_mix_gain *gain, const int16_t pcm[static CF_OPUS_FRAME],
	float floor_db, float fade_in, float fade_out, float ret[static CF_OPUS_FRAME]);

struct cf_mix_limiter {
	float factor;
};

/** Brings a sum into the range, without a step; what comes too fast for that is bent, not cut. */
void cf_mix_limit(struct cf_mix_limiter *limiter, const float sum[static CF_OPUS_FRAME],
	int16_t ret_pcm[static CF_OPUS_FRAME]);

/** Adds noise that is hardly heard, so that pauses are not dead. */
void cf_mix_noise(uint32_t *rng, float sum[static CF_OPUS_FRAME]);

#endif
