/* SPDX-License-Identifier: Apache-2.0 */
/* The sound of a load: each voice is known by itself and among others; and what makes no sense. */
#include "harness/harness.h"

#include "base/mem.h"
#include "load/load.h"
#include "load/sound.h"
#include "loop/loop.h"

#include <string.h>

#define VOICES 20
#define SECONDS 3

/* Decodes these voices, added up, for the listener. */
static void hear(struct listener *listener, const unsigned *numbers, size_t n, int divide)
{
	struct cf_opus_decoder *decoders[4];
	struct voice *voices[4];

	for (size_t k = 0; k < n; k++) {
		voices[k] = voice_new(numbers[k]);
		assert_non_null(voices[k]);
		assert_int_equal(cf_opus_decoder_new(&decoders[k]), 0);
	}
	for (uint64_t i = 0; i < 50 * SECONDS; i++) {
		int16_t sum[CF_OPUS_FRAME] = {0};

		for (size_t k = 0; k < n; k++) {
			int16_t pcm[CF_OPUS_MAX_FRAME];
			uint8_t level;
			struct cf_view frame = voice_frame(voices[k], i, &level);

			assert_true(frame.len > 0 && level < 40);
			assert_int_equal(cf_opus_decode(decoders[k], frame, pcm, CF_OPUS_MAX_FRAME),
				CF_OPUS_FRAME);
			for (size_t s = 0; s < CF_OPUS_FRAME; s++)
				sum[s] = (int16_t)(sum[s] + pcm[s] / divide);
		}
		listener_put(listener, sum);
	}
	for (size_t k = 0; k < n; k++) {
		cf_opus_decoder_free(decoders[k]);
		voice_free(voices[k]);
	}
}

static void one_voice(void **state)
{
	static const unsigned numbers[] = {0, 7, VOICES - 1};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(numbers); i++) {
		struct listener *listener = listener_new(VOICES);

		assert_non_null(listener);
		hear(listener, &numbers[i], 1, 1);
		for (unsigned k = 0; k < VOICES; k++)
			assert_int_equal(listener_knows(listener, k), k == numbers[i]);
		listener_free(listener);
	}
}

/* Four at once, each softer than the automatic gain of a mixer would let it be. */
static void several_voices(void **state)
{
	static const unsigned numbers[] = {1, 2, 3, 12};
	struct listener *listener = listener_new(VOICES);

	(void)state;
	assert_non_null(listener);
	hear(listener, numbers, 4, 6);
	for (unsigned k = 0; k < VOICES; k++)
		assert_int_equal(listener_knows(listener, k), (k >= 1 && k <= 3) || k == 12);
	assert_false(listener_knows(listener, VOICES)); /* nobody listens for it */
	listener_free(listener);
}

static void silence(void **state)
{
	struct voice *voice = voice_new(CF_LOAD_TALKERS_MAX);
	struct listener *listener = listener_new(VOICES);
	int16_t pcm[CF_OPUS_FRAME] = {0};
	uint8_t level = 0;
	size_t bytes = 0;

	(void)state;
	assert_non_null(voice);
	assert_non_null(listener);
	for (uint64_t i = 0; i < 200; i++) {
		bytes += voice_frame(voice, i, &level).len;
		assert_int_equal(level, 127);
		listener_put(listener, pcm);
	}
	assert_true(bytes < 1000);
	for (unsigned k = 0; k < VOICES; k++)
		assert_false(listener_knows(listener, k));
	voice_free(voice);
	listener_free(listener);
}

static struct cf_load_options options_of(struct cf_loop *loop)
{
	struct cf_load_options options;

	cf_load_options_defaults(&options);
	options.loop = loop;
	options.connection_string = "endpoint=https://127.0.0.1:1/;accesskey="
				    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	return options;
}

static void options_that_make_no_sense(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_load_options good = options_of(loop), bad[9];
	struct cf_load *load = NULL;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		bad[i] = good;
	bad[0].members = 0;
	bad[1].groups = 0;
	bad[2].groups = CF_LOAD_GROUPS_MAX + 1;
	bad[3].members = CF_LOAD_MEMBERS_MAX;
	bad[3].groups = 2;
	bad[4].talkers = bad[4].members + 1;
	bad[5].rate = 0;
	bad[6].churn = -1;
	bad[7].connection_string = "endpoint=https://127.0.0.1:1/";
	bad[8].group = "11111111-2222-4333-8444-555555555555";
	bad[8].groups = 2;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		assert_int_equal(cf_load_new(&load, &bad[i]), CF_EINVAL);
	assert_null(load);
	assert_int_equal(cf_load_new(&load, &good), 0);
	assert_int_equal(cf_load_n_members(load), 10);
	cf_load_free(load);
	cf_loop_free(loop);
}

/* Nobody is there: each member says so. */
static void no_service(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_load_options options = options_of(loop);
	size_t counts[CF_LOAD_FAILED + 1];
	struct cf_load_member member;
	struct cf_load *load = NULL;

	(void)state;
	options.members = 3;
	options.talkers = 1;
	options.rate = 1000;
	assert_int_equal(cf_load_new(&load, &options), 0);
	do {
		assert_true(cf_loop_run_once(loop, 1000) >= 0);
		cf_load_count(load, counts);
	} while (counts[CF_LOAD_FAILED] < 3);
	cf_load_member(load, 2, &member);
	assert_true(strlen(member.why) > 0);
	assert_int_equal(member.joins, 0);
	assert_false(member.talks);
	cf_load_leave(load);
	cf_load_free(load);
	cf_loop_free(loop);
}

static int oom_body(void *arg)
{
	struct cf_load_options options = options_of(arg);
	struct cf_load *load = NULL;
	int err;

	options.talkers = 1;
	err = cf_load_new(&load, &options);
	cf_load_free(load);
	return err == CF_EIO ? CF_ENOMEM : err;
}

static void oom(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	cf_test_oom(oom_body, loop, 0);
	cf_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_voice),
		cmocka_unit_test(several_voices),
		cmocka_unit_test(silence),
		cmocka_unit_test(options_that_make_no_sense),
		cmocka_unit_test(no_service),
		cmocka_unit_test(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
