/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe cluster: a few packets sent faster than the estimate, and how fast they arrived.
 * Plain value; pure.
 */
#ifndef CF_CC_PROBE_H
#define CF_CC_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define CF_CC_PROBE_US 25000        /* a cluster lasts so long at least; */
#define CF_CC_PROBE_SLOW_US 60000   /* a slow one so long, */
#define CF_CC_PROBE_SLOW_BYTES 6000 /* until it has so many bytes */

struct cf_cc_cluster {
	uint8_t id;    /* 0 none */
	bool complete; /* all was sent */
	double rate_bps;
	uint32_t bytes; /* to send */
	uint64_t begin_us;
	uint32_t sent_bytes;
	uint32_t sent_packets;
	uint64_t first_sent_us;
	uint64_t last_sent_us;
	uint32_t last_bytes; /* of the last one sent */
	uint32_t arrived_packets;
	uint32_t arrived_bytes;
	uint32_t lost_packets;
	int64_t first_arrival_us;
	int64_t last_arrival_us;
	uint32_t first_bytes; /* of the first one that arrived */
};

/** Begins a cluster. id: 1 to 255. */
void cf_cc_cluster_begin(
	struct cf_cc_cluster *cluster, uint8_t id, double rate_bps, uint64_t now_us);

/** A packet of the cluster was sent. */
void cf_cc_cluster_sent(struct cf_cc_cluster *cluster, uint32_t bytes, uint64_t now_us);

/** A packet of the cluster has arrived, or is lost. */
void cf_cc_cluster_arrived(struct cf_cc_cluster *cluster, uint32_t bytes, int64_t arrival_us);
void cf_cc_cluster_lost(struct cf_cc_cluster *cluster);

/** Whether the fate of all its packets is known. */
bool cf_cc_cluster_over(const struct cf_cc_cluster *cluster);

/** How fast it was sent and arrived, bits per second. False when it says nothing: too few packets
 * arrived, or all at once. */
bool cf_cc_cluster_result(
	const struct cf_cc_cluster *cluster, double *ret_sent_bps, double *ret_arrived_bps);

#endif
