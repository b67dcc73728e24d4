/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "rtp/frames.h"

#include <string.h>

#define MS CF_US_PER_MS
#define SSRC 77
#define RTT_US (50 * MS)

static struct cf_frames *frames;
static uint64_t now_us;

/* One packet of a VP8 frame: its place in the frame, and a byte that tells it from others. */
static int put_from(uint32_t ssrc, uint16_t seq, uint32_t ts, bool first, bool last, bool key)
{
	uint8_t bytes[3] = {first ? 0x10 : 0, key ? 0 : 1, (uint8_t)seq};
	struct cf_rtp_packet packet = {.marker = last,
		.seq = seq,
		.ts = ts,
		.ssrc = ssrc,
		.payload = cf_view_of(bytes, sizeof(bytes))};

	return cf_frames_put(frames, &packet, now_us);
}

static int put(uint16_t seq, uint32_t ts, bool first, bool last, bool key)
{
	return put_from(SSRC, seq, ts, first, last, key);
}

/* A frame of one packet. */
static int put_single(uint16_t seq, bool key)
{
	return put(seq, seq * 3000u, true, true, key);
}

static int put_padding(uint16_t seq)
{
	struct cf_rtp_packet packet = {.seq = seq, .ssrc = SSRC};

	return cf_frames_put(frames, &packet, now_us);
}

/* Takes a frame and checks which packets are in it. */
static void expect(uint16_t first, uint16_t last, bool key)
{
	struct cf_frame frame;
	size_t n = (uint16_t)(last - first + 1);

	assert_true(cf_frames_get(frames, now_us, &frame));
	assert_int_equal(frame.data.len, 2 * n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(frame.data.p[2 * i + 1], (uint8_t)(first + i));
	assert_int_equal(frame.key, key);
}

static void expect_none(void)
{
	struct cf_frame frame;

	assert_false(cf_frames_get(frames, now_us, &frame));
}

static size_t nacks(uint16_t *ret_first)
{
	uint16_t seqs[CF_FRAMES_NACKS_MAX];
	size_t n = cf_frames_nack(frames, now_us, RTT_US, seqs);

	for (size_t i = 1; i < n; i++)
		assert_true((int16_t)(uint16_t)(seqs[i] - seqs[i - 1]) > 0);
	if (ret_first && n)
		*ret_first = seqs[0];
	return n;
}

static void begin_with(bool nack, enum cf_video_codec codec)
{
	struct cf_frames_opts opts;

	cf_frames_opts_defaults(&opts);
	opts.codec = codec;
	opts.nack = nack;
	opts.slots = 256;
	assert_int_equal(cf_frames_new(&frames, &opts), 0);
	now_us = 1000 * MS;
}

static int begin(void **state)
{
	(void)state;
	begin_with(true, CF_VIDEO_VP8);
	return 0;
}

static int end(void **state)
{
	(void)state;
	frames = cf_frames_free(frames);
	return 0;
}

static void in_order(void **state)
{
	(void)state;
	/* Around the end of the numbers, and of the timestamps. */
	put(65534, UINT32_MAX - 1, true, false, true);
	expect_none();
	put(65535, UINT32_MAX - 1, false, true, true);
	expect(65534, 65535, true);
	put(0, 2998, true, false, false);
	put(1, 2998, false, false, false);
	put(2, 2998, false, true, false);
	expect(0, 2, false);
	expect_none();
	assert_int_equal(cf_frames_deadline_us(frames), CF_TIME_NEVER);
	assert_int_equal(nacks(NULL), 0);
	assert_false(cf_frames_pli(frames, now_us, RTT_US));
}

static void reordered_and_doubled(void **state)
{
	struct cf_frames_stats stats;

	(void)state;
	put_single(10, true);
	expect(10, 10, true);
	put(12, 100, false, true, false);
	assert_int_equal(put(12, 100, false, true, false), CF_EEXIST);
	expect_none();
	assert_int_equal(nacks(NULL), 0); /* too early to ask */
	put(11, 100, true, false, false);
	expect(11, 12, false);
	assert_int_equal(put(11, 100, true, false, false), CF_EEXPIRED);
	cf_frames_stats(frames, &stats);
	assert_int_equal(stats.duplicates, 1);
	assert_int_equal(stats.late, 1);
	assert_int_equal(stats.repaired, 0);
	assert_int_equal(stats.frames, 2);
}

/* The first packets of all come in the wrong order. */
static void begins_out_of_order(void **state)
{
	(void)state;
	put(21, 100, false, true, true);
	put(20, 100, true, false, true);
	expect(20, 21, true);
	end(NULL);
	begin(NULL);
	put(25, 100, false, true, true);
	put(20, 100, true, false, true); /* 21 to 24 are missing, and known to be */
	now_us += 10 * MS;
	assert_int_equal(nacks(NULL), 4);
	for (uint16_t seq = 21; seq < 25; seq++)
		put(seq, 100, false, false, true);
	expect(20, 25, true);
}

static void asked_for_and_repaired(void **state)
{
	struct cf_frames_stats stats;
	uint16_t first;

	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	put_single(4, false);
	assert_int_equal(cf_frames_deadline_us(frames), now_us + 5 * MS);
	now_us += 5 * MS;
	assert_int_equal(nacks(&first), 2);
	assert_int_equal(first, 2);
	assert_int_equal(nacks(NULL), 0); /* not twice within a round-trip */
	now_us += RTT_US;
	assert_int_equal(nacks(NULL), 2);
	put_single(2, false);
	expect(2, 2, false);
	expect_none();
	put_single(3, false);
	expect(3, 3, false);
	expect(4, 4, false);
	cf_frames_stats(frames, &stats);
	assert_int_equal(stats.repaired, 2);
	assert_int_equal(stats.nacks, 4);
	/* Three packets later there is no doubt. */
	put_single(6, false);
	put_single(7, false);
	assert_int_equal(nacks(NULL), 0);
	put_single(8, false);
	assert_int_equal(nacks(&first), 1);
	assert_int_equal(first, 5);
}

static void asked_ten_times_at_most(void **state)
{
	size_t n = 0;

	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	put_single(3, false);
	for (int i = 0; i < 500; i++, now_us += MS)
		n += nacks(NULL);
	assert_int_equal(n, 10);
}

/* What cannot be repaired ends in a key frame, and what was broken is not shown. */
static void given_up(void **state)
{
	struct cf_frames_stats stats;

	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	put_single(3, false);
	put_single(4, false);
	expect_none();
	assert_false(cf_frames_pli(frames, now_us, RTT_US));
	now_us += 600 * MS;
	expect_none();
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
	assert_false(cf_frames_pli(frames, now_us, RTT_US));
	now_us += 200 * MS;
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
	put_single(5, false);
	expect_none();
	put_single(6, true);
	expect(6, 6, true);
	assert_false(cf_frames_pli(frames, now_us + 1000 * MS, RTT_US));
	put_single(7, false);
	expect(7, 7, false);
	cf_frames_stats(frames, &stats);
	assert_int_equal(stats.plis, 2);
	assert_true(stats.dropped >= 2);
}

/* A key frame that is whole makes the holes before it moot. */
static void a_key_frame_ends_the_waiting(void **state)
{
	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	put_single(3, false);
	expect_none();
	put(4, 400, true, false, true);
	expect_none();
	put(5, 400, false, true, true);
	expect(4, 5, true);
	assert_int_equal(put_single(2, false), CF_EEXPIRED);
	put_single(6, false);
	expect(6, 6, false);
}

/* While a key frame is being repaired no other is asked for, and only its packets are. */
static void a_key_frame_under_repair(void **state)
{
	uint16_t first;

	(void)state;
	put(10, 100, true, false, true);
	put(12, 100, false, true, true);
	assert_false(cf_frames_pli(frames, now_us, RTT_US));
	now_us += 10 * MS;
	assert_int_equal(nacks(&first), 1);
	assert_int_equal(first, 11);
	now_us += 300 * MS;
	assert_false(cf_frames_pli(frames, now_us, RTT_US));
	put(11, 100, false, false, true);
	expect(10, 12, true);
}

static void joined_in_the_middle(void **state)
{
	(void)state;
	put(5, 100, false, true, false);
	expect_none();
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
	put_single(6, false);
	expect_none();
	put_single(8, false);
	now_us += 20 * MS;
	assert_int_equal(nacks(NULL), 0); /* without a key frame it is of no use */
	put_single(9, true);
	expect(9, 9, true);
}

static void broken_in_the_decoder(void **state)
{
	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	cf_frames_broken(frames);
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
	put_single(2, false);
	expect_none();
	put_single(3, true);
	expect(3, 3, true);
}

static void padding_counts_as_come(void **state)
{
	(void)state;
	put_padding(1);
	put_single(2, true);
	expect(2, 2, true);
	put_padding(3);
	put_padding(4);
	put_single(5, false);
	expect(5, 5, false);
	now_us += 100 * MS;
	assert_int_equal(nacks(NULL), 0);
}

/* Senders exist that set no marker. */
static void without_marker(void **state)
{
	(void)state;
	put(1, 100, true, false, true);
	put(2, 100, false, false, true);
	expect_none();
	put(3, 200, true, false, false);
	expect(1, 2, true);
}

static void more_holes_than_can_be_asked_for(void **state)
{
	(void)state;
	put_single(1, true);
	expect(1, 1, true);
	assert_int_equal(put_single(1 + CF_FRAMES_NACKS_MAX + 2, false), 0);
	expect_none();
	now_us += 100 * MS;
	assert_int_equal(nacks(NULL), 0);
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
	put_single(1 + CF_FRAMES_NACKS_MAX + 3, true);
	expect(1 + CF_FRAMES_NACKS_MAX + 3, 1 + CF_FRAMES_NACKS_MAX + 3, true);
}

static void far_jumps(void **state)
{
	(void)state;
	put_single(100, true);
	expect(100, 100, true);
	assert_int_equal(put_single(20000, true), CF_ELIMIT);
	put_single(101, false);
	expect(101, 101, false);
	/* A second one in order confirms it. */
	assert_int_equal(put_single(20001, true), CF_ELIMIT);
	assert_int_equal(put_single(20002, true), 0);
	expect(20002, 20002, true);
	/* Another source begins anew at once. */
	assert_int_equal(put_from(SSRC + 1, 5, 1, true, true, true), 0);
	expect(5, 5, true);
}

static void limits(void **state)
{
	static uint8_t large[1501];
	struct cf_rtp_packet packet = {
		.ssrc = SSRC, .payload = cf_view_of(large, sizeof(large)), .marker = true};
	struct cf_frames_opts opts;
	struct cf_frames *none;
	struct cf_frame frame;

	(void)state;
	large[0] = 0x10;
	assert_int_equal(cf_frames_put(frames, &packet, now_us), CF_ELIMIT);
	packet.payload = cf_view_of("\x80", 1); /* a descriptor that is cut */
	assert_int_equal(cf_frames_put(frames, &packet, now_us), CF_EBADMSG);
	cf_frames_opts_defaults(&opts);
	for (size_t slots = 0; slots < 16; slots++) {
		opts.slots = slots;
		assert_int_equal(cf_frames_new(&none, &opts), CF_EINVAL);
	}
	opts.slots = 1000;
	assert_int_equal(cf_frames_new(&none, &opts), CF_EINVAL);
	end(NULL);
	cf_frames_opts_defaults(&opts);
	opts.max_frame = 3;
	assert_int_equal(cf_frames_new(&frames, &opts), 0);
	put(1, 100, true, false, true);
	put(2, 100, false, true, true);
	assert_false(cf_frames_get(frames, now_us, &frame)); /* four bytes */
	put_single(3, true);
	expect(3, 3, true);
}

static void without_nack(void **state)
{
	(void)state;
	end(NULL);
	begin_with(false, CF_VIDEO_VP8);
	put_single(1, true);
	expect(1, 1, true);
	put_single(3, false);
	now_us += 50 * MS;
	assert_int_equal(nacks(NULL), 0);
	expect_none();
	now_us += 50 * MS; /* reordering is waited for, repetition is not */
	expect_none();
	assert_true(cf_frames_pli(frames, now_us, RTT_US));
}

static void the_other_codec(void **state)
{
	static const uint8_t idr[] = {0x65, 1, 2}, delta[] = {0x41, 3};
	struct cf_rtp_packet packet = {.ssrc = SSRC, .seq = 9, .ts = 5, .marker = true};
	struct cf_frame frame;

	(void)state;
	put_single(8, true);
	expect(8, 8, true);
	cf_frames_reset(frames, CF_VIDEO_H264);
	packet.payload = cf_view_of(delta, sizeof(delta));
	assert_int_equal(cf_frames_put(frames, &packet, now_us), 0);
	assert_false(cf_frames_get(frames, now_us, &frame));
	packet.seq++;
	packet.ts++;
	packet.payload = cf_view_of(idr, sizeof(idr));
	assert_int_equal(cf_frames_put(frames, &packet, now_us), 0);
	assert_true(cf_frames_get(frames, now_us, &frame));
	assert_true(frame.key && frame.data.len == 4 + sizeof(idr));
	assert_memory_equal(frame.data.p, "\0\0\0\1\x65\1\2", 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, begin, end),
		cmocka_unit_test_setup_teardown(reordered_and_doubled, begin, end),
		cmocka_unit_test_setup_teardown(begins_out_of_order, begin, end),
		cmocka_unit_test_setup_teardown(asked_for_and_repaired, begin, end),
		cmocka_unit_test_setup_teardown(asked_ten_times_at_most, begin, end),
		cmocka_unit_test_setup_teardown(given_up, begin, end),
		cmocka_unit_test_setup_teardown(a_key_frame_ends_the_waiting, begin, end),
		cmocka_unit_test_setup_teardown(a_key_frame_under_repair, begin, end),
		cmocka_unit_test_setup_teardown(joined_in_the_middle, begin, end),
		cmocka_unit_test_setup_teardown(broken_in_the_decoder, begin, end),
		cmocka_unit_test_setup_teardown(padding_counts_as_come, begin, end),
		cmocka_unit_test_setup_teardown(without_marker, begin, end),
		cmocka_unit_test_setup_teardown(more_holes_than_can_be_asked_for, begin, end),
		cmocka_unit_test_setup_teardown(far_jumps, begin, end),
		cmocka_unit_test_setup_teardown(limits, begin, end),
		cmocka_unit_test_setup_teardown(without_nack, begin, end),
		cmocka_unit_test_setup_teardown(the_other_codec, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
