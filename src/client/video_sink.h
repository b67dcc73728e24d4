/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of one call on their way in: decoded, given to the application or written to a file. All
 * but cf_video_sink_new() and _free() runs on a thread of its own.
 */
#ifndef CF_CLIENT_VIDEO_SINK_H
#define CF_CLIENT_VIDEO_SINK_H

#include "base/err.h"
#include "base/view.h"
#include "rtp/payload.h"

#include <callflow/callflow.h>

#include <stdint.h>

struct cf_video_sink;

/** 0 or CF_ENOMEM. The file is made with the first picture. */
CF_MUST_CHECK int cf_video_sink_new(
	struct cf_video_sink **ret_sink, const struct callflow_video_options *options);
/** The file is whole when this returns. */
struct cf_video_sink *cf_video_sink_free(struct cf_video_sink *sink);

/** Decodes and shows a frame that came at now_us. 1 and its size; 0: nothing to show; CF_EBADMSG: a
 * key frame is needed; CF_ENOMEM. */
CF_MUST_CHECK int cf_video_sink_show(struct cf_video_sink *sink, enum cf_video_codec codec,
	struct cf_view data, uint64_t now_us, unsigned *ret_width, unsigned *ret_height);

#endif
