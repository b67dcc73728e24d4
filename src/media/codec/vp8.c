/* SPDX-License-Identifier: Apache-2.0 */
/* VP8 by libvpx. RFC 6386. */
#include "base/mem.h"
#include "media/codec/video_priv.h"

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

#define TIME_BASE 1000000 /* us */
#define MAX_INTRA_PERCENT 300u
#define KEY_HEADER 10u /* RFC 6386 section 9.1 */

struct encoder {
	vpx_codec_ctx_t ctx;
	vpx_codec_enc_cfg_t cfg;
	uint32_t frame_us;
};

static int error_of(vpx_codec_err_t err, int other)
{
	switch (err) {
	case VPX_CODEC_OK:
		return 0;
	case VPX_CODEC_MEM_ERROR:
		return CF_ENOMEM;
	default:
		return other;
	}
}

/* The cheaper, the larger: where there are many pixels, quality suffers least. */
static int cpu_used(const struct cf_video_encoder_opts *opts)
{
	uint32_t pixels = opts->width * opts->height;

	if (opts->speed)
		return -opts->speed;
	if (pixels >= 1280 * 720)
		return -12;
	return pixels >= 640 * 360 ? -8 : -6;
}

static void set_rate(struct encoder *e, uint32_t bitrate_bps, uint32_t fps)
{
	e->cfg.rc_target_bitrate = bitrate_bps / 1000;
	e->frame_us = TIME_BASE / fps;
}

static vpx_codec_err_t configure(struct encoder *e, const struct cf_video_encoder_opts *opts)
{
	vpx_codec_err_t err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &e->cfg, 0);

	if (err)
		return err;
	e->cfg.g_w = opts->width;
	e->cfg.g_h = opts->height;
	e->cfg.g_threads = opts->threads;
	e->cfg.g_timebase = (struct vpx_rational){1, TIME_BASE};
	e->cfg.g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
	e->cfg.g_lag_in_frames = 0;
	e->cfg.rc_end_usage = VPX_CBR;
	e->cfg.rc_min_quantizer = 2;
	e->cfg.rc_max_quantizer = 56;
	e->cfg.rc_undershoot_pct = 100;
	e->cfg.rc_overshoot_pct = 15;
	e->cfg.rc_buf_initial_sz = 500;
	e->cfg.rc_buf_optimal_sz = 600;
	e->cfg.rc_buf_sz = 1000;
	e->cfg.rc_dropframe_thresh = 30;
	e->cfg.rc_resize_allowed = 0;
	e->cfg.kf_mode = VPX_KF_DISABLED;
	set_rate(e, opts->bitrate_bps, opts->fps);
	return vpx_codec_enc_init(&e->ctx, vpx_codec_vp8_cx(), &e->cfg, 0);
}

static vpx_codec_err_t control(vpx_codec_ctx_t *ctx, const struct cf_video_encoder_opts *opts)
{
	vpx_codec_err_t err = vpx_codec_control(ctx, VP8E_SET_CPUUSED, cpu_used(opts));

	if (!err)
		err = vpx_codec_control(ctx, VP8E_SET_NOISE_SENSITIVITY, 0u);
	if (!err)
		err = vpx_codec_control(ctx, VP8E_SET_STATIC_THRESHOLD, 1u);
	if (!err)
		err = vpx_codec_control(ctx, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION);
	if (!err)
		err = vpx_codec_control(ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, MAX_INTRA_PERCENT);
	return err;
}

static void encoder_close(void *state)
{
	struct encoder *e = state;

	if (e)
		vpx_codec_destroy(&e->ctx);
	cf_free(e);
}

static int encoder_open(void **ret_state, const struct cf_video_encoder_opts *opts)
{
	struct encoder *e = cf_alloc(sizeof(*e));
	vpx_codec_err_t err;

	if (!e)
		return CF_ENOMEM;
	err = configure(e, opts);
	if (!err)
		err = control(&e->ctx, opts);
	if (err) {
		encoder_close(e);
		return error_of(err, CF_ENOTSUP);
	}
	*ret_state = e;
	return 0;
}

static void encoder_rate(void *state, uint32_t bitrate_bps, uint32_t fps)
{
	struct encoder *e = state;

	set_rate(e, bitrate_bps, fps);
	vpx_codec_enc_config_set(&e->ctx, &e->cfg);
}

static int take_frame(struct encoder *e, struct cf_video_coded *ret_coded)
{
	vpx_codec_iter_t iter = NULL;
	const vpx_codec_cx_pkt_t *pkt;

	while ((pkt = vpx_codec_get_cx_data(&e->ctx, &iter)))
		if (pkt->kind == VPX_CODEC_CX_FRAME_PKT && pkt->data.frame.sz) {
			ret_coded->data = cf_view_of(pkt->data.frame.buf, pkt->data.frame.sz);
			ret_coded->key = pkt->data.frame.flags & VPX_FRAME_IS_KEY;
			return 1;
		}
	return 0;
}

static int encode(void *state, const struct cf_picture *picture, uint64_t time_us, bool key,
	struct cf_video_coded *ret_coded)
{
	struct encoder *e = state;
	vpx_image_t img;
	vpx_codec_err_t err;

	vpx_img_wrap(&img, VPX_IMG_FMT_I420, picture->width, picture->height, 1, picture->y);
	img.planes[VPX_PLANE_U] = picture->u;
	img.planes[VPX_PLANE_V] = picture->v;
	img.stride[VPX_PLANE_Y] = (int)picture->stride_y;
	img.stride[VPX_PLANE_U] = img.stride[VPX_PLANE_V] = (int)picture->stride_uv;
	err = vpx_codec_encode(&e->ctx, &img, (vpx_codec_pts_t)time_us, e->frame_us,
		key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
	return err ? error_of(err, CF_EIO) : take_frame(e, ret_coded);
}

struct decoder {
	vpx_codec_ctx_t ctx;
};

static bool is_key(struct cf_view data)
{
	return data.len >= KEY_HEADER && !(data.p[0] & 1);
}

/* RFC 6386 section 9.1: sides of 14 bits behind the start code of a key frame, little-endian. */
static bool too_large(struct cf_view data)
{
	return is_key(data) && (((data.p[7] & 0x3f) << 8 | data.p[6]) > CF_PICTURE_SIDE_MAX ||
				       ((data.p[9] & 0x3f) << 8 | data.p[8]) > CF_PICTURE_SIDE_MAX);
}

static void decoder_close(void *state)
{
	struct decoder *d = state;

	if (d)
		vpx_codec_destroy(&d->ctx);
	cf_free(d);
}

static int decoder_open(void **ret_state)
{
	const vpx_codec_dec_cfg_t cfg = {.threads = 1};
	struct decoder *d = cf_alloc(sizeof(*d));

	if (!d)
		return CF_ENOMEM;
	if (vpx_codec_dec_init(&d->ctx, vpx_codec_vp8_dx(), &cfg, 0)) {
		decoder_close(d);
		return CF_ENOMEM;
	}
	*ret_state = d;
	return 0;
}

static int decode(void *state, struct cf_view data, struct cf_picture **ret_picture)
{
	struct decoder *d = state;
	vpx_codec_iter_t iter = NULL;
	vpx_codec_err_t err;
	const vpx_image_t *img;
	int corrupt = 0;

	if (too_large(data))
		return CF_ELIMIT;
	err = vpx_codec_decode(&d->ctx, data.p, (unsigned)data.len, NULL, 0);
	if (err)
		return error_of(err, CF_EBADMSG);
	/* Libvpx reads zeros behind the end of a partition, and tells by this alone. */
	err = vpx_codec_control(&d->ctx, VP8D_GET_FRAME_CORRUPTED, &corrupt);
	if (err || corrupt)
		return CF_EBADMSG;
	img = vpx_codec_get_frame(&d->ctx, &iter);
	if (!img)
		return 0;
	return cf_video_copy_out(&(struct cf_video_planes){.y = img->planes[VPX_PLANE_Y],
					 .u = img->planes[VPX_PLANE_U],
					 .v = img->planes[VPX_PLANE_V],
					 .stride_y = img->stride[VPX_PLANE_Y],
					 .stride_uv = img->stride[VPX_PLANE_U],
					 .width = img->d_w,
					 .height = img->d_h},
		ret_picture);
}

const struct cf_video_codec_ops cf_video_vp8 = {.encoder_open = encoder_open,
	.encode = encode,
	.encoder_rate = encoder_rate,
	.encoder_close = encoder_close,
	.is_key = is_key,
	.decoder_open = decoder_open,
	.decode = decode,
	.decoder_close = decoder_close};
