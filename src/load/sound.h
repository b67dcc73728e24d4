/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sound of a load: each talker has two tones of its own, above a little noise, encoded once; a
 * listener decodes the mix and tells whose tones are in it. Pure; one thread at a time.
 */
#ifndef CF_LOAD_SOUND_H
#define CF_LOAD_SOUND_H

#include "base/err.h"
#include "base/view.h"
#include "media/codec/opus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct voice;
struct listener;

/** What talker `number` says, over and over; NULL without memory. number: below
 * CF_LOAD_TALKERS_MAX. Silence for a larger one. */
CF_MUST_CHECK struct voice *voice_new(unsigned number);
struct voice *voice_free(struct voice *voice);
/** Its i-th frame of 20 ms: an Opus packet (valid as long as the voice; empty: nothing to send),
 * and its level (RFC 6464). */
struct cf_view voice_frame(const struct voice *voice, uint64_t i, uint8_t *ret_level);

/** Listens for the first n_voices talkers. */
CF_MUST_CHECK struct listener *listener_new(unsigned n_voices);
struct listener *listener_free(struct listener *listener);
/** 20 ms that were heard. */
void listener_put(struct listener *listener, const int16_t pcm[static CF_OPUS_FRAME]);
/** Whether this one was among them, clearly and more than once. */
bool listener_knows(const struct listener *listener, unsigned number);

#endif
