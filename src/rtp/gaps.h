/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which packets of a stream are missing, and when to ask for them again (RFC 4585 section 6.2.1):
 * for those who pass packets on and put nothing together (else rtp/frames.h). A plain value,
 * embedded where it is needed; pure.
 */
#ifndef CF_RTP_GAPS_H
#define CF_RTP_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Missing numbers that are remembered; with more, only a key frame helps. */
#define CF_RTP_GAPS_MAX 64
#define CF_RTP_GAPS_TRIES 6

struct cf_rtp_gaps {
	bool started;
	bool lost; /* something was given up: a key frame is wanted */
	uint16_t highest;
	uint8_t n;
	struct {
		uint64_t due_us; /* to be asked for then */
		uint16_t seq;
		uint8_t tries;
	} missing[CF_RTP_GAPS_MAX]; /* in the order of their numbers */
};

/** A packet has come. True for one that is new: not one that came before. */
bool cf_rtp_gaps_arrived(struct cf_rtp_gaps *gaps, uint16_t seq, uint64_t now_us);

/** Those to ask for now, ascending, at most cap: counted as asked, due again behind rtt_us. */
size_t cf_rtp_gaps_due(
	struct cf_rtp_gaps *gaps, uint64_t now_us, uint32_t rtt_us, uint16_t *ret_seqs, size_t cap);

/** Whether something was given up since the last call. */
bool cf_rtp_gaps_lost(struct cf_rtp_gaps *gaps);

#endif
