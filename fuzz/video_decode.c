/* SPDX-License-Identifier: Apache-2.0 */
/* Coded video of strangers: one byte for the codec, then frames behind their length (16 bits).
 * After all of them a good key frame decodes again. */
#include "base/wire.h"
#include "media/codec/video.h"

#include <stdlib.h>
#include <string.h>

#define SIDE 64u
#define MAX_FRAMES 8
#define MAX_KEY 8192

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct cf_view key_frame(enum cf_video_codec codec)
{
	static uint8_t frames[CF_VIDEO_CODECS][MAX_KEY];
	static size_t lens[CF_VIDEO_CODECS];
	struct cf_video_encoder *e;
	struct cf_video_encoder_opts opts;
	struct cf_video_coded coded;
	struct cf_picture *p;

	if (lens[codec])
		return cf_view_of(frames[codec], lens[codec]);
	cf_video_encoder_opts_defaults(&opts);
	opts.codec = codec;
	opts.width = opts.height = SIDE;
	p = cf_picture_new(SIDE, SIDE);
	if (!p || cf_video_encoder_new(&e, &opts) < 0)
		abort();
	cf_picture_fill(p, 90, 100, 110);
	if (cf_video_encode(e, p, true, &coded) != 1 || coded.data.len > MAX_KEY)
		abort();
	memcpy(frames[codec], coded.data.p, coded.data.len);
	lens[codec] = coded.data.len;
	cf_video_encoder_free(e);
	cf_picture_unref(p);
	return key_frame(codec);
}

static int decode(struct cf_video_decoder *d, struct cf_view frame)
{
	struct cf_picture *out = NULL;
	int err = cf_video_decode(d, frame, &out);

	if ((err == 1) != (out != NULL))
		abort();
	if (out && (out->width > CF_PICTURE_SIDE_MAX || out->height > CF_PICTURE_SIDE_MAX ||
			   out->width % 2 || out->height % 2))
		abort();
	cf_picture_unref(out);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cf_video_decoder *d;
	struct cf_wire_reader r;
	enum cf_video_codec codec;

	cf_wire_reader_init(&r, p, n);
	codec = (enum cf_video_codec)(cf_wire_read_u8(&r) % CF_VIDEO_CODECS);
	if (cf_video_decoder_new(&d, codec) < 0)
		abort();
	for (int i = 0; i < MAX_FRAMES && cf_wire_left(&r) > 2; i++) {
		size_t len = cf_wire_read_u16(&r), left = cf_wire_left(&r);

		/* A key frame first now and then, so that deltas are looked at. */
		if (len & 0x8000)
			decode(d, key_frame(codec));
		len &= 0x7fff;
		decode(d, cf_wire_read_view(&r, len < left ? len : left));
	}
	if (decode(d, key_frame(codec)) != 1)
		abort();
	cf_video_decoder_free(d);
	return 0;
}
