/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/sender.h"

#include "base/clock.h"
#include "rtp/stats.h"

void cf_rtp_sender_init(
	struct cf_rtp_sender *sender, uint32_t ssrc, uint32_t clock_hz, uint16_t seed)
{
	*sender = (struct cf_rtp_sender){
		.ssrc = ssrc, .clock_hz = clock_hz, .next_seq = seed & 0x7fff, .rtt_us = -1};
}

uint16_t cf_rtp_sender_next(
	struct cf_rtp_sender *sender, uint32_t ts, size_t payload_len, uint64_t now_us)
{
	sender->last_ts = ts;
	sender->last_us = now_us;
	sender->packets++;
	sender->octets += payload_len;
	return sender->next_seq++;
}

int cf_rtp_sender_write(struct cf_rtp_sender *sender, struct cf_rtp_packet *packet,
	const struct cf_rtp_ext_item *items, size_t n_items, uint32_t sampled_ts, uint64_t now_us,
	uint8_t *p, size_t cap)
{
	int n;

	packet->ssrc = sender->ssrc;
	packet->seq = sender->next_seq;
	n = cf_rtp_packet_write(p, cap, packet, items, n_items);
	if (n > 0)
		cf_rtp_sender_next(sender, sampled_ts, packet->payload.len, now_us);
	return n;
}

bool cf_rtp_sender_info(
	const struct cf_rtp_sender *sender, uint64_t now_us, struct cf_rtcp_sender_info *ret_info)
{
	uint64_t since = now_us - sender->last_us;

	if (!sender->packets)
		return false;
	/* RFC 3550 section 6.4.1: the RTP timestamp of the same instant as the NTP time. */
	*ret_info = (struct cf_rtcp_sender_info){
		.ntp = cf_rtp_ntp(now_us),
		.rtp_ts = sender->last_ts + (uint32_t)(since * sender->clock_hz / CF_US_PER_S),
		.packets = (uint32_t)sender->packets,
		.octets = (uint32_t)sender->octets,
	};
	return true;
}

void cf_rtp_sender_write_report(const struct cf_rtp_sender *sender,
	const struct cf_rtcp_block *block, const char *cname, uint64_t now_us,
	struct cf_wire_writer *w)
{
	struct cf_rtcp_sender_info info;

	if (cf_rtp_sender_info(sender, now_us, &info))
		cf_rtcp_write_sr(w, sender->ssrc, &info, block, block ? 1 : 0);
	else
		cf_rtcp_write_rr(w, sender->ssrc, block, block ? 1 : 0);
	cf_rtcp_write_sdes(w, sender->ssrc, cname);
}

bool cf_rtp_sender_report(
	struct cf_rtp_sender *sender, const struct cf_rtcp_block *block, uint64_t now_us)
{
	int64_t rtt;

	if (block->ssrc != sender->ssrc)
		return false;
	rtt = cf_rtp_rtt_us(block, now_us);
	if (rtt >= 0)
		sender->rtt_us = rtt;
	sender->peer_jitter_us =
		(uint32_t)((uint64_t)block->jitter * CF_US_PER_S / sender->clock_hz);
	sender->peer_lost = block->lost;
	sender->peer_fraction = block->fraction_lost;
	sender->report_us = now_us;
	return true;
}
