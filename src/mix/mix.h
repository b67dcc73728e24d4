/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audio mixer of one group call (an MCU, RFC 7667 section 3.5): RTP packets of the members in,
 * one Opus packet for each member out, every 20 ms. Each member hears all the others and never
 * itself. Only those who talk are decoded; all who listen share one encoder, each talker has one of
 * its own. SRTP, RTCP packets and sockets are the caller's. Pure; one thread at a time; nothing is
 * allocated but by _new() and _add(), and nothing locked.
 */
#ifndef CF_MIX_MIX_H
#define CF_MIX_MIX_H

#include "base/err.h"
#include "media/receiver.h"
#include "rtp/sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_mix;
struct cf_mix_member;

#define CF_MIX_TICK_US 20000
#define CF_MIX_MAX_TALKERS 32
#define CF_MIX_MAX_MEMBERS 1000
#define CF_MIX_MAX_MID 16
#define CF_MIX_MAX_SOURCES 15  /* that a packet can name (RFC 3550 section 5.1) */
#define CF_MIX_MAX_PACKET 1400 /* that emit is given */

struct cf_mix_opts {
	unsigned talkers_max; /* the loudest, heard at a time: default 8; 1..CF_MIX_MAX_TALKERS */
	unsigned members_max; /* default 350; 1..CF_MIX_MAX_MEMBERS */
	struct cf_opus_opts opus; /* of what is sent; default with DTX */
};

void cf_mix_opts_defaults(struct cf_mix_opts *opts);

struct cf_mix_member_opts {
	/* what comes from the member */
	uint8_t recv_opus_pt;      /* default 111 */
	uint8_t recv_dtmf_pt;      /* 0: none */
	uint8_t recv_level_ext_id; /* RFC 6464; 0: none, then levels are found by decoding */
	uint32_t source; /* its name among the contributing sources (CSRC, RFC 3550 section 7.1) of
			  * what the others get; 0: none */
	/* what goes to it */
	uint32_t ssrc;
	uint16_t seq_seed;    /* random */
	uint32_t ts_seed;     /* random */
	uint8_t opus_pt;      /* default 111 */
	uint8_t level_ext_id; /* 0: none */
	uint8_t mid_ext_id;   /* 0: none */
	const char *mid;      /* copied, at most CF_MIX_MAX_MID bytes; NULL or "": none */
	struct cf_jitter_opts jitter;
};

void cf_mix_member_opts_defaults(struct cf_mix_member_opts *opts);

struct cf_mix_stats {
	uint64_t ticks;
	uint64_t decodes; /* frames */
	uint64_t encodes;
	uint64_t packets; /* emitted */
	uint64_t probes;  /* of the decodes: only to find the level of one that does not tell it */
	unsigned tick_decodes; /* in the last _run() */
	unsigned tick_encodes;
	unsigned tick_packets;
	unsigned members;
	unsigned talkers; /* selected now */
	unsigned streams; /* encoders of members of their own, now */
};

struct cf_mix_member_stats {
	struct cf_media_receiver_stats receive;
	uint8_t level; /* of what came last, -dBov */
	float gain_db; /* that the automatic gain gives it */
	bool talker;   /* it is mixed */
	bool speaking; /* it talks, mixed or not */
	bool muted;
	bool listening;
	bool own_stream;            /* has an encoder of its own */
	int64_t rtt_us;             /* -1: not known */
	uint8_t peer_fraction_lost; /* of 256, of what goes to it */
};

/** 0; CF_EINVAL for options out of range; CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_mix_new(struct cf_mix **ret_mix, const struct cf_mix_opts *opts);

/** Frees the members too. NULL is fine; returns NULL. */
struct cf_mix *cf_mix_free(struct cf_mix *mix);

/** Adds a member (copies opts). owner comes back by emit and _speaking(). 0; CF_ELIMIT; CF_EINVAL;
 * CF_ENOMEM. */
CF_MUST_CHECK int cf_mix_add(struct cf_mix *mix, const struct cf_mix_member_opts *opts, void *owner,
	struct cf_mix_member **ret_member);

/** Removes and frees a member; its voice fades out. NULL is fine; returns NULL. */
struct cf_mix_member *cf_mix_remove(struct cf_mix_member *member);

/** A packet of the member, decrypted and parsed (copies what it keeps). 0, or why it is not used,
 * as cf_media_receiver_put(): nothing needs an action. */
int cf_mix_put(struct cf_mix_member *member, const struct cf_rtp_packet *packet, uint64_t now_us);

/** A plain RTP packet for the owner (borrowed until return). May not call the mixer. */
typedef void cf_mix_emit_fn(void *owner, const uint8_t *packet, size_t len, void *arg);

/** 20 ms pass: call it every CF_MIX_TICK_US, and once more for each tick that was missed, so that
 * timestamps keep pace with the clock. Calls emit at most once for each member. */
void cf_mix_run(struct cf_mix *mix, uint64_t now_us, cf_mix_emit_fn *emit, void *arg);

/** Muted by the service: nobody hears the member. */
void cf_mix_set_muted(struct cf_mix_member *member, bool muted);

/** Not listening (hold): nothing is sent to the member; its timestamps go on. */
void cf_mix_set_listening(struct cf_mix_member *member, bool listening);

/** Those who talk, the dominant one first: owners, at most max. The order does not flap: another
 * one has to be clearly louder for a while to go ahead. Returns how many. */
size_t cf_mix_speaking(const struct cf_mix *mix, void **ret_owners, size_t max);

/** The next key of the member: CF_DTMF_START, CF_DTMF_END with its data, or CF_DTMF_NOTHING. */
int cf_mix_dtmf(struct cf_mix_member *member, struct cf_dtmf_event_info *ret_info);

/** An SR of the member. */
void cf_mix_sr(struct cf_mix_member *member, uint32_t ssrc, const struct cf_rtcp_sender_info *info,
	uint64_t now_us);

/** The report block about what came from the member; false before its first packet. */
bool cf_mix_block(struct cf_mix_member *member, uint64_t now_us, struct cf_rtcp_block *ret_block);

/** A report block of the member; false when it is not about what we send. Encoders follow the
 * losses. */
bool cf_mix_report(
	struct cf_mix_member *member, const struct cf_rtcp_block *block, uint64_t now_us);

/** What is sent to the member, for cf_rtp_sender_write_report(). */
const struct cf_rtp_sender *cf_mix_member_rtp(const struct cf_mix_member *member);

void cf_mix_member_stats(
	const struct cf_mix_member *member, uint64_t now_us, struct cf_mix_member_stats *ret_stats);

void cf_mix_stats(const struct cf_mix *mix, struct cf_mix_stats *ret_stats);

#endif
