/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one sent source keeps: sequence numbers, timestamps, counts for sender reports, and what the
 * peer reports back (RFC 3550 sections 5.1, 6.4). Plain value; pure: random starts are arguments.
 */
#ifndef CF_RTP_SENDER_H
#define CF_RTP_SENDER_H

#include "base/err.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

#include <stdbool.h>
#include <stdint.h>

/* Interval between reports (RFC 3550 section 6.2's fixed minimum is 5 s; RFC 4585 section 3 lets a
 * small session send sooner, and we want round-trip times early). */
#define CF_RTP_REPORT_MS 1000

struct cf_rtp_sender {
	uint32_t ssrc;
	uint32_t clock_hz;
	uint16_t next_seq;
	uint32_t last_ts;
	uint64_t last_us; /* when last_ts was sampled, 0: nothing sent yet */
	uint64_t packets;
	uint64_t octets;
	/* from the peer's reports */
	int64_t rtt_us; /* -1 not known */
	uint32_t peer_jitter_us;
	int32_t peer_lost;     /* cumulative */
	uint8_t peer_fraction; /* of 256, last interval */
	uint64_t report_us;    /* arrival of the last report, 0 none */
};

/** Begins a source. seed is random; the first sequence number is taken from its low 15 bits, as
 * RFC 3711 section 3.3.1 wants it below 2^15. */
void cf_rtp_sender_init(
	struct cf_rtp_sender *sender, uint32_t ssrc, uint32_t clock_hz, uint16_t seed);

/** The sequence number for the next packet; counts it. ts: its timestamp; now_us: when sampled. */
uint16_t cf_rtp_sender_next(
	struct cf_rtp_sender *sender, uint32_t ts, size_t payload_len, uint64_t now_us);

/** Writes a packet with the source's SSRC and next sequence number, and counts it, when it fits.
 * sampled_ts: timestamp of now_us (packet->ts may be an earlier one). As cf_rtp_packet_write(). */
CF_MUST_CHECK int cf_rtp_sender_write(struct cf_rtp_sender *sender, struct cf_rtp_packet *packet,
	const struct cf_rtp_ext_item *items, size_t n_items, uint32_t sampled_ts, uint64_t now_us,
	uint8_t *p, size_t cap);

/** Sender information for an SR; false when nothing was sent (then an RR is right). */
bool cf_rtp_sender_info(
	const struct cf_rtp_sender *sender, uint64_t now_us, struct cf_rtcp_sender_info *ret_info);

/** Writes the beginning of a compound: SR or, when nothing was sent, RR, with the block of what we
 * receive (NULL: none), and the CNAME (RFC 3550 section 6.1). */
void cf_rtp_sender_write_report(const struct cf_rtp_sender *sender,
	const struct cf_rtcp_block *block, const char *cname, uint64_t now_us,
	struct cf_wire_writer *w);

/** Takes in a report block; ignored when it is about another SSRC (false). */
bool cf_rtp_sender_report(
	struct cf_rtp_sender *sender, const struct cf_rtcp_block *block, uint64_t now_us);

#endif
