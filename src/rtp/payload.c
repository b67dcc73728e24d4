/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/payload_priv.h"

static const struct cf_payload_format *const formats[] = {
	[CF_VIDEO_VP8] = &cf_payload_vp8, [CF_VIDEO_H264] = &cf_payload_h264};

const char *cf_video_codec_name(enum cf_video_codec codec)
{
	return formats[codec]->name;
}

int cf_payload_cut(struct cf_payload_cutter *cutter, enum cf_video_codec codec,
	struct cf_view frame, uint16_t picture_id, size_t max)
{
	if (frame.len == 0 || max < CF_PAYLOAD_MIN)
		return CF_EINVAL;
	*cutter = (struct cf_payload_cutter){
		.codec = codec, .frame = frame, .picture_id = picture_id, .max = max};
	return formats[codec]->cut(cutter);
}

size_t cf_payload_next(struct cf_payload_cutter *cutter, uint8_t *p, size_t cap, bool *ret_last)
{
	if (cap < cutter->max)
		return 0;
	return formats[cutter->codec]->next(cutter, p, ret_last);
}

int cf_payload_read(
	enum cf_video_codec codec, struct cf_view payload, struct cf_payload_part *ret_part)
{
	return formats[codec]->read(payload, ret_part);
}

int cf_payload_append(
	enum cf_video_codec codec, struct cf_view payload, uint8_t *out, size_t cap, size_t *len)
{
	return formats[codec]->append(payload, out, cap, len);
}
