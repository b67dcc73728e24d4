/* SPDX-License-Identifier: Apache-2.0 */
#include "media/resample.h"

#include "base/mem.h"

#include <speex/speex_resampler.h>

#define QUALITY 6 /* of 10: 80 dB and more of stop band for little work */

struct cf_resampler {
	SpeexResamplerState *state;
};

int cf_resampler_new(struct cf_resampler **ret_resampler, uint32_t in_hz, uint32_t out_hz)
{
	struct cf_resampler *r;
	int err = 0;

	if (in_hz < CF_RESAMPLER_MIN_RATE || in_hz > CF_RESAMPLER_MAX_RATE ||
		out_hz < CF_RESAMPLER_MIN_RATE || out_hz > CF_RESAMPLER_MAX_RATE)
		return CF_EINVAL;
	r = cf_alloc(sizeof(*r));
	if (!r)
		return CF_ENOMEM;
	r->state = speex_resampler_init(1, in_hz, out_hz, QUALITY, &err);
	if (!r->state) {
		cf_free(r);
		return CF_ENOMEM;
	}
	*ret_resampler = r;
	return 0;
}

struct cf_resampler *cf_resampler_free(struct cf_resampler *resampler)
{
	if (resampler)
		speex_resampler_destroy(resampler->state);
	return cf_free(resampler);
}

size_t cf_resampler_run(struct cf_resampler *resampler, const int16_t *in, size_t n_in,
	size_t *ret_taken, int16_t *out, size_t out_cap)
{
	spx_uint32_t taken = n_in > UINT32_MAX ? UINT32_MAX : (spx_uint32_t)n_in;
	spx_uint32_t made = out_cap > UINT32_MAX ? UINT32_MAX : (spx_uint32_t)out_cap;

	speex_resampler_process_int(resampler->state, 0, in, &taken, out, &made);
	*ret_taken = taken;
	return made;
}

size_t cf_resampler_latency(const struct cf_resampler *resampler)
{
	return (size_t)speex_resampler_get_input_latency(resampler->state);
}
