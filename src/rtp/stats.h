/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one received source amounts to: extended sequence numbers, loss, jitter, report blocks
 * (RFC 3550 sections 6.4.1, A.1, A.3, A.8). A plain value, embedded where it is needed; pure.
 */
#ifndef CF_RTP_STATS_H
#define CF_RTP_STATS_H

#include "base/err.h"
#include "rtp/rtcp.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_RTP_MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define CF_RTP_MAX_MISORDER 100

struct cf_rtp_source {
	uint32_t ssrc;
	uint32_t clock_hz;
	bool started;
	uint16_t max_seq;
	uint32_t cycles; /* roll-overs, shifted by 16 */
	uint32_t base_seq;
	uint32_t bad_seq;
	uint64_t received;
	uint64_t octets; /* payload */
	uint64_t received_prior;
	uint64_t expected_prior;
	uint32_t transit;
	uint32_t jitter_q4; /* jitter times 16, timestamp units */
	uint64_t last_us;   /* arrival of the last packet */
	uint32_t sr_ntp_mid;
	uint64_t sr_us; /* arrival of the last SR, 0 none */
};

/** Begins to watch an SSRC. */
void cf_rtp_source_init(struct cf_rtp_source *source, uint32_t ssrc, uint32_t clock_hz);

/** Counts a packet. False for one that a sequence jump makes doubtful (RFC 3550 A.1: the next in
 * order restarts the source); it is not counted. */
bool cf_rtp_source_update(struct cf_rtp_source *source, uint16_t seq, uint32_t ts,
	size_t payload_len, uint64_t now_us);

/** Remembers an SR of this source. */
void cf_rtp_source_sr(
	struct cf_rtp_source *source, const struct cf_rtcp_sender_info *info, uint64_t now_us);

/** The report block since the last call. */
void cf_rtp_source_block(
	struct cf_rtp_source *source, uint64_t now_us, struct cf_rtcp_block *ret_block);

/** Packets expected so far, and lost (may be negative with duplicates). */
uint64_t cf_rtp_source_expected(const struct cf_rtp_source *source);
int64_t cf_rtp_source_lost(const struct cf_rtp_source *source);

/** Interarrival jitter, microseconds. */
uint32_t cf_rtp_source_jitter_us(const struct cf_rtp_source *source);

/** 64-bit NTP format of a microsecond clock (RFC 3550 section 4 allows any clock). */
uint64_t cf_rtp_ntp(uint64_t now_us);

/** Round-trip time from a report block about our stream (RFC 3550 section 6.4.1), our NTP clock
 * being cf_rtp_ntp(): microseconds, or CF_ENOTFOUND before the peer has seen an SR, or when the
 * values cannot be. */
int64_t cf_rtp_rtt_us(const struct cf_rtcp_block *block, uint64_t now_us);

#endif
