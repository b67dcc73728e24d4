/* SPDX-License-Identifier: Apache-2.0 */
/* VP8 and H.264 there and back: likeness, rate, key frames, sizes, damage, limits. */
#include "harness/harness.h"

#include "base/mem.h"
#include "media/codec/video.h"

#define FRAME_US 33333u
#define ENOUGH 3000000u /* bit/s: no small picture is dropped */

static const enum cf_video_codec codecs[] = {CF_VIDEO_VP8, CF_VIDEO_H264};

static uint8_t texture(uint32_t x, uint32_t y)
{
	uint32_t h = (x / 4) * 2654435761u ^ (y / 4) * 40503u;

	h ^= h >> 13;
	h *= 0x5bd1e995;
	return (uint8_t)(h >> 24);
}

/* A slope, a textured ground that moves, and a bright square that moves the other way. */
static void paint(struct cf_picture *p, unsigned n)
{
	uint32_t side = p->height / 4, at = n * 5 % (p->width - side);

	for (uint32_t y = 0; y < p->height; y++)
		for (uint32_t x = 0; x < p->width; x++) {
			bool inside = x >= at && x < at + side && y >= side && y < 2 * side;

			p->y[(size_t)y * p->stride_y + x] =
				(uint8_t)(inside ? 220u
						 : 40 + 80 * y / p->height +
							   texture(x + 2 * n, y + n) / 2);
		}
	for (uint32_t y = 0; y < p->height / 2; y++) {
		memset(p->u + (size_t)y * p->stride_uv, (int)(100 + y % 40), p->width / 2);
		memset(p->v + (size_t)y * p->stride_uv, (int)(160 + n % 60), p->width / 2);
	}
	p->time_us = 1000 + (uint64_t)n * FRAME_US;
}

static struct cf_picture *painted(uint32_t width, uint32_t height, unsigned n)
{
	struct cf_picture *p = cf_picture_new(width, height);

	assert_non_null(p);
	paint(p, n);
	return p;
}

static struct cf_video_encoder_opts options(
	enum cf_video_codec codec, uint32_t width, uint32_t height, uint32_t bitrate_bps)
{
	struct cf_video_encoder_opts o;

	cf_video_encoder_opts_defaults(&o);
	o.codec = codec;
	o.width = width;
	o.height = height;
	o.bitrate_bps = bitrate_bps;
	return o;
}

static struct cf_video_encoder *encoder_of(
	enum cf_video_codec codec, uint32_t width, uint32_t height, uint32_t bitrate_bps)
{
	struct cf_video_encoder_opts o = options(codec, width, height, bitrate_bps);
	struct cf_video_encoder *e;

	assert_int_equal(cf_video_encoder_new(&e, &o), 0);
	return e;
}

static struct cf_video_decoder *decoder_of(enum cf_video_codec codec)
{
	struct cf_video_decoder *d;

	assert_int_equal(cf_video_decoder_new(&d, codec), 0);
	return d;
}

/* A frame of its own memory, so that the sanitizer sees what is read beyond. */
struct kept {
	uint8_t *p;
	size_t len;
	bool key;
};

/* The n-th painted picture, coded; not there when the rate control dropped it. */
static struct kept coded(
	struct cf_video_encoder *e, uint32_t width, uint32_t height, unsigned n, bool key)
{
	struct cf_picture *p = painted(width, height, n);
	struct cf_video_coded out;
	struct kept kept = {0};
	int got = cf_video_encode(e, p, key, &out);

	assert_in_range(got, 0, 1);
	if (got) {
		kept = (struct kept){cf_memdup(out.data.p, out.data.len), out.data.len, out.key};
		assert_non_null(kept.p);
	}
	cf_picture_unref(p);
	return kept;
}

static int decoded(struct cf_video_decoder *d, const struct kept *frame, struct cf_picture **ret)
{
	return cf_video_decode(d, cf_view_of(frame->p, frame->len), ret);
}

/* The frame decodes to what was painted. */
static double likeness(struct cf_video_decoder *d, const struct kept *frame, uint32_t width,
	uint32_t height, unsigned n)
{
	struct cf_picture *p = painted(width, height, n), *out = NULL;
	double psnr;

	assert_int_equal(decoded(d, frame, &out), 1);
	assert_int_equal(out->width, width);
	assert_int_equal(out->height, height);
	psnr = cf_picture_psnr(p, out);
	assert_in_range(out->u[0], p->u[0] - 16, p->u[0] + 16);
	assert_in_range(out->v[0], p->v[0] - 16, p->v[0] + 16);
	cf_picture_unref(out);
	cf_picture_unref(p);
	return psnr;
}

static void pictures_come_back(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, 500000);
		struct cf_video_decoder *d = decoder_of(codecs[k]);
		unsigned frames = 0;
		double sum = 0;

		for (unsigned n = 0; n < 60; n++) {
			struct kept frame = coded(e, 320, 240, n, false);

			if (frame.p) {
				double psnr = likeness(d, &frame, 320, 240, n);

				assert_true(psnr > 30);
				sum += psnr;
				assert_int_equal(frame.key, frames == 0);
				frames++;
			}
			cf_free(frame.p);
		}
		assert_in_range(frames, 50, 60);
		assert_true(sum / frames > 30);
		cf_video_encoder_free(e);
		cf_video_decoder_free(d);
	}
}

static unsigned rate_over(struct cf_video_encoder *e, unsigned from, unsigned n)
{
	size_t bytes = 0;

	for (unsigned i = from; i < from + n; i++) {
		struct kept frame = coded(e, 320, 240, i, false);

		bytes += frame.len;
		cf_free(frame.p);
	}
	return (unsigned)(bytes * 8 * 1000000 / ((uint64_t)n * FRAME_US));
}

static void rate_is_followed(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, 1000000);
		unsigned before = rate_over(e, 0, 90), after, again;

		cf_video_encoder_rate(e, 200000, 30);
		after = rate_over(e, 90, 90);
		cf_video_encoder_rate(e, 800000, 30);
		again = rate_over(e, 180, 90);
		assert_in_range(before, 700000, 1300000);
		assert_in_range(after, 140000, 260000);
		assert_in_range(again, 560000, 1040000);
		cf_video_encoder_free(e);
	}
}

static void key_frames_on_demand_alone(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, 600000);
		unsigned keys = 0;

		for (unsigned n = 0; n < 300; n++) {
			struct kept frame = coded(e, 320, 240, n, n == 100 || n == 101);

			keys += frame.key;
			if (n == 0 || n == 100 || n == 101) {
				struct cf_video_decoder *d = decoder_of(codecs[k]);

				assert_true(frame.key);
				assert_true(likeness(d, &frame, 320, 240, n) > 20);
				cf_video_decoder_free(d);
			}
			cf_free(frame.p);
		}
		assert_int_equal(keys, 3);
		cf_video_encoder_free(e);
	}
}

/* Dropped or not, what was asked for comes. */
static void key_frames_stay_owed(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, 30000);
		bool came = false;

		for (unsigned n = 0; n < 60; n++)
			cf_free(coded(e, 320, 240, n, false).p);
		for (unsigned n = 60; n < 150 && !came; n++) {
			struct kept frame = coded(e, 320, 240, n, n == 60);

			came = frame.key;
			cf_free(frame.p);
		}
		assert_true(came);
		cf_video_encoder_free(e);
	}
}

static void constrained_baseline(void **state)
{
	static const uint8_t sps[] = {0, 0, 0, 1, 0x67, 66};
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_H264, 640, 360, 500000);
	struct kept frame = coded(e, 640, 360, 0, false);

	(void)state;
	assert_true(frame.len > 8);
	assert_memory_equal(frame.p, sps, sizeof(sps));
	assert_int_equal(frame.p[6] & 0x40, 0x40); /* constraint_set1_flag */
	cf_free(frame.p);
	cf_video_encoder_free(e);
}

static void sizes_change_in_mid_stream(void **state)
{
	static const uint32_t sizes[][2] = {
		{320, 240}, {640, 360}, {162, 90}, {16, 16}, {34, 1000}, {320, 240}};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 640, 480, 1500000);
		struct cf_video_decoder *d = decoder_of(codecs[k]);
		unsigned n = 0;

		for (size_t i = 0; i < CF_ARRAY_LEN(sizes); i++)
			for (unsigned j = 0; j < 5; j++, n++) {
				struct kept frame = coded(e, sizes[i][0], sizes[i][1], n, false);

				assert_int_equal(frame.key, j == 0);
				if (frame.p)
					assert_true(likeness(d, &frame, sizes[i][0], sizes[i][1],
							    n) > 20);
				cf_free(frame.p);
			}
		cf_video_encoder_free(e);
		cf_video_decoder_free(d);
	}
}

/* The codec's own limits on sizes leave the encoder as it was. */
static void sizes_that_a_codec_cannot(void **state)
{
	struct cf_video_encoder_opts o = options(CF_VIDEO_H264, 14, 16, 100000);
	struct cf_video_encoder *e;
	struct cf_picture *small = painted(8, 8, 1);
	struct cf_video_coded out;
	struct kept frame;

	(void)state;
	assert_int_equal(cf_video_encoder_new(&e, &o), CF_ENOTSUP);
	o.width = o.height = CF_PICTURE_SIDE_MAX;
	assert_int_equal(cf_video_encoder_new(&e, &o), CF_ENOTSUP);
	e = encoder_of(CF_VIDEO_H264, 320, 240, ENOUGH);
	frame = coded(e, 320, 240, 0, false);
	assert_true(frame.key);
	cf_free(frame.p);
	assert_int_equal(cf_video_encode(e, small, false, &out), CF_EINVAL);
	frame = coded(e, 320, 240, 2, false);
	assert_true(frame.p && !frame.key);
	cf_free(frame.p);
	cf_video_encoder_free(e);
	/* VP8 takes them all. */
	e = encoder_of(CF_VIDEO_VP8, 2, 2, 100000);
	small->time_us = 7;
	assert_int_equal(cf_video_encode(e, small, false, &out), 1);
	assert_true(out.key);
	cf_video_encoder_free(e);
	cf_picture_unref(small);
}

static void options_have_limits(void **state)
{
	static const struct cf_video_encoder_opts good = {.codec = CF_VIDEO_H264,
		.width = 64,
		.height = 64,
		.fps = 30,
		.bitrate_bps = 100000,
		.threads = 1};
	struct cf_video_encoder_opts bad[8];
	struct cf_video_encoder *e = NULL;
	struct cf_video_decoder *d = NULL;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		bad[i] = good;
	bad[0].width = 0;
	bad[1].height = CF_PICTURE_SIDE_MAX + 2;
	bad[2].width = 65;
	bad[3].speed = 17;
	bad[4].speed = -1;
	bad[5].max_slice = 499;
	bad[6].max_slice = 65536;
	bad[7].height = UINT32_MAX - 1;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		assert_int_equal(cf_video_encoder_new(&e, &bad[i]), CF_EINVAL);
	bad[0] = good;
	bad[0].codec = CF_VIDEO_CODECS;
	assert_int_equal(cf_video_encoder_new(&e, &bad[0]), CF_ENOTSUP);
	assert_int_equal(cf_video_decoder_new(&d, CF_VIDEO_CODECS), CF_ENOTSUP);
	assert_null(e);
	assert_null(d);
	assert_null(cf_video_encoder_free(NULL));
	assert_null(cf_video_decoder_free(NULL));
	/* Rates are clamped. */
	for (size_t k = 0; k < 2; k++) {
		bad[0] = good;
		bad[0].codec = codecs[k];
		bad[0].bitrate_bps = bad[0].fps = bad[0].threads = 0;
		assert_int_equal(cf_video_encoder_new(&e, &bad[0]), 0);
		for (unsigned n = 0; n < 5; n++) {
			cf_free(coded(e, 64, 64, n, true).p);
			cf_video_encoder_rate(e, n % 2 ? 0 : UINT32_MAX, n % 2 ? UINT32_MAX : 0);
		}
		e = cf_video_encoder_free(e);
	}
}

static void time_rises(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, 300000);
		struct cf_picture *p = painted(320, 240, 100);
		struct cf_video_coded out = {0};

		assert_int_equal(cf_video_encode(e, p, false, &out), 1);
		assert_int_equal(cf_video_encode(e, p, false, &out), CF_EINVAL);
		p->time_us--;
		assert_int_equal(cf_video_encode(e, p, false, &out), CF_EINVAL);
		/* A pause of a day does not make a frame as large as a day's worth. */
		out.data.len = 0;
		paint(p, 102);
		p->time_us += UINT64_C(86400000000);
		assert_in_range(cf_video_encode(e, p, false, &out), 0, 1);
		assert_true(out.data.len < 30000);
		cf_picture_unref(p);
		cf_video_encoder_free(e);
	}
}

static unsigned units(const struct kept *frame, size_t *ret_longest)
{
	size_t begin = 0;
	unsigned n = 0;

	*ret_longest = 0;
	for (size_t i = 3; i <= frame->len; i++)
		if (i == frame->len ||
			(i + 4 <= frame->len && !memcmp(frame->p + i, "\0\0\0\1", 4))) {
			n++;
			if (i - begin - 4 > *ret_longest)
				*ret_longest = i - begin - 4;
			begin = i;
		}
	return n;
}

static void slices_have_a_size(void **state)
{
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);

	(void)state;
	for (unsigned threads = 1; threads < 4; threads += 2) {
		struct cf_video_encoder_opts o = options(CF_VIDEO_H264, 1280, 720, 8000000);
		struct cf_video_encoder *e;
		size_t longest;
		unsigned total = 0;

		o.max_slice = 1100;
		o.threads = threads;
		assert_int_equal(cf_video_encoder_new(&e, &o), 0);
		for (unsigned n = 0; n < 9; n++) {
			struct kept frame = coded(e, 1280, 720, n, n == 1);

			if (frame.p) {
				assert_true(units(&frame, &longest) > 5);
				assert_in_range(longest, 300, 1100);
				assert_true(likeness(d, &frame, 1280, 720, n) > 20);
				total++;
			}
			cf_free(frame.p);
		}
		assert_true(total >= 3);
		cf_video_encoder_free(e);
	}
	cf_video_decoder_free(d);
}

static void noise_at_the_highest_rate(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 180, 20000000);
		struct cf_video_decoder *d = decoder_of(codecs[k]);
		struct cf_picture *p = painted(320, 180, 0), *out = NULL;
		struct cf_video_coded frame;
		uint32_t seed = 1;

		for (unsigned n = 0; n < 10; n++) {
			for (uint32_t i = 0; i < p->stride_y * p->height; i++) {
				seed = seed * 1664525 + 1013904223;
				p->y[i] = (uint8_t)(seed >> 24);
			}
			p->time_us += FRAME_US;
			if (cf_video_encode(e, p, n % 3 == 0, &frame) == 0)
				continue;
			assert_int_equal(cf_video_decode(d, frame.data, &out), 1);
			assert_true(cf_picture_psnr(p, out) > 20);
			out = cf_picture_unref(out);
		}
		cf_picture_unref(p);
		cf_video_encoder_free(e);
		cf_video_decoder_free(d);
	}
}

static void threads_and_speeds(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (int speed = 0; speed <= 16; speed += 8) {
			struct cf_video_encoder_opts o = options(codecs[k], 640, 360, 1000000);
			struct cf_video_decoder *d = decoder_of(codecs[k]);
			struct cf_video_encoder *e;

			o.threads = 3;
			o.speed = speed;
			assert_int_equal(cf_video_encoder_new(&e, &o), 0);
			for (unsigned n = 0; n < 3; n++) {
				struct kept frame = coded(e, 640, 360, n, false);

				assert_int_equal(frame.key, n == 0);
				if (frame.p)
					assert_true(likeness(d, &frame, 640, 360, n) > 20);
				cf_free(frame.p);
			}
			cf_video_encoder_free(e);
			cf_video_decoder_free(d);
		}
}

static void decoding_begins_with_a_key_frame(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, ENOUGH);
		struct cf_video_decoder *d = decoder_of(codecs[k]);
		struct kept key = coded(e, 320, 240, 0, false);
		struct kept delta = coded(e, 320, 240, 1, false);
		struct cf_picture *out = NULL;

		assert_int_equal(decoded(d, &delta, &out), CF_EBADMSG);
		assert_int_equal(cf_video_decode(d, cf_view_of(NULL, 0), &out), CF_EBADMSG);
		assert_null(out);
		assert_true(likeness(d, &key, 320, 240, 0) > 20);
		assert_true(likeness(d, &delta, 320, 240, 1) > 20);
		assert_int_equal(cf_video_decode(d, cf_view_of(NULL, 0), &out), CF_EBADMSG);
		cf_free(key.p);
		cf_free(delta.p);
		cf_video_encoder_free(e);
		cf_video_decoder_free(d);
	}
}

/* Cut short or with wrong bytes: an error or some picture; a key frame puts all right. */
static void damage_is_survived(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct cf_video_encoder *e = encoder_of(codecs[k], 320, 240, ENOUGH);
		struct cf_video_decoder *d = decoder_of(codecs[k]);
		unsigned told = 0, seed = 1;

		for (unsigned n = 0; n < 120; n += 2) {
			struct kept key = coded(e, 320, 240, n, true);
			struct kept delta = coded(e, 320, 240, n + 1, false);
			struct kept *hurt = n % 4 ? &key : &delta;
			struct cf_picture *out = NULL;

			assert_true(key.key);
			if (hurt == &delta)
				assert_true(likeness(d, &key, 320, 240, n) > 20);
			for (unsigned i = 0; i < 8 && hurt->p; i++) {
				seed = seed * 1103515245 + 12345;
				hurt->p[(seed >> 8) % hurt->len] ^=
					(uint8_t)(1 << (seed >> 28) % 8);
			}
			if (n % 3 == 0 && hurt->p)
				hurt->len = 1 + (seed >> 4) % hurt->len;
			if (hurt->p && decoded(d, hurt, &out) != 1) {
				told++;
				assert_null(out);
				/* Deltas are refused until the next key frame. */
				if (delta.p && hurt == &key)
					assert_int_not_equal(decoded(d, &delta, &out), 1);
			}
			cf_picture_unref(out);
			cf_free(key.p);
			cf_free(delta.p);
		}
		assert_true(told > 10);
		cf_video_encoder_free(e);
		e = encoder_of(codecs[k], 320, 240, ENOUGH);
		for (unsigned n = 0; n < 3; n++) {
			struct kept frame = coded(e, 320, 240, n, false);

			assert_true(likeness(d, &frame, 320, 240, n) > 20);
			cf_free(frame.p);
		}
		cf_video_encoder_free(e);
		cf_video_decoder_free(d);
	}
}

static void put_le16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void vp8_sizes_of_strangers(void **state)
{
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_VP8, 320, 240, ENOUGH);
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_VP8);
	struct kept key = coded(e, 320, 240, 0, false);
	struct cf_picture *out = NULL;

	(void)state;
	put_le16(key.p + 6, CF_PICTURE_SIDE_MAX + 1);
	assert_int_equal(decoded(d, &key, &out), CF_ELIMIT);
	put_le16(key.p + 6, 320);
	put_le16(key.p + 8, 0x3fff);
	assert_int_equal(decoded(d, &key, &out), CF_ELIMIT);
	put_le16(key.p + 8, 0);
	assert_int_equal(decoded(d, &key, &out), CF_EBADMSG);
	/* As many macroblocks, one row and column less to show: cut to even. */
	put_le16(key.p + 6, 319);
	put_le16(key.p + 8, 239);
	assert_int_equal(decoded(d, &key, &out), 1);
	assert_int_equal(out->width, 318);
	assert_int_equal(out->height, 238);
	out = cf_picture_unref(out);
	/* The upper two bits ask for scaling, which is not ours to do. */
	put_le16(key.p + 6, 0x4000 | 320);
	put_le16(key.p + 8, 0xc000 | 240);
	assert_true(likeness(d, &key, 320, 240, 0) > 20);
	cf_free(key.p);
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
}

struct bits {
	uint8_t p[64];
	size_t n;
};

static void put(struct bits *b, unsigned len, uint32_t v)
{
	while (len--) {
		b->p[b->n / 8] |= (uint8_t)((v >> len & 1) << (7 - b->n % 8));
		b->n++;
	}
}

static void put_ue(struct bits *b, uint32_t v)
{
	unsigned len = 0;

	while ((v + 1) >> len > 1)
		len++;
	put(b, len, 0);
	put(b, len + 1, v + 1);
}

/* A key frame with this parameter set and a slice of no use. */
static int with_sps(
	uint32_t profile, uint32_t refs, uint32_t width_mbs, uint32_t height_mbs, bool frames_only)
{
	static const uint8_t idr[] = {0, 0, 1, 0x65, 0x88, 0x84};
	struct bits b = {{0}, 0};
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);
	struct cf_picture *out = NULL;
	int err;

	put(&b, 32, 0x00000167);
	put(&b, 24, profile << 16 | 0xc000 | 40);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put_ue(&b, 2);
	put_ue(&b, refs);
	put(&b, 1, 0);
	put_ue(&b, width_mbs - 1);
	put_ue(&b, height_mbs - 1);
	put(&b, 1, frames_only);
	put(&b, 4, 1); /* rbsp_stop_one_bit behind three flags */
	b.n = (b.n + 7) / 8;
	memcpy(b.p + b.n, idr, sizeof(idr));
	err = cf_video_decode(d, cf_view_of(b.p, b.n + sizeof(idr)), &out);
	assert_null(out);
	cf_video_decoder_free(d);
	return err;
}

static void h264_sizes_of_strangers(void **state)
{
	(void)state;
	assert_int_equal(with_sps(66, 1, 257, 1, true), CF_ELIMIT);
	assert_int_equal(with_sps(66, 1, 1, 257, true), CF_ELIMIT);
	assert_int_equal(with_sps(66, 1, 256, 145, true), CF_ELIMIT); /* level 5.2: 36,864 in all */
	assert_int_equal(with_sps(66, 1, 65536, 65536, true), CF_ELIMIT);
	assert_int_equal(with_sps(66, 6, 256, 144, true), CF_ELIMIT); /* level 5.2: 184,320 kept */
	assert_int_equal(with_sps(66, 5, 256, 144, true), CF_EBADMSG);
	assert_int_equal(with_sps(100, 1, 20, 15, true), CF_EBADMSG);
	assert_int_equal(with_sps(77, 1, 20, 15, true), CF_EBADMSG);
	assert_int_equal(with_sps(66, 1, 20, 15, false), CF_EBADMSG);
}

/* Slices that lie above each other cost the time of a picture each. */
static void slices_have_a_number(void **state)
{
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_H264, 4096, 2304, 1000000);
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);
	struct cf_picture *p = cf_picture_new(4096, 2304), *out = NULL;
	struct cf_video_coded frame;
	size_t slice, len;
	uint8_t *many;

	(void)state;
	assert_non_null(p);
	cf_picture_fill(p, 100, 100, 100);
	assert_int_equal(cf_video_encode(e, p, true, &frame), 1);
	assert_int_equal(cf_video_decode(d, frame.data, &out), 1);
	assert_true(cf_picture_psnr(p, out) > 40);
	out = cf_picture_unref(out);
	for (slice = frame.data.len - 5; memcmp(frame.data.p + slice, "\0\0\1\x65", 4) != 0;)
		slice--;
	len = frame.data.len - slice;
	many = cf_alloc(frame.data.len + 200 * len);
	assert_non_null(many);
	memcpy(many, frame.data.p, frame.data.len);
	for (size_t i = 0; i < 200; i++)
		memcpy(many + frame.data.len + i * len, frame.data.p + slice, len);
	assert_int_equal(
		cf_video_decode(d, cf_view_of(many, frame.data.len + 200 * len), &out), CF_EBADMSG);
	assert_int_equal(cf_video_decode(d, frame.data, &out), 1);
	cf_picture_unref(out);
	cf_picture_unref(p);
	cf_free(many);
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
}

/* Two frames in one, none at all, units that are not for us. */
static void h264_odd_frames(void **state)
{
	static const uint8_t others[] = {0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x06, 5, 1, 0, 0x80, 0, 0, 1,
		0x6f, 0x53, 0, 0, 1, 0x74, 0, 0, 1};
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_H264, 320, 240, ENOUGH);
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);
	struct kept key = coded(e, 320, 240, 0, false), delta = coded(e, 320, 240, 1, false);
	size_t len = key.len + delta.len + sizeof(others);
	uint8_t *all = cf_alloc(len);
	struct cf_picture *out = NULL;

	(void)state;
	assert_non_null(all);
	memcpy(all, key.p, key.len);
	memcpy(all + key.len, delta.p, delta.len);
	assert_int_equal(
		cf_video_decode(d, cf_view_of(all, key.len + delta.len), &out), CF_EBADMSG);
	assert_true(likeness(d, &key, 320, 240, 0) > 20);
	assert_int_equal(cf_video_decode(d, cf_view_of(others, sizeof(others)), &out), 0);
	memcpy(all, others, sizeof(others));
	memcpy(all + sizeof(others) - 3, delta.p, delta.len);
	assert_int_equal(
		cf_video_decode(d, cf_view_of(all, sizeof(others) - 3 + delta.len), &out), 1);
	out = cf_picture_unref(out);
	assert_int_equal(cf_video_decode(d, cf_view_str("no start code"), &out), CF_EBADMSG);
	cf_free(all);
	cf_free(key.p);
	cf_free(delta.p);
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
}

static void parameter_sets_may_come_first(void **state)
{
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_H264, 320, 240, ENOUGH);
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);
	struct kept key = coded(e, 320, 240, 0, false), delta = coded(e, 320, 240, 1, false);
	struct cf_picture *out = NULL;
	size_t sets = 0;

	(void)state;
	while (memcmp(key.p + sets, "\0\0\0\1\x65", 5) != 0)
		sets++;
	/* They alone do not make a delta good. */
	assert_int_equal(cf_video_decode(d, cf_view_of(key.p, sets), &out), 0);
	assert_int_equal(decoded(d, &delta, &out), CF_EBADMSG);
	assert_int_equal(
		cf_video_decode(d, cf_view_of(key.p + sets, key.len - sets), &out), CF_EBADMSG);
	assert_int_equal(cf_video_decode(d, cf_view_of(key.p, sets), &out), 0);
	assert_int_equal(cf_video_decode(d, cf_view_of(key.p + sets, key.len - sets), &out), 1);
	assert_true(likeness(d, &delta, 320, 240, 1) > 20);
	cf_picture_unref(out);
	cf_free(key.p);
	cf_free(delta.p);
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
}

/* H.264 numbers its frames: one that is missing is told, and needs a key frame. */
static void missing_frames_are_told(void **state)
{
	struct cf_video_encoder *e = encoder_of(CF_VIDEO_H264, 320, 240, ENOUGH);
	struct cf_video_decoder *d = decoder_of(CF_VIDEO_H264);
	struct cf_picture *out = NULL;

	(void)state;
	for (unsigned n = 0; n < 5; n++) {
		struct kept frame = coded(e, 320, 240, n, n == 4);

		assert_non_null(frame.p);
		if (n == 3)
			assert_int_equal(decoded(d, &frame, &out), CF_EBADMSG);
		else if (n != 2)
			assert_true(likeness(d, &frame, 320, 240, n) > 20);
		cf_free(frame.p);
	}
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
}

static int there_and_back(void *arg)
{
	struct cf_video_encoder_opts o = options(*(enum cf_video_codec *)arg, 64, 64, 100000);
	struct cf_video_encoder *e = NULL;
	struct cf_video_decoder *d = NULL;
	struct cf_picture *p = NULL, *out = NULL;
	struct cf_video_coded frame;
	int err = cf_video_encoder_new(&e, &o);

	if (!err)
		err = cf_video_decoder_new(&d, o.codec);
	if (!err) {
		p = cf_picture_new(64, 64);
		err = p ? 0 : CF_ENOMEM;
	}
	if (!err) {
		paint(p, 0);
		err = cf_video_encode(e, p, false, &frame);
	}
	if (err > 0)
		err = cf_video_decode(d, frame.data, &out);
	cf_picture_unref(out);
	cf_picture_unref(p);
	cf_video_encoder_free(e);
	cf_video_decoder_free(d);
	return err > 0 ? 0 : err;
}

static void without_memory(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		enum cf_video_codec codec = codecs[k];

		cf_test_oom(there_and_back, &codec, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_come_back),
		cmocka_unit_test(rate_is_followed),
		cmocka_unit_test(key_frames_on_demand_alone),
		cmocka_unit_test(key_frames_stay_owed),
		cmocka_unit_test(constrained_baseline),
		cmocka_unit_test(sizes_change_in_mid_stream),
		cmocka_unit_test(sizes_that_a_codec_cannot),
		cmocka_unit_test(options_have_limits),
		cmocka_unit_test(time_rises),
		cmocka_unit_test(slices_have_a_size),
		cmocka_unit_test(noise_at_the_highest_rate),
		cmocka_unit_test(threads_and_speeds),
		cmocka_unit_test(decoding_begins_with_a_key_frame),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(vp8_sizes_of_strangers),
		cmocka_unit_test(h264_sizes_of_strangers),
		cmocka_unit_test(slices_have_a_number),
		cmocka_unit_test(h264_odd_frames),
		cmocka_unit_test(parameter_sets_may_come_first),
		cmocka_unit_test(missing_frames_are_told),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
