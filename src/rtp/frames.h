/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts received video packets together to frames, in order, and says what is missing: numbers to
 * ask for again (NACK) and when only a key frame helps (PLI). A frame is handed out as soon as it
 * is whole and all before it have been: a hole is waited for as long as repairing it can help.
 * Numbers and timestamps wrap; a new SSRC begins anew. Pure; one thread at a time; nothing is
 * allocated after _new().
 */
#ifndef CF_RTP_FRAMES_H
#define CF_RTP_FRAMES_H

#include "base/err.h"
#include "base/view.h"
#include "rtp/packet.h"
#include "rtp/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_frames;

#define CF_FRAMES_NACKS_MAX 128 /* numbers that are asked for at the same time */

struct cf_frames_opts {
	enum cf_video_codec codec;
	size_t slots;         /* default 1024; power of two: packets held at most */
	size_t max_packet;    /* default 1500: longer payloads are refused */
	size_t max_frame;     /* default 1 MiB: of a whole frame */
	uint32_t max_wait_ms; /* default 600: how long a hole is waited for before a key frame is
			       * asked for */
	bool nack;            /* default true: the sender answers NACK */
};

void cf_frames_opts_defaults(struct cf_frames_opts *opts);

/* A whole frame. */
struct cf_frame {
	struct cf_view data; /* as the decoder wants it; valid until the next call */
	uint32_t ts;         /* RTP timestamp, 90 kHz */
	bool key;
	uint64_t complete_us; /* when its last packet came */
};

struct cf_frames_stats {
	uint64_t packets;
	uint64_t duplicates; /* repaired twice, or sent twice */
	uint64_t late;       /* behind what has been handed out or given up */
	uint64_t repaired;   /* came after they had been asked for */
	uint64_t frames;     /* handed out */
	uint64_t key_frames;
	uint64_t dropped; /* frames given up: never whole, or not decodable without one before */
	uint64_t nacks;   /* numbers asked for, repetitions too */
	uint64_t plis;    /* key frames asked for */
};

/** 0, CF_EINVAL, CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_frames_new(struct cf_frames **ret_frames, const struct cf_frames_opts *opts);
struct cf_frames *cf_frames_free(struct cf_frames *frames);

/** Forgets everything but options and statistics; from now on it is this codec. */
void cf_frames_reset(struct cf_frames *frames, enum cf_video_codec codec);

/** A packet of the stream (copied; padding only: payload empty, counts as there). 0; CF_EEXIST
 * duplicate; CF_EEXPIRED too late; CF_ELIMIT too long or too far ahead (then begins anew at it);
 * CF_EBADMSG. None of them needs an action. */
int cf_frames_put(struct cf_frames *frames, const struct cf_rtp_packet *packet, uint64_t now_us);

/** The next frame, in order: true, or false when there is none now. Frames that cannot be decoded
 * (one before them was given up) are passed over up to the next key frame. */
bool cf_frames_get(struct cf_frames *frames, uint64_t now_us, struct cf_frame *ret_frame);

/** Numbers to ask for now, ascending: new holes at once (a little later where packets overtake each
 * other), the same again after a round-trip, at most 10 times. Counts them as asked. */
size_t cf_frames_nack(struct cf_frames *frames, uint64_t now_us, uint32_t rtt_us,
	uint16_t ret_seqs[static CF_FRAMES_NACKS_MAX]);

/** Whether to ask for a key frame now: nothing decodable yet, a hole given up, or the decoder said
 * so. Again after max(rtt, 200 ms), until one is there. Counts it as asked. */
bool cf_frames_pli(struct cf_frames *frames, uint64_t now_us, uint32_t rtt_us);

/** The decoder failed on what it was given: only a key frame helps. */
void cf_frames_broken(struct cf_frames *frames);

/** When cf_frames_get(), _nack() or _pli() may have something without a packet coming:
 * CF_TIME_NEVER. */
uint64_t cf_frames_deadline_us(const struct cf_frames *frames);

void cf_frames_stats(const struct cf_frames *frames, struct cf_frames_stats *ret_stats);

#endif
