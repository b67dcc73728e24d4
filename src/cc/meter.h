/* SPDX-License-Identifier: Apache-2.0 */
/* A bit rate over the last half second, in buckets. Any clock, microseconds. Plain value; pure. */
#ifndef CF_CC_METER_H
#define CF_CC_METER_H

#include <stdint.h>

#define CF_CC_METER_BUCKETS 10
#define CF_CC_METER_BUCKET_US 50000

struct cf_cc_meter {
	uint64_t first_us; /* since when it measures; 0 not begun */
	uint64_t newest;   /* number of the newest bucket: time / CF_CC_METER_BUCKET_US */
	uint32_t bytes[CF_CC_METER_BUCKETS];
};

/** Counts bytes at a time. A time older than the window, or more than ten seconds ahead of it, is
 * another clock: begins anew. */
void cf_cc_meter_add(struct cf_cc_meter *meter, uint64_t at_us, uint32_t bytes);

/** Bits per second of the half second before now_us (the time of the newest count, or later); 0
 * before a fifth of a second is known. */
double cf_cc_meter_bps(const struct cf_cc_meter *meter, uint64_t now_us);

#endif
