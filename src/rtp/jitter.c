/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/jitter.h"

#include "base/clock.h"
#include "base/mem.h"
#include "rtp/jitter_delay.h"

#include <string.h>

#define MAX_LATE_FRAMES 5         /* concealed in a row before we call it a pause */
#define MAX_SEQ_JUMP 1000         /* packets; beyond it the stream has restarted */
#define MAX_TS_JUMP_US 1000000    /* the same for the timestamp against the arrival */
#define MAX_PACKET_US 120000      /* of sound; RFC 6716 section 2.1.4 */
#define STALE_US 200000           /* above target: not worth hearing any more */
#define MUST_ACCELERATE_US 120000 /* above target: do it even where it is heard */
#define MUST_EXPAND_US 60000      /* below target */

struct slot {
	bool used;
	bool marker;
	uint16_t len; /* 0: no audio under this number */
	int64_t seq;
	int64_t ts;
};

struct cf_jitter {
	struct cf_jitter_opts opts;
	struct slot *slots;
	uint8_t *payloads;
	struct cf_jitter_delay delay;
	struct cf_jitter_stats stats;
	int64_t frame; /* timestamp units */
	int64_t frame_us;

	bool have_stream;
	bool started;  /* something of this stream was played */
	bool playing;  /* else buffering: before the start, or after a pause */
	bool announce; /* the next packet is the first of a stream */
	bool has_ts;
	uint32_t ssrc;
	int64_t high_seq; /* extended numbers of the newest packet */
	int64_t high_ts;
	int64_t next_seq; /* to be played */
	int64_t next_ts;
	int64_t last_ts;  /* of the packet played last */
	unsigned credit;  /* frames concealed for packets that may be lost */
	int jump_seq;     /* that would confirm a jump; -1 none */
	int64_t delay_us; /* of what was played last */
};

void cf_jitter_opts_defaults(struct cf_jitter_opts *opts)
{
	*opts = (struct cf_jitter_opts){.clock_hz = 48000,
		.frame_ms = 20,
		.min_delay_ms = 20,
		.max_delay_ms = 500,
		.slots = 64,
		.max_payload = 1276};
}

static bool opts_valid(const struct cf_jitter_opts *o)
{
	return o->clock_hz >= 8000 && o->clock_hz <= 192000 && o->frame_ms >= 5 &&
	       o->frame_ms <= 120 && o->min_delay_ms <= o->max_delay_ms && o->max_delay_ms <= 600 &&
	       o->slots >= 8 && o->slots <= 1024 && (o->slots & (o->slots - 1)) == 0 &&
	       o->max_payload >= 1 && o->max_payload <= 2048;
}

int cf_jitter_new(struct cf_jitter **ret_jitter, const struct cf_jitter_opts *opts)
{
	struct cf_jitter_opts defaults;
	struct cf_jitter *j;

	cf_jitter_opts_defaults(&defaults);
	if (!opts)
		opts = &defaults;
	if (!opts_valid(opts))
		return CF_EINVAL;
	j = cf_alloc(sizeof(*j));
	if (!j)
		return CF_ENOMEM;
	j->opts = *opts;
	j->frame = (int64_t)opts->clock_hz * opts->frame_ms / 1000;
	j->frame_us = (int64_t)opts->frame_ms * 1000;
	j->slots = cf_calloc(opts->slots, sizeof(*j->slots));
	j->payloads = cf_calloc(opts->slots, opts->max_payload);
	if (!j->slots || !j->payloads) {
		cf_jitter_free(j);
		return CF_ENOMEM;
	}
	cf_jitter_reset(j);
	*ret_jitter = j;
	return 0;
}

struct cf_jitter *cf_jitter_free(struct cf_jitter *jitter)
{
	if (!jitter)
		return NULL;
	cf_free(jitter->slots);
	cf_free(jitter->payloads);
	return cf_free(jitter);
}

void cf_jitter_reset(struct cf_jitter *jitter)
{
	memset(jitter->slots, 0, jitter->opts.slots * sizeof(*jitter->slots));
	jitter->stats = (struct cf_jitter_stats){0};
	jitter->have_stream = false;
	jitter->playing = false;
	cf_jitter_delay_init(&jitter->delay);
}

static struct slot *slot_of(const struct cf_jitter *j, int64_t seq)
{
	return &j->slots[(size_t)seq & (j->opts.slots - 1)];
}

static uint8_t *payload_of(const struct cf_jitter *j, const struct slot *slot)
{
	return j->payloads + (size_t)(slot - j->slots) * j->opts.max_payload;
}

static struct slot *held(const struct cf_jitter *j, int64_t seq)
{
	struct slot *slot = slot_of(j, seq);

	return slot->used && slot->seq == seq ? slot : NULL;
}

static int64_t ts_us(const struct cf_jitter *j, int64_t ts)
{
	return ts * (int64_t)CF_US_PER_S / j->opts.clock_hz;
}

static int64_t target_us(const struct cf_jitter *j)
{
	int64_t us = cf_jitter_delay_target_us(&j->delay);
	int64_t min = j->opts.min_delay_ms * 1000, max = j->opts.max_delay_ms * 1000;

	if (us < min)
		return min;
	return us > max ? max : us;
}

/* How long after the fastest packet's arrival would have let us, ts is played when it is now. */
static int64_t delay_of(const struct cf_jitter *j, int64_t ts, uint64_t now_us)
{
	return (int64_t)now_us - ts_us(j, ts) - cf_jitter_delay_min(&j->delay);
}

static void begin_stream(struct cf_jitter *j, uint32_t ssrc, uint16_t seq)
{
	if (j->have_stream)
		j->stats.restarts++;
	memset(j->slots, 0, j->opts.slots * sizeof(*j->slots));
	cf_jitter_delay_rebase(&j->delay);
	j->have_stream = j->announce = true;
	j->started = j->playing = j->has_ts = false;
	j->ssrc = ssrc;
	j->high_seq = j->next_seq = seq;
	j->credit = 0;
	j->jump_seq = -1;
}

/* Whether number or timestamp are nowhere near what is known. A timestamp that goes with its number
 * has not jumped, however late it comes. */
static bool is_jump(const struct cf_jitter *j, const struct slot *packet, int64_t rel_us)
{
	int64_t ahead = packet->seq - j->high_seq, off, more_us;

	if (ahead > MAX_SEQ_JUMP || ahead < -MAX_SEQ_JUMP)
		return true;
	if (!packet->len || !j->delay.started)
		return false;
	off = rel_us - cf_jitter_delay_min(&j->delay);
	more_us = ts_us(j, packet->ts - j->high_ts);
	if (j->has_ts && ahead > 0 && more_us > 0 && more_us <= ahead * MAX_PACKET_US)
		return false;
	return off > MAX_TS_JUMP_US || off < -MAX_TS_JUMP_US;
}

/* Puts the packet at its place; makes room by giving up the oldest. */
static int store(struct cf_jitter *j, const struct slot *packet, const uint8_t *payload)
{
	int64_t slots = (int64_t)j->opts.slots;
	struct slot *slot = slot_of(j, packet->seq);

	if (slot->used && slot->seq == packet->seq) {
		j->stats.duplicates++;
		return CF_EEXIST;
	}
	if (packet->seq < j->next_seq) {
		/* Before anything was played an earlier packet moves the start. */
		if (j->started || j->high_seq - packet->seq >= slots)
			return CF_EEXPIRED;
		j->next_seq = packet->seq;
	}
	for (; packet->seq - j->next_seq >= slots; j->next_seq++) {
		struct slot *old = held(j, j->next_seq);

		if (old) {
			j->stats.dropped += old->len != 0;
			old->used = false;
		} else if (j->started) {
			j->stats.lost++;
		}
	}
	*slot = *packet;
	if (packet->len)
		memcpy(payload_of(j, slot), payload, packet->len);
	return 0;
}

int cf_jitter_put(struct cf_jitter *jitter, uint32_t ssrc, uint16_t seq, uint32_t ts, bool marker,
	struct cf_view payload, uint64_t now_us)
{
	struct cf_jitter *j = jitter;
	struct slot packet = {.used = true, .marker = marker, .len = (uint16_t)payload.len};
	int64_t rel_us;
	int err;

	if (payload.len > j->opts.max_payload) {
		j->stats.dropped++;
		return CF_ELIMIT;
	}
	if (!j->have_stream || j->ssrc != ssrc)
		begin_stream(j, ssrc, seq);
	for (int again = 0;; again++) {
		packet.seq = j->high_seq + (int16_t)(seq - (uint16_t)j->high_seq);
		packet.ts = j->has_ts ? j->high_ts + (int32_t)(ts - (uint32_t)j->high_ts) : ts;
		rel_us = (int64_t)now_us - ts_us(j, packet.ts);
		if (again || !is_jump(j, &packet, rel_us))
			break;
		if (j->jump_seq != seq) {
			j->jump_seq = (uint16_t)(seq + 1);
			return CF_EAGAIN;
		}
		begin_stream(j, ssrc, seq);
	}
	j->jump_seq = -1;
	err = store(j, &packet, payload.p);
	if (err == CF_EEXIST)
		return err;
	if (payload.len) {
		j->stats.received++;
		j->stats.late += err == CF_EEXPIRED;
		cf_jitter_delay_add(&j->delay, rel_us, err == CF_EEXPIRED, now_us);
	}
	if (packet.seq >= j->high_seq) {
		j->high_seq = packet.seq;
		if (payload.len) {
			j->high_ts = packet.ts;
			j->has_ts = true;
		}
	}
	return err;
}

/* The first packet with audio that is to be played, or NULL; numbers without audio are passed over.
 */
static struct slot *first_held(struct cf_jitter *j)
{
	struct slot *slot;

	while ((slot = held(j, j->next_seq)) && !slot->len) {
		slot->used = false;
		j->next_seq++;
	}
	for (int64_t seq = j->next_seq; seq <= j->high_seq; seq++) {
		slot = held(j, seq);
		if (slot && slot->len)
			return slot;
	}
	return NULL;
}

/* What an outage held back is history when it comes: people talk about now. */
static struct slot *skip_stale(struct cf_jitter *j, struct slot *slot, uint64_t now_us)
{
	while (slot && slot->seq < j->high_seq &&
		delay_of(j, slot->ts, now_us) > target_us(j) + STALE_US) {
		slot->used = false;
		j->next_seq = slot->seq + 1;
		j->stats.dropped++;
		slot = first_held(j);
	}
	return slot;
}

static void decide_stretch(const struct cf_jitter *j, struct cf_jitter_frame *frame)
{
	int64_t over = j->delay_us - target_us(j);

	if (over > j->frame_us + j->frame_us / 2) {
		frame->stretch = CF_JITTER_ACCELERATE;
		frame->must = over > MUST_ACCELERATE_US;
	} else if (over < -j->frame_us) {
		frame->stretch = CF_JITTER_EXPAND;
		frame->must = over < -MUST_EXPAND_US;
	}
}

static enum cf_jitter_result play(
	struct cf_jitter *j, struct slot *slot, uint64_t now_us, struct cf_jitter_frame *frame)
{
	*frame = (struct cf_jitter_frame){.payload = {payload_of(j, slot), slot->len},
		.seq = (uint16_t)slot->seq,
		.ts = (uint32_t)slot->ts,
		.marker = slot->marker,
		.restarted = j->announce};
	/* Numbers without audio among the missing are not lost. */
	for (int64_t seq = j->next_seq; j->started && seq < slot->seq; seq++)
		j->stats.lost += !held(j, seq);
	j->stats.played++;
	j->delay_us = delay_of(j, slot->ts, now_us);
	decide_stretch(j, frame);
	slot->used = false;
	j->announce = false;
	j->started = j->playing = true;
	j->credit = 0;
	j->next_seq = slot->seq + 1;
	j->last_ts = slot->ts;
	j->next_ts = slot->ts + j->frame;
	return CF_JITTER_PACKET;
}

static enum cf_jitter_result run_dry(struct cf_jitter *j)
{
	if (!j->playing)
		return CF_JITTER_SILENCE;
	if (j->credit == 0)
		j->stats.underruns++;
	if (j->credit++ < MAX_LATE_FRAMES)
		return CF_JITTER_LATE;
	j->playing = false;
	return CF_JITTER_SILENCE;
}

/* Numbers between the next and this one that were sent with audio, as far as we know. */
static bool is_missing(const struct cf_jitter *j, const struct slot *slot)
{
	for (int64_t seq = j->next_seq; seq < slot->seq; seq++)
		if (!held(j, seq))
			return true;
	return false;
}

enum cf_jitter_result cf_jitter_get(
	struct cf_jitter *jitter, uint64_t now_us, struct cf_jitter_frame *ret_frame)
{
	struct cf_jitter *j = jitter;
	struct slot *slot = j->have_stream ? skip_stale(j, first_held(j), now_us) : NULL;
	bool due;
	int64_t gap;

	*ret_frame = (struct cf_jitter_frame){.payload = {NULL, 0}};
	if (!slot)
		return run_dry(j);
	due = delay_of(j, slot->ts, now_us) + j->frame_us / 2 >= target_us(j);
	if (!j->playing)
		return due ? play(j, slot, now_us, ret_frame) : CF_JITTER_SILENCE;
	/* What was concealed while nothing was there stands for what turns out to be missing. */
	gap = slot->ts - j->next_ts - (int64_t)j->credit * j->frame;
	if (slot->ts <= j->next_ts || gap <= 0)
		return play(j, slot, now_us, ret_frame);
	if (j->credit) {
		j->next_ts += (int64_t)j->credit * j->frame;
		j->credit = 0;
	}
	/* It ought to have been played already: catch up, do not conceal what is in the way. */
	if (delay_of(j, slot->ts, now_us) > target_us(j) + j->frame_us)
		return play(j, slot, now_us, ret_frame);
	/* A jump of the timestamp without a missing number: the sender had nothing to say (DTX). */
	if (!is_missing(j, slot)) {
		if (due)
			return play(j, slot, now_us, ret_frame);
		j->next_ts += gap < j->frame ? gap : j->frame;
		return CF_JITTER_SILENCE;
	}
	/* There is time to wait for the missing one: the target has risen. */
	if (delay_of(j, j->next_ts, now_us) + j->frame_us <= target_us(j))
		return CF_JITTER_LATE;
	if (gap <= j->frame)
		ret_frame->payload = (struct cf_view){payload_of(j, slot), slot->len};
	j->next_ts += gap < j->frame ? gap : j->frame;
	return CF_JITTER_LOST;
}

void cf_jitter_played(struct cf_jitter *jitter, uint32_t duration)
{
	jitter->next_ts = jitter->last_ts + duration;
}

void cf_jitter_stats(
	const struct cf_jitter *jitter, uint64_t now_us, struct cf_jitter_stats *ret_stats)
{
	(void)now_us;
	*ret_stats = jitter->stats;
	ret_stats->target_ms = (uint32_t)(target_us(jitter) / 1000);
	ret_stats->delay_ms = jitter->delay_us > 0 ? (uint32_t)(jitter->delay_us / 1000) : 0;
	for (size_t i = 0; i < jitter->opts.slots; i++)
		ret_stats->held += jitter->slots[i].used && jitter->slots[i].len;
}
