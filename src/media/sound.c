/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sound.h"

#include "base/mem.h"

#include <alsa/asoundlib.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RATE 48000
#define LATENCY_US 40000 /* of the device's buffer */
#define TICK_MS 5        /* of the thread */
#define MAX_PER_TICK 4   /* frames moved in one direction */

/* One writer, one reader. */
struct ring {
	_Atomic uint32_t written; /* ATOMIC, by the writer */
	_Atomic uint32_t read;    /* ATOMIC, by the reader */
	int16_t frames[CF_SOUND_RING_FRAMES][CF_SOUND_FRAME];
};

/* One direction; used by the thread alone once it runs, but for the ring. */
struct side {
	snd_pcm_t *pcm; /* NULL: not asked for */
	struct ring ring;
	int16_t frame[CF_SOUND_FRAME]; /* half read or half written */
	size_t done;                   /* samples of it */
	bool busy;                     /* playback: frame holds something */
};

struct cf_sound {
	struct side in;
	struct side out;
	pthread_t thread;
	int stop_fd;
	_Atomic int err; /* ATOMIC */
};

static _Thread_local char why[160];

static bool ring_put(struct ring *ring, const int16_t *pcm)
{
	uint32_t w = atomic_load_explicit(&ring->written, memory_order_relaxed);

	if (w - atomic_load_explicit(&ring->read, memory_order_acquire) == CF_SOUND_RING_FRAMES)
		return false;
	memcpy(ring->frames[w % CF_SOUND_RING_FRAMES], pcm, sizeof(ring->frames[0]));
	atomic_store_explicit(&ring->written, w + 1, memory_order_release);
	return true;
}

static bool ring_take(struct ring *ring, int16_t *pcm)
{
	uint32_t r = atomic_load_explicit(&ring->read, memory_order_relaxed);

	if (r == atomic_load_explicit(&ring->written, memory_order_acquire))
		return false;
	memcpy(pcm, ring->frames[r % CF_SOUND_RING_FRAMES], sizeof(ring->frames[0]));
	atomic_store_explicit(&ring->read, r + 1, memory_order_release);
	return true;
}

/* What a read or write gave: samples; 0 later; negative: the device is gone. */
static snd_pcm_sframes_t settle(struct side *side, snd_pcm_sframes_t n)
{
	if (n >= 0)
		return n;
	if (n == -EAGAIN)
		return 0;
	/* Over- or underrun, or suspended: prepared anew; capture has to be started as well. */
	n = snd_pcm_recover(side->pcm, (int)n, 1);
	if (n == 0 && snd_pcm_stream(side->pcm) == SND_PCM_STREAM_CAPTURE)
		n = snd_pcm_start(side->pcm);
	return n < 0 ? n : 0;
}

static int capture_some(struct side *side)
{
	for (int k = 0; side->pcm && k < MAX_PER_TICK; k++) {
		snd_pcm_sframes_t n =
			settle(side, snd_pcm_readi(side->pcm, side->frame + side->done,
					     CF_SOUND_FRAME - side->done));

		if (n <= 0)
			return n < 0 ? CF_EIO : 0;
		side->done += (size_t)n;
		if (side->done < CF_SOUND_FRAME)
			continue;
		side->done = 0;
		/* Nobody takes them: the newest is dropped, the delay stays bounded. */
		ring_put(&side->ring, side->frame);
	}
	return 0;
}

static int play_some(struct side *side)
{
	for (int k = 0; side->pcm && k < MAX_PER_TICK; k++) {
		snd_pcm_sframes_t n;

		if (!side->busy && !ring_take(&side->ring, side->frame))
			return 0;
		side->busy = true;
		n = settle(side, snd_pcm_writei(side->pcm, side->frame + side->done,
					 CF_SOUND_FRAME - side->done));
		if (n <= 0)
			return n < 0 ? CF_EIO : 0;
		side->done += (size_t)n;
		if (side->done < CF_SOUND_FRAME)
			continue;
		side->done = 0;
		side->busy = false;
	}
	return 0;
}

static void *run(void *arg)
{
	struct cf_sound *sound = arg;
	struct pollfd stop = {.fd = sound->stop_fd, .events = POLLIN};
	int err = 0;

	if (sound->in.pcm)
		snd_pcm_start(sound->in.pcm);
	while (!err && poll(&stop, 1, TICK_MS) <= 0) {
		err = capture_some(&sound->in);
		if (!err)
			err = play_some(&sound->out);
	}
	atomic_store(&sound->err, err);
	return NULL;
}

static int map_error(int alsa_err)
{
	switch (-alsa_err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return CF_ENOTFOUND;
	case EBUSY:
		return CF_EADDRINUSE;
	case EACCES:
	case EPERM:
		return CF_EDENIED;
	case ENOMEM:
		return CF_ENOMEM;
	default:
		return CF_EIO;
	}
}

static void no_talk(
	const char *file, int line, const char *function, int err, const char *format, ...)
{
	(void)file, (void)line, (void)function, (void)err, (void)format;
}

static int open_side(struct side *side, const char *name, snd_pcm_stream_t stream)
{
	const char *what = stream == SND_PCM_STREAM_CAPTURE ? "capture" : "playback";
	int err;

	if (!name)
		return 0;
	/* ALSA would print to standard error; the words go to cf_sound_why(). */
	snd_lib_error_set_handler(no_talk);
	err = snd_pcm_open(&side->pcm, name, stream, SND_PCM_NONBLOCK);
	if (err < 0) {
		side->pcm = NULL;
		snprintf(why, sizeof(why), "no %s from sound device \"%s\": %s", what, name,
			snd_strerror(err));
		return map_error(err);
	}
	err = snd_pcm_set_params(side->pcm, SND_PCM_FORMAT_S16, SND_PCM_ACCESS_RW_INTERLEAVED, 1,
		RATE, 1, LATENCY_US);
	if (err < 0) {
		snprintf(why, sizeof(why),
			"sound device \"%s\" cannot do 48 kHz, 16 bit mono %s: %s", name, what,
			snd_strerror(err));
		return CF_ENOTSUP;
	}
	return 0;
}

void cf_sound_opts_defaults(struct cf_sound_opts *opts)
{
	*opts = (struct cf_sound_opts){.capture = "default", .playback = "default"};
}

static void close_all(struct cf_sound *sound)
{
	if (sound->in.pcm)
		snd_pcm_close(sound->in.pcm);
	if (sound->out.pcm)
		snd_pcm_close(sound->out.pcm);
	if (sound->stop_fd >= 0)
		close(sound->stop_fd);
	cf_free(sound);
}

int cf_sound_open(struct cf_sound **ret_sound, const struct cf_sound_opts *opts)
{
	struct cf_sound *sound;
	int err;

	why[0] = 0;
	if (!opts->capture && !opts->playback)
		return CF_EINVAL;
	sound = cf_alloc(sizeof(*sound));
	if (!sound)
		return CF_ENOMEM;
	sound->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = sound->stop_fd < 0 ? cf_err_from_errno(errno) : 0;
	if (!err)
		err = open_side(&sound->in, opts->capture, SND_PCM_STREAM_CAPTURE);
	if (!err)
		err = open_side(&sound->out, opts->playback, SND_PCM_STREAM_PLAYBACK);
	if (!err)
		err = cf_err_from_errno(pthread_create(&sound->thread, NULL, run, sound));
	if (err) {
		close_all(sound);
		return err;
	}
	*ret_sound = sound;
	return 0;
}

const char *cf_sound_why(void)
{
	return why;
}

bool cf_sound_capture(struct cf_sound *sound, int16_t pcm[static CF_SOUND_FRAME])
{
	if (ring_take(&sound->in.ring, pcm))
		return true;
	memset(pcm, 0, CF_SOUND_FRAME * sizeof(*pcm));
	return false;
}

bool cf_sound_play(struct cf_sound *sound, const int16_t pcm[static CF_SOUND_FRAME])
{
	return ring_put(&sound->out.ring, pcm);
}

int cf_sound_error(const struct cf_sound *sound)
{
	return atomic_load(&sound->err);
}

struct cf_sound *cf_sound_free(struct cf_sound *sound)
{
	const uint64_t one = 1;

	if (!sound)
		return NULL;
	/* An eventfd that was never written takes one write; the thread looks at it every 5 ms. */
	if (write(sound->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(sound->thread, NULL);
	close_all(sound);
	return NULL;
}
