/* SPDX-License-Identifier: Apache-2.0 */
/* A bandwidth estimator and a pacer under any sequence of packets, feedback and times. */
#include "base/clock.h"
#include "base/wire.h"
#include "cc/estimator.h"
#include "cc/pacer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void feedback(struct cf_cc *cc, struct cf_wire_reader *r, uint8_t x, uint64_t now_us)
{
	struct cf_cc_arrival list[32];
	uint16_t seq = cf_wire_read_u16(r);
	int64_t arrival_us = (int32_t)cf_wire_read_u32(r);
	size_t count = x % 32u;

	if (x & 0x80)
		arrival_us *= (int64_t)1 << 32;
	for (size_t i = 0; i < count; i++) {
		uint8_t bits = cf_wire_read_u8(r);

		arrival_us += (int8_t)bits * 250;
		list[i] = (struct cf_cc_arrival){seq, bits % 7 == 6, arrival_us};
		seq = (uint16_t)(seq + (bits & 3));
	}
	cf_cc_feedback(cc, list, count, x * 3000u, now_us);
}

static void pace(struct cf_cc *cc, struct cf_pacer *pacer, uint16_t *seq, uint64_t now_us)
{
	struct cf_cc_probe probe;
	uint32_t bytes;

	if (cf_cc_probe(cc, now_us, &probe))
		cf_pacer_probe(pacer, probe.rate_bps, probe.bytes, now_us);
	cf_pacer_rate(pacer, cf_cc_target_bps(cc), now_us);
	for (int i = 0; i < 8 && cf_pacer_get(pacer, now_us, &bytes); i++)
		cf_cc_sent(cc, (*seq)++, bytes, now_us);
	for (int i = 0; i < 8 && (bytes = cf_pacer_padding(pacer, now_us)); i++) {
		cf_pacer_padded(pacer, bytes);
		cf_cc_sent(cc, (*seq)++, bytes, now_us);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cf_cc_opts opts;
	struct cf_wire_reader r;
	struct cf_pacer *pacer;
	struct cf_cc_state seen;
	struct cf_cc *cc;
	uint64_t now_us = 1000000;
	uint16_t seq = 65500;

	cf_cc_opts_defaults(&opts);
	opts.slots = 64;
	if (cf_cc_new(&cc, &opts) < 0 || cf_pacer_new(&pacer, NULL) < 0)
		abort();
	cf_wire_reader_init(&r, p, n);
	while (cf_wire_left(&r)) {
		uint8_t op = cf_wire_read_u8(&r), x = cf_wire_read_u8(&r);
		int err;

		switch (op & 7) {
		case 0:
			now_us = x & 1 ? (uint64_t)cf_wire_read_u32(&r) << (x / 8) : now_us / 2;
			break;
		case 1:
		case 2:
			now_us += x * 500u;
			feedback(cc, &r, op ^ x, now_us);
			break;
		case 3:
			cf_cc_tick(cc, now_us += (uint64_t)x << (op / 16));
			if (cf_cc_deadline_us(cc) < now_us && now_us < CF_US_PER_S << 30)
				abort();
			break;
		case 4:
			cf_cc_sent(cc, seq = (uint16_t)(seq + op / 8), x * 257u, now_us);
			break;
		default:
			err = cf_pacer_put(pacer, op % 3, x * 8u, x * 8u);
			(void)err;
			pace(cc, pacer, &seq, now_us += op / 8 * 1000u);
		}
		cf_cc_state(cc, &seen);
		if (seen.target_bps < opts.min_bps || seen.target_bps > opts.max_bps)
			abort();
	}
	cf_cc_free(cc);
	cf_pacer_free(pacer);
	return 0;
}
