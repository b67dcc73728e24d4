/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of a video stream: RTP packets in as they come (retransmissions too), whole
 * coded frames out, and the feedback that the sender needs: NACK, PLI, transport-wide arrival
 * times, report blocks. The decoder is the caller's. Packets are authenticated before they get
 * here. Pure; one thread at a time; nothing is allocated after _new().
 */
#ifndef CF_MEDIA_VIDEO_RECEIVER_H
#define CF_MEDIA_VIDEO_RECEIVER_H

#include "base/err.h"
#include "base/wire.h"
#include "rtp/frames.h"
#include "rtp/rtcp.h"
#include "rtp/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_video_receiver;

#define CF_VIDEO_FORMATS_MAX 8

struct cf_video_receiver_opts {
	uint32_t ssrc; /* ours, that feedback is from */
	size_t n_formats;
	struct {
		enum cf_video_codec codec;
		uint8_t pt, rtx_pt; /* 0: no retransmission payload */
	} formats[CF_VIDEO_FORMATS_MAX];
	uint8_t twcc_ext_id; /* 0: none */
	bool nack;           /* default true: the peer answers NACK */
};

void cf_video_receiver_opts_defaults(struct cf_video_receiver_opts *opts);

/** 0, CF_EINVAL, CF_ENOMEM. */
CF_MUST_CHECK int cf_video_receiver_new(
	struct cf_video_receiver **ret_receiver, const struct cf_video_receiver_opts *opts);
struct cf_video_receiver *cf_video_receiver_free(struct cf_video_receiver *receiver);

/** Whether a payload type is one of this stream's. */
bool cf_video_receiver_has(const struct cf_video_receiver *receiver, uint8_t pt);

/** A packet, changed in place. Its bytes are copied. 0 or why it is not used; none needs an action.
 */
int cf_video_receiver_put(
	struct cf_video_receiver *receiver, uint8_t *p, size_t n, uint64_t now_us);

/** The next whole frame, in order, and what decodes it. */
bool cf_video_receiver_get(struct cf_video_receiver *receiver, uint64_t now_us,
	struct cf_frame *ret_frame, enum cf_video_codec *ret_codec);

/** The decoder failed: a key frame is asked for. */
void cf_video_receiver_broken(struct cf_video_receiver *receiver);

/** An SR of the peer. */
void cf_video_receiver_sr(struct cf_video_receiver *receiver, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, uint64_t now_us);

/** The report block for our next RTCP packet: false before the first packet. */
bool cf_video_receiver_block(
	struct cf_video_receiver *receiver, uint64_t now_us, struct cf_rtcp_block *ret_block);

/** Whether feedback is due now. */
bool cf_video_receiver_feedback_due(const struct cf_video_receiver *receiver, uint64_t now_us);
/** Writes what is due into a compound: NACK, PLI, transport-wide feedback. */
void cf_video_receiver_feedback(struct cf_video_receiver *receiver, struct cf_wire_writer *w,
	uint32_t rtt_us, uint64_t now_us);

/** When a frame may be given up, or feedback is due; CF_TIME_NEVER. */
uint64_t cf_video_receiver_deadline_us(const struct cf_video_receiver *receiver);

void cf_video_receiver_stats(
	const struct cf_video_receiver *receiver, struct cf_frames_stats *ret_stats);
/** The source as counted by RFC 3550. */
const struct cf_rtp_source *cf_video_receiver_source(const struct cf_video_receiver *receiver);

#endif
