/* SPDX-License-Identifier: Apache-2.0 */
/* The audio mixer under any packets, members that come and go, and jumps of time. */
#include "mix/mix.h"
#include "base/wire.h"

#include <stdlib.h>

#define MEMBERS 5

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct group {
	struct cf_mix *mix;
	struct cf_mix_member *members[MEMBERS];
	struct cf_rtp_packet next[MEMBERS];
	uint64_t now;
	unsigned emitted;
};

static void emit(void *owner, const uint8_t *p, size_t len, void *arg)
{
	struct group *g = arg;
	struct cf_rtp_packet packet;

	if (cf_rtp_packet_parse(&packet, p, len) < 0 || !packet.payload.len || !*(void **)owner)
		abort();
	g->emitted++;
}

static void toggle(struct group *g, size_t i, uint8_t x)
{
	struct cf_mix_member_opts opts;
	int err;

	if (g->members[i]) {
		g->members[i] = cf_mix_remove(g->members[i]);
		return;
	}
	cf_mix_member_opts_defaults(&opts);
	opts.recv_level_ext_id = x & 1;
	opts.recv_dtmf_pt = 110;
	opts.level_ext_id = x >> 4 & 3;
	opts.mid = "0";
	opts.mid_ext_id = x >> 6;
	err = cf_mix_add(g->mix, &opts, &g->members[i], &g->members[i]);
	if (err && err != CF_ELIMIT)
		abort();
}

/* A packet whose level and payload are the input's. */
static void put(struct group *g, size_t i, struct cf_wire_reader *r, uint8_t x)
{
	struct cf_rtp_packet *packet = &g->next[i];
	uint8_t ext[4] = {0x10, cf_wire_read_u8(r), 0, 0};

	packet->payload_type = x & 0x80 ? 110 : 111;
	packet->ext_profile = 0xBEDE;
	packet->ext = (struct cf_view){ext, sizeof(ext)};
	packet->payload = cf_wire_read_view(r, x & 0x3f);
	packet->seq++;
	packet->ts += 960;
	if (g->members[i])
		cf_mix_put(g->members[i], packet, g->now);
	packet->ext = (struct cf_view){NULL, 0};
}

static void look(struct group *g, size_t i)
{
	struct cf_mix_member_stats stats;
	struct cf_dtmf_event_info info;
	struct cf_rtcp_block block = {.ssrc = 0, .fraction_lost = (uint8_t)(i * 60)};

	if (!g->members[i])
		return;
	cf_mix_report(g->members[i], &block, g->now);
	cf_mix_block(g->members[i], g->now, &block);
	cf_mix_dtmf(g->members[i], &info);
	cf_mix_member_stats(g->members[i], g->now, &stats);
	if (stats.muted && stats.talker && stats.own_stream && !stats.listening)
		abort();
}

static void run(struct group *g, unsigned ticks)
{
	struct cf_mix_stats stats;
	void *owners[MEMBERS];

	for (; ticks; ticks--, g->now += CF_MIX_TICK_US) {
		g->emitted = 0;
		cf_mix_run(g->mix, g->now, emit, g);
		cf_mix_stats(g->mix, &stats);
		if (g->emitted > stats.members || stats.talkers > 2 ||
			stats.tick_encodes > 1 + stats.members ||
			cf_mix_speaking(g->mix, owners, MEMBERS) > stats.talkers)
			abort();
	}
}

static void step(struct group *g, struct cf_wire_reader *r)
{
	uint8_t op = cf_wire_read_u8(r), x = cf_wire_read_u8(r);
	size_t i = (op >> 4) % MEMBERS;

	switch (op & 7) {
	case 0:
		toggle(g, i, x);
		break;
	case 1:
		if (g->members[i])
			cf_mix_set_muted(g->members[i], x & 1);
		break;
	case 2:
		if (g->members[i])
			cf_mix_set_listening(g->members[i], x & 1);
		break;
	case 3:
		g->next[i].seq = (uint16_t)(g->next[i].seq + x);
		g->next[i].ts += 960u * x;
		g->next[i].ssrc = x & 3;
		break;
	case 4:
		look(g, i);
		break;
	case 5:
		run(g, x % 4 + 1u);
		break;
	default:
		put(g, i, r, x);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct group g = {.now = 1000000};
	struct cf_wire_reader r;
	struct cf_mix_opts opts;

	cf_mix_opts_defaults(&opts);
	opts.talkers_max = 2;
	opts.members_max = MEMBERS - 1;
	opts.opus.complexity = 0;
	if (cf_mix_new(&g.mix, &opts) < 0)
		abort();
	cf_wire_reader_init(&r, p, n < 1500 ? n : 1500);
	toggle(&g, 0, 1);
	toggle(&g, 1, 0);
	while (cf_wire_left(&r))
		step(&g, &r);
	run(&g, 2);
	cf_mix_free(g.mix);
	return 0;
}
