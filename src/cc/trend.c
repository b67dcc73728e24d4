/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/trend.h"

#include <math.h>

#define GROUP_US 5000             /* draft-ietf-rmcat-gcc-02 section 5.2: burst_time */
#define GROUP_MAX_US 100000       /* a burst that arrives at once ends here */
#define JUMP_US (3 * 1000 * 1000) /* no queue, but another clock */
#define SMOOTHING 0.9
#define GAIN 4.0
#define MAX_VARIATIONS 60
#define OVER_MS 10.0 /* section 5.4: overuse_time_th */
#define THRESHOLD_MS 12.5
#define THRESHOLD_MIN_MS 6.0
#define THRESHOLD_MAX_MS 600.0
#define THRESHOLD_JUMP_MS 15.0
#define THRESHOLD_UP 0.0087 /* section 5.4: K_u and K_d */
#define THRESHOLD_DOWN 0.039

void cf_cc_trend_init(struct cf_cc_trend *trend)
{
	*trend = (struct cf_cc_trend){.threshold_ms = THRESHOLD_MS, .over_ms = -1};
}

void cf_cc_trend_skip(struct cf_cc_trend *trend)
{
	trend->group.used = trend->before.used = false;
}

/* The slope of the least squares line through the points; 0 where they stand above each other. */
static double slope(const struct cf_cc_trend *trend)
{
	double x_mean = 0, y_mean = 0, up = 0, down = 0;

	for (int i = 0; i < CF_CC_TREND_POINTS; i++) {
		x_mean += trend->x_ms[i] / CF_CC_TREND_POINTS;
		y_mean += trend->y_ms[i] / CF_CC_TREND_POINTS;
	}
	for (int i = 0; i < CF_CC_TREND_POINTS; i++) {
		double x = trend->x_ms[i] - x_mean;

		up += x * (trend->y_ms[i] - y_mean);
		down += x * x;
	}
	return down > 0 ? up / down : 0;
}

/* draft-ietf-rmcat-gcc-02 section 5.4: the threshold follows, so that flows that fill queues do not
 * starve this one; it does not follow peaks. */
static void adapt(struct cf_cc_trend *trend, double modified, double passed_ms)
{
	double size = fabs(modified);

	if (size > trend->threshold_ms + THRESHOLD_JUMP_MS)
		return;
	trend->threshold_ms += (size < trend->threshold_ms ? THRESHOLD_DOWN : THRESHOLD_UP) *
			       (size - trend->threshold_ms) * fmin(passed_ms, 100);
	trend->threshold_ms = fmin(fmax(trend->threshold_ms, THRESHOLD_MIN_MS), THRESHOLD_MAX_MS);
}

static void over(struct cf_cc_trend *trend, double now_slope, double sent_ms)
{
	trend->over_ms = trend->over_ms < 0 ? sent_ms / 2 : trend->over_ms + sent_ms;
	trend->over_count++;
	if (trend->over_ms > OVER_MS && trend->over_count > 1 && now_slope >= trend->slope) {
		trend->over_ms = 0;
		trend->over_count = 0;
		trend->usage = CF_CC_OVERUSE;
	}
}

static void detect(struct cf_cc_trend *trend, double now_slope, double sent_ms, double passed_ms)
{
	uint32_t n = trend->variations < MAX_VARIATIONS ? trend->variations : MAX_VARIATIONS;
	double modified = n * now_slope * GAIN;

	if (modified > trend->threshold_ms) {
		over(trend, now_slope, sent_ms);
	} else {
		trend->over_ms = -1;
		trend->over_count = 0;
		trend->usage = modified < -trend->threshold_ms ? CF_CC_UNDERUSE : CF_CC_NORMAL;
	}
	trend->slope = now_slope;
	adapt(trend, modified, passed_ms);
}

/* Section 5.3: d(i) = (arrival(i) - arrival(i-1)) - (sent(i) - sent(i-1)). */
static void variation(struct cf_cc_trend *trend)
{
	double sent_ms = (double)(trend->group.sent_us - trend->before.sent_us) / 1000;
	double arrival_ms = (double)(trend->group.arrival_us - trend->before.arrival_us) / 1000;
	uint32_t i = trend->variations % CF_CC_TREND_POINTS;

	if (!trend->variations)
		trend->origin_us = trend->group.arrival_us;
	trend->variations++;
	trend->sum_ms += arrival_ms - sent_ms;
	trend->smooth_ms = SMOOTHING * trend->smooth_ms + (1 - SMOOTHING) * trend->sum_ms;
	trend->x_ms[i] = (double)(trend->group.arrival_us - trend->origin_us) / 1000;
	trend->y_ms[i] = trend->smooth_ms;
	detect(trend, trend->variations < CF_CC_TREND_POINTS ? trend->slope : slope(trend), sent_ms,
		arrival_ms);
}

static bool same_group(const struct cf_cc_group *group, int64_t sent_us, int64_t arrival_us)
{
	int64_t delay_us = (arrival_us - group->arrival_us) - (sent_us - group->sent_us);

	if (sent_us - group->first_sent_us <= GROUP_US)
		return true;
	return delay_us < 0 && arrival_us - group->arrival_us <= GROUP_US &&
	       arrival_us - group->first_arrival_us < GROUP_MAX_US;
}

static bool jumped(const struct cf_cc_group *group, int64_t sent_us, int64_t arrival_us)
{
	int64_t arrival = arrival_us - group->arrival_us, sent = sent_us - group->sent_us;

	return arrival < -JUMP_US || arrival - sent > JUMP_US || arrival - sent < -JUMP_US;
}

void cf_cc_trend_add(struct cf_cc_trend *trend, int64_t sent_us, int64_t arrival_us)
{
	struct cf_cc_group *group = &trend->group;

	if (group->used && jumped(group, sent_us, arrival_us))
		cf_cc_trend_init(trend);
	if (group->used && sent_us < group->first_sent_us)
		return;
	if (group->used && same_group(group, sent_us, arrival_us)) {
		group->sent_us = sent_us > group->sent_us ? sent_us : group->sent_us;
		group->arrival_us = arrival_us > group->arrival_us ? arrival_us : group->arrival_us;
		return;
	}
	if (group->used) {
		if (trend->before.used && group->arrival_us >= trend->before.arrival_us)
			variation(trend);
		trend->before = *group;
	}
	*group = (struct cf_cc_group){true, sent_us, sent_us, arrival_us, arrival_us};
}
