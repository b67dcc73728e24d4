/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video codecs behind one face: VP8 (libvpx) and H.264 constrained baseline (OpenH264), for calls:
 * no delay, no frames out of order, a rate that changes at any time, key frames on demand. One
 * object per direction, one thread at a time (each makes no threads of its own but what options
 * ask for).
 */
#ifndef CF_MEDIA_CODEC_VIDEO_H
#define CF_MEDIA_CODEC_VIDEO_H

#include "base/err.h"
#include "base/view.h"
#include "media/picture.h"
#include "rtp/payload.h"

#include <stdbool.h>
#include <stdint.h>

struct cf_video_encoder;
struct cf_video_decoder;

struct cf_video_encoder_opts {
	enum cf_video_codec codec;
	uint32_t width, height;
	uint32_t fps;         /* at most; default 30 */
	uint32_t bitrate_bps; /* default 500,000 */
	unsigned threads;     /* default 1 */
	int speed;            /* default 0: picked by the size; VP8 1 to 16, higher is cheaper */
	size_t max_slice;     /* H.264: bytes of a NAL unit at most, 0 no matter (default) */
};

void cf_video_encoder_opts_defaults(struct cf_video_encoder_opts *opts);

/* A coded frame. */
struct cf_video_coded {
	struct cf_view data; /* VP8 bitstream, or Annex B; valid until the next call */
	bool key;
};

/** 0, CF_EINVAL, CF_ENOMEM, CF_ENOTSUP. */
CF_MUST_CHECK int cf_video_encoder_new(
	struct cf_video_encoder **ret_encoder, const struct cf_video_encoder_opts *opts);
struct cf_video_encoder *cf_video_encoder_free(struct cf_video_encoder *encoder);

/** Encodes a picture (of any size: a change makes a key frame; time_us rises). key: make it a key
 * frame. 1: there is a frame; 0: the rate control dropped it; CF_EINVAL, CF_ENOMEM, CF_EIO. */
CF_MUST_CHECK int cf_video_encode(struct cf_video_encoder *encoder,
	const struct cf_picture *picture, bool key, struct cf_video_coded *ret_coded);

/** From the next frame on. Clamped to 20,000 to 20,000,000; fps 1 to 60. */
void cf_video_encoder_rate(struct cf_video_encoder *encoder, uint32_t bitrate_bps, uint32_t fps);

CF_MUST_CHECK int cf_video_decoder_new(
	struct cf_video_decoder **ret_decoder, enum cf_video_codec codec);
struct cf_video_decoder *cf_video_decoder_free(struct cf_video_decoder *decoder);

/** Decodes one frame. 1 and a picture of the caller's (cf_picture_unref()); 0: nothing to show;
 * CF_EBADMSG: damaged, a key frame is needed; CF_ELIMIT: larger than CF_PICTURE_SIDE_MAX;
 * CF_ENOMEM. */
CF_MUST_CHECK int cf_video_decode(
	struct cf_video_decoder *decoder, struct cf_view data, struct cf_picture **ret_picture);

#endif
