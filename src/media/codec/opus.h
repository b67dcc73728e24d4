/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opus (RFC 6716, RFC 7587) at 48 kHz mono in 20 ms frames; the decoder takes any Opus packet
 * (stereo is folded down). One object per direction; one thread at a time; nothing allocated after
 * _new().
 */
#ifndef CF_MEDIA_CODEC_OPUS_H
#define CF_MEDIA_CODEC_OPUS_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_OPUS_RATE 48000
#define CF_OPUS_FRAME 960      /* samples in 20 ms */
#define CF_OPUS_MAX_FRAME 5760 /* 120 ms, the longest packet */
#define CF_OPUS_MAX_PACKET 1275

struct cf_opus_encoder;
struct cf_opus_decoder;

struct cf_opus_opts {
	int bitrate_bps;  /* default 32000; 6000..128000 */
	int complexity;   /* default 5; 0..10 */
	int loss_percent; /* default 5: expected, for in-band FEC */
	bool fec;         /* default true */
	bool dtx;         /* default false */
};

void cf_opus_opts_defaults(struct cf_opus_opts *opts);

/** 0, CF_EINVAL, CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_opus_encoder_new(
	struct cf_opus_encoder **ret_encoder, const struct cf_opus_opts *opts);
struct cf_opus_encoder *cf_opus_encoder_free(struct cf_opus_encoder *encoder);

/** Encodes one frame. Length of the packet (1 or 2 when a pause begins, with DTX); 0: the pause
 * goes on, nothing to send; CF_EINVAL. */
int cf_opus_encode(struct cf_opus_encoder *encoder, const int16_t pcm[static CF_OPUS_FRAME],
	uint8_t *packet, size_t cap);

/** Expected loss (0..100 percent) from the peer's reports; rises at once, falls slowly when fed
 * with each report. */
void cf_opus_encoder_set_loss(struct cf_opus_encoder *encoder, unsigned percent);
/** Makes an encoder go on as the other one: what both encode from now on continues the same stream,
 * so that a decoder can be handed over between them without a gap. Options come along. */
void cf_opus_encoder_copy(struct cf_opus_encoder *encoder, const struct cf_opus_encoder *from);

/** Whether pauses are left out from now on. */
void cf_opus_encoder_set_dtx(struct cf_opus_encoder *encoder, bool dtx);

/** Clamped to 6000..128000. */
void cf_opus_encoder_set_bitrate(struct cf_opus_encoder *encoder, int bitrate_bps);

CF_MUST_CHECK int cf_opus_decoder_new(struct cf_opus_decoder **ret_decoder);
struct cf_opus_decoder *cf_opus_decoder_free(struct cf_opus_decoder *decoder);
void cf_opus_decoder_reset(struct cf_opus_decoder *decoder);

/** Samples that a packet holds at 48 kHz, or CF_EBADMSG. */
int cf_opus_packet_samples(struct cf_view packet);

/** Decodes a packet: number of samples, at most cap; CF_EBADMSG; CF_ENOSPC. */
int cf_opus_decode(
	struct cf_opus_decoder *decoder, struct cf_view packet, int16_t *pcm, size_t cap);

/** The frame before `next` (which is lost) from next's in-band FEC, or concealment when next has
 * none: CF_OPUS_FRAME samples, or CF_EBADMSG. Then decode next itself. */
int cf_opus_decode_fec(
	struct cf_opus_decoder *decoder, struct cf_view next, int16_t pcm[static CF_OPUS_FRAME]);

/** Conceals one lost frame: CF_OPUS_FRAME. */
int cf_opus_conceal(struct cf_opus_decoder *decoder, int16_t pcm[static CF_OPUS_FRAME]);

#endif
