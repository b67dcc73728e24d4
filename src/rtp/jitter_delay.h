/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How late packets come, and the delay that suits it: lateness is measured against the fastest
 * packet of the last 10 to 20 s (so that clock drift does not add up), kept in a histogram that
 * forgets, and the target is a high percentile of it. Part of the jitter buffer; plain value.
 */
#ifndef CF_RTP_JITTER_DELAY_H
#define CF_RTP_JITTER_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define CF_JITTER_BUCKET_US 10000
#define CF_JITTER_BUCKETS 64

struct cf_jitter_delay {
	bool started;
	int64_t window_min; /* least relative delay since window_us */
	int64_t last_min;   /* of the window before */
	uint64_t window_us;
	int64_t origin;     /* relative delay that bucket 0 stands for */
	bool outage;        /* what an outage held back is coming in */
	uint64_t outage_us; /* since when */
	uint32_t n;
	float weight[CF_JITTER_BUCKETS]; /* sums to 1 */
};

/** Forgets all; the target begins at 40 ms. */
void cf_jitter_delay_init(struct cf_jitter_delay *d);

/** A new time base (restart of the stream): keeps the histogram, forgets the minimum. */
void cf_jitter_delay_rebase(struct cf_jitter_delay *d);

/** Takes in the relative delay (arrival minus timestamp, any origin) of a packet; urgent ones,
 * which came too late to be played, weigh more. Packets later than the histogram is long were held
 * back by an outage: they and those that follow until one is in time say nothing about jitter.
 * When that lasts for a second the way has become longer: a new time base. */
void cf_jitter_delay_add(struct cf_jitter_delay *d, int64_t rel_us, bool urgent, uint64_t now_us);

/** Relative delay of the fastest packet. */
int64_t cf_jitter_delay_min(const struct cf_jitter_delay *d);

/** Delay above it that all but 3 % of the packets keep. */
int64_t cf_jitter_delay_target_us(const struct cf_jitter_delay *d);

#endif
