/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An adaptive jitter buffer for audio. Packets go in as they arrive, frames come out at the pace of
 * the player; the delay follows a high percentile of the packets' lateness: up quickly, down
 * slowly. It decides what to play; concealing and stretching are the caller's (media/receiver.h).
 * Reordering, duplicates, DTX pauses, clock drift, jumps of timestamp or sequence number and new
 * SSRCs are handled. Pure; one thread at a time; nothing is allocated after _new().
 */
#ifndef CF_RTP_JITTER_H
#define CF_RTP_JITTER_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_jitter;

struct cf_jitter_opts {
	uint32_t clock_hz;     /* default 48000 */
	uint32_t frame_ms;     /* default 20: length of what _get() asks for */
	uint32_t min_delay_ms; /* default 20 */
	uint32_t max_delay_ms; /* default 500 */
	size_t slots;          /* default 64; power of two, packets held at most */
	size_t max_payload;    /* default 1276; longer packets are refused */
};

void cf_jitter_opts_defaults(struct cf_jitter_opts *opts);

enum cf_jitter_result {
	CF_JITTER_PACKET, /* play frame->payload */
	CF_JITTER_LOST,   /* conceal one frame; frame->payload, if any, is the next packet (for FEC)
			   */
	CF_JITTER_LATE,   /* nothing there yet: conceal one frame, the packet may still be played */
	CF_JITTER_SILENCE, /* no sound now: before the start, DTX pause, the stream stopped */
};

enum cf_jitter_stretch {
	CF_JITTER_KEEP,
	CF_JITTER_ACCELERATE, /* delay above target: drop a frame when that is not heard */
	CF_JITTER_EXPAND,     /* delay below target: insert a frame when that is not heard */
};

struct cf_jitter_frame {
	struct cf_view payload; /* valid until the next _put(); empty where there is none */
	uint16_t seq;
	uint32_t ts;
	bool marker;
	bool restarted; /* first packet of a new or restarted stream: reset the decoder */
	enum cf_jitter_stretch stretch;
	bool must; /* stretch even where it is heard: the delay is far off */
};

struct cf_jitter_stats {
	uint64_t received;
	uint64_t played;
	uint64_t lost; /* frames concealed because their packet never came in time */
	uint64_t late; /* packets that came after their turn */
	uint64_t duplicates;
	uint64_t dropped;   /* overflow, too long */
	uint64_t underruns; /* times that the buffer ran dry while the stream was on */
	uint64_t restarts;
	uint32_t target_ms;
	uint32_t delay_ms; /* of what is played now, above the fastest packet */
	uint32_t held;     /* packets in the buffer */
};

/** 0, CF_EINVAL for options out of range, CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_jitter_new(struct cf_jitter **ret_jitter, const struct cf_jitter_opts *opts);
struct cf_jitter *cf_jitter_free(struct cf_jitter *jitter);

/** Forgets everything but the options. */
void cf_jitter_reset(struct cf_jitter *jitter);

/** A packet has arrived (copies payload). An empty payload says that no audio travels under this
 * number (a telephone event): it is not missed, its timestamp not looked at. 0; CF_EEXIST
 * duplicate; CF_EEXPIRED too late; CF_ELIMIT too long; CF_EAGAIN after a jump, until the next
 * packet confirms it. */
int cf_jitter_put(struct cf_jitter *jitter, uint32_t ssrc, uint16_t seq, uint32_t ts, bool marker,
	struct cf_view payload, uint64_t now_us);

/** What to play for the next frame; call once a frame length of playing. */
enum cf_jitter_result cf_jitter_get(
	struct cf_jitter *jitter, uint64_t now_us, struct cf_jitter_frame *ret_frame);

/** After CF_JITTER_PACKET: its true length in timestamp units, where it is not one frame. */
void cf_jitter_played(struct cf_jitter *jitter, uint32_t duration);

void cf_jitter_stats(
	const struct cf_jitter *jitter, uint64_t now_us, struct cf_jitter_stats *ret_stats);

#endif
