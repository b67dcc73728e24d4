/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sound card (ALSA) as 20 ms frames of 48 kHz mono. The device runs on a thread of its own (the
 * only one that media starts); frames cross over in two lock-free rings with one reader and one
 * writer each. The caller is one thread that ticks every 20 ms; its calls never block.
 */
#ifndef CF_MEDIA_SOUND_H
#define CF_MEDIA_SOUND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_sound;

#define CF_SOUND_FRAME 960
#define CF_SOUND_RING_FRAMES 16 /* power of two; 320 ms each way */

struct cf_sound_opts {
	const char *capture;  /* ALSA name, default "default"; NULL: none */
	const char *playback; /* ALSA name, default "default"; NULL: none */
};

void cf_sound_opts_defaults(struct cf_sound_opts *opts);

/** Opens the devices and starts the thread (copies opts). CF_ENOTFOUND: no such card;
 * CF_EADDRINUSE: it is busy; CF_EDENIED; CF_ENOTSUP: it cannot do 48 kHz 16 bit; CF_EINVAL: neither
 * asked for; CF_EIO; CF_ENOMEM. cf_sound_why() has the words. */
CF_MUST_CHECK int cf_sound_open(struct cf_sound **ret_sound, const struct cf_sound_opts *opts);

/** What went wrong in this thread's last cf_sound_open(), for people: device, and cause. Static per
 * thread. */
const char *cf_sound_why(void);

/** Takes a captured frame: true, or false (silence filled in) when there is none. */
bool cf_sound_capture(struct cf_sound *sound, int16_t pcm[static CF_SOUND_FRAME]);

/** Gives a frame to play: false when the ring is full and it was dropped. */
bool cf_sound_play(struct cf_sound *sound, const int16_t pcm[static CF_SOUND_FRAME]);

/** 0, or the error that ended the device (unplugged: CF_EIO). */
int cf_sound_error(const struct cf_sound *sound);

/** Stops the thread, waits for it (at most some 40 ms), frees. NULL is fine. */
struct cf_sound *cf_sound_free(struct cf_sound *sound);

#endif
