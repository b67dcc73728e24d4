/* SPDX-License-Identifier: Apache-2.0 */
/* The objects behind forward/forward.h. For src/forward only. */
#ifndef CF_FORWARD_PRIV_H
#define CF_FORWARD_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "cc/estimator.h"
#include "cc/meter.h"
#include "forward/forward.h"
#include "rtp/gaps.h"
#include "rtp/history.h"
#include "rtp/packet.h"
#include "rtp/sender.h"
#include "rtp/stats.h"
#include "rtp/twcc.h"

/* Packets of a stream kept for those who ask again: a second of one at 2 Mbit/s. */
#define HISTORY_SLOTS 256
/* What a path carries besides the RTP packet: SRTP's tag, UDP and IP. */
#define OVERHEAD 50
/* Changes of what is in a slot that its numbers can be traced back over. */
#define EPOCHS 4
#define REPEATED 32
/* Of the tracks of a call, those that anybody can be shown. */
#define ORDER_MAX (3 * CF_FORWARD_SLOTS_MAX)
/* A stream from which nothing has come for so long is over, for now. */
#define SILENT_US (2 * CF_US_PER_S)
/* Key frames are asked for at most so often, of one stream. */
#define PLI_US (300 * CF_US_PER_MS)
#define FEEDBACK_US (50 * CF_US_PER_MS)
/* Packets of one stream that wait to be passed on together. */
#define PENDING_MAX 32

/* One size of a track: a stream of packets. */
struct layer {
	struct cf_forward_track *track;
	struct cf_rtp_history *history;
	struct cf_rtp_source source;
	struct cf_rtp_gaps gaps;
	struct cf_cc_meter meter;
	uint32_t rtx_ssrc; /* learned; 0 not known */
	bool alive;        /* something has come */
	bool key_wanted;
	size_t rank;                 /* among the track's, 0 the largest */
	uint32_t width, height;      /* of the pictures; 0 not known yet */
	uint64_t pli_us;             /* when the last one was asked for, 0 never */
	uint64_t last_us;            /* of the last packet */
	struct cf_list shown;        /* slots that it goes to, shown_link */
	struct cf_list awaited;      /* slots that wait for its key frame, awaited_link */
	struct cf_list pending_link; /* in the call's pending, while something is to be passed on */
	size_t n_pending;
	uint16_t pending[PENDING_MAX]; /* numbers; the packets are in the history */
	enum cf_video_codec codec;
	char rid[CF_FORWARD_RID_MAX + 1];
};

struct cf_forward_track {
	struct cf_list link;       /* in the member's tracks */
	struct cf_list order_link; /* in all tracks of the call, as they came */
	struct cf_forward_member *member;
	bool screen;
	bool off;  /* its member does not send it now */
	bool live; /* it sends */
	uint32_t source;
	uint8_t mid_ext_id, rid_ext_id, repaired_rid_ext_id, twcc_ext_id;
	size_t n_formats, n_layers;
	struct cf_forward_format formats[CF_FORWARD_FORMATS_MAX];
	struct layer layers[CF_FORWARD_LAYERS_MAX];
	struct layer *by_size[CF_FORWARD_LAYERS_MAX]; /* n_layers, the largest first */
	uint64_t packets, nacks, plis;
	char mid[CF_FORWARD_MID_MAX + 1];
};

/* How the numbers of what is in a slot become the slot's own: by adding. */
struct epoch {
	struct layer *layer; /* NULL: it is gone */
	uint16_t first;      /* number of the slot with which it began */
	uint16_t seq_add;
	uint32_t ts_add;
	uint16_t picture_add;
	uint8_t tl0_add;
};

struct cf_forward_slot {
	struct cf_list link;
	struct cf_list shown_link, awaited_link; /* in the layers' lists */
	struct cf_forward_member *member;
	struct cf_forward_track *track; /* to be shown */
	struct layer *next;             /* what it shall show: a key frame of it is waited for */
	struct epoch epochs[EPOCHS];    /* the present one first; its layer NULL: nothing */
	struct cf_rtp_sender rtp;
	uint32_t wanted_source;
	unsigned height;
	uint32_t rtx_ssrc;
	uint16_t rtx_seq;
	uint16_t last_seq, last_picture;
	uint32_t last_ts;
	uint8_t last_tl0;
	struct {
		uint64_t at_us;
		uint16_t seq;
	} repeated[REPEATED]; /* lately: not again so soon */
	uint64_t changed_us;  /* of the last change of size */
	bool started;
	uint8_t mid_ext_id, twcc_ext_id;
	size_t mid_len, n_formats;
	struct cf_forward_format formats[CF_FORWARD_FORMATS_MAX];
	struct cf_forward_slot_stats stats;
	char mid[CF_FORWARD_MID_MAX];
};

struct cf_forward_member {
	struct cf_list link;
	struct cf_forward *forward;
	void *owner;
	struct cf_list tracks, slots;
	size_t n_tracks, n_slots;
	struct cf_cc *cc;
	uint16_t twcc_seq;   /* of what goes to it */
	struct cf_twcc twcc; /* of what comes from it */
	uint64_t feedback_us;
	uint64_t tried_us; /* when more was last tried than is known to fit */
	uint64_t cut_us;   /* when a size was last given up for want of bandwidth */
	bool feeds_back;   /* arrival times have come */
	uint16_t others;   /* rows in which it shows those without a wish */
	size_t n_wishes;
	struct cf_forward_wish wishes[CF_FORWARD_WISHES_MAX];
};

struct cf_forward {
	struct cf_list members;
	struct cf_list tracks;  /* of all, order_link */
	struct cf_list pending; /* struct layer, pending_link */
	size_t n_members;
	bool dirty; /* who is shown where has to be looked at */
	cf_forward_emit_fn *emit;
	void *arg;
	uint32_t speakers[CF_FORWARD_SLOTS_MAX];
	size_t n_speakers;
	struct cf_forward_track *order[ORDER_MAX]; /* who is to be seen, first ones first */
	size_t n_order;
	struct cf_twcc_entry entries[CF_TWCC_PACKETS_MAX * 4];
	struct cf_cc_arrival arrivals[CF_TWCC_PACKETS_MAX * 4];
};

static inline struct cf_forward_member *member_of(const struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_forward_member, link);
}

static inline struct cf_forward_track *track_of(const struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_forward_track, link);
}

static inline struct cf_forward_slot *slot_of(const struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_forward_slot, link);
}

/* ---- track.c ---- */

/** Passes on what waits for it. */
void layer_flush(struct layer *layer, uint64_t now_us);
/** A key frame of this stream is wanted. */
void layer_want_key(struct layer *layer);
uint32_t layer_bps(const struct layer *layer, uint64_t now_us);
bool layer_live(const struct layer *layer, uint64_t now_us);
/** Looks again which one is how large. */
void track_rank(struct cf_forward_track *track, uint64_t now_us);
/** The payload type of a codec, and of its repetitions; NULL: not in use. */
const struct cf_forward_format *format_of(
	const struct cf_forward_format *formats, size_t n, enum cf_video_codec codec);

/* ---- slot.c ---- */

/** A packet of the stream that the slot shows. */
void slot_forward(
	struct cf_forward_slot *slot, const struct cf_rtp_packet *packet, uint64_t now_us);
/** A key frame of the stream that the slot waits for begins: it shows that from now on. */
void slot_switch(struct cf_forward_slot *slot, const struct cf_rtp_packet *packet, uint64_t now_us);
/** From now on it shall show this (NULL: nothing). */
void slot_aim(struct cf_forward_slot *slot, struct layer *layer);
/** The stream goes away. */
void slot_forget(struct cf_forward_slot *slot, const struct layer *layer);
/** An item of a compound of the member, about this slot or not. */
void slot_rtcp(struct cf_forward_slot *slot, const struct cf_rtcp_item *item, uint64_t now_us);
/** What it shows; NULL: nothing. */
static inline struct layer *slot_layer(const struct cf_forward_slot *slot)
{
	return slot->epochs[0].layer;
}

/* ---- choose.c ---- */

/** Who is shown where. */
void choose_tracks(struct cf_forward *forward, uint64_t now_us);
/** In which size. */
void choose_layers(struct cf_forward_member *member, uint64_t now_us);

/* ---- vp8.c ---- */

/* Picture id and number of the base layer (RFC 7741 section 4.2), where a payload has them. */
struct vp8_ids {
	bool has_picture, has_tl0;
	uint16_t picture; /* 15 bits, or 7 */
	uint16_t mask;
	uint8_t tl0;
};

void vp8_read(struct cf_view payload, struct vp8_ids *ret_ids);
/** Puts others into a payload that has them. */
void vp8_write(uint8_t *payload, size_t n, uint16_t picture, uint8_t tl0);

#endif
