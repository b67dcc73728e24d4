/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending half of an audio stream: 20 ms of PCM in, at most one RTP packet out. Encodes Opus,
 * adds audio level and MID, sends telephone events in place of audio while a key is down. RTCP
 * numbers (rtp/sender.h) are kept here; SRTP and the socket are the caller's. Pure, one thread at a
 * time, nothing allocated after _new().
 */
#ifndef CF_MEDIA_SENDER_H
#define CF_MEDIA_SENDER_H

#include "base/err.h"
#include "media/codec/opus.h"
#include "rtp/sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_media_sender;

#define CF_MEDIA_MAX_MID 16
#define CF_MEDIA_MAX_DIGITS 64 /* keys waiting to be sent */

struct cf_media_sender_opts {
	uint32_t ssrc;
	uint16_t seq_seed;    /* random */
	uint32_t ts_seed;     /* random */
	uint8_t opus_pt;      /* default 111 */
	uint8_t dtmf_pt;      /* telephone-event/48000; 0: the peer takes none */
	uint8_t level_ext_id; /* RFC 6464 extension id from SDP; 0: none */
	uint8_t mid_ext_id;   /* 0: none */
	const char *mid;      /* copied; NULL or "" : none */
	struct cf_opus_opts opus;
};

/** Defaults: as above, no extensions, no DTMF, SSRC and seeds 0 (set them). */
void cf_media_sender_opts_defaults(struct cf_media_sender_opts *opts);

CF_MUST_CHECK int cf_media_sender_new(
	struct cf_media_sender **ret_sender, const struct cf_media_sender_opts *opts);
struct cf_media_sender *cf_media_sender_free(struct cf_media_sender *sender);

/**
 * One frame every 20 ms; pcm NULL means muted (silence is encoded; with DTX hardly anything is
 * sent). Returns the length of the RTP packet written to p, 0 when there is nothing to send (DTX),
 * or CF_ENOSPC. 1500 bytes less what SRTP adds always suffice.
 */
CF_MUST_CHECK int cf_media_sender_push(struct cf_media_sender *sender, const int16_t *pcm,
	uint64_t now_us, uint8_t *p, size_t cap);

/** Time passes without a packet (hold): the timestamp goes on. */
void cf_media_sender_skip(struct cf_media_sender *sender);

/** Queues key presses ("0-9*#A-D"), each of duration_ms (40..6000) and 80 ms apart. 0; CF_EINVAL;
 * CF_ELIMIT; CF_ENOTSUP when the peer takes none. All or nothing. */
CF_MUST_CHECK int cf_media_sender_dtmf(
	struct cf_media_sender *sender, const char *keys, unsigned duration_ms);

/** A report block from the peer: RTT and loss; the encoder's FEC follows. False: not about us. */
bool cf_media_sender_report(
	struct cf_media_sender *sender, const struct cf_rtcp_block *block, uint64_t now_us);

/** SSRC, counts, RTT, the peer's view. */
const struct cf_rtp_sender *cf_media_sender_rtp(const struct cf_media_sender *sender);

/** RFC 6464 level of the last frame sent, 127 silence. */
uint8_t cf_media_sender_level(const struct cf_media_sender *sender);

#endif
