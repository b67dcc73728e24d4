/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec/video.h"

#include "base/mem.h"
#include "media/codec/video_priv.h"

#include <libyuv.h>

#define MIN_BITRATE 20000u
#define MAX_BITRATE 20000000u
#define MAX_FPS 60u
#define MAX_THREADS 16u
#define MAX_SPEED 16
#define MIN_SLICE 500u /* OpenH264 wants room for a macroblock of 3,200 bits */
#define MAX_STEP_US 1000000u

static const struct cf_video_codec_ops *const codecs[CF_VIDEO_CODECS] = {
	[CF_VIDEO_VP8] = &cf_video_vp8, [CF_VIDEO_H264] = &cf_video_h264};

struct cf_video_encoder {
	const struct cf_video_codec_ops *ops;
	struct cf_video_encoder_opts opts; /* with the size and the rate of now */
	void *state;                       /* NULL after a failure */
	uint64_t last_us;                  /* the last picture's time */
	uint64_t time_us;                  /* the codec's: long pauses are cut short */
	bool begun;
	bool key_owed; /* asked for, and the rate control dropped the frame */
};

void cf_video_encoder_opts_defaults(struct cf_video_encoder_opts *opts)
{
	*opts = (struct cf_video_encoder_opts){.fps = 30, .bitrate_bps = 500000, .threads = 1};
}

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
	if (v < min)
		return min;
	return v > max ? max : v;
}

static void set_rate(struct cf_video_encoder_opts *opts, uint32_t bitrate_bps, uint32_t fps)
{
	opts->bitrate_bps = clamp(bitrate_bps, MIN_BITRATE, MAX_BITRATE);
	opts->fps = clamp(fps, 1, MAX_FPS);
}

static bool side_ok(uint32_t side)
{
	return side >= 2 && side <= CF_PICTURE_SIDE_MAX && side % 2 == 0;
}

static bool opts_ok(const struct cf_video_encoder_opts *o)
{
	return side_ok(o->width) && side_ok(o->height) && o->speed >= 0 && o->speed <= MAX_SPEED &&
	       (o->max_slice == 0 || (o->max_slice >= MIN_SLICE && o->max_slice <= UINT16_MAX));
}

int cf_video_encoder_new(
	struct cf_video_encoder **ret_encoder, const struct cf_video_encoder_opts *opts)
{
	struct cf_video_encoder *e;
	int err;

	if ((unsigned)opts->codec >= CF_VIDEO_CODECS)
		return CF_ENOTSUP;
	if (!opts_ok(opts))
		return CF_EINVAL;
	e = cf_alloc(sizeof(*e));
	if (!e)
		return CF_ENOMEM;
	e->ops = codecs[opts->codec];
	e->opts = *opts;
	e->opts.threads = clamp(opts->threads, 1, MAX_THREADS);
	set_rate(&e->opts, opts->bitrate_bps, opts->fps);
	err = e->ops->encoder_open(&e->state, &e->opts);
	if (err) {
		cf_free(e);
		return err;
	}
	*ret_encoder = e;
	return 0;
}

struct cf_video_encoder *cf_video_encoder_free(struct cf_video_encoder *encoder)
{
	if (encoder)
		encoder->ops->encoder_close(encoder->state);
	return cf_free(encoder);
}

/* A state for the picture's size. On failure the one for the old size stays. */
static int fit(struct cf_video_encoder *e, const struct cf_picture *picture)
{
	struct cf_video_encoder_opts opts = e->opts;
	void *state;
	int err;

	if (e->state && opts.width == picture->width && opts.height == picture->height)
		return 0;
	opts.width = picture->width;
	opts.height = picture->height;
	err = e->ops->encoder_open(&state, &opts);
	if (err)
		return err == CF_ENOTSUP ? CF_EINVAL : err;
	e->ops->encoder_close(e->state);
	e->state = state;
	e->opts = opts;
	return 0;
}

/* A long pause must not make the rate control believe in a huge frame. */
static void advance(struct cf_video_encoder *e, uint64_t now_us)
{
	uint64_t step = now_us - e->last_us;

	if (e->begun)
		e->time_us += step < MAX_STEP_US ? step : MAX_STEP_US;
	e->begun = true;
	e->last_us = now_us;
}

int cf_video_encode(struct cf_video_encoder *encoder, const struct cf_picture *picture, bool key,
	struct cf_video_coded *ret_coded)
{
	struct cf_video_coded coded;
	int err;

	if (encoder->begun && picture->time_us <= encoder->last_us)
		return CF_EINVAL;
	err = fit(encoder, picture);
	if (err)
		return err;
	advance(encoder, picture->time_us);
	encoder->key_owed |= key;
	err = encoder->ops->encode(
		encoder->state, picture, encoder->time_us, encoder->key_owed, &coded);
	if (err < 0) {
		encoder->ops->encoder_close(encoder->state);
		encoder->state = NULL;
	}
	if (err > 0) {
		encoder->key_owed &= !coded.key;
		*ret_coded = coded;
	}
	return err;
}

void cf_video_encoder_rate(struct cf_video_encoder *encoder, uint32_t bitrate_bps, uint32_t fps)
{
	uint32_t old_bps = encoder->opts.bitrate_bps, old_fps = encoder->opts.fps;

	set_rate(&encoder->opts, bitrate_bps, fps);
	if (encoder->state &&
		(encoder->opts.bitrate_bps != old_bps || encoder->opts.fps != old_fps))
		encoder->ops->encoder_rate(
			encoder->state, encoder->opts.bitrate_bps, encoder->opts.fps);
}

struct cf_video_decoder {
	const struct cf_video_codec_ops *ops;
	void *state; /* NULL: a key frame is needed */
};

int cf_video_decoder_new(struct cf_video_decoder **ret_decoder, enum cf_video_codec codec)
{
	struct cf_video_decoder *d;

	if ((unsigned)codec >= CF_VIDEO_CODECS)
		return CF_ENOTSUP;
	d = cf_alloc(sizeof(*d));
	if (!d)
		return CF_ENOMEM;
	d->ops = codecs[codec];
	*ret_decoder = d;
	return 0;
}

struct cf_video_decoder *cf_video_decoder_free(struct cf_video_decoder *decoder)
{
	if (decoder)
		decoder->ops->decoder_close(decoder->state);
	return cf_free(decoder);
}

int cf_video_decode(
	struct cf_video_decoder *decoder, struct cf_view data, struct cf_picture **ret_picture)
{
	int err = 0;

	if (data.len == 0 || data.len > INT32_MAX)
		return CF_EBADMSG;
	if (!decoder->state) {
		if (!decoder->ops->is_key(data))
			return CF_EBADMSG;
		err = decoder->ops->decoder_open(&decoder->state);
	}
	if (!err)
		err = decoder->ops->decode(decoder->state, data, ret_picture);
	if (err < 0) {
		/* The references are gone, and no library is trusted to recover from damage. */
		decoder->ops->decoder_close(decoder->state);
		decoder->state = NULL;
	}
	return err;
}

int cf_video_copy_out(const struct cf_video_planes *planes, struct cf_picture **ret_picture)
{
	uint32_t width = planes->width & ~1u, height = planes->height & ~1u;
	struct cf_picture *p;

	if (width < 2 || height < 2)
		return CF_EBADMSG;
	if (width > CF_PICTURE_SIDE_MAX || height > CF_PICTURE_SIDE_MAX)
		return CF_ELIMIT;
	p = cf_picture_new(width, height);
	if (!p)
		return CF_ENOMEM;
	I420Copy(planes->y, planes->stride_y, planes->u, planes->stride_uv, planes->v,
		planes->stride_uv, p->y, (int)p->stride_y, p->u, (int)p->stride_uv, p->v,
		(int)p->stride_uv, (int)width, (int)height);
	*ret_picture = p;
	return 1;
}
