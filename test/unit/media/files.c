/* SPDX-License-Identifier: Apache-2.0 */
/* Sound files, resampling, level, Opus and the sound card's errors. */
#include "harness/harness.h"

#include "media/codec/opus.h"
#include "media/level.h"
#include "media/resample.h"
#include "media/sound.h"
#include "media/wav.h"

#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/callflow-media-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void tone(int16_t *pcm, size_t n, double hz, double rate, double amplitude)
{
	for (size_t i = 0; i < n; i++)
		pcm[i] = (int16_t)lround(amplitude * sin(2 * M_PI * hz * (double)i / rate));
}

static void levels(void **state)
{
	int16_t pcm[960];

	(void)state;
	memset(pcm, 0, sizeof(pcm));
	assert_int_equal(cf_level_dbov(pcm, 960), 127);
	assert_int_equal(cf_level_dbov(pcm, 0), 127);
	for (size_t i = 0; i < 960; i++)
		pcm[i] = i % 2 ? 32767 : -32768;
	assert_int_equal(cf_level_dbov(pcm, 960), 0);
	tone(pcm, 960, 1000, 48000, 32767);
	assert_int_equal(cf_level_dbov(pcm, 960), 3);
	tone(pcm, 960, 1000, 48000, 327.67);
	assert_int_equal(cf_level_dbov(pcm, 960), 43);
	memset(pcm, 0, sizeof(pcm));
	pcm[5] = 1;
	assert_int_equal(cf_level_dbov(pcm, 960), 120);
}

static void resamples(void **state)
{
	static const uint32_t rates[] = {8000, 11025, 16000, 44100, 96000};
	struct cf_resampler *r;

	(void)state;
	assert_int_equal(cf_resampler_new(&r, 999, 48000), CF_EINVAL);
	assert_int_equal(cf_resampler_new(&r, 48000, 1000000), CF_EINVAL);
	for (size_t k = 0; k < 5; k++) {
		static int16_t in[96000], out[48200];
		size_t taken;

		tone(in, rates[k], 440, rates[k], 10000);
		assert_int_equal(cf_resampler_new(&r, rates[k], 48000), 0);
		assert_in_range(
			cf_resampler_run(r, in, rates[k], &taken, out, 48200), 47000, 48001);
		assert_int_equal(taken, rates[k]);
		/* 440 Hz at the same level: 880 changes of sign in a second. */
		assert_int_equal(cf_level_dbov(out + 10000, 24000), cf_level_dbov(in, rates[k]));
		taken = 0;
		for (size_t i = 10001; i < 34000; i++)
			taken += (out[i] < 0) != (out[i - 1] < 0);
		assert_in_range(taken, 438, 442);
		assert_true(cf_resampler_latency(r) > 0);
		cf_resampler_free(r);
	}
}

static void written_is_read(void **state)
{
	static int16_t in[48000], out[48000];
	struct cf_wav_writer *w;
	struct cf_wav_reader *r;
	size_t total = 0;

	(void)state;
	tone(in, 48000, 300, 48000, 12000);
	assert_int_equal(cf_wav_writer_open(&w, path_of("a.wav")), 0);
	for (size_t i = 0; i < 48000; i += 960) {
		assert_int_equal(cf_wav_writer_write(w, in + i, 960), 0);
		/* A look at it while it grows: as good as the last half second. */
		if (i == 960 * 40) {
			assert_int_equal(cf_wav_reader_open(&r, path_of("a.wav")), 0);
			assert_int_equal(cf_wav_reader_length(r), 25 * 960);
			cf_wav_reader_free(r);
		}
	}
	assert_int_equal(cf_wav_writer_write(w, in, 100), 0);
	assert_int_equal(cf_wav_writer_close(w), 0);
	assert_int_equal(cf_wav_writer_close(NULL), 0);
	assert_int_equal(cf_wav_reader_open(&r, path_of("a.wav")), 0);
	assert_int_equal(cf_wav_reader_length(r), 48100);
	for (int round = 0; round < 2; round++) {
		for (total = 0; total < 48000; total += 960)
			assert_int_equal(cf_wav_reader_frame(r, out + total), 960);
		assert_memory_equal(in, out, sizeof(in));
		assert_int_equal(cf_wav_reader_frame(r, out), 100);
		assert_memory_equal(in, out, 200);
		assert_int_equal(out[100] | out[959], 0);
		assert_int_equal(cf_wav_reader_frame(r, out), 0);
		assert_int_equal(cf_wav_reader_rewind(r), 0);
	}
	cf_wav_reader_free(r);
}

/* Every rate, width and number of channels comes out as 48 kHz mono of the same length and level.
 */
static void any_file_is_read(void **state)
{
	static const struct {
		int rate, channels, format;
	} cases[] = {{8000, 1, SF_FORMAT_WAV | SF_FORMAT_ULAW},
		{44100, 2, SF_FORMAT_WAV | SF_FORMAT_PCM_24},
		{16000, 1, SF_FORMAT_WAV | SF_FORMAT_PCM_U8},
		{96000, 6, SF_FORMAT_WAV | SF_FORMAT_FLOAT},
		{22050, 1, SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
		{48000, 2, SF_FORMAT_FLAC | SF_FORMAT_PCM_16}};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		SF_INFO info = {.samplerate = cases[k].rate,
			.channels = cases[k].channels,
			.format = cases[k].format};
		SNDFILE *file = sf_open(path_of("any"), SFM_WRITE, &info);
		struct cf_wav_reader *r;
		static int16_t out[960 * 60];
		size_t total = 0;
		int n;

		assert_non_null(file);
		for (int i = 0; i < cases[k].rate; i++) {
			float frame[6];

			for (int c = 0; c < 6; c++)
				frame[c] = (float)(0.3 * sin(2 * M_PI * 440 * i / cases[k].rate));
			sf_writef_float(file, frame, 1);
		}
		sf_close(file);
		assert_int_equal(cf_wav_reader_open(&r, path_of("any")), 0);
		assert_int_equal(cf_wav_reader_length(r), 48000);
		while ((n = cf_wav_reader_frame(r, out + total)) > 0)
			total += (size_t)n;
		assert_in_range(total, 47995, 48000);
		assert_in_range(cf_level_dbov(out + 5000, 38400), 13, 14);
		cf_wav_reader_free(r);
	}
}

static void bad_files(void **state)
{
	struct cf_wav_reader *r;
	struct cf_wav_writer *w;
	FILE *file;

	(void)state;
	assert_int_equal(cf_wav_reader_open(&r, path_of("none.wav")), CF_ENOTFOUND);
	assert_int_equal(cf_wav_reader_open(&r, dir), CF_EDENIED);
	file = fopen(path_of("bad.wav"), "wb");
	assert_non_null(file);
	fputs("RIFF this is not a sound file", file);
	fclose(file);
	assert_int_equal(cf_wav_reader_open(&r, path_of("bad.wav")), CF_EBADMSG);
	assert_int_equal(cf_wav_writer_open(&w, path_of("no/such/x.wav")), CF_ENOTFOUND);
	assert_int_equal(cf_wav_writer_open(&w, dir), CF_EDENIED);
	assert_int_equal(cf_wav_writer_open(&w, "/dev/full"), CF_EIO);
	/* The header promises ten seconds, the file has a tenth. */
	assert_int_equal(cf_wav_writer_open(&w, path_of("cut.wav")), 0);
	{
		static int16_t pcm[48000];
		int n, total = 0;

		for (int i = 0; i < 10; i++)
			assert_int_equal(cf_wav_writer_write(w, pcm, 48000), 0);
		assert_int_equal(cf_wav_writer_close(w), 0);
		assert_int_equal(truncate(path_of("cut.wav"), 44 + 9600), 0);
		assert_int_equal(cf_wav_reader_open(&r, path_of("cut.wav")), 0);
		while ((n = cf_wav_reader_frame(r, pcm)) > 0)
			total += n;
		assert_int_equal(total, 4800);
		cf_wav_reader_free(r);
	}
}

static void opus_codes(void **state)
{
	struct cf_opus_encoder *enc;
	struct cf_opus_decoder *dec;
	int16_t pcm[960], out[CF_OPUS_MAX_FRAME];
	uint8_t p[CF_OPUS_MAX_PACKET];
	struct cf_opus_opts opts;
	int n = 0, quiet = 0;

	(void)state;
	cf_opus_opts_defaults(&opts);
	opts.dtx = true;
	assert_int_equal(cf_opus_encoder_new(&enc, &opts), 0);
	assert_int_equal(cf_opus_decoder_new(&dec), 0);
	tone(pcm, 960, 300, 48000, 8000);
	for (int i = 0; i < 20; i++) {
		n = cf_opus_encode(enc, pcm, p, sizeof(p));
		assert_true(n > 2);
		assert_int_equal(cf_opus_packet_samples((struct cf_view){p, (size_t)n}), 960);
		assert_int_equal(
			cf_opus_decode(dec, (struct cf_view){p, (size_t)n}, out, CF_OPUS_MAX_FRAME),
			960);
	}
	assert_in_range(
		cf_level_dbov(out, 960), cf_level_dbov(pcm, 960) - 3, cf_level_dbov(pcm, 960) + 3);
	assert_int_equal(cf_opus_decode(dec, (struct cf_view){p, (size_t)n}, out, 959), CF_ENOSPC);
	assert_int_equal(cf_opus_decode_fec(dec, (struct cf_view){p, (size_t)n}, out), 960);
	assert_int_equal(cf_opus_conceal(dec, out), 960);
	assert_int_equal(cf_opus_decode(dec, (struct cf_view){NULL, 0}, out, 960), CF_EBADMSG);
	assert_int_equal(cf_opus_decode_fec(dec, (struct cf_view){NULL, 0}, out), CF_EBADMSG);
	/* Silence with DTX: hardly a packet. */
	memset(pcm, 0, sizeof(pcm));
	for (int i = 0; i < 200; i++)
		quiet += cf_opus_encode(enc, pcm, p, sizeof(p)) == 0;
	assert_true(quiet > 150);
	cf_opus_encoder_set_loss(enc, 200);
	cf_opus_encoder_set_loss(enc, 0);
	cf_opus_encoder_set_bitrate(enc, 1);
	tone(pcm, 960, 300, 48000, 8000);
	for (int i = 0; i < 50; i++)
		n = cf_opus_encode(enc, pcm, p, sizeof(p));
	assert_in_range(n, 3, 40);
	cf_opus_decoder_reset(dec);
	cf_opus_encoder_free(enc);
	cf_opus_decoder_free(dec);
}

static void no_sound_card(void **state)
{
	struct cf_sound_opts opts = {0};
	struct cf_sound *sound = NULL;

	(void)state;
	assert_int_equal(cf_sound_open(&sound, &opts), CF_EINVAL);
	opts.capture = "hw:CARD=nosuchcard";
	assert_int_equal(cf_sound_open(&sound, &opts), CF_ENOTFOUND);
	assert_non_null(strstr(cf_sound_why(), "nosuchcard"));
	opts = (struct cf_sound_opts){.playback = "hw:CARD=nosuchcard"};
	assert_int_equal(cf_sound_open(&sound, &opts), CF_ENOTFOUND);
	assert_non_null(strstr(cf_sound_why(), "playback"));
	assert_null(sound);
	assert_null(cf_sound_free(NULL));
}

/* ALSA's own null device: the thread runs, frames go out, the ring is bounded. */
static void null_device(void **state)
{
	struct cf_sound_opts opts = {.capture = "null", .playback = "null"};
	struct cf_sound *sound;
	int16_t pcm[960] = {1};
	int err = cf_sound_open(&sound, &opts);

	(void)state;
	if (err) {
		print_message("# skipped: ALSA has no null device here (%s)\n", cf_sound_why());
		return;
	}
	for (int i = 0; i < 10 * CF_SOUND_RING_FRAMES; i++) {
		cf_sound_play(sound, pcm);
		cf_sound_capture(sound, pcm);
	}
	assert_int_equal(cf_sound_error(sound), 0);
	cf_sound_free(sound);
	cf_sound_opts_defaults(&opts);
	assert_string_equal(opts.capture, "default");
}

static int open_and_close(void *arg)
{
	struct cf_wav_reader *r = NULL;
	struct cf_wav_writer *w = NULL;
	int err = cf_wav_writer_open(&w, path_of("oom.wav"));

	(void)arg;
	if (!err)
		err = cf_wav_writer_close(w);
	if (!err)
		err = cf_wav_reader_open(&r, path_of("any"));
	cf_wav_reader_free(r);
	return err;
}

static int open_codec(void *arg)
{
	struct cf_opus_encoder *enc = NULL;
	struct cf_opus_decoder *dec = NULL;
	int err = cf_opus_encoder_new(&enc, NULL);

	(void)arg;
	if (!err)
		err = cf_opus_decoder_new(&dec);
	cf_opus_encoder_free(enc);
	cf_opus_decoder_free(dec);
	return err;
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(open_and_close, NULL, 1);
	cf_test_oom(open_codec, NULL, 1);
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"a.wav", "any", "bad.wav", "cut.wav", "oom.wav"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(resamples),
		cmocka_unit_test(written_is_read),
		cmocka_unit_test(any_file_is_read),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(opus_codes),
		cmocka_unit_test(no_sound_card),
		cmocka_unit_test(null_device),
		cmocka_unit_test(survives_oom),
	};

	if (!mkdtemp(dir))
		return 1;
	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
