/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video packets in any order, of either codec: no frame comes without its packets, what is asked
 * for is in order and limited, and looking for frames comes to an end.
 */
#include "base/clock.h"
#include "base/wire.h"
#include "rtp/frames.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct script {
	struct cf_frames *frames;
	uint64_t now_us;
	uint16_t seq;
	uint32_t ts, ssrc;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void put(struct script *s, struct cf_wire_reader *r, uint8_t flags)
{
	struct cf_rtp_packet packet = {.seq = s->seq,
		.ts = s->ts,
		.ssrc = s->ssrc,
		.marker = flags & 1,
		.payload = cf_wire_read_view(r, flags >> 1 & 15)};
	struct cf_frames_stats stats;

	(void)cf_frames_put(s->frames, &packet, s->now_us);
	cf_frames_stats(s->frames, &stats);
	must(stats.frames <= stats.packets && stats.key_frames <= stats.frames);
}

static void ask(struct script *s, uint32_t rtt_us)
{
	uint16_t seqs[CF_FRAMES_NACKS_MAX];
	size_t n = cf_frames_nack(s->frames, s->now_us, rtt_us, seqs);

	must(n <= CF_FRAMES_NACKS_MAX);
	for (size_t i = 1; i < n; i++)
		must((int16_t)(uint16_t)(seqs[i] - seqs[i - 1]) > 0);
	(void)cf_frames_pli(s->frames, s->now_us, rtt_us);
	must(cf_frames_deadline_us(s->frames) > 0 || s->now_us > 0);
}

static void take(struct script *s)
{
	struct cf_frame frame;

	for (int i = 0; cf_frames_get(s->frames, s->now_us, &frame); i++) {
		must(i < 64 && frame.data.len > 0 && frame.data.len <= 512);
		must(frame.complete_us <= s->now_us);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct script s = {.now_us = CF_US_PER_S, .ssrc = 1};
	struct cf_frames_opts opts;
	struct cf_wire_reader r;
	uint8_t flags;

	cf_wire_reader_init(&r, p, n);
	flags = cf_wire_read_u8(&r);
	cf_frames_opts_defaults(&opts);
	opts.codec = flags & 1 ? CF_VIDEO_H264 : CF_VIDEO_VP8;
	opts.nack = flags & 2;
	opts.slots = 32;
	opts.max_packet = 14;
	opts.max_frame = 512;
	if (cf_frames_new(&s.frames, &opts) < 0)
		return 0;
	while (cf_wire_left(&r) > 0) {
		uint8_t op = cf_wire_read_u8(&r);

		if (op < 96) {
			s.seq++;
			s.ts += op & 32 ? 3000 : 0;
			put(&s, &r, op);
		} else if (op < 128) {
			s.seq = (uint16_t)(s.seq + (int8_t)cf_wire_read_u8(&r));
			put(&s, &r, op);
		} else if (op < 160) {
			s.now_us += (uint64_t)(op & 31) * (op & 31) * CF_US_PER_MS;
		} else if (op < 192) {
			ask(&s, (op & 31) * 10000u);
		} else if (op < 240) {
			take(&s);
		} else if (op < 244) {
			s.seq = cf_wire_read_u16(&r);
		} else if (op < 248) {
			s.ssrc = op & 3;
		} else if (op < 252) {
			cf_frames_reset(s.frames, op & 1 ? CF_VIDEO_H264 : CF_VIDEO_VP8);
		} else {
			cf_frames_broken(s.frames);
		}
	}
	take(&s);
	cf_frames_free(s.frames);
	return 0;
}
