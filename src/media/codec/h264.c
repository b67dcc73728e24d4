/* SPDX-License-Identifier: Apache-2.0 */
/* H.264, constrained baseline, by OpenH264. */
#include "base/mem.h"
#include "media/codec/video_priv.h"
#include "rtp/h264_sps.h"

#include <string.h>
#include <wels/codec_api.h>

/* Macroblocks that the slices of one frame may claim together: each claims all of them, for only
 * decoding tells where it ends. */
#define MAX_SLICE_WORK (UINT32_C(1) << 23)

#define MIN_QP 16    /* below, noise does not fit into the library's buffers */
#define MIN_SIDE 16u /* of what the encoder takes */

/* ITU-T H.264 table A-1, level 5.2: macroblocks of a frame, and of all reference frames. */
#define MAX_FRAME_MBS 36864u
#define MAX_DPB_MBS 184320u

#define START_CODE_LEN 3

/* Where the next start code (00 00 01) begins at or behind pos; len when there is none. */
static size_t start_code(struct cf_view data, size_t pos)
{
	for (; pos + START_CODE_LEN <= data.len; pos++)
		if (data.p[pos] == 0 && data.p[pos + 1] == 0 && data.p[pos + 2] == 1)
			return pos;
	return data.len;
}

/* Takes the next NAL unit, with its start code, from the front of Annex B data; false when there
 * is none. */
static bool next_nal(struct cf_view *data, struct cf_view *ret_nal, unsigned *ret_type)
{
	size_t begin = start_code(*data, 0), end;

	if (data->len - begin <= START_CODE_LEN)
		return false;
	end = start_code(*data, begin + START_CODE_LEN);
	*ret_nal = cf_view_of(data->p + begin, end - begin);
	*ret_type = data->p[begin + START_CODE_LEN] & 0x1f;
	*data = cf_view_of(data->p + end, data->len - end);
	return true;
}

struct encoder {
	ISVCEncoder *lib;
	uint8_t *out;
	size_t cap;
};

static SliceModeEnum slice_mode(const struct cf_video_encoder_opts *opts)
{
	if (opts->max_slice)
		return SM_SIZELIMITED_SLICE;
	/* Threads share a picture slice by slice. */
	return opts->threads > 1 ? SM_FIXEDSLCNUM_SLICE : SM_SINGLE_SLICE;
}

static void fill(SEncParamExt *p, const struct cf_video_encoder_opts *opts)
{
	SSpatialLayerConfig *layer = &p->sSpatialLayers[0];

	p->iUsageType = CAMERA_VIDEO_REAL_TIME;
	p->iPicWidth = layer->iVideoWidth = (int)opts->width;
	p->iPicHeight = layer->iVideoHeight = (int)opts->height;
	p->iTargetBitrate = layer->iSpatialBitrate = (int)opts->bitrate_bps;
	p->iMaxBitrate = layer->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
	p->fMaxFrameRate = layer->fFrameRate = (float)opts->fps;
	p->iRCMode = RC_BITRATE_MODE;
	p->bEnableFrameSkip = true;
	p->iComplexityMode = LOW_COMPLEXITY;
	p->uiIntraPeriod = 0;
	p->bEnableSceneChangeDetect = false; /* key frames on demand alone */
	p->iNumRefFrame = 1;
	p->iMinQp = MIN_QP;
	p->eSpsPpsIdStrategy = CONSTANT_ID;
	p->iEntropyCodingModeFlag = 0;
	p->iMultipleThreadIdc = (unsigned short)opts->threads;
	p->uiMaxNalSize = (unsigned)opts->max_slice;
	layer->uiProfileIdc = PRO_BASELINE;
	layer->sSliceArgument.uiSliceMode = slice_mode(opts);
	layer->sSliceArgument.uiSliceNum = opts->threads;
	layer->sSliceArgument.uiSliceSizeConstraint = (unsigned)opts->max_slice;
}

static void encoder_close(void *state)
{
	struct encoder *e = state;

	if (e && e->lib) {
		(*e->lib)->Uninitialize(e->lib);
		WelsDestroySVCEncoder(e->lib);
	}
	if (e)
		cf_free(e->out);
	cf_free(e);
}

static int encoder_open(void **ret_state, const struct cf_video_encoder_opts *opts)
{
	struct encoder *e;
	SEncParamExt params;
	int quiet = WELS_LOG_QUIET, format = videoFormatI420, err;

	if (opts->width < MIN_SIDE || opts->height < MIN_SIDE)
		return CF_ENOTSUP;
	e = cf_alloc(sizeof(*e));
	if (!e || WelsCreateSVCEncoder(&e->lib) != 0) {
		encoder_close(e);
		return CF_ENOMEM;
	}
	(*e->lib)->SetOption(e->lib, ENCODER_OPTION_TRACE_LEVEL, &quiet);
	(*e->lib)->GetDefaultParams(e->lib, &params);
	fill(&params, opts);
	err = (*e->lib)->InitializeExt(e->lib, &params);
	if (!err)
		err = (*e->lib)->SetOption(e->lib, ENCODER_OPTION_DATAFORMAT, &format);
	if (err) {
		encoder_close(e);
		return err == cmMallocMemeError ? CF_ENOMEM : CF_ENOTSUP;
	}
	*ret_state = e;
	return 0;
}

static void encoder_rate(void *state, uint32_t bitrate_bps, uint32_t fps)
{
	struct encoder *e = state;
	SBitrateInfo bitrate = {.iLayer = SPATIAL_LAYER_ALL, .iBitrate = (int)bitrate_bps};
	float rate = (float)fps;

	(*e->lib)->SetOption(e->lib, ENCODER_OPTION_FRAME_RATE, &rate);
	(*e->lib)->SetOption(e->lib, ENCODER_OPTION_BITRATE, &bitrate);
}

static size_t layer_len(const SLayerBSInfo *layer)
{
	size_t len = 0;

	for (int i = 0; i < layer->iNalCount; i++)
		len += (size_t)layer->pNalLengthInByte[i];
	return len;
}

/* The parameter sets and the slices lie in pieces of their own. */
static int gather(struct encoder *e, const SFrameBSInfo *info, struct cf_video_coded *ret_coded)
{
	size_t len = 0, pos = 0;

	for (int i = 0; i < info->iLayerNum; i++)
		len += layer_len(&info->sLayerInfo[i]);
	if (len == 0)
		return 0;
	if (len > e->cap) {
		uint8_t *out = cf_realloc(e->out, 2 * len);

		if (!out)
			return CF_ENOMEM;
		e->out = out;
		e->cap = 2 * len;
	}
	for (int i = 0; i < info->iLayerNum; i++) {
		size_t n = layer_len(&info->sLayerInfo[i]);

		memcpy(e->out + pos, info->sLayerInfo[i].pBsBuf, n);
		pos += n;
	}
	ret_coded->data = cf_view_of(e->out, len);
	ret_coded->key = info->eFrameType == videoFrameTypeIDR;
	return 1;
}

static int encode(void *state, const struct cf_picture *picture, uint64_t time_us, bool key,
	struct cf_video_coded *ret_coded)
{
	struct encoder *e = state;
	SSourcePicture source = {.iColorFormat = videoFormatI420,
		.iStride = {(int)picture->stride_y, (int)picture->stride_uv,
			(int)picture->stride_uv},
		.pData = {picture->y, picture->u, picture->v},
		.iPicWidth = (int)picture->width,
		.iPicHeight = (int)picture->height,
		.uiTimeStamp = (long long)(time_us / 1000)};
	SFrameBSInfo info = {0};
	int err = 0;

	if (key)
		err = (*e->lib)->ForceIntraFrame(e->lib, true);
	if (!err)
		err = (*e->lib)->EncodeFrame(e->lib, &source, &info);
	if (err)
		return err == cmMallocMemeError ? CF_ENOMEM : CF_EIO;
	if (info.eFrameType == videoFrameTypeSkip || info.eFrameType == videoFrameTypeInvalid)
		return 0;
	return gather(e, &info, ret_coded);
}

struct decoder {
	ISVCDecoder *lib;
	uint32_t macroblocks; /* of the largest frame that a parameter set told of */
};

/* Parameter sets may come in a frame of their own; what else has none is of no use to a new
 * decoder.
 */
static bool is_key(struct cf_view data)
{
	struct cf_view nal;
	unsigned type;

	while (next_nal(&data, &nal, &type))
		if (type == NAL_SPS)
			return true;
	return false;
}

static void decoder_close(void *state)
{
	struct decoder *d = state;

	if (d && d->lib) {
		(*d->lib)->Uninitialize(d->lib);
		WelsDestroyDecoder(d->lib);
	}
	cf_free(d);
}

static int decoder_open(void **ret_state)
{
	struct decoder *d = cf_alloc(sizeof(*d));
	const SDecodingParam params = {.uiTargetDqLayer = UINT8_MAX,
		.eEcActiveIdc = ERROR_CON_DISABLE,
		.sVideoProperty = {
			.size = sizeof(SVideoProperty), .eVideoBsType = VIDEO_BITSTREAM_AVC}};
	int quiet = WELS_LOG_QUIET;

	if (!d || WelsCreateDecoder(&d->lib) != 0) {
		decoder_close(d);
		return CF_ENOMEM;
	}
	(*d->lib)->SetOption(d->lib, DECODER_OPTION_TRACE_LEVEL, &quiet);
	if ((*d->lib)->Initialize(d->lib, &params) != 0) {
		decoder_close(d);
		return CF_ENOMEM;
	}
	*ret_state = d;
	return 0;
}

/* Gives the library a piece, the end of the frame for the empty one. 1: a picture is complete. */
static int feed(struct decoder *d, struct cf_view piece, uint8_t *planes[3], SBufferInfo *info)
{
	DECODING_STATE state;

	memset(info, 0, sizeof(*info));
	state = (*d->lib)->DecodeFrame2(d->lib, piece.p, (int)piece.len, planes, info);
	if (state & dsOutOfMemory)
		return CF_ENOMEM;
	if (state & ~dsFramePending)
		return CF_EBADMSG;
	return info->iBufferStatus == 1;
}

/* Before the library allocates what the header asks for: the macroblocks of a frame. */
static int check_sps(struct cf_view nal, uint32_t *ret_macroblocks)
{
	struct cf_h264_sps sps;
	uint32_t macroblocks;
	int err = cf_h264_sps_read(
		cf_view_of(nal.p + START_CODE_LEN, nal.len - START_CODE_LEN), &sps);

	if (err < 0)
		return err;
	macroblocks = sps.width / 16 * (sps.height / 16);
	if (sps.width > CF_PICTURE_SIDE_MAX || sps.height > CF_PICTURE_SIDE_MAX ||
		macroblocks > MAX_FRAME_MBS || sps.refs > MAX_DPB_MBS / macroblocks)
		return CF_ELIMIT;
	*ret_macroblocks = macroblocks;
	return 0;
}

/* Whether the library may see this unit: 1, 0 (passed over), or the reason why the frame is
 * refused. */
static int admit(struct decoder *d, struct cf_view nal, unsigned type, uint32_t *slices)
{
	uint32_t macroblocks = 0;
	int err;

	switch (type) {
	case NAL_SPS:
		err = check_sps(nal, &macroblocks);
		if (macroblocks > d->macroblocks)
			d->macroblocks = macroblocks;
		return err ? err : 1;
	case NAL_PPS:
		return 1;
	case NAL_SLICE:
	case NAL_SLICE_IDR:
		return ++*slices <= MAX_SLICE_WORK / (d->macroblocks + 1) ? 1 : CF_EBADMSG;
	default: /* data partitions, scalable layers, SEI: not for this profile, or not needed */
		return 0;
	}
}

static int take_picture(
	uint8_t *const planes[3], const SBufferInfo *info, struct cf_picture **ret_picture)
{
	const SSysMEMBuffer *buffer = &info->UsrData.sSystemBuffer;

	if (!planes[0] || !planes[1] || !planes[2] || buffer->iWidth < 2 || buffer->iHeight < 2)
		return CF_EBADMSG;
	return cf_video_copy_out(&(struct cf_video_planes){.y = planes[0],
					 .u = planes[1],
					 .v = planes[2],
					 .stride_y = buffer->iStride[0],
					 .stride_uv = buffer->iStride[1],
					 .width = (uint32_t)buffer->iWidth,
					 .height = (uint32_t)buffer->iHeight},
		ret_picture);
}

/* Unit by unit, so that we see each; one frame is one picture. */
static int decode(void *state, struct cf_view data, struct cf_picture **ret_picture)
{
	struct decoder *d = state;
	uint8_t *planes[3] = {NULL};
	struct cf_view nal;
	SBufferInfo info;
	uint32_t slices = 0;
	unsigned type;
	bool any = false;
	int err;

	while (next_nal(&data, &nal, &type)) {
		any = true;
		err = admit(d, nal, type, &slices);
		if (err > 0)
			err = feed(d, nal, planes, &info);
		if (err)
			return err < 0 ? err : CF_EBADMSG;
	}
	if (slices == 0)
		return any ? 0 : CF_EBADMSG;
	err = feed(d, cf_view_of(NULL, 0), planes, &info);
	if (err < 0)
		return err;
	/* Constrained baseline shows every picture at once; none is a damaged one. */
	return err ? take_picture(planes, &info, ret_picture) : CF_EBADMSG;
}

const struct cf_video_codec_ops cf_video_h264 = {.encoder_open = encoder_open,
	.encode = encode,
	.encoder_rate = encoder_rate,
	.encoder_close = encoder_close,
	.is_key = is_key,
	.decoder_open = decoder_open,
	.decode = decode,
	.decoder_close = decoder_close};
