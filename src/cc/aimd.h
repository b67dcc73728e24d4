/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate that follows from the delays: up while the queue is empty, down to below what arrives
 * when it grows (draft-ietf-rmcat-gcc-02 section 5.5). Plain value; pure.
 */
#ifndef CF_CC_AIMD_H
#define CF_CC_AIMD_H

#include "cc/trend.h"

#include <stdbool.h>
#include <stdint.h>

struct cf_cc_aimd {
	double rate_bps;
	double link_bps;     /* mean of what arrived when the queue grew; 0 not known */
	double link_var;     /* its relative variance, kbit/s */
	uint64_t changed_us; /* 0 never */
	uint64_t down_us;    /* last decrease; 0 never */
};

struct cf_cc_aimd_input {
	enum cf_cc_usage usage;
	double acked_bps;  /* what arrives; 0 not known */
	uint32_t rtt_us;   /* round-trip time */
	bool may_increase; /* the sender uses what it has, and nothing else holds the rate */
};

/** Takes in what one feedback says. True when the rate went down. */
bool cf_cc_aimd_update(
	struct cf_cc_aimd *aimd, const struct cf_cc_aimd_input *input, uint64_t now_us);

/** Sets the rate to what was measured otherwise (a probe, losses); link_known: that is what the
 * path carries, go up from there in small steps. */
void cf_cc_aimd_set(struct cf_cc_aimd *aimd, double rate_bps, bool link_known, uint64_t now_us);

#endif
