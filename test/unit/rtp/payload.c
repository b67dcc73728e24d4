/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "rtp/payload.h"

#include <string.h>

/* What came out of a frame: its payloads one behind the other, and the frame put together again. */
struct cut {
	size_t n, len[64], again_len;
	uint8_t bytes[64][1200], again[65536];
	struct cf_payload_part part[64];
};

static void cut_frame(struct cut *cut, enum cf_video_codec codec, struct cf_view frame, size_t max)
{
	struct cf_payload_cutter cutter;
	bool last = false;
	size_t n;

	memset(cut, 0, sizeof(*cut));
	assert_int_equal(cf_payload_cut(&cutter, codec, frame, 0x1234, max), 0);
	while ((n = cf_payload_next(&cutter, cut->bytes[cut->n], max, &last)) > 0) {
		struct cf_view payload = cf_view_of(cut->bytes[cut->n], n);

		assert_true(n <= max && cut->n < CF_ARRAY_LEN(cut->len));
		assert_int_equal(cf_payload_read(codec, payload, &cut->part[cut->n]), 0);
		assert_int_equal(cf_payload_append(codec, payload, cut->again, sizeof(cut->again),
					 &cut->again_len),
			0);
		cut->len[cut->n++] = n;
	}
	assert_true(last);
}

static void vp8_in_pieces(void **state)
{
	uint8_t frame[3000];
	static struct cut cut;

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	frame[0] = 0x50; /* P is clear: a key frame */
	cut_frame(&cut, CF_VIDEO_VP8, cf_view_of(frame, sizeof(frame)), 1104);
	assert_int_equal(cut.n, 3);
	/* RFC 7741 section 4.2: X and S, I, then 15 bits of picture id. */
	assert_memory_equal(cut.bytes[0], "\x90\x80\x92\x34", 4);
	assert_memory_equal(cut.bytes[1], "\x80\x80\x92\x34", 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(cut.len[i], 1004);
	assert_true(cut.part[0].begins && cut.part[0].key && !cut.part[1].begins);
	assert_int_equal(cut.again_len, sizeof(frame));
	assert_memory_equal(cut.again, frame, sizeof(frame));
	frame[0] |= 1;
	cut_frame(&cut, CF_VIDEO_VP8, cf_view_of(frame, 10), 64);
	assert_true(cut.n == 1 && cut.part[0].begins && !cut.part[0].key);
}

static void vp8_descriptors(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[8];
		int err;
		bool begins, key;
		size_t head;
	} rows[] = {
		{2, {0x10, 0}, 0, true, true, 1},
		{2, {0x00, 0}, 0, false, false, 1},
		{2, {0x11, 0}, 0, false, false, 1}, /* another partition */
		{4, {0x90, 0x80, 5, 0}, 0, true, true, 3},
		{5, {0x90, 0x80, 0x85, 5, 1}, 0, true, false, 4},
		{7, {0x90, 0xe0, 0x85, 5, 1, 0x40, 0}, 0, true, true, 6}, /* I, L, T */
		{5, {0x90, 0x10, 0x1f, 0, 9}, 0, true, true, 3},          /* K */
		{1, {0x10}, CF_EBADMSG, 0, 0, 0},
		{2, {0x90, 0x80}, CF_EBADMSG, 0, 0, 0},
		{4, {0x90, 0x80, 0x85, 5}, CF_EBADMSG, 0, 0, 0},
		{0, {0}, CF_EBADMSG, 0, 0, 0},
	};
	struct cf_payload_part part;
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_view payload = cf_view_of(rows[i].bytes, rows[i].len);
		size_t len = 0;

		assert_int_equal(cf_payload_read(CF_VIDEO_VP8, payload, &part), rows[i].err);
		assert_int_equal(cf_payload_append(CF_VIDEO_VP8, payload, out, sizeof(out), &len),
			rows[i].err);
		if (rows[i].err)
			continue;
		assert_true(part.begins == rows[i].begins && part.key == rows[i].key);
		assert_int_equal(len, rows[i].len - rows[i].head);
	}
}

/* Annex B: parameter sets together in one packet, a slice that is too long in fragments. */
static void h264_as_an_encoder_gives_it(void **state)
{
	static struct cut cut;
	uint8_t frame[2100] = {0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x68, 4, 0, 0, 0, 1};
	size_t head = 17;

	(void)state;
	frame[head] = 0x65;
	for (size_t i = head + 1; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i | 1);
	cut_frame(&cut, CF_VIDEO_H264, cf_view_of(frame, sizeof(frame)), 1000);
	assert_int_equal(cut.n, 4);
	/* RFC 6184 section 5.7.1. */
	assert_int_equal(cut.len[0], 1 + 2 + 4 + 2 + 2);
	assert_memory_equal(cut.bytes[0], "\x78\0\4\x67\1\2\3\0\2\x68\4", 11);
	assert_true(cut.part[0].begins && cut.part[0].key);
	/* Section 5.8: S and E, and the type of the unit. */
	assert_int_equal(cut.bytes[1][0], 0x7c);
	assert_int_equal(cut.bytes[1][1], 0x85);
	assert_int_equal(cut.bytes[2][1], 0x05);
	assert_int_equal(cut.bytes[3][1], 0x45);
	assert_true(cut.part[1].begins && cut.part[1].key && !cut.part[2].begins);
	/* Every start code has four bytes now. */
	assert_int_equal(cut.again_len, sizeof(frame) + 1);
	assert_memory_equal(cut.again, "\0\0\0\1\x67\1\2\3\0\0\0\1\x68\4\0\0\0\1\x65", 19);
	assert_memory_equal(cut.again + 19, frame + head + 1, sizeof(frame) - head - 1);
}

static void h264_single_units(void **state)
{
	static struct cut cut;

	(void)state;
	/* Two slices of a frame; zeros at the end of a unit are not its own. */
	cut_frame(&cut, CF_VIDEO_H264, cf_view_of("\0\0\1\x41\x9a\0\0\0\0\1\x41\x9b", 12), 64);
	assert_int_equal(cut.n, 2);
	assert_memory_equal(cut.bytes[0], "\x41\x9a", 2);
	assert_int_equal(cut.len[0], 2);
	assert_false(cut.part[0].key);
}

static void h264_from_strangers(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[8];
		int err;
		bool begins, key;
	} rows[] = {
		{2, {0x65, 1}, 0, true, true},
		{2, {0x67, 1}, 0, true, true},
		{2, {0x41, 1}, 0, true, false},
		{3, {0x7c, 0x85, 1}, 0, true, true},
		{3, {0x7c, 0x45, 1}, 0, false, false},
		{5, {0x78, 0, 2, 0x65, 1}, 0, true, true},
		{2, {0x7c, 0x85}, CF_EBADMSG, 0, 0},       /* a fragment of nothing */
		{4, {0x78, 0, 2, 0x65}, CF_EBADMSG, 0, 0}, /* an aggregate that is cut */
		{3, {0x78, 0, 0}, CF_EBADMSG, 0, 0},
		{1, {0x78}, CF_EBADMSG, 0, 0},
		{2, {0xe5, 1}, CF_EBADMSG, 0, 0}, /* the forbidden bit */
		{2, {0x00, 1}, CF_EBADMSG, 0, 0},
		{4, {0x79, 1, 1, 1}, CF_EBADMSG, 0, 0}, /* STAP-B: interleaved mode only */
		{0, {0}, CF_EBADMSG, 0, 0},
	};
	struct cf_payload_part part;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		assert_int_equal(cf_payload_read(CF_VIDEO_H264,
					 cf_view_of(rows[i].bytes, rows[i].len), &part),
			rows[i].err);
		if (!rows[i].err)
			assert_true(part.begins == rows[i].begins && part.key == rows[i].key);
	}
}

/* The size of the pictures, where a key frame begins. */
static void sizes(void **state)
{
#define SPS 0x67, 0x42, 0xe0, 0x1f, 0xda, 0x02, 0x80, 0xbc /* 40 by 23 macroblocks */
	static const struct {
		enum cf_video_codec codec;
		size_t len;
		uint8_t bytes[16];
		uint32_t width, height;
	} rows[] = {
		{CF_VIDEO_VP8, 11, {0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x42, 0x68, 1}, 640, 360},
		{CF_VIDEO_VP8, 10, {0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x42, 0x68}, 0, 0},
		{CF_VIDEO_VP8, 11, {0x10, 0, 0, 0, 0x9d, 1, 0x2b, 0x80, 0x42, 0x68, 1}, 0, 0},
		{CF_VIDEO_VP8, 11, {0x10, 1, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x42, 0x68, 1}, 0, 0},
		{CF_VIDEO_H264, 8, {SPS}, 640, 368},
		{CF_VIDEO_H264, 7, {SPS}, 0, 0},
		{CF_VIDEO_H264, 15, {0x78, 0, 8, SPS, 0, 2, 0x65, 1}, 640, 368},
		{CF_VIDEO_H264, 8, {0x67, 0x64, 0xe0, 0x1f, 0xda, 0x02, 0x80, 0xbc}, 0, 0},
		{CF_VIDEO_H264, 2, {0x65, 1}, 0, 0},
	};
#undef SPS

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_payload_part part = {.width = 1, .height = 1};

		assert_int_equal(cf_payload_read(rows[i].codec,
					 cf_view_of(rows[i].bytes, rows[i].len), &part),
			0);
		assert_int_equal(part.width, rows[i].width);
		assert_int_equal(part.height, rows[i].height);
	}
}

static void what_cannot_be_cut(void **state)
{
	struct cf_payload_cutter cutter;
	uint8_t out[64];
	size_t len = 0;
	bool last;

	(void)state;
	assert_int_equal(
		cf_payload_cut(&cutter, CF_VIDEO_VP8, cf_view_of(NULL, 0), 0, 100), CF_EINVAL);
	assert_int_equal(cf_payload_cut(&cutter, CF_VIDEO_VP8, cf_view_str("x"), 0, 63), CF_EINVAL);
	assert_int_equal(
		cf_payload_cut(&cutter, CF_VIDEO_H264, cf_view_str("abcde"), 0, 100), CF_EINVAL);
	assert_int_equal(cf_payload_cut(&cutter, CF_VIDEO_H264,
				 cf_view_of("\0\0\0\1\0\0\0\1\x41", 9), 0, 100),
		CF_EINVAL);
	assert_int_equal(
		cf_payload_cut(&cutter, CF_VIDEO_H264, cf_view_of("\0\0\1", 3), 0, 100), CF_EINVAL);
	assert_int_equal(cf_payload_cut(&cutter, CF_VIDEO_VP8, cf_view_str("abc"), 0, 64), 0);
	assert_int_equal(cf_payload_next(&cutter, out, 63, &last), 0);
	assert_int_equal(cf_payload_append(CF_VIDEO_VP8, cf_view_of("\x10\1\2\3", 4), out, 2, &len),
		CF_ENOSPC);
	assert_int_equal(
		cf_payload_append(CF_VIDEO_H264, cf_view_of("\x41\1", 2), out, 5, &len), CF_ENOSPC);
	assert_int_equal(len, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8_in_pieces),
		cmocka_unit_test(vp8_descriptors),
		cmocka_unit_test(h264_as_an_encoder_gives_it),
		cmocka_unit_test(h264_single_units),
		cmocka_unit_test(h264_from_strangers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(what_cannot_be_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
