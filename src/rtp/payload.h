/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video frames in RTP payloads: VP8 (RFC 7741) and H.264 (RFC 6184, packetization modes 0 and 1:
 * single NAL units, STAP-A, FU-A). Cutting a coded frame into payloads, and reading what one
 * payload says about its frame. Putting frames together is the matter of rtp/frames.h. Pure, no
 * state but the cutter's, nothing allocated.
 */
#ifndef CF_RTP_PAYLOAD_H
#define CF_RTP_PAYLOAD_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cf_video_codec { CF_VIDEO_VP8, CF_VIDEO_H264, CF_VIDEO_CODECS };

/* RTP clock of all of them and of their repetitions: RFC 7741 section 6.1, RFC 6184 section 8.1,
 * RFC 4588 section 4. */
#define CF_VIDEO_CLOCK 90000

/** "VP8", "H264" as in SDP. */
const char *cf_video_codec_name(enum cf_video_codec codec);

/* Least room for a payload, so that headers never fill it. */
#define CF_PAYLOAD_MIN 64

/* A coded frame on its way into payloads. */
struct cf_payload_cutter {
	enum cf_video_codec codec;
	struct cf_view frame; /* borrowed */
	uint16_t picture_id;  /* VP8: 15 bits, one more with each frame */
	size_t max;           /* bytes of a payload at most, CF_PAYLOAD_MIN or more */
	size_t pos;           /* of the frame's bytes, read so far */
	struct cf_view nal;   /* H.264: the unit at hand; empty behind the last */
	size_t nal_pos;       /* sent of it; 0: not begun */
};

/** Begins to cut. frame: VP8 bitstream of one frame, or H.264 NAL units with start codes (Annex B).
 * CF_EINVAL for an empty frame, one without start code, max below CF_PAYLOAD_MIN, or a unit of zero
 * length. */
CF_MUST_CHECK int cf_payload_cut(struct cf_payload_cutter *cutter, enum cf_video_codec codec,
	struct cf_view frame, uint16_t picture_id, size_t max);

/** Writes the next payload (cap: cutter->max at least). Its length, *ret_last true for the frame's
 * last one (RTP marker); 0 behind the last. */
size_t cf_payload_next(struct cf_payload_cutter *cutter, uint8_t *p, size_t cap, bool *ret_last);

/* What one payload says. */
struct cf_payload_part {
	bool begins;            /* VP8: first packet of the frame; H.264: begins a NAL unit */
	bool key;               /* and that of a key frame; H.264: holds an IDR slice or an SPS */
	uint32_t width, height; /* of the picture, where a key frame tells it here; 0: not told */
};

/** Reads the payload's descriptor. 0, or CF_EBADMSG. */
CF_MUST_CHECK int cf_payload_read(
	enum cf_video_codec codec, struct cf_view payload, struct cf_payload_part *ret_part);

/** Appends the payload's bytes of the frame to out (VP8: without descriptor; H.264: NAL units with
 * four-byte start codes, FU-A joined). Payloads in the order of their numbers. *len grows. 0;
 * CF_EBADMSG; CF_ENOSPC (then *len is as before). */
CF_MUST_CHECK int cf_payload_append(
	enum cf_video_codec codec, struct cf_view payload, uint8_t *out, size_t cap, size_t *len);

#endif
