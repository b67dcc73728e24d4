/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/probe.h"

#include "base/clock.h"

#include <math.h>

#define MIN_ARRIVED 4
#define MIN_SHARE 0.8
#define MAX_SPAN_US CF_US_PER_S

void cf_cc_cluster_begin(
	struct cf_cc_cluster *cluster, uint8_t id, double rate_bps, uint64_t now_us)
{
	double bytes_per_us = rate_bps / 8 / (double)CF_US_PER_S;

	*cluster = (struct cf_cc_cluster){.id = id, .rate_bps = rate_bps, .begin_us = now_us};
	cluster->bytes = (uint32_t)fmax(bytes_per_us * CF_CC_PROBE_US,
		fmin(bytes_per_us * CF_CC_PROBE_SLOW_US, CF_CC_PROBE_SLOW_BYTES));
}

void cf_cc_cluster_sent(struct cf_cc_cluster *cluster, uint32_t bytes, uint64_t now_us)
{
	if (!cluster->sent_packets++)
		cluster->first_sent_us = now_us;
	cluster->last_sent_us = now_us;
	cluster->last_bytes = bytes;
	cluster->sent_bytes += bytes;
	cluster->complete = cluster->sent_bytes >= cluster->bytes;
}

void cf_cc_cluster_arrived(struct cf_cc_cluster *cluster, uint32_t bytes, int64_t arrival_us)
{
	if (!cluster->arrived_packets || arrival_us < cluster->first_arrival_us) {
		cluster->first_arrival_us = arrival_us;
		cluster->first_bytes = bytes;
	}
	if (!cluster->arrived_packets || arrival_us > cluster->last_arrival_us)
		cluster->last_arrival_us = arrival_us;
	cluster->arrived_packets++;
	cluster->arrived_bytes += bytes;
}

void cf_cc_cluster_lost(struct cf_cc_cluster *cluster)
{
	cluster->lost_packets++;
}

bool cf_cc_cluster_over(const struct cf_cc_cluster *cluster)
{
	return cluster->complete &&
	       cluster->arrived_packets + cluster->lost_packets >= cluster->sent_packets;
}

static double bps(uint32_t bytes, int64_t span_us)
{
	return (double)bytes * 8 * (double)CF_US_PER_S / (double)span_us;
}

bool cf_cc_cluster_result(
	const struct cf_cc_cluster *cluster, double *ret_sent_bps, double *ret_arrived_bps)
{
	int64_t sent_us = (int64_t)(cluster->last_sent_us - cluster->first_sent_us);
	int64_t arrived_us = cluster->last_arrival_us - cluster->first_arrival_us;

	if (cluster->arrived_packets < MIN_ARRIVED ||
		cluster->arrived_packets < MIN_SHARE * cluster->sent_packets)
		return false;
	if (sent_us <= 0 || arrived_us <= 0 || (uint64_t)sent_us > MAX_SPAN_US ||
		(uint64_t)arrived_us > MAX_SPAN_US)
		return false;
	*ret_sent_bps = bps(cluster->sent_bytes - cluster->last_bytes, sent_us);
	*ret_arrived_bps = bps(cluster->arrived_bytes - cluster->first_bytes, arrived_us);
	return true;
}
