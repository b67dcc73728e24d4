/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/aimd.h"

#include "base/clock.h"

#include <math.h>

#define BETA 0.85       /* draft-ietf-rmcat-gcc-02 section 5.5: decrease factor */
#define UP_PER_S 1.08   /* increase far from the link's rate */
#define UP_MIN_BPS 4000 /* in a second, near to it, */
#define UP_MOST 0.05    /* and not more of the rate */
#define RESPONSE_US 100000
#define HEADROOM 1.5 /* the rate is never raised above this much of what arrives, */
#define HEADROOM_BPS 10000
#define LINK_WEIGHT 0.05
#define DEVIATIONS 3

/* Three standard deviations of the link's rate. */
static double link_width(const struct cf_cc_aimd *aimd)
{
	return DEVIATIONS * sqrt(aimd->link_var * aimd->link_bps / 1000) * 1000;
}

static void link_learn(struct cf_cc_aimd *aimd, double acked_bps)
{
	double error_kbps, norm;

	if (aimd->link_bps <= 0 || acked_bps < aimd->link_bps - link_width(aimd)) {
		aimd->link_bps = acked_bps;
		aimd->link_var = 0.4;
		return;
	}
	error_kbps = (aimd->link_bps - acked_bps) / 1000;
	norm = fmax(aimd->link_bps / 1000, 1);
	aimd->link_bps += LINK_WEIGHT * (acked_bps - aimd->link_bps);
	aimd->link_var =
		(1 - LINK_WEIGHT) * aimd->link_var + LINK_WEIGHT * error_kbps * error_kbps / norm;
	aimd->link_var = fmin(fmax(aimd->link_var, 0.4), 2.5);
}

/* Section 5.5: half a packet in each response time, in bits per second and second. */
static double additive(const struct cf_cc_aimd *aimd, uint32_t rtt_us)
{
	double frame_bits = aimd->rate_bps / 30;
	double packet_bits = frame_bits / ceil(frame_bits / (1200 * 8));
	double response_s = (double)(rtt_us + RESPONSE_US) / (double)CF_US_PER_S;

	return fmax(UP_MIN_BPS, fmin(packet_bits / 2 / response_s, UP_MOST * aimd->rate_bps));
}

static void increase(struct cf_cc_aimd *aimd, const struct cf_cc_aimd_input *input, double passed_s)
{
	double most = HEADROOM * input->acked_bps + HEADROOM_BPS, rate = aimd->rate_bps;

	if (aimd->link_bps > 0 && input->acked_bps > aimd->link_bps + link_width(aimd))
		aimd->link_bps = 0;
	if (aimd->link_bps > 0)
		rate += additive(aimd, input->rtt_us) * passed_s;
	else
		rate *= pow(UP_PER_S, passed_s);
	if (rate > most)
		rate = most;
	if (rate > aimd->rate_bps)
		aimd->rate_bps = rate;
}

static bool decrease(struct cf_cc_aimd *aimd, const struct cf_cc_aimd_input *input, uint64_t now_us)
{
	uint32_t wait_us = input->rtt_us > 200000 ? 200000 : input->rtt_us;
	double acked_bps = input->acked_bps > 0 ? input->acked_bps : aimd->rate_bps;
	double rate = BETA * acked_bps;

	if (aimd->down_us && now_us - aimd->down_us < wait_us && acked_bps > aimd->rate_bps / 2)
		return false;
	if (rate > aimd->rate_bps && aimd->link_bps > 0)
		rate = BETA * aimd->link_bps;
	link_learn(aimd, acked_bps);
	aimd->down_us = now_us;
	if (rate >= aimd->rate_bps)
		return false;
	aimd->rate_bps = rate;
	return true;
}

bool cf_cc_aimd_update(
	struct cf_cc_aimd *aimd, const struct cf_cc_aimd_input *input, uint64_t now_us)
{
	double passed_s = (double)(now_us - aimd->changed_us) / (double)CF_US_PER_S;
	bool first = !aimd->changed_us;

	aimd->changed_us = now_us;
	if (input->usage == CF_CC_OVERUSE)
		return decrease(aimd, input, now_us);
	if (input->usage == CF_CC_NORMAL && input->may_increase && !first)
		increase(aimd, input, fmin(passed_s, 1));
	return false;
}

void cf_cc_aimd_set(struct cf_cc_aimd *aimd, double rate_bps, bool link_known, uint64_t now_us)
{
	aimd->rate_bps = rate_bps;
	aimd->changed_us = now_us;
	aimd->link_bps = 0;
	if (link_known)
		link_learn(aimd, rate_bps);
}
