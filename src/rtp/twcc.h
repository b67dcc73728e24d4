/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport-wide congestion control feedback
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01): the receiver tells when each packet of the
 * connection has come, whatever stream it belongs to; the sender hears what arrived and when. What
 * follows from it is the matter of cc/estimator.h. Pure; one thread at a time.
 */
#ifndef CF_RTP_TWCC_H
#define CF_RTP_TWCC_H

#include "base/err.h"
#include "rtp/rtcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packets remembered between two feedbacks; older ones are forgotten. Power of two. */
#define CF_TWCC_WINDOW 1024u
/* Packets that one feedback can tell of at most; the rest goes in the next one. */
#define CF_TWCC_PACKETS_MAX 256u

/* What the receiver keeps. A plain value, embedded where it is needed; all zero: nothing came. */
struct cf_twcc {
	bool started;
	uint16_t next;    /* first number that the next feedback tells of */
	uint16_t highest; /* that has come */
	uint8_t feedbacks;
	uint64_t arrived_us[CF_TWCC_WINDOW]; /* by number modulo the window; 0: has not come */
};

/** A packet with this number has come. A number far from the last ones begins anew. */
void cf_twcc_arrived(struct cf_twcc *twcc, uint16_t seq, uint64_t now_us);

/** Whether there is something to tell. */
bool cf_twcc_pending(const struct cf_twcc *twcc);

/** Writes one feedback on what came since the last one and counts it as told; false when there is
 * nothing to tell or no room (w->err is not set then: ask again with more room). While
 * cf_twcc_pending() holds there is more. A packet that comes after the feedback that called it lost
 * is told in the next one. */
bool cf_twcc_write(
	struct cf_twcc *twcc, struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc);

/* One packet in a feedback. */
struct cf_twcc_entry {
	uint16_t seq;
	bool lost;
	int64_t arrival_us; /* the receiver's clock, modulo 2^24 * 64 ms; 0 where lost */
};

/** Reads a feedback (kind CF_RTCP_TWCC): how many entries were filled, in the order of their
 * numbers; CF_EBADMSG for a malformed one; CF_ELIMIT for more than cap. */
CF_MUST_CHECK int cf_rtcp_item_twcc(
	const struct cf_rtcp_item *item, struct cf_twcc_entry *ret_entries, size_t cap);

#endif
