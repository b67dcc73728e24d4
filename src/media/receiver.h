/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of an audio stream: RTP packets in as they come, 20 ms of PCM out at each
 * pull. Jitter buffer, Opus decoder, FEC and concealment, telephone events, receive statistics. The
 * packets are authenticated before they get here. Pure, one thread at a time, nothing allocated
 * after _new().
 */
#ifndef CF_MEDIA_RECEIVER_H
#define CF_MEDIA_RECEIVER_H

#include "base/err.h"
#include "media/codec/opus.h"
#include "rtp/dtmf.h"
#include "rtp/jitter.h"
#include "rtp/packet.h"
#include "rtp/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_media_receiver;

#define CF_MEDIA_MAX_EVENTS 32 /* key events not yet taken; more are dropped */

struct cf_media_receiver_opts {
	uint8_t opus_pt;      /* default 111 */
	uint8_t dtmf_pt;      /* 0: none */
	uint8_t level_ext_id; /* 0: none */
	struct cf_jitter_opts jitter;
};

void cf_media_receiver_opts_defaults(struct cf_media_receiver_opts *opts);

struct cf_media_receiver_stats {
	struct cf_jitter_stats jitter;
	uint64_t frames; /* pulled */
	uint64_t decoded;
	uint64_t fec;         /* of the concealed ones: restored by FEC */
	uint64_t concealed;   /* lost or late: FEC or PLC */
	uint64_t silent;      /* DTX, or nothing received */
	uint64_t accelerated; /* frames taken out */
	uint64_t expanded;    /* frames put in */
	uint64_t skipped;     /* frames passed over undecoded */
	uint64_t bad;         /* packets that the decoder refused, or of an unknown payload type */
	uint8_t level;        /* RFC 6464, of the last packet that carried one; 127 */
};

CF_MUST_CHECK int cf_media_receiver_new(
	struct cf_media_receiver **ret_receiver, const struct cf_media_receiver_opts *opts);
struct cf_media_receiver *cf_media_receiver_free(struct cf_media_receiver *receiver);

/** A packet (copies what it keeps). 0, or a reason why it is not used: CF_ENOTFOUND unknown payload
 * type, CF_EBADMSG, or as cf_jitter_put(). None of them needs an action. A new SSRC takes over. */
int cf_media_receiver_put(
	struct cf_media_receiver *receiver, const struct cf_rtp_packet *packet, uint64_t now_us);

/** The next 20 ms. Always fills pcm; true when there is sound in it (not silence). */
bool cf_media_receiver_pull(
	struct cf_media_receiver *receiver, int16_t pcm[static CF_OPUS_FRAME], uint64_t now_us);

/** Instead of a pull: the next 20 ms pass undecoded, at the cost of looking at them. The pull that
 * comes after it goes on where this left off, with a decoder that knows the packet before. */
void cf_media_receiver_skip(struct cf_media_receiver *receiver, uint64_t now_us);

/** The next key event: CF_DTMF_START or CF_DTMF_END with its data (duration in 1/48000 s), or
 * CF_DTMF_NOTHING. */
int cf_media_receiver_dtmf(struct cf_media_receiver *receiver, struct cf_dtmf_event_info *ret_info);

/** An SR of the peer. */
void cf_media_receiver_sr(struct cf_media_receiver *receiver, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, uint64_t now_us);

/** The report block for our next RTCP packet: false before the first packet. */
bool cf_media_receiver_block(
	struct cf_media_receiver *receiver, uint64_t now_us, struct cf_rtcp_block *ret_block);

/** The source as counted by RFC 3550; ssrc 0 and nothing received before the first packet. */
const struct cf_rtp_source *cf_media_receiver_source(const struct cf_media_receiver *receiver);

void cf_media_receiver_stats(const struct cf_media_receiver *receiver, uint64_t now_us,
	struct cf_media_receiver_stats *ret_stats);

#endif
