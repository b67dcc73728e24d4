/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selective forwarding of video in one group call (an SFU, RFC 7667 section 3.7). Members send
 * *tracks* (a camera, in one or more sizes; a screen) and receive in *slots*: a fixed number of
 * streams, into which the tracks of others are put, the screens first, then those who spoke last.
 * Who is in a slot is named by the contributing source of its packets. A slot's numbers, times and
 * picture ids go on without a gap when the track in it, or its size, changes; a change waits for a
 * key frame. SRTP, RTCP compounds and sockets are the caller's. Pure; one thread at a time; nothing
 * is allocated but by _new(), _add() and their like, and nothing locked.
 */
#ifndef CF_FORWARD_FORWARD_H
#define CF_FORWARD_FORWARD_H

#include "base/err.h"
#include "base/wire.h"
#include "rtp/payload.h"
#include "rtp/rtcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_forward;
struct cf_forward_member;
struct cf_forward_track;
struct cf_forward_slot;

#define CF_FORWARD_MEMBERS_MAX 1000
#define CF_FORWARD_TRACKS_MAX 2 /* of one member */
#define CF_FORWARD_SLOTS_MAX 49 /* of one member */
#define CF_FORWARD_LAYERS_MAX 3 /* of one track */
#define CF_FORWARD_FORMATS_MAX 8
#define CF_FORWARD_MID_MAX 16
#define CF_FORWARD_RID_MAX 16
#define CF_FORWARD_WISHES_MAX 64
#define CF_FORWARD_PACKET_MAX 1400 /* plain RTP, either way */

/** A plain RTP packet for the owner; its bytes may be changed, and cap leaves room for SRTP. May
 * not call the forwarder. */
typedef void cf_forward_emit_fn(void *owner, uint8_t *packet, size_t n, size_t cap, void *arg);

/** 0, CF_ENOMEM. */
CF_MUST_CHECK int cf_forward_new(
	struct cf_forward **ret_forward, cf_forward_emit_fn *emit, void *arg);
/** Frees the members too. NULL is fine; returns NULL. */
struct cf_forward *cf_forward_free(struct cf_forward *forward);

/** A member; owner comes back by emit. start_bps: what may go to it before its feedback tells (0:
 * 1,000,000). 0, CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int cf_forward_add(struct cf_forward *forward, uint32_t start_bps, void *owner,
	struct cf_forward_member **ret_member);
/** Removes and frees it, its tracks and slots. NULL is fine; returns NULL. */
struct cf_forward_member *cf_forward_remove(struct cf_forward_member *member);

struct cf_forward_format {
	enum cf_video_codec codec;
	uint8_t pt;
	uint8_t rtx_pt; /* 0: none */
};

/* What a member sends. */
struct cf_forward_track_opts {
	bool screen;
	uint32_t source; /* names it in what the others get (CSRC) */
	const char *mid; /* copied */
	uint8_t mid_ext_id, rid_ext_id, repaired_rid_ext_id, twcc_ext_id; /* 0: none */
	size_t n_formats;
	struct cf_forward_format formats[CF_FORWARD_FORMATS_MAX];
	size_t n_rids;                           /* 0: one stream */
	const char *rids[CF_FORWARD_LAYERS_MAX]; /* in any order; copied */
};

/** 0, CF_ELIMIT, CF_EINVAL, CF_ENOMEM. */
CF_MUST_CHECK int cf_forward_track_add(struct cf_forward_member *member,
	const struct cf_forward_track_opts *opts, struct cf_forward_track **ret_track);
/** Whether the member sends it. One that is off is not shown, and what is known of its streams
 * stays: senders need not name them again (RFC 8852 section 4.1). At first: on. */
void cf_forward_track_on(struct cf_forward_track *track, bool on);
/** It ends: slots that show it show others. NULL is fine; returns NULL. */
struct cf_forward_track *cf_forward_track_remove(struct cf_forward_track *track);

/* Where a member receives. */
struct cf_forward_slot_opts {
	uint32_t ssrc, rtx_ssrc;
	uint16_t seq_seed, rtx_seq_seed; /* random */
	uint32_t ts_seed;                /* random */
	const char *mid;                 /* copied */
	uint8_t mid_ext_id, twcc_ext_id; /* 0: none */
	size_t n_formats;
	struct cf_forward_format formats[CF_FORWARD_FORMATS_MAX];
};

/** The order of adding is the order of importance. 0, CF_ELIMIT, CF_EINVAL, CF_ENOMEM. */
CF_MUST_CHECK int cf_forward_slot_add(struct cf_forward_member *member,
	const struct cf_forward_slot_opts *opts, struct cf_forward_slot **ret_slot);
struct cf_forward_slot *cf_forward_slot_remove(struct cf_forward_slot *slot);

/** What a slot is for. source: this track only, 0: whom the service chooses. height: pixels that it
 * is shown in; 0: not at all, nothing is sent. At first: chosen, as large as it gets. */
void cf_forward_want(struct cf_forward_slot *slot, uint32_t source, unsigned height);

/* In how many rows of pixels a member shows what comes from a source; 0: not at all. */
struct cf_forward_wish {
	uint32_t source;
	uint16_t height;
};

/** In which sizes the member shows others (copied; more than CF_FORWARD_WISHES_MAX are left out),
 * and those that are not among them. At first: as large as they get. */
void cf_forward_view(struct cf_forward_member *member, const struct cf_forward_wish *wishes,
	size_t n, uint16_t others);

/** Who spoke last, the last one first: sources of their tracks. Those that are not named come
 * behind them, as they came. */
void cf_forward_speaking(struct cf_forward *forward, const uint32_t *sources, size_t n);

/** A packet of the member, decrypted; its bytes may be changed. Who sees it gets it with the next
 * cf_forward_flush(), or before. 0; CF_ENOTFOUND: it is no track's (sound, say); else why it is not
 * used. */
int cf_forward_put(struct cf_forward_member *member, uint8_t *p, size_t n, uint64_t now_us);

/** Emits what was put since the last time, to one receiver after another: so a burst goes out as
 * one train. Call it behind each batch of packets. */
void cf_forward_flush(struct cf_forward *forward, uint64_t now_us);

/** An item of a compound of the member. */
void cf_forward_rtcp(
	struct cf_forward_member *member, const struct cf_rtcp_item *item, uint64_t now_us);

/** Looks at rates, sizes and who is shown. Call it every 20 to 100 ms. */
void cf_forward_tick(struct cf_forward *forward, uint64_t now_us);

/** Whether the member has feedback to get now: NACK, PLI, arrival times. Cheap. */
bool cf_forward_feedback_due(const struct cf_forward_member *member, uint64_t now_us);
/** Writes it into a compound that the caller has begun. ssrc: ours. */
void cf_forward_feedback(
	struct cf_forward_member *member, struct cf_wire_writer *w, uint32_t ssrc, uint64_t now_us);

/** Report blocks about what the member sends; how many. */
size_t cf_forward_blocks(struct cf_forward_member *member, uint64_t now_us,
	struct cf_rtcp_block *ret_blocks, size_t cap);
/** Sender reports about its slots, with the CNAME. */
void cf_forward_reports(struct cf_forward_member *member, const char *cname, uint64_t now_us,
	struct cf_wire_writer *w);

struct cf_forward_slot_stats {
	uint32_t source; /* shown now, 0 none */
	int layer;       /* of it, 0 the largest; -1 none */
	uint64_t packets, bytes;
	uint64_t switches;
	uint64_t nacks, repeated;
	uint64_t plis;
	bool waiting; /* for a key frame of what it shall show */
};
void cf_forward_slot_stats(
	const struct cf_forward_slot *slot, struct cf_forward_slot_stats *ret_stats);

struct cf_forward_track_stats {
	bool wanted;                         /* somebody looks at it */
	uint32_t bps[CF_FORWARD_LAYERS_MAX]; /* the largest first */
	uint64_t packets;
	uint64_t nacks, plis; /* ours */
};
void cf_forward_track_stats(const struct cf_forward_track *track, uint64_t now_us,
	struct cf_forward_track_stats *ret_stats);

/** What may go to the member, bits per second, by its feedback. */
uint32_t cf_forward_target_bps(const struct cf_forward_member *member);

#endif
