/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the mixer share. */
#ifndef CF_MIX_MIX_PRIV_H
#define CF_MIX_MIX_PRIV_H

#include "base/list.h"
#include "mix/gain.h"
#include "mix/mix.h"

#define CF_MIX_PROBES 8 /* members that do not tell their level, listened to at a time */
#define CF_MIX_MAX_STREAMS (2 * CF_MIX_MAX_TALKERS)

/* How much a member talks, from the levels of its packets; dBov. */
struct cf_mix_activity {
	float level_db;  /* the last */
	float floor_db;  /* of its background */
	float loud_db;   /* follows up at once and down slowly */
	float steady_db; /* follows loud_db slowly: who dominates */
	unsigned hold;   /* ticks for which it is still talking; 0: silent */
	unsigned lies;   /* frames told far louder than they are */
};

/* A talker's frame of this tick, with its gain. */
struct cf_mix_voice {
	float pcm[CF_OPUS_FRAME];
};

/* One encoder, and what it made of this tick. member NULL: free, or the shared one. */
struct cf_mix_stream {
	struct cf_opus_encoder *encoder;
	struct cf_mix_member *member;
	struct cf_mix_limiter limiter;
	unsigned idle;   /* ticks with nothing but comfort noise */
	unsigned linger; /* ticks since its member was mixed */
	bool resting;    /* the encoder has nothing to send (DTX) */
	uint8_t level;
	size_t len;
	uint8_t payload[CF_OPUS_MAX_PACKET];
};

struct cf_mix_probe {
	struct cf_mix_member *member;
	unsigned ticks;
	int16_t pcm[CF_OPUS_FRAME];
};

struct cf_mix_member {
	struct cf_list node;
	struct cf_mix *mix;
	void *owner;
	struct cf_mix_member_opts opts;
	char mid[CF_MIX_MAX_MID + 1];

	struct cf_media_receiver *receiver;
	struct cf_mix_activity activity;
	struct cf_mix_gain gain;
	bool tells_level; /* its last packet had one */
	bool muted;
	bool talker;          /* selected */
	bool chosen;          /* while selecting */
	bool heard;           /* mixed in the tick before */
	unsigned age;         /* ticks as a talker */
	unsigned quiet_ticks; /* since its last packet */
	uint64_t probed;      /* tick of the last probe */
	struct cf_mix_probe *probe;
	bool have_frame; /* the probe's pcm holds this tick's frame */
	struct cf_mix_voice *voice;
	unsigned lead; /* ticks for which it has been louder than the speaker before it */

	struct cf_rtp_sender rtp;
	uint32_t ts;
	bool listening;
	bool sent; /* in the tick before */
	struct cf_mix_stream *own;
};

struct cf_mix {
	struct cf_mix_opts opts;
	struct cf_mix_stats stats;
	struct cf_list members;
	uint64_t now_us;
	uint32_t rng;
	bool have_tail;
	float tail[CF_OPUS_FRAME]; /* end of the voice of those who were removed */
	float sum[CF_OPUS_FRAME];
	int16_t pcm[CF_OPUS_FRAME];
	struct cf_mix_probe probes[CF_MIX_PROBES];
	unsigned n_voices;
	struct cf_mix_voice *voices; /* 2 * talkers_max: half of them fade out */
	struct cf_mix_stream shared;
	unsigned n_shared;  /* who listen to it */
	unsigned n_streams; /* that exist */
	struct cf_mix_stream *streams[CF_MIX_MAX_STREAMS];
	unsigned n_sources; /* who is heard in this tick, the dominant one first */
	struct cf_mix_member *sources[CF_MIX_MAX_SOURCES];
	unsigned n_speakers;
	struct cf_mix_member *speakers[CF_MIX_MAX_TALKERS];
};

/* talkers.c: who talks. */
void cf_mix_activity_init(struct cf_mix_activity *activity);
void cf_mix_activity_note(struct cf_mix_activity *activity, float level_db);
void cf_mix_activity_compare(struct cf_mix_activity *activity, float decoded_db);
bool cf_mix_activity_distrusted(const struct cf_mix_activity *activity);
void cf_mix_probe_run(struct cf_mix *mix);
void cf_mix_probe_stop(struct cf_mix_member *member);
void cf_mix_choose(struct cf_mix *mix);
void cf_mix_order(struct cf_mix *mix);
void cf_mix_order_remove(struct cf_mix_member *member);

/* stream.c: who gets which encoder's packets. */
int cf_mix_streams_grow(struct cf_mix *mix, unsigned members);
void cf_mix_stream_free(struct cf_mix_stream *stream);
void cf_mix_stream_release(struct cf_mix *mix, struct cf_mix_stream *stream);
void cf_mix_streams_assign(struct cf_mix *mix);
void cf_mix_streams_encode(struct cf_mix *mix);

/* 20 ms of a member, decoded; counts. */
bool cf_mix_pull(struct cf_mix_member *member, int16_t pcm[static CF_OPUS_FRAME]);

#endif
