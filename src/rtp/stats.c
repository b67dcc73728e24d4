/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/stats.h"

#include "base/clock.h"

#define SEQ_MOD 0x10000u
#define NO_BAD_SEQ (SEQ_MOD + 1)
/* An RTT above this is a mistake of somebody's clock. */
#define MAX_RTT_US (60 * CF_US_PER_S)

void cf_rtp_source_init(struct cf_rtp_source *source, uint32_t ssrc, uint32_t clock_hz)
{
	*source = (struct cf_rtp_source){.ssrc = ssrc, .clock_hz = clock_hz, .bad_seq = NO_BAD_SEQ};
}

static void restart(struct cf_rtp_source *s, uint16_t seq)
{
	s->started = true;
	s->base_seq = seq;
	s->max_seq = seq;
	s->bad_seq = NO_BAD_SEQ;
	s->cycles = 0;
	s->received = 0;
	s->received_prior = 0;
	s->expected_prior = 0;
	s->last_us = 0;
}

/* RFC 3550 A.1. A source has been authenticated when it gets here: no probation. */
static bool update_seq(struct cf_rtp_source *s, uint16_t seq)
{
	uint16_t delta = (uint16_t)(seq - s->max_seq);

	if (!s->started) {
		restart(s, seq);
	} else if (delta < CF_RTP_MAX_DROPOUT) {
		if (seq < s->max_seq)
			s->cycles += SEQ_MOD;
		s->max_seq = seq;
	} else if (delta <= SEQ_MOD - CF_RTP_MAX_MISORDER) {
		if (seq != s->bad_seq) {
			s->bad_seq = (seq + 1u) & (SEQ_MOD - 1);
			return false;
		}
		/* Two in a row: the other side has restarted without telling. */
		restart(s, seq);
	}
	s->received++;
	return true;
}

/* RFC 3550 A.8, in integers. */
static void update_jitter(struct cf_rtp_source *s, uint32_t ts, uint64_t now_us)
{
	uint32_t arrival = (uint32_t)(now_us / 1000 * s->clock_hz / 1000 +
				      now_us % 1000 * s->clock_hz / CF_US_PER_S);
	uint32_t transit = arrival - ts;
	int32_t d = (int32_t)(transit - s->transit);
	uint32_t abs_d = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;

	/* A jump of the timestamps says nothing about the network. */
	if (s->last_us && abs_d < 10 * s->clock_hz)
		s->jitter_q4 += abs_d - ((s->jitter_q4 + 8) >> 4);
	s->transit = transit;
	s->last_us = now_us;
}

bool cf_rtp_source_update(struct cf_rtp_source *source, uint16_t seq, uint32_t ts,
	size_t payload_len, uint64_t now_us)
{
	if (!update_seq(source, seq))
		return false;
	source->octets += payload_len;
	update_jitter(source, ts, now_us);
	return true;
}

void cf_rtp_source_sr(
	struct cf_rtp_source *source, const struct cf_rtcp_sender_info *info, uint64_t now_us)
{
	source->sr_ntp_mid = (uint32_t)(info->ntp >> 16);
	source->sr_us = now_us;
}

uint64_t cf_rtp_source_expected(const struct cf_rtp_source *source)
{
	return source->started ? (uint64_t)source->cycles + source->max_seq - source->base_seq + 1
			       : 0;
}

int64_t cf_rtp_source_lost(const struct cf_rtp_source *source)
{
	return (int64_t)(cf_rtp_source_expected(source) - source->received);
}

uint32_t cf_rtp_source_jitter_us(const struct cf_rtp_source *source)
{
	return (uint32_t)((source->jitter_q4 >> 4) * CF_US_PER_S / source->clock_hz);
}

static int32_t clamp_lost(int64_t lost)
{
	/* RFC 3550 A.3: 24 bits with sign. */
	if (lost > 0x7fffff)
		return 0x7fffff;
	return lost < -0x800000 ? -0x800000 : (int32_t)lost;
}

void cf_rtp_source_block(
	struct cf_rtp_source *source, uint64_t now_us, struct cf_rtcp_block *ret_block)
{
	uint64_t expected = cf_rtp_source_expected(source);
	int64_t in_interval = (int64_t)(expected - source->expected_prior);
	int64_t lost = in_interval - (int64_t)(source->received - source->received_prior);
	uint64_t since_sr = now_us - source->sr_us;

	*ret_block = (struct cf_rtcp_block){
		.ssrc = source->ssrc,
		.lost = clamp_lost(cf_rtp_source_lost(source)),
		.highest_seq = source->cycles + source->max_seq,
		.jitter = source->jitter_q4 >> 4,
	};
	/* A.3: the fraction since the last report, never below 0; 256/256 does not fit. */
	if (in_interval > 0 && lost > 0)
		ret_block->fraction_lost =
			(uint8_t)(lost >= in_interval ? 255 : (lost << 8) / in_interval);
	if (source->sr_us) {
		ret_block->lsr = source->sr_ntp_mid;
		ret_block->dlsr = (uint32_t)((since_sr << 16) / CF_US_PER_S);
	}
	source->expected_prior = expected;
	source->received_prior = source->received;
}

uint64_t cf_rtp_ntp(uint64_t now_us)
{
	return (now_us / CF_US_PER_S) << 32 | ((now_us % CF_US_PER_S) << 32) / CF_US_PER_S;
}

int64_t cf_rtp_rtt_us(const struct cf_rtcp_block *block, uint64_t now_us)
{
	uint32_t rtt = (uint32_t)(cf_rtp_ntp(now_us) >> 16) - block->lsr - block->dlsr;
	int64_t us = ((int64_t)rtt * (int64_t)CF_US_PER_S) >> 16;

	if (!block->lsr)
		return CF_ENOTFOUND;
	/* Rounding on both sides can make a short one a little negative. */
	if (rtt > UINT32_MAX - 655)
		return 0;
	return us > (int64_t)MAX_RTT_US ? CF_ENOTFOUND : us;
}
