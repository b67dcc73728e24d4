/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending half of a video stream: coded frames in, paced RTP packets out, at the rate that the
 * path carries (transport-wide congestion control). Answers NACK from a history, with the
 * retransmission payload where there is one, and tells when a key frame is asked for. SRTP, socket
 * and encoder are the caller's. Pure; one thread at a time; nothing is allocated after _new().
 */
#ifndef CF_MEDIA_VIDEO_SENDER_H
#define CF_MEDIA_VIDEO_SENDER_H

#include "base/err.h"
#include "base/view.h"
#include "cc/estimator.h"
#include "rtp/payload.h"
#include "rtp/rtcp.h"
#include "rtp/sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_video_sender;

#define CF_VIDEO_PACKET_MAX 1200 /* RTP packet before SRTP: fits through relays and tunnels */
#define CF_VIDEO_MAX_MID 16

struct cf_video_sender_opts {
	enum cf_video_codec codec;
	uint8_t pt;
	uint8_t rtx_pt; /* 0: repetitions go as they were */
	uint32_t ssrc, rtx_ssrc;
	uint16_t seq_seed, rtx_seq_seed; /* random */
	uint32_t ts_seed;                /* random */
	uint8_t mid_ext_id;              /* 0: none */
	const char *mid;                 /* copied; at most CF_VIDEO_MAX_MID bytes */
	uint8_t twcc_ext_id; /* 0: the peer gives no such feedback; the rate follows its reports */
	uint32_t start_bps;  /* default 300,000 */
	uint32_t max_bps;    /* default 2,500,000 */
};

void cf_video_sender_opts_defaults(struct cf_video_sender_opts *opts);

struct cf_video_sender_stats {
	uint64_t frames;
	uint64_t dropped; /* frames that found the pacer full */
	uint64_t packets; /* first sending */
	uint64_t bytes;   /* of all packets */
	uint64_t retransmitted;
	uint64_t padding;  /* packets sent to probe the path */
	uint64_t nacks;    /* numbers that the peer asked for */
	uint64_t plis;     /* key frames that the peer asked for */
	uint32_t queue_ms; /* what the pacer holds */
	struct cf_cc_state cc;
};

/** 0, CF_EINVAL, CF_ENOMEM. */
CF_MUST_CHECK int cf_video_sender_new(
	struct cf_video_sender **ret_sender, const struct cf_video_sender_opts *opts);
struct cf_video_sender *cf_video_sender_free(struct cf_video_sender *sender);

/** A coded frame, captured at time_us. 0; CF_EBADMSG for what cannot be cut; CF_ELIMIT when the
 * pacer cannot take it all: then it is dropped, and a key frame is wanted. */
CF_MUST_CHECK int cf_video_sender_push(
	struct cf_video_sender *sender, struct cf_view frame, uint64_t time_us, uint64_t now_us);

/** Whether the next frame should be made now: not when much of the last ones still waits. */
bool cf_video_sender_ready(const struct cf_video_sender *sender);

/** The next packet to send now: its length, 0 when there is none. cap: CF_VIDEO_PACKET_MAX at
 * least. */
size_t cf_video_sender_next(
	struct cf_video_sender *sender, uint8_t *p, size_t cap, uint64_t now_us);

/** When _next() has something again; CF_TIME_NEVER. */
uint64_t cf_video_sender_deadline_us(const struct cf_video_sender *sender);

/** One item of a compound from the peer: what is not about this stream is passed over. */
void cf_video_sender_rtcp(
	struct cf_video_sender *sender, const struct cf_rtcp_item *item, uint64_t now_us);

/** Whether a key frame was asked for since the last call. */
bool cf_video_sender_key_wanted(struct cf_video_sender *sender);

/** What the encoder may make, bits per second. */
uint32_t cf_video_sender_rate(const struct cf_video_sender *sender);

/** The path was changed: what was learned about the old one is forgotten. */
void cf_video_sender_new_path(struct cf_video_sender *sender, uint64_t now_us);

/** SSRC, counts and round-trip time. */
const struct cf_rtp_sender *cf_video_sender_rtp(const struct cf_video_sender *sender);

void cf_video_sender_stats(
	const struct cf_video_sender *sender, struct cf_video_sender_stats *ret_stats);

#endif
