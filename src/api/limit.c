/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits of the service as ACS documents them: token buckets, one for the whole resource. */
#include "api/api_priv.h"
#include "base/clock.h"

static const struct {
	double burst;
	double per_s;
} RATES[CF_API_N_LIMITS] = {
	[CF_API_LIMIT_CREATE] = {1000, 1000 / 30.0},
	[CF_API_LIMIT_DELETE] = {500, 500 / 30.0},
	[CF_API_LIMIT_ISSUE] = {1000, 1000 / 30.0},
	[CF_API_LIMIT_REVOKE] = {500, 500 / 30.0},
	[CF_API_LIMIT_RELAY] = {30000, 30000 / 5.0},
};

unsigned cf_api_limit(struct cf_api *api, enum cf_api_bucket bucket)
{
	struct cf_api_bucket_state *b = &api->buckets[bucket];
	uint64_t now = cf_loop_now_us(api->options.loop);

	if (bucket == CF_API_LIMIT_NONE)
		return 0;
	if (b->at_us == 0)
		b->tokens = RATES[bucket].burst;
	else
		b->tokens += (double)(now - b->at_us) * RATES[bucket].per_s / (double)CF_US_PER_S;
	if (b->tokens > RATES[bucket].burst)
		b->tokens = RATES[bucket].burst;
	b->at_us = now;
	if (b->tokens < 1)
		return 1 + (unsigned)((1 - b->tokens) / RATES[bucket].per_s);
	b->tokens -= 1;
	return 0;
}
