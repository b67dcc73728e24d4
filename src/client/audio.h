/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audio of one call: every 20 ms a frame is read, encoded and sent, and a frame of what came in
 * is played. Sources and sinks are the application's functions, files or the sound card. Packets
 * leave and enter as plain RTP and RTCP; the peer room encrypts. One loop.
 */
#ifndef CF_CLIENT_AUDIO_H
#define CF_CLIENT_AUDIO_H

#include "base/err.h"
#include "loop/loop.h"
#include "sdp/media.h"

#include <callflow/callflow.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_audio;

struct cf_audio_callbacks {
	/** A packet to be sent; the buffer has cap bytes, to be encrypted in place. */
	void (*rtp)(uint8_t *packet, size_t n, size_t cap, void *arg);
	void (*rtcp)(uint8_t *packet, size_t n, size_t cap, void *arg);
	/** The peer pressed a key. */
	void (*digit)(char key, void *arg);
	/** The input file was played to its end. */
	void (*input_ended)(void *arg);
};

/** Opens files and device (any thread). 0, CF_ENOTFOUND, CF_EDENIED, CF_EBADMSG, CF_EIO, CF_ENOMEM;
 * why it failed, in words, is in cf_client_why(). */
CF_MUST_CHECK int cf_audio_new(
	struct cf_audio **ret_audio, const struct callflow_audio_options *options);
/** Closes files and device; also from inside a callback of it, after which no other comes. */
struct cf_audio *cf_audio_free(struct cf_audio *audio);

/** Makes encoder and decoder as agreed, and starts to tick on the loop. Once. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_audio_start(struct cf_audio *audio, struct cf_loop *loop,
	const struct cf_sdp_agreed *agreed, uint32_t ssrc, const char *cname,
	const struct cf_audio_callbacks *callbacks, void *arg);

/** What was started goes on over another connection, as agreed there: what the one before has sent
 * is played until the first word of the new one. 0, or CF_ENOMEM (unchanged). */
CF_MUST_CHECK int cf_audio_move(
	struct cf_audio *audio, const struct cf_sdp_agreed *agreed, uint32_t ssrc);

/** A renegotiated direction: whether we send and hear. */
void cf_audio_set_direction(struct cf_audio *audio, bool send, bool recv);
void cf_audio_mute(struct cf_audio *audio, bool on);
/** 0, CF_EINVAL, CF_ELIMIT, CF_ENOTSUP (the peer takes no keys), CF_ESTATE before the start. */
CF_MUST_CHECK int cf_audio_dtmf(struct cf_audio *audio, const char *keys);

/** Packets from the peer. */
void cf_audio_rtp(struct cf_audio *audio, const uint8_t *packet, size_t n, uint64_t now_us);
void cf_audio_rtcp(struct cf_audio *audio, const uint8_t *packet, size_t n, uint64_t now_us);

/** placed_us: when the call was placed or accepted, which the first frame played is counted from.
 */
void cf_audio_stats(
	const struct cf_audio *audio, uint64_t placed_us, struct callflow_stats *ret_stats);

#endif
