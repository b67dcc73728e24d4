/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence parameter set of H.264 (ITU-T H.264 section 7.3.2.1.1), as far as calls need it: the
 * size of the pictures, and what a decoder would have to keep. Baseline only: other profiles say
 * more before the sizes. Pure, nothing allocated.
 */
#ifndef CF_RTP_H264_SPS_H
#define CF_RTP_H264_SPS_H

#include "base/err.h"
#include "base/view.h"

#include <stdint.h>

#define CF_H264_NAL_SPS 7

struct cf_h264_sps {
	uint32_t width, height; /* of whole macroblocks: multiples of 16; at most 16384 */
	uint32_t refs;          /* reference frames */
};

/** Reads a NAL unit of the type CF_H264_NAL_SPS, from its header byte on. 0, CF_EBADMSG (also for
 * another profile, and for interlaced pictures), or CF_ELIMIT for larger ones. */
CF_MUST_CHECK int cf_h264_sps_read(struct cf_view nal, struct cf_h264_sps *ret_sps);

#endif
