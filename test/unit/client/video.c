/* SPDX-License-Identifier: Apache-2.0 */
/* Two video halves of a call, each the other's network, on one loop; their threads are real. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "client/video.h"
#include "client/why.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_US (20 * CF_US_PER_S)
#define WIDTH 160
#define HEIGHT 96

struct half {
	struct half *other;
	struct cf_video *video;
	struct cf_loop *loop;
	struct cf_sdp_local_video local;
	struct cf_sdp_agreed agreed;
	struct cf_sdp_media remote;
	unsigned lose_every; /* packets on their way to the other */
	unsigned n_sent;
	size_t n_after; /* callbacks after the free */
	struct cf_list wire;
	struct cf_defer deliver;
	/* on the threads of video */
	atomic_uint read, shown, bad;
	atomic_uint last;
	atomic_bool ended;
};

struct parcel {
	struct cf_list link;
	bool rtcp;
	size_t n;
	uint8_t bytes[1500];
};

/* A picture of one grey, a step brighter each time. */
static int on_read(struct callflow_picture *picture, void *arg)
{
	struct half *half = arg;
	unsigned level = 16 + atomic_fetch_add(&half->read, 1) % 200;

	if (atomic_load(&half->ended))
		return -1;
	for (unsigned y = 0; y < picture->height; y++)
		memset(picture->planes[0] + y * picture->strides[0], (int)level, picture->width);
	for (int i = 1; i < 3; i++)
		for (unsigned y = 0; y < picture->height / 2; y++)
			memset(picture->planes[i] + y * picture->strides[i], 128,
				picture->width / 2);
	return 1;
}

static void on_write(const struct callflow_picture *picture, void *arg)
{
	struct half *half = arg;
	unsigned level = picture->planes[0][picture->strides[0] * 8 + 8];

	if (picture->width != WIDTH || picture->height != HEIGHT || level < 10)
		atomic_fetch_add(&half->bad, 1);
	atomic_store(&half->last, level);
	atomic_fetch_add(&half->shown, 1);
}

static void deliver(void *arg)
{
	struct half *half = arg;

	CF_LIST_FOR_SAFE(it, &half->wire)
	{
		struct parcel *parcel = CF_CONTAINER_OF(it, struct parcel, link);
		struct cf_video *to = half->other->video;
		uint64_t now_us = cf_loop_now_us(half->loop);

		cf_list_remove(it);
		if (parcel->rtcp)
			cf_video_rtcp(to, parcel->bytes, parcel->n, now_us);
		else if (cf_video_takes(to, parcel->bytes, parcel->n))
			cf_video_rtp(to, parcel->bytes, parcel->n, now_us);
		cf_free(parcel);
	}
}

static void put(struct half *half, const uint8_t *packet, size_t n, size_t cap, bool rtcp)
{
	struct parcel *parcel = cf_alloc(sizeof(*parcel));

	assert_true(n + 32 <= cap); /* room for SRTP's tag */
	half->n_after += !half->video;
	parcel->rtcp = rtcp;
	parcel->n = n;
	memcpy(parcel->bytes, packet, n);
	cf_list_push(&half->wire, &parcel->link);
	cf_defer_set(&half->deliver, half->loop, deliver, half);
}

static void on_rtp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct half *half = arg;

	if (half->lose_every && ++half->n_sent % half->lose_every == 0)
		return;
	put(half, packet, n, cap, false);
}

static void on_rtcp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	put(arg, packet, n, cap, true);
}

static void agree(struct half *half)
{
	static const struct cf_video_callbacks callbacks = {.rtp = on_rtp, .rtcp = on_rtcp};

	assert_int_equal(cf_video_agree(half->video, half->loop, &half->agreed, &half->local,
				 "cname", &callbacks, half),
		0);
}

static void make_half(struct half *half, struct half *other, struct cf_loop *loop,
	const struct callflow_video_options *options, enum cf_video_codec codec)
{
	struct cf_sdp_agreed_video *video = &half->agreed.video;

	memset(half, 0, sizeof(*half));
	half->other = other;
	half->loop = loop;
	cf_list_init(&half->wire);
	assert_int_equal(cf_video_new(&half->video, options), 0);
	assert_non_null(half->video);
	half->local = (struct cf_sdp_local_video){
		.ssrc = (uint32_t)(uintptr_t)half | 1, .rtx_ssrc = (uint32_t)(uintptr_t)half + 2};
	cf_video_local(half->video, &half->local);
	*video = (struct cf_sdp_agreed_video){.on = true,
		.remote = &half->remote,
		.send = half->local.direction & CF_SDP_SENDONLY,
		.recv = half->local.direction & CF_SDP_RECVONLY,
		.sent = {.codec = codec, .pt = 96, .rtx_pt = 97},
		.n_received = 1,
		.received = {{.codec = codec, .pt = 96, .rtx_pt = 97}},
		.send_ext_twcc = 3,
		.recv_ext_twcc = 3,
		.feedback = CF_SDP_FB_NACK | CF_SDP_FB_PLI | CF_SDP_FB_TRANSPORT_CC};
	agree(half);
}

static void drop_wire(struct half *half)
{
	cf_defer_cancel(&half->deliver);
	CF_LIST_FOR_SAFE(it, &half->wire)
	{
		cf_list_remove(it);
		cf_free(CF_CONTAINER_OF(it, struct parcel, link));
	}
}

/* Turns the loop until both have shown so many pictures. */
static void until_shown(struct half *a, struct half *b, unsigned n)
{
	uint64_t end_us = cf_clock_us() + PATIENCE_US;

	while ((atomic_load(&a->shown) < n || atomic_load(&b->shown) < n) && cf_clock_us() < end_us)
		cf_loop_run_once(a->loop, 10);
	assert_true(atomic_load(&a->shown) >= n && atomic_load(&b->shown) >= n);
}

static void end(struct half *a, struct half *b, struct cf_loop *loop)
{
	a->video = cf_video_free(a->video);
	b->video = cf_video_free(b->video);
	drop_wire(a);
	drop_wire(b);
	for (int i = 0; i < 20; i++) /* what the threads had done comes in */
		cf_loop_run_once(loop, 1);
	assert_int_equal(a->n_after + b->n_after, 0);
	cf_loop_free(loop);
}

static struct callflow_video_options both_ways(struct half *half)
{
	return (struct callflow_video_options){.read = on_read,
		.write = on_write,
		.arg = half,
		.width = WIDTH,
		.height = HEIGHT,
		.fps = 60};
}

static void call(enum cf_video_codec codec, unsigned lose_every)
{
	struct cf_loop *loop = cf_loop_new();
	struct callflow_stats stats = {0};
	struct half a, b;
	struct callflow_video_options to_a = both_ways(&a), to_b = both_ways(&b);

	make_half(&a, &b, loop, &to_a, codec);
	make_half(&b, &a, loop, &to_b, codec);
	a.lose_every = b.lose_every = lose_every;
	until_shown(&a, &b, 60);
	cf_video_stats(a.video, 1, &stats);
	assert_int_equal(atomic_load(&a.bad) + atomic_load(&b.bad), 0);
	assert_true(stats.video.frames_shown >= 50 && stats.video.frames_sent >= 50);
	assert_string_equal(stats.video.codec_received, cf_video_codec_name(codec));
	assert_int_equal(stats.video.width_received, WIDTH);
	assert_int_equal(stats.video.width_sent, WIDTH);
	if (lose_every)
		assert_true(stats.video.packets_repaired > 0 && stats.video.packets_repeated > 0);
	end(&a, &b, loop);
}

static void vp8(void **state)
{
	(void)state;
	call(CF_VIDEO_VP8, 0);
}

static void h264(void **state)
{
	(void)state;
	call(CF_VIDEO_H264, 0);
}

static void losses_are_repaired(void **state)
{
	(void)state;
	call(CF_VIDEO_VP8, 10);
	call(CF_VIDEO_H264, 10);
}

/* Hold and back: nothing comes while it lasts, and it begins again with a picture that can be seen.
 */
static void paused_and_taken_up(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct half a, b;
	struct callflow_video_options to_a = both_ways(&a), to_b = both_ways(&b);
	unsigned sent;

	(void)state;
	make_half(&a, &b, loop, &to_a, CF_VIDEO_VP8);
	make_half(&b, &a, loop, &to_b, CF_VIDEO_VP8);
	until_shown(&a, &b, 5);
	a.agreed.video.send = b.agreed.video.recv = false;
	agree(&a);
	agree(&b);
	for (int i = 0; i < 20; i++)
		cf_loop_run_once(loop, 5);
	sent = atomic_load(&a.read);
	until_shown(&a, &a, atomic_load(&a.shown) + 10);
	assert_true(atomic_load(&a.read) <= sent + 1);
	a.agreed.video.send = b.agreed.video.recv = true;
	agree(&a);
	agree(&b);
	until_shown(&a, &b, atomic_load(&b.shown) + 10);
	/* The other codec from now on. */
	a.agreed.video.sent = (struct cf_sdp_agreed_codec){CF_VIDEO_VP8, 96, 0};
	a.agreed.video.sent.rtx_pt = 0;
	agree(&a);
	cf_video_new_path(a.video);
	until_shown(&a, &b, atomic_load(&b.shown) + 10);
	end(&a, &b, loop);
}

static void the_input_ends(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct half a, b;
	struct callflow_video_options to_a = both_ways(&a), to_b = both_ways(&b);
	unsigned read;

	(void)state;
	make_half(&a, &b, loop, &to_a, CF_VIDEO_VP8);
	make_half(&b, &a, loop, &to_b, CF_VIDEO_VP8);
	until_shown(&a, &b, 5);
	atomic_store(&a.ended, true);
	until_shown(&a, &a, atomic_load(&a.shown) + 10);
	read = atomic_load(&a.read);
	until_shown(&a, &a, atomic_load(&a.shown) + 10);
	assert_int_equal(atomic_load(&a.read), read);
	end(&a, &b, loop);
}

/* Freed while its threads work: the last of them lets it go. */
static void freed_at_work(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct cf_loop *loop = cf_loop_new();
		struct half a, b;
		struct callflow_video_options to_a = both_ways(&a), to_b = both_ways(&b);

		make_half(&a, &b, loop, &to_a, CF_VIDEO_VP8);
		make_half(&b, &a, loop, &to_b, CF_VIDEO_VP8);
		while (atomic_load(&a.read) == 0)
			cf_loop_run_once(loop, 1);
		if (i == 4) { /* the loop goes before their word is in */
			cf_video_free(a.video);
			cf_video_free(b.video);
			drop_wire(&a);
			drop_wire(&b);
			cf_loop_free(loop);
		} else {
			end(&a, &b, loop);
		}
	}
}

static void options_that_cannot_be(void **state)
{
	char folder[] = "/tmp/cf-video-XXXXXX";
	char good[512], bad[512];
	struct callflow_video_options none = {0};
	struct {
		struct callflow_video_options options;
		const char *why;
	} rows[] = {
		{{.in_file = good}, "good.y4m"},
		{{.in_file = bad}, "bad.y4m"},
		{{.in_file = "/dev/zero"}, "no regular file"},
		{{.out_file = "/nowhere/x.y4m"}, "/nowhere/x.y4m"},
		{{.read = on_read, .codec = "AV1"}, "AV1"},
		{{.read = on_read, .fps = 1000}, "a second"},
		{{.read = on_read, .width = 100000, .height = 2}, "100000"},
	};

	struct cf_video *video;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(cf_video_new(&video, &none), 0);
	assert_null(video);
	snprintf(good, sizeof(good), "%s/good.y4m", folder);
	snprintf(bad, sizeof(bad), "%s/bad.y4m", folder);
	file = fopen(bad, "w");
	fputs("RIFF and so on\n", file);
	fclose(file);
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		assert_true(cf_video_new(&video, &rows[i].options) < 0);
		assert_non_null(strstr(cf_client_why(), rows[i].why));
	}
	unlink(bad);
	rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8),
		cmocka_unit_test(h264),
		cmocka_unit_test(losses_are_repaired),
		cmocka_unit_test(paused_and_taken_up),
		cmocka_unit_test(the_input_ends),
		cmocka_unit_test(freed_at_work),
		cmocka_unit_test(options_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
