/* SPDX-License-Identifier: Apache-2.0 */
/* Two audio halves of a call, each the other's network, on one loop. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "client/audio.h"
#include "client/why.h"
#include "media/codec/opus.h"

#define PATIENCE_US (5 * CF_US_PER_S)

struct half {
	struct half *other;
	struct cf_audio *audio;
	struct cf_loop *loop;
	int frames_left; /* of input; then it is over */
	bool loud;       /* something was heard */
	bool input_over;
	bool free_on_input_end;
	bool free_on_digit;
	bool free_on_read;
	char digits[8];
	size_t n_digits;
	size_t n_rtcp;
	size_t n_after; /* callbacks after the free */
};

static void release(struct half *half)
{
	half->audio = cf_audio_free(half->audio);
}

static int on_read(int16_t *pcm, size_t n, void *arg)
{
	struct half *half = arg;

	half->n_after += !half->audio;
	if (half->free_on_read)
		release(half);
	if (half->frames_left-- <= 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		pcm[i] = (int16_t)((i * 7919) % 16000 - 8000);
	return (int)n;
}

static void on_write(const int16_t *pcm, size_t n, void *arg)
{
	struct half *half = arg;

	half->n_after += !half->audio;
	for (size_t i = 0; i < n; i++)
		half->loud |= pcm[i] > 1000;
}

static void on_rtp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct half *half = arg;

	assert_true(n + 32 <= cap); /* room for SRTP's tag */
	half->n_after += !half->audio;
	if (half->other->audio)
		cf_audio_rtp(half->other->audio, packet, n, cf_loop_now_us(half->loop));
}

static void on_rtcp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct half *half = arg;

	assert_true(n + 32 <= cap);
	half->n_after += !half->audio;
	half->other->n_rtcp++;
	if (half->other->audio)
		cf_audio_rtcp(half->other->audio, packet, n, cf_loop_now_us(half->loop));
}

static void on_digit(char key, void *arg)
{
	struct half *half = arg;

	half->n_after += !half->audio;
	if (half->n_digits < sizeof(half->digits) - 1)
		half->digits[half->n_digits++] = key;
	if (half->free_on_digit)
		release(half);
}

static void on_input_ended(void *arg)
{
	struct half *half = arg;

	assert_false(half->input_over); /* told once */
	half->input_over = true;
	if (half->free_on_input_end)
		release(half);
}

static void open_half(struct half *half, struct half *other, struct cf_loop *loop)
{
	static const struct cf_audio_callbacks callbacks = {
		.rtp = on_rtp, .rtcp = on_rtcp, .digit = on_digit, .input_ended = on_input_ended};
	struct callflow_audio_options options = {.read = on_read, .write = on_write, .arg = half};
	static struct cf_sdp_media media;
	struct cf_sdp_agreed agreed = {.remote = &media,
		.send = true,
		.recv = true,
		.opus_send_pt = 111,
		.opus_recv_pt = 111,
		.dtmf_send_pt = 110,
		.dtmf_send_rate = CF_OPUS_RATE,
		.dtmf_recv_pt = {110, -1}};

	half->other = other;
	half->loop = loop;
	assert_int_equal(cf_audio_new(&half->audio, &options), 0);
	assert_int_equal(cf_audio_dtmf(half->audio, "1"), CF_ESTATE); /* before the start */
	assert_int_equal(cf_audio_start(half->audio, loop, &agreed, 1 + (half < other), "cname",
				 &callbacks, half),
		0);
}

static void run_until(struct cf_loop *loop, bool (*done)(struct half *), struct half *half)
{
	uint64_t end_us = cf_clock_us() + PATIENCE_US;

	while (!done(half) && cf_clock_us() < end_us)
		assert_int_equal(cf_loop_run_once(loop, 10), 0);
	assert_true(done(half));
}

static bool heard_and_reported(struct half *half)
{
	return half->loud && half->other->loud && half->n_rtcp && half->input_over;
}

static bool is_gone(struct half *half)
{
	return !half->audio;
}

static bool has_digits(struct half *half)
{
	return half->n_digits == 3;
}

static void talk(void **state)
{
	struct half a = {.frames_left = 20}, b = {.frames_left = 1000};
	struct cf_loop *loop = cf_loop_new();
	uint64_t start_us = cf_loop_now_us(loop);
	struct callflow_stats stats;

	(void)state;
	assert_non_null(loop);
	open_half(&a, &b, loop);
	open_half(&b, &a, loop);
	cf_audio_stats(a.audio, start_us, &stats);
	assert_int_equal(stats.first_audio_ms, 0);
	run_until(loop, heard_and_reported, &a);
	cf_audio_stats(a.audio, start_us, &stats);
	assert_true(stats.packets_sent > 0 && stats.packets_received > 0);
	assert_in_range(stats.first_audio_ms, 1, (cf_loop_now_us(loop) - start_us) / 1000);
	cf_audio_stats(a.audio, cf_loop_now_us(loop) + 1, &stats);
	assert_int_equal(stats.first_audio_ms, 0); /* placed after all that was heard */
	assert_int_equal(stats.packets_lost, 0);
	assert_int_equal(cf_audio_dtmf(a.audio, "17#"), 0);
	run_until(loop, has_digits, &b);
	assert_string_equal(b.digits, "17#");
	release(&a);
	release(&b);
	cf_loop_free(loop);
}

/* The application may end the call, and so free the audio, inside any callback of a tick. */
static void freed_inside(void **state)
{
	static const struct {
		bool on_input_end, on_digit, on_read;
	} rows[] = {{.on_input_end = true}, {.on_digit = true}, {.on_read = true}};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct half a = {.frames_left = rows[i].on_input_end ? 2 : 1000,
			.free_on_input_end = rows[i].on_input_end,
			.free_on_digit = rows[i].on_digit,
			.free_on_read = rows[i].on_read};
		struct half b = {.frames_left = 1000};
		struct cf_loop *loop = cf_loop_new();

		assert_non_null(loop);
		open_half(&a, &b, loop);
		open_half(&b, &a, loop);
		assert_int_equal(cf_audio_dtmf(b.audio, "5"), 0);
		run_until(loop, is_gone, &a);
		for (int turn = 0; turn < 10; turn++)
			assert_int_equal(cf_loop_run_once(loop, 20), 0);
		assert_int_equal(a.n_after, 0);
		release(&b);
		cf_loop_free(loop);
	}
}

static void bad_packets(void **state)
{
	static const uint8_t junk[][12] = {{0x80}, {0x80, 200, 0, 0}, {0xff, 0xff, 0xff, 0xff},
		{0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9}};
	struct half a = {.frames_left = 0}, b = {.frames_left = 0};
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	assert_non_null(loop);
	open_half(&a, &b, loop);
	for (size_t i = 0; i < CF_ARRAY_LEN(junk); i++)
		for (size_t n = 0; n <= sizeof(junk[i]); n++) {
			cf_audio_rtp(a.audio, junk[i], n, cf_loop_now_us(loop));
			cf_audio_rtcp(a.audio, junk[i], n, cf_loop_now_us(loop));
		}
	release(&a);
	cf_loop_free(loop);
}

static void no_such_file(void **state)
{
	struct callflow_audio_options options = {.in_file = "/nonexistent/in.wav"};
	struct cf_audio *audio = NULL;

	(void)state;
	assert_true(cf_audio_new(&audio, &options) < 0);
	assert_null(audio);
	assert_non_null(strstr(cf_client_why(), "/nonexistent/in.wav"));
	assert_null(cf_audio_free(NULL));
}

static int open_and_close(void *arg)
{
	struct callflow_audio_options options = {.read = on_read, .write = on_write};
	struct cf_audio *audio;
	int err = cf_audio_new(&audio, &options);

	(void)arg;
	if (!err)
		cf_audio_free(audio);
	return err;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(open_and_close, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talk),
		cmocka_unit_test(freed_inside),
		cmocka_unit_test(bad_packets),
		cmocka_unit_test(no_such_file),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
