/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A video stream over a link in virtual time: sender, a queue with a rate, delay, loss and
 * reordering, receiver, and feedback on the way back. Frames are numbers; what is checked is which
 * of them are handed out, and how fast the sender goes.
 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "media/video_receiver.h"
#include "media/video_sender.h"

#include <string.h>

#define MS CF_US_PER_MS
#define FRAME_US (33 * MS)
#define FLIGHTS 4096
#define SSRC 5
#define RTX_SSRC 6

struct flight {
	uint64_t due_us; /* 0: empty */
	size_t n;
	uint8_t bytes[1300];
};

struct link {
	uint32_t rate_bps; /* 0: any */
	uint32_t delay_ms, queue_ms;
	uint32_t loss_permille, jitter_ms, twice_permille;
	bool cut;
	uint64_t busy_us;
	struct flight flights[FLIGHTS];
	uint64_t lost;
};

struct world {
	uint64_t now_us;
	uint32_t rng;
	struct cf_video_sender *sender;
	struct cf_video_receiver *receiver;
	struct link there, back;
	uint64_t frame_us, report_us;
	uint32_t frame_no, last_shown;
	uint32_t shown, keys, repeated;
	uint64_t sent_bytes;
	bool key_due;
};

static uint32_t dice(struct world *w, uint32_t bound)
{
	w->rng = w->rng * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)w->rng * bound >> 32);
}

static void fly(struct world *w, struct link *link, const uint8_t *p, size_t n)
{
	uint64_t start_us = link->busy_us > w->now_us ? link->busy_us : w->now_us;

	if (link->cut || dice(w, 1000) < link->loss_permille ||
		start_us - w->now_us > link->queue_ms * MS) {
		link->lost++;
		return;
	}
	if (link->rate_bps)
		link->busy_us = start_us + (n + 50) * 8 * CF_US_PER_S / link->rate_bps;
	for (size_t i = 0; i < FLIGHTS; i++) {
		struct flight *flight = &link->flights[i];

		if (flight->due_us)
			continue;
		flight->due_us = (link->rate_bps ? link->busy_us : start_us) + link->delay_ms * MS +
				 dice(w, link->jitter_ms + 1) * MS;
		flight->n = n;
		memcpy(flight->bytes, p, n);
		return;
	}
	fail_msg("more packets under way than there is room for");
}

/* The packet that arrives first of those that are due, or NULL. */
static struct flight *landed(struct world *w, struct link *link)
{
	struct flight *first = NULL;

	for (size_t i = 0; i < FLIGHTS; i++) {
		struct flight *flight = &link->flights[i];

		if (flight->due_us && flight->due_us <= w->now_us &&
			(!first || flight->due_us < first->due_us))
			first = flight;
	}
	return first;
}

static void make_frame(struct world *w)
{
	uint32_t rate = cf_video_sender_rate(w->sender);
	size_t n = (size_t)((uint64_t)rate * FRAME_US / CF_US_PER_S / 8);
	static uint8_t frame[200000];

	w->frame_us += FRAME_US;
	w->key_due |= cf_video_sender_key_wanted(w->sender);
	if (!cf_video_sender_ready(w->sender))
		return;
	n = n * (w->key_due ? 4 : 1) + 20;
	memset(frame, 0xaa, n < sizeof(frame) ? n : sizeof(frame));
	frame[0] = w->key_due ? 0 : 1;
	memcpy(frame + 1, &w->frame_no, sizeof(w->frame_no));
	if (cf_video_sender_push(w->sender, cf_view_of(frame, n), w->now_us, w->now_us) < 0) {
		w->key_due = true;
		return;
	}
	w->frame_no++;
	w->key_due = false;
}

static void show(struct world *w)
{
	enum cf_video_codec codec;
	struct cf_frame frame;
	uint32_t no;

	while (cf_video_receiver_get(w->receiver, w->now_us, &frame, &codec)) {
		assert_int_equal(codec, CF_VIDEO_VP8);
		memcpy(&no, frame.data.p + 1, sizeof(no));
		assert_true(w->shown == 0 || no > w->last_shown);  /* none twice, none back */
		assert_true(frame.key || no == w->last_shown + 1); /* none without the one before */
		w->last_shown = no;
		w->shown++;
		w->keys += frame.key;
	}
}

static void give_feedback(struct world *w, bool report)
{
	struct cf_rtcp_sender_info info;
	struct cf_rtcp_block block;
	struct cf_wire_writer out;
	uint8_t p[1300];

	cf_wire_writer_init(&out, p, sizeof(p));
	if (report || cf_video_receiver_feedback_due(w->receiver, w->now_us)) {
		size_t n = cf_video_receiver_block(w->receiver, w->now_us, &block);

		cf_rtcp_write_rr(&out, 99, &block, n);
		cf_video_receiver_feedback(
			w->receiver, &out, 2 * w->there.delay_ms * 1000, w->now_us);
		assert_int_equal(out.err, 0);
		fly(w, &w->back, p, out.len);
	}
	if (report && cf_rtp_sender_info(cf_video_sender_rtp(w->sender), w->now_us, &info))
		cf_video_receiver_sr(w->receiver, SSRC, &info, w->now_us + w->there.delay_ms * MS);
}

static void hear_feedback(struct world *w, const struct flight *flight)
{
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	assert_int_equal(cf_rtcp_check(flight->bytes, flight->n), 0);
	cf_rtcp_iter_init(&it, flight->bytes, flight->n);
	while (cf_rtcp_iter_next(&it, &item) > 0)
		cf_video_sender_rtcp(w->sender, &item, w->now_us);
}

static void step(struct world *w)
{
	struct flight *flight;
	uint8_t p[1300];
	size_t n;

	w->now_us += MS;
	if (w->now_us >= w->frame_us)
		make_frame(w);
	while ((n = cf_video_sender_next(w->sender, p, sizeof(p), w->now_us)) > 0) {
		w->sent_bytes += n + 50;
		fly(w, &w->there, p, n);
		if (dice(w, 1000) < w->there.twice_permille)
			fly(w, &w->there, p, n);
	}
	while ((flight = landed(w, &w->there))) {
		(void)cf_video_receiver_put(w->receiver, flight->bytes, flight->n, w->now_us);
		flight->due_us = 0;
	}
	show(w);
	give_feedback(w, w->now_us >= w->report_us);
	if (w->now_us >= w->report_us)
		w->report_us += CF_US_PER_S / 2;
	while ((flight = landed(w, &w->back))) {
		hear_feedback(w, flight);
		flight->due_us = 0;
	}
}

static void run(struct world *w, uint32_t ms)
{
	for (; ms > 0; ms--)
		step(w);
}

static struct world *world_new(bool rtx, bool twcc)
{
	struct world *w = cf_alloc(sizeof(*w));
	struct cf_video_receiver_opts in;
	struct cf_video_sender_opts out;

	w->rng = 1;
	w->now_us = w->frame_us = w->report_us = 100 * CF_US_PER_S;
	w->there = (struct link){.delay_ms = 20, .queue_ms = 300};
	w->back = (struct link){.delay_ms = 20, .queue_ms = 300};
	cf_video_sender_opts_defaults(&out);
	out.ssrc = SSRC;
	out.rtx_ssrc = RTX_SSRC;
	out.pt = 96;
	out.rtx_pt = rtx ? 97 : 0;
	out.seq_seed = out.rtx_seq_seed = 32700;
	out.mid_ext_id = 1;
	out.mid = "v";
	out.twcc_ext_id = twcc ? 3 : 0;
	assert_int_equal(cf_video_sender_new(&w->sender, &out), 0);
	cf_video_receiver_opts_defaults(&in);
	in.ssrc = 99;
	in.n_formats = 1;
	in.formats[0].codec = CF_VIDEO_VP8;
	in.formats[0].pt = 96;
	in.formats[0].rtx_pt = out.rtx_pt;
	in.twcc_ext_id = out.twcc_ext_id;
	assert_int_equal(cf_video_receiver_new(&w->receiver, &in), 0);
	w->key_due = true;
	return w;
}

static void world_free(struct world *w)
{
	cf_video_sender_free(w->sender);
	cf_video_receiver_free(w->receiver);
	cf_free(w);
}

static void nothing_is_lost(void **state)
{
	struct world *w = world_new(true, true);
	struct cf_frames_stats stats;

	(void)state;
	run(w, 10000);
	assert_true(w->frame_no > 290);
	assert_true(w->shown + 3 >= w->frame_no);
	assert_int_equal(w->keys, 1);
	cf_video_receiver_stats(w->receiver, &stats);
	assert_int_equal(stats.nacks + stats.plis + stats.dropped, 0);
	/* Nothing holds it: the most that it may. */
	assert_true(cf_video_sender_rate(w->sender) > 2000000);
	world_free(w);
}

/* Every frame comes in the end, in its order, whichever way repetitions travel. */
static void losses_are_repaired(void **state)
{
	(void)state;
	for (int rtx = 0; rtx < 2; rtx++) {
		struct world *w = world_new(rtx, true);
		struct cf_frames_stats stats;

		w->there.loss_permille = w->back.loss_permille = 50;
		w->there.jitter_ms = 8;
		w->there.twice_permille = 20;
		run(w, 20000);
		assert_true(w->there.lost > 50);
		cf_video_receiver_stats(w->receiver, &stats);
		assert_true(w->shown * 100 >= w->frame_no * 98);
		assert_true(stats.repaired > 30 && stats.duplicates > 5);
		assert_true(stats.plis <= 3);
		world_free(w);
	}
}

/* A path that carries nothing for a while: pictures again soon after, with a key frame. */
static void a_cut_of_two_seconds(void **state)
{
	struct world *w = world_new(true, true);
	uint32_t shown, keys;

	(void)state;
	run(w, 5000);
	w->there.cut = w->back.cut = true;
	run(w, 2000);
	shown = w->shown;
	keys = w->keys;
	w->there.cut = w->back.cut = false;
	run(w, 1500);
	assert_true(w->shown > shown + 10 && w->keys > keys);
	assert_true(w->frame_no - w->last_shown < 10);
	world_free(w);
}

static uint32_t average_bps(struct world *w, uint32_t ms)
{
	uint64_t before = w->sent_bytes;

	run(w, ms);
	return (uint32_t)((w->sent_bytes - before) * 8 * 1000 / ms);
}

/* The rate follows the link, down and up, without a queue that stays. */
static void the_rate_follows(void **state)
{
	static const uint32_t rates[] = {1000000, 400000, 1500000};
	struct world *w = world_new(true, true);

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rates); i++) {
		uint32_t bps;

		w->there.rate_bps = rates[i];
		run(w, 15000);
		bps = average_bps(w, 10000);
		assert_in_range(bps, rates[i] / 2, rates[i]);
		assert_true(w->there.busy_us < w->now_us + 150 * MS);
	}
	world_free(w);
}

/* A narrow link that loses packets too: what was hardest to get right. */
static void narrow_and_lossy(void **state)
{
	struct world *w = world_new(true, true);
	uint32_t shown;

	(void)state;
	w->there.rate_bps = 450000;
	w->there.loss_permille = w->back.loss_permille = 50;
	run(w, 3000);
	shown = w->shown;
	run(w, 30000);
	assert_true(w->shown - shown > 30 * 20);
	assert_in_range(average_bps(w, 10000), 200000, 450000);
	world_free(w);
}

/* Peers that give no transport-wide feedback: losses in reports, and what they allow. */
static void without_transport_feedback(void **state)
{
	struct world *w = world_new(true, false);
	struct cf_video_sender_stats stats;
	uint32_t free_bps;
	static const uint8_t remb[] = {0x8f, 206, 0, 5, 0, 0, 0, 99, 0, 0, 0, 0, 'R', 'E', 'M', 'B',
		1, 0x03, 0xd0, 0x90, 0, 0, 0, SSRC}; /* 250,000 */
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	(void)state;
	run(w, 20000);
	free_bps = cf_video_sender_rate(w->sender);
	assert_true(free_bps > 600000);
	w->there.loss_permille = 200;
	run(w, 10000);
	assert_true(cf_video_sender_rate(w->sender) < free_bps / 2);
	w->there.loss_permille = 0;
	run(w, 10000);
	cf_rtcp_iter_init(&it, remb, sizeof(remb));
	assert_int_equal(cf_rtcp_iter_next(&it, &item), 1);
	cf_video_sender_rtcp(w->sender, &item, w->now_us);
	cf_video_sender_stats(w->sender, &stats);
	assert_true(stats.cc.target_bps <= 250000);
	world_free(w);
}

/* Who is asked for a key frame says so, once; what is about others is passed over. */
static void key_frames_on_demand(void **state)
{
	struct world *w = world_new(true, true);
	uint8_t p[64];
	struct cf_wire_writer out;
	struct flight flight;
	uint32_t keys;

	(void)state;
	run(w, 1000);
	keys = w->keys;
	for (uint32_t ssrc = SSRC - 1; ssrc <= SSRC + 1; ssrc++) {
		cf_wire_writer_init(&out, p, sizeof(p));
		cf_rtcp_write_pli(&out, 99, ssrc);
		memcpy(flight.bytes, p, out.len);
		flight.n = out.len;
		hear_feedback(w, &flight);
	}
	run(w, 1000);
	assert_int_equal(w->keys, keys + 1);
	world_free(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(losses_are_repaired),
		cmocka_unit_test(a_cut_of_two_seconds),
		cmocka_unit_test(the_rate_follows),
		cmocka_unit_test(narrow_and_lossy),
		cmocka_unit_test(without_transport_feedback),
		cmocka_unit_test(key_frames_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
