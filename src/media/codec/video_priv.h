/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind the face of codec/video.h: a table of functions per codec. A state is made
 * for one size and lives until the size changes or something goes wrong; what must outlive that is
 * kept in video.c.
 */
#ifndef CF_MEDIA_CODEC_VIDEO_PRIV_H
#define CF_MEDIA_CODEC_VIDEO_PRIV_H

#include "media/codec/video.h"

struct cf_video_codec_ops {
	/** 0, CF_ENOMEM, CF_ENOTSUP (the codec cannot do this size). opts are within their limits.
	 */
	int (*encoder_open)(void **ret_state, const struct cf_video_encoder_opts *opts);
	/** As cf_video_encode(); the picture has the state's size. time_us rises by a second at
	 * most. */
	int (*encode)(void *state, const struct cf_picture *picture, uint64_t time_us, bool key,
		struct cf_video_coded *ret_coded);
	void (*encoder_rate)(void *state, uint32_t bitrate_bps, uint32_t fps);
	void (*encoder_close)(void *state); /* NULL is fine */

	/** Whether decoding can begin with this frame. */
	bool (*is_key)(struct cf_view data);
	int (*decoder_open)(void **ret_state);
	/** As cf_video_decode(). After a failure the state is closed. */
	int (*decode)(void *state, struct cf_view data, struct cf_picture **ret_picture);
	void (*decoder_close)(void *state); /* NULL is fine */
};

extern const struct cf_video_codec_ops cf_video_vp8, cf_video_h264;

/* A library's picture, I420. */
struct cf_video_planes {
	const uint8_t *y, *u, *v;
	int stride_y, stride_uv;
	uint32_t width, height;
};

/** Copies it, odd sides cut to even ones: 1, CF_EBADMSG (a side below 2), CF_ELIMIT, CF_ENOMEM. */
int cf_video_copy_out(const struct cf_video_planes *planes, struct cf_picture **ret_picture);

#endif
