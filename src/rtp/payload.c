/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/payload.h"

const char *cf_video_codec_name(enum cf_video_codec codec)
{
	static const char *const names[] = {[CF_VIDEO_VP8] = "VP8", [CF_VIDEO_H264] = "H264"};

	return names[codec];
}
