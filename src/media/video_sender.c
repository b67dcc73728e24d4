/* SPDX-License-Identifier: Apache-2.0 */
#include "media/video_sender.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cc/pacer.h"
#include "rtp/history.h"
#include "rtp/packet.h"
#include "rtp/twcc.h"

#include <math.h>
#include <string.h>

#define HISTORY_SLOTS 1024
#define PACER_SLOTS 512
/* A key frame at a low rate takes long; what would take longer is not worth sending. */
#define QUEUE_MAX_MS 1500
/* More than this waiting: another frame would only come later. */
#define QUEUE_READY_MS 100
#define PAYLOAD_MAX 1120 /* leaves room for extensions and the retransmission header */
/* What the path carries besides the RTP packet: SRTP's tag, UDP and IP, or a relay's channel. */
#define OVERHEAD 50
#define MIN_BPS 60000
/* Packet ids of the pacer: the low 16 bits are a sequence number. */
#define AGAIN 0x10000u
#define NACKS_MAX 256
#define PERIOD_US (500 * CF_US_PER_MS)
#define OVERSHOOT_MAX 1.6
/* Where so much is lost (of 256) repetitions go twice: one that is lost too would cost a freeze. */
#define TWICE_LOSS (256 / 40)

/* What went by since it began: what the encoder was asked for and made, and what left. */
struct period {
	uint64_t begin_us;
	uint64_t frame_bytes, sent_bytes;
	uint64_t asked_bps; /* sum of what each frame was made for */
	uint32_t frames;
};

struct cf_video_sender {
	struct cf_video_sender_opts opts;
	char mid[CF_VIDEO_MAX_MID];
	size_t mid_len;
	struct cf_rtp_sender rtp;
	struct cf_rtp_history *history;
	struct cf_pacer *pacer;
	struct cf_cc *cc;
	uint16_t rtx_seq, twcc_seq, picture_id;
	bool key_wanted;
	uint32_t rate_bps; /* where there is no transport-wide feedback */
	struct period period;
	uint32_t besides_bps; /* what is sent besides frames: headers, repetitions */
	double overshoot;     /* what the encoder makes, of what it was asked for: 1 or more */
	struct cf_video_sender_stats stats;
	struct cf_twcc_entry entries[CF_TWCC_PACKETS_MAX * 4];
	struct cf_cc_arrival arrivals[CF_TWCC_PACKETS_MAX * 4];
};

void cf_video_sender_opts_defaults(struct cf_video_sender_opts *opts)
{
	*opts = (struct cf_video_sender_opts){.start_bps = 300000, .max_bps = 2500000};
}

static bool opts_valid(const struct cf_video_sender_opts *opts)
{
	return opts->codec < CF_VIDEO_CODECS && opts->pt <= 127 && opts->rtx_pt <= 127 &&
	       (!opts->mid || strlen(opts->mid) <= CF_VIDEO_MAX_MID) &&
	       opts->start_bps >= MIN_BPS && opts->max_bps >= opts->start_bps &&
	       opts->max_bps <= CF_CC_RATE_MAX;
}

static int make_parts(struct cf_video_sender *sender)
{
	struct cf_pacer_opts pacer;
	struct cf_cc_opts cc;
	int err;

	cf_cc_opts_defaults(&cc);
	cc.start_bps = sender->opts.start_bps;
	cc.min_bps = MIN_BPS;
	cc.max_bps = sender->opts.max_bps;
	cf_pacer_opts_defaults(&pacer);
	pacer.queue_ms = QUEUE_MAX_MS;
	pacer.slots = PACER_SLOTS;
	err = cf_rtp_history_new(&sender->history, HISTORY_SLOTS, CF_VIDEO_PACKET_MAX);
	if (!err)
		err = cf_cc_new(&sender->cc, &cc);
	if (!err)
		err = cf_pacer_new(&sender->pacer, &pacer);
	return err;
}

int cf_video_sender_new(
	struct cf_video_sender **ret_sender, const struct cf_video_sender_opts *opts)
{
	struct cf_video_sender *sender;
	int err;

	if (!opts_valid(opts))
		return CF_EINVAL;
	sender = cf_alloc(sizeof(*sender));
	if (!sender)
		return CF_ENOMEM;
	sender->opts = *opts;
	sender->opts.mid = NULL;
	sender->mid_len = opts->mid ? strlen(opts->mid) : 0;
	if (sender->mid_len)
		memcpy(sender->mid, opts->mid, sender->mid_len);
	sender->rate_bps = opts->start_bps;
	sender->overshoot = 1;
	sender->rtx_seq = opts->rtx_seq_seed & 0x7fff;
	sender->picture_id = opts->seq_seed & 0x7fff;
	cf_rtp_sender_init(&sender->rtp, opts->ssrc, CF_VIDEO_CLOCK, opts->seq_seed);
	err = make_parts(sender);
	if (err) {
		cf_video_sender_free(sender);
		return err;
	}
	*ret_sender = sender;
	return 0;
}

struct cf_video_sender *cf_video_sender_free(struct cf_video_sender *sender)
{
	if (sender) {
		cf_rtp_history_free(sender->history);
		cf_cc_free(sender->cc);
		cf_pacer_free(sender->pacer);
	}
	return cf_free(sender);
}

static uint32_t target_bps(const struct cf_video_sender *sender)
{
	return sender->opts.twcc_ext_id ? cf_cc_target_bps(sender->cc) : sender->rate_bps;
}

/* Frames in */

static size_t write_packet(struct cf_video_sender *sender, uint8_t p[static CF_VIDEO_PACKET_MAX],
	const struct cf_rtp_packet *packet)
{
	/* The transport-wide number is put in when the packet leaves. */
	static const uint8_t nothing[2];
	const struct cf_rtp_ext_item items[] = {
		{sender->mid_len ? sender->opts.mid_ext_id : 0,
			cf_view_of(sender->mid, sender->mid_len)},
		{sender->opts.twcc_ext_id, cf_view_of(nothing, sizeof(nothing))},
	};
	int n = cf_rtp_packet_write(p, CF_VIDEO_PACKET_MAX, packet, items, CF_ARRAY_LEN(items));

	return n > 0 ? (size_t)n : 0;
}

static bool fits(const struct cf_video_sender *sender, size_t frame_len)
{
	uint64_t ms = (uint64_t)frame_len * 8 * 1000 / (target_bps(sender) + 1);

	return cf_pacer_queue_ms(sender->pacer) + ms * 2 / 3 < QUEUE_MAX_MS &&
	       frame_len / PAYLOAD_MAX < PACER_SLOTS / 2;
}

int cf_video_sender_push(
	struct cf_video_sender *sender, struct cf_view frame, uint64_t time_us, uint64_t now_us)
{
	uint8_t payload[PAYLOAD_MAX], p[CF_VIDEO_PACKET_MAX];
	struct cf_rtp_packet packet = {.payload_type = sender->opts.pt,
		.ts = sender->opts.ts_seed + (uint32_t)(time_us * 9 / 100),
		.ssrc = sender->opts.ssrc};
	struct cf_payload_cutter cutter;
	size_t n;

	if (!fits(sender, frame.len)) {
		sender->stats.dropped++;
		sender->key_wanted = true;
		return CF_ELIMIT;
	}
	if (cf_payload_cut(&cutter, sender->opts.codec, frame, sender->picture_id, PAYLOAD_MAX) < 0)
		return CF_EBADMSG;
	sender->picture_id = (sender->picture_id + 1) & 0x7fff;
	sender->period.frame_bytes += frame.len;
	sender->period.asked_bps += cf_video_sender_rate(sender);
	sender->period.frames++;
	sender->stats.frames++;
	cf_pacer_rate(sender->pacer, target_bps(sender), now_us);
	while ((n = cf_payload_next(&cutter, payload, sizeof(payload), &packet.marker)) > 0) {
		packet.payload = cf_view_of(payload, n);
		packet.seq = cf_rtp_sender_next(&sender->rtp, packet.ts, n, time_us);
		n = write_packet(sender, p, &packet);
		if (n == 0 || cf_pacer_put(sender->pacer, CF_PACER_VIDEO, (uint32_t)(n + OVERHEAD),
				      packet.seq) < 0) {
			sender->key_wanted = true;
			return CF_ELIMIT;
		}
		cf_rtp_history_put(sender->history, p, n, now_us);
	}
	return 0;
}

bool cf_video_sender_ready(const struct cf_video_sender *sender)
{
	return cf_pacer_queue_ms(sender->pacer) <= QUEUE_READY_MS;
}

/* Packets out */

/* Puts the transport-wide number into a packet that has a place for it. */
static void stamp(struct cf_video_sender *sender, uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_rtp_packet packet;
	struct cf_view v;

	sender->stats.bytes += n;
	sender->period.sent_bytes += n + OVERHEAD;
	if (cf_rtp_packet_parse(&packet, p, n) < 0 ||
		!cf_rtp_packet_ext(&packet, sender->opts.twcc_ext_id, &v) || v.len != 2)
		return;
	p[v.p - p] = (uint8_t)(sender->twcc_seq >> 8);
	p[v.p - p + 1] = (uint8_t)sender->twcc_seq;
	cf_cc_sent(sender->cc, sender->twcc_seq++, (uint32_t)(n + OVERHEAD), now_us);
}

static size_t repeat(struct cf_video_sender *sender, struct cf_view packet, uint8_t *p, size_t cap)
{
	int n;

	if (sender->opts.rtx_pt) {
		n = cf_rtx_wrap(p, cap, packet, sender->opts.rtx_pt, sender->opts.rtx_ssrc,
			sender->rtx_seq);
		if (n > 0)
			sender->rtx_seq++;
	} else {
		memcpy(p, packet.p, packet.len);
		n = (int)packet.len;
	}
	return n > 0 ? (size_t)n : 0;
}

static size_t take(struct cf_video_sender *sender, uint32_t id, uint8_t *p, size_t cap)
{
	struct cf_view packet;

	if (!cf_rtp_history_peek(sender->history, (uint16_t)id, &packet) || packet.len > cap)
		return 0;
	if (id & AGAIN) {
		sender->stats.retransmitted++;
		return repeat(sender, packet, p, cap);
	}
	sender->stats.packets++;
	memcpy(p, packet.p, packet.len);
	return packet.len;
}

/* A probe wants more than there is: the newest packet again. */
static size_t pad(struct cf_video_sender *sender, uint8_t *p, size_t cap, uint64_t now_us)
{
	uint32_t bytes = cf_pacer_padding(sender->pacer, now_us);
	struct cf_view packet;
	size_t n;

	if (!bytes || !sender->opts.rtx_pt ||
		!cf_rtp_history_newest(sender->history, cap - CF_RTX_HEADER_LEN, &packet))
		return 0;
	n = repeat(sender, packet, p, cap);
	if (n == 0)
		return 0;
	cf_pacer_padded(sender->pacer, (uint32_t)(n + OVERHEAD));
	sender->stats.padding++;
	return n;
}

/* Encoders miss what they are asked for, and headers and repetitions come on top: what the encoder
 * is asked for makes up for both. */
static void end_period(struct cf_video_sender *sender, uint64_t now_us)
{
	struct period *period = &sender->period;
	uint64_t took_us = now_us - period->begin_us;
	uint64_t besides = period->sent_bytes > period->frame_bytes
				   ? period->sent_bytes - period->frame_bytes
				   : 0;

	if (took_us < PERIOD_US)
		return;
	if (period->frames > 0 && took_us < 2 * PERIOD_US) {
		double made_bps = (double)period->frame_bytes * 8 * CF_US_PER_S / (double)took_us;
		double asked_bps = (double)period->asked_bps / period->frames;
		double now = made_bps / asked_bps;

		sender->overshoot += (now - sender->overshoot) / 2;
		sender->overshoot = fmin(fmax(sender->overshoot, 1), OVERSHOOT_MAX);
		sender->besides_bps =
			(uint32_t)((sender->besides_bps + besides * 8 * CF_US_PER_S / took_us) / 2);
	}
	*period = (struct period){.begin_us = now_us};
}

static void tick(struct cf_video_sender *sender, uint64_t now_us)
{
	struct cf_cc_probe probe;

	end_period(sender, now_us);
	if (sender->opts.twcc_ext_id) {
		cf_cc_tick(sender->cc, now_us);
		if (sender->rtp.packets && cf_cc_probe(sender->cc, now_us, &probe))
			cf_pacer_probe(sender->pacer, probe.rate_bps, probe.bytes, now_us);
	}
	cf_pacer_rate(sender->pacer, target_bps(sender), now_us);
}

size_t cf_video_sender_next(struct cf_video_sender *sender, uint8_t *p, size_t cap, uint64_t now_us)
{
	uint32_t id;
	size_t n = 0;

	tick(sender, now_us);
	while (n == 0 && cf_pacer_get(sender->pacer, now_us, &id))
		n = take(sender, id, p, cap);
	if (n == 0)
		n = pad(sender, p, cap, now_us);
	if (n > 0)
		stamp(sender, p, n, now_us);
	return n;
}

uint64_t cf_video_sender_deadline_us(const struct cf_video_sender *sender)
{
	uint64_t pacer = cf_pacer_deadline_us(sender->pacer);
	uint64_t cc = sender->opts.twcc_ext_id ? cf_cc_deadline_us(sender->cc) : CF_TIME_NEVER;

	return pacer < cc ? pacer : cc;
}

/* Reports of the peer */

static void put_again(struct cf_video_sender *sender, uint16_t seq, size_t len)
{
	(void)!cf_pacer_put(sender->pacer, CF_PACER_RETRANSMISSION,
		(uint32_t)(len + CF_RTX_HEADER_LEN + OVERHEAD), AGAIN | seq);
}

static void on_nack(
	struct cf_video_sender *sender, const struct cf_rtcp_item *item, uint64_t now_us)
{
	uint32_t rtt_us = sender->rtp.rtt_us > 0 ? (uint32_t)sender->rtp.rtt_us : 0;
	bool twice = sender->opts.rtx_pt && sender->rtp.peer_fraction >= TWICE_LOSS;
	uint16_t seqs[NACKS_MAX];
	size_t n = cf_rtcp_item_nack(item, seqs, NACKS_MAX);
	struct cf_view packet;

	sender->stats.nacks += n;
	for (size_t i = 0; i < n; i++) {
		if (!cf_rtp_history_get(sender->history, seqs[i], rtt_us, now_us, &packet))
			continue;
		put_again(sender, seqs[i], packet.len);
		if (twice)
			put_again(sender, seqs[i], packet.len);
	}
}

static void on_feedback(
	struct cf_video_sender *sender, const struct cf_rtcp_item *item, uint64_t now_us)
{
	int n = cf_rtcp_item_twcc(item, sender->entries, CF_ARRAY_LEN(sender->entries));

	for (int i = 0; i < n; i++)
		sender->arrivals[i] = (struct cf_cc_arrival){.seq = sender->entries[i].seq,
			.lost = sender->entries[i].lost,
			.arrival_us = sender->entries[i].arrival_us};
	if (n > 0)
		cf_cc_feedback(sender->cc, sender->arrivals, (size_t)n,
			sender->rtp.rtt_us > 0 ? (uint32_t)sender->rtp.rtt_us : 0, now_us);
}

static void set_rate(struct cf_video_sender *sender, uint64_t bps)
{
	sender->rate_bps = bps < MIN_BPS                ? MIN_BPS
			   : bps > sender->opts.max_bps ? sender->opts.max_bps
							: (uint32_t)bps;
}

/* Without transport-wide feedback the losses alone tell (as draft-ietf-rmcat-gcc-02 section 6). */
static void on_block(
	struct cf_video_sender *sender, const struct cf_rtcp_block *block, uint64_t now_us)
{
	uint64_t bps = sender->rate_bps;

	if (!cf_rtp_sender_report(&sender->rtp, block, now_us))
		return;
	if (block->fraction_lost > 256 / 10)
		set_rate(sender, bps * (512 - block->fraction_lost) / 512);
	else if (block->fraction_lost < 256 / 50)
		set_rate(sender, bps + bps / 20);
}

void cf_video_sender_rtcp(
	struct cf_video_sender *sender, const struct cf_rtcp_item *item, uint64_t now_us)
{
	bool ours = item->media_ssrc == sender->opts.ssrc;
	struct cf_rtcp_block block;
	uint64_t bps;

	if (item->kind == CF_RTCP_NACK && ours) {
		on_nack(sender, item, now_us);
	} else if ((item->kind == CF_RTCP_PLI && ours) ||
		   cf_rtcp_item_fir(item, sender->opts.ssrc)) {
		sender->stats.plis++;
		sender->key_wanted = true;
	} else if (item->kind == CF_RTCP_TWCC && sender->opts.twcc_ext_id) {
		on_feedback(sender, item, now_us);
	} else if (cf_rtcp_item_remb(item, sender->opts.ssrc, &bps)) {
		if (bps < sender->rate_bps)
			set_rate(sender, bps);
	}
	for (size_t i = 0; cf_rtcp_item_block(item, i, &block); i++)
		on_block(sender, &block, now_us);
}

bool cf_video_sender_key_wanted(struct cf_video_sender *sender)
{
	bool wanted = sender->key_wanted;

	sender->key_wanted = false;
	return wanted;
}

uint32_t cf_video_sender_rate(const struct cf_video_sender *sender)
{
	uint32_t bps = target_bps(sender), besides = sender->besides_bps;

	/* What comes besides never takes more than half of it. */
	if (besides > bps / 2)
		besides = bps / 2;
	return (uint32_t)((double)(bps - besides) / sender->overshoot);
}

void cf_video_sender_new_path(struct cf_video_sender *sender, uint64_t now_us)
{
	uint32_t bps = target_bps(sender);

	cf_cc_restart(
		sender->cc, bps < sender->opts.start_bps ? bps : sender->opts.start_bps, now_us);
}

const struct cf_rtp_sender *cf_video_sender_rtp(const struct cf_video_sender *sender)
{
	return &sender->rtp;
}

void cf_video_sender_stats(
	const struct cf_video_sender *sender, struct cf_video_sender_stats *ret_stats)
{
	*ret_stats = sender->stats;
	ret_stats->queue_ms = cf_pacer_queue_ms(sender->pacer);
	cf_cc_state(sender->cc, &ret_stats->cc);
	if (!sender->opts.twcc_ext_id)
		ret_stats->cc.target_bps = sender->rate_bps;
}
