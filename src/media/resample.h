/* SPDX-License-Identifier: Apache-2.0 */
/* Mono 16-bit resampling between any two rates (SpeexDSP). One thread at a time. */
#ifndef CF_MEDIA_RESAMPLE_H
#define CF_MEDIA_RESAMPLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct cf_resampler;

#define CF_RESAMPLER_MIN_RATE 1000
#define CF_RESAMPLER_MAX_RATE 768000

/** 0, CF_EINVAL (a rate out of range), CF_ENOMEM. */
CF_MUST_CHECK int cf_resampler_new(
	struct cf_resampler **ret_resampler, uint32_t in_hz, uint32_t out_hz);
struct cf_resampler *cf_resampler_free(struct cf_resampler *resampler);

/** Converts; returns samples written (at most out_cap) and how many of in were taken. */
size_t cf_resampler_run(struct cf_resampler *resampler, const int16_t *in, size_t n_in,
	size_t *ret_taken, int16_t *out, size_t out_cap);

/** Samples of input that are still inside (push as many zeros to get the tail out). */
size_t cf_resampler_latency(const struct cf_resampler *resampler);

#endif
