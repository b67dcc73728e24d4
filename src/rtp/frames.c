/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets lie in a ring by their number. `head` is the first number that has not been handed out or
 * given up; `scan` runs ahead of it over what is there without a hole, so that each packet is
 * looked at once. Holes stand in a list of their own until they are filled or given up.
 */
#include "rtp/frames.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

/* Packets overtake each other: a hole is one after so long, or so many packets later. */
#define REORDER_US (5 * CF_US_PER_MS)
#define REORDER_PACKETS 3
#define NACK_MIN_US (20 * CF_US_PER_MS)
#define NACK_TIMES 10
#define PLI_MIN_US (200 * CF_US_PER_MS)
/* Without NACK a hole is filled by reordering only. */
#define WAIT_REORDERED_MS 100

struct slot {
	bool used;
	bool marker, begins, key;
	uint16_t seq;
	uint16_t len; /* 0: padding, or nothing of use */
	uint32_t ts;
	uint64_t arrival_us;
};

struct hole {
	uint16_t seq;
	uint8_t asked;     /* times */
	uint64_t since_us; /* noticed */
	uint64_t asked_us;
};

struct cf_frames {
	struct cf_frames_opts opts;
	uint8_t *bytes; /* max_packet for each slot */
	uint8_t *frame; /* the one handed out last */
	bool started;
	uint32_t ssrc;
	uint16_t head, scan, highest;
	bool handed; /* something was handed out or dropped: numbers before head are late */
	/* A key frame that has begun beyond a hole: its first packet, and how far it goes. */
	bool key_known;
	uint16_t key_seq, key_scan;
	bool need_key;
	uint64_t pli_due_us;
	uint64_t rtt_us;
	uint16_t odd_seq; /* of a packet from elsewhere: the next in order begins anew */
	bool odd;
	size_t n_holes;
	struct hole holes[CF_FRAMES_NACKS_MAX]; /* ascending */
	struct cf_frames_stats stats;
	struct slot slots[];
};

void cf_frames_opts_defaults(struct cf_frames_opts *opts)
{
	*opts = (struct cf_frames_opts){.slots = 1024,
		.max_packet = 1500,
		.max_frame = 1024 * 1024,
		.max_wait_ms = 600,
		.nack = true};
}

static bool opts_valid(const struct cf_frames_opts *opts)
{
	return opts->codec < CF_VIDEO_CODECS && opts->slots >= 16 && opts->slots <= 16384 &&
	       !(opts->slots & (opts->slots - 1)) && opts->max_packet > 0 &&
	       opts->max_packet <= UINT16_MAX && opts->max_frame > 0;
}

int cf_frames_new(struct cf_frames **ret_frames, const struct cf_frames_opts *opts)
{
	struct cf_frames_opts defaults;
	struct cf_frames *frames;

	cf_frames_opts_defaults(&defaults);
	opts = opts ? opts : &defaults;
	if (!opts_valid(opts))
		return CF_EINVAL;
	frames = cf_alloc(sizeof(*frames) + opts->slots * sizeof(struct slot));
	if (!frames)
		return CF_ENOMEM;
	frames->opts = *opts;
	if (!opts->nack && opts->max_wait_ms > WAIT_REORDERED_MS)
		frames->opts.max_wait_ms = WAIT_REORDERED_MS;
	frames->bytes = cf_alloc(opts->slots * opts->max_packet);
	frames->frame = cf_alloc(opts->max_frame);
	if (!frames->bytes || !frames->frame)
		return cf_frames_free(frames), CF_ENOMEM;
	frames->need_key = true;
	*ret_frames = frames;
	return 0;
}

struct cf_frames *cf_frames_free(struct cf_frames *frames)
{
	if (frames) {
		cf_free(frames->bytes);
		cf_free(frames->frame);
	}
	return cf_free(frames);
}

static void forget(struct cf_frames *frames)
{
	memset(frames->slots, 0, frames->opts.slots * sizeof(struct slot));
	frames->started = frames->handed = frames->key_known = frames->odd = false;
	frames->n_holes = 0;
	frames->need_key = true;
}

void cf_frames_reset(struct cf_frames *frames, enum cf_video_codec codec)
{
	forget(frames);
	frames->opts.codec = codec;
}

/* Numbers */

static bool before(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b) < 0;
}

static size_t index_of(const struct cf_frames *frames, uint16_t seq)
{
	return seq & (frames->opts.slots - 1);
}

/* The packet of this number, or NULL. */
static const struct slot *slot_of(const struct cf_frames *frames, uint16_t seq)
{
	const struct slot *slot = &frames->slots[index_of(frames, seq)];

	return slot->used && slot->seq == seq ? slot : NULL;
}

static struct cf_view payload_of(const struct cf_frames *frames, const struct slot *slot)
{
	return cf_view_of(
		frames->bytes + index_of(frames, slot->seq) * frames->opts.max_packet, slot->len);
}

/* Moves head up to `to`; what is passed over is gone. */
static void move_head(struct cf_frames *frames, uint16_t to)
{
	size_t gone = 0;

	while (gone < frames->n_holes && before(frames->holes[gone].seq, to))
		gone++;
	frames->n_holes -= gone;
	memmove(frames->holes, frames->holes + gone, frames->n_holes * sizeof(*frames->holes));
	for (uint16_t seq = frames->head; seq != to; seq++)
		if (slot_of(frames, seq))
			frames->slots[index_of(frames, seq)].used = false;
	frames->head = to;
	frames->handed = true;
	if (before(frames->scan, to))
		frames->scan = to;
	if (frames->key_known && !before(to, frames->key_seq))
		frames->key_known = false;
}

/* Giving up */

static void want_key(struct cf_frames *frames)
{
	if (!frames->need_key)
		frames->pli_due_us = 0;
	frames->need_key = true;
}

/* The hole at head will not be filled: on to a key frame that has begun, or past all there is. */
static void give_up(struct cf_frames *frames)
{
	frames->stats.dropped++;
	want_key(frames);
	move_head(frames, frames->key_known ? frames->key_seq : (uint16_t)(frames->highest + 1));
}

void cf_frames_broken(struct cf_frames *frames)
{
	want_key(frames);
}

/* Packets in */

static void begin(struct cf_frames *frames, uint32_t ssrc, uint16_t seq)
{
	forget(frames);
	frames->started = true;
	frames->ssrc = ssrc;
	frames->head = frames->scan = seq;
	frames->highest = (uint16_t)(seq - 1);
}

static void note_holes(struct cf_frames *frames, uint16_t seq, uint64_t now_us)
{
	uint16_t missing = (uint16_t)(frames->highest + 1);

	if ((uint16_t)(seq - missing) > CF_FRAMES_NACKS_MAX - frames->n_holes) {
		/* More than can be asked for: what came before is not to be mended. */
		frames->highest = (uint16_t)(seq - 1);
		give_up(frames);
		return;
	}
	for (; missing != seq; missing++)
		frames->holes[frames->n_holes++] =
			(struct hole){.seq = missing, .since_us = now_us};
}

static void fill_hole(struct cf_frames *frames, uint16_t seq)
{
	for (size_t i = 0; i < frames->n_holes; i++) {
		if (frames->holes[i].seq != seq)
			continue;
		frames->stats.repaired += frames->holes[i].asked > 0;
		memmove(&frames->holes[i], &frames->holes[i + 1],
			(--frames->n_holes - i) * sizeof(*frames->holes));
		return;
	}
}

/* Whether a frame surely begins with this packet. */
static bool surely_begins(struct cf_frames *frames, const struct slot *slot)
{
	const struct slot *prior = slot_of(frames, (uint16_t)(slot->seq - 1));

	if (slot->begins && frames->opts.codec == CF_VIDEO_VP8)
		return true;
	return prior && prior->len && (prior->marker || prior->ts != slot->ts);
}

/* Remembers the latest key frame that begins behind head. An SPS begins one; an IDR slice may have
 * siblings before it. */
static void note_key(struct cf_frames *frames, const struct slot *slot)
{
	const struct slot *known = frames->key_known ? slot_of(frames, frames->key_seq) : NULL;

	if (!slot->begins || !slot->key || slot->seq == frames->head)
		return;
	if (known && (known->ts == slot->ts || !before(frames->key_seq, slot->seq)))
		return;
	if (!surely_begins(frames, slot) && frames->opts.codec == CF_VIDEO_H264 &&
		slot_of(frames, (uint16_t)(slot->seq - 1)))
		return;
	frames->key_known = true;
	frames->key_seq = frames->key_scan = slot->seq;
}

/* The first packets came out of order: the stream begins earlier than thought. */
static int begin_earlier(struct cf_frames *frames, uint16_t seq, uint64_t now_us)
{
	size_t n = (uint16_t)(frames->head - seq - 1);

	if (n > CF_FRAMES_NACKS_MAX - frames->n_holes) {
		frames->stats.late++;
		return CF_EEXPIRED;
	}
	memmove(frames->holes + n, frames->holes, frames->n_holes * sizeof(*frames->holes));
	for (size_t i = 0; i < n; i++)
		frames->holes[i] =
			(struct hole){.seq = (uint16_t)(seq + 1 + i), .since_us = now_us};
	frames->n_holes += n;
	frames->head = frames->scan = seq;
	return 0;
}

/* One place for what is wrong with a number: 0, or why it is not taken. */
static int check_seq(struct cf_frames *frames, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	uint16_t seq = packet->seq;
	int ahead = (int16_t)(uint16_t)(seq - frames->head);

	if (!frames->handed && ahead < 0 && ahead > -REORDER_PACKETS * 10)
		return begin_earlier(frames, seq, now_us);
	if (ahead >= (int)frames->opts.slots || ahead < -(int)frames->opts.slots) {
		/* RFC 3550 appendix A.1: a jump counts once a second packet confirms it. */
		bool again = frames->odd && seq == (uint16_t)(frames->odd_seq + 1);

		frames->odd = true;
		frames->odd_seq = seq;
		if (!again)
			return CF_ELIMIT;
		begin(frames, packet->ssrc, seq);
		return 0;
	}
	frames->odd = false;
	if (ahead < 0) {
		frames->stats.late++;
		return CF_EEXPIRED;
	}
	if (slot_of(frames, seq)) {
		frames->stats.duplicates++;
		return CF_EEXIST;
	}
	return 0;
}

int cf_frames_put(struct cf_frames *frames, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_payload_part part = {0};
	struct slot *slot;
	uint16_t seq = packet->seq;
	int err;

	if (packet->payload.len > frames->opts.max_packet)
		return CF_ELIMIT;
	if (packet->payload.len > 0 &&
		cf_payload_read(frames->opts.codec, packet->payload, &part) < 0)
		return CF_EBADMSG;
	if (!frames->started || packet->ssrc != frames->ssrc)
		begin(frames, packet->ssrc, seq);
	if ((err = check_seq(frames, packet, now_us)))
		return err;
	frames->stats.packets++;
	slot = &frames->slots[index_of(frames, seq)];
	*slot = (struct slot){.used = true,
		.marker = packet->marker,
		.begins = part.begins,
		.key = part.key,
		.seq = seq,
		.len = (uint16_t)packet->payload.len,
		.ts = packet->ts,
		.arrival_us = now_us};
	if (slot->len)
		memcpy(frames->bytes + index_of(frames, seq) * frames->opts.max_packet,
			packet->payload.p, slot->len);
	if (before(frames->highest, seq)) {
		note_holes(frames, seq, now_us);
		frames->highest = seq;
	} else {
		fill_hole(frames, seq);
	}
	note_key(frames, slot);
	return 0;
}

/* Frames out */

/* Runs *scan over packets without a hole; true with *ret_end at the last packet of the frame that
 * begins at `from`. */
static bool find_end(struct cf_frames *frames, uint16_t from, uint16_t *scan, uint16_t *ret_end)
{
	const struct slot *first = slot_of(frames, from), *slot;

	if (!first)
		return false;
	for (; (slot = slot_of(frames, *scan)); (*scan)++) {
		if (slot->len && first->len && slot->ts != first->ts) {
			*ret_end = (uint16_t)(*scan - 1); /* the marker is missing */
			return true;
		}
		if (slot->marker || !first->len) {
			*ret_end = *scan;
			return true;
		}
	}
	return false;
}

/* A key frame behind a hole that is whole already: what comes before it is not waited for. */
static void skip_to_key(struct cf_frames *frames)
{
	uint16_t end;

	if (!frames->key_known || !find_end(frames, frames->key_seq, &frames->key_scan, &end))
		return;
	frames->stats.dropped++;
	frames->need_key = true;
	move_head(frames, frames->key_seq);
}

/* The frame from head to end: false when it is not fit to be handed out. */
static bool assemble(struct cf_frames *frames, uint16_t end, struct cf_frame *ret_frame)
{
	struct cf_frame frame = {0};
	size_t len = 0;

	for (uint16_t seq = frames->head; seq != (uint16_t)(end + 1); seq++) {
		const struct slot *slot = slot_of(frames, seq);

		if (slot->arrival_us > frame.complete_us)
			frame.complete_us = slot->arrival_us;
		if (!slot->len)
			continue;
		frame.ts = slot->ts;
		frame.key |= slot->key;
		if (cf_payload_append(frames->opts.codec, payload_of(frames, slot), frames->frame,
			    frames->opts.max_frame, &len) < 0)
			return false;
	}
	frame.data = cf_view_of(frames->frame, len);
	*ret_frame = frame;
	return len > 0;
}

/* The frame that is whole at head. True: handed out; false: it was dropped, or was padding. */
static bool take(struct cf_frames *frames, uint16_t end, struct cf_frame *ret_frame)
{
	bool padding = slot_of(frames, frames->head)->len == 0;
	bool whole = !padding && assemble(frames, end, ret_frame);

	move_head(frames, (uint16_t)(end + 1));
	if (padding)
		return false;
	if (!whole || (frames->need_key && !ret_frame->key)) {
		frames->stats.dropped++;
		if (!whole)
			want_key(frames);
		return false;
	}
	frames->need_key = false;
	frames->stats.frames++;
	frames->stats.key_frames += ret_frame->key;
	return true;
}

static uint64_t wait_until(const struct cf_frames *frames)
{
	return frames->n_holes ? frames->holes[0].since_us +
					 frames->opts.max_wait_ms * (uint64_t)CF_US_PER_MS
			       : CF_TIME_NEVER;
}

bool cf_frames_get(struct cf_frames *frames, uint64_t now_us, struct cf_frame *ret_frame)
{
	uint16_t end;

	while (frames->started) {
		if (find_end(frames, frames->head, &frames->scan, &end)) {
			if (take(frames, end, ret_frame))
				return true;
			continue;
		}
		skip_to_key(frames);
		if (find_end(frames, frames->head, &frames->scan, &end))
			continue;
		if (wait_until(frames) > now_us)
			return false;
		give_up(frames);
	}
	return false;
}

/* What to ask for */

/* Whether a key frame has begun at head. */
static bool key_at_head(const struct cf_frames *frames)
{
	const struct slot *first = slot_of(frames, frames->head);

	return first && first->key;
}

/* While only a key frame helps, no other packets are worth asking for. */
static bool worth_asking(const struct cf_frames *frames, const struct hole *hole)
{
	return !frames->need_key || key_at_head(frames) ||
	       (frames->key_known && !before(hole->seq, frames->key_seq));
}

static uint64_t ask_at(const struct cf_frames *frames, const struct hole *hole)
{
	uint64_t again_us = frames->rtt_us > NACK_MIN_US ? frames->rtt_us : NACK_MIN_US;

	if (hole->asked >= NACK_TIMES || !worth_asking(frames, hole))
		return CF_TIME_NEVER;
	if (hole->asked > 0)
		return hole->asked_us + again_us;
	return (uint16_t)(frames->highest - hole->seq) >= REORDER_PACKETS
		       ? hole->since_us
		       : hole->since_us + REORDER_US;
}

size_t cf_frames_nack(struct cf_frames *frames, uint64_t now_us, uint32_t rtt_us,
	uint16_t ret_seqs[static CF_FRAMES_NACKS_MAX])
{
	size_t n = 0;

	frames->rtt_us = rtt_us;
	for (size_t i = 0; frames->opts.nack && i < frames->n_holes; i++) {
		struct hole *hole = &frames->holes[i];

		if (ask_at(frames, hole) > now_us)
			continue;
		hole->asked++;
		hole->asked_us = now_us;
		ret_seqs[n++] = hole->seq;
	}
	frames->stats.nacks += n;
	return n;
}

bool cf_frames_pli(struct cf_frames *frames, uint64_t now_us, uint32_t rtt_us)
{
	uint64_t again_us = rtt_us > PLI_MIN_US ? rtt_us : PLI_MIN_US;

	if (!frames->started || !frames->need_key || now_us < frames->pli_due_us)
		return false;
	frames->pli_due_us = now_us + again_us;
	/* One is on its way already: it gets the time that another would need. */
	if (frames->key_known || key_at_head(frames))
		return false;
	frames->stats.plis++;
	return true;
}

uint64_t cf_frames_deadline_us(const struct cf_frames *frames)
{
	uint64_t due = wait_until(frames);

	for (size_t i = 0; frames->opts.nack && i < frames->n_holes; i++) {
		uint64_t at = ask_at(frames, &frames->holes[i]);

		due = at < due ? at : due;
	}
	if (frames->started && frames->need_key && frames->pli_due_us < due)
		due = frames->pli_due_us;
	return due;
}

void cf_frames_stats(const struct cf_frames *frames, struct cf_frames_stats *ret_stats)
{
	*ret_stats = frames->stats;
}
