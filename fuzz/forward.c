/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder under any packets and RTCP, members that come and go, wishes, and jumps of time. */
#include "forward/forward.h"
#include "base/wire.h"
#include "rtp/packet.h"

#include <stdlib.h>
#include <string.h>

#define MEMBERS 4
#define SLOTS 3
#define WRITE_CAP 1300

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct seat {
	struct cf_forward_member *member;
	struct cf_forward_track *track;
	struct cf_forward_slot *slots[SLOTS];
};

struct call {
	struct cf_forward *forward;
	struct seat seats[MEMBERS];
	uint64_t now_us;
};

/* What goes out can be read, names somebody else, and has room for SRTP. */
static void emit(void *owner, uint8_t *packet, size_t n, size_t cap, void *arg)
{
	const struct call *call = arg;
	struct cf_rtp_packet rtp;

	if (cf_rtp_packet_parse(&rtp, packet, n) < 0 || rtp.csrcs.len != 4 || n + 32 > cap)
		abort();
	if (cf_wire_get_u32(rtp.csrcs.p) == (uint32_t)((struct seat *)owner - call->seats) + 1)
		abort();
}

static struct cf_forward_format formats[] = {{CF_VIDEO_VP8, 96, 97}, {CF_VIDEO_H264, 98, 0}};

static void enter(struct call *call, size_t i, uint8_t how)
{
	static const char *const rids[] = {"h", "m", "l"};
	struct seat *seat = &call->seats[i];
	struct cf_forward_track_opts track = {.screen = how & 1,
		.source = (uint32_t)i + 1,
		.mid = how & 2 ? "v" : NULL,
		.mid_ext_id = 1,
		.rid_ext_id = 2,
		.repaired_rid_ext_id = 3,
		.twcc_ext_id = 4,
		.n_formats = 2,
		.n_rids = how >> 2 & 3};
	struct cf_forward_slot_opts slot = {.seq_seed = 0xfffe,
		.mid = how & 0x10 ? "s" : NULL,
		.mid_ext_id = 1,
		.twcc_ext_id = how & 0x20 ? 4 : 0,
		.n_formats = how & 0x40 ? 1 : 2};

	memcpy(track.formats, formats, sizeof(formats));
	memcpy(slot.formats, formats, sizeof(formats));
	memcpy(track.rids, rids, sizeof(rids));
	if (cf_forward_add(call->forward, 0, seat, &seat->member) < 0 ||
		cf_forward_track_add(seat->member, &track, &seat->track) < 0)
		abort();
	for (size_t k = 0; k < SLOTS; k++) {
		slot.ssrc = 10 * ((uint32_t)i + 1) + (uint32_t)k;
		slot.rtx_ssrc = slot.ssrc + 1000;
		if (cf_forward_slot_add(seat->member, &slot, &seat->slots[k]) < 0)
			abort();
	}
}

static void leave(struct call *call, size_t i)
{
	struct seat *seat = &call->seats[i];

	cf_forward_remove(seat->member);
	memset(seat, 0, sizeof(*seat));
}

static void put(struct call *call, size_t i, struct cf_wire_reader *r, uint8_t len)
{
	struct cf_view in = cf_wire_read_view(r, len);
	uint8_t p[256];

	if (!call->seats[i].member || in.len == 0)
		return;
	memcpy(p, in.p, in.len);
	p[0] = (uint8_t)(0x80 | (p[0] & 0x3f));
	(void)cf_forward_put(call->seats[i].member, p, in.len, call->now_us);
}

static void hear(struct call *call, size_t i, struct cf_wire_reader *r, uint8_t len)
{
	struct cf_view in = cf_wire_read_view(r, len);
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (!call->seats[i].member || in.len == 0 || cf_rtcp_check(in.p, in.len) < 0)
		return;
	cf_rtcp_iter_init(&it, in.p, in.len);
	while (cf_rtcp_iter_next(&it, &item) > 0)
		cf_forward_rtcp(call->seats[i].member, &item, call->now_us);
}

static void say(struct call *call, size_t i)
{
	struct cf_rtcp_block blocks[4];
	uint8_t p[WRITE_CAP];
	struct cf_wire_writer w;

	if (!call->seats[i].member)
		return;
	cf_wire_writer_init(&w, p, sizeof(p));
	if (cf_forward_feedback_due(call->seats[i].member, call->now_us))
		cf_forward_feedback(call->seats[i].member, &w, 1, call->now_us);
	cf_forward_reports(call->seats[i].member, "cname", call->now_us, &w);
	if (w.err == 0 && w.len > 0 && cf_rtcp_check(p, w.len) < 0)
		abort();
	if (cf_forward_blocks(call->seats[i].member, call->now_us, blocks, 4) > 4)
		abort();
}

static void step(struct call *call, struct cf_wire_reader *r)
{
	uint8_t op = cf_wire_read_u8(r), x = cf_wire_read_u8(r);
	size_t i = (op >> 4) % MEMBERS;
	struct seat *seat = &call->seats[i];
	const uint32_t speakers[] = {(x & 3) + 1u, (x >> 2 & 3) + 1u};

	if (op & 8 && seat->track)
		cf_forward_track_on(seat->track, x & 1);
	switch (op & 7) {
	case 0:
		if (seat->member)
			leave(call, i);
		else
			enter(call, i, x);
		break;
	case 1:
		hear(call, i, r, x);
		break;
	case 2:
		if (seat->member && x & 0x80)
			cf_forward_view(seat->member,
				&(struct cf_forward_wish){(x & 3) + 1u, (x & 0x1cu) * 10},
				x >> 5 & 1, (x & 0x40) ? 180 : 0);
		else if (seat->member)
			cf_forward_want(seat->slots[x % SLOTS], x >> 4 & 7, (x & 8u) * 45);
		break;
	case 3:
		cf_forward_speaking(call->forward, speakers, 2);
		break;
	case 4:
		if (x & 1)
			say(call, i);
		else
			cf_forward_flush(call->forward, call->now_us);
		break;
	case 5:
		call->now_us += (uint64_t)x * x * 1000;
		cf_forward_tick(call->forward, call->now_us);
		break;
	default:
		put(call, i, r, x);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct call call = {.now_us = 1000000};
	struct cf_wire_reader r;

	if (cf_forward_new(&call.forward, emit, &call) < 0)
		return 0;
	cf_wire_reader_init(&r, p, n);
	while (cf_wire_left(&r) > 1)
		step(&call, &r);
	cf_forward_free(call.forward);
	return 0;
}
