/* SPDX-License-Identifier: Apache-2.0 */
/* Arrivals in any order become feedback that reads as it was meant, to the tick of 250 us. */
#include "base/clock.h"
#include "rtp/twcc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void tell(struct cf_twcc *twcc, const uint64_t *arrived_us)
{
	static struct cf_twcc_entry entries[CF_TWCC_PACKETS_MAX];
	uint16_t next = twcc->next;
	uint8_t p[2048];
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;
	struct cf_wire_writer w;
	int n;

	cf_wire_writer_init(&w, p, sizeof(p));
	if (!cf_twcc_write(twcc, &w, 1, 2))
		return;
	cf_rtcp_iter_init(&it, p, w.len);
	must(cf_rtcp_iter_next(&it, &item) == 1 && it.r.pos == w.len);
	n = cf_rtcp_item_twcc(&item, entries, CF_TWCC_PACKETS_MAX);
	must(n > 0 && twcc->next == (uint16_t)(next + n));
	for (int i = 0; i < n; i++) {
		uint64_t at_us = arrived_us[entries[i].seq];

		must(entries[i].seq == (uint16_t)(next + i));
		must(entries[i].lost || entries[i].arrival_us == (int64_t)(at_us / 250 * 250));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint64_t arrived_us[65536];
	static struct cf_twcc twcc;
	uint64_t now_us = CF_US_PER_S;
	uint16_t seq = 0;

	twcc = (struct cf_twcc){0};
	for (size_t i = 0; i + 1 < n; i += 2) {
		if (p[i] < 128)
			seq++;
		else if (p[i] < 192)
			seq = (uint16_t)(seq + (int8_t)p[i + 1]);
		else if (p[i] < 240)
			seq = (uint16_t)(seq + p[i + 1]);
		else if (p[i] < 250)
			seq = (uint16_t)(p[i] << 8 | p[i + 1]);
		else
			tell(&twcc, arrived_us);
		now_us += (uint64_t)p[i + 1] * p[i + 1] * 10;
		arrived_us[seq] = now_us;
		cf_twcc_arrived(&twcc, seq, now_us);
	}
	for (int i = 0; i < 10 && cf_twcc_pending(&twcc); i++)
		tell(&twcc, arrived_us);
	return 0;
}
