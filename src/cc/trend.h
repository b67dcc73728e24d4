/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the queue before a bottleneck grows: the delay variation between groups of packets,
 * smoothed, a line through the last of them, and its slope against a threshold that adapts
 * (draft-ietf-rmcat-gcc-02 section 5, with a line in the place of its Kalman filter). The two
 * clocks need not agree. Plain value; pure.
 */
#ifndef CF_CC_TREND_H
#define CF_CC_TREND_H

#include <stdbool.h>
#include <stdint.h>

#define CF_CC_TREND_POINTS 20

enum cf_cc_usage {
	CF_CC_NORMAL,
	CF_CC_OVERUSE,  /* the queue grows: the rate is above what the path carries */
	CF_CC_UNDERUSE, /* the queue drains */
};

struct cf_cc_group {
	bool used;
	int64_t first_sent_us;
	int64_t sent_us; /* of the last packet */
	int64_t first_arrival_us;
	int64_t arrival_us; /* of the last packet */
};

struct cf_cc_trend {
	struct cf_cc_group group;
	struct cf_cc_group before;
	double sum_ms;    /* of the delay variations */
	double smooth_ms; /* the same, smoothed */
	double x_ms[CF_CC_TREND_POINTS];
	double y_ms[CF_CC_TREND_POINTS];
	int64_t origin_us; /* x = 0 */
	uint32_t variations;
	double slope;
	double threshold_ms;
	double over_ms; /* for so long above the threshold; below 0 not */
	uint32_t over_count;
	enum cf_cc_usage usage;
};

/** Forgets all. */
void cf_cc_trend_init(struct cf_cc_trend *trend);

/** A packet has arrived. sent_us: our clock; arrival_us: the receiver's. Packets sent before the
 * newest group are left out; times that jump begin anew. */
void cf_cc_trend_add(struct cf_cc_trend *trend, int64_t sent_us, int64_t arrival_us);

/** Packets are left out between those before and those after (a probe's): their delays are not
 * compared. */
void cf_cc_trend_skip(struct cf_cc_trend *trend);

#endif
