/* SPDX-License-Identifier: Apache-2.0 */
/* A jitter buffer and a telephone-event receiver under any sequence of packets, pulls and jumps of
 * time. */
#include "base/wire.h"
#include "rtp/dtmf.h"
#include "rtp/jitter.h"
#include "rtp/stats.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void pull(struct cf_jitter *j, uint64_t now, uint8_t duration)
{
	struct cf_jitter_frame frame;
	enum cf_jitter_result got = cf_jitter_get(j, now, &frame);

	if ((got == CF_JITTER_PACKET) != (frame.payload.len > 0) && got != CF_JITTER_LOST)
		abort();
	if (got == CF_JITTER_PACKET && duration > 200)
		cf_jitter_played(j, 120u * (duration - 200u));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cf_jitter_opts opts;
	struct cf_dtmf_receiver dtmf = {0};
	struct cf_dtmf_event_info info;
	struct cf_jitter_stats stats;
	struct cf_rtp_source source;
	struct cf_rtcp_block block;
	struct cf_wire_reader r;
	struct cf_jitter *j;
	uint64_t now = 1000000;
	uint16_t seq = 0;
	uint32_t ts = 0, ssrc = 1;

	cf_jitter_opts_defaults(&opts);
	opts.slots = 16;
	opts.max_payload = 32;
	if (cf_jitter_new(&j, &opts) < 0)
		abort();
	cf_rtp_source_init(&source, ssrc, 48000);
	cf_wire_reader_init(&r, p, n);
	while (cf_wire_left(&r)) {
		uint8_t op = cf_wire_read_u8(&r), x = cf_wire_read_u8(&r);
		struct cf_view v;

		now += (uint64_t)(x & 63) * 1000;
		switch (op & 7) {
		case 0:
			seq = cf_wire_read_u16(&r);
			break;
		case 1:
			ts = cf_wire_read_u32(&r);
			break;
		case 2:
			ssrc = x;
			break;
		case 3:
			v = cf_wire_read_view(&r, x % 40);
			cf_dtmf_receiver_put(&dtmf, v, ts, now, &info);
			cf_dtmf_receiver_tick(&dtmf, now + x * 2000, &info);
			break;
		case 4:
		case 5:
			pull(j, now, x);
			break;
		default:
			seq = (uint16_t)(seq + (op >> 3) % 4);
			ts += 960u * (op >> 5);
			v = (struct cf_view){p, x % 34 < n ? x % 34 : 0};
			cf_jitter_put(j, ssrc, seq, ts, x & 1, v, now);
			cf_rtp_source_update(&source, seq, ts, v.len, now);
			cf_rtp_source_block(&source, now, &block);
		}
		cf_jitter_stats(j, now, &stats);
		if (stats.held > opts.slots || stats.target_ms < opts.min_delay_ms ||
			stats.target_ms > opts.max_delay_ms)
			abort();
	}
	cf_jitter_free(j);
	return 0;
}
