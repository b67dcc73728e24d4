/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding: who is shown to whom, numbers that go on, repairs, key frames, sizes. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "forward/forward.h"
#include "rtp/history.h"
#include "rtp/packet.h"
#include "rtp/twcc.h"

#include <stdio.h>
#include <string.h>

#define MS CF_US_PER_MS
#define MID_EXT 1
#define RID_EXT 2
#define TWCC_EXT 3
#define RRID_EXT 4
#define VP8_PT 96
#define VP8_RTX 97
#define H264_PT 98
#define OUT_VP8 100
#define OUT_RTX 101
#define OUT_H264 102
#define SEEN_MAX 4096
#define OUR_SSRC 0xcafe

/* What went to a member. */
struct seen {
	void *owner;
	uint8_t pt;
	uint16_t seq, twcc;
	uint32_t ts, ssrc, source;
	uint16_t picture;
	uint8_t tl0;
	bool marker;
	char mid[8];
	size_t n;
	uint8_t p[300];
};

/* A stream as a member sends it. */
struct stream {
	struct cf_forward_member *member;
	uint32_t ssrc;
	uint16_t seq, picture;
	uint32_t ts;
	uint8_t tl0, pt;
	const char *mid, *rid;
	uint16_t *twcc; /* of the member */
	size_t size;    /* of a packet's payload */
	unsigned rows;  /* of its pictures; 0: key frames do not tell */
};

static struct cf_forward *forward;
static struct seen seen[SEEN_MAX];
static size_t n_seen;
static uint64_t now_us;
static uint16_t twcc_seqs[8];

static void emit(void *owner, uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct seen *s = &seen[n_seen % SEEN_MAX];
	struct cf_rtp_packet rtp;
	struct cf_view v;

	(void)arg;
	n_seen++;
	memset(s, 0, sizeof(*s));
	assert_true(n + 32 <= cap);
	assert_int_equal(cf_rtp_packet_parse(&rtp, packet, n), 0);
	s->owner = owner;
	s->pt = rtp.payload_type;
	s->seq = rtp.seq;
	s->ts = rtp.ts;
	s->ssrc = rtp.ssrc;
	s->marker = rtp.marker;
	assert_int_equal(rtp.csrcs.len, 4);
	s->source = cf_wire_get_u32(rtp.csrcs.p);
	if (cf_rtp_packet_ext(&rtp, TWCC_EXT, &v) && v.len == 2)
		s->twcc = cf_wire_get_u16(v.p);
	if (cf_rtp_packet_ext(&rtp, MID_EXT, &v))
		snprintf(s->mid, sizeof(s->mid), "%.*s", (int)v.len, (const char *)v.p);
	if (rtp.payload_type == OUT_VP8) {
		assert_true(rtp.payload.len > 6);
		s->picture = (uint16_t)((rtp.payload.p[2] & 0x7f) << 8 | rtp.payload.p[3]);
		s->tl0 = rtp.payload.p[4];
	}
	s->n = n < sizeof(s->p) ? n : sizeof(s->p);
	memcpy(s->p, packet, s->n);
}

static int put(struct cf_forward_member *member, uint8_t *p, size_t n, uint64_t at_us)
{
	int err = cf_forward_put(member, p, n, at_us);

	cf_forward_flush(forward, at_us);
	return err;
}

static int setup(void **state)
{
	(void)state;
	n_seen = 0;
	now_us = 1000 * CF_US_PER_S;
	memset(twcc_seqs, 0, sizeof(twcc_seqs));
	return cf_forward_new(&forward, emit, NULL);
}

static int teardown(void **state)
{
	(void)state;
	forward = cf_forward_free(forward);
	return 0;
}

/* ---- members ---- */

static struct cf_forward_member *member_new(int number)
{
	struct cf_forward_member *member = NULL;

	assert_int_equal(cf_forward_add(forward, 0, (void *)(intptr_t)number, &member), 0);
	return member;
}

static struct cf_forward_track_opts track_opts(uint32_t source, const char *mid)
{
	return (struct cf_forward_track_opts){.source = source,
		.mid = mid,
		.mid_ext_id = MID_EXT,
		.rid_ext_id = RID_EXT,
		.repaired_rid_ext_id = RRID_EXT,
		.twcc_ext_id = TWCC_EXT,
		.n_formats = 2,
		.formats = {{CF_VIDEO_VP8, VP8_PT, VP8_RTX}, {CF_VIDEO_H264, H264_PT, 0}}};
}

static struct cf_forward_track *camera(struct cf_forward_member *member, uint32_t source)
{
	struct cf_forward_track_opts opts = track_opts(source, "v");
	struct cf_forward_track *track = NULL;

	assert_int_equal(cf_forward_track_add(member, &opts, &track), 0);
	return track;
}

static struct cf_forward_slot *slot_new(struct cf_forward_member *member, uint32_t ssrc)
{
	struct cf_forward_slot_opts opts = {.ssrc = ssrc,
		.rtx_ssrc = ssrc + 1,
		.seq_seed = 0x7ff0,
		.rtx_seq_seed = 500,
		.ts_seed = 0xfffff000,
		.mid = "s",
		.mid_ext_id = MID_EXT,
		.twcc_ext_id = TWCC_EXT,
		.n_formats = 2,
		.formats = {{CF_VIDEO_VP8, OUT_VP8, OUT_RTX}, {CF_VIDEO_H264, OUT_H264, 0}}};
	struct cf_forward_slot *slot = NULL;

	assert_int_equal(cf_forward_slot_add(member, &opts, &slot), 0);
	return slot;
}

static struct stream stream_of(struct cf_forward_member *member, int number)
{
	return (struct stream){.member = member,
		.ssrc = 1000 + (uint32_t)number,
		.seq = (uint16_t)(65000 + 100 * number),
		.picture = (uint16_t)(0x7ffe - number),
		.ts = 77u * (uint32_t)number,
		.pt = VP8_PT,
		.mid = "v",
		.twcc = &twcc_seqs[number],
		.size = 100};
}

/* One packet of a frame, as bytes. */
static size_t packet_of(struct stream *s, uint8_t p[static 1400], bool first, bool key, bool last)
{
	uint8_t payload[1200] = {0x90, 0xc0}, number[2];
	struct cf_rtp_packet packet = {.marker = last,
		.payload_type = s->pt,
		.seq = s->seq++,
		.ts = s->ts,
		.ssrc = s->ssrc,
		.payload = cf_view_of(payload, s->size)};
	struct cf_rtp_ext_item items[] = {{s->mid ? MID_EXT : 0, cf_view_str(s->mid ? s->mid : "")},
		{s->rid ? RID_EXT : 0, cf_view_str(s->rid ? s->rid : "")},
		{TWCC_EXT, cf_view_of(number, 2)}};
	int n;

	if (!first)
		payload[0] = 0x80;
	payload[2] = (uint8_t)(0x80 | s->picture >> 8);
	payload[3] = (uint8_t)s->picture;
	payload[4] = s->tl0;
	payload[5] = key ? 0 : 1;
	payload[6] = (uint8_t)s->ssrc;
	if (key && s->rows)
		memcpy(payload + 8,
			(uint8_t[]){0x9d, 0x01, 0x2a, (uint8_t)(s->rows * 16 / 9),
				(uint8_t)(s->rows * 16 / 9 >> 8), (uint8_t)s->rows,
				(uint8_t)(s->rows >> 8)},
			7);
	number[0] = (uint8_t)(*s->twcc >> 8);
	number[1] = (uint8_t)(*s->twcc)++;
	n = cf_rtp_packet_write(p, 1400, &packet, items, CF_ARRAY_LEN(items));
	assert_true(n > 0);
	return (size_t)n;
}

static void next_frame(struct stream *s)
{
	s->ts += 3000;
	s->picture = (s->picture + 1) & 0x7fff;
	s->tl0++;
}

/* A frame of three packets. */
static void send_frame(struct stream *s, bool key)
{
	uint8_t p[1400];

	for (int i = 0; i < 3; i++) {
		size_t n = packet_of(s, p, i == 0, key, i == 2);

		assert_int_equal(put(s->member, p, n, now_us), 0);
	}
	next_frame(s);
}

static void pass(uint64_t us)
{
	for (uint64_t end_us = now_us + us; now_us < end_us;) {
		now_us += 20 * MS;
		cf_forward_tick(forward, now_us);
	}
}

/* What a member is told: how many numbers it is asked for again, how many key frames. */
struct told {
	size_t n_nacks, n_plis, n_arrivals;
	uint16_t nack;
	uint32_t media;
};

static struct told told(struct cf_forward_member *member)
{
	struct cf_twcc_entry entries[CF_TWCC_PACKETS_MAX];
	uint8_t p[1400];
	struct cf_wire_writer w;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;
	struct told told = {0};
	uint16_t seqs[64];

	cf_wire_writer_init(&w, p, sizeof(p));
	if (cf_forward_feedback_due(member, now_us))
		cf_forward_feedback(member, &w, OUR_SSRC, now_us);
	assert_int_equal(w.err, 0);
	assert_true(w.len == 0 || cf_rtcp_check(p, w.len) == 0);
	cf_rtcp_iter_init(&it, p, w.len);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		assert_int_equal(item.ssrc, OUR_SSRC);
		told.media = item.media_ssrc;
		if (item.kind == CF_RTCP_NACK) {
			told.n_nacks += cf_rtcp_item_nack(&item, seqs, 64);
			told.nack = seqs[0];
		}
		told.n_plis += item.kind == CF_RTCP_PLI;
		if (item.kind == CF_RTCP_TWCC)
			told.n_arrivals +=
				(size_t)cf_rtcp_item_twcc(&item, entries, CF_TWCC_PACKETS_MAX);
	}
	return told;
}

/* A member says something about a slot. */
static void say(struct cf_forward_member *member, uint32_t ssrc, const uint16_t *nacks, size_t n)
{
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;
	struct cf_wire_writer w;
	uint8_t p[400];

	cf_wire_writer_init(&w, p, sizeof(p));
	if (n > 0)
		cf_rtcp_write_nack(&w, 1, ssrc, nacks, n);
	else
		cf_rtcp_write_pli(&w, 1, ssrc);
	cf_rtcp_iter_init(&it, p, w.len);
	while (cf_rtcp_iter_next(&it, &item) > 0)
		cf_forward_rtcp(member, &item, now_us);
}

static struct cf_forward_slot_stats stats_of(const struct cf_forward_slot *slot)
{
	struct cf_forward_slot_stats stats;

	cf_forward_slot_stats(slot, &stats);
	return stats;
}

/* ---- tests ---- */

static void one_to_two(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream s = stream_of(a, 1);
	struct cf_forward_slot *slot;

	(void)state;
	camera(a, 111);
	slot = slot_new(b, 500);
	slot_new(c, 600);
	slot_new(a, 700);
	send_frame(&s, false); /* before anybody waits for it */
	pass(20 * MS);
	assert_true(stats_of(slot).waiting);
	assert_int_equal(n_seen, 0);
	assert_int_equal(told(a).n_plis, 1);
	assert_int_equal(told(a).n_plis, 0);
	send_frame(&s, false);
	assert_int_equal(n_seen, 0); /* nothing that cannot be shown */
	send_frame(&s, true);
	assert_int_equal(n_seen, 6); /* and never to who sends */
	for (size_t i = 0; i < 6; i++) {
		struct seen *k = &seen[i];

		assert_int_equal(k->source, 111);
		assert_int_equal(k->pt, OUT_VP8);
		assert_string_equal(k->mid, "s");
		assert_int_equal(k->ssrc, k->owner == (void *)2 ? 500 : 600);
		assert_int_equal(k->twcc, i / 2);
		assert_int_equal(k->marker, i >= 4);
		assert_int_equal(k->seq, seen[0].seq + i / 2);
		assert_int_equal(k->ts, seen[0].ts);
	}
	assert_int_equal(seen[0].seq, 0x7ff1);
	send_frame(&s, false);
	assert_int_equal(n_seen, 12);
	assert_int_equal(seen[6].picture, (seen[0].picture + 1) & 0x7fff);
	assert_int_equal(seen[6].tl0, (uint8_t)(seen[0].tl0 + 1));
	assert_int_equal(seen[6].ts - seen[0].ts, 3000);
	assert_int_equal(told(a).n_plis, 0);
	assert_int_equal(stats_of(slot).source, 111);
	assert_int_equal(stats_of(slot).packets, 6);
	pass(60 * MS);
	assert_int_equal(told(a).n_arrivals, 9); /* of all that came since */
	cf_forward_remove(c);
	send_frame(&s, false);
	assert_int_equal(n_seen, 15);
}

/* What comes together goes out receiver by receiver, in order; a change of what is shown in between
 * loses nothing. */
static void bursts(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream s = stream_of(a, 1);
	uint8_t p[1400];
	size_t n;

	(void)state;
	camera(a, 111);
	slot_new(b, 500);
	slot_new(c, 600);
	send_frame(&s, true);
	pass(20 * MS);
	send_frame(&s, true);
	n_seen = 0;
	for (int i = 0; i < 40; i++) { /* more than wait at most */
		n = packet_of(&s, p, i == 0, false, i == 39);
		assert_int_equal(cf_forward_put(a, p, n, now_us), 0);
	}
	assert_int_equal(n_seen, 64);
	next_frame(&s);
	n = packet_of(&s, p, true, true, true);
	assert_int_equal(cf_forward_put(a, p, n, now_us), 0);
	cf_forward_flush(forward, now_us);
	assert_int_equal(n_seen, 82);
	for (size_t i = 1; i < 32; i++) {
		assert_ptr_equal(seen[i].owner, seen[0].owner);
		assert_int_equal(seen[i].seq, (uint16_t)(seen[i - 1].seq + 1));
	}
	assert_ptr_not_equal(seen[32].owner, seen[0].owner);
	cf_forward_flush(forward, now_us);
	assert_int_equal(n_seen, 82);
	/* Who leaves takes along what waits. */
	next_frame(&s);
	n = packet_of(&s, p, true, false, true);
	assert_int_equal(cf_forward_put(a, p, n, now_us), 0);
	cf_forward_remove(a);
	cf_forward_flush(forward, now_us);
	assert_int_equal(n_seen, 82);
}

/* Numbers, times and ids go on over a change of who is shown. */
static void speakers_change(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream of_a = stream_of(a, 1), of_b = stream_of(b, 2);
	static const uint32_t a_speaks[] = {111, 222}, b_speaks[] = {222, 111};
	struct cf_forward_slot *slot = slot_new(c, 500);
	struct seen *last;

	(void)state;
	camera(a, 111);
	camera(b, 222);
	cf_forward_speaking(forward, a_speaks, 2);
	send_frame(&of_a, true);
	send_frame(&of_b, true);
	pass(20 * MS);
	send_frame(&of_a, true);
	send_frame(&of_b, true);
	assert_int_equal(n_seen, 3);
	assert_int_equal(seen[2].source, 111);
	cf_forward_speaking(forward, b_speaks, 2);
	pass(100 * MS);
	assert_int_equal(told(b).n_plis, 1);
	send_frame(&of_a, false);
	send_frame(&of_b, false);
	assert_int_equal(n_seen, 6); /* the old one, until there is a key frame of the new one */
	last = &seen[5];
	assert_int_equal(last->source, 111);
	pass(100 * MS);
	send_frame(&of_b, true);
	send_frame(&of_a, false);
	assert_int_equal(n_seen, 9);
	for (size_t i = 6; i < 9; i++) {
		assert_int_equal(seen[i].source, 222);
		assert_int_equal(seen[i].seq, (uint16_t)(seen[i - 1].seq + 1));
		assert_int_equal(seen[i].twcc, seen[i - 1].twcc + 1);
	}
	assert_int_equal(seen[6].picture, (last->picture + 1) & 0x7fff);
	assert_int_equal(seen[6].tl0, (uint8_t)(last->tl0 + 1));
	assert_in_range((uint32_t)(seen[6].ts - last->ts), 9000, 9002); /* a tenth of a second */
	assert_int_equal(stats_of(slot).switches, 2);
}

static void asked_for_again(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream of_a = stream_of(a, 1), of_b = stream_of(b, 2);
	static const uint32_t b_speaks[] = {222};
	uint16_t old, unknown = 0x1234;
	struct seen before;
	uint8_t p[300];
	int n;

	(void)state;
	camera(a, 111);
	camera(b, 222);
	slot_new(c, 500);
	send_frame(&of_a, true);
	pass(20 * MS);
	send_frame(&of_a, true);
	before = seen[1];
	say(c, 500, &before.seq, 1);
	assert_int_equal(n_seen, 4);
	assert_int_equal(seen[3].pt, OUT_RTX);
	assert_int_equal(seen[3].ssrc, 501);
	assert_int_equal(seen[3].twcc, 3);
	memcpy(p, seen[3].p, seen[3].n);
	n = cf_rtx_unwrap(p, seen[3].n, OUT_VP8, 500);
	assert_int_equal(n, before.n);
	assert_memory_equal(p + n - 90, before.p + n - 90, 90);
	say(c, 500, &before.seq, 1); /* it is on its way */
	assert_int_equal(n_seen, 4);
	now_us += 50 * MS;
	say(c, 500, &before.seq, 1);
	assert_int_equal(n_seen, 5);
	say(c, 500, &unknown, 1);
	say(c, 999, &before.seq, 1); /* no slot of that name */
	assert_int_equal(n_seen, 5);
	/* Of before a change, too. */
	old = seen[2].seq;
	cf_forward_speaking(forward, b_speaks, 1);
	send_frame(&of_b, true);
	pass(20 * MS);
	send_frame(&of_b, true);
	assert_int_equal(seen[n_seen - 1].source, 222);
	say(c, 500, &old, 1);
	assert_int_equal(seen[n_seen - 1].source, 111);
	assert_int_equal(seen[n_seen - 1].pt, OUT_RTX);
	/* And not when it is gone. */
	cf_forward_remove(a);
	now_us += 50 * MS;
	n = (int)n_seen;
	say(c, 500, &old, 1);
	assert_int_equal(n_seen, n);
}

static void repaired_upstream(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct stream s = stream_of(a, 1);
	uint8_t lost[1400], again[1400], p[1400];
	size_t n_lost, n;
	struct told heard;
	int len;

	(void)state;
	camera(a, 111);
	slot_new(b, 500);
	send_frame(&s, true);
	pass(20 * MS);
	send_frame(&s, true);
	assert_int_equal(n_seen, 3);
	n = packet_of(&s, p, true, false, false);
	assert_int_equal(put(a, p, n, now_us), 0);
	n_lost = packet_of(&s, lost, false, false, false);
	n = packet_of(&s, p, false, false, true);
	assert_int_equal(put(a, p, n, now_us), 0);
	assert_int_equal(n_seen, 5);
	assert_int_equal(seen[4].seq, seen[3].seq + 2); /* the hole is passed on */
	assert_int_equal(told(a).n_nacks, 0);           /* it may only be late */
	now_us += 12 * MS;
	heard = told(a);
	assert_int_equal(heard.n_nacks, 1);
	assert_int_equal(heard.nack, s.seq - 2);
	assert_int_equal(heard.media, s.ssrc);
	assert_int_equal(told(a).n_nacks, 0);
	now_us += 40 * MS;
	assert_int_equal(told(a).n_nacks, 1);
	len = cf_rtx_wrap(again, sizeof(again), cf_view_of(lost, n_lost), VP8_RTX, 9999, 1);
	assert_true(len > 0);
	assert_int_equal(put(a, again, (size_t)len, now_us), 0);
	assert_int_equal(n_seen, 6);
	assert_int_equal(seen[5].seq, seen[3].seq + 1);
	assert_int_equal(seen[5].pt, OUT_VP8);
	assert_int_equal(put(a, lost, n_lost, now_us), CF_EEXIST);
	now_us += 100 * MS;
	assert_int_equal(told(a).n_nacks, 0);
	/* What never comes is given up, and a key frame asked for. */
	next_frame(&s);
	packet_of(&s, lost, true, false, false);
	send_frame(&s, false);
	for (int i = 0; i < 20; i++) {
		now_us += 40 * MS;
		heard = told(a);
		if (heard.n_plis > 0)
			break;
	}
	assert_int_equal(heard.n_plis, 1);
}

static void asking_has_a_limit(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream s = stream_of(a, 1);
	size_t plis = 0;

	(void)state;
	camera(a, 111);
	slot_new(b, 500);
	slot_new(c, 600);
	send_frame(&s, true);
	pass(20 * MS);
	told(a);
	send_frame(&s, true);
	for (int i = 0; i < 100; i++) {
		now_us += 20 * MS;
		say(b, 500, NULL, 0);
		say(c, 600, NULL, 0);
		plis += told(a).n_plis;
		if (i % 10 == 9)
			send_frame(&s, true);
	}
	assert_in_range(plis, 5, 7); /* two seconds */
}

static void wanted_by_name(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	struct stream of_a = stream_of(a, 1), of_b = stream_of(b, 2);
	struct cf_forward_slot *first = slot_new(c, 500), *second = slot_new(c, 600);

	(void)state;
	camera(a, 111);
	camera(b, 222);
	send_frame(&of_a, true);
	send_frame(&of_b, true);
	cf_forward_want(first, 222, 180);
	pass(20 * MS);
	send_frame(&of_a, true);
	send_frame(&of_b, true);
	assert_int_equal(stats_of(first).source, 222);
	assert_int_equal(stats_of(second).source, 111); /* nobody twice */
	cf_forward_want(second, 0, 0);
	pass(20 * MS);
	assert_int_equal(stats_of(second).source, 0);
	cf_forward_want(first, 333, 180); /* who is not there */
	pass(20 * MS);
	assert_int_equal(stats_of(first).source, 0);
	n_seen = 0;
	send_frame(&of_a, true);
	assert_int_equal(n_seen, 0);
	cf_forward_want(second, 0, 180);
	pass(20 * MS);
	send_frame(&of_a, true);
	assert_int_equal(n_seen, 3);
	/* Who falls silent gives the place away. */
	pass(2100 * MS);
	send_frame(&of_b, true);
	pass(20 * MS);
	send_frame(&of_b, true);
	assert_int_equal(stats_of(second).source, 222);
}

static void screens_first(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct cf_forward_track_opts opts = track_opts(112, "screen");
	struct cf_forward_slot *first = slot_new(b, 500), *second = slot_new(b, 600);
	struct stream of_camera = stream_of(a, 1), of_screen = stream_of(a, 2);
	struct cf_forward_track *track = NULL;

	(void)state;
	camera(a, 111);
	send_frame(&of_camera, true);
	pass(20 * MS);
	send_frame(&of_camera, true);
	assert_int_equal(stats_of(first).source, 111);
	opts.screen = true;
	assert_int_equal(cf_forward_track_add(a, &opts, &track), 0);
	of_screen.mid = "screen";
	of_screen.twcc = of_camera.twcc;
	send_frame(&of_screen, true);
	pass(20 * MS);
	send_frame(&of_screen, true);
	assert_int_equal(stats_of(first).source, 111); /* nobody moves without need */
	assert_int_equal(stats_of(second).source, 112);
	cf_forward_slot_remove(second);
	pass(20 * MS);
	send_frame(&of_screen, true);
	assert_int_equal(stats_of(first).source, 112);
	cf_forward_track_remove(track);
	pass(20 * MS);
	send_frame(&of_camera, true);
	assert_int_equal(stats_of(first).source, 111);
}

static struct cf_forward_track *simulcast(
	struct cf_forward_member *member, const char *const rids[3])
{
	struct cf_forward_track_opts opts = track_opts(111, "v");
	struct cf_forward_track *track = NULL;

	opts.n_rids = 3;
	memcpy(opts.rids, rids, 3 * sizeof(*rids));
	assert_int_equal(cf_forward_track_add(member, &opts, &track), 0);
	return track;
}

/* Large, middle and small. */
static void streams_of(struct cf_forward_member *member, struct stream s[static 3])
{
	static const char *const rids[] = {"h", "m", "l"};

	for (int i = 0; i < 3; i++) {
		s[i] = stream_of(member, 1);
		s[i].ssrc += 10u * (uint32_t)i;
		s[i].rid = rids[i];
		s[i].size = 1000u >> (2 * i);
		s[i].rows = 720u >> i;
	}
}

/* Three sizes, of which each gets what its path carries. Which is which is not said by their order.
 */
static void sizes(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct cf_forward_slot *slot = slot_new(b, 500);
	struct stream s[3];

	(void)state;
	simulcast(a, (const char *const[]){"l", "h", "m"});
	streams_of(a, s);
	for (int frame = 0; frame < 60; frame++) {
		for (int i = 0; i < 3; i++)
			send_frame(&s[i], frame % 10 == 0);
		pass(40 * MS);
	}
	assert_int_equal(stats_of(slot).layer, 0);
	cf_forward_want(slot, 0, 200);
	for (int frame = 0; frame < 30; frame++) {
		for (int i = 0; i < 3; i++)
			send_frame(&s[i], frame % 10 == 0);
		pass(40 * MS);
	}
	assert_int_equal(stats_of(slot).layer, 1);
	/* The large one alone goes on: it is shown, whatever was wanted. */
	for (int frame = 0; frame < 80; frame++) {
		send_frame(&s[0], frame % 10 == 0);
		pass(40 * MS);
	}
	assert_int_equal(stats_of(slot).layer, 0);
	for (size_t i = 1; i < n_seen && i < SEEN_MAX; i++)
		assert_int_equal(seen[i].seq, (uint16_t)(seen[i - 1].seq + 1));
}

/* Each is shown as large as the member says, and not at all where it is not shown. */
static void shown_sizes(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2), *c = member_new(3);
	static const struct cf_forward_wish small = {111, 150}, none = {111, 0}, other = {333, 90};
	static struct cf_forward_wish many[CF_FORWARD_WISHES_MAX + 1];
	struct cf_forward_slot *slot = slot_new(b, 500), *beside = slot_new(c, 600);
	const struct {
		const struct cf_forward_wish *wishes;
		size_t n;
		uint16_t others;
		int layer; /* -1: not shown */
	} rows[] = {{&small, 1, 720, 2}, {&other, 1, 300, 1}, {&none, 1, 720, -1},
		{NULL, 0, UINT16_MAX, 0}, {NULL, 0, 0, -1},
		{many, CF_FORWARD_WISHES_MAX + 1, 180, 2}};
	struct stream s[3];

	(void)state;
	simulcast(a, (const char *const[]){"h", "m", "l"});
	streams_of(a, s);
	for (size_t row = 0; row < CF_ARRAY_LEN(rows); row++) {
		cf_forward_view(b, rows[row].wishes, rows[row].n, rows[row].others);
		for (int frame = 0; frame < 100; frame++) {
			for (int i = 0; i < 3; i++)
				send_frame(&s[i], frame % 10 == 0);
			pass(40 * MS);
		}
		assert_int_equal(stats_of(slot).layer, rows[row].layer);
		assert_int_equal(stats_of(slot).source, rows[row].layer < 0 ? 0 : 111);
		assert_int_equal(stats_of(beside).layer, 0); /* who says nothing gets the largest */
	}
}

/* What is small by its pixels may cost more than what is large: sharp letters beside a blue sky. */
static void sizes_are_told_by_key_frames(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct cf_forward_slot *slot = slot_new(b, 500);
	struct cf_forward_track_stats stats;
	struct cf_forward_track *track;
	struct stream s[3];

	(void)state;
	track = simulcast(a, (const char *const[]){"l", "m", "h"});
	streams_of(a, s);
	s[1].size = 1100;
	cf_forward_want(slot, 0, 500);
	for (int frame = 0; frame < 60; frame++) {
		for (int i = 0; i < 3; i++)
			send_frame(&s[i], frame % 10 == 0);
		pass(40 * MS);
	}
	cf_forward_track_stats(track, now_us, &stats);
	assert_true(stats.bps[1] > stats.bps[0] && stats.bps[0] > stats.bps[2]);
	assert_int_equal(stats_of(slot).layer, 0);
	/* Without: by their rates. */
	for (int i = 0; i < 3; i++) {
		s[i].rows = 0;
		s[i].ssrc += 100;
	}
	for (int frame = 0; frame < 60; frame++) {
		for (int i = 0; i < 3; i++)
			send_frame(&s[i], frame % 10 == 0);
		pass(40 * MS);
	}
	cf_forward_track_stats(track, now_us, &stats);
	assert_true(stats.bps[0] > stats.bps[2] && stats.bps[1] > stats.bps[2]);
}

/* A camera that is off and on again goes on under its numbers, and names itself no more. */
static void off_and_on(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct cf_forward_slot *slot = slot_new(b, 500);
	struct cf_forward_track *track;
	struct stream s[3];

	(void)state;
	track = simulcast(a, (const char *const[]){"h", "m", "l"});
	streams_of(a, s);
	for (int i = 0; i < 3; i++)
		send_frame(&s[i], true);
	pass(20 * MS);
	for (int i = 0; i < 3; i++)
		send_frame(&s[i], true);
	assert_int_equal(stats_of(slot).source, 111);
	cf_forward_track_on(track, false);
	pass(20 * MS);
	assert_int_equal(stats_of(slot).source, 0);
	n_seen = 0;
	for (int i = 0; i < 3; i++) {
		send_frame(&s[i], true);
		s[i].rid = s[i].mid = NULL;
	}
	assert_int_equal(n_seen, 0);
	cf_forward_track_on(track, true);
	for (int i = 0; i < 3; i++)
		send_frame(&s[i], true);
	pass(20 * MS);
	for (int i = 0; i < 3; i++)
		send_frame(&s[i], true);
	assert_int_equal(stats_of(slot).source, 111);
	assert_int_equal(n_seen, 3);
}

/* Feedback that tells of a narrow path: losses of all above it. */
static void narrow_path(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct cf_forward_track_opts opts = track_opts(111, "v");
	struct cf_forward_slot *slot = slot_new(b, 500);
	struct cf_forward_track *track = NULL;
	static const char *const rids[] = {"h", "l"};
	struct cf_twcc theirs = {0};
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;
	struct cf_wire_writer w;
	struct stream s[2];
	uint8_t p[1400];
	size_t at = 0;

	(void)state;
	opts.n_rids = 2;
	memcpy(opts.rids, rids, sizeof(rids));
	assert_int_equal(cf_forward_track_add(a, &opts, &track), 0);
	for (int i = 0; i < 2; i++) {
		s[i] = stream_of(a, 1);
		s[i].ssrc += 10u * (uint32_t)i;
		s[i].rid = rids[i];
		s[i].size = i ? 60 : 1100; /* 660 and 66 kbit/s */
	}
	for (int frame = 0; frame < 300; frame++) {
		for (int i = 0; i < 2; i++)
			send_frame(&s[i], frame % 10 == 0);
		/* Of what is more than a frame of 60 bytes' packets, two of three are lost. */
		for (; at < n_seen; at++)
			if (seen[at % SEEN_MAX].n < 200 || at % 3 == 0)
				cf_twcc_arrived(&theirs, seen[at % SEEN_MAX].twcc, now_us);
		pass(40 * MS);
		cf_wire_writer_init(&w, p, sizeof(p));
		cf_twcc_write(&theirs, &w, 1, 500);
		cf_rtcp_iter_init(&it, p, w.len);
		while (cf_rtcp_iter_next(&it, &item) > 0)
			cf_forward_rtcp(b, &item, now_us);
	}
	assert_int_equal(stats_of(slot).layer, 1);
	assert_true(cf_forward_target_bps(b) < 660000);
}

static void strange_packets(void **state)
{
	struct cf_forward_member *a = member_new(1), *b = member_new(2);
	struct stream s = stream_of(a, 1), other = stream_of(a, 2);
	uint8_t p[1500];
	size_t n;

	(void)state;
	camera(a, 111);
	slot_new(b, 500);
	send_frame(&s, true);
	pass(20 * MS);
	send_frame(&s, true);
	assert_int_equal(n_seen, 3);
	other.pt = 50;
	n = packet_of(&other, p, true, true, true);
	assert_int_equal(put(a, p, n, now_us), CF_ENOTFOUND);
	other.pt = VP8_PT;
	other.mid = "nobody";
	n = packet_of(&other, p, true, true, true);
	assert_int_equal(put(a, p, n, now_us), CF_ENOTFOUND);
	assert_int_equal(put(a, p, CF_FORWARD_PACKET_MAX + 1, now_us), CF_ELIMIT);
	assert_int_equal(put(a, p, 5, now_us), CF_EBADMSG);
	assert_int_equal(put(b, p, n, now_us), CF_ENOTFOUND);
	/* A repetition of nothing. */
	other.pt = VP8_RTX;
	other.mid = "v";
	other.size = 1;
	n = packet_of(&other, p, true, true, true);
	assert_int_equal(put(a, p, n, now_us), CF_EBADMSG);
	assert_int_equal(n_seen, 3);
	/* Another source takes the stream's place: who looks gets it from its key frame on. */
	other.pt = VP8_PT;
	other.size = 100;
	send_frame(&other, false);
	assert_int_equal(n_seen, 3);
	send_frame(&other, true);
	assert_int_equal(n_seen, 6);
	assert_int_equal(seen[3].seq, seen[2].seq + 1);
	/* A thousand sources, one after another. */
	for (uint32_t i = 0; i < 1000; i++) {
		other.ssrc = 5000 + i;
		n = packet_of(&other, p, true, i % 2, true);
		(void)put(a, p, n, now_us);
	}
}

static void limits(void **state)
{
	struct cf_forward_member *a = member_new(1), *more;
	struct cf_forward_track_opts opts = track_opts(1, "v");
	struct cf_forward_slot_opts slot = {
		.ssrc = 1, .n_formats = 1, .formats = {{CF_VIDEO_VP8, 96, 0}}};
	struct cf_forward_track *track;
	struct cf_forward_slot *one;

	(void)state;
	for (int i = 0; i < CF_FORWARD_TRACKS_MAX; i++)
		assert_int_equal(cf_forward_track_add(a, &opts, &track), 0);
	assert_int_equal(cf_forward_track_add(a, &opts, &track), CF_ELIMIT);
	for (int i = 0; i < CF_FORWARD_SLOTS_MAX; i++)
		assert_int_equal(cf_forward_slot_add(a, &slot, &one), 0);
	assert_int_equal(cf_forward_slot_add(a, &slot, &one), CF_ELIMIT);
	for (int i = 1; i < CF_FORWARD_MEMBERS_MAX; i++)
		assert_int_equal(cf_forward_add(forward, 0, NULL, &more), 0);
	assert_int_equal(cf_forward_add(forward, 0, NULL, &more), CF_ELIMIT);
	opts.source = 0;
	assert_int_equal(cf_forward_track_add(more, &opts, &track), CF_EINVAL);
	opts = track_opts(1, "a name that is too long for a MID");
	assert_int_equal(cf_forward_track_add(more, &opts, &track), CF_EINVAL);
	opts = track_opts(1, "v");
	opts.n_rids = CF_FORWARD_LAYERS_MAX + 1;
	assert_int_equal(cf_forward_track_add(more, &opts, &track), CF_EINVAL);
	slot.n_formats = 0;
	assert_int_equal(cf_forward_slot_add(more, &slot, &one), CF_EINVAL);
	pass(20 * MS);
}

static int oom_body(void *arg)
{
	struct cf_forward_track_opts opts = track_opts(1, "v");
	struct cf_forward_slot_opts slot = {
		.ssrc = 1, .n_formats = 1, .formats = {{CF_VIDEO_VP8, 96, 0}}};
	static const char *const rids[] = {"h", "m", "l"};
	struct cf_forward_member *member;
	struct cf_forward_track *track;
	struct cf_forward_slot *one;
	struct cf_forward *call;
	int err = cf_forward_new(&call, emit, NULL);

	(void)arg;
	if (err < 0)
		return err;
	opts.n_rids = 3;
	memcpy(opts.rids, rids, sizeof(rids));
	err = cf_forward_add(call, 0, NULL, &member);
	if (err == 0)
		err = cf_forward_track_add(member, &opts, &track);
	if (err == 0)
		err = cf_forward_slot_add(member, &slot, &one);
	cf_forward_free(call);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_to_two, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts, setup, teardown),
		cmocka_unit_test_setup_teardown(speakers_change, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_for_again, setup, teardown),
		cmocka_unit_test_setup_teardown(repaired_upstream, setup, teardown),
		cmocka_unit_test_setup_teardown(asking_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(wanted_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(screens_first, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes_are_told_by_key_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(shown_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(off_and_on, setup, teardown),
		cmocka_unit_test_setup_teardown(narrow_path, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
