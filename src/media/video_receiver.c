/* SPDX-License-Identifier: Apache-2.0 */
#include "media/video_receiver.h"

#include "base/clock.h"
#include "base/mem.h"
#include "rtp/history.h"
#include "rtp/packet.h"
#include "rtp/twcc.h"

#include <string.h>

/* Arrival times go back at most so late: the sender's estimate wants them fresh (the draft says 50
 * to 250 ms). */
#define FEEDBACK_US (50 * CF_US_PER_MS)

struct cf_video_receiver {
	struct cf_video_receiver_opts opts;
	struct cf_frames *frames;
	enum cf_video_codec codec;
	struct cf_rtp_source source;
	bool started;
	uint64_t feedback_us; /* when the last one was written */
	struct cf_twcc twcc;
};

void cf_video_receiver_opts_defaults(struct cf_video_receiver_opts *opts)
{
	*opts = (struct cf_video_receiver_opts){.nack = true};
}

int cf_video_receiver_new(
	struct cf_video_receiver **ret_receiver, const struct cf_video_receiver_opts *opts)
{
	struct cf_video_receiver *receiver;
	struct cf_frames_opts frames;
	int err;

	if (opts->n_formats == 0 || opts->n_formats > CF_VIDEO_FORMATS_MAX)
		return CF_EINVAL;
	receiver = cf_alloc(sizeof(*receiver));
	if (!receiver)
		return CF_ENOMEM;
	receiver->opts = *opts;
	receiver->codec = opts->formats[0].codec;
	cf_frames_opts_defaults(&frames);
	frames.codec = receiver->codec;
	frames.nack = opts->nack;
	err = cf_frames_new(&receiver->frames, &frames);
	if (err) {
		cf_free(receiver);
		return err;
	}
	*ret_receiver = receiver;
	return 0;
}

struct cf_video_receiver *cf_video_receiver_free(struct cf_video_receiver *receiver)
{
	if (receiver)
		cf_frames_free(receiver->frames);
	return cf_free(receiver);
}

/* The format of a payload type, -1 none. */
static int format_of(const struct cf_video_receiver *receiver, uint8_t pt, bool *ret_rtx)
{
	for (size_t i = 0; i < receiver->opts.n_formats; i++) {
		*ret_rtx = receiver->opts.formats[i].rtx_pt == pt && pt;
		if (receiver->opts.formats[i].pt == pt || *ret_rtx)
			return (int)i;
	}
	return -1;
}

bool cf_video_receiver_has(const struct cf_video_receiver *receiver, uint8_t pt)
{
	bool rtx;

	return format_of(receiver, pt, &rtx) >= 0;
}

static void note_arrival(
	struct cf_video_receiver *receiver, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_view v;

	if (cf_rtp_packet_ext(packet, receiver->opts.twcc_ext_id, &v) && v.len == 2)
		cf_twcc_arrived(&receiver->twcc, cf_wire_get_u16(v.p), now_us);
}

/* A new stream, or the other codec, begins anew. */
static void follow(struct cf_video_receiver *receiver, const struct cf_rtp_packet *packet,
	enum cf_video_codec codec)
{
	if (!receiver->started || receiver->source.ssrc != packet->ssrc)
		cf_rtp_source_init(&receiver->source, packet->ssrc, CF_VIDEO_CLOCK);
	if (codec != receiver->codec)
		cf_frames_reset(receiver->frames, codec);
	receiver->started = true;
	receiver->codec = codec;
}

int cf_video_receiver_put(struct cf_video_receiver *receiver, uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_rtp_packet packet;
	int err = cf_rtp_packet_parse(&packet, p, n), format, len;
	bool rtx;

	if (err)
		return err;
	format = format_of(receiver, packet.payload_type, &rtx);
	if (format < 0)
		return CF_ENOTFOUND;
	note_arrival(receiver, &packet, now_us);
	if (rtx) {
		/* Before the stream itself nothing can be repeated; padding repeats nothing. */
		if (!receiver->started)
			return CF_ESTATE;
		len = cf_rtx_unwrap(p, n, receiver->opts.formats[format].pt, receiver->source.ssrc);
		if (len < 0 || (err = cf_rtp_packet_parse(&packet, p, (size_t)len)))
			return CF_EBADMSG;
	} else {
		follow(receiver, &packet, receiver->opts.formats[format].codec);
		cf_rtp_source_update(
			&receiver->source, packet.seq, packet.ts, packet.payload.len, now_us);
	}
	return cf_frames_put(receiver->frames, &packet, now_us);
}

bool cf_video_receiver_get(struct cf_video_receiver *receiver, uint64_t now_us,
	struct cf_frame *ret_frame, enum cf_video_codec *ret_codec)
{
	*ret_codec = receiver->codec;
	return cf_frames_get(receiver->frames, now_us, ret_frame);
}

void cf_video_receiver_broken(struct cf_video_receiver *receiver)
{
	cf_frames_broken(receiver->frames);
}

void cf_video_receiver_sr(struct cf_video_receiver *receiver, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, uint64_t now_us)
{
	if (receiver->started && receiver->source.ssrc == ssrc)
		cf_rtp_source_sr(&receiver->source, info, now_us);
}

bool cf_video_receiver_block(
	struct cf_video_receiver *receiver, uint64_t now_us, struct cf_rtcp_block *ret_block)
{
	if (!receiver->started)
		return false;
	cf_rtp_source_block(&receiver->source, now_us, ret_block);
	return true;
}

static uint64_t twcc_due_us(const struct cf_video_receiver *receiver)
{
	return cf_twcc_pending(&receiver->twcc) ? receiver->feedback_us + FEEDBACK_US
						: CF_TIME_NEVER;
}

uint64_t cf_video_receiver_deadline_us(const struct cf_video_receiver *receiver)
{
	uint64_t frames = cf_frames_deadline_us(receiver->frames);
	uint64_t twcc = twcc_due_us(receiver);

	return frames < twcc ? frames : twcc;
}

bool cf_video_receiver_feedback_due(const struct cf_video_receiver *receiver, uint64_t now_us)
{
	return receiver->started && cf_video_receiver_deadline_us(receiver) <= now_us;
}

void cf_video_receiver_feedback(struct cf_video_receiver *receiver, struct cf_wire_writer *w,
	uint32_t rtt_us, uint64_t now_us)
{
	uint32_t ssrc = receiver->opts.ssrc, media = receiver->source.ssrc;
	uint16_t seqs[CF_FRAMES_NACKS_MAX];
	size_t n;

	if (!receiver->started)
		return;
	n = cf_frames_nack(receiver->frames, now_us, rtt_us, seqs);
	if (n > 0)
		cf_rtcp_write_nack(w, ssrc, media, seqs, n);
	if (cf_frames_pli(receiver->frames, now_us, rtt_us))
		cf_rtcp_write_pli(w, ssrc, media);
	if (twcc_due_us(receiver) <= now_us) {
		receiver->feedback_us = now_us;
		while (!w->err && cf_twcc_write(&receiver->twcc, w, ssrc, media))
			continue;
	}
}

void cf_video_receiver_stats(
	const struct cf_video_receiver *receiver, struct cf_frames_stats *ret_stats)
{
	cf_frames_stats(receiver->frames, ret_stats);
}

const struct cf_rtp_source *cf_video_receiver_source(const struct cf_video_receiver *receiver)
{
	return &receiver->source;
}
