/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/jitter_delay.h"

#include "base/clock.h"

#include <string.h>

#define WINDOW_US (10 * CF_US_PER_S)
#define START_BUCKET 3
#define MIN_SHARE 0.003f /* of a packet in the histogram: half of it is forgotten in some 230 */
#define START_N 5        /* the first packets weigh 1/6, 1/7, ... */
#define URGENT 4
#define LATE_SHARE 0.03f
#define OUTAGE_MAX_US CF_US_PER_S /* for so long held back packets may come in */

void cf_jitter_delay_init(struct cf_jitter_delay *d)
{
	*d = (struct cf_jitter_delay){.n = START_N};
	d->weight[START_BUCKET] = 1;
}

void cf_jitter_delay_rebase(struct cf_jitter_delay *d)
{
	d->started = d->outage = false;
}

int64_t cf_jitter_delay_min(const struct cf_jitter_delay *d)
{
	return d->window_min < d->last_min ? d->window_min : d->last_min;
}

/* The minimum rose: what was n buckets late is less late now. */
static void shift_down(struct cf_jitter_delay *d, size_t n)
{
	if (n >= CF_JITTER_BUCKETS)
		n = CF_JITTER_BUCKETS - 1;
	for (size_t i = 1; i <= n; i++)
		d->weight[0] += d->weight[i];
	memmove(d->weight + 1, d->weight + 1 + n, (CF_JITTER_BUCKETS - 1 - n) * sizeof(float));
	memset(d->weight + CF_JITTER_BUCKETS - n, 0, n * sizeof(float));
}

static void track_min(struct cf_jitter_delay *d, int64_t rel_us, uint64_t now_us)
{
	int64_t min;

	if (!d->started) {
		d->started = true;
		d->window_us = now_us;
		d->window_min = d->last_min = d->origin = rel_us;
	}
	if (now_us - d->window_us >= WINDOW_US) {
		d->window_us = now_us;
		d->last_min = d->window_min;
		d->window_min = rel_us;
	}
	if (rel_us < d->window_min)
		d->window_min = rel_us;
	min = cf_jitter_delay_min(d);
	if (min < d->origin) {
		/* A faster way: what comes now is measured against it, the past need not be. */
		d->origin = min;
	} else if (min - d->origin >= CF_JITTER_BUCKET_US) {
		int64_t n = (min - d->origin) / CF_JITTER_BUCKET_US;

		shift_down(d, (size_t)n);
		d->origin += n * CF_JITTER_BUCKET_US;
	}
}

static bool held_back(struct cf_jitter_delay *d, int64_t rel_us, uint64_t now_us)
{
	int64_t late = d->started ? rel_us - cf_jitter_delay_min(d) : 0;

	if (!d->outage && late > CF_JITTER_BUCKETS * CF_JITTER_BUCKET_US) {
		d->outage = true;
		d->outage_us = now_us;
	} else if (d->outage && late <= cf_jitter_delay_target_us(d)) {
		d->outage = false;
	} else if (d->outage && now_us - d->outage_us > OUTAGE_MAX_US) {
		cf_jitter_delay_rebase(d);
	}
	return d->outage;
}

void cf_jitter_delay_add(struct cf_jitter_delay *d, int64_t rel_us, bool urgent, uint64_t now_us)
{
	int64_t bucket;
	float share;

	if (held_back(d, rel_us, now_us))
		return;
	share = 1.0f / (float)++d->n;
	track_min(d, rel_us, now_us);
	bucket = (rel_us - d->origin) / CF_JITTER_BUCKET_US;
	if (bucket >= CF_JITTER_BUCKETS)
		bucket = CF_JITTER_BUCKETS - 1;
	if (share < MIN_SHARE) {
		share = MIN_SHARE;
		d->n--;
	}
	if (urgent)
		share *= URGENT;
	for (size_t i = 0; i < CF_JITTER_BUCKETS; i++)
		d->weight[i] *= 1 - share;
	d->weight[bucket] += share;
}

int64_t cf_jitter_delay_target_us(const struct cf_jitter_delay *d)
{
	float late = 0;
	size_t i = CF_JITTER_BUCKETS;

	while (i > 1 && late + d->weight[i - 1] <= LATE_SHARE)
		late += d->weight[--i];
	return (int64_t)i * CF_JITTER_BUCKET_US;
}
