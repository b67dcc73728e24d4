/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What losses say about the path. The last observations are explained in two ways: the path carries
 * everything and loses some packets at random; or it carries so much, and drops what is above. The
 * second is believed only where it explains them clearly better, so that random loss alone never
 * lowers the rate. Plain value; pure.
 */
#ifndef CF_CC_LOSS_H
#define CF_CC_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#define CF_CC_LOSS_OBSERVATIONS 20

struct cf_cc_observation {
	double sent_bps;
	uint32_t packets;
	uint32_t lost;
};

struct cf_cc_loss {
	struct cf_cc_observation seen[CF_CC_LOSS_OBSERVATIONS];
	uint32_t count; /* observations so far; the newest is count - 1 */
	struct cf_cc_observation open;
	uint64_t open_bytes;
	uint64_t begin_us; /* of the open one, 0 none */
	uint32_t heavy;    /* observations in a row with heavy loss */
};

/** A packet's fate is known. sent_us: when it was sent. True when that completes an observation:
 * then ask cf_cc_loss_limit(). */
bool cf_cc_loss_add(struct cf_cc_loss *loss, uint64_t sent_us, uint32_t bytes, bool lost);

/** What the path carries, bits per second, by the losses; 0 when they do not limit. */
double cf_cc_loss_limit(const struct cf_cc_loss *loss);

/** Share lost in the last observations, 0 to 1. */
double cf_cc_loss_share(const struct cf_cc_loss *loss);

#endif
